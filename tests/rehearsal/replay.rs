//! `replay.yaml`: what was lost is found, and put back.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::automation::{Execution, Reading, Status};
use sandbox::functions::Invocation;
use sandbox::{EAST, WEST};
use serde_json::json;

use crate::faults::Fault;
use crate::handlers::LOST;
use crate::reconcile::{reconciled, recovered};
use crate::stage::{APPROVER, FAST, Stage, faults, told};

/// The lost order whose number the new primary has given to somebody else's.
const TAKEN: u64 = 3;

/// A stage on which what was lost is found.
pub async fn found(reading: Reading, factor: f64) -> Stage {
    let stage = recovered(reading, factor).await;
    assert_eq!(stage.reconcile().await.status, Status::Success);
    *stage.rows() = taken();
    stage
}

/// What the new primary has at first.
fn taken() -> BTreeMap<(String, u64), Vec<String>> {
    ["catalog", "orders"].map(|name| ((name.to_owned(), TAKEN), vec!["SOMEBODY ELSE'S".to_owned()])).into()
}

/// Every lost row is there, and once; what was there is as it was.
pub fn check_rows(stage: &Stage, case: &str) {
    let mut expected = taken();
    for database in ["catalog", "orders"] {
        for number in (1..=LOST).filter(|number| *number != TAKEN) {
            expected.insert((database.into(), number), vec!["PAID".into()]);
        }
    }
    assert_eq!(*stage.rows(), expected, "{case}");
}

/// The report of an execution says what is there and what is not.
pub async fn check_report(stage: &Stage, execution: &Execution, case: &str) {
    let files = ["replay.json", "replay.html", "manifest.json"].map(String::from);
    assert_eq!(stage.reports(&execution.id).await, BTreeSet::from(files), "{case}");
    let report = stage.report(&execution.id, "replay.json").await;
    assert_eq!(report["rows"], json!({"there": 2 * (LOST - 1), "keyTaken": 2}), "{case}");
    let left = report["left"].as_array().unwrap();
    assert_eq!(left.len(), 2, "{case}");
    assert_eq!(left[0]["there"], json!({"ID": TAKEN, "STATUS": "SOMEBODY ELSE'S"}), "{case}");
}

#[tokio::test(start_paused = true)]
async fn every_lost_row_is_put_back_once_under_every_reading_and_however_often_a_step_is_called() {
    for reading in Reading::ALL {
        for fault in [Fault::Nothing, Fault::Twice, Fault::AtOnce] {
            let case = format!("{reading:?} {fault:?}");
            let stage = found(reading, FAST).await;
            let known = stage.world.messages().len();
            stage.faults.set(fault);
            let execution = stage.replay().await;
            assert_eq!(execution.status, Status::Success, "{case} {}", told(&execution));
            for step in ["preview", "apply", "verify"] {
                let calls = execution.steps.iter().filter(|ran| ran.name == step).count();
                assert!(calls > 1 || fault == Fault::Twice, "{case} {step}: {}", told(&execution));
            }
            check_rows(&stage, &case);
            check_report(&stage, &execution, &case).await;
            assert_eq!(stage.state().await, reconciled(), "{case}");
            let messages = stage.messages(known);
            let subjects = messages.iter().map(|message| message.subject.as_str()).collect::<Vec<_>>();
            let expected =
                ["Causeway: approve the replay of lost writes?", "Causeway: lost writes are put back"];
            assert_eq!(subjects, expected, "{case}");
            let asked =
                "6 rows to put back (catalog 3, orders 3); 2 to leave out: 2 whose key another row has now.";
            assert!(messages[0].body.starts_with(asked), "{}", messages[0].body);
            let told = "6 of 8 lost rows there; 2 left: 2 whose key another row has now.";
            assert!(messages[1].body.starts_with(told), "{}", messages[1].body);
        }
    }
}

/// Whatever breaks, every row is put back once, or somebody is told and the next execution does it.
#[tokio::test(start_paused = true)]
async fn after_a_fault_at_any_kind_of_call_the_next_execution_ends_well() {
    let (mut failed, mut succeeded) = (0, 0);
    for (number, (fault, factor)) in faults(found, Stage::replay, FAST).await.into_iter().enumerate() {
        let reading = Reading::ALL[number % 4];
        let case = format!("{reading:?} {fault:?}");
        let stage = found(reading, factor).await;
        let known = stage.world.messages().len();
        stage.faults.set(fault);
        let first = stage.replay().await;
        if first.status == Status::Success {
            succeeded += 1;
        } else {
            failed += 1;
            assert!(!stage.messages(known).is_empty(), "{case}: nobody was told. {}", told(&first));
        }
        stage.faults.set(Fault::Nothing);
        if first.status == Status::Success {
            check_report(&stage, &first, &case).await;
        } else {
            let next = stage.replay().await;
            assert_eq!(next.status, Status::Success, "{case}: {}", told(&next));
            check_report(&stage, &next, &case).await;
        }
        check_rows(&stage, &case);
        assert_eq!(stage.state().await, reconciled(), "{case}");
    }
    assert!(
        failed > 10 && succeeded > 10,
        "the faults are not felt, or never survived: {failed}, {succeeded}"
    );
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_step_and_started_again_every_row_is_put_back_once() {
    let steps = found(Reading::ALL[0], FAST).await.replay().await.steps.len();
    assert!(steps > 12, "{steps}");
    let mut halfway = 0;
    for at in 0..steps {
        let case = format!("step {at}");
        let stage = found(Reading::ALL[at % 4], FAST).await;
        let mut happened = stage.automation.subscribe();
        let id = stage.start_replay();
        let reached = async {
            // Two events of each step: into the middle of it.
            for _ in 0..=2 * at {
                happened.recv().await.unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        };
        tokio::select! {
            () = reached => {}
            execution = stage.approved(&id) => assert_eq!(execution.status, Status::Success, "{case}"),
        }
        stage.end_early(&id, false).await;
        let put_back = stage.rows().len() - taken().len();
        halfway += usize::from((1..6).contains(&put_back));
        let next = stage.replay().await;
        assert_eq!(next.status, Status::Success, "{case}: {}", told(&next));
        check_rows(&stage, &case);
        check_report(&stage, &next, &case).await;
    }
    assert!(halfway > 0, "{halfway}");
}

#[tokio::test(start_paused = true)]
async fn without_an_approval_nothing_is_inserted() {
    for (reading, rejected) in Reading::ALL.into_iter().zip([true, false].into_iter().cycle()) {
        let stage = found(reading, FAST).await;
        let known = stage.world.messages().len();
        let id = stage.start_replay();
        if rejected {
            stage.reject(&id).await;
        }
        let execution = stage.ended(&id).await;
        assert_eq!(execution.status, Status::Failed, "{}", told(&execution));
        let approve = execution.steps.iter().find(|step| step.name == "approve").unwrap();
        assert_eq!(approve.status, if rejected { Status::Failed } else { Status::TimedOut });
        assert_eq!(*stage.rows(), taken());
        let told = stage.messages(known).pop().unwrap();
        assert_eq!(told.subject, "Causeway: replay not approved");
        assert!(told.body.starts_with("Nothing has changed."), "{}", told.body);
    }
}

/// What is there already needs no approval; what was never compared, or is no longer the writer, is refused.
#[tokio::test(start_paused = true)]
async fn what_can_not_be_replayed_is_told_and_nothing_is_inserted() {
    let stage = found(Reading::ALL[0], FAST).await;
    let last = || {
        let told = stage.messages(0).pop().unwrap();
        (told.subject, told.body)
    };
    let refused = async |execution: Execution| {
        assert_eq!(execution.status, Status::Failed, "{}", told(&execution));
        let (subject, body) = last();
        assert_eq!(subject, "Causeway: replay refused");
        assert!(body.starts_with("Nothing has changed."), "{body}");
        body
    };
    let unknown = stage.start("causeway-replay", &[("ReconcileExecution", "e1"), ("Approvers", APPROVER)]);
    let body = refused(stage.ended(&unknown).await).await;
    assert!(body.contains("the report of execution e1 is not complete"), "{body}");
    // No step may be called out of turn.
    let event = json!({"operation": "apply", "plan": "/causeway/plans/shop", "execution": "by-hand",
        "reconcileExecution": stage.reconciled()});
    let answer = stage.invoke(WEST, "causeway-replay", event).await;
    let Invocation::Answer(answer) = answer else { panic!("{answer:?}") };
    assert_eq!(answer["status"], "Refused");
    assert!(answer["reason"].as_str().unwrap().contains("apply needs preview to be complete"), "{answer}");
    assert_eq!(*stage.rows(), taken());

    assert_eq!(stage.replay().await.status, Status::Success);
    let known = stage.world.messages().len();
    let again = stage.ended(&stage.start_replay()).await;
    assert_eq!(again.status, Status::Success, "{}", told(&again));
    assert!(!again.steps.iter().any(|step| step.name == "approve"));
    let messages = stage.messages(known);
    assert_eq!(messages[0].subject, "Causeway: no lost write to put back");
    assert!(messages[0].body.starts_with("No row to put back; 2 to leave out"), "{}", messages[0].body);
    check_report(&stage, &again, "again").await;
    check_rows(&stage, "again");

    stage.settle().await;
    let back = json!({"operation": "switchover", "plan": "/causeway/plans/shop", "execution": "by-hand",
        "targetRegion": EAST});
    loop {
        match stage.invoke(EAST, "causeway-global-failover", back.clone()).await {
            Invocation::Answer(answer) if answer["status"] == "InProgress" => stage.settle().await,
            Invocation::Answer(answer) if answer["status"] == "Done" => break,
            other => panic!("{other:?}"),
        }
    }
    let id = stage.start_replay();
    let body = refused(stage.ended(&id).await).await;
    assert!(body.contains("is in sandbox-east, and rows are put back into a writer in"), "{body}");
}
