//! What the step answers, in words and as data.

use comparison::{Summary, TableStatus, TableSummary};
use runbook::{Outcome, Status};
use serde::Serialize;
use table_diff::Counts;

/// What was seen so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Tables that are done.
    pub tables_done: u64,
    /// Tables that are known of and not done.
    pub tables_left: u64,
    /// Tables that can't be compared.
    pub tables_in_error: u64,
    /// The table at work, `database/table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// What is compared by itself; what `cut` answers, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Rows and differences of all tables.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The ranges that are compared by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    /// The report bucket.
    pub bucket: String,
    /// Key of the object that has them.
    pub key: String,
    /// How many there are.
    pub ranges: u64,
    /// How many are compared at once.
    pub concurrency: u16,
}

pub(crate) fn observed(summary: &Summary) -> Observed {
    let mut observed = Observed::default();
    for table in summary.databases.values().flat_map(|database| &database.tables) {
        observed.tables_done += 1;
        observed.tables_in_error += u64::from(table.status == TableStatus::Error);
        observed.counts += table.counts;
    }
    observed
}

pub(crate) fn words(counts: Counts) -> String {
    format!("{} missing, {} changed, {} extra", counts.missing, counts.changed, counts.extra)
}

/// What stands for the tables of a database that has none.
pub(crate) const NO_TABLE: &str = "(no table)";

/// The outcome of a comparison that is complete: refused where no database has a table, for that is no answer to what was lost.
pub(crate) fn done(summary: &Summary) -> Outcome<Observed> {
    let observed = observed(summary);
    let compared = observed.tables_done - observed.tables_in_error;
    let mut reason = match compared {
        0 => "nothing was compared".to_owned(),
        compared => format!("{compared} tables compared: {}", words(observed.counts)),
    };
    for (name, database) in &summary.databases {
        for table in &database.tables {
            if let Some(error) = &table.error {
                reason = format!("{reason}; {name}/{} could not be compared: {error}", table.table);
            }
            if !table.not_compared.is_empty() {
                let what = table.not_compared.join(", ");
                reason = format!("{reason}; not all of {name}/{} was compared: {what}", table.table);
            }
        }
    }
    let mut tables = summary.databases.values().flat_map(|database| &database.tables);
    let status = if tables.all(|table| table.table == NO_TABLE) { Status::Refused } else { Status::Done };
    Outcome::new(status, reason, observed)
}

/// The outcome of a comparison that can't begin.
pub(crate) fn refused(reason: String) -> Outcome<Observed> {
    Outcome::new(Status::Refused, reason, Observed::default())
}

/// The summary of a table that could not be compared.
pub(crate) fn not_compared(table: &str, error: String) -> TableSummary {
    TableSummary {
        table: table.to_owned(),
        status: TableStatus::Error,
        error: Some(error),
        counts: Counts::default(),
        seconds: 0.0,
        key_columns: Vec::new(),
        notes: Vec::new(),
        not_compared: Vec::new(),
        parts: Some(Vec::new()),
        range: None,
    }
}
