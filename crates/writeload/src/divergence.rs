//! In what an old primary and the one that took over have to differ, by a ledger: what a report of the difference has to list, row by
//! row, and as what.
//!
//! Pure. For each row there are three states: when the two parted, in the end in the old one, and in the new one while it was
//! compared. Which of the old one's transactions had come across by then is known from [`crate::check`]; one of which nothing can be seen is
//! placed by the order of the commits, which replication keeps: it came across if a later one did, and it is lost if an
//! earlier one is. A row of which a transaction in doubt, or one that can't be placed, has written may be in the report or not: both are
//! right.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::check::Checked;
use crate::ledger::{Change, Ledger, Outcome, Row, Transaction, Values};

/// What was lost with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LostFate {
    /// The new primary never had it.
    Missing,
    /// The new primary has it as it was before.
    LostUpdate,
    /// The old primary had deleted it.
    LostDelete,
    /// Both have written it since they parted, or have another row under its key.
    Conflict,
}

/// A table and a row of it.
pub type Place = (String, Row);

/// What a report has to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Divergence {
    /// Rows of which something is lost, each with what it may be called: one of several where the new primary wrote it while it
    /// was compared.
    pub rows: BTreeMap<Place, BTreeSet<LostFate>>,
    /// How often a row without a key is missing.
    pub equal_rows: BTreeMap<Place, usize>,
    /// Rows that may be listed or not.
    pub doubtful: BTreeSet<Place>,
    /// Every row that the ledger names.
    pub known: BTreeSet<Place>,
}

/// Where and when the two were compared.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// The old primary's name in the ledger. All other endpoints are the new one.
    pub old: &'a str,
    /// When the comparison began and when it had ended.
    pub within: (Timestamp, Timestamp),
    /// By how much the ledger's times may be late: what a program says is read some time after it happened.
    pub late: SignedDuration,
}

/// What is known of a row at one moment.
#[derive(Debug, Clone, PartialEq)]
struct State {
    /// The transaction that wrote it last.
    version: u64,
    /// Its values, where they are known.
    values: Option<Values>,
}

/// Where a transaction of the old primary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Across,
    Not,
    Unknown,
}

/// Says in what the two have to differ. `checked` is what [`crate::check`] found in the new primary.
#[must_use]
pub fn diverge(ledger: &Ledger, checked: &Checked, compared: Compared<'_>) -> Divergence {
    let came = placed(ledger, checked, compared);
    let moved =
        ledger.transactions.iter().filter(|one| one.endpoint != compared.old).map(|one| one.asked).min();
    let mut divergence = Divergence::default();
    let mut rows: BTreeMap<Place, Vec<(&Transaction, &Change)>> = BTreeMap::new();
    for transaction in &ledger.transactions {
        for effect in &transaction.effects {
            let place = (effect.table.clone(), effect.row.clone());
            rows.entry(place).or_default().push((transaction, &effect.change));
        }
    }
    for (place, changes) in rows {
        divergence.known.insert(place.clone());
        let is_unclear = |transaction: &Transaction| match came.get(&transaction.number) {
            Some(came) => *came == Came::Unknown,
            // The new primary's: there, unless it is in doubt; or the old one's still, said late.
            None => {
                let is_there = checked.in_doubt_there.contains(&transaction.number);
                (transaction.outcome == Outcome::InDoubt && !is_there)
                    || moved.is_some_and(|moved| transaction.asked < moved + compared.late)
            }
        };
        if changes.iter().any(|(transaction, _)| is_unclear(transaction)) {
            divergence.doubtful.insert(place);
            continue;
        }
        let is_of_old = |transaction: &Transaction| transaction.endpoint == compared.old;
        let has_come = |transaction: &Transaction| came.get(&transaction.number) == Some(&Came::Across);
        if matches!(place.1, Row::Content(_)) {
            let lost = changes.iter().filter(|(one, _)| is_of_old(one) && !has_come(one)).count();
            let own = changes.iter().any(|(one, _)| !is_of_old(one));
            match (lost, own) {
                (0, _) => {}
                (_, true) => drop(divergence.doubtful.insert(place)),
                (lost, false) => drop(divergence.equal_rows.insert(place, lost)),
            }
            continue;
        }
        let (mut parted, mut old) = (None, None);
        for (transaction, change) in changes.iter().filter(|(one, _)| is_of_old(one)) {
            old = after(old, transaction, change);
            if has_come(transaction) {
                parted = after(parted, transaction, change);
            }
        }
        let mut new = parted.clone();
        let mut seen = Vec::new();
        for (transaction, change) in changes.iter().filter(|(one, _)| !is_of_old(one)) {
            // What was written after the comparison had begun may have been seen or not.
            if transaction.ended >= compared.within.0 && transaction.asked <= compared.within.1 {
                seen.push(new.clone());
            }
            if transaction.asked <= compared.within.1 {
                new = after(new, transaction, change);
            }
        }
        seen.push(new);
        let fates: BTreeSet<Option<LostFate>> =
            seen.iter().map(|new| fate(parted.as_ref(), old.as_ref(), new.as_ref())).collect();
        if fates.contains(&None) && fates.len() > 1 {
            divergence.doubtful.insert(place);
        } else {
            let fates: BTreeSet<LostFate> = fates.into_iter().flatten().collect();
            if !fates.is_empty() {
                divergence.rows.insert(place, fates);
            }
        }
    }
    divergence
}

/// Where each transaction of the old primary is, by number.
fn placed(ledger: &Ledger, checked: &Checked, compared: Compared<'_>) -> BTreeMap<u64, Came> {
    let old = || ledger.transactions.iter().filter(|one| one.endpoint == compared.old);
    let seen = |one: &Transaction| {
        let number = one.number;
        match one.outcome {
            Outcome::InDoubt if checked.in_doubt_there.contains(&number) => Came::Across,
            Outcome::InDoubt => Came::Unknown,
            Outcome::Acknowledged if checked.lost.contains(&number) => Came::Not,
            Outcome::Acknowledged if checked.unseen.contains(&number) => Came::Unknown,
            Outcome::Acknowledged => Came::Across,
        }
    };
    let last_across = old().filter(|one| seen(one) == Came::Across).map(|one| one.asked).max();
    let first_lost = old().filter(|one| seen(one) == Came::Not).map(|one| one.ended).min();
    let by_order = |one: &Transaction| {
        let before = last_across.is_some_and(|across| across > one.ended + compared.late);
        let behind = first_lost.is_some_and(|lost| lost + compared.late < one.asked);
        match (before, behind) {
            (true, false) => Came::Across,
            (false, true) => Came::Not,
            _ => Came::Unknown,
        }
    };
    let place = |one: &Transaction| match (seen(one), one.outcome) {
        (Came::Unknown, Outcome::Acknowledged) => by_order(one),
        (seen, _) => seen,
    };
    old().map(|one| (one.number, place(one))).collect()
}

/// A row after a change.
fn after(before: Option<State>, transaction: &Transaction, change: &Change) -> Option<State> {
    let known = |values: &Values| (!values.is_empty()).then(|| values.clone());
    let values = match change {
        Change::Delete => return None,
        Change::Insert(values) => known(values),
        Change::Update(values) => {
            let before = before.and_then(|before| before.values);
            before.zip(known(values)).map(|(before, values)| before.into_iter().chain(values).collect())
        }
    };
    Some(State { version: transaction.number, values })
}

/// Whether two states are the same row with the same values, as far as that is known.
fn same(one: &State, other: &State) -> bool {
    one.version == other.version || (one.values.is_some() && one.values == other.values)
}

/// What is lost with a row: its state when the two parted, in the old primary and in the new one.
fn fate(parted: Option<&State>, old: Option<&State>, new: Option<&State>) -> Option<LostFate> {
    match (old, new) {
        (None, None) => None,
        (Some(old), None) => match parted {
            None => Some(LostFate::Missing),
            Some(parted) => (!same(old, parted)).then_some(LostFate::Conflict),
        },
        (Some(old), Some(new)) if same(old, new) => None,
        (Some(old), Some(new)) => match parted {
            Some(parted) if same(old, parted) => None,
            Some(parted) if same(new, parted) => Some(LostFate::LostUpdate),
            _ => Some(LostFate::Conflict),
        },
        (None, Some(new)) => {
            let parted = parted?;
            Some(if same(parted, new) { LostFate::LostDelete } else { LostFate::Conflict })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Effect, Key};

    fn values(text: &str) -> Values {
        [("a".to_owned(), Some(text.to_owned()))].into()
    }

    fn row(id: &str) -> Row {
        Row::Key(Key::from([("id".to_owned(), id.to_owned())]))
    }

    fn insert(text: &str) -> Change {
        Change::Insert(values(text))
    }

    fn update(text: &str) -> Change {
        Change::Update(values(text))
    }

    /// Transactions, each a second after the one before, of one change each.
    fn ledger(changes: &[(&str, &str, Change)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (second, (endpoint, id, change)) in (0_i64..).zip(changes) {
            let asked = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
            ledger.add(Transaction {
                number: 0,
                writer: 0,
                endpoint: (*endpoint).to_owned(),
                asked,
                ended: asked + SignedDuration::from_millis(100),
                outcome: Outcome::Acknowledged,
                effects: vec![Effect { table: "t".into(), row: row(id), change: change.clone() }],
            });
        }
        ledger
    }

    fn judged(ledger: &Ledger, checked: &Checked, from: i64) -> Divergence {
        let at = |second| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let compared = Compared { old: "east", within: (at(from), at(1_000)), late: SignedDuration::ZERO };
        diverge(ledger, checked, compared)
    }

    fn lost(numbers: &[u64]) -> Checked {
        Checked { lost: numbers.iter().copied().collect(), ..Checked::default() }
    }

    #[test]
    fn each_row_has_the_fate_that_its_three_states_make() {
        use LostFate::{Conflict, LostDelete, LostUpdate, Missing};
        let both = ("east", insert("1"));
        // What came across, what is lost, what the new primary did since.
        type Case = (Option<(&'static str, Change)>, Vec<Change>, Vec<Change>, Option<LostFate>);
        let cases: [Case; 15] = [
            (None, vec![insert("1")], vec![], Some(Missing)),
            (None, vec![insert("1"), update("2")], vec![], Some(Missing)),
            (None, vec![insert("1"), Change::Delete], vec![], None),
            (None, vec![insert("1")], vec![insert("2")], Some(Conflict)),
            (None, vec![insert("1"), Change::Delete], vec![insert("2")], None),
            (Some(both.clone()), vec![update("2")], vec![], Some(LostUpdate)),
            (Some(both.clone()), vec![update("1")], vec![], None),
            (Some(both.clone()), vec![update("2")], vec![update("3")], Some(Conflict)),
            (Some(both.clone()), vec![update("2")], vec![update("2")], None),
            (Some(both.clone()), vec![update("2")], vec![Change::Delete], Some(Conflict)),
            (Some(both.clone()), vec![Change::Delete], vec![], Some(LostDelete)),
            (Some(both.clone()), vec![Change::Delete], vec![update("2")], Some(Conflict)),
            (Some(both.clone()), vec![Change::Delete], vec![Change::Delete], None),
            (Some(both.clone()), vec![], vec![Change::Delete], None),
            (Some(both), vec![], vec![update("2")], None),
        ];
        for (came, east, west, expected) in cases {
            let first = came.iter().map(|(endpoint, change)| (*endpoint, "1", change.clone()));
            let changes: Vec<_> = first
                .chain(east.iter().map(|change| ("east", "1", change.clone())))
                .chain(west.iter().map(|change| ("west", "1", change.clone())))
                .collect();
            let skipped = came.iter().count() as u64;
            let numbers: Vec<u64> = (1..=east.len() as u64).map(|number| number + skipped).collect();
            let found = judged(&ledger(&changes), &lost(&numbers), 500);
            let expected: BTreeMap<Place, BTreeSet<LostFate>> =
                expected.into_iter().map(|fate| (("t".to_owned(), row("1")), [fate].into())).collect();
            assert_eq!(found.rows, expected, "{came:?} {east:?} {west:?}");
            assert!(found.doubtful.is_empty());
        }
    }

    #[test]
    fn a_transaction_that_can_not_be_seen_is_placed_by_the_order_of_commits() {
        // Of transaction 2 nothing can be seen: it is lost if the first is, and came across if the third did.
        let all =
            ledger(&[("east", "1", insert("1")), ("east", "2", insert("1")), ("east", "3", insert("1"))]);
        let with = |lost: &[u64], unseen: &[u64]| {
            let checked = Checked {
                lost: lost.iter().copied().collect(),
                unseen: unseen.iter().copied().collect(),
                ..Checked::default()
            };
            let found = judged(&all, &checked, 500);
            let place = ("t".to_owned(), row("2"));
            (found.rows.contains_key(&place), found.doubtful.contains(&place))
        };
        assert_eq!(with(&[1, 3], &[2]), (true, false));
        assert_eq!(with(&[], &[2]), (false, false));
        assert_eq!(with(&[3], &[2]), (false, true));
    }

    #[test]
    fn what_is_written_while_it_is_compared_may_be_called_either() {
        let all = ledger(&[
            ("east", "1", insert("1")),
            ("east", "1", update("2")),
            ("west", "1", update("3")),
            ("west", "1", update("2")),
        ]);
        let place = ("t".to_owned(), row("1"));
        // It began before the third.
        let found = judged(&all, &lost(&[2]), 2);
        assert_eq!((found.rows.get(&place), found.doubtful.contains(&place)), (None, true));
        let less = Ledger { transactions: all.transactions[..3].to_vec(), ..Ledger::default() };
        let found = judged(&less, &lost(&[2]), 2);
        assert_eq!(found.rows[&place], [LostFate::LostUpdate, LostFate::Conflict].into());
        let found = judged(&less, &lost(&[2]), 500);
        assert_eq!(found.rows[&place], [LostFate::Conflict].into());
    }

    #[test]
    fn what_is_in_doubt_may_be_listed_or_not() {
        for endpoint in ["east", "west"] {
            let mut all = ledger(&[("east", "1", insert("1")), (endpoint, "1", update("2"))]);
            all.transactions[1].outcome = Outcome::InDoubt;
            let found = judged(&all, &lost(&[]), 500);
            assert_eq!((found.rows.len(), found.doubtful.len()), (0, 1), "{endpoint}");
            let there = Checked { in_doubt_there: [2].into(), ..Checked::default() };
            assert_eq!(judged(&all, &there, 500).doubtful.len(), 0, "{endpoint}");
        }
    }

    #[test]
    fn values_that_are_not_known_are_told_apart_by_who_wrote_them() {
        let unknown = || Change::Update(Values::new());
        let all = ledger(&[("east", "1", Change::Insert(Values::new())), ("east", "1", unknown())]);
        let found = judged(&all, &lost(&[2]), 500);
        assert_eq!(found.rows.values().next(), Some(&[LostFate::LostUpdate].into()));
    }

    #[test]
    fn what_is_said_late_may_be_of_the_region_that_was_left() {
        let all = ledger(&[
            ("east", "1", insert("1")),
            ("west", "2", insert("1")),
            ("west", "3", insert("1")),
            ("west", "4", insert("1")),
        ]);
        let at = |second| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let late = SignedDuration::from_millis(1_500);
        let compared = Compared { old: "east", within: (at(500), at(1_000)), late };
        let rows = |ids: &[&str]| ids.iter().map(|id| ("t".to_owned(), row(id))).collect::<BTreeSet<_>>();
        assert_eq!(diverge(&all, &lost(&[1]), compared).doubtful, rows(&["2", "3"]));
        assert!(judged(&all, &lost(&[1]), 500).doubtful.is_empty());
    }

    #[test]
    fn equal_rows_without_a_key_are_counted() {
        let mut all =
            ledger(&[("east", "1", insert("1")), ("east", "1", insert("1")), ("east", "1", insert("1"))]);
        for one in &mut all.transactions {
            one.effects[0].row = Row::Content(values("1"));
        }
        let found = judged(&all, &lost(&[2, 3]), 500);
        assert_eq!(found.equal_rows.values().collect::<Vec<_>>(), [&2]);
        assert!(found.rows.is_empty());
    }
}
