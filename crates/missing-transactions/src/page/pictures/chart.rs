//! Lost writes over time, as a picture and a table.

use jiff::SignedDuration;

use super::axis::{Tick, mark, percent, ticks};
use crate::report::Report;
use crate::text::{clock, count, counted, duration, row_time, time};

/// Lost writes over time, as a picture and a table.
pub struct Chart {
    pub description: String,
    pub highest: String,
    pub bars: Vec<BarView>,
    pub ticks: Vec<Tick>,
    pub mark: Option<Tick>,
    pub missing: String,
    pub updates: String,
    pub stray: String,
    pub untimed: String,
    pub bar: String,
}

pub struct BarView {
    pub left: String,
    pub width: String,
    pub missing: [String; 2],
    pub updates: [String; 2],
    pub from: String,
    pub counts: [String; 2],
    pub is_empty: bool,
}

/// Bars that the chart has room for at least.
const BARS_AT_LEAST: usize = 24;
/// The height of the chart's bars, in pixels.
const HIGH: f64 = 150.0;

/// The lost writes over time; `None` where there are none with a time.
pub fn chart(report: &Report) -> Option<Chart> {
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
