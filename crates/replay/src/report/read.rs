//! Reads what became of each row, and counts and lists it.

use std::collections::BTreeMap;

use comparison::{Found, TableStatus};
use row_replay::{Counts, ReplayedRow, Summary};
use runbook::bucket::{GetObject, Lines, ListKeys, ReadLines, broken};
use runbook::error::Kind;
use runbook::names::keys;
use runbook::{RecoveryPlan, StepError};
use tokio::io::AsyncBufReadExt as _;

use super::model::{Database, Origin, Report, Row, States, Table};
use super::words::listed;
use crate::Operation;
use crate::outcome;
use crate::personal::Personal;
use crate::state::{Folder, State, unreadable};
use crate::status::{RowStatus, Tally, status};

/// How many rows are listed.
const LISTED: usize = 1000;
/// How many bytes of them.
const LISTED_BYTES: usize = 4 * 1024 * 1024;

/// Reads what became of each row.
///
/// # Errors
/// When it can't be read, or does not fit where the operations stand.
pub(crate) async fn read<S: GetObject + ReadLines + ListKeys + Sync>(
    store: &S,
    folder: &Folder,
    plan: &RecoveryPlan,
    found: &Found<'_, S>,
    states: States<'_>,
    origin: Origin,
) -> Result<Report, StepError> {
    let address = |prefix: String| format!("s3://{}/{prefix}", folder.bucket);
    let fates = address(keys::replay(&plan.name, &origin.execution));
    let compared = address(keys::reports(&plan.name, &origin.reconcile_execution));
    let (mut rows, mut databases, mut not_compared) = (Tally::default(), BTreeMap::new(), BTreeMap::new());
    let mut left = Left::default();
    for (name, of) in &found.summary().databases {
        let personal = match plan.databases.get(name) {
            Some(database) => Personal::new(database, &found.catalogue(name).await?),
            None => Personal::default(),
        };
        for table in of.tables.iter().filter(|table| table.status == TableStatus::Error) {
            let why = table.error.clone().unwrap_or_default();
            not_compared.insert(format!("{name}/{}", table.table), why);
        }
        let mut database = counts(name, &states);
        database.cluster.clone_from(&of.target_cluster);
        let mut looks = Looks::new(store, folder, name, &states, origin.applied);
        while let Some((row, before)) = looks.next(&fates).await? {
            let (status, why) = status(&row.replayed, before.as_ref().map(|before| &before.replayed));
            database.tables.entry(row.table.clone()).or_default().rows.add(status);
            // What would be put back is no row that is left out.
            if !status.is_there() && (status != RowStatus::ToPutBack || origin.applied) {
                left.list(listed(&personal, name, &row, status, why));
            }
        }
        if !is_complete(&database) {
            return Err(misfit(name, &fates));
        }
        database.tables.values().for_each(|table| rows.merge(&table.rows));
        databases.insert(name.clone(), database);
    }
    let summary = String::new();
    let Left { rows: left, not_listed, .. } = left;
    let mut report =
        Report { origin, summary, rows, databases, not_compared, left, not_listed, fates, compared };
    report.summary = summary_of(&report, outcome::conflicts(states.last));
    Ok(report)
}

/// The numbers in a sentence or two.
fn summary_of(report: &Report, conflicts: u64) -> String {
    let not_compared = report.not_compared.keys().cloned().collect::<Vec<_>>();
    if report.origin.applied {
        outcome::verified(&report.rows, conflicts, &not_compared)
    } else {
        outcome::preview(&report.tallies(), conflicts, &not_compared)
    }
}

/// Whether every row that the last look counted was read.
fn is_complete(database: &Database) -> bool {
    database.tables.values().all(|table| {
        let last = table.verify.unwrap_or(table.preview);
        table.rows.all() == Tally::from(last).all()
    })
}

/// The first rows that are not there, and how many more there are.
#[derive(Default)]
struct Left {
    rows: Vec<Row>,
    bytes: usize,
    not_listed: u64,
}

impl Left {
    fn list(&mut self, row: Row) {
        let size = serde_json::to_string(&row).map_or(0, |text| text.len());
        if self.rows.len() < LISTED && self.bytes + size <= LISTED_BYTES {
            self.bytes += size;
            self.rows.push(row);
        } else {
            self.not_listed += 1;
        }
    }
}

/// The rows of one database as the last look saw them, each with what putting it back said of it.
struct Looks<'a, S> {
    database: &'a str,
    last: Fates<'a, S>,
    applied: Option<Fates<'a, S>>,
}

impl<'a, S: ReadLines> Looks<'a, S> {
    fn new(
        store: &'a S,
        folder: &'a Folder,
        database: &'a str,
        states: &States<'_>,
        was_applied: bool,
    ) -> Self {
        let operation = if was_applied { Operation::Verify } else { Operation::Preview };
        let last = Fates::new(store, folder, operation, database, states.last);
        let applied = states.applied;
        let applied = applied.map(|state| Fates::new(store, folder, Operation::Apply, database, state));
        Self { database, last, applied }
    }

    /// The next row; both looks have the same differences in the same order. `fates` is where they are.
    async fn next(&mut self, fates: &str) -> Result<Option<(ReplayedRow, Option<ReplayedRow>)>, StepError> {
        let Some(row) = self.last.next().await? else { return Ok(None) };
        let Some(applied) = &mut self.applied else { return Ok(Some((row, None))) };
        match applied.next().await? {
            Some(before) if (&before.table, &before.key) == (&row.table, &row.key) => {
                Ok(Some((row, Some(before))))
            }
            _ => Err(misfit(self.database, fates)),
        }
    }
}

/// Reads what one operation wrote of the rows of one database, one row after the other.
struct Fates<'a, S> {
    store: &'a S,
    bucket: &'a str,
    /// Parts to come, the next one last.
    keys: Vec<String>,
    open: Option<(String, Lines)>,
}

impl<'a, S: ReadLines> Fates<'a, S> {
    fn new(store: &'a S, folder: &'a Folder, operation: Operation, database: &str, state: &State) -> Self {
        let parts =
            state.databases.get(database).map(|database| database.parts.as_slice()).unwrap_or_default();
        let prefix = folder.parts(operation, database);
        let keys = parts.iter().rev().map(|name| format!("{prefix}{name}")).collect();
        Self { store, bucket: &folder.bucket, keys, open: None }
    }

    async fn next(&mut self) -> Result<Option<ReplayedRow>, StepError> {
        loop {
            let (key, lines) = match &mut self.open {
                Some(open) => open,
                None => match self.keys.pop() {
                    Some(key) => {
                        let lines = self.store.read_lines(self.bucket, &key).await?;
                        self.open.insert((key, lines))
                    }
                    None => return Ok(None),
                },
            };
            let mut line = Vec::new();
            let read = lines.read_until(b'\n', &mut line).await;
            if read.map_err(|error| broken(self.bucket, key, error))? > 0 {
                let origin = format!("s3://{}/{key}", self.bucket);
                return serde_json::from_slice(&line).map(Some).map_err(|error| unreadable(&origin, error));
            }
            self.open = None;
        }
    }
}

fn misfit(database: &str, fates: &str) -> StepError {
    StepError::new(
        Kind::Failed,
        format!("the fates of database {database} under {fates} are not those that were counted"),
        "start the runbook again: it recognises rows that are already back",
    )
}

/// What was counted of a database's tables.
fn counts(name: &str, states: &States<'_>) -> Database {
    let summary = |state: &State| {
        state.databases.get(name).and_then(|database| database.summary.clone()).unwrap_or_default()
    };
    let mut database = Database::default();
    let mut add = |Summary { tables, notes }, set: fn(&mut Table, Counts)| {
        for (table, counts) in tables {
            set(database.tables.entry(table).or_default(), counts);
        }
        database.notes.extend(notes);
    };
    add(summary(states.preview), |table, counts| table.preview = counts);
    if let Some(applied) = states.applied {
        add(summary(applied), |table, counts| table.apply = Some(counts));
        add(summary(states.last), |table, counts| table.verify = Some(counts));
    }
    database
}
