//! What a comparison gave: an entry for each table, and the exit status that follows from them.
//!
//! As JSON it is `summary.json`, see [`Summary::json`]. It has addresses, never a password.

use serde::{Deserialize, Serialize};
use table_diff::{Counts, Listed, Presence, TableSummary};

use crate::Error;

/// How a table came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The same rows on both sides.
    Alike,
    /// The same, as far as they were compared; what was not, and was not named to be left out, is among the notes.
    AlikeNotAllCompared,
    /// Rows that differ.
    Different,
    /// The target does not have the table.
    SourceOnly,
    /// The source does not have the table.
    TargetOnly,
    /// It could not be compared to its end.
    Error,
}

impl Status {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Alike => "alike",
            Self::AlikeNotAllCompared => "alike, not all compared",
            Self::Different => "different",
            Self::SourceOnly => "source only",
            Self::TargetOnly => "target only",
            Self::Error => "error",
        }
    }
}

/// One table. Counts are null where nothing was counted; in an error they are those up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableResult {
    /// Its name; on PostgreSQL with its schema, unless that is `public`.
    pub table: String,
    /// How it came out.
    pub status: Status,
    /// Rows of the source.
    pub rows_source: Option<u64>,
    /// Rows of the target.
    pub rows_target: Option<u64>,
    /// Rows in the source only.
    pub missing: Option<u64>,
    /// Rows in both, not the same.
    pub changed: Option<u64>,
    /// Rows in the target only.
    pub extra: Option<u64>,
    /// How long it took, of all the runs that worked on it; milliseconds count.
    pub seconds: f64,
    /// The columns that rows were matched by.
    pub key: Vec<String>,
    /// Differences of the schema, and what else a reader has to know.
    pub notes: Vec<String>,
    /// Why it could not be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl TableResult {
    fn new(table: String, status: Status) -> Self {
        Self {
            table,
            status,
            rows_source: None,
            rows_target: None,
            missing: None,
            changed: None,
            extra: None,
            seconds: 0.0,
            key: Vec::new(),
            notes: Vec::new(),
            error: None,
        }
    }

    fn with(self, counts: Counts, seconds: f64) -> Self {
        Self {
            rows_source: Some(counts.rows_source),
            rows_target: Some(counts.rows_target),
            missing: Some(counts.missing),
            changed: Some(counts.changed),
            extra: Some(counts.extra),
            seconds: rounded(seconds),
            ..self
        }
    }

    /// A table that was compared to its end.
    pub fn compared(table: String, summary: TableSummary, seconds: f64) -> Self {
        let status = match (summary.counts.differences(), summary.not_compared.as_slice()) {
            (0, []) => Status::Alike,
            (0, _) => Status::AlikeNotAllCompared,
            _ => Status::Different,
        };
        let result = Self::new(table, status).with(summary.counts, seconds);
        Self { key: summary.key_columns, notes: summary.notes, ..result }
    }

    /// A table that could not be compared to its end.
    pub fn failed(table: String, error: String, counts: Option<Counts>, seconds: f64) -> Self {
        let result = Self { seconds: rounded(seconds), ..Self::new(table, Status::Error) };
        let result = match counts {
            Some(counts) => result.with(counts, seconds),
            None => result,
        };
        Self { error: Some(error), ..result }
    }

    /// A table that there is nothing to compare of; `None` when both sides have it.
    pub fn not_compared(listed: &Listed) -> Option<Self> {
        let table = listed.table.to_string();
        // A server lists what the user may see.
        let only =
            |side: &str| vec![format!("the {side} does not have it, or does not let this user see it")];
        match listed.presence {
            Presence::Both => None,
            Presence::SourceOnly => {
                Some(Self { notes: only("target"), ..Self::new(table, Status::SourceOnly) })
            }
            Presence::TargetOnly => {
                Some(Self { notes: only("source"), ..Self::new(table, Status::TargetOnly) })
            }
            Presence::Neither => {
                let why = "neither side has it, or lets this user see it";
                Some(Self::failed(table, why.into(), None, 0.0))
            }
            Presence::Hidden => {
                let why = "a user may read single tables only: others may be there that it can't see. Give it the right to read \
                           the whole database, or name every table";
                Some(Self::failed(table, why.into(), None, 0.0))
            }
        }
    }
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// The whole comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Every table, in the order of the names.
    pub tables: Vec<TableResult>,
    /// Host, port and database.
    pub source: String,
    /// Host, port and database.
    pub target: String,
}

impl Summary {
    /// How many tables came out so.
    pub fn count(&self, status: Status) -> usize {
        self.tables.iter().filter(|table| table.status == status).count()
    }

    /// 0 when all tables are alike, 1 when some are not or not all of them was compared, 2 when one could not be compared.
    pub fn exit_status(&self) -> u8 {
        if self.count(Status::Error) > 0 {
            2
        } else {
            u8::from(self.count(Status::Alike) < self.tables.len())
        }
    }

    /// The text of `summary.json`.
    pub fn json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_is_that_of_the_worst_table() {
        let summary = |all: &[Status]| Summary {
            tables: all.iter().map(|&status| TableResult::new("t".into(), status)).collect(),
            source: String::new(),
            target: String::new(),
        };
        for (all, expected) in [
            (&[Status::Alike, Status::Alike][..], 0),
            (&[Status::Alike, Status::Different], 1),
            (&[Status::Alike, Status::AlikeNotAllCompared], 1),
            (&[Status::SourceOnly], 1),
            (&[Status::TargetOnly, Status::Alike], 1),
            (&[Status::Different, Status::Error, Status::Alike], 2),
        ] {
            assert_eq!(summary(all).exit_status(), expected, "{all:?}");
        }
    }
}
