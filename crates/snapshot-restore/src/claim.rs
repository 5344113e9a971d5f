//! The lock with which one execution reconciles a failover, whichever of its snapshots have started one.

use jiff::{SignedDuration, Timestamp};
use runbook::StepError;
use runbook::lock::{self, Lock, Standing};
use runbook::names::keys::reconcile_lock;
use runbook::record::ReadLastFailover;
use runbook::step::Trigger;

use crate::run::Run;

/// How long an execution that was not seen to end keeps others from starting by themselves.
const LOCK: SignedDuration = SignedDuration::from_hours(24);

/// Takes the lock; why an execution that an event started has nothing to do.
pub(crate) async fn claim(
    run: &Run<'_>,
    records: &aws_sdk_s3::Client,
    trigger: Trigger,
) -> Result<Option<String>, StepError> {
    let (name, now) = (&run.plan.name, run.context.clock.now());
    let bucket = run.plan.report_bucket(&run.context.region)?;
    // Without a failover `restore` refuses, with the reason.
    let Some(failover) = records.read_last_failover(bucket, name).await? else { return Ok(None) };
    let wanted = Lock {
        execution: run.execution.to_owned(),
        subject: failover.execution,
        taken_at: now,
        expires_at: now.checked_add(LOCK).unwrap_or(Timestamp::MAX),
    };
    let holds = |lock: &Lock, standing| {
        trigger == Trigger::Automatic && lock.subject == wanted.subject && standing != Standing::Over
    };
    let executions = aws_sdk_ssm::Client::new(&run.context.config);
    let key = reconcile_lock(name);
    let taken = lock::take(records, &executions, (bucket, &key), &wanted, holds).await?;
    Ok(taken.map(|(Lock { execution, subject, .. }, standing)| {
        let does = if standing == Standing::Succeeded { "has reconciled" } else { "reconciles" };
        format!("execution {execution} {does} the failover of execution {subject} already")
    }))
}
