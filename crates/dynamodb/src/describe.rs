//! How a table is shown.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::attribute::item_size;
use crate::keys::Keys;
use crate::schema::{Index, Projection, Schema};
use crate::state::{Group, Replica, State};

/// A table as `DescribeTable` shows it. Sizes and counts are those of now; AWS brings them up to date every six hours.
pub fn table(state: &State, region: &str, group: &Group, replica: &Replica, status: &str) -> Value {
    let schema = &group.schema;
    let arn = format!("arn:aws:dynamodb:{region}:{}:table/{}", state.account, group.name);
    let (count, size) =
        replica.items.all().fold((0_u64, 0), |(count, size), (_, item)| (count + 1, size + item_size(item)));
    let attributes = schema.attributes.iter();
    let mut shown = json!({
        "AttributeDefinitions": attributes.map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect::<Vec<_>>(),
        "TableName": group.name,
        "KeySchema": keys(&schema.keys),
        "TableStatus": status,
        "CreationDateTime": seconds(replica.created),
        "ProvisionedThroughput": throughput(schema.throughput),
        "WarmThroughput": warm(schema.throughput),
        "TableSizeBytes": size,
        "ItemCount": count,
        "TableArn": arn,
        "TableId": replica.id,
        "DeletionProtectionEnabled": replica.protected,
    });
    if schema.throughput.is_none() {
        shown["BillingModeSummary"] = json!({
            "BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": seconds(replica.created),
        });
    }
    if !schema.indexes.is_empty() {
        let show = |index| self::index(schema, index, replica, &arn, status);
        shown["GlobalSecondaryIndexes"] = schema.indexes.iter().map(show).collect();
    }
    if let Some(stream) = &replica.stream {
        let label = stream.since.strftime("%Y-%m-%dT%H:%M:%S.%3f").to_string();
        shown["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": stream.view});
        shown["LatestStreamArn"] = json!(format!("{arn}/stream/{label}"));
        shown["LatestStreamLabel"] = json!(label);
    }
    // The others: a table is not shown as a replica of itself.
    let active = group.replicas.keys().filter(|other| *other != region).map(|other| (other, "ACTIVE"));
    let creating = group.creating.iter().map(|other| (other, "CREATING"));
    let others = active.chain(creating);
    let others: Vec<Value> =
        others.map(|(name, status)| json!({"RegionName": name, "ReplicaStatus": status})).collect();
    if !others.is_empty() {
        shown["GlobalTableVersion"] = json!("2019.11.21");
        shown["Replicas"] = json!(others);
    }
    shown
}

/// Seconds since 1970, as DynamoDB writes times.
pub fn seconds(at: Timestamp) -> Value {
    let millis = at.as_millisecond();
    match millis % 1000 {
        0 => json!(millis / 1000),
        part => format!("{}.{part:03}", millis / 1000).parse::<f64>().map_or(Value::Null, Value::from),
    }
}

fn index(schema: &Schema, index: &Index, replica: &Replica, arn: &str, status: &str) -> Value {
    let items = replica.items.all().filter(|(_, item)| index.keys.indexed(item).is_some());
    let sizes: Vec<usize> = items.map(|(_, item)| item_size(&schema.projected(index, item))).collect();
    let mut projection = match index.projection {
        Projection::All => json!({"ProjectionType": "ALL"}),
        Projection::KeysOnly => json!({"ProjectionType": "KEYS_ONLY"}),
        Projection::Include(_) => json!({"ProjectionType": "INCLUDE"}),
    };
    if let Projection::Include(names) = &index.projection {
        projection["NonKeyAttributes"] = json!(names);
    }
    json!({
        "IndexName": index.name,
        "KeySchema": keys(&index.keys),
        "Projection": projection,
        "IndexStatus": if status == "CREATING" { "CREATING" } else { "ACTIVE" },
        "ProvisionedThroughput": throughput(index.throughput),
        "WarmThroughput": warm(index.throughput),
        "IndexSizeBytes": sizes.iter().sum::<usize>(),
        "ItemCount": sizes.len(),
        "IndexArn": format!("{arn}/index/{}", index.name),
    })
}

fn keys(keys: &Keys) -> Value {
    let kinds = ["HASH", "RANGE"];
    let all = keys.attributes().zip(kinds);
    all.map(|(one, kind)| json!({"AttributeName": one.name, "KeyType": kind})).collect()
}

fn throughput(units: Option<(u64, u64)>) -> Value {
    let (read, write) = units.unwrap_or_default();
    json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": read, "WriteCapacityUnits": write})
}

/// What can be consumed at once: of a new table that is paid by request, 12,000 units for reading and 4,000 for writing.
fn warm(units: Option<(u64, u64)>) -> Value {
    let (read, write) = units.unwrap_or((12_000, 4_000));
    json!({"ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write, "Status": "ACTIVE"})
}
