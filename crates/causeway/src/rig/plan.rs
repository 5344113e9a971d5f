//! The shop's recovery plan, in its parameter.

use std::sync::Arc;

use runbook::RecoveryPlan;
use sandbox::REGIONS;
use sandbox::account::OPERATOR;
use sandbox::wire::Wire;
use sandbox::wire::connector::sdk_config;

use crate::Error;

/// The parameter that holds the shop's plan.
pub const PLAN: &str = "/causeway/plans/shop";

/// The plan as a Region has it.
pub(super) async fn read(wire: &Arc<Wire>, region: &str) -> Result<RecoveryPlan, Error> {
    let ssm = aws_sdk_ssm::Client::new(&sdk_config(Arc::clone(wire), region, OPERATOR));
    let parameter = ssm.get_parameter().name(PLAN).send().await?;
    let text = parameter.parameter().and_then(|parameter| parameter.value()).unwrap_or_default();
    Ok(RecoveryPlan::parse(text, PLAN)?)
}

/// Changes the plan in both Regions.
pub(super) async fn change(wire: &Arc<Wire>, change: impl Fn(&mut RecoveryPlan)) -> Result<(), Error> {
    for region in REGIONS {
        let mut plan = read(wire, region).await?;
        change(&mut plan);
        let ssm = aws_sdk_ssm::Client::new(&sdk_config(Arc::clone(wire), region, OPERATOR));
        let text = serde_json::to_string(&plan)?;
        ssm.put_parameter().name(PLAN).value(text).overwrite(true).send().await?;
    }
    Ok(())
}
