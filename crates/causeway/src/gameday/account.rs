//! A rehearsal in an account: what is deployed there moves, by its own runbooks.
//!
//! Whatever is done here a person could do by hand, with the `aws` command and the console, and nothing of a runbook is in here. What
//! the runbooks do is read from the service, as `causeway run` reads it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automation::Status;
use aws_config::SdkConfig;
use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::types::SignalType;
use comparison::{log_in, target};
use runbook::aurora::DescribeCluster;
use runbook::names::EXECUTION_TAG;
use runbook::{RecoveryPlan, authorities};
use table_diff::Target;

use super::fault::Fault;
use super::person;
use crate::Error;
use crate::deployed::Deployed;
use crate::live::story::{self, Story};
use crate::rehearsal::world::{Ended, Move, World};
use crate::run::runbook::{Runbook, Wanted, parameters};
use crate::run::watch::{Seen, Step, Told, look};
use crate::run::{come_back, start};
use crate::stack::account::reason;
use crate::text::{duration, shell_word};
use crate::timeline::Timeline;

/// Between two looks at an execution.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks that failed.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// How long after the failover a write may not be accepted: DNS's time to live, and the health checks that it follows.
const PATIENCE: Duration = Duration::from_secs(300);

/// An account.
pub struct Account {
    pub(super) config: SdkConfig,
    /// What is deployed in the Region that takes over.
    pub(super) deployed: Deployed,
    /// The Region that has the application.
    pub(super) from: String,
    /// Who holds the game day: approves what a runbook asks for.
    pub(super) caller: String,
    pub(super) fault: Fault,
    pub(super) detection: Duration,
    pub(super) timeline: Timeline,
    pub(super) page: Mutex<Option<Arc<Story>>>,
    pub(super) broken: Arc<AtomicBool>,
}

impl Account {
    /// Tells this page what the runbooks do.
    pub(super) fn tell(&self, page: &Arc<Story>) {
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(page));
    }

    /// What can be done where a game day ended in the middle.
    pub(super) fn way_back(&self) -> Vec<String> {
        let (name, from, to) = (&self.deployed.plan.name, &self.from, &self.deployed.region);
        let mut ways = self.fault.way_back(from);
        ways.extend([
            format!("causeway status --plan {}    # where the application is", shell_word(name)),
            format!(
                "causeway run failback --in {}    # back to where it was, nothing lost, once {from} is well",
                shell_word(from)
            ),
            format!("causeway run reconcile --in {}    # what was lost, if {to} took over", shell_word(to)),
        ]);
        ways
    }

    /// Starts a runbook, and follows it to its end.
    pub(super) async fn execute(
        &self,
        runbook: Runbook,
        wanted: &Wanted,
        meanwhile: &dyn Fn(),
    ) -> Result<Ended, Error> {
        let given = parameters(runbook, &self.deployed, wanted)?;
        let region = &self.deployed.region;
        let id = start(&self.config, runbook, &self.deployed, given).await?;
        self.timeline.line(runbook.name(), &format!("started in {region}: {}", come_back(&id, region)));
        let ssm = Ssm::new(&runbook::aws::in_region(&self.config, region));
        let (mut told, mut asked) = (Told::default(), false);
        loop {
            meanwhile();
            let seen = match look(&ssm, &id).await {
                Ok(Some(seen)) => seen,
                Ok(None) => return Err(format!("there is no execution {id} in {region} any more").into()),
                Err(error) => {
                    self.timeline.line(runbook.name(), &format!("{error}. It goes on; looking again"));
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
            };
            for step in told.news(&seen) {
                self.timeline.line(runbook.name(), &said(step));
            }
            if let Some(page) = &*self.page.lock().unwrap_or_else(PoisonError::into_inner) {
                page.runbook(shown(&id, runbook, region, &seen));
            }
            if seen.has_ended() {
                return Ok(ended(id, &seen));
            }
            if let Some(step) = seen.waits_for_approval().filter(|_| !asked) {
                asked = true;
                self.decide(&ssm, &id, step).await?;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks the person who holds the game day for an approval.
    async fn decide(&self, ssm: &Ssm, id: &str, step: &Step) -> Result<(), Error> {
        let message = step.message.as_deref().unwrap_or("It waits for an approval.");
        self.timeline.plain(&format!("\n{message}"));
        let agreed = person::agrees(&self.timeline, "Approve it? [yes/no] ").await?;
        let (kind, word) =
            if agreed { (SignalType::Approve, "approved") } else { (SignalType::Reject, "rejected") };
        let comment = vec![format!("{word} in a game day")];
        let sent = ssm.send_automation_signal().automation_execution_id(id).signal_type(kind);
        sent.payload("Comment", comment)
            .send()
            .await
            .map_err(|error| format!("it could not be {word}: {}", reason(error)))?;
        self.timeline.line("approval", &format!("{word} by {}", self.caller));
        Ok(())
    }
}

fn ended(id: String, seen: &Seen) -> Ended {
    let last = seen.steps.iter().filter_map(|step| step.ended).max();
    let took = seen.started.zip(last).map(|(started, ended)| started.duration_until(ended));
    let why = seen.summary.clone().or_else(|| seen.failure.clone());
    Ended {
        id,
        status: seen.status.clone(),
        failure: if seen.is_good() { String::new() } else { why.unwrap_or_default() },
        duration: took.and_then(|took| Duration::try_from(took).ok()).unwrap_or_default(),
    }
}

/// An execution, as the page shows it.
fn shown(id: &str, runbook: Runbook, region: &str, seen: &Seen) -> story::Runbook {
    let mut steps: Vec<story::Step> = Vec::new();
    for step in seen.steps.iter().filter(|step| !["aws:branch", "aws:sleep"].contains(&step.action.as_str()))
    {
        let Some(began) = step.started else { continue };
        let took = step.ended.and_then(|ended| Duration::try_from(began.duration_until(ended)).ok());
        let ended = took.zip(Status::from_name(&step.status)).map(|(took, status)| (status, took));
        let said = step.reason.clone().unwrap_or_default();
        // One that looks again and again is one step.
        match steps.last_mut().filter(|last| last.name == step.name) {
            Some(last) => (last.ended, last.said) = (ended, said),
            None => steps.push(story::Step { name: step.name.clone(), began, ended, said }),
        }
    }
    let ended = Status::from_name(&seen.status).filter(|status| status.ended());
    story::Runbook {
        execution: id.to_owned(),
        name: runbook.name().to_owned(),
        region: region.to_owned(),
        steps,
        ended,
    }
}

fn said(step: &Step) -> String {
    let took = step.started.zip(step.ended).map(|(started, ended)| started.duration_until(ended));
    let took = took.and_then(|took| Duration::try_from(took).ok()).map(duration).unwrap_or_default();
    let failed = if step.status == "Success" { "" } else { step.status.as_str() };
    let reason = step.reason.as_deref().unwrap_or_default();
    format!("{:<16}{took:>8}  {failed}{}{reason}", step.name, if failed.is_empty() { "" } else { " " })
}

impl World for Account {
    fn plan(&self) -> &RecoveryPlan {
        &self.deployed.plan
    }

    fn from(&self) -> &str {
        &self.from
    }

    fn to(&self) -> &str {
        &self.deployed.region
    }

    async fn break_region(&self) -> Result<String, Error> {
        let done = self.fault.begin(&self.config, &self.from, &self.timeline).await?;
        self.broken.store(true, Ordering::Relaxed);
        Ok(done)
    }

    fn detection(&self) -> Duration {
        self.detection
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn mend_region(&self) -> Result<String, Error> {
        let done = self.fault.end(&self.config, &self.from, &self.timeline).await?;
        self.broken.store(false, Ordering::Relaxed);
        Ok(done)
    }

    async fn run(&self, what: Move<'_>, meanwhile: &dyn Fn()) -> Result<Ended, Error> {
        let approvers = vec![self.caller.clone()];
        let (runbook, wanted) = match what {
            Move::FailOver => {
                let impaired = Some(self.from.clone());
                (Runbook::Failover, Wanted { impaired, approvers, ..Wanted::default() })
            }
            Move::Reconcile([from, to]) => {
                let times = [("OutageFrom", from), ("OutageTo", to)];
                let times = times.into_iter().filter(|(_, at)| !at.is_empty());
                let others = times.map(|(name, at)| (name.to_owned(), at.clone())).collect();
                (Runbook::Reconcile, Wanted { others, ..Wanted::default() })
            }
            Move::Replay(reconciled) => {
                let reconciled = Some(reconciled.to_owned());
                (Runbook::Replay, Wanted { reconciled, approvers, ..Wanted::default() })
            }
        };
        self.execute(runbook, &wanted, meanwhile).await
    }

    async fn list_reports(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let region = &self.deployed.region;
        let client = runbook::bucket::client(&runbook::aws::in_region(&self.config, region));
        let bucket = self.deployed.plan.report_bucket(region)?;
        let mut pages = client.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| format!("the reports in {bucket} can't be listed: {}", reason(error)))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    async fn read_report(&self, key: &str) -> Result<Vec<u8>, Error> {
        let region = &self.deployed.region;
        let client = runbook::bucket::client(&runbook::aws::in_region(&self.config, region));
        let bucket = self.deployed.plan.report_bucket(region)?;
        let object = client.get_object().bucket(bucket).key(key).send().await;
        let object =
            object.map_err(|error| format!("s3://{bucket}/{key} can't be read: {}", reason(error)))?;
        Ok(object.body.collect().await?.to_vec())
    }

    async fn database(&self, region: &str, name: &str) -> Result<Target, Error> {
        let here = runbook::aws::in_region(&self.config, region);
        let database = self.deployed.plan.databases.get(name);
        let member = database.and_then(|database| database.members.get(region));
        let (Some(database), Some(member)) = (database, member) else {
            return Err(format!("the plan has no database {name} in {region}").into());
        };
        let rds = aws_sdk_rds::Client::new(&here);
        let cluster = rds.describe_cluster(member.cluster()).await?;
        let cluster =
            cluster.ok_or_else(|| format!("there is no cluster {} in {region}", member.cluster()))?;
        let mut server = target(name, database, &cluster, region, &authorities::load()?)?;
        log_in(&mut server, &member.sign_in(), &here, region).await?;
        Ok(server)
    }

    async fn left_behind(&self) -> Result<Vec<String>, Error> {
        let rds = aws_sdk_rds::Client::new(&runbook::aws::in_region(&self.config, &self.deployed.region));
        let mut left = Vec::new();
        let mut pages = rds.describe_db_clusters().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| format!("the clusters can't be listed: {}", reason(error)))?;
            let clusters = page.db_clusters().iter();
            let tagged =
                clusters.filter(|one| one.tag_list().iter().any(|tag| tag.key() == Some(EXECUTION_TAG)));
            left.extend(tagged.filter_map(|one| one.db_cluster_arn().map(str::to_owned)));
        }
        Ok(left)
    }

    fn modelled_failover(&self) -> Option<Duration> {
        None
    }
}
