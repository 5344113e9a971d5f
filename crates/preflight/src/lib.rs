//! Step `preflight`: may a failover or switchover go ahead, was it complete, and could one be made at all?
//!
//! Operations:
//! - `check` ([`check`]): before. Looks at everything at once, answers Ready, NeedsApproval or Refused with every reason.
//!   Of a failover it takes the lock that keeps others from starting ([`runbook::lock`]), and changes nothing else.
//! - `verify` ([`verify`]): after. Waits until every database has one writer, in the target Region, that accepts a
//!   write. The write goes to a table of Causeway's own ([`sql_probe`]).
//! - `readiness` ([`readiness`]): on a quiet day. Looks at everything that can be seen without changing anything, in both
//!   Regions, and lists every finding.
//!
//! All only look, but for that row and that lock: calling again at any moment is safe, and a failure leaves nothing else
//! behind.
//!
//! Each operation is a folder that reads in the same order: `mod` (what it promises, and the run), `observe` (what it asks),
//! `decide` (the choice, a pure function), `outcome` (what it answers). What they ask with and of is beside them:
//! `asking`, [`world`], `traffic`, [`probe`].

use runbook::{Context, Outcome, StepError};
use serde::Serialize;

mod asking;
pub mod check;
mod event;
pub mod evidence;
pub mod overdue;
pub mod permissions;
pub mod probe;
pub mod readiness;
pub mod rules;
pub mod sql_probe;
pub mod tables;
mod traffic;
pub mod verify;
pub mod world;

pub use event::{CheckEvent, Cooldown, Event, ReadinessEvent, VerifyEvent};
pub use probe::{AcceptsWrite, SignsIn};
pub use runbook::step::{Mode, Trigger};

/// What the operation has seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Observed {
    /// By `check`.
    Check(check::CheckObserved),
    /// By `verify`.
    Verify(verify::VerifyObserved),
    /// By `readiness`.
    Readiness(readiness::ReadinessObserved),
}

/// Serves an event.
///
/// # Errors
/// See [`check`], [`verify`] and [`readiness`]; besides, when the event or the plan is bad.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    let probe = sql_probe::SqlProbe::new(context.config.clone(), runbook::authorities::load()?);
    handle_with(context, event, &probe).await
}

/// Serves an event, with another way to find out whether a database accepts a write and lets one in: for rehearsals
/// without servers.
///
/// # Errors
/// As [`handle`].
pub async fn handle_with(
    context: Context,
    event: Event,
    probe: &(impl AcceptsWrite + SignsIn + Sync),
) -> Result<Outcome<Observed>, StepError> {
    // Boxed: the SDK's futures are nested so deeply that the compiler gives up on the layout of one whole.
    match event {
        Event::Check(event) => Ok(as_step(Box::pin(check::run(&context, &event)).await?, Observed::Check)),
        Event::Verify(event) => {
            Ok(as_step(Box::pin(verify::run(&context, &event, probe)).await?, Observed::Verify))
        }
        Event::Readiness(event) => {
            Ok(as_step(Box::pin(readiness::run(&context, &event, probe)).await?, Observed::Readiness))
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
