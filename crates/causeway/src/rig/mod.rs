//! A whole sandbox in this process: the world with MariaDB servers, the runbooks, the step functions' binaries, all
//! behind one endpoint.
//!
//! [`Rig::stop`] ends every process and removes every file but the output folder; a drop does the same less gently.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use runbook::RecoveryPlan;
use sandbox::account::OPERATOR;
use sandbox::account::runbook_role;
use sandbox::automation::{Automation, Document, Event, EventKind, Reading, Status};
use sandbox::clock::Clock;
use sandbox::databases::mariadb::MariaDb;
use sandbox::folder::Folder;
use sandbox::functions::binaries::Binaries;
use sandbox::functions::binaries::Settings;
use sandbox::permissions::Permissions;
use sandbox::router::Router;
use sandbox::wire::Wire;
use sandbox::wire::connector::sdk_config;
use sandbox::wire::server::{Listeners, Server};
use sandbox::world::{World, durations};
use sandbox::{EAST, REGIONS, WEST};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::drill::shop::{Login, Places};
use crate::timeline::{Timeline, spoken};
use crate::{Error, Machine};

/// The parameter that holds the shop's plan.
pub const PLAN: &str = "/causeway/plans/shop";

/// A running sandbox.
pub struct Rig {
    world: Arc<World>,
    automation: Arc<Automation>,
    servers: Arc<MariaDb>,
    functions: Arc<Binaries>,
    wire: Arc<Wire>,
    secret: String,
    server: Server,
    clock: Clock,
    // Last, so that it goes when nothing uses it any more.
    _folder: Option<Folder>,
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

/// Comes back when the user wants an end: Ctrl-C, a termination signal, a closed terminal, or nobody who reads the output.
pub async fn interrupted() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = received(SignalKind::terminate()) => {}
        () = received(SignalKind::hangup()), if !hangups_are_ignored() => {}
        () = crate::timeline::unread() => {}
    }
}

/// Comes back when this signal has come.
async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without the handler the signal ends the process at once; nothing to wait for.
        Err(_) => std::future::pending().await,
    }
}

/// Whether the process was started to outlive its terminal, as `nohup` does it.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

impl Rig {
    /// Starts everything; logs go below `output`. `None` when the user wanted an end meanwhile.
    pub async fn start_unless_interrupted(machine: &Machine, output: &Path) -> Result<Option<Self>, Error> {
        // Keys, objects, logs and reports are for the user who runs this, and so is what its processes write.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let documents = documents(&machine.documents)?;
        let permissions = permissions(&machine.template)?;
        let binaries = match &machine.functions {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
        };
        for name in STEPS {
            if !binaries.join(name).is_file() {
                let folder = binaries.display();
                return Err(format!("there is no step function {name} in {folder}: run `make build`, or name their folder with --functions").into());
            }
        }
        let logs = output.join("logs");
        std::fs::create_dir_all(&logs)
            .map_err(|error| format!("can't create {}: {error}", logs.display()))?;
        let folder = Folder::create("")?;
        let servers = Arc::new(MariaDb::new(folder.path().join("databases"))?);
        let assembled = tokio::select! {
            assembled = Self::assemble(machine, documents, permissions, binaries, logs, folder.path(), Arc::clone(&servers)) => assembled.map(Some),
            () = interrupted() => Ok(None),
        };
        match assembled {
            Ok(Some(rig)) => Ok(Some(Self { _folder: Some(folder), ..rig })),
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
        documents: Vec<(String, Document)>,
        permissions: Arc<Permissions>,
        binaries: PathBuf,
        logs: PathBuf,
        folder: &Path,
        servers: Arc<MariaDb>,
    ) -> Result<Self, Error> {
        let objects = folder.join("s3");
        std::fs::create_dir_all(&objects)?;
        let clock = Clock::new(machine.factor);
        let listeners = Listeners::bind().await?;
        let world = sandbox::shop::world(clock, Arc::clone(&servers) as _, &listeners.arc_urls).await?;
        // Ports are open to everyone on this machine: only those who were told may ask.
        let secret = sandbox::random_text();
        let functions = Arc::new(Binaries::new(Settings {
            binaries,
            logs,
            prefix: "causeway".into(),
            endpoint: listeners.url.clone(),
            secret: secret.clone(),
            database_authority: servers.authority(),
            timeout: Duration::from_secs(300),
        }));
        let reading = Reading { function_error_fails_step: true, ..Reading::default() };
        let invoked = permissions.guard_functions(Arc::clone(&functions) as _);
        let automation = Arc::new(sandbox::runbooks(clock, invoked, reading, documents));
        let router = Router::new(Arc::clone(&world), Arc::clone(&automation), Arc::clone(&functions) as _);
        let api = permissions.guard(Arc::clone(&world), Arc::new(router));
        automation.set_api(Arc::clone(&api));
        let wire = Arc::new(Wire::with_secret(api, &objects, secret.clone())?);
        for region in REGIONS {
            wire.create_bucket(&bucket(region))?;
        }
        let server = listeners.serve(&wire);
        let rig = Self { world, automation, servers, functions, wire, secret, server, clock, _folder: None };
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

    /// Stops everything.
    pub async fn stop(self) {
        self.world.stop();
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

    /// How to connect to the shop's database in a Region.
    pub fn database(&self, region: &str, database: &str) -> Option<Login> {
        login(&self.world, region, database)
    }

    /// The simulated DNS and the databases behind it.
    pub fn places(&self) -> Arc<dyn Places> {
        Arc::new(Shop(Arc::clone(&self.world)))
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
        self.world.isolate(region).await;
    }

    /// Ends that.
    pub async fn rejoin(&self, region: &str) {
        self.world.rejoin(region).await;
    }

    /// Has CloudWatch tell this many seconds as the lag of a database's secondary, whichever that is now; `None`: what is
    /// measured.
    pub fn set_lag(&self, database: &str, seconds: Option<f64>) {
        let plan = runbook::plan::sample();
        for member in plan.databases.get(database).iter().flat_map(|database| database.members.values()) {
            match seconds {
                Some(_) if self.world.accepts_writes(&member.cluster_arn) => {}
                Some(seconds) => self.world.set_lag(&member.cluster_arn, seconds * 1_000.0),
                None => self.world.measure_lag(&member.cluster_arn),
            }
        }
    }

    /// What a reconcile has restored and not removed.
    pub fn leaked(&self) -> Vec<String> {
        self.world.tagged(runbook::names::EXECUTION_TAG)
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

    /// Tells the world's events and the runbooks' steps on a timeline, until the guard is dropped.
    pub fn tell(&self, timeline: &Timeline) -> Telling {
        let (mut steps, mut events) = (self.automation.subscribe(), self.world.subscribe());
        let (of_steps, of_world) = (timeline.clone(), timeline.clone());
        let wire = Arc::clone(&self.wire);
        let telling_steps = tokio::spawn(async move {
            let mut started = BTreeMap::new();
            let mut looks = tokio::time::interval(Duration::from_secs(1));
            loop {
                tokio::select! {
                    // A listener that falls behind has lost some lines and goes on.
                    event = next(&mut steps) => match event {
                        Some(event) => tell_step(&of_steps, &event, &mut started),
                        None => return,
                    },
                    _ = looks.tick() => tell_waits(&of_steps, &wire, &mut started).await,
                }
            }
        });
        let telling_world = tokio::spawn(async move {
            while let Some(event) = next(&mut events).await {
                of_world.line(&event.region, &event.text);
            }
        });
        Telling(telling_steps, telling_world)
    }

    /// Runs a document to its end, and approves what it asks to approve; `meanwhile` is called often.
    pub async fn run(
        &self,
        region: &str,
        document: &str,
        parameters: &BTreeMap<&str, &str>,
        meanwhile: impl Fn(),
    ) -> Result<Ended, Error> {
        let mut given: BTreeMap<String, Vec<String>> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
        given.insert("AutomationAssumeRole".into(), vec![runbook_role(document, region)]);
        let id = self.automation.start(region, document, given)?;
        let ended = self.automation.wait(region, &id);
        tokio::pin!(ended);
        let execution = loop {
            tokio::select! {
                execution = &mut ended => break execution?,
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    meanwhile();
                    if self.automation.execution(region, &id)?.status == Status::Waiting {
                        let signal = json!({"AutomationExecutionId": id, "SignalType": "Approve"});
                        self.automation.call(region, OPERATOR, "SendAutomationSignal", signal).await?;
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
        aws_sdk_s3::Client::new(&sdk_config(Arc::clone(&self.wire), WEST, OPERATOR))
    }

    /// Changes the recovery plan in both Regions.
    pub async fn change_plan(&self, change: impl Fn(&mut RecoveryPlan)) -> Result<(), Error> {
        for region in REGIONS {
            let ssm = aws_sdk_ssm::Client::new(&sdk_config(Arc::clone(&self.wire), region, OPERATOR));
            let mut plan = plan_of(&ssm).await?;
            change(&mut plan);
            ssm.put_parameter()
                .name(PLAN)
                .value(serde_json::to_string(&plan)?)
                .overwrite(true)
                .send()
                .await?;
        }
        Ok(())
    }

    /// Keys in the report bucket of the Region that took over.
    pub async fn list_reports(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let client = self.s3();
        let mut pages = client.list_objects_v2().bucket(bucket(WEST)).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            keys.extend(page?.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// An object of that bucket.
    pub async fn read_report(&self, key: &str) -> Result<Vec<u8>, Error> {
        let object = self.s3().get_object().bucket(bucket(WEST)).key(key).send().await?;
        Ok(object.body.collect().await?.to_vec())
    }

    /// Copies an execution's reports to a folder; returns the path of the page.
    pub async fn fetch_reports(&self, execution: &str, folder: &Path) -> Result<PathBuf, Error> {
        let prefix = runbook::names::keys::reports("shop", execution);
        let mut page = folder.to_owned();
        for key in self.list_reports(&prefix).await? {
            let path = folder.join(key.strip_prefix(&prefix).unwrap_or(&key));
            crate::files::write(&path, &self.read_report(&key).await?)?;
            if path.extension().is_some_and(|extension| extension == "html") {
                page = path;
            }
        }
        Ok(page)
    }
}

/// The step functions.
const STEPS: [&str; 7] =
    ["preflight", "routing-control", "global-failover", "snapshot-restore", "reconcile", "replay", "report"];

/// The world behind the shop's clients.
struct Shop(Arc<World>);

impl Places for Shop {
    fn resolve(&self) -> Option<String> {
        self.0.resolve(&[EAST, WEST])
    }

    fn database(&self, region: &str, database: &str) -> Option<Login> {
        login(&self.0, region, database)
    }
}

fn login(world: &World, region: &str, database: &str) -> Option<Login> {
    let plan = runbook::plan::sample();
    let member = plan.databases.get(database)?.members.get(region)?;
    let address = world.cluster_address(&member.cluster_arn)?;
    let secret: runbook::secret::Credentials =
        serde_json::from_str(&world.secret(region, member.secret.as_deref()?)?).ok()?;
    Some(Login {
        host: address.host,
        port: address.port,
        user: secret.username,
        password: secret.password.expose().to_owned(),
    })
}

fn bucket(region: &str) -> String {
    runbook::plan::sample().report_bucket(region).to_owned()
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
fn permissions(template: &Path) -> Result<Arc<Permissions>, Error> {
    let name = template.display();
    let text = std::fs::read_to_string(template)
        .map_err(|error| format!("can't read {name}: {error}; name the SAM template with --template"))?;
    let permissions = Permissions::read(&text, &runbook::plan::sample());
    Ok(permissions.map_err(|error| format!("{name}: {error}"))?)
}

/// Tells until it is dropped.
pub struct Telling(tokio::task::JoinHandle<()>, tokio::task::JoinHandle<()>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
        self.1.abort();
    }
}

/// The next event; `None` when there will be none.
async fn next<T: Clone>(events: &mut tokio::sync::broadcast::Receiver<T>) -> Option<T> {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match events.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

/// The recovery plan as this client's Region has it.
async fn plan_of(ssm: &aws_sdk_ssm::Client) -> Result<RecoveryPlan, Error> {
    let parameter = ssm.get_parameter().name(PLAN).send().await?;
    let text = parameter.parameter().and_then(|parameter| parameter.value()).unwrap_or_default();
    Ok(RecoveryPlan::parse(text, PLAN)?)
}

/// The start of each step that runs, by execution and step, and whether its wait is told.
type Started = BTreeMap<(String, String), (Event, bool)>;

/// How long a step that waits for AWS runs before that is told.
const WAITS: SignedDuration = SignedDuration::from_secs(10);

/// Says what the steps that run for a while wait for, and until when. The steps look again and again, in further steps; the
/// limits count from the first.
async fn tell_waits(timeline: &Timeline, wire: &Arc<Wire>, started: &mut Started) {
    let long = |event: &Event| jiff::Timestamp::now().duration_since(event.at) > WAITS;
    for ((_, step), (event, told)) in started {
        if *told || !["promote", "restore"].contains(&step.as_str()) || !long(event) {
            continue;
        }
        *told = true;
        // Not readable while the Region is cut off: then nothing runs there either.
        let ssm = aws_sdk_ssm::Client::new(&sdk_config(Arc::clone(wire), &event.region, OPERATOR));
        let Ok(RecoveryPlan { limits, .. }) = plan_of(&ssm).await else { continue };
        let region = &event.region;
        let (what, minutes, limit) = match step.as_str() {
            "promote" => (
                format!("every database to have its writer in {region}"),
                limits.promotion_minutes,
                "promotionMinutes",
            ),
            _ => (
                "Aurora's snapshots of the old primaries, and for what is restored from them".to_owned(),
                limits.restore_minutes,
                "restoreMinutes",
            ),
        };
        let until = (event.at + SignedDuration::from_mins(minutes.into())).strftime("%H:%M:%S UTC");
        let line = format!("{step:<25} waits for {what}, until {until} at most (limits.{limit}: {minutes})");
        timeline.line(event.document.trim_start_matches("causeway-"), &line);
    }
}

/// A line for what matters to a person: functions, approvals and the end; branches and sleeps are left out.
fn tell_step(timeline: &Timeline, event: &Event, started: &mut Started) {
    let document = event.document.trim_start_matches("causeway-");
    match (&event.step, &event.kind) {
        (Some(step), EventKind::StepStarted) => {
            started.insert((event.execution.clone(), step.clone()), (event.clone(), false));
        }
        (Some(step), EventKind::StepEnded(status, detail)) => {
            let begun = started.remove(&(event.execution.clone(), step.clone()));
            if ["aws:branch", "aws:sleep"].contains(&event.action) && *status == Status::Success {
                return;
            }
            let took = begun
                .and_then(|(start, _)| Duration::try_from(start.at.duration_until(event.at)).ok())
                .unwrap_or_default();
            let status =
                if *status == Status::Success { String::new() } else { format!("{} ", status.name()) };
            timeline.line(document, &format!("{step:<16} {:>7}  {status}{detail}", spoken(took)));
        }
        (None, EventKind::ExecutionEnded(status)) => {
            timeline.line(document, &format!("ended: {}", status.name()));
        }
        _ => {}
    }
}
