//! The operations that write single items, and batches of them.
//!
//! What is refused changes nothing; a batch is refused as a whole when one of its requests can't be.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::attribute::{Item, item_json, item_size, read_item};
use crate::capacity;
use crate::change::{After, Change};
use crate::error::{Error, Result};
use crate::expression::path::parts;
use crate::input::{choice, constraint, known, object, required};
use crate::keys::Position;
use crate::state::{State, table_name};

/// The most requests of a batch.
const MAX_BATCH: usize = 25;

/// What every write may have.
const MEMBERS: [&str; 8] = [
    "TableName",
    "ReturnValues",
    "ReturnConsumedCapacity",
    "ReturnItemCollectionMetrics",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
];

/// `PutItem`
pub fn put(state: &mut State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    known(input, &[MEMBERS.as_slice(), &["Item"]].concat())?;
    old_or_none(input)?;
    write(state, region, input, &Change::put(input)?, now)
}

/// `UpdateItem`
pub fn update(state: &mut State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    known(input, &[MEMBERS.as_slice(), &["Key", "UpdateExpression"]].concat())?;
    write(state, region, input, &Change::update(input)?, now)
}

/// `DeleteItem`
pub fn delete(state: &mut State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    known(input, &[MEMBERS.as_slice(), &["Key"]].concat())?;
    old_or_none(input)?;
    write(state, region, input, &Change::delete(input)?, now)
}

fn returned(input: &Value) -> Result<&str> {
    let choices = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
    Ok(choice(input, "ReturnValues", &choices)?.unwrap_or("NONE"))
}

fn old_or_none(input: &Value) -> Result<()> {
    match returned(input)? {
        "NONE" | "ALL_OLD" => Ok(()),
        _ => Err(Error::validation("Return values set to invalid value")),
    }
}

fn write(state: &mut State, region: &str, input: &Value, change: &Change, now: Timestamp) -> Result<Value> {
    let returned = returned(input)?;
    let capacity = capacity::wanted(input)?;
    capacity::collections(input)?;
    let table = state.named(region, input)?;
    let (group, replica) = state.table(region, table)?;
    let position = change.place(&group.schema)?;
    let before = replica.items.get(&position).cloned();
    let after = change.make(&group.schema, before.as_ref())?;
    let paths = change.paths();
    let of = |item: Option<&Item>| item.map(|item| parts(item, &paths)).filter(|parts| !parts.is_empty());
    let new = match &after {
        After::Item(item) => Some(item),
        After::Same | After::Gone => None,
    };
    let attributes = match returned {
        "ALL_OLD" => before.clone(),
        "ALL_NEW" => new.cloned(),
        "UPDATED_OLD" => of(before.as_ref()),
        "UPDATED_NEW" => of(new),
        _ => None,
    };
    let mut answer = json!({});
    if let Some(attributes) = attributes {
        answer["Attributes"] = item_json(&attributes);
    }
    if capacity {
        let units = capacity::write(size(before.as_ref()).max(size(new)));
        answer["ConsumedCapacity"] = capacity::shown(table_name(input)?, units);
    }
    put_after(state, region, table, &position, after, now);
    Ok(answer)
}

/// How many bytes an item has.
pub fn size(item: Option<&Item>) -> usize {
    item.map_or(0, item_size)
}

/// Writes what became of an item.
pub fn put_after(
    state: &mut State,
    region: &str,
    table: u64,
    position: &Position,
    after: After,
    now: Timestamp,
) {
    match after {
        After::Same => {}
        After::Item(item) => state.write(region, table, position, Some(item), now),
        After::Gone => state.write(region, table, position, None, now),
    }
}

/// `BatchWriteItem`
pub fn batch(state: &mut State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    known(input, &["RequestItems", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"])?;
    let capacity = capacity::wanted(input)?;
    capacity::collections(input)?;
    let tables = object(input, "RequestItems")?;
    let count = tables.values().filter_map(Value::as_array).map(Vec::len).sum::<usize>();
    if tables.is_empty() {
        let rule = "Member must have length greater than or equal to 1";
        return Err(constraint("'{}'", "RequestItems", rule));
    }
    if count > MAX_BATCH {
        return Err(Error::validation("Too many items requested for the BatchWriteItem call"));
    }
    let mut changes: Vec<(u64, &str, Change)> = Vec::new();
    for (name, requests) in tables {
        let requests = requests.as_array().filter(|requests| !requests.is_empty()).ok_or_else(|| {
            Error::validation("The batch write request list for a table cannot be null or empty")
        })?;
        let requests = requests.iter().map(request).collect::<Result<Vec<_>>>()?;
        let table = state.named(region, &json!({"TableName": name}))?;
        changes.extend(requests.into_iter().map(|change| (table, name.as_str(), change)));
    }
    let mut places = BTreeSet::new();
    let mut writes = Vec::new();
    let mut units: BTreeMap<&str, f64> = BTreeMap::new();
    for (table, name, change) in changes {
        let (group, replica) = state.table(region, table)?;
        change.check_key(&group.schema)?;
        let position = change.place(&group.schema)?;
        if !places.insert((table, position.clone())) {
            return Err(Error::validation("Provided list of item keys contains duplicates"));
        }
        let before = replica.items.get(&position);
        let after = change.make(&group.schema, before)?;
        let new = match &after {
            After::Item(item) => Some(item),
            After::Same | After::Gone => None,
        };
        *units.entry(name).or_default() += capacity::write(size(before).max(size(new)));
        writes.push((table, position, after));
    }
    for (table, position, after) in writes {
        put_after(state, region, table, &position, after, now);
    }
    let mut answer = json!({"UnprocessedItems": {}});
    if capacity {
        answer["ConsumedCapacity"] =
            units.iter().map(|(name, units)| capacity::shown(name, *units)).collect();
    }
    Ok(answer)
}

/// One request of a batch.
fn request(input: &Value) -> Result<Change> {
    known(input, &["PutRequest", "DeleteRequest"])?;
    let put = input.get("PutRequest").filter(|given| !given.is_null());
    let delete = input.get("DeleteRequest").filter(|given| !given.is_null());
    match (put, delete) {
        (Some(put), None) => {
            known(put, &["Item"])?;
            Ok(Change::put_item(read_item(required(put, "Item")?)?))
        }
        (None, Some(delete)) => {
            known(delete, &["Key"])?;
            Ok(Change::delete_key(read_item(required(delete, "Key")?)?))
        }
        _ => Err(Error::validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of PutRequest and DeleteRequest",
        )),
    }
}
