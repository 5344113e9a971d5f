//! All that the world is, at one moment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::experiment::{Experiment, Template};
use super::model::{Cluster, Global, Instance, Operation, PlanExecution, RdsEvent, Snapshot, region_of};
use super::reading::Reading;
use super::routing::Arcs;

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

/// A parameter of Systems Manager.
pub(crate) struct Parameter {
    pub(crate) value: String,
    pub(crate) version: u64,
    pub(crate) modified: Timestamp,
}

/// All of the world's state.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) reading: Reading,
    pub(crate) globals: BTreeMap<String, Global>,
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    pub(crate) rds_events: Vec<RdsEvent>,
    pub(crate) isolated: BTreeSet<String>,
    /// Secondaries whose link was cut.
    pub(crate) cut: BTreeSet<String>,
    pub(crate) arc: Arcs,
    pub(crate) parameters: BTreeMap<(String, String), Parameter>,
    pub(crate) secrets: BTreeMap<(String, String), String>,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) messages: Vec<Message>,
    /// States of metric alarms, by Region and name.
    pub(crate) alarms: BTreeMap<(String, String), String>,
    pub(crate) lags: BTreeMap<String, Vec<(Timestamp, f64)>>,
    /// Quotas of RDS that are not the default ones, by Region and name.
    pub(crate) quotas: BTreeMap<(String, String), i64>,
    /// Lags that are not measured but given, and those that can't be known.
    pub(crate) fixed_lags: BTreeMap<String, Option<f64>>,
    /// Rules of EventBridge that could not invoke a target, by Region and name.
    pub(crate) failed_rules: BTreeSet<(String, String)>,
    /// Composite alarms by Region and name.
    pub(crate) composite_alarms: BTreeSet<(String, String)>,
    /// Executions of ARC Region switch, by plan and id.
    pub(crate) plan_executions: BTreeMap<(String, String), PlanExecution>,
    /// Experiment templates of FIS, and the experiments that were started from them, by id.
    pub(crate) experiment_templates: BTreeMap<String, Template>,
    pub(crate) experiments: BTreeMap<String, Experiment>,
}

impl State {
    /// ARNs of the secondaries that can follow their primary: neither of the two Regions is cut off, and no failover runs.
    pub(in crate::world) fn following(&self) -> impl Iterator<Item = &String> {
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
    pub(in crate::world) fn set_members(
        &mut self,
        operation: &Operation,
        status: &'static str,
        [from, to]: [&'static str; 2],
    ) {
        for arn in [&operation.from, &operation.to] {
            if let Some(cluster) = self.clusters.get_mut(arn) {
                cluster.status = status;
            }
            let instances = self.instances.values_mut().filter(|one| one.cluster == *arn);
            instances.filter(|one| one.status == from).for_each(|one| one.status = to);
        }
    }

    /// The two clusters of an operation are as they were before it.
    pub(in crate::world) fn release_members(&mut self, operation: &Operation) {
        self.set_members(operation, "available", ["rebooting", "available"]);
    }

    /// Secondaries with a link to their primary, cut or not, and their primary. One that has to be rebuilt has none.
    pub(in crate::world) fn linked(&self) -> impl Iterator<Item = (&String, &str)> {
        self.globals.values().flat_map(|global| {
            let primary = global.writer().unwrap_or_default();
            let secondaries =
                global.members.iter().filter(|m| !m.is_writer && m.synchronization == "connected");
            secondaries.map(move |member| (&member.arn, primary))
        })
    }
}
