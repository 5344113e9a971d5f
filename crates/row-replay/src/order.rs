//! The order in which rows are put back: parents first.
//!
//! Foreign keys determine the order of the tables. A table that refers to itself, or tables that refer to each other, form
//! a group that may be read in several passes. A row's pass is the first in which its parents are inserted before it; one
//! pass is enough where parents have lower keys than their children. Rows that need each other (`a` refers to `b`, and `b`
//! to `a`) can't be put back by inserts alone: their fate is a missing parent. The same holds for rows that need more than
//! [`PASSES`] passes; a second replay continues with them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::StreamExt as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use table_diff::{Base, Catalogue, Difference, DifferenceKind, Differences, TableShape};

use crate::Error;

/// Most passes over a group.
const PASSES: u16 = 1000;

/// One pass over a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) table: String,
    pub(crate) pass: u16,
}

/// The order, and what it needs to know of the differences.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) steps: Vec<Step>,
    /// The pass of each missing row, for tables that take more than one.
    pub(crate) passes: BTreeMap<String, Vec<u16>>,
    /// For each table, the lists of its columns to which foreign keys of the tables with differences refer.
    pub(crate) referenced: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// Parents that are on both sides with different values and whose key the server generated: they may be different rows.
    pub(crate) doubtful: HashSet<u64>,
    /// Parents that are missing; empty unless requested.
    pub(crate) missing: HashSet<u64>,
}

impl Order {
    /// Reads what the order needs. It holds some 30 bytes for each row of a group, and with `missing` for each parent.
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
                        DifferenceKind::Missing if difference.lost_row().is_some() => {
                            if missing {
                                order.missing.extend(&own);
                            }
                            if cyclic {
                                let parents = parents(shape, values, |parent| group.contains(parent));
                                rows.add(&own, parents);
                            }
                        }
                        // A row that was there at the takeover is the same one, changed.
                        DifferenceKind::Changed
                            if key_is_numbered(shape, &difference)
                                && matches!(difference.base, None | Some(Base::Absent)) =>
                        {
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

    /// The references by which children of a row would refer to it.
    pub(crate) fn references_to(&self, table: &str, values: &Map<String, Value>) -> Vec<u64> {
        let lists = self.referenced.get(table).into_iter().flatten();
        lists
            .filter_map(|columns| {
                reference(table, columns.iter().map(|column| (column.as_str(), values.get(column))))
            })
            .collect()
    }
}

/// Whether the server generated the row's key: then a row with the same key on the other side may be a different one.
fn key_is_numbered(shape: &TableShape, difference: &Difference) -> bool {
    shape.columns.iter().any(|column| column.auto_increment && difference.key.contains_key(&column.name))
}

/// The references of a row to its parents in the tables that `asked` selects.
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

/// Identifies a row of a table by the values of these columns: 64 bits of a hash. `None` when a value is NULL.
///
/// Case and trailing spaces are ignored, because many collations ignore them. If two rows get the same reference, they may
/// be put back later than necessary, or one is left out with the other; the report says so.
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
    // The lengths keep the boundaries of the texts unambiguous.
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

/// The strongly connected groups of tables, most of a single table. A group comes after the groups that it refers to.
fn groups(catalogue: &Catalogue, present: &BTreeSet<String>) -> Vec<Vec<String>> {
    /// Tarjan's algorithm: a group is complete when every group that it refers to is.
    struct Search<'a> {
        parents: BTreeMap<&'a str, BTreeSet<&'a str>>,
        /// The number of each visited table, in the order of the visits.
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

/// The rows of a group and their parents.
#[derive(Debug, Default)]
struct Dependencies {
    count: usize,
    /// The row of each reference.
    rows: HashMap<u64, usize>,
    /// Each row with a reference to its parent, ordered by row.
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
                    // A parent that is open depends on this row: the cycle is broken here.
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
        Difference { kind, key, source: Some(values), target: None, base: None }
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
    fn parents_come_before_their_children() {
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
        // In a cycle, the search ends, whatever the order.
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
    fn a_reference_depends_on_table_columns_and_values_but_not_on_their_order() {
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
