//! Every runbook, cancelled at every step of its document and started again: it ends well.
//!
//! The steps are those of the documents: a step that no way leads to fails the test, and so does a document that has no
//! ways here.

use std::collections::BTreeSet;

use sandbox::automation::execution::StepExecution;
use sandbox::automation::{EventKind, Execution, Reading, Status};
use sandbox::{EAST, WEST};

use crate::faults::{BROKEN, Fault};
use crate::routing::Parameters;
use crate::stage::{APPROVER, FAST, SLOW, Stage, documents, told};
use crate::{detach, failback, failover, readiness, rebuild, reconcile, replay, routing};

/// A way through a document.
#[derive(Clone, Copy)]
pub struct Way {
    /// What the functions say on it, as in [`Fault::Said`].
    pub said: &'static [(&'static str, &'static str)],
    /// What it is started with.
    parameters: Parameters<'static>,
    /// What the approver says when asked.
    pub signal: &'static str,
}

impl Way {
    const fn said(said: &'static [(&'static str, &'static str)]) -> Self {
        Self { said, parameters: &[], signal: "Approve" }
    }

    const fn with(self, parameters: Parameters<'static>) -> Self {
        Self { parameters, ..self }
    }

    const fn rejected(self) -> Self {
        Self { signal: "Reject", ..self }
    }
}

/// A runbook as it is rehearsed here.
pub trait Rehearsed {
    /// Name of its document.
    const NAME: &'static str;
    /// The ways that together lead to each of its steps.
    const WAYS: &'static [Way];

    /// Where it begins.
    async fn stage(reading: Reading, way: &Way) -> Stage;

    /// Starts it.
    fn start(stage: &Stage, way: &Way) -> String;

    /// Starts it again after the execution `first` was cancelled, as docs/operations.md says, and sees that it ends well.
    async fn again(stage: &Stage, way: &Way, first: &Execution, case: &str);
}

/// The actions that are not over at once.
const TAKES_TIME: [&str; 3] = ["aws:invokeLambdaFunction", "aws:sleep", "aws:approve"];

/// Cancels a runbook at every step, at its begin and in the middle of it.
async fn everywhere<R: Rehearsed>() {
    let name = R::NAME;
    let (_, document) = documents().iter().find(|(found, _)| found == name).unwrap();
    let mut left: BTreeSet<&str> = document.steps.iter().map(|step| step.name.as_str()).collect();
    let mut followed = BTreeSet::new();
    let mut number = 0;
    for way in R::WAYS {
        let stage = R::stage(Reading::ALL[0], way).await;
        stage.faults.set(Fault::Said(way.said));
        let undisturbed = stage.answered(&R::start(&stage, way), way.signal).await;
        for step in &undisturbed.steps {
            if !left.remove(step.name.as_str()) {
                continue;
            }
            // A branch or a call of AWS has no middle.
            let moments: &[u64] = if TAKES_TIME.contains(&step.action) { &[0, 5] } else { &[0] };
            for later in moments.iter().copied() {
                let case = format!("{name} cancelled {later} s into {} on the way {:?}", step.name, way.said);
                let stage = R::stage(Reading::ALL[number % 4], way).await;
                number += 1;
                stage.faults.set(Fault::Said(way.said));
                let mut happened = stage.automation.subscribe();
                let id = R::start(&stage, way);
                let reached = async {
                    loop {
                        let event = happened.recv().await.unwrap();
                        if event.step.as_ref() == Some(&step.name) && event.kind == EventKind::StepStarted {
                            break;
                        }
                    }
                    tokio::time::sleep(std::time::Duration::from_secs(later)).await;
                };
                tokio::select! {
                    biased;
                    () = reached => {}
                    execution = stage.answered(&id, way.signal) => {
                        assert!(execution.steps.iter().any(|ran| ran.name == step.name), "{case}: {}", told(&execution));
                    }
                }
                stage.end_early(&id, true).await;
                let cancelled = stage.ended(&id).await;
                let after = cancelled.steps.iter().skip_while(|ran| ran.name != step.name).skip(1);
                if cancelled.status == Status::Cancelled {
                    followed.extend(after.map(|ran| ran.name.clone()));
                }
                stage.faults.set(Fault::Nothing);
                R::again(&stage, way, &cancelled, &case).await;
            }
        }
    }
    // What only follows a cancellation can't be cancelled once more.
    let follows = |step: &&str| document.steps.iter().any(|other| other.on_cancel.as_deref() == Some(*step));
    let (after, missing): (BTreeSet<&str>, BTreeSet<&str>) = left.into_iter().partition(follows);
    assert!(missing.is_empty(), "{name}: no way leads to {missing:?}");
    assert!(after.iter().all(|step| followed.contains(*step)), "{name}: nothing led to {after:?}");
}

#[test]
fn no_runbook_is_forgotten() {
    let here = [
        Failback::NAME,
        Failover::NAME,
        Readiness::NAME,
        Rebuild::NAME,
        Reconcile::NAME,
        Replay::NAME,
        Routing::NAME,
    ];
    let documents: BTreeSet<&str> = documents().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(documents, here.into(), "give the document its ways here, and a test of its own");
}

#[tokio::test(start_paused = true)]
async fn failback_cancelled_at_every_step_and_started_again_ends_well() {
    everywhere::<Failback>().await;
}

#[tokio::test(start_paused = true)]
async fn failover_cancelled_at_every_step_and_started_again_ends_well() {
    everywhere::<Failover>().await;
}

#[tokio::test(start_paused = true)]
async fn readiness_cancelled_at_every_step_and_started_again_ends_well() {
    everywhere::<Readiness>().await;
}

#[tokio::test(start_paused = true)]
async fn rebuild_cancelled_at_every_step_and_started_again_ends_well() {
    everywhere::<Rebuild>().await;
}

#[tokio::test(start_paused = true)]
async fn reconcile_cancelled_at_every_step_and_started_again_ends_well() {
    everywhere::<Reconcile>().await;
}

#[tokio::test(start_paused = true)]
async fn replay_cancelled_at_every_step_and_started_again_ends_well() {
    everywhere::<Replay>().await;
}

#[tokio::test(start_paused = true)]
async fn routing_cancelled_at_every_step_and_started_again_ends_well() {
    everywhere::<Routing>().await;
}

/// Where a managed failover is not possible.
const DETACH: Parameters<'static> = &[("ImpairedRegion", EAST), ("Mode", "detach")];

pub struct Failover;

impl Rehearsed for Failover {
    const NAME: &'static str = "causeway-failover";
    const WAYS: &'static [Way] = &[
        Way::said(&[("verify", "InProgress")]),
        Way::said(&[("check", "NeedsApproval")]),
        Way::said(&[("check", "NeedsApproval")]).rejected(),
        Way::said(&[("check", "Refused")]),
        Way::said(&[]).with(&[("ImpairedRegion", WEST)]),
        Way::said(&[("failover", BROKEN)]),
        Way::said(&[("failover", BROKEN), ("record", BROKEN)]),
        Way::said(&[("record", BROKEN)]),
        Way::said(&[]).with(DETACH),
    ];

    async fn stage(reading: Reading, _: &Way) -> Stage {
        failover::impaired(reading, SLOW).await
    }

    fn start(stage: &Stage, way: &Way) -> String {
        let given: Parameters<'_> =
            if way.parameters.is_empty() { &[("ImpairedRegion", EAST)] } else { way.parameters };
        stage.start("causeway-failover", &[given, &[("Approvers", APPROVER)]].concat())
    }

    async fn again(stage: &Stage, way: &Way, _: &Execution, case: &str) {
        stage.settle().await;
        if way.parameters == DETACH {
            detach::finish(stage, case).await;
            assert_eq!(stage.state().await, detach::detached(), "{case}");
            return;
        }
        failover::finish(stage, case).await;
        assert_eq!(stage.state().await, failover::moved(), "{case}");
    }
}

/// The strategy is the plan's.
const TRAFFIC_FIRST: Parameters<'static> = &[("strategy", "traffic-first")];

pub struct Failback;

impl Rehearsed for Failback {
    const NAME: &'static str = "causeway-failback";
    const WAYS: &'static [Way] = &[
        Way::said(&[("verify", "InProgress")]),
        Way::said(&[("verify", "InProgress")]).with(TRAFFIC_FIRST),
        Way::said(&[("check", "Refused")]),
        Way::said(&[("set", BROKEN)]),
        Way::said(&[("set", BROKEN), ("record", BROKEN)]),
        Way::said(&[("record", BROKEN)]),
        Way::said(&[("check", "NeedsApproval")]),
        Way::said(&[("check", "NeedsApproval")]).rejected(),
    ];

    async fn stage(reading: Reading, way: &Way) -> Stage {
        let strategy = way.parameters.first().map_or("databases-first", |(_, strategy)| strategy);
        failback::well(reading, 1.0, WEST, strategy).await
    }

    fn start(stage: &Stage, _: &Way) -> String {
        stage.start("causeway-failback", &[("Approvers", APPROVER)])
    }

    async fn again(stage: &Stage, _: &Way, _: &Execution, case: &str) {
        failback::finish(stage, WEST, case).await;
        failback::assert_in(stage, WEST, case).await;
    }
}

pub struct Rebuild;

impl Rehearsed for Rebuild {
    const NAME: &'static str = "causeway-rebuild";
    const WAYS: &'static [Way] = &[
        Way::said(&[("rebuild", "InProgress")]),
        Way::said(&[("rebuild", "Done")]),
        Way::said(&[("rebuild", "Refused")]),
        Way::said(&[("rebuild", "InProgress"), ("rebuild", "Refused")]),
        Way::said(&[("rebuild", BROKEN)]),
    ];

    async fn stage(reading: Reading, _: &Way) -> Stage {
        rebuild::detached(reading, rebuild::SLOW).await
    }

    fn start(stage: &Stage, _: &Way) -> String {
        stage.start("causeway-rebuild", &[])
    }

    async fn again(stage: &Stage, _: &Way, _: &Execution, case: &str) {
        let execution = rebuild::rebuild(stage).await;
        assert_eq!(execution.status, Status::Success, "{case}, again: {}", told(&execution));
        rebuild::assert_rebuilt(stage, case).await;
    }
}

pub struct Reconcile;

impl Rehearsed for Reconcile {
    const NAME: &'static str = "causeway-reconcile";
    const WAYS: &'static [Way] = &[
        Way::said(&[("restore", "InProgress"), ("cleanup", "InProgress")]),
        Way::said(&[("restore", "NotNeeded")]),
        Way::said(&[("cleanup", BROKEN)]),
        Way::said(&[("restore", "Refused"), ("cleanup", "InProgress")]),
        Way::said(&[("restore", "InProgress"), ("restore", "Refused")]),
        // There are no ranges: the state machine fails, however often it is redriven.
        Way::said(&[("cut", "Done")]),
        Way::said(&[("compare", "Refused")]),
        Way::said(&[("missing-transactions", "Refused")]),
        Way::said(&[("compare", BROKEN)]),
        Way::said(&[("compare", BROKEN), ("cleanup", BROKEN)]),
    ];

    async fn stage(reading: Reading, _: &Way) -> Stage {
        reconcile::recovered(reading, FAST).await
    }

    fn start(stage: &Stage, _: &Way) -> String {
        stage.start("causeway-reconcile", &[])
    }

    async fn again(stage: &Stage, way: &Way, first: &Execution, case: &str) {
        // It cleans up itself, unless that is what is cancelled or broken.
        let own =
            |step: &StepExecution| step.name == "cleanupAfterFailure" && step.status == Status::Cancelled;
        // It may say that nothing is to be done, and have begun all the same.
        let forced =
            [("cleanup", BROKEN), ("restore", "NotNeeded")].iter().any(|said| way.said.contains(said));
        let by_hand = first.steps.iter().any(own) || forced;
        assert!(by_hand || stage.state().await.leaked.is_empty(), "{case}: {}", told(first));
        reconcile::clean_up_by_hand(stage, &first.id).await;
        let next = stage.reconcile().await;
        assert_eq!(next.status, Status::Success, "{case}: {}", told(&next));
        assert!(reconcile::complete(stage, &next.id).await, "{case}");
        assert_eq!(stage.state().await, reconcile::reconciled(), "{case}");
    }
}

pub struct Replay;

impl Rehearsed for Replay {
    const NAME: &'static str = "causeway-replay";
    const WAYS: &'static [Way] = &[
        Way::said(&[]),
        Way::said(&[]).rejected(),
        Way::said(&[("preview", "Done")]),
        Way::said(&[("preview", "Refused")]),
        Way::said(&[("preview", BROKEN)]),
        Way::said(&[("apply", "Refused")]),
        Way::said(&[("apply", BROKEN)]),
        Way::said(&[("verify", "Refused")]),
        Way::said(&[("verify", BROKEN)]),
    ];

    async fn stage(reading: Reading, _: &Way) -> Stage {
        replay::found(reading, FAST).await
    }

    fn start(stage: &Stage, _: &Way) -> String {
        stage.start_replay()
    }

    async fn again(stage: &Stage, _: &Way, _: &Execution, case: &str) {
        let next = stage.replay().await;
        assert_eq!(next.status, Status::Success, "{case}: {}", told(&next));
        replay::check_rows(stage, case);
        replay::check_report(stage, &next, case).await;
    }
}

pub struct Routing;

const OFF: Parameters<'static> = &[("TurnOff", EAST)];

impl Rehearsed for Routing {
    const NAME: &'static str = "causeway-routing";
    const WAYS: &'static [Way] =
        &[Way::said(&[]), Way::said(&[("set", "Refused")]), Way::said(&[("set", BROKEN)])];

    async fn stage(reading: Reading, _: &Way) -> Stage {
        Stage::new(reading, FAST).await
    }

    fn start(stage: &Stage, _: &Way) -> String {
        stage.start("causeway-routing", OFF)
    }

    async fn again(stage: &Stage, _: &Way, _: &Execution, case: &str) {
        let again = routing::set(stage, WEST, OFF).await;
        assert_eq!(again.status, Status::Success, "{case}: {}", told(&again));
        assert_eq!(routing::traffic(stage).await, routing::regions(&[WEST]), "{case}");
    }
}

pub struct Readiness;

impl Rehearsed for Readiness {
    const NAME: &'static str = "causeway-readiness";
    const WAYS: &'static [Way] =
        &[Way::said(&[]), Way::said(&[("readiness", "Refused")]), Way::said(&[("readiness", BROKEN)])];

    async fn stage(reading: Reading, _: &Way) -> Stage {
        Stage::new(reading, FAST).await
    }

    fn start(stage: &Stage, _: &Way) -> String {
        stage.start("causeway-readiness", &[])
    }

    async fn again(stage: &Stage, _: &Way, _: &Execution, case: &str) {
        let again = readiness::look(stage, WEST).await;
        assert_eq!(again.status, Status::Success, "{case}: {}", told(&again));
    }
}
