//! The record of the last failover, in the report bucket.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use runbook::StepError;
use runbook::error::Kind;
use runbook::record::FailoverRecord;

/// Reads the record of the last failover.
pub trait ReadLastFailover {
    /// The record of `plan` in `bucket`; `None` when there is none.
    fn read_last_failover(
        &self,
        bucket: &str,
        plan: &str,
    ) -> impl Future<Output = Result<Option<FailoverRecord>, StepError>> + Send;
}

/// The client for the report bucket. Path style, so that a bucket needs no DNS name of its own at the sandbox.
pub fn s3(config: &aws_config::SdkConfig) -> Client {
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

impl ReadLastFailover for Client {
    async fn read_last_failover(
        &self,
        bucket: &str,
        plan: &str,
    ) -> Result<Option<FailoverRecord>, StepError> {
        let key = runbook::names::keys::last_failover(plan);
        let what = format!("reading s3://{bucket}/{key}");
        let answer = match self.get_object().bucket(bucket).key(&key).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
                return Ok(None);
            }
            Err(error) => return Err(StepError::aws(what, error)),
        };
        let body = answer.body.collect().await.map_err(|error| {
            StepError::new(Kind::Unreachable, format!("{what} broke off"), "run the step again")
                .with_source(error)
        })?;
        serde_json::from_slice(&body.into_bytes()).map(Some).map_err(|error| {
            let what = format!("s3://{bucket}/{key} is no record of a failover");
            StepError::new(Kind::Failed, what, "restore an earlier version of the object").with_source(error)
        })
    }
}
