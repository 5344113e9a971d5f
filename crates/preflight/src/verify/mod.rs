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
//! elsewhere is not waited for: after [`TRAFFIC`](decide::TRAFFIC) looks it is `Refused`, too. What waiting does not mend (credentials,
//! permissions, a plan that names what does not exist) is an error at once. Throttling and silence are waited out; beyond
//! the limit they are an error when this call's time is over, not a refusal.
//!
//! Nothing is changed but the row of the write, and calling again is safe.
//!
//! One look is [`observe`], [`decide`], [`outcome`].

use std::time::Duration;

use aws_sdk_rds::Client as Rds;
use jiff::Timestamp;
use runbook::arc::{self, ReadStates};
use runbook::aurora::{DescribeCluster, DescribeGlobalCluster};
use runbook::watch::{Look, Pace, watch};
use runbook::{Context, Outcome, RecoveryPlan, StepError, aws};

use crate::asking::plan_for;
use crate::event::VerifyEvent;
use crate::probe::AcceptsWrite;

mod decide;
mod observe;
mod outcome;

pub use outcome::{DatabaseObserved, VerifyObserved};

use decide::{Decision, decide};
use observe::{VerifyApis, observe};
use outcome::outcome;

/// A look asks, connects and runs some statements: a slow database takes it 45 s at most.
const PACE: Pace = Pace { interval: Duration::from_secs(1), longest_look: Duration::from_secs(45) };

/// Serves `verify`.
///
/// # Errors
/// [`BadEvent`](runbook::error::Kind::BadEvent) when the target is no Region of the plan;
/// [`BadPlan`](runbook::error::Kind::BadPlan) when what it names does not exist;
/// [`Unreachable`](runbook::error::Kind::Unreachable) when RDS is silent beyond the limit; else what RDS, Secrets Manager or
/// the database refuse.
pub async fn run(
    context: &Context,
    event: &VerifyEvent,
    probe: &(impl AcceptsWrite + Sync),
) -> Result<Outcome<VerifyObserved>, StepError> {
    let plan = plan_for(context, &event.plan, &event.target_region).await?;
    plan.require_routing("this runbook")?;
    let rds = Rds::new(&aws::in_region(&context.config, &event.target_region));
    let endpoints = arc::endpoints(&context.config, &plan.routing);
    let apis = VerifyApis { rds: &rds, probe, endpoints: &endpoints };
    Box::pin(verify(context, apis, &plan, event)).await
}

/// Looks until it is complete, or this call's time is over.
async fn verify<R, P, A>(
    context: &Context,
    apis: VerifyApis<'_, R, P, A>,
    plan: &RecoveryPlan,
    event: &VerifyEvent,
) -> Result<Outcome<VerifyObserved>, StepError>
where
    R: DescribeGlobalCluster + DescribeCluster + Sync,
    P: AcceptsWrite + Sync,
    A: ReadStates + Sync,
{
    let since = event.since.unwrap_or_else(|| context.clock.now());
    watch(context, PACE, Verify { context, apis, plan, event, since, elsewhere: 0 }).await
}

/// A call of `verify`.
struct Verify<'a, R, P, A> {
    context: &'a Context,
    apis: VerifyApis<'a, R, P, A>,
    plan: &'a RecoveryPlan,
    event: &'a VerifyEvent,
    /// When waiting began, in an earlier call perhaps.
    since: Timestamp,
    /// How many looks of this call have seen complete databases and the traffic elsewhere.
    elsewhere: u32,
}

impl<R, P, A> Look for Verify<'_, R, P, A>
where
    R: DescribeGlobalCluster + DescribeCluster + Sync,
    P: AcceptsWrite + Sync,
    A: ReadStates + Sync,
{
    type Observed = VerifyObserved;

    async fn look(&mut self, _: &mut Vec<String>) -> Result<Outcome<VerifyObserved>, StepError> {
        let seen = observe(&self.apis, self.plan, self.event).await?;
        self.elsewhere += u32::from(seen.traffic_elsewhere);
        let (minutes, waited) =
            (self.plan.limits.promotion_minutes, self.context.clock.now().duration_since(self.since));
        let decision = decide(&seen.missing, self.elsewhere, waited, minutes);
        match seen.silent {
            // A look that did not see everything does not say what is missing.
            Some(silent) if decision == Decision::TooLate => return Err(silent),
            _ => {}
        }
        let observed = VerifyObserved {
            since: self.since,
            target_region: self.event.target_region.clone(),
            databases: seen.databases,
            traffic: seen.traffic,
        };
        Ok(outcome(observed, &decision, &seen.missing, minutes))
    }
}

#[cfg(test)]
mod tests;
