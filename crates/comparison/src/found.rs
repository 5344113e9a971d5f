//! Reads what a comparison left.

use std::collections::BTreeMap;

use futures::stream::{self, BoxStream, StreamExt as _};
use runbook::StepError;
use runbook::bucket::{GetObject, Lines, ListKeys, ReadLines, broken};
use runbook::error::Kind;
use runbook::names::keys;
use serde::de::DeserializeOwned;
use table_diff::{BoxError, Catalogue, Difference, Differences};
use tokio::io::AsyncBufReadExt as _;

use crate::{SUMMARY, Summary};

/// A comparison that is complete.
pub struct Found<'a, S> {
    store: &'a S,
    bucket: String,
    /// Its folder, with a slash at the end.
    folder: String,
    summary: Summary,
}

impl<'a, S: GetObject + ReadLines + ListKeys + Sync> Found<'a, S> {
    /// The comparison of `execution`; `None` while it is not complete.
    ///
    /// # Errors
    /// When the bucket can't be read, or its summary makes no sense.
    pub async fn open(
        store: &'a S,
        bucket: &str,
        plan: &str,
        execution: &str,
    ) -> Result<Option<Self>, StepError> {
        let folder = keys::reconcile(plan, execution);
        let summary = read(store, bucket, &format!("{folder}{SUMMARY}")).await?;
        Ok(summary.map(|summary| Self { store, bucket: bucket.to_owned(), folder, summary }))
    }

    /// What was compared.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The `s3://` address of a name in the folder.
    pub fn address(&self, name: &str) -> String {
        format!("s3://{}/{}{name}", self.bucket, self.folder)
    }

    /// The tables of a database, as the new primary has them.
    ///
    /// # Errors
    /// When it can't be read, is not there, or makes no sense.
    pub async fn catalogue(&self, database: &str) -> Result<Catalogue, StepError> {
        let name = crate::catalogue(database);
        let read = read(self.store, &self.bucket, &format!("{}{name}", self.folder)).await?;
        read.ok_or_else(|| {
            let what = format!("there is no {}, which the comparison writes", self.address(&name));
            StepError::new(Kind::Failed, what, "start the reconcile runbook again")
        })
    }

    /// The differences of a database.
    ///
    /// # Errors
    /// When the bucket can't be read.
    pub async fn parts(&self, database: &str) -> Result<Parts<'a, S>, StepError> {
        let mut tables = BTreeMap::new();
        for table in self.summary.databases.get(database).iter().flat_map(|database| &database.tables) {
            let prefix = format!("{}{}", self.folder, crate::table(database, &table.table));
            let keys = match &table.parts {
                Some(names) => names.iter().map(|name| format!("{prefix}{name}")).collect(),
                None => {
                    let mut keys = self.store.list_keys(&self.bucket, &prefix).await?;
                    keys.retain(|key| key.ends_with(".jsonl"));
                    keys
                }
            };
            if !keys.is_empty() {
                tables.insert(table.table.clone(), keys);
            }
        }
        Ok(Parts { store: self.store, bucket: self.bucket.clone(), tables })
    }
}

async fn read<T: DeserializeOwned>(
    store: &impl GetObject,
    bucket: &str,
    key: &str,
) -> Result<Option<T>, StepError> {
    let Some(bytes) = store.get_object(bucket, key).await? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| unreadable(&format!("s3://{bucket}/{key}"), error))
}

fn unreadable(origin: &str, error: serde_json::Error) -> StepError {
    StepError::new(
        Kind::Failed,
        format!("{origin} is not what the comparison writes"),
        "run the reconcile runbook again; the old file stays as a version of the object",
    )
    .with_source(error)
}

/// The differences of one database. Tables without any are not among them.
pub struct Parts<'a, S> {
    store: &'a S,
    bucket: String,
    /// Keys of the parts, by table.
    tables: BTreeMap<String, Vec<String>>,
}

impl<S: ReadLines + Sync> Parts<'_, S> {
    /// Keys of a table's parts, in their order.
    pub fn keys(&self, table: &str) -> &[String] {
        self.tables.get(table).map(Vec::as_slice).unwrap_or_default()
    }

    /// A part from its first line.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn open_part(&self, key: &str) -> Result<Part, StepError> {
        let lines = self.store.read_lines(&self.bucket, key).await?;
        Ok(Part { lines, bucket: self.bucket.clone(), key: key.to_owned(), line: Vec::new(), number: 0 })
    }
}

/// One part, read line by line.
pub struct Part {
    lines: Lines,
    bucket: String,
    key: String,
    line: Vec<u8>,
    number: u64,
}

impl Part {
    /// The next line, with its end, and the difference in it; `None` behind the last one.
    ///
    /// # Errors
    /// When it can't be read, or is no difference.
    pub async fn next(&mut self) -> Result<Option<(&[u8], Difference)>, StepError> {
        self.line.clear();
        let read = self.lines.read_until(b'\n', &mut self.line).await;
        if read.map_err(|error| broken(&self.bucket, &self.key, error))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let difference = serde_json::from_slice(&self.line).map_err(|error| {
            unreadable(&format!("line {} of s3://{}/{}", self.number, self.bucket, self.key), error)
        })?;
        Ok(Some((&self.line, difference)))
    }
}

impl<S: ReadLines + Sync> Differences for Parts<'_, S> {
    fn tables(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    fn open(&self, table: &str) -> BoxStream<'_, Result<Difference, BoxError>> {
        let keys = self.keys(table).iter();
        stream::try_unfold((keys, None::<Part>), move |(mut keys, mut part)| async move {
            loop {
                let mut open = match part.take() {
                    Some(open) => open,
                    None => match keys.next() {
                        Some(key) => self.open_part(key).await?,
                        None => return Ok::<_, BoxError>(None),
                    },
                };
                if let Some((_, difference)) = open.next().await? {
                    return Ok(Some((difference, (keys, Some(open)))));
                }
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests;
