//! What a check answers.

use std::collections::BTreeMap;

use runbook::Outcome;
use runbook::arc::State;
use runbook::aurora::{Operation, region_of};
use runbook::lag::{Lag, Lags};
use runbook::plan::Strategy;
use runbook::step::Mode;
use serde::Serialize;

use super::findings::Decision;
use super::moves::already_there;
use super::seen::{CheckSeen, DatabaseSeen, MoveAsked};
use crate::evidence::Evidence;
use crate::world::available;

/// `observed` of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckObserved {
    /// The Region that is to take over.
    pub target_region: String,
    /// The Region to leave.
    pub other_region: String,
    /// How.
    pub mode: Mode,
    /// What goes first in a switchover, as the plan says.
    pub strategy: Strategy,
    /// Names of the databases whose writer is in the target already, as in `catalog, orders`; empty when there is none.
    pub already_there: String,
    /// By database.
    pub databases: BTreeMap<String, DatabaseObserved>,
    /// The reason, cut at [`BRIEF`] characters: a request for an approval takes 4,096 (page of the action `aws:approve`).
    pub brief: String,
    /// Replication lag by database ([`Lags`]) as JSON text for the report.
    pub lag: String,
    /// State of the routing control of each Region, when an endpoint answered.
    pub routing: BTreeMap<String, State>,
    /// ARC endpoints that answered.
    pub arc_endpoints: usize,
    /// What the plan's signals say, by the Region that they are about; empty when a person started it.
    pub evidence: Evidence,
    /// Everything that stands against going on.
    pub reasons: Vec<String>,
    /// Everything else worth knowing.
    pub notes: Vec<String>,
}

/// Characters of a reason that a request for an approval shows.
pub const BRIEF: usize = 1_000;

/// What was seen of a database.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseObserved {
    /// The Region of its writer, null when there is none.
    pub writer_region: Option<String>,
    /// Status of the cluster in the target Region, null when there is none.
    pub target_status: Option<String>,
    /// Instances there that are available.
    pub available_instances: usize,
    /// Engine version there.
    pub target_version: Option<String>,
    /// Engine version in the other Region, null when it did not answer.
    pub other_version: Option<String>,
    /// Replication lag, null when unknown.
    pub lag: Option<Lag>,
    /// The operation that runs.
    pub operation: Option<Operation>,
}

impl DatabaseObserved {
    fn of(database: &DatabaseSeen) -> Self {
        let writer = database.global.writers().next();
        let (target, other) =
            (database.target.as_ref(), database.other.as_ref().ok().and_then(Option::as_ref));
        Self {
            writer_region: writer.map(|writer| region_of(&writer.cluster_arn).to_owned()),
            target_status: target.map(|cluster| cluster.status.clone()),
            available_instances: available(&database.instances),
            target_version: target.map(|cluster| cluster.engine_version.clone()),
            other_version: other.map(|cluster| cluster.engine_version.clone()),
            lag: database.lag.as_ref().ok().copied().flatten(),
            operation: database.global.operation.clone(),
        }
    }
}

/// The answer, from what was seen and decided.
pub fn outcome(
    seen: &CheckSeen,
    asked: &MoveAsked,
    strategy: Strategy,
    decision: Decision,
) -> Outcome<CheckObserved> {
    let databases: BTreeMap<_, _> = seen
        .databases
        .iter()
        .map(|(name, database)| (name.clone(), DatabaseObserved::of(database)))
        .collect();
    let lag: Lags = databases.iter().map(|(name, database)| (name.clone(), database.lag)).collect();
    let answers: Vec<_> = seen.arc.values().filter_map(|answer| answer.as_ref().ok()).collect();
    let reason = reason(asked, &decision, &lag);
    let Decision { status, reasons, notes } = decision;
    let observed = CheckObserved {
        target_region: asked.target.to_owned(),
        other_region: asked.other.to_owned(),
        mode: asked.mode,
        strategy,
        already_there: already_there(seen, asked).join(", "),
        brief: brief(&reason),
        lag: serde_json::json!(lag).to_string(),
        routing: answers.first().map(|states| (*states).clone()).unwrap_or_default(),
        arc_endpoints: answers.len(),
        databases,
        evidence: seen.evidence.clone(),
        reasons,
        notes,
    };
    Outcome::new(status, reason, observed)
}

/// Everything that stands against going on, or how much would be lost; then the notes.
fn reason(asked: &MoveAsked, decision: &Decision, lag: &Lags) -> String {
    let reason = if decision.reasons.is_empty() {
        let lags = lag
            .iter()
            .filter_map(|(name, lag)| Some(format!("{name} {:.1} s", lag.as_ref()?.seconds)))
            .collect::<Vec<_>>();
        let what = asked.mode.noun();
        format!("{what} to {} may go ahead; replication lag: {}", asked.target, lags.join(", "))
    } else {
        decision.reasons.join("; ")
    };
    if decision.notes.is_empty() { reason } else { format!("{reason}. Note: {}", decision.notes.join("; ")) }
}

/// The beginning of a reason, whole where it is short.
pub(super) fn brief(reason: &str) -> String {
    match reason.char_indices().nth(BRIEF) {
        Some((end, _)) => format!("{} … The rest is in the notification.", &reason[..end]),
        None => reason.to_owned(),
    }
}
