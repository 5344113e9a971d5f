use runbook::bucket::fake::Bucket;
use runbook::error::Kind;
use runbook::plan::sample;
use runbook::step::Clock;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use serde_json::{Value, json};

use super::*;
use crate::record::sample::at;
use crate::store::Summing;

const FOLDER: &str = "reconcile/shop/e1/";
const REPORT: &str = "reports/shop/e1/";

fn context() -> Context {
    Context {
        config: aws_config::SdkConfig::builder().build(),
        region: "sandbox-west".into(),
        clock: Clock::new(|| at(0)),
        deadline: at(300),
    }
}

fn asked() -> Asked {
    Asked { execution: "e1".into(), outage: None }
}

/// A plan of the database `orders` alone.
fn plan() -> RecoveryPlan {
    let mut plan = sample();
    plan.databases.retain(|name, _| name == "orders");
    plan
}

async fn report(bucket: &Bucket) -> Result<Outcome<crate::Observed>, StepError> {
    write_missing(&context(), bucket, &plan(), &asked()).await
}

fn table(name: &str, status: &str, counts: [u64; 3]) -> Value {
    json!({"table": name, "status": status, "rowsSource": 12_345, "rowsTarget": 12_300, "missing": counts[0],
        "changed": counts[1], "extra": counts[2], "seconds": 0.5, "keyColumns": ["ID"], "notes": []})
}

fn missing(id: u64) -> String {
    json!({"kind": "missing", "key": {"ID": id}, "source": {"ID": id, "CUSTOMER": "=c<1>"}, "target": null})
        .to_string()
        + "\n"
}

/// A comparison of the database `orders` with these tables.
fn compared(tables: &[Value]) -> Bucket {
    let bucket = Bucket::default();
    let summary = json!({"completedAt": "2026-03-01T14:00:00Z", "databases": {"orders": {
        "sourceCluster": "causeway-e1-orders", "targetCluster": "shop-orders-west",
        "snapshot": "causeway-unplanned", "snapshotTime": "2026-03-01T12:40:00Z", "tables": tables}}});
    bucket.set(&format!("{FOLDER}summary.json"), summary.to_string());
    let column =
        |name: &str, kind: &str| json!({"name": name, "typeText": kind, "kind": kind, "nullable": true});
    let shape =
        json!({"columns": [column("ID", "integer"), column("CUSTOMER", "text")], "primaryKey": ["ID"]});
    let names = tables.iter().map(|table| table["table"].as_str().unwrap()).filter(|name| *name != "gone");
    let shapes: serde_json::Map<String, Value> =
        names.chain(["left_out"]).map(|name| (name.to_owned(), shape.clone())).collect();
    bucket.set(&format!("{FOLDER}orders/catalogue.json"), json!({"tables": shapes}).to_string());
    bucket
}

fn json_of(bucket: &Bucket, name: &str) -> Value {
    serde_json::from_str(&bucket.text(&format!("{REPORT}{name}"))).unwrap()
}

#[tokio::test]
async fn without_a_summary_nothing_is_written() {
    let bucket = Bucket::default();
    let outcome = report(&bucket).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("reconcile/shop/e1/summary.json"), "{}", outcome.reason);
    assert!(bucket.writes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_file_is_written_and_the_manifest_comes_last() {
    let failed = json!({"table": "audit", "status": "error", "error": "no SELECT permission", "seconds": 0.0,
        "keyColumns": [], "notes": [], "rowsSource": 0, "rowsTarget": 0, "missing": 0, "changed": 0, "extra": 0});
    let mut half = table("half", "error", [1, 0, 0]);
    half["error"] = "gone away".into();
    let mut gone = failed.clone();
    (gone["table"], gone["error"]) = ("gone".into(), "only the old primary has this table".into());
    let bucket = compared(&[
        table("CUSTOMER_ORDER", "different", [3, 1, 1]),
        table("alike", "alike", [0, 0, 0]),
        failed,
        half,
        gone,
    ]);
    let changed = json!({"kind": "changed", "key": {"ID": 9}, "source": {"ID": 9, "CUSTOMER": "old"}, "target": {"ID": 9, "CUSTOMER": "new"}});
    let extra =
        json!({"kind": "extra", "key": {"ID": 8}, "source": null, "target": {"ID": 8, "CUSTOMER": "x"}});
    bucket.set(&format!("{FOLDER}orders/CUSTOMER_ORDER/part-00001.jsonl"), missing(1) + &missing(2));
    bucket.set(
        &format!("{FOLDER}orders/CUSTOMER_ORDER/part-00002.jsonl"),
        format!("{}{changed}\n{extra}", missing(3)),
    );
    // What was found before an error is reported too.
    bucket.set(&format!("{FOLDER}orders/half/part-00001.jsonl"), missing(5));

    let outcome = report(&bucket).await.unwrap();
    assert_eq!(outcome.status, Status::Done);
    assert_eq!(
        outcome.observed.location,
        "s3://causeway-reports-000000000000-sandbox-west/reports/shop/e1/report.html"
    );
    assert_eq!(
        outcome.observed.summary,
        "4 transactions that sandbox-east had taken are missing in sandbox-west (CUSTOMER_ORDER: 3, half: 1). 3 tables \
         were not compared whole (orders.audit, orders.gone and orders.half): more may be missing. What happened to 2 \
         rows is not known. Whether the RPO of 1 min was kept is not known: 4 lost writes without a time."
    );
    assert_eq!(outcome.observed.subject, "Causeway: 4 transactions missing; NOT all was compared");
    assert_eq!(
        outcome.observed.next,
        "To put missing rows back, start the runbook replay in sandbox-west with ReconcileExecution e1: it shows what it \
         would do, and asks before it does it. Somebody has to decide about rows in doubt: each is listed. \
         Not all was compared: mend the cause, and start the runbook reconcile again."
    );
    let written = json_of(&bucket, "report.json");
    assert!(serde_json::from_value::<missing_transactions::Report>(written.clone()).is_ok());
    assert_eq!(written["totals"]["rows"]["missing"], 4);
    assert_eq!(written["facts"]["comparedAt"], "2026-03-01T14:00:00Z");
    assert_eq!(written["facts"]["databases"]["orders"]["leftOut"], json!(["left_out"]));
    let names: Vec<&str> =
        written["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["orders/CUSTOMER_ORDER.csv", "orders/half.csv", "orders/replay.sql"]);
    let page = bucket.text(&format!("{REPORT}report.html"));
    for part in [
        "c&#60;1&#62;",
        "no SELECT permission",
        "href=\"orders/replay.sql\"",
        "left out by the plan: left_out",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let sheet = bucket.text(&format!("{REPORT}orders/CUSTOMER_ORDER.csv"));
    assert_eq!(sheet.lines().count(), 1 + 3 + 2 + 1, "{sheet}");
    assert!(sheet.contains("'=c<1>"), "{sheet}");
    let sql = bucket.text(&format!("{REPORT}orders/replay.sql"));
    assert_eq!(sql.matches("INSERT INTO `CUSTOMER_ORDER`").count(), 3, "{sql}");
    assert!(sql.contains("left out: \"CUSTOMER_ORDER\" {\"ID\":9} is on both sides"), "{sql}");

    let manifest = json_of(&bucket, "manifest.json");
    let files: Vec<&Value> = manifest["files"].as_array().unwrap().iter().collect();
    assert_eq!(files.len(), 5);
    for file in files {
        let key = file["key"].as_str().unwrap();
        let mut sum = Summing::default();
        sum.add(bucket.text(key).as_bytes());
        assert_eq!(sum.of(key).sha256, file["sha256"].as_str().unwrap(), "{key}");
    }
    assert_eq!(manifest["read"].as_array().unwrap().len(), 3);
    assert_eq!(bucket.writes.lock().unwrap().last().unwrap(), &format!("{REPORT}manifest.json"));

    report(&bucket).await.unwrap();
    assert_eq!(json_of(&bucket, "manifest.json"), manifest, "a second call writes the same");
}

#[tokio::test]
async fn what_was_not_compared_is_never_reported_as_nothing_lost() {
    let written = async |bucket: &Bucket, plan: &RecoveryPlan| {
        let observed = write_missing(&context(), bucket, plan, &asked()).await.unwrap().observed;
        assert!(observed.next.starts_with("Not all was compared: mend the cause"), "{}", observed.next);
        (observed.subject, observed.summary, bucket.text(&format!("{REPORT}report.html")))
    };
    let (subject, summary, page) = written(&compared(&[]), &plan()).await;
    assert_eq!(subject, "Causeway: NOT KNOWN what is lost: no table was compared");
    assert_eq!(
        summary,
        "No table was compared: what sandbox-east lost is not known. No table of orders was compared: more may be \
         missing."
    );
    assert!(page.contains("<header class=\"doubt\">"), "{page}");

    let unseen = json!({"table": "audit", "status": "error", "error": "it was not seen on either side", "seconds": 0.0,
        "keyColumns": [], "notes": [], "rowsSource": 0, "rowsTarget": 0, "missing": 0, "changed": 0, "extra": 0});
    let bucket = compared(&[table("t", "alike", [0, 0, 0]), unseen]);
    let (subject, summary, page) = written(&bucket, &sample()).await;
    assert_eq!(subject, "Causeway: no loss found; NOT all was compared");
    let named =
        "1 table was not compared whole (orders.audit), and no table of catalog: more may be missing.";
    assert!(summary.contains(named), "{summary}");
    assert!(
        page.contains("<header class=\"doubt\">") && page.contains("it was not seen on either side"),
        "{page}"
    );
}

#[tokio::test]
async fn lists_that_disagree_with_the_summary_win_and_it_is_said() {
    let bucket = compared(&[table("t", "different", [5, 0, 0])]);
    bucket.set(&format!("{FOLDER}orders/t/part-00001.jsonl"), missing(1));
    let outcome = report(&bucket).await.unwrap();
    assert!(outcome.observed.summary.starts_with("1 transaction"), "{}", outcome.observed.summary);
    assert!(bucket.text(&format!("{REPORT}report.html")).contains("counted 5 missing"));
}

/// Rows so long that the spreadsheet and the SQL have more than one part each.
fn many(bucket: &Bucket) -> u64 {
    let rows = 9;
    let row = |id: u64| {
        json!({"kind": "missing", "key": {"ID": id}, "source": {"ID": id, "CUSTOMER": "c".repeat(1 << 20)}, "target": null})
            .to_string()
            + "\n"
    };
    bucket.set(&format!("{FOLDER}orders/t/part-00001.jsonl"), (0..rows).map(row).collect::<String>());
    rows
}

#[tokio::test]
async fn large_files_are_written_in_parts_and_are_whole() {
    let bucket = compared(&[table("t", "different", [9, 0, 0])]);
    let rows = many(&bucket);
    report(&bucket).await.unwrap();
    let writes = bucket.writes.lock().unwrap().clone();
    for name in ["orders/t.csv", "orders/replay.sql"] {
        assert!(writes.contains(&format!("{REPORT}{name}#2")), "{name} has one part: {writes:?}");
    }
    assert!(bucket.uploads.lock().unwrap().is_empty());
    let lines = bucket.text(&format!("{REPORT}orders/t.csv")).lines().count();
    assert_eq!(lines as u64, 1 + rows);
    assert!(
        bucket
            .text(&format!("{REPORT}orders/replay.sql"))
            .trim_end()
            .ends_with("ORDER BY table_name, row_key;")
    );
    let report = json_of(&bucket, "report.json");
    assert_eq!(report["kinds"][0]["transactions"]["whole"], rows);
    assert!(report["kinds"][0]["listed"].as_array().unwrap().len() <= 1000);
}

#[tokio::test]
async fn a_write_that_fails_leaves_no_manifest_and_no_parts_and_the_step_can_be_called_again() {
    let mut bucket = compared(&[table("t", "different", [9, 0, 0])]);
    many(&bucket);
    report(&bucket).await.unwrap();
    let manifest = json_of(&bucket, "manifest.json");
    let writes = bucket.writes.lock().unwrap().len();
    assert!(writes > 8, "{writes}");
    for at in 0..writes {
        bucket.writes.lock().unwrap().clear();
        bucket.fails_from = Some(at);
        let error = report(&bucket).await.unwrap_err().to_string();
        assert!(error.contains("killed"), "{error}");
        assert!(!bucket.objects.lock().unwrap().contains_key(&format!("{REPORT}manifest.json")), "{at}");
        assert!(bucket.uploads.lock().unwrap().is_empty(), "{at}: parts are left");
    }
    bucket.fails_from = None;
    report(&bucket).await.unwrap();
    assert_eq!(json_of(&bucket, "manifest.json"), manifest);
}

#[tokio::test]
async fn a_broken_line_is_named_and_a_file_that_reads_differently_is_an_error() {
    let bucket = compared(&[table("t", "different", [2, 0, 0])]);
    bucket.set(&format!("{FOLDER}orders/t/part-00001.jsonl"), missing(1) + "{\"kind\":");
    let error = report(&bucket).await.unwrap_err().to_string();
    let line = "line 2 of s3://causeway-reports-000000000000-sandbox-west/reconcile/shop/e1/orders/t/part-00001.jsonl";
    assert!(error.contains(line), "{error}");

    for name in ["report.html", "t.csv", "replay.sql"] {
        let bucket = Bucket { garbles: Some(name), ..compared(&[table("t", "different", [1, 0, 0])]) };
        bucket.set(&format!("{FOLDER}orders/t/part-00001.jsonl"), missing(1));
        let error = report(&bucket).await.unwrap_err().to_string();
        assert!(error.contains(&format!("{name} was written but reads differently")), "{error}");
        assert!(!bucket.objects.lock().unwrap().contains_key(&format!("{REPORT}manifest.json")));
    }
}

#[tokio::test]
async fn what_the_plan_says_of_tables_is_used_and_has_to_fit() {
    let mut plan = plan();
    let orders = plan.databases.get_mut("orders").unwrap();
    orders.report = serde_json::from_value(
        json!({"t": {"label": "orders", "personal": ["CUSTOMER"], "amount": "ID"}, "left_out": {}}),
    )
    .unwrap();
    let bucket = compared(&[table("t", "different", [1, 0, 0])]);
    bucket.set(&format!("{FOLDER}orders/t/part-00001.jsonl"), missing(1));
    let outcome = write_missing(&context(), &bucket, &plan, &asked()).await.unwrap();
    let headline = "(orders: 1). Missing in t.ID: 1.";
    assert!(outcome.observed.summary.contains(headline), "{}", outcome.observed.summary);
    for name in ["report.html", "report.json", "orders/t.csv"] {
        assert!(!bucket.text(&format!("{REPORT}{name}")).contains("=c"), "{name} has personal data");
    }
    assert!(bucket.text(&format!("{REPORT}orders/replay.sql")).contains("3d633c313e"));

    let wrong = json!({"t": {"changedAt": "NEVER"}});
    plan.databases.get_mut("orders").unwrap().report = serde_json::from_value(wrong).unwrap();
    let error = write_missing(&context(), &bucket, &plan, &asked()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadPlan);
}

#[test]
fn an_outage_has_a_beginning() {
    let (from, to) = ("2026-03-01T12:00:00Z", "2026-03-01T12:05:00Z");
    assert_eq!(outage("", " ").unwrap(), None);
    assert_eq!(outage(from, "").unwrap().unwrap().to, None);
    assert_eq!(outage(from, to).unwrap().unwrap().to, Some(to.parse().unwrap()));
    for (from, to) in [("", to), (to, from), ("noon", "")] {
        assert_eq!(outage(from, to).unwrap_err().kind(), Kind::BadEvent, "{from} {to}");
    }
}

#[tokio::test]
async fn the_records_of_the_failover_are_used_when_it_moved_the_databases_here() {
    let bucket = compared(&[table("t", "alike", [0, 0, 0])]);
    let observed = report(&bucket).await.unwrap().observed;
    assert_eq!(
        (&*observed.subject, &*observed.next),
        ("Causeway: nothing is lost", "There is nothing to put back.")
    );
    let record = |to: &str| {
        json!({"plan": "shop", "execution": "f1", "outcome": "Succeeded", "fromRegion": "sandbox-east", "toRegion": to,
            "startedAt": at(0), "endedAt": at(90), "lag": {"orders": {"seconds": 0.8, "at": at(-60)}}})
    };
    bucket.set("records/shop/last-failover.json", record("sandbox-west").to_string());
    let step = |name: &str, from: i64, to: i64| {
        json!({"name": name, "startedAt": at(from), "endedAt": at(to), "runs": 1, "status": "Success", "answer": null,
            "reason": null})
    };
    let execution = json!({"plan": "shop", "execution": "f1", "document": "causeway-failover", "outcome": "Succeeded",
        "progress": "promoted", "fromRegion": "sandbox-east", "toRegion": "sandbox-west", "startedAt": at(0),
        "endedAt": at(90), "rtoSeconds": 80.0, "rtoBudgetSeconds": 900, "promotionSeconds": 50.0, "lag": {},
        "rpoBudgetSeconds": 60, "stoppedBy": null,
        "steps": [step("promote", 10, 12), step("awaitPromotion", 20, 60), step("verify", 70, 80)]});
    bucket.set("reports/shop/f1/record.json", execution.to_string());
    report(&bucket).await.unwrap();
    let failover = &json_of(&bucket, "report.json")["facts"]["failover"];
    let replicated = at(-60).checked_sub(jiff::SignedDuration::from_millis(800)).unwrap();
    let databases = &json_of(&bucket, "report.json")["facts"]["databases"];
    assert_eq!(databases["orders"]["replicatedUntil"], json!(replicated), "the measurement less the lag");
    assert_eq!(failover["endedAt"], json!(at(60)), "the promotion's end, not the record's");
    assert_eq!((&failover["rtoSeconds"], failover["steps"].as_array().unwrap().len()), (&json!(80.0), 3));
    assert!(bucket.text(&format!("{REPORT}report.html")).contains("awaitPromotion"));

    bucket.set("records/shop/last-failover.json", record("sandbox-east").to_string());
    report(&bucket).await.unwrap();
    assert_eq!(json_of(&bucket, "report.json")["facts"].get("failover"), None);

    bucket.set("records/shop/last-failover.json", "{}");
    let error = report(&bucket).await.unwrap_err().to_string();
    assert!(error.contains("last-failover.json is no record"), "{error}");
}
