//! The ledger: every write that a client saw acknowledged, and when.
//!
//! It is the truth that the report is measured against. A write whose acknowledgement the client did not see, because
//! the connection broke during the commit, is *in doubt*: it may be in the database or not, and both are right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

/// One order as its client knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Region of the database that acknowledged it.
    pub region: String,
    /// When, since the drill's clients started.
    pub at: Duration,
    /// How many items it has.
    pub items: u16,
    /// The status last acknowledged, and by which Region.
    pub status: (String, String),
    /// The Region that acknowledged that it is cancelled.
    pub cancelled: Option<String>,
    /// Whether the new Region has changed it as well, which had not seen the last change in the old one.
    pub held: bool,
}

/// A tag given to a product, acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// Product.
    pub product: i32,
    /// Tag.
    pub tag: i32,
    /// Region of the database that acknowledged it.
    pub region: String,
}

/// What the clients saw.
#[derive(Debug, Default, Clone)]
pub struct Entries {
    /// Acknowledged orders by id.
    pub orders: BTreeMap<String, Order>,
    /// Orders whose commit was not answered.
    pub orders_in_doubt: BTreeSet<String>,
    /// Orders with a status change whose commit was not answered.
    pub statuses_in_doubt: BTreeSet<String>,
    /// Orders whose cancellation was not answered.
    pub cancellations_in_doubt: BTreeSet<String>,
    /// Acknowledged tags.
    pub tags: Vec<Tagged>,
    /// Tags whose commit was not answered.
    pub tags_in_doubt: Vec<(i32, i32)>,
    /// When an order was refused or not answered.
    pub failures: Vec<Duration>,
}

/// The ledger, shared by the clients.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Entries>);

impl Ledger {
    /// Notes something.
    pub fn note(&self, change: impl FnOnce(&mut Entries)) {
        // A client that panicked while it wrote leaves whole entries: each change is one insertion.
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// A copy of all entries.
    pub fn entries(&self) -> Entries {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Orders acknowledged so far, and refused or unanswered ones.
    pub fn counts(&self) -> (usize, usize) {
        let entries = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (entries.orders.len(), entries.failures.len())
    }
}

impl Entries {
    /// The outage as the clients saw it: from the last order acknowledged by `old` to the first by `new`.
    pub fn outage(&self, old: &str, new: &str) -> Option<(Duration, Duration)> {
        let last = self.orders.values().filter(|order| order.region == old).map(|order| order.at).max()?;
        let first = self.orders.values().filter(|order| order.region == new).map(|order| order.at).min()?;
        Some((last, first))
    }
}
