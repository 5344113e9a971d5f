//! Clusters and instances: restored, added to a global cluster and detached from it, renamed, deleted.

use std::sync::Arc;

use crate::world::core::World;
use crate::world::durations;
use crate::world::model::{name_of, region_of};

impl World {
    /// Detaches a secondary that the API has marked as `promoting`: it becomes a cluster of its own that takes writes.
    pub(in crate::world) fn begin_detach(self: &Arc<Self>, id: String, member: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::DETACH).await;
            let result = world.servers.promote(&member).await;
            world.state(|state| {
                if let Some(cluster) = state.clusters.get_mut(&member) {
                    cluster.status = "available";
                }
                if result.is_ok()
                    && let Some(global) = state.globals.get_mut(&id)
                {
                    global.members.retain(|one| one.arn != member);
                    global.abandoned.take_if(|arn| *arn == member);
                    state.cut.remove(&member);
                }
            });
            let text = match result {
                Ok(()) => format!("{} was removed from {id}", name_of(&member)),
                Err(error) => format!("{} could not be removed from {id}: {error}", name_of(&member)),
            };
            world.event(&member, "db-cluster", "", text);
        });
    }

    /// Builds a secondary that the API has entered as `creating`.
    pub(in crate::world) fn begin_secondary(self: &Arc<Self>, id: String, arn: String, primary: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::RESYNC).await;
            let result = world.servers.create_secondary(&arn, &primary).await;
            let text = match &result {
                Ok(_) => format!("{} follows {}", name_of(&arn), name_of(&primary)),
                Err(error) => format!("{} could not be created: {error}", name_of(&arn)),
            };
            world.state(|state| {
                if let Some(cluster) = state.clusters.get_mut(&arn) {
                    cluster.status = if result.is_ok() { "available" } else { "failed" };
                    cluster.address = result.as_ref().ok().cloned();
                }
                let members = state.globals.get_mut(&id).map(|global| &mut global.members);
                let member = members.and_then(|all| all.iter_mut().find(|member| member.arn == arn));
                if let Some(member) = member.filter(|_| result.is_ok()) {
                    member.synchronization = "connected";
                }
            });
            world.event(&arn, "db-cluster", if result.is_ok() { "RDS-EVENT-0170" } else { "" }, text);
        });
    }

    /// Renames a cluster that the API has marked as `renaming`: with its instances, which keep their names.
    pub(in crate::world) fn begin_renaming(self: &Arc<Self>, from: String, to: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::RENAME).await;
            let result = world.servers.rename(&from, &to).await;
            world.state(|state| {
                let Some(mut cluster) = state.clusters.remove(&from) else { return };
                cluster.status = "available";
                let arn = if result.is_ok() { &to } else { &from };
                cluster.arn.clone_from(arn);
                state
                    .instances
                    .values_mut()
                    .filter(|one| one.cluster == from)
                    .for_each(|one| one.cluster.clone_from(arn));
                state.clusters.insert(arn.clone(), cluster);
                if state.reading.snapshots_follow_a_rename {
                    state
                        .snapshots
                        .values_mut()
                        .filter(|one| {
                            region_of(&one.arn) == region_of(&from) && one.cluster == name_of(&from)
                        })
                        .for_each(|one| name_of(arn).clone_into(&mut one.cluster));
                }
            });
            let text = match result {
                Ok(()) => format!("{} was renamed to {}", name_of(&from), name_of(&to)),
                Err(error) => format!("{} could not be renamed: {error}", name_of(&from)),
            };
            world.event(&to, "db-cluster", "", text);
        });
    }

    /// Restores a cluster that the API has entered as `creating`.
    pub(in crate::world) fn begin_restore(self: &Arc<Self>, snapshot: String, cluster: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::RESTORE).await;
            let result = world.servers.restore(&snapshot, &cluster).await;
            let (id, text) = match &result {
                Ok(_) => (
                    "RDS-EVENT-0170",
                    format!("{} was restored from {}", name_of(&cluster), name_of(&snapshot)),
                ),
                Err(error) => ("", format!("{} could not be restored: {error}", name_of(&cluster))),
            };
            world.state(|state| {
                let failed = state.reading.not_restored();
                if let Some(entry) = state.clusters.get_mut(&cluster) {
                    entry.status = if result.is_ok() { "available" } else { failed };
                    entry.address = result.ok();
                }
            });
            world.event(&cluster, "db-cluster", id, text);
        });
    }

    /// Creates an instance that the API has entered as `creating`, unless it is being deleted by then.
    pub(in crate::world) fn begin_instance(self: &Arc<Self>, arn: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::INSTANCE).await;
            world.state(|state| {
                if let Some(instance) = state.instances.get_mut(&arn).filter(|one| one.status == "creating") {
                    instance.status = "available";
                }
            });
        });
    }

    /// Deletes a cluster that the API has marked as `deleting`.
    pub(in crate::world) fn begin_cluster_deletion(self: &Arc<Self>, arn: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::DELETION).await;
            if let Err(error) = world.servers.delete(&arn).await {
                world.state(|state| {
                    if let Some(cluster) = state.clusters.get_mut(&arn) {
                        cluster.status = "failed";
                    }
                });
                let text = format!("The server of {} was not removed: {error}", name_of(&arn));
                return world.event(&arn, "db-cluster", "", text);
            }
            world.state(|state| {
                state.clusters.remove(&arn);
                // What is left of its instances goes with it.
                state.instances.retain(|_, instance| instance.cluster != arn);
            });
            world.event(&arn, "db-cluster", "RDS-EVENT-0171", format!("{} was deleted", name_of(&arn)));
        });
    }

    /// Deletes an instance that the API has marked as `deleting`.
    pub(in crate::world) fn begin_instance_deletion(self: &Arc<Self>, arn: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::DELETION).await;
            world.state(|state| state.instances.remove(&arn));
        });
    }
}
