//! A fake RDS and S3 for the handler tests, in two Regions, under tokio's paused time. Any call can be made to fail, by
//! its number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runbook::aurora::{
    Answer, Cluster, DescribeCluster, DescribeGlobalCluster, DescribeSnapshot, GlobalCluster, GlobalMember,
    Instance, ListSnapshots, Snapshot, Tags,
};
use runbook::error::Kind;
use runbook::fakes::{Calls, injected};
use runbook::record::{FailoverRecord, MoveOutcome};
use runbook::step::Clock;
use runbook::{Context, RecoveryPlan, StepError};
use tokio::time::Instant;

use crate::ReadLastFailover;
use crate::calls::{
    Configured, Copy, CopySnapshot, CreateClusterInstance, CreateInstance, DeleteCluster, DeleteInstance,
    DescribeConfigured, DescribeInstance, ListClusters, ListInstances, RestoreCluster,
    RestoreClusterFromSnapshot,
};
use crate::run::Run;

pub const EAST: &str = "sandbox-east";
pub const WEST: &str = "sandbox-west";
pub const EXECUTION: &str = "4105a4fc-f944-11e6-9d32-0a1b2c3d4e5f";
/// How long everything takes here.
const TAKES: Duration = Duration::from_secs(7);

/// A thing and when its present status ends.
#[derive(Debug, Clone)]
struct Thing<T> {
    what: T,
    until: Instant,
}

impl<T> Thing<T> {
    fn new(what: T) -> Self {
        Self { what, until: Instant::now() + TAKES }
    }
}

/// Things by Region and identifier.
type Things<T> = BTreeMap<(String, String), Thing<T>>;

/// The state of both Regions.
#[derive(Debug, Default)]
pub struct World {
    pub globals: BTreeMap<String, GlobalCluster>,
    pub record: Option<FailoverRecord>,
    snapshots: Things<Snapshot>,
    clusters: Things<Cluster>,
    instances: Things<Instance>,
    /// Calls that change something, as `REGION operation id`.
    pub changes: Vec<String>,
    /// Parameters of the changes.
    pub copies: Vec<Copy>,
    pub restores: Vec<RestoreCluster>,
    pub creates: Vec<CreateInstance>,
    pub calls: Calls,
}

/// The time of the failover.
pub fn failover() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub fn minutes_after(minutes: i64) -> Timestamp {
    failover() + SignedDuration::from_mins(minutes)
}

/// Aurora's snapshot of a cluster in the east.
pub fn aurora_snapshot(cluster: &str, stamp: &str, minutes: i64) -> Snapshot {
    let id = format!("rds:unplanned-global-failover-{cluster}-{stamp}");
    Snapshot {
        arn: format!("arn:aws:rds:{EAST}:000000000000:cluster-snapshot:{id}"),
        id,
        cluster: cluster.into(),
        status: "available".into(),
        created: Some(minutes_after(minutes)),
        engine: "aurora-mysql".into(),
        engine_version: "8.0.mysql_aurora.3.08.0".into(),
        encrypted: false,
        progress: Some(100),
        tags: Vec::new(),
    }
}

pub fn global(name: &str, writer: &str) -> GlobalCluster {
    let member = |side: &str| GlobalMember {
        cluster_arn: format!("arn:aws:rds:sandbox-{side}:000000000000:cluster:shop-{name}-{side}"),
        is_writer: writer.ends_with(side),
        synchronization: Some("connected".into()),
    };
    GlobalCluster {
        id: format!("shop-{name}"),
        status: "available".into(),
        members: vec![member("east"), member("west")],
        operation: None,
    }
}

impl World {
    /// After a failover of the shop from east to west, with Aurora's snapshots taken.
    pub fn after_failover() -> Arc<Mutex<Self>> {
        let mut world = Self {
            record: Some(FailoverRecord {
                plan: "shop".into(),
                execution: "failover".into(),
                outcome: MoveOutcome::Succeeded,
                from_region: EAST.into(),
                to_region: WEST.into(),
                started_at: failover(),
                ended_at: minutes_after(5),
                lag: BTreeMap::new(),
            }),
            ..Self::default()
        };
        for name in ["catalog", "orders"] {
            world.globals.insert(format!("shop-{name}"), global(name, WEST));
            world.add_snapshot(EAST, aurora_snapshot(&format!("shop-{name}-east"), "2026-01-01-01-00", 60));
        }
        Arc::new(Mutex::new(world))
    }

    pub fn add_snapshot(&mut self, region: &str, snapshot: Snapshot) {
        self.snapshots.insert((region.into(), snapshot.id.clone()), Thing::new(snapshot));
    }

    pub fn add_cluster(&mut self, region: &str, id: &str, status: &str, tags: Tags) {
        let cluster = Cluster {
            id: id.into(),
            arn: format!("arn:aws:rds:{region}:000000000000:cluster:{id}"),
            status: status.into(),
            engine: "aurora-mysql".into(),
            engine_version: "8.0.mysql_aurora.3.08.0".into(),
            endpoint: Some(format!("{id}.{region}.sandbox")),
            reader_endpoint: None,
            created: None,
            port: Some(3306),
            instances: Vec::new(),
            tags,
        };
        self.clusters.insert((region.into(), id.into()), Thing::new(cluster));
    }

    pub fn add_instance(&mut self, region: &str, id: &str, cluster: &str, status: &str, tags: Tags) {
        let instance = Instance { id: id.into(), cluster: Some(cluster.into()), status: status.into(), tags };
        self.instances.insert((region.into(), id.into()), Thing::new(instance));
    }

    /// Clusters, instances and snapshots that exist, as `REGION kind id status`, but for Aurora's own snapshots.
    pub fn inventory(&mut self) -> Vec<String> {
        self.pass();
        let clusters =
            self.clusters.iter().map(|((region, id), c)| format!("{region} cluster {id} {}", c.what.status));
        let instances = self
            .instances
            .iter()
            .map(|((region, id), i)| format!("{region} instance {id} {}", i.what.status));
        let snapshots = self
            .snapshots
            .iter()
            .filter(|((_, id), _)| !id.starts_with("rds:"))
            .map(|((region, id), s)| format!("{region} snapshot {id} {}", s.what.status));
        clusters.chain(instances).chain(snapshots).collect()
    }

    pub fn forget_aurora_snapshots(&mut self) {
        self.snapshots.retain(|(_, id), _| !id.starts_with("rds:"));
    }

    /// Lets what is due become available, or vanish.
    fn pass(&mut self) {
        fn settle<T>(things: &mut Things<T>, status: fn(&mut T) -> &mut String) {
            let now = Instant::now();
            things.retain(|_, thing| {
                let due = thing.until <= now;
                let status = status(&mut thing.what);
                if due && (*status == "creating" || *status == "copying") {
                    *status = "available".into();
                }
                !(due && *status == "deleting")
            });
        }
        settle(&mut self.snapshots, |snapshot| &mut snapshot.status);
        settle(&mut self.clusters, |cluster| &mut cluster.status);
        settle(&mut self.instances, |instance| &mut instance.status);
    }

    /// Counts a call. `Ok(true)`: do it, but lose the answer.
    fn count(&mut self, region: &str, operation: &str) -> Result<bool, StepError> {
        self.pass();
        self.calls.count(region, operation)
    }
}

fn rejected(message: &str) -> Result<Answer, StepError> {
    Ok(Answer::Rejected(message.into()))
}

/// A client of one Region of the fake.
#[derive(Clone)]
pub struct Fake {
    pub region: String,
    pub world: Arc<Mutex<World>>,
}

impl Fake {
    fn key(&self, id: &str) -> (String, String) {
        (self.region.clone(), id.to_owned())
    }

    fn read(&self) -> Result<MutexGuard<'_, World>, StepError> {
        let mut world = self.world.lock().unwrap();
        if world.count(&self.region, "read")? { Err(injected(Kind::Unreachable)) } else { Ok(world) }
    }

    /// One call that changes something.
    fn change(
        &self,
        operation: &str,
        id: &str,
        act: impl FnOnce(&mut World) -> Result<Answer, StepError>,
    ) -> Result<Answer, StepError> {
        let mut world = self.world.lock().unwrap();
        let lost = world.count(&self.region, operation)?;
        let answer = act(&mut world);
        if matches!(answer, Ok(Answer::Accepted)) {
            world.changes.push(format!("{} {operation} {id}", self.region));
        }
        if lost { Err(injected(Kind::Unreachable)) } else { answer }
    }
}

impl DescribeGlobalCluster for Fake {
    async fn describe_global_cluster(&self, id: &str) -> Result<Option<GlobalCluster>, StepError> {
        Ok(self.read()?.globals.get(id).cloned())
    }
}

impl ListSnapshots for Fake {
    async fn list_snapshots(&self, of_type: Option<&str>) -> Result<Vec<Snapshot>, StepError> {
        let world = self.read()?;
        let here = world.snapshots.iter().filter(|((region, _), _)| *region == self.region);
        let fits = |s: &Snapshot| match of_type {
            Some("manual") => !s.id.starts_with("rds:"),
            _ => true,
        };
        Ok(here.map(|(_, s)| s.what.clone()).filter(fits).collect())
    }
}

impl DescribeSnapshot for Fake {
    async fn describe_snapshot(&self, id: &str) -> Result<Option<Snapshot>, StepError> {
        Ok(self.read()?.snapshots.get(&self.key(id)).map(|s| s.what.clone()))
    }
}

impl CopySnapshot for Fake {
    async fn copy_snapshot(&self, copy: &Copy) -> Result<Answer, StepError> {
        self.change("copy", &copy.id, |world| {
            if world.snapshots.contains_key(&self.key(&copy.id)) {
                return rejected("the snapshot already exists");
            }
            let source =
                world.snapshots.values().find(|s| s.what.arn == copy.source_arn).unwrap().what.clone();
            let kept = Snapshot {
                id: copy.id.clone(),
                arn: format!("arn:aws:rds:{}:000000000000:cluster-snapshot:{}", self.region, copy.id),
                status: "copying".into(),
                created: Some(minutes_after(10_000)),
                tags: copy.tags.clone(),
                ..source
            };
            world.add_snapshot(&self.region, kept);
            world.copies.push(copy.clone());
            Ok(Answer::Accepted)
        })
    }
}

impl DescribeCluster for Fake {
    async fn describe_cluster(&self, id: &str) -> Result<Option<Cluster>, StepError> {
        Ok(self.read()?.clusters.get(&self.key(id)).map(|c| c.what.clone()))
    }
}

impl DescribeConfigured for Fake {
    async fn describe_configured(&self, cluster: &str) -> Result<Option<Configured>, StepError> {
        drop(self.read()?);
        Ok(Some(Configured {
            parameter_group: format!("{cluster}-settings"),
            engine_version: "8.0.mysql_aurora.3.09.0".into(),
        }))
    }
}

impl RestoreClusterFromSnapshot for Fake {
    async fn restore_cluster(&self, restore: &RestoreCluster) -> Result<Answer, StepError> {
        self.change("restore", &restore.id, |world| {
            if world.clusters.contains_key(&self.key(&restore.id)) {
                return rejected("the cluster already exists");
            }
            assert_eq!(world.snapshots[&self.key(&restore.snapshot)].what.status, "available");
            world.add_cluster(&self.region, &restore.id, "creating", restore.tags.clone());
            world.restores.push(restore.clone());
            Ok(Answer::Accepted)
        })
    }
}

impl DescribeInstance for Fake {
    async fn describe_instance(&self, id: &str) -> Result<Option<Instance>, StepError> {
        Ok(self.read()?.instances.get(&self.key(id)).map(|i| i.what.clone()))
    }
}

impl CreateClusterInstance for Fake {
    async fn create_instance(&self, create: &CreateInstance) -> Result<Answer, StepError> {
        self.change("create", &create.id, |world| {
            if world.instances.contains_key(&self.key(&create.id)) {
                return rejected("the instance already exists");
            }
            if world.clusters[&self.key(&create.cluster)].what.status != "available" {
                return rejected("the cluster is not available");
            }
            world.add_instance(&self.region, &create.id, &create.cluster, "creating", create.tags.clone());
            world.creates.push(create.clone());
            Ok(Answer::Accepted)
        })
    }
}

impl ListClusters for Fake {
    async fn list_clusters(&self) -> Result<Vec<Cluster>, StepError> {
        let world = self.read()?;
        let here = world.clusters.iter().filter(|((region, _), _)| *region == self.region);
        Ok(here.map(|(_, c)| c.what.clone()).collect())
    }
}

impl ListInstances for Fake {
    async fn list_instances(&self) -> Result<Vec<Instance>, StepError> {
        let world = self.read()?;
        let here = world.instances.iter().filter(|((region, _), _)| *region == self.region);
        Ok(here.map(|(_, i)| i.what.clone()).collect())
    }
}

impl DeleteInstance for Fake {
    async fn delete_instance(&self, id: &str) -> Result<Answer, StepError> {
        self.change("delete-instance", id, |world| match world.instances.get_mut(&self.key(id)) {
            None => rejected("there is no such instance"),
            Some(instance) if instance.what.status == "deleting" => rejected("the instance is being deleted"),
            Some(instance) => {
                instance.what.status = "deleting".into();
                instance.until = Instant::now() + TAKES;
                Ok(Answer::Accepted)
            }
        })
    }
}

impl DeleteCluster for Fake {
    async fn delete_cluster(&self, id: &str) -> Result<Answer, StepError> {
        self.change("delete-cluster", id, |world| {
            let stays = |((region, _), i): (&(String, String), &Thing<Instance>)| {
                *region == self.region && i.what.cluster.as_deref() == Some(id) && i.what.status != "deleting"
            };
            if world.instances.iter().any(stays) {
                return rejected("the cluster still has instances that are not being deleted");
            }
            match world.clusters.get_mut(&self.key(id)) {
                None => rejected("there is no such cluster"),
                Some(cluster) if cluster.what.status != "available" => {
                    rejected("the cluster is not available")
                }
                Some(cluster) => {
                    cluster.what.status = "deleting".into();
                    cluster.until = Instant::now() + TAKES;
                    Ok(Answer::Accepted)
                }
            }
        })
    }
}

impl ReadLastFailover for Fake {
    async fn read_last_failover(
        &self,
        bucket: &str,
        plan: &str,
    ) -> Result<Option<FailoverRecord>, StepError> {
        assert_eq!((bucket, plan), ("causeway-reports-000000000000-sandbox-west", "shop"));
        Ok(self.read()?.record.clone())
    }
}

/// A context in the west, a day after the failover, whose clock moves with tokio's.
pub fn context() -> Context {
    let (start, origin) = (minutes_after(24 * 60), Instant::now());
    Context {
        config: aws_config::SdkConfig::builder().build(),
        region: WEST.into(),
        clock: Clock::new(move || start + SignedDuration::try_from(origin.elapsed()).unwrap()),
        deadline: Timestamp::MAX,
    }
}

/// What both operations are given, with `since` now.
pub fn given<'a>(context: &'a Context, plan: &'a RecoveryPlan, restore_region: &str) -> Run<'a> {
    Run {
        context,
        plan,
        execution: EXECUTION,
        restore_region: restore_region.into(),
        since: context.clock.now(),
    }
}

/// Clients of the fake by Region.
pub fn clients(world: &Arc<Mutex<World>>) -> impl Fn(&str) -> Fake + Send + Sync {
    let world = world.clone();
    move |region| Fake { region: region.into(), world: world.clone() }
}
