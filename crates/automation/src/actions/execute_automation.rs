//! `aws:executeAutomation`: runs another document in the same Region and waits for its end.
//!
//! At most five levels deep. The child fails: the step fails. The parent is cancelled: so is the child.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::execution::Status;
use crate::fields::Fields;
use crate::outcome::{Done, Failure, Inputs, text_input};
use crate::run::Run;
use crate::types::texts;

pub(crate) fn check(fields: &mut Fields<'_>) {
    fields.require_text("DocumentName");
    fields.text("DocumentVersion");
    if let Some(parameters) = fields.take("RuntimeParameters") {
        fields.literal("RuntimeParameters", &parameters, |parameters| {
            if parameters.is_object() { Ok(()) } else { Err(format!("takes a map, not {parameters}")) }
        });
    }
    for key in MANY {
        if fields.take(key).is_some() {
            fields.unsupported(key, "exists in AWS but is not implemented by the local runner");
        }
    }
}

/// Inputs for executions in many Regions, accounts or on many targets, which this crate does not implement.
const MANY: [&str; 7] = [
    "MaxConcurrency",
    "MaxErrors",
    "Tags",
    "TargetLocations",
    "TargetMaps",
    "TargetParameterName",
    "Targets",
];

pub(crate) async fn run(run: &Run, inputs: &Inputs) -> Result<Done, Failure> {
    let document = text_input(inputs, "DocumentName")?;
    let parameters = match inputs.get("RuntimeParameters") {
        None => BTreeMap::new(),
        Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), texts(value))).collect(),
        Some(other) => return Err(Failure::new(format!("RuntimeParameters takes a map, not {other}"))),
    };
    let child = run.start_child(&document, parameters).map_err(|error| Failure::new(error.to_string()))?;
    let ended = child.ended().await;
    let outputs = BTreeMap::from([
        ("ExecutionId".to_owned(), Value::String(ended.id.clone())),
        ("Status".to_owned(), Value::from(ended.status.name())),
        (
            "Output".to_owned(),
            ended.outputs.values().flatten().map(|text| Value::String(text.clone())).collect(),
        ),
    ]);
    if ended.status == Status::Success {
        return Ok(Done { outputs, ..Done::default() });
    }
    let why = ended.failure_message.as_deref().unwrap_or("no reason given");
    let message = format!("{document} {} ended {}: {why}", ended.id, ended.status.name());
    Err(Failure { outputs, ..Failure::new(message) })
}
