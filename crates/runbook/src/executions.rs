//! The Automation executions of a Region, as a list shows them.

use aws_sdk_ssm::types::{AutomationExecutionFilter, AutomationExecutionFilterKey};
use jiff::Timestamp;

use crate::StepError;
use crate::error::Kind;

/// An Automation execution in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Name of its document.
    pub document: String,
    /// When it started.
    pub started: Timestamp,
    /// `Success`, `Failed`, `Cancelled`, `InProgress`, …
    pub status: String,
}

/// Lists the executions of documents whose names start with `prefix`, in the Region of this client; those of these statuses,
/// or all when none is named.
///
/// # Errors
/// When Systems Manager does not answer, or may not be asked.
pub async fn list(
    client: &aws_sdk_ssm::Client,
    prefix: &str,
    statuses: &[&str],
) -> Result<Vec<Listed>, StepError> {
    let what = || format!("listing the executions of {prefix}");
    let filter = |key, values: &[&str]| {
        AutomationExecutionFilter::builder()
            .key(key)
            .set_values(Some(values.iter().map(|&value| value.to_owned()).collect()))
            .build()
            .map_err(|error| StepError::new(Kind::Failed, what(), "report this line").with_source(error))
    };
    let mut filters = vec![filter(AutomationExecutionFilterKey::DocumentNamePrefix, &[prefix])?];
    if !statuses.is_empty() {
        filters.push(filter(AutomationExecutionFilterKey::ExecutionStatus, statuses)?);
    }
    let mut pages =
        client.describe_automation_executions().set_filters(Some(filters)).into_paginator().send();
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| StepError::aws(what(), error))?;
        listed.extend(page.automation_execution_metadata_list().iter().filter_map(|one| {
            let started = one.execution_start_time()?;
            Some(Listed {
                id: one.automation_execution_id()?.to_owned(),
                document: one.document_name()?.to_owned(),
                started: Timestamp::new(started.secs(), i32::try_from(started.subsec_nanos()).ok()?).ok()?,
                status: one.automation_execution_status()?.as_str().to_owned(),
            })
        }));
    }
    Ok(listed)
}
