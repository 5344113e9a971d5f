//! An Automation execution as it goes on: what is new since the last look. The choice is pure; the look reads, and changes nothing.

use std::collections::BTreeMap;

use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::operation::get_automation_execution::GetAutomationExecutionError;
use aws_sdk_ssm::types::StepExecution;
use jiff::Timestamp;

use crate::Error;
use crate::stack::account::reason;

/// An execution as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its document's name.
    pub document: String,
    /// `InProgress`, `Waiting`, `Success`, `Failed`, …
    pub status: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// How it ended, in the runbook's own words.
    pub summary: Option<String>,
    /// The service's words, where it failed.
    pub failure: Option<String>,
    /// Its steps, in the order in which they began.
    pub steps: Vec<Step>,
}

/// One run of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The run's own id.
    pub id: String,
    /// Its name in the document.
    pub name: String,
    /// Its action, such as `aws:sleep`.
    pub action: String,
    /// As that of an execution.
    pub status: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What the function answered: `Done`, `InProgress`, `Refused`, …
    pub answer: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What an approval is asked for.
    pub message: Option<String>,
    /// Who may give it.
    pub approvers: Vec<String>,
}

impl Seen {
    /// Whether nothing more will come.
    pub fn has_ended(&self) -> bool {
        !preflight::overdue::runs(&self.status)
    }

    /// Whether it ended well.
    pub fn is_good(&self) -> bool {
        self.status == "Success"
    }

    /// The step that waits for a person.
    pub fn waits_for_approval(&self) -> Option<&Step> {
        self.steps
            .iter()
            .find(|step| step.action == "aws:approve" && step.ended.is_none() && step.started.is_some())
    }

    /// The step that runs, and what was said last of what it waits for.
    pub fn at_work(&self) -> Option<(&Step, Option<&str>)> {
        let step = self.steps.iter().rev().find(|step| step.started.is_some() && step.ended.is_none())?;
        let said = self.steps.iter().rev().find(|one| one.answer.as_deref() == Some("InProgress"));
        // What an earlier step waited for is over once something else has come.
        let said = said.filter(|said| step.action == "aws:sleep" || stem(&said.name) == stem(&step.name));
        Some((step, said.and_then(|said| said.reason.as_deref())))
    }
}

/// What `awaitPromotion` and `promote` have in common.
fn stem(name: &str) -> String {
    name.trim_start_matches("await").chars().take(5).collect::<String>().to_lowercase()
}

/// Looks how an execution stands in the Region of this client; `None` where there is no such execution.
///
/// # Errors
/// When Systems Manager does not answer.
pub async fn look(ssm: &Ssm, id: &str) -> Result<Option<Seen>, Error> {
    let answer = match ssm.get_automation_execution().automation_execution_id(id).send().await {
        Ok(answer) => answer,
        Err(error)
            if error
                .as_service_error()
                .is_some_and(GetAutomationExecutionError::is_automation_execution_not_found_exception) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(format!("the execution {id} can't be read: {}", reason(error)).into()),
    };
    let Some(execution) = answer.automation_execution() else { return Ok(None) };
    let mut steps: Vec<Step> = execution.step_executions().iter().map(Step::from).collect();
    if execution.step_executions_truncated() {
        steps.clear();
        let mut pages =
            ssm.describe_automation_step_executions().automation_execution_id(id).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| format!("the steps of {id} can't be read: {}", reason(error)))?;
            steps.extend(page.step_executions().iter().map(Step::from));
        }
    }
    steps.sort_by_key(|step| step.started.map_or(Timestamp::MAX, |started| started));
    let outputs = execution.outputs().and_then(|outputs| outputs.get("outcome.summary"));
    let summary =
        outputs.and_then(|values| values.first()).filter(|text| !text.starts_with("No output available"));
    Ok(Some(Seen {
        document: execution.document_name().unwrap_or_default().to_owned(),
        status: execution
            .automation_execution_status()
            .map(|status| status.as_str().to_owned())
            .unwrap_or_default(),
        started: execution.execution_start_time().and_then(time),
        summary: summary.cloned(),
        // Where the sentence could not be had, endAsFailed has the reference to it in its place.
        failure: execution.failure_message().filter(|text| !text.contains("{{")).map(str::to_owned),
        steps,
    }))
}

fn time(time: &aws_sdk_ssm::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanos()).ok()
}

impl From<&StepExecution> for Step {
    fn from(step: &StepExecution) -> Self {
        let name = step.step_name().unwrap_or_default();
        // The service may put the step's name before that of an output.
        let output = |of: &str| {
            let outputs = step.outputs()?;
            let values = outputs.get(of).or_else(|| outputs.get(&format!("{name}.{of}")))?;
            values.first().filter(|text| !text.is_empty() && !text.contains("{{")).cloned()
        };
        let input = |of: &str| step.inputs().and_then(|inputs| inputs.get(of)).cloned();
        // A text among the inputs is written as JSON, or as it is.
        let plain = |text: String| serde_json::from_str::<String>(&text).unwrap_or(text);
        let approvers = input("Approvers").unwrap_or_default();
        let approvers = serde_json::from_str::<Vec<String>>(&approvers).unwrap_or_else(|_| {
            approvers.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
        });
        Self {
            id: step.step_execution_id().unwrap_or(name).to_owned(),
            name: name.to_owned(),
            action: step.action().unwrap_or_default().to_owned(),
            status: step.step_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            started: step.execution_start_time().and_then(time),
            ended: step.execution_end_time().and_then(time),
            answer: output("status"),
            reason: output("reason").or_else(|| step.failure_message().map(str::to_owned)),
            message: input("Message").map(plain),
            approvers,
        }
    }
}

/// Steps of which nothing is said when they go well: they decide, wait or say what is said anyway.
fn is_silent(step: &Step) -> bool {
    let tells = ["outcome", "endAsFailed", "endAsSuccess"].contains(&step.name.as_str())
        || ["endedWell", "notify"].iter().any(|word| step.name.starts_with(word))
        || step.name == "askForApproval";
    tells || (["aws:branch", "aws:sleep"].contains(&step.action.as_str()) && step.status == "Success")
}

/// What was told already.
#[derive(Debug, Default)]
pub struct Told {
    runs: BTreeMap<String, ()>,
    said: BTreeMap<String, Option<String>>,
}

impl Told {
    /// The steps that have ended since the last look and are worth a line. Of one that runs again and again, those that say something
    /// new.
    pub fn news<'a>(&mut self, seen: &'a Seen) -> Vec<&'a Step> {
        let mut news = Vec::new();
        for step in seen.steps.iter().filter(|step| step.ended.is_some()) {
            if self.runs.insert(step.id.clone(), ()).is_some() || is_silent(step) {
                continue;
            }
            let before = self.said.insert(step.name.clone(), step.reason.clone());
            if before.as_ref() != Some(&step.reason) || step.answer.as_deref() != Some("InProgress") {
                news.push(step);
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str, name: &str, answer: &str, reason: &str) -> Step {
        let at = |second| Timestamp::from_second(second).ok();
        Step {
            id: id.into(),
            name: name.into(),
            action: "aws:invokeLambdaFunction".into(),
            status: "Success".into(),
            started: at(1),
            ended: at(2),
            answer: Some(answer.into()),
            reason: Some(reason.into()),
            message: None,
            approvers: Vec::new(),
        }
    }

    fn seen(steps: Vec<Step>) -> Seen {
        Seen {
            document: "causeway-failover".into(),
            status: "InProgress".into(),
            started: None,
            summary: None,
            failure: None,
            steps,
        }
    }

    #[test]
    fn each_step_is_told_once_and_a_wait_when_it_says_something_new() {
        let mut told = Told::default();
        let branch = Step { action: "aws:branch".into(), ..step("2", "mayStart", "", "") };
        let mut steps = vec![
            step("1", "preflight", "Ready", "go"),
            branch,
            step("3", "awaitPromotion", "InProgress", "both"),
        ];
        let names = |told: &mut Told, steps: &[Step]| {
            told.news(&seen(steps.to_vec())).iter().map(|step| step.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&mut told, &steps), ["1", "3"]);
        steps.push(step("4", "awaitPromotion", "InProgress", "both"));
        steps.push(step("5", "awaitPromotion", "InProgress", "orders"));
        steps.push(step("6", "notifySucceeded", "", ""));
        assert_eq!(names(&mut told, &steps), ["5"]);
        steps.push(step("7", "awaitPromotion", "Done", "orders"));
        assert_eq!(names(&mut told, &steps), ["7"]);
        assert!(names(&mut told, &steps).is_empty());
    }

    #[test]
    fn what_a_wait_is_for_is_what_was_said_last_of_it() {
        let running = Step { ended: None, answer: None, reason: None, ..step("2", "awaitPromotion", "", "") };
        let of =
            |last: &Step| seen(vec![step("1", "promote", "InProgress", "waiting for orders"), last.clone()]);
        let seen = of(&running);
        assert_eq!(seen.at_work().unwrap().1, Some("waiting for orders"));
        let seen = of(&Step { name: "trafficOn".into(), ..running });
        assert_eq!(seen.at_work().unwrap().1, None);
    }
}
