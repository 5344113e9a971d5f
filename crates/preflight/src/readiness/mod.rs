//! `readiness`: could the plan be executed now, in either direction?
//!
//! A plan stops being executable without a sound: an upgrade in one Region, an instance that was removed to save money, a
//! secret that was renamed. This looks at everything that can be seen without changing anything, in both Regions at once,
//! and lists every finding, so that it is found on a quiet day. It answers Ready when there is none, Refused else.
//!
//! | check | a finding is |
//! |---|---|
//! | `plan` | it can't be read, is not valid, or is not the same in the other Region |
//! | `members` | a global cluster that does not exist, or whose member in a Region is not the plan's |
//! | `roles` | not exactly one writer, an operation that runs, a secondary that is not connected |
//! | `clusters` | a member that does not exist, is not available, has another engine than the plan says, or no IAM database authentication where the plan signs in by it |
//! | `instances` | a member without an available instance |
//! | `versions` | engine versions that differ |
//! | `lag` | a secondary whose lag is not known, or beyond `limits.rpoSeconds` |
//! | `endpoints` | an ARC endpoint that does not answer for the plan's routing controls |
//! | `routing` | a safety rule that would refuse a failover ([`crate::rules`]), or that it is not known; no Region has traffic, or one without any writer has it alone where the application writes in its own Region |
//! | `secrets` | a secret of this Region that can't be read, or has no user and password; with IAM there is none |
//! | `connections` | a database of this Region whose reader endpoint does not let the functions in, or has not proved to be it |
//! | `tables` | a database of this Region without a table, or with tables that its user may not read or can't see, or into which nobody could put rows back; a table that the plan names and that is not there ([`crate::tables`]) |
//! | `buckets` | a report bucket that can't be read |
//! | `snapshots` | an encrypted cluster whose snapshots could not be copied into the other Region for want of a key there |
//! | `permissions` | something that a role of the stack may not do ([`crate::permissions`]) |
//! | `quotas` | no room for what a reconciliation restores: a cluster, an instance and a snapshot of each database |
//! | `signals` | an alarm of `automatic` that does not exist, or that can't be a signal ([`crate::evidence::state`]) |
//! | `executions` | that it is not known which executions are overdue ([`crate::overdue`]) |
//!
//! An execution that is overdue is told in the reason and counted by a metric of its own: it is no finding, as the plan
//! can be executed nevertheless.
//!
//! A question that is not answered is a finding, too: missing data is no evidence. The Region's own view of the global
//! clusters counts, as in a failover.
//!
//! The number of findings goes into the log as a line in CloudWatch's embedded metric format ([`metric`]): the metric
//! [`Metric::ReadinessFindings`] by plan, on which the template has an alarm. An execution that breaks writes none, and missing data is
//! breaching.
//!
//! Nothing is changed but this step's own list of the tables that are there ([`crate::tables`]), in this Region's report bucket.
//! Calling again at any moment is safe, and a failure leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use runbook::arc::{self, CONTROL_PLANE, Endpoint, ReadStates, State};
use runbook::aurora::{Cluster, DescribeCluster, DescribeGlobalCluster, GlobalCluster, region_of};
use runbook::lag::Lag;
use runbook::plan::{Engine, Member, Strategy};
use runbook::record::{FailoverRecord, ReadLastFailover};
use runbook::secret::SignIn;
use runbook::telemetry::{self, Measured, Metric};
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError, aws, bucket};
use serde::Serialize;
use table_diff::Rights;

use crate::asking::{TARGET, within};
use crate::event::ReadinessEvent;
use crate::evidence;
use crate::overdue;
use crate::permissions::{self, Need, SimulatePolicy, Stack};
use crate::probe::{SignsIn, Write, WriteTarget};
use crate::rules::{self, ReadRules, Rule};
use crate::tables;
use crate::traffic;
use crate::world::{
    Alarm, CheckSecret, DescribeDetails, DescribeInstances, DescribeKey, Details, Instance, MeasureLag,
    Quota, ReadAlarms, ReadQuotas, Secrets, available, no_lag,
};

/// How long it may take to be let in by a database: a secret, a connection, a statement.
const SIGN_IN: Duration = Duration::from_secs(15);

/// Quotas of RDS that a reconciliation needs room in, once for each database.
const QUOTAS: [&str; 3] = ["DBClusters", "DBInstances", "ManualClusterSnapshots"];

/// What was looked at when something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The recovery plan.
    Plan,
    /// Global clusters and their members.
    Members,
    /// Who is primary, and who follows.
    Roles,
    /// The member clusters.
    Clusters,
    /// Their instances.
    Instances,
    /// Their engine versions.
    Versions,
    /// The replication lag.
    Lag,
    /// ARC's endpoints.
    Endpoints,
    /// ARC's routing controls.
    Routing,
    /// The databases' secrets.
    Secrets,
    /// Connections to the databases.
    Connections,
    /// Their tables, and what the user may read of them.
    Tables,
    /// The report buckets.
    Buckets,
    /// What copies and restores of snapshots need.
    Snapshots,
    /// What the roles of the stack may do.
    Permissions,
    /// RDS's quotas.
    Quotas,
    /// The alarms that a failover starts by.
    Signals,
    /// Executions of the runbooks.
    Executions,
}

/// Something because of which the plan could not be executed, or not as it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What is wrong, in one line that names the thing.
    pub text: String,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// Everything that was found.
    pub findings: Vec<Finding>,
}

/// An answer, or why there is none.
type Answer<T> = Result<T, String>;

/// Everything that was looked at.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The plan in the other Region.
    pub other_plan: Answer<RecoveryPlan>,
    /// By database.
    pub databases: BTreeMap<String, DatabaseSeen>,
    /// By the Region of the endpoint: states by Region of the plan.
    pub arc: BTreeMap<String, Answer<BTreeMap<String, State>>>,
    /// ARC's safety rules on the panels of the plan's routing controls.
    pub rules: Answer<Vec<Rule>>,
    /// Whether each Region's report bucket can be read.
    pub buckets: BTreeMap<String, Answer<Option<FailoverRecord>>>,
    /// The alarms of `automatic` by Region and name.
    pub alarms: BTreeMap<String, Answer<BTreeMap<String, Alarm>>>,
    /// Quotas by Region and name.
    pub quotas: BTreeMap<String, Answer<BTreeMap<String, Quota>>>,
    /// What is asked of the stack's roles, and on which of the resources they may not do it; or why that is not known.
    pub permissions: Answer<Vec<(Need, Answer<Vec<String>>)>>,
}

/// What was seen of a database.
#[derive(Debug, Clone)]
pub struct DatabaseSeen {
    /// The global cluster, as this Region sees it.
    pub global: Answer<Option<GlobalCluster>>,
    /// Its members' clusters by Region.
    pub members: BTreeMap<String, MemberSeen>,
    /// Whether this Region's secret can be read.
    pub secret: Answer<()>,
    /// Whether this Region's reader endpoint lets its user in; true when there is nothing to connect to, which is
    /// found elsewhere.
    pub signed_in: Answer<()>,
    /// What that user may do there; `None` where it was not asked.
    pub rights: Answer<Option<Rights>>,
    /// The same of the user who puts rows back.
    pub replay_rights: Answer<Option<Rights>>,
}

/// What was seen of a member.
#[derive(Debug, Clone)]
pub struct MemberSeen {
    /// The cluster.
    pub cluster: Answer<Option<Cluster>>,
    /// Its instances.
    pub instances: Answer<Vec<Instance>>,
    /// Whether its storage is encrypted, and where it is read.
    pub details: Answer<Details>,
    /// Its replication lag.
    pub lag: Answer<Option<Lag>>,
}

/// Lists everything that is wrong with what was seen. See the module's table.
pub fn find(seen: &Seen, plan: &RecoveryPlan, here: &str) -> Vec<Finding> {
    let mut findings = Findings::default();
    match &seen.other_plan {
        Ok(other) if in_order(other) == in_order(plan) => {}
        Ok(_) => findings.add(
            Check::Plan,
            format!("the plan in {} is not the one in {here}: keep both the same", plan.other_region(here)),
        ),
        Err(error) => findings.add(Check::Plan, error.clone()),
    }
    for (name, database) in &seen.databases {
        find_in_database(name, database, plan, &mut findings);
        if let Some(planned) = plan.databases.get(name) {
            let texts = tables::find(name, planned, &database.rights, &database.replay_rights);
            texts.into_iter().for_each(|text| findings.add(Check::Tables, text));
        }
    }
    for (region, answer) in &seen.arc {
        if let Err(error) = answer {
            findings.add(Check::Endpoints, format!("the ARC endpoint in {region}: {error}"));
        }
    }
    let states = seen.arc.values().find_map(|answer| answer.as_ref().ok());
    if states.is_some_and(|states| !states.values().any(|state| *state == State::On)) {
        findings.add(Check::Routing, "no Region has traffic: every routing control is Off".into());
    }
    match &seen.rules {
        Err(error) => findings.add(
            Check::Routing,
            format!("whether a safety rule would refuse a failover is not known: {error}"),
        ),
        Ok(rules) => {
            let overridden = &plan.routing.safety_rules_to_override;
            let refusals =
                states.map(|states| rules::refusals(rules, &plan.routing.controls, states, overridden));
            for (region, rule) in refusals.unwrap_or_default() {
                let text = format!(
                    "a failover that leaves {region} would be refused by safety rule {rule}, since the traffic is off for a while: \
                     name the rule in `routing.safetyRulesToOverride` of the plan, or turn the traffic of {} on",
                    plan.other_region(region)
                );
                findings.add(Check::Routing, text);
            }
        }
    }
    if let Some((traffic, writers)) = states.and_then(|states| apart(states, &seen.databases))
        && plan.failback.strategy == Strategy::DatabasesFirst
    {
        let text = format!(
            "the traffic is in {traffic} alone, and every writer in {writers}: the plan's `routing.controls` are swapped, or the \
             traffic has to follow (runbook routing)"
        );
        findings.add(Check::Routing, text);
    }
    for answer in seen.buckets.values() {
        if let Err(error) = answer {
            findings.add(Check::Buckets, error.clone());
        }
    }
    match &seen.permissions {
        Err(error) => findings.add(Check::Permissions, error.clone()),
        Ok(all) => {
            for (need, denied) in all {
                match denied {
                    Err(error) => findings.add(Check::Permissions, error.clone()),
                    Ok(denied) if denied.is_empty() => {}
                    Ok(denied) => findings.add(
                        Check::Permissions,
                        format!(
                            "the role of {} may not {} on {}: give the stack in {here} these ARNs, see its parameters",
                            need.role,
                            need.action,
                            denied.join(", ")
                        ),
                    ),
                }
            }
        }
    }
    for (region, answer) in &seen.alarms {
        match answer {
            Err(error) => findings.add(Check::Signals, error.clone()),
            Ok(alarms) => {
                for name in plan.automatic.iter().flat_map(|automatic| evidence::names(automatic, region)) {
                    if let Err(why) = evidence::state(alarms.get(name)) {
                        findings.add(
                            Check::Signals,
                            format!("alarm {name} in {region} can't be a signal: {why}"),
                        );
                    }
                }
            }
        }
    }
    let needed = i64::try_from(plan.databases.len()).unwrap_or(i64::MAX);
    for (region, answer) in &seen.quotas {
        match answer {
            Err(error) => findings.add(Check::Quotas, error.clone()),
            Ok(quotas) => {
                for name in QUOTAS {
                    let Some(Quota { used, max }) = quotas.get(name) else { continue };
                    if max.saturating_sub(*used) < needed {
                        let text = format!(
                            "{region} uses {used} of its {max} {name}: a reconciliation there needs {needed} more"
                        );
                        findings.add(Check::Quotas, text);
                    }
                }
            }
        }
    }
    findings.0
}

/// The one Region with traffic and the one with every writer, where these are not the same.
fn apart<'a>(
    states: &'a BTreeMap<String, State>,
    databases: &'a BTreeMap<String, DatabaseSeen>,
) -> Option<(&'a str, &'a str)> {
    let mut on = states.iter().filter(|(_, state)| **state == State::On).map(|(region, _)| region.as_str());
    let (traffic, None) = (on.next()?, on.next()) else { return None };
    let globals = databases.values().map(|database| database.global.as_ref().ok()?.as_ref());
    let globals = globals.collect::<Option<Vec<_>>>()?;
    let writers =
        globals.iter().flat_map(|global| global.writers()).map(|writer| region_of(&writer.cluster_arn));
    let writers: BTreeSet<&str> = writers.collect();
    let writers = writers.first().filter(|_| writers.len() == 1)?;
    (*writers != traffic).then_some((traffic, writers))
}

/// The plan with what has no order in one order, and without what is for editors only.
fn in_order(plan: &RecoveryPlan) -> RecoveryPlan {
    let mut plan = RecoveryPlan { schema: None, ..plan.clone() };
    plan.regions.sort();
    plan.routing.endpoints.sort_by(|one, other| one.region.cmp(&other.region));
    plan
}

/// Findings, each text once: a Region that is silent is so to every question.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: Check, text: String) {
        if !self.0.iter().any(|finding| finding.text == text) {
            self.0.push(Finding { check, text });
        }
    }
}

fn find_in_database(name: &str, database: &DatabaseSeen, plan: &RecoveryPlan, findings: &mut Findings) {
    let Some(planned) = plan.databases.get(name) else { return };
    let id = &planned.global_cluster;
    let mut writer = None;
    match &database.global {
        Err(error) => findings.add(Check::Members, error.clone()),
        Ok(None) => findings.add(Check::Members, format!("{name}: there is no global cluster {id}")),
        Ok(Some(global)) => {
            writer = find_in_global(name, global, planned, findings);
        }
    }
    for (region, member) in &database.members {
        let Some(planned_member) = planned.members.get(region) else { continue };
        let cluster_id = planned_member.cluster();
        match &member.cluster {
            Err(error) => findings.add(Check::Clusters, error.clone()),
            Ok(None) => {
                findings
                    .add(Check::Clusters, format!("{name}: there is no cluster {cluster_id} in {region}"));
            }
            Ok(Some(cluster)) => {
                if cluster.status != "available" {
                    let text = format!("{name}: cluster {cluster_id} in {region} is {}", cluster.status);
                    findings.add(Check::Clusters, text);
                }
                let engine = match planned.engine {
                    Engine::AuroraMysql => "aurora-mysql",
                    Engine::AuroraPostgresql => "aurora-postgresql",
                };
                if cluster.engine != engine {
                    let text = format!(
                        "{name}: cluster {cluster_id} in {region} is {}, the plan says {engine}",
                        cluster.engine
                    );
                    findings.add(Check::Clusters, text);
                }
                match &member.instances {
                    Err(error) => findings.add(Check::Instances, error.clone()),
                    Ok(instances) if available(instances) == 0 => findings.add(
                        Check::Instances,
                        format!("{name}: cluster {cluster_id} in {region} has no available instance"),
                    ),
                    Ok(_) => {}
                }
            }
        }
        if let Ok(details) = &member.details
            && !details.iam
            && matches!(planned_member.sign_in(), SignIn::Iam(_))
        {
            let text = format!(
                "{name}: cluster {cluster_id} in {region} has no IAM database authentication, and the plan signs in by it: \
                 switch it on"
            );
            findings.add(Check::Clusters, text);
        }
        match &member.details {
            Ok(details) if details.encrypted => {
                let other = plan.other_region(region);
                let key = planned.members.get(other).and_then(|member| member.restore.kms_key.as_ref());
                if key.is_none() {
                    let text = format!(
                        "{name}: cluster {cluster_id} in {region} is encrypted, and a copy of its snapshots in {other} \
                         needs a KMS key there: set databases.{name}.members.{other}.restore.kmsKey"
                    );
                    findings.add(Check::Snapshots, text);
                }
            }
            Ok(_) => {}
            Err(error) => findings.add(Check::Snapshots, error.clone()),
        }
        if writer.as_deref().is_some_and(|writer| writer != region) {
            find_in_lag(name, region, &member.lag, plan, findings);
        }
    }
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
    match (&database.secret, &database.signed_in) {
        (Err(error), _) => findings.add(Check::Secrets, format!("{name}: {error}")),
        (Ok(()), Err(error)) => findings.add(Check::Connections, error.clone()),
        (Ok(()), Ok(())) => {}
    }
}

/// Answers the Region of the writer, when there is one.
fn find_in_global(
    name: &str,
    global: &GlobalCluster,
    planned: &runbook::plan::Database,
    findings: &mut Findings,
) -> Option<String> {
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
    if let Some(operation) = &global.operation {
        findings.add(
            Check::Roles,
            format!("{name}: an operation of global cluster {id} is running ({})", operation.status),
        );
    }
    let writers: Vec<&str> = global.writers().map(|writer| region_of(&writer.cluster_arn)).collect();
    match writers.as_slice() {
        [one] => Some((*one).to_owned()),
        many => {
            findings.add(
                Check::Roles,
                format!("{name}: global cluster {id} has {} writers, not one", many.len()),
            );
            None
        }
    }
}

fn find_in_lag(
    name: &str,
    region: &str,
    lag: &Answer<Option<Lag>>,
    plan: &RecoveryPlan,
    findings: &mut Findings,
) {
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
        Err(error) => findings.add(Check::Lag, error.clone()),
    }
}

/// Whom it asks in one Region.
pub struct RegionApis<R, M, S, K> {
    /// RDS.
    pub rds: R,
    /// KMS.
    pub kms: K,
    /// CloudWatch.
    pub metrics: M,
    /// S3.
    pub records: S,
}

/// Whom it asks.
pub struct Apis<'a, R, M, S, K, P, I, A, C, D> {
    /// By Region.
    pub regions: BTreeMap<String, RegionApis<R, M, S, K>>,
    /// This Region's secrets.
    pub secrets: P,
    /// IAM.
    pub iam: I,
    /// The databases.
    pub databases: &'a D,
    /// The ARC endpoints.
    pub arc: Vec<Endpoint<A>>,
    /// ARC's control plane.
    pub rules: C,
}

/// Looks at everything, at once. `other_plan` is that of the other Region, `stack` what this Region's says of itself.
pub async fn observe<R, M, S, K, P, I, A, C, D>(
    apis: &Apis<'_, R, M, S, K, P, I, A, C, D>,
    plan: &RecoveryPlan,
    here: &str,
    other_plan: Answer<RecoveryPlan>,
    stack: Answer<Stack>,
    now: Timestamp,
) -> Seen
where
    R: DescribeGlobalCluster + DescribeCluster + DescribeInstances + DescribeDetails + ReadQuotas,
    M: MeasureLag + ReadAlarms,
    S: ReadLastFailover,
    K: DescribeKey,
    P: CheckSecret,
    I: SimulatePolicy,
    A: ReadStates,
    C: ReadRules,
    D: SignsIn,
{
    let databases = plan.databases.iter().map(async |(name, database)| {
        let global = async {
            match apis.regions.get(here) {
                Some(apis) => answer(here, apis.rds.describe_global_cluster(&database.global_cluster)).await,
                None => Ok(None),
            }
        };
        let members = database.members.iter().filter_map(|(region, member)| {
            let apis = apis.regions.get(region)?;
            Some(async move {
                let id = member.cluster();
                let (cluster, instances, details, lag) = futures::join!(
                    answer(region, apis.rds.describe_cluster(id)),
                    answer(region, apis.rds.describe_instances(id)),
                    answer(region, apis.rds.describe_details(id)),
                    answer(region, apis.metrics.measure_lag(id, plan.other_region(region), now)),
                );
                (region.clone(), MemberSeen { cluster, instances, details, lag })
            })
        });
        let secret = async {
            match database.members.get(here) {
                Some(member) => answer(here, apis.secrets.check_secret(&member.sign_in())).await,
                None => Ok(()),
            }
        };
        let (global, members, secret) = futures::join!(global, join_all(members), secret);
        let members: BTreeMap<String, MemberSeen> = members.into_iter().collect();
        let (mut signed_in, mut rights, mut replay_rights) = (Ok(()), Ok(None), Ok(None));
        if let Some(target) = reader(plan, name, here, &members) {
            (signed_in, rights) = rights_of(apis.databases, &target).await;
            let replay = database.members.get(here).map(Member::replay_sign_in);
            replay_rights = match replay.filter(|replay| *replay != target.sign_in) {
                None => rights.clone(),
                Some(sign_in) => {
                    let (let_in, rights) =
                        rights_of(apis.databases, &WriteTarget { sign_in, ..target }).await;
                    let_in.and(rights)
                }
            };
        }
        (name.clone(), DatabaseSeen { global, members, secret, signed_in, rights, replay_rights })
    });
    let controls: Vec<String> = plan.routing.controls.values().cloned().collect();
    let buckets = apis.regions.iter().map(async |(region, apis)| {
        let read = apis.records.read_last_failover(plan.report_bucket(region), &plan.name);
        (region.clone(), answer(region, read).await)
    });
    let quotas = apis
        .regions
        .iter()
        .map(async |(region, apis)| (region.clone(), answer(region, apis.rds.read_quotas()).await));
    let alarms = apis.regions.iter().map(async |(region, apis)| {
        let read = evidence::read(&apis.metrics, plan.automatic.as_ref(), region);
        (region.clone(), answer(region, read).await)
    });
    let panels: BTreeSet<&str> = controls.iter().map(|control| rules::panel(control)).collect();
    let asked = panels.into_iter().map(|panel| answer(CONTROL_PLANE, apis.rules.read_rules(panel)));
    let rules = async { join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>() };
    let (databases, arc, buckets, alarms, quotas, rules) = futures::join!(
        join_all(databases),
        traffic::read(&apis.arc, &plan.routing.controls),
        join_all(buckets),
        join_all(alarms),
        join_all(quotas),
        rules
    );
    let databases: BTreeMap<String, DatabaseSeen> = databases.into_iter().collect();
    let members = databases.values().flat_map(|database| database.members.values());
    let keys: BTreeSet<String> =
        members.filter_map(|member| member.details.as_ref().ok()?.key.clone()).collect();
    let permissions = async {
        let stack = stack?;
        let keys = of_account(&apis.regions, keys).await?;
        let asked = permissions::needs(plan, &stack, here, &keys).into_iter().map(async |need| {
            let denied = match stack.roles.get(need.role) {
                Some(role) => answer(here, apis.iam.denied(role, &need)).await,
                None => Err(format!("the stack in {here} names no role of {}", need.role)),
            };
            (need, denied)
        });
        Ok(join_all(asked).await)
    };
    let permissions = permissions.await;
    Seen {
        other_plan,
        databases,
        arc: arc.into_iter().collect(),
        rules: rules.map(|rules| rules.concat()),
        buckets: buckets.into_iter().collect(),
        alarms: alarms.into_iter().collect(),
        quotas: quotas.into_iter().collect(),
        permissions,
    }
}

/// Those of some KMS keys that AWS does not manage.
async fn of_account<R, M, S, K: DescribeKey>(
    regions: &BTreeMap<String, RegionApis<R, M, S, K>>,
    keys: BTreeSet<String>,
) -> Answer<BTreeSet<String>> {
    let asked = keys.into_iter().map(async |key| {
        let region = region_of(&key);
        let of_aws = match regions.get(region) {
            Some(apis) => answer(region, apis.kms.is_of_aws(&key)).await?,
            None => false,
        };
        Ok((!of_aws).then_some(key))
    });
    join_all(asked).await.into_iter().filter_map(Result::transpose).collect()
}

/// Where a database is read in this Region, when there is an instance to read it from.
fn reader(
    plan: &RecoveryPlan,
    name: &str,
    here: &str,
    members: &BTreeMap<String, MemberSeen>,
) -> Option<WriteTarget> {
    let (database, seen) = (plan.databases.get(name)?, members.get(here)?);
    let (host, port) = seen.details.as_ref().ok()?.reader.clone()?;
    if available(seen.instances.as_ref().ok()?) == 0 {
        return None;
    }
    Some(WriteTarget {
        name: name.to_owned(),
        engine: database.engine,
        database: database.database.clone(),
        region: here.to_owned(),
        host,
        port,
        sign_in: database.members.get(here)?.sign_in(),
        row: String::new(),
        execution: String::new(),
    })
}

/// Whether a database lets a user in, and what it may do there; `None` when it was not let in.
async fn rights_of(databases: &impl SignsIn, target: &WriteTarget) -> (Answer<()>, Answer<Option<Rights>>) {
    match sign_in(databases, target).await {
        Ok(()) => {
            let rights = within(SIGN_IN, &target.region, databases.rights(target)).await;
            (Ok(()), rights.map(Some).map_err(|error| error.cause()))
        }
        denied => (denied, Ok(None)),
    }
}

async fn sign_in(databases: &impl SignsIn, target: &WriteTarget) -> Answer<()> {
    match within(SIGN_IN, &target.region, databases.signs_in(target)).await {
        Ok(Write::Accepted) => Ok(()),
        Ok(Write::NotYet(why)) => {
            Err(format!("{}: the database in {} can't be read: {why}", target.name, target.region))
        }
        Err(error) => Err(error.cause()),
    }
}

/// The answer to a question, or why there is none, within the time for one.
async fn answer<T>(region: &str, question: impl Future<Output = Result<T, StepError>>) -> Answer<T> {
    within(TARGET, region, question).await.map_err(|error| error.cause())
}

/// How much was found, as a metric of the plan.
pub fn measured(plan_parameter: &str, findings: usize) -> (&str, Measured) {
    // The last part of the parameter's name: known also when the plan can't be read.
    let plan = plan_parameter.rsplit('/').next().unwrap_or(plan_parameter);
    let findings = u32::try_from(findings).unwrap_or(u32::MAX);
    (plan, Measured::new(Metric::ReadinessFindings, findings.into()))
}

/// Serves `readiness`.
///
/// # Errors
/// None: what can't be seen is a finding.
pub async fn run(
    context: &Context,
    event: &ReadinessEvent,
    databases: &(impl SignsIn + Sync),
) -> Result<Outcome<Observed>, StepError> {
    let now = context.clock.now();
    let plan = within(TARGET, &context.region, Box::pin(RecoveryPlan::load(context, &event.plan))).await;
    let (findings, overdue) = match plan {
        Ok(plan) => {
            let (seen, overdue) = Box::pin(look(context, &plan, &event.plan, databases, now)).await;
            let mut findings = Findings(find(&seen, &plan, &context.region));
            let rights = seen
                .databases
                .iter()
                .filter_map(|(name, one)| Some((name, one.rights.as_ref().ok()?.as_ref()?)));
            let records = bucket::client(&context.config);
            let kept =
                tables::keep(&records, plan.report_bucket(&context.region), &plan.name, rights.collect());
            if let Err(error) = answer(&context.region, kept).await {
                findings.add(Check::Buckets, error);
            }
            if let Err(error) = &overdue {
                findings.add(Check::Executions, error.clone());
            }
            (findings.0, overdue.ok())
        }
        Err(error) => (vec![Finding { check: Check::Plan, text: error.cause() }], None),
    };
    let (plan, found) = measured(&event.plan, findings.len());
    telemetry::emit(plan, &[found], now);
    if let Some(overdue) = &overdue {
        telemetry::emit(plan, &[overdue::measured(overdue)], now);
    }
    let (status, mut reason) = match findings.as_slice() {
        [] => (Status::Ready, "nothing stands in the way of a failover or a switchover".to_owned()),
        found => {
            let texts: Vec<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
            let noun = if found.len() == 1 { "finding" } else { "findings" };
            (Status::Refused, format!("{} {noun}: {}", found.len(), texts.join("; ")))
        }
    };
    for overdue in overdue.unwrap_or_default() {
        reason += &format!("; {overdue}");
    }
    Ok(Outcome::new(status, reason, Observed { findings }))
}

/// Looks with the SDK's clients.
async fn look(
    context: &Context,
    plan: &RecoveryPlan,
    parameter: &str,
    databases: &(impl SignsIn + Sync),
    now: Timestamp,
) -> (Seen, Answer<Vec<String>>) {
    let other = plan.other_region(&context.region);
    let there = Context {
        config: aws::in_region(&context.config, other),
        region: other.to_owned(),
        clock: context.clock.clone(),
        deadline: context.deadline,
    };
    let own = permissions::parameter(parameter);
    let (other_plan, stack) = futures::join!(
        answer(other, Box::pin(RecoveryPlan::load(&there, parameter))),
        answer(&context.region, Box::pin(RecoveryPlan::text(context, &own))),
    );
    let stack: Answer<Stack> = stack.and_then(|text| {
        serde_json::from_str(&text)
            .map_err(|error| format!("SSM parameter {own} is not what the stack writes: {error}"))
    });
    let regions = plan.regions.iter().map(|region| {
        let config = aws::in_region(&context.config, region);
        let apis = RegionApis {
            rds: aws_sdk_rds::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            metrics: aws_sdk_cloudwatch::Client::new(&config),
            records: bucket::client(&config),
        };
        (region.clone(), apis)
    });
    let apis = Apis {
        regions: regions.collect(),
        secrets: Secrets(context.config.clone()),
        iam: aws_sdk_iam::Client::new(&context.config),
        databases,
        arc: arc::endpoints(&context.config, &plan.routing),
        rules: aws_sdk_route53recoverycontrolconfig::Client::new(&aws::in_region(
            &context.config,
            CONTROL_PLANE,
        )),
    };
    let prefix = stack.as_ref().map(|stack| stack.prefix.clone()).map_err(Clone::clone);
    let overdue = async {
        let (prefix, ssm) = (prefix?, aws_sdk_ssm::Client::new(&context.config));
        let running = answer(&context.region, overdue::running(&ssm, &prefix)).await?;
        Ok(overdue::find(&running, &prefix, &plan.limits, now))
    };
    let seen = Box::pin(observe(&apis, plan, &context.region, other_plan, stack, now));
    futures::join!(seen, Box::pin(overdue))
}

#[cfg(test)]
mod tests;
