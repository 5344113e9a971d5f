//! A whole sandbox in this process: the world with real database servers, the runbooks, the step functions' binaries, all
//! behind one endpoint.
//!
//! [`Rig::stop`] ends every process and removes every file but the output folder; a drop does the same less gently.

mod outlook;
mod plan;
mod progress;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use automation::{Document, Reading, Status};
use runbook::RecoveryPlan;
use runbook::plan::{Distributed, Engine};
use sandbox::account::{OPERATOR, runbook_role};
use sandbox::application::{self, Application};
use sandbox::clock::Clock;
use sandbox::databases::real::RealServers;
use sandbox::folder::Folder;
use sandbox::functions::binaries::{Binaries, Settings};
use sandbox::permissions::Permissions;
use sandbox::states::Machine as StateMachine;
use sandbox::wire::connector::sdk_config;
use sandbox::wire::server::{Listeners, Server};
use sandbox::world::{World, durations};
use sandbox::{EAST, WEST};
use serde_json::json;
use table_diff::{Target, Tls};
use tokio::sync::broadcast::Receiver;

use self::progress::Reporting;
use crate::customers::browser::Places;
use crate::interrupt::interrupted;
use crate::timeline::Timeline;
use crate::{Error, Machine};
pub use outlook::Outlook;

/// A running sandbox.
pub struct Rig {
    sandbox: sandbox::Rig,
    /// The shop's, as it was at the start.
    plan: RecoveryPlan,
    servers: Arc<RealServers>,
    functions: Arc<Binaries>,
    secret: String,
    server: Server,
    clock: Clock,
    /// The shop's services, where they run.
    shop: Option<Arc<Application>>,
    binaries: PathBuf,
    logs: PathBuf,
    // Last, so that it goes when nothing uses it any more.
    folder: Option<Folder>,
}

/// The engines of the shop's databases, where they are not Aurora MySQL.
#[derive(Debug, Clone, Default)]
pub struct Engines(BTreeMap<String, Engine>);

impl FromStr for Engines {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let postgres = |databases: &[&str]| {
            Self(databases.iter().map(|name| ((*name).to_owned(), Engine::AuroraPostgresql)).collect())
        };
        match text {
            "mariadb" => Ok(Self::default()),
            "postgres" => Ok(postgres(&["catalog", "orders"])),
            "mixed" => Ok(postgres(&["orders"])),
            _ => {
                Err("it is mariadb, postgres, or mixed (orders in PostgreSQL, the catalog in MariaDB)".into())
            }
        }
    }
}

impl Engines {
    /// What the databases run on, in a few words.
    pub fn servers(&self) -> &'static str {
        match self.0.len() {
            0 => "4 MariaDB servers",
            1 => "2 MariaDB and 2 PostgreSQL servers",
            _ => "4 PostgreSQL servers",
        }
    }
}

/// What a sandbox is made of, beside its databases.
struct Parts {
    documents: Vec<(String, Document)>,
    machines: Vec<StateMachine>,
    permissions: Arc<Permissions>,
    /// Folder of the step functions' binaries.
    binaries: PathBuf,
    /// Folder of their logs.
    logs: PathBuf,
}

/// How an execution ended.
pub struct Ended {
    /// Its id.
    pub id: String,
    /// `Success`, `Failed`, …
    pub status: String,
    /// The first failure, if any.
    pub failure: String,
    /// How long it took.
    pub duration: Duration,
}

impl Ended {
    /// Whether it did what it is for.
    pub fn is_good(&self) -> bool {
        self.status == "Success"
    }
}

impl Rig {
    /// Starts everything for the shop, or for the application of this plan, whose Regions are the sandbox's; logs go below `output`.
    /// `None` when the user wanted an end meanwhile.
    pub async fn start_unless_interrupted(
        machine: &Machine,
        own: Option<RecoveryPlan>,
        output: &Path,
    ) -> Result<Option<Self>, Error> {
        // Keys, objects, logs and reports are for the user who runs this, and so is what its processes write.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let mut plan = own.unwrap_or_else(|| sandbox::shop::plan(&machine.engine.0));
        let (documents, permissions) =
            (documents(&machine.documents)?, permissions(&machine.template, &plan)?);
        let machines = state_machines(&machine.template, &plan)?;
        let binaries = match &machine.functions {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
        };
        for name in STEPS.iter().chain(&["shop"]) {
            if !binaries.join(name).is_file() {
                let folder = binaries.display();
                return Err(format!("there is no program {name} in {folder}: run `make build`, or name their folder with --functions").into());
            }
        }
        let logs = output.join("logs");
        std::fs::create_dir_all(&logs)
            .map_err(|error| format!("can't create {}: {error}", logs.display()))?;
        let folder = Folder::create("")?;
        if let Some(rows) = machine.ranges {
            let distributed = Distributed { above_rows: 0, concurrency: 2, range_rows: Some(rows) };
            for database in plan.databases.values_mut() {
                database.reconcile.distributed = Some(distributed.clone());
            }
        }
        let needed: Vec<Engine> = plan.databases.values().map(|database| database.engine).collect();
        let databases = folder.path().join("databases");
        let parts = Parts { documents, machines, permissions, binaries, logs };
        let servers = Arc::new(RealServers::new(&databases, &needed)?);
        let assembled = tokio::select! {
            assembled = Self::assemble(machine, plan, parts, folder.path(), Arc::clone(&servers)) => assembled.map(Some),
            () = interrupted() => Ok(None),
        };
        match assembled {
            Ok(Some(rig)) => Ok(Some(Self { folder: Some(folder), ..rig })),
            ended => {
                // Some servers may run already. Their folder goes when they are gone.
                servers.shutdown().await;
                drop(folder);
                ended
            }
        }
    }

    async fn assemble(
        machine: &Machine,
        plan: RecoveryPlan,
        Parts { documents, machines, permissions, binaries, logs }: Parts,
        folder: &Path,
        servers: Arc<RealServers>,
    ) -> Result<Self, Error> {
        let objects = folder.join("s3");
        std::fs::create_dir_all(&objects)?;
        let clock = Clock::new(machine.factor);
        let listeners = Listeners::bind().await?;
        let world =
            sandbox::shop::world_of(plan.clone(), clock, Arc::clone(&servers) as _, &listeners.arc_urls)
                .await?;
        // Ports are open to everyone on this machine: only those who were told may ask.
        let secret = sandbox::random_text();
        let functions = Arc::new(Binaries::new(Settings {
            binaries: binaries.clone(),
            logs: logs.clone(),
            prefix: "causeway".into(),
            endpoint: listeners.url.clone(),
            secret: secret.clone(),
            database_authority: servers.authority(),
            timeout: Duration::from_secs(300),
        }));
        let reading = Reading { function_error_fails_step: true, ..Reading::default() };
        let sandbox = sandbox::Rig::builder(world, Arc::clone(&functions) as _, permissions)
            .runbooks(documents, reading)
            .machines(machines)
            .secret(secret.clone())
            .buckets(plan.report_buckets.values().cloned().collect())
            .build(&objects)?;
        let server = listeners.serve(&sandbox.wire);
        let (shop, folder) = (None, None);
        let rig =
            Self { sandbox, plan, servers, functions, secret, server, clock, shop, binaries, logs, folder };
        // What AWS is waited for at most is divided as what AWS takes; a limit has at least a minute.
        let divided =
            |minutes: &mut u32| *minutes = (f64::from(*minutes) / clock.factor()).ceil().max(1.0) as u32;
        rig.change_plan(|plan| {
            divided(&mut plan.limits.promotion_minutes);
            divided(&mut plan.limits.restore_minutes);
        })
        .await?;
        Ok(rig)
    }

    /// Makes the shop's tables, where the shop itself is not to run.
    pub async fn make_tables(&self) -> Result<(), Error> {
        let settings = self.shop_settings()?;
        Ok(application::make_tables(&self.sandbox.world, &self.plan, &settings).await?)
    }

    /// Starts the shop's services in both Regions, and waits until its pages are there. Without RabbitMQ on this machine, events
    /// wait in the outbox.
    pub async fn open_shop(&mut self) -> Result<Arc<Application>, Error> {
        let settings = self.shop_settings()?;
        let shop = Application::start(&self.sandbox.world, &self.plan, &settings).await?;
        let shop = Arc::clone(self.shop.insert(Arc::new(shop)));
        shop.ready(READY).await?;
        Ok(shop)
    }

    fn shop_settings(&self) -> Result<application::Settings, Error> {
        let folder = self.folder.as_ref().ok_or("the sandbox has no folder")?;
        // Beside those of the functions.
        let logs = self.logs.with_file_name("shop");
        std::fs::create_dir_all(&logs)
            .map_err(|error| format!("can't create {}: {error}", logs.display()))?;
        Ok(application::Settings {
            program: self.binaries.join("shop"),
            logs,
            folder: folder.path().join("stores"),
            endpoint: self.server.url.clone(),
            secret: self.secret.clone(),
            database_authority: self.servers.authority(),
            ttl: self.dns_ttl(),
            brokers: sandbox::stores::rabbitmq::is_installed(),
        })
    }

    /// Stops everything.
    pub async fn stop(self) {
        if let Some(shop) = &self.shop {
            shop.stop().await;
        }
        self.sandbox.world.stop();
        self.functions.shutdown().await;
        self.server.stop().await;
        self.servers.shutdown().await;
    }

    /// The endpoint of every service but ARC's.
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// The secret access key of this start.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// File of the authority that signs for the databases.
    pub fn database_authority(&self) -> PathBuf {
        self.servers.authority()
    }

    /// ARC's five endpoints.
    pub fn arc_urls(&self) -> &[String; 5] {
        &self.server.arc_urls
    }

    /// The plan, as it was at the start.
    pub fn plan(&self) -> &RecoveryPlan {
        &self.plan
    }

    /// Name of the parameter that holds the plan in each Region.
    pub fn plan_parameter(&self) -> String {
        plan::parameter(&self.plan)
    }

    /// How to connect to a database of the plan in a Region.
    pub fn database(&self, region: &str, database: &str) -> Option<Target> {
        target(&self.sandbox.world, &self.plan, region, database)
    }

    /// Where an application finds its databases.
    pub fn route(&self) -> Arc<Route> {
        Arc::new(Route { world: Arc::clone(&self.sandbox.world), plan: self.plan.clone() })
    }

    /// The simulated DNS and the shop behind it; none while it is not open.
    pub fn places(&self) -> Option<Arc<dyn Places>> {
        let shop = Arc::clone(self.shop.as_ref()?);
        Some(Arc::new(Shop(Arc::clone(&self.sandbox.world), shop)))
    }

    /// How long the shop's DNS record lives here.
    pub fn dns_ttl(&self) -> Duration {
        self.compressed(DNS_TTL)
    }

    /// A modelled duration as it passes here.
    pub fn compressed(&self, modelled: Duration) -> Duration {
        self.clock.compressed(modelled)
    }

    /// What AWS's own part of a failover takes here.
    pub fn modelled_failover(&self) -> Duration {
        self.compressed(durations::PENDING + durations::FAILING_OVER)
    }

    /// Cuts a Region off.
    pub async fn isolate(&self, region: &str) {
        self.sandbox.world.isolate(region).await;
    }

    /// Ends that.
    pub async fn rejoin(&self, region: &str) {
        self.sandbox.world.rejoin(region).await;
    }

    /// Takes the traffic of a Region that stands by: its routing control is off until a runbook turns it on.
    pub fn stand_by(&self, region: &str) {
        if let Some(control) = self.plan.routing.controls.get(region) {
            self.sandbox.world.set_routing_control(control, false);
        }
    }

    /// Has CloudWatch report this many seconds as the lag of a database's secondary, whichever that is now; `None`: what is
    /// measured.
    pub fn set_lag(&self, database: &str, seconds: Option<f64>) {
        for member in self.plan.databases.get(database).iter().flat_map(|database| database.members.values())
        {
            match seconds {
                Some(_) if self.sandbox.world.accepts_writes(&member.cluster_arn) => {}
                Some(seconds) => self.sandbox.world.set_lag(&member.cluster_arn, seconds * 1_000.0),
                None => self.sandbox.world.measure_lag(&member.cluster_arn),
            }
        }
    }

    /// What a reconcile has restored and not removed.
    pub fn leaked(&self) -> Vec<String> {
        self.sandbox.world.tagged(runbook::names::EXECUTION_TAG)
    }

    /// What was measured of the functions, a line each.
    pub fn measured(&self) -> Vec<String> {
        let line = |(name, measured): (&String, &sandbox::functions::binaries::Measured)| {
            format!(
                "{name:<26} {:>4} calls, {:>4} ms from exec to its first poll, {:>3} MiB at most",
                measured.invocations,
                measured.first_poll.as_millis(),
                measured.peak_kib / 1024
            )
        };
        self.functions.measured().iter().map(line).collect()
    }

    /// Reports the world's events and the runbooks' steps on a timeline, until the guard is dropped.
    pub fn report(&self, timeline: &Timeline) -> Reporting {
        let plan = self.plan_parameter();
        progress::report(&self.sandbox.automation, &self.sandbox.world, (&self.sandbox.wire, plan), timeline)
    }

    /// What the two Regions are like from outside, for whoever looks again and again.
    pub fn outlook(&self) -> Outlook {
        let carts = self.shop.is_some();
        Outlook { world: Arc::clone(&self.sandbox.world), plan: self.plan.clone(), carts }
    }

    /// What the runbooks do from now on, and what happens in the world.
    pub fn news(&self) -> (Receiver<automation::Event>, Receiver<sandbox::world::Event>) {
        (self.sandbox.automation.subscribe(), self.sandbox.world.subscribe())
    }

    /// Changes the recovery plan in both Regions.
    pub async fn change_plan(&self, change: impl Fn(&mut RecoveryPlan)) -> Result<(), Error> {
        plan::change(&self.sandbox.wire, &self.plan_parameter(), change).await
    }

    /// Runs a document to its end, and approves what it asks to approve; `meanwhile` is called often.
    pub async fn run(
        &self,
        region: &str,
        document: &str,
        parameters: &BTreeMap<&str, &str>,
        meanwhile: &dyn Fn(),
    ) -> Result<Ended, Error> {
        let mut given: BTreeMap<String, Vec<String>> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
        given.insert("AutomationAssumeRole".into(), vec![runbook_role(document, region)]);
        let id = self.sandbox.automation.start(region, document, given)?;
        let ended = self.sandbox.automation.wait(region, &id);
        tokio::pin!(ended);
        let execution = loop {
            tokio::select! {
                execution = &mut ended => break execution?,
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    meanwhile();
                    if self.sandbox.automation.execution(region, &id)?.status == Status::Waiting {
                        let signal = json!({"AutomationExecutionId": id, "SignalType": "Approve"});
                        self.sandbox.automation.call(region, OPERATOR, "SendAutomationSignal", signal).await?;
                    }
                }
            }
        };
        let ended = execution.ended.unwrap_or(execution.started);
        Ok(Ended {
            id: id.clone(),
            status: execution.status.name().to_owned(),
            failure: execution.failure_message.unwrap_or_default(),
            duration: Duration::try_from(execution.started.duration_until(ended)).unwrap_or_default(),
        })
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&sdk_config(Arc::clone(&self.sandbox.wire), WEST, OPERATOR))
    }

    /// The report bucket of the Region that takes over.
    fn bucket(&self) -> Result<&str, Error> {
        Ok(self.plan.report_bucket(WEST)?)
    }

    /// Keys in that bucket.
    pub async fn list_reports(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let client = self.s3();
        let mut pages =
            client.list_objects_v2().bucket(self.bucket()?).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            keys.extend(page?.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// An object of that bucket.
    pub async fn read_report(&self, key: &str) -> Result<Vec<u8>, Error> {
        let object = self.s3().get_object().bucket(self.bucket()?).key(key).send().await?;
        Ok(object.body.collect().await?.to_vec())
    }
}

/// The step functions.
const STEPS: [&str; 7] =
    ["preflight", "routing-control", "global-failover", "snapshot-restore", "reconcile", "replay", "report"];

/// Time to live of the shop's DNS record, in AWS's time.
const DNS_TTL: Duration = Duration::from_secs(30);
/// How long the shop's services may take until its pages are there.
const READY: Duration = Duration::from_secs(60);

/// The world and the shop behind the customers.
struct Shop(Arc<World>, Arc<Application>);

impl Places for Shop {
    fn resolve(&self) -> Option<String> {
        self.0.resolve(&[EAST, WEST])
    }

    fn door(&self, region: &str) -> Option<String> {
        self.1.door(region).map(str::to_owned)
    }

    fn service(&self, region: &str, name: &str) -> Option<String> {
        self.1.service(region, name).map(str::to_owned)
    }
}

/// Where an application finds its databases: by DNS, and past it.
pub struct Route {
    world: Arc<World>,
    plan: RecoveryPlan,
}

impl Route {
    /// The Region that DNS answers with.
    pub fn region(&self) -> Option<String> {
        self.world.resolve(&[EAST, WEST])
    }

    /// A database's server in a Region.
    pub fn database(&self, region: &str, database: &str) -> Option<Target> {
        target(&self.world, &self.plan, region, database)
    }
}

fn target(world: &World, plan: &RecoveryPlan, region: &str, name: &str) -> Option<Target> {
    let database = plan.databases.get(name)?;
    let member = database.members.get(region)?;
    let address = world.cluster_address(&member.cluster_arn)?;
    let runbook::secret::SignIn::Secret(secret) = &member.sign_in else { return None };
    let secret: runbook::secret::Credentials = serde_json::from_str(&world.secret(region, secret)?).ok()?;
    Some(Target {
        engine: match database.engine {
            Engine::AuroraMysql => table_diff::Engine::MySql,
            Engine::AuroraPostgresql => table_diff::Engine::Postgres,
        },
        host: address.host,
        port: address.port,
        user: secret.username,
        password: secret.password.expose().to_owned(),
        database: database.database.clone(),
        tls: Tls::Disabled,
    })
}

/// Every document of a folder, under the name it is deployed with.
fn documents(folder: &Path) -> Result<Vec<(String, Document)>, Error> {
    let files = std::fs::read_dir(folder).map_err(|error| {
        format!(
            "can't read the documents in {}: {error}; name their folder with --documents",
            folder.display()
        )
    })?;
    let mut documents = Vec::new();
    for file in files {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(plain) = name.strip_suffix(".yaml") {
            documents.push((
                format!("causeway-{plain}"),
                Document::parse(&name, &std::fs::read_to_string(&path)?)?,
            ));
        }
    }
    if documents.is_empty() {
        return Err(format!(
            "there is no document in {}; name their folder with --documents",
            folder.display()
        )
        .into());
    }
    Ok(documents)
}

/// What functions and runbooks may do, by the roles in the template.
fn permissions(template: &Path, plan: &RecoveryPlan) -> Result<Arc<Permissions>, Error> {
    let name = template.display();
    let text = std::fs::read_to_string(template)
        .map_err(|error| format!("can't read {name}: {error}; name the SAM template with --template"))?;
    let permissions = Permissions::read(&text, plan);
    Ok(permissions.map_err(|error| format!("{name}: {error}"))?)
}

/// The state machines of the template, whose definitions are named from its folder on.
fn state_machines(template: &Path, plan: &RecoveryPlan) -> Result<Vec<StateMachine>, Error> {
    let name = template.display();
    let text = std::fs::read_to_string(template).map_err(|error| format!("can't read {name}: {error}"))?;
    let folder = template.parent().unwrap_or(Path::new(""));
    let read = |file: &str| {
        let path = folder.join(file);
        std::fs::read_to_string(&path).map_err(|error| format!("can't read {}: {error}", path.display()))
    };
    let machines = sandbox::machines::machines(&text, plan, read);
    Ok(machines.map_err(|error| format!("{name}: {error}"))?)
}
