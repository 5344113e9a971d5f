//! `keep`: asks for a snapshot of every new primary as it is at the takeover, so that a reconcile can tell what each primary wrote
//! since ([`BaseSource::Snapshot`]).
//!
//! | seen | what follows |
//! |---|---|
//! | its snapshot by this execution, that has not failed | done |
//! | no snapshot, or one that can't be seen | ask for one |
//! | AWS rejects it, because the cluster is not available yet | look again |
//!
//! # Promises
//! - The failover goes on: the call ends after [`LONGEST`] at most, and whatever AWS answers is a reason, not an error.
//! - A snapshot that was asked for is not asked for again. Where a failover is run a second time there is a second one; the
//!   first counts.
//!
//! # What a failure leaves
//! Snapshots that were asked for are taken all the same. A database without one is reconciled by the rows' times. The snapshots
//! stay, as evidence, until a person deletes them: each has the tag [`TAKEOVER_TAG`].

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use runbook::aurora::{Answer, DescribeSnapshot, Snapshot};
use runbook::names::{CLUSTER_TAG, PLAN_TAG, TAKEOVER_TAG, takeover_snapshot};
use runbook::plan::BaseSource;
use runbook::{Outcome, Status, StepError};
use serde::Serialize;
use tokio::time::Instant;

use crate::rebuild::calls::TakeSnapshot;
use crate::run::Run;

/// How long the failover waits for this at most.
pub const LONGEST: Duration = Duration::from_secs(4);
/// Time between two looks at a cluster that is not available yet.
const LOOK: Duration = Duration::from_millis(400);

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// The databases, by the plan's names.
    pub databases: BTreeMap<String, SnapshotState>,
}

/// The snapshot of a database's new primary.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotState {
    /// Its identifier.
    pub snapshot: String,
    /// Its status; absent while it was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When AWS took it, where it says so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Timestamp>,
    /// Why it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The calls of this operation.
pub trait ForKeep: TakeSnapshot + DescribeSnapshot + Sync {}

impl<C: TakeSnapshot + DescribeSnapshot + Sync> ForKeep for C {}

/// Runs the operation.
pub(crate) async fn run(run: &Run<'_>, client: &impl ForKeep) -> Outcome<Observed> {
    let end = Instant::now() + LONGEST;
    let wanted =
        run.plan.databases.iter().filter(|(_, database)| database.reconcile.base == BaseSource::Snapshot);
    // Two databases may live in one cluster.
    let mut clusters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, database) in wanted {
        if let Some(member) = database.members.get(run.target) {
            clusters.entry(&member.cluster_arn).or_default().push(name);
        }
    }
    if clusters.is_empty() {
        let observed = Observed { databases: BTreeMap::new() };
        return Outcome::new(Status::NotNeeded, "the plan keeps no state at the takeover", observed);
    }
    let mut changed = Vec::new();
    let mut observed = Observed { databases: BTreeMap::new() };
    let kept = join_all(clusters.keys().map(|arn| keep(run, client, arn, end))).await;
    for ((state, is_new), names) in kept.into_iter().zip(clusters.values()) {
        if is_new {
            changed.push(format!("asked for snapshot {}", state.snapshot));
        }
        observed.databases.extend(names.iter().map(|name| ((*name).to_owned(), state.clone())));
    }
    let missing = observed.databases.iter().filter_map(|(name, state)| Some((name, state.reason.as_ref()?)));
    let missing = missing.map(|(name, reason)| format!("{name}: {reason}")).collect::<Vec<_>>();
    let (status, reason) = if missing.is_empty() {
        (Status::Done, format!("a snapshot of every new primary in {} is taken", run.target))
    } else {
        let without = "there is no snapshot of this takeover, so that a reconcile goes by the rows' times";
        (Status::Refused, format!("{without}: {}", missing.join("; ")))
    };
    Outcome::new(status, reason, observed).with_changed(changed)
}

/// What a look gave.
enum Seen {
    /// The snapshot.
    There(Snapshot),
    /// There was none, and AWS said this when it was asked for.
    Asked(Answer),
}

/// Sees to the snapshot of one cluster until `end`; says whether this call asked for it.
async fn keep(run: &Run<'_>, client: &impl ForKeep, arn: &str, end: Instant) -> (SnapshotState, bool) {
    let cluster = arn.rsplit(':').next().unwrap_or(arn);
    let id = takeover_snapshot(cluster, run.execution);
    let tags = [(PLAN_TAG, run.plan.name.as_str()), (CLUSTER_TAG, arn), (TAKEOVER_TAG, run.execution)];
    let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut state = SnapshotState { snapshot: id.clone(), status: None, taken_at: None, reason: None };
    let mut is_new = false;
    loop {
        let look = async {
            Ok::<_, StepError>(match client.describe_snapshot(&id).await? {
                Some(snapshot) => Seen::There(snapshot),
                None => Seen::Asked(client.take_snapshot(cluster, &id, &tags).await?),
            })
        };
        let Ok(seen) = tokio::time::timeout_at(end, look).await else {
            state.reason.get_or_insert_with(|| "AWS did not answer in time".to_owned());
            return (state, is_new);
        };
        // It is seen at the next look, at once; where it is not, AWS shows old states for a while, and is not to be hurried.
        let pause = if matches!(seen, Ok(Seen::Asked(Answer::Accepted))) { Duration::ZERO } else { LOOK };
        state.reason = match seen {
            Ok(Seen::There(snapshot)) if snapshot.status == "failed" => {
                Some(format!("snapshot {id} has failed"))
            }
            Ok(Seen::There(snapshot)) => {
                (state.status, state.taken_at) = (Some(snapshot.status), snapshot.created);
                None
            }
            Ok(Seen::Asked(Answer::Accepted)) => {
                is_new = true;
                Some(format!("snapshot {id} was asked for, and not seen yet"))
            }
            Ok(Seen::Asked(Answer::Rejected(message))) => Some(message),
            Err(error) => Some(error.to_string()),
        };
        let is_settled = state.reason.is_none();
        if is_settled || Instant::now() + pause >= end {
            return (state, is_new);
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
