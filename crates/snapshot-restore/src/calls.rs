//! The calls of this step: what is asked for as plain data, and one narrow trait for each operation, implemented for the SDK's
//! client of one Region. The things themselves are [`runbook::aurora`]'s.

use aws_sdk_rds::Client;
use aws_sdk_rds::error::SdkError;
use aws_sdk_rds::types::ServerlessV2ScalingConfiguration;
use runbook::StepError;
use runbook::aurora::{
    Answer, Cluster, DescribeCluster, DescribeGlobalCluster, DescribeSnapshot, Instance, ListSnapshots, Tags,
    answer, region, sdk_tags,
};

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
    /// Starts the deletion. What is gone already is rejected.
    fn delete_instance(&self, id: &str) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Deletes a cluster without a final snapshot.
pub trait DeleteCluster {
    /// Starts the deletion. What is gone already is rejected.
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

impl CopySnapshot for Client {
    async fn copy_snapshot(&self, copy: &Copy) -> Result<Answer, StepError> {
        let call = self
            .copy_db_cluster_snapshot()
            .source_db_cluster_snapshot_identifier(&copy.source_arn)
            .target_db_cluster_snapshot_identifier(&copy.id)
            .set_kms_key_id(copy.kms_key.clone())
            .set_tags(Some(sdk_tags(&copy.tags)));
        answer(
            call.send().await,
            |error| {
                error.is_db_cluster_snapshot_already_exists_fault()
                    || error.is_db_cluster_snapshot_not_found_fault()
                    || error.is_invalid_db_cluster_snapshot_state_fault()
                    || error.is_invalid_db_cluster_state_fault()
            },
            || format!("copying {} to {} in {}", copy.source_arn, copy.id, region(self)),
        )
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
            .set_tags(Some(sdk_tags(&restore.tags)));
        answer(
            call.send().await,
            |error| {
                error.is_db_cluster_already_exists_fault()
                    || error.is_db_cluster_snapshot_not_found_fault()
                    || error.is_invalid_db_cluster_snapshot_state_fault()
            },
            || format!("restoring cluster {} from {} in {}", restore.id, restore.snapshot, region(self)),
        )
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
            .set_tags(Some(sdk_tags(&create.tags)));
        answer(
            call.send().await,
            |error| {
                error.is_db_instance_already_exists_fault()
                    || error.is_db_cluster_not_found_fault()
                    || error.is_invalid_db_cluster_state_fault()
            },
            || format!("creating instance {} in {}", create.id, region(self)),
        )
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
                let engine_version = one.engine_version()?.to_owned();
                Some(Configured { parameter_group, engine_version })
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
        answer(
            self.delete_db_instance().db_instance_identifier(id).skip_final_snapshot(true).send().await,
            |error| {
                error.is_db_instance_not_found_fault()
                    || error.is_invalid_db_instance_state_fault()
                    || error.is_invalid_db_cluster_state_fault()
            },
            || format!("deleting instance {id} in {}", region(self)),
        )
    }
}

impl DeleteCluster for Client {
    async fn delete_cluster(&self, id: &str) -> Result<Answer, StepError> {
        answer(
            self.delete_db_cluster().db_cluster_identifier(id).skip_final_snapshot(true).send().await,
            |error| error.is_db_cluster_not_found_fault() || error.is_invalid_db_cluster_state_fault(),
            || format!("deleting cluster {id} in {}", region(self)),
        )
    }
}
