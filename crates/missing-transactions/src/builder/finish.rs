//! The totals of a report, and the report itself.

use std::collections::BTreeMap;

use super::{Builder, TableState};
use crate::amount::Adding;
use crate::counts::Counts;
use crate::fate::Doubt;
use crate::loss::{Losses, Window};
use crate::recovery::RecoveryPoint;
use crate::relations::Table;
use crate::report::{Kind, Report, TableReport, Totals};
use crate::summary;

impl Builder {
    /// Ends the report.
    pub fn finish(mut self) -> Report {
        if let Some(open) = self.open {
            self.states[open].read = true;
        }
        self.settle_waiting();
        let kinds = self.sorted_kinds();
        let placed = self.placed_by_parents();
        let started = self.facts.failover.as_ref().map(|failover| failover.started_at);
        let windows: BTreeMap<String, Window> = self
            .losses_of
            .iter()
            .filter_map(|(name, losses)| Some((name.clone(), losses.window(started)?)))
            .collect();

        let mut totals = totals(&kinds, self.forest.refused);
        let mut tables = Vec::new();
        let databases = self.bounds.keys().chain(self.facts.databases.keys());
        let mut of_database: BTreeMap<String, DatabaseTotals> =
            databases.map(|name| (name.clone(), DatabaseTotals::default())).collect();
        for (table, state) in self.tables.all.into_iter().zip(self.states) {
            let whole = state.is_whole();
            totals.rows.plus(&state.counts);
            totals.tables_compared += u64::from(whole);
            totals.tables_not_compared += u64::from(!whole);
            let of = of_database.entry(table.database.clone()).or_default();
            of.rows.plus(&state.counts);
            of.tables[usize::from(!whole)] += 1;
            tables.push(table_report(table, state));
        }
        let point = |(name, of): (String, DatabaseTotals)| {
            let untimed = self.losses_of.get(&name).map_or(0, Losses::untimed);
            let unplaced = untimed.saturating_sub(placed.get(&name).copied().unwrap_or_default());
            let point = RecoveryPoint::of(windows.get(&name), unplaced, &of.rows, of.tables);
            (name, point)
        };
        let recovery_points = of_database.into_iter().map(point).collect();
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

    /// Puts the rows below their parents that waited for tables read after theirs.
    fn settle_waiting(&mut self) {
        for (row, parent, relation) in self.forest.settle_waiting() {
            let Some(held) = self.held.get_mut(&row) else { continue };
            held.chosen = Some(relation);
            let (child, values) =
                (held.table, held.row.as_ref().map(|row| row.values.clone()).unwrap_or_default());
            if !self.forest.state(parent).is_member() {
                self.hold_present(child, parent, relation, &values);
            }
        }
    }

    /// The transactions by the table that they begin in, those with the most first.
    fn sorted_kinds(&mut self) -> Vec<Kind> {
        let (mut kinds, rows_of) = self.kinds();
        self.transactions(&mut kinds, &rows_of);
        let mut kinds: Vec<Kind> = kinds.into_values().collect();
        for kind in &mut kinds {
            kind.not_listed = kind.transactions.all().saturating_sub(kind.listed.len() as u64);
        }
        kinds.sort_by_key(|kind| {
            let of = kind.transactions;
            let most_first = std::cmp::Reverse((of.whole, of.in_part, of.undecided));
            (most_first, kind.database.clone(), kind.table.clone())
        });
        kinds
    }
}

/// What was counted in one database.
#[derive(Default)]
struct DatabaseTotals {
    rows: Counts,
    /// How many tables were compared whole, and how many were not.
    tables: [u64; 2],
}

/// The transactions of all kinds. Tables and rows are not counted yet.
fn totals(kinds: &[Kind], rows_not_grouped: u64) -> Totals {
    let mut totals = Totals { rows_not_grouped, ..Totals::default() };
    for kind in kinds {
        totals.transactions.whole += kind.transactions.whole;
        totals.transactions.whole_proved += kind.transactions.whole_proved;
        totals.transactions.in_part += kind.transactions.in_part;
        totals.transactions.undecided += kind.transactions.undecided;
    }
    totals
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
