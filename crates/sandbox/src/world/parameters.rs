//! SSM parameters.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ApiError, Call, World, required, unknown};
use crate::ACCOUNT;

/// Bytes that a parameter of the standard tier, and one of the advanced tier, holds.
const LIMITS: [usize; 2] = [4_096, 8_192];

/// A parameter.
pub(crate) struct Parameter {
    pub(crate) value: String,
    pub(crate) version: u64,
    pub(crate) modified: Timestamp,
}

impl World {
    /// The value of a parameter.
    pub fn parameter(&self, region: &str, name: &str) -> Option<String> {
        self.state(|state| Some(state.parameters.get(&(region.to_owned(), name.to_owned()))?.value.clone()))
    }

    /// Sets a parameter.
    pub fn put_parameter(&self, region: &str, name: &str, value: &str) {
        let modified = self.clock.now();
        self.state(|state| {
            let parameter = Parameter { value: value.to_owned(), version: 1, modified };
            state.parameters.insert((region.to_owned(), name.to_owned()), parameter)
        });
    }
}

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let input = &call.input;
    let name = required(input, "Name")?;
    let key = (call.region.clone(), name.to_owned());
    match call.operation.as_str() {
        "GetParameter" => world
            .state(|state| {
                let parameter = state.parameters.get(&key)?;
                Some(json!({"Parameter": {
                    "Name": name,
                    "Type": "String",
                    "Value": parameter.value,
                    "Version": parameter.version,
                    "LastModifiedDate": parameter.modified.to_string(),
                    "ARN": format!("arn:aws:ssm:{}:{ACCOUNT}:parameter/{}", call.region, name.trim_start_matches('/')),
                    "DataType": "text",
                }}))
            })
            .ok_or_else(|| ApiError::new("ParameterNotFound", format!("there is no parameter {name}"))),
        "PutParameter" => {
            let value = required(input, "Value")?;
            let advanced = input["Tier"].as_str() == Some("Advanced") || input["Tier"].as_str() == Some("Intelligent-Tiering");
            if value.len() > LIMITS[usize::from(advanced)] {
                return Err(ApiError::new("ValidationException", format!("the value has {} bytes, too many for its tier", value.len())));
            }
            let overwrite = input["Overwrite"].as_bool().unwrap_or_default();
            let modified = world.clock.now();
            world.state(|state| match state.parameters.get_mut(&key) {
                Some(_) if !overwrite => Err(ApiError::new("ParameterAlreadyExists", format!("{name} exists"))),
                Some(parameter) => {
                    value.clone_into(&mut parameter.value);
                    parameter.version += 1;
                    parameter.modified = modified;
                    Ok(json!({"Version": parameter.version, "Tier": "Standard"}))
                }
                None => {
                    state.parameters.insert(key, Parameter { value: value.to_owned(), version: 1, modified });
                    Ok(json!({"Version": 1, "Tier": "Standard"}))
                }
            })
        }
        _ => Err(unknown(call)),
    }
}
