//! Experiments of FIS and the templates that they are started from: their states, and how the API shows them.
//!
//! An experiment is `pending`, `initiating` and `running`, and then `completed`; or it is `stopping` and `stopped`, at any of these; or
//! it has `failed`. So are its actions, but that those are `cancelled` that never began. Each change is refused, by `false`, where the
//! state is not the one that it leads out of: what was to end an experiment that was stopped meanwhile changes nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::account::ACCOUNT;
use crate::api::aws_time;

/// The action that pauses the replication of a table to and from the other Regions.
pub(super) const PAUSE: &str = "aws:dynamodb:global-table-pause-replication";

/// The action that takes the routes to another Region out of subnets.
pub(super) const DISRUPT: &str = "aws:network:route-table-disrupt-cross-region-connectivity";

/// Why an experiment is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// By `StopExperiment`.
    Asked,
    /// An alarm of its stop conditions.
    Condition,
}

/// An experiment template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(super) id: String,
    pub(super) region: String,
    /// Description, targets, actions, stop conditions, role, options and tags, as the API has them.
    pub(super) definition: Value,
    pub(super) created: Timestamp,
}

/// How an action, or a whole experiment, is.
#[derive(Debug, Clone)]
struct Progress {
    status: &'static str,
    reason: String,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// An experiment.
#[derive(Debug, Clone)]
pub(crate) struct Experiment {
    pub(super) id: String,
    /// The template, as it was.
    pub(super) template: Template,
    /// What was asked for when it was started.
    pub(super) request: Value,
    created: Timestamp,
    progress: Progress,
    /// Where and of which kind its failure was.
    error: Option<Value>,
    actions: BTreeMap<String, Progress>,
}

impl Template {
    /// What people call it: its tag `Name`, as the console does, or its id.
    pub(super) fn name(&self) -> &str {
        self.definition["tags"]["Name"].as_str().unwrap_or(&self.id)
    }

    /// Its actions by name.
    pub(super) fn actions(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.definition["actions"].as_object().into_iter().flatten()
    }

    /// ARNs of the alarms of its stop conditions.
    pub(super) fn alarms(&self) -> impl Iterator<Item = &str> {
        let conditions = self.definition["stopConditions"].as_array().into_iter().flatten();
        conditions.filter_map(|condition| condition["value"].as_str())
    }

    /// ARNs of the resources that an action finds under a name of its targets.
    pub(super) fn targets(&self, action: &Value, name: &str) -> Vec<&str> {
        let target = action["targets"][name].as_str().unwrap_or_default();
        let arns = self.definition["targets"][target]["resourceArns"].as_array();
        arns.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn arn(&self) -> String {
        format!("arn:aws:fis:{}:{ACCOUNT}:experiment-template/{}", self.region, self.id)
    }

    /// As `GetExperimentTemplate` has it.
    pub(super) fn shown(&self) -> Value {
        let mut shown = self.summary();
        shown.extend(self.definition.as_object().cloned().unwrap_or_default());
        Value::Object(shown)
    }

    /// As a list has it.
    pub(super) fn summary(&self) -> Map<String, Value> {
        let changed = aws_time(self.created);
        members(json!({
            "id": self.id,
            "arn": self.arn(),
            "description": self.definition["description"],
            "creationTime": changed,
            "lastUpdateTime": changed,
            "tags": self.definition["tags"],
        }))
    }
}

impl Progress {
    /// Of what is new.
    fn new(reason: &str) -> Self {
        Self { status: "pending", reason: reason.into(), started: None, ended: None }
    }

    fn set(&mut self, status: &'static str, reason: &str) {
        self.status = status;
        self.reason = reason.to_owned();
    }

    fn end(&mut self, status: &'static str, reason: &str, now: Timestamp) {
        self.set(status, reason);
        self.ended = Some(now);
    }

    fn state(&self) -> Value {
        json!({"status": self.status, "reason": self.reason})
    }

    fn times(&self) -> Map<String, Value> {
        members(json!({"startTime": self.started.map(aws_time), "endTime": self.ended.map(aws_time)}))
    }
}

/// Changes. The reasons are AWS's where its documents show them.
impl Experiment {
    pub(super) fn new(id: String, template: Template, request: Value, now: Timestamp) -> Self {
        let actions =
            template.actions().map(|(name, _)| (name.clone(), Progress::new("Initial state."))).collect();
        let progress = Progress::new("Experiment is pending.");
        Self { id, template, request, created: now, progress, error: None, actions }
    }

    pub(super) fn initiate(&mut self, now: Timestamp) -> bool {
        if self.progress.status != "pending" {
            return false;
        }
        self.progress.set("initiating", "Experiment is initiating.");
        self.progress.started = Some(now);
        true
    }

    /// Its actions begin, all at once; or it ends, where it was started without them.
    pub(super) fn run(&mut self, now: Timestamp) -> bool {
        if self.progress.status != "initiating" {
            return false;
        }
        let skips = self.mode() == "skip-all";
        for action in self.actions.values_mut() {
            if skips {
                action.set("skipped", "Action was skipped.");
            } else {
                action.set("running", "Action is running.");
                action.started = Some(now);
            }
        }
        self.progress.set("running", "Experiment is running.");
        self.complete(now);
        true
    }

    /// An action has lasted as long as it was to; with the last one, the experiment ends.
    pub(super) fn end_action(&mut self, name: &str, now: Timestamp) -> bool {
        let Some(action) = self.actions.get_mut(name).filter(|action| action.status == "running") else {
            return false;
        };
        action.end("completed", "Action was completed.", now);
        self.complete(now);
        true
    }

    fn complete(&mut self, now: Timestamp) {
        if !self.actions.values().any(|action| action.status == "running") {
            self.progress.end("completed", "Experiment completed.", now);
        }
    }

    /// It fails before any action begins.
    pub(super) fn fail(&mut self, action: &str, code: &str, reason: &str, now: Timestamp) -> bool {
        if self.progress.status != "initiating" {
            return false;
        }
        for (name, state) in &mut self.actions {
            if name == action {
                state.end("failed", reason, now);
            } else {
                state.set("cancelled", "Action was cancelled.");
            }
        }
        self.error =
            Some(json!({"accountId": ACCOUNT, "code": code, "location": format!("actions/{action}")}));
        self.progress.end("failed", reason, now);
        true
    }

    pub(super) fn stop(&mut self, why: Stop) -> bool {
        if !["pending", "initiating", "running"].contains(&self.progress.status) {
            return false;
        }
        let (whole, part) = match why {
            Stop::Asked => ("Stopping Experiment.", "Stopping action."),
            Stop::Condition => {
                ("Experiment halted by stop condition.", "Action was halted by stop condition.")
            }
        };
        self.progress.set("stopping", whole);
        let running = self.actions.values_mut().filter(|action| action.status == "running");
        running.for_each(|action| action.set("stopping", part));
        true
    }

    /// What was being stopped is so: its actions have taken back what they did.
    pub(super) fn stopped(&mut self, why: Stop, now: Timestamp) -> bool {
        if self.progress.status != "stopping" {
            return false;
        }
        let (whole, part) = match why {
            Stop::Asked => ("Experiment stopped.", "Action was stopped."),
            Stop::Condition => {
                ("Experiment halted by stop condition.", "Action was halted by stop condition.")
            }
        };
        for action in self.actions.values_mut() {
            match action.status {
                "stopping" => action.end("stopped", part, now),
                "pending" => action.set("cancelled", "Action was cancelled."),
                _ => {}
            }
        }
        self.progress.end("stopped", whole, now);
        true
    }
}

/// Questions.
impl Experiment {
    pub(super) fn status(&self) -> &'static str {
        self.progress.status
    }

    pub(super) fn reason(&self) -> &str {
        &self.progress.reason
    }

    /// Whether nothing of it changes any more.
    pub(super) fn is_over(&self) -> bool {
        ["completed", "stopped", "failed"].contains(&self.progress.status)
    }

    /// The names of its actions that run.
    pub(super) fn running(&self) -> Vec<&str> {
        let running = self.actions.iter().filter(|(_, action)| action.status == "running");
        running.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether it keeps the tables of a Region apart from those of the others.
    pub(super) fn pauses_replication(&self, region: &str) -> bool {
        self.template.region == region
            && self.template.actions().any(|(name, action)| {
                let acts = |of: &Progress| ["running", "stopping"].contains(&of.status);
                action["actionId"] == PAUSE && self.actions.get(name).is_some_and(acts)
            })
    }

    /// Whether an alarm is one of its stop conditions.
    pub(super) fn is_guarded_by(&self, alarm: &str) -> bool {
        self.template.alarms().any(|arn| arn == alarm)
    }

    fn mode(&self) -> &str {
        self.request["experimentOptions"]["actionsMode"].as_str().unwrap_or("run-all")
    }

    /// As a list has it.
    pub(super) fn summary(&self) -> Map<String, Value> {
        let mut state = self.progress.state();
        if let Some(error) = &self.error {
            state["error"] = error.clone();
        }
        let mut options = self.template.definition["experimentOptions"].clone();
        options["actionsMode"] = self.mode().into();
        members(json!({
            "id": self.id,
            "arn": format!("arn:aws:fis:{}:{ACCOUNT}:experiment/{}", self.template.region, self.id),
            "experimentTemplateId": self.template.id,
            "state": state,
            "creationTime": aws_time(self.created),
            "tags": self.request["tags"].as_object().cloned().unwrap_or_default(),
            "experimentOptions": options,
        }))
    }

    /// As `GetExperiment` has it.
    pub(super) fn shown(&self) -> Value {
        let mut shown = self.summary();
        for name in ["roleArn", "targets", "stopConditions", "logConfiguration"] {
            if let Some(of_template) = self.template.definition.get(name) {
                shown.insert(name.into(), of_template.clone());
            }
        }
        let action = |(name, definition): (&String, &Value)| {
            let mut action = members(definition.clone());
            if let Some(progress) = self.actions.get(name) {
                action.insert("state".into(), progress.state());
                action.extend(progress.times());
            }
            (name.clone(), Value::Object(action))
        };
        shown.insert("actions".into(), self.template.actions().map(action).collect::<Map<_, _>>().into());
        shown.extend(self.progress.times());
        Value::Object(shown)
    }
}

/// The members of an object that have a value.
fn members(value: Value) -> Map<String, Value> {
    let Value::Object(mut all) = value else { return Map::new() };
    all.retain(|_, one| !one.is_null());
    all
}
