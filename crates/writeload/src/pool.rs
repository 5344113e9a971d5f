//! The rows that one writer has made and that are there, as far as it knows. No other writer refers to them or changes them.

use std::collections::BTreeMap;

use crate::ledger::{Key, Values};
use crate::schema::{ForeignKey, Schema, TableSchema};

/// A row of the writer's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnRow {
    pub(crate) key: Key,
    pub(crate) values: Values,
}

/// By table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    rows: BTreeMap<String, Vec<OwnRow>>,
}

impl Pool {
    /// The rows of a table.
    pub(crate) fn of(&self, table: &str) -> &[OwnRow] {
        self.rows.get(table).map(Vec::as_slice).unwrap_or_default()
    }

    /// The tables that have rows.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &String> {
        self.rows.iter().filter(|(_, rows)| !rows.is_empty()).map(|(table, _)| table)
    }

    /// The row is there, with these values.
    pub(crate) fn put(&mut self, table: &str, row: OwnRow) {
        let rows = self.rows.entry(table.to_owned()).or_default();
        match rows.iter_mut().find(|own| own.key == row.key) {
            Some(own) => *own = row,
            None => rows.push(row),
        }
    }

    /// The row is gone, or is left alone from now on.
    pub(crate) fn remove(&mut self, table: &str, key: &Key) {
        if let Some(rows) = self.rows.get_mut(table) {
            rows.retain(|row| row.key != *key);
        }
    }

    /// The own rows that a row refers to, each with its table.
    pub(crate) fn parents<'a>(&'a self, table: &'a TableSchema, values: &'a Values) -> Vec<(&'a str, &'a OwnRow)> {
        let refers = |key: &'a ForeignKey| {
            let own = self.of(&key.parent).iter().find(|parent| is_parent(key, values, &parent.values))?;
            Some((key.parent.as_str(), own))
        };
        table.foreign_keys.iter().filter_map(refers).collect()
    }

    /// The own rows that refer to a row, each with its table.
    pub(crate) fn children<'a>(&'a self, schema: &'a Schema, table: &'a str, values: &'a Values) -> Vec<(&'a str, &'a OwnRow)> {
        let keys = schema.tables.iter().flat_map(|(name, child)| child.foreign_keys.iter().map(move |key| (name, key)));
        let keys = keys.filter(|(_, key)| key.parent == table);
        let rows = keys.flat_map(|(name, key)| self.of(name).iter().map(move |row| (name, key, row)));
        rows.filter(|(_, key, row)| is_parent(key, &row.values, values)).map(|(name, _, row)| (name.as_str(), row)).collect()
    }
}

/// Whether one row's foreign key refers to another row.
fn is_parent(key: &ForeignKey, child: &Values, parent: &Values) -> bool {
    key.columns.iter().zip(&key.parent_columns).all(|(own, theirs)| match (child.get(own), parent.get(theirs)) {
        (Some(Some(own)), Some(Some(theirs))) => own == theirs,
        _ => false,
    })
}
