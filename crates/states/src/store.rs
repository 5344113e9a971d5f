//! All executions and runs of maps, and what they run in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::execution::{Handle, lock};
use crate::map_run::MapRun;
use crate::ports::Environment;

/// What all executions share.
pub(crate) struct Host {
    pub environment: Environment,
    executions: Mutex<BTreeMap<String, Arc<Handle>>>,
    map_runs: Mutex<Vec<Arc<MapRun>>>,
}

impl Host {
    /// No execution yet.
    pub fn new(environment: Environment) -> Self {
        Self { environment, executions: Mutex::default(), map_runs: Mutex::default() }
    }

    /// The execution of an ARN.
    pub fn execution(&self, arn: &str) -> Option<Arc<Handle>> {
        lock(&self.executions).get(arn).cloned()
    }

    /// Adds an execution, unless there is one of this ARN: that is answered.
    pub fn add(&self, handle: &Arc<Handle>) -> Option<Arc<Handle>> {
        let mut executions = lock(&self.executions);
        let there = executions.get(&handle.arn).cloned();
        if there.is_none() {
            executions.insert(handle.arn.clone(), Arc::clone(handle));
        }
        there
    }

    /// The run of an ARN.
    pub fn map_run(&self, arn: &str) -> Option<Arc<MapRun>> {
        lock(&self.map_runs).iter().find(|run| run.arn == arn).cloned()
    }

    /// The runs of an execution's maps, in their order.
    pub fn map_runs(&self, execution: &str) -> Vec<Arc<MapRun>> {
        lock(&self.map_runs).iter().filter(|run| run.execution == execution).cloned().collect()
    }

    /// Adds a run of a map.
    pub fn add_map_run(&self, run: &Arc<MapRun>) {
        lock(&self.map_runs).push(Arc::clone(run));
    }
}
