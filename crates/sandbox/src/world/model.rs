//! What Aurora has: global clusters and their members, clusters, instances, snapshots, and the events of RDS; and what Region
//! switch tells of its executions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::properties::Properties;
use crate::databases::Address;

/// A global cluster.
#[derive(Debug, Clone)]
pub struct Global {
    /// Identifier.
    pub id: String,
    /// Engine.
    pub engine: String,
    /// Members, the primary among them.
    pub members: Vec<GlobalMember>,
    /// What runs.
    pub operation: Option<Operation>,
    /// ARN of an old primary that was left by a failover and waits for its Region.
    pub abandoned: Option<String>,
}

/// A member of a global cluster.
#[derive(Debug, Clone)]
pub struct GlobalMember {
    /// ARN of the cluster.
    pub arn: String,
    /// Whether it is the primary.
    pub is_writer: bool,
    /// `connected` or `pending-resync`, whichever it shows.
    pub synchronization: &'static str,
}

/// A running failover or switchover.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `pending`, then `failing-over` or `switching-over`; `cancelling` after that where it failed, in one reading.
    pub status: &'static str,
    /// ARN of the old primary.
    pub from: String,
    /// ARN of the new one.
    pub to: String,
    /// Failover (true) or switchover.
    pub loss: bool,
}

/// A cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// ARN.
    pub arn: String,
    /// Status.
    pub status: &'static str,
    /// Engine.
    pub engine: String,
    /// Engine version.
    pub version: String,
    /// Database inside.
    pub database: String,
    /// Where its server is; restored clusters have none until they are available.
    pub address: Option<Address>,
    /// ARN of the KMS key by which its storage, and with it every snapshot of it, is encrypted.
    pub key: Option<String>,
    /// Whether it lets users in whom IAM vouches for.
    pub iam: bool,
    /// What else it was made with.
    pub properties: Properties,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
}

/// An instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// ARN.
    pub arn: String,
    /// ARN of its cluster.
    pub cluster: String,
    /// Class.
    pub class: String,
    /// What else it was made with.
    pub properties: Properties,
    /// Status.
    pub status: &'static str,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A snapshot of a cluster.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// ARN.
    pub arn: String,
    /// Identifier of the cluster it was taken of.
    pub cluster: String,
    /// `manual` or `automated`.
    pub kind: &'static str,
    /// Status.
    pub status: &'static str,
    /// Percent done.
    pub percent: u8,
    /// Engine.
    pub engine: String,
    /// Engine version.
    pub version: String,
    /// Database inside.
    pub database: String,
    /// ARN of the KMS key by which it is encrypted.
    pub key: Option<String>,
    /// The port that was asked for when its cluster was made.
    pub port: Option<u16>,
    /// When it was taken.
    pub created: Timestamp,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// An event of RDS.
#[derive(Debug, Clone)]
pub struct RdsEvent {
    /// When.
    pub at: Timestamp,
    /// Region.
    pub region: String,
    /// Identifier of the cluster or snapshot.
    pub source: String,
    /// `db-cluster` or `cluster-snapshot`.
    pub source_type: &'static str,
    /// Event id, such as `RDS-EVENT-0238`; empty for the sandbox's own words.
    pub id: &'static str,
    /// Message.
    pub message: String,
}

impl Global {
    /// ARN of the primary.
    pub fn writer(&self) -> Option<&str> {
        self.members.iter().find(|member| member.is_writer).map(|member| member.arn.as_str())
    }
}

impl RdsEvent {
    /// The type of the source in the words of `DescribeEvents`; EventBridge has others.
    pub fn api_source_type(&self) -> &'static str {
        if self.source_type == "cluster-snapshot" { "db-cluster-snapshot" } else { self.source_type }
    }

    /// The category, as the lists of RDS events in the Aurora user guide have it.
    pub fn category(&self) -> &'static str {
        match self.id {
            "RDS-EVENT-0170" => "creation",
            "RDS-EVENT-0171" => "deletion",
            _ if self.source_type == "cluster-snapshot" => "backup",
            "" => "notification",
            _ => "global failover",
        }
    }
}

impl Cluster {
    /// The port that was asked for when it was made.
    pub(in crate::world) fn asked_port(&self) -> Option<u16> {
        self.properties.get("Port")?.as_u64().and_then(|port| u16::try_from(port).ok())
    }
}

impl Snapshot {
    /// The entry for a snapshot of `cluster`.
    pub(in crate::world) fn of(
        cluster: &Cluster,
        arn: &str,
        kind: &'static str,
        status: &'static str,
        at: Timestamp,
    ) -> Self {
        Self {
            arn: arn.to_owned(),
            cluster: name_of(&cluster.arn).to_owned(),
            kind,
            status,
            percent: 0,
            engine: cluster.engine.clone(),
            version: cluster.version.clone(),
            database: cluster.database.clone(),
            key: cluster.key.clone(),
            port: cluster.asked_port(),
            created: at,
            tags: BTreeMap::new(),
        }
    }
}

/// The last part of an ARN.
pub fn name_of(arn: &str) -> &str {
    // Snapshot names have a colon of their own (`rds:…`): the name is all behind the sixth one.
    arn.splitn(7, ':').nth(6).unwrap_or(arn)
}

/// The Region in an ARN.
pub fn region_of(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

/// An execution of a plan of ARC Region switch, in the words of its API.
#[derive(Debug, Clone)]
pub struct PlanExecution {
    /// ARN of the plan.
    pub plan: String,
    /// Its id.
    pub id: String,
    /// `activate`, `deactivate` or `postRecovery`.
    pub action: &'static str,
    /// The Region that it is about.
    pub region: String,
    /// The only Region whose Region switch knows of it; `None`: that of every Region. AWS does not say which it is.
    pub known_in: Option<&'static str>,
    /// `graceful` or `ungraceful`.
    pub mode: &'static str,
    /// Such as `inProgress` or `completed`.
    pub state: &'static str,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended: Option<Timestamp>,
    /// Of a post-recovery: the execution that recovered.
    pub recovery: Option<String>,
    /// Its steps.
    pub steps: Vec<PlanStep>,
    /// The workflows of the plan, as the API has them.
    pub workflows: Value,
}

/// A step of an execution.
#[derive(Debug, Clone)]
pub struct PlanStep {
    /// Its name in the plan.
    pub name: String,
    /// Such as `running` or `completed`.
    pub status: &'static str,
    /// When it started; `None` before.
    pub started: Option<Timestamp>,
    /// When it ended; `None` before.
    pub ended: Option<Timestamp>,
}
