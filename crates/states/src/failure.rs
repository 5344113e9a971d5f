//! Errors of a state as the language has them: a name that retriers and catchers match, and a cause in words.

use serde_json::{Value, json};

/// Matches every error that can be matched by it.
pub(crate) const ALL: &str = "States.ALL";
/// Matches every error of a task but one that took too long.
pub(crate) const TASK_FAILED: &str = "States.TaskFailed";
/// A task, or an execution, took too long.
pub(crate) const TIMEOUT: &str = "States.Timeout";
/// More than 256 KiB.
pub(crate) const DATA_LIMIT: &str = "States.DataLimitExceeded";
/// Something that the definition did not foresee, such as a path that names nothing.
pub(crate) const RUNTIME: &str = "States.Runtime";
/// A template's path names nothing.
pub(crate) const PARAMETER_PATH: &str = "States.ParameterPathFailure";
/// A result has no place in its input.
pub(crate) const RESULT_PATH: &str = "States.ResultPathMatchFailure";
/// No rule of a choice holds, and there is no default.
pub(crate) const NO_CHOICE: &str = "States.NoChoiceMatched";
/// The machine's role may not do it.
pub(crate) const PERMISSIONS: &str = "States.Permissions";
/// The items of a map could not be read.
pub(crate) const ITEM_READER: &str = "States.ItemReaderFailed";
/// More children of a map failed than are tolerated.
pub(crate) const TOLERATED: &str = "States.ExceedToleratedFailureThreshold";

/// The most bytes that go from state to state.
pub(crate) const MAX_DATA: usize = 256 * 1024;

/// How a state fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error's name.
    pub error: String,
    /// Why.
    pub cause: String,
    /// Whether a task failed, which `States.TaskFailed` matches.
    pub of_task: bool,
}

impl Failure {
    /// A failure of the language's own.
    pub fn new(error: &str, cause: impl Into<String>) -> Self {
        Self { error: error.to_owned(), cause: cause.into(), of_task: false }
    }

    /// A failure of what a task did.
    pub fn of_task(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into(), of_task: true }
    }

    /// Whether it is one of these. `States.ALL` is none of what can't be handled ("Handling errors in Step Functions
    /// workflows": neither States.DataLimitExceeded nor States.Runtime).
    pub fn is_one_of(&self, names: &[String]) -> bool {
        names.iter().any(|name| match name.as_str() {
            ALL => self.error != DATA_LIMIT && self.error != RUNTIME,
            TASK_FAILED => self.of_task || self.error == TASK_FAILED,
            name => name == self.error,
        })
    }

    /// As a catcher's state gets it.
    pub fn output(&self) -> Value {
        json!({"Error": self.error, "Cause": self.cause})
    }
}

/// Refuses what is too much to go from state to state; `what` names it.
pub(crate) fn limited(value: Value, what: &str) -> Result<Value, Failure> {
    let bytes = value.to_string().len();
    if bytes > MAX_DATA {
        let cause = format!("{what} has {bytes} bytes: more than the {MAX_DATA} that go from state to state");
        return Err(Failure::new(DATA_LIMIT, cause));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_matched_by_name_by_task_or_by_all() {
        let one_of = |failure: &Failure, name: &str| failure.is_one_of(&[name.to_owned()]);
        let task = Failure::of_task("Broken", "");
        assert!(one_of(&task, "Broken") && one_of(&task, TASK_FAILED) && one_of(&task, ALL));
        let timeout = Failure::new(TIMEOUT, "");
        assert!(one_of(&timeout, TIMEOUT) && one_of(&timeout, ALL) && !one_of(&timeout, TASK_FAILED));
        for error in [DATA_LIMIT, RUNTIME] {
            assert!(!one_of(&Failure::new(error, ""), ALL), "{error}");
        }
        let most = "x".repeat(MAX_DATA - 2);
        assert!(limited(most.clone().into(), "it").is_ok());
        assert_eq!(limited((most + "x").into(), "it").unwrap_err().error, DATA_LIMIT);
    }
}
