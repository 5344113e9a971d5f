//! Step functions, as the world's Lambda service runs them.
//!
//! A function's credentials name it: the access key id is `SANDBOX-` and the function's name in upper case, so that
//! the world knows who calls. [`binaries`] runs the deployed binaries behind a Lambda runtime API.

pub mod binaries;

use futures::future::BoxFuture;
use serde_json::Value;

/// The access key id of the operator, who may do anything and whom no test disturbs.
pub const OPERATOR: &str = "SANDBOX";

/// The access key id of a function, such as `causeway-preflight`.
pub fn access_key_id(function: &str) -> String {
    format!("{OPERATOR}-{}", function.to_uppercase())
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
    /// Runs `function` (such as `causeway-preflight`) in `region` on an event. Errors are Lambda's own: no such function.
    fn invoke<'a>(
        &'a self,
        region: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, crate::world::ApiError>>;
}
