//! Looks at everything that a check decides on, at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use jiff::Timestamp;
use runbook::arc::{Endpoint, ReadStates};
use runbook::aurora::{self, DescribeCluster, DescribeGlobalCluster};
use runbook::error::Kind;
use runbook::plan::Database;
use runbook::record::{ReadLastFailover, ReadLastReconciliation, ReadLastSwitchover};
use runbook::step::Trigger;
use runbook::{RecoveryPlan, StepError};

use super::seen::{CheckSeen, DatabaseSeen, MoveAsked};
use crate::asking::{TARGET, answer, within};
use crate::world::{DescribeInstances, MeasureLag, ReadAlarms};
use crate::{evidence, traffic};

/// How long a question to the other Region may take in a switchover, which needs an answer.
pub const OTHER: Duration = Duration::from_secs(5);
/// The same in a failover: that Region may be cut off, nothing depends on it, and every second of it is a second of
/// outage. A call to the other side of the world with a new connection takes less than half of this.
pub const IMPAIRED: Duration = Duration::from_secs(2);

/// The clients of a check.
pub struct CheckApis<T, O, M, S, A> {
    /// RDS in the target Region.
    pub target: T,
    /// RDS in the other Region.
    pub other: O,
    /// CloudWatch in the target Region.
    pub metrics: M,
    /// CloudWatch in the other Region.
    pub other_metrics: M,
    /// S3 in the target Region.
    pub records: S,
    /// S3 in the other Region.
    pub other_records: S,
    /// The ARC endpoints.
    pub arc: Vec<Endpoint<A>>,
}

/// Looks at everything, at once. The lock is taken beforehand and is not among it.
///
/// # Errors
/// When RDS in the target Region does not answer or refuses, or has no such global cluster.
pub async fn observe<T, O, M, S, A>(
    apis: &CheckApis<T, O, M, S, A>,
    plan: &RecoveryPlan,
    asked: &MoveAsked<'_>,
    now: Timestamp,
) -> Result<CheckSeen, StepError>
where
    T: DescribeGlobalCluster + DescribeCluster + DescribeInstances,
    O: DescribeCluster,
    M: MeasureLag + ReadAlarms,
    S: ReadLastFailover + ReadLastSwitchover + ReadLastReconciliation,
    A: ReadStates,
{
    let (target, other, other_limit) = (asked.target, asked.other, other_limit(asked));
    let databases = plan.databases.iter().map(async |(name, database)| {
        Ok((name.clone(), observe_database(apis, name, database, asked, now).await?))
    });
    let (bucket, other_bucket) = (plan.report_bucket(target)?, plan.report_bucket(other)?);
    let automatic = plan.automatic.as_ref().filter(|_| asked.trigger == Trigger::Automatic);
    let reconciliation = async {
        if !asked.mode.is_planned() {
            return Ok(None);
        }
        apis.other_records.read_last_reconciliation(other_bucket, &plan.name).await
    };
    let failovers = async {
        futures::join!(
            answer(TARGET, target, apis.records.read_last_failover(bucket, &plan.name)),
            answer(other_limit, other, apis.other_records.read_last_failover(other_bucket, &plan.name)),
        )
    };
    let switchovers = async {
        futures::join!(
            answer(TARGET, target, apis.records.read_last_switchover(bucket, &plan.name)),
            answer(other_limit, other, apis.other_records.read_last_switchover(other_bucket, &plan.name)),
        )
    };
    let alarms = async {
        futures::join!(
            answer(TARGET, target, evidence::read(&apis.metrics, automatic, target)),
            answer(other_limit, other, evidence::read(&apis.other_metrics, automatic, other)),
        )
    };
    let (databases, arc, (record, other_record), switchovers, reconciliation, (alarms, other_alarms)) = futures::join!(
        try_join_all(databases),
        traffic::read(&apis.arc, &plan.routing.controls),
        failovers,
        switchovers,
        answer(other_limit, other, reconciliation),
        alarms,
    );
    let alarms = BTreeMap::from([(target, alarms), (other, other_alarms)]);
    Ok(CheckSeen {
        databases: databases?.into_iter().collect(),
        arc: arc.into_iter().collect(),
        record,
        other_record,
        switchovers: switchovers.into(),
        reconciliation,
        evidence: automatic.map(|automatic| evidence::votes(automatic, &alarms)).unwrap_or_default(),
        locked: None,
    })
}

/// How long a question to the Region that is left may take.
fn other_limit(asked: &MoveAsked) -> Duration {
    if asked.mode.is_planned() { OTHER } else { IMPAIRED }
}

async fn observe_database<T, O, M, S, A>(
    apis: &CheckApis<T, O, M, S, A>,
    name: &str,
    database: &Database,
    asked: &MoveAsked<'_>,
    now: Timestamp,
) -> Result<DatabaseSeen, StepError>
where
    T: DescribeGlobalCluster + DescribeCluster + DescribeInstances,
    O: DescribeCluster,
    M: MeasureLag,
{
    let no_member = |region: &str| {
        let what = format!("the plan has no member of {name} in {region}");
        StepError::new(Kind::BadPlan, what, "correct the plan")
    };
    let target = database.members.get(asked.target).ok_or_else(|| no_member(asked.target))?;
    let other = database.members.get(asked.other).ok_or_else(|| no_member(asked.other))?;
    let (global, cluster, instances, other, lag) = futures::join!(
        within(TARGET, asked.target, apis.target.describe_global_cluster(&database.global_cluster)),
        within(TARGET, asked.target, apis.target.describe_cluster(target.cluster())),
        within(TARGET, asked.target, apis.target.describe_instances(target.cluster())),
        answer(other_limit(asked), asked.other, apis.other.describe_cluster(other.cluster())),
        answer(TARGET, asked.target, apis.metrics.measure_lag(target.cluster(), asked.other, now)),
    );
    let global =
        global?.ok_or_else(|| aurora::missing("global cluster", &database.global_cluster, asked.target))?;
    Ok(DatabaseSeen {
        engine: database.engine,
        target_arn: target.cluster_arn.clone(),
        global,
        target: cluster?,
        instances: instances?,
        other,
        lag,
    })
}
