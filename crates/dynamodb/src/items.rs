//! The items of a table in one Region, each with the time of its last write.
//!
//! The time decides between writes of several Regions: the later one wins, and of two at the same time the one of the Region
//! whose name is greater, so that all Regions settle the same. A write in a Region is always later than what it replaces
//! there, even when another Region's clock was ahead. A deletion is a write, too: what is left of it is its time, so that an
//! older write that arrives after it is the loser.

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::{SignedDuration, Timestamp};

use crate::attribute::Item;
use crate::keys::{KeyValue, Position};

/// When, and in which Region, something was written. No operation shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    at: Timestamp,
    region: String,
}

/// What a write left.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    stamp: Stamp,
    /// None after a deletion.
    pub item: Option<Item>,
}

/// The items of a table in one Region.
#[derive(Debug, Clone, Default)]
pub struct Items {
    versions: BTreeMap<Position, Version>,
}

impl Items {
    /// The item at a position.
    pub fn get(&self, position: &Position) -> Option<&Item> {
        self.versions.get(position)?.item.as_ref()
    }

    /// Writes in this Region. Answers what has to go to the others.
    pub fn write(
        &mut self,
        position: &Position,
        item: Option<Item>,
        region: &str,
        now: Timestamp,
    ) -> Version {
        let after = |seen: &Version| seen.stamp.at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(now);
        let at = self.versions.get(position).map_or(now, |seen| now.max(after(seen)));
        let version = Version { stamp: Stamp { at, region: region.to_owned() }, item };
        self.versions.insert(position.clone(), version.clone());
        version
    }

    /// Takes in what was written in another Region, unless something later is here.
    pub fn receive(&mut self, position: Position, version: Version) {
        let newer = self.versions.get(&position).is_none_or(|here| here.stamp < version.stamp);
        if newer {
            self.versions.insert(position, version);
        }
    }

    /// Takes in everything of another Region, deletions included.
    pub fn receive_all(&mut self, other: &Self) {
        for (position, version) in &other.versions {
            self.receive(position.clone(), version.clone());
        }
    }

    /// All items, in order.
    pub fn all(&self) -> impl Iterator<Item = (&Position, &Item)> {
        self.versions.iter().filter_map(|(position, version)| Some((position, version.item.as_ref()?)))
    }

    /// The items of one partition, in order.
    pub fn partition(&self, partition: &KeyValue) -> impl Iterator<Item = (&Position, &Item)> {
        let first = Position::new(partition.clone(), None);
        let from = self.versions.range((Bound::Included(first.clone()), Bound::Unbounded));
        let same = move |position: &Position| position.partition == first.partition;
        from.take_while(move |(position, _)| same(position))
            .filter_map(|(position, version)| Some((position, version.item.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Attribute;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn place() -> Position {
        Position::new(KeyValue::S("a".to_owned()), None)
    }

    fn item(n: u32) -> Option<Item> {
        Some(Item::from([("n".to_owned(), Attribute::N(n.into()))]))
    }

    #[test]
    fn the_later_write_wins_wherever_it_arrives_first() {
        let (mut east, mut west) = (Items::default(), Items::default());
        let one = east.write(&place(), item(1), "east", at(1));
        let two = west.write(&place(), item(2), "west", at(2));
        east.receive(place(), two);
        west.receive(place(), one);
        assert_eq!(east.get(&place()), item(2).as_ref());
        assert_eq!(west.get(&place()), item(2).as_ref());
    }

    #[test]
    fn at_the_same_time_the_regions_name_decides() {
        let (mut east, mut west) = (Items::default(), Items::default());
        let one = east.write(&place(), item(1), "east", at(1));
        let two = west.write(&place(), item(2), "west", at(1));
        east.receive(place(), two);
        west.receive(place(), one);
        assert_eq!(east.get(&place()), west.get(&place()));
        assert_eq!(east.get(&place()), item(2).as_ref());
    }

    #[test]
    fn a_write_over_one_that_was_seen_is_later_than_it() {
        let (mut east, mut west) = (Items::default(), Items::default());
        east.receive(place(), west.write(&place(), item(1), "west", at(1)));
        // West's name is greater, and its clock is the same.
        let over = east.write(&place(), item(2), "east", at(1));
        west.receive(place(), over);
        assert_eq!(west.get(&place()), item(2).as_ref());
    }

    #[test]
    fn a_deletion_wins_over_an_older_write_that_arrives_late() {
        let (mut east, mut west) = (Items::default(), Items::default());
        let late = east.write(&place(), item(1), "east", at(1));
        west.write(&place(), None, "west", at(2));
        west.receive(place(), late);
        assert_eq!(west.get(&place()), None);
        assert_eq!(west.all().count(), 0);
    }
}
