//! `causeway status`: both Regions on one screen, as the account has them now. Read-only; a Region that is dark is said to be.
//!
//! Exit status 0 when everything could be asked, 1 when something could not, 2 when nothing was found to ask.

pub mod look;
mod show;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;

use crate::prompt::say;
use crate::run::Format;
use crate::{Error, deployed};
use look::Seen;

/// Columns where it is not a terminal's.
const PLAIN: usize = 120;

/// Of what, and how.
#[derive(Args)]
pub struct Options {
    /// The recovery plan's name, where the account has several
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// A Region to ask first what is deployed [default: that of the profile]
    #[arg(long = "in", value_name = "REGION")]
    region: Option<String>,
    /// How it is shown
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
pub async fn run(options: &Options) -> Result<ExitCode, Error> {
    let config = runbook::aws::load().await;
    let regions = deployed::regions_to_ask(&config, options.region.as_deref(), None);
    let looks = deployed::impatient(&config);
    let deployed = deployed::anywhere(&looks, &regions, options.plan.as_deref()).await?;
    let seen = look::look(&looks, &deployed, Timestamp::now()).await;
    match options.format {
        Format::Json => say(&serde_json::to_string_pretty(&seen)?),
        Format::Text => {
            let width = if std::io::stdout().is_terminal() { textwrap::termwidth() } else { PLAIN };
            show::lines(&seen, width).iter().for_each(|line| say(line));
        }
    }
    Ok(if is_whole(&seen) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether everything could be asked.
fn is_whole(seen: &Seen) -> bool {
    seen.traffic.is_ok()
        && seen.regions.iter().all(|region| {
            let databases = region.databases.values();
            region.executions.is_ok()
                && region.failover.is_ok()
                && region.switchover.is_ok()
                && region.reconciliation.is_ok()
                && databases.clone().all(|one| one.status.is_ok() && one.is_writer.is_ok())
        })
}
