//! What Aurora does by itself when a Region is back: it mends links, takes a snapshot of the old primary and rebuilds it.

use std::sync::Arc;

use crate::account::ACCOUNT;
use crate::databases::{Address, Afterwards};
use crate::world::core::World;
use crate::world::durations;
use crate::world::model::{Global, Snapshot, name_of, region_of};

impl World {
    /// Does what the links between the Regions now allow: mends replication that was cut, and recovers old primaries that
    /// were left by a failover. Called whenever a Region comes back or an operation ends.
    pub(in crate::world) async fn settle(self: &Arc<Self>) {
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
        let arn = format!("arn:aws:rds:{}:{}:cluster-snapshot:{name}", region_of(old), ACCOUNT);
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
    async fn reconnect(&self, id: &str, old: &str, new: &str, address: Address) {
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
}
