//! One look: at every database, and at the traffic once these are complete.

use std::collections::BTreeMap;

use futures::future::join_all;
use runbook::arc::{Endpoint, ReadStates};
use runbook::aurora::{self, DescribeCluster, DescribeGlobalCluster, region_of};
use runbook::error::Kind;
use runbook::{RecoveryPlan, StepError};

use super::decide::{misplaced, topology};
use super::outcome::DatabaseObserved;
use crate::asking::{Answer, TARGET, within};
use crate::event::VerifyEvent;
use crate::probe::{AcceptsWrite, DatabaseTarget, Heartbeat, Write};
use crate::traffic::{self, States};

/// The clients of `verify`.
pub struct VerifyApis<'a, R, P, A> {
    /// RDS in the target Region.
    pub rds: &'a R,
    /// Writes to the databases.
    pub probe: &'a P,
    /// The ARC endpoints.
    pub endpoints: &'a [Endpoint<A>],
}

/// What one look has seen.
#[derive(Debug, Default)]
pub struct VerifySeen {
    /// By database.
    pub databases: BTreeMap<String, DatabaseObserved>,
    /// State of each Region's routing control; empty when it was not read.
    pub traffic: States,
    /// What is still missing, one line each.
    pub missing: Vec<String>,
    /// Whether the databases are complete and the traffic is not in the target alone.
    pub traffic_elsewhere: bool,
    /// Why a database could not be seen.
    pub silent: Option<StepError>,
}

/// Looks once.
///
/// # Errors
/// When a question is refused, or something that the plan names does not exist. Silence is none: see [`VerifySeen::silent`].
pub async fn observe<R, P, A>(
    apis: &VerifyApis<'_, R, P, A>,
    plan: &RecoveryPlan,
    event: &VerifyEvent,
) -> Result<VerifySeen, StepError>
where
    R: DescribeGlobalCluster + DescribeCluster,
    P: AcceptsWrite,
    A: ReadStates,
{
    let target = event.target_region.as_str();
    let looks = plan.databases.keys().map(async |name| {
        let look = observe_database(apis.rds, apis.probe, plan, name, event).await?;
        Ok((name.clone(), look))
    });
    let mut seen = VerifySeen::default();
    for look in join_all(looks).await {
        let (name, (database, silent)) = look?;
        seen.missing.extend(database.missing.as_ref().map(|missing| format!("{name}: {missing}")));
        seen.silent = seen.silent.or(silent);
        seen.databases.insert(name, database);
    }
    if !seen.missing.is_empty() {
        return Ok(seen);
    }
    match read_traffic(apis.endpoints, plan).await {
        Ok(states) => {
            let wrong = misplaced(&states, target, plan.other_region(target));
            seen.traffic_elsewhere = wrong.is_some();
            seen.missing.extend(wrong);
            seen.traffic = states;
        }
        Err(unknown) => seen.missing.push(unknown),
    }
    Ok(seen)
}

/// What is seen of one database, and the error of a question that got no answer.
async fn observe_database(
    rds: &(impl DescribeGlobalCluster + DescribeCluster),
    probe: &impl AcceptsWrite,
    plan: &RecoveryPlan,
    name: &str,
    event: &VerifyEvent,
) -> Result<(DatabaseObserved, Option<StepError>), StepError> {
    let mut observed = DatabaseObserved::default();
    match try_observe(rds, probe, plan, name, event, &mut observed).await {
        Ok(missing) => {
            observed.missing = missing;
            Ok((observed, None))
        }
        // A database in the middle of a promotion, an API that throttles: waited out.
        Err(error) if error.kind() == Kind::Unreachable => {
            observed.missing = Some(error.cause());
            Ok((observed, Some(error)))
        }
        Err(error) => Err(error),
    }
}

async fn try_observe(
    rds: &(impl DescribeGlobalCluster + DescribeCluster),
    probe: &impl AcceptsWrite,
    plan: &RecoveryPlan,
    name: &str,
    event: &VerifyEvent,
    observed: &mut DatabaseObserved,
) -> Result<Option<String>, StepError> {
    let target = event.target_region.as_str();
    let no_member = || {
        StepError::new(
            Kind::BadPlan,
            format!("the plan has no member of {name} in {target}"),
            "correct the plan",
        )
    };
    let database = plan.databases.get(name).ok_or_else(no_member)?;
    let member = database.members.get(target).ok_or_else(no_member)?;
    let (global, cluster) = futures::try_join!(
        within(TARGET, target, rds.describe_global_cluster(&database.global_cluster)),
        within(TARGET, target, rds.describe_cluster(member.cluster())),
    )?;
    let global = global.ok_or_else(|| aurora::missing("global cluster", &database.global_cluster, target))?;
    let cluster = cluster.ok_or_else(|| aurora::missing("cluster", member.cluster(), target))?;
    observed.writer_regions =
        global.writers().map(|writer| region_of(&writer.cluster_arn).to_owned()).collect();
    observed.operation = global.operation.as_ref().map(|operation| operation.status.clone());
    observed.cluster_status = Some(cluster.status.clone());
    if let Some(missing) = topology(target, &member.cluster_arn, event.mode, &global, &cluster) {
        return Ok(Some(missing));
    }
    let Some((host, port)) =
        cluster.endpoint.clone().zip(cluster.port.and_then(|port| u16::try_from(port).ok()))
    else {
        return Ok(Some(format!("cluster {} has no endpoint", cluster.id)));
    };
    let at = DatabaseTarget {
        name: name.to_owned(),
        engine: database.engine,
        database: database.database.clone(),
        region: target.to_owned(),
        host,
        port,
        sign_in: member.sign_in(),
    };
    let heartbeat = Heartbeat { row: format!("{}/{name}", plan.name), execution: event.execution.clone() };
    observed.accepts_write = Some(false);
    match probe.accepts_write(&at, &heartbeat).await? {
        Write::Accepted => {
            observed.accepts_write = Some(true);
            Ok(None)
        }
        Write::NotYet(why) => Ok(Some(format!("it does not accept a write: {why}"))),
    }
}

/// The state of each Region's routing control, as most of the endpoints that answer say; why it is not known, otherwise.
async fn read_traffic(endpoints: &[Endpoint<impl ReadStates>], plan: &RecoveryPlan) -> Answer<States> {
    let (mut answers, mut silent) = (Vec::new(), Vec::new());
    for (region, answer) in traffic::read(endpoints, &plan.routing.controls).await {
        match answer {
            Ok(states) => answers.push(states),
            Err(error) => silent.push(format!("{region}: {error}")),
        }
    }
    // Endpoints differ for a moment at most: the answer that most of them give.
    let agreeing = |one: &&States| answers.iter().filter(|other| other == one).count();
    match answers.iter().max_by_key(agreeing) {
        Some(states) => Ok(states.clone()),
        None => Err(format!("no ARC endpoint says where the traffic is: {}", silent.join("; "))),
    }
}
