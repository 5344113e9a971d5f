//! What the target Region sees of every global cluster of the plan.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use runbook::StepError;
use runbook::aurora::{self, Cluster, DescribeCluster, DescribeGlobalCluster, GlobalCluster};
use runbook::plan::Member;
use runbook::step::Mode;

use super::decide::{Decision, decide, decide_detach};
use crate::run::Run;

/// What the target Region sees of a global cluster.
pub(super) struct Seen {
    pub(super) global: GlobalCluster,
    /// Its own cluster of the plan; looked at only for a detach.
    cluster: Option<Cluster>,
}

impl Seen {
    pub(super) fn decide(&self, target: &str, mode: Mode) -> Decision {
        match &self.cluster {
            Some(cluster) => decide_detach(&self.global, cluster, target),
            None => decide(&self.global, target, mode),
        }
    }

    /// The cluster, when it has left the global cluster and takes writes.
    pub(super) fn detached(&self, target: &str) -> Option<&Cluster> {
        let cluster = self.cluster.as_ref()?;
        (self.global.member_in(target).is_none() && cluster.status == "available").then_some(cluster)
    }
}

/// The plan's names for each global cluster: two of its databases may live in one, which is promoted once.
pub(super) type Names<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// Looks at every global cluster.
///
/// # Errors
/// When the target Region can't be asked, or what the plan names is not there.
pub(super) async fn observe(
    client: &(impl DescribeGlobalCluster + DescribeCluster),
    run: &Run<'_>,
    names: &Names<'_>,
    mode: Mode,
) -> Result<Vec<Seen>, StepError> {
    let target = run.target;
    try_join_all(names.iter().map(async |(id, names)| {
        // The cluster before the global cluster: one that is seen to be available had left by then, if it has left.
        let cluster = match mode {
            Mode::Failover | Mode::Switchover => None,
            Mode::Detach => {
                // Validation guarantees a member in each Region.
                let member =
                    names.first().and_then(|name| run.plan.databases.get(*name)?.members.get(target));
                let member = member.map(Member::cluster).unwrap_or_default();
                let cluster = client.describe_cluster(member).await?;
                Some(cluster.ok_or_else(|| aurora::missing("cluster", member, target))?)
            }
        };
        let global = client.describe_global_cluster(id).await?;
        let global = global.ok_or_else(|| aurora::missing("global cluster", id, target))?;
        Ok(Seen { global, cluster })
    }))
    .await
}
