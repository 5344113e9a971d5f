//! What there is for one global database, in both Regions.

use runbook::aurora::{self, DescribeGlobalCluster, ListSnapshots};
use runbook::plan::Database;
use runbook::{RecoveryPlan, StepError};

use super::calls::DescribeBlueprint;
use super::decide::{Seen, taken_of};

/// The plan's names of a database's clusters: of the one in the Region that took over, and of the old primary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clusters<'a> {
    /// Identifier of the one here.
    pub(super) here: &'a str,
    /// Identifier of the other one.
    pub(super) there: &'a str,
    /// Its ARN.
    pub(super) there_arn: &'a str,
    /// Class of an instance there, where the old primary has none to show.
    pub(super) class: &'a str,
}

impl<'a> Clusters<'a> {
    /// # Errors
    /// When the plan has no member in one of its Regions, which a valid one has.
    pub(super) fn of(plan: &RecoveryPlan, database: &'a Database, target: &str) -> Result<Self, StepError> {
        let other = plan.other_region(target);
        let member = |region: &str| {
            database
                .members
                .get(region)
                .ok_or_else(|| aurora::missing("member of the plan", &database.global_cluster, region))
        };
        let (here, there) = (member(target)?, member(other)?);
        Ok(Self {
            here: here.cluster(),
            there: there.cluster(),
            there_arn: &there.cluster_arn,
            class: &there.restore.instance_class,
        })
    }
}

/// Looks at everything there is for one global database; the clients are those of the two Regions.
///
/// # Errors
/// When a Region can't be asked, or the cluster here is not there.
pub(super) async fn observe<C>(
    [here, there]: [&C; 2],
    target: &str,
    global_cluster: &str,
    clusters: Clusters<'_>,
) -> Result<Seen, StepError>
where
    C: DescribeGlobalCluster + DescribeBlueprint + ListSnapshots,
{
    let old = there.describe_blueprint(clusters.there).await?;
    let global = here.describe_global_cluster(global_cluster).await?;
    let own = here.describe_blueprint(clusters.here).await?;
    let own = own.ok_or_else(|| aurora::missing("cluster", clusters.here, target))?;
    let snapshots = taken_of(there.list_snapshots(Some("manual")).await?, clusters.there_arn);
    let mut kept = None;
    for snapshot in snapshots.iter().rev() {
        kept = there.describe_blueprint(&snapshot.id).await?;
        if kept.is_some() {
            break;
        }
    }
    Ok(Seen { global, here: own, there: old, snapshots, kept })
}
