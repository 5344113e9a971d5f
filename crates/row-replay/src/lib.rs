//! Puts back the rows that a failover lost: what `table-diff` found in the old primary and not in the new one. Knows no
//! AWS and no runbook.
//!
//! Two ways: [`write_sql`] writes `replay.sql`, [`apply`] does it over a connection and tells each row's [`Replayed`]. Both
//! follow the same order, parents first, and the same rules. Nothing that is there is ever updated or deleted.
//!
//! # What is put back
//! Rows that are [`table_diff::DifferenceKind::Missing`]. A row on both sides that differs is a conflict, for a person to
//! decide; a row of the new primary only is its own. A row without a key is left out: whether it is there can't be told.
//!
//! # What is never done
//! The worst case is a number that the new primary has since given to another row: order 1001 is somebody else's now.
//! - It is seen, wherever it shows: in the comparison (the row differs), or when the row is put back (its key is taken).
//!   What is there stays, and is told.
//! - What belonged to the lost order 1001 (its items, and what belongs to those) is not put back either: it would belong
//!   to somebody else's. For a key that the server does not number (a UUID, a natural key) a row that differs is taken
//!   for the same thing, changed; what belongs to it is put back.
//!
//! A unique value that another row has, and a parent that is missing, keep a row out in the same way. That is asked by
//! the statement that inserts, so that a live target is seen as it is in that moment.
//!
//! The target's triggers fire, as they do for any insert.
//!
//! # Circles
//! A table that refers to itself, and tables that refer to each other, are gone over more than once, see `order`. Rows
//! that need each other can't be put back by inserts alone: their fate is a missing parent.
//!
//! # Memory
//! One row and what a transaction has; 8 bytes for each row that is kept out and is referred to; for tables in a circle,
//! tables with numbered keys that are referred to, and in a dry run for all that are referred to, some 30 bytes a row.
//!
//! # Sequences
//! On PostgreSQL the sequence behind a numbered column is moved past the numbers that are put back, never back; see
//! `sequence`. MySQL does so by itself.

mod apply;
mod literal;
mod order;
mod sequence;
mod session;
mod table;
mod write;

pub use apply::{Counts, Cursor, Options, Progress, Replayed, ReplayedRow, Sink, Summary, apply};
pub use session::Session;
pub use write::{Out, WrittenTable, write_sql};

use serde_json::{Map, Value};
use table_diff::BoxError;

/// Why rows can't be put back. One line; names server and table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The differences can't be read.
    #[error("the differences of table {table} can't be read: {cause}")]
    Source {
        /// Its name.
        table: String,
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// The file can't be written.
    #[error("the replay can't be written: {0}")]
    Write(#[source] BoxError),
    /// No connection with the server.
    #[error("can't connect to {address}: {cause}")]
    Connect {
        /// Host, port and database.
        address: String,
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
    /// A statement failed, for no fault of one row. What was committed before stays; going on from the last cursor puts
    /// back the rest.
    #[error("{what} at {address} failed: {cause}")]
    Query {
        /// What was done, with the table's name and, where rows are put back, the first one's key.
        what: String,
        /// Host, port and database.
        address: String,
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
    /// The server takes no writes of this user, or none at all.
    #[error(
        "{what} at {address} was refused: {cause}; the user needs SELECT and INSERT on the tables (on PostgreSQL also USAGE of their sequences), and the server has to be the writer"
    )]
    MayNotWrite {
        /// What was done, with the table's name and the first row's key.
        what: String,
        /// Host, port and database.
        address: String,
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
    /// The cursor is of other differences, or another catalogue.
    #[error(
        "the cursor of the replay does not fit the differences: {0}; start the replay again, it recognises rows that are already back"
    )]
    Cursor(String),
    /// The caller's sink failed.
    #[error("the rows' fates can't be kept: {0}")]
    Sink(#[source] BoxError),
}

/// Values as one line.
fn one_line_json(values: &Map<String, Value>) -> String {
    // JSON escapes every line end but these two, which are none to a database's client, but to a reader's editor.
    let text = serde_json::to_string(values).unwrap_or_default();
    text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use table_diff::{Catalogue, Difference, Engine};

    use super::*;

    struct Nothing;

    impl Sink for Nothing {
        async fn reached(&mut self, _: Vec<ReplayedRow>, _: &Cursor) -> Result<(), BoxError> {
            Ok(())
        }
    }

    /// Never called: that it compiles shows that a step function can spawn both.
    #[allow(dead_code, reason = "it only has to compile")]
    fn both_can_be_spawned(
        (session, options, sink): (&mut Session, &Options, &mut Nothing),
        catalogue: &Catalogue,
        source: &BTreeMap<String, Vec<Difference>>,
        out: &mut Vec<u8>,
    ) -> impl Send {
        let applied = apply(session, catalogue, source, options, None, sink, || false);
        (write_sql(Engine::MySql, catalogue, source, out), applied)
    }
}
