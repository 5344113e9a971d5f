//! Step `report`: writes what a runbook did, and what a failover lost, where people and machines find it.
//!
//! | operation | reads | writes, all in the report bucket of the function's own Region |
//! |---|---|---|
//! | `record` | the Automation execution | `record.json`, `record.html`, and the plan's last failover or switchover |
//! | `missing-transactions` | what the comparison left, and the records of the failover | `report.json`, `report.html`, spreadsheets and SQL, see [`missing`], and the plan's last reconciliation |
//!
//! | `outcome` | the Automation execution | nothing: it answers how the execution ended, in a sentence, see [`ending`] |
//!
//! The first two end with `manifest.json`, the SHA-256 of each file.
//!
//! **States.** `Done`: every file was written and read back the same. `Refused`: there is nothing to report on yet,
//! because the comparison is not complete. Of `outcome`: the execution ended well, or did not.
//!
//! The record of the last switchover is also written into the other Region's bucket, because the next failover, to that
//! Region, has to know of it. Where that write fails, the step fails for a switchover that succeeded, and is called again. A
//! switchover that failed is then recorded here alone, since somebody has to start it again anyway.
//!
//! **Run again**, the step writes the same keys again, and the manifest last; the bucket keeps versions. An execution that
//! promoted nothing never replaces the plan's last failover, and one that began earlier does only when the event says that
//! the later record is wrong, because a reconciliation needs the failover that moved the databases. The failover before it
//! is kept beside it. A record has to say what its execution did (`record::fits`).
//!
//! **A failure** leaves some files written and no manifest. Nothing but the bucket is touched.
//!
//! Memory is bounded: differences and files are streamed, and only the first of each kind and table are listed, see
//! [`missing_transactions::Limits`].

use aws_sdk_ssm::Client as Ssm;
use runbook::record::MoveOutcome;
use runbook::step::Mode;
use runbook::{Context, Outcome, RecoveryPlan, StepError};
use serde::Deserialize;

pub mod ending;
pub mod execution;
pub mod missing;
pub mod outcome;
pub mod record;
pub mod store;
pub mod text;

pub use outcome::Observed;

/// Which file the step is to write.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Event {
    /// Write the record of the failover or switchover that this execution is.
    Record {
        /// Name of the SSM parameter that holds the recovery plan.
        plan: String,
        /// Id of the Automation execution.
        execution: String,
        /// The Region that took over, or was to.
        target_region: String,
        /// How it ended.
        outcome: MoveOutcome,
        /// Lag before the failover, as preflight returned it. Taken from the execution when empty.
        #[serde(default)]
        lag: record::HandedLag,
        /// What it is.
        #[serde(default)]
        mode: Mode,
        /// For calls by hand: whether it replaces the record of a later execution, because that one is wrong.
        #[serde(default)]
        replace: bool,
    },
    /// Write the missing-transaction report of this execution's comparison.
    MissingTransactions {
        /// Name of the SSM parameter that holds the recovery plan.
        plan: String,
        /// Id of the Automation execution.
        execution: String,
        /// When clients' first request failed, as monitoring has it (RFC 3339); empty when not known.
        #[serde(default)]
        outage_from: String,
        /// When the first succeeded again.
        #[serde(default)]
        outage_to: String,
    },
    /// Say how this execution ended.
    Outcome {
        /// Name of the SSM parameter that holds the recovery plan, which is not read: the log names it.
        plan: String,
        /// Id of the Automation execution.
        execution: String,
    },
}

/// Runs the step.
///
/// # Errors
/// When the plan, the execution or the bucket can't be read or written, or `lag` or the comparison's files make no
/// sense.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    // Path style, so that a bucket needs no DNS name of its own at the sandbox.
    let s3 = runbook::bucket::client(&context.config);
    match event {
        Event::Record { plan: plan_parameter, execution, target_region, outcome, lag, mode, replace } => {
            let plan = RecoveryPlan::load(&context, &plan_parameter).await?;
            plan.require_region(&target_region, "targetRegion")?;
            let other = plan.other_region(&context.region);
            let other = runbook::bucket::client(&runbook::aws::in_region(&context.config, other));
            let asked =
                record::Asked { execution, target_region, outcome, lag, mode, plan_parameter, replace };
            record::write_record(&context, &Ssm::new(&context.config), [&s3, &other], &plan, &asked).await
        }
        Event::MissingTransactions { plan, execution, outage_from, outage_to } => {
            let plan = RecoveryPlan::load(&context, &plan).await?;
            let outage = missing::outage(&outage_from, &outage_to)?;
            missing::write_missing(&context, &s3, &plan, &missing::Asked { execution, outage }).await
        }
        Event::Outcome { execution, .. } => {
            ending::tell(&context, &Ssm::new(&context.config), &execution).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_understood_and_unknown_fields_are_not() {
        let event = json!({"operation": "record", "plan": "/p", "execution": "e", "targetRegion": "sandbox-west",
            "outcome": "Succeeded", "lag": ""});
        assert!(matches!(
            serde_json::from_value(event.clone()).unwrap(),
            Event::Record { outcome: MoveOutcome::Succeeded, .. }
        ));
        let mut unknown = event;
        unknown["since"] = json!("");
        assert!(serde_json::from_value::<Event>(unknown).unwrap_err().to_string().contains("since"));
        let event = json!({"operation": "missing-transactions", "plan": "/p", "execution": "e"});
        assert!(matches!(serde_json::from_value(event).unwrap(), Event::MissingTransactions { .. }));
        let event = json!({"operation": "record", "plan": "/p", "execution": "e", "targetRegion": "r", "outcome": "Maybe"});
        assert!(serde_json::from_value::<Event>(event).is_err());
    }
}
