//! What a function says of itself: log lines that name what they are about, and metrics.
//!
//! Log lines are JSON where the function is configured so (`LoggingConfig` in `template.yaml`). Each carries, in `spans`,
//! the request's id (from the Lambda runtime) and the step, operation, plan and execution (from [`span`]).
//!
//! Metrics are lines of the log too, in CloudWatch's embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>): no
//! call can fail, and none is needed from a Region that is being left. They are in the namespace [`NAMESPACE`], by plan,
//! and where [`Metric::dimension`] says so by one dimension more. What can't be written is lost, and nothing else.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::Span;

/// Namespace of the metrics.
pub const NAMESPACE: &str = "Causeway";

/// Makes the enum of the metrics and everything that is known of each from one table, so that none is left out of a list.
macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident: $unit:literal, $dimension:expr;)*) => {
        /// A metric. The dashboard and the alarms in `template.yaml` name no other; a test holds that.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $($(#[$doc])* $name,)*
        }

        impl Metric {
            /// All of them.
            pub const ALL: [Self; [$(Self::$name),*].len()] = [$(Self::$name),*];

            /// Its name in CloudWatch.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The dimension that it has beside `Plan`.
            pub fn dimension(self) -> Option<&'static str> {
                match self { $(Self::$name => $dimension,)* }
            }

            fn unit(self) -> &'static str {
                match self { $(Self::$name => $unit,)* }
            }
        }
    };
}

metrics! {
    /// Seconds without an accepted write, as a runbook measured it.
    WriteOutage: "Seconds", None;
    /// Seconds from the start of a failover to the first verified write.
    RecoveryTime: "Seconds", None;
    /// Seconds of replication lag before a failover.
    LagBeforeFailover: "Seconds", Some("Database");
    /// Seconds from the first write that a failover lost to its start, as the comparison found them.
    RecoveryPoint: "Seconds", Some("Database");
    /// Seconds that a step of a runbook took, all its calls together.
    StepDuration: "Seconds", Some("Step");
    /// Rows of the old primary that were compared.
    RowsCompared: "Count", Some("Database");
    /// Transactions that are missing, whole or in part.
    MissingTransactions: "Count", None;
    /// Updates and deletes that are lost.
    LostUpdates: "Count", None;
    /// Rows that both primaries wrote.
    Conflicts: "Count", None;
    /// Reasons for which the plan could not be executed.
    ReadinessFindings: "Count", None;
    /// Executions that run longer than they should.
    OverdueExecutions: "Count", None;
}

/// A value of a metric; `of` is the value of its dimension, empty where it has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The metric.
    pub metric: Metric,
    /// The value of [`Metric::dimension`].
    pub of: String,
    /// The value.
    pub value: f64,
}

impl Measured {
    /// A value of a metric with no dimension of its own.
    pub fn new(metric: Metric, value: f64) -> Self {
        Self { metric, of: String::new(), value }
    }

    /// A value of a metric, of one database or step.
    pub fn of(metric: Metric, of: &str, value: f64) -> Self {
        Self { metric, of: of.to_owned(), value }
    }
}

/// A log line that is a metric.
pub fn line(plan: &str, measured: &Measured, now: Timestamp) -> String {
    let Measured { metric, of, value } = measured;
    let dimensions: Vec<&str> = std::iter::once("Plan").chain(metric.dimension()).collect();
    let mut line = Map::from_iter([
        (
            "_aws".to_owned(),
            json!({
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [dimensions],
                    "Metrics": [{"Name": metric.name(), "Unit": metric.unit()}],
                }],
            }),
        ),
        ("Plan".to_owned(), json!(plan)),
        (metric.name().to_owned(), json!(value)),
    ]);
    if let Some(dimension) = metric.dimension() {
        line.insert(dimension.to_owned(), json!(of));
    }
    Value::Object(line).to_string()
}

/// Writes metrics into the function's log. Not by the log's own writer: only a line that is nothing but this object is a
/// metric.
#[expect(clippy::print_stdout, reason = "the output is the function's log")]
pub fn emit(plan: &str, measured: &[Measured], now: Timestamp) {
    for measured in measured {
        println!("{}", line(plan, measured, now));
    }
}

/// The span of an invocation: what every log line in it carries.
pub fn span(event: &Value) -> Span {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let step = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let (operation, plan, execution) = (text("operation"), text("plan"), text("execution"));
    tracing::info_span!("step", step, operation, plan, execution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_a_line_of_its_own_with_its_dimensions() {
        let now = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let lag = line("shop", &Measured::of(Metric::LagBeforeFailover, "orders", 0.8), now);
        assert_eq!(
            serde_json::from_str::<Value>(&lag).unwrap(),
            json!({
                "_aws": {"Timestamp": 1_700_000_000_123_i64, "CloudWatchMetrics": [{"Namespace": "Causeway",
                    "Dimensions": [["Plan", "Database"]], "Metrics": [{"Name": "LagBeforeFailover", "Unit": "Seconds"}]}]},
                "Plan": "shop", "Database": "orders", "LagBeforeFailover": 0.8,
            })
        );
        assert!(!lag.contains('\n'));
        let plain: Value =
            serde_json::from_str(&line("shop", &Measured::new(Metric::Conflicts, 3.0), now)).unwrap();
        assert_eq!(plain["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Plan"]]));
        assert_eq!(plain["Conflicts"], 3.0);
    }
}
