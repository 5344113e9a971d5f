use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_config::SdkConfig;
use jiff::SignedDuration;
use runbook::Status;
use runbook::arc::{Endpoint, State, TryError};
use runbook::aurora::{Cluster, GlobalCluster, GlobalMember, Operation};
use runbook::error::Kind;
use runbook::fakes::{Calls, Fault, injected};
use runbook::step::{Clock, Mode};
use runbook::watch::SLICE;

use super::decide::{TRAFFIC, misplaced, topology};
use super::*;
use crate::probe::{DatabaseTarget, Heartbeat, Write};

const EAST: &str = "sandbox-east";
const WEST: &str = "sandbox-west";

fn arn(name: &str, region: &str) -> String {
    runbook::plan::sample().databases[name].members[region].cluster_arn.clone()
}

fn cluster(name: &str, status: &str) -> Cluster {
    Cluster {
        id: format!("shop-{name}-west"),
        arn: arn(name, WEST),
        status: status.into(),
        engine: "aurora-mysql".into(),
        engine_version: "8".into(),
        endpoint: Some(format!("{name}.sandbox")),
        reader_endpoint: None,
        created: None,
        port: Some(3306),
        instances: Vec::new(),
        tags: Vec::new(),
    }
}

fn global(name: &str, writers: &[&str], running: bool) -> GlobalCluster {
    let member = |region: &str| GlobalMember {
        cluster_arn: arn(name, region),
        is_writer: writers.contains(&region),
        synchronization: None,
    };
    let operation = Operation {
        status: "failing-over".into(),
        from: arn(name, EAST),
        to: arn(name, WEST),
        data_loss_allowed: true,
    };
    GlobalCluster {
        id: format!("shop-{name}"),
        status: "available".into(),
        members: vec![member(EAST), member(WEST)],
        operation: running.then_some(operation),
    }
}

#[test]
fn topology_names_what_is_missing() {
    let other = arn("catalog", WEST);
    let cases = [
        (global("orders", &[WEST], false), "available", None),
        (
            global("orders", &[WEST], true),
            "available",
            Some("an operation of its global cluster runs (failing-over)"),
        ),
        (global("orders", &[], false), "available", Some("it has no writer")),
        (global("orders", &[EAST], false), "available", Some("its writer is in sandbox-east")),
        (
            global("orders", &[EAST, WEST], false),
            "available",
            Some("it has 2 writers, in sandbox-east and sandbox-west"),
        ),
        (global("orders", &[WEST], false), "modifying", Some("cluster shop-orders-west is modifying")),
    ];
    for (global, status, expected) in cases {
        let missing =
            topology(WEST, &arn("orders", WEST), Mode::Failover, &global, &cluster("orders", status));
        assert_eq!(missing.as_deref(), expected);
    }
    let missing = topology(
        WEST,
        &other,
        Mode::Failover,
        &global("orders", &[WEST], false),
        &cluster("orders", "available"),
    );
    assert!(missing.unwrap().contains(&format!("not {other}")));
    // A cluster that left its global cluster is the writer for those who asked for it, whatever runs there.
    let mut left = global("orders", &[EAST], true);
    left.members.pop();
    let missing =
        |mode, status| topology(WEST, &arn("orders", WEST), mode, &left, &cluster("orders", status));
    assert_eq!(missing(Mode::Detach, "available"), None);
    assert!(missing(Mode::Detach, "promoting").unwrap().contains("is promoting"));
    assert!(missing(Mode::Failover, "available").is_some());
    let there = global("orders", &[EAST], false);
    let missing = topology(WEST, &arn("orders", WEST), Mode::Detach, &there, &cluster("orders", "available"));
    assert_eq!(missing.as_deref(), Some("its writer is in sandbox-east"));
}

#[test]
fn it_waits_until_the_limit_and_no_longer() {
    let missing = ["orders: it has no writer".to_owned()];
    let minutes = SignedDuration::from_mins;
    let cases: [(&[String], _, _); 5] = [
        (&[], minutes(0), Decision::Complete),
        (&[], minutes(99), Decision::Complete),
        (&missing, minutes(0), Decision::Wait),
        (&missing, minutes(60), Decision::Wait),
        (&missing, minutes(60) + SignedDuration::from_nanos(1), Decision::TooLate),
    ];
    for (missing, waited, expected) in cases {
        assert_eq!(decide(missing, 0, waited, 60), expected, "{missing:?} {waited:?}");
    }
}

/// Promotes after some looks, and accepts writes after some more.
struct World {
    /// Looks until the writer is in the west.
    promotion: Mutex<u32>,
    /// Writes refused until one is accepted.
    read_only: Mutex<u32>,
    calls: Mutex<Calls>,
    /// Whether RDS never answers.
    silent: bool,
    denied: bool,
    written: Mutex<Vec<(DatabaseTarget, Heartbeat)>>,
    /// Reads until the traffic is in the west alone.
    traffic: Mutex<u32>,
    /// Whether the endpoints of ARC answer.
    arc: bool,
}

impl World {
    fn new(promotion: u32, read_only: u32) -> Self {
        Self {
            traffic: Mutex::default(),
            arc: true,
            promotion: Mutex::new(promotion),
            read_only: Mutex::new(read_only),
            calls: Mutex::default(),
            silent: false,
            denied: false,
            written: Mutex::default(),
        }
    }
}

impl World {
    fn count(&self, operation: &str) -> Result<(), StepError> {
        self.calls.lock().unwrap().count_read(WEST, operation)
    }

    /// One whose k-th call fails.
    fn failing(k: usize, kind: Kind) -> Self {
        let calls = Calls { fault: Some((k, Fault::Fails(kind))), ..Calls::default() };
        Self { calls: Mutex::new(calls), ..Self::new(0, 0) }
    }
}

fn count_down(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().unwrap();
    let over = *left == 0;
    *left = left.saturating_sub(1);
    over
}

impl DescribeGlobalCluster for World {
    async fn describe_global_cluster(&self, id: &str) -> Result<Option<GlobalCluster>, StepError> {
        if self.silent {
            return Err(injected(Kind::Unreachable));
        }
        self.count("global cluster")?;
        let name = id.trim_start_matches("shop-");
        let writer = if count_down(&self.promotion) { WEST } else { EAST };
        Ok(Some(global(name, &[writer], false)))
    }
}

impl DescribeCluster for World {
    async fn describe_cluster(&self, id: &str) -> Result<Option<Cluster>, StepError> {
        self.count("cluster")?;
        Ok(Some(cluster(id.split('-').nth(1).unwrap(), "available")))
    }
}

impl AcceptsWrite for World {
    async fn accepts_write(&self, target: &DatabaseTarget, row: &Heartbeat) -> Result<Write, StepError> {
        if self.denied {
            return Err(StepError::new(Kind::Denied, "wrong password of secret shop/orders", "correct it"));
        }
        self.count("write")?;
        if !count_down(&self.read_only) {
            return Ok(Write::NotYet("read-only".into()));
        }
        self.written.lock().unwrap().push((target.clone(), row.clone()));
        Ok(Write::Accepted)
    }
}

impl ReadStates for &World {
    async fn read_states(&self, controls: &[String]) -> Result<BTreeMap<String, State>, TryError> {
        if !self.arc {
            return Err(TryError::NextEndpoint("silent".into()));
        }
        self.count("routing controls").map_err(TryError::Fatal)?;
        let moved = count_down(&self.traffic);
        let state = |control: &String| {
            let on = control.ends_with(WEST) == moved;
            (control.clone(), if on { State::On } else { State::Off })
        };
        Ok(controls.iter().map(state).collect())
    }
}

/// A context whose clock is tokio's.
fn context() -> Context {
    let (start, origin) = ("2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap(), tokio::time::Instant::now());
    let now = move || start + SignedDuration::try_from(origin.elapsed()).unwrap();
    Context {
        config: SdkConfig::builder().build(),
        region: WEST.into(),
        clock: Clock::new(now),
        deadline: start + SignedDuration::from_secs(300),
    }
}

fn event(since: Option<&str>) -> VerifyEvent {
    VerifyEvent {
        plan: "p".into(),
        execution: "e".into(),
        target_region: WEST.into(),
        mode: Mode::Failover,
        since: since.map(|since| since.parse().unwrap()),
    }
}

fn apis<'a>(
    world: &'a World,
    endpoints: &'a [Endpoint<&'a World>],
) -> VerifyApis<'a, World, World, &'a World> {
    VerifyApis { rds: world, probe: world, endpoints }
}

async fn verified(
    world: &World,
    since: Option<&str>,
) -> (Result<Outcome<VerifyObserved>, StepError>, Duration) {
    let start = tokio::time::Instant::now();
    let arc = [Endpoint { region: "us-east-1".into(), api: world }];
    let outcome = verify(&context(), apis(world, &arc), &runbook::plan::sample(), &event(since)).await;
    (outcome, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn it_is_done_once_every_database_was_written_to() {
    let world = World::new(0, 0);
    let (outcome, took) = verified(&world, None).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.status, took), (Status::Done, Duration::ZERO));
    let json = serde_json::to_value(&outcome.observed).unwrap();
    assert_eq!(json["since"], "2026-01-31T12:00:00Z");
    assert_eq!(json["databases"]["orders"]["acceptsWrite"], true);
    assert_eq!(json["databases"]["orders"]["writerRegions"], serde_json::json!([WEST]));
    let written = world.written.lock().unwrap();
    let (orders, heartbeat) = written.iter().find(|(target, _)| target.name == "orders").unwrap();
    assert_eq!((orders.host.as_str(), orders.port, orders.region.as_str()), ("orders.sandbox", 3306, WEST));
    assert_eq!((heartbeat.row.as_str(), heartbeat.execution.as_str()), ("shop/orders", "e"));
    assert_eq!(written.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn it_looks_again_every_second_within_one_call() {
    let world = World::new(6, 4);
    let (outcome, took) = verified(&world, None).await;
    assert_eq!(outcome.unwrap().status, Status::Done);
    // Two databases a look: three looks until the promotion, two until the first accepted write.
    assert_eq!(took, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_is_in_progress_and_keeps_its_beginning() {
    let world = World::new(u32::MAX, 0);
    let (outcome, took) = verified(&world, Some("2026-01-31T11:50:00Z")).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.status, Status::InProgress);
    assert!(outcome.reason.contains("orders: its writer is in sandbox-east"), "{}", outcome.reason);
    assert!(took > Duration::from_secs(40) && took <= SLICE, "{took:?}");
    assert_eq!(serde_json::to_value(&outcome.observed).unwrap()["since"], "2026-01-31T11:50:00Z");
    assert!(world.written.lock().unwrap().is_empty(), "no write before the topology is right");
}

#[tokio::test(start_paused = true)]
async fn after_the_plans_limit_it_is_refused_unless_it_is_so_by_then() {
    let (outcome, took) = verified(&World::new(0, u32::MAX), Some("2026-01-31T11:00:00Z")).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.status, took), (Status::Refused, Duration::from_secs(1)), "more than the limit");
    assert!(
        outcome
            .reason
            .contains("after the plan's 60 minutes: catalog: it does not accept a write: read-only")
    );
    let (outcome, _) = verified(&World::new(0, 0), Some("2026-01-31T10:00:00Z")).await;
    assert_eq!(outcome.unwrap().status, Status::Done);
}

#[tokio::test(start_paused = true)]
async fn silence_is_waited_out_and_a_denial_is_an_error_at_once() {
    let (outcome, took) = verified(&World::failing(1, Kind::Unreachable), None).await;
    assert_eq!((outcome.unwrap().status, took), (Status::Done, Duration::from_secs(1)));

    let (outcome, took) = verified(&World::failing(1, Kind::Denied), None).await;
    assert_eq!((outcome.unwrap_err().kind(), took), (Kind::Denied, Duration::ZERO));

    let (outcome, took) = verified(&World { denied: true, ..World::new(0, 0) }, None).await;
    assert!(outcome.unwrap_err().to_string().contains("shop/orders"));
    assert_eq!(took, Duration::ZERO);
}

/// No call fails unseen: what may pass is asked again, and anything else is the call's error.
#[tokio::test(start_paused = true)]
async fn any_call_may_fail() {
    for k in 1.. {
        let world = World::failing(k, Kind::Failed);
        let (outcome, _) = verified(&world, None).await;
        if !world.calls.lock().unwrap().was_hit() {
            assert!(k > 7, "two databases and the traffic: {:?}", world.calls.lock().unwrap().made);
            break;
        }
        let failed = world.calls.lock().unwrap().made[k - 1].clone();
        match outcome {
            Err(error) => assert!(error.to_string().contains("injected"), "{failed}: {error}"),
            // The traffic is read by another endpoint, later.
            Ok(outcome) => {
                assert_eq!(
                    (failed.as_str(), outcome.status),
                    ("sandbox-west routing controls", Status::Done)
                );
            }
        }
        let (outcome, took) = verified(&World::failing(k, Kind::Unreachable), None).await;
        assert_eq!((outcome.unwrap().status, took), (Status::Done, Duration::from_secs(1)), "{failed}");
    }
}

/// Beyond the limit, too, a look that got no answer decides nothing.
#[tokio::test(start_paused = true)]
async fn a_region_that_is_silent_for_a_moment_is_not_refused() {
    let beyond = Some("2026-01-31T10:00:00Z");
    let (outcome, took) = verified(&World::failing(1, Kind::Unreachable), beyond).await;
    assert_eq!((outcome.unwrap().status, took), (Status::Done, Duration::from_secs(1)));
    let (outcome, took) = verified(&World { silent: true, ..World::new(0, 0) }, beyond).await;
    assert_eq!(outcome.unwrap_err().kind(), Kind::Unreachable);
    assert!(took > Duration::from_secs(40) && took <= SLICE, "{took:?}");
}

/// Databases that are complete, with the traffic in the Region that was left, are no takeover.
#[tokio::test(start_paused = true)]
async fn the_traffic_has_to_be_in_the_target_alone() {
    let world = World { traffic: Mutex::new(TRAFFIC - 1), ..World::new(0, 0) };
    let (outcome, took) = verified(&world, None).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.status, took), (Status::Done, Duration::from_secs(4)), "{}", outcome.reason);
    let json = serde_json::to_value(&outcome.observed).unwrap();
    assert_eq!(json["traffic"], serde_json::json!({EAST: "Off", WEST: "On"}));

    let world = World { traffic: Mutex::new(u32::MAX), ..World::new(0, 0) };
    let (outcome, took) = verified(&world, None).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.status, took), (Status::Refused, Duration::from_secs(4)));
    assert!(outcome.reason.contains("On in sandbox-east, Off in sandbox-west"), "{}", outcome.reason);

    let silent = World { arc: false, ..World::new(0, 0) };
    let (outcome, _) = verified(&silent, None).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.status, Status::InProgress);
    assert!(
        outcome.reason.contains("no ARC endpoint says where the traffic is: us-east-1: silent"),
        "{}",
        outcome.reason
    );
    let (outcome, _) = verified(&silent, Some("2026-01-31T11:00:00Z")).await;
    assert_eq!(outcome.unwrap().status, Status::Refused);
}

#[test]
fn traffic_that_is_not_in_the_target_alone_is_reported() {
    let states = |east, west| BTreeMap::from([(EAST.to_owned(), east), (WEST.to_owned(), west)]);
    for (states, expected) in [
        (states(State::Off, State::On), None),
        (states(State::On, State::On), Some("ARC has the traffic On in sandbox-east, On in sandbox-west")),
        (
            states(State::Off, State::Off),
            Some("ARC has the traffic Off in sandbox-east, Off in sandbox-west"),
        ),
        (BTreeMap::from([(WEST.to_owned(), State::On)]), Some("ARC has the traffic On in sandbox-west")),
    ] {
        assert_eq!(misplaced(&states, WEST, EAST).as_deref(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_before_it_is_cut_off() {
    let mut context = context();
    context.deadline = context.clock.now() + SignedDuration::from_secs(50);
    let start = tokio::time::Instant::now();
    let world = World::new(u32::MAX, 0);
    let arc = [Endpoint { region: "us-east-1".into(), api: &world }];
    let outcome = verify(&context, apis(&world, &arc), &runbook::plan::sample(), &event(None)).await.unwrap();
    assert_eq!(outcome.status, Status::InProgress);
    assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
}
