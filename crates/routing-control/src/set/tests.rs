use std::sync::{Arc, Mutex};

use runbook::Status;
use runbook::arc::TryError;
use runbook::fakes::{Calls, FAULTS, Fault};
use runbook::step::Mode;

use super::*;
use crate::event::SetEvent;

const EAST: &str = "sandbox-east";
const WEST: &str = "sandbox-west";
const RULE: &str = "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox/safetyrule/one";

fn event(on: &[&str], off: &[&str]) -> SetEvent {
    let list = |regions: &[&str]| regions.iter().map(|region| (*region).to_owned()).collect();
    SetEvent {
        plan: "p".into(),
        execution: "e".into(),
        on: list(on),
        off: list(off),
        safety_rules_to_override: Vec::new(),
        mode: None,
    }
}

#[test]
fn only_a_failover_may_override_the_rules_that_the_plan_names() {
    let mut plan = runbook::plan::sample();
    plan.routing.safety_rules_to_override = vec![RULE.into()];
    let rules = |mode, given: &[&str]| {
        let given = given.iter().map(|&rule| rule.to_owned()).collect();
        let event = SetEvent { mode, safety_rules_to_override: given, ..event(&[], &[EAST]) };
        WantedStates::of(&event, &plan).unwrap().safety_rules_to_override
    };
    for mode in [Mode::Failover, Mode::Detach] {
        assert_eq!(rules(Some(mode), &[]), [RULE]);
        assert_eq!(rules(Some(mode), &[RULE, "arn:other"]), [RULE, "arn:other"], "each once");
    }
    assert_eq!(rules(Some(Mode::Switchover), &[]), [""; 0]);
    assert_eq!(rules(None, &["arn:other"]), ["arn:other"]);
}

fn wanted(on: &[&str], off: &[&str]) -> WantedStates {
    WantedStates::of(&event(on, off), &runbook::plan::sample()).unwrap()
}

/// What the endpoints share.
#[derive(Default)]
struct World {
    /// By control.
    states: BTreeMap<String, State>,
    /// `0 read`, `2 write 1`: the endpoint, and how many controls.
    calls: Calls,
    /// Reads after a write that still answer the old states.
    stale_reads: u32,
    old: BTreeMap<String, State>,
    /// The safety rule: not everything off.
    rule: bool,
    /// Conflicts of another's change.
    busy: u32,
    /// How the endpoint of this number fails.
    broken: BTreeMap<usize, Broken>,
    /// Writes are accepted and forgotten.
    deaf: bool,
}

#[derive(Clone, Copy)]
enum Broken {
    Next,
    Fatal,
    /// Takes the write and never says so.
    LostAnswer,
}

#[derive(Clone)]
struct Fake(usize, Arc<Mutex<World>>);

impl Fake {
    /// Counts a call. `Ok(true)`: do it, but lose the answer.
    fn count(&self, world: &mut World, operation: &str) -> Result<bool, TryError> {
        let lost = world.calls.count(&self.0.to_string(), operation).map_err(|error| match error.kind() {
            Kind::Unreachable => TryError::NextEndpoint(error.cause()),
            _ => TryError::Fatal(error),
        })?;
        match world.broken.get(&self.0) {
            Some(Broken::Next) => Err(TryError::NextEndpoint(format!("down {}", self.0))),
            Some(Broken::Fatal) => {
                Err(TryError::Fatal(StepError::new(Kind::Denied, "no permission", "add it")))
            }
            _ => Ok(lost),
        }
    }
}

impl ReadStates for Fake {
    async fn read_states(&self, controls: &[String]) -> Result<BTreeMap<String, State>, TryError> {
        let mut world = self.1.lock().unwrap();
        if self.count(&mut world, "read")? {
            return Err(TryError::NextEndpoint("no answer".into()));
        }
        let seen = if world.stale_reads > 0 && !world.old.is_empty() {
            world.stale_reads -= 1;
            &world.old
        } else {
            &world.states
        };
        Ok(controls.iter().map(|control| (control.clone(), seen[control])).collect())
    }
}

impl WriteStates for Fake {
    async fn write_states(
        &self,
        changes: &BTreeMap<String, State>,
        overrides: &[String],
    ) -> Result<(), TryError> {
        let mut world = self.1.lock().unwrap();
        let lost = self.count(&mut world, &format!("write {}", changes.len()))?;
        if world.busy > 0 {
            world.busy -= 1;
            return Err(TryError::Conflict("another change".into()));
        }
        let mut after = world.states.clone();
        after.extend(changes.clone());
        if world.rule && after.values().all(|state| *state == State::Off) && overrides != [RULE] {
            return Err(TryError::Conflict("ConflictException: rule one forbids it".into()));
        }
        world.old = world.states.clone();
        if !world.deaf {
            world.states = after;
        }
        match world.broken.get(&self.0) {
            Some(Broken::LostAnswer) => Err(TryError::NextEndpoint("no answer".into())),
            _ if lost => Err(TryError::NextEndpoint("no answer".into())),
            _ => Ok(()),
        }
    }
}

fn arc(world: World) -> (Vec<Endpoint<Fake>>, Arc<Mutex<World>>) {
    let mut world = world;
    let controls = runbook::plan::sample().routing.controls;
    for (region, control) in controls {
        world.states.insert(control, if region == EAST { State::On } else { State::Off });
    }
    let world = Arc::new(Mutex::new(world));
    let endpoint = |i| Endpoint { region: format!("region-{i}"), api: Fake(i, Arc::clone(&world)) };
    ((0..5).map(endpoint).collect(), world)
}

fn states(world: &Arc<Mutex<World>>) -> String {
    let world = world.lock().unwrap();
    world.states.values().map(|state| format!("{state}")).collect::<Vec<_>>().join(" ")
}

fn calls(world: &Arc<Mutex<World>>) -> Vec<String> {
    world.lock().unwrap().calls.made.clone()
}

#[test]
fn the_decision_changes_only_what_is_not_as_wanted() {
    let controls = runbook::plan::sample().routing.controls;
    let seen = |east, west| BTreeMap::from([(controls[EAST].clone(), east), (controls[WEST].clone(), west)]);
    let act = |changes: &[(&str, State)]| {
        Decision::Act(changes.iter().map(|(region, state)| (controls[*region].clone(), *state)).collect())
    };
    use State::{Off, On};
    let cases = [
        (wanted(&[WEST], &[EAST]), seen(On, Off), act(&[(EAST, Off), (WEST, On)])),
        (wanted(&[WEST], &[EAST]), seen(Off, Off), act(&[(WEST, On)])),
        (wanted(&[WEST], &[EAST]), seen(Off, On), Decision::AlreadyDone),
        (wanted(&[], &[EAST]), seen(On, On), act(&[(EAST, Off)])),
        (wanted(&[], &[EAST]), seen(Off, On), Decision::AlreadyDone),
        (wanted(&[EAST, WEST], &[]), seen(On, On), Decision::AlreadyDone),
        (wanted(&[], &[EAST]), BTreeMap::new(), act(&[(EAST, Off)])),
    ];
    for (wanted, seen, expected) in cases {
        assert_eq!(decide(&wanted, &seen), expected, "{wanted:?} {seen:?}");
    }
}

#[test]
fn an_event_that_contradicts_itself_or_the_plan_is_a_bad_event() {
    let cases = [
        (event(&[], &[]), "names a Region"),
        (event(&[EAST], &[WEST, EAST]), "sandbox-east is in `on` and in `off`"),
        (event(&["eu-west-1"], &[]), "\"eu-west-1\" is not a Region of plan shop"),
    ];
    for (event, expected) in cases {
        let error = WantedStates::of(&event, &runbook::plan::sample()).unwrap_err();
        assert_eq!(error.kind(), Kind::BadEvent);
        assert!(error.to_string().contains(expected), "{expected} is missing in: {error}");
    }
    assert_eq!(wanted(&[EAST, EAST], &[]), wanted(&[EAST], &[]));
}

#[tokio::test(start_paused = true)]
async fn both_changes_go_in_one_batch_and_are_read_back_from_every_start() {
    for start in 0..5 {
        let (endpoints, world) = arc(World::default());
        let outcome = set(&endpoints, start, &wanted(&[WEST], &[EAST])).await.unwrap();
        assert_eq!(outcome.status, Status::Done);
        let to_east = "routing control of sandbox-east: On to Off";
        assert_eq!(outcome.changed, [to_east, "routing control of sandbox-west: Off to On"]);
        assert_eq!(states(&world), "Off On");
        assert_eq!(
            calls(&world),
            [format!("{start} read"), format!("{start} write 2"), format!("{start} read")]
        );
        let json = serde_json::to_value(&outcome.observed).unwrap();
        assert_eq!(json["states"][WEST], "On");
        assert_eq!(json["endpoint"], format!("region-{start}"));

        let again = set(&endpoints, start, &wanted(&[WEST], &[EAST])).await.unwrap();
        assert_eq!((again.status, again.changed.len()), (Status::Done, 0));
        assert!(again.reason.contains("already"), "{}", again.reason);
        assert_eq!(calls(&world).len(), 4, "nothing to change, so only a read");
    }
}

#[tokio::test(start_paused = true)]
async fn one_answering_endpoint_is_enough_whichever_it_is_and_whatever_the_start() {
    for start in 0..5 {
        for alive in 0..5 {
            let broken = (0..5).filter(|i| *i != alive).map(|i| (i, Broken::Next)).collect();
            let (endpoints, world) = arc(World { broken, ..World::default() });
            let outcome = set(&endpoints, start, &wanted(&[], &[EAST])).await.unwrap();
            assert_eq!(outcome.status, Status::Done);
            assert_eq!(states(&world), "Off Off");
            let first: Vec<_> = calls(&world).into_iter().take((alive + 5 - start) % 5 + 1).collect();
            let expected: Vec<_> = (0..first.len()).map(|i| format!("{} read", (start + i) % 5)).collect();
            assert_eq!(first, expected);
            let writes = calls(&world).into_iter().filter(|call| call.contains("write")).collect::<Vec<_>>();
            assert_eq!(writes, [format!("{alive} write 1")], "the endpoint that answered is asked first");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_endpoint_at_all_is_an_error_that_lists_each() {
    let broken = (0..5).map(|i| (i, Broken::Next)).collect();
    let (endpoints, world) = arc(World { broken, ..World::default() });
    let error = set(&endpoints, 3, &wanted(&[], &[EAST])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    for i in 0..5 {
        assert!(error.to_string().contains(&format!("region-{i}: down {i}")), "{error}");
    }
    assert_eq!(calls(&world), ["3 read", "4 read", "0 read", "1 read", "2 read"]);
    assert_eq!(states(&world), "On Off");
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_an_error_at_the_first_endpoint_that_says_so() {
    for denying in 0..5 {
        let broken = (0..denying).map(|i| (i, Broken::Next)).chain([(denying, Broken::Fatal)]).collect();
        let (endpoints, world) = arc(World { broken, ..World::default() });
        let error = set(&endpoints, 0, &wanted(&[], &[EAST])).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        assert_eq!(calls(&world).len(), denying + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_sent_to_the_next_endpoint() {
    let (endpoints, world) = arc(World { broken: [(0, Broken::LostAnswer)].into(), ..World::default() });
    let outcome = set(&endpoints, 0, &wanted(&[WEST], &[EAST])).await.unwrap();
    assert_eq!((outcome.status, outcome.changed.len()), (Status::Done, 2));
    assert_eq!(calls(&world), ["0 read", "0 write 2", "1 write 2", "1 read"]);
}

#[tokio::test(start_paused = true)]
async fn any_call_may_fail_and_the_next_one_ends_in_the_same_state() {
    for fault in FAULTS {
        for k in 1.. {
            let (endpoints, world) = arc(World::default());
            world.lock().unwrap().calls.fault = Some((k, fault));
            let first = set(&endpoints, 0, &wanted(&[WEST], &[EAST])).await;
            let hit = world.lock().unwrap().calls.was_hit();
            world.lock().unwrap().calls.fault = None;
            match (fault, &first) {
                (Fault::Fails(Kind::Failed), Ok(_)) if hit => panic!("call {k} failed unseen"),
                (Fault::Fails(Kind::Failed), Err(_)) => {}
                // Another endpoint answers.
                _ => assert_eq!(first.as_ref().unwrap().status, Status::Done, "{fault:?} at {k}"),
            }
            let again = set(&endpoints, 0, &wanted(&[WEST], &[EAST])).await.unwrap();
            assert_eq!((again.status, states(&world).as_str()), (Status::Done, "Off On"), "{fault:?} at {k}");
            if !hit {
                assert!(k > 3, "read, written, read back");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_safety_rule_refuses_and_is_overridden_only_when_named() {
    let (endpoints, world) = arc(World { rule: true, ..World::default() });
    let mut wanted = wanted(&[], &[EAST]);
    let outcome = set(&endpoints, 0, &wanted).await.unwrap();
    assert_eq!((outcome.status, outcome.changed.len()), (Status::Refused, 0));
    for part in ["rule one forbids it", "SafetyRulesToOverride", "Off in sandbox-east"] {
        assert!(outcome.reason.contains(part), "{part} is missing in: {}", outcome.reason);
    }
    assert_eq!(states(&world), "On Off");
    wanted.safety_rules_to_override = vec![RULE.to_owned()];
    let outcome = set(&endpoints, 0, &wanted).await.unwrap();
    assert_eq!(outcome.status, Status::Done);
    assert_eq!(states(&world), "Off Off");
}

#[tokio::test(start_paused = true)]
async fn a_concurrent_change_is_tried_once_more() {
    let (endpoints, world) = arc(World { busy: 1, ..World::default() });
    assert_eq!(set(&endpoints, 0, &wanted(&[], &[EAST])).await.unwrap().status, Status::Done);
    assert_eq!(calls(&world), ["0 read", "0 write 1", "0 read", "0 write 1", "0 read"]);
    let (endpoints, _) = arc(World { busy: 9, ..World::default() });
    let outcome = set(&endpoints, 0, &wanted(&[], &[EAST])).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("another change"), "{}", outcome.reason);
}

#[tokio::test(start_paused = true)]
async fn states_that_agree_late_are_waited_for_and_ones_that_never_do_are_an_error() {
    let (endpoints, _) = arc(World { stale_reads: 4, ..World::default() });
    assert_eq!(set(&endpoints, 0, &wanted(&[WEST], &[EAST])).await.unwrap().status, Status::Done);

    let (endpoints, world) = arc(World { deaf: true, ..World::default() });
    let error = set(&endpoints, 0, &wanted(&[WEST], &[EAST])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    for part in ["region-0 accepted", "On in sandbox-east", "not Off in sandbox-east"] {
        assert!(error.to_string().contains(part), "{part} is missing in: {error}");
    }
    assert_eq!(calls(&world).len(), 2 + READS as usize);
}
