//! How the operations of this step ask AWS: within a time limit, with an answer or the reason why there is none.

use std::time::Duration;

use runbook::error::Kind;
use runbook::{Context, RecoveryPlan, StepError};

/// How long a question to the target Region may take, the SDK's retries included.
pub(crate) const TARGET: Duration = Duration::from_secs(8);

/// An answer, or why there is none: an error's cause, in one line without a remedy.
pub(crate) type Answer<T> = Result<T, String>;

/// Bounds a question, the SDK's retries included.
///
/// # Errors
/// [`Kind::Unreachable`] when `region` does not answer within `limit`; else the question's own.
pub(crate) async fn within<T>(
    limit: Duration,
    region: &str,
    question: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    tokio::time::timeout(limit, question).await.unwrap_or_else(|_| {
        Err(StepError::new(
            Kind::Unreachable,
            format!("{region} did not answer within {} s", limit.as_secs()),
            "check that the Region can be reached from this function, then run the step again",
        ))
    })
}

/// As [`within`], where a question without an answer is not the end.
pub(crate) async fn answer<T>(
    limit: Duration,
    region: &str,
    question: impl Future<Output = Result<T, StepError>>,
) -> Answer<T> {
    within(limit, region, question).await.map_err(|error| error.cause())
}

/// Loads the plan and checks that the target is one of its Regions.
///
/// # Errors
/// [`Kind::BadPlan`], [`Kind::BadEvent`]; as [`RecoveryPlan::load`].
pub(crate) async fn plan_for(
    context: &Context,
    parameter: &str,
    target: &str,
) -> Result<RecoveryPlan, StepError> {
    let plan = Box::pin(RecoveryPlan::load(context, parameter)).await?;
    plan.require_region(target, "`targetRegion`")?;
    Ok(plan)
}
