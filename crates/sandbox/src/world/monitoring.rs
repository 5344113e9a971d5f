//! CloudWatch: the replication lag of secondaries, once a minute of AWS's time; and metric alarms, whose states are set.
//!
//! They are published in the secondary's Region. When the link is cut no datapoint comes any more: what was measured
//! before is what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::core::World;
use super::durations;
use super::model::{name_of, region_of};
use super::reading::LagDimensions;
use crate::api::{ApiError, Call, aws_time, required, unknown};

/// Datapoints that are kept of each cluster.
const KEPT: usize = 1_000;
const METRICS: [&str; 2] = ["AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag"];
const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

impl World {
    /// Measures the lag of every secondary that can follow its primary.
    pub(super) async fn sample_lag(&self) {
        let secondaries: Vec<(String, Option<Option<f64>>)> = self.state(|state| {
            state.following().map(|arn| (arn.clone(), state.fixed_lags.get(arn).copied())).collect()
        });
        for (secondary, fixed) in secondaries {
            let lag = match fixed {
                Some(given) => given,
                None => self.servers.lag_millis(&secondary).await,
            };
            if let Some(lag) = lag {
                self.add_lag(&secondary, lag);
            }
        }
    }

    pub(super) fn add_lag(&self, secondary: &str, millis: f64) {
        let now = self.clock.now();
        self.state(|state| {
            let points = state.lags.entry(secondary.to_owned()).or_default();
            points.push((now, millis));
            if points.len() > KEPT {
                points.remove(0);
            }
        });
    }

    /// Counts an invocation of a rule's target that failed.
    pub(crate) fn count_failed_invocation(&self, region: &str, rule: &str) {
        self.state(|state| state.failed_rules.insert((region.to_owned(), rule.to_owned())));
    }

    /// The state of a metric alarm.
    pub fn alarm_state(&self, region: &str, name: &str) -> Option<String> {
        self.state(|all| all.alarms.get(&(region.to_owned(), name.to_owned())).cloned())
    }

    /// Puts a metric alarm into a state, and tells EventBridge.
    pub fn set_alarm(&self, region: &str, name: &str, state: &str) {
        let key = (region.to_owned(), name.to_owned());
        let before = self.state(|all| all.alarms.insert(key, state.to_owned()));
        let before = before.unwrap_or_else(|| "INSUFFICIENT_DATA".to_owned());
        if before != state {
            self.publish(region, self.alarm_event(region, name, state, &before));
        }
        if state == "ALARM" {
            self.halt_experiments(region, name);
        }
    }

    /// The event of EventBridge that says that an alarm has changed.
    pub fn alarm_event(&self, region: &str, name: &str, state: &str, before: &str) -> Value {
        let detail =
            json!({"alarmName": name, "state": {"value": state}, "previousState": {"value": before}});
        let arn = format!("arn:aws:cloudwatch:{region}:{}:alarm:{name}", crate::account::ACCOUNT);
        let kind = "CloudWatch Alarm State Change";
        crate::api::event(self.clock.now(), region, "aws.cloudwatch", kind, &arn, &detail)
    }

    /// Measures once a minute of AWS's time, for as long as the world lives.
    pub(crate) fn watch_lag(self: &Arc<Self>) {
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

/// The datapoints of one period: CloudWatch keeps their statistics, under the time at which the period begins.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Statistics {
    count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
}

impl Statistics {
    fn add(earlier: Option<Self>, value: f64) -> Self {
        let Self { count, sum, minimum, maximum } =
            earlier.unwrap_or(Self { count: 0.0, sum: 0.0, minimum: value, maximum: value });
        Self {
            count: count + 1.0,
            sum: sum + value,
            minimum: minimum.min(value),
            maximum: maximum.max(value),
        }
    }

    fn get(self, name: &str) -> Option<f64> {
        match name {
            "SampleCount" => Some(self.count),
            "Average" => Some(self.sum / self.count),
            "Sum" => Some(self.sum),
            "Minimum" => Some(self.minimum),
            "Maximum" => Some(self.maximum),
            _ => None,
        }
    }
}

/// A value that does not fit. Only one of the two operations declares an error of its own for it.
fn invalid(call: &Call, message: impl Into<String>) -> ApiError {
    let code =
        if call.operation == "GetMetricStatistics" { "InvalidParameterValue" } else { "ValidationError" };
    ApiError::new(code, message)
}

/// The dimensions of the lag of a secondary in `region`.
fn lag_dimensions(reading: LagDimensions, cluster: &str, region: &str) -> Vec<(&'static str, String)> {
    let cluster = ("DBClusterIdentifier", cluster.to_owned());
    let source = crate::account::REGIONS.into_iter().find(|other| *other != region).unwrap_or_default();
    let source = ("SourceRegion", source.to_owned());
    match reading {
        LagDimensions::Cluster => vec![cluster],
        LagDimensions::ClusterAndSource => vec![cluster, source],
        LagDimensions::Source => vec![source],
    }
}

/// Whether a request names these dimensions. CloudWatch finds a metric only under all of its dimensions and no others
/// ("Dimensions", CloudWatch concepts).
fn are(dimensions: &Value, these: &[(&str, String)]) -> bool {
    let all = dimensions.as_array().into_iter().flatten();
    let all: BTreeSet<_> = all.map(|one| (one["Name"].as_str(), one["Value"].as_str())).collect();
    all == these.iter().map(|(name, value)| (Some(*name), Some(value.as_str()))).collect()
}

/// A metric: namespace, name, dimensions with their values.
type NamedMetric = (&'static str, &'static str, Vec<(&'static str, String)>);

/// `ListMetrics`: those of the lag, and those of rules that failed. Filters by namespace, name and dimensions.
fn list_metrics(world: &World, call: &Call) -> Value {
    let mut metrics: Vec<NamedMetric> = Vec::new();
    world.state(|state| {
        let here = state.lags.keys().filter(|arn| region_of(arn) == call.region);
        let of = |arn: &String| lag_dimensions(state.reading.lag_dimensions, name_of(arn), &call.region);
        metrics.extend(here.flat_map(|arn| METRICS.map(|name| ("AWS/RDS", name, of(arn)))));
        let failed = state.failed_rules.iter().filter(|(region, _)| *region == call.region);
        metrics.extend(failed.flat_map(|(_, rule)| {
            ["FailedInvocations", "InvocationsSentToDlq"]
                .map(|name| ("AWS/Events", name, vec![("RuleName", rule.clone())]))
        }));
    });
    metrics.sort();
    metrics.dedup();
    let wanted = |key: &str, is: &str| call.input[key].as_str().is_none_or(|wanted| wanted == is);
    let filtered = |all: &[(&str, String)]| {
        let mut filters = call.input["Dimensions"].as_array().into_iter().flatten();
        filters.all(|filter| {
            let fits = |(name, value): &(&str, String)| {
                filter["Name"] == *name && filter["Value"].as_str().is_none_or(|wanted| wanted == value)
            };
            all.iter().any(fits)
        })
    };
    let shown = |(namespace, name, dimensions): &NamedMetric| {
        let all: Vec<Value> =
            dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        json!({"Namespace": namespace, "MetricName": name, "Dimensions": all})
    };
    let fitting = metrics.iter().filter(|(namespace, name, dimensions)| {
        wanted("Namespace", namespace) && wanted("MetricName", name) && filtered(dimensions)
    });
    json!({"Metrics": fitting.map(shown).collect::<Vec<_>>()})
}

/// Statistics of the metric by period, oldest first, from `StartTime` (included) to `EndTime` (not included).
fn statistics(
    world: &World,
    call: &Call,
    metric: &Value,
    period: &Value,
) -> Result<BTreeMap<Timestamp, Statistics>, ApiError> {
    let time = |name: &str| -> Result<Timestamp, ApiError> {
        let text = call.input[name].as_str().and_then(|text| text.parse().ok());
        text.ok_or_else(|| invalid(call, format!("{name} must be a time")))
    };
    let (from, to) = (time("StartTime")?, time("EndTime")?);
    if from >= to {
        return Err(invalid(call, "StartTime must be before EndTime"));
    }
    let period = period.as_i64().filter(|seconds| *seconds > 0 && seconds % 60 == 0);
    let period = period.ok_or_else(|| invalid(call, "Period must be a multiple of 60"))?;
    let mut periods = BTreeMap::new();
    if metric["Namespace"] != "AWS/RDS" || !METRICS.iter().any(|name| metric["MetricName"] == **name) {
        return Ok(periods);
    }
    world.state(|state| {
        let here = state.lags.iter().filter(|(arn, _)| region_of(arn) == call.region);
        let of = |arn: &str| lag_dimensions(state.reading.lag_dimensions, name_of(arn), &call.region);
        let of_cluster = here.filter(|(arn, _)| are(&metric["Dimensions"], &of(arn)));
        for (at, value) in of_cluster.flat_map(|(_, points)| points) {
            let begins = Timestamp::from_second(at.as_second().div_euclid(period) * period).unwrap_or(*at);
            if begins >= from && begins < to {
                let earlier = periods.get(&begins).copied();
                periods.insert(begins, Statistics::add(earlier, *value));
            }
        }
    });
    Ok(periods)
}

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "GetMetricData" => metric_data(world, call),
        "ListMetrics" => Ok(list_metrics(world, call)),
        "GetMetricStatistics" => metric_statistics(world, call),
        "DescribeAlarms" => Ok(alarms(world, call)),
        "SetAlarmState" => set_alarm_state(world, call),
        _ => Err(unknown(call)),
    }
}

fn metric_data(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let mut results = Vec::new();
    for query in call.input["MetricDataQueries"].as_array().into_iter().flatten() {
        let MetricStat { metric, period, stat } = MetricStat::of(query)?;
        let periods = statistics(world, call, metric, period)?;
        let mut found: Vec<(String, f64)> =
            periods.iter().filter_map(|(at, all)| Some((aws_time(*at), all.get(stat)?))).collect();
        // Newest first, as CloudWatch answers unless told otherwise.
        if call.input["ScanBy"] != "TimestampAscending" {
            found.reverse();
        }
        let (times, values): (Vec<String>, Vec<f64>) = found.into_iter().unzip();
        results.push(json!({
            "Id": query["Id"],
            "Label": metric["MetricName"],
            "Timestamps": times,
            "Values": values,
            "StatusCode": "Complete",
        }));
    }
    Ok(json!({"MetricDataResults": results, "Messages": []}))
}

fn metric_statistics(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let periods = statistics(world, call, &call.input, &call.input["Period"])?;
    let wanted: Vec<&str> =
        call.input["Statistics"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let found: Vec<Value> = periods
        .iter()
        .map(|(at, all)| {
            let mut point = json!({"Timestamp": aws_time(*at), "Unit": "Milliseconds"});
            for name in &wanted {
                point[*name] = json!(all.get(name));
            }
            point
        })
        .collect();
    Ok(json!({"Label": call.input["MetricName"], "Datapoints": found}))
}

fn alarms(world: &Arc<World>, call: &Call) -> Value {
    let wanted: Vec<&str> =
        call.input["AlarmNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let types: Vec<&str> =
        call.input["AlarmTypes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let composites: Vec<Value> = world.state(|state| {
        let here = state.composite_alarms.iter().filter(|(region, name)| {
            // "If you omit this parameter, only metric alarms are returned" (DescribeAlarms, API reference).
            types.contains(&"CompositeAlarm")
                && *region == call.region
                && (wanted.is_empty() || wanted.contains(&name.as_str()))
        });
        here.map(|(_, name)| json!({"AlarmName": name, "StateValue": "OK"})).collect()
    });
    let alarms: Vec<Value> = world.state(|state| {
        let here = state.alarms.iter().filter(|((region, name), _)| {
            (types.is_empty() || types.contains(&"MetricAlarm"))
                && *region == call.region
                && (wanted.is_empty() || wanted.contains(&name.as_str()))
        });
        here.map(|((_, name), value)| {
            json!({"AlarmName": name, "StateValue": value, "TreatMissingData": "missing"})
        })
        .collect()
    });
    json!({"MetricAlarms": alarms, "CompositeAlarms": composites})
}

fn set_alarm_state(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let (name, state) = (required(&call.input, "AlarmName")?, required(&call.input, "StateValue")?);
    if !["OK", "ALARM", "INSUFFICIENT_DATA"].contains(&state) {
        return Err(ApiError::new("ValidationError", format!("{state} is no state of an alarm")));
    }
    if world.alarm_state(&call.region, name).is_none() {
        let (code, message) = ("ResourceNotFound", format!("there is no metric alarm {name}"));
        return Err(ApiError::with_status(404, code, message));
    }
    world.set_alarm(&call.region, name, state);
    Ok(json!({}))
}

/// What a query of `GetMetricData` asks for.
struct MetricStat<'a> {
    metric: &'a Value,
    period: &'a Value,
    stat: &'a str,
}

impl<'a> MetricStat<'a> {
    fn of(query: &'a Value) -> Result<Self, ApiError> {
        let one = &query["MetricStat"];
        if !one.is_object() {
            return Err(ApiError::new("ValidationError", "the sandbox knows queries with a MetricStat only"));
        }
        let stat = one["Stat"].as_str().filter(|name| STATISTICS.contains(name));
        let stat = stat
            .ok_or_else(|| ApiError::new("ValidationError", format!("Stat must be one of {STATISTICS:?}")))?;
        Ok(Self { metric: &one["Metric"], period: &one["Period"], stat })
    }
}
