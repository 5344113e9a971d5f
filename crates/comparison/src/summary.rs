//! What was compared, and how many differences were found.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use table_diff::{Counts, KeyRange};

/// `summary.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// When the comparison was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// By the plan's name of the database.
    pub databases: BTreeMap<String, DatabaseSummary>,
}

/// One database in a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSummary {
    /// The restored old primary.
    pub source_cluster: String,
    /// The new primary.
    pub target_cluster: String,
    /// The snapshot the old primary was restored from, where known.
    pub snapshot: Option<String>,
    /// When it was taken.
    pub snapshot_time: Option<String>,
    /// The new primary as it was at the takeover, where it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseSummary>,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_base: Option<String>,
    /// The tables, by name.
    pub tables: Vec<TableSummary>,
}

/// The new primary as it was at the takeover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseSummary {
    /// The cluster that it was restored as.
    pub cluster: String,
    /// The snapshot, where known.
    pub snapshot: Option<String>,
    /// When it was taken, where known.
    pub snapshot_time: Option<String>,
    /// When its restore began: from then on it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Timestamp>,
}

/// One table in a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSummary {
    /// Its name.
    pub table: String,
    /// Whether the sides are the same.
    pub status: TableStatus,
    /// Why it could not be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Rows seen and differences found; of a table in error, before the error.
    #[serde(flatten)]
    pub counts: Counts,
    /// How long the comparison took.
    pub seconds: f64,
    /// The columns rows were matched by; empty when they were counted.
    pub key_columns: Vec<String>,
    /// Differences of the schema, and what else a reader has to know.
    pub notes: Vec<String>,
    /// What of it was not compared, and why; among the notes as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
    /// Names of the parts of its differences, in their order. Absent in the summary of an execution that counted them: every
    /// part in the table's folder is one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<String>>,
    /// Which of its keys were compared, in the summary of a range; absent in that of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<KeyRange>,
}

/// How a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableStatus {
    /// Every row is the same.
    Alike,
    /// What was compared of it is the same, and not all was: a column of another type, or one that may not be read.
    Partial,
    /// Some rows are not, or only the new primary has the table.
    Different,
    /// It could not be compared.
    Error,
}

impl TableStatus {
    /// That of a table that was compared to its end.
    pub fn of(counts: Counts, not_compared: &[String]) -> Self {
        match (counts.differences(), not_compared) {
            (0, []) => Self::Alike,
            (0, _) => Self::Partial,
            _ => Self::Different,
        }
    }
}
