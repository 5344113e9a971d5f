//! One night: a story told by an operator who follows the night guide, in the world and the weather of its schedule.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runbook::names::{EXECUTION_TAG, keys};
use sandbox::automation::{EventKind, Execution, Status};
use sandbox::eventbridge::EventBridge;
use sandbox::world::Message;
use sandbox::world::routing::{Endpoint, ONE_REGION_ON};
use sandbox::{EAST, REGIONS, WEST};
use serde_json::json;
use tokio::time::Instant;

use super::Log;
use super::customers::Customers;
use super::fleet::Fleet;
use super::model::Loss;
use super::promises::{self, Broken};
use super::schedule::{Fault, Schedule, Story};
use super::storm::Storm;
use super::tables::TABLE;
use super::timeline::Timeline;
use crate::stage::{APPROVER, Stage, told};

/// A runbook, and where it is to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Failover,
    Detach,
    Failback(&'static str),
    Reconcile,
    Replay,
    Rebuild,
    Readiness,
}

/// How an execution ended.
#[derive(Debug, Clone)]
pub struct Ending {
    pub act: Act,
    pub id: String,
    /// Nothing where Automation has forgotten it.
    pub execution: Option<Execution>,
    /// When it was started, and how many messages there were.
    pub since: Instant,
    pub known: usize,
    /// How many messages there were when it had ended.
    pub until: usize,
    /// Whether nothing else ran meanwhile.
    pub alone: bool,
    /// Whether the topic was out of order meanwhile.
    pub untold: bool,
    /// Whether the Region that it ran in was dark meanwhile, so that nothing in it could tell anybody.
    pub dark: bool,
}

impl Ending {
    fn well(&self) -> bool {
        self.execution.as_ref().is_some_and(|execution| execution.status == Status::Success)
    }
}

/// Within this time everything ends: an approval may wait a day.
const DAYS: Duration = Duration::from_secs(5 * 86_400);
/// For how long a lock is held whose execution Automation has forgotten, by the plan of these nights.
const LOCKED: Duration = Duration::from_secs(300);
/// How often an operator starts a runbook again before asking for help.
const TRIES: usize = 3;

/// A night.
pub struct Night {
    pub schedule: Schedule,
    pub stage: Stage,
    pub fleet: Arc<Fleet>,
    pub storm: Arc<Storm>,
    pub timeline: Arc<Timeline>,
    log: Log,
    notes: Mutex<Notes>,
    /// Tells of executions that did not end well, as the rule of the stack does.
    _bridge: Arc<EventBridge>,
}

/// What the operator remembers.
#[derive(Default)]
struct Notes {
    /// Whether Automation has forgotten something, whose lock may still be held.
    forgotten: bool,
    /// Whether the story has the east cut off.
    cut: bool,
    /// Every execution that was started, with its Region.
    started: Vec<(&'static str, String)>,
    /// Reconciliations that may have left something.
    unclean: Vec<String>,
    /// The last one that ended well.
    reconciled: Option<Ending>,
}

/// How a night went.
#[derive(Debug, Default, Clone, Copy)]
pub struct Went {
    /// Executions that ended well in the storm, and those that did not.
    pub well: usize,
    pub badly: usize,
    /// Databases whose report was held against the ledger row by row, and how many of them had a state at the takeover in time.
    pub reports: usize,
    pub exact: usize,
    /// Rows that were lost.
    pub lost: usize,
}

impl std::ops::AddAssign for Went {
    fn add_assign(&mut self, more: Self) {
        self.well += more.well;
        self.badly += more.badly;
        self.reports += more.reports;
        self.exact += more.exact;
        self.lost += more.lost;
    }
}

impl Night {
    /// The world of a schedule, in the evening.
    pub async fn begin(schedule: Schedule, timeline: Arc<Timeline>, log: Log) -> Self {
        let setting = schedule.setting;
        let fleet = Arc::new(Fleet::new(setting.lag));
        let storm = Storm::new(schedule.faults.clone(), Arc::clone(&timeline));
        let stage =
            Stage::at_night(setting.reading, setting.factor, Arc::clone(&fleet), Arc::clone(&storm)).await;
        stage.world.set_reading(setting.world);
        let strategy = if setting.databases_first { "databases-first" } else { "traffic-first" };
        stage
            .change_plan(|plan| {
                plan["limits"]["lockMinutes"] = json!(LOCKED.as_secs() / 60);
                // Hours of looking for a snapshot that never comes show nothing more.
                plan["limits"]["restoreMinutes"] = json!(12);
                plan["failback"]["strategy"] = json!(strategy);
                if setting.standby_off {
                    plan["routing"]["safetyRulesToOverride"] = json!([ONE_REGION_ON]);
                }
            })
            .await;
        if setting.standby_off {
            stage.world.set_routing_control(&super::plan().routing.controls[WEST], false);
        }
        let _bridge = stage.follow_events_by(super::rules().clone());
        Self { schedule, stage, fleet, storm, timeline, log, notes: Mutex::default(), _bridge }
    }

    /// Tells the story, and holds the promises against it.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub async fn tell(&self) -> Result<Went, Broken> {
        let customers = Customers {
            world: Arc::clone(&self.stage.world),
            fleet: Arc::clone(&self.fleet),
            every: Duration::from_millis(self.schedule.setting.every),
            seed: self.schedule.seed,
        };
        let watched = async {
            for looks in 0_u64.. {
                // Seldom, once hours have gone by.
                let pause = if looks < 20_000 { Duration::from_millis(500) } else { Duration::from_secs(30) };
                tokio::time::sleep(pause).await;
                if let Err(broken) = promises::one_region_takes_writes(self) {
                    return broken;
                }
            }
            unreachable!("looks are without end")
        };
        tokio::select! {
            biased;
            went = self.story() => went,
            broken = watched => Err(broken),
            () = customers.come() => unreachable!("customers come without end"),
            () = self.listen() => unreachable!("executions are followed without end"),
            () = self.hear() => unreachable!("the world is followed without end"),
        }
    }

    /// Puts what the runbooks do on the timeline.
    async fn listen(&self) {
        let mut happened = self.stage.automation.subscribe();
        loop {
            let Ok(event) = happened.recv().await else { continue };
            let step = event.step.as_deref().unwrap_or("");
            let short = &event.execution[..8.min(event.execution.len())];
            match event.kind {
                EventKind::StepStarted => {}
                EventKind::StepEnded(status, reason) => {
                    self.timeline.say(format!(
                        "{} {short} {step}: {} {reason}",
                        event.document,
                        status.name()
                    ));
                }
                EventKind::ExecutionEnded(status) => {
                    self.timeline.say(format!("{} {short} ended: {}", event.document, status.name()));
                }
            }
        }
    }

    /// Puts what the world does on it.
    async fn hear(&self) {
        let mut events = self.stage.world.subscribe();
        loop {
            let Ok(event) = events.recv().await else { continue };
            self.timeline.say(format!("  {}: {}", event.region, event.text));
        }
    }

    async fn story(&self) -> Result<Went, Broken> {
        let mut went = Went::default();
        self.pause(60).await;
        self.prelude().await?;
        let acts: Vec<Act> = match self.schedule.story {
            Story::Failover => vec![Act::Failover],
            Story::Detach => vec![Act::Detach, Act::Rebuild],
            Story::Failback => vec![Act::Failback(WEST)],
            Story::Reconcile => vec![Act::Reconcile],
            Story::Replay => vec![Act::Replay],
            Story::Rebuild => vec![Act::Rebuild],
            Story::Readiness => vec![Act::Readiness],
            Story::Whole => vec![Act::Failover, Act::Reconcile, Act::Replay, Act::Failback(EAST)],
        };
        self.storm.begin();
        self.timeline.say("the storm begins");
        let weather = self.weather();
        let mut left = acts.iter().copied().peekable();
        let stormy = async {
            while let Some(act) = left.peek().copied() {
                self.before(act).await;
                let mut ending = self.act(act, true).await?;
                // The operator tries once more while it storms.
                if !ending.well() && ending.execution.is_some() && self.schedule.seed % 2 == 0 {
                    went.badly += 1;
                    ending = self.act(act, true).await?;
                }
                if !ending.well() {
                    went.badly += 1;
                    break;
                }
                went.well += 1;
                self.after(&ending, &mut went).await?;
                left.next();
            }
            Ok::<(), Broken>(())
        };
        tokio::select! {
            biased;
            result = stormy => result?,
            () = weather => unreachable!("weather lasts as long as the storm"),
        }
        self.calm().await;
        // By the night guide: what did not end well is started again, and what follows it is done.
        let mut rest: Vec<Act> = left.collect();
        let follows: &[Act] = match self.schedule.story {
            Story::Failover => &[Act::Reconcile],
            Story::Detach | Story::Rebuild => &[Act::Reconcile],
            _ => &[],
        };
        rest.extend(follows);
        for act in rest {
            self.before(act).await;
            // Where Aurora could take no snapshot, there is nothing to compare: that is told, and nothing follows.
            let Some(ending) = self.until_it_ends_well(act).await? else { break };
            self.after(&ending, &mut went).await?;
        }
        self.clean_up().await?;
        if self.schedule.story == Story::Failback {
            promises::a_switchover_loses_nothing(self)?;
        }
        promises::no_secret_is_told(self).await?;
        Ok(went)
    }

    /// What has been done when the story begins, undisturbed.
    async fn prelude(&self) -> Result<(), Broken> {
        let done: &[Act] = match self.schedule.story {
            Story::Failback | Story::Readiness => return Ok(()),
            Story::Failover | Story::Whole => &[],
            Story::Detach => {
                self.other_version();
                &[]
            }
            Story::Reconcile => &[Act::Failover],
            Story::Replay => &[Act::Failover, Act::Reconcile],
            Story::Rebuild => {
                self.other_version();
                &[Act::Detach]
            }
        };
        self.cut(EAST).await;
        self.pause(20).await;
        for act in done {
            self.before(*act).await;
            let ending = self.act(*act, false).await?;
            if !ending.well() {
                let how = format!(
                    "{act:?}, undisturbed: {}",
                    ending.execution.as_ref().map(told).unwrap_or_default()
                );
                return Err(Broken { promise: "undisturbed, it ends well", how });
            }
        }
        Ok(())
    }

    /// What has to be so before a runbook is started: the old Region is back where it is needed.
    async fn before(&self, act: Act) {
        let needs_both = !matches!(act, Act::Failover | Act::Detach | Act::Readiness);
        if needs_both && self.notes.lock().unwrap().cut {
            self.timeline.say("sandbox-east is back");
            self.notes.lock().unwrap().cut = false;
            self.stage.world.rejoin(EAST).await;
        }
        if act == Act::Rebuild {
            // An old primary that was detached takes writes until it is renamed: nobody may come late any more (docs/promises.md).
            self.pause(super::customers::LATE.as_secs() + 5).await;
        }
        if matches!(act, Act::Failback(_)) {
            self.stage.settle().await;
        }
    }

    /// Holds what a runbook that ended well has left against the ledger.
    async fn after(&self, ending: &Ending, went: &mut Went) -> Result<(), Broken> {
        match ending.act {
            Act::Reconcile => {
                let exact = promises::the_report_is_the_ledger(self, ending).await?;
                went.exact += exact;
                for name in super::plan().databases.keys() {
                    if let Some(loss) = self.loss(name, ending.since) {
                        went.reports += 1;
                        went.lost += loss.size();
                    }
                }
            }
            Act::Replay => {
                let reconciled = self.notes.lock().unwrap().reconciled.clone();
                if let Some(reconciled) = reconciled {
                    promises::a_replay_only_puts_back(self, &reconciled, ending).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Starts a runbook until it ends well, as an operator does whom nothing disturbs any more.
    async fn until_it_ends_well(&self, act: Act) -> Result<Option<Ending>, Broken> {
        let mut last = String::new();
        for _ in 0..TRIES {
            self.clean_up().await?;
            if self.is_done(act).await {
                let (known, since) = (self.stage.world.messages().len(), Instant::now());
                let id = String::new();
                return Ok(Some(Ending {
                    act,
                    id,
                    execution: None,
                    since,
                    known,
                    until: known,
                    alone: true,
                    untold: true,
                    dark: false,
                }));
            }
            let ending = self.act(act, false).await?;
            if ending.well() {
                return Ok(Some(ending));
            }
            last = ending.execution.as_ref().map(told).unwrap_or_default();
            let no_snapshot = |number: &usize| {
                matches!(self.schedule.faults[*number], Fault::Aurora { call: "snapshot", .. })
            };
            let says_so = |message: &Message| {
                ["is not taken yet", "the last state of the old primary can't be restored"]
                    .iter()
                    .any(|words| message.body.contains(words))
            };
            if self.storm.felt().iter().any(no_snapshot) && self.messages(&ending).iter().any(says_so) {
                return Ok(None);
            }
            self.do_as_told(&ending).await;
            self.stage.settle().await;
        }
        Err(Broken { promise: "started again without faults, it ends well", how: format!("{act:?}: {last}") })
    }

    /// Runs a runbook, and holds the promises of any end against how it ended.
    async fn act(&self, act: Act, stormy: bool) -> Result<Ending, Broken> {
        let (region, document, parameters) = self.call_of(act);
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (since, known) = (Instant::now(), self.stage.world.messages().len());
        let start = || {
            let id = self.stage.start_in(region, document, &parameters);
            self.timeline.say(format!("{document} {} is started in {region}", &id[..8.min(id.len())]));
            let mut notes = self.notes.lock().unwrap();
            notes.started.push((region, id.clone()));
            if act == Act::Reconcile {
                notes.unclean.push(id.clone());
            }
            id
        };
        let id = start();
        let felt = self.storm.felt();
        let twist = |pick: fn(&Fault) -> Option<u64>| {
            let numbered = self.schedule.faults.iter().enumerate().filter(|_| stormy);
            numbered
                .filter(|(number, _)| !felt.contains(number))
                .find_map(|(number, fault)| Some((number, pick(fault)?)))
        };
        let twice =
            twist(|fault| if let Fault::StartedTwice { after } = fault { Some(*after) } else { None });
        let cancelled =
            twist(|fault| if let Fault::Cancelled { after } = fault { Some(*after) } else { None });
        let forgotten =
            twist(|fault| if let Fault::Forgotten { after } = fault { Some(*after) } else { None });
        let both = async {
            let second = async {
                if let Some((number, after)) = twice {
                    self.pause(after).await;
                    self.storm.feel(number);
                    let again = start();
                    self.stage.answered_in(region, &again, "Approve").await;
                }
            };
            tokio::join!(self.stage.answered_in(region, &id, "Approve"), second).0
        };
        let cancel = async {
            if let Some((number, after)) = cancelled {
                self.pause(after).await;
                if self.stage.automation.cancel(region, &id).is_ok() {
                    self.storm.feel(number);
                    self.timeline.fault(format!("{document} is cancelled"));
                }
            }
            std::future::pending::<()>().await;
        };
        let forget = async {
            let Some((number, after)) = forgotten else { return std::future::pending().await };
            self.pause(after).await;
            self.storm.feel(number);
            self.timeline.fault(format!("Automation forgets {document}"));
            self.notes.lock().unwrap().forgotten = true;
            self.stage.end_early_in(region, &id, false).await;
        };
        let execution = tokio::select! {
            biased;
            execution = both => Some(execution),
            () = forget => None,
            () = cancel => unreachable!("a cancellation ends nothing by itself"),
            () = tokio::time::sleep(DAYS) => {
                let how = format!("{act:?} has not ended after {} days", DAYS.as_secs() / 86_400);
                return Err(Broken { promise: "everything ends", how });
            }
        };
        // EventBridge needs a moment to tell of it.
        self.pause(1).await;
        let until = self.stage.world.messages().len();
        let disturbed = |fault: &Fault| match fault {
            Fault::Calls { operation, .. } => operation.is_none_or(|name| name == "Publish"),
            Fault::Dark { region: dark, .. } => *dark == region,
            _ => false,
        };
        let untold = stormy && self.schedule.faults.iter().any(disturbed);
        let goes_dark = |fault: &Fault| matches!(fault, Fault::Dark { region: dark, .. } if *dark == region);
        let dark = stormy && self.schedule.faults.iter().any(goes_dark);
        let alone = twice.is_none() && !self.notes.lock().unwrap().forgotten;
        let ending = Ending { act, id, execution, since, known, until, alone, untold, dark };
        let mut notes = self.notes.lock().unwrap();
        if act == Act::Reconcile && ending.well() {
            notes.reconciled = Some(ending.clone());
        }
        drop(notes);
        promises::every_end_was_told(self, &ending)?;
        promises::what_was_refused_changed_nothing(self, &ending)?;
        promises::nothing_restored_is_left(self, &ending)?;
        if alone {
            promises::success_left_what_it_says(self, &ending).await?;
        }
        Ok(ending)
    }

    /// Region, document and parameters of a runbook.
    fn call_of(&self, act: Act) -> (&'static str, &'static str, Vec<(&'static str, String)>) {
        let approvers = ("Approvers", APPROVER.to_owned());
        let impaired = ("ImpairedRegion", EAST.to_owned());
        match act {
            Act::Failover => (WEST, "causeway-failover", vec![impaired, approvers]),
            Act::Detach => {
                let mode = ("Mode", "detach".to_owned());
                (WEST, "causeway-failover", vec![impaired, approvers, mode])
            }
            Act::Failback(to) => (to, "causeway-failback", vec![approvers]),
            Act::Reconcile => (WEST, "causeway-reconcile", Vec::new()),
            Act::Replay => {
                let reconciled =
                    self.notes.lock().unwrap().reconciled.as_ref().map(|ending| ending.id.clone());
                (
                    WEST,
                    "causeway-replay",
                    vec![("ReconcileExecution", reconciled.unwrap_or_default()), approvers],
                )
            }
            Act::Rebuild => (WEST, "causeway-rebuild", Vec::new()),
            Act::Readiness => (WEST, "causeway-readiness", Vec::new()),
        }
    }

    /// Lets every fault of the world begin and end at its time; lasts as long as it is polled.
    async fn weather(&self) {
        let all =
            self.schedule.faults.iter().enumerate().map(|(number, fault)| self.come_true(number, fault));
        futures::future::join_all(all).await;
        std::future::pending::<()>().await;
    }

    async fn come_true(&self, number: usize, fault: &Fault) {
        let world = &self.stage.world;
        let feel = || {
            self.storm.feel(number);
            self.timeline.fault(fault.to_string());
        };
        match fault {
            Fault::Dark { region, from, seconds } => {
                self.pause(*from).await;
                feel();
                // One that is cut off by the story is back for a while.
                if world.is_isolated(region) {
                    world.rejoin(region).await
                } else {
                    world.isolate(region).await
                }
                self.pause(*seconds).await;
                self.timeline.fault(format!("{region} is as before"));
                self.as_the_story_has_it(region).await;
            }
            Fault::EndpointsDark { number, from, seconds, silent } => {
                self.pause(*from).await;
                feel();
                let dark = if *silent { Endpoint::Silent } else { Endpoint::Unavailable };
                (0..*number).for_each(|endpoint| world.arc_endpoint(endpoint, dark));
                self.pause(*seconds).await;
                (0..*number).for_each(|endpoint| world.arc_endpoint(endpoint, Endpoint::Up));
            }
            Fault::Aurora { call, times } => self.fleet.fail(call, *times),
            Fault::SlowMove { seconds } => {
                feel();
                world.hold_operations(true);
                self.pause(*seconds).await;
                world.hold_operations(false);
            }
            Fault::LateSnapshot { seconds } => {
                feel();
                world.hold_recovery(true);
                self.pause(*seconds).await;
                world.hold_recovery(false);
            }
            Fault::SnapshotTwice => {
                while world.repeat_snapshots().await == 0 {
                    self.pause(5).await;
                }
                feel();
            }
            _ => {}
        }
    }

    /// Ends the storm, and lets the world come to rest.
    async fn calm(&self) {
        self.storm.calm();
        for (number, fault) in self.schedule.faults.iter().enumerate() {
            if let Fault::Aurora { call, times } = fault
                && self.fleet.fails_left(call) < *times
            {
                self.storm.feel(number);
            }
        }
        self.fleet.mend();
        let world = &self.stage.world;
        (0..5).for_each(|endpoint| world.arc_endpoint(endpoint, Endpoint::Up));
        world.hold_operations(false);
        world.hold_recovery(false);
        for region in REGIONS {
            self.as_the_story_has_it(region).await;
        }
        self.timeline.say("the storm is over");
        self.stage.settle().await;
        if self.notes.lock().unwrap().forgotten {
            tokio::time::sleep(LOCKED).await;
        }
    }

    async fn as_the_story_has_it(&self, region: &str) {
        let (world, cut) = (&self.stage.world, region == EAST && self.notes.lock().unwrap().cut);
        match (cut, world.is_isolated(region)) {
            (true, false) => world.isolate(region).await,
            (false, true) => world.rejoin(region).await,
            _ => {}
        }
    }

    async fn cut(&self, region: &str) {
        self.notes.lock().unwrap().cut = true;
        self.timeline.say(format!("{region} is cut off"));
        self.stage.world.isolate(region).await;
    }

    async fn pause(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// The databases can't fail over as AWS does it.
    fn other_version(&self) {
        let cluster = &super::plan().databases["orders"].members[EAST].cluster_arn;
        self.stage.world.set_engine_version(cluster, "8.0.mysql_aurora.3.07.0");
    }

    /// Deletes the snapshots that a message says have failed and are to be deleted.
    async fn do_as_told(&self, ending: &Ending) {
        let messages = self.messages(ending);
        for region in REGIONS {
            let all = self.stage.ask_in(region, "rds", "DescribeDBClusterSnapshots", json!({})).await;
            for snapshot in all["DBClusterSnapshots"].as_array().into_iter().flatten() {
                let id = snapshot["DBClusterSnapshotIdentifier"].as_str().unwrap_or_default();
                let named = messages
                    .iter()
                    .any(|message| message.body.contains(id) && message.body.contains("delete it"));
                if snapshot["Status"] == "failed" && named {
                    self.timeline.say(format!("the operator deletes {id}, which has failed"));
                    let gone = json!({"DBClusterSnapshotIdentifier": id});
                    self.stage.ask_in(region, "rds", "DeleteDBClusterSnapshot", gone).await;
                }
            }
        }
    }

    /// As a message says that something is left: the function is called by hand until nothing is.
    async fn clean_up(&self) -> Result<(), Broken> {
        let unclean = std::mem::take(&mut self.notes.lock().unwrap().unclean);
        for id in unclean {
            crate::reconcile::clean_up_by_hand(&self.stage, &id).await;
        }
        self.stage.settle().await;
        let left = self.stage.world.tagged(EXECUTION_TAG);
        if left.is_empty() {
            return Ok(());
        }
        Err(Broken { promise: "cleaned up by hand, nothing is left", how: format!("{left:?}") })
    }

    /// Whether a runbook has nothing left to do, although its execution did not say so.
    async fn is_done(&self, act: Act) -> bool {
        match act {
            Act::Failover => self.stage.state().await == crate::failover::moved(),
            Act::Detach => {
                self.stands_for_itself()
                    && self
                        .stage
                        .state()
                        .await
                        .last_failover
                        .is_some_and(|last| last.0 == runbook::record::MoveOutcome::Succeeded)
            }
            Act::Failback(to) => {
                let state = self.stage.state().await;
                state.writers.values().all(|writer| writer == to) && self.switchovers_to(to).await == 2
            }
            _ => false,
        }
    }

    /// How many Regions have it on record that a switchover there was the last, and succeeded.
    pub async fn switchovers_to(&self, to: &str) -> usize {
        let records = self.stage.switchovers().await;
        records.iter().flatten().filter(|record| record.succeeded() && record.to_region == to).count()
    }

    /// Whether both databases take writes in the west, in a global cluster or on their own.
    pub fn stands_for_itself(&self) -> bool {
        super::plan()
            .databases
            .values()
            .all(|database| self.fleet.is_primary(&database.members[WEST].cluster_arn))
    }

    /// The messages while an execution ran.
    pub fn messages(&self, ending: &Ending) -> Vec<Message> {
        self.stage.world.messages()[ending.known..ending.until].to_vec()
    }

    /// What a database lost, as a comparison from a moment until now may see it.
    pub fn loss(&self, database: &str, since: Instant) -> Option<Loss> {
        let cluster = &super::plan().databases[database].members[WEST].cluster_arn;
        let parting = self.fleet.parting(cluster)?;
        let (old, new) = (self.fleet.book(&parting.old)?, self.fleet.open_book(cluster)?);
        Some(Loss::new(&parting, &old, &new, (since, Instant::now())))
    }

    /// What a report lists: by row, what happened and how sure that is.
    pub async fn csv(&self, execution: &str, database: &str) -> BTreeMap<u64, (String, String)> {
        let key = format!("{}{database}/{TABLE}.csv", keys::reports("shop", execution));
        let Some(bytes) = self.stage.object_in(WEST, &key).await else { return BTreeMap::new() };
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let column =
            |headers: &csv::StringRecord, name: &str| headers.iter().position(|one| one == name).unwrap();
        let headers = reader.headers().unwrap().clone();
        let [word, sure, id] = ["what happened", "how sure", "ID"].map(|name| column(&headers, name));
        let rows = reader.records().map(Result::unwrap);
        rows.map(|row| (row[id].parse().unwrap(), (row[word].to_owned(), row[sure].to_owned()))).collect()
    }

    /// Everything that anybody or anything could read, by where it is.
    pub async fn everything_told(&self) -> Vec<(String, String)> {
        let mut told = vec![("the log".to_owned(), self.log.text())];
        for message in self.stage.world.messages() {
            told.push((format!("the message “{}”", message.subject), message.body));
        }
        for (region, id) in self.notes.lock().unwrap().started.clone() {
            if let Ok(execution) = self.stage.automation.execution(region, &id) {
                told.push((format!("execution {id}"), execution.json().to_string()));
            }
        }
        let mut folders = vec![self.stage.objects.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    let bytes = std::fs::read(entry.path()).unwrap_or_default();
                    told.push((
                        entry.path().display().to_string(),
                        String::from_utf8_lossy(&bytes).into_owned(),
                    ));
                }
            }
        }
        told
    }
}
