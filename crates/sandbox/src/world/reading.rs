//! Where AWS's documents leave open what happens: the sides that the world can take.

use super::model::GlobalMember;

/// What AWS does where its documents leave it open: the world takes either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Whether the snapshots of a cluster that is renamed name it by its new identifier from then on. AWS says only that
    /// they are kept ("Renaming a DB cluster", Aurora user guide).
    pub snapshots_follow_a_rename: bool,
    /// The dimensions of the replication lag's metrics.
    pub lag_dimensions: LagDimensions,
    /// Whether the two clusters of a failover or switchover are `failing-over` meanwhile, and their instances `rebooting`; else
    /// they stay `available`. The guide has the statuses for a failover inside a cluster and says nothing of one between
    /// Regions.
    pub members_fail_over: bool,
    /// Whether a cluster that is restored from a snapshot is `migrating` ("A DB cluster snapshot is being restored to a DB
    /// cluster", says the guide's table); else it is `creating`, as the answer of the API's example.
    pub restored_migrate: bool,
    /// Whether nothing is ever `failed`: a cluster that can't be restored is `migration-failed`, which the guide has, and a
    /// snapshot that can't be taken or copied, of whose statuses the API has none for it, is gone.
    pub nothing_is_failed: bool,
    /// Whether a failover or switchover that fails is `cancelling` for a while; else it is over at once.
    pub failed_operations_cancel: bool,
    /// Whether Aurora rebuilds an old primary of which it could take no snapshot. The guide has "attempts to".
    pub rebuilt_without_snapshot: bool,
    /// Whether a member that does not follow its primary yet, such as the old primary after a failover, is seen as `connected`
    /// all the same. The API has `pending-resync` as a value, and nowhere says when.
    pub resync_unseen: bool,
}

impl Reading {
    /// Every side of each, as the runbooks take it; and every combination of the states that are shown.
    pub const ALL: [Self; 4] = [
        Self::of(LagDimensions::Cluster, [false; 7]),
        Self::of(LagDimensions::ClusterAndSource, [true, false, true, false, false, true, true]),
        Self::of(LagDimensions::ClusterAndSource, [false, true, false, true, true, false, true]),
        Self::of(LagDimensions::Cluster, [true; 7]),
    ];

    /// The others in the order in which they are declared.
    const fn of(lag_dimensions: LagDimensions, others: [bool; 7]) -> Self {
        Self {
            snapshots_follow_a_rename: others[0],
            lag_dimensions,
            members_fail_over: others[1],
            restored_migrate: others[2],
            nothing_is_failed: others[3],
            failed_operations_cancel: others[4],
            rebuilt_without_snapshot: others[5],
            resync_unseen: others[6],
        }
    }

    /// The status of a cluster that is being restored.
    pub(crate) fn restoring(self) -> &'static str {
        if self.restored_migrate { "migrating" } else { "creating" }
    }

    /// The status of a cluster that could not be restored.
    pub(crate) fn not_restored(self) -> &'static str {
        if self.nothing_is_failed { "migration-failed" } else { "failed" }
    }

    /// The SynchronizationStatus that a member shows.
    pub(crate) fn synchronization(self, member: &GlobalMember) -> &'static str {
        if self.resync_unseen { "connected" } else { member.synchronization }
    }
}

/// Dimensions of the replication lag's metrics. AWS does not say; each of the three is seen somewhere in its workshops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LagDimensions {
    /// `DBClusterIdentifier`.
    #[default]
    Cluster,
    /// `DBClusterIdentifier` and `SourceRegion`.
    ClusterAndSource,
    /// `SourceRegion`, which does not tell the databases apart.
    Source,
}
