//! The calls of a rebuild: how the old primary was made, as plain data, and one narrow trait for each operation, implemented for
//! the SDK's client of one Region.

use aws_sdk_rds::Client;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::types::{DbCluster, DbInstance, ServerlessV2ScalingConfiguration, Tag};
use jiff::Timestamp;
use runbook::StepError;
use runbook::aurora::{
    self, Answer, Cluster, DescribeGlobalCluster, Instance, ListSnapshots, RemoveFromGlobalCluster, Tags,
    answer, region,
};

/// A cluster as a blueprint: with what a secondary that is made in its place has to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// The cluster.
    pub cluster: Cluster,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// How else it is made.
    pub made: Made,
    /// Its instances, the writer first.
    pub instances: Vec<InstanceBlueprint>,
}

/// How a cluster is made, in the words of `CreateDBCluster`; what AWS does not tell is absent, and AWS's default is taken for it.
/// `docs/contracts.md` has the properties that are not carried over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    /// The port of its endpoints.
    pub port: Option<i32>,
    /// DB subnet group.
    pub subnet_group: Option<String>,
    /// VPC security groups.
    pub security_groups: Vec<String>,
    /// `IPV4` or `DUAL`.
    pub network_type: Option<String>,
    /// Cluster parameter group.
    pub parameter_group: Option<String>,
    /// KMS key, when its storage is encrypted.
    pub kms_key: Option<String>,
    /// `aurora` or `aurora-iopt1`.
    pub storage_type: Option<String>,
    /// Whether users may sign in by IAM.
    pub iam: bool,
    /// Capacity in ACUs, smallest and largest, and seconds after which it pauses, when it has a Serverless v2 configuration.
    pub serverless: Option<(f64, f64, Option<i32>)>,
    /// Whether it can't be deleted.
    pub deletion_protection: Option<bool>,
    /// Days that automated backups are kept.
    pub backup_retention: Option<i32>,
    /// When they are made.
    pub backup_window: Option<String>,
    /// When it is maintained.
    pub maintenance_window: Option<String>,
    /// Logs that go to CloudWatch.
    pub log_exports: Vec<String>,
    /// Whether its tags go to its snapshots.
    pub copy_tags: Option<bool>,
    /// Whether it forwards writes while it is a secondary.
    pub write_forwarding: Option<bool>,
    /// Whether it is enrolled in RDS Extended Support.
    pub lifecycle_support: Option<String>,
}

/// An instance as a blueprint. Of one that was gone when it was asked for, the identifier alone is known.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceBlueprint {
    /// The instance.
    pub instance: Instance,
    /// Its class.
    pub class: String,
    /// Instance parameter group.
    pub parameter_group: Option<String>,
    /// Certificate authority of its certificate.
    pub authority: Option<String>,
    /// Its place among those that may become the writer.
    pub promotion_tier: Option<i32>,
    /// Whether it is upgraded to minor versions by itself.
    pub minor_upgrades: Option<bool>,
    /// When it is maintained.
    pub maintenance_window: Option<String>,
}

impl InstanceBlueprint {
    /// One of which no more is known than its identifier and its class.
    pub fn plain(id: &str, class: &str) -> Self {
        Self {
            instance: Instance { id: id.to_owned(), cluster: None, status: String::new(), tags: Tags::new() },
            class: class.to_owned(),
            parameter_group: None,
            authority: None,
            promotion_tier: None,
            minor_upgrades: None,
            maintenance_window: None,
        }
    }
}

/// Reads a cluster as a blueprint; `None` when there is none of this name.
pub trait DescribeBlueprint {
    /// The cluster in the Region of this client.
    fn describe_blueprint(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<Blueprint>, StepError>> + Send;
}

/// Takes a manual snapshot of a cluster.
pub trait TakeSnapshot {
    /// Starts it.
    fn take_snapshot(
        &self,
        cluster: &str,
        name: &str,
        tags: &Tags,
    ) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Deletes a global cluster, which has to be empty.
pub trait DeleteGlobalCluster {
    /// Starts it.
    fn delete_global_cluster(&self, id: &str) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Creates a global cluster around a cluster, with its engine and version.
pub trait CreateGlobalCluster {
    /// Starts it.
    fn create_global_cluster(
        &self,
        id: &str,
        source_arn: &str,
    ) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Gives a cluster another name.
pub trait RenameCluster {
    /// Starts it.
    fn rename_cluster(&self, id: &str, name: &str) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// A secondary that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSecondary<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// Its global cluster.
    pub global_cluster: &'a str,
    /// Its engine.
    pub engine: &'a str,
    /// Its primary's version.
    pub version: &'a str,
    /// What it is made like.
    pub like: &'a Blueprint,
}

/// Creates a secondary without instances.
pub trait CreateSecondary {
    /// Starts it.
    fn create_secondary(
        &self,
        new: NewSecondary<'_>,
    ) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// An instance that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewInstance<'a> {
    /// Its cluster.
    pub cluster: &'a str,
    /// Its engine.
    pub engine: &'a str,
    /// What it is made like; its name is the blueprint's.
    pub like: &'a InstanceBlueprint,
}

/// Adds an instance to a cluster.
pub trait CreateInstance {
    /// Starts it.
    fn create_instance(&self, new: NewInstance<'_>)
    -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// The calls of a rebuild, to one Region.
pub trait ForRebuild:
    DescribeGlobalCluster
    + DescribeBlueprint
    + ListSnapshots
    + TakeSnapshot
    + RemoveFromGlobalCluster
    + DeleteGlobalCluster
    + CreateGlobalCluster
    + RenameCluster
    + CreateSecondary
    + CreateInstance
    + Send
    + Sync
{
}

impl<C> ForRebuild for C where
    C: DescribeGlobalCluster
        + DescribeBlueprint
        + ListSnapshots
        + TakeSnapshot
        + RemoveFromGlobalCluster
        + DeleteGlobalCluster
        + CreateGlobalCluster
        + RenameCluster
        + CreateSecondary
        + CreateInstance
        + Send
        + Sync
{
}

impl DescribeBlueprint for Client {
    async fn describe_blueprint(&self, id: &str) -> Result<Option<Blueprint>, StepError> {
        let found = match self.describe_db_clusters().db_cluster_identifier(id).send().await {
            Ok(answer) => answer.db_clusters().first().map(blueprint),
            Err(SdkError::ServiceError(error)) if error.err().is_db_cluster_not_found_fault() => None,
            Err(error) => {
                return Err(StepError::aws(format!("describing cluster {id} in {}", region(self)), error));
            }
        };
        let Some(mut found) = found else { return Ok(None) };
        for one in &mut found.instances {
            let id = one.instance.id.clone();
            match self.describe_db_instances().db_instance_identifier(&id).send().await {
                Ok(answer) => {
                    if let Some(seen) = answer.db_instances().first() {
                        *one = instance_blueprint(seen);
                    }
                }
                Err(SdkError::ServiceError(error)) if error.err().is_db_instance_not_found_fault() => {}
                Err(error) => {
                    let what = format!("describing instance {id} in {}", region(self));
                    return Err(StepError::aws(what, error));
                }
            }
        }
        Ok(Some(found))
    }
}

impl TakeSnapshot for Client {
    async fn take_snapshot(&self, cluster: &str, name: &str, tags: &Tags) -> Result<Answer, StepError> {
        let call = self
            .create_db_cluster_snapshot()
            .db_cluster_identifier(cluster)
            .db_cluster_snapshot_identifier(name)
            .set_tags(some(&aurora::sdk_tags(tags)));
        answer(call.send().await, is_state, || format!("taking snapshot {name} of {cluster}"))
    }
}

impl DeleteGlobalCluster for Client {
    async fn delete_global_cluster(&self, id: &str) -> Result<Answer, StepError> {
        let call = Client::delete_global_cluster(self).global_cluster_identifier(id);
        answer(call.send().await, is_state, || format!("deleting the empty global cluster {id}"))
    }
}

impl CreateGlobalCluster for Client {
    async fn create_global_cluster(&self, id: &str, source_arn: &str) -> Result<Answer, StepError> {
        // Engine, version and name of the database are those of the source (RDS API reference).
        let call = Client::create_global_cluster(self)
            .global_cluster_identifier(id)
            .source_db_cluster_identifier(source_arn);
        answer(call.send().await, is_state, || format!("creating global cluster {id} around {source_arn}"))
    }
}

impl RenameCluster for Client {
    async fn rename_cluster(&self, id: &str, name: &str) -> Result<Answer, StepError> {
        let call = self
            .modify_db_cluster()
            .db_cluster_identifier(id)
            .new_db_cluster_identifier(name)
            .apply_immediately(true);
        answer(call.send().await, is_state, || format!("renaming cluster {id} to {name}"))
    }
}

impl CreateSecondary for Client {
    async fn create_secondary(&self, new: NewSecondary<'_>) -> Result<Answer, StepError> {
        let made = &new.like.made;
        let scaling = made.serverless.map(|(min, max, pause)| {
            ServerlessV2ScalingConfiguration::builder()
                .min_capacity(min)
                .max_capacity(max)
                .set_seconds_until_auto_pause(pause)
                .build()
        });
        let call = self
            .create_db_cluster()
            .db_cluster_identifier(new.id)
            .global_cluster_identifier(new.global_cluster)
            .engine(new.engine)
            .engine_version(new.version)
            .set_port(made.port)
            .set_db_subnet_group_name(made.subnet_group.clone())
            .set_vpc_security_group_ids(some(&made.security_groups))
            .set_network_type(made.network_type.clone())
            .set_db_cluster_parameter_group_name(made.parameter_group.clone())
            .set_storage_encrypted(made.kms_key.as_ref().map(|_| true))
            .set_kms_key_id(made.kms_key.clone())
            .set_storage_type(made.storage_type.clone())
            .enable_iam_database_authentication(made.iam)
            .set_serverless_v2_scaling_configuration(scaling)
            .set_deletion_protection(made.deletion_protection)
            .set_backup_retention_period(made.backup_retention)
            .set_preferred_backup_window(made.backup_window.clone())
            .set_preferred_maintenance_window(made.maintenance_window.clone())
            .set_enable_cloudwatch_logs_exports(some(&made.log_exports))
            .set_copy_tags_to_snapshot(made.copy_tags)
            .set_enable_global_write_forwarding(made.write_forwarding)
            .set_engine_lifecycle_support(made.lifecycle_support.clone())
            .set_tags(some(&own_tags(&new.like.cluster.tags)));
        answer(call.send().await, is_state, || format!("creating secondary {} in {}", new.id, region(self)))
    }
}

impl CreateInstance for Client {
    async fn create_instance(&self, new: NewInstance<'_>) -> Result<Answer, StepError> {
        let like = new.like;
        let call = self
            .create_db_instance()
            .db_instance_identifier(&like.instance.id)
            .db_cluster_identifier(new.cluster)
            .engine(new.engine)
            .db_instance_class(&like.class)
            .set_db_parameter_group_name(like.parameter_group.clone())
            .set_ca_certificate_identifier(like.authority.clone())
            .set_promotion_tier(like.promotion_tier)
            .set_auto_minor_version_upgrade(like.minor_upgrades)
            .set_preferred_maintenance_window(like.maintenance_window.clone())
            .set_tags(some(&own_tags(&like.instance.tags)))
            .publicly_accessible(false);
        answer(call.send().await, is_state, || format!("creating instance {}", like.instance.id))
    }
}

/// A list for a request, which names none where it is empty.
fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// Those that are not AWS's own, which nobody else can set.
fn own_tags(tags: &Tags) -> Vec<Tag> {
    let own = |(key, _): &(String, String)| !key.starts_with("aws:") && !key.starts_with("rds:");
    aurora::sdk_tags(&tags.iter().filter(|tag| own(tag)).cloned().collect())
}

/// Whether an error says that things are not as they were seen, or not ready: RDS's `Invalid…State`, `…AlreadyExists` and
/// `…NotFound`, which end in `Fault` for some and not for others.
fn is_state(error: &impl ProvideErrorMetadata) -> bool {
    let code = error.code().unwrap_or_default().trim_end_matches("Fault");
    (code.starts_with("InvalidDB") || code.starts_with("InvalidGlobal")) && code.ends_with("State")
        || ["DBCluster", "DBInstance", "DBClusterSnapshot", "GlobalCluster"].iter().any(|kind| {
            code.strip_prefix(kind).is_some_and(|rest| rest == "AlreadyExists" || rest == "NotFound")
        })
}

fn owned(value: Option<&str>) -> Option<String> {
    value.map(str::to_owned)
}

fn blueprint(cluster: &DbCluster) -> Blueprint {
    let mut members: Vec<_> = cluster.db_cluster_members().iter().collect();
    members.sort_by_key(|one| one.is_cluster_writer() != Some(true));
    let instances = members.iter().filter_map(|one| one.db_instance_identifier());
    Blueprint {
        cluster: Cluster::from(cluster),
        created: cluster.cluster_create_time().and_then(aurora::timestamp),
        made: made(cluster),
        instances: instances.map(|id| InstanceBlueprint::plain(id, "")).collect(),
    }
}

fn made(cluster: &DbCluster) -> Made {
    let groups = cluster.vpc_security_groups().iter().filter_map(|one| one.vpc_security_group_id());
    let serverless = cluster.serverless_v2_scaling_configuration();
    let scaling = serverless
        .and_then(|one| Some((one.min_capacity()?, one.max_capacity()?, one.seconds_until_auto_pause())));
    Made {
        port: cluster.port(),
        subnet_group: owned(cluster.db_subnet_group()),
        security_groups: groups.map(str::to_owned).collect(),
        network_type: owned(cluster.network_type()),
        parameter_group: owned(cluster.db_cluster_parameter_group()),
        kms_key: owned(cluster.kms_key_id().filter(|_| cluster.storage_encrypted() == Some(true))),
        storage_type: owned(cluster.storage_type()),
        iam: cluster.iam_database_authentication_enabled() == Some(true),
        serverless: scaling,
        deletion_protection: cluster.deletion_protection(),
        backup_retention: cluster.backup_retention_period(),
        backup_window: owned(cluster.preferred_backup_window()),
        maintenance_window: owned(cluster.preferred_maintenance_window()),
        log_exports: cluster.enabled_cloudwatch_logs_exports().to_vec(),
        copy_tags: cluster.copy_tags_to_snapshot(),
        write_forwarding: cluster.global_write_forwarding_requested(),
        lifecycle_support: owned(cluster.engine_lifecycle_support()),
    }
}

fn instance_blueprint(instance: &DbInstance) -> InstanceBlueprint {
    let groups = instance.db_parameter_groups().first();
    InstanceBlueprint {
        instance: Instance::from(instance),
        class: instance.db_instance_class().unwrap_or_default().to_owned(),
        parameter_group: owned(groups.and_then(|one| one.db_parameter_group_name())),
        authority: owned(instance.ca_certificate_identifier()),
        promotion_tier: instance.promotion_tier(),
        minor_upgrades: instance.auto_minor_version_upgrade(),
        maintenance_window: owned(instance.preferred_maintenance_window()),
    }
}
