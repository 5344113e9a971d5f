//! `causeway diff`: compares the tables of two databases, row by row.
//!
//! The tables are listed once, at the start, and compared several at a time, large ones in several ranges at once
//! ([`work`]). What is found goes to a folder ([`output`]), from which a run that was killed, interrupted or cut off can be
//! resumed. A person sees a bar and a table ([`show`]), a program the JSON of the [`summary`].
//!
//! Exit status: 0 when all tables are alike; 1 when rows differ, a table is on one side only, or a column was not compared
//! that was not named to be left out; 2 when a table could not be compared, or nothing could be, or it was interrupted. Passwords are never printed and never stored.

mod output;
mod show;
mod summary;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::{Args, ValueEnum};
use table_diff::{Address, Limits, Presence, one_line};
use tokio::sync::Semaphore;

use self::output::{Folder, Request};
use self::show::Bar;
use self::summary::{Status, Summary, TableResult};
use self::work::{Ended, Work};
use crate::Error;
use crate::text::shell_word;

const SOURCE: &str = "CAUSEWAY_SOURCE";
const TARGET: &str = "CAUSEWAY_TARGET";

/// Options of the comparison.
// No Debug: the URLs may have passwords.
#[derive(Args)]
#[command(after_help = "\
A URL is mysql://USER:PASSWORD@HOST:PORT/DATABASE or postgres://…; in user, password and
database, write / ? # @ and % as %2F %3F %23 %40 and %25. In the environment, passwords stay
out of the list of processes. For TLS, append ?ssl-mode=VERIFY_IDENTITY&ssl-ca=FILE (MySQL)
or ?sslmode=verify-full&sslrootcert=FILE (PostgreSQL); ssl-cert and ssl-key, or sslcert and
sslkey, name the client's own certificate.

A table uses one connection to either server, one without a key two. A large table with a key
is cut into ranges, which are compared at once over connections that no other table uses; the
result is the same. Columns that only one side has, that have another type there or may not be
read, are noted and not compared: the table is then not alike, but \"alike, not all compared\",
unless the column was left out by --exclude-column. Nothing is written to either database.

Exit status: 0 when all tables are alike; 1 when rows differ, a table is on one side only, or
not all of it was compared; 2 when a table could not be compared, or nothing could be.")]
pub struct Options {
    /// The database that is compared with the target, such as the old primary
    #[arg(long, value_name = "URL", env = SOURCE, hide_env_values = true)]
    source: String,
    /// The database that is compared with the source, such as the new primary
    #[arg(long, value_name = "URL", env = TARGET, hide_env_values = true)]
    target: String,
    /// Compare this table only; may be repeated [default: every table]
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    /// Leave this table out; may be repeated
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
    /// Leave this column of a table out; may be repeated
    #[arg(long, value_name = "TABLE.COLUMN")]
    exclude_column: Vec<String>,
    /// How many connections to either server are used at once: for as many tables, or for up to 16 ranges of a large one
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    connections: u8,
    /// Folder for summary.json and the rows that differ; without it they are only counted
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    output: Option<PathBuf>,
    /// Format of the printed summary; json is the content of summary.json
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Continue the run that wrote this folder, with the same source, target and tables
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// How long a statement may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    statement_timeout: u32,
    /// Pause while the target runs more statements than this at once, those of this command included; after a minute
    /// the comparison goes on in any case
    #[arg(long, value_name = "N", default_value_t = 25)]
    max_running: u64,
    /// Pause, for a minute at most, while a replica of the target is further behind than this, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    max_lag: f64,
    /// Read the current rows of the source, instead of a snapshot from the start of each table: for a source that
    /// takes writes and replicates to the target
    #[arg(long)]
    live_source: bool,
    /// Compare MD5 checksums instead of CRC checksums: no difference can be overlooked, but it takes at least twice the
    /// time
    #[arg(long)]
    strong: bool,
    // A URL without its option: the parser's own refusal would print it, with the password.
    #[arg(hide = true)]
    stray: Vec<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "seconds from 0 to 86400, such as 0.5".to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
pub async fn run(options: Options) -> Result<ExitCode, Error> {
    if !options.stray.is_empty() {
        return Err("there is an argument without an option: databases are named with --source and --target, tables with --table".into());
    }
    let (source, target) = (address(&options.source, "source")?, address(&options.target, "target")?);
    if source.engine() != target.engine() {
        return Err("one side is MySQL and the other PostgreSQL: they can't be compared".into());
    }
    let request = Request {
        source: source.to_string(),
        target: target.to_string(),
        tables: options.tables.iter().cloned().collect(),
        exclude: options.exclude.iter().cloned().collect(),
        exclude_columns: options.exclude_column.iter().cloned().collect(),
    };
    let mut known = None;
    if let Some(path) = &options.resume {
        let (folder, run) = Folder::resume(path, &request)?;
        if let Some(summary) = folder.summary()?.filter(|summary| summary.exit_status() < 2) {
            folder.clean(&summary, &run.listed)?;
            return options.print(&summary, &request);
        }
        known = Some((folder, run.listed));
    } else if let Some(path) = &options.output {
        Folder::check_unoccupied(path)?;
    }

    let mut work = Work {
        source,
        target,
        timeout: Duration::from_secs(options.statement_timeout.into()),
        options: options.comparison(),
        folder: None,
        queue: Mutex::default(),
        estimates: BTreeMap::new(),
        bar: Bar::hidden(),
        stop: AtomicBool::new(false),
    };
    let asked = |error: table_diff::Error| one_line(&error);
    let mut first = work.connect().await.map_err(asked)?;
    let listed = if let Some((folder, listed)) = known {
        work.folder = Some(folder);
        listed
    } else {
        let listing =
            table_diff::list_tables(&mut first.0, &mut first.1, &options.tables, &options.exclude).await;
        let mut listed = listing.map_err(asked)?;
        if listed.is_empty() {
            return Err("there is no table to compare: neither side has one, or lets its user see one".into());
        }
        listed.sort_by_key(|listed| listed.table.to_string());
        if let Some(path) = &options.output {
            work.folder = Some(Folder::create(path, &request, &listed)?);
        }
        listed
    };
    let tables = listed.iter().filter(|listed| listed.presence == Presence::Both);
    let tables = tables.map(|listed| listed.table.clone()).collect::<VecDeque<_>>();
    if options.format == Format::Text && std::io::stderr().is_terminal() {
        work.estimates = table_diff::estimated_rows(&mut first.0).await.map_err(asked)?;
        let rows = tables.iter().filter_map(|table| work.estimates.get(table)).sum();
        work.bar = Bar::start(tables.len(), rows);
    }
    let connections = usize::from(options.connections).min(tables.len());
    work.queue = Mutex::new(tables);
    let work = Arc::new(work);
    let ended = work.run(connections, first).await;
    work.bar.end();
    let compared = match ended {
        Ended::Done(compared) => compared,
        Ended::Interrupted => return Err(options.rest("interrupted", &request).into()),
        Ended::Failed(reason) => return Err(options.rest(&reason, &request).into()),
    };
    let mut results = listed.iter().filter_map(TableResult::not_compared).chain(compared).collect::<Vec<_>>();
    results.sort_by(|a, b| a.table.cmp(&b.table));
    let summary = Summary { tables: results, source: request.source.clone(), target: request.target.clone() };
    if let Some(folder) = &work.folder {
        folder.finish(&summary, &listed)?;
    }
    options.print(&summary, &request)
}

fn address(url: &str, side: &str) -> Result<Address, String> {
    Address::from_url(url).map_err(|error| format!("the URL of the {side} can't be used: {error}"))
}

impl Options {
    fn comparison(&self) -> table_diff::Options {
        let limits = Limits {
            running: Some(self.max_running),
            lag: Some(Duration::from_secs_f64(self.max_lag)),
            ..Limits::default()
        };
        let connections = usize::from(self.connections);
        table_diff::Options {
            connections,
            spare: Some(Arc::new(Semaphore::new(connections))),
            limits,
            view: !self.live_source,
            strong: self.strong,
            exclude_columns: self.exclude_column.iter().cloned().collect(),
            ..table_diff::Options::default()
        }
    }

    /// Prints the summary; gives its exit status.
    fn print(&self, summary: &Summary, request: &Request) -> Result<ExitCode, Error> {
        let text = match self.format {
            Format::Json => summary.json()?,
            Format::Text => {
                let terminal = std::io::stdout().is_terminal();
                let mut text = show::text(summary, terminal.then(textwrap::termwidth));
                if let Some(path) = self.output.as_ref().or(self.resume.as_ref()) {
                    let rows = match summary.count(Status::Different) {
                        0 => "",
                        _ => "; beside it a TABLE.jsonl for each table that is different",
                    };
                    text += &format!("\nfiles  {}{rows}\n", path.join("summary.json").display());
                    if summary.count(Status::Error) > 0 {
                        let command = self.resume_command(path, request);
                        text += &format!("again  {command}  (only the tables in error)\n");
                    }
                }
                text
            }
        };
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| format!("can't print the summary: {error}"))?;
        Ok(ExitCode::from(summary.exit_status()))
    }

    /// Why it did not come to its end, and what to do about it.
    fn rest(&self, reason: &str, request: &Request) -> String {
        match self.output.as_ref().or(self.resume.as_ref()) {
            None => format!("{reason}; nothing was saved: only a run with --output can be resumed"),
            Some(path) => {
                let command = self.resume_command(path, request);
                format!("{reason}; the results so far were saved, resume with: {command}")
            }
        }
    }

    fn resume_command(&self, path: &Path, request: &Request) -> String {
        let mut command = "causeway diff".to_owned();
        for (option, variable, url) in
            [("--source", SOURCE, &self.source), ("--target", TARGET, &self.target)]
        {
            // Never the URL itself, for its password.
            if std::env::var(variable).ok().as_ref() != Some(url) {
                command += &format!(" {option} URL");
            }
        }
        for (option, name) in request.options() {
            command += &format!(" {option} {}", shell_word(name));
        }
        command + " --resume " + &shell_word(&path.display().to_string())
    }
}
