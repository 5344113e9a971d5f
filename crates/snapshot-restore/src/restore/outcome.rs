//! What the answer says: where each database stands, for the runbook and for a person.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::run::Run;

use super::decide::{Action, Decision, Seen, origin};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// When the first call began; the plan's limit counts from here.
    pub since: Timestamp,
    /// The databases, by the plan's names.
    pub databases: BTreeMap<String, DatabaseState>,
}

/// Where a database stands. Names are null while they are not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseState {
    /// How far it is.
    pub stage: Stage,
    /// ARN of the old primary.
    pub old_primary: Option<String>,
    /// Identifier of Aurora's snapshot of it.
    pub snapshot: Option<String>,
    /// When that was taken.
    pub snapshot_time: Option<Timestamp>,
    /// Identifier of the manual snapshot that keeps it.
    pub kept_snapshot: Option<String>,
    /// Identifier of the restored cluster.
    pub cluster: Option<String>,
    /// Region of the kept snapshot and the restored cluster.
    pub region: String,
    /// Writer endpoint of the restored cluster.
    pub endpoint: Option<String>,
    /// Its port.
    pub port: Option<i32>,
    /// The state at the takeover; absent where the plan wants none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseState>,
}

/// Where the state at the takeover of a database stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseState {
    /// Identifier of the snapshot.
    pub snapshot: Option<String>,
    /// When it was taken.
    pub snapshot_time: Option<Timestamp>,
    /// Identifier of the restored cluster.
    pub cluster: Option<String>,
    /// Whether cluster and instance are available.
    pub is_available: bool,
    /// Why the comparison goes on without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl BaseState {
    pub(super) fn of(seen: &Seen, decision: &Result<Decision, String>) -> Self {
        Self {
            snapshot: seen.kept.as_ref().map(|kept| kept.id.clone()),
            snapshot_time: seen.kept.as_ref().and_then(|kept| kept.created),
            cluster: seen.cluster.as_ref().map(|cluster| cluster.id.clone()),
            is_available: *decision == Ok(Decision::AlreadyDone),
            missing: decision.as_ref().err().cloned(),
        }
    }
}

/// How far a database is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Aurora's snapshot is not there.
    #[default]
    AwaitingSnapshot,
    /// It is there, its copy is not.
    CopyingSnapshot,
    /// The copy is there, the cluster is not.
    RestoringCluster,
    /// The cluster is there, its instance is not.
    CreatingInstance,
    /// Both are available.
    Available,
}

/// What was seen, in the words of the answer.
pub(super) fn fill(state: &mut DatabaseState, seen: &Seen, decision: &Decision) {
    let origin = match (&seen.taken, &seen.kept) {
        (Some(taken), _) => Some((taken.id.clone(), taken.created)),
        (None, Some(kept)) => origin(kept).map(|(arn, time)| (snapshot_id(&arn), Some(time))),
        (None, None) => None,
    };
    (state.snapshot, state.snapshot_time) = origin.map_or((None, None), |(id, time)| (Some(id), time));
    state.kept_snapshot = seen.kept.as_ref().map(|kept| kept.id.clone());
    state.cluster = seen.cluster.as_ref().map(|cluster| cluster.id.clone());
    state.stage = match seen {
        _ if *decision == Decision::AlreadyDone => Stage::Available,
        Seen { cluster: Some(cluster), .. } if cluster.status == "available" => Stage::CreatingInstance,
        Seen { cluster: Some(_), .. } => Stage::RestoringCluster,
        Seen { kept: Some(kept), .. } if kept.status == "available" => Stage::RestoringCluster,
        Seen { kept: Some(_), .. } => Stage::CopyingSnapshot,
        Seen { taken: Some(taken), .. } if taken.status == "available" => Stage::CopyingSnapshot,
        Seen { .. } => Stage::AwaitingSnapshot,
    };
    if state.stage == Stage::Available
        && let Some(cluster) = &seen.cluster
    {
        state.endpoint.clone_from(&cluster.endpoint);
        state.port = cluster.port;
    }
}

/// That every old primary is restored, and which state at the takeover is not.
pub(super) fn done(run: &Run<'_>, observed: &Observed) -> String {
    let mut reason = format!("the old primary of every database is restored in {}", run.restore_region);
    let missing = observed
        .databases
        .iter()
        .filter_map(|(name, state)| Some(format!("{name}: {}", state.base.as_ref()?.missing.as_ref()?)));
    let missing = missing.collect::<Vec<_>>();
    if !missing.is_empty() {
        reason += &format!("; without the state at the takeover, {}", missing.join("; "));
    }
    reason
}

/// The identifier in a snapshot's ARN; a system snapshot's has a colon in it.
pub(super) fn snapshot_id(arn: &str) -> String {
    arn.splitn(7, ':').last().unwrap_or(arn).to_owned()
}

/// Where a database stands that is not done.
pub(super) fn wording(decision: &Decision) -> String {
    match decision {
        Decision::AlreadyDone => "restored".to_owned(),
        Decision::Wait(reason) | Decision::Refuse(reason) => reason.clone(),
        Decision::Act(Action::Copy(copy)) => format!("copying the snapshot to {}", copy.id),
        Decision::Act(Action::Restore(restore)) => format!("restoring cluster {}", restore.id),
        Decision::Act(Action::Create(create)) => format!("creating instance {}", create.id),
    }
}

/// What an action changes, once AWS has accepted it.
pub(super) fn change(action: &Action) -> String {
    match action {
        Action::Copy(copy) => format!("started to copy {} to {}", copy.source_arn, copy.id),
        Action::Restore(restore) => {
            format!("started to restore cluster {} from {}", restore.id, restore.snapshot)
        }
        Action::Create(create) => format!("started to create instance {}", create.id),
    }
}
