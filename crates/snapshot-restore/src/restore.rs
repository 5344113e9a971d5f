//! `restore`: the old primary of every database of the plan, each on its own way through these stages. At every look
//! everything is observed, and [`decide`] says for each database what comes next.
//!
//! | stage | what is there | what follows |
//! |---|---|---|
//! | `awaiting-snapshot` | no snapshot yet, or one that is being taken | wait: Aurora takes it when the old Region is back |
//! | `copying-snapshot` | Aurora's snapshot | copy it to a manual one in the Region to restore in, wait |
//! | `restoring-cluster` | the kept snapshot | restore a cluster from it, with its engine version, wait |
//! | `creating-instance` | the cluster | add an instance, wait |
//! | `available` | cluster and instance, both available | done, with endpoint and port |
//!
//! # Which snapshot
//! Aurora names it `rds:unplanned-global-failover-<old primary cluster>-<timestamp>`. The old primary is the member in the
//! Region that the last recorded failover left, also where the databases were moved back there since. Another cluster's name may begin with this one's, so the cluster the
//! snapshot was taken of is compared too: a snapshot that a runbook took or copied says it in its tag [`CLUSTER_TAG`], of
//! another RDS does. Where the runbook `rebuild` has renamed the old primary since, AWS does not say whether that is the old
//! name or the new one: both will do. Only snapshots from after the start of the last recorded failover count.
//! Of several the **earliest** that did not fail is taken: Aurora takes it before it rebuilds the old primary as a
//! secondary, so the first holds the last state of the old primary, and a later one may already be of the rebuilt
//! cluster or of another failover.
//!
//! # How the cluster is made
//! As [`RestoreCluster`] says: what it has to have so that it reads its data as the old primary did, and no more, since it lives for
//! one comparison. The parameter group is the plan's `restore.parameterGroup`, or else that of the plan's own cluster in the
//! Region: settings that are fixed when data is written, such as `lower_case_table_names` of MySQL, are the same in all members of
//! a global database, and a group of that name is there. Another engine family, after an upgrade, can't have it: the default one is
//! taken then.
//!
//! # What stays
//! The copy is named after the snapshot and carries the plan's tag and where it came from ([`SNAPSHOT_TAG`],
//! [`SNAPSHOT_TIME_TAG`]), but not the execution's: it is the evidence and stays after `cleanup`. It costs storage;
//! delete it when the case is closed. A later execution finds and uses it, also when Aurora's own snapshot has expired.
//! When one database has to be refused nothing further is restored, but the snapshots of the others are still copied.

use std::collections::BTreeMap;

use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use runbook::aurora::{self, Cluster, GlobalCluster, region_of};
use runbook::names::{self, CLUSTER_TAG, EXECUTION_TAG, PLAN_TAG, SNAPSHOT_TAG, SNAPSHOT_TIME_TAG};
use runbook::plan::{Database, Member, Restore};
use runbook::record::FailoverRecord;
use runbook::secret::SignIn;
use runbook::watch::{self, Look, watch};
use runbook::{Outcome, Status, StepError};
use serde::Serialize;
use tokio::sync::OnceCell;

use crate::rds::{
    Answer, Configured, Copy, CreateInstance, ForRestore, Instance, RestoreCluster, Snapshot, Tags, tag,
};
use crate::{LOOK, ReadLastFailover, Run};

/// Capacity of a restored `db.serverless` instance in ACUs: it is only read, by one comparison.
const SERVERLESS: (f64, f64) = (0.5, 16.0);

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// When the first call began; the plan's limit counts from here.
    pub since: Timestamp,
    /// The databases, by the plan's names.
    pub databases: BTreeMap<String, DatabaseState>,
}

/// Where a database stands. Names are null while they are not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseState {
    /// How far it is.
    pub stage: Stage,
    /// ARN of the old primary.
    pub old_primary: Option<String>,
    /// Identifier of Aurora's snapshot of it.
    pub snapshot: Option<String>,
    /// When that was taken.
    pub snapshot_time: Option<Timestamp>,
    /// Identifier of the manual snapshot that keeps it.
    pub kept_snapshot: Option<String>,
    /// Identifier of the restored cluster.
    pub cluster: Option<String>,
    /// Region of the kept snapshot and the restored cluster.
    pub region: String,
    /// Writer endpoint of the restored cluster.
    pub endpoint: Option<String>,
    /// Its port.
    pub port: Option<i32>,
}

/// How far a database is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Aurora's snapshot is not there.
    #[default]
    AwaitingSnapshot,
    /// It is there, its copy is not.
    CopyingSnapshot,
    /// The copy is there, the cluster is not.
    RestoringCluster,
    /// The cluster is there, its instance is not.
    CreatingInstance,
    /// Both are available.
    Available,
}

/// What is asked for, for one database.
#[derive(Debug, Clone, PartialEq)]
pub struct Want {
    /// Name of the plan.
    pub plan: String,
    /// Name of the database in the plan.
    pub database: String,
    /// Id of the execution.
    pub execution: String,
    /// ARN of the old primary.
    pub old_primary: String,
    /// Whether it is the writer again: Aurora takes its snapshot before that, so it is there or will never be.
    pub is_writer_again: bool,
    /// Region to restore in.
    pub region: String,
    /// How to restore there.
    pub how: Restore,
    /// Identifier of the plan's own cluster there.
    pub member: String,
    /// Whether the plan signs in by IAM, see [`RestoreCluster::iam`].
    pub iam: bool,
}

impl Want {
    fn cluster(&self) -> String {
        names::restored_cluster(&self.execution, &self.database)
    }

    fn instance(&self) -> String {
        names::restored_instance(&self.execution, &self.database)
    }

    fn old_region(&self) -> &str {
        region_of(&self.old_primary)
    }

    fn old_cluster(&self) -> &str {
        last_part(&self.old_primary)
    }

    fn is_ours(&self, tags: &Tags) -> bool {
        tag(tags, EXECUTION_TAG) == Some(&self.execution)
    }

    /// Tags of what `cleanup` removes.
    fn tags(&self) -> Tags {
        vec![(EXECUTION_TAG.into(), self.execution.clone()), (PLAN_TAG.into(), self.plan.clone())]
    }
}

/// What there is for one database.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Aurora's snapshot, in the old primary's Region.
    pub taken: Option<Snapshot>,
    /// The manual copy of it, in the Region to restore in.
    pub kept: Option<Snapshot>,
    /// The restored cluster.
    pub cluster: Option<Cluster>,
    /// Its instance.
    pub instance: Option<Instance>,
    /// How the plan's own cluster in the Region to restore in is configured, where that is asked for.
    pub configured: Option<Configured>,
}

/// What to do next for one database.
pub type Decision = watch::Decision<Action>;

/// The calls of this operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Copy Aurora's snapshot.
    Copy(Copy),
    /// Restore the cluster.
    Restore(RestoreCluster),
    /// Add the instance.
    Create(CreateInstance),
}

/// The old primary of a global database: its member in the Region that the recorded failover left, `old_region`; and
/// whether that is the writer again, because the databases were moved back since.
///
/// # Errors
/// The decision, when it can't be told now or at all.
pub fn old_primary(global: &GlobalCluster, old_region: &str) -> Result<(String, bool), Box<Decision>> {
    let id = &global.id;
    let mut writers = global.writers();
    let (Some(_), None) = (writers.next(), writers.next()) else {
        let reason = format!("global cluster {id} has not exactly one writer at the moment");
        return Err(Box::new(Decision::Wait(reason)));
    };
    match global.member_in(old_region) {
        Some(member) => Ok((member.cluster_arn.clone(), member.is_writer)),
        None => Err(Box::new(Decision::Refuse(format!(
            "global cluster {id} has no member in {old_region}: Aurora leaves a snapshot only of an old primary that \
             is still a member"
        )))),
    }
}

/// The snapshot of `old_primary` (an ARN) from after `failover`, of all in its Region. See the module's page for the rule.
pub fn choose(snapshots: &[Snapshot], old_primary: &str, failover: Timestamp) -> Option<Snapshot> {
    let prefixes = prefixes(last_part(old_primary));
    snapshots
        .iter()
        .filter(|snapshot| prefixes.iter().any(|prefix| snapshot.id.starts_with(prefix)))
        .filter(|snapshot| is_of(snapshot, old_primary))
        // One that is being taken may have no time yet.
        .filter(|snapshot| snapshot.created.is_none_or(|time| time >= failover))
        .min_by_key(|snapshot| (is_broken(&snapshot.status), snapshot.created.is_none(), snapshot.created))
        .cloned()
}

/// The kept copy of such a snapshot, by its tags: for when Aurora's own has expired.
pub fn choose_kept(snapshots: &[Snapshot], old_primary: &str, failover: Timestamp) -> Option<Snapshot> {
    let (cluster, region) = (last_part(old_primary), region_of(old_primary));
    let prefixes = prefixes(cluster).map(|prefix| format!(":cluster-snapshot:{prefix}"));
    snapshots
        .iter()
        .filter(|kept| is_of(kept, old_primary) && !is_broken(&kept.status))
        .filter_map(|kept| {
            let (arn, time) = origin(kept)?;
            let fits = region_of(&arn) == region
                && prefixes.iter().any(|prefix| arn.contains(prefix))
                && time >= failover;
            fits.then_some((time, kept))
        })
        .min_by_key(|(time, _)| *time)
        .map(|(_, kept)| kept.clone())
}

/// Whether a snapshot was taken of this cluster (an ARN), which may have been renamed since.
fn is_of(snapshot: &Snapshot, arn: &str) -> bool {
    let cluster = last_part(arn);
    match tag(&snapshot.tags, CLUSTER_TAG) {
        Some(of) => of == arn,
        None => snapshot.cluster == cluster || names::is_kept_name(cluster, &snapshot.cluster),
    }
}

/// Decides from what was seen. From the end to the beginning: what is there already makes what led to it unimportant.
pub fn decide(want: &Want, seen: &Seen) -> Decision {
    match seen {
        Seen { cluster: Some(cluster), instance, .. } => with_cluster(want, cluster, instance.as_ref()),
        Seen { instance: Some(instance), .. } => Decision::Refuse(format!(
            "an instance {} exists in {} ({}), but not its cluster; run the clean-up, then a new execution",
            instance.id, want.region, instance.status
        )),
        Seen { kept: Some(kept), taken, configured, .. } => {
            with_kept(want, kept, taken.as_ref(), configured.as_ref())
        }
        Seen { taken: Some(taken), .. } => with_taken(want, taken),
        Seen { .. } if want.is_writer_again => Decision::Refuse(format!(
            "{} in {} is the writer again, and there is no snapshot of it from after the recorded failover: that failover did \
             not promote this database, or its snapshot has expired or was deleted, and what it lost can't be found any more",
            want.old_cluster(),
            want.old_region()
        )),
        Seen { .. } => Decision::Wait(format!(
            "Aurora's snapshot of {} is not taken yet; Aurora takes it once {} has recovered",
            want.old_cluster(),
            want.old_region()
        )),
    }
}

fn with_cluster(want: &Want, cluster: &Cluster, instance: Option<&Instance>) -> Decision {
    let foreign = |kind: &str, id: &str| {
        Decision::Refuse(format!(
            "{kind} {id} exists in {} without this execution's tag {EXECUTION_TAG}: it is not ours; rename or delete \
             it, or start a new execution",
            want.region
        ))
    };
    let broken = |kind: &str, id: &str, status: &str| {
        Decision::Refuse(format!(
            "restored {kind} {id} in {} is {status}; run the clean-up, then a new execution",
            want.region
        ))
    };
    if !want.is_ours(&cluster.tags) {
        return foreign("cluster", &cluster.id);
    }
    if is_broken(&cluster.status) {
        return broken("cluster", &cluster.id, &cluster.status);
    }
    match instance {
        Some(instance) if !want.is_ours(&instance.tags) || instance.cluster != cluster.id => {
            foreign("instance", &instance.id)
        }
        Some(instance) if is_broken(&instance.status) => broken("instance", &instance.id, &instance.status),
        _ if cluster.status != "available" => {
            Decision::Wait(format!("restored cluster {} is {}", cluster.id, cluster.status))
        }
        Some(instance) if instance.status != "available" => {
            Decision::Wait(format!("instance {} is {}", instance.id, instance.status))
        }
        Some(_) if cluster.endpoint.is_none() || cluster.port.is_none() => {
            Decision::Wait(format!("restored cluster {} has no endpoint yet", cluster.id))
        }
        Some(_) => Decision::AlreadyDone,
        None => Decision::Act(Action::Create(CreateInstance {
            id: want.instance(),
            cluster: cluster.id.clone(),
            engine: cluster.engine.clone(),
            class: want.how.instance_class.clone(),
            tags: want.tags(),
        })),
    }
}

fn with_kept(
    want: &Want,
    kept: &Snapshot,
    taken: Option<&Snapshot>,
    configured: Option<&Configured>,
) -> Decision {
    if taken.is_some_and(|taken| tag(&kept.tags, SNAPSHOT_TAG) != Some(&taken.arn)) {
        return Decision::Refuse(format!(
            "snapshot {} exists in {} but is not tagged as a copy of Aurora's snapshot ({SNAPSHOT_TAG}); rename or \
             delete it",
            kept.id, want.region
        ));
    }
    if is_broken(&kept.status) {
        return Decision::Refuse(format!(
            "the kept snapshot {} in {} is {}; delete it, and start a new execution to copy it again",
            kept.id, want.region, kept.status
        ));
    }
    if kept.status != "available" {
        return Decision::Wait(format!(
            "copying to snapshot {} ({}{})",
            kept.id,
            kept.status,
            progress(kept)
        ));
    }
    // Whoever compares the cluster has to be able to say of what moment it is.
    let origin =
        kept.tags.iter().filter(|(name, _)| [SNAPSHOT_TAG, SNAPSHOT_TIME_TAG].contains(&name.as_str()));
    Decision::Act(Action::Restore(RestoreCluster {
        id: want.cluster(),
        snapshot: kept.id.clone(),
        engine: kept.engine.clone(),
        engine_version: kept.engine_version.clone(),
        subnet_group: want.how.subnet_group.clone(),
        security_groups: want.how.security_groups.clone(),
        parameter_group: want.how.parameter_group.clone().or_else(|| {
            let family = family(&kept.engine, &kept.engine_version);
            configured
                .filter(|one| self::family(&kept.engine, &one.engine_version) == family)
                .map(|one| one.parameter_group.clone())
        }),
        serverless: (want.how.instance_class == "db.serverless").then_some(SERVERLESS),
        iam: want.iam,
        tags: want.tags().into_iter().chain(origin.cloned()).collect(),
    }))
}

fn with_taken(want: &Want, taken: &Snapshot) -> Decision {
    if is_broken(&taken.status) {
        return Decision::Refuse(format!(
            "Aurora's snapshot {} in {} is {}: the last state of the old primary can't be restored",
            taken.id,
            want.old_region(),
            taken.status
        ));
    }
    let crosses = want.old_region() != want.region;
    let kms_key = want.how.kms_key.clone().filter(|_| taken.encrypted && crosses);
    if taken.encrypted && crosses && kms_key.is_none() {
        return Decision::Refuse(format!(
            "Aurora's snapshot {} is encrypted, and a copy in {} needs a KMS key of that Region; set \
             databases.{}.members.{}.restore.kmsKey in the plan, or restore in {}",
            taken.id,
            want.region,
            want.database,
            want.region,
            want.old_region()
        ));
    }
    let (Some(created), "available") = (taken.created, taken.status.as_str()) else {
        return Decision::Wait(format!(
            "Aurora is taking its snapshot {} ({}{})",
            taken.id,
            taken.status,
            progress(taken)
        ));
    };
    Decision::Act(Action::Copy(Copy {
        source_arn: taken.arn.clone(),
        id: names::kept_snapshot(&taken.id),
        kms_key,
        tags: vec![
            (PLAN_TAG.into(), want.plan.clone()),
            (CLUSTER_TAG.into(), want.old_primary.clone()),
            (SNAPSHOT_TAG.into(), taken.arn.clone()),
            (SNAPSHOT_TIME_TAG.into(), created.to_string()),
        ],
    }))
}

/// The part of an engine's version that its parameter groups are made for: `8.0` of `8.0.mysql_aurora.3.08.0`, `16` of `16.4`.
fn family<'a>(engine: &str, version: &'a str) -> &'a str {
    let parts = if engine == "aurora-mysql" { 2 } else { 1 };
    version.match_indices('.').nth(parts - 1).map_or(version, |(end, _)| &version[..end])
}

/// A status that does not become `available` by waiting.
fn is_broken(status: &str) -> bool {
    matches!(status, "deleting" | "deleted" | "restore-error" | "stopping" | "stopped" | "storage-full")
        || status.ends_with("failed")
        || status.starts_with("inaccessible")
        || status.starts_with("incompatible")
}

/// What the names of its snapshots begin with: Aurora's, and that of the runbook `rebuild`, for a cluster that was detached.
fn prefixes(cluster: &str) -> [String; 2] {
    [format!("rds:unplanned-global-failover-{cluster}-"), names::detached_prefix(cluster)]
}

fn progress(snapshot: &Snapshot) -> String {
    snapshot.progress.map_or_else(String::new, |percent| format!(", {percent} %"))
}

/// What comes after the last colon of an ARN.
fn last_part(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// ARN and time of the snapshot that `kept` is a copy of, as its tags say.
fn origin(kept: &Snapshot) -> Option<(String, Timestamp)> {
    let arn = tag(&kept.tags, SNAPSHOT_TAG)?.to_owned();
    let time = tag(&kept.tags, SNAPSHOT_TIME_TAG)?.parse().ok()?;
    Some((arn, time))
}

/// The snapshots of a Region, listed once in a look for all databases, and only when they are asked for.
#[derive(Default)]
struct Lists {
    /// In the old primaries' Region: the one that the recorded failover left.
    old: OnceCell<Vec<Snapshot>>,
    /// The manual ones in the Region to restore in.
    kept: OnceCell<Vec<Snapshot>>,
}

/// What a database's look gave.
struct Place<'a> {
    name: &'a str,
    decision: Decision,
    state: DatabaseState,
}

/// Runs the operation within the time of one call.
pub(crate) async fn run<R, C, F>(
    run: &Run<'_>,
    records: &R,
    client: F,
) -> Result<Outcome<Observed>, StepError>
where
    R: ReadLastFailover,
    C: ForRestore,
    F: Fn(&str) -> C + Send + Sync,
{
    let (plan, region) = (run.plan, &run.context.region);
    let bucket = plan.report_bucket(region);
    let Some(record) = records.read_last_failover(bucket, &plan.name).await? else {
        let reason = format!(
            "no failover of plan {} is recorded in s3://{bucket}/{}: start this in the Region that took over, after \
             the failover runbook has written its record; without one it is not known which snapshot is the right one",
            plan.name,
            names::keys::last_failover(&plan.name)
        );
        let observed = Observed { since: run.since, databases: BTreeMap::new() };
        return Ok(Outcome::new(Status::Refused, reason, observed));
    };
    watch(run.context, LOOK, Step { run, client, record, notes: BTreeMap::new() }).await
}

struct Step<'a, F> {
    run: &'a Run<'a>,
    client: F,
    record: FailoverRecord,
    /// What AWS said last when a call was not possible yet, by database.
    notes: BTreeMap<String, String>,
}

impl<C, F> Look for Step<'_, F>
where
    C: ForRestore,
    F: Fn(&str) -> C + Send + Sync,
{
    type Observed = Observed;

    async fn look(&mut self, changed: &mut Vec<String>) -> Result<Outcome<Observed>, StepError> {
        let run = self.run;
        let lists = Lists::default();
        let observed = run.plan.databases.iter().map(|(name, database)| self.observe(name, database, &lists));
        let places = try_join_all(observed).await?;
        let databases = places.iter().map(|place| (place.name.to_owned(), place.state.clone())).collect();
        let observed = Observed { since: run.since, databases };

        let refusals: Vec<String> = places
            .iter()
            .filter_map(|place| match &place.decision {
                Decision::Refuse(reason) => Some(format!("{}: {reason}", place.name)),
                _ => None,
            })
            .collect();
        let open: Vec<String> = places
            .iter()
            .filter(|place| place.decision != Decision::AlreadyDone)
            .map(|place| format!("{}: {}", place.name, self.wording(place)))
            .collect();
        if refusals.is_empty() {
            if open.is_empty() {
                let reason =
                    format!("the old primary of every database is restored in {}", run.restore_region);
                return Ok(Outcome::new(Status::Done, reason, observed));
            }
            if let Some(limit) = run.over_limit() {
                let reason = format!("not restored {limit}: {}; run the clean-up", open.join("; "));
                return Ok(Outcome::new(Status::Refused, reason, observed));
            }
        }
        let actions: Vec<(&str, &Action)> = places
            .iter()
            .filter_map(|place| match &place.decision {
                Decision::Act(action) => Some((place.name, action)),
                _ => None,
            })
            // Evidence that expires is saved even when the restore can't go on.
            .filter(|(_, action)| refusals.is_empty() || matches!(action, Action::Copy(_)))
            .collect();
        self.execute(&actions, changed).await?;
        if refusals.is_empty() {
            Ok(Outcome::new(Status::InProgress, open.join("; "), observed))
        } else {
            Ok(Outcome::new(Status::Refused, refusals.join("; "), observed))
        }
    }
}

impl<C, F> Step<'_, F>
where
    C: ForRestore,
    F: Fn(&str) -> C + Send + Sync,
{
    /// Looks at everything there is for one database, and decides.
    async fn observe<'p>(
        &self,
        name: &'p str,
        database: &Database,
        lists: &Lists,
    ) -> Result<Place<'p>, StepError> {
        let run = self.run;
        let (here, there) = (&run.context.region, &run.restore_region);
        let mut state = DatabaseState { region: there.clone(), ..DatabaseState::default() };
        let global = (self.client)(here).describe_global_cluster(&database.global_cluster).await?;
        let global =
            global.ok_or_else(|| aurora::missing("global cluster", &database.global_cluster, here))?;
        let (old_primary, is_writer_again) = match old_primary(&global, &self.record.from_region) {
            Ok(found) => found,
            Err(decision) => return Ok(Place { name, decision: *decision, state }),
        };
        state.old_primary = Some(old_primary.clone());
        let want = Want {
            plan: run.plan.name.clone(),
            database: name.to_owned(),
            execution: run.execution.to_owned(),
            old_primary,
            is_writer_again,
            region: there.clone(),
            how: database.members.get(there).map(|member| member.restore.clone()).unwrap_or_default(),
            member: database.members.get(there).map(Member::cluster).unwrap_or_default().to_owned(),
            iam: database.members.values().any(|member| matches!(member.sign_in(), SignIn::Iam(_))),
        };
        let seen = self.see(&want, lists).await?;
        let decision = decide(&want, &seen);
        fill(&mut state, &seen, &decision);
        Ok(Place { name, decision, state })
    }

    async fn see(&self, want: &Want, lists: &Lists) -> Result<Seen, StepError> {
        let failover = self.record.started_at;
        let (old, dest) = ((self.client)(want.old_region()), (self.client)(&want.region));
        // Of every type: the one of Aurora's snapshot after a failover is not documented.
        let taken = lists.old.get_or_try_init(|| old.list_snapshots(None)).await?;
        let taken = choose(taken, &want.old_primary, failover);
        let kept = match &taken {
            Some(taken) => dest.describe_snapshot(&names::kept_snapshot(&taken.id)).await?,
            None => {
                let kept = lists.kept.get_or_try_init(|| dest.list_snapshots(Some("manual"))).await?;
                choose_kept(kept, &want.old_primary, failover)
            }
        };
        let cluster = dest.describe_cluster(&want.cluster()).await?;
        let instance = dest.describe_instance(&want.instance()).await?;
        let configured = match (&want.how.parameter_group, &cluster, &kept) {
            (None, None, Some(_)) => dest.describe_configured(&want.member).await?,
            _ => None,
        };
        Ok(Seen { taken, kept, cluster, instance, configured })
    }

    /// Makes the calls that were decided, all at once. A call that fails does not keep another from being made.
    async fn execute(
        &mut self,
        actions: &[(&str, &Action)],
        changed: &mut Vec<String>,
    ) -> Result<(), StepError> {
        let client = (self.client)(&self.run.restore_region);
        let client = &client;
        let answers = join_all(actions.iter().map(|(_, action)| async move {
            match action {
                Action::Copy(copy) => client.copy_snapshot(copy).await,
                Action::Restore(restore) => client.restore_cluster(restore).await,
                Action::Create(create) => client.create_instance(create).await,
            }
        }))
        .await;
        let mut failed = None;
        self.notes.clear();
        for ((name, action), answer) in actions.iter().zip(answers) {
            match answer {
                Ok(Answer::Accepted) => changed.push(match action {
                    Action::Copy(copy) => format!("started to copy {} to {}", copy.source_arn, copy.id),
                    Action::Restore(restore) => {
                        format!("started to restore cluster {} from {}", restore.id, restore.snapshot)
                    }
                    Action::Create(create) => format!("started to create instance {}", create.id),
                }),
                Ok(Answer::NotNow(message)) => {
                    self.notes.insert((*name).to_owned(), message);
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Where a database stands that is not done, in words.
    fn wording(&self, place: &Place<'_>) -> String {
        let text = match &place.decision {
            Decision::AlreadyDone => "restored".to_owned(),
            Decision::Wait(reason) | Decision::Refuse(reason) => reason.clone(),
            Decision::Act(Action::Copy(copy)) => format!("copying the snapshot to {}", copy.id),
            Decision::Act(Action::Restore(restore)) => format!("restoring cluster {}", restore.id),
            Decision::Act(Action::Create(create)) => format!("creating instance {}", create.id),
        };
        match self.notes.get(place.name) {
            Some(note) => format!("{text} (AWS says: {note})"),
            None => text,
        }
    }
}

/// What was seen, in the words of the answer.
fn fill(state: &mut DatabaseState, seen: &Seen, decision: &Decision) {
    let origin = match (&seen.taken, &seen.kept) {
        (Some(taken), _) => Some((taken.id.clone(), taken.created)),
        (None, Some(kept)) => origin(kept).map(|(arn, time)| (snapshot_id(&arn), Some(time))),
        (None, None) => None,
    };
    (state.snapshot, state.snapshot_time) = origin.map_or((None, None), |(id, time)| (Some(id), time));
    state.kept_snapshot = seen.kept.as_ref().map(|kept| kept.id.clone());
    state.cluster = seen.cluster.as_ref().map(|cluster| cluster.id.clone());
    state.stage = match seen {
        _ if *decision == Decision::AlreadyDone => Stage::Available,
        Seen { cluster: Some(cluster), .. } if cluster.status == "available" => Stage::CreatingInstance,
        Seen { cluster: Some(_), .. } => Stage::RestoringCluster,
        Seen { kept: Some(kept), .. } if kept.status == "available" => Stage::RestoringCluster,
        Seen { kept: Some(_), .. } => Stage::CopyingSnapshot,
        Seen { taken: Some(taken), .. } if taken.status == "available" => Stage::CopyingSnapshot,
        Seen { .. } => Stage::AwaitingSnapshot,
    };
    if state.stage == Stage::Available
        && let Some(cluster) = &seen.cluster
    {
        state.endpoint.clone_from(&cluster.endpoint);
        state.port = cluster.port;
    }
}

/// The identifier in a snapshot's ARN; a system snapshot's has a colon in it.
fn snapshot_id(arn: &str) -> String {
    arn.splitn(7, ':').last().unwrap_or(arn).to_owned()
}

#[cfg(test)]
mod tests;
