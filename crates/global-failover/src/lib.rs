//! Step `global-failover`: promotes all of the plan's global databases to the target Region at once.
//!
//! It runs in the target Region, and looks at the world from there. Operations:
//! - `failover`: the primary's Region is impaired, writes that were not replicated are lost. Calls the target Region
//!   only.
//! - `switchover`: both Regions are well, nothing is lost. Calls the primary's Region, as AWS asks for.
//! - `detach`: as `failover`, where AWS can't do it: engine versions differ, or a global cluster is stuck. The target's
//!   clusters leave their global clusters and become primaries of their own. Replication is over, and the writer endpoint
//!   of the global cluster goes on leading to the old primary.
//! - `rebuild`: makes global databases of detached clusters again, see [`rebuild`]. What follows is about the others.
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
//! Of a detach ([`decide_detach`]): in no global cluster and available: done; its one writer with nothing running: done,
//! and not detached; `promoting`, or not available yet: wait; `pending-resync`: refuse; else act, also while an operation
//! runs.
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
//! Managed failover needs the same engine version in both clusters. Where AWS says that they differ, `detach` is the way
//! out; it is for a person to choose, because it gives up replication.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_rds::Client;
use futures::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};
use runbook::aurora::{
    self, Answer, Cluster, DescribeCluster, DescribeGlobalCluster, GlobalCluster, Operation,
    RemoveFromGlobalCluster, region_of,
};
use runbook::error::Kind;
use runbook::plan::Member;
use runbook::watch::{Look, watch};
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use serde::{Deserialize, Serialize};

mod decide;
mod promote;
pub mod rebuild;

pub use decide::{Decision, decide, decide_detach};
pub use promote::{FailoverGlobalCluster, SwitchoverGlobalCluster};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// What.
    pub operation: Asked,
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

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// [`Mode::Failover`].
    Failover,
    /// [`Mode::Switchover`].
    Switchover,
    /// [`Mode::Detach`].
    Detach,
    /// Make global databases again of clusters that were detached.
    Rebuild,
}

impl Asked {
    fn mode(self) -> Option<Mode> {
        match self {
            Self::Failover => Some(Mode::Failover),
            Self::Switchover => Some(Mode::Switchover),
            Self::Detach => Some(Mode::Detach),
            Self::Rebuild => None,
        }
    }
}

/// The kind of promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Unplanned, data loss allowed.
    Failover,
    /// Planned, without loss.
    Switchover,
    /// Unplanned, out of the global cluster.
    Detach,
}

impl Mode {
    fn noun(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Switchover => "switchover",
            Self::Detach => "detaching",
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
    /// Of a cluster that has left its global cluster: where it takes writes, as `HOST:PORT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detached: Option<String>,
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
    let Some(mode) = event.operation.mode() else {
        return Box::pin(rebuild::run(&context, &plan, &event)).await;
    };
    let client = |region: &str| Client::new(&runbook::aws::in_region(&context.config, region));
    run(client, &context, &plan, &event, mode).await
}

/// The calls of this step, to one Region.
trait Aurora:
    DescribeGlobalCluster
    + DescribeCluster
    + FailoverGlobalCluster
    + SwitchoverGlobalCluster
    + RemoveFromGlobalCluster
    + Send
    + Sync
{
}
impl<C> Aurora for C where
    C: DescribeGlobalCluster
        + DescribeCluster
        + FailoverGlobalCluster
        + SwitchoverGlobalCluster
        + RemoveFromGlobalCluster
        + Send
        + Sync
{
}

/// Looks and acts until every database is there, something has to be refused, or the time of this call is over.
async fn run<C, F>(
    client: F,
    context: &Context,
    plan: &RecoveryPlan,
    event: &Event,
    mode: Mode,
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
    let step = Step { client, context, plan, event, mode, since, names, memory: Memory::default() };
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

/// What the target Region sees of a global cluster.
struct Seen {
    global: GlobalCluster,
    /// Its own cluster of the plan; looked at only for a detach.
    cluster: Option<Cluster>,
}

impl Seen {
    fn decide(&self, target: &str, mode: Mode) -> Decision {
        match &self.cluster {
            Some(cluster) => decide_detach(&self.global, cluster, target),
            None => decide(&self.global, target, mode),
        }
    }

    /// The cluster, when it has left the global cluster and takes writes.
    fn detached(&self, target: &str) -> Option<&Cluster> {
        let cluster = self.cluster.as_ref()?;
        (self.global.member_in(target).is_none() && cluster.status == "available").then_some(cluster)
    }
}

struct Step<'a, F> {
    client: F,
    context: &'a Context,
    plan: &'a RecoveryPlan,
    event: &'a Event,
    mode: Mode,
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
        let (target, mode) = (self.event.target_region.as_str(), self.mode);
        let seen = self.observe().await?;
        let observed = self.describe(&seen);
        let decisions: Vec<(&GlobalCluster, Decision)> = seen
            .iter()
            .map(|one| (&one.global, self.memory.settle(&one.global.id, one.decide(target, mode))))
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
            let mut reason = format!("every database has its writer in {target}");
            let detached = observed.databases.iter();
            let detached =
                detached.filter_map(|(name, one)| Some(format!("{name} at {}", one.detached.as_ref()?)));
            let detached = detached.collect::<Vec<_>>().join(", ");
            if !detached.is_empty() {
                reason += &format!("; detached, so write there and not to a global endpoint: {detached}");
            }
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
    async fn observe(&self) -> Result<Vec<Seen>, StepError> {
        let target = &self.event.target_region;
        let client = (self.client)(target);
        try_join_all(self.names.iter().map(async |(id, names)| {
            // The cluster before the global cluster: one that is seen to be available had left by then, if it has left.
            let cluster = match self.mode {
                Mode::Failover | Mode::Switchover => None,
                Mode::Detach => {
                    // Validation guarantees a member in each Region.
                    let member =
                        names.first().and_then(|name| self.plan.databases.get(*name)?.members.get(target));
                    let member = member.map(Member::cluster).unwrap_or_default();
                    let cluster = client.describe_cluster(member).await?;
                    Some(cluster.ok_or_else(|| aurora::missing("cluster", member, target))?)
                }
            };
            let global = client.describe_global_cluster(id).await?;
            let global = global.ok_or_else(|| aurora::missing("global cluster", id, target))?;
            Ok(Seen { global, cluster })
        }))
        .await
    }

    /// Makes the calls that were decided, all at once. A call that fails does not keep another from being made.
    async fn execute(
        &mut self,
        decisions: &[(&GlobalCluster, Decision)],
        changed: &mut Vec<String>,
    ) -> Result<(), StepError> {
        let mode = self.mode;
        let calls = decisions.iter().filter_map(|(cluster, decision)| match decision {
            Decision::Act { region, target_arn } => Some((cluster.id.as_str(), region, target_arn)),
            _ => None,
        });
        let answers = join_all(calls.map(async |(id, region, target_arn)| {
            let client = (self.client)(region);
            let answer = match mode {
                Mode::Failover => client.failover_global_cluster(id, target_arn).await,
                Mode::Switchover => client.switchover_global_cluster(id, target_arn).await,
                Mode::Detach => client.remove_from_global_cluster(id, target_arn).await,
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

    fn describe(&self, seen: &[Seen]) -> Observed {
        let target = &self.event.target_region;
        let mut databases = BTreeMap::new();
        for one in seen {
            let (cluster, detached) = (&one.global, one.detached(target));
            let mut writers = cluster.writers();
            let writer_region = match (detached, writers.next(), writers.next()) {
                (Some(_), ..) => Some(target.clone()),
                (None, Some(writer), None) => Some(region_of(&writer.cluster_arn).to_owned()),
                _ => None,
            };
            let endpoint = |cluster: &Cluster| {
                let port = cluster.port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}{port}", cluster.endpoint.as_deref().unwrap_or(&cluster.id))
            };
            let state = DatabaseState {
                writer_region,
                status: cluster.status.clone(),
                operation: cluster.operation.clone(),
                detached: detached.map(endpoint),
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
    let versions = lower.contains("engine version") || lower.contains("same version");
    let remedy = match mode {
        Mode::Failover | Mode::Switchover if !versions => {
            return format!("AWS rejected the {noun} of global cluster {id}: {message}");
        }
        Mode::Detach => return format!("AWS rejected the {noun} of {target_arn} from {id}: {message}"),
        Mode::Failover => format!(
            "start the runbook with Mode detach, which takes {target_arn} out of it as a writable cluster of its own and \
             ends its replication"
        ),
        Mode::Switchover => "bring both clusters to the same engine version first".to_owned(),
    };
    format!("managed {noun} of global cluster {id} is not possible, AWS says: {message}; {remedy}")
}

#[cfg(test)]
mod tests;
