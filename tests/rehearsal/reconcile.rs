//! `reconcile.yaml`: the east is back, and what it lost is found.

use std::collections::BTreeSet;

use runbook::names::EXECUTION_TAG;
use sandbox::automation::{Reading, Status};
use sandbox::functions::Invocation;
use sandbox::{EAST, WEST};
use serde_json::json;

use crate::failback::ONE_REGION_ON;
use crate::failover::{impaired, moved};
use crate::faults::Fault;
use crate::handlers::LOST;
use crate::stage::{APPROVER, BRISK, FAST, SLOW, Stage, State, faults, told};

/// A stage on which the failover is over, and the east is back.
pub async fn recovered(reading: Reading, factor: f64) -> Stage {
    let stage = impaired(reading, factor).await;
    assert_eq!(stage.fail_over().await.status, Status::Success);
    stage.world.rejoin(EAST).await;
    stage
}

/// What a reconciliation leaves: the failover, and a snapshot of each database.
pub fn reconciled() -> State {
    State { kept: 2, ..moved() }
}

/// The report of an execution says what was lost.
pub async fn complete(stage: &Stage, execution: &str) -> bool {
    let sides = ["catalog", "orders"].iter();
    let lists = sides.flat_map(|name| [format!("{name}/CUSTOMER_ORDER.csv"), format!("{name}/replay.sql")]);
    let files = lists.chain(["report.json", "report.html", "manifest.json"].map(String::from));
    stage.reports(execution).await == files.collect::<BTreeSet<_>>()
        && stage.report(execution, "report.json").await["totals"]["transactions"]["whole"] == 2 * LOST
}

/// What the check on a quiet day saw has to be compared: a table that its user does not see any more is told beside the
/// headline.
#[tokio::test(start_paused = true)]
async fn a_table_that_readiness_saw_and_nobody_sees_any_more_is_told_as_not_compared() {
    let stage = Stage::new(Reading::ALL[0], FAST).await;
    stage.show_tables(&["CUSTOMER_RETURN"]);
    assert_eq!(crate::readiness::look(&stage, WEST).await.status, Status::Success);
    stage.world.isolate(EAST).await;
    assert_eq!(stage.fail_over().await.status, Status::Success);
    stage.world.rejoin(EAST).await;
    let execution = stage.reconcile().await;
    assert_eq!(execution.status, Status::Success, "{}", told(&execution));
    let message = stage.world.messages().pop().unwrap();
    assert_eq!(message.subject, "Causeway: 8 transactions missing; NOT all was compared");
    let report = stage.report(&execution.id, "report.json").await;
    let tables = report["tables"].as_array().unwrap();
    let returns: Vec<_> = tables.iter().filter(|table| table["table"] == "CUSTOMER_RETURN").collect();
    assert_eq!(returns.len(), 2, "of each database: {report}");
    for table in returns {
        assert!(table.to_string().contains("the last readiness check saw this table"), "{table}");
    }
}

/// The promotion that lost the writes was an earlier execution's, which was cancelled and left no record. The old Region is
/// back, and Aurora has its snapshot, before the failover is started again as the guide says.
#[tokio::test(start_paused = true)]
async fn what_a_failover_lost_is_found_though_it_was_cancelled_behind_the_promotion() {
    for (number, step) in ["awaitPromotion", "trafficOn", "verify"].into_iter().enumerate() {
        let reading = Reading::ALL[number];
        let stage = impaired(reading, SLOW).await;
        let mut happened = stage.automation.subscribe();
        let first = stage.start("causeway-failover", &[("ImpairedRegion", EAST)]);
        while happened.recv().await.unwrap().step.as_deref() != Some(step) {}
        stage.automation.cancel(WEST, &first).unwrap();
        let first = stage.ended(&first).await;
        assert_eq!(first.status, Status::Cancelled, "{step} {}", told(&first));
        stage.settle().await;
        stage.world.rejoin(EAST).await;
        stage.settle().await;
        let parameters =
            [("ImpairedRegion", EAST), ("Approvers", APPROVER), ("SafetyRulesToOverride", ONE_REGION_ON)];
        let id = stage.start("causeway-failover", &parameters);
        let moved = stage.approved(&id).await;
        assert_eq!(moved.status, Status::Success, "{step} {}", told(&moved));
        let record = stage.last_failover().await.unwrap();
        let began = (record.started_at.as_second(), first.started.as_second());
        assert_eq!((record.execution, began.0), (id.clone(), began.1), "{step}");
        assert!(record.lag.contains_key("orders"), "{step}: what the first one measured");
        // The application was without a writer since the first one, not since the second.
        let summary = &moved.outputs["outcome.summary"][0];
        let seconds = moved.started.duration_since(first.started).as_secs();
        assert!(seconds > 600, "{seconds}");
        assert!(summary.contains(" h "), "{step}: {summary}");
        let found = stage.reconcile().await;
        assert_eq!(found.status, Status::Success, "{step} {}", told(&found));
        assert_eq!(stage.state().await, reconciled(), "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_report_is_written_under_every_reading_and_however_often_a_step_is_called() {
    // Half of them so slow that everything is waited for in more than one call.
    let factors = [SLOW, SLOW, BRISK, BRISK];
    let faults = [Fault::Nothing, Fault::Twice, Fault::AtOnce, Fault::Nothing];
    for ((reading, fault), factor) in Reading::ALL.into_iter().zip(faults).zip(factors) {
        let stage = recovered(reading, factor).await;
        let known = stage.world.messages().len();
        stage.faults.set(fault);
        let execution = stage.reconcile().await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {fault:?} {}", told(&execution));
        for step in ["awaitRestore", "awaitCleanup"].iter().filter(|_| factor == SLOW) {
            assert!(execution.steps.iter().any(|ran| ran.name == *step), "{step}: {}", told(&execution));
        }
        assert!(complete(&stage, &execution.id).await, "{reading:?} {fault:?}");
        assert_eq!(stage.state().await, reconciled(), "{reading:?} {fault:?}");
        let messages = stage.messages(known);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert_eq!(messages[0].subject, "Causeway: 8 transactions missing");
    }
}

/// Whatever breaks: the report is written, or somebody is told; nothing that costs money is left behind, or somebody is
/// told that too and can remove it; and the next execution ends well.
#[tokio::test(start_paused = true)]
async fn after_a_fault_at_any_kind_of_call_nothing_is_left_behind_and_the_next_execution_ends_well() {
    let (mut failed, mut succeeded) = (0, 0);
    for (number, (fault, factor)) in faults(recovered, Stage::reconcile, BRISK).await.into_iter().enumerate()
    {
        let reading = Reading::ALL[number % 4];
        let case = format!("{reading:?} {fault:?}");
        let stage = recovered(reading, factor).await;
        let known = stage.world.messages().len();
        stage.faults.set(fault);
        let first = stage.reconcile().await;
        if first.status == Status::Success {
            succeeded += 1;
        } else {
            failed += 1;
            let messages = stage.messages(known);
            assert!(!messages.is_empty(), "{case}: nobody was told. {}", told(&first));
            let left_over = messages.iter().any(|message| message.subject.contains("LEFT OVER"));
            assert!(left_over || stage.state().await.leaked.is_empty(), "{case}: {}", told(&first));
            stage.faults.set(Fault::Nothing);
            clean_up_by_hand(&stage, &first.id).await;
            let next = stage.reconcile().await;
            assert_eq!(next.status, Status::Success, "{case}: {}", told(&next));
            assert!(complete(&stage, &next.id).await, "{case}");
        }
        assert_eq!(stage.state().await, reconciled(), "{case}");
    }
    assert!(
        failed > 20 && succeeded > 20,
        "the faults are not felt, or never survived: {failed}, {succeeded}"
    );
}

/// One that is cancelled cleans up itself (`cancelled.rs`); of one that was killed the clean-up is called by hand.
#[tokio::test(start_paused = true)]
async fn killed_at_any_step_nothing_is_left_behind() {
    let steps = {
        let stage = recovered(Reading::ALL[0], FAST).await;
        stage.reconcile().await.steps.len()
    };
    assert!(steps > 10, "{steps}");
    let mut cleaned = 0;
    for at in 0..steps {
        let stage = recovered(Reading::ALL[at % 4], FAST).await;
        let mut happened = stage.automation.subscribe();
        let id = stage.start("causeway-reconcile", &[]);
        // Two events of each step: into the middle of it.
        for _ in 0..=2 * at {
            happened.recv().await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        stage.end_early(&id, false).await;
        cleaned += usize::from(!stage.world.tagged(EXECUTION_TAG).is_empty());
        clean_up_by_hand(&stage, &id).await;
        let next = stage.reconcile().await;
        assert_eq!(next.status, Status::Success, "step {at}: {}", told(&next));
        assert!(complete(&stage, &next.id).await, "step {at}");
        assert_eq!(stage.state().await, reconciled(), "step {at}");
    }
    assert!(cleaned > 0);
}

/// Aurora begins with its snapshot when the old Region has been back for a while. Meanwhile it is looked for, in the old Region
/// and in this one, where no cluster has the old primary's name.
#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_late_is_waited_for() {
    for reading in Reading::ALL {
        let stage = impaired(reading, 2.0 * SLOW).await;
        assert_eq!(stage.fail_over().await.status, Status::Success);
        stage.world.hold_recovery(true);
        stage.world.rejoin(EAST).await;
        let known = stage.world.messages().len();
        let id = stage.start("causeway-reconcile", &[]);
        // Longer than one call may wait.
        tokio::time::sleep(std::time::Duration::from_secs(120)).await;
        assert_eq!(stage.messages(known), [], "{reading:?}");
        stage.world.hold_recovery(false);
        let execution = stage.ended(&id).await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        assert!(complete(&stage, &execution.id).await, "{reading:?}");
        assert_eq!(stage.state().await, reconciled(), "{reading:?}");
    }
}

/// Days later, Aurora's snapshot is gone: the copy of it that the first execution made is kept, and used.
#[tokio::test(start_paused = true)]
async fn the_kept_copy_is_used_when_auroras_snapshot_has_expired() {
    for reading in Reading::ALL {
        let stage = recovered(reading, FAST).await;
        let first = stage.reconcile().await;
        assert_eq!(first.status, Status::Success, "{reading:?} {}", told(&first));
        stage.world.expire_snapshots();
        let next = stage.reconcile().await;
        assert_eq!(next.status, Status::Success, "{reading:?} {}", told(&next));
        assert!(complete(&stage, &next.id).await, "{reading:?}");
        assert_eq!(stage.state().await, reconciled(), "{reading:?}");
    }
}

/// A cancelled execution has two minutes, and an instance takes longer to go: its cluster is told to go before that.
#[tokio::test(start_paused = true)]
async fn cancelled_with_its_clusters_there_it_leaves_none_behind() {
    for reading in [Reading::ALL[0], Reading::ALL[3]] {
        let stage = recovered(reading, SLOW).await;
        let id = stage.start("causeway-reconcile", &[]);
        for database in ["catalog", "orders"] {
            let name = runbook::names::restored_cluster(&id, database);
            let is_there = async || {
                let found = crate::kept::described(&stage, WEST, &name).await;
                found.is_some_and(|[_, instance]| instance["DBInstanceStatus"] == "available")
            };
            while !is_there().await {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
        stage.end_early(&id, true).await;
        assert!(!stage.state().await.leaked.is_empty(), "{reading:?}: it took less than two minutes");
        stage.settle().await;
        assert_eq!(stage.state().await.leaked, Vec::<String>::new(), "{reading:?}");
    }
}

/// As the notification says: the function is called with this execution until nothing is left.
pub async fn clean_up_by_hand(stage: &Stage, execution: &str) {
    let event = json!({"operation": "cleanup", "plan": "/causeway/plans/shop", "execution": execution});
    for _ in 0..20 {
        let Invocation::Answer(answer) = stage.invoke(WEST, "causeway-snapshot-restore", event.clone()).await
        else {
            panic!("the clean-up of {execution} broke");
        };
        if answer["status"] == "Done" {
            return;
        }
    }
    panic!("the clean-up of {execution} does not end");
}
