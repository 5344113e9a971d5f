//! What the deployed functions leave in their logs: lines that name their execution, and metrics.

use std::collections::BTreeSet;
use std::path::Path;

use runbook::telemetry::{Metric, NAMESPACE};
use serde_json::Value;

/// What a drill emits.
pub const BY_A_DRILL: [Metric; 8] = [
    Metric::RecoveryTime,
    Metric::LagBeforeFailover,
    Metric::RecoveryPoint,
    Metric::StepDuration,
    Metric::RowsCompared,
    Metric::MissingTransactions,
    Metric::LostUpdates,
    Metric::Conflicts,
];

/// What each runbook, started by an operator with nothing to lose, emits.
pub const BY_AN_OPERATOR: [Metric; 11] = [
    Metric::ReadinessFindings,
    Metric::OverdueExecutions,
    Metric::RecoveryTime,
    Metric::LagBeforeFailover,
    Metric::StepDuration,
    Metric::WriteOutage,
    Metric::MissingTransactions,
    Metric::LostUpdates,
    Metric::Conflicts,
    Metric::RecoveryPoint,
    Metric::RowsCompared,
];

#[test]
fn each_metric_is_emitted_by_a_runbook() {
    let emitted: BTreeSet<Metric> = BY_A_DRILL.into_iter().chain(BY_AN_OPERATOR).collect();
    assert_eq!(emitted, Metric::ALL.into());
}

/// Looks at every line of the logs in a folder: the metrics in them have to be these.
pub fn holds(logs: &Path, metrics: &[Metric]) {
    let (mut emitted, mut answers) = (BTreeSet::new(), 0);
    for entry in std::fs::read_dir(logs).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            let read: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if read.get("_aws").is_some() {
                emitted.insert(metric(&read));
            } else {
                names_what_it_is_about(&read);
                answers += usize::from(read["fields"]["message"] == "answered");
            }
        }
    }
    assert!(answers > 5, "{answers} answers");
    assert_eq!(emitted, metrics.iter().map(|metric| metric.name().to_owned()).collect());
}

fn names_what_it_is_about(line: &Value) {
    let spans = line["spans"].as_array().unwrap_or_else(|| panic!("no spans: {line}"));
    for name in ["requestId", "xrayTraceId", "execution", "step", "operation", "plan"] {
        let value = spans.iter().find_map(|span| span[name].as_str());
        assert!(value.is_some_and(|value| !value.is_empty()), "no {name}: {line}");
    }
    let fields = &line["fields"];
    if fields["message"] == "answered" {
        for name in ["status", "reason", "observed", "changed"] {
            assert!(fields[name].as_str().is_some_and(|value| !value.is_empty()), "no {name}: {line}");
        }
        assert!(serde_json::from_str::<Value>(fields["observed"].as_str().unwrap()).is_ok(), "{line}");
    }
}

/// The name of a metric in the embedded format
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>),
/// once its shape holds. No dimension may have a value for each execution: each is a metric that is paid for.
fn metric(line: &Value) -> String {
    assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|millis| millis > 1_700_000_000_000), "{line}");
    let [directive] = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else {
        panic!("not one directive: {line}");
    };
    assert_eq!(directive["Namespace"], NAMESPACE, "{line}");
    let [dimensions] = directive["Dimensions"].as_array().unwrap().as_slice() else {
        panic!("not one set of dimensions: {line}");
    };
    for dimension in dimensions.as_array().unwrap() {
        let dimension = dimension.as_str().unwrap();
        assert!(["Plan", "Database", "Step"].contains(&dimension), "{line}");
        assert!(line[dimension].as_str().is_some_and(|value| !value.is_empty()), "no {dimension}: {line}");
    }
    assert_eq!(line["Plan"], "shop", "{line}");
    let [metric] = directive["Metrics"].as_array().unwrap().as_slice() else {
        panic!("not one metric: {line}");
    };
    assert!(["Seconds", "Count"].contains(&metric["Unit"].as_str().unwrap()), "{line}");
    let name = metric["Name"].as_str().unwrap();
    assert!(line[name].as_f64().is_some_and(|value| value >= 0.0), "{line}");
    name.to_owned()
}
