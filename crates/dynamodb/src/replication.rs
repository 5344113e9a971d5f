//! What is under way between Regions: writes that arrive after a delay, or wait since a Region is cut off.
//!
//! Each item goes by itself, and nothing keeps an order between two items: a transaction may arrive in pieces. Who wins is
//! settled where a write arrives ([`crate::items`]). While a Region is cut off, what comes from it and what goes to it waits;
//! nothing is lost. When it is let go on, what is overdue arrives after a delay that is drawn anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::items::Version;
use crate::keys::Position;

/// How long a write is under way to another Region: something from `smallest` to `largest`.
#[derive(Debug, Clone, Copy)]
pub struct Delay {
    /// No write arrives sooner.
    pub smallest: Duration,
    /// No write arrives later, unless a Region is cut off.
    pub largest: Duration,
    /// Where the generator begins: the same seed draws the same delays.
    pub seed: u64,
}

/// What has not reached the other Regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many writes; one that has not reached several Regions counts once.
    pub writes: usize,
    /// How long ago the oldest of them was made; `None` when there are none.
    pub oldest: Option<Duration>,
}

/// A write that is under way.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The table.
    pub group: u64,
    pub position: Position,
    pub version: Version,
    /// Where it goes.
    pub to: String,
    /// When it was written, and the number of the write.
    written: Timestamp,
    write: u64,
}

/// All that is under way.
#[derive(Debug)]
pub struct Replication {
    delay: Delay,
    random: u64,
    cut: BTreeSet<String>,
    writes: u64,
    letters: u64,
    /// By the Regions from and to, then by when it is due; the number keeps two apart that are due at once.
    way: BTreeMap<(String, String), BTreeMap<(Timestamp, u64), Letter>>,
}

impl Replication {
    /// Nothing is under way, and no Region is cut off.
    pub fn new(delay: Delay) -> Self {
        let (cut, way) = (BTreeSet::new(), BTreeMap::new());
        Self { delay, random: delay.seed, cut, writes: 0, letters: 0, way }
    }

    /// Sends a write from a Region to others.
    pub fn send(
        &mut self,
        from: &str,
        to: &[String],
        (group, position): (u64, &Position),
        version: &Version,
        now: Timestamp,
    ) {
        self.writes += 1;
        for to in to {
            let due = self.due(now);
            self.letters += 1;
            let letter = Letter {
                group,
                position: position.clone(),
                version: version.clone(),
                to: to.clone(),
                written: now,
                write: self.writes,
            };
            let way = self.way.entry((from.to_owned(), to.clone())).or_default();
            way.insert((due, self.letters), letter);
        }
    }

    /// What has arrived.
    pub fn arrived(&mut self, now: Timestamp) -> Vec<Letter> {
        let mut arrived = Vec::new();
        for ((from, to), letters) in &mut self.way {
            if self.cut.contains(from) || self.cut.contains(to) {
                continue;
            }
            let later = letters.split_off(&(now, u64::MAX));
            arrived.extend(std::mem::replace(letters, later).into_values());
        }
        arrived
    }

    /// Cuts a Region off, or lets it go on.
    pub fn cut(&mut self, region: &str, cut: bool, now: Timestamp) {
        if cut {
            self.cut.insert(region.to_owned());
            return;
        }
        if !self.cut.remove(region) {
            return;
        }
        let ways: Vec<(String, String)> = self.way.keys().cloned().collect();
        for way in ways.into_iter().filter(|(from, to)| from == region || to == region) {
            let Some(mut letters) = self.way.remove(&way) else { continue };
            let later = letters.split_off(&(now, u64::MAX));
            let mut all = later;
            for ((_, number), letter) in letters {
                all.insert((self.due(now), number), letter);
            }
            self.way.insert(way, all);
        }
    }

    /// Whether any of these Regions is cut off.
    pub fn is_cut(&self, regions: &[String]) -> bool {
        regions.iter().any(|region| self.cut.contains(region))
    }

    /// What of a Region's writes has not reached the others.
    pub fn waiting(&self, region: &str, now: Timestamp) -> Waiting {
        let from = self.way.iter().filter(|((from, _), _)| from == region);
        let letters: Vec<&Letter> = from.flat_map(|(_, letters)| letters.values()).collect();
        let writes = letters.iter().map(|letter| letter.write).collect::<BTreeSet<u64>>().len();
        let oldest = letters.iter().map(|letter| letter.written).min();
        let age = |written| Duration::try_from(now.duration_since(written)).unwrap_or_default();
        Waiting { writes, oldest: oldest.map(age) }
    }

    /// When something arrives that is sent now.
    fn due(&mut self, now: Timestamp) -> Timestamp {
        // SplitMix64: small, and good enough to spread delays.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.random;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;
        let span = self.delay.largest.saturating_sub(self.delay.smallest).as_nanos();
        let part = u64::try_from((span * u128::from(drawn)) >> 64).unwrap_or(u64::MAX);
        let delay = self.delay.smallest.saturating_add(Duration::from_nanos(part));
        now.checked_add(delay).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::Items;
    use crate::keys::KeyValue;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn replication() -> Replication {
        Replication::new(Delay { smallest: Duration::from_secs(1), largest: Duration::from_secs(3), seed: 7 })
    }

    fn send(replication: &mut Replication, from: &str, to: &[&str], now: Timestamp) {
        let position = Position::new(KeyValue::S("a".to_owned()), None);
        let version = Items::default().write(&position, None, from, now);
        let to: Vec<String> = to.iter().map(|to| (*to).to_owned()).collect();
        replication.send(from, &to, (1, &position), &version, now);
    }

    #[test]
    fn a_write_arrives_within_its_delay() {
        let mut replication = replication();
        for _ in 0..100 {
            send(&mut replication, "east", &["west"], at(0));
        }
        assert!(replication.arrived(at(0)).is_empty());
        let early = replication.arrived(at(2)).len();
        assert!((20..80).contains(&early), "{early}");
        assert_eq!(early + replication.arrived(at(3)).len(), 100);
    }

    #[test]
    fn nothing_goes_to_or_from_a_region_that_is_cut_off() {
        let mut replication = replication();
        replication.cut("west", true, at(0));
        send(&mut replication, "east", &["north", "west"], at(0));
        send(&mut replication, "west", &["east"], at(5));
        let arrived = replication.arrived(at(100));
        assert_eq!(arrived.iter().map(|letter| letter.to.as_str()).collect::<Vec<_>>(), ["north"]);
        let waiting = Waiting { writes: 1, oldest: Some(Duration::from_secs(95)) };
        assert_eq!(replication.waiting("west", at(100)), waiting);
        assert_eq!(replication.waiting("east", at(100)).writes, 1);
        replication.cut("west", false, at(100));
        assert!(replication.arrived(at(100)).is_empty(), "late, and not at once");
        assert_eq!(replication.arrived(at(103)).len(), 2);
        assert_eq!(replication.waiting("west", at(103)), Waiting { writes: 0, oldest: None });
    }

    #[test]
    fn a_write_to_two_regions_counts_once() {
        let mut replication = replication();
        send(&mut replication, "east", &["north", "west"], at(0));
        assert_eq!(replication.waiting("east", at(0)).writes, 1);
    }
}
