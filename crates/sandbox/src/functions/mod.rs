//! Step functions, as the world's Lambda service runs them.
//!
//! A function's credentials name it and its Region ([`crate::account::access_key_id`]), so that the world knows who calls.
//! [`binaries`] runs the deployed binaries behind a Lambda runtime API.

pub mod binaries;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::api::ApiError;

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
