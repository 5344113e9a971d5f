//! The memory and the time of a report with very many missing rows: orders of three items each, over a bucket that is a
//! folder on disk. Prints what was written.
//!
//! ```sh
//! cargo build --release -p report --example million_report
//! /usr/bin/time -f '%M KB, %e s' target/release/examples/million_report 1000000
//! ```

#![expect(clippy::print_stdout, reason = "a measurement")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use report::missing::Asked;
use report::store::{DeleteObject, GetObject, ListKeys, PutObject, PutParts, ReadLines};
use runbook::bucket::Lines;
use runbook::error::Kind;
use runbook::step::Clock;
use runbook::{Context, StepError};
use serde_json::json;

/// Items of an order.
const ITEMS: u64 = 3;
/// Where the comparison is.
const FOLDER: &str = "reconcile/shop/e1";

/// A bucket as a folder. Keys are paths.
struct Bucket(PathBuf);

impl Bucket {
    fn create(&self, key: &str) -> Result<std::fs::File, std::io::Error> {
        let path = self.0.join(key);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        std::fs::File::create(path)
    }
}

fn broken(error: std::io::Error) -> StepError {
    StepError::new(Kind::Failed, "the folder", "look at it").with_source(error)
}

impl GetObject for Bucket {
    async fn get_object(&self, _: &str, key: &str) -> Result<Option<Vec<u8>>, StepError> {
        Ok(std::fs::read(self.0.join(key)).ok())
    }
}

impl PutObject for Bucket {
    async fn put_object(&self, _: &str, key: &str, _: &str, body: Vec<u8>) -> Result<(), StepError> {
        self.create(key).and_then(|mut file| file.write_all(&body)).map_err(broken)
    }
}

impl DeleteObject for Bucket {
    async fn delete_object(&self, _: &str, key: &str) -> Result<(), StepError> {
        std::fs::remove_file(self.0.join(key)).map_err(broken)
    }
}

impl PutParts for Bucket {
    async fn begin(&self, _: &str, key: &str, _: &str) -> Result<String, StepError> {
        self.create(key).map(|_| String::new()).map_err(broken)
    }

    async fn put_part(
        &self,
        _: &str,
        key: &str,
        _: &str,
        _: i32,
        body: Vec<u8>,
    ) -> Result<String, StepError> {
        let file = std::fs::File::options().append(true).open(self.0.join(key));
        file.and_then(|mut file| file.write_all(&body)).map(|()| String::new()).map_err(broken)
    }

    async fn complete(&self, _: &str, _: &str, _: &str, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }

    async fn abandon(&self, _: &str, key: &str, _: &str) -> Result<(), StepError> {
        self.delete_object("", key).await
    }
}

impl ReadLines for Bucket {
    async fn read_lines(&self, _: &str, key: &str) -> Result<Lines, StepError> {
        let file = tokio::fs::File::open(self.0.join(key)).await.map_err(broken)?;
        Ok(Box::pin(tokio::io::BufReader::with_capacity(64 * 1024, file)))
    }
}

impl ListKeys for Bucket {
    async fn list_keys(&self, _: &str, prefix: &str) -> Result<Vec<String>, StepError> {
        let files = std::fs::read_dir(self.0.join(prefix)).into_iter().flatten().flatten();
        Ok(files.map(|file| format!("{prefix}{}", file.file_name().to_string_lossy())).collect())
    }
}

/// Writes what a comparison leaves.
fn compare(bucket: &Bucket, orders: u64) -> Result<(), std::io::Error> {
    let column = |name: &str, type_text: &str, kind: &str| json!({"name": name, "typeText": type_text, "kind": kind, "nullable": false});
    let catalogue = json!({"tables": {
        "CUSTOMER_ORDER": {"primaryKey": ["ID"], "columns": [column("ID", "char(36)", "text"), column("CUSTOMER", "int", "integer"),
            column("NOTE", "varchar(200)", "text"), column("CREATED_AT", "datetime(6)", "moment")]},
        "CUSTOMER_ORDER_ITEM": {"primaryKey": ["ID", "LINE"], "columns": [column("ID", "char(36)", "text"),
            column("LINE", "int", "integer"), column("PRODUCT", "int", "integer"), column("PRICE", "decimal(10,2)", "decimal")],
            "foreignKeys": [{"name": "of", "columns": ["ID"], "parent": "CUSTOMER_ORDER", "parentColumns": ["ID"]}]},
    }});
    bucket.create(&format!("{FOLDER}/orders/catalogue.json"))?.write_all(catalogue.to_string().as_bytes())?;
    let table = |name: &str, missing: u64| {
        json!({"table": name, "status": "different", "rowsSource": 2 * missing, "rowsTarget": missing, "missing": missing,
            "changed": 0, "extra": 0, "seconds": 1.0, "keyColumns": ["ID"], "notes": []})
    };
    let summary = json!({"databases": {"orders": {"sourceCluster": "old", "targetCluster": "new", "snapshot": null, "snapshotTime": null,
        "tables": [table("CUSTOMER_ORDER", orders), table("CUSTOMER_ORDER_ITEM", ITEMS * orders)]}}});
    bucket.create(&format!("{FOLDER}/summary.json"))?.write_all(summary.to_string().as_bytes())?;
    let id = |order: u64| format!("{order:08x}-0000-4000-8000-000000000000");
    let open = |table: &str| {
        bucket.create(&format!("{FOLDER}/orders/{table}/part-00001.jsonl")).map(std::io::BufWriter::new)
    };
    let (mut of_orders, mut of_items) = (open("CUSTOMER_ORDER")?, open("CUSTOMER_ORDER_ITEM")?);
    for order in 0..orders {
        let key = json!({"ID": id(order)});
        let at = format!("2026-11-25 12:{:02}:{:02}.000000", order / 60 % 60, order % 60);
        let note = "a note of some length, as people write them";
        let row = json!({"ID": id(order), "CUSTOMER": order % 500, "NOTE": note, "CREATED_AT": at});
        writeln!(of_orders, "{}", json!({"kind": "missing", "key": key, "source": row, "target": null}))?;
        for line in 1..=ITEMS {
            let key = json!({"ID": id(order), "LINE": line});
            let row = json!({"ID": id(order), "LINE": line, "PRODUCT": order % 40, "PRICE": "12.50"});
            writeln!(of_items, "{}", json!({"kind": "missing", "key": key, "source": row, "target": null}))?;
        }
    }
    of_orders.flush()?;
    of_items.flush()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = std::env::args().nth(1).unwrap_or_default().parse().unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let bucket = Bucket(folder.path().to_owned());
    compare(&bucket, rows / (ITEMS + 1))?;
    let context = Context {
        config: aws_config::SdkConfig::builder().build(),
        region: "sandbox-west".into(),
        clock: Clock::system(),
        deadline: jiff::Timestamp::MAX,
    };
    let asked = Asked { execution: "e1".into(), outage: None };
    let outcome = report::missing::write_missing(&context, &bucket, &runbook::plan::sample(), &asked).await?;
    println!("{}", outcome.observed.summary);
    for file in outcome.changed {
        let path = file.split_once("sandbox-west/").map_or("", |(_, key)| key);
        let bytes = std::fs::metadata(bucket.0.join(path)).map_or(0, |known| known.len());
        println!("{path}: {bytes} bytes");
    }
    Ok(())
}
