//! A fake RDS in two Regions for the tests of a rebuild, under tokio's paused time. Any call can be made to fail, by its number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use runbook::StepError;
use runbook::aurora::{
    Answer, Cluster, DescribeGlobalCluster, GlobalCluster, GlobalMember, ListSnapshots,
    RemoveFromGlobalCluster, Snapshot, Tags,
};
use runbook::error::Kind;
use runbook::fakes::{Calls, injected};
use tokio::time::Instant;

use super::calls::{
    Blueprint, CreateGlobalCluster, CreateInstance, CreateSecondary, DeleteGlobalCluster, DescribeBlueprint,
    InstanceBlueprint, Made, NewInstance, NewSecondary, RenameCluster, TakeSnapshot,
};

pub const EAST: &str = "sandbox-east";
pub const WEST: &str = "sandbox-west";
/// How long everything takes here.
const TAKES: Duration = Duration::from_secs(3);

/// A cluster and when it, and what was last added to it, is available.
struct Thing {
    what: Blueprint,
    until: Instant,
}

/// The state of both Regions.
pub struct World {
    pub globals: BTreeMap<String, GlobalCluster>,
    clusters: BTreeMap<(String, String), Thing>,
    snapshots: Vec<(Snapshot, Instant)>,
    /// Calls that changed something, as `REGION operation id`.
    pub changes: Vec<String>,
    /// Global clusters whose calls are rejected.
    pub busy: Vec<String>,
    pub calls: Calls,
}

fn arn(region: &str, id: &str) -> String {
    format!("arn:aws:rds:{region}:000000000000:cluster:{id}")
}

pub fn created() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn cluster(region: &str, id: &str, status: &str, tags: Tags) -> Blueprint {
    Blueprint {
        cluster: Cluster {
            id: id.into(),
            arn: arn(region, id),
            status: status.into(),
            engine: "aurora-mysql".into(),
            engine_version: "8.0.mysql_aurora.3.08.0".into(),
            endpoint: None,
            reader_endpoint: None,
            created: None,
            port: None,
            instances: Vec::new(),
            tags,
        },
        created: Some(created()),
        made: Made { subnet_group: Some(format!("{region}-subnets")), ..Made::default() },
        instances: Vec::new(),
    }
}

fn with_instance(mut blueprint: Blueprint, class: &str) -> Blueprint {
    let mut instance = InstanceBlueprint::plain(&format!("{}-1", blueprint.cluster.id), class);
    instance.instance.status = "available".into();
    blueprint.instances = vec![instance];
    blueprint
}

impl World {
    /// The shop after its clusters in the west were detached: the old primaries are alone in their global clusters.
    pub fn detached() -> Arc<Mutex<Self>> {
        let mut world = Self {
            globals: BTreeMap::new(),
            clusters: BTreeMap::new(),
            snapshots: Vec::new(),
            changes: Vec::new(),
            busy: Vec::new(),
            calls: Calls::default(),
        };
        for name in ["catalog", "orders"] {
            for (region, side) in [(EAST, "east"), (WEST, "west")] {
                let id = format!("shop-{name}-{side}");
                let tags = vec![("team".into(), "shop".into())];
                let what = with_instance(cluster(region, &id, "available", tags), "db.r7g.large");
                world.clusters.insert((region.into(), id), Thing { what, until: Instant::now() });
            }
            let id = format!("shop-{name}");
            let member = member(&arn(EAST, &format!("shop-{name}-east")), true);
            let global = GlobalCluster {
                id: id.clone(),
                status: "available".into(),
                members: vec![member],
                operation: None,
            };
            world.globals.insert(id, global);
        }
        Arc::new(Mutex::new(world))
    }

    /// Lets what is due become available, and connects secondaries that are.
    fn pass(&mut self) {
        let now = Instant::now();
        for thing in self.clusters.values_mut().filter(|thing| thing.until <= now) {
            thing.what.cluster.status = "available".into();
            for one in &mut thing.what.instances {
                one.instance.status = "available".into();
            }
            let arn = &thing.what.cluster.arn;
            for member in self.globals.values_mut().flat_map(|global| &mut global.members) {
                if member.cluster_arn == *arn && !thing.what.instances.is_empty() {
                    member.synchronization = Some("connected".into());
                }
            }
        }
        for (snapshot, until) in &mut self.snapshots {
            if *until <= now {
                snapshot.status = "available".into();
            }
        }
    }

    /// What is in both Regions, as `REGION id status`, and the members of each global cluster.
    pub fn inventory(&mut self) -> Vec<String> {
        self.pass();
        let clusters = self
            .clusters
            .iter()
            .map(|((region, id), thing)| format!("{region} {id} {}", thing.what.cluster.status));
        let globals = self.globals.iter().map(|(id, global)| {
            let members: Vec<&str> = global.members.iter().map(|one| one.cluster_arn.as_str()).collect();
            format!("{id}: {}", members.join(", "))
        });
        let snapshots = self.snapshots.iter().map(|(one, _)| format!("snapshot of {}", one.cluster));
        // A name has the time in it at which it was given.
        let plain = |line: String| line.split("-20260101").next().unwrap_or_default().to_owned();
        let mut lines: Vec<String> = clusters.chain(globals).chain(snapshots).map(plain).collect();
        lines.sort();
        lines
    }

    /// What a secondary was made like.
    pub fn made(&self, region: &str, id: &str) -> (Option<String>, Tags, String) {
        let what = &self.clusters[&(region.to_owned(), id.to_owned())].what;
        (what.made.subnet_group.clone(), what.cluster.tags.clone(), what.instances[0].class.clone())
    }
}

fn member(arn: &str, is_writer: bool) -> GlobalMember {
    GlobalMember { cluster_arn: arn.into(), is_writer, synchronization: None }
}

/// A client of one Region of the fake.
#[derive(Clone)]
pub struct Fake {
    pub region: String,
    pub world: Arc<Mutex<World>>,
}

impl Fake {
    fn read(&self, operation: &str) -> Result<MutexGuard<'_, World>, StepError> {
        let mut world = self.world.lock().unwrap();
        world.pass();
        if world.calls.count(&self.region, operation)? { Err(injected(Kind::Unreachable)) } else { Ok(world) }
    }

    /// One call that changes something; `act` says why it is rejected.
    fn change(
        &self,
        operation: &str,
        id: &str,
        act: impl FnOnce(&mut World) -> Result<(), &'static str>,
    ) -> Result<Answer, StepError> {
        let mut world = self.world.lock().unwrap();
        world.pass();
        let lost = world.calls.count(&self.region, operation)?;
        if world.busy.iter().any(|busy| id.starts_with(busy.as_str())) {
            return Ok(Answer::Rejected(format!("{id} is busy")));
        }
        let answer = match act(&mut world) {
            Ok(()) => {
                world.changes.push(format!("{} {operation} {id}", self.region));
                Answer::Accepted
            }
            Err(why) => Answer::Rejected(why.to_owned()),
        };
        if lost { Err(injected(Kind::Unreachable)) } else { Ok(answer) }
    }

    fn key(&self, id: &str) -> (String, String) {
        (self.region.clone(), id.to_owned())
    }
}

impl DescribeGlobalCluster for Fake {
    async fn describe_global_cluster(&self, id: &str) -> Result<Option<GlobalCluster>, StepError> {
        Ok(self.read("describe-global")?.globals.get(id).cloned())
    }
}

impl DescribeBlueprint for Fake {
    async fn describe_blueprint(&self, id: &str) -> Result<Option<Blueprint>, StepError> {
        Ok(self.read("describe-cluster")?.clusters.get(&self.key(id)).map(|thing| thing.what.clone()))
    }
}

impl ListSnapshots for Fake {
    async fn list_snapshots(&self, of_type: Option<&str>) -> Result<Vec<Snapshot>, StepError> {
        assert_eq!(of_type, Some("manual"));
        let world = self.read("list-snapshots")?;
        let here = world.snapshots.iter().filter(|(one, _)| one.arn.contains(&self.region));
        Ok(here.map(|(one, _)| one.clone()).collect())
    }
}

impl TakeSnapshot for Fake {
    async fn take_snapshot(&self, cluster: &str, name: &str, tags: &Tags) -> Result<Answer, StepError> {
        self.change("snapshot", cluster, |world| {
            let snapshot = Snapshot {
                id: name.into(),
                arn: format!("arn:aws:rds:{}:000000000000:cluster-snapshot:{name}", self.region),
                cluster: cluster.into(),
                status: "creating".into(),
                created: None,
                engine: "aurora-mysql".into(),
                engine_version: "8.0.mysql_aurora.3.08.0".into(),
                encrypted: false,
                progress: None,
                tags: tags.clone(),
            };
            world.snapshots.push((snapshot, Instant::now() + TAKES));
            Ok(())
        })
    }
}

impl RemoveFromGlobalCluster for Fake {
    async fn remove_from_global_cluster(&self, id: &str, cluster_arn: &str) -> Result<Answer, StepError> {
        self.change("remove", id, |world| {
            let global = world.globals.get_mut(id).ok_or("there is no such global cluster")?;
            global.members.retain(|one| one.cluster_arn != cluster_arn);
            Ok(())
        })
    }
}

impl DeleteGlobalCluster for Fake {
    async fn delete_global_cluster(&self, id: &str) -> Result<Answer, StepError> {
        self.change("delete-global", id, |world| {
            let global = world.globals.get(id).ok_or("there is no such global cluster")?;
            assert!(global.members.is_empty(), "{id} still has members");
            world.globals.remove(id);
            Ok(())
        })
    }
}

impl CreateGlobalCluster for Fake {
    async fn create_global_cluster(&self, id: &str, source_arn: &str) -> Result<Answer, StepError> {
        self.change("create-global", id, |world| {
            if world.globals.contains_key(id) {
                return Err("the global cluster already exists");
            }
            let members = vec![member(source_arn, true)];
            let global =
                GlobalCluster { id: id.into(), status: "available".into(), members, operation: None };
            world.globals.insert(id.into(), global);
            Ok(())
        })
    }
}

impl RenameCluster for Fake {
    async fn rename_cluster(&self, id: &str, name: &str) -> Result<Answer, StepError> {
        self.change("rename", id, |world| {
            let mut thing = world.clusters.remove(&self.key(id)).ok_or("there is no such cluster")?;
            name.clone_into(&mut thing.what.cluster.id);
            thing.what.cluster.arn = arn(&self.region, name);
            world.clusters.insert(self.key(name), thing);
            Ok(())
        })
    }
}

impl CreateSecondary for Fake {
    async fn create_secondary(&self, new: NewSecondary<'_>) -> Result<Answer, StepError> {
        self.change("create-secondary", new.id, |world| {
            if world.clusters.contains_key(&self.key(new.id)) {
                return Err("the cluster already exists");
            }
            let mut what = cluster(&self.region, new.id, "creating", new.like.cluster.tags.clone());
            what.made = new.like.made.clone();
            world.clusters.insert(self.key(new.id), Thing { what, until: Instant::now() + TAKES });
            let global =
                world.globals.get_mut(new.global_cluster).ok_or("there is no such global cluster")?;
            global.members.push(member(&arn(&self.region, new.id), false));
            Ok(())
        })
    }
}

impl CreateInstance for Fake {
    async fn create_instance(&self, new: NewInstance<'_>) -> Result<Answer, StepError> {
        self.change("create-instance", &new.like.instance.id, |world| {
            let thing = world.clusters.get_mut(&self.key(new.cluster)).ok_or("there is no such cluster")?;
            if thing.what.instances.iter().any(|one| one.instance.id == new.like.instance.id) {
                return Err("the instance already exists");
            }
            let mut instance = new.like.clone();
            instance.instance.status = "creating".into();
            thing.what.instances.push(instance);
            thing.until = Instant::now() + TAKES;
            Ok(())
        })
    }
}
