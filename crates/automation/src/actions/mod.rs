//! The actions, one source file each.
//!
//! An action checks its inputs when a document is loaded (`check`), and runs on inputs whose references are resolved
//! (`run`). What it answers is a [`Done`] or a [`Failure`]; retries, time limits, outputs and what follows are the
//! business of [`super::runner`].

mod approve;
mod assert_aws_resource_property;
mod branch;
mod elsewhere;
mod execute_automation;
mod execute_aws_api;
mod invoke_lambda_function;
mod loop_steps;
mod pause;
mod sleep;
mod update_variable;
mod wait_for_aws_resource_property;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

pub use branch::Branch;
pub use elsewhere::Elsewhere;
pub use loop_steps::Loop;

use super::document::{Fields, OnFailure, Step};
use super::execution::Status;
use super::runner::Run;

/// What a step does.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are AWS's; each has a source file of its name")]
pub enum Action {
    Approve,
    AssertAwsResourceProperty,
    Branch(Branch),
    Elsewhere(&'static Elsewhere),
    ExecuteAutomation,
    ExecuteAwsApi,
    InvokeLambdaFunction,
    Loop(Box<Loop>),
    Pause,
    Sleep,
    UpdateVariable,
    WaitForAwsResourceProperty,
}

/// What an action's success leaves.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What the outputs' selectors look into.
    pub result: Value,
    /// The action's reserved outputs.
    pub outputs: BTreeMap<String, Value>,
    /// The step to go to, chosen by a branch.
    pub next: Option<String>,
}

/// How an action fails.
#[derive(Debug)]
pub(super) struct Failure {
    /// `Failed`, `TimedOut` or `Cancelled`.
    pub status: Status,
    /// Why.
    pub message: String,
    /// Reserved outputs that are there nevertheless.
    pub outputs: BTreeMap<String, Value>,
    /// What a step inside a loop says is to follow; it goes before the loop's own.
    pub inherited: Option<OnFailure>,
    /// The step that a cancelled step inside a loop names for its clean-up.
    pub on_cancel: Option<String>,
}

impl Failure {
    /// An ordinary failure.
    pub fn new(message: impl Into<String>) -> Self {
        Self::with(Status::Failed, message)
    }

    /// A failure with another status.
    pub fn with(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), outputs: BTreeMap::new(), inherited: None, on_cancel: None }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// Inputs whose references are resolved.
pub(super) type Inputs = Map<String, Value>;

impl Action {
    /// Reads an action by its name and inputs, and reports what is wrong with them.
    pub(super) fn read(name: &str, inputs: &Inputs, in_loop: bool, fields: &mut Fields<'_>) -> Option<Self> {
        let mut inside = fields.inside("inputs", Value::Object(inputs.clone()))?;
        let action = match name {
            "aws:approve" => {
                approve::check(&mut inside);
                Self::Approve
            }
            "aws:assertAwsResourceProperty" => {
                assert_aws_resource_property::check(&mut inside);
                Self::AssertAwsResourceProperty
            }
            "aws:branch" => Self::Branch(Branch::read(&mut inside)),
            "aws:executeAutomation" => {
                execute_automation::check(&mut inside);
                Self::ExecuteAutomation
            }
            "aws:executeAwsApi" => {
                execute_aws_api::check(&mut inside);
                Self::ExecuteAwsApi
            }
            "aws:invokeLambdaFunction" => {
                invoke_lambda_function::check(&mut inside);
                Self::InvokeLambdaFunction
            }
            "aws:loop" if in_loop => {
                inside.problem(
                    "",
                    "a loop inside a loop is not implemented; the console does not allow it either",
                );
                return None;
            }
            "aws:loop" => Self::Loop(Box::new(Loop::read(&mut inside))),
            "aws:pause" => Self::Pause,
            "aws:sleep" => {
                sleep::check(&mut inside);
                Self::Sleep
            }
            "aws:updateVariable" => {
                update_variable::check(&mut inside);
                Self::UpdateVariable
            }
            "aws:waitForAwsResourceProperty" => {
                wait_for_aws_resource_property::check(&mut inside);
                Self::WaitForAwsResourceProperty
            }
            name if let Some(action) = Elsewhere::of(name) => {
                action.check(&mut inside);
                inside.elsewhere("", format!("`{name}` exists in AWS but is not implemented in the sandbox"));
                Self::Elsewhere(action)
            }
            unknown => {
                fields.problem("action", format!("there is no action `{unknown}`"));
                return None;
            }
        };
        inside.finish(&format!("{name}'s inputs"));
        Some(action)
    }

    /// The action's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Approve => "aws:approve",
            Self::AssertAwsResourceProperty => "aws:assertAwsResourceProperty",
            Self::Branch(_) => "aws:branch",
            Self::Elsewhere(action) => action.name,
            Self::ExecuteAutomation => "aws:executeAutomation",
            Self::ExecuteAwsApi => "aws:executeAwsApi",
            Self::InvokeLambdaFunction => "aws:invokeLambdaFunction",
            Self::Loop(_) => "aws:loop",
            Self::Pause => "aws:pause",
            Self::Sleep => "aws:sleep",
            Self::UpdateVariable => "aws:updateVariable",
            Self::WaitForAwsResourceProperty => "aws:waitForAwsResourceProperty",
        }
    }

    /// Outputs that are there without being declared.
    pub fn reserved_outputs(&self) -> &'static [&'static str] {
        match self {
            Self::Approve => &["ApprovalStatus", "ApproverDecisions"],
            Self::Elsewhere(action) => action.outputs,
            Self::ExecuteAutomation => &["ExecutionId", "Status", "Output"],
            Self::InvokeLambdaFunction => {
                &["StatusCode", "FunctionError", "LogResult", "Payload", "OutputPayload"]
            }
            Self::Loop(_) => &["CurrentIteration", "CurrentIteratorValue"],
            _ => &[],
        }
    }

    /// Whether a step can declare outputs.
    pub fn takes_outputs(&self) -> bool {
        let elsewhere = matches!(self, Self::Elsewhere(action) if action.takes_outputs);
        elsewhere
            || matches!(
                self,
                Self::AssertAwsResourceProperty
                    | Self::ExecuteAwsApi
                    | Self::InvokeLambdaFunction
                    | Self::WaitForAwsResourceProperty
            )
    }

    /// How long a try may take when `timeoutSeconds` is not written.
    pub(super) fn default_timeout(&self) -> Option<Duration> {
        match self {
            // "each aws:invokeLambdaFunction action can run up to a maximum duration of 300 seconds"
            Self::InvokeLambdaFunction => Some(invoke_lambda_function::LIMIT),
            Self::WaitForAwsResourceProperty => Some(Duration::from_secs(3600)),
            Self::Approve | Self::Pause => Some(Duration::from_secs(7 * 24 * 3600)),
            _ => None,
        }
    }

    /// Runs one try.
    pub(super) async fn run(&self, run: &mut Run, step: &Step, inputs: &Inputs) -> Result<Done, Failure> {
        match self {
            Self::Approve => approve::run(run, inputs).await,
            Self::AssertAwsResourceProperty => assert_aws_resource_property::run(run, inputs).await,
            Self::Branch(branch) => branch.run(run),
            // An execution with one is not started.
            Self::Elsewhere(action) => Err(Failure::new(format!("the sandbox has no {}", action.name))),
            Self::ExecuteAutomation => execute_automation::run(run, inputs).await,
            Self::ExecuteAwsApi => execute_aws_api::run(run, inputs).await,
            Self::InvokeLambdaFunction => invoke_lambda_function::run(run, inputs).await,
            Self::Loop(repeat) => repeat.run(run, step, inputs).await,
            Self::Pause => pause::run(run).await,
            Self::Sleep => sleep::run(run, inputs).await,
            Self::UpdateVariable => update_variable::run(run, inputs),
            Self::WaitForAwsResourceProperty => wait_for_aws_resource_property::run(run, inputs).await,
        }
    }
}

/// An input as text.
fn text_input(inputs: &Inputs, key: &str) -> Result<String, Failure> {
    match inputs.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(Failure::new(format!("{key} takes a text, not {other}"))),
        None => Err(Failure::new(format!("{key} is missing"))),
    }
}
