//! Which tables the load writes, and which it leaves out, with the reason; which keys have to be known before a row is
//! inserted, because tables refer to each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use table_diff::{Engine, literal};

use crate::schema::{Column, Schema};

/// What of a schema is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The schema.
    pub schema: Schema,
    /// The tables that are left out, with the reason; all others are written.
    pub left_out: BTreeMap<String, String>,
    /// Columns that get a value of the load's own, although the server would number them, by table: rows that have to be there
    /// refer to them in a circle.
    pub(crate) chosen: BTreeMap<String, BTreeSet<String>>,
    /// Tables whose rows are made together with one of another table, for each has to refer to the other, and only the key of
    /// this one can be checked at COMMIT.
    pub(crate) together: BTreeMap<String, String>,
    /// Tables of MySQL's family whose rows are inserted without a look at what they refer to, for it comes after them in the same
    /// transaction: the server has no keys that can be checked at COMMIT.
    pub(crate) unchecked: BTreeSet<String>,
    /// Constraints that are checked at the end of a transaction only, as SQL.
    pub(crate) deferred: Vec<String>,
}

/// How many tables there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanCounts {
    /// Tables that are written.
    pub written: usize,
    /// Tables that are left out.
    pub left_out: usize,
}

impl Plan {
    /// Of a schema, before anything was tried.
    pub(crate) fn new(schema: Schema) -> Self {
        let mut left_out = BTreeMap::new();
        for (name, table) in &schema.tables {
            let unwritable = table.unwritable.clone().or_else(|| {
                let nothing = table.key.is_none()
                    && !table.columns.iter().any(|column| column.is_comparable() && !column.generated);
                nothing.then(|| "it has no key, and no column by which a row could be found again".to_owned())
            });
            if let Some(reason) = unwritable {
                left_out.insert(name.clone(), reason);
            }
        }
        let mut plan = Self {
            schema,
            left_out,
            chosen: BTreeMap::new(),
            together: BTreeMap::new(),
            unchecked: BTreeSet::new(),
            deferred: Vec::new(),
        };
        plan.find_circles();
        plan
    }

    /// The names of the tables that are written.
    pub fn written(&self) -> impl Iterator<Item = &String> {
        self.schema.tables.keys().filter(|name| !self.left_out.contains_key(*name))
    }

    /// How many are written.
    pub fn counts(&self) -> PlanCounts {
        PlanCounts { written: self.written().count(), left_out: self.left_out.len() }
    }
}

impl Plan {
    /// The columns of a table that an update may change: none of a key, and none by which rows refer to one another.
    pub(crate) fn changeable(&self, table: &str) -> Vec<&Column> {
        let Some(shape) = self.schema.tables.get(table) else { return Vec::new() };
        let own = shape.foreign_keys.iter().flat_map(|key| &key.columns);
        let keys = self.schema.tables.values().flat_map(|other| &other.foreign_keys);
        let referred = keys.filter(|key| key.parent == table).flat_map(|key| &key.parent_columns);
        let fixed: BTreeSet<&String> = own.chain(referred).chain(shape.key.iter().flatten()).collect();
        shape
            .columns
            .iter()
            .filter(|column| !column.generated && !column.numbered && !fixed.contains(&column.name))
            .collect()
    }

    /// Finds the foreign keys that can't be null and lead in a circle.
    fn find_circles(&mut self) {
        let schema = &self.schema;
        let needed = |name: &str| {
            let table = schema.tables.get(name);
            table
                .into_iter()
                .flat_map(|table| table.foreign_keys.iter().filter(|key| !table.can_be_null(key)))
        };
        let reach = |from: &str| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
            while let Some(name) = open.pop() {
                for key in needed(&name) {
                    if seen.insert(key.parent.clone()) {
                        open.push(key.parent.clone());
                    }
                }
            }
            seen
        };
        for (name, table) in &schema.tables {
            for key in needed(name).filter(|key| key.parent == *name || reach(&key.parent).contains(name)) {
                self.chosen.entry(key.parent.clone()).or_default().extend(key.parent_columns.iter().cloned());
                if schema.engine == Engine::MySql && key.parent != *name {
                    self.unchecked.insert(name.clone());
                }
                if key.deferrable && key.parent != *name {
                    let constraint = literal::name(schema.engine, &key.name);
                    let space = table.table.schema.as_deref();
                    let space = space.map(|space| format!("{}.", literal::name(schema.engine, space)));
                    self.deferred.push(format!("{}{constraint}", space.unwrap_or_default()));
                    self.together.insert(name.clone(), key.parent.clone());
                }
            }
        }
    }
}
