//! Whether an execution is what its record is to be of.

use runbook::error::Kind;
use runbook::record::MoveOutcome;
use runbook::step::Mode;
use runbook::{RecoveryPlan, StepError};

use super::model::Asked;
use super::steps::{VERIFY, last_run, started};
use crate::execution::Execution;

/// Checks that the execution did what its record is to say. A record that is not true is worse than none, since a
/// reconciliation relies on it for what moved the databases. `here` is the Region of the function, and of the execution.
///
/// # Errors
/// [`Kind::BadEvent`] with everything that does not fit.
pub fn fits(plan: &RecoveryPlan, asked: &Asked, execution: &Execution, here: &str) -> Result<(), StepError> {
    let mut problems = Vec::new();
    let runbook = if asked.mode.is_planned() { "failback" } else { "failover" };
    if execution.document != runbook && !execution.document.ends_with(&format!("-{runbook}")) {
        problems.push(format!("it ran {}, which is no {runbook}", execution.document));
    }
    if asked.target_region != here {
        let target = &asked.target_region;
        problems.push(format!("it ran in {here}, and a {runbook} to {target} runs in {target}"));
    }
    let other = plan.other_region(&asked.target_region);
    if let Some(left) = execution.parameter("ImpairedRegion").filter(|left| *left != other) {
        problems.push(format!("it left {left}, not {other}"));
    }
    let mode = if asked.mode == Mode::Detach { "detach" } else { "failover" };
    if let Some(was) = execution.parameter("Mode").filter(|was| !asked.mode.is_planned() && *was != mode) {
        problems.push(format!("its Mode was {was}, not {mode}"));
    }
    let plain = |parameter: &str| parameter.trim_start_matches('/').to_owned();
    if let Some(of) = execution.parameter("Plan").filter(|of| plain(of) != plain(&asked.plan_parameter)) {
        problems.push(format!("its plan was {of}, not {}", asked.plan_parameter));
    }
    let verified =
        last_run(&started(execution), &VERIFY).and_then(|run| run.output("status")) == Some("Done");
    match asked.outcome {
        MoveOutcome::Succeeded if !verified => {
            problems.push("it did not verify that the move is complete: it has not Succeeded".into());
        }
        MoveOutcome::Failed if verified => {
            problems.push("it verified that the move is complete: it has not Failed".into());
        }
        MoveOutcome::Succeeded | MoveOutcome::Failed => {}
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(StepError::new(
        Kind::BadEvent,
        format!("execution {} can't be recorded so: {}", asked.execution, problems.join("; ")),
        "name the execution of the runbook itself, as its notification does, in its Region, and how it ended; nothing was changed",
    ))
}

#[cfg(test)]
mod tests {
    use runbook::plan::sample;

    use super::*;
    use crate::record::sample::{asked, good};

    #[test]
    fn only_what_the_execution_did_is_recorded() {
        let refused = |asked: &Asked, change: &dyn Fn(&mut Execution), here: &str| {
            let mut execution = good();
            change(&mut execution);
            fits(&sample(), asked, &execution, here).map_err(|error| error.to_string())
        };
        let (good, failed) = (asked(MoveOutcome::Succeeded, ""), asked(MoveOutcome::Failed, ""));
        let unverified =
            |execution: &mut Execution| execution.steps.retain(|run| !VERIFY.contains(&run.name.as_str()));
        assert_eq!(refused(&good, &|_| {}, "sandbox-west"), Ok(()));
        assert_eq!(refused(&failed, &unverified, "sandbox-west"), Ok(()));
        let given = |name: &'static str, value: &'static str| {
            move |execution: &mut Execution| {
                execution.parameters.insert(name.to_owned(), vec![value.to_owned()]);
            }
        };
        let back = Asked { mode: Mode::Switchover, ..good.clone() };
        let detach = Asked { mode: Mode::Detach, ..good.clone() };
        let east = Asked { target_region: "sandbox-east".into(), ..good.clone() };
        type Case<'a> = (&'a Asked, &'a dyn Fn(&mut Execution), &'a str);
        let cases: [Case<'_>; 9] = [
            (
                &good,
                &|one| one.document = "causeway-reconcile".into(),
                "it ran causeway-reconcile, which is no failover",
            ),
            (&back, &|_| {}, "it ran causeway-failover, which is no failback"),
            (&east, &|_| {}, "it ran in sandbox-west, and a failover to sandbox-east runs in sandbox-east"),
            (&good, &given("ImpairedRegion", "sandbox-west"), "it left sandbox-west, not sandbox-east"),
            (&good, &given("Mode", "detach"), "its Mode was detach, not failover"),
            (&detach, &|_| {}, "its Mode was failover, not detach"),
            (&good, &given("Plan", "/causeway/plans/other"), "its plan was /causeway/plans/other"),
            (&good, &unverified, "it has not Succeeded"),
            (&failed, &|_| {}, "it has not Failed"),
        ];
        for (asked, change, expected) in cases {
            let error = refused(asked, change, "sandbox-west").unwrap_err();
            assert!(error.contains(expected) && error.contains("nothing was changed"), "{expected}: {error}");
        }
    }
}
