//! The steps of an execution, as a record sees them: which of its runs count, what they returned, and which one stopped it.

use jiff::Timestamp;
use runbook::lag::Lags;

use super::model::{Progress, Record, Step, Stop};
use crate::execution::{Execution, StepRun};

/// The step that measures the lag.
pub(super) const PREFLIGHT: &str = "preflight";
/// The steps that move traffic before any database is touched: off the Region that is left, or all of it at once.
pub(super) const TRAFFIC_BEFORE: [&str; 2] = ["trafficOff", "trafficFirst"];
/// The steps that promote the databases: the first call, and those that wait.
pub(super) const PROMOTE: [&str; 2] = ["promote", "awaitPromotion"];
/// The step that gives the traffic to the Region that takes over. It runs only after the promotion was seen.
pub(super) const TRAFFIC_ON: &str = "trafficOn";
/// The steps that verify. When they are done, the application has its writer back.
pub(super) const VERIFY: [&str; 2] = ["verify", "awaitVerify"];
/// The steps that record, whose own run is still under way, and those of the end, which come after them.
pub(super) const RECORD: [&str; 6] =
    ["record", "recordFailure", "outcome", "endedWell", "endAsSuccess", "endAsFailed"];

/// The runs of an execution that began and did work, in the order in which they began.
pub(super) fn started(execution: &Execution) -> Vec<&StepRun> {
    let mut runs: Vec<&StepRun> =
        execution.steps.iter().filter(|run| run.started.is_some() && is_work(run)).collect();
    runs.sort_by_key(|run| run.started);
    runs
}

/// Whether an execution has asked for a promotion.
pub fn promoted(execution: &Execution) -> bool {
    last_run(&started(execution), &PROMOTE).is_some()
}

/// Whether the execution found databases in the Region that takes over when it began; `None` where it is not known.
pub(super) fn found_databases_here(runs: &[&StepRun]) -> Option<bool> {
    let there = last_run(runs, &[PREFLIGHT])?.output("alreadyThere")?;
    Some(!there.is_empty())
}

/// The lag as the execution's preflight measured it.
pub(super) fn measured_lag(runs: &[&StepRun]) -> Option<Lags> {
    let measured = last_run(runs, &[PREFLIGHT])?.output("lag")?;
    serde_json::from_str(measured).ok()
}

/// A branch is a step too, but says nothing unless it fails; and a record does not list its own writing.
fn is_work(run: &StepRun) -> bool {
    let silent_branch = run.action == "aws:branch" && run.status == "Success";
    !silent_branch && !RECORD.contains(&run.name.as_str()) && !run.name.starts_with("notify")
}

/// The latest run of any of the steps `names`.
pub(super) fn last_run<'a>(runs: &[&'a StepRun], names: &[&str]) -> Option<&'a StepRun> {
    runs.iter().rev().find(|run| names.contains(&run.name.as_str())).copied()
}

/// The step that stopped a move that failed: the last one, since the failure path begins right after it.
pub(super) fn stop(runs: &[&StepRun]) -> Option<Stop> {
    let run = runs.last()?;
    Some(Stop { step: run.name.clone(), reason: run.reason() })
}

/// The runs, one entry for each step, in the order of their first start.
pub(super) fn steps(runs: &[&StepRun]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for run in runs {
        let Some(started_at) = run.started else { continue };
        let place = steps.iter().position(|step| step.name == run.name).unwrap_or_else(|| {
            steps.push(Step {
                name: run.name.clone(),
                started_at,
                ended_at: None,
                runs: 0,
                status: String::new(),
                answer: None,
                reason: None,
                turned: Vec::new(),
            });
            steps.len() - 1
        });
        let step = &mut steps[place];
        step.runs += 1;
        step.ended_at = run.ended;
        step.status.clone_from(&run.status);
        step.answer = run.output("status").map(str::to_owned);
        step.reason = run.output("reason").map(str::to_owned).or_else(|| run.failure.clone());
        // An output that was not given is its own name in braces.
        let turned = run.output("turned").filter(|turned| !turned.contains("{{")).unwrap_or_default();
        step.turned.extend(turned.split(',').filter(|region| !region.is_empty()).map(str::to_owned));
    }
    steps
}

impl Record {
    /// When the traffic of the Region that takes over was turned on; `None` where it was on before, or that is not known.
    pub fn traffic_turned_on_at(&self) -> Option<Timestamp> {
        let step = self.steps.iter().find(|step| step.name == TRAFFIC_ON)?;
        step.turned.contains(&self.to_region).then_some(step.started_at)
    }

    /// When every database was seen in its new Region; `None` when that was not seen.
    pub fn promoted_at(&self) -> Option<Timestamp> {
        let promotion = self.steps.iter().filter(|step| PROMOTE.contains(&step.name.as_str()));
        promotion.filter_map(|step| step.ended_at).max().filter(|_| self.progress == Progress::Promoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_steps_are_those_of_the_document() {
        let [failover, failback] = [
            include_str!("../../../../ssm-documents/failover.yaml"),
            include_str!("../../../../ssm-documents/failback.yaml"),
        ];
        let both = [PREFLIGHT, TRAFFIC_ON].into_iter().chain(PROMOTE).chain(VERIFY).chain(RECORD);
        let both = both.flat_map(|name| [(failover, name), (failback, name)]);
        for (document, name) in both.chain([(failover, TRAFFIC_BEFORE[0]), (failback, TRAFFIC_BEFORE[1])]) {
            assert!(document.contains(&format!("- name: {name}\n")), "{name} is not in {}", &document[..80]);
        }
    }
}
