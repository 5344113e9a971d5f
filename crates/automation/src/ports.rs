//! What this crate needs of the services around it: calls to them ([`Api`]) and functions ([`Functions`]). Its user brings both.
//!
//! Inputs and outputs are at the level of JSON, in the shape that the `aws` command prints: PascalCase members, timestamps as
//! RFC 3339 text, lists as arrays.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

/// One call to an AWS service.
#[derive(Debug, Clone)]
pub struct Call {
    /// Access key id of the caller, or ARN of the role that a document assumes.
    pub principal: String,
    /// Region the call is for, as the signature says.
    pub region: String,
    /// Signing name of the service, such as `rds`, `ssm`, or `monitoring` (CloudWatch).
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
    /// Further members of the error, where the service has some: an object.
    pub details: Option<Box<Value>>,
}

impl ApiError {
    /// An error with this HTTP status.
    pub fn with_status(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), details: None }
    }

    /// A client's error, HTTP status 400.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::with_status(400, code, message)
    }
}

/// Something that answers AWS calls: AWS, a simulation of it, or a decorator of either.
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

/// What an invocation ended in.
#[derive(Debug, Clone, PartialEq)]
pub enum Invocation {
    /// The function answered.
    Answer(Value),
    /// The function failed: Lambda's `FunctionError` with `errorType` and `errorMessage`.
    FunctionError {
        /// Type of the error; `Runtime.ExitError` when the process ended, `Sandbox.Timedout` when it took too long.
        error_type: String,
        /// Message.
        message: String,
    },
}

/// Runs functions.
pub trait Functions: Send + Sync + 'static {
    /// Runs `function` (such as `causeway-preflight`) in `region` on an event of `principal`. Errors are Lambda's own: no
    /// such function.
    fn invoke<'a>(
        &'a self,
        principal: &'a str,
        region: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>>;
}

/// A function's name from its name, its ARN or its partial ARN.
#[must_use]
pub fn function_name(function: &str) -> &str {
    match function.split_once("function:") {
        Some((_, rest)) => rest.split(':').next().unwrap_or(rest),
        None => function.split(':').next().unwrap_or(function),
    }
}

/// No functions at all: for what nobody invokes one in.
#[derive(Debug, Default)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn invoke<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        function: &'a str,
        _: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        let none = ApiError::new("ResourceNotFoundException", format!("there is no function {function}"));
        async { Err(none) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_by_name_or_arn() {
        for name in
            ["f-1", "f-1:live", "arn:aws:lambda:sandbox-west:000000000000:function:f-1:3", "0:function:f-1"]
        {
            assert_eq!(function_name(name), "f-1", "{name}");
        }
    }
}
