//! What the operations are given.

use jiff::Timestamp;
use runbook::settle::Limit;
use runbook::{Context, RecoveryPlan};

/// One call of the step.
pub(crate) struct Run<'a> {
    pub(crate) context: &'a Context,
    pub(crate) plan: &'a RecoveryPlan,
    /// Id of the Automation execution.
    pub(crate) execution: &'a str,
    /// The Region that takes over, or took over.
    pub(crate) target: &'a str,
    /// When the first call began.
    pub(crate) since: Timestamp,
}

impl Run<'_> {
    /// A limit of this operation.
    pub(crate) fn limit(&self, minutes: u32, setting: &'static str) -> Limit {
        Limit { since: self.since, minutes, setting }
    }
}
