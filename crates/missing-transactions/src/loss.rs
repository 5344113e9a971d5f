//! When the lost writes were made: the first, the last, and how many when.
//!
//! Counts are kept by time slot. There are never more than `SLOTS`: when there would be, slots become twice as wide. So a
//! stray time from long ago costs precision, not memory.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::seconds;

/// Slots that are kept at most.
const SLOTS: usize = 20_000;
/// Bars that are shown at most.
const BARS: i64 = 60;
/// Widths of a bar, in seconds.
const WIDTHS: [i64; 22] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800,
    604_800, 2_592_000, 31_536_000,
];

/// The window of loss: when the lost writes were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The first lost write. A row that is missing was lost with its creation, where that has a time.
    #[schemars(with = "String")]
    pub first: Timestamp,
    /// The last.
    #[schemars(with = "String")]
    pub last: Timestamp,
    /// From the first to the last.
    pub seconds: f64,
    /// From the first to the start of the failover; negative when it was after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_before_start_seconds: Option<f64>,
    /// From the start of the failover to the last; negative when it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_after_start_seconds: Option<f64>,
    /// Lost writes with a time.
    pub timed: u64,
    /// Lost writes without one.
    pub untimed: u64,
}

/// Lost writes over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverTime {
    /// How long each bar is.
    pub bar_seconds: i64,
    /// The bars, in order, without gaps.
    pub bars: Vec<Bar>,
    /// Lost writes that are before the first bar: at most one in a hundred.
    pub before: u64,
    /// Lost writes that are after the last bar: at most one in a hundred.
    pub after: u64,
}

/// A bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bar {
    /// When it begins.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// Rows that are missing.
    pub missing: u64,
    /// Rows whose change is lost, or is in conflict.
    pub updates: u64,
}

/// Collects the times of lost writes.
#[derive(Debug, Clone)]
pub(crate) struct Losses {
    width: i64,
    slots: BTreeMap<i64, [u64; 2]>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    timed: u64,
    untimed: u64,
}

impl Default for Losses {
    fn default() -> Self {
        Self { width: 1, slots: BTreeMap::new(), first: None, last: None, timed: 0, untimed: 0 }
    }
}

impl Losses {
    /// Adds a lost write, that of a missing row or an update. `first` is when the first lost write of the row was made, where
    /// that is earlier.
    pub(crate) fn add(&mut self, first: Option<Timestamp>, time: Option<Timestamp>, update: bool) {
        let Some(time) = time else {
            self.untimed += 1;
            return;
        };
        self.timed += 1;
        let first = first.map_or(time, |first| first.min(time));
        self.first = Some(self.first.map_or(first, |least| least.min(first)));
        self.last = self.last.max(Some(time));
        let slot = time.as_second().div_euclid(self.width);
        self.slots.entry(slot).or_default()[usize::from(update)] += 1;
        while self.slots.len() > SLOTS {
            self.width *= 2;
            let mut wider: BTreeMap<i64, [u64; 2]> = BTreeMap::new();
            for (slot, counts) in std::mem::take(&mut self.slots) {
                let sum = wider.entry(slot.div_euclid(2)).or_default();
                sum[0] += counts[0];
                sum[1] += counts[1];
            }
            self.slots = wider;
        }
    }

    /// Lost writes without a time.
    pub(crate) fn untimed(&self) -> u64 {
        self.untimed
    }

    /// The window; `None` when no lost write has a time.
    pub(crate) fn window(&self, started: Option<Timestamp>) -> Option<Window> {
        let (first, last) = (self.first?, self.last?);
        Some(Window {
            first,
            last,
            seconds: seconds(first, last),
            first_before_start_seconds: started.map(|started| seconds(first, started)),
            last_after_start_seconds: started.map(|started| seconds(started, last)),
            timed: self.timed,
            untimed: self.untimed,
        })
    }

    /// The bars. Times far off, at most one in a hundred at either end, are left out where they would flatten the rest.
    pub(crate) fn over_time(&self) -> OverTime {
        let Some((&low, &high)) = self.slots.keys().next().zip(self.slots.keys().next_back()) else {
            return OverTime::default();
        };
        let hundredth = self.timed / 100;
        let inner_low = inner(self.slots.iter(), hundredth).unwrap_or(low);
        let inner_high = inner(self.slots.iter().rev(), hundredth).unwrap_or(high);
        let (low, high) =
            if (high - low) / 4 > inner_high - inner_low { (inner_low, inner_high) } else { (low, high) };

        let (start, end) = (low * self.width, (high + 1) * self.width);
        let fits = |bar: &&i64| {
            let first = start.div_euclid(**bar);
            **bar >= self.width && (end - 1).div_euclid(**bar) - first < BARS
        };
        let bar =
            WIDTHS.iter().find(fits).copied().unwrap_or_else(|| ((end - start) / BARS + 1).max(self.width));
        let (first, last) = (start.div_euclid(bar), (end - 1).div_euclid(bar));
        let count = (last - first + 1).clamp(1, BARS + 1) as usize;
        let mut over = OverTime { bar_seconds: bar, ..OverTime::default() };
        over.bars = (first..)
            .take(count)
            .filter_map(|place| Timestamp::from_second(place * bar).ok())
            .map(|from| Bar { from, missing: 0, updates: 0 })
            .collect();
        for (slot, counts) in &self.slots {
            let place = (slot * self.width).div_euclid(bar) - first;
            match usize::try_from(place).ok().map(|place| over.bars.get_mut(place)) {
                None => over.before += counts[0] + counts[1],
                Some(None) => over.after += counts[0] + counts[1],
                Some(Some(bar)) => {
                    bar.missing += counts[0];
                    bar.updates += counts[1];
                }
            }
        }
        over
    }
}

/// The first slot that, with those before it, holds more than `stray` writes.
fn inner<'a>(slots: impl Iterator<Item = (&'a i64, &'a [u64; 2])>, stray: u64) -> Option<i64> {
    let mut sum = 0;
    for (slot, counts) in slots {
        sum += counts[0] + counts[1];
        if sum > stray {
            return Some(*slot);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_764_072_000 + second).unwrap()
    }

    fn sum(over: &OverTime) -> u64 {
        over.before + over.after + over.bars.iter().map(|bar| bar.missing + bar.updates).sum::<u64>()
    }

    #[test]
    fn no_write_is_left_out() {
        let mut losses = Losses::default();
        for second in 0..200 {
            losses.add(None, Some(at(second)), second % 4 == 0);
        }
        losses.add(None, None, false);
        let over = losses.over_time();
        assert_eq!((over.bar_seconds, over.bars.len(), sum(&over)), (5, 40, 200));
        assert_eq!((over.bars[0].from, over.bars[0].missing, over.bars[0].updates), (at(0), 3, 2));
        let window = losses.window(Some(at(150))).unwrap();
        assert_eq!((window.first, window.last, window.timed, window.untimed), (at(0), at(199), 200, 1));
        assert_eq!(
            (window.first_before_start_seconds, window.last_after_start_seconds),
            (Some(150.0), Some(49.0))
        );
    }

    #[test]
    fn a_stray_time_does_not_flatten_the_rest() {
        let mut losses = Losses::default();
        for second in 0..300 {
            losses.add(None, Some(at(second)), false);
        }
        losses.add(None, Some(at(-90_000_000)), false);
        losses.add(None, Some(at(9_000_000)), false);
        let over = losses.over_time();
        assert_eq!((over.bar_seconds, over.before >= 1, over.after >= 1, sum(&over)), (5, true, true, 302));
        assert!(over.before <= 4 && over.after <= 4);
    }

    #[test]
    fn many_different_times_stay_small() {
        let mut losses = Losses::default();
        for i in 0..200_000 {
            losses.add(None, Some(at(i * 977)), false);
        }
        assert!(losses.slots.len() <= SLOTS);
        let over = losses.over_time();
        assert!(over.bars.len() <= 61, "{}", over.bars.len());
        assert_eq!(sum(&over), 200_000);
        assert_eq!(Losses::default().over_time(), OverTime::default());
    }
}
