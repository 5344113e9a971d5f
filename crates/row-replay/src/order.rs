//! The order in which rows are put back: parents first.
//!
//! Tables follow each other by their foreign keys. A table that refers to itself, or tables that refer to each other,
//! are a group that is gone over more than once: a row's pass is the first in which what it refers to is there before
//! it, so that most such tables, where a parent has the lower key, take one. Rows that need each other (`a` refers to
//! `b`, and `b` to `a`) can't be put back by inserts alone: they come out as rows whose parent is missing. So do rows
//! more than [`PASSES`] passes deep; what is run again goes on with them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::StreamExt as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use table_diff::{Catalogue, Difference, DifferenceKind, Differences, TableShape};

use crate::Error;

/// How often a group is gone over at most.
const PASSES: u16 = 1000;

/// One go over a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) table: String,
    pub(crate) pass: u16,
}

/// The order, and what has to be known of the differences before it is followed.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) steps: Vec<Step>,
    /// The pass of each missing row, for tables that take more than one.
    pub(crate) passes: BTreeMap<String, Vec<u16>>,
    /// By which of a table's columns the tables with differences refer to it.
    pub(crate) referenced: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// Parents that are on both sides, and may not be the same thing: their key was given by the server, and they differ.
    pub(crate) doubtful: HashSet<u64>,
    /// Parents that are missing; only when asked for.
    pub(crate) missing: HashSet<u64>,
}

impl Order {
    /// Reads what the order needs. Of a group, and of what is asked for with `missing`, some 30 bytes are held of a row.
    pub(crate) async fn read(
        catalogue: &Catalogue,
        source: &impl Differences,
        missing: bool,
    ) -> Result<Self, Error> {
        let present = source.tables().into_iter().collect::<BTreeSet<_>>();
        let mut order = Self { referenced: referenced(catalogue, &present), ..Self::default() };
        for group in groups(catalogue, &present) {
            let within =
                |shape: &TableShape| shape.foreign_keys.iter().any(|key| group.contains(&key.parent));
            let cyclic = group.iter().any(|table| catalogue.tables.get(table).is_some_and(within));
            let mut rows = Dependencies::default();
            let mut starts = Vec::new();
            for table in &group {
                starts.push(rows.count);
                let Some(shape) = catalogue.tables.get(table) else { continue };
                let numbered = shape.columns.iter().any(|column| column.auto_increment);
                if !cyclic && !(order.referenced.contains_key(table) && (numbered || missing)) {
                    continue;
                }
                let mut differences = source.open(table);
                while let Some(difference) = differences.next().await {
                    let difference =
                        difference.map_err(|cause| Error::Source { table: table.clone(), cause })?;
                    let Some(values) = &difference.source else { continue };
                    let own = order.references_to(table, values);
                    match difference.kind {
                        DifferenceKind::Missing => {
                            if missing {
                                order.missing.extend(&own);
                            }
                            if cyclic {
                                let parents = parents(shape, values, |parent| group.contains(parent));
                                rows.add(&own, parents);
                            }
                        }
                        DifferenceKind::Changed if key_is_numbered(shape, &difference) => {
                            order.doubtful.extend(&own);
                        }
                        _ => {}
                    }
                }
            }
            let mut passes = rows.passes();
            let last = passes.iter().copied().max().unwrap_or(1);
            for pass in 1..=last {
                order.steps.extend(group.iter().map(|table| Step { table: table.clone(), pass }));
            }
            if last > 1 {
                for (table, start) in group.iter().zip(starts).rev() {
                    order.passes.insert(table.clone(), passes.split_off(start));
                }
            }
        }
        Ok(order)
    }

    /// The pass of a table's `index`-th missing row.
    pub(crate) fn pass(&self, table: &str, index: usize) -> u16 {
        self.passes.get(table).and_then(|passes| passes.get(index)).copied().unwrap_or(1)
    }

    /// What a row of a table is referred to by.
    pub(crate) fn references_to(&self, table: &str, values: &Map<String, Value>) -> Vec<u64> {
        let lists = self.referenced.get(table).into_iter().flatten();
        lists
            .filter_map(|columns| {
                reference(table, columns.iter().map(|column| (column.as_str(), values.get(column))))
            })
            .collect()
    }
}

/// Whether the server gave the row its key: then a row with the same key on the other side may be another thing.
fn key_is_numbered(shape: &TableShape, difference: &Difference) -> bool {
    shape.columns.iter().any(|column| column.auto_increment && difference.key.contains_key(&column.name))
}

/// What a row refers to, in tables that are asked for.
pub(crate) fn parents(
    shape: &TableShape,
    values: &Map<String, Value>,
    asked: impl Fn(&String) -> bool,
) -> Vec<u64> {
    let keys = shape.foreign_keys.iter().filter(|key| asked(&key.parent));
    keys.filter_map(|key| {
        let own = key.columns.iter().map(|column| values.get(column));
        reference(&key.parent, key.parent_columns.iter().map(String::as_str).zip(own))
    })
    .collect()
}

/// A row of a table as those see it who refer to it by these columns: 64 bits of a hash. `None` when one is NULL.
///
/// Letters' case and spaces at the end don't count, for to many a collation they don't: two rows taken for one are put
/// back later than need be, or left out when one of them is, and that is said.
pub(crate) fn reference<'a>(
    table: &str,
    columns: impl Iterator<Item = (&'a str, Option<&'a Value>)>,
) -> Option<u64> {
    let mut pairs = Vec::new();
    for (column, value) in columns {
        let text = match value? {
            Value::Null => return None,
            Value::String(text) => text.trim_end().to_lowercase(),
            other => other.to_string(),
        };
        pairs.push((column, text));
    }
    pairs.sort();
    let mut hash = Sha256::new();
    // Lengths, so that the boundaries can't move.
    for text in std::iter::once(table).chain(pairs.iter().flat_map(|(column, text)| [*column, text])) {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hash.finalize().first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn referenced(catalogue: &Catalogue, present: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<Vec<String>>> {
    let mut referenced: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let shapes = present.iter().filter_map(|table| catalogue.tables.get(table));
    for key in shapes.flat_map(|shape| &shape.foreign_keys).filter(|key| present.contains(&key.parent)) {
        let mut columns = key.parent_columns.clone();
        columns.sort();
        referenced.entry(key.parent.clone()).or_default().insert(columns);
    }
    referenced
}

/// The tables in groups that refer to each other in a circle, mostly of one table; what a group refers to is before it.
fn groups(catalogue: &Catalogue, present: &BTreeSet<String>) -> Vec<Vec<String>> {
    /// Tarjan's algorithm: a group is complete when all that it refers to is.
    struct Search<'a> {
        parents: BTreeMap<&'a str, BTreeSet<&'a str>>,
        /// When a table was come to, and the earliest that it leads back to.
        seen: BTreeMap<&'a str, usize>,
        open: Vec<&'a str>,
        groups: Vec<Vec<String>>,
    }
    impl<'a> Search<'a> {
        fn visit(&mut self, table: &'a str) -> usize {
            let number = self.seen.len();
            self.seen.insert(table, number);
            self.open.push(table);
            let mut earliest = number;
            for parent in self.parents.get(table).cloned().unwrap_or_default() {
                match self.seen.get(parent) {
                    None => earliest = earliest.min(self.visit(parent)),
                    Some(&seen) if self.open.contains(&parent) => earliest = earliest.min(seen),
                    Some(_) => {}
                }
            }
            if earliest == number
                && let Some(start) = self.open.iter().position(|open| *open == table)
            {
                let mut group = self.open.split_off(start).into_iter().map(str::to_owned).collect::<Vec<_>>();
                group.sort();
                self.groups.push(group);
            }
            earliest
        }
    }
    let mut parents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for table in present {
        let keys = catalogue.tables.get(table).map(|shape| shape.foreign_keys.as_slice()).unwrap_or_default();
        let known = keys.iter().map(|key| key.parent.as_str()).filter(|parent| present.contains(*parent));
        parents.insert(table, known.collect());
    }
    let mut search = Search { parents, seen: BTreeMap::new(), open: Vec::new(), groups: Vec::new() };
    for table in present {
        if !search.seen.contains_key(table.as_str()) {
            search.visit(table);
        }
    }
    search.groups
}

/// The rows of a group and what they refer to.
#[derive(Debug, Default)]
struct Dependencies {
    count: usize,
    /// The row that is referred to so.
    rows: HashMap<u64, usize>,
    /// Row and what it refers to, by row.
    parents: Vec<(usize, u64)>,
}

impl Dependencies {
    fn add(&mut self, own: &[u64], parents: Vec<u64>) {
        self.rows.extend(own.iter().map(|&reference| (reference, self.count)));
        self.parents.extend(parents.into_iter().map(|reference| (self.count, reference)));
        self.count += 1;
    }

    /// The pass of each row.
    fn passes(&self) -> Vec<u16> {
        const UNKNOWN: u16 = 0;
        const OPEN: u16 = u16::MAX;
        let parents_of = |row: usize| {
            let start = self.parents.partition_point(|&(of, _)| of < row);
            let own = self.parents.iter().skip(start).take_while(move |&&(of, _)| of == row);
            own.filter_map(|(_, reference)| self.rows.get(reference).copied())
        };
        let mut passes = vec![UNKNOWN; self.count];
        let mut stack = Vec::new();
        for row in 0..self.count {
            stack.push(row);
            while let Some(&row) = stack.last() {
                if passes[row] == UNKNOWN {
                    passes[row] = OPEN;
                    // One that is open is waited for by itself: the circle is broken here.
                    stack.extend(parents_of(row).filter(|&parent| passes[parent] == UNKNOWN));
                    continue;
                }
                stack.pop();
                if passes[row] == OPEN {
                    let known = parents_of(row).filter(|&parent| passes[parent] != OPEN);
                    let pass = known.map(|parent| passes[parent].max(1) + u16::from(parent > row)).max();
                    passes[row] = pass.unwrap_or(1).min(PASSES);
                }
            }
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use serde_json::json;
    use table_diff::{ColumnShape, ForeignKey, ValueKind};

    use super::*;

    fn shape(parents: &[(&str, &str)], numbered: bool) -> TableShape {
        let column = |name: &str| ColumnShape {
            name: name.into(),
            type_text: "int".into(),
            kind: ValueKind::Integer,
            nullable: name != "id",
            generated: false,
            auto_increment: numbered && name == "id",
        };
        TableShape {
            columns: std::iter::once("id").chain(parents.iter().map(|(own, _)| *own)).map(column).collect(),
            primary_key: vec!["id".into()],
            foreign_keys: parents
                .iter()
                .map(|(own, parent)| ForeignKey {
                    name: format!("to_{parent}"),
                    columns: vec![(*own).into()],
                    parent: (*parent).into(),
                    parent_columns: vec!["id".into()],
                })
                .collect(),
            ..TableShape::default()
        }
    }

    fn row(kind: DifferenceKind, values: &Value) -> Difference {
        let values = values.as_object().unwrap().clone();
        let key = [("id".to_owned(), values["id"].clone())].into_iter().collect();
        Difference { kind, key, source: Some(values), target: None }
    }

    fn read(tables: Vec<(&str, TableShape, Vec<Value>)>) -> Order {
        let mut catalogue = Catalogue::default();
        let mut source = BTreeMap::new();
        for (name, shape, rows) in tables {
            catalogue.tables.insert(name.into(), shape);
            let rows = rows.into_iter().map(|values| row(DifferenceKind::Missing, &values));
            source.insert(name.to_owned(), rows.collect::<Vec<_>>());
        }
        block_on(Order::read(&catalogue, &source, false)).unwrap()
    }

    fn steps(order: &Order) -> Vec<(&str, u16)> {
        order.steps.iter().map(|step| (step.table.as_str(), step.pass)).collect()
    }

    #[test]
    fn parents_are_before_their_children() {
        let order = read(vec![
            ("a_items", shape(&[("o", "b_orders"), ("p", "c_products")], false), vec![]),
            ("b_orders", shape(&[("c", "d_customers")], false), vec![]),
            ("c_products", shape(&[], false), vec![]),
            ("d_customers", shape(&[("x", "elsewhere")], false), vec![]),
        ]);
        assert_eq!(steps(&order), [("d_customers", 1), ("b_orders", 1), ("c_products", 1), ("a_items", 1)]);
    }

    #[test]
    fn a_table_that_refers_to_itself_takes_as_many_passes_as_it_needs() {
        let staff = |rows| vec![("staff", shape(&[("boss", "staff")], false), rows)];
        let order = read(staff(vec![
            json!({"id": 1, "boss": null}),
            json!({"id": 2, "boss": 1}),
            json!({"id": 3, "boss": 3}),
            json!({"id": 4, "boss": 77}),
        ]));
        assert_eq!(steps(&order), [("staff", 1)]);
        let order = read(staff(vec![
            json!({"id": 1, "boss": 3}),
            json!({"id": 2, "boss": 1}),
            json!({"id": 3, "boss": 4}),
            json!({"id": 4, "boss": null}),
        ]));
        assert_eq!(steps(&order), [("staff", 1), ("staff", 2), ("staff", 3)]);
        assert_eq!((0..4).map(|row| order.pass("staff", row)).collect::<Vec<_>>(), [3, 3, 2, 1]);
        // In a circle: they come to an end, in whatever order.
        let order = read(staff(vec![json!({"id": 1, "boss": 2}), json!({"id": 2, "boss": 1})]));
        assert!(order.steps.len() <= 2);
    }

    #[test]
    fn tables_that_refer_to_each_other_take_turns() {
        let order = read(vec![
            ("a", shape(&[("b", "b")], false), vec![json!({"id": 1, "b": 1}), json!({"id": 2, "b": null})]),
            ("b", shape(&[("a", "a")], false), vec![json!({"id": 1, "a": 2})]),
        ]);
        assert_eq!(steps(&order), [("a", 1), ("b", 1), ("a", 2), ("b", 2)]);
        assert_eq!([order.pass("a", 0), order.pass("a", 1), order.pass("b", 0)], [2, 1, 1]);
    }

    #[test]
    fn a_parent_whose_number_is_on_both_sides_with_other_values_is_doubtful() {
        let catalogue = |numbered| Catalogue {
            tables: BTreeMap::from([
                ("items".to_owned(), shape(&[("o", "orders")], false)),
                ("orders".to_owned(), shape(&[], numbered)),
            ]),
        };
        let source = BTreeMap::from([
            ("items".to_owned(), vec![row(DifferenceKind::Missing, &json!({"id": 1, "o": 5}))]),
            ("orders".to_owned(), vec![row(DifferenceKind::Changed, &json!({"id": 5}))]),
        ]);
        let order = block_on(Order::read(&catalogue(true), &source, true)).unwrap();
        let items = shape(&[("o", "orders")], false);
        let values = json!({"id": 1, "o": 5});
        assert_eq!(
            order.doubtful,
            parents(&items, values.as_object().unwrap(), |_| true).into_iter().collect::<HashSet<_>>()
        );
        assert_eq!(order.doubtful.len(), 1);
        assert!(order.missing.is_empty());
        assert!(block_on(Order::read(&catalogue(false), &source, true)).unwrap().doubtful.is_empty());
    }

    #[test]
    fn a_reference_knows_table_columns_and_values_in_any_order() {
        let of = |table: &str, pairs: &[(&str, Value)]| {
            reference(table, pairs.iter().map(|(column, value)| (*column, Some(value))))
        };
        let pairs = [("a", json!("X ")), ("b", json!(1))];
        let turned = [("b", json!(1)), ("a", json!("x"))];
        assert_eq!(of("t", &pairs), of("t", &turned));
        assert_ne!(of("t", &pairs), of("u", &pairs));
        assert_ne!(of("t", &pairs), of("t", &[("a", json!("y")), ("b", json!(1))]));
        assert_eq!(of("t", &[("a", Value::Null)]), None);
        assert_eq!(reference("t", [("a", None)].into_iter()), None);
    }
}
