//! Step functions, as the world's Lambda service runs them.
//!
//! A function's credentials name it and its Region ([`access_key_id`]), so that the world knows who calls. [`binaries`] runs the deployed binaries behind a Lambda runtime API.

pub mod binaries;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

/// The access key id of the operator, who may do anything and whom no test disturbs.
pub const OPERATOR: &str = "SANDBOX";

/// The access key id of a function, such as `SANDBOX.sandbox-west.causeway-preflight`.
pub fn access_key_id(region: &str, function: &str) -> String {
    format!("{OPERATOR}.{region}.{function}")
}

/// The Region and the name of the function with this access key id; `None` for another caller.
pub(crate) fn caller(access_key_id: &str) -> Option<(&str, &str)> {
    access_key_id.strip_prefix(OPERATOR)?.strip_prefix('.')?.split_once('.')
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
    ) -> BoxFuture<'a, Result<Invocation, crate::world::ApiError>>;
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
    ) -> BoxFuture<'a, Result<Invocation, crate::world::ApiError>> {
        let none = crate::world::ApiError::new(
            "ResourceNotFoundException",
            format!("there is no function {function}"),
        );
        async { Err(none) }.boxed()
    }
}
