//! `routing.yaml`: the traffic of a Region, alone.

use std::collections::BTreeSet;

use sandbox::automation::{Execution, Reading, Status};
use sandbox::{EAST, REGIONS, WEST};

use crate::failback::ONE_REGION_ON;
use crate::faults::Fault;
use crate::stage::{FAST, Stage, early_ends, told};

/// What the runbook is started with.
pub type Parameters<'a> = &'a [(&'a str, &'a str)];

/// Regions with traffic.
pub async fn traffic(stage: &Stage) -> BTreeSet<String> {
    let state = stage.state().await;
    assert!(state.writers.values().all(|writer| writer == EAST), "a database moved");
    state.traffic
}

pub fn regions(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub async fn set(stage: &Stage, at: &str, parameters: Parameters<'_>) -> Execution {
    stage.run_in(at, "causeway-routing", parameters).await
}

#[tokio::test(start_paused = true)]
async fn one_regions_traffic_is_turned_off_and_on_from_either_region_under_every_reading() {
    let faults = [Fault::Nothing, Fault::Twice, Fault::AtOnce].into_iter().cycle();
    let cases = REGIONS.into_iter().flat_map(|at| Reading::ALL.map(|reading| (at, reading)));
    for ((at, reading), fault) in cases.zip(faults) {
        let case = format!("{at} {reading:?} {fault:?}");
        let stage = Stage::new(reading, FAST).await;
        stage.faults.set(fault);
        // The shop begins with both on; the last line is a move in one batch, which the safety rule allows.
        let changes: [(Parameters<'_>, &[&str]); 4] = [
            (&[("TurnOff", EAST)], &[WEST]),
            (&[("TurnOn", EAST)], &[EAST, WEST]),
            (&[("TurnOn", EAST), ("TurnOff", WEST)], &[EAST]),
            (&[("TurnOn", WEST), ("TurnOff", EAST)], &[WEST]),
        ];
        for (parameters, expected) in changes {
            let execution = set(&stage, at, parameters).await;
            assert_eq!(execution.status, Status::Success, "{case} {}", told(&execution));
            assert_eq!(traffic(&stage).await, regions(expected), "{case}");
        }
        let messages = stage.messages(0);
        assert_eq!(messages.len(), 4, "{case} {messages:?}");
        assert!(messages[0].body.contains("Off in sandbox-east"), "{case} {messages:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_safety_rule_or_a_wrong_region_changes_nothing_and_somebody_is_told() {
    for reading in Reading::ALL {
        let stage = Stage::new(reading, FAST).await;
        set(&stage, WEST, &[("TurnOff", EAST)]).await;
        let known = stage.world.messages().len();
        let cases: [(Parameters<'_>, &str, &str); 3] = [
            (&[("TurnOff", WEST)], "Causeway: change of traffic refused", "one-region-on"),
            (
                &[("TurnOn", "sandbox-north")],
                "Causeway: change of traffic refused",
                "\"sandbox-north\" is not a Region of plan shop",
            ),
            (
                &[],
                "Causeway: change of traffic refused",
                "neither `on` nor `off` (`TurnOn`, `TurnOff` of the",
            ),
        ];
        for (number, (parameters, subject, body)) in cases.into_iter().enumerate() {
            let execution = set(&stage, WEST, parameters).await;
            assert_eq!(execution.status, Status::Failed, "{reading:?} {}", told(&execution));
            let message = &stage.messages(known)[number];
            assert_eq!(message.subject, subject, "{reading:?}");
            assert!(message.body.contains(body), "{reading:?} {message:?}");
            assert!(message.body.contains("Nothing has changed"), "{reading:?} {message:?}");
            assert_eq!(traffic(&stage).await, regions(&[WEST]), "{reading:?}");
        }
        let execution =
            set(&stage, WEST, &[("TurnOff", WEST), ("SafetyRulesToOverride", ONE_REGION_ON)]).await;
        assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
        assert_eq!(traffic(&stage).await, regions(&[]), "{reading:?}");
    }
}

/// Every call is met by every fault: there are few.
#[tokio::test(start_paused = true)]
async fn after_any_fault_somebody_is_told_and_it_ends_well_when_started_again() {
    let calls = {
        let stage = Stage::new(Reading::ALL[0], FAST).await;
        stage.faults.set(Fault::Nothing);
        set(&stage, WEST, &[("TurnOff", EAST)]).await;
        stage.faults.calls().len()
    };
    let kinds = [Fault::Killed, Fault::Broken, Fault::Silent, Fault::Denied];
    let faults = (0..calls).flat_map(|call| kinds.map(|kind| kind(call))).chain([Fault::AnswerLost(0)]);
    let (mut failed, mut succeeded) = (0, 0);
    for (number, fault) in faults.enumerate() {
        let case = format!("{:?} {fault:?}", Reading::ALL[number % 4]);
        let stage = Stage::new(Reading::ALL[number % 4], FAST).await;
        stage.faults.set(fault);
        let execution = set(&stage, WEST, &[("TurnOff", EAST)]).await;
        if execution.status == Status::Success {
            succeeded += 1;
        } else {
            failed += 1;
            assert_eq!(stage.messages(0).len(), 1, "{case}: {}", told(&execution));
            stage.faults.set(Fault::Nothing);
            let again = set(&stage, WEST, &[("TurnOff", EAST)]).await;
            assert_eq!(again.status, Status::Success, "{case}: {}", told(&again));
        }
        assert_eq!(traffic(&stage).await, regions(&[WEST]), "{case}");
    }
    assert!(failed > 3 && succeeded > 3, "{failed} failed, {succeeded} succeeded");
}

#[tokio::test(start_paused = true)]
async fn killed_or_cancelled_at_any_step_and_started_again_it_ends_well() {
    let stage = Stage::new(Reading::ALL[0], FAST).await;
    let events = stage.events_of(set(&stage, WEST, &[("TurnOff", EAST)])).await;
    assert!(events > 5, "{events}");
    for (at, cancel, case) in early_ends(events) {
        let stage = Stage::new(Reading::ALL[at % 4], FAST).await;
        stage.end_at((at, cancel), WEST, "causeway-routing", &[("TurnOff", EAST)]).await;
        if cancel && traffic(&stage).await == regions(&[WEST]) {
            assert!(!stage.messages(0).is_empty(), "{case}: nobody was told");
        }
        let again = set(&stage, WEST, &[("TurnOff", EAST)]).await;
        assert_eq!(again.status, Status::Success, "{case}: {}", told(&again));
        assert_eq!(traffic(&stage).await, regions(&[WEST]), "{case}");
    }
}
