//! What the report bucket and the caller know of the failover, beside the comparison.

use jiff::Timestamp;
use missing_transactions::facts::Outage;
use runbook::error::Kind;
use runbook::names::keys;
use runbook::plan::RecoveryPlan;
use runbook::record::{FailoverRecord, ReadLastFailover, ReadLastSwitchover};
use runbook::{Context, StepError};

use crate::record::Record;
use crate::store::Bucket;

/// Which report is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Id of the Automation execution that compared.
    pub execution: String,
    /// The outage as clients saw it; `None` when it is not known.
    pub outage: Option<Outage>,
}

/// Reads the times of an outage; `None` when both are empty.
///
/// # Errors
/// [`Kind::BadEvent`] for what is no time, or an end without a beginning.
pub fn outage(from: &str, to: &str) -> Result<Option<Outage>, StepError> {
    let read = |name: &str, text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse::<Timestamp>().map(Some).map_err(|error| {
            let what = format!("`{name}` is {text:?}, which is no time");
            let remedy = "write it as 2026-11-25T09:38:44Z, or leave it empty";
            StepError::new(Kind::BadEvent, what, remedy).with_source(error)
        }),
    };
    match (read("outageFrom", from)?, read("outageTo", to)?) {
        (Some(from), to) if to.is_none_or(|to| to >= from) => Ok(Some(Outage { from, to })),
        (None, None) => Ok(None),
        _ => Err(StepError::new(
            Kind::BadEvent,
            "`outageTo` is before `outageFrom`, or without it",
            "give when the first request failed and when the first succeeded again, or neither",
        )),
    }
}

/// What is known of the failover beside the comparison.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Its short record.
    pub(super) failover: Option<FailoverRecord>,
    /// The record of its execution.
    pub(super) record: Option<Record>,
    /// Where a switchover has moved the databases since.
    pub(super) moved_to: Option<String>,
    /// The outage as clients saw it.
    pub(super) outage: Option<Outage>,
}

/// Reads the records of the failover that moved the databases here.
///
/// # Errors
/// When they can't be read, or make no sense.
pub(super) async fn known<S: Bucket>(
    context: &Context,
    store: &S,
    plan: &RecoveryPlan,
    asked: &Asked,
) -> Result<Known, StepError> {
    let bucket = plan.report_bucket(&context.region)?;
    let last = store.read_last_failover(bucket, &plan.name).await?;
    let failover = last.filter(|last| last.to_region == context.region);
    let record = match &failover {
        Some(failover) => {
            let key = format!("{}record.json", keys::reports(&plan.name, &failover.execution));
            let bytes = store.get_object(bucket, &key).await?;
            bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose().map_err(|error| {
                let what = format!("s3://{bucket}/{key} is no record of a failover");
                StepError::new(Kind::Failed, what, "restore an earlier version of the object")
                    .with_source(error)
            })?
        }
        None => None,
    };
    let switchover = store.read_last_switchover(bucket, &plan.name).await?.filter(|last| {
        last.succeeded() && failover.as_ref().is_some_and(|failover| failover.ended_at < last.ended_at)
    });
    let moved_to = switchover.map(|last| last.to_region).filter(|region| *region != context.region);
    Ok(Known { failover, record, moved_to, outage: asked.outage })
}
