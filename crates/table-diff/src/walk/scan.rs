//! A table with a key, on servers that can sum up as they go: one pass over each side, chunks cut by their content.
//!
//! Both sides walk the key's index at once. A row whose CRC is small ends a chunk and is sent, with the state of the
//! chunk: how many rows it has, and the sum of their mixed CRCs. As the rows themselves say where a chunk ends, both
//! sides cut at the same rows without knowing of each other, whatever the key is made of, and a difference moves no cut
//! but its own. So one pass finds every difference to within a few dozen rows, and only those are compared row by row.
//!
//! [`cut`] is pure: what both sides sent becomes [`Part`]s of the table. Cuts in common lie where the tables have
//! them, whatever the time and wherever a comparison went on; only where there is none for a long way it depends on how
//! far a pass came.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::try_join;

use super::packed::PackedKeys;
use super::rows::{Digests, Reading, drop_alike, fitting};
use super::sides::Sides;
use crate::cells::{Key, number};
use crate::cursor::Counts;
use crate::engine::Side;
use crate::error::Error;
use crate::server::{Rows, Server};
use crate::sql::{ROW, Statements};

/// Rows of a part, about, where the sides have no cut in common.
const APART: u64 = 1000;

/// What a pass over a part of one side gave: the last key and the state of each chunk, closely packed, for there are
/// many.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scanned {
    keys: PackedKeys,
    /// Their states.
    states: Vec<u64>,
    /// State of what came after the last of them.
    tail: u64,
    /// Whether the pass came to the end of the table.
    complete: bool,
    /// Whether its time was over before.
    pub(crate) timed_out: bool,
}

/// Bytes that a pass holds of a chunk beside its key's own.
pub(crate) const HELD: u64 = 32;

impl Scanned {
    fn push(&mut self, key: &[Option<Vec<u8>>], state: u64) {
        self.keys.push(key);
        self.states.push(state);
    }

    /// How many chunks it came to.
    pub(crate) fn chunks(&self) -> u64 {
        self.states.len() as u64
    }
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
    let places: HashMap<&[u8], usize> =
        (0..right.states.len()).map(|place| (right.keys.packed(place), place)).collect();
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
    for (number, chunk) in left.states.iter().enumerate() {
        here = here.and(*chunk);
        let Some(&place) = places.get(left.keys.packed(number)).filter(|place| **place >= from) else {
            continue;
        };
        there = right.states[from..=place].iter().fold(there, |state, chunk| state.and(*chunk));
        push(&mut parts, Some(left.keys.key(number)), here, there);
        (here, there, after, from) = (State::default(), State::default(), number + 1, place + 1);
    }
    if left.complete && right.complete {
        there = right.states[from..].iter().fold(there, |state, chunk| state.and(*chunk));
        push(&mut parts, None, here.and(left.tail), there.and(right.tail));
        return parts;
    }
    // Behind the last cut in common. The source's cuts serve for both; once it is at its end, the target's do.
    let apart = |scanned: &Scanned, from: usize, side| {
        let mut rows = 0;
        let mut parts = Vec::new();
        for (number, chunk) in scanned.states.iter().enumerate().skip(from) {
            rows += chunk / ROW;
            if rows >= APART {
                rows = 0;
                parts.push(Part { high: Some(scanned.keys.key(number)), finding: Finding::Unknown(side) });
            }
        }
        parts
    };
    let mut rest = apart(left, after, Side::Source);
    // One that is not at its end yet may have a cut in common with what the other has sent: only once both have gone far
    // without one, it is too far away to be waited for.
    let far = |scanned: &Scanned, from: usize| {
        scanned.complete || scanned.states[from..].iter().map(|chunk| chunk / ROW).sum::<u64>() >= APART
    };
    if !far(left, after) || !far(right, from) {
        return parts;
    }
    if rest.is_empty() && left.complete {
        rest = apart(right, from, Side::Target);
    }
    parts.extend(rest);
    parts
}

/// How far a pass goes at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Rows of a chunk on average.
    pub(crate) spread: u64,
    /// How many chunks.
    pub(crate) chunks: u64,
    /// How long: a busy server, or rows that are long, make a pass shorter.
    pub(crate) time: Duration,
}

/// One pass over a side, from `low` on.
pub(crate) async fn scan(
    server: &mut Server,
    statements: &Statements,
    low: Option<&Key>,
    reach: Reach,
    what: &str,
) -> Result<Scanned, Error> {
    let mut scanned = Scanned::default();
    // The server's own limit on a statement holds for this one too.
    let time = reach.time.min(server.timeout());
    let sql = statements.scan(low, reach.spread, reach.chunks, time)?;
    let rows = server
        .each_until_timeout(sql, what, |mut cells| {
            cells.pop();
            let state = number(cells.pop().flatten().as_deref());
            scanned.push(&cells, state);
        })
        .await?;
    // The last row has the state only.
    if rows == Rows::All
        && let Some(tail) = scanned.states.pop()
    {
        scanned.keys.forget_last();
        scanned.tail = tail;
        scanned.complete = scanned.chunks() < reach.chunks;
    }
    scanned.timed_out = rows == Rows::Partial;
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
    let mut plan = last.map(|text| String::from_utf8_lossy(&text).to_lowercase());
    Ok(!plan.any(|text| text.contains("sort") || text.contains("temporary")))
}

/// What differs in each of these ranges, as the digests of its rows on either side, and how many rows it has.
pub(crate) async fn differing(
    sides: &mut Sides<'_>,
    ranges: &[(Option<&Key>, Option<&Key>)],
    what: &str,
) -> Result<Vec<(Digests, Digests, Counts)>, Error> {
    let Sides { source, target, paired, .. } = sides;
    let (left, right) = try_join(
        digests_of(source, &paired.source, ranges, what),
        digests_of(target, &paired.target, ranges, what),
    )
    .await?;
    Ok(left
        .into_iter()
        .zip(right)
        .map(|((mut left, rows_source), (mut right, rows_target))| {
            drop_alike(&mut left, &mut right);
            (left, right, Counts { rows_source, rows_target, ..Counts::default() })
        })
        .collect())
}

async fn digests_of(
    server: &mut Server,
    statements: &Statements,
    ranges: &[(Option<&Key>, Option<&Key>)],
    what: &str,
) -> Result<Vec<(Digests, u64)>, Error> {
    let mut found: Vec<Reading> = ranges.iter().map(|_| Reading::default()).collect();
    let (mut rest, mut read) = (ranges, found.as_mut_slice());
    while !rest.is_empty() {
        let (sql, count) = fitting(server, rest.len(), |count| statements.digests_of(&rest[..count]))?;
        let (these, later) = read.split_at_mut(count);
        server
            .each_to_the_end(sql, what, |mut cells| {
                let of = usize::try_from(number(cells.remove(0).as_deref())).unwrap_or(usize::MAX);
                if let Some(range) = these.get_mut(of) {
                    range.add(cells);
                }
            })
            .await?;
        (rest, read) = (&rest[count..], later);
    }
    let side = server.side;
    found.into_iter().map(|range| range.end(statements, side)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        vec![number.to_string().into_bytes()]
    }

    /// Chunks of so many rows each that end at these keys.
    fn scanned(chunks: &[(u64, u64)], tail: u64, complete: bool) -> Scanned {
        let mut scanned = Scanned { tail: tail * ROW, complete, ..Scanned::default() };
        for (last, rows) in chunks {
            scanned.push(&[Some(last.to_string().into_bytes())], rows * ROW + last);
        }
        scanned
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
        right.states[1] += 1;
        let differs = [
            part(10, Finding::Alike(10)),
            part(20, Finding::Differs(10, 10)),
            part(None, Finding::Alike(11)),
        ];
        assert_eq!(cut(&left, &right), differs);
        // The row that ended a chunk is missing on the other side.
        let right = scanned(&[(10, 10), (30, 19)], 1, true);
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
