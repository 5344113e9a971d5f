//! One execution, step by step. A step's life is in [`Runner::step`]: its inputs are resolved, it is tried as often as it may
//! be, each try within its time, its outputs are selected, and what follows is decided.
//!
//! A cancelled execution ends the step that runs, and continues with the step's `onCancel`, for two minutes at most (AWS's
//! limit). A run belongs to no other execution and leaves nothing behind but its record.
//!
//! Durations are modelled, divided by the clock's factor, but for those of functions and of people, who take the time that
//! they take: the limit of `aws:invokeLambdaFunction`, the `timeoutSeconds` of that, of a state machine and of what waits for
//! somebody, and the two minutes after a cancellation are real.
//!
//! Assumptions, where AWS documents nothing: a step that runs again loses the outputs of its earlier run first; tries
//! follow each other at once; an output whose value does not fit its `Type` is not there; `isEnd` wins over
//! `onFailure: step:NAME`; `Complete` lets the running step end and then ends the execution.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::actions::{
    approve, assert_aws_resource_property, branch, execute_automation, execute_aws_api,
    execute_state_machine, invoke_lambda_function, loop_steps, pause, sleep, update_variable,
    wait_for_aws_resource_property,
};
use crate::execution::{Execution, Parent, Status, StepExecution};
use crate::handle::{EventKind, Signals, Stop};
use crate::outcome::{Done, Failure, Inputs};
use crate::run::Run;
use crate::step::{Action, Loop, OnFailure, Output, Step};
use crate::types::{text, texts};

/// How long the steps after a cancellation may take ("onCancel handlers have two minutes").
const ON_CANCEL: Duration = Duration::from_secs(120);
/// No execution runs for ever, even where its document branches back without end.
const MAX_STEPS: usize = 10_000;
/// What SSM shows for a document's output that is not there, as seen in accounts.
const NO_OUTPUT: &str = "No output available yet because the step is not successfully executed";

/// How a list of steps ended.
enum End {
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

/// Runs an execution.
pub(crate) struct Runner {
    run: Run,
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

impl Runner {
    /// The runner of an execution that is about to begin.
    pub fn new(run: Run) -> Self {
        Self { run, failed: None, count: 0, cancelling: false }
    }

    /// Runs the document to its end and writes down how it ended.
    pub async fn execute(mut self) {
        let document = Arc::clone(&self.run.document);
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
            .run
            .document
            .outputs
            .iter()
            .map(|name| (name.clone(), self.run.lookup(name).map_or_else(no_output, |value| texts(&value))))
            .collect();
        let now = self.run.clock().now();
        // A step that the two minutes cut off has no end of its own.
        self.close(0, Status::Cancelled);
        self.run.handle.update(|execution| {
            execution.status = status;
            execution.failure_message = message;
            execution.outputs = outputs;
            execution.ended = Some(now);
        });
        self.run.handle.report(self.run.clock().now(), None, EventKind::ExecutionEnded(status));
        self.run.handle.end();
    }

    /// Runs steps from the first on.
    async fn steps(&mut self, steps: &[Step], parent: Option<&Parent>) -> End {
        self.steps_from(steps, 0, parent).await
    }

    async fn steps_from(&mut self, steps: &[Step], mut index: usize, parent: Option<&Parent>) -> End {
        while let Some(step) = steps.get(index) {
            match self.run.handle.stop().filter(|_| !self.cancelling) {
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
                    let message = failure.message.clone();
                    let ends = self.run.reading().refused_approval_ends_execution
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
        let inputs = self.run.inputs(step);
        let number = self.begin(step, parent, &inputs);
        // Whoever follows the events can act before the step does anything.
        tokio::task::yield_now().await;
        self.run.forget_outputs(&step.name);
        let tried = Box::pin(self.tries(number, step, &inputs)).await;
        let (status, message) = match &tried {
            Ok(done) => {
                for (name, value) in done.outputs.clone().into_iter().chain(selected(step, done)) {
                    self.run.set_output(&step.name, &name, value);
                }
                (Status::Success, None)
            }
            Err(failure) => {
                for (name, value) in &failure.outputs {
                    self.run.set_output(&step.name, name, value.clone());
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
        let real =
            function || matches!(step.action, Action::Approve | Action::ExecuteStateMachine | Action::Pause);
        let mut left = step.max_attempts.max(1);
        loop {
            let mut stopped = self.run.handle.stopped();
            // A loop is not cancelled from here: the step inside it is, which names what is to follow.
            let watched = !self.cancelling && !matches!(step.action, Action::Loop(_));
            let cancelled = async {
                if !watched || stopped.wait_for(|stop| *stop == Some(Stop::Cancel)).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let clock = self.run.clock();
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
                result = self.act(step, inputs) => result,
                () = timed_out => {
                    let seconds = limit.unwrap_or_default().as_secs();
                    Err(Failure::with(Status::TimedOut, format!("no end within {seconds} s")))
                }
            };
            self.run.handle.signals.send_replace(Signals::default());
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

    /// Runs one try of a step's action.
    async fn act(&mut self, step: &Step, inputs: &Inputs) -> Result<Done, Failure> {
        let run = &mut self.run;
        match &step.action {
            Action::Approve => approve::run(run, inputs).await,
            Action::AssertAwsResourceProperty => assert_aws_resource_property::run(run, inputs).await,
            Action::Branch(choices) => branch::run(choices, run),
            Action::ExecuteAutomation => execute_automation::run(run, inputs).await,
            Action::ExecuteAwsApi => execute_aws_api::run(run, inputs).await,
            Action::ExecuteStateMachine => execute_state_machine::run(run, inputs).await,
            Action::InvokeLambdaFunction => invoke_lambda_function::run(run, inputs).await,
            Action::Loop(repeat) => self.repeat(repeat, step, inputs).await,
            Action::Pause => pause::run(run).await,
            Action::Sleep => sleep::run(run, inputs).await,
            // A document with one is not started.
            Action::Unsupported(action) => Err(Failure::new(format!("{} is not supported", action.name))),
            Action::UpdateVariable => update_variable::run(run, inputs),
            Action::WaitForAwsResourceProperty => wait_for_aws_resource_property::run(run, inputs).await,
        }
    }

    /// Runs the steps of a loop, as often as it says.
    async fn repeat(&mut self, repeat: &Loop, step: &Step, inputs: &Inputs) -> Result<Done, Failure> {
        let items = loop_steps::items(repeat, inputs)?;
        let most =
            items.as_ref().map_or(repeat.max_iterations, |items| items.len().min(repeat.max_iterations));
        for iteration in 0..most {
            let item = items.as_ref().and_then(|items| items.get(iteration)).map(text);
            self.run.set_output(&step.name, "CurrentIteration", Value::from(iteration + 1));
            if let Some(item) = &item {
                self.run.set_output(&step.name, "CurrentIteratorValue", Value::String(item.clone()));
            }
            let parent = Parent { step: step.name.clone(), iteration: iteration + 1, item };
            match Box::pin(self.steps(&repeat.steps, Some(&parent))).await {
                End::Finished => {}
                End::Outside(target, status, message) => {
                    let inherited = Some(OnFailure::Step(target));
                    return Err(Failure { inherited, ..Failure::with(status, message) });
                }
                End::Stopped { status: Status::Cancelled, message, on_cancel, .. } => {
                    return Err(Failure { on_cancel, ..Failure::with(Status::Cancelled, message) });
                }
                End::Stopped { status, message, explicit, .. } => {
                    let inherited = explicit.then_some(OnFailure::Abort);
                    return Err(Failure { inherited, ..Failure::with(status, message) });
                }
            }
            if self.run.is_completing() {
                break;
            }
            if let Some(condition) = &repeat.condition
                && !condition.holds(&|name| self.run.lookup(name))?
            {
                break;
            }
        }
        Ok(Done::default())
    }

    /// Ends what is recorded as running, from a step's number on.
    fn close(&self, from: usize, status: Status) {
        let now = self.run.clock().now();
        self.run.handle.update(|execution| {
            for step in execution.steps.iter_mut().skip(from).filter(|step| !step.status.ended()) {
                step.status = status;
                step.ended = Some(now);
            }
        });
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
            started: self.run.clock().now(),
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
        let number = self.run.handle.update(|execution| {
            execution.steps.push(entry);
            execution.steps.len() - 1
        });
        self.run.handle.report(self.run.clock().now(), Some(step), EventKind::StepStarted);
        number
    }

    fn finish(&self, number: usize, step: &Step, status: Status, message: Option<String>) {
        let now = self.run.clock().now();
        let outputs = self.run.outputs_of(&step.name);
        let detail = message.clone().or_else(|| outputs.get("reason").map(text)).unwrap_or_default();
        self.run.handle.update(|execution: &mut Execution| {
            execution.status = Status::InProgress;
            if let Some(entry) = execution.steps.get_mut(number) {
                entry.status = status;
                entry.ended = Some(now);
                entry.outputs = outputs;
                entry.failure_message = message;
            }
        });
        self.run.handle.report(self.run.clock().now(), Some(step), EventKind::StepEnded(status, detail));
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
    let select = |output: &Output| {
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
    use crate::document::Document;

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
