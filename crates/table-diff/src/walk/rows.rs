//! Rows that differ: found by their digests, then fetched whole and compared again.

use std::collections::BTreeMap;

use futures::future::try_join;

use super::sides::Sides;
use crate::cells::{Cells, Key, number};
use crate::difference::{Difference, DifferenceKind, row};
use crate::error::Error;
use crate::json;
use crate::schema::Paired;
use crate::server::Server;
use crate::sql::Statements;

/// How many rows one statement fetches by their keys: each statement is a round trip. From 1000 on MariaDB makes a
/// table of a list of keys.
const FETCH: usize = 500;

/// Hash and size of a row.
#[derive(Debug)]
pub(crate) struct Digest {
    hash: Vec<u8>,
    /// Bytes, about.
    pub(crate) size: u64,
}

/// Digests by key.
pub(crate) type Digests = BTreeMap<Key, Digest>;

impl Digest {
    /// Reads key, hash and size.
    pub(crate) fn read(mut cells: Cells) -> (Key, Self) {
        let size = number(cells.pop().flatten().as_deref());
        let hash = cells.pop().flatten().unwrap_or_default();
        (cells.into_iter().flatten().collect(), Self { hash, size })
    }
}

/// Removes the rows that are the same on both sides.
pub(crate) fn drop_alike(left: &mut Digests, right: &mut Digests) {
    left.retain(|key, digest| match right.get(key) {
        Some(other) if other.hash == digest.hash => {
            right.remove(key);
            false
        }
        _ => true,
    });
}

/// Bytes of all these rows, about.
pub(crate) fn bytes_of(left: &Digests, right: &Digests) -> u64 {
    left.values().chain(right.values()).map(|digest| digest.size).sum()
}

/// The keys of both sides, each once, in the servers' order as far as it is known here.
pub(crate) fn keys_of(statements: &Statements, left: Digests, right: Digests) -> Vec<Key> {
    let mut keys = left.into_keys().chain(right.into_keys()).collect::<Vec<_>>();
    keys.sort_by(|a, b| statements.compare(a, b));
    keys.dedup();
    keys
}

/// Fetches the rows of these keys, whole: those that still differ, in the order of the keys.
pub(crate) async fn fetch(sides: &mut Sides<'_>, keys: &[Key], what: &str) -> Result<Vec<Difference>, Error> {
    let Sides { source, target, paired, .. } = sides;
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
