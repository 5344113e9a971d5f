//! One stack of the workload: made, changed or removed, with what AWS said when it refused.
//!
//! A change is a change set, looked at before it is carried out. What a first deployment left that failed holds nothing and is deleted
//! first. A failure leaves the stack as CloudFormation takes it back, and the same command, run again, goes on from there.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, Parameter, Replacement, Stack, StackStatus, Tag,
};
use tokio::time::{Instant, sleep};

use crate::Error;
use crate::stack::account::Region;
use crate::stack::stacks::{Named, State};

/// The tag that everything of a workload carries; its value is the workload's name.
pub const TAG: &str = "causeway-workload";
/// The change set.
const CHANGES: &str = "causeway-workload";
/// Between two looks: soon at first, then as often as CloudFormation likes to be asked.
const LOOKS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];

/// What a stack gives to others.
pub type Outputs = BTreeMap<String, String>;
/// What a stack is given.
pub type Parameters = BTreeMap<String, String>;

/// A stack.
pub struct Target<'a> {
    /// The Region.
    pub region: &'a Region,
    /// The stack's name.
    pub name: &'a str,
    /// The workload's.
    pub workload: &'a str,
}

/// What a change set would do, a line each: `Add Vpc (AWS::EC2::VPC)`.
pub type Changes = Vec<String>;

impl Target<'_> {
    const fn named(&self) -> Named<'_> {
        Named { region: self.region, name: self.name }
    }

    fn error(&self, what: &str) -> Error {
        format!("{}: the stack {} {what}", self.region.name, self.name).into()
    }

    /// Deploys it, and waits until it stands.
    ///
    /// # Errors
    /// With the reason that AWS gave.
    pub async fn deploy(&self, template: &str, parameters: &Parameters) -> Result<Outputs, Error> {
        if let Some(id) = self.proposed(template, parameters).await? {
            self.carry_out(&id).await?;
        }
        self.outputs().await?.ok_or_else(|| self.error("is gone"))
    }

    /// What a deployment would change; nothing is changed.
    ///
    /// # Errors
    /// When CloudFormation refuses to say.
    pub async fn changes(&self, template: &str, parameters: &Parameters) -> Result<Changes, Error> {
        let before = self.named().state().await?;
        let Some(id) = self.proposed(template, parameters).await? else { return Ok(Vec::new()) };
        let asked =
            self.region.cloudformation.describe_change_set().change_set_name(&id).stack_name(self.name);
        let said = asked.send().await.map_err(|error| self.region.failed("reading a change set", error))?;
        let changes = said.changes().iter().filter_map(|change| {
            let change = change.resource_change()?;
            let replaced = match change.replacement().map(Replacement::as_str) {
                Some("True") => ", which is replaced",
                Some("Conditional") => ", which may be replaced",
                _ => "",
            };
            Some(format!(
                "{} {} ({}){replaced}",
                change.action()?.as_str(),
                change.logical_resource_id()?,
                change.resource_type()?
            ))
        });
        let changes = changes.collect();
        self.drop_changes(&id).await?;
        // To say what it would make, CloudFormation makes a stack with nothing in it.
        if before == State::Absent {
            self.named().delete_empty().await?;
        }
        Ok(changes)
    }

    /// A change set that can be carried out; `None` where nothing would change.
    async fn proposed(&self, template: &str, parameters: &Parameters) -> Result<Option<String>, Error> {
        // A deployment that was interrupted goes on without who began it.
        self.ended().await?;
        let state = self.named().state().await?;
        if let Some(why) = state.in_the_way(&self.region.name, self.name) {
            return Err(why.into());
        }
        if matches!(state, State::Empty(_)) {
            self.named().delete_empty().await?;
        }
        let kind =
            if matches!(state, State::Stands(_)) { ChangeSetType::Update } else { ChangeSetType::Create };
        let given = parameters
            .iter()
            .map(|(name, value)| Parameter::builder().parameter_key(name).parameter_value(value).build());
        let tag = Tag::builder().key(TAG).value(self.workload).build();
        let made = self
            .region
            .cloudformation
            .create_change_set()
            .stack_name(self.name)
            .change_set_name(format!("{CHANGES}-{}", uuid::Uuid::new_v4().simple()))
            .change_set_type(kind)
            .template_body(template)
            .set_parameters(Some(given.collect()))
            .tags(tag)
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .send()
            .await;
        let made =
            made.map_err(|error| self.region.failed(&format!("changing the stack {}", self.name), error))?;
        let id = made.id().unwrap_or(CHANGES).to_owned();
        let mut looks = Looks::default();
        loop {
            let asked =
                self.region.cloudformation.describe_change_set().change_set_name(&id).stack_name(self.name);
            let said =
                asked.send().await.map_err(|error| self.region.failed("reading a change set", error))?;
            match said.status() {
                Some(ChangeSetStatus::CreateComplete) => return Ok(Some(id)),
                Some(ChangeSetStatus::Failed) => {
                    let reason = said.status_reason().unwrap_or("CloudFormation gives no reason").to_owned();
                    self.drop_changes(&id).await?;
                    if nothing_changes(&said) {
                        return Ok(None);
                    }
                    if !matches!(state, State::Stands(_)) {
                        self.named().delete_empty().await?;
                    }
                    return Err(
                        self.error(&format!("can't be changed: {reason}. Mend that, and run the same again"))
                    );
                }
                _ => looks.pause().await,
            }
        }
    }

    async fn drop_changes(&self, id: &str) -> Result<(), Error> {
        let dropped =
            self.region.cloudformation.delete_change_set().change_set_name(id).stack_name(self.name);
        dropped.send().await.map(drop).map_err(|error| self.region.failed("dropping a change set", error))
    }

    async fn carry_out(&self, id: &str) -> Result<(), Error> {
        let before = self.named().newest_event().await;
        let executed = self
            .region
            .cloudformation
            .execute_change_set()
            .change_set_name(id)
            .stack_name(self.name)
            .send()
            .await;
        executed.map_err(|error| self.region.failed(&format!("changing the stack {}", self.name), error))?;
        match self.ended().await? {
            Some(StackStatus::CreateComplete | StackStatus::UpdateComplete) => Ok(()),
            status => Err(self.refused("was not deployed", status.as_ref(), before.as_deref()).await),
        }
    }

    async fn refused(&self, what: &str, status: Option<&StackStatus>, since: Option<&str>) -> Error {
        let status = status.map_or("gone", StackStatus::as_str);
        let refusals = self.named().refusals(since).await.unwrap_or_default();
        let because = match refusals.as_slice() {
            [] => "CloudFormation gives no reason".to_owned(),
            refusals => refusals.join("\n    "),
        };
        self.error(&format!("{what} and is {status}, because\n    {because}\n    Mend that, and run the same again: it goes on from here"))
    }

    /// How it stands once CloudFormation has done with it; `None`: it is gone.
    async fn ended(&self) -> Result<Option<StackStatus>, Error> {
        let mut looks = Looks::default();
        loop {
            let status = self.described().await?.and_then(|stack| stack.stack_status().cloned());
            match status {
                // One that holds nothing, of a change set that nobody carried out.
                Some(StackStatus::ReviewInProgress) => return Ok(status),
                Some(status) if status.as_str().ends_with("_IN_PROGRESS") => looks.pause().await,
                Some(StackStatus::DeleteComplete) => return Ok(None),
                status => return Ok(status),
            }
        }
    }

    async fn described(&self) -> Result<Option<Stack>, Error> {
        self.named().described(self.name).await
    }

    /// Its outputs; `None` where there is no such stack, or one that holds nothing yet.
    ///
    /// # Errors
    /// When CloudFormation does not answer.
    pub async fn outputs(&self) -> Result<Option<Outputs>, Error> {
        let stack = self.described().await?;
        let stack = stack.filter(|stack| stack.stack_status() != Some(&StackStatus::ReviewInProgress));
        let outputs = stack.map(|stack| {
            let outputs = stack.outputs.unwrap_or_default().into_iter();
            outputs.filter_map(|output| Some((output.output_key?, output.output_value?))).collect()
        });
        Ok(outputs)
    }

    /// Its parameters, as it stands; `None` where there is no such stack.
    pub async fn parameters(&self) -> Result<Option<Parameters>, Error> {
        let stack = self.described().await?;
        let parameters = stack.map(|stack| {
            let parameters = stack.parameters.unwrap_or_default().into_iter();
            parameters.filter_map(|given| Some((given.parameter_key?, given.parameter_value?))).collect()
        });
        Ok(parameters)
    }

    /// Switches its protection against deletion off, where it has one.
    ///
    /// # Errors
    /// With the reason that AWS gave.
    pub async fn unprotect(&self) -> Result<(), Error> {
        const PROTECTION: &str = "DeletionProtection";
        // A deployment that was interrupted goes on without who began it.
        self.ended().await?;
        let Some(parameters) = self.parameters().await? else { return Ok(()) };
        if parameters.get(PROTECTION).is_none_or(|value| value == "false") {
            return Ok(());
        }
        let before = self.named().newest_event().await;
        let given = parameters.keys().map(|name| {
            let parameter = Parameter::builder().parameter_key(name);
            if name == PROTECTION {
                parameter.parameter_value("false")
            } else {
                parameter.use_previous_value(true)
            }
            .build()
        });
        let updated = self
            .region
            .cloudformation
            .update_stack()
            .stack_name(self.name)
            .use_previous_template(true)
            .set_parameters(Some(given.collect()))
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .send()
            .await;
        updated
            .map_err(|error| self.region.failed(&format!("unprotecting the stack {}", self.name), error))?;
        match self.ended().await? {
            Some(StackStatus::UpdateComplete) => Ok(()),
            status => Err(self.refused("keeps its protection", status.as_ref(), before.as_deref()).await),
        }
    }

    /// Removes it, with everything that it made, and waits until it is gone.
    ///
    /// # Errors
    /// With the reason that AWS gave.
    pub async fn delete(&self) -> Result<(), Error> {
        let before = self.named().newest_event().await;
        let deleted = self.region.cloudformation.delete_stack().stack_name(self.name).send().await;
        deleted.map_err(|error| self.region.failed(&format!("removing the stack {}", self.name), error))?;
        match self.ended().await? {
            None => Ok(()),
            status => Err(self.refused("was not removed", status.as_ref(), before.as_deref()).await),
        }
    }

    /// Names of what it has made of a type, such as `AWS::S3::Bucket`.
    ///
    /// # Errors
    /// When CloudFormation does not answer.
    pub async fn resources(&self, kind: &str) -> Result<Vec<String>, Error> {
        let asked = self.region.cloudformation.describe_stack_resources().stack_name(self.name).send().await;
        let said =
            asked.map_err(|error| self.region.failed(&format!("reading the stack {}", self.name), error))?;
        let of_kind = said.stack_resources().iter().filter(|resource| resource.resource_type() == Some(kind));
        Ok(of_kind.filter_map(|one| one.physical_resource_id().map(str::to_owned)).collect())
    }
}

/// Whether a change set was refused only because it would change nothing: CloudFormation has no status of its own for that.
fn nothing_changes(said: &DescribeChangeSetOutput) -> bool {
    let reason = said.status_reason().unwrap_or_default();
    ["didn't contain changes", "No updates are to be performed"].iter().any(|known| reason.contains(known))
}

/// The pauses between looks, longer after a while.
pub struct Looks(Instant);

impl Default for Looks {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Looks {
    /// How long one has been looking.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Waits until it is time to look again.
    pub async fn pause(&mut self) {
        let [soon, later] = LOOKS;
        sleep(if self.elapsed() < later { soon } else { later }).await;
    }
}

/// Names of the workload's stacks in a Region, by their tag; and of those `named` that hold nothing yet, since a deployment was
/// interrupted: they may have no tag.
///
/// # Errors
/// When CloudFormation does not answer.
pub async fn of_workload(
    region: &Region,
    workload: &str,
    named: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Error> {
    let mut pages = region.cloudformation.describe_stacks().into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| region.failed("listing the stacks", error))?;
        let is_tagged = |stack: &Stack| {
            stack.tags().iter().any(|tag| tag.key() == Some(TAG) && tag.value() == Some(workload))
        };
        let is_empty = |stack: &Stack| {
            stack.stack_status() == Some(&StackStatus::ReviewInProgress)
                && stack.stack_name().is_some_and(&named)
        };
        let ours = page.stacks().iter().filter(|stack| {
            stack.stack_status() != Some(&StackStatus::DeleteComplete)
                && (is_tagged(stack) || is_empty(stack))
        });
        names.extend(ours.filter_map(|stack| stack.stack_name().map(str::to_owned)));
    }
    Ok(names)
}
