//! What the step returns.

use serde::Serialize;

/// What the step returns beside its status.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// `s3://bucket/key` of the page; empty when there is none.
    pub location: String,
    /// What the page says, in a sentence or two.
    pub summary: String,
    /// The numbers that matter, as the subject of a message: ASCII, under 100 characters, as SNS wants it. Of a record
    /// empty, and there all the same: AWS doesn't say what a selector does that finds nothing.
    pub subject: String,
    /// What to do about it, as far as the report can say: nothing to put back where nothing is missing. Empty as `subject`.
    pub next: String,
}
