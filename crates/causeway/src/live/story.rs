//! What has happened so far: where the drill is, the runbooks with their steps, events of the world, and the end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automation::{Event, EventKind, Status};
use jiff::Timestamp;
use tokio::sync::broadcast::Receiver;

use crate::broadcast::next;

/// Events of the world that are kept.
const KEPT: usize = 12;

/// A step of a runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// When it began.
    pub began: Timestamp,
    /// How it ended and how long that took; `None` while it runs.
    pub ended: Option<(Status, Duration)>,
    /// What it said.
    pub said: String,
}

/// An execution of a runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// Its execution's id.
    pub execution: String,
    /// The document's name.
    pub name: String,
    /// Where it runs.
    pub region: String,
    /// Its steps so far, without branches and waits.
    pub steps: Vec<Step>,
    /// How it ended.
    pub ended: Option<Status>,
}

/// A write that was confirmed, such as an order, and is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct LostWrite {
    /// What it is called: an order's id.
    pub name: String,
    /// What it was: what an order came to.
    pub what: String,
    /// When it was confirmed, since they started.
    pub at: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct End {
    /// The verdict.
    pub verdict: String,
    /// Whether it is a good one.
    pub good: bool,
    /// What was lost: what; how much really, as reported, of that in doubt, and wrongly.
    pub lost: Vec<(String, usize, usize, usize, usize)>,
    /// What customers saw.
    pub customers: Vec<String>,
    /// Files beside this page: a label and a name.
    pub links: Vec<(String, String)>,
}

/// What is known of it at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    /// Where it is, in a sentence.
    pub headline: String,
    /// The runbooks, the newest last.
    pub runbooks: Vec<Runbook>,
    /// Events, the newest first: when, where, what.
    pub events: VecDeque<(Timestamp, String, String)>,
    /// What a person can do, a line each.
    pub instructions: Vec<String>,
    /// Writes that were confirmed and are missing.
    pub lost: Vec<LostWrite>,
    /// The end.
    pub end: Option<End>,
}

/// What has happened so far, shared.
#[derive(Debug, Default)]
pub struct Story(Mutex<Told>);

impl Story {
    /// What is known now.
    pub fn told(&self) -> Told {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says where it is.
    pub fn headline(&self, text: impl Into<String>) {
        self.change(|told| told.headline = text.into());
    }

    /// Says what a person can do.
    pub fn instruct(&self, lines: Vec<String>) {
        self.change(|told| told.instructions = lines);
    }

    /// Says which writes were confirmed and are missing.
    pub fn lost(&self, writes: Vec<LostWrite>) {
        self.change(|told| told.lost = writes);
    }

    /// Says how it ended.
    pub fn end(&self, end: End) {
        self.change(|told| told.end = Some(end));
    }

    /// Says how an execution stands now.
    pub fn runbook(&self, runbook: Runbook) {
        self.change(|told| match told.runbooks.iter_mut().find(|one| one.execution == runbook.execution) {
            Some(known) => *known = runbook,
            None => told.runbooks.push(runbook),
        });
    }

    fn change(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Follows the world until it is gone.
    pub async fn follow_world(self: Arc<Self>, mut events: Receiver<sandbox::world::Event>) {
        while let Some(event) = next(&mut events).await {
            self.change(|told| {
                told.events.push_front((event.at, event.region, event.text));
                told.events.truncate(KEPT);
            });
        }
    }

    /// Follows the runbooks until there can be none.
    pub async fn follow_runbooks(self: Arc<Self>, mut events: Receiver<Event>) {
        while let Some(event) = next(&mut events).await {
            // Branches and sleeps are nothing to look at.
            if !["aws:branch", "aws:sleep"].contains(&event.action) {
                self.change(|told| told.note(event));
            }
        }
    }
}

impl Told {
    fn note(&mut self, event: Event) {
        let place = self.runbooks.iter().position(|runbook| runbook.execution == event.execution);
        let place = place.unwrap_or_else(|| {
            self.runbooks.push(Runbook {
                execution: event.execution.clone(),
                name: event.document.trim_start_matches("causeway-").to_owned(),
                region: event.region.clone(),
                steps: Vec::new(),
                ended: None,
            });
            self.runbooks.len() - 1
        });
        let runbook = &mut self.runbooks[place];
        match (event.step, event.kind) {
            (Some(name), EventKind::StepStarted) => {
                // One that looks again and again is one step.
                let again = runbook.steps.last_mut().filter(|step| step.name == name);
                match again {
                    Some(step) => step.ended = None,
                    None => {
                        runbook.steps.push(Step { name, began: event.at, ended: None, said: String::new() });
                    }
                }
            }
            (Some(name), EventKind::StepEnded(status, said)) => {
                if let Some(step) = runbook.steps.iter_mut().rfind(|step| step.name == name) {
                    let took = Duration::try_from(step.began.duration_until(event.at)).unwrap_or_default();
                    (step.ended, step.said) = (Some((status, took)), said);
                }
            }
            (_, EventKind::ExecutionEnded(status)) => runbook.ended = Some(status),
            (None, _) => {}
        }
    }
}
