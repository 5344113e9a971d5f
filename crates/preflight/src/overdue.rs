//! Which executions of the runbooks run longer than they should.
//!
//! The hourly readiness check asks Systems Manager: an execution that hangs, or waits for an approval that nobody saw, can't
//! report itself. When the readiness check itself hangs, the alarm on `ReadinessFindings` goes off, to which missing data is
//! breaching.

use std::time::Duration;

use jiff::Timestamp;
use runbook::StepError;
use runbook::executions::{self, Listed};
use runbook::plan::Limits;
use runbook::telemetry::{Measured, Metric};

/// For what the plan sets no limit to: the approval of a replay, a comparison.
const DAY: Duration = Duration::from_secs(86_400);

/// Statuses of an execution that has not ended
/// (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_AutomationExecution.html>).
const RUNNING: [&str; 4] = ["Pending", "InProgress", "Waiting", "Cancelling"];

/// Whether an execution of this status has not ended.
#[must_use]
pub fn runs(status: &str) -> bool {
    RUNNING.contains(&status)
}

/// How long an execution of the runbook may take; `None` for one that is not watched.
pub fn limit(runbook: &str, limits: &Limits) -> Option<Duration> {
    let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
    match runbook {
        "failover" | "failback" | "routing" => Some(Duration::from_secs(limits.rto_seconds.into())),
        "reconcile" | "rebuild" => Some(DAY + minutes(limits.restore_minutes)),
        "replay" => Some(DAY + minutes(limits.replay_minutes)),
        _ => None,
    }
}

/// The executions that are overdue, each in one line.
pub fn find(running: &[Listed], prefix: &str, limits: &Limits, now: Timestamp) -> Vec<String> {
    let line = |one: &Listed| {
        let runbook = one.document.strip_prefix(prefix)?.strip_prefix('-')?;
        let limit = limit(runbook, limits)?;
        let age = Duration::try_from(now.duration_since(one.started)).unwrap_or_default();
        let minutes = |time: Duration| time.as_secs() / 60;
        (age > limit).then(|| {
            let Listed { id, document, .. } = one;
            format!(
                "execution {id} of {document} is overdue: it runs for {} min, expected were {} at most; look whether it \
                 waits for an approval, else cancel it and start it again",
                minutes(age),
                minutes(limit)
            )
        })
    };
    running.iter().filter_map(line).collect()
}

/// The number of overdue executions, as a metric of the plan.
pub fn measured(overdue: &[String]) -> Measured {
    let count = u32::try_from(overdue.len()).unwrap_or(u32::MAX);
    Measured::new(Metric::OverdueExecutions, count.into())
}

/// Lists the executions that have not ended of documents whose names start with the stack's prefix.
///
/// # Errors
/// As [`executions::list`].
pub async fn running(client: &aws_sdk_ssm::Client, prefix: &str) -> Result<Vec<Listed>, StepError> {
    executions::list(client, prefix, &RUNNING).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_longer_than_its_limit_is_overdue_and_named() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let limits = Limits::default();
        let run = |document: &str, seconds: u64| Listed {
            id: format!("{document}-{seconds}"),
            document: document.into(),
            started: now - Duration::from_secs(seconds),
            status: "InProgress".into(),
        };
        let day = DAY.as_secs();
        let running = [
            run("causeway-failover", 900),
            run("causeway-failover", 901),
            run("causeway-reconcile", day + 21_600),
            run("causeway-reconcile", day + 21_601),
            run("causeway-replay", day + 21_601),
            // Of another stack, and the look itself.
            run("causeway-test-failover", 10 * day),
            run("causeway-readiness", 10 * day),
        ];
        let found = find(&running, "causeway", &limits, now);
        let ids: Vec<&str> = found.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(ids, ["causeway-failover-901", "causeway-reconcile-108001", "causeway-replay-108001"]);
        assert!(found[0].contains("it runs for 15 min, expected were 15 at most"), "{}", found[0]);
        assert_eq!(measured(&found), Measured::new(Metric::OverdueExecutions, 3.0));
        assert_eq!(find(&running[1..2], "other", &limits, now), Vec::<String>::new());
    }
}
