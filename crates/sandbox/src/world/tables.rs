//! DynamoDB: the tables that applications have, by the crate [`dynamodb`].
//!
//! A Region that is cut off still answers what is in it, such as the shop's carts there; nobody else reaches it, and its writes wait
//! until it is back. That is where a global table differs from Aurora: they arrive late, instead of being lost.

use serde_json::Value;

use super::core::World;
use crate::account::caller;
use crate::api::{ApiError, Call};

pub(super) fn call(world: &World, call: &Call) -> Result<Value, ApiError> {
    world.tables.call(&call.region, &call.operation, &call.input, world.clock.now()).map_err(|error| {
        ApiError {
            details: Some(error.details),
            ..ApiError::with_status(error.status, error.code, error.message)
        }
    })
}

impl World {
    /// Keeps a Region's tables apart from the others for as long as there is a reason: the Region is cut off, or an experiment pauses
    /// their replication.
    pub(super) fn settle_tables(&self, region: &str) {
        self.state(|state| {
            let paused = state.experiments.values().any(|one| one.pauses_replication(region));
            let cut = paused || state.isolated.contains(region);
            // Under the lock, so that of two changes at once the later one is what stays.
            self.tables.cut(region, cut, self.clock.now());
        });
    }
}

/// Whether a call comes from inside of its Region.
pub(super) fn is_inside(call: &Call) -> bool {
    call.service == "dynamodb" && caller(&call.principal).is_some_and(|(home, _)| home == call.region)
}
