//! Operation `cut`: what of a large database is compared by itself. Reads estimates and a few pages; compares nothing.

use std::time::Duration;

use comparison::RANGES;
use runbook::error::Kind;
use runbook::plan::Distributed;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use table_diff::{KeyRange, Listed, Presence};

use crate::calls::{Compare, Failure};
use crate::decide::Sides;
use crate::folder::Folder;
use crate::outcome::{Cut, Observed};
use crate::ranges::{RangeEvent, Ranges};
use crate::run::check_hints;
use crate::{GetObject, PutIf};

/// Ranges of a table at most.
const MOST: usize = 1000;
/// Time before the deadline in which no further table is begun.
const ANSWER: Duration = Duration::from_secs(30);

/// Writes the ranges, where a database is so large that the plan wants them.
///
/// # Errors
/// When a database can't be asked, the plan names what it does not have, or the bucket can't be written: nothing is left then.
pub(crate) async fn cut<S: GetObject + PutIf + Sync>(
    context: &Context,
    folder: &Folder,
    store: &S,
    servers: &impl Compare,
    plan: &RecoveryPlan,
    all: &[Sides],
) -> Result<Outcome<Observed>, StepError> {
    let written = |ranges: Ranges| {
        let reason =
            format!("{} ranges are compared by themselves, {} at once", ranges.count(), concurrency(plan));
        answer(folder, plan, Status::Done, &ranges, reason)
    };
    if let Some(ranges) = folder.ranges(store).await? {
        return Ok(written(ranges));
    }
    let mut events = Vec::new();
    let mut small = Vec::new();
    for sides in all {
        let Some(database) = plan.databases.get(&sides.name) else { continue };
        let Some(distributed) = &database.reconcile.distributed else { continue };
        let (tables, rows) = tables(servers, sides, &database.reconcile).await?;
        if rows > distributed.above_rows {
            // Now, and not after hours of work by the children.
            check_hints(plan, &sides.name, &servers.catalogue(sides).await?)?;
            events.extend(of_database(context, servers, sides, tables, distributed).await?);
        } else {
            small.push(format!(
                "database {} has some {rows} rows, no more than {}",
                sides.name, distributed.above_rows
            ));
        }
    }
    if events.is_empty() {
        let reason =
            if small.is_empty() { "the plan distributes no database".into() } else { small.join("; ") };
        return Ok(not_needed(folder, plan, reason));
    }
    let lines = lines(&events)?;
    // Where another call was faster, its ranges count.
    let is_ours = store.put_if(folder.bucket(), &folder.key(RANGES), None, lines).await?;
    let Some(ranges) = folder.ranges(store).await? else {
        let what =
            format!("s3://{}/{} is not there after it was written", folder.bucket(), folder.key(RANGES));
        return Err(StepError::new(Kind::Failed, what, "run the step again"));
    };
    let changed = is_ours.then(|| format!("wrote s3://{}/{}", folder.bucket(), folder.key(RANGES)));
    Ok(written(ranges).with_changed(changed.into_iter().collect()))
}

fn answer(
    folder: &Folder,
    plan: &RecoveryPlan,
    status: Status,
    ranges: &Ranges,
    reason: String,
) -> Outcome<Observed> {
    let cut = Cut {
        bucket: folder.bucket().to_owned(),
        key: folder.key(RANGES),
        ranges: ranges.count(),
        concurrency: concurrency(plan),
    };
    Outcome::new(status, reason, Observed { cut: Some(cut), ..Observed::default() })
}

/// The outcome where nothing is compared by itself.
pub(crate) fn not_needed(folder: &Folder, plan: &RecoveryPlan, reason: String) -> Outcome<Observed> {
    answer(folder, plan, Status::NotNeeded, &Ranges::default(), reason)
}

/// How many ranges are compared at once: what every database bears that is distributed.
fn concurrency(plan: &RecoveryPlan) -> u16 {
    let distributed = plan.databases.values().filter_map(|database| database.reconcile.distributed.as_ref());
    distributed.map(|distributed| distributed.concurrency).min().unwrap_or(1)
}

/// The tables that both sides have, with about how many rows each, the largest first; and about how many all have.
async fn tables(
    servers: &impl Compare,
    sides: &Sides,
    wanted: &runbook::plan::Reconcile,
) -> Result<(Vec<(Listed, u64)>, u64), StepError> {
    let listed = servers.list_tables(sides, &wanted.tables, &wanted.exclude).await;
    let listed = listed.map_err(|failure| failure.of_list(sides))?;
    let rows = servers.estimated_rows(sides).await?;
    let mut tables = listed
        .into_iter()
        .filter(|one| one.presence == Presence::Both)
        .map(|one| {
            let rows = rows.get(&one.table).copied().unwrap_or_default();
            (one, rows)
        })
        .collect::<Vec<_>>();
    // So that the one that takes longest does not begin last.
    tables.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    let all = tables.iter().map(|(_, rows)| rows).sum();
    Ok((tables, all))
}

/// The ranges of a database's tables.
async fn of_database(
    context: &Context,
    servers: &impl Compare,
    sides: &Sides,
    tables: Vec<(Listed, u64)>,
    distributed: &Distributed,
) -> Result<Vec<RangeEvent>, StepError> {
    let rows = distributed.range_rows.unwrap_or(Distributed::RANGE_ROWS);
    let mut events = Vec::new();
    for (Listed { table, .. }, estimate) in tables {
        if context.time_left() < ANSWER {
            let what = format!("database {}: its tables were not cut in the time of a call", sides.name);
            let remedy =
                "take `reconcile.distributed` out of the plan, in both Regions, and start the runbook again";
            return Err(StepError::new(Kind::Failed, what, remedy));
        }
        let ranges = if estimate / rows < 2 {
            vec![KeyRange::default()]
        } else {
            match servers.key_ranges(sides, &table, (rows, MOST)).await {
                Ok(ranges) => ranges,
                Err(Failure::Step(error)) => return Err(error),
                // Its comparison will say so, too.
                Err(Failure::Table(_)) => vec![KeyRange::default()],
            }
        };
        events.extend(ranges.into_iter().zip(1..).map(|(range, number)| RangeEvent {
            database: sides.name.clone(),
            table: table.clone(),
            number,
            range,
        }));
    }
    Ok(events)
}

fn lines(events: &[RangeEvent]) -> Result<Vec<u8>, StepError> {
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, event).map_err(|error| {
            StepError::new(Kind::Failed, "a range can't be written as JSON", "report this line")
                .with_source(error)
        })?;
        lines.push(b'\n');
    }
    Ok(lines)
}
