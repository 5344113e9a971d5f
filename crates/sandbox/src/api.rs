//! A call to an AWS service, its answer, and the event that a service gives to EventBridge.
//!
//! All are at the level of JSON, in the shape that the `aws` command prints: PascalCase members, timestamps as RFC 3339 text,
//! lists as arrays.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::account::ACCOUNT;

/// One call to an AWS service.
#[derive(Debug, Clone)]
pub struct Call {
    /// Access key id of the caller, such as [`crate::account::OPERATOR`].
    pub principal: String,
    /// Region the call is for, as the signature says.
    pub region: String,
    /// Signing name of the service: `rds`, `ssm`, `kms`, `secretsmanager`, `sns`, `monitoring` (CloudWatch), `lambda`, `sts`,
    /// `route53-recovery-cluster`, `route53-recovery-control-config`.
    pub service: String,
    /// Operation, such as `DescribeGlobalClusters`.
    pub operation: String,
    /// Its input.
    pub input: Value,
}

/// An error as a service answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The service's error code, such as `GlobalClusterNotFoundFault`.
    pub code: String,
    /// The service's message.
    pub message: String,
}

impl ApiError {
    /// A client's error, HTTP status 400.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }
}

/// Something that answers AWS calls: the world, or a decorator that injects faults into it.
pub trait Api: Send + Sync + 'static {
    /// Answers one call. `Err(CallError::NoAnswer)` is a silence: the caller's own timeout has to end it.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>>;
}

/// How a call fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The service answered with an error.
    #[error(transparent)]
    Service(#[from] ApiError),
    /// Nothing answers: the Region or the endpoint is cut off.
    #[error("nothing answers")]
    NoAnswer,
}

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
