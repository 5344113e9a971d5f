//! One execution as others reach it: its record, what it waits for, how it is asked to end, and what happens in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};

use crate::execution::{Execution, Status};
use crate::step::Step;

/// What happens in an execution, for a live timeline.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The execution.
    pub execution: String,
    /// Region it runs in.
    pub region: String,
    /// Name of its document.
    pub document: String,
    /// The step, if it is about one.
    pub step: Option<String>,
    /// The step's action; empty without a step.
    pub action: &'static str,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A step started.
    StepStarted,
    /// A step ended, with its reason or failure.
    StepEnded(Status, String),
    /// The execution ended.
    ExecutionEnded(Status),
}

/// What somebody has said to a step that waits.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// What the step waits for; `None` when none waits.
    pub waiting: Option<Waiting>,
    /// Those who may answer.
    pub approvers: Vec<String>,
    /// Who approved or rejected.
    pub decisions: BTreeMap<String, Decision>,
    /// Whether a paused step may go on.
    pub resumed: bool,
}

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The approvers.
    Approval,
    /// A signal to resume.
    Resume,
}

/// An answer to a request for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Approved or rejected.
    pub approved: bool,
    /// What was said with it.
    pub comment: String,
}

/// How an execution is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Now.
    Cancel,
    /// After the step that runs.
    Complete,
}

/// One execution, as others can reach it.
pub(crate) struct Handle {
    pub id: String,
    pub region: String,
    /// How many documents deep, from 1.
    pub level: usize,
    execution: Mutex<Execution>,
    pub signals: watch::Sender<Signals>,
    stop: watch::Sender<Option<Stop>>,
    over: watch::Sender<bool>,
    parent: Option<Arc<Handle>>,
    events: broadcast::Sender<Event>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handle {
    /// A new execution, which nothing runs yet.
    pub fn new(
        execution: Execution,
        parent: Option<&Arc<Self>>,
        events: broadcast::Sender<Event>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: execution.id.clone(),
            region: execution.region.clone(),
            level: parent.map_or(1, |parent| parent.level + 1),
            execution: Mutex::new(execution),
            signals: watch::channel(Signals::default()).0,
            stop: watch::channel(None).0,
            over: watch::channel(false).0,
            parent: parent.cloned(),
            events,
        })
    }

    /// Reports what happened; nobody may listen.
    pub fn report(&self, at: Timestamp, step: Option<&Step>, kind: EventKind) {
        let _ = self.events.send(Event {
            at,
            execution: self.id.clone(),
            region: self.region.clone(),
            document: self.update(|execution| execution.document.clone()),
            step: step.map(|step| step.name.clone()),
            action: step.map_or("", |step| step.action.name()),
            kind,
        });
    }

    /// Asks it to end.
    pub fn ask(&self, stop: Stop) {
        self.stop.send_replace(Some(stop));
    }

    /// Changes the record.
    pub fn update<T>(&self, change: impl FnOnce(&mut Execution) -> T) -> T {
        change(&mut lock(&self.execution))
    }

    /// A copy of the record.
    pub fn now(&self) -> Execution {
        lock(&self.execution).clone()
    }

    /// How it is asked to end.
    pub fn stop(&self) -> Option<Stop> {
        *self.stop.borrow()
    }

    /// Watches how it is asked to end.
    pub fn stopped(&self) -> watch::Receiver<Option<Stop>> {
        self.stop.subscribe()
    }

    /// Marks it as over.
    pub fn end(&self) {
        self.over.send_replace(true);
    }

    /// Waits for its end. When the caller goes away the execution is cancelled only if it is a child: see [`ChildGuard`].
    pub async fn ended(self: &Arc<Self>) -> Execution {
        let guard = self.parent.is_some().then(|| ChildGuard(Arc::clone(self)));
        let mut over = self.over.subscribe();
        // The sender is in the handle that is held here.
        let _ = over.wait_for(|over| *over).await;
        drop(guard);
        self.now()
    }
}

/// Cancels a child whose parent's step is dropped: cancelled, or out of time.
struct ChildGuard(Arc<Handle>);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        if !*self.0.over.borrow() {
            self.0.ask(Stop::Cancel);
        }
    }
}
