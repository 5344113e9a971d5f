//! The report bucket: small objects, through one narrow trait per operation.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;

use crate::error::{Kind, StepError};

/// Reads a small object whole; `None` when there is none.
///
/// A role without `s3:ListBucket` is answered 403 and not 404 for an object that does not exist: an error here.
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
pub fn client(config: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

impl GetObject for Client {
    async fn get_object(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StepError> {
        match Client::get_object(self).bucket(bucket).key(key).send().await {
            Ok(answer) => match answer.body.collect().await {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(error) => Err(broken(bucket, key, error)),
            },
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
            Err(error) => Err(StepError::aws(format!("reading s3://{bucket}/{key}"), error)),
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
        let put = Client::put_object(self).bucket(bucket).key(key).content_type(content_type);
        match put.body(ByteStream::from(body)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(StepError::aws(format!("writing s3://{bucket}/{key}"), error)),
        }
    }
}

/// The error for an object whose bytes stop coming.
pub fn broken(
    bucket: &str,
    key: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StepError {
    StepError::new(Kind::Unreachable, format!("reading s3://{bucket}/{key} broke off"), "run the step again")
        .with_source(error)
}
