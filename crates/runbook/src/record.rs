//! What a failover leaves for later runbooks, kept in the report bucket of the Region that took over.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::GetObject;
use crate::error::{Kind, StepError};

/// The last failover of a plan, at [`crate::names::keys::last_failover`]. Written by `report` at the end of
/// `failover.yaml`, also of one that failed once it had reached the promotion; read by `preflight` (cooldown, and whether
/// a failover is complete), by `snapshot-restore` and `report` (which snapshot, which window).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailoverRecord {
    /// Name of the recovery plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// `Succeeded` or `Failed`.
    pub outcome: String,
    /// The Region that was left.
    pub from_region: String,
    /// The Region that took over.
    pub to_region: String,
    /// When the execution started; of the rest of a failover that had failed: when that did.
    pub started_at: Timestamp,
    /// When the record was written.
    pub ended_at: Timestamp,
    /// Replication lag in seconds measured before the failover, by database; absent where it was not known.
    #[serde(default)]
    pub lag_seconds: BTreeMap<String, f64>,
}

impl FailoverRecord {
    /// Whether the failover was verified.
    pub fn succeeded(&self) -> bool {
        self.outcome == "Succeeded"
    }
}

/// Reads the record of the last failover.
pub trait ReadLastFailover {
    /// The record of `plan` in `bucket`; `None` when there is none.
    fn read_last_failover(
        &self,
        bucket: &str,
        plan: &str,
    ) -> impl Future<Output = Result<Option<FailoverRecord>, StepError>> + Send;
}

impl<S: GetObject + Sync> ReadLastFailover for S {
    async fn read_last_failover(
        &self,
        bucket: &str,
        plan: &str,
    ) -> Result<Option<FailoverRecord>, StepError> {
        let key = crate::names::keys::last_failover(plan);
        let Some(bytes) = GetObject::get_object(self, bucket, &key).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let what = format!("s3://{bucket}/{key} is no record of a failover");
            StepError::new(Kind::Failed, what, "restore an earlier version of the object").with_source(error)
        })
    }
}
