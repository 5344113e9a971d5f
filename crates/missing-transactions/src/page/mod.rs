//! The report as a page for people: one file that needs no other, and no script for its facts.
//!
//! Numbers, places in pictures and words are made here. The template only puts them down, and escapes every value.
//!
//! | module | part of the page |
//! |---|---|
//! | `cards` | the numbers at the top |
//! | `pictures` | the timeline, the budgets, loss over time |
//! | `transactions` | what is missing, as transactions |
//! | `versions` | lost updates and deletes, conflicts, and rows in doubt |
//! | `method` | what was compared, and how sure the report is |
//! | `cells` | rows and values for the cells of tables, used by all of them |

use askama::Template;

use crate::Error;
use crate::facts::Facts;
use crate::report::Report;
use crate::summary;
use crate::text::{counted, size};

mod cards;
mod cells;
mod method;
mod pictures;
mod transactions;
mod versions;

use cards::{Card, cards};
use method::{TableView, TimeColumnView, bounds, databases, table_view, time_columns};
use pictures::{Budget, Chart, Timeline, budgets, chart, timeline};
use transactions::{KindView, kind_view};
use versions::{Conflicts, DoubtView, VersionList, conflicts, deletes, doubts, updates};

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
        updates: updates(report),
        deletes: deletes(report),
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
            .map(|table| format!("{}: {}", cells::table_name(table), table.personal.join(", ")))
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

mod filters {
    //! For the template.

    /// A time in UTC.
    #[askama::filter_fn]
    pub fn utc(time: &jiff::Timestamp, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(crate::text::time(*time))
    }
}
