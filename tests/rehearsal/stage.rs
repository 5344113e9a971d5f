//! Puts world, wire, handlers and runbooks together, runs a runbook, and says what state it left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use runbook::names::{EXECUTION_TAG, PLAN_TAG, TAKEOVER_TAG, keys};
use runbook::record::{FailoverRecord, MoveOutcome, SwitchoverRecord};
use sandbox::account::OPERATOR;
use sandbox::account::runbook_role;
use sandbox::api::Call;
use sandbox::automation::{Automation, Document, Execution, Reading, Status};
use sandbox::clock::Clock;
use sandbox::databases::Servers;
use sandbox::eventbridge::{EventBridge, Rules};
use sandbox::functions::{Functions, Invocation};
use sandbox::permissions::Permissions;
use sandbox::shop::bucket;
use sandbox::states::Machine;
use sandbox::wire::connector::sdk_config;
use sandbox::world::{Message, World};
use sandbox::{EAST, REGIONS, Rig, WEST};
use serde_json::Value;

use crate::campaign::fleet::Fleet;
use crate::campaign::storm::{Storm, Stormy};
use crate::faults::{Called, Fault, Faults, Faulty};
use crate::handlers::Handlers;
use crate::servers::FailingServers;

/// What AWS's own durations are divided by, so that steps have to wait in more than one invocation. Time is paused: a
/// factor only saves looks at the world.
pub const SLOW: f64 = 1.5;
/// The same, with few such waits.
pub const BRISK: f64 = 20.0;
/// The same, so that a rehearsal is short.
pub const FAST: f64 = 300.0;

/// When the nights of a campaign begin.
const EVENING: &str = "2026-01-15T22:00:00Z";

/// Who approves.
pub const APPROVER: &str = "arn:aws:iam::000000000000:user/SANDBOX";

/// A world with two Regions, and the runbooks to start in it.
pub struct Stage {
    pub world: Arc<World>,
    pub automation: Arc<Automation>,
    pub faults: Arc<Faults>,
    pub permissions: Arc<Permissions>,
    pub servers: Arc<FailingServers>,
    clock: Clock,
    handlers: Arc<Handlers>,
    /// Id of the last reconciliation.
    reconciled: Mutex<String>,
    rig: Rig,
    /// Where the objects of S3 are.
    pub objects: tempfile::TempDir,
}

/// What a runbook leaves behind, without what differs between two executions that did the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The Region of each global cluster's writer.
    pub writers: BTreeMap<String, String>,
    /// Regions that clients are sent to.
    pub traffic: BTreeSet<String>,
    /// Kept snapshots of old primaries.
    pub kept: usize,
    /// What carries an execution's tag.
    pub leaked: Vec<String>,
    /// Outcome and Regions of the last failover.
    pub last_failover: Option<(MoveOutcome, String, String)>,
}

impl Stage {
    /// The shop, with its primary in the east.
    pub async fn new(reading: Reading, factor: f64) -> Self {
        Self::with_roles(reading, factor, roles().anew()).await
    }

    /// The same, with other roles than the template's.
    pub async fn with_roles(reading: Reading, factor: f64, permissions: Arc<Permissions>) -> Self {
        Self::of(reading, factor, permissions, None).await
    }

    /// The same for a night of a campaign, with its own databases.
    pub async fn at_night(reading: Reading, factor: f64, fleet: Arc<Fleet>, storm: Arc<Storm>) -> Self {
        Self::of(reading, factor, roles().anew(), Some((fleet, storm))).await
    }

    async fn of(
        reading: Reading,
        factor: f64,
        permissions: Arc<Permissions>,
        night: Option<(Arc<Fleet>, Arc<Storm>)>,
    ) -> Self {
        let clock = match &night {
            Some(_) => Clock::starting_at(EVENING.parse().unwrap(), factor),
            None => Clock::new(factor),
        };
        let servers = Arc::new(FailingServers::default());
        let arc_urls = [1, 2, 3, 4, 5].map(|number| format!("http://arc-{number}.sandbox"));
        let behind: Arc<dyn Servers> = match &night {
            Some((fleet, _)) => Arc::clone(fleet) as _,
            None => Arc::clone(&servers) as _,
        };
        let world = sandbox::shop::world(clock, behind, &arc_urls).await.unwrap();
        let faults = Faults::none();
        let handlers = Arc::new(Handlers {
            world: Arc::clone(&world),
            clock,
            permissions: Arc::clone(&permissions),
            wire: OnceLock::new(),
            faults: Arc::clone(&faults),
            rows: Mutex::default(),
            other_tables: Mutex::default(),
            night: night.clone(),
        });
        let objects = tempfile::tempdir().unwrap();
        let meeting = Arc::clone(&faults);
        let rig = Rig::builder(Arc::clone(&world), Arc::clone(&handlers) as _, Arc::clone(&permissions))
            .runbooks(documents().to_vec(), reading)
            .machines(machines().to_vec())
            .decorated(|api| match night {
                Some((_, storm)) => Arc::new(Stormy { api, storm }),
                None => Arc::new(Faulty { api, faults: meeting }),
            })
            .build(objects.path())
            .unwrap();
        assert!(handlers.wire.set(Arc::clone(&rig.wire)).is_ok());
        let automation = Arc::clone(&rig.automation);
        let reconciled = Mutex::default();
        Self { world, automation, faults, permissions, servers, clock, handlers, reconciled, rig, objects }
    }

    /// Lets what the template lets start by itself start by itself.
    pub fn follow_events(&self) -> Arc<EventBridge> {
        self.follow_events_by(rules().clone())
    }

    /// The same, by other rules than the template's.
    pub fn follow_events_by(&self, rules: Rules) -> Arc<EventBridge> {
        EventBridge::follow(rules, &self.world, &self.automation, &self.permissions)
    }

    /// The alarms in the west say that the east is ill.
    pub fn alarm(&self) {
        for alarm in ["shop-east-canary", "shop-east-errors"] {
            self.world.set_alarm(WEST, alarm, "ALARM");
        }
    }

    /// Waits until events have started so many executions, and answers their ids.
    pub async fn started(&self, bridge: &EventBridge, number: usize) -> Vec<String> {
        while bridge.started().len() < number {
            assert!(bridge.failures().is_empty(), "{:?}", bridge.failures());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bridge.started().into_iter().map(|(_, id)| id).collect()
    }

    /// Runs `failover.yaml` from the east, which is cut off, to the west.
    pub async fn fail_over(&self) -> Execution {
        self.run("causeway-failover", &[("ImpairedRegion", EAST)]).await
    }

    /// Runs `reconcile.yaml` in the west.
    pub async fn reconcile(&self) -> Execution {
        let execution = self.run("causeway-reconcile", &[]).await;
        self.reconciled.lock().unwrap().clone_from(&execution.id);
        execution
    }

    /// Runs `replay.yaml` in the west on what was reconciled last, approved.
    pub async fn replay(&self) -> Execution {
        let id = self.start_replay();
        self.approved(&id).await
    }

    /// Starts `replay.yaml` on what was reconciled last.
    pub fn start_replay(&self) -> String {
        let reconciled = self.reconciled();
        self.start("causeway-replay", &[("ReconcileExecution", &reconciled), ("Approvers", APPROVER)])
    }

    /// Id of the last reconciliation.
    pub fn reconciled(&self) -> String {
        self.reconciled.lock().unwrap().clone()
    }

    /// The rows that a replay puts back: by database and number, each status that was inserted.
    pub fn rows(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, u64), Vec<String>>> {
        self.handlers.rows.lock().unwrap()
    }

    /// Which tables the user of the databases sees beside the one that is compared.
    pub fn show_tables(&self, names: &[&str]) {
        *self.handlers.other_tables.lock().unwrap() = names.iter().map(|&name| name.to_owned()).collect();
    }

    /// Runs `failback.yaml` in a Region: there, everything moves. Approved, if it asks.
    pub async fn switch_over(&self, to: &str) -> Execution {
        let id = self.start_in(to, "causeway-failback", &[("Approvers", APPROVER)]);
        self.answered_in(to, &id, "Approve").await
    }

    /// Starts a runbook in the west.
    pub fn start(&self, document: &str, parameters: &[(&str, &str)]) -> String {
        self.start_in(WEST, document, parameters)
    }

    /// Starts a runbook in a Region.
    pub fn start_in(&self, region: &str, document: &str, parameters: &[(&str, &str)]) -> String {
        let role = runbook_role(document, region);
        let given = [("Plan", "/causeway/plans/shop"), ("AutomationAssumeRole", &role)];
        let given =
            given.iter().chain(parameters).map(|(name, value)| ((*name).into(), vec![(*value).into()]));
        self.automation.start(region, document, given.collect()).unwrap()
    }

    /// Runs a runbook in a Region.
    pub async fn run_in(&self, region: &str, document: &str, parameters: &[(&str, &str)]) -> Execution {
        let id = self.start_in(region, document, parameters);
        self.ended_in(region, &id).await
    }

    async fn run(&self, document: &str, parameters: &[(&str, &str)]) -> Execution {
        let id = self.start(document, parameters);
        self.ended(&id).await
    }

    /// Waits for an execution's end.
    pub async fn ended(&self, id: &str) -> Execution {
        self.ended_in(WEST, id).await
    }

    /// Waits for the end of an execution in a Region.
    pub async fn ended_in(&self, region: &str, id: &str) -> Execution {
        let execution = self.automation.wait(region, id).await.unwrap();
        crate::states::assert_listed(&self.world);
        crate::ends::assert_agrees(&execution);
        execution
    }

    /// Waits for an execution's end, and approves it if it asks.
    pub async fn approved(&self, id: &str) -> Execution {
        self.answered(id, "Approve").await
    }

    /// Waits for an execution's end, and answers so if it asks.
    pub async fn answered(&self, id: &str, signal: &str) -> Execution {
        self.answered_in(WEST, id, signal).await
    }

    /// The same in a Region.
    pub async fn answered_in(&self, region: &str, id: &str, signal: &str) -> Execution {
        tokio::select! {
            execution = self.ended_in(region, id) => execution,
            execution = async {
                self.signal(region, id, signal).await;
                self.ended_in(region, id).await
            } => execution,
        }
    }

    /// Waits until an execution asks for an approval, and gives it.
    pub async fn approve(&self, id: &str) {
        self.signal(WEST, id, "Approve").await;
    }

    /// Waits until an execution asks for an approval, and says no.
    pub async fn reject(&self, id: &str) {
        self.signal(WEST, id, "Reject").await;
    }

    async fn signal(&self, region: &str, id: &str, signal: &str) {
        while self.automation.execution(region, id).unwrap().status != Status::Waiting {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let signal = serde_json::json!({"AutomationExecutionId": id, "SignalType": signal});
        self.automation.call(region, OPERATOR, "SendAutomationSignal", signal).await.unwrap();
    }

    /// The time of the world.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Waits until every operation of a global cluster and of the recovery of a Region is over.
    pub async fn settle(&self) {
        self.clock.sleep(Duration::from_secs(3_600)).await;
    }

    /// Ends an execution on its way: cancelled, or killed as if it had never been.
    pub async fn end_early(&self, execution: &str, cancel: bool) {
        self.end_early_in(WEST, execution, cancel).await;
    }

    /// The same in a Region.
    pub async fn end_early_in(&self, region: &str, execution: &str, cancel: bool) {
        if cancel {
            self.automation.cancel(region, execution).unwrap();
            self.ended_in(region, execution).await;
        } else {
            self.automation.close();
            self.automation.set_api(Arc::clone(&self.rig.api));
        }
    }

    /// How many events happen while something runs.
    pub async fn events_of<T>(&self, run: impl Future<Output = T>) -> usize {
        let mut happened = self.automation.subscribe();
        run.await;
        let events = happened.len();
        // None was dropped before it could be counted.
        assert!(happened.recv().await.is_ok());
        events
    }

    /// Starts a runbook in a Region, and ends it early at one of its events, counted from 0.
    pub async fn end_at(
        &self,
        (at, cancel): (usize, bool),
        region: &str,
        document: &str,
        parameters: &[(&str, &str)],
    ) {
        let mut happened = self.automation.subscribe();
        let id = self.start_in(region, document, parameters);
        for _ in 0..=at {
            happened.recv().await.unwrap();
        }
        self.end_early_in(region, &id, cancel).await;
    }

    /// Calls a function by hand.
    pub async fn invoke(&self, region: &str, function: &str, event: Value) -> Invocation {
        self.handlers.invoke("by hand", region, function, event).await.unwrap()
    }

    /// Asks the world as the operator.
    pub async fn ask(&self, service: &str, operation: &str, input: Value) -> Value {
        self.ask_in(WEST, service, operation, input).await
    }

    /// Asks the world as the operator, in a Region.
    pub async fn ask_in(&self, region: &str, service: &str, operation: &str, input: Value) -> Value {
        let [principal, region, service, operation] =
            [OPERATOR, region, service, operation].map(str::to_owned);
        self.rig.api.call(Call { principal, region, service, operation, input }).await.unwrap()
    }

    /// Changes the recovery plan in both Regions.
    pub async fn change_plan(&self, change: impl Fn(&mut Value)) {
        for region in REGIONS {
            self.change_plan_in(region, &change).await;
        }
    }

    /// Changes the recovery plan in one Region.
    pub async fn change_plan_in(&self, region: &str, change: impl Fn(&mut Value)) {
        let name = serde_json::json!({"Name": "/causeway/plans/shop"});
        let parameter = self.ask_in(region, "ssm", "GetParameter", name).await;
        let text = parameter["Parameter"]["Value"].as_str().unwrap();
        let mut plan: Value = serde_json::from_str(text).unwrap();
        change(&mut plan);
        let input =
            serde_json::json!({"Name": "/causeway/plans/shop", "Value": plan.to_string(), "Overwrite": true});
        self.ask_in(region, "ssm", "PutParameter", input).await;
    }

    /// The messages since the first `known` ones.
    pub fn messages(&self, known: usize) -> Vec<Message> {
        self.world.messages().split_off(known)
    }

    /// What is there now.
    pub async fn state(&self) -> State {
        let rds = aws_sdk_rds::Client::new(&self.operator());
        let globals = rds.describe_global_clusters().send().await.unwrap();
        let writer = |global: &aws_sdk_rds::types::GlobalCluster| {
            let members = global.global_cluster_members();
            let writer = members.iter().find(|member| member.is_writer() == Some(true)).unwrap();
            let region = writer.db_cluster_arn().unwrap().split(':').nth(3).unwrap().to_owned();
            (global.global_cluster_identifier().unwrap().to_owned(), region)
        };
        let last = self.last_failover().await;
        let resolves = |region: &&str| self.world.resolve(&[region]).is_some();
        State {
            writers: globals.global_clusters().iter().map(writer).collect(),
            traffic: REGIONS.iter().filter(|region| resolves(region)).map(|&region| region.into()).collect(),
            // A failover that was started again has kept the states at the takeover again.
            kept: self.world.tagged(PLAN_TAG).len() - self.world.tagged(TAKEOVER_TAG).len(),
            leaked: self.world.tagged(EXECUTION_TAG),
            last_failover: last.map(|last| (last.outcome, last.from_region, last.to_region)),
        }
    }

    /// The last failover, as the west's bucket knows it.
    pub async fn last_failover(&self) -> Option<FailoverRecord> {
        let bytes = self.object(&keys::last_failover("shop")).await?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    /// The last switchover, as each Region's bucket knows it.
    pub async fn switchovers(&self) -> [Option<SwitchoverRecord>; 2] {
        let key = keys::last_switchover("shop");
        let [east, west] = REGIONS.map(|region| self.object_in(region, &key));
        let read = |bytes: Option<Vec<u8>>| bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap());
        [read(east.await), read(west.await)]
    }

    /// Names of the files that an execution left in the report bucket.
    pub async fn reports(&self, execution: &str) -> BTreeSet<String> {
        self.reports_in(WEST, execution).await
    }

    /// Names of the files that an execution left in a Region's report bucket.
    pub async fn reports_in(&self, region: &str, execution: &str) -> BTreeSet<String> {
        let prefix = keys::reports("shop", execution);
        let listed = self.s3().list_objects_v2().bucket(bucket(region)).prefix(&prefix).send().await.unwrap();
        let name = |object: &aws_sdk_s3::types::Object| object.key().unwrap()[prefix.len()..].to_owned();
        listed.contents().iter().map(name).collect()
    }

    /// A file that an execution left there.
    pub async fn report(&self, execution: &str, name: &str) -> Value {
        self.report_in(WEST, execution, name).await
    }

    /// A file that an execution left in a Region's report bucket.
    pub async fn report_in(&self, region: &str, execution: &str, name: &str) -> Value {
        let key = keys::reports("shop", execution) + name;
        serde_json::from_slice(&self.object_in(region, &key).await.unwrap()).unwrap()
    }

    async fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.object_in(WEST, key).await
    }

    /// An object of a Region's report bucket.
    pub async fn object_in(&self, region: &str, key: &str) -> Option<Vec<u8>> {
        let object = self.s3().get_object().bucket(bucket(region)).key(key).send().await.ok()?;
        Some(object.body.collect().await.unwrap().to_vec())
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.operator())
    }

    /// Looks at the world as the operator, whom no fault meets.
    fn operator(&self) -> SdkConfig {
        self.operator_in(WEST)
    }

    /// The same in a Region.
    pub fn operator_in(&self, region: &str) -> SdkConfig {
        sdk_config(Arc::clone(&self.rig.wire), region, OPERATOR)
    }
}

/// The roles of the template, which is read once.
fn roles() -> &'static Permissions {
    static ROLES: OnceLock<Arc<Permissions>> = OnceLock::new();
    ROLES.get_or_init(|| Permissions::read(&template(), &runbook::plan::sample()).unwrap())
}

/// The rules of the template, which are read once.
fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| Rules::read(&template(), &runbook::plan::sample()).unwrap())
}

/// The state machines of the template, which are read once.
fn machines() -> &'static [Machine] {
    static MACHINES: OnceLock<Vec<Machine>> = OnceLock::new();
    MACHINES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |file: &str| std::fs::read_to_string(root.join(file)).map_err(|error| error.to_string());
        sandbox::machines::machines(&template(), &runbook::plan::sample(), read).unwrap()
    })
}

/// The text of the template.
pub fn template() -> String {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    std::fs::read_to_string(template).unwrap()
}

/// The runbooks, by the names that they are deployed under; read once.
pub fn documents() -> &'static [(String, Document)] {
    static DOCUMENTS: OnceLock<Vec<(String, Document)>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ssm-documents");
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            (format!("causeway-{name}"), Document::parse(name, &text).unwrap())
        };
        std::fs::read_dir(folder).unwrap().map(read).collect()
    })
}

/// Every way to end an execution early that has so many events: at which, whether it is cancelled or killed, and that in
/// words.
pub fn early_ends(events: usize) -> impl Iterator<Item = (usize, bool, String)> {
    let ways = [(false, "killed"), (true, "cancelled")];
    let all = ways.into_iter().flat_map(move |way| (0..events).map(move |at| (at, way)));
    all.map(|(at, (cancel, word))| (at, cancel, format!("event {at}, {word}")))
}

/// What failed, for a message: also a function whose error did not fail its step.
pub fn told(execution: &Execution) -> String {
    let steps = execution.steps.iter().map(|step| {
        let failure = step.failure_message.as_deref().unwrap_or("");
        let error = step.outputs.get("FunctionError").and(step.outputs.get("Payload"));
        format!("  {} {} {failure}{}", step.name, step.status.name(), error.unwrap_or(&Value::Null))
    });
    format!("{:?}\n{}", execution.failure_message, steps.collect::<Vec<_>>().join("\n"))
}

/// Every fault to try on a runbook, and the factor to try it at: killed at the first and the last call of each kind, the
/// other faults at the first, and the answer of each invocation lost, also of those that only wait.
pub async fn faults(
    stage: impl AsyncFn(Reading, f64) -> Stage,
    runbook: impl AsyncFn(&Stage) -> Execution,
    waiting: f64,
) -> Vec<(Fault, f64)> {
    let undisturbed = async |factor| {
        let stage = stage(Reading::ALL[0], factor).await;
        stage.faults.set(Fault::Nothing);
        assert_eq!(runbook(&stage).await.status, Status::Success);
        stage
    };
    let (fast, slow) = (undisturbed(FAST).await, undisturbed(waiting).await);
    // What takes its time by itself waits at any factor.
    assert!(waiting == FAST || slow.faults.invocations() > fast.faults.invocations());
    let mut ends: BTreeMap<Called, (usize, usize)> = BTreeMap::new();
    for (number, called) in fast.faults.calls().into_iter().enumerate() {
        ends.entry(called).or_insert((number, number)).1 = number;
    }
    let firsts: BTreeSet<usize> = ends.values().map(|(first, _)| *first).collect();
    let lasts: BTreeSet<usize> =
        ends.values().map(|(_, last)| *last).filter(|last| !firsts.contains(last)).collect();
    let kinds = [Fault::Killed, Fault::Broken, Fault::Silent, Fault::Denied];
    let calls = kinds
        .iter()
        .flat_map(|kind| firsts.iter().map(|number| kind(*number)))
        .chain(lasts.into_iter().map(Fault::Killed));
    let answers = (0..slow.faults.invocations()).map(Fault::AnswerLost);
    calls.map(|fault| (fault, FAST)).chain(answers.map(|fault| (fault, waiting))).collect()
}
