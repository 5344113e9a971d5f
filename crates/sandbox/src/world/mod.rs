//! The world: one state machine for what the runbooks touch.
//!
//! Every service answers at the level of JSON: an operation's input and output in the shape that the `aws` command
//! prints (PascalCase members, timestamps as RFC 3339 text, lists as arrays). The wire protocols in [`crate::wire`]
//! and the `aws:executeAwsApi` action both end here, so that permissions and faults are checked in one place.
//!
//! State is behind one lock that is never held across a wait. What takes AWS minutes is a task of its own, see
//! [`aurora`] and [`durations`].

pub mod arc;
pub mod aurora;
pub mod durations;
mod kms;
mod monitoring;
mod parameters;
mod properties;
mod rds;
mod secrets;
mod sns;
mod sts;
pub mod transitions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

pub(crate) use rds::key_arn;
pub(crate) use secrets::secret_arn;

use crate::account::{ACCOUNT, EAST, REGIONS, ROLES, RULE_ROLES, WEST, role_arn, topic_arn};
use crate::api::{Api, ApiError, Call, CallError};
use crate::clock::Clock;
use crate::databases::{ServerError, Servers};

/// Engine version of the shop's clusters.
pub const VERSION: &str = "8.0.mysql_aurora.3.08.0";

/// Something that happened, for a live timeline.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Region.
    pub region: String,
    /// What, in one line.
    pub text: String,
}

/// A message published to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// ARN of the topic.
    pub topic: String,
    /// Subject.
    pub subject: String,
    /// Body.
    pub body: String,
}

/// What AWS does where its documents leave it open: the world takes either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Whether the snapshots of a cluster that is renamed name it by its new identifier from then on. AWS says only that
    /// they are kept ("Renaming a DB cluster", Aurora user guide).
    pub snapshots_follow_a_rename: bool,
    /// The dimensions of the replication lag's metrics.
    pub lag_dimensions: LagDimensions,
    /// Whether the two clusters of a failover or switchover are `failing-over` meanwhile, and their instances `rebooting`; else
    /// they stay `available`. The guide has the statuses for a failover inside a cluster and says nothing of one between
    /// Regions.
    pub members_fail_over: bool,
    /// Whether a cluster that is restored from a snapshot is `migrating` ("A DB cluster snapshot is being restored to a DB
    /// cluster", says the guide's table); else it is `creating`, as the answer of the API's example.
    pub restored_migrate: bool,
    /// Whether nothing is ever `failed`: a cluster that can't be restored is `migration-failed`, which the guide has, and a
    /// snapshot that can't be taken or copied, of whose statuses the API has none for it, is gone.
    pub nothing_is_failed: bool,
    /// Whether a failover or switchover that fails is `cancelling` for a while; else it is over at once.
    pub failed_operations_cancel: bool,
    /// Whether Aurora rebuilds an old primary of which it could take no snapshot. The guide has "attempts to".
    pub rebuilt_without_snapshot: bool,
    /// Whether a member that does not follow its primary yet, such as the old primary after a failover, is seen as `connected`
    /// all the same. The API has `pending-resync` as a value, and nowhere says when.
    pub resync_unseen: bool,
}

impl Reading {
    /// Every side of each, as the runbooks take it; and every combination of the states that are shown.
    pub const ALL: [Self; 4] = [
        Self::of(LagDimensions::Cluster, [false; 7]),
        Self::of(LagDimensions::ClusterAndSource, [true, false, true, false, false, true, true]),
        Self::of(LagDimensions::ClusterAndSource, [false, true, false, true, true, false, true]),
        Self::of(LagDimensions::Cluster, [true; 7]),
    ];

    /// The others in the order in which they are declared.
    const fn of(lag_dimensions: LagDimensions, others: [bool; 7]) -> Self {
        Self {
            snapshots_follow_a_rename: others[0],
            lag_dimensions,
            members_fail_over: others[1],
            restored_migrate: others[2],
            nothing_is_failed: others[3],
            failed_operations_cancel: others[4],
            rebuilt_without_snapshot: others[5],
            resync_unseen: others[6],
        }
    }

    /// The status of a cluster that is being restored.
    pub(crate) fn restoring(self) -> &'static str {
        if self.restored_migrate { "migrating" } else { "creating" }
    }

    /// The status of a cluster that could not be restored.
    pub(crate) fn not_restored(self) -> &'static str {
        if self.nothing_is_failed { "migration-failed" } else { "failed" }
    }

    /// The SynchronizationStatus that a member shows.
    pub(crate) fn synchronization(self, member: &aurora::GlobalMember) -> &'static str {
        if self.resync_unseen { "connected" } else { member.synchronization }
    }
}

/// Dimensions of the replication lag's metrics. AWS does not say; each of the three is seen somewhere in its workshops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LagDimensions {
    /// `DBClusterIdentifier`.
    #[default]
    Cluster,
    /// `DBClusterIdentifier` and `SourceRegion`.
    ClusterAndSource,
    /// `SourceRegion`, which does not tell the databases apart.
    Source,
}

/// A setup that can't be made.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct SetupError {
    what: String,
    source: ServerError,
}

/// All of the world's state.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) reading: Reading,
    pub(crate) globals: BTreeMap<String, aurora::Global>,
    pub(crate) clusters: BTreeMap<String, aurora::Cluster>,
    pub(crate) instances: BTreeMap<String, aurora::Instance>,
    pub(crate) snapshots: BTreeMap<String, aurora::Snapshot>,
    pub(crate) rds_events: Vec<aurora::RdsEvent>,
    pub(crate) isolated: BTreeSet<String>,
    /// Secondaries whose link was cut.
    pub(crate) cut: BTreeSet<String>,
    pub(crate) arc: arc::Arcs,
    pub(crate) parameters: BTreeMap<(String, String), parameters::Parameter>,
    pub(crate) secrets: BTreeMap<(String, String), String>,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) messages: Vec<Message>,
    /// States of metric alarms, by Region and name.
    pub(crate) alarms: BTreeMap<(String, String), String>,
    pub(crate) lags: BTreeMap<String, Vec<(Timestamp, f64)>>,
    /// Quotas of RDS that are not the default ones, by Region and name.
    pub(crate) quotas: BTreeMap<(String, String), i64>,
    /// How the states of Aurora's things have changed.
    noted: transitions::Noted,
    /// Lags that are not measured but given, and those that can't be known.
    pub(crate) fixed_lags: BTreeMap<String, Option<f64>>,
    /// Rules of EventBridge that could not invoke a target, by Region and name.
    pub(crate) failed_rules: BTreeSet<(String, String)>,
    /// Composite alarms by Region and name.
    pub(crate) composite_alarms: BTreeSet<(String, String)>,
}

/// The world. Always behind an `Arc`: its changes in time are tasks that hold it; [`World::stop`] ends them.
pub struct World {
    pub(crate) clock: Clock,
    pub(crate) servers: Arc<dyn Servers>,
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
    /// What EventBridge gets: Region and event.
    bus: broadcast::Sender<(String, Value)>,
    tasks: Mutex<JoinSet<()>>,
    hold: tokio::sync::watch::Sender<bool>,
    hold_recovery: tokio::sync::watch::Sender<bool>,
}

impl World {
    /// An empty world.
    pub fn new(clock: Clock, servers: Arc<dyn Servers>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            servers,
            state: Mutex::new(State::default()),
            events: broadcast::channel(1_024).0,
            bus: broadcast::channel(1_024).0,
            tasks: Mutex::new(JoinSet::new()),
            hold: tokio::sync::watch::channel(false).0,
            hold_recovery: tokio::sync::watch::channel(false).0,
        })
    }

    /// The shop's world, which [`runbook::plan::sample`] describes: two global databases with their primaries in
    /// [`crate::EAST`], routing controls that are both on under a rule that one has to be, secrets, topics, and the plan.
    ///
    /// # Errors
    /// When a database server does not start.
    pub async fn shop(
        clock: Clock,
        servers: Arc<dyn Servers>,
        arc_urls: &[String; 5],
    ) -> Result<Arc<Self>, SetupError> {
        let world = Self::new(clock, servers);
        let mut plan = runbook::plan::sample();
        for (endpoint, url) in plan.routing.endpoints.iter_mut().zip(arc_urls) {
            endpoint.url.clone_from(url);
        }
        let setups = plan.databases.iter().map(|(name, database)| {
            let password = crate::random_text();
            let secret = json!({"username": "shop", "password": password}).to_string();
            world.state(|state| {
                for region in REGIONS {
                    state.secrets.insert((region.to_owned(), format!("shop/{name}")), secret.clone());
                }
            });
            let world = &world;
            async move {
                let [primary, secondary] = [EAST, WEST].map(|region| {
                    database.members.get(region).map_or("", |member| member.cluster_arn.as_str())
                });
                world
                    .add_global_cluster(
                        &database.global_cluster,
                        &database.database,
                        primary,
                        secondary,
                        &password,
                    )
                    .await
            }
        });
        futures::future::try_join_all(setups).await?;
        let text = serde_json::to_string(&plan).unwrap_or_default();
        world.state(|state| {
            for region in REGIONS {
                for topic in ["notifications", "alarms"] {
                    state.topics.insert(topic_arn(topic, region));
                }
                state.parameters.insert(
                    (region.to_owned(), "/causeway/plans/shop".to_owned()),
                    parameters::Parameter { value: text.clone(), version: 1, modified: clock.now() },
                );
            }
            for region in REGIONS {
                // What the stack says of itself, as in the template.
                let rules = if plan.automatic.is_some() { RULE_ROLES.len() } else { 1 };
                let roles = ROLES.iter().chain(RULE_ROLES.iter().take(rules));
                let roles = roles.map(|(name, role)| ((*name).to_owned(), json!(role_arn(role, region))));
                let roles: serde_json::Map<String, Value> = roles.collect();
                let value = json!({"prefix": "causeway", "roles": roles}).to_string();
                let parameter = parameters::Parameter { value, version: 1, modified: clock.now() };
                let name = format!("/causeway/stacks/{}", plan.name);
                state.parameters.insert((region.to_owned(), name), parameter);
            }
            for signal in plan.automatic.iter().flat_map(|automatic| automatic.signals.values().flatten()) {
                state.alarms.insert((signal.region.clone(), signal.alarm.clone()), "OK".to_owned());
            }
            state.arc.setup(&plan, arc_urls);
        });
        world.watch_lag();
        Ok(world)
    }

    /// Adds a global cluster with a primary and a secondary, an instance in each.
    ///
    /// # Errors
    /// When a server does not start.
    pub async fn add_global_cluster(
        self: &Arc<Self>,
        id: &str,
        database: &str,
        primary: &str,
        secondary: &str,
        password: &str,
    ) -> Result<(), SetupError> {
        let fail =
            |cluster: &str, source| SetupError { what: format!("cluster {cluster} can't be set up"), source };
        let first = self
            .servers
            .create_primary(primary, database, "shop", password)
            .await
            .map_err(|e| fail(primary, e))?;
        let second =
            self.servers.create_secondary(secondary, primary).await.map_err(|e| fail(secondary, e))?;
        let now = self.clock.now();
        self.state(|state| {
            for (arn, address) in [(primary, first), (secondary, second)] {
                state.clusters.insert(
                    arn.to_owned(),
                    aurora::Cluster {
                        arn: arn.to_owned(),
                        status: "available",
                        engine: "aurora-mysql".into(),
                        version: VERSION.into(),
                        database: database.to_owned(),
                        address: Some(address),
                        key: None,
                        iam: false,
                        properties: properties::of_cluster(&Value::Null),
                        tags: BTreeMap::new(),
                        created: now,
                    },
                );
                let instance = arn.replace(":cluster:", ":db:") + "-1";
                state.instances.insert(
                    instance.clone(),
                    aurora::Instance {
                        arn: instance,
                        cluster: arn.to_owned(),
                        class: "db.r6g.large".into(),
                        properties: properties::of_instance(&Value::Null),
                        status: "available",
                        tags: BTreeMap::new(),
                    },
                );
            }
            let member = |arn: &str, is_writer| aurora::GlobalMember {
                arn: arn.to_owned(),
                is_writer,
                synchronization: "connected",
            };
            state.globals.insert(
                id.to_owned(),
                aurora::Global {
                    id: id.to_owned(),
                    engine: "aurora-mysql".into(),
                    members: vec![member(primary, true), member(secondary, false)],
                    operation: None,
                    abandoned: None,
                },
            );
        });
        Ok(())
    }

    /// Cuts a Region off: its services answer nothing, and nothing is replicated out of it or into it. Its database servers
    /// go on.
    pub async fn isolate(self: &Arc<Self>, region: &str) {
        self.sample_lag().await;
        let cut = self.state(|state| {
            state.isolated.insert(region.to_owned());
            let of_region = |arn: &str| aurora::region_of(arn) == region;
            let cut: Vec<String> = state
                .linked()
                .filter(|(secondary, primary)| of_region(secondary) || of_region(primary))
                .map(|(secondary, _)| secondary.clone())
                .filter(|secondary| !state.cut.contains(secondary))
                .collect();
            state.cut.extend(cut.iter().cloned());
            cut
        });
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
        self.say(region, "The Region is back".into());
        self.settle().await;
    }

    /// Whether a Region is cut off.
    pub fn is_isolated(&self, region: &str) -> bool {
        self.state(|state| state.isolated.contains(region))
    }

    /// The Region that the simulated DNS answers with: the first in order of `preference` whose routing control, and with
    /// it its health check, is on.
    pub fn resolve(&self, preference: &[&str]) -> Option<String> {
        self.state(|state| {
            preference.iter().find(|region| state.arc.region_on(region)).map(|region| (*region).to_owned())
        })
    }

    /// Where a cluster's writer listens.
    pub fn cluster_address(&self, arn: &str) -> Option<crate::databases::Address> {
        self.state(|state| state.clusters.get(arn)?.address.clone())
    }

    /// Whether a cluster takes writes: it is no member of a global cluster, or the primary of one. While the roles change
    /// in a switchover, neither of the two takes any ("your database is unavailable for a short time while the primary and
    /// selected secondary clusters are assuming their new roles", RDS API reference, `SwitchoverGlobalCluster`).
    pub fn accepts_writes(&self, arn: &str) -> bool {
        self.state(|state| {
            let switching = |global: &aurora::Global| {
                global.operation.as_ref().is_some_and(|operation| operation.status == "switching-over")
            };
            let refuses = |global: &aurora::Global| {
                let member = global.members.iter().find(|member| member.arn == arn);
                member.is_some_and(|member| !member.is_writer || switching(global))
            };
            state.clusters.contains_key(arn) && !state.globals.values().any(refuses)
        })
    }

    /// The text of a secret.
    pub fn secret(&self, region: &str, name: &str) -> Option<String> {
        self.state(|state| state.secrets.get(&(region.to_owned(), name.to_owned())).cloned())
    }

    /// ARNs of clusters, instances and snapshots that carry a tag, whatever its value.
    pub fn tagged(&self, tag: &str) -> Vec<String> {
        self.state(|state| {
            let clusters = state.clusters.values().map(|c| (&c.arn, &c.tags));
            let instances = state.instances.values().map(|i| (&i.arn, &i.tags));
            let snapshots = state.snapshots.values().map(|s| (&s.arn, &s.tags));
            let all = clusters.chain(instances).chain(snapshots);
            all.filter(|(_, tags)| tags.contains_key(tag)).map(|(arn, _)| arn.clone()).collect()
        })
    }

    /// The tags of an Aurora resource; none when it does not exist.
    pub(crate) fn tags(&self, arn: &str) -> BTreeMap<String, String> {
        let region = aurora::region_of(arn);
        self.state(|state| rds::tags_mut(state, region, arn).map(|tags| tags.clone()).unwrap_or_default())
    }

    /// What was published to topics so far.
    pub fn messages(&self) -> Vec<Message> {
        self.state(|state| state.messages.clone())
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Sets an ARC endpoint's condition; `index` is 0 to 4.
    pub fn arc_endpoint(&self, index: usize, condition: arc::Endpoint) {
        self.state(|state| {
            if let Some(endpoint) = state.arc.endpoints.get_mut(index) {
                *endpoint = condition;
            }
        });
    }

    /// Gives a cluster another engine version, as an upgrade does.
    pub fn set_engine_version(&self, cluster: &str, version: &str) {
        self.state(|state| {
            if let Some(cluster) = state.clusters.get_mut(cluster) {
                cluster.version = version.to_owned();
            }
        });
    }

    /// Whether a cluster lets users in whom IAM vouches for.
    pub fn has_iam(&self, cluster: &str) -> bool {
        self.state(|state| state.clusters.get(cluster).is_some_and(|cluster| cluster.iam))
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
        let key = encrypted.then(|| aws_key(aurora::region_of(cluster)));
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

    /// ARN of the key of a snapshot.
    pub(crate) fn snapshot_key(&self, snapshot: &str) -> Option<String> {
        self.state(|state| state.snapshots.get(snapshot)?.key.clone())
    }

    /// Gives a cluster and each of its instances other properties and tags, by the names of their descriptions.
    pub fn configure(&self, cluster: &str, of_cluster: &Value, of_instances: &Value, tags: &[(&str, &str)]) {
        let tags = || tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let set = |properties: &mut properties::Properties, change: &Value| {
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

    /// Events of RDS so far, with the event ids that EventBridge would carry.
    pub fn rds_events(&self) -> Vec<aurora::RdsEvent> {
        self.state(|state| state.rds_events.clone())
    }

    /// Removes a cluster's instances: the world begins with a headless cluster, which is no change of a state.
    pub fn remove_instances(&self, cluster: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.instances.retain(|_, instance| instance.cluster != cluster);
        state.note_beginning();
    }

    /// Keeps failovers and switchovers from ending (true), or lets them end (false).
    pub fn hold_operations(&self, hold: bool) {
        self.hold.send_replace(hold);
    }

    /// Comes back when operations may end.
    pub(crate) async fn released(&self) {
        let mut held = self.hold.subscribe();
        // The sender lives as long as the world, which the caller holds.
        let _ = held.wait_for(|held| !held).await;
    }

    /// Keeps Aurora from beginning with the snapshot of an old primary whose Region is back (true), or lets it begin (false).
    pub fn hold_recovery(&self, hold: bool) {
        self.hold_recovery.send_replace(hold);
    }

    /// Comes back when an old primary may be recovered.
    pub(crate) async fn recovery_released(&self) {
        let mut held = self.hold_recovery.subscribe();
        // As above.
        let _ = held.wait_for(|held| !held).await;
    }

    /// Lets the automated snapshots expire, as they do some days after they were taken.
    pub fn expire_snapshots(&self) {
        self.state(|state| state.snapshots.retain(|_, snapshot| snapshot.kind != "automated"));
    }

    /// From now on AWS does so where its documents leave it open.
    pub fn set_reading(&self, reading: Reading) {
        self.state(|state| state.reading = reading);
    }

    /// Ends every change that is under way.
    pub fn stop(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    pub(crate) fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Changes are small and don't panic half-way; a poisoned state is as good as any.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        state.note_transitions();
        result
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Notes an event of RDS about the thing with this ARN.
    pub(crate) fn event(&self, arn: &str, source_type: &'static str, id: &'static str, message: String) {
        let (at, region) = (self.clock.now(), aurora::region_of(arn).to_owned());
        self.state(|state| {
            state.rds_events.push(aurora::RdsEvent {
                at,
                region: region.clone(),
                source: aurora::name_of(arn).to_owned(),
                source_type,
                id,
                message: message.clone(),
            });
        });
        if !id.is_empty() {
            let (kind, source_type) = match source_type {
                "cluster-snapshot" => ("RDS DB Cluster Snapshot Event", "CLUSTER_SNAPSHOT"),
                _ => ("RDS DB Cluster Event", "CLUSTER"),
            };
            let detail = json!({
                "EventID": id, "SourceType": source_type, "SourceArn": arn, "SourceIdentifier": aurora::name_of(arn),
                "Date": spoken(at), "Message": message,
            });
            let event = crate::api::event(at, &region, "aws.rds", kind, arn, &detail);
            self.publish(&region, event);
        }
        self.say(&region, message);
    }

    /// Gives EventBridge an event of a Region.
    pub(crate) fn publish(&self, region: &str, event: Value) {
        // Nobody may listen.
        let _ = self.bus.send((region.to_owned(), event));
    }

    /// What EventBridge gets from now on.
    pub fn bus(&self) -> broadcast::Receiver<(String, Value)> {
        self.bus.subscribe()
    }

    pub(crate) fn say(&self, region: &str, text: String) {
        // Nobody may listen.
        let _ = self.events.send(Event { at: self.clock.now(), region: region.to_owned(), text });
    }

    async fn answer(self: &Arc<Self>, call: Call) -> Result<Value, CallError> {
        if call.service != "route53-recovery-cluster" && self.is_isolated(&call.region) {
            return Err(CallError::NoAnswer);
        }
        let answer = self.dispatch(&call);
        match answer {
            // What a required member is missing is called differently in the services that speak JSON.
            Err(CallError::Service(mut error))
                if error.code == "MissingParameter"
                    && !["rds", "monitoring", "sns"].contains(&call.service.as_str()) =>
            {
                error.code = "ValidationException".into();
                Err(error.into())
            }
            answer => answer,
        }
    }

    fn dispatch(self: &Arc<Self>, call: &Call) -> Result<Value, CallError> {
        match call.service.as_str() {
            "rds" => Ok(rds::call(self, call)?),
            "route53-recovery-cluster" => arc::call(self, call),
            "route53-recovery-control-config" => Ok(arc::configuration(self, call)?),
            "kms" => Ok(kms::call(self, call)?),
            "ssm" => Ok(parameters::call(self, call)?),
            "secretsmanager" => Ok(secrets::call(self, call)?),
            "sns" => Ok(sns::call(self, call)?),
            "monitoring" => Ok(monitoring::call(self, call)?),
            "sts" => Ok(sts::call(call)?),
            // The S3 library keeps the objects; it asks here whether it may be reached.
            "s3" => Ok(Value::Null),
            _ => Err(unknown(call).into()),
        }
    }
}

impl Api for Arc<World> {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        self.answer(call).boxed()
    }
}

/// ARN of the key by which RDS encrypts where no other is named, `aws/rds`.
pub(crate) fn aws_key(region: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/aws-rds")
}

/// A time as AWS's APIs say it: to the millisecond.
pub(crate) fn spoken(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The error for what the sandbox does not have.
pub(crate) fn unknown(call: &Call) -> ApiError {
    ApiError::new(
        "UnknownOperationException",
        format!("the sandbox has no operation {} of {}", call.operation, call.service),
    )
}

/// A text member of an input, required.
pub(crate) fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    match input[name].as_str() {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(ApiError::new("MissingParameter", format!("the request must contain the parameter {name}"))),
    }
}

#[cfg(test)]
mod tests;
