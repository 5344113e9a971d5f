//! `causeway drill`: the whole story of a failover, with real databases and the deployed binaries.
//!
//! The story is that of the module `rehearsal`. Here it takes place in the sandbox: for the shop, with its customers; or, with `--plan`
//! and `--schema`, for an application of one's own, with its databases and a generated write load or a program of one's own.
//!
//! Exit status 0 when the verdict holds, 1 when it does not, 2 when the drill could not be run to its end. Whatever happens, no
//! process and no file is left but the output folder.

mod own_plan;
mod schemas;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use runbook::RecoveryPlan;
use sandbox::application::Application;
use sandbox::{EAST, REGIONS, WEST};
use table_diff::Target;

use self::schemas::{SchemaFile, Texts};
use crate::customers::ledger::Ledger;
use crate::interrupt::interrupted;
use crate::live::{Live, Scene};
use crate::recovery_plan;
use crate::rehearsal::own::{Own, Route, WRITERS, Writer};
use crate::rehearsal::sandboxed::Sandboxed;
use crate::rehearsal::shop::Shop;
use crate::rehearsal::writers::Writers;
use crate::rehearsal::{Telling, not_kept, tell};
use crate::rig::{self, Rig};
use crate::tally::CUSTOMERS;
use crate::text::duration;
use crate::timeline::Timeline;
use crate::{Error, Machine};

/// Purchases and changes, or transactions, that are begun together in a second.
const RATE: f64 = 12.0;

/// Options of the drill.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    machine: Machine,
    /// Repeats the writes of another drill [default: from the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Folder for the report, the ledger and the logs
    #[arg(long, value_name = "DIR", default_value = "out/drill")]
    output: PathBuf,
    /// Purchases and changes that customers begin in a second, together; with --plan, transactions
    #[arg(long, value_name = "N", default_value_t = RATE, value_parser = rate)]
    rate: f64,
    /// Put the missing rows back, after the verdict on the report
    #[arg(long)]
    replay: bool,
    /// The recovery plan of an application of yours, instead of the shop: its databases, without anything else of it
    #[arg(long, value_name = "FILE", requires = "schema", conflicts_with = "engine")]
    plan: Option<PathBuf>,
    /// The schema of each of its databases, as `mysqldump --no-data` or `pg_dump -s` writes it
    #[arg(long, value_name = "DATABASE=FILE", requires = "plan")]
    schema: Vec<SchemaFile>,
    /// A program of yours that writes instead of the generated load, and says as JSON lines what was acknowledged
    #[arg(long, value_name = "COMMAND", requires = "plan")]
    writer: Option<String>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=1_000.0).contains(&rate) => Ok(rate),
        _ => Err("use a number from 0.1 to 1000".into()),
    }
}

/// An application of somebody's own, before it is in the sandbox.
struct OwnApplication {
    plan: RecoveryPlan,
    /// What of the plan is another in the sandbox.
    said: Vec<String>,
    schemas: Texts,
}

impl OwnApplication {
    fn read(options: &Options) -> Result<Option<Self>, Error> {
        let Some(file) = &options.plan else { return Ok(None) };
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| format!("can't read {name}: {error}"))?;
        let plan = RecoveryPlan::parse(&text, &name)?;
        let schemas = schemas::read(&options.schema, &plan)?;
        let (plan, said) = own_plan::in_sandbox(&plan).map_err(|error| format!("{name}: {error}"))?;
        Ok(Some(Self { plan, said, schemas }))
    }
}

/// Runs the drill; Ctrl-C ends it, leaving nothing behind.
pub async fn run(options: Options) -> Result<ExitCode, Error> {
    let own = OwnApplication::read(&options)?;
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
    let plan = own.as_ref().map(|own| own.plan.clone());
    let Some(mut rig) = Rig::start_unless_interrupted(&options.machine, plan, &options.output).await? else {
        return Err("interrupted: everything was stopped".into());
    };
    let open_and_tell = async {
        match &own {
            None => tell_of_shop(&mut rig, &timeline, seed, &options).await,
            Some(own) => tell_of_own(&rig, &timeline, seed, &options, own).await,
        }
    };
    let result = tokio::select! {
        result = open_and_tell => result,
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

/// Opens the shop, lets customers in, and tells the story.
async fn tell_of_shop(
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
    for region in REGIONS {
        timeline.line("shop", &format!("in {region}: {}", shop.door(region).unwrap_or_default()));
    }
    rig.change_plan(recovery_plan::describe_on_one_machine).await?;
    let ledger: Arc<Ledger> = Arc::default();
    let scene = shop_scene(rig, &shop, &ledger, format!("Causeway drill, seed {seed}"));
    let places = rig.places().ok_or("the shop is not open")?;
    let customers = Shop::new((&places, &ledger), seed, options.rate, rig.dns_ttl());
    tell_live(rig, timeline, options, scene, customers).await
}

/// Loads the schemas of somebody's own application, has it written to, and tells the story.
async fn tell_of_own(
    rig: &Rig,
    timeline: &Timeline,
    seed: u64,
    options: &Options,
    own: &OwnApplication,
) -> Result<ExitCode, Error> {
    own.said.iter().for_each(|line| timeline.line("plan", line));
    let engines =
        own.plan.databases.iter().map(|(name, database)| format!("{name} ({})", database.engine.name()));
    let engines = engines.collect::<Vec<_>>().join(", ");
    timeline.line("sandbox", &format!("{EAST} and {WEST} are up, with {engines} and 5 ARC endpoints"));
    let databases = schemas::load(rig, &own.schemas, seed, timeline).await?;
    let writer = match &options.writer {
        Some(command) => Writer::Program(command.clone()),
        None => Writer::Generated(options.rate),
    };
    let writers = Own::new(databases, writer, seed, (rig.route(), rig.dns_ttl()));
    let scene = Scene {
        outlook: Arc::new(rig.outlook()),
        count: writers.count(),
        words: WRITERS,
        title: format!("Causeway drill of {}, seed {seed}", own.plan.name),
        address: None,
        doors: REGIONS.map(|region| (region.to_owned(), None)).into(),
    };
    tell_live(rig, timeline, options, scene, writers).await
}

/// Tells the story, with a page of it that is kept in the end.
async fn tell_live(
    rig: &Rig,
    timeline: &Timeline,
    options: &Options,
    scene: Scene,
    writers: impl Writers,
) -> Result<ExitCode, Error> {
    let live = Live::open(scene, Some(rig.news())).await?;
    timeline.line("live", &format!("the two Regions, the writes and the runbooks: {}", live.url));
    // Nobody is sent there before the runbook turns its traffic on: what it has then is what both had.
    rig.stand_by(WEST);
    let _reporting = rig.report(timeline);
    let telling = Telling {
        timeline,
        page: Arc::clone(&live.story),
        output: &options.output,
        replay: options.replay,
        has_to_lose: true,
    };
    let result = tell(&Sandboxed(rig), writers, &telling).await;
    // Also of a drill that failed.
    let kept = crate::files::write(&options.output.join("live.html"), live.page().await?.as_bytes());
    let code = result?;
    kept.map_err(|error| not_kept(&error))?;
    Ok(code)
}

/// What the live page of the shop is of.
pub fn shop_scene(rig: &Rig, shop: &Application, ledger: &Arc<Ledger>, title: String) -> Scene {
    Scene {
        outlook: Arc::new(rig.outlook()),
        count: Arc::clone(ledger) as _,
        words: CUSTOMERS,
        title,
        address: Some(shop.url().to_owned()),
        doors: REGIONS.map(|region| (region.to_owned(), shop.door(region).map(str::to_owned))).into(),
    }
}

impl Route for rig::Route {
    fn region(&self) -> Option<String> {
        Self::region(self)
    }

    fn database(&self, region: &str, database: &str) -> Option<Target> {
        Self::database(self, region, database)
    }
}
