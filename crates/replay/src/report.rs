//! The report of a replay, `replay.json` and `replay.html`: what is there, what is not, and why.
//!
//! Written at the end of the preview, so that who approves can read what would be left out, and again at the end, with
//! what is left. The fates are streamed; the first [`LISTED`] rows that are not there are listed, the rest is counted.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use comparison::{Found, TableStatus};
use jiff::Timestamp;
use missing_transactions::text::{count, counted, cut, time};
use row_replay::{Counts, Replayed, ReplayedRow, Summary};
use runbook::bucket::folder::Folder as Reports;
use runbook::bucket::{DeleteObject, GetObject, Lines, ListKeys, PutObject, ReadLines, broken};
use runbook::error::Kind;
use runbook::names::keys;
use runbook::{Context, RecoveryPlan, StepError};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::io::AsyncBufReadExt as _;

use crate::observed;
use crate::personal::Personal;
use crate::state::{Folder, State, unreadable};
use crate::status::{RowStatus, Tally, status};
use crate::{Event, Operation};

/// How many rows are listed.
const LISTED: usize = 1000;
/// How many bytes of them.
const LISTED_BYTES: usize = 4 * 1024 * 1024;
/// Characters that are shown of a value, and of the server's words.
const SHOWN: usize = 200;

/// Where a report comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Origin {
    /// Name of the recovery plan.
    plan: String,
    /// The execution that replays.
    execution: String,
    /// The execution that compared.
    reconcile_execution: String,
    /// The Region of the new primary.
    region: String,
    /// When it was written.
    written_at: Timestamp,
    /// Whether rows were put back; else it says what would be.
    applied: bool,
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
    origin: Origin,
    /// The numbers in a sentence or two.
    pub(crate) summary: String,
    /// How many rows stand where.
    rows: Tally,
    /// By the plan's name of the database.
    databases: BTreeMap<String, Database>,
    /// Tables that could not be compared, with the reason: of them nothing, or not all, is replayed.
    not_compared: BTreeMap<String, String>,
    /// The first rows that are not there.
    left: Vec<Row>,
    /// How many more there are.
    not_listed: u64,
    /// `s3://` folder of every row's fate.
    fates: String,
    /// `s3://` folder of the comparison's report.
    compared: String,
}

/// One database.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Database {
    /// The new primary.
    cluster: String,
    /// By name, those with differences.
    tables: BTreeMap<String, Table>,
    /// What a reader has to know.
    notes: BTreeSet<String>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Table {
    /// How many rows stand where.
    rows: Tally,
    /// What the preview counted.
    preview: Counts,
    /// What putting back counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    apply: Option<Counts>,
    /// What the last look counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<Counts>,
}

/// A row that is not there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    database: String,
    table: String,
    key: Map<String, Value>,
    #[serde(rename = "standing")]
    status: RowStatus,
    /// Why, for a person.
    reason: String,
    /// What is there in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    there: Option<Map<String, Value>>,
}

/// Reads the fates of one database and operation, one after the other.
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

/// Reads what became of each row.
///
/// # Errors
/// When the fates can't be read, or don't fit where the operations stand.
pub(crate) async fn read<S: GetObject + ReadLines + ListKeys + Sync>(
    store: &S,
    folder: &Folder,
    plan: &RecoveryPlan,
    found: &Found<'_, S>,
    states: States<'_>,
    origin: Origin,
) -> Result<Report, StepError> {
    let mut report = Report {
        summary: String::new(),
        rows: Tally::default(),
        databases: BTreeMap::new(),
        not_compared: BTreeMap::new(),
        left: Vec::new(),
        not_listed: 0,
        fates: format!("s3://{}/{}", folder.bucket, keys::replay(&plan.name, &origin.execution)),
        compared: format!(
            "s3://{}/{}",
            folder.bucket,
            keys::reports(&plan.name, &origin.reconcile_execution)
        ),
        origin,
    };
    let mut room = LISTED_BYTES;
    for (name, of) in &found.summary().databases {
        let personal = match plan.databases.get(name) {
            Some(database) => Personal::new(database, &found.catalogue(name).await?),
            None => Personal::default(),
        };
        let mut database = counts(name, &states);
        database.cluster.clone_from(&of.target_cluster);
        for table in of.tables.iter().filter(|table| table.status == TableStatus::Error) {
            let why = table.error.clone().unwrap_or_default();
            report.not_compared.insert(format!("{name}/{}", table.table), why);
        }
        let operation = if report.origin.applied { Operation::Verify } else { Operation::Preview };
        let mut last = Fates::new(store, folder, operation, name, states.last);
        let mut applied =
            states.applied.map(|state| Fates::new(store, folder, Operation::Apply, name, state));
        while let Some(row) = last.next().await? {
            let before = match &mut applied {
                Some(applied) => applied.next().await?,
                None => None,
            };
            // The same differences in the same order.
            if applied.is_some()
                && before.as_ref().is_none_or(|before| (&before.table, &before.key) != (&row.table, &row.key))
            {
                return Err(misfit(name, &report.fates));
            }
            let (status, why) = status(&row.replayed, before.as_ref().map(|before| &before.replayed));
            database.tables.entry(row.table.clone()).or_default().rows.add(status);
            // What would be put back is no row that is left out.
            if status.is_there() || (status == RowStatus::ToPutBack && !report.origin.applied) {
                continue;
            }
            let listed = listed(&personal, name, &row, status, why);
            let size = serde_json::to_string(&listed).map_or(0, |text| text.len());
            if report.left.len() < LISTED && size <= room {
                room -= size;
                report.left.push(listed);
            } else {
                report.not_listed += 1;
            }
        }
        let complete = database.tables.values().all(|table| {
            let last = table.verify.unwrap_or(table.preview);
            table.rows.all() == Tally::from(last).all()
        });
        if !complete {
            return Err(misfit(name, &report.fates));
        }
        database.tables.values().for_each(|table| report.rows.merge(&table.rows));
        report.databases.insert(name.clone(), database);
    }
    let not_compared = report.not_compared.keys().cloned().collect::<Vec<_>>();
    let conflicts = observed::conflicts(states.last);
    report.summary = if report.origin.applied {
        observed::verified(&report.rows, conflicts, &not_compared)
    } else {
        observed::preview(&report.tallies(), conflicts, &not_compared)
    };
    Ok(report)
}

fn misfit(database: &str, fates: &str) -> StepError {
    StepError::new(
        Kind::Failed,
        format!("the fates of database {database} under {fates} are not those that were counted"),
        "start the runbook again: rows that are there are seen",
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

/// A row as it is listed.
fn listed(personal: &Personal, database: &str, row: &ReplayedRow, status: RowStatus, why: &Replayed) -> Row {
    let show = |table: &str, values: &Map<String, Value>| shown(personal, table, values);
    let text = |table: &str, values: &Map<String, Value>| line(&show(table, values));
    let (reason, there) = match (status, why) {
        (RowStatus::Gone, _) => ("it was put back, and is not there any more".to_owned(), None),
        (_, Replayed::Inserted | Replayed::AlreadyThere) => {
            ("nothing known of is in its way".to_owned(), None)
        }
        (_, Replayed::KeyTaken { other }) => {
            ("another row has its key now; it was not touched".to_owned(), Some(show(&row.table, other)))
        }
        (_, Replayed::UniqueCollision { columns, other_key, other }) => {
            let key = text(&row.table, other_key);
            let reason = format!("the row with {key} has the same {}", columns.join(", "));
            (reason, Some(show(&row.table, other)))
        }
        (_, Replayed::ParentMissing { parent, parent_key, .. }) => {
            (format!("it belongs to {parent} {}, which is not there", text(parent, parent_key)), None)
        }
        (_, Replayed::ParentLeftOut { parent, parent_key, .. }) => {
            let key = text(parent, parent_key);
            (
                format!(
                    "it belongs to {parent} {key}, which is left out: what has that key now may be another thing"
                ),
                None,
            )
        }
        (_, Replayed::Refused { .. }) if personal.is_in(&row.table) => {
            ("the server refuses it, in words that may quote personal values".to_owned(), None)
        }
        (_, Replayed::Refused { reason }) => (format!("the server says: {}", cut(reason, 2 * SHOWN)), None),
        (_, Replayed::LeftOut { reason }) => (reason.clone(), None),
    };
    let key = show(&row.table, &row.key);
    Row { database: database.to_owned(), table: row.table.clone(), key, status, reason, there }
}

/// Values as they are shown: personal ones masked, long ones cut.
fn shown(personal: &Personal, table: &str, values: &Map<String, Value>) -> Map<String, Value> {
    let short = |column: &str, value: &Value| match value {
        Value::Null => Value::Null,
        _ if personal.has(table, column) => Value::from("masked"),
        Value::String(text) => Value::String(cut(text, SHOWN)),
        Value::Object(_) | Value::Array(_) => Value::String(cut(&value.to_string(), SHOWN)),
        other => other.clone(),
    };
    values.iter().map(|(name, value)| (name.clone(), short(name, value))).collect()
}

/// `id 7, name a`.
fn line(values: &Map<String, Value>) -> String {
    let pairs = values.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        Value::Null => format!("{name} NULL"),
        other => format!("{name} {other}"),
    });
    pairs.collect::<Vec<_>>().join(", ")
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

    fn page(&self) -> Result<String, StepError> {
        let tables = self.databases.iter().flat_map(|(database, of)| {
            of.tables.iter().map(move |(table, of)| TableLine::new(database, table, of))
        });
        let groups = RowStatus::LEFT.into_iter().filter_map(|status| {
            let all = self.rows.of(status);
            let rows = self.left.iter().filter(|row| row.status == status).collect::<Vec<_>>();
            let would_be = status == RowStatus::ToPutBack && !self.origin.applied;
            (all > 0 && !would_be).then(|| Group {
                heading: format!("{} {}", counted(all, "row"), status.words()),
                not_listed: all - rows.len() as u64,
                rows: rows.into_iter().map(RowLine::new).collect(),
            })
        });
        let notes = self
            .databases
            .iter()
            .flat_map(|(name, database)| database.notes.iter().map(move |note| format!("{name}: {note}")));
        let page = Page {
            report: self,
            facts: self.facts(),
            tables: tables.collect(),
            groups: groups.collect(),
            notes: notes.collect(),
            written_at: time(self.origin.written_at),
        };
        page.render().map_err(|error| {
            StepError::new(Kind::Failed, "the page of the replay can't be made", "report this line")
                .with_source(error)
        })
    }

    fn facts(&self) -> Vec<(String, &'static str)> {
        let (all, there) = (self.rows.all(), self.rows.there());
        let conflicts = self.databases.values().flat_map(|database| database.tables.values());
        let conflicts = conflicts.map(|table| table.preview.conflicts).sum();
        let to_put_back = self.rows.of(RowStatus::ToPutBack);
        let first = if self.origin.applied {
            vec![(count(there), "lost rows are there"), (count(all - there), "are left")]
        } else {
            vec![
                (count(to_put_back), "rows to put back"),
                (count(all - there - to_put_back), "to leave out"),
                (count(there), "there already"),
            ]
        };
        first.into_iter().chain([(count(conflicts), "differ on both sides, not touched")]).collect()
    }
}

/// Writes the report, and its manifest last. Answers the page's address and what was written.
///
/// # Errors
/// When it can't be written, or reads differently.
pub(crate) async fn write<S: GetObject + PutObject + DeleteObject + ReadLines>(
    store: &S,
    bucket: &str,
    report: &Report,
) -> Result<(String, Vec<String>), StepError> {
    let page = report.page()?;
    let folder = keys::reports(&report.origin.plan, &report.origin.execution);
    let mut reports = Reports::begin_anew(store, bucket, folder).await?;
    reports.write_json("replay.json", report).await?;
    let location = reports.write("replay.html", "text/html; charset=utf-8", page.into_bytes()).await?;
    reports.write_manifest(&[]).await?;
    Ok((location, reports.written()))
}

#[derive(Template)]
#[template(path = "replay.html")]
struct Page<'a> {
    report: &'a Report,
    facts: Vec<(String, &'static str)>,
    tables: Vec<TableLine<'a>>,
    groups: Vec<Group<'a>>,
    notes: Vec<String>,
    written_at: String,
}

/// A line of the table of tables.
struct TableLine<'a> {
    database: &'a str,
    table: &'a str,
    lost: String,
    before: String,
    put_back: String,
    left: String,
    is_left: bool,
    conflicts: String,
}

impl<'a> TableLine<'a> {
    fn new(database: &'a str, table: &'a str, of: &Table) -> Self {
        let (all, there) = (of.rows.all(), of.rows.there());
        let before = of.preview.already_there;
        let to_put_back = if of.apply.is_none() { of.rows.of(RowStatus::ToPutBack) } else { 0 };
        let put_back = if of.apply.is_none() { to_put_back } else { there.saturating_sub(before) };
        let left = all - there - to_put_back;
        Self {
            database,
            table,
            lost: count(all),
            before: count(before),
            put_back: count(put_back),
            left: count(left),
            is_left: left > 0,
            conflicts: count(of.preview.conflicts),
        }
    }
}

/// Rows that are left for the same reason.
struct Group<'a> {
    heading: String,
    rows: Vec<RowLine<'a>>,
    not_listed: u64,
}

struct RowLine<'a> {
    row: &'a Row,
    key: String,
    there: Option<String>,
}

impl<'a> RowLine<'a> {
    fn new(row: &'a Row) -> Self {
        Self { row, key: line(&row.key), there: row.there.as_ref().map(line) }
    }
}
