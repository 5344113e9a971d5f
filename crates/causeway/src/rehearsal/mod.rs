//! A rehearsal: the whole story of a failover, told once, over two worlds. A drill tells it in the sandbox (`drill`), a game day in an
//! account (`gameday`).
//!
//! 1. Somebody writes; one Region has the application, the other stands by. A ledger keeps what they saw acknowledged, outside of both
//!    Regions.
//! 2. The first Region breaks. Writes go on there, and from now on they are lost to the other Region.
//! 3. The runbook `failover` moves the application; writes are accepted again.
//! 4. The old Region returns, Aurora leaves a snapshot of the old primary; the runbook `reconcile` restores it, compares it with
//!    the new primary and reports what is missing.
//! 5. The verdict: is what the report calls lost just what was acknowledged and the new primary lacks, and is nothing in doubt?
//! 6. Where that is wanted: the runbook `replay` puts the missing rows back. Is every acknowledged write there again?
//!
//! - [`world`]: where it takes place: [`sandboxed`] or an [`account`]
//! - [`writers`]: who writes: the shop's customers ([`shop`]), or whoever writes to databases of one's own ([`own`])
//! - [`check`], [`verdict`], [`stores`]: the report against the ledger
//!
//! Exit status 0 when the verdict holds, 1 when it does not. An error means that it could not be told to its end.

pub mod check;
mod forward;
pub mod own;
pub mod sandboxed;
pub mod shop;
mod spelling;
mod stores;
mod verdict;
pub mod world;
pub mod writers;

use std::ops::ControlFlow::{self, Break, Continue};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::check::Check;
use self::world::{Ended, Move, Outage, World, fetch_reports};
use self::writers::{Judgement, Within, Writers};
use crate::Error;
use crate::live::story::{End, Story};
use crate::tally::{Count, Words};
use crate::text::duration;
use crate::timeline::Timeline;

/// How long writes go on before the fault.
const BEFORE: Duration = Duration::from_secs(5);
/// How long they go on in the new Region before the old one returns.
const AFTER: Duration = Duration::from_secs(3);
/// How long the live page shows the end before it is gone.
const LAST_LOOK: Duration = Duration::from_millis(700);
/// How many of the writes that were confirmed and are missing are named.
const NAMED: usize = 3;

/// How a rehearsal is shown, and where it is kept.
pub struct Telling<'a> {
    /// What a person sees.
    pub timeline: &'a Timeline,
    /// What the live page tells.
    pub page: Arc<Story>,
    /// Folder for the reports.
    pub output: &'a Path,
    /// Whether the missing rows are put back in the end.
    pub replay: bool,
    /// Whether a rehearsal in which nothing was lost has shown nothing.
    pub has_to_lose: bool,
}

/// The verdict is printed, and what shows it could not be kept.
pub fn not_kept(error: &Error) -> Error {
    format!("{error}; the verdict above stands, but not all of its files are there: mend that, or name another folder with --output").into()
}

/// A runbook that succeeded, and where its reports are if they could be kept.
struct Succeeded {
    ended: Ended,
    kept: Result<PathBuf, Error>,
}

/// The rehearsal while it runs.
struct Rehearsal<'a, W> {
    world: &'a W,
    telling: &'a Telling<'a>,
    count: Arc<dyn Count>,
    words: Words,
}

/// Tells it to its end.
///
/// # Errors
/// When it could not be told to its end: the world does not answer, or a writer did what none may.
pub async fn tell<W: World, C: Writers>(
    world: &W,
    mut writers: C,
    telling: &Telling<'_>,
) -> Result<ExitCode, Error> {
    let rehearsal = Rehearsal { world, telling, count: writers.count(), words: writers.words() };
    let how = writers.start(world).await?;
    let told = tokio::select! {
        told = rehearsal.tell(&how, &writers) => told,
        // What a writer may not do ends it with that word.
        error = writers.failed() => Err(error),
    };
    match told? {
        Continue(so_far) => rehearsal.settle(so_far, &mut writers).await,
        Break(code) => Ok(code),
    }
}

/// Where it is when the old Region is back.
struct SoFar {
    cut_at: Duration,
    failover: Succeeded,
}

impl<W: World> Rehearsal<'_, W> {
    /// Traffic, the fault, the failover, and the old Region's return.
    async fn tell(&self, how: &str, writers: &impl Writers) -> Result<ControlFlow<ExitCode, SoFar>, Error> {
        let Self { world, telling: Telling { timeline, page, .. }, words, .. } = self;
        let (from, to, they, act) = (world.from(), world.to(), words.they(), words.act);
        timeline.line(words.who, how);
        page.headline(format!("{they} {act} in {from}; {to} stands by."));
        self.watch(BEFORE).await;

        let done = world.break_region().await?;
        let cut_at = writers.elapsed();
        page.headline(format!(
            "{from} is broken. {they} there {}, and what they are told may not reach {to}.",
            words.goes_on
        ));
        timeline.line("FAULT", &format!("{done}; {} there {}", words.who, words.goes_on));
        self.watch(world.detection()).await;

        let failover = match self.fail_over().await? {
            Continue(failover) => failover,
            Break(code) => return Ok(Break(code)),
        };
        writers.leave_the_others();
        let done = world.mend_region().await?;
        timeline.line("RECOVERY", &done);
        page.headline(format!(
            "{they} {act} in {to}. {from} is back: its old databases are compared with the new ones."
        ));
        Ok(Continue(SoFar { cut_at, failover }))
    }

    /// Reconciles, ends the writers, and judges.
    async fn settle(&self, so_far: SoFar, writers: &mut impl Writers) -> Result<ExitCode, Error> {
        let SoFar { cut_at, failover } = so_far;
        let began = Timestamp::now();
        let outage = self.outage(writers.elapsed());
        let reconcile = tokio::select! {
            ended = self.execute(Move::Reconcile(&outage)) => ended?,
            error = writers.failed() => return Err(error),
        };
        let within = (began, Timestamp::now());
        self.telling.timeline.status(format!("stopping the {}", self.words.who));
        writers.stop().await?;
        let reconcile = match self.ended("reconcile", reconcile).await? {
            Continue(reconcile) => reconcile,
            Break(code) => {
                failover.kept.map_err(|error| not_kept(&error))?;
                return Ok(code);
            }
        };
        let judgement = self.judge(writers, (cut_at, &failover.ended), &reconcile, within).await?;
        let left_behind = self.world.left_behind().await?;
        let exact = self.say_verdict(&judgement.checks, &left_behind);
        self.end_page(&judgement, exact).await;
        let there_again =
            !self.telling.replay || self.replay(&reconcile.ended.id, writers, &judgement.checks).await?;
        failover.kept.and(reconcile.kept).map_err(|error| not_kept(&error))?;
        Ok(if exact && there_again { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Moves the application, and waits until writes are accepted again. Breaks where the runbook fails or they are not.
    async fn fail_over(&self) -> Result<ControlFlow<ExitCode, Succeeded>, Error> {
        let Self { world, telling: Telling { timeline, page, .. }, words, .. } = self;
        let (from, to) = (world.from(), world.to());
        page.headline(format!("The failover moves {} to {to}.", words.what));
        let ended = self.execute(Move::FailOver).await?;
        let failover = match self.ended("failover", ended).await? {
            Continue(failover) => failover,
            failed @ Break(_) => return Ok(failed),
        };
        let deadline = tokio::time::Instant::now() + world.patience();
        while self.count.tally().outage(from, to).is_none() {
            if tokio::time::Instant::now() > deadline {
                let patience = duration(world.patience());
                timeline.line(
                    "VERDICT",
                    &format!("none of the {} was accepted in {to} within {patience}", words.many),
                );
                failover.kept.map_err(|error| not_kept(&error))?;
                return Ok(Break(ExitCode::FAILURE));
            }
            self.watch(Duration::from_millis(200)).await;
        }
        self.watch(AFTER).await;
        timeline.line(words.who, &format!("{} are accepted in {to}", words.many));
        Ok(Continue(failover))
    }

    /// The outage so far, as times. The writers have run for so long.
    fn outage(&self, elapsed: Duration) -> Outage {
        let started = Timestamp::now() - elapsed;
        let outage = self.count.tally().outage(self.world.from(), self.world.to());
        outage.map(|(last, first)| [last, first].map(|at| (started + at).to_string())).unwrap_or_default()
    }

    /// Compares what the report says with what was acknowledged, and prints the numbers.
    async fn judge(
        &self,
        writers: &impl Writers,
        failover: (Duration, &Ended),
        reconcile: &Succeeded,
        within: Within,
    ) -> Result<Judgement, Error> {
        let timeline = self.telling.timeline;
        timeline.status("comparing the report with the ledger");
        let report = check::read(self.world, &reconcile.ended.id).await?;
        let mut judgement = writers.judge(self.world, &report.rows, within).await?;
        judgement.checks.push(Check::nothing_undecided(report.undecided));
        timeline.end();
        self.summary(failover, &judgement.checks);
        self.told(&judgement);
        self.telling.page.lost(judgement.missing.clone());
        timeline.plain("");
        timeline.wrapped(11, &format!("  report   {}", report.says));
        if let Ok(page) = &reconcile.kept {
            timeline.plain(&format!("           {}", page.display()));
        }
        timeline.plain("");
        Ok(judgement)
    }

    /// Prints the verdict on the report; returns whether it is exact.
    fn say_verdict(&self, checks: &[Check], left_behind: &[String]) -> bool {
        if !left_behind.is_empty() {
            self.telling
                .timeline
                .plain(&format!("  left behind by the reconcile: {}", left_behind.join(", ")));
        }
        let lost = checks.iter().any(|check| check.lost > 0);
        let holds = checks.iter().all(Check::holds) && (lost || !self.telling.has_to_lose);
        let exact = holds && left_behind.is_empty();
        let verdict = match (exact, lost) {
            (true, true) => {
                "VERDICT  the report is exact: it lists every acknowledged write that the new primary lacks, and no other"
            }
            (true, false) => {
                "VERDICT  the report is exact: no acknowledged write was lost, and it lists none"
            }
            (false, false) if self.telling.has_to_lose && checks.iter().all(Check::holds) => {
                "VERDICT  no write was lost, so the drill shows nothing: the fault hit no write"
            }
            (false, _) => "VERDICT  the report is NOT exact",
        };
        self.telling.timeline.wrapped(9, verdict);
        exact
    }

    /// Tells the end on the live page.
    async fn end_page(&self, judgement: &Judgement, exact: bool) {
        let lost = judgement.checks.iter().filter(|check| check.lost + check.reported > 0);
        let lost = lost.map(|check| {
            let wrongly = check.overlooked.len() + check.invented.len();
            (check.what.to_owned(), check.lost, check.reported, check.in_doubt, wrongly)
        });
        let files = [
            ("Missing-transaction report", "reconcile/report.html"),
            ("Record of the failover", "failover/record.html"),
        ];
        let links = files.into_iter().filter(|(_, file)| self.telling.output.join(file).is_file());
        let page = &self.telling.page;
        page.headline(format!("{} has {}.", self.world.to(), self.words.what));
        page.end(End {
            verdict: match (exact, judgement.checks.iter().any(|check| check.lost > 0)) {
                (true, true) => "The report is exact: every acknowledged write that was lost, and no other.",
                (true, false) => "The report is exact: no acknowledged write was lost.",
                (false, _) => "The report is not exact.",
            }
            .into(),
            good: exact,
            lost: lost.collect(),
            customers: judgement.saw.iter().map(|[what, text]| format!("{what}: {text}")).collect(),
            links: links.map(|(label, file)| (label.to_owned(), file.to_owned())).collect(),
        });
        // For whoever has the page open.
        tokio::time::sleep(LAST_LOOK).await;
    }

    async fn execute(&self, what: Move<'_>) -> Result<Ended, Error> {
        let runbook = what.runbook();
        self.world.run(what, &|| self.status(runbook)).await
    }

    /// Keeps the reports of a runbook that has ended. One that failed is the verdict.
    async fn ended(&self, runbook: &str, ended: Ended) -> Result<ControlFlow<ExitCode, Succeeded>, Error> {
        let kept = fetch_reports(self.world, &ended.id, &self.telling.output.join(runbook)).await;
        if ended.is_good() {
            return Ok(Continue(Succeeded { ended, kept }));
        }
        let line = format!("the {runbook} runbook ended as {}: {}", ended.status, ended.failure);
        self.telling.timeline.line("VERDICT", &line);
        kept.map_err(|error| not_kept(&error))?;
        Ok(Break(ExitCode::FAILURE))
    }

    /// Lets time pass, and shows that writes go on.
    async fn watch(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            self.status(self.words.what);
            tokio::time::sleep(Duration::from_millis(100).min(time)).await;
        }
    }

    fn status(&self, what: &str) {
        let tally = self.count.tally();
        let (accepted, many) = (tally.accepted.len(), self.words.many);
        self.telling
            .timeline
            .status(format!("{what} · {accepted} {many} accepted, {} refused", tally.errors));
    }
}

impl<W: World> Rehearsal<'_, W> {
    /// Puts the missing rows back, and says whether every acknowledged write is there again.
    async fn replay(&self, reconcile: &str, writers: &impl Writers, lost: &[Check]) -> Result<bool, Error> {
        let Telling { timeline, output, .. } = *self.telling;
        timeline.plain("");
        let ended = self.world.run(Move::Replay(reconcile), &|| timeline.status("replay")).await?;
        let (id, is_good) = (ended.id.clone(), ended.is_good());
        if !is_good {
            // It has said why.
            let (Continue(_) | Break(_)) = self.ended("replay", ended).await?;
            return Ok(false);
        }
        let page = fetch_reports(self.world, &id, &output.join("replay")).await;
        let left = writers.still_lost(self.world, &id).await?;
        timeline.end();
        timeline.plain(&format!("\n  {:<16}{:>8}{:>10}{:>8}", "replayed", "lost", "put back", "left"));
        for (before, after) in lost.iter().zip(&left) {
            let why = if after.lost == 0 { "" } else { after.why_left };
            let back = before.lost.saturating_sub(after.lost);
            timeline
                .plain(&format!("  {:<16}{:>8}{back:>10}{:>8}  {why}", after.what, before.lost, after.lost));
        }
        if let Ok(page) = &page {
            timeline.plain(&format!("\n  report   {}", page.display()));
        }
        timeline.plain("");
        let there_again = left.iter().filter(|check| check.why_left.is_empty()).all(|check| check.lost == 0);
        let (many, who) = (self.words.many, self.words.who);
        // The first is what a replay puts back.
        let is_all = left.first().is_none_or(|check| check.lost == 0);
        let verdict = match (there_again, is_all) {
            (true, true) => {
                format!("VERDICT  every row is there again of the {many} that the {who} saw acknowledged")
            }
            (true, false) => format!(
                "VERDICT  every row of the {many} that could be put back is there again; the report of the replay names each other one"
            ),
            (false, _) => format!("VERDICT  rows of the {many} are still missing"),
        };
        timeline.wrapped(9, &verdict);
        page.map_err(|error| not_kept(&error))?;
        Ok(there_again)
    }
}

impl<W: World> Rehearsal<'_, W> {
    fn summary(&self, (cut_at, failover): (Duration, &Ended), checks: &[Check]) {
        let (timeline, Words { many, who, .. }) = (self.telling.timeline, self.words);
        let (from, to) = (self.world.from(), self.world.to());
        let line = |name: &str, text: &str| timeline.wrapped(11, &format!("  {name:<8} {text}"));
        timeline.plain("");
        let tally = self.count.tally();
        if let Some((last, first)) = tally.outage(from, to) {
            line(
                "RTO",
                &format!(
                    "{} from the fault to the first of the {many} in {to}; the {who} saw none accepted for {}",
                    duration(first.saturating_sub(cut_at)),
                    duration(first.saturating_sub(last)),
                ),
            );
            let lost: Vec<Duration> = tally.times(from).filter(|at| *at > cut_at).collect();
            let window = match (lost.iter().min(), lost.iter().max()) {
                (Some(first), Some(last)) => duration(last.saturating_sub(*first)),
                _ => "no time".into(),
            };
            line("RPO", &format!("{many} were acknowledged in {from} over {window} after the fault"));
        }
        let [before, since] = [from, to].map(|region| tally.times(region).count());
        let errors = tally.errors;
        line(
            "writes",
            &format!(
                "{before} {many} were acknowledged in {from}, {since} in {to}; {errors} answers were errors"
            ),
        );
        let took = duration(failover.duration);
        let took = match self.world.modelled_failover() {
            Some(modelled) => format!(
                "the failover took {took}, of which AWS {}: {} of our own",
                duration(modelled),
                duration(failover.duration.saturating_sub(modelled)),
            ),
            None => format!("the failover took {took}"),
        };
        line("runbook", &took);
        timeline.plain(&format!(
            "\n  {:<16}{:>8}{:>10}{:>10}{:>12}{:>10}",
            "lost", "really", "reported", "in doubt", "overlooked", "invented"
        ));
        for check in checks {
            timeline.plain(&format!(
                "  {:<16}{:>8}{:>10}{:>10}{:>12}{:>10}",
                check.what,
                check.lost,
                check.reported,
                check.in_doubt,
                check.overlooked.len(),
                check.invented.len(),
            ));
            for (kind, names) in [("overlooked", &check.overlooked), ("invented", &check.invented)] {
                for name in names.iter().take(5) {
                    timeline.plain(&format!("    {kind}: {name}"));
                }
            }
        }
    }

    /// Says what the writers saw, and what had been confirmed to them and is gone.
    fn told(&self, judgement: &Judgement) {
        let (timeline, Words { many, who, .. }) = (self.telling.timeline, self.words);
        timeline.plain("");
        for [what, text] in &judgement.saw {
            timeline.wrapped(13, &format!("  {what:<10} {text}"));
        }
        let missing = judgement.missing.len();
        timeline
            .plain(&format!("  confirmed  {missing} {many} had been confirmed to the {who} and are missing"));
        for write in judgement.missing.iter().rev().take(NAMED) {
            timeline.plain(&format!(
                "             {}  {}, confirmed after {}",
                write.name,
                write.what,
                duration(write.at)
            ));
        }
    }
}
