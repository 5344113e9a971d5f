//! What a table is, apart from its items: keys, indexes, and how its capacity is paid.

use std::collections::BTreeMap;

use crate::attribute::{Attribute, Item, item_size};
use crate::error::{Error, Result};
use crate::keys::Keys;

/// The most bytes of an item.
const MAX_ITEM: usize = 400 * 1024;

/// What all replicas of a table have in common.
#[derive(Debug, Clone)]
pub struct Schema {
    pub keys: Keys,
    pub indexes: Vec<Index>,
    /// The attributes of all keys, with their types.
    pub attributes: BTreeMap<String, String>,
    /// Units for reading and writing; `None` when each request is paid.
    pub throughput: Option<(u64, u64)>,
}

/// A global secondary index.
#[derive(Debug, Clone)]
pub struct Index {
    pub name: String,
    pub keys: Keys,
    pub projection: Projection,
    pub throughput: Option<(u64, u64)>,
}

/// Which attributes an index has.
#[derive(Debug, Clone, PartialEq)]
pub enum Projection {
    All,
    KeysOnly,
    Include(Vec<String>),
}

impl Schema {
    /// An index.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn index(&self, name: &str) -> Result<&Index> {
        self.indexes
            .iter()
            .find(|index| index.name == name)
            .ok_or_else(|| Error::validation(format!("The table does not have the specified index: {name}")))
    }

    /// Whether an item can be in the table: its size, and what it has of the keys of indexes. `updated` says that it comes
    /// of an update.
    ///
    /// # Errors
    /// When it can't.
    pub fn check(&self, item: &Item, updated: bool) -> Result<()> {
        for index in &self.indexes {
            index.keys.check_index(&index.name, item).map_err(|error| match error {
                error if !updated => error,
                error if error.message.contains("Type mismatch") => Error::parameter(
                    "The update expression attempted to update the secondary index key to unsupported type",
                ),
                error if error.message.contains("cannot contain an empty") => Error::validation(
                    "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value.",
                ),
                error => error,
            })?;
        }
        if item_size(item) > MAX_ITEM {
            let to_update = if updated { " to update" } else { "" };
            return Err(Error::validation(format!(
                "Item size{to_update} has exceeded the maximum allowed size"
            )));
        }
        // What was read from a request is not too deep, but an update may put it somewhere deep.
        if updated && item.values().any(|value| depth(value) > 32) {
            return Err(Error::validation("Nesting Levels have exceeded supported limits"));
        }
        Ok(())
    }

    /// What an index has of an item.
    pub fn projected(&self, index: &Index, item: &Item) -> Item {
        let has = |name: &String| self.projects(index, name);
        item.iter().filter(|(name, _)| has(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Whether an index has an attribute.
    pub fn projects(&self, index: &Index, name: &str) -> bool {
        let named = match &index.projection {
            Projection::All => true,
            Projection::KeysOnly => false,
            Projection::Include(names) => names.iter().any(|one| one == name),
        };
        named || self.keys.has(name) || index.keys.has(name)
    }
}

/// How many levels of lists and maps a value has.
fn depth(value: &Attribute) -> usize {
    match value {
        Attribute::L(all) => 1 + all.iter().map(depth).max().unwrap_or_default(),
        Attribute::M(all) => 1 + all.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
