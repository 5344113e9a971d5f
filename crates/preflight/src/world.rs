//! What the operations ask AWS for, beside [`runbook::aurora`] and [`runbook::arc`]: instances, lag, alarms, storage, keys,
//! quotas, secrets. One narrow trait each, implemented for the SDK's client.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{AlarmType, Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::types::KeyManagerType;
use aws_sdk_rds::operation::describe_db_clusters::DescribeDBClustersError;
use aws_sdk_rds::types::Filter;
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use runbook::StepError;
use runbook::aurora::Instance;
use runbook::lag::Lag;
use runbook::secret::SignIn;

/// How far back the newest lag is searched for. CloudWatch gets Aurora's metrics once a minute, minutes late at times, and
/// they stop when the Region is cut off; an alarm or a person needs some minutes to start a failover. The last value
/// before that was measured before the failover. One older than this says too little about the writes since.
pub const LAG_WINDOW: Duration = Duration::from_secs(600);

/// How many of them are available.
pub(crate) fn available(instances: &[Instance]) -> usize {
    instances.iter().filter(|instance| instance.status == "available").count()
}

/// Reads the instances of a cluster.
pub trait DescribeInstances {
    /// Those of `cluster` in the Region of this client.
    fn describe_instances(
        &self,
        cluster: &str,
    ) -> impl Future<Output = Result<Vec<Instance>, StepError>> + Send;
}

impl DescribeInstances for aws_sdk_rds::Client {
    async fn describe_instances(&self, cluster: &str) -> Result<Vec<Instance>, StepError> {
        // A cluster has at most 16 instances, a page 100.
        let filter = Filter::builder().name("db-cluster-id").values(cluster).build();
        let answer = self.describe_db_instances().filters(filter).send().await.map_err(|error| {
            StepError::aws(format!("describing the instances of cluster {cluster}"), error)
        })?;
        Ok(answer
            .db_instances()
            .iter()
            .filter(|instance| instance.db_cluster_identifier() == Some(cluster))
            .map(Instance::from)
            .collect())
    }
}

/// Reads the replication lag of a secondary.
pub trait MeasureLag {
    /// The newest lag of `cluster` behind its primary in the Region `source`, at most [`LAG_WINDOW`] old; `None` when there is
    /// none.
    fn measure_lag(
        &self,
        cluster: &str,
        source: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Lag>, StepError>> + Send;
}

/// The metrics of the lag. The first is closest to what may be lost, but not every engine version has it.
const LAG_METRICS: [&str; 2] = ["AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag"];

/// What was searched for where no lag was found.
pub(crate) fn no_lag(source: &str) -> String {
    format!(
        "CloudWatch has no value of the last {} minutes of {}, by DBClusterIdentifier alone or with SourceRegion {source}",
        LAG_WINDOW.as_secs() / 60,
        LAG_METRICS.join(" or "),
    )
}

impl MeasureLag for aws_sdk_cloudwatch::Client {
    async fn measure_lag(
        &self,
        cluster: &str,
        source: &str,
        now: Timestamp,
    ) -> Result<Option<Lag>, StepError> {
        let what = || format!("reading the replication lag of cluster {cluster} from CloudWatch");
        // CloudWatch finds a metric under all of its dimensions and no others, and AWS doesn't say which these have: each
        // metric is asked for under both sets that are seen in use.
        let of_cluster = Dimension::builder().name("DBClusterIdentifier").value(cluster).build();
        let of_source = Dimension::builder().name("SourceRegion").value(source).build();
        let sets = [vec![of_cluster.clone()], vec![of_cluster, of_source]];
        let queries = LAG_METRICS.iter().flat_map(|name| sets.iter().map(move |set| (name, set))).enumerate();
        let query = |(number, (name, dimensions)): (usize, (&&str, &Vec<Dimension>))| {
            let metric = Metric::builder()
                .namespace("AWS/RDS")
                .metric_name(*name)
                .set_dimensions(Some(dimensions.clone()))
                .build();
            // The worst of the minute: an average would hide a spike.
            let stat = MetricStat::builder().metric(metric).period(60).stat("Maximum").build();
            MetricDataQuery::builder().id(format!("q{number}")).metric_stat(stat).build()
        };
        let now_millis = now.as_millisecond();
        let window = i64::try_from(LAG_WINDOW.as_millis()).unwrap_or(i64::MAX);
        let answer = self
            .get_metric_data()
            .start_time(DateTime::from_millis(now_millis.saturating_sub(window)))
            // The end is exclusive, and a value of this second counts.
            .end_time(DateTime::from_millis(now_millis.saturating_add(1000)))
            .scan_by(ScanBy::TimestampDescending)
            .set_metric_data_queries(Some(queries.map(query).collect()))
            .send()
            .await
            .map_err(|error| StepError::aws(what(), error))?;
        let newest = |number: usize| {
            let id = format!("q{number}");
            let result = answer.metric_data_results().iter().find(|result| result.id() == Some(&id))?;
            let newest =
                result.timestamps().iter().zip(result.values()).max_by_key(|(time, _)| time.as_nanos())?;
            let (time, millis) = newest;
            Some(Lag { seconds: millis / 1000.0, at: Timestamp::from_nanosecond(time.as_nanos()).ok()? })
        };
        Ok((0..LAG_METRICS.len() * sets.len()).find_map(newest))
    }
}

/// What is known of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// A metric alarm.
    Metric {
        /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
        state: String,
        /// How it treats missing data: as `missing`, `ignore`, `breaching` or `notBreaching`.
        missing: String,
    },
    /// A composite alarm. It does not say how the alarms in it treat missing data.
    Composite,
}

/// Reads alarms.
pub trait ReadAlarms {
    /// Those of these names in the Region of this client, by name; one that does not exist is not in the answer.
    fn read_alarms(
        &self,
        names: &[&str],
    ) -> impl Future<Output = Result<BTreeMap<String, Alarm>, StepError>> + Send;
}

impl ReadAlarms for aws_sdk_cloudwatch::Client {
    async fn read_alarms(&self, names: &[&str]) -> Result<BTreeMap<String, Alarm>, StepError> {
        // At most 100 names, and as many on a page (CloudWatch API reference, `DescribeAlarms`).
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        // Without the types, metric alarms only are in the answer, and a composite one would seem not to exist.
        let call = self.describe_alarms().set_alarm_names(Some(names)).max_records(100);
        let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
        let answer = call.send().await;
        let answer = answer.map_err(|error| StepError::aws("reading alarms from CloudWatch", error))?;
        let alarm = |alarm: &aws_sdk_cloudwatch::types::MetricAlarm| {
            let state = alarm.state_value().map(|state| state.as_str().to_owned()).unwrap_or_default();
            // `missing` is what an alarm does that says nothing of it (CloudWatch API reference, `PutMetricAlarm`).
            let missing = alarm.treat_missing_data().unwrap_or("missing").to_owned();
            Some((alarm.alarm_name()?.to_owned(), Alarm::Metric { state, missing }))
        };
        let composite = |alarm: &aws_sdk_cloudwatch::types::CompositeAlarm| {
            Some((alarm.alarm_name()?.to_owned(), Alarm::Composite))
        };
        let composites = answer.composite_alarms().iter().filter_map(composite);
        Ok(answer.metric_alarms().iter().filter_map(alarm).chain(composites).collect())
    }
}

/// What a restore and a reader need of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Whether its storage is encrypted, and with it every snapshot.
    pub encrypted: bool,
    /// ARN of the KMS key that encrypts it.
    pub key: Option<String>,
    /// Whether IAM database authentication is on.
    pub iam: bool,
    /// Host and port of its reader endpoint; a secondary has one, too.
    pub reader: Option<(String, u16)>,
}

/// Reads the details of a cluster.
pub trait DescribeDetails {
    /// Those of `cluster` in the Region of this client; none of them when there is no such cluster.
    fn describe_details(&self, cluster: &str) -> impl Future<Output = Result<Details, StepError>> + Send;
}

impl DescribeDetails for aws_sdk_rds::Client {
    async fn describe_details(&self, cluster: &str) -> Result<Details, StepError> {
        match self.describe_db_clusters().db_cluster_identifier(cluster).send().await {
            Ok(answer) => Ok(answer.db_clusters().first().map_or_else(Details::default, |one| Details {
                encrypted: one.storage_encrypted() == Some(true),
                key: one.kms_key_id().filter(|_| one.storage_encrypted() == Some(true)).map(str::to_owned),
                iam: one.iam_database_authentication_enabled() == Some(true),
                reader: one
                    .reader_endpoint()
                    .map(str::to_owned)
                    .zip(one.port().and_then(|port| u16::try_from(port).ok())),
            })),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeDBClustersError::is_db_cluster_not_found_fault) =>
            {
                Ok(Details::default())
            }
            Err(error) => Err(StepError::aws(format!("describing cluster {cluster}"), error)),
        }
    }
}

/// Finds out who manages a KMS key.
pub trait DescribeKey {
    /// Whether `key` (an ARN of the Region of this client) is one that AWS manages, as `aws/rds` is. `false` for a key that this
    /// role may not describe: AWS's own keys let everyone of the account do so (KMS developer guide, "AWS managed keys").
    fn is_of_aws(&self, key: &str) -> impl Future<Output = Result<bool, StepError>> + Send;
}

impl DescribeKey for aws_sdk_kms::Client {
    async fn is_of_aws(&self, key: &str) -> Result<bool, StepError> {
        match self.describe_key().key_id(key).send().await {
            Ok(answer) => {
                let manager = answer.key_metadata().and_then(|metadata| metadata.key_manager());
                Ok(manager == Some(&KeyManagerType::Aws))
            }
            Err(error) if error.code() == Some("AccessDeniedException") => Ok(false),
            Err(error) => Err(StepError::aws(format!("asking KMS whose key {key} is"), error)),
        }
    }
}

/// A quota of RDS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How much is used.
    pub used: i64,
    /// How much there may be.
    pub max: i64,
}

/// Reads the quotas of RDS in a Region.
pub trait ReadQuotas {
    /// By the names of the RDS API reference (`AccountQuota`), such as `DBClusters`.
    fn read_quotas(&self) -> impl Future<Output = Result<BTreeMap<String, Quota>, StepError>> + Send;
}

impl ReadQuotas for aws_sdk_rds::Client {
    async fn read_quotas(&self) -> Result<BTreeMap<String, Quota>, StepError> {
        let answer = self
            .describe_account_attributes()
            .send()
            .await
            .map_err(|error| StepError::aws("reading the quotas of RDS", error))?;
        let quotas = answer.account_quotas().iter().filter_map(|quota| {
            let name = quota.account_quota_name()?.to_owned();
            Some((name, Quota { used: quota.used()?, max: quota.max()? }))
        });
        Ok(quotas.collect())
    }
}

/// Checks that a secret holds what a connection needs.
pub trait CheckSecret {
    /// Reads the secret, where there is one, and keeps nothing of it.
    ///
    /// # Errors
    /// When it can't be read, or has no user and password.
    fn check_secret(&self, sign_in: &SignIn) -> impl Future<Output = Result<(), StepError>> + Send;
}

/// Secrets Manager of a Region.
pub struct Secrets(pub SdkConfig);

impl CheckSecret for Secrets {
    async fn check_secret(&self, sign_in: &SignIn) -> Result<(), StepError> {
        match sign_in {
            SignIn::Secret(secret) => {
                Box::pin(runbook::secret::credentials(&self.0, secret)).await.map(|_| ())
            }
            SignIn::Iam(_) => Ok(()),
        }
    }
}
