//! What is missing, as transactions.

use std::collections::BTreeMap;

use super::cells::{cells, columns, not_listed, values_of};
use crate::report::{Kind, ParentState, Report, Row, Standing, Transaction, Transactions};
use crate::text::{count, row_time, second};

pub(super) struct KindView {
    pub(super) anchor: String,
    pub(super) name: String,
    pub(super) database: String,
    pub(super) headline: String,
    pub(super) rows: Vec<String>,
    pub(super) window: String,
    pub(super) columns: Vec<String>,
    pub(super) transactions: Vec<TransactionView>,
    pub(super) not_listed: String,
}

pub(super) struct TransactionView {
    pub(super) class: &'static str,
    pub(super) badge: &'static str,
    pub(super) detail: String,
    pub(super) key: String,
    pub(super) time: String,
    pub(super) values: Vec<String>,
    /// In place of the values.
    pub(super) instead: String,
    pub(super) references: String,
    pub(super) members: Vec<MemberView>,
    pub(super) inside: String,
    pub(super) span: usize,
}

pub(super) struct MemberView {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<(Vec<String>, String)>,
    pub(super) not_listed: String,
}

/// What the plan calls the rows of a database's tables.
type Labels<'a> = BTreeMap<&'a str, &'a str>;

fn labels<'a>(report: &'a Report, database: &str) -> Labels<'a> {
    let tables = report.tables.iter().filter(|table| table.database == database);
    tables.filter_map(|table| Some((table.table.as_str(), table.label.as_deref()?))).collect()
}

/// `order_items 2`, the most first.
fn rows_by_table(rows: &BTreeMap<String, u64>, labels: &Labels<'_>) -> Vec<String> {
    let mut rows: Vec<(&String, &u64)> = rows.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let named = rows.iter().map(|(table, n)| match labels.get(table.as_str()) {
        Some(label) => format!("{} {label}", count(**n)),
        None => format!("{table} {}", count(**n)),
    });
    named.collect()
}

/// What a row refers to that is not simply there.
fn references(row: &Row) -> String {
    let parts: Vec<String> = row
        .references
        .iter()
        .map(|to| format!("{} by {} {}", to.table, to.columns.join(", "), to.state.words()))
        .collect();
    parts.join("; ")
}

/// The transactions that begin in one table.
pub(super) fn kind_view(i: usize, kind: &Kind, report: &Report) -> KindView {
    let table = report.tables.iter().find(|t| t.database == kind.database && t.table == kind.table);
    // The key and the last write have columns of their own.
    let roots = || kind.listed.iter().filter_map(|transaction| transaction.row.as_ref());
    let changed = table.and_then(|table| table.times.changed.as_ref()).map(|column| &column.name);
    let keys = roots().take(1).flat_map(|row| row.key.keys());
    let keys: Vec<&str> = keys.chain(changed).map(String::as_str).collect();
    let columns = columns(roots().map(|row| &row.values), &keys);
    let listed = &kind.listed;
    let labels = labels(report, &kind.database);
    KindView {
        anchor: format!("kind-{}", i + 1),
        name: kind.label.clone(),
        database: format!("{}.{}", kind.database, kind.table),
        headline: headline(kind.transactions),
        rows: rows_by_table(&kind.rows, &labels),
        window: window(kind),
        transactions: listed
            .iter()
            .map(|transaction| transaction_view(transaction, &columns, &kind.table, &labels))
            .collect(),
        columns,
        not_listed: not_listed(kind.not_listed, 0),
    }
}

/// How many transactions there are of each standing.
fn headline(of: Transactions) -> String {
    let parts = [(of.whole, "missing whole"), (of.in_part, "in part"), (of.undecided, "undecided")];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n))).collect();
    parts.join(", ")
}

/// When the transactions were written.
fn window(kind: &Kind) -> String {
    match (kind.first, kind.last) {
        (Some(first), Some(last)) if first != last => {
            format!("written between {} and {} UTC", second(first), second(last))
        }
        (Some(first), _) => format!("written at {} UTC", second(first)),
        _ => "written at unknown times".to_owned(),
    }
}

fn transaction_view(
    of: &Transaction,
    columns: &[String],
    table: &str,
    labels: &Labels<'_>,
) -> TransactionView {
    let (class, badge, detail) = badge(of);
    let mut inside = of.rows.clone();
    if of.row.is_some()
        && let Some(rows) = inside.get_mut(table)
    {
        *rows -= 1;
        inside.retain(|_, rows| *rows > 0);
    }
    let inside = rows_by_table(&inside, labels).join(", ");
    TransactionView {
        class,
        badge,
        detail,
        key: values_of(&of.key),
        time: of.row.as_ref().and_then(|row| row.time).map(row_time).unwrap_or_default(),
        values: of.row.as_ref().map(|row| cells(&row.values, columns)).unwrap_or_default(),
        instead: match (&of.row, of.standing) {
            (None, Standing::InPart) => "the row itself is in the new primary".to_owned(),
            (None, _) => "not among what was compared".to_owned(),
            _ => String::new(),
        },
        references: of.row.as_ref().map(references).unwrap_or_default(),
        members: of.members.iter().map(|(name, rows)| member_view(of, table, name, rows, labels)).collect(),
        inside,
        span: columns.len(),
    }
}

/// The class, the badge and the words for the standing of a transaction.
fn badge(of: &Transaction) -> (&'static str, &'static str, String) {
    match of.standing {
        Standing::Whole if of.proved => {
            ("bad", "lost", "for certain: written too late to come across".to_owned())
        }
        Standing::Whole => ("bad", "missing", "or deleted in the new primary since".to_owned()),
        Standing::InPart => ("part", "in part", format!("it {}", of.state.words())),
        Standing::Undecided if of.state == ParentState::NotCompared => {
            ("doubt", "undecided", "its table was not compared whole".to_owned())
        }
        Standing::Undecided => ("doubt", "undecided", format!("it {}", of.state.words())),
    }
}

/// The rows of table `name` in a transaction that begins with a row of `table`.
fn member_view(of: &Transaction, table: &str, name: &str, rows: &[Row], labels: &Labels<'_>) -> MemberView {
    let columns = self::columns(rows.iter().map(|row| &row.values), &[]);
    // The first row of the transaction is listed above them.
    let own = u64::from(of.row.is_some() && name == table);
    let all = of.rows.get(name).copied().unwrap_or_default().saturating_sub(own);
    MemberView {
        name: labels.get(name).map_or_else(|| name.to_owned(), |label| (*label).to_owned()),
        rows: rows.iter().map(|row| (cells(&row.values, &columns), references(row))).collect(),
        columns,
        not_listed: not_listed(all, rows.len()),
    }
}
