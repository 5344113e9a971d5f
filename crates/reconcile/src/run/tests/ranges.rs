//! Databases that are cut into ranges: what their children found, put together, is what one comparison finds.

use runbook::plan::Distributed;

use super::*;
use crate::cut::cut;

/// The plan with both databases distributed.
fn plan(above_rows: u64) -> RecoveryPlan {
    let mut plan = runbook::plan::sample();
    for (database, concurrency) in plan.databases.values_mut().zip([8, 3]) {
        database.reconcile.distributed = Some(Distributed { above_rows, concurrency, range_rows: Some(7) });
    }
    plan
}

fn folder() -> Folder {
    Folder::new(&plan(1), "sandbox-west", "e1").unwrap().with_parts_of(200)
}

fn servers(tables: &[(&'static str, u64)]) -> Rows {
    Rows { now: new_clock(), tables: tables.iter().copied().collect() }
}

async fn cut_tables(bucket: &Bucket, tables: &[(&'static str, u64)], above_rows: u64) -> Outcome<Observed> {
    let (servers, all) = (servers(tables), ["catalog", "orders"].map(sides));
    let context = context(servers.now, 300);
    cut(&context, &folder(), bucket, &servers, &plan(above_rows), &all).await.unwrap()
}

fn events(bucket: &Bucket) -> Vec<RangeEvent> {
    let lines = bucket.text("reconcile/shop/e1/ranges.jsonl");
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Calls a child until it is done; its first call is killed before this write.
async fn child(bucket: &mut Bucket, servers: &Rows, event: &RangeEvent, seconds: i64, kill: Option<usize>) {
    let folder = folder().of_range(event);
    let sides = [sides(&event.database)];
    for call in 0..200 {
        bucket.writes.lock().unwrap().clear();
        bucket.fails_from = kill.filter(|_| call == 0);
        if folder.summary(bucket).await.unwrap().is_some() {
            bucket.fails_from = None;
            return;
        }
        let mut state = folder.state(bucket).await.unwrap();
        if state.databases.is_empty() {
            state = range_state(&sides[0], event);
        }
        event.continues(&state).unwrap();
        let part = Part::Range(event.range.clone());
        let context = context(servers.now, seconds);
        match run(&context, &folder, bucket, servers, &plan(1), &sides, (state, &part)).await {
            Ok(outcome) => assert!(matches!(outcome.status, Status::Done | Status::InProgress)),
            Err(error) => assert!(error.to_string().contains("killed"), "{error}"),
        }
    }
    panic!("it does not end");
}

/// Cuts, has every child compare, the last first, and puts together.
async fn distribute(tables: &[(&'static str, u64)], seconds: i64, kill: Option<usize>) -> Bucket {
    let mut bucket = Bucket::default();
    let outcome = cut_tables(&bucket, tables, 1).await;
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    let servers = servers(tables);
    for event in events(&bucket).iter().rev() {
        child(&mut bucket, &servers, event, seconds, kill).await;
    }
    let (bucket, ..) = drive_on(bucket, tables, seconds, |_| u64::MAX).await;
    bucket
}

#[tokio::test]
async fn what_the_ranges_found_is_what_one_comparison_finds() {
    let tables = [("a", 4), ("b", 40), ("c", 14), ("z", 1)];
    let (whole, ..) = drive(&tables, 100_000, |_| u64::MAX).await;
    let expected = result(&whole);
    for (seconds, kill) in
        [(100_000, None), (28, None), (40, Some(0)), (40, Some(1)), (28, Some(2)), (100_000, Some(3))]
    {
        let bucket = distribute(&tables, seconds, kill).await;
        assert_eq!(result(&bucket), expected, "calls of {seconds} s, killed before write {kill:?}");
    }
}

#[tokio::test]
async fn only_databases_above_the_plans_size_are_cut_and_only_once() {
    let tables = [("a", 4), ("b", 40)];
    let bucket = Bucket::default();
    let outcome = cut_tables(&bucket, &tables, 44).await;
    assert_eq!(outcome.status, Status::NotNeeded);
    assert!(
        outcome.reason.contains("database orders has some 44 rows, no more than 44"),
        "{}",
        outcome.reason
    );
    let cut = outcome.observed.cut.unwrap();
    assert_eq!((cut.ranges, cut.key.as_str()), (0, "reconcile/shop/e1/ranges.jsonl"));
    assert!(bucket.objects.lock().unwrap().is_empty());

    let outcome = cut_tables(&bucket, &tables, 43).await;
    assert_eq!(
        (outcome.status, outcome.reason.as_str()),
        (Status::Done, "12 ranges are compared by themselves, 3 at once")
    );
    let of_orders =
        events(&bucket).into_iter().filter(|event| event.database == "orders").collect::<Vec<_>>();
    let names = of_orders.iter().map(|event| (event.table.name.as_str(), event.number)).collect::<Vec<_>>();
    assert_eq!(names, [("b", 1), ("b", 2), ("b", 3), ("b", 4), ("b", 5), ("a", 1)], "the largest first");
    // Another cut, of tables that have grown, changes nothing.
    let before = bucket.text("reconcile/shop/e1/ranges.jsonl");
    let again = cut_tables(&bucket, &[("a", 400), ("b", 400)], 1).await;
    assert_eq!((again.status, again.observed.cut.unwrap().ranges), (Status::Done, 12));
    assert_eq!(bucket.text("reconcile/shop/e1/ranges.jsonl"), before);
}

#[tokio::test]
async fn a_plan_that_does_not_fit_the_tables_is_refused_before_they_are_compared() {
    let (servers, all, bucket) = (servers(&[("b", 40)]), [sides("orders")], Bucket::default());
    let mut plan = plan(1);
    let hints = serde_json::from_value(json!({"gone": {}})).unwrap();
    plan.databases.get_mut("orders").unwrap().report = hints;
    let context = context(servers.now, 300);
    let error = cut(&context, &folder(), &bucket, &servers, &plan, &all).await.unwrap_err();
    assert!(error.to_string().contains("there is no table gone"), "{error}");
    assert!(bucket.objects.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_call_that_has_no_time_left_cuts_nothing() {
    let (servers, all, bucket) = (servers(&[("b", 40)]), [sides("orders")], Bucket::default());
    let context = context(servers.now, 29);
    let error = cut(&context, &folder(), &bucket, &servers, &plan(1), &all).await.unwrap_err().to_string();
    assert!(error.contains("database orders: its tables were not cut in the time of a call"), "{error}");
    assert!(bucket.objects.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_range_that_is_missing_or_another_is_an_error_and_one_that_broke_is_told() {
    let tables = [("b", 40), ("broken", 14), ("moved", 14)];
    let bucket = distribute(&tables, 100_000, None).await;
    let summary: Summary = serde_json::from_str(&bucket.text("reconcile/shop/e1/summary.json")).unwrap();
    let of = |name: &str| {
        let tables = &summary.databases["orders"].tables;
        tables.iter().find(|table| table.table == name).unwrap().clone()
    };
    assert_eq!(of("b").status, TableStatus::Different);
    assert_eq!(of("broken").error.unwrap(), "range 1 of 2: it broke");
    assert_eq!((of("moved").status, of("moved").error.unwrap()), (TableStatus::Error, "a cut moved".into()));

    // What the merge says when it is asked again.
    let key = "reconcile/shop/e1/orders/b/range-00003/summary.json";
    let third = bucket.text(key);
    let merge = async || {
        let all = [sides("orders")];
        let ranges = Part::All(folder().ranges(&bucket).await.unwrap().unwrap());
        let (servers, plan) = (servers(&tables), plan(1));
        let context = context(servers.now, 100_000);
        let state = State::default();
        run(&context, &folder(), &bucket, &servers, &plan, &all, (state, &ranges))
            .await
            .unwrap_err()
            .to_string()
    };
    bucket.objects.lock().unwrap().remove(key);
    let error = merge().await;
    assert!(
        error.contains("range 3 of 5 of orders/b is not compared") && error.contains("redrive"),
        "{error}"
    );
    bucket.set(key, bucket.text("reconcile/shop/e1/orders/b/range-00002/summary.json"));
    let error = merge().await;
    assert!(error.contains("what was compared as range 3 of 5 of orders/b is something else"), "{error}");
    bucket.set(key, third);
    // A list with a gap is no list.
    let lines = bucket.text("reconcile/shop/e1/ranges.jsonl");
    let gap = lines.lines().filter(|line| !line.contains(r#""name":"b"},"number":5"#)).collect::<Vec<_>>();
    bucket.set("reconcile/shop/e1/ranges.jsonl", gap.join("\n"));
    let error = folder().ranges(&bucket).await.unwrap_err().to_string();
    assert!(
        error.contains("ranges.jsonl is not in the format")
            && error.contains("b: the last range does not end"),
        "{error}"
    );
}

#[test]
fn a_range_that_was_begun_with_other_keys_is_refused() {
    let event = |high| RangeEvent {
        database: "orders".into(),
        table: Table { schema: None, name: "b".into() },
        number: 1,
        range: key_range(None, Some(high)),
    };
    let state = range_state(&sides("orders"), &event(7));
    event(7).continues(&state).unwrap();
    event(8).continues(&State::default()).unwrap();
    let error = event(8).continues(&state).unwrap_err().to_string();
    assert!(error.contains("range 1 of orders/b was begun with other keys"), "{error}");
}
