//! Makes a report from differences that come one by one.
//!
//! Tables are best read in the order of [`Builder::order`], parents first: then what [`TableBuilder::add`] answers of a
//! row is final, and a row is listed with its transaction. In another order, and among tables that refer to each other or
//! to themselves, the counts of rows and transactions are the same, but for rows without a time: those then do not take
//! the fate of the row they belong to.
//!
//! Kept in memory are some bytes for each row of the old primary that belongs to others or that others belong to, at most
//! [`Limits::grouped_rows`] of them, and the rows that are listed. When it fails, nothing is left behind: it holds memory
//! only.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value};
use table_diff::{Catalogue, Difference, DifferenceKind};

use crate::Error;
use crate::amount::Adding;
use crate::csv::{self, CsvWriter};
use crate::facts::{Facts, Hints, Limits};
use crate::fate::{Conflict, Doubt, Fate, decide};
use crate::forest::{Birth, Candidate, Forest, Place, Put};
use crate::loss::{Losses, Window};
use crate::recovery::RecoveryPoint;
use crate::relations::{self, Table, Tables};
use crate::report::{
    Compared, Counts, Kind, Listed, ParentState, Reference, Report, Row, Standing, TableReport, Totals,
    Transaction, Transactions, Versions,
};
use crate::summary;
use crate::text;
use crate::times::{Bounds, New, Old, Times};

/// A database whose differences are reported on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Database {
    /// Its tables, as the comparison saw them.
    pub catalogue: Catalogue,
    /// What the plan says of them.
    pub hints: Hints,
}

/// Makes a report.
#[derive(Debug)]
pub struct Builder {
    facts: Facts,
    limits: Limits,
    tables: Tables,
    states: Vec<TableState>,
    bounds: BTreeMap<String, Bounds>,
    /// What stands for the rows that are known to have been created in the new primary, where others refer to them.
    born_there: HashSet<u64>,
    /// The table that is being read.
    open: Option<usize>,
    forest: Forest,
    held: HashMap<Place, Held>,
    /// Listed rows of a table below a row.
    held_below: HashMap<(Place, usize), usize>,
    /// Bytes that may still be listed.
    room: usize,
    losses: Losses,
    losses_of: BTreeMap<String, Losses>,
}

/// What was read of a table.
#[derive(Debug, Default)]
struct TableState {
    compared: Option<Compared>,
    read: bool,
    counts: Counts,
    implausible: u64,
    listed: Listed,
    /// Bytes that are listed, by kind of list.
    bytes: BTreeMap<&'static str, usize>,
    /// Transactions that are listed.
    roots: usize,
}

/// A row that is to be listed in a transaction.
#[derive(Debug)]
struct Held {
    table: usize,
    key: Map<String, Value>,
    /// Absent: it is in the new primary.
    row: Option<Row>,
    /// What it refers to: the relation, and what stands for the values.
    refers: Vec<(usize, u64)>,
    /// The relation by which it was put below its parent.
    chosen: Option<usize>,
}

impl Builder {
    /// Prepares a report on `databases`, by the plan's names.
    ///
    /// # Errors
    /// When the plan names a table or a column that is not there.
    pub fn new(facts: Facts, databases: &BTreeMap<String, Database>, limits: Limits) -> Result<Self, Error> {
        let mut tables = Tables::default();
        for (name, database) in databases {
            tables.add(name, &database.catalogue, &database.hints)?;
        }
        let bounds = databases.keys().map(|name| (name.clone(), Bounds::of(&facts, name))).collect();
        Ok(Self {
            states: tables.all.iter().map(|_| TableState::default()).collect(),
            forest: Forest::new(limits.grouped_rows),
            room: limits.listed_bytes_in_all,
            facts,
            limits,
            tables,
            bounds,
            born_there: HashSet::new(),
            open: None,
            held: HashMap::new(),
            held_below: HashMap::new(),
            losses: Losses::default(),
            losses_of: BTreeMap::new(),
        })
    }

    /// Databases and tables in the order in which they are best read.
    pub fn order(&self) -> Vec<(String, String)> {
        let order = self.tables.order().into_iter();
        order
            .map(|place| &self.tables.all[place])
            .map(|table| (table.database.clone(), table.name.clone()))
            .collect()
    }

    /// Begins a table. Every table that was compared is to be read, also one without differences: what is not read counts
    /// as not compared.
    ///
    /// # Errors
    /// When the catalogue does not have it, or it was read before.
    pub fn table(
        &mut self,
        database: &str,
        table: &str,
        compared: Compared,
    ) -> Result<TableBuilder<'_>, Error> {
        let place = self
            .tables
            .place(database, table)
            .ok_or_else(|| Error::UnknownTable { database: database.to_owned(), table: table.to_owned() })?;
        if let Some(open) = self.open.replace(place) {
            self.states[open].read = true;
        }
        if self.states[place].compared.is_some() {
            return Err(Error::ReadTwice { database: database.to_owned(), table: table.to_owned() });
        }
        self.states[place].compared = Some(compared);
        let bounds = self.bounds.get(database).copied().unwrap_or_default();
        Ok(TableBuilder { place, bounds, builder: self })
    }

    fn add(&mut self, place: usize, bounds: &Bounds, difference: &Difference) -> Fate {
        let columns = &self.tables.all[place].times;
        let old = Times::of(columns, difference.source.as_ref(), bounds.old_end);
        let new = Times::of(columns, difference.target.as_ref(), bounds.new_end);
        let state = &mut self.states[place];
        state.implausible += u64::from(old.implausible) + u64::from(new.implausible);
        let fate = decide(difference.kind, !difference.key.is_empty(), old, new, bounds);
        let fate = match (difference.kind, &difference.source) {
            (DifferenceKind::Missing, Some(row)) => self.absent(place, bounds, difference, row, old, fate),
            (DifferenceKind::Changed, Some(row)) => {
                let state = match fate {
                    Fate::LostUpdate => ParentState::LostUpdate,
                    Fate::Conflict(_) => ParentState::Conflict,
                    Fate::ChangedThere => ParentState::ChangedThere,
                    _ => ParentState::Undecided,
                };
                self.node(place, state, None, Birth::Unknown, row);
                fate
            }
            (DifferenceKind::Extra, _) => match &difference.target {
                Some(row) => self.only_there(place, bounds, row, new, fate),
                None => fate,
            },
            _ => fate,
        };
        self.states[place].counts.add(fate);
        match fate {
            Fate::Missing { .. } => {
                if let (Some(adding), Some(row)) = (&mut self.tables.all[place].adding, &difference.source) {
                    adding.add(row);
                }
                self.lost(place, old.created, old.last(), false);
            }
            Fate::LostUpdate => self.lost(place, None, old.last(), true),
            Fate::Conflict(Conflict::DeletedInOld) => self.lost(place, None, None, true),
            Fate::Conflict(_) => self.lost(place, None, old.last(), true),
            Fate::LostDelete => self.lost(place, None, None, true),
            Fate::ChangedThere | Fate::WrittenThere | Fate::Undecided(_) => {}
        }
        self.list(place, difference, old, new, fate);
        fate
    }

    fn lost(&mut self, place: usize, first: Option<Timestamp>, time: Option<Timestamp>, update: bool) {
        self.losses.add(first, time, update);
        match self.losses_of.get_mut(&self.tables.all[place].database) {
            Some(losses) => losses.add(first, time, update),
            None => {
                let mut losses = Losses::default();
                losses.add(first, time, update);
                self.losses_of.insert(self.tables.all[place].database.clone(), losses);
            }
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

    /// A row that is not in the new primary: puts it to the row that it belongs to.
    fn absent(
        &mut self,
        place: usize,
        bounds: &Bounds,
        difference: &Difference,
        row: &Map<String, Value>,
        times: Times,
        fate: Fate,
    ) -> Fate {
        let state = match fate {
            Fate::Missing { .. } => ParentState::Missing,
            Fate::Undecided(Doubt::LostOrDeleted) => ParentState::LostOrDeleted,
            // Without a key it may be there in another form.
            Fate::Undecided(_) => return fate,
            _ => ParentState::DeletedInNew,
        };
        let birth = match fate {
            Fate::Missing { proved: true } if bounds.of_old(times.created) == Old::NeverCame => {
                Birth::Created
            }
            Fate::Missing { proved: true } => Birth::Written,
            _ => Birth::Unknown,
        };
        let Some(node) = self.node(place, state, times.last(), birth, row) else { return fate };
        if state == ParentState::DeletedInNew {
            return fate;
        }
        let candidates: Vec<Candidate> = self.tables.all[place]
            .relations
            .iter()
            .enumerate()
            .filter_map(|(relation, to)| {
                let key = relations::key(to.parent, &to.parent_columns, &to.columns, row)?;
                let parent = &self.states[to.parent];
                let compared = is_whole(parent.compared.as_ref());
                Some(Candidate {
                    relation,
                    table: to.parent,
                    key,
                    part: to.part,
                    settled: parent.read,
                    compared,
                })
            })
            .collect();
        let put = self.forest.put(node, &candidates);
        let mut fate = fate;
        if let Put::Below(parent, _) = put
            && times.last().is_none()
        {
            // It was written with its parent, or later.
            if self.forest.state(parent) == ParentState::LostOrDeleted {
                fate = Fate::Undecided(Doubt::LostOrDeleted);
                self.forest.inherit(node, ParentState::LostOrDeleted, Birth::Unknown);
            } else if self.forest.birth(parent) == Birth::Created {
                fate = Fate::Missing { proved: true };
                self.forest.inherit(node, ParentState::Missing, Birth::Created);
            }
        }
        self.hold(place, node, put, difference, times, &candidates);
        fate
    }

    /// A row that is in the new primary only. One without a time that refers to a row that was created there, after the
    /// failover, was written later still.
    fn only_there(
        &mut self,
        place: usize,
        bounds: &Bounds,
        row: &Map<String, Value>,
        times: Times,
        fate: Fate,
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
        let born = later || bounds.of_new(times.created) == New::WrittenThere;
        if born && self.born_there.len() < self.limits.grouped_rows {
            let keys =
                table.referred.iter().filter_map(|columns| relations::key(place, columns, columns, row));
            self.born_there.extend(keys);
        }
        if later { Fate::WrittenThere } else { fate }
    }

    /// Keeps a row for the list of its transaction, as far as there is room.
    fn hold(
        &mut self,
        place: usize,
        node: Place,
        put: Put,
        difference: &Difference,
        times: Times,
        candidates: &[Candidate],
    ) {
        let chosen = match put {
            Put::Alone => {
                if self.states[place].roots >= self.limits.listed {
                    return;
                }
                None
            }
            Put::Below(parent, relation) => {
                let is_there = !self.forest.state(parent).is_member();
                let held = self.held.contains_key(&parent);
                if !held && !is_there {
                    return;
                }
                if !held && self.states[self.forest.table(parent)].roots >= self.limits.listed {
                    return;
                }
                let below = self.held_below.get(&(parent, place)).copied().unwrap_or_default();
                if below >= self.limits.listed_members {
                    return;
                }
                Some((parent, relation))
            }
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

    /// Keeps the row that is there, and of which another is a missing part.
    fn hold_present(&mut self, child: usize, parent: Place, relation: usize, values: &Map<String, Value>) {
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
    fn list(&mut self, place: usize, difference: &Difference, old: Times, new: Times, fate: Fate) {
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
        let versions = Versions {
            key: text::listed(&difference.key, &personal),
            old: values(&difference.source),
            new: values(&difference.target),
            differs: csv::differs(difference),
            old_time: old.last(),
            new_time: new.last(),
            conflict,
            doubt,
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

    /// Ends the report.
    pub fn finish(mut self) -> Report {
        if let Some(open) = self.open {
            self.states[open].read = true;
        }
        for (row, parent, relation) in self.forest.settle_waiting() {
            let Some(held) = self.held.get_mut(&row) else { continue };
            held.chosen = Some(relation);
            let (child, values) =
                (held.table, held.row.as_ref().map(|row| row.values.clone()).unwrap_or_default());
            if !self.forest.state(parent).is_member() {
                self.hold_present(child, parent, relation, &values);
            }
        }
        let (mut kinds, rows_of) = self.count();
        let placed = self.placed_by_parents();
        self.transactions(&mut kinds, &rows_of);
        let mut kinds: Vec<Kind> = kinds.into_values().collect();
        for kind in &mut kinds {
            kind.not_listed = kind.transactions.all().saturating_sub(kind.listed.len() as u64);
        }
        kinds.sort_by_key(|kind| {
            let of = kind.transactions;
            (
                std::cmp::Reverse((of.whole, of.in_part, of.undecided)),
                kind.database.clone(),
                kind.table.clone(),
            )
        });

        let mut totals = Totals { rows_not_grouped: self.forest.refused, ..Totals::default() };
        for kind in &kinds {
            totals.transactions.whole += kind.transactions.whole;
            totals.transactions.whole_proved += kind.transactions.whole_proved;
            totals.transactions.in_part += kind.transactions.in_part;
            totals.transactions.undecided += kind.transactions.undecided;
        }
        let mut tables = Vec::new();
        let databases = self.bounds.keys().chain(self.facts.databases.keys());
        let mut counts: BTreeMap<String, (Counts, [u64; 2])> =
            databases.map(|name| (name.clone(), Default::default())).collect();
        for (table, state) in self.tables.all.into_iter().zip(self.states) {
            totals.rows.plus(&state.counts);
            let whole = is_whole(state.compared.as_ref());
            totals.tables_compared += u64::from(whole);
            totals.tables_not_compared += u64::from(!whole);
            let (sum, tables_of) = counts.entry(table.database.clone()).or_default();
            sum.plus(&state.counts);
            tables_of[usize::from(!whole)] += 1;
            tables.push(table_report(table, state));
        }
        let started = self.facts.failover.as_ref().map(|failover| failover.started_at);
        let windows: BTreeMap<String, Window> = self
            .losses_of
            .iter()
            .filter_map(|(name, losses)| Some((name.clone(), losses.window(started)?)))
            .collect();
        let point = |(name, (counts, tables)): (String, (Counts, [u64; 2]))| {
            let untimed = self.losses_of.get(&name).map_or(0, Losses::untimed);
            let unplaced = untimed.saturating_sub(placed.get(&name).copied().unwrap_or_default());
            let point = RecoveryPoint::of(windows.get(&name), unplaced, &counts, tables);
            (name, point)
        };
        let recovery_points = counts.into_iter().map(point).collect();
        let mut report = Report {
            version: Report::VERSION,
            summary: String::new(),
            totals,
            window: self.losses.window(started),
            windows,
            recovery_points,
            over_time: self.losses.over_time(),
            kinds,
            tables,
            files: Vec::new(),
            facts: self.facts,
        };
        report.summary = summary::sentences(&report).join(" ");
        report
    }

    /// Counts the transactions; and the rows, by table, of those that are listed.
    fn count(&self) -> (BTreeMap<usize, Kind>, HashMap<Place, BTreeMap<usize, u64>>) {
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
    fn placed_by_parents(&self) -> BTreeMap<String, u64> {
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
    fn transactions(
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
                    None if is_whole(self.states[relation.parent].compared.as_ref()) => return None,
                    None => ParentState::NotCompared,
                };
                let table = self.tables.all[relation.parent].name.clone();
                Some(Reference { table, columns: relation.columns.clone(), state })
            })
            .collect()
    }
}

/// Whether a table was compared to its end.
fn is_whole(compared: Option<&Compared>) -> bool {
    compared.is_some_and(|compared| compared.error.is_none())
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

fn table_report(table: Table, state: TableState) -> TableReport {
    let counts = &state.counts;
    let doubts = counts.undecided.iter().filter(|(doubt, _)| **doubt != Doubt::LostOrDeleted);
    let to_list =
        counts.lost_updates + counts.lost_deletes + counts.conflicts + doubts.map(|(_, n)| n).sum::<u64>();
    let listed = &state.listed;
    let is_listed = listed.lost_updates.len()
        + listed.lost_deletes.len()
        + listed.conflicts.len()
        + listed.undecided.len();
    TableReport {
        database: table.database,
        label: (table.label != table.name).then_some(table.label),
        table: table.name,
        compared: state.compared,
        times: table.times,
        implausible_times: state.implausible,
        personal: table.personal.into_iter().collect(),
        amounts: table.adding.and_then(Adding::finish),
        notes: table.notes,
        not_listed: to_list.saturating_sub(is_listed as u64),
        counts: state.counts,
        listed: state.listed,
    }
}

/// Takes the differences of one table.
#[derive(Debug)]
pub struct TableBuilder<'a> {
    builder: &'a mut Builder,
    place: usize,
    bounds: Bounds,
}

impl TableBuilder<'_> {
    /// Takes a difference, and answers what happened to the row.
    pub fn add(&mut self, difference: &Difference) -> Fate {
        self.builder.add(self.place, &self.bounds, difference)
    }

    /// Takes all of a stream.
    ///
    /// # Errors
    /// The stream's first.
    pub fn read<E>(&mut self, differences: impl IntoIterator<Item = Result<Difference, E>>) -> Result<(), E> {
        for difference in differences {
            self.add(&difference?);
        }
        Ok(())
    }

    /// A writer for a spreadsheet of this table.
    pub fn csv<W: Write>(&self, to: W) -> CsvWriter<W> {
        let table = &self.builder.tables.all[self.place];
        let columns = table.shape.columns.iter().map(|column| column.name.clone()).collect();
        CsvWriter::new(to, columns, table.personal.clone(), table.times.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn database(hints: serde_json::Value) -> BTreeMap<String, Database> {
        let column =
            |name: &str| json!({"name": name, "typeText": "bigint", "kind": "integer", "nullable": false});
        let catalogue = serde_json::from_value(json!({"tables": {
            "orders": {"columns": [column("id"), column("customer"), column("email")], "primaryKey": ["id"],
                "foreignKeys": [
                    {"name": "gone", "columns": ["customer"], "parent": "no_such", "parentColumns": ["id"]},
                    {"name": "mail", "columns": ["email"], "parent": "customers", "parentColumns": ["email"]},
                ]},
            "customers": {"columns": [column("id"), column("email")], "primaryKey": ["id"]},
            "items": {"columns": [column("id"), column("order")], "primaryKey": ["id"],
                "foreignKeys": [{"name": "order", "columns": ["order"], "parent": "orders", "parentColumns": ["id"]}]},
        }}))
        .unwrap();
        BTreeMap::from([(
            "d".to_owned(),
            Database { catalogue, hints: serde_json::from_value(hints).unwrap() },
        )])
    }

    fn builder(hints: serde_json::Value) -> Result<Builder, Error> {
        Builder::new(Facts::default(), &database(hints), Limits::default())
    }

    fn missing(row: &serde_json::Value) -> Difference {
        let row = row.as_object().unwrap().clone();
        let key = [("id".to_owned(), row["id"].clone())].into_iter().collect();
        Difference { kind: DifferenceKind::Missing, key, source: Some(row), target: None }
    }

    #[test]
    fn what_the_plan_or_the_caller_gets_wrong_is_named() {
        let wrong = |hints| builder(hints).unwrap_err().to_string();
        assert!(wrong(json!({"ordres": {}})).contains("no table ordres"));
        assert!(wrong(json!({"orders": {"changedAt": "email"}})).contains("d.orders has no column email"));
        let mut builder = builder(json!({})).unwrap();
        assert!(
            builder.table("d", "no_such", Compared::default()).unwrap_err().to_string().contains("no_such")
        );
        builder.table("d", "orders", Compared::default()).unwrap();
        assert!(
            builder.table("d", "orders", Compared::default()).unwrap_err().to_string().contains("d.orders")
        );
    }

    #[test]
    fn parents_come_first_and_a_foreign_key_that_leads_nowhere_is_noted() {
        let builder = builder(json!({"orders": {"partOf": "shops", "personal": ["phone"]}})).unwrap();
        let order: Vec<String> = builder.order().into_iter().map(|(_, table)| table).collect();
        assert_eq!(order, ["customers", "orders", "items"]);
        let report = builder.finish();
        let orders = report.tables.iter().find(|table| table.table == "orders").unwrap();
        let notes = orders.notes.join("; ");
        for part in ["\"gone\" is not followed", "\"phone\" as personal", "part of \"shops\""] {
            assert!(notes.contains(part), "{notes}");
        }
        assert_eq!(
            (report.totals.tables_compared, report.totals.tables_not_compared),
            (0, 3),
            "nothing was read"
        );
    }

    #[test]
    fn what_refers_to_personal_data_is_masked_too() {
        let mut builder = builder(json!({"customers": {"personal": ["email"]}})).unwrap();
        for (table, row) in [
            ("customers", json!({"id": 1, "email": "a@b"})),
            ("orders", json!({"id": 2, "customer": 1, "email": "a@b"})),
        ] {
            let mut table = builder.table("d", table, Compared::default()).unwrap();
            let mut csv = table.csv(Vec::new());
            let difference = missing(&row);
            let fate = table.add(&difference);
            csv.add(&difference, fate).unwrap();
            let text = String::from_utf8(csv.finish().unwrap()).unwrap();
            assert!(text.contains("masked") && !text.contains("a@b"), "{text}");
        }
        let report = builder.finish();
        assert_eq!(
            report.totals.transactions.whole, 1,
            "the order belongs to the customer, by what is masked"
        );
        let json = serde_json::to_string(&report).unwrap();
        assert!(json.contains("masked") && !json.contains("a@b"), "{json}");
        assert!(!crate::page(&report).unwrap().contains("a@b"));
    }

    #[test]
    fn a_plan_can_say_that_rows_stand_for_themselves_or_are_a_part() {
        let transactions = |hints| {
            let mut builder = builder(hints).unwrap();
            for (database, name) in builder.order() {
                let mut table = builder.table(&database, &name, Compared::default()).unwrap();
                if name == "items" {
                    table.add(&missing(&json!({"id": 1, "order": 7})));
                    table.add(&missing(&json!({"id": 2, "order": 7})));
                }
            }
            builder.finish().totals.transactions
        };
        assert_eq!(transactions(json!({})), Transactions { in_part: 1, ..Transactions::default() });
        let alone = json!({"items": {"partOf": ""}});
        assert_eq!(transactions(alone), Transactions { whole: 2, ..Transactions::default() });
    }

    #[test]
    fn lists_end_at_their_bytes_and_the_rest_is_counted() {
        let limits = Limits { listed_bytes: 1000, ..Limits::default() };
        let mut builder = Builder::new(Facts::default(), &database(json!({})), limits).unwrap();
        let mut table = builder.table("d", "orders", Compared::default()).unwrap();
        for id in 0..100 {
            table.add(&missing(&json!({"id": id, "customer": 1, "email": 1})));
        }
        let report = builder.finish();
        let kind = &report.kinds[0];
        assert!((1..100).contains(&kind.listed.len()), "{}", kind.listed.len());
        assert_eq!(kind.listed.len() as u64 + kind.not_listed, 100);
        assert!(serde_json::to_vec(&kind.listed).unwrap().len() < 5000);
    }
}
