//! The choice by cases, and the handler against the fake.

use std::sync::{Arc, Mutex};

use runbook::aurora::{Cluster, Instance, Tags};
use runbook::error::Kind;
use runbook::fakes::{FAULTS, Fault};
use runbook::names::{EXECUTION_TAG, PLAN_TAG};
use runbook::plan;

use super::*;
use crate::fake::{EXECUTION, WEST, World, clients, context, failover, given};

fn ours() -> Tags {
    vec![(PLAN_TAG.into(), "shop".into()), (EXECUTION_TAG.into(), EXECUTION.into())]
}

fn others() -> Tags {
    vec![(PLAN_TAG.into(), "shop".into()), (EXECUTION_TAG.into(), "another".into())]
}

async fn call(world: &Arc<Mutex<World>>) -> Result<Outcome<Observed>, StepError> {
    let (context, plan) = (context(), plan::sample());
    run(&given(&context, &plan, WEST), clients(world)).await
}

/// What a restore leaves that came to its end; `invoices` is no database of the plan any more.
fn full() -> World {
    let mut world = World::default();
    for name in ["invoices", "orders"] {
        let cluster = format!("causeway-4105a4fcf944-{name}");
        world.add_cluster(WEST, &cluster, "available", ours());
        world.add_instance(WEST, &format!("{cluster}-1"), &cluster, "available", ours());
    }
    world
}

fn shared(world: World) -> Arc<Mutex<World>> {
    Arc::new(Mutex::new(world))
}

#[test]
fn the_tag_decides_and_a_name_never() {
    let cluster = |id: &str, status: &str, tags: Tags| Cluster {
        id: id.into(),
        arn: String::new(),
        status: status.into(),
        engine: String::new(),
        engine_version: String::new(),
        endpoint: None,
        reader_endpoint: None,
        created: None,
        port: None,
        instances: Vec::new(),
        tags,
    };
    let instance = |id: &str, cluster: &str, status: &str, tags: Tags| Instance {
        id: id.into(),
        cluster: Some(cluster.into()),
        status: status.into(),
        tags,
    };
    let clusters = [
        cluster("a", "available", ours()),
        cluster("b", "available", ours()),
        cluster("c", "deleting", ours()),
        cluster("causeway-4105a4fcf944-orders", "available", others()),
        cluster("shop-orders-east", "available", Vec::new()),
    ];
    let instances = [
        instance("a-1", "a", "creating", ours()),
        instance("d-1", "d", "deleting", ours()),
        instance("causeway-4105a4fcf944-orders-1", "causeway-4105a4fcf944-orders", "available", Vec::new()),
        instance("shop-1", "shop-orders-east", "available", Vec::new()),
    ];
    let decision = decide(EXECUTION, &clusters, &instances);
    assert_eq!(decision.delete_instances, ["a-1"]);
    assert_eq!(decision.delete_clusters, ["b"], "a has an instance, c is on its way");
    assert_eq!(decision.remaining.len(), 5);
    assert_eq!(
        decision.left,
        ["instance causeway-4105a4fcf944-orders-1", "cluster causeway-4105a4fcf944-orders"]
    );
    assert!(decision.blocked.is_empty());
    assert_eq!(decide(EXECUTION, &[], &[]), Decision::default());

    let going = [instance("a-1", "a", "deleting", ours())];
    let decision = decide(EXECUTION, &clusters, &going);
    assert_eq!(decision.delete_clusters, ["a", "b"], "an instance that is on its way is in nobody's");
    let staying = [going[0].clone(), instance("a-2", "a", "creating", ours())];
    assert_eq!(decide(EXECUTION, &clusters, &staying).delete_clusters, ["b"]);

    let added = [instance("extra", "a", "available", Vec::new())];
    let decision = decide(EXECUTION, &clusters, &added);
    assert_eq!(decision.delete_clusters, ["b"]);
    assert!(decision.blocked["a"].contains("(extra)"), "{:?}", decision.blocked);
}

#[tokio::test(start_paused = true)]
async fn everything_of_this_execution_goes_and_nothing_else() {
    let mut world = full();
    world.add_cluster(WEST, "causeway-4105a4fcf944-mine", "available", Vec::new());
    world.add_cluster(WEST, "causeway-aaaaaaaaaaaa-orders", "available", others());
    world.add_instance(
        WEST,
        "causeway-aaaaaaaaaaaa-orders-1",
        "causeway-aaaaaaaaaaaa-orders",
        "available",
        others(),
    );
    let world = shared(world);
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    assert!(outcome.reason.ends_with("cluster causeway-4105a4fcf944-mine"), "{}", outcome.reason);
    assert_eq!(outcome.changed.len(), 4, "{:?}", outcome.changed);
    assert_eq!(
        world.lock().unwrap().inventory(),
        [
            "sandbox-west cluster causeway-4105a4fcf944-mine available",
            "sandbox-west cluster causeway-aaaaaaaaaaaa-orders available",
            "sandbox-west instance causeway-aaaaaaaaaaaa-orders-1 available",
        ]
    );
    let again = call(&world).await.unwrap();
    assert_eq!((again.status, again.changed), (Status::Done, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn any_call_may_fail_and_the_next_one_leaves_nothing() {
    for fault in FAULTS {
        for k in 1.. {
            let world = shared(full());
            world.lock().unwrap().calls.fault = Some((k, fault));
            let first = call(&world).await;
            let hit = world.lock().unwrap().calls.was_hit();
            world.lock().unwrap().calls.fault = None;
            assert!(first.is_err() || !hit || fault != Fault::Fails(Kind::Failed), "call {k} failed unseen");
            assert_eq!(call(&world).await.unwrap().status, Status::Done, "{fault:?} at {k}");
            assert!(world.lock().unwrap().inventory().is_empty(), "{fault:?} at {k}");
            if !hit {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_still_created_goes_when_it_can() {
    let mut world = World::default();
    world.add_cluster(WEST, "causeway-4105a4fcf944-orders", "creating", ours());
    let world = shared(world);
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    assert!(world.lock().unwrap().inventory().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_someone_added_is_named_after_the_rest_is_gone() {
    let mut world = full();
    world.add_instance(WEST, "reader", "causeway-4105a4fcf944-orders", "available", Vec::new());
    let world = shared(world);
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("(reader)"), "{}", outcome.reason);
    assert_eq!(
        world.lock().unwrap().inventory(),
        [
            "sandbox-west cluster causeway-4105a4fcf944-orders available",
            "sandbox-west instance reader available",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_is_named_at_the_limit() {
    let mut world = World::default();
    world.add_cluster(WEST, "causeway-4105a4fcf944-orders", "upgrading", ours());
    let world = shared(world);
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::InProgress);
    assert!(outcome.reason.contains("AWS says: the cluster is not available"), "{}", outcome.reason);
    let (context, plan) = (context(), plan::sample());
    let late = Run { since: failover(), ..given(&context, &plan, WEST) };
    let outcome = run(&late, clients(&world)).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(
        outcome.reason.contains("cluster causeway-4105a4fcf944-orders (upgrading)"),
        "{}",
        outcome.reason
    );
}
