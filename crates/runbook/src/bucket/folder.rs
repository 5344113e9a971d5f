//! A folder of the report bucket, such as an execution's reports: its files are read back and listed in a manifest.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncBufReadExt;

use super::{DeleteObject, GetObject, PutObject, PutParts, ReadLines, broken};
use crate::StepError;
use crate::error::Kind;

/// How often an object is written that can't be read back as it was written.
const TRIES: u32 = 3;

/// Writes an object and reads it back. Another call of the same step, at the same time, may remove or write the same object
/// between the two: then it is written again.
///
/// # Errors
/// When it can't be written, or is not the same when read, again and again.
pub async fn put_and_check<S: PutObject + ReadLines>(
    store: &S,
    bucket: &str,
    key: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Result<(), StepError> {
    let mut sum = Summing::default();
    sum.add(&body);
    let sum = sum.of(key);
    for _ in 1..TRIES {
        store.put_object(bucket, key, content_type, body.clone()).await?;
        if check(store, bucket, &sum).await.is_ok() {
            return Ok(());
        }
    }
    store.put_object(bucket, key, content_type, body).await?;
    check(store, bucket, &sum).await
}

/// Reads an object, as a stream, and compares it with what was written.
async fn check<S: ReadLines>(store: &S, bucket: &str, written: &Sum) -> Result<(), StepError> {
    let mut read = store.read_lines(bucket, &written.key).await?;
    let mut sum = Summing::default();
    loop {
        let bytes = read.fill_buf().await.map_err(|error| broken(bucket, &written.key, error))?;
        if bytes.is_empty() {
            break;
        }
        sum.add(bytes);
        let length = bytes.len();
        read.consume(length);
    }
    if sum.of(&written.key) == *written {
        return Ok(());
    }
    Err(StepError::new(
        Kind::Failed,
        format!("s3://{bucket}/{} was written but reads differently", written.key),
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

/// Name of the manifest.
const MANIFEST: &str = "manifest.json";

impl<'a, S: GetObject + PutObject + DeleteObject + ReadLines> Folder<'a, S> {
    /// The folder `prefix`, which ends with a slash. A manifest that an earlier call wrote is removed: while files are
    /// written, there is none.
    ///
    /// # Errors
    /// When that can't be seen or removed.
    pub async fn begin_anew(store: &'a S, bucket: &'a str, prefix: String) -> Result<Self, StepError> {
        let manifest = format!("{prefix}{MANIFEST}");
        if store.get_object(bucket, &manifest).await?.is_some() {
            store.delete_object(bucket, &manifest).await?;
        }
        Ok(Self { store, bucket, prefix, sums: Vec::new() })
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

    /// Begins a file of any size, which is given to [`Self::add`] when it is written.
    pub fn begin(&self, name: &str, content_type: &'static str) -> Upload<'a, S> {
        Upload {
            store: self.store,
            bucket: self.bucket,
            key: format!("{}{name}", self.prefix),
            content_type,
            held: Vec::new(),
            sum: Summing::default(),
            id: None,
            tags: Vec::new(),
        }
    }

    /// Ends a file, reads it back, and answers how many bytes it has. `written` says how its writing went: after an error
    /// there is no file.
    ///
    /// # Errors
    /// That one; or when it can't be written, or is not the same when read.
    pub async fn add<T>(
        &mut self,
        upload: Upload<'a, S>,
        written: Result<T, StepError>,
    ) -> Result<(T, u64), StepError>
    where
        S: PutParts,
    {
        let (written, sum) = upload.end(written).await?;
        check(self.store, self.bucket, &sum).await?;
        let bytes = sum.bytes;
        self.sums.push(sum);
        Ok((written, bytes))
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
        self.write(MANIFEST, "application/json", body).await?;
        Ok(())
    }

    /// A line for each file written.
    pub fn written(&self) -> Vec<String> {
        self.sums.iter().map(|sum| format!("wrote s3://{}/{}", self.bucket, sum.key)).collect()
    }
}

/// Bytes of a part: S3 takes 10,000 of them, so that a file may have 78 GiB.
const PART: usize = 8 * 1024 * 1024;

/// A file that is written as it grows: one of less than [`PART`] bytes at once, a larger one in parts, so that no more
/// than one is held. One that is dropped before its end leaves parts behind, which the bucket's lifecycle rule removes.
pub struct Upload<'a, S> {
    store: &'a S,
    bucket: &'a str,
    key: String,
    content_type: &'static str,
    /// What is in no part yet.
    held: Vec<u8>,
    sum: Summing,
    /// Absent while nothing was sent.
    id: Option<String>,
    /// Of the parts that were sent.
    tags: Vec<String>,
}

impl<S: PutObject + PutParts> Upload<'_, S> {
    /// Takes what comes next, and leaves `bytes` empty.
    ///
    /// # Errors
    /// When a part can't be written.
    pub async fn take(&mut self, bytes: &mut Vec<u8>) -> Result<(), StepError> {
        self.sum.add(bytes);
        self.held.append(bytes);
        if self.held.len() < PART {
            return Ok(());
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<(), StepError> {
        let id = match &self.id {
            Some(id) => id,
            None => {
                let id = self.store.begin(self.bucket, &self.key, self.content_type).await?;
                self.id.insert(id)
            }
        };
        let number = i32::try_from(self.tags.len() + 1).unwrap_or(i32::MAX);
        let part = std::mem::take(&mut self.held);
        self.tags.push(self.store.put_part(self.bucket, &self.key, id, number, part).await?);
        Ok(())
    }

    async fn end<T>(mut self, written: Result<T, StepError>) -> Result<(T, Sum), StepError> {
        let done = match written {
            Ok(value) => self.finish().await.map(|()| value),
            Err(error) => Err(error),
        };
        match (done, &self.id) {
            (Ok(value), _) => Ok((value, self.sum.of(&self.key))),
            (Err(error), None) => Err(error),
            (Err(error), Some(id)) => {
                // What matters is why there is no file; parts that stay are removed by the bucket's lifecycle rule.
                let _ = self.store.abandon(self.bucket, &self.key, id).await;
                Err(error)
            }
        }
    }

    async fn finish(&mut self) -> Result<(), StepError> {
        if self.id.is_none() {
            let body = std::mem::take(&mut self.held);
            return self.store.put_object(self.bucket, &self.key, self.content_type, body).await;
        }
        if !self.held.is_empty() {
            self.send().await?;
        }
        let Some(id) = &self.id else { return Ok(()) };
        self.store.complete(self.bucket, &self.key, id, &self.tags).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::fake::Bucket;

    #[tokio::test]
    async fn the_manifest_is_last_and_has_the_sum_of_every_file() {
        let store = Bucket::default();
        let mut folder = Folder::begin_anew(&store, "b", "reports/p/e/".into()).await.unwrap();
        assert_eq!(
            folder.write("a.html", "text/html", b"abc".to_vec()).await.unwrap(),
            "s3://b/reports/p/e/a.html"
        );
        folder.write_json("a.json", &1).await.unwrap();
        folder.write_manifest(&[]).await.unwrap();
        let written = ["a.html", "a.json", "manifest.json"].map(|name| format!("reports/p/e/{name}"));
        assert_eq!(*store.writes.lock().unwrap(), written);
        let manifest: serde_json::Value =
            serde_json::from_str(&store.text("reports/p/e/manifest.json")).unwrap();
        assert_eq!(manifest["files"].as_array().unwrap().len(), 2);
        assert_eq!(manifest["files"][0]["key"], "reports/p/e/a.html");
        // SHA-256 of `abc`, from FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(manifest["files"][0]["sha256"], abc);
        assert_eq!(folder.written().len(), 3);
    }

    /// A bucket in which another call removes what was written before it is read back, so many times.
    struct Contested {
        bucket: Bucket,
        removals: std::sync::Mutex<u32>,
    }

    impl PutObject for Contested {
        async fn put_object(
            &self,
            bucket: &str,
            key: &str,
            of: &str,
            body: Vec<u8>,
        ) -> Result<(), StepError> {
            self.bucket.put_object(bucket, key, of, body).await
        }
    }

    impl ReadLines for Contested {
        async fn read_lines(&self, bucket: &str, key: &str) -> Result<crate::bucket::Lines, StepError> {
            let removed = {
                let mut left = self.removals.lock().unwrap();
                let removed = *left > 0;
                *left = left.saturating_sub(1);
                removed
            };
            if removed {
                return Err(StepError::new(Kind::Failed, "no such key", ""));
            }
            self.bucket.read_lines(bucket, key).await
        }
    }

    #[tokio::test]
    async fn what_another_call_removes_meanwhile_is_written_again() {
        for (removals, is_there) in [(0, true), (2, true), (3, false)] {
            let store = Contested { bucket: Bucket::default(), removals: std::sync::Mutex::new(removals) };
            let put = put_and_check(&store, "b", "k", "text/plain", b"abc".to_vec()).await;
            assert_eq!(put.is_ok(), is_there, "{removals}");
        }
    }

    #[tokio::test]
    async fn what_reads_differently_than_it_was_written_is_an_error() {
        let store = Bucket { garbles: Some("a.html"), ..Bucket::default() };
        let mut folder = Folder::begin_anew(&store, "b", "reports/p/e/".into()).await.unwrap();
        let error = folder.write("a.html", "text/html", b"abc".to_vec()).await.unwrap_err().to_string();
        assert!(error.contains("s3://b/reports/p/e/a.html was written but reads differently"), "{error}");
    }
}
