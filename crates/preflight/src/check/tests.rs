use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runbook::arc::{Endpoint, ReadStates, State, TryError};
use runbook::aurora::{
    Cluster, DescribeCluster, DescribeGlobalCluster, GlobalCluster, GlobalMember, Instance, Operation,
};
use runbook::fakes::{Calls, Fault, instance};
use runbook::lag::Lag;
use runbook::lock::Lock;
use runbook::plan::{BeyondRpo, Engine, Strategy};
use runbook::record::MoveOutcome::{self, Failed, Succeeded};
use runbook::record::{
    FailoverRecord, ReadLastFailover, ReadLastReconciliation, ReadLastSwitchover, ReconciliationRecord,
    SwitchoverRecord,
};
use runbook::step::Trigger;
use runbook::{Status, arc};

use super::database::without_patch;
use super::decide::decide;
use super::findings::Decision;
use super::observe::{CheckApis, IMPAIRED, observe};
use super::outcome::{BRIEF, brief, outcome};
use super::seen::{CheckSeen, DatabaseSeen, MoveAsked};
use super::*;
use crate::event::Cooldown;
use crate::evidence::Evidence;
use crate::world::{Alarm, DescribeInstances, MeasureLag, ReadAlarms};

const EAST: &str = "sandbox-east";
const WEST: &str = "sandbox-west";

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

/// A lag of a minute before [`now`].
fn lag(seconds: f64) -> Result<Option<Lag>, String> {
    Ok(Some(Lag { seconds, at: "2026-01-31T11:59:00Z".parse().unwrap() }))
}

fn arn(name: &str, region: &str) -> String {
    runbook::plan::sample().databases[name].members[region].cluster_arn.clone()
}

fn cluster(name: &str, region: &str) -> Cluster {
    let arn = arn(name, region);
    Cluster {
        id: arn.rsplit(':').next().unwrap().to_owned(),
        arn,
        status: "available".into(),
        engine: "aurora-mysql".into(),
        engine_version: "8.0.mysql_aurora.3.08.0".into(),
        endpoint: None,
        reader_endpoint: None,
        created: None,
        port: None,
        instances: Vec::new(),
        tags: Vec::new(),
    }
}

fn global(name: &str, writer: &str) -> GlobalCluster {
    let member = |region: &str| GlobalMember {
        cluster_arn: arn(name, region),
        is_writer: region == writer,
        synchronization: Some("connected".into()),
    };
    GlobalCluster {
        id: format!("shop-{name}"),
        status: "available".into(),
        members: vec![member(EAST), member(WEST)],
        operation: None,
    }
}

fn operation(name: &str) -> Operation {
    Operation {
        status: "failing-over".into(),
        from: arn(name, EAST),
        to: arn(name, WEST),
        data_loss_allowed: true,
    }
}

fn database(name: &str) -> DatabaseSeen {
    DatabaseSeen {
        engine: Engine::AuroraMysql,
        target_arn: arn(name, WEST),
        global: global(name, EAST),
        target: Some(cluster(name, WEST)),
        instances: vec![instance("one", "available")],
        other: Ok(Some(cluster(name, EAST))),
        lag: lag(0.8),
    }
}

fn record(outcome: MoveOutcome, minutes_ago: i64) -> FailoverRecord {
    let ended_at = now() - SignedDuration::from_mins(minutes_ago);
    FailoverRecord {
        plan: "shop".into(),
        execution: "e".into(),
        outcome,
        from_region: WEST.into(),
        to_region: EAST.into(),
        started_at: ended_at,
        ended_at,
        lag: BTreeMap::new(),
    }
}

/// That somebody has looked for what a failover lost.
fn reconciled(failover: &str) -> Result<Option<ReconciliationRecord>, String> {
    Ok(Some(ReconciliationRecord {
        plan: "shop".into(),
        execution: "r".into(),
        failover: failover.into(),
        ended_at: now(),
    }))
}

/// A world in which everything is well; what the execution `e` lost was looked for.
fn seen() -> CheckSeen {
    CheckSeen {
        databases: ["catalog", "orders"].map(|name| (name.to_owned(), database(name))).into(),
        arc: (1..=5)
            .map(|i| (format!("arc-{i}"), Ok(BTreeMap::from([(EAST.to_owned(), State::On)]))))
            .collect(),
        record: Ok(None),
        other_record: Ok(None),
        switchovers: [Ok(None), Ok(None)],
        reconciliation: reconciled("e"),
        evidence: Evidence::new(),
        locked: None,
    }
}

fn asked(mode: Mode) -> MoveAsked<'static> {
    MoveAsked { target: WEST, other: EAST, mode, trigger: Trigger::Manual, cooldown: Cooldown::Keep }
}

/// A failover is decided by a plan under which no lag is small enough to call the secondaries in step.
fn decided(seen: &CheckSeen, mode: Mode) -> Decision {
    let mut plan = runbook::plan::sample();
    if mode == Mode::Failover {
        plan.failback.lag_seconds = 0;
    }
    decide(seen, &asked(mode), &plan, now())
}

/// A switchover would do the same and lose nothing.
#[test]
fn a_failover_away_from_a_region_that_is_in_step_needs_a_person() {
    type Spoil = fn(&mut CheckSeen);
    fn orders(seen: &mut CheckSeen) -> &mut DatabaseSeen {
        seen.databases.get_mut("orders").unwrap()
    }
    let decided = |seen: &CheckSeen, mode, trigger| {
        decide(seen, &MoveAsked { trigger, ..asked(mode) }, &runbook::plan::sample(), now())
    };
    let decision = decided(&seen(), Mode::Failover, Trigger::Manual);
    assert_eq!(decision.status, Status::NeedsApproval, "{decision:?}");
    assert!(
        decision.reasons[0].contains("sandbox-east answers") && decision.reasons[0].contains("failback"),
        "{decision:?}"
    );
    let spoils: [Spoil; 5] = [
        |seen| orders(seen).other = Err("silent".into()),
        |seen| orders(seen).other = Ok(None),
        |seen| orders(seen).other.as_mut().unwrap().as_mut().unwrap().status = "failing".into(),
        |seen| orders(seen).global.members[1].synchronization = None,
        |seen| orders(seen).lag = lag(10.1),
    ];
    for spoil in spoils {
        let mut seen = seen();
        spoil(&mut seen);
        let decision = decided(&seen, Mode::Failover, Trigger::Manual);
        assert!(!decision.reasons.iter().any(|reason| reason.contains("failback, started")), "{decision:?}");
    }
    // An event brings its evidence, or none.
    let decision = decided(&seen(), Mode::Failover, Trigger::Automatic);
    assert!(!decision.reasons.iter().any(|reason| reason.contains("failback, started")), "{decision:?}");
}

#[test]
fn when_all_is_well_it_is_ready_without_a_word() {
    for mode in [Mode::Failover, Mode::Switchover] {
        let expected = Decision { status: Status::Ready, reasons: Vec::new(), notes: Vec::new() };
        assert_eq!(decided(&seen(), mode), expected);
    }
}

/// Each case spoils one thing of the well world: what is found, in a failover and in a switchover. `note` is a status of
/// `Ready` with the text among the notes.
#[test]
fn each_thing_that_is_not_well_is_found() {
    use Status::{NeedsApproval, Ready, Refused};
    type Spoil = fn(&mut CheckSeen);
    fn orders(seen: &mut CheckSeen) -> &mut DatabaseSeen {
        seen.databases.get_mut("orders").unwrap()
    }
    let cases: Vec<(&str, Spoil, Status, Status)> = vec![
        (
            "sandbox-west already is primary of every database (catalog, orders)",
            |seen| {
                for (name, database) in &mut seen.databases {
                    database.global = global(name, WEST);
                    database.lag = Ok(None);
                }
            },
            Refused,
            Ready,
        ),
        (
            "sandbox-west already is primary of orders",
            |seen| {
                orders(seen).global = global("orders", WEST);
                orders(seen).lag = Ok(None);
            },
            Ready,
            Ready,
        ),
        (
            "orders: a failover from sandbox-east to sandbox-west is already running (failing-over)",
            |seen| orders(seen).global.operation = Some(operation("orders")),
            Refused,
            Refused,
        ),
        (
            "orders: a failover from sandbox-east to sandbox-west is already running",
            |seen| {
                orders(seen).global = global("orders", WEST);
                orders(seen).global.operation = Some(operation("orders"));
            },
            Refused,
            Refused,
        ),
        (
            "orders: global cluster shop-orders has more than one writer",
            |seen| orders(seen).global.members.iter_mut().for_each(|member| member.is_writer = true),
            Refused,
            Refused,
        ),
        (
            "orders: global cluster shop-orders has no member in sandbox-west",
            |seen| orders(seen).global.members.retain(|member| member.is_writer),
            Refused,
            Refused,
        ),
        (
            "orders: the member in sandbox-west is arn:aws:rds:sandbox-west:0:cluster:other, the plan says",
            |seen| {
                orders(seen).global.members[1].cluster_arn =
                    "arn:aws:rds:sandbox-west:0:cluster:other".into();
            },
            Refused,
            Refused,
        ),
        ("orders: there is no cluster arn:", |seen| orders(seen).target = None, Refused, Refused),
        ("has no instance: add one first", |seen| orders(seen).instances.clear(), Refused, Refused),
        (
            "no instance of cluster shop-orders-west in sandbox-west is available: one is rebooting",
            |seen| orders(seen).instances[0].status = "rebooting".into(),
            Refused,
            Refused,
        ),
        (
            "cluster shop-orders-west in sandbox-west is upgrading",
            |seen| orders(seen).target.as_mut().unwrap().status = "upgrading".into(),
            NeedsApproval,
            Refused,
        ),
        (
            "engine version 8.0.mysql_aurora.3.09.0 in sandbox-east, 8.0.mysql_aurora.3.08.0 in sandbox-west: a managed",
            |seen| {
                let mut other = cluster("orders", EAST);
                other.engine_version = "8.0.mysql_aurora.3.09.0".into();
                orders(seen).other = Ok(Some(other));
            },
            Refused,
            Refused,
        ),
        (
            "some versions need the same patch level",
            |seen| {
                let mut other = cluster("orders", EAST);
                other.engine_version = "8.0.mysql_aurora.3.08.1".into();
                orders(seen).other = Ok(Some(other));
            },
            NeedsApproval,
            Refused,
        ),
        (
            "orders: the engine version in sandbox-east is not known: silent",
            |seen| orders(seen).other = Err("silent".into()),
            Ready,
            Refused,
        ),
        (
            "orders: the engine version in sandbox-east is not known: there is no such cluster",
            |seen| orders(seen).other = Ok(None),
            Ready,
            Refused,
        ),
        (
            "orders: the cluster in sandbox-west waits for its resynchronisation",
            |seen| orders(seen).global.members[1].synchronization = Some("pending-resync".into()),
            Ready,
            Refused,
        ),
        ("lag 60.1 s is beyond the limit of ", |seen| orders(seen).lag = lag(60.1), NeedsApproval, Refused),
        ("no value of the last 10 minutes", |seen| orders(seen).lag = Ok(None), NeedsApproval, Refused),
        (
            "orders: replication lag is not known: denied",
            |seen| orders(seen).lag = Err("denied".into()),
            NeedsApproval,
            Refused,
        ),
        (
            "no ARC endpoint answers, traffic could not be moved: arc-1: down",
            |seen| seen.arc.values_mut().for_each(|answer| *answer = Err("down".into())),
            Refused,
            Refused,
        ),
        (
            "only 2 of 5 ARC endpoints answer: arc-1: down; arc-2: down; arc-3: down",
            |seen| seen.arc.values_mut().take(3).for_each(|answer| *answer = Err("down".into())),
            Ready,
            Ready,
        ),
        (
            "ended at 2026-01-31T11:01:00Z, the cooldown lasts until 2026-01-31T12:01:00Z",
            |seen| seen.record = Ok(Some(record(Succeeded, 59))),
            Refused,
            Ready,
        ),
        (
            "the failover from sandbox-west to sandbox-east ended",
            |seen| seen.other_record = Ok(Some(record(Succeeded, 0))),
            Refused,
            Ready,
        ),
        (
            "the record of the last switchover in sandbox-west can't be read: denied",
            |seen| seen.switchovers[0] = Err("denied".into()),
            Ready,
            Ready,
        ),
        (
            "the record of the last switchover in sandbox-east can't be read: silent",
            |seen| seen.switchovers[1] = Err("silent".into()),
            Ready,
            Ready,
        ),
        (
            "whether a failover was made lately is not known: denied",
            |seen| seen.record = Err("denied".into()),
            NeedsApproval,
            Ready,
        ),
        (
            "the record of the last failover in sandbox-east can't be read: silent",
            |seen| seen.other_record = Err("silent".into()),
            Ready,
            NeedsApproval,
        ),
    ];
    for (expected, spoil, failover, switchover) in cases {
        for (mode, status) in [(Mode::Failover, failover), (Mode::Switchover, switchover)] {
            let mut seen = seen();
            spoil(&mut seen);
            let decision = decided(&seen, mode);
            assert_eq!(decision.status, status, "{mode:?}: {expected}: {decision:?}");
            let texts = if status == Ready { &decision.notes } else { &decision.reasons };
            assert!(
                texts.iter().any(|text| text.contains(expected)),
                "{mode:?}: {expected} is missing in: {texts:?}"
            );
        }
    }
}

/// What a failover does not ask for, and a switchover needs.
#[test]
fn a_switchover_needs_more_than_a_failover() {
    type Spoil = fn(&mut DatabaseSeen);
    let cases: [(&str, Spoil); 4] = [
        ("orders: replication lag 10.1 s is beyond the limit of 10 s (`failback.lagSeconds`)", |orders| {
            orders.lag = lag(10.1);
        }),
        ("the cluster in sandbox-west is not known, and a switchover needs it connected", |orders| {
            orders.global.members[1].synchronization = None;
        }),
        ("the cluster in sandbox-west is resyncing, and a switchover", |orders| {
            orders.global.members[1].synchronization = Some("resyncing".into());
        }),
        ("orders: cluster shop-orders-east in sandbox-east is upgrading", |orders| {
            let mut other = cluster("orders", EAST);
            other.status = "upgrading".into();
            orders.other = Ok(Some(other));
        }),
    ];
    for (expected, spoil) in cases {
        let mut seen = seen();
        spoil(seen.databases.get_mut("orders").unwrap());
        assert_eq!(decided(&seen, Mode::Failover).status, Status::Ready, "{expected}");
        let decision = decided(&seen, Mode::Switchover);
        assert_eq!(decision.status, Status::Refused, "{expected}: {decision:?}");
        assert!(decision.reasons[0].contains(expected), "{expected} is missing in: {decision:?}");
    }
}

/// Each case is a state of orders; catalog has another engine version in the other Region, so that it needs a detach.
#[test]
fn a_detach_is_ready_where_a_managed_failover_is_not_possible_and_asks_where_it_may_be() {
    use Status::{NeedsApproval, Ready, Refused};
    type Spoil = fn(&mut DatabaseSeen);
    let cases: [(&str, Spoil, Status); 7] = [
        ("orders: nothing is seen that stands against a managed failover", |_| {}, NeedsApproval),
        (
            "orders: engine version",
            |orders| orders.other.as_mut().unwrap().as_mut().unwrap().engine_version = "9".into(),
            Ready,
        ),
        (
            "orders: the engine version in sandbox-east is not known",
            |orders| orders.other = Err("silent".into()),
            Ready,
        ),
        (
            "is already running (failing-over): approve if it is stuck",
            |orders| orders.global.operation = Some(operation("orders")),
            NeedsApproval,
        ),
        (
            "waits for its resynchronisation: it can't stand for itself",
            |orders| orders.global.members[1].synchronization = Some("pending-resync".into()),
            Refused,
        ),
        ("orders: there is no cluster arn:", |orders| orders.target = None, Refused),
        // It has left already: the rest of a detach.
        (
            "sandbox-west already is primary of orders",
            |orders| orders.global.members.retain(|one| one.is_writer),
            Ready,
        ),
    ];
    for (expected, spoil, status) in cases {
        let mut seen = seen();
        let other = &mut seen.databases.get_mut("catalog").unwrap().other;
        other.as_mut().unwrap().as_mut().unwrap().engine_version = "9".into();
        spoil(seen.databases.get_mut("orders").unwrap());
        let decision = decided(&seen, Mode::Detach);
        assert_eq!(decision.status, status, "{expected}: {decision:?}");
        let texts = if status == Ready { &decision.notes } else { &decision.reasons };
        assert!(texts.iter().any(|text| text.contains(expected)), "{expected} is missing in: {texts:?}");
        assert_eq!(decided(&seen, Mode::Failover).status, Refused, "catalog");
    }
}

#[test]
fn a_person_may_override_the_cooldown_and_an_event_may_not() {
    let mut seen = seen();
    seen.databases.values_mut().for_each(|database| database.other = Err("silent".into()));
    seen.record = Ok(Some(record(Succeeded, 1)));
    let decided = |trigger| {
        let asked = MoveAsked { cooldown: Cooldown::Override, trigger, ..asked(Mode::Failover) };
        decide(&seen, &asked, &runbook::plan::sample(), now())
    };
    let person = decided(Trigger::Manual);
    assert_eq!(person.status, Status::Ready, "{person:?}");
    assert!(person.notes.iter().any(|note| note.contains("the cooldown lasts until")), "{person:?}");
    let event = decided(Trigger::Automatic);
    assert!(event.reasons.iter().any(|reason| reason.contains("Cooldown=override")), "{event:?}");
}

/// The rest of a failover: traffic of the other Region and of the target, the last failover on record, the answer.
#[test]
fn a_failover_that_stopped_after_the_promotion_continues_where_that_is_clear() {
    use State::{Off, On};
    use Status::{NeedsApproval, Ready, Refused};
    let to_target = |outcome, minutes| {
        Some(FailoverRecord { from_region: EAST.into(), to_region: WEST.into(), ..record(outcome, minutes) })
    };
    let to_other = || Some(record(Succeeded, 6_000));
    let cases = [
        (On, Off, None, Refused),
        (On, On, to_target(Succeeded, 6_000), Refused),
        (On, On, to_target(Failed, 9), Ready),
        (On, Off, to_target(Failed, 9), Ready),
        (Off, Off, to_target(Succeeded, 6_000), Refused),
        (Off, On, to_target(Succeeded, 6_000), Refused),
        (Off, Off, to_target(Failed, 9), Ready),
        (Off, On, to_target(Failed, 9), Ready),
        (Off, Off, None, Ready),
        (Off, Off, to_other(), Ready),
        (Off, On, None, NeedsApproval),
        (Off, On, to_other(), NeedsApproval),
    ];
    for (other, target, last, expected) in cases {
        let mut seen = seen();
        for (name, database) in &mut seen.databases {
            database.global = global(name, WEST);
        }
        for states in seen.arc.values_mut() {
            *states = Ok(BTreeMap::from([(EAST.to_owned(), other), (WEST.to_owned(), target)]));
        }
        let case =
            format!("{other:?} {target:?} {:?}", last.as_ref().map(|last| (&last.to_region, &last.outcome)));
        seen.record = Ok(last);
        let decision = decided(&seen, Mode::Failover);
        assert_eq!(decision.status, expected, "{case}: {decision:?}");
        assert!(format!("{decision:?}").contains("already is primary of every database"), "{case}");
    }
}

/// Traffic of the other Region and of the target, the last failover, the last switchover, the answers to a failover and
/// to a switchover.
#[test]
fn a_switchover_since_the_last_failover_is_not_taken_for_it() {
    use State::{Off, On};
    use Status::{NeedsApproval, Ready, Refused};
    let failover = |to: &str, outcome, minutes| {
        Some(FailoverRecord { to_region: to.into(), ..record(outcome, minutes) })
    };
    let switchover = |to: &str, outcome, minutes| {
        let record = record(outcome, minutes);
        Some(SwitchoverRecord {
            plan: record.plan,
            execution: record.execution,
            outcome: record.outcome,
            from_region: String::new(),
            to_region: to.into(),
            started_at: record.started_at,
            ended_at: record.ended_at,
            writes_stopped_at: None,
        })
    };
    let cases = [
        // Back in the east since, so that a failover is what moved it west again: its rest.
        (Off, Off, failover(WEST, Succeeded, 900), switchover(EAST, Succeeded, 800), Ready, Ready),
        (Off, On, failover(WEST, Succeeded, 900), switchover(EAST, Succeeded, 800), NeedsApproval, Ready),
        (Off, On, failover(WEST, Succeeded, 800), switchover(EAST, Succeeded, 900), Refused, Refused),
        // Moved west by a switchover.
        (Off, On, failover(EAST, Succeeded, 900), switchover(WEST, Succeeded, 800), Refused, Refused),
        (Off, On, None, switchover(WEST, Failed, 800), Refused, Ready),
        (On, Off, None, switchover(WEST, Failed, 800), Refused, Ready),
        (On, Off, None, switchover(WEST, Succeeded, 800), Refused, Ready),
        (On, On, None, None, Refused, Ready),
        (Off, On, None, None, NeedsApproval, Ready),
    ];
    for (other, target, last_failover, last_switchover, to_failover, to_switchover) in cases {
        for place in [0, 1] {
            let mut seen = seen();
            for (name, database) in &mut seen.databases {
                database.global = global(name, WEST);
            }
            for states in seen.arc.values_mut() {
                *states = Ok(BTreeMap::from([(EAST.to_owned(), other), (WEST.to_owned(), target)]));
            }
            seen.record = Ok(last_failover.clone());
            // A failover can read that of one Region only.
            seen.switchovers[place] = Ok(last_switchover.clone());
            seen.switchovers[1 - place] = Err("silent".into());
            let case = format!("{other:?} {target:?} {last_failover:?} {last_switchover:?}");
            for (mode, expected) in [(Mode::Failover, to_failover), (Mode::Switchover, to_switchover)] {
                let decision = decided(&seen, mode);
                assert_eq!(decision.status, expected, "{mode:?} {case}: {decision:?}");
            }
            // Killed between the two: one Region does not know of the switchover, so it is recorded again.
            if last_switchover.as_ref().is_some_and(|last| last.to_region == WEST) {
                seen.switchovers[1 - place] = Ok(None);
                assert_eq!(decided(&seen, Mode::Switchover).status, Ready, "{case}");
            }
        }
    }
}

/// To leave a Region that took over by failover, before anybody has looked for what that lost, needs a person; once.
#[test]
fn a_switchover_away_from_a_failover_that_nobody_has_reconciled_is_to_be_approved() {
    use Status::{NeedsApproval, Ready, Refused};
    type Change = fn(&mut CheckSeen);
    let switchover = |minutes| {
        let FailoverRecord { plan, execution, outcome, from_region, to_region, started_at, ended_at, .. } =
            record(Succeeded, minutes);
        SwitchoverRecord {
            plan,
            execution,
            outcome,
            from_region,
            to_region,
            started_at,
            ended_at,
            writes_stopped_at: None,
        }
    };
    let mut unreconciled = seen();
    unreconciled.other_record = Ok(Some(record(Succeeded, 900)));
    unreconciled.reconciliation = Ok(None);
    let cases: [(&str, Change, Status); 8] = [
        ("nobody has", |_| {}, NeedsApproval),
        (
            "a failed one lost writes, too",
            |seen| seen.other_record = Ok(Some(record(Failed, 900))),
            NeedsApproval,
        ),
        ("it can't be told", |seen| seen.reconciliation = Err("silent".into()), NeedsApproval),
        ("nor whether there was one", |seen| seen.other_record = Err("silent".into()), NeedsApproval),
        (
            "the failover was to the target",
            |seen| {
                let record = record(Succeeded, 900);
                let (from_region, to_region) = (record.to_region.clone(), record.from_region.clone());
                seen.record = Ok(Some(FailoverRecord { from_region, to_region, ..record }));
                seen.other_record = Ok(None);
            },
            Ready,
        ),
        (
            "everything is there already",
            |seen| {
                seen.databases.iter_mut().for_each(|(name, database)| database.global = global(name, WEST));
            },
            Ready,
        ),
        (
            "another doubt refuses it",
            |seen| seen.databases.get_mut("orders").unwrap().lag = lag(99.0),
            Refused,
        ),
        ("no failover at all", |seen| seen.other_record = Ok(None), Ready),
    ];
    for (case, change, expected) in cases {
        let mut seen = unreconciled.clone();
        change(&mut seen);
        let decision = decided(&seen, Mode::Switchover);
        assert_eq!(decision.status, expected, "{case}: {decision:?}");
        let asked = decision.reasons.iter().any(|reason| reason.contains("looked for"));
        assert_eq!(asked, !matches!(expected, Ready), "{case}: {decision:?}");
    }
    for (failover, moved, expected) in [
        ("e", None, Ready),
        ("another", None, NeedsApproval),
        ("another", Some(901), NeedsApproval),
        ("another", Some(899), Ready),
    ] {
        let mut seen = unreconciled.clone();
        seen.reconciliation = reconciled(failover);
        seen.switchovers[1] = Ok(moved.map(switchover));
        let decision = decided(&seen, Mode::Switchover);
        assert_eq!(decision.status, expected, "{failover} {moved:?}: {decision:?}");
        assert_eq!(decided(&seen, Mode::Failover).status, Ready, "a failover can't wait for it");
    }
}

#[test]
fn what_is_within_limits_is_not_held_against_it() {
    let mut seen = seen();
    seen.databases.get_mut("orders").unwrap().lag = lag(60.0);
    seen.arc.values_mut().take(2).for_each(|answer| *answer = Err("down".into()));
    seen.record = Ok(Some(record(Succeeded, 60)));
    seen.other_record = Ok(Some(record(Failed, 1)));
    let expected = Decision { status: Status::Ready, reasons: Vec::new(), notes: Vec::new() };
    assert_eq!(decided(&seen, Mode::Failover), expected);
}

#[test]
fn every_reason_is_given_at_once_refusals_first() {
    let mut seen = seen();
    let orders = seen.databases.get_mut("orders").unwrap();
    orders.instances.clear();
    orders.lag = Ok(None);
    orders.other = Err("silent".into());
    seen.databases.get_mut("catalog").unwrap().lag = lag(99.0);
    seen.record = Ok(Some(record(Succeeded, 1)));
    let decision = decided(&seen, Mode::Failover);
    assert_eq!(decision.status, Status::Refused);
    assert_eq!((decision.reasons.len(), decision.notes.len()), (4, 1), "{decision:?}");
    assert!(
        decision.reasons[0].contains("no instance") && decision.reasons[1].contains("cooldown"),
        "{decision:?}"
    );
}

#[test]
fn versions_are_compared_up_to_the_minor_part() {
    let cases = [
        (Engine::AuroraMysql, "8.0.mysql_aurora.3.08.0", "8.0.mysql_aurora.3.08"),
        (Engine::AuroraMysql, "8.0.mysql_aurora.3.10.4", "8.0.mysql_aurora.3.10"),
        (Engine::AuroraPostgresql, "15.4", "15.4"),
        (Engine::AuroraPostgresql, "15.4.1", "15.4"),
    ];
    for (engine, version, expected) in cases {
        assert_eq!(without_patch(engine, version), expected);
    }
}

#[test]
fn a_request_for_an_approval_holds_the_beginning_of_a_long_reason() {
    assert_eq!(brief("short"), "short");
    assert_eq!(brief(&"ä".repeat(BRIEF)), "ä".repeat(BRIEF));
    let cut = brief(&"ä".repeat(5_000));
    assert!(cut.starts_with(&"ä".repeat(BRIEF)) && cut.chars().count() < BRIEF + 50, "{cut}");
}

#[test]
fn the_answer_holds_the_lag_as_json_text_and_the_notes_in_its_reason() {
    let mut seen = seen();
    seen.databases.get_mut("catalog").unwrap().lag = Ok(None);
    seen.databases.get_mut("orders").unwrap().other = Err("silent".into());
    seen.databases.get_mut("catalog").unwrap().global = global("catalog", WEST);
    let decided = decided(&seen, Mode::Failover);
    let outcome = outcome(&seen, &asked(Mode::Failover), Strategy::TrafficFirst, decided);
    assert!(outcome.reason.contains(". Note: "), "{}", outcome.reason);
    assert!(outcome.reason.contains("orders: the engine version"), "{}", outcome.reason);
    let json = serde_json::to_value(&outcome.observed).unwrap();
    assert_eq!(json["lag"], r#"{"catalog":null,"orders":{"seconds":0.8,"at":"2026-01-31T11:59:00Z"}}"#);
    assert_eq!(json["databases"]["orders"]["writerRegion"], EAST);
    assert_eq!(json["databases"]["orders"]["targetStatus"], "available");
    assert_eq!(json["databases"]["orders"]["otherVersion"], serde_json::Value::Null);
    assert_eq!(json["routing"][EAST], "On");
    assert_eq!(json["mode"], "failover");
    assert_eq!((&json["strategy"], &json["otherRegion"]), (&"traffic-first".into(), &EAST.into()));
    assert_eq!(json["alreadyThere"], "catalog");
}

/// Answers well, or never where it is `silent`; all of a check count their calls together.
#[derive(Clone)]
struct Fake {
    name: &'static str,
    silent: bool,
    calls: Arc<Mutex<Calls>>,
}

impl Fake {
    async fn answer<T>(&self, operation: &str, answer: T) -> Result<T, StepError> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        self.calls.lock().unwrap().count_read(self.name, operation).map(|()| answer)
    }
}

fn name_in(cluster: &str) -> &str {
    cluster.split('-').nth(1).unwrap()
}

impl DescribeGlobalCluster for Fake {
    async fn describe_global_cluster(&self, id: &str) -> Result<Option<GlobalCluster>, StepError> {
        self.answer("global cluster", Some(global(name_in(id), EAST))).await
    }
}

impl DescribeCluster for Fake {
    async fn describe_cluster(&self, id: &str) -> Result<Option<Cluster>, StepError> {
        let region = if id.ends_with("west") { WEST } else { EAST };
        self.answer("cluster", Some(cluster(name_in(id), region))).await
    }
}

impl DescribeInstances for Fake {
    async fn describe_instances(&self, _: &str) -> Result<Vec<Instance>, StepError> {
        self.answer("instances", vec![instance("one", "available")]).await
    }
}

impl MeasureLag for Fake {
    async fn measure_lag(&self, _: &str, _: &str, _: Timestamp) -> Result<Option<Lag>, StepError> {
        self.answer("lag", lag(0.5).unwrap()).await
    }
}

impl ReadAlarms for Fake {
    async fn read_alarms(&self, names: &[&str]) -> Result<BTreeMap<String, Alarm>, StepError> {
        let ok = |name: &&str| {
            ((*name).to_owned(), Alarm::Metric { state: "OK".into(), missing: "missing".into() })
        };
        self.answer("alarms", names.iter().map(ok).collect()).await
    }
}

impl ReadLastFailover for Fake {
    async fn read_last_failover(&self, _: &str, _: &str) -> Result<Option<FailoverRecord>, StepError> {
        self.answer("last failover", None).await
    }
}

impl ReadLastSwitchover for Fake {
    async fn read_last_switchover(&self, _: &str, _: &str) -> Result<Option<SwitchoverRecord>, StepError> {
        self.answer("last switchover", None).await
    }
}

impl ReadLastReconciliation for Fake {
    async fn read_last_reconciliation(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<ReconciliationRecord>, StepError> {
        self.answer("last reconciliation", None).await
    }
}

impl ReadStates for Fake {
    async fn read_states(&self, controls: &[String]) -> Result<BTreeMap<String, State>, TryError> {
        if self.silent {
            tokio::time::sleep(arc::ATTEMPT).await;
            return Err(TryError::NextEndpoint("no answer within 3 s".into()));
        }
        let counted = self.calls.lock().unwrap().count_read(self.name, "routing controls");
        counted.map_err(TryError::Fatal)?;
        Ok(controls.iter().map(|control| (control.clone(), State::On)).collect())
    }
}

fn silent() -> Fake {
    Fake { name: "", silent: true, calls: Arc::default() }
}

fn apis() -> CheckApis<Fake, Fake, Fake, Fake, Fake> {
    let calls = Arc::default();
    let fake = |name| Fake { name, silent: false, calls: Arc::clone(&calls) };
    CheckApis {
        target: fake(WEST),
        other: fake(EAST),
        metrics: fake(WEST),
        other_metrics: fake(EAST),
        records: fake(WEST),
        other_records: fake(EAST),
        arc: (1..=5).map(|i| Endpoint { region: format!("arc-{i}"), api: fake("ARC") }).collect(),
    }
}

async fn observed(
    apis: &CheckApis<Fake, Fake, Fake, Fake, Fake>,
) -> (Result<CheckSeen, StepError>, Duration) {
    let start = tokio::time::Instant::now();
    let seen = observe(apis, &runbook::plan::sample(), &asked(Mode::Failover), now()).await;
    (seen, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn what_is_observed_of_a_well_world_is_ready() {
    let (seen, _) = observed(&apis()).await;
    let decision = decided(&seen.unwrap(), Mode::Failover);
    assert_eq!((decision.status, decision.notes.len()), (Status::Ready, 0), "{decision:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_other_region_costs_one_time_limit_and_is_only_noted() {
    let mut apis = CheckApis { other: silent(), other_records: silent(), ..apis() };
    apis.arc[0].api = silent();
    let (seen, took) = observed(&apis).await;
    // The silent ARC endpoint has longer than the silent Region.
    assert!(took <= arc::ATTEMPT.max(IMPAIRED) + Duration::from_millis(10), "{took:?}");
    let decision = decided(&seen.unwrap(), Mode::Failover);
    assert_eq!(decision.status, Status::Ready, "{decision:?}");
    assert_eq!(decision.notes.len(), 3, "two versions, one bucket: {decision:?}");
    assert!(decision.notes[0].contains("sandbox-east did not answer within 2 s"), "{decision:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_is_an_error_and_silent_measures_need_approval_within_one_limit() {
    let (seen, took) = observed(&CheckApis { target: silent(), ..apis() }).await;
    let error = seen.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("sandbox-west did not answer within 8 s"), "{error}");
    assert!(took <= Duration::from_secs(10), "{took:?}");

    let (seen, took) = observed(&CheckApis { metrics: silent(), records: silent(), ..apis() }).await;
    let decision = decided(&seen.unwrap(), Mode::Failover);
    assert_eq!(decision.status, Status::NeedsApproval);
    assert_eq!(decision.reasons.len(), 3, "{decision:?}");
    assert!(took <= Duration::from_secs(10), "{took:?}");
}

/// No call fails unseen: the check is an error, asks for an approval, or says in a note what it could not see.
#[tokio::test(start_paused = true)]
async fn any_call_may_fail_and_the_answer_says_so() {
    for mode in [Mode::Failover, Mode::Switchover] {
        for kind in [Kind::Failed, Kind::Unreachable] {
            for k in 1.. {
                let apis = apis();
                apis.target.calls.lock().unwrap().fault = Some((k, Fault::Fails(kind)));
                let seen = observe(&apis, &runbook::plan::sample(), &asked(mode), now()).await;
                let calls = apis.target.calls.lock().unwrap();
                if !calls.was_hit() {
                    assert!(k > 19, "every question is asked: {:#?}", calls.made);
                    break;
                }
                let failed = calls.made[k - 1].as_str();
                let seen = match seen {
                    Ok(seen) => seen,
                    Err(error) => {
                        let deciding = ["global cluster", "cluster", "instances"];
                        assert!(
                            deciding.iter().any(|one| failed == format!("{WEST} {one}")),
                            "{failed}: {error}"
                        );
                        continue;
                    }
                };
                let decision = decided(&seen, mode);
                let said = [&decision.reasons[..], &decision.notes[..]].concat().join("; ");
                // One ARC endpoint of five that fails leaves four; without a failover there is nothing to reconcile.
                let spare = ["ARC routing controls", "sandbox-east last reconciliation"];
                let is_said = said.contains("injected") || spare.contains(&failed);
                assert!(is_said, "{mode:?}: {failed} fails unseen: {decision:?}");
            }
        }
    }
}

#[test]
fn the_region_to_leave_is_the_other_one() {
    let plan = runbook::plan::sample();
    let asked = |target: &str, impaired: Option<&str>, mode| CheckEvent {
        plan: "/causeway/plans/shop".into(),
        execution: "e".into(),
        target_region: target.into(),
        impaired_region: impaired.map(str::to_owned),
        mode,
        trigger: Trigger::Manual,
        cooldown: Cooldown::Keep,
    };
    let cases = [
        (WEST, Some(EAST), Mode::Failover, None),
        (WEST, None, Mode::Failover, None),
        (EAST, None, Mode::Switchover, None),
        (EAST, Some(WEST), Mode::Failover, Some("this function runs in sandbox-west")),
        (WEST, Some(WEST), Mode::Failover, Some("name the Region to leave, sandbox-east")),
        (WEST, Some("sandbox-north"), Mode::Failover, Some("is not a Region of plan shop")),
    ];
    for (target, impaired, mode, expected) in cases {
        let error =
            require_regions(&plan, &asked(target, impaired, mode), WEST).err().map(|error| error.to_string());
        match (expected, &error) {
            (None, None) => {}
            (Some(part), Some(error)) => assert!(error.contains(part), "{error}"),
            _ => panic!("{target} {impaired:?}: {error:?}"),
        }
    }
}

/// The event proves nothing: without the evidence, and while another execution has the lock, nothing starts by itself.
#[tokio::test(start_paused = true)]
async fn a_false_alarm_and_a_second_execution_are_refused_with_their_reasons() {
    let plan = runbook::plan::sample();
    let automatic = MoveAsked { trigger: Trigger::Automatic, ..asked(Mode::Failover) };
    let mut seen = observe(&apis(), &plan, &automatic, now()).await.unwrap();
    let decision = decide(&seen, &automatic, &plan, now());
    assert_eq!(decision.status, Status::Refused);
    assert!(
        decision.reasons[0].starts_with("only 0 of 3 signals say that sandbox-east is ill"),
        "{decision:?}"
    );
    let without = RecoveryPlan { automatic: None, ..plan.clone() };
    assert!(decide(&seen, &automatic, &without, now()).reasons[0].contains("has no `automatic`"));
    // A person needs no signals, but the lock.
    assert_eq!(decided(&seen, Mode::Failover).status, Status::Ready);
    seen.locked = Some(Lock {
        execution: "another".into(),
        subject: String::new(),
        taken_at: now(),
        expires_at: now() + SignedDuration::from_mins(240),
    });
    let decision = decided(&seen, Mode::Failover);
    assert_eq!(decision.status, Status::Refused);
    assert!(decision.reasons[0].starts_with("execution another fails over already"), "{decision:?}");
}

#[test]
fn a_loss_beyond_the_budget_is_only_noted_where_the_plan_goes_on() {
    let mut plan = runbook::plan::sample();
    plan.limits.beyond_rpo = BeyondRpo::GoOn;
    for lag in [lag(60.1), Ok(None)] {
        let mut seen = seen();
        seen.databases.get_mut("orders").unwrap().lag = lag;
        let decision = decide(&seen, &asked(Mode::Failover), &plan, now());
        assert_eq!((decision.status, decision.notes.len()), (Status::Ready, 1), "{decision:?}");
        assert_eq!(decide(&seen, &asked(Mode::Switchover), &plan, now()).status, Status::Refused);
    }
}
