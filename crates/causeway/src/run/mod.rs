//! `causeway run`: starts a runbook as the console does, and follows it.
//!
//! It finds plan, stack and role in the account, says in two lines what it is about to do and what that costs, and asks. What happens
//! then is Automation's: nothing of a runbook is in here, and the end of this command ends no execution. It says how to come back.
//!
//! # Exit status
//! 0: the runbook ended well, or goes on by itself as was asked for. 1: it was refused or failed. 2: it could not be started, and nothing
//! was changed. 130: a person left it, and it goes on.

pub mod runbook;
mod show;
pub mod watch;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use ::runbook::aurora::{DescribeGlobalCluster, region_of};
use ::runbook::record::ReadLastFailover;
use aws_config::SdkConfig;
use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::types::SignalType;
use clap::Args;
use jiff::Timestamp;
use preflight::world::MeasureLag;
use tokio::sync::mpsc::UnboundedReceiver;

use self::runbook::{Runbook, Wanted, parameters, what_it_costs, what_it_does};
pub use self::show::Format;
use self::show::Screen;
use self::watch::{Seen, Step, Told, look};
use crate::Error;
use crate::deployed::{self, Deployed};
use crate::interrupt::interrupted;
use crate::prompt::{agreed, can_be_asked};
use crate::stack::account::{is_move, reason};
use crate::text::shell_word;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks that failed.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// What is started, and how.
#[derive(Args)]
pub struct Options {
    /// What to start
    #[arg(value_enum, required_unless_present = "follow")]
    runbook: Option<Runbook>,
    /// The Region to leave, for a failover
    #[arg(long, value_name = "REGION")]
    impaired: Option<String>,
    /// The Region that the runbook runs in [default: the one that takes over, or took over last]
    #[arg(long = "in", value_name = "REGION")]
    region: Option<String>,
    /// The recovery plan's name, where the account has several
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Detach the databases, where a managed failover is not possible
    #[arg(long)]
    detach_databases: bool,
    /// A Region whose traffic is turned on, for routing
    #[arg(long, value_name = "REGION")]
    turn_on: Vec<String>,
    /// A Region whose traffic is turned off, for routing
    #[arg(long, value_name = "REGION")]
    turn_off: Vec<String>,
    /// The execution of reconcile whose report a replay puts back [default: the last one that ended well]
    #[arg(long, value_name = "ID")]
    reconciled: Option<String>,
    /// Who may approve: ARNs of users or roles [default: you]
    #[arg(long = "approver", value_name = "ARN")]
    approvers: Vec<String>,
    /// Another parameter of the runbook, such as Cooldown=override
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    others: Vec<(String, String)>,
    /// Don't ask whether to start it; an approval is asked for all the same
    #[arg(long)]
    yes: bool,
    /// Start it, and don't follow it
    #[arg(long, conflicts_with = "follow")]
    detach: bool,
    /// How it is shown
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Follow an execution that runs, or ran
    #[arg(long, value_name = "ID", conflicts_with = "runbook")]
    follow: Option<String>,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".into()),
    }
}

/// Runs the command.
pub async fn run(options: Options) -> Result<ExitCode, Error> {
    let config = ::runbook::aws::load().await;
    let looks = deployed::impatient(&config);
    if let Some(id) = &options.follow {
        let regions = deployed::regions_to_ask(&config, options.region.as_deref(), None);
        let (region, seen) = find(&looks, &regions, id).await?;
        let screen = Screen::new(options.format);
        screen.begun(&seen.document, &region, id);
        return follow(&config, &region, id, &screen).await;
    }
    let Some(runbook) = options.runbook else {
        return Err("name a runbook, or an execution to follow".into());
    };
    if !options.yes && options.format == Format::Json {
        return Err("a program can't be asked: give --yes with --format json; nothing was changed".into());
    }
    can_be_asked(options.yes)?;
    let deployed = place(&looks, runbook, &options).await?;
    let wanted = wanted(&looks, runbook, &deployed, &options).await?;
    let given = parameters(runbook, &deployed, &wanted)?;
    let screen = Screen::new(options.format);
    stands_alone(&looks, runbook, &deployed, &screen).await?;
    screen.line(&format!("{}.", what_it_does(runbook, &deployed, &wanted)));
    let cost = what_it_costs(runbook);
    match runbook {
        Runbook::Failover => screen.line(&format!("{cost}. {}.", lag_now(&looks, &deployed).await)),
        _ => screen.line(&format!("{cost}.")),
    }
    screen.hold();
    if !agreed(options.yes, "Start it?")? {
        return Ok(ExitCode::from(2));
    }
    let id = start(&config, runbook, &deployed, given).await?;
    screen.begun(&format!("{}-{}", deployed.prefix, runbook.name()), &deployed.region, &id);
    if options.detach {
        screen.line(&format!("It goes on by itself. To follow it: {}", come_back(&id, &deployed.region)));
        return Ok(ExitCode::SUCCESS);
    }
    follow(&config, &deployed.region, &id, &screen).await
}

/// Where it runs, and what is deployed there.
async fn place(config: &SdkConfig, runbook: Runbook, options: &Options) -> Result<Deployed, Error> {
    let (named, impaired) = (options.region.as_deref(), options.impaired.as_deref());
    let regions = deployed::regions_to_ask(config, named, impaired);
    let found = match deployed::anywhere(config, &regions, options.plan.as_deref()).await {
        // The profile's Region may be the impaired one, and the other not known yet: the impaired one may still answer.
        Err(error) if regions.is_empty() => match impaired {
            Some(impaired) => {
                deployed::in_region(config, impaired, options.plan.as_deref()).await.map_err(|_| error)?
            }
            None => return Err(error),
        },
        found => found?,
    };
    let plan = &found.plan;
    let known = |region: &str| -> Result<String, Error> {
        if plan.regions.iter().any(|one| one == region) {
            return Ok(region.to_owned());
        }
        Err(format!("{region} is no Region of the plan {}: {} are", plan.name, plan.regions.join(" and "))
            .into())
    };
    let region = match (named, runbook, impaired) {
        (Some(named), ..) => known(named)?,
        (None, Runbook::Failover, Some(impaired)) => plan.other_region(&known(impaired)?).to_owned(),
        (None, Runbook::Failback, _) => {
            let writer = writer(config, &found).await?;
            plan.other_region(&writer).to_owned()
        }
        (None, Runbook::Reconcile | Runbook::Replay | Runbook::Rebuild, _) => {
            took_over(config, &found).await?
        }
        (None, ..) => found.region.clone(),
    };
    let here = if region == found.region {
        found
    } else {
        deployed::in_region(config, &region, Some(&plan.name)).await?
    };
    // What is deployed counts; a file that was changed since does not.
    let beside = std::fs::read_to_string("plan.json").ok();
    if let Some(beside) = beside.and_then(|text| ::runbook::RecoveryPlan::parse(&text, "plan.json").ok())
        && beside.name == here.plan.name
        && beside != here.plan
    {
        return Err(format!(
            "plan.json says something else than the plan {} that is deployed in {region}: deploy it (make deploy), or start this in \
             another folder; nothing was changed",
            here.plan.name
        )
        .into());
    }
    // The other Region has the same plan, unless a deployment broke off, or it can't be asked.
    let other = here.plan.other_region(&region).to_owned();
    if impaired != Some(other.as_str())
        && let Ok(there) = deployed::in_region(config, &other, Some(&here.plan.name)).await
        && there.plan != here.plan
    {
        return Err(format!(
            "the plan {} in {region} is not the one in {other}: deploy it to both (make deploy), and start this again; nothing was changed",
            here.plan.name
        )
        .into());
    }
    Ok(here)
}

/// The Region that has the writer of every database.
pub async fn writer(config: &SdkConfig, deployed: &Deployed) -> Result<String, Error> {
    let mut writers = BTreeMap::new();
    for region in std::iter::once(&deployed.region).chain(&deployed.plan.regions) {
        let rds = aws_sdk_rds::Client::new(&::runbook::aws::in_region(config, region));
        for (name, database) in &deployed.plan.databases {
            if let Ok(Some(global)) = rds.describe_global_cluster(&database.global_cluster).await
                && let Some(writer) = global.writers().next()
            {
                writers.insert(name.clone(), region_of(&writer.cluster_arn).to_owned());
            }
        }
        if writers.len() == deployed.plan.databases.len() {
            break;
        }
    }
    let mut regions: Vec<&String> = writers.values().collect();
    regions.sort_unstable();
    regions.dedup();
    match regions.as_slice() {
        [one] => Ok((*one).clone()),
        _ => {
            let where_they_are: Vec<String> =
                writers.iter().map(|(name, region)| format!("{name} in {region}")).collect();
            Err(format!(
                "the databases have no one Region to leave (writers: {}): name the Region that is to take over, --in REGION",
                if where_they_are.is_empty() { "not known".to_owned() } else { where_they_are.join(", ") }
            )
            .into())
        }
    }
}

/// The Region that took over in the last failover on record.
async fn took_over(config: &SdkConfig, deployed: &Deployed) -> Result<String, Error> {
    let mut last = None;
    for region in &deployed.plan.regions {
        let s3 = ::runbook::bucket::client(&::runbook::aws::in_region(config, region));
        let bucket = deployed.plan.report_bucket(region)?;
        if let Ok(Some(record)) = s3.read_last_failover(bucket, &deployed.plan.name).await
            && last.as_ref().is_none_or(|(at, _)| *at < record.ended_at)
        {
            last = Some((record.ended_at, record.to_region));
        }
    }
    last.map(|(_, region)| region).ok_or_else(|| {
        "no failover is on record: name the Region that took over, --in REGION".to_owned().into()
    })
}

/// What is wanted, with what can be found out.
async fn wanted(
    config: &SdkConfig,
    runbook: Runbook,
    deployed: &Deployed,
    options: &Options,
) -> Result<Wanted, Error> {
    let mut wanted = Wanted {
        impaired: options.impaired.clone(),
        detach_databases: options.detach_databases,
        turn_on: options.turn_on.clone(),
        turn_off: options.turn_off.clone(),
        reconciled: options.reconciled.clone(),
        approvers: options.approvers.clone(),
        others: options.others.clone(),
    };
    if matches!(runbook, Runbook::Failover | Runbook::Failback | Runbook::Replay)
        && wanted.approvers.is_empty()
    {
        wanted.approvers = vec![caller(config, &deployed.region).await?];
    }
    if runbook == Runbook::Replay && wanted.reconciled.is_none() {
        let ssm = Ssm::new(&::runbook::aws::in_region(config, &deployed.region));
        let document = format!("{}-reconcile", deployed.prefix);
        let mut ran = ::runbook::executions::list(&ssm, &document, &["Success"]).await?;
        ran.retain(|one| one.document == document);
        wanted.reconciled = ran.into_iter().max_by_key(|one| one.started).map(|one| one.id);
    }
    Ok(wanted)
}

/// Who runs this: a user, or the role that a session is of.
pub async fn caller(config: &SdkConfig, region: &str) -> Result<String, Error> {
    let sts = aws_sdk_sts::Client::new(&::runbook::aws::in_region(config, region));
    let said = sts.get_caller_identity().send().await;
    let said = said.map_err(|error| {
        format!("{region}: STS does not say who you are: {}. Name an --approver", reason(error))
    })?;
    let arn = said.arn().ok_or("STS does not say who you are: name an --approver")?;
    Ok(role_of(arn))
}

/// The role of a session, which is what an approval knows; a user is one.
fn role_of(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        [head, partition, "sts", _, account, session] if session.starts_with("assumed-role/") => {
            let role = session.split('/').nth(1).unwrap_or_default();
            format!("{head}:{partition}:iam::{account}:role/{role}")
        }
        _ => arn.to_owned(),
    }
}

/// That nothing else moves anything.
async fn stands_alone(
    config: &SdkConfig,
    runbook: Runbook,
    deployed: &Deployed,
    screen: &Screen,
) -> Result<(), Error> {
    if !runbook.moves() {
        return Ok(());
    }
    for silent in moves_nothing(config, deployed).await? {
        screen.line(&format!("{silent} does not answer: what runs there is not known."));
    }
    Ok(())
}

/// That no runbook moves anything; returns the Regions that don't answer.
///
/// # Errors
/// When one does.
pub async fn moves_nothing<'a>(config: &SdkConfig, deployed: &'a Deployed) -> Result<Vec<&'a str>, Error> {
    let mut silent = Vec::new();
    for region in &deployed.plan.regions {
        let ssm = Ssm::new(&::runbook::aws::in_region(config, region));
        let running = match preflight::overdue::running(&ssm, &format!("{}-", deployed.prefix)).await {
            Ok(running) => running,
            Err(_) => {
                silent.push(region.as_str());
                continue;
            }
        };
        if let Some(one) = running.iter().find(|one| is_move(&one.document, &deployed.prefix)) {
            return Err(format!(
                "{} runs in {region} since {:.0}: follow it ({}), and start this one when it has ended; nothing was changed",
                one.document,
                one.started,
                come_back(&one.id, region)
            )
            .into());
        }
    }
    Ok(silent)
}

/// How far each database's secondary is behind, in a sentence.
async fn lag_now(config: &SdkConfig, deployed: &Deployed) -> String {
    let (here, plan) = (&deployed.region, &deployed.plan);
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&::runbook::aws::in_region(config, here));
    let now = Timestamp::now();
    let mut known = Vec::new();
    for (name, database) in &plan.databases {
        let Some(member) = database.members.get(here) else { continue };
        let cluster = member.cluster_arn.rsplit(':').next().unwrap_or_default();
        let lag = cloudwatch.measure_lag(cluster, plan.other_region(here), now).await;
        known.push(match lag {
            Ok(Some(lag)) => format!("{name} {:.1} s (at {})", lag.seconds, lag.at.strftime("%H:%M UTC")),
            Ok(None) => format!("{name} not known, CloudWatch has no value of the last minutes"),
            Err(_) => format!("{name} not known, CloudWatch does not answer"),
        });
    }
    format!("Behind, as last measured: {}", known.join(", "))
}

/// Starts a runbook with these parameters; returns the execution's id.
///
/// # Errors
/// When it could not be started.
pub async fn start(
    config: &SdkConfig,
    runbook: Runbook,
    deployed: &Deployed,
    given: BTreeMap<String, Vec<String>>,
) -> Result<String, Error> {
    let (region, role) = (&deployed.region, deployed.role(runbook.name())?);
    let document = format!("{}-{}", deployed.prefix, runbook.name());
    let ssm = Ssm::new(&::runbook::aws::in_region(config, region));
    let asked = ssm
        .start_automation_execution()
        .document_name(&document)
        .set_parameters(Some(given.into_iter().collect()));
    // A try whose answer was lost starts nothing twice.
    let answer = asked.client_token(uuid::Uuid::new_v4().to_string()).send().await;
    let answer = answer.map_err(|error| {
        let why = reason(error);
        let remedy = if why.contains("PassRole") {
            format!(": you may not pass {role}; ask for iam:PassRole on it, or start it as somebody who may")
        } else if why.contains("AccessDenied") {
            ": take a role that may ssm:StartAutomationExecution on it".to_owned()
        } else if why.contains("DefinitionNotFound") {
            ": deploy the stack again (make deploy)".to_owned()
        } else {
            String::new()
        };
        format!("{region}: {document} can't be started: {why}{remedy}; nothing was changed")
    })?;
    let id = answer.automation_execution_id().ok_or_else(|| {
        format!("{region}: {document} was started without an id: look for it in the console")
    })?;
    Ok(id.to_owned())
}

/// The execution of this id, in the first of these Regions that has it.
async fn find(config: &SdkConfig, regions: &[String], id: &str) -> Result<(String, Seen), Error> {
    let mut silent = Vec::new();
    for region in regions {
        match look(&Ssm::new(&::runbook::aws::in_region(config, region)), id).await {
            Ok(Some(seen)) => return Ok((region.clone(), seen)),
            Ok(None) => {}
            Err(error) => silent.push(format!("{region}: {error}")),
        }
    }
    let silent = if silent.is_empty() { String::new() } else { format!(" ({})", silent.join("; ")) };
    Err(format!(
        "there is no execution {id} in {}{silent}: name its Region, --in REGION",
        regions.join(" or ")
    )
    .into())
}

/// The command that follows an execution.
pub fn come_back(id: &str, region: &str) -> String {
    format!("causeway run --follow {} --in {}", shell_word(id), shell_word(region))
}

/// Follows an execution to its end.
async fn follow(config: &SdkConfig, region: &str, id: &str, screen: &Screen) -> Result<ExitCode, Error> {
    let ssm = Ssm::new(&::runbook::aws::in_region(config, region));
    let mut told = Told::default();
    let mut asking: Option<Asking> = None;
    let mut is_silent = false;
    let end = interrupted();
    tokio::pin!(end);
    loop {
        let seen = tokio::select! {
            () = &mut end => return Ok(left(id, region, screen)),
            seen = look(&ssm, id) => seen,
        };
        let pause = match seen {
            Ok(Some(seen)) => {
                is_silent = false;
                told.news(&seen).into_iter().for_each(|step| screen.step(step, seen.started));
                if seen.has_ended() {
                    screen.ended(&seen);
                    return Ok(if seen.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
                }
                match seen.waits_for_approval() {
                    Some(step) if asking.is_none() => {
                        asking = Some(Asking::begin(config, region, step, screen).await);
                    }
                    Some(_) => {}
                    None if asking.take().is_some_and(|asking| asking.is_open) => {
                        screen.line("\nIt is decided.");
                    }
                    None => screen.at_work(&seen, Timestamp::now()),
                }
                LOOK
            }
            Ok(None) => return Err(format!("there is no execution {id} in {region} any more").into()),
            Err(error) => {
                if !is_silent {
                    screen.line(&format!("{region}: {error}. It goes on; looking again"));
                }
                is_silent = true;
                LOOK_AGAIN
            }
        };
        tokio::select! {
            () = &mut end => return Ok(left(id, region, screen)),
            () = tokio::time::sleep(pause) => {}
            Some(answer) = answered(&mut asking) => signal(&ssm, id, &answer, screen).await,
        }
    }
}

fn left(id: &str, region: &str, screen: &Screen) -> ExitCode {
    screen.hold();
    screen.line(&format!("\nIt goes on. To come back: {}", come_back(id, region)));
    ExitCode::from(130)
}

/// Somebody who is asked for an approval.
struct Asking {
    answers: Option<UnboundedReceiver<String>>,
    is_open: bool,
}

impl Asking {
    /// Says what is to be approved, and by whom; asks where that is the person here.
    async fn begin(config: &SdkConfig, region: &str, step: &Step, screen: &Screen) -> Self {
        screen.hold();
        screen.line(&format!("\n{}", step.message.as_deref().unwrap_or("It waits for an approval.")));
        let me = caller(config, region).await.ok();
        let may = me.as_ref().is_some_and(|me| step.approvers.is_empty() || step.approvers.contains(me));
        if !may {
            screen.line(&format!(
                "It waits for the approval of {}; you are {}.",
                step.approvers.join(" or "),
                me.as_deref().unwrap_or("not known")
            ));
            return Self { answers: None, is_open: false };
        }
        if screen.is_for_a_program() || !std::io::stdin().is_terminal() {
            screen.line("It waits for an approval, in the console or by `aws ssm send-automation-signal` (docs/operations.md).");
            return Self { answers: None, is_open: false };
        }
        let mut output = std::io::stdout();
        // What can't be written is not seen: the answer counts all the same.
        let _ = write!(output, "Approve it? [yes/no] ").and_then(|()| output.flush());
        let (sender, answers) = tokio::sync::mpsc::unbounded_channel();
        // Nobody waits for this thread at the end.
        std::thread::spawn(move || {
            let mut line = String::new();
            if std::io::stdin().read_line(&mut line).is_ok() {
                let _ = sender.send(line.trim().to_lowercase());
            }
        });
        Self { answers: Some(answers), is_open: true }
    }
}

/// The answer of the person who is asked; never, where nobody is.
async fn answered(asking: &mut Option<Asking>) -> Option<String> {
    match asking.as_mut().and_then(|asking| asking.answers.as_mut()) {
        Some(answers) => match answers.recv().await {
            Some(answer) => {
                if let Some(asking) = asking {
                    asking.is_open = false;
                }
                Some(answer)
            }
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

async fn signal(ssm: &Ssm, id: &str, answer: &str, screen: &Screen) {
    let (kind, word) = match answer {
        "y" | "yes" => (SignalType::Approve, "approved"),
        "n" | "no" => (SignalType::Reject, "rejected"),
        _ => return screen.line("Neither yes nor no: it goes on waiting; follow it again to answer."),
    };
    let comment = vec![format!("{word} by causeway run")];
    let sent = ssm.send_automation_signal().automation_execution_id(id).signal_type(kind);
    match sent.payload("Comment", comment).send().await {
        Ok(_) => screen.line(&format!("It is {word}.")),
        Err(error) => screen.line(&format!("It could not be {word}: {}", reason(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_approves_as_its_role() {
        assert_eq!(
            role_of("arn:aws:sts::111122223333:assumed-role/night/me"),
            "arn:aws:iam::111122223333:role/night"
        );
        assert_eq!(role_of("arn:aws:iam::111122223333:user/me"), "arn:aws:iam::111122223333:user/me");
    }

    #[test]
    fn another_parameter_has_a_name_and_a_value() {
        assert_eq!(assignment("Cooldown=override").unwrap(), ("Cooldown".into(), "override".into()));
        assert!(assignment("Cooldown").is_err() && assignment("=x").is_err());
    }
}
