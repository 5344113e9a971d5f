//! The facts that the report rests on, from the plan, the comparison and the records of the failover.

use comparison::{DatabaseSummary, Summary};
use jiff::Timestamp;
use missing_transactions::facts::{BaseFacts, Budgets, DatabaseFacts, Facts, Failover, Step};
use runbook::lag::Lag;
use runbook::plan::RecoveryPlan;
use runbook::record::FailoverRecord;

use super::known::Known;
use crate::record::{self, Record};
use crate::text;

/// What is known of the failover, and of where the comparison stood.
pub(super) fn facts(
    plan: &RecoveryPlan,
    execution: &str,
    to_region: &str,
    now: Timestamp,
    summary: &Summary,
    known: &Known,
) -> Facts {
    let limits = &plan.limits;
    let lags = known.failover.as_ref().map(|failover| &failover.lag);
    let database = |name: &String, of: &DatabaseSummary| {
        let lag = lags.and_then(|lags| lags.get(name));
        DatabaseFacts {
            source: of.source_cluster.clone(),
            target: of.target_cluster.clone(),
            snapshot: of.snapshot.clone(),
            snapshot_at: of.snapshot_time.as_deref().and_then(|at| at.parse().ok()),
            lag_seconds: lag.map(|lag| lag.seconds),
            replicated_until: lag.map(Lag::replicated_until),
            base: of.base.as_ref().map(|base| BaseFacts {
                cluster: base.cluster.clone(),
                snapshot: base
                    .snapshot
                    .as_deref()
                    .map(|arn| arn.rsplit(':').next().unwrap_or(arn).to_owned()),
                taken_at: base.snapshot_time.as_deref().and_then(|at| at.parse().ok()),
                restored_at: base.restored_at,
                writes_from: writes_from(known),
            }),
            no_base: of.no_base.clone(),
            ..DatabaseFacts::default()
        }
    };
    Facts {
        plan: plan.name.clone(),
        execution: execution.to_owned(),
        compared_at: Some(summary.completed_at.unwrap_or(now)),
        from_region: plan.other_region(to_region).to_owned(),
        to_region: to_region.to_owned(),
        failover: known.failover.as_ref().map(|failover| failover_facts(failover, known)),
        moved_to: known.moved_to.clone(),
        budgets: Some(Budgets {
            rto_seconds: limits.rto_seconds.into(),
            rpo_seconds: limits.rpo_seconds.into(),
        }),
        databases: summary.databases.iter().map(|(name, of)| (name.clone(), database(name, of))).collect(),
        clock_margin_seconds: limits.clock_margin_seconds.into(),
    }
}

/// From when on the new primary may have taken writes: when the failover turned its traffic on; where that was on all the time,
/// from the beginning. No later than clients saw the first request succeed.
fn writes_from(known: &Known) -> Option<Timestamp> {
    let failover = known.failover.as_ref()?;
    let turned_on = known.record.as_ref().and_then(Record::traffic_turned_on_at);
    let from = turned_on.unwrap_or(failover.started_at);
    let succeeded = known.outage.and_then(|outage| outage.to);
    Some(succeeded.map_or(from, |succeeded| succeeded.min(from)))
}

fn failover_facts(failover: &FailoverRecord, known: &Known) -> Failover {
    let record = known.record.as_ref();
    let step = |step: &record::Step| Step {
        name: step.name.clone(),
        started_at: step.started_at,
        seconds: step.ended_at.map(|at| text::seconds(step.started_at, at)),
        failed: step.status != "Success",
        reason: step.reason.clone().unwrap_or_default(),
    };
    Failover {
        execution: failover.execution.clone(),
        started_at: failover.started_at,
        ended_at: record
            .and_then(Record::promoted_at)
            .or_else(|| failover.succeeded().then_some(failover.ended_at)),
        outage: known.outage,
        rto_seconds: record.and_then(|record| record.rto_seconds),
        steps: record.iter().flat_map(|record| &record.steps).map(step).collect(),
    }
}
