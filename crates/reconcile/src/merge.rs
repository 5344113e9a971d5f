//! What the ranges of a table found, put together: the same summary as that of a table that was compared as a whole.
//!
//! **Proof.** Each range's own summary says which keys it compared. A table is complete only when these, in their order, have every
//! key once ([`table_diff::check_cover`]), and the keys are in that order on both sides ([`table_diff::check_ranges`]).

use comparison::{Summary, TableStatus, TableSummary};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use runbook::StepError;
use runbook::error::Kind;
use table_diff::{Counts, KeyRange, Table, check_cover};

use crate::GetObject;
use crate::folder::Folder;
use crate::outcome::not_compared;
use crate::ranges::RangeEvent;

/// How many summaries are read at once.
const AT_ONCE: usize = 16;

/// The summaries of a table's ranges, in their order.
///
/// # Errors
/// When one is not there, or is not that of its range.
pub(crate) async fn found(
    folder: &Folder,
    store: &(impl GetObject + Sync),
    (database, table): (&str, &Table),
    ranges: &[KeyRange],
) -> Result<Vec<TableSummary>, StepError> {
    let events = ranges.iter().cloned().zip(1..).map(|(range, number)| RangeEvent {
        database: database.to_owned(),
        table: table.clone(),
        number,
        range,
    });
    let total = ranges.len();
    let read = async |event: RangeEvent| {
        let folder = folder.of_range(&event);
        let what = || format!("range {} of {total} of {database}/{table}", event.number);
        let Some(Summary { mut databases, .. }) = folder.summary(store).await? else {
            return Err(StepError::new(
                Kind::Failed,
                format!("{} is not compared", what()),
                "redrive the execution of the state machine that compares the ranges, then run the step again",
            ));
        };
        let tables = databases.remove(database).map(|database| database.tables).unwrap_or_default();
        match <[TableSummary; 1]>::try_from(tables) {
            Ok([summary])
                if summary.table == table.to_string() && summary.range.as_ref() == Some(&event.range) =>
            {
                Ok(summary)
            }
            _ => Err(StepError::new(
                Kind::Failed,
                format!("what was compared as {} is something else", what()),
                "start the reconcile runbook again: it cuts the table anew",
            )),
        }
    };
    let reading: Vec<_> = events.map(read).collect();
    stream::iter(reading).buffered(AT_ONCE).try_collect().await
}

/// The summary of the whole table.
pub(crate) fn merged(table: &str, ranges: Vec<TableSummary>) -> TableSummary {
    let total = ranges.len();
    let compared = ranges.iter().map(|one| one.range.clone().unwrap_or_default()).collect::<Vec<_>>();
    let error = check_cover(&compared).err().map(|gap| format!("its ranges do not make a whole: {gap}"));
    let mut all = TableSummary { error, ..not_compared(table, String::new()) };
    for (number, one) in (1..).zip(ranges) {
        all.counts += one.counts;
        all.seconds += one.seconds;
        if number == 1 {
            all.key_columns = one.key_columns;
        } else if all.key_columns != one.key_columns && one.error.is_none() {
            let reason =
                format!("range {number} of {total} was compared by another key than those before it");
            all.error.get_or_insert(reason);
        }
        for (into, from) in [(&mut all.notes, one.notes), (&mut all.not_compared, one.not_compared)] {
            for line in from {
                if !into.contains(&line) {
                    into.push(line);
                }
            }
        }
        if let Some(error) = one.error {
            all.error.get_or_insert(if total == 1 {
                error
            } else {
                format!("range {number} of {total}: {error}")
            });
        }
        let folder = comparison::range_folder(number);
        let names = one.parts.unwrap_or_default().into_iter().map(|name| format!("{folder}{name}"));
        all.parts.get_or_insert_default().extend(names);
    }
    let Counts { rows_source, rows_target, .. } = all.counts;
    if all.error.is_none() && all.counts.differences() == 0 && rows_source != rows_target {
        let reason = format!(
            "{rows_source} rows of the old primary and {rows_target} of the new one were counted, and no difference was found"
        );
        all.error = Some(reason);
    }
    if all.error.is_none() {
        all.status = TableStatus::of(all.counts, &all.not_compared);
    }
    all
}
