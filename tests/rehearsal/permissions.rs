//! Least privilege. Every rehearsal runs behind the roles of `template.yaml`, so that none lacks a permission; here, none
//! has one too many.

use sandbox::automation::{Reading, Status};
use sandbox::functions::Invocation;
use sandbox::permissions::Permission;
use sandbox::{EAST, WEST};
use serde_json::{Value, json};

use crate::stage::{FAST, Stage, told};

/// What no call of a rehearsal shows, and why a role needs it.
fn behind_the_calls(permission: &Permission) -> bool {
    let service = permission.action.split(':').next().unwrap_or_default();
    // Lambda itself writes logs and traces in the name of the function's role.
    ["logs", "xray"].contains(&service)
        // AWS doesn't say whether the tags in a list of clusters need it.
        || permission.action == "rds:ListTagsForResource"
        // AWS doesn't say whether a list of snapshots that names no cluster asks about every cluster; the sandbox does not.
        || (permission.action == "rds:DescribeDBClusterSnapshots" && permission.kind == "cluster")
        // AWS's reference has the final snapshot among what the deletion of a cluster needs; the sandbox asks only about one that
        // is to be made.
        || (permission.action == "rds:DeleteDBCluster" && permission.kind == "cluster-snapshot")
        // Called when an execution has more steps than one answer holds. AWS doesn't say how many; the sandbox has no limit.
        || permission.action == "ssm:DescribeAutomationStepExecutions"
        // Where AWS still asks about automation definitions: they are being deprecated as resources, not gone.
        || permission.kind == "automation-definition"
        // Called when the writing of a file larger than a part fails. A test in `report` does.
        || permission.action == "s3:AbortMultipartUpload"
}

async fn by_hand(stage: &Stage, function: &str, event: Value) -> Value {
    match stage.invoke(WEST, function, event).await {
        Invocation::Answer(answer) if answer["status"] == "Done" => answer,
        other => panic!("{function}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_permission_is_made_use_of() {
    let stage = Stage::new(Reading::ALL[0], FAST).await;
    let event = |operation: &str| json!({"operation": operation, "plan": "/causeway/plans/shop", "execution": "by-hand"});
    // Ahead of time: the endpoints are filled into a plan that has others.
    let parameter = json!({"Name": "/causeway/plans/shop"});
    let text = async || {
        let plan = stage.ask("ssm", "GetParameter", parameter.clone()).await;
        plan["Parameter"]["Value"].as_str().unwrap().to_owned()
    };
    let wrong = text().await.replace("http://arc-1.sandbox", "http://arc-0.sandbox");
    let input = json!({"Name": parameter["Name"], "Value": wrong, "Overwrite": true});
    stage.ask("ssm", "PutParameter", input).await;
    by_hand(&stage, "causeway-routing-control", event("fill-endpoints")).await;
    assert!(text().await.contains("http://arc-1.sandbox"));
    let ready = stage.run_in(WEST, "causeway-readiness", &[]).await;
    assert_eq!(ready.status, Status::Success, "{:?} {}", ready.outputs, told(&ready));
    let routed = stage.run_in(WEST, "causeway-routing", &[("TurnOn", WEST)]).await;
    assert_eq!(routed.status, Status::Success, "{}", told(&routed));
    // Without a failover, nothing is reconciled.
    assert_eq!(stage.reconcile().await.status, Status::Failed);
    // What runs by a schedule.
    let bridge = stage.follow_events();
    bridge.tick();
    // The story, by events, each of which comes twice.
    stage.world.isolate(EAST).await;
    let orders = &runbook::plan::sample().databases["orders"].members;
    stage.world.set_encrypted(&orders[WEST].cluster_arn, true);
    let broken = stage.run_in(WEST, "causeway-readiness", &[]).await;
    assert_eq!(broken.status, Status::Failed, "{}", told(&broken));
    stage.world.set_encrypted(&orders[WEST].cluster_arn, false);
    stage.alarm();
    let started = stage.started(&bridge, 3).await;
    let moved = stage.ended(&started[2]).await;
    assert_eq!(moved.status, Status::Success, "{}", told(&moved));
    bridge.deliver(WEST, &stage.world.alarm_event(WEST, "causeway-impaired-shop", "ALARM", "OK"));
    assert_eq!(stage.ended(&stage.started(&bridge, 4).await[3]).await.status, Status::Failed);
    stage.world.rejoin(EAST).await;
    for id in &stage.started(&bridge, 6).await[4..] {
        let reconciled = stage.ended(id).await;
        assert_eq!(reconciled.status, Status::Success, "{}", told(&reconciled));
    }
    // Large databases: a state machine that is stopped, and one that is redriven.
    crate::ranges::distribute(&stage, 2).await;
    let cancelled = crate::ranges::cancelled(&stage).await;
    assert_eq!(cancelled.status, Status::Cancelled, "{}", told(&cancelled));
    stage.settle().await;
    let redriven = crate::ranges::redriven(&stage).await;
    assert_eq!(redriven.status, Status::Success, "{}", told(&redriven));
    let reconciled = stage.reconcile().await;
    assert_eq!(reconciled.status, Status::Success, "{}", told(&reconciled));
    let again = json!({"operation": "missing-transactions", "plan": "/causeway/plans/shop", "execution": reconciled.id});
    by_hand(&stage, "causeway-report", again).await;
    let replayed = stage.replay().await;
    assert_eq!(replayed.status, Status::Success, "{}", told(&replayed));
    stage.settle().await;
    let back = stage.switch_over(EAST).await;
    assert_eq!(back.status, Status::Success, "{}", told(&back));
    // Where no managed failover is possible.
    let other = crate::detach::impaired(Reading::ALL[0], FAST).await;
    other.world.configure(&orders[EAST].cluster_arn, &json!({}), &json!({}), &[("app", "shop")]);
    let detached = crate::detach::detach(&other).await;
    assert_eq!(detached.status, Status::Success, "{}", told(&detached));
    other.world.rejoin(sandbox::EAST).await;
    let rebuilt = crate::rebuild::rebuild(&other).await;
    assert_eq!(rebuilt.status, Status::Success, "{}", told(&rebuilt));
    // Where Region switch moves the application.
    let third = crate::region_switch::accounted().await;
    let unused = stage.permissions.unused();
    let [unused_there, unused_in_third] = [other.permissions.unused(), third.permissions.unused()];
    let unused = unused.intersection(&unused_there).filter(|one| unused_in_third.contains(one)).cloned();
    let unused = unused.collect::<Vec<_>>();
    let unused: Vec<String> =
        unused.iter().filter(|permission| !behind_the_calls(permission)).map(ToString::to_string).collect();
    assert!(unused.is_empty(), "nobody makes use of these, remove them:\n{}", unused.join("\n"));
}
