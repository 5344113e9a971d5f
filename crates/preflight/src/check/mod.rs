//! `check`: may a failover (or switchover) go ahead?
//!
//! Everything is asked at once, so that a check takes one time limit and not their sum, also while the impaired Region is
//! silent. Nothing is changed, but for the lock of a failover, which is taken first: only the one execution that may
//! continue decides on what it sees. Of several at once the others are Refused, and so are those that follow while it runs. A
//! retried check has the lock already; [`runbook::lock`] describes when it ends. A check that fails leaves at most that
//! lock.
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
//! | the other Region answers, and every database in the target is connected and in step (`failback.lagSeconds`) | NeedsApproval of one that a person started: a switchover loses nothing | – |
//! | another execution has the lock | Refused | – |
//! | started by an event, and the evidence is not enough, see [`crate::evidence`] | Refused | – |
//! | the cooldown after a successful failover is not over | Refused; note where a person overrides it | note |
//! | the record of the last failover in the target Region can't be read | NeedsApproval | note |
//! | that in the other Region can't be read | note | NeedsApproval, see below |
//! | that of the last switchover can't be read | note | note |
//! | nobody has looked for what the last failover lost, or that is not known | – | NeedsApproval, see below |
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
//! there, but rows are put back into that Region only ([`moves`]).
//!
//! The impaired Region is never needed in a failover. A database that has its writer in the target already (the rest of a
//! failover that stopped half-way) is noted, and nothing else of it is examined. Only a failover that succeeded starts a
//! cooldown: one that failed may be tried again at once. A switchover is asked for by a person and loses nothing, so no
//! cooldown holds it back.
//!
//! How it is done: [`observe`] asks, [`decide`] chooses, [`outcome`] words the answer.
//!
//! # The rest of a move
//! An execution that was killed or cancelled is started again, and ends in the same state. When every database has its
//! writer in the target, what is left is the traffic, the verification and the record ([`moves`]). The last move is the
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
//! it does what was asked for, and costs nothing.

use aws_sdk_rds::Client as Rds;
use runbook::error::Kind;
use runbook::step::Mode;
use runbook::{Context, Outcome, RecoveryPlan, StepError, arc, aws, bucket};

use crate::asking::plan_for;
use crate::event::CheckEvent;

mod database;
mod decide;
mod findings;
mod lock;
mod moves;
mod observe;
mod outcome;
mod seen;

pub use outcome::{CheckObserved, DatabaseObserved};

/// Serves `check`.
///
/// # Errors
/// [`Kind::BadEvent`] when the target is no Region of the plan, or a failover is asked for from another Region than the
/// function's; [`Kind::BadPlan`] when the plan has no routing, before the lock is taken; else when the plan can't be read, or
/// the target Region does not answer, refuses or lacks a global cluster.
pub async fn run(context: &Context, event: &CheckEvent) -> Result<Outcome<CheckObserved>, StepError> {
    let plan = plan_for(context, &event.plan, &event.target_region).await?;
    require_regions(&plan, event, &context.region)?;
    plan.require_routing(&format!("a {}", event.mode.noun()))?;
    let target = event.target_region.as_str();
    let asked = seen::MoveAsked {
        target,
        other: plan.other_region(target),
        mode: event.mode,
        trigger: event.trigger,
        cooldown: event.cooldown,
    };
    let there = aws::in_region(&context.config, asked.target);
    let elsewhere = aws::in_region(&context.config, asked.other);
    let apis = observe::CheckApis {
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
            let executions = aws_sdk_ssm::Client::new(&there);
            let lock =
                lock::take_failover_lock(&apis.records, &executions, target, &plan, &event.execution, now);
            Box::pin(lock).await?
        }
        Mode::Switchover => None,
    };
    let seen = Box::pin(observe::observe(&apis, &plan, &asked, now)).await?;
    let seen = seen::CheckSeen { locked, ..seen };
    let decision = decide::decide(&seen, &asked, &plan, now);
    Ok(outcome::outcome(&seen, &asked, plan.failback.strategy, decision))
}

/// Checks that the event's Regions fit the plan, each other and `here`, the function's own.
fn require_regions(plan: &RecoveryPlan, event: &CheckEvent, here: &str) -> Result<(), StepError> {
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

#[cfg(test)]
mod tests;
