//! Puts rows back over a connection, in transactions of bounded size, and tells each row's fate.
//!
//! **States.** A [`Cursor`] is a place in the order of rows. Each transaction takes the next rows of one table, asks for
//! each whether it can be there, inserts it, commits; then the sink gets the fates with the cursor behind them.
//!
//! **Promises.** Run again, from any cursor or from none, nothing is there twice: a row that was put back before is found
//! and told as [`Replayed::AlreadyThere`]. That is so too for rows whose transaction was committed when the connection broke
//! or the sink failed. A dry run reads only, and gives the same fates, but for what only the server's refusal tells, and
//! for rows that need each other, which it takes for possible.
//!
//! **What a failure leaves behind.** Whole transactions, parents before children. Going on from the last cursor that the
//! sink got puts back the rest.

use std::collections::{BTreeMap, BTreeSet};

use backon::BackoffBuilder as _;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use table_diff::{BoxError, Catalogue, Difference, DifferenceKind, Differences, Engine};

use crate::order::{Order, Step};
use crate::session::{Failure, Refusal, Session};
use crate::table::{Parent, Table};
use crate::{Error, one_line_json, sequence};

/// How often a row is tried that is not inserted, though nothing is in its way.
const ROW_TRIES: u32 = 3;

/// How rows are put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Rows of a transaction at most.
    pub transaction_rows: usize,
    /// Bytes of its statements at most, unless one row has more.
    pub transaction_bytes: usize,
    /// Only read, and tell what would be.
    pub dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { transaction_rows: 500, transaction_bytes: 1024 * 1024, dry_run: false }
    }
}

/// What became of a missing row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Replayed {
    /// It is there now; in a dry run: it would be.
    Inserted,
    /// It was there, just the same.
    AlreadyThere,
    /// A row with its key is there that is not the same.
    KeyTaken {
        /// That row.
        other: Map<String, Value>,
    },
    /// Another row has its value in a unique index.
    UniqueCollision {
        /// The index's columns.
        columns: Vec<String>,
        /// The other row's key.
        other_key: Map<String, Value>,
        /// The other row.
        other: Map<String, Value>,
    },
    /// What it belongs to is not there.
    ParentMissing {
        /// Name of the foreign key.
        foreign_key: String,
        /// The table it belongs to.
        parent: String,
        /// The parent that is missing.
        parent_key: Map<String, Value>,
    },
    /// What it belongs to was not put back: what has that key now, if anything, may be something else.
    ParentLeftOut {
        /// Name of the foreign key.
        foreign_key: String,
        /// The table it belongs to.
        parent: String,
        /// The parent that was left out.
        parent_key: Map<String, Value>,
    },
    /// The server refused it.
    Refused {
        /// The server's words.
        reason: String,
    },
    /// It was not tried.
    LeftOut {
        /// Why.
        reason: String,
    },
}

/// A missing row and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedRow {
    /// Its table.
    pub table: String,
    /// Its key; the whole row where it has none.
    pub key: Map<String, Value>,
    /// What became of it.
    #[serde(flatten)]
    pub replayed: Replayed,
}

/// How many rows had which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// [`Replayed::Inserted`].
    pub inserted: u64,
    /// [`Replayed::AlreadyThere`].
    pub already_there: u64,
    /// [`Replayed::KeyTaken`].
    pub key_taken: u64,
    /// [`Replayed::UniqueCollision`].
    pub unique_collision: u64,
    /// [`Replayed::ParentMissing`].
    pub parent_missing: u64,
    /// [`Replayed::ParentLeftOut`].
    pub parent_left_out: u64,
    /// [`Replayed::Refused`].
    pub refused: u64,
    /// [`Replayed::LeftOut`].
    pub left_out: u64,
    /// Rows on both sides that differ: not touched, no fate.
    pub conflicts: u64,
}

impl Counts {
    fn add(&mut self, fate: &Replayed) {
        *match fate {
            Replayed::Inserted => &mut self.inserted,
            Replayed::AlreadyThere => &mut self.already_there,
            Replayed::KeyTaken { .. } => &mut self.key_taken,
            Replayed::UniqueCollision { .. } => &mut self.unique_collision,
            Replayed::ParentMissing { .. } => &mut self.parent_missing,
            Replayed::ParentLeftOut { .. } => &mut self.parent_left_out,
            Replayed::Refused { .. } => &mut self.refused,
            Replayed::LeftOut { .. } => &mut self.left_out,
        } += 1;
    }
}

/// What was counted, and what a reader has to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// By table.
    pub tables: BTreeMap<String, Counts>,
    /// Columns that are not there, sequences that are far behind.
    pub notes: BTreeSet<String>,
}

/// Where a replay stands. Small, but for 20 bytes for each row that was not put back and that other rows belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// What was counted so far.
    pub summary: Summary,
    /// The step of the order, and its table and pass, to see that they are still the same.
    step: usize,
    table: String,
    pass: u16,
    /// Differences of the table that are done with.
    read: usize,
    /// Rows that were not put back, as others refer to them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "hexadecimal")]
    left: BTreeSet<u64>,
}

/// 64-bit numbers as text: JSON's are exact only up to 53 bits.
mod hexadecimal {
    use std::collections::BTreeSet;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(numbers: &BTreeSet<u64>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(numbers.iter().map(|number| format!("{number:016x}")))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<u64>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| u64::from_str_radix(text, 16).map_err(D::Error::custom)).collect()
    }
}

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Every row has its fate.
    Finished(Summary),
    /// Where the caller stopped it.
    Interrupted(Box<Cursor>),
}

/// Takes the fates.
pub trait Sink: Send {
    /// The fates since the last call, and the place that they bring the replay to.
    ///
    /// # Errors
    /// Ends the replay with [`Error::Sink`].
    fn reached(
        &mut self,
        fates: Vec<ReplayedRow>,
        cursor: &Cursor,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Puts the missing rows back, from `cursor` or from the start. After each transaction `stop` is asked whether to stop.
///
/// `catalogue` is that of the session's database. A session whose replay was dropped in the middle is to be dropped too.
///
/// # Errors
/// When the server can't be reached or lets nothing be written, when differences can't be read, or the sink fails; the
/// last cursor can be gone on from.
pub async fn apply(
    session: &mut Session,
    catalogue: &Catalogue,
    source: &impl Differences,
    options: &Options,
    cursor: Option<Cursor>,
    sink: &mut impl Sink,
    stop: impl Fn() -> bool + Send + Sync,
) -> Result<Progress, Error> {
    let order = Order::read(catalogue, source, options.dry_run).await?;
    let engine = session.engine();
    let mut cursor = cursor.unwrap_or_default();
    fits(&cursor, &order)?;
    let mut run = Run { session, order: &order, options };
    while let Some(Step { table: name, pass }) = order.steps.get(cursor.step) {
        (cursor.table, cursor.pass) = (name.clone(), *pass);
        let table = Table::new(engine, catalogue, name);
        let mut batches = Batches::new(source, &order, &cursor, options, run.session.packet());
        while let Some(batch) = batches.next(table.as_ref()).await? {
            let outcome = run.put_back(name, table.as_ref(), &batch, &mut cursor).await?;
            cursor.left.extend(outcome.left);
            cursor.read = batches.read;
            let counts = cursor.summary.tables.entry(name.clone()).or_default();
            counts.conflicts += batch.conflicts;
            let fates = batch.rows.into_iter().zip(outcome.fates).map(|(row, fate)| {
                counts.add(&fate);
                let Difference { key, source, .. } = row.difference;
                let key = if key.is_empty() { source.unwrap_or_default() } else { key };
                ReplayedRow { table: name.clone(), key, replayed: fate }
            });
            let fates = fates.collect();
            sink.reached(fates, &cursor).await.map_err(Error::Sink)?;
            if stop() {
                return Ok(Progress::Interrupted(Box::new(cursor)));
            }
        }
        cursor.step += 1;
        cursor.read = 0;
    }
    Ok(Progress::Finished(cursor.summary))
}

/// Whether a cursor is one of this order.
fn fits(cursor: &Cursor, order: &Order) -> Result<(), Error> {
    let place = order.steps.get(cursor.step);
    let new = cursor.step == 0 && cursor.table.is_empty();
    if new || place.is_some_and(|step| step.table == cursor.table && step.pass == cursor.pass) {
        return Ok(());
    }
    Err(Error::Cursor(format!(
        "it stands in table {}, which has another place in the order now",
        cursor.table
    )))
}

/// A missing row, with its statement if it has one.
struct Row {
    difference: Difference,
    insert: Option<String>,
}

/// The rows of a transaction.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    /// Rows on both sides that were passed by.
    conflicts: u64,
}

/// Takes a table's differences apart into batches.
struct Batches<'a> {
    differences: futures::stream::BoxStream<'a, Result<Difference, BoxError>>,
    order: &'a Order,
    table: String,
    pass: u16,
    /// Differences read and missing rows among them.
    read: usize,
    missing: usize,
    /// Differences to be passed by, that an earlier call is done with.
    done: usize,
    most_rows: usize,
    most_bytes: usize,
    /// A row that was too much for the last batch.
    kept: Option<Row>,
}

impl<'a> Batches<'a> {
    fn new(
        source: &'a impl Differences,
        order: &'a Order,
        cursor: &Cursor,
        options: &Options,
        packet: usize,
    ) -> Self {
        Self {
            differences: source.open(&cursor.table),
            order,
            table: cursor.table.clone(),
            pass: cursor.pass,
            read: 0,
            missing: 0,
            done: cursor.read,
            most_rows: options.transaction_rows.max(1),
            most_bytes: options.transaction_bytes.min(packet / 2),
            kept: None,
        }
    }

    async fn next(&mut self, table: Option<&Table<'_>>) -> Result<Option<Batch>, Error> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        if let Some(row) = self.kept.take() {
            bytes += row.insert.as_ref().map_or(0, String::len);
            self.read += 1;
            batch.rows.push(row);
        }
        while batch.rows.len() < self.most_rows {
            let Some(difference) = self.differences.next().await else { break };
            let difference =
                difference.map_err(|cause| Error::Source { table: self.table.clone(), cause })?;
            let missing = difference.kind == DifferenceKind::Missing && difference.source.is_some();
            self.missing += usize::from(missing);
            let taken = missing && self.order.pass(&self.table, self.missing - 1) == self.pass;
            if self.read < self.done || !taken {
                let conflict = difference.kind == DifferenceKind::Changed && self.pass == 1;
                batch.conflicts += u64::from(conflict && self.read >= self.done);
                self.read += 1;
                continue;
            }
            let insert = table.and_then(|table| table.insert(&difference, ""));
            let size = insert.as_ref().map_or(0, String::len);
            let row = Row { difference, insert };
            if bytes + size > self.most_bytes && !batch.rows.is_empty() {
                // Not counted as read before it is in a batch.
                self.kept = Some(row);
                break;
            }
            bytes += size;
            self.read += 1;
            batch.rows.push(row);
        }
        Ok((!batch.rows.is_empty() || batch.conflicts > 0).then_some(batch))
    }
}

struct Run<'a> {
    session: &'a mut Session,
    order: &'a Order,
    options: &'a Options,
}

/// What became of the rows of a transaction.
#[derive(Default)]
struct Outcome {
    /// One for each row, in their order.
    fates: Vec<Replayed>,
    /// The rows that were not put back, as others refer to them.
    left: BTreeSet<u64>,
}

/// How many rows each statement inserted.
type Affected = std::vec::IntoIter<u64>;

impl Run<'_> {
    /// Puts the rows of one transaction back, and tries again when it failed for no fault of its own.
    async fn put_back(
        &mut self,
        name: &str,
        table: Option<&Table<'_>>,
        batch: &Batch,
        cursor: &mut Cursor,
    ) -> Result<Outcome, Error> {
        let Some(first) = batch.rows.first() else { return Ok(Outcome::default()) };
        let Some(table) = table else {
            let fates = batch.rows.iter().map(|_| left_out(UNKNOWN_TABLE)).collect();
            return Ok(Outcome { fates, left: BTreeSet::new() });
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
            // So that nothing of it stays open, whoever has the session next.
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
        if self.options.dry_run {
            return self.preview(table, batch, &cursor.left).await;
        }
        let tried = self.untouched(table, batch, &cursor.left);
        if !tried.is_empty() {
            self.advance_sequences(table, batch, &mut cursor.summary.notes).await?;
        }
        // What one row says of the next, in a table that refers to itself, is known only row by row.
        let refers_to_itself = table.shape.foreign_keys.iter().any(|key| key.parent == table.name);
        let together = if refers_to_itself { None } else { self.insert_together(&tried).await? };
        if together.is_none() {
            self.begin().await?;
        }
        let outcome = self.row_by_row(table, batch, &cursor.left, together).await?;
        self.session.execute("COMMIT".into()).await?;
        Ok(outcome)
    }

    /// A dry run: what would become of each row, by what the server has now.
    async fn preview(
        &mut self,
        table: &Table<'_>,
        batch: &Batch,
        left: &BTreeSet<u64>,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        for row in &batch.rows {
            let fate = match self.foreseen(table, row, left, &outcome.left) {
                Some(fate) => fate,
                None => self.inspect(table, &row.difference).await?.unwrap_or(Replayed::Inserted),
            };
            self.keep(table, row, fate, &mut outcome);
        }
        Ok(outcome)
    }

    /// The statements of the rows whose fate only the server knows.
    fn untouched<'b>(&self, table: &Table<'_>, batch: &'b Batch, left: &BTreeSet<u64>) -> Vec<&'b str> {
        let none = BTreeSet::new();
        let tried = batch.rows.iter().filter(|row| self.foreseen(table, row, left, &none).is_none());
        tried.filter_map(|row| row.insert.as_deref()).collect()
    }

    /// Begins a transaction with all of these statements in one go: the rows that each inserted. `None`, with no transaction
    /// open, when there is none, or the server refuses a row.
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

    /// In an open transaction: asks why a row was not inserted with the others, and inserts those alone that were not tried.
    async fn row_by_row(
        &mut self,
        table: &Table<'_>,
        batch: &Batch,
        left: &BTreeSet<u64>,
        mut together: Option<Affected>,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        for row in &batch.rows {
            let fate = match self.foreseen(table, row, left, &outcome.left) {
                Some(fate) => fate,
                None => match together.as_mut().and_then(Iterator::next) {
                    Some(1) => Replayed::Inserted,
                    Some(_) => match self.inspect(table, &row.difference).await? {
                        Some(fate) => fate,
                        None => self.alone(table, row).await?,
                    },
                    None => self.alone(table, row).await?,
                },
            };
            self.keep(table, row, fate, &mut outcome);
        }
        Ok(outcome)
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        let begin = match self.session.engine() {
            Engine::MySql => "START TRANSACTION",
            // Else a constraint may speak up at the end only, and of no row.
            Engine::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE",
        };
        self.session.execute(begin.into()).await.map(|_| ())
    }

    /// Notes a row's fate; one that is not there as it was keeps out what belongs to it.
    fn keep(&self, table: &Table<'_>, row: &Row, fate: Replayed, outcome: &mut Outcome) {
        if let (false, Some(values)) =
            (matches!(fate, Replayed::Inserted | Replayed::AlreadyThere), &row.difference.source)
        {
            outcome.left.extend(self.order.references_to(table.name, values));
        }
        outcome.fates.push(fate);
    }

    /// A fate that is clear without the server.
    fn foreseen(
        &self,
        table: &Table<'_>,
        row: &Row,
        left: &BTreeSet<u64>,
        just_left: &BTreeSet<u64>,
    ) -> Option<Replayed> {
        let Some(insert) = &row.insert else { return Some(left_out(NO_KEY)) };
        let most = self.session.packet();
        if insert.len() >= most {
            let reason =
                format!("its statement has {} bytes, and max_allowed_packet is {most}", insert.len());
            return Some(Replayed::Refused { reason });
        }
        let parents = table.parents(row.difference.source.as_ref()?);
        let out = parents.into_iter().find(|parent| {
            parent.reference.is_some_and(|reference| {
                left.contains(&reference)
                    || just_left.contains(&reference)
                    || self.order.doubtful.contains(&reference)
            })
        });
        out.map(|Parent { key, values, .. }| Replayed::ParentLeftOut {
            foreign_key: key.name.clone(),
            parent: key.parent.clone(),
            parent_key: values,
        })
    }

    /// Inserts a row by itself, and tells why not.
    async fn alone(&mut self, table: &Table<'_>, row: &Row) -> Result<Replayed, Failure> {
        let Some(insert) = &row.insert else { return Ok(left_out(NO_KEY)) };
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
            if let Some(fate) = self.inspect(table, &row.difference).await? {
                return Ok(fate);
            }
            if let Some(cause) = refused {
                return Ok(Replayed::Refused { reason: table_diff::one_line(&cause) });
            }
            // What was in its way has gone in the meantime.
        }
        Ok(Replayed::Refused {
            reason: "the server does not insert it, and gives no reason: a trigger?".into(),
        })
    }

    /// What is in a row's way, looked up. `None`: nothing that is known of.
    async fn inspect(
        &mut self,
        table: &Table<'_>,
        difference: &Difference,
    ) -> Result<Option<Replayed>, Failure> {
        let Some(values) = &difference.source else { return Ok(None) };
        if let Some(key) = table.key(difference)
            && let Some(cells) = self.session.query(table.rows(&key)).await?.first()
        {
            let other = table.read(cells);
            // As texts: 0 and −0 are the same number.
            let text = Value::to_string;
            let same = |name: &str, value: &Value| {
                other.get(name).map(text).is_some_and(|other| other == text(value))
            };
            let same = table.written(values).all(|(column, value)| same(&column.name, value));
            return Ok(Some(if same { Replayed::AlreadyThere } else { Replayed::KeyTaken { other } }));
        }
        for unique in table.uniques(difference) {
            if let Some(cells) = self.session.query(table.rows(&unique.taken)).await?.first() {
                let other = table.read(cells);
                let key =
                    difference.key.keys().filter_map(|name| Some((name.clone(), other.get(name)?.clone())));
                let (columns, other_key) = (unique.columns.to_vec(), key.collect());
                return Ok(Some(Replayed::UniqueCollision { columns, other_key, other }));
            }
        }
        for Parent { key, values, query, reference } in table.parents(values) {
            let will_be = reference.is_some_and(|reference| self.order.missing.contains(&reference));
            if !will_be && self.session.query(query).await?.is_empty() {
                return Ok(Some(Replayed::ParentMissing {
                    foreign_key: key.name.clone(),
                    parent: key.parent.clone(),
                    parent_key: values,
                }));
            }
        }
        Ok(None)
    }

    /// Before the rows, so that the application meets none of their numbers.
    async fn advance_sequences(
        &mut self,
        table: &Table<'_>,
        batch: &Batch,
        notes: &mut BTreeSet<String>,
    ) -> Result<(), Failure> {
        for column in sequence::numbered(table.engine, table.shape) {
            let values = batch.rows.iter().filter_map(|row| row.difference.source.as_ref()?.get(column));
            let numbers = values.filter_map(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
            let Some(highest) = numbers.max() else { continue };
            let number = sequence::number(highest);
            let far = sequence::FAR;
            let ask = format!(
                "SELECT 1 FROM ({}) AS b WHERE b.behind > {far}",
                sequence::behind(&table.quoted, column, &number)
            );
            if self.session.query(ask).await?.is_empty() {
                self.session.execute(sequence::advance(&table.quoted, column, &number)).await?;
            } else {
                notes.insert(format!(
                    "{}: the sequence of column {column:?} is more than {far} numbers behind a row that was put back, and was left there",
                    table.name
                ));
            }
        }
        Ok(())
    }
}

const UNKNOWN_TABLE: &str = "the catalogue of the database does not have the table";
const NO_KEY: &str = "without a key it can't be told whether the row is there";

/// Notes the columns of these rows that the database does not have: they are not written.
fn note_unknown_columns(table: &Table<'_>, batch: &Batch, notes: &mut BTreeSet<String>) {
    for values in batch.rows.iter().filter_map(|row| row.difference.source.as_ref()) {
        let unknown = table.unknown(values);
        if !unknown.is_empty() {
            notes.insert(format!("{}: the database does not have the columns {unknown:?}", table.name));
        }
    }
}

fn left_out(reason: &str) -> Replayed {
    Replayed::LeftOut { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor {
            table: "t".into(),
            step: 3,
            pass: 1,
            read: 7,
            left: BTreeSet::from([1, u64::MAX]),
            ..Cursor::default()
        };
        let json = serde_json::to_string(&cursor).unwrap();
        assert!(json.contains("ffffffffffffffff"));
        assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        assert_eq!(
            serde_json::from_str::<Cursor>(&serde_json::to_string(&Cursor::default()).unwrap()).unwrap(),
            Cursor::default()
        );
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let order = Order { steps: vec![Step { table: "t".into(), pass: 1 }], ..Order::default() };
        let cursor = Cursor { table: "u".into(), pass: 1, ..Cursor::default() };
        assert!(
            fits(&Cursor::default(), &order).is_ok()
                && fits(&Cursor { table: "t".into(), ..cursor.clone() }, &order).is_ok()
        );
        assert!(fits(&cursor, &order).unwrap_err().to_string().contains("stands in table u"));
    }
}
