//! `reconcile.yaml` with databases that the plan distributes: the state machine compares their ranges.

use sandbox::WEST;
use sandbox::automation::{Execution, Reading, Status};
use serde_json::{Value, json};

use crate::faults::{BROKEN, Fault};
use crate::reconcile::{complete, reconciled, recovered};
use crate::stage::{BRISK, FAST, Stage, told};

/// Every reading, and with every other one a step that starts a state machine does not wait for it.
fn readings() -> impl Iterator<Item = Reading> {
    let turned = |(number, reading)| Reading { state_machine_is_not_awaited: number % 2 == 1, ..reading };
    Reading::ALL.into_iter().enumerate().map(turned)
}

/// The failover is over, and both databases are large.
async fn large(reading: Reading, factor: f64, concurrency: u64) -> Stage {
    let stage = recovered(reading, factor).await;
    distribute(&stage, concurrency).await;
    stage
}

/// Has the plan distribute both databases.
pub async fn distribute(stage: &Stage, concurrency: u64) {
    let change = |plan: &mut Value| {
        for database in ["catalog", "orders"] {
            plan["databases"][database]["reconcile"]["distributed"] =
                json!({"aboveRows": 99, "concurrency": concurrency, "rangeRows": 10});
        }
    };
    stage.change_plan(change).await;
}

/// A reconciliation whose ranges all fail until they are redriven.
pub async fn redriven(stage: &Stage) -> Execution {
    stage.faults.set(Fault::Said(&[("range", BROKEN)]));
    let mut happened = stage.automation.subscribe();
    let id = stage.start("causeway-reconcile", &[]);
    while happened.recv().await.unwrap().step.as_deref() != Some("redriveRanges") {}
    stage.faults.set(Fault::Nothing);
    stage.ended(&id).await
}

/// A reconciliation that is cancelled while its ranges are compared.
pub async fn cancelled(stage: &Stage) -> Execution {
    let mut happened = stage.automation.subscribe();
    let id = stage.start("causeway-reconcile", &[]);
    while happened.recv().await.unwrap().step.as_deref() != Some("compareRanges") {}
    tokio::time::sleep(std::time::Duration::from_secs(90)).await;
    assert_eq!(machine(stage, &id).await["status"], "RUNNING");
    stage.automation.cancel(WEST, &id).unwrap();
    stage.ended(&id).await
}

/// The execution of the state machine that belongs to an execution of the runbook.
async fn machine(stage: &Stage, id: &str) -> Value {
    let arn = format!("arn:aws:states:{WEST}:000000000000:execution:causeway-ranges:{id}");
    stage.ask("states", "DescribeExecution", json!({"executionArn": arn})).await
}

fn ran(execution: &Execution, step: &str) -> usize {
    execution.steps.iter().filter(|ran| ran.name == step).count()
}

#[tokio::test(start_paused = true)]
async fn a_large_database_is_compared_by_ranges_under_every_reading() {
    for (number, reading) in readings().enumerate() {
        let fault = [Fault::Nothing, Fault::Twice, Fault::AtOnce][number % 3];
        let stage = large(reading, BRISK, 2).await;
        let known = stage.world.messages().len();
        stage.faults.set(fault);
        let execution = stage.reconcile().await;
        let case = format!("{reading:?} {fault:?}");
        assert_eq!(execution.status, Status::Success, "{case} {}", told(&execution));
        assert_eq!(machine(&stage, &execution.id).await["status"], "SUCCEEDED", "{case}");
        assert_eq!(ran(&execution, "redriveRanges"), 0, "{case}");
        let is_waited_for = ran(&execution, "waitForRanges") > 0;
        assert_eq!(is_waited_for, reading.state_machine_is_not_awaited, "{case}");
        assert!(complete(&stage, &execution.id).await, "{case}");
        assert_eq!(stage.state().await, reconciled(), "{case}");
        assert_eq!(stage.messages(known)[0].subject, "Causeway: 8 transactions missing");
    }
}

/// What a distributed comparison leaves is what the other one leaves, but for its parts' names.
#[tokio::test(start_paused = true)]
async fn the_report_is_that_of_one_comparison() {
    let report = async |stage: Stage| {
        let execution = stage.reconcile().await;
        assert_eq!(execution.status, Status::Success, "{}", told(&execution));
        let mut report = stage.report(&execution.id, "report.json").await;
        let mut manifest = stage.report(&execution.id, "manifest.json").await;
        let sums = manifest["files"].as_array_mut().unwrap().iter_mut().filter(|file| {
            // These two have the execution's id and times.
            !["report.json", "report.html"].iter().any(|name| file["key"].as_str().unwrap().ends_with(name))
        });
        let sums = sums.map(|file| file["sha256"].take()).collect::<Vec<_>>();
        (report["tables"].take(), report["totals"].take(), sums)
    };
    let whole = report(recovered(Reading::ALL[0], FAST).await).await;
    assert_eq!(report(large(Reading::ALL[0], FAST, 2).await).await, whole);
}

/// A range that fails is compared again by itself; where functions die as often as they are called, that is told, and nothing is
/// left.
#[tokio::test(start_paused = true)]
async fn a_range_that_fails_is_compared_again_and_at_last_given_up() {
    for reading in readings() {
        let stage = large(reading, FAST, 1).await;
        let execution = redriven(&stage).await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        let ended = machine(&stage, &execution.id).await;
        assert_eq!(
            (&ended["status"], &ended["redriveCount"]),
            (&json!("SUCCEEDED"), &json!(1)),
            "{reading:?}"
        );
        assert!(complete(&stage, &execution.id).await, "{reading:?}");

        let stage = large(reading, FAST, 1).await;
        let known = stage.world.messages().len();
        stage.faults.set(Fault::Said(&[("range", BROKEN)]));
        let execution = stage.reconcile().await;
        assert_eq!(execution.status, Status::Failed, "{reading:?} {}", told(&execution));
        assert_eq!(ran(&execution, "redriveRanges"), 3);
        let messages = stage.messages(known);
        assert!(messages[0].body.contains("FAILED, after 3 redrives"), "{messages:?}");
        assert_eq!(stage.state().await, reconciled(), "{reading:?}");
        stage.faults.set(Fault::Nothing);
        let next = stage.reconcile().await;
        assert_eq!(next.status, Status::Success, "{reading:?} {}", told(&next));
    }
}

/// Who cancels the runbook stops the state machine: no function compares what is being deleted.
#[tokio::test(start_paused = true)]
async fn a_runbook_that_is_cancelled_stops_its_state_machine() {
    for reading in readings() {
        let stage = large(reading, FAST, 1).await;
        let execution = cancelled(&stage).await;
        assert_eq!(execution.status, Status::Cancelled, "{reading:?} {}", told(&execution));
        assert_eq!(machine(&stage, &execution.id).await["status"], "ABORTED", "{reading:?}");
        stage.settle().await;
        assert_eq!(stage.state().await.leaked, Vec::<String>::new(), "{reading:?}");
        let next = stage.reconcile().await;
        assert_eq!(next.status, Status::Success, "{reading:?} {}", told(&next));
        assert!(complete(&stage, &next.id).await, "{reading:?}");
    }
}
