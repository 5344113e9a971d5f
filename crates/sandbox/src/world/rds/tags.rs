//! Tags of clusters, instances and snapshots.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::describe::tag_list;
use super::request::{fault, no_cluster, no_instance, no_snapshot, tags_of};
use crate::api::{ApiError, required};
use crate::world::core::World;
use crate::world::model::region_of;
use crate::world::state::State;

fn tags_mut<'a>(
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

pub(super) fn add_tags(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let arn = required(input, "ResourceName")?;
    world.state(|state| {
        tags_mut(state, region, arn)?.extend(tags_of(input)?);
        Ok(json!({}))
    })
}

pub(super) fn list_tags(world: &World, region: &str, input: &Value) -> Result<Value, ApiError> {
    let arn = required(input, "ResourceName")?;
    world.state(|state| Ok(json!({"TagList": tag_list(tags_mut(state, region, arn)?)})))
}

impl World {
    /// The tags of an Aurora resource; none when it does not exist.
    pub(crate) fn tags(&self, arn: &str) -> BTreeMap<String, String> {
        let region = region_of(arn);
        self.state(|state| tags_mut(state, region, arn).map(|tags| tags.clone()).unwrap_or_default())
    }
}
