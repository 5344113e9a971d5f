//! Cuts a table into ranges that are compared by themselves, and proves that these are all of it.
//!
//! Ranges are keys, not rows: a row that comes or goes moves none. Only where the order of the keys changes, as when a collation is
//! altered, could a row lie in two of them or in none; [`check_ranges`] makes sure on both sides that it has not.

use crate::compare::Way;
use crate::error::Error;
use crate::key_range::{KeyRange, check_cover};
use crate::options::Options;
use crate::schema;
use crate::server::Server;
use crate::table::Table;
use crate::walk::cuts;
use crate::walk::sides::Sides;

/// Cuts a table that both sides have into ranges of its key of about so many `rows`, `most` at most: found on the source from its
/// estimates and some pages, see the crate's documentation. One range, the whole table, where it is not cut.
///
/// # Errors
/// When the table can't be compared, or a server not be asked.
pub async fn key_ranges(
    source: &mut Server,
    target: &mut Server,
    table: &Table,
    options: &Options,
    (rows, most): (u64, usize),
) -> Result<Vec<KeyRange>, Error> {
    let paired = schema::pair(source, target, None, table, &options.exclude_columns).await?;
    if paired.key_columns.is_empty() {
        return Ok(vec![KeyRange::default()]);
    }
    let mut sides = Sides { source, target, base: None, paired: &paired, table, options };
    let way = Way::of(&mut sides).await?;
    let cuts = cuts::cuts(&mut sides, way.is_scan(), rows, most).await?;
    Ok(KeyRange::between(&paired.key_columns, &cuts))
}

/// Makes sure that ranges have every row of a table once, on both sides and as they are now: by [`check_cover`], by the key's columns, and
/// by the servers' order of the keys.
///
/// # Errors
/// When they have not, with the first place; or when a server can't be asked.
pub async fn check_ranges(
    source: &mut Server,
    target: &mut Server,
    table: &Table,
    options: &Options,
    ranges: &[KeyRange],
) -> Result<(), Error> {
    let broken = |reason| Error::Table { table: table.to_string(), reason };
    check_cover(ranges).map_err(broken)?;
    if ranges.iter().all(KeyRange::is_whole) {
        return Ok(());
    }
    let paired = schema::pair(source, target, None, table, &options.exclude_columns).await?;
    for range in ranges {
        range.fits(table, &paired.key_columns)?;
    }
    let mut sides = Sides { source, target, base: None, paired: &paired, table, options };
    let keys = ranges.iter().filter_map(|range| range.high.as_ref()).collect::<Vec<_>>();
    cuts::in_order(&mut sides, &keys).await
}
