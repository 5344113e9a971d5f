//! Clusters: created as secondaries, restored, renamed, deleted.

use std::sync::Arc;

use crate::account::aws_key;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::describe::cluster_json;
use super::globals::{is_member, numbers};
use super::request::{
    arn, check_name, fault, flag, here, key_arn, no_cluster, no_global, no_snapshot, tags_of, text,
};
use crate::api::{ApiError, required};
use crate::world::core::World;
use crate::world::model::{Cluster, GlobalMember, Snapshot, name_of, region_of};
use crate::world::properties;

/// What a restore gets that names no version: the Region's default, which is another than the shop's.
fn default_version(engine: &str) -> &'static str {
    if engine == "aurora-postgresql" { "16.8" } else { "8.0.mysql_aurora.3.10.0" }
}

/// A cluster that is being created as `input` asks, with a database of this name inside, encrypted by this key.
pub(super) fn creating(
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
pub(super) fn create_secondary(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
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
        let version = text(input, "EngineVersion").unwrap_or_else(|| default_version(engine)).to_owned();
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
pub(super) fn rename_cluster(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
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

pub(super) fn restore(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
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
        let version = text(input, "EngineVersion").unwrap_or_else(|| default_version(engine)).to_owned();
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

pub(super) fn delete_cluster(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
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
        drop(world.begin_snapshot(cluster.clone(), last, "Final snapshot"));
    }
    world.begin_cluster_deletion(cluster);
    Ok(answer)
}
