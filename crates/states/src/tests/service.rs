use serde_json::{Value, json};

use super::{MACHINE, call, ended, staged, start, work};

fn waits() -> Value {
    json!({"StartAt": "a", "States": {"a": work(&json!({"End": true}))}})
}

#[tokio::test(start_paused = true)]
async fn a_name_stands_for_one_execution() {
    let (stage, service) = staged(&waits());
    let request = |input: &str| json!({"stateMachineArn": MACHINE, "name": "one", "input": input});
    let first = call(&service, "StartExecution", request("{\"id\": 1}")).await.unwrap();
    assert_eq!(first["executionArn"], format!("{}:one", MACHINE.replace(":stateMachine:", ":execution:")));
    // The same again is the same, while it runs.
    assert_eq!(call(&service, "StartExecution", request("{\"id\": 1}")).await.unwrap(), first);
    let other = call(&service, "StartExecution", request("{\"id\": 2}")).await.unwrap_err();
    assert_eq!(other.code, "ExecutionAlreadyExists");
    let arn = first["executionArn"].as_str().unwrap();
    assert_eq!(ended(&service, arn).await.0, "SUCCEEDED");
    let again = call(&service, "StartExecution", request("{\"id\": 1}")).await.unwrap_err();
    assert_eq!(again.code, "ExecutionAlreadyExists");
    assert_eq!(stage.ids(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_by_its_code() {
    let (_, service) = staged(&waits());
    let arn = start(&service, json!({"id": 1})).await;
    let cases = [
        ("StartExecution", json!({"stateMachineArn": "compare"}), "InvalidArn"),
        ("StartExecution", json!({"stateMachineArn": MACHINE.replace("west", "east")}), "InvalidArn"),
        ("StartExecution", json!({"stateMachineArn": format!("{MACHINE}s")}), "StateMachineDoesNotExist"),
        ("StartExecution", json!({"stateMachineArn": MACHINE, "name": "a b"}), "InvalidName"),
        ("StartExecution", json!({"stateMachineArn": MACHINE, "input": "{"}), "InvalidExecutionInput"),
        ("StartExecution", json!({"stateMachineArn": MACHINE, "traceHeader": "x"}), "ValidationException"),
        ("DescribeExecution", json!({"executionArn": format!("{arn}x")}), "ExecutionDoesNotExist"),
        ("StopExecution", json!({"executionArn": MACHINE}), "InvalidArn"),
        ("RedriveExecution", json!({"executionArn": arn}), "ExecutionNotRedrivable"),
        ("ListMapRuns", json!({"executionArn": arn, "nextToken": "x"}), "InvalidToken"),
        ("DescribeMapRun", json!({"mapRunArn": arn.replace(":execution:", ":mapRun:")}), "ResourceNotFound"),
        ("CreateStateMachine", json!({}), "UnknownOperationException"),
    ];
    for (operation, input, code) in cases {
        let error = call(&service, operation, input.clone()).await.unwrap_err();
        assert_eq!(error.code, code, "{operation} {input}");
    }
    let much = json!({"stateMachineArn": MACHINE, "input": format!("\"{}\"", "x".repeat(262_144))});
    assert_eq!(call(&service, "StartExecution", much).await.unwrap_err().code, "InvalidExecutionInput");
}

#[tokio::test(start_paused = true)]
async fn an_execution_shows_what_it_was_given_and_what_came_of_it() {
    let (_, service) = staged(&waits());
    let arn = start(&service, json!({"id": 1})).await;
    let shown = call(&service, "DescribeExecution", json!({"executionArn": arn})).await.unwrap();
    assert_eq!((&shown["status"], &shown["stopDate"]), (&json!("RUNNING"), &Value::Null));
    let shown = service.wait(&arn).await.unwrap();
    assert_eq!(shown["input"], "{\"id\":1}");
    assert_eq!(shown["output"], "{\"done\":1}");
    assert_eq!((&shown["stateMachineArn"], &shown["status"]), (&json!(MACHINE), &json!("SUCCEEDED")));
    assert!(shown["stopDate"].is_string());
}
