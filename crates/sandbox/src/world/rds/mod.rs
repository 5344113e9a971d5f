//! The RDS API over [`super::aurora`]: checks what a caller may get wrong, as AWS does, and answers in its shapes.

mod clusters;
mod describe;
mod globals;
mod instances;
pub(in crate::world) mod request;
mod snapshots;
mod tags;

use std::sync::Arc;

use serde_json::Value;

use crate::api::{ApiError, Call, unknown};
use crate::world::core::World;

/// Answers an operation of RDS.
pub(super) async fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let (region, input) = (call.region.as_str(), &call.input);
    match call.operation.as_str() {
        "DescribeGlobalClusters" => describe::describe_global_clusters(world, input),
        "DescribeDBClusters" => describe::describe_clusters(world, region, input),
        "DescribeDBSubnetGroups" => describe::describe_subnet_groups(world, region, input),
        "DescribeDBInstances" => describe::describe_instances(world, region, input),
        "DescribeDBClusterSnapshots" => describe::describe_snapshots(world, region, input),
        "DescribeAccountAttributes" => Ok(describe::describe_quotas(world, region)),
        "DescribeEvents" => describe::describe_events(world, region, input),
        "FailoverGlobalCluster" => globals::fail_over(world, region, input),
        "SwitchoverGlobalCluster" => globals::switch_over(world, region, input),
        "RemoveFromGlobalCluster" => globals::remove_member(world, input),
        "CreateGlobalCluster" => globals::create_global(world, region, input),
        "DeleteGlobalCluster" => globals::delete_global(world, input),
        "CreateDBCluster" => clusters::create_secondary(world, region, input),
        "ModifyDBCluster" => clusters::rename_cluster(world, region, input),
        "CreateDBClusterSnapshot" => snapshots::take_snapshot(world, region, input).await,
        "CopyDBClusterSnapshot" => snapshots::copy_snapshot(world, region, input),
        "RestoreDBClusterFromSnapshot" => clusters::restore(world, region, input),
        "CreateDBInstance" => instances::create_instance(world, region, input),
        "DeleteDBInstance" => instances::delete_instance(world, region, input),
        "DeleteDBCluster" => clusters::delete_cluster(world, region, input),
        "DeleteDBClusterSnapshot" => snapshots::delete_snapshot(world, region, input),
        "AddTagsToResource" => tags::add_tags(world, region, input),
        "ListTagsForResource" => tags::list_tags(world, region, input),
        _ => Err(unknown(call)),
    }
}
