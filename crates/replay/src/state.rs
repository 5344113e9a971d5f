//! What is kept in the report bucket, under `replay/<plan>/<execution>/`, for each operation:
//!
//! | key | what |
//! |---|---|
//! | `<operation>/cursor.json` | [`State`]: where the operation stands |
//! | `<operation>/<database>/fates-00001-1a2b3c4d.jsonl` … | a [`row_replay::ReplayedRow`] on each line |
//!
//! A part is written before the cursor that names it, see [`comparison::PartWriter`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use row_replay::{Cursor, Summary};
use runbook::bucket::{GetObject, Listed, PutObject};
use runbook::error::Kind;
use runbook::{Outcome, RecoveryPlan, StepError, names};
use serde::{Deserialize, Serialize};
use table_diff::BoxError;

use crate::{Observed, Operation};

/// `cursor.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    /// The execution whose comparison is replayed.
    pub(crate) reconcile_execution: String,
    /// When the operation began.
    pub(crate) begun: Timestamp,
    /// By the plan's name of the database; absent: not begun.
    pub(crate) databases: BTreeMap<String, Database>,
    /// What is answered, once there is nothing left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Outcome<Observed>>,
}

/// Where one database stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Database {
    /// What the comparison left of it, as it was when the operation began.
    pub(crate) compared: Vec<Listed>,
    /// Absent: at the start, or at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<Cursor>,
    /// The parts of fates, by their names.
    pub(crate) parts: Vec<String>,
    /// What was counted, once every row has its fate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<Summary>,
}

impl State {
    pub(crate) fn is_finished(&self, database: &str) -> bool {
        self.databases.get(database).is_some_and(|database| database.summary.is_some())
    }
}

/// How the names of the parts begin.
pub(crate) const PART: &str = "fates";

/// The execution's folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) bucket: String,
    prefix: String,
}

impl Folder {
    pub(crate) fn new(plan: &RecoveryPlan, region: &str, execution: &str) -> Result<Self, StepError> {
        let bucket = plan.report_bucket(region)?.to_owned();
        Ok(Self { bucket, prefix: names::keys::replay(&plan.name, execution) })
    }

    fn cursor(&self, operation: Operation) -> String {
        format!("{}{}/cursor.json", self.prefix, operation.name())
    }

    /// Key of the folder of a database's parts, with a slash at the end.
    pub(crate) fn parts(&self, operation: Operation, database: &str) -> String {
        format!("{}{}/{database}/", self.prefix, operation.name())
    }

    /// Where an operation stands; `None` when it has not begun.
    pub(crate) async fn state(
        &self,
        store: &impl GetObject,
        operation: Operation,
    ) -> Result<Option<State>, StepError> {
        let key = self.cursor(operation);
        let Some(bytes) = store.get_object(&self.bucket, &key).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let what = format!("s3://{}/{key} is not in the format that this step writes", self.bucket);
            let remedy = "restore an earlier version of the object, or start the runbook again";
            StepError::new(Kind::Failed, what, remedy).with_source(error)
        })
    }

    pub(crate) async fn save(
        &self,
        store: &impl PutObject,
        operation: Operation,
        state: &State,
    ) -> Result<(), StepError> {
        let body = serde_json::to_vec(state).map_err(|error| {
            let what = "where the replay stands can't be written as JSON";
            StepError::new(Kind::Failed, what, "report this line").with_source(error)
        })?;
        store.put_object(&self.bucket, &self.cursor(operation), "application/json", body).await
    }
}

/// The error for what this step wrote and can't read.
pub(crate) fn unreadable(origin: &str, error: impl Into<BoxError>) -> StepError {
    StepError::new(
        Kind::Failed,
        format!("{origin} is not in the format that this step writes"),
        "start the runbook again: it recognises rows that are already back",
    )
    .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the version of 2026-11-30 wrote is read, and written the same again.
    #[test]
    fn what_an_earlier_version_kept_is_read_and_written_as_before() {
        for text in [
            include_str!("../../../tests/formats/replay-previewed.json"),
            include_str!("../../../tests/formats/replay-verified.json"),
        ] {
            let state: State = serde_json::from_str(text).unwrap();
            assert!(state.is_finished("orders") && state.answer.is_some());
            let before: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_value(&state).unwrap(), before);
        }
    }
}
