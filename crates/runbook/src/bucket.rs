//! The report bucket, through one narrow trait per operation.

use std::pin::Pin;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tokio::io::AsyncBufRead;

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

/// Reads a small object with its entity tag.
pub trait GetTagged {
    /// The object's bytes and tag; `None` when there is none.
    fn get_tagged(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<(Vec<u8>, String)>, StepError>> + Send;
}

/// Writes an object on a condition.
pub trait PutIf {
    /// Writes JSON at `key` if what is there has this entity tag, or if nothing is there; false when that is not so.
    fn put_if(
        &self,
        bucket: &str,
        key: &str,
        tag: Option<&str>,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<bool, StepError>> + Send;
}

/// Bytes that come as they are read.
pub type Lines = Pin<Box<dyn AsyncBufRead + Send>>;

/// Reads an object as a stream.
pub trait ReadLines {
    /// The object's bytes, from the start.
    fn read_lines(&self, bucket: &str, key: &str) -> impl Future<Output = Result<Lines, StepError>> + Send;
}

/// Lists objects.
pub trait ListKeys {
    /// Every key that begins with `prefix`, in order.
    fn list_keys(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<String>, StepError>> + Send;
}

/// Removes an object.
pub trait DeleteObject {
    /// Removes what is at `key`; the bucket keeps it as a former version.
    fn delete_object(&self, bucket: &str, key: &str) -> impl Future<Output = Result<(), StepError>> + Send;
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Bytes it has.
    pub size: u64,
    /// Its entity tag, which changes with its content
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>); the sandbox lists none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Lists objects with what tells whether they have changed.
pub trait ListObjects {
    /// Every object whose key begins with `prefix`, in the order of the keys.
    fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<Listed>, StepError>> + Send;
}

/// Writes a large object in parts: at most 10,000, of which all but the last have 5 MiB at least
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>). Until it is complete, nothing is at the key;
/// parts of what is neither completed nor abandoned are kept and cost money.
pub trait PutParts {
    /// Begins. Answers the upload's id.
    fn begin(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
    ) -> impl Future<Output = Result<String, StepError>> + Send;

    /// Writes a part; `number` counts from 1. Answers its tag.
    fn put_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: i32,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<String, StepError>> + Send;

    /// Makes the object of its parts, whose tags are given in their order.
    fn complete(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        tags: &[String],
    ) -> impl Future<Output = Result<(), StepError>> + Send;

    /// Forgets the parts.
    fn abandon(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
    ) -> impl Future<Output = Result<(), StepError>> + Send;
}

/// The client. Path style, so that a bucket needs no DNS name of its own at the sandbox.
pub fn client(config: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

impl GetObject for Client {
    async fn get_object(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StepError> {
        Ok(self.get_tagged(bucket, key).await?.map(|(body, _)| body))
    }
}

impl GetTagged for Client {
    async fn get_tagged(&self, bucket: &str, key: &str) -> Result<Option<(Vec<u8>, String)>, StepError> {
        match Client::get_object(self).bucket(bucket).key(key).send().await {
            Ok(answer) => {
                let tag = answer.e_tag().unwrap_or_default().to_owned();
                match answer.body.collect().await {
                    Ok(bytes) => Ok(Some((bytes.to_vec(), tag))),
                    Err(error) => Err(broken(bucket, key, error)),
                }
            }
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

impl PutIf for Client {
    async fn put_if(
        &self,
        bucket: &str,
        key: &str,
        tag: Option<&str>,
        body: Vec<u8>,
    ) -> Result<bool, StepError> {
        let put = Client::put_object(self).bucket(bucket).key(key).content_type("application/json");
        let put = match tag {
            Some(tag) => put.if_match(tag),
            None => put.if_none_match("*"),
        };
        match put.body(ByteStream::from(body)).send().await {
            Ok(_) => Ok(true),
            // The object has changed, is being changed, or is gone
            // (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
            Err(error)
                if ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"]
                    .contains(&error.code().unwrap_or_default()) =>
            {
                Ok(false)
            }
            Err(error) => Err(writing(bucket, key, error)),
        }
    }
}

impl ReadLines for Client {
    async fn read_lines(&self, bucket: &str, key: &str) -> Result<Lines, StepError> {
        let answer = Client::get_object(self)
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| StepError::aws(format!("reading s3://{bucket}/{key}"), error))?;
        Ok(Box::pin(answer.body.into_async_read()))
    }
}

impl ListKeys for Client {
    async fn list_keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StepError> {
        let objects = ListObjects::list_objects(self, bucket, prefix).await?;
        Ok(objects.into_iter().map(|object| object.key).collect())
    }
}

impl ListObjects for Client {
    async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, StepError> {
        let mut pages = self.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| StepError::aws(format!("listing s3://{bucket}/{prefix}"), error))?;
            objects.extend(page.contents().iter().filter_map(|object| {
                let size = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                let tag = object.e_tag().map(str::to_owned);
                Some(Listed { key: object.key()?.to_owned(), size, tag })
            }));
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }
}

impl DeleteObject for Client {
    async fn delete_object(&self, bucket: &str, key: &str) -> Result<(), StepError> {
        let deleted = Client::delete_object(self).bucket(bucket).key(key).send().await;
        deleted.map(drop).map_err(|error| StepError::aws(format!("removing s3://{bucket}/{key}"), error))
    }
}

impl PutParts for Client {
    async fn begin(&self, bucket: &str, key: &str, content_type: &str) -> Result<String, StepError> {
        let begun = self.create_multipart_upload().bucket(bucket).key(key).content_type(content_type);
        let begun = begun.send().await.map_err(|error| writing(bucket, key, error))?;
        Ok(begun.upload_id().unwrap_or_default().to_owned())
    }

    async fn put_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: i32,
        body: Vec<u8>,
    ) -> Result<String, StepError> {
        let part = self.upload_part().bucket(bucket).key(key).upload_id(upload).part_number(number);
        let part = part.body(ByteStream::from(body)).send().await;
        Ok(part.map_err(|error| writing(bucket, key, error))?.e_tag().unwrap_or_default().to_owned())
    }

    async fn complete(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        tags: &[String],
    ) -> Result<(), StepError> {
        let part =
            |(tag, number): (&String, i32)| CompletedPart::builder().e_tag(tag).part_number(number).build();
        let parts = tags.iter().zip(1..).map(part).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.complete_multipart_upload().bucket(bucket).key(key).upload_id(upload);
        let complete = complete.multipart_upload(parts).send().await;
        complete.map(drop).map_err(|error| writing(bucket, key, error))
    }

    async fn abandon(&self, bucket: &str, key: &str, upload: &str) -> Result<(), StepError> {
        let abandon = self.abort_multipart_upload().bucket(bucket).key(key).upload_id(upload);
        abandon.send().await.map(drop).map_err(|error| writing(bucket, key, error))
    }
}

fn writing<E, R>(bucket: &str, key: &str, error: SdkError<E, R>) -> StepError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    StepError::aws(format!("writing s3://{bucket}/{key}"), error)
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

#[doc(hidden)]
pub mod fake;
pub mod folder;
