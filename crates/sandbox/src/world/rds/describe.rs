//! How RDS describes what there is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::request::{
    fault, here, missing, no_cluster, no_global, no_instance, no_snapshot, page, passes, stored, text,
};
use crate::account::ACCOUNT;
use crate::api::{ApiError, aws_time};
use crate::databases::NOWHERE;
use crate::world::core::World;
use crate::world::model::{Cluster, Global, Instance, Snapshot, name_of, region_of};
use crate::world::properties;
use crate::world::state::State;

/// Port of a cluster that has no server yet.
const DEFAULT_PORT: u16 = 3306;

/// The quotas that the sandbox counts, with their default values ("Quotas and constraints for Amazon Aurora", Aurora user
/// guide).
pub(super) fn describe_quotas(world: &World, region: &str) -> Value {
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

pub(super) fn tag_list(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

pub(super) fn global_json(global: &Global, state: &State) -> Value {
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

pub(super) fn cluster_json(cluster: &Cluster, state: &State) -> Value {
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
        "ClusterCreateTime": aws_time(cluster.created),
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

pub(super) fn with_properties(answer: &mut Value, properties: &properties::Properties) {
    if let Some(answer) = answer.as_object_mut() {
        answer.extend(properties.clone());
    }
}

pub(super) fn instance_json(instance: &Instance, state: &State) -> Value {
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

pub(super) fn snapshot_json(snapshot: &Snapshot) -> Value {
    json!({
        "DBClusterSnapshotIdentifier": name_of(&snapshot.arn),
        "DBClusterSnapshotArn": snapshot.arn,
        "DBClusterIdentifier": snapshot.cluster,
        "SnapshotCreateTime": aws_time(snapshot.created),
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

/// The values in `all` that pass the filters, as JSON, with the first error if there is one.
pub(super) fn listed<'a, T: 'a>(
    all: impl Iterator<Item = &'a T>,
    passes: impl Fn(&T) -> Result<bool, ApiError>,
    json: impl Fn(&T) -> Value,
) -> Result<Vec<Value>, ApiError> {
    all.map(|one| Ok(passes(one)?.then(|| json(one)))).filter_map(Result::transpose).collect()
}

pub(super) fn describe_global_clusters(world: &World, input: &Value) -> Result<Value, ApiError> {
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

pub(super) fn describe_clusters(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
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

pub(super) fn describe_instances(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
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

/// The groups that the Region's clusters are in: each in two subnets, and all in one network.
pub(super) fn describe_subnet_groups(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let named: BTreeSet<String> = world.state(|state| {
        let here = state.clusters.values().filter(|cluster| region_of(&cluster.arn) == region);
        here.filter_map(|cluster| cluster.properties.get("DBSubnetGroup")?.as_str().map(str::to_owned))
            .collect()
    });
    let group = |name: &String| {
        let subnets: Vec<Value> = ["a", "b"]
            .iter()
            .map(
                |zone| json!({"SubnetIdentifier": format!("subnet-{name}-{zone}"), "SubnetStatus": "Active"}),
            )
            .collect();
        json!({
            "DBSubnetGroupName": name,
            "DBSubnetGroupDescription": name,
            "VpcId": "vpc-sandbox",
            "SubnetGroupStatus": "Complete",
            "Subnets": subnets,
            "DBSubnetGroupArn": format!("arn:aws:rds:{region}:{ACCOUNT}:subgrp:{name}"),
        })
    };
    let Some(name) = text(input, "DBSubnetGroupName") else {
        return page(input, "DBSubnetGroups", named.iter().map(group).collect());
    };
    match named.get(&stored(name)) {
        Some(name) => Ok(json!({"DBSubnetGroups": [group(name)]})),
        None => Err(missing("DBSubnetGroupNotFoundFault", format!("there is no DB subnet group {name}"))),
    }
}

pub(super) fn describe_snapshots(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
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
pub(super) fn describe_events(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
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
                    "Date": aws_time(event.at),
                })
            })
            .collect();
        page(input, "Events", found)
    })
}

pub(super) fn one_global(state: &State, id: &str) -> Result<Value, ApiError> {
    let global = state.globals.get(id).ok_or_else(|| no_global(id))?;
    Ok(json!({"GlobalCluster": global_json(global, state)}))
}
