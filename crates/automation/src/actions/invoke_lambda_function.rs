//! `aws:invokeLambdaFunction`: runs a function and takes its answer.
//!
//! Functions run in real time, so the limit of 300 s and a step's `timeoutSeconds` are real too, not divided by the
//! clock's factor. A function that is cut off may have gone on working: steps are level-triggered for that reason.
//!
//! Two points that AWS does not document are read as [`Reading`](crate::Reading) says.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::fields::Fields;
use crate::outcome::{Done, Failure, Inputs, text_input};
use crate::ports::{Invocation, function_name};
use crate::run::Run;

/// The largest answer.
const MAX_OUTPUT: usize = 200 * 1024;

pub(crate) fn check(fields: &mut Fields<'_>) {
    fields.require_text("FunctionName");
    if let Some(payload) = fields.text("Payload").map(Value::String) {
        fields.literal("Payload", &payload, |payload| {
            let text = payload.as_str().unwrap_or_default();
            serde_json::from_str::<Value>(text).map(drop).map_err(|error| format!("is not JSON: {error}"))
        });
    }
    if let Some(payload) = fields.take("InputPayload") {
        fields.literal("InputPayload", &payload, |payload| {
            if payload.is_object() { Ok(()) } else { Err(format!("takes a map, not {payload}")) }
        });
    }
    for key in ["Qualifier", "ClientContext"] {
        fields.text(key);
    }
    match fields.text("InvocationType").as_deref() {
        None | Some("RequestResponse") => {}
        Some("Event" | "DryRun") => {
            fields.unsupported("InvocationType", "the local runner implements only RequestResponse");
        }
        Some(other) => {
            fields
                .problem("InvocationType", format!("takes Event, RequestResponse or DryRun, not `{other}`"));
        }
    }
    if let Some(kind) = fields.text("LogType").filter(|kind| kind != "None" && kind != "Tail") {
        fields.problem("LogType", format!("takes None or Tail, not `{kind}`"));
    }
}

pub(crate) async fn run(run: &Run, inputs: &Inputs) -> Result<Done, Failure> {
    let function = text_input(inputs, "FunctionName")?;
    let event = match (inputs.get("InputPayload"), inputs.get("Payload")) {
        (Some(map @ Value::Object(_)), _) => map.clone(),
        (Some(other), _) => return Err(Failure::new(format!("InputPayload takes a map, not {other}"))),
        (None, Some(Value::String(text))) => serde_json::from_str(text).map_err(|error| {
            Failure::new(format!("Payload is not JSON once its references are resolved: {error}"))
        })?,
        (None, Some(value)) => value.clone(),
        (None, None) => json!({}),
    };
    let invocation =
        run.functions().invoke(&run.principal(), run.region(), function_name(&function), event).await;
    let invocation = invocation.map_err(|error| Failure::new(error.to_string()))?;
    let (payload, error) = match invocation {
        Invocation::Answer(answer) => (answer, None),
        Invocation::FunctionError { error_type, message } => {
            let said = format!("{function} failed: {error_type}: {message}");
            (json!({ "errorType": error_type, "errorMessage": message }), Some(said))
        }
    };
    let text = payload.to_string();
    if text.len() > MAX_OUTPUT {
        return Err(Failure::new(format!(
            "{function} answered {} bytes; the action takes at most {MAX_OUTPUT}",
            text.len()
        )));
    }
    let mut outputs = BTreeMap::from([
        ("StatusCode".to_owned(), Value::from("200")),
        ("Payload".to_owned(), Value::String(text)),
    ]);
    let mut result =
        Map::from_iter([("StatusCode".to_owned(), json!(200)), ("Payload".to_owned(), payload.clone())]);
    if error.is_some() {
        outputs.insert("FunctionError".to_owned(), Value::from("Unhandled"));
        result.insert("FunctionError".to_owned(), Value::from("Unhandled"));
    }
    let result = if run.reading().selector_root_is_payload { payload } else { Value::Object(result) };
    outputs.insert("OutputPayload".to_owned(), Value::String(result.to_string()));
    match error {
        Some(message) if run.reading().function_error_fails_step => {
            Err(Failure { outputs, ..Failure::new(message) })
        }
        _ => Ok(Done { result, outputs, next: None }),
    }
}
