//! A failover by ARC Region switch: somebody else moves databases and traffic, and calls `causeway-region-switch` as its custom
//! action block does. The script here is that block, as it is documented: metadata merged into the configured object, whose own
//! keys win; called again in its retry interval until it succeeds.

use std::time::Duration;

use runbook::names::{TAKEOVER_TAG, keys};
use runbook::plan::Routing;
use sandbox::account::REGION_SWITCH_PLAN;
use sandbox::automation::{Reading, Status};
use sandbox::functions::Invocation;
use sandbox::permissions::Permissions;
use sandbox::shop::bucket;
use sandbox::world::model::{PlanExecution, PlanStep};
use sandbox::{EAST, WEST};
use serde_json::{Map, Value, json};

use crate::reconcile::complete;
use crate::stage::{BRISK, FAST, SLOW, Stage, template, told};

/// What the blocks are configured with.
fn configured() -> Value {
    json!({"plan": "/causeway/plans/shop"})
}

/// The block of the workflow that moves the databases.
fn recording() -> Value {
    json!({"plan": "/causeway/plans/shop", "operation": "record"})
}

/// An execution of Region switch's plan; it moves each database by a step of its own, and then calls the function.
fn execution(stage: &Stage, id: &str, mode: &'static str) -> PlanExecution {
    let now = stage.now();
    let step = |name: &str, status| PlanStep {
        name: name.into(),
        status,
        started: Some(now),
        ended: (status == "completed").then_some(now),
    };
    let block = |name: &str| {
        json!({
            "name": name,
            "executionBlockType": "AuroraGlobalDatabase",
            "executionBlockConfiguration": {"globalAuroraConfig": {
                "timeoutMinutes": 60,
                "behavior": "switchoverOnly",
                "ungraceful": {"ungraceful": "failover"},
                "globalClusterIdentifier": format!("shop-{name}"),
                "databaseClusterArns": [],
            }},
        })
    };
    let beside = json!({
        "name": "databases",
        "executionBlockType": "Parallel",
        "executionBlockConfiguration": {"parallelConfig": {"steps": [block("catalog"), block("orders")]}},
    });
    PlanExecution {
        plan: REGION_SWITCH_PLAN.into(),
        id: id.into(),
        action: "activate",
        region: WEST.into(),
        known_in: None,
        mode,
        state: "inProgress",
        started: now,
        ended: None,
        recovery: None,
        steps: vec![step("catalog", "completed"), step("orders", "completed"), step("record", "running")],
        workflows: json!([{
            "workflowTargetAction": "activate", "workflowTargetRegion": WEST, "steps": [beside],
        }]),
    }
}

/// What the block sends.
fn event(execution: &str, step: &str, configured: &Value) -> Value {
    let metadata = json!({"InvokedBy": "arc-region-switch", "PlanArn": REGION_SWITCH_PLAN, "ExecutionId": execution,
        "StepName": step});
    let (Value::Object(mut sent), Value::Object(own)) = (metadata, configured) else {
        return configured.clone();
    };
    sent.extend(own.clone());
    Value::Object(sent)
}

/// One call of a block.
async fn call(stage: &Stage, execution: &str, step: &str, configured: &Value) -> Result<Value, String> {
    let sent = event(execution, step, configured);
    match stage.invoke(WEST, "causeway-region-switch", sent).await {
        Invocation::Answer(answer) => Ok(answer),
        Invocation::FunctionError { error_type, message } => Err(format!("{error_type}: {message}")),
    }
}

/// A block: calls until it succeeds, and answers with what it heard on the way.
async fn block(stage: &Stage, execution: &str, step: &str, configured: &Value) -> (Value, Vec<String>) {
    let mut heard = Vec::new();
    // A day, as a block's timeout may be.
    for _ in 0..24 * 60 {
        match call(stage, execution, step, configured).await {
            Ok(answer) => return (answer, heard),
            Err(error) => heard.push(error),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    panic!("the block's time is over: {:?}", heard.last());
}

/// The executions of `reconcile` in the west.
async fn reconciles(stage: &Stage) -> Vec<String> {
    let filter = json!({"Filters": [{"Key": "DocumentNamePrefix", "Values": ["causeway-reconcile"]}]});
    let listed = stage.ask("ssm", "DescribeAutomationExecutions", filter).await;
    let listed = listed["AutomationExecutionMetadataList"].as_array().unwrap().iter();
    listed.map(|one| one["AutomationExecutionId"].as_str().unwrap().to_owned()).collect()
}

/// A stage whose plan says nothing of traffic.
async fn without_routing(reading: Reading, factor: f64) -> Stage {
    forget_routing(Stage::new(reading, factor).await).await
}

async fn forget_routing(stage: Stage) -> Stage {
    let forget = |plan: &mut Value| {
        let plan: &mut Map<String, Value> = plan.as_object_mut().unwrap();
        plan.remove("routing");
        plan.remove("automatic");
    };
    stage.change_plan(forget).await;
    stage
}

/// Region switch has its Aurora blocks moved every database, in an execution with this id.
async fn move_databases(stage: &Stage, by: &PlanExecution) {
    // A switchover is asked for where the writer is.
    let (region, operation) = match by.mode {
        "graceful" => (EAST, "SwitchoverGlobalCluster"),
        _ => (WEST, "FailoverGlobalCluster"),
    };
    stage.world.put_plan_execution(by.clone());
    for name in ["catalog", "orders"] {
        let mut input = json!({"GlobalClusterIdentifier": format!("shop-{name}"),
            "TargetDbClusterIdentifier": format!("arn:aws:rds:sandbox-west:000000000000:cluster:shop-{name}-west")});
        if operation == "FailoverGlobalCluster" {
            input["AllowDataLoss"] = json!(true);
        }
        stage.ask_in(region, "rds", operation, input).await;
    }
}

/// The east was cut off and Region switch moved the databases, with what was lost; it is back, and a post-recovery with the id
/// `after` runs, which comes after the execution `recovery`.
async fn recovered(reading: Reading, factor: f64) -> Stage {
    let stage = without_routing(reading, factor).await;
    stage.world.isolate(EAST).await;
    let recovery = execution(&stage, "recovery", "ungraceful");
    move_databases(&stage, &recovery).await;
    let (answer, heard) = block(&stage, "recovery", "record", &recording()).await;
    assert_eq!(answer["status"], "Done", "{answer}");
    assert!(heard.iter().all(|said| said.starts_with("InProgress: shop has not moved")), "{heard:?}");
    // Under half of the readings.
    let known_in = if reading == Reading::ALL[0] || reading == Reading::ALL[2] { Some(EAST) } else { None };
    come_back(&stage, recovery, known_in).await;
    stage
}

/// The recovery ends, the east is back, and the post-recovery starts. It is the east's, since a recovery "ran in the opposite
/// region" (`StartPlanExecution`), which may be the only one that knows of it.
async fn come_back(stage: &Stage, recovery: PlanExecution, post_recovery_known_in: Option<&'static str>) {
    let ended = PlanExecution { state: "completed", ended: Some(stage.now()), ..recovery };
    stage.world.put_plan_execution(ended.clone());
    stage.world.rejoin(EAST).await;
    stage.world.put_plan_execution(PlanExecution {
        id: "after".into(),
        action: "postRecovery",
        region: EAST.into(),
        known_in: post_recovery_known_in,
        state: "inProgress",
        recovery: Some(ended.id.clone()),
        started: stage.now(),
        ended: None,
        steps: Vec::new(),
        ..ended
    });
}

/// The same, and what was lost is accounted for. The call that recorded had died on its way, and the next one did it again.
pub async fn accounted() -> Stage {
    let stage = recovered(Reading::ALL[0], FAST).await;
    let last = stage.last_failover().await.unwrap();
    let s3 = aws_sdk_s3::Client::new(&stage.operator_in(WEST));
    s3.delete_object().bucket(bucket(WEST)).key(keys::last_failover("shop")).send().await.unwrap();
    let (answer, _) = block(&stage, "recovery", "record", &recording()).await;
    assert_eq!(answer["status"], "Done", "{answer}");
    assert_eq!(stage.last_failover().await.unwrap().execution, last.execution);
    assert_eq!(stage.world.tagged(TAKEOVER_TAG).len(), 2, "no snapshot is taken twice");
    let (answer, _) = block(&stage, "after", "account", &configured()).await;
    assert_eq!(answer["status"], "Done", "{answer}");
    stage
}

#[tokio::test(start_paused = true)]
async fn what_region_switch_lost_is_recorded_and_reported_by_one_reconciliation() {
    for (reading, factor) in Reading::ALL.into_iter().zip([SLOW, BRISK, SLOW, FAST]) {
        let stage = recovered(reading, factor).await;
        assert_eq!(stage.world.tagged(TAKEOVER_TAG).len(), 2, "the state at the takeover is kept");
        let last = stage.last_failover().await.unwrap();
        assert!(last.execution.ends_with("-region-switch-recovery"), "{}", last.execution);
        assert_eq!((last.from_region.as_str(), last.to_region.as_str()), (EAST, WEST));
        assert!(last.succeeded() && last.lag.is_empty(), "what nobody measured is absent: {last:?}");
        let record = stage.report(&last.execution, "record.json").await;
        assert_eq!(record["document"], REGION_SWITCH_PLAN);
        assert!(
            record["rtoSeconds"].is_null() && record["lag"] == json!({"catalog": null, "orders": null}),
            "{record}"
        );
        let steps: Vec<&str> =
            record["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
        assert_eq!(steps, ["catalog", "orders"], "not the block itself");

        let (answer, heard) = block(&stage, "after", "account", &configured()).await;
        assert_eq!(answer["status"], "Done", "{answer}");
        let started = reconciles(&stage).await;
        assert_eq!(started.len(), 1, "{started:?}");
        assert_eq!(answer["observed"]["execution"], started[0]);
        assert!(answer["observed"]["location"].as_str().unwrap().ends_with("/report.html"), "{answer}");
        assert!(answer["observed"]["summary"].as_str().unwrap().starts_with("8 transactions"), "{answer}");
        assert!(complete(&stage, &started[0]).await, "{reading:?}: exactly what was lost");
        let report = stage.report(&started[0], "report.json").await;
        assert_eq!(report["facts"]["failover"]["execution"], last.execution);
        // What it heard on the way: that it was started, and then where it was.
        assert!(
            heard[0].starts_with(&format!("InProgress: reconcile {} was started", started[0])),
            "{heard:?}"
        );
        let running =
            format!("InProgress: reconcile {} of failover {} runs, in step ", started[0], last.execution);
        assert!(heard[1..].iter().all(|said| said.starts_with(&running)), "{heard:?}");
        // Asked again, when it is long over.
        let again = call(&stage, "after", "account", &configured()).await.unwrap();
        assert_eq!(again["observed"], answer["observed"]);
        assert_eq!(stage.last_failover().await.unwrap(), last);
        assert_eq!(reconciles(&stage).await, started);
        let state = stage.state().await;
        assert!(state.leaked.is_empty(), "{state:?}");
    }
}

/// Two calls at the same moment, by the same block and by another one of the same plan.
#[tokio::test(start_paused = true)]
async fn two_calls_at_once_and_a_call_whose_end_nobody_saw_start_one_reconciliation() {
    let stage = recovered(Reading::ALL[0], BRISK).await;
    let configured = configured();
    let both = futures::join!(
        call(&stage, "after", "account", &configured),
        call(&stage, "after", "account", &configured)
    );
    let said = [both.0.unwrap_err(), both.1.unwrap_err()];
    assert!(said.iter().all(|said| said.starts_with("InProgress: ")), "{said:?}");
    let started = reconciles(&stage).await;
    assert_eq!(started.len(), 1, "{said:?}");
    // It was started, and the function ended before it noted that: the next call is not told which it is, and starts none.
    let s3 = aws_sdk_s3::Client::new(&stage.operator_in(WEST));
    let notes =
        s3.list_objects_v2().bucket(bucket(WEST)).prefix("records/shop/region-switch/").send().await.unwrap();
    let [note] = notes.contents() else { panic!("{notes:?}") };
    for key in [note.key().unwrap(), &keys::reconcile_lock("shop")] {
        s3.delete_object().bucket(bucket(WEST)).key(key).send().await.unwrap();
    }
    let said = call(&stage, "after", "account", &configured).await.unwrap_err();
    assert!(said.contains("was started by an earlier call, and is not at work yet"), "{said}");
    assert_eq!(reconciles(&stage).await, started);
    assert_eq!(stage.ended(&started[0]).await.status, Status::Success);

    // Another step, such as one of a second application's plan by mistake, follows the one that runs.
    let stage = recovered(Reading::ALL[1], BRISK).await;
    call(&stage, "after", "account", &configured).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (answer, _) = block(&stage, "after", "once-more", &configured).await;
    assert_eq!(answer["status"], "Done", "{answer}");
    assert_eq!(reconciles(&stage).await.len(), 1);
}

/// Where Aurora's snapshot starts a reconciliation by itself, the block follows that one.
#[tokio::test(start_paused = true)]
async fn one_that_an_event_has_started_is_followed() {
    let stage = without_routing(Reading::ALL[0], BRISK).await;
    let bridge = stage.follow_events();
    stage.world.isolate(EAST).await;
    let recovery = execution(&stage, "recovery", "ungraceful");
    move_databases(&stage, &recovery).await;
    block(&stage, "recovery", "record", &recording()).await;
    come_back(&stage, recovery, None).await;
    // One of each database's snapshots: one does it, the other one ends at once.
    let by_events = stage.started(&bridge, 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (answer, _) = block(&stage, "after", "account", &configured()).await;
    assert!(by_events.iter().any(|id| answer["observed"]["execution"] == **id), "{answer} {by_events:?}");
    assert_eq!(reconciles(&stage).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_failed_stays_failed_until_a_person_starts_it_again() {
    let stage = recovered(Reading::ALL[0], SLOW).await;
    call(&stage, "after", "account", &configured()).await.unwrap_err();
    let [first] = &reconciles(&stage).await[..] else { panic!("not one") };
    stage.automation.cancel(WEST, first).unwrap();
    assert_eq!(stage.ended(first).await.status, Status::Cancelled);
    let said = [
        call(&stage, "after", "account", &configured()).await.unwrap_err(),
        call(&stage, "after", "account", &configured()).await.unwrap_err(),
    ];
    assert_eq!(said[0], said[1]);
    assert!(said[0].starts_with(&format!("Failed: reconcile {first} of failover")), "{said:?}");
    assert!(said[0].contains("ended as Cancelled") && said[0].contains("start reconcile again"), "{said:?}");
    assert_eq!(reconciles(&stage).await.len(), 1);
    let again = stage.reconcile().await;
    assert_eq!(again.status, Status::Success, "{}", told(&again));
    let (answer, heard) = block(&stage, "after", "account", &configured()).await;
    assert_eq!((answer["observed"]["execution"].as_str(), heard.len()), (Some(again.id.as_str()), 0));
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_the_block_win_and_what_is_wrong_with_them_changes_nothing() {
    let stage = recovered(Reading::ALL[0], FAST).await;
    let wrong = [
        (json!({"plan": "/causeway/plans/till"}), "is this the name of the plan's parameter?"),
        (json!({"plan": "/causeway/plans/shop", "retries": 3}), "the block's payload has `retries`"),
        (json!({}), "missing field `plan`"),
        (json!("shop"), "the event can't be understood"),
        (
            json!({"plan": "/causeway/plans/shop", "ExecutionId": "nothing"}),
            "there is no execution nothing of",
        ),
        (
            json!({"plan": "/causeway/plans/shop", "PlanArn": "arn:aws:arc-region-switch::000000000000:plan/till:000000"}),
            "name this plan in `regionSwitchPlanArn`",
        ),
    ];
    for (configured, expected) in wrong {
        let said = call(&stage, "after", "account", &configured).await.unwrap_err();
        assert!(said.contains(expected), "{expected} is missing in: {said}");
    }
    assert!(reconciles(&stage).await.is_empty());
    // The execution to account for, named by hand: here the recovery itself.
    let own = json!({"plan": "/causeway/plans/shop", "ExecutionId": "recovery", "outageFrom": "2026-11-25T12:00:00Z"});
    let (answer, _) = block(&stage, "what Region switch sends", "account", &own).await;
    let id = answer["observed"]["execution"].as_str().unwrap();
    let started = stage.automation.execution(WEST, id).unwrap();
    assert_eq!(started.parameters["OutageFrom"], ["2026-11-25T12:00:00Z"]);
    assert!(complete(&stage, id).await);
}

/// Region switch can be told in which Region a function runs, wrongly too.
#[tokio::test(start_paused = true)]
async fn in_the_region_that_was_left_it_refuses() {
    let stage = recovered(Reading::ALL[0], FAST).await;
    let sent = event("after", "account", &configured());
    let answer = stage.invoke(EAST, "causeway-region-switch", sent).await;
    let Invocation::FunctionError { message, .. } = answer else { panic!("{answer:?}") };
    assert!(
        message.contains("moved shop to sandbox-west, and this function runs in sandbox-east"),
        "{message}"
    );
    assert!(message.contains("regionToRun"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_switchover_is_over_at_once_and_an_older_failover_is_not_told_any_more() {
    let stage = without_routing(Reading::ALL[0], FAST).await;
    let rotation = execution(&stage, "rotation", "graceful");
    move_databases(&stage, &rotation).await;
    stage.settle().await;
    let answer = call(&stage, "rotation", "account", &configured()).await.unwrap();
    assert_eq!(answer["status"], "NotNeeded", "{answer}");
    assert!(answer["reason"].as_str().unwrap().ends_with("by switchover: nothing can be lost"), "{answer}");
    assert!(reconciles(&stage).await.is_empty() && stage.last_failover().await.is_none());

    let stage = recovered(Reading::ALL[0], FAST).await;
    let earlier = PlanExecution {
        started: "2020-01-01T00:00:00Z".parse().unwrap(),
        ..execution(&stage, "earlier", "ungraceful")
    };
    stage.world.put_plan_execution(earlier);
    let said = call(&stage, "earlier", "account", &configured()).await.unwrap_err();
    assert!(said.contains("skip this step in Region switch"), "{said}");
    assert!(reconciles(&stage).await.is_empty());
}

/// The runbooks that move traffic say that they can't, and change nothing; the check of a quiet day finds nothing wrong with that.
#[tokio::test(start_paused = true)]
async fn without_routing_a_failover_is_refused_and_readiness_is_ready() {
    // With the roles that the stack has then, which know of no routing control.
    let mut plan = runbook::plan::sample();
    plan.routing = Routing::default();
    let roles = Permissions::read(&template(), &plan).unwrap();
    let stage = forget_routing(Stage::with_roles(Reading::ALL[0], FAST, roles).await).await;
    let ready = crate::readiness::look(&stage, WEST).await;
    assert_eq!(ready.status, Status::Success, "{:?} {}", ready.outputs, told(&ready));
    assert_eq!(ready.outputs["outcome.summary"], ["nothing stands in the way of a failover or a switchover"]);
    let before = stage.state().await;
    stage.world.isolate(EAST).await;
    let refused = stage.fail_over().await;
    assert_eq!(refused.status, Status::Failed, "{}", told(&refused));
    assert!(told(&refused).contains("plan shop has no `routing`"), "{}", told(&refused));
    let routed = stage.run_in(WEST, "causeway-routing", &[("TurnOn", WEST)]).await;
    assert_eq!(routed.status, Status::Failed, "{}", told(&routed));
    assert!(told(&routed).contains("plan shop has no `routing`"), "{}", told(&routed));
    stage.world.rejoin(EAST).await;
    let back = stage.switch_over(WEST).await;
    assert_eq!(back.status, Status::Failed, "{}", told(&back));
    assert_eq!(stage.state().await, before);
}
