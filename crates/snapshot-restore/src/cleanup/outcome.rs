//! What the answer says.

use jiff::Timestamp;
use runbook::names::EXECUTION_TAG;
use serde::Serialize;

use super::decide::Decision;

/// What was seen at the last look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// When the first call began; the plan's limit counts from here.
    pub since: Timestamp,
    /// The Region looked at.
    pub region: String,
    /// What still carries the tag, such as `instance causeway-…-orders-1 (deleting)`.
    pub remaining: Vec<String>,
    /// What is named like ours but does not carry the tag.
    pub left: Vec<String>,
}

/// What was left alone, as the end of a reason; empty where nothing was.
pub(super) fn left(decision: &Decision) -> String {
    if decision.left.is_empty() {
        return String::new();
    }
    format!(
        "; left alone, because it does not carry this execution's tag {EXECUTION_TAG}: {}",
        decision.left.join(", ")
    )
}

/// What AWS said when a deletion was not possible yet, for a reason.
pub(super) fn notes(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(" (AWS says: {})", notes.join("; ")) }
}
