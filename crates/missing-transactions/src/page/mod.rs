//! The report as a page for people: one file that needs no other, and no script for its facts.
//!
//! Numbers, places in pictures and words are made here; the template only puts them down, and escapes every value.

use std::collections::BTreeMap;

use askama::Template;
use serde_json::{Map, Value};

use crate::Error;
use crate::facts::Facts;
use crate::fate::Doubt;
use crate::report::{Counts, Kind, ParentState, Report, Row, Standing, TableReport, Transaction, Versions};
use crate::summary;
use crate::text::{count, counted, cut, duration, joined, row_time, second, size, time};
use crate::times::{Bounds, TimeColumn};

mod pictures;

use pictures::{Budget, Chart, Timeline, budgets, chart, timeline};

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    facts: &'a Facts,
    title: String,
    /// `lost`, `doubt` or `fine`.
    verdict: &'static str,
    headline: String,
    lead: String,
    /// What *missing* means here.
    surety: String,
    next: String,
    puts_back: bool,
    not_compared: Vec<(String, String)>,
    /// What is said where no transaction is missing.
    none: &'static str,
    cards: Vec<Card>,
    timeline: Option<Timeline>,
    budgets: Vec<Budget>,
    chart: Option<Chart>,
    rows_not_grouped: String,
    kinds: Vec<KindView>,
    updates: Vec<VersionList>,
    deletes: Vec<VersionList>,
    conflicts: Vec<Conflicts>,
    doubts: Vec<DoubtView>,
    databases: Vec<(String, String)>,
    tables: Vec<TableView>,
    bounds: Vec<(&'static str, String)>,
    time_columns: Vec<TimeColumnView>,
    personal: Vec<String>,
    files: Vec<FileView>,
    old: String,
    new: String,
}

/// A file beside the page.
struct FileView {
    name: String,
    about: String,
    size: String,
}

/// A number at the top.
struct Card {
    name: &'static str,
    value: String,
    note: String,
    class: &'static str,
    anchor: &'static str,
}

struct KindView {
    anchor: String,
    name: String,
    database: String,
    headline: String,
    rows: Vec<String>,
    window: String,
    columns: Vec<String>,
    transactions: Vec<TransactionView>,
    not_listed: String,
}

struct TransactionView {
    class: &'static str,
    badge: &'static str,
    detail: String,
    key: String,
    time: String,
    values: Vec<String>,
    /// In place of the values.
    instead: String,
    references: String,
    members: Vec<MemberView>,
    inside: String,
    span: usize,
}

struct MemberView {
    name: String,
    columns: Vec<String>,
    rows: Vec<(Vec<String>, String)>,
    not_listed: String,
}

/// Rows of one table to which the same happened.
struct VersionList {
    table: String,
    anchor: String,
    rows: Vec<VersionView>,
    not_listed: String,
}

struct VersionView {
    key: String,
    old_time: String,
    new_time: String,
    /// Column, old value, new value.
    changes: Vec<[String; 3]>,
    /// All columns, of a row with one version.
    values: Vec<[String; 2]>,
    /// Where there is one version: whose.
    only: &'static str,
}

struct Conflicts {
    table: String,
    rows: Vec<ConflictView>,
    not_listed: String,
}

struct ConflictView {
    key: String,
    words: &'static str,
    old_time: String,
    new_time: String,
    old_there: bool,
    new_there: bool,
    lines: Vec<Line>,
    same: Vec<[String; 2]>,
}

struct Line {
    column: String,
    old: String,
    new: String,
}

struct DoubtView {
    words: &'static str,
    count: String,
    lists: Vec<VersionList>,
    in_transactions: bool,
}

struct TableView {
    name: String,
    whole: bool,
    cells: Vec<(String, &'static str)>,
    rows: String,
    notes: Vec<String>,
}

struct TimeColumnView {
    table: String,
    changed: String,
    created: String,
    notes: Vec<String>,
}

/// The page.
///
/// # Errors
/// [`Error::Page`], which tests rule out.
pub fn page(report: &Report) -> Result<String, Error> {
    let mut sentences = summary::sentences(report).into_iter();
    let headline = sentences.next().unwrap_or_default();
    let rows = &report.totals.rows;
    let lost = rows.missing + rows.lost_updates + rows.lost_deletes + rows.conflicts;
    let verdict = if lost > 0 {
        "lost"
    } else if rows.in_doubt() + report.totals.transactions.undecided > 0 || !report.is_complete() {
        "doubt"
    } else {
        "fine"
    };
    let region = |name: &str| if name.is_empty() { String::new() } else { format!(" ({name})") };
    let not_grouped = report.totals.rows_not_grouped;
    let page = Page {
        facts: &report.facts,
        verdict,
        headline,
        lead: sentences.collect::<Vec<_>>().join(" "),
        surety: summary::surety(report).unwrap_or_default(),
        next: summary::next_steps(report),
        puts_back: report.files.iter().any(|file| file.name.ends_with("replay.sql")),
        title: title(report),
        not_compared: report.not_compared(),
        none: none(report),
        cards: cards(report),
        timeline: report.facts.failover.as_ref().map(|failover| timeline(report, failover)),
        budgets: budgets(report),
        chart: chart(report),
        rows_not_grouped: if not_grouped > 0 { counted(not_grouped, "row") } else { String::new() },
        kinds: report.kinds.iter().enumerate().map(|(i, kind)| kind_view(i, kind, report)).collect(),
        updates: lists(report, "u", |counts| counts.lost_updates, |table| &table.listed.lost_updates),
        deletes: lists(report, "d", |counts| counts.lost_deletes, |table| &table.listed.lost_deletes),
        conflicts: conflicts(report),
        doubts: doubts(report),
        databases: databases(report),
        tables: report.tables.iter().map(table_view).collect(),
        bounds: bounds(report),
        time_columns: report.tables.iter().map(time_columns).collect(),
        personal: report
            .tables
            .iter()
            .filter(|table| !table.personal.is_empty())
            .map(|table| format!("{}: {}", name(table), table.personal.join(", ")))
            .collect(),
        files: report
            .files
            .iter()
            .map(|file| FileView {
                name: file.name.clone(),
                about: file.about.clone(),
                size: size(file.bytes),
            })
            .collect(),
        old: format!("Old primary{}", region(&report.facts.from_region)),
        new: format!("New primary{}", region(&report.facts.to_region)),
    };
    Ok(page.render()?)
}

fn name(table: &TableReport) -> String {
    format!("{}.{}", table.database, table.table)
}

fn time_column(table: &TableReport) -> Option<&str> {
    table.times.changed.as_ref().map(|column| column.name.as_str())
}

/// What a tab and a list of bookmarks show: the number first.
fn title(report: &Report) -> String {
    let missing = report.totals.rows.missing;
    let what = match (missing, report.is_complete()) {
        (0, true) => "No missing rows".to_owned(),
        (0, false) if report.totals.tables_compared == 0 => "No table compared".to_owned(),
        (0, false) => "Not all compared".to_owned(),
        (missing, _) => counted(missing, "missing row"),
    };
    let of = if report.facts.plan.is_empty() { "" } else { " of " };
    format!("{what} · Missing transactions{of}{}", report.facts.plan)
}

fn none(report: &Report) -> &'static str {
    match (report.totals.tables_compared, report.is_complete()) {
        (_, true) => "None.",
        (0, _) => "Not known: no table was compared whole.",
        _ => "None in what was compared.",
    }
}

fn cards(report: &Report) -> Vec<Card> {
    let (transactions, rows) = (report.totals.transactions, &report.totals.rows);
    let class = |n: u64, class: &'static str| if n > 0 { class } else { "" };
    // What there is none of has no part of the page.
    let card = |name, value: u64, note: String, class, anchor| {
        let anchor = if value == 0 { "#compared" } else { anchor };
        // None seen is not none where nothing was looked at.
        let seen = value > 0 || report.totals.tables_compared > 0;
        let (value, class) = if seen { (count(value), class) } else { ("?".to_owned(), "warn") };
        Card { name, value, note, class, anchor }
    };
    vec![
        card(
            "Missing whole",
            transactions.whole,
            match (transactions.whole, transactions.whole_proved) {
                (0, _) => "transactions".to_owned(),
                (all, proved) if proved == all => "transactions, lost for certain".to_owned(),
                (_, 0) => "transactions: lost, unless they were deleted since".to_owned(),
                (_, proved) => {
                    format!("transactions: {} for certain, others unless deleted since", count(proved))
                }
            },
            class(transactions.whole, "bad"),
            "#transactions",
        ),
        card(
            "Missing in part",
            transactions.in_part,
            "transactions that are there, with rows of theirs missing".to_owned(),
            class(transactions.in_part, "bad"),
            "#transactions",
        ),
        card(
            "Lost updates, deletes",
            rows.lost_updates + rows.lost_deletes,
            format!("{}, {}", counted(rows.lost_updates, "update"), counted(rows.lost_deletes, "delete")),
            class(rows.lost_updates + rows.lost_deletes, "bad"),
            "#updates",
        ),
        card(
            "In conflict",
            rows.conflicts,
            "rows written on both sides: somebody has to choose".to_owned(),
            class(rows.conflicts, "bad"),
            "#conflicts",
        ),
        card(
            "Can't be told",
            transactions.undecided + summary::rows_in_doubt(report),
            match (transactions.undecided, summary::rows_in_doubt(report)) {
                (0, rows) => format!("{}, by their times", counted(rows, "row")),
                (some, 0) => counted(some, "transaction"),
                (some, rows) => format!("{}, {}", counted(some, "transaction"), counted(rows, "row")),
            },
            class(transactions.undecided + summary::rows_in_doubt(report), "warn"),
            if rows.in_doubt() > 0 { "#doubts" } else { "#transactions" },
        ),
        card(
            "Nothing lost",
            rows.harmless(),
            "rows written in the new primary only; counted, not listed".to_owned(),
            "",
            "#compared",
        ),
    ]
}

/// A value as it stands in a cell. Longer ones are in the data.
fn shown(value: &Value) -> String {
    cut(&crate::text::shown(value), 200)
}

fn values_of(row: &Map<String, Value>) -> String {
    let parts: Vec<String> = row.iter().map(|(_, value)| shown(value)).collect();
    if parts.is_empty() { "no key".to_owned() } else { parts.join(" · ") }
}

/// The columns of rows, in the order in which they come up, without those of `but`.
fn columns<'a>(rows: impl Iterator<Item = &'a Map<String, Value>>, but: &[&str]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for name in rows.flat_map(Map::keys) {
        if !columns.contains(name) && !but.contains(&name.as_str()) {
            columns.push(name.clone());
        }
    }
    columns
}

fn cells(row: &Map<String, Value>, columns: &[String]) -> Vec<String> {
    columns.iter().map(|column| row.get(column).map(shown).unwrap_or_default()).collect()
}

/// `order_items 2`, the most first.
/// What the plan calls the rows of a database's tables.
type Labels<'a> = BTreeMap<&'a str, &'a str>;

fn labels<'a>(report: &'a Report, database: &str) -> Labels<'a> {
    let tables = report.tables.iter().filter(|table| table.database == database);
    tables.filter_map(|table| Some((table.table.as_str(), table.label.as_deref()?))).collect()
}

fn rows_by_table(rows: &BTreeMap<String, u64>, labels: &Labels<'_>) -> Vec<String> {
    let mut rows: Vec<(&String, &u64)> = rows.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let named = rows.iter().map(|(table, n)| match labels.get(table.as_str()) {
        Some(label) => format!("{} {label}", count(**n)),
        None => format!("{table} {}", count(**n)),
    });
    named.collect()
}

fn references(row: &Row) -> String {
    let parts: Vec<String> = row
        .references
        .iter()
        .map(|to| format!("{} by {} {}", to.table, to.columns.join(", "), to.state.words()))
        .collect();
    parts.join("; ")
}

fn kind_view(i: usize, kind: &Kind, report: &Report) -> KindView {
    let of = kind.transactions;
    let mut parts = Vec::new();
    if of.whole > 0 {
        parts.push(format!("{} missing whole", count(of.whole)));
    }
    if of.in_part > 0 {
        parts.push(format!("{} in part", count(of.in_part)));
    }
    if of.undecided > 0 {
        parts.push(format!("{} can't be told", count(of.undecided)));
    }
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
        headline: parts.join(", "),
        rows: rows_by_table(&kind.rows, &labels),
        window: match (kind.first, kind.last) {
            (Some(first), Some(last)) if first != last => {
                format!("written between {} and {} UTC", second(first), second(last))
            }
            (Some(first), _) => format!("written at {} UTC", second(first)),
            _ => "written at unknown times".to_owned(),
        },
        transactions: listed
            .iter()
            .map(|transaction| transaction_view(transaction, &columns, &kind.table, &labels))
            .collect(),
        columns,
        not_listed: if kind.not_listed > 0 { count(kind.not_listed) } else { String::new() },
    }
}

fn transaction_view(
    of: &Transaction,
    columns: &[String],
    table: &str,
    labels: &Labels<'_>,
) -> TransactionView {
    let (class, badge, detail) = match of.standing {
        Standing::Whole if of.proved => {
            ("bad", "lost", "for certain: written too late to come across".to_owned())
        }
        Standing::Whole => ("bad", "missing", "or deleted in the new primary since".to_owned()),
        Standing::InPart => ("part", "in part", format!("it {}", of.state.words())),
        Standing::Undecided if of.state == ParentState::NotCompared => {
            ("doubt", "can't be told", "its table was not compared whole".to_owned())
        }
        Standing::Undecided => ("doubt", "can't be told", format!("it {}", of.state.words())),
    };
    let mut inside = of.rows.clone();
    if of.row.is_some()
        && let Some(rows) = inside.get_mut(table)
    {
        *rows -= 1;
        inside.retain(|_, rows| *rows > 0);
    }
    let inside = rows_by_table(&inside, labels).join(", ");
    let members = of
        .members
        .iter()
        .map(|(name, rows)| {
            let columns = self::columns(rows.iter().map(|row| &row.values), &[]);
            // The first row is listed above them.
            let own = u64::from(of.row.is_some() && name == table);
            let all = of.rows.get(name).copied().unwrap_or_default().saturating_sub(own);
            let rest = all.saturating_sub(rows.len() as u64);
            MemberView {
                name: labels.get(name.as_str()).map_or_else(|| name.clone(), |label| (*label).to_owned()),
                rows: rows.iter().map(|row| (cells(&row.values, &columns), references(row))).collect(),
                columns,
                not_listed: if rest > 0 { count(rest) } else { String::new() },
            }
        })
        .collect();
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
        members,
        inside,
        span: columns.len(),
    }
}

/// `time` is the column that the last writes are from, which are shown anyway.
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
        let rest = n.saturating_sub(rows.len() as u64);
        lists.push(VersionList {
            table: name(table),
            anchor: format!("{prefix}-{}", lists.len() + 1),
            rows,
            not_listed: if rest > 0 { count(rest) } else { String::new() },
        });
    }
    lists
}

fn conflicts(report: &Report) -> Vec<Conflicts> {
    let tables = report.tables.iter().filter(|table| table.counts.conflicts > 0);
    tables
        .map(|table| {
            let rest = table.counts.conflicts.saturating_sub(table.listed.conflicts.len() as u64);
            Conflicts {
                table: name(table),
                rows: table.listed.conflicts.iter().map(conflict_view).collect(),
                not_listed: if rest > 0 { count(rest) } else { String::new() },
            }
        })
        .collect()
}

fn conflict_view(of: &Versions) -> ConflictView {
    let view = version_view(of, None);
    let (mut lines, mut same) = (Vec::new(), Vec::new());
    if of.old.is_some() && of.new.is_some() {
        lines = view.changes.into_iter().map(|[column, old, new]| Line { column, old, new }).collect();
        let rest = of.old.iter().flatten().filter(|(column, _)| !of.differs.contains(column));
        same = rest.map(|(column, value)| [column.clone(), shown(value)]).collect();
    } else {
        for [column, value] in view.values {
            let (old, new) = if of.old.is_some() { (value, String::new()) } else { (String::new(), value) };
            lines.push(Line { column, old, new });
        }
    }
    ConflictView {
        key: view.key,
        words: of.conflict.map_or("", crate::Conflict::words),
        old_time: view.old_time,
        new_time: view.new_time,
        old_there: of.old.is_some(),
        new_there: of.new.is_some(),
        lines,
        same,
    }
}

fn doubts(report: &Report) -> Vec<DoubtView> {
    let all = &report.totals.rows.undecided;
    all.iter()
        .map(|(doubt, n)| DoubtView {
            words: doubt.words(),
            count: counted(*n, "row"),
            in_transactions: *doubt == Doubt::LostOrDeleted,
            lists: if *doubt == Doubt::LostOrDeleted {
                Vec::new()
            } else {
                let mut lists = Vec::new();
                for table in &report.tables {
                    let Some(n) = table.counts.undecided.get(doubt) else { continue };
                    let of = table.listed.undecided.iter().filter(|row| row.doubt == Some(*doubt));
                    let rows: Vec<VersionView> =
                        of.map(|row| version_view(row, time_column(table))).collect();
                    let rest = n.saturating_sub(rows.len() as u64);
                    lists.push(VersionList {
                        table: name(table),
                        anchor: format!("q-{doubt:?}-{}", lists.len() + 1),
                        rows,
                        not_listed: if rest > 0 { count(rest) } else { String::new() },
                    });
                }
                lists
            },
        })
        .collect()
}

fn databases(report: &Report) -> Vec<(String, String)> {
    let or = |text: &str, none: &str| if text.is_empty() { none.to_owned() } else { text.to_owned() };
    let databases = report.facts.databases.iter();
    databases
        .map(|(name, known)| {
            if !report.tables.iter().any(|table| table.database == *name) {
                return (name.clone(), "no table of it was compared".to_owned());
            }
            let snapshot = known.snapshot.as_deref().unwrap_or("an unknown snapshot");
            let taken =
                known.snapshot_at.map_or("at an unknown time".to_owned(), |at| format!("at {}", time(at)));
            let (source, target) =
                (or(&known.source, "the old primary"), or(&known.target, "the new primary"));
            let mut what = format!("{source}, restored from {snapshot}, taken {taken}, against {target}");
            if !known.left_out.is_empty() {
                what += &format!("; left out by the plan: {}", known.left_out.join(", "));
            }
            (name.clone(), what)
        })
        .collect()
}

fn table_view(table: &TableReport) -> TableView {
    let counts = &table.counts;
    let compared = table.compared.as_ref();
    let whole = compared.is_some_and(|compared| compared.error.is_none());
    // Of a table that was not compared whole, none is no number.
    let cell = |n: u64, class: &'static str| match n {
        0 if whole => ("–".to_owned(), "none"),
        0 => ("?".to_owned(), "warn"),
        n => (count(n), class),
    };
    let rows = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), count);
    let mut notes = table.notes.clone();
    notes.extend(compared.map(|compared| compared.notes.clone()).unwrap_or_default());
    if table.not_listed > 0 {
        notes.push(format!("{} not listed on this page", counted(table.not_listed, "row")));
    }
    TableView {
        name: name(table),
        whole,
        cells: vec![
            cell(counts.missing, "bad"),
            cell(counts.lost_updates, "bad"),
            cell(counts.lost_deletes, "bad"),
            cell(counts.conflicts, "bad"),
            cell(counts.in_doubt(), "warn"),
            cell(counts.harmless(), ""),
        ],
        rows: match compared {
            Some(compared) if compared.rows_source.is_some() || compared.rows_target.is_some() => {
                format!("{} / {}", rows(compared.rows_source), rows(compared.rows_target))
            }
            _ => "–".to_owned(),
        },
        notes,
    }
}

/// How sure it is: the times that the decisions rest on.
fn bounds(report: &Report) -> Vec<(&'static str, String)> {
    let facts = &report.facts;
    let Some(failover) = &facts.failover else {
        return vec![(
            "Failover",
            "no record of it was found: of a row that differs it can't be told which primary changed it"
                .to_owned(),
        )];
    };
    let mut found = vec![(
        "Failover began",
        format!("{}; the new primary took no write of its own before", time(failover.started_at)),
    )];
    found.push((
        "Replication stopped",
        match failover.ended_at {
            Some(ended) => format!(
                "at an unknown time, no later than {}, when every database was seen in its new place",
                time(ended)
            ),
            None => "at an unknown time".to_owned(),
        },
    ));
    let mut came: Vec<String> = Vec::new();
    for (name, known) in &facts.databases {
        let until = Bounds::of(facts, name).came_until();
        came.push(match (until, known.lag_seconds) {
            (Some(until), Some(lag)) => format!(
                "{name}: what was written before {}, by the last lag that was measured ({})",
                time(until),
                duration(lag)
            ),
            (Some(until), None) => format!("{name}: what was written before {}", time(until)),
            (None, _) => format!("{name}: not known, for no lag was measured"),
        });
    }
    found
        .push(("Surely came across", if came.is_empty() { "not known".to_owned() } else { came.join("; ") }));
    found.push((
        "Clocks",
        format!("times within {} of these moments prove nothing", duration(facts.clock_margin_seconds)),
    ));
    found
}

fn time_columns(table: &TableReport) -> TimeColumnView {
    let column = |column: &Option<TimeColumn>| {
        column.as_ref().map_or_else(
            || "none".to_owned(),
            |column| format!("{}{}", column.name, if column.named_by_plan { ", by the plan" } else { "" }),
        )
    };
    let mut notes = Vec::new();
    let of = [&table.times.changed, &table.times.created];
    let zoneless: Vec<String> = of
        .iter()
        .filter_map(|c| c.as_ref())
        .filter(|c| c.without_time_zone)
        .map(|c| c.name.clone())
        .collect();
    if !zoneless.is_empty() {
        notes.push(format!("{} without a time zone: taken as UTC", joined(&zoneless)));
    }
    match (&table.times.changed, &table.times.created) {
        (None, None) => {
            notes.push("whether a row is there, and what the row that it belongs to tells".to_owned());
        }
        (None, _) => notes.push("who changed a row can't be told".to_owned()),
        (_, None) => {
            notes.push("a delete that was lost shows only while nobody changed the row since".to_owned());
        }
        _ => {}
    }
    if table.implausible_times > 0 {
        notes.push(format!(
            "{} left out: unreadable, or later than the comparison",
            counted(table.implausible_times, "time")
        ));
    }
    TimeColumnView {
        table: name(table),
        changed: column(&table.times.changed),
        created: column(&table.times.created),
        notes,
    }
}

mod filters {
    //! For the template.

    /// A time in UTC.
    #[askama::filter_fn]
    pub fn utc(time: &jiff::Timestamp, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(crate::text::time(*time))
    }
}
