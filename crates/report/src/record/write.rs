//! Writes the record of a move into the report bucket, and what later runbooks read of it.

use jiff::Timestamp;
use runbook::names::keys;
use runbook::record::{FailoverRecord, MoveOutcome, SwitchoverRecord};
use runbook::step::Mode;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError, telemetry};
use serde::Serialize;

use super::build::build;
use super::fits::fits;
use super::last::replaces;
use super::metrics::measured;
use super::model::{Asked, Record};
use super::page::page;
use super::steps::promoted;
use super::words::summary;
use crate::execution::{Execution, ReadExecution};
use crate::outcome::Observed;
use crate::store::{self, DeleteObject, Folder, GetObject, PutObject, ReadLines};

/// Writes the record of a failover or switchover. `stores`: that of this Region, and that of the other one.
///
/// # Errors
/// See [`crate::handle`].
pub async fn write_record<E, S>(
    context: &Context,
    executions: &E,
    stores: [&S; 2],
    plan: &RecoveryPlan,
    asked: &Asked,
) -> Result<Outcome<Observed>, StepError>
where
    E: ReadExecution,
    S: GetObject + PutObject + DeleteObject + ReadLines,
{
    let bucket = plan.report_bucket(&context.region)?;
    let execution = executions.read_execution(&asked.execution).await?;
    fits(plan, asked, &execution, &context.region)?;
    let last = Last::read(stores[0], bucket, plan).await?;
    let (earlier, unknown) = match beginnings(executions, &execution, last.completed()).await {
        Ok(earlier) => (earlier, None),
        // A record that may begin too late is better than none.
        Err(error) => (Vec::new(), Some(error)),
    };
    let record = build(plan, asked, &execution, &earlier, last.switchover.as_ref(), context.clock.now())?;

    let (location, mut changed) = write_files(stores[0], bucket, &record).await?;
    let mut reason = format!("the record is written: {location}");
    if let Some(error) = unknown {
        reason += &format!("; whether an earlier execution began this move is not known: {error}");
    }
    // Later runbooks must not read of a move whose record is missing, so this comes after the files.
    match asked.mode {
        Mode::Failover | Mode::Detach => {
            changed.extend(save_failover(stores[0], bucket, &record, &last, asked.replace).await?);
        }
        Mode::Switchover => {
            let there = plan.report_bucket(plan.other_region(&context.region))?;
            let (saved, note) =
                save_switchover(stores, [bucket, there], &record, &last, asked.replace).await?;
            changed.extend(saved);
            reason.extend(note);
        }
    }
    telemetry::emit(&plan.name, &measured(&record), context.clock.now());
    let (subject, next) = (String::new(), String::new());
    let observed = Observed { location, summary: summary(&record), subject, next };
    Ok(Outcome::new(Status::Done, reason, observed).with_changed(changed))
}

/// Writes the record of a failover that another system made, as the plan's last failover. Returns the address of its page,
/// and what was written. Where a failover that began later is on record, that one stays the last.
///
/// # Errors
/// When the page can't be made, or the bucket can't be read or written.
pub async fn write_failover<S>(
    store: &S,
    bucket: &str,
    plan: &RecoveryPlan,
    record: &Record,
) -> Result<(String, Vec<String>), StepError>
where
    S: GetObject + PutObject + DeleteObject + ReadLines,
{
    let last = Last::read(store, bucket, plan).await?;
    let (location, mut changed) = write_files(store, bucket, record).await?;
    changed.extend(save_failover(store, bucket, record, &last, false).await?);
    Ok((location, changed))
}

/// What is on record of the plan's earlier moves. A record that can't be read counts as none: it must not keep this one
/// from being written.
struct Last {
    failover: Option<FailoverRecord>,
    switchover: Option<SwitchoverRecord>,
}

impl Last {
    async fn read(store: &impl GetObject, bucket: &str, plan: &RecoveryPlan) -> Result<Self, StepError> {
        Ok(Self {
            failover: read(store, bucket, &keys::last_failover(&plan.name)).await?,
            switchover: read(store, bucket, &keys::last_switchover(&plan.name)).await?,
        })
    }

    /// When the last move that succeeded ended.
    fn completed(&self) -> Option<Timestamp> {
        let failover = self.failover.as_ref().filter(|last| last.succeeded()).map(|last| last.ended_at);
        let switchover = self.switchover.as_ref().filter(|last| last.succeeded()).map(|last| last.ended_at);
        failover.max(switchover)
    }
}

async fn read<T: serde::de::DeserializeOwned>(
    store: &impl GetObject,
    bucket: &str,
    key: &str,
) -> Result<Option<T>, StepError> {
    Ok(store.get_object(bucket, key).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Writes the folder of the record. Returns the address of the page, and what was written.
async fn write_files<S>(store: &S, bucket: &str, record: &Record) -> Result<(String, Vec<String>), StepError>
where
    S: GetObject + PutObject + DeleteObject + ReadLines,
{
    let page = page(record)?;
    let mut folder =
        Folder::begin_anew(store, bucket, keys::reports(&record.plan, &record.execution)).await?;
    folder.write_json("record.json", record).await?;
    let location = folder.write("record.html", "text/html; charset=utf-8", page.into_bytes()).await?;
    folder.write_manifest(&[]).await?;
    Ok((location, folder.written()))
}

/// Makes the record the plan's last failover, where it replaces the one that is there, and keeps that one beside it.
/// Returns what was written.
async fn save_failover<S: PutObject + ReadLines>(
    store: &S,
    bucket: &str,
    record: &Record,
    last: &Last,
    replace: bool,
) -> Result<Option<String>, StepError> {
    if !replaces(record, last.failover.as_ref().map(|last| last.started_at), replace) {
        return Ok(None);
    }
    if let Some(last) = last.failover.as_ref().filter(|last| last.execution != record.execution) {
        put(store, bucket, &keys::earlier_failover(&record.plan, &last.execution), last).await?;
    }
    let short = record.failover(last.failover.as_ref(), last.switchover.as_ref());
    put(store, bucket, &keys::last_failover(&record.plan), &short).await.map(Some)
}

/// Makes the record the plan's last switchover in both Regions, where it replaces the one that is there. `stores` and
/// `buckets`: those of this Region, and those of the other one. Returns what was written, and a note for the reason where
/// the other Region's could not be written and the switchover had failed anyway.
async fn save_switchover<S: PutObject + ReadLines>(
    stores: [&S; 2],
    buckets: [&str; 2],
    record: &Record,
    last: &Last,
    replace: bool,
) -> Result<(Vec<String>, Option<String>), StepError> {
    if !replaces(record, last.switchover.as_ref().map(|last| last.started_at), replace) {
        return Ok((Vec::new(), None));
    }
    let (short, key) = (record.switchover(), keys::last_switchover(&record.plan));
    let here = put(stores[0], buckets[0], &key, &short).await?;
    match put(stores[1], buckets[1], &key, &short).await {
        Ok(there) => Ok((vec![here, there], None)),
        Err(error) if record.outcome == MoveOutcome::Failed => {
            Ok((vec![here], Some(format!("; the other Region does not know of it: {error}"))))
        }
        Err(error) => Err(error),
    }
}

async fn put<S: PutObject + ReadLines, T: Serialize>(
    store: &S,
    bucket: &str,
    key: &str,
    value: &T,
) -> Result<String, StepError> {
    store::put_and_check(store, bucket, key, "application/json", store::json(value)?).await?;
    Ok(format!("wrote s3://{bucket}/{key}"))
}

/// How many earlier executions are read at most. Each takes a call, and Systems Manager accepts three a second.
const EARLIER: usize = 20;

/// The executions of the same runbook before this one that promoted to the same Region. The list ends at one that
/// succeeded, and at `since`. It shows also what was not recorded because it was cancelled or killed.
async fn beginnings(
    executions: &impl ReadExecution,
    execution: &Execution,
    since: Option<Timestamp>,
) -> Result<Vec<Execution>, StepError> {
    let listed = executions.list_executions(&execution.document).await?;
    let before = listed
        .iter()
        .filter(|one| one.id != execution.id && one.started <= execution.started)
        .take_while(|one| one.status != "Success" && since.is_none_or(|since| one.started > since));
    let mut beginnings = Vec::new();
    for one in before.take(EARLIER) {
        let one = executions.read_execution(&one.id).await?;
        if promoted(&one) && one.parameter("ImpairedRegion") == execution.parameter("ImpairedRegion") {
            beginnings.push(one);
        }
    }
    Ok(beginnings)
}
