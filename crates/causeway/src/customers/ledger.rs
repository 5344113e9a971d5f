//! The ledger: everything that a customer saw acknowledged, and when. Kept outside of both Regions.
//!
//! It is the truth that the report is measured against. A write whose acknowledgement its customer did not see is *in doubt*: it may be
//! in the database or not, and both are right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::tally::{Count, Tally};

/// What is told of an order, as the shop's events call it: it was placed.
pub const CREATED: &str = "OrderCreated";
/// It was changed.
pub const CHANGED: &str = "OrderChanged";
/// It was cancelled.
pub const CANCELLED: &str = "OrderCancelled";

/// One order as its customer knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Whose it is: the visitor's id of their browser.
    pub customer: String,
    /// The Region that acknowledged it.
    pub region: String,
    /// When, since the customers started.
    pub at: Duration,
    /// The lines that its page showed; `None` where that page could not be had.
    pub lines: Option<BTreeSet<u64>>,
    /// Lines that were taken out again, and by which Region.
    pub removed: BTreeMap<u64, String>,
    /// The status last acknowledged.
    pub status: String,
    /// What was told of it, as events: how often each kind, by the Region that acknowledged the change.
    pub events: BTreeMap<(String, &'static str), u64>,
    /// Whether the new Region has changed it as well, which had not seen the last change in the old one.
    pub held: bool,
    /// What it came to, as the page said.
    pub total: String,
}

/// A tag given to a product, acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// Product.
    pub product: String,
    /// Tag.
    pub tag: String,
    /// The Region that acknowledged it.
    pub region: String,
}

/// What a customer who was moved to the other Region found of the cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedCart {
    /// Whose it is.
    pub customer: String,
    /// How many things they had put into it.
    pub had: u64,
    /// How many they found.
    pub found: u64,
    /// How many were in it in the end, when the old Region's writes had arrived.
    pub in_the_end: u64,
}

/// The troubles of one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// When an answer was an error, or did not come, for the first time.
    pub first: Duration,
    /// And for the last time.
    pub last: Duration,
}

/// What the customers saw.
#[derive(Debug, Default, Clone)]
pub struct Entries {
    /// Acknowledged orders by id.
    pub orders: BTreeMap<String, Order>,
    /// Customers whose payment was not answered: an order of theirs that the ledger does not know may be there.
    pub customers_in_doubt: BTreeSet<String>,
    /// Orders with a change that was not answered.
    pub changes_in_doubt: BTreeSet<String>,
    /// Acknowledged tags.
    pub tags: Vec<Tagged>,
    /// Tags that were not answered: product and tag.
    pub tags_in_doubt: Vec<(String, String)>,
    /// When an answer was an error, or did not come.
    pub failures: Vec<Duration>,
    /// Customers who saw an error.
    pub troubled: BTreeMap<String, Trouble>,
    /// Carts of customers who were moved.
    pub moved_carts: Vec<MovedCart>,
    /// How often a customer came back to an order that had been confirmed, and was told that there is none.
    pub not_found: u64,
    /// Pages and forms that were answered.
    pub answers: u64,
}

/// The ledger, shared by the customers.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Entries>);

impl Ledger {
    /// Notes something.
    pub fn note(&self, change: impl FnOnce(&mut Entries)) {
        // A customer that panicked while it wrote leaves whole entries: each change is one insertion.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A copy of all entries.
    pub fn entries(&self) -> Entries {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Count for Ledger {
    fn tally(&self) -> Tally {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = entries.orders.values().map(|order| (order.region.clone(), order.at)).collect();
        Tally { accepted, errors: entries.failures.len() }
    }
}

impl Entries {
    /// Notes that a customer saw an error.
    pub fn failed(&mut self, customer: &str, at: Duration) {
        self.failures.push(at);
        let trouble = self.troubled.entry(customer.to_owned()).or_insert(Trouble { first: at, last: at });
        trouble.last = at;
    }
}
