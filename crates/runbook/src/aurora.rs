//! Aurora's things as the steps see them: global clusters, clusters, instances, snapshots, and what AWS answers to a call. Plain
//! data, read and changed through narrow traits, one for each operation of the API. Each is implemented for the SDK's client
//! of one Region.
//!
//! Facts: `FailoverState` is absent or empty when nothing runs, its status `switching-over` is documented but not in
//! the SDK's enum; `GlobalCluster.Status` is a free string (AWS API reference and the SDK's service model).

use aws_sdk_rds::Client;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::operation::describe_db_cluster_snapshots::builders::DescribeDBClusterSnapshotsFluentBuilder;
use aws_sdk_rds::primitives::DateTime;
use aws_sdk_rds::types::{DbCluster, DbClusterSnapshot, DbInstance, GlobalCluster as SdkGlobalCluster, Tag};
use jiff::Timestamp;

use crate::error::{Kind, StepError};
use crate::plan::Database;

/// A global cluster.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GlobalCluster {
    /// Its identifier.
    pub id: String,
    /// Its status, such as `available`.
    pub status: String,
    /// The member clusters.
    pub members: Vec<GlobalMember>,
    /// The operation that runs, if any.
    pub operation: Option<Operation>,
}

/// A member of a global cluster.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GlobalMember {
    /// ARN of the cluster.
    pub cluster_arn: String,
    /// Whether it is the primary.
    pub is_writer: bool,
    /// `connected`, `pending-resync`, or absent.
    pub synchronization: Option<String>,
}

/// A switchover or failover that runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// `pending`, `failing-over`, `switching-over`, `cancelling`.
    pub status: String,
    /// ARN of the cluster that is demoted.
    pub from: String,
    /// ARN of the cluster that is promoted.
    pub to: String,
    /// Failover (true) or switchover (false).
    pub data_loss_allowed: bool,
}

/// A cluster in one Region.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Its identifier.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its status, such as `available`.
    pub status: String,
    /// `aurora-mysql` or `aurora-postgresql`.
    pub engine: String,
    /// Engine version, such as `8.0.mysql_aurora.3.08.0`.
    pub engine_version: String,
    /// Writer endpoint.
    pub endpoint: Option<String>,
    /// Reader endpoint: of a global secondary the one that answers.
    pub reader_endpoint: Option<String>,
    /// Port of the endpoint.
    pub port: Option<i32>,
    /// Identifiers of its instances.
    pub instances: Vec<String>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// Tags, key and value.
pub type Tags = Vec<(String, String)>;

/// Value of a tag.
pub fn tag<'a>(tags: &'a Tags, key: &str) -> Option<&'a str> {
    tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// The tags for a request.
pub fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// A database instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its identifier.
    pub id: String,
    /// Identifier of its cluster; absent when it is in none.
    pub cluster: Option<String>,
    /// Its status, such as `available`.
    pub status: String,
    /// Its tags.
    pub tags: Tags,
}

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
    /// When it was taken; absent while it is being taken. For a copy: when it was copied.
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

/// The Region in an ARN; empty when there is none.
pub fn region_of(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

impl GlobalCluster {
    /// The member in `region`.
    pub fn member_in(&self, region: &str) -> Option<&GlobalMember> {
        self.members.iter().find(|member| region_of(&member.cluster_arn) == region)
    }

    /// The members that are primary. Exactly one, but for moments of a failover.
    pub fn writers(&self) -> impl Iterator<Item = &GlobalMember> {
        self.members.iter().filter(|member| member.is_writer)
    }
}

/// Reads a global cluster; `None` when there is none of this name.
pub trait DescribeGlobalCluster {
    /// The global cluster as the Region of this client sees it.
    fn describe_global_cluster(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<GlobalCluster>, StepError>> + Send;
}

/// Reads a cluster; `None` when there is none of this name.
pub trait DescribeCluster {
    /// The cluster in the Region of this client.
    fn describe_cluster(&self, id: &str) -> impl Future<Output = Result<Option<Cluster>, StepError>> + Send;
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

/// What AWS said to a call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was accepted. That says nothing about its end.
    Accepted,
    /// The state of the thing, or of one that it needs, is not as it was seen, or forbids it; AWS's message. Look again.
    Rejected(String),
}

/// Takes a cluster out of its global cluster: it becomes a cluster of its own, "with read-write capability instead of being
/// read-only" (RDS API reference, `RemoveFromGlobalCluster`). The primary can only be the last to go.
pub trait RemoveFromGlobalCluster {
    /// Starts it; the client is one of the cluster's Region.
    fn remove_from_global_cluster(
        &self,
        id: &str,
        cluster_arn: &str,
    ) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// The answer to a call that changes something. `rejects` tells which of its errors are a rejection; any other is this step's
/// error, of which `what` says what was being done.
///
/// # Errors
/// What AWS answered, when it is no rejection, or that nothing was answered.
pub fn answer<T, E>(
    result: Result<T, SdkError<E>>,
    rejects: impl FnOnce(&E) -> bool,
    what: impl FnOnce() -> String,
) -> Result<Answer, StepError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(Answer::Accepted),
        Err(SdkError::ServiceError(error)) if rejects(error.err()) => {
            Ok(Answer::Rejected(message(error.err())))
        }
        Err(error) => Err(StepError::aws(what(), error)),
    }
}

/// The service's words on one line, else its error code.
fn message(error: &impl ProvideErrorMetadata) -> String {
    let text = error.message().or(error.code()).unwrap_or("no reason given");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A database's cluster in one Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// Its identifier.
    pub id: String,
    /// What it is in its global cluster.
    pub role: Role,
}

/// What a cluster is in its global cluster, which has one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The primary.
    Writer,
    /// A secondary.
    Reader {
        /// The Region of the primary.
        writer: String,
        /// See [`GlobalMember::synchronization`].
        synchronization: Option<String>,
    },
}

/// The member of a database's global cluster in `region`, when that has one writer.
///
/// # Errors
/// Why it can't be told, for a person.
pub fn cluster_here(
    name: &str,
    database: &Database,
    global: Option<&GlobalCluster>,
    region: &str,
) -> Result<Here, String> {
    let id = &database.global_cluster;
    let Some(global) = global else {
        return Err(format!("database {name}: there is no global cluster {id} in {region}"));
    };
    let Some(member) = global.member_in(region) else {
        return Err(format!(
            "database {name}: global cluster {id} has no member in {region}: after a failover by detaching, the runbook \
             rebuild makes it one again and keeps a snapshot of the old primary; run that first"
        ));
    };
    let writers = global.writers().collect::<Vec<_>>();
    let [writer] = writers[..] else {
        return Err(format!(
            "database {name}: global cluster {id} has {} writers: wait until it has one",
            writers.len()
        ));
    };
    let role = match region_of(&writer.cluster_arn) {
        at if at == region => Role::Writer,
        at => Role::Reader { writer: at.to_owned(), synchronization: member.synchronization.clone() },
    };
    Ok(Here { id: member.cluster_arn.rsplit(':').next().unwrap_or_default().to_owned(), role })
}

/// Identifier of the global cluster's one writer, when it is in `region`.
///
/// # Errors
/// Why not, for a person who wants to put rows back.
pub fn writer_here(
    name: &str,
    database: &Database,
    global: Option<&GlobalCluster>,
    region: &str,
) -> Result<String, String> {
    match cluster_here(name, database, global, region)? {
        Here { id, role: Role::Writer } => Ok(id),
        Here { role: Role::Reader { writer, .. }, .. } => Err(format!(
            "database {name}: the writer of global cluster {} is in {writer}, and rows are put back into a writer in {region}: \
             run replay.sql of the report against the writer, or move the databases to {region} first with the runbook \
             failback, started there",
            database.global_cluster
        )),
    }
}

/// The Region of a client, for an error's text.
pub fn region(client: &Client) -> String {
    client.config().region().map(ToString::to_string).unwrap_or_default()
}

/// A time of the SDK; absent when it is beyond what a [`Timestamp`] holds.
pub fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

impl DescribeGlobalCluster for Client {
    async fn describe_global_cluster(&self, id: &str) -> Result<Option<GlobalCluster>, StepError> {
        match self.describe_global_clusters().global_cluster_identifier(id).send().await {
            Ok(answer) => Ok(answer.global_clusters().first().map(GlobalCluster::from)),
            Err(SdkError::ServiceError(error)) if error.err().is_global_cluster_not_found_fault() => Ok(None),
            Err(error) => {
                Err(StepError::aws(format!("describing global cluster {id} in {}", region(self)), error))
            }
        }
    }
}

impl DescribeCluster for Client {
    async fn describe_cluster(&self, id: &str) -> Result<Option<Cluster>, StepError> {
        match self.describe_db_clusters().db_cluster_identifier(id).send().await {
            Ok(answer) => Ok(answer.db_clusters().first().map(Cluster::from)),
            Err(SdkError::ServiceError(error)) if error.err().is_db_cluster_not_found_fault() => Ok(None),
            Err(error) => Err(StepError::aws(format!("describing cluster {id} in {}", region(self)), error)),
        }
    }
}

/// All pages of a list of snapshots; a snapshot or cluster that does not exist gives none.
///
/// # Errors
/// With `what` was asked, when AWS refuses.
pub async fn snapshots(
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

impl RemoveFromGlobalCluster for Client {
    async fn remove_from_global_cluster(&self, id: &str, cluster_arn: &str) -> Result<Answer, StepError> {
        let call = Client::remove_from_global_cluster(self)
            .global_cluster_identifier(id)
            .db_cluster_identifier(cluster_arn);
        // Not found: it is no member any more, or the global cluster is gone. The next look tells.
        answer(
            call.send().await,
            |error| {
                error.is_invalid_global_cluster_state_fault()
                    || error.is_invalid_db_cluster_state_fault()
                    || error.is_db_cluster_not_found_fault()
                    || error.is_global_cluster_not_found_fault()
            },
            || format!("removing {cluster_arn} from global cluster {id}"),
        )
    }
}

/// The error for something the plan names that does not exist.
pub fn missing(kind_of_thing: &str, id: &str, region: &str) -> StepError {
    StepError::new(
        Kind::BadPlan,
        format!("there is no {kind_of_thing} {id} in {region}"),
        "correct the plan, or create it",
    )
}

impl From<&SdkGlobalCluster> for GlobalCluster {
    fn from(cluster: &SdkGlobalCluster) -> Self {
        let operation = cluster.failover_state().and_then(|state| {
            // An idle global cluster may carry an empty structure.
            let status = state.status()?.as_str().to_owned();
            Some(Operation {
                status,
                from: text(state.from_db_cluster_arn()),
                to: text(state.to_db_cluster_arn()),
                data_loss_allowed: state.is_data_loss_allowed().unwrap_or_default(),
            })
        });
        Self {
            id: text(cluster.global_cluster_identifier()),
            status: text(cluster.status()),
            members: cluster
                .global_cluster_members()
                .iter()
                .map(|member| GlobalMember {
                    cluster_arn: text(member.db_cluster_arn()),
                    is_writer: member.is_writer().unwrap_or_default(),
                    synchronization: member.synchronization_status().map(|status| status.as_str().to_owned()),
                })
                .collect(),
            operation,
        }
    }
}

/// What a list or description always has; empty where AWS leaves it out all the same.
fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

fn read_tags(tags: &[Tag]) -> Tags {
    tags.iter().map(|tag| (text(tag.key()), text(tag.value()))).collect()
}

impl From<&DbClusterSnapshot> for Snapshot {
    fn from(snapshot: &DbClusterSnapshot) -> Self {
        Self {
            id: text(snapshot.db_cluster_snapshot_identifier()),
            arn: text(snapshot.db_cluster_snapshot_arn()),
            cluster: text(snapshot.db_cluster_identifier()),
            status: text(snapshot.status()),
            created: snapshot.snapshot_create_time().and_then(timestamp),
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
            cluster: instance.db_cluster_identifier().map(str::to_owned),
            status: text(instance.db_instance_status()),
            tags: read_tags(instance.tag_list()),
        }
    }
}

impl From<&DbCluster> for Cluster {
    fn from(cluster: &DbCluster) -> Self {
        Self {
            id: text(cluster.db_cluster_identifier()),
            arn: text(cluster.db_cluster_arn()),
            status: text(cluster.status()),
            engine: text(cluster.engine()),
            engine_version: text(cluster.engine_version()),
            endpoint: cluster.endpoint().map(str::to_owned),
            reader_endpoint: cluster.reader_endpoint().map(str::to_owned),
            created: cluster.cluster_create_time().and_then(timestamp),
            port: cluster.port(),
            instances: cluster
                .db_cluster_members()
                .iter()
                .map(|member| text(member.db_instance_identifier()))
                .collect(),
            tags: read_tags(cluster.tag_list()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(writers: &[bool; 2]) -> GlobalCluster {
        let member = |side: &str, is_writer| GlobalMember {
            cluster_arn: format!("arn:aws:rds:sandbox-{side}:000000000000:cluster:shop-orders-{side}"),
            is_writer,
            synchronization: None,
        };
        GlobalCluster {
            id: "shop-orders".into(),
            status: "available".into(),
            members: vec![member("east", writers[0]), member("west", writers[1])],
            operation: None,
        }
    }

    #[test]
    fn only_the_one_writer_here_is_the_new_primary() {
        let plan = crate::plan::sample();
        let ask = |global: Option<&GlobalCluster>| {
            writer_here("orders", &plan.databases["orders"], global, "sandbox-west")
        };
        assert_eq!(ask(Some(&global(&[false, true]))), Ok("shop-orders-west".into()));
        assert!(
            ask(Some(&global(&[true, false])))
                .unwrap_err()
                .contains("is in sandbox-east, and rows are put back into a writer in sandbox-west")
        );
        assert!(ask(Some(&global(&[true, true]))).unwrap_err().contains("2 writers"));
        assert!(ask(Some(&global(&[false, false]))).unwrap_err().contains("0 writers"));
        assert!(ask(None).unwrap_err().contains("no global cluster shop-orders"));
        let mut left = global(&[true, false]);
        left.members.pop();
        assert!(ask(Some(&left)).unwrap_err().contains("run that first"));
    }
}
