//! The looks: what is read of an account. Nothing here writes.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::DimensionFilter;
use aws_sdk_ssm::types::{AutomationExecutionFilter, AutomationExecutionFilterKey};
use runbook::StepError;
use runbook::error::Kind;
use runbook::names::is_kept_name;

use crate::verdict::{Execution, Renamed, Step};

/// How many of the newest executions of a runbook are looked at: a failover and a look each hour leave many.
const EXECUTIONS: usize = 10;
/// How many runs of steps of each.
const STEPS: usize = 1000;

/// Clients of one Region.
pub struct Clients {
    cloudwatch: aws_sdk_cloudwatch::Client,
    rds: aws_sdk_rds::Client,
    ssm: aws_sdk_ssm::Client,
}

impl Clients {
    /// Those of the configuration's Region.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            rds: aws_sdk_rds::Client::new(config),
            ssm: aws_sdk_ssm::Client::new(config),
        }
    }

    /// The sets of dimensions under which the lag of these clusters has had values in the last two weeks.
    ///
    /// # Errors
    /// When CloudWatch does not answer or may not be asked.
    pub async fn lag_dimensions(&self, clusters: &[String]) -> Result<BTreeSet<Vec<String>>, StepError> {
        let mut sets = BTreeSet::new();
        for metric in ["AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag"] {
            let call = self.cloudwatch.list_metrics().namespace("AWS/RDS").metric_name(metric);
            let mut pages = call.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page =
                    page.map_err(|error| StepError::aws(format!("listing the metrics {metric}"), error))?;
                for one in page.metrics() {
                    let of_other = one.dimensions().iter().any(|dimension| {
                        dimension.name() == Some("DBClusterIdentifier")
                            && !clusters.iter().any(|cluster| dimension.value() == Some(cluster))
                    });
                    if !of_other {
                        let mut names: Vec<String> = one
                            .dimensions()
                            .iter()
                            .filter_map(|dimension| dimension.name().map(str::to_owned))
                            .collect();
                        names.sort();
                        sets.insert(names);
                    }
                }
            }
        }
        Ok(sets)
    }

    /// Whether EventBridge has counted an invocation of the rule that failed, or went to its queue, in the last two weeks: it
    /// writes these metrics only where they are not zero ("Monitoring Amazon EventBridge").
    ///
    /// # Errors
    /// When CloudWatch does not answer or may not be asked.
    pub async fn has_failed(&self, rule: &str) -> Result<bool, StepError> {
        for metric in ["FailedInvocations", "InvocationsSentToDlq"] {
            let of_rule = DimensionFilter::builder().name("RuleName").value(rule).build();
            let call = self.cloudwatch.list_metrics().namespace("AWS/Events").metric_name(metric);
            let answer = call.dimensions(of_rule).send().await;
            let answer =
                answer.map_err(|error| StepError::aws(format!("listing the metrics of {rule}"), error))?;
            if !answer.metrics().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The newest executions of each of these runbooks, with their steps.
    ///
    /// # Errors
    /// When Systems Manager does not answer or may not be asked.
    pub async fn executions(&self, prefix: &str, runbooks: &[&str]) -> Result<Vec<Execution>, StepError> {
        let mut executions = Vec::new();
        for runbook in runbooks {
            let document = format!("{prefix}-{runbook}");
            let what = || format!("reading the executions of {document}");
            let of_document = AutomationExecutionFilter::builder()
                .key(AutomationExecutionFilterKey::DocumentNamePrefix)
                .values(&document)
                .build()
                .map_err(|error| {
                    StepError::new(Kind::Failed, what(), "report this line").with_source(error)
                })?;
            let call = self.ssm.describe_automation_executions().filters(of_document);
            let answer = call.send().await.map_err(|error| StepError::aws(what(), error))?;
            let ids = answer
                .automation_execution_metadata_list()
                .iter()
                .filter(|one| one.document_name() == Some(&document))
                .filter_map(|one| one.automation_execution_id());
            for id in ids.take(EXECUTIONS) {
                executions.push(self.execution(id).await?);
            }
        }
        Ok(executions)
    }

    async fn execution(&self, id: &str) -> Result<Execution, StepError> {
        let what = || format!("reading execution {id}");
        let answer = self.ssm.get_automation_execution().automation_execution_id(id).send().await;
        let answer = answer.map_err(|error| StepError::aws(what(), error))?;
        let parameters = answer.automation_execution().and_then(|one| one.parameters());
        let parameters: BTreeMap<String, Vec<String>> =
            parameters.into_iter().flatten().map(|(key, values)| (key.clone(), values.clone())).collect();
        let call = self.ssm.describe_automation_step_executions().automation_execution_id(id);
        let mut pages = call.into_paginator().send();
        let mut steps = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| StepError::aws(what(), error))?;
            steps.extend(page.step_executions().iter().map(|step| {
                Step {
                    name: step.step_name().unwrap_or_default().to_owned(),
                    action: step.action().unwrap_or_default().to_owned(),
                    status: step.step_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
                    inputs: step
                        .inputs()
                        .into_iter()
                        .flatten()
                        .map(|(key, text)| (key.clone(), text.clone()))
                        .collect(),
                    outputs: step
                        .outputs()
                        .into_iter()
                        .flatten()
                        .map(|(key, all)| (key.clone(), all.clone()))
                        .collect(),
                }
            }));
            if steps.len() > STEPS {
                break;
            }
        }
        Ok(Execution { id: id.to_owned(), parameters, steps })
    }

    /// Snapshots that a rebuild took of these clusters, where the cluster was renamed to the same name afterwards.
    ///
    /// # Errors
    /// When RDS does not answer or may not be asked.
    pub async fn renamed(&self, clusters: &[String]) -> Result<Vec<Renamed>, StepError> {
        let (mut snapshots, mut there) = (Vec::new(), BTreeSet::new());
        let mut pages = self.rds.describe_db_clusters().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| StepError::aws("listing clusters", error))?;
            there.extend(
                page.db_clusters().iter().filter_map(|one| one.db_cluster_identifier().map(str::to_owned)),
            );
        }
        let mut pages = self.rds.describe_db_cluster_snapshots().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| StepError::aws("listing cluster snapshots", error))?;
            snapshots.extend(page.db_cluster_snapshots().iter().filter_map(|one| {
                let snapshot = one.db_cluster_snapshot_identifier()?.to_owned();
                let before = clusters.iter().find(|cluster| is_kept_name(cluster, &snapshot))?.clone();
                let names = one.db_cluster_identifier()?.to_owned();
                there.contains(&snapshot).then(|| Renamed { now: snapshot.clone(), snapshot, names, before })
            }));
        }
        Ok(snapshots)
    }
}
