//! What a cluster or an instance is made with, beyond what it is: kept as RDS describes it.
//!
//! The names are those of the RDS API reference, as are the defaults of what a request does not name, where it says them.

use serde_json::{Map, Value, json};

/// Members of a description.
pub(crate) type Properties = Map<String, Value>;

/// Of a cluster: what a request calls it, what a description does.
const CLUSTER: [(&str, &str); 16] = [
    ("Port", "Port"),
    ("DBSubnetGroupName", "DBSubnetGroup"),
    ("VpcSecurityGroupIds", "VpcSecurityGroups"),
    ("DBClusterParameterGroupName", "DBClusterParameterGroup"),
    ("StorageType", "StorageType"),
    ("NetworkType", "NetworkType"),
    ("DeletionProtection", "DeletionProtection"),
    ("BackupRetentionPeriod", "BackupRetentionPeriod"),
    ("PreferredBackupWindow", "PreferredBackupWindow"),
    ("PreferredMaintenanceWindow", "PreferredMaintenanceWindow"),
    ("EnableCloudwatchLogsExports", "EnabledCloudwatchLogsExports"),
    ("CopyTagsToSnapshot", "CopyTagsToSnapshot"),
    ("ServerlessV2ScalingConfiguration", "ServerlessV2ScalingConfiguration"),
    ("EnableGlobalWriteForwarding", "GlobalWriteForwardingRequested"),
    ("EngineLifecycleSupport", "EngineLifecycleSupport"),
    ("EnableHttpEndpoint", "HttpEndpointEnabled"),
];

/// Of an instance.
const INSTANCE: [(&str, &str); 8] = [
    ("DBParameterGroupName", "DBParameterGroups"),
    ("CACertificateIdentifier", "CACertificateIdentifier"),
    ("PromotionTier", "PromotionTier"),
    ("AutoMinorVersionUpgrade", "AutoMinorVersionUpgrade"),
    ("PreferredMaintenanceWindow", "PreferredMaintenanceWindow"),
    ("EnablePerformanceInsights", "PerformanceInsightsEnabled"),
    ("MonitoringInterval", "MonitoringInterval"),
    ("PubliclyAccessible", "PubliclyAccessible"),
];

/// Those of a cluster that a request makes. A port that nobody asked for is its server's.
pub(super) fn of_cluster(request: &Value) -> Properties {
    made(
        request,
        &CLUSTER,
        json!({
            "DBSubnetGroup": "default",
            "VpcSecurityGroups": group("sg-default"),
            "DBClusterParameterGroup": default_group(request),
            "NetworkType": "IPV4",
            "DeletionProtection": false,
            "BackupRetentionPeriod": 1,
            "PreferredBackupWindow": "03:00-03:30",
            "PreferredMaintenanceWindow": "sun:05:00-sun:05:30",
            "EnabledCloudwatchLogsExports": [],
            "CopyTagsToSnapshot": false,
            "GlobalWriteForwardingRequested": false,
            "EngineLifecycleSupport": "open-source-rds-extended-support",
            "HttpEndpointEnabled": false,
        }),
    )
}

/// Those of an instance.
pub(super) fn of_instance(request: &Value) -> Properties {
    made(
        request,
        &INSTANCE,
        json!({
            "DBParameterGroups": parameter_group(default_group(request)),
            "CACertificateIdentifier": "rds-ca-rsa2048-g1",
            "PromotionTier": 1,
            "AutoMinorVersionUpgrade": true,
            "PreferredMaintenanceWindow": "sun:06:00-sun:06:30",
            "PerformanceInsightsEnabled": false,
            "MonitoringInterval": 0,
            "PubliclyAccessible": false,
        }),
    )
}

/// The parameter group that comes with the engine.
fn default_group(request: &Value) -> &'static str {
    if request["Engine"] == "aurora-postgresql" {
        "default.aurora-postgresql16"
    } else {
        "default.aurora-mysql8.0"
    }
}

fn made(request: &Value, names: &[(&str, &str)], defaults: Value) -> Properties {
    let Value::Object(mut made) = defaults else { return Properties::new() };
    for (asked, told) in names {
        let value = match (&request[*asked], *told) {
            (Value::Null, _) => continue,
            (ids, "VpcSecurityGroups") => {
                ids.as_array().into_iter().flatten().filter_map(Value::as_str).flat_map(group).collect()
            }
            (name, "DBParameterGroups") => parameter_group(name.as_str().unwrap_or_default()),
            (value, _) => value.clone(),
        };
        made.insert((*told).to_owned(), value);
    }
    made
}

fn group(id: &str) -> Vec<Value> {
    vec![json!({"VpcSecurityGroupId": id, "Status": "active"})]
}

fn parameter_group(name: &str) -> Value {
    json!([{"DBParameterGroupName": name, "ParameterApplyStatus": "in-sync"}])
}
