//! What a failover, a switchover and a reconciliation leave for later runbooks, in the report buckets.
//!
//! They are objects of types of their own, because they say different things: a failover lost writes, which a
//! reconciliation finds, and holds back the next failover for a while; a switchover lost nothing and holds back nothing.
//! All that a switchover says to a failover is that the databases moved since: a failover that is on record from before it
//! is not the one that moved them to where they are now. A reconciliation says that somebody has looked for what a failover
//! lost.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::GetObject;
use crate::error::{Kind, StepError};
use crate::lag::Lag;

/// How a failover or a switchover ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveOutcome {
    /// Every database accepted a write in the Region that takes over.
    Succeeded,
    /// The move is not known to be complete.
    Failed,
}

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
    /// How it ended.
    pub outcome: MoveOutcome,
    /// The Region that was left.
    pub from_region: String,
    /// The Region that took over.
    pub to_region: String,
    /// When the execution started; of the rest of a failover that had failed: when that did.
    pub started_at: Timestamp,
    /// When the record was written.
    pub ended_at: Timestamp,
    /// Replication lag measured before the failover, by database; absent where it was not known.
    #[serde(default)]
    pub lag: BTreeMap<String, Lag>,
}

impl FailoverRecord {
    /// Whether the failover was verified.
    pub fn succeeded(&self) -> bool {
        self.outcome == MoveOutcome::Succeeded
    }
}

/// The last switchover of a plan, at [`crate::names::keys::last_switchover`]. Written by `report` at the end of
/// `failback.yaml`, also of one that failed once it had reached the databases, into the buckets of **both** Regions: the
/// next failover can read that of its own only. Read by `preflight` and `report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SwitchoverRecord {
    /// Name of the recovery plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// How it ended.
    pub outcome: MoveOutcome,
    /// The Region that was left.
    pub from_region: String,
    /// The Region that took over.
    pub to_region: String,
    /// When the execution started.
    pub started_at: Timestamp,
    /// When the record was written.
    pub ended_at: Timestamp,
    /// When the databases were first asked to change their roles, from when on no write was sure to be accepted; of the
    /// rest of a switchover that had failed, when that one asked. Absent where it is not known.
    #[serde(default)]
    pub writes_stopped_at: Option<Timestamp>,
}

impl SwitchoverRecord {
    /// Whether the switchover was verified.
    pub fn succeeded(&self) -> bool {
        self.outcome == MoveOutcome::Succeeded
    }
}

/// The last reconciliation of a plan that ended with a report, at [`crate::names::keys::last_reconciliation`]. Written by
/// `report` behind the report, into the bucket of the Region that took over; read by `preflight` before a switchover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconciliationRecord {
    /// Name of the recovery plan.
    pub plan: String,
    /// Id of the Automation execution that compared.
    pub execution: String,
    /// Id of the execution whose failover it is about, as [`FailoverRecord::execution`] has it.
    pub failover: String,
    /// When the report was written.
    pub ended_at: Timestamp,
}

/// The tables that the readiness check of a Region saw last, at [`crate::names::keys::tables`]. Written by `preflight`, read by
/// `reconcile`, which has to compare them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TablesRecord {
    /// By the plan's name of the database: the tables, with their schema where the engine has schemas.
    pub databases: BTreeMap<String, BTreeSet<String>>,
}

/// Reads which tables the readiness check saw last.
pub trait ReadTables {
    /// The record of `plan` in `bucket`; `None` when there is none.
    fn read_tables(
        &self,
        bucket: &str,
        plan: &str,
    ) -> impl Future<Output = Result<Option<TablesRecord>, StepError>> + Send;
}

impl<S: GetObject + Sync> ReadTables for S {
    async fn read_tables(&self, bucket: &str, plan: &str) -> Result<Option<TablesRecord>, StepError> {
        read(self, bucket, &crate::names::keys::tables(plan), "the tables of a plan").await
    }
}

/// Reads the record of the last reconciliation.
pub trait ReadLastReconciliation {
    /// The record of `plan` in `bucket`; `None` when there is none.
    fn read_last_reconciliation(
        &self,
        bucket: &str,
        plan: &str,
    ) -> impl Future<Output = Result<Option<ReconciliationRecord>, StepError>> + Send;
}

/// Reads the record of the last switchover.
pub trait ReadLastSwitchover {
    /// The record of `plan` in `bucket`; `None` when there is none.
    fn read_last_switchover(
        &self,
        bucket: &str,
        plan: &str,
    ) -> impl Future<Output = Result<Option<SwitchoverRecord>, StepError>> + Send;
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
        read(self, bucket, &crate::names::keys::last_failover(plan), "a failover").await
    }
}

impl<S: GetObject + Sync> ReadLastSwitchover for S {
    async fn read_last_switchover(
        &self,
        bucket: &str,
        plan: &str,
    ) -> Result<Option<SwitchoverRecord>, StepError> {
        read(self, bucket, &crate::names::keys::last_switchover(plan), "a switchover").await
    }
}

impl<S: GetObject + Sync> ReadLastReconciliation for S {
    async fn read_last_reconciliation(
        &self,
        bucket: &str,
        plan: &str,
    ) -> Result<Option<ReconciliationRecord>, StepError> {
        read(self, bucket, &crate::names::keys::last_reconciliation(plan), "a reconciliation").await
    }
}

async fn read<T: serde::de::DeserializeOwned>(
    store: &impl GetObject,
    bucket: &str,
    key: &str,
    what: &str,
) -> Result<Option<T>, StepError> {
    let Some(bytes) = store.get_object(bucket, key).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let what = format!("s3://{bucket}/{key} is no record of {what}");
        StepError::new(Kind::Failed, what, "restore an earlier version of the object").with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The files are read by later versions, so their text is part of the contract.
    #[test]
    fn a_stored_record_is_read_and_written_the_same() {
        let lag = json!({"orders": {"seconds": 0.8, "at": "2026-11-25T11:59:00Z"}});
        for (text, outcome) in [("Succeeded", MoveOutcome::Succeeded), ("Failed", MoveOutcome::Failed)] {
            let stored = json!({"plan": "shop", "execution": "e", "outcome": text, "fromRegion": "sandbox-east",
                "toRegion": "sandbox-west", "startedAt": "2026-11-25T12:00:00Z", "endedAt": "2026-11-25T12:03:00Z",
                "lag": lag});
            let record: FailoverRecord = serde_json::from_value(stored.clone()).unwrap();
            assert_eq!((record.outcome, record.succeeded()), (outcome, text == "Succeeded"));
            assert_eq!(serde_json::to_value(&record).unwrap(), stored);

            let mut stored = stored;
            stored.as_object_mut().unwrap().remove("lag");
            stored["writesStoppedAt"] = json!("2026-11-25T12:01:00Z");
            let record: SwitchoverRecord = serde_json::from_value(stored.clone()).unwrap();
            assert_eq!((record.outcome, record.succeeded()), (outcome, text == "Succeeded"));
            assert_eq!(serde_json::to_value(&record).unwrap(), stored);
        }
    }

    #[test]
    fn an_outcome_that_is_not_known_is_an_error() {
        let stored = json!({"plan": "shop", "execution": "e", "outcome": "Cancelled", "fromRegion": "sandbox-east",
            "toRegion": "sandbox-west", "startedAt": "2026-11-25T12:00:00Z", "endedAt": "2026-11-25T12:03:00Z"});
        assert!(serde_json::from_value::<FailoverRecord>(stored.clone()).is_err());
        assert!(serde_json::from_value::<SwitchoverRecord>(stored).is_err());
    }
}
