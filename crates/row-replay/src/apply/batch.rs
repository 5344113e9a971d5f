//! Divides a table's differences into batches, each the rows of one transaction.

use futures::StreamExt as _;
use table_diff::{BoxError, Difference, DifferenceKind, Differences};

use super::cursor::Cursor;
use super::options::Options;
use crate::Error;
use crate::order::Order;
use crate::table::Table;

/// A missing row, with its statement if it has one.
pub(super) struct Row {
    pub(super) difference: Difference,
    pub(super) insert: Option<String>,
}

/// The rows of a transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    /// How many rows that are on both sides and differ were skipped.
    pub(super) conflicts: u64,
}

/// Divides a table's differences into batches.
pub(super) struct Batches<'a> {
    differences: futures::stream::BoxStream<'a, Result<Difference, BoxError>>,
    order: &'a Order,
    table: String,
    pass: u16,
    /// How many differences were read, and how many missing rows were among them.
    read: usize,
    missing: usize,
    /// How many differences an earlier call has finished. They are skipped.
    finished: usize,
    max_rows: usize,
    max_bytes: usize,
    /// A row that did not fit into the last batch.
    held_back: Option<Row>,
}

impl<'a> Batches<'a> {
    pub(super) fn new(
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
            finished: cursor.read,
            max_rows: options.transaction_rows.max(1),
            max_bytes: options.transaction_bytes.min(packet / 2),
            held_back: None,
        }
    }

    /// How many differences were read up to the end of the last batch.
    pub(super) fn read(&self) -> usize {
        self.read
    }

    pub(super) async fn next(&mut self, table: Option<&Table<'_>>) -> Result<Option<Batch>, Error> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        if let Some(row) = self.held_back.take() {
            bytes += row.insert.as_ref().map_or(0, String::len);
            self.read += 1;
            batch.rows.push(row);
        }
        while batch.rows.len() < self.max_rows {
            let Some(difference) = self.differences.next().await else { break };
            let difference =
                difference.map_err(|cause| Error::Source { table: self.table.clone(), cause })?;
            let missing = difference.lost_row().is_some();
            self.missing += usize::from(missing);
            let taken = missing && self.order.pass(&self.table, self.missing - 1) == self.pass;
            if self.read < self.finished || !taken {
                let conflict = difference.kind == DifferenceKind::Changed && self.pass == 1;
                batch.conflicts += u64::from(conflict && self.read >= self.finished);
                self.read += 1;
                continue;
            }
            let insert = table.and_then(|table| table.insert(&difference, ""));
            let size = insert.as_ref().map_or(0, String::len);
            let row = Row { difference, insert };
            if bytes + size > self.max_bytes && !batch.rows.is_empty() {
                // It counts as read only when it is in a batch.
                self.held_back = Some(row);
                break;
            }
            bytes += size;
            self.read += 1;
            batch.rows.push(row);
        }
        Ok((!batch.rows.is_empty() || batch.conflicts > 0).then_some(batch))
    }
}
