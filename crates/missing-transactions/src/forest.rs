//! The trees of rows that are not in the new primary, in a few bytes for each row.
//!
//! A node is a row of the old primary that differs and that others may belong to, or that belongs to others. A row that is
//! there and the same on both sides becomes a node when a missing row is a part of it. Each row is put below its parent when
//! it is read, and so the tables of parents have to be read first. Rows of tables that refer to each other, or to
//! themselves, wait for the end. A row is never put below itself.

use std::collections::HashMap;

use crate::report::ParentState;

/// A row's place in the forest.
pub(crate) type Place = u32;

/// No place.
const NOWHERE: Place = Place::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    /// Microseconds since 1970; the least number when there is none.
    time: i64,
    parent: Place,
    table: u16,
    state: ParentState,
    birth: Birth,
}

/// What is proved of a row that is not in the new primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Birth {
    /// Nothing: it may have been deleted there.
    Unknown,
    /// A write of it never came across.
    Written,
    /// It was created too late to come across; and so was what belongs to it.
    Created,
}

/// A parent that a row may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// The relation, by its place in the table's.
    pub(crate) relation: usize,
    /// The parent's table.
    pub(crate) table: usize,
    /// The hash of its values, see [`crate::relations::key`].
    pub(crate) key: u64,
    /// Whether the row is a part of it when it is there.
    pub(crate) part: bool,
    /// Whether the parent's table is read to its end.
    pub(crate) settled: bool,
    /// Whether that table was compared whole.
    pub(crate) compared: bool,
}

/// Where a row was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It belongs to the row at a place, by a relation.
    Below(Place, usize),
    /// It begins a transaction, or waits for the end.
    Alone,
}

/// A row that waits for the end, with one of its candidates.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    row: Place,
    candidate: Candidate,
}

/// The forest.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    nodes: Vec<Node>,
    index: HashMap<u64, Place>,
    waiting: Vec<Waiting>,
    limit: usize,
    /// Rows for which there was no room.
    pub(crate) refused: u64,
}

impl Forest {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.min(NOWHERE as usize), ..Self::default() }
    }

    /// Adds a row, known to others by `keys`. `None` when the forest is full.
    pub(crate) fn add(
        &mut self,
        table: usize,
        state: ParentState,
        time: Option<i64>,
        birth: Birth,
        keys: impl Iterator<Item = u64>,
    ) -> Option<Place> {
        let room = self.nodes.len() < self.limit;
        let Some((place, table)) =
            Place::try_from(self.nodes.len()).ok().zip(u16::try_from(table).ok()).filter(|_| room)
        else {
            self.refused += 1;
            return None;
        };
        self.nodes.push(Node { time: time.unwrap_or(i64::MIN), parent: NOWHERE, table, state, birth });
        for key in keys {
            self.index.insert(key, place);
        }
        Some(place)
    }

    /// Puts a row below the first candidate that fits.
    pub(crate) fn put(&mut self, row: Place, candidates: &[Candidate]) -> Put {
        if candidates.iter().any(|candidate| !candidate.settled) {
            self.waiting.extend(candidates.iter().map(|candidate| Waiting { row, candidate: *candidate }));
            return Put::Alone;
        }
        self.settle(row, candidates)
    }

    fn settle(&mut self, row: Place, candidates: &[Candidate]) -> Put {
        let absent = candidates.iter().find_map(|candidate| {
            let parent = self.state_at(candidate.key).filter(|(_, state)| state.is_member())?.0;
            (parent != row).then_some((parent, candidate.relation))
        });
        let (parent, relation) = match absent {
            Some(found) => found,
            None => {
                let Some(candidate) = candidates.iter().find(|candidate| candidate.part) else {
                    return Put::Alone;
                };
                let known = self.state_at(candidate.key).filter(|(_, state)| !state.is_member());
                let parent = known.map(|(place, _)| place).or_else(|| {
                    // A full forest may have had no place for the parent.
                    let compared = candidate.compared && self.refused == 0;
                    let state = if compared { ParentState::Alike } else { ParentState::NotCompared };
                    self.add(candidate.table, state, None, Birth::Unknown, std::iter::once(candidate.key))
                });
                let Some(parent) = parent else { return Put::Alone };
                (parent, candidate.relation)
            }
        };
        self.nodes[row as usize].parent = parent;
        Put::Below(parent, relation)
    }

    /// The row with a key, and its state; `None` when it is no node.
    pub(crate) fn state_at(&self, key: u64) -> Option<(Place, ParentState)> {
        let place = *self.index.get(&key)?;
        Some((place, self.nodes[place as usize].state))
    }

    /// A row's state.
    pub(crate) fn state(&self, place: Place) -> ParentState {
        self.nodes[place as usize].state
    }

    /// What is proved of a row.
    pub(crate) fn birth(&self, place: Place) -> Birth {
        self.nodes[place as usize].birth
    }

    /// Gives a row without a time the state of the parent that it belongs to, and what is proved of that one.
    pub(crate) fn inherit(&mut self, place: Place, state: ParentState, birth: Birth) {
        let node = &mut self.nodes[place as usize];
        node.state = state;
        node.birth = birth;
    }

    /// Whether a row has a time.
    pub(crate) fn has_time(&self, place: Place) -> bool {
        self.nodes[place as usize].time != i64::MIN
    }

    /// A row's table.
    pub(crate) fn table(&self, place: Place) -> usize {
        self.nodes[place as usize].table.into()
    }

    /// Puts the rows that wait below their parents. Returns each that found one: row, parent, relation.
    pub(crate) fn settle_waiting(&mut self) -> Vec<(Place, Place, usize)> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut found = Vec::new();
        for group in waiting.chunk_by(|a, b| a.row == b.row) {
            let candidates: Vec<Candidate> = group.iter().map(|waiting| waiting.candidate).collect();
            if let Put::Below(parent, relation) = self.settle(group[0].row, &candidates) {
                found.push((group[0].row, parent, relation));
            }
        }
        self.cut_cycles();
        found.retain(|(row, parent, _)| self.nodes[*row as usize].parent == *parent);
        found
    }

    /// Makes the last row of each circle a root.
    fn cut_cycles(&mut self) {
        // By which walk a node was first reached; a walk that meets itself is in a circle.
        let mut reached = vec![NOWHERE; self.nodes.len()];
        for start in 0..self.nodes.len() {
            let mut place = start;
            loop {
                reached[place] = start as Place;
                let parent = self.nodes[place].parent;
                if parent == NOWHERE {
                    break;
                }
                match reached[parent as usize] {
                    NOWHERE => place = parent as usize,
                    walk if walk == start as Place => {
                        self.nodes[place].parent = NOWHERE;
                        break;
                    }
                    _ => break,
                }
            }
        }
    }

    /// The root above each node.
    pub(crate) fn roots(&self) -> Vec<Place> {
        let mut roots = vec![NOWHERE; self.nodes.len()];
        let mut path = Vec::new();
        for start in 0..self.nodes.len() {
            let mut place = start;
            let root = loop {
                if roots[place] != NOWHERE {
                    break roots[place];
                }
                path.push(place);
                match self.nodes[place].parent {
                    NOWHERE => break place as Place,
                    parent => place = parent as usize,
                }
            };
            for passed in path.drain(..) {
                roots[passed] = root;
            }
        }
        roots
    }

    /// Every node: its place, table, state, time.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (Place, usize, ParentState, Option<i64>)> + '_ {
        self.nodes.iter().enumerate().map(|(place, node)| {
            (place as Place, node.table.into(), node.state, (node.time != i64::MIN).then_some(node.time))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(key: u64) -> Candidate {
        Candidate { relation: 0, table: 0, key, part: false, settled: false, compared: true }
    }

    fn row(forest: &mut Forest, key: u64, parent: u64) -> Place {
        let place = forest.add(0, ParentState::Missing, None, Birth::Unknown, std::iter::once(key)).unwrap();
        assert_eq!(forest.put(place, &[candidate(parent)]), Put::Alone, "it waits");
        place
    }

    #[test]
    fn rows_that_refer_to_each_other_or_themselves_do_not_loop() {
        let mut forest = Forest::new(100);
        let a = row(&mut forest, 1, 2);
        let b = row(&mut forest, 2, 3);
        let c = row(&mut forest, 3, 1);
        let own = row(&mut forest, 4, 4);
        forest.settle_waiting();
        let roots = forest.roots();
        assert_eq!(roots[own as usize], own);
        assert_eq!([a, b, c].map(|place| roots[place as usize]), [c; 3], "the last would close the circle");
    }

    #[test]
    fn a_long_chain_has_one_root() {
        let mut forest = Forest::new(10_000);
        for key in 1..=5000 {
            row(&mut forest, key, key - 1);
        }
        forest.settle_waiting();
        assert!(forest.roots().iter().all(|root| *root == 0));
    }

    #[test]
    fn a_full_forest_says_so_and_does_not_claim_that_a_parent_is_alike() {
        let mut forest = Forest::new(2);
        let place = forest.add(1, ParentState::Missing, None, Birth::Unknown, std::iter::empty()).unwrap();
        forest.refused = 1;
        let part = Candidate { part: true, settled: true, ..candidate(7) };
        let Put::Below(parent, 0) = forest.put(place, &[part]) else { panic!("it is a part") };
        assert_eq!(forest.state(parent), ParentState::NotCompared);
        assert!(forest.add(0, ParentState::Missing, None, Birth::Unknown, std::iter::empty()).is_none());
        assert_eq!(forest.refused, 2);
    }
}
