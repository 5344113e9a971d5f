//! `causeway stack`: builds the package that is deployed, and deploys, compares or removes the stacks of both Regions by
//! `sam`, from one settings file.
//!
//! What a Region's stack is given is derived from the recovery plan ([`runbook::stack`]) and the [`settings`]. Every
//! command says first what it will do, and asks. It is done Region by Region and stops at the first failure: the Regions
//! before it stand as they are said to, and the same command, run again, goes on.

mod cost;
mod package;
mod settings;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode};

use clap::{Args, Subcommand};

use crate::Error;
use package::Manifest;
use settings::{Deployment, PLAN_LIMIT};

/// What to do with the stacks.
#[derive(Subcommand)]
pub enum Command {
    /// Put template, documents and built functions into one folder, with a manifest; changes nothing else
    Package(package::Options),
    /// Deploy the package to both Regions
    Deploy(Options),
    /// Show what a deployment would change in both Regions, and change nothing
    Diff(Options),
    /// Remove the stacks of both Regions
    Destroy(Options),
}

/// Of what, and whether somebody is asked.
#[derive(Args)]
pub struct Options {
    /// The settings of the deployment, see docs/deploy.example.json
    #[arg(long, value_name = "FILE", default_value = "deploy.json")]
    settings: PathBuf,
    /// The package, made by `make package`
    #[arg(long, value_name = "DIR", default_value = "target/package")]
    package: PathBuf,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub fn run(command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Package(options) => package::run(options),
        Command::Deploy(options) => deploy(options),
        Command::Diff(options) => diff(options),
        Command::Destroy(options) => destroy(options),
    }
}

#[expect(clippy::print_stdout, reason = "this is the command's output")]
fn say(text: &str) {
    println!("{text}");
}

fn deploy(options: &Options) -> Result<ExitCode, Error> {
    let deployment = Deployment::read(&options.settings)?;
    let manifest = Manifest::verified(&options.package)?;
    let template = options.package.join(package::TEMPLATE);
    say(&format!("This deploys {}:\n", manifest.summary()));
    for region in deployment.regions() {
        say(&deployment.summary(region));
    }
    say(&format!("\n{}", cost::text(&std::fs::read_to_string(&template)?)?));
    if !agreed(options, "Deploy to both Regions?")? {
        return Ok(ExitCode::FAILURE);
    }
    let given = write_parameters(options, &deployment, &manifest)?;
    in_each_region(&deployment, "deploying", |region| {
        let mut sam = sam_deploy(options, &deployment, region, &given[region]);
        sam.arg("--no-confirm-changeset");
        sam
    })?;
    say(&next_steps(&deployment));
    Ok(ExitCode::SUCCESS)
}

fn diff(options: &Options) -> Result<ExitCode, Error> {
    let deployment = Deployment::read(&options.settings)?;
    let manifest = Manifest::verified(&options.package)?;
    say(&format!("This asks CloudFormation what would change by {}:\n", manifest.summary()));
    for region in deployment.regions() {
        say(&deployment.summary(region));
    }
    let given = write_parameters(options, &deployment, &manifest)?;
    in_each_region(&deployment, "asking", |region| {
        let mut sam = sam_deploy(options, &deployment, region, &given[region]);
        sam.arg("--no-execute-changeset");
        sam
    })?;
    say("\nNothing was changed.");
    Ok(ExitCode::SUCCESS)
}

fn destroy(options: &Options) -> Result<ExitCode, Error> {
    let deployment = Deployment::read(&options.settings)?;
    let stack = &deployment.settings.stack;
    let [one, other] = &deployment.plan.regions;
    say(&format!(
        "This removes the stack {stack} in {one} and in {other}: functions, runbooks, roles, alarms, topics, and the \
         plan's parameter.\nThe report buckets stay, with what is in them; databases and routing controls are not touched."
    ));
    if !agreed(options, "Remove both?")? {
        return Ok(ExitCode::FAILURE);
    }
    in_each_region(&deployment, "removing", |region| {
        let mut sam = Process::new("sam");
        sam.args(["delete", "--no-prompts", "--stack-name", stack, "--region", region]);
        sam
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the user wants it. Without a terminal, only `--yes` says so.
fn agreed(options: &Options, question: &str) -> Result<bool, Error> {
    if options.yes {
        return Ok(true);
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(
            "nobody can be asked here: run it with --yes (make: YES=1) to go on; nothing was changed".into(),
        );
    }
    let mut output = std::io::stdout();
    write!(output, "\n{question} [y/N] ")?;
    output.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    let agreed = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if !agreed {
        say("Nothing was changed.");
    }
    Ok(agreed)
}

/// Writes the parameters of each Region's stack into the package, where they can be looked at.
fn write_parameters(
    options: &Options,
    deployment: &Deployment,
    manifest: &Manifest,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let folder = options.package.join("parameters");
    std::fs::create_dir_all(&folder)?;
    let mut given = BTreeMap::new();
    for region in deployment.regions() {
        // JSON is YAML, and sam reads the latter only.
        let path = folder.join(format!("{region}.yaml"));
        let parameters = deployment.parameters(region, &manifest.architecture);
        std::fs::write(&path, serde_json::to_string_pretty(&parameters)?)?;
        given.insert(region.clone(), path);
    }
    Ok(given)
}

fn sam_deploy(options: &Options, deployment: &Deployment, region: &str, parameters: &Path) -> Process {
    let mut sam = Process::new("sam");
    sam.arg("deploy")
        .arg("--template-file")
        .arg(options.package.join(package::TEMPLATE))
        .args(["--stack-name", &deployment.settings.stack, "--region", region])
        // The roles are the template's; its documents are included by a transform.
        .args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
        .args(["--resolve-s3", "--no-fail-on-empty-changeset", "--no-progressbar"])
        .arg("--parameter-overrides")
        .arg(format!("file://{}", parameters.display()));
    sam
}

/// Runs `sam` for each Region, in the plan's order.
fn in_each_region(deployment: &Deployment, doing: &str, sam: impl Fn(&str) -> Process) -> Result<(), Error> {
    let mut done: Vec<&str> = Vec::new();
    for region in deployment.regions() {
        say(&format!("\n== {region}: {doing}"));
        let ended = sam(region).status().map_err(|error| {
            format!("sam can't be started: {error}. Install it (pip install aws-sam-cli, 1.150 or later)")
        })?;
        if !ended.success() {
            let before = match done.as_slice() {
                [] => "nothing was done in the other Region".to_owned(),
                done => format!("{} is done", done.join(", ")),
            };
            return Err(format!(
                "{doing} in {region} failed, see above ({before}); mend it and run the same again"
            )
            .into());
        }
        done.push(region);
    }
    Ok(())
}

fn next_steps(deployment: &Deployment) -> String {
    let prefix = &deployment.settings.prefix;
    let name = &deployment.plan.name;
    let mut text = format!(
        "\nBoth stacks stand. Once, in each Region:\n  \
         - subscribe to the topics {prefix}-notifications and {prefix}-alarms\n  \
         - let ARC's endpoints be filled into the plan: call {prefix}-routing-control with the operation fill-endpoints\n  \
         - start {prefix}-readiness and read what it finds"
    );
    if deployment.plan_text.len() > PLAN_LIMIT {
        text += &format!(
            "\nThe plan has {} bytes, CloudFormation takes {PLAN_LIMIT}: put it into its parameter by hand, in each Region:\n  \
             aws ssm put-parameter --name /causeway/plans/{name} --type String --tier Advanced --overwrite --region REGION \\\n    \
             --value \"$(jq -c . {})\"",
            deployment.plan_text.len(),
            deployment.plan_path.display()
        );
    }
    text
}
