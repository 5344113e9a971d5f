//! The work of one call: it continues from the saved state, table by table, until the call's time is over.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::time::Duration;

use comparison::{DatabaseSummary, PartWriter, SUMMARY, Summary, TableStatus, TableSummary};
use jiff::Timestamp;
use runbook::error::Kind;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use table_diff::{Catalogue, Cursor, Difference, KeyRange, Listed, Presence, Progress, Sink};

use crate::calls::{Compare, Failure};
use crate::decide::Sides;
use crate::folder::Folder;
use crate::merge;
use crate::outcome::{NO_TABLE, Observed, done, not_compared, observed, words};
use crate::ranges::{RangeEvent, Ranges};
use crate::state::{Current, Database, State};
use crate::{GetObject, PutObject};

/// How long a call compares: an Automation step lasts 300 s at most.
const SLICE: Duration = Duration::from_secs(240);
/// Time before the deadline in which no new range is begun.
const MARGIN: Duration = Duration::from_secs(25);
/// Time before the deadline at which a range that is not finished is given up.
const ANSWER: Duration = Duration::from_secs(10);
/// How much longer than a call compares it may wait for a range.
const OVERTIME: Duration = Duration::from_secs(30);
/// After how many seconds without a part the cursor is saved.
const SAVE: f64 = 10.0;

/// What of the databases a run compares.
#[derive(Debug)]
pub(crate) enum Part {
    /// All tables; those that have ranges were compared by them, and are put together.
    All(Ranges),
    /// One range of one table.
    Range(KeyRange),
}

/// Where a range stands before it is begun.
pub(crate) fn range_state(sides: &Sides, event: &RangeEvent) -> State {
    let remaining = vec![Listed { table: event.table.clone(), presence: Presence::Both }];
    let database = Database {
        summary: summary_of(sides, Vec::new()),
        remaining,
        current: Current::default(),
        range: Some(event.range.clone()),
    };
    State { databases: [(sides.name.clone(), database)].into() }
}

fn summary_of(sides: &Sides, tables: Vec<TableSummary>) -> DatabaseSummary {
    DatabaseSummary {
        source_cluster: sides.source_cluster.clone(),
        target_cluster: sides.target_cluster.clone(),
        snapshot: sides.snapshot.clone(),
        snapshot_time: sides.snapshot_time.clone(),
        base: sides.base.as_ref().ok().map(|base| base.summary.clone()),
        no_base: sides.base.as_ref().err().cloned(),
        tables,
    }
}

/// Compares from `state` on. `all` has the databases that are not finished.
///
/// # Errors
/// When a database can't be reached or the bucket can't be written; what was done is kept.
pub(crate) async fn run<S: GetObject + PutObject + Sync>(
    context: &Context,
    folder: &Folder,
    store: &S,
    servers: &impl Compare,
    plan: &RecoveryPlan,
    all: &[Sides],
    (state, part): (State, &Part),
) -> Result<Outcome<Observed>, StepError> {
    let now = context.clock.now();
    let stop_at = (now + SLICE).min(context.deadline - MARGIN);
    let mut work = Work { context, folder, store, stop_at, state, saved: now, part };
    let most = (SLICE + OVERTIME).min(context.time_left().saturating_sub(ANSWER));
    let walked = tokio::time::timeout(most, Box::pin(work.walk(servers, plan, all))).await;
    // The call ends in the middle of a range: the next one compares that range again.
    let Ok(walked) = walked else { return work.in_progress() };
    match walked {
        Ok(true) => {
            let summary = Summary { completed_at: Some(context.clock.now()), ..work.summary() };
            // The state is saved first, because with a summary the comparison counts as complete.
            work.save().await?;
            folder.write(store, SUMMARY, &summary).await?;
            let key = folder.key(SUMMARY);
            Ok(done(&summary).with_changed(vec![format!("wrote s3://{}/{key}", folder.bucket())]))
        }
        Ok(false) => {
            work.save().await?;
            work.in_progress()
        }
        Err(error) => {
            work.save().await?;
            Err(error)
        }
    }
}

/// Checks that the tables and columns that the plan names exist: otherwise personal data would not be masked, or times not be
/// used, and nobody would notice. It is checked before the comparison, which may take hours.
pub(crate) fn check_hints(plan: &RecoveryPlan, name: &str, catalogue: &Catalogue) -> Result<(), StepError> {
    let Some(database) = plan.databases.get(name) else { return Ok(()) };
    let mut problems = Vec::new();
    for (table, hints) in &database.report {
        let Some(shape) = catalogue.tables.get(table) else {
            problems.push(format!("there is no table {table}"));
            continue;
        };
        let times =
            [&hints.changed_at, &hints.created_at].into_iter().flatten().filter(|name| !name.is_empty());
        let own = hints.relations.iter().flat_map(|relation| &relation.columns);
        let money = hints.amount.iter().chain(&hints.currency);
        for column in times.chain(&hints.personal).chain(money).chain(own) {
            if !shape.columns.iter().any(|known| known.name == *column) {
                problems.push(format!("table {table} has no column {column}"));
            }
        }
        let parents = hints.relations.iter().map(|relation| &relation.parent).chain(&hints.part_of);
        for parent in parents.filter(|parent| !parent.is_empty() && !catalogue.tables.contains_key(*parent)) {
            problems
                .push(format!("there is no table {parent}, which the plan names as the parent of {table}"));
        }
    }
    for excluded in &database.reconcile.exclude_columns {
        let mut known = catalogue.tables.iter().flat_map(|(table, shape)| {
            shape.columns.iter().map(move |column| format!("{table}.{}", column.name))
        });
        if !known.any(|column| column == *excluded) {
            problems
                .push(format!("there is no column {excluded}, which `reconcile.excludeColumns` leaves out"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let what = format!(
        "`databases.{name}.report` or `reconcile` does not fit the new primary: {}",
        problems.join("; ")
    );
    Err(StepError::new(Kind::BadPlan, what, "correct the plan, in both Regions, and run the step again"))
}

/// The reason for a table that is in neither list of tables.
const GONE: &str = "the last readiness check saw this table, but now its user can't see it on either side: give the user the right \
                    to read it. If the table was dropped before the failover, nothing of it was lost";

/// Tables that the last readiness check saw, that the plan has compared, and that neither side lists now.
fn gone<'a>(
    sides: &'a Sides,
    listed: &[Listed],
    wanted: &'a runbook::plan::Reconcile,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let listed: BTreeSet<String> = listed.iter().map(|one| one.table.to_string()).collect();
    // A table that the plan names is in the list also where it does not exist.
    let gone = sides.known.iter().filter(move |table| {
        wanted.tables.is_empty() && !wanted.exclude.contains(table) && !listed.contains(*table)
    });
    gone.map(String::as_str)
}

struct Work<'a, S> {
    context: &'a Context,
    folder: &'a Folder,
    store: &'a S,
    stop_at: Timestamp,
    state: State,
    saved: Timestamp,
    part: &'a Part,
}

impl<S: GetObject + PutObject + Sync> Work<'_, S> {
    async fn save(&mut self) -> Result<(), StepError> {
        self.folder.write(self.store, "cursor.json", &self.state).await?;
        self.saved = self.context.clock.now();
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.context.clock.now() >= self.stop_at
    }

    /// Compares what is left; true when nothing is.
    async fn walk(
        &mut self,
        servers: &impl Compare,
        plan: &RecoveryPlan,
        all: &[Sides],
    ) -> Result<bool, StepError> {
        for sides in all {
            if !self.state.databases.contains_key(&sides.name) {
                let wanted = plan.databases.get(&sides.name).map(|database| database.reconcile.clone());
                let wanted = wanted.unwrap_or_default();
                let listed = servers.list_tables(sides, &wanted.tables, &wanted.exclude).await;
                let remaining = listed.map_err(|failure| failure.of_list(sides))?;
                let none = format!(
                    "there is no table to compare in {}, or the user can't see any: correct `database` and `reconcile` in the \
                     plan, or give the user the right to read the tables",
                    sides.target.database
                );
                // It is reported as a table that was not compared: where nothing was compared, it is not known that nothing was lost.
                let mut tables: Vec<TableSummary> =
                    gone(sides, &remaining, &wanted).map(|table| not_compared(table, GONE.into())).collect();
                if remaining.is_empty() {
                    tables.push(not_compared(NO_TABLE, none));
                }
                // A call that is killed before the list of tables is saved writes it once more.
                let catalogue = servers.catalogue(sides).await?;
                check_hints(plan, &sides.name, &catalogue)?;
                self.folder.write(self.store, &comparison::catalogue(&sides.name), &catalogue).await?;
                let summary = summary_of(sides, tables);
                let database = Database { summary, remaining, current: Current::default(), range: None };
                self.state.databases.insert(sides.name.clone(), database);
                self.save().await?;
            }
            while let Some(listed) = self.next_table(&sides.name) {
                if self.is_over() || !self.compare(servers, sides, listed).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn next_table(&self, database: &str) -> Option<Listed> {
        self.state.databases.get(database)?.remaining.first().cloned()
    }

    /// Compares one table; true when it is finished.
    async fn compare(
        &mut self,
        servers: &impl Compare,
        sides: &Sides,
        listed: Listed,
    ) -> Result<bool, StepError> {
        let table = listed.table.to_string();
        let mut summary = TableSummary { error: None, ..not_compared(&table, String::new()) };
        match listed.presence {
            Presence::Both => {}
            Presence::SourceOnly => {
                summary.error = Some(
                    "only the old primary has this table: all its rows are missing, and not listed".into(),
                );
            }
            Presence::TargetOnly => {
                summary.status = TableStatus::Different;
                summary.notes.push("only the new primary has this table: its rows are not listed".into());
            }
            Presence::Neither => {
                summary.error =
                    Some("neither side has this table, which the plan names: correct the plan".into());
            }
            Presence::Hidden => {
                summary.error = Some(
                    "the user may read single tables only, so there may be other tables whose lost rows it can't see: give it \
                     the right to read the whole database, or name every table in `reconcile.tables`"
                        .into(),
                );
            }
        }
        if listed.presence != Presence::Both {
            return self.finish(&sides.name, summary).await.map(|()| true);
        }

        let range = match self.part {
            Part::Range(range) => {
                summary.range = Some(range.clone());
                range.clone()
            }
            Part::All(ranges) => match ranges.of(&sides.name, &table) {
                [] => KeyRange::default(),
                ranges => return self.merge(servers, sides, &listed, ranges).await.map(|()| true),
            },
        };
        let current = self.current(&sides.name);
        let (clock, stop_at) = (self.context.clock.clone(), self.stop_at);
        let folder = self.folder.table(&sides.name, &table);
        let mut kept = Kept {
            database: sides.name.clone(),
            begun: clock.now(),
            spent: current.seconds,
            parts: PartWriter::new(self.folder.bucket(), folder, comparison::PART, current.parts),
            work: self,
        };
        let stop = || clock.now() >= stop_at;
        let compared =
            Box::pin(servers.compare_table(sides, (&listed.table, &range), current.cursor, &mut kept, stop))
                .await;
        kept.flush().await?;
        let current = self.current(&sides.name);
        summary.seconds = current.seconds;
        summary.parts = Some(current.parts);
        if let Some(cursor) = &current.cursor {
            summary.counts = cursor.counts;
        }
        match compared {
            Ok(Progress::Interrupted(_)) => return Ok(false),
            Err(Failure::Step(error)) => return Err(error),
            Err(Failure::Table(reason)) => {
                summary.notes.push("the counts are those of before the error".into());
                summary.error = Some(reason);
            }
            Ok(Progress::Finished(found)) => {
                summary.status = TableStatus::of(found.counts, &found.not_compared);
                summary.counts = found.counts;
                summary.key_columns = found.key_columns;
                summary.notes = found.notes;
                summary.not_compared = found.not_compared;
            }
        }
        self.finish(&sides.name, summary).await.map(|()| true)
    }

    /// Puts together what the ranges of a table found.
    async fn merge(
        &mut self,
        servers: &impl Compare,
        sides: &Sides,
        listed: &Listed,
        ranges: &[KeyRange],
    ) -> Result<(), StepError> {
        let found = merge::found(self.folder, self.store, (&sides.name, &listed.table), ranges).await?;
        let mut summary = merge::merged(&listed.table.to_string(), found);
        match servers.check_ranges(sides, &listed.table, ranges).await {
            Ok(()) => {}
            Err(Failure::Step(error)) => return Err(error),
            Err(Failure::Table(reason)) => {
                summary.status = TableStatus::Error;
                summary.error.get_or_insert(reason);
            }
        }
        self.finish(&sides.name, summary).await
    }

    fn current(&self, database: &str) -> Current {
        self.state.databases.get(database).map(|database| database.current.clone()).unwrap_or_default()
    }

    /// Marks the current table as compared. The state is not saved each time: a table without differences is compared again quickly.
    async fn finish(&mut self, database: &str, summary: TableSummary) -> Result<(), StepError> {
        if let Some(database) = self.state.databases.get_mut(database) {
            database.remaining.remove(0);
            database.current = Current::default();
            database.summary.tables.push(summary);
        }
        if seconds(self.saved, self.context.clock.now()) >= SAVE { self.save().await } else { Ok(()) }
    }

    fn summary(&self) -> Summary {
        let databases = &self.state.databases;
        Summary {
            completed_at: None,
            databases: databases
                .iter()
                .map(|(name, database)| (name.clone(), database.summary.clone()))
                .collect(),
        }
    }

    fn in_progress(&self) -> Result<Outcome<Observed>, StepError> {
        let mut observed = observed(&self.summary());
        for (name, database) in &self.state.databases {
            observed.tables_left += database.remaining.len() as u64;
            if let (Some(listed), None) = (database.remaining.first(), &observed.table) {
                observed.table = Some(format!("{name}/{}", listed.table));
            }
            if let Some(cursor) = &database.current.cursor {
                observed.counts += cursor.counts;
            }
        }
        let at = observed.table.as_ref().map_or_else(String::new, |table| format!(", comparing {table} now"));
        let reason = format!(
            "{} tables compared, {} left so far{at}; {} rows of the old primary read: {}",
            observed.tables_done,
            observed.tables_left,
            observed.counts.rows_source,
            words(observed.counts)
        );
        Ok(Outcome::new(Status::InProgress, reason, observed))
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// Keeps the differences of one table.
struct Kept<'a, 'b, S> {
    database: String,
    begun: Timestamp,
    /// Seconds spent on the table by earlier calls.
    spent: f64,
    parts: PartWriter<Cursor>,
    work: &'a mut Work<'b, S>,
}

impl<S: GetObject + PutObject + Sync> Kept<'_, '_, S> {
    /// Writes what was found as a part, then saves the cursor that covers it.
    async fn flush(&mut self) -> Result<(), StepError> {
        let has_part = self.parts.unwritten() > 0;
        let cursor = self.parts.write(self.work.store).await?;
        let seconds = self.spent + seconds(self.begun, self.work.context.clock.now());
        if let Some(database) = self.work.state.databases.get_mut(&self.database) {
            let current = &mut database.current;
            current.seconds = seconds;
            if cursor.is_some() {
                (current.cursor, current.parts) = (cursor, self.parts.names().to_vec());
            }
        }
        if has_part { self.work.save().await } else { Ok(()) }
    }
}

impl<S: GetObject + PutObject + Sync> Sink for Kept<'_, '_, S> {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        self.parts.add(&found, cursor.clone())?;
        if self.parts.unwritten() >= self.work.folder.part {
            self.flush().await?;
        } else if seconds(self.work.saved, self.work.context.clock.now()) >= SAVE {
            self.flush().await?;
            self.work.save().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
