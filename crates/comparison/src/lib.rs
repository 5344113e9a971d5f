//! What a comparison leaves in the report bucket: written by the step `reconcile`, read by `report` and `replay`.
//!
//! | key, under `reconcile/<plan>/<execution>/` | what |
//! |---|---|
//! | `<database>/catalogue.json` | the new primary's tables, a [`table_diff::Catalogue`] |
//! | `<database>/<table>/part-00001-1a2b3c4d.jsonl` … | differences, a [`table_diff::Difference`] on each line; what the summary does not name counts for nothing |
//! | `ranges.jsonl` | the ranges of tables that are compared by themselves, where the database is distributed |
//! | `<database>/<table>/range-00001/` … | of such a range: its parts, where it stands, and its own `summary.json` |
//! | `summary.json` | [`Summary`], written last: with it the comparison is complete |
//!
//! [`Found`] reads it. It holds no more than a line of the differences at a time, and may be read as often as wanted.
//! [`target`] says where a cluster is connected to and [`log_in`] as whom, for the two steps that do.

mod found;
mod parts;
mod summary;
mod target;

pub use found::{Found, Parts};
pub use parts::PartWriter;
pub use summary::{BaseSummary, DatabaseSummary, Summary, TableStatus, TableSummary};
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

/// Name of the list of ranges.
pub const RANGES: &str = "ranges.jsonl";

/// Folder of a range in that of its table, with a slash at the end.
pub fn range_folder(number: usize) -> String {
    format!("range-{number:05}/")
}

/// Folder of a range of a table, with a slash at the end.
pub fn range(database: &str, name: &str, number: usize) -> String {
    format!("{}{}", table(database, name), range_folder(number))
}

/// How the names of the parts begin, see [`PartWriter`].
pub const PART: &str = "part";

/// Name of a part of an execution that counted its parts: it has no sum in it.
pub fn counted_part(number: u32) -> String {
    format!("{PART}-{number:05}.jsonl")
}
