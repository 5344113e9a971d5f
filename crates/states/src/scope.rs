//! What the paths of a state see: its input and the context object.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::definition::Select;
use crate::execution::Handle;
use crate::failure::{Failure, PARAMETER_PATH, RUNTIME};
use crate::template::Template;

/// The context object of a state.
pub(crate) fn context(handle: &Handle, state: &str, entered: Timestamp, retries: u64) -> Value {
    let record = handle.now();
    json!({
        "Execution": {
            "Id": handle.arn,
            "Input": handle.input,
            "Name": handle.name,
            "RedriveCount": record.redrives,
            "RoleArn": handle.machine.role,
            "StartTime": record.started.to_string(),
        },
        "State": {"EnteredTime": entered.to_string(), "Name": state, "RetryCount": retries},
        "StateMachine": {"Id": handle.of(), "Name": handle.machine.name},
    })
}

/// What a state's InputPath or OutputPath selects.
pub(crate) fn select(select: &Select, input: &Value, context: &Value) -> Result<Value, Failure> {
    match select {
        Select::Nothing => Ok(json!({})),
        Select::At(path) => path.find(input, context).cloned().ok_or_else(|| {
            Failure::new(RUNTIME, format!("The JSONPath '{}' could not be found in the input", path.text()))
        }),
    }
}

/// A template with its paths filled.
pub(crate) fn fill(template: &Template, input: &Value, context: &Value) -> Result<Value, Failure> {
    template.fill(input, context).map_err(|problem| Failure::new(PARAMETER_PATH, problem))
}
