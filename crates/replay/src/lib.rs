//! Step `replay`: puts the rows back that a failover lost, as the comparison of a reconcile execution found them.
//!
//! | operation | what it does to the new primary | answers |
//! |---|---|---|
//! | `preview` | reads: what would become of each row | NeedsApproval, Done when there is nothing to put back |
//! | `apply` | inserts what is missing, in transactions of bounded size; updates and deletes nothing | Done |
//! | `verify` | reads: compares each row again, and tells what is left and why | Done |
//!
//! All three also answer InProgress and Refused. The crate `row_replay` has the rows' fates and what is never done.
//!
//! # States
//! - *Refused*: the report of the comparison is not complete; the writer is not in this Region, or not the cluster that
//!   was compared; what was compared has changed since the preview; `apply` before the preview is complete, `verify`
//!   before `apply` is; or the plan's `limits.replayMinutes` have passed since the operation began.
//! - *InProgress*: the time of this call was over; the next call goes on.
//! - *NeedsApproval*, *Done*: every row has its fate. A further call does nothing and answers the same.
//!
//! # Promise
//! What is in the bucket is the truth, see [`state`]. A call that is killed at any moment costs only what it did since
//! it last wrote there: the rows of it that were committed are found there by the next call, and none is there twice.
//! So one that was put back by a call that was killed is told as *already there*. `preview` and `verify` end with the
//! report, see [`report`]; its manifest is written last.
//!
//! # What a failure leaves
//! Whole transactions, parents before children. The next call goes on; so does a new execution, which sees what is there.
//!
//! # Memory
//! That of `row_replay`, and the fates of a few megabytes of rows before they are written.

use std::pin::Pin;

use runbook::error::Kind;
use runbook::{Context, Outcome, RecoveryPlan, StepError};
use serde::Deserialize;

mod calls;
mod decide;
mod observe;
mod outcome;
mod personal;
mod report;
mod run;
mod state;
mod status;
#[cfg(test)]
mod tests;

pub use calls::{Replay, Rows, Servers};
pub use decide::Place;
pub use outcome::Observed;

use run::{Begun, Job};

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// What to do.
    pub operation: Operation,
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution that replays.
    pub execution: String,
    /// Id of the Automation execution whose report is replayed.
    pub reconcile_execution: String,
}

/// The operations, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Tell what would become of each row.
    Preview,
    /// Put the rows back.
    Apply,
    /// Compare each row again.
    Verify,
}

impl Operation {
    /// As in events and object keys.
    fn name(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Apply => "apply",
            Self::Verify => "verify",
        }
    }
}

/// The step as the Lambda function calls it.
///
/// # Errors
/// For what is broken: event, plan, permissions, a database that can't be reached or takes no writes of this user.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    // Boxed as a trait object: the futures of the drivers and of the SDK in one another are too deep for the compiler.
    let step: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(handle_with(context, event, &Servers));
    step.await
}

/// The step with something else in place of the real servers.
///
/// # Errors
/// As [`handle`].
pub async fn handle_with(
    context: Context,
    event: Event,
    replay: &impl Replay,
) -> Result<Outcome<Observed>, StepError> {
    let plan = RecoveryPlan::load(&context, &event.plan).await?;
    for (field, id) in [("execution", &event.execution), ("reconcileExecution", &event.reconcile_execution)] {
        // They become parts of object keys.
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(StepError::new(
                Kind::BadEvent,
                format!("`{field}` is {id:?}"),
                "give the id of an Automation execution: letters, digits, hyphens",
            ));
        }
    }
    let store = runbook::bucket::client(&context.config);
    let job = Job { context: &context, plan: &plan, event: &event, store: &store };
    let work = match job.begin().await? {
        Begun::Answer(outcome) => return Ok(outcome),
        Begun::Work(work) => work,
    };

    let places = match observe::observe(&context, &plan, work.remaining()).await? {
        Ok(places) => places,
        Err(reason) => return Ok(work.refused(reason)),
    };
    Box::pin(work.run(replay, &places)).await
}
