//! `failback.yaml`: both Regions are well, and everything moves to the one that it is started in; nothing is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use runbook::record::MoveOutcome;
use sandbox::automation::{Execution, Reading, Status};
use sandbox::world::routing::Rule;
use sandbox::{EAST, REGIONS, WEST};
use serde_json::json;

use crate::failover::{LOCKED, short_lock};
use crate::faults::Fault;
use crate::stage::{APPROVER, FAST, Stage, early_ends, faults, told};

/// AWS's own pace: a switchover is shorter than a failover, and still takes more than one invocation.
const REAL: f64 = 1.0;
const STRATEGIES: [&str; 2] = ["databases-first", "traffic-first"];

/// The shop's safety rule.
pub const ONE_REGION_ON: &str =
    "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox/safetyrule/one-region-on";

fn other(region: &str) -> &'static str {
    if region == EAST { WEST } else { EAST }
}

/// A stage on which everything is in the Region that `to` is to take over from.
pub async fn well(reading: Reading, factor: f64, to: &str, strategy: &str) -> Stage {
    let stage = Stage::new(reading, factor).await;
    let plan = runbook::plan::sample();
    if to == EAST {
        for database in plan.databases.values() {
            let target = &database.members[WEST].cluster_arn;
            let input = json!({"GlobalClusterIdentifier": database.global_cluster, "TargetDbClusterIdentifier": target});
            stage.ask_in(EAST, "rds", "SwitchoverGlobalCluster", input).await;
        }
        stage.settle().await;
    }
    stage.world.set_routing_control(&plan.routing.controls[to], false);
    stage.change_plan(|plan| plan["failback"]["strategy"] = json!(strategy)).await;
    stage
}

/// The west has taken over from the east by failover, and the east is a secondary again.
pub async fn after_a_failover(stage: &Stage) {
    fail_over(stage, EAST).await;
    stage.world.rejoin(EAST).await;
    stage.settle().await;
}

/// A Region fails, and the other one takes over. It had no traffic before: for a moment there is none at all.
async fn fail_over(stage: &Stage, impaired: &str) {
    stage.world.isolate(impaired).await;
    let parameters = [("ImpairedRegion", impaired), ("SafetyRulesToOverride", ONE_REGION_ON)];
    let moved = stage.run_in(other(impaired), "causeway-failover", &parameters).await;
    assert_eq!(moved.status, Status::Success, "{}", told(&moved));
}

/// Where every database has its writer and the traffic goes; nothing where that is not one Region.
async fn place(stage: &Stage) -> Option<&'static str> {
    let state = stage.state().await;
    assert!(state.leaked.is_empty());
    REGIONS.into_iter().find(|region| {
        state.writers.values().all(|writer| writer == region)
            && state.traffic == BTreeSet::from([(*region).to_owned()])
    })
}

/// Everything is in `to`, and both Regions have it on record. What the last failover lost is still known.
pub async fn assert_in(stage: &Stage, to: &str, case: &str) {
    assert_eq!(place(stage).await, Some(to), "{case}");
    for record in stage.switchovers().await {
        let record = record.unwrap_or_else(|| panic!("{case}: no switchover is on record"));
        assert_eq!((record.outcome, record.to_region.as_str()), (MoveOutcome::Succeeded, to), "{case}");
    }
}

/// Runs the runbook, and measures for how long a client could not write. One that writes to the cluster of its own
/// Region needs it to be the primary; one that reaches the primary from either Region needs a primary.
async fn with_client(stage: &Stage, to: &str, strategy: &str) -> (Execution, Duration) {
    let plan = runbook::plan::sample();
    let accepts = |region: &str| {
        plan.databases.values().all(|db| stage.world.accepts_writes(&db.members[region].cluster_arn))
    };
    let mut outage = Duration::ZERO;
    let look = Duration::from_millis(100);
    let execution = tokio::select! {
        execution = stage.switch_over(to) => execution,
        () = async {
            loop {
                tokio::time::sleep(look).await;
                // A Region has the traffic at all times.
                let region = stage.world.resolve(&REGIONS).unwrap();
                let global = strategy == "traffic-first" && REGIONS.into_iter().any(accepts);
                if !accepts(&region) && !global {
                    outage += look;
                }
            }
        } => unreachable!(),
    };
    (execution, outage)
}

#[tokio::test(start_paused = true)]
async fn everything_moves_either_way_under_every_reading_and_the_write_outage_is_measured() {
    let wanted = [Fault::Nothing, Fault::Twice, Fault::AtOnce].into_iter().cycle();
    let cases = REGIONS.into_iter().flat_map(|to| STRATEGIES.map(|strategy| (to, strategy)));
    let cases = cases.flat_map(|case| Reading::ALL.map(|reading| (case, reading)));
    // Back to the east takes a failover and its reconciliation before: half of the readings will do.
    let cases = cases.filter(|((to, _), reading)| *to == WEST || reading.json_text_is_parsed);
    for (((to, strategy), reading), fault) in cases.zip(wanted) {
        let case = format!("{to} {strategy} {reading:?} {fault:?}");
        let stage = well(reading, REAL, WEST, strategy).await;
        if to == EAST {
            after_a_failover(&stage).await;
            assert_eq!(stage.reconcile().await.status, Status::Success, "{case}");
        }
        let (known, before) = (stage.world.messages().len(), stage.state().await);
        stage.faults.set(fault);
        let (execution, outage) = with_client(&stage, to, strategy).await;
        assert_eq!(execution.status, Status::Success, "{case} {}", told(&execution));
        assert_in(&stage, to, &case).await;
        assert_eq!(stage.state().await.last_failover, before.last_failover, "{case}: it lost nothing");
        let messages = stage.messages(known);
        assert_eq!(messages.len(), 1, "{case} {messages:?}");
        assert_eq!(messages[0].subject, format!("Causeway: {to} has taken over by switchover"));
        let files = BTreeSet::from(["record.json", "record.html", "manifest.json"].map(String::from));
        assert_eq!(stage.reports_in(to, &execution.id).await, files);

        let record = stage.report_in(to, &execution.id, "record.json").await;
        let recorded = record["writeOutageSeconds"].as_f64().unwrap();
        let felt = outage.as_secs_f64();
        // The bound holds, and is no more than AWS's own preparation and the runbook's looks above what was felt.
        assert!(felt > 1.0 && felt <= recorded && recorded < felt + 20.0, "{case}: {felt} {recorded}");
        // Two calls in turn wait twice as long.
        let waited = execution.steps.iter().any(|step| step.name == "awaitPromotion");
        assert!(waited || fault == Fault::Twice, "{case} {}", told(&execution));
        let steps: Vec<&str> = execution.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(steps.contains(&"trafficFirst"), strategy == "traffic-first", "{case}");
        assert_eq!(steps.contains(&"trafficOn"), strategy == "databases-first", "{case}");

        // What is complete is not done again.
        let again = stage.switch_over(to).await;
        assert_eq!(again.status, Status::Failed, "{case} {}", told(&again));
        assert!(stage.messages(known)[1].body.contains("already is primary of every database"), "{case}");
        assert_in(&stage, to, &case).await;
    }
}

/// Starts it again in a Region, unless everything is there and on record.
pub async fn finish(stage: &Stage, to: &str, case: &str) {
    stage.faults.set(Fault::Nothing);
    stage.settle().await;
    let on_record = |record: &Option<runbook::record::SwitchoverRecord>| {
        record.as_ref().is_some_and(|record| record.succeeded() && record.to_region == to)
    };
    if place(stage).await != Some(to) || !stage.switchovers().await.iter().all(on_record) {
        let execution = stage.switch_over(to).await;
        let said = stage.world.messages();
        assert_eq!(
            execution.status,
            Status::Success,
            "{case}, again: {} {:?}",
            told(&execution),
            said.last()
        );
    }
}

/// Whatever breaks, the runbook ends well, or somebody is told; started again, it ends well: there, or, every second time,
/// where it came from. Each fault meets one reading, one way and one strategy; the calls of each step are many, so that
/// each step meets all of them.
#[tokio::test(start_paused = true)]
async fn after_a_fault_at_any_kind_of_call_it_ends_there_or_goes_back() {
    let stage = async |reading, factor| well(reading, factor, WEST, STRATEGIES[0]).await;
    let all = faults(stage, async |stage| stage.switch_over(WEST).await, REAL).await;
    let (mut failed, mut succeeded) = (0, 0);
    for (number, (fault, factor)) in all.into_iter().enumerate() {
        let (reading, to) = (Reading::ALL[number % 4], REGIONS[number / 4 % 2]);
        let strategy = STRATEGIES[number / 8 % 2];
        let case = format!("{to} {strategy} {reading:?} {fault:?}");
        let stage = well(reading, factor, to, strategy).await;
        let known = stage.world.messages().len();
        stage.faults.set(fault);
        let execution = stage.switch_over(to).await;
        let mut end = to;
        if execution.status == Status::Success {
            succeeded += 1;
        } else {
            failed += 1;
            let messages = stage.messages(known);
            assert_eq!(messages.len(), 1, "{case}: {} {messages:?}", told(&execution));
            if number % 2 == 1 && stage.switchovers().await.iter().flatten().count() > 0 {
                end = other(to);
            }
            finish(&stage, end, &case).await;
        }
        assert_in(&stage, end, &case).await;
    }
    assert!(failed > 20 && succeeded > 20, "{failed} failed, {succeeded} succeeded");
}

/// An execution that is killed tells nobody and records nothing; one that is cancelled half-way tells.
#[tokio::test(start_paused = true)]
async fn killed_or_cancelled_at_any_step_and_started_again_it_ends_there_or_goes_back() {
    for strategy in STRATEGIES {
        let stage = well(Reading::ALL[0], FAST, WEST, strategy).await;
        let events = stage.events_of(stage.switch_over(WEST)).await;
        assert!(events > 15, "{events}");
        let mut told_of = 0;
        for (at, cancel, case) in early_ends(events) {
            let to = REGIONS[at / 2 % 2];
            let case = format!("{to} {strategy} {case}");
            let stage = well(Reading::ALL[at % 4], FAST, to, strategy).await;
            let known = stage.world.messages().len();
            stage.end_at((at, cancel), to, "causeway-failback", &[]).await;
            stage.settle().await;
            let messages = stage.messages(known);
            if cancel && place(&stage).await != Some(other(to)) {
                assert!(!messages.is_empty(), "{case}: something moved, and nobody was told");
            }
            told_of += messages.iter().filter(|message| message.subject.ends_with("CANCELLED")).count();
            let end = if at % 3 == 2 { other(to) } else { to };
            finish(&stage, end, &case).await;
            assert_in(&stage, end, &case).await;
        }
        assert!(told_of > 5, "{told_of}");
    }
}

/// How long the cooldown lasts, and some more; the clock of the sandbox is not divided for it.
const COOLDOWN: Duration = Duration::from_secs(2 * 3_600);

/// One Region fails, the other takes over, finds what was lost, and gives everything back.
async fn round_trip(stage: &Stage, home: &str) {
    let away = other(home);
    let known = stage.world.messages().len();
    fail_over(stage, home).await;
    stage.world.rejoin(home).await;
    // Not before the old primary is a secondary again.
    let early = stage.switch_over(home).await;
    assert_eq!(early.status, Status::Failed, "{home} {}", told(&early));
    let refused = stage.world.messages().pop().unwrap();
    assert!(refused.body.contains("waits for its resynchronisation"), "{refused:?}");
    let reconciled = stage.run_in(away, "causeway-reconcile", &[]).await;
    assert_eq!(reconciled.status, Status::Success, "{home} {}", told(&reconciled));
    stage.settle().await;
    assert_eq!(place(stage).await, Some(away));
    let back = stage.switch_over(home).await;
    assert_eq!(back.status, Status::Success, "{home} {}", told(&back));
    assert_in(stage, home, home).await;
    let subjects: Vec<String> = stage.messages(known).into_iter().map(|message| message.subject).collect();
    assert_eq!(subjects.len(), 4, "{subjects:?}");
    tokio::time::sleep(COOLDOWN).await;
}

#[tokio::test(start_paused = true)]
async fn there_and_back_twice_from_either_region() {
    for (reading, strategy) in [(Reading::ALL[0], STRATEGIES[0]), (Reading::ALL[3], STRATEGIES[1])] {
        let stage = well(reading, FAST, WEST, strategy).await;
        round_trip(&stage, EAST).await;
        round_trip(&stage, EAST).await;
        // From here on as in a plan that gives both Regions traffic.
        let both = stage.run_in(EAST, "causeway-routing", &[("TurnOn", WEST)]).await;
        assert_eq!(both.status, Status::Success, "{}", told(&both));
        let planned = stage.switch_over(WEST).await;
        assert_eq!(planned.status, Status::Success, "{}", told(&planned));
        round_trip(&stage, WEST).await;
        round_trip(&stage, WEST).await;
    }
}

/// The record of the failover before the switchover says that this one succeeded; without that of the switchover it would
/// be taken for the one that was killed, and the application would stay without traffic.
#[tokio::test(start_paused = true)]
async fn a_failover_that_is_killed_behind_a_switchover_is_gone_on_with() {
    let stage = well(Reading::ALL[0], FAST, WEST, STRATEGIES[0]).await;
    after_a_failover(&stage).await;
    assert_eq!(stage.switch_over(EAST).await.status, Status::Success);
    tokio::time::sleep(COOLDOWN).await;
    stage.world.isolate(EAST).await;
    short_lock(&stage).await;
    let mut happened = stage.automation.subscribe();
    let parameters = [("ImpairedRegion", EAST), ("SafetyRulesToOverride", ONE_REGION_ON)];
    let id = stage.start_in(WEST, "causeway-failover", &parameters);
    while happened.recv().await.unwrap().step.as_deref() != Some("trafficOn") {}
    stage.end_early_in(WEST, &id, false).await;
    tokio::time::sleep(LOCKED).await;
    let plan = runbook::plan::sample();
    stage.world.set_routing_control(&plan.routing.controls[WEST], false);
    assert_eq!(place(&stage).await, None);
    let again = stage.fail_over().await;
    assert_eq!(again.status, Status::Success, "{} {:?}", told(&again), stage.world.messages().last());
    assert_eq!(place(&stage).await, Some(WEST));
}

/// Before anybody has looked for what a failover lost, to leave the Region that took over needs a person, and nothing has
/// changed without one. What was lost can still be found afterwards; it is put back only where the writer is.
#[tokio::test(start_paused = true)]
async fn failing_back_before_reconciling_is_to_be_approved_and_what_was_lost_can_still_be_found() {
    for (reading, strategy) in Reading::ALL.into_iter().zip(STRATEGIES.into_iter().cycle()) {
        let case = format!("{reading:?} {strategy}");
        let stage = well(reading, FAST, WEST, strategy).await;
        after_a_failover(&stage).await;
        let (known, before) = (stage.world.messages().len(), stage.state().await);
        // Nobody is named who could approve, then somebody says no.
        let nobody = stage.run_in(EAST, "causeway-failback", &[]).await;
        assert_eq!(nobody.status, Status::Failed, "{case} {}", told(&nobody));
        let id = stage.start_in(EAST, "causeway-failback", &[("Approvers", APPROVER)]);
        let rejected = stage.answered_in(EAST, &id, "Reject").await;
        assert_eq!(rejected.status, Status::Failed, "{case} {}", told(&rejected));
        let messages = stage.messages(known);
        for pair in messages.chunks(2) {
            let subjects: Vec<&str> = pair.iter().map(|message| message.subject.as_str()).collect();
            let told = ["approve the switchover to sandbox-east?", "switchover to sandbox-east not approved"];
            assert_eq!(subjects, told.map(|subject| format!("Causeway: {subject}")), "{case}");
            for message in pair {
                assert!(message.body.contains("nobody has looked for the writes"), "{case}: {message:?}");
                assert!(message.body.contains("start the runbook reconcile in sandbox-west"), "{message:?}");
            }
        }
        assert_eq!((messages.len(), stage.state().await), (4, before), "{case}");

        let approved = stage.switch_over(EAST).await;
        assert_eq!(approved.status, Status::Success, "{case} {}", told(&approved));
        assert_in(&stage, EAST, &case).await;
        let late = stage.reconcile().await;
        assert_eq!(late.status, Status::Success, "{case} {}", told(&late));
        assert!(crate::reconcile::complete(&stage, &late.id).await, "{case}");
        let message = stage.world.messages().pop().unwrap();
        assert!(
            message.body.contains("The databases were moved to sandbox-east since."),
            "{case}: {message:?}"
        );
        let replay = stage.replay().await;
        assert_eq!(replay.status, Status::Failed, "{case} {}", told(&replay));
        let refused = stage.world.messages().pop().unwrap();
        assert!(
            refused.body.contains("is in sandbox-east, and rows are put back into a writer"),
            "{refused:?}"
        );
        // Once it was approved to give that up, nobody is asked again.
        let known = stage.world.messages().len();
        assert_eq!(stage.switch_over(WEST).await.status, Status::Success, "{case}");
        assert_eq!(stage.messages(known).len(), 1, "{case}: {:?}", stage.messages(known));
        let replay = stage.replay().await;
        assert_eq!(replay.status, Status::Success, "{case} {}", told(&replay));
    }
}

/// Where the databases were moved back and the snapshot is gone, that is said, and nobody waits for another one.
#[tokio::test(start_paused = true)]
async fn without_a_snapshot_what_was_lost_is_said_to_be_lost_for_good_after_a_failback() {
    let stage = well(Reading::ALL[0], FAST, WEST, STRATEGIES[0]).await;
    after_a_failover(&stage).await;
    assert_eq!(stage.switch_over(EAST).await.status, Status::Success);
    stage.world.expire_snapshots();
    let late = stage.reconcile().await;
    assert_eq!(late.status, Status::Failed, "{}", told(&late));
    let reason = &late.outputs["outcome.summary"][0];
    assert!(reason.contains("what it lost can't be found any more"), "{reason}");
    assert!(stage.state().await.leaked.is_empty());
}

/// A failure is recorded here also when the other Region can't be told any more, with both ways out.
#[tokio::test(start_paused = true)]
async fn a_failure_is_recorded_without_the_other_region() {
    let stage = well(Reading::ALL[1], FAST, WEST, STRATEGIES[0]).await;
    let controls = runbook::plan::sample().routing.controls;
    let [target, gating] = [WEST, EAST].map(|region| vec![controls[region].clone()]);
    // ARC refuses the traffic as long as the gate is shut.
    stage.world.add_safety_rule("gate", Rule::Gate { gating, target });
    stage.world.set_routing_control(&controls[EAST], false);
    let mut happened = stage.automation.subscribe();
    let id = stage.start_in(WEST, "causeway-failback", &[]);
    while happened.recv().await.unwrap().step.as_deref() != Some("trafficOn") {}
    stage.world.isolate(EAST).await;
    let failed = stage.ended(&id).await;
    assert_eq!(failed.status, Status::Failed);
    let message = stage.world.messages().pop().unwrap();
    assert_eq!(message.subject, "Causeway: switchover to sandbox-west FAILED");
    assert!(message.body.contains("Every database has its writer in sandbox-west"), "{message:?}");
    let [east, west] = stage.switchovers().await;
    let begun = west.unwrap();
    assert_eq!((east, begun.outcome), (None, MoveOutcome::Failed));
    // The gate is open, the Region is back, and the rest of it counts the outage from where it began.
    stage.world.set_routing_control(&controls[EAST], true);
    stage.world.rejoin(EAST).await;
    finish(&stage, WEST, "the gate is open").await;
    assert_in(&stage, WEST, "the gate is open").await;
    let [_, ended] = stage.switchovers().await;
    assert!(begun.writes_stopped_at.is_some());
    assert_eq!(ended.unwrap().writes_stopped_at, begun.writes_stopped_at);
}

/// The databases have left a Region with its traffic still in it, and then it fails: no write is lost by that, so it is no
/// failover. The refusal says what to start, and that needs nothing of the failed Region but for its copy of the record.
#[tokio::test(start_paused = true)]
async fn a_switchover_whose_old_region_fails_half_way_is_ended_without_it() {
    let stage = well(Reading::ALL[2], FAST, WEST, STRATEGIES[0]).await;
    let mut happened = stage.automation.subscribe();
    let id = stage.start_in(WEST, "causeway-failback", &[]);
    while happened.recv().await.unwrap().step.as_deref() != Some("trafficOn") {}
    stage.end_early_in(WEST, &id, false).await;
    let controls = runbook::plan::sample().routing.controls;
    stage.world.set_routing_control(&controls[WEST], false);
    stage.world.set_routing_control(&controls[EAST], true);
    stage.world.isolate(EAST).await;
    let parameters = [("ImpairedRegion", EAST), ("SafetyRulesToOverride", ONE_REGION_ON)];
    let refused = stage.run_in(WEST, "causeway-failover", &parameters).await;
    assert_eq!(refused.status, Status::Failed, "{}", told(&refused));
    let message = stage.world.messages().pop().unwrap();
    assert!(
        message.body.contains("is moved by the runbook failback, started in sandbox-west"),
        "{message:?}"
    );
    let ended = stage.switch_over(WEST).await;
    assert_eq!(place(&stage).await, Some(WEST), "{}", told(&ended));
    let message = stage.world.messages().pop().unwrap();
    assert!(message.subject.ends_with("by switchover, record MISSING"), "{message:?}");
    // It is back: the record is written, and nothing else is done.
    stage.world.rejoin(EAST).await;
    finish(&stage, WEST, "the old Region is back").await;
    assert_in(&stage, WEST, "the old Region is back").await;
}

/// A switchover that cannot lose nothing does not begin.
#[tokio::test(start_paused = true)]
async fn what_would_lose_writes_or_take_long_is_refused_and_nothing_changes() {
    let plan = runbook::plan::sample();
    let secondary = &plan.databases["orders"].members[WEST].cluster_arn;
    type Spoil<'a> = &'a dyn Fn(&Stage);
    let cases: [(&str, Spoil<'_>); 3] = [
        ("replication lag 11.0 s is beyond the limit of 10 s", &|stage| {
            stage.world.set_lag(secondary, 11_000.0);
        }),
        ("replication lag is not known", &|stage| stage.world.forget_lag(secondary)),
        ("has no instance", &|stage| stage.world.remove_instances(secondary)),
    ];
    for (expected, spoil) in cases {
        let stage = well(Reading::ALL[0], FAST, WEST, STRATEGIES[1]).await;
        spoil(&stage);
        let before = stage.state().await;
        let execution = stage.switch_over(WEST).await;
        assert_eq!(execution.status, Status::Failed, "{expected} {}", told(&execution));
        assert!(stage.messages(0)[0].body.contains(expected), "{:?}", stage.messages(0));
        assert_eq!(stage.state().await, before);
        assert_eq!(stage.switchovers().await, [None, None]);
    }
    // Nothing of it works without the other Region.
    let stage = well(Reading::ALL[0], FAST, WEST, STRATEGIES[0]).await;
    stage.world.isolate(EAST).await;
    assert_eq!(stage.switch_over(WEST).await.status, Status::Failed);
    assert!(stage.messages(0)[0].body.contains("sandbox-east"), "{:?}", stage.messages(0));
}
