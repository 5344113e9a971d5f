//! The rows that one writer has made and that are there, as far as it knows. No other writer refers to them or changes them.
//!
//! A server that never had a row may give its key to a row of another writer; [`Owners`] knows whose it is then.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::ledger::{Key, Values};
use crate::schema::{ForeignKey, Schema, TableSchema};

/// A row of the writer's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnRow {
    pub(crate) key: Key,
    pub(crate) values: Values,
}

impl OwnRow {
    /// Whether a row with its key may be it, as it is or was: it has at least one value in common beside the key, unless it has
    /// nothing beside it.
    pub(crate) fn may_be(&self, row: &Values) -> bool {
        let mut others = self.values.iter().filter(|(name, _)| !self.key.contains_key(*name)).peekable();
        others.peek().is_none() || others.any(|(name, value)| row.get(name) == Some(value))
    }
}

/// Whose the row of a table with a key is: that of the writer who inserted one with this key last.
#[derive(Debug, Default)]
pub(crate) struct Owners(Mutex<HashMap<(String, Key), usize>>);

impl Owners {
    /// From now on the row is this writer's. Has to be said before the row is committed, so that nobody else sees it before.
    pub(crate) fn take(&self, writer: usize, table: &str, key: &Key) {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owners.insert((table.to_owned(), key.clone()), writer);
    }

    /// Whether the row is this writer's.
    pub(crate) fn is(&self, writer: usize, table: &str, key: &Key) -> bool {
        let owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owners.get(&(table.to_owned(), key.clone())) == Some(&writer)
    }
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

    /// All rows, each with its table.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &OwnRow)> {
        self.rows.iter().flat_map(|(table, rows)| rows.iter().map(move |row| (table.as_str(), row)))
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

    /// The row is left alone from now on, and with it all that refers to it: who changes these may change it.
    pub(crate) fn leave(&mut self, schema: &Schema, table: &str, key: &Key) {
        let mut open = vec![(table.to_owned(), key.clone())];
        while let Some((table, key)) = open.pop() {
            let Some(own) = self.of(&table).iter().find(|own| own.key == key).cloned() else { continue };
            self.remove(&table, &key);
            let children = self.children(schema, &table, &own.values);
            open.extend(children.into_iter().map(|(table, child)| (table.to_owned(), child.key.clone())));
        }
    }

    /// The own rows that a row refers to, each with its table.
    pub(crate) fn parents<'a>(
        &'a self,
        table: &'a TableSchema,
        values: &'a Values,
    ) -> Vec<(&'a str, &'a OwnRow)> {
        let refers = |key: &'a ForeignKey| {
            let own = self.of(&key.parent).iter().find(|parent| is_parent(key, values, &parent.values))?;
            Some((key.parent.as_str(), own))
        };
        table.foreign_keys.iter().filter_map(refers).collect()
    }

    /// The own rows that refer to a row, each with its table.
    pub(crate) fn children<'a>(
        &'a self,
        schema: &'a Schema,
        table: &'a str,
        values: &'a Values,
    ) -> Vec<(&'a str, &'a OwnRow)> {
        let keys = schema
            .tables
            .iter()
            .flat_map(|(name, child)| child.foreign_keys.iter().map(move |key| (name, key)));
        let keys = keys.filter(|(_, key)| key.parent == table);
        let rows = keys.flat_map(|(name, key)| self.of(name).iter().map(move |row| (name, key, row)));
        rows.filter(|(_, key, row)| is_parent(key, &row.values, values))
            .map(|(name, _, row)| (name.as_str(), row))
            .collect()
    }
}

/// Whether one row's foreign key refers to another row.
fn is_parent(key: &ForeignKey, child: &Values, parent: &Values) -> bool {
    key.columns.iter().zip(&key.parent_columns).all(|(own, theirs)| {
        match (child.get(own), parent.get(theirs)) {
            (Some(Some(own)), Some(Some(theirs))) => own == theirs,
            _ => false,
        }
    })
}
