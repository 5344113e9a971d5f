use serde_json::{Value, json};

use super::{call, ended, mapped, plan, staged, start, work};

async fn counts(service: &crate::StepFunctions, execution: &str) -> Value {
    let runs = call(service, "ListMapRuns", json!({"executionArn": execution})).await.unwrap();
    let runs = runs["mapRuns"].as_array().unwrap();
    assert_eq!(runs.len(), 1, "a redrive goes on with the same run");
    call(service, "DescribeMapRun", json!({"mapRunArn": runs[0]["mapRunArn"]})).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn only_the_children_that_did_not_succeed_run_again() {
    let (stage, service) = staged(&mapped(&json!({})));
    stage.items((1..=6).map(|id| json!({"id": id})));
    stage.broken.lock().unwrap().insert(3);
    let arn = start(&service, plan()).await;
    assert_eq!(ended(&service, &arn).await.0, "FAILED");
    // 1 and 2 are done, 3 failed, 4 was aborted; 5 and 6 have not begun.
    assert_eq!(stage.ids(), [1, 2, 3, 4]);
    // The items are not read again.
    stage.objects.lock().unwrap().clear();
    stage.broken.lock().unwrap().clear();
    stage.events.lock().unwrap().clear();
    call(&service, "RedriveExecution", json!({"executionArn": arn})).await.unwrap();
    let (status, output) = ended(&service, &arn).await;
    let done: Vec<Value> = (1..=6).map(|id| json!({"done": id})).collect();
    assert_eq!((status.as_str(), output), ("SUCCEEDED", json!(done)));
    assert_eq!(stage.ids(), [3, 4, 5, 6]);
    assert_eq!(stage.most_at_once(), 2);
    let run = counts(&service, &arn).await;
    assert_eq!((&run["status"], &run["redriveCount"]), (&json!("SUCCEEDED"), &json!(1)));
    assert_eq!(run["executionCounts"]["succeeded"], 6);
    let shown = call(&service, "DescribeExecution", json!({"executionArn": arn})).await.unwrap();
    assert_eq!((&shown["redriveCount"], &shown["redriveStatus"]), (&json!(1), &json!("NOT_REDRIVABLE")));
    let error = call(&service, "RedriveExecution", json!({"executionArn": arn})).await.unwrap_err();
    assert_eq!(error.code, "ExecutionNotRedrivable");
}

#[tokio::test(start_paused = true)]
async fn a_child_goes_on_with_the_state_that_failed() {
    let mut definition = mapped(&json!({"ItemSelector": {"id.$": "$$.Map.Item.Value.id"}}));
    definition["States"]["Ranges"]["ItemProcessor"]["States"] = json!({
        "Work": work(&json!({"OutputPath": "$", "ResultPath": null, "Next": "Again"})),
        "Again": work(&json!({"End": true})),
    });
    let (stage, service) = staged(&definition);
    stage.items([json!({"id": 1})]);
    let arn = start(&service, plan()).await;
    // The first task has ended, the second one is on.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(stage.ids(), [1, 1]);
    stage.broken.lock().unwrap().insert(1);
    assert_eq!(ended(&service, &arn).await.0, "FAILED");
    stage.broken.lock().unwrap().clear();
    call(&service, "RedriveExecution", json!({"executionArn": arn})).await.unwrap();
    assert_eq!(ended(&service, &arn).await, ("SUCCEEDED".to_owned(), json!([{"done": 1}])));
    assert_eq!(stage.ids(), [1, 1, 1], "the first task ran once");
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_goes_on() {
    let (stage, service) = staged(&mapped(&json!({})));
    stage.items((1..=4).map(|id| json!({"id": id})));
    stage.seconds.lock().unwrap().insert(2, 600);
    let arn = start(&service, plan()).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let stop = json!({"executionArn": arn, "error": "Enough", "cause": "a test"});
    assert!(call(&service, "StopExecution", stop).await.unwrap()["stopDate"].is_string());
    assert_eq!(ended(&service, &arn).await, ("ABORTED".to_owned(), json!(["Enough", "a test"])));
    let run = counts(&service, &arn).await;
    assert_eq!((&run["status"], &run["itemCounts"]["aborted"]), (&json!("ABORTED"), &json!(2)), "{run}");
    assert_eq!(
        (&run["itemCounts"]["succeeded"], &run["itemCounts"]["pending"]),
        (&json!(1), &json!(1)),
        "{run}"
    );
    stage.seconds.lock().unwrap().clear();
    call(&service, "RedriveExecution", json!({"executionArn": arn})).await.unwrap();
    assert_eq!(ended(&service, &arn).await.0, "SUCCEEDED");
    assert_eq!(stage.ids().iter().filter(|id| **id == 1).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_map_that_had_not_begun_begins() {
    let (stage, service) = staged(&mapped(&json!({})));
    let arn = start(&service, plan()).await;
    assert_eq!(ended(&service, &arn).await.1[0], "States.ItemReaderFailed");
    stage.items([json!({"id": 1})]);
    call(&service, "RedriveExecution", json!({"executionArn": arn})).await.unwrap();
    assert_eq!(ended(&service, &arn).await, ("SUCCEEDED".to_owned(), json!([{"done": 1}])));
}

#[tokio::test(start_paused = true)]
async fn a_child_is_redriven_by_its_parent_only() {
    let (stage, service) = staged(&mapped(&json!({})));
    stage.items([json!({"id": 1})]);
    stage.broken.lock().unwrap().insert(1);
    let arn = start(&service, plan()).await;
    ended(&service, &arn).await;
    let child = service.host.map_runs(&arn)[0].children[0].arn.clone();
    let shown = call(&service, "DescribeExecution", json!({"executionArn": child})).await.unwrap();
    assert_eq!((&shown["status"], &shown["error"]), (&json!("FAILED"), &json!("Broken")));
    assert_eq!(shown["redriveStatus"], "REDRIVABLE_BY_MAP_RUN");
    let error = call(&service, "RedriveExecution", json!({"executionArn": child})).await.unwrap_err();
    assert_eq!(error.code, "ExecutionNotRedrivable");
    let denied = "RedriveExecution".to_owned();
    stage.denied.lock().unwrap().insert(denied);
    call(&service, "RedriveExecution", json!({"executionArn": arn})).await.unwrap();
    assert_eq!(ended(&service, &arn).await.1[0], "States.Permissions");
}
