//! Promises of docs/what-if.md that no other rehearsal runs.

use sandbox::automation::{Reading, Status};
use sandbox::functions::Invocation;
use sandbox::world::{self, routing::Endpoint};
use sandbox::{EAST, WEST};
use serde_json::json;

use crate::failover::{impaired, moved};
use crate::faults::Fault;
use crate::stage::{APPROVER, BRISK, FAST, Stage, told};

/// Takes the ARC endpoints of these numbers away.
fn silence(stage: &Stage, endpoints: std::ops::Range<usize>) {
    endpoints.for_each(|number| stage.world.arc_endpoint(number, Endpoint::Silent));
}

#[tokio::test(start_paused = true)]
async fn with_one_arc_endpoint_left_it_fails_over_and_with_none_nothing_changes() {
    for (reading, left) in Reading::ALL.into_iter().zip([0..4, 1..5, 0..4, 1..5]) {
        let stage = impaired(reading, FAST).await;
        silence(&stage, left);
        let execution = stage.fail_over().await;
        assert_eq!(execution.status, Status::Success, "{}", told(&execution));
        assert_eq!(stage.state().await, moved());
    }
    let stage = impaired(Reading::ALL[0], FAST).await;
    let before = stage.state().await;
    silence(&stage, 0..5);
    assert_eq!(stage.fail_over().await.status, Status::Failed);
    let message = stage.messages(0).pop().unwrap();
    assert_eq!(message.subject, "Causeway: failover to sandbox-west refused");
    assert!(message.body.contains("no ARC endpoint answers, traffic could not be moved"), "{message:?}");
    assert_eq!(stage.state().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_can_not_be_read_changes_nothing_and_somebody_is_told() {
    for reading in Reading::ALL {
        let stage = impaired(reading, FAST).await;
        let before = stage.state().await;
        stage.change_plan_in(WEST, |plan| plan["regions"] = json!([WEST, WEST])).await;
        let execution = stage.fail_over().await;
        assert_eq!(execution.status, Status::Failed, "{reading:?} {}", told(&execution));
        let message = stage.messages(0).pop().unwrap();
        assert_eq!(message.subject, "Causeway: failover to sandbox-west FAILED", "{reading:?}");
        assert_eq!(stage.state().await, before, "{reading:?}");
    }
}

/// AWS doesn't say which dimensions the metrics of the lag have. Both sets are asked for.
#[tokio::test(start_paused = true)]
async fn the_lag_is_found_whatever_dimensions_it_has() {
    for (number, reading) in Reading::ALL.into_iter().enumerate() {
        let stage = Stage::new(reading, FAST).await;
        stage.world.set_reading(world::Reading::ALL[number % 2]);
        let look = stage.run_in(WEST, "causeway-readiness", &[]).await;
        assert_eq!(look.status, Status::Success, "{} {:?}", told(&look), stage.messages(0));
        stage.world.isolate(EAST).await;
        let execution = stage.fail_over().await;
        assert_eq!(execution.status, Status::Success, "{}", told(&execution));
        let preflight = execution.steps.iter().find(|step| step.name == "preflight").unwrap();
        let measured = preflight.outputs["lag"].as_str().unwrap();
        assert!(!measured.contains("null") && measured.contains(r#""seconds""#), "{measured}");
    }
}

/// AWS doesn't say whether an approval that is rejected, or not answered in time, leads to the step that tells somebody. Where it
/// does not, the rule on executions that did not end well tells.
#[tokio::test(start_paused = true)]
async fn an_approval_that_ends_the_execution_at_once_changes_nothing_and_is_told() {
    let orders = &runbook::plan::sample().databases["orders"].members[WEST].cluster_arn;
    for (reading, rejected) in Reading::ALL.into_iter().zip([true, false, true, false]) {
        let reading = Reading { refused_approval_ends_execution: true, ..reading };
        let stage = impaired(reading, FAST).await;
        let bridge = stage.follow_events();
        let before = stage.state().await;
        stage.world.forget_lag(orders);
        let parameters = [("ImpairedRegion", EAST), ("Approvers", APPROVER)];
        let id = stage.start("causeway-failover", &parameters);
        if rejected {
            stage.reject(&id).await;
        }
        let execution = stage.ended(&id).await;
        let (status, word) =
            if rejected { (Status::Failed, "Failed") } else { (Status::TimedOut, "TimedOut") };
        assert_eq!((execution.status, execution.steps.last().unwrap().name.as_str()), (status, "approve"));
        let known = stage.messages(0);
        while stage.messages(known.len()).is_empty() && !known.last().unwrap().topic.ends_with("-alarms") {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let message = stage.messages(0).pop().unwrap();
        let expected = format!("causeway-failover in {WEST} ended as {word}");
        assert!(
            message.topic.ends_with(":causeway-alarms") && message.body.contains(&expected),
            "{message:?}"
        );
        assert_eq!(stage.state().await, before);
        assert_eq!(bridge.failures(), [""; 0]);
        // Started again it asks again, and goes on: no lock is left.
        let again = stage.answered(&stage.start("causeway-failover", &parameters), "Approve").await;
        assert_eq!(again.status, Status::Success, "{}", told(&again));
        assert_eq!(stage.state().await, moved());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lag_that_nobody_knows_is_for_a_person_to_decide() {
    let orders = &runbook::plan::sample().databases["orders"].members[WEST].cluster_arn;
    for (reading, signal) in Reading::ALL.into_iter().zip(["Approve", "Reject", "Approve", "Reject"]) {
        let stage = impaired(reading, FAST).await;
        let before = stage.state().await;
        stage.world.forget_lag(orders);
        let id = stage.start("causeway-failover", &[("ImpairedRegion", EAST), ("Approvers", APPROVER)]);
        let execution = stage.answered(&id, signal).await;
        let asked = &stage.messages(0)[0];
        assert_eq!(asked.subject, "Causeway: approve the failover to sandbox-west?", "{reading:?}");
        assert!(asked.body.contains("orders: replication lag is not known"), "{asked:?}");
        if signal == "Approve" {
            assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
            assert_eq!(stage.state().await, moved(), "{reading:?}");
        } else {
            assert_eq!(stage.messages(0)[1].subject, "Causeway: failover to sandbox-west not approved");
            assert_eq!(stage.state().await, before, "{reading:?}");
        }
    }
}

/// The databases and the traffic have moved, the bucket takes no record; afterwards it is written by hand, as the message
/// says, and the reconciliation finds it.
#[tokio::test(start_paused = true)]
async fn without_the_report_bucket_it_moves_and_the_record_is_written_by_hand() {
    let call = {
        let stage = impaired(Reading::ALL[0], FAST).await;
        stage.faults.set(Fault::Nothing);
        stage.fail_over().await;
        let calls = stage.faults.calls();
        let write = |called: &crate::faults::Called| {
            called.principal.ends_with("causeway-report") && called.operation == "PutObject"
        };
        calls.iter().position(write).unwrap()
    };
    for reading in Reading::ALL {
        let stage = impaired(reading, FAST).await;
        stage.faults.set(Fault::Denied(call));
        let execution = stage.fail_over().await;
        assert_eq!(execution.status, Status::Failed, "{reading:?} {}", told(&execution));
        let message = stage.messages(0).pop().unwrap();
        assert_eq!(message.subject, "Causeway: sandbox-west has taken over, record MISSING", "{reading:?}");
        assert_eq!(stage.state().await.writers, moved().writers, "{reading:?}");
        assert_eq!(stage.state().await.traffic, moved().traffic, "{reading:?}");
        stage.faults.set(Fault::Nothing);
        let event = json!({"operation": "record", "plan": "/causeway/plans/shop", "execution": execution.id,
            "targetRegion": WEST, "outcome": "Succeeded"});
        let answer = stage.invoke(WEST, "causeway-report", event).await;
        assert!(matches!(&answer, Invocation::Answer(answer) if answer["status"] == "Done"), "{answer:?}");
        assert_eq!(stage.state().await, moved(), "{reading:?}");
        stage.world.rejoin(EAST).await;
        let reconciled = stage.reconcile().await;
        assert_eq!(reconciled.status, Status::Success, "{reading:?} {}", told(&reconciled));
    }
}

/// A record by hand is of a failover, and of what it did: else the reconciliation would take it for what moved the databases.
#[tokio::test(start_paused = true)]
async fn a_record_by_hand_that_is_not_true_is_refused_and_the_true_one_stays() {
    let stage = impaired(Reading::ALL[0], FAST).await;
    let moved = stage.fail_over().await;
    stage.world.rejoin(EAST).await;
    let reconciled = stage.reconcile().await;
    let refused = stage.fail_over().await;
    assert_eq!(refused.status, Status::Failed);
    let before = stage.last_failover().await.unwrap();
    for (execution, target, outcome, expected) in [
        (&reconciled.id, WEST, "Succeeded", "which is no failover"),
        (&refused.id, WEST, "Succeeded", "it has not Succeeded"),
        (
            &moved.id,
            EAST,
            "Succeeded",
            "it ran in sandbox-west, and a failover to sandbox-east runs in sandbox-east",
        ),
        (&moved.id, WEST, "Failed", "it has not Failed"),
    ] {
        let event = json!({"operation": "record", "plan": "/causeway/plans/shop", "execution": execution,
            "targetRegion": target, "outcome": outcome, "replace": true});
        match stage.invoke(WEST, "causeway-report", event).await {
            Invocation::FunctionError { message, .. } => {
                assert!(message.contains(expected), "{expected}: {message}");
            }
            other => panic!("{expected}: {other:?}"),
        }
        assert_eq!(stage.last_failover().await.unwrap(), before, "{expected}");
    }
}

/// A role may read the plan of its own stack: a typing error in the name is a denial, and no permission is missing.
#[tokio::test(start_paused = true)]
async fn a_typing_error_in_the_name_of_the_plan_is_told_as_one() {
    let stage = Stage::new(Reading::ALL[0], FAST).await;
    let event = json!({"operation": "check", "plan": "/causeway/plans/shpo", "execution": "by-hand", "targetRegion": WEST});
    match stage.invoke(WEST, "causeway-preflight", event).await {
        Invocation::FunctionError { message, .. } => {
            assert!(message.contains("/causeway/plans/shpo"), "{message}");
            assert!(message.contains("is this the name of the plan's parameter?"), "{message}");
            assert!(!message.contains("template.yaml"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

/// The old Region is not back, or Aurora is not done with its snapshot in the time that the plan allows.
#[tokio::test(start_paused = true)]
async fn without_a_snapshot_the_wait_ends_with_nothing_left_and_the_next_execution_finds_it() {
    for (reading, back) in Reading::ALL.into_iter().zip([false, true]) {
        let stage = impaired(reading, BRISK).await;
        assert_eq!(stage.fail_over().await.status, Status::Success);
        let given = json!(runbook::plan::sample().limits.restore_minutes);
        stage.change_plan_in(WEST, |plan| plan["limits"]["restoreMinutes"] = json!(1)).await;
        if back {
            stage.world.rejoin(EAST).await;
        }
        let known = stage.world.messages().len();
        let execution = stage.reconcile().await;
        assert_eq!(execution.status, Status::Failed, "{reading:?} {}", told(&execution));
        let message = stage.messages(known).pop().unwrap();
        assert_eq!(message.subject, "Causeway: no missing-transaction report", "{reading:?}");
        let said = if back { "(limits.restoreMinutes)" } else { "a step broke" };
        assert!(message.body.contains(said), "{reading:?} {message:?}");
        assert!(stage.state().await.leaked.is_empty(), "{reading:?}");

        stage.change_plan_in(WEST, |plan| plan["limits"]["restoreMinutes"] = given.clone()).await;
        if !back {
            stage.world.rejoin(EAST).await;
        }
        let next = stage.reconcile().await;
        assert_eq!(next.status, Status::Success, "{reading:?} {}", told(&next));
    }
}

/// The second one is told of the first, and changes nothing.
#[tokio::test(start_paused = true)]
async fn of_two_people_who_start_at_once_one_goes_on() {
    for reading in Reading::ALL {
        let stage = impaired(reading, FAST).await;
        let ids = [EAST; 2].map(|from| stage.start("causeway-failover", &[("ImpairedRegion", from)]));
        let [one, two] = [stage.ended(&ids[0]).await, stage.ended(&ids[1]).await];
        let (refused, moves) = if one.status == Status::Success { (two, one) } else { (one, two) };
        assert_eq!(moves.status, Status::Success, "{reading:?} {}", told(&moves));
        assert_eq!(refused.status, Status::Failed, "{reading:?} {}", told(&refused));
        assert!(
            !refused.steps.iter().any(|step| step.name == "trafficOff"),
            "{reading:?} {}",
            told(&refused)
        );
        let said = |message: &sandbox::world::Message| message.body.contains("fails over already");
        assert!(stage.messages(0).iter().any(said), "{reading:?} {:?}", stage.messages(0));
        assert_eq!(stage.state().await, moved(), "{reading:?}");
    }
}
