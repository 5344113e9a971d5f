//! Step `snapshot-restore`: brings the old primary back under another name, from the snapshot that Aurora left of it
//! after a failover, and removes it again.
//!
//! Operations:
//! - `restore` ([`restore`]): find the snapshot, keep it as a manual one, restore a cluster, add an instance, wait.
//! - `cleanup` ([`cleanup`]): remove exactly what carries the execution's tag.
//!
//! Both look at everything at every call and are told nothing but the execution: calling them again, at any moment and
//! after any failure, is safe. They look every [`LOOK`] for at most [`SLICE`](runbook::watch::SLICE) and answer
//! InProgress; the plan's `restoreMinutes` after `since` they answer Refused. Success is said only of what was read
//! back.
//!
//! Aurora leaves a snapshot of each database, and each starts an execution where that is switched on; one is enough, since it
//! restores all. So the first call of `restore` takes a lock ([`runbook::lock`]) with the failover that it is about, and one
//! that an event started answers NotNeeded while another reconciles that failover, or when another has done so. A person's
//! is never held back.
//!
//! What a failure leaves: clusters and instances that carry the execution's tag, which `cleanup` finds without knowing
//! how far the restore came; and the kept snapshots, which stay on purpose: they are the evidence.

use std::collections::BTreeMap;

use aws_sdk_rds::Client;
use jiff::Timestamp;
use runbook::error::Kind;
use runbook::step::Trigger;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use serde::{Deserialize, Serialize};

pub mod calls;
mod claim;
pub mod cleanup;
#[cfg(test)]
mod fake;
pub mod restore;
mod run;

pub use run::LOOK;
pub use runbook::record::ReadLastFailover;

use run::Run;

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Restore or clean up.
    pub operation: Operation,
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution; names and tags derive from it.
    pub execution: String,
    /// Region to restore in, one of the plan's; absent or empty: the function's own.
    #[serde(default, deserialize_with = "runbook::step::optional_text")]
    pub restore_region: Option<String>,
    /// `observed.since` of the first call; absent or empty at the first.
    #[serde(default, deserialize_with = "runbook::step::optional_time")]
    pub since: Option<Timestamp>,
    /// Who started it; of `restore`.
    #[serde(default)]
    pub trigger: Trigger,
}

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Restore the old primary of every database.
    Restore,
    /// Remove what was restored.
    Cleanup,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Observed {
    /// By `restore`.
    Restore(restore::Observed),
    /// By `cleanup`.
    Cleanup(cleanup::Observed),
}

/// The step as the Lambda function calls it.
///
/// # Errors
/// For what is broken: event, plan, permissions, quotas, a Region that stays silent, a global cluster that does not
/// exist.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    let plan = RecoveryPlan::load(&context, &event.plan).await?;
    let restore_region = event.restore_region.clone().unwrap_or_else(|| context.region.clone());
    plan.require_region(&restore_region, "`restoreRegion`")?;
    if !event.execution.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err(StepError::new(
            Kind::BadEvent,
            format!("`execution` is {:?}", event.execution),
            "give the id of the Automation execution; what is restored is named and tagged after it",
        ));
    }
    let since = event.since.unwrap_or_else(|| context.clock.now());
    let run = Run { context: &context, plan: &plan, execution: &event.execution, restore_region, since };
    let client = |region: &str| Client::new(&runbook::aws::in_region(&context.config, region));
    match event.operation {
        Operation::Restore => {
            let records = runbook::bucket::client(&context.config);
            if event.since.is_none()
                && let Some(reason) = claim::claim(&run, &records, event.trigger).await?
            {
                let observed = restore::Observed { since, databases: BTreeMap::new() };
                return Ok(Outcome::new(Status::NotNeeded, reason, Observed::Restore(observed)));
            }
            Ok(wrap(restore::run(&run, &records, client).await?, Observed::Restore))
        }
        Operation::Cleanup => Ok(wrap(cleanup::run(&run, client).await?, Observed::Cleanup)),
    }
}

fn wrap<A>(outcome: Outcome<A>, variant: impl FnOnce(A) -> Observed) -> Outcome<Observed> {
    let Outcome { status, reason, observed, changed } = outcome;
    Outcome { status, reason, observed: variant(observed), changed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_read_strictly() {
        let json = |extra: &str| {
            let text = format!(r#"{{"operation":"restore","plan":"p","execution":"e"{extra}}}"#);
            serde_json::from_str::<Event>(&text)
        };
        assert_eq!(json("").unwrap().restore_region, None);
        assert_eq!(json(r#","restoreRegion":"","since":"""#).unwrap(), json("").unwrap());
        assert_eq!(json(r#","restoreRegion":"r""#).unwrap().restore_region.as_deref(), Some("r"));
        assert!(json(r#","since":"yesterday""#).is_err());
        assert!(json(r#","restoreregion":"r""#).is_err());
    }

    #[test]
    fn the_handler_may_run_on_any_thread() {
        fn is_send<T: Send>(_: T) {}
        let _ = |context, event| is_send(handle(context, event));
    }
}
