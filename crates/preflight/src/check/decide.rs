//! The choice: from what was seen to Ready, NeedsApproval or Refused. Pure; see the tables on the page of [`check`](super).

use jiff::Timestamp;
use runbook::RecoveryPlan;
use runbook::lock::Lock;
use runbook::step::{Mode, Trigger};

use super::findings::{Decision, Findings};
use super::seen::{CheckSeen, DatabaseSeen, MoveAsked};
use super::{database, moves};
use crate::evidence;

/// How many ARC endpoints AWS promises to answer.
const PROMISED_ENDPOINTS: usize = 3;

/// Decides whether the move may go ahead.
pub fn decide(seen: &CheckSeen, asked: &MoveAsked, plan: &RecoveryPlan, now: Timestamp) -> Decision {
    let mut findings = Findings::default();
    find_lock(seen, &mut findings);
    find_evidence(seen, asked, plan, &mut findings);
    let there = moves::already_there(seen, asked);
    let all_there = there.len() == seen.databases.len();
    if all_there {
        moves::find_rest(seen, asked, &there, &mut findings);
    } else if !there.is_empty() {
        findings.note(format!("{} already is primary of {}", asked.target, there.join(", ")));
    }
    for (name, database) in seen.databases.iter().filter(|(name, _)| !there.contains(&name.as_str())) {
        database::find(name, database, asked, plan, &mut findings);
    }
    find_needless(seen, asked, plan, &there, &mut findings);
    find_silent_endpoints(seen, &mut findings);
    moves::find_unread(seen, asked, all_there, &mut findings);
    moves::find_unreconciled(seen, asked, all_there, &mut findings);
    moves::find_cooldown(seen, asked, &plan.limits, now, &mut findings);
    findings.decision(asked.mode.is_planned())
}

fn find_lock(seen: &CheckSeen, findings: &mut Findings) {
    if let Some(Lock { execution, taken_at, expires_at, .. }) = &seen.locked {
        findings.refuse(format!(
            "execution {execution} fails over already, since {taken_at:.0}; it keeps others from starting until it ends, or \
             until {expires_at:.0} (`limits.lockMinutes`)"
        ));
    }
}

/// An event proves nothing: it needs the plan's signals.
fn find_evidence(seen: &CheckSeen, asked: &MoveAsked, plan: &RecoveryPlan, findings: &mut Findings) {
    if asked.trigger != Trigger::Automatic {
        return;
    }
    match &plan.automatic {
        None => findings.refuse("the plan has no `automatic`: no failover starts by itself"),
        Some(automatic) => match evidence::decide(automatic, &seen.evidence, asked.other, asked.target) {
            Ok(count) => findings.note(count),
            Err(reasons) => reasons.into_iter().for_each(|reason| findings.refuse(reason)),
        },
    }
}

/// Away from a Region whose databases answer and are in step, a switchover does the same and loses nothing. Whether customers are
/// served there is another question: so a person is asked. An event has its evidence.
fn find_needless(
    seen: &CheckSeen,
    asked: &MoveAsked,
    plan: &RecoveryPlan,
    there: &[&str],
    findings: &mut Findings,
) {
    let is_in_step = |database: &DatabaseSeen| {
        let answers = matches!(&database.other, Ok(Some(cluster)) if cluster.status == "available");
        let member = database.global.member_in(asked.target);
        let is_connected =
            member.is_some_and(|member| member.synchronization.as_deref() == Some("connected"));
        let lag = database.lag.as_ref().ok().and_then(Option::as_ref);
        answers && is_connected && lag.is_some_and(|lag| lag.seconds <= f64::from(plan.failback.lag_seconds))
    };
    if asked.mode == Mode::Failover
        && asked.trigger == Trigger::Manual
        && there.is_empty()
        && seen.databases.values().all(is_in_step)
    {
        findings.need_approval(format!(
            "{} answers, and every database in {} is connected and in step with it: a failover may lose writes, where the runbook \
             failback, started in {}, moves the databases and loses none. Start that one, or approve, if {} can't be used all the same",
            asked.other, asked.target, asked.target, asked.other
        ));
    }
}

fn find_silent_endpoints(seen: &CheckSeen, findings: &mut Findings) {
    let failed: Vec<String> = seen
        .arc
        .iter()
        .filter_map(|(region, answer)| Some(format!("{region}: {}", answer.as_ref().err()?)))
        .collect();
    let (failed, answering) = (failed.join("; "), seen.arc.len() - failed.len());
    if answering == 0 {
        findings.refuse(format!("no ARC endpoint answers, traffic could not be moved: {failed}"));
    } else if answering < PROMISED_ENDPOINTS {
        findings.note(format!("only {answering} of {} ARC endpoints answer: {failed}", seen.arc.len()));
    }
}
