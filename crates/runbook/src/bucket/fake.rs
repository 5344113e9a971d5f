//! A bucket in memory, for the tests of the steps, that can be told to garble what it keeps, or to fail.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests say what failed by panicking")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use super::{
    DeleteObject, GetObject, GetTagged, Lines, ListKeys, ListObjects, Listed, PutIf, PutObject, PutParts,
    ReadLines,
};
use crate::StepError;
use crate::error::Kind;
use crate::fakes::{Calls, Fault, injected};

#[derive(Default)]
pub struct Bucket {
    pub objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Keys in the order they were written.
    pub writes: Mutex<Vec<String>>,
    /// Keeps something else than what it is given at keys that end so.
    pub garbles: Option<&'static str>,
    /// Fails every write from this one on, counted from 0, as if the function were killed there.
    pub fails_from: Option<usize>,
    /// Every write that was asked for; one of them fails.
    pub calls: Mutex<Calls>,
    /// Uploads in parts that are not complete, by id.
    pub uploads: Mutex<BTreeMap<String, Vec<Vec<u8>>>>,
}

impl Bucket {
    pub fn set(&self, key: &str, body: impl AsRef<[u8]>) {
        self.objects.lock().unwrap().insert(key.to_owned(), body.as_ref().to_vec());
    }

    fn write(&self, key: &str, mut body: Vec<u8>) -> Result<(), StepError> {
        let mut writes = self.writes.lock().unwrap();
        if self.fails_from.is_some_and(|from| writes.len() >= from) {
            return Err(StepError::new(Kind::Unreachable, "killed", ""));
        }
        let is_lost = self.calls.lock().unwrap().count("", key)?;
        if self.garbles.is_some_and(|end| key.ends_with(end)) {
            body.pop();
        }
        writes.push(key.to_owned());
        self.set(key, body);
        if is_lost { Err(injected(Kind::Unreachable)) } else { Ok(()) }
    }

    /// Fails this write from now on, counted from 1.
    pub fn fail(&self, write: usize, fault: Fault) {
        *self.calls.lock().unwrap() = Calls { fault: Some((write, fault)), ..Calls::default() };
    }

    pub fn text(&self, key: &str) -> String {
        let objects = self.objects.lock().unwrap();
        let bytes = objects.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", objects.keys()));
        String::from_utf8(bytes.clone()).unwrap()
    }
}

impl GetObject for Bucket {
    async fn get_object(&self, _bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StepError> {
        Ok(self.objects.lock().unwrap().get(key).cloned())
    }
}

impl GetTagged for Bucket {
    async fn get_tagged(&self, bucket: &str, key: &str) -> Result<Option<(Vec<u8>, String)>, StepError> {
        Ok(self.get_object(bucket, key).await?.map(|body| (body.clone(), tag(&body))))
    }
}

impl PutIf for Bucket {
    async fn put_if(
        &self,
        bucket: &str,
        key: &str,
        expected: Option<&str>,
        body: Vec<u8>,
    ) -> Result<bool, StepError> {
        let there = self.get_tagged(bucket, key).await?.map(|(_, tag)| tag);
        if there.as_deref() != expected {
            return Ok(false);
        }
        self.write(key, body).map(|()| true)
    }
}

fn tag(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl PutObject for Bucket {
    async fn put_object(&self, _: &str, key: &str, _: &str, body: Vec<u8>) -> Result<(), StepError> {
        self.write(key, body)
    }
}

impl DeleteObject for Bucket {
    async fn delete_object(&self, _: &str, key: &str) -> Result<(), StepError> {
        self.objects.lock().unwrap().remove(key);
        Ok(())
    }
}

impl PutParts for Bucket {
    async fn begin(&self, _: &str, key: &str, _: &str) -> Result<String, StepError> {
        let mut uploads = self.uploads.lock().unwrap();
        let id = format!("{key}#{}", uploads.len());
        uploads.insert(id.clone(), Vec::new());
        Ok(id)
    }

    async fn put_part(
        &self,
        _: &str,
        key: &str,
        upload: &str,
        number: i32,
        body: Vec<u8>,
    ) -> Result<String, StepError> {
        self.write(&format!("{key}#{number}"), Vec::new())?;
        let mut uploads = self.uploads.lock().unwrap();
        let parts = uploads.get_mut(upload).unwrap();
        assert_eq!(parts.len() + 1, usize::try_from(number).unwrap());
        assert!(parts.iter().all(|part| part.len() >= 5 * 1024 * 1024), "S3 takes no smaller ones");
        parts.push(body);
        Ok(number.to_string())
    }

    async fn complete(&self, _: &str, key: &str, upload: &str, tags: &[String]) -> Result<(), StepError> {
        let parts = self.uploads.lock().unwrap().remove(upload).unwrap();
        assert_eq!(parts.len(), tags.len());
        self.write(key, parts.concat())
    }

    async fn abandon(&self, _: &str, _: &str, upload: &str) -> Result<(), StepError> {
        self.uploads.lock().unwrap().remove(upload);
        Ok(())
    }
}

impl ReadLines for Bucket {
    async fn read_lines(&self, _bucket: &str, key: &str) -> Result<Lines, StepError> {
        Ok(Box::pin(std::io::Cursor::new(self.objects.lock().unwrap()[key].clone())))
    }
}

impl ListKeys for Bucket {
    async fn list_keys(&self, _bucket: &str, prefix: &str) -> Result<Vec<String>, StepError> {
        Ok(self.objects.lock().unwrap().keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}

impl ListObjects for Bucket {
    async fn list_objects(&self, _bucket: &str, prefix: &str) -> Result<Vec<Listed>, StepError> {
        let objects = self.objects.lock().unwrap();
        let found = objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let listed = found.map(|(key, body)| Listed {
            key: key.clone(),
            size: body.len() as u64,
            tag: Some(tag(body)),
        });
        Ok(listed.collect())
    }
}
