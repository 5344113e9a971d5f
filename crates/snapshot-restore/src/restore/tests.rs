//! The choices by tables of cases, and the handler against the fake.

use jiff::Timestamp;
use runbook::aurora::{Cluster, GlobalCluster, Instance, Snapshot, tag};
use runbook::error::Kind;
use runbook::fakes::{FAULTS, Fault};
use runbook::names::{CLUSTER_TAG, EXECUTION_TAG, SNAPSHOT_TAG, SNAPSHOT_TIME_TAG, TAKEOVER_TAG};
use runbook::plan::{self, Restore};

use super::decide::{SERVERLESS, family};
use super::outcome::snapshot_id;
use super::*;
use crate::calls::{Configured, RestoreCluster};
use crate::cleanup;
use crate::fake::{
    EAST, EXECUTION, WEST, World, aurora_snapshot, clients, context, failover, given, global, minutes_after,
};

const OLD: &str = "arn:aws:rds:sandbox-east:000000000000:cluster:shop-orders-east";

fn want() -> Want {
    Want {
        plan: "shop".into(),
        database: "orders".into(),
        execution: EXECUTION.into(),
        old_primary: OLD.into(),
        is_writer_again: false,
        region: WEST.into(),
        how: Restore::default(),
        member: "shop-orders-west".into(),
        iam: false,
        what: Copied::OldPrimary,
    }
}

fn taken() -> Snapshot {
    aurora_snapshot("shop-orders-east", "2026-01-01-01-00", 60)
}

/// The copy of [`taken`].
fn kept(status: &str) -> Snapshot {
    let Decision::Act(Action::Copy(copy)) =
        decide(&want(), &Seen { taken: Some(taken()), ..Seen::default() })
    else {
        panic!("no copy");
    };
    Snapshot {
        id: copy.id,
        status: status.into(),
        tags: copy.tags,
        created: Some(minutes_after(9999)),
        ..taken()
    }
}

fn cluster(status: &str, execution: &str) -> Cluster {
    Cluster {
        id: want().cluster(),
        arn: "arn".into(),
        status: status.into(),
        engine: "aurora-mysql".into(),
        engine_version: "8.0.mysql_aurora.3.08.0".into(),
        endpoint: Some("host".into()),
        reader_endpoint: None,
        created: None,
        port: Some(3306),
        instances: Vec::new(),
        tags: vec![(EXECUTION_TAG.into(), execution.into())],
    }
}

fn instance(status: &str, execution: &str) -> Instance {
    Instance {
        id: want().instance(),
        cluster: Some(want().cluster()),
        status: status.into(),
        tags: vec![(EXECUTION_TAG.into(), execution.into())],
    }
}

#[test]
fn the_snapshot_is_of_the_right_cluster_and_after_the_failover_and_the_earliest_such() {
    let ours = |stamp: &str, minutes: i64| aurora_snapshot("shop-orders-east", stamp, minutes);
    let failed = |stamp: &str, minutes: i64| Snapshot { status: "failed".into(), ..ours(stamp, minutes) };
    let untimed = Snapshot { created: None, status: "creating".into(), ..ours("n", 0) };
    let namesake = aurora_snapshot("shop-orders-east-old", "1", 5);
    let renamed = Snapshot { cluster: "shop-orders-east-old".into(), ..ours("2", 5) };
    let kept =
        Snapshot { cluster: "causeway-detached-shop-orders-east-20260101020000".into(), ..ours("k", 60) };
    let tagged = |of: &str| {
        let tags = vec![(CLUSTER_TAG.into(), of.into())];
        Snapshot { cluster: "anything".into(), tags, ..ours("t", 60) }
    };
    let nightly = Snapshot { id: "rds:shop-orders-east-2026".into(), ..ours("3", 5) };
    let cases = [
        ("none", vec![], None),
        ("one", vec![ours("a", 60)], Some("a")),
        ("at the very start", vec![ours("a", 0)], Some("a")),
        ("an older one", vec![ours("a", -1)], None),
        ("an older one too", vec![ours("a", -1), ours("b", 60)], Some("b")),
        ("a later one too", vec![ours("c", 90), ours("b", 60)], Some("b")),
        ("the first failed", vec![failed("a", 50), ours("b", 60)], Some("b")),
        ("all failed", vec![failed("a", 50)], Some("a")),
        ("being taken", vec![untimed.clone()], Some("n")),
        ("being taken, and one there", vec![untimed, ours("b", 60)], Some("b")),
        ("of clusters with a longer name", vec![namesake, renamed], None),
        ("of another kind", vec![nightly], None),
        ("renamed by a rebuild", vec![kept], Some("k")),
        ("taken by a rebuild", vec![tagged(OLD)], Some("t")),
        ("taken of another cluster by a rebuild", vec![tagged("arn:other")], None),
    ];
    for (case, snapshots, expected) in cases {
        let chosen = choose(&snapshots, OLD, failover()).map(|snapshot| snapshot.id);
        let expected =
            expected.map(|stamp| format!("rds:unplanned-global-failover-shop-orders-east-{stamp}"));
        assert_eq!(chosen, expected, "{case}");
    }
}

/// The group of another family is none that the cluster could have.
#[test]
fn the_parameter_group_is_the_plans_or_that_of_the_plans_cluster_there() {
    let group = |planned: Option<&str>, version: Option<&str>| {
        let mut want = want();
        want.how.parameter_group = planned.map(Into::into);
        let configured = version
            .map(|version| Configured { parameter_group: "west".into(), engine_version: version.into() });
        let seen =
            Seen { taken: Some(taken()), kept: Some(kept("available")), configured, ..Seen::default() };
        match decide(&want, &seen) {
            Decision::Act(Action::Restore(restore)) => restore.parameter_group,
            other => panic!("{other:?}"),
        }
    };
    let upgraded = "8.0.mysql_aurora.3.09.0";
    assert_eq!(group(Some("plan"), Some(upgraded)).as_deref(), Some("plan"));
    assert_eq!(group(None, Some(upgraded)).as_deref(), Some("west"));
    assert_eq!(group(None, Some("8.4.mysql_aurora.4.0.0")), None);
    assert_eq!(group(None, None), None);
    assert_eq!(family("aurora-postgresql", "16.4"), "16");
    assert_eq!(family("aurora-postgresql", "16"), "16");
}

#[test]
fn a_kept_copy_is_found_by_what_its_tags_say() {
    let moved = |from: &str, to: &str| {
        let mut kept = kept("available");
        for (_, value) in &mut kept.tags {
            *value = value.replace(from, to);
        }
        kept
    };
    let cases = [
        ("ours", kept("available"), true),
        ("failed", kept("failed"), false),
        ("untagged", Snapshot { tags: Vec::new(), ..kept("available") }, false),
        ("of an earlier failover", moved("2026-01-01T", "2025-12-31T"), false),
        ("from another Region", moved("sandbox-east", "sandbox-north"), false),
    ];
    for (case, snapshot, expected) in cases {
        assert_eq!(choose_kept(&[snapshot], OLD, failover()).is_some(), expected, "{case}");
    }
}

const NEW: &str = "arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west";

/// The snapshot of a new primary that a failover asked for.
fn takeover(name: &str, stamp: &str, minutes: i64) -> Snapshot {
    let id = format!("causeway-takeover-shop-{name}-west-{stamp}");
    let arn = NEW.replace("orders", name);
    Snapshot {
        arn: format!("arn:aws:rds:{WEST}:000000000000:cluster-snapshot:{id}"),
        id,
        tags: vec![(TAKEOVER_TAG.into(), "failover".into()), (CLUSTER_TAG.into(), arn)],
        ..aurora_snapshot("", "", minutes)
    }
}

#[test]
fn the_state_at_the_takeover_is_the_first_that_was_kept_since_the_failover_began() {
    let ours = |stamp: &str, minutes: i64| takeover("orders", stamp, minutes);
    let untagged = Snapshot { tags: Vec::new(), ..ours("u", 1) };
    let failed = Snapshot { status: "failed".into(), ..ours("f", 1) };
    let cases = [
        ("none", vec![], None),
        ("one", vec![ours("a", 1)], Some("a")),
        ("of an earlier failover", vec![ours("a", -1)], None),
        ("asked for again", vec![ours("b", 9), ours("a", 1)], Some("a")),
        ("the first has failed", vec![failed.clone(), ours("b", 9)], Some("b")),
        ("all have failed", vec![failed], Some("f")),
        ("of another database", vec![takeover("catalog", "a", 1)], None),
        ("by somebody else", vec![untagged], None),
        ("a kept copy of an old primary", vec![kept("available")], None),
    ];
    for (case, snapshots, expected) in cases {
        let chosen = choose_base(&snapshots, NEW, failover()).map(|snapshot| snapshot.id);
        let expected = expected.map(|stamp| format!("causeway-takeover-shop-orders-west-{stamp}"));
        assert_eq!(chosen, expected, "{case}");
    }
}

#[test]
fn what_stands_in_the_way_of_the_state_at_the_takeover_is_a_reason_to_go_on_without_it() {
    let want = Want { what: Copied::Base, ..want() };
    let with = |status: &str| {
        let kept = Some(Snapshot { status: status.into(), ..takeover("orders", "a", 1) });
        decide_base(&want, &Seen { kept, ..Seen::default() })
    };
    assert!(decide_base(&want, &Seen::default()).unwrap_err().contains("no snapshot"));
    assert!(with("failed").unwrap_err().contains("is failed"));
    assert!(matches!(with("creating"), Ok(Decision::Wait(_))));
    let Ok(Decision::Act(Action::Restore(restore))) = with("available") else { panic!("not restored") };
    assert_eq!(restore.id, "causeway-base-4105a4fcf944-orders");
    assert_eq!(tag(&restore.tags, EXECUTION_TAG), Some(EXECUTION));
    assert_eq!(tag(&restore.tags, SNAPSHOT_TIME_TAG), Some("2026-01-01T00:01:00Z"));
    let foreign = Cluster { id: restore.id, tags: Vec::new(), ..cluster("available", EXECUTION) };
    let seen = Seen { cluster: Some(foreign), ..Seen::default() };
    assert!(decide_base(&want, &seen).unwrap_err().contains("without this execution's tag"));
}

#[test]
fn the_old_primary_is_the_member_in_the_region_that_was_left_wherever_the_writer_is_now() {
    assert_eq!(old_primary(&global("orders", WEST), EAST).unwrap(), (OLD.to_owned(), false));
    assert_eq!(old_primary(&global("orders", EAST), EAST).unwrap(), (OLD.to_owned(), true));
    let decided = |global: &GlobalCluster| *old_primary(global, EAST).unwrap_err();
    assert!(matches!(decided(&global("orders", "nobody")), Decision::Wait(_)));
    let mut alone = global("orders", WEST);
    alone.members.remove(0);
    assert!(matches!(decided(&alone), Decision::Refuse(_)));
}

/// Aurora takes its snapshot before the old primary is a secondary, and only a secondary becomes the writer again.
#[test]
fn a_snapshot_is_not_waited_for_where_the_old_primary_is_the_writer_again() {
    let again = Want { is_writer_again: true, ..want() };
    assert!(matches!(decide(&want(), &Seen::default()), Decision::Wait(_)));
    let Decision::Refuse(reason) = decide(&again, &Seen::default()) else { panic!("it waits") };
    assert!(reason.contains("can't be found any more"), "{reason}");
    for there in [
        Seen { taken: Some(taken()), ..Seen::default() },
        Seen { kept: Some(kept("available")), ..Seen::default() },
    ] {
        assert!(matches!(decide(&again, &there), Decision::Act(_)));
    }
}

#[test]
fn each_state_has_its_decision() {
    #[derive(Debug, PartialEq)]
    enum Kind {
        Done,
        Copy,
        Restore,
        Create,
        Wait,
        Refuse,
    }
    let status = |status: &str| Some(Snapshot { status: status.into(), ..taken() });
    let ours = |status: &str| Some(cluster(status, EXECUTION));
    let available = Some(instance("available", EXECUTION));
    let only_cluster = |cluster| Seen { cluster, ..Seen::default() };
    let both = |status: &str, instance| Seen { cluster: ours(status), instance, ..Seen::default() };
    let with_kept = |kept| Seen { taken: Some(taken()), kept: Some(kept), ..Seen::default() };
    let cases = [
        ("nothing", Seen::default(), Kind::Wait, "not taken yet"),
        ("being taken", Seen { taken: status("creating"), ..Seen::default() }, Kind::Wait, "is taking"),
        ("failed", Seen { taken: status("failed"), ..Seen::default() }, Kind::Refuse, "is failed"),
        ("taken", Seen { taken: Some(taken()), ..Seen::default() }, Kind::Copy, ""),
        ("copying", with_kept(kept("copying")), Kind::Wait, "copying"),
        ("copy failed", with_kept(kept("failed")), Kind::Refuse, "delete it"),
        (
            "a namesake",
            with_kept(Snapshot { tags: Vec::new(), ..kept("available") }),
            Kind::Refuse,
            "not tagged",
        ),
        ("kept", with_kept(kept("available")), Kind::Restore, ""),
        ("kept only", Seen { kept: Some(kept("available")), ..Seen::default() }, Kind::Restore, ""),
        ("restoring", only_cluster(ours("creating")), Kind::Wait, "is creating"),
        ("restored", only_cluster(ours("available")), Kind::Create, ""),
        ("restore failed", only_cluster(ours("incompatible-restore")), Kind::Refuse, "clean-up"),
        ("being cleaned up", only_cluster(ours("deleting")), Kind::Refuse, "is deleting"),
        (
            "another's cluster",
            only_cluster(Some(cluster("available", "else"))),
            Kind::Refuse,
            "did not create it",
        ),
        ("creating", both("available", Some(instance("creating", EXECUTION))), Kind::Wait, "is creating"),
        ("instance failed", both("available", Some(instance("failed", EXECUTION))), Kind::Refuse, "clean-up"),
        (
            "another's instance",
            both("available", Some(instance("available", "else"))),
            Kind::Refuse,
            "this execution did not create it",
        ),
        ("cluster not yet", both("creating", available.clone()), Kind::Wait, "is creating"),
        ("done", both("available", available.clone()), Kind::Done, ""),
        ("no cluster", Seen { instance: available, ..Seen::default() }, Kind::Refuse, "not its cluster"),
    ];
    for (case, seen, kind, part) in cases {
        let (is, reason) = match decide(&want(), &seen) {
            Decision::AlreadyDone => (Kind::Done, String::new()),
            Decision::Act(Action::Copy(_)) => (Kind::Copy, String::new()),
            Decision::Act(Action::Restore(_)) => (Kind::Restore, String::new()),
            Decision::Act(Action::Create(_)) => (Kind::Create, String::new()),
            Decision::Wait(reason) => (Kind::Wait, reason),
            Decision::Refuse(reason) => (Kind::Refuse, reason),
        };
        assert_eq!(is, kind, "{case}: {reason}");
        assert!(reason.contains(part), "{case}: {reason}");
    }
}

#[test]
fn an_encrypted_snapshot_needs_a_key_to_cross_regions() {
    let seen = Seen { taken: Some(Snapshot { encrypted: true, ..taken() }), ..Seen::default() };
    let key = |want: &Want, seen: &Seen| match decide(want, seen) {
        Decision::Act(Action::Copy(copy)) => Ok(copy.kms_key),
        other => Err(Box::new(other)),
    };
    let Decision::Refuse(reason) = decide(&want(), &seen) else { panic!("not refused") };
    assert!(reason.contains("databases.orders.members.sandbox-west.restore.kmsKey"), "{reason}");
    let mut with_key = want();
    with_key.how.kms_key = Some("key".into());
    assert_eq!(key(&with_key, &seen).unwrap().as_deref(), Some("key"));
    // RDS refuses a key for a snapshot that is not encrypted.
    assert_eq!(key(&with_key, &Seen { taken: Some(taken()), ..Seen::default() }).unwrap(), None);
    // In its own Region the snapshot's own key does.
    assert_eq!(key(&Want { region: EAST.into(), ..with_key }, &seen).unwrap(), None);
    assert_eq!(key(&Want { region: EAST.into(), ..want() }, &seen).unwrap(), None);
}

#[test]
fn a_restore_takes_the_snapshots_engine_version_and_the_regions_network() {
    let mut want = want();
    want.how = Restore {
        instance_class: "db.serverless".into(),
        subnet_group: Some("private".into()),
        security_groups: vec!["sg-1".into()],
        ..Restore::default()
    };
    let seen = Seen { taken: Some(taken()), kept: Some(kept("available")), ..Seen::default() };
    let Decision::Act(Action::Restore(restore)) = decide(&want, &seen) else { panic!("no restore") };
    assert_eq!(restore.engine_version, taken().engine_version);
    assert_eq!(restore.subnet_group.as_deref(), Some("private"));
    assert_eq!(restore.security_groups, ["sg-1"]);
    assert_eq!(restore.serverless, Some(SERVERLESS));
    assert!(!restore.iam);
    let by_iam = Want { iam: true, ..want };
    assert!(matches!(
        decide(&by_iam, &seen),
        Decision::Act(Action::Restore(RestoreCluster { iam: true, .. }))
    ));
    assert!(restore.tags.contains(&(EXECUTION_TAG.into(), EXECUTION.into())));
    for name in [SNAPSHOT_TAG, SNAPSHOT_TIME_TAG] {
        assert_eq!(tag(&restore.tags, name), tag(&kept("available").tags, name), "{name}");
    }
    assert!(
        !kept("available").tags.iter().any(|(key, _)| key == EXECUTION_TAG),
        "evidence is not cleaned up"
    );
}

#[test]
fn a_system_snapshots_identifier_has_a_colon() {
    assert_eq!(snapshot_id(&taken().arn), taken().id);
}

/// What there is when all is restored.
fn done() -> Vec<String> {
    let thing = |kind: &str, id: &str| format!("sandbox-west {kind} {id} available");
    let kept = |name: &str| {
        let snapshot = aurora_snapshot(&format!("shop-{name}-east"), "2026-01-01-01-00", 60);
        thing("snapshot", &names::kept_snapshot(&snapshot.id))
    };
    vec![
        thing("cluster", "causeway-4105a4fcf944-catalog"),
        thing("cluster", "causeway-4105a4fcf944-orders"),
        thing("instance", "causeway-4105a4fcf944-catalog-1"),
        thing("instance", "causeway-4105a4fcf944-orders-1"),
        kept("catalog"),
        kept("orders"),
    ]
}

type Shared = std::sync::Arc<std::sync::Mutex<World>>;

async fn call_in(world: &Shared, region: &str) -> Result<Outcome<Observed>, StepError> {
    let (context, plan) = (context(), plan::sample());
    let here = clients(world);
    run(&given(&context, &plan, region), &here(WEST), here).await
}

async fn call(world: &Shared) -> Result<Outcome<Observed>, StepError> {
    call_in(world, WEST).await
}

async fn clean(world: &Shared) -> Status {
    let (context, plan) = (context(), plan::sample());
    cleanup::run(&given(&context, &plan, WEST), clients(world)).await.unwrap().status
}

#[tokio::test(start_paused = true)]
async fn the_old_primaries_come_back_and_their_endpoints_are_told() {
    let world = World::after_failover();
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    assert_eq!(outcome.changed.len(), 6, "{:?}", outcome.changed);
    assert_eq!(world.lock().unwrap().inventory(), done());
    let orders = serde_json::to_value(&outcome.observed.databases["orders"]).unwrap();
    let expected = serde_json::json!({
        "stage": "available",
        "oldPrimary": OLD,
        "snapshot": "rds:unplanned-global-failover-shop-orders-east-2026-01-01-01-00",
        "snapshotTime": "2026-01-01T01:00:00Z",
        "keptSnapshot": names::kept_snapshot(&taken().id),
        "cluster": "causeway-4105a4fcf944-orders",
        "region": "sandbox-west",
        "endpoint": "causeway-4105a4fcf944-orders.sandbox-west.sandbox",
        "port": 3306,
        "base": {
            "snapshot": null,
            "snapshotTime": null,
            "cluster": null,
            "isAvailable": false,
            "missing": "no snapshot of it was taken",
        },
    });
    assert_eq!(orders, expected);
    let again = call(&world).await.unwrap();
    assert_eq!((again.status, again.changed), (Status::Done, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn any_call_may_fail_and_the_next_one_ends_in_the_same_state_with_nothing_leaked() {
    for fault in FAULTS {
        for k in 1.. {
            let world = World::after_failover();
            world.lock().unwrap().calls.fault = Some((k, fault));
            let first = call(&world).await;
            let hit = world.lock().unwrap().calls.was_hit();
            world.lock().unwrap().calls.fault = None;
            assert!(first.is_err() || !hit || fault != Fault::Fails(Kind::Failed), "call {k} failed unseen");
            let again = call(&world).await.unwrap();
            assert_eq!(again.status, Status::Done, "{fault:?} at {k}: {}", again.reason);
            {
                let mut world = world.lock().unwrap();
                assert_eq!(world.inventory(), done(), "{fault:?} at {k}");
                assert_eq!(
                    world.changes.len(),
                    6,
                    "{fault:?} at {k}: each is made once: {:?}",
                    world.changes
                );
            }
            assert_eq!(clean(&world).await, Status::Done, "{fault:?} at {k}");
            assert_eq!(world.lock().unwrap().inventory(), done()[4..], "only the evidence stays");
            if !hit {
                break;
            }
        }
    }
}

/// A world in which the failover has kept the states at the takeover.
fn with_takeovers() -> Shared {
    let world = World::after_failover();
    for name in ["catalog", "orders"] {
        world.lock().unwrap().add_snapshot(WEST, takeover(name, "a", 1));
    }
    world
}

fn bases(world: &Shared) -> Vec<String> {
    let mut all = world.lock().unwrap().inventory();
    all.retain(|thing| thing.contains("causeway-base-"));
    all
}

#[tokio::test(start_paused = true)]
async fn the_state_at_the_takeover_is_restored_beside_the_old_primary_and_cleaned_up_like_it() {
    let world = with_takeovers();
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    assert_eq!(bases(&world).len(), 4, "{:?}", bases(&world));
    let base = outcome.observed.databases["orders"].base.clone().unwrap();
    assert_eq!((base.is_available, base.missing, base.snapshot_time), (true, None, Some(minutes_after(1))));
    assert_eq!(clean(&world).await, Status::Done);
    assert!(bases(&world).is_empty());
    let left = world.lock().unwrap().inventory();
    assert!(left.iter().any(|thing| thing.contains("causeway-takeover-shop-orders-west-a")), "{left:?}");

    let mut plan = plan::sample();
    for database in plan.databases.values_mut() {
        database.reconcile.base = BaseSource::None;
    }
    let (context, world) = (context(), with_takeovers());
    let here = clients(&world);
    let outcome = run(&given(&context, &plan, WEST), &here(WEST), here).await.unwrap();
    assert_eq!((outcome.status, bases(&world).len()), (Status::Done, 0), "the plan wants none");

    let world = with_takeovers();
    let outcome = call_in(&world, EAST).await.unwrap();
    assert_eq!((outcome.status, bases(&world).len()), (Status::Done, 0), "{}", outcome.reason);
    assert!(outcome.reason.contains("it is in sandbox-west"), "{}", outcome.reason);
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_about_the_state_at_the_takeover_the_old_primary_is_restored() {
    for fault in FAULTS {
        for k in 1.. {
            let world = with_takeovers();
            world.lock().unwrap().calls.fault = Some((k, fault));
            let first = call(&world).await;
            let hit = world.lock().unwrap().calls.was_hit();
            world.lock().unwrap().calls.fault = None;
            if let Ok(first) = &first
                && hit
                && fault == Fault::Fails(Kind::Failed)
            {
                assert!(first.reason.contains("without the state at the takeover"), "{k}: {}", first.reason);
            }
            assert_eq!(call(&world).await.unwrap().status, Status::Done, "{fault:?} at {k}");
            let all = world.lock().unwrap().inventory();
            assert!(done().iter().all(|thing| all.contains(thing)), "{fault:?} at {k}: {all:?}");
            assert_eq!(clean(&world).await, Status::Done, "{fault:?} at {k}");
            assert!(bases(&world).is_empty(), "{fault:?} at {k}");
            if !hit {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_execution_uses_the_kept_copy_when_auroras_snapshot_has_expired() {
    let world = World::after_failover();
    assert_eq!(call(&world).await.unwrap().status, Status::Done);
    assert_eq!(clean(&world).await, Status::Done);
    world.lock().unwrap().forget_aurora_snapshots();
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    assert_eq!(world.lock().unwrap().copies.len(), 2, "copied once each");
    let orders = &outcome.observed.databases["orders"];
    assert_eq!(orders.snapshot.as_deref(), Some(taken().id.as_str()));
    assert_eq!(orders.snapshot_time, taken().created, "the time of the original, not of its copy");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_not_there_is_waited_for_until_the_limit() {
    let world = World::after_failover();
    world.lock().unwrap().forget_aurora_snapshots();
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::InProgress);
    assert!(
        outcome.reason.contains("orders: Aurora's snapshot of shop-orders-east is not taken yet"),
        "{}",
        outcome.reason
    );

    let (context, plan) = (context(), plan::sample());
    let here = clients(&world);
    let late = Run { since: failover(), ..given(&context, &plan, WEST) };
    let outcome = run(&late, &here(WEST), here).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("limits.restoreMinutes"), "{}", outcome.reason);
    assert_eq!(outcome.observed.since, failover());
}

#[tokio::test(start_paused = true)]
async fn when_one_database_is_refused_the_others_evidence_is_still_saved() {
    let world = World::after_failover();
    {
        let mut world = world.lock().unwrap();
        world.add_cluster(WEST, "causeway-4105a4fcf944-orders", "available", Vec::new());
    }
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(
        outcome.reason.starts_with("orders: cluster causeway-4105a4fcf944-orders exists"),
        "{}",
        outcome.reason
    );
    let world = world.lock().unwrap();
    assert_eq!((world.copies.len(), world.restores.len(), world.creates.len()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_the_right_record_nothing_is_touched() {
    let world = World::after_failover();
    world.lock().unwrap().record = None;
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("records/shop/last-failover.json"), "{}", outcome.reason);

    // No snapshot is of that failover, and the databases are where it had left: there will never be one.
    let world = World::after_failover();
    {
        let mut world = world.lock().unwrap();
        world.globals.insert("shop-orders".into(), global("orders", EAST));
        world.record.as_mut().unwrap().started_at = Timestamp::MAX;
    }
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("what it lost can't be found any more"), "{}", outcome.reason);
    assert!(world.lock().unwrap().restores.is_empty());
}

/// The databases were moved back since: what the failover lost is in the snapshot all the same.
#[tokio::test(start_paused = true)]
async fn the_old_primary_is_restored_where_it_is_the_writer_again_too() {
    let world = World::after_failover();
    for name in ["catalog", "orders"] {
        world.lock().unwrap().globals.insert(format!("shop-{name}"), global(name, EAST));
    }
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
}

#[tokio::test(start_paused = true)]
async fn the_old_region_can_be_restored_in_too() {
    let world = World::after_failover();
    let outcome = call_in(&world, EAST).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    let mut world = world.lock().unwrap();
    assert!(world.inventory().iter().all(|line| line.starts_with(EAST)), "{:?}", world.inventory());
}
