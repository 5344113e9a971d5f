//! A rehearsal in the sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use runbook::RecoveryPlan;
use sandbox::world::routing::ONE_REGION_ON;
use sandbox::{EAST, WEST};
use table_diff::Target;

use super::world::{Ended, Move, World};
use crate::Error;
use crate::rig::Rig;

/// How long, in AWS's time, until somebody (or an alarm) starts the failover.
const DETECTION: Duration = Duration::from_secs(180);
/// When nothing is accepted again within this time after the failover, the drill has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who approves the replay: the caller that the drill is.
const APPROVER: &str = "arn:aws:iam::000000000000:user/SANDBOX";

/// The sandbox of a rig: its first Region has the application.
pub struct Sandboxed<'a>(pub &'a Rig);

impl World for Sandboxed<'_> {
    fn plan(&self) -> &RecoveryPlan {
        self.0.plan()
    }

    fn from(&self) -> &str {
        EAST
    }

    fn to(&self) -> &str {
        WEST
    }

    async fn break_region(&self) -> Result<String, Error> {
        self.0.isolate(EAST).await;
        Ok(format!("the link to {EAST} breaks"))
    }

    fn detection(&self) -> Duration {
        self.0.compressed(DETECTION)
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn mend_region(&self) -> Result<String, Error> {
        self.0.rejoin(EAST).await;
        Ok(format!("{EAST} is back"))
    }

    async fn run(&self, what: Move<'_>, meanwhile: &dyn Fn()) -> Result<Ended, Error> {
        let plan = self.0.plan_parameter();
        let mut parameters = BTreeMap::from([("Plan", plan.as_str())]);
        match &what {
            Move::FailOver => {
                // Between the two steps no Region has traffic.
                parameters.extend([("ImpairedRegion", EAST), ("SafetyRulesToOverride", ONE_REGION_ON)]);
            }
            Move::Reconcile([from, to]) => {
                parameters.extend([("OutageFrom", from.as_str()), ("OutageTo", to.as_str())]);
            }
            Move::Replay(reconciled) => {
                parameters.extend([("ReconcileExecution", *reconciled), ("Approvers", APPROVER)]);
            }
        }
        let document = format!("causeway-{}", what.runbook());
        self.0.run(WEST, &document, &parameters, meanwhile).await
    }

    async fn list_reports(&self, prefix: &str) -> Result<Vec<String>, Error> {
        self.0.list_reports(prefix).await
    }

    async fn read_report(&self, key: &str) -> Result<Vec<u8>, Error> {
        self.0.read_report(key).await
    }

    async fn database(&self, region: &str, database: &str) -> Result<Target, Error> {
        let found = self.0.database(region, database);
        found.ok_or_else(|| format!("the database {database} has no server in {region} now").into())
    }

    async fn left_behind(&self) -> Result<Vec<String>, Error> {
        Ok(self.0.leaked())
    }

    fn modelled_failover(&self) -> Option<Duration> {
        Some(self.0.modelled_failover())
    }
}
