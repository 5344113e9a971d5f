//! The comparison of one table: what a caller gives and gets, tries again what broke, keeps ranges to a good size.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::difference::{Difference, DifferenceKind};
use crate::keyed::{Walk, Within, comparing, hexadecimal};
use crate::multiset::{self, Found, Take};
use crate::pass::by_scan;
use crate::schema::{self, Paired};
use crate::server::Server;
use crate::sql::Key;
use crate::throttle::Limits;
use crate::{Error, Table, throttle};

/// How often a range is tried when the connection breaks.
pub(crate) const TRIES: u32 = 4;
/// How often a range may be cut before one is compared: each cut leaves an eighth of the rows or fewer on one side, so
/// that some ten are enough, unless the servers disagree on the order.
pub(crate) const CUTS: u32 = 100;
/// A range that takes longer than this is followed by a smaller one.
pub(crate) const SLOW: Duration = Duration::from_secs(1);
/// A range that takes less than this is followed by a larger one.
pub(crate) const FAST: Duration = Duration::from_millis(250);

/// Limits of a comparison.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rows of the first range.
    pub first_rows: u64,
    /// Rows of a range, or of one pass, at most.
    pub chunk_rows: u64,
    /// How long a pass may take.
    pub pass: Duration,
    /// Rows at most whose hashes are held, of either side.
    pub inspect_rows: u64,
    /// Bytes of differing rows at most that are held, unless one row has more.
    pub fetch_bytes: u64,
    /// Rows of a chunk on average, where a table is scanned.
    pub spread: u64,
    /// Sums of MD5 instead of CRC: no scan, see the crate's documentation. Twice the time and more.
    pub strong: bool,
    /// When the target is to be left alone for a while.
    pub limits: Limits,
    /// Whether the source is seen as it was when its table was begun. Not where the source is written to and the target
    /// follows it: what had not arrived by then would be told as a difference.
    pub view: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_rows: 50_000,
            chunk_rows: 4_000_000,
            pass: Duration::from_secs(5),
            inspect_rows: 5_000,
            fetch_bytes: 4 * 1024 * 1024,
            spread: 24,
            strong: false,
            limits: Limits::default(),
            view: true,
        }
    }
}

/// Rows seen and differences found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Rows of the source.
    pub rows_source: u64,
    /// Rows of the target.
    pub rows_target: u64,
    /// Rows in the source only.
    pub missing: u64,
    /// Rows in both, not the same.
    pub changed: u64,
    /// Rows in the target only.
    pub extra: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, kind: DifferenceKind) {
        match kind {
            DifferenceKind::Missing => self.missing += 1,
            DifferenceKind::Changed => self.changed += 1,
            DifferenceKind::Extra => self.extra += 1,
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            rows_source: self.rows_source + other.rows_source,
            rows_target: self.rows_target + other.rows_target,
            missing: self.missing + other.missing,
            changed: self.changed + other.changed,
            extra: self.extra + other.extra,
        }
    }

    /// Differences of all kinds.
    pub fn differences(&self) -> u64 {
        self.missing + self.changed + self.extra
    }
}

/// Where the comparison of a table stands: a key and counts, a few hundred bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// What was counted so far.
    pub counts: Counts,
    /// The key's columns, to see that they are still the same.
    key_columns: Vec<String>,
    position: Position,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Position {
    AfterKey(Place),
    AtHash(multiset::Place),
    /// Everything is compared.
    End,
}

/// A place in the order of the key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    /// Everything up to this key is compared; `None` at the start.
    #[serde(with = "hexadecimal")]
    pub(crate) key: Option<Key>,
    /// The ranges that are being cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) within: Vec<Within>,
}

impl Place {
    pub(crate) fn of(walk: &Walk) -> Self {
        Self { key: walk.low.clone(), within: walk.within.clone() }
    }

    pub(crate) fn walk(self) -> Walk {
        Walk { low: self.key, within: self.within }
    }
}

/// A table that is compared to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// What was counted.
    pub counts: Counts,
    /// The columns rows were matched by; empty when they were counted as a multiset.
    pub key_columns: Vec<String>,
    /// Differences of the schema, and what else a reader has to know.
    pub notes: Vec<String>,
}

/// How a comparison ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// At the table's end.
    Finished(TableSummary),
    /// Where the caller stopped it. `None`: before anything was compared.
    Interrupted(Option<Cursor>),
}

/// Takes what is found.
pub trait Sink: Send {
    /// What was found since the last call, and the place that it brings the comparison to. A comparison that goes on
    /// from `cursor` finds the rest.
    ///
    /// # Errors
    /// Ends the comparison with [`Error::Sink`].
    fn reached(
        &mut self,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> impl Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send;

    /// It waits, for this reason; told again and again while it does.
    fn waiting(&mut self, _reason: &str) {}
}

/// Compares a table that both sides have, from `cursor` or from the start. After each range `stop` is asked whether to
/// stop; at least one range is compared before.
///
/// Without a key, rows are counted by their hash, and a row that occurs `n` times too often gives `n` differences, see
/// [`Difference`]. Going on from a cursor then scans the table again, though it finds nothing twice.
///
/// # Errors
/// When the table can't be compared; what the sink has stays right, and the comparison can be continued from the last
/// cursor. The connections are of no more use then: a statement may be left in the middle.
pub async fn compare_table(
    source: &mut Server,
    target: &mut Server,
    table: &Table,
    options: &Options,
    cursor: Option<Cursor>,
    sink: &mut impl Sink,
    stop: impl Fn() -> bool + Send + Sync,
) -> Result<Progress, Error> {
    let mut paired = begin(source, target, table, options).await;
    for attempt in 1..TRIES {
        match &paired {
            Err(error) if passes(error) => {
                again(source, target, attempt, &format!("reading the columns of table {table}")).await?;
                paired = begin(source, target, table, options).await;
            }
            _ => break,
        }
    }
    let paired = paired?;
    let progress = go_on(source, target, &paired, table, options, cursor, sink, stop).await?;
    source.end_view().await?;
    Ok(progress)
}

async fn begin(
    source: &mut Server,
    target: &mut Server,
    table: &Table,
    options: &Options,
) -> Result<Paired, Error> {
    source.set_view(options.view).await?;
    schema::pair(source, target, table).await
}

#[allow(clippy::too_many_arguments, reason = "those of `compare_table`, and how the sides are paired")]
async fn go_on(
    source: &mut Server,
    target: &mut Server,
    paired: &Paired,
    table: &Table,
    options: &Options,
    cursor: Option<Cursor>,
    sink: &mut impl Sink,
    stop: impl Fn() -> bool + Send + Sync,
) -> Result<Progress, Error> {
    let (counts, position) = match cursor {
        Some(cursor) if cursor.key_columns != paired.key_columns => {
            let reason = "its key changed while it was compared; compare it from the start".into();
            return Err(Error::Table { table: table.to_string(), reason });
        }
        Some(cursor) => (cursor.counts, Some(cursor.position)),
        None => (Counts::default(), None),
    };
    let ended = position == Some(Position::End);
    let state = State { counts, last: None, key_columns: paired.key_columns.clone() };
    let taker = Taker { state, sink, stop, limits: options.limits };
    if ended {
        return Ok(taker.finished(paired));
    }
    if paired.key_columns.is_empty() {
        let place = match position {
            Some(Position::AtHash(place)) => Some(place),
            _ => None,
        };
        by_hash(source, target, paired, table, options, place, taker).await
    } else {
        let place = match position {
            Some(Position::AfterKey(place)) => place,
            _ => Place::default(),
        };
        let sides = Sides { source, target, paired, table, options };
        by_key(sides, place, taker).await
    }
}

/// Both sides of the table that is compared.
pub(crate) struct Sides<'a> {
    pub(crate) source: &'a mut Server,
    pub(crate) target: &'a mut Server,
    pub(crate) paired: &'a Paired,
    pub(crate) table: &'a Table,
    pub(crate) options: &'a Options,
}

async fn by_key<S: Sink, F: Fn() -> bool + Send + Sync>(
    mut sides: Sides<'_>,
    place: Place,
    taker: Taker<'_, S, F>,
) -> Result<Progress, Error> {
    if sides.can_scan().await? {
        by_scan(sides, place, taker).await
    } else {
        by_range(sides, place, taker).await
    }
}

/// What is counted, and the last place told.
pub(crate) struct State {
    pub(crate) counts: Counts,
    pub(crate) last: Option<Cursor>,
    pub(crate) key_columns: Vec<String>,
}

/// The caller's side of a comparison.
pub(crate) struct Taker<'a, S, F> {
    pub(crate) state: State,
    sink: &'a mut S,
    stop: F,
    limits: Limits,
}

impl<S: Sink, F: Fn() -> bool + Send + Sync> Taker<'_, S, F> {
    /// Hands over what was found; answers whether to go on.
    pub(crate) async fn hand_over(
        &mut self,
        counts: Counts,
        found: Vec<Difference>,
        position: Position,
    ) -> Result<bool, Error> {
        let state = &mut self.state;
        state.counts = state.counts.plus(counts);
        let cursor = Cursor { counts: state.counts, key_columns: state.key_columns.clone(), position };
        self.sink.reached(found, &cursor).await.map_err(Error::Sink)?;
        state.last = Some(cursor);
        Ok(!(self.stop)())
    }

    /// Waits while the target is busy; answers whether to go on.
    pub(crate) async fn wait(&mut self, target: &mut Server) -> Result<bool, Error> {
        let Self { limits, sink, stop, .. } = self;
        throttle::wait(target, limits, &*stop, |reason| sink.waiting(reason)).await
    }

    pub(crate) fn finished(self, paired: &Paired) -> Progress {
        Progress::Finished(TableSummary {
            counts: self.state.counts,
            key_columns: self.state.key_columns,
            notes: paired.notes.clone(),
        })
    }
}

impl<S: Sink, F: Fn() -> bool + Send + Sync> Take for Taker<'_, S, F> {
    async fn take(&mut self, found: Found) -> Result<bool, Error> {
        self.hand_over(found.counts, found.differences, Position::AtHash(found.place)).await
    }
}

async fn by_range<S: Sink, F: Fn() -> bool + Send + Sync>(
    sides: Sides<'_>,
    place: Place,
    mut taker: Taker<'_, S, F>,
) -> Result<Progress, Error> {
    let Sides { source, target, paired, table, options } = sides;
    let mut walk = place.walk();
    // Ranges are so many units of rows: wherever one begins and however large it is, what is looked into in it are the
    // same units, and so the order of the lines does not depend on the time.
    let unit = options.inspect_rows.max(1);
    let most = (options.chunk_rows / unit).max(1) * unit;
    let mut size = (options.first_rows / unit).max(1) * unit;
    let mut attempt = 1;
    let mut cuts = 0;
    loop {
        let begun = Instant::now();
        let step = match taker.wait(target).await {
            Ok(false) => return Ok(Progress::Interrupted(taker.state.last)),
            Ok(true) => walk.step(source, target, paired, table, options, size).await,
            Err(error) => Err(error),
        };
        let piece = match step {
            Ok(piece) => piece,
            Err(error) if passes(&error) && attempt < TRIES => {
                again(source, target, attempt, &comparing(paired, table, walk.low.as_ref())).await?;
                attempt += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        attempt = 1;
        let Some(piece) = piece else {
            cuts += 1;
            if cuts > CUTS {
                return Err(disordered(table));
            }
            // Differences are seldom alone: large ranges would be summed for nothing.
            size = unit;
            continue;
        };
        cuts = 0;
        let elapsed = begun.elapsed();
        if piece.summed && elapsed < FAST {
            size = (size * 2).min(most);
        } else if elapsed > SLOW {
            size = (size / 2 / unit).max(1) * unit;
        }
        if piece.finished {
            taker.hand_over(piece.counts, piece.differences, Position::End).await?;
            return Ok(taker.finished(paired));
        }
        if !taker.hand_over(piece.counts, piece.differences, Position::AfterKey(Place::of(&walk))).await? {
            return Ok(Progress::Interrupted(taker.state.last));
        }
    }
}

pub(crate) fn disordered(table: &Table) -> Error {
    let reason = "the two servers don't put its keys in the same order (collations of different versions?)";
    Error::Table { table: table.to_string(), reason: reason.into() }
}

async fn by_hash<S: Sink, F: Fn() -> bool + Send + Sync>(
    source: &mut Server,
    target: &mut Server,
    paired: &Paired,
    table: &Table,
    options: &Options,
    mut place: Option<multiset::Place>,
    mut taker: Taker<'_, S, F>,
) -> Result<Progress, Error> {
    let mut attempt = 1;
    loop {
        let before = place.clone();
        let walked = async {
            if !taker.wait(target).await? {
                return Ok(None);
            }
            let mut lookup = (source.another().await?, target.another().await?);
            let servers = (&mut *source, &mut *target);
            multiset::walk(servers, &mut lookup, paired, table, options, place.clone(), &mut taker).await
        };
        let walked = walked.await;
        match walked {
            Ok(Some(rest)) => {
                taker.hand_over(rest, Vec::new(), Position::End).await?;
                return Ok(taker.finished(paired));
            }
            Ok(None) => {
                // The streams were left in the middle.
                source.reconnect().await?;
                target.reconnect().await?;
                return Ok(Progress::Interrupted(taker.state.last));
            }
            Err(error) => {
                if let Some(Cursor { position: Position::AtHash(last), .. }) = &taker.state.last {
                    place = Some(last.clone());
                }
                if place != before {
                    attempt = 1;
                }
                if !passes(&error) || attempt >= TRIES {
                    return Err(error);
                }
                again(source, target, attempt, &multiset::comparing(table, place.as_ref())).await?;
                attempt += 1;
            }
        }
    }
}

/// Whether an error may be gone when the range is tried again: the connection broke, or the server gave up a
/// transaction.
pub(crate) fn passes(error: &Error) -> bool {
    let (Error::Query { cause, .. } | Error::Connect { cause, .. }) = error else { return false };
    match cause {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        // Deadlock and serialization failure; a server that shuts down or starts, a connection lost. A timeout is not among them.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["40001", "40P01", "57P01", "57P02", "57P03", "08S01"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Waits a moment and makes both connections anew; a server that starts again gets some seconds for it. `what` was cut
/// off.
pub(crate) async fn again(
    source: &mut Server,
    target: &mut Server,
    attempt: u32,
    what: &str,
) -> Result<(), Error> {
    for wait in 0..TRIES {
        tokio::time::sleep(Duration::from_millis(300) * attempt * (1 << wait)).await;
        let made = match source.reconnect().await {
            Ok(()) => target.reconnect().await,
            Err(error) => Err(error),
        };
        if made.is_ok() || wait + 1 == TRIES {
            return made.map_err(|cause| Error::Lost { what: what.to_owned(), cause: Box::new(cause) });
        }
    }
    Ok(())
}
