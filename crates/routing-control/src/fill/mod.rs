//! `fill-endpoints`: writes the ARC cluster's five endpoints into the plan, ahead of time.
//!
//! ARC's control plane, which knows the endpoints, lives in us-west-2 only: a failover must not ask it. So this is run
//! when the plan is made or the cluster changes, once in each Region: it writes the plan of the function's own Region.
//!
//! States: the plan has the endpoints already (`Done`, nothing written), or it is written and read back (`Done`). The
//! text is written only when it makes a valid plan, and nothing but `routing.endpoints` changes. A failure leaves the
//! old plan, or the whole new one that could not be read back: calling again shows which.

use std::time::Duration;

use runbook::error::Kind;
use runbook::{Outcome, StepError};
use serde_json::Value;

mod clients;
mod decide;
mod outcome;

pub use clients::{DescribeArcCluster, PutPlan, ReadPlan, Store, control_plane};
pub use outcome::FillObserved;

use decide::{Decision, cluster_arn, decide};

/// How often the parameter is read back, a second apart.
const READS: u32 = 5;

/// Writes the endpoints into the plan under `parameter`. See the module's page.
///
/// # Errors
/// When the plan or the cluster can't be read, the cluster has not five endpoints (yet), the plan is invalid for another
/// reason, or is not read back as written.
pub async fn fill(
    arc: &impl DescribeArcCluster,
    store: &(impl ReadPlan + PutPlan),
    parameter: &str,
) -> Result<Outcome<FillObserved>, StepError> {
    let text = store.read_plan(parameter).await?;
    let json: Value = serde_json::from_str(&text).map_err(|error| {
        StepError::new(
            Kind::BadPlan,
            format!("the plan in SSM parameter {parameter} is not JSON"),
            "correct the plan",
        )
        .with_source(error)
    })?;
    let arn = cluster_arn(&json, parameter)?;
    let found = arc.describe_arc_cluster(&arn).await?;
    if found.len() != 5 {
        return Err(StepError::new(
            Kind::Failed,
            format!("ARC cluster {arn} has {} endpoints, not 5", found.len()),
            "wait until the cluster is deployed, then run the step again",
        ));
    }
    let new = match decide(&text, &found, parameter)? {
        Decision::AlreadyDone => return Ok(outcome::already_done(parameter, &arn, found)),
        Decision::Act(new) => new,
    };
    store.put_plan(parameter, &new).await?;
    for round in 1..=READS {
        if store.read_plan(parameter).await? == new {
            return Ok(outcome::written(parameter, &arn, found));
        }
        if round < READS {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    Err(StepError::new(
        Kind::Failed,
        format!("SSM parameter {parameter} was written but does not read back as written"),
        "find out who else writes it, then run the step again",
    ))
}

#[cfg(test)]
mod tests;
