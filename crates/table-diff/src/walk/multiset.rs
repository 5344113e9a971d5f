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

use crate::cells::{Cells, number};
use crate::column::Column;
use crate::cursor::{Counts, HashPlace};
use crate::difference::{Difference, DifferenceKind, row};
use crate::error::Error;
use crate::options::Options;
use crate::schema::Paired;
use crate::server::Server;
use crate::sql::Statements;
use crate::table::Table;

/// How many hashes one statement looks up.
const LOOK_UP: usize = 200;
/// After how many groups without a difference the place is told to the sink.
const TELL: u64 = 50_000;
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
        let mut groups = Self { rows: server.stream(sql, what), next: None, table: table.to_string() };
        groups.take().await?;
        Ok(groups)
    }

    /// The group read ahead; reads the one after it.
    async fn take(&mut self) -> Result<Option<Group>, Error> {
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
}

/// The first hash that either stream has next.
fn first(streams: [&Groups<'_>; 2]) -> Option<String> {
    streams.into_iter().filter_map(|stream| stream.next.as_ref()).map(|group| &group.hash).min().cloned()
}

/// What is handed to the caller: a place and what was found up to it.
pub(crate) struct Found {
    pub(crate) place: HashPlace,
    pub(crate) counts: Counts,
    pub(crate) differences: Vec<Difference>,
}

/// A hash that occurs differently often, with the counts of rows up to and with it.
struct Suspect {
    hash: String,
    counts: Counts,
    /// Lines handed over before.
    lines: u64,
}

/// Takes what is found; answers whether to go on.
pub(crate) trait Take: Send {
    /// Takes what is found; answers whether to go on.
    fn take(&mut self, found: Found) -> impl Future<Output = Result<bool, Error>> + Send;
}

/// What is done, as an error says it: with the hash after which it is done.
pub(crate) fn comparing(table: &Table, place: Option<&HashPlace>) -> String {
    let place = place.map_or_else(String::new, |place| format!(" after the rows with hash {}", place.hash));
    format!("comparing table {table}{place}")
}

/// Compares from `place` on. At the end it gives the counts of what came after the last difference; `None` when it was
/// stopped before.
pub(crate) async fn walk(
    (source, target): (&mut Server, &mut Server),
    lookup: &mut (Server, Server),
    paired: &Paired,
    table: &Table,
    options: &Options,
    place: Option<HashPlace>,
    taker: &mut impl Take,
) -> Result<Option<Counts>, Error> {
    let what = comparing(table, place.as_ref());
    let from = place.as_ref().map(|place| (place.hash.as_str(), place.settled));
    let (mut left, mut right) = try_join(
        Groups::open(source, paired.source.groups(from), &what, table),
        Groups::open(target, paired.target.groups(from), &what, table),
    )
    .await?;
    let mut counts = Counts::default();
    let mut suspects: Vec<Suspect> = Vec::new();
    let (mut bytes, mut told) = (0, 0);
    while let Some(hash) = first([&left, &right]) {
        let mut count = 0;
        let mut size = 0;
        let mut other = 0;
        if left.next.as_ref().is_some_and(|group| group.hash == hash)
            && let Some(group) = left.take().await?
        {
            (count, size) = (group.count, group.size);
        }
        if right.next.as_ref().is_some_and(|group| group.hash == hash)
            && let Some(group) = right.take().await?
        {
            other = group.count;
            size = size.max(group.size);
        }
        let resumed = place.as_ref().filter(|place| place.hash == hash);
        if resumed.is_none() {
            counts.rows_source += count;
            counts.rows_target += other;
        }
        told += 1;
        if count != other {
            bytes += size;
            let lines = resumed.map_or(0, |place| place.lines);
            suspects.push(Suspect { hash, counts: std::mem::take(&mut counts), lines });
        } else if told >= TELL && suspects.is_empty() {
            told = 0;
            let place = HashPlace { hash, lines: 0, settled: true };
            let found = Found { place, counts: std::mem::take(&mut counts), differences: Vec::new() };
            if !taker.take(found).await? {
                return Ok(None);
            }
        }
        if suspects.len() >= LOOK_UP || bytes > options.fetch_bytes {
            bytes = 0;
            if !look_up(lookup, paired, &what, options, std::mem::take(&mut suspects), taker).await? {
                return Ok(None);
            }
        }
    }
    if !look_up(lookup, paired, &what, options, suspects, taker).await? {
        return Ok(None);
    }
    Ok(Some(counts))
}

/// Counts the suspects again, with their whole rows, and hands over what still differs.
async fn look_up(
    servers: &mut (Server, Server),
    paired: &Paired,
    what: &str,
    options: &Options,
    suspects: Vec<Suspect>,
    taker: &mut impl Take,
) -> Result<bool, Error> {
    if suspects.is_empty() {
        return Ok(true);
    }
    let hashes = suspects.iter().map(|suspect| suspect.hash.as_str()).collect::<Vec<_>>();
    let (left, right) = try_join(
        count(&mut servers.0, &paired.source, &hashes, what),
        count(&mut servers.1, &paired.target, &hashes, what),
    )
    .await?;
    for Suspect { hash, mut counts, lines: mut handed } in suspects {
        let (in_left, in_right) = (left.get(&hash), right.get(&hash));
        let times = |found: Option<&(u64, Cells)>| found.map_or(0, |(count, _)| *count);
        let (kind, columns, cells) = if times(in_left) >= times(in_right) {
            (DifferenceKind::Missing, &paired.source_columns, in_left)
        } else {
            (DifferenceKind::Extra, &paired.target_columns, in_right)
        };
        let surplus = times(in_left).abs_diff(times(in_right));
        let size = cells
            .map_or(0, |(_, cells)| cells.iter().flatten().map(|cell| cell.len() as u64 + 32).sum::<u64>());
        let at_once = (options.fetch_bytes / size.max(1)).clamp(1, LINES);
        loop {
            let now = surplus.saturating_sub(handed).min(at_once);
            let differences =
                (0..now).filter_map(|_| Some(line(kind, columns, &cells?.1))).collect::<Vec<_>>();
            for difference in &differences {
                counts.add(difference.kind);
            }
            handed += now;
            let settled = handed >= surplus;
            let place = HashPlace { hash: hash.clone(), lines: handed, settled };
            let found = Found { place, counts: std::mem::take(&mut counts), differences };
            if !taker.take(found).await? {
                return Ok(false);
            }
            if settled {
                break;
            }
        }
    }
    Ok(true)
}

fn line(kind: DifferenceKind, columns: &[Column], cells: &Cells) -> Difference {
    let row = Some(row(columns, cells));
    let (source, target) = if kind == DifferenceKind::Missing { (row, None) } else { (None, row) };
    Difference { kind, key: serde_json::Map::new(), source, target }
}

/// How often each of these hashes occurs, and the first row of each.
async fn count(
    server: &mut Server,
    statements: &Statements,
    hashes: &[&str],
    what: &str,
) -> Result<BTreeMap<String, (u64, Cells)>, Error> {
    let mut found: BTreeMap<String, (u64, Cells)> = BTreeMap::new();
    server
        .each(statements.rows_by_hash(hashes), what, |mut cells| {
            let hash = String::from_utf8_lossy(&cells.remove(0).unwrap_or_default()).into_owned();
            found.entry(hash).or_insert((0, cells)).0 += 1;
        })
        .await?;
    Ok(found)
}
