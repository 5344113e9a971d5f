//! The pictures of the page: where bars, lines and labels are. Places along the width are in percent, so that a picture fits
//! any screen while its text stays as large as it is.

use jiff::{SignedDuration, Timestamp};

use crate::facts::{Facts, Failover, Outage, Step};
use crate::recovery::Kept;
use crate::report::Report;
use crate::text::{clock, count, counted, day, duration, row_time, seconds, time};

/// The failover, as a picture and a table. Places are in percent of the width.
pub(super) struct Timeline {
    pub(super) description: String,
    pub(super) height: usize,
    pub(super) lanes: Vec<Lane>,
    pub(super) ticks: Vec<Tick>,
    pub(super) mark: Option<Tick>,
    pub(super) steps: Vec<[String; 4]>,
}

pub(super) struct Lane {
    pub(super) y: usize,
    pub(super) name: String,
    pub(super) note: String,
    pub(super) left: String,
    pub(super) width: String,
    pub(super) class: &'static str,
}

pub(super) struct Tick {
    pub(super) at: String,
    pub(super) anchor: &'static str,
    pub(super) label: String,
}

/// A time against its budget.
pub(super) struct Budget {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) budget: String,
    pub(super) width: String,
    pub(super) limit: String,
    /// Of the number, and of its bar.
    pub(super) class: &'static str,
    pub(super) bar: &'static str,
    /// Whether it is within the budget.
    pub(super) word: &'static str,
    /// Why that is not known.
    pub(super) why: String,
}

/// Lost writes over time, as a picture and a table.
pub(super) struct Chart {
    pub(super) description: String,
    pub(super) highest: String,
    pub(super) bars: Vec<BarView>,
    pub(super) ticks: Vec<Tick>,
    pub(super) mark: Option<Tick>,
    pub(super) missing: String,
    pub(super) updates: String,
    pub(super) stray: String,
    pub(super) untimed: String,
    pub(super) bar: String,
}

pub(super) struct BarView {
    pub(super) left: String,
    pub(super) width: String,
    pub(super) missing: [String; 2],
    pub(super) updates: [String; 2],
    pub(super) from: String,
    pub(super) counts: [String; 2],
    pub(super) is_empty: bool,
}

/// A place in percent.
fn percent(part: f64) -> String {
    format!("{:.2}%", part.clamp(0.0, 1.0) * 100.0)
}

/// Labels along an axis; the first and the last stay inside of it.
fn ticks(from: Timestamp, to: Timestamp) -> Vec<Tick> {
    let span = seconds(from, to).max(0.001);
    let long = span > 86_400.0;
    (0_u8..5)
        .filter_map(|i| {
            let part = f64::from(i) / 4.0;
            let at = from.checked_add(SignedDuration::try_from_secs_f64(span * part).ok()?).ok()?;
            let anchor = ["start", "middle", "middle", "middle", "end"][usize::from(i)];
            let label = if long { day(at) } else { clock(at) };
            Some(Tick { at: percent(part), anchor, label })
        })
        .collect()
}

/// The start of the failover across a picture, where it is inside of it.
fn mark(facts: &Facts, from: Timestamp, to: Timestamp) -> Option<Tick> {
    let started = facts.failover.as_ref()?.started_at;
    let part = seconds(from, started) / seconds(from, to).max(0.001);
    let anchor = if part > 0.6 { "end" } else { "start" };
    let label = format!("failover {}", clock(started));
    (from..=to).contains(&started).then(|| Tick { at: percent(part), anchor, label })
}

/// The failover as a picture and a table.
pub(super) fn timeline(report: &Report, failover: &Failover) -> Timeline {
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

/// Each time beside the plan's budget for it.
pub(super) fn budgets(report: &Report) -> Vec<Budget> {
    let Some(budgets) = report.facts.budgets else { return Vec::new() };
    let failover = report.facts.failover.as_ref();
    let outage = failover.and_then(|failover| failover.outage);
    let mut found = Vec::new();
    let rto = |name: &str, seconds: f64| {
        let kept = if seconds > budgets.rto_seconds { Kept::Over } else { Kept::Within };
        budget(name.to_owned(), seconds, ("RTO", budgets.rto_seconds), Some(kept))
    };
    if let Some(seconds) = failover.and_then(|failover| failover.rto_seconds) {
        found.push(rto("Recovery, by the runbook", seconds));
    }
    if let Some((from, to)) = outage.and_then(|outage| Some((outage.from, outage.to?))) {
        found.push(rto("Outage, as clients saw it", seconds(from, to)));
    }
    let rpo = ("RPO", budgets.rpo_seconds);
    for (database, point) in &report.recovery_points {
        let kept = point.against(budgets.rpo_seconds);
        let name = format!("Lost writes of {database}, to the failover");
        let mut line = budget(name, point.seconds.unwrap_or_default(), rpo, Some(kept));
        line.value = match point.seconds {
            None => "not known".to_owned(),
            Some(_) if !point.open.is_empty() => format!("at least {}", line.value),
            Some(_) => line.value,
        };
        line.why = point.open.join("; ");
        found.push(line);
    }
    // No more than was expected to be lost: no green for it beside what was.
    for (database, known) in &report.facts.databases {
        let lag = known
            .lag_seconds
            .map(|lag| budget(format!("Lag of {database} before the failover"), lag, rpo, None));
        found.extend(lag);
    }
    found
}

/// A time beside its budget; without a verdict where it is none.
fn budget(name: String, value: f64, (which, limit): (&str, f64), kept: Option<Kept>) -> Budget {
    let scale = value.max(limit).max(0.001) * 1.02;
    let (class, bar, word) = match kept {
        Some(Kept::Within) => ("good", "within", "within"),
        Some(Kept::Over) => ("bad", "out", "over"),
        Some(Kept::Unknown) => ("warn", "loss", "against"),
        None => ("", "all", "beside"),
    };
    Budget {
        name,
        value: duration(value),
        budget: format!("{which} {}", duration(limit)),
        width: percent((value / scale).max(0.004)),
        limit: percent(limit / scale),
        class,
        bar,
        word,
        why: String::new(),
    }
}

/// Bars that the chart has room for at least.
const BARS_AT_LEAST: usize = 24;
/// The height of the chart's bars, in pixels.
const HIGH: f64 = 150.0;

/// The lost writes over time; `None` where there are none with a time.
pub(super) fn chart(report: &Report) -> Option<Chart> {
    let (over, window) = (&report.over_time, report.window.as_ref()?);
    let (first, last) = (over.bars.first()?, over.bars.last()?);
    let end = last.from.checked_add(SignedDuration::from_secs(over.bar_seconds)).ok()?;
    let most = over.bars.iter().map(|bar| bar.missing + bar.updates).max()?.max(1);
    // Few bars stay narrow: there is room for some more on both sides.
    let spare = (BARS_AT_LEAST.saturating_sub(over.bars.len()) / 2) as i64;
    let room = SignedDuration::from_secs(over.bar_seconds.checked_mul(spare)?);
    let (from, to) = (first.from.checked_sub(room).ok()?, end.checked_add(room).ok()?);
    let n = over.bars.len() as f64 + 2.0 * spare as f64;
    let pixels = |y: f64| format!("{y:.1}");
    let bars = over
        .bars
        .iter()
        .enumerate()
        .map(|(i, bar)| {
            let high = |rows: u64| {
                let high = rows as f64 / most as f64 * HIGH;
                if rows > 0 { high.max(1.5) } else { 0.0 }
            };
            let (missing, updates) = (high(bar.missing), high(bar.updates));
            let base = 20.0 + HIGH;
            BarView {
                left: percent((spare as f64 + i as f64 + 0.06) / n),
                width: percent(0.88 / n),
                missing: [pixels(base - missing), pixels(missing)],
                updates: [pixels(base - missing - updates), pixels(updates)],
                from: row_time(bar.from),
                counts: [count(bar.missing), count(bar.updates)],
                is_empty: bar.missing + bar.updates == 0,
            }
        })
        .collect();
    let sum = |of: fn(&crate::loss::Bar) -> u64| over.bars.iter().map(of).sum::<u64>();
    let (missing, updates) = (sum(|bar| bar.missing), sum(|bar| bar.updates));
    let stray = over.before + over.after;
    let highest = over.bars.iter().max_by_key(|bar| bar.missing + bar.updates)?;
    Some(Chart {
        description: format!(
            "{} between {} and {}; most of them, {}, in the {} from {}. The same is in the table below.",
            counted(missing + updates, "lost write"),
            time(first.from),
            time(end),
            count(most),
            duration(over.bar_seconds as f64),
            clock(highest.from),
        ),
        highest: counted(most, "row"),
        bars,
        ticks: ticks(from, to),
        mark: mark(&report.facts, from, to),
        missing: counted(missing, "missing row"),
        updates: counted(updates, "lost or conflicting change"),
        stray: if stray > 0 {
            format!(
                "{} outside of the picture: {} earlier, {} later. The first of all is from {}, the last from {}.",
                counted(stray, "write"),
                count(over.before),
                count(over.after),
                time(window.first),
                time(window.last)
            )
        } else {
            String::new()
        },
        untimed: if window.untimed > 0 { counted(window.untimed, "lost write") } else { String::new() },
        bar: duration(over.bar_seconds as f64),
    })
}
