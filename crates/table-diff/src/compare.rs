//! The comparison of one table: pairs the sides, then walks through them in the way that fits the table's key.

use crate::copies::Copies;
use crate::cursor::{Counts, Cursor, KeyPlace, Position};
use crate::error::Error;
use crate::options::Options;
use crate::progress::{Progress, Sink};
use crate::retry::Retry;
use crate::schema::{self, Paired};
use crate::server::Server;
use crate::table::Table;
use crate::walk::buckets::{by_buckets, can_sum};
use crate::walk::caller::Caller;
use crate::walk::multiset::by_hash;
use crate::walk::pass::{by_scan, can_scan};
use crate::walk::ranges::by_range;
use crate::walk::sides::Sides;

/// Compares a table of two copies, see [`compare_copies`].
///
/// # Errors
/// As [`compare_copies`].
pub async fn compare_table(
    source: &mut Server,
    target: &mut Server,
    table: &Table,
    options: &Options,
    cursor: Option<Cursor>,
    sink: &mut impl Sink,
    stop: impl Fn() -> bool + Send + Sync,
) -> Result<Progress, Error> {
    let copies = Copies { source, target, base: None };
    compare_copies(copies, table, options, cursor, sink, stop).await
}

/// Compares a table that both sides have, from `cursor` or from the start. After each range `stop` is asked whether to
/// stop; at least one range is compared before.
///
/// Without a key, rows are counted by their hash, and a row that occurs `n` times too often gives `n` differences, see
/// [`crate::Difference`]. Continuing from a cursor then scans the table again, though it finds nothing twice.
///
/// # Errors
/// When the table can't be compared; what the sink has stays right, and the comparison can be continued from the last
/// cursor.
pub async fn compare_copies(
    copies: Copies<'_>,
    table: &Table,
    options: &Options,
    cursor: Option<Cursor>,
    sink: &mut impl Sink,
    stop: impl Fn() -> bool + Send + Sync,
) -> Result<Progress, Error> {
    let Copies { source, target, mut base } = copies;
    let mut retry = Retry::new();
    let paired = loop {
        match begin(source, target, base.as_deref_mut(), table, options).await {
            Ok(paired) => break paired,
            Err(error) => {
                let what = format!("reading the columns of table {table}");
                retry.recover(error, source, target, &what).await?;
            }
        }
    };
    let (counts, position) = match cursor {
        Some(cursor) if cursor.key_columns != paired.key_columns => {
            let reason = "its key changed while it was compared; compare it from the start".into();
            return Err(Error::Table { table: table.to_string(), reason });
        }
        Some(cursor) => (cursor.counts, Some(cursor.position)),
        None => (Counts::default(), None),
    };
    let sides = Sides { source: &mut *source, target, base, paired: &paired, table, options };
    let caller = Caller::new(sink, stop, options.limits, &paired, counts);
    let progress = walk(sides, position, caller).await?;
    source.end_view().await?;
    Ok(progress)
}

/// Fixes what the source sees, and pairs the sides.
async fn begin(
    source: &mut Server,
    target: &mut Server,
    base: Option<&mut Server>,
    table: &Table,
    options: &Options,
) -> Result<Paired, Error> {
    source.set_view(options.view).await?;
    schema::pair(source, target, base, table, &options.exclude_columns).await
}

/// Walks through the table from a position on; `None`: from the start.
async fn walk<S: Sink, F: Fn() -> bool + Send + Sync>(
    mut sides: Sides<'_>,
    position: Option<Position>,
    caller: Caller<'_, S, F>,
) -> Result<Progress, Error> {
    match position {
        Some(Position::End) => caller.finished(sides.table),
        position if sides.paired.key_columns.is_empty() => {
            let place = match position {
                Some(Position::AtHash(place)) => Some(place),
                _ => None,
            };
            by_hash(sides, place, caller).await
        }
        position => {
            let place = match position {
                Some(Position::AfterKey(place)) => place,
                _ => KeyPlace::default(),
            };
            if can_scan(&mut sides).await? {
                by_scan(sides, place, caller).await
            } else if let Some(reach) = can_sum(&mut sides).await? {
                by_buckets(sides, place, reach, caller).await
            } else {
                by_range(sides, place, caller).await
            }
        }
    }
}
