//! A table with a key: range by range.

use std::collections::BTreeMap;

use futures::future::try_join;

use crate::cells::{Cells, Key, number};
use crate::cursor::{Counts, KeyPlace, Within};
use crate::difference::{Difference, DifferenceKind, row};
use crate::engine::Side;
use crate::error::Error;
use crate::json;
use crate::options::Options;
use crate::schema::Paired;
use crate::server::Server;
use crate::sql::Statements;
use crate::table::Table;

/// How many rows one statement fetches by their keys: each statement is a round trip. From 1000 on MariaDB makes a
/// table of a list of keys.
const FETCH: usize = 500;

/// A place in the table.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Everything up to this key is compared; `None` at the start.
    pub(crate) low: Option<Key>,
    /// The ranges that are being cut, each within the one before it.
    pub(crate) within: Vec<Within>,
}

/// Bytes at most of a key's value that an error shows.
const SHOWN: usize = 40;

/// What is done, as an error says it: with the key after which it is done.
pub(crate) fn comparing(paired: &Paired, table: &Table, low: Option<&Key>) -> String {
    let Some(low) = low else { return format!("comparing table {table}") };
    let shown = |value: &Vec<u8>| {
        let start = String::from_utf8_lossy(&value[..value.len().min(SHOWN)]).escape_debug().to_string();
        if value.len() > SHOWN { start + "…" } else { start }
    };
    let place = paired.key_columns.iter().zip(low).map(|(name, value)| format!("{name} {}", shown(value)));
    format!("comparing table {table} after {}", place.collect::<Vec<_>>().join(", "))
}

impl KeyPlace {
    pub(crate) fn of(walk: &Walk) -> Self {
        Self { key: walk.low.clone(), within: walk.within.clone() }
    }

    pub(crate) fn walk(self) -> Walk {
        Walk { low: self.key, within: self.within }
    }
}

/// A range that is compared.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) counts: Counts,
    pub(crate) differences: Vec<Difference>,
    /// Rows on the side that has more, when the range was one that sums sufficed for.
    pub(crate) summed: bool,
    pub(crate) finished: bool,
}

impl Walk {
    /// Compares the next range of at most `size` rows; `None` when it only found where to cut. After an error the
    /// place is as it was, and the same range can be tried again.
    pub(crate) async fn step(
        &mut self,
        source: &mut Server,
        target: &mut Server,
        paired: &Paired,
        table: &Table,
        options: &Options,
        size: u64,
    ) -> Result<Option<Piece>, Error> {
        let what = comparing(paired, table, self.low.as_ref());
        let low = self.low.as_ref();
        let high = if let Some(within) = self.within.last() {
            let (server, statements) = match within.side {
                Side::Source => (&mut *source, &paired.source),
                Side::Target => (&mut *target, &paired.target),
            };
            let cut = boundary(server, statements, low, within.high.as_ref(), within.size, &what).await?;
            cut.or_else(|| within.high.clone())
        } else {
            match boundary(source, &paired.source, low, None, size, &what).await? {
                Some(high) => Some(high),
                // What is left of the source is less than a range. The target may have any number of rows there.
                None if boundary(target, &paired.target, low, None, size, &what).await?.is_none() => None,
                None => {
                    let size = options.inspect_rows.max(1);
                    self.within.push(Within { side: Side::Source, high: None, size });
                    return Ok(None);
                }
            }
        };
        let (of_source, of_target) = try_join(
            sum(source, &paired.source, low, high.as_ref(), &what),
            sum(target, &paired.target, low, high.as_ref(), &what),
        )
        .await?;
        let (rows_source, rows_target) = (of_source.0, of_target.0);
        let counts = Counts { rows_source, rows_target, ..Counts::default() };
        if of_source == of_target {
            return Ok(Some(self.advance(high, counts, Vec::new(), true)));
        }
        let most = options.inspect_rows.max(1);
        // By the source as long as it has enough: its cuts lie in the same places, however large the range was.
        let side = if rows_source > most { Side::Source } else { Side::Target };
        if rows_source.max(rows_target) > most {
            self.within.push(Within { side, high, size: most });
            return Ok(None);
        }
        let (side, rows) = if rows_source >= rows_target {
            (Side::Source, rows_source)
        } else {
            (Side::Target, rows_target)
        };

        let (mut left, mut right) = try_join(
            digests(source, &paired.source, low, high.as_ref(), &what),
            digests(target, &paired.target, low, high.as_ref(), &what),
        )
        .await?;
        drop_alike(&mut left, &mut right);
        let bytes = left.values().chain(right.values()).map(|digest| digest.size).sum::<u64>();
        if bytes > options.fetch_bytes && rows > 1 {
            self.within.push(Within { side, high, size: (rows / 8).max(1) });
            return Ok(None);
        }
        let keys = keys_of(&paired.source, left, right);
        let differences = fetch(source, target, paired, &keys, &what).await?;
        Ok(Some(self.advance(high, counts, differences, false)))
    }

    fn advance(
        &mut self,
        high: Option<Key>,
        mut counts: Counts,
        differences: Vec<Difference>,
        summed: bool,
    ) -> Piece {
        for difference in &differences {
            counts.add(difference.kind);
        }
        while self.within.last().is_some_and(|within| within.high == high) {
            self.within.pop();
        }
        let finished = high.is_none();
        if high.is_some() {
            self.low = high;
        }
        Piece { counts, differences, summed, finished }
    }
}

/// Takes out what is the same on both sides.
pub(crate) fn drop_alike(left: &mut BTreeMap<Key, Digest>, right: &mut BTreeMap<Key, Digest>) {
    left.retain(|key, digest| match right.get(key) {
        Some(other) if other.hash == digest.hash => {
            right.remove(key);
            false
        }
        _ => true,
    });
}

/// The keys of both sides, each once, in the servers' order as far as it is known here.
pub(crate) fn keys_of(
    statements: &Statements,
    left: BTreeMap<Key, Digest>,
    right: BTreeMap<Key, Digest>,
) -> Vec<Key> {
    let mut keys = left.into_keys().chain(right.into_keys()).collect::<Vec<_>>();
    keys.sort_by(|a, b| statements.compare(a, b));
    keys.dedup();
    keys
}

/// Looks at the rows of these keys again, whole: what still differs, in the order of the keys.
pub(crate) async fn fetch(
    source: &mut Server,
    target: &mut Server,
    paired: &Paired,
    keys: &[Key],
    what: &str,
) -> Result<Vec<Difference>, Error> {
    let mut differences = Vec::new();
    for keys in keys.chunks(FETCH) {
        let mut sorted = keys.iter().collect::<Vec<_>>();
        sorted.sort();
        let (mut left, mut right) = try_join(
            whole_rows(source, &paired.source, &sorted, what),
            whole_rows(target, &paired.target, &sorted, what),
        )
        .await?;
        differences
            .extend(keys.iter().filter_map(|key| difference(paired, left.remove(key), right.remove(key))));
    }
    Ok(differences)
}

/// What two fetched rows of one key are; `None` when they are the same by now.
fn difference(paired: &Paired, left: Option<Cells>, right: Option<Cells>) -> Option<Difference> {
    let kind = match (&left, &right) {
        (None, None) => return None,
        (Some(_), None) => DifferenceKind::Missing,
        (None, Some(_)) => DifferenceKind::Extra,
        (Some(left), Some(right)) => {
            let mut pairs = paired.source.compared.iter().zip(&paired.target.compared);
            let json = |l: usize, r: usize| paired.source_columns[l].json && paired.target_columns[r].json;
            if pairs.all(|(&l, &r)| match (&left[l], &right[r]) {
                (Some(left), Some(right)) if json(l, r) => json::is_same(left, right),
                (left, right) => left == right,
            }) {
                return None;
            }
            DifferenceKind::Changed
        }
    };
    let source = left.map(|cells| row(&paired.source_columns, &cells));
    let target = right.map(|cells| row(&paired.target_columns, &cells));
    let known = source.as_ref().or(target.as_ref());
    let key = paired
        .key_columns
        .iter()
        .filter_map(|name| Some((name.clone(), known?.get(name)?.clone())))
        .collect();
    Some(Difference { kind, key, source, target })
}

async fn boundary(
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

/// Hash and size of a row.
#[derive(Debug)]
pub(crate) struct Digest {
    hash: Vec<u8>,
    pub(crate) size: u64,
}

impl Digest {
    /// Reads key, hash and size.
    pub(crate) fn read(mut cells: Cells) -> (Key, Self) {
        let size = number(cells.pop().flatten().as_deref());
        let hash = cells.pop().flatten().unwrap_or_default();
        (cells.into_iter().flatten().collect(), Self { hash, size })
    }
}

async fn digests(
    server: &mut Server,
    statements: &Statements,
    low: Option<&Key>,
    high: Option<&Key>,
    what: &str,
) -> Result<BTreeMap<Key, Digest>, Error> {
    let mut digests = BTreeMap::new();
    server
        .each(statements.digests(low, high)?, what, |cells| {
            let (key, digest) = Digest::read(cells);
            digests.insert(key, digest);
        })
        .await?;
    Ok(digests)
}

/// The rows of these keys, exactly: others that the collation takes for the same are left out.
async fn whole_rows(
    server: &mut Server,
    statements: &Statements,
    keys: &[&Key],
    what: &str,
) -> Result<BTreeMap<Key, Cells>, Error> {
    let mut found = BTreeMap::new();
    server
        .each(statements.rows(keys)?, what, |cells| {
            let key =
                statements.key_index.iter().map(|&index| cells[index].clone().unwrap_or_default()).collect();
            if keys.binary_search(&&key).is_ok() {
                found.insert(key, cells);
            }
        })
        .await?;
    Ok(found)
}
