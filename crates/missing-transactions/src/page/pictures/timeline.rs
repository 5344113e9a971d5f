//! The failover as a picture and a table.

use jiff::{SignedDuration, Timestamp};

use super::axis::{Tick, mark, percent, ticks};
use crate::facts::{Failover, Outage, Step};
use crate::report::Report;
use crate::text::{clock, duration, seconds, time};

/// The failover, as a picture and a table. Places are in percent of the width.
pub struct Timeline {
    pub description: String,
    pub height: usize,
    pub lanes: Vec<Lane>,
    pub ticks: Vec<Tick>,
    pub mark: Option<Tick>,
    pub steps: Vec<[String; 4]>,
}

pub struct Lane {
    pub y: usize,
    pub name: String,
    pub note: String,
    pub left: String,
    pub width: String,
    pub class: &'static str,
}

/// The failover as a picture and a table.
pub fn timeline(report: &Report, failover: &Failover) -> Timeline {
    let done = done(failover);
    let end = done.or(failover.ended_at).unwrap_or(failover.started_at);
    let (from, to) = moments(failover, done);
    let window = window_in_sight(report, from, to);
    let (from, to) = window.map_or((from, to), |(first, last)| (from.min(first), to.max(last)));
    // A little room at both ends, so that nothing begins or ends at the edge.
    let edge = seconds(from, to).max(1.0) * 0.02;
    let (from, to) = (before(from, edge), after(to, edge));
    let lanes = lanes(failover, window, end, (from, to));
    let each = lanes.iter().map(|lane| format!("{}: {}", lane.name.trim_start_matches("· "), lane.note));
    Timeline {
        description: format!(
            "From {} to {}. {}. The same is in the table below.",
            time(from),
            time(to),
            each.collect::<Vec<_>>().join("; ")
        ),
        height: 30 + lanes.len() * 38 + 24,
        lanes,
        ticks: ticks(from, to),
        mark: mark(&report.facts, from, to),
        steps: timeline_rows(report, failover, end),
    }
}

fn after(time: Timestamp, seconds: f64) -> Timestamp {
    let span = SignedDuration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    time.checked_add(span).unwrap_or(time)
}

fn before(time: Timestamp, seconds: f64) -> Timestamp {
    let span = SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
    time.checked_sub(span).unwrap_or(time)
}

/// When the failover was over, by its recovery time or its last step; `None` where neither is known.
fn done(failover: &Failover) -> Option<Timestamp> {
    let steps = failover.steps.iter().map(|step| after(step.started_at, step.seconds.unwrap_or(0.0)));
    failover.rto_seconds.map(|rto| after(failover.started_at, rto)).max(steps.max())
}

/// The first and the last known moment of the failover and of the outage.
fn moments(failover: &Failover, done: Option<Timestamp>) -> (Timestamp, Timestamp) {
    let outage = failover.outage;
    let end = done.or(failover.ended_at);
    let known = [outage.map(|outage| outage.from), outage.and_then(|outage| outage.to), end];
    let known = known.into_iter().flatten();
    known.fold((failover.started_at, failover.started_at), |(first, last), at| (first.min(at), last.max(at)))
}

/// When the lost writes were made, unless they are so far from the failover that all else would be too small to see. Stray
/// times are left out.
fn window_in_sight(report: &Report, from: Timestamp, to: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let over = &report.over_time;
    let window = report.window.as_ref()?;
    let (first, last) = match (over.bars.first(), over.bars.last()) {
        (Some(first), Some(last)) if over.before + over.after > 0 => {
            (first.from.max(window.first), after(last.from, over.bar_seconds as f64).min(window.last))
        }
        _ => (window.first, window.last),
    };
    let room = seconds(from, to).max(60.0) * 3.0;
    (seconds(first, to) < room && seconds(from, last) < room).then_some((first, last))
}

/// The bars of the timeline, from top to bottom.
fn lanes(
    failover: &Failover,
    window: Option<(Timestamp, Timestamp)>,
    end: Timestamp,
    (from, to): (Timestamp, Timestamp),
) -> Vec<Lane> {
    let span = seconds(from, to).max(0.001);
    let place = |time: Timestamp| seconds(from, time) / span;
    let mut lanes: Vec<Lane> = Vec::new();
    let mut lane = |name: &str, begin: Timestamp, end: Timestamp, note: String, class| {
        let left = place(begin).clamp(0.0, 0.995);
        let width = (place(end) - left).max(0.005);
        lanes.push(Lane {
            y: 30 + lanes.len() * 38,
            name: name.to_owned(),
            note,
            left: percent(left),
            width: percent(width),
            class,
        });
    };
    if let Some(outage) = failover.outage {
        lane("Outage, as clients saw it", outage.from, outage.to.unwrap_or(to), outage_note(outage), "out");
    }
    if let Some((first, last)) = window {
        let note = if first == last { clock(first) } else { duration(seconds(first, last)) };
        lane("Lost writes", first, last, note, "loss");
    }
    lane("Failover", failover.started_at, end, duration(seconds(failover.started_at, end)), "all");
    for step in &failover.steps {
        let end = after(step.started_at, step.seconds.unwrap_or(0.0));
        let class = if step.failed { "out" } else { "step" };
        lane(&format!("· {}", step.name), step.started_at, end, step_note(step), class);
    }
    lanes
}

fn outage_note(outage: Outage) -> String {
    outage.to.map_or_else(|| "not seen to end".to_owned(), |to| duration(seconds(outage.from, to)))
}

fn step_note(step: &Step) -> String {
    step.seconds.map_or_else(|| "not ended".to_owned(), duration)
}

/// The rows of the timeline's table: what, when, how long, and what there is to say of it.
fn timeline_rows(report: &Report, failover: &Failover, end: Timestamp) -> Vec<[String; 4]> {
    let mut rows: Vec<[String; 4]> = Vec::new();
    if let Some(outage) = failover.outage {
        let name = "Outage, as clients saw it".into();
        rows.push([name, time(outage.from), outage_note(outage), String::new()]);
    }
    if let Some(window) = &report.window {
        let note = format!("the last at {}", time(window.last));
        rows.push(["Lost writes, the first".into(), time(window.first), duration(window.seconds), note]);
    }
    let whole = duration(seconds(failover.started_at, end));
    rows.push(["Failover".into(), time(failover.started_at), whole, String::new()]);
    for step in &failover.steps {
        let reason = if step.failed { format!("failed: {}", step.reason) } else { step.reason.clone() };
        rows.push([step.name.clone(), time(step.started_at), step_note(step), reason]);
    }
    rows
}
