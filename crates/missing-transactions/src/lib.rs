//! What a failover lost, as transactions: an order with its items, not rows of two tables.
//!
//! Takes the differences between the old primary and the new one, row by row, with what is known of the failover, and
//! makes a [`Report`], its page ([`page()`]) and a spreadsheet for each table ([`CsvWriter`]). It reads and writes nothing
//! itself and knows no AWS.
//!
//! ```text
//! catalogue, hints ─┐
//! facts ────────────┼─▶ Builder ─▶ per table, parents first: TableBuilder::add(difference) → Verdict ─▶ CsvWriter
//! limits ───────────┘                                          └─▶ Builder::finish() → Report ─▶ report.json, page()
//! ```
//!
//! **Promises.** Every difference lands in exactly one count. No guess is given as a fact: what neither the state at the takeover
//! nor the times and the record of the failover prove is *undecided*, or *not proved*, with the reason. The tables of decisions are
//! in [`base`] and [`fate`], what a time proves in [`times`], which rows belong together in the module `relations`. No output holds a value
//! of a column with personal data.
//!
//! **Assumed**, and said on the page: every write sets the column with the time of the last write; a time without a
//! time zone is UTC; the clocks are no further apart than [`Facts::clock_margin_seconds`].
//!
//! **Memory** is bounded by [`Limits`]: some 30 bytes for a row that is missing, some 90 more where others refer to it or
//! it refers to its own table, and what is listed. A million missing rows take 42 MB in the whole process, page
//! included, as orders with items; and 114 MB in the worst case, as one chain. See `examples/million.rs`.
//!
//! **A failure** leaves nothing behind: nothing is written but by the caller.

pub mod amount;
pub mod base;
pub mod counts;
pub mod csv;
pub mod facts;
pub mod fate;
pub mod loss;
pub mod recovery;
pub mod report;
pub mod text;
pub mod times;

mod builder;
mod forest;
mod page;
mod relations;
mod summary;

pub use base::{Basis, Verdict};
pub use builder::{Builder, Database, TableBuilder};
pub use csv::CsvWriter;
pub use facts::{Facts, Hints, Limits, TableHints};
pub use fate::{Conflict, Doubt, Fate};
pub use page::page;
pub use report::{Compared, Report};
pub use summary::next_steps;

/// Why no report can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table that the catalogue does not have.
    #[error("database {database} has no table {table}, by its catalogue")]
    UnknownTable {
        /// The database, by the plan's name.
        database: String,
        /// The table.
        table: String,
    },
    /// A table came a second time.
    #[error("table {database}.{table} was read before")]
    ReadTwice {
        /// The database, by the plan's name.
        database: String,
        /// The table.
        table: String,
    },
    /// The plan names a column for times that can't be one.
    #[error("table {table} has no column {column} that holds a date with a time of day; correct the plan")]
    TimeColumn {
        /// Database and table.
        table: String,
        /// The column.
        column: String,
    },
    /// The page can't be written, which tests rule out.
    #[error("the page can't be written: {0}")]
    Page(#[from] askama::Error),
}
