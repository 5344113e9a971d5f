//! The campaign: any story in any weather, each night from its seed alone, and the promises that hold all the same.
//!
//! - [`schedule`]: what happens in a night
//! - [`night`]: tells it, with an operator who follows the night guide
//! - [`storm`]: makes its faults happen to calls and functions
//! - [`fleet`], [`customers`], [`tables`]: the databases, who writes to them, and how functions reach them
//! - [`model`]: what was lost, from the ledger alone
//! - [`promises`]: what holds after each night
//! - [`shrink`]: the fewest faults that break a promise
//! - [`timeline`]: the night, as a person follows it
//!
//! `make campaign SCHEDULES=10000 SEED=1 FROM=0` runs so many seeds from `SEED + FROM` on; a seed that is not given is new each time.

pub mod customers;
pub mod fleet;
pub mod model;
pub mod night;
pub mod promises;
pub mod schedule;
mod shrink;
pub mod storm;
pub mod tables;
mod timeline;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use runbook::RecoveryPlan;
use sandbox::eventbridge::Rules;
use tracing_subscriber::fmt::MakeWriter;

use self::night::{Night, Went};
use self::promises::Broken;
use self::schedule::Schedule;
use self::timeline::Timeline;

/// What the functions log.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The rules of a stack in which nothing starts by itself: the one that tells how executions end.
fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    let plan = RecoveryPlan { automatic: None, ..plan().clone() };
    RULES.get_or_init(|| Rules::read(&crate::stage::template(), &plan).unwrap())
}

/// The shop's plan, which is read once.
pub fn plan() -> &'static RecoveryPlan {
    static PLAN: OnceLock<RecoveryPlan> = OnceLock::new();
    PLAN.get_or_init(runbook::plan::sample)
}

/// How a schedule went.
pub struct Outcome {
    pub kept: Result<Went, Broken>,
    /// The numbers of the faults that were felt.
    pub felt: Vec<usize>,
    pub timeline: String,
}

/// Runs a schedule, in paused time and on this thread alone.
pub fn run(schedule: &Schedule) -> Outcome {
    // By which the SDK draws how long it waits before it tries again.
    fastrand::seed(schedule.seed);
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(log.clone()).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let told = Mutex::new((String::new(), Vec::new()));
    let kept = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let timeline = Arc::new(Timeline::new());
            let night = Night::begin(schedule.clone(), Arc::clone(&timeline), log).await;
            let kept = futures::FutureExt::catch_unwind(AssertUnwindSafe(night.tell())).await;
            *told.lock().unwrap() = (timeline.told(), night.storm.felt().into_iter().collect());
            match kept {
                Ok(kept) => kept,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }));
    let kept = kept.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let how =
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        Err(Broken { promise: "nothing panics", how })
    });
    let (timeline, felt) = told.into_inner().unwrap();
    Outcome { kept, felt, timeline }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Stack of a thread: what nothing has optimised needs more than the default.
const STACK: usize = 64 << 20;
/// How many schedules are run beside all other tests, and from which seed on: the same ones each time, so that what fails there fails
/// everywhere. A campaign has new ones.
const BESIDE_OTHERS: u64 = 300;
const FIRST: u64 = 1;

#[test]
#[expect(clippy::print_stderr, reason = "a campaign of an hour says how far it is, and which seed it was")]
fn any_story_in_any_weather_keeps_every_promise() {
    let schedules = number("SCHEDULES").unwrap_or(BESIDE_OTHERS);
    let new = || if number("SCHEDULES").is_some() { rand::random::<u32>().into() } else { FIRST };
    let seed = number("SEED").unwrap_or_else(new) + number("FROM").unwrap_or(0);
    let all = number("ALL").is_some();
    eprintln!("campaign: {schedules} schedules from seed {seed} on");
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let begin = Instant::now();
    let sum = Mutex::new((Went::default(), 0_u64, Instant::now()));
    let bad: Mutex<Vec<(Schedule, Outcome)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let nights = || {
                while all || !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= schedules {
                        break;
                    }
                    let schedule = Schedule::of(seed.wrapping_add(index));
                    if number("TELL").is_some() {
                        eprintln!("{schedule}");
                    }
                    let outcome = run(&schedule);
                    let mut sum = sum.lock().unwrap();
                    sum.1 += 1;
                    match &outcome.kept {
                        Ok(went) => sum.0 += *went,
                        Err(broken) => {
                            failed.store(true, Ordering::Relaxed);
                            eprintln!("campaign: seed {}: {}", schedule.seed, broken.promise);
                            bad.lock().unwrap().push((schedule, outcome));
                        }
                    }
                    if sum.2.elapsed() > Duration::from_secs(10) {
                        sum.2 = Instant::now();
                        let seconds = begin.elapsed().as_secs();
                        eprintln!("campaign: {} of {schedules} after {seconds} s: {:?}", sum.1, sum.0);
                    }
                }
            };
            thread.spawn_scoped(scope, nights).unwrap();
        }
    });
    let (went, done, _) = sum.into_inner().unwrap();
    eprintln!("campaign: {done} schedules in {:.0} s: {went:?}", begin.elapsed().as_secs_f64());
    let mut bad = bad.into_inner().unwrap();
    bad.sort_by_key(|(schedule, _)| schedule.seed);
    if let Some((schedule, outcome)) = bad.into_iter().next() {
        let shrunk =
            std::thread::Builder::new().stack_size(STACK).spawn(|| shrink::shrink(schedule, outcome));
        let (schedule, outcome) = shrunk.unwrap().join().unwrap();
        let broken = outcome.kept.unwrap_err();
        let _ = std::io::stderr().flush();
        panic!(
            "{schedule}broke the promise: {}\n  {}\n\n{}\nRun it again by itself: make campaign SEED={} SCHEDULES=1",
            broken.promise, broken.how, outcome.timeline, schedule.seed
        );
    }
    assert!(
        done < 100 || went.well > 0 && went.badly > 0 && went.exact > 0 && went.exact < went.reports,
        "nothing is shown by it: {went:?}"
    );
}
