//! `readiness`: could the plan be executed now, in either direction?
//!
//! A plan stops being executable without a sound: an upgrade in one Region, an instance that was removed to save money, a
//! secret that was renamed. This looks at everything that can be seen without changing anything, in both Regions at once,
//! and lists every finding, so that it is found on a quiet day. It answers Ready when there is none, Refused otherwise.
//! [`observe`] asks, [`decide`] finds, [`outcome`] words the answer.
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
//! An execution that is overdue is named in the reason and counted by a metric of its own: it is no finding, as the plan
//! can be executed nevertheless.
//!
//! A question that is not answered is a finding, too: missing data is no evidence. The Region's own view of the global
//! clusters counts, as in a failover.
//!
//! The number of findings goes into the log as a line in CloudWatch's embedded metric format ([`measured`]): the metric
//! [`Metric::ReadinessFindings`] by plan, on which the template has an alarm. An execution that fails writes none, and missing data is
//! breaching.
//!
//! Nothing is changed but this step's own list of the tables that are there ([`crate::tables`]), in this Region's report bucket.
//! Calling again at any moment is safe, and a failure leaves nothing behind.

use jiff::Timestamp;
use runbook::arc::{self, CONTROL_PLANE};
use runbook::{Context, Outcome, RecoveryPlan, StepError, aws, bucket, telemetry};

use crate::asking::{Answer, TARGET, answer, within};
use crate::event::ReadinessEvent;
use crate::permissions::{self, Stack};
use crate::probe::SignsIn;
use crate::world::Secrets;
use crate::{overdue, tables};

mod connections;
mod database;
mod decide;
mod finding;
mod observe;
mod outcome;
mod seen;

pub use finding::{Check, Finding};
pub use outcome::{ReadinessObserved, measured};

use finding::Findings;
use observe::{ReadinessApis, RegionApis, Scope};
use seen::ReadinessSeen;

/// Serves `readiness`.
///
/// # Errors
/// None: what can't be seen is a finding.
pub async fn run(
    context: &Context,
    event: &ReadinessEvent,
    databases: &(impl SignsIn + Sync),
) -> Result<Outcome<ReadinessObserved>, StepError> {
    let now = context.clock.now();
    let mut findings = Findings::default();
    let mut overdue = None;
    match within(TARGET, &context.region, Box::pin(RecoveryPlan::load(context, &event.plan))).await {
        Err(error) => findings.add(Check::Plan, error.cause()),
        Ok(plan) => {
            let scope = Scope { plan: &plan, here: &context.region, now };
            let (seen, executions) = Box::pin(look(context, scope, &event.plan, databases)).await;
            for Finding { check, text } in decide::decide(&seen, &plan, &context.region) {
                findings.add(check, text);
            }
            if let Err(error) = keep_tables(context, &plan, &seen).await {
                findings.add(Check::Buckets, error);
            }
            match executions {
                Ok(executions) => overdue = Some(executions),
                Err(error) => findings.add(Check::Executions, error),
            }
        }
    }
    let findings = findings.into_list();
    let (plan, found) = measured(&event.plan, findings.len());
    telemetry::emit(plan, &[found], now);
    if let Some(overdue) = &overdue {
        telemetry::emit(plan, &[overdue::measured(overdue)], now);
    }
    Ok(outcome::outcome(findings, overdue.as_deref().unwrap_or_default()))
}

/// Keeps the list of the tables that were seen, for a reconciliation.
async fn keep_tables(context: &Context, plan: &RecoveryPlan, seen: &ReadinessSeen) -> Answer<()> {
    let rights =
        seen.databases.iter().filter_map(|(name, one)| Some((name, one.rights.as_ref().ok()?.as_ref()?)));
    let records = bucket::client(&context.config);
    let bucket = plan.report_bucket(&context.region).map_err(|error| error.cause())?;
    let kept = tables::keep(&records, bucket, &plan.name, rights.collect());
    answer(TARGET, &context.region, kept).await
}

/// Looks with the SDK's clients: at everything that the plan is about, and for overdue executions. `parameter` holds the
/// plan.
async fn look(
    context: &Context,
    scope: Scope<'_>,
    parameter: &str,
    databases: &(impl SignsIn + Sync),
) -> (ReadinessSeen, Answer<Vec<String>>) {
    let own = permissions::parameter(parameter);
    let there = context_in(context, scope.plan.other_region(scope.here));
    let (other_plan, stack) = futures::join!(
        answer(TARGET, &there.region, Box::pin(RecoveryPlan::load(&there, parameter))),
        answer(TARGET, &context.region, Box::pin(RecoveryPlan::text(context, &own))),
    );
    let stack: Answer<Stack> = stack.and_then(|text| {
        serde_json::from_str(&text)
            .map_err(|error| format!("SSM parameter {own} is not what the stack writes: {error}"))
    });
    let prefix = stack.as_ref().map(|stack| stack.prefix.clone()).map_err(Clone::clone);
    let overdue = async { find_overdue(context, &prefix?, scope.plan, scope.now).await };
    let control_plane = aws::in_region(&context.config, CONTROL_PLANE);
    let apis = ReadinessApis {
        regions: scope
            .plan
            .regions
            .iter()
            .map(|region| (region.clone(), region_apis(context, region)))
            .collect(),
        secrets: Secrets(context.config.clone()),
        iam: aws_sdk_iam::Client::new(&context.config),
        databases,
        arc: arc::endpoints(&context.config, &scope.plan.routing),
        rules: aws_sdk_route53recoverycontrolconfig::Client::new(&control_plane),
    };
    let seen = Box::pin(observe::observe(&apis, scope, other_plan, stack));
    futures::join!(seen, Box::pin(overdue))
}

type SdkRegion =
    RegionApis<aws_sdk_rds::Client, aws_sdk_cloudwatch::Client, aws_sdk_s3::Client, aws_sdk_kms::Client>;

fn region_apis(context: &Context, region: &str) -> SdkRegion {
    let config = aws::in_region(&context.config, region);
    RegionApis {
        rds: aws_sdk_rds::Client::new(&config),
        kms: aws_sdk_kms::Client::new(&config),
        metrics: aws_sdk_cloudwatch::Client::new(&config),
        records: bucket::client(&config),
    }
}

/// The same call in another Region.
fn context_in(context: &Context, region: &str) -> Context {
    Context {
        config: aws::in_region(&context.config, region),
        region: region.to_owned(),
        clock: context.clock.clone(),
        deadline: context.deadline,
    }
}

/// Executions of the stack with this prefix that are overdue, each in one line.
async fn find_overdue(
    context: &Context,
    prefix: &str,
    plan: &RecoveryPlan,
    now: Timestamp,
) -> Answer<Vec<String>> {
    let ssm = aws_sdk_ssm::Client::new(&context.config);
    let running = answer(TARGET, &context.region, overdue::running(&ssm, prefix)).await?;
    Ok(overdue::find(&running, prefix, &plan.limits, now))
}

#[cfg(test)]
mod tests;
