//! The command: rehearse a failover, keep a sandbox running, check a recovery plan or a runbook, deploy, compare two databases.

mod broadcast;
mod customers;
mod deployed;
mod diff;
mod document;
mod drill;
mod files;
mod gameday;
mod init;
mod interrupt;
mod live;
mod login;
mod outlook;
mod plan;
mod prompt;
mod recovery_plan;
mod rehearsal;
mod rig;
mod run;
mod sandbox_command;
mod stack;
mod status;
mod tally;
mod text;
mod timeline;
mod workload;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::rig::Engines;

/// Multi-Region failover runbooks, rehearsed on this machine.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Rehearse a Region failover and account for every lost write
    Drill(drill::Options),
    /// Break a Region of the account on purpose, move the application, and account for every lost write
    Gameday(Box<gameday::Options>),
    /// Start a runbook in the account, and follow it
    Run(Box<run::Options>),
    /// Show how both Regions stand, on one screen
    Status(status::Options),
    /// Keep the two Regions running until Ctrl-C, for the `aws` command and SDKs
    Sandbox(sandbox_command::Options),
    /// Make a recovery plan and the deployment's settings from what an account has; run again, tell what has changed
    Init(init::Options),
    /// Check a recovery plan, or print its JSON Schema
    Plan {
        #[command(subcommand)]
        command: plan::Command,
    },
    /// Check Automation runbooks, anybody's
    Document {
        #[command(subcommand)]
        command: document::Command,
    },
    /// Package the stack; deploy, compare or remove it in both Regions
    Stack {
        #[command(subcommand)]
        command: stack::Command,
    },
    /// Deploy the example application's two Regions, or remove them
    Workload {
        #[command(subcommand)]
        command: workload::Command,
    },
    /// Compare the tables of two databases, row by row
    Diff(diff::Options),
}

/// Where the parts of a rehearsal are, and how fast AWS is.
#[derive(Args, Clone, Debug)]
pub struct Machine {
    /// Folder with the step functions' binaries [default: the folder of this program]
    #[arg(long, value_name = "DIR")]
    functions: Option<PathBuf>,
    /// Folder with the Automation documents
    #[arg(long, value_name = "DIR", default_value = "ssm-documents")]
    documents: PathBuf,
    /// The SAM template, whose roles say what functions and runbooks may do
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// By how much AWS's durations are divided: 60 makes a minute a second
    #[arg(long, value_name = "N", default_value_t = 60.0, value_parser = factor)]
    factor: f64,
    /// What the shop's databases run on: mariadb, postgres, or mixed (orders in PostgreSQL, the catalog in MariaDB)
    #[arg(long, value_name = "ENGINE", default_value = "mariadb")]
    engine: Engines,
    /// Has the state machine compare the databases, in ranges of about so many rows of a table
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    ranges: Option<u64>,
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1.0..=3600.0).contains(&factor) => Ok(factor),
        _ => Err("use a number from 1 to 3600".into()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Drill(options) => drill::run(options).await,
        Command::Gameday(options) => gameday::run(*options).await,
        Command::Run(options) => run::run(*options).await,
        Command::Status(options) => status::run(&options).await,
        Command::Sandbox(options) => sandbox_command::run(options).await,
        Command::Init(options) => init::run(&options).await,
        Command::Plan { command } => plan::run(&command),
        Command::Document { command } => document::run(&command),
        Command::Stack { command } => stack::run(&command).await,
        Command::Workload { command } => workload::run(&command).await,
        Command::Diff(options) => diff::run(options).await,
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Where nobody reads it, the exit status says it.
            let _ = writeln!(std::io::stderr(), "causeway: {error}");
            ExitCode::from(2)
        }
    }
}

/// An error of the command, in one line.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
