//! ARC's cluster: its endpoints, and the first Region's control after a first deployment.

use aws_config::SdkConfig;
use aws_sdk_route53recoverycluster::types::RoutingControlState;
use runbook::arc::{CONTROL_PLANE, Endpoint, endpoints};
use runbook::plan::{ArcEndpoint, Routing};

use crate::Error;

/// The cluster's five endpoints, as its configuration has them.
///
/// # Errors
/// When ARC does not answer.
pub async fn of_cluster(config: &SdkConfig, cluster: &str) -> Result<Vec<ArcEndpoint>, Error> {
    let config = runbook::aws::in_region(config, CONTROL_PLANE);
    let client = aws_sdk_route53recoverycontrolconfig::Client::new(&config);
    let said = client.describe_cluster().cluster_arn(cluster).send().await.map_err(|error| {
        use aws_sdk_route53recoverycontrolconfig::error::DisplayErrorContext;
        format!("asking for the ARC cluster {cluster} failed: {}", DisplayErrorContext(error))
    })?;
    let found = said.cluster.and_then(|cluster| cluster.cluster_endpoints).unwrap_or_default();
    let found =
        found.into_iter().filter_map(|at| Some(ArcEndpoint { region: at.region?, url: at.endpoint? }));
    Ok(found.collect())
}

/// Turns the first Region's control on, where both are off, as ARC makes them. Whether it did.
///
/// Only after the controls were made: in the middle of a failover both are off, too.
///
/// # Errors
/// When no endpoint does it.
pub async fn open(config: &SdkConfig, routing: &Routing, first: &str, second: &str) -> Result<bool, Error> {
    let mut why = "it has no endpoint".to_owned();
    for Endpoint { region, api } in endpoints(config, routing) {
        let is_off = async |control: &str| {
            let said = api.get_routing_control_state().routing_control_arn(control).send().await;
            said.map(|said| said.routing_control_state == RoutingControlState::Off).map_err(Box::new)
        };
        match (is_off(first).await, is_off(second).await) {
            (Ok(true), Ok(true)) => {}
            (Ok(_), Ok(_)) => return Ok(false),
            (Err(error), _) | (_, Err(error)) => {
                why = format!(
                    "{region}: {}",
                    aws_sdk_route53recoverycluster::error::DisplayErrorContext(*error)
                );
                continue;
            }
        }
        let asked = api.update_routing_control_state().routing_control_arn(first);
        match asked.routing_control_state(RoutingControlState::On).send().await {
            Ok(_) => return Ok(true),
            Err(error) => {
                why = format!(
                    "{region}: {}",
                    aws_sdk_route53recoverycluster::error::DisplayErrorContext(error)
                );
            }
        }
    }
    Err(format!("the routing control {first} can't be turned on: {why}. Turn it on in ARC's console, or run the same again").into())
}
