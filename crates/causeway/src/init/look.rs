//! Looks into an account: every call that `init` makes, each read-only. No secret's value is asked for.
//!
//! A failure names the Region and the actions, and says what to do. What was denied is told whole, so that a person gets
//! all permissions at once. A Region that is silent ends its calls after [`PATIENCE`].

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudwatch::types::AlarmType;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53recoverycontrolconfig as config;
use runbook::StepError;
use runbook::arc::CONTROL_PLANE;
use runbook::aws::{ATTEMPT, CONNECT, in_region};

use super::found::{ArcCluster, Cluster, Control, Global, GlobalMember, Panel, Region, Rule, Secret};
use crate::Error;
use crate::stack::account;

/// How long one call may take, with all of its tries.
const PATIENCE: Duration = Duration::from_secs(12);

/// Where there were no credentials.
const EMPTY: &str = "neither in the environment nor in a profile nor of a role";

/// Looks with the operator's credentials.
pub struct Looker {
    config: SdkConfig,
}

impl Looker {
    /// One with the credentials and the Region of the environment.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn new() -> Result<Self, Error> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(PATIENCE);
        let config = runbook::aws::load().await.to_builder().timeout_config(timeouts.build()).build();
        let found = match config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.map(drop).map_err(|error| match error {
                // It lists every place that it has looked at.
                CredentialsError::CredentialsNotLoaded(_) => EMPTY.to_owned(),
                error => line(&error),
            }),
            None => Err(EMPTY.to_owned()),
        };
        match found {
            Ok(()) => Ok(Self { config }),
            Err(why) => Err(format!(
                "no AWS credentials were found ({why}): set AWS_PROFILE, or log in (aws sso login), and run the same again"
            )
            .into()),
        }
    }

    /// The caller's own Region.
    pub fn home(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }

    /// The global databases that RDS knows in a Region, those with their primary elsewhere, too.
    ///
    /// # Errors
    /// When the Region is silent or refuses.
    pub async fn globals(&self, region: &str) -> Result<Vec<Global>, Error> {
        let rds = aws_sdk_rds::Client::new(&in_region(&self.config, region));
        let pages = rds.describe_global_clusters().into_paginator().send().collect::<Result<Vec<_>, _>>();
        let pages = answer("rds:DescribeGlobalClusters", pages.await);
        let pages = pages.map_err(|failure| told(region, vec![failure]))?;
        let all = pages.into_iter().flat_map(|page| page.global_clusters.unwrap_or_default());
        let global = |one: aws_sdk_rds::types::GlobalCluster| {
            let member = |member: aws_sdk_rds::types::GlobalClusterMember| {
                Some(GlobalMember {
                    arn: member.db_cluster_arn?,
                    is_writer: member.is_writer.unwrap_or_default(),
                })
            };
            Some(Global {
                id: one.global_cluster_identifier?,
                engine: one.engine,
                members: one
                    .global_cluster_members
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(member)
                    .collect(),
            })
        };
        Ok(all.filter_map(global).collect())
    }

    /// What a Region has; `bucket` is the one that reports would go to.
    ///
    /// # Errors
    /// When the Region is silent or refuses one of the calls.
    pub async fn region(&self, name: &str, bucket: &str) -> Result<Region, Error> {
        let config = in_region(&self.config, name);
        let rds = aws_sdk_rds::Client::new(&config);
        let place = account::Region::new(&config, name);
        let (clusters, groups, secrets, alarms, has_bucket) = futures::join!(
            clusters(&rds),
            subnet_groups(&rds),
            secrets(&config),
            alarms(&config),
            place.has_bucket(bucket),
        );
        let mut failures = Vec::new();
        let clusters = kept(clusters, &mut failures);
        let subnet_groups = kept(groups, &mut failures);
        let secrets = kept(secrets, &mut failures);
        let (alarms, other_alarms) = kept(alarms, &mut failures);
        if !failures.is_empty() {
            return Err(told(name, failures));
        }
        let has_bucket = Some(has_bucket.map_err(|error| error.to_string()));
        Ok(Region { clusters, secrets, alarms, other_alarms, subnet_groups, has_bucket })
    }

    /// ARC's clusters with all that they have.
    ///
    /// # Errors
    /// When the control plane is silent or refuses.
    pub async fn arc(&self) -> Result<Vec<ArcCluster>, Error> {
        let client = config::Client::new(&in_region(&self.config, CONTROL_PLANE));
        arc_clusters(&client).await.map_err(|failure| told(CONTROL_PLANE, vec![failure]))
    }
}

async fn clusters(rds: &aws_sdk_rds::Client) -> Answer<BTreeMap<String, Cluster>> {
    let pages = rds.describe_db_clusters().into_paginator().send().collect::<Result<Vec<_>, _>>();
    let instances = rds.describe_db_instances().into_paginator().send().collect::<Result<Vec<_>, _>>();
    let (pages, instances) = futures::join!(pages, instances);
    let pages = answer("rds:DescribeDBClusters", pages)?;
    let instances = answer("rds:DescribeDBInstances", instances)?;
    let classes: BTreeMap<String, String> = instances
        .into_iter()
        .flat_map(|page| page.db_instances.unwrap_or_default())
        .filter_map(|one| Some((one.db_instance_identifier?, one.db_instance_class?)))
        .collect();
    let cluster = |one: aws_sdk_rds::types::DbCluster| {
        let members = one.db_cluster_members.unwrap_or_default();
        let writer = members.iter().find(|member| member.is_cluster_writer == Some(true));
        let instance = writer.or(members.first()).and_then(|member| member.db_instance_identifier.as_ref());
        let groups = one.vpc_security_groups.unwrap_or_default();
        let facts = Cluster {
            database: one.database_name.filter(|name| !name.is_empty()),
            subnet_group: one.db_subnet_group,
            security_groups: groups.into_iter().filter_map(|group| group.vpc_security_group_id).collect(),
            key: one.kms_key_id,
            master_secret: one.master_user_secret.and_then(|secret| secret.secret_arn),
            iam: one.iam_database_authentication_enabled.unwrap_or_default(),
            instance_class: instance.and_then(|id| classes.get(id)).cloned(),
        };
        Some((one.db_cluster_arn?, facts))
    };
    let all = pages.into_iter().flat_map(|page| page.db_clusters.unwrap_or_default());
    Ok(all.filter_map(cluster).collect())
}

async fn subnet_groups(rds: &aws_sdk_rds::Client) -> Answer<BTreeMap<String, Vec<String>>> {
    let pages = rds.describe_db_subnet_groups().into_paginator().send().collect::<Result<Vec<_>, _>>().await;
    let pages = answer("rds:DescribeDBSubnetGroups", pages)?;
    let group = |one: aws_sdk_rds::types::DbSubnetGroup| {
        let subnets = one.subnets.unwrap_or_default().into_iter();
        Some((one.db_subnet_group_name?, subnets.filter_map(|subnet| subnet.subnet_identifier).collect()))
    };
    let all = pages.into_iter().flat_map(|page| page.db_subnet_groups.unwrap_or_default());
    Ok(all.filter_map(group).collect())
}

async fn secrets(config: &SdkConfig) -> Answer<Vec<Secret>> {
    let client = aws_sdk_secretsmanager::Client::new(config);
    let pages = client.list_secrets().into_paginator().send().collect::<Result<Vec<_>, _>>().await;
    let pages = answer("secretsmanager:ListSecrets", pages)?;
    let all = pages.into_iter().flat_map(|page| page.secret_list.unwrap_or_default());
    let secret = |one: aws_sdk_secretsmanager::types::SecretListEntry| {
        Some(Secret { name: one.name?, arn: one.arn?, key: one.kms_key_id })
    };
    Ok(all.filter_map(secret).collect())
}

/// The names of the metric alarms that a plan can use, and how many others there are.
async fn alarms(config: &SdkConfig) -> Answer<(Vec<String>, usize)> {
    let client = aws_sdk_cloudwatch::Client::new(config);
    let call = client.describe_alarms().alarm_types(AlarmType::MetricAlarm);
    let pages = call.into_paginator().send().collect::<Result<Vec<_>, _>>().await;
    let pages = answer("cloudwatch:DescribeAlarms", pages)?;
    let all = pages.into_iter().flat_map(|page| page.metric_alarms.unwrap_or_default());
    // What is absent is `missing` (CloudWatch API reference, `PutMetricAlarm`).
    let (fit, others): (Vec<_>, Vec<_>) =
        all.partition(|alarm| alarm.treat_missing_data.as_deref().is_none_or(|treated| treated == "missing"));
    Ok((fit.into_iter().filter_map(|alarm| alarm.alarm_name).collect(), others.len()))
}

async fn arc_clusters(client: &config::Client) -> Answer<Vec<ArcCluster>> {
    let pages = client.list_clusters().into_paginator().send().collect::<Result<Vec<_>, _>>().await;
    let pages = answer("route53-recovery-control-config:ListClusters", pages)?;
    let listed = pages.into_iter().flat_map(|page| page.clusters.unwrap_or_default());
    let mut clusters = Vec::new();
    for arn in listed.filter_map(|cluster| cluster.cluster_arn) {
        let said = client.describe_cluster().cluster_arn(&arn).send().await;
        let said = answer("route53-recovery-control-config:DescribeCluster", said)?;
        let endpoints = said.cluster.and_then(|cluster| cluster.cluster_endpoints).unwrap_or_default();
        let endpoints = endpoints.into_iter().filter_map(|at| Some((at.region?, at.endpoint?))).collect();
        let panels = client.list_control_panels().cluster_arn(&arn).into_paginator().send();
        let panels = panels.collect::<Result<Vec<_>, _>>().await;
        let panels = answer("route53-recovery-control-config:ListControlPanels", panels)?;
        let panels = panels.into_iter().flat_map(|page| page.control_panels.unwrap_or_default());
        let mut of_cluster = Vec::new();
        for panel in panels {
            let Some(panel_arn) = panel.control_panel_arn else { continue };
            of_cluster.push(arc_panel(client, panel.name.unwrap_or_default(), &panel_arn).await?);
        }
        clusters.push(ArcCluster { arn, endpoints, panels: of_cluster });
    }
    Ok(clusters)
}

async fn arc_panel(client: &config::Client, name: String, arn: &str) -> Answer<Panel> {
    let controls = client.list_routing_controls().control_panel_arn(arn).into_paginator().send();
    let controls = controls.collect::<Result<Vec<_>, _>>().await;
    let controls = answer("route53-recovery-control-config:ListRoutingControls", controls)?;
    let controls = controls.into_iter().flat_map(|page| page.routing_controls.unwrap_or_default());
    let control = |one: config::types::RoutingControl| {
        Some(Control { arn: one.routing_control_arn?, name: one.name.unwrap_or_default() })
    };
    let rules = client.list_safety_rules().control_panel_arn(arn).into_paginator().send();
    let rules = rules.collect::<Result<Vec<_>, _>>().await;
    let rules = answer("route53-recovery-control-config:ListSafetyRules", rules)?;
    let rules = rules.into_iter().flat_map(|page| page.safety_rules.unwrap_or_default());
    let assertions = rules.filter_map(|rule| rule.assertion);
    Ok(Panel {
        name,
        controls: controls.filter_map(control).collect(),
        rules: assertions.filter_map(assertion).collect(),
    })
}

fn assertion(rule: config::types::AssertionRule) -> Option<Rule> {
    use config::types::RuleType::{Atleast, Or};
    let wants_one = rule.rule_config.is_some_and(|how| {
        let one = match how.r#type {
            Some(Or) => true,
            Some(Atleast) => how.threshold == Some(1),
            _ => false,
        };
        one && how.inverted != Some(true)
    });
    let asserted = rule.asserted_controls.unwrap_or_default();
    Some(Rule {
        arn: rule.safety_rule_arn?,
        name: rule.name.unwrap_or_default(),
        one_of: if wants_one { asserted } else { Vec::new() },
    })
}

/// What a call answered; or its action, and how it failed.
type Answer<T> = Result<T, (&'static str, Failure)>;

/// How a call failed.
enum Failure {
    /// Nothing came back.
    Silent,
    /// These credentials may not.
    Denied,
    /// These credentials are none.
    Refused(String),
    /// Anything else.
    Failed(String),
}

fn answer<T, E, R>(action: &'static str, result: Result<T, SdkError<E, R>>) -> Answer<T>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    result.map_err(|error| {
        let silent = matches!(error, SdkError::TimeoutError(_) | SdkError::DispatchFailure(_));
        let code = error.code().unwrap_or_default().to_owned();
        let text = {
            use std::error::Error as _;
            let error = StepError::aws("", error);
            one_line(&error.source().map_or_else(|| error.to_string(), ToString::to_string))
        };
        let failure = match code.as_str() {
            _ if silent => Failure::Silent,
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => Failure::Denied,
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "ExpiredToken"
            | "ExpiredTokenException" => Failure::Refused(text),
            _ => Failure::Failed(text),
        };
        (action, failure)
    })
}

/// The answer, or nothing of it and its failure among the others.
fn kept<T: Default>(answer: Answer<T>, failures: &mut Vec<(&'static str, Failure)>) -> T {
    answer.unwrap_or_else(|failure| {
        failures.push(failure);
        T::default()
    })
}

/// What failed in a Region, in one line, with what to do.
fn told(region: &str, failures: Vec<(&'static str, Failure)>) -> Error {
    let (mut silent, mut denied, mut others) = (false, Vec::new(), Vec::new());
    for (action, failure) in failures {
        match failure {
            Failure::Silent => silent = true,
            Failure::Denied => denied.push(action),
            Failure::Refused(text) => {
                return format!(
                    "{region} refuses these credentials ({text}): log in again, or set AWS_PROFILE"
                )
                .into();
            }
            Failure::Failed(text) => others.push(format!("{region}: {action} failed: {text}")),
        }
    }
    if silent {
        let seen =
            if region == CONTROL_PLANE { "ARC's control plane" } else { "its databases, secrets and alarms" };
        others.push(format!(
            "{region} does not answer, so {seen} could not be seen: run the same again once it does, and check the Region's name"
        ));
    }
    if !denied.is_empty() {
        others.push(format!(
            "{region}: these credentials may not call {}: docs/first-day.md has the read-only policy that is needed",
            denied.join(", ")
        ));
    }
    others.join("; ").into()
}

/// An error with its causes, in one line.
fn line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    one_line(&text)
}

/// A text without its line breaks, of which a refused signature has many.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
