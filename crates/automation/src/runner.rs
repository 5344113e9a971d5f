//! One execution, step by step. A step's life is in [`Run::step`]: its inputs are resolved, it is tried as often as it may
//! be, each try within its time, its outputs are selected, and what follows is decided.
//!
//! A cancelled execution ends the step that runs, and goes on with the step's `onCancel`, for two minutes at most (AWS's
//! limit). A run belongs to no other execution and leaves nothing behind but its record.
//!
//! Durations are modelled, divided by the clock's factor, but for those of functions and of people, who take the time that
//! they take: the limit of `aws:invokeLambdaFunction`, the `timeoutSeconds` of that and of what waits for somebody, and the
//! two minutes after a cancellation are real.
//!
//! Assumptions, where AWS documents nothing: a step that runs again loses the outputs of its earlier run first; tries
//! follow each other at once; an output whose value does not fit its `Type` is not there; `isEnd` wins over
//! `onFailure: step:NAME`; `Complete` lets the running step end and then ends the execution.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::actions::{Action, Done, Failure, Inputs};
use super::document::{Document, OnFailure, Step};
use super::execution::{Execution, Parent, Status, StepExecution};
use super::service::{EventKind, Handle, PRINCIPAL, Shared};
use super::types::{text, texts};
use super::{Reading, references};
use crate::clock::Clock;
use crate::ports::Functions;
use crate::ports::{Api, ApiError};

/// How long the steps after a cancellation may take ("onCancel handlers have two minutes").
const ON_CANCEL: Duration = Duration::from_secs(120);
/// No execution runs for ever, even where its document branches back without end.
const MAX_STEPS: usize = 10_000;
/// What SSM shows for a document's output that is not there, as seen in accounts.
const NO_OUTPUT: &str = "No output available yet because the step is not successfully executed";

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
pub(super) enum Stop {
    /// Now.
    Cancel,
    /// After the step that runs.
    Complete,
}

/// How a list of steps ended.
pub(super) enum End {
    /// At its end.
    Finished,
    /// A step inside a loop leads to a step outside it.
    Outside(String, Status, String),
    /// A step stopped it.
    Stopped {
        /// Why.
        status: Status,
        /// In words.
        message: String,
        /// Whether the step says so itself, by its own `onFailure`.
        explicit: bool,
        /// What is to follow a cancellation.
        on_cancel: Option<String>,
    },
}

/// A running execution.
pub(super) struct Run {
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    document: Arc<Document>,
    parameters: BTreeMap<String, Value>,
    variables: BTreeMap<String, Value>,
    /// Latest outputs, by step and name.
    outputs: BTreeMap<(String, String), Value>,
    /// The first critical failure.
    failed: Option<(Status, String)>,
    /// How many steps ran.
    count: usize,
    /// Whether a cancellation's steps run, which can't be cancelled.
    cancelling: bool,
}

/// What follows a step.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The step below.
    On,
    /// This step.
    To(String),
    /// The end.
    End,
    /// The failure ends the list.
    Stop,
}

/// What follows a step that ended. `chosen` is a branch's choice, `inherited` what a step inside a loop says.
fn after(step: &Step, status: Status, chosen: Option<String>, inherited: Option<OnFailure>) -> Next {
    if status == Status::Success {
        // A branch with isEnd goes where a choice leads that holds, and ends if none does (AWS's example of isEnd).
        return match chosen {
            Some(target) => Next::To(target),
            None if step.is_end => Next::End,
            None => step.next_step.clone().map_or(Next::On, Next::To),
        };
    }
    match inherited.or_else(|| step.on_failure.clone()).unwrap_or(OnFailure::Abort) {
        OnFailure::Abort => Next::Stop,
        _ if step.is_end => Next::End,
        OnFailure::Continue => Next::On,
        OnFailure::Step(target) => Next::To(target),
    }
}

impl Run {
    pub fn new(
        shared: Arc<Shared>,
        handle: Arc<Handle>,
        document: Arc<Document>,
        parameters: BTreeMap<String, Value>,
    ) -> Self {
        let variables = &document.variables;
        let variables = variables
            .iter()
            .filter_map(|(name, variable)| Some((name.clone(), variable.default.clone()?)))
            .collect();
        let outputs = BTreeMap::new();
        Self {
            shared,
            handle,
            document,
            parameters,
            variables,
            outputs,
            failed: None,
            count: 0,
            cancelling: false,
        }
    }

    /// Runs the document to its end and writes down how it ended.
    pub async fn execute(mut self) {
        let document = Arc::clone(&self.document);
        let end = self.steps(&document.steps, None).await;
        let (mut status, mut message) = match end {
            End::Finished => (Status::Success, None),
            End::Outside(target, ..) => (Status::Failed, Some(format!("there is no step {target}"))),
            End::Stopped { status: Status::Cancelled, message, on_cancel, .. } => {
                if let Some(target) = on_cancel
                    && let Some(index) = document.steps.iter().position(|step| step.name == target)
                {
                    self.cancelling = true;
                    // Cut off at the limit, as AWS does: what follows is left undone.
                    let _ =
                        tokio::time::timeout(ON_CANCEL, self.steps_from(&document.steps, index, None)).await;
                }
                (Status::Cancelled, Some(message))
            }
            End::Stopped { status, message, .. } => (status, Some(message)),
        };
        if status != Status::Cancelled
            && let Some((failed, why)) = self.failed.take()
        {
            // A critical failure stays one, wherever the steps led afterwards. The first one says why.
            status = if status == Status::Success { failed } else { status };
            message = Some(why);
        }
        let outputs = self
            .document
            .outputs
            .iter()
            .map(|name| (name.clone(), self.lookup(name).map_or_else(no_output, |value| texts(&value))))
            .collect();
        let now = self.clock().now();
        // A step that the two minutes cut off has no end of its own.
        self.close(0, Status::Cancelled);
        self.handle.update(|execution| {
            execution.status = status;
            execution.failure_message = message;
            execution.outputs = outputs;
            execution.ended = Some(now);
        });
        self.shared.tell(&self.handle, None, EventKind::ExecutionEnded(status));
        self.handle.end();
    }

    /// Runs steps from the first on.
    pub async fn steps(&mut self, steps: &[Step], parent: Option<&Parent>) -> End {
        self.steps_from(steps, 0, parent).await
    }

    async fn steps_from(&mut self, steps: &[Step], mut index: usize, parent: Option<&Parent>) -> End {
        while let Some(step) = steps.get(index) {
            match self.handle.stop().filter(|_| !self.cancelling) {
                Some(Stop::Cancel) => return cancelled("cancelled".to_owned(), step.on_cancel.clone()),
                Some(Stop::Complete) => return End::Finished,
                None => {}
            }
            self.count += 1;
            if self.count > MAX_STEPS {
                let message =
                    format!("ended after {MAX_STEPS} steps: the document branches back without end");
                return End::Stopped { status: Status::Failed, message, explicit: true, on_cancel: None };
            }
            let (status, message, next) = match self.step(step, parent).await {
                Ok(done) => (Status::Success, String::new(), after(step, Status::Success, done.next, None)),
                Err(failure) if failure.status == Status::Cancelled => {
                    return cancelled(failure.message, failure.on_cancel.or_else(|| step.on_cancel.clone()));
                }
                Err(failure) => {
                    let message = format!("step {}: {}", step.name, failure.message);
                    let ends = self.reading().refused_approval_ends_execution
                        && matches!(step.action, Action::Approve);
                    let next =
                        if ends { Next::Stop } else { after(step, failure.status, None, failure.inherited) };
                    // Without an onFailure of its own, a step inside a loop leaves the decision to the loop.
                    let undecided =
                        parent.is_some() && step.on_failure.is_none() && step.is_critical.is_none();
                    if step.critical() && !undecided && self.failed.is_none() {
                        self.failed = Some((failure.status, message.clone()));
                    }
                    (failure.status, message, next)
                }
            };
            match next {
                Next::On => index += 1,
                Next::End => return End::Finished,
                Next::To(target) => match steps.iter().position(|step| step.name == target) {
                    Some(found) => index = found,
                    None => return End::Outside(target, status, message),
                },
                Next::Stop => {
                    return End::Stopped {
                        status,
                        message,
                        explicit: step.on_failure.is_some(),
                        on_cancel: None,
                    };
                }
            }
        }
        End::Finished
    }

    /// One step, from its inputs to its end.
    async fn step(&mut self, step: &Step, parent: Option<&Parent>) -> Result<Done, Failure> {
        let inputs = self.inputs(step);
        let number = self.begin(step, parent, &inputs);
        // Whoever follows the events can act before the step does anything.
        tokio::task::yield_now().await;
        self.outputs.retain(|(of, _), _| *of != step.name);
        let tried = Box::pin(self.tries(number, step, &inputs)).await;
        let (status, message) = match &tried {
            Ok(done) => {
                for (name, value) in done.outputs.clone().into_iter().chain(selected(step, done)) {
                    self.set_output(&step.name, &name, value);
                }
                (Status::Success, None)
            }
            Err(failure) => {
                for (name, value) in &failure.outputs {
                    self.set_output(&step.name, name, value.clone());
                }
                (failure.status, Some(failure.message.clone()))
            }
        };
        self.finish(number, step, status, message);
        tried
    }

    /// Tries a step as often as it may be tried. A time limit counts as a failure once the tries are used up.
    async fn tries(&mut self, number: usize, step: &Step, inputs: &Inputs) -> Result<Done, Failure> {
        let function = matches!(step.action, Action::InvokeLambdaFunction);
        let limit = match (step.timeout, step.action.default_timeout()) {
            // AWS's limit for functions can't be raised, only lowered.
            (Some(own), Some(most)) if function => Some(own.min(most)),
            (own, default) => own.or(default),
        };
        let real = function || matches!(step.action, Action::Approve | Action::Pause);
        let mut left = step.max_attempts.max(1);
        loop {
            let mut stopped = self.handle.stopped();
            // A loop is not cancelled from here: the step inside it is, which names what is to follow.
            let watched = !self.cancelling && !matches!(step.action, Action::Loop(_));
            let cancelled = async {
                if !watched || stopped.wait_for(|stop| *stop == Some(Stop::Cancel)).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let clock = self.clock();
            let timed_out = async {
                match limit {
                    Some(limit) if real => tokio::time::sleep(limit).await,
                    Some(limit) => clock.sleep(limit).await,
                    None => std::future::pending().await,
                }
            };
            let result = tokio::select! {
                biased;
                () = cancelled => Err(Failure::with(Status::Cancelled, format!("cancelled during step {}", step.name))),
                result = step.action.run(self, step, inputs) => result,
                () = timed_out => {
                    let seconds = limit.unwrap_or_default().as_secs();
                    Err(Failure::with(Status::TimedOut, format!("no end within {seconds} s")))
                }
            };
            self.handle.signals.send_replace(Signals::default());
            if let Err(failure) = &result {
                // What a loop was doing when its time was up.
                self.close(number + 1, failure.status);
            }
            left -= 1;
            match result {
                Err(failure) if left > 0 && failure.status != Status::Cancelled => {
                    tracing::debug!(step = step.name, message = failure.message, "tried again");
                }
                other => return other,
            }
        }
    }

    /// Ends what is recorded as running, from a step's number on.
    fn close(&self, from: usize, status: Status) {
        let now = self.clock().now();
        self.handle.update(|execution| {
            for step in execution.steps.iter_mut().skip(from).filter(|step| !step.status.ended()) {
                step.status = status;
                step.ended = Some(now);
            }
        });
    }

    fn inputs(&self, step: &Step) -> Inputs {
        let resolve = |(key, value): (&String, &Value)| {
            let value = if step.is_nested(key) {
                value.clone()
            } else {
                references::resolve(value, &|name| self.lookup(name))
            };
            let parsed = self.reading().json_text_is_parsed && key == "InputPayload";
            (key.clone(), if parsed { references::parsed(&value) } else { value })
        };
        step.inputs.iter().map(resolve).collect()
    }

    /// The value of a reference; `None` when there is none (yet).
    pub fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(variable) = name.strip_prefix("variable:") {
            return self.variables.get(variable).cloned();
        }
        let now = || self.clock().now();
        let system = match name {
            "global:ACCOUNT_ID" => self.shared.environment.account.clone(),
            "global:AWS_PARTITION" => "aws".to_owned(),
            "global:REGION" => self.region().to_owned(),
            "global:DATE" => now().strftime("%Y-%m-%d").to_string(),
            "global:DATE_TIME" => now().strftime("%Y-%m-%d_%H.%M.%S").to_string(),
            "automation:EXECUTION_ID" => self.handle.id.clone(),
            _ => {
                return match name.split_once('.') {
                    Some((step, output)) => self.outputs.get(&(step.to_owned(), output.to_owned())).cloned(),
                    None => self.parameters.get(name).cloned(),
                };
            }
        };
        Some(Value::String(system))
    }

    /// Sets an output of a step.
    pub fn set_output(&mut self, step: &str, name: &str, value: Value) {
        self.outputs.insert((step.to_owned(), name.to_owned()), value);
    }

    /// Sets a variable, named `variable:NAME`.
    ///
    /// # Errors
    /// When there is none of this name, or the value has another type.
    pub fn set_variable(&mut self, name: &str, value: Value) -> Result<(), String> {
        let plain = name.strip_prefix("variable:").unwrap_or(name);
        let variable =
            self.document.variables.get(plain).ok_or_else(|| format!("there is no variable {plain}"))?;
        // AWS: "data type conversions aren't supported".
        if !variable.r#type.holds(&value) {
            return Err(format!("{plain} takes a {}, not {value}", variable.r#type.name()));
        }
        variable.check(&value)?;
        self.variables.insert(plain.to_owned(), value);
        Ok(())
    }

    /// Makes the step that runs wait for what somebody says: approvers, or with none of them a signal to resume.
    pub fn wait_for_signals(&mut self, approvers: Vec<String>) -> watch::Receiver<Signals> {
        let waiting = if approvers.is_empty() { Some(Waiting::Resume) } else { Some(Waiting::Approval) };
        self.handle.signals.send_replace(Signals { waiting, approvers, ..Signals::default() });
        self.handle.update(|execution| {
            execution.status = Status::Waiting;
            if let Some(step) = execution.steps.last_mut() {
                step.status = Status::Waiting;
            }
        });
        self.handle.signals.subscribe()
    }

    /// Starts another document for this execution.
    ///
    /// # Errors
    /// As `StartAutomationExecution`.
    pub fn start_child(
        &self,
        document: &str,
        parameters: BTreeMap<String, Vec<String>>,
    ) -> Result<Arc<Handle>, ApiError> {
        self.shared.start(self.region(), document, parameters, &self.principal(), Some(&self.handle))
    }

    /// Whether the execution is to end after the step that runs.
    pub fn is_completing(&self) -> bool {
        self.handle.stop() == Some(Stop::Complete)
    }

    /// The services.
    ///
    /// # Errors
    /// When the sandbox was not put together.
    pub fn api(&self) -> Result<Arc<dyn Api>, String> {
        self.shared.api().ok_or_else(|| "the sandbox has no services".to_owned())
    }

    /// Who calls what the steps call: the ARN of the role that the document assumes.
    pub fn principal(&self) -> String {
        let role = self.document.assume_role.clone().map(Value::String);
        let role = role.map(|role| text(&references::resolve(&role, &|name| self.lookup(name))));
        role.unwrap_or_else(|| PRINCIPAL.to_owned())
    }

    /// The functions.
    pub fn functions(&self) -> Arc<dyn Functions> {
        Arc::clone(&self.shared.environment.functions)
    }

    /// The Region.
    pub fn region(&self) -> &str {
        &self.handle.region
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.shared.environment.clock
    }

    /// How what is open is read.
    pub fn reading(&self) -> Reading {
        self.shared.environment.reading
    }

    fn begin(&self, step: &Step, parent: Option<&Parent>, inputs: &Inputs) -> usize {
        let shown: Map<String, Value> = inputs
            .iter()
            .filter(|(key, _)| !step.is_nested(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let entry = StepExecution {
            id: uuid::Uuid::new_v4().to_string(),
            name: step.name.clone(),
            action: step.action.name(),
            status: Status::InProgress,
            started: self.clock().now(),
            ended: None,
            inputs: shown,
            outputs: BTreeMap::new(),
            failure_message: None,
            on_failure: step.on_failure.as_ref().map_or_else(|| "Abort".to_owned(), ToString::to_string),
            next_step: step.next_step.clone(),
            is_end: step.is_end,
            is_critical: step.critical(),
            max_attempts: step.max_attempts,
            timeout_seconds: step
                .timeout
                .or_else(|| step.action.default_timeout())
                .map(|limit| limit.as_secs()),
            parent: parent.cloned(),
        };
        let number = self.handle.update(|execution| {
            execution.steps.push(entry);
            execution.steps.len() - 1
        });
        self.shared.tell(&self.handle, Some(step), EventKind::StepStarted);
        number
    }

    fn finish(&self, number: usize, step: &Step, status: Status, message: Option<String>) {
        let now = self.clock().now();
        let of_step = self.outputs.iter().filter(|((of, _), _)| *of == step.name);
        let outputs: BTreeMap<String, Value> =
            of_step.map(|((_, name), value)| (name.clone(), value.clone())).collect();
        let detail = message.clone().or_else(|| outputs.get("reason").map(text)).unwrap_or_default();
        self.handle.update(|execution: &mut Execution| {
            execution.status = Status::InProgress;
            if let Some(entry) = execution.steps.get_mut(number) {
                entry.status = status;
                entry.ended = Some(now);
                entry.outputs = outputs;
                entry.failure_message = message;
            }
        });
        self.shared.tell(&self.handle, Some(step), EventKind::StepEnded(status, detail));
    }
}

fn no_output() -> Vec<String> {
    vec![NO_OUTPUT.to_owned()]
}

fn cancelled(message: String, on_cancel: Option<String>) -> End {
    End::Stopped { status: Status::Cancelled, message, explicit: true, on_cancel }
}

/// The outputs that a step declares. One whose selector finds nothing, or not what its type says, is not there.
fn selected(step: &Step, done: &Done) -> Vec<(String, Value)> {
    let select = |output: &super::document::Output| {
        let found = output.selector.query(&done.result).all();
        let value =
            if output.many { found.into_iter().cloned().collect() } else { (*found.first()?).clone() };
        Some((output.name.clone(), output.r#type.convert(&value)?))
    };
    step.outputs.iter().filter_map(select).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(keys: &str) -> Step {
        let text = format!(
            "schemaVersion: '0.3'\nmainSteps:\n- name: s\n  action: aws:sleep\n{keys}\n  inputs: {{Duration: PT1S}}\n\
             - name: other\n  action: aws:sleep\n  inputs: {{Duration: PT1S}}\n"
        );
        Document::parse("t.yaml", &text).unwrap().steps.remove(0)
    }

    #[test]
    fn what_follows_a_step() {
        let to = |name: &str| Next::To(name.to_owned());
        let cases = [
            ("", Status::Success, None, Next::On),
            ("  nextStep: other", Status::Success, None, to("other")),
            ("  nextStep: other", Status::Success, Some("chosen"), to("chosen")),
            ("  isEnd: true", Status::Success, None, Next::End),
            ("  isEnd: true", Status::Success, Some("chosen"), to("chosen")),
            ("", Status::Failed, None, Next::Stop),
            ("  nextStep: other", Status::Failed, None, Next::Stop),
            ("  onFailure: Abort", Status::TimedOut, None, Next::Stop),
            ("  onFailure: Continue", Status::Failed, None, Next::On),
            ("  onFailure: step:other", Status::Failed, None, to("other")),
            ("  onFailure: step:other", Status::TimedOut, None, to("other")),
            ("  isEnd: true", Status::Failed, None, Next::Stop),
            ("  isEnd: true\n  onFailure: Continue", Status::Failed, None, Next::End),
            ("  isEnd: true\n  onFailure: step:other", Status::Failed, None, Next::End),
        ];
        for (keys, status, chosen, expected) in cases {
            let found = after(&step(keys), status, chosen.map(ToOwned::to_owned), None);
            assert_eq!(found, expected, "{keys:?} {status:?} {chosen:?}");
        }
        let inherited = Some(OnFailure::Step("inner".to_owned()));
        assert_eq!(after(&step("  onFailure: Continue"), Status::Failed, None, inherited), to("inner"));
    }

    #[test]
    fn what_is_critical() {
        assert!(step("").critical());
        assert!(step("  onFailure: step:other").critical());
        assert!(!step("  onFailure: Continue").critical());
        assert!(step("  onFailure: Continue\n  isCritical: true").critical());
        assert!(!step("  isCritical: false").critical());
    }
}
