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

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::Timestamp;
use runbook::aurora::Cluster;
use runbook::names::{self, EXECUTION_TAG};
use runbook::watch::{Look, watch};
use runbook::{Outcome, Status, StepError};
use serde::Serialize;

use crate::rds::{Answer, ForCleanup, Instance, Tags, tag};
use crate::{LOOK, Run};

/// What was seen at the last look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// When the first call began; the plan's limit counts from here.
    pub since: Timestamp,
    /// The Region looked at.
    pub region: String,
    /// What still carries the tag, such as `instance causeway-…-orders-1 (deleting)`.
    pub remaining: Vec<String>,
    /// What is named like ours but does not carry the tag.
    pub left: Vec<String>,
}

/// What is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Instances to delete now.
    pub delete_instances: Vec<String>,
    /// Clusters to delete now.
    pub delete_clusters: Vec<String>,
    /// What carries the tag, with its status.
    pub remaining: Vec<String>,
    /// Why a cluster can't be deleted at all, by cluster.
    pub blocked: BTreeMap<String, String>,
    /// What is named like ours but does not carry the tag.
    pub left: Vec<String>,
}

/// Decides from everything that is in the Region.
pub fn decide(execution: &str, clusters: &[Cluster], instances: &[Instance]) -> Decision {
    let ours = |tags: &Tags| tag(tags, EXECUTION_TAG) == Some(execution);
    let name_like_ours = names::restored_cluster(execution, "");
    let mut decision = Decision::default();
    for instance in instances {
        let (id, status) = (&instance.id, &instance.status);
        if ours(&instance.tags) {
            decision.remaining.push(format!("instance {id} ({status})"));
            if status != "deleting" {
                decision.delete_instances.push(id.clone());
            }
        } else if id.starts_with(&name_like_ours) {
            decision.left.push(format!("instance {id}"));
        }
    }
    for cluster in clusters {
        let (id, status) = (&cluster.id, &cluster.status);
        if ours(&cluster.tags) {
            decision.remaining.push(format!("cluster {id} ({status})"));
            let members: Vec<&Instance> =
                instances.iter().filter(|instance| instance.cluster == *id).collect();
            // RDS refuses it only while there are "DB instances in non-deleting state": it need not be waited for that they are
            // gone, which takes longer than a cancelled execution has.
            if members.iter().all(|member| member.status == "deleting") && status != "deleting" {
                decision.delete_clusters.push(id.clone());
            }
            let foreign: Vec<&str> = members
                .iter()
                .filter(|member| !ours(&member.tags) && member.status != "deleting")
                .map(|member| member.id.as_str())
                .collect();
            if !foreign.is_empty() {
                let reason = format!(
                    "cluster {id} can't be deleted: it has an instance without the tag {EXECUTION_TAG} ({}); delete \
                     that by hand, then run the clean-up again",
                    foreign.join(", ")
                );
                decision.blocked.insert(id.clone(), reason);
            }
        } else if id.starts_with(&name_like_ours) {
            decision.left.push(format!("cluster {id}"));
        }
    }
    decision
}

/// Runs the operation within the time of one call.
pub(crate) async fn run<C, F>(run: &Run<'_>, client: F) -> Result<Outcome<Observed>, StepError>
where
    C: ForCleanup,
    F: Fn(&str) -> C,
{
    watch(run.context, LOOK, Step { run, client: client(&run.restore_region), notes: Vec::new() }).await
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
        let left = if decision.left.is_empty() {
            String::new()
        } else {
            format!(
                "; left alone, because it does not carry this execution's tag {EXECUTION_TAG}: {}",
                decision.left.join(", ")
            )
        };
        let remaining = decision.remaining.join(", ");
        if decision.remaining.is_empty() {
            let reason = format!("nothing in {region} carries the tag of this execution{left}");
            return Ok(Outcome::new(Status::Done, reason, observed));
        }
        if let Some(limit) = run.over_limit() {
            let reason = format!("not removed from {region} {limit}: {remaining}; delete it by hand{left}");
            return Ok(Outcome::new(Status::Refused, reason, observed));
        }
        if !decision.blocked.is_empty() && decision.remaining.len() == decision.blocked.len() {
            let reasons: Vec<&str> = decision.blocked.values().map(String::as_str).collect();
            let reason = format!("{}{left}", reasons.join("; "));
            return Ok(Outcome::new(Status::Refused, reason, observed));
        }
        self.execute(&decision, changed).await?;
        let notes = if self.notes.is_empty() {
            String::new()
        } else {
            format!(" (AWS says: {})", self.notes.join("; "))
        };
        let reason = format!("removing from {region}: {remaining}{notes}{left}");
        Ok(Outcome::new(Status::InProgress, reason, observed))
    }
}

impl<C: ForCleanup> Step<'_, C> {
    /// Makes the calls that were decided, all at once. A call that fails does not keep another from being made.
    async fn execute(&mut self, decision: &Decision, changed: &mut Vec<String>) -> Result<(), StepError> {
        let client = &self.client;
        let instances = join_all(decision.delete_instances.iter().map(|id| client.delete_instance(id))).await;
        let clusters = join_all(decision.delete_clusters.iter().map(|id| client.delete_cluster(id))).await;
        let instances =
            decision.delete_instances.iter().zip(instances).map(|(id, answer)| ("instance", id, answer));
        let clusters =
            decision.delete_clusters.iter().zip(clusters).map(|(id, answer)| ("cluster", id, answer));
        let mut failed = None;
        self.notes.clear();
        for (kind, id, answer) in instances.chain(clusters) {
            match answer {
                Ok(Answer::Accepted) => changed.push(format!("started to delete {kind} {id}")),
                Ok(Answer::NotNow(message)) => self.notes.push(message),
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
