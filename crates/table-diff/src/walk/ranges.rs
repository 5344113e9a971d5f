//! A table with a key, range by range: both sides sum up the same range, and only a range that differs is compared row by row.
//!
//! A failure leaves the walk before the range that it was at, and the same range can be tried again.

use std::time::Duration;

use futures::future::try_join;
use tokio::time::Instant;

use super::caller::Caller;
use super::rows::{Digests, Reading, bytes_of, doubts, drop_alike, fetch, in_order};
use super::sides::Sides;
use crate::cells::{Key, number};
use crate::cursor::{Counts, KeyPlace, Position, Within};
use crate::difference::Difference;
use crate::engine::Side;
use crate::error::{Error, disordered};
use crate::progress::{Progress, Sink};
use crate::retry::Retry;
use crate::server::Server;
use crate::sql::Statements;

/// How often a range may be cut before one is compared: each cut leaves an eighth of the rows or fewer on one side, so
/// that some ten are enough, unless the servers disagree on the order.
const CUTS: u32 = 100;
/// A range that takes longer than this is followed by a smaller one.
const SLOW: Duration = Duration::from_secs(1);
/// A range that takes less than this is followed by a larger one.
const FAST: Duration = Duration::from_millis(250);

/// Compares a table range by range, from `place` on.
pub(crate) async fn by_range<S: Sink, F: Fn() -> bool + Send + Sync>(
    mut sides: Sides<'_>,
    place: KeyPlace,
    mut caller: Caller<'_, S, F>,
) -> Result<Progress, Error> {
    let mut walk = Walk::from(place);
    // A range is a number of units of rows: wherever one begins and however large it is, what is compared row by row are the
    // same units, and so the order of the lines does not depend on the time.
    let unit = sides.options.inspect_rows.max(1);
    let most = (sides.options.chunk_rows / unit).max(1) * unit;
    let mut size = (sides.options.first_rows / unit).max(1) * unit;
    let mut retry = Retry::new();
    loop {
        let begun = Instant::now();
        let step = match caller.wait(sides.target).await {
            Ok(false) => return Ok(caller.interrupted()),
            Ok(true) => walk.step(&mut sides, size).await,
            Err(error) => Err(error),
        };
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                let what = sides.comparing(walk.place.key.as_ref());
                retry.recover(error, sides.source, sides.target, &what).await?;
                continue;
            }
        };
        retry.reset();
        let Some(piece) = step else {
            // Differences are seldom alone: large ranges would be summed for nothing.
            size = unit;
            continue;
        };
        let elapsed = begun.elapsed();
        if piece.alike && elapsed < FAST {
            size = (size * 2).min(most);
        } else if elapsed > SLOW {
            size = (size / 2 / unit).max(1) * unit;
        }
        if walk.is_finished {
            caller.hand_over(piece.rows, piece.differences, Position::End).await?;
            return Ok(caller.finished());
        }
        let position = Position::AfterKey(walk.place.clone());
        if !caller.hand_over(piece.rows, piece.differences, position).await? {
            return Ok(caller.interrupted());
        }
    }
}

/// A walk through a table, or through a part of it.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Where it is.
    pub(crate) place: KeyPlace,
    /// Whether it is at the end of the table.
    pub(crate) is_finished: bool,
    /// How often it only cut ranges since it compared one.
    cuts: u32,
}

impl From<KeyPlace> for Walk {
    fn from(place: KeyPlace) -> Self {
        Self { place, is_finished: false, cuts: 0 }
    }
}

/// A range that is compared.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Rows of either side; the differences are not counted.
    pub(crate) rows: Counts,
    pub(crate) differences: Vec<Difference>,
    /// Whether the sums were the same, so that no row was compared.
    pub(crate) alike: bool,
}

/// Where a range ends.
enum End {
    /// At this key; `None`: at the end of the table.
    At(Option<Key>),
    /// Not known: this range has to be cut first.
    Cut(Within),
}

impl Walk {
    /// Compares the next range of at most `size` rows; `None` when it only found where to cut. After an error the
    /// place is as it was, and the same range can be tried again.
    pub(crate) async fn step(&mut self, sides: &mut Sides<'_>, size: u64) -> Result<Option<Piece>, Error> {
        let low = self.place.key.clone();
        let low = low.as_ref();
        let what = sides.comparing(low);
        let most = sides.options.inspect_rows.max(1);
        let high = match self.end_of_range(sides, size, &what).await? {
            End::At(high) => high,
            End::Cut(within) => return self.cut(sides, within),
        };
        let Sides { source, target, paired, .. } = sides;
        let (of_source, of_target) = try_join(
            sum(source, &paired.source, low, high.as_ref(), &what),
            sum(target, &paired.target, low, high.as_ref(), &what),
        )
        .await?;
        let (rows_source, rows_target) = (of_source.0, of_target.0);
        let rows = Counts { rows_source, rows_target, ..Counts::default() };
        if of_source == of_target {
            self.advance(high);
            return Ok(Some(Piece { rows, differences: Vec::new(), alike: true }));
        }
        if rows_source.max(rows_target) > most {
            // By the source as long as it has enough: its cuts lie in the same places, however large the range was.
            let side = if rows_source > most { Side::Source } else { Side::Target };
            return self.cut(sides, Within { side, high, size: most });
        }
        let ((mut left, rows_source), (mut right, rows_target)) = try_join(
            digests(source, &paired.source, low, high.as_ref(), &what),
            digests(target, &paired.target, low, high.as_ref(), &what),
        )
        .await?;
        drop_alike(&mut left, &mut right);
        // As these statements saw them, not those of the sums.
        let mut rows = Counts { rows_source, rows_target, ..Counts::default() };
        let (side, of_side) = larger(rows);
        if bytes_of(&left, &right) > sides.options.fetch_bytes && of_side > 1 {
            return self.cut(sides, Within { side, high, size: (of_side / 8).max(1) });
        }
        let doubts = in_order(sides, doubts(left.into_keys(), right.into_keys()), &what).await?;
        let found = fetch(sides, &doubts, (low, high.as_ref()), &what).await?;
        found.mend(&mut rows);
        self.advance(high);
        Ok(Some(Piece { rows, differences: found.differences, alike: false }))
    }

    /// Where the next range ends: within the innermost range that is being cut, else after `size` rows of the source.
    async fn end_of_range(&self, sides: &mut Sides<'_>, size: u64, what: &str) -> Result<End, Error> {
        let Sides { source, target, paired, options, .. } = sides;
        let low = self.place.key.as_ref();
        if let Some(Within { side, high, size }) = self.place.within.last() {
            let (server, statements) = match side {
                Side::Source => (&mut **source, &paired.source),
                // Nothing is cut by the base, which nobody walks through.
                Side::Target | Side::Base => (&mut **target, &paired.target),
            };
            let cut = boundary(server, statements, low, high.as_ref(), *size, what).await?;
            return Ok(End::At(cut.or_else(|| high.clone())));
        }
        if let Some(high) = boundary(source, &paired.source, low, None, size, what).await? {
            return Ok(End::At(Some(high)));
        }
        // What is left of the source is less than a range. The target may have any number of rows there.
        if boundary(target, &paired.target, low, None, size, what).await?.is_none() {
            return Ok(End::At(None));
        }
        Ok(End::Cut(Within { side: Side::Source, high: None, size: options.inspect_rows.max(1) }))
    }

    /// Has the next steps walk through a range in smaller pieces.
    fn cut(&mut self, sides: &Sides<'_>, within: Within) -> Result<Option<Piece>, Error> {
        self.cuts += 1;
        if self.cuts > CUTS {
            return Err(disordered(sides.table));
        }
        self.place.within.push(within);
        Ok(None)
    }

    fn advance(&mut self, high: Option<Key>) {
        self.cuts = 0;
        while self.place.within.last().is_some_and(|within| within.high == high) {
            self.place.within.pop();
        }
        self.is_finished = high.is_none();
        if high.is_some() {
            self.place.key = high;
        }
    }
}

/// The side that has more rows, and how many; the source when both have as many.
pub(crate) fn larger(rows: Counts) -> (Side, u64) {
    let Counts { rows_source, rows_target, .. } = rows;
    if rows_source >= rows_target { (Side::Source, rows_source) } else { (Side::Target, rows_target) }
}

pub(crate) async fn boundary(
    server: &mut Server,
    statements: &Statements,
    low: Option<&Key>,
    high: Option<&Key>,
    size: u64,
    what: &str,
) -> Result<Option<Key>, Error> {
    let rows = server.all(statements.boundary(low, high, size)?, what).await?;
    Ok(rows.into_iter().next().map(|cells| cells.into_iter().flatten().collect()))
}

/// Count and sum of a range. The sum of no rows is NULL, here empty.
async fn sum(
    server: &mut Server,
    statements: &Statements,
    low: Option<&Key>,
    high: Option<&Key>,
    what: &str,
) -> Result<(u64, Vec<u8>), Error> {
    let rows = server.all(statements.sum(low, high)?, what).await?;
    let mut cells = rows.into_iter().next().unwrap_or_default().into_iter();
    let count = number(cells.next().flatten().as_deref());
    Ok((count, cells.next().flatten().unwrap_or_default()))
}

async fn digests(
    server: &mut Server,
    statements: &Statements,
    low: Option<&Key>,
    high: Option<&Key>,
    what: &str,
) -> Result<(Digests, u64), Error> {
    let mut read = Reading::default();
    server.each_to_the_end(statements.digests(low, high)?, what, |cells| read.add(cells)).await?;
    read.end(statements, server.side)
}
