//! A table with a key on PostgreSQL: passes over ranges of the key, in each of which both sides sum up their rows by buckets.
//!
//! A bucket is some of the bits of the key's hash, so both sides put a row into the same bucket, whatever the key is made of
//! and however its texts are ordered, and the server reads a range in the way that costs it least: the index, or the
//! table itself. A second look over the range fetches key and hash of the rows of buckets that differ, after another that sums
//! them up by finer ones if they are many, and only the rows without a counterpart are fetched whole. A pass is as large as the rest of the table when that is not too much, else so
//! many rows as take about [`Options::pass`](crate::Options::pass); where too much differs it is done again over fewer rows, and at the least walked
//! through in ranges (`ranges`).
//!
//! What was found is handed over in the order of the key, so it is not to be seen in the result where passes end. A failure
//! leaves the comparison at the end of the pass before: the pass is done again.

use std::time::Duration;

use futures::future::try_join;
use tokio::time::Instant;

use super::caller::Caller;
use super::course::{Course, Next};
use super::ranges::{Walk, boundary, larger};
use super::rows::{doubts, fetch, in_order};
use super::sides::Sides;
use super::tally::{HELD, Rows as Held, Tally, Unmatched, Wanted, differing, together};
use crate::cells::{Key, number};
use crate::cursor::{Counts, KeyPlace, Within};
use crate::error::Error;
use crate::progress::{Progress, Sink};
use crate::retry::Retry;
use crate::server::{Rows, Server};
use crate::sql::Statements;

/// Buckets of a pass at most: what is summed up has to fit the server's processor's cache, about, and `work_mem`.
const BUCKETS: u64 = 1 << 13;
/// How many finer buckets one is cut into, where those that differ have too many rows.
const FINER: u64 = 8;
/// Times `Options::spread` rows for each bucket: one costs more here than a chunk of a scan does.
const BUCKET: u64 = 2;
/// Bytes of rows at most whose hashes are held of either side.
const KEPT: u64 = 12 * 1024 * 1024;
/// How many times `Options::inspect_rows` the rows are at most whose hashes are held: most of them are dropped at once.
const TOGETHER: u64 = 32;
/// How many times a pass looks at rows of buckets that differ: each time it reads the range again.
const LOOKS: usize = 3;
/// How many times as long as it should a statement may take before it is ended: what it summed up is lost then.
const LATE: u32 = 4;
/// How much smaller a pass is after one that was too much.
const SMALLER: u64 = 4;
/// Nothing of it is sorted, and a server that thinks that each row has a bucket of its own would. Other cores than one are
/// left to those who use the server.
const SETTINGS: &str = "SET LOCAL enable_sort = off; SET LOCAL work_mem = '16MB'; SET LOCAL jit = off; \
                        SET LOCAL max_parallel_workers_per_gather = 0";

/// How far passes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Rows of the next one, about.
    rows: u64,
    /// Whether it goes to the end of the table, without looking where that many rows end.
    whole: bool,
    /// How long a statement of it may take.
    time: Duration,
}

impl Reach {
    /// That of each of so many sections of the table.
    pub(crate) fn of_section(self, sections: usize) -> Self {
        Self { rows: (self.rows / sections.max(1) as u64).max(1), ..self }
    }
}

/// Whether the table can be summed up in buckets, and how far to go at first. Not with `Options::strong`, and not where
/// the servers' hashes, or the encodings of what they hash, are not the same.
pub(crate) async fn can_sum(sides: &mut Sides<'_>) -> Result<Option<Reach>, Error> {
    let what = sides.comparing(None);
    let Sides { source, target, paired, options, .. } = sides;
    if options.strong || !paired.source.has_buckets() || !paired.target.has_buckets() {
        return Ok(None);
    }
    let (left, right) = try_join(
        source.all(paired.source.before_buckets(), &what),
        target.all(paired.target.before_buckets(), &what),
    )
    .await?;
    let (left, right) = (left.concat(), right.concat());
    if left.first() != right.first() {
        return Ok(None);
    }
    let about = |cells: &[Option<Vec<u8>>]| number(cells.get(1).and_then(Option::as_deref));
    let (least, most) = (about(&left).min(about(&right)), about(&left).max(about(&right)));
    // A table that was never analysed may have any number of rows; and the number is none to be strict about.
    let whole = least > 0 && most <= options.chunk_rows + options.chunk_rows / 8;
    let rows = if whole { most } else { options.first_rows };
    Ok(Some(Reach { rows: rows.max(1), whole, time: options.pass * LATE }))
}

/// Compares a table in passes, from `place` on.
pub(crate) async fn by_buckets<S: Sink, F: Fn() -> bool + Send + Sync>(
    sides: Sides<'_>,
    place: KeyPlace,
    reach: Reach,
    caller: Caller<'_, S, F>,
) -> Result<Progress, Error> {
    let mut retry = Retry::new();
    let mut run = Run { course: Course::new(sides, caller, place), reach };
    loop {
        let before = run.course.place.clone();
        let next = match run.course.caller.wait(run.course.sides.target).await {
            Ok(false) => Ok(Next::Stopped),
            Ok(true) if before.within.is_empty() => run.pass().await,
            // A walk that was cut off continues as it was, so that its pieces come to lie in the same places.
            Ok(true) => run.course.walk(Walk::from(before.clone()), Counts::default()).await,
            Err(error) => Err(error),
        };
        let Course { sides, place, what, .. } = &mut run.course;
        match next {
            Ok(Next::Stopped) => return Ok(run.course.caller.interrupted()),
            Ok(Next::Finished) => return Ok(run.course.caller.finished()),
            Ok(Next::Continue) => retry.reset(),
            Ok(Next::NoFurther) => {}
            Err(error) => {
                if *place != before {
                    retry.reset();
                }
                retry.recover(error, sides.source, sides.target, what).await?;
            }
        }
    }
}

/// A comparison under way.
struct Run<'a, 'b, S, F> {
    course: Course<'a, 'b, S, F>,
    reach: Reach,
}

impl<S: Sink, F: Fn() -> bool + Send + Sync> Run<'_, '_, S, F> {
    /// One pass from where it is.
    async fn pass(&mut self) -> Result<Next, Error> {
        let begun = Instant::now();
        let low = self.course.place.key.clone();
        let high = self.end().await?;
        let options = self.course.sides.options;
        let mut range = Range {
            low: low.as_ref(),
            high: high.as_ref(),
            buckets: buckets_for(self.reach.rows, options.spread),
            time: self.reach.time,
            what: &self.course.what,
        };
        let most_rows = most_rows(&self.course.sides);
        let Sides { source, target, paired, .. } = &mut self.course.sides;
        let sums =
            try_join(range.sums(source, &paired.source, None), range.sums(target, &paired.target, None))
                .await?;
        let (Some(left), Some(right)) = sums else { return self.over_time() };
        let mut counts = Counts { rows_source: left.rows(), rows_target: right.rows(), ..Counts::default() };
        let mut groups = differing(&left, &right, most_rows);
        drop((left, right));
        if groups.len() > 1 {
            let wanted = together(&groups);
            let coarse = Some((wanted.as_slice(), range.buckets));
            range.buckets = (range.buckets * FINER).min(BUCKETS * FINER);
            let Sides { source, target, paired, .. } = &mut self.course.sides;
            let sums = try_join(
                range.sums(source, &paired.source, coarse),
                range.sums(target, &paired.target, coarse),
            )
            .await?;
            let (Some(left), Some(right)) = sums else { return self.over_time() };
            for wanted in &groups {
                seen_again(&mut counts, wanted.of, [0, 0]);
            }
            seen_again(&mut counts, [0, 0], [left.rows(), right.rows()]);
            groups = differing(&left, &right, most_rows);
        }
        if groups.len() > LOOKS {
            return self.too_much(low, high, counts).await;
        }
        let (mut of_source, mut of_target, mut bytes) = (Vec::new(), Vec::new(), 0);
        for wanted in &groups {
            let Sides { source, target, paired, .. } = &mut self.course.sides;
            let rows = try_join(
                range.rows(source, &paired.source, wanted),
                range.rows(target, &paired.target, wanted),
            )
            .await?;
            let (Some(left), Some(right)) = rows else { return self.over_time() };
            seen_again(&mut counts, wanted.of, [left.count(), right.count()]);
            let unmatched = Unmatched::of(left, right);
            bytes += unmatched.bytes();
            if bytes > options.fetch_bytes
                && (unmatched.most() > 1 || !(of_source.is_empty() && of_target.is_empty()))
            {
                return self.too_much(low, high, counts).await;
            }
            let [left, right] = unmatched.keys();
            of_source.extend(left);
            of_target.extend(right);
        }
        let course = &mut self.course;
        let doubts = in_order(&mut course.sides, doubts(of_source, of_target), &course.what).await?;
        let found = fetch(&mut course.sides, &doubts, (low.as_ref(), high.as_ref()), &course.what).await?;
        found.mend(&mut counts);
        let elapsed = begun.elapsed();
        for factor in [4, 2] {
            // Not all of the time: the next may take longer than it should.
            let fits = elapsed * factor * 3 <= options.pass * 2
                && groups.iter().map(|wanted| wanted.rows).sum::<u64>() * u64::from(factor) <= most_rows
                && bytes * u64::from(factor) <= options.fetch_bytes;
            if fits {
                self.reach.rows = (self.reach.rows * u64::from(factor)).min(options.chunk_rows.max(1));
                break;
            }
        }
        if elapsed > options.pass {
            self.reach.rows = (self.reach.rows / 2).max(1);
        }
        let place = high.map(|key| KeyPlace { key: Some(key), within: Vec::new() });
        self.course.hand_over(place, counts, found.differences).await
    }

    /// Where the pass ends: after so many rows of the source, or of the target where the source has fewer left; `None`:
    /// at the end of the table.
    async fn end(&mut self) -> Result<Option<Key>, Error> {
        let Reach { rows, whole, .. } = self.reach;
        if whole {
            return Ok(None);
        }
        let Course { sides, place, what, .. } = &mut self.course;
        let Sides { source, target, paired, .. } = sides;
        let low = place.key.as_ref();
        let end = boundary(source, &paired.source, low, None, rows, what).await?;
        if end.is_some() {
            return Ok(end);
        }
        boundary(target, &paired.target, low, None, rows, what).await
    }

    /// A statement did not end in its time.
    fn over_time(&mut self) -> Result<Next, Error> {
        let Sides { source, target, .. } = &self.course.sides;
        let longest = source.timeout().min(target.timeout());
        if !self.smaller() {
            if self.reach.time >= longest {
                let reason = format!("{} gives nothing in {} s", self.course.what, longest.as_secs());
                let table = self.course.sides.table.to_string();
                return Err(Error::Table { table, reason });
            }
            self.reach.time = self.reach.time.saturating_mul(2).min(longest);
        }
        Ok(Next::NoFurther)
    }

    /// What differs in a range is too much to be held.
    async fn too_much(&mut self, low: Option<Key>, high: Option<Key>, rows: Counts) -> Result<Next, Error> {
        if self.smaller() {
            return Ok(Next::NoFurther);
        }
        let size = self.course.sides.options.inspect_rows.max(1);
        let (side, _) = larger(rows);
        let walk = Walk::from(KeyPlace { key: low, within: vec![Within { side, high, size }] });
        self.course.walk(walk, Counts::default()).await
    }

    /// Makes the next pass smaller; false when it is as small as can be.
    fn smaller(&mut self) -> bool {
        let least = self.course.sides.options.inspect_rows.max(1);
        let before = self.reach;
        self.reach.rows = (before.rows / SMALLER).max(least).min(before.rows);
        self.reach.whole = false;
        self.reach != before
    }
}

/// Rows of either side at most whose hashes are held.
fn most_rows(sides: &Sides<'_>) -> u64 {
    let bytes = sides.paired.source.key_bytes.max(sides.paired.target.key_bytes);
    (sides.options.inspect_rows * TOGETHER).min(KEPT / (bytes + HELD)).max(1)
}

/// Rows of source and target that were looked at again count as the later look saw them.
fn seen_again(counts: &mut Counts, before: [u64; 2], after: [u64; 2]) {
    counts.rows_source = (counts.rows_source + after[0]).saturating_sub(before[0]);
    counts.rows_target = (counts.rows_target + after[1]).saturating_sub(before[1]);
}

/// How many buckets so many rows have: a power of two.
fn buckets_for(rows: u64, spread: u64) -> u64 {
    let buckets = (rows / (spread * BUCKET).max(1)).clamp(1, BUCKETS);
    1 << buckets.ilog2()
}

/// What a pass sums up.
#[derive(Clone, Copy)]
struct Range<'a> {
    low: Option<&'a Key>,
    high: Option<&'a Key>,
    buckets: u64,
    /// How long a statement may take.
    time: Duration,
    what: &'a str,
}

impl Range<'_> {
    /// One side's sums, of what lies in `coarse` ones only; `None` when its time was over.
    async fn sums(
        self,
        server: &mut Server,
        statements: &Statements,
        coarse: Option<(&[u8], u64)>,
    ) -> Result<Option<Tally>, Error> {
        let sql = statements.sums_of_buckets(self.low, self.high, self.buckets, coarse)?;
        let mut tally = Tally::new(usize::try_from(self.buckets).unwrap_or(usize::MAX));
        let rows = server.each_within(self.time, SETTINGS, sql, self.what, |cells| tally.add(&cells)).await?;
        Ok((rows == Rows::All).then_some(tally))
    }

    /// One side's rows of buckets that differ; `None` when the time was over.
    async fn rows(
        self,
        server: &mut Server,
        statements: &Statements,
        wanted: &Wanted,
    ) -> Result<Option<Held>, Error> {
        let sql = statements.rows_of_buckets(self.low, self.high, &wanted.bits, self.buckets)?;
        let mut held = Held::default();
        let rows = server.each_within(self.time, SETTINGS, sql, self.what, |cells| held.add(cells)).await?;
        Ok((rows == Rows::All).then_some(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_a_power_of_two() {
        let cases =
            [(0, 24, 1), (1, 24, 1), (95, 24, 1), (96, 24, 2), (100_000, 24, 2048), (1 << 40, 24, 8192)];
        for (rows, spread, expected) in cases {
            assert_eq!(buckets_for(rows, spread), expected, "{rows} rows");
        }
        assert_eq!(buckets_for(10, 0), 8);
    }
}
