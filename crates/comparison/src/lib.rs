//! What a comparison leaves in the report bucket: written by the step `reconcile`, read by `report` and `replay`.
//!
//! | key, under `reconcile/<plan>/<execution>/` | what |
//! |---|---|
//! | `<database>/catalogue.json` | the new primary's tables, a [`table_diff::Catalogue`] |
//! | `<database>/<table>/part-00001.jsonl` … | differences, a [`table_diff::Difference`] on each line |
//! | `summary.json` | [`Summary`], written last: with it the comparison is complete |
//!
//! [`Found`] reads it. It holds no more than a line of the differences at a time, and may be read as often as wanted.
//! [`target`] says where a cluster is connected to and [`log_in`] as whom, for the two steps that do.

mod found;
mod summary;
mod target;

pub use found::{Found, Parts};
pub use summary::{DatabaseSummary, Summary, TableStatus, TableSummary};
pub use target::{log_in, target};

/// Name of the summary.
pub const SUMMARY: &str = "summary.json";

/// Name of a database's catalogue.
pub fn catalogue(database: &str) -> String {
    format!("{database}/catalogue.json")
}

/// Folder of a table's parts, with a slash at the end.
pub fn table(database: &str, table: &str) -> String {
    format!("{database}/{table}/")
}

/// Name of a part.
pub fn part(database: &str, table: &str, number: u32) -> String {
    format!("{}part-{number:05}.jsonl", self::table(database, table))
}
