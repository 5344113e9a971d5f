//! What the step answers beside its status.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runbook::aurora::Operation;
use serde::Serialize;

/// What was seen at the last look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// When the first call began; the plan's limit counts from here.
    pub since: Timestamp,
    /// The databases, by the plan's names.
    pub databases: BTreeMap<String, DatabaseState>,
}

/// Where a database stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseState {
    /// Region of its writer; null while there is not exactly one.
    pub writer_region: Option<String>,
    /// Status of the global cluster, such as `available`.
    pub status: String,
    /// The operation that runs, if any.
    pub operation: Option<Operation>,
    /// Of a cluster that has left its global cluster: where it takes writes, as `HOST:PORT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detached: Option<String>,
}
