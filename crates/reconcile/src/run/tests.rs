use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use runbook::bucket::fake::Bucket;
use runbook::error::Kind;
use runbook::fakes::Fault;
use serde_json::json;
use table_diff::{Counts, DifferenceKind, Engine, OTHERS, Table, TableSummary as Found, Target};

use super::*;

mod ranges;

/// Tables of numbered rows of which every third is missing. A range is one row and takes a second.
struct Rows {
    now: &'static AtomicU64,
    tables: BTreeMap<&'static str, u64>,
}

/// At a row, after those behind `low`.
fn cursor(low: u64, row: u64) -> Cursor {
    let (rows, missing) = (row - low, row / 3 - low / 3);
    let counts = Counts { rows_source: rows, rows_target: rows - missing, missing, ..Counts::default() };
    serde_json::from_value(
        json!({"counts": counts, "keyColumns": ["id"], "position": {"afterKey": {"key": [format!("{row:016x}")]}}}),
    )
    .unwrap()
}

/// The row of a key, in JSON.
fn row_of(key: &serde_json::Value) -> Option<u64> {
    u64::from_str_radix(key[0].as_str()?, 16).ok()
}

fn row_at(cursor: &Cursor) -> u64 {
    let json = serde_json::to_value(cursor).unwrap();
    row_of(&json["position"]["afterKey"]["key"]).unwrap()
}

fn key_range(low: Option<u64>, high: Option<u64>) -> KeyRange {
    let key = |row: u64| [format!("{row:016x}")];
    let mut range = json!({"columns": ["id"]});
    low.into_iter().for_each(|row| range["low"] = json!(key(row)));
    high.into_iter().for_each(|row| range["high"] = json!(key(row)));
    serde_json::from_value(range).unwrap()
}

impl Compare for Rows {
    async fn list_tables(&self, _: &Sides, _: &[String], _: &[String]) -> Result<Vec<Listed>, Failure> {
        let table =
            |name: &str, presence| Listed { table: Table { schema: None, name: name.into() }, presence };
        let presence = |name: &str| if name == OTHERS { Presence::Hidden } else { Presence::Both };
        let mut tables = self.tables.keys().map(|name| table(name, presence(name))).collect::<Vec<_>>();
        if !tables.is_empty() {
            tables.push(table("old", Presence::SourceOnly));
        }
        Ok(tables)
    }

    async fn catalogue(&self, _: &Sides) -> Result<Catalogue, StepError> {
        Ok(Catalogue::default())
    }

    async fn estimated_rows(&self, _: &Sides) -> Result<BTreeMap<Table, u64>, StepError> {
        let of = |(name, rows): (&&str, &u64)| (Table { schema: None, name: (*name).to_owned() }, *rows);
        Ok(self.tables.iter().map(of).collect())
    }

    async fn key_ranges(
        &self,
        _: &Sides,
        table: &Table,
        (rows, most): (u64, usize),
    ) -> Result<Vec<KeyRange>, Failure> {
        assert!(most > 1);
        let cuts = (1..self.tables[table.name.as_str()] / rows).map(|number| number * rows);
        let highs = cuts.clone().map(Some).chain([None]);
        Ok([None]
            .into_iter()
            .chain(cuts.map(Some))
            .zip(highs)
            .map(|(low, high)| key_range(low, high))
            .collect())
    }

    async fn check_ranges(&self, _: &Sides, table: &Table, ranges: &[KeyRange]) -> Result<(), Failure> {
        assert!(!ranges.is_empty());
        if table.name == "moved" { Err(Failure::Table("a cut moved".into())) } else { Ok(()) }
    }

    async fn compare_table(
        &self,
        _: &Sides,
        (table, range): (&Table, &KeyRange),
        from: Option<Cursor>,
        sink: &mut impl Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Progress, Failure> {
        let range = serde_json::to_value(range).unwrap();
        let low = row_of(&range["low"]).unwrap_or_default();
        let rows = row_of(&range["high"]).unwrap_or_else(|| self.tables[table.name.as_str()]);
        for row in from.as_ref().map_or(low, row_at) + 1..=rows {
            if table.name == "broken" {
                return Err(Failure::Table("it broke".into()));
            }
            self.now.fetch_add(1, Ordering::Relaxed);
            let found = (row % 3 == 0).then(|| Difference {
                kind: DifferenceKind::Missing,
                key: serde_json::Map::from_iter([("id".to_owned(), json!(row))]),
                source: Some(serde_json::Map::from_iter([
                    ("id".to_owned(), json!(row)),
                    ("v".to_owned(), json!("x".repeat(50))),
                ])),
                target: None,
                base: None,
            });
            let at = cursor(low, row);
            sink.reached(found.into_iter().collect(), &at)
                .await
                .map_err(|error| Failure::Step(*error.downcast::<StepError>().unwrap()))?;
            if row < rows && stop() {
                return Ok(Progress::Interrupted(Some(at)));
            }
        }
        let found = Found {
            counts: cursor(low, rows).counts,
            key_columns: vec!["id".into()],
            notes: Vec::new(),
            not_compared: Vec::new(),
        };
        Ok(Progress::Finished(found))
    }
}

fn sides(name: &str) -> Sides {
    let target = Target {
        engine: Engine::MySql,
        host: "h".into(),
        port: 1,
        user: "u".into(),
        password: "p".into(),
        database: name.into(),
        tls: table_diff::Tls::Disabled,
    };
    Sides {
        name: name.into(),
        source_cluster: "old".into(),
        target_cluster: "new".into(),
        snapshot: None,
        snapshot_time: None,
        source: target.clone(),
        target,
        base: Err("none".into()),
        known: BTreeSet::new(),
        sign_in: runbook::secret::SignIn::Secret("s".into()),
        exclude_columns: Default::default(),
        connections: 1,
    }
}

fn new_clock() -> &'static AtomicU64 {
    Box::leak(Box::new(AtomicU64::new(1_000_000)))
}

fn context(now: &'static AtomicU64, seconds: i64) -> Context {
    let time = |now: &AtomicU64| {
        Timestamp::from_second(i64::try_from(now.load(Ordering::Relaxed)).unwrap()).unwrap()
    };
    Context {
        config: aws_config::SdkConfig::builder().build(),
        region: "sandbox-west".into(),
        deadline: time(now) + jiff::SignedDuration::from_secs(seconds),
        clock: runbook::step::Clock::new(move || time(now)),
    }
}

/// No table has ranges.
fn whole() -> Part {
    Part::All(Ranges::default())
}

/// Calls until it is done; `kill` says before which write of a call it is killed.
async fn drive(
    tables: &[(&'static str, u64)],
    seconds: i64,
    kill: impl FnMut(u64) -> u64,
) -> (Bucket, Outcome<Observed>, u64) {
    drive_on(Bucket::default(), tables, seconds, kill).await
}

/// As [`drive`], on a bucket that has something already, or that fails by itself.
async fn drive_on(
    mut bucket: Bucket,
    tables: &[(&'static str, u64)],
    seconds: i64,
    mut kill: impl FnMut(u64) -> u64,
) -> (Bucket, Outcome<Observed>, u64) {
    let plan = runbook::plan::sample();
    let folder = Folder::new(&plan, "sandbox-west", "e1").unwrap().with_parts_of(200);
    let now = new_clock();
    let servers = Rows { now, tables: tables.iter().copied().collect() };
    for call in 0..2000 {
        bucket.writes.lock().unwrap().clear();
        bucket.fails_from = usize::try_from(kill(call)).ok();
        if let Some(summary) = folder.summary(&bucket).await.unwrap() {
            return (bucket, done(&summary), call);
        }
        let state = folder.state(&bucket).await.unwrap();
        let all = ["catalog", "orders"].map(sides);
        let all = all.into_iter().filter(|sides| !state.is_finished(&sides.name)).collect::<Vec<_>>();
        let part = Part::All(folder.ranges(&bucket).await.unwrap().unwrap_or_default());
        let outcome =
            run(&context(now, seconds), &folder, &bucket, &servers, &plan, &all, (state, &part)).await;
        match outcome {
            Ok(outcome) if outcome.status != Status::InProgress => return (bucket, outcome, call),
            Ok(_) => {}
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("killed") || text.contains("injected"), "{text}");
            }
        }
    }
    panic!("it does not end");
}

/// The lines of every table and the summary without its times.
fn result(bucket: &Bucket) -> (BTreeMap<String, String>, serde_json::Value) {
    let mut summary: serde_json::Value =
        serde_json::from_str(&bucket.text("reconcile/shop/e1/summary.json")).unwrap();
    summary.as_object_mut().unwrap().remove("completedAt").unwrap();
    let mut lines = BTreeMap::new();
    for database in ["catalog", "orders"] {
        // An earlier version knew of no state at the takeover.
        summary["databases"][database].as_object_mut().unwrap().remove("noBase");
        for table in summary["databases"][database]["tables"].as_array_mut().unwrap() {
            let table = table.as_object_mut().unwrap();
            table.remove("seconds");
            let folder = format!("reconcile/shop/e1/{database}/{}", table["table"].as_str().unwrap());
            let keys: Vec<String> = match table.remove("parts") {
                Some(names) => {
                    let names = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                    names.map(|name| format!("{folder}/{name}")).collect()
                }
                // Of an earlier version: every part there is.
                None => {
                    let objects = bucket.objects.lock().unwrap();
                    objects.keys().filter(|key| key.starts_with(&format!("{folder}/"))).cloned().collect()
                }
            };
            let text = keys.iter().map(|key| bucket.text(key)).collect::<String>();
            if !text.is_empty() {
                lines.insert(folder, text);
            }
        }
    }
    (lines, summary)
}

/// What was not compared is never passed over, and is no comparison.
#[tokio::test]
async fn tables_that_can_not_be_seen_and_none_at_all_are_told() {
    let refused = (Status::Refused, "nothing was compared; ");
    for (tables, (status, compared), name, expected) in [
        (
            &[("a", 4), (OTHERS, 0)][..],
            (Status::Done, "2 tables compared"),
            OTHERS,
            "the user may read single tables only",
        ),
        (&[], refused, NO_TABLE, "there is no table to compare in "),
    ] {
        let (bucket, outcome, _) = drive(tables, 100_000, |_| u64::MAX).await;
        assert_eq!(outcome.status, status);
        assert!(outcome.reason.starts_with(compared), "{}", outcome.reason);
        let (_, summary) = result(&bucket);
        for database in ["catalog", "orders"] {
            let said = format!("{database}/{name} could not be compared: {expected}");
            assert!(outcome.reason.contains(&said), "{said}: {}", outcome.reason);
            let tables = summary["databases"][database]["tables"].as_array().unwrap();
            let of = tables.iter().find(|table| table["table"] == name).unwrap();
            assert_eq!(of["status"], "error", "{summary}");
        }
    }
}

/// What a check on a quiet day saw has to be compared, or said not to be.
#[test]
fn a_table_that_was_seen_and_is_not_listed_any_more_is_gone() {
    let listed = |names: &[&str]| -> Vec<Listed> {
        let one = |name: &&str| Listed {
            table: table_diff::Table { schema: None, name: (*name).to_owned() },
            presence: Presence::Both,
        };
        names.iter().map(one).collect()
    };
    let known = ["a", "b", "c"].map(String::from).into();
    let sides = Sides { known, ..sides("orders") };
    let find = |names: &[&str], wanted: &runbook::plan::Reconcile| {
        gone(&sides, &listed(names), wanted).map(String::from).collect::<Vec<_>>()
    };
    let wanted = runbook::plan::Reconcile::default();
    assert_eq!(find(&["a", "b", "c", "d"], &wanted), [""; 0]);
    assert_eq!(find(&["a"], &wanted), ["b", "c"]);
    assert_eq!(find(&[], &wanted), ["a", "b", "c"]);
    let left_out = runbook::plan::Reconcile { exclude: vec!["b".into()], ..wanted.clone() };
    assert_eq!(find(&["a"], &left_out), ["c"]);
    let named = runbook::plan::Reconcile { tables: vec!["a".into()], ..wanted };
    assert_eq!(find(&["a"], &named), [""; 0], "whoever names the tables knows what is compared");
}

const TABLES: [(&str, u64); 4] = [("a", 4), ("b", 40), ("broken", 5), ("z", 1)];

#[tokio::test]
async fn the_result_is_the_same_however_often_it_is_cut_or_killed() {
    let (whole, outcome, calls) = drive(&TABLES, 100_000, |_| u64::MAX).await;
    assert_eq!(calls, 0);
    let expected = result(&whole);
    assert_eq!(expected.1["databases"]["orders"]["tables"][1]["missing"], 13);
    assert_eq!(expected.1["databases"]["orders"]["tables"][1]["rowsSource"], 40);
    assert_eq!(expected.0["reconcile/shop/e1/orders/b"].lines().count(), 13);
    assert_eq!(outcome.observed.counts.missing, 2 * (1 + 13));
    assert_eq!(outcome.observed.tables_in_error, 4);
    assert!(outcome.reason.contains("orders/broken could not be compared: it broke"), "{}", outcome.reason);
    assert!(outcome.reason.contains("catalog/old could not be compared"), "{}", outcome.reason);

    // Cut after every few rows.
    let (cut, _, calls) = drive(&TABLES, 30, |_| u64::MAX).await;
    assert!(calls > 5, "{calls}");
    assert_eq!(result(&cut), expected);
    // Killed before every write there is, one after another, in long and in short calls.
    for seconds in [40, 100_000] {
        for at in 0..30 {
            let (killed, _, _) = drive(&TABLES, seconds, |call| if call == 0 { at } else { u64::MAX }).await;
            assert_eq!(result(&killed), expected, "killed before write {at}");
        }
        let (killed, _, _) = drive(&TABLES, seconds, |call| 2 + call % 7).await;
        assert_eq!(result(&killed), expected);
    }
}

#[tokio::test]
async fn a_write_that_fails_once_loses_no_difference() {
    let (whole, ..) = drive(&TABLES, 100_000, |_| u64::MAX).await;
    let expected = result(&whole);
    for fault in [Fault::Fails(Kind::Unreachable), Fault::AnswerLost] {
        for k in 1..=20 {
            let bucket = Bucket::default();
            bucket.fail(k, fault);
            let (bucket, ..) = drive_on(bucket, &TABLES, 100_000, |_| u64::MAX).await;
            assert_eq!(result(&bucket), expected, "write {k}: {fault:?}");
        }
    }
}

/// An execution whose parts had numbers only, killed behind its second part: as that code left it.
#[tokio::test]
async fn an_execution_that_counted_its_parts_is_continued() {
    let tables = [("b", 40)];
    let (whole, ..) = drive(&tables, 100_000, |_| u64::MAX).await;
    let expected = result(&whole);
    let rows = expected.0["reconcile/shop/e1/orders/b"].split_inclusive('\n').collect::<Vec<_>>();
    let bucket = Bucket::default();
    let part = |number, rows: &[&str]| {
        bucket
            .set(&format!("reconcile/shop/e1/orders/b/{}", comparison::counted_part(number)), rows.concat());
    };
    part(1, &rows[..2]);
    part(2, &rows[2..4]);
    part(3, &["left by the killed call\n"]);
    let table = |name, presence| Listed { table: Table { schema: None, name }, presence };
    let remaining = [table("b".to_owned(), Presence::Both), table("old".to_owned(), Presence::SourceOnly)];
    let (done, left) = (&expected.1["databases"]["catalog"], &expected.1["databases"]["orders"]);
    let mut done = done.clone();
    for table in done["tables"].as_array_mut().unwrap() {
        table["seconds"] = json!(1.0);
    }
    let mut begun = left.clone();
    begun["tables"] = json!([]);
    let state = json!({"settled": false, "databases": {
        "catalog": {"summary": done, "remaining": [], "current": {"cursor": null, "parts": 0, "seconds": 0.0}},
        "orders": {"summary": begun, "remaining": remaining, "current": {"cursor": cursor(0, 14), "parts": 2, "seconds": 1.0}},
    }});
    bucket.set("reconcile/shop/e1/cursor.json", state.to_string());
    let (bucket, ..) = drive_on(bucket, &tables, 100_000, |_| u64::MAX).await;
    let summary: Summary = serde_json::from_str(&bucket.text("reconcile/shop/e1/summary.json")).unwrap();
    assert_eq!(summary.databases["catalog"].tables[0].parts, None, "found by their keys, as before");
    let of_b = &summary.databases["orders"].tables[0];
    let names = of_b.parts.as_ref().unwrap();
    assert_eq!(names[..2], ["part-00001.jsonl", "part-00002.jsonl"]);
    assert!(names[2].starts_with("part-00003-"), "{names:?}");
    let text = names.iter().map(|name| bucket.text(&format!("reconcile/shop/e1/orders/b/{name}")));
    assert_eq!(text.collect::<String>(), rows.concat());
    assert_eq!(of_b.counts.missing, 13);
}

#[tokio::test]
async fn what_is_in_progress_says_where_it_stands() {
    let plan = runbook::plan::sample();
    let folder = Folder::new(&plan, "sandbox-west", "e1").unwrap();
    let bucket = Bucket::default();
    let now = new_clock();
    let servers = Rows { now, tables: BTreeMap::from([("a", 1), ("b", 1000)]) };
    let state = folder.state(&bucket).await.unwrap();
    let outcome =
        run(&context(now, 300), &folder, &bucket, &servers, &plan, &[sides("orders")], (state, &whole()))
            .await
            .unwrap();
    assert_eq!(outcome.status, Status::InProgress);
    assert_eq!(
        outcome.reason,
        "1 tables compared, 2 left so far, comparing orders/b now; 240 rows of the old primary read: 79 missing, 0 changed, 0 extra"
    );
}

#[test]
fn what_the_plan_says_of_tables_has_to_fit_them() {
    let mut plan = runbook::plan::sample();
    let hints = json!({
        "order": {"changedAt": "", "personal": ["mail"], "partOf": "customer", "amount": "totl", "currency": "in"},
        "gone": {},
    });
    plan.databases.get_mut("orders").unwrap().report = serde_json::from_value(hints).unwrap();
    let columns = ["order.total".to_owned(), "order.kept".to_owned()];
    plan.databases.get_mut("orders").unwrap().reconcile.exclude_columns = columns.to_vec();
    let kept = json!({"name": "kept", "typeText": "int", "kind": "integer", "nullable": true});
    let catalogue = json!({"tables": {"order": {"columns": [kept], "primaryKey": []}}});
    let catalogue: Catalogue = serde_json::from_value(catalogue).unwrap();
    let error = check_hints(&plan, "orders", &catalogue).unwrap_err().to_string();
    let parts = [
        "no table gone",
        "order has no column mail",
        "order has no column totl",
        "order has no column in",
        "no table customer",
        "no column order.total",
        "databases.orders.report",
    ];
    for part in parts {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    assert!(!error.contains("order.kept"), "{error}");
    check_hints(&plan, "catalog", &catalogue).unwrap();
}

/// What a call left that was killed, as the version of 2026-11-30 wrote it, is continued, and the result is the same.
#[tokio::test]
async fn what_an_earlier_version_left_half_way_is_continued() {
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/formats/reconcile-killed");
    let (mut bucket, mut folders) = (Bucket::default(), vec![kept.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let key = format!("reconcile/shop/e1/{}", path.strip_prefix(&kept).unwrap().display());
            bucket.objects.lock().unwrap().insert(key, std::fs::read(&path).unwrap());
        }
    }
    let plan = runbook::plan::sample();
    let folder = Folder::new(&plan, "sandbox-west", "e1").unwrap().with_parts_of(200);
    let now = new_clock();
    let servers = Rows { now, tables: TABLES.iter().copied().collect() };
    bucket.fails_from = None;
    let state = folder.state(&bucket).await.unwrap();
    assert!(state.is_finished("catalog") && !state.is_finished("orders"));
    let all = [sides("orders")];
    let outcome = run(&context(now, 100_000), &folder, &bucket, &servers, &plan, &all, (state, &whole()))
        .await
        .unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    let (whole, ..) = drive(&TABLES, 100_000, |_| u64::MAX).await;
    assert_eq!(result(&bucket), result(&whole));
}
