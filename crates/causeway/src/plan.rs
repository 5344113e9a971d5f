//! `causeway plan`: checks a recovery plan before it is put into a parameter.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use runbook::RecoveryPlan;

use crate::Error;

/// An SSM parameter of the advanced tier holds this many bytes (AWS Systems Manager quotas).
const PARAMETER_LIMIT: usize = 8 * 1024;

/// What to do with a plan.
#[derive(Subcommand)]
pub enum Command {
    /// Check the plan in a file; exit status 0 when it is valid
    Check {
        /// The plan
        file: PathBuf,
    },
    /// Print the JSON Schema of a plan
    Schema,
}

/// Runs the command.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
pub fn run(command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Check { file } => {
            let name = file.display();
            let text =
                std::fs::read_to_string(file).map_err(|error| format!("can't read {name}: {error}"))?;
            let plan = RecoveryPlan::parse(&text, &name.to_string())?;
            if text.len() > PARAMETER_LIMIT {
                return Err(format!(
                    "{name} has {} bytes and an SSM parameter holds at most {PARAMETER_LIMIT}: shorten it (white space counts)",
                    text.len()
                )
                .into());
            }
            println!(
                "{name} is valid: plan {} for {} and {}, {} global database(s)",
                plan.name,
                plan.regions[0],
                plan.regions[1],
                plan.databases.len()
            );
        }
        Command::Schema => println!("{:#}", RecoveryPlan::json_schema()),
    }
    Ok(ExitCode::SUCCESS)
}
