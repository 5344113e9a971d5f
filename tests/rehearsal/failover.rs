//! `failover.yaml`: the east is cut off, the west takes over.

use std::collections::BTreeSet;

use runbook::names::TAKEOVER_TAG;
use runbook::record::MoveOutcome;
use sandbox::automation::{Execution, Reading, Status};
use sandbox::{EAST, WEST};

use crate::failback;
use crate::faults::Fault;
use crate::stage::{APPROVER, FAST, SLOW, Stage, State, early_ends, faults, told};

/// What a failover leaves, whatever happened on the way.
pub fn moved() -> State {
    State {
        writers: ["shop-catalog", "shop-orders"].map(|global| (global.to_owned(), WEST.to_owned())).into(),
        traffic: BTreeSet::from([WEST.to_owned()]),
        kept: 0,
        leaked: Vec::new(),
        last_failover: Some((MoveOutcome::Succeeded, EAST.into(), WEST.into())),
    }
}

/// A stage whose east is cut off.
pub async fn impaired(reading: Reading, factor: f64) -> Stage {
    let stage = Stage::new(reading, factor).await;
    stage.world.isolate(EAST).await;
    stage
}

/// Starts the runbook once more, as a person does who was told that it failed.
async fn again(stage: &Stage) -> Execution {
    let id = stage.start("causeway-failover", &[("ImpairedRegion", EAST), ("Approvers", APPROVER)]);
    stage.approved(&id).await
}

/// Starts it again, unless all that was lost is the last answer: then there is nothing left to do.
pub async fn finish(stage: &Stage, case: &str) {
    if stage.state().await != moved() {
        let execution = again(stage).await;
        assert_eq!(execution.status, Status::Success, "{case}, again: {}", told(&execution));
    }
}

/// Somebody turns the traffic back while the databases are verified: that is no success, whatever the databases say.
#[tokio::test(start_paused = true)]
async fn it_has_taken_over_only_when_the_traffic_is_seen_here_alone() {
    let controls = runbook::plan::sample().routing.controls;
    for (east, west) in [(true, false), (true, true), (false, false)] {
        let stage = impaired(Reading::ALL[0], FAST).await;
        let mut happened = stage.automation.subscribe();
        let id = stage.start("causeway-failover", &[("ImpairedRegion", EAST)]);
        while happened.recv().await.unwrap().step.as_deref() != Some("verify") {}
        stage.world.set_routing_control(&controls[EAST], east);
        stage.world.set_routing_control(&controls[WEST], west);
        let execution = stage.ended(&id).await;
        assert_eq!(execution.status, Status::Failed, "{}", told(&execution));
        let message = stage.world.messages().pop().unwrap();
        assert_eq!(message.subject, "Causeway: failover to sandbox-west FAILED");
        let word = |on| if on { "On" } else { "Off" };
        let said = format!("{} in sandbox-east, {} in sandbox-west", word(east), word(west));
        assert!(message.body.contains(&said), "{said} is missing in: {}", message.body);
        let parameters = [("ImpairedRegion", EAST), ("SafetyRulesToOverride", failback::ONE_REGION_ON)];
        let again = stage.run_in(WEST, "causeway-failover", &parameters).await;
        assert_eq!(again.status, Status::Success, "{said} {}", told(&again));
        assert_eq!(stage.state().await, moved(), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_application_moves_under_every_reading_and_however_often_a_step_is_called() {
    for reading in Reading::ALL {
        for fault in [Fault::Nothing, Fault::Twice, Fault::AtOnce] {
            let stage = impaired(reading, SLOW).await;
            stage.faults.set(fault);
            let execution = stage.fail_over().await;
            assert_eq!(execution.status, Status::Success, "{reading:?} {fault:?} {}", told(&execution));
            let waited = execution.steps.iter().any(|step| step.name == "awaitPromotion");
            // Two calls in turn wait twice as long.
            assert!(waited || fault == Fault::Twice, "{}", told(&execution));
            assert_eq!(stage.state().await, moved(), "{reading:?} {fault:?}");
            assert_eq!(stage.world.tagged(TAKEOVER_TAG).len(), 2, "each new primary's state is kept once");
            let messages = stage.messages(0);
            assert_eq!(messages.len(), 1, "{messages:?}");
            assert_eq!(messages[0].subject, "Causeway: sandbox-west has taken over");
            let files = BTreeSet::from(["record.json", "record.html", "manifest.json"].map(String::from));
            assert_eq!(stage.reports(&execution.id).await, files);
        }
    }
}

/// Whatever breaks, the runbook ends well, or somebody is told and it ends well when it is started again. Each fault
/// meets one reading; the calls of each step are many, so that each step meets every reading.
#[tokio::test(start_paused = true)]
async fn after_a_fault_at_any_kind_of_call_it_ends_in_the_same_state() {
    let (mut failed, mut succeeded) = (0, 0);
    for (number, (fault, factor)) in faults(impaired, Stage::fail_over, SLOW).await.into_iter().enumerate() {
        let reading = Reading::ALL[number % 4];
        let case = format!("{reading:?} {fault:?}");
        let stage = impaired(reading, factor).await;
        stage.faults.set(fault);
        let execution = stage.fail_over().await;
        if execution.status == Status::Success {
            succeeded += 1;
        } else {
            failed += 1;
            assert!(!stage.messages(0).is_empty(), "{case}: nobody was told. {}", told(&execution));
            stage.faults.set(Fault::Nothing);
            stage.settle().await;
            finish(&stage, &case).await;
        }
        assert_eq!(stage.state().await, moved(), "{case}");
    }
    assert!(
        failed > 20 && succeeded > 20,
        "the faults are not felt, or never survived: {failed}, {succeeded}"
    );
}

/// How long the lock of an execution that was killed holds, in the plans of those rehearsals.
pub const LOCKED: std::time::Duration = std::time::Duration::from_secs(300);

/// Lets a lock hold for [`LOCKED`].
pub async fn short_lock(stage: &Stage) {
    let minutes = LOCKED.as_secs() / 60;
    stage.change_plan_in(WEST, |plan| plan["limits"]["lockMinutes"] = minutes.into()).await;
}

/// An execution that is killed or cancelled tells nobody and records nothing.
#[tokio::test(start_paused = true)]
async fn killed_or_cancelled_at_any_step_and_started_again_it_ends_in_the_same_state() {
    let stage = impaired(Reading::ALL[0], FAST).await;
    let events = stage.events_of(stage.fail_over()).await;
    assert!(events > 20, "{events}");
    for (at, cancel, case) in early_ends(events) {
        let stage = impaired(Reading::ALL[at % 4], FAST).await;
        end_a_failover_at(&stage, (at, cancel), &[("ImpairedRegion", EAST)]).await;
        finish(&stage, &case).await;
        assert_eq!(stage.state().await, moved(), "{case}");
    }
}

/// Ends a failover early, and lets the world come to rest.
pub async fn end_a_failover_at(stage: &Stage, end: (usize, bool), parameters: &[(&str, &str)]) {
    short_lock(stage).await;
    stage.end_at(end, WEST, "causeway-failover", parameters).await;
    stage.settle().await;
    if let (_, false) = end {
        // Automation has not noted the end of what was killed: its lock has to expire.
        tokio::time::sleep(LOCKED).await;
    }
}

/// What a check refuses changes nothing.
#[tokio::test(start_paused = true)]
async fn to_where_it_is_already_nothing_moves() {
    let stage = Stage::new(Reading::ALL[0], FAST).await;
    let id = stage.start("causeway-failover", &[("ImpairedRegion", WEST)]);
    assert_eq!(stage.ended(&id).await.status, Status::Failed);
    stage.world.isolate(EAST).await;
    assert_eq!(stage.fail_over().await.status, Status::Success);
    let known = stage.world.messages().len();
    let execution = again(&stage).await;
    assert_eq!(execution.status, Status::Failed);
    assert!(stage.messages(known)[0].body.contains("already is primary of every database"));
    assert_eq!(stage.state().await, moved());
}
