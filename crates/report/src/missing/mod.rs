//! The missing-transaction report: reads what the comparison left, and writes the report's folder.
//!
//! | file | what |
//! |---|---|
//! | `<database>/<table>.csv` | every row of the table that somebody has to see to; none when there is none |
//! | `<database>/replay.sql` | puts the missing rows back; none when there is none |
//! | `report.json` | the report as data, see [`missing_transactions::Report`] |
//! | `report.html` | the same for people |
//! | `manifest.json` | SHA-256 of each, and of the differences read; written last |
//!
//! What the report says is made by the crate `missing-transactions`, the SQL by `row-replay`. Neither the differences nor
//! the files are ever held whole.

use std::collections::{BTreeMap, BTreeSet};

use comparison::{DatabaseSummary, Found, Parts, Summary, TableStatus, TableSummary};
use jiff::Timestamp;
use missing_transactions::facts::{
    Budgets, DatabaseFacts, Facts, Failover, Hints, Limits, Outage, Step, TableHints,
};
use missing_transactions::report::File;
use missing_transactions::{Builder, Compared, Database, Report, TableBuilder};
use runbook::error::Kind;
use runbook::lag::Lag;
use runbook::names::keys;
use runbook::plan::{self, RecoveryPlan};
use runbook::record::{FailoverRecord, ReadLastFailover, ReadLastSwitchover};
use runbook::telemetry::{Measured, Metric};
use runbook::{Context, StepError};
use table_diff::{Catalogue, DifferenceKind, Engine, ForeignKey};

use crate::record::Record;
use crate::store::{
    DeleteObject, Folder, GetObject, ListKeys, PutObject, PutParts, ReadLines, Script, Sum, Summing, Upload,
};
use crate::text;

/// Everything that the step needs of the bucket.
pub trait Bucket: GetObject + PutObject + PutParts + DeleteObject + ReadLines + ListKeys + Sync {}

impl<S: GetObject + PutObject + PutParts + DeleteObject + ReadLines + ListKeys + Sync> Bucket for S {}

/// What the report is asked to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Id of the Automation execution that compared.
    pub execution: String,
    /// The outage as clients saw it, when somebody knows.
    pub outage: Option<Outage>,
}

/// Reads the times of an outage; both empty: not known.
///
/// # Errors
/// [`Kind::BadEvent`] for what is no time, or an end without a beginning.
pub fn outage(from: &str, to: &str) -> Result<Option<Outage>, StepError> {
    let read = |name: &str, text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse::<Timestamp>().map(Some).map_err(|error| {
            let what = format!("`{name}` is {text:?}, which is no time");
            let remedy = "write it as 2026-11-25T09:38:44Z, or leave it empty";
            StepError::new(Kind::BadEvent, what, remedy).with_source(error)
        }),
    };
    match (read("outageFrom", from)?, read("outageTo", to)?) {
        (Some(from), to) if to.is_none_or(|to| to >= from) => Ok(Some(Outage { from, to })),
        (None, None) => Ok(None),
        _ => Err(StepError::new(
            Kind::BadEvent,
            "`outageTo` is before `outageFrom`, or without it",
            "give when the first request failed and when the first succeeded again, or neither",
        )),
    }
}

/// What is known of the failover beside the comparison.
#[derive(Debug, Default)]
pub struct Known {
    /// Its short record.
    pub failover: Option<FailoverRecord>,
    /// The record of its execution.
    pub record: Option<Record>,
    /// Where a switchover has moved the databases since.
    pub moved_to: Option<String>,
    /// The outage as clients saw it.
    pub outage: Option<Outage>,
}

/// Reads the records of the failover that moved the databases here.
///
/// # Errors
/// When they can't be read, or make no sense.
pub async fn known<S: Bucket>(
    context: &Context,
    store: &S,
    plan: &RecoveryPlan,
    asked: &Asked,
) -> Result<Known, StepError> {
    let bucket = plan.report_bucket(&context.region);
    let last = store.read_last_failover(bucket, &plan.name).await?;
    let failover = last.filter(|last| last.to_region == context.region);
    let record = match &failover {
        Some(failover) => {
            let key = format!("{}record.json", keys::reports(&plan.name, &failover.execution));
            let bytes = store.get_object(bucket, &key).await?;
            bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose().map_err(|error| {
                let what = format!("s3://{bucket}/{key} is no record of a failover");
                StepError::new(Kind::Failed, what, "restore an earlier version of the object")
                    .with_source(error)
            })?
        }
        None => None,
    };
    let switchover = store.read_last_switchover(bucket, &plan.name).await?.filter(|last| {
        last.succeeded() && failover.as_ref().is_some_and(|failover| failover.ended_at < last.ended_at)
    });
    let moved_to = switchover.map(|last| last.to_region).filter(|region| *region != context.region);
    Ok(Known { failover, record, moved_to, outage: asked.outage })
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// `s3://` address of the page.
    pub location: String,
    /// What it says, in a sentence or two.
    pub summary: String,
    /// The numbers that matter, see [`crate::Observed::subject`].
    pub subject: String,
    /// What to do about it, see [`crate::Observed::next`].
    pub next: String,
    /// The same as metrics.
    pub measured: Vec<Measured>,
}

/// Writes the report into `folder`, its manifest aside. Answers also the sums of the differences that were read.
///
/// # Errors
/// When the bucket can't be read or written, when what the comparison left makes no sense, or the plan does not fit it.
pub async fn write<S: Bucket>(
    folder: &mut Folder<'_, S>,
    found: &Found<'_, S>,
    plan: &RecoveryPlan,
    mut facts: Facts,
) -> Result<(Written, Vec<Sum>), StepError> {
    let summary = found.summary();
    let mut databases = BTreeMap::new();
    let mut catalogues = BTreeMap::new();
    for (name, compared) in &summary.databases {
        let catalogue = found.catalogue(name).await?;
        let described = plan.databases.get(name).ok_or_else(|| {
            let what = format!("database {name} was compared, and is not in the plan");
            StepError::new(Kind::BadPlan, what, "put it back into the plan, then run the step again")
        })?;
        let tables = reported(&catalogue, compared);
        let known = facts.databases.entry(name.clone()).or_default();
        known.left_out =
            catalogue.tables.keys().filter(|table| !tables.tables.contains_key(*table)).cloned().collect();
        let mut hints = hints(described);
        hints.retain(|table, _| !known.left_out.contains(table));
        databases.insert(name.clone(), Database { catalogue: tables, hints });
        catalogues.insert(name.clone(), (engine(described.engine), catalogue));
    }

    // A database of the plan that was not compared is told as such, with those that were.
    for name in plan.databases.keys() {
        facts.databases.entry(name.clone()).or_default();
    }
    let mut builder = Builder::new(facts, &databases, Limits::default()).map_err(unfit)?;
    let mut evidence = Vec::new();
    let mut files = Vec::new();
    let mut notes = BTreeMap::new();
    let mut to_replay: BTreeSet<String> = BTreeSet::new();
    let mut parts = BTreeMap::new();
    for name in databases.keys() {
        parts.insert(name.clone(), found.parts(name).await?);
    }
    for (name, table) in builder.order() {
        let compared =
            summary.databases.get(&name).and_then(|known| known.tables.iter().find(|of| of.table == table));
        let (Some(compared), Some(parts)) = (compared, parts.get(&name)) else { continue };
        let mut read = Table {
            parts,
            table: &table,
            builder: builder.table(&name, &table, of(compared)).map_err(unfit)?,
            evidence: &mut evidence,
            counts: Counts::default(),
        };
        let file = format!("{name}/{table}.csv");
        let mut upload = folder.begin(&file, "text/csv; charset=utf-8");
        let rows = read.spreadsheet(&mut upload).await;
        let counts = read.counts;
        if counts.missing > 0 {
            to_replay.insert(name.clone());
        }
        if !matches!(rows, Ok(0)) {
            let (rows, bytes) = folder.add(upload, rows).await?;
            files.push(File {
                name: file,
                about: format!("{name}.{table}: {}", text::counted(rows, "row")),
                bytes,
            });
        }
        notes.extend(counts.contradict(compared).map(|note| ((name, table), note)));
    }
    for name in to_replay {
        let (Some(parts), Some((engine, catalogue))) = (parts.get(&name), catalogues.get(&name)) else {
            continue;
        };
        let file = format!("{name}/replay.sql");
        let mut upload = folder.begin(&file, "application/sql");
        let rows = row_replay::write_sql(*engine, catalogue, parts, &mut Script(&mut upload)).await;
        let (tables, bytes) = folder.add(upload, rows.map_err(|error| replay_error(&name, error))).await?;
        files.push(File { name: file, about: about_replay(&name, &tables), bytes });
    }

    let mut report = builder.finish();
    for table in &mut report.tables {
        table.notes.extend(notes.remove(&(table.database.clone(), table.table.clone())));
    }
    report.files = files;
    folder.write_json("report.json", &report).await?;
    let page = missing_transactions::page(&report).map_err(|error| {
        StepError::new(Kind::Failed, "the page can't be written", "report this line").with_source(error)
    })?;
    let location = folder.write("report.html", "text/html; charset=utf-8", page.into_bytes()).await?;
    let (subject, measured) = (subject(&report), measured(&report));
    let next = missing_transactions::next_steps(&report);
    Ok((Written { location, subject, next, measured, summary: report.summary }, evidence))
}

/// The subject of a message. No label of the plan is in it: it may not be ASCII.
fn subject(report: &Report) -> String {
    let (transactions, rows) = (report.totals.transactions, &report.totals.rows);
    let mut parts = Vec::new();
    let mut part = |number: u64, one: &str, what: &str| {
        if number > 0 {
            parts.push(format!("{}{what}", text::counted(number, one)));
        }
    };
    part(transactions.whole + transactions.in_part, "transaction", " missing");
    part(rows.lost_updates + rows.lost_deletes, "update", " lost");
    part(rows.conflicts, "conflict", "");
    let undecided = transactions.undecided + rows.in_doubt();
    if parts.is_empty() && undecided == 0 && report.totals.tables_compared == 0 {
        return "Causeway: NOT KNOWN what is lost: no table was compared".to_owned();
    }
    if parts.is_empty() {
        parts.push(match undecided {
            0 if report.is_complete() => "nothing is lost".to_owned(),
            0 => "no loss found".to_owned(),
            undecided => format!("{} undecided", text::counted(undecided, "row")),
        });
    }
    let whole = if report.is_complete() { "" } else { "; NOT all was compared" };
    format!("Causeway: {}{whole}", parts.join(", "))
}

fn measured(report: &Report) -> Vec<Measured> {
    let (transactions, rows) = (report.totals.transactions, &report.totals.rows);
    let mut compared: BTreeMap<&str, u64> = BTreeMap::new();
    for table in &report.tables {
        let rows = table.compared.as_ref().and_then(|compared| compared.rows_source);
        *compared.entry(&table.database).or_default() += rows.unwrap_or_default();
    }
    // A count above 2⁵³ is not exact, which a chart does not show.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let number = |count: u64| count as f64;
    let compared =
        compared.into_iter().map(|(name, rows)| Measured::of(Metric::RowsCompared, name, number(rows)));
    let sums = [
        (Metric::MissingTransactions, transactions.whole + transactions.in_part),
        (Metric::LostUpdates, rows.lost_updates + rows.lost_deletes),
        (Metric::Conflicts, rows.conflicts),
    ];
    // A database of which nothing is known has no point in the chart, rather than one at 0.
    let points = report.recovery_points.iter();
    let lost =
        points.filter_map(|(name, point)| Some(Measured::of(Metric::RecoveryPoint, name, point.seconds?)));
    compared.chain(lost).chain(sums.map(|(metric, count)| Measured::new(metric, number(count)))).collect()
}

/// The tables that were compared; those that only the old primary has are not in the catalogue.
fn reported(catalogue: &Catalogue, compared: &DatabaseSummary) -> Catalogue {
    let tables = compared
        .tables
        .iter()
        .map(|table| (table.table.clone(), catalogue.tables.get(&table.table).cloned().unwrap_or_default()));
    Catalogue { tables: tables.collect() }
}

fn engine(engine: plan::Engine) -> Engine {
    match engine {
        plan::Engine::AuroraMysql => Engine::MySql,
        plan::Engine::AuroraPostgresql => Engine::Postgres,
    }
}

/// What the plan says of the tables.
fn hints(database: &plan::Database) -> Hints {
    let of = |known: &plan::ReportTable| TableHints {
        label: known.label.clone(),
        changed_at: known.changed_at.clone(),
        created_at: known.created_at.clone(),
        personal: known.personal.clone(),
        amount: known.amount.clone(),
        currency: known.currency.clone(),
        relations: known
            .relations
            .iter()
            .map(|relation| ForeignKey {
                name: format!("plan: {}", relation.parent),
                columns: relation.columns.clone(),
                parent: relation.parent.clone(),
                parent_columns: relation.parent_columns.clone(),
            })
            .collect(),
        part_of: known.part_of.clone(),
    };
    database.report.iter().map(|(table, known)| (table.clone(), of(known))).collect()
}

fn of(table: &TableSummary) -> Compared {
    // Of a table that only one side has, nothing was counted.
    let rows = (table.counts.rows_source, table.counts.rows_target);
    let counted = rows != (0, 0) || table.status == TableStatus::Alike;
    Compared {
        rows_source: counted.then_some(rows.0),
        rows_target: counted.then_some(rows.1),
        key_columns: table.key_columns.clone(),
        // Whatever else a status may say one day, it was not compared.
        error: table.error.clone().or_else(|| {
            let compared = matches!(table.status, TableStatus::Alike | TableStatus::Different);
            (!compared).then(|| "it is not known why".into())
        }),
        notes: table.notes.clone(),
    }
}

fn unfit(error: missing_transactions::Error) -> StepError {
    StepError::new(
        Kind::BadPlan,
        "the plan's `report` does not fit the tables",
        "correct the plan, in both Regions, and run the step again: what was compared is kept",
    )
    .with_source(error)
}

fn replay_error(name: &str, error: row_replay::Error) -> StepError {
    let what = format!("replay.sql of database {name} can't be written");
    StepError::new(Kind::Failed, what, "run the step again").with_source(error)
}

fn about_replay(name: &str, tables: &BTreeMap<String, row_replay::WrittenTable>) -> String {
    let sum = |of: fn(&row_replay::WrittenTable) -> u64| tables.values().map(of).sum::<u64>();
    let mut about =
        format!("puts {} back into {name}", text::counted(sum(|table| table.rows), "missing row"));
    let left_out = sum(|table| table.left_out);
    if left_out > 0 {
        about += &format!("; {} left out, each with its reason", text::count(left_out));
    }
    let conflicts = sum(|table| table.conflicts);
    if conflicts > 0 {
        about += &format!("; {} on both sides left alone", text::counted(conflicts, "row"));
    }
    about
}

/// Differences of one table as they were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    missing: u64,
    changed: u64,
    extra: u64,
}

impl Counts {
    /// The lists are what a person acts on: they count, and a summary that says otherwise is told.
    fn contradict(self, summary: &TableSummary) -> Option<String> {
        let counted = &summary.counts;
        let agree =
            (self.missing, self.changed, self.extra) == (counted.missing, counted.changed, counted.extra);
        (!agree).then(|| {
            format!(
                "The comparison counted {} missing, {} changed, {} extra; its lists hold {}, {}, {}, which are the \
                 numbers used here.",
                counted.missing, counted.changed, counted.extra, self.missing, self.changed, self.extra
            )
        })
    }
}

/// A table that is read.
struct Table<'a, S> {
    parts: &'a Parts<'a, S>,
    table: &'a str,
    builder: TableBuilder<'a>,
    evidence: &'a mut Vec<Sum>,
    counts: Counts,
}

impl<S: Bucket> Table<'_, S> {
    /// Reads every difference, and writes those that somebody has to see to. Answers how many.
    async fn spreadsheet(&mut self, upload: &mut Upload<'_, S>) -> Result<u64, StepError> {
        let mut csv = self.builder.csv(Vec::new());
        let mut rows = 0;
        for key in self.parts.keys(self.table) {
            let mut part = self.parts.open_part(key).await?;
            let mut sum = Summing::default();
            while let Some((line, difference)) = part.next().await? {
                sum.add(line);
                *match difference.kind {
                    DifferenceKind::Missing => &mut self.counts.missing,
                    DifferenceKind::Changed => &mut self.counts.changed,
                    DifferenceKind::Extra => &mut self.counts.extra,
                } += 1;
                let fate = self.builder.add(&difference);
                rows += u64::from(!fate.is_harmless());
                csv.add(&difference, fate).map_err(|error| no_spreadsheet(self.table, error))?;
                if csv.get_mut().len() > AT_ONCE {
                    upload.take(csv.get_mut()).await?;
                }
            }
            self.evidence.push(sum.of(key));
        }
        if rows > 0 {
            let mut rest = csv.finish().map_err(|error| no_spreadsheet(self.table, error))?;
            upload.take(&mut rest).await?;
        }
        Ok(rows)
    }
}

fn no_spreadsheet(table: &str, error: std::io::Error) -> StepError {
    let what = format!("the spreadsheet of table {table} can't be written");
    StepError::new(Kind::Failed, what, "report this line").with_source(error)
}

/// Bytes of a spreadsheet that are passed on at once.
const AT_ONCE: usize = 64 * 1024;

/// What is known of the failover, and of where the comparison stood.
pub fn facts(
    plan: &RecoveryPlan,
    execution: &str,
    to_region: &str,
    now: Timestamp,
    summary: &Summary,
    known: &Known,
) -> Facts {
    let limits = &plan.limits;
    let lags = known.failover.as_ref().map(|failover| &failover.lag);
    let database = |name: &String, of: &DatabaseSummary| {
        let lag = lags.and_then(|lags| lags.get(name));
        DatabaseFacts {
            source: of.source_cluster.clone(),
            target: of.target_cluster.clone(),
            snapshot: of.snapshot.clone(),
            snapshot_at: of.snapshot_time.as_deref().and_then(|at| at.parse().ok()),
            lag_seconds: lag.map(|lag| lag.seconds),
            replicated_until: lag.map(Lag::replicated_until),
            ..DatabaseFacts::default()
        }
    };
    Facts {
        plan: plan.name.clone(),
        execution: execution.to_owned(),
        compared_at: Some(summary.completed_at.unwrap_or(now)),
        from_region: plan.other_region(to_region).to_owned(),
        to_region: to_region.to_owned(),
        failover: known.failover.as_ref().map(|failover| failover_facts(failover, known)),
        moved_to: known.moved_to.clone(),
        budgets: Some(Budgets {
            rto_seconds: limits.rto_seconds.into(),
            rpo_seconds: limits.rpo_seconds.into(),
        }),
        databases: summary.databases.iter().map(|(name, of)| (name.clone(), database(name, of))).collect(),
        clock_margin_seconds: limits.clock_margin_seconds.into(),
    }
}

fn failover_facts(failover: &FailoverRecord, known: &Known) -> Failover {
    let record = known.record.as_ref();
    let step = |step: &crate::record::Step| Step {
        name: step.name.clone(),
        started_at: step.started_at,
        seconds: step.ended_at.map(|at| text::seconds(step.started_at, at)),
        failed: step.status != "Success",
        reason: step.reason.clone().unwrap_or_default(),
    };
    Failover {
        execution: failover.execution.clone(),
        started_at: failover.started_at,
        ended_at: record
            .and_then(Record::promoted_at)
            .or_else(|| failover.succeeded().then_some(failover.ended_at)),
        outage: known.outage,
        rto_seconds: record.and_then(|record| record.rto_seconds),
        steps: record.iter().flat_map(|record| &record.steps).map(step).collect(),
    }
}

#[cfg(test)]
mod tests;
