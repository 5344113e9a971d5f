//! A record in sentences.

use runbook::record::MoveOutcome;
use runbook::step::Mode;

use super::model::{Progress, Record};
use super::steps::PROMOTE;
use crate::text;

/// The record in one line of a few sentences, for notifications and outputs.
pub fn summary(record: &Record) -> String {
    match (record.outcome, record.mode) {
        (MoveOutcome::Succeeded, Mode::Switchover) => switched(record),
        (MoveOutcome::Succeeded, Mode::Failover | Mode::Detach) => failed_over(record),
        (MoveOutcome::Failed, _) => failed(record),
    }
}

fn switched(record: &Record) -> String {
    format!(
        "{} moved from {} to {} by switchover: no write was lost. Writes stood still {}.",
        record.plan,
        record.from_region,
        record.to_region,
        outage(record)
    )
}

fn failed_over(record: &Record) -> String {
    let mut line = format!("{} moved from {} to {}", record.plan, record.from_region, record.to_region);
    if let Some(seconds) = record.rto_seconds {
        line += &format!(" in {}", text::duration(seconds));
    }
    line += &format!(" (budget {})", text::duration(record.rto_budget_seconds.into()));
    if let Some(seconds) = record.promotion_seconds {
        line += &format!(", {} of it promoting the databases", text::duration(seconds));
    }
    line += &format!(". Writes at risk: {}.", at_risk(record));
    if record.mode == Mode::Detach {
        // The last promotion says which databases are detached, and where they accept writes.
        let promotions = record.steps.iter().filter(|step| PROMOTE.contains(&step.name.as_str()));
        let reason = promotions.max_by_key(|step| step.ended_at).and_then(|step| step.reason.as_deref());
        line += &format!(" Now {}", text::sentence(reason.unwrap_or("they are not replicated")));
    }
    line
}

fn failed(record: &Record) -> String {
    let why = record.stopped_by.as_ref().map_or_else(
        || "no step ran".to_owned(),
        |stop| format!("step {}: {}", stop.step, text::cut(&stop.reason, 400)),
    );
    format!(
        "The {} of {} to {} failed at {} {}",
        record.mode.noun(),
        record.plan,
        record.to_region,
        text::sentence(&why),
        next(record)
    )
}

/// `for at most 1 min 5 s (budget 15 min)`.
fn outage(record: &Record) -> String {
    let budget = text::duration(record.rto_budget_seconds.into());
    match record.write_outage_seconds {
        Some(seconds) => format!("for at most {} (budget {budget})", text::duration(seconds)),
        None => "for a time that is not known, because they did so before this execution began".into(),
    }
}

/// What state a failed failover or switchover left, and what to do.
fn next(record: &Record) -> String {
    let (from, to) = (&record.from_region, &record.to_region);
    match record.progress {
        Progress::NothingChanged => {
            "Nothing was changed. Mend the cause and start the runbook again.".to_owned()
        }
        Progress::TrafficMoving if record.mode == Mode::Switchover => format!(
            "No database was touched; the traffic may be in {to} already. Mend the cause and start the runbook again, or \
             start it in {from} to go back."
        ),
        Progress::Promoting if record.mode == Mode::Switchover => format!(
            "Databases may be on their way to {to}, and writes may be refused. See each global cluster, mend the cause, \
             and start the runbook again, or start it in {from} to go back."
        ),
        Progress::TrafficMoving => format!(
            "No database was touched; the traffic to {from} may be off. Mend the cause and start the runbook again."
        ),
        Progress::Promoting => format!(
            "Databases may be on their way to {to}; the traffic is off. See each global cluster, mend the cause, and \
             start the runbook again."
        ),
        Progress::Promoted => format!(
            "Every database has its writer in {to}. Mend the cause and start the runbook again: it goes on from there."
        ),
    }
}

/// `orders 0.8 s, catalog unknown (budget 1 min)`.
fn at_risk(record: &Record) -> String {
    let each: Vec<String> = record
        .lag
        .iter()
        .map(|(name, lag)| {
            format!("{name} {}", lag.map_or("unknown".into(), |lag| text::duration(lag.seconds)))
        })
        .collect();
    format!("{} (budget {} each)", each.join(", "), text::duration(record.rpo_budget_seconds.into()))
}

#[cfg(test)]
mod tests {
    use runbook::plan::sample;

    use super::*;
    use crate::execution::{Execution, StepRun};
    use crate::record::build::build;
    use crate::record::model::Asked;
    use crate::record::page::page;
    use crate::record::sample::{asked, at, good, run};

    #[test]
    fn a_failure_names_its_step_its_reason_and_what_it_left() {
        let failed = |failure: &str| StepRun {
            status: "Failed".into(),
            failure: Some(failure.into()),
            ..run("x", 7, 9, &[])
        };
        let named = |name: &str, run: StepRun| StepRun { name: name.into(), ..run };
        let payload = r#"{"errorType":"Unreachable","errorMessage":"no ARC endpoint answers"}"#;
        let steps = good().steps;
        // (how many steps of the good one ran, the step that stopped it, what is said)
        let cases = [
            (
                1,
                named("preflight", failed("no such function")),
                Progress::NothingChanged,
                "preflight: no such function. Nothing was changed",
            ),
            (
                3,
                run("trafficOff", 7, 9, &[("OutputPayload", payload)]),
                Progress::TrafficMoving,
                "no ARC endpoint answers. No database was touched",
            ),
            (
                5,
                run("awaitPromotion", 7, 9, &[("status", "Refused"), ("reason", "60 min are over")]),
                Progress::Promoting,
                "60 min are over. Databases may be",
            ),
            (7, named("trafficOn", failed("broken")), Progress::Promoted, "it goes on from there"),
            (7, run("trafficOn", 7, 9, &[]), Progress::Promoted, "gave no reason"),
        ];
        for (ran, mut last, progress, said) in cases {
            last.started = Some(at(1000));
            last.ended = Some(at(1001));
            let name = last.name.clone();
            let execution = Execution {
                steps: steps
                    .iter()
                    .take(ran)
                    .cloned()
                    .chain([last, run("recordFailure", 1001, 1002, &[])])
                    .collect(),
                ..good()
            };
            let record =
                build(&sample(), &asked(MoveOutcome::Failed, ""), &execution, &[], None, at(1003)).unwrap();
            assert_eq!(record.progress, progress, "{name}");
            assert_eq!(record.stopped_by.as_ref().unwrap().step, name);
            assert_eq!(record.rto_seconds, None);
            assert!(summary(&record).contains(said), "{said} is missing in: {}", summary(&record));
            assert!(page(&record).unwrap().contains(&name));
        }
    }

    #[test]
    fn a_detach_says_where_to_write() {
        let mut execution = good();
        let reason =
            "every database has its writer in sandbox-west; detached, so write there: orders at host:3306";
        let promoted = execution.steps.iter_mut().rfind(|run| PROMOTE.contains(&run.name.as_str())).unwrap();
        promoted.outputs.insert("reason".into(), vec![reason.into()]);
        let asked = Asked { mode: Mode::Detach, ..asked(MoveOutcome::Succeeded, "") };
        let record = build(&sample(), &asked, &execution, &[], None, at(126)).unwrap();
        assert!(summary(&record).ends_with(&format!("Now {reason}.")), "{}", summary(&record));
        assert_eq!(record.failover(None, None).to_region, "sandbox-west");
    }

    #[test]
    fn a_failed_switchover_says_both_ways_out() {
        let mut execution = Execution { document: "causeway-failback".into(), ..good() };
        execution.steps.truncate(5);
        let asked = Asked { mode: Mode::Switchover, ..asked(MoveOutcome::Failed, "") };
        let record = build(&sample(), &asked, &execution, &[], None, at(126)).unwrap();
        let summary = summary(&record);
        for part in ["The switchover of shop to sandbox-west failed", "start it in sandbox-east to go back"] {
            assert!(summary.contains(part), "{part} is missing in: {summary}");
        }
        assert_eq!(record.writes_stopped_at, Some(at(6)));
    }
}
