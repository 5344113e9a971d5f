//! Rows that are in both primaries, or in the new one only: lost updates and deletes, conflicts, and rows in doubt.

use serde_json::{Map, Value};

use super::cells::{not_listed, shown, table_name, time_column, values_of};
use crate::counts::Counts;
use crate::fate::Doubt;
use crate::report::{Report, TableReport, Versions};
use crate::text::{counted, row_time};

/// Rows of one table to which the same happened.
pub(super) struct VersionList {
    pub(super) table: String,
    pub(super) anchor: String,
    pub(super) rows: Vec<VersionView>,
    pub(super) not_listed: String,
}

pub(super) struct VersionView {
    pub(super) key: String,
    pub(super) old_time: String,
    pub(super) new_time: String,
    /// Column, old value, new value.
    pub(super) changes: Vec<[String; 3]>,
    /// All columns, of a row with one version.
    pub(super) values: Vec<[String; 2]>,
    /// Where there is one version: whose.
    pub(super) only: &'static str,
}

pub(super) struct Conflicts {
    pub(super) table: String,
    pub(super) rows: Vec<ConflictView>,
    pub(super) not_listed: String,
}

pub(super) struct ConflictView {
    pub(super) key: String,
    pub(super) words: &'static str,
    pub(super) old_time: String,
    pub(super) new_time: String,
    pub(super) old_there: bool,
    pub(super) new_there: bool,
    /// Whether the state at the takeover is a version of its own.
    pub(super) base_there: bool,
    pub(super) lines: Vec<Line>,
    pub(super) same: Vec<[String; 2]>,
}

pub(super) struct Line {
    pub(super) column: String,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) base: String,
}

pub(super) struct DoubtView {
    pub(super) words: &'static str,
    pub(super) count: String,
    pub(super) lists: Vec<VersionList>,
    pub(super) in_transactions: bool,
}

/// Both versions of a row. `time` is the column with the times of the last writes, which are shown anyway.
fn version_view(of: &Versions, time: Option<&str>) -> VersionView {
    let value = |row: &Option<Map<String, Value>>, column: &str| {
        row.as_ref().and_then(|row| row.get(column)).map(shown).unwrap_or_default()
    };
    let only = match (&of.old, &of.new) {
        (Some(_), None) => "old primary only",
        (None, Some(_)) => "new primary only",
        _ => "",
    };
    let single = of.old.as_ref().xor(of.new.as_ref());
    VersionView {
        key: values_of(&of.key),
        old_time: of.old_time.map(row_time).unwrap_or_default(),
        new_time: of.new_time.map(row_time).unwrap_or_default(),
        changes: of
            .differs
            .iter()
            .filter(|c| Some(c.as_str()) != time)
            .map(|c| [c.clone(), value(&of.old, c), value(&of.new, c)])
            .collect(),
        values: single
            .map(|row| row.iter().map(|(column, value)| [column.clone(), shown(value)]).collect())
            .unwrap_or_default(),
        only,
    }
}

/// The lost updates, by table.
pub(super) fn updates(report: &Report) -> Vec<VersionList> {
    lists(report, "u", |counts| counts.lost_updates, |table| &table.listed.lost_updates)
}

/// The lost deletes, by table.
pub(super) fn deletes(report: &Report) -> Vec<VersionList> {
    lists(report, "d", |counts| counts.lost_deletes, |table| &table.listed.lost_deletes)
}

fn lists<'a>(
    report: &'a Report,
    prefix: &str,
    all: impl Fn(&Counts) -> u64,
    listed: impl Fn(&'a TableReport) -> &'a Vec<Versions>,
) -> Vec<VersionList> {
    let mut lists = Vec::new();
    for table in &report.tables {
        let n = all(&table.counts);
        if n == 0 {
            continue;
        }
        let rows: Vec<VersionView> =
            listed(table).iter().map(|row| version_view(row, time_column(table))).collect();
        lists.push(VersionList {
            table: table_name(table),
            anchor: format!("{prefix}-{}", lists.len() + 1),
            not_listed: not_listed(n, rows.len()),
            rows,
        });
    }
    lists
}

/// The rows in conflict, by table.
pub(super) fn conflicts(report: &Report) -> Vec<Conflicts> {
    let tables = report.tables.iter().filter(|table| table.counts.conflicts > 0);
    tables
        .map(|table| Conflicts {
            table: table_name(table),
            rows: table.listed.conflicts.iter().map(conflict_view).collect(),
            not_listed: not_listed(table.counts.conflicts, table.listed.conflicts.len()),
        })
        .collect()
}

fn conflict_view(of: &Versions) -> ConflictView {
    let view = version_view(of, None);
    let (mut lines, mut same) = (Vec::new(), Vec::new());
    let in_base =
        |column: &str| of.base.as_ref().and_then(|row| row.get(column)).map(shown).unwrap_or_default();
    let line = |column: String, old, new| Line { base: in_base(&column), column, old, new };
    if of.old.is_some() && of.new.is_some() {
        lines = view.changes.into_iter().map(|[column, old, new]| line(column, old, new)).collect();
        let rest = of.old.iter().flatten().filter(|(column, _)| !of.differs.contains(column));
        same = rest.map(|(column, value)| [column.clone(), shown(value)]).collect();
    } else {
        for [column, value] in view.values {
            let (old, new) = if of.old.is_some() { (value, String::new()) } else { (String::new(), value) };
            lines.push(line(column, old, new));
        }
    }
    ConflictView {
        key: view.key,
        words: of.conflict.map_or("", crate::Conflict::words),
        old_time: view.old_time,
        new_time: view.new_time,
        old_there: of.old.is_some(),
        new_there: of.new.is_some(),
        base_there: of.base.is_some(),
        lines,
        same,
    }
}

/// The rows in doubt, by why. Those that may have been deleted since are listed with their transactions.
pub(super) fn doubts(report: &Report) -> Vec<DoubtView> {
    let all = report.totals.rows.undecided.iter();
    all.map(|(doubt, n)| {
        let in_transactions = *doubt == Doubt::LostOrDeleted;
        DoubtView {
            words: doubt.words(),
            count: counted(*n, "row"),
            in_transactions,
            lists: if in_transactions { Vec::new() } else { doubt_lists(report, *doubt) },
        }
    })
    .collect()
}

fn doubt_lists(report: &Report, doubt: Doubt) -> Vec<VersionList> {
    let tables = report.tables.iter().filter_map(|table| Some((table, *table.counts.undecided.get(&doubt)?)));
    tables
        .enumerate()
        .map(|(i, (table, n))| {
            let of = table.listed.undecided.iter().filter(|row| row.doubt == Some(doubt));
            let rows: Vec<VersionView> = of.map(|row| version_view(row, time_column(table))).collect();
            VersionList {
                table: table_name(table),
                anchor: format!("q-{doubt:?}-{}", i + 1),
                not_listed: not_listed(n, rows.len()),
                rows,
            }
        })
        .collect()
}
