//! The calls, one narrow trait each, implemented for the SDK's client of one Region.

use std::collections::BTreeMap;

use aws_sdk_arcregionswitch::Client as RegionSwitch;
use aws_sdk_arcregionswitch::operation::get_plan_execution::{GetPlanExecutionError, GetPlanExecutionOutput};
use aws_sdk_arcregionswitch::types::{
    ExecutionAction, ExecutionBlockConfiguration, ExecutionMode, GlobalAuroraDefaultBehavior, Plan,
    Step as SdkStep, StepState, Workflow, WorkflowTargetAction,
};
use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::error::ProvideErrorMetadata;
use jiff::Timestamp;
use runbook::StepError;
use runbook::error::Kind;
use runbook::lock::Standing;

use crate::seen::{Action, DatabaseBlock, PlanExecution, Reconciliation, Step};

/// Reads an execution of Region switch.
pub(crate) trait ReadPlanExecution {
    /// The execution `id` of the plan with this ARN, as Region switch in the Region of this client has it; `None` when it has
    /// none.
    fn read_plan_execution(
        &self,
        plan: &str,
        id: &str,
    ) -> impl Future<Output = Result<Option<PlanExecution>, StepError>> + Send;
}

/// Starts an execution of a runbook.
pub(crate) trait StartRunbook {
    /// Its id; `None` when one was started with this token before, and Systems Manager does not say which.
    fn start_runbook(
        &self,
        document: &str,
        token: &str,
        parameters: &BTreeMap<&'static str, String>,
    ) -> impl Future<Output = Result<Option<String>, StepError>> + Send;
}

/// Reads an execution of `reconcile`.
pub(crate) trait ReadReconciliation {
    /// The execution with this id in the Region of this client; `None` when there is none.
    fn read_reconciliation(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<Reconciliation>, StepError>> + Send;
}

impl ReadPlanExecution for RegionSwitch {
    async fn read_plan_execution(&self, plan: &str, id: &str) -> Result<Option<PlanExecution>, StepError> {
        let mut pages = self.get_plan_execution().plan_arn(plan).execution_id(id).into_paginator().send();
        let mut found: Option<(GetPlanExecutionOutput, Vec<StepState>)> = None;
        while let Some(page) = pages.next().await {
            let page = match page {
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(GetPlanExecutionError::is_resource_not_found_exception) =>
                {
                    return Ok(None);
                }
                page => page.map_err(|error| {
                    let what = format!("reading execution {id} of Region switch's plan {plan}");
                    match StepError::aws(what, error) {
                        error if error.kind() == Kind::Denied => error.with_remedy(
                            "name this plan in `regionSwitchPlanArn` of the stack's settings, and deploy",
                        ),
                        error => error,
                    }
                })?,
            };
            let states = page.step_states().to_vec();
            match &mut found {
                Some((_, all)) => all.extend(states),
                None => found = Some((page, states)),
            }
        }
        found.map(|(execution, states)| plan_execution(&execution, &states)).transpose()
    }
}

fn no_sense(id: &str, what: &str, remedy: &str) -> StepError {
    StepError::new(Kind::Failed, format!("execution {id} of Region switch has {what}"), remedy)
}

fn plan_execution(from: &GetPlanExecutionOutput, states: &[StepState]) -> Result<PlanExecution, StepError> {
    let action = match from.execution_action() {
        ExecutionAction::Activate => Action::Activate,
        ExecutionAction::Deactivate => Action::Deactivate,
        ExecutionAction::PostRecovery => Action::PostRecovery,
        other => {
            let what = format!("the action {}, which this function does not know", other.as_str());
            let remedy = "put the block into a workflow that activates or deactivates a Region, or a post-recovery one";
            return Err(no_sense(from.execution_id(), &what, remedy));
        }
    };
    let started = time(from.start_time())
        .ok_or_else(|| no_sense(from.execution_id(), "no time at which it started", "report this line"))?;
    let ours = |workflow: &&Workflow| {
        let of_action = match workflow.workflow_target_action() {
            WorkflowTargetAction::Activate => action == Action::Activate,
            WorkflowTargetAction::Deactivate => action == Action::Deactivate,
            _ => false,
        };
        of_action && workflow.workflow_target_region().is_none_or(|of| of == from.execution_region())
    };
    let workflows = from.plan().map(Plan::workflows).unwrap_or_default();
    let mut databases = Vec::new();
    workflows.iter().filter(ours).for_each(|workflow| blocks(workflow.steps(), &mut databases));
    Ok(PlanExecution {
        id: from.execution_id().to_owned(),
        plan: from.plan_arn().to_owned(),
        action,
        region: from.execution_region().to_owned(),
        ungraceful: *from.mode() == ExecutionMode::Ungraceful,
        started,
        ended: from.end_time().and_then(time),
        recovery: from.recovery_execution_id().map(str::to_owned),
        steps: states.iter().filter_map(step).collect(),
        databases,
    })
}

fn step(state: &StepState) -> Option<Step> {
    Some(Step {
        name: state.name()?.to_owned(),
        status: state.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        started: state.start_time().and_then(time),
        ended: state.end_time().and_then(time),
        ungraceful: state.step_mode().map(|mode| *mode == ExecutionMode::Ungraceful),
    })
}

/// The blocks that move an Aurora global database, also those that run beside each other.
fn blocks(steps: &[SdkStep], into: &mut Vec<DatabaseBlock>) {
    for step in steps {
        match step.execution_block_configuration() {
            Some(ExecutionBlockConfiguration::ParallelConfig(parallel)) => blocks(parallel.steps(), into),
            Some(ExecutionBlockConfiguration::GlobalAuroraConfig(block)) => {
                // A behavior that is not known may lose.
                let loses_gracefully = *block.behavior() != GlobalAuroraDefaultBehavior::SwitchoverOnly;
                into.push(DatabaseBlock {
                    step: step.name().to_owned(),
                    global_cluster: block.global_cluster_identifier().to_owned(),
                    loses_gracefully,
                    // The only one that can be set for it is a failover; without, it is as in a graceful one.
                    loses_ungracefully: loses_gracefully
                        || block.ungraceful().is_some_and(|block| block.ungraceful().is_some()),
                });
            }
            _ => {}
        }
    }
}

fn time(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

impl StartRunbook for Ssm {
    async fn start_runbook(
        &self,
        document: &str,
        token: &str,
        parameters: &BTreeMap<&'static str, String>,
    ) -> Result<Option<String>, StepError> {
        let parameters =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), vec![value.clone()])).collect();
        let started = self
            .start_automation_execution()
            .document_name(document)
            .client_token(token)
            .set_parameters(Some(parameters))
            .send()
            .await;
        match started {
            Ok(started) => Ok(started.automation_execution_id().map(str::to_owned)),
            // AWS does not say whether a token that was used before is answered with the first execution, or so.
            Err(error) if error.code() == Some("IdempotentParameterMismatch") => Ok(None),
            Err(error) => Err(StepError::aws(format!("starting runbook {document}"), error)),
        }
    }
}

impl ReadReconciliation for Ssm {
    async fn read_reconciliation(&self, id: &str) -> Result<Option<Reconciliation>, StepError> {
        let answer = match self.get_automation_execution().automation_execution_id(id).send().await {
            Ok(answer) => answer,
            Err(error)
                if ["AutomationExecutionNotFoundException", "ValidationException"]
                    .contains(&error.code().unwrap_or_default()) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(StepError::aws(format!("reading Automation execution {id}"), error)),
        };
        let Some(execution) = answer.automation_execution() else { return Ok(None) };
        // The runbook's one output: a sentence, and behind it the page, where there is one. One that was not given is its own name in
        // braces, or says so.
        let said = execution.outputs().and_then(|outputs| outputs.get("outcome.summary")?.first());
        let said = said.filter(|said| !said.contains("{{") && !said.starts_with("No output available"));
        let page = said.and_then(|said| said.rsplit(' ').next()).filter(|word| word.starts_with("s3://"));
        let sentence = said.map(|said| page.map_or(said.as_str(), |page| said.trim_end_matches(page)).trim());
        let status = execution.automation_execution_status();
        Ok(Some(Reconciliation {
            id: id.to_owned(),
            status: status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            standing: Standing::of(status),
            step: execution.current_step_name().map(str::to_owned),
            failure: execution.failure_message().map(str::to_owned),
            summary: sentence.map(str::to_owned),
            location: page.map(str::to_owned),
        }))
    }
}
