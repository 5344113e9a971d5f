//! What a request of RDS says: names, tags, filters, pages; and the faults that are answered.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::account::{ACCOUNT, aws_key};
use crate::api::{ApiError, required};
use crate::world::model::{name_of, region_of};

pub(super) fn fault(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message)
}

pub(super) fn missing(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::with_status(404, code, message)
}

pub(super) fn arn(region: &str, kind: &str, name: &str) -> String {
    if name.starts_with("arn:") {
        name.to_owned()
    } else {
        format!("arn:aws:rds:{region}:{ACCOUNT}:{kind}:{}", name.to_lowercase())
    }
}

/// The ARN of a key that a request names by its ARN, id or alias.
pub(crate) fn key_arn(region: &str, key: &str) -> String {
    match key {
        "alias/aws/rds" => aws_key(region),
        key if key.starts_with("arn:") => key.to_owned(),
        key => format!("arn:aws:kms:{region}:{ACCOUNT}:key/{}", key.trim_start_matches("alias/")),
    }
}

/// Names of clusters, instances and manual cluster snapshots: 1 to 63 letters, digits, single hyphens, first a letter, no
/// hyphen at the end (RDS API reference).
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let fits = name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--");
    if fits {
        Ok(())
    } else {
        Err(fault("InvalidParameterValue", format!("{name:?} is not a valid identifier")))
    }
}

/// The `Tags` of an input: at most 50, none of AWS's own.
pub(super) fn tags_of(input: &Value) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for tag in input["Tags"].as_array().into_iter().flatten() {
        let key = required(tag, "Key")?;
        if key.starts_with("aws:") || key.starts_with("rds:") || key.chars().count() > 128 {
            return Err(fault("InvalidParameterValue", format!("{key:?} can't be the key of a tag")));
        }
        tags.insert(key.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned());
    }
    if tags.len() > 50 {
        Err(fault("InvalidParameterValue", "a resource has at most 50 tags"))
    } else {
        Ok(tags)
    }
}

/// One page of `all`; the marker is the number of the first item.
pub(super) fn page(input: &Value, name: &str, all: Vec<Value>) -> Result<Value, ApiError> {
    let limit = match &input["MaxRecords"] {
        Value::Null => 100,
        given => given
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (20..=100).contains(limit))
            .ok_or_else(|| {
                fault("InvalidParameterValue", format!("MaxRecords must be from 20 to 100, not {given}"))
            })?,
    };
    let start: usize = match input["Marker"].as_str() {
        None | Some("") => 0,
        Some(marker) => marker.parse().map_err(|_| {
            fault("InvalidParameterValue", format!("{marker:?} is not a marker of an earlier answer"))
        })?,
    };
    let total = all.len();
    let items: Vec<Value> = all.into_iter().skip(start).take(limit).collect();
    let mut answer = Map::new();
    if start + items.len() < total {
        answer.insert("Marker".into(), (start + items.len()).to_string().into());
    }
    answer.insert(name.into(), items.into());
    Ok(answer.into())
}

/// Whether a thing passes the `Filters` of the input. `values` holds what each filter that RDS knows compares; names and
/// ARNs are both understood.
pub(super) fn passes(input: &Value, values: &[(&str, &str)]) -> Result<bool, ApiError> {
    for filter in input["Filters"].as_array().into_iter().flatten() {
        let name = required(filter, "Name")?;
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let value = value
            .ok_or_else(|| fault("InvalidParameterValue", format!("Unrecognized filter name: {name}")))?;
        let wanted = filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if !wanted.map(name_of).any(|wanted| wanted.eq_ignore_ascii_case(value)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A name of a thing in the form it is stored in: without the ARN around it, in lower case.
pub(super) fn stored(name: &str) -> String {
    name_of(name).to_lowercase()
}

pub(super) fn no_global(id: &str) -> ApiError {
    missing("GlobalClusterNotFoundFault", format!("Global cluster {id} not found"))
}

pub(super) fn no_cluster(id: &str) -> ApiError {
    missing("DBClusterNotFoundFault", format!("DBCluster {id} not found."))
}

pub(super) fn no_instance(id: &str) -> ApiError {
    missing("DBInstanceNotFound", format!("DBInstance {id} not found."))
}

pub(super) fn no_snapshot(name: &str) -> ApiError {
    missing("DBClusterSnapshotNotFoundFault", format!("DBClusterSnapshot {name} not found."))
}

/// A text member of the input, if it is there.
pub(super) fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input[name].as_str().filter(|text| !text.is_empty())
}

/// A truth value of the input; absent is false.
pub(super) fn flag(input: &Value, name: &str) -> Result<bool, ApiError> {
    match &input[name] {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        other => Err(fault("InvalidParameterValue", format!("{name} must be true or false, not {other}"))),
    }
}

/// The ARN of the thing that an input names by its name or its ARN; `None` for an ARN of another Region.
pub(super) fn here(region: &str, kind: &str, name: &str) -> Option<String> {
    let arn = arn(region, kind, name);
    (region_of(&arn) == region).then_some(arn)
}
