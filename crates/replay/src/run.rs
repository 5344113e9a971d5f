//! The work of one call: it continues from the saved state, database by database, until the call's time is over.

use std::time::Duration;

use comparison::{Found, PartWriter};
use jiff::Timestamp;
use missing_transactions::text::counted;
use row_replay::{Cursor, Options, Progress, ReplayedRow, Sink};
use runbook::bucket::{DeleteObject, GetObject, ListKeys, ListObjects, Listed, PutObject, ReadLines};
use runbook::names::keys;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use table_diff::BoxError;

use crate::calls::{Replay, Rows};
use crate::decide::Place;
use crate::outcome::{self, Observed};
use crate::report;
use crate::state::{self, Database, Folder, State};
use crate::status::RowStatus;
use crate::{Event, Operation};

/// Bytes of fates after which a part is written.
const PART: usize = 4 * 1024 * 1024;
/// How long a call works: an Automation step lasts 300 s at most.
const SLICE: Duration = Duration::from_secs(240);
/// Time before the deadline in which no new transaction is begun.
const MARGIN: Duration = Duration::from_secs(25);
/// Time before the deadline at which a transaction that is not finished is given up.
const ANSWER: Duration = Duration::from_secs(10);
/// How much longer than a call works it may wait for a transaction.
const OVERTIME: Duration = Duration::from_secs(30);
/// The report is begun only where this much time is left; otherwise the next call writes it.
const REPORT: Duration = Duration::from_secs(60);
/// After how many seconds without a part the fates and the cursor are saved.
const SAVE: f64 = 10.0;

/// What a call needs of the bucket.
pub(crate) trait Store:
    GetObject + PutObject + DeleteObject + ReadLines + ListKeys + ListObjects + Sync
{
}
impl<S: GetObject + PutObject + DeleteObject + ReadLines + ListKeys + ListObjects + Sync> Store for S {}

/// What is asked for, and where.
pub(crate) struct Job<'a, S> {
    pub(crate) context: &'a Context,
    pub(crate) plan: &'a RecoveryPlan,
    pub(crate) event: &'a Event,
    pub(crate) store: &'a S,
}

/// What a job has to do, by what is in the bucket.
pub(crate) enum Begun<'a, S> {
    /// Nothing: this is the answer.
    Answer(Outcome<Observed>),
    /// This work.
    Work(Box<Work<'a, S>>),
}

/// What is to be done.
pub(crate) struct Work<'a, S> {
    job: Job<'a, S>,
    folder: Folder,
    found: Found<'a, S>,
    state: State,
    /// The operation before this one: the preview for `apply`, `apply` for `verify`.
    before: Option<State>,
    options: Options,
    stop_at: Timestamp,
    saved: Timestamp,
}

/// Why an operation is refused, decided from what is in the bucket. Pure.
fn refusal(
    event: &Event,
    reported: bool,
    state: &State,
    before: Option<&State>,
    minutes: u32,
    now: Timestamp,
) -> Option<String> {
    let Event { operation, execution, reconcile_execution, .. } = event;
    if !reported {
        return Some(format!(
            "the report of execution {reconcile_execution} is not complete: give the id of a reconcile execution that ended well in this Region"
        ));
    }
    let needs = match operation {
        Operation::Preview => None,
        Operation::Apply => Some(Operation::Preview),
        Operation::Verify => Some(Operation::Apply),
    };
    if let Some(needs) = needs
        && before.is_none_or(|before| before.answer.is_none())
    {
        return Some(format!(
            "{} needs {} to be complete in execution {execution}: run {} until it is",
            operation.name(),
            needs.name(),
            needs.name()
        ));
    }
    let other = [Some(state), before].into_iter().flatten().map(|state| &state.reconcile_execution);
    if let Some(other) = other.into_iter().find(|other| *other != reconcile_execution) {
        return Some(format!(
            "execution {execution} replays the comparison of {other}, not of {reconcile_execution}: start the runbook anew"
        ));
    }
    let over = now.duration_since(state.begun).as_secs() >= i64::from(minutes) * 60;
    over.then(|| {
        format!(
            "{} was not done {minutes} minutes after {} (limits.replayMinutes): raise the limit if necessary and start the runbook again: it recognises rows that are already back",
            operation.name(),
            state.begun
        )
    })
}

impl<'a, S: Store> Job<'a, S> {
    /// Reads what is in the bucket.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) async fn begin(self) -> Result<Begun<'a, S>, StepError> {
        let Self { context, plan, event, store } = self;
        let folder = Folder::new(plan, &context.region, &event.execution)?;
        let now = context.clock.now();
        let state = folder.state(store, event.operation).await?;
        if let Some(answer) = state.as_ref().and_then(|state| state.answer.clone()) {
            return Ok(Begun::Answer(answer));
        }
        let state = state.unwrap_or_else(|| State {
            reconcile_execution: event.reconcile_execution.clone(),
            begun: now,
            databases: Default::default(),
            answer: None,
        });
        let before = match event.operation {
            Operation::Preview => None,
            Operation::Apply => folder.state(store, Operation::Preview).await?,
            Operation::Verify => folder.state(store, Operation::Apply).await?,
        };
        // The step `report` writes it last, so with it there is a report that people could read.
        let manifest = format!("{}manifest.json", keys::reports(&plan.name, &event.reconcile_execution));
        let reported = store.get_object(&folder.bucket, &manifest).await?.is_some();
        let found = Found::open(store, &folder.bucket, &plan.name, &event.reconcile_execution).await?;
        let reason = refusal(
            event,
            reported && found.is_some(),
            &state,
            before.as_ref(),
            plan.limits.replay_minutes,
            now,
        );
        let (Some(found), None) = (found, &reason) else {
            return Ok(Begun::Answer(refused(reason.unwrap_or_default(), &state)));
        };
        let options = Options { dry_run: event.operation != Operation::Apply, ..Options::default() };
        let stop_at = (now + SLICE).min(context.deadline - MARGIN);
        let work = Work { job: self, folder, found, state, before, options, stop_at, saved: now };
        Ok(Begun::Work(Box::new(work)))
    }
}

fn refused(reason: String, state: &State) -> Outcome<Observed> {
    let databases = outcome::tallies(state);
    Outcome::new(Status::Refused, reason, Observed { databases, ..Observed::default() })
}

impl<S: Store> Work<'_, S> {
    /// The databases that are not finished, with the cluster that was compared.
    pub(crate) fn remaining(&self) -> Vec<(String, String)> {
        let all = self.found.summary().databases.iter();
        let left = all.filter(|(name, _)| !self.state.is_finished(name));
        left.map(|(name, database)| (name.clone(), database.target_cluster.clone())).collect()
    }

    /// The answer where the databases are not in a state that allows a replay.
    pub(crate) fn refused(&self, reason: String) -> Outcome<Observed> {
        refused(reason, &self.state)
    }

    /// For tests: how many rows a transaction has.
    #[cfg(test)]
    pub(crate) fn with_transaction_rows(mut self: Box<Self>, rows: usize) -> Box<Self> {
        self.options.transaction_rows = rows;
        self
    }

    /// Works until the time is over or nothing is left to do. `places` has the databases that are not finished.
    ///
    /// # Errors
    /// When a database can't be reached or the bucket can't be written; what was done is kept.
    pub(crate) async fn run(
        mut self: Box<Self>,
        replay: &impl Replay,
        places: &[Place],
    ) -> Result<Outcome<Observed>, StepError> {
        // The state is saved from the first call on, because the limit counts from then.
        self.save().await?;
        let context = self.job.context;
        let inserted = |state: &State| outcome::total(&outcome::tallies(state)).of(RowStatus::ToPutBack);
        let known = inserted(&self.state);
        let most = (SLICE + OVERTIME).min(context.time_left().saturating_sub(ANSWER));
        let walked = tokio::time::timeout(most, Box::pin(self.walk(replay, places))).await;
        // The call ends in the middle of a transaction, which the server rolls back; the next call starts it again.
        let Ok(walked) = walked else { return Ok(self.in_progress()) };
        let outcome = match walked? {
            Walked::Refused(reason) => self.refused(reason),
            Walked::Stopped => self.in_progress(),
            Walked::Done if context.time_left() < REPORT => self.in_progress(),
            Walked::Done => self.finish().await?,
        };
        let inserted = inserted(&self.state) - known;
        if self.job.event.operation != Operation::Apply || inserted == 0 {
            return Ok(outcome);
        }
        Ok(outcome.with_changed(vec![format!("put {} back", counted(inserted, "row"))]))
    }

    async fn save(&mut self) -> Result<(), StepError> {
        self.folder.save(self.job.store, self.job.event.operation, &self.state).await?;
        self.saved = self.job.context.clock.now();
        Ok(())
    }

    async fn walk(&mut self, replay: &impl Replay, places: &[Place]) -> Result<Walked, StepError> {
        for place in places {
            if self.job.context.clock.now() >= self.stop_at {
                return Ok(Walked::Stopped);
            }
            let compared = self.compared(&place.name).await?;
            let differs = |state: &State| {
                state.databases.get(&place.name).is_some_and(|known| known.compared != compared)
            };
            if differs(&self.state) || self.before.as_ref().is_some_and(differs) {
                return Ok(Walked::Refused(format!(
                    "database {}: the result of the comparison has changed since the preview: start the runbook again for a new preview",
                    place.name
                )));
            }
            let new = Database { compared, ..Database::default() };
            self.state.databases.entry(place.name.clone()).or_insert(new);
            if !self.replay(replay, place).await? {
                return Ok(Walked::Stopped);
            }
        }
        Ok(Walked::Done)
    }

    /// Identifies the differences of a database, so that a change of them is noticed without reading them.
    async fn compared(&self, database: &str) -> Result<Vec<Listed>, StepError> {
        let folder = keys::reconcile(&self.job.plan.name, &self.job.event.reconcile_execution);
        self.job.store.list_objects(&self.folder.bucket, &format!("{folder}{database}/")).await
    }

    /// Works on one database; true once every row has its fate.
    async fn replay(&mut self, replay: &impl Replay, place: &Place) -> Result<bool, StepError> {
        let catalogue = self.found.catalogue(&place.name).await?;
        let differences = self.found.parts(&place.name).await?;
        let options = self.options.clone();
        let rows = Rows { catalogue: &catalogue, differences: &differences, options: &options };
        let database = self.state.databases.get(&place.name).cloned().unwrap_or_default();
        let (clock, stop_at) = (self.job.context.clock.clone(), self.stop_at);
        let stop = || clock.now() >= stop_at;
        let folder = self.folder.parts(self.job.event.operation, &place.name);
        let parts = PartWriter::new(&self.folder.bucket, folder, state::PART, database.parts);
        let mut kept = Kept { database: place.name.clone(), parts, work: self };
        let replayed = Box::pin(replay.replay(place, rows, database.cursor, &mut kept, stop)).await;
        match replayed {
            Ok(Progress::Interrupted(_)) => kept.flush().await.map(|()| false),
            Ok(Progress::Finished(summary)) => {
                kept.parts.write(kept.work.job.store).await?;
                let parts = kept.parts.names().to_vec();
                if let Some(database) = self.state.databases.get_mut(&place.name) {
                    (database.cursor, database.parts, database.summary) = (None, parts, Some(summary));
                }
                self.save().await?;
                Ok(true)
            }
            Err(error) => {
                // What was done is saved if that is possible. The error that is returned is the first one.
                let _ = kept.flush().await;
                Err(error)
            }
        }
    }

    fn in_progress(&self) -> Outcome<Observed> {
        let databases = outcome::tallies(&self.state);
        let rows = outcome::total(&databases).all();
        let left = self.remaining().len();
        let reason = format!("{rows} rows processed, {left} databases left");
        Outcome::new(Status::InProgress, reason, Observed { databases, ..Observed::default() })
    }

    /// The last answer of the operation.
    async fn finish(&mut self) -> Result<Outcome<Observed>, StepError> {
        let Job { context, plan, event, store } = &self.job;
        let (status, observed, changed) = if event.operation == Operation::Apply {
            let databases = outcome::tallies(&self.state);
            let summary = outcome::applied(&databases);
            (Status::Done, Observed { databases, summary, location: String::new() }, Vec::new())
        } else {
            let preview = match event.operation {
                Operation::Verify => self.folder.state(*store, Operation::Preview).await?,
                _ => None,
            };
            let states = report::States {
                preview: preview.as_ref().unwrap_or(&self.state),
                applied: self.before.as_ref(),
                last: &self.state,
            };
            let origin = report::Origin::new(context, plan, event);
            let read = report::read(*store, &self.folder, plan, &self.found, states, origin).await?;
            let (location, changed) = report::write(*store, &self.folder.bucket, &read).await?;
            let databases = read.tallies();
            let asks = event.operation == Operation::Preview
                && outcome::total(&databases).of(RowStatus::ToPutBack) > 0;
            let status = if asks { Status::NeedsApproval } else { Status::Done };
            (status, Observed { databases, summary: read.summary, location }, changed)
        };
        let outcome = Outcome::new(status, observed.summary.clone(), observed);
        self.state.answer = Some(outcome.clone());
        self.save().await?;
        Ok(outcome.with_changed(changed))
    }
}

/// How far a call came.
enum Walked {
    /// Every row has its fate.
    Done,
    /// The time is over.
    Stopped,
    /// It may not go on.
    Refused(String),
}

/// Saves what became of the rows of one database.
struct Kept<'w, 'a, S> {
    database: String,
    parts: PartWriter<Cursor>,
    work: &'w mut Work<'a, S>,
}

impl<S: Store> Kept<'_, '_, S> {
    /// Writes a part, then the cursor that covers it.
    async fn flush(&mut self) -> Result<(), StepError> {
        let cursor = self.parts.write(self.work.job.store).await?;
        if let (Some(database), Some(cursor)) = (self.work.state.databases.get_mut(&self.database), cursor) {
            (database.cursor, database.parts) = (Some(cursor), self.parts.names().to_vec());
        }
        self.work.save().await
    }
}

impl<S: Store> Sink for Kept<'_, '_, S> {
    async fn reached(&mut self, rows: Vec<ReplayedRow>, cursor: &Cursor) -> Result<(), BoxError> {
        self.parts.add(&rows, cursor.clone())?;
        let now = self.work.job.context.clock.now();
        let since = now.duration_since(self.work.saved).as_secs_f64();
        if self.parts.unwritten() >= PART || since >= SAVE {
            self.flush().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_go_on_is_refused_with_what_to_do() {
        let time = |second| Timestamp::from_second(second).unwrap();
        let event = |operation| Event {
            operation,
            plan: "p".into(),
            execution: "r1".into(),
            reconcile_execution: "e1".into(),
        };
        let state = |of: &str, done: bool| State {
            reconcile_execution: of.into(),
            begun: time(1000),
            databases: Default::default(),
            answer: done.then(|| Outcome::new(Status::Done, "", Observed::default())),
        };
        let ask = |operation, reported, state: &State, before: Option<State>, seconds: i64| {
            let (event, now) = (event(operation), time(1000 + seconds));
            refusal(&event, reported, state, before.as_ref(), 10, now).unwrap_or_default()
        };
        let (own, other) = (state("e1", false), state("e2", false));
        let cases = [
            (ask(Operation::Preview, true, &own, None, 599), ""),
            (ask(Operation::Apply, true, &own, Some(state("e1", true)), 0), ""),
            (ask(Operation::Verify, true, &own, Some(state("e1", true)), 0), ""),
            (ask(Operation::Preview, false, &own, None, 0), "the report of execution e1 is not complete"),
            (ask(Operation::Apply, true, &own, None, 0), "apply needs preview to be complete"),
            (ask(Operation::Apply, true, &own, Some(state("e1", false)), 0), "apply needs preview"),
            (ask(Operation::Verify, true, &own, Some(state("e1", false)), 0), "verify needs apply"),
            (ask(Operation::Preview, true, &other, None, 0), "replays the comparison of e2, not of e1"),
            (
                ask(Operation::Apply, true, &own, Some(state("e2", true)), 0),
                "the comparison of e2, not of e1",
            ),
            (ask(Operation::Preview, true, &own, None, 600), "limits.replayMinutes"),
        ];
        for (told, expected) in cases {
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{expected}: {told}");
        }
    }
}
