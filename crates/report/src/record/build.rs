//! Makes a record from an execution, those before it, and the plan.

use jiff::Timestamp;
use runbook::error::Kind;
use runbook::lag::Lags;
use runbook::record::{MoveOutcome, SwitchoverRecord};
use runbook::{RecoveryPlan, StepError};

use super::model::{Asked, HandedLag, Progress, Record};
use super::steps::{
    PROMOTE, TRAFFIC_BEFORE, TRAFFIC_ON, VERIFY, found_databases_here, last_run, measured_lag, started,
    steps, stop,
};
use crate::execution::{Execution, StepRun};
use crate::text;

/// Makes the record of an execution. `earlier` are the executions of the same runbook before this one that promoted and
/// did not end well, since the last move that did, newest first. `last_switchover` is the plan's last switchover on record.
///
/// # Errors
/// [`Kind::BadEvent`] when the lag in the event is no JSON object of numbers.
pub fn build(
    plan: &RecoveryPlan,
    asked: &Asked,
    execution: &Execution,
    earlier: &[Execution],
    last_switchover: Option<&SwitchoverRecord>,
    now: Timestamp,
) -> Result<Record, StepError> {
    let runs = started(execution);
    let found_here = found_databases_here(&runs);
    let earlier: Vec<&Execution> = earlier.iter().filter(|_| found_here != Some(false)).collect();
    let progress = progress(&runs, asked.outcome);
    let ended = |names: &[&str]| {
        last_run(&runs, names).and_then(|run| run.ended).filter(|_| progress == Progress::Promoted)
    };
    let began_at = earlier.iter().map(|one| one.started).min();
    let promotion_started = first_promotion(&runs, &earlier);
    let verified = ended(&VERIFY).filter(|_| asked.outcome == MoveOutcome::Succeeded);
    let writes_stopped_at = asked
        .mode
        .is_planned()
        .then(|| {
            let to = &asked.target_region;
            writes_stopped(&runs, promotion_started, !earlier.is_empty(), to, last_switchover)
        })
        .flatten();

    Ok(Record {
        plan: plan.name.clone(),
        execution: asked.execution.clone(),
        document: execution.document.clone(),
        mode: asked.mode,
        outcome: asked.outcome,
        progress,
        from_region: plan.other_region(&asked.target_region).to_owned(),
        to_region: asked.target_region.clone(),
        started_at: execution.started,
        began_at,
        ended_at: now,
        rto_seconds: verified.map(|at| text::seconds(began_at.unwrap_or(execution.started), at)),
        rto_budget_seconds: plan.limits.rto_seconds,
        promotion_seconds: promotion_started.zip(ended(&PROMOTE)).map(|(from, to)| text::seconds(from, to)),
        write_outage_seconds: verified.zip(writes_stopped_at).map(|(at, from)| text::seconds(from, at)),
        writes_stopped_at,
        lag: lags(plan, &asked.lag, &runs, &earlier)?,
        rpo_budget_seconds: plan.limits.rpo_seconds,
        stopped_by: (asked.outcome == MoveOutcome::Failed).then(|| stop(&runs)).flatten(),
        steps: steps(&runs),
    })
}

/// How far the execution came, by the steps that it reached.
fn progress(runs: &[&StepRun], outcome: MoveOutcome) -> Progress {
    let ran = |names: &[&str]| last_run(runs, names).is_some();
    if ran(&[TRAFFIC_ON]) || ran(&VERIFY) || outcome == MoveOutcome::Succeeded {
        Progress::Promoted
    } else if ran(&PROMOTE) {
        Progress::Promoting
    } else if ran(&TRAFFIC_BEFORE) {
        Progress::TrafficMoving
    } else {
        Progress::NothingChanged
    }
}

/// When a promotion was first asked for, in this execution or an earlier one.
fn first_promotion(runs: &[&StepRun], earlier: &[&Execution]) -> Option<Timestamp> {
    let all = earlier.iter().flat_map(|one| &one.steps).chain(runs.iter().copied());
    all.filter(|run| run.name == PROMOTE[0]).filter_map(|run| run.started).min()
}

/// The lag of each database of the plan: from the event, else as this execution measured it, else as the earliest one did
/// that could. `None` where nobody could.
fn lags(
    plan: &RecoveryPlan,
    given: &HandedLag,
    runs: &[&StepRun],
    earlier: &[&Execution],
) -> Result<Lags, StepError> {
    let given = match given {
        HandedLag::Parsed(lags) => lags.clone(),
        // An execution that stopped before it measured the lag has none, or one that can't be read.
        HandedLag::Text(text) if text.trim().is_empty() => measured_lag(runs).unwrap_or_default(),
        HandedLag::Text(text) => serde_json::from_str(text).map_err(|error| {
            StepError::new(
                Kind::BadEvent,
                r#"`lag` is not JSON text such as {"orders": {"seconds": 0.8, "at": "2026-11-25T11:59:00Z"}}"#,
                "hand on preflight's observed.lag as it is, or leave it empty",
            )
            .with_source(error)
        })?,
    };
    let before = earliest_lag(earlier);
    let measured = |lags: &Lags, name: &String| lags.get(name).copied().flatten();
    let lag = |name: &String| measured(&given, name).or_else(|| measured(&before, name));
    Ok(plan.databases.keys().map(|name| (name.clone(), lag(name))).collect())
}

/// The lag as the earliest of the executions measured it. It is the one from before the databases moved.
fn earliest_lag(newest_first: &[&Execution]) -> Lags {
    let mut lags = Lags::new();
    for (name, lag) in newest_first.iter().filter_map(|one| measured_lag(&started(one))).flatten() {
        if lag.is_some() {
            lags.insert(name, lag);
        }
    }
    lags
}

/// When writes stopped, see the page of [`super`]. `known_earlier`: whether an earlier execution of this move is known.
fn writes_stopped(
    runs: &[&StepRun],
    promotion_started: Option<Timestamp>,
    known_earlier: bool,
    to: &str,
    last: Option<&SwitchoverRecord>,
) -> Option<Timestamp> {
    // A database was here before this execution asked for it, so an earlier one had asked.
    let began_earlier = found_databases_here(runs) == Some(true);
    let unfinished = last.filter(|last| !last.succeeded());
    match unfinished {
        // This switchover completes the unfinished one, or goes back from it.
        Some(last) if began_earlier || last.to_region != to => last.writes_stopped_at,
        // This execution asked too late: it found databases here, and nobody knows who moved them.
        _ if began_earlier && !known_earlier => None,
        _ => promotion_started,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use runbook::plan::sample;

    use super::*;
    use crate::record::page;
    use crate::record::sample::{asked, at, good, lag, switched};
    use crate::record::words::summary;

    #[test]
    fn a_failover_that_went_well_is_timed_from_start_to_the_verified_write() {
        let record = build(
            &sample(),
            &asked(
                MoveOutcome::Succeeded,
                r#"{"orders": {"seconds": 0.8, "at": "2026-11-25T11:59:00Z"}, "catalog": null}"#,
            ),
            &good(),
            &[],
            None,
            at(126),
        )
        .unwrap();
        assert_eq!((record.rto_seconds, record.promotion_seconds), (Some(125.0), Some(114.0)));
        assert_eq!((record.from_region.as_str(), record.stopped_by.as_ref()), ("sandbox-east", None));
        let names: Vec<(&str, u32)> =
            record.steps.iter().map(|step| (step.name.as_str(), step.runs)).collect();
        assert_eq!(
            names,
            [
                ("preflight", 1),
                ("trafficOff", 1),
                ("promote", 1),
                ("awaitPromotion", 2),
                ("trafficOn", 1),
                ("verify", 1)
            ]
        );
        assert_eq!(
            summary(&record),
            "shop moved from sandbox-east to sandbox-west in 2 min 5 s (budget 15 min), 1 min 54 s of it promoting the \
             databases. Writes at risk: catalog unknown, orders 0.8 s (budget 1 min each)."
        );
        assert_eq!(record.failover(None, None).lag, BTreeMap::from([("orders".to_owned(), lag(0.8))]));
    }

    #[test]
    fn the_lag_is_taken_from_the_execution_when_it_is_not_handed_over() {
        let record = build(&sample(), &asked(MoveOutcome::Failed, ""), &good(), &[], None, at(126)).unwrap();
        assert_eq!(record.lag["orders"], Some(lag(0.8)));
        let error = build(
            &sample(),
            &asked(MoveOutcome::Succeeded, "{{ preflight.lag }}"),
            &good(),
            &[],
            None,
            at(1),
        )
        .unwrap_err();
        assert!(error.to_string().contains("`lag`"), "{error}");
    }

    #[test]
    fn the_lag_is_taken_as_text_and_as_what_automation_made_of_it() {
        let text = r#"{"orders":{"seconds":2.5,"at":"2026-11-25T11:59:00Z"},"catalog":null}"#;
        for handed in [serde_json::json!(text), serde_json::from_str(text).unwrap()] {
            let asked =
                Asked { lag: serde_json::from_value(handed).unwrap(), ..asked(MoveOutcome::Succeeded, "") };
            let record = build(&sample(), &asked, &good(), &[], None, at(126)).unwrap();
            assert_eq!(
                record.lag,
                BTreeMap::from([("catalog".into(), None), ("orders".into(), Some(lag(2.5)))])
            );
        }
    }

    /// What an earlier execution began counts from there, unless it moved nothing.
    #[test]
    fn the_rest_of_a_move_began_with_the_execution_that_promoted() {
        let earlier = [Execution { started: at(-4000), ..good() }];
        let mut second = good();
        second.steps[1].outputs.insert("alreadyThere".into(), vec!["catalog, orders".into()]);
        let asked = asked(MoveOutcome::Succeeded, "");
        let record = build(&sample(), &asked, &second, &earlier, None, at(126)).unwrap();
        assert_eq!((record.began_at, record.rto_seconds), (Some(at(-4000)), Some(4125.0)));
        assert_eq!(record.failover(None, None).started_at, at(-4000));
        let page = page::page(&record).unwrap();
        assert!(
            page.contains("by an earlier execution") && page.contains("start of the first execution"),
            "{page}"
        );

        second.steps[1].outputs.insert("alreadyThere".into(), vec![String::new()]);
        let record = build(&sample(), &asked, &second, &earlier, None, at(126)).unwrap();
        assert_eq!((record.began_at, record.rto_seconds), (None, Some(125.0)));
        assert!(!page::page(&record).unwrap().contains("by an earlier execution"));
    }

    #[test]
    fn writes_stand_still_from_the_first_switch_to_the_verified_write() {
        let record = switched(MoveOutcome::Succeeded, "", None);
        assert_eq!((record.writes_stopped_at, record.write_outage_seconds), (Some(at(6)), Some(119.0)));
        assert_eq!(
            summary(&record),
            "shop moved from sandbox-east to sandbox-west by switchover: no write was lost. Writes stood still for at \
             most 1 min 59 s (budget 15 min)."
        );
        let page = page::page(&record).unwrap();
        assert!(page.contains("Switchover complete") && page.contains("at most 1 min 59 s"));
        assert!(!page.contains("at risk"), "a switchover risks nothing");
    }

    #[test]
    fn an_outage_that_began_earlier_is_counted_from_there_or_not_claimed() {
        let failed = SwitchoverRecord {
            outcome: MoveOutcome::Failed,
            writes_stopped_at: Some(at(-600)),
            ..switched(MoveOutcome::Failed, "", None).switchover()
        };
        let back = SwitchoverRecord { to_region: "sandbox-east".into(), ..failed.clone() };
        let ended = SwitchoverRecord { outcome: MoveOutcome::Succeeded, ..failed.clone() };
        let cases = [
            // The rest of it, the way back from it with and without a database left here.
            ("orders", Some(&failed), Some(at(-600))),
            ("", Some(&back), Some(at(-600))),
            ("orders", Some(&back), Some(at(-600))),
            // It moved nothing: writes went on meanwhile.
            ("", Some(&failed), Some(at(6))),
            ("", Some(&ended), Some(at(6))),
            ("orders", Some(&ended), None),
            ("orders", None, None),
        ];
        for (already_there, last, expected) in cases {
            let record = switched(MoveOutcome::Succeeded, already_there, last);
            assert_eq!(record.writes_stopped_at, expected, "{already_there:?} {last:?}");
            assert_eq!(record.switchover().writes_stopped_at, expected);
            assert_eq!(record.write_outage_seconds.is_some(), expected.is_some());
        }
        let unknown = summary(&switched(MoveOutcome::Succeeded, "orders", None));
        assert!(unknown.contains("a time that is not known"), "{unknown}");
    }
}
