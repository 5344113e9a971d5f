//! Makes a report from differences that come one by one.
//!
//! Tables are best read in the order of [`Builder::order`], parents first: then the fate that [`TableBuilder::add`] returns
//! is final, and a row is listed with its transaction. In another order, and among tables that refer to each other or to
//! themselves, the counts of rows and transactions are the same, except for rows without a time, which then don't take the
//! fate of the row that they belong to.
//!
//! | module | what |
//! |---|---|
//! | `rows` | decides what happened to a row, and finds what it belongs to |
//! | `listing` | which rows are listed, as far as there is room |
//! | `transactions` | puts the rows together as transactions, at the end |
//! | `finish` | the totals, and the report |
//!
//! Memory: some bytes for each row of the old primary that belongs to others or that others belong to, at most
//! [`Limits::grouped_rows`] of them, and the rows that are listed. A failure leaves nothing behind, since all of it is memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;

use serde_json::{Map, Value};
use table_diff::{Catalogue, Difference};

use crate::Error;
use crate::base::Verdict;
use crate::counts::Counts;
use crate::csv::CsvWriter;
use crate::facts::{Facts, Hints, Limits};
use crate::forest::{Forest, Place};
use crate::loss::Losses;
use crate::relations::Tables;
use crate::report::{Compared, Listed, Row};
use crate::times::Bounds;

mod finish;
mod listing;
mod rows;
mod transactions;

/// A database whose differences are reported on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Database {
    /// Its tables, as the comparison saw them.
    pub catalogue: Catalogue,
    /// What the plan says of them.
    pub hints: Hints,
}

/// Makes a report.
#[derive(Debug)]
pub struct Builder {
    facts: Facts,
    limits: Limits,
    tables: Tables,
    states: Vec<TableState>,
    bounds: BTreeMap<String, Bounds>,
    /// The hashes of the rows that were created in the new primary for certain, as far as others refer to them.
    born_there: HashSet<u64>,
    /// The table that is being read.
    open: Option<usize>,
    forest: Forest,
    held: HashMap<Place, Held>,
    /// Listed rows of a table below a row.
    held_below: HashMap<(Place, usize), usize>,
    /// Bytes that may still be listed.
    room: usize,
    losses: Losses,
    losses_of: BTreeMap<String, Losses>,
}

/// What was read of a table.
#[derive(Debug, Default)]
struct TableState {
    compared: Option<Compared>,
    read: bool,
    counts: Counts,
    implausible: u64,
    listed: Listed,
    /// Bytes that are listed, by kind of list.
    bytes: BTreeMap<&'static str, usize>,
    /// Transactions that are listed.
    roots: usize,
}

impl TableState {
    /// Whether the table was compared to its end, with all of its columns.
    fn is_whole(&self) -> bool {
        self.compared.as_ref().is_some_and(|compared| compared.why_not_whole().is_none())
    }
}

/// A row that is to be listed in a transaction.
#[derive(Debug)]
struct Held {
    table: usize,
    key: Map<String, Value>,
    /// Absent: it is in the new primary.
    row: Option<Row>,
    /// What it refers to: the relation, and the hash of the values.
    refers: Vec<(usize, u64)>,
    /// The relation by which it was put below its parent.
    chosen: Option<usize>,
}

impl Builder {
    /// Prepares a report on `databases`, by the plan's names.
    ///
    /// # Errors
    /// When the plan names a table or a column that is not there.
    pub fn new(facts: Facts, databases: &BTreeMap<String, Database>, limits: Limits) -> Result<Self, Error> {
        let mut tables = Tables::default();
        for (name, database) in databases {
            tables.add(name, &database.catalogue, &database.hints)?;
        }
        let bounds = databases.keys().map(|name| (name.clone(), Bounds::of(&facts, name))).collect();
        Ok(Self {
            states: tables.all.iter().map(|_| TableState::default()).collect(),
            forest: Forest::new(limits.grouped_rows),
            room: limits.listed_bytes_in_all,
            facts,
            limits,
            tables,
            bounds,
            born_there: HashSet::new(),
            open: None,
            held: HashMap::new(),
            held_below: HashMap::new(),
            losses: Losses::default(),
            losses_of: BTreeMap::new(),
        })
    }

    /// Databases and tables in the order in which they are best read.
    pub fn order(&self) -> Vec<(String, String)> {
        let order = self.tables.order().into_iter();
        order
            .map(|place| &self.tables.all[place])
            .map(|table| (table.database.clone(), table.name.clone()))
            .collect()
    }

    /// Begins a table. Every table that was compared is to be read, also one without differences: what is not read counts
    /// as not compared.
    ///
    /// # Errors
    /// When the catalogue does not have it, or it was read before.
    pub fn table(
        &mut self,
        database: &str,
        table: &str,
        compared: Compared,
    ) -> Result<TableBuilder<'_>, Error> {
        let place = self
            .tables
            .place(database, table)
            .ok_or_else(|| Error::UnknownTable { database: database.to_owned(), table: table.to_owned() })?;
        if let Some(open) = self.open.replace(place) {
            self.states[open].read = true;
        }
        if self.states[place].compared.is_some() {
            return Err(Error::ReadTwice { database: database.to_owned(), table: table.to_owned() });
        }
        self.states[place].compared = Some(compared);
        let bounds = self.bounds.get(database).copied().unwrap_or_default();
        Ok(TableBuilder { place, bounds, builder: self })
    }
}

/// Takes the differences of one table.
#[derive(Debug)]
pub struct TableBuilder<'a> {
    builder: &'a mut Builder,
    place: usize,
    bounds: Bounds,
}

impl TableBuilder<'_> {
    /// Takes a difference, and returns what happened to the row.
    pub fn add(&mut self, difference: &Difference) -> Verdict {
        self.builder.add(self.place, &self.bounds, difference)
    }

    /// Takes all of a stream.
    ///
    /// # Errors
    /// The stream's first.
    pub fn read<E>(&mut self, differences: impl IntoIterator<Item = Result<Difference, E>>) -> Result<(), E> {
        for difference in differences {
            self.add(&difference?);
        }
        Ok(())
    }

    /// A writer for a spreadsheet of this table.
    pub fn csv<W: Write>(&self, to: W) -> CsvWriter<W> {
        let table = &self.builder.tables.all[self.place];
        let columns = table.shape.columns.iter().map(|column| column.name.clone()).collect();
        CsvWriter::new(to, columns, table.personal.clone(), table.times.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use table_diff::DifferenceKind;

    use super::*;
    use crate::report::Transactions;

    fn database(hints: serde_json::Value) -> BTreeMap<String, Database> {
        let column =
            |name: &str| json!({"name": name, "typeText": "bigint", "kind": "integer", "nullable": false});
        let catalogue = serde_json::from_value(json!({"tables": {
            "orders": {"columns": [column("id"), column("customer"), column("email")], "primaryKey": ["id"],
                "foreignKeys": [
                    {"name": "gone", "columns": ["customer"], "parent": "no_such", "parentColumns": ["id"]},
                    {"name": "mail", "columns": ["email"], "parent": "customers", "parentColumns": ["email"]},
                ]},
            "customers": {"columns": [column("id"), column("email")], "primaryKey": ["id"]},
            "items": {"columns": [column("id"), column("order")], "primaryKey": ["id"],
                "foreignKeys": [{"name": "order", "columns": ["order"], "parent": "orders", "parentColumns": ["id"]}]},
        }}))
        .unwrap();
        BTreeMap::from([(
            "d".to_owned(),
            Database { catalogue, hints: serde_json::from_value(hints).unwrap() },
        )])
    }

    fn builder(hints: serde_json::Value) -> Result<Builder, Error> {
        Builder::new(Facts::default(), &database(hints), Limits::default())
    }

    fn missing(row: &serde_json::Value) -> Difference {
        let row = row.as_object().unwrap().clone();
        let key = [("id".to_owned(), row["id"].clone())].into_iter().collect();
        Difference { kind: DifferenceKind::Missing, key, source: Some(row), target: None, base: None }
    }

    #[test]
    fn what_the_plan_or_the_caller_gets_wrong_is_named() {
        let wrong = |hints| builder(hints).unwrap_err().to_string();
        assert!(wrong(json!({"ordres": {}})).contains("no table ordres"));
        assert!(wrong(json!({"orders": {"changedAt": "email"}})).contains("d.orders has no column email"));
        let mut builder = builder(json!({})).unwrap();
        assert!(
            builder.table("d", "no_such", Compared::default()).unwrap_err().to_string().contains("no_such")
        );
        builder.table("d", "orders", Compared::default()).unwrap();
        assert!(
            builder.table("d", "orders", Compared::default()).unwrap_err().to_string().contains("d.orders")
        );
    }

    #[test]
    fn parents_come_first_and_a_foreign_key_that_leads_nowhere_is_noted() {
        let builder = builder(json!({"orders": {"partOf": "shops", "personal": ["phone"]}})).unwrap();
        let order: Vec<String> = builder.order().into_iter().map(|(_, table)| table).collect();
        assert_eq!(order, ["customers", "orders", "items"]);
        let report = builder.finish();
        let orders = report.tables.iter().find(|table| table.table == "orders").unwrap();
        let notes = orders.notes.join("; ");
        for part in ["\"gone\" is not followed", "\"phone\" as personal", "part of \"shops\""] {
            assert!(notes.contains(part), "{notes}");
        }
        assert_eq!(
            (report.totals.tables_compared, report.totals.tables_not_compared),
            (0, 3),
            "nothing was read"
        );
    }

    #[test]
    fn what_refers_to_personal_data_is_masked_too() {
        let mut builder = builder(json!({"customers": {"personal": ["email"]}})).unwrap();
        for (table, row) in [
            ("customers", json!({"id": 1, "email": "a@b"})),
            ("orders", json!({"id": 2, "customer": 1, "email": "a@b"})),
        ] {
            let mut table = builder.table("d", table, Compared::default()).unwrap();
            let mut csv = table.csv(Vec::new());
            let difference = missing(&row);
            let fate = table.add(&difference);
            csv.add(&difference, fate).unwrap();
            let text = String::from_utf8(csv.finish().unwrap()).unwrap();
            assert!(text.contains("masked") && !text.contains("a@b"), "{text}");
        }
        let report = builder.finish();
        assert_eq!(
            report.totals.transactions.whole, 1,
            "the order belongs to the customer, by what is masked"
        );
        let json = serde_json::to_string(&report).unwrap();
        assert!(json.contains("masked") && !json.contains("a@b"), "{json}");
        assert!(!crate::page(&report).unwrap().contains("a@b"));
    }

    #[test]
    fn a_plan_can_say_that_rows_stand_for_themselves_or_are_a_part() {
        let transactions = |hints| {
            let mut builder = builder(hints).unwrap();
            for (database, name) in builder.order() {
                let mut table = builder.table(&database, &name, Compared::default()).unwrap();
                if name == "items" {
                    table.add(&missing(&json!({"id": 1, "order": 7})));
                    table.add(&missing(&json!({"id": 2, "order": 7})));
                }
            }
            builder.finish().totals.transactions
        };
        assert_eq!(transactions(json!({})), Transactions { in_part: 1, ..Transactions::default() });
        let alone = json!({"items": {"partOf": ""}});
        assert_eq!(transactions(alone), Transactions { whole: 2, ..Transactions::default() });
    }

    #[test]
    fn lists_end_at_their_bytes_and_the_rest_is_counted() {
        let limits = Limits { listed_bytes: 1000, ..Limits::default() };
        let mut builder = Builder::new(Facts::default(), &database(json!({})), limits).unwrap();
        let mut table = builder.table("d", "orders", Compared::default()).unwrap();
        for id in 0..100 {
            table.add(&missing(&json!({"id": id, "customer": 1, "email": 1})));
        }
        let report = builder.finish();
        let kind = &report.kinds[0];
        assert!((1..100).contains(&kind.listed.len()), "{}", kind.listed.len());
        assert_eq!(kind.listed.len() as u64 + kind.not_listed, 100);
        assert!(serde_json::to_vec(&kind.listed).unwrap().len() < 5000);
    }
}
