//! A Region of the account, as far as a deployment asks it: stacks, alarms, executions, buckets and parameters.
//!
//! Endpoints and credentials come from the environment, as for `sam`.

use std::collections::BTreeSet;
use std::error::Error as _;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use runbook::StepError;
use runbook::executions::Listed;

use crate::Error;

/// A Region with its clients.
#[derive(Debug)]
pub struct Region {
    /// Its name.
    pub name: String,
    pub cloudformation: aws_sdk_cloudformation::Client,
    pub ssm: aws_sdk_ssm::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    pub s3: aws_sdk_s3::Client,
    pub rds: aws_sdk_rds::Client,
}

impl Region {
    /// The Region of this name.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        let config = runbook::aws::in_region(config, name);
        // A bucket by its name in the path: what answers at an endpoint of its own knows no other form.
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            name: name.to_owned(),
            cloudformation: aws_sdk_cloudformation::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            rds: aws_sdk_rds::Client::new(&config),
        }
    }

    /// A call in this Region failed. `doing` names the call and the thing that it was about.
    pub fn failed<E, R>(&self, doing: &str, error: SdkError<E, R>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        format!("{}: {doing} failed: {}", self.name, reason(error)).into()
    }

    /// Which of these alarms are not there. Of both kinds: an alarm's rule may name either.
    pub async fn missing_alarms(&self, names: &[&str]) -> Result<Vec<String>, Error> {
        use aws_sdk_cloudwatch::types::AlarmType::{CompositeAlarm, MetricAlarm};
        let mut there: BTreeSet<String> = BTreeSet::new();
        // As many as one call takes (CloudWatch API reference, `DescribeAlarms`).
        for names in names.chunks(100) {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            let call = self.cloudwatch.describe_alarms().set_alarm_names(Some(names)).max_records(100);
            let answer = call.alarm_types(MetricAlarm).alarm_types(CompositeAlarm).send().await;
            let answer =
                answer.map_err(|error| self.failed("asking CloudWatch for the plan's alarms", error))?;
            there.extend(
                answer.metric_alarms().iter().filter_map(|alarm| alarm.alarm_name().map(str::to_owned)),
            );
            there.extend(
                answer.composite_alarms().iter().filter_map(|alarm| alarm.alarm_name().map(str::to_owned)),
            );
        }
        Ok(names.iter().filter(|&&name| !there.contains(name)).map(|&name| name.to_owned()).collect())
    }

    /// Runbooks of the stack that run here, one in a line. `readiness` is not counted: it changes nothing, and the next
    /// hour's look makes up for one that broke.
    pub async fn running(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let running =
            preflight::overdue::running(&self.ssm, &format!("{prefix}-")).await.map_err(|error| {
                // Its advice is for a function.
                let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                format!("{}: it is not known whether a runbook runs: {cause}", self.name)
            })?;
        Ok(moves(&running, prefix).iter().map(|line| format!("{}: {line}", self.name)).collect())
    }

    /// Whether the account has the bucket.
    pub async fn has_bucket(&self, bucket: &str) -> Result<bool, Error> {
        match self.s3.head_bucket().bucket(bucket).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(HeadBucketError::is_not_found) => Ok(false),
            Err(error) => Err(self.failed(&format!("looking for the bucket {bucket}"), error)),
        }
    }
}

/// Those of the stack's runbooks that would be disturbed, each in a line. Another stack's prefix may start with this one's.
fn moves(running: &[Listed], prefix: &str) -> Vec<String> {
    let moves = running.iter().filter(|one| is_move(&one.document, prefix));
    moves.map(|one| format!("{} runs since {:.0} ({})", one.document, one.started, one.id)).collect()
}

/// Whether a document is one of the stack's runbooks that move or write something.
pub fn is_move(document: &str, prefix: &str) -> bool {
    let runbook = document.strip_prefix(prefix).and_then(|name| name.strip_prefix('-'));
    runbook.is_some_and(|name| {
        ["failover", "failback", "reconcile", "replay", "rebuild", "routing"].contains(&name)
    })
}

/// What AWS said, or why it could not be asked, in one line.
pub fn reason<E, R>(error: SdkError<E, R>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let error = StepError::aws("", error);
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runbook_of_the_stack_but_the_hourly_look_is_a_move() {
        let run = |document: &str| Listed {
            id: "id".to_owned(),
            document: document.to_owned(),
            started: "2026-01-31T12:00:00Z".parse().unwrap(),
            status: "InProgress".to_owned(),
        };
        let documents = std::fs::read_dir("../../ssm-documents").unwrap();
        let mut running: Vec<_> = documents
            .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .map(|runbook| run(&format!("shop-{runbook}")))
            .collect();
        let runbooks = running.len();
        running.push(run("shop-test-failover"));
        let found = moves(&running, "shop");
        assert_eq!(found.len(), runbooks - 1, "{found:?}");
        assert!(
            found.contains(&"shop-failover runs since 2026-01-31T12:00:00Z (id)".to_owned()),
            "{found:?}"
        );
        assert!(!found.iter().any(|line| line.contains("readiness") || line.contains("test")), "{found:?}");
    }
}
