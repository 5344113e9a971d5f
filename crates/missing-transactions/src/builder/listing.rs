//! Which rows are listed, as far as there is room.

use serde_json::{Map, Value};
use table_diff::Difference;

use super::{Builder, Held};
use crate::base::Verdict;
use crate::csv;
use crate::fate::{Doubt, Fate};
use crate::forest::{Candidate, Place, Put};
use crate::report::{Listed, Row, Versions};
use crate::text;
use crate::times::Times;

impl Builder {
    /// Keeps a row for the list of its transaction, as far as there is room.
    pub(super) fn hold(
        &mut self,
        place: usize,
        node: Place,
        put: Put,
        difference: &Difference,
        times: Times,
        candidates: &[Candidate],
    ) {
        let chosen = match put {
            Put::Alone if self.states[place].roots >= self.limits.listed => return,
            Put::Alone => None,
            Put::Below(parent, _) if !self.has_room_below(place, parent) => return,
            Put::Below(parent, relation) => Some((parent, relation)),
        };
        let table = &self.tables.all[place];
        let personal = |name: &str| table.personal.contains(name);
        let row = Row {
            key: text::listed(&difference.key, &personal),
            values: difference.source.iter().flat_map(|row| text::listed(row, &personal)).collect(),
            time: times.last(),
            references: Vec::new(),
        };
        if !self.has_room(place, "transactions", &row) {
            return;
        }
        match chosen {
            None => self.states[place].roots += 1,
            Some((parent, relation)) => {
                *self.held_below.entry((parent, place)).or_default() += 1;
                self.hold_present(place, parent, relation, &row.values);
            }
        }
        let held = Held {
            table: place,
            key: row.key.clone(),
            row: Some(row),
            refers: candidates.iter().map(|candidate| (candidate.relation, candidate.key)).collect(),
            chosen: chosen.map(|(_, relation)| relation),
        };
        self.held.insert(node, held);
    }

    /// Whether one more row of table `place` is listed below `parent`.
    fn has_room_below(&self, place: usize, parent: Place) -> bool {
        let held = self.held.contains_key(&parent);
        let is_there = !self.forest.state(parent).is_member();
        let may_begin = is_there && self.states[self.forest.table(parent)].roots < self.limits.listed;
        let below = self.held_below.get(&(parent, place)).copied().unwrap_or_default();
        (held || may_begin) && below < self.limits.listed_members
    }

    /// Keeps the row that is there, and of which another is a missing part.
    pub(super) fn hold_present(
        &mut self,
        child: usize,
        parent: Place,
        relation: usize,
        values: &Map<String, Value>,
    ) {
        if self.held.contains_key(&parent) {
            return;
        }
        let relation = &self.tables.all[child].relations[relation];
        let columns = relation.parent_columns.iter().zip(&relation.columns);
        let key = columns.filter_map(|(name, own)| Some((name.clone(), values.get(own)?.clone()))).collect();
        self.states[relation.parent].roots += 1;
        self.held.insert(
            parent,
            Held { table: relation.parent, key, row: None, refers: Vec::new(), chosen: None },
        );
    }

    /// Whether something may still be listed; if so, it counts.
    fn has_room<T: serde::Serialize>(&mut self, place: usize, list: &'static str, value: &T) -> bool {
        let Ok(bytes) = serde_json::to_vec(value).map(|bytes| bytes.len()) else { return false };
        let used = self.states[place].bytes.entry(list).or_default();
        if *used + bytes > self.limits.listed_bytes || bytes > self.room {
            return false;
        }
        *used += bytes;
        self.room -= bytes;
        true
    }

    /// Lists a row that is in no transaction.
    pub(super) fn list(
        &mut self,
        place: usize,
        difference: &Difference,
        old: Times,
        new: Times,
        Verdict { fate, basis }: Verdict,
    ) {
        let list = fate.word();
        let of = |listed: &Listed| match fate {
            Fate::LostUpdate => listed.lost_updates.len(),
            Fate::LostDelete => listed.lost_deletes.len(),
            Fate::Conflict(_) => listed.conflicts.len(),
            Fate::Undecided(doubt) if doubt != Doubt::LostOrDeleted => listed.undecided.len(),
            _ => usize::MAX,
        };
        if of(&self.states[place].listed) >= self.limits.listed {
            return;
        }
        let table = &self.tables.all[place];
        let personal = |name: &str| table.personal.contains(name);
        let values = |row: &Option<Map<String, Value>>| row.as_ref().map(|row| text::listed(row, &personal));
        let (mut conflict, mut doubt) = (None, None);
        match fate {
            Fate::Conflict(found) => conflict = Some(found),
            Fate::Undecided(found) => doubt = Some(found),
            _ => {}
        }
        let base = difference.base_row().map(|row| text::listed(row, &personal));
        let versions = Versions {
            key: text::listed(&difference.key, &personal),
            old: values(&difference.source),
            new: values(&difference.target),
            differs: csv::differs(difference),
            old_time: old.last(),
            new_time: new.last(),
            conflict,
            doubt,
            base,
            basis,
        };
        if !self.has_room(place, list, &versions) {
            return;
        }
        let listed = &mut self.states[place].listed;
        match fate {
            Fate::LostUpdate => listed.lost_updates.push(versions),
            Fate::LostDelete => listed.lost_deletes.push(versions),
            Fate::Conflict(_) => listed.conflicts.push(versions),
            _ => listed.undecided.push(versions),
        }
    }
}
