//! Writes a report, as JSON and as a page.

use askama::Template;
use missing_transactions::text::{count, counted, time};
use runbook::StepError;
use runbook::bucket::folder::Folder as Reports;
use runbook::bucket::{DeleteObject, GetObject, PutObject, ReadLines};
use runbook::error::Kind;
use runbook::names::keys;

use super::model::{Report, Row, Table};
use super::words::line;
use crate::status::RowStatus;

/// Writes the report, and its manifest last. Answers the page's address and what was written.
///
/// # Errors
/// When it can't be written, or reads differently.
pub(crate) async fn write<S: GetObject + PutObject + DeleteObject + ReadLines>(
    store: &S,
    bucket: &str,
    report: &Report,
) -> Result<(String, Vec<String>), StepError> {
    let page = report.page()?;
    let folder = keys::reports(&report.origin.plan, &report.origin.execution);
    let mut reports = Reports::begin_anew(store, bucket, folder).await?;
    reports.write_json("replay.json", report).await?;
    let location = reports.write("replay.html", "text/html; charset=utf-8", page.into_bytes()).await?;
    reports.write_manifest(&[]).await?;
    Ok((location, reports.written()))
}

impl Report {
    fn page(&self) -> Result<String, StepError> {
        let tables = self.databases.iter().flat_map(|(database, of)| {
            of.tables.iter().map(move |(table, of)| TableLine::new(database, table, of))
        });
        let groups = RowStatus::LEFT.into_iter().filter_map(|status| {
            let all = self.rows.of(status);
            let rows = self.left.iter().filter(|row| row.status == status).collect::<Vec<_>>();
            let would_be = status == RowStatus::ToPutBack && !self.origin.applied;
            (all > 0 && !would_be).then(|| Group {
                heading: format!("{} {}", counted(all, "row"), status.words()),
                not_listed: all - rows.len() as u64,
                rows: rows.into_iter().map(RowLine::new).collect(),
            })
        });
        let notes = self
            .databases
            .iter()
            .flat_map(|(name, database)| database.notes.iter().map(move |note| format!("{name}: {note}")));
        let page = Page {
            report: self,
            facts: self.facts(),
            tables: tables.collect(),
            groups: groups.collect(),
            notes: notes.collect(),
            written_at: time(self.origin.written_at),
        };
        page.render().map_err(|error| {
            StepError::new(Kind::Failed, "the page of the replay can't be made", "report this line")
                .with_source(error)
        })
    }

    fn facts(&self) -> Vec<(String, &'static str)> {
        let (all, there) = (self.rows.all(), self.rows.there());
        let conflicts = self.databases.values().flat_map(|database| database.tables.values());
        let conflicts = conflicts.map(|table| table.preview.conflicts).sum();
        let to_put_back = self.rows.of(RowStatus::ToPutBack);
        let first = if self.origin.applied {
            vec![(count(there), "lost rows are there"), (count(all - there), "are left")]
        } else {
            vec![
                (count(to_put_back), "rows to put back"),
                (count(all - there - to_put_back), "to leave out"),
                (count(there), "there already"),
            ]
        };
        first.into_iter().chain([(count(conflicts), "differ on both sides, not touched")]).collect()
    }
}

#[derive(Template)]
#[template(path = "replay.html")]
struct Page<'a> {
    report: &'a Report,
    facts: Vec<(String, &'static str)>,
    tables: Vec<TableLine<'a>>,
    groups: Vec<Group<'a>>,
    notes: Vec<String>,
    written_at: String,
}

/// A line of the table of tables.
struct TableLine<'a> {
    database: &'a str,
    table: &'a str,
    lost: String,
    before: String,
    put_back: String,
    left: String,
    is_left: bool,
    conflicts: String,
}

impl<'a> TableLine<'a> {
    fn new(database: &'a str, table: &'a str, of: &Table) -> Self {
        let (all, there) = (of.rows.all(), of.rows.there());
        let before = of.preview.already_there;
        let to_put_back = if of.apply.is_none() { of.rows.of(RowStatus::ToPutBack) } else { 0 };
        let put_back = if of.apply.is_none() { to_put_back } else { there.saturating_sub(before) };
        let left = all - there - to_put_back;
        Self {
            database,
            table,
            lost: count(all),
            before: count(before),
            put_back: count(put_back),
            left: count(left),
            is_left: left > 0,
            conflicts: count(of.preview.conflicts),
        }
    }
}

/// Rows that are left for the same reason.
struct Group<'a> {
    heading: String,
    rows: Vec<RowLine<'a>>,
    not_listed: u64,
}

struct RowLine<'a> {
    row: &'a Row,
    key: String,
    there: Option<String>,
}

impl<'a> RowLine<'a> {
    fn new(row: &'a Row) -> Self {
        Self { row, key: line(&row.key), there: row.there.as_ref().map(line) }
    }
}
