//! Step `global-failover`: promotes all of the plan's global databases to the target Region at once.
//!
//! It runs in the target Region, and looks at the world from there. Operations:
//! - `failover`: the primary's Region is impaired, writes that were not replicated are lost. Calls the target Region
//!   only.
//! - `switchover`: both Regions are well, nothing is lost. Calls the primary's Region, as AWS asks for.
//!
//! # States
//! For each global database, at every look ([`decide`]):
//!
//! | seen | what follows |
//! |---|---|
//! | its one writer is in the target Region, nothing runs | done |
//! | an operation towards the target runs, or one is being cancelled | wait |
//! | an operation to another Region runs | refuse |
//! | two writers or none, no operation | wait: so it is for a moment |
//! | creating, modifying, upgrading | wait |
//! | deleting; no member in the target Region; the target is being rebuilt (`pending-resync`) | refuse |
//! | else | act |
//!
//! The step answers Done when every database is done: read back, never taken from the answer to a call. It looks
//! about once a second for at most [`SLICE`](runbook::watch::SLICE), then answers InProgress; the plan's `promotionMinutes` after `since` it
//! answers Refused, naming the databases that are not there.
//!
//! # Promises
//! - All or none, as far as one can see: nothing is started while one database has to be refused. The answer names the
//!   reason of every one.
//! - Calling it again at any moment is safe: what is there or on its way is not started again. An operation that AWS
//!   accepted and then gave up is started again by the next call, until the limit.
//! - When AWS rejects a call because of a state, the step looks again: an operation that someone else started towards
//!   the target is as good as its own; else it answers Refused with AWS's words.
//! - A Region that does not answer is asked again until the time of the call is over; only then it is an error.
//!
//! # What a failure leaves
//! AWS goes on with every operation that was started; `changed` (or the error) names them. A database whose call was
//! rejected stays where it was, so the databases may be in different Regions: mend the reason and run the step again.
//!
//! Managed failover needs the same engine version in both clusters. Where AWS says that they differ, the way out is
//! by hand, because it gives up replication: detach the target cluster with `RemoveFromGlobalCluster`, which makes it a
//! writable cluster of its own, and build a new global database around it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_rds::Client;
use futures::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};
use runbook::aurora::{self, DescribeGlobalCluster, GlobalCluster, Operation, region_of};
use runbook::error::Kind;
use runbook::watch::{Look, watch};
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use serde::{Deserialize, Serialize};

mod decide;
mod promote;

pub use decide::{Decision, decide};
pub use promote::{Answer, FailoverGlobalCluster, SwitchoverGlobalCluster};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Failover or switchover.
    pub operation: Mode,
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// The Region that takes over: the function's own.
    pub target_region: String,
    /// `observed.since` of the first call; absent or empty at the first.
    #[serde(default, deserialize_with = "runbook::step::optional_time")]
    pub since: Option<Timestamp>,
}

/// The kind of promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Unplanned, data loss allowed.
    Failover,
    /// Planned, without loss.
    Switchover,
}

impl Mode {
    fn noun(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Switchover => "switchover",
        }
    }
}

/// What was seen at the last look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// When the first call began; the plan's limit counts from here.
    pub since: Timestamp,
    /// The databases, by the plan's names.
    pub databases: BTreeMap<String, DatabaseState>,
}

/// Where a database stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseState {
    /// Region of its writer; null while there is not exactly one.
    pub writer_region: Option<String>,
    /// Status of the global cluster, such as `available`.
    pub status: String,
    /// The operation that runs, if any.
    pub operation: Option<Operation>,
}

/// The step as the Lambda function calls it.
///
/// # Errors
/// For what is broken: event, plan, permissions, a Region that stays silent, a global cluster that does not exist.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    let plan = RecoveryPlan::load(&context, &event.plan).await?;
    plan.require_region(&event.target_region, "`targetRegion`")?;
    if event.target_region != context.region {
        return Err(StepError::new(
            Kind::BadEvent,
            format!(
                "`targetRegion` is {}, but this function runs in {}",
                event.target_region, context.region
            ),
            "run the step in the Region that takes over",
        ));
    }
    let client = |region: &str| Client::new(&runbook::aws::in_region(&context.config, region));
    run(client, &context, &plan, &event).await
}

/// The calls of this step, to one Region.
trait Aurora: DescribeGlobalCluster + FailoverGlobalCluster + SwitchoverGlobalCluster + Send + Sync {}
impl<C: DescribeGlobalCluster + FailoverGlobalCluster + SwitchoverGlobalCluster + Send + Sync> Aurora for C {}

/// Looks and acts until every database is there, something has to be refused, or the time of this call is over.
async fn run<C, F>(
    client: F,
    context: &Context,
    plan: &RecoveryPlan,
    event: &Event,
) -> Result<Outcome<Observed>, StepError>
where
    C: Aurora,
    F: Fn(&str) -> C + Send + Sync,
{
    let since = event.since.unwrap_or_else(|| context.clock.now());
    // Two of the plan's databases may live in one global cluster; it is promoted once.
    let mut names = BTreeMap::<&str, Vec<&str>>::new();
    for (name, database) in &plan.databases {
        names.entry(&database.global_cluster).or_default().push(name);
    }
    let step = Step { client, context, plan, event, since, names, memory: Memory::default() };
    watch(context, LOOK, step).await
}

/// What this call did: AWS may show it a moment later.
#[derive(Debug, Default)]
struct Memory {
    /// Global clusters for which a call was accepted.
    accepted: BTreeSet<String>,
    /// Those for which the last call was rejected, with the reason.
    rejected: BTreeMap<String, String>,
}

impl Memory {
    /// The decision, in the light of what this call already did.
    fn settle(&mut self, id: &str, decision: Decision) -> Decision {
        let Decision::Act { .. } = decision else {
            self.rejected.remove(id);
            return decision;
        };
        if self.accepted.contains(id) {
            return Decision::Wait;
        }
        self.rejected.remove(id).map_or(decision, Decision::Refuse)
    }
}

struct Step<'a, F> {
    client: F,
    context: &'a Context,
    plan: &'a RecoveryPlan,
    event: &'a Event,
    since: Timestamp,
    /// The plan's names for each global cluster.
    names: BTreeMap<&'a str, Vec<&'a str>>,
    memory: Memory,
}

impl<C, F> Look for Step<'_, F>
where
    C: Aurora,
    F: Fn(&str) -> C + Send + Sync,
{
    type Observed = Observed;

    async fn look(&mut self, changed: &mut Vec<String>) -> Result<Outcome<Observed>, StepError> {
        let (target, mode) = (self.event.target_region.as_str(), self.event.operation);
        let seen = self.observe().await?;
        let observed = self.describe(&seen);
        let decisions: Vec<(&GlobalCluster, Decision)> = seen
            .iter()
            .map(|cluster| (cluster, self.memory.settle(&cluster.id, decide(cluster, target, mode))))
            .collect();

        let refusals: Vec<&str> = decisions
            .iter()
            .filter_map(|(_, decision)| match decision {
                Decision::Refuse(reason) => Some(reason.as_str()),
                _ => None,
            })
            .collect();
        if !refusals.is_empty() {
            let started = match changed.as_slice() {
                [] => "nothing was started".to_owned(),
                lines => lines.join(", "),
            };
            return Ok(Outcome::new(
                Status::Refused,
                format!("{}; {started}", refusals.join("; ")),
                observed,
            ));
        }
        let open: Vec<String> = decisions
            .iter()
            .filter(|(_, decision)| *decision != Decision::AlreadyDone)
            .map(|(cluster, _)| self.name(&cluster.id))
            .collect();
        if open.is_empty() {
            let reason = format!("every database has its writer in {target}");
            return Ok(Outcome::new(Status::Done, reason, observed));
        }
        let open = open.join(", ");
        let minutes = self.plan.limits.promotion_minutes;
        if self.context.clock.now().duration_since(self.since) > SignedDuration::from_mins(minutes.into()) {
            let reason = format!(
                "not in {target} {minutes} minutes after {} (limits.promotionMinutes): {open}; \
                 what was started goes on, look at the global clusters in the RDS console",
                self.since
            );
            return Ok(Outcome::new(Status::Refused, reason, observed));
        }
        self.execute(&decisions, changed).await?;
        Ok(Outcome::new(
            Status::InProgress,
            format!("waiting for {open} to have the writer in {target}"),
            observed,
        ))
    }
}

impl<C, F> Step<'_, F>
where
    C: Aurora,
    F: Fn(&str) -> C + Send + Sync,
{
    /// Every global cluster of the plan, as the target Region sees it.
    async fn observe(&self) -> Result<Vec<GlobalCluster>, StepError> {
        let target = &self.event.target_region;
        let client = (self.client)(target);
        try_join_all(self.names.keys().map(async |id| {
            let cluster = client.describe_global_cluster(id).await?;
            cluster.ok_or_else(|| aurora::missing("global cluster", id, target))
        }))
        .await
    }

    /// Makes the calls that were decided, all at once. A call that fails does not keep another from being made.
    async fn execute(
        &mut self,
        decisions: &[(&GlobalCluster, Decision)],
        changed: &mut Vec<String>,
    ) -> Result<(), StepError> {
        let mode = self.event.operation;
        let calls = decisions.iter().filter_map(|(cluster, decision)| match decision {
            Decision::Act { region, target_arn } => Some((cluster.id.as_str(), region, target_arn)),
            _ => None,
        });
        let answers = join_all(calls.map(async |(id, region, target_arn)| {
            let client = (self.client)(region);
            let answer = match mode {
                Mode::Failover => client.failover_global_cluster(id, target_arn).await,
                Mode::Switchover => client.switchover_global_cluster(id, target_arn).await,
            };
            (id, target_arn, answer)
        }))
        .await;
        let mut failed = None;
        for (id, target_arn, answer) in answers {
            match answer {
                Ok(Answer::Accepted) => {
                    let name = self.name(id);
                    changed.push(format!("started the {} of {name} to {target_arn}", mode.noun()));
                    self.memory.accepted.insert(id.to_owned());
                }
                Ok(Answer::Rejected(message)) => {
                    self.memory.rejected.insert(id.to_owned(), rejection(mode, id, target_arn, &message));
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The plan's name for a global cluster.
    fn name(&self, id: &str) -> String {
        self.names.get(id).map_or_else(|| id.to_owned(), |names| names.join("+"))
    }

    fn describe(&self, seen: &[GlobalCluster]) -> Observed {
        let mut databases = BTreeMap::new();
        for cluster in seen {
            let mut writers = cluster.writers();
            let writer_region = match (writers.next(), writers.next()) {
                (Some(writer), None) => Some(region_of(&writer.cluster_arn).to_owned()),
                _ => None,
            };
            let state = DatabaseState {
                writer_region,
                status: cluster.status.clone(),
                operation: cluster.operation.clone(),
            };
            for name in self.names.get(cluster.id.as_str()).into_iter().flatten() {
                databases.insert((*name).to_owned(), state.clone());
            }
        }
        Observed { since: self.since, databases }
    }
}

/// Why a call was rejected and what to do. AWS has no code of its own for engine versions that differ.
fn rejection(mode: Mode, id: &str, target_arn: &str, message: &str) -> String {
    let noun = mode.noun();
    let lower = message.to_lowercase();
    if !(lower.contains("engine version") || lower.contains("same version")) {
        return format!("AWS rejected the {noun} of global cluster {id}: {message}");
    }
    let remedy = match mode {
        Mode::Failover => format!(
            "detach {target_arn} by hand with RemoveFromGlobalCluster, which makes it a writable cluster of its own \
             and ends its replication"
        ),
        Mode::Switchover => "bring both clusters to the same engine version first".to_owned(),
    };
    format!("managed {noun} of global cluster {id} is not possible, AWS says: {message}; {remedy}")
}

#[cfg(test)]
mod tests;
