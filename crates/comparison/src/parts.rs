//! Lines that are written in parts: a part first, then the cursor that covers it.
//!
//! **Promise.** The name of a part has the sum of its content in it, and a cursor is kept together with the names of all parts
//! that it covers. So whoever else writes at the same time, or does the work of a killed call again, never changes what a
//! cursor covers; a part that no cursor names counts for nothing.
//!
//! **What a failure leaves.** The lines of a part that could not be written are gone, and with them the cursor that covers them:
//! nothing more is written, and the work continues from the cursor before.

use runbook::StepError;
use runbook::bucket::PutObject;
use runbook::bucket::folder::Summing;
use serde::Serialize;

/// Writes the lines of one table, or of one database.
#[derive(Debug)]
pub struct PartWriter<C> {
    bucket: String,
    /// Key of the folder, with a slash at the end.
    folder: String,
    /// How the names begin.
    kind: &'static str,
    /// Names of the parts that are written.
    names: Vec<String>,
    /// Lines up to `cursor` that are in no part yet.
    text: Vec<u8>,
    cursor: Option<C>,
    /// Whether lines were lost.
    failed: bool,
}

impl<C> PartWriter<C> {
    /// Continues behind the parts of these names. A part is `<folder><kind>-00001-1a2b3c4d.jsonl`.
    pub fn new(bucket: &str, folder: String, kind: &'static str, names: Vec<String>) -> Self {
        Self { bucket: bucket.to_owned(), folder, kind, names, text: Vec::new(), cursor: None, failed: false }
    }

    /// Adds lines, which bring the work to `cursor`.
    ///
    /// # Errors
    /// When a line has no JSON form.
    pub fn add<T: Serialize>(&mut self, lines: &[T], cursor: C) -> Result<(), serde_json::Error> {
        for line in lines {
            serde_json::to_writer(&mut self.text, line)?;
            self.text.push(b'\n');
        }
        self.cursor = Some(cursor);
        Ok(())
    }

    /// Bytes of the lines that are in no part yet.
    pub fn unwritten(&self) -> usize {
        self.text.len()
    }

    /// Names of the parts that are written, in their order: those that the cursor covers which [`Self::write`] returned last.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes what was added as a part. Returns the cursor that is to be kept with [`Self::names`] now; `None` when nothing
    /// was added since the last call.
    ///
    /// # Errors
    /// When the bucket can't be written.
    pub async fn write(&mut self, store: &impl PutObject) -> Result<Option<C>, StepError> {
        if self.failed {
            return Ok(None);
        }
        if !self.text.is_empty() {
            let body = std::mem::take(&mut self.text);
            let mut sum = Summing::default();
            sum.add(&body);
            let sum = sum.of("").sha256;
            let (number, sum) = (self.names.len() + 1, sum.get(..8).unwrap_or_default());
            let name = format!("{}-{number:05}-{sum}.jsonl", self.kind);
            let key = format!("{}{name}", self.folder);
            let put = store.put_object(&self.bucket, &key, "application/x-ndjson", body).await;
            self.failed = put.is_err();
            put?;
            self.names.push(name);
        }
        Ok(self.cursor.take())
    }
}
