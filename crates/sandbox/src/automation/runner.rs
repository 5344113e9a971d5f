//! One execution, step by step. A step's life is in [`Run::step`]: its inputs are resolved, it is tried as often as it may
//! be, each try within its time, its outputs are selected, and what follows is decided.
//!
//! A cancelled execution ends the step that runs, and goes on with the step's `onCancel`, for two minutes at most (AWS's
//! limit). A run belongs to no other execution and leaves nothing behind but its record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::actions::{Action, Done, Failure, Inputs};
use super::document::{Document, OnFailure, Step};
use super::execution::{Execution, Parent, Status, StepExecution};
use super::service::{EventKind, Handle, Shared};
use super::{Reading, references};
use crate::clock::Clock;
use crate::functions::Functions;
use crate::world::{Api, ApiError};

/// How long the steps after a cancellation may take ("onCancel handlers have two minutes").
const ON_CANCEL: Duration = Duration::from_secs(120);

/// What somebody has said to a step that waits.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Those who may answer; anyone when empty.
    pub approvers: Vec<String>,
    /// Who approved or rejected.
    pub decisions: BTreeMap<String, Decision>,
    /// Whether a paused step may go on.
    pub resumed: bool,
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
}

/// What follows a step.
enum Next {
    /// The step below.
    On,
    /// This step.
    To(String),
    /// The end.
    End,
    /// The failure ends the list.
    Stop(Status, String, bool, Option<String>),
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
        Self { shared, handle, document, parameters, variables, outputs: BTreeMap::new(), failed: None }
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
                    self.handle.clear_stop();
                    let limit = self.clock().compressed(ON_CANCEL);
                    // Cut off at the limit, as AWS does: what follows is left undone.
                    let _ = tokio::time::timeout(limit, self.steps_from(&document.steps, index, None)).await;
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
            .filter_map(|name| Some((name.clone(), super::types::texts(&self.lookup(name)?))));
        let outputs = outputs.collect();
        let now = self.clock().now();
        self.handle.update(|execution| {
            execution.status = status;
            execution.failure_message = message;
            execution.outputs = outputs;
            execution.ended = Some(now);
            // A step that the two minutes cut off has no end of its own.
            for step in execution.steps.iter_mut().filter(|step| !step.status.ended()) {
                step.status = Status::Cancelled;
                step.ended = Some(now);
            }
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
            let next = match self.handle.stop() {
                Some(Stop::Cancel) => {
                    Next::Stop(Status::Cancelled, "cancelled".into(), true, step.on_cancel.clone())
                }
                Some(Stop::Complete) => Next::End,
                None => Box::pin(self.step(step, parent)).await,
            };
            match next {
                Next::On => index += 1,
                Next::End => return End::Finished,
                Next::To(target) => match steps.iter().position(|step| step.name == target) {
                    Some(found) => index = found,
                    None => {
                        let (status, message) =
                            self.failed.clone().unwrap_or((Status::Failed, String::new()));
                        return End::Outside(target, status, message);
                    }
                },
                Next::Stop(status, message, explicit, on_cancel) => {
                    return End::Stopped { status, message, explicit, on_cancel };
                }
            }
        }
        End::Finished
    }

    /// One step, from its inputs to what follows it.
    async fn step(&mut self, step: &Step, parent: Option<&Parent>) -> Next {
        let inputs = self.inputs(step);
        let number = self.begin(step, parent, &inputs);
        self.outputs.retain(|(of, _), _| *of != step.name);
        let tried = self.tries(step, &inputs).await;
        let (status, message, next) = match tried {
            Ok(done) => {
                let outputs = selected(step, &done);
                for (name, value) in done.outputs.into_iter().chain(outputs) {
                    self.set_output(&step.name, &name, value);
                }
                let next = match done.next.or_else(|| step.next_step.clone()) {
                    _ if step.is_end => Next::End,
                    Some(target) => Next::To(target),
                    None => Next::On,
                };
                (Status::Success, None, next)
            }
            Err(failure) => {
                for (name, value) in &failure.outputs {
                    self.set_output(&step.name, name, value.clone());
                }
                (failure.status, Some(failure.message.clone()), self.after_failure(step, failure))
            }
        };
        self.finish(number, step, status, message);
        next
    }

    /// What follows a failure, and whether it makes the execution fail.
    fn after_failure(&mut self, step: &Step, failure: Failure) -> Next {
        if failure.status == Status::Cancelled {
            return Next::Stop(
                Status::Cancelled,
                failure.message,
                true,
                failure.on_cancel.or_else(|| step.on_cancel.clone()),
            );
        }
        let message = format!("step {}: {}", step.name, failure.message);
        if step.critical() && self.failed.is_none() {
            self.failed = Some((failure.status, message.clone()));
        }
        let explicit = step.on_failure.is_some();
        match failure.inherited.or_else(|| step.on_failure.clone()).unwrap_or(OnFailure::Abort) {
            OnFailure::Abort => Next::Stop(failure.status, message, explicit, None),
            _ if step.is_end => Next::End,
            OnFailure::Continue => Next::On,
            OnFailure::Step(target) => Next::To(target),
        }
    }

    /// Tries a step as often as it may be tried. A time limit counts as a failure once the tries are used up.
    async fn tries(&mut self, step: &Step, inputs: &Inputs) -> Result<Done, Failure> {
        let limit = step.timeout.or_else(|| step.action.default_timeout()).map(|limit| match step.action {
            // Functions run in real time.
            Action::InvokeLambdaFunction => limit,
            _ => self.clock().compressed(limit),
        });
        let mut stopped = self.handle.stopped();
        let mut left = step.max_attempts.max(1);
        loop {
            let trying = async {
                match limit {
                    Some(limit) => {
                        match tokio::time::timeout(limit, step.action.run(self, step, inputs)).await {
                            Ok(result) => result,
                            Err(_) => Err(Failure::with(
                                Status::TimedOut,
                                format!("no end within {} s", limit.as_secs_f64()),
                            )),
                        }
                    }
                    None => step.action.run(self, step, inputs).await,
                }
            };
            let result = tokio::select! {
                result = trying => result,
                _ = stopped.wait_for(|stop| *stop == Some(Stop::Cancel)) => {
                    return Err(Failure::with(Status::Cancelled, "cancelled"));
                }
            };
            left -= 1;
            match result {
                Err(failure) if left > 0 && failure.status != Status::Cancelled => {
                    tracing::debug!(step = step.name, message = failure.message, "tried again");
                }
                other => return other,
            }
        }
    }

    fn inputs(&self, step: &Step) -> Inputs {
        let resolve = |(key, value): (&String, &Value)| {
            let value = if step.is_nested(key) {
                value.clone()
            } else {
                references::resolve(value, &|name| self.lookup(name))
            };
            (key.clone(), value)
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
            "global:ACCOUNT_ID" => crate::ACCOUNT.to_owned(),
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
        let value = variable
            .r#type
            .convert(&value)
            .ok_or_else(|| format!("{plain} takes a {}, not {value}", variable.r#type.name()))?;
        variable.check(&value)?;
        self.variables.insert(plain.to_owned(), value);
        Ok(())
    }

    /// Makes the step that runs wait for what somebody says.
    pub fn wait_for_signals(&mut self, approvers: Vec<String>) -> watch::Receiver<Signals> {
        self.handle.signals.send_replace(Signals { approvers, ..Signals::default() });
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
        self.shared.start(self.region(), document, parameters, super::service::PRINCIPAL, Some(&self.handle))
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
        self.shared.api.get().cloned().ok_or_else(|| "the sandbox has no services".to_owned())
    }

    /// The functions.
    pub fn functions(&self) -> Arc<dyn Functions> {
        Arc::clone(&self.shared.functions)
    }

    /// The Region.
    pub fn region(&self) -> &str {
        &self.handle.region
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// How what is open is read.
    pub fn reading(&self) -> Reading {
        self.shared.reading
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
        let detail =
            message.clone().or_else(|| outputs.get("reason").map(super::types::text)).unwrap_or_default();
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
