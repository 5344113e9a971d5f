//! `verify`: is the takeover complete?
//!
//! Complete means, of every database: exactly one writer, in the target Region, the cluster of the plan; no operation of
//! its global cluster running; the cluster available; and a write accepted, committed and read back ([`crate::probe`]).
//! When it was asked to detach, a cluster that has left its global cluster is its one writer, whatever runs there. And of the
//! traffic: ARC has the target Region On and the other one Off, as most of its endpoints that answer say. It is read once the
//! databases are complete.
//!
//! States: complete (`Done`); not yet, looked at again about once a second for up to [`SLICE`](runbook::watch::SLICE)
//! (`InProgress`); not yet, and more than the plan's `promotionMinutes` since `since` have passed (`Refused`). Traffic that is
//! elsewhere is not waited for: after [`TRAFFIC`] looks it is `Refused`, too. What waiting does not mend (credentials,
//! permissions, a plan that names what does not exist) is an error at once. Throttling and silence are waited out; beyond
//! the limit they are an error when this call's time is over, not a refusal.
//!
//! Nothing is changed but the row of the write, and calling again is safe.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_rds::Client as Rds;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use runbook::arc::{self, Endpoint, ReadStates, State};
use runbook::aurora::{Cluster, DescribeCluster, DescribeGlobalCluster, GlobalCluster, region_of};
use runbook::error::Kind;
use runbook::step::Mode;
use runbook::watch::{Look, Pace, watch};
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError, aurora, aws};
use serde::Serialize;

use crate::asking::{plan_for, within};
use crate::event::VerifyEvent;
use crate::probe::{AcceptsWrite, Write, WriteTarget};

/// A look asks, connects and runs some statements: a slow database takes it 45 s at most.
const PACE: Pace = Pace { interval: Duration::from_secs(1), longest_look: Duration::from_secs(45) };
/// How long a question to the target Region may take, the SDK's retries included.
const QUESTION: Duration = Duration::from_secs(8);
/// How many looks of a call may see the traffic elsewhere: ARC's endpoints agree after a moment, not at once.
pub const TRAFFIC: u32 = 5;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// When waiting began; to be given back in the next call.
    pub since: Timestamp,
    /// The Region that took over.
    pub target_region: String,
    /// By database.
    pub databases: BTreeMap<String, DatabaseObserved>,
    /// State of each Region's routing control; empty when it was not read.
    pub traffic: BTreeMap<String, State>,
}

/// What was seen of a database.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseObserved {
    /// The Regions of its writers.
    pub writer_regions: Vec<String>,
    /// Status of the operation that runs, if any.
    pub operation: Option<String>,
    /// Status of the cluster in the target Region.
    pub cluster_status: Option<String>,
    /// Whether it accepted a write; null when none was tried.
    pub accepts_write: Option<bool>,
    /// What is still missing, if anything.
    pub missing: Option<String>,
}

/// What is still missing before a write is tried; `None`: nothing.
pub fn topology(
    target: &str,
    target_arn: &str,
    mode: Mode,
    global: &GlobalCluster,
    cluster: &Cluster,
) -> Option<String> {
    let writers: Vec<&str> = global.writers().map(|writer| writer.cluster_arn.as_str()).collect();
    let detached = mode == Mode::Detach && global.member_in(target).is_none();
    if let Some(operation) = global.operation.as_ref().filter(|_| !detached) {
        return Some(format!("an operation of its global cluster runs ({})", operation.status));
    }
    match writers.as_slice() {
        _ if detached => {}
        [] => return Some("it has no writer".into()),
        [one] if *one == target_arn => {}
        [one] if region_of(one) == target => return Some(format!("its writer is {one}, not {target_arn}")),
        [one] => return Some(format!("its writer is in {}", region_of(one))),
        many => {
            let regions: Vec<_> = many.iter().map(|arn| region_of(arn)).collect();
            return Some(format!("it has {} writers, in {}", many.len(), regions.join(" and ")));
        }
    }
    if cluster.status != "available" {
        return Some(format!("cluster {} is {}", cluster.id, cluster.status));
    }
    None
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: it is complete.
    Complete,
    /// Look again.
    Wait,
    /// More than the plan's minutes have passed.
    TooLate,
    /// The databases are complete, and the traffic stays elsewhere.
    TrafficElsewhere,
}

/// What to do when this is still missing, `waited` after the beginning. `elsewhere`: how many looks of
/// this call, the last one included, have seen complete databases and the traffic elsewhere.
pub fn decide(
    missing: &[String],
    elsewhere: u32,
    waited: SignedDuration,
    promotion_minutes: u32,
) -> Decision {
    if missing.is_empty() {
        Decision::Complete
    } else if waited > SignedDuration::from_mins(i64::from(promotion_minutes)) {
        Decision::TooLate
    } else if elsewhere >= TRAFFIC {
        Decision::TrafficElsewhere
    } else {
        Decision::Wait
    }
}

/// What is seen of one database, and the error of a question that got no answer.
async fn observe_database(
    rds: &(impl DescribeGlobalCluster + DescribeCluster),
    probe: &impl AcceptsWrite,
    recovery: &RecoveryPlan,
    name: &str,
    event: &VerifyEvent,
) -> Result<(DatabaseObserved, Option<StepError>), StepError> {
    let mut observed = DatabaseObserved::default();
    match try_observe(rds, probe, recovery, name, event, &mut observed).await {
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
    recovery: &RecoveryPlan,
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
    let database = recovery.databases.get(name).ok_or_else(no_member)?;
    let member = database.members.get(target).ok_or_else(no_member)?;
    let (global, cluster) = futures::try_join!(
        within(QUESTION, target, rds.describe_global_cluster(&database.global_cluster)),
        within(QUESTION, target, rds.describe_cluster(member.cluster())),
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
    let write = WriteTarget {
        name: name.to_owned(),
        engine: database.engine,
        database: database.database.clone(),
        region: target.to_owned(),
        host,
        port,
        sign_in: member.sign_in(),
        row: format!("{}/{name}", recovery.name),
        execution: event.execution.clone(),
    };
    observed.accepts_write = Some(false);
    match probe.accepts_write(&write).await? {
        Write::Accepted => {
            observed.accepts_write = Some(true);
            Ok(None)
        }
        Write::NotYet(why) => Ok(Some(format!("it does not accept a write: {why}"))),
    }
}

/// The state of each Region's routing control, as most of the endpoints that answer say; why it is not known, else.
async fn read_traffic(
    endpoints: &[Endpoint<impl ReadStates>],
    recovery: &RecoveryPlan,
) -> Result<BTreeMap<String, State>, String> {
    let controls: Vec<String> = recovery.routing.controls.values().cloned().collect();
    let (mut answers, mut silent) = (Vec::new(), Vec::new());
    let asked = endpoints.iter().map(|endpoint| endpoint.api.read_states(&controls));
    for (endpoint, answer) in endpoints.iter().zip(join_all(asked).await) {
        match answer {
            Ok(states) => answers.push(states),
            Err(error) => silent.push(format!("{}: {}", endpoint.region, error.cause())),
        }
    }
    // Two answers differ for a moment at most: the one that comes oftest.
    let often = |one: &&BTreeMap<String, State>| answers.iter().filter(|other| other == one).count();
    let Some(states) = answers.iter().max_by_key(often) else {
        return Err(format!("no ARC endpoint says where the traffic is: {}", silent.join("; ")));
    };
    let state = |(region, control): (&String, &String)| Some((region.clone(), *states.get(control)?));
    Ok(recovery.routing.controls.iter().filter_map(state).collect())
}

/// What is wrong with the traffic, unless it is in the target alone.
fn misplaced(states: &BTreeMap<String, State>, target: &str, other: &str) -> Option<String> {
    if states.get(target) == Some(&State::On) && states.get(other) == Some(&State::Off) {
        return None;
    }
    let states: Vec<String> = states.iter().map(|(region, state)| format!("{state} in {region}")).collect();
    Some(format!("ARC has the traffic {}", states.join(", ")))
}

/// Serves `verify`.
///
/// # Errors
/// [`Kind::BadEvent`] when the target is no Region of the plan; [`Kind::BadPlan`] when what it names does not exist; else
/// what RDS, Secrets Manager or the database refuse.
pub async fn run(
    context: &Context,
    event: &VerifyEvent,
    probe: &(impl AcceptsWrite + Sync),
) -> Result<Outcome<Observed>, StepError> {
    let recovery = plan_for(context, &event.plan, &event.target_region).await?;
    let rds = Rds::new(&aws::in_region(&context.config, &event.target_region));
    let endpoints = arc::endpoints(&context.config, &recovery.routing);
    Box::pin(verify(context, &rds, probe, &endpoints, &recovery, event)).await
}

/// Looks until it is complete, or this call's time is over.
async fn verify(
    context: &Context,
    rds: &(impl DescribeGlobalCluster + DescribeCluster + Sync),
    probe: &(impl AcceptsWrite + Sync),
    endpoints: &[Endpoint<impl ReadStates + Sync>],
    plan: &RecoveryPlan,
    event: &VerifyEvent,
) -> Result<Outcome<Observed>, StepError> {
    let since = event.since.unwrap_or_else(|| context.clock.now());
    watch(context, PACE, Verify { context, rds, probe, endpoints, plan, event, since, elsewhere: 0 }).await
}

/// A call of `verify`.
struct Verify<'a, R, P, A> {
    context: &'a Context,
    rds: &'a R,
    probe: &'a P,
    endpoints: &'a [Endpoint<A>],
    plan: &'a RecoveryPlan,
    event: &'a VerifyEvent,
    /// When waiting began, in an earlier call perhaps.
    since: Timestamp,
    /// How many looks of this call have seen complete databases and the traffic elsewhere.
    elsewhere: u32,
}

/// What one look sees.
struct Seen {
    databases: BTreeMap<String, DatabaseObserved>,
    traffic: BTreeMap<String, State>,
    /// What is still missing, one line each.
    missing: Vec<String>,
    /// Why a database could not be seen.
    silent: Option<StepError>,
}

impl<R, P, A> Look for Verify<'_, R, P, A>
where
    R: DescribeGlobalCluster + DescribeCluster + Sync,
    P: AcceptsWrite + Sync,
    A: ReadStates + Sync,
{
    type Observed = Observed;

    async fn look(&mut self, _: &mut Vec<String>) -> Result<Outcome<Observed>, StepError> {
        let mut seen = self.observe().await?;
        let waited = self.context.clock.now().duration_since(self.since);
        let decision = decide(&seen.missing, self.elsewhere, waited, self.plan.limits.promotion_minutes);
        match seen.silent.take() {
            // A look that did not see everything does not say what is missing.
            Some(silent) if decision == Decision::TooLate => Err(silent),
            _ => Ok(self.outcome(&decision, seen)),
        }
    }
}

impl<R, P, A> Verify<'_, R, P, A>
where
    R: DescribeGlobalCluster + DescribeCluster + Sync,
    P: AcceptsWrite + Sync,
    A: ReadStates + Sync,
{
    /// The databases, and the traffic once these are complete.
    async fn observe(&mut self) -> Result<Seen, StepError> {
        let target = self.event.target_region.as_str();
        let looks = self.plan.databases.keys().map(async |name| {
            let look = observe_database(self.rds, self.probe, self.plan, name, self.event).await?;
            Ok((name.clone(), look))
        });
        let mut seen =
            Seen { databases: BTreeMap::new(), traffic: BTreeMap::new(), missing: Vec::new(), silent: None };
        for look in join_all(looks).await {
            let (name, (database, silent)) = look?;
            seen.missing.extend(database.missing.as_ref().map(|missing| format!("{name}: {missing}")));
            seen.silent = seen.silent.or(silent);
            seen.databases.insert(name, database);
        }
        if !seen.missing.is_empty() {
            return Ok(seen);
        }
        match read_traffic(self.endpoints, self.plan).await {
            Ok(states) => {
                let wrong = misplaced(&states, target, self.plan.other_region(target));
                self.elsewhere += u32::from(wrong.is_some());
                seen.missing.extend(wrong);
                seen.traffic = states;
            }
            Err(unknown) => seen.missing.push(unknown),
        }
        Ok(seen)
    }

    fn outcome(&self, decision: &Decision, seen: Seen) -> Outcome<Observed> {
        let target = &self.event.target_region;
        let missing = seen.missing.join("; ");
        let (status, reason) = match decision {
            Decision::Complete => (
                Status::Done,
                format!(
                    "every database has its one writer in {target} and accepts writes, and {target} alone has the traffic"
                ),
            ),
            Decision::Wait => (Status::InProgress, missing),
            Decision::TooLate => (
                Status::Refused,
                format!(
                    "not complete after the plan's {} minutes: {missing}",
                    self.plan.limits.promotion_minutes
                ),
            ),
            Decision::TrafficElsewhere => (
                Status::Refused,
                format!(
                    "every database has its one writer in {target}, but {missing}: somebody else sets the routing controls, or the \
                     plan's `routing.controls` are wrong. Mend that, and start this runbook again"
                ),
            ),
        };
        let Seen { databases, traffic, .. } = seen;
        let observed = Observed { since: self.since, target_region: target.clone(), databases, traffic };
        Outcome::new(status, reason, observed)
    }
}

#[cfg(test)]
mod tests;
