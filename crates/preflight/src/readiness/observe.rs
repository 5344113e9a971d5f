//! Looks at everything that a readiness check decides on, in both Regions at once.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use jiff::Timestamp;
use runbook::arc::{CONTROL_PLANE, Endpoint, ReadStates};
use runbook::aurora::{DescribeCluster, DescribeGlobalCluster, region_of};
use runbook::plan::{Database, Member};
use runbook::record::ReadLastFailover;
use runbook::{RecoveryPlan, StepError};

use super::connections::{let_in, reader};
use super::seen::{DatabaseSeen, MemberSeen, ReadinessSeen};
use crate::asking::{self, Answer, TARGET};
use crate::permissions::{self, Need, SimulatePolicy, Stack};
use crate::probe::{DatabaseTarget, SignsIn};
use crate::rules::{self, ReadRules, Rule};
use crate::world::{
    CheckSecret, DescribeDetails, DescribeInstances, DescribeKey, MeasureLag, ReadAlarms, ReadQuotas,
};
use crate::{evidence, traffic};

/// The clients of one Region.
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

/// The clients of a readiness check.
pub struct ReadinessApis<'a, R, M, S, K, P, I, A, C, D> {
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

/// What is examined, from where and when.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The plan of this Region.
    pub plan: &'a RecoveryPlan,
    /// The function's own Region.
    pub here: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// Looks at everything, at once. `other_plan` is that of the other Region, `stack` what this Region's says of itself.
pub async fn observe<R, M, S, K, P, I, A, C, D>(
    apis: &ReadinessApis<'_, R, M, S, K, P, I, A, C, D>,
    scope: Scope<'_>,
    other_plan: Answer<RecoveryPlan>,
    stack: Answer<Stack>,
) -> ReadinessSeen
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
    let plan = scope.plan;
    let databases = plan.databases.iter().map(async |(name, database)| {
        let seen =
            observe_database(&apis.regions, &apis.secrets, apis.databases, scope, name, database).await;
        (name.clone(), seen)
    });
    let buckets = apis.regions.iter().map(async |(region, apis)| {
        let read = async { apis.records.read_last_failover(plan.report_bucket(region)?, &plan.name).await };
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
    let (databases, arc, buckets, alarms, quotas, rules) = futures::join!(
        join_all(databases),
        traffic::read(&apis.arc, &plan.routing.controls),
        join_all(buckets),
        join_all(alarms),
        join_all(quotas),
        read_rules(&apis.rules, plan),
    );
    let databases: BTreeMap<String, DatabaseSeen> = databases.into_iter().collect();
    let permissions = observe_permissions(&apis.regions, &apis.iam, scope, stack, &databases).await;
    ReadinessSeen {
        other_plan,
        databases,
        arc: arc.into_iter().collect(),
        rules,
        buckets: buckets.into_iter().collect(),
        alarms: alarms.into_iter().collect(),
        quotas: quotas.into_iter().collect(),
        permissions,
    }
}

/// The answer of a Region, or why there is none.
async fn answer<T>(region: &str, question: impl Future<Output = Result<T, StepError>>) -> Answer<T> {
    asking::answer(TARGET, region, question).await
}

/// The global cluster as this Region sees it, the members, and whether this Region's lets the functions in.
async fn observe_database<R, M, S, K>(
    regions: &BTreeMap<String, RegionApis<R, M, S, K>>,
    secrets: &impl CheckSecret,
    databases: &impl SignsIn,
    scope: Scope<'_>,
    name: &str,
    database: &Database,
) -> DatabaseSeen
where
    R: DescribeGlobalCluster + DescribeCluster + DescribeInstances + DescribeDetails,
    M: MeasureLag,
{
    let Scope { plan, here, .. } = scope;
    let own = database.members.get(here);
    let global = async {
        match regions.get(here) {
            Some(apis) => answer(here, apis.rds.describe_global_cluster(&database.global_cluster)).await,
            None => Ok(None),
        }
    };
    let members = database.members.iter().filter_map(|(region, member)| {
        let apis = regions.get(region)?;
        Some(async move { (region.clone(), observe_member(apis, scope, region, member).await) })
    });
    let secret = async {
        match own {
            Some(member) => answer(here, secrets.check_secret(&member.sign_in())).await,
            None => Ok(()),
        }
    };
    let (global, members, secret) = futures::join!(global, join_all(members), secret);
    let members: BTreeMap<String, MemberSeen> = members.into_iter().collect();
    let (mut signed_in, mut rights, mut replay_rights) = (Ok(()), Ok(None), Ok(None));
    if let Some(target) = reader(plan, name, here, &members) {
        (signed_in, rights) = let_in(databases, &target).await;
        let replay = own.map(Member::replay_sign_in).filter(|replay| *replay != target.sign_in);
        replay_rights = match replay {
            None => rights.clone(),
            Some(sign_in) => {
                let (signed_in, rights) = let_in(databases, &DatabaseTarget { sign_in, ..target }).await;
                signed_in.and(rights)
            }
        };
    }
    DatabaseSeen { global, members, secret, signed_in, rights, replay_rights }
}

async fn observe_member<R, M, S, K>(
    apis: &RegionApis<R, M, S, K>,
    scope: Scope<'_>,
    region: &str,
    member: &Member,
) -> MemberSeen
where
    R: DescribeCluster + DescribeInstances + DescribeDetails,
    M: MeasureLag,
{
    let id = member.cluster();
    let source = scope.plan.other_region(region);
    let (cluster, instances, details, lag) = futures::join!(
        answer(region, apis.rds.describe_cluster(id)),
        answer(region, apis.rds.describe_instances(id)),
        answer(region, apis.rds.describe_details(id)),
        answer(region, apis.metrics.measure_lag(id, source, scope.now)),
    );
    MemberSeen { cluster, instances, details, lag }
}

/// The safety rules of every control panel that the plan's routing controls are on.
async fn read_rules(api: &impl ReadRules, plan: &RecoveryPlan) -> Answer<Vec<Rule>> {
    let panels: BTreeSet<&str> =
        plan.routing.controls.values().map(|control| rules::panel(control)).collect();
    let asked = panels.into_iter().map(|panel| answer(CONTROL_PLANE, api.read_rules(panel)));
    let rules = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(rules.concat())
}

/// What the stack's roles need for these databases, and whether they may do it.
async fn observe_permissions<R, M, S, K: DescribeKey>(
    regions: &BTreeMap<String, RegionApis<R, M, S, K>>,
    iam: &impl SimulatePolicy,
    scope: Scope<'_>,
    stack: Answer<Stack>,
    databases: &BTreeMap<String, DatabaseSeen>,
) -> Answer<Vec<(Need, Answer<Vec<String>>)>> {
    let here = scope.here;
    let stack = stack?;
    let members = databases.values().flat_map(|database| database.members.values());
    let keys = members.filter_map(|member| member.details.as_ref().ok()?.key.clone()).collect();
    let keys = of_account(regions, keys).await?;
    let asked = permissions::needs(scope.plan, &stack, here, &keys)?.into_iter().map(async |need| {
        let denied = match stack.roles.get(need.role) {
            Some(role) => answer(here, iam.denied(role, &need)).await,
            None => Err(format!("the stack in {here} names no role of {}", need.role)),
        };
        (need, denied)
    });
    Ok(join_all(asked).await)
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
