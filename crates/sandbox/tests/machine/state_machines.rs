//! A state machine over functions that are processes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sandbox::api::ApiError;
use sandbox::clock::Clock;
use sandbox::states::{Access, Definition, Environment, Machine, Objects, StepFunctions};
use sandbox::{ACCOUNT, WEST};
use serde_json::{Value, json};

use crate::functions::binaries;

/// One object, which everybody may read.
struct Lines(String);

impl Objects for Lines {
    fn read<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, ApiError>> {
        async { Ok(self.0.clone().into_bytes()) }.boxed()
    }
}

impl Access for Lines {
    fn may(&self, _: &str, _: &str, _: &str, _: &str) -> Result<(), ApiError> {
        Ok(())
    }
}

const DEFINITION: &str = r#"{
  "StartAt": "Ranges",
  "States": {"Ranges": {
    "Type": "Map", "Label": "ranges", "MaxConcurrency": 2, "End": true,
    "ItemReader": {
      "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSONL"},
      "Parameters": {"Bucket": "bucket", "Key": "key"}
    },
    "ItemProcessor": {
      "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
      "StartAt": "Work",
      "States": {"Work": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "OutputPath": "$.Payload", "End": true,
        "Parameters": {"FunctionName": "causeway-test", "Payload.$": "$"},
        "Catch": [{"ErrorEquals": ["Bad"], "ResultPath": "$.why", "Next": "Known"}]
      }, "Known": {"Type": "Pass", "End": true}}
    }
  }}
}"#;

/// Runs the machine over what its function is to do.
async fn run(what: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let functions = Arc::new(binaries(folder.path(), Duration::from_secs(30)));
    let lines = Arc::new(Lines(what.iter().map(|what| format!("{{\"do\": \"{what}\"}}\n")).collect()));
    let environment = Environment {
        clock: Clock::new(1.0),
        functions: Arc::clone(&functions) as _,
        objects: Arc::clone(&lines) as _,
        access: lines,
    };
    let [name, region, account, role] = ["m", WEST, ACCOUNT, "role"].map(str::to_owned);
    let definition = Definition::parse("m", DEFINITION).unwrap();
    let machine = Machine { name, region, account, role, definition };
    let arn = machine.arn();
    let service = StepFunctions::new(environment, vec![machine]);
    let started = service.call(WEST, "StartExecution", &json!({"stateMachineArn": arn})).await.unwrap();
    let ended = service.wait(started["executionArn"].as_str().unwrap()).await.unwrap();
    functions.shutdown().await;
    ended
}

#[tokio::test]
async fn a_map_runs_in_so_many_processes_as_it_may_and_their_errors_are_its_own() {
    let ended = run(&["answer", "answer", "fail", "answer", "answer"]).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let results: Vec<Value> = serde_json::from_str(ended["output"].as_str().unwrap()).unwrap();
    assert_eq!(results[2]["why"]["Error"], "Bad", "{results:?}");
    let cause = json!({"errorMessage": "as asked", "errorType": "Bad"}).to_string();
    assert_eq!(results[2]["why"]["Cause"], cause);
    let processes: BTreeSet<u64> = results.iter().filter_map(|result| result["pid"].as_u64()).collect();
    assert!(processes.len() <= 2, "{results:?}");

    let ended = run(&["answer", "crash", "answer"]).await;
    assert_eq!(ended["error"], "States.ExceedToleratedFailureThreshold", "{ended}");
}
