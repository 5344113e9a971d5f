//! CloudWatch: the replication lag of secondaries, once a minute of AWS's time.
//!
//! When the primary's Region is cut off no datapoint comes any more: what was measured before is what there is.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::aurora::{name_of, region_of};
use super::{ApiError, Call, World, durations, linked_secondaries, unknown};
use crate::REGIONS;

/// Datapoints that are kept of each cluster.
const KEPT: usize = 1_000;
const METRICS: [&str; 2] = ["AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag"];

impl World {
    /// Measures the lag of every secondary whose primary can be reached.
    pub(super) async fn sample_lag(&self) {
        let secondaries: Vec<String> = self.state(|state| {
            let reachable = REGIONS.iter().filter(|region| !state.isolated.contains(**region));
            reachable.flat_map(|region| linked_secondaries(state, region)).collect()
        });
        for secondary in secondaries {
            if let Some(lag) = self.servers.lag_millis(&secondary).await {
                self.set_lag(&secondary, lag);
            }
        }
    }

    /// Adds a datapoint of a secondary's lag, in milliseconds.
    pub fn set_lag(&self, secondary: &str, millis: f64) {
        let now = self.clock.now();
        self.state(|state| {
            let points = state.lags.entry(secondary.to_owned()).or_default();
            points.push((now, millis));
            if points.len() > KEPT {
                points.remove(0);
            }
        });
    }

    /// Forgets the lag of a secondary.
    pub fn forget_lag(&self, secondary: &str) {
        self.state(|state| state.lags.remove(secondary));
    }

    /// Measures once a minute of AWS's time, for as long as the world lives.
    pub(super) fn watch_lag(self: &Arc<Self>) {
        let world = Arc::downgrade(self);
        let clock = self.clock;
        self.spawn(async move {
            while let Some(world) = world.upgrade() {
                world.sample_lag().await;
                drop(world);
                clock.sleep(durations::LAG_PERIOD).await;
            }
        });
    }
}

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let time = |name: &str| -> Result<Timestamp, ApiError> {
        call.input[name]
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| ApiError::new("InvalidParameterValue", format!("{name} must be a time")))
    };
    let points = |metric: &Value| -> Result<Vec<(Timestamp, f64)>, ApiError> {
        let (from, to) = (time("StartTime")?, time("EndTime")?);
        let named = metric["MetricName"].as_str().unwrap_or_default();
        let cluster = metric["Dimensions"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|dimension| dimension["Name"] == "DBClusterIdentifier")
            .and_then(|dimension| dimension["Value"].as_str())
            .unwrap_or_default();
        if metric["Namespace"] != "AWS/RDS" || !METRICS.contains(&named) {
            return Ok(Vec::new());
        }
        Ok(world.state(|state| {
            let of_cluster =
                state.lags.iter().filter(|(arn, _)| name_of(arn) == cluster && region_of(arn) == call.region);
            let all = of_cluster.flat_map(|(_, points)| points.iter().copied());
            all.filter(|(at, _)| *at >= from && *at < to).collect()
        }))
    };
    match call.operation.as_str() {
        "GetMetricData" => {
            let mut results = Vec::new();
            for query in call.input["MetricDataQueries"].as_array().into_iter().flatten() {
                let mut found = points(&query["MetricStat"]["Metric"])?;
                // Newest first, as CloudWatch answers unless told otherwise.
                found.sort_by(|a, b| b.0.cmp(&a.0));
                results.push(json!({
                    "Id": query["Id"],
                    "Label": query["MetricStat"]["Metric"]["MetricName"],
                    "Timestamps": found.iter().map(|(at, _)| at.to_string()).collect::<Vec<_>>(),
                    "Values": found.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
                    "StatusCode": "Complete",
                }));
            }
            Ok(json!({"MetricDataResults": results, "Messages": []}))
        }
        "GetMetricStatistics" => {
            let found: Vec<Value> = points(&call.input)?
                .iter()
                .map(|(at, value)| json!({"Timestamp": at.to_string(), "Average": value, "Maximum": value, "Unit": "Milliseconds"}))
                .collect();
            Ok(json!({"Label": call.input["MetricName"], "Datapoints": found}))
        }
        _ => Err(unknown(call)),
    }
}
