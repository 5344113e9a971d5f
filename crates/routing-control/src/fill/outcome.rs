//! What `fill-endpoints` answers.

use runbook::plan::ArcEndpoint;
use runbook::{Outcome, Status};
use serde::Serialize;

/// `observed` of `fill-endpoints`: the endpoints that the plan has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FillObserved {
    /// The five of them.
    pub endpoints: Vec<ArcEndpoint>,
}

/// The plan under `parameter` had the endpoints of the cluster `arn` already.
pub(super) fn already_done(parameter: &str, arn: &str, endpoints: Vec<ArcEndpoint>) -> Outcome<FillObserved> {
    let reason = format!("the plan in {parameter} already has the endpoints of {arn}");
    Outcome::new(Status::Done, reason, FillObserved { endpoints })
}

/// It was written.
pub(super) fn written(parameter: &str, arn: &str, endpoints: Vec<ArcEndpoint>) -> Outcome<FillObserved> {
    let reason = format!("the plan in {parameter} has the endpoints of {arn} now");
    Outcome::new(Status::Done, reason, FillObserved { endpoints })
        .with_changed(vec![format!("SSM parameter {parameter}: routing.endpoints")])
}
