//! Cluster snapshots: taken, copied, deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::describe::snapshot_json;
use super::request::{arn, check_name, fault, flag, here, key_arn, no_cluster, no_snapshot, tags_of, text};
use crate::api::{ApiError, required};
use crate::world::core::World;
use crate::world::model::{Snapshot, name_of, region_of};

/// Takes a snapshot of a cluster as it is now: when this is answered, the data are copied.
pub(super) async fn take_snapshot(
    world: &Arc<World>,
    region: &str,
    input: &Value,
) -> Result<Value, ApiError> {
    let name = required(input, "DBClusterIdentifier")?;
    let snapshot = required(input, "DBClusterSnapshotIdentifier")?;
    check_name(snapshot)?;
    let cluster = here(region, "cluster", name).ok_or_else(|| no_cluster(name))?;
    let snapshot = arn(region, "cluster-snapshot", snapshot);
    let now = world.clock.now();
    world.state(|state| {
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
        state.snapshots.insert(snapshot.clone(), entry);
        Ok(())
    })?;
    // It fails only where the world ends.
    let _ = world.begin_snapshot(cluster, snapshot.clone(), "Snapshot").await;
    let taken = world.state(|state| state.snapshots.get(&snapshot).map(snapshot_json));
    taken.map(|taken| json!({"DBClusterSnapshot": taken})).ok_or_else(|| no_snapshot(&snapshot))
}

pub(super) fn copy_snapshot(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let source = arn(region, "cluster-snapshot", required(input, "SourceDBClusterSnapshotIdentifier")?);
    let name = required(input, "TargetDBClusterSnapshotIdentifier")?;
    check_name(name)?;
    let target = arn(region, "cluster-snapshot", name);
    let key = text(input, "KmsKeyId");
    let answer = world.state(|state| {
        if state.isolated.contains(region_of(&source)) {
            return Err(ApiError::with_status(
                500,
                "InternalFailure",
                format!("the Region of {source} can't be reached"),
            ));
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

pub(super) fn delete_snapshot(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
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
