//! `failover.yaml` with `Mode` detach: orders has another engine version in the east, so that no managed failover is possible.

use sandbox::automation::{Execution, Reading, Status};
use sandbox::world::Message;
use sandbox::{EAST, WEST};

use crate::failover::end_a_failover_at;
use crate::faults::Fault;
use crate::stage::{APPROVER, FAST, Stage, State, early_ends, faults, told};

/// What AWS's durations are divided by, so that a detach has to be waited for in more than one invocation.
const SLOW: f64 = 1.0;

/// A stage whose east is cut off.
pub async fn impaired(reading: Reading, factor: f64) -> Stage {
    let stage = Stage::new(reading, factor).await;
    stage.world.set_engine_version(
        &runbook::plan::sample().databases["orders"].members[EAST].cluster_arn,
        "8.0.mysql_aurora.3.07.0",
    );
    stage.world.isolate(EAST).await;
    stage
}

/// What a detach leaves: the old primaries are alone in the global clusters.
pub fn detached() -> State {
    State {
        writers: ["shop-catalog", "shop-orders"].map(|global| (global.to_owned(), EAST.to_owned())).into(),
        ..crate::failover::moved()
    }
}

/// Detaches in the west.
pub async fn detach(stage: &Stage) -> Execution {
    let parameters = [("ImpairedRegion", EAST), ("Mode", "detach"), ("Approvers", APPROVER)];
    let id = stage.start("causeway-failover", &parameters);
    stage.approved(&id).await
}

/// Whether both databases take writes in the west, outside of their global clusters.
fn stand_for_themselves(stage: &Stage) -> bool {
    let plan = runbook::plan::sample();
    plan.databases.values().all(|database| stage.world.accepts_writes(&database.members[WEST].cluster_arn))
}

fn subjects(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.subject.as_str()).collect()
}

/// Nobody detaches who did not ask for it; who did is told where to write.
#[tokio::test(start_paused = true)]
async fn it_is_done_only_when_asked_for_and_then_under_every_reading_and_however_often_a_step_is_called() {
    for reading in Reading::ALL {
        for fault in [Fault::Nothing, Fault::Twice, Fault::AtOnce] {
            let stage = impaired(reading, SLOW).await;
            let managed = stage.fail_over().await;
            assert_eq!(managed.status, Status::Failed, "{}", told(&managed));
            let messages = stage.messages(0);
            assert_eq!(subjects(&messages), ["Causeway: failover to sandbox-west FAILED"]);
            assert!(messages[0].body.contains("start the runbook with Mode detach"), "{}", messages[0].body);
            // What could be failed over is, by now.
            stage.settle().await;
            assert!(!stand_for_themselves(&stage));

            stage.faults.set(fault);
            let execution = detach(&stage).await;
            assert_eq!(execution.status, Status::Success, "{reading:?} {fault:?} {}", told(&execution));
            assert!(stand_for_themselves(&stage), "{reading:?} {fault:?}");
            assert_eq!(stage.state().await.writers["shop-catalog"], WEST, "it had no need to leave");
            let messages = stage.messages(1);
            assert_eq!(
                subjects(&messages).pop(),
                Some("Causeway: sandbox-west has taken over, databases DETACHED")
            );
            let body = &messages.last().unwrap().body;
            assert!(
                body.contains("detached, so write there and not to a global endpoint: orders at "),
                "{body}"
            );
        }
    }
}

/// Whatever breaks, it ends well, or somebody is told and it ends well when it is started again.
#[tokio::test(start_paused = true)]
async fn after_a_fault_at_any_kind_of_call_it_ends_in_the_same_state() {
    let (mut failed, mut succeeded) = (0, 0);
    for (number, (fault, factor)) in faults(impaired, detach, SLOW).await.into_iter().enumerate() {
        let reading = Reading::ALL[number % 4];
        let case = format!("{reading:?} {fault:?}");
        let stage = impaired(reading, factor).await;
        stage.faults.set(fault);
        let execution = detach(&stage).await;
        if execution.status == Status::Success {
            succeeded += 1;
        } else {
            failed += 1;
            assert!(!stage.messages(0).is_empty(), "{case}: nobody was told. {}", told(&execution));
            stage.faults.set(Fault::Nothing);
            stage.settle().await;
            finish(&stage, &case).await;
        }
        assert!(stand_for_themselves(&stage), "{case}");
        assert_eq!(stage.state().await, detached(), "{case}");
    }
    assert!(
        failed > 20 && succeeded > 20,
        "the faults are not felt, or never survived: {failed}, {succeeded}"
    );
}

/// An execution that is killed or cancelled tells nobody and records nothing.
#[tokio::test(start_paused = true)]
async fn killed_or_cancelled_at_any_step_and_started_again_it_ends_in_the_same_state() {
    let stage = impaired(Reading::ALL[0], FAST).await;
    let events = stage.events_of(detach(&stage)).await;
    assert!(events > 20, "{events}");
    for (at, cancel, case) in early_ends(events) {
        let stage = impaired(Reading::ALL[at % 4], FAST).await;
        end_a_failover_at(&stage, (at, cancel), &[("ImpairedRegion", EAST), ("Mode", "detach")]).await;
        finish(&stage, &case).await;
        assert!(stand_for_themselves(&stage), "{case}");
        assert_eq!(stage.state().await, detached(), "{case}");
    }
}

/// Starts it again, unless all that was lost is the last answer: then there is nothing left to do.
pub async fn finish(stage: &Stage, case: &str) {
    if stage.state().await != detached() {
        let execution = detach(stage).await;
        assert_eq!(execution.status, Status::Success, "{case}, again: {}", told(&execution));
    }
}
