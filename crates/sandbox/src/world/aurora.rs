//! Aurora's state: global clusters, clusters, instances, snapshots, and how they change with time.
//!
//! A change that takes AWS minutes is a task that sleeps and then changes the state; what it does to the servers happens
//! just before the state says so. A server that fails leaves the state as it was, with an event that tells why.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{World, durations};

/// A global cluster.
#[derive(Debug, Clone)]
pub struct Global {
    /// Identifier.
    pub id: String,
    /// Engine.
    pub engine: String,
    /// Members, the primary among them.
    pub members: Vec<GlobalMember>,
    /// What runs.
    pub operation: Option<Operation>,
    /// ARN of an old primary that was left by a failover and waits for its Region.
    pub abandoned: Option<String>,
}

/// A member of a global cluster.
#[derive(Debug, Clone)]
pub struct GlobalMember {
    /// ARN of the cluster.
    pub arn: String,
    /// Whether it is the primary.
    pub is_writer: bool,
    /// `connected` or `pending-resync`.
    pub synchronization: &'static str,
}

/// A running failover or switchover.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `pending`, then `failing-over` or `switching-over`.
    pub status: &'static str,
    /// ARN of the old primary.
    pub from: String,
    /// ARN of the new one.
    pub to: String,
    /// Failover (true) or switchover.
    pub loss: bool,
}

/// A cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// ARN.
    pub arn: String,
    /// Status.
    pub status: &'static str,
    /// Engine.
    pub engine: String,
    /// Engine version.
    pub version: String,
    /// Database inside.
    pub database: String,
    /// Where its server is; restored clusters have none until they are available.
    pub address: Option<crate::databases::Address>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
}

/// An instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// ARN.
    pub arn: String,
    /// ARN of its cluster.
    pub cluster: String,
    /// Class.
    pub class: String,
    /// Status.
    pub status: &'static str,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A snapshot of a cluster.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// ARN.
    pub arn: String,
    /// Identifier of the cluster it was taken of.
    pub cluster: String,
    /// `manual` or `automated`.
    pub kind: &'static str,
    /// Status.
    pub status: &'static str,
    /// Percent done.
    pub percent: u8,
    /// Engine.
    pub engine: String,
    /// Engine version.
    pub version: String,
    /// Database inside.
    pub database: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// When it was taken.
    pub created: Timestamp,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// An event of RDS.
#[derive(Debug, Clone)]
pub struct RdsEvent {
    /// When.
    pub at: Timestamp,
    /// Region.
    pub region: String,
    /// Identifier of the cluster or snapshot.
    pub source: String,
    /// `db-cluster` or `cluster-snapshot`.
    pub source_type: &'static str,
    /// Event id, such as `RDS-EVENT-0238`; empty for the sandbox's own words.
    pub id: &'static str,
    /// Message.
    pub message: String,
}

/// The last part of an ARN.
pub fn name_of(arn: &str) -> &str {
    // Snapshot names have a colon of their own (`rds:…`): the name is all behind the sixth one.
    arn.splitn(7, ':').nth(6).unwrap_or(arn)
}

/// The Region in an ARN.
pub fn region_of(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

impl World {
    /// Starts a failover or switchover that the API has accepted, and returns at once.
    pub(super) fn begin_operation(self: &Arc<Self>, global: &str, from: String, to: String, loss: bool) {
        self.state(|state| {
            if let Some(global) = state.globals.get_mut(global) {
                global.operation =
                    Some(Operation { status: "pending", from: from.clone(), to: to.clone(), loss });
            }
        });
        self.event(
            &to,
            "db-cluster",
            if loss { "RDS-EVENT-0187" } else { "RDS-EVENT-0181" },
            format!(
                "Global {} of {global} to {} started",
                if loss { "failover" } else { "switchover" },
                name_of(&to)
            ),
        );
        let (world, global) = (Arc::clone(self), global.to_owned());
        self.spawn(async move {
            world.clock.sleep(durations::PENDING).await;
            world.set_operation_status(&global, if loss { "failing-over" } else { "switching-over" });
            world.clock.sleep(if loss { durations::FAILING_OVER } else { durations::SWITCHING_OVER }).await;
            world.released().await;
            let result = if loss {
                world.servers.promote(&to).await
            } else {
                world.servers.switch_over(&from, &to).await
            };
            match result {
                Ok(()) => world.end_operation(&global, &from, &to, loss),
                Err(error) => {
                    world.state(|state| {
                        if let Some(global) = state.globals.get_mut(&global) {
                            global.operation = None;
                        }
                    });
                    world.event(
                        &to,
                        "db-cluster",
                        "RDS-EVENT-0239",
                        format!("Global operation of {global} failed: {error}"),
                    );
                }
            }
        });
    }

    fn set_operation_status(&self, global: &str, status: &'static str) {
        self.state(|state| {
            if let Some(operation) =
                state.globals.get_mut(global).and_then(|global| global.operation.as_mut())
            {
                operation.status = status;
            }
        });
    }

    fn end_operation(self: &Arc<Self>, id: &str, from: &str, to: &str, loss: bool) {
        let resync = self.state(|state| {
            let reachable = !state.isolated.contains(region_of(from));
            let global = state.globals.get_mut(id)?;
            global.operation = None;
            for member in &mut global.members {
                member.is_writer = member.arn == to;
                if loss && member.arn == from {
                    member.synchronization = "pending-resync";
                }
            }
            if loss {
                global.abandoned = Some(from.to_owned());
            }
            (loss && reachable).then_some(())
        });
        self.event(
            to,
            "db-cluster",
            if loss { "RDS-EVENT-0238" } else { "RDS-EVENT-0184" },
            format!(
                "Global {} of {id} to {} completed",
                if loss { "failover" } else { "switchover" },
                name_of(to)
            ),
        );
        self.event(
            to,
            "db-cluster",
            "RDS-EVENT-0397",
            format!("the writer endpoint of {id} now is {}", name_of(to)),
        );
        if resync.is_some() {
            self.recover(id);
        }
    }

    /// What Aurora does once the Region of an old primary is back: a snapshot of it, then its rebuilding.
    pub(super) fn recover(self: &Arc<Self>, id: &str) {
        let Some((old, new)) = self.state(|state| {
            let global = state.globals.get_mut(id)?;
            let old = global.abandoned.take()?;
            let new = global.members.iter().find(|member| member.is_writer)?.arn.clone();
            Some((old, new))
        }) else {
            return;
        };
        let (world, id) = (Arc::clone(self), id.to_owned());
        self.spawn(async move {
            let now = world.clock.now();
            let name = format!(
                "rds:unplanned-global-failover-{}-{}",
                name_of(&old),
                now.strftime("%Y-%m-%d-%H-%M-%S")
            );
            let arn = format!("arn:aws:rds:{}:{}:cluster-snapshot:{name}", region_of(&old), crate::ACCOUNT);
            let taken = world.state(|state| {
                let cluster = state.clusters.get(&old)?.clone();
                state.snapshots.insert(
                    arn.clone(),
                    Snapshot {
                        arn: arn.clone(),
                        cluster: name_of(&old).to_owned(),
                        kind: "automated",
                        status: "creating",
                        percent: 0,
                        engine: cluster.engine,
                        version: cluster.version,
                        database: cluster.database,
                        encrypted: false,
                        created: now,
                        tags: BTreeMap::new(),
                    },
                );
                Some(())
            });
            if taken.is_none() {
                return;
            }
            world.event(
                &arn,
                "cluster-snapshot",
                "RDS-EVENT-0168",
                format!("creating snapshot {name} of the old primary"),
            );
            if let Err(error) = world.servers.snapshot(&old, &arn).await {
                world.set_snapshot(&arn, "failed");
                world.event(&arn, "cluster-snapshot", "", format!("snapshot {name} failed: {error}"));
                return;
            }
            world.clock.sleep(durations::SNAPSHOT).await;
            world.set_snapshot(&arn, "available");
            world.event(
                &arn,
                "cluster-snapshot",
                "RDS-EVENT-0169",
                format!("snapshot {name} of the old primary is available"),
            );
            world.event(
                &old,
                "db-cluster",
                "RDS-EVENT-0240",
                format!("{} is rebuilt as a secondary", name_of(&old)),
            );
            world.clock.sleep(durations::RESYNC).await;
            match world.servers.create_secondary(&old, &new).await {
                Ok(address) => {
                    world.state(|state| {
                        if let Some(cluster) = state.clusters.get_mut(&old) {
                            cluster.address = Some(address);
                        }
                        let members = state.globals.get_mut(&id).map(|global| &mut global.members);
                        if let Some(member) =
                            members.and_then(|all| all.iter_mut().find(|member| member.arn == old))
                        {
                            member.synchronization = "connected";
                        }
                    });
                    world.event(
                        &old,
                        "db-cluster",
                        "RDS-EVENT-0241",
                        format!("{} follows {} again", name_of(&old), name_of(&new)),
                    );
                }
                Err(error) => world.event(
                    &old,
                    "db-cluster",
                    "",
                    format!("{} could not be rebuilt: {error}", name_of(&old)),
                ),
            }
        });
    }

    pub(super) fn set_snapshot(&self, arn: &str, status: &'static str) {
        self.state(|state| {
            if let Some(snapshot) = state.snapshots.get_mut(arn) {
                snapshot.status = status;
                snapshot.percent = if status == "available" { 100 } else { 0 };
            }
        });
    }

    /// Copies a snapshot that the API has entered as `copying`.
    pub(super) fn begin_copy(self: &Arc<Self>, source: String, target: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::COPY).await;
            match world.servers.copy_snapshot(&source, &target).await {
                Ok(()) => {
                    world.set_snapshot(&target, "available");
                    world.event(
                        &target,
                        "cluster-snapshot",
                        "RDS-EVENT-0075",
                        format!("snapshot {} was copied", name_of(&source)),
                    );
                }
                Err(error) => {
                    world.set_snapshot(&target, "failed");
                    world.event(
                        &target,
                        "cluster-snapshot",
                        "",
                        format!("the copy of {} failed: {error}", name_of(&source)),
                    );
                }
            }
        });
    }

    /// Restores a cluster that the API has entered as `creating`.
    pub(super) fn begin_restore(self: &Arc<Self>, snapshot: String, cluster: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::RESTORE).await;
            let result = world.servers.restore(&snapshot, &cluster).await;
            let text = match &result {
                Ok(_) => format!("{} was restored from {}", name_of(&cluster), name_of(&snapshot)),
                Err(error) => format!("{} could not be restored: {error}", name_of(&cluster)),
            };
            let gone = world.state(|state| match state.clusters.get_mut(&cluster) {
                Some(entry) if entry.status == "creating" => {
                    match result {
                        Ok(address) => {
                            entry.address = Some(address);
                            entry.status = "available";
                        }
                        Err(_) => entry.status = "failed",
                    }
                    false
                }
                _ => true,
            });
            if gone {
                // Deleted meanwhile: the server that was just started must not stay.
                let _ = world.servers.delete(&cluster).await;
            } else {
                world.event(&cluster, "db-cluster", "", text);
            }
        });
    }

    /// Creates an instance that the API has entered as `creating`; it is available when its cluster is, too.
    pub(super) fn begin_instance(self: &Arc<Self>, arn: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            loop {
                world.clock.sleep(durations::INSTANCE).await;
                let done = world.state(|state| {
                    let Some(instance) = state.instances.get(&arn) else { return true };
                    match state.clusters.get(&instance.cluster).map(|cluster| cluster.status) {
                        Some("creating") => false,
                        _ => {
                            if let Some(instance) =
                                state.instances.get_mut(&arn).filter(|i| i.status == "creating")
                            {
                                instance.status = "available";
                            }
                            true
                        }
                    }
                });
                if done {
                    return;
                }
            }
        });
    }

    /// Deletes what the API has marked as `deleting`.
    pub(super) fn begin_deletion(self: &Arc<Self>, arn: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::DELETION).await;
            if world.state(|state| state.instances.remove(&arn)).is_some() {
                return;
            }
            if let Err(error) = world.servers.delete(&arn).await {
                world.event(
                    &arn,
                    "db-cluster",
                    "",
                    format!("the server of {} was not removed: {error}", name_of(&arn)),
                );
            }
            world.state(|state| state.clusters.remove(&arn));
            world.event(&arn, "db-cluster", "", format!("{} was deleted", name_of(&arn)));
        });
    }
}
