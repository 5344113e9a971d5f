//! An execution and its record, for tests.

use jiff::Timestamp;
use runbook::lag::Lag;
use runbook::plan::sample;
use runbook::record::{MoveOutcome, SwitchoverRecord};
use runbook::step::Mode;

use super::build::build;
use super::model::{Asked, HandedLag, Record};
use super::steps::TRAFFIC_BEFORE;
use crate::execution::{Execution, StepRun};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_366_400 + second).unwrap()
}

pub fn run(name: &str, from: i64, to: i64, outputs: &[(&str, &str)]) -> StepRun {
    StepRun {
        name: name.into(),
        action: "aws:invokeLambdaFunction".into(),
        status: "Success".into(),
        started: Some(at(from)),
        ended: Some(at(to)),
        failure: None,
        outputs: outputs.iter().map(|(k, v)| ((*k).to_owned(), vec![(*v).to_owned()])).collect(),
    }
}

pub fn branch(name: &str, second: i64) -> StepRun {
    StepRun { action: "aws:branch".into(), ..run(name, second, second, &[]) }
}

pub fn good() -> Execution {
    let done = |reason| [("status", "Done"), ("reason", reason)];
    let given = [("Plan", "/causeway/plans/shop"), ("ImpairedRegion", "sandbox-east"), ("Mode", "failover")];
    Execution {
        id: "4105a4fc".into(),
        document: "causeway-failover".into(),
        parameters: given.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).into(),
        started: at(0),
        steps: vec![
            branch("checkRegion", 0),
            run(
                "preflight",
                0,
                4,
                &[
                    ("status", "Ready"),
                    ("reason", "everything is there"),
                    ("lag", r#"{"orders":{"seconds":0.8,"at":"2026-11-25T11:59:00Z"},"catalog":null}"#),
                ],
            ),
            branch("mayStart", 4),
            run("trafficOff", 4, 6, &done("the traffic is off in sandbox-east")),
            run("promote", 6, 52, &[("status", "InProgress"), ("reason", "orders is failing over")]),
            run("awaitPromotion", 53, 98, &[("status", "InProgress"), ("reason", "orders is failing over")]),
            run("awaitPromotion", 99, 120, &done("catalog and orders have their writer in sandbox-west")),
            run("trafficOn", 121, 123, &done("the traffic is on in sandbox-west")),
            run("verify", 123, 125, &done("every database accepted a write")),
            StepRun { status: "InProgress".into(), ended: None, ..run("record", 126, 126, &[]) },
        ],
    }
}

pub fn lag(seconds: f64) -> Lag {
    Lag { seconds, at: "2026-11-25T11:59:00Z".parse().unwrap() }
}

pub fn asked(outcome: MoveOutcome, lag: &str) -> Asked {
    Asked {
        execution: "4105a4fc".into(),
        target_region: "sandbox-west".into(),
        outcome,
        lag: HandedLag::Text(lag.into()),
        mode: Mode::Failover,
        plan_parameter: "/causeway/plans/shop".into(),
        replace: false,
    }
}

/// A switchover to the west, and what was there before it.
pub fn switched(outcome: MoveOutcome, already_there: &str, last: Option<&SwitchoverRecord>) -> Record {
    let mut execution = Execution { document: "causeway-failback".into(), ..good() };
    execution.steps.retain(|run| run.name != TRAFFIC_BEFORE[0]);
    let found = vec![already_there.to_owned()];
    execution.steps[1].outputs.insert("alreadyThere".into(), found);
    let asked = Asked { mode: Mode::Switchover, ..asked(outcome, "") };
    build(&sample(), &asked, &execution, &[], last, at(126)).unwrap()
}
