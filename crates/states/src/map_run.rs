//! What is known of a run of a map: its children in the order of their items, and how many are how far.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::execution::{Handle, Status, lock};
use crate::failure::Failure;

/// A run of a distributed map.
pub(crate) struct MapRun {
    pub arn: String,
    /// ARN of the execution that it belongs to.
    pub execution: String,
    /// ARN of the map.
    pub of: String,
    /// How many children run at once.
    pub concurrency: u64,
    pub started: Timestamp,
    /// In the order of the items.
    pub children: Vec<Arc<Handle>>,
    record: Mutex<Record>,
}

/// What changes of it.
#[derive(Debug, Clone)]
struct Record {
    status: Status,
    stopped: Option<Timestamp>,
    redrives: u64,
    redriven: Option<Timestamp>,
}

impl MapRun {
    /// A run that begins now.
    pub fn new(
        arn: String,
        parent: &Handle,
        label: &str,
        concurrency: u64,
        children: Vec<Arc<Handle>>,
        now: Timestamp,
    ) -> Arc<Self> {
        let record = Record { status: Status::Running, stopped: None, redrives: 0, redriven: None };
        let (execution, of) = (parent.arn.clone(), format!("{}/{label}", parent.machine.arn()));
        Arc::new(Self { arn, execution, of, concurrency, started: now, children, record: Mutex::new(record) })
    }

    /// Begins again, with the children that did not succeed.
    pub fn redrive(&self, now: Timestamp) {
        for child in &self.children {
            child.update(|record| {
                if record.status.unsuccessful() {
                    record.status = Status::PendingRedrive;
                }
            });
        }
        let mut record = lock(&self.record);
        let redrives = record.redrives + 1;
        *record = Record { status: Status::Running, stopped: None, redrives, redriven: Some(now) };
    }

    /// Ends, unless it has ended already. The children that run are aborted; those that have not begun are left as they are.
    pub fn end(&self, status: Status, now: Timestamp) {
        let mut record = lock(&self.record);
        if record.status != Status::Running {
            return;
        }
        (record.status, record.stopped) = (status, Some(now));
        for child in &self.children {
            child.end(Status::Aborted, Err(Failure::new("", "")), now);
            child.update(|record| {
                if record.status == Status::PendingRedrive {
                    record.status = Status::Aborted;
                }
            });
            child.let_go();
        }
    }

    /// How many of its children have one of these statuses.
    fn count(&self, status: Status) -> usize {
        self.children.iter().filter(|child| child.status() == status).count()
    }

    /// As `DescribeMapRun` shows it.
    pub fn json(&self) -> Value {
        // An item is a child: there are no batches.
        let counts = json!({
            "pending": self.count(Status::Pending),
            "pendingRedrive": self.count(Status::PendingRedrive),
            "running": self.count(Status::Running),
            "succeeded": self.count(Status::Succeeded),
            "failed": self.count(Status::Failed),
            "timedOut": self.count(Status::TimedOut),
            "aborted": self.count(Status::Aborted),
            "total": self.children.len(),
            "resultsWritten": 0,
            "failuresNotRedrivable": 0,
        });
        let record = lock(&self.record).clone();
        let mut shown = json!({
            "mapRunArn": self.arn,
            "executionArn": self.execution,
            "status": record.status.name(),
            "startDate": self.started.to_string(),
            "maxConcurrency": self.concurrency,
            "toleratedFailurePercentage": 0.0,
            "toleratedFailureCount": 0,
            "itemCounts": counts,
            "executionCounts": counts,
            "redriveCount": record.redrives,
        });
        for (member, at) in [("stopDate", record.stopped), ("redriveDate", record.redriven)] {
            if let Some(at) = at {
                shown[member] = json!(at.to_string());
            }
        }
        shown
    }

    /// As `ListMapRuns` shows it.
    pub fn summary(&self) -> Value {
        let mut shown = json!({
            "mapRunArn": self.arn,
            "executionArn": self.execution,
            "stateMachineArn": self.of,
            "startDate": self.started.to_string(),
        });
        if let Some(at) = lock(&self.record).stopped {
            shown["stopDate"] = json!(at.to_string());
        }
        shown
    }
}
