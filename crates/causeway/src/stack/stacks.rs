//! The stack of a Region: its state, what is removed or taken into it before `sam` runs, and why AWS refused.
//!
//! A stack that a failed first deployment left holds nothing and can't be deployed to: it is deleted. A report bucket that
//! outlived its stack is taken into a new stack by an import, so that from then on the stack is like any other. Nothing
//! here deletes a bucket.

use std::time::Duration;

use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, ResourceToImport, Stack, StackEvent, StackStatus,
};
use serde_json::json;

use super::account::Region;
use crate::Error;
use crate::prompt::say;

/// The stack's logical name of the report bucket, in the template.
const BUCKET: &str = "ReportBucket";
/// The change set that takes it in.
const IMPORT: &str = "causeway-report-bucket";
/// Between two looks at what CloudFormation is doing.
const PAUSE: Duration = Duration::from_secs(2);
/// How long it may take to delete an empty stack, or to take a bucket in: minutes at most.
const PATIENCE: Duration = Duration::from_secs(600);

/// What can be done with the stack of a Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Absent,
    /// One that holds nothing: of a first deployment that failed, or of a comparison. It has to go first.
    Empty(StackStatus),
    /// It can be deployed to.
    Stands(StackStatus),
    /// CloudFormation is at it.
    Busy(StackStatus),
    /// It takes a person.
    Stuck(StackStatus),
}

impl State {
    fn of(stack: Option<&Stack>) -> Self {
        use StackStatus as S;
        let Some(status) = stack.and_then(Stack::stack_status).cloned() else { return Self::Absent };
        match status {
            S::DeleteComplete => Self::Absent,
            S::RollbackComplete | S::ReviewInProgress => Self::Empty(status),
            S::CreateFailed
            | S::RollbackFailed
            | S::DeleteFailed
            | S::UpdateRollbackFailed
            | S::ImportRollbackFailed => Self::Stuck(status),
            // Clean-up of an update goes on while the stack can be used, but not deployed to.
            busy if busy.as_str().ends_with("_IN_PROGRESS") => Self::Busy(busy),
            stands => Self::Stands(stands),
        }
    }

    /// Why nothing can be deployed now, and what to do; `None` when something can.
    pub fn in_the_way(&self, region: &str, stack: &str) -> Option<String> {
        match self {
            Self::Busy(status) => Some(format!(
                "{region}: CloudFormation is at work on the stack {stack} ({status}): wait until it is done, then run the same again"
            )),
            Self::Stuck(status) => {
                Some(format!("{region}: the stack {stack} is {status}: {}", way_out(status, region, stack)))
            }
            _ => None,
        }
    }
}

/// How a stack gets out of a state that takes a person.
fn way_out(status: &StackStatus, region: &str, stack: &str) -> String {
    let command = |verb: &str| format!("`aws cloudformation {verb} --region {region} --stack-name {stack}`");
    match status {
        StackStatus::UpdateRollbackFailed => format!(
            "mend what its events say, then {} takes it back to where it was",
            command("continue-update-rollback")
        ),
        _ => format!(
            "look at its events for what could not be deleted, mend that, then {} (the report bucket stays)",
            command("delete-stack")
        ),
    }
}

/// A stack of a Region.
#[derive(Debug)]
pub struct Named<'a> {
    pub region: &'a Region,
    pub name: &'a str,
}

impl Named<'_> {
    /// The stack of this name; a deleted one has none.
    pub async fn described(&self, name: &str) -> Result<Option<Stack>, Error> {
        let answer = self.region.cloudformation.describe_stacks().stack_name(name).send().await;
        match answer {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
            Err(error) => {
                use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
                // "Stack with id … does not exist": CloudFormation has no error of its own for it.
                if error.code() == Some("ValidationError")
                    && error.message().is_some_and(|text| text.contains("does not exist"))
                {
                    return Ok(None);
                }
                Err(self.region.failed(&format!("asking for the stack {}", self.name), error))
            }
        }
    }

    /// Its state now.
    pub async fn state(&self) -> Result<State, Error> {
        Ok(State::of(self.described(self.name).await?.as_ref()))
    }

    /// Deletes it, which holds nothing, and waits for it.
    pub async fn delete_empty(&self) -> Result<(), Error> {
        let Some(stack) = self.described(self.name).await? else { return Ok(()) };
        let id = stack.stack_id().unwrap_or(self.name).to_owned();
        let deleting = format!("deleting the empty stack {}", self.name);
        let deleted = self.region.cloudformation.delete_stack().stack_name(&id).send().await;
        deleted.map_err(|error| self.region.failed(&deleting, error))?;
        let mut waited = Duration::ZERO;
        loop {
            match State::of(self.described(&id).await?.as_ref()) {
                State::Absent => return Ok(()),
                State::Stuck(status) => return Err(self.state_error(&status)),
                _ => pause(&mut waited, &self.region.name, &deleting).await?,
            }
        }
    }

    fn state_error(&self, status: &StackStatus) -> Error {
        let region = &self.region.name;
        format!("{region}: the stack {} is {status}: {}", self.name, way_out(status, region, self.name))
            .into()
    }

    /// Makes the stack of a report bucket that is there already: by an import, as CloudFormation wants it for a resource
    /// that it did not make ("Create a stack from existing resources", AWS CloudFormation User Guide). The bucket's
    /// properties are set by the deployment that follows.
    pub async fn import_bucket(&self, bucket: &str) -> Result<(), Error> {
        let cloudformation = &self.region.cloudformation;
        let importing = format!("taking the bucket {bucket} into the stack {}", self.name);
        let failed = |error: String| -> Error {
            format!(
                "{}: {importing} failed: {error}. Nothing else was changed, and the bucket is as it was; mend it and run the \
                 same again",
                self.region.name
            )
            .into()
        };
        let template = json!({"Resources": {BUCKET: {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"BucketName": bucket},
        }}});
        let resource = ResourceToImport::builder()
            .resource_type("AWS::S3::Bucket")
            .logical_resource_id(BUCKET)
            .resource_identifier("BucketName", bucket)
            .build();
        let made = cloudformation
            .create_change_set()
            .stack_name(self.name)
            .change_set_name(IMPORT)
            .change_set_type(ChangeSetType::Import)
            .resources_to_import(resource)
            .template_body(template.to_string())
            .capabilities(Capability::CapabilityIam)
            .send()
            .await
            .map_err(|error| self.region.failed(&importing, error))?;
        let id = made.id().unwrap_or(IMPORT).to_owned();
        let mut waited = Duration::ZERO;
        loop {
            let answer =
                cloudformation.describe_change_set().change_set_name(&id).stack_name(self.name).send().await;
            let answer = answer.map_err(|error| self.region.failed(&importing, error))?;
            match answer.status() {
                Some(ChangeSetStatus::CreateComplete) => break,
                Some(ChangeSetStatus::Failed) => {
                    // What is left is a stack in review, with nothing in it.
                    self.delete_empty().await?;
                    return Err(failed(
                        answer.status_reason().unwrap_or("CloudFormation gives no reason").to_owned(),
                    ));
                }
                _ => pause(&mut waited, &self.region.name, &importing).await?,
            }
        }
        let executed =
            cloudformation.execute_change_set().change_set_name(&id).stack_name(self.name).send().await;
        executed.map_err(|error| self.region.failed(&importing, error))?;
        loop {
            match self.described(self.name).await?.as_ref().and_then(Stack::stack_status) {
                Some(StackStatus::ImportComplete) => return Ok(()),
                Some(status) if status.as_str().ends_with("_IN_PROGRESS") => {
                    pause(&mut waited, &self.region.name, &importing).await?;
                }
                status => {
                    let status = status.map_or("gone", StackStatus::as_str).to_owned();
                    let why =
                        self.refusals(None).await.map(|refusals| refusals.join("; ")).unwrap_or_default();
                    return Err(failed(format!("the stack is {status} ({why})")));
                }
            }
        }
    }

    /// The newest event of the stack, to know later what is new. `None` without a stack.
    pub async fn newest_event(&self) -> Option<String> {
        let answer = self.region.cloudformation.describe_stack_events().stack_name(self.name).send().await;
        Some(answer.ok()?.stack_events().first()?.event_id()?.to_owned())
    }

    /// What AWS refused since that event, the first first: resource, its type, what it was about, and AWS's reason. What
    /// CloudFormation only cancelled because of it is left out.
    pub async fn refusals(&self, since: Option<&str>) -> Result<Vec<String>, Error> {
        let mut pages =
            self.region.cloudformation.describe_stack_events().stack_name(self.name).into_paginator().send();
        let mut lines = Vec::new();
        'pages: while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.region.failed("reading the stack's events", error))?;
            for event in page.stack_events() {
                if since.is_some() && event.event_id() == since {
                    break 'pages;
                }
                lines.extend(refusal(event));
            }
        }
        // They come newest first.
        lines.reverse();
        Ok(lines)
    }
}

/// An event that says why something failed, in one line.
fn refusal(event: &StackEvent) -> Option<String> {
    let status = event.resource_status()?.as_str();
    let reason = event.resource_status_reason()?;
    if !status.ends_with("_FAILED") || (reason.starts_with("Resource ") && reason.ends_with(" cancelled")) {
        return None;
    }
    let name = event.logical_resource_id().unwrap_or_default();
    let kind = event.resource_type().unwrap_or_default();
    Some(format!("{name} ({kind}): {status}: {reason}"))
}

/// Waits a moment, and says once that it does.
async fn pause(waited: &mut Duration, region: &str, doing: &str) -> Result<(), Error> {
    if *waited == Duration::ZERO {
        say(&format!("{region}: {doing} …"));
    }
    if *waited >= PATIENCE {
        return Err(format!(
            "{region}: {doing} is not done after {} minutes: look at the stack's events, then run the same again",
            PATIENCE.as_secs() / 60
        )
        .into());
    }
    *waited += PAUSE;
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No state of CloudFormation is taken for one that can be deployed to while it can't.
    #[test]
    fn every_state_of_a_stack_is_one_of_five() {
        let state = |status: &str| State::of(Some(&Stack::builder().stack_status(status.into()).build()));
        for (expected, statuses) in [
            ("Absent", "DELETE_COMPLETE"),
            ("Empty", "ROLLBACK_COMPLETE REVIEW_IN_PROGRESS"),
            (
                "Stands",
                "CREATE_COMPLETE UPDATE_COMPLETE UPDATE_ROLLBACK_COMPLETE UPDATE_FAILED IMPORT_COMPLETE IMPORT_ROLLBACK_COMPLETE",
            ),
            (
                "Busy",
                "CREATE_IN_PROGRESS ROLLBACK_IN_PROGRESS DELETE_IN_PROGRESS UPDATE_IN_PROGRESS \
                 UPDATE_COMPLETE_CLEANUP_IN_PROGRESS UPDATE_ROLLBACK_IN_PROGRESS \
                 UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS IMPORT_IN_PROGRESS IMPORT_ROLLBACK_IN_PROGRESS",
            ),
            (
                "Stuck",
                "CREATE_FAILED ROLLBACK_FAILED DELETE_FAILED UPDATE_ROLLBACK_FAILED IMPORT_ROLLBACK_FAILED",
            ),
        ] {
            for status in statuses.split_whitespace() {
                let found = format!("{:?}", state(status));
                assert!(found.starts_with(expected), "{status} is {found}");
            }
        }
        assert_eq!(State::of(None), State::Absent);
        let stuck = state("UPDATE_ROLLBACK_FAILED").in_the_way("eu-west-1", "causeway").unwrap();
        assert!(
            stuck.contains("continue-update-rollback --region eu-west-1 --stack-name causeway"),
            "{stuck}"
        );
        assert!(state("ROLLBACK_COMPLETE").in_the_way("eu-west-1", "causeway").is_none());
    }

    #[test]
    fn what_was_only_cancelled_is_no_refusal() {
        let event = |status: &str, reason: &str| {
            let event =
                StackEvent::builder().logical_resource_id("LogGroup").resource_type("AWS::Logs::LogGroup");
            refusal(&event.resource_status(status.into()).resource_status_reason(reason).build())
        };
        assert_eq!(
            event("CREATE_FAILED", "it exists").unwrap(),
            "LogGroup (AWS::Logs::LogGroup): CREATE_FAILED: it exists"
        );
        assert_eq!(event("CREATE_FAILED", "Resource creation cancelled"), None);
        assert_eq!(
            event("ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [LogGroup]."),
            None
        );
    }
}
