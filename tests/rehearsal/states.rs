//! The states of Aurora's things: `docs/aurora-states.md` lists all that a rehearsal brings about, and the runbooks end well
//! whichever states AWS shows where it does not say.

use sandbox::automation::{Reading, Status};
use sandbox::world::transitions::listed;
use sandbox::world::{self, World};
use sandbox::{EAST, WEST};
use serde_json::{Value, json};

use crate::failback::{assert_in, well};
use crate::rebuild::{assert_rebuilt, rebuild};
use crate::stage::{FAST, Stage, told};
use crate::{detach, failover, reconcile};

/// That the page lists every change of a state so far.
pub fn assert_listed(world: &World) {
    let page = std::fs::read_to_string(rehearsals::root().join("docs/aurora-states.md")).unwrap();
    let listed = listed(&page);
    let made = world.transitions().into_iter().map(|one| one.to_string());
    let new: Vec<_> = made.filter(|one| !listed.contains(one)).collect();
    assert!(new.is_empty(), "docs/aurora-states.md does not list {new:#?}");
}

/// The readings that other rehearsals do not have.
fn readings() -> impl Iterator<Item = world::Reading> {
    world::Reading::ALL.into_iter().skip(1)
}

#[tokio::test(start_paused = true)]
async fn a_failover_and_a_reconciliation_end_well_whatever_states_are_shown() {
    for reading in readings() {
        let stage = failover::impaired(Reading::ALL[0], FAST).await;
        stage.world.set_reading(reading);
        let execution = stage.fail_over().await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        assert_eq!(stage.state().await, failover::moved(), "{reading:?}");
        stage.world.rejoin(EAST).await;
        let execution = stage.reconcile().await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        assert_eq!(stage.state().await, reconcile::reconciled(), "{reading:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failback_ends_well_whatever_states_are_shown() {
    for reading in readings() {
        let stage = well(Reading::ALL[0], FAST, WEST, "databases-first").await;
        stage.world.set_reading(reading);
        let execution = stage.switch_over(WEST).await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        assert_in(&stage, WEST, &format!("{reading:?}")).await;
    }
}

/// An operation that fails leaves everything as it was: the step asks for it again.
#[tokio::test(start_paused = true)]
async fn a_failover_or_switchover_that_fails_in_aurora_is_tried_again() {
    for reading in world::Reading::ALL {
        let stage = failover::impaired(Reading::ALL[0], FAST).await;
        stage.world.set_reading(reading);
        stage.servers.fail("promote", 2);
        let execution = stage.fail_over().await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        assert_eq!(stage.servers.left(), 0);
        assert_eq!(stage.state().await, failover::moved(), "{reading:?}");

        let stage = well(Reading::ALL[0], FAST, WEST, "databases-first").await;
        stage.world.set_reading(reading);
        stage.servers.fail("switch_over", 2);
        let execution = stage.switch_over(WEST).await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        assert_eq!(stage.servers.left(), 0);
        assert_in(&stage, WEST, &format!("{reading:?}")).await;
    }
}

/// The kept snapshots in the west, with their statuses.
async fn kept(stage: &Stage) -> Vec<(String, String)> {
    let all = stage.ask("rds", "DescribeDBClusterSnapshots", json!({"SnapshotType": "manual"})).await;
    let all = all["DBClusterSnapshots"].as_array().cloned().unwrap_or_default();
    let text = |of: &Value| of.as_str().unwrap().to_owned();
    all.iter().map(|one| (text(&one["DBClusterSnapshotIdentifier"]), text(&one["Status"]))).collect()
}

/// What is `failed`, or whatever AWS calls it, is told by its name, leaves nothing behind, and is no obstacle to the next try.
#[tokio::test(start_paused = true)]
async fn a_restore_that_fails_in_aurora_is_told_and_the_next_one_ends_well() {
    for reading in world::Reading::ALL {
        for call in ["copy_snapshot", "restore"] {
            let case = format!("{call} {reading:?}");
            let stage = failover::impaired(Reading::ALL[0], FAST).await;
            stage.world.set_reading(reading);
            let execution = stage.fail_over().await;
            assert_eq!(execution.status, Status::Success, "{case} {}", told(&execution));
            stage.world.rejoin(EAST).await;
            stage.servers.fail(call, 2);
            let known = stage.world.messages().len();
            let execution = stage.reconcile().await;
            assert_eq!(stage.servers.left(), 0, "{case}");
            if execution.status != Status::Success {
                let messages = stage.messages(known);
                assert_eq!(messages.len(), 1, "{case} {messages:?}");
                let body = &messages[0].body;
                // The person who reads it does as it says.
                let failed = kept(&stage).await.into_iter().filter(|(_, status)| status == "failed");
                for (snapshot, _) in failed {
                    assert!(body.contains(&format!("{snapshot} in {WEST} is failed; delete it")), "{body}");
                    let gone = json!({"DBClusterSnapshotIdentifier": snapshot});
                    stage.ask("rds", "DeleteDBClusterSnapshot", gone).await;
                }
            }
            let execution = stage.reconcile().await;
            assert_eq!(execution.status, Status::Success, "{case} {}", told(&execution));
            assert_eq!(stage.state().await, reconcile::reconciled(), "{case}");
        }
    }
}

/// Whether Aurora rebuilds the old primary without its snapshot or not: the reconciliation says that there is none.
#[tokio::test(start_paused = true)]
async fn a_snapshot_that_fails_in_aurora_is_told() {
    for reading in world::Reading::ALL {
        let stage = failover::impaired(Reading::ALL[0], FAST).await;
        stage.world.set_reading(reading);
        let execution = stage.fail_over().await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        stage.servers.fail("snapshot", 2);
        stage.world.rejoin(EAST).await;
        stage.change_plan(|plan| plan["limits"]["restoreMinutes"] = json!(20)).await;
        let known = stage.world.messages().len();
        let execution = stage.reconcile().await;
        assert_eq!(execution.status, Status::Failed, "{reading:?} {}", told(&execution));
        let messages = stage.messages(known);
        assert_eq!(messages.len(), 1, "{reading:?} {messages:?}");
        // Where nothing is seen of it, it may still come.
        let said = if reading.nothing_is_failed { "is not taken yet" } else { "is failed" };
        assert!(messages[0].body.contains(said), "{reading:?} {messages:?}");
        assert_eq!(stage.state().await, failover::moved(), "{reading:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_ends_well_whatever_states_are_shown() {
    for reading in readings() {
        let stage = detach::impaired(Reading::ALL[0], FAST).await;
        stage.world.set_reading(reading);
        let execution = detach::detach(&stage).await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        stage.world.rejoin(EAST).await;
        let execution = rebuild(&stage).await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        assert_rebuilt(&stage, &format!("{reading:?}")).await;
    }
}
