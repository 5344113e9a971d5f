//! The recovery plan, in its parameter.

use std::sync::Arc;

use runbook::RecoveryPlan;
use sandbox::REGIONS;
use sandbox::account::OPERATOR;
use sandbox::wire::Wire;
use sandbox::wire::connector::sdk_config;

use crate::Error;

/// The parameter that holds a plan.
pub(super) fn parameter(plan: &RecoveryPlan) -> String {
    format!("/causeway/plans/{}", plan.name)
}

/// The plan as a Region has it.
pub(super) async fn read(wire: &Arc<Wire>, parameter: &str, region: &str) -> Result<RecoveryPlan, Error> {
    let ssm = aws_sdk_ssm::Client::new(&sdk_config(Arc::clone(wire), region, OPERATOR));
    let answer = ssm.get_parameter().name(parameter).send().await?;
    let text = answer.parameter().and_then(|parameter| parameter.value()).unwrap_or_default();
    Ok(RecoveryPlan::parse(text, parameter)?)
}

/// Changes the plan in both Regions.
pub(super) async fn change(
    wire: &Arc<Wire>,
    parameter: &str,
    change: impl Fn(&mut RecoveryPlan),
) -> Result<(), Error> {
    for region in REGIONS {
        let mut plan = read(wire, parameter, region).await?;
        change(&mut plan);
        let ssm = aws_sdk_ssm::Client::new(&sdk_config(Arc::clone(wire), region, OPERATOR));
        let text = serde_json::to_string(&plan)?;
        ssm.put_parameter().name(parameter).value(text).overwrite(true).send().await?;
    }
    Ok(())
}
