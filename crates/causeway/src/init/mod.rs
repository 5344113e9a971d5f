//! `causeway init`: from an account to a recovery plan and the settings of its deployment.
//!
//! It looks into the account ([`look`], read-only), makes candidates of what it found ([`choose`]), asks the few things
//! that it can't know ([`ask`]), and says of each choice where it was found ([`derive`]). What it makes of them ([`draft`])
//! passes the checks of the plan and of the deployment before anything is written.
//!
//! It writes three files: the plan, the settings (`deploy.json`), and `plan.found.json`, which says what was found where and
//! keeps what was derived. Run again, it tells by the last what has changed in the account since, from what a person has
//! written into the others, which stays ([`compare`]).
//!
//! Exit status: 0 when the files are written, or say already what the account does; 1 when the account has changed and the
//! files were left as they are (with `--yes` the changed ones lie beside them as `.new`); 2 for an error. Until the files
//! are written nothing is changed, and a file is written whole or not at all.

mod ask;
mod choose;
mod compare;
mod derive;
mod draft;
mod earlier;
mod found;
mod look;
mod place;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use runbook::RecoveryPlan;
use serde_json::{Value, json};

use crate::Error;
use crate::files;
use crate::prompt::{self, say};
use crate::stack::settings::Deployment;
use ask::Asker;
use compare::{Compared, compare};
use derive::{Derived, derived};
use earlier::Earlier;

/// How a plan is made.
#[derive(Args)]
pub struct Options {
    /// Folder for plan.json, deploy.json and plan.found.json
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// The application's two Regions [default: those of the global databases that AWS_REGION knows]
    #[arg(long, value_name = "A,B", value_parser = two_regions)]
    regions: Option<[String; 2]>,
    /// Answer a question ahead, by the key that it is asked with; may be repeated
    #[arg(long = "answer", value_name = "KEY=VALUE")]
    answers: Vec<String>,
    /// Ask nobody: take what is likely, stop where nothing is, leave files that would change and write beside them
    #[arg(long)]
    yes: bool,
}

fn two_regions(text: &str) -> Result<[String; 2], String> {
    match text.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        [one, other] if one != other && !one.is_empty() && !other.is_empty() => {
            Ok([(*one).to_owned(), (*other).to_owned()])
        }
        _ => Err("name two Regions with a comma between them, such as eu-central-1,eu-west-1".to_owned()),
    }
}

/// Runs the command.
pub async fn run(options: &Options) -> Result<ExitCode, Error> {
    prompt::can_be_asked(options.yes)?;
    let earlier = Earlier::read(&options.output)?;
    let proposal = async {
        let mut asker = Asker::new(&options.answers, options.yes)?;
        let derived = derived(options.regions.as_ref(), &earlier, &mut asker).await?;
        Proposal::checked(&earlier, derived)
    };
    let proposal = proposal.await.map_err(|error| format!("{error}; nothing was changed"))?;
    say("\nFound:");
    proposal.derived.found.iter().for_each(|line| say(&format!("  {line}")));
    if !proposal.plan.kept.is_empty() || !proposal.settings.kept.is_empty() {
        say("\nKept as the files have it:");
        proposal.lines(|compared| compared.kept.clone()).iter().for_each(|line| say(&format!("  {line}")));
    }
    let changes = proposal.lines(|compared| compared.changes.iter().map(compare::Change::line).collect());
    if changes.is_empty() {
        return proposal.write_new().map(|()| ExitCode::SUCCESS);
    }
    say("\nThe files would change:");
    changes.iter().for_each(|line| say(&format!("  {line}")));
    if options.yes {
        return proposal.write_beside().map(|()| ExitCode::FAILURE);
    }
    if !prompt::agreed(false, "Change the files so?")? {
        return Ok(ExitCode::FAILURE);
    }
    proposal.write_all().map(|()| ExitCode::SUCCESS)
}

/// What would be written.
struct Proposal<'a> {
    earlier: &'a Earlier,
    derived: Derived,
    plan: Compared,
    settings: Compared,
}

impl<'a> Proposal<'a> {
    /// What was derived, held against the files that are there. The result is a valid plan that can be deployed.
    fn checked(earlier: &'a Earlier, derived: Derived) -> Result<Self, Error> {
        let before = |part: &str| earlier.found.as_ref().and_then(|found| found.get(part));
        let plan = match &earlier.plan {
            Some(there) => compare(there, before("plan"), &derived.plan, "databases"),
            None => new(complete(&derived.plan)?),
        };
        let settings = match &earlier.settings {
            // Where the functions run is a person's choice: settings that were written by hand are right.
            Some(there) => {
                let before = before("settings").unwrap_or(&derived.settings);
                compare(there, Some(before), &derived.settings, "")
            }
            None => new(derived.settings.clone()),
        };
        let text = plan.result.to_string();
        Deployment::of(&earlier.settings_path, &settings.result.to_string(), |_| Ok(text))?;
        Ok(Self { earlier, derived, plan, settings })
    }

    /// Lines of both files, each with the name of its file.
    fn lines(&self, of: impl Fn(&Compared) -> Vec<String>) -> Vec<String> {
        let files = [(self.earlier.plan_file.as_str(), &self.plan), (earlier::SETTINGS, &self.settings)];
        let lines = |(file, compared): (&str, &Compared)| {
            of(compared).into_iter().map(|line| format!("{file}: {line}")).collect::<Vec<_>>()
        };
        files.into_iter().flat_map(lines).collect()
    }

    /// Writes the files that are not there; those that are say what the account does.
    fn write_new(&self) -> Result<(), Error> {
        let Earlier { plan_path, settings_path, plan, settings, .. } = self.earlier;
        if plan.is_none() {
            write(plan_path, &self.plan.result)?;
        }
        if settings.is_none() {
            write(settings_path, &self.settings.result)?;
        }
        self.write_found()?;
        let (plan, settings) = (plan_path.display(), settings_path.display());
        if self.earlier.plan.is_some() && self.earlier.settings.is_some() {
            say(&format!("\n{plan} and {settings} say what the account does: nothing was changed in them."));
            return Ok(());
        }
        self.say_written();
        Ok(())
    }

    /// Writes all of them.
    fn write_all(&self) -> Result<(), Error> {
        write(&self.earlier.plan_path, &self.plan.result)?;
        write(&self.earlier.settings_path, &self.settings.result)?;
        self.write_found()?;
        self.say_written();
        Ok(())
    }

    /// Writes what would change beside the files.
    fn write_beside(&self) -> Result<(), Error> {
        let Earlier { plan_path, settings_path, .. } = self.earlier;
        for (path, compared) in [(plan_path, &self.plan), (settings_path, &self.settings)] {
            if !compared.changes.is_empty() {
                let mut beside = path.as_os_str().to_owned();
                beside.push(".new");
                let beside = PathBuf::from(beside);
                write(&beside, &compared.result)?;
                let (beside, path) = (beside.display(), path.display());
                say(&format!(
                    "\n{path} was left as it is, {beside} is written: read it, then mv {beside} {path}"
                ));
            }
        }
        Ok(())
    }

    fn write_found(&self) -> Result<(), Error> {
        let Derived { plan, settings, found } = &self.derived;
        let found = json!({
            "about": "What causeway init found where, and what it derived: a later run tells by it what has changed. Not deployed.",
            "found": found,
            "plan": plan,
            "settings": settings,
        });
        if self.earlier.found.as_ref() == Some(&found) {
            return Ok(());
        }
        write(&self.earlier.found_path, &found)
    }

    fn say_written(&self) {
        let Earlier { plan_path, settings_path, found_path, .. } = self.earlier;
        let [plan, settings, found] = [plan_path, settings_path, found_path].map(|path| path.display());
        say(&format!(
            "\nWritten: {plan}, {settings}, and {found}, which says what was found where.\nNothing in the account was \
             changed. Read them, then:\n  causeway plan check {plan}\n  make deploy SETTINGS={settings}\n  causeway run readiness"
        ));
    }
}

/// A file that is not there yet: nothing to compare.
fn new(result: Value) -> Compared {
    Compared { result, changes: Vec::new(), kept: Vec::new() }
}

/// The plan with what has a default, so that whoever reads it sees what there is to choose.
fn complete(plan: &Value) -> Result<Value, Error> {
    let plan = RecoveryPlan::parse(&plan.to_string(), "the account")?;
    Ok(serde_json::to_value(plan)?)
}

fn write(path: &Path, value: &Value) -> Result<(), Error> {
    files::write(path, format!("{value:#}\n").as_bytes())
}
