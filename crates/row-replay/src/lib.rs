//! Puts back the rows that a failover lost: what `table-diff` found in the old primary and not in the new one. Knows no
//! AWS and no runbook.
//!
//! There are two ways: [`write_sql`] writes `replay.sql`; [`apply`] inserts the rows over a connection and reports each row's
//! [`Replayed`]. Both use the same order, parents first, and the same rules. No existing row is ever updated or deleted.
//!
//! # What is put back
//! Rows that are missing, see [`table_diff::Difference::lost_row`]: not those that the new primary has deleted, where the state at the
//! takeover tells. A row that is on both sides and differs is a conflict, which a person
//! has to decide. A row that only the new primary has is not touched. A row without a key is left out, because it can't be
//! told whether it is there.
//!
//! # What is never done
//! The worst case is a number that the new primary has generated again: order 1001 is now the order of another customer.
//! - This is detected in the comparison (the row differs) or when the row is put back (its key is taken). The row that is
//!   there stays, and is reported.
//! - Children of the lost order 1001 (its items, and their children) are not put back either: they would become children of
//!   the other order. If the server does not generate the key (a UUID, a natural key), a row that differs counts as the
//!   same row, changed, and its children are put back.
//!
//! A unique value that another row has, or a missing parent, prevents the insert in the same way. The inserting statement
//! itself checks this, so the check sees the rows of a live target at that moment.
//!
//! The target's triggers fire, as they do for any insert.
//!
//! # Cycles
//! Tables that refer to themselves or to each other may take several passes, see `order`. Rows that need each other can't be
//! put back by inserts alone: their fate is a missing parent.
//!
//! # Memory
//! One row and the rows of a transaction; 8 bytes for each row that is left out and has children; and some 30 bytes a row
//! for tables in a cycle, for parent tables with generated keys, and in a dry run for all parent tables.
//!
//! # Sequences
//! On PostgreSQL the sequence of a numbered column is advanced past the numbers that are put back, see `sequence`. MySQL does
//! so by itself.

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
    /// No connection to the server.
    #[error("can't connect to {address}: {cause}")]
    Connect {
        /// Host, port and database.
        address: String,
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
    /// A statement failed, and not because of a row. What was committed before stays; a replay from the last cursor puts back
    /// the rest.
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
    /// The server accepts no writes from this user, or none at all.
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
    /// The cursor belongs to other differences, or to another catalogue.
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
