//! Step `report`: writes what a runbook did, and what a failover lost, where people and machines find it.
//!
//! | operation | reads | writes, all in the report bucket of the function's own Region |
//! |---|---|---|
//! | `record` | the Automation execution | `record.json`, `record.html`, and the plan's last failover or switchover |
//! | `missing-transactions` | what the comparison left, and the records of the failover | `report.json`, `report.html`, spreadsheets and SQL, see [`missing`], and the plan's last reconciliation |
//!
//! Both end with `manifest.json`, the SHA-256 of each file.
//!
//! **States.** `Done`: every file was written and read back the same. `Refused`: there is nothing to report on yet,
//! because the comparison is not complete.
//!
//! The record of the last switchover also goes into the other Region's bucket, which is well when there was one: the next
//! failover, to that Region, has to know of it. Where that can't be written, a switchover that ended well is not recorded:
//! an error, to be called again. One that failed is recorded here alone; it is started again anyway.
//!
//! **Run again**, the step writes the same keys again, and there is no manifest until it is through; the bucket keeps
//! versions. The plan's last failover is not replaced by an execution that promoted nothing, nor by one that began earlier
//! (unless the event says that the later one was wrong): a reconciliation needs the one that moved the databases. The one
//! before it is kept beside it. What is recorded has to be what the execution did ([`record::fits`]).
//!
//! **A failure** leaves some files written and no manifest. Nothing but the bucket is touched.
//!
//! Memory is bounded: differences and files are streamed, and only the first of each kind and table are listed, see
//! [`missing_transactions::Limits`].

use aws_sdk_ssm::Client as Ssm;
use comparison::Found;
use runbook::names::keys;
use runbook::record::{FailoverRecord, MoveOutcome, ReconciliationRecord, SwitchoverRecord};
use runbook::step::Mode;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError, telemetry};
use serde::{Deserialize, Serialize};

pub mod execution;
pub mod missing;
pub mod record;
pub mod store;
pub mod text;

use execution::ReadExecution;
use store::{DeleteObject, Folder, GetObject, PutObject, ReadLines};

/// What the function is asked to do.
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
        /// Lag before the failover, as preflight answers it. Taken from the execution when empty.
        #[serde(default)]
        lag: record::HandedLag,
        /// What it is.
        #[serde(default)]
        mode: Mode,
        /// By hand: whether it replaces the record of a later execution, which was wrong.
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
}

/// What the step answers beside its status.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// `s3://bucket/key` of the page; empty when there is none.
    pub location: String,
    /// What the page says, in a sentence or two.
    pub summary: String,
    /// The numbers that matter, as the subject of a message: ASCII, under 100 characters, as SNS wants it. Of a record
    /// empty, and there all the same: AWS doesn't say what a selector does that finds nothing.
    pub subject: String,
    /// What to do about it, as far as the report can say: nothing to put back where nothing is missing. Empty as `subject`.
    pub next: String,
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
            write_record(&context, &Ssm::new(&context.config), [&s3, &other], &plan, &asked).await
        }
        Event::MissingTransactions { plan, execution, outage_from, outage_to } => {
            let plan = RecoveryPlan::load(&context, &plan).await?;
            let outage = missing::outage(&outage_from, &outage_to)?;
            write_missing(&context, &s3, &plan, &missing::Asked { execution, outage }).await
        }
    }
}

/// Writes the record of a failover or switchover. `stores`: that of this Region, and that of the other one.
///
/// # Errors
/// See [`handle`].
pub async fn write_record<E, S>(
    context: &Context,
    executions: &E,
    stores: [&S; 2],
    plan: &RecoveryPlan,
    asked: &record::Asked,
) -> Result<Outcome<Observed>, StepError>
where
    E: ReadExecution,
    S: GetObject + PutObject + DeleteObject + ReadLines,
{
    let [store, other] = stores;
    let bucket = plan.report_bucket(&context.region);
    let (failover_key, switchover_key) = (keys::last_failover(&plan.name), keys::last_switchover(&plan.name));
    let execution = executions.read_execution(&asked.execution).await?;
    record::fits(plan, asked, &execution, &context.region)?;
    let last: Option<FailoverRecord> = last_record(store, bucket, &failover_key).await?;
    let switchover: Option<SwitchoverRecord> = last_record(store, bucket, &switchover_key).await?;

    let since = [
        last.as_ref().filter(|last| last.succeeded()).map(|last| last.ended_at),
        switchover.as_ref().filter(|last| last.succeeded()).map(|last| last.ended_at),
    ];
    let (earlier, unknown) = match beginnings(executions, &execution, since.into_iter().flatten().max()).await
    {
        Ok(earlier) => (earlier, None),
        // A record that may begin too late is worth more than none.
        Err(error) => (Vec::new(), Some(error)),
    };
    let record = record::build(plan, asked, &execution, &earlier, switchover.as_ref(), context.clock.now())?;
    let page = record::page(&record)?;

    let mut folder = Folder::begin_anew(store, bucket, keys::reports(&plan.name, &asked.execution)).await?;
    folder.write_json("record.json", &record).await?;
    let location = folder.write("record.html", "text/html; charset=utf-8", page.into_bytes()).await?;
    folder.write_manifest(&[]).await?;
    let mut changed = folder.written();
    let mut reason = format!("the record is written: {location}");
    if let Some(error) = unknown {
        reason += &format!("; whether an earlier execution began this move is not known: {error}");
    }
    // The last of all, so that later runbooks never read of a move whose record is missing.
    match asked.mode {
        Mode::Failover | Mode::Detach
            if record::replaces(&record, last.as_ref().map(|last| last.started_at), asked.replace) =>
        {
            if let Some(last) = last.as_ref().filter(|last| last.execution != record.execution) {
                let (key, text) = (keys::earlier_failover(&plan.name, &last.execution), store::json(last)?);
                store::put_and_check(store, bucket, &key, "application/json", text).await?;
            }
            let text = store::json(&record.failover(last.as_ref(), switchover.as_ref()))?;
            store::put_and_check(store, bucket, &failover_key, "application/json", text).await?;
            changed.push(format!("wrote s3://{bucket}/{failover_key}"));
        }
        Mode::Switchover
            if record::replaces(&record, switchover.as_ref().map(|last| last.started_at), asked.replace) =>
        {
            let text = store::json(&record.switchover())?;
            store::put_and_check(store, bucket, &switchover_key, "application/json", text.clone()).await?;
            changed.push(format!("wrote s3://{bucket}/{switchover_key}"));
            let there = plan.report_bucket(plan.other_region(&context.region));
            match store::put_and_check(other, there, &switchover_key, "application/json", text).await {
                Ok(()) => changed.push(format!("wrote s3://{there}/{switchover_key}")),
                Err(error) if asked.outcome == MoveOutcome::Failed => {
                    reason += &format!("; the other Region does not know of it: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        Mode::Failover | Mode::Switchover | Mode::Detach => {}
    }
    telemetry::emit(&plan.name, &record::measured(&record), context.clock.now());
    let summary = record::summary(&record);
    Ok(Outcome::new(
        Status::Done,
        reason,
        Observed { location, summary, subject: String::new(), next: String::new() },
    )
    .with_changed(changed))
}

/// How many executions before this one are looked at: each is a call, and Systems Manager takes three a second.
const EARLIER: usize = 20;

/// The executions of the same runbook before this one that promoted, to the same Region, with none between that ended
/// well and none from before `since`. What was not recorded, because it was cancelled or killed, is seen here.
async fn beginnings(
    executions: &impl ReadExecution,
    execution: &execution::Execution,
    since: Option<jiff::Timestamp>,
) -> Result<Vec<execution::Execution>, StepError> {
    let listed = executions.list_executions(&execution.document).await?;
    let before = listed
        .iter()
        .filter(|one| one.id != execution.id && one.started <= execution.started)
        .take_while(|one| one.status != "Success" && since.is_none_or(|since| one.started > since));
    let mut beginnings = Vec::new();
    for one in before.take(EARLIER) {
        let one = executions.read_execution(&one.id).await?;
        if record::promoted(&one) && one.parameter("ImpairedRegion") == execution.parameter("ImpairedRegion")
        {
            beginnings.push(one);
        }
    }
    Ok(beginnings)
}

/// A record that an earlier runbook left, if it can be read: a broken one must not keep this one from being written.
async fn last_record<T: serde::de::DeserializeOwned>(
    store: &impl GetObject,
    bucket: &str,
    key: &str,
) -> Result<Option<T>, StepError> {
    Ok(store.get_object(bucket, key).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Writes the missing-transaction report.
///
/// # Errors
/// See [`handle`].
pub async fn write_missing<S>(
    context: &Context,
    store: &S,
    plan: &RecoveryPlan,
    asked: &missing::Asked,
) -> Result<Outcome<Observed>, StepError>
where
    S: missing::Bucket,
{
    let (bucket, execution) = (plan.report_bucket(&context.region), &asked.execution);
    let Some(found) = Found::open(store, bucket, &plan.name, execution).await? else {
        let summary =
            format!("s3://{bucket}/{}{}", keys::reconcile(&plan.name, execution), comparison::SUMMARY);
        let reason = format!(
            "there is no {summary}: the comparison of execution {execution} is not complete; run the step reconcile \
             until it says Done"
        );
        return Ok(Outcome::new(
            Status::Refused,
            reason,
            Observed {
                location: String::new(),
                summary: String::new(),
                subject: String::new(),
                next: String::new(),
            },
        ));
    };
    let known = missing::known(context, store, plan, asked).await?;
    let facts =
        missing::facts(plan, execution, &context.region, context.clock.now(), found.summary(), &known);

    let mut folder = Folder::begin_anew(store, bucket, keys::reports(&plan.name, execution)).await?;
    let (written, evidence) = missing::write(&mut folder, &found, plan, facts).await?;
    folder.write_manifest(&evidence).await?;
    let mut changed = folder.written();
    // The last of all, so that nobody takes for reconciled what has no report.
    if let Some(failover) = known.failover {
        let ended_at = context.clock.now();
        let (plan, execution) = (plan.name.clone(), execution.clone());
        let key = keys::last_reconciliation(&plan);
        let record = ReconciliationRecord { plan, execution, failover: failover.execution, ended_at };
        store::put_and_check(store, bucket, &key, "application/json", store::json(&record)?).await?;
        changed.push(format!("wrote s3://{bucket}/{key}"));
    }
    telemetry::emit(&plan.name, &written.measured, context.clock.now());
    let observed = Observed {
        summary: written.summary,
        location: written.location,
        subject: written.subject,
        next: written.next,
    };
    let reason = format!("the missing-transaction report is written: {}", observed.location);
    Ok(Outcome::new(Status::Done, reason, observed).with_changed(changed))
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

    #[test]
    fn the_sample_events_are_valid() {
        for sample in
            [include_str!("../../../events/report.json"), include_str!("../../../events/report-record.json")]
        {
            serde_json::from_str::<Event>(sample).unwrap();
        }
    }
}
