//! The RDS API over [`super::aurora`]: checks what a caller may get wrong, as AWS does, and answers in its shapes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::aurora::{Cluster, Global, GlobalMember, Instance, Operation, Snapshot, name_of, region_of};
use super::{State, World, aws_key, properties, required, spoken, unknown};
use crate::account::ACCOUNT;
use crate::api::{ApiError, Call};
use crate::databases::NOWHERE;

/// Port of a cluster that has no server yet.
const DEFAULT_PORT: u16 = 3306;
/// What a restore gets that names no version: the Region's default, which is another than the shop's.
const DEFAULT_VERSION: &str = "8.0.mysql_aurora.3.10.0";

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let (region, input) = (call.region.as_str(), &call.input);
    match call.operation.as_str() {
        "DescribeGlobalClusters" => describe_global_clusters(world, input),
        "DescribeDBClusters" => describe_clusters(world, region, input),
        "DescribeDBInstances" => describe_instances(world, region, input),
        "DescribeDBClusterSnapshots" => describe_snapshots(world, region, input),
        "DescribeAccountAttributes" => Ok(describe_quotas(world, region)),
        "DescribeEvents" => describe_events(world, region, input),
        "FailoverGlobalCluster" => fail_over(world, region, input),
        "SwitchoverGlobalCluster" => switch_over(world, region, input),
        "RemoveFromGlobalCluster" => remove_member(world, input),
        "CreateGlobalCluster" => create_global(world, region, input),
        "DeleteGlobalCluster" => delete_global(world, input),
        "CreateDBCluster" => create_secondary(world, region, input),
        "ModifyDBCluster" => rename_cluster(world, region, input),
        "CreateDBClusterSnapshot" => take_snapshot(world, region, input),
        "CopyDBClusterSnapshot" => copy_snapshot(world, region, input),
        "RestoreDBClusterFromSnapshot" => restore(world, region, input),
        "CreateDBInstance" => create_instance(world, region, input),
        "DeleteDBInstance" => delete_instance(world, region, input),
        "DeleteDBCluster" => delete_cluster(world, region, input),
        "DeleteDBClusterSnapshot" => delete_snapshot(world, region, input),
        "AddTagsToResource" => add_tags(world, region, input),
        "ListTagsForResource" => list_tags(world, region, input),
        _ => Err(unknown(call)),
    }
}

/// The quotas that the sandbox counts, with their default values ("Quotas and constraints for Amazon Aurora", Aurora user
/// guide).
fn describe_quotas(world: &World, region: &str) -> Value {
    world.state(|state| {
        let here = |arn: &String| region_of(arn) == region;
        let manual = state.snapshots.values().filter(|one| here(&one.arn) && one.kind == "manual").count();
        let used = [
            ("DBClusters", state.clusters.keys().filter(|arn| here(arn)).count(), 40),
            ("DBInstances", state.instances.keys().filter(|arn| here(arn)).count(), 40),
            ("ManualClusterSnapshots", manual, 100),
        ];
        let quota = |(name, used, default): (&str, usize, i64)| {
            let given = state.quotas.get(&(region.to_owned(), name.to_owned()));
            json!({"AccountQuotaName": name, "Used": used, "Max": given.copied().unwrap_or(default)})
        };
        json!({"AccountQuotas": used.map(quota)})
    })
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

/// The ARN of a key that a request names by its ARN, id or alias.
pub(crate) fn key_arn(region: &str, key: &str) -> String {
    match key {
        "alias/aws/rds" => aws_key(region),
        key if key.starts_with("arn:") => key.to_owned(),
        key => format!("arn:aws:kms:{region}:{ACCOUNT}:key/{}", key.trim_start_matches("alias/")),
    }
}

/// Names of clusters, instances and manual cluster snapshots: 1 to 63 letters, digits, single hyphens, first a letter, no
/// hyphen at the end (RDS API reference).
fn check_name(name: &str) -> Result<(), ApiError> {
    let fits = name.len() <= 63
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

/// The `Tags` of an input: at most 50, none of AWS's own.
fn tags_of(input: &Value) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for tag in input["Tags"].as_array().into_iter().flatten() {
        let key = required(tag, "Key")?;
        if key.starts_with("aws:") || key.starts_with("rds:") || key.chars().count() > 128 {
            return Err(fault("InvalidParameterValue", format!("{key:?} can't be the key of a tag")));
        }
        tags.insert(key.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned());
    }
    if tags.len() > 50 {
        Err(fault("InvalidParameterValue", "a resource has at most 50 tags"))
    } else {
        Ok(tags)
    }
}

fn tag_list(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// One page of `all`; the marker is the number of the first item.
fn page(input: &Value, name: &str, all: Vec<Value>) -> Result<Value, ApiError> {
    let limit = match &input["MaxRecords"] {
        Value::Null => 100,
        given => given
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (20..=100).contains(limit))
            .ok_or_else(|| {
                fault("InvalidParameterValue", format!("MaxRecords must be from 20 to 100, not {given}"))
            })?,
    };
    let start: usize = match input["Marker"].as_str() {
        None | Some("") => 0,
        Some(marker) => marker.parse().map_err(|_| {
            fault("InvalidParameterValue", format!("{marker:?} is not a marker of an earlier answer"))
        })?,
    };
    let total = all.len();
    let items: Vec<Value> = all.into_iter().skip(start).take(limit).collect();
    let mut answer = Map::new();
    if start + items.len() < total {
        answer.insert("Marker".into(), (start + items.len()).to_string().into());
    }
    answer.insert(name.into(), items.into());
    Ok(answer.into())
}

/// Whether a thing passes the `Filters` of the input. `values` holds what each filter that RDS knows compares; names and
/// ARNs are both understood.
fn passes(input: &Value, values: &[(&str, &str)]) -> Result<bool, ApiError> {
    for filter in input["Filters"].as_array().into_iter().flatten() {
        let name = required(filter, "Name")?;
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let value = value
            .ok_or_else(|| fault("InvalidParameterValue", format!("Unrecognized filter name: {name}")))?;
        let wanted = filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if !wanted.map(name_of).any(|wanted| wanted.eq_ignore_ascii_case(value)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A name of a thing in the form it is stored in: without the ARN around it, in lower case.
fn stored(name: &str) -> String {
    name_of(name).to_lowercase()
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
                "SynchronizationStatus": state.reading.synchronization(member),
            })
        })
        .collect();
    let running =
        global.operation.as_ref().map(|operation| operation.status).filter(|status| *status != "pending");
    let mut answer = json!({
        "GlobalClusterIdentifier": global.id,
        "GlobalClusterResourceId": format!("cluster-{}", global.id),
        "GlobalClusterArn": format!("arn:aws:rds::{ACCOUNT}:global-cluster:{}", global.id),
        // A free string in the API's model.
        "Status": running.unwrap_or("available"),
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
        .enumerate()
        .map(|(number, instance)| {
            json!({
                "DBInstanceIdentifier": name_of(&instance.arn),
                "IsClusterWriter": !secondary && number == 0,
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
        "DBClusterMembers": instances,
        "StorageEncrypted": cluster.key.is_some(),
        "KmsKeyId": cluster.key,
        "IAMDatabaseAuthenticationEnabled": cluster.iam,
        "ClusterCreateTime": spoken(cluster.created),
        "TagList": tag_list(&cluster.tags),
    });
    with_properties(&mut answer, &cluster.properties);
    // A server's port is chosen by the system; where there is none, it is the one that was asked for.
    let server = cluster.address.as_ref().map(|address| address.port);
    let port = server.filter(|port| *port != NOWHERE).or(cluster.asked_port()).or(server);
    answer["Port"] = json!(port.unwrap_or(DEFAULT_PORT));
    if let Some(address) = &cluster.address {
        // A global secondary has no writer endpoint in AWS until it is promoted; its reader endpoint answers.
        answer["Endpoint"] = json!(address.host);
        answer["ReaderEndpoint"] = json!(address.host);
    }
    if let Some(global) = global {
        answer["GlobalClusterIdentifier"] = json!(global.id);
        answer["GlobalWriteForwardingStatus"] = json!("disabled");
        if secondary {
            answer["ReplicationSourceIdentifier"] = json!(global.writer());
        }
    }
    answer
}

fn with_properties(answer: &mut Value, properties: &properties::Properties) {
    if let Some(answer) = answer.as_object_mut() {
        answer.extend(properties.clone());
    }
}

fn instance_json(instance: &Instance, state: &State) -> Value {
    let cluster = state.clusters.get(&instance.cluster);
    let mut answer = json!({
        "DBInstanceIdentifier": name_of(&instance.arn),
        "DBInstanceArn": instance.arn,
        "DBInstanceClass": instance.class,
        "DBInstanceStatus": instance.status,
        "DBClusterIdentifier": name_of(&instance.cluster),
        "Engine": cluster.map(|cluster| cluster.engine.clone()),
        "EngineVersion": cluster.map(|cluster| cluster.version.clone()),
        "TagList": tag_list(&instance.tags),
    });
    with_properties(&mut answer, &instance.properties);
    let address = cluster.and_then(|cluster| cluster.address.as_ref());
    if let Some(address) = address.filter(|_| instance.status == "available") {
        answer["Endpoint"] = json!({"Address": address.host, "Port": address.port});
    }
    answer
}

fn snapshot_json(snapshot: &Snapshot) -> Value {
    json!({
        "DBClusterSnapshotIdentifier": name_of(&snapshot.arn),
        "DBClusterSnapshotArn": snapshot.arn,
        "DBClusterIdentifier": snapshot.cluster,
        "SnapshotCreateTime": spoken(snapshot.created),
        "SnapshotType": snapshot.kind,
        "Status": snapshot.status,
        "PercentProgress": snapshot.percent,
        "Engine": snapshot.engine,
        "EngineVersion": snapshot.version,
        "StorageEncrypted": snapshot.key.is_some(),
        "KmsKeyId": snapshot.key,
        "TagList": tag_list(&snapshot.tags),
    })
}

fn no_global(id: &str) -> ApiError {
    missing("GlobalClusterNotFoundFault", format!("Global cluster {id} not found"))
}

fn no_cluster(id: &str) -> ApiError {
    missing("DBClusterNotFoundFault", format!("DBCluster {id} not found."))
}

fn no_instance(id: &str) -> ApiError {
    missing("DBInstanceNotFound", format!("DBInstance {id} not found."))
}

fn no_snapshot(name: &str) -> ApiError {
    missing("DBClusterSnapshotNotFoundFault", format!("DBClusterSnapshot {name} not found."))
}

/// A text member of the input, if it is there.
fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input[name].as_str().filter(|text| !text.is_empty())
}

/// A truth value of the input; absent is false.
fn flag(input: &Value, name: &str) -> Result<bool, ApiError> {
    match &input[name] {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        other => Err(fault("InvalidParameterValue", format!("{name} must be true or false, not {other}"))),
    }
}

/// The ARN of the thing that an input names by its name or its ARN; `None` for an ARN of another Region.
fn here(region: &str, kind: &str, name: &str) -> Option<String> {
    let arn = arn(region, kind, name);
    (region_of(&arn) == region).then_some(arn)
}

/// The values in `all` that pass the filters, as JSON, with the first error if there is one.
fn listed<'a, T: 'a>(
    all: impl Iterator<Item = &'a T>,
    passes: impl Fn(&T) -> Result<bool, ApiError>,
    json: impl Fn(&T) -> Value,
) -> Result<Vec<Value>, ApiError> {
    all.map(|one| Ok(passes(one)?.then(|| json(one)))).filter_map(Result::transpose).collect()
}

fn describe_global_clusters(world: &World, input: &Value) -> Result<Value, ApiError> {
    world.state(|state| {
        if let Some(id) = text(input, "GlobalClusterIdentifier") {
            let global = state.globals.get(&id.to_lowercase()).ok_or_else(|| no_global(id))?;
            return Ok(json!({"GlobalClusters": [global_json(global, state)]}));
        }
        // `region` is the one filter: a member there is enough.
        let wanted = |global: &Global| {
            let members =
                global.members.iter().map(|member| passes(input, &[("region", region_of(&member.arn))]));
            members.collect::<Result<Vec<_>, _>>().map(|passed| passed.contains(&true))
        };
        page(input, "GlobalClusters", listed(state.globals.values(), wanted, |one| global_json(one, state))?)
    })
}

fn describe_clusters(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    world.state(|state| {
        if let Some(id) = text(input, "DBClusterIdentifier") {
            let cluster = here(region, "cluster", id).and_then(|arn| state.clusters.get(&arn));
            return Ok(json!({"DBClusters": [cluster_json(cluster.ok_or_else(|| no_cluster(id))?, state)]}));
        }
        let all = state.clusters.values().filter(|cluster| region_of(&cluster.arn) == region);
        let wanted =
            |one: &Cluster| passes(input, &[("db-cluster-id", name_of(&one.arn)), ("engine", &one.engine)]);
        page(input, "DBClusters", listed(all, wanted, |one| cluster_json(one, state))?)
    })
}

fn describe_instances(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    world.state(|state| {
        if let Some(id) = text(input, "DBInstanceIdentifier") {
            let instance = here(region, "db", id).and_then(|arn| state.instances.get(&arn));
            return Ok(
                json!({"DBInstances": [instance_json(instance.ok_or_else(|| no_instance(id))?, state)]}),
            );
        }
        let all = state.instances.values().filter(|instance| region_of(&instance.arn) == region);
        let wanted = |one: &Instance| {
            let engine = state.clusters.get(&one.cluster).map_or("", |cluster| &cluster.engine);
            let values = [
                ("db-cluster-id", name_of(&one.cluster)),
                ("db-instance-id", name_of(&one.arn)),
                ("engine", engine),
            ];
            passes(input, &values)
        };
        page(input, "DBInstances", listed(all, wanted, |one| instance_json(one, state))?)
    })
}

fn describe_snapshots(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = text(input, "DBClusterSnapshotIdentifier").map(stored);
    let cluster = text(input, "DBClusterIdentifier").map(stored);
    let kind = text(input, "SnapshotType");
    if name.is_some() && cluster.is_some() {
        return Err(fault(
            "InvalidParameterCombination",
            "DBClusterIdentifier and DBClusterSnapshotIdentifier can't be used together",
        ));
    }
    world.state(|state| {
        let all = state
            .snapshots
            .values()
            .filter(|snapshot| region_of(&snapshot.arn) == region)
            .filter(|snapshot| name.as_deref().is_none_or(|name| name_of(&snapshot.arn) == name))
            .filter(|snapshot| cluster.as_deref().is_none_or(|cluster| snapshot.cluster == cluster))
            // Nothing here is shared with another account or public.
            .filter(|snapshot| kind.is_none_or(|kind| snapshot.kind == kind));
        let wanted = |one: &Snapshot| {
            let values = [
                ("db-cluster-id", one.cluster.as_str()),
                ("db-cluster-snapshot-id", name_of(&one.arn)),
                ("snapshot-type", one.kind),
                ("engine", &one.engine),
            ];
            passes(input, &values)
        };
        let found = listed(all, wanted, snapshot_json)?;
        match &name {
            Some(name) if found.is_empty() => Err(no_snapshot(name)),
            _ => page(input, "DBClusterSnapshots", found),
        }
    })
}

/// Events of the last hour, of `Duration` minutes, or from `StartTime` on.
fn describe_events(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let source = text(input, "SourceIdentifier").map(stored);
    let source_type = text(input, "SourceType");
    if source.is_some() && source_type.is_none() {
        return Err(fault("InvalidParameterCombination", "SourceIdentifier needs a SourceType"));
    }
    let time = |name: &str| -> Result<Option<Timestamp>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| fault("InvalidParameterValue", format!("{name} must be a time")))
        };
        text(input, name).map(parse).transpose()
    };
    let minutes = input["Duration"].as_i64().unwrap_or(60);
    let from = time("StartTime")?.unwrap_or(world.clock.now() - SignedDuration::from_mins(minutes));
    let to = time("EndTime")?.unwrap_or(Timestamp::MAX);
    let categories: Vec<&str> =
        input["EventCategories"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    world.state(|state| {
        let found = state
            .rds_events
            .iter()
            .filter(|event| event.region == region && event.at >= from && event.at <= to)
            .filter(|event| source.as_deref().is_none_or(|source| event.source == source))
            .filter(|event| source_type.is_none_or(|kind| event.api_source_type() == kind))
            .filter(|event| categories.is_empty() || categories.contains(&event.category()))
            .map(|event| {
                json!({
                    "SourceIdentifier": event.source,
                    "SourceType": event.api_source_type(),
                    // The API has no member for the event's id; EventBridge's events do.
                    "Message": format!("{} {}", event.id, event.message).trim_start(),
                    "EventCategories": [event.category()],
                    "Date": spoken(event.at),
                })
            })
            .collect();
        page(input, "Events", found)
    })
}

/// Fails over or switches over: checks that it can be, and enters it as `pending`, under one lock, so that of two calls
/// at once only one is accepted.
fn begin(world: &Arc<World>, region: &str, input: &Value, loss: bool) -> Result<Value, ApiError> {
    let id = required(input, "GlobalClusterIdentifier")?.to_lowercase();
    let target = required(input, "TargetDbClusterIdentifier")?;
    let answer = world.state(|state| {
        let from = check_operation(state, region, &id, target, loss)?;
        let global = state.globals.get_mut(&id).ok_or_else(|| no_global(&id))?;
        global.operation = Some(Operation { status: "pending", from, to: target.to_owned(), loss });
        one_global(state, &id)
    })?;
    world.begin_operation(&id);
    Ok(answer)
}

/// Whether a failover or switchover can be; the ARN of the primary if so.
fn check_operation(
    state: &State,
    region: &str,
    id: &str,
    target: &str,
    loss: bool,
) -> Result<String, ApiError> {
    let global = state.globals.get(id).ok_or_else(|| no_global(id))?;
    if !target.starts_with("arn:") {
        let message = format!("TargetDbClusterIdentifier must be an ARN, not {target:?}");
        return Err(fault("InvalidParameterValue", message));
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
    let refused = |message: String| Err(fault("InvalidDBClusterStateFault", message));
    if member.is_writer {
        return refused(format!("{target} already is the primary of {id}"));
    }
    let writer = global.writer().unwrap_or_default().to_owned();
    // Failover asks the Region that takes over, as the other one may be down; switchover asks the primary.
    let (operation, place) = if loss { ("failover", target) } else { ("switchover", writer.as_str()) };
    if region_of(place) != region {
        let message = format!("a {operation} to {target} must be called in {}", region_of(place));
        return Err(fault("InvalidParameterValue", message));
    }
    if member.synchronization != "connected" {
        return refused(format!("{target} is not synchronized, it is {}", member.synchronization));
    }
    if !loss && (state.cut.contains(target) || state.isolated.contains(region_of(target))) {
        return refused(format!("{target} is not synchronized, its primary can't reach it"));
    }
    let entry = |arn: &str| state.clusters.get(arn).ok_or_else(|| no_cluster(arn));
    let (old, new) = (entry(&writer)?, entry(target)?);
    if old.version != new.version {
        return refused(format!(
            "{writer} has engine version {} and {target} {}: managed failover and switchover need the same",
            old.version, new.version
        ));
    }
    if new.status != "available" {
        return refused(format!("{target} is {}", new.status));
    }
    if !state.instances.values().any(|instance| instance.cluster == target && instance.status == "available")
    {
        return refused(format!("{target} has no available instance"));
    }
    Ok(writer)
}

fn fail_over(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let (loss, switchover) = (flag(input, "AllowDataLoss")?, flag(input, "Switchover")?);
    if loss && switchover {
        let message = "AllowDataLoss and Switchover can't be specified together";
        return Err(fault("InvalidParameterCombination", message));
    }
    // Without AllowDataLoss it is a switchover, says the API's reference.
    begin(world, region, input, loss)
}

fn switch_over(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    begin(world, region, input, false)
}

fn one_global(state: &State, id: &str) -> Result<Value, ApiError> {
    let global = state.globals.get(id).ok_or_else(|| no_global(id))?;
    Ok(json!({"GlobalCluster": global_json(global, state)}))
}

fn remove_member(world: &Arc<World>, input: &Value) -> Result<Value, ApiError> {
    let id = required(input, "GlobalClusterIdentifier")?.to_lowercase();
    let member = required(input, "DbClusterIdentifier")?;
    let answer = world.state(|state| {
        let global = state.globals.get(&id).ok_or_else(|| no_global(&id))?;
        let found = global.members.iter().find(|one| one.arn == member).ok_or_else(|| no_cluster(member))?;
        if global.operation.is_some() {
            let message =
                format!("Global cluster {id} is in an invalid state: a failover or switchover runs");
            return Err(fault("InvalidGlobalClusterStateFault", message));
        }
        if found.is_writer && global.members.len() > 1 {
            let message = format!("{member} is the primary of {id}: remove the secondaries first");
            return Err(fault("InvalidGlobalClusterStateFault", message));
        }
        let cluster = state.clusters.get_mut(member).ok_or_else(|| no_cluster(member))?;
        if cluster.status != "available" {
            return Err(fault("InvalidDBClusterStateFault", format!("{member} is {}", cluster.status)));
        }
        cluster.status = "promoting";
        one_global(state, &id)
    })?;
    world.begin_detach(id, member.to_owned());
    Ok(answer)
}

/// Around an existing cluster, which becomes the primary: its engine, version and database are taken, so that none may be
/// named (RDS API reference, `CreateGlobalCluster`).
fn create_global(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let id = required(input, "GlobalClusterIdentifier")?;
    check_name(id)?;
    let id = id.to_lowercase();
    let source = required(input, "SourceDBClusterIdentifier")?;
    for name in ["Engine", "EngineVersion", "DatabaseName", "StorageEncrypted"] {
        if !input[name].is_null() {
            let message = format!("{name} can't be specified with SourceDBClusterIdentifier");
            return Err(fault("InvalidParameterCombination", message));
        }
    }
    if !source.starts_with("arn:") {
        let message = format!("SourceDBClusterIdentifier must be an ARN, not {source:?}");
        return Err(fault("InvalidParameterValue", message));
    }
    let source = here(region, "cluster", source).ok_or_else(|| no_cluster(source))?;
    world.state(|state| {
        if state.globals.contains_key(&id) {
            return Err(fault(
                "GlobalClusterAlreadyExistsFault",
                format!("Global cluster {id} already exists"),
            ));
        }
        let cluster = state.clusters.get(&source).ok_or_else(|| no_cluster(&source))?;
        if cluster.status != "available" || is_member(state, &source) {
            let message = format!("{source} is {}, or in a global cluster already", cluster.status);
            return Err(fault("InvalidDBClusterStateFault", message));
        }
        let members = vec![GlobalMember { arn: source, is_writer: true, synchronization: "connected" }];
        let engine = cluster.engine.clone();
        let global = Global { id: id.clone(), engine, members, operation: None, abandoned: None };
        state.globals.insert(id.clone(), global);
        one_global(state, &id)
    })
}

fn is_member(state: &State, arn: &str) -> bool {
    state.globals.values().any(|global| global.members.iter().any(|member| member.arn == arn))
}

/// Only of an empty one: "The primary and secondary clusters must already be detached or destroyed first" (RDS API
/// reference, `DeleteGlobalCluster`).
fn delete_global(world: &World, input: &Value) -> Result<Value, ApiError> {
    let id = required(input, "GlobalClusterIdentifier")?.to_lowercase();
    world.state(|state| {
        let global = state.globals.get(&id).ok_or_else(|| no_global(&id))?;
        if !global.members.is_empty() {
            let message = format!("Global cluster {id} is not empty");
            return Err(fault("InvalidGlobalClusterStateFault", message));
        }
        let answer = one_global(state, &id)?;
        state.globals.remove(&id);
        Ok(answer)
    })
}

/// A cluster that is being created as `input` asks, with a database of this name inside, encrypted by this key.
fn creating(
    input: &Value,
    arn: &str,
    version: String,
    (database, key): (&str, Option<String>),
    created: Timestamp,
) -> Result<Cluster, ApiError> {
    Ok(Cluster {
        arn: arn.to_owned(),
        status: "creating",
        engine: required(input, "Engine")?.to_owned(),
        version,
        database: database.to_owned(),
        address: None,
        key,
        iam: input["EnableIAMDatabaseAuthentication"] == true,
        properties: properties::of_cluster(input),
        tags: tags_of(input)?,
        created,
    })
}

/// The sandbox creates secondaries of global clusters only; its other clusters are there from the start or restored.
fn create_secondary(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterIdentifier")?;
    let engine = required(input, "Engine")?;
    let id = required(input, "GlobalClusterIdentifier")?.to_lowercase();
    check_name(name)?;
    for name in ["MasterUsername", "MasterUserPassword", "DatabaseName"] {
        if !input[name].is_null() {
            let message = format!("{name} can't be specified for a secondary, it has its primary's");
            return Err(fault("InvalidParameterCombination", message));
        }
    }
    let arn = arn(region, "cluster", name);
    let created = world.clock.now();
    let (answer, primary) = world.state(|state| {
        let global = state.globals.get(&id).ok_or_else(|| no_global(&id))?;
        if state.clusters.contains_key(&arn) {
            return Err(fault("DBClusterAlreadyExistsFault", format!("{name} already exists")));
        }
        if global.operation.is_some() || global.members.iter().any(|one| region_of(&one.arn) == region) {
            let message = format!("Global cluster {id} is busy, or has a member in {region} already");
            return Err(fault("InvalidGlobalClusterStateFault", message));
        }
        let primary = global.writer().unwrap_or_default().to_owned();
        let from = state.clusters.get(&primary).ok_or_else(|| no_cluster(&primary))?;
        let version = text(input, "EngineVersion").unwrap_or(DEFAULT_VERSION).to_owned();
        if engine != from.engine || version != from.version {
            let message =
                format!("{id} is of engine {} {}, not {engine} {version}", from.engine, from.version);
            return Err(fault("InvalidParameterCombination", message));
        }
        let asked = text(input, "KmsKeyId").map(|key| key_arn(region, key));
        let encrypted = flag(input, "StorageEncrypted")?;
        if (encrypted || asked.is_some()) != from.key.is_some() {
            let message =
                format!("the storage of {name} must be encrypted if that of {primary} is, and only then");
            return Err(fault("InvalidParameterCombination", message));
        }
        let key = asked.or_else(|| encrypted.then(|| aws_key(region)));
        let entry = creating(input, &arn, version, (&from.database, key), created)?;
        state.clusters.insert(arn.clone(), entry.clone());
        if let Some(global) = state.globals.get_mut(&id) {
            let member =
                GlobalMember { arn: arn.clone(), is_writer: false, synchronization: "pending-resync" };
            global.members.push(member);
        }
        Ok((json!({"DBCluster": cluster_json(&entry, state)}), primary))
    })?;
    world.begin_secondary(id, arn, primary);
    Ok(answer)
}

/// Of what can be modified the sandbox knows the name.
fn rename_cluster(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterIdentifier")?;
    let new = required(input, "NewDBClusterIdentifier")?;
    check_name(new)?;
    if !flag(input, "ApplyImmediately")? {
        return Err(fault(
            "InvalidParameterValue",
            "the sandbox has no maintenance windows: ApplyImmediately",
        ));
    }
    let cluster = here(region, "cluster", name).ok_or_else(|| no_cluster(name))?;
    let to = arn(region, "cluster", new);
    let answer = world.state(|state| {
        if state.clusters.contains_key(&to) {
            return Err(fault("DBClusterAlreadyExistsFault", format!("{new} already exists")));
        }
        let member = is_member(state, &cluster);
        let entry = state.clusters.get_mut(&cluster).ok_or_else(|| no_cluster(name))?;
        if entry.status != "available" || member {
            // Whether AWS renames a member is not documented; the runbooks must not depend on it.
            let message = format!("{name} is {}, or in a global cluster", entry.status);
            return Err(fault("InvalidDBClusterStateFault", message));
        }
        entry.status = "renaming";
        let entry = entry.clone();
        Ok(json!({"DBCluster": cluster_json(&entry, state)}))
    })?;
    world.begin_renaming(cluster, to);
    Ok(answer)
}

fn take_snapshot(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterIdentifier")?;
    let snapshot = required(input, "DBClusterSnapshotIdentifier")?;
    check_name(snapshot)?;
    let cluster = here(region, "cluster", name).ok_or_else(|| no_cluster(name))?;
    let snapshot = arn(region, "cluster-snapshot", snapshot);
    let now = world.clock.now();
    let answer = world.state(|state| {
        let entry = state.clusters.get(&cluster).ok_or_else(|| no_cluster(name))?;
        if entry.status != "available" {
            return Err(fault("InvalidDBClusterStateFault", format!("{name} is {}", entry.status)));
        }
        if state.snapshots.contains_key(&snapshot) {
            let message = format!("{} already exists", name_of(&snapshot));
            return Err(fault("DBClusterSnapshotAlreadyExistsFault", message));
        }
        let mut entry = Snapshot::of(entry, &snapshot, "manual", "creating", now);
        entry.tags = tags_of(input)?;
        let answer = snapshot_json(&entry);
        state.snapshots.insert(snapshot.clone(), entry);
        Ok(json!({"DBClusterSnapshot": answer}))
    })?;
    world.begin_snapshot(cluster, snapshot, "Snapshot");
    Ok(answer)
}

fn copy_snapshot(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let source = arn(region, "cluster-snapshot", required(input, "SourceDBClusterSnapshotIdentifier")?);
    let name = required(input, "TargetDBClusterSnapshotIdentifier")?;
    check_name(name)?;
    let target = arn(region, "cluster-snapshot", name);
    let key = text(input, "KmsKeyId");
    let answer = world.state(|state| {
        if state.isolated.contains(region_of(&source)) {
            return Err(ApiError {
                status: 500,
                code: "InternalFailure".into(),
                message: format!("the Region of {source} can't be reached"),
            });
        }
        let from = state.snapshots.get(&source).ok_or_else(|| no_snapshot(&source))?.clone();
        if from.status != "available" {
            let message = format!("{source} is {}, it must be available", from.status);
            return Err(fault("InvalidDBClusterSnapshotStateFault", message));
        }
        if state.snapshots.contains_key(&target) {
            return Err(fault("DBClusterSnapshotAlreadyExistsFault", format!("{name} already exists")));
        }
        match key {
            Some(_) if from.key.is_none() => {
                let message = "an unencrypted snapshot can't be copied to an encrypted one";
                return Err(fault("InvalidParameterCombination", message));
            }
            Some(key) if key.starts_with("arn:") && region_of(key) != region => {
                let message = format!("KMS key {key} is not in {region}");
                return Err(fault("KMSKeyNotAccessibleFault", message));
            }
            None if from.key.is_some() && region_of(&source) != region => {
                let message = "an encrypted snapshot from another Region needs a KmsKeyId of this one";
                return Err(fault("InvalidParameterCombination", message));
            }
            _ => {}
        }
        let mut tags = tags_of(input)?;
        if flag(input, "CopyTags")? {
            // What the call itself says wins.
            let own = std::mem::replace(&mut tags, from.tags.clone());
            tags.extend(own);
        }
        let key = key.map(|key| key_arn(region, key)).or_else(|| from.key.clone());
        // A copy keeps the time of the original.
        let copy = Snapshot {
            arn: target.clone(),
            kind: "manual",
            status: "copying",
            percent: 0,
            key,
            tags,
            ..from
        };
        let answer = snapshot_json(&copy);
        state.snapshots.insert(target.clone(), copy);
        Ok(json!({"DBClusterSnapshot": answer}))
    })?;
    world.begin_copy(source, target);
    Ok(answer)
}

/// The numbers in an engine version, to compare by.
fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn restore(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterIdentifier")?;
    let snapshot = required(input, "SnapshotIdentifier")?;
    let engine = required(input, "Engine")?;
    check_name(name)?;
    let cluster = arn(region, "cluster", name);
    // A snapshot of another Region has to be copied here first.
    let snapshot = here(region, "cluster-snapshot", snapshot).ok_or_else(|| no_snapshot(snapshot))?;
    let created = world.clock.now();
    let answer = world.state(|state| {
        if state.clusters.contains_key(&cluster) {
            return Err(fault("DBClusterAlreadyExistsFault", format!("{name} already exists")));
        }
        let from = state.snapshots.get(&snapshot).ok_or_else(|| no_snapshot(&snapshot))?;
        if from.status != "available" {
            let message = format!("{snapshot} is {}, it must be available", from.status);
            return Err(fault("InvalidDBClusterSnapshotStateFault", message));
        }
        if engine != from.engine {
            let message = format!("the snapshot is of engine {}, not {engine}", from.engine);
            return Err(fault("InvalidParameterCombination", message));
        }
        let version = text(input, "EngineVersion").unwrap_or(DEFAULT_VERSION).to_owned();
        if numbers(&version) < numbers(&from.version) {
            let message =
                format!("the snapshot has engine version {}, which can't become {version}", from.version);
            return Err(fault("InvalidParameterCombination", message));
        }
        let key = text(input, "KmsKeyId").map(|key| key_arn(region, key)).or_else(|| from.key.clone());
        let mut entry = creating(input, &cluster, version, (&from.database, key), created)?;
        entry.status = state.reading.restoring();
        // "Default: The same port as the original DB cluster" (RDS API reference, `RestoreDBClusterFromSnapshot`).
        if let Some(port) = from.port.filter(|_| entry.asked_port().is_none()) {
            entry.properties.insert("Port".into(), json!(port));
        }
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
    let engine = required(input, "Engine")?;
    let parent = required(input, "DBClusterIdentifier")?;
    check_name(name)?;
    if !class.starts_with("db.") {
        return Err(fault("InvalidParameterValue", format!("Invalid DB Instance class: {class}")));
    }
    let cluster = here(region, "cluster", parent).ok_or_else(|| no_cluster(parent))?;
    let instance = arn(region, "db", name);
    let answer = world.state(|state| {
        let entry = state.clusters.get(&cluster).ok_or_else(|| no_cluster(parent))?;
        // "You can create DB instances only after the RestoreDBClusterFromSnapshot operation has completed and the DB cluster
        // is available" (RDS API reference).
        if entry.status != "available" {
            return Err(fault("InvalidDBClusterStateFault", format!("{parent} is {}", entry.status)));
        }
        if engine != entry.engine {
            let message = format!("{parent} is of engine {}, not {engine}", entry.engine);
            return Err(fault("InvalidParameterCombination", message));
        }
        if class == "db.serverless" && !entry.properties.contains_key("ServerlessV2ScalingConfiguration") {
            let message =
                format!("{parent} has no ServerlessV2ScalingConfiguration, which db.serverless needs");
            return Err(fault("InvalidDBClusterStateFault", message));
        }
        if state.instances.contains_key(&instance) {
            return Err(fault("DBInstanceAlreadyExists", format!("{name} already exists")));
        }
        let entry = Instance {
            arn: instance.clone(),
            cluster: cluster.clone(),
            class: class.to_owned(),
            properties: properties::of_instance(input),
            status: "creating",
            tags: tags_of(input)?,
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
    if text(input, "FinalDBSnapshotIdentifier").is_some() {
        let message = "an instance of a cluster has no final snapshot, its cluster has";
        return Err(fault("InvalidParameterCombination", message));
    }
    let instance = here(region, "db", name).ok_or_else(|| no_instance(name))?;
    let answer = world.state(|state| {
        let entry = state.instances.get_mut(&instance).ok_or_else(|| no_instance(name))?;
        if entry.status == "deleting" {
            return Err(fault("InvalidDBInstanceState", format!("{name} is being deleted")));
        }
        entry.status = "deleting";
        let entry = entry.clone();
        Ok(json!({"DBInstance": instance_json(&entry, state)}))
    })?;
    world.begin_instance_deletion(instance);
    Ok(answer)
}

fn delete_cluster(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterIdentifier")?;
    let cluster = here(region, "cluster", name).ok_or_else(|| no_cluster(name))?;
    let last = text(input, "FinalDBSnapshotIdentifier");
    match (flag(input, "SkipFinalSnapshot")?, last) {
        (true, None) => {}
        (false, Some(last)) => check_name(last)?,
        _ => {
            let message =
                "FinalDBSnapshotIdentifier is needed unless SkipFinalSnapshot is true, and only then";
            return Err(fault("InvalidParameterCombination", message));
        }
    }
    let last = last.map(|name| arn(region, "cluster-snapshot", name));
    let now = world.clock.now();
    let answer = world.state(|state| {
        let entry = state.clusters.get(&cluster).ok_or_else(|| no_cluster(name))?;
        if entry.status != "available" && !entry.status.ends_with("failed") {
            return Err(fault("InvalidDBClusterStateFault", format!("{name} is {}", entry.status)));
        }
        if entry.properties.get("DeletionProtection") == Some(&json!(true)) {
            let message =
                "Cannot delete protected Cluster, please disable deletion protection and try again.";
            return Err(fault("InvalidParameterCombination", message));
        }
        if state.instances.values().any(|one| one.cluster == cluster && one.status != "deleting") {
            let message = "Cluster cannot be deleted, it still contains DB instances in non-deleting state.";
            return Err(fault("InvalidDBClusterStateFault", message));
        }
        if state.globals.values().any(|global| global.members.iter().any(|member| member.arn == cluster)) {
            let message =
                "This cluster is a part of a global cluster, please remove it from globalcluster first";
            return Err(fault("InvalidDBClusterStateFault", message));
        }
        let snapshot = last.as_ref().map(|arn| Snapshot::of(entry, arn, "manual", "creating", now));
        if let Some(snapshot) = snapshot {
            if state.snapshots.contains_key(&snapshot.arn) {
                let message = format!("{} already exists", name_of(&snapshot.arn));
                return Err(fault("DBClusterSnapshotAlreadyExistsFault", message));
            }
            state.snapshots.insert(snapshot.arn.clone(), snapshot);
        }
        let entry = state.clusters.get_mut(&cluster).ok_or_else(|| no_cluster(name))?;
        entry.status = "deleting";
        let entry = entry.clone();
        Ok(json!({"DBCluster": cluster_json(&entry, state)}))
    })?;
    if let Some(last) = last {
        world.begin_snapshot(cluster.clone(), last, "Final snapshot");
    }
    world.begin_cluster_deletion(cluster);
    Ok(answer)
}

fn delete_snapshot(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterSnapshotIdentifier")?;
    let snapshot = here(region, "cluster-snapshot", name).ok_or_else(|| no_snapshot(name))?;
    let entry = world.state(|state| {
        let entry = state.snapshots.get(&snapshot).ok_or_else(|| no_snapshot(name))?;
        if entry.kind != "manual" || entry.status == "creating" {
            let message = "only manual snapshots that are not being created can be deleted";
            return Err(fault("InvalidDBClusterSnapshotStateFault", message));
        }
        // One that is still `copying` may go: that cancels the copy.
        state.snapshots.remove(&snapshot).ok_or_else(|| no_snapshot(name))
    })?;
    let again = Arc::clone(world);
    world.spawn(async move { again.remove_snapshot(&snapshot).await });
    let mut answer = snapshot_json(&entry);
    answer["Status"] = json!("deleted");
    Ok(json!({"DBClusterSnapshot": answer}))
}

pub(super) fn tags_mut<'a>(
    state: &'a mut State,
    region: &str,
    arn: &str,
) -> Result<&'a mut BTreeMap<String, String>, ApiError> {
    if !arn.starts_with("arn:aws:rds:") || region_of(arn) != region {
        let message = format!("ResourceName must be the ARN of a resource in {region}, not {arn:?}");
        return Err(fault("InvalidParameterValue", message));
    }
    match arn.split(':').nth(5) {
        Some("cluster") => {
            state.clusters.get_mut(arn).map(|one| &mut one.tags).ok_or_else(|| no_cluster(arn))
        }
        Some("db") => state.instances.get_mut(arn).map(|one| &mut one.tags).ok_or_else(|| no_instance(arn)),
        Some("cluster-snapshot") => {
            state.snapshots.get_mut(arn).map(|one| &mut one.tags).ok_or_else(|| no_snapshot(arn))
        }
        _ => Err(fault("InvalidParameterValue", format!("the sandbox has no tags on {arn}"))),
    }
}

fn add_tags(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let arn = required(input, "ResourceName")?;
    world.state(|state| {
        tags_mut(state, region, arn)?.extend(tags_of(input)?);
        Ok(json!({}))
    })
}

fn list_tags(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let arn = required(input, "ResourceName")?;
    world.state(|state| Ok(json!({"TagList": tag_list(tags_mut(state, region, arn)?)})))
}
