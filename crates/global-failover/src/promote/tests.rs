//! The handler against a fake Aurora with two Regions, under paused time.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use runbook::Context;
use runbook::aurora::{Answer, Cluster, GlobalCluster, GlobalMember, Operation};
use runbook::error::Kind;
use runbook::fakes::{Calls, FAULTS, Fault, injected};
use runbook::step::Clock;

use super::*;

const WEST: &str = "sandbox-west";
/// How long the fake's operations take.
const TAKES: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct World {
    clusters: BTreeMap<String, GlobalCluster>,
    /// When the running operation of a cluster ends.
    ends: BTreeMap<String, tokio::time::Instant>,
    /// Operations started: `REGION failover|switchover ID`.
    started: Vec<String>,
    calls: Calls,
    /// AWS's answer to a start of an operation on this global cluster.
    reject: Option<(String, String)>,
    /// With the rejection, an operation of someone else towards the west has begun.
    raced: bool,
    /// Operations never end.
    stuck: bool,
    /// Clusters that were asked to leave, and when that ends.
    leaving: BTreeMap<String, tokio::time::Instant>,
}

#[derive(Clone)]
struct Fake {
    region: String,
    world: Arc<Mutex<World>>,
}

impl World {
    fn shop() -> Arc<Mutex<Self>> {
        let clusters = ["catalog", "orders"].map(|name| {
            let member = |side: &str| GlobalMember {
                cluster_arn: format!("arn:aws:rds:sandbox-{side}:000000000000:cluster:shop-{name}-{side}"),
                is_writer: side == "east",
                synchronization: Some("connected".into()),
            };
            let id = format!("shop-{name}");
            let cluster = GlobalCluster {
                id: id.clone(),
                status: "available".into(),
                members: vec![member("east"), member("west")],
                operation: None,
            };
            (id, cluster)
        });
        Arc::new(Mutex::new(Self { clusters: clusters.into(), ..Self::default() }))
    }

    fn begin(&mut self, id: &str, target_arn: &str, failover: bool) {
        let cluster = self.clusters.get_mut(id).unwrap();
        assert!(cluster.operation.is_none(), "{id} was started while an operation runs");
        let from = cluster.writers().next().unwrap().cluster_arn.clone();
        cluster.operation = Some(Operation {
            status: if failover { "failing-over" } else { "switching-over" }.into(),
            from,
            to: target_arn.into(),
            data_loss_allowed: failover,
        });
        self.ends.insert(id.into(), tokio::time::Instant::now() + TAKES);
    }

    fn start(
        &mut self,
        region: &str,
        id: &str,
        target_arn: &str,
        failover: bool,
    ) -> Result<Answer, StepError> {
        let noun = if failover { "failover" } else { "switchover" };
        let lost = self.calls.count(region, noun)?;
        if let Some((rejected, message)) = self.reject.clone()
            && rejected == id
        {
            if self.raced {
                self.reject = None;
                self.begin(id, target_arn, failover);
            }
            return Ok(Answer::Rejected(message));
        }
        self.begin(id, target_arn, failover);
        self.started.push(format!("{region} {noun} {id}"));
        if lost { Err(injected(Kind::Unreachable)) } else { Ok(Answer::Accepted) }
    }
}

impl DescribeGlobalCluster for Fake {
    async fn describe_global_cluster(&self, id: &str) -> Result<Option<GlobalCluster>, StepError> {
        let mut world = self.world.lock().unwrap();
        world.calls.count(&self.region, "describe")?;
        let over = world.ends.get(id).is_some_and(|end| *end <= tokio::time::Instant::now());
        if over && !world.stuck {
            world.ends.remove(id);
            let cluster = world.clusters.get_mut(id).unwrap();
            let to = cluster.operation.take().unwrap().to;
            for member in &mut cluster.members {
                member.is_writer = member.cluster_arn == to;
            }
        }
        Ok(world.clusters.get(id).cloned())
    }
}

impl FailoverGlobalCluster for Fake {
    async fn failover_global_cluster(&self, id: &str, target_arn: &str) -> Result<Answer, StepError> {
        self.world.lock().unwrap().start(&self.region, id, target_arn, true)
    }
}

impl SwitchoverGlobalCluster for Fake {
    async fn switchover_global_cluster(&self, id: &str, target_arn: &str) -> Result<Answer, StepError> {
        self.world.lock().unwrap().start(&self.region, id, target_arn, false)
    }
}

impl DescribeCluster for Fake {
    async fn describe_cluster(&self, id: &str) -> Result<Option<Cluster>, StepError> {
        let mut world = self.world.lock().unwrap();
        world.calls.count(&self.region, "describe cluster")?;
        let arn = format!("arn:aws:rds:{}:000000000000:cluster:{id}", self.region);
        let leaves = world.leaving.get(&arn).copied();
        let left = leaves.is_some_and(|end| end <= tokio::time::Instant::now());
        if left {
            world.leaving.remove(&arn);
            for cluster in world.clusters.values_mut() {
                cluster.members.retain(|member| member.cluster_arn != arn);
            }
        }
        Ok(Some(Cluster {
            id: id.into(),
            arn,
            status: if leaves.is_some() && !left { "promoting" } else { "available" }.into(),
            engine: "aurora-mysql".into(),
            engine_version: "8".into(),
            endpoint: Some(format!("{id}.sandbox")),
            reader_endpoint: None,
            created: None,
            port: Some(3306),
            instances: Vec::new(),
            tags: Vec::new(),
        }))
    }
}

impl RemoveFromGlobalCluster for Fake {
    async fn remove_from_global_cluster(&self, id: &str, cluster_arn: &str) -> Result<Answer, StepError> {
        let mut world = self.world.lock().unwrap();
        let lost = world.calls.count(&self.region, "remove")?;
        if let Some((rejected, message)) = world.reject.clone()
            && rejected == id
        {
            return Ok(Answer::Rejected(message));
        }
        world.leaving.insert(cluster_arn.into(), tokio::time::Instant::now() + TAKES);
        world.started.push(format!("{} detach {id}", self.region));
        if lost { Err(injected(Kind::Unreachable)) } else { Ok(Answer::Accepted) }
    }
}

/// A context in the west, whose clock moves with tokio's.
fn context() -> Context {
    let (start, origin) = ("2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap(), tokio::time::Instant::now());
    Context {
        config: aws_config(),
        region: WEST.into(),
        clock: Clock::new(move || start + SignedDuration::try_from(origin.elapsed()).unwrap()),
        deadline: Timestamp::MAX,
    }
}

fn aws_config() -> aws_config::SdkConfig {
    aws_config::SdkConfig::builder().build()
}

async fn call_in(
    context: &Context,
    world: &Arc<Mutex<World>>,
    mode: Mode,
    since: Option<Timestamp>,
) -> Result<Outcome<Observed>, StepError> {
    let client = |region: &str| Fake { region: region.into(), world: world.clone() };
    let since = since.unwrap_or_else(|| context.clock.now());
    run(&Run { context, plan: &runbook::plan::sample(), execution: "e", target: WEST, since }, client, mode)
        .await
}

async fn call(world: &Arc<Mutex<World>>, mode: Mode) -> Result<Outcome<Observed>, StepError> {
    call_in(&context(), world, mode, None).await
}

#[tokio::test(start_paused = true)]
async fn a_failover_calls_the_target_region_only_and_is_done_when_read_back() {
    let world = World::shop();
    let outcome = call(&world, Mode::Failover).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    assert_eq!(outcome.changed.len(), 2, "{:?}", outcome.changed);
    for state in outcome.observed.databases.values() {
        assert_eq!((state.writer_region.as_deref(), &state.operation), (Some(WEST), &None));
    }
    {
        let world = world.lock().unwrap();
        assert_eq!(
            world.started,
            ["sandbox-west failover shop-catalog", "sandbox-west failover shop-orders"]
        );
        assert!(world.calls.made.iter().all(|call| call.starts_with(WEST)), "{:?}", world.calls.made);
    }
    let again = call(&world, Mode::Failover).await.unwrap();
    assert_eq!((again.status, again.changed), (Status::Done, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_switchover_is_called_in_the_primarys_region() {
    let world = World::shop();
    assert_eq!(call(&world, Mode::Switchover).await.unwrap().status, Status::Done);
    let started = &world.lock().unwrap().started;
    assert_eq!(started, &["sandbox-east switchover shop-catalog", "sandbox-east switchover shop-orders"]);
}

#[tokio::test(start_paused = true)]
async fn a_detach_is_done_when_the_cluster_stands_for_itself_and_says_where() {
    let world = World::shop();
    // Of one database, a managed failover does not end; the other is here already.
    {
        let mut world = world.lock().unwrap();
        world.begin("shop-orders", "arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west", true);
        world.stuck = true;
        for member in &mut world.clusters.get_mut("shop-catalog").unwrap().members {
            member.is_writer = !member.is_writer;
        }
    }
    let outcome = call(&world, Mode::Detach).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    assert!(outcome.reason.ends_with("orders at shop-orders-west.sandbox:3306"), "{}", outcome.reason);
    let [catalog, orders] = ["catalog", "orders"].map(|name| &outcome.observed.databases[name]);
    assert_eq!((catalog.writer_region.as_deref(), &catalog.detached), (Some(WEST), &None));
    assert_eq!(orders.writer_region.as_deref(), Some(WEST));
    assert_eq!(world.lock().unwrap().started, ["sandbox-west detach shop-orders"]);
    let again = call(&world, Mode::Detach).await.unwrap();
    assert_eq!((again.status, again.changed), (Status::Done, Vec::new()));
    // Nobody is told that a failover is done who did not ask for a detach.
    let failover = call(&world, Mode::Failover).await.unwrap();
    assert_eq!(failover.status, Status::Refused, "{}", failover.reason);

    let world = World::shop();
    world.lock().unwrap().reject = Some(("shop-orders".into(), "Global cluster is busy".into()));
    let outcome = call(&world, Mode::Detach).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("shop-orders: Global cluster is busy"), "{}", outcome.reason);
}

#[tokio::test(start_paused = true)]
async fn any_call_may_fail_and_the_next_one_ends_in_the_same_state() {
    for mode in [Mode::Failover, Mode::Switchover, Mode::Detach] {
        let clean = World::shop();
        let expected = call(&clean, mode).await.unwrap().observed.databases;
        for fault in FAULTS {
            for k in 1.. {
                let world = World::shop();
                world.lock().unwrap().calls.fault = Some((k, fault));
                let first = call(&world, mode).await;
                let hit = world.lock().unwrap().calls.was_hit();
                world.lock().unwrap().calls.fault = None;
                match (fault, &first) {
                    (Fault::Fails(Kind::Failed), Err(_)) => {}
                    (Fault::Fails(Kind::Failed), Ok(_)) if hit => panic!("call {k} failed unseen"),
                    // What may pass is tried again within the call.
                    _ => assert_eq!(first.as_ref().unwrap().status, Status::Done, "{fault:?} at {k}"),
                }
                let again = call(&world, mode).await.unwrap();
                assert_eq!(
                    (again.status, &again.observed.databases),
                    (Status::Done, &expected),
                    "{fault:?} at {k}"
                );
                assert_eq!(world.lock().unwrap().started.len(), 2, "{fault:?} at {k}: each is started once");
                if !hit {
                    break;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_while_one_database_must_be_refused() {
    let world = World::shop();
    world.lock().unwrap().clusters.get_mut("shop-orders").unwrap().members.pop();
    let outcome = call(&world, Mode::Failover).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert_eq!(
        outcome.reason,
        "global cluster shop-orders has no member in sandbox-west; nothing was started"
    );
    assert!(world.lock().unwrap().started.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_refused_in_awss_words_unless_our_way_is_under_way() {
    let reject = |message: &str, raced: bool| {
        let world = World::shop();
        {
            let mut world = world.lock().unwrap();
            world.reject = Some(("shop-orders".into(), message.into()));
            world.raced = raced;
        }
        world
    };
    let world = reject("Global cluster is busy", false);
    let outcome = call(&world, Mode::Failover).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("shop-orders: Global cluster is busy"), "{}", outcome.reason);
    assert!(outcome.reason.contains("started the failover of catalog"), "{}", outcome.reason);
    assert_eq!(outcome.changed.len(), 1);

    let outcome = call(&reject("Global cluster is busy", true), Mode::Failover).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);

    let message = "The target cluster must have the same engine version as the primary";
    let outcome = call(&reject(message, false), Mode::Failover).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    for part in ["managed failover of global cluster shop-orders is not possible", "Mode detach", message] {
        assert!(outcome.reason.contains(part), "{}", outcome.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_is_in_progress_and_what_takes_too_long_is_refused() {
    let world = World::shop();
    world.lock().unwrap().stuck = true;
    let context = context();
    let first = call_in(&context, &world, Mode::Failover, None).await.unwrap();
    assert_eq!(first.status, Status::InProgress);
    let since = first.observed.since;
    let took = context.clock.now().duration_since(since);
    assert!(took <= SignedDuration::from_secs(45), "{took:#}");

    tokio::time::sleep(Duration::from_secs(3600)).await;
    let outcome = call_in(&context, &world, Mode::Failover, Some(since)).await.unwrap();
    assert_eq!(outcome.status, Status::Refused);
    assert!(outcome.reason.contains("catalog, orders"), "{}", outcome.reason);
    assert_eq!(outcome.observed.since, since);

    world.lock().unwrap().stuck = false;
    assert_eq!(
        call_in(&context, &world, Mode::Failover, Some(since)).await.unwrap().status,
        Status::Done,
        "late, but there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_global_cluster_that_is_missing_is_named() {
    let world = World::shop();
    world.lock().unwrap().clusters.remove("shop-catalog");
    let error = call(&world, Mode::Failover).await.unwrap_err();
    assert!(error.to_string().contains("no global cluster shop-catalog in sandbox-west"), "{error}");
    assert!(world.lock().unwrap().started.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_to_the_invocations_deadline() {
    let world = World::shop();
    world.lock().unwrap().stuck = true;
    let mut context = context();
    context.deadline = context.clock.now() + SignedDuration::from_secs(20);
    let outcome = call_in(&context, &world, Mode::Failover, None).await.unwrap();
    assert_eq!(outcome.status, Status::InProgress);
    assert!(context.time_left() >= Duration::from_secs(4), "{:?}", context.time_left());
}
