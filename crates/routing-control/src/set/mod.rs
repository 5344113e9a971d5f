//! `set`: sets routing controls by ARC's data plane.
//!
//! ```text
//! what is asked for makes no sense ────────────────────────────────────▶ Refused
//! read the states ─▶ as asked ─────────────────────────────────────────▶ Done, nothing changed
//!        │ not yet
//!        ▼
//! one batch with the changes ─▶ conflict ─▶ read and send once more ─▶ conflict ─▶ Refused
//!        │ accepted
//!        ▼
//! read the states, up to 5 times, a second apart ─▶ as asked ─▶ Done
//!        │ never so
//!        ▼
//!      error
//! ```
//!
//! Each arrow tries the endpoints in rotation, from a random one at first and from the one that answered last after
//! that, [`runbook::arc::ATTEMPT`] for each. An endpoint that is silent, unavailable or throttled hands on to the next.
//!
//! Promises: success is said only of states that were read back after the change. All changes are in one batch, which
//! ARC applies whole or not at all. A safety rule is overridden only when the event names it. Calling again is safe: the
//! same states are asked for again, and what is so is left alone.
//!
//! A failure leaves behind: nothing when the change was refused or no endpoint took it; otherwise possibly the change
//! itself, unconfirmed: the error says so, and a further call finds out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use aws_sdk_route53recoverycluster::Client;
use aws_sdk_route53recoverycluster::types::UpdateRoutingControlStateEntry;
use runbook::arc::{Endpoint, ReadStates, State, TryError};
use runbook::error::Kind;
use runbook::{Outcome, RecoveryPlan, Status, StepError};

use crate::{Controls, Observed, SetEvent};

/// Time between two reads: the endpoints agree after a moment, not at once.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the states are read back after a change.
const READS: u32 = 5;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The wanted state by Region, with the ARN of the Region's routing control.
    pub states: BTreeMap<String, (String, State)>,
    /// ARNs of the safety rules that may be broken.
    pub safety_rules_to_override: Vec<String>,
}

impl Asked {
    /// Reads the event against the plan.
    ///
    /// # Errors
    /// [`Kind::BadEvent`]: no Region at all, one that is not the plan's, one that is to be both on and off.
    pub fn of(event: &SetEvent, plan: &RecoveryPlan) -> Result<Self, StepError> {
        let mut states = BTreeMap::new();
        for (regions, state) in [(&event.on, State::On), (&event.off, State::Off)] {
            for region in regions {
                plan.require_region(region, "a Region to set (`TurnOn`, `TurnOff` of the runbook routing),")?;
                let control = plan.routing.controls.get(region).cloned().unwrap_or_default();
                let earlier = states.insert(region.clone(), (control, state));
                if earlier.is_some_and(|(_, earlier)| earlier != state) {
                    return Err(StepError::new(
                        Kind::BadEvent,
                        format!(
                            "{region} is in `on` and in `off` (`TurnOn`, `TurnOff` of the runbook routing)"
                        ),
                        "name each Region once",
                    ));
                }
            }
        }
        if states.is_empty() {
            return Err(StepError::new(
                Kind::BadEvent,
                "neither `on` nor `off` (`TurnOn`, `TurnOff` of the runbook routing) names a Region",
                "name at least one Region of the plan",
            ));
        }
        let planned = plan
            .routing
            .safety_rules_to_override
            .iter()
            .filter(|_| event.mode.is_some_and(|mode| !mode.is_planned()));
        let rules = event.safety_rules_to_override.iter().chain(planned).cloned();
        // ARC takes each once.
        let rules: BTreeSet<String> = rules.collect();
        Ok(Self { states, safety_rules_to_override: rules.into_iter().collect() })
    }

    fn controls(&self) -> Vec<String> {
        self.states.values().map(|(control, _)| control.clone()).collect()
    }

    /// The states seen, by Region.
    fn by_region(&self, seen: &BTreeMap<String, State>) -> BTreeMap<String, State> {
        let state =
            |(region, (control, _)): (&String, &(String, State))| Some((region.clone(), *seen.get(control)?));
        self.states.iter().filter_map(state).collect()
    }
}

/// What to do about the controls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Everything is as asked.
    AlreadyDone,
    /// Set these, by control.
    Act(BTreeMap<String, State>),
}

/// What is to be changed, given the states seen by control. A control that was not seen is set.
pub fn plan(asked: &Asked, seen: &BTreeMap<String, State>) -> Next {
    let changes: BTreeMap<_, _> =
        asked.states.values().filter(|(control, state)| seen.get(control) != Some(state)).cloned().collect();
    if changes.is_empty() { Next::AlreadyDone } else { Next::Act(changes) }
}

/// Sets routing controls at one endpoint.
pub trait WriteStates {
    /// Sets all of `changes` (by ARN) in one batch. `overrides`: ARNs of safety rules that may be broken.
    fn write_states(
        &self,
        changes: &BTreeMap<String, State>,
        overrides: &[String],
    ) -> impl Future<Output = Result<(), TryError>> + Send;
}

impl WriteStates for Client {
    async fn write_states(
        &self,
        changes: &BTreeMap<String, State>,
        overrides: &[String],
    ) -> Result<(), TryError> {
        let mut entries = Vec::new();
        for (control, state) in changes {
            let entry = UpdateRoutingControlStateEntry::builder()
                .routing_control_arn(control)
                .routing_control_state((*state).into())
                .build()
                .map_err(|error| {
                    TryError::Fatal(
                        StepError::new(
                            Kind::Failed,
                            "the batch of changes can't be written",
                            "report this line",
                        )
                        .with_source(error),
                    )
                })?;
            entries.push(entry);
        }
        let mut call =
            self.update_routing_control_states().set_update_routing_control_state_entries(Some(entries));
        if !overrides.is_empty() {
            call = call.set_safety_rules_to_override(Some(overrides.to_vec()));
        }
        let what = "setting routing controls";
        call.send().await.map(|_| ()).map_err(|error| TryError::of(what, error))
    }
}

/// Sets what is asked for, trying `endpoints` in rotation from the one at `start`. See the module's page.
///
/// # Errors
/// [`Kind::Unreachable`] when no endpoint answers, with each endpoint's failure; [`Kind::Denied`] without permission;
/// [`Kind::Failed`] when ARC accepted the change but is not seen to have made it.
pub async fn set<A: ReadStates + WriteStates>(
    endpoints: &[Endpoint<A>],
    start: usize,
    asked: &Asked,
) -> Result<Outcome<Observed>, StepError> {
    let controls = asked.controls();
    let (mut at, mut seen) = read(endpoints, start, &controls).await?;
    let before = asked.by_region(&seen);
    let mut conflicts = 0;
    loop {
        let changes = match plan(asked, &seen) {
            Next::AlreadyDone => return Ok(done(endpoints, at, asked, &seen, Vec::new())),
            Next::Act(changes) => changes,
        };
        let answer = rotate(endpoints, at, "setting routing controls", |api| {
            api.write_states(&changes, &asked.safety_rules_to_override)
        })
        .await;
        match answer {
            Ok((answered, ())) => {
                at = answered;
                break;
            }
            // It may be another change under way, so it is worth a second look; a safety rule answers the same again.
            Err(Stop::Conflict(_)) if conflicts == 0 => {
                conflicts += 1;
                tokio::time::sleep(PAUSE).await;
                (at, seen) = read(endpoints, at, &controls).await?;
            }
            Err(Stop::Conflict(message)) => return Ok(refused(endpoints, at, asked, &seen, &message)),
            Err(Stop::Error(error)) => return Err(error),
        }
    }

    let changed = asked
        .states
        .iter()
        .filter_map(|(region, (_, state))| {
            let before = before.get(region).filter(|before| *before != state)?;
            Some(format!("routing control of {region}: {before} to {state}"))
        })
        .collect();
    let taken_by = &endpoints[at].region;
    for round in 1..=READS {
        (at, seen) = read(endpoints, at, &controls).await.map_err(|error| {
            StepError::new(
                error.kind(),
                format!(
                    "the endpoint in {taken_by} accepted the change of routing controls, but it can't be read back"
                ),
                "run the step again: it looks first",
            )
            .with_source(error)
        })?;
        if plan(asked, &seen) == Next::AlreadyDone {
            return Ok(done(endpoints, at, asked, &seen, changed));
        }
        if round < READS {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(StepError::new(
        Kind::Failed,
        format!(
            "the endpoint in {taken_by} accepted the change of routing controls, but {READS} reads later they are {}, \
             not {}",
            line(&asked.by_region(&seen)),
            line(&asked.states.iter().map(|(region, (_, state))| (region, state)).collect()),
        ),
        "look for someone else who sets them, then run the step again",
    ))
}

fn done<A>(
    endpoints: &[Endpoint<A>],
    at: usize,
    asked: &Asked,
    seen: &BTreeMap<String, State>,
    changed: Vec<String>,
) -> Outcome<Observed> {
    let endpoint = &endpoints[at].region;
    let observed = Controls { states: asked.by_region(seen), endpoint: Some(endpoint.clone()) };
    let already = if changed.is_empty() { "already " } else { "" };
    let reason = format!("traffic is {already}{}, read from ARC in {endpoint}", line(&observed.states));
    Outcome::new(Status::Done, reason, Observed::Controls(observed)).with_changed(changed)
}

fn refused<A>(
    endpoints: &[Endpoint<A>],
    at: usize,
    asked: &Asked,
    seen: &BTreeMap<String, State>,
    message: &str,
) -> Outcome<Observed> {
    let observed = Controls { states: asked.by_region(seen), endpoint: Some(endpoints[at].region.clone()) };
    let reason = format!(
        "ARC refuses to change traffic from {} to {}: {message}. Set the controls so that the safety rule holds, or name \
         the rule's ARN in the runbook's parameter SafetyRulesToOverride, and start it again",
        line(&observed.states),
        line(&asked.states.iter().map(|(region, (_, state))| (region, state)).collect()),
    );
    Outcome::new(Status::Refused, reason, Observed::Controls(observed))
}

/// `On in a, Off in b`.
fn line<R: Display>(states: &BTreeMap<R, impl Display>) -> String {
    states.iter().map(|(region, state)| format!("{state} in {region}")).collect::<Vec<_>>().join(", ")
}

/// Reads the states at any endpoint.
async fn read<A: ReadStates>(
    endpoints: &[Endpoint<A>],
    start: usize,
    controls: &[String],
) -> Result<(usize, BTreeMap<String, State>), StepError> {
    let what = "reading routing controls";
    rotate(endpoints, start, what, |api| api.read_states(controls)).await.map_err(|stop| match stop {
        Stop::Error(error) => error,
        Stop::Conflict(message) => {
            StepError::new(Kind::Failed, format!("{what} failed: {message}"), "report this line")
        }
    })
}

/// Why a rotation ended without an answer.
enum Stop {
    /// A conflict, with the service's message: no other endpoint is asked.
    Conflict(String),
    /// An error, or every endpoint failed.
    Error(StepError),
}

/// Makes `attempt` at one endpoint after the other, once each, from the one at `start`; answers which endpoint answered.
async fn rotate<'a, A, T, F>(
    endpoints: &'a [Endpoint<A>],
    start: usize,
    what: &str,
    attempt: impl Fn(&'a A) -> F,
) -> Result<(usize, T), Stop>
where
    F: Future<Output = Result<T, TryError>>,
{
    let mut failures = Vec::new();
    for i in 0..endpoints.len() {
        let at = (start + i) % endpoints.len();
        let endpoint = &endpoints[at];
        match attempt(&endpoint.api).await {
            Ok(answer) => return Ok((at, answer)),
            Err(TryError::NextEndpoint(cause)) => failures.push(format!("{}: {cause}", endpoint.region)),
            Err(TryError::Conflict(message)) => return Err(Stop::Conflict(message)),
            Err(TryError::Fatal(error)) => return Err(Stop::Error(error)),
        }
    }
    Err(Stop::Error(StepError::new(
        Kind::Unreachable,
        format!("{what} failed at every endpoint of the ARC cluster: {}", failures.join("; ")),
        "check that the function can reach the internet and that `routing.endpoints` of the plan are right \
         (operation fill-endpoints writes them), then run the step again",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbook::step::Mode;
    use std::sync::{Arc, Mutex};

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
    fn a_failover_may_break_what_the_plan_says_and_nothing_else_may() {
        let mut plan = runbook::plan::sample();
        plan.routing.safety_rules_to_override = vec![RULE.into()];
        let rules = |mode, given: &[&str]| {
            let given = given.iter().map(|&rule| rule.to_owned()).collect();
            let event = SetEvent { mode, safety_rules_to_override: given, ..event(&[], &[EAST]) };
            Asked::of(&event, &plan).unwrap().safety_rules_to_override
        };
        for mode in [Mode::Failover, Mode::Detach] {
            assert_eq!(rules(Some(mode), &[]), [RULE]);
            assert_eq!(rules(Some(mode), &[RULE, "arn:other"]), [RULE, "arn:other"], "each once");
        }
        assert_eq!(rules(Some(Mode::Switchover), &[]), [""; 0]);
        assert_eq!(rules(None, &["arn:other"]), ["arn:other"]);
    }

    fn asked(on: &[&str], off: &[&str]) -> Asked {
        Asked::of(&event(on, off), &runbook::plan::sample()).unwrap()
    }

    /// What the endpoints share.
    #[derive(Default)]
    struct World {
        /// By control.
        states: BTreeMap<String, State>,
        /// `read 2`, `write 0 [controls…]`.
        calls: Vec<String>,
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
        fn fails(&self, world: &World) -> Result<(), TryError> {
            match world.broken.get(&self.0) {
                Some(Broken::Next) => Err(TryError::NextEndpoint(format!("down {}", self.0))),
                Some(Broken::Fatal) => {
                    Err(TryError::Fatal(StepError::new(Kind::Denied, "no permission", "add it")))
                }
                _ => Ok(()),
            }
        }
    }

    impl ReadStates for Fake {
        async fn read_states(&self, controls: &[String]) -> Result<BTreeMap<String, State>, TryError> {
            let mut world = self.1.lock().unwrap();
            world.calls.push(format!("read {}", self.0));
            self.fails(&world)?;
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
            world.calls.push(format!("write {} {}", self.0, changes.len()));
            self.fails(&world)?;
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
        world.lock().unwrap().calls.clone()
    }

    #[test]
    fn plan_changes_only_what_is_not_as_asked() {
        let controls = runbook::plan::sample().routing.controls;
        let seen =
            |east, west| BTreeMap::from([(controls[EAST].clone(), east), (controls[WEST].clone(), west)]);
        let act = |changes: &[(&str, State)]| {
            Next::Act(changes.iter().map(|(region, state)| (controls[*region].clone(), *state)).collect())
        };
        use State::{Off, On};
        let cases = [
            (asked(&[WEST], &[EAST]), seen(On, Off), act(&[(EAST, Off), (WEST, On)])),
            (asked(&[WEST], &[EAST]), seen(Off, Off), act(&[(WEST, On)])),
            (asked(&[WEST], &[EAST]), seen(Off, On), Next::AlreadyDone),
            (asked(&[], &[EAST]), seen(On, On), act(&[(EAST, Off)])),
            (asked(&[], &[EAST]), seen(Off, On), Next::AlreadyDone),
            (asked(&[EAST, WEST], &[]), seen(On, On), Next::AlreadyDone),
            (asked(&[], &[EAST]), BTreeMap::new(), act(&[(EAST, Off)])),
        ];
        for (asked, seen, expected) in cases {
            assert_eq!(plan(&asked, &seen), expected, "{asked:?} {seen:?}");
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
            let error = Asked::of(&event, &runbook::plan::sample()).unwrap_err();
            assert_eq!(error.kind(), Kind::BadEvent);
            assert!(error.to_string().contains(expected), "{expected} is missing in: {error}");
        }
        assert_eq!(asked(&[EAST, EAST], &[]), asked(&[EAST], &[]));
    }

    #[tokio::test(start_paused = true)]
    async fn both_changes_go_in_one_batch_and_are_read_back_from_every_start() {
        for start in 0..5 {
            let (endpoints, world) = arc(World::default());
            let outcome = set(&endpoints, start, &asked(&[WEST], &[EAST])).await.unwrap();
            assert_eq!(outcome.status, Status::Done);
            let to_east = "routing control of sandbox-east: On to Off";
            assert_eq!(outcome.changed, [to_east, "routing control of sandbox-west: Off to On"]);
            assert_eq!(states(&world), "Off On");
            assert_eq!(
                calls(&world),
                [format!("read {start}"), format!("write {start} 2"), format!("read {start}")]
            );
            let json = serde_json::to_value(&outcome.observed).unwrap();
            assert_eq!(json["states"][WEST], "On");
            assert_eq!(json["endpoint"], format!("region-{start}"));

            let again = set(&endpoints, start, &asked(&[WEST], &[EAST])).await.unwrap();
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
                let outcome = set(&endpoints, start, &asked(&[], &[EAST])).await.unwrap();
                assert_eq!(outcome.status, Status::Done);
                assert_eq!(states(&world), "Off Off");
                let first: Vec<_> = calls(&world).into_iter().take((alive + 5 - start) % 5 + 1).collect();
                let expected: Vec<_> =
                    (0..first.len()).map(|i| format!("read {}", (start + i) % 5)).collect();
                assert_eq!(first, expected);
                let writes =
                    calls(&world).into_iter().filter(|call| call.starts_with("write")).collect::<Vec<_>>();
                assert_eq!(writes, [format!("write {alive} 1")], "the endpoint that answered is asked first");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_endpoint_at_all_is_an_error_that_lists_each() {
        let broken = (0..5).map(|i| (i, Broken::Next)).collect();
        let (endpoints, world) = arc(World { broken, ..World::default() });
        let error = set(&endpoints, 3, &asked(&[], &[EAST])).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable);
        for i in 0..5 {
            assert!(error.to_string().contains(&format!("region-{i}: down {i}")), "{error}");
        }
        assert_eq!(calls(&world), ["read 3", "read 4", "read 0", "read 1", "read 2"]);
        assert_eq!(states(&world), "On Off");
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_is_an_error_at_the_first_endpoint_that_says_so() {
        for denying in 0..5 {
            let broken = (0..denying).map(|i| (i, Broken::Next)).chain([(denying, Broken::Fatal)]).collect();
            let (endpoints, world) = arc(World { broken, ..World::default() });
            let error = set(&endpoints, 0, &asked(&[], &[EAST])).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Denied);
            assert_eq!(calls(&world).len(), denying + 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_whose_answer_is_lost_is_sent_to_the_next_endpoint() {
        let (endpoints, world) = arc(World { broken: [(0, Broken::LostAnswer)].into(), ..World::default() });
        let outcome = set(&endpoints, 0, &asked(&[WEST], &[EAST])).await.unwrap();
        assert_eq!((outcome.status, outcome.changed.len()), (Status::Done, 2));
        assert_eq!(calls(&world), ["read 0", "write 0 2", "write 1 2", "read 1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_safety_rule_refuses_and_is_overridden_only_when_named() {
        let (endpoints, world) = arc(World { rule: true, ..World::default() });
        let mut asked = asked(&[], &[EAST]);
        let outcome = set(&endpoints, 0, &asked).await.unwrap();
        assert_eq!((outcome.status, outcome.changed.len()), (Status::Refused, 0));
        for part in ["rule one forbids it", "SafetyRulesToOverride", "Off in sandbox-east"] {
            assert!(outcome.reason.contains(part), "{part} is missing in: {}", outcome.reason);
        }
        assert_eq!(states(&world), "On Off");
        asked.safety_rules_to_override = vec![RULE.to_owned()];
        let outcome = set(&endpoints, 0, &asked).await.unwrap();
        assert_eq!(outcome.status, Status::Done);
        assert_eq!(states(&world), "Off Off");
    }

    #[tokio::test(start_paused = true)]
    async fn a_concurrent_change_is_tried_once_more() {
        let (endpoints, world) = arc(World { busy: 1, ..World::default() });
        assert_eq!(set(&endpoints, 0, &asked(&[], &[EAST])).await.unwrap().status, Status::Done);
        assert_eq!(calls(&world), ["read 0", "write 0 1", "read 0", "write 0 1", "read 0"]);
        let (endpoints, _) = arc(World { busy: 9, ..World::default() });
        let outcome = set(&endpoints, 0, &asked(&[], &[EAST])).await.unwrap();
        assert_eq!(outcome.status, Status::Refused);
        assert!(outcome.reason.contains("another change"), "{}", outcome.reason);
    }

    #[tokio::test(start_paused = true)]
    async fn states_that_agree_late_are_waited_for_and_ones_that_never_do_are_an_error() {
        let (endpoints, _) = arc(World { stale_reads: 4, ..World::default() });
        assert_eq!(set(&endpoints, 0, &asked(&[WEST], &[EAST])).await.unwrap().status, Status::Done);

        let (endpoints, world) = arc(World { deaf: true, ..World::default() });
        let error = set(&endpoints, 0, &asked(&[WEST], &[EAST])).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Failed);
        for part in ["region-0 accepted", "On in sandbox-east", "not Off in sandbox-east"] {
            assert!(error.to_string().contains(part), "{part} is missing in: {error}");
        }
        assert_eq!(calls(&world).len(), 2 + READS as usize);
    }
}
