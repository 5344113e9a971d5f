//! The RDS API over [`super::aurora`]: checks what a caller may get wrong, as AWS does, and answers in its shapes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::aurora::{Cluster, Global, Instance, Snapshot, name_of, region_of};
use super::{ApiError, Call, State, World, required, unknown};
use crate::ACCOUNT;

/// Port of a cluster that has no server yet.
const DEFAULT_PORT: u16 = 3306;

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let (region, input) = (call.region.as_str(), &call.input);
    match call.operation.as_str() {
        "DescribeGlobalClusters" => describe_global_clusters(world, input),
        "DescribeDBClusters" => describe_clusters(world, region, input),
        "DescribeDBInstances" => describe_instances(world, region, input),
        "DescribeDBClusterSnapshots" => describe_snapshots(world, region, input),
        "DescribeEvents" => describe_events(world, region, input),
        "FailoverGlobalCluster" => fail_over(world, region, input),
        "SwitchoverGlobalCluster" => switch_over(world, region, input),
        "RemoveFromGlobalCluster" => remove_member(world, input),
        "CopyDBClusterSnapshot" => copy_snapshot(world, region, input),
        "RestoreDBClusterFromSnapshot" => restore(world, region, input),
        "CreateDBInstance" => create_instance(world, region, input),
        "DeleteDBInstance" => delete_instance(world, region, input),
        "DeleteDBCluster" => delete_cluster(world, region, input),
        "DeleteDBClusterSnapshot" => delete_snapshot(world, region, input),
        "AddTagsToResource" => add_tags(world, input),
        "ListTagsForResource" => list_tags(world, input),
        _ => Err(unknown(call)),
    }
}

fn fault(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message)
}

fn missing(code: &str, message: impl Into<String>) -> ApiError {
    ApiError { status: 404, code: code.into(), message: message.into() }
}

fn arn(region: &str, kind: &str, name: &str) -> String {
    if name.starts_with("arn:") {
        name.to_owned()
    } else {
        format!("arn:aws:rds:{region}:{ACCOUNT}:{kind}:{}", name.to_lowercase())
    }
}

/// Names of clusters, instances and manual snapshots: letters, digits, single hyphens, first a letter, no hyphen at the end.
fn check_name(name: &str, limit: usize) -> Result<(), ApiError> {
    let fits = name.len() <= limit
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--");
    if fits {
        Ok(())
    } else {
        Err(fault("InvalidParameterValue", format!("{name:?} is not a valid identifier")))
    }
}

fn tags_of(input: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    input["Tags"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| (text(&tag["Key"]), text(&tag["Value"])))
        .collect()
}

fn tag_list(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// One page of `all`; the marker is the number of the first item.
fn page(input: &Value, name: &str, all: Vec<Value>) -> Value {
    let limit =
        input["MaxRecords"].as_u64().map_or(100, |limit| usize::try_from(limit).unwrap_or(100)).clamp(1, 100);
    let start: usize = input["Marker"].as_str().and_then(|marker| marker.parse().ok()).unwrap_or_default();
    let total = all.len();
    let items: Vec<Value> = all.into_iter().skip(start).take(limit).collect();
    let mut answer = Map::new();
    if start + items.len() < total {
        answer.insert("Marker".into(), (start + items.len()).to_string().into());
    }
    answer.insert(name.into(), items.into());
    answer.into()
}

fn global_json(global: &Global, state: &State) -> Value {
    let writer = global
        .members
        .iter()
        .find(|member| member.is_writer)
        .map(|member| member.arn.clone())
        .unwrap_or_default();
    let version = state.clusters.get(&writer).map(|cluster| cluster.version.clone()).unwrap_or_default();
    let members: Vec<Value> = global
        .members
        .iter()
        .map(|member| {
            let readers: Vec<&String> = global
                .members
                .iter()
                .filter(|other| member.is_writer && !other.is_writer)
                .map(|other| &other.arn)
                .collect();
            json!({
                "DBClusterArn": member.arn,
                "Readers": readers,
                "IsWriter": member.is_writer,
                "GlobalWriteForwardingStatus": "disabled",
                "SynchronizationStatus": member.synchronization,
            })
        })
        .collect();
    let mut answer = json!({
        "GlobalClusterIdentifier": global.id,
        "GlobalClusterResourceId": format!("cluster-{}", global.id),
        "GlobalClusterArn": format!("arn:aws:rds::{ACCOUNT}:global-cluster:{}", global.id),
        "Status": if global.operation.as_ref().is_some_and(|operation| operation.status != "pending") { "failing-over" } else { "available" },
        "Engine": global.engine,
        "EngineVersion": version,
        "StorageEncrypted": false,
        "DeletionProtection": false,
        "GlobalClusterMembers": members,
        "Endpoint": format!("{}.global-sandbox.global.rds.invalid", global.id),
    });
    if let Some(operation) = &global.operation {
        answer["FailoverState"] = json!({
            "Status": operation.status,
            "FromDbClusterArn": operation.from,
            "ToDbClusterArn": operation.to,
            "IsDataLossAllowed": operation.loss,
        });
    }
    answer
}

fn cluster_json(cluster: &Cluster, state: &State) -> Value {
    let global =
        state.globals.values().find(|global| global.members.iter().any(|member| member.arn == cluster.arn));
    let secondary =
        global.is_some_and(|global| global.members.iter().any(|m| m.arn == cluster.arn && !m.is_writer));
    let instances: Vec<Value> = state
        .instances
        .values()
        .filter(|instance| instance.cluster == cluster.arn)
        .map(|instance| {
            json!({
                "DBInstanceIdentifier": name_of(&instance.arn),
                "IsClusterWriter": !secondary,
                "DBClusterParameterGroupStatus": "in-sync",
                "PromotionTier": 1,
            })
        })
        .collect();
    let mut answer = json!({
        "DBClusterIdentifier": name_of(&cluster.arn),
        "DBClusterArn": cluster.arn,
        "DbClusterResourceId": format!("cluster-{}", name_of(&cluster.arn)),
        "Status": cluster.status,
        "Engine": cluster.engine,
        "EngineVersion": cluster.version,
        "EngineMode": "provisioned",
        "DatabaseName": cluster.database,
        "MasterUsername": "shop",
        "Port": cluster.address.as_ref().map_or(DEFAULT_PORT, |address| address.port),
        "DBClusterMembers": instances,
        "StorageEncrypted": false,
        "DeletionProtection": false,
        "ClusterCreateTime": cluster.created.to_string(),
        "TagList": tag_list(&cluster.tags),
    });
    if let Some(address) = &cluster.address {
        // A global secondary has no writer endpoint in AWS until it is promoted; its reader endpoint answers.
        answer["Endpoint"] = json!(address.host);
        answer["ReaderEndpoint"] = json!(address.host);
    }
    answer
}

fn instance_json(instance: &Instance, state: &State) -> Value {
    let cluster = state.clusters.get(&instance.cluster);
    json!({
        "DBInstanceIdentifier": name_of(&instance.arn),
        "DBInstanceArn": instance.arn,
        "DBInstanceClass": instance.class,
        "DBInstanceStatus": instance.status,
        "DBClusterIdentifier": name_of(&instance.cluster),
        "Engine": cluster.map(|cluster| cluster.engine.clone()),
        "EngineVersion": cluster.map(|cluster| cluster.version.clone()),
        "TagList": tag_list(&instance.tags),
    })
}

fn snapshot_json(snapshot: &Snapshot) -> Value {
    json!({
        "DBClusterSnapshotIdentifier": name_of(&snapshot.arn),
        "DBClusterSnapshotArn": snapshot.arn,
        "DBClusterIdentifier": snapshot.cluster,
        "SnapshotCreateTime": snapshot.created.to_string(),
        "SnapshotType": snapshot.kind,
        "Status": snapshot.status,
        "PercentProgress": snapshot.percent,
        "Engine": snapshot.engine,
        "EngineVersion": snapshot.version,
        "StorageEncrypted": snapshot.encrypted,
        "TagList": tag_list(&snapshot.tags),
    })
}

fn describe_global_clusters(world: &World, input: &Value) -> Result<Value, ApiError> {
    world.state(|state| match input["GlobalClusterIdentifier"].as_str() {
        Some(id) => {
            let global = state.globals.get(id).ok_or_else(|| no_global(id))?;
            Ok(json!({"GlobalClusters": [global_json(global, state)]}))
        }
        None => Ok(page(
            input,
            "GlobalClusters",
            state.globals.values().map(|global| global_json(global, state)).collect(),
        )),
    })
}

fn no_global(id: &str) -> ApiError {
    missing("GlobalClusterNotFoundFault", format!("Global cluster {id} not found"))
}

fn no_cluster(id: &str) -> ApiError {
    missing("DBClusterNotFoundFault", format!("DBCluster {id} not found."))
}

fn describe_clusters(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    world.state(|state| match input["DBClusterIdentifier"].as_str() {
        Some(id) => {
            let cluster = state
                .clusters
                .get(&arn(region, "cluster", id))
                .filter(|cluster| region_of(&cluster.arn) == region);
            Ok(json!({"DBClusters": [cluster_json(cluster.ok_or_else(|| no_cluster(id))?, state)]}))
        }
        None => {
            let here = state.clusters.values().filter(|cluster| region_of(&cluster.arn) == region);
            Ok(page(input, "DBClusters", here.map(|cluster| cluster_json(cluster, state)).collect()))
        }
    })
}

/// The values of a filter of the input, if it is there.
fn filter<'a>(input: &'a Value, name: &str) -> Option<Vec<&'a str>> {
    let filter = input["Filters"].as_array()?.iter().find(|filter| filter["Name"] == *name)?;
    Some(filter["Values"].as_array()?.iter().filter_map(Value::as_str).collect())
}

fn describe_instances(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let clusters = filter(input, "db-cluster-id");
    world.state(|state| {
        let here = state.instances.values().filter(|instance| region_of(&instance.arn) == region);
        if let Some(id) = input["DBInstanceIdentifier"].as_str() {
            let found = here.into_iter().find(|instance| name_of(&instance.arn) == name_of(id));
            let found =
                found.ok_or_else(|| missing("DBInstanceNotFound", format!("DBInstance {id} not found.")))?;
            return Ok(json!({"DBInstances": [instance_json(found, state)]}));
        }
        let wanted = here.filter(|instance| {
            clusters.as_ref().is_none_or(|all| all.iter().any(|c| name_of(c) == name_of(&instance.cluster)))
        });
        Ok(page(input, "DBInstances", wanted.map(|instance| instance_json(instance, state)).collect()))
    })
}

fn describe_snapshots(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = input["DBClusterSnapshotIdentifier"].as_str().map(|id| name_of(id).to_owned());
    let cluster = input["DBClusterIdentifier"].as_str().map(name_of);
    let kind = input["SnapshotType"].as_str();
    world.state(|state| {
        let found: Vec<Value> = state
            .snapshots
            .values()
            .filter(|snapshot| region_of(&snapshot.arn) == region)
            .filter(|snapshot| name.as_deref().is_none_or(|name| name_of(&snapshot.arn) == name))
            .filter(|snapshot| cluster.is_none_or(|cluster| snapshot.cluster == cluster))
            .filter(|snapshot| kind.is_none_or(|kind| snapshot.kind == kind))
            .map(snapshot_json)
            .collect();
        match name {
            Some(name) if found.is_empty() => Err(no_snapshot(&name)),
            _ => Ok(page(input, "DBClusterSnapshots", found)),
        }
    })
}

fn no_snapshot(name: &str) -> ApiError {
    missing("DBClusterSnapshotNotFoundFault", format!("DBClusterSnapshot {name} not found."))
}

fn describe_events(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let source = input["SourceIdentifier"].as_str();
    let source_type = input["SourceType"].as_str();
    world.state(|state| {
        let found = state
            .rds_events
            .iter()
            .filter(|event| event.region == region && source.is_none_or(|source| event.source == source))
            .filter(|event| source_type.is_none_or(|kind| event.source_type == kind))
            .map(|event| json!({
                "SourceIdentifier": event.source,
                "SourceType": event.source_type,
                "Message": format!("{} {}", event.id, event.message).trim_start(),
                "EventCategories": [if event.source_type == "db-cluster" { "global failover" } else { "backup" }],
                "Date": event.at.to_string(),
            }))
            .collect();
        Ok(page(input, "Events", found))
    })
}

/// What a failover and a switchover have in common: the target, and whether it can be.
fn check_operation(state: &State, id: &str, target: &str) -> Result<String, ApiError> {
    let global = state.globals.get(id).ok_or_else(|| no_global(id))?;
    if !target.starts_with("arn:") {
        return Err(fault(
            "InvalidParameterValue",
            format!("TargetDbClusterIdentifier must be an ARN, not {target:?}"),
        ));
    }
    let member =
        global.members.iter().find(|member| member.arn == target).ok_or_else(|| no_cluster(target))?;
    if let Some(operation) = &global.operation {
        return Err(fault(
            "InvalidGlobalClusterStateFault",
            format!(
                "Global cluster {id} is in an invalid state: an operation to {} is {}",
                operation.to, operation.status
            ),
        ));
    }
    if member.is_writer {
        return Err(fault("InvalidDBClusterStateFault", format!("{target} already is the primary of {id}")));
    }
    let writer = global
        .members
        .iter()
        .find(|member| member.is_writer)
        .map(|member| member.arn.clone())
        .unwrap_or_default();
    let version = |arn: &str| state.clusters.get(arn).map(|cluster| cluster.version.clone());
    if version(&writer) != version(target) {
        return Err(fault(
            "InvalidDBClusterStateFault",
            format!("The engine versions of {writer} and {target} differ: managed failover is not possible"),
        ));
    }
    if !state.instances.values().any(|instance| instance.cluster == target && instance.status == "available")
    {
        return Err(fault("InvalidDBClusterStateFault", format!("{target} has no available instance")));
    }
    Ok(writer)
}

fn fail_over(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let id = required(input, "GlobalClusterIdentifier")?;
    let target = required(input, "TargetDbClusterIdentifier")?;
    if input["AllowDataLoss"].as_bool() != Some(true) {
        if input["Switchover"].as_bool() == Some(true) {
            return switch_over(world, region, input);
        }
        return Err(fault("InvalidParameterCombination", "AllowDataLoss or Switchover must be true"));
    }
    let from = world.state(|state| check_operation(state, id, target))?;
    if region_of(target) != region {
        return Err(fault(
            "InvalidParameterValue",
            format!("call FailoverGlobalCluster in the Region of the target, {}", region_of(target)),
        ));
    }
    world.begin_operation(id, from, target.to_owned(), true);
    one_global(world, id)
}

fn switch_over(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let id = required(input, "GlobalClusterIdentifier")?;
    let target = required(input, "TargetDbClusterIdentifier")?;
    let from = world.state(|state| {
        let from = check_operation(state, id, target)?;
        let connected = state.globals[id].members.iter().all(|member| member.synchronization == "connected");
        if !connected || state.isolated.contains(region_of(target)) {
            return Err(fault("InvalidGlobalClusterStateFault", format!("{target} is not synchronized")));
        }
        Ok(from)
    })?;
    if region_of(&from) != region {
        return Err(fault(
            "InvalidParameterValue",
            format!("call SwitchoverGlobalCluster in the Region of the primary, {}", region_of(&from)),
        ));
    }
    world.begin_operation(id, from, target.to_owned(), false);
    one_global(world, id)
}

fn one_global(world: &World, id: &str) -> Result<Value, ApiError> {
    world.state(|state| {
        let global = state.globals.get(id).ok_or_else(|| no_global(id))?;
        Ok(json!({"GlobalCluster": global_json(global, state)}))
    })
}

fn remove_member(world: &World, input: &Value) -> Result<Value, ApiError> {
    let id = required(input, "GlobalClusterIdentifier")?;
    let member = required(input, "DbClusterIdentifier")?;
    world.state(|state| {
        let global = state.globals.get_mut(id).ok_or_else(|| no_global(id))?;
        let before = global.members.len();
        global.members.retain(|one| one.arn != member);
        if global.members.len() == before { Err(no_cluster(member)) } else { Ok(()) }
    })?;
    one_global(world, id)
}

fn copy_snapshot(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let source = required(input, "SourceDBClusterSnapshotIdentifier")?;
    let target = required(input, "TargetDBClusterSnapshotIdentifier")?;
    check_name(target, 255)?;
    let source = arn(region, "cluster-snapshot", source);
    let target = arn(region, "cluster-snapshot", target);
    let answer = world.state(|state| {
        let from = state.snapshots.get(&source).ok_or_else(|| no_snapshot(&source))?.clone();
        if state.isolated.contains(region_of(&source)) {
            return Err(fault("InvalidDBClusterSnapshotStateFault", "the source Region can't be reached"));
        }
        if from.status != "available" {
            return Err(fault("InvalidDBClusterSnapshotStateFault", format!("{source} is {}", from.status)));
        }
        if state.snapshots.contains_key(&target) {
            return Err(fault(
                "DBClusterSnapshotAlreadyExistsFault",
                format!("{} already exists", name_of(&target)),
            ));
        }
        if from.encrypted && region_of(&source) != region && input["KmsKeyId"].as_str().is_none() {
            return Err(fault(
                "InvalidParameterCombination",
                "an encrypted snapshot needs a KmsKeyId of this Region",
            ));
        }
        // A copy keeps the time of the original (AWS: the time is that of the source).
        let copy = Snapshot {
            arn: target.clone(),
            kind: "manual",
            status: "copying",
            percent: 0,
            tags: tags_of(input),
            ..from
        };
        let answer = snapshot_json(&copy);
        state.snapshots.insert(target.clone(), copy);
        Ok(json!({"DBClusterSnapshot": answer}))
    })?;
    world.begin_copy(source, target);
    Ok(answer)
}

fn restore(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterIdentifier")?;
    let snapshot = arn(region, "cluster-snapshot", required(input, "SnapshotIdentifier")?);
    required(input, "Engine")?;
    check_name(name, 63)?;
    let cluster = arn(region, "cluster", name);
    let created = world.clock.now();
    let answer = world.state(|state| {
        let from = state.snapshots.get(&snapshot).filter(|snapshot| region_of(&snapshot.arn) == region);
        let from = from.ok_or_else(|| no_snapshot(&snapshot))?;
        if from.status != "available" {
            return Err(fault(
                "InvalidDBClusterSnapshotStateFault",
                format!("{snapshot} is {}", from.status),
            ));
        }
        if state.clusters.contains_key(&cluster) {
            return Err(fault("DBClusterAlreadyExistsFault", format!("{name} already exists")));
        }
        // Not named, AWS takes the Region's default version, which may be another.
        let version = input["EngineVersion"].as_str().unwrap_or("8.0.mysql_aurora.3.10.0").to_owned();
        let entry = Cluster {
            arn: cluster.clone(),
            status: "creating",
            engine: from.engine.clone(),
            version,
            database: from.database.clone(),
            address: None,
            tags: tags_of(input),
            created,
        };
        let answer = cluster_json(&entry, state);
        state.clusters.insert(cluster.clone(), entry);
        Ok(json!({"DBCluster": answer}))
    })?;
    world.begin_restore(snapshot, cluster);
    Ok(answer)
}

fn create_instance(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBInstanceIdentifier")?;
    let class = required(input, "DBInstanceClass")?;
    required(input, "Engine")?;
    check_name(name, 63)?;
    let cluster = arn(region, "cluster", required(input, "DBClusterIdentifier")?);
    let instance = arn(region, "db", name);
    let answer = world.state(|state| {
        let status = state.clusters.get(&cluster).ok_or_else(|| no_cluster(&cluster))?.status;
        if status == "deleting" {
            return Err(fault("InvalidDBClusterStateFault", format!("{cluster} is deleting")));
        }
        if state.instances.contains_key(&instance) {
            return Err(fault("DBInstanceAlreadyExists", format!("{name} already exists")));
        }
        let entry = Instance {
            arn: instance.clone(),
            cluster: cluster.clone(),
            class: class.to_owned(),
            status: "creating",
            tags: tags_of(input),
        };
        let answer = instance_json(&entry, state);
        state.instances.insert(instance.clone(), entry);
        Ok(json!({"DBInstance": answer}))
    })?;
    world.begin_instance(instance);
    Ok(answer)
}

fn delete_instance(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBInstanceIdentifier")?;
    let instance = arn(region, "db", name);
    let answer = world.state(|state| {
        let entry = state.instances.get_mut(&instance);
        let entry =
            entry.ok_or_else(|| missing("DBInstanceNotFound", format!("DBInstance {name} not found.")))?;
        if entry.status == "deleting" {
            return Err(fault("InvalidDBInstanceState", format!("{name} is being deleted")));
        }
        entry.status = "deleting";
        let entry = entry.clone();
        Ok(json!({"DBInstance": instance_json(&entry, state)}))
    })?;
    world.begin_deletion(instance);
    Ok(answer)
}

fn delete_cluster(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterIdentifier")?;
    let cluster = arn(region, "cluster", name);
    if input["SkipFinalSnapshot"].as_bool() != Some(true)
        && input["FinalDBSnapshotIdentifier"].as_str().is_none()
    {
        return Err(fault(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is true",
        ));
    }
    let answer = world.state(|state| {
        let entry = state.clusters.get(&cluster).ok_or_else(|| no_cluster(name))?;
        if entry.status == "deleting" {
            return Err(fault("InvalidDBClusterStateFault", format!("{name} is being deleted")));
        }
        if state.instances.values().any(|instance| instance.cluster == cluster) {
            return Err(fault(
                "InvalidDBClusterStateFault",
                "Cluster cannot be deleted, it still contains DB instances.",
            ));
        }
        if state.globals.values().any(|global| global.members.iter().any(|member| member.arn == cluster)) {
            return Err(fault(
                "InvalidDBClusterStateFault",
                format!("{name} is a member of a global cluster"),
            ));
        }
        let answer = cluster_json(entry, state);
        if let Some(entry) = state.clusters.get_mut(&cluster) {
            entry.status = "deleting";
        }
        Ok(json!({"DBCluster": answer}))
    })?;
    world.begin_deletion(cluster);
    Ok(answer)
}

fn delete_snapshot(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterSnapshotIdentifier")?;
    let snapshot = arn(region, "cluster-snapshot", name);
    let entry = world.state(|state| {
        let kind = state.snapshots.get(&snapshot).ok_or_else(|| no_snapshot(name))?.kind;
        if kind != "manual" {
            return Err(fault("InvalidDBClusterSnapshotStateFault", "only manual snapshots can be deleted"));
        }
        state.snapshots.remove(&snapshot).ok_or_else(|| no_snapshot(name))
    })?;
    let again = Arc::clone(world);
    world.spawn(async move {
        // What is not removed here goes with the sandbox's folder.
        let _ = again.servers.delete_snapshot(&snapshot).await;
    });
    Ok(json!({"DBClusterSnapshot": snapshot_json(&entry)}))
}

fn tags_mut<'a>(state: &'a mut State, arn: &str) -> Option<&'a mut BTreeMap<String, String>> {
    let cluster = state.clusters.get_mut(arn).map(|cluster| &mut cluster.tags);
    let instance = state.instances.get_mut(arn).map(|instance| &mut instance.tags);
    let snapshot = state.snapshots.get_mut(arn).map(|snapshot| &mut snapshot.tags);
    cluster.or(instance).or(snapshot)
}

fn add_tags(world: &World, input: &Value) -> Result<Value, ApiError> {
    let arn = required(input, "ResourceName")?;
    world.state(|state| {
        tags_mut(state, arn).ok_or_else(|| no_cluster(arn))?.extend(tags_of(input));
        Ok(json!({}))
    })
}

fn list_tags(world: &World, input: &Value) -> Result<Value, ApiError> {
    let arn = required(input, "ResourceName")?;
    world
        .state(|state| Ok(json!({"TagList": tag_list(tags_mut(state, arn).ok_or_else(|| no_cluster(arn))?)})))
}
