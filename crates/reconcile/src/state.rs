//! What is kept in the report bucket: where the comparison of all tables, or of one range, stands.

use std::collections::BTreeMap;

use comparison::DatabaseSummary;
use serde::{Deserialize, Deserializer, Serialize};
use table_diff::{Cursor, KeyRange, Listed};

/// `cursor.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
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
    /// Which of its keys are compared, where it is a range that is compared by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<KeyRange>,
}

/// Where a table stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Current {
    /// Absent: at its start.
    pub(crate) cursor: Option<Cursor>,
    /// Names of the parts of differences that the cursor covers.
    #[serde(deserialize_with = "named_or_counted")]
    pub(crate) parts: Vec<String>,
    /// Time spent on it.
    pub(crate) seconds: f64,
}

/// The names of the parts; of an execution that was begun when parts had numbers only, the numbers' names.
fn named_or_counted<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Parts {
        Named(Vec<String>),
        Counted(u32),
    }
    Ok(match Parts::deserialize(from)? {
        Parts::Named(names) => names,
        Parts::Counted(parts) => (1..=parts).map(comparison::counted_part).collect(),
    })
}

impl State {
    pub(crate) fn is_finished(&self, database: &str) -> bool {
        self.databases.get(database).is_some_and(|database| database.remaining.is_empty())
    }
}
