//! The report as data, `report.json`. [`Report::json_schema`] describes it.
//!
//! Values of columns with personal data are `{"masked": true}` everywhere in it, NULL aside; long values are
//! `{"cut": "the beginning", "length": bytes}`. Others are as the comparison writes them, see [`table_diff::Difference`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::amount::Amounts;
use crate::base::Basis;
pub use crate::counts::Counts;
use crate::facts::Facts;
use crate::fate::{Conflict, Doubt};
use crate::loss::{OverTime, Window};
use crate::recovery::RecoveryPoint;
use crate::times::TimeColumns;

/// The report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this form; a reader refuses one that it does not know.
    pub version: u32,
    /// The numbers that matter, in a sentence or two.
    pub summary: String,
    /// What is known of the failover.
    pub facts: Facts,
    /// Sums over all tables.
    pub totals: Totals,
    /// When the lost writes were made; absent when none has a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The same, by database.
    pub windows: BTreeMap<String, Window>,
    /// How far back the lost writes go, by database. A plan's RPO is the budget for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recovery_points: BTreeMap<String, RecoveryPoint>,
    /// Lost writes over time.
    pub over_time: OverTime,
    /// Transactions, a kind for each table that begins some.
    pub kinds: Vec<Kind>,
    /// Every table.
    pub tables: Vec<TableReport>,
    /// The files beside this one. Whoever writes them lists them here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
}

/// A file beside the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Its name, in the report's folder.
    pub name: String,
    /// What is in it.
    pub about: String,
    /// How long it is.
    pub bytes: u64,
}

impl Report {
    /// The version of the form that this code writes.
    pub const VERSION: u32 = 1;

    /// The JSON Schema of a report.
    pub fn json_schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Whether everything that was to be compared was, and there was something.
    pub fn is_complete(&self) -> bool {
        self.totals.tables_compared > 0 && self.not_compared().is_empty()
    }

    /// What was to be compared and was not, or not to its end: tables, and databases without any; and why.
    pub fn not_compared(&self) -> Vec<(String, String)> {
        let table = |table: &TableReport| {
            let why = match &table.compared {
                None => "it was not read: nothing is known of it".to_owned(),
                Some(compared) => compared.why_not_whole()?,
            };
            Some((format!("{}.{}", table.database, table.table), why))
        };
        let mut found: Vec<(String, String)> = self.tables.iter().filter_map(table).collect();
        let bare = |name: &&String| !self.tables.iter().any(|table| table.database == **name);
        let databases = self.facts.databases.keys().filter(bare);
        found.extend(databases.map(|name| (name.clone(), "no table of it was compared".to_owned())));
        found
    }
}

/// Sums over all tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Transactions.
    pub transactions: Transactions,
    /// Rows.
    pub rows: Counts,
    /// Tables that were compared whole.
    pub tables_compared: u64,
    /// Tables that were not, or not to their end.
    pub tables_not_compared: u64,
    /// Rows of the old primary that are beyond what is kept in memory, and so in no transaction.
    pub rows_not_grouped: u64,
}

/// Transactions: trees of rows that are not in the new primary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transactions {
    /// Missing whole.
    pub whole: u64,
    /// Those of them whose first row was written too late to come across; the others could have been deleted since.
    pub whole_proved: u64,
    /// There, with rows of theirs missing.
    pub in_part: u64,
    /// It is not proved whether they are missing, whole or in part.
    pub undecided: u64,
}

impl Transactions {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.whole + self.in_part + self.undecided
    }
}

/// The transactions that begin with a row of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kind {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// What they are called.
    pub label: String,
    /// How many.
    pub transactions: Transactions,
    /// Rows in them that are not in the new primary, by table.
    pub rows: BTreeMap<String, u64>,
    /// Their earliest missing write with a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub first: Option<Timestamp>,
    /// Their latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last: Option<Timestamp>,
    /// The first of them, in the order in which they were read.
    pub listed: Vec<Transaction>,
    /// How many are not listed.
    pub not_listed: u64,
}

/// Whether a transaction is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It is not there, with everything found that belongs to it.
    Whole,
    /// It is there, and rows that belong to it are not.
    InPart,
    /// It is not proved whether it is missing, whole or in part.
    Undecided,
}

/// What is known of a row that another belongs to, or refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ParentState {
    /// Not in the new primary.
    Missing,
    /// Not in the new primary: lost, or deleted there.
    LostOrDeleted,
    /// Not in the new primary, which deleted it.
    DeletedInNew,
    /// There, with the old primary's change lost.
    LostUpdate,
    /// There, and in conflict.
    Conflict,
    /// There, and changed there since.
    ChangedThere,
    /// It is there, and different; why is not proved.
    Undecided,
    /// There, and the same.
    Alike,
    /// Its table was not compared, or not to its end.
    NotCompared,
}

impl ParentState {
    /// Whether other missing rows can belong to it as to one of their own.
    pub(crate) fn is_member(self) -> bool {
        matches!(self, Self::Missing | Self::LostOrDeleted)
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Missing => "is missing too",
            Self::LostOrDeleted => "is not there: lost, or deleted in the new primary since",
            Self::DeletedInNew => "was deleted in the new primary",
            Self::LostUpdate => "is there, without its last update",
            Self::Conflict => "is there, in conflict",
            Self::ChangedThere => "is there, changed since",
            Self::Undecided => "is there, different for an unknown reason",
            Self::Alike => "is there",
            Self::NotCompared => "was not compared",
        }
    }
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Whether it is missing.
    pub standing: Standing,
    /// Whether its first row was lost for certain; else it could have been deleted since.
    pub proved: bool,
    /// What is known of its first row.
    pub state: ParentState,
    /// The key of its first row; of one that is there, the columns by which the rows refer to it.
    pub key: Map<String, Value>,
    /// Its first row; absent when that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<Row>,
    /// Rows that are not in the new primary, by table.
    pub rows: BTreeMap<String, u64>,
    /// The first of the others, by table.
    pub members: BTreeMap<String, Vec<Row>>,
}

/// A row that is not in the new primary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its key; empty without one.
    pub key: Map<String, Value>,
    /// The old primary's values.
    pub values: Map<String, Value>,
    /// Its last write.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// What else it refers to that differs, or that was not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// A row that another refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// Its table.
    pub table: String,
    /// The columns that refer to it.
    pub columns: Vec<String>,
    /// What is known of it.
    pub state: ParentState,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// What the plan calls its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What the comparison says of it; absent when it was never read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// Its rows by what happened to them.
    pub counts: Counts,
    /// The columns with times.
    pub times: TimeColumns,
    /// Times that were there and can't be right.
    pub implausible_times: u64,
    /// Columns with personal data: their values are masked.
    pub personal: Vec<String>,
    /// What its missing rows are worth, where the plan names the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amounts: Option<Amounts>,
    /// What a reader has to know of it.
    pub notes: Vec<String>,
    /// The first rows of each kind, missing rows aside: those are in the transactions.
    pub listed: Listed,
    /// How many of those kinds are not listed.
    pub not_listed: u64,
}

/// What the comparison says of a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Compared {
    /// Rows of the old primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_source: Option<u64>,
    /// Rows of the new primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_target: Option<u64>,
    /// The columns that rows were matched by; empty when they were counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_columns: Vec<String>,
    /// Why it was not compared, or not to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What of it was not compared, and why: a column of another type, or one that may not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
    /// What the comparison has to say of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Compared {
    /// Why it was not compared whole; `None` when it was.
    pub fn why_not_whole(&self) -> Option<String> {
        let in_part = || (!self.not_compared.is_empty()).then(|| self.not_compared.join("; "));
        self.error.clone().or_else(in_part)
    }
}

/// Listed rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The old primary's change is lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_updates: Vec<Versions>,
    /// The old primary's delete is lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_deletes: Vec<Versions>,
    /// Both wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Versions>,
    /// Undecided. Rows that are missing or undecided as a part of a transaction are listed with the transaction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<Versions>,
}

/// Both versions of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// Its key; empty without one.
    pub key: Map<String, Value>,
    /// The old primary's values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Map<String, Value>>,
    /// The new primary's values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Map<String, Value>>,
    /// The columns in which they differ, masked ones too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// The last write in the old primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub old_time: Option<Timestamp>,
    /// The last write in the new primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub new_time: Option<Timestamp>,
    /// How they are in conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
    /// Why it is undecided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// The values at the takeover, where they are neither the old primary's nor the new one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Map<String, Value>>,
    /// What its fate rests on.
    #[serde(default, skip_serializing_if = "Basis::is_times")]
    pub basis: Basis,
}
