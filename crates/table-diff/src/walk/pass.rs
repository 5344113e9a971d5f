//! A table that is scanned: passes over both sides, and the ranges that they leave to be compared row by row.
//!
//! A failure leaves it at what was handed over last: the rest of the pass is done again.

use futures::future::try_join;

use super::caller::Caller;
use super::course::{Course, Next};
use super::ranges::{Walk, larger};
use super::rows::{Doubt, bytes_of, doubts, fetch, sorted};
use super::scan::{Finding, HELD, Reach, cut, differing, follows_index, scan};
use super::sides::Sides;
use crate::cells::Key;
use crate::cursor::{Counts, KeyPlace, Within};
use crate::error::Error;
use crate::progress::{Progress, Sink};
use crate::retry::Retry;

/// Bytes of chunks at most that are held of either side.
const KEPT: u64 = 12 * 1024 * 1024;
/// How many ranges one statement reads: what is asked for has to fit a packet. As many as that, for each statement is
/// a round trip, which between Regions takes longer than the reading.
const RANGES: usize = 1000;
/// How many times [`Options::inspect_rows`] one statement reads: ranges of the same size, most of whose rows are
/// dropped at once.
const TOGETHER: u64 = 8;

/// Whether the table can be scanned: an index on either side that the server follows.
pub(crate) async fn can_scan(sides: &mut Sides<'_>) -> Result<bool, Error> {
    let what = sides.comparing(None);
    let Sides { source, target, paired, options, .. } = sides;
    if options.strong || !paired.source.scannable() || !paired.target.scannable() {
        return Ok(false);
    }
    let (left, right) = try_join(
        follows_index(source, &paired.source, options.spread, &what),
        follows_index(target, &paired.target, options.spread, &what),
    )
    .await?;
    Ok(left && right)
}

/// How many chunks of either side a pass holds at most.
fn most_chunks(sides: &Sides<'_>, spread: u64) -> u64 {
    let bytes = sides.paired.source.key_bytes.max(sides.paired.target.key_bytes);
    (sides.options.chunk_rows / spread).min(KEPT / (bytes + HELD)).max(1)
}

/// A range whose sums differ, with the rows before it that are alike.
struct Suspect {
    low: Option<Key>,
    high: Option<Key>,
    before: Counts,
    own: Counts,
}

impl Suspect {
    /// A walk through it in pieces of `size` rows.
    fn walk(&self, size: u64) -> Walk {
        let (side, _) = larger(self.own);
        let within = Within { side, high: self.high.clone(), size: size.max(1) };
        Walk::from(KeyPlace { key: self.low.clone(), within: vec![within] })
    }
}

/// What is not handed over yet: ranges whose sums differ, then rows that are alike; it reaches to `at`.
#[derive(Default)]
struct Batch {
    suspects: Vec<Suspect>,
    rows: u64,
    alike: Counts,
    at: Option<Key>,
}

/// Rows that seem to differ, and how many rows there are up to `at`.
#[derive(Default)]
struct Waiting {
    doubts: Vec<Doubt>,
    bytes: u64,
    rows: Counts,
    at: Option<Key>,
}

/// Compares a table in passes, from `place` on.
pub(crate) async fn by_scan<S: Sink, F: Fn() -> bool + Send + Sync>(
    sides: Sides<'_>,
    place: KeyPlace,
    caller: Caller<'_, S, F>,
) -> Result<Progress, Error> {
    let options = sides.options;
    let spread = options.spread.max(1);
    let most = most_chunks(&sides, spread);
    let longest = sides.source.timeout().min(sides.target.timeout());
    let mut reach = Reach { spread, chunks: most, time: options.pass };
    let mut retry = Retry::new();
    let mut run = Run { course: Course::new(sides, caller, place), slower: None };
    loop {
        let before = run.course.place.clone();
        // A walk that was cut off continues as it was, so that its pieces come to lie in the same places.
        let next = match run.course.caller.wait(run.course.sides.target).await {
            Ok(false) => Ok(Next::Stopped),
            Ok(true) if before.within.is_empty() => run.pass(reach).await,
            Ok(true) => run.course.walk(Walk::from(before.clone()), Counts::default()).await,
            Err(error) => Err(error),
        };
        match next {
            Ok(Next::Stopped) => return Ok(run.course.caller.interrupted()),
            Ok(Next::Finished) => return Ok(run.course.caller.finished()),
            Ok(Next::Continue) => {
                retry.reset();
                // Not much further than the slower side comes in its time: what the other reads beyond is read again.
                reach.chunks = match run.slower {
                    Some(chunks) => (chunks + chunks / 4).clamp(1, most),
                    None => reach.chunks.saturating_mul(2).min(most),
                };
            }
            Ok(Next::NoFurther) if run.slower.is_none() => reach.chunks = reach.chunks.saturating_mul(2),
            Ok(Next::NoFurther) if reach.time < longest => reach.time = reach.time.saturating_mul(2),
            Ok(Next::NoFurther) => {
                let reason = format!("{} gives nothing in {} s", run.course.what, longest.as_secs());
                return Err(Error::Table { table: run.course.sides.table.to_string(), reason });
            }
            Err(error) => {
                if run.course.place != before {
                    retry.reset();
                }
                retry
                    .recover(error, run.course.sides.source, run.course.sides.target, &run.course.what)
                    .await?;
            }
        }
    }
}

/// A comparison under way.
struct Run<'a, 'b, S, F> {
    course: Course<'a, 'b, S, F>,
    /// How many chunks the slower side came to in the last pass, when a time-out ended that.
    slower: Option<u64>,
}

impl<S: Sink, F: Fn() -> bool + Send + Sync> Run<'_, '_, S, F> {
    /// One pass from where it is.
    async fn pass(&mut self, reach: Reach) -> Result<Next, Error> {
        let Sides { source, target, paired, options, .. } = &mut self.course.sides;
        let low = self.course.place.key.clone();
        let (left, right) = try_join(
            scan(source, &paired.source, low.as_ref(), reach, &self.course.what),
            scan(target, &paired.target, low.as_ref(), reach, &self.course.what),
        )
        .await?;
        let timed_out = left.timed_out || right.timed_out;
        self.slower = timed_out.then(|| left.chunks().min(right.chunks()));
        let parts = cut(&left, &right);
        if parts.is_empty() {
            return Ok(Next::NoFurther);
        }
        drop((left, right));
        let most = options.inspect_rows.max(1);
        let mut batch = Batch { at: low, ..Batch::default() };
        for part in parts {
            let own = part.finding.counts();
            let rows = own.rows_source.max(own.rows_target);
            let low = std::mem::replace(&mut batch.at, part.high.clone());
            let side = match part.finding {
                Finding::Alike(_) => {
                    batch.alike += own;
                    continue;
                }
                Finding::Differs(..) if rows <= most => {
                    let before = std::mem::take(&mut batch.alike);
                    batch.suspects.push(Suspect { low, high: part.high, before, own });
                    batch.rows += rows;
                    if (batch.rows >= most * TOGETHER || batch.suspects.len() >= RANGES)
                        && let end @ (Next::Stopped | Next::Finished) = self.compare(&mut batch).await?
                    {
                        return Ok(end);
                    }
                    continue;
                }
                Finding::Unknown(side) => side,
                Finding::Differs(..) => larger(own).0,
            };
            // What comes before it is handed over first, up to where it begins.
            batch.at.clone_from(&low);
            if low != self.course.place.key
                && let end @ (Next::Stopped | Next::Finished) = self.compare(&mut batch).await?
            {
                return Ok(end);
            }
            let within = vec![Within { side, high: part.high.clone(), size: most }];
            let walk = Walk::from(KeyPlace { key: low, within });
            let next = self.course.walk(walk, Counts::default()).await?;
            if next != Next::Continue {
                return Ok(next);
            }
            batch.at = part.high;
        }
        if batch.at == self.course.place.key && batch.at.is_some() {
            return Ok(Next::Continue);
        }
        self.compare(&mut batch).await
    }

    /// Compares the ranges of a batch row by row and hands everything over, up to where the batch reaches.
    async fn compare(&mut self, batch: &mut Batch) -> Result<Next, Error> {
        let Batch { suspects, alike, at, .. } = std::mem::take(batch);
        batch.at.clone_from(&at);
        let most = self.course.sides.options.fetch_bytes;
        let mut found = Vec::new();
        if !suspects.is_empty() {
            let ranges: Vec<_> = suspects.iter().map(|s| (s.low.as_ref(), s.high.as_ref())).collect();
            found = differing(&mut self.course.sides, &ranges, &self.course.what).await?;
        }
        let mut waiting = Waiting::default();
        for (suspect, (left, right, rows)) in suspects.iter().zip(found) {
            let bytes = bytes_of(&left, &right);
            let one = left.len().max(right.len()) <= 1;
            if waiting.bytes + bytes > most && !waiting.doubts.is_empty() {
                let next = self.confirm(std::mem::take(&mut waiting)).await?;
                if next != Next::Continue {
                    return Ok(next);
                }
            }
            if bytes > most && !one {
                // Too much to be held together.
                let mut before = std::mem::take(&mut waiting).rows;
                before += suspect.before;
                let (_, most) = larger(suspect.own);
                let next = self.course.walk(suspect.walk(most / 8), before).await?;
                if next != Next::Continue {
                    return Ok(next);
                }
                continue;
            }
            waiting.rows += suspect.before;
            waiting.rows += rows;
            waiting.bytes += bytes;
            waiting.doubts.extend(sorted(
                &self.course.sides.paired.source,
                doubts(left.into_keys(), right.into_keys()),
            ));
            waiting.at.clone_from(&suspect.high);
        }
        waiting.rows += alike;
        waiting.at = at;
        self.confirm(waiting).await
    }

    /// Fetches the rows that seemed to differ, and hands over those that still do.
    async fn confirm(&mut self, mut waiting: Waiting) -> Result<Next, Error> {
        let course = &mut self.course;
        let range = (course.place.key.as_ref(), waiting.at.as_ref());
        let found = fetch(&mut course.sides, &waiting.doubts, range, &course.what).await?;
        found.mend(&mut waiting.rows);
        let place = waiting.at.map(|key| KeyPlace { key: Some(key), within: Vec::new() });
        course.hand_over(place, waiting.rows, found.differences).await
    }
}
