//! What happened to a row, and which rows it belongs to.

use jiff::Timestamp;
use serde_json::{Map, Value};
use table_diff::{Base, Difference, DifferenceKind};

use super::Builder;
use crate::base::{self, Basis, Said, Verdict};
use crate::fate::{Conflict, Doubt, Fate, decide};
use crate::forest::{Birth, Candidate, Place, Put};
use crate::loss::Losses;
use crate::relations;
use crate::report::ParentState;
use crate::times::{Bounds, New, Old, Times};

impl Builder {
    /// Decides what happened to a row, counts it and lists it.
    pub(super) fn add(&mut self, place: usize, bounds: &Bounds, difference: &Difference) -> Verdict {
        let columns = &self.tables.all[place].times;
        let old = Times::of(columns, difference.source.as_ref(), bounds.old_end);
        let new = Times::of(columns, difference.target.as_ref(), bounds.new_end);
        let state = &mut self.states[place];
        state.implausible += u64::from(old.implausible) + u64::from(new.implausible);
        let by_times = decide(difference.kind, !difference.key.is_empty(), old, new, bounds);
        let (proved, is_late) = match &difference.base {
            None => (None, false),
            Some(base) => {
                let written = match base {
                    Base::Other(row) => Times::of(&self.tables.all[place].times, Some(row), None).changed,
                    _ => new.changed,
                };
                match base::ask(difference.kind, base, bounds.takeover, written) {
                    Said::Proved(fate) => (Some(fate), false),
                    Said::Late => (None, true),
                }
            }
        };
        let basis = if proved.is_some() { Basis::Takeover } else { Basis::Times };
        let verdict = Verdict { fate: proved.unwrap_or(by_times), basis };
        let fate = match (difference.kind, &difference.source, &difference.target) {
            (DifferenceKind::Missing, Some(row), _) => {
                self.absent(place, bounds, difference, row, old, verdict)
            }
            (DifferenceKind::Changed, Some(row), _) => {
                self.changed(place, row, verdict.fate);
                verdict.fate
            }
            (DifferenceKind::Extra, _, Some(row)) => self.only_there(place, bounds, row, new, verdict),
            _ => verdict.fate,
        };
        let verdict = Verdict { fate: if is_late { base::in_doubt(fate) } else { fate }, basis };
        self.count(place, difference, old, verdict);
        self.list(place, difference, old, new, verdict);
        verdict
    }

    fn count(&mut self, place: usize, difference: &Difference, old: Times, verdict: Verdict) {
        self.states[place].counts.add(verdict);
        match verdict.fate {
            Fate::Missing { .. } => {
                if let (Some(adding), Some(row)) = (&mut self.tables.all[place].adding, &difference.source) {
                    adding.add(row);
                }
                self.lost(place, old.created, old.last(), false);
            }
            Fate::Conflict(Conflict::DeletedInOld) | Fate::LostDelete => self.lost(place, None, None, true),
            Fate::LostUpdate | Fate::Conflict(_) => self.lost(place, None, old.last(), true),
            Fate::ChangedThere | Fate::WrittenThere | Fate::DeletedThere | Fate::Undecided(_) => {}
        }
    }

    /// A row that is in both: others may belong to it.
    fn changed(&mut self, place: usize, row: &Map<String, Value>, fate: Fate) {
        let state = match fate {
            Fate::LostUpdate => ParentState::LostUpdate,
            Fate::Conflict(_) => ParentState::Conflict,
            Fate::ChangedThere => ParentState::ChangedThere,
            _ => ParentState::Undecided,
        };
        self.node(place, state, None, Birth::Unknown, row);
    }

    /// Adds a lost write to the losses over time. `first` is when its row was created, `time` when it was written.
    fn lost(&mut self, place: usize, first: Option<Timestamp>, time: Option<Timestamp>, update: bool) {
        self.losses.add(first, time, update);
        let database = &self.tables.all[place].database;
        if !self.losses_of.contains_key(database) {
            self.losses_of.insert(database.clone(), Losses::default());
        }
        if let Some(losses) = self.losses_of.get_mut(database) {
            losses.add(first, time, update);
        }
    }

    /// Makes a row a node where others may belong to it, or always for a row that belongs to others.
    fn node(
        &mut self,
        place: usize,
        state: ParentState,
        time: Option<Timestamp>,
        birth: Birth,
        row: &Map<String, Value>,
    ) -> Option<Place> {
        let member = state.is_member();
        let referred = &self.tables.all[place].referred;
        if !member && referred.is_empty() {
            return None;
        }
        let keys = referred.iter().filter_map(|columns| relations::key(place, columns, columns, row));
        self.forest.add(place, state, time.map(Timestamp::as_microsecond), birth, keys)
    }

    /// A row that is not in the new primary: finds the row that it belongs to, and lists it with that one.
    fn absent(
        &mut self,
        place: usize,
        bounds: &Bounds,
        difference: &Difference,
        row: &Map<String, Value>,
        times: Times,
        Verdict { fate, basis }: Verdict,
    ) -> Fate {
        let state = match fate {
            Fate::Missing { .. } => ParentState::Missing,
            Fate::Undecided(Doubt::LostOrDeleted) => ParentState::LostOrDeleted,
            // Without a key the row may be in the new primary in another form.
            Fate::Undecided(_) => return fate,
            _ => ParentState::DeletedInNew,
        };
        let birth = match fate {
            Fate::Missing { proved: true }
                if basis == Basis::Takeover || bounds.of_old(times.created) == Old::NeverCame =>
            {
                Birth::Created
            }
            Fate::Missing { proved: true } => Birth::Written,
            _ => Birth::Unknown,
        };
        let Some(node) = self.node(place, state, times.last(), birth, row) else { return fate };
        if state == ParentState::DeletedInNew {
            return fate;
        }
        let candidates = self.candidates(place, row);
        let put = self.forest.put(node, &candidates);
        let fate = match put {
            Put::Below(parent, _) if basis == Basis::Times && times.last().is_none() => {
                self.inherited(node, parent, fate)
            }
            _ => fate,
        };
        self.hold(place, node, put, difference, times, &candidates);
        fate
    }

    /// The rows that a row may belong to, by its relations.
    fn candidates(&self, place: usize, row: &Map<String, Value>) -> Vec<Candidate> {
        let relations = self.tables.all[place].relations.iter().enumerate();
        relations
            .filter_map(|(relation, to)| {
                let parent = &self.states[to.parent];
                Some(Candidate {
                    relation,
                    table: to.parent,
                    key: relations::key(to.parent, &to.parent_columns, &to.columns, row)?,
                    part: to.part,
                    settled: parent.read,
                    compared: parent.is_whole(),
                })
            })
            .collect()
    }

    /// The fate of a row without a time that belongs to another: it was written with that one, or later.
    fn inherited(&mut self, node: Place, parent: Place, fate: Fate) -> Fate {
        if self.forest.state(parent) == ParentState::LostOrDeleted {
            self.forest.inherit(node, ParentState::LostOrDeleted, Birth::Unknown);
            Fate::Undecided(Doubt::LostOrDeleted)
        } else if self.forest.birth(parent) == Birth::Created {
            self.forest.inherit(node, ParentState::Missing, Birth::Created);
            Fate::Missing { proved: true }
        } else {
            fate
        }
    }

    /// A row that is in the new primary only. One without a time that refers to a row that was created there, after the
    /// failover, was written later still.
    fn only_there(
        &mut self,
        place: usize,
        bounds: &Bounds,
        row: &Map<String, Value>,
        times: Times,
        Verdict { fate, basis }: Verdict,
    ) -> Fate {
        let table = &self.tables.all[place];
        let refers_to_new = || {
            let mut keys = table
                .relations
                .iter()
                .filter_map(|to| relations::key(to.parent, &to.parent_columns, &to.columns, row));
            keys.any(|key| self.born_there.contains(&key))
        };
        let later = matches!(fate, Fate::Undecided(Doubt::NoTime)) && !times.implausible && refers_to_new();
        // Without room it is undecided, which is no more than true.
        let proved = basis == Basis::Takeover && fate == Fate::WrittenThere;
        let born = later || proved || bounds.of_new(times.created) == New::WrittenThere;
        if born && self.born_there.len() < self.limits.grouped_rows {
            let keys =
                table.referred.iter().filter_map(|columns| relations::key(place, columns, columns, row));
            self.born_there.extend(keys);
        }
        if later { Fate::WrittenThere } else { fate }
    }
}
