//! The world itself: its state behind a lock, its clock, its servers, its tasks, and what it tells.
//!
//! The lock is never held across a wait. The services, and what changes with time, are functions and methods above this module.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use automation::clock::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use super::durations::UNDER_WAY;
use super::model::{Global, RdsEvent, name_of, region_of};
use super::state::{Message, State};
use super::transitions::{Noted, Transition};
use crate::account::{ACCOUNT, REGIONS};
use crate::api::aws_time;
use crate::databases::{Address, Servers};

/// How long a write to a global table is under way. The same in each world: nothing here is drawn anew.
fn under_way(clock: Clock) -> dynamodb::Delay {
    let [smallest, largest] = UNDER_WAY.map(|time| clock.compressed(time));
    dynamodb::Delay { smallest, largest, seed: 0 }
}

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

/// The world. Always behind an `Arc`: its changes in time are tasks that hold it; [`World::stop`] ends them.
pub struct World {
    /// Itself, for the tasks that its calls start.
    this: Weak<Self>,
    pub(crate) clock: Clock,
    pub(crate) servers: Arc<dyn Servers>,
    /// The state, and how Aurora's things have changed in it.
    state: Mutex<(State, Noted)>,
    events: broadcast::Sender<Event>,
    /// What EventBridge gets: Region and event.
    bus: broadcast::Sender<(String, Value)>,
    tasks: Mutex<JoinSet<()>>,
    hold: tokio::sync::watch::Sender<bool>,
    hold_recovery: tokio::sync::watch::Sender<bool>,
    pub(crate) tables: dynamodb::Tables,
}

impl World {
    /// An empty world.
    pub fn new(clock: Clock, servers: Arc<dyn Servers>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            clock,
            servers,
            state: Mutex::new((State::default(), Noted::default())),
            events: broadcast::channel(1_024).0,
            bus: broadcast::channel(1_024).0,
            tasks: Mutex::new(JoinSet::new()),
            hold: tokio::sync::watch::channel(false).0,
            hold_recovery: tokio::sync::watch::channel(false).0,
            tables: dynamodb::Tables::new(&REGIONS, ACCOUNT, under_way(clock)),
        })
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

    /// Whether a Region's routing control is on.
    pub fn has_traffic(&self, region: &str) -> bool {
        self.state(|state| state.arc.region_on(region))
    }

    /// How far a secondary is behind its primary, in milliseconds; `None` of a primary, and where the link is cut.
    pub async fn lag_millis(&self, cluster: &str) -> Option<f64> {
        let follows = self.state(|state| state.following().any(|arn| arn == cluster));
        if follows { self.servers.lag_millis(cluster).await } else { None }
    }

    /// How many writes to global tables of DynamoDB have not reached the other Region.
    pub fn late_writes(&self, region: &str) -> usize {
        self.tables.waiting(region, self.clock.now()).writes
    }

    /// Where a cluster's writer listens.
    pub fn cluster_address(&self, arn: &str) -> Option<Address> {
        self.state(|state| state.clusters.get(arn)?.address.clone())
    }

    /// Whether a cluster takes writes: it is no member of a global cluster, or the primary of one. While the roles change
    /// in a switchover, neither of the two takes any ("your database is unavailable for a short time while the primary and
    /// selected secondary clusters are assuming their new roles", RDS API reference, `SwitchoverGlobalCluster`).
    pub fn accepts_writes(&self, arn: &str) -> bool {
        self.state(|state| {
            let switching = |global: &Global| {
                global.operation.as_ref().is_some_and(|operation| operation.status == "switching-over")
            };
            let refuses = |global: &Global| {
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

    /// What was published to topics so far.
    pub fn messages(&self) -> Vec<Message> {
        self.state(|state| state.messages.clone())
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Whether a cluster lets users in whom IAM vouches for.
    pub fn has_iam(&self, cluster: &str) -> bool {
        self.state(|state| state.clusters.get(cluster).is_some_and(|cluster| cluster.iam))
    }

    /// ARN of the key of a snapshot.
    pub(crate) fn snapshot_key(&self, snapshot: &str) -> Option<String> {
        self.state(|state| state.snapshots.get(snapshot)?.key.clone())
    }

    /// Events of RDS so far, with the event ids that EventBridge would carry.
    pub fn rds_events(&self) -> Vec<RdsEvent> {
        self.state(|state| state.rds_events.clone())
    }

    /// Itself, for the tasks that a call starts; none once nobody holds it.
    pub(super) fn this(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    /// Keeps failovers and switchovers from ending (true), or lets them end (false).
    pub fn hold_operations(&self, hold: bool) {
        self.hold.send_replace(hold);
    }

    /// Keeps Aurora from beginning with the snapshot of an old primary whose Region is back (true), or lets it begin (false).
    pub fn hold_recovery(&self, hold: bool) {
        self.hold_recovery.send_replace(hold);
    }

    /// Waits until operations may end.
    pub(crate) async fn released(&self) {
        let mut held = self.hold.subscribe();
        // The sender lives as long as the world, which the caller holds.
        let _ = held.wait_for(|held| !held).await;
    }

    /// Waits until an old primary may be recovered.
    pub(crate) async fn recovery_released(&self) {
        let mut held = self.hold_recovery.subscribe();
        // As above.
        let _ = held.wait_for(|held| !held).await;
    }

    /// Ends every change that is under way.
    pub fn stop(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Reads or changes the state, and notes how Aurora's things have changed by it.
    pub(crate) fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.locked(|state, noted| {
            let result = change(state);
            noted.look(state);
            result
        })
    }

    /// Changes the state into what the world begins with: that is no change of Aurora's things.
    pub(super) fn begin_with(&self, change: impl FnOnce(&mut State)) {
        self.locked(|state, noted| {
            change(state);
            noted.begin(state);
        });
    }

    /// Every change of a state so far.
    pub fn transitions(&self) -> BTreeSet<Transition> {
        self.locked(|_, noted| noted.transitions().clone())
    }

    fn locked<T>(&self, work: impl FnOnce(&mut State, &mut Noted) -> T) -> T {
        // Changes are small and don't panic half-way; a poisoned state is as good as any.
        let mut locked = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, noted) = &mut *locked;
        work(state, noted)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Notes an event of RDS about the thing with this ARN.
    pub(crate) fn event(&self, arn: &str, source_type: &'static str, id: &'static str, message: String) {
        let (at, region) = (self.clock.now(), region_of(arn).to_owned());
        self.state(|state| {
            state.rds_events.push(RdsEvent {
                at,
                region: region.clone(),
                source: name_of(arn).to_owned(),
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
                "EventID": id, "SourceType": source_type, "SourceArn": arn, "SourceIdentifier": name_of(arn),
                "Date": aws_time(at), "Message": message,
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
}
