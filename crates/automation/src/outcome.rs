//! What an action takes, and what one try of it ends in.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::execution::Status;
use crate::step::OnFailure;

/// What an action's success leaves.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// What the outputs' selectors look into.
    pub result: Value,
    /// The action's reserved outputs.
    pub outputs: BTreeMap<String, Value>,
    /// The step to go to, chosen by a branch.
    pub next: Option<String>,
}

/// How an action fails.
#[derive(Debug)]
pub(crate) struct Failure {
    /// `Failed`, `TimedOut` or `Cancelled`.
    pub status: Status,
    /// Why.
    pub message: String,
    /// Reserved outputs that are there nevertheless.
    pub outputs: BTreeMap<String, Value>,
    /// What a step inside a loop says is to follow; it goes before the loop's own.
    pub inherited: Option<OnFailure>,
    /// The step that a cancelled step inside a loop names for its clean-up.
    pub on_cancel: Option<String>,
}

impl Failure {
    /// An ordinary failure.
    pub fn new(message: impl Into<String>) -> Self {
        Self::with(Status::Failed, message)
    }

    /// A failure with another status.
    pub fn with(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), outputs: BTreeMap::new(), inherited: None, on_cancel: None }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// Inputs whose references are resolved.
pub(crate) type Inputs = Map<String, Value>;

/// An input as text.
pub(crate) fn text_input(inputs: &Inputs, key: &str) -> Result<String, Failure> {
    match inputs.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(Failure::new(format!("{key} takes a text, not {other}"))),
        None => Err(Failure::new(format!("{key} is missing"))),
    }
}
