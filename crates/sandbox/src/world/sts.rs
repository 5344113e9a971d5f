//! STS: says who calls.

use serde_json::{Value, json};

use crate::account::ACCOUNT;
use crate::api::{ApiError, Call, unknown};

pub(super) fn call(call: &Call) -> Result<Value, ApiError> {
    if call.operation != "GetCallerIdentity" {
        return Err(unknown(call));
    }
    Ok(json!({
        "Account": ACCOUNT,
        "UserId": call.principal,
        "Arn": format!("arn:aws:iam::{ACCOUNT}:user/{}", call.principal),
    }))
}
