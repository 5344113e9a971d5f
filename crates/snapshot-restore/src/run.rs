//! What both operations are given.

use std::time::Duration;

use jiff::Timestamp;
use runbook::settle::Limit;
use runbook::{Context, RecoveryPlan};

/// Time between two looks.
pub const LOOK: Duration = Duration::from_secs(2);

/// One call of the step.
pub(crate) struct Run<'a> {
    pub(crate) context: &'a Context,
    pub(crate) plan: &'a RecoveryPlan,
    pub(crate) execution: &'a str,
    pub(crate) restore_region: String,
    pub(crate) since: Timestamp,
}

impl Run<'_> {
    /// The limit of both.
    pub(crate) fn limit(&self) -> Limit {
        Limit {
            since: self.since,
            minutes: self.plan.limits.restore_minutes,
            setting: "limits.restoreMinutes",
        }
    }
}
