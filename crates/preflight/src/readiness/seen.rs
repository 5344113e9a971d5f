//! What a readiness check has seen, before anything is decided.

use std::collections::BTreeMap;

use runbook::RecoveryPlan;
use runbook::aurora::{Cluster, GlobalCluster, Instance};
use runbook::lag::Lag;
use runbook::record::FailoverRecord;
use table_diff::Rights;

use crate::asking::Answer;
use crate::permissions::Need;
use crate::rules::Rule;
use crate::traffic::States;
use crate::world::{Alarm, Details, Quota};

/// Everything that was seen.
#[derive(Debug, Clone)]
pub struct ReadinessSeen {
    /// The plan in the other Region.
    pub other_plan: Answer<RecoveryPlan>,
    /// By database.
    pub databases: BTreeMap<String, DatabaseSeen>,
    /// What each ARC endpoint answered, by its Region.
    pub arc: BTreeMap<String, Answer<States>>,
    /// ARC's safety rules on the panels of the plan's routing controls.
    pub rules: Answer<Vec<Rule>>,
    /// Whether each Region's report bucket can be read.
    pub buckets: BTreeMap<String, Answer<Option<FailoverRecord>>>,
    /// The alarms of `automatic` by Region and name.
    pub alarms: BTreeMap<String, Answer<BTreeMap<String, Alarm>>>,
    /// Quotas by Region and name.
    pub quotas: BTreeMap<String, Answer<BTreeMap<String, Quota>>>,
    /// What the stack's roles need, and on which of the resources they may not do it.
    pub permissions: Answer<Vec<(Need, Answer<Vec<String>>)>>,
}

/// What was seen of a database.
#[derive(Debug, Clone)]
pub struct DatabaseSeen {
    /// The global cluster, as this Region sees it.
    pub global: Answer<Option<GlobalCluster>>,
    /// Its members' clusters by Region.
    pub members: BTreeMap<String, MemberSeen>,
    /// Whether this Region's secret can be read.
    pub secret: Answer<()>,
    /// Whether this Region's reader endpoint lets its user in; `Ok` too when there is nothing to connect to, which is a
    /// finding elsewhere.
    pub signed_in: Answer<()>,
    /// What that user may do there; `None` where it was not asked.
    pub rights: Answer<Option<Rights>>,
    /// The same of the user who puts rows back.
    pub replay_rights: Answer<Option<Rights>>,
}

/// What was seen of a member.
#[derive(Debug, Clone)]
pub struct MemberSeen {
    /// The cluster.
    pub cluster: Answer<Option<Cluster>>,
    /// Its instances.
    pub instances: Answer<Vec<Instance>>,
    /// Whether its storage is encrypted, and where it is read.
    pub details: Answer<Details>,
    /// Its replication lag; `None` when CloudWatch has no value.
    pub lag: Answer<Option<Lag>>,
}
