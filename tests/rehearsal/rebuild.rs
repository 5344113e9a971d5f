//! `rebuild.yaml`: global databases are made again of what a failover detached, and nothing of the old primaries is lost.

use sandbox::automation::{Execution, Reading, Status};
use sandbox::world;
use sandbox::{EAST, WEST};
use serde_json::{Value, json};

use crate::detach::{detach, impaired};
use crate::faults::Fault;
use crate::stage::{FAST, Stage, State, early_ends, faults, told};

/// What AWS's durations are divided by, so that a rebuild has to be waited for in more than one invocation.
pub const SLOW: f64 = 20.0;

/// A stage whose databases were detached in the west; the east is back.
pub async fn detached(reading: Reading, factor: f64) -> Stage {
    let stage = impaired(reading, factor).await;
    let execution = detach(&stage).await;
    assert_eq!(execution.status, Status::Success, "{}", told(&execution));
    stage.world.rejoin(EAST).await;
    stage
}

/// The same, under the reading of AWS that has this number.
async fn numbered(number: usize, factor: f64) -> Stage {
    let stage = detached(Reading::ALL[number % 4], factor).await;
    stage.world.set_reading(world::Reading::ALL[number / 4 % 2]);
    stage
}

/// Rebuilds in the west.
pub async fn rebuild(stage: &Stage) -> Execution {
    stage.run_in(WEST, "causeway-rebuild", &[]).await
}

/// What there is in the end: by global cluster each member's cluster, whether it writes, and how it follows; then the clusters
/// and snapshots in the east that begin as the kept ones do.
async fn rebuilt(stage: &Stage) -> (State, Vec<Value>, usize, usize) {
    let globals = stage.ask("rds", "DescribeGlobalClusters", json!({})).await;
    let of = |value: &Value| value.as_array().unwrap().clone();
    let members =
        of(&globals["GlobalClusters"]).iter().flat_map(|one| of(&one["GlobalClusterMembers"])).collect();
    let clusters = stage.ask_in(EAST, "rds", "DescribeDBClusters", json!({})).await;
    let snapshots = stage.ask_in(EAST, "rds", "DescribeDBClusterSnapshots", json!({})).await;
    let kept = |all: &Value, id: &str| {
        of(all).iter().filter(|one| one[id].as_str().unwrap().starts_with("causeway-detached-shop-")).count()
    };
    (
        stage.state().await,
        members,
        kept(&clusters["DBClusters"], "DBClusterIdentifier"),
        kept(&snapshots["DBClusterSnapshots"], "DBClusterSnapshotIdentifier"),
    )
}

/// That every database is replicated again, and that the old primaries are kept.
pub async fn assert_rebuilt(stage: &Stage, case: &str) {
    let (state, members, kept, snapshots) = rebuilt(stage).await;
    assert_eq!(
        state.writers,
        ["shop-catalog", "shop-orders"].map(|id| (id.to_owned(), WEST.to_owned())).into(),
        "{case}"
    );
    assert_eq!(members.len(), 4, "{case}: {members:?}");
    assert!(
        members.iter().all(|member| member["SynchronizationStatus"] == "connected"),
        "{case}: {members:?}"
    );
    assert_eq!(kept, 2, "{case}: an old primary is gone");
    // A snapshot that is begun twice at once is there twice.
    assert!((2..=4).contains(&snapshots), "{case}: {snapshots}");
    for name in ["shop-orders-east", "shop-catalog-east"] {
        let cluster =
            stage.ask_in(EAST, "rds", "DescribeDBClusters", json!({"DBClusterIdentifier": name})).await;
        assert_eq!(
            cluster["DBClusters"][0]["DBClusterMembers"].as_array().unwrap().len(),
            1,
            "{case}: {name}"
        );
    }
}

/// After it everything works that works after any other failover: the report of what was lost, and the way back.
#[tokio::test(start_paused = true)]
async fn it_replicates_again_keeps_the_old_primaries_and_then_reconcile_and_failback_work() {
    for number in 0..4 {
        for (other, fault) in [Fault::Nothing, Fault::Twice, Fault::AtOnce].into_iter().enumerate() {
            let case = format!("{number} {fault:?}");
            let stage = numbered(number + 4 * (number + other), SLOW).await;
            stage.faults.set(fault);
            let execution = rebuild(&stage).await;
            assert_eq!(execution.status, Status::Success, "{case}: {}", told(&execution));
            assert_rebuilt(&stage, &case).await;
            stage.faults.set(Fault::Nothing);
            let again = rebuild(&stage).await;
            assert_eq!(again.status, Status::Success, "{case}: {}", told(&again));
            assert_eq!(stage.messages(2).last().unwrap().subject, "Causeway: nothing left to rebuild");
            let reconciled = stage.reconcile().await;
            assert_eq!(reconciled.status, Status::Success, "{case}: {}", told(&reconciled));
            let back = stage.switch_over(EAST).await;
            assert_eq!(back.status, Status::Success, "{case}: {}", told(&back));
        }
    }
}

/// Where the databases were not detached, and in the Region that was left, nothing changes.
#[tokio::test(start_paused = true)]
async fn it_is_refused_where_nothing_was_detached_and_in_the_region_that_was_left() {
    let stage = Stage::new(Reading::ALL[0], FAST).await;
    let before = stage.ask("rds", "DescribeGlobalClusters", json!({})).await;
    let execution = rebuild(&stage).await;
    assert_eq!(execution.status, Status::Failed, "{}", told(&execution));
    assert!(stage.messages(0)[0].body.contains("it was not detached"), "{}", stage.messages(0)[0].body);
    assert_eq!(stage.ask("rds", "DescribeGlobalClusters", json!({})).await, before);

    let stage = detached(Reading::ALL[0], FAST).await;
    let clusters = async || stage.ask("rds", "DescribeDBClusters", json!({})).await;
    let before = clusters().await;
    let execution = stage.run_in(EAST, "causeway-rebuild", &[]).await;
    assert_eq!(execution.status, Status::Failed, "{}", told(&execution));
    assert_eq!(clusters().await, before, "the primary was touched");
}

/// Whatever breaks, it ends well, or somebody is told and it ends well when it is started again.
#[tokio::test(start_paused = true)]
async fn after_a_fault_at_any_kind_of_call_it_ends_in_the_same_state() {
    let (mut failed, mut succeeded) = (0, 0);
    for (number, (fault, factor)) in faults(detached, rebuild, SLOW).await.into_iter().enumerate() {
        let case = format!("{number} {fault:?}");
        let stage = numbered(number, factor).await;
        let told_before = stage.messages(0).len();
        stage.faults.set(fault);
        let execution = rebuild(&stage).await;
        if execution.status == Status::Success {
            succeeded += 1;
        } else {
            failed += 1;
            assert!(!stage.messages(told_before).is_empty(), "{case}: nobody was told. {}", told(&execution));
            stage.faults.set(Fault::Nothing);
            let again = rebuild(&stage).await;
            assert_eq!(again.status, Status::Success, "{case}, again: {}", told(&again));
        }
        assert_rebuilt(&stage, &case).await;
    }
    assert!(failed > 5 && succeeded > 5, "the faults are not felt, or never survived: {failed}, {succeeded}");
}

/// An execution that is killed or cancelled goes on when it is started again, wherever AWS got meanwhile.
#[tokio::test(start_paused = true)]
async fn killed_or_cancelled_at_any_step_and_started_again_it_ends_in_the_same_state() {
    let stage = detached(Reading::ALL[0], SLOW).await;
    let events = stage.events_of(rebuild(&stage)).await;
    assert!(events > 10, "{events}");
    for (at, cancel, case) in early_ends(events) {
        let stage = numbered(at, SLOW).await;
        stage.end_at((at, cancel), WEST, "causeway-rebuild", &[]).await;
        if at % 2 == 0 {
            stage.settle().await;
        }
        let execution = rebuild(&stage).await;
        assert_eq!(execution.status, Status::Success, "{case}, again: {}", told(&execution));
        assert_rebuilt(&stage, &case).await;
    }
}
