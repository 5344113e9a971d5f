//! What is known beside the rows: of the failover, of the databases, of the tables.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use table_diff::ForeignKey;

/// What is known of the failover. Everything may be absent; what is absent proves nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Facts {
    /// Name of the recovery plan.
    pub plan: String,
    /// Id of the execution that compared.
    pub execution: String,
    /// When the comparison was complete. A time of the new primary after it can't be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub compared_at: Option<Timestamp>,
    /// The Region of the old primary.
    pub from_region: String,
    /// The Region of the new primary.
    pub to_region: String,
    /// The failover, where its record was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// The plan's budgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budgets: Option<Budgets>,
    /// The Region to which the databases were moved since, without loss: rows can't be put back into the other one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// By the plan's name of the database.
    pub databases: BTreeMap<String, DatabaseFacts>,
    /// How far two clocks may be apart, in seconds: times nearer to a bound than that prove nothing.
    pub clock_margin_seconds: f64,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            plan: String::new(),
            execution: String::new(),
            compared_at: None,
            from_region: String::new(),
            to_region: String::new(),
            failover: None,
            budgets: None,
            moved_to: None,
            databases: BTreeMap::new(),
            clock_margin_seconds: 5.0,
        }
    }
}

/// The failover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failover {
    /// Id of its execution.
    #[serde(default)]
    pub execution: String,
    /// When it began. The new primary took no write of its own before.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When every database was seen in its new place, and so no longer followed the old primary. Absent when that was
    /// not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// The outage as clients saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// The recovery time, in seconds, as the execution's record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_seconds: Option<f64>,
    /// What was done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// The outage as clients saw it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outage {
    /// The first request that failed.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// The first that succeeded again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub to: Option<Timestamp>,
}

/// A step of the failover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Its name in the document.
    pub name: String,
    /// When it started.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Whether it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// What it said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The plan's budgets, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budgets {
    /// For the time without a writer.
    pub rto_seconds: f64,
    /// For lost writes.
    pub rpo_seconds: f64,
}

/// What is known of one database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DatabaseFacts {
    /// The restored old primary.
    pub source: String,
    /// The new primary.
    pub target: String,
    /// The snapshot that the old primary was restored from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// When it was taken. A time of the old primary after it can't be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub snapshot_at: Option<Timestamp>,
    /// Replication lag in seconds, measured before the failover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<f64>,
    /// Tables that the plan leaves out of the comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The state at the takeover, where the comparison had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseFacts>,
    /// Why the comparison had no state at the takeover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_base: Option<String>,
    /// What the old primary committed before this had come across: the moment at which the lag was measured last, less that
    /// lag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub replicated_until: Option<Timestamp>,
}

/// The new primary as it was when it took over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BaseFacts {
    /// The cluster that it was restored as.
    pub cluster: String,
    /// The snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub taken_at: Option<Timestamp>,
    /// When its restore began: it is there, and costs as much as the old primary's, until the report is written and what was restored
    /// is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub restored_at: Option<Timestamp>,
    /// From when on the new primary may have taken writes of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub writes_from: Option<Timestamp>,
}

/// What the plan says of the tables of a database, by the table's name.
pub type Hints = BTreeMap<String, TableHints>;

/// What the plan says of one table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TableHints {
    /// What its rows are called in sentences, many of them: `orders`.
    pub label: Option<String>,
    /// The column with the time of the last write, set by every write. Empty: none is to be used.
    pub changed_at: Option<String>,
    /// The column with the time of the row's creation. Empty: none is to be used.
    pub created_at: Option<String>,
    /// Columns with personal data.
    pub personal: Vec<String>,
    /// The column with what a row is worth, an exact number.
    pub amount: Option<String>,
    /// The column with the currency of it.
    pub currency: Option<String>,
    /// Relations that the schema has no foreign key for.
    pub relations: Vec<ForeignKey>,
    /// The parent table that its rows are a part of, as an item is of an order. Empty: none, so that each row begins a
    /// transaction.
    pub part_of: Option<String>,
}

/// Bounds of the memory, and so of the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows that are kept as a few bytes each, to find what belongs together. What goes beyond is counted by row.
    pub grouped_rows: usize,
    /// Listed transactions of each table, and listed rows of each other kind and table.
    pub listed: usize,
    /// Listed rows of each table inside one transaction.
    pub listed_members: usize,
    /// Bytes listed of each kind and table.
    pub listed_bytes: usize,
    /// Bytes listed in all: what a browser still opens.
    pub listed_bytes_in_all: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grouped_rows: 1_500_000,
            listed: 1000,
            listed_members: 50,
            listed_bytes: 512 * 1024,
            listed_bytes_in_all: 8 * 1024 * 1024,
        }
    }
}
