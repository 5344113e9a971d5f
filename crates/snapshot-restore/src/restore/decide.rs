//! The choice about one database: pure functions from what was seen to what to do next.

use jiff::Timestamp;
use runbook::aurora::{Cluster, GlobalCluster, Instance, Snapshot, Tags, region_of, tag};
use runbook::names::{self, CLUSTER_TAG, EXECUTION_TAG, PLAN_TAG, SNAPSHOT_TAG, SNAPSHOT_TIME_TAG};
use runbook::plan::Restore;
use runbook::settle;

use crate::calls::{Configured, Copy, CreateInstance, RestoreCluster};

/// Capacity of a restored `db.serverless` instance in ACUs: it is only read, by one comparison.
pub(super) const SERVERLESS: (f64, f64) = (0.5, 16.0);

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
    /// What is to be restored.
    pub what: Copied,
}

/// What a restored cluster is a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The old primary.
    OldPrimary,
    /// The new primary at the takeover.
    Base,
}

impl Want {
    pub(super) fn cluster(&self) -> String {
        match self.what {
            Copied::OldPrimary => names::restored_cluster(&self.execution, &self.database),
            Copied::Base => names::restored_base(&self.execution, &self.database),
        }
    }

    pub(super) fn instance(&self) -> String {
        match self.what {
            Copied::OldPrimary => names::restored_instance(&self.execution, &self.database),
            Copied::Base => names::restored_base_instance(&self.execution, &self.database),
        }
    }

    pub(super) fn old_region(&self) -> &str {
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
pub type Decision = settle::Decision<Action>;

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
            "an instance {} exists in {} ({}), but not its cluster; run the clean-up, then start the runbook again",
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
            "{kind} {id} exists in {} without this execution's tag {EXECUTION_TAG}: this execution did not create it; rename or delete \
             it, or start a new execution",
            want.region
        ))
    };
    let broken = |kind: &str, id: &str, status: &str| {
        Decision::Refuse(format!(
            "restored {kind} {id} in {} is {status}; run the clean-up, then start the runbook again",
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
        Some(instance) if !want.is_ours(&instance.tags) || instance.cluster.as_ref() != Some(&cluster.id) => {
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
    let origin =
        kept.tags.iter().filter(|(name, _)| [SNAPSHOT_TAG, SNAPSHOT_TIME_TAG].contains(&name.as_str()));
    restored_from(want, kept, configured, origin.cloned().collect())
}

/// Restores a cluster. Whoever compares it has to be able to say of what moment it is: `origin` tells.
pub(super) fn restored_from(
    want: &Want,
    kept: &Snapshot,
    configured: Option<&Configured>,
    origin: Tags,
) -> Decision {
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
        tags: want.tags().into_iter().chain(origin).collect(),
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
pub(super) fn family<'a>(engine: &str, version: &'a str) -> &'a str {
    let parts = if engine == "aurora-mysql" { 2 } else { 1 };
    version.match_indices('.').nth(parts - 1).map_or(version, |(end, _)| &version[..end])
}

/// A status that does not become `available` by waiting.
pub(super) fn is_broken(status: &str) -> bool {
    matches!(status, "deleting" | "deleted" | "restore-error" | "stopping" | "stopped" | "storage-full")
        || status.ends_with("failed")
        || status.starts_with("inaccessible")
        || status.starts_with("incompatible")
}

/// What the names of its snapshots begin with: Aurora's, and that of the runbook `rebuild`, for a cluster that was detached.
fn prefixes(cluster: &str) -> [String; 2] {
    [format!("rds:unplanned-global-failover-{cluster}-"), names::detached_prefix(cluster)]
}

pub(super) fn progress(snapshot: &Snapshot) -> String {
    snapshot.progress.map_or_else(String::new, |percent| format!(", {percent} %"))
}

/// What comes after the last colon of an ARN.
fn last_part(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// ARN and time of the snapshot that `kept` is a copy of, as its tags say.
pub(super) fn origin(kept: &Snapshot) -> Option<(String, Timestamp)> {
    let arn = tag(&kept.tags, SNAPSHOT_TAG)?.to_owned();
    let time = tag(&kept.tags, SNAPSHOT_TIME_TAG)?.parse().ok()?;
    Some((arn, time))
}
