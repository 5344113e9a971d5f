//! Rows and values for the cells of the page's tables.

use serde_json::{Map, Value};

use crate::report::TableReport;
use crate::text::{count, cut};

/// A value for a cell, cut. The data has all of it.
pub(super) fn shown(value: &Value) -> String {
    cut(&crate::text::shown(value), 200)
}

/// The values of a key.
pub(super) fn values_of(row: &Map<String, Value>) -> String {
    let parts: Vec<String> = row.iter().map(|(_, value)| shown(value)).collect();
    if parts.is_empty() { "no key".to_owned() } else { parts.join(" · ") }
}

/// The columns of rows, in the order in which they come up, without those of `but`.
pub(super) fn columns<'a>(rows: impl Iterator<Item = &'a Map<String, Value>>, but: &[&str]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for name in rows.flat_map(Map::keys) {
        if !columns.contains(name) && !but.contains(&name.as_str()) {
            columns.push(name.clone());
        }
    }
    columns
}

/// The values of a row, one for each of `columns`.
pub(super) fn cells(row: &Map<String, Value>, columns: &[String]) -> Vec<String> {
    columns.iter().map(|column| row.get(column).map(shown).unwrap_or_default()).collect()
}

/// `database.table`.
pub(super) fn table_name(table: &TableReport) -> String {
    format!("{}.{}", table.database, table.table)
}

/// The column with the times of the last writes.
pub(super) fn time_column(table: &TableReport) -> Option<&str> {
    table.times.changed.as_ref().map(|column| column.name.as_str())
}

/// How many of `all` rows are not among the `listed` ones; empty where there are none.
pub(super) fn not_listed(all: u64, listed: usize) -> String {
    match all.saturating_sub(listed as u64) {
        0 => String::new(),
        rest => count(rest),
    }
}
