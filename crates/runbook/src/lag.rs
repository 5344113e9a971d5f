//! The replication lag of a secondary, as it was last measured before a failover.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How far a secondary was behind its primary, and when.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Seconds.
    pub seconds: f64,
    /// When it was measured, at the earliest: CloudWatch names the begin of the minute ("Timestamp", CloudWatch concepts).
    pub at: Timestamp,
}

/// The lag of each database, by the plan's names; null where it is not known.
pub type Lags = BTreeMap<String, Option<Lag>>;

impl Lag {
    /// What the primary had committed before this had reached the secondary: at the time of the measurement, or later in
    /// that minute, it was so many seconds behind.
    #[must_use]
    pub fn replicated_until(&self) -> Timestamp {
        let behind = SignedDuration::try_from_secs_f64(self.seconds.max(0.0)).unwrap_or(SignedDuration::MAX);
        self.at.checked_sub(behind).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_lag_has_come_across() {
        let lag = |seconds| Lag { seconds, at: "2026-11-25T12:00:00Z".parse().unwrap() };
        for (seconds, until) in [
            (0.0, "2026-11-25T12:00:00Z"),
            (1.5, "2026-11-25T11:59:58.5Z"),
            // No secondary is ahead.
            (-5.0, "2026-11-25T12:00:00Z"),
        ] {
            assert_eq!(lag(seconds).replicated_until(), until.parse().unwrap(), "{seconds}");
        }
        assert_eq!(lag(f64::MAX).replicated_until(), Timestamp::MIN);
    }
}
