//! What starts by itself: the failover when an alarm says that the other Region is ill, and the reconciliation when Aurora
//! has left its snapshot. The rules, their patterns, inputs and roles are the template's.

use sandbox::automation::{Reading, Status};
use sandbox::eventbridge::Rules;
use sandbox::permissions::Permissions;
use sandbox::{EAST, WEST};
use serde_json::json;

use crate::failover::{impaired, moved};
use crate::stage::{FAST, Stage, template, told};

/// Off until switched on: without `automatic` the stack is deployed without the rules.
#[test]
fn nothing_starts_by_itself_unless_it_is_switched_on() {
    let plan = runbook::plan::sample();
    let off = runbook::RecoveryPlan { automatic: None, ..plan.clone() };
    for (plan, expected) in [(off, false), (plan, true)] {
        let rules = Rules::read(&template(), &plan).unwrap();
        for region in [EAST, WEST] {
            let names = rules.names(region);
            assert!(names.contains(&"causeway-readiness-shop"), "{names:?}");
            for name in ["causeway-failover-shop", "causeway-snapshot-shop", "causeway-reconcile-shop"] {
                assert_eq!(names.contains(&name), expected, "{names:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_alarm_moves_the_application_once_however_often_it_is_told() {
    for reading in Reading::ALL {
        let stage = impaired(reading, FAST).await;
        let bridge = stage.follow_events();
        let mut events = stage.world.bus();
        stage.world.set_alarm(WEST, "shop-east-canary", "ALARM");
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        assert!(bridge.started().is_empty(), "one alarm is no quorum");
        stage.alarm();
        let id = stage.started(&bridge, 1).await.remove(0);
        let execution = stage.ended(&id).await;
        assert_eq!(execution.status, Status::Success, "{}", told(&execution));
        assert_eq!(execution.executed_by, "causeway-failover-shop");
        assert_eq!(stage.state().await, moved());
        // The event once more: EventBridge promises at least once, and no order.
        while let Ok((region, event)) = events.try_recv() {
            bridge.deliver(&region, &event);
        }
        let again = stage.ended(&stage.started(&bridge, 2).await[1]).await;
        assert_eq!(again.status, Status::Failed);
        assert!(stage.messages(1)[0].body.contains("already is primary of every database"));
        assert_eq!(stage.state().await, moved());
        assert_eq!(bridge.failures(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_events_at_once_one_execution_goes_on() {
    for reading in Reading::ALL {
        let stage = impaired(reading, FAST).await;
        let bridge = stage.follow_events();
        let mut events = stage.world.bus();
        stage.alarm();
        stage.started(&bridge, 1).await;
        while let Ok((region, event)) = events.try_recv() {
            bridge.deliver(&region, &event);
        }
        let ids = stage.started(&bridge, 2).await;
        let (one, two) = (stage.ended(&ids[0]).await, stage.ended(&ids[1]).await);
        let well = [&one, &two].iter().filter(|execution| execution.status == Status::Success).count();
        assert_eq!(well, 1, "{}\n{}", told(&one), told(&two));
        let refused = if one.status == Status::Success { two } else { one };
        let reached = refused.steps.iter().any(|step| step.name == "trafficOff");
        assert!(!reached, "{}", told(&refused));
        assert!(stage.messages(0).iter().any(|message| message.body.contains("fails over already")));
        assert_eq!(stage.state().await, moved());
    }
}

/// The alarm told the truth a moment ago, or never did: what counts is what is seen when the execution looks.
#[tokio::test(start_paused = true)]
async fn a_false_alarm_changes_nothing_and_is_told() {
    let stage = Stage::new(Reading::ALL[0], FAST).await;
    let bridge = stage.follow_events();
    let before = stage.state().await;
    // The event comes late: one of the two alarms is over.
    stage.world.set_alarm(WEST, "shop-east-canary", "ALARM");
    let event = stage.world.alarm_event(WEST, "causeway-impaired-shop", "ALARM", "OK");
    bridge.deliver(WEST, &event);
    let execution = stage.ended(&stage.started(&bridge, 1).await[0]).await;
    assert_eq!(execution.status, Status::Failed);
    assert!(stage.messages(0)[0].body.contains("only 1 of 3 signals say that sandbox-east is ill"));
    // Both Regions look ill, or nothing is known of this one.
    for state in ["ALARM", "INSUFFICIENT_DATA"] {
        let known = stage.world.messages().len();
        stage.world.set_alarm(WEST, "shop-west-canary", state);
        stage.world.set_alarm(EAST, "shop-west-canary", "INSUFFICIENT_DATA");
        stage.world.set_alarm(EAST, "shop-west-errors", "INSUFFICIENT_DATA");
        let started = bridge.started().len();
        stage.world.set_alarm(WEST, "shop-east-errors", "ALARM");
        let ids = stage.started(&bridge, started + 1).await;
        assert_eq!(stage.ended(&ids[started]).await.status, Status::Failed);
        assert!(stage.messages(known)[0].body.contains("sandbox-west"), "{:?}", stage.messages(known));
        stage.world.set_alarm(WEST, "shop-east-errors", "OK");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    assert_eq!(stage.state().await, before);
}

/// It can be in the stack's rule and still say nothing to the check: readiness tells before the night.
#[tokio::test(start_paused = true)]
async fn a_composite_alarm_as_a_signal_is_found_beforehand_and_counts_for_nothing() {
    let stage = Stage::new(Reading::ALL[0], FAST).await;
    stage.world.add_composite_alarm(WEST, "shop-east-all");
    for region in [EAST, WEST] {
        let signals = |plan: &mut serde_json::Value| {
            let all = plan["automatic"]["signals"][EAST].as_array_mut().unwrap();
            let canary =
                all.iter_mut().find(|one| one["alarm"] == "shop-east-canary" && one["region"] == WEST);
            canary.unwrap()["alarm"] = json!("shop-east-all");
        };
        stage.change_plan_in(region, signals).await;
    }
    let look = stage.run_in(WEST, "causeway-readiness", &[]).await;
    assert_eq!(look.status, Status::Failed);
    let found = "alarm shop-east-all in sandbox-west can't be a signal: it is a composite alarm";
    assert!(stage.messages(0)[0].body.contains(found), "{:?}", stage.messages(0));
    let bridge = stage.follow_events();
    stage.alarm();
    let execution = stage.ended(&stage.started(&bridge, 1).await[0]).await;
    assert_eq!(execution.status, Status::Failed);
    assert!(stage.messages(1)[0].body.contains("name the metric alarms in it"), "{:?}", stage.messages(1));
}

/// Beyond the budget somebody is asked, or it goes on, as the plan says.
#[tokio::test(start_paused = true)]
async fn a_loss_beyond_the_budget_is_asked_about_or_taken_as_the_plan_says() {
    let orders = &runbook::plan::sample().databases["orders"].members[WEST].cluster_arn;
    for beyond in ["ask", "go-on"] {
        let stage = impaired(Reading::ALL[0], FAST).await;
        stage.change_plan_in(WEST, |plan| plan["limits"]["beyondRpo"] = json!(beyond)).await;
        stage.world.set_lag(orders, 90_000.0);
        let bridge = stage.follow_events();
        stage.alarm();
        let id = stage.started(&bridge, 1).await.remove(0);
        if beyond == "ask" {
            // Reached only when it asks.
            stage.approve(&id).await;
        }
        let execution = stage.ended(&id).await;
        assert_eq!(execution.status, Status::Success, "{}", told(&execution));
        let asked = execution.steps.iter().any(|step| step.name == "approve");
        assert_eq!(asked, beyond == "ask");
        assert_eq!(stage.state().await, moved());
    }
}

/// Each database has a snapshot and an event; the comparison runs once. An event that comes again starts nothing either.
#[tokio::test(start_paused = true)]
async fn the_snapshots_start_one_reconciliation() {
    let stage = impaired(Reading::ALL[0], FAST).await;
    assert_eq!(stage.fail_over().await.status, Status::Success);
    let bridge = stage.follow_events();
    let mut events = stage.world.bus();
    stage.world.rejoin(EAST).await;
    let ids = stage.started(&bridge, 2).await;
    let mut ended = vec![stage.ended(&ids[0]).await, stage.ended(&ids[1]).await];
    while let Ok((region, event)) = events.try_recv() {
        bridge.deliver(&region, &event);
    }
    let ids = stage.started(&bridge, 4).await;
    ended.extend([stage.ended(&ids[2]).await, stage.ended(&ids[3]).await]);
    let compared = |execution: &sandbox::automation::Execution| {
        execution.steps.iter().any(|step| step.name == "compare")
    };
    assert_eq!(ended.iter().filter(|execution| compared(execution)).count(), 1);
    for execution in &ended {
        assert_eq!(execution.status, Status::Success, "{}", told(execution));
        assert_eq!(execution.document, "causeway-reconcile");
        assert_eq!(execution.executed_by, "causeway-reconcile-shop");
    }
    assert_eq!(stage.messages(1).len(), 1, "{:?}", stage.messages(1));
    assert_eq!(stage.state().await, crate::reconcile::reconciled());
    assert_eq!(bridge.failures(), [""; 0]);
}

/// Nobody sees what EventBridge was not let do, unless its queue is watched; and readiness finds it before the night.
#[tokio::test(start_paused = true)]
async fn a_rule_that_may_not_start_its_runbook_is_told_of_and_found_beforehand() {
    let plan = runbook::plan::sample();
    for (taken, denied) in [
        ("document/${FailoverDocument}", "document/causeway-failover"),
        ("automation-execution/*", "automation-execution/"),
    ] {
        let template = template().replace(taken, "document/another");
        let permissions = Permissions::read(&template, &plan).unwrap();
        let stage = Stage::with_roles(Reading::ALL[0], FAST, permissions).await;
        let look = stage.run_in(WEST, "causeway-readiness", &[]).await;
        assert_eq!(look.status, Status::Failed);
        let found = "the role of failover-rule may not ssm:StartAutomationExecution on";
        let known = stage.messages(0);
        assert!(known[0].body.contains(found) && known[0].body.contains(denied), "{known:?}");
        let bridge = stage.follow_events();
        stage.alarm();
        while stage.messages(known.len()).is_empty() {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let failures = bridge.failures();
        assert_eq!((failures.len(), bridge.started().len()), (1, 0), "{failures:?}");
        assert!(failures[0].starts_with("causeway-failover-shop in sandbox-west: "), "{failures:?}");
        assert!(failures[0].contains("not authorized") && failures[0].contains(denied), "{failures:?}");
        let messages = stage.messages(known.len());
        assert!(messages[0].topic.ends_with(":causeway-alarms"), "{messages:?}");
        assert!(messages[0].body.contains("could not start its runbook"), "{messages:?}");
        assert_eq!(messages.len(), 1, "{messages:?}");
    }
}

/// Whoever started it: also a runbook that was cancelled, or could not tell anybody itself.
#[tokio::test(start_paused = true)]
async fn an_execution_that_did_not_end_well_is_told_to_the_topic_of_the_alarms() {
    let stage = impaired(Reading::ALL[1], FAST).await;
    let bridge = stage.follow_events();
    let alarms = || {
        let messages = stage.messages(0);
        let of_alarms = messages.into_iter().filter(|message| message.topic.ends_with(":causeway-alarms"));
        of_alarms.map(|message| message.body).collect::<Vec<_>>()
    };
    let cancelled = stage.start("causeway-failover", &[("ImpairedRegion", EAST)]);
    stage.end_early(&cancelled, true).await;
    assert_eq!(stage.fail_over().await.status, Status::Success);
    let refused = stage.fail_over().await;
    assert_eq!(refused.status, Status::Failed);
    // Readiness has an alarm of its own.
    assert_eq!(stage.run_in(WEST, "causeway-readiness", &[("Notify", "no")]).await.status, Status::Failed);
    while alarms().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let alarms = alarms();
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    for (told, id, status) in [(&alarms[0], cancelled, "Cancelled"), (&alarms[1], refused.id, "Failed")] {
        let expected = format!("\"Causeway: causeway-failover in {WEST} ended as {status}. ");
        assert!(told.starts_with(&expected) && told.contains(&id), "{told}");
    }
    assert_eq!(bridge.failures(), [""; 0]);
}
