//! `cleanup`: removes the clusters and instances in the Region restored in that carry the execution's tag, and nothing
//! else. It looks for the tag, so it needs to know neither how far the restore came nor what the plan's databases were.
//!
//! | seen | what follows |
//! |---|---|
//! | an instance with the tag | delete it; wait while it is deleting |
//! | a cluster with the tag and with an instance that is not deleting | wait for that |
//! | a cluster with the tag and without such an instance | delete it, without a final snapshot; wait while it is deleting |
//! | a cluster with the tag, with an instance without it | someone added it: refuse, once all else is gone |
//! | a name like ours without the tag | leave it, and say so |
//! | nothing with the tag | done |
//!
//! A name never decides over a deletion, only the tag. What AWS can't delete yet, such as a cluster that is still being
//! created, is tried again at every look. Kept snapshots do not carry the tag and stay: they are the evidence.

use runbook::settle::{Call, make_all};
use runbook::watch::{Look, Pace, watch};
use runbook::{Outcome, Status, StepError};

use crate::calls::ForCleanup;
use crate::run::{LOOK, Run};

mod decide;
mod outcome;

pub use decide::{Decision, decide};
pub use outcome::Observed;

/// Runs the operation within the time of one call.
pub(crate) async fn run<C, F>(run: &Run<'_>, client: F) -> Result<Outcome<Observed>, StepError>
where
    C: ForCleanup,
    F: Fn(&str) -> C,
{
    watch(
        run.context,
        Pace::every(LOOK),
        Step { run, client: client(&run.restore_region), notes: Vec::new() },
    )
    .await
}

struct Step<'a, C> {
    run: &'a Run<'a>,
    client: C,
    /// What AWS said last when a deletion was not possible yet.
    notes: Vec<String>,
}

impl<C: ForCleanup> Look for Step<'_, C> {
    type Observed = Observed;

    async fn look(&mut self, changed: &mut Vec<String>) -> Result<Outcome<Observed>, StepError> {
        let run = self.run;
        let region = &run.restore_region;
        // Clusters first: then an instance that comes in between is seen in its cluster.
        let clusters = self.client.list_clusters().await?;
        let instances = self.client.list_instances().await?;
        let decision = decide(run.execution, &clusters, &instances);
        let observed = Observed {
            since: run.since,
            region: region.clone(),
            remaining: decision.remaining.clone(),
            left: decision.left.clone(),
        };
        let left = outcome::left(&decision);
        let remaining = decision.remaining.join(", ");
        if decision.remaining.is_empty() {
            let reason = format!("nothing in {region} carries the tag of this execution{left}");
            return Ok(Outcome::new(Status::Done, reason, observed));
        }
        let limit = run.limit();
        if limit.has_passed(run.context.clock.now()) {
            let reason = format!("not removed from {region} {limit}: {remaining}; delete it by hand{left}");
            return Ok(Outcome::new(Status::Refused, reason, observed));
        }
        if !decision.blocked.is_empty() && decision.remaining.len() == decision.blocked.len() {
            let reasons: Vec<&str> = decision.blocked.values().map(String::as_str).collect();
            let reason = format!("{}{left}", reasons.join("; "));
            return Ok(Outcome::new(Status::Refused, reason, observed));
        }
        self.execute(&decision, changed).await?;
        let reason = format!("removing from {region}: {remaining}{}{left}", outcome::notes(&self.notes));
        Ok(Outcome::new(Status::InProgress, reason, observed))
    }
}

impl<C: ForCleanup> Step<'_, C> {
    /// Makes the calls that were decided: the instances first, since a cluster can't go before its instances do.
    async fn execute(&mut self, decision: &Decision, changed: &mut Vec<String>) -> Result<(), StepError> {
        let client = &self.client;
        let instances = decision.delete_instances.iter().map(|id| Call {
            name: id,
            change: format!("started to delete instance {id}"),
            call: client.delete_instance(id),
        });
        let instances = make_all(instances.collect(), changed).await;
        let clusters = decision.delete_clusters.iter().map(|id| Call {
            name: id,
            change: format!("started to delete cluster {id}"),
            call: client.delete_cluster(id),
        });
        let clusters = make_all(clusters.collect(), changed).await;
        let rejected = instances.rejected.iter().chain(&clusters.rejected);
        self.notes = rejected.map(|(_, note)| note.clone()).collect();
        instances.result().and(clusters.result())
    }
}

#[cfg(test)]
mod tests;
