//! What is on record of earlier moves, and what that means for the one that was asked for: whether it is the rest of a move
//! that stopped, whether the cooldown holds, whether somebody has looked for what the last failover lost.

use jiff::{SignedDuration, Timestamp};
use runbook::arc::State;
use runbook::aurora::region_of;
use runbook::plan::Limits;
use runbook::record::{FailoverRecord, SwitchoverRecord};
use runbook::step::{Mode, Trigger};

use super::findings::Findings;
use super::seen::{CheckSeen, DatabaseSeen, MoveAsked};
use crate::asking::Answer;
use crate::event::Cooldown;

/// Names of the databases whose one writer is in the target, with no operation running; in a detach, those too that have
/// left their global cluster.
pub(super) fn already_there<'a>(seen: &'a CheckSeen, asked: &MoveAsked) -> Vec<&'a str> {
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

/// Finds what is left of a move whose databases, all of them (`there`), have their writer in the target.
pub(super) fn find_rest(seen: &CheckSeen, asked: &MoveAsked, there: &[&str], findings: &mut Findings) {
    let already = format!("{} already is primary of every database ({})", asked.target, there.join(", "));
    match rest(seen, asked) {
        Rest::Nothing if !asked.mode.is_planned() => findings.refuse(format!(
            "{already}: no failover is needed. Traffic that is left in {} is moved by the runbook failback, started in \
             {}",
            asked.other, asked.target
        )),
        Rest::Nothing => findings.refuse(format!("{already}, has the traffic, and that is on record")),
        Rest::Switchover(execution) => findings.refuse(format!(
            "{already}: the switchover of execution {execution} moved them and did not end well; the runbook failback, \
             started there, ends it"
        )),
        Rest::Unclear => findings.doubt(format!(
            "{already} and has the traffic, but no failover to it is on record: approve to verify and record one \
             that was not"
        )),
        Rest::Some(why) => findings.note(format!("{already}; what is left is to be done: {why}")),
    }
}

/// What an execution has to do whose databases all have their writer in the target.
enum Rest {
    Nothing,
    /// Something, and why.
    Some(String),
    /// Perhaps nothing.
    Unclear,
    /// It is the rest of the switchover of this execution.
    Switchover(String),
}

/// See the tables on the page of [`check`](super).
fn rest(seen: &CheckSeen, asked: &MoveAsked) -> Rest {
    let traffic = |region| seen.arc.values().find_map(|answer| answer.as_ref().ok()?.get(region)).copied();
    let (other, target) = (traffic(asked.other), traffic(asked.target));
    let last = moves(seen).max_by_key(|last| last.ended_at).filter(|last| last.to_region == asked.target);
    match (asked.mode, last) {
        (Mode::Switchover, Some(last)) if last.succeeded => {
            // A record that can't be read can't be written either.
            let has_it = |record: &Answer<Option<SwitchoverRecord>>| {
                let record = record.as_ref().map(|record| record.as_ref().map(|one| one.execution.as_str()));
                record.is_err() || record == Ok(Some(last.execution))
            };
            if last.lossless && !seen.switchovers.iter().all(has_it) {
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

/// Finds which records can't be read. `all_there`: whether every database has its writer in the target already.
pub(super) fn find_unread(seen: &CheckSeen, asked: &MoveAsked, all_there: bool, findings: &mut Findings) {
    if let Err(error) = &seen.record {
        let text = format!("whether a failover was made lately is not known: {error}");
        if asked.mode.is_planned() { findings.note(text) } else { findings.doubt(text) }
    }
    if let Err(error) = &seen.other_record {
        let text = format!("the record of the last failover in {} can't be read: {error}", asked.other);
        if asked.mode.is_planned() && !all_there {
            findings.need_approval(format!(
                "whether a failover to it lost writes that nobody has looked for is not known: {text}"
            ));
        } else {
            findings.note(text);
        }
    }
    let [switchover, other_switchover] = &seen.switchovers;
    for (region, switchover, failover_read) in [
        (asked.target, switchover, seen.record.is_ok()),
        (asked.other, other_switchover, seen.other_record.is_ok()),
    ] {
        // A bucket that can't be read is reported once.
        if let (Err(error), true) = (switchover, failover_read) {
            findings.note(format!("the record of the last switchover in {region} can't be read: {error}"));
        }
    }
}

/// Finds that a switchover would leave a Region whose failover nobody has reconciled. Asked once: after a switchover that
/// was made all the same, the next one gives nothing more up.
pub(super) fn find_unreconciled(
    seen: &CheckSeen,
    asked: &MoveAsked,
    all_there: bool,
    findings: &mut Findings,
) {
    let Some(last) = failovers(seen).max_by_key(|record| record.ended_at) else { return };
    let moved = switchovers(seen).filter(|record| record.succeeded()).map(|record| record.ended_at).max();
    let leaves = asked.mode.is_planned() && !all_there && last.to_region == asked.other;
    if !leaves || moved.is_some_and(|moved| moved > last.ended_at) {
        return;
    }
    let FailoverRecord { execution, from_region, to_region, ended_at, .. } = last;
    let failover =
        format!("the failover from {from_region} to {to_region} (execution {execution}, {ended_at:.0})");
    let why = match &seen.reconciliation {
        Ok(Some(record)) if record.failover == *execution => return,
        Ok(_) => format!("nobody has looked for the writes that {failover} lost"),
        Err(error) => {
            format!("whether somebody has looked for the writes that {failover} lost is not known: {error}")
        }
    };
    findings.need_approval(format!(
        "{why}: start the runbook reconcile in {to_region} first. To approve is to give up the runbook replay, which puts rows \
         back only while {to_region} has the writer; reconcile stays possible there as long as the snapshot of the old primary \
         exists"
    ));
}

/// Finds that the cooldown after the last failover that succeeded is not over.
pub(super) fn find_cooldown(
    seen: &CheckSeen,
    asked: &MoveAsked,
    limits: &Limits,
    now: Timestamp,
    findings: &mut Findings,
) {
    let succeeded = failovers(seen).filter(|record| record.succeeded());
    let Some(last) = succeeded.max_by_key(|record| record.ended_at) else { return };
    let cooldown = SignedDuration::from_mins(i64::from(limits.cooldown_minutes));
    let end = last.ended_at.checked_add(cooldown).unwrap_or(Timestamp::MAX);
    if now >= end {
        return;
    }
    let text = format!(
        "the failover from {} to {} ended at {:.0}, the cooldown lasts until {end:.0}",
        last.from_region, last.to_region, last.ended_at
    );
    let overridden = asked.cooldown == Cooldown::Override && asked.trigger == Trigger::Manual;
    if asked.mode.is_planned() || overridden {
        findings.note(text);
    } else {
        findings.refuse(format!(
            "{text}; `limits.cooldownMinutes` of the plan sets it, and a person may start the runbook with \
             Cooldown=override"
        ));
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
fn moves(seen: &CheckSeen) -> impl Iterator<Item = Move<'_>> {
    let failovers = failovers(seen).map(|record| Move {
        lossless: false,
        execution: &record.execution,
        to_region: &record.to_region,
        succeeded: record.succeeded(),
        ended_at: record.ended_at,
    });
    failovers.chain(switchovers(seen).map(|record| Move {
        lossless: true,
        execution: &record.execution,
        to_region: &record.to_region,
        succeeded: record.succeeded(),
        ended_at: record.ended_at,
    }))
}

/// The last failovers that are on record, one for each Region at most.
fn failovers(seen: &CheckSeen) -> impl Iterator<Item = &FailoverRecord> {
    [&seen.record, &seen.other_record].into_iter().filter_map(|record| record.as_ref().ok()?.as_ref())
}

/// The last switchovers that are on record, one for each Region at most.
fn switchovers(seen: &CheckSeen) -> impl Iterator<Item = &SwitchoverRecord> {
    seen.switchovers.iter().filter_map(|record| record.as_ref().ok()?.as_ref())
}
