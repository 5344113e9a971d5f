//! `Query` and `Scan`: pages of the items of a table or an index.
//!
//! An index is computed when it is read: here it is never behind its table. A page ends after `Limit` items, or before one that
//! would make it longer than 1 MB; both count items before the filter, as at DynamoDB.

use serde_json::{Value, json};

use crate::attribute::{Item, item_json, item_size, read_item};
use crate::capacity;
use crate::error::{Error, Result};
use crate::expression::condition::Condition;
use crate::expression::path::{Path, parts};
use crate::expression::projection;
use crate::expression::scope::Scope;
use crate::input::{boolean, choice, known, member, number, text};
use crate::keys::{Keys, Position};
use crate::range::Range;
use crate::schema::{Index, Projection, Schema};
use crate::state::{Replica, State, table_name};

/// The most bytes of a page.
const MAX_BYTES: usize = 1024 * 1024;
/// The most segments of a scan.
const MAX_SEGMENTS: u64 = 1_000_000;

/// What `Query` and `Scan` have in common.
const MEMBERS: [&str; 11] = [
    "TableName",
    "IndexName",
    "Select",
    "Limit",
    "ConsistentRead",
    "ExclusiveStartKey",
    "ReturnConsumedCapacity",
    "ProjectionExpression",
    "FilterExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
];

/// An item of a table or an index: by where it stands in an index, if it is one, and in the table.
struct Entry {
    at: (Option<Position>, Position),
    item: Item,
}

/// What is asked of a page, whichever items it is of.
struct Asked<'a> {
    schema: &'a Schema,
    index: Option<&'a Index>,
    limit: Option<u64>,
    consistent: bool,
    count_only: bool,
    filter: Option<Condition>,
    paths: Option<Vec<Path>>,
    start: Option<(Option<Position>, Position)>,
}

/// `Query`
pub fn query(state: &State, region: &str, input: &Value) -> Result<Value> {
    known(input, &[MEMBERS.as_slice(), &["KeyConditionExpression", "ScanIndexForward"]].concat())?;
    let scope = Scope::read(input, &["FilterExpression", "KeyConditionExpression", "ProjectionExpression"])?;
    let source = text(input, "KeyConditionExpression")?.ok_or_else(|| {
        Error::validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        )
    })?;
    let forward = member(input, "ScanIndexForward").is_none() || boolean(input, "ScanIndexForward")?;
    let (group, replica) = state.table(region, state.named(region, input)?)?;
    let asked = Asked::read(input, &group.schema, &scope)?;
    let keys = asked.keys();
    let range = Range::read(source, &scope, keys)?;
    scope.all_used()?;
    let in_key = asked.filter.iter().flat_map(Condition::paths).find(|path| keys.has(&path.name));
    if let Some(path) = in_key {
        return Err(Error::validation(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {}",
            path.name
        )));
    }
    if let Some((index, table)) = &asked.start
        && index.as_ref().unwrap_or(table).partition != range.partition
    {
        return Err(Error::validation(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    let mut entries = match asked.index {
        Some(_) => asked.entries(replica),
        None => entries(replica.items.partition(&range.partition)),
    };
    entries.retain(|entry| {
        let at = entry.at.0.as_ref().unwrap_or(&entry.at.1);
        at.partition == range.partition && range.sort.as_ref().is_none_or(|sort| sort.holds(&entry.item))
    });
    if !forward {
        entries.reverse();
    }
    asked.page(input, entries, forward)
}

/// `Scan`
pub fn scan(state: &State, region: &str, input: &Value) -> Result<Value> {
    known(input, &[MEMBERS.as_slice(), &["Segment", "TotalSegments"]].concat())?;
    let scope = Scope::read(input, &["FilterExpression", "ProjectionExpression"])?;
    let segment = number(input, "Segment", 0, MAX_SEGMENTS - 1)?;
    let total = number(input, "TotalSegments", 1, MAX_SEGMENTS)?;
    let segment = match (segment, total) {
        (None, None) => None,
        (Some(segment), Some(total)) if segment < total => Some((segment, total)),
        (Some(segment), Some(total)) => {
            return Err(Error::validation(format!(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not less than TotalSegments: {total}"
            )));
        }
        (Some(_), None) => {
            return Err(Error::validation(
                "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            ));
        }
        (None, Some(_)) => {
            return Err(Error::validation(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            ));
        }
    };
    let (group, replica) = state.table(region, state.named(region, input)?)?;
    let asked = Asked::read(input, &group.schema, &scope)?;
    scope.all_used()?;
    let mut entries = asked.entries(replica);
    if let Some((segment, total)) = segment {
        entries.retain(|entry| entry.at.0.as_ref().unwrap_or(&entry.at.1).segment(total) == segment);
    }
    asked.page(input, entries, true)
}

impl<'a> Asked<'a> {
    fn read(input: &Value, schema: &'a Schema, scope: &Scope) -> Result<Self> {
        let index = text(input, "IndexName")?.map(|name| schema.index(name)).transpose()?;
        let consistent = boolean(input, "ConsistentRead")?;
        if consistent && index.is_some() {
            return Err(Error::validation("Consistent reads are not supported on global secondary indexes"));
        }
        let label = "FilterExpression";
        let filter = text(input, label)?.map(|source| Condition::read(label, source, scope)).transpose()?;
        let source = text(input, "ProjectionExpression")?;
        let paths = source.map(|source| projection::read(source, scope)).transpose()?;
        let asked = Self {
            schema,
            index,
            limit: number(input, "Limit", 1, u64::from(u32::MAX >> 1))?,
            consistent,
            count_only: select(input, index, paths.is_some())?,
            filter,
            paths,
            start: None,
        };
        if let (Some(index), Some(paths)) = (index, &asked.paths) {
            let not = |path: &&Path| !schema.projects(index, &path.name);
            let missing: Vec<&str> = paths.iter().filter(not).map(|path| path.name.as_str()).collect();
            if !missing.is_empty() {
                return Err(Error::parameter(format!(
                    "Global secondary index {} does not project [{}]",
                    index.name,
                    missing.join(", ")
                )));
            }
        }
        let start =
            member(input, "ExclusiveStartKey").map(|key| asked.start(&read_item(key)?)).transpose()?;
        Ok(Self { start, ..asked })
    }

    /// The keys of what is read.
    fn keys(&self) -> &'a Keys {
        self.index.map_or(&self.schema.keys, |index| &index.keys)
    }

    /// Where to go on.
    fn start(&self, key: &Item) -> Result<(Option<Position>, Position)> {
        let invalid = || Error::validation("The provided starting key is invalid");
        if *key != self.key(key) {
            return Err(invalid());
        }
        let table = self.schema.keys.find(&self.schema.keys.pick(key)).map_err(|error| {
            Error::validation(format!("The provided starting key is invalid: {}", error.message))
        })?;
        let index = self.index.map(|index| index.keys.indexed(key).ok_or_else(invalid)).transpose()?;
        Ok((index, table))
    }

    /// What of an item says where to go on after it.
    fn key(&self, item: &Item) -> Item {
        let mut key = self.schema.keys.pick(item);
        key.extend(self.keys().pick(item));
        key
    }

    /// Everything that is read from, in order.
    fn entries(&self, replica: &Replica) -> Vec<Entry> {
        let Some(index) = self.index else { return entries(replica.items.all()) };
        let of = |(position, item): (&Position, &Item)| {
            let at = index.keys.indexed(item)?;
            Some(Entry { at: (Some(at), position.clone()), item: self.schema.projected(index, item) })
        };
        let mut entries: Vec<Entry> = replica.items.all().filter_map(of).collect();
        entries.sort_by(|one, two| one.at.cmp(&two.at));
        entries
    }

    /// A page of these items, which are in the order in which they are read.
    fn page(&self, input: &Value, entries: Vec<Entry>, forward: bool) -> Result<Value> {
        let capacity = capacity::wanted(input)?;
        let (mut items, mut count, mut scanned, mut bytes) = (Vec::new(), 0_u64, 0_u64, 0);
        let (mut last, mut more) = (None, false);
        let behind = |entry: &Entry| {
            self.start
                .as_ref()
                .is_none_or(|start| if forward { entry.at > *start } else { entry.at < *start })
        };
        for entry in entries.into_iter().filter(behind) {
            let size = item_size(&entry.item);
            if self.limit == Some(scanned) || (bytes + size > MAX_BYTES && scanned > 0) {
                more = true;
                break;
            }
            bytes += size;
            scanned += 1;
            last = Some(self.key(&entry.item));
            if self.filter.as_ref().is_some_and(|filter| !filter.holds(&entry.item)) {
                continue;
            }
            count += 1;
            if !self.count_only {
                let shown =
                    self.paths.as_ref().map_or_else(|| entry.item.clone(), |paths| parts(&entry.item, paths));
                items.push(item_json(&shown));
            }
        }
        let mut answer = json!({"Count": count, "ScannedCount": scanned});
        if !self.count_only {
            answer["Items"] = json!(items);
        }
        // A page that has as many as it may says where to go on, even when nothing follows.
        if let Some(key) = last.filter(|_| more || self.limit == Some(scanned)) {
            answer["LastEvaluatedKey"] = item_json(&key);
        }
        if capacity {
            answer["ConsumedCapacity"] =
                capacity::shown(table_name(input)?, capacity::read(bytes, self.consistent));
        }
        Ok(answer)
    }
}

fn entries<'a>(items: impl Iterator<Item = (&'a Position, &'a Item)>) -> Vec<Entry> {
    items.map(|(position, item)| Entry { at: (None, position.clone()), item: item.clone() }).collect()
}

/// Whether only a count is asked for; and whether what is asked for goes together.
fn select(input: &Value, index: Option<&Index>, projected: bool) -> Result<bool> {
    let choices = ["ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT"];
    let select = choice(input, "Select", &choices)?;
    match (select, index) {
        (Some("ALL_PROJECTED_ATTRIBUTES"), None) => Err(Error::validation(
            "One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        )),
        (Some("SPECIFIC_ATTRIBUTES"), _) if !projected => Err(Error::validation(
            "One or more parameter values were invalid: Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        (Some(select), _) if projected && select != "SPECIFIC_ATTRIBUTES" => {
            let what = if select == "COUNT" { "only the Count" } else { select };
            Err(Error::validation(format!(
                "Cannot specify the ProjectionExpression when choosing to get {what}"
            )))
        }
        (Some("ALL_ATTRIBUTES"), Some(index)) if index.projection != Projection::All => {
            Err(Error::parameter(format!(
                "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type is not ALL",
                index.name
            )))
        }
        _ => Ok(select == Some("COUNT")),
    }
}
