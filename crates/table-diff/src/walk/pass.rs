//! A table that is scanned: passes over both sides, and what they leave to look into.
//!
//! After each part of a pass the sink is told how far the comparison came. A failure leaves it there: the rest of the
//! pass is done again.

use futures::future::try_join;

use crate::cells::Key;
use crate::compare::{CUTS, Sides, Taker};
use crate::cursor::{Counts, KeyPlace, Position, Within};
use crate::difference::Difference;
use crate::engine::Side;
use crate::error::{Error, disordered};
use crate::progress::{Progress, Sink};
use crate::retry::{TRIES, again, passes};
use crate::walk::keyed::{Walk, comparing, fetch, keys_of};
use crate::walk::scan::{Finding, HELD, Reach, cut, differing, follows_index, scan};

/// Bytes of chunks at most that are held of either side.
const KEPT: u64 = 12 * 1024 * 1024;
/// How many ranges one statement looks into: what is asked for has to fit a packet. As many as that, for each statement is
/// a round trip, which between Regions takes longer than the looking.
const RANGES: usize = 1000;
/// How many times [`Options::inspect_rows`] one statement looks into: ranges of the same size, most of whose rows are
/// dropped at once.
const TOGETHER: u64 = 8;

impl Sides<'_> {
    /// Whether the table can be scanned: an index on either side that the server follows.
    pub(crate) async fn can_scan(&mut self) -> Result<bool, Error> {
        let (left, right) = (&self.paired.source, &self.paired.target);
        if self.options.strong || !left.scannable() || !right.scannable() {
            return Ok(false);
        }
        let what = self.what(None);
        let spread = self.options.spread;
        let (left, right) = try_join(
            follows_index(self.source, left, spread, &what),
            follows_index(self.target, right, spread, &what),
        )
        .await?;
        Ok(left && right)
    }

    /// How many chunks of either side a pass holds at most.
    fn most_chunks(&self, spread: u64) -> u64 {
        let bytes = self.paired.source.key_bytes.max(self.paired.target.key_bytes);
        (self.options.chunk_rows / spread).min(KEPT / (bytes + HELD)).max(1)
    }

    /// What is done from `low` on.
    fn what(&self, low: Option<&Key>) -> String {
        comparing(self.paired, self.table, low)
    }
}

/// How it goes on after something was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    On,
    /// The caller wants no more.
    Stopped,
    /// The table is at its end.
    Finished,
    /// A pass brought it no further: the sides have nothing in common as far as they were scanned.
    NoFurther,
}

/// A range to look into, with the rows before it that are alike.
struct Suspect {
    low: Option<Key>,
    high: Option<Key>,
    before: Counts,
    own: Counts,
}

impl Suspect {
    /// A walk through it in pieces of `size` rows.
    fn walk(&self, size: u64) -> Walk {
        let side = if self.own.rows_source >= self.own.rows_target { Side::Source } else { Side::Target };
        let within = Within { side, high: self.high.clone(), size: size.max(1) };
        Walk { low: self.low.clone(), within: vec![within] }
    }
}

/// What is not handed over yet: ranges to look into, then rows that are alike; it reaches to `at`.
#[derive(Default)]
struct Batch {
    suspects: Vec<Suspect>,
    rows: u64,
    alike: Counts,
    at: Option<Key>,
}

/// Keys of rows that differ, and what was counted up to `at`.
#[derive(Default)]
struct Waiting {
    keys: Vec<Key>,
    bytes: u64,
    counts: Counts,
    at: Option<Key>,
}

pub(crate) async fn by_scan<S: Sink, F: Fn() -> bool + Send + Sync>(
    sides: Sides<'_>,
    place: KeyPlace,
    taker: Taker<'_, S, F>,
) -> Result<Progress, Error> {
    let options = sides.options;
    let spread = options.spread.max(1);
    let most = sides.most_chunks(spread);
    let longest = sides.source.timeout().min(sides.target.timeout());
    let mut reach = Reach { spread, chunks: most, time: options.pass };
    let mut attempt = 1;
    let what = sides.what(place.key.as_ref());
    let mut run = Run { sides, taker, place, what, slower: None };
    loop {
        let before = run.place.clone();
        // A walk that was cut off goes on as it was, so that its pieces come to lie in the same places.
        let next = match run.taker.wait(run.sides.target).await {
            Ok(false) => Ok(Next::Stopped),
            Ok(true) if before.within.is_empty() => run.pass(reach).await,
            Ok(true) => run.walk(before.clone().walk(), Counts::default()).await,
            Err(error) => Err(error),
        };
        match next {
            Ok(Next::Stopped) => return Ok(Progress::Interrupted(run.taker.state.last)),
            Ok(Next::Finished) => return Ok(run.taker.finished(run.sides.paired)),
            Ok(Next::On) => {
                attempt = 1;
                // Not much further than the slower side comes in its time: what the other reads beyond is read again.
                reach.chunks = match run.slower {
                    Some(chunks) => (chunks + chunks / 4).clamp(1, most),
                    None => reach.chunks.saturating_mul(2).min(most),
                };
            }
            Ok(Next::NoFurther) if run.slower.is_none() => reach.chunks = reach.chunks.saturating_mul(2),
            Ok(Next::NoFurther) if reach.time < longest => reach.time = reach.time.saturating_mul(2),
            Ok(Next::NoFurther) => {
                let reason = format!("{} gives nothing in {} s", run.what, longest.as_secs());
                return Err(Error::Table { table: run.sides.table.to_string(), reason });
            }
            Err(error) => {
                if run.place != before {
                    attempt = 1;
                }
                if !passes(&error) || attempt >= TRIES {
                    return Err(error);
                }
                again(run.sides.source, run.sides.target, attempt, &run.what).await?;
                attempt += 1;
            }
        }
    }
}

/// A comparison under way.
struct Run<'a, 'b, S, F> {
    sides: Sides<'a>,
    taker: Taker<'b, S, F>,
    /// What was handed over reaches to here.
    place: KeyPlace,
    what: String,
    /// How many chunks the slower side came to in the last pass, when that ended in time.
    slower: Option<u64>,
}

impl<S: Sink, F: Fn() -> bool + Send + Sync> Run<'_, '_, S, F> {
    /// One pass from where it is.
    async fn pass(&mut self, reach: Reach) -> Result<Next, Error> {
        let Sides { source, target, paired, options, .. } = &mut self.sides;
        let low = self.place.key.clone();
        let (left, right) = try_join(
            scan(source, &paired.source, low.as_ref(), reach, &self.what),
            scan(target, &paired.target, low.as_ref(), reach, &self.what),
        )
        .await?;
        let in_time = left.in_time || right.in_time;
        self.slower = in_time.then(|| left.chunks().min(right.chunks()));
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
                    batch.alike = batch.alike.plus(own);
                    continue;
                }
                Finding::Differs(..) if rows <= most => {
                    let before = std::mem::take(&mut batch.alike);
                    batch.suspects.push(Suspect { low, high: part.high, before, own });
                    batch.rows += rows;
                    if (batch.rows >= most * TOGETHER || batch.suspects.len() >= RANGES)
                        && let end @ (Next::Stopped | Next::Finished) = self.settle(&mut batch).await?
                    {
                        return Ok(end);
                    }
                    continue;
                }
                Finding::Unknown(side) => side,
                Finding::Differs(here, there) if here < there => Side::Target,
                Finding::Differs(..) => Side::Source,
            };
            // What comes before it is handed over first, up to where it begins.
            batch.at.clone_from(&low);
            if low != self.place.key
                && let end @ (Next::Stopped | Next::Finished) = self.settle(&mut batch).await?
            {
                return Ok(end);
            }
            let within = vec![Within { side, high: part.high.clone(), size: most }];
            let next = self.walk(Walk { low, within }, Counts::default()).await?;
            if next != Next::On {
                return Ok(next);
            }
            batch.at = part.high;
        }
        if batch.at == self.place.key && batch.at.is_some() {
            return Ok(Next::On);
        }
        self.settle(&mut batch).await
    }

    /// Looks into the ranges of a batch and hands everything over, up to where the batch reaches.
    async fn settle(&mut self, batch: &mut Batch) -> Result<Next, Error> {
        let Batch { suspects, alike, at, .. } = std::mem::take(batch);
        batch.at.clone_from(&at);
        let Sides { source, target, paired, options, .. } = &mut self.sides;
        let most = options.fetch_bytes;
        let mut found = Vec::new();
        if !suspects.is_empty() {
            let ranges: Vec<_> = suspects.iter().map(|s| (s.low.as_ref(), s.high.as_ref())).collect();
            let statements = (&paired.source, &paired.target);
            found = differing((source, target), statements, &ranges, &self.what).await?;
        }
        let mut waiting = Waiting::default();
        for (suspect, (left, right)) in suspects.iter().zip(found) {
            let bytes = left.values().chain(right.values()).map(|digest| digest.size).sum::<u64>();
            let one = left.len().max(right.len()) <= 1;
            if waiting.bytes + bytes > most && !waiting.keys.is_empty() {
                let next = self.hand_over(std::mem::take(&mut waiting)).await?;
                if next != Next::On {
                    return Ok(next);
                }
            }
            if bytes > most && !one {
                // Too much to be held together.
                let before = waiting.counts.plus(suspect.before);
                waiting = Waiting::default();
                let rows = suspect.own.rows_source.max(suspect.own.rows_target);
                let next = self.walk(suspect.walk(rows / 8), before).await?;
                if next != Next::On {
                    return Ok(next);
                }
                continue;
            }
            waiting.counts = waiting.counts.plus(suspect.before).plus(suspect.own);
            waiting.bytes += bytes;
            waiting.keys.extend(keys_of(&self.sides.paired.source, left, right));
            waiting.at.clone_from(&suspect.high);
        }
        waiting.counts = waiting.counts.plus(alike);
        waiting.at = at;
        self.hand_over(waiting).await
    }

    /// Looks at the rows once more, and hands over what still differs.
    async fn hand_over(&mut self, waiting: Waiting) -> Result<Next, Error> {
        let Waiting { keys, counts, at, .. } = waiting;
        let Sides { source, target, paired, .. } = &mut self.sides;
        let found = fetch(source, target, paired, &keys, &self.what).await?;
        let place = at.map(|key| KeyPlace { key: Some(key), within: Vec::new() });
        self.tell(place, counts, found).await
    }

    /// Tells what was found up to `place`; the end of the table when there is none.
    async fn tell(
        &mut self,
        place: Option<KeyPlace>,
        mut counts: Counts,
        found: Vec<Difference>,
    ) -> Result<Next, Error> {
        for difference in &found {
            counts.add(difference.kind);
        }
        let Some(place) = place else {
            self.taker.hand_over(counts, found, Position::End).await?;
            return Ok(Next::Finished);
        };
        let go_on = self.taker.hand_over(counts, found, Position::AfterKey(place.clone())).await?;
        self.what = self.sides.what(place.key.as_ref());
        self.place = place;
        Ok(if go_on && self.taker.wait(self.sides.target).await? { Next::On } else { Next::Stopped })
    }

    /// Walks through ranges whose rows are too many to be looked at together, or not known. `before`: rows before them.
    async fn walk(&mut self, mut walk: Walk, mut before: Counts) -> Result<Next, Error> {
        let mut cuts = 0;
        while !walk.within.is_empty() {
            let Sides { source, target, paired, table, options } = &mut self.sides;
            let step = walk.step(source, target, paired, table, options, options.inspect_rows.max(1)).await?;
            let Some(piece) = step else {
                cuts += 1;
                if cuts > CUTS {
                    return Err(disordered(table));
                }
                continue;
            };
            cuts = 0;
            let place = (!piece.finished).then(|| KeyPlace::of(&walk));
            // Differences are counted where they are told.
            let Counts { rows_source, rows_target, .. } = piece.counts;
            let counts =
                std::mem::take(&mut before).plus(Counts { rows_source, rows_target, ..Counts::default() });
            let next = self.tell(place, counts, piece.differences).await?;
            if next != Next::On {
                return Ok(next);
            }
        }
        Ok(Next::On)
    }
}
