//! What a call needs, as AWS's service authorization reference says it: actions, resources, condition keys.
//!
//! RDS checks the default subnet, parameter and option groups, too, where a request names none.

use serde_json::Value;

use crate::account::{ACCOUNT, aws_key};
use crate::api::Call;
use crate::world::model::region_of;
use crate::world::{World, key_arn, secret_arn};
use stack::Need;

/// Everything that a call needs; nothing when it is free to anyone.
pub(super) fn needs(call: &Call, world: &World) -> Vec<Need> {
    let input = &call.input;
    let text = |name: &str| input[name].as_str().filter(|text| !text.is_empty());
    match (call.service.as_str(), call.operation.as_str()) {
        ("sts", "GetCallerIdentity") => Vec::new(),
        ("rds", _) => rds(call, world),
        ("s3", _) => s3(call),
        ("ssm", "GetParameter" | "PutParameter") => {
            let name = text("Name").unwrap_or_default().trim_start_matches('/');
            vec![Need::new(action("ssm", call), regional(call, "ssm", &format!("parameter/{name}")))]
        }
        ("ssm", "GetParametersByPath") => {
            let path = text("Path").unwrap_or_default().trim_start_matches('/');
            vec![Need::new(action("ssm", call), regional(call, "ssm", &format!("parameter/{path}")))]
        }
        ("cloudformation", "DescribeStacks") => {
            let of = text("StackName").map_or_else(
                || regional(call, "cloudformation", "stack/*/*"),
                |name| regional(call, "cloudformation", &format!("stack/{name}/*")),
            );
            vec![Need::new("cloudformation:DescribeStacks", of)]
        }
        ("ssm", "GetParameters") => {
            let names = input["Names"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let parameter =
                |name: &str| regional(call, "ssm", &format!("parameter/{}", name.trim_start_matches('/')));
            names.map(|name| Need::new("ssm:GetParameters", parameter(name))).collect()
        }
        ("ssm", "StartAutomationExecution") => {
            let document = text("DocumentName").unwrap_or_default();
            let document = document.rsplit('/').next().unwrap_or_default();
            let resources = [format!("document/{document}"), "automation-execution/*".to_owned()];
            let mut needs: Vec<Need> = resources
                .map(|resource| Need::new(action("ssm", call), regional(call, "ssm", &resource)))
                .into();
            // Whoever hands a role to the runbook has to be allowed to.
            if let Some(role) = input["Parameters"]["AutomationAssumeRole"][0].as_str() {
                let pass = Need::new("iam:PassRole", role);
                needs.push(pass.with("iam:PassedToService", "ssm.amazonaws.com"));
            }
            needs
        }
        ("ssm", "GetDocument" | "DescribeDocument") => {
            let name = text("Name").unwrap_or_default();
            vec![Need::new(action("ssm", call), regional(call, "ssm", &format!("document/{name}")))]
        }
        (
            "ssm",
            "GetAutomationExecution"
            | "DescribeAutomationStepExecutions"
            | "SendAutomationSignal"
            | "StopAutomationExecution",
        ) => {
            let id = text("AutomationExecutionId").unwrap_or_default();
            vec![Need::new(action("ssm", call), regional(call, "ssm", &format!("automation-execution/{id}")))]
        }
        ("states", "StartExecution") => {
            vec![Need::new(action("states", call), text("stateMachineArn").unwrap_or_default())]
        }
        ("states", "DescribeExecution" | "StopExecution" | "RedriveExecution" | "ListMapRuns") => {
            vec![Need::new(action("states", call), text("executionArn").unwrap_or_default())]
        }
        ("states", "DescribeMapRun") => {
            vec![Need::new(action("states", call), text("mapRunArn").unwrap_or_default())]
        }
        ("secretsmanager", "GetSecretValue") => {
            let id = text("SecretId").unwrap_or_default();
            let secret = if id.starts_with("arn:") { id.to_owned() } else { secret_arn(&call.region, id) };
            vec![Need::new(action("secretsmanager", call), secret)]
        }
        ("kms", "DescribeKey") => {
            let key = key_arn(&call.region, text("KeyId").unwrap_or_default());
            vec![Need::new(action("kms", call), key)]
        }
        ("dynamodb", _) => dynamodb(call),
        ("sns", "Publish") => vec![Need::new("sns:Publish", text("TopicArn").unwrap_or_default())],
        ("arc-region-switch", _) => {
            vec![Need::new(action("arc-region-switch", call), text("planArn").unwrap_or("*"))]
        }
        ("fis", "GetExperimentTemplate") => {
            let template = format!("experiment-template/{}", text("id").unwrap_or("*"));
            vec![Need::new(action("fis", call), regional(call, "fis", &template))]
        }
        ("fis", "StartExperiment") => {
            let template = format!("experiment-template/{}", text("experimentTemplateId").unwrap_or("*"));
            let resources = [template, "experiment/*".to_owned()];
            resources.map(|of| Need::new(action("fis", call), regional(call, "fis", &of))).into()
        }
        ("fis", "GetExperiment" | "StopExperiment") => {
            let experiment = format!("experiment/{}", text("id").unwrap_or("*"));
            vec![Need::new(action("fis", call), regional(call, "fis", &experiment))]
        }
        ("lambda", "Invoke") => vec![invoke(&call.region, text("FunctionName").unwrap_or_default())],
        ("iam", _) => vec![Need::new(action("iam", call), text("PolicySourceArn").unwrap_or_default())],
        ("monitoring", "DescribeAlarms") => vec![Need::new(
            "cloudwatch:DescribeAlarms",
            regional(
                call,
                "cloudwatch",
                &format!("alarm:{}", call.input["AlarmNames"][0].as_str().unwrap_or("*")),
            ),
        )],
        ("monitoring", "SetAlarmState") => {
            let alarm = format!("alarm:{}", text("AlarmName").unwrap_or_default());
            vec![Need::new("cloudwatch:SetAlarmState", regional(call, "cloudwatch", &alarm))]
        }
        ("monitoring", _) => vec![Need::new(action("cloudwatch", call), "*")],
        ("route53-recovery-cluster", "GetRoutingControlState" | "UpdateRoutingControlState") => {
            vec![routing_control(call, input)]
        }
        ("route53-recovery-cluster", "UpdateRoutingControlStates") => {
            let entries = input["UpdateRoutingControlStateEntries"].as_array().into_iter().flatten();
            entries.map(|entry| routing_control(call, entry)).collect()
        }
        // Has no resource type, though it may name a cluster.
        ("route53-recovery-control-config", "ListControlPanels") => {
            vec![Need::new(action("route53-recovery-control-config", call), "*")]
        }
        ("route53-recovery-control-config", _) => {
            let members = ["ClusterArn", "RoutingControlArn", "ControlPanelArn"];
            let of = members.into_iter().find_map(text).unwrap_or("*");
            vec![Need::new(action("route53-recovery-control-config", call), of)]
        }
        // The actions that have no resource types.
        (service, _) => vec![Need::new(action(service, call), "*")],
    }
}

/// What a call of DynamoDB needs. A transaction needs what its parts would by themselves.
fn dynamodb(call: &Call) -> Vec<Need> {
    let input = &call.input;
    let table = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        let name = name.rsplit_once("table/").map_or(name, |(_, name)| name);
        regional(call, "dynamodb", &format!("table/{name}"))
    };
    let names_of = |member: &str| -> Vec<Need> {
        let tables = input[member].as_object().into_iter().flatten();
        tables.map(|(name, _)| Need::new(action("dynamodb", call), table(&name.as_str().into()))).collect()
    };
    let parts =
        || input["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
    match call.operation.as_str() {
        "ListTables" => vec![Need::new(action("dynamodb", call), "*")],
        "BatchGetItem" | "BatchWriteItem" => names_of("RequestItems"),
        "TransactGetItems" => {
            parts().map(|(_, part)| Need::new("dynamodb:GetItem", table(&part["TableName"]))).collect()
        }
        "TransactWriteItems" => {
            let kind = |part: &str| match part {
                "ConditionCheck" => "dynamodb:ConditionCheckItem".to_owned(),
                part => format!("dynamodb:{part}Item"),
            };
            parts().map(|(name, part)| Need::new(kind(name), table(&part["TableName"]))).collect()
        }
        _ => {
            let table = table(&input["TableName"]);
            let resource = match input["IndexName"].as_str() {
                Some(index) => format!("{table}/index/{index}"),
                None => table,
            };
            vec![Need::new(action("dynamodb", call), resource)]
        }
    }
}

/// What invoking a function needs.
pub(super) fn invoke(region: &str, function: &str) -> Need {
    let arn = if function.starts_with("arn:") {
        function.to_owned()
    } else {
        format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{function}")
    };
    Need::new("lambda:InvokeFunction", arn)
}

fn action(prefix: &str, call: &Call) -> String {
    format!("{prefix}:{}", call.operation)
}

fn regional(call: &Call, service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{}:{ACCOUNT}:{resource}", call.region)
}

fn routing_control(call: &Call, of: &Value) -> Need {
    let need = Need::new(
        action("route53-recovery-cluster", call),
        of["RoutingControlArn"].as_str().unwrap_or_default(),
    );
    if !call.operation.starts_with("Update") {
        return need;
    }
    let overridden = call.input["SafetyRulesToOverride"].as_array().is_some_and(|rules| !rules.is_empty());
    need.with("route53-recovery-cluster:AllowSafetyRulesOverrides", &overridden.to_string())
}

fn s3(call: &Call) -> Vec<Need> {
    let text = |name: &str| call.input[name].as_str();
    let bucket = format!("arn:aws:s3:::{}", text("Bucket").unwrap_or_default());
    let object = format!("{bucket}/{}", text("Key").unwrap_or_default());
    match call.operation.as_str() {
        "GetObject" | "HeadObject" => {
            let mut needs = vec![Need::new("s3:GetObject", object)];
            if call.input["Missing"] == true {
                // Who may not list a bucket may not know what it lacks. AWS does not say whether the request has
                // s3:prefix then; here it has not.
                needs.push(Need::new("s3:ListBucket", bucket));
            }
            needs
        }
        // Parts of an upload are that of one object.
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            vec![Need::new("s3:PutObject", object)]
        }
        "ListObjectsV2" | "ListObjects" => {
            let need = Need::new("s3:ListBucket", bucket);
            vec![match text("Prefix") {
                Some(prefix) => need.with("s3:prefix", prefix),
                None => need,
            }]
        }
        "HeadBucket" => vec![Need::new("s3:ListBucket", bucket)],
        _ if call.input["Key"].is_null() => vec![Need::new(action("s3", call), bucket)],
        _ => vec![Need::new(action("s3", call), object)],
    }
}

fn rds(call: &Call, world: &World) -> Vec<Need> {
    let text = |name: &str| call.input[name].as_str().filter(|text| !text.is_empty());
    // An ARN is taken as it is; a name that is missing is every name.
    let arn = |kind: &str, name: Option<&str>| match name {
        Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
        name => regional(call, "rds", &format!("{kind}:{}", name.unwrap_or("*").to_lowercase())),
    };
    let named = |kind: &str, member: &str| arn(kind, text(member));
    let global = || {
        let name = text("GlobalClusterIdentifier").unwrap_or("*").to_lowercase();
        format!("arn:aws:rds::{ACCOUNT}:global-cluster:{name}")
    };
    let action = action("rds", call);
    let need = |resource: String| Need::new(action.clone(), resource);
    // A resource that there is: conditions may ask for its tags.
    let existing = |resource: String| {
        let tags = world.tags(&resource);
        let with = |need: Need, (key, value): (&String, &String)| {
            need.with(&format!("aws:ResourceTag/{key}"), value)
        };
        tags.iter().fold(need(resource), with)
    };
    // A resource that is made, with its tags.
    let made = |resource: String| {
        let tagged = call.input["Tags"].as_array().is_some_and(|tags| !tags.is_empty());
        let tag = tagged.then(|| Need::new("rds:AddTagsToResource", resource.clone()));
        std::iter::once(need(resource)).chain(tag).collect::<Vec<_>>()
    };
    let engine = text("Engine").unwrap_or_default();
    let group = |kind: &str, member: &str| need(arn(kind, Some(text(member).unwrap_or("default"))));
    let of_engine = |kind: &str, separator: &str, member: &str| {
        let default = format!("default{separator}{engine}8.0");
        need(arn(kind, Some(text(member).unwrap_or(&default))))
    };
    // The groups that a cluster or an instance belongs to.
    let groups = |kind: &str, member: &str| {
        let options = of_engine("og", ":", "OptionGroupName");
        vec![group("subgrp", "DBSubnetGroupName"), of_engine(kind, ".", member), options]
    };
    // RDS uses a key of the account in the caller's name; of its own key `aws/rds` it needs nothing. The reference says so of
    // creating; of copying and restoring the Aurora user guide does ("Encrypting Amazon Aurora resources").
    let by_key = |key: Option<String>| {
        let key = key.filter(|key| *key != aws_key(region_of(key)));
        let needs = key.map(|key| {
            let service = format!("rds.{}.amazonaws.com", region_of(&key));
            let need = |action: &str| Need::new(action, key.clone()).with("kms:ViaService", &service);
            let grant = need("kms:CreateGrant").with("kms:GrantIsForAWSResource", "true");
            vec![need("kms:DescribeKey"), grant, need("kms:GenerateDataKey"), need("kms:Decrypt")]
        });
        needs.unwrap_or_default()
    };
    let key = text("KmsKeyId").map(|key| key_arn(&call.region, key));
    let of_snapshot = |member: &str| world.snapshot_key(&named("cluster-snapshot", member));
    match call.operation.as_str() {
        "DescribeGlobalClusters" => vec![need(global())],
        "DescribeDBClusters" => vec![need(named("cluster", "DBClusterIdentifier"))],
        "DescribeDBInstances" => vec![need(named("db", "DBInstanceIdentifier"))],
        "DescribeDBSubnetGroups" => vec![need(named("subgrp", "DBSubnetGroupName"))],
        "DescribeDBClusterSnapshots" => {
            let of_cluster = text("DBClusterIdentifier").map(|cluster| need(arn("cluster", Some(cluster))));
            let snapshot = need(named("cluster-snapshot", "DBClusterSnapshotIdentifier"));
            of_cluster.into_iter().chain([snapshot]).collect()
        }
        "FailoverGlobalCluster" | "SwitchoverGlobalCluster" => {
            vec![need(global()), need(named("cluster", "TargetDbClusterIdentifier"))]
        }
        "RemoveFromGlobalCluster" => vec![need(global()), need(named("cluster", "DbClusterIdentifier"))],
        "CreateGlobalCluster" => vec![need(global()), need(named("cluster", "SourceDBClusterIdentifier"))],
        "DeleteGlobalCluster" => vec![need(global())],
        "CreateDBCluster" => {
            let groups = groups("cluster-pg", "DBClusterParameterGroupName");
            [made(named("cluster", "DBClusterIdentifier")), vec![need(global())], groups, by_key(key)]
                .concat()
        }
        "ModifyDBCluster" => {
            // AWS does not say whether the new name is checked: here it is.
            let renamed = text("NewDBClusterIdentifier").map(|name| need(arn("cluster", Some(name))));
            renamed.into_iter().chain([existing(named("cluster", "DBClusterIdentifier"))]).collect()
        }
        "CreateDBClusterSnapshot" => {
            let of = vec![need(named("cluster", "DBClusterIdentifier"))];
            [made(named("cluster-snapshot", "DBClusterSnapshotIdentifier")), of].concat()
        }
        "CopyDBClusterSnapshot" => {
            let source = need(named("cluster-snapshot", "SourceDBClusterSnapshotIdentifier"));
            let copy = made(named("cluster-snapshot", "TargetDBClusterSnapshotIdentifier"));
            let from = of_snapshot("SourceDBClusterSnapshotIdentifier");
            // The source's key is needed to read it, the copy's to write; they are one where none is named.
            let keys = [by_key(from.clone()), by_key(key.filter(|key| Some(key) != from.as_ref()))].concat();
            [vec![source], copy, keys].concat()
        }
        "RestoreDBClusterFromSnapshot" => {
            let from = vec![need(named("cluster-snapshot", "SnapshotIdentifier"))];
            let groups = groups("cluster-pg", "DBClusterParameterGroupName");
            let key = key.or_else(|| of_snapshot("SnapshotIdentifier"));
            [made(named("cluster", "DBClusterIdentifier")), from, groups, by_key(key)].concat()
        }
        "CreateDBInstance" => {
            let cluster = vec![need(named("cluster", "DBClusterIdentifier"))];
            let groups = groups("pg", "DBParameterGroupName");
            [made(named("db", "DBInstanceIdentifier")), cluster, groups].concat()
        }
        "DeleteDBInstance" => vec![existing(named("db", "DBInstanceIdentifier"))],
        "DeleteDBCluster" => {
            let last =
                text("FinalDBSnapshotIdentifier").map(|name| need(arn("cluster-snapshot", Some(name))));
            last.into_iter().chain([existing(named("cluster", "DBClusterIdentifier"))]).collect()
        }
        "DeleteDBClusterSnapshot" => vec![existing(named("cluster-snapshot", "DBClusterSnapshotIdentifier"))],
        "AddTagsToResource" | "ListTagsForResource" => {
            vec![existing(text("ResourceName").unwrap_or("*").to_owned())]
        }
        _ => vec![need("*".into())],
    }
}
