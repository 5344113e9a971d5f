//! What `verify` answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runbook::arc::State;
use runbook::{Outcome, Status};
use serde::Serialize;

use super::decide::Decision;

/// `observed` of `verify`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyObserved {
    /// When waiting began; `since` of the next call.
    pub since: Timestamp,
    /// The Region that took over.
    pub target_region: String,
    /// By database.
    pub databases: BTreeMap<String, DatabaseObserved>,
    /// State of each Region's routing control; empty when it was not read.
    pub traffic: BTreeMap<String, State>,
}

/// What was seen of a database.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseObserved {
    /// The Regions of its writers.
    pub writer_regions: Vec<String>,
    /// Status of the operation that runs, if any.
    pub operation: Option<String>,
    /// Status of the cluster in the target Region.
    pub cluster_status: Option<String>,
    /// Whether it accepted a write; null when none was tried.
    pub accepts_write: Option<bool>,
    /// What is still missing, if anything.
    pub missing: Option<String>,
}

/// The answer, from what was observed and decided. `missing`: one line each; `promotion_minutes`: the plan's.
pub fn outcome(
    observed: VerifyObserved,
    decision: &Decision,
    missing: &[String],
    promotion_minutes: u32,
) -> Outcome<VerifyObserved> {
    let (target, missing) = (&observed.target_region, missing.join("; "));
    let (status, reason) = match decision {
        Decision::Complete => (
            Status::Done,
            format!(
                "every database has its one writer in {target} and accepts writes, and {target} alone has the traffic"
            ),
        ),
        Decision::Wait => (Status::InProgress, missing),
        Decision::TooLate => {
            (Status::Refused, format!("not complete after the plan's {promotion_minutes} minutes: {missing}"))
        }
        Decision::TrafficElsewhere => (
            Status::Refused,
            format!(
                "every database has its one writer in {target}, but {missing}: somebody else sets the routing controls, or the \
                 plan's `routing.controls` are wrong. Mend that, and start this runbook again"
            ),
        ),
    };
    Outcome::new(status, reason, observed)
}
