//! Function `region-switch`: the custom action of ARC Region switch that accounts for what a failover lost, where Region switch
//! moves the application and Causeway does not.
//!
//! Region switch calls it again and again until it succeeds ("Custom action Lambda execution block", Amazon Application Recovery
//! Controller Developer Guide): an error is "not yet" or "failed", an answer is "over". Each call looks at what there is:
//!
//! | what there is | what the call does | what it answers |
//! |---|---|---|
//! | every database of the plan was moved by a switchover | nothing | `NotNeeded`: nothing can be lost |
//! | a database whose writer is not in the Region that took over | nothing | error `InProgress` |
//! | the failover is not on record | writes its record, from Region switch's own execution; in the workflow that moved the databases it asks for snapshots of the new primaries before | goes on; `Done` where the block is to `record` only |
//! | no execution reconciles it | starts `reconcile` | error `InProgress` |
//! | one does | asks how it stands | error `InProgress`, naming its step |
//! | one has ended well | nothing | `Done`, with the summary and where the report is |
//! | one has ended otherwise | nothing | error `Failed`, with its message, at each call the same |
//!
//! **Which execution.** The one that holds the lock on this failover (`records/PLAN/reconcile-lock.json`), whoever has started
//! it: an event of Aurora's snapshot, this function, or a person after a failure. Until there is a lock, the one that this
//! step of Region switch's execution has started, which it notes in the bucket. It is started with a client token made of
//! execution and step, and so that it ends at once where another reconciles the same failover: two calls at once start one.
//!
//! **Two blocks.** With `operation` `record`, behind the blocks that move the databases, a block has the state at the takeover kept,
//! which lets a reconciliation prove what was lost, and does not hold the recovery up: snapshots that AWS does not take are a
//! reason in the answer. The other one, without it, stands in the post-recovery workflow. It does both, if there is no other.
//!
//! **What failed is not started again** by itself. A person mends the cause and starts `reconcile`; the next call follows that.
//!
//! **What the record knows.** When Region switch started, and when its steps ended. How far a database was behind, when its
//! writer moved, and when the first write was accepted, it does not say: these are absent. That every database has its writer
//! in the Region that took over is RDS's word.
//!
//! **A failure** leaves a record without its execution, or an execution that is not noted yet. The next call goes on from there.

use runbook::step::optional_text;
use runbook::{Context, Outcome, RecoveryPlan, StepError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

mod calls;
mod decide;
mod record;
mod run;
mod seen;

pub use run::Observed;

/// What a block is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Have it on record what was moved, and the state then kept.
    Record,
    /// Have it reconciled, and wait for that.
    #[default]
    Reconcile,
}

/// What Region switch sends: what it says of itself, and the object that the block is configured with, whose keys win.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Event {
    /// ARN of Region switch's plan.
    pub plan_arn: String,
    /// Id of its execution.
    pub execution_id: String,
    /// Name of the step that this block is.
    pub step_name: String,
    /// What this block is for.
    pub operation: Operation,
    /// Name of the SSM parameter that holds the recovery plan.
    pub plan: String,
    /// Parameters of the runbook that the block is configured with, by their names there.
    pub parameters: BTreeMap<&'static str, String>,
}

/// The event as it comes.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "PlanArn")]
    plan_arn: String,
    #[serde(rename = "ExecutionId")]
    execution_id: String,
    #[serde(rename = "StepName")]
    step_name: String,
    #[serde(default)]
    operation: Operation,
    plan: String,
    #[serde(default, rename = "restoreRegion", deserialize_with = "optional_text")]
    restore_region: Option<String>,
    #[serde(default, rename = "outageFrom", deserialize_with = "optional_text")]
    outage_from: Option<String>,
    #[serde(default, rename = "outageTo", deserialize_with = "optional_text")]
    outage_to: Option<String>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

impl TryFrom<Fields> for Event {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        // Region switch's own keys begin with a capital letter, and it may add some. Those of the block begin with a small one.
        let stranger = fields.other.keys().find(|key| !key.starts_with(|c: char| c.is_ascii_uppercase()));
        if let Some(stranger) = stranger {
            return Err(format!(
                "the block's payload has `{stranger}`, which is none of plan, operation, restoreRegion, outageFrom, outageTo"
            ));
        }
        let given = [
            ("RestoreRegion", fields.restore_region),
            ("OutageFrom", fields.outage_from),
            ("OutageTo", fields.outage_to),
        ];
        Ok(Self {
            plan_arn: fields.plan_arn,
            execution_id: fields.execution_id,
            step_name: fields.step_name,
            operation: fields.operation,
            plan: fields.plan,
            parameters: given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        })
    }
}

/// Serves a call of Region switch.
///
/// # Errors
/// As long as the reconciliation is not over, and when it has failed; see the crate's page.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    let plan = RecoveryPlan::load(&context, &event.plan).await?;
    // Boxed: the SDK's futures are nested so deeply that the compiler gives up on the layout of one whole.
    Box::pin(run::run(&context, &plan, &event)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(event: &Value) -> Result<Event, String> {
        serde_json::from_value(event.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_event_is_understood_with_keys_that_region_switch_may_add() {
        let sent = json!({"InvokedBy": "arc-region-switch", "PlanArn": "arn", "ExecutionId": "e", "StepName": "account",
            "plan": "/causeway/plans/shop", "outageFrom": "2026-11-25T12:00:00Z", "restoreRegion": ""});
        let event = read(&sent).unwrap();
        assert_eq!((event.execution_id.as_str(), event.step_name.as_str()), ("e", "account"));
        assert_eq!(event.parameters, [("OutageFrom", "2026-11-25T12:00:00Z".to_owned())].into());
        let mut more = sent.clone();
        more["ExecutionMode"] = json!("graceful");
        assert_eq!(read(&more).unwrap(), event);
    }

    #[test]
    fn what_the_block_was_given_by_mistake_is_named() {
        let sent = json!({"PlanArn": "arn", "ExecutionId": "e", "StepName": "account", "plan": "/p", "restoreRegoin": "x"});
        assert!(read(&sent).unwrap_err().contains("`restoreRegoin`"));
        let without = json!({"PlanArn": "arn", "ExecutionId": "e", "StepName": "account"});
        assert!(read(&without).unwrap_err().contains("missing field `plan`"));
    }

    #[test]
    fn the_handler_can_run_on_any_thread() {
        fn sendable<F: Send>(_: impl Fn(Context, Event) -> F) {}
        sendable(handle);
    }
}
