//! What was seen as a verdict. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Whether an assumption holds, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was seen to hold.
    Holds(String),
    /// It was seen not to hold.
    DoesNotHold(String),
    /// Nothing was seen that tells, and what would.
    NotYet(String),
}

/// An execution of a runbook, as far as an assumption is about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// What it was started with.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// The runs of its steps, in order.
    pub steps: Vec<Step>,
}

/// A run of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Its name in the document.
    pub name: String,
    /// Such as `aws:approve`.
    pub action: String,
    /// Such as `Success`.
    pub status: String,
    /// What it was given, as Systems Manager shows it: maps are JSON text.
    pub inputs: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, Vec<String>>,
}

/// A snapshot of a cluster that was renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// Its identifier.
    pub snapshot: String,
    /// The cluster that it names.
    pub names: String,
    /// That cluster's identifier when the snapshot was taken.
    pub before: String,
    /// That cluster's identifier now.
    pub now: String,
}

/// By the sets of dimensions under which there are values.
pub fn lag_dimensions(sets: &BTreeSet<Vec<String>>) -> Verdict {
    let known = |set: &&Vec<String>| {
        set.as_slice() == ["DBClusterIdentifier"] || set.as_slice() == ["DBClusterIdentifier", "SourceRegion"]
    };
    let all = sets.iter().map(|set| set.join(" and ")).collect::<Vec<_>>().join("; by ");
    if sets.is_empty() {
        let reason =
            "CloudWatch has no such metric here: ask in the Region of a secondary that has an instance";
        return Verdict::NotYet(reason.into());
    }
    // One set that is asked for is enough.
    if sets.iter().any(|set| known(&set)) {
        Verdict::Holds(format!("CloudWatch has them by {all}"))
    } else {
        Verdict::DoesNotHold(format!("CloudWatch has them by {all} only: no check finds a lag"))
    }
}

/// By the looks that the schedule has started: only it starts them with `Notify` no. `failed`: the rule has a metric of
/// invocations that failed.
pub fn rules_start_runbooks(looks: &[Execution], failed: bool, rule: &str) -> Verdict {
    let scheduled = |look: &&Execution| look.parameters.get("Notify").is_some_and(|notify| *notify == ["no"]);
    match (looks.iter().find(scheduled), failed) {
        (Some(look), _) => Verdict::Holds(format!("{rule} has started {}", look.id)),
        (None, true) => Verdict::DoesNotHold(format!(
            "{rule} has started nothing, and CloudWatch counts invocations of it that failed: the messages in the queue of what \
             was not delivered say why"
        )),
        (None, false) => Verdict::NotYet(format!("{rule} has started nothing so far: it runs every hour")),
    }
}

/// By functions that answered in a step that succeeded: their status is an output.
pub fn selectors(executions: &[Execution]) -> Verdict {
    let steps =
        executions.iter().flat_map(|execution| execution.steps.iter().map(move |step| (execution, step)));
    let mut answered =
        steps.filter(|(_, step)| step.action == "aws:invokeLambdaFunction" && step.status == "Success");
    let Some((execution, step)) = answered.next() else {
        return Verdict::NotYet(
            "no step that calls a function has ended here: start the runbook readiness".into(),
        );
    };
    let place = format!("step {} of {}", step.name, execution.id);
    match step.outputs.get("status").and_then(|status| status.first()) {
        Some(status) if !status.is_empty() && !status.contains("{{") => {
            Verdict::Holds(format!("{place} has the status {status}"))
        }
        _ => Verdict::DoesNotHold(format!(
            "{place} succeeded and has no status: no runbook can branch on an answer"
        )),
    }
}

/// By the lag in the event of the step that records a move.
pub fn json_text(executions: &[Execution]) -> Verdict {
    let events = executions.iter().flat_map(|execution| {
        let of_step = |step: &Step| {
            let event: Value = serde_json::from_str(step.inputs.get("InputPayload")?).ok()?;
            Some((format!("step {} of {}", step.name, execution.id), event.get("lag")?.clone()))
        };
        execution.steps.iter().filter_map(of_step)
    });
    for (place, lag) in events {
        match lag {
            Value::Object(_) => {
                return Verdict::DoesNotHold(format!(
                    "{place} was given the lag as an object: the functions take both"
                ));
            }
            Value::String(text) if text.starts_with('{') && !text.starts_with("{{") => {
                return Verdict::Holds(format!("{place} was given the lag as text"));
            }
            _ => {}
        }
    }
    Verdict::NotYet("no move was recorded here so far".into())
}

/// By what ran behind an approval that was not given.
pub fn refused_approval(executions: &[Execution]) -> Verdict {
    for execution in executions {
        let refused = execution.steps.iter().position(|step| {
            step.action == "aws:approve" && ["Failed", "TimedOut", "Rejected"].contains(&&*step.status)
        });
        let Some(at) = refused else { continue };
        return match execution.steps.get(at + 1) {
            Some(next) => Verdict::Holds(format!("in {} the step {} followed", execution.id, next.name)),
            None => Verdict::DoesNotHold(format!(
                "{} ended with the approval: the rule on executions that did not end well tells it",
                execution.id
            )),
        };
    }
    Verdict::NotYet("no approval was rejected or left unanswered here so far".into())
}

/// By snapshots of clusters that were renamed since.
pub fn renamed_snapshots(all: &[Renamed]) -> Verdict {
    match all.first() {
        None => Verdict::NotYet("no cluster of the plan was renamed here: a rebuild does it".into()),
        Some(one) if one.names == one.before => {
            Verdict::Holds(format!("{} names {}, which is {} now", one.snapshot, one.names, one.now))
        }
        Some(one) => Verdict::DoesNotHold(format!(
            "{} names {}, which was {}: the runbooks take both",
            one.snapshot, one.names, one.before
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, action: &str, status: &str) -> Step {
        Step { name: name.into(), action: action.into(), status: status.into(), ..Step::default() }
    }

    fn execution(steps: Vec<Step>) -> Execution {
        Execution { id: "e1".into(), steps, ..Execution::default() }
    }

    #[track_caller]
    fn holds(verdict: &Verdict) {
        assert!(matches!(verdict, Verdict::Holds(_)), "{verdict:?}");
    }

    #[track_caller]
    fn does_not(verdict: &Verdict) {
        assert!(matches!(verdict, Verdict::DoesNotHold(_)), "{verdict:?}");
    }

    #[track_caller]
    fn not_yet(verdict: &Verdict) {
        assert!(matches!(verdict, Verdict::NotYet(_)), "{verdict:?}");
    }

    #[test]
    fn one_set_of_dimensions_that_is_asked_for_is_enough() {
        let sets = |all: &[&[&str]]| {
            lag_dimensions(&all.iter().map(|set| set.iter().map(|&name| name.to_owned()).collect()).collect())
        };
        holds(&sets(&[&["DBClusterIdentifier"]]));
        holds(&sets(&[&["DBClusterIdentifier", "SourceRegion"], &["SourceRegion"]]));
        does_not(&sets(&[&["SourceRegion"]]));
        not_yet(&sets(&[]));
    }

    #[test]
    fn a_look_that_a_person_started_says_nothing_of_the_rule() {
        let look = |notify: &[&str]| {
            let notify = notify.iter().map(|&one| one.to_owned()).collect();
            Execution { parameters: BTreeMap::from([("Notify".into(), notify)]), ..execution(Vec::new()) }
        };
        holds(&rules_start_runbooks(&[look(&["yes"]), look(&["no"])], true, "r"));
        does_not(&rules_start_runbooks(&[look(&["yes"])], true, "r"));
        not_yet(&rules_start_runbooks(&[look(&[]), execution(Vec::new())], false, "r"));
    }

    #[test]
    fn an_answer_without_a_status_is_one_that_no_selector_found() {
        let answered = |status: &[&str]| {
            let mut step = step("readiness", "aws:invokeLambdaFunction", "Success");
            step.outputs.insert("status".into(), status.iter().map(|&one| one.to_owned()).collect());
            execution(vec![self::step("x", "aws:branch", "Success"), step])
        };
        holds(&selectors(&[answered(&["Ready"])]));
        does_not(&selectors(&[answered(&[])]));
        does_not(&selectors(&[answered(&["{{ readiness.status }}"])]));
        not_yet(&selectors(&[execution(vec![step("readiness", "aws:invokeLambdaFunction", "Failed")])]));
    }

    #[test]
    fn the_lag_of_a_record_shows_what_becomes_of_json_text() {
        let recorded = |lag: &str| {
            let mut step = step("record", "aws:invokeLambdaFunction", "Success");
            step.inputs.insert("InputPayload".into(), format!(r#"{{"operation":"record","lag":{lag}}}"#));
            execution(vec![step])
        };
        holds(&json_text(&[recorded(r#""{\"orders\":null}""#)]));
        does_not(&json_text(&[recorded(r#"{"orders":null}"#)]));
        not_yet(&json_text(&[recorded(r#""{{ preflight.lag }}""#), recorded(r#""""#)]));
    }

    #[test]
    fn what_follows_a_refused_approval_tells() {
        let refused = |status: &str| {
            vec![
                step("preflight", "aws:invokeLambdaFunction", "Success"),
                step("approve", "aws:approve", status),
            ]
        };
        let told =
            [refused("TimedOut"), vec![step("notifyNotApproved", "aws:executeAwsApi", "Success")]].concat();
        holds(&refused_approval(&[execution(refused("Success")), execution(told)]));
        does_not(&refused_approval(&[execution(refused("Failed"))]));
        not_yet(&refused_approval(&[execution(refused("Success"))]));
    }

    #[test]
    fn a_snapshot_names_its_cluster_as_it_was_or_as_it_is() {
        let renamed = |names: &str| Renamed {
            snapshot: "s".into(),
            names: names.into(),
            before: "old".into(),
            now: "new".into(),
        };
        holds(&renamed_snapshots(&[renamed("old")]));
        does_not(&renamed_snapshots(&[renamed("new")]));
        not_yet(&renamed_snapshots(&[]));
    }
}
