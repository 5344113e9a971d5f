//! A call to an AWS service and its answer, which are those of [`automation`], and the event that a service gives to EventBridge.

pub use automation::{Api, ApiError, Call, CallError};
use serde_json::{Value, json};

use crate::account::ACCOUNT;

/// An event as EventBridge carries it.
pub(crate) fn event(
    at: jiff::Timestamp,
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
