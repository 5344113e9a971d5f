//! The folder of an execution, or of one range of a table, in the report bucket.

use comparison::{RANGES, SUMMARY, Summary};
use runbook::error::Kind;
use runbook::{RecoveryPlan, StepError, names};
use serde::Serialize;

use crate::ranges::{RangeEvent, Ranges};
use crate::state::State;
use crate::{GetObject, PutObject};

/// Bytes of differences after which a part is written.
pub const PART: usize = 4 * 1024 * 1024;

/// Where an execution, or a range, keeps what it has.
#[derive(Debug)]
pub(crate) struct Folder {
    bucket: String,
    prefix: String,
    /// Bytes after which a part is written.
    pub(crate) part: usize,
    /// It has one range of one table, whose parts lie in it; else the parts of a table lie in a folder of the table's.
    of_range: bool,
}

impl Folder {
    pub(crate) fn new(plan: &RecoveryPlan, region: &str, execution: &str) -> Result<Self, StepError> {
        let bucket = plan.report_bucket(region)?.to_owned();
        Ok(Self {
            bucket,
            prefix: names::keys::reconcile(&plan.name, execution),
            part: PART,
            of_range: false,
        })
    }

    /// The same with smaller parts.
    #[cfg(test)]
    pub(crate) fn with_parts_of(self, part: usize) -> Self {
        Self { part, ..self }
    }

    /// The folder of a range, in that of its table.
    pub(crate) fn of_range(&self, of: &RangeEvent) -> Self {
        let prefix = self.key(&comparison::range(&of.database, &of.table.to_string(), of.number));
        Self { bucket: self.bucket.clone(), prefix, part: self.part, of_range: true }
    }

    /// Folder of a table's parts, with a slash at the end.
    pub(crate) fn table(&self, database: &str, table: &str) -> String {
        if self.of_range { self.prefix.clone() } else { self.key(&comparison::table(database, table)) }
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        store: &impl GetObject,
        name: &str,
    ) -> Result<Option<T>, StepError> {
        let Some(bytes) = store.get_object(&self.bucket, &self.key(name)).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| self.unreadable(name).with_source(error))
    }

    /// An object that this step did not write like this.
    fn unreadable(&self, name: &str) -> StepError {
        StepError::new(
            Kind::Failed,
            format!("s3://{}/{} is not in the format that this step writes", self.bucket, self.key(name)),
            "restore an earlier version of the object, or start the runbook again",
        )
    }

    /// The ranges that are compared by themselves; `None` where there are none.
    pub(crate) async fn ranges(&self, store: &impl GetObject) -> Result<Option<Ranges>, StepError> {
        let Some(lines) = store.get_object(&self.bucket, &self.key(RANGES)).await? else { return Ok(None) };
        Ranges::read(&lines).map(Some).map_err(|error| self.unreadable(RANGES).with_source(error))
    }

    pub(crate) async fn write<T: Serialize + Sync>(
        &self,
        store: &impl PutObject,
        name: &str,
        value: &T,
    ) -> Result<(), StepError> {
        let body = serde_json::to_vec(value).map_err(|error| {
            StepError::new(Kind::Failed, format!("{name} can't be written as JSON"), "report this line")
                .with_source(error)
        })?;
        store.put_object(&self.bucket, &self.key(name), "application/json", body).await
    }

    /// The summary, when the comparison is complete.
    pub(crate) async fn summary(&self, store: &impl GetObject) -> Result<Option<Summary>, StepError> {
        self.read(store, SUMMARY).await
    }

    /// How far the comparison has come; an empty state before it has begun.
    pub(crate) async fn state(&self, store: &impl GetObject) -> Result<State, StepError> {
        Ok(self.read(store, "cursor.json").await?.unwrap_or_default())
    }
}
