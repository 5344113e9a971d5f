//! The Automation execution that a record is about, read through one narrow trait.

use std::collections::BTreeMap;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_automation_execution::GetAutomationExecutionError;
use aws_sdk_ssm::types::StepExecution;
use jiff::Timestamp;
use runbook::StepError;
use runbook::error::Kind;
use runbook::executions::{self, Listed};

/// An Automation execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// Name of the document it runs.
    pub document: String,
    /// What it was started with.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// When it started.
    pub started: Timestamp,
    /// Its steps in the order they ran; a step that ran again is there again.
    pub steps: Vec<StepRun>,
}

/// One run of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRun {
    /// Its name in the document.
    pub name: String,
    /// Its action, such as `aws:sleep`.
    pub action: String,
    /// `Success`, `Failed`, `TimedOut`, `InProgress`, …
    pub status: String,
    /// When it started; `None` while it is pending.
    pub started: Option<Timestamp>,
    /// When it ended; `None` while it runs.
    pub ended: Option<Timestamp>,
    /// The service's words when it failed.
    pub failure: Option<String>,
    /// Its outputs. Every value is a list, as the service has it.
    pub outputs: BTreeMap<String, Vec<String>>,
}

impl Execution {
    /// The first value of a parameter, unless it is absent or empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.first().map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl StepRun {
    /// An output by its name in the document, whether the service puts the step's name before it or not.
    pub fn output(&self, name: &str) -> Option<&str> {
        let long = format!("{}.{name}", self.name);
        let value = self.outputs.get(name).or_else(|| self.outputs.get(&long))?.first()?;
        Some(value.as_str())
    }

    /// Why it ended as it did, in one line: what the function gave as its reason, else its error, else the service's words.
    pub fn reason(&self) -> String {
        // A function's error does not always fail the step. Where it doesn't, the payload holds the error.
        let error = ["OutputPayload", "Payload"].iter().find_map(|name| {
            let payload: serde_json::Value = serde_json::from_str(self.output(name)?).ok()?;
            let inner = payload.get("Payload").unwrap_or(&payload);
            Some(inner.get("errorMessage")?.as_str()?.to_owned())
        });
        let reason = self.output("reason").filter(|reason| !reason.is_empty() && !reason.contains("{{"));
        let reason =
            reason.map(str::to_owned).or(error).or_else(|| self.failure.clone()).unwrap_or_else(|| {
                format!("it ended as {} and gave no reason; see the function's log", self.status)
            });
        reason.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Reads an Automation execution.
pub trait ReadExecution {
    /// The execution in the Region of this client, with all its steps so far.
    fn read_execution(&self, id: &str) -> impl Future<Output = Result<Execution, StepError>> + Send;

    /// The executions there of a document, newest first, so far as Systems Manager still has them.
    fn list_executions(&self, document: &str) -> impl Future<Output = Result<Vec<Listed>, StepError>> + Send;
}

impl ReadExecution for Client {
    async fn read_execution(&self, id: &str) -> Result<Execution, StepError> {
        let answer =
            self.get_automation_execution().automation_execution_id(id).send().await.map_err(|error| {
                let missing = error
                    .as_service_error()
                    .is_some_and(GetAutomationExecutionError::is_automation_execution_not_found_exception);
                if missing {
                    unknown(id)
                } else {
                    StepError::aws(format!("reading Automation execution {id}"), error)
                }
            })?;
        let execution = answer.automation_execution().ok_or_else(|| unknown(id))?;
        let mut steps: Vec<StepRun> = execution.step_executions().iter().map(StepRun::from).collect();
        if execution.step_executions_truncated() {
            // GetAutomationExecution says so itself when it does not hold all steps.
            steps.clear();
            let mut pages = self
                .describe_automation_step_executions()
                .automation_execution_id(id)
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                let page = page
                    .map_err(|error| StepError::aws(format!("reading the steps of execution {id}"), error))?;
                steps.extend(page.step_executions().iter().map(StepRun::from));
            }
        }
        let started = execution.execution_start_time().and_then(time).ok_or_else(|| {
            StepError::new(
                Kind::Failed,
                format!("Automation execution {id} has no start time"),
                "run the step again",
            )
        })?;
        let parameters = execution.parameters().into_iter().flatten();
        Ok(Execution {
            id: id.to_owned(),
            document: execution.document_name().unwrap_or_default().to_owned(),
            parameters: parameters.map(|(name, values)| (name.clone(), values.clone())).collect(),
            started,
            steps,
        })
    }

    async fn list_executions(&self, document: &str) -> Result<Vec<Listed>, StepError> {
        let mut listed = executions::list(self, document, &[]).await?;
        // Others may have names that begin so.
        listed.retain(|one| one.document == document);
        listed.sort_by_key(|one| std::cmp::Reverse(one.started));
        Ok(listed)
    }
}

fn unknown(id: &str) -> StepError {
    StepError::new(
        Kind::BadEvent,
        format!("there is no Automation execution {id} in this Region"),
        "give the id of the execution of the failover runbook, in the Region it ran in",
    )
}

fn time(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

impl From<&StepExecution> for StepRun {
    fn from(step: &StepExecution) -> Self {
        Self {
            name: step.step_name().unwrap_or_default().to_owned(),
            action: step.action().unwrap_or_default().to_owned(),
            status: step.step_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            started: step.execution_start_time().and_then(time),
            ended: step.execution_end_time().and_then(time),
            failure: step.failure_message().map(str::to_owned),
            outputs: step
                .outputs()
                .into_iter()
                .flatten()
                .map(|(name, values)| (name.clone(), values.clone()))
                .collect(),
        }
    }
}
