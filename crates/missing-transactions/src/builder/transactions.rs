//! Puts the rows that are missing together as transactions, at the end of a report.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::{Builder, Held};
use crate::forest::{Birth, Place};
use crate::report::{Kind, ParentState, Reference, Row, Standing, Transaction, Transactions};

impl Builder {
    /// Counts the transactions; and the rows, by table, of those that are listed.
    pub(super) fn kinds(&self) -> (BTreeMap<usize, Kind>, HashMap<Place, BTreeMap<usize, u64>>) {
        let roots = self.forest.roots();
        let mut kinds: BTreeMap<usize, Kind> = BTreeMap::new();
        let mut rows_of: HashMap<Place, BTreeMap<usize, u64>> = HashMap::new();
        let mut seen = vec![false; roots.len()];
        for (place, table, state, time) in self.forest.nodes() {
            if !state.is_member() {
                continue;
            }
            let root = roots[place as usize];
            let root_table = self.forest.table(root);
            let of = &self.tables.all[root_table];
            let kind = kinds.entry(root_table).or_insert_with(|| Kind {
                database: of.database.clone(),
                table: of.name.clone(),
                label: of.label.clone(),
                transactions: Transactions::default(),
                rows: BTreeMap::new(),
                first: None,
                last: None,
                listed: Vec::new(),
                not_listed: 0,
            });
            if !std::mem::replace(&mut seen[root as usize], true) {
                match standing(self.forest.state(root)) {
                    Standing::Whole => kind.transactions.whole += 1,
                    Standing::InPart => kind.transactions.in_part += 1,
                    Standing::Undecided => kind.transactions.undecided += 1,
                }
                let proved = self.forest.birth(root) != Birth::Unknown;
                kind.transactions.whole_proved += u64::from(proved);
            }
            match kind.rows.get_mut(&self.tables.all[table].name) {
                Some(rows) => *rows += 1,
                None => _ = kind.rows.insert(self.tables.all[table].name.clone(), 1),
            }
            let time = time.filter(|_| state == ParentState::Missing);
            if let Some(time) = time.and_then(|time| Timestamp::from_microsecond(time).ok()) {
                kind.first = Some(kind.first.map_or(time, |first| first.min(time)));
                kind.last = kind.last.max(Some(time));
            }
            if self.held.contains_key(&root) {
                *rows_of.entry(root).or_default().entry(table).or_default() += 1;
            }
        }
        (kinds, rows_of)
    }

    /// Missing rows without a time, by database, that begin with one that has one: they were written with it or later, so that
    /// no lost write is earlier for them.
    pub(super) fn placed_by_parents(&self) -> BTreeMap<String, u64> {
        let roots = self.forest.roots();
        let mut placed: BTreeMap<String, u64> = BTreeMap::new();
        for (place, table, state, time) in self.forest.nodes() {
            let root = roots[place as usize];
            let timed = self.forest.state(root) == ParentState::Missing && self.forest.has_time(root);
            if state == ParentState::Missing && time.is_none() && timed {
                *placed.entry(self.tables.all[table].database.clone()).or_default() += 1;
            }
        }
        placed
    }

    /// Puts the rows that are held into transactions, and those into their kinds.
    pub(super) fn transactions(
        &mut self,
        kinds: &mut BTreeMap<usize, Kind>,
        rows_of: &HashMap<Place, BTreeMap<usize, u64>>,
    ) {
        let roots = self.forest.roots();
        let mut held: Vec<(Place, Held)> = std::mem::take(&mut self.held).into_iter().collect();
        held.sort_by_key(|(place, _)| *place);
        let mut found: BTreeMap<Place, Transaction> = BTreeMap::new();
        for (place, held) in &held {
            let Some(rows) = rows_of.get(place).filter(|_| roots[*place as usize] == *place) else {
                continue;
            };
            let state = self.forest.state(*place);
            let names = rows.iter().map(|(table, n)| (self.tables.all[*table].name.clone(), *n)).collect();
            let transaction = Transaction {
                standing: standing(state),
                proved: self.forest.birth(*place) != Birth::Unknown,
                state,
                key: held.key.clone(),
                row: None,
                rows: names,
                members: BTreeMap::new(),
            };
            found.insert(*place, transaction);
        }
        for (place, held) in held {
            let root = roots[place as usize];
            let Some(row) = held.row.clone() else { continue };
            let row = Row { references: self.references(place, &held), ..row };
            let Some(transaction) = found.get_mut(&root) else { continue };
            if place == root {
                transaction.row = Some(row);
                continue;
            }
            let name = &self.tables.all[held.table].name;
            let members = transaction.members.entry(name.clone()).or_default();
            if members.len() < self.limits.listed_members {
                members.push(row);
            }
        }
        for (place, transaction) in found {
            if let Some(kind) = kinds.get_mut(&self.forest.table(place)) {
                kind.listed.push(transaction);
            }
        }
        for kind in kinds.values_mut() {
            kind.listed.sort_by_key(|transaction| transaction.standing);
        }
    }

    /// What a row refers to, its parent aside, that is not simply there.
    fn references(&self, place: Place, held: &Held) -> Vec<Reference> {
        let others = held.refers.iter().filter(|(relation, _)| Some(*relation) != held.chosen);
        others
            .filter_map(|(relation, key)| {
                let relation = &self.tables.all[held.table].relations[*relation];
                let state = match self.forest.state_at(*key) {
                    Some((_, ParentState::Alike)) => return None,
                    Some((to, _)) if to == place => return None,
                    Some((_, state)) => state,
                    None if self.states[relation.parent].is_whole() => return None,
                    None => ParentState::NotCompared,
                };
                let table = self.tables.all[relation.parent].name.clone();
                Some(Reference { table, columns: relation.columns.clone(), state })
            })
            .collect()
    }
}

fn standing(root: ParentState) -> Standing {
    match root {
        ParentState::Missing => Standing::Whole,
        ParentState::LostOrDeleted | ParentState::DeletedInNew | ParentState::NotCompared => {
            Standing::Undecided
        }
        ParentState::LostUpdate
        | ParentState::Conflict
        | ParentState::ChangedThere
        | ParentState::Undecided
        | ParentState::Alike => Standing::InPart,
    }
}
