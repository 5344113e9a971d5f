//! What is known of an execution: its state as SSM shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::types::{text, texts};

/// Status of an execution or a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    InProgress,
    /// It waits for an approval or a signal.
    Waiting,
    /// It ended well.
    Success,
    /// It failed.
    Failed,
    /// It took too long.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    /// As SSM names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Waiting => "Waiting",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::InProgress, Self::Waiting, Self::Success, Self::Failed, Self::TimedOut, Self::Cancelled]
            .into_iter()
            .find(|one| one.name() == name)
    }

    /// Whether it is over.
    pub fn ended(self) -> bool {
        !matches!(self, Self::InProgress | Self::Waiting)
    }
}

/// The loop that a step ran in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The loop's name.
    pub step: String,
    /// Number of the iteration, from 1.
    pub iteration: usize,
    /// The item of a for-each loop.
    pub item: Option<String>,
}

/// One run of a step. A step that is run again has another entry.
#[derive(Debug, Clone)]
pub struct StepExecution {
    /// Id of this run.
    pub id: String,
    /// The step's name.
    pub name: String,
    /// Its action.
    pub action: &'static str,
    /// Its status.
    pub status: Status,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its inputs, references resolved.
    pub inputs: Map<String, Value>,
    /// Its outputs.
    pub outputs: BTreeMap<String, Value>,
    /// Why it failed.
    pub failure_message: Option<String>,
    /// What it is followed by when it fails.
    pub on_failure: String,
    /// The step that follows its success, if written.
    pub next_step: Option<String>,
    /// Whether it ends the execution.
    pub is_end: bool,
    /// Whether its failure makes the execution fail.
    pub is_critical: bool,
    /// How often it may be tried.
    pub max_attempts: u32,
    /// How long a try may take, in seconds.
    pub timeout_seconds: Option<u64>,
    /// The loop it ran in.
    pub parent: Option<Parent>,
}

/// An execution.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// Region it runs in.
    pub region: String,
    /// Name of its document.
    pub document: String,
    /// Its status.
    pub status: Status,
    /// What it was started with.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The document's outputs, when it has ended.
    pub outputs: BTreeMap<String, Vec<String>>,
    /// The first failure that made it fail.
    pub failure_message: Option<String>,
    /// Who started it.
    pub executed_by: String,
    /// The execution that started it, if one did.
    pub parent: Option<String>,
    /// The runs of its steps, in order.
    pub steps: Vec<StepExecution>,
}

impl StepExecution {
    /// As `GetAutomationExecution` shows it.
    pub fn json(&self) -> Value {
        let mut shown = json!({
            "StepExecutionId": self.id,
            "StepName": self.name,
            "Action": self.action,
            "StepStatus": self.status.name(),
            "ExecutionStartTime": self.started.to_string(),
            "Inputs": self.inputs.iter().map(|(key, value)| (key.clone(), json!(text(value)))).collect::<Map<_, _>>(),
            "Outputs": self.outputs.iter().map(|(key, value)| (key.clone(), json!(texts(value)))).collect::<Map<_, _>>(),
            "OnFailure": self.on_failure,
            "IsEnd": self.is_end,
            "IsCritical": self.is_critical,
            "MaxAttempts": self.max_attempts,
        });
        if let Some(seconds) = self.timeout_seconds {
            shown["TimeoutSeconds"] = json!(seconds);
        }
        if let Some(ended) = self.ended {
            shown["ExecutionEndTime"] = json!(ended.to_string());
        }
        if let Some(message) = &self.failure_message {
            shown["FailureMessage"] = json!(message);
        }
        if let Some(next) = &self.next_step {
            shown["NextStep"] = json!(next);
        }
        if let Some(parent) = &self.parent {
            shown["ParentStepDetails"] =
                json!({ "StepName": parent.step, "Action": "aws:loop", "Iteration": parent.iteration });
            if let Some(item) = &parent.item {
                shown["ParentStepDetails"]["IteratorValue"] = json!(item);
            }
        }
        shown
    }
}

impl Execution {
    /// As `GetAutomationExecution` shows it.
    pub fn json(&self) -> Value {
        let mut shown = self.summary();
        shown["StepExecutions"] = self.steps.iter().map(StepExecution::json).collect();
        shown["StepExecutionsTruncated"] = json!(false);
        shown["Parameters"] = json!(self.parameters);
        shown
    }

    /// As `DescribeAutomationExecutions` shows it.
    pub fn summary(&self) -> Value {
        let mut shown = json!({
            "AutomationExecutionId": self.id,
            "DocumentName": self.document,
            "DocumentVersion": "1",
            "AutomationExecutionStatus": self.status.name(),
            "ExecutionStartTime": self.started.to_string(),
            "ExecutedBy": self.executed_by,
            "Mode": "Auto",
            "Outputs": self.outputs,
        });
        if let Some(ended) = self.ended {
            shown["ExecutionEndTime"] = json!(ended.to_string());
        }
        if let Some(message) = &self.failure_message {
            shown["FailureMessage"] = json!(message);
        }
        if let Some(parent) = &self.parent {
            shown["ParentAutomationExecutionId"] = json!(parent);
        }
        if let Some(step) = self.steps.iter().rev().find(|step| !step.status.ended()) {
            shown["CurrentStepName"] = json!(step.name);
            shown["CurrentAction"] = json!(step.action);
        }
        shown
    }
}
