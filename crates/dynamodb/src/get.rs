//! The operations that read items by their keys.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::attribute::{Item, item_json, item_size, read_item};
use crate::capacity;
use crate::error::{Error, Result};
use crate::expression::path::{Path, parts};
use crate::expression::projection;
use crate::expression::scope::Scope;
use crate::input::{boolean, constraint, known, list, object, required, text};
use crate::state::{State, table_name};

/// The most keys of a batch, and the most bytes of what it answers.
const MAX_BATCH: usize = 100;
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// `GetItem`
pub fn one(state: &State, region: &str, input: &Value) -> Result<Value> {
    known(
        input,
        &[
            "TableName",
            "Key",
            "ConsistentRead",
            "ReturnConsumedCapacity",
            "ProjectionExpression",
            "ExpressionAttributeNames",
        ],
    )?;
    let capacity = capacity::wanted(input)?;
    let consistent = boolean(input, "ConsistentRead")?;
    let paths = paths(input)?;
    let key = read_item(required(input, "Key")?)?;
    let (group, replica) = state.table(region, state.named(region, input)?)?;
    let item = replica.items.get(&group.schema.keys.find(&key)?);
    let mut answer = json!({});
    if let Some(item) = item {
        answer["Item"] = item_json(&shown(item, paths.as_deref()));
    }
    if capacity {
        let units = capacity::read(item.map_or(0, item_size), consistent);
        answer["ConsumedCapacity"] = capacity::shown(table_name(input)?, units);
    }
    Ok(answer)
}

/// `BatchGetItem`
pub fn batch(state: &State, region: &str, input: &Value) -> Result<Value> {
    known(input, &["RequestItems", "ReturnConsumedCapacity"])?;
    let capacity = capacity::wanted(input)?;
    let tables = object(input, "RequestItems")?;
    if tables.is_empty() {
        let rule = "Member must have length greater than or equal to 1";
        return Err(constraint("'{}'", "RequestItems", rule));
    }
    let (mut responses, mut left, mut consumed) = (Map::new(), Map::new(), Vec::new());
    let (mut count, mut bytes) = (0, 0);
    for (name, request) in tables {
        known(request, &["Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"])?;
        let paths = paths(request)?;
        let consistent = boolean(request, "ConsistentRead")?;
        required(request, "Keys")?;
        let keys = list(request, "Keys")?.map(Vec::as_slice).unwrap_or_default();
        count += keys.len();
        if keys.is_empty() {
            return Err(constraint("'[]'", "Keys", "Member must have length greater than or equal to 1"));
        }
        if count > MAX_BATCH {
            return Err(Error::validation("Too many items requested for the BatchGetItem call"));
        }
        let (group, replica) = state.table(region, state.named(region, &json!({"TableName": name}))?)?;
        let (mut found, mut unread, mut places, mut units) = (Vec::new(), Vec::new(), BTreeSet::new(), 0.0);
        for key in keys {
            let position = group.schema.keys.find(&read_item(key)?)?;
            let item = replica.items.get(&position);
            if !places.insert(position) {
                return Err(Error::validation("Provided list of item keys contains duplicates"));
            }
            let size = item.map_or(0, item_size);
            if bytes + size > MAX_BYTES {
                unread.push(key.clone());
                continue;
            }
            bytes += size;
            units += capacity::read(size, consistent);
            found.extend(item.map(|item| item_json(&shown(item, paths.as_deref()))));
        }
        responses.insert(name.clone(), json!(found));
        if !unread.is_empty() {
            let mut request = request.clone();
            request["Keys"] = json!(unread);
            left.insert(name.clone(), request);
        }
        consumed.push(capacity::shown(name, units));
    }
    let mut answer = json!({"Responses": responses, "UnprocessedKeys": left});
    if capacity {
        answer["ConsumedCapacity"] = json!(consumed);
    }
    Ok(answer)
}

/// The places that a projection names; `None` without one.
fn paths(input: &Value) -> Result<Option<Vec<Path>>> {
    let scope = Scope::read(input, &["ProjectionExpression"])?;
    let source = text(input, "ProjectionExpression")?;
    let paths = source.map(|source| projection::read(source, &scope)).transpose()?;
    scope.all_used()?;
    Ok(paths)
}

fn shown(item: &Item, paths: Option<&[Path]>) -> Item {
    paths.map_or_else(|| item.clone(), |paths| parts(item, paths))
}
