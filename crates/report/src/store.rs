//! The report bucket: narrow traits over S3, and a folder whose files are read back and listed in a manifest.

use std::collections::BTreeMap;

use runbook::StepError;
pub use runbook::bucket::{GetObject, ListKeys, PutObject, ReadLines, broken};
use runbook::error::Kind;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Writes an object and reads it back.
///
/// # Errors
/// When it can't be written, or is not the same when read.
pub async fn put_and_check<S: GetObject + PutObject>(
    store: &S,
    bucket: &str,
    key: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Result<(), StepError> {
    store.put_object(bucket, key, content_type, body.clone()).await?;
    if store.get_object(bucket, key).await?.as_deref() == Some(body.as_slice()) {
        return Ok(());
    }
    Err(StepError::new(
        Kind::Failed,
        format!("s3://{bucket}/{key} was written but reads differently"),
        "look for another writer of this key, then run the step again",
    ))
}

/// Bytes of `value` as indented JSON with a newline at the end.
///
/// # Errors
/// When it has no JSON form.
pub fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, StepError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| {
        StepError::new(Kind::Failed, "a report can't be written as JSON", "report this line")
            .with_source(error)
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A file in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Its full key.
    pub key: String,
    /// Hexadecimal SHA-256 of its bytes.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Sums bytes as they come.
#[derive(Default)]
pub struct Summing {
    hash: Sha256,
    bytes: u64,
}

impl Summing {
    /// Takes more bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The sum of all bytes, as those of `key`.
    pub fn of(self, key: &str) -> Sum {
        let sha256 = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Sum { key: key.to_owned(), sha256, bytes: self.bytes }
    }
}

/// A folder that is being written.
pub struct Folder<'a, S> {
    store: &'a S,
    bucket: &'a str,
    prefix: String,
    sums: Vec<Sum>,
}

impl<'a, S: GetObject + PutObject> Folder<'a, S> {
    /// The folder `prefix`, which ends with a slash.
    pub fn new(store: &'a S, bucket: &'a str, prefix: String) -> Self {
        Self { store, bucket, prefix, sums: Vec::new() }
    }

    /// Writes a file, reads it back, and answers its `s3://` address.
    ///
    /// # Errors
    /// See [`put_and_check`].
    pub async fn write(
        &mut self,
        name: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<String, StepError> {
        let key = format!("{}{name}", self.prefix);
        let mut sum = Summing::default();
        sum.add(&body);
        put_and_check(self.store, self.bucket, &key, content_type, body).await?;
        self.sums.push(sum.of(&key));
        Ok(format!("s3://{}/{key}", self.bucket))
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// See [`put_and_check`].
    pub async fn write_json<T: Serialize>(&mut self, name: &str, value: &T) -> Result<String, StepError> {
        let body = json(value)?;
        self.write(name, "application/json", body).await
    }

    /// Writes the sums of all files written so far, and of the files that were read for them.
    ///
    /// # Errors
    /// See [`put_and_check`].
    pub async fn write_manifest(&mut self, read: &[Sum]) -> Result<(), StepError> {
        let manifest = BTreeMap::from([("files", self.sums.as_slice()), ("read", read)]);
        let body = json(&manifest)?;
        self.write("manifest.json", "application/json", body).await?;
        Ok(())
    }

    /// A line for each file written.
    pub fn written(&self) -> Vec<String> {
        self.sums.iter().map(|sum| format!("wrote s3://{}/{}", self.bucket, sum.key)).collect()
    }
}
