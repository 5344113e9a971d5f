//! The ledger: each transaction that was acknowledged, and each that may have been, with what it did to which rows.
//!
//! It is the truth that a report is judged by. It is kept by the writer, outside of the databases. A transaction that failed before
//! its COMMIT, or whose COMMIT the server refused, is not in it, for nothing of it can be there; it is only counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The columns of a key, each with its value as the server prints it.
pub type Key = BTreeMap<String, String>;

/// Columns with their values as the server prints them; `None` is NULL.
pub type Values = BTreeMap<String, Option<String>>;

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// In the order in which they were acknowledged or given up; what one writer did to a row is in that writer's order.
    pub transactions: Vec<Transaction>,
    /// How many were rolled back for sure.
    pub failed: u64,
    /// Why statements were given up, by table, with how often.
    pub refused: BTreeMap<String, Refused>,
}

/// Statements that the server refused for their values until they were given up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// How often.
    pub count: u64,
    /// Why, the last time.
    pub reason: String,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Its number, from 1, in the order of the ledger.
    pub number: u64,
    /// Which of the writers.
    pub writer: usize,
    /// The endpoint that it was sent to, by the name that it was given: a Region's.
    pub endpoint: String,
    /// When COMMIT was sent; for a program of the user's, when its line was read.
    pub asked: Timestamp,
    /// When it was answered, or given up.
    pub ended: Timestamp,
    /// What is known of it.
    pub outcome: Outcome,
    /// What it did.
    pub effects: Vec<Effect>,
}

/// What is known of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The server said that it is committed.
    Acknowledged,
    /// COMMIT was not answered: it may be there, or not, and both are right.
    InDoubt,
}

/// What a transaction did to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// The table, as [`table_diff::Table`] displays it.
    pub table: String,
    /// Which row.
    pub row: Row,
    /// What became of it.
    pub change: Change,
}

/// Which row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Row {
    /// The one with this key.
    Key(Key),
    /// One with this content, in a table without a key.
    Content(Values),
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It was inserted, and had these values at the end of the transaction. Empty where they are not known.
    Insert(Values),
    /// These columns were changed, to these values. Empty where they are not known.
    Update(Values),
    /// It was deleted.
    Delete,
}

impl Change {
    /// Which of the three.
    pub fn kind(&self) -> ChangeKind {
        match self {
            Self::Insert(_) => ChangeKind::Insert,
            Self::Update(_) => ChangeKind::Update,
            Self::Delete => ChangeKind::Delete,
        }
    }
}

/// Insert, update or delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// A row was inserted.
    Insert,
    /// A row was changed.
    Update,
    /// A row was deleted.
    Delete,
}

/// The last acknowledged state of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowState {
    /// Its values; `None` where it was deleted.
    pub values: Option<Values>,
    /// The transaction that changed it last.
    pub transaction: u64,
    /// When that was acknowledged.
    pub at: Timestamp,
    /// At which endpoint.
    pub endpoint: String,
}

impl Ledger {
    /// Every row that has a key, with its last acknowledged state. Transactions in doubt do not count.
    pub fn rows(&self) -> BTreeMap<(String, Key), RowState> {
        let mut rows: BTreeMap<(String, Key), RowState> = BTreeMap::new();
        for transaction in self.acknowledged() {
            for effect in &transaction.effects {
                let Row::Key(key) = &effect.row else { continue };
                let name = (effect.table.clone(), key.clone());
                let before = rows.get(&name).and_then(|row| row.values.clone()).unwrap_or_default();
                let values = match &effect.change {
                    Change::Insert(values) => Some(values.clone()),
                    Change::Update(values) => Some(before.into_iter().chain(values.clone()).collect()),
                    Change::Delete => None,
                };
                let state = RowState {
                    values,
                    transaction: transaction.number,
                    at: transaction.ended,
                    endpoint: transaction.endpoint.clone(),
                };
                rows.insert(name, state);
            }
        }
        rows
    }

    /// The transactions that were acknowledged.
    pub fn acknowledged(&self) -> impl Iterator<Item = &Transaction> {
        self.transactions.iter().filter(|one| one.outcome == Outcome::Acknowledged)
    }

    /// Adds a transaction, with the next number.
    pub(crate) fn add(&mut self, mut transaction: Transaction) {
        transaction.number = self.transactions.len() as u64 + 1;
        self.transactions.push(transaction);
    }

    /// Counts a statement that was given up.
    pub(crate) fn refuse(&mut self, table: String, reason: String) {
        let refused = self.refused.entry(table).or_default();
        refused.count += 1;
        refused.reason = reason;
    }
}

/// A ledger that is being written, for whoever looks at it meanwhile. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// Looks at it as it is now.
    pub fn with<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A copy of it as it is now.
    pub fn now(&self) -> Ledger {
        self.with(Ledger::clone)
    }

    /// Writes to it.
    pub(crate) fn change<T>(&self, write: impl FnOnce(&mut Ledger) -> T) -> T {
        // A writer that panicked leaves whole transactions: each is one push.
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
