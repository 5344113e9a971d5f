//! A schedule: a story, the world that it happens in, and what goes wrong in it; all of it from one seed.
//!
//! Nothing here does anything. The same seed is the same schedule on every machine, as long as this module stays the same.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sandbox::automation::Reading;
use sandbox::{EAST, REGIONS, WEST, world};

/// What is done in the night. Each begins where what it needs has been done, undisturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// The east is cut off, and the west takes over.
    Failover,
    /// The same by detaching the databases, which are then made global again.
    Detach,
    /// Both Regions are well, and everything moves to the west.
    Failback,
    /// What a failover lost is found.
    Reconcile,
    /// What was found is put back.
    Replay,
    /// Databases that were detached are made global again.
    Rebuild,
    /// The hourly look.
    Readiness,
    /// Failover, reconciliation, replay and the way back, all of it disturbed.
    Whole,
}

impl Story {
    /// Each, as often as it is drawn.
    const DRAWN: [Self; 12] = [
        Self::Failover,
        Self::Failover,
        Self::Failover,
        Self::Detach,
        Self::Failback,
        Self::Failback,
        Self::Reconcile,
        Self::Reconcile,
        Self::Replay,
        Self::Rebuild,
        Self::Readiness,
        Self::Whole,
    ];
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCall {
    /// It is answered with an internal error, and nothing was done.
    Fails,
    /// It is throttled.
    Throttled,
    /// It gets no answer, and nothing was done.
    Silent,
    /// It is done and answered so many seconds late.
    Late(u64),
    /// It arrives twice; the second answer is the one that is heard.
    Twice,
    /// It takes effect, and its answer is lost.
    AnswerLost,
    /// A conditional write is refused because of another one that is no more.
    LostRace,
    /// The function that makes it is killed before it.
    KilledBefore,
    /// The function that makes it is killed when it has taken effect.
    KilledAfter,
}

/// Something that goes wrong. Seconds count from the begin of what is disturbed, and are the world's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The calls of an operation from the `nth` on, so many times. Without an operation: of all calls.
    Calls { operation: Option<&'static str>, nth: u64, times: u64, what: OnCall },
    /// A Region is cut off, and back.
    Dark { region: &'static str, from: u64, seconds: u64 },
    /// Endpoints of ARC do not answer, or say that they can't: so many from the first on.
    EndpointsDark { number: usize, from: u64, seconds: u64, silent: bool },
    /// An endpoint of ARC answers with the states of the moment at which that began.
    EndpointOld { endpoint: usize, from: u64, seconds: u64 },
    /// What AWS describes is up to so many seconds old.
    Stale { seconds: u64 },
    /// The clocks of the functions in a Region are wrong.
    Skew { region: &'static str, seconds: i64 },
    /// What a database server is asked to do fails in Aurora.
    Aurora { call: &'static str, times: usize },
    /// Failovers and switchovers do not end before.
    SlowMove { seconds: u64 },
    /// Aurora does not begin with the snapshot of the old primary before.
    LateSnapshot { seconds: u64 },
    /// An automated snapshot of the old primary is there a second time.
    SnapshotTwice,
    /// Somebody cancels the runbook.
    Cancelled { after: u64 },
    /// The runbook ends without a trace, as if Automation had forgotten it.
    Forgotten { after: u64 },
    /// Somebody starts the runbook a second time.
    StartedTwice { after: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls { operation, nth, times, what } => {
                let of = operation.unwrap_or("any call");
                write!(f, "{of} from its call {nth} on, {times} times: {what:?}")
            }
            Self::Dark { region, from, seconds } => {
                write!(f, "{region} is dark for {seconds} s from {from} s on")
            }
            Self::EndpointsDark { number, from, seconds, silent } => {
                let how = if *silent { "silent" } else { "unavailable" };
                write!(f, "{number} endpoints of ARC are {how} for {seconds} s from {from} s on")
            }
            Self::EndpointOld { endpoint, from, seconds } => {
                write!(
                    f,
                    "ARC's endpoint {endpoint} answers with old states for {seconds} s from {from} s on"
                )
            }
            Self::Stale { seconds } => write!(f, "descriptions are up to {seconds} s old"),
            Self::Skew { region, seconds } => write!(f, "the clocks in {region} are wrong by {seconds} s"),
            Self::Aurora { call, times } => write!(f, "Aurora fails at {call}, {times} times"),
            Self::SlowMove { seconds } => write!(f, "no failover or switchover ends before {seconds} s"),
            Self::LateSnapshot { seconds } => write!(f, "Aurora takes no snapshot before {seconds} s"),
            Self::SnapshotTwice => write!(f, "Aurora's snapshot is there twice"),
            Self::Cancelled { after } => write!(f, "somebody cancels the runbook after {after} s"),
            Self::Forgotten { after } => write!(f, "Automation forgets the runbook after {after} s"),
            Self::StartedTwice { after } => write!(f, "somebody starts the runbook again after {after} s"),
        }
    }
}

/// The world that a story happens in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// How Automation is read where AWS says nothing.
    pub reading: Reading,
    /// The same of everything else.
    pub world: world::Reading,
    /// What AWS's own durations are divided by.
    pub factor: f64,
    /// Whether the Region that stands by has no traffic.
    pub standby_off: bool,
    /// Whether the databases move before the traffic in a switchover.
    pub databases_first: bool,
    /// Milliseconds between two writes of customers.
    pub every: u64,
    /// Seconds for which a change needs to reach the other Region.
    pub lag: f64,
}

/// A night.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub seed: u64,
    pub story: Story,
    pub setting: Setting,
    pub faults: Vec<Fault>,
}

/// Operations that every step calls.
const COMMON: [&str; 9] = [
    "PutObject",
    "PutObject",
    "GetObject",
    "Publish",
    "GetParameter",
    "DescribeGlobalClusters",
    "DescribeDBClusters",
    "DescribeDBClusterSnapshots",
    "GetSecretValue",
];
/// Those that move something, by story.
const MOVING: [&str; 6] = [
    "FailoverGlobalCluster",
    "FailoverGlobalCluster",
    "UpdateRoutingControlStates",
    "UpdateRoutingControlStates",
    "ListRoutingControls",
    "CreateDBClusterSnapshot",
];
const DETACHING: [&str; 3] =
    ["RemoveFromGlobalCluster", "UpdateRoutingControlStates", "CreateDBClusterSnapshot"];
const SWITCHING: [&str; 3] = ["SwitchoverGlobalCluster", "UpdateRoutingControlStates", "ListRoutingControls"];
const RESTORING: [&str; 8] = [
    "CopyDBClusterSnapshot",
    "RestoreDBClusterFromSnapshot",
    "CreateDBInstance",
    "DeleteDBInstance",
    "DeleteDBCluster",
    "DescribeDBInstances",
    "ListObjectsV2",
    "DeleteObject",
];
const PUTTING_BACK: [&str; 3] = ["PutObject", "GetObject", "ListObjectsV2"];
const REBUILDING: [&str; 7] = [
    "CreateDBClusterSnapshot",
    "ModifyDBCluster",
    "RemoveFromGlobalCluster",
    "DeleteGlobalCluster",
    "CreateGlobalCluster",
    "CreateDBCluster",
    "CreateDBInstance",
];

impl Story {
    /// Whether the databases move in it.
    fn moves(self) -> bool {
        matches!(self, Self::Failover | Self::Detach | Self::Failback | Self::Whole)
    }

    fn operations(self) -> Vec<&'static str> {
        let own: &[&[&str]] = match self {
            Self::Failover => &[&MOVING],
            Self::Detach => &[&DETACHING, &REBUILDING],
            Self::Failback => &[&SWITCHING],
            Self::Reconcile => &[&RESTORING],
            Self::Replay => &[&PUTTING_BACK],
            Self::Rebuild => &[&REBUILDING],
            Self::Readiness => &[],
            Self::Whole => &[&MOVING, &RESTORING, &PUTTING_BACK, &SWITCHING],
        };
        // As often as what all of them call.
        let own: Vec<&str> = own.concat();
        let again =
            own.iter().cycle().take(if own.is_empty() { 0 } else { COMMON.len().max(own.len()) }).copied();
        COMMON.iter().copied().chain(again).collect()
    }
}

/// What Aurora can fail at, as the servers call it. A secondary that it can't build at all is for a person.
const AURORA: [&str; 5] = ["promote", "switch_over", "snapshot", "copy_snapshot", "restore"];

/// A number of which small ones are as likely as large ones.
fn spread(random: &mut StdRng, most: f64) -> f64 {
    most.powf(random.random::<f64>())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn whole(number: f64) -> u64 {
    number as u64
}

impl Setting {
    fn draw(random: &mut StdRng) -> Self {
        let reading = Reading {
            refused_approval_ends_execution: random.random(),
            state_machine_is_not_awaited: random.random(),
            missing_output_fails_branch: random.random(),
            ..*Reading::ALL.choose(random).unwrap()
        };
        Self {
            reading,
            world: *world::Reading::ALL.choose(random).unwrap(),
            factor: 15.0 * spread(random, 20.0),
            standby_off: random.random_bool(0.5),
            databases_first: random.random_bool(0.6),
            every: 500 + random.random_range(0..4_000),
            lag: spread(random, 40.0) / 10.0,
        }
    }
}

impl Fault {
    fn draw(random: &mut StdRng, story: Story) -> Self {
        let region = *REGIONS.choose(random).unwrap();
        let from = whole(spread(random, 300.0)) - 1;
        let seconds = whole(spread(random, 200.0));
        match random.random_range(0..30) {
            0..=13 => Self::calls(random, story),
            14 | 15 => Self::Dark { region, from, seconds },
            16 | 17 => Self::EndpointsDark {
                number: *[1, 3, 4, 5, 5].choose(random).unwrap(),
                from,
                seconds,
                silent: random.random(),
            },
            18 => Self::EndpointOld { endpoint: random.random_range(0..5), from, seconds },
            19 | 20 => Self::Stale { seconds: whole(spread(random, 20.0)) },
            21 => {
                // What the plan's margin for clocks allows.
                let seconds = random.random_range(-5..=5);
                Self::Skew { region: if random.random() { EAST } else { WEST }, seconds }
            }
            22 | 23 => {
                Self::Aurora { call: AURORA.choose(random).unwrap(), times: random.random_range(1..4) }
            }
            24 | 25 if story.moves() => Self::SlowMove { seconds: 3 * seconds },
            24 | 25 => Self::LateSnapshot { seconds: 10 * seconds },
            26 => Self::SnapshotTwice,
            27 => Self::Cancelled { after: from },
            28 => Self::Forgotten { after: from },
            _ => Self::StartedTwice { after: from },
        }
    }

    fn calls(random: &mut StdRng, story: Story) -> Self {
        let operation = random.random_bool(0.8).then(|| *story.operations().choose(random).unwrap());
        let nth = match operation {
            Some(_) => whole(spread(random, 8.0)) - 1,
            None => whole(spread(random, 1_500.0)) - 1,
        };
        let times = *[1, 1, 2, 3, 4, 6, 10, 20, 40].choose(random).unwrap();
        let late = whole(spread(random, 60.0));
        let what = match random.random_range(0..13) {
            0 | 1 => OnCall::Fails,
            2 => OnCall::Throttled,
            3 => OnCall::Silent,
            4 => OnCall::Late(late),
            5 => OnCall::Twice,
            6..=8 => OnCall::AnswerLost,
            9 => OnCall::LostRace,
            10 | 11 => OnCall::KilledAfter,
            _ => OnCall::KilledBefore,
        };
        let operation = if what == OnCall::LostRace { Some("PutObject") } else { operation };
        Self::Calls { operation, nth, times, what }
    }
}

impl Schedule {
    /// The schedule of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let story = *Story::DRAWN.choose(&mut random).unwrap();
        let setting = Setting::draw(&mut random);
        let number = *[1, 2, 2, 3, 3, 3, 4, 4, 5, 6].choose(&mut random).unwrap();
        let faults = (0..number).map(|_| Fault::draw(&mut random, story)).collect();
        Self { seed, story, setting, faults }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { factor, standby_off, databases_first, every, lag, .. } = self.setting;
        writeln!(f, "seed {}: {:?}", self.seed, self.story)?;
        let other = if standby_off { "no" } else { "its" };
        let first = if databases_first { "databases" } else { "traffic" };
        writeln!(
            f,
            "  AWS {factor:.1} times as fast; the Region that stands by has {other} traffic; {first} first; a write every {every} ms, {lag:.1} s behind"
        )?;
        writeln!(f, "  {:?}\n  {:?}", self.setting.reading, self.setting.world)?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "  - {fault}"))
    }
}
