//! A million missing rows in a report: run it under `/usr/bin/time -f '%M KB'` to see what memory they take.
//!
//! ```sh
//! cargo build --release -p missing-transactions --example million
//! /usr/bin/time -f '%M KB, %e s' target/release/examples/million
//! ```
//!
//! An argument of `self` takes the worst case instead: a million rows that refer to each other in one table.

use std::collections::BTreeMap;
use std::io::Write;

use missing_transactions::{Builder, Compared, Database, Facts, Limits, page};
use serde_json::{Map, Value, json};
use table_diff::{Catalogue, Difference, DifferenceKind};

fn missing(key: &[&str], row: &Value) -> Difference {
    let row: Map<String, Value> = row.as_object().cloned().unwrap_or_default();
    let key = key.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone()))).collect();
    Difference { kind: DifferenceKind::Missing, key, source: Some(row), target: None, base: None }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let worst = std::env::args().nth(1).as_deref() == Some("self");
    let integer =
        |name: &str| json!({"name": name, "typeText": "bigint", "kind": "integer", "nullable": false});
    let text =
        |name: &str| json!({"name": name, "typeText": "varchar(200)", "kind": "text", "nullable": false});
    let moment =
        json!({"name": "created_at", "typeText": "datetime(6)", "kind": "moment", "nullable": false});
    let key = |name: &str, column: &str, parent: &str| json!({"name": name, "columns": [column], "parent": parent, "parentColumns": ["id"]});
    let catalogue: Catalogue = serde_json::from_value(json!({"tables": {
        "orders": {"columns": [integer("id"), integer("customer"), text("note"), moment], "primaryKey": ["id"],
            "foreignKeys": [key("customer", "customer", "customers")]},
        "customers": {"columns": [integer("id")], "primaryKey": ["id"]},
        "products": {"columns": [integer("id")], "primaryKey": ["id"]},
        "items": {"columns": [integer("order_id"), integer("line"), integer("product")], "primaryKey": ["order_id", "line"],
            "foreignKeys": [key("product", "product", "products"), key("order", "order_id", "orders")]},
        "links": {"columns": [integer("id"), integer("next")], "primaryKey": ["id"],
            "foreignKeys": [key("next", "next", "links")]},
    }}))?;
    let facts: Facts =
        serde_json::from_value(json!({"plan": "shop", "fromRegion": "us-east-1", "toRegion": "us-west-2",
        "failover": {"startedAt": "2026-11-25T12:05:00Z", "endedAt": "2026-11-25T12:08:00Z"}}))?;
    let databases = BTreeMap::from([("shop".to_owned(), Database { catalogue, ..Database::default() })]);
    let mut builder = Builder::new(facts, &databases, Limits::default())?;
    for (database, name) in builder.order() {
        let mut table = builder.table(&database, &name, Compared::default())?;
        let mut csv = table.csv(std::io::sink());
        let mut add = |difference: Difference| {
            let fate = table.add(&difference);
            csv.add(&difference, fate)
        };
        match name.as_str() {
            "orders" if !worst => {
                for id in 0..250_000 {
                    let at = format!("2026-11-25 12:{:02}:{:02}.000000", id / 60 % 60, id % 60);
                    let note = "a note of some length, as people write them, ".repeat(4);
                    add(missing(
                        &["id"],
                        &json!({"id": id, "customer": id % 1000, "note": note, "created_at": at}),
                    ))?;
                }
            }
            "items" if !worst => {
                for id in 0..750_000 {
                    add(missing(
                        &["order_id", "line"],
                        &json!({"order_id": id / 3, "line": id % 3, "product": id % 500}),
                    ))?;
                }
            }
            "links" if worst => {
                // Each refers to the next, which is read after it.
                for id in 0..1_000_000 {
                    add(missing(&["id"], &json!({"id": id, "next": id + 1})))?;
                }
            }
            _ => {}
        }
    }
    let report = builder.finish();
    let json = serde_json::to_vec(&report)?.len();
    let mut out = std::io::stdout();
    writeln!(out, "{}", report.summary)?;
    writeln!(
        out,
        "{} rows missing, report.json {json} bytes, page {} bytes",
        report.totals.rows.missing,
        page(&report)?.len()
    )?;
    Ok(())
}
