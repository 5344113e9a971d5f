//! `aws:executeStateMachine`: starts an execution of a Step Functions state machine.
//!
//! The action's page does not say whether the step waits for the execution's end. Its outputs (`output`, `stopDate`) and its
//! permissions (`states:DescribeExecution`, `states:StopExecution` beside `states:StartExecution`) are those of a step that does, so
//! here it does, unless the [`Reading`](crate::Reading) is the other one. A step that waits looks every 5 modelled seconds, fails
//! when the execution does not succeed, and stops the execution when it is cancelled or out of time. A step that does not wait
//! shows the execution as it began. A runbook that waits by `aws:waitForAwsResourceProperty` afterwards is right either way.
//!
//! Functions take the time that they take, so a step's `timeoutSeconds` is real here.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::actions::execute_aws_api;
use crate::execution::Status;
use crate::fields::Fields;
use crate::outcome::{Done, Failure, Inputs, text_input};
use crate::ports::Call;
use crate::run::Run;
use crate::step::EXECUTION_OUTPUTS;
use crate::types::text;

const INTERVAL: Duration = Duration::from_secs(5);

pub(crate) fn check(fields: &mut Fields<'_>) {
    fields.require_text("stateMachineArn");
    fields.text("name");
    if let Some(input) = fields.text("input").map(Value::String) {
        fields.literal("input", &input, |input| {
            let text = input.as_str().unwrap_or_default();
            serde_json::from_str::<Value>(text).map(drop).map_err(|error| format!("is not JSON: {error}"))
        });
    }
}

pub(crate) async fn run(run: &Run, inputs: &Inputs) -> Result<Done, Failure> {
    let machine = text_input(inputs, "stateMachineArn")?;
    let mut request = Map::from_iter([("stateMachineArn".to_owned(), json!(machine))]);
    // A reference alone gives a map, where the service takes the text of one.
    request.extend(
        ["name", "input"].into_iter().filter_map(|key| Some((key.to_owned(), json!(text(inputs.get(key)?))))),
    );
    let started = call(run, "StartExecution", request).await?;
    let arn = started["executionArn"].clone();
    let describe = Map::from_iter([("executionArn".to_owned(), arn.clone())]);
    let running = Running::new(run, &arn);
    let mut shown = call(run, "DescribeExecution", describe.clone()).await?;
    if run.reading().state_machine_is_not_awaited {
        running.leave();
        return Ok(Done { outputs: outputs(&shown), ..Done::default() });
    }
    while ["RUNNING", "PENDING_REDRIVE"].map(Value::from).contains(&shown["status"]) {
        run.clock().sleep(INTERVAL).await;
        shown = call(run, "DescribeExecution", describe.clone()).await?;
    }
    running.leave();
    if shown["status"] == "SUCCEEDED" {
        return Ok(Done { outputs: outputs(&shown), ..Done::default() });
    }
    let why = [&shown["error"], &shown["cause"]].map(|part| part.as_str().unwrap_or_default()).join(": ");
    let message = format!("{} ended {}: {why}", text(&arn), text(&shown["status"]));
    let status = if shown["status"] == "TIMED_OUT" { Status::TimedOut } else { Status::Failed };
    Err(Failure { outputs: outputs(&shown), ..Failure::with(status, message) })
}

async fn call(run: &Run, operation: &str, mut input: Inputs) -> Result<Value, Failure> {
    input.insert("Service".to_owned(), json!("stepfunctions"));
    input.insert("Api".to_owned(), json!(operation));
    execute_aws_api::call(run, &input, &[]).await
}

fn outputs(shown: &Value) -> BTreeMap<String, Value> {
    let there = EXECUTION_OUTPUTS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), json!(text(shown.get(name)?)))));
    there.collect()
}

/// An execution that is stopped when its step is dropped: cancelled, or out of time.
struct Running<'a> {
    run: &'a Run,
    stop: Option<Call>,
}

impl<'a> Running<'a> {
    fn new(run: &'a Run, arn: &Value) -> Self {
        let stop = Call {
            principal: run.principal(),
            region: run.region().to_owned(),
            service: "states".to_owned(),
            operation: "StopExecution".to_owned(),
            input: json!({"executionArn": arn}),
        };
        Self { run, stop: Some(stop) }
    }

    /// Leaves it as it is.
    fn leave(mut self) {
        self.stop = None;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let (Some(stop), Ok(api)) = (self.stop.take(), self.run.api()) else { return };
        // Without a runtime, everything is at its end.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = api.call(stop).await {
                tracing::warn!(%error, "the execution of the state machine was not stopped");
            }
        });
    }
}
