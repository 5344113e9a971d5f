//! A record as a page for people, `record.html`.

use askama::Template;
use jiff::Timestamp;
use runbook::StepError;
use runbook::error::Kind;
use runbook::lag::Lag;
use runbook::record::MoveOutcome;
use runbook::step::Mode;

use super::model::{Record, Step};
use super::words::summary;
use crate::text;

/// The record as a page for people.
#[derive(Template)]
#[template(path = "record.html")]
struct Page<'a> {
    record: &'a Record,
    badge: String,
    heading: String,
    summary: String,
    succeeded: bool,
    facts: Vec<Fact>,
    rows: Vec<Row>,
    ruler: Vec<(f64, String)>,
}

/// A number against its budget.
struct Fact {
    name: String,
    value: String,
    note: String,
    /// `good`, `bad` or empty.
    class: &'static str,
}

/// A step in the timeline; `left` and `width` in percent of the whole.
struct Row {
    name: String,
    offset: String,
    length: String,
    runs: u32,
    left: f64,
    width: f64,
    bad: bool,
    reason: String,
}

/// The page.
///
/// # Errors
/// When the page can't be written, which a test rules out.
pub fn page(record: &Record) -> Result<String, StepError> {
    let end = record.steps.iter().filter_map(|step| step.ended_at).max().unwrap_or(record.ended_at);
    let total = text::seconds(record.started_at, end).max(0.1);
    let (heading, succeeded) = match record.outcome {
        MoveOutcome::Succeeded => (format!("{} runs in {}", record.plan, record.to_region), true),
        MoveOutcome::Failed => {
            (format!("The {} of {} to {} failed", record.mode.noun(), record.plan, record.to_region), false)
        }
    };
    let badge = match record.mode {
        Mode::Failover => "Failover",
        Mode::Switchover => "Switchover",
        Mode::Detach => "Failover by detaching",
    };
    let page = Page {
        record,
        badge: format!("{badge} {}", if succeeded { "complete" } else { "failed" }),
        heading,
        summary: summary(record),
        succeeded,
        facts: facts(record),
        rows: record.steps.iter().map(|step| row(record, step, end, total)).collect(),
        ruler: [0.0, 0.25, 0.5, 0.75, 1.0]
            .iter()
            .map(|part| (part * 100.0, text::duration(part * total)))
            .collect(),
    };
    page.render().map_err(|error| {
        StepError::new(Kind::Failed, "the record's page can't be written", "report this line")
            .with_source(error)
    })
}

/// A step beside the others. `end` stands for the end of a step that has none; `total` is the width of the whole, in
/// seconds.
fn row(record: &Record, step: &Step, end: Timestamp, total: f64) -> Row {
    let offset = text::seconds(record.started_at, step.started_at);
    let length = text::seconds(step.started_at, step.ended_at.unwrap_or(end));
    let left = (offset / total * 100.0).clamp(0.0, 99.5);
    Row {
        name: step.name.clone(),
        offset: format!("+ {}", text::duration(offset)),
        length: text::duration(length),
        runs: step.runs,
        left,
        width: (length / total * 100.0).clamp(0.5, 100.0 - left),
        bad: record.stopped_by.as_ref().is_some_and(|stop| stop.step == step.name) || step.status == "Failed",
        reason: step.reason.clone().unwrap_or_default(),
    }
}

/// The numbers of a record, each against its budget where it has one.
fn facts(record: &Record) -> Vec<Fact> {
    match record.mode {
        Mode::Switchover => switchover_facts(record),
        Mode::Failover | Mode::Detach => failover_facts(record),
    }
}

fn against(value: f64, budget: u32) -> &'static str {
    if value <= f64::from(budget) { "good" } else { "bad" }
}

fn budget(seconds: u32) -> String {
    format!("budget {}", text::duration(seconds.into()))
}

fn switchover_facts(record: &Record) -> Vec<Fact> {
    let allowed = record.rto_budget_seconds;
    let outage = match record.write_outage_seconds {
        Some(seconds) => Fact {
            name: "Write outage".into(),
            value: format!("at most {}", text::duration(seconds)),
            note: format!(
                "from the first database asked to switch to the last verified write; {}",
                budget(allowed)
            ),
            class: against(seconds, allowed),
        },
        None => Fact {
            name: "Write outage".into(),
            value: "unknown".into(),
            note: format!("not over, or begun before this execution; {}", budget(allowed)),
            class: "bad",
        },
    };
    let lag = |(name, lag): (&String, &Option<Lag>)| Fact {
        name: format!("Replication lag: {name}"),
        value: lag.map_or("unknown".into(), |lag| text::duration(lag.seconds)),
        note: "just before; the switchover waited for it".into(),
        class: "",
    };
    std::iter::once(outage).chain(record.lag.iter().map(lag)).collect()
}

fn failover_facts(record: &Record) -> Vec<Fact> {
    let allowed = record.rto_budget_seconds;
    let recovery = match record.rto_seconds {
        Some(seconds) => Fact {
            name: "Recovery time".into(),
            value: text::duration(seconds),
            note: format!(
                "start of the {} to the first verified write; {}",
                if record.began_at.is_some() { "first execution" } else { "runbook" },
                budget(allowed)
            ),
            class: against(seconds, allowed),
        },
        None => Fact {
            name: "Recovery time".into(),
            value: "not recovered".into(),
            note: budget(allowed),
            class: "bad",
        },
    };
    let promotion = record.promotion_seconds.map(|seconds| Fact {
        name: "Promotion".into(),
        value: text::duration(seconds),
        note: "all databases at once; part of the recovery time".into(),
        class: "",
    });
    let at_risk = record.lag.iter().map(|(name, lag)| at_risk(name, *lag, record.rpo_budget_seconds));
    std::iter::once(recovery).chain(promotion).chain(at_risk).collect()
}

fn at_risk(database: &str, lag: Option<Lag>, allowed: u32) -> Fact {
    let name = format!("Writes at risk: {database}");
    match lag {
        Some(Lag { seconds, .. }) => Fact {
            name,
            value: text::duration(seconds),
            note: format!("replication lag before the failover; {}", budget(allowed)),
            class: against(seconds, allowed),
        },
        None => Fact {
            name,
            value: "unknown".into(),
            note: format!("the lag was not measured; {}", budget(allowed)),
            class: "",
        },
    }
}

mod filters {
    //! For the templates.

    /// A time in UTC.
    #[askama::filter_fn]
    pub fn utc(time: &jiff::Timestamp, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(crate::text::time(*time))
    }
}

#[cfg(test)]
mod tests {
    use runbook::plan::sample;

    use super::*;
    use crate::record::build::build;
    use crate::record::sample::{asked, at, good, run};

    #[test]
    fn the_page_escapes_what_it_shows() {
        let mut execution = good();
        execution.steps[3] =
            run("trafficOff", 4, 6, &[("status", "Done"), ("reason", "<script>alert(1)</script>")]);
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &execution, &[], None, at(126)).unwrap();
        let page = page(&record).unwrap();
        assert!(!page.contains("<script>") && page.contains("&#60;script&#62;"));
    }
}
