//! Step `reconcile`: compares the restored old primary with the new primary, table by table, and keeps what differs
//! in the report bucket.
//!
//! Operation `compare`. For each database of the plan the source is the cluster that `snapshot-restore` made for this
//! execution, the target the new primary's cluster in the function's own Region: the global cluster's writer, or, where
//! the databases have been moved back since, a secondary that is in step with it, by its reader endpoint. Both are only
//! read. Where `snapshot-restore` made it, the new primary as it was at the takeover is asked which of the two wrote a row that
//! differs ([`table_diff::Base`]). The crate `comparison` describes what is left in the bucket.
//!
//! # States
//! - *Refused*: the cluster here is a secondary that is not in step, or the restored cluster is not there, not this
//!   execution's, or not available.
//! - *InProgress*: the time of this call was over; the next call goes on.
//! - *Done*: every table was compared, or can't be; `summary.json` is written. A further call compares nothing.
//!
//! # Promise
//! What is in the bucket is the truth, and a call killed at any moment costs only what it did since its last write of
//! `cursor.json`: that says for every database which tables are done, where the one at work stands, and which parts
//! of differences belong to it. A part is written before the cursor that names it, see [`comparison::PartWriter`], and the
//! summary names the parts of each table: one that a killed call left counts for nothing.
//!
//! A table that can't be compared is `error` in the summary and the others go on. A database that can't be reached is
//! an error of the step: the next call tries again from where it stood.
//!
//! # Memory
//! `table-diff` holds one range of one table at a time. Differences are kept as text until there are
//! [`PART`](run::PART) bytes of them, or the cursor is saved; a part may be longer by what one range gives.

use std::pin::Pin;

use runbook::error::Kind;
use runbook::{Context, Outcome, RecoveryPlan, StepError};
use serde::Deserialize;

mod calls;
mod decide;
mod observe;
mod outcome;
mod run;
mod state;

pub use calls::{Compare, Failure, Servers};
pub use decide::{BaseSide, Place, Sides};
pub use outcome::Observed;
pub use run::PART;
pub use runbook::bucket::{GetObject, PutObject};

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// The one operation.
    pub operation: Operation,
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution that restored the old primary.
    pub execution: String,
    /// Region it was restored in, one of the plan's; absent or empty: the function's own.
    #[serde(default, deserialize_with = "runbook::step::optional_text")]
    pub restore_region: Option<String>,
}

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Compare as far as the time of this call allows.
    Compare,
}

/// The step as the Lambda function calls it.
///
/// # Errors
/// For what is broken: event, plan, permissions, a database that can't be reached or refuses the password.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    let servers = Servers::new(context.config.clone());
    // Boxed as a trait object: the futures of the drivers and of the SDK in one another are too deep for the compiler.
    let step: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(handle_with(context, event, &servers));
    step.await
}

/// The step with another comparison in place of the one over real servers.
///
/// # Errors
/// As [`handle`].
pub async fn handle_with(
    context: Context,
    event: Event,
    servers: &impl Compare,
) -> Result<Outcome<Observed>, StepError> {
    let Operation::Compare = event.operation;
    let plan = RecoveryPlan::load(&context, &event.plan).await?;
    let restore_region = event.restore_region.clone().unwrap_or_else(|| context.region.clone());
    plan.require_region(&restore_region, "`restoreRegion`")?;
    if !event.execution.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err(StepError::new(
            Kind::BadEvent,
            format!("`execution` is {:?}", event.execution),
            "give the id of the Automation execution that restored the old primary",
        ));
    }
    let store = runbook::bucket::client(&context.config);
    let folder = run::Folder::new(&plan, &context.region, &event.execution)?;
    if let Some(summary) = folder.summary(&store).await? {
        return Ok(outcome::done(&summary));
    }

    let state = folder.state(&store).await?;
    let at = observe::At { context: &context, plan: &plan, event: &event, restore_region: &restore_region };
    let all = match at.observe(&store, folder.bucket(), &state).await? {
        Ok(all) => all,
        Err(reason) => return Ok(outcome::refused(reason)),
    };
    Box::pin(run::run(&context, &folder, &store, servers, &plan, &all, state)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_read_strictly() {
        let read = |extra: &str| {
            serde_json::from_str::<Event>(&format!(
                r#"{{"operation":"compare","plan":"p","execution":"e"{extra}}}"#
            ))
        };
        assert_eq!(read(r#","restoreRegion":"""#).unwrap().restore_region, None);
        assert_eq!(read(r#","restoreRegion":"r""#).unwrap().restore_region.as_deref(), Some("r"));
        assert!(read(r#","since":"""#).is_err());
        assert!(serde_json::from_str::<Event>(r#"{"operation":"compare","plan":"p"}"#).is_err());
        let sample = include_str!("../../../events/reconcile.json");
        serde_json::from_str::<Event>(sample).unwrap();
    }
}
