//! Secrets Manager: reads secrets by name or ARN.

use std::sync::Arc;

use serde_json::{Value, json};

use super::aurora::region_of;
use super::{ApiError, Call, World, required, unknown};
use crate::ACCOUNT;

/// The ARN of a secret: its name, and the six characters that the service adds.
pub(crate) fn secret_arn(region: &str, name: &str) -> String {
    format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}-sandbx")
}

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    if call.operation != "GetSecretValue" {
        return Err(unknown(call));
    }
    let id = required(&call.input, "SecretId")?;
    let missing =
        || ApiError::new("ResourceNotFoundException", format!("Secrets Manager can't find the secret {id}"));
    let name = match id.split_once(":secret:") {
        Some(_) if region_of(id) != call.region => return Err(missing()),
        // An ARN ends in the name and a hyphen with six characters.
        Some((_, rest)) => rest.rsplit_once('-').map_or(rest, |(name, _)| name),
        None => id,
    };
    world
        .state(|state| state.secrets.get(&(call.region.clone(), name.to_owned())).cloned())
        .map(|text| {
            json!({
                "ARN": secret_arn(&call.region, name),
                "Name": name,
                "VersionId": "00000000-0000-0000-0000-000000000001",
                "SecretString": text,
                "VersionStages": ["AWSCURRENT"],
            })
        })
        .ok_or_else(missing)
}
