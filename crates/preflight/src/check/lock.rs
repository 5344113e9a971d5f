//! The lock of a failover: of several executions at once, one continues.

use jiff::{SignedDuration, Timestamp};
use runbook::lock::{Lock, Standing, take};
use runbook::names::keys;
use runbook::{RecoveryPlan, StepError};

use crate::asking::{TARGET, within};

/// Takes the lock in `region`, the one that takes over; another execution's lock, when that has it.
///
/// # Errors
/// When the bucket or Systems Manager does not answer or refuses.
pub(super) async fn take_failover_lock(
    records: &aws_sdk_s3::Client,
    executions: &aws_sdk_ssm::Client,
    region: &str,
    plan: &RecoveryPlan,
    execution: &str,
    now: Timestamp,
) -> Result<Option<Lock>, StepError> {
    let lasts = SignedDuration::from_mins(i64::from(plan.limits.lock_minutes));
    let wanted = Lock {
        execution: execution.to_owned(),
        subject: String::new(),
        taken_at: now,
        expires_at: now.checked_add(lasts).unwrap_or(Timestamp::MAX),
    };
    let key = keys::failover_lock(&plan.name);
    let place = (plan.report_bucket(region)?, key.as_str());
    let runs = |_: &Lock, standing| standing == Standing::Running;
    let taken = within(TARGET, region, take(records, executions, place, &wanted, runs)).await?;
    Ok(taken.map(|(lock, _)| lock))
}
