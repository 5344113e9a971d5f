//! How an Automation execution ended, in a sentence: what a person reads first of it in the console, as its output and, where it did
//! not end well, in its failure message.
//!
//! The last step that did work decides: a function's answer `Done`, `Ready` or `NotNeeded` is a good end, anything else is none. Steps
//! that only tell, keep, record a failure or clean up after one do not count. Nothing is changed.

use runbook::StepError;
use runbook::step::Status;
use runbook::{Context, Outcome};

use crate::execution::{Execution, ReadExecution, StepRun};
use crate::{Observed, text};

/// Steps that decide nothing: those that go on whatever comes of them, those of a cancellation, and those of the end itself.
const ASIDE: [&str; 8] = [
    "askForApproval",
    "endAsFailed",
    "endAsSuccess",
    "keepState",
    "keepStateAgain",
    "outcome",
    RECORDED,
    "stopRanges",
];
/// How the names of the branches of the end begin.
const ENDED: &str = "endedWell";
/// The step that records what stopped an execution.
const RECORDED: &str = "recordFailure";
/// The end of the name of steps that come after a failure.
const AFTER_FAILURE: &str = "AfterFailure";
/// The step at which a person has to agree.
const APPROVE: &str = "approve";
/// The step that sees how the comparison of ranges stands.
const RANGES: &str = "lookAtRanges";
/// The longest sentence, in characters: a failure message is read in a list.
const LONGEST: usize = 1_500;

/// Answers `Done` of an execution that ended well, else `Refused`; the sentence is the outcome's summary.
///
/// # Errors
/// When the execution can't be read.
pub async fn tell(
    context: &Context,
    executions: &impl ReadExecution,
    id: &str,
) -> Result<Outcome<Observed>, StepError> {
    let execution = executions.read_execution(id).await?;
    let Ending { is_good, sentence, page } = ending(&execution, &context.region);
    let status = if is_good { Status::Done } else { Status::Refused };
    let summary = match &page {
        Some(page) => format!("{} {page}", text::sentence(&sentence)),
        None => sentence,
    };
    let (location, subject, next) = (page.unwrap_or_default(), String::new(), String::new());
    Ok(Outcome::new(status, summary.clone(), Observed { location, summary, subject, next }))
}

/// How an execution ended.
#[derive(Debug, PartialEq)]
struct Ending {
    is_good: bool,
    sentence: String,
    /// Where its record or report is.
    page: Option<String>,
}

fn ending(execution: &Execution, region: &str) -> Ending {
    let mut runs: Vec<&StepRun> =
        execution.steps.iter().filter(|run| run.started.is_some() && decides(run)).collect();
    runs.sort_by_key(|run| run.started);
    // Of steps that were called, the latest that gave one.
    let given = |name: &str| {
        let given = execution.steps.iter().rev().filter_map(|run| run.output(name));
        given.map(str::trim).find(|text| !text.is_empty() && !text.contains("{{")).map(str::to_owned)
    };
    let page = given("location");
    let Some(last) = runs.last() else {
        let sentence = format!(
            "refused: {region} is the Region to leave; start it in the other one. Nothing has changed"
        );
        return Ending { is_good: false, sentence, page };
    };
    let answer = last.output("status");
    let is_good = last.status == "Success"
        && answer.is_some_and(|answer| ["Done", "Ready", "NotNeeded"].contains(&answer));
    let sentence = if is_good {
        let summary = if answer == Some("NotNeeded") { None } else { given("summary") };
        summary.unwrap_or_else(|| last.reason())
    } else {
        let recorded = execution.steps.iter().rev().find(|run| run.name == RECORDED);
        let recorded = recorded.filter(|run| run.output("status") == Some("Done"));
        let recorded = recorded.and_then(|run| run.output("summary")).map(str::to_owned);
        recorded.unwrap_or_else(|| stopped(last, &runs))
    };
    Ending { is_good, sentence: text::cut(&sentence, LONGEST), page }
}

fn decides(run: &StepRun) -> bool {
    let is_silent = ["aws:branch", "aws:sleep"].contains(&run.action.as_str()) && run.status == "Success";
    !is_silent
        && !ASIDE.contains(&run.name.as_str())
        && !run.name.starts_with(ENDED)
        && !run.name.starts_with("notify")
        && !run.name.ends_with(AFTER_FAILURE)
}

/// Why it stopped at its last step.
fn stopped(last: &StepRun, runs: &[&StepRun]) -> String {
    let reason = last.reason();
    match (last.name.as_str(), last.output("status")) {
        (APPROVE, _) => {
            let asked = runs
                .iter()
                .rev()
                .find(|run| run.name != APPROVE)
                .map(|run| run.output("summary").map_or_else(|| run.reason(), str::to_owned));
            let asked = asked.map_or_else(String::new, |asked| format!(". It was asked because: {asked}"));
            format!("not approved, and nothing has changed: {reason}{asked}")
        }
        (RANGES, Some(status)) => {
            format!("failed: ranges of large tables could not be compared, the state machine is {status}")
        }
        (name, Some("Refused")) if name.starts_with("await") => format!("stopped: {reason}"),
        (_, Some("Refused")) => format!("refused: {reason}"),
        (name, _) => format!("failed at step {name}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample::{branch, good, run};

    fn of(steps: Vec<StepRun>) -> Ending {
        ending(&Execution { steps, ..good() }, "sandbox-west")
    }

    #[test]
    fn the_last_step_that_did_work_decides() {
        let page = "s3://bucket/record.html";
        let refused = run("preflight", 0, 4, &[("status", "Refused"), ("reason", "it already is primary")]);
        let told = run("notifyRefused", 5, 6, &[]);
        let ended = of(vec![branch("checkRegion", 0), refused, branch("mayStart", 4), told.clone()]);
        assert_eq!((ended.is_good, ended.sentence.as_str()), (false, "refused: it already is primary"));

        let recorded =
            run("record", 7, 8, &[("status", "Done"), ("summary", "shop moved"), ("location", page)]);
        let outcome = StepRun { status: "InProgress".into(), ..run("outcome", 9, 9, &[]) };
        let ended = of(vec![recorded.clone(), told.clone(), outcome]);
        assert_eq!(ended, Ending { is_good: true, sentence: "shop moved".into(), page: Some(page.into()) });

        // What comes after a failure makes no success of it.
        let refused = run("compare", 0, 4, &[("status", "Refused"), ("reason", "no snapshot")]);
        let clean =
            run("awaitCleanupAfterFailure", 6, 7, &[("status", "Done"), ("reason", "nothing is left")]);
        let ended = of(vec![refused, told.clone(), clean]);
        assert_eq!((ended.is_good, ended.sentence.as_str()), (false, "refused: no snapshot"));

        // A record of the failure says more.
        let broken = StepRun {
            status: "Failed".into(),
            failure: Some("it broke".into()),
            ..run("promote", 1, 2, &[])
        };
        let summary = [
            ("status", "Done"),
            ("summary", "The failover failed at step promote: it broke."),
            ("location", page),
        ];
        let ended = of(vec![broken.clone(), run(RECORDED, 3, 4, &summary), told]);
        assert_eq!((ended.is_good, ended.page.as_deref()), (false, Some(page)));
        assert!(ended.sentence.starts_with("The failover failed"), "{ended:?}");
        assert_eq!(of(vec![broken]).sentence, "failed at step promote: it broke");
        assert!(of(vec![branch("checkRegion", 0)]).sentence.contains("start it in the other one"));
    }

    #[test]
    fn an_error_that_did_not_fail_its_step_is_a_failure() {
        let payload = r#"{"errorType": "Failed", "errorMessage": "the table is gone"}"#;
        let ended = of(vec![run("compare", 0, 1, &[("Payload", payload)])]);
        assert_eq!(
            (ended.is_good, ended.sentence.as_str()),
            (false, "failed at step compare: the table is gone")
        );
    }

    #[test]
    fn a_rejected_approval_says_what_was_asked() {
        let asked =
            run("preflight", 0, 4, &[("status", "NeedsApproval"), ("reason", "the lag is not known")]);
        let rejected = StepRun {
            status: "Failed".into(),
            failure: Some("rejected by bob: not tonight".into()),
            ..run(APPROVE, 5, 6, &[])
        };
        let sentence = of(vec![asked, rejected]).sentence;
        assert!(
            sentence.contains("rejected by bob") && sentence.contains("the lag is not known"),
            "{sentence}"
        );
    }
}
