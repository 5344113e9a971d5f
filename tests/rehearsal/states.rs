//! The states of Aurora's things: `docs/aurora-states.md` lists all that a rehearsal brings about, and the runbooks end well
//! whichever states AWS shows where it does not say.

use sandbox::automation::{Reading, Status};
use sandbox::world::transitions::listed;
use sandbox::world::{self, World};
use sandbox::{EAST, WEST};

use crate::failback::{assert_in, well};
use crate::rebuild::{assert_rebuilt, rebuild};
use crate::stage::{FAST, told};
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
