//! What is known of an execution, of a machine or of a map's child: its state as Step Functions shows it, and where it is.
//!
//! States: a child is `Pending` until it starts, and `PendingRedrive` from the redrive of its map until it starts again. Then it
//! is `Running`, and ends as one of the others, once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::definition::Program;
use crate::failure::Failure;
use crate::ports::Machine;

/// Status of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A map's child that has not started.
    Pending,
    /// A map's child that has not started again.
    PendingRedrive,
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
    /// It took too long.
    TimedOut,
    /// It was stopped.
    Aborted,
}

impl Status {
    /// As Step Functions names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::PendingRedrive => "PENDING_REDRIVE",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }

    /// Whether it ended, and not well: what a redrive takes up again.
    pub(crate) fn unsuccessful(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Aborted)
    }
}

/// Where an execution is: the state that it is in or that it ended in.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    /// The state.
    pub state: String,
    /// Its raw input.
    pub input: Value,
    /// ARN of the run of its map, once it has one.
    pub map_run: Option<String>,
}

/// What changes of an execution.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub status: Status,
    pub started: Timestamp,
    pub stopped: Option<Timestamp>,
    pub output: Option<Value>,
    pub error: Option<String>,
    pub cause: Option<String>,
    pub redrives: u64,
    pub redriven: Option<Timestamp>,
    pub at: Cursor,
}

/// One execution, as others reach it.
pub(crate) struct Handle {
    pub arn: String,
    pub name: String,
    pub machine: Arc<Machine>,
    /// What it runs.
    pub program: Arc<Program>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    pub input: Value,
    /// ARN of the map's run that it is a child of, and the map's label.
    pub parent: Option<(String, String)>,
    record: Mutex<Record>,
    stopping: watch::Sender<bool>,
    over: watch::Sender<bool>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handle {
    /// An execution of a machine, which nothing runs yet.
    pub fn of_machine(machine: Arc<Machine>, name: &str, input: Value, now: Timestamp) -> Arc<Self> {
        let arn = machine.resource("execution", &format!("{}:{name}", machine.name));
        let (program, timeout) = (Arc::clone(&machine.definition.program), machine.definition.timeout);
        Arc::new(Self::new(arn, name, machine, program, input, now).with(timeout, None))
    }

    /// A child of a map's run.
    pub fn of_map(
        machine: Arc<Machine>,
        program: Arc<Program>,
        (run, label): (&str, &str),
        input: Value,
        now: Timestamp,
    ) -> Arc<Self> {
        let name = uuid::Uuid::new_v4().to_string();
        let arn = machine.resource("execution", &format!("{}/{label}:{name}", machine.name));
        let parent = Some((run.to_owned(), label.to_owned()));
        Arc::new(Self::new(arn, &name, machine, program, input, now).with(None, parent))
    }

    fn new(
        arn: String,
        name: &str,
        machine: Arc<Machine>,
        program: Arc<Program>,
        input: Value,
        now: Timestamp,
    ) -> Self {
        let record = Record {
            status: Status::Pending,
            started: now,
            stopped: None,
            output: None,
            error: None,
            cause: None,
            redrives: 0,
            redriven: None,
            at: Cursor { state: program.start_at.clone(), input: input.clone(), map_run: None },
        };
        Self {
            arn,
            name: name.to_owned(),
            machine,
            program,
            timeout: None,
            input,
            parent: None,
            record: Mutex::new(record),
            stopping: watch::channel(false).0,
            over: watch::channel(true).0,
        }
    }

    fn with(self, timeout: Option<Duration>, parent: Option<(String, String)>) -> Self {
        Self { timeout, parent, ..self }
    }

    /// Changes the record.
    pub fn update<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        change(&mut lock(&self.record))
    }

    /// A copy of the record.
    pub fn now(&self) -> Record {
        lock(&self.record).clone()
    }

    /// Its status.
    pub fn status(&self) -> Status {
        lock(&self.record).status
    }

    /// Begins, or begins again where it ended.
    pub fn begin(&self, now: Timestamp) {
        self.stopping.send_replace(false);
        self.over.send_replace(false);
        self.update(|record| match record.status {
            Status::Pending => (record.status, record.started) = (Status::Running, now),
            _ => {
                (record.status, record.stopped) = (Status::Running, None);
                (record.error, record.cause) = (None, None);
                (record.redrives, record.redriven) = (record.redrives + 1, Some(now));
            }
        });
    }

    /// Ends, unless it has ended already.
    pub fn end(&self, status: Status, outcome: Result<Value, Failure>, now: Timestamp) {
        self.update(|record| {
            if record.status != Status::Running {
                return;
            }
            (record.status, record.stopped) = (status, Some(now));
            match outcome {
                Ok(output) => record.output = Some(output),
                Err(failure) => (record.error, record.cause) = (named(failure.error), named(failure.cause)),
            }
        });
    }

    /// Asks what runs it to stop.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until it is asked to stop.
    pub async fn stopped(&self) {
        // The sender is in the handle that is held here.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Nothing runs it any more.
    pub fn let_go(&self) {
        self.over.send_replace(true);
    }

    /// Waits until nothing runs it.
    pub async fn over(&self) {
        // As above.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// ARN of what it is an execution of: its machine, or the map of it.
    pub fn of(&self) -> String {
        match &self.parent {
            None => self.machine.arn(),
            Some((_, label)) => format!("{}/{label}", self.machine.arn()),
        }
    }

    /// As `DescribeExecution` shows it.
    pub fn json(&self) -> Value {
        let record = self.now();
        let mut shown = json!({
            "executionArn": self.arn,
            "stateMachineArn": self.of(),
            "name": self.name,
            "status": record.status.name(),
            "startDate": record.started.to_string(),
            "input": self.input.to_string(),
            "inputDetails": {"included": true},
            "redriveCount": record.redrives,
        });
        let mut add = |member: &str, value: Option<Value>| {
            if let Some(value) = value {
                shown[member] = value;
            }
        };
        add("stopDate", record.stopped.map(|at| json!(at.to_string())));
        add("redriveDate", record.redriven.map(|at| json!(at.to_string())));
        if let Some(output) = &record.output {
            add("output", Some(json!(output.to_string())));
            add("outputDetails", Some(json!({"included": true})));
        }
        add("error", record.error.map(Value::String));
        add("cause", record.cause.map(Value::String));
        add("mapRunArn", self.parent.as_ref().map(|(run, _)| json!(run)));
        let redrivable = match (record.status.unsuccessful(), &self.parent) {
            (true, None) => "REDRIVABLE",
            (true, Some(_)) => "REDRIVABLE_BY_MAP_RUN",
            (false, _) => "NOT_REDRIVABLE",
        };
        add("redriveStatus", Some(json!(redrivable)));
        if !record.status.unsuccessful() {
            let reason = format!("Execution is {} and cannot be redriven", record.status.name());
            add("redriveStatusReason", Some(json!(reason)));
        }
        shown
    }
}

/// A text that says something.
fn named(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
