//! What the report says as metrics.

use std::collections::BTreeMap;

use missing_transactions::Report;
use runbook::telemetry::{Measured, Metric};

/// The metrics of the report.
pub(super) fn measured(report: &Report) -> Vec<Measured> {
    let (transactions, rows) = (report.totals.transactions, &report.totals.rows);
    let mut compared: BTreeMap<&str, u64> = BTreeMap::new();
    for table in &report.tables {
        let rows = table.compared.as_ref().and_then(|compared| compared.rows_source);
        *compared.entry(&table.database).or_default() += rows.unwrap_or_default();
    }
    // A count above 2⁵³ is not exact, which a chart does not show.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let number = |count: u64| count as f64;
    let compared =
        compared.into_iter().map(|(name, rows)| Measured::of(Metric::RowsCompared, name, number(rows)));
    let sums = [
        (Metric::MissingTransactions, transactions.whole + transactions.in_part),
        (Metric::LostUpdates, rows.lost_updates + rows.lost_deletes),
        (Metric::Conflicts, rows.conflicts),
    ];
    // A database of which nothing is known has no point in the chart, rather than one at 0.
    let points = report.recovery_points.iter();
    let lost =
        points.filter_map(|(name, point)| Some(Measured::of(Metric::RecoveryPoint, name, point.seconds?)));
    compared.chain(lost).chain(sums.map(|(metric, count)| Measured::new(metric, number(count)))).collect()
}
