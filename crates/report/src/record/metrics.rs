//! What a record says as metrics.

use runbook::step::Mode;
use runbook::telemetry::{Measured, Metric};

use super::model::Record;
use crate::text;

/// The metrics of a record. A step that waits counts from its first call to the end of its last. What is not known gives no
/// metric.
pub fn measured(record: &Record) -> Vec<Measured> {
    let mut measured: Vec<Measured> = record
        .write_outage_seconds
        .map(|outage| Measured::new(Metric::WriteOutage, outage))
        .into_iter()
        .collect();
    if record.mode == Mode::Failover {
        measured.extend(record.rto_seconds.map(|took| Measured::new(Metric::RecoveryTime, took)));
        let lag = record.lag.iter().filter_map(|(name, lag)| Some((name, (*lag)?.seconds)));
        measured.extend(lag.map(|(name, lag)| Measured::of(Metric::LagBeforeFailover, name, lag)));
    }
    let ended = record.steps.iter().filter_map(|step| Some((step, step.ended_at?)));
    measured.extend(ended.map(|(step, end)| {
        Measured::of(Metric::StepDuration, &step.name, text::seconds(step.started_at, end))
    }));
    measured
}

#[cfg(test)]
mod tests {
    use runbook::plan::sample;
    use runbook::record::MoveOutcome;

    use super::*;
    use crate::record::build::build;
    use crate::record::sample::{asked, at, good};

    #[test]
    fn what_is_known_of_a_failover_is_measured_and_nothing_else() {
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &good(), &[], None, at(126)).unwrap();
        assert_eq!(
            measured(&record),
            [
                Measured::new(Metric::RecoveryTime, 125.0),
                Measured::of(Metric::LagBeforeFailover, "orders", 0.8),
                Measured::of(Metric::StepDuration, "preflight", 4.0),
                Measured::of(Metric::StepDuration, "trafficOff", 2.0),
                Measured::of(Metric::StepDuration, "promote", 46.0),
                Measured::of(Metric::StepDuration, "awaitPromotion", 67.0),
                Measured::of(Metric::StepDuration, "trafficOn", 2.0),
                Measured::of(Metric::StepDuration, "verify", 2.0),
            ]
        );
        let failed = build(&sample(), &asked(MoveOutcome::Failed, ""), &good(), &[], None, at(126)).unwrap();
        assert!(measured(&failed).iter().all(|one| one.metric != Metric::RecoveryTime));
    }
}
