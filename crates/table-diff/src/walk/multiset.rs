//! A table without a key: how often each row occurs on either side.
//!
//! Each server counts its rows by their hash and sends the counts in the hash's order; the two streams are merged, so
//! that no more than a row of either is held. Rows whose counts differ are looked up by their hash over connections of
//! their own, in batches, and counted again there.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join;
use futures::stream::BoxStream;

use super::caller::Caller;
use super::sides::Sides;
use crate::cells::{Cells, number};
use crate::column::Column;
use crate::cursor::{Counts, HashPlace, Position};
use crate::difference::{Base, Difference, DifferenceKind, row};
use crate::error::{Error, not_given};
use crate::progress::{Progress, Sink};
use crate::retry::Retry;
use crate::schema::{BaseTable, Paired};
use crate::server::Server;
use crate::sql::Statements;
use crate::table::Table;

/// How many hashes one statement looks up.
const LOOK_UP: usize = 200;
/// After how many groups without a difference the place is handed over.
const SAVE: u64 = 50_000;
/// How many lines are handed over at once.
const LINES: u64 = 1000;
/// How long the next row of a sorted stream may take: the server sorts before it sends the first.
const WAIT: Duration = Duration::from_secs(900);

/// How often a row occurs, or a row's hash with its rows counted before.
struct Group {
    hash: String,
    count: u64,
    size: u64,
}

/// A stream of groups with one read ahead.
struct Groups<'a> {
    rows: BoxStream<'a, Result<Cells, Error>>,
    next: Option<Group>,
    table: String,
}

impl<'a> Groups<'a> {
    async fn open(server: &'a mut Server, sql: String, what: &'a str, table: &Table) -> Result<Self, Error> {
        let mut groups = Self { rows: server.stream(sql, what).await?, next: None, table: table.to_string() };
        groups.advance().await?;
        Ok(groups)
    }

    /// The group read ahead; reads the one after it.
    async fn advance(&mut self) -> Result<Option<Group>, Error> {
        let row = tokio::time::timeout(WAIT, self.rows.next()).await.map_err(|_| Error::Table {
            table: self.table.clone(),
            reason: format!("no row came in {} s", WAIT.as_secs()),
        })?;
        let next = row.transpose()?.map(|cells| {
            let mut cells = cells.into_iter().map(Option::unwrap_or_default);
            let hash = String::from_utf8_lossy(&cells.next().unwrap_or_default()).into_owned();
            let count = number(cells.next().as_deref());
            Group { hash, count, size: number(cells.next().as_deref()) }
        });
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// How often this hash occurs and the size of a row; reads on when it is the next one, else it occurs never.
    async fn count_of(&mut self, hash: &str) -> Result<(u64, u64), Error> {
        if self.next.as_ref().is_none_or(|group| group.hash != hash) {
            return Ok((0, 0));
        }
        let group = self.advance().await?;
        Ok(group.map_or((0, 0), |group| (group.count, group.size)))
    }
}

/// The first hash that either stream has next.
fn first(streams: [&Groups<'_>; 2]) -> Option<String> {
    streams.into_iter().filter_map(|stream| stream.next.as_ref()).map(|group| &group.hash).min().cloned()
}

/// A hash that occurs differently often, with the rows up to and with it.
struct Suspect {
    hash: String,
    rows: Counts,
    /// Its own among them; none when they were counted before.
    own: Counts,
    /// Lines handed over before.
    lines: u64,
}

/// What is done, as an error says it: with the hash after which it is done.
fn comparing(table: &Table, place: Option<&HashPlace>) -> String {
    let place = place.map_or_else(String::new, |place| format!(" after the rows with hash {}", place.hash));
    format!("comparing table {table}{place}")
}

/// Compares a table by its rows' hashes, from `place` on, or from the start.
pub(crate) async fn by_hash<S: Sink, F: Fn() -> bool + Send + Sync>(
    mut sides: Sides<'_>,
    mut place: Option<HashPlace>,
    mut caller: Caller<'_, S, F>,
) -> Result<Progress, Error> {
    let mut retry = Retry::new();
    loop {
        let error = match walk(&mut sides, place.as_ref(), &mut caller).await {
            Ok(Walked::Finished(rest)) => {
                caller.hand_over(rest, Vec::new(), Position::End).await?;
                return Ok(caller.finished());
            }
            Ok(Walked::Stopped) => return Ok(caller.interrupted()),
            Err(error) => error,
        };
        if let Some(Position::AtHash(reached)) = caller.position()
            && place.as_ref() != Some(reached)
        {
            place = Some(reached.clone());
            retry.reset();
        }
        let what = comparing(sides.table, place.as_ref());
        retry.recover(error, sides.source, sides.target, &what).await?;
    }
}

/// How far a walk came.
enum Walked {
    /// To the end of the table: the rows behind what was handed over last.
    Finished(Counts),
    /// As far as the caller wanted.
    Stopped,
}

/// Walks both sides in the order of the hashes, from `place` on.
async fn walk<S: Sink, F: Fn() -> bool + Send + Sync>(
    sides: &mut Sides<'_>,
    place: Option<&HashPlace>,
    caller: &mut Caller<'_, S, F>,
) -> Result<Walked, Error> {
    if !caller.wait(sides.target).await? {
        return Ok(Walked::Stopped);
    }
    let Sides { source, target, base, paired, table, options } = sides;
    let what = comparing(table, place);
    let base = match (base, &paired.base) {
        (Some(base), Some(of)) => Some((base.another().await?, of)),
        _ => None,
    };
    let mut lookup = Lookup {
        source: source.another().await?,
        target: target.another().await?,
        base,
        paired,
        most_bytes: options.fetch_bytes,
        what: &what,
    };
    let from = place.map(|place| (place.hash.as_str(), place.settled));
    let (mut left, mut right) = try_join(
        Groups::open(source, paired.source.groups(from), &what, table),
        Groups::open(target, paired.target.groups(from), &what, table),
    )
    .await?;
    let mut rows = Counts::default();
    let mut suspects: Vec<Suspect> = Vec::new();
    let (mut bytes, mut unsaved) = (0, 0);
    while let Some(hash) = first([&left, &right]) {
        let (rows_source, left_size) = left.count_of(&hash).await?;
        let (rows_target, right_size) = right.count_of(&hash).await?;
        let resumed = place.filter(|place| place.hash == hash);
        let mut own = Counts::default();
        if resumed.is_none() {
            own = Counts { rows_source, rows_target, ..Counts::default() };
            rows += own;
        }
        unsaved += 1;
        if rows_source != rows_target {
            bytes += left_size.max(right_size);
            let lines = resumed.map_or(0, |place| place.lines);
            suspects.push(Suspect { hash, rows: std::mem::take(&mut rows), own, lines });
        } else if unsaved >= SAVE && suspects.is_empty() {
            unsaved = 0;
            let place = Position::AtHash(HashPlace { hash, lines: 0, settled: true });
            if !caller.hand_over(std::mem::take(&mut rows), Vec::new(), place).await? {
                return Ok(Walked::Stopped);
            }
        }
        if suspects.len() >= LOOK_UP || bytes > options.fetch_bytes {
            bytes = 0;
            if !lookup.confirm(std::mem::take(&mut suspects), caller).await? {
                return Ok(Walked::Stopped);
            }
        }
    }
    let goes_on = lookup.confirm(suspects, caller).await?;
    Ok(if goes_on { Walked::Finished(rows) } else { Walked::Stopped })
}

/// Looks rows up by their hashes, over connections of its own.
struct Lookup<'a> {
    source: Server,
    target: Server,
    base: Option<(Server, &'a BaseTable)>,
    paired: &'a Paired,
    /// Bytes of lines at most that are handed over at once.
    most_bytes: u64,
    /// What is done, as an error says it.
    what: &'a str,
}

/// How often a row occurs, and its cells.
type Occurrences = (u64, Cells);

/// A row by its hash, on either side, and how often the base has it.
struct Found<'a> {
    left: Option<&'a Occurrences>,
    right: Option<&'a Occurrences>,
    in_base: Option<u64>,
}

impl Lookup<'_> {
    /// Counts the suspects again, with their whole rows, and hands over what still differs; returns whether to continue.
    async fn confirm<S: Sink, F: Fn() -> bool + Send + Sync>(
        &mut self,
        suspects: Vec<Suspect>,
        caller: &mut Caller<'_, S, F>,
    ) -> Result<bool, Error> {
        if suspects.is_empty() {
            return Ok(true);
        }
        let hashes = suspects.iter().map(|suspect| suspect.hash.as_str()).collect::<Vec<_>>();
        let (left, right) = try_join(
            count(&mut self.source, &self.paired.source, &self.paired.source_columns, &hashes, self.what),
            count(&mut self.target, &self.paired.target, &self.paired.target_columns, &hashes, self.what),
        )
        .await?;
        let base = match &mut self.base {
            Some((base, of)) => Some(count(base, &of.statements, &of.columns, &hashes, self.what).await?),
            None => None,
        };
        for suspect in suspects {
            let in_base = base.as_ref().map(|base| base.get(&suspect.hash).map_or(0, |(count, _)| *count));
            let found = Found { left: left.get(&suspect.hash), right: right.get(&suspect.hash), in_base };
            if !self.hand_over(suspect, found, caller).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands over a line for each time that the row occurs too often on either side, many at once.
    async fn hand_over<S: Sink, F: Fn() -> bool + Send + Sync>(
        &self,
        Suspect { hash, mut rows, own, lines: mut handed }: Suspect,
        Found { left, right, in_base }: Found<'_>,
        caller: &mut Caller<'_, S, F>,
    ) -> Result<bool, Error> {
        let times = |found: Option<&Occurrences>| found.map_or(0, |(count, _)| *count);
        if own != Counts::default() {
            // As they are counted now.
            rows -= own;
            let (rows_source, rows_target) = (times(left), times(right));
            rows += Counts { rows_source, rows_target, ..Counts::default() };
        }
        let (kind, columns, found) = if times(left) >= times(right) {
            (DifferenceKind::Missing, &self.paired.source_columns, left)
        } else {
            (DifferenceKind::Extra, &self.paired.target_columns, right)
        };
        let surplus = times(left).abs_diff(times(right));
        // The rows beyond the base were written since; those that it has were deleted on the other side.
        let written = in_base.map(|in_base| times(found).saturating_sub(in_base));
        let base = |number: u64| {
            let was_there = if kind == DifferenceKind::Missing { Base::Source } else { Base::Target };
            written.map(|written| if number < written { Base::Absent } else { was_there })
        };
        let size = found
            .map_or(0, |(_, cells)| cells.iter().flatten().map(|cell| cell.len() as u64 + 32).sum::<u64>());
        let at_once = (self.most_bytes / size.max(1)).clamp(1, LINES);
        loop {
            let now = surplus.saturating_sub(handed).min(at_once);
            let numbers = handed..handed + now;
            let line = |number| Some(line(kind, columns, &found?.1, base(number)));
            let differences = numbers.filter_map(line).collect();
            handed += now;
            let settled = handed >= surplus;
            let place = Position::AtHash(HashPlace { hash: hash.clone(), lines: handed, settled });
            if !caller.hand_over(std::mem::take(&mut rows), differences, place).await? {
                return Ok(false);
            }
            if settled {
                return Ok(true);
            }
        }
    }
}

fn line(kind: DifferenceKind, columns: &[Column], cells: &Cells, base: Option<Base>) -> Difference {
    let row = Some(row(columns, cells));
    let (source, target) = if kind == DifferenceKind::Missing { (row, None) } else { (None, row) };
    Difference { kind, key: serde_json::Map::new(), source, target, base }
}

/// How often each of these hashes occurs, and the first row of each.
async fn count(
    server: &mut Server,
    statements: &Statements,
    columns: &[Column],
    hashes: &[&str],
    what: &str,
) -> Result<BTreeMap<String, Occurrences>, Error> {
    let mut found: BTreeMap<String, Occurrences> = BTreeMap::new();
    let mut unreadable = None;
    server
        .each_to_the_end(statements.rows_by_hash(hashes), what, |mut cells| {
            let hash = String::from_utf8_lossy(&cells.remove(0).unwrap_or_default()).into_owned();
            let mut pairs = columns.iter().zip(&cells);
            if let Some((column, _)) = pairs.find(|(column, cell)| column.is_unreadable(cell.as_deref())) {
                unreadable = Some((column.name.clone(), vec![hash.clone().into_bytes()]));
            }
            found.entry(hash).or_insert((0, cells)).0 += 1;
        })
        .await?;
    match unreadable {
        Some((column, hash)) => Err(not_given(statements.table(), &column, &hash, server.side)),
        None => Ok(found),
    }
}
