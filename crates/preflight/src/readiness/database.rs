//! What a readiness check finds in one database: its global cluster, its members, the way in.

use std::collections::BTreeSet;

use runbook::RecoveryPlan;
use runbook::aurora::{GlobalCluster, region_of};
use runbook::lag::Lag;
use runbook::plan::{Database, Engine, Member};
use runbook::secret::SignIn;

use super::finding::{Check, Findings};
use super::seen::{DatabaseSeen, MemberSeen};
use crate::asking::Answer;
use crate::world::{available, no_lag};

/// Lists everything that is wrong with the database called `name`.
pub(super) fn find(
    name: &str,
    database: &DatabaseSeen,
    planned: &Database,
    plan: &RecoveryPlan,
    findings: &mut Findings,
) {
    let mut writer = None;
    match &database.global {
        Err(error) => findings.add(Check::Members, error),
        Ok(None) => findings
            .add(Check::Members, format!("{name}: there is no global cluster {}", planned.global_cluster)),
        Ok(Some(global)) => {
            membership(name, global, planned, findings);
            writer = roles(name, global, findings);
        }
    }
    for (region, seen) in &database.members {
        let Some(member) = planned.members.get(region) else { continue };
        cluster(name, region, seen, member, planned.engine, findings);
        iam_authentication(name, region, seen, member, findings);
        snapshots(name, region, seen, member, planned, plan, findings);
        if writer.as_deref().is_some_and(|writer| writer != region) {
            lag(name, region, &seen.lag, plan, findings);
        }
    }
    versions(name, database, findings);
    match (&database.secret, &database.signed_in) {
        (Err(error), _) => findings.add(Check::Secrets, format!("{name}: {error}")),
        (Ok(()), Err(error)) => findings.add(Check::Connections, error),
        (Ok(()), Ok(())) => {}
    }
}

/// Are the members the plan's, and do the secondaries follow?
fn membership(name: &str, global: &GlobalCluster, planned: &Database, findings: &mut Findings) {
    let id = &global.id;
    for (region, member) in &planned.members {
        match global.member_in(region) {
            None => {
                findings
                    .add(Check::Members, format!("{name}: global cluster {id} has no member in {region}"));
            }
            Some(found) if found.cluster_arn != member.cluster_arn => findings.add(
                Check::Members,
                format!(
                    "{name}: the member in {region} is {}, the plan says {}",
                    found.cluster_arn, member.cluster_arn
                ),
            ),
            Some(found) if !found.is_writer && found.synchronization.as_deref() != Some("connected") => {
                let state = found.synchronization.as_deref().unwrap_or("not known");
                findings.add(
                    Check::Roles,
                    format!("{name}: the secondary in {region} is not connected but {state}"),
                );
            }
            Some(_) => {}
        }
    }
}

/// Is there one writer, and no operation? Returns the writer's Region, when there is one writer.
fn roles(name: &str, global: &GlobalCluster, findings: &mut Findings) -> Option<String> {
    let id = &global.id;
    if let Some(operation) = &global.operation {
        findings.add(
            Check::Roles,
            format!("{name}: an operation of global cluster {id} is running ({})", operation.status),
        );
    }
    let writers: Vec<&str> = global.writers().map(|writer| region_of(&writer.cluster_arn)).collect();
    if let [one] = writers.as_slice() {
        return Some((*one).to_owned());
    }
    let count = writers.len();
    findings.add(Check::Roles, format!("{name}: global cluster {id} has {count} writers, not one"));
    None
}

/// Is the cluster there, available, with the plan's engine and an instance?
fn cluster(
    name: &str,
    region: &str,
    seen: &MemberSeen,
    member: &Member,
    engine: Engine,
    findings: &mut Findings,
) {
    let id = member.cluster();
    let cluster = match &seen.cluster {
        Err(error) => return findings.add(Check::Clusters, error),
        Ok(None) => {
            return findings.add(Check::Clusters, format!("{name}: there is no cluster {id} in {region}"));
        }
        Ok(Some(cluster)) => cluster,
    };
    if cluster.status != "available" {
        findings.add(Check::Clusters, format!("{name}: cluster {id} in {region} is {}", cluster.status));
    }
    let engine = match engine {
        Engine::AuroraMysql => "aurora-mysql",
        Engine::AuroraPostgresql => "aurora-postgresql",
    };
    if cluster.engine != engine {
        findings.add(
            Check::Clusters,
            format!("{name}: cluster {id} in {region} is {}, the plan says {engine}", cluster.engine),
        );
    }
    match &seen.instances {
        Err(error) => findings.add(Check::Instances, error),
        Ok(instances) if available(instances) == 0 => findings
            .add(Check::Instances, format!("{name}: cluster {id} in {region} has no available instance")),
        Ok(_) => {}
    }
}

/// Where the plan signs in by IAM, does the cluster allow it?
fn iam_authentication(name: &str, region: &str, seen: &MemberSeen, member: &Member, findings: &mut Findings) {
    if let Ok(details) = &seen.details
        && !details.iam
        && matches!(member.sign_in(), SignIn::Iam(_))
    {
        let text = format!(
            "{name}: cluster {} in {region} has no IAM database authentication, and the plan signs in by it: \
             switch it on",
            member.cluster()
        );
        findings.add(Check::Clusters, text);
    }
}

/// Could an encrypted cluster's snapshots be copied into the other Region?
fn snapshots(
    name: &str,
    region: &str,
    seen: &MemberSeen,
    member: &Member,
    planned: &Database,
    plan: &RecoveryPlan,
    findings: &mut Findings,
) {
    let details = match &seen.details {
        Ok(details) => details,
        Err(error) => return findings.add(Check::Snapshots, error),
    };
    let other = plan.other_region(region);
    let key = planned.members.get(other).and_then(|member| member.restore.kms_key.as_ref());
    if details.encrypted && key.is_none() {
        let text = format!(
            "{name}: cluster {} in {region} is encrypted, and a copy of its snapshots in {other} \
             needs a KMS key there: set databases.{name}.members.{other}.restore.kmsKey",
            member.cluster()
        );
        findings.add(Check::Snapshots, text);
    }
}

fn lag(name: &str, region: &str, lag: &Answer<Option<Lag>>, plan: &RecoveryPlan, findings: &mut Findings) {
    let limit = plan.limits.rpo_seconds;
    match lag {
        Ok(Some(lag)) if lag.seconds <= f64::from(limit) => {}
        Ok(Some(lag)) => findings.add(
            Check::Lag,
            format!(
                "{name}: the secondary in {region} is {:.1} s behind, beyond {limit} s (`limits.rpoSeconds`)",
                lag.seconds
            ),
        ),
        Ok(None) => findings.add(
            Check::Lag,
            format!(
                "{name}: how far the secondary in {region} is behind is not known: {}",
                no_lag(plan.other_region(region))
            ),
        ),
        Err(error) => findings.add(Check::Lag, error),
    }
}

fn versions(name: &str, database: &DatabaseSeen, findings: &mut Findings) {
    let versions: BTreeSet<&str> = database
        .members
        .values()
        .filter_map(|member| Some(member.cluster.as_ref().ok()?.as_ref()?.engine_version.as_str()))
        .collect();
    if versions.len() > 1 {
        let versions = versions.into_iter().collect::<Vec<_>>().join(" and ");
        findings.add(
            Check::Versions,
            format!("{name}: engine versions {versions}: a managed failover or switchover needs the same"),
        );
    }
}
