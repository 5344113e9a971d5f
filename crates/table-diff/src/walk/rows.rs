//! Rows that differ: found by their digests, then fetched whole and compared again.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join;

use super::sides::Sides;
use super::versions::{base_of, difference, kind_of};
use crate::cells::{Cells, Key, number};
use crate::column::Column;
use crate::cursor::Counts;
use crate::difference::{Base, Difference, DifferenceKind};
use crate::engine::{Engine, Side};
use crate::error::{Error, not_given, not_unique};
use crate::server::Server;
use crate::sql::Statements;

/// How many rows one statement fetches by their keys: each statement is a round trip. From 1000 on MariaDB makes a
/// table of a list of keys.
const FETCH: usize = 500;
/// The same on PostgreSQL, which looks each of them up in the index.
const FETCH_POSTGRES: usize = 2000;
/// How many keys one statement looks for each by itself.
const ASK: usize = 50;

/// Hash and size of a row.
#[derive(Debug)]
pub(crate) struct Digest {
    hash: Vec<u8>,
    /// Bytes, about.
    pub(crate) size: u64,
}

/// Digests by key.
pub(crate) type Digests = BTreeMap<Key, Digest>;

/// The digests of a range on one side, as they come.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    digests: Digests,
    rows: u64,
    /// A key that came more than once.
    twice: Option<Key>,
    /// The server gave no hash for a row.
    nothing: Option<Key>,
}

impl Reading {
    /// Takes key, hash and size of a row.
    pub(crate) fn add(&mut self, mut cells: Cells) {
        self.rows += 1;
        let size = number(cells.pop().flatten().as_deref());
        let hash = cells.pop().flatten();
        let key: Key = cells.into_iter().flatten().collect();
        let Some(hash) = hash else {
            self.nothing = Some(key);
            return;
        };
        if self.digests.insert(key.clone(), Digest { hash, size }).is_some() {
            self.twice = Some(key);
        }
    }

    /// The digests, and how many rows there are.
    pub(crate) fn end(self, statements: &Statements, side: Side) -> Result<(Digests, u64), Error> {
        match (&self.twice, &self.nothing) {
            (Some(key), _) => Err(not_unique(statements.table(), key, side)),
            (_, Some(key)) => Err(not_given(statements.table(), "(any)", key, side)),
            _ => Ok((self.digests, self.rows)),
        }
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

/// A row that seems to differ: its key, and which sides were seen to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    key: Key,
    source: bool,
    target: bool,
}

/// The rows of both sides, each once, by their keys.
pub(crate) fn doubts(
    left: impl IntoIterator<Item = Key>,
    right: impl IntoIterator<Item = Key>,
) -> Vec<Doubt> {
    let mut seen: BTreeMap<Key, (bool, bool)> = left.into_iter().map(|key| (key, (true, false))).collect();
    for key in right {
        seen.entry(key).or_default().1 = true;
    }
    seen.into_iter().map(|(key, (source, target))| Doubt { key, source, target }).collect()
}

/// The same in the servers' order as far as it is known here.
pub(crate) fn sorted(statements: &Statements, mut doubts: Vec<Doubt>) -> Vec<Doubt> {
    doubts.sort_by(|a, b| statements.compare(&a.key, &b.key));
    doubts
}

/// The same in the source's order. PostgreSQL is asked for it where it is not known here; MySQL's family is not.
pub(crate) async fn in_order(
    sides: &mut Sides<'_>,
    doubts: Vec<Doubt>,
    what: &str,
) -> Result<Vec<Doubt>, Error> {
    let doubts = sorted(&sides.paired.source, doubts);
    let keys = doubts.iter().map(|doubt| &doubt.key).collect::<Vec<_>>();
    let order = if keys.len() > 1 { sides.paired.source.order_of(&keys) } else { None };
    let Some(order) = order else { return Ok(doubts) };
    let numbers = sides.source.all(order, what).await?;
    let mut doubts = doubts.into_iter().map(Some).collect::<Vec<_>>();
    // They count from one.
    let numbers = numbers.into_iter().map(|cells| number(cells.first().and_then(Option::as_deref)));
    let places = numbers.filter_map(|number| usize::try_from(number.checked_sub(1)?).ok());
    let ordered = places.filter_map(|place| doubts.get_mut(place)?.take()).collect::<Vec<_>>();
    if doubts.iter().any(Option::is_some) {
        let reason = format!("the {} does not say in which order its keys are", sides.source.side);
        return Err(Error::Table { table: sides.table.to_string(), reason });
    }
    Ok(ordered)
}

/// What was fetched: rows that still differ, in the order of their keys, and how the count of rows that were seen has to be
/// mended by what is there now.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) differences: Vec<Difference>,
    more: Counts,
    fewer: Counts,
}

impl Fetched {
    /// The count of rows, as it is now.
    pub(crate) fn mend(&self, rows: &mut Counts) {
        *rows += self.more;
        *rows -= self.fewer;
    }
}

/// A difference, with the keys of the rows that it is of.
type Keyed = (Key, Difference);

/// Fetches the rows of these keys, whole: those that still differ. They are behind `low`, and up to `high`.
pub(crate) async fn fetch(
    sides: &mut Sides<'_>,
    doubts: &[Doubt],
    (low, high): (Option<&Key>, Option<&Key>),
    what: &str,
) -> Result<Fetched, Error> {
    let Sides { source, target, base, paired, .. } = sides;
    let mut fetched = Fetched::default();
    let mut found: Vec<Keyed> = Vec::new();
    let (mut gone_left, mut gone_right) = (Vec::new(), Vec::new());
    let most = if source.engine() == Engine::Postgres { FETCH_POSTGRES } else { FETCH };
    for doubts in doubts.chunks(most) {
        let mut sorted = doubts.iter().map(|doubt| &doubt.key).collect::<Vec<_>>();
        sorted.sort();
        let (mut left, mut right) = try_join(
            whole_rows(source, &paired.source, &paired.source_columns, &sorted, what),
            whole_rows(target, &paired.target, &paired.target_columns, &sorted, what),
        )
        .await?;
        let mut differing = Vec::new();
        for doubt in doubts {
            let (left, right) = (left.remove(&doubt.key), right.remove(&doubt.key));
            match (doubt.source, left.is_some()) {
                (true, false) => {
                    fetched.fewer.rows_source += 1;
                    gone_left.push(&doubt.key);
                }
                (false, true) => fetched.more.rows_source += 1,
                _ => {}
            }
            match (doubt.target, right.is_some()) {
                (true, false) => {
                    fetched.fewer.rows_target += 1;
                    gone_right.push(&doubt.key);
                }
                (false, true) => fetched.more.rows_target += 1,
                _ => {}
            }
            if let Some(kind) = kind_of(paired, left.as_ref(), right.as_ref()) {
                differing.push((&doubt.key, kind, [left, right]));
            }
        }
        let known = match (base.as_deref_mut(), &paired.base) {
            (Some(base), Some(of)) => {
                let mut keys = differing.iter().map(|(key, ..)| *key).collect::<Vec<_>>();
                keys.sort();
                Some(whole_rows(base, &of.statements, &of.columns, &keys, what).await?)
            }
            _ => None,
        };
        for (key, kind, rows) in differing {
            let base = known.as_ref().map(|known| base_of(paired, known.get(key), &rows));
            found.push((key.clone(), difference(paired, kind, rows, base)));
        }
    }
    are_gone(source, &paired.source, &gone_left, (low, high), what).await?;
    are_gone(target, &paired.target, &gone_right, (low, high), what).await?;
    if paired.source.folds() {
        join_same_keys(sides, &mut found, what).await?;
    }
    fetched.differences = found.into_iter().map(|(_, difference)| difference).collect();
    Ok(fetched)
}

/// Makes sure that rows which were seen, and not found by their keys, are not there any more.
async fn are_gone(
    server: &mut Server,
    statements: &Statements,
    keys: &[&Key],
    (low, high): (Option<&Key>, Option<&Key>),
    what: &str,
) -> Result<(), Error> {
    for keys in keys.chunks(ASK) {
        let rows = server.all(statements.count_of(keys, low, high)?, what).await?;
        let count = rows.into_iter().next().and_then(|mut cells| cells.pop().flatten());
        if number(count.as_deref()) > 0 {
            let reason = format!("rows of the {} are there, and are not found by their keys", server.side);
            return Err(Error::Table { table: statements.table().to_string(), reason });
        }
    }
    Ok(())
}

/// Joins what is missing and what is extra where both have one key to the server, as `a` and `A` may: it is one row, whose key
/// changed. Both are in one range, for ranges follow the server's own order.
async fn join_same_keys(sides: &mut Sides<'_>, found: &mut Vec<Keyed>, what: &str) -> Result<(), Error> {
    let Sides { source, target, paired, .. } = sides;
    let of = |kind| {
        let those = found.iter().filter(move |(_, one)| one.kind == kind);
        those.map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    let (missing, extra) = (of(DifferenceKind::Missing), of(DifferenceKind::Extra));
    if missing.is_empty() || extra.is_empty() {
        return Ok(());
    }
    // The fewer are asked for on the other side.
    let swapped = extra.len() < missing.len();
    let pairs = if swapped {
        same_keys(source, &paired.source, &extra, &missing, what).await?
    } else {
        same_keys(target, &paired.target, &missing, &extra, what).await?
    };
    if pairs.is_empty() {
        return Ok(());
    }
    let mut places = BTreeMap::new();
    for (place, (key, one)) in found.iter().enumerate() {
        places.insert((one.kind, key.clone()), place);
    }
    let mut rest = std::mem::take(found).into_iter().map(Some).collect::<Vec<_>>();
    for (asked, answered) in pairs {
        let (of_source, of_target) = if swapped { (answered, asked) } else { (asked, answered) };
        let places = (
            places.remove(&(DifferenceKind::Missing, of_source)),
            places.remove(&(DifferenceKind::Extra, of_target)),
        );
        let (Some(left), Some(right)) = places else { continue };
        let (Some((key, missing)), Some((_, extra))) = (rest[left].take(), rest[right].take()) else {
            continue;
        };
        // It stands where the earlier of the two stood.
        let kind = DifferenceKind::Changed;
        // The base has one row of this key as well, under either of its forms.
        let base = match missing.base {
            Some(Base::Absent) => extra.base,
            base => base,
        };
        rest[left.min(right)] = Some((key, Difference { kind, target: extra.target, base, ..missing }));
    }
    found.extend(rest.into_iter().flatten());
    Ok(())
}

/// Which of these keys are one to the server with one of `others`, its own.
async fn same_keys(
    server: &mut Server,
    statements: &Statements,
    keys: &[Key],
    others: &[Key],
    what: &str,
) -> Result<Vec<(Key, Key)>, Error> {
    let others = others.iter().collect::<BTreeSet<_>>();
    let mut pairs = Vec::new();
    let all = keys.iter().collect::<Vec<_>>();
    for keys in all.chunks(FETCH) {
        // Seldom is there any, and then one statement says so of many keys.
        let mut is_any = false;
        let mut rest = keys;
        while !rest.is_empty() {
            let (sql, count) = fitting(server, rest.len(), |count| statements.keys_like(&rest[..count]))?;
            server
                .each_to_the_end(sql, what, |mut cells| {
                    cells.remove(0);
                    is_any |= others.contains(&cells.into_iter().flatten().collect::<Key>());
                })
                .await?;
            rest = &rest[count..];
        }
        for keys in keys.chunks(ASK).filter(|_| is_any) {
            server
                .each_to_the_end(statements.same_keys(keys)?, what, |mut cells| {
                    let number = usize::try_from(number(cells.remove(0).as_deref())).unwrap_or(usize::MAX);
                    let other: Key = cells.into_iter().flatten().collect();
                    if let Some(&key) = keys.get(number).filter(|_| others.contains(&other)) {
                        pairs.push((key.clone(), other));
                    }
                })
                .await?;
        }
    }
    Ok(pairs)
}

/// The rows of these keys, exactly: others that the collation takes for the same are left out.
async fn whole_rows(
    server: &mut Server,
    statements: &Statements,
    columns: &[Column],
    keys: &[&Key],
    what: &str,
) -> Result<BTreeMap<Key, Cells>, Error> {
    let mut found = BTreeMap::new();
    let (mut twice, mut unreadable) = (None, None);
    let mut rest = keys;
    while !rest.is_empty() {
        let (sql, count) = fitting(server, rest.len(), |count| statements.rows(&rest[..count]))?;
        let asked = &rest[..count];
        server
            .each_to_the_end(sql, what, |mut cells| {
                cells.remove(0);
                let key: Key = statements
                    .key_index
                    .iter()
                    .map(|&index| cells[index].clone().unwrap_or_default())
                    .collect();
                if asked.binary_search(&&key).is_err() {
                    return;
                }
                let mut pairs = columns.iter().zip(&cells);
                if let Some((column, _)) = pairs.find(|(column, cell)| column.is_unreadable(cell.as_deref()))
                {
                    unreadable = Some((column.name.clone(), key.clone()));
                }
                if found.insert(key.clone(), cells).is_some() {
                    twice = Some(key);
                }
            })
            .await?;
        rest = &rest[count..];
    }
    if let Some((column, key)) = unreadable {
        return Err(not_given(statements.table(), &column, &key, server.side));
    }
    match twice {
        Some(key) => Err(not_unique(statements.table(), &key, server.side)),
        None => Ok(found),
    }
}

/// A statement about as many of so many things as the server takes together, and how many those are.
pub(crate) fn fitting(
    server: &Server,
    most: usize,
    statement: impl Fn(usize) -> Result<String, Error>,
) -> Result<(String, usize), Error> {
    let mut count = most;
    loop {
        let sql = statement(count)?;
        if count <= 1 || sql.len() <= server.dialect().longest {
            return Ok((sql, count));
        }
        count = count.div_ceil(2);
    }
}
