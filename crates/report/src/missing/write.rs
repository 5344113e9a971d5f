//! Writes the report's folder, and then that the failover is reconciled.

use std::collections::BTreeMap;

use comparison::{Found, Parts, Summary};
use missing_transactions::facts::{Facts, Limits};
use missing_transactions::report::File;
use missing_transactions::{Builder, Database, Report};
use runbook::error::Kind;
use runbook::names::keys;
use runbook::plan::RecoveryPlan;
use runbook::record::ReconciliationRecord;
use runbook::telemetry::{self, Measured};
use runbook::{Context, Outcome, Status, StepError};
use table_diff::{Catalogue, Engine};

use super::facts::facts;
use super::known::{Asked, known};
use super::metrics::measured;
use super::spreadsheet::{Counts, Table};
use super::tables::{compared, engine, hints, reported};
use super::words::{about_replay, subject};
use crate::outcome::Observed;
use crate::store::{self, Bucket, Folder, Script, Sum};
use crate::text;

/// Writes the missing-transaction report.
///
/// # Errors
/// See [`crate::handle`].
pub async fn write_missing<S: Bucket>(
    context: &Context,
    store: &S,
    plan: &RecoveryPlan,
    asked: &Asked,
) -> Result<Outcome<Observed>, StepError> {
    let (bucket, execution) = (plan.report_bucket(&context.region)?, &asked.execution);
    let Some(found) = Found::open(store, bucket, &plan.name, execution).await? else {
        return Ok(not_compared(bucket, &plan.name, execution));
    };
    let known = known(context, store, plan, asked).await?;
    let facts = facts(plan, execution, &context.region, context.clock.now(), found.summary(), &known);

    let mut folder = Folder::begin_anew(store, bucket, keys::reports(&plan.name, execution)).await?;
    let (written, evidence) = write_files(&mut folder, &found, plan, facts).await?;
    folder.write_manifest(&evidence).await?;
    let mut changed = folder.written();
    // A failover counts as reconciled from here on, so this comes after the report.
    if let Some(failover) = known.failover {
        let key = keys::last_reconciliation(&plan.name);
        let record = ReconciliationRecord {
            plan: plan.name.clone(),
            execution: execution.clone(),
            failover: failover.execution,
            ended_at: context.clock.now(),
        };
        store::put_and_check(store, bucket, &key, "application/json", store::json(&record)?).await?;
        changed.push(format!("wrote s3://{bucket}/{key}"));
    }
    telemetry::emit(&plan.name, &written.measured, context.clock.now());
    let reason = format!("the missing-transaction report is written: {}", written.observed.location);
    Ok(Outcome::new(Status::Done, reason, written.observed).with_changed(changed))
}

/// The answer where the comparison is not complete.
fn not_compared(bucket: &str, plan: &str, execution: &str) -> Outcome<Observed> {
    let summary = format!("s3://{bucket}/{}{}", keys::reconcile(plan, execution), comparison::SUMMARY);
    let reason = format!(
        "there is no {summary}: the comparison of execution {execution} is not complete; run the step reconcile until \
         it says Done"
    );
    let empty = Observed {
        location: String::new(),
        summary: String::new(),
        subject: String::new(),
        next: String::new(),
    };
    Outcome::new(Status::Refused, reason, empty)
}

/// What was written.
struct Written {
    /// What the step returns.
    observed: Observed,
    /// The same as metrics.
    measured: Vec<Measured>,
}

/// Writes every file of the report but its manifest. Returns also the sums of the differences that were read.
async fn write_files<S: Bucket>(
    folder: &mut Folder<'_, S>,
    found: &Found<'_, S>,
    plan: &RecoveryPlan,
    mut facts: Facts,
) -> Result<(Written, Vec<Sum>), StepError> {
    let mut sources = BTreeMap::new();
    for name in found.summary().databases.keys() {
        sources.insert(name.clone(), Source::open(found, plan, name).await?);
    }
    for (name, source) in &sources {
        facts.databases.entry(name.clone()).or_default().left_out = source.left_out();
    }
    // A database of the plan that was not compared is listed as not compared.
    for name in plan.databases.keys() {
        facts.databases.entry(name.clone()).or_default();
    }
    let databases = sources.iter().map(|(name, source)| (name.clone(), source.database.clone())).collect();
    let mut builder = Builder::new(facts, &databases, Limits::default()).map_err(unfit)?;

    let mut sheets = write_spreadsheets(folder, &mut builder, found.summary(), &sources).await?;
    for (name, source) in &sources {
        if sheets.has_missing(name) {
            sheets.files.push(write_replay(folder, name, source).await?);
        }
    }

    let mut report = builder.finish();
    for table in &mut report.tables {
        table.notes.extend(sheets.notes.remove(&(table.database.clone(), table.table.clone())));
    }
    report.files = sheets.files;
    let written = write_report(folder, report).await?;
    Ok((written, sheets.evidence))
}

/// A database that was compared.
struct Source<'a, S> {
    engine: Engine,
    /// Every table of the database.
    catalogue: Catalogue,
    /// Its tables that were compared, and what the plan says of them.
    database: Database,
    /// The differences.
    parts: Parts<'a, S>,
}

impl<'a, S: Bucket> Source<'a, S> {
    async fn open(found: &'a Found<'a, S>, plan: &RecoveryPlan, name: &str) -> Result<Self, StepError> {
        let described = plan.databases.get(name).ok_or_else(|| {
            let what = format!("database {name} was compared, and is not in the plan");
            StepError::new(Kind::BadPlan, what, "put it back into the plan, then run the step again")
        })?;
        let catalogue = found.catalogue(name).await?;
        let tables =
            found.summary().databases.get(name).map(|of| reported(&catalogue, of)).unwrap_or_default();
        let is_left_out =
            |table: &String| catalogue.tables.contains_key(table) && !tables.tables.contains_key(table);
        let mut hints = hints(described);
        hints.retain(|table, _| !is_left_out(table));
        Ok(Self {
            engine: engine(described.engine),
            database: Database { catalogue: tables, hints },
            catalogue,
            parts: found.parts(name).await?,
        })
    }

    /// The tables that the plan leaves out of the comparison.
    fn left_out(&self) -> Vec<String> {
        let compared = &self.database.catalogue.tables;
        self.catalogue.tables.keys().filter(|table| !compared.contains_key(*table)).cloned().collect()
    }
}

/// What was written of all tables, and what the report has to say of it.
#[derive(Default)]
struct Spreadsheets {
    files: Vec<File>,
    evidence: Vec<Sum>,
    /// By database and table: that the comparison counted otherwise.
    notes: BTreeMap<(String, String), String>,
    /// Missing rows by database.
    missing: BTreeMap<String, u64>,
}

impl Spreadsheets {
    fn has_missing(&self, database: &str) -> bool {
        self.missing.get(database).is_some_and(|missing| *missing > 0)
    }
}

/// Reads every difference, parents first, and writes a spreadsheet for each table that has rows for it.
async fn write_spreadsheets<S: Bucket>(
    folder: &mut Folder<'_, S>,
    builder: &mut Builder,
    summary: &Summary,
    sources: &BTreeMap<String, Source<'_, S>>,
) -> Result<Spreadsheets, StepError> {
    let mut sheets = Spreadsheets::default();
    for (name, table) in builder.order() {
        let of =
            summary.databases.get(&name).and_then(|known| known.tables.iter().find(|of| of.table == table));
        let (Some(of), Some(source)) = (of, sources.get(&name)) else { continue };
        let mut read = Table {
            parts: &source.parts,
            table: &table,
            builder: builder.table(&name, &table, compared(of)).map_err(unfit)?,
            evidence: &mut sheets.evidence,
            counts: Counts::default(),
        };
        let file = format!("{name}/{table}.csv");
        let mut upload = folder.begin(&file, "text/csv; charset=utf-8");
        let rows = read.spreadsheet(&mut upload).await;
        let counts = read.counts;
        *sheets.missing.entry(name.clone()).or_default() += counts.missing;
        if !matches!(rows, Ok(0)) {
            let (rows, bytes) = folder.add(upload, rows).await?;
            let about = format!("{name}.{table}: {}", text::counted(rows, "row"));
            sheets.files.push(File { name: file, about, bytes });
        }
        sheets.notes.extend(counts.contradict(of).map(|note| ((name, table), note)));
    }
    Ok(sheets)
}

/// Writes the SQL that puts the missing rows of a database back.
async fn write_replay<S: Bucket>(
    folder: &mut Folder<'_, S>,
    name: &str,
    source: &Source<'_, S>,
) -> Result<File, StepError> {
    let file = format!("{name}/replay.sql");
    let mut upload = folder.begin(&file, "application/sql");
    let (engine, catalogue) = (source.engine, &source.catalogue);
    let rows = row_replay::write_sql(engine, catalogue, &source.parts, &mut Script(&mut upload)).await;
    let rows = rows.map_err(|error| {
        let what = format!("replay.sql of database {name} can't be written");
        StepError::new(Kind::Failed, what, "run the step again").with_source(error)
    });
    let (tables, bytes) = folder.add(upload, rows).await?;
    Ok(File { name: file, about: about_replay(name, &tables), bytes })
}

/// Writes the report as data and as a page.
async fn write_report<S: Bucket>(folder: &mut Folder<'_, S>, report: Report) -> Result<Written, StepError> {
    folder.write_json("report.json", &report).await?;
    let page = missing_transactions::page(&report).map_err(|error| {
        StepError::new(Kind::Failed, "the page can't be written", "report this line").with_source(error)
    })?;
    let location = folder.write("report.html", "text/html; charset=utf-8", page.into_bytes()).await?;
    let measured = measured(&report);
    let (subject, next) = (subject(&report), missing_transactions::next_steps(&report));
    Ok(Written { observed: Observed { location, summary: report.summary, subject, next }, measured })
}

fn unfit(error: missing_transactions::Error) -> StepError {
    StepError::new(
        Kind::BadPlan,
        "the plan's `report` does not fit the tables",
        "correct the plan, in both Regions, and run the step again: what was compared is kept",
    )
    .with_source(error)
}
