//! What is kept in the report bucket: where the comparison stands, and the summary at its end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use table_diff::{Counts, Cursor, Listed};

/// `cursor.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    /// False while a call is at work, and for ever after one that was killed.
    pub(crate) settled: bool,
    /// By the plan's name of the database; absent: not begun.
    pub(crate) databases: BTreeMap<String, Database>,
}

/// Where one database stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Database {
    /// What is done.
    pub(crate) summary: DatabaseSummary,
    /// The tables to do, the one at work first.
    pub(crate) remaining: Vec<Listed>,
    /// Where the table at work stands.
    pub(crate) current: Current,
}

/// Where a table stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Current {
    /// Absent: at its start.
    pub(crate) cursor: Option<Cursor>,
    /// Parts of differences that the cursor covers.
    pub(crate) parts: u32,
    /// Time spent on it.
    pub(crate) seconds: f64,
}

impl State {
    pub(crate) fn is_finished(&self, database: &str) -> bool {
        self.databases.get(database).is_some_and(|database| database.remaining.is_empty())
    }
}

/// `summary.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
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
    /// The tables, by name.
    pub tables: Vec<TableSummary>,
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
}

/// How a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableStatus {
    /// Every row is the same.
    Alike,
    /// Some rows are not, or only the new primary has the table.
    Different,
    /// It could not be compared.
    Error,
}
