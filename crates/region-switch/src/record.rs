//! The record of a failover that Region switch made, from what its execution tells.

use jiff::Timestamp;
use report::record::{Progress, Record, Step};
use runbook::RecoveryPlan;
use runbook::record::MoveOutcome;
use runbook::step::Mode;

use crate::decide::{Moved, failover_name};
use crate::seen::PlanExecution;

/// Makes the record. Every database has its writer in the Region that took over: that was read before. An execution that still
/// runs, because this block is a step of it, has ended for our purpose now.
pub(crate) fn record(plan: &RecoveryPlan, recovery: &PlanExecution, moved: &Moved, now: Timestamp) -> Record {
    // Those that have not ended say nothing yet; one of them is this block.
    let steps = recovery.steps.iter().filter_map(|step| {
        Some(Step {
            name: step.name.clone(),
            started_at: step.started?,
            ended_at: Some(step.ended?),
            runs: 1,
            // As Automation has it, which the report's timeline knows.
            status: if step.status == "completed" { "Success".into() } else { step.status.clone() },
            answer: None,
            reason: None,
            turned: Vec::new(),
        })
    });
    let mut steps: Vec<Step> = steps.collect();
    steps.sort_by_key(|step| step.started_at);
    Record {
        plan: plan.name.clone(),
        execution: failover_name(recovery),
        document: recovery.plan.clone(),
        mode: Mode::Failover,
        outcome: MoveOutcome::Succeeded,
        progress: Progress::Promoted,
        from_region: moved.from.clone(),
        to_region: moved.to.clone(),
        started_at: recovery.started,
        began_at: None,
        ended_at: recovery.ended.unwrap_or(now),
        // Nobody has tried whether a write is accepted, nor measured the lag before.
        rto_seconds: None,
        rto_budget_seconds: plan.limits.rto_seconds,
        promotion_seconds: None,
        write_outage_seconds: None,
        writes_stopped_at: None,
        lag: plan.databases.keys().map(|name| (name.clone(), None)).collect(),
        rpo_budget_seconds: plan.limits.rpo_seconds,
        stopped_by: None,
        steps,
    }
}
