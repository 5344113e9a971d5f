//! Which rows belong to which: the foreign keys of all tables, in the order in which a parent is chosen.
//!
//! A row may refer to several parents. Its parent is the first whose row is not in the new primary either, in this order:
//! the relation that the plan calls *part of*; foreign keys within the row's own primary key, as an item's on its order;
//! those that can't be null; the rest. Within each, those of the catalogue in its order, then the plan's; a table's on itself
//! come last. The others are references.
//!
//! A row whose parents are all there may still be a part of one: an item of an order that did come across. It is, of the
//! first parent in that order, when the plan says so, when the foreign key is within the row's own primary key, or when it
//! can't be null and nothing refers to the row's table. Otherwise the row begins a transaction of its own, as an order of a known customer does.
//!
//! Values are compared as the comparison writes them, byte by byte, so that `A` is not `a` whatever the collation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use table_diff::{Catalogue, ForeignKey, TableShape};

use crate::Error;
use crate::amount::Adding;
use crate::facts::{Hints, TableHints};
use crate::times::TimeColumns;

/// A foreign key, or a relation of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// The columns of the row that refers.
    pub(crate) columns: Vec<String>,
    /// The table it refers to, by its place in [`Tables`].
    pub(crate) parent: usize,
    /// That table's columns, in the same order, which is that of their names.
    pub(crate) parent_columns: Vec<String>,
    /// Whether the row is a part of the parent that is there.
    pub(crate) part: bool,
}

/// A table with what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) shape: TableShape,
    pub(crate) times: TimeColumns,
    /// Columns whose values are not shown.
    pub(crate) personal: BTreeSet<String>,
    /// What its missing rows are worth, where the plan says it.
    pub(crate) adding: Option<Adding>,
    /// In the order of choice.
    pub(crate) relations: Vec<Relation>,
    /// The sets of columns by which others refer to it.
    pub(crate) referred: BTreeSet<Vec<String>>,
    /// What can't be used of what the catalogue and the plan say.
    pub(crate) notes: Vec<String>,
}

impl Table {
    /// A table without its relations.
    fn new(database: &str, name: &str, shape: &TableShape, hints: &TableHints) -> Result<Self, Error> {
        let times = TimeColumns::choose(&format!("{database}.{name}"), shape, hints)?;
        // A column that the plan names is masked also where it is not there yet: it may come later.
        let unknown =
            hints.personal.iter().filter(|column| !shape.columns.iter().any(|known| known.name == **column));
        let notes = unknown
            .map(|column| format!("the plan marks column {column:?} as personal, which is not there"))
            .collect();
        Ok(Self {
            database: database.to_owned(),
            name: name.to_owned(),
            label: hints.label.clone().unwrap_or_else(|| name.to_owned()),
            shape: shape.clone(),
            times,
            personal: hints.personal.iter().cloned().collect(),
            adding: None,
            relations: Vec::new(),
            referred: BTreeSet::new(),
            notes,
        })
    }

    /// Decides by which relations its rows are a part of others, and puts the relations into the order of choice. `part_of`
    /// is the table that the plan says, and `named` its place, where it is known.
    fn choose_parents(
        &mut self,
        place: usize,
        part_of: Option<&str>,
        named: Option<usize>,
        has_children: bool,
    ) {
        let shape = &self.shape;
        for relation in &mut self.relations {
            relation.part = match part_of {
                Some(_) => named == Some(relation.parent),
                None => {
                    relation.parent != place
                        && (identifying(shape, relation) || (mandatory(shape, relation) && !has_children))
                }
            };
        }
        if let Some(parent) = part_of.filter(|parent| !parent.is_empty())
            && !self.relations.iter().any(|relation| relation.part)
        {
            self.notes.push(format!("the plan says it is a part of {parent:?}, to which nothing relates it"));
        }
        self.relations.sort_by_key(|relation| {
            let named = part_of.is_some() && relation.part;
            let identifying = identifying(shape, relation);
            let mandatory = mandatory(shape, relation);
            (relation.parent == place, !named, !identifying, !mandatory)
        });
    }
}

/// The tables of all databases.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub(crate) all: Vec<Table>,
    places: BTreeMap<(String, String), usize>,
}

impl Tables {
    /// Adds those of a database.
    pub(crate) fn add(&mut self, database: &str, catalogue: &Catalogue, hints: &Hints) -> Result<(), Error> {
        if let Some(table) = hints.keys().find(|table| !catalogue.tables.contains_key(*table)) {
            return Err(Error::UnknownTable { database: database.to_owned(), table: table.clone() });
        }
        let first = self.all.len();
        for (i, name) in catalogue.tables.keys().enumerate() {
            self.places.insert((database.to_owned(), name.clone()), first + i);
        }
        let none = TableHints::default();
        let hints_of = |table: &str| hints.get(table).unwrap_or(&none);
        for (name, shape) in &catalogue.tables {
            let mut table = Table::new(database, name, shape, hints_of(name))?;
            self.relate(&mut table, hints_of(name));
            self.all.push(table);
        }
        // What others refer to, and so which columns are masked, is known only when all of the tables are there.
        let related = self.related(first);
        for (_, parent, relation) in &related {
            self.all[*parent].referred.insert(relation.parent_columns.clone());
        }
        self.spread_personal(&related);
        let has_children: BTreeSet<usize> = related
            .iter()
            .filter(|(child, parent, _)| child != parent)
            .map(|(_, parent, _)| *parent)
            .collect();
        for i in first..self.all.len() {
            let hints = hints_of(&self.all[i].name);
            let part_of = hints.part_of.as_deref();
            let named = part_of.and_then(|parent| self.place(database, parent));
            let table = &mut self.all[i];
            match Adding::of(&table.shape, hints, &|column| table.personal.contains(column)) {
                Ok(adding) => table.adding = adding,
                Err(why) => table.notes.push(why),
            }
            table.choose_parents(i, part_of, named, has_children.contains(&i));
        }
        Ok(())
    }

    /// The relations of the tables from `first` on: the place of the child, that of the parent, and the relation.
    fn related(&self, first: usize) -> Vec<(usize, usize, Relation)> {
        let tables = self.all.iter().enumerate().skip(first);
        tables.flat_map(|(i, table)| table.relations.iter().map(move |r| (i, r.parent, r.clone()))).collect()
    }

    /// A value that is masked in the parent is masked where it is referred to, and the other way round, however far.
    fn spread_personal(&mut self, related: &[(usize, usize, Relation)]) {
        let mut more = true;
        while more {
            more = false;
            for (child, parent, relation) in related {
                for (own, other) in relation.columns.iter().zip(&relation.parent_columns) {
                    if self.all[*parent].personal.contains(other) {
                        more |= self.all[*child].personal.insert(own.clone());
                    } else if self.all[*child].personal.contains(own) {
                        more |= self.all[*parent].personal.insert(other.clone());
                    }
                }
            }
        }
    }

    fn relate(&self, table: &mut Table, hints: &TableHints) {
        for key in table.shape.foreign_keys.iter().chain(&hints.relations) {
            match self.relation(table, key) {
                Ok(relation) => table.relations.push(relation),
                Err(why) => table.notes.push(format!("foreign key {:?} is not followed: {why}", key.name)),
            }
        }
    }

    fn relation(&self, table: &Table, key: &ForeignKey) -> Result<Relation, String> {
        let place = self.places.get(&(table.database.clone(), key.parent.clone()));
        let parent = *place.ok_or_else(|| format!("table {:?} is not known", key.parent))?;
        if key.columns.is_empty() || key.columns.len() != key.parent_columns.len() {
            return Err("it does not name as many columns on either side".to_owned());
        }
        let mut pairs: Vec<_> = key.parent_columns.iter().cloned().zip(key.columns.iter().cloned()).collect();
        pairs.sort();
        let (parent_columns, columns) = pairs.into_iter().unzip();
        Ok(Relation { columns, parent, parent_columns, part: false })
    }

    /// The place of a table.
    pub(crate) fn place(&self, database: &str, table: &str) -> Option<usize> {
        self.places.get(&(database.to_owned(), table.to_owned())).copied()
    }

    /// All tables, parents before children as far as there are no cycles.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut left: Vec<usize> = (0..self.all.len()).collect();
        while !left.is_empty() {
            let free = |place: usize| {
                self.all[place].relations.iter().all(|r| r.parent == place || !left.contains(&r.parent))
            };
            // In a cycle none is free: the first in the order of names begins.
            let next = left.iter().position(|place| free(*place)).unwrap_or(0);
            order.push(left.remove(next));
        }
        order
    }
}

fn identifying(shape: &TableShape, relation: &Relation) -> bool {
    relation.columns.iter().all(|column| shape.primary_key.contains(column))
}

fn mandatory(shape: &TableShape, relation: &Relation) -> bool {
    relation
        .columns
        .iter()
        .all(|name| shape.columns.iter().any(|column| column.name == *name && !column.nullable))
}

/// A hash of the values by which others refer to a row of a table: 64 bits of a SHA-256, so that one in some forty million
/// reports with a million rows puts a row below the wrong parent. `None` where a value is null or not there.
pub(crate) fn key(
    parent: usize,
    parent_columns: &[String],
    columns: &[String],
    row: &Map<String, Value>,
) -> Option<u64> {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    part(&parent.to_string());
    for (name, column) in parent_columns.iter().zip(columns) {
        let value = row.get(column).filter(|value| !value.is_null())?;
        part(name);
        part(&value.to_string());
    }
    let hash = hash.finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    Some(u64::from_le_bytes(bytes))
}
