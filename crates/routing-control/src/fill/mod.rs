//! `fill-endpoints`: writes the ARC cluster's five endpoints into the plan, ahead of time.
//!
//! ARC's control plane, which knows the endpoints, lives in us-west-2 only: a failover must not ask it. So this is run
//! when the plan is made or the cluster changes, once in each Region: it writes the plan of the function's own Region.
//!
//! States: the plan has the endpoints already (`Done`, nothing written), or it is written and read back (`Done`). The
//! text is written only when it makes a valid plan, and nothing but `routing.endpoints` changes. A failure leaves the
//! old plan, or the whole new one that could not be read back: calling again tells.

use std::time::Duration;

use aws_sdk_route53recoverycontrolconfig::Client;
use aws_sdk_route53recoverycontrolconfig::types::Cluster;
use aws_sdk_ssm::types::ParameterTier;
use runbook::arc::CONTROL_PLANE;
use runbook::error::Kind;
use runbook::plan::ArcEndpoint;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use serde_json::Value;

use crate::{Endpoints, Observed};

/// What a standard parameter holds, in bytes; an advanced one holds [`ADVANCED`].
const STANDARD: usize = 4096;
const ADVANCED: usize = 8192;
/// How often the parameter is read back, a second apart.
const READS: u32 = 5;

/// A client for ARC's control plane.
pub fn control_plane(config: &aws_config::SdkConfig) -> Client {
    Client::new(&runbook::aws::in_region(config, CONTROL_PLANE))
}

/// Asks ARC's control plane for a cluster.
pub trait DescribeArcCluster {
    /// The endpoints of the cluster, in any order.
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
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Ok(endpoints
            .iter()
            .map(|endpoint| ArcEndpoint { region: text(endpoint.region()), url: text(endpoint.endpoint()) })
            .collect())
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

/// The ARN of the ARC cluster in the text of a plan, which need not be valid yet.
fn cluster_arn(plan: &Value, parameter: &str) -> Result<String, StepError> {
    let arn = plan.pointer("/routing/clusterArn").and_then(Value::as_str).unwrap_or_default();
    if arn.is_empty() {
        return Err(StepError::new(
            Kind::BadPlan,
            format!("the plan in SSM parameter {parameter} has no `routing.clusterArn`"),
            "put the ARN of the ARC cluster there",
        ));
    }
    Ok(arn.to_owned())
}

/// The plan's text with these endpoints; `None` when it has them already, in any order.
///
/// # Errors
/// [`Kind::BadPlan`] when the text would be no valid plan even then, or does not fit a parameter.
fn with_endpoints(text: &str, found: &[ArcEndpoint], parameter: &str) -> Result<Option<String>, StepError> {
    let origin = format!("SSM parameter {parameter}");
    let sorted = |endpoints: &[ArcEndpoint]| {
        let mut endpoints = endpoints.to_vec();
        endpoints.sort_by(|a, b| (&a.region, &a.url).cmp(&(&b.region, &b.url)));
        endpoints
    };
    let found = sorted(found);
    if RecoveryPlan::parse(text, &origin).is_ok_and(|plan| sorted(&plan.routing.endpoints) == found) {
        return Ok(None);
    }
    let broken = |error: serde_json::Error| {
        StepError::new(Kind::BadPlan, format!("the plan in {origin} is not JSON"), "correct the plan")
            .with_source(error)
    };
    let mut plan: Value = serde_json::from_str(text).map_err(broken)?;
    plan["routing"]["endpoints"] = serde_json::to_value(&found).map_err(broken)?;
    let text = if text.trim_end().contains('\n') {
        serde_json::to_string_pretty(&plan)
    } else {
        serde_json::to_string(&plan)
    }
    .map_err(broken)?;
    RecoveryPlan::parse(&text, &origin)?;
    if text.len() > ADVANCED {
        return Err(StepError::new(
            Kind::BadPlan,
            format!(
                "the plan in {origin} with the endpoints has {} bytes, a parameter holds {ADVANCED}",
                text.len()
            ),
            "shorten the plan",
        ));
    }
    Ok(Some(text))
}

/// Writes the endpoints into the plan under `parameter`. See the module's page.
///
/// # Errors
/// When the plan or the cluster can't be read, the cluster has not five endpoints (yet), the plan is invalid for another
/// reason, or is not read back as written.
pub async fn fill(
    arc: &impl DescribeArcCluster,
    store: &(impl ReadPlan + PutPlan),
    parameter: &str,
) -> Result<Outcome<Observed>, StepError> {
    let text = store.read_plan(parameter).await?;
    let json: Value = serde_json::from_str(&text).map_err(|error| {
        StepError::new(
            Kind::BadPlan,
            format!("the plan in SSM parameter {parameter} is not JSON"),
            "correct the plan",
        )
        .with_source(error)
    })?;
    let arn = cluster_arn(&json, parameter)?;
    let found = arc.describe_arc_cluster(&arn).await?;
    if found.len() != 5 || found.iter().any(|endpoint| endpoint.url.is_empty() || endpoint.region.is_empty())
    {
        return Err(StepError::new(
            Kind::Failed,
            format!("ARC cluster {arn} has {} endpoints, not 5", found.len()),
            "wait until the cluster is deployed, then run the step again",
        ));
    }
    let observed = || Observed::Endpoints(Endpoints { endpoints: found.clone() });
    let Some(new) = with_endpoints(&text, &found, parameter)? else {
        return Ok(Outcome::new(
            Status::Done,
            format!("the plan in {parameter} already has the endpoints of {arn}"),
            observed(),
        ));
    };
    store.put_plan(parameter, &new).await?;
    for round in 1..=READS {
        if store.read_plan(parameter).await? == new {
            return Ok(Outcome::new(
                Status::Done,
                format!("the plan in {parameter} has the endpoints of {arn} now"),
                observed(),
            )
            .with_changed(vec![format!("SSM parameter {parameter}: routing.endpoints")]));
        }
        if round < READS {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    Err(StepError::new(
        Kind::Failed,
        format!("SSM parameter {parameter} was written but does not read back as written"),
        "look for someone else who writes it, then run the step again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Mutex;

    struct Arc(Vec<ArcEndpoint>);

    impl DescribeArcCluster for Arc {
        async fn describe_arc_cluster(&self, _: &str) -> Result<Vec<ArcEndpoint>, StepError> {
            Ok(self.0.clone())
        }
    }

    struct Parameter {
        text: Mutex<String>,
        writes: Mutex<u32>,
        deaf: bool,
    }

    impl Parameter {
        fn new(text: &str) -> Self {
            Self { text: Mutex::new(text.to_owned()), writes: Mutex::new(0), deaf: false }
        }
    }

    impl ReadPlan for Parameter {
        async fn read_plan(&self, _: &str) -> Result<String, StepError> {
            Ok(self.text.lock().unwrap().clone())
        }
    }

    impl PutPlan for Parameter {
        async fn put_plan(&self, _: &str, text: &str) -> Result<(), StepError> {
            *self.writes.lock().unwrap() += 1;
            if !self.deaf {
                text.clone_into(&mut self.text.lock().unwrap());
            }
            Ok(())
        }
    }

    fn five() -> Vec<ArcEndpoint> {
        runbook::plan::sample().routing.endpoints
    }

    fn plan() -> Value {
        serde_json::to_value(runbook::plan::sample()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_that_are_missing_or_differ_are_written_once_and_read_back() {
        let mut other = plan();
        other["routing"]["endpoints"][2]["url"] = json!("http://old.sandbox");
        let mut none = plan();
        none["routing"]["endpoints"] = json!([]);
        let mut absent = plan();
        absent["routing"].as_object_mut().unwrap().remove("endpoints");
        for before in [other, none, absent] {
            let parameter = Parameter::new(&serde_json::to_string_pretty(&before).unwrap());
            let outcome = fill(&Arc(five()), &parameter, "/p").await.unwrap();
            assert_eq!((outcome.status, outcome.changed.len()), (Status::Done, 1));
            let text = parameter.text.lock().unwrap().clone();
            assert!(text.contains('\n'), "a text in lines stays one");
            let mut after = RecoveryPlan::parse(&text, "test").unwrap();
            after.routing.endpoints.sort_by_key(|endpoint| endpoint.url.clone());
            assert_eq!(after, runbook::plan::sample(), "nothing else changed");

            let again = fill(&Arc(five().into_iter().rev().collect()), &parameter, "/p").await.unwrap();
            assert_eq!((again.status, again.changed.len()), (Status::Done, 0));
            assert_eq!(*parameter.writes.lock().unwrap(), 1, "the order of endpoints is no difference");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_when_the_result_would_not_be_a_valid_plan() {
        let mut no_arn = plan();
        no_arn["routing"].as_object_mut().unwrap().remove("clusterArn");
        let mut bad = plan();
        bad["routing"]["endpoints"] = json!([]);
        bad["regions"] = json!(["sandbox-east", "sandbox-east"]);
        let mut routing = plan();
        routing["routing"] = json!("x");
        let mut empty = plan();
        empty["routing"]["endpoints"] = json!([]);
        let cases = [
            (no_arn.to_string(), five(), "routing.clusterArn"),
            (bad.to_string(), five(), "the same Region twice"),
            (routing.to_string(), five(), "routing.clusterArn"),
            ("{".to_owned(), five(), "not JSON"),
            (empty.to_string(), five()[..4].to_vec(), "has 4 endpoints, not 5"),
        ];
        for (text, found, expected) in cases {
            let parameter = Parameter::new(&text);
            let error = fill(&Arc(found), &parameter, "/p").await.unwrap_err();
            assert!(error.to_string().contains(expected), "{expected} is missing in: {error}");
            assert_eq!(*parameter.writes.lock().unwrap(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_never_read_back_is_an_error() {
        let mut before = plan();
        before["routing"]["endpoints"] = json!([]);
        let parameter = Parameter { deaf: true, ..Parameter::new(&before.to_string()) };
        let error = fill(&Arc(five()), &parameter, "/p").await.unwrap_err();
        assert!(error.to_string().contains("does not read back"), "{error}");
    }
}
