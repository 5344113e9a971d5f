//! Stored formats: what the version of 2026-11-30 wrote into the report bucket is read, and written the same again, so that
//! an older version reads what a newer one writes. The files are `tests/formats/`; `crates/reconcile` continues the
//! comparison that was killed there.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::read;

/// Reads each JSON value of a file as this type, and writes it again.
fn kept<T: DeserializeOwned + Serialize>(file: &str) -> Vec<T> {
    let text = read(&format!("tests/formats/{file}"));
    let values: Vec<Value> =
        serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().unwrap();
    assert!(!values.is_empty(), "{file}");
    let one = |value: &Value| {
        let read: T =
            serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{file}: {error}: {value}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), *value, "{file} is written in another form");
        read
    };
    values.iter().map(one).collect()
}

#[test]
fn records_and_locks_are_read_and_written_as_before() {
    use runbook::record::{FailoverRecord, ReconciliationRecord, SwitchoverRecord, TablesRecord};
    assert!(kept::<FailoverRecord>("last-failover.json")[0].succeeded());
    assert!(kept::<SwitchoverRecord>("last-switchover.json")[0].succeeded());
    kept::<ReconciliationRecord>("last-reconciliation.json");
    kept::<TablesRecord>("tables.json");
    for file in ["failover-lock.json", "reconcile-lock.json"] {
        kept::<runbook::lock::Lock>(file);
    }
    kept::<report::record::Record>("record.json");
}

#[test]
fn a_comparison_and_its_report_are_read_and_written_as_before() {
    kept::<comparison::Summary>("summary.json");
    kept::<table_diff::Catalogue>("catalogue.json");
    assert_eq!(kept::<table_diff::Difference>("differences.jsonl").len(), 4);
    kept::<missing_transactions::Report>("report.json");
}

#[test]
fn a_replay_is_read_and_written_as_before() {
    assert_eq!(kept::<row_replay::ReplayedRow>("fates.jsonl").len(), 4);
}

#[test]
fn a_plan_is_read_as_before() {
    runbook::RecoveryPlan::parse(&read("tests/formats/plan.json"), "tests/formats/plan.json").unwrap();
}
