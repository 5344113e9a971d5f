//! Aurora's state: global clusters, clusters, instances, snapshots, and how they change with time.
//!
//! A change that takes AWS minutes is a task that sleeps and then changes the state; what it does to the servers happens
//! just before the state says so. A server that fails leaves the state as it was, with an event that tells why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::properties::Properties;
use super::{State, World, durations};
use crate::databases::Afterwards;

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
    /// `connected` or `pending-resync`, whichever it shows.
    pub synchronization: &'static str,
}

/// A running failover or switchover.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `pending`, then `failing-over` or `switching-over`; `cancelling` after that where it failed, in one reading.
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
    /// ARN of the KMS key by which its storage, and with it every snapshot of it, is encrypted.
    pub key: Option<String>,
    /// Whether it lets users in whom IAM vouches for.
    pub iam: bool,
    /// What else it was made with.
    pub properties: Properties,
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
    /// What else it was made with.
    pub properties: Properties,
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
    /// ARN of the KMS key by which it is encrypted.
    pub key: Option<String>,
    /// The port that was asked for when its cluster was made.
    pub port: Option<u16>,
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

impl Global {
    /// ARN of the primary.
    pub fn writer(&self) -> Option<&str> {
        self.members.iter().find(|member| member.is_writer).map(|member| member.arn.as_str())
    }
}

impl RdsEvent {
    /// The type of the source in the words of `DescribeEvents`; EventBridge has others.
    pub fn api_source_type(&self) -> &'static str {
        if self.source_type == "cluster-snapshot" { "db-cluster-snapshot" } else { self.source_type }
    }

    /// The category, as the lists of RDS events in the Aurora user guide have it.
    pub fn category(&self) -> &'static str {
        match self.id {
            "RDS-EVENT-0170" => "creation",
            "RDS-EVENT-0171" => "deletion",
            _ if self.source_type == "cluster-snapshot" => "backup",
            "" => "notification",
            _ => "global failover",
        }
    }
}

impl Cluster {
    /// The port that was asked for when it was made.
    pub(super) fn asked_port(&self) -> Option<u16> {
        self.properties.get("Port")?.as_u64().and_then(|port| u16::try_from(port).ok())
    }
}

impl Snapshot {
    /// The entry for a snapshot of `cluster`.
    pub(super) fn of(
        cluster: &Cluster,
        arn: &str,
        kind: &'static str,
        status: &'static str,
        at: Timestamp,
    ) -> Self {
        Self {
            arn: arn.to_owned(),
            cluster: name_of(&cluster.arn).to_owned(),
            kind,
            status,
            percent: 0,
            engine: cluster.engine.clone(),
            version: cluster.version.clone(),
            database: cluster.database.clone(),
            key: cluster.key.clone(),
            port: cluster.asked_port(),
            created: at,
            tags: BTreeMap::new(),
        }
    }
}

impl State {
    /// ARNs of the secondaries that can follow their primary: neither of the two Regions is cut off, and no failover runs.
    pub(super) fn following(&self) -> impl Iterator<Item = &String> {
        let apart = |arn: &str| self.isolated.contains(region_of(arn));
        let promoting = |arn: &str| {
            self.globals
                .values()
                .filter_map(|global| global.operation.as_ref())
                .any(|one| one.loss && one.to == arn)
        };
        self.linked()
            .filter(move |(secondary, primary)| !apart(secondary) && !apart(primary) && !promoting(secondary))
            .map(|(secondary, _)| secondary)
    }

    /// Shows the two clusters of an operation in this status, and those of their instances that are in `from` in `to`.
    fn set_members(&mut self, operation: &Operation, status: &'static str, [from, to]: [&'static str; 2]) {
        for arn in [&operation.from, &operation.to] {
            if let Some(cluster) = self.clusters.get_mut(arn) {
                cluster.status = status;
            }
            let instances = self.instances.values_mut().filter(|one| one.cluster == *arn);
            instances.filter(|one| one.status == from).for_each(|one| one.status = to);
        }
    }

    /// The two clusters of an operation are as they were before it.
    fn release_members(&mut self, operation: &Operation) {
        self.set_members(operation, "available", ["rebooting", "available"]);
    }

    /// Secondaries with a link to their primary, cut or not, and their primary. One that has to be rebuilt has none.
    pub(super) fn linked(&self) -> impl Iterator<Item = (&String, &str)> {
        self.globals.values().flat_map(|global| {
            let primary = global.writer().unwrap_or_default();
            let secondaries =
                global.members.iter().filter(|m| !m.is_writer && m.synchronization == "connected");
            secondaries.map(move |member| (&member.arn, primary))
        })
    }
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
    /// Runs a failover or switchover that the API has accepted and entered as `pending`; returns at once.
    pub(super) fn begin_operation(self: &Arc<Self>, global: &str) {
        let (world, global) = (Arc::clone(self), global.to_owned());
        self.spawn(async move {
            world.clock.sleep(durations::PENDING).await;
            let Some(Operation { from, to, loss, .. }) = world.start_operation(&global) else { return };
            world.clock.sleep(if loss { durations::FAILING_OVER } else { durations::SWITCHING_OVER }).await;
            world.released().await;
            let result = if loss {
                world.servers.promote(&to).await.map_err(|error| error.to_string())
            } else if world.is_isolated(region_of(&from)) || world.is_isolated(region_of(&to)) {
                // A switchover loses nothing: without a link between the two it can't be finished.
                Err("the two Regions can't reach each other".to_owned())
            } else {
                world.servers.switch_over(&from, &to).await.map_err(|error| error.to_string())
            };
            match result {
                Ok(()) => world.end_operation(&global, &from, &to, loss),
                Err(error) => world.abandon_operation(&global, &to, loss, &error).await,
            }
            world.settle().await;
        });
    }

    /// `pending` is over: the operation itself begins.
    fn start_operation(&self, id: &str) -> Option<Operation> {
        let operation = self.state(|state| {
            let operation = state.globals.get_mut(id)?.operation.as_mut()?;
            operation.status = if operation.loss { "failing-over" } else { "switching-over" };
            let operation = operation.clone();
            if state.reading.members_fail_over {
                state.set_members(&operation, "failing-over", ["available", "rebooting"]);
            }
            Some(operation)
        })?;
        let to = &operation.to;
        if operation.loss {
            // Aurora has no event for it.
            self.event(to, "db-cluster", "", format!("Global failover of {id} to {} started", name_of(to)));
        } else {
            let text = format!("Global switchover of {id} to {} started", name_of(to));
            self.event(to, "db-cluster", "RDS-EVENT-0181", text);
        }
        Some(operation)
    }

    /// The operation is done: the roles change.
    fn end_operation(&self, id: &str, from: &str, to: &str, loss: bool) {
        self.state(|state| {
            let Some(global) = state.globals.get_mut(id) else { return };
            let operation = global.operation.take();
            for member in &mut global.members {
                member.is_writer = member.arn == to;
                if loss && !member.is_writer {
                    member.synchronization = "pending-resync";
                }
            }
            if loss {
                global.abandoned = Some(from.to_owned());
            }
            // A primary has no link.
            state.cut.remove(to);
            if let Some(operation) = operation {
                state.release_members(&operation);
            }
        });
        let name = name_of(to);
        if loss {
            let text = format!("Global failover of {id} to {name} completed");
            self.event(to, "db-cluster", "RDS-EVENT-0238", text);
        } else {
            let text = format!("New primary {name} of {id} was promoted");
            self.event(to, "db-cluster", "RDS-EVENT-0184", text);
            self.event(
                to,
                "db-cluster",
                "RDS-EVENT-0185",
                format!("Global switchover of {id} to {name} finished"),
            );
        }
        self.event(to, "db-cluster", "RDS-EVENT-0397", format!("The writer endpoint of {id} now is {name}"));
    }

    /// The operation can't be done: everything stays as it was.
    async fn abandon_operation(&self, id: &str, to: &str, loss: bool, error: &str) {
        let cancelled = self.state(|state| {
            let operation = state.globals.get_mut(id).and_then(|global| global.operation.as_mut());
            let cancelled = operation.filter(|_| state.reading.failed_operations_cancel);
            cancelled.map(|operation| operation.status = "cancelling").is_some()
        });
        if cancelled {
            self.clock.sleep(durations::CANCELLING).await;
        }
        self.state(|state| {
            if let Some(operation) = state.globals.get_mut(id).and_then(|global| global.operation.take()) {
                state.release_members(&operation);
            }
        });
        let (event, word) =
            if loss { ("RDS-EVENT-0239", "failover") } else { ("RDS-EVENT-0187", "switchover") };
        self.event(
            to,
            "db-cluster",
            event,
            format!("Global {word} of {id} to {} failed: {error}", name_of(to)),
        );
    }

    /// Does what the links between the Regions now allow: mends replication that was cut, and recovers old primaries that
    /// were left by a failover. Called whenever a Region comes back or an operation ends.
    pub(super) async fn settle(self: &Arc<Self>) {
        let (mend, recover) = self.state(|state| {
            let mend: Vec<String> =
                state.following().filter(|arn| state.cut.contains(*arn)).cloned().collect();
            state.cut.retain(|arn| !mend.contains(arn));
            let apart = |arn: &str| state.isolated.contains(region_of(arn));
            let ready = |global: &&mut Global| {
                global.abandoned.is_some() && !global.members.iter().any(|member| apart(&member.arn))
            };
            let recover: Vec<(String, String, String)> = state
                .globals
                .values_mut()
                .filter(ready)
                .filter_map(|global| {
                    let new = global.writer()?.to_owned();
                    // Taken: the recovery is begun once.
                    Some((global.id.clone(), global.abandoned.take()?, new))
                })
                .collect();
            (mend, recover)
        });
        for secondary in mend {
            if let Err(error) = self.servers.cut_link(&secondary, false).await {
                self.event(&secondary, "db-cluster", "", format!("The link could not be mended: {error}"));
            }
        }
        for (id, old, new) in recover {
            let world = Arc::clone(self);
            self.spawn(async move { world.recover(&id, &old, &new).await });
        }
    }

    /// What Aurora does once the Region of an old primary is back: a snapshot of it, then its rebuilding. Where the snapshot
    /// fails, nothing is rebuilt, so that the only copy of lost writes stays; or all the same, in the other reading.
    async fn recover(&self, id: &str, old: &str, new: &str) {
        self.recovery_released().await;
        let now = self.clock.now();
        let name =
            format!("rds:unplanned-global-failover-{}-{}", name_of(old), now.strftime("%Y-%m-%d-%H-%M-%S"));
        let arn =
            format!("arn:aws:rds:{}:{}:cluster-snapshot:{name}", region_of(old), crate::account::ACCOUNT);
        let entered = self.state(|state| {
            let snapshot = Snapshot::of(state.clusters.get(old)?, &arn, "automated", "creating", now);
            state.snapshots.insert(arn.clone(), snapshot);
            Some(())
        });
        if entered.is_none() {
            return;
        }
        self.event(
            &arn,
            "cluster-snapshot",
            "RDS-EVENT-0168",
            format!("Creating snapshot {name} of the old primary"),
        );
        let taken = self.servers.snapshot(old, &arn, Afterwards::StaysStopped).await;
        if let Err(error) = &taken {
            self.fail_snapshot(&arn);
            self.event(&arn, "cluster-snapshot", "", format!("Snapshot {name} failed: {error}"));
            let rebuilt = self.state(|state| {
                let rebuilt = state.reading.rebuilt_without_snapshot;
                // Tried again when a Region comes back.
                if let Some(global) = state.globals.get_mut(id).filter(|_| !rebuilt) {
                    global.abandoned = Some(old.to_owned());
                }
                rebuilt
            });
            if !rebuilt {
                return;
            }
        }
        // At once and not when the state says so: a write that the old primary takes after its snapshot would be lost
        // without a trace.
        let rebuilt = self.servers.create_secondary(old, new).await;
        if taken.is_ok() {
            self.progress(&arn, durations::SNAPSHOT).await;
            self.set_snapshot(&arn, "available");
            let text = format!("Snapshot {name} of the old primary is available");
            self.event(&arn, "cluster-snapshot", "RDS-EVENT-0169", text);
        }
        let address = match rebuilt {
            Ok(address) => address,
            Err(error) => {
                let text = format!("{} could not be rebuilt: {error}", name_of(old));
                return self.event(old, "db-cluster", "", text);
            }
        };
        self.event(
            old,
            "db-cluster",
            "RDS-EVENT-0240",
            format!("{} is rebuilt as a secondary", name_of(old)),
        );
        self.reconnect(id, old, new, address).await;
    }

    /// A rebuilt cluster follows the new primary again, once it has caught up.
    async fn reconnect(&self, id: &str, old: &str, new: &str, address: crate::databases::Address) {
        self.clock.sleep(durations::RESYNC).await;
        let cut = self.state(|state| {
            if let Some(cluster) = state.clusters.get_mut(old) {
                cluster.address = Some(address);
            }
            let members = state.globals.get_mut(id).map(|global| &mut global.members);
            if let Some(member) = members.and_then(|all| all.iter_mut().find(|member| member.arn == old)) {
                member.synchronization = "connected";
            }
            let apart = [old, new].iter().any(|arn| state.isolated.contains(region_of(arn)));
            apart && state.cut.insert(old.to_owned())
        });
        self.event(
            old,
            "db-cluster",
            "RDS-EVENT-0241",
            format!("{} follows {} again", name_of(old), name_of(new)),
        );
        if cut && let Err(error) = self.servers.cut_link(old, true).await {
            self.event(old, "db-cluster", "", format!("The link could not be cut: {error}"));
        }
    }

    /// Detaches a secondary that the API has marked as `promoting`: it becomes a cluster of its own that takes writes.
    pub(super) fn begin_detach(self: &Arc<Self>, id: String, member: String) {
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
    pub(super) fn begin_secondary(self: &Arc<Self>, id: String, arn: String, primary: String) {
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
    pub(super) fn begin_renaming(self: &Arc<Self>, from: String, to: String) {
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

    /// Ends a snapshot's creation or copy.
    fn set_snapshot(&self, arn: &str, status: &'static str) {
        self.state(|state| {
            if let Some(snapshot) = state.snapshots.get_mut(arn) {
                snapshot.status = status;
                snapshot.percent = if status == "available" { 100 } else { 0 };
            }
        });
    }

    /// A snapshot can't be taken or copied.
    fn fail_snapshot(&self, arn: &str) {
        if self.state(|state| state.reading.nothing_is_failed && state.snapshots.remove(arn).is_some()) {
            return;
        }
        self.set_snapshot(arn, "failed");
    }

    /// Lets a snapshot's percentage grow for a modelled duration.
    async fn progress(&self, arn: &str, takes: Duration) {
        for percent in (10..=100).step_by(10) {
            self.clock.sleep(takes / 10).await;
            self.state(|state| {
                if let Some(snapshot) = state.snapshots.get_mut(arn) {
                    snapshot.percent = percent;
                }
            });
        }
    }

    /// Copies a snapshot that the API has entered as `copying`.
    pub(super) fn begin_copy(self: &Arc<Self>, source: String, target: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.progress(&target, durations::COPY).await;
            let result = world.servers.copy_snapshot(&source, &target).await;
            if !world.state(|state| state.snapshots.contains_key(&target)) {
                // Cancelled: it was deleted while it was copied.
                world.remove_snapshot(&target).await;
                return;
            }
            match result {
                Ok(()) => {
                    world.set_snapshot(&target, "available");
                    let text = format!("Snapshot {} was copied", name_of(&source));
                    world.event(&target, "cluster-snapshot", "RDS-EVENT-0075", text);
                }
                Err(error) => {
                    world.fail_snapshot(&target);
                    let text = format!("The copy of {} failed: {error}", name_of(&source));
                    world.event(&target, "cluster-snapshot", "", text);
                }
            }
        });
    }

    /// Takes a manual snapshot of a cluster, which the API has entered as `creating`.
    pub(super) fn begin_snapshot(self: &Arc<Self>, cluster: String, arn: String, what: &'static str) {
        let world = Arc::clone(self);
        self.spawn(async move {
            let result = world.servers.snapshot(&cluster, &arn, Afterwards::GoesOn).await;
            world.progress(&arn, durations::SNAPSHOT).await;
            match &result {
                Ok(()) => world.set_snapshot(&arn, "available"),
                Err(_) => world.fail_snapshot(&arn),
            }
            let text = match result {
                Ok(()) => format!("{what} of {} is available", name_of(&cluster)),
                Err(error) => format!("{what} of {} failed: {error}", name_of(&cluster)),
            };
            world.event(&arn, "cluster-snapshot", "RDS-EVENT-0075", text);
        });
    }

    /// Removes a snapshot's data.
    pub(super) async fn remove_snapshot(&self, arn: &str) {
        if let Err(error) = self.servers.delete_snapshot(arn).await {
            let text = format!("The data of {} was not removed: {error}", name_of(arn));
            self.event(arn, "cluster-snapshot", "", text);
        }
    }

    /// Restores a cluster that the API has entered as `creating`.
    pub(super) fn begin_restore(self: &Arc<Self>, snapshot: String, cluster: String) {
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
    pub(super) fn begin_instance(self: &Arc<Self>, arn: String) {
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
    pub(super) fn begin_cluster_deletion(self: &Arc<Self>, arn: String) {
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
    pub(super) fn begin_instance_deletion(self: &Arc<Self>, arn: String) {
        let world = Arc::clone(self);
        self.spawn(async move {
            world.clock.sleep(durations::DELETION).await;
            world.state(|state| state.instances.remove(&arn));
        });
    }
}
