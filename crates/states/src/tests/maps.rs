use serde_json::{Value, json};

use super::{MACHINE, call, ended, mapped, plan, run, staged, start};

fn ids(all: impl IntoIterator<Item = i64>) -> Vec<Value> {
    all.into_iter().map(|id| json!({"id": id})).collect()
}

#[tokio::test(start_paused = true)]
async fn every_item_is_worked_on_and_results_are_in_the_order_of_the_items() {
    let (stage, service) = staged(&mapped(&json!({})));
    stage.items(ids(1..=5));
    // The first is the last that ends.
    stage.seconds.lock().unwrap().insert(1, 60);
    let (status, output) = run(&service, plan()).await;
    let done: Vec<Value> = (1..=5).map(|id| json!({"done": id})).collect();
    assert_eq!((status.as_str(), output), ("SUCCEEDED", json!(done)));
    assert_eq!(stage.most_at_once(), 2);
    assert_eq!(stage.events.lock().unwrap()[4], json!({"id": 5, "number": 4, "plan": "shop"}));
}

#[tokio::test(start_paused = true)]
async fn the_input_says_how_many_run_at_once() {
    let mut definition = mapped(&json!({"MaxConcurrencyPath": "$.most"}));
    definition["States"]["Ranges"].as_object_mut().unwrap().remove("MaxConcurrency");
    for (most, expected) in [(json!(3), Some(3)), (json!(0), Some(6)), (json!("3"), None)] {
        let (stage, service) = staged(&definition);
        stage.items(ids(1..=6));
        let mut input = plan();
        input["most"] = most;
        let (status, output) = run(&service, input).await;
        match expected {
            Some(expected) => assert_eq!((status.as_str(), stage.most_at_once()), ("SUCCEEDED", expected)),
            None => assert_eq!((status.as_str(), &output[0]), ("FAILED", &json!("States.Runtime"))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_child_that_fails_fails_the_map_and_ends_the_others() {
    let (stage, service) = staged(&mapped(&json!({})));
    stage.items(ids(1..=6));
    stage.broken.lock().unwrap().insert(2);
    stage.seconds.lock().unwrap().extend([(2, 5), (4, 60)]);
    let arn = start(&service, plan()).await;
    let (status, why) = ended(&service, &arn).await;
    let expected = json!([
        "States.ExceedToleratedFailureThreshold",
        "The specified tolerated failure threshold was exceeded"
    ]);
    assert_eq!((status.as_str(), why), ("FAILED", expected));
    let runs = call(&service, "ListMapRuns", json!({"executionArn": arn})).await.unwrap();
    let runs = runs["mapRuns"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["stateMachineArn"], format!("{MACHINE}/ranges"));
    let run = call(&service, "DescribeMapRun", json!({"mapRunArn": runs[0]["mapRunArn"]})).await.unwrap();
    assert_eq!((&run["status"], &run["maxConcurrency"]), (&json!("FAILED"), &json!(2)));
    let counts = &run["itemCounts"];
    let count = |name: &str| counts[name].as_u64().unwrap();
    // At two at once, 1, 3, 4 and 5 had ended when 2 failed; 6 was running.
    let all = ["succeeded", "failed", "aborted", "running", "pending", "total"].map(count);
    assert_eq!(all.iter().take(5).sum::<u64>(), all[5], "{counts}");
    assert_eq!((count("failed"), count("running"), count("total")), (1, 0, 6), "{counts}");
    assert_eq!(count("aborted"), 1, "{counts}");
    let operations: Vec<String> = stage.asked.lock().unwrap().clone();
    let start_of = format!("StartExecution {MACHINE}");
    let executions = MACHINE.replace(":stateMachine:", ":execution:");
    assert_eq!(
        operations,
        [start_of, format!("DescribeExecution {executions}:*"), format!("StopExecution {executions}:*")]
    );
}

#[tokio::test(start_paused = true)]
async fn no_items_are_no_results() {
    let (stage, service) = staged(&mapped(&json!({})));
    stage.items([]);
    assert_eq!(run(&service, plan()).await, ("SUCCEEDED".to_owned(), json!([])));
}

#[tokio::test(start_paused = true)]
async fn items_that_cannot_be_read_fail_the_map() {
    for object in [None, Some("{\"id\": 1}\n{\"id\": "), Some("\u{fffd}")] {
        let (stage, service) = staged(&mapped(&json!({})));
        if let Some(text) = object {
            stage.objects.lock().unwrap().insert("bucket/items.jsonl".to_owned(), text.to_owned());
        }
        let (status, why) = run(&service, plan()).await;
        assert_eq!((status.as_str(), &why[0]), ("FAILED", &json!("States.ItemReaderFailed")), "{why}");
        assert!(why[1].as_str().unwrap().contains("s3://bucket/items.jsonl"), "{why}");
        assert!(stage.events.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn results_that_are_too_many_fail_the_map_though_every_child_succeeded() {
    let selector = json!({"id.$": "$$.Map.Item.Value.id", "much": "x".repeat(1_000)});
    let mut definition = mapped(&json!({"ItemSelector": selector, "MaxConcurrency": 0}));
    let child = &mut definition["States"]["Ranges"]["ItemProcessor"]["States"]["Work"];
    child["ResultPath"] = json!(null);
    child["OutputPath"] = json!("$");
    let (stage, service) = staged(&definition);
    stage.items(ids(0..300));
    let (status, why) = run(&service, plan()).await;
    assert_eq!((status.as_str(), &why[0]), ("FAILED", &json!("States.DataLimitExceeded")), "{why}");
    assert_eq!(stage.events.lock().unwrap().len(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_start_children_fails_the_map() {
    let (stage, service) = staged(&mapped(&json!({})));
    stage.items(ids(1..=2));
    stage.denied.lock().unwrap().insert("StartExecution".to_owned());
    let (status, why) = run(&service, plan()).await;
    assert_eq!((status.as_str(), &why[0]), ("FAILED", &json!("States.Permissions")), "{why}");
    assert!(stage.events.lock().unwrap().is_empty());
}
