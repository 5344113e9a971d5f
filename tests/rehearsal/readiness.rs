//! `readiness.yaml`: each of the ways in which a plan stops being executable is found on a quiet day.

use sandbox::automation::{Execution, Reading, Status};
use sandbox::world::routing::Endpoint;
use sandbox::{EAST, REGIONS, WEST};
use serde_json::{Value, json};

use crate::failback::ONE_REGION_ON;
use crate::faults::Fault;
use crate::stage::{FAST, SLOW, Stage, early_ends, told};

pub async fn look(stage: &Stage, region: &str) -> Execution {
    stage.run_in(region, "causeway-readiness", &[]).await
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_can_be_executed_has_no_finding_in_either_region() {
    for reading in Reading::ALL {
        for region in REGIONS {
            let stage = Stage::new(reading, FAST).await;
            let before = stage.state().await;
            stage.faults.set(Fault::Twice);
            let execution = look(&stage, region).await;
            assert_eq!(execution.status, Status::Success, "{reading:?} {}", told(&execution));
            assert!(
                execution.outputs["outcome.summary"][0].contains("nothing stands in the way"),
                "{:?}",
                execution.outputs
            );
            assert!(stage.messages(0).is_empty(), "{:?}", stage.messages(0));
            assert_eq!(stage.state().await, before);
            let changes = [
                "Put",
                "Update",
                "Create",
                "Delete",
                "Copy",
                "Restore",
                "Failover",
                "Switchover",
                "Remove",
                "Add",
            ];
            let changed = || {
                let calls = stage.faults.calls().into_iter();
                let changing =
                    calls.filter(|called| changes.iter().any(|change| called.operation.starts_with(change)));
                changing.map(|called| called.operation).collect::<Vec<_>>()
            };
            assert_eq!(changed(), ["PutObject"], "it changes nothing but its own list of tables");
            assert_eq!(look(&stage, region).await.status, Status::Success);
            assert_eq!(changed().len(), 1, "and that only where it is new");
        }
    }
}

/// Spoils a world or a plan.
#[derive(Clone, Copy)]
enum Spoil {
    World(fn(&Stage)),
    Plan(fn(&mut Value)),
    /// The plan of the east only.
    EasternPlan(fn(&mut Value)),
    /// A member is detached.
    Detached,
    /// The east fails and comes back.
    FailedOver,
}

async fn spoiled(reading: Reading, spoil: Spoil) -> Stage {
    let stage = Stage::new(reading, FAST).await;
    match spoil {
        Spoil::World(change) => change(&stage),
        Spoil::Plan(change) => stage.change_plan(change).await,
        Spoil::EasternPlan(change) => stage.change_plan_in(EAST, change).await,
        Spoil::Detached => {
            let cluster = cluster(WEST);
            let input = json!({"GlobalClusterIdentifier": "shop-orders", "DbClusterIdentifier": cluster});
            stage.ask("rds", "RemoveFromGlobalCluster", input).await;
            stage.settle().await;
        }
        Spoil::FailedOver => {
            stage.world.isolate(EAST).await;
            assert_eq!(stage.fail_over().await.status, Status::Success);
            stage.world.rejoin(EAST).await;
        }
    }
    stage
}

fn cluster(region: &str) -> String {
    runbook::plan::sample().databases["orders"].members[region].cluster_arn.clone()
}

#[tokio::test(start_paused = true)]
async fn each_way_in_which_a_plan_stops_being_executable_is_found_and_named() {
    use Spoil::{Detached, EasternPlan, FailedOver, Plan, World};
    let cases: [(Spoil, &str); 18] = [
        (Detached, "orders: global cluster shop-orders has no member in sandbox-west"),
        (
            Plan(|plan| {
                plan["databases"]["orders"]["members"][WEST]["clusterArn"] =
                    json!("arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-old");
            }),
            "the plan says arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-old",
        ),
        (Plan(|plan| plan["databases"]["orders"]["globalCluster"] = json!("shop-order")), "shop-order"),
        (FailedOver, "orders: the secondary in sandbox-east is not connected but pending-resync"),
        (
            World(|stage| stage.world.set_engine_version(&cluster(WEST), "8.0.mysql_aurora.3.09.0")),
            "orders: engine versions 8.0.mysql_aurora.3.08.0 and 8.0.mysql_aurora.3.09.0",
        ),
        (
            World(|stage| stage.world.remove_instances(&cluster(WEST))),
            "orders: cluster shop-orders-west in sandbox-west has no available instance",
        ),
        (World(|stage| stage.world.set_lag(&cluster(WEST), 90_000.0)), "is 90.0 s behind, beyond 60 s"),
        (World(|stage| stage.world.forget_lag(&cluster(WEST))), "is behind is not known"),
        (World(|stage| stage.world.arc_endpoint(2, Endpoint::Silent)), "the ARC endpoint in eu-west-1: "),
        (
            Plan(|plan| plan["routing"]["endpoints"][4]["url"] = json!("http://arc-9.sandbox")),
            "the ARC endpoint in ap-southeast-2: ",
        ),
        (
            Plan(|plan| {
                let control = &mut plan["routing"]["controls"][EAST];
                *control = json!(control.as_str().unwrap().to_owned() + "-old");
            }),
            "the ARC endpoint in us-east-1: ",
        ),
        (
            World(|stage| {
                for control in runbook::plan::sample().routing.controls.values() {
                    stage.world.set_routing_control(control, false);
                }
            }),
            "no Region has traffic",
        ),
        (
            Plan(|plan| plan["databases"]["orders"]["members"][WEST]["secret"] = json!("shop/order")),
            "orders: reading secret shop/order failed",
        ),
        (
            Plan(|plan| plan["reportBuckets"][EAST] = json!("causeway-reports-000000000000-elsewhere")),
            "causeway-reports-000000000000-elsewhere",
        ),
        (
            World(|stage| stage.world.set_encrypted(&cluster(EAST), true)),
            "set databases.orders.members.sandbox-west.restore.kmsKey",
        ),
        (
            World(|stage| stage.world.set_quota(WEST, "DBClusters", 3)),
            "sandbox-west uses 2 of its 3 DBClusters: a reconciliation there needs 2 more",
        ),
        (
            EasternPlan(|plan| plan["limits"]["rpoSeconds"] = json!(1)),
            "the plan in sandbox-east is not the one in sandbox-west",
        ),
        (Plan(|plan| plan["regions"] = json!([WEST, WEST])), "`regions` names the same Region twice"),
    ];
    for (number, (spoil, expected)) in cases.into_iter().enumerate() {
        let reading = Reading::ALL[number % 4];
        let stage = spoiled(reading, spoil).await;
        let known = stage.world.messages().len();
        let execution = look(&stage, WEST).await;
        assert_eq!(execution.status, Status::Failed, "{expected} {}", told(&execution));
        let messages = stage.messages(known);
        assert_eq!(messages.len(), 1, "{expected} {messages:?}");
        assert_eq!(messages[0].subject, "Causeway: the recovery plan can NOT be executed", "{expected}");
        assert!(messages[0].body.contains(expected), "{expected} is missing in: {}", messages[0].body);
        // On the schedule it tells nobody: the alarm does.
        let scheduled = stage.run_in(WEST, "causeway-readiness", &[("Notify", "no")]).await;
        assert_eq!(scheduled.status, Status::Failed, "{expected} {}", told(&scheduled));
        assert!(scheduled.outputs["outcome.summary"][0].contains(expected), "{expected}");
        assert_eq!(stage.messages(known).len(), 1, "{expected}");
    }
}

/// An execution that waits for an approval that nobody saw is told, and its plan can be executed nevertheless.
#[tokio::test(start_paused = true)]
async fn an_execution_that_runs_longer_than_it_should_is_named() {
    let stage = Stage::new(Reading::ALL[3], SLOW).await;
    stage.world.forget_lag(&cluster(WEST));
    let parameters = [("ImpairedRegion", EAST), ("Approvers", crate::stage::APPROVER)];
    let waiting = stage.start("causeway-failover", &parameters);
    stage.change_plan(|plan| plan["limits"]["rtoSeconds"] = json!(60)).await;
    for overdue in [false, true] {
        let execution = look(&stage, WEST).await;
        let reason = &execution.outputs["outcome.summary"][0];
        let line = format!("execution {waiting} of causeway-failover is overdue");
        assert_eq!(reason.contains(&line), overdue, "{reason}");
        tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    }
    stage.reject(&waiting).await;
    assert_ne!(stage.ended(&waiting).await.status, Status::Success);
    assert!(!look(&stage, WEST).await.outputs["outcome.summary"][0].contains("overdue"));
}

/// A database that is in the plan, and that the stack was not told of: the failover would be denied at the promotion.
#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_do_what_a_runbook_will_ask_of_it_is_found() {
    let template = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    let mut known = runbook::plan::sample();
    known.databases.remove("orders");
    let roles = sandbox::permissions::Permissions::read(&template, &known).unwrap();
    let stage = Stage::with_roles(Reading::ALL[2], FAST, roles).await;
    let execution = look(&stage, WEST).await;
    assert_eq!(execution.status, Status::Failed);
    // Too many findings for one sentence.
    let readiness = execution.steps.iter().find(|step| step.name == "readiness").unwrap();
    let reason = readiness.outputs["reason"].as_str().unwrap();
    let denied = "the role of global-failover may not rds:FailoverGlobalCluster on arn:aws:rds::000000000000:global-cluster:\
                  shop-orders, arn:aws:rds:sandbox-east:000000000000:cluster:shop-orders-east, \
                  arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west";
    assert!(reason.contains(denied), "{reason}");
}

/// After a failover one Region has all the traffic, and a rule that wants one to be on would refuse the next failover.
#[tokio::test(start_paused = true)]
async fn a_safety_rule_that_would_refuse_is_found_and_once_the_plan_names_it_the_failover_goes() {
    let stage = crate::reconcile::recovered(Reading::ALL[0], FAST).await;
    stage.settle().await;
    let execution = look(&stage, WEST).await;
    assert_eq!(execution.status, Status::Failed, "{}", told(&execution));
    let reason = &execution.outputs["outcome.summary"][0];
    let expected = format!(
        "1 finding: a failover that leaves {WEST} would be refused by safety rule {ONE_REGION_ON}, since the traffic is off for a \
         while: name the rule in `routing.safetyRulesToOverride`"
    );
    assert!(reason.starts_with(&format!("refused: {expected}")), "{reason}");
    stage.change_plan(|plan| plan["routing"]["safetyRulesToOverride"] = json!([ONE_REGION_ON])).await;
    let execution = look(&stage, WEST).await;
    assert_eq!(execution.status, Status::Success, "{:?}", execution.outputs);
    stage.world.isolate(WEST).await;
    let back = stage.run_in(EAST, "causeway-failover", &[("ImpairedRegion", WEST)]).await;
    assert_eq!(back.status, Status::Success, "{}", told(&back));
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_cut_off_is_found_in_one_line_and_in_time() {
    let stage = Stage::new(Reading::ALL[1], FAST).await;
    stage.world.isolate(EAST).await;
    let begun = tokio::time::Instant::now();
    let execution = look(&stage, WEST).await;
    assert_eq!(execution.status, Status::Failed);
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    let reason = &execution.outputs["outcome.summary"][0];
    assert_eq!(reason.matches("sandbox-east did not answer").count(), 1, "{reason}");
}

/// Whatever breaks, it is not well: a finding, or the check itself.
#[tokio::test(start_paused = true)]
async fn after_any_fault_it_says_so_and_killed_or_cancelled_it_is_simply_started_again() {
    let (calls, events) = {
        let stage = Stage::new(Reading::ALL[0], FAST).await;
        stage.faults.set(Fault::Nothing);
        let events = stage.events_of(look(&stage, WEST)).await;
        (stage.faults.calls().len(), events)
    };
    let kinds = [Fault::Killed, Fault::Denied];
    let faults = (0..calls).flat_map(|call| kinds.map(|kind| kind(call))).chain([Fault::AnswerLost(0)]);
    let (mut failed, mut succeeded) = (0, 0);
    for (number, fault) in faults.enumerate() {
        let case = format!("{:?} {fault:?}", Reading::ALL[number % 4]);
        let stage = Stage::new(Reading::ALL[number % 4], FAST).await;
        stage.faults.set(fault);
        let execution = look(&stage, WEST).await;
        let messages = stage.messages(0);
        // Also where only how it ended could not be said.
        let is_ready = execution.steps.iter().any(|step| step.outputs.get("status") == Some(&json!("Ready")));
        assert_eq!(execution.status == Status::Success, is_ready, "{case} {}", told(&execution));
        if is_ready {
            succeeded += 1;
            assert!(messages.is_empty(), "{case} {messages:?}");
        } else {
            failed += 1;
            assert_eq!(messages.len(), 1, "{case} {}", told(&execution));
        }
        stage.faults.set(Fault::Nothing);
        assert_eq!(look(&stage, WEST).await.status, Status::Success, "{case}");
    }
    assert!(failed > 20 && succeeded > 5, "{failed} failed, {succeeded} succeeded");
    for (at, cancel, case) in early_ends(events) {
        let stage = Stage::new(Reading::ALL[at % 4], FAST).await;
        stage.end_at((at, cancel), WEST, "causeway-readiness", &[]).await;
        assert_eq!(look(&stage, WEST).await.status, Status::Success, "{case}");
    }
}
