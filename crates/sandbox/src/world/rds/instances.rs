//! Instances: created, deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::describe::instance_json;
use super::request::{arn, check_name, fault, here, no_cluster, no_instance, tags_of, text};
use crate::api::{ApiError, required};
use crate::world::core::World;
use crate::world::model::Instance;
use crate::world::properties;

pub(super) fn create_instance(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
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

pub(super) fn delete_instance(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
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
