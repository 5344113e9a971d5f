//! How long AWS takes, modelled in one place. The clock divides them by its factor.

use std::time::Duration;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A request to fail over or switch over is verified.
pub const PENDING: Duration = seconds(15);
/// A managed failover promotes the secondary: RTO is minutes (Aurora user guide, disaster recovery).
pub const FAILING_OVER: Duration = seconds(75);
/// A switchover synchronises and changes the roles.
pub const SWITCHING_OVER: Duration = seconds(45);
/// A failover or switchover that failed is taken back.
pub const CANCELLING: Duration = seconds(30);
/// A secondary is detached from its global cluster and promoted: about a minute, as a failover without its checks.
pub const DETACH: Duration = seconds(60);
/// Aurora notices that a Region is back and takes the snapshot of the old primary.
pub const SNAPSHOT: Duration = seconds(300);
/// A copy of a snapshot, across Regions or not.
pub const COPY: Duration = seconds(600);
/// A cluster is restored from a snapshot.
pub const RESTORE: Duration = seconds(900);
/// An instance is created in a cluster.
pub const INSTANCE: Duration = seconds(480);
/// The old primary is rebuilt as a secondary: minutes to hours.
pub const RESYNC: Duration = seconds(1_200);
/// A cluster is renamed.
pub const RENAME: Duration = seconds(60);
/// A cluster or an instance is deleted.
pub const DELETION: Duration = seconds(300);
/// CloudWatch gets a datapoint of the replication lag.
pub const LAG_PERIOD: Duration = seconds(60);

/// An experiment of FIS is accepted: a third of a second in the example of AWS's command.
pub const EXPERIMENT_PENDING: Duration = Duration::from_millis(300);
/// Its targets are looked up.
pub const EXPERIMENT_INITIATING: Duration = seconds(10);
/// Its actions take back what they did. Half a minute was seen, of an experiment that a stop condition halted.
pub const EXPERIMENT_STOPPING: Duration = seconds(30);

/// A write to a global table of DynamoDB, to the other Region: "usually within a second" (DynamoDB developer guide, "How global tables
/// work").
pub const UNDER_WAY: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(900)];
