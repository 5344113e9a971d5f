//! `failover`, `switchover` and `detach`: every database of the plan gets its writer in the target Region. The states and the
//! promises are on the crate's page.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use runbook::aurora::{DescribeCluster, DescribeGlobalCluster, RemoveFromGlobalCluster};
use runbook::settle::{Call, Verdict, make_all, verdict};
use runbook::step::Mode;
use runbook::watch::{Look, Pace, watch};
use runbook::{Outcome, Status, StepError};

use crate::calls::{FailoverGlobalCluster, SwitchoverGlobalCluster};
use crate::observed::Observed;
use crate::run::Run;

mod decide;
mod observe;
mod outcome;

pub use decide::{Decision, Promotion, decide, decide_detach};

use observe::Names;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// The calls of this step, to one Region.
pub(crate) trait Aurora:
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
pub(crate) async fn run<C, F>(run: &Run<'_>, client: F, mode: Mode) -> Result<Outcome<Observed>, StepError>
where
    C: Aurora,
    F: Fn(&str) -> C + Send + Sync,
{
    let mut names = Names::new();
    for (name, database) in &run.plan.databases {
        names.entry(&database.global_cluster).or_default().push(name);
    }
    watch(run.context, Pace::every(LOOK), Step { run, client, mode, names, memory: Memory::default() }).await
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
    fn correct(&mut self, id: &str, decision: Decision) -> Decision {
        let Decision::Act(_) = decision else {
            self.rejected.remove(id);
            return decision;
        };
        if self.accepted.contains(id) {
            return Decision::Wait("AWS has accepted the call".into());
        }
        self.rejected.remove(id).map_or(decision, Decision::Refuse)
    }
}

struct Step<'a, F> {
    run: &'a Run<'a>,
    client: F,
    mode: Mode,
    names: Names<'a>,
    memory: Memory,
}

impl<C, F> Look for Step<'_, F>
where
    C: Aurora,
    F: Fn(&str) -> C + Send + Sync,
{
    type Observed = Observed;

    async fn look(&mut self, changed: &mut Vec<String>) -> Result<Outcome<Observed>, StepError> {
        let (run, target, mode) = (self.run, self.run.target, self.mode);
        let seen = observe::observe(&(self.client)(target), run, &self.names, mode).await?;
        let observed = outcome::describe(&seen, &self.names, target, run.since);
        let decisions: Vec<(&str, Decision)> = seen
            .iter()
            .map(|one| {
                (one.global.id.as_str(), self.memory.correct(&one.global.id, one.decide(target, mode)))
            })
            .collect();
        let limit = run.limit(run.plan.limits.promotion_minutes, "limits.promotionMinutes");
        let names = |open: &[(&str, &Decision)]| {
            open.iter().map(|(id, _)| outcome::name(&self.names, id)).collect::<Vec<_>>().join(", ")
        };
        let decided = decisions.iter().map(|(id, decision)| (*id, decision));
        let (status, reason) = match verdict(decided, limit.has_passed(run.context.clock.now())) {
            Verdict::Done => (Status::Done, outcome::done(&observed, target)),
            Verdict::Refuse(refused) => {
                let reasons: Vec<&str> = refused.into_iter().map(|(_, reason)| reason).collect();
                let started = match changed.as_slice() {
                    [] => "nothing was started".to_owned(),
                    lines => lines.join(", "),
                };
                (Status::Refused, format!("{}; {started}", reasons.join("; ")))
            }
            Verdict::Late(open) => {
                let reason = format!(
                    "not in {target} {limit}: {}; what was started goes on, look at the global clusters in the RDS console",
                    names(&open)
                );
                (Status::Refused, reason)
            }
            Verdict::Go { open, actions } => {
                let reason = format!("waiting for {} to have the writer in {target}", names(&open));
                self.execute(actions, changed).await?;
                (Status::InProgress, reason)
            }
        };
        Ok(Outcome::new(status, reason, observed))
    }
}

impl<C, F> Step<'_, F>
where
    C: Aurora,
    F: Fn(&str) -> C + Send + Sync,
{
    /// Makes the calls that were decided.
    async fn execute(
        &mut self,
        promotions: Vec<(&str, &Promotion)>,
        changed: &mut Vec<String>,
    ) -> Result<(), StepError> {
        let (mode, client) = (self.mode, &self.client);
        let targets: BTreeMap<&str, &str> =
            promotions.iter().map(|(id, promotion)| (*id, promotion.target_arn.as_str())).collect();
        let call = |(id, promotion): (_, &Promotion)| {
            let (client, target_arn) = (client(&promotion.region), promotion.target_arn.clone());
            Call {
                name: id,
                change: format!(
                    "started the {} of {} to {target_arn}",
                    outcome::noun(mode),
                    outcome::name(&self.names, id)
                ),
                call: async move {
                    match mode {
                        Mode::Failover => client.failover_global_cluster(id, &target_arn).await,
                        Mode::Switchover => client.switchover_global_cluster(id, &target_arn).await,
                        Mode::Detach => client.remove_from_global_cluster(id, &target_arn).await,
                    }
                },
            }
        };
        let answers = make_all(promotions.into_iter().map(call).collect(), changed).await;
        self.memory.accepted.extend(answers.accepted.iter().map(|id| (*id).to_owned()));
        for (id, message) in &answers.rejected {
            let target = targets.get(id).copied().unwrap_or_default();
            self.memory.rejected.insert((*id).to_owned(), outcome::rejection(mode, id, target, message));
        }
        answers.result()
    }
}

#[cfg(test)]
mod tests;
