//! Where a large table is cut into sections, which are compared at once.
//!
//! Found once, before anything is compared, on the source, and cheaply: nothing of the table is read but a few of its pages. On
//! PostgreSQL the keys of some pages are fetched, and those at equal distances are the cuts. MySQL's family has no such
//! statement: there keys are made up between the first and the last one, and where the server estimates that many rows lie
//! between two of them, more are made up there. (It estimates by the index, takes a range of more than some pages for twice as
//! large as it is, and none for more than half of the table: so only small ranges are compared with each other.) The sections
//! are about as large as each other; where the estimates are wrong, only the time is.
//!
//! # Where a cut may be
//! A table that is scanned is cut only behind a row that ends a chunk on both sides: there one connection ends a part as well, so
//! that the order of the lines is the same. Where it is walked in ranges, and the order of its keys is known to the servers only,
//! MySQL's family is not asked for it; such a table is not cut.
//!
//! # What can move
//! The cuts are keys, not rows: a row that comes or goes moves no cut. Only the order of the keys can, as when a collation is
//! changed; then a row could lie in two sections. Whenever a comparison begins or continues, [`in_order`] makes sure on
//! both sides that there is none.

use std::time::Duration;

use futures::future::try_join;

use super::between::between;
use super::ranges::boundary;
use super::scan::{Finding, Reach, cut, scan};
use super::sides::Sides;
use crate::cells::{Key, lossy, number};
use crate::cursor::Sections;
use crate::engine::Engine;
use crate::error::Error;
use crate::server::{Rows, Server};
use crate::sql::Statements;

/// Sections at most, so that a cursor stays small.
const SECTIONS: usize = 16;
/// Bytes of the cuts' keys together at most, for the same reason.
const BYTES: usize = 512;
/// Rows whose keys are fetched on PostgreSQL, about; more where a part would have fewer than [`EACH`] of them.
const SAMPLE: usize = 10_000;
/// So many of them for each part at least.
const EACH: usize = 100;
/// How many times finer than the sections are the parts whose rows are estimated on MySQL's family.
const FINER: usize = 8;
/// How many times parts are halved: as often as a whole number can be.
const ROUNDS: usize = 64;
/// How many parts there are at most, unless that are too few for so many sections.
const PARTS: usize = 1000;
/// How many ranges one statement asks for.
const ASKED: usize = 1000;
/// Chunks of either side in which a cut in common is looked for.
const CHUNKS: u64 = 64;
/// How long that, or a sample, may take.
const TIME: Duration = Duration::from_secs(5);

/// The sections into which the table is cut; `None` where it stays whole. `scanned`: it is compared in passes over an index.
pub(crate) async fn sections(sides: &mut Sides<'_>, scanned: bool) -> Result<Option<Sections>, Error> {
    let most = sides.options.connections.min(SECTIONS);
    let mut cuts = cuts(sides, scanned, sides.options.section_rows, most).await?;
    while cuts.iter().flatten().map(Vec::len).sum::<usize>() > BYTES {
        // Every other one.
        cuts = cuts.into_iter().skip(1).step_by(2).collect();
    }
    Ok((!cuts.is_empty()).then(|| Sections::behind(cuts)))
}

/// Keys that cut the table into at most `most` parts of about so many `rows` or more; none where it stays whole.
pub(crate) async fn cuts(
    sides: &mut Sides<'_>,
    scanned: bool,
    rows: u64,
    most: usize,
) -> Result<Vec<Key>, Error> {
    let engine = sides.source.engine();
    let cuttable = engine == Engine::Postgres || scanned || sides.paired.source.knows_order();
    if most < 2 || !cuttable {
        return Ok(Vec::new());
    }
    let what = format!("looking for where to cut table {}", sides.table);
    let all = about(sides.source, &sides.paired.source, &[(None, None)], &what).await?.iter().sum::<u64>();
    let count = usize::try_from(all / rows.max(1)).unwrap_or(most).min(most);
    if count < 2 {
        return Ok(Vec::new());
    }
    if engine == Engine::Postgres {
        sampled(sides, all, count, &what).await
    } else {
        estimated(sides, scanned, count, &what).await
    }
}

/// Makes sure that the keys at which a table is cut, and those at which its parts stand, are in order on both sides: so that no row
/// lies in two parts, or before its part's start.
pub(crate) async fn in_order(sides: &mut Sides<'_>, keys: &[&Key]) -> Result<(), Error> {
    let what = format!("looking at the cuts of table {}", sides.table);
    let Sides { source, target, paired, table, .. } = sides;
    for pair in keys.windows(2) {
        let [before, behind] = pair else { continue };
        if before == behind {
            continue;
        }
        let between = try_join(
            boundary(source, &paired.source, Some(behind), Some(before), 1, &what),
            boundary(target, &paired.target, Some(behind), Some(before), 1, &what),
        );
        if let (None, None) = between.await? {
            continue;
        }
        let shown = |key: &Key| key.iter().cloned().map(lossy).collect::<Vec<_>>().join(", ");
        let reason = format!(
            "the ranges into which it was cut overlap: {} does not come before {} any more (was a collation changed?); \
             compare it from the start",
            shown(before).escape_debug(),
            shown(behind).escape_debug()
        );
        return Err(Error::Table { table: table.to_string(), reason });
    }
    Ok(())
}

/// About how many rows each of these ranges has, as the server estimates it.
async fn about(
    server: &mut Server,
    statements: &Statements,
    ranges: &[(Option<&Key>, Option<&Key>)],
    what: &str,
) -> Result<Vec<u64>, Error> {
    let mysql = server.engine() == Engine::MySql;
    let mut rows = Vec::new();
    for ranges in ranges.chunks(ASKED) {
        let cells = server.column(statements.plan(ranges)?, mysql.then_some("rows"), what).await?;
        let of = cells.iter().map(|cell| {
            let cell = cell.as_deref()?;
            if mysql {
                return Some(number(Some(cell)));
            }
            serde_json::from_slice::<serde_json::Value>(cell).ok()?[0]["Plan"]["Plan Rows"].as_u64()
        });
        rows.extend(of.map(Option::unwrap_or_default));
    }
    Ok(rows)
}

/// Keys that cut the table into so many sections, from a sample of its rows.
async fn sampled(sides: &mut Sides<'_>, rows: u64, count: usize, what: &str) -> Result<Vec<Key>, Error> {
    let Sides { source, paired, .. } = sides;
    // The number of a table's rows is far below 2⁵³.
    #[allow(clippy::cast_precision_loss, reason = "a share of about so many rows")]
    let percent = (SAMPLE.max(count * EACH) as f64 * 100.0 / rows.max(1) as f64).min(100.0);
    let sample = paired.source.sample(percent);
    let mut keys = Vec::new();
    let read = source.each_within(TIME, "SET LOCAL jit = off", sample, what, |cells| {
        keys.push(cells.into_iter().flatten().collect::<Key>());
    });
    if read.await? == Rows::Partial {
        return Ok(Vec::new());
    }
    let mut cuts =
        (1..count).filter_map(|place| keys.get(keys.len() * place / count).cloned()).collect::<Vec<_>>();
    cuts.dedup();
    Ok(cuts)
}

/// Keys that cut the table into so many sections, or fewer: by estimates.
async fn estimated(
    sides: &mut Sides<'_>,
    scanned: bool,
    count: usize,
    what: &str,
) -> Result<Vec<Key>, Error> {
    let mut cuts: Vec<Key> = Vec::new();
    for guess in guesses(sides, count, what).await? {
        let cut = if scanned { chunk_end(sides, &guess, what).await? } else { Some(guess) };
        let Some(cut) = cut else { continue };
        // Rows before it and behind it: so they are in order, whatever that may be.
        let Sides { source, paired, .. } = &mut *sides;
        let before = boundary(source, &paired.source, cuts.last(), Some(&cut), 1, what).await?;
        let behind = boundary(source, &paired.source, Some(&cut), None, 1, what).await?;
        if before.is_some() && behind.is_some() {
            cuts.push(cut);
        }
    }
    Ok(cuts)
}

/// Keys, of rows or not, between which there are about as many rows.
async fn guesses(sides: &mut Sides<'_>, count: usize, what: &str) -> Result<Vec<Key>, Error> {
    let Sides { source, paired, .. } = sides;
    let statements = &paired.source;
    let first = boundary(source, statements, None, None, 1, what).await?;
    let last = source.all(statements.last()?, what).await?;
    let last = last.into_iter().next().map(|cells| cells.into_iter().flatten().collect::<Key>());
    let (Some(first), Some(last)) = (first, last) else { return Ok(Vec::new()) };
    let orders = statements.orders();
    // Where each part ends, and about how many rows it has; all parts whose rows are many are halved at once.
    let mut parts: Vec<(Key, u64)> = vec![(last, 1)];
    for _ in 0..ROUNDS {
        let total = parts.iter().map(|(_, rows)| rows).sum::<u64>();
        let most = total / (count * FINER) as u64;
        let (mut halved, mut is_new) = (Vec::new(), Vec::new());
        let mut low = &first;
        for (high, rows) in &parts {
            let middle = if *rows > most { between(low, high, &orders) } else { None };
            is_new.extend(middle.iter().map(|_| true).chain([middle.is_some()]));
            halved.extend(middle.into_iter().map(|key| (key, 0)));
            halved.push((high.clone(), *rows));
            low = high;
        }
        if halved.len() == parts.len() || halved.len() > (count * FINER * 2).max(PARTS) {
            break;
        }
        let lows = [None].into_iter().chain(halved.iter().map(|(high, _)| Some(high)));
        let ranges = lows.zip(&halved).map(|(low, (high, _))| (low, Some(high))).zip(&is_new);
        let ranges = ranges.filter(|(_, is_new)| **is_new).map(|(range, _)| range).collect::<Vec<_>>();
        let mut rows = about(source, statements, &ranges, what).await?.into_iter();
        let of_new = halved.iter_mut().zip(&is_new).filter(|(_, is_new)| **is_new);
        of_new.for_each(|((_, of_part), _)| *of_part = rows.next().unwrap_or_default());
        parts = halved;
    }
    Ok(quantiles(parts, count))
}

/// The ends of parts that cut all of them into so many pieces of about as many rows, or into fewer.
fn quantiles(parts: Vec<(Key, u64)>, count: usize) -> Vec<Key> {
    let total = parts.iter().map(|(_, rows)| rows).sum::<u64>();
    let wanted = (1..count as u64).map(|number| total * number / count as u64);
    let mut ends = Vec::new();
    let mut reached = 0;
    for (high, rows) in parts {
        reached += rows;
        ends.push((reached, high));
    }
    // The last one ends the table.
    ends.pop();
    let nearest = |wanted: u64| ends.iter().min_by_key(|(reached, _)| reached.abs_diff(wanted));
    let mut cuts = wanted.filter_map(nearest).map(|(_, high)| high.clone()).collect::<Vec<_>>();
    cuts.dedup();
    cuts
}

/// The end of the first chunk behind a key that ends on both sides.
async fn chunk_end(sides: &mut Sides<'_>, key: &Key, what: &str) -> Result<Option<Key>, Error> {
    let Sides { source, target, paired, options, .. } = sides;
    let reach = Reach { spread: options.spread.max(1), chunks: CHUNKS, time: TIME };
    let (left, right) = try_join(
        scan(source, &paired.source, Some(key), reach, what),
        scan(target, &paired.target, Some(key), reach, what),
    )
    .await?;
    let parts = cut(&left, &right).into_iter();
    let mut common = parts.filter(|part| !matches!(part.finding, Finding::Unknown(_)));
    Ok(common.next().and_then(|part| part.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_where_the_rows_are() {
        let key = |number: usize| vec![number.to_string().into_bytes()];
        let cuts = |rows: &[u64], count| {
            let parts = rows.iter().enumerate().map(|(number, rows)| (key(number), *rows));
            quantiles(parts.collect(), count)
        };
        assert_eq!(cuts(&[10; 8], 4), [key(1), key(3), key(5)]);
        assert_eq!(cuts(&[70, 10, 10, 10], 2), [key(0)]);
        assert_eq!(cuts(&[0, 0, 5, 5, 90], 2), [key(3)]);
        assert_eq!(cuts(&[10, 70, 10, 10], 4), [key(0), key(1)]);
        assert_eq!(cuts(&[10], 3), [] as [Key; 0]);
    }
}
