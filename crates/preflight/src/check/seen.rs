//! What a check was asked for and what it has seen, before anything is decided.

use std::collections::BTreeMap;

use runbook::aurora::{Cluster, GlobalCluster, Instance};
use runbook::lag::Lag;
use runbook::lock::Lock;
use runbook::plan::Engine;
use runbook::record::{FailoverRecord, ReconciliationRecord, SwitchoverRecord};
use runbook::step::{Mode, Trigger};

use crate::asking::Answer;
use crate::event::Cooldown;
use crate::evidence::Evidence;
use crate::traffic::States;

/// The move that was asked for.
#[derive(Debug, Clone)]
pub struct MoveAsked<'a> {
    /// The Region that is to take over.
    pub target: &'a str,
    /// The Region to leave.
    pub other: &'a str,
    /// How.
    pub mode: Mode,
    /// Who started it.
    pub trigger: Trigger,
    /// Whether the cooldown holds.
    pub cooldown: Cooldown,
}

/// Everything that was seen.
#[derive(Debug, Clone)]
pub struct CheckSeen {
    /// By database.
    pub databases: BTreeMap<String, DatabaseSeen>,
    /// What each ARC endpoint answered, by its Region.
    pub arc: BTreeMap<String, Answer<States>>,
    /// The record of the last failover in the target Region's bucket.
    pub record: Answer<Option<FailoverRecord>>,
    /// That in the other Region's bucket.
    pub other_record: Answer<Option<FailoverRecord>>,
    /// The records of the last switchover in the two buckets, the target's first.
    pub switchovers: [Answer<Option<SwitchoverRecord>>; 2],
    /// The record of the last reconciliation in the other Region's bucket; read for a switchover only.
    pub reconciliation: Answer<Option<ReconciliationRecord>>,
    /// What the signals say; empty when they were not asked.
    pub evidence: Evidence,
    /// The lock of another execution.
    pub locked: Option<Lock>,
}

/// What was seen of a database.
#[derive(Debug, Clone)]
pub struct DatabaseSeen {
    /// Its engine, from the plan.
    pub engine: Engine,
    /// ARN of the target's cluster, from the plan.
    pub target_arn: String,
    /// The global cluster.
    pub global: GlobalCluster,
    /// The target's cluster.
    pub target: Option<Cluster>,
    /// The target's instances.
    pub instances: Vec<Instance>,
    /// The cluster in the other Region.
    pub other: Answer<Option<Cluster>>,
    /// Replication lag; `None` when CloudWatch has no value.
    pub lag: Answer<Option<Lag>>,
}
