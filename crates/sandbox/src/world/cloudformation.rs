//! CloudFormation: says that the stack of the template is there, and its outputs. Nothing is deployed.

use serde_json::{Value, json};

use crate::account::{ACCOUNT, ROLES, STACK, role_arn};
use crate::api::{ApiError, Call, unknown};

pub(super) fn call(call: &Call) -> Result<Value, ApiError> {
    if call.operation != "DescribeStacks" {
        return Err(unknown(call));
    }
    if let Some(name) = call.input["StackName"].as_str()
        && name != STACK
    {
        return Err(ApiError::new("ValidationError", format!("Stack with id {name} does not exist")));
    }
    let runbooks = ROLES.iter().filter_map(|(of, role)| Some((of.strip_suffix("-runbook")?, role)));
    let outputs = runbooks.map(|(runbook, role)| {
        let (first, rest) = runbook.split_at(1);
        json!({"OutputKey": format!("{}{rest}RoleArn", first.to_uppercase()), "OutputValue": role_arn(role, &call.region)})
    });
    Ok(json!({"Stacks": [{
        "StackId": format!("arn:aws:cloudformation:{}:{ACCOUNT}:stack/{STACK}/sandbox", call.region),
        "StackName": STACK,
        "CreationTime": "2026-01-01T00:00:00.000Z",
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": outputs.collect::<Vec<_>>(),
    }]}))
}
