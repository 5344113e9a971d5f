use runbook::bucket::fake::Bucket;
use runbook::error::Kind;
use runbook::fakes::Fault;
use serde_json::json;

use super::*;
use crate::{DatabaseSummary, PartWriter, TableStatus, TableSummary};

const FOLDER: &str = "reconcile/shop/e1/";

fn line(id: u32) -> String {
    format!("{}\n", json!({"kind": "missing", "key": {"id": id}, "source": {"id": id}, "target": null}))
}

fn bucket() -> Bucket {
    let table = |table: &str| TableSummary {
        table: table.into(),
        status: TableStatus::Different,
        error: None,
        counts: table_diff::Counts::default(),
        seconds: 0.0,
        key_columns: Vec::new(),
        notes: Vec::new(),
        not_compared: Vec::new(),
        parts: None,
        range: None,
    };
    let database = DatabaseSummary {
        source_cluster: "old".into(),
        target_cluster: "new".into(),
        snapshot: None,
        snapshot_time: None,
        base: None,
        no_base: None,
        tables: vec![table("a"), table("alike")],
    };
    let summary =
        Summary { completed_at: None, databases: BTreeMap::from([("orders".to_owned(), database)]) };
    let bucket = Bucket::default();
    bucket.set(&format!("{FOLDER}{SUMMARY}"), serde_json::to_vec(&summary).unwrap());
    bucket
}

fn part(number: u32) -> String {
    format!("{FOLDER}{}{}", crate::table("orders", "a"), crate::counted_part(number))
}

#[tokio::test]
async fn parts_follow_each_other_and_an_empty_one_is_nothing() {
    let bucket = bucket();
    bucket.set(&part(1), line(1) + &line(2));
    bucket.set(&part(2), "");
    bucket.set(&part(3), line(3));
    // What begins alike is another table.
    bucket.set(&format!("{FOLDER}orders/a2/part-00001.jsonl"), line(9));
    let found = Found::open(&bucket, "b", "shop", "e1").await.unwrap().unwrap();
    let parts = found.parts("orders").await.unwrap();
    assert_eq!(parts.tables(), ["a"]);
    for _ in 0..2 {
        let rows: Vec<_> = parts.open("a").collect().await;
        let ids: Vec<_> = rows.iter().map(|row| row.as_ref().unwrap().key["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, [1, 2, 3]);
    }
    assert_eq!(parts.open("alike").count().await, 0);
}

#[tokio::test]
async fn only_the_parts_that_a_summary_names_count() {
    let bucket = bucket();
    let mut writer = PartWriter::new("b", format!("{FOLDER}orders/a/"), crate::PART, Vec::new());
    let row = |id: u32| serde_json::from_str::<serde_json::Value>(&line(id)).unwrap();
    for id in [1, 2] {
        writer.add(&[row(id)], id).unwrap();
        assert_eq!(writer.write(&bucket).await.unwrap(), Some(id));
    }
    // Of a call that was killed.
    bucket.set(&part(3), line(3));
    let mut summary: Summary = serde_json::from_str(&bucket.text(&format!("{FOLDER}{SUMMARY}"))).unwrap();
    summary.databases.get_mut("orders").unwrap().tables[0].parts = Some(writer.names().to_vec());
    bucket.set(&format!("{FOLDER}{SUMMARY}"), serde_json::to_vec(&summary).unwrap());
    let found = Found::open(&bucket, "b", "shop", "e1").await.unwrap().unwrap();
    let rows: Vec<_> = found.parts("orders").await.unwrap().open("a").collect().await;
    let ids: Vec<_> = rows.iter().map(|row| row.as_ref().unwrap().key["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2]);
}

#[tokio::test]
async fn behind_a_part_that_was_not_written_no_cursor_is_kept() {
    let bucket = Bucket::default();
    bucket.fail(2, Fault::Fails(Kind::Unreachable));
    let mut writer = PartWriter::new("b", "f/".into(), crate::PART, Vec::new());
    writer.add(&["one"], 1).unwrap();
    assert_eq!(writer.write(&bucket).await.unwrap(), Some(1));
    assert_eq!(writer.write(&bucket).await.unwrap(), None, "nothing was added");
    writer.add(&["two"], 2).unwrap();
    writer.write(&bucket).await.unwrap_err();
    writer.add(&["three"], 3).unwrap();
    assert_eq!(writer.write(&bucket).await.unwrap(), None);
    assert_eq!(writer.names().len(), 1);
}

#[tokio::test]
async fn what_is_not_there_or_makes_no_sense_is_named() {
    assert!(Found::open(&Bucket::default(), "b", "shop", "e1").await.unwrap().is_none());
    let bucket = bucket();
    bucket.set(&part(1), line(1) + "{}\n");
    let found = Found::open(&bucket, "b", "shop", "e1").await.unwrap().unwrap();
    let error = found.catalogue("orders").await.unwrap_err().to_string();
    assert!(error.contains("s3://b/reconcile/shop/e1/orders/catalogue.json"), "{error}");
    let parts = found.parts("orders").await.unwrap();
    let rows: Vec<_> = parts.open("a").collect().await;
    let error = rows[1].as_ref().unwrap_err().to_string();
    assert!(error.contains("line 2 of s3://b/reconcile/shop/e1/orders/a/part-00001.jsonl"), "{error}");
    bucket.set(&format!("{FOLDER}{SUMMARY}"), "[]");
    assert!(Found::open(&bucket, "b", "shop", "e1").await.is_err());
}
