//! A table with a key: range by range.

use std::collections::BTreeMap;

use futures::future::try_join;

use crate::compare::{Counts, Options};
use crate::difference::{Difference, DifferenceKind, row};
use crate::schema::Paired;
use crate::server::{Cells, Server, Side};
use crate::sql::{Key, Statements};
use crate::{Error, Table};

/// How many rows one statement fetches by their keys.
const FETCH: usize = 100;

/// A place in the table.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Everything up to this key is compared; `None` at the start.
    pub(crate) low: Option<Key>,
    /// The range that is being cut.
    within: Option<Within>,
}

/// A range that is walked in pieces, because its rows are too many to be looked at together.
#[derive(Debug)]
struct Within {
    /// Whose rows are counted: the side that has more.
    side: Side,
    /// Where it ends; `None`: at the end of the table.
    high: Option<Key>,
    /// Rows of a piece.
    size: u64,
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
    pub(crate) fn new(low: Option<Key>) -> Self {
        Self { low, within: None }
    }

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
        let what = format!("comparing table {table}");
        let low = self.low.as_ref();
        let high = if let Some(within) = &self.within {
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
                None => {
                    let high = boundary(target, &paired.target, low, None, size, &what).await?;
                    if high.is_some() {
                        self.within = Some(Within { side: Side::Target, high: None, size });
                    }
                    high
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
        let (side, rows) = if rows_source >= rows_target {
            (Side::Source, rows_source)
        } else {
            (Side::Target, rows_target)
        };
        if rows > options.inspect_rows.max(1) {
            self.within = Some(Within { side, high, size: options.inspect_rows.max(1) });
            return Ok(None);
        }

        let (mut left, mut right) = try_join(
            digests(source, &paired.source, low, high.as_ref(), &what),
            digests(target, &paired.target, low, high.as_ref(), &what),
        )
        .await?;
        left.retain(|key, digest| match right.get(key) {
            Some(other) if other.hash == digest.hash => {
                right.remove(key);
                false
            }
            _ => true,
        });
        let bytes = left.values().chain(right.values()).map(|digest| digest.size).sum::<u64>();
        if bytes > options.fetch_bytes && rows > 1 {
            self.within = Some(Within { side, high, size: (rows / 8).max(1) });
            return Ok(None);
        }
        let mut keys = left.into_keys().chain(right.into_keys()).collect::<Vec<_>>();
        keys.sort();
        keys.dedup();
        let mut differences = Vec::new();
        for keys in keys.chunks(FETCH) {
            let keys = keys.iter().collect::<Vec<_>>();
            let (mut left, mut right) = try_join(
                whole_rows(source, &paired.source, &keys, &what),
                whole_rows(target, &paired.target, &keys, &what),
            )
            .await?;
            differences.extend(
                keys.iter().filter_map(|key| difference(paired, left.remove(*key), right.remove(*key))),
            );
        }
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
        if self.within.as_ref().is_some_and(|within| within.high == high) {
            self.within = None;
        }
        let finished = high.is_none();
        if high.is_some() {
            self.low = high;
        }
        Piece { counts, differences, summed, finished }
    }
}

/// What two fetched rows of one key are; `None` when they are the same by now.
fn difference(paired: &Paired, left: Option<Cells>, right: Option<Cells>) -> Option<Difference> {
    let kind = match (&left, &right) {
        (None, None) => return None,
        (Some(_), None) => DifferenceKind::Missing,
        (None, Some(_)) => DifferenceKind::Extra,
        (Some(left), Some(right)) => {
            let mut pairs = paired.source.compared.iter().zip(&paired.target.compared);
            if pairs.all(|(&l, &r)| left[l] == right[r]) {
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

struct Digest {
    hash: Vec<u8>,
    size: u64,
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
        .each(statements.digests(low, high)?, what, |mut cells| {
            let size = number(cells.pop().flatten().as_deref());
            let hash = cells.pop().flatten().unwrap_or_default();
            digests.insert(cells.into_iter().flatten().collect(), Digest { hash, size });
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

pub(crate) fn number(bytes: Option<&[u8]>) -> u64 {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok()).unwrap_or_default()
}
