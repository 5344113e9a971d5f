//! Advances the sequences behind the numbers of a batch.

use std::collections::BTreeSet;

use super::batch::Batch;
use crate::sequence;
use crate::session::{Failure, Session};
use crate::table::Table;

/// Called before the rows are inserted, so that the application is never given one of their numbers.
pub(super) async fn advance(
    session: &mut Session,
    table: &Table<'_>,
    batch: &Batch,
    notes: &mut BTreeSet<String>,
) -> Result<(), Failure> {
    for column in sequence::numbered(table.engine, table.shape) {
        let values = batch.rows.iter().filter_map(|row| row.difference.source.as_ref()?.get(column));
        let numbers = values.filter_map(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
        let Some(highest) = numbers.max() else { continue };
        let number = sequence::number(highest);
        let far = sequence::FAR;
        let is_far_behind = format!(
            "SELECT 1 FROM ({}) AS b WHERE b.behind > {far}",
            sequence::behind(&table.quoted, column, &number)
        );
        if session.query(is_far_behind).await?.is_empty() {
            session.execute(sequence::advance(&table.quoted, column, &number)).await?;
        } else {
            notes.insert(format!(
                "{}: the sequence of column {column:?} is more than {far} numbers behind a row that was put back, and was not advanced",
                table.name
            ));
        }
    }
    Ok(())
}
