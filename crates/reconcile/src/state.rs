//! What is kept in the report bucket: where the comparison stands.

use std::collections::BTreeMap;

use comparison::DatabaseSummary;
use serde::{Deserialize, Serialize};
use table_diff::{Cursor, Listed};

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
