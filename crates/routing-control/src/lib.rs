//! Step `routing-control`: lets traffic into Regions and keeps it out, by Route 53 ARC's routing controls.
//!
//! Operations:
//! - `set` ([`set`]): sets routing controls by ARC's data plane, which needs nothing of any one Region.
//! - `fill-endpoints` ([`fill`]): ahead of time, asks ARC's control plane for the cluster's endpoints and writes them
//!   into the plan. Nothing of a failover depends on it; it is the only user of ARC's control plane.
//!
//! Both are level-triggered: what is as it should be is left alone, and calling again at any moment is safe.
//!
//! Each operation is a folder that reads in the same order: `mod` (what it promises, and the run), what it asks, `decide` (the
//! choice, a pure function), `outcome` (what it answers).

use runbook::error::Kind;
use runbook::{Context, Outcome, RecoveryPlan, StepError, arc};
use serde::Serialize;

mod event;
pub mod fill;
pub mod set;

pub use event::{Event, FillEvent, SetEvent};

/// What the operation has seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Observed {
    /// By `set`.
    Set(set::SetObserved),
    /// By `fill-endpoints`.
    FillEndpoints(fill::FillObserved),
}

/// Serves an event.
///
/// # Errors
/// See [`set::set`] and [`fill::fill`]; besides, when the event or the plan is bad.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    // AWS asks for a random start, so that callers spread over the endpoints.
    handle_from(context, event, rand::random_range(0..5)).await
}

/// Serves an event; `start` is the endpoint (its place in the plan, from 0) that is tried first.
///
/// # Errors
/// As [`handle`].
pub async fn handle_from(
    context: Context,
    event: Event,
    start: usize,
) -> Result<Outcome<Observed>, StepError> {
    // Boxed: the SDK's futures are nested so deeply that the compiler gives up on the layout of one whole.
    Box::pin(serve(context, event, start)).await
}

async fn serve(context: Context, event: Event, start: usize) -> Result<Outcome<Observed>, StepError> {
    match event {
        Event::Set(event) => {
            let plan = RecoveryPlan::load(&context, &event.plan).await?;
            plan.require_routing("this runbook")?;
            let wanted = match set::WantedStates::of(&event, &plan) {
                Ok(wanted) => wanted,
                // A typing error has changed nothing, which an error of the step would leave open.
                Err(error) if error.kind() == Kind::BadEvent => {
                    return Ok(as_step(set::not_understood(&error), Observed::Set));
                }
                Err(error) => return Err(error),
            };
            let endpoints = arc::endpoints(&context.config, &plan.routing);
            Ok(as_step(Box::pin(set::set(&endpoints, start, &wanted)).await?, Observed::Set))
        }
        Event::FillEndpoints(event) => {
            let arc = fill::control_plane(&context.config);
            let outcome = Box::pin(fill::fill(&arc, &fill::Store::new(&context), &event.plan)).await?;
            Ok(as_step(outcome, Observed::FillEndpoints))
        }
    }
}

/// The same outcome, as one of the step's.
fn as_step<O>(outcome: Outcome<O>, observed: impl FnOnce(O) -> Observed) -> Outcome<Observed> {
    let Outcome { status, reason, observed: seen, changed } = outcome;
    Outcome { status, reason, observed: observed(seen), changed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handler_can_run_on_any_thread() {
        fn sendable<F: Send>(_: impl Fn(Context, Event) -> F) {}
        sendable(handle);
    }
}
