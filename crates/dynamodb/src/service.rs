//! DynamoDB's operations over the tables of all Regions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::replication::{Delay, Replication, Waiting};
use crate::state::State;
use crate::{admin, get, page, settings, transact, write};

/// The tables of one account in all its Regions.
#[derive(Debug)]
pub struct Tables {
    state: Mutex<State>,
}

impl Tables {
    /// Every operation that [`Tables::call`] answers.
    pub const OPERATIONS: [&str; 19] = [
        "BatchGetItem",
        "BatchWriteItem",
        "CreateTable",
        "DeleteItem",
        "DeleteTable",
        "DescribeContinuousBackups",
        "DescribeTable",
        "DescribeTimeToLive",
        "GetItem",
        "ListTables",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateContinuousBackups",
        "UpdateItem",
        "UpdateTable",
        "UpdateTimeToLive",
    ];

    /// No tables, in these Regions of an account. Writes to a table with replicas are under way as long as `delay` says.
    #[must_use]
    pub fn new(regions: &[&str], account: &str, delay: Delay) -> Self {
        Self {
            state: Mutex::new(State {
                account: account.to_owned(),
                regions: regions.iter().map(|region| (*region).to_owned()).collect(),
                groups: BTreeMap::new(),
                made: 0,
                replication: Replication::new(delay),
                tokens: BTreeMap::new(),
            }),
        }
    }

    /// Answers one call in one Region at one time. What has arrived from other Regions by then is taken in first.
    ///
    /// # Errors
    /// As the service; a Region or an operation that is not there; what this simulation does not support.
    pub fn call(&self, region: &str, operation: &str, input: &Value, now: Timestamp) -> Result<Value> {
        let mut state = self.settled(now);
        if !state.regions.iter().any(|one| one == region) {
            return Err(Error::validation(format!("{region} is no Region of this account")));
        }
        let state = &mut *state;
        match operation {
            "BatchGetItem" => get::batch(state, region, input),
            "BatchWriteItem" => write::batch(state, region, input, now),
            "CreateTable" => admin::create(state, region, input, now),
            "DeleteItem" => write::delete(state, region, input, now),
            "DeleteTable" => admin::delete(state, region, input),
            "DescribeContinuousBackups" => settings::describe_backups(state, region, input, now),
            "DescribeTable" => admin::describe(state, region, input),
            "DescribeTimeToLive" => settings::describe_expiry(state, region, input),
            "GetItem" => get::one(state, region, input),
            "ListTables" => admin::list_all(state, region, input),
            "PutItem" => write::put(state, region, input, now),
            "Query" => page::query(state, region, input),
            "Scan" => page::scan(state, region, input),
            "TransactGetItems" => transact::get(state, region, input),
            "TransactWriteItems" => transact::write(state, region, input, now),
            "UpdateContinuousBackups" => settings::update_backups(state, region, input, now),
            "UpdateItem" => write::update(state, region, input, now),
            "UpdateTable" => admin::update(state, region, input, now),
            "UpdateTimeToLive" => settings::update_expiry(state, region, input),
            _ => Err(Error::new(
                "UnknownOperationException",
                format!("the operation {operation} is not supported by this simulation of DynamoDB"),
            )),
        }
    }

    /// Cuts a Region's replication off from the others, in both directions, or lets it go on. The Region itself goes on
    /// answering. What was under way to or from it waits, and arrives late.
    pub fn cut(&self, region: &str, cut: bool, now: Timestamp) {
        self.settled(now).replication.cut(region, cut, now);
    }

    /// How many writes of a Region have not reached the other Regions, and how long the oldest of them has waited.
    #[must_use]
    pub fn waiting(&self, region: &str, now: Timestamp) -> Waiting {
        self.settled(now).replication.waiting(region, now)
    }

    /// The state, brought up to a time. A call that panicked has not left half a change: all are made at their end.
    fn settled(&self, now: Timestamp) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(now);
        state
    }
}
