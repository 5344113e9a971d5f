//! The record of a failover or switchover: what its execution did, and what it cost, against the plan's budgets. Of a
//! failover, how long the application was without a writer and how many seconds of writes were at risk; of a switchover,
//! which loses nothing, how long writes stood still.
//!
//! It is made from the Automation execution itself, so that it can also be written for one that failed at any step.
//! The names of the steps are those of `ssm-documents/failover.yaml` and `failback.yaml`; a test holds them together.
//!
//! # When the move began
//! A move is often the work of several executions: one was cancelled, killed, or failed, and was started again. Where the
//! check of this execution found databases in the Region that takes over already, the move began with the earliest
//! execution before it that promoted and was followed by none that ended well (`earlier` of [`build`]): the writes were lost
//! then, and the application was down from then on.
//!
//! # The write outage of a switchover
//! From the moment when the databases are asked to change their roles ("your database is unavailable for a short time
//! while the primary and selected secondary clusters are assuming their new roles", RDS API reference,
//! `SwitchoverGlobalCluster`) until every one has accepted a write in the new Region with the traffic there. What clients
//! felt is at most that. When an earlier execution stopped half-way, it began with that one, as the record of that one or
//! Systems Manager says; where neither does, it is not known and not claimed.

use askama::Template;
use jiff::Timestamp;
use runbook::error::Kind;
use runbook::lag::{Lag, Lags};
use runbook::record::{FailoverRecord, MoveOutcome, SwitchoverRecord};
use runbook::step::Mode;
use runbook::telemetry::{Measured, Metric};
use runbook::{RecoveryPlan, StepError};
use serde::{Deserialize, Serialize};

use crate::execution::{Execution, StepRun};
use crate::text;

/// The step that measures the lag.
const PREFLIGHT: &str = "preflight";
/// The steps that move traffic before any database is touched: off the Region that is left, or all of it at once.
const TRAFFIC_BEFORE: [&str; 2] = ["trafficOff", "trafficFirst"];
/// The steps that promote the databases: the first call, and those that wait.
const PROMOTE: [&str; 2] = ["promote", "awaitPromotion"];
/// The step that gives the traffic to the Region that takes over. It runs only after the promotion was seen.
const TRAFFIC_ON: &str = "trafficOn";
/// The steps that verify. When they are done, the application has its writer back.
const VERIFY: [&str; 2] = ["verify", "awaitVerify"];
/// The steps that record: their own run is still under way.
const RECORD: [&str; 2] = ["record", "recordFailure"];

/// What the record is asked to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Id of the Automation execution.
    pub execution: String,
    /// The Region that took over, or was to.
    pub target_region: String,
    /// How it ended.
    pub outcome: MoveOutcome,
    /// The lag as preflight measured it; taken from the execution when it is an empty text.
    pub lag: HandedLag,
    /// Failover or switchover.
    pub mode: Mode,
    /// The plan's parameter, as the caller names it.
    pub plan_parameter: String,
    /// Whether it replaces a record of a later execution, which was wrong.
    pub replace: bool,
}

/// What preflight answered as `lag`. It is JSON text; Automation is known to parse a text that looks like JSON when it puts
/// it into a map, and AWS doesn't say when.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum HandedLag {
    /// As it was answered; empty when there is none.
    Text(String),
    /// Parsed on the way.
    Parsed(Lags),
}

impl Default for HandedLag {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// How far a failover came. It decides what a person has to do when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Progress {
    /// Nothing was changed.
    NothingChanged,
    /// The traffic may be off in the Region to leave, or here already; no database was touched.
    TrafficMoving,
    /// The promotion was started, and was not seen to be complete.
    Promoting,
    /// Every database has its writer in the Region that takes over.
    Promoted,
}

/// The record of a failover or switchover, `record.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Name of the recovery plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// Name of the document it ran.
    pub document: String,
    /// Failover or switchover.
    #[serde(default)]
    pub mode: Mode,
    /// How it ended.
    pub outcome: MoveOutcome,
    /// How far it came.
    pub progress: Progress,
    /// The Region that was left.
    pub from_region: String,
    /// The Region that took over, or was to.
    pub to_region: String,
    /// When the execution started.
    pub started_at: Timestamp,
    /// When the first execution of this move started, where that was an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// When this record was written.
    pub ended_at: Timestamp,
    /// From the start of the move until every database had accepted a write; absent when that was not seen.
    /// What clients felt began earlier, with the fault.
    pub rto_seconds: Option<f64>,
    /// The plan's budget for it.
    pub rto_budget_seconds: u32,
    /// From the start of the promotion until it was seen to be complete.
    pub promotion_seconds: Option<f64>,
    /// Of a switchover that succeeded: how long writes stood still at most; absent where that is not known.
    pub write_outage_seconds: Option<f64>,
    /// Of a switchover: when that began.
    pub writes_stopped_at: Option<Timestamp>,
    /// Each database's replication lag just before; null where it was not known. In a failover, these are the seconds of
    /// writes at risk.
    pub lag: Lags,
    /// The plan's budget for each.
    pub rpo_budget_seconds: u32,
    /// The step that stopped it, when it failed.
    pub stopped_by: Option<Stop>,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// The step that stopped a failover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Its name in the document.
    pub step: String,
    /// Why, in one line.
    pub reason: String,
}

/// All runs of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name in the document.
    pub name: String,
    /// When it first started.
    pub started_at: Timestamp,
    /// When it last ended; absent while it runs.
    pub ended_at: Option<Timestamp>,
    /// How often it ran.
    pub runs: u32,
    /// How the last run ended, in the service's words.
    pub status: String,
    /// What the last run answered.
    pub answer: Option<String>,
    /// Its reason.
    pub reason: Option<String>,
}

/// Checks that the execution is what the record is to be of: a record that is not true is worth less than none, since a
/// reconciliation takes it for what moved the databases. `here` is the Region of the function, and of the execution.
///
/// # Errors
/// [`Kind::BadEvent`] with everything that does not fit.
pub fn fits(plan: &RecoveryPlan, asked: &Asked, execution: &Execution, here: &str) -> Result<(), StepError> {
    let mut problems = Vec::new();
    let runbook = if asked.mode.is_planned() { "failback" } else { "failover" };
    if execution.document != runbook && !execution.document.ends_with(&format!("-{runbook}")) {
        problems.push(format!("it ran {}, which is no {runbook}", execution.document));
    }
    if asked.target_region != here {
        let target = &asked.target_region;
        problems.push(format!("it ran in {here}, and a {runbook} to {target} runs in {target}"));
    }
    let other = plan.other_region(&asked.target_region);
    if let Some(left) = execution.parameter("ImpairedRegion").filter(|left| *left != other) {
        problems.push(format!("it left {left}, not {other}"));
    }
    let mode = if asked.mode == Mode::Detach { "detach" } else { "failover" };
    if let Some(was) = execution.parameter("Mode").filter(|was| !asked.mode.is_planned() && *was != mode) {
        problems.push(format!("its Mode was {was}, not {mode}"));
    }
    let plain = |parameter: &str| parameter.trim_start_matches('/').to_owned();
    if let Some(of) = execution.parameter("Plan").filter(|of| plain(of) != plain(&asked.plan_parameter)) {
        problems.push(format!("its plan was {of}, not {}", asked.plan_parameter));
    }
    let verified =
        last_run(&started(execution), &VERIFY).and_then(|run| run.output("status")) == Some("Done");
    match asked.outcome {
        MoveOutcome::Succeeded if !verified => {
            problems.push("it did not verify that the move is complete: it has not Succeeded".into());
        }
        MoveOutcome::Failed if verified => {
            problems.push("it verified that the move is complete: it has not Failed".into());
        }
        MoveOutcome::Succeeded | MoveOutcome::Failed => {}
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(StepError::new(
        Kind::BadEvent,
        format!("execution {} can't be recorded so: {}", asked.execution, problems.join("; ")),
        "name the execution of the runbook itself, as its notification does, in its Region, and how it ended; nothing was changed",
    ))
}

/// Makes the record from what was observed. `earlier`: the executions of the same runbook before this one that promoted and did
/// not end well, since the last move that did, newest first. `last_switchover` is what is on record of an earlier one.
///
/// # Errors
/// [`Kind::BadEvent`] when the lag that was handed over is no JSON object of numbers.
pub fn build(
    plan: &RecoveryPlan,
    asked: &Asked,
    execution: &Execution,
    earlier: &[Execution],
    last_switchover: Option<&SwitchoverRecord>,
    now: Timestamp,
) -> Result<Record, StepError> {
    let runs = started(execution);
    let rest = is_rest(&runs);
    let earlier: Vec<&Execution> = earlier.iter().filter(|_| rest != Some(false)).collect();
    let measured_earlier: Lags = earlier.iter().filter_map(|one| measured_lag(&started(one))).flatten().fold(
        Lags::new(),
        |mut lags, (name, lag)| {
            // The earliest is the one before the databases moved.
            if lag.is_some() {
                lags.insert(name, lag);
            }
            lags
        },
    );
    let handed: Lags = match &asked.lag {
        HandedLag::Parsed(lags) => lags.clone(),
        HandedLag::Text(text) if text.trim().is_empty() => {
            // Not there, or not readable, in an execution that stopped before it was measured.
            measured_lag(&runs).unwrap_or_default()
        }
        HandedLag::Text(text) => serde_json::from_str(text).map_err(|error| {
            StepError::new(
                Kind::BadEvent,
                r#"`lag` is not JSON text such as {"orders": {"seconds": 0.8, "at": "2026-11-25T11:59:00Z"}}"#,
                "hand on preflight's observed.lag as it is, or leave it empty",
            )
            .with_source(error)
        })?,
    };
    let lag_of = |name: &String| {
        let measured = |lags: &Lags| lags.get(name).copied().flatten();
        measured(&handed).or_else(|| measured(&measured_earlier))
    };
    let lag = plan.databases.keys().map(|name| (name.clone(), lag_of(name))).collect();

    let ran = |names: &[&str]| last_run(&runs, names).is_some();
    let progress = if ran(&[TRAFFIC_ON]) || ran(&VERIFY) || asked.outcome == MoveOutcome::Succeeded {
        Progress::Promoted
    } else if ran(&PROMOTE) {
        Progress::Promoting
    } else if ran(&TRAFFIC_BEFORE) {
        Progress::TrafficMoving
    } else {
        Progress::NothingChanged
    };
    let done = |names: &[&str]| {
        last_run(&runs, names).and_then(|run| run.ended).filter(|_| progress == Progress::Promoted)
    };
    let promotions = earlier.iter().flat_map(|one| &one.steps).chain(runs.iter().copied());
    let promotion_started =
        promotions.filter(|run| run.name == PROMOTE[0]).filter_map(|run| run.started).min();
    let began_at = earlier.iter().map(|one| one.started).min();
    let promotion_seconds = promotion_started.zip(done(&PROMOTE)).map(|(from, to)| text::seconds(from, to));
    let verified = done(&VERIFY).filter(|_| asked.outcome == MoveOutcome::Succeeded);
    let writes_stopped_at = match asked.mode {
        Mode::Failover | Mode::Detach => None,
        Mode::Switchover => {
            let known = !earlier.is_empty();
            writes_stopped(&runs, promotion_started, known, &asked.target_region, last_switchover)
        }
    };

    Ok(Record {
        plan: plan.name.clone(),
        execution: asked.execution.clone(),
        document: execution.document.clone(),
        mode: asked.mode,
        outcome: asked.outcome,
        progress,
        from_region: plan.other_region(&asked.target_region).to_owned(),
        to_region: asked.target_region.clone(),
        started_at: execution.started,
        began_at,
        ended_at: now,
        rto_seconds: verified.map(|at| text::seconds(began_at.unwrap_or(execution.started), at)),
        rto_budget_seconds: plan.limits.rto_seconds,
        promotion_seconds,
        write_outage_seconds: verified.zip(writes_stopped_at).map(|(at, from)| text::seconds(from, at)),
        writes_stopped_at,
        lag,
        rpo_budget_seconds: plan.limits.rpo_seconds,
        stopped_by: (asked.outcome == MoveOutcome::Failed).then(|| stop(&runs)).flatten(),
        steps: steps(&runs),
    })
}

/// The runs of an execution that began and are no branches, in the order in which they did.
fn started(execution: &Execution) -> Vec<&StepRun> {
    let mut runs: Vec<&StepRun> =
        execution.steps.iter().filter(|run| run.started.is_some() && is_work(run)).collect();
    runs.sort_by_key(|run| run.started);
    runs
}

/// Whether an execution has asked for a promotion.
pub fn promoted(execution: &Execution) -> bool {
    last_run(&started(execution), &PROMOTE).is_some()
}

/// Whether databases were in the Region that takes over when the execution began; `None` where it is not known.
fn is_rest(runs: &[&StepRun]) -> Option<bool> {
    let there = last_run(runs, &[PREFLIGHT])?.output("alreadyThere")?;
    Some(!there.is_empty())
}

/// The lag as the execution's own check measured it.
fn measured_lag(runs: &[&StepRun]) -> Option<Lags> {
    let measured = last_run(runs, &[PREFLIGHT])?.output("lag")?;
    serde_json::from_str(measured).ok()
}

/// What a record has to tell as metrics. A step that waits is one from its first call to the end of its last; what is not
/// known is no metric.
pub fn measured(record: &Record) -> Vec<Measured> {
    let mut measured: Vec<Measured> = record
        .write_outage_seconds
        .map(|outage| Measured::new(Metric::WriteOutage, outage))
        .into_iter()
        .collect();
    if record.mode == Mode::Failover {
        measured.extend(record.rto_seconds.map(|took| Measured::new(Metric::RecoveryTime, took)));
        let lag = record.lag.iter().filter_map(|(name, lag)| Some((name, (*lag)?.seconds)));
        measured.extend(lag.map(|(name, lag)| Measured::of(Metric::LagBeforeFailover, name, lag)));
    }
    let ended = record.steps.iter().filter_map(|step| Some((step, step.ended_at?)));
    measured.extend(ended.map(|(step, end)| {
        Measured::of(Metric::StepDuration, &step.name, text::seconds(step.started_at, end))
    }));
    measured
}

/// When writes stopped, see the module's page.
fn writes_stopped(
    runs: &[&StepRun],
    promotion_started: Option<Timestamp>,
    known_earlier: bool,
    to: &str,
    last: Option<&SwitchoverRecord>,
) -> Option<Timestamp> {
    // A database that was here before this execution asked for it: an earlier one did.
    let began_earlier = is_rest(runs) == Some(true);
    let unfinished = last.filter(|last| !last.succeeded());
    match unfinished {
        // The way back from where the databases had been taken, or the rest of the way there.
        Some(last) if began_earlier || last.to_region != to => last.writes_stopped_at,
        // This execution's own is too late: it found databases here.
        _ if began_earlier && !known_earlier => None,
        _ => promotion_started,
    }
}

/// Branches are steps too, but say nothing unless they fail; and a record does not tell of its own writing.
fn is_work(run: &StepRun) -> bool {
    let silent_branch = run.action == "aws:branch" && run.status == "Success";
    !silent_branch && !RECORD.contains(&run.name.as_str()) && !run.name.starts_with("notify")
}

/// The latest run of any of the steps `names`.
fn last_run<'a>(runs: &[&'a StepRun], names: &[&str]) -> Option<&'a StepRun> {
    runs.iter().rev().find(|run| names.contains(&run.name.as_str())).copied()
}

/// The failure path begins right after the step that stopped the failover: it is the last one.
fn stop(runs: &[&StepRun]) -> Option<Stop> {
    let run = runs.last()?;
    // A function's error may or may not have failed the step; in the second case it stands in the payload.
    let error = ["OutputPayload", "Payload"].iter().find_map(|name| {
        let payload: serde_json::Value = serde_json::from_str(run.output(name)?).ok()?;
        let inner = payload.get("Payload").unwrap_or(&payload);
        Some(inner.get("errorMessage")?.as_str()?.to_owned())
    });
    let reason =
        run.output("reason").filter(|reason| !reason.is_empty() && !reason.contains("{{")).map(str::to_owned);
    let reason = reason
        .or(error)
        .or_else(|| run.failure.clone())
        .unwrap_or_else(|| format!("it ended as {} and gave no reason; see the function's log", run.status));
    Some(Stop { step: run.name.clone(), reason: reason.split_whitespace().collect::<Vec<_>>().join(" ") })
}

/// The runs, one entry for each step, in the order of their first start.
fn steps(runs: &[&StepRun]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for run in runs {
        let Some(started_at) = run.started else { continue };
        let place = steps.iter().position(|step| step.name == run.name).unwrap_or_else(|| {
            steps.push(Step {
                name: run.name.clone(),
                started_at,
                ended_at: None,
                runs: 0,
                status: String::new(),
                answer: None,
                reason: None,
            });
            steps.len() - 1
        });
        let step = &mut steps[place];
        step.runs += 1;
        step.ended_at = run.ended;
        step.status.clone_from(&run.status);
        step.answer = run.output("status").map(str::to_owned);
        step.reason = run.output("reason").map(str::to_owned).or_else(|| run.failure.clone());
    }
    steps
}

impl Record {
    /// When every database was seen in its new place.
    pub fn promoted_at(&self) -> Option<Timestamp> {
        let promotion = self.steps.iter().filter(|step| PROMOTE.contains(&step.name.as_str()));
        promotion.filter_map(|step| step.ended_at).max().filter(|_| self.progress == Progress::Promoted)
    }

    /// What later runbooks need to know of a failover. When the `last` failover failed on its way to the same Region, and
    /// no switchover has moved the databases since, this execution is the rest of it: what counts then is when that one
    /// began, and the lag that it measured where this one could not, because the databases had moved.
    pub fn failover(
        &self,
        last: Option<&FailoverRecord>,
        switchover: Option<&SwitchoverRecord>,
    ) -> FailoverRecord {
        let began = self.began_at.unwrap_or(self.started_at);
        let begun = last
            .filter(|last| !last.succeeded() && last.to_region == self.to_region)
            .filter(|last| switchover.is_none_or(|switchover| switchover.ended_at < last.ended_at));
        let measured = self.lag.iter().filter_map(|(name, lag)| Some((name.clone(), (*lag)?)));
        FailoverRecord {
            plan: self.plan.clone(),
            execution: self.execution.clone(),
            outcome: self.outcome,
            from_region: self.from_region.clone(),
            to_region: self.to_region.clone(),
            started_at: begun.map_or(began, |begun| begun.started_at.min(began)),
            ended_at: self.ended_at,
            lag: begun.into_iter().flat_map(|begun| begun.lag.clone()).chain(measured).collect(),
        }
    }

    /// What later runbooks need to know of a switchover.
    pub fn switchover(&self) -> SwitchoverRecord {
        SwitchoverRecord {
            plan: self.plan.clone(),
            execution: self.execution.clone(),
            outcome: self.outcome,
            from_region: self.from_region.clone(),
            to_region: self.to_region.clone(),
            started_at: self.started_at,
            ended_at: self.ended_at,
            writes_stopped_at: self.writes_stopped_at,
        }
    }
}

/// Whether this record becomes the plan's last of its kind, when the one that stands there began at `last`. One that
/// promoted nothing does not, lest it hide the one that moved the databases; nor one that began earlier, unless it is to
/// replace a wrong one.
pub fn replaces(record: &Record, last: Option<Timestamp>, replace: bool) -> bool {
    let later = last.is_none_or(|last| last <= record.started_at);
    record.progress >= Progress::Promoting && (later || replace)
}

/// The record in one line of a few sentences, for notifications and outputs.
pub fn summary(record: &Record) -> String {
    let (from, to) = (&record.from_region, &record.to_region);
    match record.outcome {
        MoveOutcome::Succeeded if record.mode == Mode::Switchover => {
            format!(
                "{} moved from {from} to {to} by switchover: no write was lost. Writes stood still {}.",
                record.plan,
                outage(record)
            )
        }
        MoveOutcome::Succeeded => {
            let mut line = format!("{} moved from {from} to {to}", record.plan);
            if let Some(seconds) = record.rto_seconds {
                line += &format!(" in {}", text::duration(seconds));
            }
            line += &format!(" (budget {})", text::duration(record.rto_budget_seconds.into()));
            if let Some(seconds) = record.promotion_seconds {
                line += &format!(", {} of it promoting the databases", text::duration(seconds));
            }
            line += &format!(". Writes at risk: {}.", at_risk(record));
            if record.mode == Mode::Detach {
                // It says which are detached, and where they take writes.
                let promoted = record.steps.iter().filter(|step| PROMOTE.contains(&step.name.as_str()));
                let reason =
                    promoted.max_by_key(|step| step.ended_at).and_then(|step| step.reason.as_deref());
                line += &format!(" Now {}", text::sentence(reason.unwrap_or("they are not replicated")));
            }
            line
        }
        MoveOutcome::Failed => {
            let why = record.stopped_by.as_ref().map_or_else(
                || "no step ran".to_owned(),
                |stop| format!("step {}: {}", stop.step, text::cut(&stop.reason, 400)),
            );
            format!(
                "The {} of {} to {to} failed at {} {}",
                record.mode.noun(),
                record.plan,
                text::sentence(&why),
                next(record)
            )
        }
    }
}

/// `for at most 1 min 5 s (budget 15 min)`.
fn outage(record: &Record) -> String {
    let budget = text::duration(record.rto_budget_seconds.into());
    match record.write_outage_seconds {
        Some(seconds) => format!("for at most {} (budget {budget})", text::duration(seconds)),
        None => "for a time that is not known, because they did so before this execution began".into(),
    }
}

/// What state a failed failover or switchover left, and what to do.
fn next(record: &Record) -> String {
    let (from, to) = (&record.from_region, &record.to_region);
    match record.progress {
        Progress::NothingChanged => {
            "Nothing was changed. Mend the cause and start the runbook again.".to_owned()
        }
        Progress::TrafficMoving if record.mode == Mode::Switchover => format!(
            "No database was touched; the traffic may be in {to} already. Mend the cause and start the runbook again, or \
             start it in {from} to go back."
        ),
        Progress::Promoting if record.mode == Mode::Switchover => format!(
            "Databases may be on their way to {to}, and writes may be refused. See each global cluster, mend the cause, \
             and start the runbook again, or start it in {from} to go back."
        ),
        Progress::TrafficMoving => format!(
            "No database was touched; the traffic to {from} may be off. Mend the cause and start the runbook again."
        ),
        Progress::Promoting => format!(
            "Databases may be on their way to {to}; the traffic is off. See each global cluster, mend the cause, and \
             start the runbook again."
        ),
        Progress::Promoted => format!(
            "Every database has its writer in {to}. Mend the cause and start the runbook again: it goes on from there."
        ),
    }
}

/// `orders 0.8 s, catalog unknown (budget 1 min)`.
fn at_risk(record: &Record) -> String {
    let each: Vec<String> = record
        .lag
        .iter()
        .map(|(name, lag)| {
            format!("{name} {}", lag.map_or("unknown".into(), |lag| text::duration(lag.seconds)))
        })
        .collect();
    format!("{} (budget {} each)", each.join(", "), text::duration(record.rpo_budget_seconds.into()))
}

/// The record as a page for people.
#[derive(Template)]
#[template(path = "record.html")]
struct Page<'a> {
    record: &'a Record,
    badge: String,
    heading: String,
    summary: String,
    succeeded: bool,
    facts: Vec<Fact>,
    rows: Vec<Row>,
    ruler: Vec<(f64, String)>,
}

/// A number against its budget.
struct Fact {
    name: String,
    value: String,
    note: String,
    /// `good`, `bad` or empty.
    class: &'static str,
}

/// A step in the timeline; `left` and `width` in percent of the whole.
struct Row {
    name: String,
    offset: String,
    length: String,
    runs: u32,
    left: f64,
    width: f64,
    bad: bool,
    reason: String,
}

/// The page.
///
/// # Errors
/// When the page can't be written, which a test rules out.
pub fn page(record: &Record) -> Result<String, StepError> {
    let end = record.steps.iter().filter_map(|step| step.ended_at).max().unwrap_or(record.ended_at);
    let total = text::seconds(record.started_at, end).max(0.1);
    let rows = record
        .steps
        .iter()
        .map(|step| {
            let offset = text::seconds(record.started_at, step.started_at);
            let length = text::seconds(step.started_at, step.ended_at.unwrap_or(end));
            let left = (offset / total * 100.0).clamp(0.0, 99.5);
            Row {
                name: step.name.clone(),
                offset: format!("+ {}", text::duration(offset)),
                length: text::duration(length),
                runs: step.runs,
                left,
                width: (length / total * 100.0).clamp(0.5, 100.0 - left),
                bad: record.stopped_by.as_ref().is_some_and(|stop| stop.step == step.name)
                    || step.status == "Failed",
                reason: step.reason.clone().unwrap_or_default(),
            }
        })
        .collect();
    let (heading, succeeded) = match record.outcome {
        MoveOutcome::Succeeded => (format!("{} runs in {}", record.plan, record.to_region), true),
        MoveOutcome::Failed => {
            (format!("The {} of {} to {} failed", record.mode.noun(), record.plan, record.to_region), false)
        }
    };
    let badge = match record.mode {
        Mode::Failover => "Failover",
        Mode::Switchover => "Switchover",
        Mode::Detach => "Failover by detaching",
    };
    let page = Page {
        record,
        badge: format!("{badge} {}", if succeeded { "complete" } else { "failed" }),
        heading,
        summary: summary(record),
        succeeded,
        facts: facts(record),
        rows,
        ruler: [0.0, 0.25, 0.5, 0.75, 1.0]
            .iter()
            .map(|part| (part * 100.0, text::duration(part * total)))
            .collect(),
    };
    page.render().map_err(|error| {
        StepError::new(Kind::Failed, "the record's page can't be written", "report this line")
            .with_source(error)
    })
}

fn facts(record: &Record) -> Vec<Fact> {
    let against = |value: f64, budget: u32| if value <= f64::from(budget) { "good" } else { "bad" };
    let budget = |seconds: u32| format!("budget {}", text::duration(seconds.into()));
    let mut facts = Vec::new();
    if record.mode == Mode::Switchover {
        facts.push(match record.write_outage_seconds {
            Some(seconds) => Fact {
                name: "Write outage".into(),
                value: format!("at most {}", text::duration(seconds)),
                note: format!(
                    "from the first database asked to switch to the last verified write; {}",
                    budget(record.rto_budget_seconds)
                ),
                class: against(seconds, record.rto_budget_seconds),
            },
            None => Fact {
                name: "Write outage".into(),
                value: "unknown".into(),
                note: format!(
                    "not over, or begun before this execution; {}",
                    budget(record.rto_budget_seconds)
                ),
                class: "bad",
            },
        });
        for (name, lag) in &record.lag {
            facts.push(Fact {
                name: format!("Replication lag: {name}"),
                value: lag.map_or("unknown".into(), |lag| text::duration(lag.seconds)),
                note: "just before; the switchover waited for it".into(),
                class: "",
            });
        }
        return facts;
    }
    facts.push(match record.rto_seconds {
        Some(seconds) => Fact {
            name: "Recovery time".into(),
            value: text::duration(seconds),
            note: format!(
                "start of the {} to the first verified write; {}",
                if record.began_at.is_some() { "first execution" } else { "runbook" },
                budget(record.rto_budget_seconds)
            ),
            class: against(seconds, record.rto_budget_seconds),
        },
        None => Fact {
            name: "Recovery time".into(),
            value: "not recovered".into(),
            note: budget(record.rto_budget_seconds),
            class: "bad",
        },
    });
    if let Some(seconds) = record.promotion_seconds {
        facts.push(Fact {
            name: "Promotion".into(),
            value: text::duration(seconds),
            note: "all databases at once; part of the recovery time".into(),
            class: "",
        });
    }
    for (name, lag) in &record.lag {
        facts.push(match lag {
            Some(Lag { seconds, .. }) => Fact {
                name: format!("Writes at risk: {name}"),
                value: text::duration(*seconds),
                note: format!("replication lag before the failover; {}", budget(record.rpo_budget_seconds)),
                class: against(*seconds, record.rpo_budget_seconds),
            },
            None => Fact {
                name: format!("Writes at risk: {name}"),
                value: "unknown".into(),
                note: format!("the lag was not measured; {}", budget(record.rpo_budget_seconds)),
                class: "",
            },
        });
    }
    facts
}

mod filters {
    //! For the templates.

    /// A time in UTC.
    #[askama::filter_fn]
    pub fn utc(time: &jiff::Timestamp, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(crate::text::time(*time))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use runbook::plan::sample;

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_366_400 + second).unwrap()
    }

    pub(crate) fn run(name: &str, from: i64, to: i64, outputs: &[(&str, &str)]) -> StepRun {
        StepRun {
            name: name.into(),
            action: "aws:invokeLambdaFunction".into(),
            status: "Success".into(),
            started: Some(at(from)),
            ended: Some(at(to)),
            failure: None,
            outputs: outputs.iter().map(|(k, v)| ((*k).to_owned(), vec![(*v).to_owned()])).collect(),
        }
    }

    fn branch(name: &str, second: i64) -> StepRun {
        StepRun { action: "aws:branch".into(), ..run(name, second, second, &[]) }
    }

    pub(crate) fn good() -> Execution {
        let done = |reason| [("status", "Done"), ("reason", reason)];
        let given =
            [("Plan", "/causeway/plans/shop"), ("ImpairedRegion", "sandbox-east"), ("Mode", "failover")];
        Execution {
            id: "4105a4fc".into(),
            document: "causeway-failover".into(),
            parameters: given.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).into(),
            started: at(0),
            steps: vec![
                branch("checkRegion", 0),
                run(
                    "preflight",
                    0,
                    4,
                    &[
                        ("status", "Ready"),
                        ("reason", "everything is there"),
                        ("lag", r#"{"orders":{"seconds":0.8,"at":"2026-11-25T11:59:00Z"},"catalog":null}"#),
                    ],
                ),
                branch("mayStart", 4),
                run("trafficOff", 4, 6, &done("the traffic is off in sandbox-east")),
                run("promote", 6, 52, &[("status", "InProgress"), ("reason", "orders is failing over")]),
                run(
                    "awaitPromotion",
                    53,
                    98,
                    &[("status", "InProgress"), ("reason", "orders is failing over")],
                ),
                run("awaitPromotion", 99, 120, &done("catalog and orders have their writer in sandbox-west")),
                run("trafficOn", 121, 123, &done("the traffic is on in sandbox-west")),
                run("verify", 123, 125, &done("every database accepted a write")),
                StepRun { status: "InProgress".into(), ended: None, ..run("record", 126, 126, &[]) },
            ],
        }
    }

    fn lag(seconds: f64) -> Lag {
        Lag { seconds, at: "2026-11-25T11:59:00Z".parse().unwrap() }
    }

    pub(crate) fn asked(outcome: MoveOutcome, lag: &str) -> Asked {
        Asked {
            execution: "4105a4fc".into(),
            target_region: "sandbox-west".into(),
            outcome,
            lag: HandedLag::Text(lag.into()),
            mode: Mode::Failover,
            plan_parameter: "/causeway/plans/shop".into(),
            replace: false,
        }
    }

    #[test]
    fn a_failover_that_went_well_is_timed_from_start_to_the_verified_write() {
        let record = build(
            &sample(),
            &asked(
                MoveOutcome::Succeeded,
                r#"{"orders": {"seconds": 0.8, "at": "2026-11-25T11:59:00Z"}, "catalog": null}"#,
            ),
            &good(),
            &[],
            None,
            at(126),
        )
        .unwrap();
        assert_eq!((record.rto_seconds, record.promotion_seconds), (Some(125.0), Some(114.0)));
        assert_eq!((record.from_region.as_str(), record.stopped_by.as_ref()), ("sandbox-east", None));
        let names: Vec<(&str, u32)> =
            record.steps.iter().map(|step| (step.name.as_str(), step.runs)).collect();
        assert_eq!(
            names,
            [
                ("preflight", 1),
                ("trafficOff", 1),
                ("promote", 1),
                ("awaitPromotion", 2),
                ("trafficOn", 1),
                ("verify", 1)
            ]
        );
        assert_eq!(
            summary(&record),
            "shop moved from sandbox-east to sandbox-west in 2 min 5 s (budget 15 min), 1 min 54 s of it promoting the \
             databases. Writes at risk: catalog unknown, orders 0.8 s (budget 1 min each)."
        );
        assert_eq!(record.failover(None, None).lag, BTreeMap::from([("orders".to_owned(), lag(0.8))]));
    }

    #[test]
    fn what_is_known_of_a_failover_is_measured_and_nothing_else() {
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &good(), &[], None, at(126)).unwrap();
        assert_eq!(
            measured(&record),
            [
                Measured::new(Metric::RecoveryTime, 125.0),
                Measured::of(Metric::LagBeforeFailover, "orders", 0.8),
                Measured::of(Metric::StepDuration, "preflight", 4.0),
                Measured::of(Metric::StepDuration, "trafficOff", 2.0),
                Measured::of(Metric::StepDuration, "promote", 46.0),
                Measured::of(Metric::StepDuration, "awaitPromotion", 67.0),
                Measured::of(Metric::StepDuration, "trafficOn", 2.0),
                Measured::of(Metric::StepDuration, "verify", 2.0),
            ]
        );
        let failed = build(&sample(), &asked(MoveOutcome::Failed, ""), &good(), &[], None, at(126)).unwrap();
        assert!(measured(&failed).iter().all(|one| one.metric != Metric::RecoveryTime));
    }

    #[test]
    fn the_lag_is_taken_from_the_execution_when_it_is_not_handed_over() {
        let record = build(&sample(), &asked(MoveOutcome::Failed, ""), &good(), &[], None, at(126)).unwrap();
        assert_eq!(record.lag["orders"], Some(lag(0.8)));
        let error = build(
            &sample(),
            &asked(MoveOutcome::Succeeded, "{{ preflight.lag }}"),
            &good(),
            &[],
            None,
            at(1),
        )
        .unwrap_err();
        assert!(error.to_string().contains("`lag`"), "{error}");
    }

    #[test]
    fn the_lag_is_taken_as_text_and_as_what_automation_made_of_it() {
        let text = r#"{"orders":{"seconds":2.5,"at":"2026-11-25T11:59:00Z"},"catalog":null}"#;
        for handed in [serde_json::json!(text), serde_json::from_str(text).unwrap()] {
            let asked =
                Asked { lag: serde_json::from_value(handed).unwrap(), ..asked(MoveOutcome::Succeeded, "") };
            let record = build(&sample(), &asked, &good(), &[], None, at(126)).unwrap();
            assert_eq!(
                record.lag,
                BTreeMap::from([("catalog".into(), None), ("orders".into(), Some(lag(2.5)))])
            );
        }
    }

    #[test]
    fn a_failed_one_tells_the_step_the_reason_and_the_state_it_left() {
        let failed = |failure: &str| StepRun {
            status: "Failed".into(),
            failure: Some(failure.into()),
            ..run("x", 7, 9, &[])
        };
        let named = |name: &str, run: StepRun| StepRun { name: name.into(), ..run };
        let payload = r#"{"errorType":"Unreachable","errorMessage":"no ARC endpoint answers"}"#;
        let steps = good().steps;
        // (how many steps of the good one ran, the step that stopped it, what is said)
        let cases = [
            (
                1,
                named("preflight", failed("no such function")),
                Progress::NothingChanged,
                "preflight: no such function. Nothing was changed",
            ),
            (
                3,
                run("trafficOff", 7, 9, &[("OutputPayload", payload)]),
                Progress::TrafficMoving,
                "no ARC endpoint answers. No database was touched",
            ),
            (
                5,
                run("awaitPromotion", 7, 9, &[("status", "Refused"), ("reason", "60 min are over")]),
                Progress::Promoting,
                "60 min are over. Databases may be",
            ),
            (7, named("trafficOn", failed("broken")), Progress::Promoted, "it goes on from there"),
            (7, run("trafficOn", 7, 9, &[]), Progress::Promoted, "gave no reason"),
        ];
        for (ran, mut last, progress, said) in cases {
            last.started = Some(at(1000));
            last.ended = Some(at(1001));
            let name = last.name.clone();
            let execution = Execution {
                steps: steps
                    .iter()
                    .take(ran)
                    .cloned()
                    .chain([last, run("recordFailure", 1001, 1002, &[])])
                    .collect(),
                ..good()
            };
            let record =
                build(&sample(), &asked(MoveOutcome::Failed, ""), &execution, &[], None, at(1003)).unwrap();
            assert_eq!(record.progress, progress, "{name}");
            assert_eq!(record.stopped_by.as_ref().unwrap().step, name);
            assert_eq!(record.rto_seconds, None);
            assert!(summary(&record).contains(said), "{said} is missing in: {}", summary(&record));
            assert!(page(&record).unwrap().contains(&name));
        }
    }

    #[test]
    fn the_last_failover_is_the_latest_one_that_promoted() {
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &good(), &[], None, at(126)).unwrap();
        assert!(
            replaces(&record, None, false)
                && replaces(&record, Some(at(-1)), false)
                && replaces(&record, Some(record.started_at), false)
        );
        assert!(!replaces(&record, Some(at(1)), false));
        assert!(replaces(&record, Some(at(1)), true), "the later one was wrong");
        let stopped = Record { progress: Progress::TrafficMoving, ..record };
        assert!(!replaces(&stopped, None, true));
    }

    #[test]
    fn only_what_the_execution_did_is_recorded() {
        let refused = |asked: &Asked, change: &dyn Fn(&mut Execution), here: &str| {
            let mut execution = good();
            change(&mut execution);
            fits(&sample(), asked, &execution, here).map_err(|error| error.to_string())
        };
        let (good, failed) = (asked(MoveOutcome::Succeeded, ""), asked(MoveOutcome::Failed, ""));
        let unverified =
            |execution: &mut Execution| execution.steps.retain(|run| !VERIFY.contains(&run.name.as_str()));
        assert_eq!(refused(&good, &|_| {}, "sandbox-west"), Ok(()));
        assert_eq!(refused(&failed, &unverified, "sandbox-west"), Ok(()));
        let given = |name: &'static str, value: &'static str| {
            move |execution: &mut Execution| {
                execution.parameters.insert(name.to_owned(), vec![value.to_owned()]);
            }
        };
        let back = Asked { mode: Mode::Switchover, ..good.clone() };
        let detach = Asked { mode: Mode::Detach, ..good.clone() };
        let east = Asked { target_region: "sandbox-east".into(), ..good.clone() };
        type Case<'a> = (&'a Asked, &'a dyn Fn(&mut Execution), &'a str);
        let cases: [Case<'_>; 9] = [
            (
                &good,
                &|one| one.document = "causeway-reconcile".into(),
                "it ran causeway-reconcile, which is no failover",
            ),
            (&back, &|_| {}, "it ran causeway-failover, which is no failback"),
            (&east, &|_| {}, "it ran in sandbox-west, and a failover to sandbox-east runs in sandbox-east"),
            (&good, &given("ImpairedRegion", "sandbox-west"), "it left sandbox-west, not sandbox-east"),
            (&good, &given("Mode", "detach"), "its Mode was detach, not failover"),
            (&detach, &|_| {}, "its Mode was failover, not detach"),
            (&good, &given("Plan", "/causeway/plans/other"), "its plan was /causeway/plans/other"),
            (&good, &unverified, "it has not Succeeded"),
            (&failed, &|_| {}, "it has not Failed"),
        ];
        for (asked, change, expected) in cases {
            let error = refused(asked, change, "sandbox-west").unwrap_err();
            assert!(error.contains(expected) && error.contains("nothing was changed"), "{expected}: {error}");
        }
    }

    #[test]
    fn the_rest_of_a_failed_failover_began_with_it() {
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &good(), &[], None, at(126)).unwrap();
        let begun = BTreeMap::from([("catalog".to_owned(), lag(0.3)), ("orders".to_owned(), lag(7.0))]);
        let failed = FailoverRecord {
            outcome: MoveOutcome::Failed,
            started_at: at(-500),
            lag: begun,
            ..record.failover(None, None)
        };
        let whole = record.failover(Some(&failed), None);
        assert_eq!((whole.started_at, whole.ended_at), (at(-500), at(126)));
        // Measured this time: orders only.
        assert_eq!(
            whole.lag,
            BTreeMap::from([("catalog".to_owned(), lag(0.3)), ("orders".to_owned(), lag(0.8))])
        );
        let elsewhere = FailoverRecord { to_region: "sandbox-east".into(), ..failed.clone() };
        let over = FailoverRecord { outcome: MoveOutcome::Succeeded, ..failed };
        for other in [elsewhere, over] {
            assert_eq!(record.failover(Some(&other), None), record.failover(None, None));
        }
    }

    /// What an earlier execution began counts from there, unless it moved nothing.
    #[test]
    fn the_rest_of_a_move_began_with_the_execution_that_promoted() {
        let earlier = [Execution { started: at(-4000), ..good() }];
        let mut second = good();
        second.steps[1].outputs.insert("alreadyThere".into(), vec!["catalog, orders".into()]);
        let asked = asked(MoveOutcome::Succeeded, "");
        let record = build(&sample(), &asked, &second, &earlier, None, at(126)).unwrap();
        assert_eq!((record.began_at, record.rto_seconds), (Some(at(-4000)), Some(4125.0)));
        assert_eq!(record.failover(None, None).started_at, at(-4000));
        let page = page(&record).unwrap();
        assert!(
            page.contains("by an earlier execution") && page.contains("start of the first execution"),
            "{page}"
        );

        second.steps[1].outputs.insert("alreadyThere".into(), vec![String::new()]);
        let record = build(&sample(), &asked, &second, &earlier, None, at(126)).unwrap();
        assert_eq!((record.began_at, record.rto_seconds), (None, Some(125.0)));
        assert!(!super::page(&record).unwrap().contains("by an earlier execution"));
    }

    #[test]
    fn a_detach_is_told_with_where_to_write() {
        let mut execution = good();
        let reason =
            "every database has its writer in sandbox-west; detached, so write there: orders at host:3306";
        let promoted = execution.steps.iter_mut().rfind(|run| PROMOTE.contains(&run.name.as_str())).unwrap();
        promoted.outputs.insert("reason".into(), vec![reason.into()]);
        let asked = Asked { mode: Mode::Detach, ..asked(MoveOutcome::Succeeded, "") };
        let record = build(&sample(), &asked, &execution, &[], None, at(126)).unwrap();
        assert!(summary(&record).ends_with(&format!("Now {reason}.")), "{}", summary(&record));
        assert_eq!(record.failover(None, None).to_region, "sandbox-west");
    }

    #[test]
    fn the_names_of_the_steps_are_those_of_the_document() {
        let [failover, failback] = [
            include_str!("../../../../ssm-documents/failover.yaml"),
            include_str!("../../../../ssm-documents/failback.yaml"),
        ];
        let both = [PREFLIGHT, TRAFFIC_ON].into_iter().chain(PROMOTE).chain(VERIFY).chain(RECORD);
        let both = both.flat_map(|name| [(failover, name), (failback, name)]);
        for (document, name) in both.chain([(failover, TRAFFIC_BEFORE[0]), (failback, TRAFFIC_BEFORE[1])]) {
            assert!(document.contains(&format!("- name: {name}\n")), "{name} is not in {}", &document[..80]);
        }
    }

    /// A switchover to the west, and what was there before it.
    fn switched(outcome: MoveOutcome, already_there: &str, last: Option<&SwitchoverRecord>) -> Record {
        let mut execution = Execution { document: "causeway-failback".into(), ..good() };
        execution.steps.retain(|run| run.name != TRAFFIC_BEFORE[0]);
        let found = vec![already_there.to_owned()];
        execution.steps[1].outputs.insert("alreadyThere".into(), found);
        let asked = Asked { mode: Mode::Switchover, ..asked(outcome, "") };
        build(&sample(), &asked, &execution, &[], last, at(126)).unwrap()
    }

    #[test]
    fn writes_stand_still_from_the_first_switch_to_the_verified_write() {
        let record = switched(MoveOutcome::Succeeded, "", None);
        assert_eq!((record.writes_stopped_at, record.write_outage_seconds), (Some(at(6)), Some(119.0)));
        assert_eq!(
            summary(&record),
            "shop moved from sandbox-east to sandbox-west by switchover: no write was lost. Writes stood still for at \
             most 1 min 59 s (budget 15 min)."
        );
        let page = page(&record).unwrap();
        assert!(page.contains("Switchover complete") && page.contains("at most 1 min 59 s"));
        assert!(!page.contains("at risk"), "a switchover risks nothing");
    }

    #[test]
    fn an_outage_that_began_earlier_is_counted_from_there_or_not_claimed() {
        let failed = SwitchoverRecord {
            outcome: MoveOutcome::Failed,
            writes_stopped_at: Some(at(-600)),
            ..switched(MoveOutcome::Failed, "", None).switchover()
        };
        let back = SwitchoverRecord { to_region: "sandbox-east".into(), ..failed.clone() };
        let ended = SwitchoverRecord { outcome: MoveOutcome::Succeeded, ..failed.clone() };
        let cases = [
            // The rest of it, the way back from it with and without a database left here.
            ("orders", Some(&failed), Some(at(-600))),
            ("", Some(&back), Some(at(-600))),
            ("orders", Some(&back), Some(at(-600))),
            // It moved nothing: writes went on meanwhile.
            ("", Some(&failed), Some(at(6))),
            ("", Some(&ended), Some(at(6))),
            ("orders", Some(&ended), None),
            ("orders", None, None),
        ];
        for (already_there, last, expected) in cases {
            let record = switched(MoveOutcome::Succeeded, already_there, last);
            assert_eq!(record.writes_stopped_at, expected, "{already_there:?} {last:?}");
            assert_eq!(record.switchover().writes_stopped_at, expected);
            assert_eq!(record.write_outage_seconds.is_some(), expected.is_some());
        }
        let unknown = summary(&switched(MoveOutcome::Succeeded, "orders", None));
        assert!(unknown.contains("a time that is not known"), "{unknown}");
    }

    #[test]
    fn a_failed_switchover_says_both_ways_out() {
        let mut execution = Execution { document: "causeway-failback".into(), ..good() };
        execution.steps.truncate(5);
        let asked = Asked { mode: Mode::Switchover, ..asked(MoveOutcome::Failed, "") };
        let record = build(&sample(), &asked, &execution, &[], None, at(126)).unwrap();
        let summary = summary(&record);
        for part in ["The switchover of shop to sandbox-west failed", "start it in sandbox-east to go back"] {
            assert!(summary.contains(part), "{part} is missing in: {summary}");
        }
        assert_eq!(record.writes_stopped_at, Some(at(6)));
    }

    #[test]
    fn a_failover_behind_a_switchover_is_not_the_rest_of_one_before_it() {
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &good(), &[], None, at(126)).unwrap();
        let failed = FailoverRecord {
            outcome: MoveOutcome::Failed,
            started_at: at(-500),
            ended_at: at(-400),
            ..record.failover(None, None)
        };
        let switchover = |ended| SwitchoverRecord { ended_at: at(ended), ..record.switchover() };
        assert_eq!(record.failover(Some(&failed), Some(&switchover(-450))).started_at, at(-500));
        assert_eq!(record.failover(Some(&failed), Some(&switchover(-300))).started_at, at(0));
    }

    #[test]
    fn the_page_escapes_what_it_shows() {
        let mut execution = good();
        execution.steps[3] =
            run("trafficOff", 4, 6, &[("status", "Done"), ("reason", "<script>alert(1)</script>")]);
        let record =
            build(&sample(), &asked(MoveOutcome::Succeeded, ""), &execution, &[], None, at(126)).unwrap();
        let page = page(&record).unwrap();
        assert!(!page.contains("<script>") && page.contains("&#60;script&#62;"));
    }
}
