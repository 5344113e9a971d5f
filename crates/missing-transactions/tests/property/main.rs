//! Whatever differs: every difference lands in exactly one count, and every row that is not in the new primary in exactly
//! one transaction.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

use std::collections::BTreeMap;

use missing_transactions::{Basis, Builder, Compared, Database, Facts, Fate, Limits, Report, Verdict};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use table_diff::{Base, Catalogue, Difference, DifferenceKind};

/// Orders of customers, items without times of their own, and replies to each other and to orders.
fn catalogue() -> Catalogue {
    let integer = |name: &str, nullable| json!({"name": name, "typeText": "bigint", "kind": "integer", "nullable": nullable});
    let moment =
        |name: &str| json!({"name": name, "typeText": "datetime(6)", "kind": "moment", "nullable": true});
    let key = |columns: &[&str], parent: &str, to: &[&str]| json!({"name": parent, "columns": columns, "parent": parent, "parentColumns": to});
    serde_json::from_value(json!({"tables": {
        "customers": {"columns": [integer("id", false), moment("created_at")], "primaryKey": ["id"]},
        "orders": {"columns": [integer("id", false), integer("customer", true), moment("created_at"), moment("updated_at")],
            "primaryKey": ["id"], "foreignKeys": [key(&["customer"], "customers", &["id"])]},
        "items": {"columns": [integer("order", false), integer("id", false)], "primaryKey": ["order", "id"],
            "foreignKeys": [key(&["order"], "orders", &["id"])]},
        "replies": {"columns": [integer("id", false), integer("reply", true), integer("order", true), moment("updated_at")],
            "primaryKey": ["id"], "foreignKeys": [key(&["reply"], "replies", &["id"]), key(&["order"], "orders", &["id"])]},
    }}))
    .unwrap()
}

/// What the report writes of a failover.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Record {
    /// There is none.
    Absent,
    /// Of one that failed before every database was seen in its new place, and before the lag was measured.
    Failed,
    /// Of one that succeeded.
    Succeeded,
}

/// When the state at the takeover was kept: not at all, before the first write there, or after it.
const TAKEN: [Option<&str>; 3] = [None, Some("2026-11-25T12:02:00Z"), Some("2026-11-25T12:02:30Z")];

fn facts(record: Record, taken: Option<&str>) -> Facts {
    let succeeded = record == Record::Succeeded;
    let ended_at = succeeded.then_some("2026-11-25T12:03:00Z");
    let failover = json!({"execution": "f", "startedAt": "2026-11-25T12:01:00Z", "endedAt": ended_at,
        "rtoSeconds": succeeded.then_some(120.0)});
    let mut database =
        json!({"source": "old", "target": "new", "snapshot": "s", "snapshotAt": "2026-11-25T12:30:00Z"});
    if succeeded {
        database["lagSeconds"] = json!(1.0);
        database["replicatedUntil"] = json!("2026-11-25T11:50:00Z");
    }
    if let Some(taken) = taken {
        database["base"] =
            json!({"cluster": "base", "snapshot": "b", "takenAt": taken, "writesFrom": TAKEN[1]});
    }
    serde_json::from_value(json!({
        "plan": "shop",
        "execution": "r",
        "comparedAt": "2026-11-25T13:00:00Z",
        "fromRegion": "us-east-1",
        "toRegion": "us-west-2",
        "failover": (record != Record::Absent).then_some(failover),
        "budgets": {"rtoSeconds": 900.0, "rpoSeconds": 60.0},
        "databases": {"d": database},
        "clockMarginSeconds": 5.0,
    }))
    .unwrap()
}

fn value(column: &str, number: i64) -> Value {
    match (column, number) {
        (_, 0) => Value::Null,
        ("created_at" | "updated_at", minute) => {
            json!(format!("2026-11-25 {}:{:02}:07", 11 + minute / 60, minute % 60))
        }
        (_, number) => json!(number),
    }
}

fn difference(
    (kind, base): (u8, u8),
    columns: &[String],
    key: &[String],
    old: &[i64],
    new: &[i64],
) -> Difference {
    let row = |numbers: &[i64], own: &[i64]| -> Map<String, Value> {
        let cell = |(i, column): (usize, &String)| {
            // Keys are never null, and those of both versions the same.
            let number = if key.contains(column) { own[i].max(1) } else { numbers[i] };
            (column.clone(), value(column, number))
        };
        columns.iter().enumerate().map(cell).collect()
    };
    let (old_row, new_row) = (row(old, old), row(new, old));
    let kinds = [DifferenceKind::Missing, DifferenceKind::Changed, DifferenceKind::Extra];
    let kind = kinds[usize::from(kind)];
    let base = match (base, kind) {
        (0, _) => None,
        (1, _) => Some(Base::Absent),
        (2, DifferenceKind::Missing | DifferenceKind::Changed) => Some(Base::Source),
        (2 | 3, _) if kind != DifferenceKind::Missing => Some(Base::Target),
        _ => Some(Base::Other(row(&[3, 1, 20, 20], old))),
    };
    Difference {
        kind,
        key: key.iter().map(|name| (name.clone(), old_row[name].clone())).collect(),
        source: (kind != DifferenceKind::Extra).then_some(old_row),
        target: (kind != DifferenceKind::Missing).then_some(new_row),
        base,
    }
}

fn check(report: &Report, given: &BTreeMap<String, Vec<Verdict>>) {
    let rows = &report.totals.rows;
    for table in &report.tables {
        assert_eq!(
            table.counts.all(),
            given.get(&table.table).map_or(0, |fates| fates.len() as u64),
            "{}",
            table.table
        );
    }
    let proved = given.values().flatten().filter(|verdict| verdict.basis == Basis::Takeover).count();
    assert_eq!(rows.proved_by_takeover, proved as u64);
    assert_eq!(rows.all(), given.values().map(|fates| fates.len() as u64).sum::<u64>());

    let absent = rows.missing + rows.undecided.get(&missing_transactions::Doubt::LostOrDeleted).unwrap_or(&0);
    let mut grouped = 0;
    for kind in &report.kinds {
        grouped += kind.rows.values().sum::<u64>();
        assert_eq!(kind.transactions.all(), kind.listed.len() as u64 + kind.not_listed);
        for transaction in &kind.listed {
            let listed = transaction.members.values().map(Vec::len).sum::<usize>()
                + usize::from(transaction.row.is_some());
            assert!(listed as u64 <= transaction.rows.values().sum::<u64>(), "no row is listed twice");
        }
    }
    assert!(grouped <= absent && grouped + report.totals.rows_not_grouped >= absent, "{grouped} of {absent}");

    let lost = rows.missing + rows.lost_updates + rows.lost_deletes + rows.conflicts;
    let over = &report.over_time;
    let drawn = over.before + over.after + over.bars.iter().map(|bar| bar.missing + bar.updates).sum::<u64>();
    if let Some(window) = &report.window {
        assert_eq!((window.timed, window.timed + window.untimed), (drawn, lost));
    }
    missing_transactions::page(report).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_difference_is_lost_or_counted_twice(
        rows in prop::collection::vec(
            (0..4_usize, (0..3_u8, 0..5_u8), prop::collection::vec(0..70_i64, 4), prop::collection::vec(0..70_i64, 4)),
            0..60,
        ),
        record in prop::sample::select(vec![Record::Absent, Record::Failed, Record::Succeeded]),
        taken in prop::sample::select(TAKEN.to_vec()),
        backwards in any::<bool>(),
        grouped_rows in prop::sample::select(vec![5, 1000]),
        listed in prop::sample::select(vec![1, 1000]),
    ) {
        let catalogue = catalogue();
        let databases = BTreeMap::from([("d".to_owned(), Database { catalogue: catalogue.clone(), ..Database::default() })]);
        let limits = Limits { grouped_rows, listed, ..Limits::default() };
        let mut builder = Builder::new(facts(record, taken), &databases, limits).unwrap();
        let mut order = builder.order();
        if backwards {
            order.reverse();
        }
        let names: Vec<&String> = catalogue.tables.keys().collect();
        let mut given: BTreeMap<String, Vec<Verdict>> = BTreeMap::new();
        for (database, name) in order {
            let shape = &catalogue.tables[&name];
            let columns: Vec<String> = shape.columns.iter().map(|column| column.name.clone()).collect();
            let mut table = builder.table(&database, &name, Compared::default()).unwrap();
            for (of, kind, old, new) in &rows {
                if *names[*of] == name {
                    let small = |numbers: &[i64]| -> Vec<i64> {
                        let small = |(i, n): (usize, &i64)| if columns.get(i).is_some_and(|c| c.ends_with("_at")) { *n } else { n % 7 };
                        numbers.iter().enumerate().map(small).collect()
                    };
                    let mut kind = *kind;
                    if taken.is_none() {
                        kind.1 = 0;
                    }
                    let difference = difference(kind, &columns, &shape.primary_key, &small(old), &small(new));
                    given.entry(name.clone()).or_default().push(table.add(&difference));
                }
            }
        }
        let report = builder.finish();
        check(&report, &given);
        if taken == TAKEN[1] {
            let verdicts = given.values().flatten().filter(|verdict| verdict.basis == Basis::Takeover);
            prop_assert!(verdicts.clone().all(|verdict| !matches!(verdict.fate, Fate::Undecided(_))));
        }
    }
}
