//! What a request or an answer does not say of itself: types and names by member name, from botocore's models
//! (1.43) of the operations that the sandbox knows. A name stands in a table only when it means the same in all of
//! them, or when the value tells the rest.

use jiff::Timestamp;
use serde_json::{Number, Value};

/// Members that are timestamps, or lists of them. RFC 3339 text in the world, seconds since 1970 in JSON and CBOR.
const TIMES: [&str; 44] = [
    // Systems Manager
    "ApprovalDate",
    "CreatedDate",
    "CreatedTime",
    "CreationDate",
    "EndTime",
    "ExecutionEndTime",
    "ExecutionStartTime",
    "ExpirationTime",
    "LastModifiedDate",
    "LastModifiedTime",
    "ModifiedDate",
    "ScheduledTime",
    "StartTime",
    // Secrets Manager
    "DeletedDate",
    "DeletionDate",
    "LastAccessedDate",
    "LastChangedDate",
    "LastRotatedDate",
    "NextRotationDate",
    // EventBridge
    "CreationTime",
    "EventEndTime",
    "EventLastReplayedTime",
    "EventStartTime",
    "LastAuthorizedTime",
    "ReplayEndTime",
    "ReplayStartTime",
    "Time",
    // CloudWatch
    "AlarmConfigurationUpdatedTimestamp",
    "LastUpdatedTimestamp",
    "StateTransitionedTimestamp",
    "StateUpdatedTimestamp",
    "Timestamp",
    "Timestamps",
    // Systems Manager, associations and maintenance windows
    "ActualEndTime",
    "ActualStartTime",
    "LastExecutionDate",
    "LastSuccessfulExecutionDate",
    "OperationEndTime",
    "OperationStartTime",
    "PlannedEndTime",
    "PlannedStartTime",
    "RequestedDateTime",
    "ResponseFinishDateTime",
    "ResponseStartDateTime",
];

/// Members that hold maps of a user's own names when they are objects: nothing in there is converted.
const FREE: [&str; 6] = ["Inputs", "Outputs", "Parameters", "Payload", "TargetMaps", "Variables"];

/// Members of a query request that are true or false.
const BOOLEANS: [&str; 39] = [
    "ActionsEnabled",
    "AllowDataLoss",
    "AllowEngineModeChange",
    "AllowMajorVersionUpgrade",
    "ApplyImmediately",
    "AutoMinorVersionUpgrade",
    "CopyTags",
    "CopyTagsToSnapshot",
    "DedicatedLogVolume",
    "DefaultOnly",
    "DeleteAutomatedBackups",
    "DeletionProtection",
    "EnableGlobalWriteForwarding",
    "EnableHttpEndpoint",
    "EnableIAMDatabaseAuthentication",
    "EnableLimitlessDatabase",
    "EnableLocalWriteForwarding",
    "EnablePerformanceInsights",
    "IncludeAll",
    "IncludePublic",
    "IncludeShared",
    "ListSupportedCharacterSets",
    "ListSupportedTimezones",
    "ManageMasterUserPassword",
    "MultiAZ",
    "MultiTenant",
    "PubliclyAccessible",
    "ReturnData",
    "ReturnSubscriptionArn",
    "RotateMasterUserPassword",
    "SkipFinalSnapshot",
    "StorageEncrypted",
    "Switchover",
    "UseDefaultProcessorFeatures",
    "UseLatestRestorableTime",
    "AutoPause",
    "CertificateRotationRestart",
    "EnableCustomerOwnedIp",
    "DisableDomain",
];

/// Members of a query request that are numbers.
const NUMBERS: [&str; 22] = [
    "AllocatedStorage",
    "BackupRetentionPeriod",
    "BacktrackWindow",
    "DatapointsToAlarm",
    "DBPortNumber",
    "Duration",
    "DurationSeconds",
    "EvaluationPeriods",
    "Iops",
    "MaxAllocatedStorage",
    "MaxCapacity",
    "MaxDatapoints",
    "MaxRecords",
    "MinCapacity",
    "MonitoringInterval",
    "PerformanceInsightsRetentionPeriod",
    "Period",
    "Port",
    "PromotionTier",
    "SecondsUntilAutoPause",
    "StorageThroughput",
    "Threshold",
];

/// Members of a CloudWatch answer that CBOR must write as floating point, when they are numbers.
const DOUBLES: [&str; 9] =
    ["Average", "Counts", "Maximum", "Minimum", "SampleCount", "Sum", "Threshold", "Value", "Values"];

/// Lists in XML answers whose items are not called `member`.
const ITEMS: [(&str, &str); 29] = [
    ("AccountQuotas", "AccountQuota"),
    ("AssociatedRoles", "DBClusterRole"),
    ("AvailabilityZones", "AvailabilityZone"),
    ("DBClusterEndpoints", "DBClusterEndpointList"),
    ("DBClusterMembers", "DBClusterMember"),
    ("DBClusterOptionGroupMemberships", "DBClusterOptionGroup"),
    ("DBClusterSnapshots", "DBClusterSnapshot"),
    ("DBClusters", "DBCluster"),
    ("DBEngineVersions", "DBEngineVersion"),
    ("DBInstances", "DBInstance"),
    ("DBParameterGroups", "DBParameterGroup"),
    ("DBSecurityGroups", "DBSecurityGroup"),
    ("DomainMemberships", "DomainMembership"),
    ("EventCategories", "EventCategory"),
    ("Events", "Event"),
    ("GlobalClusterMembers", "GlobalClusterMember"),
    ("GlobalClusters", "GlobalClusterMember"),
    ("OptionGroupMemberships", "OptionGroupMembership"),
    ("ProcessorFeatures", "ProcessorFeature"),
    ("ReadReplicaDBClusterIdentifiers", "ReadReplicaDBClusterIdentifier"),
    ("ReadReplicaDBInstanceIdentifiers", "ReadReplicaDBInstanceIdentifier"),
    ("ReadReplicaIdentifiers", "ReadReplicaIdentifier"),
    ("Subnets", "Subnet"),
    ("SupportedCharacterSets", "CharacterSet"),
    ("SupportedNcharCharacterSets", "CharacterSet"),
    ("SupportedTimezones", "Timezone"),
    ("TagList", "Tag"),
    ("ValidUpgradeTarget", "UpgradeTarget"),
    ("VpcSecurityGroups", "VpcSecurityGroupMembership"),
];

/// Lists that may be sent empty in a query request (`Filters=`).
const LISTS: [&str; 4] = ["Filters", "TagKeys", "Tags", "VpcSecurityGroupIds"];

/// Errors whose code on the wire is not the name of their shape in the model.
const CODES: [(&str, &str); 16] = [
    ("DBInstanceAlreadyExistsFault", "DBInstanceAlreadyExists"),
    ("DBInstanceNotFoundFault", "DBInstanceNotFound"),
    ("DBInstanceNotReadyFault", "DBInstanceNotReady"),
    ("InstanceQuotaExceededFault", "InstanceQuotaExceeded"),
    ("InsufficientDBInstanceCapacityFault", "InsufficientDBInstanceCapacity"),
    ("InsufficientStorageClusterCapacityFault", "InsufficientStorageClusterCapacity"),
    ("InvalidDBInstanceStateFault", "InvalidDBInstanceState"),
    ("SharedSnapshotQuotaExceededFault", "SharedSnapshotQuotaExceeded"),
    ("SnapshotQuotaExceededFault", "SnapshotQuotaExceeded"),
    ("SourceNotFoundFault", "SourceNotFound"),
    ("StorageQuotaExceededFault", "StorageQuotaExceeded"),
    ("AuthorizationErrorException", "AuthorizationError"),
    ("InternalErrorException", "InternalError"),
    ("InvalidParameterException", "InvalidParameter"),
    ("NotFoundException", "NotFound"),
    ("ThrottledException", "Throttled"),
];

/// The value of a query parameter. What does not fit its type stays text, for the world to refuse.
pub(super) fn typed(name: &str, text: &str) -> Value {
    let known = match text {
        "" if LISTS.contains(&name) => Some(Value::Array(Vec::new())),
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

/// An error's code as the query protocol writes it.
pub(super) fn query_code(code: &str) -> &str {
    CODES.iter().find(|(shape, _)| *shape == code).map_or(code, |(_, code)| code)
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
            ("MaxCapacity", "0.5", json!(0.5)),
            ("MaxRecords", "many", json!("many")),
            ("DBClusterIdentifier", "20", json!("20")),
            ("Filters", "", json!([])),
            ("Marker", "", json!("")),
        ] {
            assert_eq!(typed(name, text), value, "{name}={text}");
        }
    }
}
