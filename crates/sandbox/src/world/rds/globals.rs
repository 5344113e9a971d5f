//! Global clusters: failover, switchover, members.

use std::sync::Arc;

use serde_json::Value;

use super::describe::one_global;
use super::request::{check_name, fault, flag, here, no_cluster, no_global};
use crate::api::{ApiError, required};
use crate::world::core::World;
use crate::world::model::{Global, GlobalMember, Operation, region_of};
use crate::world::state::State;

/// Fails over or switches over: checks that it can be, and enters it as `pending`, under one lock, so that of two calls
/// at once only one is accepted.
pub(super) fn begin(world: &Arc<World>, region: &str, input: &Value, loss: bool) -> Result<Value, ApiError> {
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
pub(super) fn check_operation(
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

pub(super) fn fail_over(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let (loss, switchover) = (flag(input, "AllowDataLoss")?, flag(input, "Switchover")?);
    if loss && switchover {
        let message = "AllowDataLoss and Switchover can't be specified together";
        return Err(fault("InvalidParameterCombination", message));
    }
    // Without AllowDataLoss it is a switchover, says the API's reference.
    begin(world, region, input, loss)
}

pub(super) fn switch_over(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    begin(world, region, input, false)
}

pub(super) fn remove_member(world: &Arc<World>, input: &Value) -> Result<Value, ApiError> {
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
pub(super) fn create_global(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
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

pub(super) fn is_member(state: &State, arn: &str) -> bool {
    state.globals.values().any(|global| global.members.iter().any(|member| member.arn == arn))
}

/// Only of an empty one: "The primary and secondary clusters must already be detached or destroyed first" (RDS API
/// reference, `DeleteGlobalCluster`).
pub(super) fn delete_global(world: &World, input: &Value) -> Result<Value, ApiError> {
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

/// The numbers in an engine version, to compare by.
pub(super) fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}
