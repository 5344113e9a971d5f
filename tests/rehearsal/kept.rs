//! What a restored and a rebuilt cluster have of the old primary, as docs/contracts.md says, with storage that keys of the account
//! encrypt.

use std::collections::BTreeMap;

use sandbox::automation::{Reading, Status};
use sandbox::permissions::Permissions;
use sandbox::{EAST, REGIONS, WEST};
use serde_json::{Value, json};

use crate::stage::{BRISK, Stage, template, told};

/// What says which cluster something is, what it does now, or what the engine is: nothing to be kept.
const IDENTITY: [&str; 21] = [
    "ClusterCreateTime",
    "DBClusterArn",
    "DBClusterIdentifier",
    "DBClusterMembers",
    "DBInstanceArn",
    "DBInstanceIdentifier",
    "DBInstanceStatus",
    "DatabaseName",
    "DbClusterResourceId",
    "Endpoint",
    "Engine",
    "EngineMode",
    "EngineVersion",
    "GlobalClusterIdentifier",
    "GlobalWriteForwardingStatus",
    "KmsKeyId",
    "MasterUsername",
    "Port",
    "ReaderEndpoint",
    "ReplicationSourceIdentifier",
    "Status",
];

/// The key of the account in a Region.
fn key(region: &str) -> String {
    format!("arn:aws:kms:{region}:000000000000:key/shop")
}

fn with_keys(plan: &mut Value) {
    for region in REGIONS {
        plan["databases"]["orders"]["members"][region]["restore"]["kmsKey"] = json!(key(region));
    }
}

fn cluster(region: &str) -> String {
    runbook::plan::sample().databases["orders"].members[region].cluster_arn.clone()
}

/// A stage on which keys of the account encrypt orders, and the engine versions differ; the plan and the stack know the keys.
async fn stage() -> Stage {
    let mut plan = serde_json::to_value(runbook::plan::sample()).unwrap();
    with_keys(&mut plan);
    let plan = runbook::RecoveryPlan::parse(&plan.to_string(), "the rehearsal").unwrap();
    let stage =
        Stage::with_roles(Reading::ALL[0], BRISK, Permissions::read(&template(), &plan).unwrap()).await;
    stage.change_plan(with_keys).await;
    for region in REGIONS {
        stage.world.set_customer_key(&cluster(region), &key(region));
    }
    stage.world.set_engine_version(&cluster(EAST), "8.0.mysql_aurora.3.07.0");
    stage
}

/// Detaches in the west and rebuilds the east.
async fn rebuild(stage: &Stage) {
    stage.world.isolate(EAST).await;
    let detached = crate::detach::detach(stage).await;
    assert_eq!(detached.status, Status::Success, "{}", told(&detached));
    stage.world.rejoin(EAST).await;
    let rebuilt = crate::rebuild::rebuild(stage).await;
    assert_eq!(rebuilt.status, Status::Success, "{}", told(&rebuilt));
}

/// RDS uses a key of the account in the caller's name: for the copy of a snapshot, for a restore, and for a secondary.
#[tokio::test(start_paused = true)]
async fn storage_that_a_key_of_the_account_encrypts_is_rebuilt_and_restored() {
    let stage = stage().await;
    rebuild(&stage).await;
    let reconciled = stage.reconcile().await;
    assert_eq!(reconciled.status, Status::Success, "{}", told(&reconciled));
    let of = |role: &str| ["GlobalFailoverRole", "SnapshotRestoreRole"].contains(&role);
    let unused: Vec<String> = stage
        .permissions
        .unused()
        .iter()
        .filter(|one| of(&one.role) && one.action.starts_with("kms:"))
        .map(ToString::to_string)
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// A key that the settings do not name is found on a quiet day, for each role that RDS would use it for.
#[tokio::test(start_paused = true)]
async fn a_key_that_the_stack_does_not_know_is_found() {
    let look = async |stage: &Stage| {
        let execution = stage.run_in(WEST, "causeway-readiness", &[]).await;
        (execution.status, execution.outputs["outcome.summary"][0].clone())
    };
    let known = stage().await;
    known.world.set_engine_version(&cluster(EAST), sandbox::world::VERSION);
    let (status, reason) = look(&known).await;
    assert_eq!(status, Status::Success, "{reason}");
    known.world.set_customer_key(&cluster(EAST), "arn:aws:kms:sandbox-east:000000000000:key/other");
    let (status, reason) = look(&known).await;
    assert_eq!(status, Status::Failed);
    for role in ["global-failover", "snapshot-restore"] {
        for action in ["kms:CreateGrant", "kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"] {
            let denied = format!(
                "the role of {role} may not {action} on arn:aws:kms:sandbox-east:000000000000:key/other"
            );
            assert!(reason.contains(&denied), "{denied} is missing in: {reason}");
        }
    }
}

/// RDS uses its own key without the roles of the stack, which does not know it.
#[tokio::test(start_paused = true)]
async fn the_key_of_aws_is_nothing_that_the_stack_has_to_know() {
    let stage = Stage::new(Reading::ALL[0], BRISK).await;
    stage.change_plan(with_keys).await;
    for region in REGIONS {
        stage.world.set_encrypted(&cluster(region), true);
    }
    for region in REGIONS {
        let execution = stage.run_in(region, "causeway-readiness", &[]).await;
        let reason = &execution.outputs["outcome.summary"][0];
        // What the plan names is another key.
        assert!(!reason.contains("key/aws-rds"), "{reason}");
    }
}

/// A row of the page: what it says of the restored and of the rebuilt.
type Table = BTreeMap<String, [String; 2]>;

/// The table of docs/contracts.md whose first heading is this.
fn table(heading: &str) -> Table {
    let page = std::fs::read_to_string(rehearsals::root().join("docs/contracts.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |"))).skip(2);
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| match &cells(line)[..] {
            [name, restored, rebuilt] => (name.clone(), [restored.clone(), rebuilt.clone()]),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// A cluster and its one instance, as RDS describes them.
pub async fn described(stage: &Stage, region: &str, cluster: &str) -> Option<[Value; 2]> {
    let clusters = stage.ask_in(region, "rds", "DescribeDBClusters", json!({})).await;
    let clusters = clusters["DBClusters"].as_array().unwrap().clone();
    let found = clusters.into_iter().find(|one| one["DBClusterIdentifier"] == cluster)?;
    let instances = stage.ask_in(region, "rds", "DescribeDBInstances", json!({})).await;
    let instances = instances["DBInstances"].as_array().unwrap().clone();
    let instance = instances.into_iter().find(|one| one["DBClusterIdentifier"] == cluster)?;
    Some([found, instance])
}

/// Gives the old primary something else than the default in every row.
fn configure(stage: &Stage) {
    let of_cluster = json!({
        "Port": 3307,
        "DBSubnetGroup": "shop",
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-shop", "Status": "active"}],
        "NetworkType": "DUAL",
        "DBClusterParameterGroup": "shop-east",
        "StorageType": "aurora-iopt1",
        "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 8.0, "SecondsUntilAutoPause": 600},
        "DeletionProtection": true,
        "BackupRetentionPeriod": 14,
        "PreferredBackupWindow": "01:00-01:30",
        "PreferredMaintenanceWindow": "mon:02:00-mon:02:30",
        "EnabledCloudwatchLogsExports": ["audit", "error"],
        "CopyTagsToSnapshot": true,
        "GlobalWriteForwardingRequested": true,
        "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "HttpEndpointEnabled": true,
        "LocalWriteForwardingStatus": "enabled",
        "AssociatedRoles": [{"RoleArn": "arn:aws:iam::000000000000:role/load", "Status": "ACTIVE"}],
        "DomainMemberships": [{"Domain": "d-1", "Status": "joined"}],
        "DatabaseInsightsMode": "advanced",
        "PerformanceInsightsEnabled": true,
        "MonitoringInterval": 15,
        "MasterUserSecret": {"SecretStatus": "active"},
    });
    let of_instances = json!({
        "DBInstanceClass": "db.r7g.xlarge",
        "DBParameterGroups": [{"DBParameterGroupName": "shop-one", "ParameterApplyStatus": "in-sync"}],
        "CACertificateIdentifier": "rds-ca-ecc384-g1",
        "PromotionTier": 0,
        "AutoMinorVersionUpgrade": false,
        "PreferredMaintenanceWindow": "tue:02:00-tue:02:30",
        "PubliclyAccessible": true,
        "AvailabilityZone": "sandbox-east-1a",
        "PerformanceInsightsEnabled": true,
        "MonitoringInterval": 15,
    });
    stage.world.configure(&cluster(EAST), &of_cluster, &of_instances, &[("app", "shop")]);
    stage.world.configure(&cluster(WEST), &json!({"DBClusterParameterGroup": "shop-west"}), &json!({}), &[]);
    stage.world.set_iam(&cluster(EAST), true);
}

/// Every property is in the tables, and as they say.
fn assert_as_told(table: &Table, column: usize, before: &Value, after: &Value) {
    for (name, told) in table {
        let (before, after) = (&before[name], &after[name]);
        assert!(!before.is_null(), "{name} is in the table, and no cluster here has it");
        let kept = told[column].starts_with("kept");
        assert!(kept || told[column].starts_with("no"), "{name}: {:?}", told[column]);
        assert_eq!(
            before == after,
            kept,
            "{name} should be {:?}: it was {before} and is {after}",
            told[column]
        );
    }
    let known = |name: &String| table.contains_key(name) || IDENTITY.contains(&name.as_str());
    let unknown: Vec<&String> = before.as_object().unwrap().keys().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restored_and_a_rebuilt_cluster_keep_what_the_table_says() {
    let stage = stage().await;
    configure(&stage);
    let tables = ["of the cluster", "of its instances"].map(table);
    assert!(tables[0].len() > 20 && tables[1].len() > 8, "{tables:?}");
    let before = described(&stage, EAST, "shop-orders-east").await.unwrap();
    rebuild(&stage).await;
    let rebuilt = described(&stage, EAST, "shop-orders-east").await.unwrap();
    let id = stage.start("causeway-reconcile", &[]);
    let name = runbook::names::restored_cluster(&id, "orders");
    let restored = loop {
        match described(&stage, WEST, &name).await {
            Some(restored) if restored[1]["DBInstanceStatus"] == "available" => break restored,
            _ => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
        }
    };
    for (column, after) in [restored.clone(), rebuilt].iter().enumerate() {
        for (kind, table) in tables.iter().enumerate() {
            assert_as_told(table, column, &before[kind], &after[kind]);
        }
    }
    assert_eq!(restored[0]["DBClusterParameterGroup"], "shop-west");
    let reconciled = stage.ended(&id).await;
    assert_eq!(reconciled.status, Status::Success, "{}", told(&reconciled));
}
