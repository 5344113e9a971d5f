//! Holds a database against a ledger: which acknowledged transactions are there, which are lost, and which rows of them.
//!
//! Each effect of a transaction is looked for in the row as it is now. What a later transaction wrote over says nothing of the earlier one;
//! so evidence is gathered from every row and column, and decides on the whole transaction, for it is atomic:
//!
//! - *there*: the row has a value that only this transaction has written to it, or is there by its insert;
//! - *lost*: the row has a value from before it, lacks what it inserted, or has what it deleted.
//!
//! A transaction with evidence of both is there in part, which may never be: [`Partly`] names it. One without evidence, because all
//! that it wrote was changed or deleted again, is in [`Checked::unseen`]. A key that a server gives to another row, because it never had
//! the first one, is told apart by the rows' values. Transactions in doubt are right either way, and are judged for being whole.
//!
//! Reads only what the ledger names; other rows do not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use table_diff::Target;

use crate::catalogue::{self, CatalogueError};
use crate::ledger::{Change, ChangeKind, Key, Ledger, Outcome, Row, Values};
use crate::reading::{BATCH, ReadError, count_rows, read_rows};
use crate::session::{ConnectError, Purpose, Session};

/// What a database has of a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// How many transactions were acknowledged.
    pub acknowledged: usize,
    /// Numbers of acknowledged transactions that are not there.
    pub lost: BTreeSet<u64>,
    /// What of them is not there.
    pub lost_effects: Vec<LostEffect>,
    /// Numbers of acknowledged transactions of which nothing can be seen: all that they did was changed or deleted again.
    pub unseen: BTreeSet<u64>,
    /// Numbers of transactions in doubt that are there.
    pub in_doubt_there: BTreeSet<u64>,
    /// Numbers of those that are not, or of which nothing can be seen.
    pub in_doubt_absent: BTreeSet<u64>,
    /// Transactions that are there in part. May never be.
    pub partly: Vec<Partly>,
    /// Values that nobody in the ledger has written: somebody else has, or a trigger.
    pub altered: Vec<Altered>,
}

/// An effect that is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostEffect {
    /// The number of its transaction.
    pub transaction: u64,
    /// The table.
    pub table: String,
    /// The row.
    pub row: Row,
    /// Whether an insert, an update or a delete is lost.
    pub kind: ChangeKind,
}

/// A transaction of which a part is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partly {
    /// Its number.
    pub transaction: u64,
    /// Tables and rows of what is there.
    pub there: Vec<(String, Row)>,
    /// Tables and rows of what is not.
    pub lost: Vec<(String, Row)>,
}

/// A value that nobody in the ledger has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Altered {
    /// The table.
    pub table: String,
    /// The row.
    pub key: Key,
    /// The column.
    pub column: String,
    /// What it has.
    pub value: Option<String>,
}

/// Why a database can't be held against a ledger.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The server can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Its schema can't be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Rows can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Holds a database against a ledger. `progress` is told how many of how many rows were looked at.
///
/// # Errors
/// When the database can't be read, or is not one with the ledger's tables.
pub async fn check(
    target: &Target,
    ledger: &Ledger,
    patience: Duration,
    mut progress: impl FnMut(usize, usize),
) -> Result<Checked, CheckError> {
    let mut session = Session::connect(target, Purpose::Rows, patience).await?;
    let schema = catalogue::read(&mut session).await?;
    let (keyed, contents) = chains(ledger);
    let mut evidence = Gathered::default();
    let all = keyed.len() + contents.len();
    let keyed: Vec<((&str, &Key), Vec<Link<'_>>)> = keyed.into_iter().collect();
    for (at, batch) in keyed.chunks(BATCH).enumerate() {
        progress(at * BATCH, all);
        let mut found = read_rows(&mut session, &schema, batch.iter().map(|(row, _)| *row)).await?;
        for (index, ((table, key), chain)) in batch.iter().enumerate() {
            let row = found.remove(&index);
            evidence.take(table, key, chain, row.as_ref());
        }
    }
    let contents: Vec<((&str, &Values), Vec<Link<'_>>)> = contents.into_iter().collect();
    for (at, batch) in contents.chunks(BATCH).enumerate() {
        progress(keyed.len() + at * BATCH, all);
        let counts = count_rows(&mut session, &schema, batch.iter().map(|(row, _)| *row)).await?;
        for (index, (_, chain)) in batch.iter().enumerate() {
            evidence.take_content(chain, counts.get(&index).copied().unwrap_or_default());
        }
    }
    progress(all, all);
    session.close().await;
    Ok(evidence.conclude(ledger))
}

/// Which of these rows, each with a key, a database has.
///
/// # Errors
/// As [`check`].
pub async fn present(
    target: &Target,
    rows: impl IntoIterator<Item = (String, Key)>,
    patience: Duration,
) -> Result<BTreeSet<(String, Key)>, CheckError> {
    let rows: Vec<(String, Key)> = rows.into_iter().collect();
    let mut session = Session::connect(target, Purpose::Rows, patience).await?;
    let schema = catalogue::read(&mut session).await?;
    let mut there = BTreeSet::new();
    for batch in rows.chunks(BATCH) {
        let keys = batch.iter().map(|(table, key)| (table.as_str(), key));
        let found = read_rows(&mut session, &schema, keys).await?;
        there.extend(found.keys().filter_map(|index| batch.get(*index)).cloned());
    }
    session.close().await;
    Ok(there)
}

/// A transaction's effect on a row: positions in the ledger.
#[derive(Debug, Clone, Copy)]
struct Link<'a> {
    transaction: usize,
    effect: usize,
    change: &'a Change,
    acknowledged: bool,
    writer: usize,
}

/// What was done to each row, in its order.
type Chains<'a, T> = BTreeMap<(&'a str, &'a T), Vec<Link<'a>>>;

fn chains(ledger: &Ledger) -> (Chains<'_, Key>, Chains<'_, Values>) {
    let (mut keyed, mut contents) = (Chains::new(), Chains::new());
    for (transaction, one) in ledger.transactions.iter().enumerate() {
        for (effect, what) in one.effects.iter().enumerate() {
            let acknowledged = one.outcome == Outcome::Acknowledged;
            let link = Link { transaction, effect, change: &what.change, acknowledged, writer: one.writer };
            match &what.row {
                Row::Key(key) => keyed.entry((what.table.as_str(), key)).or_default().push(link),
                Row::Content(content) => {
                    contents.entry((what.table.as_str(), content)).or_default().push(link);
                }
            }
        }
    }
    (keyed, contents)
}

/// What was seen of an effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    there: bool,
    lost: bool,
}

/// What was seen of all effects, by their positions in the ledger.
#[derive(Debug, Default)]
struct Gathered {
    seen: BTreeMap<(usize, usize), Seen>,
    /// Deletes whose row is not there, each with the transaction that inserted it: they are there if that one is.
    deletes: Vec<((usize, usize), usize)>,
    /// Equal rows without a key, of which so many are lost. Which of them, only what else their transactions did can say.
    some_lost: Vec<(Vec<(usize, usize)>, usize)>,
    altered: Vec<Altered>,
}

impl Gathered {
    fn there(&mut self, link: Link<'_>) {
        self.seen.entry((link.transaction, link.effect)).or_default().there = true;
    }

    fn lost(&mut self, link: Link<'_>) {
        self.seen.entry((link.transaction, link.effect)).or_default().lost = true;
    }

    /// Takes what a row says of all that was done to it.
    fn take(&mut self, table: &str, key: &Key, chain: &[Link<'_>], row: Option<&Values>) {
        let lives = lives(chain);
        let Some(row) = row else {
            for life in lives {
                match life.last().filter(|last| matches!(last.change, Change::Delete)) {
                    Some(delete) => {
                        self.deletes.push(((delete.transaction, delete.effect), life[0].transaction));
                    }
                    None => life.iter().for_each(|link| self.lost(*link)),
                }
            }
            return;
        };
        let scores: Vec<usize> = lives.iter().map(|life| score(life, key, row)).collect();
        let best = scores.iter().copied().max().unwrap_or_default();
        let present = scores.iter().rposition(|score| *score == best).unwrap_or_default();
        for (at, life) in lives.iter().enumerate() {
            let has_ended = life.last().is_some_and(|last| matches!(last.change, Change::Delete));
            if at == present && !is_another(life, key, row) {
                self.take_life(table, key, life, row);
            } else if at > present || !has_ended {
                // The row is another one, so this one is not there; whether it was deleted can't be seen.
                life.iter()
                    .filter(|link| !matches!(link.change, Change::Delete))
                    .for_each(|link| self.lost(*link));
            }
        }
    }

    /// Takes what a row says of one life of it, the one that it is in.
    fn take_life(&mut self, table: &str, key: &Key, life: &[Link<'_>], row: &Values) {
        for link in life {
            match link.change {
                Change::Insert(_) => self.there(*link),
                Change::Delete => self.lost(*link),
                Change::Update(_) => {}
            }
        }
        let mut columns: BTreeMap<&String, Vec<(usize, &Option<String>)>> = BTreeMap::new();
        for (at, link) in life.iter().enumerate() {
            let (Change::Insert(values) | Change::Update(values)) = link.change else { continue };
            for (name, value) in values {
                columns.entry(name).or_default().push((at, value));
            }
        }
        for (name, writers) in columns {
            let Some(now) = row.get(name) else { continue };
            let same: Vec<usize> =
                writers.iter().filter(|(_, value)| *value == now).map(|(at, _)| *at).collect();
            let Some(last) = same.last() else {
                let (column, value) = (name.clone(), now.clone());
                self.altered.push(Altered { table: table.to_owned(), key: key.clone(), column, value });
                continue;
            };
            // A value that two of them wrote does not say which.
            if same.len() == 1 {
                self.there(life[*last]);
            }
            writers.iter().filter(|(at, _)| at > last).for_each(|(at, _)| self.lost(life[*at]));
        }
    }

    /// Takes what the count of equal rows says of those who inserted them.
    fn take_content(&mut self, chain: &[Link<'_>], count: usize) {
        let acknowledged = chain.iter().filter(|link| link.acknowledged).count();
        if count == 0 {
            chain.iter().for_each(|link| self.lost(*link));
        } else if count >= chain.len() {
            chain.iter().for_each(|link| self.there(*link));
        } else if count < acknowledged {
            let all =
                chain.iter().filter(|link| link.acknowledged).map(|link| (link.transaction, link.effect));
            self.some_lost.push((all.collect(), acknowledged - count));
        }
    }

    fn conclude(mut self, ledger: &Ledger) -> Checked {
        let of_transaction = |seen: &BTreeMap<(usize, usize), Seen>, number: usize| {
            let all = seen.range((number, 0)..(number + 1, 0)).map(|(_, seen)| *seen);
            all.fold(Seen::default(), |all, one| Seen {
                there: all.there || one.there,
                lost: all.lost || one.lost,
            })
        };
        let before = self.seen.clone();
        for (delete, inserted) in std::mem::take(&mut self.deletes) {
            if inserted != delete.0
                && of_transaction(&before, inserted) == (Seen { there: true, lost: false })
            {
                self.seen.entry(delete).or_default().there = true;
            }
        }
        let before = self.seen.clone();
        for (mut equal, lost) in std::mem::take(&mut self.some_lost) {
            // First those that are lost otherwise, then those of which nothing is there, the last one first.
            equal.sort_by_key(|(transaction, _)| {
                let of = of_transaction(&before, *transaction);
                (!of.lost, of.there, std::cmp::Reverse(*transaction))
            });
            for effect in equal.into_iter().take(lost) {
                self.seen.entry(effect).or_default().lost = true;
            }
        }
        let mut checked = Checked { altered: std::mem::take(&mut self.altered), ..Checked::default() };
        for (at, transaction) in ledger.transactions.iter().enumerate() {
            let effects = || transaction.effects.iter().enumerate();
            let seen = |effect: usize| self.seen.get(&(at, effect)).copied().unwrap_or_default();
            let all = of_transaction(&self.seen, at);
            if all.there && all.lost {
                let name = |effect: &crate::ledger::Effect| (effect.table.clone(), effect.row.clone());
                checked.partly.push(Partly {
                    transaction: transaction.number,
                    there: effects()
                        .filter(|(at, _)| seen(*at).there)
                        .map(|(_, effect)| name(effect))
                        .collect(),
                    lost: effects()
                        .filter(|(at, _)| seen(*at).lost)
                        .map(|(_, effect)| name(effect))
                        .collect(),
                });
            }
            if transaction.outcome == Outcome::InDoubt {
                let set = if all.there { &mut checked.in_doubt_there } else { &mut checked.in_doubt_absent };
                set.insert(transaction.number);
                continue;
            }
            checked.acknowledged += 1;
            if all.lost {
                checked.lost.insert(transaction.number);
                checked.lost_effects.extend(effects().filter(|(at, _)| seen(*at).lost).map(|(_, effect)| {
                    LostEffect {
                        transaction: transaction.number,
                        table: effect.table.clone(),
                        row: effect.row.clone(),
                        kind: effect.change.kind(),
                    }
                }));
            } else if !all.there {
                checked.unseen.insert(transaction.number);
            }
        }
        checked
    }
}

/// The rows that had a key one after the other: each begins with an insert. A row is one writer's; while the writers move to another
/// server one after the other, what they do to rows of one key alternates.
fn lives<'a>(chain: &[Link<'a>]) -> Vec<Vec<Link<'a>>> {
    let mut lives: Vec<Vec<Link<'a>>> = Vec::new();
    for link in chain {
        let own =
            lives.iter_mut().rev().find(|life| life.first().is_some_and(|first| first.writer == link.writer));
        match own.filter(|_| !matches!(link.change, Change::Insert(_))) {
            Some(life) => life.push(*link),
            None => lives.push(vec![*link]),
        }
    }
    lives
}

/// How many of the row's values were written in this life.
fn score(life: &[Link<'_>], key: &Key, row: &Values) -> usize {
    let written = |name: &String, value: &Option<String>| {
        life.iter().any(|link| match link.change {
            Change::Insert(values) | Change::Update(values) => values.get(name) == Some(value),
            Change::Delete => false,
        })
    };
    row.iter().filter(|(name, value)| !key.contains_key(*name) && written(name, value)).count()
}

/// Whether the row has the key, and is none of those that the ledger knows: a row of a trigger's, or of somebody else's, has one or the
/// other value in common with it, but not more than half of them.
fn is_another(life: &[Link<'_>], key: &Key, row: &Values) -> bool {
    let Some(Change::Insert(values)) = life.first().map(|link| link.change) else { return false };
    let others = values.keys().filter(|name| !key.contains_key(*name)).count();
    others > 0 && score(life, key, row) * 2 <= others
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::{Effect, Transaction};

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
    }

    fn key(id: &str) -> Key {
        [("id".to_owned(), id.to_owned())].into()
    }

    /// A ledger of transactions, each a list of a row's id and what was done to it.
    fn ledger(transactions: &[&[(&str, Change)]]) -> Ledger {
        let mut ledger = Ledger::default();
        for effects in transactions {
            let effect = |(id, change): &(&str, Change)| Effect {
                table: "t".into(),
                row: Row::Key(key(id)),
                change: change.clone(),
            };
            ledger.add(Transaction {
                number: 0,
                writer: 0,
                endpoint: "east".into(),
                asked: Timestamp::UNIX_EPOCH,
                ended: Timestamp::UNIX_EPOCH,
                outcome: Outcome::Acknowledged,
                effects: effects.iter().map(effect).collect(),
            });
        }
        ledger
    }

    fn judged(ledger: &Ledger, rows: &[(&str, &[(&str, &str)])]) -> Checked {
        let (keyed, _) = chains(ledger);
        let mut gathered = Gathered::default();
        for ((table, key), chain) in &keyed {
            let row = rows.iter().find(|(id, _)| key["id"] == *id).map(|(_, row)| values(row));
            gathered.take(table, key, chain, row.as_ref());
        }
        gathered.conclude(ledger)
    }

    fn insert(pairs: &[(&str, &str)]) -> Change {
        Change::Insert(values(pairs))
    }

    fn update(pairs: &[(&str, &str)]) -> Change {
        Change::Update(values(pairs))
    }

    fn numbers(set: &BTreeSet<u64>) -> Vec<u64> {
        set.iter().copied().collect()
    }

    #[test]
    fn what_is_there_is_not_lost_and_what_is_not_is() {
        let all = ledger(&[
            &[("1", insert(&[("a", "x"), ("b", "y")])), ("2", insert(&[("a", "z")]))],
            &[("1", update(&[("a", "x2")]))],
            &[("1", update(&[("b", "y2")]))],
            &[("2", Change::Delete)],
        ]);
        let lost = |rows: &[(&str, &[(&str, &str)])]| {
            let checked = judged(&all, rows);
            assert_eq!(checked.partly, [], "{rows:?}");
            numbers(&checked.lost)
        };
        assert_eq!(lost(&[("1", &[("a", "x2"), ("b", "y2")])]), [0_u64; 0]);
        assert_eq!(lost(&[("1", &[("a", "x"), ("b", "y2")])]), [2]);
        assert_eq!(lost(&[("1", &[("a", "x2"), ("b", "y2")]), ("2", &[("a", "z")])]), [4]);
        assert_eq!(lost(&[("1", &[("a", "x"), ("b", "y")]), ("2", &[("a", "z")])]), [2, 3, 4]);
        // Nothing is there: nothing can be seen of the delete.
        let nothing = judged(&all, &[]);
        assert_eq!(numbers(&nothing.lost), [1, 2, 3]);
        assert_eq!(numbers(&nothing.unseen), [4]);
    }

    #[test]
    fn a_transaction_that_is_there_in_part_is_named() {
        let all = ledger(&[
            &[("1", insert(&[("a", "x")])), ("2", insert(&[("a", "y")])), ("4", insert(&[("a", "w")]))],
            &[("2", Change::Delete), ("3", insert(&[("a", "z")]))],
        ]);
        let partly = |rows: &[(&str, &[(&str, &str)])]| {
            judged(&all, rows).partly.iter().map(|one| one.transaction).collect::<Vec<_>>()
        };
        assert_eq!(partly(&[("1", &[("a", "x")]), ("3", &[("a", "z")]), ("4", &[("a", "w")])]), [0_u64; 0]);
        assert_eq!(partly(&[("1", &[("a", "x")]), ("3", &[("a", "z")])]), [1]);
        assert_eq!(
            partly(&[("1", &[("a", "x")]), ("2", &[("a", "y")]), ("3", &[("a", "z")]), ("4", &[("a", "w")])]),
            [2]
        );
        // The row was there, so that the delete is; and the insert is not.
        assert_eq!(partly(&[("1", &[("a", "x")]), ("4", &[("a", "w")])]), [2]);
    }

    #[test]
    fn a_key_that_was_given_again_is_told_apart_by_values() {
        let all = ledger(&[
            &[("7", insert(&[("a", "old"), ("b", "1")]))],
            &[("7", insert(&[("a", "new"), ("b", "1")]))],
        ]);
        assert_eq!(numbers(&judged(&all, &[("7", &[("a", "new"), ("b", "1")])]).lost), [1]);
        assert_eq!(numbers(&judged(&all, &[("7", &[("a", "old"), ("b", "1")])]).lost), [2]);
        let foreign = judged(&all, &[("7", &[("a", "?"), ("b", "?")])]);
        assert_eq!(numbers(&foreign.lost), [1, 2]);
    }

    #[test]
    fn a_value_that_two_wrote_does_not_say_which() {
        let all = ledger(&[
            &[("1", insert(&[("on", "t"), ("c", "0")]))],
            &[("1", update(&[("on", "f")]))],
            &[("1", update(&[("on", "t")]))],
        ]);
        let checked = judged(&all, &[("1", &[("on", "t"), ("c", "0")])]);
        assert_eq!((numbers(&checked.lost), numbers(&checked.unseen)), (vec![], vec![2, 3]));
        let checked = judged(&all, &[("1", &[("on", "f"), ("c", "0")])]);
        assert_eq!((numbers(&checked.lost), checked.altered), (vec![3], vec![]));
        let all = ledger(&[&[("1", insert(&[("on", "t"), ("c", "0"), ("d", "1")]))]]);
        let checked = judged(&all, &[("1", &[("on", "?"), ("c", "0"), ("d", "1")])]);
        assert_eq!((checked.lost.len(), checked.altered.len()), (0, 1));
        // More of it is another's: so is the row.
        let checked = judged(&all, &[("1", &[("on", "?"), ("c", "?"), ("d", "1")])]);
        assert_eq!((checked.lost.len(), checked.altered.len()), (1, 0));
    }

    #[test]
    fn equal_rows_without_a_key_are_counted() {
        let mut all = ledger(&[&[], &[], &[]]);
        for transaction in &mut all.transactions {
            let row = Row::Content(values(&[("a", "x")]));
            transaction.effects.push(Effect { table: "t".into(), row, change: insert(&[]) });
        }
        let (_, contents) = chains(&all);
        for (count, lost) in [(3, vec![]), (1, vec![2, 3]), (0, vec![1, 2, 3])] {
            let mut gathered = Gathered::default();
            contents.values().for_each(|chain| gathered.take_content(chain, count));
            let checked = gathered.conclude(&all);
            assert_eq!((numbers(&checked.lost), checked.partly), (lost, vec![]), "{count}");
        }
    }
}
