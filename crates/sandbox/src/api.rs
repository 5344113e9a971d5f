//! A call to an AWS service and its answer, which are those of [`automation`], and the event that a service gives to EventBridge.

pub use automation::{Api, ApiError, Call, CallError};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account::ACCOUNT;

/// An event as EventBridge carries it.
pub(crate) fn event(
    at: Timestamp,
    region: &str,
    source: &str,
    kind: &str,
    arn: &str,
    detail: &Value,
) -> Value {
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4().to_string(),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": region,
        "resources": [arn],
        "detail": detail,
    })
}

/// A time as AWS's APIs write it: RFC 3339, to the millisecond.
pub(crate) fn aws_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The error for what the sandbox does not have.
pub(crate) fn unknown(call: &Call) -> ApiError {
    ApiError::new(
        "UnknownOperationException",
        format!("the sandbox has no operation {} of {}", call.operation, call.service),
    )
}

/// A text member of an input, required.
pub(crate) fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    match input[name].as_str() {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(ApiError::new("MissingParameter", format!("the request must contain the parameter {name}"))),
    }
}
