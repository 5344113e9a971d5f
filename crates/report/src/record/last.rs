//! The short record of a plan's last failover or switchover, which later runbooks read.

use jiff::Timestamp;
use runbook::record::{FailoverRecord, SwitchoverRecord};

use super::model::{Progress, Record};

impl Record {
    /// What later runbooks need to know of a failover. Where the `last` failover failed on its way to the same Region, and no
    /// switchover has moved the databases since, this execution completes it. What counts then is when that one began, and
    /// the lag that it measured where this one could not, because the databases had moved.
    pub fn failover(
        &self,
        last: Option<&FailoverRecord>,
        switchover: Option<&SwitchoverRecord>,
    ) -> FailoverRecord {
        let began = self.began_at.unwrap_or(self.started_at);
        let begun = last
            .filter(|last| !last.succeeded() && last.to_region == self.to_region)
            .filter(|last| switchover.is_none_or(|switchover| switchover.ended_at < last.ended_at));
        let measured = self.lag.iter().filter_map(|(name, lag)| Some((name.clone(), (*lag)?)));
        FailoverRecord {
            plan: self.plan.clone(),
            execution: self.execution.clone(),
            outcome: self.outcome,
            from_region: self.from_region.clone(),
            to_region: self.to_region.clone(),
            started_at: begun.map_or(began, |begun| begun.started_at.min(began)),
            ended_at: self.ended_at,
            lag: begun.into_iter().flat_map(|begun| begun.lag.clone()).chain(measured).collect(),
        }
    }

    /// What later runbooks need to know of a switchover.
    pub fn switchover(&self) -> SwitchoverRecord {
        SwitchoverRecord {
            plan: self.plan.clone(),
            execution: self.execution.clone(),
            outcome: self.outcome,
            from_region: self.from_region.clone(),
            to_region: self.to_region.clone(),
            started_at: self.started_at,
            ended_at: self.ended_at,
            writes_stopped_at: self.writes_stopped_at,
        }
    }
}

/// Whether this record becomes the plan's last of its kind. `last` is when the one on record began, if there is one. A move
/// that promoted nothing never replaces it, since it would hide the one that moved the databases. A move that began earlier
/// replaces it only when the event says so, because the later record is wrong.
pub fn replaces(record: &Record, last: Option<Timestamp>, replace: bool) -> bool {
    let later = last.is_none_or(|last| last <= record.started_at);
    record.progress >= Progress::Promoting && (later || replace)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use runbook::plan::sample;
    use runbook::record::MoveOutcome;

    use super::*;
    use crate::record::build::build;
    use crate::record::sample::{asked, at, good, lag};

    #[test]
    fn the_last_failover_is_the_latest_one_that_promoted() {
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &good(), &[], None, at(126)).unwrap();
        assert!(
            replaces(&record, None, false)
                && replaces(&record, Some(at(-1)), false)
                && replaces(&record, Some(record.started_at), false)
        );
        assert!(!replaces(&record, Some(at(1)), false));
        assert!(replaces(&record, Some(at(1)), true), "the later one was wrong");
        let stopped = Record { progress: Progress::TrafficMoving, ..record };
        assert!(!replaces(&stopped, None, true));
    }

    #[test]
    fn the_rest_of_a_failed_failover_began_with_it() {
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &good(), &[], None, at(126)).unwrap();
        let begun = BTreeMap::from([("catalog".to_owned(), lag(0.3)), ("orders".to_owned(), lag(7.0))]);
        let failed = FailoverRecord {
            outcome: MoveOutcome::Failed,
            started_at: at(-500),
            lag: begun,
            ..record.failover(None, None)
        };
        let whole = record.failover(Some(&failed), None);
        assert_eq!((whole.started_at, whole.ended_at), (at(-500), at(126)));
        // Measured this time: orders only.
        assert_eq!(
            whole.lag,
            BTreeMap::from([("catalog".to_owned(), lag(0.3)), ("orders".to_owned(), lag(0.8))])
        );
        let elsewhere = FailoverRecord { to_region: "sandbox-east".into(), ..failed.clone() };
        let over = FailoverRecord { outcome: MoveOutcome::Succeeded, ..failed };
        for other in [elsewhere, over] {
            assert_eq!(record.failover(Some(&other), None), record.failover(None, None));
        }
    }

    #[test]
    fn a_failover_behind_a_switchover_is_not_the_rest_of_one_before_it() {
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &good(), &[], None, at(126)).unwrap();
        let failed = FailoverRecord {
            outcome: MoveOutcome::Failed,
            started_at: at(-500),
            ended_at: at(-400),
            ..record.failover(None, None)
        };
        let switchover = |ended| SwitchoverRecord { ended_at: at(ended), ..record.switchover() };
        assert_eq!(record.failover(Some(&failed), Some(&switchover(-450))).started_at, at(-500));
        assert_eq!(record.failover(Some(&failed), Some(&switchover(-300))).started_at, at(0));
    }
}
