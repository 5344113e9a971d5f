//! The choice: whether the plan has to be written, and the text. Pure.

use runbook::error::Kind;
use runbook::plan::ArcEndpoint;
use runbook::{RecoveryPlan, StepError};
use serde_json::Value;

/// What an advanced parameter holds, in bytes; none holds more.
const ADVANCED: usize = 8192;

/// What to do about the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It has the endpoints.
    AlreadyDone,
    /// Write this text.
    Act(String),
}

/// The ARN of the ARC cluster in the text of a plan, which need not be valid yet.
pub(super) fn cluster_arn(plan: &Value, parameter: &str) -> Result<String, StepError> {
    let arn = plan.pointer("/routing/clusterArn").and_then(Value::as_str).filter(|arn| !arn.is_empty());
    arn.map(str::to_owned).ok_or_else(|| {
        StepError::new(
            Kind::BadPlan,
            format!("the plan in SSM parameter {parameter} has no `routing.clusterArn`"),
            "put the ARN of the ARC cluster there",
        )
    })
}

/// Decides from the plan's text and the cluster's endpoints, in any order.
///
/// # Errors
/// [`Kind::BadPlan`] when the text would be no valid plan even then, or does not fit a parameter.
pub(super) fn decide(text: &str, found: &[ArcEndpoint], parameter: &str) -> Result<Decision, StepError> {
    let origin = format!("SSM parameter {parameter}");
    let sorted = |endpoints: &[ArcEndpoint]| {
        let mut endpoints = endpoints.to_vec();
        endpoints.sort_by(|a, b| (&a.region, &a.url).cmp(&(&b.region, &b.url)));
        endpoints
    };
    let found = sorted(found);
    if RecoveryPlan::parse(text, &origin).is_ok_and(|plan| sorted(&plan.routing.endpoints) == found) {
        return Ok(Decision::AlreadyDone);
    }
    let broken = |error: serde_json::Error| {
        StepError::new(Kind::BadPlan, format!("the plan in {origin} is not JSON"), "correct the plan")
            .with_source(error)
    };
    let mut plan: Value = serde_json::from_str(text).map_err(broken)?;
    plan["routing"]["endpoints"] = serde_json::to_value(&found).map_err(broken)?;
    let text = if text.trim_end().contains('\n') {
        serde_json::to_string_pretty(&plan)
    } else {
        serde_json::to_string(&plan)
    }
    .map_err(broken)?;
    RecoveryPlan::parse(&text, &origin)?;
    if text.len() > ADVANCED {
        return Err(StepError::new(
            Kind::BadPlan,
            format!(
                "the plan in {origin} with the endpoints has {} bytes, a parameter holds {ADVANCED}",
                text.len()
            ),
            "shorten the plan",
        ));
    }
    Ok(Decision::Act(text))
}
