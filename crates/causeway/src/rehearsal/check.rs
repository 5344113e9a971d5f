//! What a report lists, read as a person reads it, and one check of it: what was really lost against what is reported.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::world::{World, reports_of};
use crate::Error;

/// What rows are called.
pub type Names = BTreeSet<String>;

/// A row that the report lists: of the old primary, or of the new one where the old one had deleted it.
#[derive(Debug, Clone)]
pub struct Reported {
    /// Its database, by the plan's name.
    pub database: String,
    /// Its table, in small letters, as PostgreSQL has it.
    pub table: String,
    /// What happened to it, in the report's words.
    pub kind: String,
    /// Its values, as text, by column in small letters.
    pub source: Value,
}

/// Reads a table's spreadsheet, the one file that lists every row.
///
/// # Errors
/// When it is none.
pub fn read_spreadsheet((database, table): (&str, &str), bytes: &[u8]) -> Result<Vec<Reported>, csv::Error> {
    let mut reader = csv::Reader::from_reader(bytes);
    // The first columns are the report's own, whatever those of the table behind them are called.
    let names: Vec<String> = reader.headers()?.iter().skip(OWN).map(str::to_lowercase).collect();
    let reported = reader.records().map(|record| {
        let record = record?;
        let cell = |at: usize| record.get(at).unwrap_or_default();
        let (kind, surety, version) = (cell(0), cell(1), cell(2));
        let is_new_only = kind == DELETED || surety.starts_with(DELETED_IN_OLD);
        let counts = version == "old" || (version == "new" && is_new_only);
        let row: BTreeMap<&String, &str> = names.iter().zip(record.iter().skip(OWN)).collect();
        Ok(counts.then(|| Reported {
            database: database.to_owned(),
            table: table.to_lowercase(),
            kind: kind.to_owned(),
            source: serde_json::json!(row),
        }))
    });
    reported.filter_map(Result::transpose).collect()
}

/// How many columns of a spreadsheet are the report's own: what happened, how sure, version, last write, differs in.
const OWN: usize = 5;
/// What the report says of a conflict over a row that only the new primary has.
const DELETED_IN_OLD: &str = "deleted in the old";
/// What the report calls a delete that was lost.
pub const DELETED: &str = "lost delete";
/// One check of the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was compared.
    pub what: &'static str,
    /// How many were really lost.
    pub lost: usize,
    /// How many the report lists.
    pub reported: usize,
    /// How many of the reported ones are in doubt: their clients did not see the answer to the commit.
    pub in_doubt: usize,
    /// Lost but not reported.
    pub overlooked: Vec<String>,
    /// Reported but not lost.
    pub invented: Vec<String>,
    /// Why a replay does not put them back; empty where it has to.
    pub why_left: &'static str,
}

impl Check {
    /// Compares two sets; what is in doubt may be reported or not.
    pub fn of(
        what: &'static str,
        lost: &Names,
        reported: &Names,
        is_doubtful: &dyn Fn(&str) -> bool,
    ) -> Self {
        let sure = |names: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            names.filter(|name| !is_doubtful(name)).cloned().collect()
        };
        Self {
            what,
            lost: lost.len(),
            reported: reported.len(),
            in_doubt: reported.iter().filter(|one| is_doubtful(one) && !lost.contains(*one)).count(),
            overlooked: sure(&mut lost.difference(reported)),
            invented: sure(&mut reported.difference(lost)),
            why_left: "",
        }
    }

    /// The same, where a replay does not put them back.
    #[must_use]
    pub fn left(self, why: &'static str) -> Self {
        Self { why_left: why, ..self }
    }

    /// That the report leaves nothing undecided.
    pub fn nothing_undecided(undecided: Vec<String>) -> Self {
        let reported = undecided.len();
        Self {
            what: "undecided",
            lost: 0,
            reported,
            in_doubt: 0,
            overlooked: Vec::new(),
            invented: undecided,
            why_left: "",
        }
    }

    /// Whether the report is right.
    pub fn holds(&self) -> bool {
        self.overlooked.is_empty() && self.invented.is_empty()
    }
}

/// What a report lists, what it says in a sentence, and what it leaves undecided.
pub struct Report {
    /// Its rows.
    pub rows: Vec<Reported>,
    /// Its sentence.
    pub says: String,
    /// What is undecided, and how many rows of it.
    pub undecided: Vec<String>,
}

/// Reads the report of a reconciliation: its spreadsheets, its summary, and what it leaves undecided.
///
/// # Errors
/// When the bucket does not answer, or has no report.
pub async fn read(world: &impl World, execution: &str) -> Result<Report, Error> {
    let mut rows = Vec::new();
    let prefix = reports_of(world, execution);
    for key in world.list_reports(&prefix).await? {
        let name = key.strip_prefix(&prefix).and_then(|name| name.strip_suffix(".csv"));
        let Some(place) = name.and_then(|name| name.split_once('/')) else { continue };
        rows.extend(read_spreadsheet(place, &world.read_report(&key).await?)?);
    }
    let report: Value = serde_json::from_slice(&world.read_report(&format!("{prefix}report.json")).await?)?;
    let undecided = report["totals"]["rows"]["undecided"].as_object().into_iter().flatten();
    let undecided = undecided.map(|(doubt, rows)| format!("{rows} rows: {doubt}")).collect();
    Ok(Report { rows, says: report["summary"].as_str().unwrap_or_default().to_owned(), undecided })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_is_read_by_its_own_words() {
        let text = "what happened,how sure,version,last write (UTC),differs in,ORDER_ID,LINE,version\r\n\
                    missing,x,old,,,\"a,b\",1,7\r\nlost update,,old,,,c,2,\r\nlost update,,new,,,c,3,\r\n\
                    conflict,deleted in the old; x,new,,,d,4,8\r\n";
        let rows = read_spreadsheet(("d", "t"), text.as_bytes()).unwrap();
        let said: Vec<_> =
            rows.iter().map(|row| (row.kind.as_str(), row.source["order_id"].as_str().unwrap())).collect();
        assert_eq!(said, [("missing", "a,b"), ("lost update", "c"), ("conflict", "d")]);
        // A column of the table's own, called as one of the report's.
        assert_eq!(rows[0].source["version"], "7");
        assert_eq!(rows[1].source["line"], "2");
    }
}
