//! Step `reconcile`: compares the restored old primary with the new primary, table by table, and keeps what differs
//! in the report bucket.
//!
//! Operation `compare`. For each database of the plan the source is the cluster that `snapshot-restore` made for this
//! execution, the target the new primary's cluster in the function's own Region: the global cluster's writer, or, where
//! the databases have been moved back since, a secondary that is in step with it, by its reader endpoint. Both are only
//! read. Where `snapshot-restore` made it, the new primary as it was at the takeover is asked which of the two wrote a row that
//! differs ([`table_diff::Base`]). The crate `comparison` describes what is left in the bucket.
//!
//! # Databases for which one function is too slow
//! Operation `cut` writes `ranges.jsonl` where the plan's `reconcile.distributed` wants a database of that size distributed: its tables, and
//! of large tables ranges of their key. The state machine of the template gives each to a child, which calls operation `range` until
//! that is done: it compares one range as `compare` compares a table, in a folder of its own. `compare` then does not compare
//! these tables: it proves that their ranges have every key once, and puts together what they found.
//!
//! # States
//! - *Refused*: the cluster here is a secondary that is not in step, or the restored cluster is not there, not this
//!   execution's, or not available. Of `range` this is an error: the state machine redrives only what failed.
//! - *InProgress*: the time of this call was over; the next call goes on.
//! - *Done*: every table was compared, or can't be; `summary.json` is written. A further call compares nothing. Of `cut`: the ranges
//!   are written, and never change again.
//! - *NotNeeded*, of `cut` only: no database is to be distributed.
//!
//! # Promise
//! What is in the bucket is the truth, and a call killed at any moment costs only what it did since its last write of
//! `cursor.json`: that says for every database which tables are done, where the one at work stands, and which parts
//! of differences belong to it. A part is written before the cursor that names it, see [`comparison::PartWriter`], and the
//! summary names the parts of each table: one that a killed call left counts for nothing.
//!
//! A table that can't be compared is `error` in the summary and the others go on. A database that can't be reached is
//! an error of the step: the next call tries again from where it stood.
//!
//! # Memory
//! `table-diff` holds one range of one table at a time. Differences are kept as text until there are
//! [`PART`] bytes of them, or the cursor is saved; a part may be longer by what one range gives.

use std::pin::Pin;

use runbook::error::Kind;
use runbook::{Context, Outcome, RecoveryPlan, StepError};
use serde::Deserialize;

mod calls;
mod cut;
mod decide;
mod folder;
mod merge;
mod observe;
mod outcome;
mod ranges;
mod run;
mod state;

pub use calls::{Compare, Failure, Servers};
pub use decide::{BaseSide, Place, Sides};
pub use folder::PART;
pub use outcome::{Cut, Observed};
pub use ranges::RangeEvent;
pub use runbook::bucket::{GetObject, PutIf, PutObject};
use state::State;

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// What to do.
    pub operation: Operation,
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution that restored the old primary.
    pub execution: String,
    /// Region it was restored in, one of the plan's; absent or empty: the function's own.
    #[serde(default, deserialize_with = "runbook::step::optional_text")]
    pub restore_region: Option<String>,
    /// What the operation `range` compares.
    #[serde(default)]
    pub range: Option<RangeEvent>,
}

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Compare as far as the time of this call allows.
    Compare,
    /// Cut the tables of large databases into ranges.
    Cut,
    /// Compare one of these, as far as the time of this call allows.
    Range,
}

/// The step as the Lambda function calls it.
///
/// # Errors
/// For what is broken: event, plan, permissions, a database that can't be reached or refuses the password.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    let servers = Servers::new(context.config.clone());
    // Boxed as a trait object: the futures of the drivers and of the SDK in one another are too deep for the compiler.
    let step: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(handle_with(context, event, &servers));
    step.await
}

/// The step with another comparison in place of the one over real servers.
///
/// # Errors
/// As [`handle`].
pub async fn handle_with(
    context: Context,
    event: Event,
    servers: &impl Compare,
) -> Result<Outcome<Observed>, StepError> {
    let plan = RecoveryPlan::load(&context, &event.plan).await?;
    let restore_region = event.restore_region.clone().unwrap_or_else(|| context.region.clone());
    plan.require_region(&restore_region, "`restoreRegion`")?;
    let range = event.checked(&plan)?;
    let store = runbook::bucket::client(&context.config);
    let mut folder = folder::Folder::new(&plan, &context.region, &event.execution)?;
    if let Some(range) = range {
        folder = folder.of_range(range);
    }
    if event.operation != Operation::Cut
        && let Some(summary) = folder.summary(&store).await?
    {
        return Ok(outcome::done(&summary));
    }
    let mut state = match event.operation {
        Operation::Cut => State::default(),
        _ => folder.state(&store).await?,
    };
    let only = range.map(|range| range.database.as_str());
    let at =
        observe::At { context: &context, plan: &plan, event: &event, restore_region: &restore_region, only };
    let mut all = match at.observe(&store, folder.bucket(), &state).await? {
        Ok(all) => all,
        // The comparison will be refused, for the same reason.
        Err(reason) if event.operation == Operation::Cut => {
            return Ok(cut::not_needed(&folder, &plan, reason));
        }
        // A child that answered would be over; one that fails is redriven from here.
        Err(reason) if range.is_some() => {
            return Err(StepError::new(
                Kind::Failed,
                reason,
                "mend the cause, and redrive the state machine",
            ));
        }
        Err(reason) => return Ok(outcome::refused(reason)),
    };
    let part = match range {
        None if event.operation == Operation::Cut => {
            return Box::pin(cut::cut(&context, &folder, &store, servers, &plan, &all)).await;
        }
        None => run::Part::All(folder.ranges(&store).await?.unwrap_or_default()),
        Some(range) => {
            if let (true, [sides]) = (state.databases.is_empty(), all.as_slice()) {
                state = run::range_state(sides, range);
            }
            range.continues(&state)?;
            // How many there are at once is for the state machine to say.
            all.iter_mut().for_each(|sides| sides.connections = 1);
            run::Part::Range(range.range.clone())
        }
    };
    Box::pin(run::run(&context, &folder, &store, servers, &plan, &all, (state, &part))).await
}

impl Event {
    /// The range that is asked for, where the event makes sense.
    fn checked(&self, plan: &RecoveryPlan) -> Result<Option<&RangeEvent>, StepError> {
        let bad = |what: String, remedy: &str| Err(StepError::new(Kind::BadEvent, what, remedy));
        if !self.execution.contains(|c: char| c.is_ascii_alphanumeric()) {
            let remedy = "give the id of the Automation execution that restored the old primary";
            return bad(format!("`execution` is {:?}", self.execution), remedy);
        }
        match (self.operation, &self.range) {
            (Operation::Range, Some(range)) if !plan.databases.contains_key(&range.database) => {
                let what = format!("`range.database` is {:?}, which the plan does not have", range.database);
                bad(what, "give a line of ranges.jsonl, which the operation cut writes")
            }
            (Operation::Range, None) => {
                bad("`range` is missing".into(), "give a line of ranges.jsonl as `range`")
            }
            (Operation::Compare | Operation::Cut, Some(_)) => {
                bad("`range` is given, and the operation takes none".into(), "use the operation range")
            }
            (_, range) => Ok(range.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_read_strictly() {
        let read = |extra: &str| {
            serde_json::from_str::<Event>(&format!(
                r#"{{"operation":"compare","plan":"p","execution":"e"{extra}}}"#
            ))
        };
        assert_eq!(read(r#","restoreRegion":"""#).unwrap().restore_region, None);
        assert_eq!(read(r#","restoreRegion":"r""#).unwrap().restore_region.as_deref(), Some("r"));
        assert!(read(r#","since":"""#).is_err());
        assert!(serde_json::from_str::<Event>(r#"{"operation":"compare","plan":"p"}"#).is_err());
        let sample = include_str!("../../../events/reconcile.json");
        serde_json::from_str::<Event>(sample).unwrap();
        let plan = runbook::plan::sample();
        for (sample, has_range) in [
            (include_str!("../../../events/reconcile-cut.json"), false),
            (include_str!("../../../events/reconcile-range.json"), true),
        ] {
            let event = serde_json::from_str::<Event>(sample).unwrap();
            assert_eq!(event.checked(&plan).unwrap().is_some(), has_range);
            let turned = if has_range { Operation::Compare } else { Operation::Range };
            let error = Event { operation: turned, ..event.clone() }.checked(&plan).unwrap_err().to_string();
            assert!(error.contains("`range` is"), "{error}");
            let error = Event { execution: "-".into(), ..event }.checked(&plan).unwrap_err().to_string();
            assert!(error.contains("`execution` is"), "{error}");
        }
    }
}
