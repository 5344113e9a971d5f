//! The time in which executions run.
//!
//! The clock runs as the machine's (or as tokio's paused one, in tests): timestamps are true. What AWS would take
//! minutes for is divided by one factor, so that a rehearsal is short: a failover of 2 minutes with factor 60 takes
//! 2 s, and its timestamps say so.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The clock of executions. Cheap to clone.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Timestamp,
    origin: tokio::time::Instant,
    factor: f64,
}

impl Clock {
    /// A clock that starts now; modelled durations are divided by `factor`, which must be at least 1.
    ///
    /// With tokio's time paused, it moves as that does. Must be called inside a tokio runtime.
    pub fn new(factor: f64) -> Self {
        Self::starting_at(Timestamp::now(), factor)
    }

    /// The same, and it is this time now: what depends on the time can be had again.
    pub fn starting_at(start: Timestamp, factor: f64) -> Self {
        Self { start, origin: tokio::time::Instant::now(), factor: factor.max(1.0) }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.origin.elapsed()).unwrap_or(SignedDuration::MAX);
        self.start.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// How long a modelled duration takes here.
    pub fn compressed(&self, modelled: Duration) -> Duration {
        modelled.div_f64(self.factor)
    }

    /// Sleeps for a modelled duration.
    pub async fn sleep(&self, modelled: Duration) {
        tokio::time::sleep(self.compressed(modelled)).await;
    }

    /// The factor.
    pub fn factor(&self) -> f64 {
        self.factor
    }
}
