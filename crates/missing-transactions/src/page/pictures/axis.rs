//! Places and labels along the width of a picture.

use jiff::{SignedDuration, Timestamp};

use crate::facts::Facts;
use crate::text::{clock, day, seconds};

pub struct Tick {
    pub at: String,
    pub anchor: &'static str,
    pub label: String,
}

/// A place in percent.
pub(super) fn percent(part: f64) -> String {
    format!("{:.2}%", part.clamp(0.0, 1.0) * 100.0)
}

/// Labels along an axis; the first and the last stay inside of it.
pub(super) fn ticks(from: Timestamp, to: Timestamp) -> Vec<Tick> {
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
pub(super) fn mark(facts: &Facts, from: Timestamp, to: Timestamp) -> Option<Tick> {
    let started = facts.failover.as_ref()?.started_at;
    let part = seconds(from, started) / seconds(from, to).max(0.001);
    let anchor = if part > 0.6 { "end" } else { "start" };
    let label = format!("failover {}", clock(started));
    (from..=to).contains(&started).then(|| Tick { at: percent(part), anchor, label })
}
