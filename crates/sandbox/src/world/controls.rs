//! What tests and the drill's controls do to the world, which no AWS service offers: cut a Region off, hold an operation, change
//! what a cluster is, put an alarm into a state.

use std::sync::Arc;

use serde_json::Value;

use super::core::World;
use super::model::region_of;
use super::properties::Properties;
use super::reading::Reading;
use super::routing::Endpoint;
use crate::account::aws_key;

/// Regions and links.
impl World {
    /// Cuts a Region off: its services answer nothing, and nothing is replicated out of it or into it. Its database servers
    /// go on.
    pub async fn isolate(self: &Arc<Self>, region: &str) {
        self.sample_lag().await;
        let cut = self.state(|state| {
            state.isolated.insert(region.to_owned());
            let inside = |arn: &str| region_of(arn) == region;
            let cut: Vec<String> = state
                .linked()
                .filter(|(secondary, primary)| inside(secondary) || inside(primary))
                .map(|(secondary, _)| secondary.clone())
                .filter(|secondary| !state.cut.contains(secondary))
                .collect();
            state.cut.extend(cut.iter().cloned());
            cut
        });
        self.settle_tables(region);
        let cuts =
            cut.iter().map(async |secondary| (secondary, self.servers.cut_link(secondary, true).await));
        for (secondary, result) in futures::future::join_all(cuts).await {
            if let Err(error) = result {
                self.event(secondary, "db-cluster", "", format!("The link could not be cut: {error}"));
            }
        }
        self.say(region, "The Region is cut off".into());
    }

    /// Ends the isolation. Databases that were failed over meanwhile are recovered as Aurora does it: a snapshot of the old
    /// primary, then its rebuilding as a secondary. Others follow again.
    pub async fn rejoin(self: &Arc<Self>, region: &str) {
        self.state(|state| state.isolated.remove(region));
        self.settle_tables(region);
        self.say(region, "The Region is back".into());
        self.settle().await;
    }
}

/// Snapshots, and how AWS is read.
impl World {
    /// Lets the automated snapshots expire, as they do some days after they were taken.
    pub fn expire_snapshots(&self) {
        self.state(|state| state.snapshots.retain(|_, snapshot| snapshot.kind != "automated"));
    }

    /// Lets each automated snapshot that is available be there a second time, as if Aurora had begun again. How many there are now.
    pub async fn repeat_snapshots(&self) -> usize {
        let now = self.clock.now();
        let again = self.state(|state| {
            let automated =
                state.snapshots.values().filter(|one| one.kind == "automated" && one.status == "available");
            let again = automated.cloned().collect::<Vec<_>>().into_iter().map(|mut snapshot| {
                let again = format!("{}-again", snapshot.arn);
                let first = std::mem::replace(&mut snapshot.arn, again);
                (snapshot.created, snapshot.status) = (now, "creating");
                state.snapshots.insert(snapshot.arn.clone(), snapshot.clone());
                (first, snapshot.arn)
            });
            again.collect::<Vec<_>>()
        });
        for (first, second) in &again {
            let copied = self.servers.copy_snapshot(first, second).await;
            let status = if copied.is_ok() { "available" } else { "failed" };
            self.state(|state| state.snapshots.get_mut(second).map(|snapshot| snapshot.status = status));
        }
        again.len()
    }

    /// From now on AWS does so where its documents leave it open.
    pub fn set_reading(&self, reading: Reading) {
        self.state(|state| state.reading = reading);
    }
}

/// Clusters, quotas, and how AWS is read.
impl World {
    /// Gives a cluster another engine version, as an upgrade does.
    pub fn set_engine_version(&self, cluster: &str, version: &str) {
        self.state(|state| {
            if let Some(cluster) = state.clusters.get_mut(cluster) {
                cluster.version = version.to_owned();
            }
        });
    }

    /// Switches IAM database authentication of a cluster on or off.
    pub fn set_iam(&self, cluster: &str, iam: bool) {
        self.state(|state| {
            if let Some(cluster) = state.clusters.get_mut(cluster) {
                cluster.iam = iam;
            }
        });
    }

    /// Makes a cluster's storage, and with it the snapshots taken of it from now on, encrypted by AWS's own key or not.
    pub fn set_encrypted(&self, cluster: &str, encrypted: bool) {
        let key = encrypted.then(|| aws_key(region_of(cluster)));
        self.set_key(cluster, key);
    }

    /// The same by a key of the account.
    pub fn set_customer_key(&self, cluster: &str, arn: &str) {
        self.set_key(cluster, Some(arn.to_owned()));
    }

    fn set_key(&self, cluster: &str, key: Option<String>) {
        self.state(|state| {
            if let Some(cluster) = state.clusters.get_mut(cluster) {
                cluster.key = key;
            }
        });
    }

    /// Gives a cluster and each of its instances other properties and tags, by the names of their descriptions.
    pub fn configure(&self, cluster: &str, of_cluster: &Value, of_instances: &Value, tags: &[(&str, &str)]) {
        let tags = || tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let set = |properties: &mut Properties, change: &Value| {
            properties.extend(
                change.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())),
            );
        };
        self.state(|state| {
            if let Some(entry) = state.clusters.get_mut(cluster) {
                set(&mut entry.properties, of_cluster);
                entry.tags.extend(tags());
            }
            for instance in state.instances.values_mut().filter(|one| one.cluster == cluster) {
                set(&mut instance.properties, of_instances);
                instance.tags.extend(tags());
            }
        });
    }

    /// Gives a Region a quota of RDS, by its name in the RDS API reference, such as `DBClusters`.
    pub fn set_quota(&self, region: &str, name: &str, max: i64) {
        self.state(|state| state.quotas.insert((region.to_owned(), name.to_owned()), max));
    }

    /// Removes a cluster's instances: the world begins with a headless cluster, which is no change of a state.
    pub fn remove_instances(&self, cluster: &str) {
        self.begin_with(|state| state.instances.retain(|_, instance| instance.cluster != cluster));
    }
}

/// Routing controls and their endpoints.
impl World {
    /// Sets an ARC endpoint's condition; `index` is 0 to 4.
    pub fn arc_endpoint(&self, index: usize, condition: Endpoint) {
        self.state(|state| {
            if let Some(endpoint) = state.arc.endpoints.get_mut(index) {
                *endpoint = condition;
            }
        });
    }

    /// Sets a routing control, whatever the safety rules say.
    pub fn set_routing_control(&self, arn: &str, on: bool) {
        self.state(|state| state.arc.controls.insert(arn.to_owned(), on));
    }
}

/// What CloudWatch has.
impl World {
    /// Lets a secondary's lag be so many milliseconds from now on, whatever its server says.
    pub fn set_lag(&self, secondary: &str, millis: f64) {
        self.state(|state| {
            state.fixed_lags.insert(secondary.to_owned(), Some(millis));
            // What was measured before would be in the same minute.
            state.lags.remove(secondary);
        });
        self.add_lag(secondary, millis);
    }

    /// Lets a secondary's lag be measured again, from its server.
    pub fn measure_lag(&self, secondary: &str) {
        self.state(|state| {
            state.fixed_lags.remove(secondary);
            state.lags.remove(secondary);
        });
    }

    /// Lets a secondary's lag be unknown: CloudWatch has no datapoint of it, and gets none.
    pub fn forget_lag(&self, secondary: &str) {
        self.state(|state| {
            state.fixed_lags.insert(secondary.to_owned(), None);
            state.lags.remove(secondary);
        });
    }

    /// Adds a composite alarm. What is asked for metric alarms only does not show it.
    pub fn add_composite_alarm(&self, region: &str, name: &str) {
        self.state(|state| state.composite_alarms.insert((region.to_owned(), name.to_owned())));
    }
}
