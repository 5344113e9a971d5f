//! What a request or an answer does not say of itself: types and names by member name. A name stands in a table only when
//! the world reads or answers it, and when it means the same in every operation that the sandbox knows, or the value tells
//! the rest. `tests/witness` holds the tables against botocore's models.

use jiff::Timestamp;
use serde_json::{Number, Value};

/// Members that are timestamps, or lists of them. RFC 3339 text in the world, seconds since 1970 in JSON and CBOR.
pub const TIMES: &[&str] = &[
    "EndTime",
    "ExecutionEndTime",
    "ExecutionStartTime",
    "LastModifiedDate",
    "StartTime",
    "Timestamp",
    "Timestamps",
    "creationTime",
    "endTime",
    "lastUpdateTime",
    "redriveDate",
    "startDate",
    "startTime",
    "stopDate",
];

/// Members that hold maps of a user's own names when they are objects: nothing in there is converted.
pub const FREE: &[&str] = &["Inputs", "Outputs", "Parameters", "tags"];

/// Members of a query request that are true or false.
pub const BOOLEANS: &[&str] = &[
    "AllowDataLoss",
    "ApplyImmediately",
    "AutoMinorVersionUpgrade",
    "CopyTags",
    "CopyTagsToSnapshot",
    "DeletionProtection",
    "EnableGlobalWriteForwarding",
    "EnableHttpEndpoint",
    "EnableIAMDatabaseAuthentication",
    "EnablePerformanceInsights",
    "PubliclyAccessible",
    "SkipFinalSnapshot",
    "StorageEncrypted",
    "Switchover",
];

/// Members of a query request that are numbers.
pub const NUMBERS: &[&str] = &[
    "BackupRetentionPeriod",
    "Duration",
    "MaxCapacity",
    "MaxRecords",
    "MinCapacity",
    "MonitoringInterval",
    "Period",
    "Port",
    "PromotionTier",
    "SecondsUntilAutoPause",
];

/// Members of a CloudWatch answer that CBOR must write as floating point, when they are numbers.
pub const DOUBLES: &[&str] = &["Average", "Maximum", "Minimum", "SampleCount", "Sum", "Values"];

/// Lists in XML answers whose items are not called `member`.
pub const ITEMS: &[(&str, &str)] = &[
    ("AccountQuotas", "AccountQuota"),
    ("DBClusterMembers", "DBClusterMember"),
    ("DBClusterSnapshots", "DBClusterSnapshot"),
    ("DBClusters", "DBCluster"),
    ("DBInstances", "DBInstance"),
    ("DBParameterGroups", "DBParameterGroup"),
    ("DBSubnetGroups", "DBSubnetGroup"),
    ("EventCategories", "EventCategory"),
    ("Events", "Event"),
    ("GlobalClusterMembers", "GlobalClusterMember"),
    ("GlobalClusters", "GlobalClusterMember"),
    ("Subnets", "Subnet"),
    ("TagList", "Tag"),
    ("VpcSecurityGroups", "VpcSecurityGroupMembership"),
];

/// Errors whose code, which the query protocol writes and the world says, is not the name of their shape, which JSON and CBOR
/// write: of CloudWatch, which speaks all three.
pub const SHAPES: &[(&str, &str)] = &[("InvalidParameterValue", "InvalidParameterValueException")];

/// The value of a query parameter. What does not fit its type stays text, for the world to refuse.
pub(super) fn typed(name: &str, text: &str) -> Value {
    let known = match text {
        "true" | "false" if BOOLEANS.contains(&name) => Some(Value::Bool(text == "true")),
        _ if NUMBERS.contains(&name) => text.parse::<Number>().ok().map(Value::Number),
        _ => None,
    };
    known.unwrap_or_else(|| text.into())
}

/// What the items of a list are called in XML.
pub(super) fn item(list: &str) -> &'static str {
    ITEMS.iter().find(|(name, _)| *name == list).map_or("member", |(_, item)| item)
}

/// The name of an error's shape, of its code.
pub(super) fn shape(code: &str) -> &str {
    SHAPES.iter().find(|(known, _)| *known == code).map_or(code, |(_, shape)| shape)
}

/// Whether a member is a timestamp.
pub(super) fn is_time(name: &str) -> bool {
    TIMES.contains(&name)
}

/// Whether a number of this member is floating point.
pub(super) fn is_double(name: &str) -> bool {
    DOUBLES.contains(&name)
}

/// RFC 3339 text as seconds since 1970, to the millisecond.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let time: Timestamp = text.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of any year to come fit a double")]
    Some(time.as_millisecond() as f64 / 1000.0)
}

/// Seconds since 1970 as RFC 3339 text, to the millisecond.
pub(super) fn rfc3339(seconds: f64) -> Option<String> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is out of range saturates, and is no timestamp then"
    )]
    let time = Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()?;
    Some(time.to_string())
}

/// Turns the timestamps in an answer into seconds since 1970.
pub(super) fn times_to_seconds(value: &mut Value) {
    convert(value, &|time| {
        if let Some(number) = time.as_str().and_then(seconds).and_then(Number::from_f64) {
            *time = Value::Number(number);
        }
    });
}

/// Turns the timestamps in an input into RFC 3339 text.
pub(super) fn times_to_text(value: &mut Value) {
    convert(value, &|time| {
        if let Some(text) = time.as_f64().and_then(rfc3339) {
            *time = Value::String(text);
        }
    });
}

fn convert(value: &mut Value, change: &dyn Fn(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| convert(item, change)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Object(_) if FREE.contains(&name.as_str()) => {}
                    Value::Object(_) => convert(member, change),
                    Value::Array(items) if is_time(name) => items.iter_mut().for_each(change),
                    Value::Array(_) => convert(member, change),
                    time if is_time(name) => change(time),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn timestamps_change_both_ways_and_users_own_names_do_not() {
        let text = json!({
            "Parameters": [{"Name": "a", "LastModifiedDate": "2026-11-25T09:00:00.25Z"}],
            "Outputs": {"StartTime": "2026-11-25T09:00:00Z"},
            "StepExecutions": [{"ExecutionStartTime": "2026-11-25T09:00:00Z"}],
        });
        let mut value = text.clone();
        times_to_seconds(&mut value);
        assert_eq!(value["Parameters"][0]["LastModifiedDate"], json!(1_795_597_200.25));
        assert_eq!(value["StepExecutions"][0]["ExecutionStartTime"], json!(1_795_597_200.0));
        assert_eq!(value["Outputs"], text["Outputs"]);
        times_to_text(&mut value);
        assert_eq!(value, text);
    }

    #[test]
    fn query_values_get_their_type_from_the_name() {
        for (name, text, value) in [
            ("AllowDataLoss", "true", json!(true)),
            ("Value", "true", json!("true")),
            ("MaxRecords", "20", json!(20)),
            ("MaxRecords", "many", json!("many")),
            ("DBClusterIdentifier", "20", json!("20")),
            ("Marker", "", json!("")),
        ] {
            assert_eq!(typed(name, text), value, "{name}={text}");
        }
    }

    /// Members inside a configuration of a request, which the world keeps and describes whole.
    const INSIDE: [&str; 3] = ["MaxCapacity", "MinCapacity", "SecondsUntilAutoPause"];

    /// Everything that answers calls, without its tests.
    fn sources() -> String {
        fn add(path: &std::path::Path, all: &mut String) {
            if path.is_dir() {
                std::fs::read_dir(path).unwrap().for_each(|entry| add(&entry.unwrap().path(), all));
            } else if !path.ends_with("tests.rs") {
                all.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut all = String::new();
        for folder in ["sandbox/src/world", "automation/src", "states/src"] {
            add(&crates.join(folder), &mut all);
        }
        all
    }

    #[test]
    fn every_name_occurs_where_calls_are_answered() {
        let sources = sources();
        let pairs = ITEMS.iter().chain(SHAPES).map(|(name, _)| name);
        let all = [TIMES, FREE, BOOLEANS, NUMBERS, DOUBLES].into_iter().flatten().chain(pairs);
        let stale: Vec<_> =
            all.filter(|name| !INSIDE.contains(name) && !sources.contains(&format!("\"{name}\""))).collect();
        assert_eq!(stale, Vec::<&&str>::new(), "remove them, or name them in INSIDE");
    }
}
