//! `aws:assertAwsResourceProperty`: calls an operation and fails unless a property of the answer is one of the desired
//! values.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::actions::execute_aws_api;
use crate::fields::Fields;
use crate::outcome::{Done, Failure, Inputs, text_input};
use crate::run::Run;
use crate::types::text;

/// The inputs that are the action's own.
pub(crate) const OWN: [&str; 2] = ["PropertySelector", "DesiredValues"];

pub(crate) fn check(fields: &mut Fields<'_>) {
    if let Some(selector) = fields.require("PropertySelector") {
        fields.literal("PropertySelector", &selector, |selector| {
            let text = selector.as_str().unwrap_or_default();
            JsonPath::parse(text).map(drop).map_err(|error| format!("is not a JSONPath: {error}"))
        });
    }
    if let Some(desired) = fields.require("DesiredValues") {
        fields.literal("DesiredValues", &desired, |desired| match desired.as_array() {
            Some(values) if !values.is_empty() => Ok(()),
            _ => Err(format!("takes a list of values, not {desired}")),
        });
    }
    execute_aws_api::check(fields);
}

pub(crate) async fn run(run: &Run, inputs: &Inputs) -> Result<Done, Failure> {
    let result = execute_aws_api::call(run, inputs, &OWN).await?;
    match desired(inputs, &result)? {
        Ok(()) => Ok(Done { result, ..Done::default() }),
        Err(found) => {
            let selector = text_input(inputs, "PropertySelector")?;
            // What was wanted stands first, because a document that fails on purpose says there why. In which words AWS puts it is not
            // documented.
            let desired =
                inputs.get("DesiredValues").and_then(Value::as_array).into_iter().flatten().map(text);
            let desired = desired.collect::<Vec<_>>().join(", or ");
            Err(Failure::new(format!("{desired} (wanted of {selector}, which is {found})")))
        }
    }
}

/// Whether the answer has one of the desired values; `Err` is what it has instead. Values are compared as texts.
pub(crate) fn desired(inputs: &Inputs, answer: &Value) -> Result<Result<(), String>, Failure> {
    let selector = text_input(inputs, "PropertySelector")?;
    let path =
        JsonPath::parse(&selector).map_err(|error| format!("{selector} is not a JSONPath: {error}"))?;
    let found: Vec<String> = path.query(answer).all().into_iter().map(text).collect();
    let desired: Vec<String> = match inputs.get("DesiredValues") {
        Some(Value::Array(values)) => values.iter().map(text).collect(),
        other => return Err(Failure::new(format!("DesiredValues takes a list, not {other:?}"))),
    };
    let all = !found.is_empty() && found.iter().all(|value| desired.contains(value));
    Ok(if all {
        Ok(())
    } else {
        Err(if found.is_empty() { "not there".to_owned() } else { found.join(", ") })
    })
}
