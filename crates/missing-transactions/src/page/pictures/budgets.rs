//! Times beside the plan's budgets for them.

use super::axis::percent;
use crate::recovery::Kept;
use crate::report::Report;
use crate::text::{duration, seconds};

/// A time against its budget.
pub struct Budget {
    pub name: String,
    pub value: String,
    pub budget: String,
    pub width: String,
    pub limit: String,
    /// Of the number, and of its bar.
    pub class: &'static str,
    pub bar: &'static str,
    /// Whether it is within the budget.
    pub word: &'static str,
    /// Why that is not known.
    pub why: String,
}

/// Each time beside the plan's budget for it.
pub fn budgets(report: &Report) -> Vec<Budget> {
    let Some(budgets) = report.facts.budgets else { return Vec::new() };
    let failover = report.facts.failover.as_ref();
    let outage = failover.and_then(|failover| failover.outage);
    let mut found = Vec::new();
    let rto = |name: &str, seconds: f64| {
        let kept = if seconds > budgets.rto_seconds { Kept::Over } else { Kept::Within };
        budget(name.to_owned(), seconds, ("RTO", budgets.rto_seconds), Some(kept))
    };
    if let Some(seconds) = failover.and_then(|failover| failover.rto_seconds) {
        found.push(rto("Recovery, by the runbook", seconds));
    }
    if let Some((from, to)) = outage.and_then(|outage| Some((outage.from, outage.to?))) {
        found.push(rto("Outage, as clients saw it", seconds(from, to)));
    }
    let rpo = ("RPO", budgets.rpo_seconds);
    for (database, point) in &report.recovery_points {
        let kept = point.against(budgets.rpo_seconds);
        let name = format!("Lost writes of {database}, to the failover");
        let mut line = budget(name, point.seconds.unwrap_or_default(), rpo, Some(kept));
        line.value = match point.seconds {
            None => "not known".to_owned(),
            Some(_) if !point.open.is_empty() => format!("at least {}", line.value),
            Some(_) => line.value,
        };
        line.why = point.open.join("; ");
        found.push(line);
    }
    // No more than was expected to be lost: no green for it beside what was.
    for (database, known) in &report.facts.databases {
        let lag = known
            .lag_seconds
            .map(|lag| budget(format!("Lag of {database} before the failover"), lag, rpo, None));
        found.extend(lag);
    }
    found
}

/// A time beside its budget; without a verdict where it is none.
fn budget(name: String, value: f64, (which, limit): (&str, f64), kept: Option<Kept>) -> Budget {
    let scale = value.max(limit).max(0.001) * 1.02;
    let (class, bar, word) = match kept {
        Some(Kept::Within) => ("good", "within", "within"),
        Some(Kept::Over) => ("bad", "out", "over"),
        Some(Kept::Unknown) => ("warn", "loss", "against"),
        None => ("", "all", "beside"),
    };
    Budget {
        name,
        value: duration(value),
        budget: format!("{which} {}", duration(limit)),
        width: percent((value / scale).max(0.004)),
        limit: percent(limit / scale),
        class,
        bar,
        word,
        why: String::new(),
    }
}
