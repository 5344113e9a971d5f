//! SSM parameters.

use std::sync::Arc;

use serde_json::{Value, json};

use super::core::World;
use super::state::Parameter;
use crate::account::ACCOUNT;
use crate::api::{ApiError, Call, aws_time, required, unknown};

/// Bytes that a parameter of the standard tier, and one of the advanced tier, holds.
const LIMITS: [usize; 2] = [4_096, 8_192];

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

/// A parameter's name in what may be its ARN.
fn plain(name: &str) -> String {
    match name.split_once(":parameter/") {
        // An ARN has no second slash for a name that begins with one.
        Some((_, rest)) if rest.contains('/') => format!("/{rest}"),
        Some((_, rest)) => rest.to_owned(),
        None => name.to_owned(),
    }
}

fn parameter_json(region: &str, name: &str, parameter: &Parameter) -> Value {
    json!({
        "Name": name,
        "Type": "String",
        "Value": parameter.value,
        "Version": parameter.version,
        "LastModifiedDate": aws_time(parameter.modified),
        "ARN": format!("arn:aws:ssm:{region}:{ACCOUNT}:parameter/{}", name.trim_start_matches('/')),
        "DataType": "text",
    })
}

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "GetParameter" => get(world, &call.region, &call.input),
        "GetParametersByPath" => get_by_path(world, &call.region, &call.input),
        "GetParameters" => get_many(world, &call.region, &call.input),
        "PutParameter" => put(world, &call.region, &call.input),
        _ => Err(unknown(call)),
    }
}

fn get(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = plain(required(input, "Name")?);
    world.state(|state| match state.parameters.get(&(region.to_owned(), name.clone())) {
        Some(parameter) => Ok(json!({"Parameter": parameter_json(region, &name, parameter)})),
        None => Err(ApiError::new("ParameterNotFound", format!("there is no parameter {name}"))),
    })
}

/// Of a path, without those further down: no more than a page has.
fn get_by_path(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let path = required(input, "Path")?;
    let start = format!("{}/", path.trim_end_matches('/'));
    let is_below =
        |name: &str| name.strip_prefix(&start).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'));
    let found = world.state(|state| {
        let here = state.parameters.iter().filter(|((of, name), _)| of == region && is_below(name));
        here.map(|((_, name), parameter)| parameter_json(region, name, parameter)).collect::<Vec<_>>()
    });
    Ok(json!({"Parameters": found}))
}

fn get_many(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let names: Vec<&str> =
        input["Names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() || names.len() > 10 {
        return Err(ApiError::new("ValidationException", "Names must hold 1 to 10 names"));
    }
    world.state(|state| {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            match state.parameters.get(&(region.to_owned(), plain(name))) {
                Some(parameter) => found.push(parameter_json(region, &plain(name), parameter)),
                None => missing.push(name),
            }
        }
        Ok(json!({"Parameters": found, "InvalidParameters": missing}))
    })
}

fn put(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "Name")?;
    let value = required(input, "Value")?;
    let invalid = |message: String| Err(ApiError::new("ValidationException", message));
    if name.contains('/') && !name.starts_with('/') {
        return invalid(format!("parameter name {name:?} must begin with a slash, as it has one inside"));
    }
    let tier = match (input["Tier"].as_str(), value.len() > LIMITS[0]) {
        (Some("Advanced"), _) | (Some("Intelligent-Tiering"), true) => "Advanced",
        _ => "Standard",
    };
    if value.len() > LIMITS[usize::from(tier == "Advanced")] {
        return invalid(format!("the value has {} bytes, too many for tier {tier}", value.len()));
    }
    let overwrite = input["Overwrite"].as_bool().unwrap_or_default();
    let modified = world.clock.now();
    world.state(|state| {
        let key = (region.to_owned(), name.to_owned());
        let earlier = state.parameters.get(&key).map(|parameter| parameter.version);
        match earlier {
            Some(_) if !overwrite => {
                return Err(ApiError::new("ParameterAlreadyExists", format!("{name} exists; set Overwrite")));
            }
            None if input["Type"].as_str().is_none() => {
                return Err(ApiError::new("ValidationException", "a type is required to create a parameter"));
            }
            _ => {}
        }
        let version = earlier.unwrap_or_default() + 1;
        state.parameters.insert(key, Parameter { value: value.to_owned(), version, modified });
        Ok(json!({"Version": version, "Tier": tier}))
    })
}
