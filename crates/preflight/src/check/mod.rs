//! `check`: may a failover (or switchover) go ahead?
//!
//! Everything is looked at at once, so that a check takes one time limit and not their sum, also while the impaired
//! Region is silent. Nothing is changed, but for the lock of a failover, which is taken first: what is seen is then seen by
//! the one execution that may go on. Of several at once the others are Refused, and so are those that follow while it runs.
//! A retried check has the lock already; when it ends is told in [`runbook::lock`].
//!
//! A detach is a failover but for what the last column of the second table says.
//!
//! | found | failover | switchover |
//! |---|---|---|
//! | every database has its writer in the target Region already | Refused, or see below | the same |
//! | an operation of a global cluster is running | Refused | Refused |
//! | the target is no member, or has no available instance | Refused | Refused |
//! | engine versions differ (major, minor) | Refused | Refused |
//! | only the patch level differs | NeedsApproval | Refused |
//! | the target's cluster is not available | NeedsApproval | Refused |
//! | lag unknown, or beyond the plan's limit (`limits.rpoSeconds`, `failback.lagSeconds`) | NeedsApproval; note where `limits.beyondRpo` is `go-on` | Refused |
//! | the target waits for its resynchronisation | note | Refused |
//! | the target is not said to be connected | – | Refused |
//! | the other Region's cluster can't be seen | note | Refused |
//! | the other Region's cluster is not available | – | Refused |
//! | no ARC endpoint answers | Refused | Refused |
//! | fewer than 3 ARC endpoints answer | note | note |
//! | another execution has the lock | Refused | – |
//! | started by an event, and the evidence is not enough, see [`crate::evidence`] | Refused | – |
//! | the cooldown after a successful failover is not over | Refused; note where a person overrides it | note |
//! | the record of the last failover in the target Region can't be read | NeedsApproval | note |
//! | that in the other Region can't be read | note | NeedsApproval, see below |
//! | that of the last switchover can't be read | note | note |
//! | nobody has looked for what the last failover lost, or that can't be told | – | NeedsApproval, see below |
//!
//! | found | detach |
//! |---|---|
//! | the target's cluster is in no global cluster | it is there already |
//! | an operation of a global cluster is running | NeedsApproval: is it stuck? |
//! | engine versions differ | note |
//! | they do not, and nothing runs | NeedsApproval: a managed failover looks possible |
//! | the target waits for its resynchronisation | Refused |
//!
//! The rule behind it: missing data is no evidence, so doubt needs a person in a failover; a switchover can wait, so doubt
//! refuses it. The one thing that a person may give up in a switchover is the order of things after a failover: to leave the
//! Region that took over before a reconciliation has found what was lost. It stays possible afterwards, while the snapshot is
//! there, but rows are put back into that Region only ([`unreconciled`]). The impaired Region is never needed in a failover. A database that has its writer in the target already
//! (the rest of a failover that stopped half-way) is noted and not judged further. Only a failover that succeeded starts
//! a cooldown: one that failed may be tried again at once. A switchover is asked for by a person and loses nothing, so no
//! cooldown holds it back.
//!
//! # The rest of a move
//! An execution that was killed or cancelled is started again, and ends in the same state. When every database has its
//! writer in the target, what is left is the traffic, the verification and the record ([`rest`]). The last move is the
//! latest failover or switchover on record, in either Region.
//!
//! A failover:
//!
//! | traffic of the other Region, of the target | the last move | answer |
//! |---|---|---|
//! | any, any | a failover to the target, failed | Ready; where the traffic is on, somebody has turned it back |
//! | on, any | any other | Refused: no failover left it so, it takes that traffic off first |
//! | off, any | to the target, succeeded | Refused: nothing is left to do |
//! | off, any | a switchover to the target, failed | Refused: nothing was lost, so a failover must not record that |
//! | off, off | none, or another | Ready: no Region has the traffic |
//! | off, on | none, or another | NeedsApproval: a plan whose passive Region is off looks just so |
//!
//! A switchover is Refused only when nothing is left to do: the last move went to the target and succeeded, both Regions
//! have it on record if it was a switchover, the target has the traffic and the other Region has none. Else it is Ready:
//! what it does is what was asked for, and costs nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_rds::Client as Rds;
use futures::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};
use runbook::arc::{self, Endpoint, ReadStates, State};
use runbook::aurora::{
    self, Cluster, DescribeCluster, DescribeGlobalCluster, GlobalCluster, Operation, region_of,
};
use runbook::error::Kind;
use runbook::lag::{Lag, Lags};
use runbook::lock::{self, Lock, Standing};
use runbook::names::keys;
use runbook::plan::{BeyondRpo, Engine, Strategy};
use runbook::record::{
    FailoverRecord, ReadLastFailover, ReadLastReconciliation, ReadLastSwitchover, ReconciliationRecord,
    SwitchoverRecord,
};
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError, aws, bucket};
use serde::Serialize;

use crate::evidence::{self, Evidence};
use crate::world::{DescribeInstances, Instance, MeasureLag, ReadAlarms, no_lag};
use crate::{CheckEvent, Cooldown, Mode, Trigger};

/// How long a question to the target Region may take, the SDK's retries included.
pub const TARGET: Duration = Duration::from_secs(8);
/// How long a question to the other Region may take in a switchover, which needs an answer.
pub const OTHER: Duration = Duration::from_secs(5);
/// The same in a failover: that Region may be cut off, nothing depends on it, and every second of it is a second of
/// outage. A call to the other side of the world with a new connection takes less than half of this.
pub const IMPAIRED: Duration = Duration::from_secs(2);
/// How many ARC endpoints AWS promises to answer.
const PROMISED_ENDPOINTS: usize = 3;

/// What a check answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
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
    /// What the plan's signals say, by the Region that they tell of; empty when a person started it.
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

/// Everything that was looked at.
#[derive(Debug, Clone)]
pub struct Seen {
    /// By database.
    pub databases: BTreeMap<String, DatabaseSeen>,
    /// What each ARC endpoint answered, by its Region: states by Region of the plan, or why not.
    pub arc: BTreeMap<String, Result<BTreeMap<String, State>, String>>,
    /// The record of the last failover in the target Region's bucket, or why it can't be read.
    pub record: Result<Option<FailoverRecord>, String>,
    /// That in the other Region's bucket.
    pub other_record: Result<Option<FailoverRecord>, String>,
    /// The records of the last switchover in the two buckets, the target's first.
    pub switchovers: [Result<Option<SwitchoverRecord>, String>; 2],
    /// The record of the last reconciliation in the other Region's bucket, or why it can't be read.
    pub reconciliation: Result<Option<ReconciliationRecord>, String>,
    /// What the signals say; empty when nobody asked them.
    pub evidence: Evidence,
    /// The lock of another execution.
    pub locked: Option<Lock>,
}

/// What was seen of a database, unjudged.
#[derive(Debug, Clone)]
pub struct DatabaseSeen {
    /// Its engine, from the plan.
    pub engine: Engine,
    /// ARN of the target's cluster, from the plan.
    pub target_arn: String,
    /// The global cluster.
    pub global: GlobalCluster,
    /// The target's cluster.
    pub target: Option<Cluster>,
    /// The target's instances.
    pub instances: Vec<Instance>,
    /// The cluster in the other Region, or why it can't be seen.
    pub other: Result<Option<Cluster>, String>,
    /// Replication lag, or why it can't be read.
    pub lag: Result<Option<Lag>, String>,
}

/// The Regions and how one takes over from the other.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The Region that is to take over.
    pub target: &'a str,
    /// The other one.
    pub other: &'a str,
    /// How.
    pub mode: Mode,
    /// Who started it.
    pub trigger: Trigger,
    /// Whether the cooldown holds.
    pub cooldown: Cooldown,
}

/// What was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Ready, NeedsApproval or Refused.
    pub status: Status,
    /// Everything that stands against going on.
    pub reasons: Vec<String>,
    /// Everything else worth knowing.
    pub notes: Vec<String>,
}

/// Judges what was seen. See the module's table.
pub fn judge(seen: &Seen, asked: &Asked, plan: &RecoveryPlan, now: Timestamp) -> Judgement {
    let limits = &plan.limits;
    let mut refusals = Vec::new();
    let mut doubts = Vec::new();
    let mut notes = Vec::new();

    if let Some(Lock { execution, taken_at, expires_at, .. }) = &seen.locked {
        refusals.push(format!(
            "execution {execution} fails over already, since {taken_at:.0}; it keeps others from starting until it ends, or \
             until {expires_at:.0} (`limits.lockMinutes`)"
        ));
    }
    if asked.trigger == Trigger::Automatic {
        match &plan.automatic {
            None => refusals.push("the plan has no `automatic`: no failover starts by itself".into()),
            Some(automatic) => match evidence::judge(automatic, &seen.evidence, asked.other, asked.target) {
                Ok(count) => notes.push(count),
                Err(reasons) => refusals.extend(reasons),
            },
        }
    }

    let there = there(seen, asked);
    if there.len() == seen.databases.len() {
        let already = format!("{} already is primary of every database ({})", asked.target, there.join(", "));
        match rest(seen, asked) {
            Rest::Nothing if !asked.mode.is_planned() => refusals.push(format!(
                "{already}: no failover is needed. Traffic that is left in {} is moved by the runbook failback, started in \
                 {}",
                asked.other, asked.target
            )),
            Rest::Nothing => refusals.push(format!("{already}, has the traffic, and that is on record")),
            Rest::Switchover(execution) => refusals.push(format!(
                "{already}: the switchover of execution {execution} moved them and did not end well; the runbook failback, \
                 started there, ends it"
            )),
            Rest::Unclear => doubts.push(format!(
                "{already} and has the traffic, but no failover to it is on record: approve to verify and record one \
                 that was not"
            )),
            Rest::Some(why) => notes.push(format!("{already}; what is left is to be done: {why}")),
        }
    } else if !there.is_empty() {
        notes.push(format!("{} already is primary of {}", asked.target, there.join(", ")));
    }
    for (name, database) in seen.databases.iter().filter(|(name, _)| !there.contains(&name.as_str())) {
        judge_database(name, database, asked, plan, (&mut refusals, &mut doubts, &mut notes));
    }

    let failed: Vec<String> = seen
        .arc
        .iter()
        .filter_map(|(region, answer)| Some(format!("{region}: {}", answer.as_ref().err()?)))
        .collect();
    let answering = seen.arc.len() - failed.len();
    if answering == 0 {
        refusals.push(format!("no ARC endpoint answers, traffic could not be moved: {}", failed.join("; ")));
    } else if answering < PROMISED_ENDPOINTS {
        notes.push(format!(
            "only {answering} of {} ARC endpoints answer: {}",
            seen.arc.len(),
            failed.join("; ")
        ));
    }

    if let Err(error) = &seen.record {
        let text = format!("whether a failover was made lately is not known: {error}");
        if !asked.mode.is_planned() { doubts.push(text) } else { notes.push(text) }
    }
    let mut approvals = Vec::new();
    if let Err(error) = &seen.other_record {
        let text = format!("the record of the last failover in {} can't be read: {error}", asked.other);
        if asked.mode.is_planned() && there.len() < seen.databases.len() {
            approvals.push(format!(
                "whether a failover to it lost writes that nobody has looked for is not known: {text}"
            ));
        } else {
            notes.push(text);
        }
    }
    approvals.extend(unreconciled(seen, asked, there.len() == seen.databases.len()));
    let failovers_read = [seen.record.is_ok(), seen.other_record.is_ok()];
    for ((region, switchover), failover_read) in
        [asked.target, asked.other].iter().zip(&seen.switchovers).zip(failovers_read)
    {
        // A bucket that can't be read is told once.
        if let (Err(error), true) = (switchover, failover_read) {
            notes.push(format!("the record of the last switchover in {region} can't be read: {error}"));
        }
    }
    let last = failovers(seen).filter(|record| record.succeeded()).max_by_key(|record| record.ended_at);
    if let Some(last) = last {
        let cooldown = SignedDuration::from_mins(i64::from(limits.cooldown_minutes));
        let end = last.ended_at.checked_add(cooldown).unwrap_or(Timestamp::MAX);
        if now < end {
            let text = format!(
                "the failover from {} to {} ended at {:.0}, the cooldown lasts until {end:.0}",
                last.from_region, last.to_region, last.ended_at
            );
            let overridden = asked.cooldown == Cooldown::Override && asked.trigger == Trigger::Manual;
            if asked.mode.is_planned() || overridden {
                notes.push(text);
            } else {
                refusals.push(format!(
                    "{text}; `limits.cooldownMinutes` of the plan sets it, and a person may start the runbook with \
                     Cooldown=override"
                ));
            }
        }
    }

    // A switchover can wait until there is no doubt.
    if asked.mode.is_planned() {
        refusals.append(&mut doubts);
    }
    approvals.append(&mut doubts);
    let status = if !refusals.is_empty() {
        Status::Refused
    } else if approvals.is_empty() {
        Status::Ready
    } else {
        Status::NeedsApproval
    };
    refusals.append(&mut approvals);
    Judgement { status, reasons: refusals, notes }
}

/// Why a switchover would leave a Region whose failover nobody has reconciled. Asked once: after a switchover that went ahead
/// all the same, the next one gives nothing more up.
fn unreconciled(seen: &Seen, asked: &Asked, all_there: bool) -> Option<String> {
    let switchovers = seen.switchovers.iter().filter_map(|record| record.as_ref().ok()?.as_ref());
    let moved = switchovers.filter(|record| record.succeeded()).map(|record| record.ended_at).max();
    let last = failovers(seen).max_by_key(|record| record.ended_at)?;
    let leaves = asked.mode.is_planned() && !all_there && last.to_region == asked.other;
    if !leaves || moved.is_some_and(|moved| moved > last.ended_at) {
        return None;
    }
    let FailoverRecord { execution, from_region, to_region, ended_at, .. } = last;
    let failover =
        format!("the failover from {from_region} to {to_region} (execution {execution}, {ended_at:.0})");
    let why = match &seen.reconciliation {
        Ok(Some(record)) if record.failover == *execution => return None,
        Ok(_) => format!("nobody has looked for the writes that {failover} lost"),
        Err(error) => {
            format!("whether somebody has looked for the writes that {failover} lost is not known: {error}")
        }
    };
    Some(format!(
        "{why}: start the runbook reconcile in {to_region} first. To approve is to give up the runbook replay, which puts rows \
         back only while {to_region} has the writer; reconcile stays possible there as long as the snapshot of the old primary \
         exists"
    ))
}

/// Names of the databases whose one writer is in the target, with nothing running; of those that were detached, too, when
/// that is asked for.
fn there<'a>(seen: &'a Seen, asked: &Asked) -> Vec<&'a str> {
    let is_there = |database: &DatabaseSeen| {
        if asked.mode == Mode::Detach && database.global.member_in(asked.target).is_none() {
            return database.target.as_ref().is_some_and(|cluster| cluster.status == "available");
        }
        let mut writers = database.global.writers();
        writers.next().is_some_and(|writer| region_of(&writer.cluster_arn) == asked.target)
            && writers.next().is_none()
            && database.global.operation.is_none()
    };
    seen.databases.iter().filter(|(_, database)| is_there(database)).map(|(name, _)| name.as_str()).collect()
}

/// What an execution has to do whose databases all have their writer in the target.
enum Rest {
    Nothing,
    Some(String),
    /// Perhaps nothing.
    Unclear,
    /// It is the rest of the switchover of this execution.
    Switchover(String),
}

/// See the tables on the module's page.
fn rest(seen: &Seen, asked: &Asked) -> Rest {
    let traffic = |region| seen.arc.values().find_map(|answer| answer.as_ref().ok()?.get(region)).copied();
    let (other, target) = (traffic(asked.other), traffic(asked.target));
    let last = moves(seen).max_by_key(|last| last.ended_at).filter(|last| last.to_region == asked.target);
    match (asked.mode, last) {
        (Mode::Switchover, Some(last)) if last.succeeded => {
            // A record that can't be read can't be written either.
            let knows = |record: &Result<Option<SwitchoverRecord>, String>| {
                let record = record.as_ref().map(|record| record.as_ref().map(|one| one.execution.as_str()));
                record.is_err() || record == Ok(Some(last.execution))
            };
            if last.lossless && !seen.switchovers.iter().all(knows) {
                Rest::Some(format!("a Region has no record of execution {}", last.execution))
            } else if target == Some(State::On) && other == Some(State::Off) {
                Rest::Nothing
            } else {
                Rest::Some("the traffic is not here alone".into())
            }
        }
        (Mode::Switchover, Some(last)) => Rest::Some(format!("execution {} failed", last.execution)),
        (Mode::Switchover, None) => Rest::Some("no move to it is on record".into()),
        (_, Some(last)) if !last.succeeded && !last.lossless => {
            Rest::Some(format!("execution {} failed", last.execution))
        }
        (_, _) if other != Some(State::Off) => Rest::Nothing,
        (_, Some(last)) if last.succeeded => Rest::Nothing,
        (_, Some(last)) => Rest::Switchover(last.execution.to_owned()),
        (_, None) if target == Some(State::Off) => Rest::Some("no Region has the traffic".into()),
        (_, None) => Rest::Unclear,
    }
}

/// A failover or switchover on record.
struct Move<'a> {
    lossless: bool,
    execution: &'a str,
    to_region: &'a str,
    succeeded: bool,
    ended_at: Timestamp,
}

/// The last moves that are on record, one of each kind for each Region at most.
fn moves(seen: &Seen) -> impl Iterator<Item = Move<'_>> {
    let failovers = failovers(seen).map(|record| Move {
        lossless: false,
        execution: &record.execution,
        to_region: &record.to_region,
        succeeded: record.succeeded(),
        ended_at: record.ended_at,
    });
    let switchovers = seen.switchovers.iter().filter_map(|record| record.as_ref().ok()?.as_ref());
    failovers.chain(switchovers.map(|record| Move {
        lossless: true,
        execution: &record.execution,
        to_region: &record.to_region,
        succeeded: record.succeeded(),
        ended_at: record.ended_at,
    }))
}

/// The last failovers that are on record, one for each Region at most.
fn failovers(seen: &Seen) -> impl Iterator<Item = &FailoverRecord> {
    [&seen.record, &seen.other_record].into_iter().filter_map(|record| record.as_ref().ok()?.as_ref())
}

/// Judges one database that does not have its writer in the target yet. `found`: refusals, doubts, notes.
fn judge_database(
    name: &str,
    database: &DatabaseSeen,
    asked: &Asked,
    plan: &RecoveryPlan,
    found: (&mut Vec<String>, &mut Vec<String>, &mut Vec<String>),
) {
    let (refusals, doubts, notes) = found;
    let target = asked.target;
    if let Some(operation) = &database.global.operation {
        let what = if operation.data_loss_allowed { "failover" } else { "switchover" };
        let text = format!(
            "{name}: a {what} from {} to {} is already running ({})",
            region_of(&operation.from),
            region_of(&operation.to),
            operation.status
        );
        // AWS decides whether a cluster can leave in the middle of it; a person, whether it is stuck.
        if asked.mode == Mode::Detach {
            doubts.push(format!("{text}: approve if it is stuck"));
        } else {
            refusals.push(text);
        }
    }
    if database.global.writers().count() > 1 {
        refusals.push(format!("{name}: global cluster {} has more than one writer", database.global.id));
    }

    match database.global.member_in(target) {
        None => {
            refusals.push(format!(
                "{name}: global cluster {} has no member in {target}; of a cluster that was detached, the runbook rebuild \
                 makes one again",
                database.global.id
            ));
        }
        Some(member) if member.cluster_arn != database.target_arn => refusals.push(format!(
            "{name}: the member in {target} is {}, the plan says {}",
            member.cluster_arn, database.target_arn
        )),
        Some(member) if member.synchronization.as_deref() == Some("pending-resync") => {
            let text = format!("{name}: the cluster in {target} waits for its resynchronisation");
            match asked.mode {
                Mode::Failover => notes.push(text),
                Mode::Switchover => doubts.push(text),
                Mode::Detach => refusals.push(format!("{text}: it can't stand for itself")),
            }
        }
        Some(member) if asked.mode.is_planned() && member.synchronization.as_deref() != Some("connected") => {
            let state = member.synchronization.as_deref().unwrap_or("not known");
            doubts.push(format!(
                "{name}: the state of the cluster in {target} is {state}, and a switchover needs it connected"
            ));
        }
        Some(_) => {}
    }
    match &database.target {
        None => refusals.push(format!("{name}: there is no cluster {} in {target}", database.target_arn)),
        Some(cluster) => {
            if cluster.status != "available" {
                doubts.push(format!("{name}: cluster {} in {target} is {}", cluster.id, cluster.status));
            }
            if database.instances.is_empty() {
                refusals.push(format!(
                    "{name}: cluster {} in {target} has no instance: add one first",
                    cluster.id
                ));
            } else if available(&database.instances) == 0 {
                let states: Vec<_> = database
                    .instances
                    .iter()
                    .map(|instance| format!("{} is {}", instance.id, instance.status))
                    .collect();
                refusals.push(format!(
                    "{name}: no instance of cluster {} in {target} is available: {}",
                    cluster.id,
                    states.join(", ")
                ));
            }
        }
    }

    match &database.other {
        Err(_) | Ok(None) => {
            let why = database.other.as_ref().err().map_or("there is no such cluster", String::as_str);
            let text = format!("{name}: the engine version in {} is not known: {why}", asked.other);
            // Aurora compares the versions itself before it promotes.
            if asked.mode.is_planned() { doubts.push(text) } else { notes.push(text) }
        }
        Ok(Some(other)) => {
            if asked.mode.is_planned() && other.status != "available" {
                doubts.push(format!("{name}: cluster {} in {} is {}", other.id, asked.other, other.status));
            }
            let (there, here) =
                (&other.engine_version, database.target.as_ref().map(|target| &target.engine_version));
            if let Some(here) = here.filter(|here| *here != there) {
                let text = format!("{name}: engine version {there} in {}, {here} in {target}", asked.other);
                if asked.mode == Mode::Detach {
                    notes.push(text);
                } else if without_patch(database.engine, here) == without_patch(database.engine, there) {
                    doubts.push(format!("{text}: some versions need the same patch level"));
                } else {
                    refusals.push(format!(
                        "{text}: a managed {} needs the same; upgrade one{}",
                        asked.mode.noun(),
                        if asked.mode.is_planned() {
                            ""
                        } else {
                            ", or start the runbook failover with Mode detach"
                        }
                    ));
                }
            } else if asked.mode == Mode::Detach && database.global.operation.is_none() {
                doubts.push(format!(
                    "{name}: nothing is seen that stands against a managed failover, which keeps the replication: start the \
                     runbook with Mode failover, or approve to detach all the same"
                ));
            }
        }
    }

    let (limit, setting) = match asked.mode {
        Mode::Failover | Mode::Detach => (plan.limits.rpo_seconds, "limits.rpoSeconds"),
        Mode::Switchover => (plan.failback.lag_seconds, "failback.lagSeconds"),
    };
    let lost = match &database.lag {
        Ok(Some(lag)) if lag.seconds <= f64::from(limit) => return,
        Ok(Some(lag)) => {
            let seconds = lag.seconds;
            format!("{name}: replication lag {seconds:.1} s is beyond the limit of {limit} s (`{setting}`)")
        }
        Ok(None) => format!("{name}: replication lag is not known: {}", no_lag(asked.other)),
        Err(error) => format!("{name}: replication lag is not known: {error}"),
    };
    if asked.mode == Mode::Failover && plan.limits.beyond_rpo == BeyondRpo::GoOn {
        notes.push(format!("{lost}; it goes on all the same (`limits.beyondRpo`)"));
    } else {
        doubts.push(lost);
    }
}

/// How many of them are available.
pub(crate) fn available(instances: &[Instance]) -> usize {
    instances.iter().filter(|instance| instance.status == "available").count()
}

/// The version up to its minor part: `8.0.mysql_aurora.3.08` of `8.0.mysql_aurora.3.08.0`, `15.4` of `15.4.1`.
fn without_patch(engine: Engine, version: &str) -> String {
    let parts = match engine {
        Engine::AuroraMysql => 5,
        Engine::AuroraPostgresql => 2,
    };
    version.split('.').take(parts).collect::<Vec<_>>().join(".")
}

/// Whom a check asks.
pub struct Apis<T, O, M, S, A> {
    /// RDS in the target Region.
    pub target: T,
    /// RDS in the other Region.
    pub other: O,
    /// CloudWatch in the target Region.
    pub metrics: M,
    /// CloudWatch in the other Region.
    pub other_metrics: M,
    /// S3 in the target Region.
    pub records: S,
    /// S3 in the other Region.
    pub other_records: S,
    /// The ARC endpoints.
    pub arc: Vec<Endpoint<A>>,
}

/// Looks at everything, at once.
///
/// # Errors
/// When RDS in the target Region does not answer or refuses, or has no such global cluster.
pub async fn observe<T, O, M, S, A>(
    apis: &Apis<T, O, M, S, A>,
    plan: &RecoveryPlan,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Seen, StepError>
where
    T: DescribeGlobalCluster + DescribeCluster + DescribeInstances,
    O: DescribeCluster,
    M: MeasureLag + ReadAlarms,
    S: ReadLastFailover + ReadLastSwitchover + ReadLastReconciliation,
    A: ReadStates,
{
    let patience = if !asked.mode.is_planned() { IMPAIRED } else { OTHER };
    let databases = plan.databases.iter().map(async |(name, database)| {
        let missing = |what: &str| {
            StepError::new(
                Kind::BadPlan,
                format!("the plan has no member of {name} in {what}"),
                "correct the plan",
            )
        };
        let target = database.members.get(asked.target).ok_or_else(|| missing(asked.target))?;
        let other = database.members.get(asked.other).ok_or_else(|| missing(asked.other))?;
        let (global, cluster, instances, other, lag) = futures::join!(
            within(TARGET, asked.target, apis.target.describe_global_cluster(&database.global_cluster)),
            within(TARGET, asked.target, apis.target.describe_cluster(target.cluster())),
            within(TARGET, asked.target, apis.target.describe_instances(target.cluster())),
            within(patience, asked.other, apis.other.describe_cluster(other.cluster())),
            within(TARGET, asked.target, apis.metrics.measure_lag(target.cluster(), asked.other, now)),
        );
        let global = global?
            .ok_or_else(|| aurora::missing("global cluster", &database.global_cluster, asked.target))?;
        let seen = DatabaseSeen {
            engine: database.engine,
            target_arn: target.cluster_arn.clone(),
            global,
            target: cluster?,
            instances: instances?,
            other: other.map_err(|error| error.cause()),
            lag: lag.map_err(|error| error.cause()),
        };
        Ok((name.clone(), seen))
    });
    let controls: Vec<String> = plan.routing.controls.values().cloned().collect();
    let endpoints = apis.arc.iter().map(async |endpoint| {
        let states = endpoint.api.read_states(&controls).await.map_err(|error| error.cause());
        let by_region = |states: BTreeMap<String, State>| {
            let state = |(region, control): (&String, &String)| Some((region.clone(), *states.get(control)?));
            plan.routing.controls.iter().filter_map(state).collect()
        };
        (endpoint.region.clone(), states.map(by_region))
    });
    let (own_bucket, other_bucket) = (plan.report_bucket(asked.target), plan.report_bucket(asked.other));
    let automatic = plan.automatic.as_ref().filter(|_| asked.trigger == Trigger::Automatic);
    let reconciliation = async {
        // Of a switchover only.
        if !asked.mode.is_planned() {
            return Ok(None);
        }
        apis.other_records.read_last_reconciliation(other_bucket, &plan.name).await
    };
    let (
        databases,
        arc,
        record,
        other_record,
        switchover,
        other_switchover,
        reconciliation,
        alarms,
        other_alarms,
    ) = futures::join!(
        try_join_all(databases),
        join_all(endpoints),
        within(TARGET, asked.target, apis.records.read_last_failover(own_bucket, &plan.name)),
        within(patience, asked.other, apis.other_records.read_last_failover(other_bucket, &plan.name)),
        within(TARGET, asked.target, apis.records.read_last_switchover(own_bucket, &plan.name)),
        within(patience, asked.other, apis.other_records.read_last_switchover(other_bucket, &plan.name)),
        within(patience, asked.other, reconciliation),
        within(TARGET, asked.target, evidence::read(&apis.metrics, automatic, asked.target)),
        within(patience, asked.other, evidence::read(&apis.other_metrics, automatic, asked.other)),
    );
    let alarms = BTreeMap::from(
        [(asked.target, alarms), (asked.other, other_alarms)]
            .map(|(region, alarms)| (region, alarms.map_err(|error| error.cause()))),
    );
    Ok(Seen {
        databases: databases?.into_iter().collect(),
        arc: arc.into_iter().collect(),
        record: record.map_err(|error| error.cause()),
        other_record: other_record.map_err(|error| error.cause()),
        switchovers: [switchover, other_switchover].map(|record| record.map_err(|error| error.cause())),
        reconciliation: reconciliation.map_err(|error| error.cause()),
        evidence: automatic.map(|automatic| evidence::votes(automatic, &alarms)).unwrap_or_default(),
        locked: None,
    })
}

/// Bounds a question, the SDK's retries included.
pub(crate) async fn within<T>(
    limit: Duration,
    region: &str,
    question: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    tokio::time::timeout(limit, question).await.unwrap_or_else(|_| {
        Err(StepError::new(
            Kind::Unreachable,
            format!("{region} did not answer within {} s", limit.as_secs()),
            "check that the Region can be reached from this function, then run the step again",
        ))
    })
}

/// Serves `check`.
///
/// # Errors
/// [`Kind::BadEvent`] when the target is no Region of the plan, or a failover is asked for from another Region than the
/// function's; else as [`observe`].
pub async fn run(context: &Context, event: &CheckEvent) -> Result<Outcome<crate::Observed>, StepError> {
    let plan = crate::plan_for(context, &event.plan, &event.target_region).await?;
    regions(&plan, event, &context.region)?;
    let target = event.target_region.as_str();
    let asked = Asked {
        target,
        other: plan.other_region(target),
        mode: event.mode,
        trigger: event.trigger,
        cooldown: event.cooldown,
    };
    let there = aws::in_region(&context.config, asked.target);
    let elsewhere = aws::in_region(&context.config, asked.other);
    let apis = Apis {
        target: Rds::new(&there),
        other: Rds::new(&elsewhere),
        metrics: aws_sdk_cloudwatch::Client::new(&there),
        other_metrics: aws_sdk_cloudwatch::Client::new(&elsewhere),
        records: bucket::client(&there),
        other_records: bucket::client(&elsewhere),
        arc: arc::endpoints(&context.config, &plan.routing),
    };
    let now = context.clock.now();
    let locked = match event.mode {
        Mode::Failover | Mode::Detach => {
            Box::pin(lock(&apis.records, &there, &plan, &event.execution, now)).await?
        }
        Mode::Switchover => None,
    };
    let seen = Box::pin(observe(&apis, &plan, &asked, now)).await?;
    let seen = Seen { locked, ..seen };
    let judgement = judge(&seen, &asked, &plan, now);
    Ok(outcome(&seen, &asked, plan.failback.strategy, judgement))
}

/// Takes the lock of a failover in the Region that takes over; the other execution's, when that has it.
async fn lock(
    records: &aws_sdk_s3::Client,
    there: &aws_config::SdkConfig,
    plan: &RecoveryPlan,
    execution: &str,
    now: Timestamp,
) -> Result<Option<Lock>, StepError> {
    let region = there.region().map(ToString::to_string).unwrap_or_default();
    let lasts = SignedDuration::from_mins(i64::from(plan.limits.lock_minutes));
    let wanted = Lock {
        execution: execution.to_owned(),
        subject: String::new(),
        taken_at: now,
        expires_at: now.checked_add(lasts).unwrap_or(Timestamp::MAX),
    };
    let key = keys::failover_lock(&plan.name);
    let executions = aws_sdk_ssm::Client::new(there);
    let place = (plan.report_bucket(&region), key.as_str());
    let runs = |_: &Lock, standing| standing == Standing::Running;
    let taken = within(TARGET, &region, lock::take(records, &executions, place, &wanted, runs)).await?;
    Ok(taken.map(|(lock, _)| lock))
}

/// Checks that the event's Regions fit the plan, each other and `here`, the function's own.
fn regions(plan: &RecoveryPlan, event: &CheckEvent, here: &str) -> Result<(), StepError> {
    let target = &event.target_region;
    if !event.mode.is_planned() && target != here {
        return Err(StepError::new(
            Kind::BadEvent,
            format!("`targetRegion` is {target}, but this function runs in {here}"),
            format!("run the failover in the Region that takes over, {target}"),
        ));
    }
    let Some(impaired) = &event.impaired_region else { return Ok(()) };
    plan.require_region(impaired, "`impairedRegion`")?;
    if impaired == target {
        return Err(StepError::new(
            Kind::BadEvent,
            format!("`impairedRegion` is {impaired}, the Region that is to take over"),
            format!("name the Region to leave, {}", plan.other_region(target)),
        ));
    }
    Ok(())
}

fn outcome(seen: &Seen, asked: &Asked, strategy: Strategy, judgement: Judgement) -> Outcome<crate::Observed> {
    let databases: BTreeMap<_, _> =
        seen.databases.iter().map(|(name, database)| (name.clone(), database_observed(database))).collect();
    let lag: Lags = databases.iter().map(|(name, database)| (name.clone(), database.lag)).collect();
    let answers: Vec<_> = seen.arc.values().filter_map(|answer| answer.as_ref().ok()).collect();
    let Judgement { status, reasons, notes } = judgement;
    let mut reason = if reasons.is_empty() {
        let lags: Vec<_> = lag
            .iter()
            .filter_map(|(name, lag)| Some(format!("{name} {:.1} s", lag.as_ref()?.seconds)))
            .collect();
        let what = asked.mode.noun();
        format!("{what} to {} may go ahead; replication lag: {}", asked.target, lags.join(", "))
    } else {
        reasons.join("; ")
    };
    if !notes.is_empty() {
        reason = format!("{reason}. Note: {}", notes.join("; "));
    }
    let observed = Observed {
        target_region: asked.target.to_owned(),
        other_region: asked.other.to_owned(),
        mode: asked.mode,
        strategy,
        already_there: there(seen, asked).join(", "),
        brief: brief(&reason),
        lag: serde_json::json!(lag).to_string(),
        routing: answers.first().map(|states| (*states).clone()).unwrap_or_default(),
        arc_endpoints: answers.len(),
        databases,
        evidence: seen.evidence.clone(),
        reasons,
        notes,
    };
    Outcome::new(status, reason, crate::Observed::Check(observed))
}

/// The beginning of a reason, whole where it is short.
fn brief(reason: &str) -> String {
    match reason.char_indices().nth(BRIEF) {
        Some((end, _)) => format!("{} … The rest is in the notification.", &reason[..end]),
        None => reason.to_owned(),
    }
}

fn database_observed(database: &DatabaseSeen) -> DatabaseObserved {
    DatabaseObserved {
        writer_region: database
            .global
            .writers()
            .next()
            .map(|writer| region_of(&writer.cluster_arn).to_owned()),
        target_status: database.target.as_ref().map(|cluster| cluster.status.clone()),
        available_instances: available(&database.instances),
        target_version: database.target.as_ref().map(|cluster| cluster.engine_version.clone()),
        other_version: database
            .other
            .as_ref()
            .ok()
            .and_then(|other| Some(other.as_ref()?.engine_version.clone())),
        lag: database.lag.as_ref().ok().copied().flatten(),
        operation: database.global.operation.clone(),
    }
}

#[cfg(test)]
mod tests;
