//! RDS as this step sees it: plain data, and one narrow trait per operation. Each is implemented for the SDK's client
//! of one Region.

use aws_sdk_rds::Client;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::operation::describe_db_cluster_snapshots::builders::DescribeDBClusterSnapshotsFluentBuilder;
use aws_sdk_rds::types::{DbClusterSnapshot, DbInstance, ServerlessV2ScalingConfiguration, Tag};
use jiff::Timestamp;
use runbook::StepError;
use runbook::aurora::{Cluster, DescribeCluster, DescribeGlobalCluster};

/// Tags, key and value.
pub type Tags = Vec<(String, String)>;

/// A snapshot of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its identifier.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Identifier of the cluster it was taken of, perhaps by a name that it was given later.
    pub cluster: String,
    /// Its status, such as `available`.
    pub status: String,
    /// When it was taken. For a copy: when it was copied.
    pub created: Option<Timestamp>,
    /// `aurora-mysql` or `aurora-postgresql`.
    pub engine: String,
    /// Engine version of the cluster.
    pub engine_version: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// How much of it is there, in per cent.
    pub progress: Option<i32>,
    /// Its tags.
    pub tags: Tags,
}

/// A database instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its identifier.
    pub id: String,
    /// Identifier of its cluster; empty when it is in none.
    pub cluster: String,
    /// Its status, such as `available`.
    pub status: String,
    /// Its tags.
    pub tags: Tags,
}

/// Value of a tag.
pub fn tag<'a>(tags: &'a Tags, key: &str) -> Option<&'a str> {
    tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// What AWS said to a call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was accepted. That says nothing about its end.
    Accepted,
    /// The state of things is not as it was seen, or not ready for it; AWS's message. Look again.
    NotNow(String),
}

/// A copy of a snapshot to a manual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// ARN of the snapshot to copy.
    pub source_arn: String,
    /// Identifier of the copy.
    pub id: String,
    /// Key of the destination's Region, for an encrypted snapshot from another Region.
    pub kms_key: Option<String>,
    /// Tags of the copy.
    pub tags: Tags,
}

/// A restore of a cluster, without instances.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreCluster {
    /// Identifier of the new cluster.
    pub id: String,
    /// Identifier of the snapshot.
    pub snapshot: String,
    /// Its engine.
    pub engine: String,
    /// Its engine version; without it RDS would take its Region's default.
    pub engine_version: String,
    /// DB subnet group.
    pub subnet_group: Option<String>,
    /// VPC security groups.
    pub security_groups: Vec<String>,
    /// DB cluster parameter group; without it RDS would take the engine's default one.
    pub parameter_group: Option<String>,
    /// Capacity in ACUs, smallest and largest, for a serverless instance.
    pub serverless: Option<(f64, f64)>,
    /// Whether it lets users in whom IAM vouches for: a snapshot does not say.
    pub iam: bool,
    /// Tags of the cluster.
    pub tags: Tags,
}

/// A new instance in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateInstance {
    /// Identifier of the new instance.
    pub id: String,
    /// Identifier of the cluster.
    pub cluster: String,
    /// Its engine.
    pub engine: String,
    /// Its class.
    pub class: String,
    /// Tags of the instance.
    pub tags: Tags,
}

/// Lists snapshots of clusters. Not those of one cluster: its name may have changed since, and a role that may ask for all may
/// not be allowed to name a cluster of another Region.
pub trait ListSnapshots {
    /// All snapshots in the Region of this client, of one type (such as `manual`) or of every one.
    fn list_snapshots(
        &self,
        of_type: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Snapshot>, StepError>> + Send;
}

/// Reads a snapshot; `None` when there is none of this name.
pub trait DescribeSnapshot {
    /// The snapshot in the Region of this client.
    fn describe_snapshot(&self, id: &str)
    -> impl Future<Output = Result<Option<Snapshot>, StepError>> + Send;
}

/// Copies a snapshot into the Region of the client.
pub trait CopySnapshot {
    /// Starts the copy.
    fn copy_snapshot(&self, copy: &Copy) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Restores a cluster from a snapshot.
pub trait RestoreClusterFromSnapshot {
    /// Starts the restore.
    fn restore_cluster(
        &self,
        restore: &RestoreCluster,
    ) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Creates an instance in a cluster.
pub trait CreateClusterInstance {
    /// Starts the creation.
    fn create_instance(
        &self,
        create: &CreateInstance,
    ) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Reads an instance; `None` when there is none of this name.
pub trait DescribeInstance {
    /// The instance in the Region of this client.
    fn describe_instance(&self, id: &str)
    -> impl Future<Output = Result<Option<Instance>, StepError>> + Send;
}

/// What a cluster parameter group is taken over from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// Name of the DB cluster parameter group.
    pub parameter_group: String,
    /// Engine version of the cluster that has it.
    pub engine_version: String,
}

/// Reads how a cluster is configured; `None` when there is none of this name, or it has no parameter group to tell.
pub trait DescribeConfigured {
    /// The cluster in the Region of this client.
    fn describe_configured(
        &self,
        cluster: &str,
    ) -> impl Future<Output = Result<Option<Configured>, StepError>> + Send;
}

/// Lists clusters.
pub trait ListClusters {
    /// All clusters in the Region of this client.
    fn list_clusters(&self) -> impl Future<Output = Result<Vec<Cluster>, StepError>> + Send;
}

/// Lists instances.
pub trait ListInstances {
    /// All instances in the Region of this client.
    fn list_instances(&self) -> impl Future<Output = Result<Vec<Instance>, StepError>> + Send;
}

/// Deletes an instance of a cluster.
pub trait DeleteInstance {
    /// Starts the deletion. What is gone already is `NotNow`.
    fn delete_instance(&self, id: &str) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Deletes a cluster without a final snapshot.
pub trait DeleteCluster {
    /// Starts the deletion. What is gone already is `NotNow`.
    fn delete_cluster(&self, id: &str) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// The calls of `restore`.
pub trait ForRestore:
    DescribeGlobalCluster
    + ListSnapshots
    + DescribeSnapshot
    + CopySnapshot
    + DescribeCluster
    + DescribeConfigured
    + RestoreClusterFromSnapshot
    + DescribeInstance
    + CreateClusterInstance
    + Send
    + Sync
{
}

impl<C> ForRestore for C where
    C: DescribeGlobalCluster
        + ListSnapshots
        + DescribeSnapshot
        + CopySnapshot
        + DescribeCluster
        + DescribeConfigured
        + RestoreClusterFromSnapshot
        + DescribeInstance
        + CreateClusterInstance
        + Send
        + Sync
{
}

/// The calls of `cleanup`.
pub trait ForCleanup: ListClusters + ListInstances + DeleteInstance + DeleteCluster + Send + Sync {}

impl<C: ListClusters + ListInstances + DeleteInstance + DeleteCluster + Send + Sync> ForCleanup for C {}

fn region(client: &Client) -> String {
    client.config().region().map(ToString::to_string).unwrap_or_default()
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

fn read_tags(tags: &[Tag]) -> Tags {
    tags.iter().map(|tag| (text(tag.key()), text(tag.value()))).collect()
}

fn write_tags(tags: &Tags) -> Option<Vec<Tag>> {
    Some(tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect())
}

/// The service's words on one line, else its error code.
fn message(error: &impl ProvideErrorMetadata) -> String {
    let text = error.message().or(error.code()).unwrap_or("no reason given");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<&DbClusterSnapshot> for Snapshot {
    fn from(snapshot: &DbClusterSnapshot) -> Self {
        let created = snapshot.snapshot_create_time().and_then(|time| {
            let nanos = i32::try_from(time.subsec_nanos()).ok()?;
            Timestamp::new(time.secs(), nanos).ok()
        });
        Self {
            id: text(snapshot.db_cluster_snapshot_identifier()),
            arn: text(snapshot.db_cluster_snapshot_arn()),
            cluster: text(snapshot.db_cluster_identifier()),
            status: text(snapshot.status()),
            created,
            engine: text(snapshot.engine()),
            engine_version: text(snapshot.engine_version()),
            encrypted: snapshot.storage_encrypted().unwrap_or_default(),
            progress: snapshot.percent_progress(),
            tags: read_tags(snapshot.tag_list()),
        }
    }
}

impl From<&DbInstance> for Instance {
    fn from(instance: &DbInstance) -> Self {
        Self {
            id: text(instance.db_instance_identifier()),
            cluster: text(instance.db_cluster_identifier()),
            status: text(instance.db_instance_status()),
            tags: read_tags(instance.tag_list()),
        }
    }
}

/// All pages of a list of snapshots; a snapshot or cluster that does not exist gives none.
async fn snapshots(
    request: DescribeDBClusterSnapshotsFluentBuilder,
    what: String,
) -> Result<Vec<Snapshot>, StepError> {
    let mut pages = request.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => found.extend(page.db_cluster_snapshots().iter().map(Snapshot::from)),
            Err(SdkError::ServiceError(error)) if error.err().is_db_cluster_snapshot_not_found_fault() => {
                break;
            }
            Err(error) => return Err(StepError::aws(what, error)),
        }
    }
    Ok(found)
}

impl ListSnapshots for Client {
    async fn list_snapshots(&self, of_type: Option<&str>) -> Result<Vec<Snapshot>, StepError> {
        let request = self.describe_db_cluster_snapshots().set_snapshot_type(of_type.map(str::to_owned));
        snapshots(request, format!("listing the snapshots of clusters in {}", region(self))).await
    }
}

impl DescribeSnapshot for Client {
    async fn describe_snapshot(&self, id: &str) -> Result<Option<Snapshot>, StepError> {
        let request = self.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(id);
        let found = snapshots(request, format!("describing snapshot {id} in {}", region(self))).await?;
        Ok(found.into_iter().next())
    }
}

impl CopySnapshot for Client {
    async fn copy_snapshot(&self, copy: &Copy) -> Result<Answer, StepError> {
        let call = self
            .copy_db_cluster_snapshot()
            .source_db_cluster_snapshot_identifier(&copy.source_arn)
            .target_db_cluster_snapshot_identifier(&copy.id)
            .set_kms_key_id(copy.kms_key.clone())
            .set_tags(write_tags(&copy.tags));
        match call.send().await {
            Ok(_) => Ok(Answer::Accepted),
            Err(SdkError::ServiceError(error))
                if error.err().is_db_cluster_snapshot_already_exists_fault()
                    || error.err().is_db_cluster_snapshot_not_found_fault()
                    || error.err().is_invalid_db_cluster_snapshot_state_fault()
                    || error.err().is_invalid_db_cluster_state_fault() =>
            {
                Ok(Answer::NotNow(message(error.err())))
            }
            Err(error) => Err(StepError::aws(
                format!("copying {} to {} in {}", copy.source_arn, copy.id, region(self)),
                error,
            )),
        }
    }
}

impl RestoreClusterFromSnapshot for Client {
    async fn restore_cluster(&self, restore: &RestoreCluster) -> Result<Answer, StepError> {
        let groups = Some(restore.security_groups.clone()).filter(|groups| !groups.is_empty());
        let scaling = restore.serverless.map(|(min, max)| {
            ServerlessV2ScalingConfiguration::builder().min_capacity(min).max_capacity(max).build()
        });
        let call = self
            .restore_db_cluster_from_snapshot()
            .db_cluster_identifier(&restore.id)
            .snapshot_identifier(&restore.snapshot)
            .engine(&restore.engine)
            .engine_version(&restore.engine_version)
            .set_db_subnet_group_name(restore.subnet_group.clone())
            .set_vpc_security_group_ids(groups)
            .set_db_cluster_parameter_group_name(restore.parameter_group.clone())
            .set_serverless_v2_scaling_configuration(scaling)
            .set_enable_iam_database_authentication(restore.iam.then_some(true))
            .copy_tags_to_snapshot(false)
            .deletion_protection(false)
            .set_tags(write_tags(&restore.tags));
        match call.send().await {
            Ok(_) => Ok(Answer::Accepted),
            Err(SdkError::ServiceError(error))
                if error.err().is_db_cluster_already_exists_fault()
                    || error.err().is_db_cluster_snapshot_not_found_fault()
                    || error.err().is_invalid_db_cluster_snapshot_state_fault() =>
            {
                Ok(Answer::NotNow(message(error.err())))
            }
            Err(error) => Err(StepError::aws(
                format!("restoring cluster {} from {} in {}", restore.id, restore.snapshot, region(self)),
                error,
            )),
        }
    }
}

impl CreateClusterInstance for Client {
    async fn create_instance(&self, create: &CreateInstance) -> Result<Answer, StepError> {
        let call = self
            .create_db_instance()
            .db_instance_identifier(&create.id)
            .db_cluster_identifier(&create.cluster)
            .engine(&create.engine)
            .db_instance_class(&create.class)
            .publicly_accessible(false)
            .set_tags(write_tags(&create.tags));
        match call.send().await {
            Ok(_) => Ok(Answer::Accepted),
            Err(SdkError::ServiceError(error))
                if error.err().is_db_instance_already_exists_fault()
                    || error.err().is_db_cluster_not_found_fault()
                    || error.err().is_invalid_db_cluster_state_fault() =>
            {
                Ok(Answer::NotNow(message(error.err())))
            }
            Err(error) => {
                Err(StepError::aws(format!("creating instance {} in {}", create.id, region(self)), error))
            }
        }
    }
}

impl DescribeInstance for Client {
    async fn describe_instance(&self, id: &str) -> Result<Option<Instance>, StepError> {
        match self.describe_db_instances().db_instance_identifier(id).send().await {
            Ok(answer) => Ok(answer.db_instances().first().map(Instance::from)),
            Err(SdkError::ServiceError(error)) if error.err().is_db_instance_not_found_fault() => Ok(None),
            Err(error) => Err(StepError::aws(format!("describing instance {id} in {}", region(self)), error)),
        }
    }
}

impl DescribeConfigured for Client {
    async fn describe_configured(&self, cluster: &str) -> Result<Option<Configured>, StepError> {
        match self.describe_db_clusters().db_cluster_identifier(cluster).send().await {
            Ok(answer) => Ok(answer.db_clusters().first().and_then(|one| {
                let parameter_group = one.db_cluster_parameter_group()?.to_owned();
                Some(Configured { parameter_group, engine_version: text(one.engine_version()) })
            })),
            Err(SdkError::ServiceError(error)) if error.err().is_db_cluster_not_found_fault() => Ok(None),
            Err(error) => {
                Err(StepError::aws(format!("describing cluster {cluster} in {}", region(self)), error))
            }
        }
    }
}

impl ListClusters for Client {
    async fn list_clusters(&self) -> Result<Vec<Cluster>, StepError> {
        let mut pages = self.describe_db_clusters().into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| StepError::aws(format!("listing clusters in {}", region(self)), error))?;
            found.extend(page.db_clusters().iter().map(Cluster::from));
        }
        Ok(found)
    }
}

impl ListInstances for Client {
    async fn list_instances(&self) -> Result<Vec<Instance>, StepError> {
        let mut pages = self.describe_db_instances().into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page
                .map_err(|error| StepError::aws(format!("listing instances in {}", region(self)), error))?;
            found.extend(page.db_instances().iter().map(Instance::from));
        }
        Ok(found)
    }
}

impl DeleteInstance for Client {
    async fn delete_instance(&self, id: &str) -> Result<Answer, StepError> {
        match self.delete_db_instance().db_instance_identifier(id).skip_final_snapshot(true).send().await {
            Ok(_) => Ok(Answer::Accepted),
            Err(SdkError::ServiceError(error))
                if error.err().is_db_instance_not_found_fault()
                    || error.err().is_invalid_db_instance_state_fault()
                    || error.err().is_invalid_db_cluster_state_fault() =>
            {
                Ok(Answer::NotNow(message(error.err())))
            }
            Err(error) => Err(StepError::aws(format!("deleting instance {id} in {}", region(self)), error)),
        }
    }
}

impl DeleteCluster for Client {
    async fn delete_cluster(&self, id: &str) -> Result<Answer, StepError> {
        match self.delete_db_cluster().db_cluster_identifier(id).skip_final_snapshot(true).send().await {
            Ok(_) => Ok(Answer::Accepted),
            Err(SdkError::ServiceError(error))
                if error.err().is_db_cluster_not_found_fault()
                    || error.err().is_invalid_db_cluster_state_fault() =>
            {
                Ok(Answer::NotNow(message(error.err())))
            }
            Err(error) => Err(StepError::aws(format!("deleting cluster {id} in {}", region(self)), error)),
        }
    }
}
