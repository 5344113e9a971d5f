//! `causeway stack`: builds the package that is deployed, and deploys, compares or removes the stacks of both Regions by
//! `sam`, from one settings file.
//!
//! What a Region's stack is given is derived from the recovery plan ([`runbook::stack`]) and the [`settings`]. Every
//! command says first what it will do, and asks. A deployment first asks both Regions what is there, and changes nothing
//! where something is in the way: a stack that takes a person, an alarm that does not exist, endpoints in the account's
//! plan that the file does not have, a runbook that runs. Then it goes Region by Region, the stack and after it the plan
//! ([`plan`]), and stops at the first failure: the Regions before it stand as they are said to, and the same command, run
//! again, goes on.

pub mod account;
mod cost;
mod package;
mod plan;
mod sbom;
pub mod settings;
pub mod stacks;

use std::path::PathBuf;
use std::process::{Command as Process, ExitCode};

use clap::{Args, Subcommand};

use crate::Error;
use crate::prompt::{self, can_be_asked, say};
use account::Region;
use aws_sdk_cloudformation::types::StackStatus;
use package::Manifest;
use prove::Verdict;
use settings::Deployment;
use stacks::{Named, State};

/// What to do with the stacks.
#[derive(Subcommand)]
pub enum Command {
    /// Put template, documents and built functions into one folder, with a manifest; changes nothing else
    Package(package::Options),
    /// Deploy the package to both Regions
    Deploy(DeployOptions),
    /// Show what a deployment would change in both Regions, and change nothing
    Diff(Options),
    /// Remove the stacks of both Regions
    Destroy(AskedOptions),
    /// Ask both Regions what no document of AWS says, read-only: see docs/unproven.md
    Prove(ProveOptions),
}

/// About which deployment.
#[derive(Args)]
pub struct ProveOptions {
    /// The settings of the deployment
    #[arg(long, value_name = "FILE", default_value = "deploy.json")]
    settings: PathBuf,
}

/// Of what.
#[derive(Args)]
pub struct Options {
    /// The settings of the deployment, see docs/deploy.example.json
    #[arg(long, value_name = "FILE", default_value = "deploy.json")]
    settings: PathBuf,
    /// The package, made by `make package`
    #[arg(long, value_name = "DIR", default_value = "target/package")]
    package: PathBuf,
}

/// Of what, and whether somebody is asked.
#[derive(Args)]
pub struct AskedOptions {
    #[command(flatten)]
    of: Options,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Go on although a runbook of the stack runs, or although it is not known whether one does
    #[arg(long)]
    during_a_move: bool,
}

/// How a deployment is made.
#[derive(Args)]
pub struct DeployOptions {
    #[command(flatten)]
    asked: AskedOptions,
    /// Put the file's ARC endpoints although the plan in the account has others
    #[arg(long)]
    overwrite_endpoints: bool,
}

/// Runs the command.
pub async fn run(command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Package(options) => package::run(options),
        Command::Deploy(options) => deploy(options).await,
        Command::Diff(options) => diff(options).await,
        Command::Destroy(options) => destroy(options).await,
        Command::Prove(options) => prove(options).await,
    }
}

/// Prints a line for each assumption and Region.
async fn prove(options: &ProveOptions) -> Result<ExitCode, Error> {
    let deployment = Deployment::read(&options.settings)?;
    say("This checks in both Regions what AWS does not document, and changes nothing (docs/unproven.md).");
    let config = runbook::aws::load().await;
    for region in deployment.regions() {
        say(&format!("\n== {region}"));
        let asked = prove::Asked { plan: &deployment.plan, prefix: &deployment.settings.prefix, region };
        for (assumption, verdict) in prove::prove(&runbook::aws::in_region(&config, region), &asked).await {
            let (word, seen) = match verdict {
                Verdict::Holds(seen) => ("holds", seen),
                Verdict::DoesNotHold(seen) => ("DOES NOT HOLD", seen),
                Verdict::NotYet(seen) => ("can't be seen yet", seen),
            };
            say(&format!("{:<22}{word}: {}\n{:22}{seen}", assumption.id, assumption.believed, ""));
        }
    }
    say(
        "\nThe runbooks work under either answer, except where docs/unproven.md says otherwise. Nothing was changed.",
    );
    Ok(ExitCode::SUCCESS)
}

async fn deploy(options: &DeployOptions) -> Result<ExitCode, Error> {
    let asked = &options.asked;
    let (deployment, manifest) = announced(&asked.of, "This deploys")?;
    let template = std::fs::read_to_string(asked.of.package.join(package::TEMPLATE))?;
    say(&format!("\n{}", cost::text(&template)));
    can_be_asked(asked.yes)?;
    let regions = regions(&deployment).await;
    let doubts = examined(&deployment, &regions, options).await?;
    if !agreed(asked, &doubts, "Deploy to both Regions?")? {
        return Ok(ExitCode::FAILURE);
    }
    let sam = Sam::prepared(&asked.of, &deployment, &manifest)?;
    let mut done = Done::default();
    for region in &regions {
        say(&format!("\n== {}: deploying", region.name));
        let stack = Named { region, name: &deployment.settings.stack };
        done.or_say(region, made_ready(&deployment, &stack).await)?;
        sam.deploy(&stack, "--no-confirm-changeset", &done).await?;
        let put = plan::put(region, &deployment.plan.name, &deployment.plan_text).await;
        say(&format!("{}: {}", region.name, done.or_say(region, put)?));
        done.0.push(region.name.clone());
    }
    say(&next_steps(&deployment));
    Ok(ExitCode::SUCCESS)
}

async fn diff(options: &Options) -> Result<ExitCode, Error> {
    let (deployment, manifest) = announced(options, "This asks CloudFormation what would change by")?;
    let sam = Sam::prepared(options, &deployment, &manifest)?;
    for region in regions(&deployment).await {
        let name = &region.name;
        say(&format!("\n== {name}: asking"));
        let stack = Named { region: &region, name: &deployment.settings.stack };
        let there = plan::read(&region, &deployment.plan.name).await?;
        match stack.state().await? {
            State::Absent if region.has_bucket(deployment.bucket(name)).await? => say(&format!(
                "{name}: everything would be made but the report bucket, which is there and would be taken into the stack"
            )),
            State::Empty(StackStatus::RollbackComplete) => say(&format!(
                "{name}: everything would be made: the stack there is what a deployment that failed has left, and would go first"
            )),
            before => {
                sam.deploy(&stack, "--no-execute-changeset", &Done::default()).await?;
                // To ask about a stack that is not there, CloudFormation makes one with nothing in it.
                if !matches!(before, State::Stands(_)) {
                    stack.delete_empty().await?;
                }
            }
        }
        say(&format!("{name}: {}", plan::preview(there.as_deref(), &deployment.plan_text)));
    }
    say("\nNothing was changed.");
    Ok(ExitCode::SUCCESS)
}

/// Reads settings and package, and says what is to be done with them.
fn announced(options: &Options, what: &str) -> Result<(Deployment, Manifest), Error> {
    let deployment = Deployment::read(&options.settings)?;
    let manifest = Manifest::verified(&options.package)?;
    say(&format!("{what} {}:\n", manifest.summary()));
    for region in deployment.regions() {
        say(&deployment.summary(region));
    }
    Ok((deployment, manifest))
}

async fn destroy(options: &AskedOptions) -> Result<ExitCode, Error> {
    let deployment = Deployment::read(&options.of.settings)?;
    let stack = &deployment.settings.stack;
    let [one, other] = &deployment.plan.regions;
    say(&format!(
        "This removes the stack {stack} in {one} and in {other}: functions, runbooks, roles, alarms, topics; and the plan's \
         parameter where it is what the plan's file says.\nThe report buckets stay, with what is in them; databases and \
         routing controls are not touched."
    ));
    can_be_asked(options.yes)?;
    let regions = regions(&deployment).await;
    let doubts = running(&deployment, &regions).await;
    if !agreed(options, &doubts, "Remove both?")? {
        return Ok(ExitCode::FAILURE);
    }
    let mut done = Done::default();
    for region in &regions {
        say(&format!("\n== {}: removing", region.name));
        let named = Named { region, name: stack };
        if done.or_say(region, named.state().await)? == State::Absent {
            say(&format!("{}: there is no stack {stack}", region.name));
        } else {
            let mut sam = Process::new("sam");
            sam.args(["delete", "--no-prompts", "--stack-name", stack, "--region", &region.name]);
            ran(sam, &named, "the removal", &done).await?;
        }
        let deleted = plan::delete(region, &deployment.plan.name, &deployment.plan_text).await;
        say(&format!("{}: {}", region.name, done.or_say(region, deleted)?));
        done.0.push(region.name.clone());
    }
    Ok(ExitCode::SUCCESS)
}

/// Both, in the plan's order.
async fn regions(deployment: &Deployment) -> Vec<Region> {
    let config = runbook::aws::load().await;
    deployment.regions().map(|name| Region::new(&config, name)).collect()
}

/// Asks both Regions what is there, before anything is changed.
///
/// Returns what a person has to decide on, a line each.
///
/// # Errors
/// When a Region does not answer, or something is in the way of a deployment: all of it, of both Regions.
async fn examined(
    deployment: &Deployment,
    regions: &[Region],
    options: &DeployOptions,
) -> Result<Vec<String>, Error> {
    say("\nAsking both Regions what is there …");
    let (stack, plan) = (&deployment.settings.stack, &deployment.plan);
    let mut problems = Vec::new();
    for region in regions {
        let name = &region.name;
        problems.extend(Named { region, name: stack }.state().await?.in_the_way(name, stack));
        let alarms = runbook::stack::alarms(plan, name);
        if deployment.settings.automatic_failover && !alarms.is_empty() {
            let missing = region.missing_alarms(&alarms).await?;
            if !missing.is_empty() {
                problems.push(format!(
                    "{name}: the plan's `automatic` names alarms that are not there: {}. A composite alarm can't follow them: \
                     make them, or correct the plan",
                    missing.join(", ")
                ));
            }
        }
        let there = plan::read(region, &plan.name).await?;
        let others = there.and_then(|there| plan::other_endpoints(&there, &deployment.plan_text));
        if let Some(others) = others.filter(|_| !options.overwrite_endpoints) {
            problems.push(format!(
                "{name}: the plan in the account has other ARC endpoints than {}: fill-endpoints wrote them, or somebody. \
                 Copy them into the file's `routing`, or, when the file's are right, put those with --overwrite-endpoints (make: \
                 OVERWRITE_ENDPOINTS=1):\n    \"endpoints\": {others}",
                deployment.plan_path.display()
            ));
        }
    }
    if problems.is_empty() {
        return Ok(running(deployment, regions).await);
    }
    Err(format!("nothing was changed, because\n  - {}", problems.join("\n  - ")).into())
}

/// The runbooks of the stacks that run now, and where this is not known.
async fn running(deployment: &Deployment, regions: &[Region]) -> Vec<String> {
    let mut lines = Vec::new();
    for region in regions {
        match region.running(&deployment.settings.prefix).await {
            Ok(running) => lines.extend(running),
            Err(error) => lines.push(error.to_string()),
        }
    }
    lines
}

/// Removes what a first deployment that failed left behind, and takes a report bucket in that is there without a stack.
async fn made_ready(deployment: &Deployment, stack: &Named<'_>) -> Result<(), Error> {
    let region = &stack.region.name;
    let state = stack.state().await?;
    if let State::Empty(status) = &state {
        say(&format!(
            "{region}: the stack {} is {status} and holds nothing: it is deleted first",
            stack.name
        ));
        stack.delete_empty().await?;
    }
    let bucket = deployment.bucket(region);
    if !matches!(state, State::Stands(_)) && stack.region.has_bucket(bucket).await? {
        say(&format!(
            "{region}: the bucket {bucket} exists already: the new stack takes it over with its content"
        ));
        stack.import_bucket(bucket).await?;
    }
    Ok(())
}

/// Whether the user wants it. `doubts` are of runbooks that run: `--yes` alone does not answer those.
fn agreed(options: &AskedOptions, doubts: &[String], question: &str) -> Result<bool, Error> {
    if !doubts.is_empty() {
        say(&format!(
            "\nA runbook that is running would continue with other functions than it began with:\n  - {}",
            doubts.join("\n  - ")
        ));
        if options.yes && !options.during_a_move {
            return Err(
                "nothing was changed: wait until it has ended, or say --during-a-move (make: DURING_A_MOVE=1)".into()
            );
        }
    }
    prompt::agreed(options.yes, question)
}

/// The Regions that are done.
#[derive(Default)]
struct Done(Vec<String>);

impl Done {
    fn text(&self) -> String {
        match self.0.as_slice() {
            [] => "Nothing was done in the other Region".to_owned(),
            done => format!("{} is done and stays so", done.join(", ")),
        }
    }

    /// The same result, whose error also says where things stand.
    fn or_say<T>(&self, region: &Region, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| {
            format!("{error}\n{}. To run the same again is safe, and goes on in {}", self.text(), region.name)
                .into()
        })
    }
}

/// `sam deploy`, with what the stacks are given.
struct Sam<'a> {
    options: &'a Options,
    folder: PathBuf,
}

impl<'a> Sam<'a> {
    /// Writes the parameters of the stacks into the package, where they can be looked at.
    fn prepared(options: &'a Options, deployment: &Deployment, manifest: &Manifest) -> Result<Self, Error> {
        let sam = Self { options, folder: options.package.join("parameters") };
        std::fs::create_dir_all(&sam.folder)?;
        for region in deployment.regions() {
            let parameters = deployment.parameters(region, &manifest.architecture);
            std::fs::write(sam.parameters(region), serde_json::to_string_pretty(&parameters)?)?;
        }
        Ok(sam)
    }

    /// JSON is YAML, and sam reads the latter only.
    fn parameters(&self, region: &str) -> PathBuf {
        self.folder.join(format!("{region}.yaml"))
    }

    async fn deploy(&self, stack: &Named<'_>, how: &str, done: &Done) -> Result<(), Error> {
        let region = &stack.region.name;
        let mut sam = Process::new("sam");
        sam.args(["deploy", how, "--template-file"])
            .arg(self.options.package.join(package::TEMPLATE))
            .args(["--stack-name", stack.name, "--region", region])
            // The roles are the template's; its documents are included by a transform.
            .args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
            .args(["--resolve-s3", "--no-fail-on-empty-changeset", "--no-progressbar"])
            .arg("--parameter-overrides")
            .arg(format!("file://{}", self.parameters(region).display()));
        ran(sam, stack, "the deployment", done).await
    }
}

/// Runs `sam`, and says what AWS refused when it fails.
async fn ran(mut sam: Process, stack: &Named<'_>, what: &str, done: &Done) -> Result<(), Error> {
    let before = stack.newest_event().await;
    let ended = sam.status().map_err(|error| {
        format!("sam can't be started: {error}. Install it (pip install aws-sam-cli, 1.150 or later)")
    })?;
    if ended.success() {
        return Ok(());
    }
    let region = &stack.region.name;
    let mut text = format!("{what} failed in {region}");
    match stack.refusals(before.as_deref()).await {
        Ok(refusals) if refusals.is_empty() => {
            text += " before AWS changed anything of the stack: sam says why above";
        }
        Ok(refusals) => text += &format!(", because AWS refused\n  - {}", refusals.join("\n  - ")),
        Err(error) => text += &format!(". Why is not known, see above ({error})"),
    }
    let state = match stack.state().await {
        Ok(State::Absent) => "there is no stack".to_owned(),
        Ok(State::Empty(status)) => {
            format!("the stack is {status} and holds nothing: the next deployment deletes it first")
        }
        Ok(State::Stands(status)) => format!("the stack is {status}, as it was before"),
        Ok(state) => state.in_the_way(region, stack.name).unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    Err(format!(
        "{text}\nIn {region} now: {state}. {}.\nMend what it says and run the same again: that is safe, and goes on from here",
        done.text()
    )
    .into())
}

fn next_steps(deployment: &Deployment) -> String {
    let prefix = &deployment.settings.prefix;
    format!(
        "\nBoth stacks are deployed. Do this once in each Region:\n  \
         - subscribe to the topics {prefix}-notifications and {prefix}-alarms\n  \
         - let ARC's endpoints be checked: call {prefix}-routing-control with the operation fill-endpoints\n  \
         - start {prefix}-readiness and read what it finds; until it has run, within the hour by itself, its alarm is in ALARM"
    )
}
