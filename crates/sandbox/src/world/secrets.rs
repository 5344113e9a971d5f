//! Secrets Manager: lists secrets, reads them by name or ARN.

use std::sync::Arc;

use serde_json::{Value, json};

use super::core::World;
use super::model::region_of;
use crate::account::ACCOUNT;
use crate::api::{ApiError, Call, required, unknown};

/// The ARN of a secret: its name, and the six characters that the service adds.
pub(crate) fn secret_arn(region: &str, name: &str) -> String {
    format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}-sandbx")
}

/// Under which name the version of a secret is kept that was current before; none of a secret has such characters.
fn previous(name: &str) -> String {
    format!("{name}{PREVIOUS}")
}

const PREVIOUS: &str = " (AWSPREVIOUS)";

impl World {
    /// Rotates a secret, or creates it: its text becomes this, the one before is its previous version. The databases do not
    /// hear of it.
    pub fn rotate_secret(&self, region: &str, name: &str, text: &str) {
        self.state(|state| {
            let before = state.secrets.insert((region.to_owned(), name.to_owned()), text.to_owned());
            if let Some(before) = before {
                state.secrets.insert((region.to_owned(), previous(name)), before);
            }
        });
    }
}

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "GetSecretValue" => value(world, call),
        "ListSecrets" => Ok(list(world, call)),
        _ => Err(unknown(call)),
    }
}

/// The Region's secrets without what is in them, all on one page.
fn list(world: &World, call: &Call) -> Value {
    let entry = |name: &String| json!({"ARN": secret_arn(&call.region, name), "Name": name});
    let entries: Vec<Value> = world.state(|state| {
        let here = state.secrets.keys().filter(|(region, _)| *region == call.region).map(|(_, name)| name);
        here.filter(|name| !name.ends_with(PREVIOUS)).map(entry).collect()
    });
    json!({"SecretList": entries})
}

fn value(world: &World, call: &Call) -> Result<Value, ApiError> {
    let id = required(&call.input, "SecretId")?;
    let missing =
        || ApiError::new("ResourceNotFoundException", format!("Secrets Manager can't find the secret {id}"));
    let name = match id.split_once(":secret:") {
        Some(_) if region_of(id) != call.region => return Err(missing()),
        // An ARN ends in the name and a hyphen with six characters.
        Some((_, rest)) => rest.rsplit_once('-').map_or(rest, |(name, _)| name),
        None => id,
    };
    let stage = call.input["VersionStage"].as_str().unwrap_or("AWSCURRENT");
    let (kept, version) = match stage {
        "AWSCURRENT" => (name.to_owned(), 2),
        "AWSPREVIOUS" => (previous(name), 1),
        _ => return Err(missing()),
    };
    world
        .state(|state| state.secrets.get(&(call.region.clone(), kept)).cloned())
        .map(|text| {
            json!({
                "ARN": secret_arn(&call.region, name),
                "Name": name,
                "VersionId": format!("00000000-0000-0000-0000-{version:012}"),
                "SecretString": text,
                "VersionStages": [stage],
            })
        })
        .ok_or_else(missing)
}
