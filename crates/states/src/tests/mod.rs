//! Machines run on a stage: functions that answer as they are told, objects in a map, and tokio's time, paused.

mod maps;
mod redrive;
mod refused;
mod service;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use automation::clock::Clock;
use automation::{ApiError, Functions, Invocation};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::{Access, Definition, Environment, Machine, Objects, StepFunctions};

pub(super) const REGION: &str = "sandbox-west";
pub(super) const MACHINE: &str = "arn:aws:states:sandbox-west:000000000000:stateMachine:compare";
const ROLE: &str = "arn:aws:iam::000000000000:role/compare";

/// What the functions and objects are, and what was asked of them.
#[derive(Default)]
pub(super) struct Stage {
    /// Objects by `bucket/key`.
    pub objects: Mutex<BTreeMap<String, String>>,
    /// Events that fail, by what they have under `id`; the rest is echoed as `{"done": id}`.
    pub broken: Mutex<BTreeSet<i64>>,
    /// How long a function takes, by `id`; a second for the others.
    pub seconds: Mutex<BTreeMap<i64, u64>>,
    /// Events in the order in which they came.
    pub events: Mutex<Vec<Value>>,
    /// Most invocations at once, and those now.
    pub at_once: Mutex<(usize, usize)>,
    /// Operations of Step Functions that the role may not do.
    pub denied: Mutex<BTreeSet<String>>,
    /// What was asked of the role.
    pub asked: Mutex<Vec<String>>,
}

impl Stage {
    /// The ids of the events, in their order.
    pub fn ids(&self) -> Vec<i64> {
        self.events.lock().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect()
    }

    pub fn most_at_once(&self) -> usize {
        self.at_once.lock().unwrap().0
    }

    /// The lines of `bucket/items.jsonl`.
    pub fn items(&self, lines: impl IntoIterator<Item = Value>) {
        let text: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
        self.objects.lock().unwrap().insert("bucket/items.jsonl".to_owned(), text);
    }
}

struct Staged(Arc<Stage>);

/// One less, also when the caller has gone.
struct Running(Arc<Stage>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.at_once.lock().unwrap().1 -= 1;
    }
}

impl Functions for Staged {
    fn invoke<'a>(
        &'a self,
        principal: &'a str,
        region: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        async move {
            assert_eq!((principal, region), (ROLE, REGION));
            if function != "work" {
                return Err(ApiError::new("ResourceNotFoundException", format!("no {function}")));
            }
            self.0.events.lock().unwrap().push(event.clone());
            let id = event["id"].as_i64().unwrap_or_default();
            {
                let mut at_once = self.0.at_once.lock().unwrap();
                at_once.1 += 1;
                at_once.0 = at_once.0.max(at_once.1);
            }
            let _running = Running(Arc::clone(&self.0));
            let seconds = self.0.seconds.lock().unwrap().get(&id).copied().unwrap_or(1);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            if self.0.broken.lock().unwrap().contains(&id) {
                return Ok(Invocation::FunctionError {
                    error_type: "Broken".into(),
                    message: format!("it is {id}"),
                });
            }
            Ok(Invocation::Answer(json!({"done": id})))
        }
        .boxed()
    }
}

impl Objects for Staged {
    fn read<'a>(
        &'a self,
        role: &'a str,
        _: &'a str,
        bucket: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, ApiError>> {
        assert_eq!(role, ROLE);
        let object = self.0.objects.lock().unwrap().get(&format!("{bucket}/{key}")).cloned();
        let object = object.map(String::into_bytes);
        async move { object.ok_or_else(|| ApiError::new("NoSuchKey", "there is none")) }.boxed()
    }
}

impl Access for Staged {
    fn may(&self, role: &str, _: &str, operation: &str, resource: &str) -> Result<(), ApiError> {
        assert_eq!(role, ROLE);
        self.0.asked.lock().unwrap().push(format!("{operation} {resource}"));
        match self.0.denied.lock().unwrap().contains(operation) {
            true => {
                Err(ApiError::new("AccessDeniedException", format!("not authorized to perform: {operation}")))
            }
            false => Ok(()),
        }
    }
}

/// The machine `compare` of a definition; waits are divided by 60.
pub(super) fn staged(definition: &Value) -> (Arc<Stage>, StepFunctions) {
    let stage = Arc::new(Stage::default());
    let all = || Arc::new(Staged(Arc::clone(&stage)));
    let environment =
        Environment { clock: Clock::new(60.0), functions: all(), objects: all(), access: all() };
    let machine = Machine {
        name: "compare".to_owned(),
        region: REGION.to_owned(),
        account: "000000000000".to_owned(),
        role: ROLE.to_owned(),
        definition: Definition::parse("compare", &definition.to_string())
            .unwrap_or_else(|error| panic!("{error}")),
    };
    (stage, StepFunctions::new(environment, vec![machine]))
}

pub(super) async fn call(service: &StepFunctions, operation: &str, input: Value) -> Result<Value, ApiError> {
    service.call(REGION, operation, &input).await
}

/// Starts the machine; the execution's ARN.
pub(super) async fn start(service: &StepFunctions, input: Value) -> String {
    let request = json!({"stateMachineArn": MACHINE, "input": input.to_string()});
    let answer = call(service, "StartExecution", request).await.unwrap();
    answer["executionArn"].as_str().unwrap().to_owned()
}

/// Runs the machine to its end: its status, and its output or its error.
pub(super) async fn run(service: &StepFunctions, input: Value) -> (String, Value) {
    let arn = start(service, input).await;
    ended(service, &arn).await
}

/// Status, and output or error and cause, of an execution once it is over.
pub(super) async fn ended(service: &StepFunctions, arn: &str) -> (String, Value) {
    let shown = service.wait(arn).await.unwrap();
    let status = shown["status"].as_str().unwrap().to_owned();
    match shown["output"].as_str() {
        Some(output) => (status, serde_json::from_str(output).unwrap()),
        None => (status, json!([shown["error"], shown["cause"]])),
    }
}

/// A task that invokes `work` with these members more.
pub(super) fn work(more: &Value) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "work", "Payload.$": "$"},
        "OutputPath": "$.Payload",
    });
    for (member, value) in more.as_object().unwrap() {
        task[member] = value.clone();
    }
    task
}

/// A machine whose map works through `items.jsonl`, with these members of the map more.
pub(super) fn mapped(more: &Value) -> Value {
    let mut map = json!({
        "Type": "Map",
        "Label": "ranges",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket.$": "$.bucket", "Key": "items.jsonl"},
        },
        "ItemSelector": {"id.$": "$$.Map.Item.Value.id", "number.$": "$$.Map.Item.Index", "plan.$": "$.plan"},
        "MaxConcurrency": 2,
        "ToleratedFailureCount": 0,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Work",
            "States": {"Work": work(&json!({"End": true}))},
        },
        "End": true,
    });
    for (member, value) in more.as_object().unwrap() {
        map[member] = value.clone();
    }
    json!({"StartAt": "Ranges", "States": {"Ranges": map}})
}

/// What the machine of [`mapped`] is given.
pub(super) fn plan() -> Value {
    json!({"bucket": "bucket", "plan": "shop"})
}
