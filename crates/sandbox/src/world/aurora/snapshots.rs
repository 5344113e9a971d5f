//! Snapshots of clusters: taken, copied, removed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::databases::Afterwards;
use crate::world::core::World;
use crate::world::durations;
use crate::world::model::name_of;

impl World {
    /// Ends a snapshot's creation or copy.
    pub(super) fn set_snapshot(&self, arn: &str, status: &'static str) {
        self.state(|state| {
            if let Some(snapshot) = state.snapshots.get_mut(arn) {
                snapshot.status = status;
                snapshot.percent = if status == "available" { 100 } else { 0 };
            }
        });
    }

    /// Says of which moment a snapshot is: later than it was asked for, by as much as the server took to stand still.
    pub(super) fn date_snapshot(&self, arn: &str, taken: Instant) {
        let at = self.clock.now() - taken.elapsed();
        self.state(|state| {
            if let Some(snapshot) = state.snapshots.get_mut(arn) {
                snapshot.created = at;
            }
        });
    }

    /// A snapshot can't be taken or copied.
    pub(super) fn fail_snapshot(&self, arn: &str) {
        if self.state(|state| state.reading.nothing_is_failed && state.snapshots.remove(arn).is_some()) {
            return;
        }
        self.set_snapshot(arn, "failed");
    }

    /// Lets a snapshot's percentage grow for a modelled duration.
    pub(super) async fn progress(&self, arn: &str, takes: Duration) {
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
    pub(in crate::world) fn begin_copy(self: &Arc<Self>, source: String, target: String) {
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

    /// Takes a manual snapshot of a cluster, which the API has entered as `creating`. What is returned is told once the data are
    /// those of the snapshot: nothing that is written later is in it.
    pub(in crate::world) fn begin_snapshot(
        self: &Arc<Self>,
        cluster: String,
        arn: String,
        what: &'static str,
    ) -> oneshot::Receiver<()> {
        let (told, taken) = oneshot::channel();
        let world = Arc::clone(self);
        self.spawn(async move {
            let result = world.servers.snapshot(&cluster, &arn, Afterwards::GoesOn).await;
            if let Ok(taken) = &result {
                world.date_snapshot(&arn, *taken);
            }
            // Whoever does not wait does not hear it.
            let _ = told.send(());
            world.progress(&arn, durations::SNAPSHOT).await;
            match &result {
                Ok(_) => world.set_snapshot(&arn, "available"),
                Err(_) => world.fail_snapshot(&arn),
            }
            let text = match result {
                Ok(_) => format!("{what} of {} is available", name_of(&cluster)),
                Err(error) => format!("{what} of {} failed: {error}", name_of(&cluster)),
            };
            world.event(&arn, "cluster-snapshot", "RDS-EVENT-0075", text);
        });
        taken
    }

    /// Removes a snapshot's data.
    pub(in crate::world) async fn remove_snapshot(&self, arn: &str) {
        if let Err(error) = self.servers.delete_snapshot(arn).await {
            let text = format!("The data of {} was not removed: {error}", name_of(arn));
            self.event(arn, "cluster-snapshot", "", text);
        }
    }
}
