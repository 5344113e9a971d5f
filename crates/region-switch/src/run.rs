//! A call: looks at what there is, does the next thing, and says how it stands. See the crate's page.

use std::collections::BTreeMap;

use aws_sdk_arcregionswitch::Client as RegionSwitch;
use aws_sdk_ssm::Client as Ssm;
use runbook::aurora::{self, DescribeGlobalCluster};
use runbook::bucket::{GetObject, PutIf};
use runbook::error::Kind;
use runbook::lock::{Lock, Standing};
use runbook::names::keys;
use runbook::record::ReadLastFailover;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use serde::{Deserialize, Serialize};

use crate::calls::{ReadPlanExecution, ReadReconciliation, StartRunbook};
use crate::decide::{Moved, failover_name, may_have_lost, moved, not_moved_yet, token};
use crate::record::record;
use crate::seen::{Action, PlanExecution, Reconciliation};
use crate::{Event, Operation};

/// What the function answers beside its status, when the reconciliation is over.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Id of the execution of `reconcile`; absent where none was needed.
    pub execution: Option<String>,
    /// `s3://bucket/key` of the report's page.
    pub location: Option<String>,
    /// What the report says, in a sentence or two.
    pub summary: Option<String>,
}

/// What the stack says of itself, as far as it is needed to start a runbook.
#[derive(Debug, Deserialize)]
struct Stack {
    prefix: String,
    roles: BTreeMap<String, String>,
}

/// Which execution a step of Region switch's execution has started.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    execution: String,
}

/// How long Region switch is to wait: it does so by itself.
const WAIT: &str = "wait, the block calls again after its retry interval";

pub(crate) async fn run(
    context: &Context,
    plan: &RecoveryPlan,
    event: &Event,
) -> Result<Outcome<Observed>, StepError> {
    // Its own Region first: the other one may be cut off. A post-recovery runs in the Region that is not the recovery's.
    let regions = [context.region.as_str(), plan.other_region(&context.region)];
    let switches = regions.map(|region| RegionSwitch::new(&runbook::aws::in_region(&context.config, region)));
    let recovery = recovery(&switches, event).await?;
    let is_under_way = recovery.id == event.execution_id;
    let moved = moved(plan, &recovery, &context.region)?;
    if !may_have_lost(plan, &recovery) {
        let reason = format!(
            "Region switch moved every database of {} to {} by switchover: nothing can be lost",
            plan.name, moved.to
        );
        let observed = Observed { execution: None, location: None, summary: None };
        return Ok(Outcome::new(Status::NotNeeded, reason, observed));
    }
    let failover = failover_name(&recovery);
    let kept = keep_record(context, plan, &recovery, &moved, event, is_under_way).await?;
    if event.operation == Operation::Record {
        let reason = format!("failover {failover} of Region switch is on record{kept}");
        let observed = Observed { execution: None, location: None, summary: None };
        return Ok(Outcome::new(Status::Done, reason, observed));
    }

    let (store, bucket) = (runbook::bucket::client(&context.config), plan.report_bucket(&context.region)?);
    let executions = Ssm::new(&context.config);
    let token = token(&event.plan_arn, &event.execution_id, &event.step_name, &plan.name);
    let noted = keys::region_switch(&plan.name, &token);
    let reconciles = match holder(&store, bucket, plan, &failover).await? {
        Some(holder) => Some(holder),
        None => read::<Note>(&store, bucket, &noted).await?.map(|note| note.execution),
    };
    if let Some(id) = reconciles {
        return stands(executions.read_reconciliation(&id).await?, &id, context, &failover);
    }
    let stack = stack(context, &event.plan).await?;
    match start(&executions, &stack, event, &token).await? {
        Some(id) => {
            let body = serde_json::to_vec(&Note { execution: id.clone() }).map_err(|error| {
                StepError::new(Kind::Failed, "a note can't be written as JSON", "report this line")
                    .with_source(error)
            })?;
            // Another call of the same step, at the same time, may have noted the same.
            store.put_if(bucket, &noted, None, body).await?;
            tracing::info!(execution = %id, failover, "reconcile was started");
            Err(in_progress(format!("reconcile {id} was started for failover {failover}"), WAIT))
        }
        None => Err(in_progress(
            format!(
                "reconcile of failover {failover} was started by an earlier call, and is not at work yet"
            ),
            "wait, the block calls again after its retry interval; where no execution of reconcile runs here, start one, and the \
             block follows it",
        )),
    }
}

fn in_progress(what: String, remedy: &str) -> StepError {
    StepError::new(Kind::InProgress, what, remedy)
}

/// The execution of Region switch that moved the application: this one, or the one that this post-recovery comes after.
async fn recovery(switches: &[impl ReadPlanExecution], event: &Event) -> Result<PlanExecution, StepError> {
    let asked = find(switches, event, &event.execution_id).await?;
    if asked.action != Action::PostRecovery {
        return Ok(asked);
    }
    let id = asked.recovery.ok_or_else(|| {
        StepError::new(
            Kind::Failed,
            format!(
                "post-recovery {} of Region switch does not say which execution it comes after",
                asked.id
            ),
            "give the id of that execution as ExecutionId in the block's payload, and retry the step",
        )
    })?;
    find(switches, event, &id).await
}

/// An execution of Region switch, from the first Region that knows it.
async fn find(
    switches: &[impl ReadPlanExecution],
    event: &Event,
    id: &str,
) -> Result<PlanExecution, StepError> {
    for switch in switches {
        if let Some(found) = switch.read_plan_execution(&event.plan_arn, id).await? {
            return Ok(found);
        }
    }
    Err(StepError::new(
        Kind::BadEvent,
        format!("there is no execution {id} of {} in either Region of the plan", event.plan_arn),
        "look for PlanArn and ExecutionId in the block's payload, whose keys win over what Region switch sends",
    ))
}

/// Writes the record of the failover, unless it is there. Where the recovery `is_under_way` it asks for snapshots of the new
/// primaries before, and answers what came of that, to be said behind.
async fn keep_record(
    context: &Context,
    plan: &RecoveryPlan,
    recovery: &PlanExecution,
    moved: &Moved,
    event: &Event,
    is_under_way: bool,
) -> Result<String, StepError> {
    let (store, bucket) = (runbook::bucket::client(&context.config), plan.report_bucket(&context.region)?);
    let failover = failover_name(recovery);
    if let Some(last) = store.read_last_failover(bucket, &plan.name).await? {
        if last.execution == failover {
            return Ok(String::new());
        }
        if last.started_at > recovery.started {
            return Err(StepError::new(
                Kind::Failed,
                format!(
                    "failover {} of {} began at {}, after execution {} of Region switch: what that one lost is not to be told \
                     any more",
                    last.execution, plan.name, last.started_at, recovery.id
                ),
                "skip this step in Region switch, and reconcile the later failover",
            ));
        }
    }
    let rds = aws_sdk_rds::Client::new(&context.config);
    let mut seen = Vec::new();
    for (name, database) in &plan.databases {
        let global = rds.describe_global_cluster(&database.global_cluster).await?;
        let global = global
            .ok_or_else(|| aurora::missing("global cluster", &database.global_cluster, &context.region))?;
        seen.push((name.as_str(), global));
    }
    if let Some(why) = not_moved_yet(&seen, &moved.to) {
        return Err(in_progress(
            format!("{} has not moved to {} yet: {why}", plan.name, moved.to),
            "wait, the block calls again; put it behind the blocks that move the databases",
        ));
    }
    // What the new primary has later is its own already.
    let kept = if is_under_way { keep_state(context, event, &failover).await } else { String::new() };
    let record = record(plan, recovery, moved, context.clock.now());
    let (location, changed) = report::record::write_failover(&store, bucket, plan, &record).await?;
    tracing::info!(location, ?changed, kept, "the failover of Region switch is on record");
    Ok(kept)
}

/// Asks for a snapshot of every new primary, as the runbook `failover` does. The recovery goes on whatever comes of it.
async fn keep_state(context: &Context, event: &Event, failover: &str) -> String {
    let keep = global_failover::Event {
        operation: global_failover::Operation::Keep,
        plan: event.plan.clone(),
        execution: failover.to_owned(),
        target_region: context.region.clone(),
        since: None,
    };
    match global_failover::handle(context.clone(), keep).await {
        Ok(kept) => format!("; {}", kept.reason),
        Err(error) => format!("; the state at the takeover is not kept: {error}"),
    }
}

/// The execution that has the lock on reconciling this failover.
async fn holder(
    store: &impl GetObject,
    bucket: &str,
    plan: &RecoveryPlan,
    failover: &str,
) -> Result<Option<String>, StepError> {
    let lock: Option<Lock> = read(store, bucket, &keys::reconcile_lock(&plan.name)).await?;
    Ok(lock.filter(|lock| lock.subject == failover).map(|lock| lock.execution))
}

/// An object, unless it is not what it should be: who writes it next replaces it.
async fn read<T: serde::de::DeserializeOwned>(
    store: &impl GetObject,
    bucket: &str,
    key: &str,
) -> Result<Option<T>, StepError> {
    Ok(store.get_object(bucket, key).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Answers by how the reconciliation stands.
fn stands(
    found: Option<Reconciliation>,
    id: &str,
    context: &Context,
    failover: &str,
) -> Result<Outcome<Observed>, StepError> {
    let again = format!(
        "mend the cause and start reconcile again in {}: the block follows that execution, or skip this step",
        context.region
    );
    let Some(found) = found else {
        let what = format!("Systems Manager does not know reconcile {id} of failover {failover} any more");
        return Err(StepError::new(Kind::Failed, what, again));
    };
    match found.standing {
        Standing::Running => {
            let step = found.step.map(|step| format!(", in step {step}")).unwrap_or_default();
            Err(in_progress(format!("reconcile {id} of failover {failover} runs{step}"), WAIT))
        }
        Standing::Succeeded => {
            let reason = match &found.location {
                Some(location) => format!("what failover {failover} lost is reported: {location}"),
                None => format!("reconcile {id} of failover {failover} has ended well"),
            };
            let observed =
                Observed { execution: Some(found.id), location: found.location, summary: found.summary };
            Ok(Outcome::new(Status::Done, reason, observed))
        }
        Standing::Over => {
            let why = found.failure.map(|why| format!(": {why}")).unwrap_or_default();
            let what = format!("reconcile {id} of failover {failover} ended as {}{why}", found.status);
            Err(StepError::new(Kind::Failed, what, again))
        }
    }
}

/// What the stack of this Region says of itself.
async fn stack(context: &Context, plan_parameter: &str) -> Result<Stack, StepError> {
    // As the template names it, beside the plan's parameter.
    let name = plan_parameter.rsplit('/').next().unwrap_or(plan_parameter);
    let parameter = format!("/causeway/stacks/{name}");
    let text = RecoveryPlan::text(context, &parameter).await?;
    serde_json::from_str(&text).map_err(|error| {
        let what = format!("SSM parameter {parameter} is not what the stack writes");
        StepError::new(Kind::Failed, what, "deploy the stack again").with_source(error)
    })
}

async fn start(
    executions: &impl StartRunbook,
    stack: &Stack,
    event: &Event,
    token: &str,
) -> Result<Option<String>, StepError> {
    let role = stack.roles.get("reconcile-runbook").ok_or_else(|| {
        let what = "the stack names no role of the runbook reconcile";
        StepError::new(Kind::Failed, what, "deploy the stack again")
    })?;
    let mut parameters = event.parameters.clone();
    parameters.extend([
        ("Plan", event.plan.clone()),
        // It ends at once where another execution reconciles the same failover.
        ("Trigger", "automatic".to_owned()),
        ("Prefix", stack.prefix.clone()),
        ("AutomationAssumeRole", role.clone()),
    ]);
    executions.start_runbook(&format!("{}-reconcile", stack.prefix), token, &parameters).await
}
