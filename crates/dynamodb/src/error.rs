//! Errors as DynamoDB answers them: a code, a message, and for some of them further members of the body.

use std::fmt::Display;

use serde_json::{Value, json};

/// An error as the service answers it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// The HTTP status.
    pub status: u16,
    /// The code, without the namespace that stands before it in an answer's `__type`.
    pub code: String,
    /// What is wrong, where it is known in the service's words.
    pub message: String,
    /// Further members of the body, such as `Item` or `CancellationReasons`; an object. Boxed, since few errors have any.
    pub details: Box<Value>,
}

/// What nearly everything here answers.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without further members. DynamoDB says 400 to all that is the caller's.
    pub(crate) fn new(code: &str, message: impl Display) -> Self {
        Self {
            status: 400,
            code: code.to_owned(),
            message: message.to_string(),
            details: Box::new(json!({})),
        }
    }

    /// The request can't be so.
    pub(crate) fn validation(message: impl Display) -> Self {
        Self::new("ValidationException", message)
    }

    /// A value of an item, or of a key, can't be so.
    pub(crate) fn parameter(message: impl Display) -> Self {
        Self::validation(format!("One or more parameter values were invalid: {message}"))
    }

    /// Exists at DynamoDB, and not here.
    pub(crate) fn unsupported(what: impl Display) -> Self {
        Self::validation(format!("{what} is not supported by this simulation of DynamoDB"))
    }

    /// There is no such table, or index.
    pub(crate) fn not_found(message: impl Display) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    /// The same error with one more member in its body.
    pub(crate) fn with(mut self, member: &str, value: Value) -> Self {
        self.details[member] = value;
        self
    }
}
