//! How a document ends: Success exactly where its own work was done, in the words of its end where these can be had, and the
//! same where they can't.

use std::collections::BTreeSet;

use sandbox::automation::{Execution, Reading, Status};

use crate::cancelled::{Failback, Failover, Readiness, Rebuild, Reconcile, Rehearsed, Replay, Routing};
use crate::faults::{BROKEN, Fault};
use crate::stage::{documents, told};

/// The steps that only a good path leads to, which all come after the last step that did work.
const DONE: [&str; 5] =
    ["notifySucceeded", "notifyDetached", "notifyAlreadyDone", "notifyNothing", "nothingToDo"];

/// Whether all was done that the document is for. `readiness` tells nobody that all is well.
fn did_its_work(execution: &Execution) -> bool {
    let is_ready = |name: &str| name == "readiness" && answer(execution, name) == Some("Ready");
    execution.steps.iter().any(|step| DONE.contains(&step.name.as_str()) || is_ready(&step.name))
}

/// The status that the latest run of a step answered.
fn answer<'a>(execution: &'a Execution, name: &str) -> Option<&'a str> {
    let latest = execution.steps.iter().rev().find(|step| step.name == name)?;
    latest.outputs.get("status")?.as_str()
}

/// An execution is a success exactly where it did its work, and how it ended says the same where it could be said.
pub fn assert_agrees(execution: &Execution) {
    let well = did_its_work(execution);
    if execution.status != Status::Cancelled {
        assert_eq!(execution.status == Status::Success, well, "{}", told(execution));
    }
    if let Some(said) = answer(execution, "outcome") {
        assert_eq!(said, if well { "Done" } else { "Refused" }, "{}", told(execution));
    }
}

/// Goes every way of a document without a word of how it ended, and answers the document's name. With one, `cancelled` goes them.
async fn wordless<R: Rehearsed>() -> &'static str {
    let (mut good, mut bad) = (0, 0);
    for (number, way) in R::WAYS.iter().enumerate() {
        // Of either kind of function's error, and of either answer to an output that is not there.
        for (reading, missing_output_fails_branch) in [(number % 4, false), ((number + 2) % 4, true)] {
            let reading = Reading { missing_output_fails_branch, ..Reading::ALL[reading] };
            let stage = R::stage(reading, way).await;
            let known = stage.messages(0).len();
            stage.faults.set(Fault::Said([way.said, &[("outcome", BROKEN)]].concat().leak()));
            // Whether it ended well is asked of every execution: see `assert_agrees`.
            let execution = stage.answered(&R::start(&stage, way), way.signal).await;
            let case = format!("{} {reading:?} {:?} {}", R::NAME, way.said, told(&execution));
            assert_eq!(answer(&execution, "outcome"), None, "{case}");
            if execution.status == Status::Success {
                good += 1;
            } else {
                bad += 1;
                assert_eq!(execution.status, Status::Failed, "{case}");
                assert!(!stage.messages(known).is_empty(), "nobody was told: {case}");
            }
        }
    }
    assert!(good > 0 && bad > 0, "{}: {good} ended well, {bad} did not", R::NAME);
    R::NAME
}

#[tokio::test(start_paused = true)]
async fn every_document_ends_the_same_where_how_it_ended_can_not_be_said() {
    let seen = [
        wordless::<Failback>().await,
        wordless::<Failover>().await,
        wordless::<Readiness>().await,
        wordless::<Rebuild>().await,
        wordless::<Reconcile>().await,
        wordless::<Replay>().await,
        wordless::<Routing>().await,
    ];
    let all: BTreeSet<&str> = documents().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(all, seen.into());
}
