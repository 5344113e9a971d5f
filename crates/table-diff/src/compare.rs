//! The comparison of one table: what a caller gives and gets, tries again what broke, keeps ranges to a good size.

use std::time::Duration;

use tokio::time::Instant;

use crate::cursor::{Counts, Cursor, HashPlace, KeyPlace, Position};
use crate::difference::Difference;
use crate::error::{Error, disordered};
use crate::options::{Limits, Options};
use crate::progress::{Progress, Sink, TableSummary};
use crate::retry::{TRIES, again, passes};
use crate::schema::{self, Paired};
use crate::server::Server;
use crate::table::Table;
use crate::throttle;
use crate::walk::keyed::comparing;
use crate::walk::multiset::{self, Found, Take};
use crate::walk::pass::by_scan;

/// How often a range may be cut before one is compared: each cut leaves an eighth of the rows or fewer on one side, so
/// that some ten are enough, unless the servers disagree on the order.
pub(crate) const CUTS: u32 = 100;
/// A range that takes longer than this is followed by a smaller one.
pub(crate) const SLOW: Duration = Duration::from_secs(1);
/// A range that takes less than this is followed by a larger one.
pub(crate) const FAST: Duration = Duration::from_millis(250);

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
            _ => KeyPlace::default(),
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
    place: KeyPlace,
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
    place: KeyPlace,
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
        if !taker.hand_over(piece.counts, piece.differences, Position::AfterKey(KeyPlace::of(&walk))).await? {
            return Ok(Progress::Interrupted(taker.state.last));
        }
    }
}

async fn by_hash<S: Sink, F: Fn() -> bool + Send + Sync>(
    source: &mut Server,
    target: &mut Server,
    paired: &Paired,
    table: &Table,
    options: &Options,
    mut place: Option<HashPlace>,
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
