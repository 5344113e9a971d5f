//! The comparison of one table: pairs the sides, then walks through them in the way that fits the table's key, a large table in
//! several sections at once.

use std::borrow::BorrowMut;

use backon::Retryable as _;
use futures::future::{BoxFuture, try_join};

use crate::copies::Copies;
use crate::cursor::{Counts, Cursor, KeyPlace, Position, Sections};
use crate::error::Error;
use crate::key_range::KeyRange;
use crate::options::Options;
use crate::progress::{Progress, Sink};
use crate::retry::{Retry, is_transient, retry_policy};
use crate::schema::{self, Paired};
use crate::server::{Server, Snapshot};
use crate::table::Table;
use crate::walk::buckets::{Reach, by_buckets, can_sum};
use crate::walk::caller::{Caller, finished};
use crate::walk::cuts;
use crate::walk::multiset::by_hash;
use crate::walk::pass::{by_scan, can_scan};
use crate::walk::ranges::by_range;
use crate::walk::sections::{Ended, Limits, Worker, compare_sections};
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
/// With more than one of [`Options::connections`] a large table that has a key is cut into sections, which are compared at
/// once. The cursor has the cuts: a comparison that continues from it keeps them, over as many connections as it has then;
/// one that began as a whole goes on as a whole.
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
    compare_range(copies, table, &KeyRange::default(), options, cursor, sink, stop).await
}

/// Compares a range of a table that both sides have, as [`compare_copies`] compares a table; over one connection to each server, unless
/// it is the whole table.
///
/// # Errors
/// As [`compare_copies`]; also where the table's key is not the one that the range was made for, or a row could lie in it and in
/// another.
pub async fn compare_range(
    copies: Copies<'_>,
    table: &Table,
    range: &KeyRange,
    options: &Options,
    cursor: Option<Cursor>,
    sink: &mut impl Sink,
    stop: impl Fn() -> bool + Send + Sync,
) -> Result<Progress, Error> {
    let Copies { source, target, mut base } = copies;
    let mut retry = Retry::new();
    let (paired, start) = loop {
        let copies = Copies { source: &mut *source, target: &mut *target, base: base.as_deref_mut() };
        match begin(copies, (table, range), options, cursor.as_ref()).await {
            Ok(begun) => break begun,
            Err(error) => {
                let what = format!("reading the columns of table {table}");
                retry.recover(error, source, target, &what).await?;
            }
        }
    };
    let counts = cursor.as_ref().map(|cursor| cursor.counts).unwrap_or_default();
    let sides = Sides { source: &mut *source, target, base, paired: &paired, table, options };
    let progress = walk(sides, start, counts, sink, stop).await?;
    source.end_view().await?;
    match progress {
        // It came no further.
        Progress::Interrupted(None) => Ok(Progress::Interrupted(cursor)),
        progress => as_many_rows(progress, table),
    }
}

/// Where a comparison starts, and in which way.
enum Start {
    /// At its end.
    End,
    /// A table without a key.
    AtHash(Option<Position>),
    Whole(Way, KeyPlace),
    /// With what the source's connection sees.
    Sections(Way, Sections, Option<Snapshot>),
}

/// A way through a table that has a key.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Scan,
    Buckets(Reach),
    Ranges,
}

/// Fixes what the source sees, pairs the sides, and finds out where to start.
async fn begin(
    copies: Copies<'_>,
    (table, range): (&Table, &KeyRange),
    options: &Options,
    cursor: Option<&Cursor>,
) -> Result<(Paired, Start), Error> {
    let Copies { source, target, mut base } = copies;
    source.set_view(options.view).await?;
    let paired = schema::pair(source, target, base.as_deref_mut(), table, &options.exclude_columns).await?;
    if cursor.is_some_and(|cursor| cursor.key_columns != paired.key_columns) {
        let reason = "its key changed while it was compared; compare it from the start".into();
        return Err(Error::Table { table: table.to_string(), reason });
    }
    range.fits(table, &paired.key_columns)?;
    let mut sides = Sides { source, target, base, paired: &paired, table, options };
    if !range.is_whole() {
        return in_range(sides, range, cursor).await;
    }
    let start = match cursor.map(|cursor| cursor.position.clone()) {
        Some(Position::End) => Start::End,
        position if paired.key_columns.is_empty() => Start::AtHash(position),
        position => {
            let way = Way::of(&mut sides).await?;
            let sections = match position {
                Some(Position::AfterKey(place)) => return Ok((paired, Start::Whole(way, place))),
                Some(Position::Sections(sections)) => {
                    cuts::in_order(&mut sides, &sections.keys()).await?;
                    Some(sections)
                }
                _ => cuts::sections(&mut sides, way.is_scan()).await?,
            };
            match sections {
                Some(sections) => {
                    let snapshot =
                        if options.connections > 1 { sides.source.share_view().await? } else { None };
                    Start::Sections(way, sections, snapshot)
                }
                None => Start::Whole(way, KeyPlace::default()),
            }
        }
    };
    Ok((paired, start))
}

/// Finds out where to start in a range that is not the whole table.
async fn in_range(
    mut sides: Sides<'_>,
    range: &KeyRange,
    cursor: Option<&Cursor>,
) -> Result<(Paired, Start), Error> {
    let place = match cursor.map(|cursor| &cursor.position) {
        None => KeyPlace::default(),
        Some(Position::AfterKey(place)) => place.clone(),
        Some(_) => return Ok((sides.paired.clone(), Start::End)),
    };
    let keys = [range.low.as_ref(), place.key.as_ref(), range.high.as_ref()];
    cuts::in_order(&mut sides, &keys.into_iter().flatten().collect::<Vec<_>>()).await?;
    let way = Way::of(&mut sides).await?;
    let paired = sides.paired.within(range.low.as_ref(), range.high.as_ref());
    Ok((paired, Start::Whole(way, place)))
}

/// Walks through the table from where it starts.
async fn walk<S: Sink, F: Fn() -> bool + Send + Sync>(
    sides: Sides<'_>,
    start: Start,
    counts: Counts,
    sink: &mut S,
    stop: F,
) -> Result<Progress, Error> {
    let limits = sides.options.limits;
    match start {
        Start::Sections(way, sections, snapshot) => {
            return in_sections(sides, way, sections, snapshot, counts, sink, stop).await;
        }
        Start::End => Ok(Caller::new(sink, stop, limits, sides.paired, counts).finished()),
        Start::AtHash(position) => {
            let place = match position {
                Some(Position::AtHash(place)) => Some(place),
                _ => None,
            };
            let caller = Caller::new(sink, stop, limits, sides.paired, counts);
            by_hash(sides, place, caller).await
        }
        Start::Whole(way, place) => {
            let caller = Caller::new(sink, stop, limits, sides.paired, counts);
            way.walk(sides, place, caller).await
        }
    }
}

impl Way {
    pub(crate) fn is_scan(self) -> bool {
        matches!(self, Self::Scan)
    }

    pub(crate) async fn of(sides: &mut Sides<'_>) -> Result<Self, Error> {
        if can_scan(sides).await? {
            return Ok(Self::Scan);
        }
        Ok(can_sum(sides).await?.map_or(Self::Ranges, Self::Buckets))
    }

    async fn walk<S: Sink, F: Fn() -> bool + Send + Sync>(
        self,
        sides: Sides<'_>,
        place: KeyPlace,
        caller: Caller<'_, S, F>,
    ) -> Result<Progress, Error> {
        match self {
            Self::Scan => by_scan(sides, place, caller).await,
            Self::Buckets(reach) => by_buckets(sides, place, reach, caller).await,
            Self::Ranges => by_range(sides, place, caller).await,
        }
    }
}

/// Walks through a table's sections, several at once.
async fn in_sections<S: Sink, F: Fn() -> bool + Send + Sync>(
    sides: Sides<'_>,
    way: Way,
    sections: Sections,
    snapshot: Option<Snapshot>,
    counts: Counts,
    sink: &mut S,
    stop: F,
) -> Result<Progress, Error> {
    let Sides { source, target, base, paired, table, options } = sides;
    let pairs = sections.bounds().map(|(low, high)| paired.within(low, high)).collect::<Vec<_>>();
    let way = match way {
        Way::Buckets(reach) => Way::Buckets(reach.of_section(pairs.len())),
        way => way,
    };
    let (of_source, of_target) = (source.like_it(snapshot), target.like_it(None));
    let of_base = base.as_ref().map(|base| base.like_it(None));
    let sections_of = SectionsOf { paired: &pairs, table, options, way };
    let open = async || {
        let (mut source, target) = try_join(of_source.connect(), of_target.connect()).await?;
        source.set_view(options.view).await?;
        let base = match &of_base {
            Some(base) => Some(base.connect().await?),
            None => None,
        };
        Ok(Connected { source, target, base, of: sections_of })
    };
    let open = || -> BoxFuture<'_, Result<_, Error>> {
        Box::pin(open.retry(retry_policy()).when(is_transient).into_future())
    };
    let limits = Limits {
        more: options.connections.saturating_sub(1),
        spare: options.spare.as_deref(),
        bytes: options.fetch_bytes,
    };
    let first = Connected { source, target, base, of: sections_of };
    let before = (counts, paired.key_columns.as_slice());
    Ok(match compare_sections(first, open, sections, before, limits, sink, stop).await? {
        Ended::Finished(counts) => finished(counts, paired),
        Ended::Interrupted(last) => Progress::Interrupted(last),
    })
}

/// What the workers have in common.
#[derive(Clone, Copy)]
struct SectionsOf<'a> {
    /// For each section.
    paired: &'a [Paired],
    table: &'a Table,
    options: &'a Options,
    way: Way,
}

/// A connection to each server, by which sections are compared.
struct Connected<'a, B> {
    source: B,
    target: B,
    base: Option<B>,
    of: SectionsOf<'a>,
}

impl<B: BorrowMut<Server> + Send> Worker for Connected<'_, B> {
    async fn compare<S: Sink, F: Fn() -> bool + Send + Sync>(
        &mut self,
        number: usize,
        place: KeyPlace,
        sink: &mut S,
        stop: F,
    ) -> Result<(), Error> {
        let SectionsOf { paired, table, options, way } = self.of;
        let paired = &paired[number];
        let (source, target) = (self.source.borrow_mut(), self.target.borrow_mut());
        let base = self.base.as_mut().map(BorrowMut::borrow_mut);
        let sides = Sides { source, target, base, paired, table, options };
        let caller = Caller::new(sink, stop, options.limits, paired, Counts::default());
        way.walk(sides, place, caller).await?;
        Ok(())
    }
}

/// A comparison that is finished, if it can be: whatever the reason may be, tables that have not as many rows are not
/// alike.
fn as_many_rows(progress: Progress, table: &Table) -> Result<Progress, Error> {
    let Progress::Finished(summary) = &progress else { return Ok(progress) };
    let Counts { rows_source, rows_target, .. } = summary.counts;
    if summary.counts.differences() == 0 && rows_source != rows_target {
        let reason = format!(
            "{rows_source} rows of the source and {rows_target} of the target were counted, and no difference was found: compare \
             it from the start"
        );
        return Err(Error::Table { table: table.to_string(), reason });
    }
    Ok(progress)
}
