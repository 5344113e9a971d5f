//! The ranges of tables that are compared by themselves, each by a child of the state machine: `ranges.jsonl`, a [`RangeEvent`] on each line.
//!
//! The file is written once and never replaced, so that every child, every redrive and the merge see the same ranges.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use runbook::StepError;
use runbook::error::Kind;
use serde::{Deserialize, Serialize};
use table_diff::{KeyRange, Table, check_cover};

use crate::state::State;

/// A range of a table: what a child is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RangeEvent {
    /// The plan's name of the database.
    pub database: String,
    /// The table.
    pub table: Table,
    /// Which of the table's ranges it is, from 1.
    pub number: usize,
    /// Its keys.
    pub range: KeyRange,
}

impl RangeEvent {
    /// Makes sure that what was begun here is this range.
    pub(crate) fn continues(&self, state: &State) -> Result<(), StepError> {
        let begun = state.databases.get(&self.database);
        if begun.is_none_or(|begun| begun.range.as_ref() == Some(&self.range)) {
            return Ok(());
        }
        let Self { database, table, number, .. } = self;
        Err(StepError::new(
            Kind::BadEvent,
            format!("range {number} of {database}/{table} was begun with other keys"),
            "give a line of ranges.jsonl, which the operation cut wrote for this execution",
        ))
    }
}

/// All of them, by database and table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Ranges(BTreeMap<String, BTreeMap<String, Vec<KeyRange>>>);

impl Ranges {
    /// Reads them from lines, of which those of a table are in the order of their keys.
    ///
    /// # Errors
    /// When a line is none, or the ranges of a table do not have each of its keys once.
    pub(crate) fn read(lines: &[u8]) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let mut all = Self::default();
        for (number, line) in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
            let event: RangeEvent =
                serde_json::from_slice(line).map_err(|error| format!("line {}: {error}", number + 1))?;
            let tables = all.0.entry(event.database).or_default();
            let ranges = tables.entry(event.table.to_string()).or_default();
            ranges.push(event.range);
            if event.number != ranges.len() {
                return Err(format!(
                    "line {} is range {} of {}, and not the {}th",
                    number + 1,
                    event.number,
                    event.table,
                    ranges.len()
                )
                .into());
            }
        }
        for (database, tables) in &all.0 {
            for (table, ranges) in tables {
                check_cover(ranges).map_err(|gap| format!("{database}/{table}: {gap}"))?;
            }
        }
        Ok(all)
    }

    /// Those of a table; none where it is compared whole, in its turn.
    pub(crate) fn of(&self, database: &str, table: &str) -> &[KeyRange] {
        let ranges = self.0.get(database).and_then(|tables| tables.get(table));
        ranges.map(Vec::as_slice).unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().flat_map(BTreeMap::values).map(|ranges| ranges.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_by_table_and_a_gap_is_an_error() {
        let line = |number: usize, range: &str| {
            format!(r#"{{"database":"orders","table":{{"name":"t"}},"number":{number},"range":{range}}}"#)
        };
        let (first, last) = (r#"{"columns":["id"],"high":["31"]}"#, r#"{"columns":["id"],"low":["31"]}"#);
        let other = r#"{"database":"orders","table":{"schema":"s","name":"u"},"number":1,"range":{}}"#;
        let read = |lines: &[String]| Ranges::read(lines.join("\n").as_bytes());
        let ranges = read(&[line(1, first), other.to_owned(), line(2, last), String::new()]).unwrap();
        assert_eq!(
            (ranges.count(), ranges.of("orders", "t").len(), ranges.of("orders", "s.u").len()),
            (3, 2, 1)
        );
        assert_eq!((ranges.of("orders", "x"), ranges.of("x", "t")), (&[][..], &[][..]));
        for (lines, reason) in [
            (vec![line(1, first)], "orders/t: the last range does not end at the table's end"),
            (vec![line(1, last)], "orders/t: the first range does not begin"),
            (vec![line(2, first), line(1, last)], "line 1 is range 2 of t"),
            (vec![line(1, first), line(1, last)], "line 2 is range 1 of t"),
            (vec!["{}".into()], "line 1: missing field"),
        ] {
            let error = read(&lines).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
