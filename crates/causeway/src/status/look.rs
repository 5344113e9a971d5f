//! What is asked of an account for its status: every Region at once, each call once and for a few seconds, so that a Region that is dark
//! costs no more than that. Read-only. What can't be seen is said with its reason.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::AlarmType::{CompositeAlarm, MetricAlarm};
use futures::future::{join, join_all, join3, join4};
use jiff::Timestamp;
use preflight::world::MeasureLag;
use runbook::arc::{ReadStates, State, endpoints};
use runbook::aurora::{DescribeCluster, DescribeGlobalCluster, region_of};
use runbook::executions::{self, Listed};
use runbook::record::{
    FailoverRecord, ReadLastFailover, ReadLastReconciliation, ReadLastSwitchover, ReconciliationRecord,
    SwitchoverRecord,
};
use runbook::{RecoveryPlan, StepError};
use serde::Serialize;
use std::error::Error as _;

use crate::deployed::Deployed;
use crate::stack::account::reason;

/// How many executions are looked at: those of some hours, since readiness runs each hour.
const LAST: usize = 5;

/// What was asked, or why it is not known.
pub type Known<T> = Result<T, String>;

/// Everything that was seen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The plan's name.
    pub plan: String,
    /// When.
    pub at: Timestamp,
    /// Traffic of each Region, as ARC has it.
    #[serde(serialize_with = "known")]
    pub traffic: Known<BTreeMap<String, State>>,
    /// How many of ARC's endpoints answer, of how many.
    pub endpoints: [usize; 2],
    /// The Regions, in the plan's order.
    pub regions: Vec<RegionSeen>,
}

/// What was seen of a Region.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionSeen {
    /// Its name.
    pub region: String,
    /// Each database here.
    pub databases: BTreeMap<String, DatabaseSeen>,
    /// What runs and what ran last, the newest first.
    #[serde(serialize_with = "known")]
    pub executions: Known<Vec<Ran>>,
    /// The plan's alarms that tell of this Region, and how each stands; they may be in the other.
    pub alarms: BTreeMap<String, String>,
    /// The last failover on record here.
    #[serde(serialize_with = "known")]
    pub failover: Known<Option<FailoverRecord>>,
    /// The last switchover on record here.
    #[serde(serialize_with = "known")]
    pub switchover: Known<Option<SwitchoverRecord>>,
    /// The last reconciliation on record here.
    #[serde(serialize_with = "known")]
    pub reconciliation: Known<Option<ReconciliationRecord>>,
}

/// A database in a Region.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSeen {
    /// `available`, …
    #[serde(serialize_with = "known")]
    pub status: Known<String>,
    /// Whether it has the writer; as the global cluster says here.
    #[serde(serialize_with = "known")]
    pub is_writer: Known<bool>,
    /// Seconds behind the writer.
    #[serde(serialize_with = "known")]
    pub lag_seconds: Known<Option<f64>>,
}

/// An execution of a runbook.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    /// Its id.
    pub id: String,
    /// Which runbook: `failover`, …
    pub runbook: String,
    /// When it started.
    pub started: Timestamp,
    /// `Success`, `InProgress`, …
    pub status: String,
}

impl Ran {
    /// Whether it has not ended.
    pub fn runs(&self) -> bool {
        preflight::overdue::runs(&self.status)
    }
}

/// What is known as it is, what isn't as an object with the reason.
fn known<T: Serialize, S: serde::Serializer>(value: &Known<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Ok(value) => value.serialize(serializer),
        Err(why) => BTreeMap::from([("notKnown", why)]).serialize(serializer),
    }
}

/// Looks at everything. The configuration is that of looks, see [`crate::deployed::impatient`].
pub async fn look(config: &SdkConfig, deployed: &Deployed, now: Timestamp) -> Seen {
    let plan = &deployed.plan;
    let regions = plan.regions.iter().map(|region| look_at(config, deployed, region, now));
    let (routing, regions) = join(traffic(config, plan), join_all(regions)).await;
    let (traffic, endpoints) = routing;
    Seen { plan: plan.name.clone(), at: now, traffic, endpoints, regions }
}

async fn traffic(config: &SdkConfig, plan: &RecoveryPlan) -> (Known<BTreeMap<String, State>>, [usize; 2]) {
    let controls: Vec<String> = plan.routing.controls.values().cloned().collect();
    let endpoints = endpoints(config, &plan.routing);
    let answers = join_all(endpoints.iter().map(|endpoint| endpoint.api.read_states(&controls))).await;
    let all = answers.len();
    let (mut states, mut errors) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(found) => states.push(found),
            Err(error) => errors.push(briefly(error.cause())),
        }
    }
    let answering = states.len();
    // An endpoint may be behind: most of them know.
    let by_region = |(region, control): (&String, &String)| {
        let on = states.iter().filter(|found| found.get(control) == Some(&State::On)).count();
        (region.clone(), if on * 2 > answering { State::On } else { State::Off })
    };
    let traffic = match answering {
        // A plan may say nothing of routing.
        0 if controls.is_empty() => Ok(BTreeMap::new()),
        0 => Err(errors.into_iter().next().unwrap_or_else(|| "the plan has no endpoint".to_owned())),
        _ => Ok(plan.routing.controls.iter().map(by_region).collect()),
    };
    (traffic, [answering, all])
}

async fn look_at(config: &SdkConfig, deployed: &Deployed, region: &str, now: Timestamp) -> RegionSeen {
    let plan = &deployed.plan;
    let here = runbook::aws::in_region(config, region);
    let s3 = runbook::bucket::client(&here);
    let bucket = plan.report_buckets.get(region).map_or("", String::as_str);
    let records = join3(
        s3.read_last_failover(bucket, &plan.name),
        s3.read_last_switchover(bucket, &plan.name),
        s3.read_last_reconciliation(bucket, &plan.name),
    );
    let (databases, ran, alarms, (failover, switchover, reconciliation)) = join4(
        databases(&here, plan, region, now),
        ran(&here, &deployed.prefix),
        alarms(config, plan, region),
        records,
    )
    .await;
    RegionSeen {
        region: region.to_owned(),
        databases,
        executions: ran,
        alarms,
        failover: failover.map_err(|error| why(&error)),
        switchover: switchover.map_err(|error| why(&error)),
        reconciliation: reconciliation.map_err(|error| why(&error)),
    }
}

/// The reason of an error, without its advice, which is for a function.
fn why(error: &StepError) -> String {
    briefly(error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

/// A Region that is silent is so in one word.
fn briefly(why: String) -> String {
    if why.contains("timed out") || why.contains("timeout") { "no answer".to_owned() } else { why }
}

async fn databases(
    config: &SdkConfig,
    plan: &RecoveryPlan,
    region: &str,
    now: Timestamp,
) -> BTreeMap<String, DatabaseSeen> {
    let rds = aws_sdk_rds::Client::new(config);
    let cloudwatch = aws_sdk_cloudwatch::Client::new(config);
    let one = async |(name, database): (&String, &runbook::plan::Database)| {
        let arn = database.members.get(region).map_or("", |member| member.cluster_arn.as_str());
        let cluster = arn.rsplit(':').next().unwrap_or_default();
        let (found, global, lag) = join3(
            rds.describe_cluster(cluster),
            rds.describe_global_cluster(&database.global_cluster),
            cloudwatch.measure_lag(cluster, plan.other_region(region), now),
        )
        .await;
        let status = match found {
            Ok(Some(found)) => Ok(found.status),
            Ok(None) => Ok("not there".to_owned()),
            Err(error) => Err(why(&error)),
        };
        let is_writer = match global {
            Ok(Some(global)) => Ok(global.writers().any(|writer| region_of(&writer.cluster_arn) == region)),
            Ok(None) => Err(format!("there is no global cluster {}", database.global_cluster)),
            Err(error) => Err(why(&error)),
        };
        let lag_seconds = lag.map(|lag| lag.map(|lag| lag.seconds)).map_err(|error| why(&error));
        (name.clone(), DatabaseSeen { status, is_writer, lag_seconds })
    };
    join_all(plan.databases.iter().map(one)).await.into_iter().collect()
}

async fn ran(config: &SdkConfig, prefix: &str) -> Known<Vec<Ran>> {
    let ssm = aws_sdk_ssm::Client::new(config);
    let listed = executions::list(&ssm, &format!("{prefix}-"), &[]).await.map_err(|error| why(&error))?;
    let ran = |one: Listed| {
        let runbook = one.document.strip_prefix(prefix)?.strip_prefix('-')?.to_owned();
        Some(Ran { id: one.id, runbook, started: one.started, status: one.status })
    };
    let mut ran: Vec<Ran> = listed.into_iter().filter_map(ran).collect();
    ran.sort_by_key(|one| std::cmp::Reverse(one.started));
    // What runs, however long, the last look of readiness, and the last of the others.
    let is_look = |one: &Ran| one.runbook == "readiness";
    let mut looks = 0;
    let mut others = 0;
    ran.retain(|one| {
        let count = if is_look(one) { &mut looks } else { &mut others };
        *count += 1;
        one.runs() || *count <= if is_look(one) { 1 } else { LAST }
    });
    Ok(ran)
}

async fn alarms(config: &SdkConfig, plan: &RecoveryPlan, about: &str) -> BTreeMap<String, String> {
    let signals = plan.automatic.as_ref().and_then(|automatic| automatic.signals.get(about));
    let mut by_region: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for signal in signals.into_iter().flatten() {
        by_region.entry(&signal.region).or_default().push(signal.alarm.clone());
    }
    let asked = by_region.into_iter().map(async |(region, names)| {
        let cloudwatch = aws_sdk_cloudwatch::Client::new(&runbook::aws::in_region(config, region));
        let call = cloudwatch.describe_alarms().set_alarm_names(Some(names.clone()));
        let answer = call.alarm_types(MetricAlarm).alarm_types(CompositeAlarm).send().await;
        let mut states: BTreeMap<String, String> = match answer {
            Ok(answer) => {
                let metric = answer.metric_alarms().iter().map(|one| (one.alarm_name(), one.state_value()));
                let composite =
                    answer.composite_alarms().iter().map(|one| (one.alarm_name(), one.state_value()));
                metric
                    .chain(composite)
                    .filter_map(|(name, state)| Some((name?.to_owned(), state?.as_str().to_owned())))
                    .collect()
            }
            Err(error) => {
                let why = briefly(reason(error));
                names.iter().map(|name| (name.clone(), format!("not known: {why}"))).collect()
            }
        };
        for name in names {
            states.entry(name).or_insert_with(|| "not there".to_owned());
        }
        states.into_iter().map(|(name, state)| (format!("{name} in {region}"), state)).collect::<Vec<_>>()
    });
    join_all(asked).await.into_iter().flatten().collect()
}
