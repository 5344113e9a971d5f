//! `causeway stack`: builds the package that is deployed, and deploys, compares or removes the stacks of both Regions by
//! `sam`, from one settings file.
//!
//! What a Region's stack is given is derived from the recovery plan ([`runbook::stack`]) and the [`settings`]. Every
//! command says first what it will do, and asks. It is done Region by Region and stops at the first failure: the Regions
//! before it stand as they are said to, and the same command, run again, goes on.

mod cost;
mod package;
mod settings;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
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
    let (deployment, manifest) = announced(options, "This deploys")?;
    let template = std::fs::read_to_string(options.package.join(package::TEMPLATE))?;
    say(&format!("\n{}", cost::text(&template)));
    if !agreed(options, "Deploy to both Regions?")? {
        return Ok(ExitCode::FAILURE);
    }
    sam_deploy(options, &deployment, &manifest, "deploying", "--no-confirm-changeset")?;
    say(&next_steps(&deployment));
    Ok(ExitCode::SUCCESS)
}

fn diff(options: &Options) -> Result<ExitCode, Error> {
    let (deployment, manifest) = announced(options, "This asks CloudFormation what would change by")?;
    sam_deploy(options, &deployment, &manifest, "asking", "--no-execute-changeset")?;
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

/// Runs `sam deploy` in each Region. The parameters of the stacks are written into the package, where they can be looked at.
fn sam_deploy(
    options: &Options,
    deployment: &Deployment,
    manifest: &Manifest,
    doing: &str,
    how: &str,
) -> Result<(), Error> {
    let folder = options.package.join("parameters");
    // JSON is YAML, and sam reads the latter only.
    let path = |region: &str| folder.join(format!("{region}.yaml"));
    std::fs::create_dir_all(&folder)?;
    for region in deployment.regions() {
        let parameters = deployment.parameters(region, &manifest.architecture);
        std::fs::write(path(region), serde_json::to_string_pretty(&parameters)?)?;
    }
    in_each_region(deployment, doing, |region| {
        let mut sam = Process::new("sam");
        sam.args(["deploy", how, "--template-file"])
            .arg(options.package.join(package::TEMPLATE))
            .args(["--stack-name", &deployment.settings.stack, "--region", region])
            // The roles are the template's; its documents are included by a transform.
            .args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
            .args(["--resolve-s3", "--no-fail-on-empty-changeset", "--no-progressbar"])
            .arg("--parameter-overrides")
            .arg(format!("file://{}", path(region).display()));
        sam
    })
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
