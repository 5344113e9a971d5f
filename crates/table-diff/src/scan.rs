//! A table with a key, on servers that can sum up as they go: one pass over each side, chunks cut by their content.
//!
//! Both sides walk the key's index at once. A row whose CRC is small ends a chunk and is sent, with the state of the
//! chunk: how many rows it has, and the sum of their mixed CRCs. As the rows themselves say where a chunk ends, both
//! sides cut at the same rows without knowing of each other, whatever the key is made of, and a difference moves no cut
//! but its own. So one pass finds every difference to within a few dozen rows, and only those are looked into.
//!
//! [`cut`] is pure: what both sides sent becomes [`Part`]s of the table. Where the cuts come to lie depends on the tables
//! only, not on the time or on where a comparison went on: so does the order of the differences.

use std::collections::{BTreeMap, HashMap};

use futures::future::try_join;

use crate::compare::Counts;
use crate::keyed::{Digest, number};
use crate::server::Server;
use crate::sql::{Key, ROW, Statements};
use crate::{Error, Side};

/// Rows of a part, about, where the sides have no cut in common.
const APART: u64 = 1000;

/// What a pass over a part of one side gave.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scanned {
    /// Last key and state of each chunk.
    pub(crate) chunks: Vec<(Key, u64)>,
    /// State of what came after the last of them.
    pub(crate) tail: u64,
    /// Whether the pass came to the end of the table.
    pub(crate) complete: bool,
}

/// A part of the table, from where the one before it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its last key; `None` at the end of the table.
    pub(crate) high: Option<Key>,
    pub(crate) finding: Finding,
}

/// What the sums say about a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The same on both sides, so many rows.
    Alike(u64),
    /// Not the same: rows of the source and of the target.
    Differs(u64, u64),
    /// Not the same, or not known; rows on this side are to be counted.
    Unknown(Side),
}

impl Finding {
    /// Rows on both sides, where they are known.
    pub(crate) fn counts(self) -> Counts {
        let (rows_source, rows_target) = match self {
            Self::Alike(rows) => (rows, rows),
            Self::Differs(source, target) => (source, target),
            Self::Unknown(_) => (0, 0),
        };
        Counts { rows_source, rows_target, ..Counts::default() }
    }
}

/// States of chunks that follow each other, put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    rows: u64,
    sum: u64,
}

impl State {
    fn and(self, chunk: u64) -> Self {
        // The rows' sums are below 2⁴⁴ together: see `ROW`.
        Self { rows: self.rows + chunk / ROW, sum: self.sum.wrapping_add(chunk) }
    }
}

/// Cuts what both sides sent into parts of the table, which follow each other. None when the sides have nothing in common
/// as far as they came: then both have to come further.
pub(crate) fn cut(left: &Scanned, right: &Scanned) -> Vec<Part> {
    let places: HashMap<&Key, usize> =
        right.chunks.iter().enumerate().map(|(place, (key, _))| (key, place)).collect();
    let mut parts: Vec<Part> = Vec::new();
    let push = |parts: &mut Vec<Part>, high: Option<Key>, here: State, there: State| {
        let finding =
            if here == there { Finding::Alike(here.rows) } else { Finding::Differs(here.rows, there.rows) };
        match (parts.last_mut(), finding) {
            (Some(Part { high: end, finding: Finding::Alike(rows) }), Finding::Alike(more)) => {
                *end = high;
                *rows += more;
            }
            _ => parts.push(Part { high, finding }),
        }
    };
    let (mut here, mut there, mut after, mut from) = (State::default(), State::default(), 0, 0);
    for (number, (key, chunk)) in left.chunks.iter().enumerate() {
        here = here.and(*chunk);
        let Some(&place) = places.get(key).filter(|place| **place >= from) else { continue };
        there = right.chunks[from..=place].iter().fold(there, |state, (_, chunk)| state.and(*chunk));
        push(&mut parts, Some(key.clone()), here, there);
        (here, there, after, from) = (State::default(), State::default(), number + 1, place + 1);
    }
    if left.complete && right.complete {
        there = right.chunks[from..].iter().fold(there, |state, (_, chunk)| state.and(*chunk));
        push(&mut parts, None, here.and(left.tail), there.and(right.tail));
        return parts;
    }
    // Behind the last cut in common. The source's cuts serve for both; once it is at its end, the target's do.
    let apart = |chunks: &[(Key, u64)], side| {
        let mut rows = 0;
        let mut parts = Vec::new();
        for (key, chunk) in chunks {
            rows += chunk / ROW;
            if rows >= APART {
                rows = 0;
                parts.push(Part { high: Some(key.clone()), finding: Finding::Unknown(side) });
            }
        }
        parts
    };
    let mut rest = apart(&left.chunks[after..], Side::Source);
    // One that is not at its end yet may have a cut in common with what the other has sent: only once both have gone far
    // without one, it is too far away to be waited for.
    let far = |scanned: &Scanned, from: usize| {
        scanned.complete || scanned.chunks[from..].iter().map(|(_, chunk)| chunk / ROW).sum::<u64>() >= APART
    };
    if !far(left, after) || !far(right, from) {
        return parts;
    }
    if rest.is_empty() && left.complete {
        rest = apart(&right.chunks[from..], Side::Target);
    }
    parts.extend(rest);
    parts
}

/// One pass over a side, from `low` on; at most `limit` chunks.
pub(crate) async fn scan(
    server: &mut Server,
    statements: &Statements,
    low: Option<&Key>,
    spread: u64,
    limit: u64,
    what: &str,
) -> Result<Scanned, Error> {
    let mut scanned = Scanned::default();
    let sql = statements.scan(low, spread, limit)?;
    server
        .each(sql, what, |mut cells| {
            cells.pop();
            let state = number(cells.pop().flatten().as_deref());
            scanned.chunks.push((cells.into_iter().map(Option::unwrap_or_default).collect(), state));
        })
        .await?;
    // The last row has the state only.
    if let Some((_, tail)) = scanned.chunks.pop() {
        scanned.tail = tail;
    }
    scanned.complete = (scanned.chunks.len() as u64) < limit;
    Ok(scanned)
}

/// Whether a server walks the index for a scan, without sorting first.
pub(crate) async fn follows_index(
    server: &mut Server,
    statements: &Statements,
    spread: u64,
    what: &str,
) -> Result<bool, Error> {
    let rows = server.all(statements.explain(spread)?, what).await?;
    let last = rows.iter().flat_map(|cells| cells.last().cloned().flatten());
    let mut told = last.map(|told| String::from_utf8_lossy(&told).to_lowercase());
    Ok(!told.any(|told| told.contains("sort") || told.contains("temporary")))
}

/// Digests by key.
pub(crate) type Digests = BTreeMap<Key, Digest>;

/// What differs in each of these ranges, as the digests of its rows on either side.
pub(crate) async fn differing(
    servers: (&mut Server, &mut Server),
    statements: (&Statements, &Statements),
    ranges: &[(Option<&Key>, Option<&Key>)],
    what: &str,
) -> Result<Vec<(Digests, Digests)>, Error> {
    let (left, right) = try_join(
        digests_of(servers.0, statements.0, ranges, what),
        digests_of(servers.1, statements.1, ranges, what),
    )
    .await?;
    Ok(left
        .into_iter()
        .zip(right)
        .map(|(mut left, mut right)| {
            crate::keyed::drop_alike(&mut left, &mut right);
            (left, right)
        })
        .collect())
}

async fn digests_of(
    server: &mut Server,
    statements: &Statements,
    ranges: &[(Option<&Key>, Option<&Key>)],
    what: &str,
) -> Result<Vec<Digests>, Error> {
    let mut found: Vec<Digests> = ranges.iter().map(|_| Digests::new()).collect();
    server
        .each(statements.digests_of(ranges)?, what, |mut cells| {
            let of = usize::try_from(number(cells.remove(0).as_deref())).unwrap_or(usize::MAX);
            if let Some(digests) = found.get_mut(of) {
                let (key, digest) = Digest::read(cells);
                digests.insert(key, digest);
            }
        })
        .await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        vec![number.to_string().into_bytes()]
    }

    /// Chunks of so many rows each that end at these keys.
    fn scanned(chunks: &[(u64, u64)], tail: u64, complete: bool) -> Scanned {
        let chunks = chunks.iter().map(|(last, rows)| (key(*last), rows * ROW + last)).collect();
        Scanned { chunks, tail: tail * ROW, complete }
    }

    fn part(high: impl Into<Option<u64>>, finding: Finding) -> Part {
        Part { high: high.into().map(key), finding }
    }

    #[test]
    fn what_is_alike_is_one_part_to_the_end() {
        let side = scanned(&[(10, 10), (30, 20)], 5, true);
        assert_eq!(cut(&side, &side), [part(None, Finding::Alike(35))]);
        let more = scanned(&[(10, 10), (30, 20)], 0, false);
        assert_eq!(cut(&more, &more), [part(30, Finding::Alike(30))]);
        assert_eq!(cut(&scanned(&[], 0, true), &scanned(&[], 0, true)), [part(None, Finding::Alike(0))]);
    }

    #[test]
    fn a_difference_is_held_between_the_cuts_around_it() {
        let left = scanned(&[(10, 10), (20, 10), (30, 10)], 1, true);
        let mut right = left.clone();
        right.chunks[1].1 += 1;
        let differs = [
            part(10, Finding::Alike(10)),
            part(20, Finding::Differs(10, 10)),
            part(None, Finding::Alike(11)),
        ];
        assert_eq!(cut(&left, &right), differs);
        // The row that ended a chunk is missing on the other side.
        right.chunks.remove(1);
        right.chunks[1].1 += 9 * ROW;
        let differs =
            [part(10, Finding::Alike(10)), part(30, Finding::Differs(20, 19)), part(None, Finding::Alike(1))];
        assert_eq!(cut(&left, &right), differs);
    }

    #[test]
    fn a_side_that_is_at_its_end_is_cut_as_the_other() {
        let left = scanned(&[(10, 10)], 3, true);
        let right = scanned(&[(10, 10), (900, 800), (1200, 300), (1300, 100)], 0, false);
        let parts = [part(10, Finding::Alike(10)), part(1200, Finding::Unknown(Side::Target))];
        assert_eq!(cut(&left, &right), parts);
        // The other way round, the source's own cuts serve.
        let parts = [part(10, Finding::Alike(10)), part(1200, Finding::Unknown(Side::Source))];
        assert_eq!(cut(&right, &left), parts);
    }

    #[test]
    fn sides_without_a_cut_in_common_go_on_until_it_is_worth_a_part() {
        let short = (scanned(&[(10, 10), (20, 10)], 0, false), scanned(&[(11, 10), (21, 10)], 0, false));
        assert_eq!(cut(&short.0, &short.1), []);
        let long = (scanned(&[(10, 600), (20, 600)], 0, false), scanned(&[(11, 600), (21, 600)], 0, false));
        assert_eq!(cut(&long.0, &long.1), [part(20, Finding::Unknown(Side::Source))]);
    }
}
