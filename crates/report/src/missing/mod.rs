//! The missing-transaction report: reads what the comparison left, and writes the report's folder.
//!
//! | file | what |
//! |---|---|
//! | `<database>/<table>.csv` | every row of the table that needs a person; no file where no row does |
//! | `<database>/replay.sql` | puts the missing rows back; no file where none is missing |
//! | `report.json` | the report as data, see [`missing_transactions::Report`] |
//! | `report.html` | the same for people |
//! | `manifest.json` | SHA-256 of each, and of the differences read; written last |
//!
//! The crate `missing-transactions` makes what the report says, and `row-replay` makes the SQL. Differences and files are
//! streamed; none is held whole.

mod facts;
mod known;
mod metrics;
mod spreadsheet;
mod tables;
mod words;
mod write;

pub use known::{Asked, outage};
pub use write::write_missing;

#[cfg(test)]
mod tests;
