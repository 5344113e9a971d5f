//! `causeway gameday`: the story of a drill, in an account.
//!
//! The story is that of the module `rehearsal`, told over what is deployed: customers order over HTTP from where this runs, or a program of one's own
//! writes; the ledger is kept here, outside of both Regions; an experiment of FIS breaks the Region that has the application, or a person
//! does; the runbooks move it, account for what was lost, and the verdict is that of a drill.
//!
//! # Guards
//! A plan that allows game days; a person at a terminal, who types account and environment; nothing that moves already; databases that can be
//! reached for the verdict; a readiness check that is green. Until all of it is so, nothing is changed. After the first surprise it
//! goes no further: the experiment is stopped, and the way back is printed.
//!
//! Exit status 0 when the verdict holds, 1 when it does not or a runbook failed, 2 when it did not come to an end.

mod account;
mod fault;
mod outlook;
mod person;
mod places;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use clap::Args;
use writeload::read_schema;

use self::account::Account;
use self::fault::Fault;
use self::outlook::{AccountRoute, Outlook};
use self::places::OneName;
use crate::Error;
use crate::customers::browser::Places;
use crate::customers::ledger::Ledger;
use crate::deployed::{self, Deployed};
use crate::interrupt::interrupted;
use crate::live::{Live, Scene};
use crate::login::Login;
use crate::rehearsal::own::{Own, OwnDatabase, Writer};
use crate::rehearsal::shop::Shop;
use crate::rehearsal::world::World;
use crate::rehearsal::writers::Writers;
use crate::rehearsal::{Telling, not_kept, tell};
use crate::run::runbook::{Runbook, Wanted};
use crate::run::{caller, moves_nothing, writer};
use crate::timeline::Timeline;

/// How long a database may take to be asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long customers remember where the shop's name leads.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Options of a game day.
#[derive(Args)]
pub struct Options {
    /// The shop's address, for customers who order in it
    #[arg(long, value_name = "URL", required_unless_present = "writer", conflicts_with = "writer")]
    url: Option<String>,
    /// A program of yours that writes, and says as JSON lines what was acknowledged
    #[arg(long, value_name = "COMMAND")]
    writer: Option<String>,
    /// The recovery plan's name, where the account has several
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// The experiment template of FIS that breaks the Region [default: the one with the tag Name=PLAN-partition]
    #[arg(long, value_name = "ID", conflicts_with = "by_hand")]
    experiment: Option<String>,
    /// You break the Region and let it come back; it waits for Enter
    #[arg(long)]
    by_hand: bool,
    /// How many seconds the Region is broken before the failover starts
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    detection: u64,
    /// Repeats the writes of another rehearsal [default: from the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Purchases and changes that customers begin in a second, together
    #[arg(long, value_name = "N", default_value_t = 4.0)]
    rate: f64,
    /// Put the missing rows back, after the verdict on the report
    #[arg(long)]
    replay: bool,
    /// Folder for the reports and the page
    #[arg(long, value_name = "DIR", default_value = "out/gameday")]
    output: PathBuf,
}

/// Holds the game day.
pub async fn run(options: Options) -> Result<ExitCode, Error> {
    if !std::io::stdin().is_terminal() {
        return Err("a game day is held by a person at a terminal; nothing was changed".into());
    }
    let config = runbook::aws::load().await;
    let looks = deployed::impatient(&config);
    let (deployed, from) = place(&looks, options.plan.as_deref()).await?;
    let name = &deployed.plan.name;
    let Some(allowed) = deployed.plan.game_day.clone() else {
        return Err(format!(
            "the plan {name} allows no game days: add `gameDay` with the name of its environment to the plan, and deploy it; nothing was changed"
        )
        .into());
    };
    deployed.plan.require_routing("a game day")?;
    let fault = if options.by_hand {
        Fault::ByHand
    } else {
        let tagged = format!("{name}-partition");
        Fault::experiment(&config, &from, options.experiment.as_deref(), &tagged).await?
    };
    let silent = moves_nothing(&looks, &deployed).await?;
    if !silent.is_empty() {
        return Err(format!(
            "{} does not answer: that is no day for a game; nothing was changed",
            silent.join(", ")
        )
        .into());
    }
    let timeline = Timeline::start();
    let account = Account {
        caller: caller(&looks, &deployed.region).await?,
        config,
        from,
        fault,
        detection: Duration::from_secs(options.detection),
        timeline: timeline.clone(),
        page: Default::default(),
        broken: Arc::default(),
        deployed,
    };
    for (region, database) in databases(&account) {
        let target = account.database(region, database).await?;
        Login::connect(&target).await.map_err(|error| {
            format!(
                "the database {database} in {region} can't be reached from here ({error}), and the verdict reads it: hold the game day where its \
                 network is, or lead a way there; nothing was changed"
            )
        })?;
    }
    let seed = options.seed.unwrap_or_else(|| jiff::Timestamp::now().as_second().unsigned_abs() % 100_000);
    let outlook = Arc::new(Outlook::of(&looks, &account.deployed, &account.from, &account.broken));
    let result = match (&options.url, &options.writer) {
        (Some(url), _) => {
            let places: Arc<dyn Places> = Arc::new(OneName::at(url).await?);
            let ledger: Arc<Ledger> = Arc::default();
            let customers = Shop::new((&places, &ledger), seed, options.rate, REMEMBERED);
            guarded(&account, customers, &options, (&allowed.environment, seed), &outlook).await
        }
        (None, Some(command)) => {
            let writers = program(&account, command, seed, &outlook).await?;
            guarded(&account, writers, &options, (&allowed.environment, seed), &outlook).await
        }
        (None, None) => Err("name the shop's address (--url), or a --writer".into()),
    };
    timeline.end();
    result
}

/// What is deployed in the Region that takes over, and the Region that has the application.
async fn place(config: &SdkConfig, name: Option<&str>) -> Result<(Deployed, String), Error> {
    let regions = deployed::regions_to_ask(config, None, None);
    let found = deployed::anywhere(config, &regions, name).await?;
    let from = writer(config, &found).await?;
    let to = found.plan.other_region(&from).to_owned();
    let deployed = deployed::in_region(config, &to, Some(&found.plan.name)).await?;
    if deployed.plan != found.plan {
        return Err(format!(
            "the plan {} in {to} is not the one in {}: deploy it to both (make deploy); nothing was changed",
            found.plan.name, found.region
        )
        .into());
    }
    Ok((deployed, from))
}

fn databases(account: &Account) -> impl Iterator<Item = (&str, &str)> {
    let names = account.plan().databases.keys();
    names.flat_map(|name| [account.from(), account.to()].map(|region| (region, name.as_str())))
}

/// A program of one's own that writes to the databases of the plan.
async fn program(account: &Account, command: &str, seed: u64, outlook: &Arc<Outlook>) -> Result<Own, Error> {
    let mut targets = BTreeMap::new();
    for (region, database) in databases(account) {
        let target = account.database(region, database).await?;
        targets.insert((region.to_owned(), database.to_owned()), target);
    }
    let mut own = Vec::new();
    for (name, database) in &account.plan().databases {
        let target = account.database(account.from(), name).await?;
        let schema = read_schema(&target, PATIENCE).await?;
        own.push(OwnDatabase::new(name, schema, None, &database.reconcile));
    }
    let route = AccountRoute { outlook: Arc::clone(outlook), databases: targets };
    let writer = Writer::Program(command.to_owned());
    Ok(Own::new(own, writer, seed, (Arc::new(route), REMEMBERED)))
}

/// Asks, checks, and tells the story; ends what was begun where it breaks off.
async fn guarded(
    account: &Account,
    writers: impl Writers,
    options: &Options,
    (environment, seed): (&str, u64),
    outlook: &Arc<Outlook>,
) -> Result<ExitCode, Error> {
    let timeline = &account.timeline;
    let (plan, from, to) = (account.plan(), account.from(), account.to());
    let (_, number) = runbook::stack::account(plan);
    let words = writers.words();
    timeline.plain(&format!(
        "Causeway game day · {} in the account {number}, environment {environment} · seed {seed}\n\n\
         The {} {}, {}, and {} moves to {to} by its runbook.\n\
         Writes that have not come across then are lost from the new primary; reconcile accounts for them.",
        plan.name,
        words.who,
        words.act,
        account.fault.words(from),
        words.what,
    ));
    let wanted = format!("{number} {environment}");
    let question = format!("\nType the account and the environment to begin ({wanted}): ");
    if person::answers(timeline, &question).await? != wanted {
        return Err(format!("that is not {wanted}: nothing was changed").into());
    }
    timeline.line("readiness", "everything that a runbook needs is looked at");
    let ready =
        account.execute(Runbook::Readiness, &Wanted::default(), &|| timeline.status("readiness")).await?;
    if !ready.is_good() {
        return Err(
            format!("the readiness check is not green, so nothing was broken: {}", ready.failure).into()
        );
    }
    timeline.line("readiness", "green");
    let scene = Scene {
        outlook: Arc::clone(outlook) as _,
        count: writers.count(),
        words,
        title: format!("Causeway game day of {}, {environment}", plan.name),
        address: options.url.clone(),
        doors: [from, to].map(|region| (region.to_owned(), None)).into(),
    };
    let live = Live::open(scene, None).await?;
    timeline.line("live", &format!("the two Regions, the writes and the runbooks: {}", live.url));
    account.tell(&live.story);
    let telling = Telling {
        timeline,
        page: Arc::clone(&live.story),
        output: &options.output,
        replay: options.replay,
        has_to_lose: false,
    };
    let result = tokio::select! {
        result = tell(account, writers, &telling) => result,
        () = interrupted() => Err("interrupted".into()),
    };
    let kept = crate::files::write(&options.output.join("live.html"), live.page().await?.as_bytes());
    if matches!(&result, Ok(code) if *code == ExitCode::SUCCESS) {
        timeline.plain(&format!("\n{to} has {}. Back again: causeway run failback --in {from}", words.what));
    } else {
        leave(account).await;
    }
    let code = result?;
    kept.map_err(|error| not_kept(&error))?;
    Ok(code)
}

/// Ends the fault, and says how to get back.
async fn leave(account: &Account) {
    let timeline = &account.timeline;
    if account.fault.is_ours_and_begun() {
        match account.mend_region().await {
            Ok(done) => timeline.line("RECOVERY", &done),
            Err(error) => timeline.line("RECOVERY", &error.to_string()),
        }
    }
    timeline.end();
    timeline.plain("\nIt goes no further. The way back:");
    account.way_back().iter().for_each(|line| timeline.plain(&format!("  {line}")));
}
