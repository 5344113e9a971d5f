//! What `fill-endpoints` asks: ARC's control plane, and the parameter that holds the plan.

use aws_sdk_route53recoverycontrolconfig::Client;
use aws_sdk_route53recoverycontrolconfig::types::Cluster;
use aws_sdk_ssm::types::ParameterTier;
use runbook::arc::CONTROL_PLANE;
use runbook::plan::ArcEndpoint;
use runbook::{Context, RecoveryPlan, StepError};

/// What a standard parameter holds, in bytes.
const STANDARD: usize = 4096;

/// A client for ARC's control plane.
pub fn control_plane(config: &aws_config::SdkConfig) -> Client {
    Client::new(&runbook::aws::in_region(config, CONTROL_PLANE))
}

/// Asks ARC's control plane for a cluster.
pub trait DescribeArcCluster {
    /// The endpoints of the cluster that have an address, in any order.
    fn describe_arc_cluster(
        &self,
        arn: &str,
    ) -> impl Future<Output = Result<Vec<ArcEndpoint>, StepError>> + Send;
}

impl DescribeArcCluster for Client {
    async fn describe_arc_cluster(&self, arn: &str) -> Result<Vec<ArcEndpoint>, StepError> {
        let answer = self.describe_cluster().cluster_arn(arn).send().await.map_err(|error| {
            StepError::aws(format!("describing ARC cluster {arn} in {CONTROL_PLANE}"), error)
        })?;
        let endpoints = answer.cluster().map(Cluster::cluster_endpoints).unwrap_or_default();
        // A cluster that is being deployed has endpoints without an address.
        let complete = |region: Option<&str>, url: Option<&str>| {
            let (region, url) =
                region.zip(url).filter(|(region, url)| !region.is_empty() && !url.is_empty())?;
            Some(ArcEndpoint { region: region.to_owned(), url: url.to_owned() })
        };
        Ok(endpoints.iter().filter_map(|endpoint| complete(endpoint.region(), endpoint.endpoint())).collect())
    }
}

/// Reads the text of the plan.
pub trait ReadPlan {
    /// The text under `parameter` in the function's own Region.
    fn read_plan(&self, parameter: &str) -> impl Future<Output = Result<String, StepError>> + Send;
}

/// Writes the text of the plan.
pub trait PutPlan {
    /// Overwrites `parameter` in the function's own Region.
    fn put_plan(&self, parameter: &str, text: &str) -> impl Future<Output = Result<(), StepError>> + Send;
}

/// The SSM parameters of the function's own Region.
#[derive(Debug)]
pub struct Store<'a> {
    context: &'a Context,
    client: aws_sdk_ssm::Client,
}

impl<'a> Store<'a> {
    /// Those of this context's Region.
    pub fn new(context: &'a Context) -> Self {
        Self { context, client: aws_sdk_ssm::Client::new(&context.config) }
    }
}

impl ReadPlan for Store<'_> {
    async fn read_plan(&self, parameter: &str) -> Result<String, StepError> {
        RecoveryPlan::text(self.context, parameter).await
    }
}

impl PutPlan for Store<'_> {
    async fn put_plan(&self, parameter: &str, text: &str) -> Result<(), StepError> {
        // An update without a tier keeps the parameter's own, unless the text outgrew it.
        let tier = (text.len() > STANDARD).then_some(ParameterTier::Advanced);
        let call = self.client.put_parameter().name(parameter).value(text).overwrite(true).set_tier(tier);
        call.send().await.map(|_| ()).map_err(|error| {
            StepError::aws(
                format!("writing the plan to SSM parameter {parameter} in {}", self.context.region),
                error,
            )
        })
    }
}
