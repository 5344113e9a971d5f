//! The three operations over a real server and a bucket in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use comparison::{DatabaseSummary, Summary, TableStatus, TableSummary};
use jiff::{SignedDuration, Timestamp};
use row_replay::ReplayedRow;
use runbook::bucket::fake::Bucket;
use runbook::error::Kind;
use runbook::fakes::{Calls, Fault};
use runbook::secret::SignIn;
use runbook::step::Clock;
use runbook::{RecoveryPlan, Status};
use serde_json::{Value, json};
use table_diff::{Presence, Side, list_tables, read_catalogue};

use super::*;

#[path = "../../table-diff/tests/servers/support.rs"]
#[allow(dead_code, missing_docs, reason = "not all of it is used here")]
mod support;

use support::TestServer;

const TABLES: &str = "
CREATE TABLE customers (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(50) UNIQUE);
CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer INT, note VARCHAR(50), FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE items (id VARCHAR(10) PRIMARY KEY, order_id INT, FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE strict (id INT PRIMARY KEY, v INT);
INSERT INTO customers VALUES (1, 'a'), (3, 'c');
";
const SOURCE: &str = "
INSERT INTO customers VALUES (2, 'b'); UPDATE customers SET email = 'cc' WHERE id = 3;
INSERT INTO orders SELECT seq, 1, 'lost' FROM seq_101_to_120;
INSERT INTO orders VALUES (121, 2, 'of a customer who is left out');
INSERT INTO items VALUES ('i1', 101), ('i4', 104);
INSERT INTO strict VALUES (1, 5), (2, 50);
";
/// What the new primary has, and gets between the comparison and the replay.
const TARGET: &str = "ALTER TABLE strict ADD CONSTRAINT small CHECK (v < 10);";
const MEANWHILE: &str = "
INSERT INTO customers VALUES (9, 'b'); INSERT INTO orders VALUES (104, 9, '<script>somebody else');
";
/// Undoes every replay.
const ANEW: &str = "DELETE FROM items; DELETE FROM orders WHERE id <> 104; DELETE FROM strict;";
/// Rows that are lost, and rows that are put back.
const LOST: usize = 26;
const BACK: u64 = 21;

/// The shop after a comparison.
struct Shop {
    server: TestServer,
    plan: RecoveryPlan,
    /// What the comparison left.
    compared: BTreeMap<String, Vec<u8>>,
    bucket: Bucket,
    /// Seconds; each look at the clock takes `tick` of them.
    now: &'static AtomicI64,
    tick: i64,
}

impl Shop {
    async fn new() -> Self {
        let server = TestServer::mariadb();
        for (name, rows) in [("a", SOURCE), ("b", TARGET)] {
            server.sql("", &format!("CREATE DATABASE {name}"));
            server.sql(name, TABLES);
            server.sql(name, rows);
        }
        let bucket = Bucket::default();
        let mut source = server.connect(Side::Source, "a").await;
        let mut target = server.connect(Side::Target, "b").await;
        let put = |name: &str, body: String| bucket.set(&format!("reconcile/shop/e1/{name}"), body);
        let catalogue = read_catalogue(&mut target).await.unwrap();
        put(&comparison::catalogue("orders"), serde_json::to_string(&catalogue).unwrap());
        let mut tables = Vec::new();
        for listed in list_tables(&mut source, &mut target, &[], &[]).await.unwrap() {
            assert_eq!(listed.presence, Presence::Both);
            let options = table_diff::Options::default();
            let (found, summary) =
                support::compare(&mut source, &mut target, &listed.table, &options, usize::MAX).await;
            let lines = found.iter().map(|found| serde_json::to_string(found).unwrap() + "\n");
            let table = listed.table.to_string();
            put(&format!("{}part-00001.jsonl", comparison::table("orders", &table)), lines.collect());
            tables.push(TableSummary {
                table,
                status: TableStatus::Different,
                error: None,
                counts: summary.counts,
                seconds: 0.0,
                key_columns: summary.key_columns,
                notes: summary.notes,
                not_compared: summary.not_compared,
                parts: None,
                range: None,
            });
        }
        let database = DatabaseSummary {
            source_cluster: "old".into(),
            target_cluster: "new".into(),
            snapshot: None,
            snapshot_time: None,
            base: None,
            no_base: None,
            tables,
        };
        let summary =
            Summary { databases: BTreeMap::from([("orders".into(), database)]), ..Summary::default() };
        put(comparison::SUMMARY, serde_json::to_string(&summary).unwrap());
        bucket.set("reports/shop/e1/manifest.json", "{}");
        server.sql("b", MEANWHILE);
        let compared = bucket.objects.lock().unwrap().clone();
        let now = Box::leak(Box::new(AtomicI64::new(1_000_000)));
        Self { server, plan: runbook::plan::sample(), compared, bucket, now, tick: 1 }
    }

    /// The same after the comparison, with nothing put back.
    fn anew(&mut self) {
        self.server.sql("b", ANEW);
        self.bucket = Bucket::default();
        *self.bucket.objects.lock().unwrap() = self.compared.clone();
    }

    async fn call(&self, operation: Operation) -> Result<Outcome<Observed>, StepError> {
        self.call_as(operation, "u").await
    }

    async fn call_as(&self, operation: Operation, user: &str) -> Result<Outcome<Observed>, StepError> {
        let (now, tick) = (self.now, self.tick);
        let time = move || Timestamp::from_second(now.fetch_add(tick, Ordering::Relaxed)).unwrap();
        let context = Context {
            config: aws_config::SdkConfig::builder().build(),
            region: "sandbox-west".into(),
            deadline: time() + SignedDuration::from_secs(300),
            clock: Clock::new(time),
        };
        let event =
            Event { operation, plan: "p".into(), execution: "r1".into(), reconcile_execution: "e1".into() };
        let job = Job { context: &context, plan: &self.plan, event: &event, store: &self.bucket };
        let work = match job.begin().await? {
            Begun::Answer(outcome) => return Ok(outcome),
            Begun::Work(work) => work.with_transaction_rows(2),
        };
        let mut place = Place {
            name: "orders".into(),
            cluster: "new".into(),
            target: self.server.target("b"),
            sign_in: SignIn::Secret("shop/orders".into()),
        };
        place.target.user = user.into();
        let places = work.remaining().into_iter().map(|_| place.clone()).collect::<Vec<_>>();
        work.run(&Servers, &places).await
    }

    /// Calls until it is not in progress any more; how often.
    async fn drive(&self, operation: Operation) -> (Outcome<Observed>, usize) {
        for calls in 1..100 {
            let outcome = self.call(operation).await.unwrap();
            if outcome.status != Status::InProgress {
                return (outcome, calls);
            }
        }
        panic!("{operation:?} does not end");
    }

    /// Every fate that an operation kept.
    fn fates(&self, operation: &str) -> Vec<ReplayedRow> {
        let folder = format!("replay/shop/r1/{operation}/");
        let state: Value = serde_json::from_str(&self.bucket.text(&format!("{folder}cursor.json"))).unwrap();
        let names = state["databases"]["orders"]["parts"].as_array().unwrap();
        let parts = names.iter().map(|name| format!("{folder}orders/{}", name.as_str().unwrap()));
        let lines = parts.map(|key| self.bucket.text(&key)).collect::<String>();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Of each table the fates by name.
    fn told(&self, operation: &str) -> BTreeMap<String, usize> {
        let mut told = BTreeMap::new();
        for fate in self.fates(operation) {
            let name = serde_json::to_value(&fate).unwrap()["fate"].as_str().unwrap().to_owned();
            *told.entry(format!("{} {name}", fate.table)).or_default() += 1;
        }
        told
    }

    fn back(&self) -> u64 {
        self.server.number(
            "SELECT (SELECT COUNT(*) FROM b.orders WHERE note = 'lost') + (SELECT COUNT(*) FROM b.items) + (SELECT COUNT(*) FROM b.strict)",
        )
    }

    fn report(&self) -> Value {
        serde_json::from_str(&self.bucket.text("reports/shop/r1/replay.json")).unwrap()
    }
}

fn counted(told: &[(&str, usize)]) -> BTreeMap<String, usize> {
    told.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
}

#[tokio::test]
async fn rows_are_put_back_in_slices_each_has_its_fate_and_a_killed_call_is_gone_on_with() {
    let mut shop = Shop::new().await;
    shop.tick = 15;

    // Out of turn.
    for operation in [Operation::Apply, Operation::Verify] {
        let outcome = shop.call(operation).await.unwrap();
        assert_eq!(outcome.status, Status::Refused);
        assert!(outcome.reason.contains("to be complete in execution r1"), "{}", outcome.reason);
    }

    let (preview, calls) = shop.drive(Operation::Preview).await;
    assert_eq!((preview.status, shop.back()), (Status::NeedsApproval, 0));
    assert!(calls > 1, "{calls}");
    assert_eq!(
        preview.observed.summary,
        "22 rows to put back (orders 22); 4 to leave out: 1 whose key another row has now, 1 with a unique value that \
         another row has, 2 whose parent was left out. 1 row on both sides with different values: not touched."
    );
    assert_eq!(
        preview.observed.location,
        "s3://causeway-reports-000000000000-sandbox-west/reports/shop/r1/replay.html"
    );
    let again = shop.call(Operation::Preview).await.unwrap();
    assert_eq!((again.reason, again.observed), (preview.reason, preview.observed));
    let report = shop.report();
    assert_eq!((&report["applied"], report["left"].as_array().unwrap().len()), (&json!(false), 4));
    assert!(shop.bucket.text("reports/shop/r1/replay.html").contains("Preview: nothing is changed"));

    // A user who may not write: the step breaks, and says what to do.
    shop.server.sql("", "CREATE USER r@'%' IDENTIFIED BY 'p'; GRANT SELECT ON *.* TO r@'%'");
    let error = shop.call_as(Operation::Apply, "r").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(
        error.to_string().contains("secret shop/orders") && error.to_string().contains("replaySecret"),
        "{error}"
    );

    let (applied, calls) = shop.drive(Operation::Apply).await;
    assert_eq!((applied.status, shop.back()), (Status::Done, BACK));
    assert!(calls > 1, "{calls}");
    let expected = [
        ("customers uniqueCollision", 1),
        ("items inserted", 1),
        ("items parentLeftOut", 1),
        ("orders inserted", 19),
        ("orders keyTaken", 1),
        ("orders parentLeftOut", 1),
        ("strict inserted", 1),
        ("strict refused", 1),
    ];
    assert_eq!(shop.told("apply"), counted(&expected));
    let taken = shop.server.number("SELECT COUNT(*) FROM b.orders WHERE id = 104 AND customer = 9");
    assert_eq!(taken, 1, "somebody else's order is untouched");

    // The application goes on.
    shop.server.sql("b", "UPDATE orders SET note = 'sent' WHERE id = 110; DELETE FROM orders WHERE id = 111");
    let (verified, _) = shop.drive(Operation::Verify).await;
    assert_eq!(verified.status, Status::Done);
    assert_eq!(
        verified.observed.summary,
        "20 of 26 lost rows there (1 put back and changed since); 6 left: 1 whose key another row has now, 1 with a \
         unique value that another row has, 2 whose parent was left out, 1 that the server refuses, 1 put back and gone since. 1 row on both sides with different values: not touched."
    );
    let report = shop.report();
    let rows = json!({"there": 19, "altered": 1, "gone": 1, "keyTaken": 1, "uniqueCollision": 1, "parentLeftOut": 2,
        "refused": 1});
    assert_eq!(report["rows"], rows);
    let orders = &report["databases"]["orders"]["tables"]["orders"];
    assert_eq!((&orders["preview"]["inserted"], &orders["apply"]["inserted"]), (&json!(19), &json!(19)));
    assert_eq!(orders["verify"]["alreadyThere"], 17);
    let left = report["left"].as_array().unwrap();
    let reason = |table: &str, key: Value| {
        let row = left.iter().find(|row| row["table"] == table && row["key"]["id"] == key);
        row.unwrap_or_else(|| panic!("{table} {key} is not listed"))["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason("orders", json!(104)), "another row has its key now; it was not touched");
    assert_eq!(reason("customers", json!(2)), "the row with id 9 has the same email");
    assert!(reason("items", json!("i4")).starts_with("it belongs to orders id 104, which is left out"));
    assert!(reason("strict", json!(2)).contains("small"));
    assert_eq!(reason("orders", json!(111)), "it was put back, and is not there any more");
    let page = shop.bucket.text("reports/shop/r1/replay.html");
    assert!(page.contains("whose key another row has now") && page.contains("script&#62;somebody else"));
    for outside in ["<script", "http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let writes = shop.bucket.writes.lock().unwrap().clone();
    let manifest = writes.iter().rposition(|key| key == "reports/shop/r1/manifest.json").unwrap();
    assert!(writes[manifest + 1..].iter().all(|key| !key.starts_with("reports/")), "the manifest is last");
    // After the end, a call does nothing.
    for operation in [Operation::Preview, Operation::Apply, Operation::Verify] {
        shop.call(operation).await.unwrap();
    }
    assert_eq!(*shop.bucket.writes.lock().unwrap(), writes);

    // What was compared changes after the preview, its size does not.
    shop.anew();
    shop.drive(Operation::Preview).await;
    let part = "reconcile/shop/e1/orders/items/part-00001.jsonl";
    shop.bucket.set(part, shop.bucket.text(part).replace("i1", "i2"));
    let outcome = shop.call(Operation::Apply).await.unwrap();
    assert_eq!((outcome.status, shop.back()), (Status::Refused, 0));
    assert!(outcome.reason.contains("has changed since the preview"), "{}", outcome.reason);

    // The plan's limit.
    shop.anew();
    shop.call(Operation::Preview).await.unwrap();
    shop.now.fetch_add(6 * 3600, Ordering::Relaxed);
    let outcome = shop.call(Operation::Preview).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("limits.replayMinutes"), "{}", outcome.reason);

    // Killed before every write there is, of `apply` and of `verify`; or only that write fails.
    let lost = Some(Fault::AnswerLost);
    for (tick, once) in [(1, None), (6, None), (1, Some(Fault::Fails(Kind::Unreachable))), (1, lost)] {
        shop.tick = tick;
        for at in 0.. {
            shop.anew();
            shop.drive(Operation::Preview).await;
            shop.bucket.writes.lock().unwrap().clear();
            match once {
                Some(fault) => shop.bucket.fail(at + 1, fault),
                None => shop.bucket.fails_from = Some(at),
            }
            let mut killed = false;
            for operation in [Operation::Apply, Operation::Verify] {
                killed |= shop.call(operation).await.is_err();
            }
            shop.bucket.fails_from = None;
            *shop.bucket.calls.lock().unwrap() = Calls::default();
            for operation in [Operation::Apply, Operation::Verify] {
                let (outcome, _) = shop.drive(operation).await;
                assert_eq!(outcome.status, Status::Done, "{at}: {}", outcome.reason);
            }
            assert_eq!(shop.back(), BACK, "{at}");
            for operation in ["apply", "verify"] {
                let fates = shop.fates(operation);
                let keys = fates.iter().map(|fate| format!("{} {}", fate.table, json!(fate.key)));
                let keys = keys.collect::<std::collections::BTreeSet<_>>();
                assert_eq!((fates.len(), keys.len()), (LOST, LOST), "{operation}, killed before write {at}");
            }
            assert_eq!(shop.report()["rows"]["there"], BACK, "{at}");
            if !killed {
                assert!(at > 7, "{at}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn personal_values_are_masked_and_so_is_what_refers_to_them() {
    let mut shop = Shop::new().await;
    let marks = json!({"customers": {"personal": ["id", "email"]}, "orders": {"personal": ["note"]}});
    shop.plan.databases.get_mut("orders").unwrap().report = serde_json::from_value(marks).unwrap();
    for operation in [Operation::Preview, Operation::Apply, Operation::Verify] {
        shop.drive(operation).await;
    }
    let page = shop.bucket.text("reports/shop/r1/replay.html");
    let json = shop.bucket.text("reports/shop/r1/replay.json");
    assert!(!page.contains("somebody else") && !json.contains("somebody else"));
    assert!(page.contains("id 104, customer masked, note masked"));
    assert!(page.contains("the row with id masked has the same email"));
    assert!(page.contains("it belongs to customers id masked"));
    assert!(page.contains("CONSTRAINT"), "a table without a mark keeps the server's words");
    // Nothing personal is left out of the fates, which are the data itself.
    assert!(shop.fates("apply").iter().any(|fate| json!(fate).to_string().contains("somebody else")));
}

/// A database that does not answer.
struct Stuck;

impl Replay for Stuck {
    async fn replay(
        &self,
        _: &Place,
        _: Rows<'_, impl table_diff::Differences>,
        _: Option<row_replay::Cursor>,
        _: &mut impl row_replay::Sink,
        _: impl Fn() -> bool + Send + Sync,
    ) -> Result<row_replay::Progress, StepError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_answers_before_its_end_whatever_the_database_does() {
    let begun = tokio::time::Instant::now();
    let zero = Timestamp::from_second(1_000_000).unwrap();
    let time = move || zero + SignedDuration::try_from(begun.elapsed()).unwrap();
    let context = Context {
        config: aws_config::SdkConfig::builder().build(),
        region: "sandbox-west".into(),
        deadline: zero + SignedDuration::from_secs(300),
        clock: Clock::new(time),
    };
    let database = DatabaseSummary {
        source_cluster: "old".into(),
        target_cluster: "new".into(),
        snapshot: None,
        snapshot_time: None,
        base: None,
        no_base: None,
        tables: Vec::new(),
    };
    let summary = Summary { databases: BTreeMap::from([("orders".into(), database)]), ..Summary::default() };
    let bucket = Bucket::default();
    bucket.set("reconcile/shop/e1/summary.json", serde_json::to_string(&summary).unwrap());
    bucket.set("reconcile/shop/e1/orders/catalogue.json", r#"{"tables":{}}"#);
    bucket.set("reports/shop/e1/manifest.json", "{}");
    let plan = runbook::plan::sample();
    let event = Event {
        operation: Operation::Preview,
        plan: "p".into(),
        execution: "r1".into(),
        reconcile_execution: "e1".into(),
    };
    let job = Job { context: &context, plan: &plan, event: &event, store: &bucket };
    let Begun::Work(work) = job.begin().await.unwrap() else { panic!("there is work") };
    let target = table_diff::Target {
        engine: table_diff::Engine::MySql,
        host: "h".into(),
        port: 1,
        user: String::new(),
        password: String::new(),
        database: "d".into(),
        tls: table_diff::Tls::Disabled,
    };
    let place =
        Place { name: "orders".into(), cluster: "new".into(), target, sign_in: SignIn::Secret("s".into()) };
    let outcome = work.run(&Stuck, &[place]).await.unwrap();
    assert_eq!((outcome.status, begun.elapsed().as_secs()), (Status::InProgress, 270));
}
