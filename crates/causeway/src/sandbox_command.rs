//! `causeway sandbox`: keeps the two Regions running until Ctrl-C, and says how to reach them.

use std::process::ExitCode;

use clap::Args;
use sandbox::folder::{Folder, remove_abandoned};
use sandbox::permissions::runbook_role;
use sandbox::{EAST, WEST};

use crate::rig::{Rig, interrupted};
use crate::timeline::Timeline;
use crate::{Error, Machine};

/// Options of the sandbox.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    machine: Machine,
    /// Cut a Region off after the start, as a drill does
    #[arg(long, value_name = "REGION", value_parser = [EAST, WEST])]
    isolate: Option<String>,
}

/// Runs the sandbox.
pub async fn run(options: Options) -> Result<ExitCode, Error> {
    let timeline = Timeline::start();
    timeline.status("starting the two Regions");
    for line in remove_abandoned() {
        timeline.line("sandbox", &line);
    }
    let output = Folder::create("logs-")?;
    let Some(rig) = Rig::start_unless_interrupted(&options.machine, output.path()).await? else {
        return Ok(ExitCode::SUCCESS);
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
         --parameters Plan=/causeway/plans/shop,ImpairedRegion={EAST},AutomationAssumeRole={}\n",
        runbook_role("causeway-failover", WEST)
    ));
    for database in ["orders", "catalog"] {
        if let Some(login) = rig.database(EAST, database) {
            timeline.plain(&format!(
                "  {database} in {EAST}: mariadb --host {} --port {} --user {} {database} (password: secret shop/{database})",
                login.host, login.port, login.user
            ));
        }
    }
    timeline.plain("");
    let _telling = rig.tell(&timeline);
    if let Some(region) = &options.isolate {
        rig.isolate(region).await;
    }
    timeline.status("running; Ctrl-C ends it");
    interrupted().await;
    timeline.status("stopping");
    rig.stop().await;
    timeline.end();
    Ok(ExitCode::SUCCESS)
}
