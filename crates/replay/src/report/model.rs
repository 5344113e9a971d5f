//! What a report says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use row_replay::Counts;
use runbook::{Context, RecoveryPlan};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::state::State;
use crate::status::{RowStatus, Tally};
use crate::{Event, Operation};

/// Where a report comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Origin {
    /// Name of the recovery plan.
    pub(super) plan: String,
    /// The execution that replays.
    pub(super) execution: String,
    /// The execution that compared.
    pub(super) reconcile_execution: String,
    /// The Region of the new primary.
    pub(super) region: String,
    /// When it was written.
    pub(super) written_at: Timestamp,
    /// Whether rows were put back; else it says what would be.
    pub(super) applied: bool,
}

impl Origin {
    pub(crate) fn new(context: &Context, plan: &RecoveryPlan, event: &Event) -> Self {
        Self {
            plan: plan.name.clone(),
            execution: event.execution.clone(),
            reconcile_execution: event.reconcile_execution.clone(),
            region: context.region.clone(),
            written_at: context.clock.now(),
            applied: event.operation == Operation::Verify,
        }
    }
}

/// Where the operations stand.
pub(crate) struct States<'a> {
    /// The first look.
    pub(crate) preview: &'a State,
    /// Putting back; `None` before it.
    pub(crate) applied: Option<&'a State>,
    /// The last look: the preview itself before anything is put back.
    pub(crate) last: &'a State,
}

/// `replay.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(super) origin: Origin,
    /// The numbers in a sentence or two.
    pub(crate) summary: String,
    /// How many rows stand where.
    pub(super) rows: Tally,
    /// By the plan's name of the database.
    pub(super) databases: BTreeMap<String, Database>,
    /// Tables that could not be compared, with the reason: of them nothing, or not all, is replayed.
    pub(super) not_compared: BTreeMap<String, String>,
    /// The first rows that are not there.
    pub(super) left: Vec<Row>,
    /// How many more there are.
    pub(super) not_listed: u64,
    /// `s3://` folder of every row's fate.
    pub(super) fates: String,
    /// `s3://` folder of the comparison's report.
    pub(super) compared: String,
}

/// One database.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Database {
    /// The new primary.
    pub(super) cluster: String,
    /// By name, those with differences.
    pub(super) tables: BTreeMap<String, Table>,
    /// What a reader has to know.
    pub(super) notes: BTreeSet<String>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Table {
    /// How many rows stand where.
    pub(super) rows: Tally,
    /// What the preview counted.
    pub(super) preview: Counts,
    /// What putting back counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) apply: Option<Counts>,
    /// What the last look counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verify: Option<Counts>,
}

/// A row that is not there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) key: Map<String, Value>,
    #[serde(rename = "standing")]
    pub(super) status: RowStatus,
    /// Why, for a person.
    pub(super) reason: String,
    /// What is there in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) there: Option<Map<String, Value>>,
}

impl Report {
    /// How many rows stand where, by database.
    pub(crate) fn tallies(&self) -> BTreeMap<String, Tally> {
        let tally = |database: &Database| {
            let mut tally = Tally::default();
            database.tables.values().for_each(|table| tally.merge(&table.rows));
            tally
        };
        self.databases.iter().map(|(name, database)| (name.clone(), tally(database))).collect()
    }
}
