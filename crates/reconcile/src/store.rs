//! The report bucket, through one narrow trait per operation.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use runbook::StepError;
use runbook::error::Kind;

/// Reads a small object whole; `None` when there is none.
pub trait GetObject {
    /// The object's bytes.
    fn get_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StepError>> + Send;
}

/// Writes an object.
pub trait PutObject {
    /// Replaces what is at `key`.
    fn put_object(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<(), StepError>> + Send;
}

/// The client. Path style, so that a bucket needs no DNS name of its own at the sandbox.
pub(crate) fn client(config: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

impl GetObject for Client {
    async fn get_object(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StepError> {
        let what = format!("reading s3://{bucket}/{key}");
        match Client::get_object(self).bucket(bucket).key(key).send().await {
            Ok(answer) => match answer.body.collect().await {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(error) => {
                    let broken =
                        StepError::new(Kind::Unreachable, format!("{what} broke off"), "run the step again");
                    Err(broken.with_source(error))
                }
            },
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
            Err(error) => Err(StepError::aws(what, error)),
        }
    }
}

impl PutObject for Client {
    async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), StepError> {
        Client::put_object(self)
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(|error| StepError::aws(format!("writing s3://{bucket}/{key}"), error))?;
        Ok(())
    }
}
