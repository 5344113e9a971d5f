//! One transaction: inserts the rows of a batch, together if the server accepts them all, else one by one.

use std::collections::BTreeSet;

use backon::BackoffBuilder as _;
use table_diff::Engine;

use super::batch::{Batch, Row};
use super::cursor::Cursor;
use super::fate::Replayed;
use super::{obstacle, sequences};
use crate::order::Order;
use crate::session::{Failure, Refusal, Session};
use crate::table::Table;
use crate::{Error, one_line_json};

/// How often the insert of a row is tried that has no effect, though nothing is found that prevents it.
const ROW_TRIES: u32 = 3;

const UNKNOWN_TABLE: &str = "the catalogue of the database does not have the table";

pub(super) struct Replayer<'a> {
    pub(super) session: &'a mut Session,
    pub(super) order: &'a Order,
    pub(super) dry_run: bool,
}

/// The fates of the rows of a transaction.
#[derive(Default)]
pub(super) struct Outcome {
    /// One for each row, in their order.
    pub(super) fates: Vec<Replayed>,
    /// The rows that were not put back, by the references of their children.
    pub(super) not_replayed: BTreeSet<u64>,
}

/// How many rows each statement inserted.
type Affected = std::vec::IntoIter<u64>;

impl Replayer<'_> {
    /// Puts the rows of one transaction back. Tries again after a failure that may pass.
    pub(super) async fn put_back(
        &mut self,
        name: &str,
        table: Option<&Table<'_>>,
        batch: &Batch,
        cursor: &mut Cursor,
    ) -> Result<Outcome, Error> {
        let Some(first) = batch.rows.first() else { return Ok(Outcome::default()) };
        let Some(table) = table else {
            let fates = batch.rows.iter().map(|_| Replayed::left_out(UNKNOWN_TABLE)).collect();
            return Ok(Outcome { fates, ..Outcome::default() });
        };
        note_unknown_columns(table, batch, &mut cursor.summary.notes);
        let key = if first.difference.key.is_empty() {
            String::new()
        } else {
            format!(" from {} on", one_line_json(&first.difference.key))
        };
        let what = format!("putting back rows of table {name}{key}");
        let mut pauses = table_diff::retry_policy().build();
        loop {
            let failure = match self.attempt(table, batch, cursor).await {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            // The session's next user must not find an open transaction.
            let is_broken = matches!(failure, Failure::Broken(_));
            let rolled_back = !is_broken && self.session.execute("ROLLBACK".into()).await.is_ok();
            let pause = if failure.is_transient() { pauses.next() } else { None };
            let Some(pause) = pause else { return Err(failure.into_error(what, self.session.address())) };
            tokio::time::sleep(pause).await;
            if !rolled_back {
                self.session.reconnect().await?;
            }
        }
    }

    async fn attempt(
        &mut self,
        table: &Table<'_>,
        batch: &Batch,
        cursor: &mut Cursor,
    ) -> Result<Outcome, Failure> {
        if self.dry_run {
            return self.preview(table, batch, &cursor.not_replayed).await;
        }
        let statements = self.statements(table, batch, &cursor.not_replayed);
        if !statements.is_empty() {
            sequences::advance(self.session, table, batch, &mut cursor.summary.notes).await?;
        }
        // In a table that refers to itself, the fate of one row decides about the next: they go one by one.
        let refers_to_itself = table.shape.foreign_keys.iter().any(|key| key.parent == table.name);
        let together = if refers_to_itself { None } else { self.insert_together(&statements).await? };
        if together.is_none() {
            self.begin().await?;
        }
        let outcome = self.row_by_row(table, batch, &cursor.not_replayed, together).await?;
        self.session.execute("COMMIT".into()).await?;
        Ok(outcome)
    }

    /// A dry run: the fate that each row would have, from what the server holds now.
    async fn preview(
        &mut self,
        table: &Table<'_>,
        batch: &Batch,
        not_replayed: &BTreeSet<u64>,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        for row in &batch.rows {
            let fate = match self.known(table, row, not_replayed, &outcome.not_replayed) {
                Some(fate) => fate,
                None => {
                    let found = obstacle::find(self.session, self.order, table, &row.difference).await?;
                    found.unwrap_or(Replayed::Inserted)
                }
            };
            self.record(table, row, fate, &mut outcome);
        }
        Ok(outcome)
    }

    /// The statements of the rows that have to be tried, because only the server knows their fate.
    fn statements<'b>(
        &self,
        table: &Table<'_>,
        batch: &'b Batch,
        not_replayed: &BTreeSet<u64>,
    ) -> Vec<&'b str> {
        let none = BTreeSet::new();
        let tried = batch.rows.iter().filter(|row| self.known(table, row, not_replayed, &none).is_none());
        tried.filter_map(|row| row.insert.as_deref()).collect()
    }

    /// Begins a transaction and sends all of these statements at once. Returns how many rows each inserted; or `None`, with
    /// no transaction open, when there are no statements or the server refuses a row.
    async fn insert_together(&mut self, statements: &[&str]) -> Result<Option<Affected>, Failure> {
        if statements.is_empty() {
            return Ok(None);
        }
        self.begin().await?;
        match self.session.execute(statements.join("; ")).await {
            Ok(affected) => Ok(Some(affected.into_iter())),
            Err(Failure::Refused(Refusal::Row, _)) => {
                self.session.execute("ROLLBACK".into()).await?;
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// In an open transaction: finds out why a row was not inserted with the others, and inserts the rows that were not
    /// tried yet, each by itself.
    async fn row_by_row(
        &mut self,
        table: &Table<'_>,
        batch: &Batch,
        not_replayed: &BTreeSet<u64>,
        mut together: Option<Affected>,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        for row in &batch.rows {
            let fate = match self.known(table, row, not_replayed, &outcome.not_replayed) {
                Some(fate) => fate,
                None => match together.as_mut().and_then(Iterator::next) {
                    Some(1) => Replayed::Inserted,
                    Some(_) => {
                        match obstacle::find(self.session, self.order, table, &row.difference).await? {
                            Some(fate) => fate,
                            None => self.insert_alone(table, row).await?,
                        }
                    }
                    None => self.insert_alone(table, row).await?,
                },
            };
            self.record(table, row, fate, &mut outcome);
        }
        Ok(outcome)
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        let begin = match self.session.engine() {
            Engine::MySql => "START TRANSACTION",
            // A deferred constraint would be checked at the commit only, and would not name the row.
            Engine::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE",
        };
        self.session.execute(begin.into()).await.map(|_| ())
    }

    /// Records a row's fate. A row that was not put back keeps its children out.
    fn record(&self, table: &Table<'_>, row: &Row, fate: Replayed, outcome: &mut Outcome) {
        if let (false, Some(values)) =
            (matches!(fate, Replayed::Inserted | Replayed::AlreadyThere), &row.difference.source)
        {
            outcome.not_replayed.extend(self.order.references_to(table.name, values));
        }
        outcome.fates.push(fate);
    }

    fn known(
        &self,
        table: &Table<'_>,
        row: &Row,
        not_replayed: &BTreeSet<u64>,
        in_this_batch: &BTreeSet<u64>,
    ) -> Option<Replayed> {
        obstacle::known(table, row, self.order, self.session.packet(), [not_replayed, in_this_batch])
    }

    /// Inserts a row by itself, or finds out why it can't be inserted.
    async fn insert_alone(&mut self, table: &Table<'_>, row: &Row) -> Result<Replayed, Failure> {
        let Some(insert) = &row.insert else { return Ok(Replayed::left_out(obstacle::NO_KEY)) };
        for _ in 0..ROW_TRIES {
            let tried = format!("SAVEPOINT causeway_row; {insert}; RELEASE SAVEPOINT causeway_row");
            let refused = match self.session.execute(tried).await {
                Ok(affected) if affected.get(1) == Some(&1) => return Ok(Replayed::Inserted),
                Ok(_) => None,
                Err(Failure::Refused(Refusal::Row, cause)) => {
                    self.session.execute("ROLLBACK TO SAVEPOINT causeway_row".into()).await?;
                    Some(cause)
                }
                Err(failure) => return Err(failure),
            };
            if let Some(fate) = obstacle::find(self.session, self.order, table, &row.difference).await? {
                return Ok(fate);
            }
            if let Some(cause) = refused {
                return Ok(Replayed::Refused { reason: table_diff::one_line(&cause) });
            }
            // What prevented the insert was removed in the meantime: try again.
        }
        Ok(Replayed::Refused {
            reason: "the server did not insert it and gave no reason; perhaps a trigger prevented it".into(),
        })
    }
}

/// Notes the columns of these rows that the database does not have: they are not written.
fn note_unknown_columns(table: &Table<'_>, batch: &Batch, notes: &mut BTreeSet<String>) {
    for values in batch.rows.iter().filter_map(|row| row.difference.source.as_ref()) {
        let unknown = table.unknown(values);
        if !unknown.is_empty() {
            notes.insert(format!("{}: the database does not have the columns {unknown:?}", table.name));
        }
    }
}
