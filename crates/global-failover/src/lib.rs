//! Step `global-failover`: promotes all of the plan's global databases to the target Region at once.
//!
//! It runs in the target Region, and looks at the world from there. Operations:
//! - `failover`: the primary's Region is impaired, writes that were not replicated are lost. Calls the target Region
//!   only.
//! - `switchover`: both Regions are well, nothing is lost. Calls the primary's Region, as AWS asks for.
//! - `detach`: as `failover`, where AWS can't do it: engine versions differ, or a global cluster is stuck. The target's
//!   clusters leave their global clusters and become primaries of their own. Replication is over, and the writer endpoint
//!   of the global cluster goes on leading to the old primary.
//! - `rebuild`: makes global databases of detached clusters again, see [`rebuild`].
//! - `keep`: asks for a snapshot of every new primary, see [`takeover`]. What follows is about the others.
//!
//! # States
//! For each global database, at every look ([`promote::decide`]):
//!
//! | seen | what follows |
//! |---|---|
//! | its one writer is in the target Region, nothing runs | done |
//! | an operation towards the target runs, or one is being cancelled | wait |
//! | an operation to another Region runs | refuse |
//! | two writers or none, no operation | wait: so it is for a moment |
//! | creating, modifying, upgrading | wait |
//! | deleting; no member in the target Region; the target is being rebuilt (`pending-resync`) | refuse |
//! | else | act |
//!
//! Of a detach ([`promote::decide_detach`]): in no global cluster and available: done; its one writer with nothing running: done,
//! and not detached; `promoting`, or not available yet: wait; `pending-resync`: refuse; else act, also while an operation
//! runs.
//!
//! The step answers Done when every database is done: read back, never taken from the answer to a call. It looks
//! about once a second for at most [`SLICE`](runbook::watch::SLICE), then answers InProgress; the plan's `promotionMinutes` after `since` it
//! answers Refused, naming the databases that are not there.
//!
//! # Promises
//! - All or none, as far as one can see: nothing is started while one database has to be refused. The answer names the
//!   reason of every one.
//! - Calling it again at any moment is safe: what is there or on its way is not started again. An operation that AWS
//!   accepted and then gave up is started again by the next call, until the limit.
//! - When AWS rejects a call because of a state, the step looks again: an operation that someone else started towards
//!   the target is as good as its own; else it answers Refused with AWS's words.
//! - A Region that does not answer is asked again until the time of the call is over; only then it is an error.
//!
//! # What a failure leaves
//! AWS goes on with every operation that was started; `changed` (or the error) names them. A database whose call was
//! rejected stays where it was, so the databases may be in different Regions: mend the reason and run the step again.
//!
//! Managed failover needs the same engine version in both clusters. Where AWS says that they differ, `detach` is the way
//! out; it is for a person to choose, because it gives up replication.

use aws_sdk_rds::Client;
use jiff::Timestamp;
use runbook::error::Kind;
use runbook::step::Mode;
use runbook::{Context, Outcome, RecoveryPlan, StepError};
use serde::{Deserialize, Serialize};

pub mod calls;
mod observed;
pub mod promote;
pub mod rebuild;
mod run;
pub mod takeover;

pub use observed::{DatabaseState, Observed};

use run::Run;

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// What.
    pub operation: Operation,
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// The Region that takes over: the function's own.
    pub target_region: String,
    /// `observed.since` of the first call; absent or empty at the first.
    #[serde(default, deserialize_with = "runbook::step::optional_time")]
    pub since: Option<Timestamp>,
}

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// [`Mode::Failover`].
    Failover,
    /// [`Mode::Switchover`].
    Switchover,
    /// [`Mode::Detach`].
    Detach,
    /// Make global databases again of clusters that were detached.
    Rebuild,
    /// Ask for a snapshot of every new primary.
    Keep,
}

/// What the step answers beside its status.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Seen {
    /// By the operations that move databases.
    Moved(Observed),
    /// By `keep`.
    Kept(takeover::Observed),
}

/// The step as the Lambda function calls it.
///
/// # Errors
/// For what is broken: event, plan, permissions, a Region that stays silent, a global cluster that does not exist.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Seen>, StepError> {
    let plan = RecoveryPlan::load(&context, &event.plan).await?;
    plan.require_region(&event.target_region, "`targetRegion`")?;
    if event.target_region != context.region {
        return Err(StepError::new(
            Kind::BadEvent,
            format!(
                "`targetRegion` is {}, but this function runs in {}",
                event.target_region, context.region
            ),
            "run the step in the Region that takes over",
        ));
    }
    let since = event.since.unwrap_or_else(|| context.clock.now());
    let run = Run {
        context: &context,
        plan: &plan,
        execution: &event.execution,
        target: &event.target_region,
        since,
    };
    let client = |region: &str| Client::new(&runbook::aws::in_region(&context.config, region));
    let moved = match event.operation {
        Operation::Failover => promote::run(&run, client, Mode::Failover).await,
        Operation::Switchover => promote::run(&run, client, Mode::Switchover).await,
        Operation::Detach => promote::run(&run, client, Mode::Detach).await,
        Operation::Rebuild => Box::pin(rebuild::run(&run, client)).await,
        Operation::Keep => {
            let kept = Box::pin(takeover::run(&run, &client(run.target))).await;
            return Ok(wrap(kept, Seen::Kept));
        }
    };
    moved.map(|outcome| wrap(outcome, Seen::Moved))
}

fn wrap<A>(outcome: Outcome<A>, variant: impl FnOnce(A) -> Seen) -> Outcome<Seen> {
    let Outcome { status, reason, observed, changed } = outcome;
    Outcome { status, reason, observed: variant(observed), changed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_read_strictly() {
        let json = |extra: &str| {
            let text = format!(
                r#"{{"operation":"failover","plan":"p","execution":"e","targetRegion":"sandbox-west"{extra}}}"#
            );
            serde_json::from_str::<Event>(&text)
        };
        assert_eq!(json("").unwrap().since, None);
        assert_eq!(json(r#","since":"""#).unwrap().since, None);
        assert!(json(r#","since":"2026-01-01T00:00:00Z""#).unwrap().since.is_some());
        assert!(json(r#","since":"yesterday""#).is_err());
        assert!(json(r#","targetregion":"x""#).is_err());
    }

    #[test]
    fn the_handler_may_run_on_any_thread() {
        fn is_send<T: Send>(_: T) {}
        let _ = |context, event| is_send(handle(context, event));
    }
}
