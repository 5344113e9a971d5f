//! Transactions: all of some changes, or none of them; and several items read at one time.
//!
//! A transaction is refused as a whole when it can't be read. Otherwise every item has its reason, `None` for those that it
//! did not fail for. In the other Regions its items arrive one by one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::attribute::{Item, item_json, read_item};
use crate::capacity;
use crate::change::{After, Change};
use crate::error::{Error, Result};
use crate::expression::path::parts;
use crate::expression::projection;
use crate::expression::scope::Scope;
use crate::input::{constraint, known, list, required, text};
use crate::state::{Remembered, State, table_name};
use crate::write::{put_after, size};

/// The most items, and the most bytes of them.
const MAX_ITEMS: usize = 100;
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long a token is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

/// `TransactWriteItems`
pub fn write(state: &mut State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    known(
        input,
        &["TransactItems", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ClientRequestToken"],
    )?;
    let capacity = capacity::wanted(input)?;
    capacity::collections(input)?;
    let token = text(input, "ClientRequestToken")?;
    if let Some(token) = token.filter(|token| token.is_empty() || token.len() > 36) {
        let rule = if token.is_empty() {
            "Member must have length greater than or equal to 1"
        } else {
            "Member must have length less than or equal to 36"
        };
        return Err(constraint(&format!("'{token}'"), "ClientRequestToken", rule));
    }
    state.tokens.retain(|_, known| now.duration_since(known.at) < REMEMBERED);
    let token = token.map(|token| (region.to_owned(), token.to_owned()));
    if let Some(known) = token.as_ref().and_then(|token| state.tokens.get(token)) {
        if known.request["TransactItems"] == input["TransactItems"] {
            return Ok(known.answer.clone());
        }
        return Err(Error::new(
            "IdempotentParameterMismatchException",
            "Request rejected: the client request token was used with other parameters within the last ten minutes",
        ));
    }
    let mut changes = Vec::new();
    for one in items(input)? {
        let (name, change) = change(one)?;
        changes.push((state.named(region, &json!({"TableName": name}))?, name, change));
    }
    let (writes, units) = all(state, region, &changes)?;
    for (table, position, after) in writes {
        put_after(state, region, table, &position, after, now);
    }
    let answer = answer(capacity, &units, "WriteCapacityUnits");
    if let Some(token) = token {
        let known = Remembered { at: now, request: input.clone(), answer: answer.clone() };
        state.tokens.insert(token, known);
    }
    Ok(answer)
}

type Writes = Vec<(u64, crate::keys::Position, After)>;

/// What all changes make of their items; or the reasons why they are not made.
fn all<'a>(
    state: &State,
    region: &str,
    changes: &[(u64, &'a str, Change)],
) -> Result<(Writes, BTreeMap<&'a str, f64>)> {
    let mut reasons = Vec::new();
    for (table, _, change) in changes {
        change.check_empty(&state.table(region, *table)?.0.schema)?;
    }
    let mut places = BTreeSet::new();
    let mut writes = Vec::new();
    let mut units: BTreeMap<&str, f64> = BTreeMap::new();
    let mut bytes = 0;
    for (table, name, change) in changes {
        let (group, replica) = state.table(region, *table)?;
        let position = match change.place(&group.schema) {
            Ok(position) => position,
            Err(error) => {
                reasons.push(Some(error));
                continue;
            }
        };
        if !places.insert((*table, position.clone())) {
            return Err(Error::validation(
                "Transaction request cannot include multiple operations on one item",
            ));
        }
        let before = replica.items.get(&position);
        match change.make(&group.schema, before) {
            Ok(after) => {
                let new = match &after {
                    After::Item(item) => Some(item),
                    After::Same | After::Gone => None,
                };
                let larger = size(before).max(size(new));
                bytes += larger;
                *units.entry(name).or_default() += 2.0 * capacity::write(larger);
                writes.push((*table, position, after));
                reasons.push(None);
            }
            Err(error) => reasons.push(Some(error)),
        }
    }
    if reasons.iter().any(Option::is_some) {
        return Err(cancelled(&reasons));
    }
    if bytes > MAX_BYTES {
        return Err(Error::validation("Aggregate size of all items in the transaction cannot exceed 4 MB"));
    }
    Ok((writes, units))
}

/// What a transaction consumed, when that is asked for. It is shown twice, in general and by `kind`.
fn answer(capacity: bool, units: &BTreeMap<&str, f64>, kind: &str) -> Value {
    if capacity {
        let shown = units.iter().map(|(name, units)| {
            let mut shown = capacity::shown(name, *units);
            shown[kind] = json!(units);
            shown
        });
        return json!({"ConsumedCapacity": shown.collect::<Vec<_>>()});
    }
    json!({})
}

/// The items of a transaction, as many as there may be.
fn items(input: &Value) -> Result<&[Value]> {
    required(input, "TransactItems")?;
    let items = list(input, "TransactItems")?.map(Vec::as_slice).unwrap_or_default();
    let rule = match items.len() {
        0 => "Member must have length greater than or equal to 1",
        1..=MAX_ITEMS => return Ok(items),
        _ => "Member must have length less than or equal to 100",
    };
    Err(constraint(&format!("'[{} items]'", items.len()), "TransactItems", rule))
}

/// One change of a transaction, and the name of its table.
fn change(input: &Value) -> Result<(&str, Change)> {
    let kinds = ["Put", "Update", "Delete", "ConditionCheck"];
    known(input, &kinds)?;
    let mut given =
        kinds.iter().filter_map(|kind| Some((*kind, input.get(*kind).filter(|one| !one.is_null())?)));
    let (Some((kind, one)), None) = (given.next(), given.next()) else {
        return Err(Error::validation("TransactItems can only contain one of Check, Put, Update or Delete"));
    };
    let more: &[&str] = match kind {
        "Put" => &["Item"],
        "Update" => &["Key", "UpdateExpression"],
        _ => &["Key"],
    };
    let shared = [
        "TableName",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
    ];
    known(one, &[shared.as_slice(), more].concat())?;
    let change = match kind {
        "Put" => Change::put(one)?,
        "Update" => {
            required(one, "UpdateExpression")?;
            Change::update(one)?
        }
        "Delete" => Change::delete(one)?,
        _ => Change::check(one)?,
    };
    Ok((table_name(one)?, change))
}

/// The error of a transaction that was not made.
fn cancelled(reasons: &[Option<Error>]) -> Error {
    let code = |error: &Error| error.code.trim_end_matches("Exception").to_owned();
    let code = |error: &Error| match code(error).as_str() {
        "Validation" => "ValidationError".to_owned(),
        "ConditionalCheckFailed" => "ConditionalCheckFailed".to_owned(),
        other => other.to_owned(),
    };
    let codes: Vec<String> =
        reasons.iter().map(|reason| reason.as_ref().map_or_else(|| "None".to_owned(), code)).collect();
    let shown = reasons.iter().zip(&codes).map(|(reason, code)| {
        let mut shown = json!({"Code": code});
        if let Some(error) = reason {
            shown["Message"] = json!(error.message);
            if let Some(item) = error.details.get("Item") {
                shown["Item"] = item.clone();
            }
        }
        shown
    });
    let shown: Vec<Value> = shown.collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    Error::new("TransactionCanceledException", message).with("CancellationReasons", json!(shown))
}

/// `TransactGetItems`
pub fn get(state: &State, region: &str, input: &Value) -> Result<Value> {
    known(input, &["TransactItems", "ReturnConsumedCapacity"])?;
    let capacity = capacity::wanted(input)?;
    let mut gets = Vec::new();
    for one in items(input)? {
        known(one, &["Get"])?;
        let get = required(one, "Get")?;
        known(get, &["Key", "TableName", "ProjectionExpression", "ExpressionAttributeNames"])?;
        let scope = Scope::read(get, &["ProjectionExpression"])?;
        let source = text(get, "ProjectionExpression")?;
        let paths = source.map(|source| projection::read(source, &scope)).transpose()?;
        scope.all_used()?;
        gets.push((state.named(region, get)?, table_name(get)?, read_item(required(get, "Key")?)?, paths));
    }
    let mut places = BTreeSet::new();
    let mut reasons = Vec::new();
    let mut responses = Vec::new();
    let mut units: BTreeMap<&str, f64> = BTreeMap::new();
    for (table, name, key, paths) in &gets {
        let (group, replica) = state.table(region, *table)?;
        let position = match group.schema.keys.find(key) {
            Ok(position) => position,
            Err(error) => {
                reasons.push(Some(error));
                continue;
            }
        };
        reasons.push(None);
        if !places.insert((*table, position.clone())) {
            return Err(Error::validation(
                "Transaction request cannot include multiple operations on one item",
            ));
        }
        let item: Option<&Item> = replica.items.get(&position);
        *units.entry(name).or_default() += 2.0 * capacity::read(size(item), true);
        let shown = item.map(|item| paths.as_ref().map_or_else(|| item.clone(), |paths| parts(item, paths)));
        responses.push(shown.map_or_else(|| json!({}), |item| json!({"Item": item_json(&item)})));
    }
    if reasons.iter().any(Option::is_some) {
        return Err(cancelled(&reasons));
    }
    let mut answer = answer(capacity, &units, "ReadCapacityUnits");
    answer["Responses"] = json!(responses);
    Ok(answer)
}
