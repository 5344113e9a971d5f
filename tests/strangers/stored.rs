//! What the steps keep in the bucket for one another, and read again: perhaps of another version, perhaps changed by somebody.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;

use missing_transactions::{Builder, Compared, Database, Facts, Limits};
use rehearsals::strangers::{DEEP, Reader, hold};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use table_diff::{Catalogue, Difference, Engine, RowReader};

use crate::{file, files};

/// What can be read is written and read again as the same.
fn kept<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&read).unwrap();
    let again: T = serde_json::from_slice(&written)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&written)));
    assert_eq!(again, read);
    Some(read)
}

fn records() -> Reader {
    use runbook::record::{FailoverRecord, ReconciliationRecord, SwitchoverRecord, TablesRecord};
    let reader = Reader::of_bytes("a record", |bytes| {
        let mut any = kept::<FailoverRecord>(bytes).is_some();
        any |= kept::<SwitchoverRecord>(bytes).is_some();
        any |= kept::<ReconciliationRecord>(bytes).is_some();
        any |= kept::<TablesRecord>(bytes).is_some();
        any |= kept::<runbook::lock::Lock>(bytes).is_some();
        any | kept::<report::record::Record>(bytes).is_some()
    });
    let names = [
        "last-failover",
        "last-switchover",
        "last-reconciliation",
        "tables",
        "failover-lock",
        "reconcile-lock",
        "record",
    ];
    reader.examples(names.map(|name| file(&format!("tests/formats/{name}.json"))))
}

#[test]
fn any_bytes_as_a_record() {
    hold(&records());
}

/// Every value in a file that is a cursor, as text.
fn cursors_in(path: &str, member: &str) -> Vec<Vec<u8>> {
    fn look(value: &Value, member: &str, found: &mut Vec<Vec<u8>>) {
        if let Some(cursor) = value.get(member).filter(|cursor| cursor.is_object()) {
            found.push(cursor.to_string().into_bytes());
        }
        let inside = value.as_object().into_iter().flat_map(|all| all.values());
        inside.chain(value.as_array().into_iter().flatten()).for_each(|value| look(value, member, found));
    }
    let mut found = Vec::new();
    look(&serde_json::from_slice(&file(path)).unwrap(), member, &mut found);
    found
}

fn cursor() -> Reader {
    let reader = Reader::of_bytes("a cursor", |bytes| {
        let mut any = false;
        if let Some(cursor) = kept::<table_diff::Cursor>(bytes) {
            any = true;
            cursor.counts.differences();
        }
        if let Some(ranges) = kept::<Vec<table_diff::KeyRange>>(bytes) {
            any |= table_diff::check_cover(&ranges).is_ok();
        }
        any |= kept::<row_replay::Cursor>(bytes).is_some();
        any |= kept::<table_diff::KeyRange>(bytes).is_some();
        any | kept::<row_replay::Summary>(bytes).is_some()
    });
    let counts = r#"{"rowsSource":40,"rowsTarget":27,"missing":13,"changed":0,"extra":1}"#;
    let written = [
        format!(r#"{{"counts":{counts},"keyColumns":["id","b"],"position":{{"afterKey":{{"key":["31","00ff"],"within":[{{"side":"source","high":null,"size":100}}]}}}}}}"#),
        format!(r#"{{"counts":{counts},"keyColumns":["id"],"position":{{"sections":[{{"high":["31"],"done":true}},{{"place":{{"key":["32"]}}}}]}}}}"#),
        format!(r#"{{"counts":{counts},"keyColumns":[],"position":{{"atHash":{{"hash":"00ff","lines":3,"settled":false}}}}}}"#),
        format!(r#"{{"counts":{counts},"keyColumns":["id"],"position":"end"}}"#),
        r#"[{"columns":["id"],"high":["31"]},{"columns":["id"],"low":["31"],"high":["32"]},{"columns":["id"],"low":["32"]}]"#.to_owned(),
    ];
    reader
        .examples(written)
        .examples(cursors_in("tests/formats/reconcile-killed/cursor.json", "cursor"))
        .examples(cursors_in("tests/formats/replay-previewed.json", "summary"))
        .examples(cursors_in("tests/formats/replay-verified.json", "cursor"))
}

#[test]
fn any_bytes_as_a_cursor() {
    hold(&cursor());
}

fn comparison() -> Reader {
    let reader = Reader::of_bytes("a comparison", |bytes| {
        let mut any = kept::<comparison::Summary>(bytes).is_some();
        any |= kept::<missing_transactions::Report>(bytes).is_some();
        if let Some(catalogue) = kept::<Catalogue>(bytes) {
            any = true;
            for shape in catalogue.tables.values() {
                for engine in [Engine::MySql, Engine::Postgres] {
                    RowReader::new(engine, shape, |_| true).select();
                }
            }
        }
        any
    });
    reader
        .examples(["summary", "catalogue", "report"].map(|name| file(&format!("tests/formats/{name}.json"))))
}

#[test]
fn any_bytes_as_a_comparison() {
    hold(&comparison());
}

/// Differences, line by line, and the report that is made of them.
fn differences() -> Reader {
    let catalogue: Catalogue = serde_json::from_value(json!({"tables": {
        "orders": {"columns": [
            {"name": "id", "typeText": "bigint", "kind": "integer", "nullable": false},
            {"name": "customer", "typeText": "bigint", "kind": "integer", "nullable": true},
            {"name": "total", "typeText": "decimal(10,2)", "kind": "decimal", "nullable": true},
            {"name": "note", "typeText": "varchar(200)", "kind": "text", "nullable": true},
            {"name": "created_at", "typeText": "datetime(6)", "kind": "moment", "nullable": false}],
            "primaryKey": ["id"], "foreignKeys": [{"name": "customer", "columns": ["customer"], "parent": "customers", "parentColumns": ["id"]}]},
        "customers": {"columns": [{"name": "id", "typeText": "bigint", "kind": "integer", "nullable": false}], "primaryKey": ["id"]},
    }}))
    .unwrap();
    let facts: Facts =
        serde_json::from_value(json!({"plan": "shop", "fromRegion": "us-east-1", "toRegion": "us-west-2",
        "failover": {"startedAt": "2026-11-25T12:05:00Z", "endedAt": "2026-11-25T12:08:00Z"}}))
        .unwrap();
    let reader = Reader::of_bytes("differences", move |bytes| {
        let lines = bytes.split(|byte| *byte == b'\n');
        let differences: Vec<Difference> = lines.filter_map(kept).collect();
        for difference in &differences {
            difference.lost_row();
            difference.base_row();
        }
        let database = Database { catalogue: catalogue.clone(), ..Database::default() };
        let mut builder =
            Builder::new(facts.clone(), &BTreeMap::from([("shop".into(), database)]), Limits::default())
                .unwrap();
        for (database, name) in builder.order() {
            let mut table = builder.table(&database, &name, Compared::default()).unwrap();
            let mut csv = table.csv(Vec::new());
            for difference in &differences {
                let verdict = table.add(difference);
                csv.add(difference, verdict).unwrap();
            }
            table.read(differences.iter().cloned().map(Ok::<_, Infallible>)).unwrap();
        }
        let report = builder.finish();
        missing_transactions::page(&report).unwrap();
        !differences.is_empty()
    });
    let rows = r#"{"kind":"missing","key":{"id":7},"source":{"id":7,"customer":1,"total":"12.50","note":"a","created_at":"2026-11-25 12:04:00.000001"},"target":null}
{"kind":"changed","key":{"id":8},"source":{"id":8,"customer":2,"total":null,"note":{"base64":"/w=="},"created_at":"2026-11-25 12:06:00"},"target":{"id":8,"customer":2,"total":"1","note":"","created_at":"2026-11-25 12:07:00"},"base":{"other":{"id":8}}}
{"kind":"extra","key":{"id":"9223372036854775808"},"source":null,"target":{"id":9},"base":"absent"}
{"kind":"missing","key":{},"source":{"id":1},"target":null,"base":"source"}"#;
    reader
        .examples([rows.as_bytes().to_vec(), file("tests/formats/differences.jsonl")])
        .examples(files("tests/formats/reconcile-killed/catalog/a", ".jsonl"))
}

#[test]
fn any_bytes_as_differences() {
    hold(&differences());
}

fn fates() -> Reader {
    let reader = Reader::of_bytes("fates of rows", |bytes| {
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter_map(kept::<row_replay::ReplayedRow>).count() > 0
    });
    reader.examples([file("tests/formats/fates.jsonl")])
}

#[test]
fn any_bytes_as_fates() {
    hold(&fates());
}

/// Times as a comparison writes them.
fn time() -> Reader {
    let reader =
        Reader::of_text("a time", |text| missing_transactions::times::parse(&Value::from(text)).is_some());
    reader.examples(["2026-11-25 10:00:00.123456", "2026-11-25T10:00:00+00:00"])
}

#[test]
fn any_bytes_as_a_time() {
    hold(&time());
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for reader in [records(), cursor(), comparison(), differences(), fates(), time()] {
        for (begin, end) in [("[", "]"), ("{\"a\":", "}")] {
            reader.holds_for(begin.repeat(DEEP));
            reader.holds_for(format!("{}1{}", begin.repeat(DEEP), end.repeat(DEEP)));
        }
    }
}
