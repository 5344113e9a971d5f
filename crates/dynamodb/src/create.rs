//! Reads what a table shall be.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::input::{boolean, choice, known, list, member, number, object, required, text};
use crate::keys::{KeyAttribute, Keys};
use crate::schema::{Index, Projection, Schema};
use crate::state::check_name;

/// The most global secondary indexes.
const MAX_INDEXES: usize = 20;

/// Reads the schema of a `CreateTable`.
///
/// # Errors
/// When something in it can't be so.
pub fn schema(input: &Value) -> Result<Schema> {
    let mut attributes = BTreeMap::new();
    for one in list(input, "AttributeDefinitions")?.into_iter().flatten() {
        known(one, &["AttributeName", "AttributeType"])?;
        let name = text(one, "AttributeName")?.unwrap_or_default();
        let kind = choice(one, "AttributeType", &["B", "N", "S"])?.unwrap_or_default();
        if attributes.insert(name.to_owned(), kind.to_owned()).is_some() {
            return Err(Error::parameter(format!(
                "Cannot have two attributes with the same name; AttributeName: {name}"
            )));
        }
    }
    let provisioned =
        choice(input, "BillingMode", &["PROVISIONED", "PAY_PER_REQUEST"])? != Some("PAY_PER_REQUEST");
    let keys = keys(input, &attributes)?;
    let mut indexes: Vec<Index> = Vec::new();
    let given = list(input, "GlobalSecondaryIndexes")?;
    if given.is_some_and(Vec::is_empty) {
        return Err(Error::parameter("List of GlobalSecondaryIndexes is empty"));
    }
    for one in given.into_iter().flatten() {
        let index = index(one, &attributes, provisioned)?;
        if indexes.iter().any(|other| other.name == index.name) {
            return Err(Error::parameter(format!("Duplicate index name: {}", index.name)));
        }
        indexes.push(index);
    }
    if indexes.len() > MAX_INDEXES {
        return Err(Error::parameter(format!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {MAX_INDEXES}"
        )));
    }
    let used: Vec<&str> = indexes
        .iter()
        .flat_map(|index| index.keys.attributes())
        .chain(keys.attributes())
        .map(|one| one.name.as_str())
        .collect();
    if !attributes.keys().all(|name| used.contains(&name.as_str())) {
        let message = if indexes.is_empty() {
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions".to_owned()
        } else {
            let all: Vec<&str> = attributes.keys().map(String::as_str).collect();
            format!(
                "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
                all.join(", "),
                used.join(", ")
            )
        };
        return Err(Error::parameter(message));
    }
    let throughput = throughput(input, provisioned)?;
    Ok(Schema { keys, indexes, attributes, throughput })
}

/// Reads a `StreamSpecification`; the view of a stream that is to be.
///
/// # Errors
/// When it can't be so.
pub fn stream(input: &Value) -> Result<Option<String>> {
    let Some(given) = member(input, "StreamSpecification") else { return Ok(None) };
    known(given, &["StreamEnabled", "StreamViewType"])?;
    let views = ["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"];
    let view = choice(given, "StreamViewType", &views)?;
    match (boolean(given, "StreamEnabled")?, view) {
        (true, Some(view)) => Ok(Some(view.to_owned())),
        (false, None) => Ok(None),
        (true, None) => Err(Error::parameter("StreamViewType is required when StreamEnabled is true")),
        (false, Some(_)) => {
            Err(Error::parameter("StreamViewType can't be given when StreamEnabled is false"))
        }
    }
}

fn keys(input: &Value, attributes: &BTreeMap<String, String>) -> Result<Keys> {
    required(input, "KeySchema")?;
    let all = list(input, "KeySchema")?.map(Vec::as_slice).unwrap_or_default();
    let mut elements = Vec::new();
    for one in all {
        known(one, &["AttributeName", "KeyType"])?;
        let kind = choice(one, "KeyType", &["HASH", "RANGE"])?.unwrap_or_default();
        elements.push((text(one, "AttributeName")?.unwrap_or_default(), kind));
    }
    if elements.first().is_none_or(|(_, kind)| *kind != "HASH") {
        return Err(Error::parameter("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if elements.get(1).is_some_and(|(_, kind)| *kind != "RANGE") {
        return Err(Error::parameter(
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ));
    }
    if elements.len() > 2 {
        return Err(Error::unsupported("a key of more than two attributes"));
    }
    if elements.len() == 2 && elements[0].0 == elements[1].0 {
        return Err(Error::parameter(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    let mut defined = Vec::new();
    for (name, _) in &elements {
        let kind = attributes.get(*name).ok_or_else(|| {
            let names: Vec<&str> = elements.iter().map(|(name, _)| *name).collect();
            let all: Vec<&str> = attributes.keys().map(String::as_str).collect();
            Error::parameter(format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
                names.join(", "),
                all.join(", ")
            ))
        })?;
        defined.push(KeyAttribute { name: (*name).to_owned(), kind: kind.clone() });
    }
    let mut defined = defined.into_iter();
    let partition = defined.next().ok_or_else(|| Error::parameter("Invalid KeySchema: it is empty"))?;
    Ok(Keys { partition, sort: defined.next() })
}

fn index(input: &Value, attributes: &BTreeMap<String, String>, provisioned: bool) -> Result<Index> {
    known(input, &["IndexName", "KeySchema", "Projection", "ProvisionedThroughput"])?;
    let name = text(input, "IndexName")?.unwrap_or_default();
    check_name(name, "IndexName", 255)?;
    let given = object(input, "Projection").map(|_| &input["Projection"])?;
    known(given, &["ProjectionType", "NonKeyAttributes"])?;
    let kind = choice(given, "ProjectionType", &["ALL", "KEYS_ONLY", "INCLUDE"])?;
    let names = list(given, "NonKeyAttributes")?;
    let projection = match (kind, names) {
        (Some("INCLUDE"), Some(names)) if !names.is_empty() => {
            let names = names.iter().filter_map(Value::as_str).map(str::to_owned);
            Projection::Include(names.collect())
        }
        (Some("INCLUDE"), _) => {
            return Err(Error::parameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"));
        }
        (Some(kind), Some(_)) => {
            return Err(Error::parameter(format!(
                "ProjectionType is {kind}, but NonKeyAttributes is specified"
            )));
        }
        (Some("ALL"), None) => Projection::All,
        (Some(_), None) => Projection::KeysOnly,
        (None, _) => return Err(Error::parameter("Unknown ProjectionType: null")),
    };
    let throughput = throughput(input, provisioned)?;
    Ok(Index { name: name.to_owned(), keys: keys(input, attributes)?, projection, throughput })
}

fn throughput(input: &Value, provisioned: bool) -> Result<Option<(u64, u64)>> {
    match member(input, "ProvisionedThroughput") {
        Some(given) if provisioned => {
            known(given, &["ReadCapacityUnits", "WriteCapacityUnits"])?;
            let read = number(given, "ReadCapacityUnits", 1, u64::MAX)?;
            let write = number(given, "WriteCapacityUnits", 1, u64::MAX)?;
            let both = read.zip(write);
            both.map(Some).ok_or_else(|| {
                Error::parameter("ReadCapacityUnits and WriteCapacityUnits must both be specified")
            })
        }
        None if provisioned => Err(Error::parameter(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        Some(_) => Err(Error::parameter(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        None => Ok(None),
    }
}
