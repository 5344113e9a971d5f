//! `causeway sandbox`: keeps the two Regions running until Ctrl-C, and says how to reach them.
//!
//! With `--shop`, the shop runs in both Regions, with customers, and a live page shows all of it.
//!
//! It takes commands on its standard input, a line each, from a person or a script: a Region is cut off and comes back, a
//! secondary lags. The end of its input does not end it.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use sandbox::account::runbook_role;
use sandbox::folder::{Folder, remove_abandoned};
use sandbox::world::routing::ONE_REGION_ON;
use sandbox::{EAST, REGIONS, WEST};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::customers::Customers;
use crate::customers::ledger::Ledger;
use crate::drill::shop_scene;
use crate::interrupt::interrupted;
use crate::live::Live;
use crate::login::engine_client;
use crate::recovery_plan;
use crate::rig::Rig;
use crate::timeline::Timeline;
use crate::{Error, Machine};

/// Who approves in the examples: the caller whose key is printed.
const APPROVER: &str = "arn:aws:iam::000000000000:user/SANDBOX";

const COMMANDS: &str = "  isolate REGION          cut a Region off, as a drill does\n  \
    rejoin REGION           let it come back\n  \
    lag DATABASE SECONDS    have its secondary lag, for CloudWatch; `measured` for SECONDS ends that";

/// What can be typed.
#[derive(Debug, PartialEq)]
enum Order {
    Isolate(&'static str),
    Rejoin(&'static str),
    Lag(&'static str, Option<f64>),
}

impl Order {
    /// `None` of an empty line.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let known = |name: &str, all: [&'static str; 2], what: &str| {
            let found = all.into_iter().find(|one| *one == name);
            found.ok_or_else(|| format!("there is no {what} {name:?}: {} and {} are", all[0], all[1]))
        };
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [] => Ok(None),
            ["isolate", region] => Ok(Some(Self::Isolate(known(region, REGIONS, "Region")?))),
            ["rejoin", region] => Ok(Some(Self::Rejoin(known(region, REGIONS, "Region")?))),
            ["lag", database, seconds] => {
                let database = known(database, ["orders", "catalog"], "database")?;
                let seconds = match seconds {
                    "measured" => None,
                    given => match given.parse::<f64>() {
                        Ok(number) if number.is_finite() && number >= 0.0 => Some(number),
                        _ => return Err(format!("{given:?} is not a number of seconds")),
                    },
                };
                Ok(Some(Self::Lag(database, seconds)))
            }
            _ => Err(format!("there is no command {line:?}")),
        }
    }

    async fn carry_out(self, rig: &Rig, timeline: &Timeline) {
        match self {
            Self::Isolate(region) => rig.isolate(region).await,
            Self::Rejoin(region) => rig.rejoin(region).await,
            Self::Lag(database, seconds) => {
                rig.set_lag(database, seconds);
                let lag =
                    seconds.map_or_else(|| "measured again".to_owned(), |seconds| format!("{seconds} s"));
                timeline.line("sandbox", &format!("the replication lag of {database} is {lag}"));
            }
        }
    }
}

/// The lines of standard input. A thread of its own reads them, which nobody waits for at the end. In the background of a
/// terminal none are read, because the terminal would stop the process for it.
fn input() -> UnboundedReceiver<String> {
    let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
    let stdin = std::io::stdin();
    let background =
        stdin.is_terminal() && rustix::termios::tcgetpgrp(&stdin).ok() != Some(rustix::process::getpgrp());
    if !background {
        std::thread::spawn(move || {
            // What can't be read is an end, too.
            for line in stdin.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    lines
}

/// Options of the sandbox.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    machine: Machine,
    /// Cut a Region off after the start, as a drill does
    #[arg(long, value_name = "REGION", value_parser = [EAST, WEST])]
    isolate: Option<String>,
    /// Run the shop in both Regions, with customers, and show a live page of it
    #[arg(long)]
    shop: bool,
    /// Purchases and changes that the shop's customers begin in a second, together; 0: none
    #[arg(long, value_name = "N", default_value_t = 4.0, requires = "shop")]
    rate: f64,
}

/// Opens the shop in both Regions, lets customers in, and serves the page of it. The Region that stands by has no traffic.
async fn open_shop(
    rig: &mut Rig,
    timeline: &Timeline,
    rate: f64,
) -> Result<(Live, Option<Customers>), Error> {
    timeline.status("opening the shop in both Regions");
    let shop = rig.open_shop().await?;
    timeline.plain(&format!("The shop, as a customer finds it: {}\n", shop.url()));
    rig.change_plan(|plan| {
        recovery_plan::describe_on_one_machine(plan);
        // So that it is ready: one Region alone has the traffic, and a failover takes it off for a moment.
        plan.routing.safety_rules_to_override = vec![ONE_REGION_ON.to_owned()];
    })
    .await?;
    rig.stand_by(WEST);
    let ledger: Arc<Ledger> = Arc::default();
    let scene = shop_scene(rig, &shop, &ledger, "Causeway shop".into());
    let live = Live::open(scene, Some(rig.news())).await?;
    let places = rig.places().ok_or("the shop is not open")?;
    let customers = if rate > 0.0 {
        let seed = jiff::Timestamp::now().as_second().unsigned_abs();
        Some(Customers::start(seed, rate, rig.dns_ttl(), EAST, (&places, &ledger))?)
    } else {
        None
    };
    Ok((live, customers))
}

/// What a person can do, as the page says it.
fn instructions(rig: &Rig) -> Vec<String> {
    let role = |runbook: &str| runbook_role(&format!("causeway-{runbook}"), WEST);
    let start = |runbook: &str, parameters: &str| {
        format!(
            "aws ssm start-automation-execution --document-name causeway-{runbook} \\\n    \
             --parameters {parameters}Plan=/causeway/plans/shop,AutomationAssumeRole={}",
            role(runbook)
        )
    };
    vec![
        "# In a shell of its own, once:".into(),
        format!("export AWS_ENDPOINT_URL={} AWS_REGION={WEST}", rig.url()),
        format!("export AWS_ACCESS_KEY_ID=SANDBOX AWS_SECRET_ACCESS_KEY={}", rig.secret()),
        String::new(),
        format!("# Break the link to {EAST}: type this where the sandbox runs."),
        format!("isolate {EAST}"),
        String::new(),
        "# Move the shop. Between the two steps no Region has traffic, which ARC's rule forbids: override it.".into(),
        start(
            "failover",
            &format!("ImpairedRegion={EAST},Approvers={APPROVER},SafetyRulesToOverride={ONE_REGION_ON},"),
        ),
        String::new(),
        "# Let the Region come back (typed where the sandbox runs), and account for what was lost.".into(),
        format!("rejoin {EAST}"),
        start("reconcile", ""),
    ]
}

/// Runs the sandbox.
pub async fn run(options: Options) -> Result<ExitCode, Error> {
    let timeline = Timeline::start();
    timeline.status("starting the two Regions");
    for line in remove_abandoned() {
        timeline.line("sandbox", &line);
    }
    let output = Folder::create("logs-")?;
    let Some(mut rig) = Rig::start_unless_interrupted(&options.machine, None, output.path()).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let opened = if options.shop {
        open_shop(&mut rig, &timeline, options.rate).await.map(Some)
    } else {
        // Without any table, the readiness check finds that there would be nothing to compare.
        rig.make_tables().await.map(|()| None)
    };
    let shop = match opened {
        Ok(shop) => shop,
        Err(error) => {
            rig.stop().await;
            return Err(error);
        }
    };
    let arc = rig.arc_urls();
    timeline.plain(&format!(
        "Two Regions, {EAST} (primary) and {WEST}, until Ctrl-C. For the aws command and the SDKs:\n\n\
         export AWS_ENDPOINT_URL={}\n\
         export AWS_ACCESS_KEY_ID=SANDBOX AWS_SECRET_ACCESS_KEY={}\n\
         export AWS_REGION={WEST} AWS_DEFAULT_REGION={WEST}\n\
         export {}={}\n\n\
         ARC's data plane has endpoints of its own, each with its Region:",
        rig.url(),
        rig.secret(),
        runbook::authorities::VARIABLE,
        rig.database_authority().display()
    ));
    for (url, region) in arc.iter().zip(sandbox::ARC_REGIONS) {
        timeline.plain(&format!(
            "  aws route53-recovery-cluster --endpoint-url {url} --region {region} list-routing-controls"
        ));
    }
    timeline.plain(&format!(
        "\nFor example:\n  aws rds describe-global-clusters\n  aws ssm start-automation-execution --document-name causeway-failover \\\n    \
         --parameters Plan=/causeway/plans/shop,ImpairedRegion={EAST},Approvers={APPROVER},AutomationAssumeRole={}\n",
        runbook_role("causeway-failover", WEST)
    ));
    for database in ["orders", "catalog"] {
        if let Some(login) = rig.database(EAST, database) {
            let client = engine_client(login.engine);
            timeline.plain(&format!(
                "  {database} in {EAST}: {client} --host {} --port {} --user {} {database} (password: secret shop/{database})",
                login.host, login.port, login.user
            ));
        }
    }
    timeline.plain(&format!("\nCommands on standard input, to cause faults and to end them:\n{COMMANDS}\n"));
    if let Some((live, _)) = &shop {
        timeline.plain(&format!("The shop runs. Look at {}\n", live.url));
        live.story.instruct(instructions(&rig));
    }
    let _telling = rig.report(&timeline);
    if let Some(region) = &options.isolate {
        rig.isolate(region).await;
    }
    timeline.status("running; Ctrl-C ends it");
    let mut lines = input();
    let ended = interrupted();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => break,
            Some(line) = lines.recv() => match Order::parse(&line) {
                Ok(Some(order)) => order.carry_out(&rig, &timeline).await,
                Ok(None) => {}
                Err(why) => timeline.plain(&format!("{why}; there are:\n{COMMANDS}")),
            },
        }
    }
    timeline.status("stopping");
    if let Some((_live, Some(customers))) = shop {
        customers.stop().await;
    }
    rig.stop().await;
    timeline.end();
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_order_or_says_what_is_wrong_with_it() {
        assert_eq!(Order::parse(" isolate  sandbox-east "), Ok(Some(Order::Isolate(EAST))));
        assert_eq!(Order::parse("rejoin sandbox-west"), Ok(Some(Order::Rejoin(WEST))));
        assert_eq!(Order::parse("lag orders 90.5"), Ok(Some(Order::Lag("orders", Some(90.5)))));
        assert_eq!(Order::parse("lag catalog measured"), Ok(Some(Order::Lag("catalog", None))));
        assert_eq!(Order::parse(""), Ok(None));
        for (line, part) in [
            ("isolate eu-west-1", "no Region \"eu-west-1\""),
            ("lag invoices 1", "no database \"invoices\""),
            ("lag orders -1", "is not a number of seconds"),
            ("lag orders NaN", "is not a number of seconds"),
            ("isolate", "no command \"isolate\""),
            ("stop", "no command \"stop\""),
        ] {
            let why = Order::parse(line).unwrap_err();
            assert!(why.contains(part), "{line}: {why}");
        }
    }
}
