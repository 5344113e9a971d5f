//! What was compared, and how sure the report is.

use super::cells::table_name;
use crate::facts::DatabaseFacts;
use crate::report::{Report, TableReport};
use crate::text::{count, counted, duration, joined, time};
use crate::times::{Bounds, TakeoverState, TimeColumn};

pub(super) struct TableView {
    pub(super) name: String,
    pub(super) whole: bool,
    pub(super) cells: Vec<(String, &'static str)>,
    pub(super) rows: String,
    pub(super) notes: Vec<String>,
}

pub(super) struct TimeColumnView {
    pub(super) table: String,
    pub(super) changed: String,
    pub(super) created: String,
    pub(super) notes: Vec<String>,
}

/// What each database was restored from, and compared with.
pub(super) fn databases(report: &Report) -> Vec<(String, String)> {
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

/// A table's line in the list of what was compared.
pub(super) fn table_view(table: &TableReport) -> TableView {
    let counts = &table.counts;
    let compared = table.compared.as_ref();
    let whole = compared.is_some_and(|compared| compared.why_not_whole().is_none());
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
        name: table_name(table),
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
pub(super) fn bounds(report: &Report) -> Vec<(&'static str, String)> {
    let facts = &report.facts;
    let Some(failover) = &facts.failover else {
        return vec![(
            "Failover",
            "no record of it was found, so that nobody knows which primary changed a row that differs"
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
    found.push(("State at the takeover", takeover(report)));
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

/// The states at the takeover, and how much rests on them.
fn takeover(report: &Report) -> String {
    let of = |(name, known): (&String, &DatabaseFacts)| {
        let Some(base) = &known.base else {
            let why = known.no_base.as_deref().unwrap_or("none was kept");
            return format!("{name}: not used, {why}");
        };
        let snapshot = base.snapshot.as_deref().unwrap_or("an unknown snapshot");
        let taken = base.taken_at.map_or("at an unknown time".to_owned(), |at| format!("at {}", time(at)));
        let when = match (Bounds::of(&report.facts, name).takeover, base.writes_from) {
            (TakeoverState::InTime, Some(from)) => format!("before it took writes ({})", time(from)),
            (_, Some(from)) => format!("LATE: it may have taken writes since {}", time(from)),
            (_, None) => "and when it took the first write is not known".to_owned(),
        };
        let cluster = match (base.restored_at, report.facts.compared_at) {
            (Some(from), Some(to)) => format!(
                "; restored as a second cluster, which was there for {} until the comparison was complete",
                duration(to.duration_since(from).as_secs_f64().max(0.0))
            ),
            _ => String::new(),
        };
        format!("{name}: {snapshot}, taken {taken}, {when}{cluster}")
    };
    let mut said = report.facts.databases.iter().map(of).collect::<Vec<_>>().join("; ");
    let rows = &report.totals.rows;
    if rows.proved_by_takeover > 0 {
        let others = rows.all().saturating_sub(rows.proved_by_takeover + rows.in_doubt());
        said += &format!(
            ". Of {} that differ, {} proved by the state at the takeover, {} inferred from times, {} undecided",
            counted(rows.all(), "row"),
            count(rows.proved_by_takeover),
            count(others),
            count(rows.in_doubt())
        );
    }
    said
}

/// The columns with times that the decisions about a table rest on.
pub(super) fn time_columns(table: &TableReport) -> TimeColumnView {
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
            notes.push(
                "only whether a row is there, and what is known of the row that it belongs to".to_owned(),
            );
        }
        (None, _) => notes.push("which primary changed a row is not known".to_owned()),
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
        table: table_name(table),
        changed: column(&table.times.changed),
        created: column(&table.times.created),
        notes,
    }
}
