//! A step: what it does, what it declares, and what follows it.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use crate::condition::{Condition, references};
use crate::fields::Fields;
use crate::types::Type;
use crate::unsupported::Unsupported;

/// The longest a step with a function may take, whatever the function's own timeout: "each aws:invokeLambdaFunction action can
/// run up to a maximum duration of 300 seconds".
const FUNCTION_LIMIT: Duration = Duration::from_secs(300);

/// The outputs of `aws:executeStateMachine`, which are members of what Step Functions' `DescribeExecution` answers.
pub(crate) const EXECUTION_OUTPUTS: [&str; 8] =
    ["executionArn", "input", "name", "output", "startDate", "stateMachineArn", "status", "stopDate"];

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name, unique in the document.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it does.
    pub action: Action,
    /// The action's inputs as written, with references.
    pub inputs: Map<String, Value>,
    /// Outputs it declares.
    pub outputs: Vec<Output>,
    /// What follows its failure; `None` is Abort, and inside a loop the loop's own `onFailure`.
    pub on_failure: Option<OnFailure>,
    /// The step that follows its cancellation.
    pub on_cancel: Option<String>,
    /// The step that follows its success, if not the next one.
    pub next_step: Option<String>,
    /// Whether the execution ends after it, on success or failure.
    pub is_end: bool,
    /// Whether its failure makes the execution fail, as written; see [`Step::critical`].
    pub is_critical: Option<bool>,
    /// How often it is tried.
    pub max_attempts: u32,
    /// How long one try may take; `None` is the action's default.
    pub timeout: Option<Duration>,
}

impl Step {
    /// Whether its failure makes the execution fail. AWS: if it isn't written, `onFailure: Continue` makes it false,
    /// all else true.
    pub fn critical(&self) -> bool {
        self.is_critical.unwrap_or(self.on_failure != Some(OnFailure::Continue))
    }
}

/// What follows a step's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnFailure {
    /// The execution ends.
    Abort,
    /// The step after it in the document.
    Continue,
    /// This step.
    Step(String),
}

impl fmt::Display for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort => f.write_str("Abort"),
            Self::Continue => f.write_str("Continue"),
            Self::Step(name) => write!(f, "step:{name}"),
        }
    }
}

/// An output that a step declares.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Where it is in the action's result.
    pub selector: JsonPath,
    /// Whether the selector can match several places.
    pub many: bool,
    /// Its type.
    pub r#type: Type,
}

impl Step {
    /// The steps of a loop.
    pub fn inner(&self) -> &[Step] {
        match &self.action {
            Action::Loop(repeat) => &repeat.steps,
            _ => &[],
        }
    }

    /// Whether an input holds steps or a condition on them, which are resolved when they run.
    pub fn is_nested(&self, input: &str) -> bool {
        matches!(self.action, Action::Loop(_)) && ["Steps", "LoopCondition"].contains(&input)
    }

    pub(crate) fn has_output(&self, name: &str) -> bool {
        self.action.reserved_outputs().contains(&name)
            || self.outputs.iter().any(|output| output.name == name)
    }

    /// The steps that its success can lead to; `None` in it is the end. `following` is the step after it.
    pub(crate) fn successors<'a>(&'a self, following: Option<&'a str>) -> Vec<Option<&'a str>> {
        let otherwise = if self.is_end { None } else { self.next_step.as_deref().or(following) };
        match &self.action {
            Action::Branch(branch) => {
                branch.targets().map(Some).chain(branch.falls_through().then_some(otherwise)).collect()
            }
            _ => vec![otherwise],
        }
    }
}

/// Reads the steps inside a loop.
pub(crate) type ReadSteps = fn(&mut Fields<'_>, Vec<Value>) -> Vec<Step>;

/// What a step does.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are AWS's; each has a source file of its name")]
pub enum Action {
    Approve,
    AssertAwsResourceProperty,
    Branch(Branch),
    Unsupported(&'static Unsupported),
    ExecuteAutomation,
    ExecuteAwsApi,
    ExecuteStateMachine,
    InvokeLambdaFunction,
    Loop(Box<Loop>),
    Pause,
    Sleep,
    UpdateVariable,
    WaitForAwsResourceProperty,
}

/// The choices of a branch.
#[derive(Debug, Clone, Default)]
pub struct Branch {
    /// Conditions in their order, and the step that each leads to.
    pub choices: Vec<(Condition, String)>,
    /// The step where none holds.
    pub default: Option<String>,
}

impl Branch {
    /// The steps it may go to.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.choices.iter().map(|(_, next)| next.as_str()).chain(self.default.as_deref())
    }

    /// Whether it may go on as any other step does.
    pub fn falls_through(&self) -> bool {
        self.default.is_none()
    }

    /// The names its conditions refer to.
    pub fn references(&self) -> Vec<String> {
        self.choices.iter().flat_map(|(condition, _)| references(condition)).collect()
    }
}

/// A loop.
#[derive(Debug, Clone)]
pub struct Loop {
    /// The steps inside.
    pub steps: Vec<Step>,
    /// The condition of a do-while loop; `None`: it is one for each item of a list.
    pub condition: Option<Condition>,
    /// The type of the list's items.
    pub item_type: Type,
    /// How often it runs at most.
    pub max_iterations: usize,
}

impl Action {
    /// The action's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Approve => "aws:approve",
            Self::AssertAwsResourceProperty => "aws:assertAwsResourceProperty",
            Self::Branch(_) => "aws:branch",
            Self::Unsupported(action) => action.name,
            Self::ExecuteAutomation => "aws:executeAutomation",
            Self::ExecuteAwsApi => "aws:executeAwsApi",
            Self::ExecuteStateMachine => "aws:executeStateMachine",
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
            Self::Unsupported(action) => action.outputs,
            Self::ExecuteAutomation => &["ExecutionId", "Status", "Output"],
            Self::ExecuteStateMachine => &EXECUTION_OUTPUTS,
            Self::InvokeLambdaFunction => {
                &["StatusCode", "FunctionError", "LogResult", "Payload", "OutputPayload"]
            }
            Self::Loop(_) => &["CurrentIteration", "CurrentIteratorValue"],
            _ => &[],
        }
    }

    /// Whether a step can declare outputs.
    pub fn takes_outputs(&self) -> bool {
        let unsupported = matches!(self, Self::Unsupported(action) if action.takes_outputs);
        unsupported
            || matches!(
                self,
                Self::AssertAwsResourceProperty
                    | Self::ExecuteAwsApi
                    | Self::InvokeLambdaFunction
                    | Self::WaitForAwsResourceProperty
            )
    }

    /// How long a try may take when `timeoutSeconds` is not written.
    pub(crate) fn default_timeout(&self) -> Option<Duration> {
        match self {
            Self::InvokeLambdaFunction => Some(FUNCTION_LIMIT),
            Self::WaitForAwsResourceProperty => Some(Duration::from_secs(3600)),
            Self::Approve | Self::Pause => Some(Duration::from_secs(7 * 24 * 3600)),
            _ => None,
        }
    }
}
