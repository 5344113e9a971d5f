//! The two calls that promote a secondary, each a trait of its own over the client of the Region that AWS asks for; those of a
//! rebuild are in [`crate::rebuild::calls`].

use aws_sdk_rds::Client;
use runbook::StepError;
use runbook::aurora::{Answer, answer};

/// Starts a failover with data loss allowed.
pub trait FailoverGlobalCluster {
    /// Promotes the cluster `target_arn`; the client is one of the target's Region.
    fn failover_global_cluster(
        &self,
        id: &str,
        target_arn: &str,
    ) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

/// Starts a switchover, without loss.
pub trait SwitchoverGlobalCluster {
    /// Promotes the cluster `target_arn`; the client is one of the current primary's Region.
    fn switchover_global_cluster(
        &self,
        id: &str,
        target_arn: &str,
    ) -> impl Future<Output = Result<Answer, StepError>> + Send;
}

impl FailoverGlobalCluster for Client {
    async fn failover_global_cluster(&self, id: &str, target_arn: &str) -> Result<Answer, StepError> {
        let call = Client::failover_global_cluster(self)
            .global_cluster_identifier(id)
            .target_db_cluster_identifier(target_arn)
            .allow_data_loss(true);
        answer(
            call.send().await,
            |error| {
                error.is_invalid_global_cluster_state_fault() || error.is_invalid_db_cluster_state_fault()
            },
            || format!("failing global cluster {id} over to {target_arn}"),
        )
    }
}

impl SwitchoverGlobalCluster for Client {
    async fn switchover_global_cluster(&self, id: &str, target_arn: &str) -> Result<Answer, StepError> {
        let call = Client::switchover_global_cluster(self)
            .global_cluster_identifier(id)
            .target_db_cluster_identifier(target_arn);
        answer(
            call.send().await,
            |error| {
                error.is_invalid_global_cluster_state_fault() || error.is_invalid_db_cluster_state_fault()
            },
            || format!("switching global cluster {id} over to {target_arn}"),
        )
    }
}
