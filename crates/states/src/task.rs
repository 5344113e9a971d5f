//! A task: invokes a function and waits for its answer.
//!
//! The function's error is the task's, by its type; the cause is the function's whole answer as JSON text, as AWS has it. An error
//! of Lambda itself is `Lambda.` and its code.

use automation::{ApiError, Invocation, function_name};
use serde_json::{Value, json};

use crate::definition::Task;
use crate::execution::Handle;
use crate::failure::{Failure, RUNTIME, TIMEOUT, limited};
use crate::ports::Environment;
use crate::scope::fill;

/// Runs a task once.
pub(crate) async fn run(
    environment: &Environment,
    handle: &Handle,
    task: &Task,
    input: &Value,
    context: &Value,
) -> Result<Value, Failure> {
    let function = fill(&task.function, input, context)?;
    let function = function
        .as_str()
        .ok_or_else(|| Failure::new(RUNTIME, format!("FunctionName takes a text, not {function}")))?;
    let event = match &task.payload {
        Some(payload) => fill(payload, input, context)?,
        None => input.clone(),
    };
    let event = limited(event, "the event")?;
    let machine = &handle.machine;
    let answer = environment.functions.invoke(&machine.role, &machine.region, function_name(function), event);
    let invocation = match task.timeout {
        None => answer.await,
        Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| {
            Failure::new(TIMEOUT, format!("{function} did not answer within {} s", limit.as_secs()))
        })?,
    };
    match invocation {
        Ok(Invocation::Answer(payload)) => {
            let result = json!({"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200});
            limited(result, "the function's answer")
        }
        Ok(Invocation::FunctionError { error_type, message }) => {
            let cause = json!({"errorMessage": message, "errorType": error_type});
            Err(Failure::of_task(error_type, cause.to_string()))
        }
        Err(error) => Err(of_lambda(error)),
    }
}

/// An error of Lambda itself. A denial has no name of its own in Step Functions.
fn of_lambda(error: ApiError) -> Failure {
    let name = if error.code.starts_with("AccessDenied") { "AWSLambdaException" } else { &error.code };
    Failure::of_task(format!("Lambda.{name}"), error.message)
}
