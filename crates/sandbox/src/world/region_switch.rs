//! ARC Region switch, as far as somebody asks who did not start it: what an execution of a plan did.
//!
//! There is no plan that runs here: whoever rehearses moves the databases as Region switch would, by RDS, and says here what
//! its execution tells of that ([`World::put_plan_execution`]).

use std::sync::Arc;

use serde_json::{Value, json};

use super::core::World;
use super::model::PlanExecution;
use crate::account::{ACCOUNT, REGIONS};
use crate::api::{ApiError, Call, aws_time, required, unknown};

impl World {
    /// Has Region switch answer so when it is asked for this execution.
    pub fn put_plan_execution(&self, execution: PlanExecution) {
        self.state(|state| {
            let key = (execution.plan.clone(), execution.id.clone());
            state.plan_executions.insert(key, execution);
        });
    }
}

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    if call.operation != "GetPlanExecution" {
        return Err(unknown(call));
    }
    let (plan, id) = (required(&call.input, "planArn")?, required(&call.input, "executionId")?);
    world.state(|state| match state.plan_executions.get(&(plan.to_owned(), id.to_owned())) {
        Some(execution) if execution.known_in.is_none_or(|region| region == call.region) => {
            Ok(shown(execution))
        }
        _ => {
            let message = format!("there is no execution {id} of {plan}");
            Err(ApiError::with_status(404, "ResourceNotFoundException", message))
        }
    })
}

fn shown(execution: &PlanExecution) -> Value {
    let steps = execution.steps.iter().map(|step| {
        json!({
            "name": step.name,
            "status": step.status,
            "startTime": step.started.map(aws_time),
            "endTime": step.ended.map(aws_time),
            "stepMode": execution.mode,
        })
    });
    json!({
        "planArn": execution.plan,
        "executionId": execution.id,
        "version": "1",
        "startTime": aws_time(execution.started),
        "endTime": execution.ended.map(aws_time),
        "mode": execution.mode,
        "executionState": execution.state,
        "executionAction": execution.action,
        "executionRegion": execution.region,
        "recoveryExecutionId": execution.recovery,
        "stepStates": steps.collect::<Vec<_>>(),
        "plan": {
            "arn": execution.plan,
            "name": "shop",
            "regions": REGIONS,
            "recoveryApproach": "activePassive",
            "executionRole": format!("arn:aws:iam::{ACCOUNT}:role/region-switch"),
            "owner": ACCOUNT,
            "workflows": execution.workflows,
        },
    })
}
