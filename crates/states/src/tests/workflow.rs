use std::time::Duration;

use serde_json::{Value, json};

use super::{run, staged, work};

fn machine(states: &Value) -> Value {
    json!({"StartAt": "a", "States": states})
}

#[tokio::test(start_paused = true)]
async fn data_goes_from_state_to_state_as_the_paths_say() {
    let (stage, service) = staged(&machine(&json!({
        "a": {"Type": "Pass", "Parameters": {"id.$": "$.id", "who.$": "$$.StateMachine.Name"}, "ResultPath": "$.made.here", "Next": "b"},
        "b": work(&json!({
            "InputPath": "$.made.here", "OutputPath": "$", "ResultSelector": {"answer.$": "$.Payload.done", "status.$": "$.StatusCode"},
            "ResultPath": "$.result", "Next": "c",
        })),
        "c": {"Type": "Choice", "Choices": [
            {"And": [{"Variable": "$.result.answer", "NumericEquals": 7}, {"Variable": "$.result.status", "NumericLessThan": 300}], "Next": "d"},
        ]},
        "d": {"Type": "Wait", "Seconds": 600, "OutputPath": "$.result", "Next": "e"},
        "e": {"Type": "Succeed"},
    })));
    let before = tokio::time::Instant::now();
    let ended = run(&service, json!({"id": 7, "kept": true})).await;
    assert_eq!(ended, ("SUCCEEDED".to_owned(), json!({"answer": 7, "status": 200})));
    assert_eq!(*stage.events.lock().unwrap(), [json!({"id": 7, "who": "compare"})]);
    // A second for the function; ten minutes at a factor of 60.
    assert_eq!(before.elapsed().as_secs(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_as_the_retrier_says_and_then_caught() {
    let retry = json!([
        {"ErrorEquals": ["Other"], "MaxAttempts": 9},
        {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 60, "MaxAttempts": 2, "BackoffRate": 3.0},
    ]);
    let catch = json!([
        {"ErrorEquals": ["Other"], "Next": "b"},
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.why", "Next": "c"},
    ]);
    let (stage, service) = staged(&machine(&json!({
        "a": work(&json!({"Retry": retry, "Catch": catch, "End": true})),
        "b": {"Type": "Fail"},
        "c": {"Type": "Pass", "End": true},
    })));
    stage.broken.lock().unwrap().insert(4);
    let before = tokio::time::Instant::now();
    let (status, output) = run(&service, json!({"id": 4})).await;
    let cause = json!({"errorMessage": "it is 4", "errorType": "Broken"}).to_string();
    assert_eq!(
        (status.as_str(), output),
        ("SUCCEEDED", json!({"id": 4, "why": {"Error": "Broken", "Cause": cause}}))
    );
    assert_eq!(stage.ids(), [4, 4, 4]);
    // Three seconds for the function, and 60 and 180 at a factor of 60.
    assert_eq!(before.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_nothing_handles_ends_the_execution() {
    let missing = json!({"Parameters": {"FunctionName": "arn:aws:lambda:sandbox-west:000000000000:function:gone"}, "End": true});
    let timeout = work(&json!({"TimeoutSeconds": 5, "End": true}));
    let cases = [
        (json!({"a": work(&json!({"End": true}))}), "Broken"),
        (json!({"a": work(&missing)}), "Lambda.ResourceNotFoundException"),
        (json!({"a": timeout}), "States.Timeout"),
        (json!({"a": {"Type": "Fail", "Error": "Mine", "Cause": "because"}}), "Mine"),
        (json!({"a": {"Type": "Pass", "InputPath": "$.no", "End": true}}), "States.Runtime"),
        (
            json!({"a": {"Type": "Pass", "Parameters": {"x.$": "$.no"}, "End": true}}),
            "States.ParameterPathFailure",
        ),
        (
            json!({"a": {"Type": "Pass", "ResultPath": "$.id.x", "End": true}}),
            "States.ResultPathMatchFailure",
        ),
        (
            json!({"a": {"Type": "Choice", "Choices": [{"Variable": "$.id", "NumericEquals": 1, "Next": "b"}]}, "b": {"Type": "Succeed"}}),
            "States.NoChoiceMatched",
        ),
    ];
    for (states, error) in cases {
        let (stage, service) = staged(&machine(&states));
        stage.broken.lock().unwrap().insert(4);
        if error == "States.Timeout" {
            stage.seconds.lock().unwrap().insert(4, 60);
        }
        let (status, why) = run(&service, json!({"id": 4})).await;
        assert_eq!((status.as_str(), &why[0]), ("FAILED", &json!(error)), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_is_not_caught_by_all() {
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "b"}]);
    let (_, service) = staged(&machine(&json!({
        "a": work(&json!({
            "Parameters": {"FunctionName": "work", "Payload": {"a.$": "$", "b.$": "$"}}, "Catch": catch, "End": true,
        })),
        "b": {"Type": "Succeed"},
    })));
    let (status, why) = run(&service, json!({"id": 1, "much": "x".repeat(200_000)})).await;
    assert_eq!((status.as_str(), &why[0]), ("FAILED", &json!("States.DataLimitExceeded")));
}

#[tokio::test(start_paused = true)]
async fn an_execution_has_its_time() {
    let mut definition = machine(&json!({"a": work(&json!({"End": true}))}));
    definition["TimeoutSeconds"] = json!(30);
    let (stage, service) = staged(&definition);
    stage.seconds.lock().unwrap().insert(1, 600);
    let before = tokio::time::Instant::now();
    let (status, why) = run(&service, json!({"id": 1})).await;
    assert_eq!((status.as_str(), why), ("TIMED_OUT", json!([null, null])));
    assert_eq!(before.elapsed(), Duration::from_secs(30));
}
