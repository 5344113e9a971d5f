//! What a plan says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Kind, StepError};
use crate::secret::SignIn;

/// The recovery plan of one application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecoveryPlan {
    /// Where this file's schema is, for editors; not read.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Name of the application: letters, digits, hyphens. Part of object keys and names.
    pub name: String,
    /// The two Regions, in no order.
    pub regions: [String; 2],
    /// Route 53 ARC routing controls. Absent where somebody else moves the traffic, such as ARC Region switch: the runbooks
    /// that move it themselves refuse such a plan, those that account for a failover don't need it.
    #[serde(default, deserialize_with = "routing_in_full", skip_serializing_if = "Routing::is_absent")]
    pub routing: Routing,
    /// The Aurora global databases, by a short name of yours.
    pub databases: BTreeMap<String, Database>,
    /// Budgets and limits.
    #[serde(default)]
    pub limits: Limits,
    /// How the application moves while both Regions are well.
    #[serde(default)]
    pub failback: Failback,
    /// When a failover may start by itself; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<Automatic>,
    /// That game days may be held: a Region of this application is broken on purpose, and it fails over. Absent: none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game_day: Option<GameDay>,
    /// Bucket for records and reports in each Region, by Region.
    pub report_buckets: BTreeMap<String, String>,
}

/// That game days may be held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GameDay {
    /// What this environment is called, such as `staging`: whoever holds a game day types it.
    pub environment: String,
}

/// Route 53 ARC routing controls of the plan.
///
/// A plan without routing has one without endpoints and controls, rather than none: all that it is asked for are these two
/// lists, and [`RecoveryPlan::require_routing`] is where a runbook says that it can't do without.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Routing {
    /// ARN of the ARC cluster; used only by `fill-endpoints`, ahead of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_arn: Option<String>,
    /// The cluster's five Regional endpoints. Kept here, because the control plane that lists them lives in one
    /// Region.
    pub endpoints: Vec<ArcEndpoint>,
    /// ARN of the routing control that lets traffic into each Region, by Region.
    pub controls: BTreeMap<String, String>,
    /// ARNs of the safety rules that a failover may break while the traffic is off: such as one that wants a Region to be on
    /// at all times. Those that its parameter names come to these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub safety_rules_to_override: Vec<String>,
}

impl Routing {
    /// Whether the plan has no routing.
    pub fn is_absent(&self) -> bool {
        self.endpoints.is_empty() && self.controls.is_empty()
    }
}

/// Reads a routing that is there: one with nothing in it is a mistake, not an absent one.
fn routing_in_full<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Routing, D::Error> {
    let routing = Routing::deserialize(deserializer)?;
    if routing.is_absent() {
        return Err(D::Error::custom(
            "it has neither endpoints nor controls: fill them in, or leave `routing` out",
        ));
    }
    Ok(routing)
}

/// One Regional endpoint of an ARC cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArcEndpoint {
    /// The Region the endpoint is in; requests to it are signed for this Region.
    pub region: String,
    /// Its URL.
    pub url: String,
}

/// Database engine of a global database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    /// Aurora MySQL.
    #[serde(rename = "aurora-mysql")]
    AuroraMysql,
    /// Aurora PostgreSQL.
    #[serde(rename = "aurora-postgresql")]
    AuroraPostgresql,
}

impl Engine {
    /// As RDS names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AuroraMysql => "aurora-mysql",
            Self::AuroraPostgresql => "aurora-postgresql",
        }
    }
}

/// One Aurora global database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Database {
    /// Its engine.
    pub engine: Engine,
    /// Identifier of the global cluster.
    pub global_cluster: String,
    /// Name of the database (the schema, in MySQL's words) inside it.
    pub database: String,
    /// Its member clusters, by Region.
    pub members: BTreeMap<String, Member>,
    /// What the reconcile compares.
    #[serde(default)]
    pub reconcile: Reconcile,
    /// What the missing-transaction report has to know of a table beyond what its schema says, by the table's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub report: BTreeMap<String, ReportTable>,
}

/// A global database's cluster in one Region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MemberFields", into = "MemberFields")]
pub struct Member {
    /// ARN of the cluster.
    pub cluster_arn: String,
    /// How the functions sign in.
    pub sign_in: SignIn,
    /// How the function signs in that puts rows back; absent: as the others do.
    pub replay: Option<SignIn>,
    /// How a snapshot is restored in this Region.
    pub restore: Restore,
}

/// A global database's cluster in one Region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MemberFields {
    /// ARN of the cluster.
    cluster_arn: String,
    /// Name or ARN of the secret with user and password, in the same Region. This, or `iamUser`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Database user who signs in by IAM database authentication, without a password. This, or `secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iam_user: Option<String>,
    /// Name or ARN of the secret of a user who may also insert, for the replay of lost rows; without it and
    /// `replayIamUser`, the replay signs in as the others do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replay_secret: Option<String>,
    /// The same, for a database user who signs in by IAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replay_iam_user: Option<String>,
    /// How a snapshot is restored in this Region.
    #[serde(default)]
    restore: Restore,
}

impl TryFrom<MemberFields> for Member {
    type Error = &'static str;

    fn try_from(fields: MemberFields) -> Result<Self, Self::Error> {
        let MemberFields { cluster_arn, secret, iam_user, replay_secret, replay_iam_user, restore } = fields;
        let sign_in = match (secret, iam_user) {
            (Some(secret), None) => SignIn::Secret(secret),
            (None, Some(user)) => SignIn::Iam(user),
            _ => return Err("a member must have either `secret` or `iamUser`"),
        };
        let replay = match (replay_secret, replay_iam_user) {
            (Some(secret), None) => Some(SignIn::Secret(secret)),
            (None, Some(user)) => Some(SignIn::Iam(user)),
            (None, None) => None,
            _ => return Err("a member has both `replaySecret` and `replayIamUser`: remove one"),
        };
        Ok(Self { cluster_arn, sign_in, replay, restore })
    }
}

impl From<Member> for MemberFields {
    fn from(member: Member) -> Self {
        let apart = |sign_in: Option<SignIn>| match sign_in {
            Some(SignIn::Secret(secret)) => (Some(secret), None),
            Some(SignIn::Iam(user)) => (None, Some(user)),
            None => (None, None),
        };
        let (secret, iam_user) = apart(Some(member.sign_in));
        let (replay_secret, replay_iam_user) = apart(member.replay);
        Self {
            cluster_arn: member.cluster_arn,
            secret,
            iam_user,
            replay_secret,
            replay_iam_user,
            restore: member.restore,
        }
    }
}

impl JsonSchema for Member {
    fn schema_name() -> Cow<'static, str> {
        "Member".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        MemberFields::json_schema(generator)
    }
}

impl Member {
    /// How the functions sign in.
    pub fn sign_in(&self) -> SignIn {
        self.sign_in.clone()
    }

    /// How the function signs in that puts rows back.
    pub fn replay_sign_in(&self) -> SignIn {
        self.replay.clone().unwrap_or_else(|| self.sign_in())
    }

    /// The cluster's identifier, the last part of its ARN.
    pub fn cluster(&self) -> &str {
        self.cluster_arn.rsplit(':').next().unwrap_or(&self.cluster_arn)
    }
}

/// How a snapshot is restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Restore {
    /// Class of the one instance, `db.serverless` included.
    pub instance_class: String,
    /// DB subnet group; the default one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_group: Option<String>,
    /// VPC security groups; the VPC's default one when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
    /// DB cluster parameter group in this Region; when absent, that of the cluster that the plan has here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_group: Option<String>,
    /// KMS key in this Region for a snapshot copied here from the other; needed when snapshots are encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

impl Default for Restore {
    fn default() -> Self {
        Self {
            instance_class: "db.r6g.large".into(),
            subnet_group: None,
            security_groups: Vec::new(),
            parameter_group: None,
            kms_key: None,
        }
    }
}

/// What the reconcile compares.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Reconcile {
    /// Tables to compare; every base table when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Tables to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Columns to leave out, each as `table.column`: a table of which a column was not compared is else never just alike.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_columns: Vec<String>,
    /// What says which of the two primaries wrote a row that differs.
    #[serde(skip_serializing_if = "BaseSource::is_default")]
    pub base: BaseSource,
    /// How many connections to either side a large table is compared over, 1 to 16: the time falls with them until a server has
    /// no core left. 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u8>,
    /// From which size on the database is compared by many functions at once; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distributed: Option<Distributed>,
}

/// How a database is compared for which one function is too slow: a state machine compares ranges of its tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Distributed {
    /// It is distributed when its tables have more rows than this together, by the new primary's estimate.
    pub above_rows: u64,
    /// How many ranges are compared at once, 1 to 64, each over one connection to either side: as many as the databases bear. Of
    /// several databases' the smallest counts.
    pub concurrency: u16,
    /// About how many rows a range has; 10,000,000 when absent. A table has 1,000 ranges at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_rows: Option<u64>,
}

impl Distributed {
    /// [`Self::range_rows`] where the plan has none: some minutes.
    pub const RANGE_ROWS: u64 = 10_000_000;
}

/// What says which of the two primaries wrote a row that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BaseSource {
    /// The new primary as it was when it took over: the failover asks for a snapshot of it, and the reconcile restores that beside
    /// the old primary's. It costs the storage of the snapshot, until that is deleted, and a second restored cluster.
    #[default]
    Snapshot,
    /// The rows' times alone.
    None,
}

impl BaseSource {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the missing-transaction report has to know of a table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReportTable {
    /// What its rows are called in sentences, many of them: `orders`. The table's name when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Column with the time of the last write, set by every write, in UTC. Found by its name when absent; empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<String>,
    /// Column with the time of the row's creation, in UTC. Found by its name when absent; empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Columns with personal data: masked in the page, the JSON and the CSV, never in `replay.sql`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub personal: Vec<String>,
    /// Column with what a row is worth, an exact number: the report adds up that of the missing rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Column with the currency of `amount`: sums are told apart by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What its rows belong to, where the schema has no foreign key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
    /// The parent table that its rows are a part of, as an item is of an order. Guessed from the keys when absent; empty:
    /// none, they stand for themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
}

/// What a row belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relation {
    /// The row's columns.
    pub columns: Vec<String>,
    /// The table that it belongs to.
    pub parent: String,
    /// That table's columns, in the same order.
    pub parent_columns: Vec<String>,
}

/// Budgets and limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds of writes that may be lost: a larger replication lag before a failover needs approval.
    pub rpo_seconds: u32,
    /// What to do when more may be lost, or how much is not known.
    pub beyond_rpo: BeyondRpo,
    /// Seconds the application may be down; reports compare with it.
    pub rto_seconds: u32,
    /// Minutes after a failover in which no other is started.
    pub cooldown_minutes: u32,
    /// Minutes after which a failover that was not seen to end no longer keeps others from starting.
    pub lock_minutes: u32,
    /// Minutes after which a promotion that is not finished counts as failed.
    pub promotion_minutes: u32,
    /// Minutes after which a restore that is not finished counts as failed.
    pub restore_minutes: u32,
    /// Seconds by which the clocks of two writers may differ: in the report, times nearer than that to a moment of the
    /// failover prove nothing.
    pub clock_margin_seconds: u32,
    /// Minutes after which a replay stops that has not put every row back; the next one goes on.
    pub replay_minutes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rpo_seconds: 60,
            beyond_rpo: BeyondRpo::default(),
            rto_seconds: 900,
            cooldown_minutes: 60,
            lock_minutes: 240,
            promotion_minutes: 60,
            restore_minutes: 360,
            clock_margin_seconds: 5,
            replay_minutes: 360,
        }
    }
}

/// What a failover does when more may be lost than `rpoSeconds`, or how much is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BeyondRpo {
    /// It waits for an approval.
    #[default]
    Ask,
    /// It goes on: being up is worth more than what is lost.
    GoOn,
}

/// What has to be seen before a failover starts by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Automatic {
    /// How many signals have to say that a Region is ill before the other takes over.
    pub quorum: usize,
    /// What tells how a Region is, by the Region that it tells of.
    pub signals: BTreeMap<String, Vec<Signal>>,
}

/// A CloudWatch metric alarm that tells how a Region is: of a canary, a load balancer, a health check. It has to treat
/// missing data as missing: what is not known is no evidence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signal {
    /// Its name.
    pub alarm: String,
    /// The Region that it is in, of the plan's two.
    pub region: String,
}

/// How the application moves while both Regions are well: by switchover, nothing lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Failback {
    /// What goes first.
    pub strategy: Strategy,
    /// Seconds that a secondary may be behind. A switchover waits without writes for what is missing, so this much is
    /// added to the write outage.
    pub lag_seconds: u32,
}

impl Default for Failback {
    fn default() -> Self {
        Self { strategy: Strategy::default(), lag_seconds: 10 }
    }
}

/// What goes first in a switchover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The databases, then the traffic: for an application that writes to the cluster of its own Region. Until the
    /// traffic has followed, it reads where it is and can't write.
    #[default]
    DatabasesFirst,
    /// The traffic, then the databases: for an application that reaches the primary from either Region, by the global
    /// writer endpoint or by write forwarding. It can't write while the databases change their roles, and no longer.
    TrafficFirst,
}

impl RecoveryPlan {
    /// Checks that `region` is one of the plan's two; `role` says what it is, for the error.
    ///
    /// # Errors
    /// [`Kind::BadEvent`] when it is not.
    pub fn require_region(&self, region: &str, role: &str) -> Result<(), StepError> {
        if self.regions.iter().any(|known| known == region) {
            return Ok(());
        }
        Err(StepError::new(
            Kind::BadEvent,
            format!("{role} {region:?} is not a Region of plan {}", self.name),
            format!("use {} or {}", self.regions[0], self.regions[1]),
        ))
    }

    /// Checks that the plan says how traffic is moved; `who` needs it, for the error.
    ///
    /// # Errors
    /// [`Kind::BadPlan`] when it does not.
    pub fn require_routing(&self, who: &str) -> Result<(), StepError> {
        if !self.routing.is_absent() {
            return Ok(());
        }
        Err(StepError::new(
            Kind::BadPlan,
            format!("plan {} has no `routing`, and {who} moves traffic: nothing was changed", self.name),
            "let the system move it that does so for this plan, such as ARC Region switch, or add `routing` to the plan",
        ))
    }

    /// The plan's other Region. `region` must be one of the two, see [`Self::require_region`].
    pub fn other_region(&self, region: &str) -> &str {
        if self.regions[0] == region { &self.regions[1] } else { &self.regions[0] }
    }

    /// The report bucket of a Region of the plan.
    ///
    /// # Errors
    /// [`Kind::BadPlan`] when there is none, which a valid plan has for both of its Regions.
    pub fn report_bucket(&self, region: &str) -> Result<&str, StepError> {
        self.report_buckets.get(region).map(String::as_str).ok_or_else(|| {
            let what = format!("plan {} has no report bucket in {region}", self.name);
            StepError::new(Kind::BadPlan, what, "add one to `reportBuckets` of the plan")
        })
    }

    /// The JSON Schema of a plan.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}
