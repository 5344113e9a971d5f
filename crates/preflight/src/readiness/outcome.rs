//! What a readiness check answers.

use runbook::telemetry::{Measured, Metric};
use runbook::{Outcome, Status};
use serde::Serialize;

use super::finding::Finding;

/// `observed` of a readiness check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadinessObserved {
    /// Everything that was found.
    pub findings: Vec<Finding>,
}

/// The number of findings, as a metric of the plan: the plan's name and the value.
pub fn measured(plan_parameter: &str, findings: usize) -> (&str, Measured) {
    // The last part of the parameter's name: known also when the plan can't be read.
    let plan = plan_parameter.rsplit('/').next().unwrap_or(plan_parameter);
    let findings = u32::try_from(findings).unwrap_or(u32::MAX);
    (plan, Measured::new(Metric::ReadinessFindings, findings.into()))
}

/// The answer, from what was found. The overdue executions, one line each, are in the reason only.
pub fn outcome(findings: Vec<Finding>, overdue: &[String]) -> Outcome<ReadinessObserved> {
    let (status, mut reason) = match findings.as_slice() {
        [] => (Status::Ready, "nothing stands in the way of a failover or a switchover".to_owned()),
        found => {
            let texts: Vec<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
            let noun = if found.len() == 1 { "finding" } else { "findings" };
            (Status::Refused, format!("{} {noun}: {}", found.len(), texts.join("; ")))
        }
    };
    for overdue in overdue {
        reason += &format!("; {overdue}");
    }
    Outcome::new(status, reason, ReadinessObserved { findings })
}
