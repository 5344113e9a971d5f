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
mod controls;
pub mod durations;
mod kms;
mod monitoring;
pub(crate) mod parameters;
mod properties;
mod rds;
mod reading;
mod secrets;
mod setup;
mod sns;
mod sts;
pub mod transitions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

pub(crate) use rds::key_arn;
pub use reading::{LagDimensions, Reading};
pub(crate) use secrets::secret_arn;
pub use setup::SetupError;

use crate::account::ACCOUNT;
use crate::api::{Api, ApiError, Call, CallError};
use crate::databases::Servers;
use automation::clock::Clock;

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
    /// Itself, for the tasks that its calls start.
    this: Weak<Self>,
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
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
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

    /// Whether a cluster lets users in whom IAM vouches for.
    pub fn has_iam(&self, cluster: &str) -> bool {
        self.state(|state| state.clusters.get(cluster).is_some_and(|cluster| cluster.iam))
    }

    /// ARN of the key of a snapshot.
    pub(crate) fn snapshot_key(&self, snapshot: &str) -> Option<String> {
        self.state(|state| state.snapshots.get(snapshot)?.key.clone())
    }

    /// Events of RDS so far, with the event ids that EventBridge would carry.
    pub fn rds_events(&self) -> Vec<aurora::RdsEvent> {
        self.state(|state| state.rds_events.clone())
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

    fn answer(self: &Arc<Self>, call: &Call) -> Result<Value, CallError> {
        if call.service != "route53-recovery-cluster" && self.is_isolated(&call.region) {
            return Err(CallError::NoAnswer);
        }
        let answer = self.dispatch(call);
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

impl Api for World {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        let this = self.this.upgrade();
        async move {
            // Whoever calls holds the world, so it is there.
            this.ok_or(CallError::NoAnswer)?.answer(&call)
        }
        .boxed()
    }
}

/// ARN of the key by which RDS encrypts where no other is named, `aws/rds`.
pub(crate) fn aws_key(region: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/aws-rds")
}

/// A time as AWS's APIs write it: RFC 3339, to the millisecond.
pub(crate) fn aws_time(time: Timestamp) -> String {
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
