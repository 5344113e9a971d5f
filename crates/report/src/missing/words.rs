//! What a message says of the report.

use std::collections::BTreeMap;

use missing_transactions::Report;

use crate::text;

/// The subject of a message. No label of the plan is in it: it may not be ASCII.
pub(super) fn subject(report: &Report) -> String {
    let (transactions, rows) = (report.totals.transactions, &report.totals.rows);
    let mut parts = Vec::new();
    let mut part = |number: u64, one: &str, what: &str| {
        if number > 0 {
            parts.push(format!("{}{what}", text::counted(number, one)));
        }
    };
    part(transactions.whole + transactions.in_part, "transaction", " missing");
    part(rows.lost_updates + rows.lost_deletes, "update", " lost");
    part(rows.conflicts, "conflict", "");
    let undecided = transactions.undecided + rows.in_doubt();
    if parts.is_empty() && undecided == 0 && report.totals.tables_compared == 0 {
        return "Causeway: NOT KNOWN what is lost: no table was compared".to_owned();
    }
    if parts.is_empty() {
        parts.push(match undecided {
            0 if report.is_complete() => "nothing is lost".to_owned(),
            0 => "no loss found".to_owned(),
            undecided => format!("{} undecided", text::counted(undecided, "row")),
        });
    }
    let whole = if report.is_complete() { "" } else { "; NOT all was compared" };
    format!("Causeway: {}{whole}", parts.join(", "))
}

/// What replay.sql does, for the list of files.
pub(super) fn about_replay(name: &str, tables: &BTreeMap<String, row_replay::WrittenTable>) -> String {
    let sum = |of: fn(&row_replay::WrittenTable) -> u64| tables.values().map(of).sum::<u64>();
    let mut about =
        format!("puts {} back into {name}", text::counted(sum(|table| table.rows), "missing row"));
    let left_out = sum(|table| table.left_out);
    if left_out > 0 {
        about += &format!("; {} left out, each with its reason", text::count(left_out));
    }
    let conflicts = sum(|table| table.conflicts);
    if conflicts > 0 {
        about += &format!("; {} on both sides left alone", text::counted(conflicts, "row"));
    }
    about
}
