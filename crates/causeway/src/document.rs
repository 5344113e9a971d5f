//! `causeway document`: checks Automation runbooks, ours and anybody's, before they are given to Systems Manager.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::Error;

/// What to do with documents.
#[derive(Subcommand)]
pub enum Command {
    /// Check Automation documents; exit status 0 when all are clean, 1 with problems, 2 when a file can't be read
    Check {
        /// The documents, as YAML or JSON
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Runs the command: a line for each problem, or for a document without any.
pub fn run(command: &Command) -> Result<ExitCode, Error> {
    let Command::Check { files } = command;
    let mut worst = 0;
    for file in files {
        let name = file.display();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                worst = 2;
                say(std::io::stderr(), format_args!("causeway: can't read {name}: {error}"));
                continue;
            }
        };
        let problems = automation::check(&name.to_string(), &text);
        if problems.is_empty() {
            say(std::io::stdout(), format_args!("{name} is valid"));
        } else {
            worst = worst.max(1);
        }
        for problem in problems {
            // A line each, whatever a parser has to say.
            say(std::io::stdout(), format_args!("{}", problem.to_string().replace('\n', " ")));
        }
    }
    Ok(ExitCode::from(worst))
}

/// Writes a line. Where nobody reads it, the exit status says it.
fn say(mut to: impl Write, line: fmt::Arguments<'_>) {
    let _ = writeln!(to, "{line}");
}
