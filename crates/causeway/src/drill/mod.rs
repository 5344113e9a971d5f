//! `causeway drill`: the whole story of a failover, with real databases and the deployed binaries.
//!
//! 1. Customers order, change and cancel in the shop, over HTTP, through the simulated DNS; one Region has it, the other stands by. A
//!    ledger keeps what they saw acknowledged.
//! 2. The link between the Regions breaks. Writes go on, and from now on they are lost to the other Region.
//! 3. `failover.yaml` moves the shop; orders are accepted again.
//! 4. The old Region returns, Aurora leaves a snapshot of the old primary; `reconcile.yaml` restores it, compares it with
//!    the new primary and reports what is missing.
//! 5. The verdict: is what the report calls lost just what the clients had acknowledged and the new primary lacks, and is nothing in
//!    doubt?
//! 6. With `--replay`: `replay.yaml` puts the missing rows back. Is every acknowledged order there again?
//!
//! Exit status 0 when the verdict holds, 1 when it does not, 2 when the drill could not be run to its end. Whatever happens, no
//! process and no file is left but the output folder.

mod stores;
mod verdict;

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Break, Continue};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sandbox::world::routing::ONE_REGION_ON;
use sandbox::{EAST, WEST};

use self::verdict::{Check, NewPrimary, Reported};
use crate::customers::Customers;
use crate::customers::ledger::{Entries, Ledger, Order};
use crate::interrupt::interrupted;
use crate::live::story::{End, LostOrder};
use crate::live::{self, Live};
use crate::recovery_plan;
use crate::rig::{self, PLAN, Rig};
use crate::text::duration;
use crate::timeline::Timeline;
use crate::{Error, Machine};

/// Purchases and changes that the customers begin together in a second.
const RATE: f64 = 12.0;
/// How long orders are placed before the fault.
const BEFORE: Duration = Duration::from_secs(5);
/// How long, in AWS's time, until somebody (or an alarm) starts the failover.
const DETECTION: Duration = Duration::from_secs(180);
/// How long orders are placed in the new Region before the old one returns.
const AFTER: Duration = Duration::from_secs(3);
/// Who approves the replay: the caller that the drill is.
const APPROVER: &str = "arn:aws:iam::000000000000:user/SANDBOX";
/// How long the live page shows the end before it is gone.
const LAST_LOOK: Duration = Duration::from_millis(700);
/// When an order was not accepted again within this time after the failover, the drill has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Options of the drill.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    machine: Machine,
    /// Repeats the orders of another drill [default: from the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Folder for the report, the ledger and the logs
    #[arg(long, value_name = "DIR", default_value = "out/drill")]
    output: PathBuf,
    /// Purchases and changes that customers begin in a second, together
    #[arg(long, value_name = "N", default_value_t = RATE, value_parser = rate)]
    rate: f64,
    /// Put the missing rows back, after the verdict on the report
    #[arg(long)]
    replay: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=1_000.0).contains(&rate) => Ok(rate),
        _ => Err("use a number from 0.1 to 1000".into()),
    }
}

/// Runs the drill; Ctrl-C ends it, leaving nothing behind.
pub async fn run(options: Options) -> Result<ExitCode, Error> {
    let timeline = Timeline::start();
    let seed = options.seed.unwrap_or_else(|| jiff::Timestamp::now().as_second().unsigned_abs() % 100_000);
    timeline.plain(&format!(
        "Causeway drill · seed {seed} · AWS's durations divided by {}: {} takes 1 s\n",
        options.machine.factor,
        duration(Duration::from_secs_f64(options.machine.factor)),
    ));
    for line in sandbox::folder::remove_abandoned() {
        timeline.line("sandbox", &line);
    }
    timeline.status("starting the two Regions");
    let interrupted = interrupted();
    let Some(mut rig) = Rig::start_unless_interrupted(&options.machine, &options.output).await? else {
        return Err("interrupted: everything was stopped".into());
    };
    let result = tokio::select! {
        result = open_and_tell(&mut rig, &timeline, seed, &options) => result,
        () = interrupted => Err("interrupted: everything was stopped".into()),
    };
    timeline.status("stopping");
    let measured = rig.measured().join("\n") + "\n";
    rig.stop().await;
    timeline.end();
    let code = result?;
    crate::files::write(&options.output.join("functions.txt"), measured.as_bytes())
        .map_err(|error| not_kept(&error))?;
    Ok(code)
}

/// The verdict is printed, and what shows it could not be kept.
fn not_kept(error: &Error) -> Error {
    format!("{error}; the verdict above stands, but not all of its files are there: mend that, or name another folder with --output").into()
}

/// A runbook that failed is the verdict. What it has written is kept all the same.
fn failed(
    timeline: &Timeline,
    runbook: &str,
    ended: &rig::Ended,
    kept: Result<PathBuf, Error>,
) -> Result<ExitCode, Error> {
    let line = format!("the {runbook} runbook ended as {}: {}", ended.status, ended.failure);
    timeline.line("VERDICT", &line);
    kept.map_err(|error| not_kept(&error))?;
    Ok(ExitCode::from(1))
}

/// The drill while it runs.
struct Story<'a> {
    rig: &'a Rig,
    timeline: &'a Timeline,
    options: &'a Options,
    ledger: Arc<Ledger>,
    /// What the live page tells.
    page: Arc<live::story::Story>,
    /// What the primary had before the first customer came.
    at_first: NewPrimary,
}

/// A runbook that succeeded, and where its reports are if they could be kept.
struct Succeeded {
    ended: rig::Ended,
    kept: Result<PathBuf, Error>,
}

/// Opens the shop, and tells the story.
async fn open_and_tell(
    rig: &mut Rig,
    timeline: &Timeline,
    seed: u64,
    options: &Options,
) -> Result<ExitCode, Error> {
    timeline.status("opening the shop in both Regions");
    let shop = rig.open_shop().await?;
    timeline.line("sandbox", &format!(
        "{EAST} and {WEST} are up: 2 global databases, {}, 5 ARC endpoints, the shop's six services in each",
        options.machine.engine.servers()
    ));
    if !sandbox::stores::rabbitmq::is_installed() {
        timeline.line("sandbox", "RabbitMQ is not installed: the orders' events wait in the outbox");
    }
    timeline.line("shop", &format!("as a customer finds it: {}", shop.url()));
    for region in [EAST, WEST] {
        timeline.line("shop", &format!("in {region}: {}", shop.door(region).unwrap_or_default()));
    }
    let ledger = Arc::default();
    let title = format!("Causeway drill, seed {seed}");
    let live = Live::open(rig, &ledger, &title, &shop).await?;
    timeline.line("live", &format!("the two Regions, the customers and the runbooks: {}", live.url));
    let result = story(rig, timeline, seed, options, (&ledger, &live.story)).await;
    // Also of a drill that failed.
    let kept = crate::files::write(&options.output.join("live.html"), live.page().await?.as_bytes());
    let code = result?;
    kept.map_err(|error| not_kept(&error))?;
    Ok(code)
}

async fn story(
    rig: &Rig,
    timeline: &Timeline,
    seed: u64,
    options: &Options,
    (ledger, page): (&Arc<Ledger>, &Arc<live::story::Story>),
) -> Result<ExitCode, Error> {
    let at_first =
        stores::read(rig, EAST).await.map_err(|error| format!("can't read the primary: {error}"))?;
    let story =
        Story { rig, timeline, options, ledger: Arc::clone(ledger), page: Arc::clone(page), at_first };
    story.open().await?;
    let _reporting = rig.report(timeline);
    // 1. Traffic.
    let clients = story.start_customers(seed).await?;
    // 2. The fault.
    let cut_at = story.break_link(&clients).await;
    // 3. The failover.
    let failover = match story.fail_over().await? {
        Continue(failover) => failover,
        Break(code) => return Ok(code),
    };
    // 4. The old Region returns.
    let reconcile = match story.reconcile(clients).await? {
        Continue(reconcile) => reconcile,
        Break(code) => {
            failover.kept.map_err(|error| not_kept(&error))?;
            return Ok(code);
        }
    };
    // 5. The verdict.
    let entries = story.ledger.entries();
    let checks = story.judge(&entries, cut_at, &failover.ended, &reconcile).await?;
    let exact = story.say_verdict(&checks);
    story.end_page(&entries, &checks, exact).await;
    // 6. Back again.
    let id = &reconcile.ended.id;
    let there_again = !options.replay || story.replay(id, &entries, &checks).await?;
    failover.kept.and(reconcile.kept).map_err(|error| not_kept(&error))?;
    Ok(if exact && there_again { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Story<'_> {
    /// Says in the plan what the report has to know, and has the other Region stand by.
    async fn open(&self) -> Result<(), Error> {
        self.rig.change_plan(recovery_plan::describe_on_one_machine).await?;
        // No customer orders there before the runbook turns its traffic on: what it has then is what both had.
        self.rig.stand_by(WEST);
        Ok(())
    }

    /// Lets customers order for a while.
    async fn start_customers(&self, seed: u64) -> Result<Customers, Error> {
        let places = self.rig.places().ok_or("the shop is not open")?;
        let (ttl, rate) = (self.rig.dns_ttl(), self.options.rate);
        let customers = Customers::start(seed, rate, ttl, EAST, (&places, &self.ledger))?;
        self.timeline.line("customers", &format!("ordering, {rate} times a second; DNS answers {EAST}"));
        self.page.headline(format!("Customers order in {EAST}; {WEST} stands by."));
        watch(self.timeline, &self.ledger, BEFORE).await;
        Ok(customers)
    }

    /// Cuts the primary Region off, and waits as long as it takes to be noticed. Returns when that was, by the clients' clock.
    async fn break_link(&self, customers: &Customers) -> Duration {
        self.rig.isolate(EAST).await;
        let cut_at = customers.elapsed();
        self.page.headline(format!(
            "The link to {EAST} is broken. Customers there go on ordering, and nothing of it reaches {WEST}."
        ));
        self.timeline.line("FAULT", &format!("the link to {EAST} breaks; customers there go on ordering"));
        watch(self.timeline, &self.ledger, self.rig.compressed(DETECTION)).await;
        cut_at
    }

    /// Moves the shop, and waits until orders are accepted again. Breaks where the runbook fails or they are not.
    async fn fail_over(&self) -> Result<ControlFlow<ExitCode, Succeeded>, Error> {
        let parameters = BTreeMap::from([
            ("Plan", PLAN),
            ("ImpairedRegion", EAST),
            // Between the two steps no Region has traffic.
            ("SafetyRulesToOverride", ONE_REGION_ON),
        ]);
        self.page.headline(format!("The failover moves the shop to {WEST}."));
        let failover = match self.run("failover", &parameters).await? {
            Continue(failover) => failover,
            failed @ Break(_) => return Ok(failed),
        };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.ledger.entries().outage(EAST, WEST).is_none() {
            if tokio::time::Instant::now() > deadline {
                let line = format!("no order was accepted in {WEST} within {}", duration(PATIENCE));
                self.timeline.line("VERDICT", &line);
                failover.kept.map_err(|error| not_kept(&error))?;
                return Ok(Break(ExitCode::from(1)));
            }
            watch(self.timeline, &self.ledger, Duration::from_millis(200)).await;
        }
        watch(self.timeline, &self.ledger, AFTER).await;
        self.timeline.line("customers", &format!("orders are accepted in {WEST}"));
        Ok(Continue(failover))
    }

    /// Brings the old Region back, reconciles, and stops the clients. Breaks where the runbook fails.
    async fn reconcile(&self, clients: Customers) -> Result<ControlFlow<ExitCode, Succeeded>, Error> {
        clients.leave_the_others();
        self.rig.rejoin(EAST).await;
        self.timeline.line("RECOVERY", &format!("{EAST} is back"));
        self.page.headline(format!(
            "Customers order in {WEST}. {EAST} is back: its old databases are compared with the new ones."
        ));
        let outage = self.ledger.entries().outage(EAST, WEST).map(|(last, first)| {
            let wall_clock = |at: Duration| (clients.started_at() + at).to_string();
            [wall_clock(last), wall_clock(first)]
        });
        let [from, to] = outage.unwrap_or_default();
        let parameters = BTreeMap::from([("Plan", PLAN), ("OutageFrom", &from), ("OutageTo", &to)]);
        let ended = self.execute("reconcile", &parameters).await?;
        self.timeline.status("stopping the clients");
        clients.stop().await;
        self.ended("reconcile", ended).await
    }

    /// Compares what the report says with what the clients saw, and prints the numbers.
    async fn judge(
        &self,
        entries: &Entries,
        cut_at: Duration,
        failover: &rig::Ended,
        reconcile: &Succeeded,
    ) -> Result<Vec<Check>, Error> {
        let timeline = self.timeline;
        timeline.status("comparing the report with the ledger");
        let new_primary = stores::read(self.rig, WEST)
            .await
            .map_err(|error| format!("can't read the new primary: {error}"))?;
        let (reported, says, undecided) = reported(self.rig, &reconcile.ended.id).await?;
        let mut checks = verdict::judge(entries, &self.at_first, &new_primary, &reported);
        checks.push(Check::nothing_undecided(undecided));
        timeline.end();
        summary(timeline, self.rig, entries, cut_at, failover, &checks);
        let missing = verdict::told_and_missing(entries, &new_primary);
        told(timeline, entries, &missing);
        let lost = missing.into_iter().map(|(id, order)| LostOrder {
            id: id.clone(),
            total: order.total.clone(),
            at: order.at,
        });
        self.page.lost(lost.collect());
        let leaked = self.rig.leaked();
        if !leaked.is_empty() {
            timeline.plain(&format!("  left behind by the reconcile: {}", leaked.join(", ")));
        }
        timeline.plain("");
        timeline.wrapped(11, &format!("  report   {says}"));
        if let Ok(page) = &reconcile.kept {
            timeline.plain(&format!("           {}", page.display()));
        }
        timeline.plain("");
        Ok(checks)
    }

    /// Prints the verdict on the report; returns whether it is exact.
    fn say_verdict(&self, checks: &[Check]) -> bool {
        let holds = checks.iter().all(Check::holds) && checks.iter().any(|check| check.lost > 0);
        let exact = holds && self.rig.leaked().is_empty();
        let verdict = if exact {
            "VERDICT  the report is exact: it lists every acknowledged write that the new primary lacks, and no other"
        } else if checks.iter().all(|check| check.lost == 0) {
            "VERDICT  no write was lost, so the drill shows nothing: the fault hit no write"
        } else {
            "VERDICT  the report is NOT exact"
        };
        self.timeline.wrapped(9, verdict);
        exact
    }

    /// Tells the end on the live page.
    async fn end_page(&self, entries: &Entries, checks: &[Check], exact: bool) {
        let lost = checks.iter().filter(|check| check.lost + check.reported > 0);
        let lost = lost.map(|check| {
            let wrongly = check.overlooked.len() + check.invented.len();
            (check.what.to_owned(), check.lost, check.reported, check.in_doubt, wrongly)
        });
        let files = [
            ("Missing-transaction report", "reconcile/report.html"),
            ("Record of the failover", "failover/record.html"),
        ];
        let links = files.into_iter().filter(|(_, file)| self.options.output.join(file).is_file());
        self.page.headline(format!("{WEST} has the shop."));
        self.page.end(End {
            verdict: if exact {
                "The report is exact: every acknowledged write that was lost, and no other.".into()
            } else {
                "The report is not exact.".into()
            },
            good: exact,
            lost: lost.collect(),
            customers: customers_saw(entries).map(|[what, text]| format!("{what}: {text}")).into(),
            links: links.map(|(label, file)| (label.to_owned(), file.to_owned())).collect(),
        });
        // For whoever has the page open.
        tokio::time::sleep(LAST_LOOK).await;
    }

    /// Runs a runbook, and keeps its reports. Breaks where it fails.
    async fn run(
        &self,
        runbook: &str,
        parameters: &BTreeMap<&str, &str>,
    ) -> Result<ControlFlow<ExitCode, Succeeded>, Error> {
        let ended = self.execute(runbook, parameters).await?;
        self.ended(runbook, ended).await
    }

    async fn execute(&self, runbook: &str, parameters: &BTreeMap<&str, &str>) -> Result<rig::Ended, Error> {
        let document = format!("causeway-{runbook}");
        self.rig.run(WEST, &document, parameters, || status(self.timeline, &self.ledger, runbook)).await
    }

    /// Keeps the reports of a runbook that has ended.
    async fn ended(
        &self,
        runbook: &str,
        ended: rig::Ended,
    ) -> Result<ControlFlow<ExitCode, Succeeded>, Error> {
        let kept = self.rig.fetch_reports(&ended.id, &self.options.output.join(runbook)).await;
        if ended.status == "Success" {
            return Ok(Continue(Succeeded { ended, kept }));
        }
        failed(self.timeline, runbook, &ended, kept).map(Break)
    }
}

impl Story<'_> {
    /// Puts the missing rows back, and says whether every acknowledged order is there again.
    async fn replay(&self, reconcile: &str, entries: &Entries, lost: &[Check]) -> Result<bool, Error> {
        let Self { rig, timeline, options, .. } = *self;
        timeline.plain("");
        let parameters =
            BTreeMap::from([("Plan", PLAN), ("ReconcileExecution", reconcile), ("Approvers", APPROVER)]);
        let replay = rig.run(WEST, "causeway-replay", &parameters, || timeline.status("replay")).await?;
        let page = rig.fetch_reports(&replay.id, &options.output.join("replay")).await;
        if replay.status != "Success" {
            failed(timeline, "replay", &replay, page)?;
            return Ok(false);
        }
        let new_primary =
            stores::read(rig, WEST).await.map_err(|error| format!("can't read the new primary: {error}"))?;
        timeline.end();
        timeline.plain(&format!("\n  {:<16}{:>8}{:>10}{:>8}", "replayed", "lost", "put back", "left"));
        let left = verdict::judge(entries, &self.at_first, &new_primary, &[]);
        for (before, after) in lost.iter().zip(&left) {
            let why = if after.lost == 0 { "" } else { after.why_left() };
            let back = before.lost.saturating_sub(after.lost);
            timeline
                .plain(&format!("  {:<16}{:>8}{back:>10}{:>8}  {why}", after.what, before.lost, after.lost));
        }
        if let Ok(page) = &page {
            timeline.plain(&format!("\n  report   {}", page.display()));
        }
        timeline.plain("");
        let there_again =
            left.iter().filter(|check| check.why_left().is_empty()).all(|check| check.lost == 0);
        let verdict = if there_again {
            "VERDICT  every order that the customers saw acknowledged is there again, with every item"
        } else {
            "VERDICT  orders are still missing"
        };
        timeline.wrapped(9, verdict);
        page.map_err(|error| not_kept(&error))?;
        Ok(there_again)
    }
}

/// Lets time pass, and shows that orders are placed.
async fn watch(timeline: &Timeline, ledger: &Ledger, time: Duration) {
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        status(timeline, ledger, "shop open");
        tokio::time::sleep(Duration::from_millis(100).min(time)).await;
    }
}

fn status(timeline: &Timeline, ledger: &Ledger, what: &str) {
    let (accepted, refused) = ledger.counts();
    timeline.status(format!("{what} · {accepted} orders accepted, {refused} refused"));
}

fn summary(
    timeline: &Timeline,
    rig: &Rig,
    entries: &Entries,
    cut_at: Duration,
    failover: &rig::Ended,
    checks: &[Check],
) {
    let line = |name: &str, text: &str| timeline.wrapped(11, &format!("  {name:<8} {text}"));
    timeline.plain("");
    if let Some((last, first)) = entries.outage(EAST, WEST) {
        line(
            "RTO",
            &format!(
                "{} from the fault to the first order in {WEST}; customers saw no order accepted for {}",
                duration(first.saturating_sub(cut_at)),
                duration(first.saturating_sub(last)),
            ),
        );
        let lost: Vec<Duration> = entries
            .orders
            .values()
            .filter(|order| order.region == EAST && order.at > cut_at)
            .map(|order| order.at)
            .collect();
        let window = match (lost.iter().min(), lost.iter().max()) {
            (Some(first), Some(last)) => duration(last.saturating_sub(*first)),
            _ => "no time".into(),
        };
        line(
            "RPO",
            &format!("orders acknowledged in {EAST} over {window} after the fault did not make it across"),
        );
    }
    line(
        "runbook",
        &format!(
            "the failover took {}, of which AWS {}: {} of our own",
            duration(failover.duration),
            duration(rig.modelled_failover()),
            duration(failover.duration.saturating_sub(rig.modelled_failover())),
        ),
    );
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

/// How many of the orders that were confirmed and are missing are named.
const NAMED: usize = 3;

/// Says what the customers saw: errors, carts, orders that were confirmed to them and are gone.
fn told(timeline: &Timeline, entries: &Entries, missing: &[(&String, &Order)]) {
    timeline.plain("");
    for [what, text] in customers_saw(entries) {
        timeline.wrapped(13, &format!("  {what:<10} {text}"));
    }
    let many = missing.len();
    timeline
        .plain(&format!("  confirmed  {many} orders had been confirmed to their customers and are missing"));
    for (id, order) in missing.iter().rev().take(NAMED) {
        timeline.plain(&format!(
            "             {id}  ${}, confirmed after {}",
            order.total,
            duration(order.at)
        ));
    }
}

/// What the customers saw, in sentences, each with what it is about.
fn customers_saw(entries: &Entries) -> [[String; 2]; 2] {
    let longest = entries.troubled.values().map(|trouble| trouble.last.saturating_sub(trouble.first)).max();
    let customers = format!(
        "{} saw an error, for {} at most; {} came back to a confirmed order and did not find it; {} pages and forms were answered",
        entries.troubled.len(),
        duration(longest.unwrap_or_default()),
        entries.not_found,
        entries.answers,
    );
    let moved = &entries.moved_carts;
    let less: Vec<_> = moved.iter().filter(|cart| cart.found < cart.had).collect();
    let again = less.iter().filter(|cart| cart.in_the_end >= cart.had).count();
    let carts = format!(
        "{} customers were moved with a cart, {} found less in it, {again} of them had all of it again when {EAST} was back",
        moved.len(),
        less.len()
    );
    [["customers".into(), customers], ["carts".into(), carts]]
}

/// What the report lists: its spreadsheets, its summary, and what it leaves undecided.
async fn reported(rig: &Rig, execution: &str) -> Result<(Vec<Reported>, String, Vec<String>), Error> {
    let mut rows = Vec::new();
    let prefix = runbook::names::keys::reports("shop", execution);
    for key in rig.list_reports(&prefix).await? {
        let Some(table) = key.strip_suffix(".csv").and_then(|name| name.rsplit('/').next()) else { continue };
        rows.extend(verdict::read_spreadsheet(table, &rig.read_report(&key).await?)?);
    }
    let report: serde_json::Value =
        serde_json::from_slice(&rig.read_report(&format!("{prefix}report.json")).await?)?;
    let undecided = report["totals"]["rows"]["undecided"].as_object().into_iter().flatten();
    let undecided = undecided.map(|(doubt, rows)| format!("{rows} rows: {doubt}")).collect();
    Ok((rows, report["summary"].as_str().unwrap_or_default().to_owned(), undecided))
}
