//! `rebuild`: makes global databases again of clusters that were detached, under the names of the plan.
//!
//! For each global database, at every look ([`decide`]), the first line that fits:
//!
//! | seen | what follows |
//! |---|---|
//! | the global cluster has the writer here and a connected secondary with an instance there | done |
//! | the same, but the secondary has no instance | create one |
//! | the cluster here is a secondary | refuse: it was not detached |
//! | the global cluster has the old primary alone, and there is no snapshot of it | take one |
//! | the same, with a snapshot | remove the old primary from the global cluster |
//! | the old primary is outside, without a snapshot | refuse: this may be the Region that was left |
//! | the global cluster is empty | delete it: its name is needed |
//! | there is no global cluster | create it around the cluster here |
//! | the old primary still has its name | rename it |
//! | nothing has its name | create a secondary that is made as the old primary was |
//!
//! Everything is read from AWS, also which Region was left: so the step may be called again at any moment, by whichever
//! execution, and goes on. **No cluster is deleted.** The old primary may hold writes that nobody has reported: it stays,
//! renamed to [`kept_name`] and out of every global cluster, until a person deletes it. An empty global cluster holds no data
//! ("Deletes a global database cluster. The primary and secondary clusters must already be detached or destroyed first",
//! RDS API reference, `DeleteGlobalCluster`); one with deletion protection is left to a person, too.
//!
//! The snapshot says in its tag [`CLUSTER_TAG`] of which cluster it is: what RDS says of it may change with the name. It is
//! what `snapshot-restore` looks for, so that `reconcile` can be run afterwards. Writes that the old primary
//! takes after it are in the renamed cluster alone.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_rds::Client;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::types::{DbCluster, DbInstance, Tag};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use runbook::aurora::{
    self, DescribeGlobalCluster, GlobalCluster, RemoveFromGlobalCluster, message, region_of,
};
use runbook::names::{CLUSTER_TAG, PLAN_TAG, detached_prefix, kept_name, rebuilt_instance};
use runbook::plan::{Database, Member};
use runbook::watch::{self, Look, watch};
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};

use crate::{DatabaseState, Event, Observed};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// A cluster, with what a secondary made in its place is to have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cluster {
    /// Its identifier.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its status.
    pub status: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its engine.
    pub engine: String,
    /// Engine version.
    pub version: String,
    /// How else it is made.
    pub made: Made,
    /// Its instances, the writer first.
    pub instances: Vec<Instance>,
}

/// How a cluster is made, in the words of `CreateDBCluster`; what AWS does not tell is absent, and AWS's default is taken for it.
/// `docs/contracts.md` has the properties that are not carried over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    /// The port of its endpoints.
    pub port: Option<i32>,
    /// DB subnet group.
    pub subnet_group: Option<String>,
    /// VPC security groups.
    pub security_groups: Vec<String>,
    /// `IPV4` or `DUAL`.
    pub network_type: Option<String>,
    /// Cluster parameter group.
    pub parameter_group: Option<String>,
    /// KMS key, when its storage is encrypted.
    pub kms_key: Option<String>,
    /// `aurora` or `aurora-iopt1`.
    pub storage_type: Option<String>,
    /// Whether users may sign in by IAM.
    pub iam: bool,
    /// Capacity in ACUs, smallest and largest, and seconds after which it pauses, when it has a Serverless v2 configuration.
    pub serverless: Option<(f64, f64, Option<i32>)>,
    /// Whether it can't be deleted.
    pub deletion_protection: Option<bool>,
    /// Days that automated backups are kept.
    pub backup_retention: Option<i32>,
    /// When they are made.
    pub backup_window: Option<String>,
    /// When it is maintained.
    pub maintenance_window: Option<String>,
    /// Logs that go to CloudWatch.
    pub log_exports: Vec<String>,
    /// Whether its tags go to its snapshots.
    pub copy_tags: Option<bool>,
    /// Whether it forwards writes while it is a secondary.
    pub write_forwarding: Option<bool>,
    /// Whether it is enrolled in RDS Extended Support.
    pub lifecycle_support: Option<String>,
    /// Its tags, without AWS's own, which nobody else can set.
    pub tags: Vec<Tag>,
}

/// An instance, with what one made in its place is to have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Instance {
    /// Its identifier.
    pub id: String,
    /// Its status.
    pub status: String,
    /// Its class.
    pub class: String,
    /// Instance parameter group.
    pub parameter_group: Option<String>,
    /// Certificate authority of its certificate.
    pub authority: Option<String>,
    /// Its place among those that may become the writer.
    pub promotion_tier: Option<i32>,
    /// Whether it is upgraded to minor versions by itself.
    pub minor_upgrades: Option<bool>,
    /// When it is maintained.
    pub maintenance_window: Option<String>,
    /// Its tags, as of the cluster.
    pub tags: Vec<Tag>,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Its identifier.
    pub id: String,
    /// Its status.
    pub status: String,
    /// When it was taken; not there yet while it is being taken.
    pub created: Option<Timestamp>,
}

/// What there is for one global database.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The plan's global cluster.
    pub global: Option<GlobalCluster>,
    /// The plan's cluster here.
    pub here: Cluster,
    /// The cluster that has the plan's name in the other Region.
    pub there: Option<Cluster>,
    /// Snapshots of clusters that had that name when this step took them, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// The old primary under its new name.
    pub kept: Option<Cluster>,
}

/// What to do next for one database.
pub type Decision = watch::Decision<Action>;

/// The calls, in the order they are needed.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Keep the old primary's data.
    Snapshot,
    /// Take the old primary out of the global cluster.
    Remove(String),
    /// Delete the empty global cluster.
    DeleteGlobal,
    /// Create it around the cluster here.
    CreateGlobal,
    /// Give the old primary another name.
    Rename(String),
    /// Create the secondary as this cluster was made.
    CreateSecondary(Box<Cluster>),
    /// Add its instance, of this name and as this one is made.
    CreateInstance(Box<Instance>),
}

/// Whether the old primary's data is kept by this snapshot; else what that means.
fn taken(snapshot: &Snapshot) -> Result<(), Decision> {
    let Snapshot { id, status, .. } = snapshot;
    match status.as_str() {
        "available" => Ok(()),
        status if status.ends_with("failed") => Err(Decision::Refuse(format!(
            "snapshot {id} of the old primary is {status}: delete it, and start this again"
        ))),
        status => Err(Decision::Wait(format!("snapshot {id} is {status}"))),
    }
}

/// Decides from what was seen. `id`, `there` and `class` are the plan's: the global cluster, the cluster in the other Region,
/// and the class of an instance where the old primary has none to show.
pub fn decide(seen: &Seen, id: &str, there: &str, class: &str) -> Decision {
    let here = &seen.here;
    if here.status != "available" {
        return Decision::Wait(format!("cluster {} is {}", here.id, here.status));
    }
    let old = seen.there.as_ref();
    // A snapshot of an earlier cluster of the same name is older than this one.
    let snapshot = old.and_then(|old| {
        seen.snapshots.iter().find(|one| one.created.is_none() || one.created >= old.created)
    });
    let outside = || match (old, snapshot) {
        (None, _) => Ok(()),
        (Some(_), Some(snapshot)) => taken(snapshot),
        (Some(old), None) => Err(Decision::Refuse(format!(
            "cluster {} stands for itself, and nothing shows that it is the one that was left: start this in the Region that took \
             over; if this is it, have the old primary be the one member of global cluster {id}, or rename it",
            old.arn
        ))),
    };
    let Some(global) = &seen.global else {
        return outside().err().unwrap_or(Decision::Act(Action::CreateGlobal));
    };
    if let Some(operation) = &global.operation {
        return Decision::Wait(format!("an operation of global cluster {id} is {}", operation.status));
    }
    let own = global.members.iter().find(|member| member.cluster_arn == here.arn);
    let other = global.members.iter().find(|member| member.cluster_arn != here.arn);
    match (own, other) {
        (Some(own), _) if !own.is_writer => Decision::Refuse(format!(
            "cluster {} is a secondary of global cluster {id}: it was not detached",
            here.id
        )),
        (Some(_), Some(other)) => {
            let Some(secondary) = old.filter(|old| old.arn == other.cluster_arn) else {
                return Decision::Refuse(format!(
                    "global cluster {id} has {}, which the plan does not name",
                    other.cluster_arn
                ));
            };
            let available = secondary.instances.iter().any(|one| one.status == "available");
            match (&seen.kept, secondary.instances.is_empty()) {
                (Some(kept), true) if secondary.status == "available" => {
                    let planned = || Instance { class: class.to_owned(), ..Instance::default() };
                    let like = kept.instances.first().cloned().unwrap_or_else(planned);
                    Decision::Act(Action::CreateInstance(Box::new(Instance {
                        id: rebuilt_instance(&kept.id),
                        ..like
                    })))
                }
                _ if available && other.synchronization.as_deref() == Some("connected") => {
                    Decision::AlreadyDone
                }
                _ => Decision::Wait(format!(
                    "secondary {} is not connected yet, or has no available instance",
                    secondary.id
                )),
            }
        }
        (None, Some(other))
            if global.members.len() == 1 && old.is_some_and(|old| old.arn == other.cluster_arn) =>
        {
            match snapshot {
                None => Decision::Act(Action::Snapshot),
                Some(snapshot) => taken(snapshot)
                    .err()
                    .unwrap_or_else(|| Decision::Act(Action::Remove(other.cluster_arn.clone()))),
            }
        }
        (None, Some(_)) => {
            Decision::Refuse(format!("global cluster {id} has members that the plan does not name"))
        }
        (None, None) => outside().err().unwrap_or(Decision::Act(Action::DeleteGlobal)),
        (Some(_), None) => match (old, snapshot, &seen.kept) {
            (Some(old), Some(snapshot), _) if old.status == "available" => {
                outside().err().unwrap_or_else(|| Decision::Act(Action::Rename(snapshot.id.clone())))
            }
            (Some(old), Some(_), _) => Decision::Wait(format!("cluster {} is {}", old.id, old.status)),
            // It was just created, and is no member yet.
            (Some(old), None, Some(_)) => {
                Decision::Wait(format!("cluster {} is {}, and no member yet", old.id, old.status))
            }
            (Some(_), None, None) => {
                outside().err().unwrap_or_else(|| Decision::Wait("its secondary".into()))
            }
            (None, _, Some(kept)) => Decision::Act(Action::CreateSecondary(Box::new(kept.clone()))),
            (None, _, None) => Decision::Refuse(format!(
                "there is neither a cluster {there} nor an old primary that shows how to make one: add it to global cluster {id} by \
                 hand"
            )),
        },
    }
}

/// Runs the operation within the time of one call.
pub(crate) async fn run(
    context: &Context,
    plan: &RecoveryPlan,
    event: &Event,
) -> Result<Outcome<Observed>, StepError> {
    let since = event.since.unwrap_or_else(|| context.clock.now());
    let there = plan.other_region(&event.target_region);
    let client = |region: &str| Client::new(&runbook::aws::in_region(&context.config, region));
    let (here, other) = (client(&event.target_region), client(there));
    watch(context, LOOK, Step { context, plan, event, since, here, there: other, notes: BTreeMap::new() })
        .await
}

struct Step<'a> {
    context: &'a Context,
    plan: &'a RecoveryPlan,
    event: &'a Event,
    since: Timestamp,
    here: Client,
    there: Client,
    /// What AWS said last when a call was not possible yet, by global cluster.
    notes: BTreeMap<String, String>,
}

/// One global database of the plan, with what was seen and decided.
struct Place<'a> {
    /// Its name in the plan; the first, where several databases live in it.
    name: &'a str,
    id: &'a str,
    seen: Seen,
    decision: Decision,
}

impl Look for Step<'_> {
    type Observed = Observed;

    async fn look(&mut self, changed: &mut Vec<String>) -> Result<Outcome<Observed>, StepError> {
        let mut databases = BTreeMap::<&str, (&str, &Database)>::new();
        for (name, database) in &self.plan.databases {
            databases.entry(&database.global_cluster).or_insert((name, database));
        }
        let places =
            try_join_all(databases.values().map(|(name, database)| self.observe(name, database))).await?;
        let observed = Observed {
            since: self.since,
            databases: places.iter().map(|place| (place.name.to_owned(), state(place))).collect(),
        };
        let told = |place: &Place<'_>| {
            let note =
                self.notes.get(place.id).map(|note| format!(" (AWS says: {note})")).unwrap_or_default();
            format!("{}: {}{note}", place.name, wording(&place.decision))
        };
        let of = |wanted: fn(&Decision) -> bool| {
            places.iter().filter(|place| wanted(&place.decision)).map(told).collect::<Vec<_>>().join("; ")
        };
        let refused = of(|decision| matches!(decision, Decision::Refuse(_)));
        if !refused.is_empty() {
            return Ok(Outcome::new(Status::Refused, refused, observed));
        }
        let open = of(|decision| *decision != Decision::AlreadyDone);
        if open.is_empty() {
            let mut reason = format!(
                "every global database has its writer in {} and a secondary in {}",
                self.event.target_region,
                self.plan.other_region(&self.event.target_region)
            );
            let kept: Vec<&str> =
                places.iter().filter_map(|place| Some(place.seen.kept.as_ref()?.id.as_str())).collect();
            if !kept.is_empty() {
                reason += &format!("; the old primaries are kept as {}", kept.join(", "));
            }
            return Ok(Outcome::new(Status::Done, reason, observed));
        }
        let minutes = self.plan.limits.restore_minutes;
        if self.context.clock.now().duration_since(self.since) > SignedDuration::from_mins(minutes.into()) {
            let reason =
                format!("not rebuilt {minutes} minutes after {} (limits.restoreMinutes): {open}", self.since);
            return Ok(Outcome::new(Status::Refused, reason, observed));
        }
        for place in &places {
            let Decision::Act(action) = &place.decision else { continue };
            match self.execute(place, action).await? {
                None => {
                    self.notes.remove(place.id);
                    changed.push(format!("{}: {}", place.name, wording(&place.decision)));
                }
                Some(note) => {
                    self.notes.insert(place.id.to_owned(), note);
                }
            }
        }
        Ok(Outcome::new(Status::InProgress, open, observed))
    }
}

impl Step<'_> {
    async fn observe<'p>(&self, name: &'p str, database: &'p Database) -> Result<Place<'p>, StepError> {
        let region = &self.event.target_region;
        let other = self.plan.other_region(region);
        // Validation guarantees a member in each Region.
        let member = |region: &str| database.members.get(region).map(Member::cluster).unwrap_or_default();
        let old = database.members.get(other).map(|member| member.cluster_arn.as_str()).unwrap_or_default();
        let there = describe(&self.there, member(other)).await?;
        let global = self.here.describe_global_cluster(&database.global_cluster).await?;
        let here = describe(&self.here, member(region)).await?;
        let here = here.ok_or_else(|| aurora::missing("cluster", member(region), region))?;
        let snapshots = snapshots(&self.there, old).await?;
        let mut kept = None;
        for snapshot in snapshots.iter().rev() {
            kept = describe(&self.there, &snapshot.id).await?;
            if kept.is_some() {
                break;
            }
        }
        let seen = Seen { global, here, there, snapshots, kept };
        let class = database.members.get(other).map(|member| member.restore.instance_class.as_str());
        let decision = decide(&seen, &database.global_cluster, member(other), class.unwrap_or_default());
        Ok(Place { name, id: &database.global_cluster, seen, decision })
    }

    /// Makes one call; what AWS says when it is not possible now.
    async fn execute(&self, place: &Place<'_>, action: &Action) -> Result<Option<String>, StepError> {
        let (id, here) = (place.id, &place.seen.here);
        let old = place.seen.there.as_ref().map(|old| old.id.as_str()).unwrap_or_default();
        match action {
            Action::Snapshot => {
                let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
                let arn = place.seen.there.as_ref().map(|old| old.arn.as_str()).unwrap_or_default();
                let name = kept_name(old, self.context.clock.now());
                let call = self.there.create_db_cluster_snapshot().db_cluster_identifier(old);
                let call = call.db_cluster_snapshot_identifier(&name);
                let call = call.tags(tag(PLAN_TAG, &self.plan.name)).tags(tag(CLUSTER_TAG, arn));
                settle(call.send().await, &format!("taking snapshot {name} of {old}"))
            }
            Action::Remove(arn) => {
                match RemoveFromGlobalCluster::remove_from_global_cluster(&self.there, id, arn).await? {
                    aurora::Answer::Accepted => Ok(None),
                    aurora::Answer::Rejected(note) => Ok(Some(note)),
                }
            }
            Action::DeleteGlobal => {
                let call = self.here.delete_global_cluster().global_cluster_identifier(id);
                settle(call.send().await, &format!("deleting the empty global cluster {id}"))
            }
            // Engine, version and name of the database are those of the source (RDS API reference).
            Action::CreateGlobal => {
                let call = self.here.create_global_cluster().global_cluster_identifier(id);
                let call = call.source_db_cluster_identifier(&here.arn);
                settle(call.send().await, &format!("creating global cluster {id} around {}", here.arn))
            }
            Action::Rename(name) => {
                let call = self.there.modify_db_cluster().db_cluster_identifier(old);
                let call = call.new_db_cluster_identifier(name).apply_immediately(true);
                settle(call.send().await, &format!("renaming cluster {old} to {name}"))
            }
            Action::CreateSecondary(kept) => self.create_secondary(place, kept).await,
            Action::CreateInstance(like) => {
                let call = self.there.create_db_instance().db_instance_identifier(&like.id);
                let call = call.db_cluster_identifier(old).engine(&here.engine);
                let call = call
                    .db_instance_class(&like.class)
                    .set_db_parameter_group_name(like.parameter_group.clone())
                    .set_ca_certificate_identifier(like.authority.clone())
                    .set_promotion_tier(like.promotion_tier)
                    .set_auto_minor_version_upgrade(like.minor_upgrades)
                    .set_preferred_maintenance_window(like.maintenance_window.clone())
                    .set_tags(some(&like.tags))
                    .publicly_accessible(false);
                settle(call.send().await, &format!("creating instance {}", like.id))
            }
        }
    }

    async fn create_secondary(&self, place: &Place<'_>, kept: &Cluster) -> Result<Option<String>, StepError> {
        let other = region_of(&kept.arn);
        // Validation guarantees a member in each Region.
        let member = self.plan.databases.get(place.name).and_then(|database| database.members.get(other));
        let name = member.map(Member::cluster).unwrap_or_default();
        let made = &kept.made;
        let scaling = made.serverless.map(|(min, max, pause)| {
            aws_sdk_rds::types::ServerlessV2ScalingConfiguration::builder()
                .min_capacity(min)
                .max_capacity(max)
                .set_seconds_until_auto_pause(pause)
                .build()
        });
        let call = self
            .there
            .create_db_cluster()
            .db_cluster_identifier(name)
            .global_cluster_identifier(place.id)
            .engine(&place.seen.here.engine)
            // A secondary has its primary's version.
            .engine_version(&place.seen.here.version)
            .set_port(made.port)
            .set_db_subnet_group_name(made.subnet_group.clone())
            .set_vpc_security_group_ids(some(&made.security_groups))
            .set_network_type(made.network_type.clone())
            .set_db_cluster_parameter_group_name(made.parameter_group.clone())
            .set_storage_encrypted(made.kms_key.as_ref().map(|_| true))
            .set_kms_key_id(made.kms_key.clone())
            .set_storage_type(made.storage_type.clone())
            .enable_iam_database_authentication(made.iam)
            .set_serverless_v2_scaling_configuration(scaling)
            .set_deletion_protection(made.deletion_protection)
            .set_backup_retention_period(made.backup_retention)
            .set_preferred_backup_window(made.backup_window.clone())
            .set_preferred_maintenance_window(made.maintenance_window.clone())
            .set_enable_cloudwatch_logs_exports(some(&made.log_exports))
            .set_copy_tags_to_snapshot(made.copy_tags)
            .set_enable_global_write_forwarding(made.write_forwarding)
            .set_engine_lifecycle_support(made.lifecycle_support.clone())
            .set_tags(some(&made.tags));
        settle(call.send().await, &format!("creating secondary {name} in {other}"))
    }
}

/// A list for a request, which names none where it is empty.
fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// Nothing for a call that was accepted; AWS's words for one that may do at another moment. The next look tells.
fn settle<T, E>(answer: Result<T, SdkError<E>>, what: &str) -> Result<Option<String>, StepError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Ok(None),
        Err(SdkError::ServiceError(error)) if is_state(error.err()) => Ok(Some(message(error.err()))),
        Err(error) => Err(StepError::aws(what.to_owned(), error)),
    }
}

/// Whether an error says that things are not as they were seen, or not ready: RDS's `Invalid…State`, `…AlreadyExists` and
/// `…NotFound`, which end in `Fault` for some and not for others.
fn is_state(error: &impl ProvideErrorMetadata) -> bool {
    let code = error.code().unwrap_or_default().trim_end_matches("Fault");
    (code.starts_with("InvalidDB") || code.starts_with("InvalidGlobal")) && code.ends_with("State")
        || ["DBCluster", "DBInstance", "DBClusterSnapshot", "GlobalCluster"].iter().any(|kind| {
            code.strip_prefix(kind).is_some_and(|rest| rest == "AlreadyExists" || rest == "NotFound")
        })
}

async fn describe(client: &Client, id: &str) -> Result<Option<Cluster>, StepError> {
    let region = client.config().region().map(ToString::to_string).unwrap_or_default();
    let found = match client.describe_db_clusters().db_cluster_identifier(id).send().await {
        Ok(answer) => answer.db_clusters().first().map(shape),
        Err(SdkError::ServiceError(error)) if error.err().is_db_cluster_not_found_fault() => None,
        Err(error) => return Err(StepError::aws(format!("describing cluster {id} in {region}"), error)),
    };
    let Some(mut cluster) = found else { return Ok(None) };
    for instance in &mut cluster.instances {
        match client.describe_db_instances().db_instance_identifier(&instance.id).send().await {
            Ok(answer) => {
                if let Some(seen) = answer.db_instances().first() {
                    *instance = shape_instance(seen);
                }
            }
            Err(SdkError::ServiceError(error)) if error.err().is_db_instance_not_found_fault() => {}
            Err(error) => {
                let what = format!("describing instance {} in {region}", instance.id);
                return Err(StepError::aws(what, error));
            }
        }
    }
    Ok(Some(cluster))
}

fn time(time: &aws_sdk_rds::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

fn owned(value: Option<&str>) -> Option<String> {
    value.map(str::to_owned)
}

fn shape(cluster: &DbCluster) -> Cluster {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let mut members: Vec<_> = cluster.db_cluster_members().iter().collect();
    members.sort_by_key(|one| one.is_cluster_writer() != Some(true));
    let instances = members.iter().filter_map(|one| one.db_instance_identifier());
    Cluster {
        id: text(cluster.db_cluster_identifier()),
        arn: text(cluster.db_cluster_arn()),
        status: text(cluster.status()),
        created: cluster.cluster_create_time().and_then(time),
        engine: text(cluster.engine()),
        version: text(cluster.engine_version()),
        made: made(cluster),
        instances: instances.map(|id| Instance { id: id.to_owned(), ..Instance::default() }).collect(),
    }
}

fn made(cluster: &DbCluster) -> Made {
    let groups = cluster.vpc_security_groups().iter().filter_map(|one| one.vpc_security_group_id());
    let serverless = cluster.serverless_v2_scaling_configuration();
    let scaling = serverless
        .and_then(|one| Some((one.min_capacity()?, one.max_capacity()?, one.seconds_until_auto_pause())));
    Made {
        port: cluster.port(),
        subnet_group: owned(cluster.db_subnet_group()),
        security_groups: groups.map(str::to_owned).collect(),
        network_type: owned(cluster.network_type()),
        parameter_group: owned(cluster.db_cluster_parameter_group()),
        kms_key: owned(cluster.kms_key_id().filter(|_| cluster.storage_encrypted() == Some(true))),
        storage_type: owned(cluster.storage_type()),
        iam: cluster.iam_database_authentication_enabled() == Some(true),
        serverless: scaling,
        deletion_protection: cluster.deletion_protection(),
        backup_retention: cluster.backup_retention_period(),
        backup_window: owned(cluster.preferred_backup_window()),
        maintenance_window: owned(cluster.preferred_maintenance_window()),
        log_exports: cluster.enabled_cloudwatch_logs_exports().to_vec(),
        copy_tags: cluster.copy_tags_to_snapshot(),
        write_forwarding: cluster.global_write_forwarding_requested(),
        lifecycle_support: owned(cluster.engine_lifecycle_support()),
        tags: own_tags(cluster.tag_list()),
    }
}

fn shape_instance(instance: &DbInstance) -> Instance {
    let groups = instance.db_parameter_groups().first();
    Instance {
        id: instance.db_instance_identifier().unwrap_or_default().to_owned(),
        status: instance.db_instance_status().unwrap_or_default().to_owned(),
        class: instance.db_instance_class().unwrap_or_default().to_owned(),
        parameter_group: owned(groups.and_then(|one| one.db_parameter_group_name())),
        authority: owned(instance.ca_certificate_identifier()),
        promotion_tier: instance.promotion_tier(),
        minor_upgrades: instance.auto_minor_version_upgrade(),
        maintenance_window: owned(instance.preferred_maintenance_window()),
        tags: own_tags(instance.tag_list()),
    }
}

/// Those that are not AWS's own.
fn own_tags(tags: &[Tag]) -> Vec<Tag> {
    let own = |tag: &&Tag| tag.key().is_some_and(|key| !key.starts_with("aws:") && !key.starts_with("rds:"));
    tags.iter().filter(own).cloned().collect()
}

/// Snapshots that this step has taken of clusters that had this ARN then, oldest first.
async fn snapshots(client: &Client, arn: &str) -> Result<Vec<Snapshot>, StepError> {
    let name = arn.rsplit(':').next().unwrap_or(arn);
    let mut pages = client.describe_db_cluster_snapshots().snapshot_type("manual").into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page =
            page.map_err(|error| StepError::aws(format!("listing the snapshots of cluster {name}"), error))?;
        let ours = page.db_cluster_snapshots().iter().filter_map(|one| {
            let id =
                one.db_cluster_snapshot_identifier().filter(|id| id.starts_with(&detached_prefix(name)))?;
            let of = one.tag_list().iter().find(|tag| tag.key() == Some(CLUSTER_TAG));
            let fits = match of {
                Some(of) => of.value() == Some(arn),
                // One that was taken without the tag.
                None => one.db_cluster_identifier() == Some(name),
            };
            if !fits {
                return None;
            }
            let created = one.snapshot_create_time().and_then(time);
            Some(Snapshot { id: id.to_owned(), status: one.status().unwrap_or_default().to_owned(), created })
        });
        found.extend(ours);
    }
    found.sort_by_key(|one| (one.created.is_none(), one.created));
    Ok(found)
}

fn state(place: &Place<'_>) -> DatabaseState {
    let global = place.seen.global.as_ref();
    let writer = global.and_then(|global| global.writers().next());
    DatabaseState {
        writer_region: writer.map(|writer| region_of(&writer.cluster_arn).to_owned()),
        status: global.map_or_else(|| "missing".to_owned(), |global| global.status.clone()),
        operation: global.and_then(|global| global.operation.clone()),
        detached: None,
    }
}

fn wording(decision: &Decision) -> String {
    match decision {
        Decision::AlreadyDone => "a global database".to_owned(),
        Decision::Wait(reason) | Decision::Refuse(reason) => reason.clone(),
        Decision::Act(Action::Snapshot) => "taking a snapshot of the old primary".to_owned(),
        Decision::Act(Action::Remove(arn)) => {
            format!("removing the old primary {arn} from the global cluster")
        }
        Decision::Act(Action::DeleteGlobal) => "deleting the empty global cluster".to_owned(),
        Decision::Act(Action::CreateGlobal) => "creating the global cluster".to_owned(),
        Decision::Act(Action::Rename(name)) => format!("renaming the old primary to {name}"),
        Decision::Act(Action::CreateSecondary(_)) => "creating the secondary".to_owned(),
        Decision::Act(Action::CreateInstance(like)) => format!("creating instance {}", like.id),
    }
}

#[cfg(test)]
mod tests {
    use runbook::aurora::GlobalMember;

    use super::*;

    const HERE: &str = "arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west";
    const THERE: &str = "arn:aws:rds:sandbox-east:000000000000:cluster:shop-orders-east";
    const KEPT: &str = "causeway-detached-shop-orders-east-20260101000000";

    fn at(minute: i64) -> Option<Timestamp> {
        Timestamp::from_second(1_767_225_600 + 60 * minute).ok()
    }

    fn cluster(arn: &str, minute: i64) -> Cluster {
        Cluster {
            id: arn.rsplit(':').next().unwrap().into(),
            arn: arn.into(),
            status: "available".into(),
            created: at(minute),
            instances: vec![Instance {
                id: "i".into(),
                class: "db.r6g.large".into(),
                status: "available".into(),
                ..Instance::default()
            }],
            ..Cluster::default()
        }
    }

    /// The first member is the writer.
    fn global(members: &[&str]) -> Option<GlobalCluster> {
        let member = |(number, arn): (usize, &&str)| GlobalMember {
            cluster_arn: (*arn).into(),
            is_writer: number == 0,
            synchronization: Some("connected".into()),
        };
        let members = members.iter().enumerate().map(member).collect();
        Some(GlobalCluster { id: "shop-orders".into(), status: "available".into(), members, operation: None })
    }

    fn detached() -> Seen {
        Seen {
            global: global(&[THERE]),
            here: cluster(HERE, 0),
            there: Some(cluster(THERE, 0)),
            ..Seen::default()
        }
    }

    fn snapshot(status: &str, minute: i64) -> Vec<Snapshot> {
        vec![Snapshot { id: KEPT.into(), status: status.into(), created: at(minute) }]
    }

    fn asked(seen: &Seen) -> Decision {
        decide(seen, "shop-orders", "shop-orders-east", "db.r6g.large")
    }

    #[test]
    fn each_state_on_the_way_leads_to_the_next() {
        let kept = Some(cluster("arn:aws:rds:sandbox-east:000000000000:cluster:kept", 0));
        let mut seen = detached();
        assert_eq!(asked(&seen), Decision::Act(Action::Snapshot));
        seen.snapshots = snapshot("creating", 10);
        assert!(matches!(asked(&seen), Decision::Wait(_)));
        seen.snapshots = snapshot("available", 10);
        assert_eq!(asked(&seen), Decision::Act(Action::Remove(THERE.into())));
        seen.global = global(&[]);
        assert_eq!(asked(&seen), Decision::Act(Action::DeleteGlobal));
        seen.global = None;
        assert_eq!(asked(&seen), Decision::Act(Action::CreateGlobal));
        seen.global = global(&[HERE]);
        assert_eq!(asked(&seen), Decision::Act(Action::Rename(KEPT.into())));
        (seen.there, seen.kept) = (None, kept);
        assert!(matches!(asked(&seen), Decision::Act(Action::CreateSecondary(_))));
        seen.global = global(&[HERE, THERE]);
        seen.there = Some(Cluster { instances: Vec::new(), ..cluster(THERE, 20) });
        assert!(matches!(asked(&seen), Decision::Act(Action::CreateInstance(_))));
        seen.there = Some(cluster(THERE, 20));
        assert_eq!(asked(&seen), Decision::AlreadyDone);
    }

    /// Where it is not certain which cluster is the old primary, none is touched.
    #[test]
    fn nothing_is_taken_from_a_cluster_that_may_be_the_primary() {
        let refused = |seen: Seen, case: &str| {
            assert!(matches!(asked(&seen), Decision::Refuse(_)), "{case}: {:?}", asked(&seen));
        };
        refused(Seen { global: global(&[THERE, HERE]), ..detached() }, "it was not detached");
        refused(Seen { global: global(&[HERE]), ..detached() }, "the Region that was left");
        refused(Seen { global: global(&[]), ..detached() }, "both stand for themselves");
        refused(
            Seen { global: None, ..detached() },
            "both stand for themselves, and the global cluster is gone",
        );
        let earlier = Seen { snapshots: snapshot("available", -10), ..detached() };
        refused(
            Seen { global: global(&[HERE]), ..earlier },
            "the snapshot is of an earlier cluster of this name",
        );
    }
}
