//! The sandbox for strangers: served on this machine's loopback, without database servers, with levers that clients reach
//! as functions; and what Python's clients found there.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use rehearsals::root;
use runbook::plan;
use sandbox::account::{OPERATOR, REGION_SWITCH_PLAN};
use sandbox::api::ApiError;
use sandbox::automation::{Automation, Document, Reading};
use sandbox::clock::Clock;
use sandbox::databases::NoServers;
use sandbox::eventbridge::{EventBridge, Rules};
use sandbox::functions::{Functions, Invocation};
use sandbox::machines::{machines, step_functions};
use sandbox::permissions::{Asked, Permissions};
use sandbox::router::Router;
use sandbox::states::StepFunctions;
use sandbox::wire::server::{Listeners, Server};
use sandbox::wire::{Wire, tables};
use sandbox::world::World;
use sandbox::world::model::{PlanExecution, PlanStep};
use sandbox::world::routing::{Endpoint, Rule};
use sandbox::{EAST, REGIONS, WEST};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::python;

/// What AWS's durations are divided by: the longest, a rebuilding of 20 minutes, takes a second.
const FACTOR: f64 = 1_200.0;

/// Runbooks that come to each status.
const DOCUMENTS: [(&str, &str); 4] = [
    (
        "asks",
        "parameters:\n  Who: {type: StringList, description: Approvers., default: [SANDBOX]}\n  Not: {type: String, default: ''}\n\
         mainSteps:\n- {name: ask, action: 'aws:approve', inputs: {Approvers: '{{ Who }}'}}\n",
    ),
    (
        "fails",
        "mainSteps:\n- {name: call, action: 'aws:executeAwsApi', inputs: {Service: rds, Api: DescribeDBClusters, DBClusterIdentifier: nothing}}\n",
    ),
    (
        "out-of-time",
        "mainSteps:\n- {name: wait, action: 'aws:sleep', timeoutSeconds: 1, inputs: {Duration: PT10H}}\n",
    ),
    (
        "loops",
        "mainSteps:\n- name: each\n  action: aws:loop\n  inputs:\n    Iterators: [a, b]\n    IteratorDataType: String\n    Steps:\n\
         \x20   - {name: inner, action: 'aws:sleep', inputs: {Duration: PT1S}}\n\
         - {name: last, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: causeway-report}, isEnd: true}\n",
    ),
];

/// A state machine, and its role, among the template's resources.
const MACHINE: &str = "  WitnessRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: states.amazonaws.com}, Action: 'sts:AssumeRole'}]
      Policies:
        - PolicyName: all
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - {Effect: Allow, Action: 'lambda:InvokeFunction', Resource: !Sub 'arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:work'}
              - {Effect: Allow, Action: 's3:GetObject', Resource: !Sub '${ReportBucket.Arn}/*'}
              - Effect: Allow
                Action: 'states:StartExecution'
                Resource: !Sub 'arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:witness'
              - Effect: Allow
                Action: ['states:DescribeExecution', 'states:StopExecution', 'states:RedriveExecution']
                Resource: !Sub 'arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:witness*'
  Witness:
    Type: AWS::Serverless::StateMachine
    Properties: {Name: witness, Role: !GetAtt WitnessRole.Arn, DefinitionUri: ranges.asl.json}
";

/// What the clients found, and what the sandbox asked of roles meanwhile.
pub struct Found {
    /// Operations that the sandbox knows, as `rds DescribeDBClusters`.
    pub known: BTreeSet<String>,
    /// Those that were answered without an error.
    pub answered: BTreeSet<String>,
    /// Where answers and tables differ from botocore's models.
    pub differences: Vec<String>,
    /// What was asked of roles.
    pub asked: BTreeSet<Asked>,
}

/// Runs the clients, once for all tests.
pub fn found() -> &'static Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(look())
    })
}

async fn look() -> Found {
    let (probed, served) = (Sandbox::new().await, Sandbox::new().await);
    let mut clients = tokio::process::Command::new(python())
        .arg(root().join("tests/witness/calls.py"))
        .args([&probed.server.url, &probed.server.arc_urls[0], &served.server.url])
        .args(&served.server.arc_urls)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let tables = json!({
        "TIMES": tables::TIMES, "FREE": tables::FREE, "BOOLEANS": tables::BOOLEANS, "NUMBERS": tables::NUMBERS,
        "DOUBLES": tables::DOUBLES,
        "ITEMS": tables::ITEMS.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
    });
    clients.stdin.take().unwrap().write_all(tables.to_string().as_bytes()).await.unwrap();
    let output = clients.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    served.what_starts_by_itself().await;
    let user = served.permissions.may_connect(OPERATOR, WEST, "shop-orders-west", "shop");
    user.unwrap();
    let texts = |name: &str| -> Vec<String> { serde_json::from_value(said[name].clone()).unwrap() };
    Found {
        known: texts("known").into_iter().collect(),
        answered: texts("answered").into_iter().collect(),
        differences: texts("differences"),
        asked: served.permissions.asked(),
    }
}

/// A sandbox that is served.
struct Sandbox {
    world: Arc<World>,
    automation: Arc<Automation>,
    machines: Arc<StepFunctions>,
    permissions: Arc<Permissions>,
    bridge: Arc<EventBridge>,
    server: Server,
    _objects: TempDir,
}

impl Sandbox {
    async fn new() -> Self {
        let clock = Clock::new(FACTOR);
        let listeners = Listeners::bind().await.unwrap();
        let world = sandbox::shop::world(clock, Arc::new(NoServers), &listeners.arc_urls).await.unwrap();
        for side in ["east", "west"] {
            let region = format!("sandbox-{side}");
            world.set_encrypted(
                &format!("arn:aws:rds:{region}:000000000000:cluster:shop-catalog-{side}"),
                true,
            );
        }
        let controls = plan::sample().routing.controls.into_values().collect::<Vec<_>>();
        world.add_safety_rule("not-more", Rule::AtMost { on: 2, asserted: controls.clone() });
        world.add_safety_rule("gate", Rule::Gate { gating: controls.clone(), target: Vec::new() });
        world.arc_endpoint(4, Endpoint::Unavailable);
        world.put_plan_execution(plan_execution(clock.now()));
        let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
        let template = template.replacen("\nResources:\n", &format!("\nResources:\n{MACHINE}"), 1);
        let permissions = Permissions::read(&template, &plan::sample()).unwrap();
        let levers: Arc<dyn Functions> = Arc::new(Levers(Arc::clone(&world)));
        let documents = DOCUMENTS.map(|(name, text)| {
            let text = format!("schemaVersion: '0.3'\ndescription: A runbook.\n{text}");
            (name.to_owned(), Document::parse(name, &text).unwrap())
        });
        let automation = sandbox::runbooks(clock, Arc::clone(&levers), Reading::ALL[0], documents.to_vec());
        let automation = Arc::new(automation);
        let objects = tempfile::tempdir().unwrap();
        let machines =
            machines(&template, &plan::sample(), |_| Ok(crate::state_machines::definition())).unwrap();
        let (machines, items) =
            step_functions(clock, Arc::clone(&levers), Arc::clone(&permissions), objects.path(), machines);
        let router = Router::new(Arc::clone(&world), Arc::clone(&automation), levers)
            .with_machines(Arc::clone(&machines));
        let api = permissions.guard(Arc::clone(&world), Arc::new(router));
        automation.set_api(Arc::clone(&api));
        items.set_api(&api);
        let rules = Rules::read(&template, &plan::sample()).unwrap();
        let bridge = EventBridge::follow(rules, &world, &automation, &permissions);
        let wire = Arc::new(Wire::new(api, objects.path()).unwrap());
        for region in REGIONS {
            wire.create_bucket(plan::sample().report_bucket(region).unwrap()).unwrap();
        }
        let server = listeners.serve(&wire);
        Self { world, automation, machines, permissions, bridge, server, _objects: objects }
    }

    /// What the rules of the template ask of their roles. The events of Aurora's snapshots came with the failover.
    async fn what_starts_by_itself(&self) {
        self.bridge.tick();
        for alarm in ["shop-east-canary", "shop-east-errors"] {
            self.world.set_alarm(WEST, alarm, "ALARM");
        }
        let asks = |action: &str| {
            let asked = self.permissions.asked();
            let needs = asked.iter().filter(|asked| asked.call.0 == "events").flat_map(|asked| &asked.needs);
            needs
                .filter(|need| need.action == action)
                .map(|need| need.resource.clone())
                .collect::<BTreeSet<_>>()
        };
        // Readiness, failover and reconcile; and the event that is passed on.
        for _ in 0..500 {
            if asks("iam:PassRole").len() >= 3 && !asks("events:PutEvents").is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("not all rules were invoked: {:?}", asks("iam:PassRole"));
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.automation.close();
        self.machines.close();
        self.world.stop();
    }
}

/// An execution of Region switch that is over, with everything that the sandbox says of one.
fn plan_execution(now: jiff::Timestamp) -> PlanExecution {
    let step = PlanStep { name: "orders".into(), status: "completed", started: Some(now), ended: Some(now) };
    PlanExecution {
        plan: REGION_SWITCH_PLAN.into(),
        id: "e".into(),
        action: "postRecovery",
        region: WEST.into(),
        known_in: None,
        mode: "ungraceful",
        state: "completed",
        started: now,
        ended: Some(now),
        recovery: Some("r".into()),
        steps: vec![step],
        workflows: json!([{
            "workflowTargetAction": "activate",
            "workflowTargetRegion": WEST,
            "steps": [{
                "name": "orders",
                "executionBlockType": "AuroraGlobalDatabase",
                "executionBlockConfiguration": {"globalAuroraConfig": {
                    "timeoutMinutes": 60,
                    "behavior": "switchoverOnly",
                    "ungraceful": {"ungraceful": "failover"},
                    "globalClusterIdentifier": "shop-orders",
                    "databaseClusterArns": ["arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west"],
                }},
            }],
        }]),
    }
}

/// Functions that move the world.
struct Levers(Arc<World>);

impl Functions for Levers {
    fn invoke<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        async move {
            match function {
                "hold" => self.0.hold_operations(true),
                "release" => self.0.hold_operations(false),
                "isolate" => self.0.isolate(EAST).await,
                "rejoin" => self.0.rejoin(EAST).await,
                // One that no sandbox can carry out.
                "add-experiment" => {
                    let stop = json!({"actionId": "aws:ecs:stop-task", "targets": {"Tasks": "tasks"}});
                    let definition = json!({
                        "description": "A task stops.", "actions": {"stop": stop}, "stopConditions": [{"source": "none"}],
                    });
                    self.0.add_experiment_template(EAST, definition);
                }
                "causeway-report" => {}
                "work" if event["range"]["fails"] == true => {
                    let (error_type, message) = ("Broken".into(), "it fails".into());
                    return Ok(Invocation::FunctionError { error_type, message });
                }
                "work" => {
                    let answer = json!({"number": event["number"], "rows": event["range"]["rows"]});
                    return Ok(Invocation::Answer(answer));
                }
                "broken" => {
                    let (error_type, message) = ("Runtime.ExitError".into(), "it broke".into());
                    return Ok(Invocation::FunctionError { error_type, message });
                }
                _ => {
                    let (code, message) =
                        ("ResourceNotFoundException", format!("there is no function {function}"));
                    return Err(ApiError::with_status(404, code, message));
                }
            }
            Ok(Invocation::Answer(json!({"status": "Done"})))
        }
        .boxed()
    }
}
