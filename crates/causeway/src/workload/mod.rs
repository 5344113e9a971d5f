//! `causeway workload`: deploys the example application's two Regions, shows what a deployment would change and what it costs, and removes
//! all of it, from one settings file.
//!
//! - [`settings`]: the file
//! - [`parts`]: the templates in `workload/`, where each is deployed, where the values of its parameters come from
//! - [`order`]: what waits for what, and the time left
//! - [`quotas`]: whether the account has room
//! - [`stacks`]: one stack
//! - [`deploy`], [`destroy`]: all of them
//! - [`image`]: the shop's image
//! - [`arc`]: ARC's endpoints and the first switch
//! - [`written`]: the recovery plan and the settings of `make deploy`
//! - [`cost`]: the table of prices
//!
//! Each step is safe to repeat: what stands as it should is not changed.

mod arc;
mod cost;
mod deploy;
mod destroy;
mod image;
mod order;
mod parts;
mod quotas;
mod settings;
mod stacks;
mod written;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::Error;
use crate::prompt::{agreed, can_be_asked, say};
use crate::stack::account::Region;
use deploy::{Deployment, Known};
use order::{Task, order};
use parts::{CONTROL, wanted, wrong_parameters};
use settings::Settings;

/// What to do with the workload.
#[derive(Subcommand)]
pub enum Command {
    /// Deploy it to both Regions, and write the recovery plan and the settings for the runbooks' deployment
    Deploy(DeployOptions),
    /// Show what a deployment would change, and change nothing
    Diff(Options),
    /// Show what it costs to keep, a month and an hour, and ask nobody
    Cost(Options),
    /// Remove all of it, in both Regions
    Destroy(AskedOptions),
}

/// Of what.
#[derive(Args)]
pub struct Options {
    /// The settings, see docs/workload.example.json
    #[arg(long, value_name = "FILE", default_value = "workload.json")]
    settings: PathBuf,
    /// Folder with the templates [default: those of this program]
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
}

/// Of what, and whether somebody is asked.
#[derive(Args)]
pub struct AskedOptions {
    #[command(flatten)]
    of: Options,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

/// How it is deployed.
#[derive(Args)]
pub struct DeployOptions {
    #[command(flatten)]
    asked: AskedOptions,
    /// Where to write the recovery plan; what is there and says something else stays
    #[arg(long, value_name = "FILE", default_value = "plan.json")]
    plan: PathBuf,
    /// Where to write the settings for `causeway stack deploy`
    #[arg(long, value_name = "FILE", default_value = "deploy.json")]
    deployment: PathBuf,
}

/// Runs the command.
pub async fn run(command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Deploy(options) => deploy(options).await,
        Command::Diff(options) => {
            let settings = Settings::read(&options.settings, wrong_parameters)?;
            let regions = regions(&settings).await;
            let templates = options.templates.as_deref();
            Deployment { settings: &settings, regions: &regions, templates }.diff().await?;
            say("\nNothing was changed.");
            Ok(ExitCode::SUCCESS)
        }
        Command::Cost(options) => {
            say(cost::text(&Settings::read(&options.settings, wrong_parameters)?)?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Destroy(options) => destroy(options).await,
    }
}

/// Both Regions, and that of ARC's configuration.
async fn regions(settings: &Settings) -> Vec<Region> {
    let config = runbook::aws::load().await;
    let mut names: Vec<&str> = settings.regions.iter().map(String::as_str).collect();
    if !names.contains(&CONTROL) {
        names.push(CONTROL);
    }
    names.into_iter().map(|name| Region::new(&config, name)).collect()
}

async fn deploy(options: &DeployOptions) -> Result<ExitCode, Error> {
    let settings = Settings::read(&options.asked.of.settings, wrong_parameters)?;
    let [first, second] = &settings.regions;
    say(&format!("This deploys the example application {} to {first} and {second}.\n", settings.name));
    for part in wanted(&settings) {
        say(&format!("  {:<10}{} ({})", part.name, part.title, part.regions(&settings).join(", ")));
    }
    say(&format!("\n{}", cost::text(&settings)?));
    can_be_asked(options.asked.yes)?;
    let regions = regions(&settings).await;
    let templates = options.asked.of.templates.as_deref();
    let deployment = Deployment { settings: &settings, regions: &regions, templates };
    say("Asking both Regions what is there …");
    let there = deployment.standing().await?;
    let mut missing = order(&settings);
    missing.retain(|task, _| !there.contains_key(task));
    let looked = quotas::look(&settings, &missing);
    if !looked.short.is_empty() {
        return Err(format!(
            "nothing was changed, because quotas will not do:\n  - {}",
            looked.short.join("\n  - ")
        )
        .into());
    }
    if !looked.unknown.is_empty() {
        say(&format!("It is not known whether these quotas will do:\n  - {}", looked.unknown.join("\n  - ")));
    }
    if !agreed(options.asked.yes, "Deploy it?")? {
        return Ok(ExitCode::FAILURE);
    }
    // Or a deployment before this one did not come to its end.
    let routing_is_new =
        missing.contains_key(&Task { part: "routing", region: CONTROL }) || !options.plan.exists();
    let known = deployment.deploy().await?;
    finish(options, &settings, &known, routing_is_new).await?;
    Ok(ExitCode::SUCCESS)
}

/// Writes what the runbooks need, and lets customers in.
async fn finish(
    options: &DeployOptions,
    settings: &Settings,
    known: &Known<'_>,
    routing_is_new: bool,
) -> Result<(), Error> {
    let config = runbook::aws::load().await;
    let routing = known.get(&Task { part: "routing", region: CONTROL });
    let cluster = routing
        .and_then(|outputs| outputs.get("ClusterArn"))
        .ok_or("the stack of the routing gives no ClusterArn")?;
    let endpoints = arc::of_cluster(&config, cluster).await?;
    let plan = written::plan(settings, known, &endpoints)?;
    let text = serde_json::to_string_pretty(&plan)? + "\n";
    let deployment = written::deployment(settings, known, &options.plan);
    let deployment = serde_json::to_string_pretty(&deployment)? + "\n";
    say("");
    for (path, text) in [(&options.plan, text), (&options.deployment, deployment)] {
        let (place, is_beside) = written::put(path, &text)?;
        let beside = if is_beside {
            format!(": {} says something else; compare them", path.display())
        } else {
            String::new()
        };
        say(&format!("{} is written{beside}", place.display()));
    }
    let [first, second] =
        settings.regions.each_ref().map(|region| plan.routing.controls.get(region).map(String::as_str));
    if let (true, Some(first), Some(second)) = (routing_is_new, first, second)
        && arc::open(&config, &plan.routing, first, second).await?
    {
        say(&format!(
            "The routing control of {} was turned on: customers are let in there",
            settings.regions[0]
        ));
    }
    let url = routing.and_then(|outputs| outputs.get("Url")).map_or("", String::as_str);
    say(&format!(
        "\nThe shop is at {url}, inside of its networks (docs/workload.md says how a browser gets there).\nNow deploy the runbooks: \
         `make deploy`, and start `readiness`. `make destroy-all` removes both."
    ));
    Ok(())
}

async fn destroy(options: &AskedOptions) -> Result<ExitCode, Error> {
    let settings = Settings::read(&options.of.settings, wrong_parameters)?;
    let regions = regions(&settings).await;
    let templates = options.of.templates.as_deref();
    let deployment = Deployment { settings: &settings, regions: &regions, templates };
    let there = deployment.there().await?;
    if there.tasks.is_empty() {
        say(&format!("There is nothing of {} in {}.", settings.name, settings.regions.join(" and ")));
    } else {
        say(&format!("This removes the example application {}, with its data, for good:\n", settings.name));
        for task in &there.tasks {
            say(&format!("  {:<16}{}-{}", task.region, settings.name, task.part));
        }
    }
    for (region, stack) in &there.unknown {
        say(&format!("  {region:<16}{stack} has the workload's tag and is no part of it: it stays"));
    }
    say(&format!(
        "\nDatabase clusters with the tag {}={} that no stack has are removed, too. What stays: the keys, for 7 days, in which they cost \
         nothing and can be taken back; report buckets and runbooks, which `causeway stack destroy` is for; an ARC cluster that was given.",
        stacks::TAG,
        settings.name
    ));
    can_be_asked(options.yes)?;
    if !agreed(options.yes, "Remove it?")? {
        return Ok(ExitCode::FAILURE);
    }
    deployment.take_databases_apart(&there).await?;
    deployment.destroy(&there).await?;
    let left = deployment.there().await?;
    if left.tasks.is_empty() {
        say(&format!("\nNothing of {} is left that costs.", settings.name));
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("{} stacks are there again: somebody deploys it", left.tasks.len()).into())
}
