//! A runbook, a state machine and a function with their roles, all together.

use std::collections::BTreeMap;
use std::sync::Mutex;

use automation::{Document, Execution, Invocation, Reading, Status};
use serde_json::{Value, json};

use super::*;
use crate::databases::NoServers;
use crate::{Rig, WEST, shop};

const TEMPLATE: &str = r"
Resources:
  Work: {Type: 'AWS::Serverless::Function', Properties: {FunctionName: work, Role: !GetAtt WorkRole.Arn}}
  WorkRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Principal: {Service: lambda.amazonaws.com}}]}
  MachineRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Principal: {Service: states.amazonaws.com}}]}
      Policies:
        - PolicyName: all
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - {Effect: Allow, Action: 'lambda:InvokeFunction', Resource: !GetAtt Work.Arn}
              - {Effect: Allow, Action: 's3:GetObject', Resource: 'arn:aws:s3:::*/ranges.jsonl'}
              - {Effect: Allow, Action: 'states:StartExecution', Resource: !Sub 'arn:aws:states:${AWS::Region}:${AWS::AccountId}:stateMachine:compare'}
              - Effect: Allow
                Action: ['states:DescribeExecution', 'states:StopExecution']
                Resource: !Sub 'arn:aws:states:${AWS::Region}:${AWS::AccountId}:execution:compare:*'
              - {Effect: Allow, Action: 'states:RedriveExecution', Resource: !Sub 'arn:aws:states:${AWS::Region}:${AWS::AccountId}:execution:compare/ranges:*'}
  RunbookRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Principal: {Service: ssm.amazonaws.com}}]}
      Policies:
        - PolicyName: all
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - {Effect: Allow, Action: 'states:StartExecution', Resource: !Ref Compare}
              - Effect: Allow
                Action: ['states:DescribeExecution', 'states:RedriveExecution', 'states:StopExecution']
                Resource: !Sub 'arn:aws:states:${AWS::Region}:${AWS::AccountId}:execution:compare:*'
  Compare:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: compare
      Role: !GetAtt MachineRole.Arn
      DefinitionUri: compare.asl.json
      DefinitionSubstitutions: {Work: !GetAtt Work.Arn, Most: 2}
";

const DEFINITION: &str = r#"{
  "StartAt": "Ranges",
  "States": {
    "Ranges": {
      "Type": "Map",
      "Label": "ranges",
      "ItemReader": {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Parameters": {"Bucket.$": "$.bucket", "Key": "ranges.jsonl"}
      },
      "MaxConcurrency": ${Most},
      "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Work",
        "States": {
          "Work": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "${Work}", "Payload.$": "$"},
            "OutputPath": "$.Payload.rows",
            "End": true
          }
        }
      },
      "End": true
    }
  }
}"#;

/// Starts the machine, waits for its end whether the action did or not, and redrives it once when it did not succeed.
const DOCUMENT: &str = r"
schemaVersion: '0.3'
assumeRole: 'ROLE'
mainSteps:
  - name: compare
    action: aws:executeStateMachine
    onFailure: Continue
    inputs: {stateMachineArn: 'MACHINE', name: one, input: INPUT}
  - name: ended
    action: aws:waitForAwsResourceProperty
    inputs:
      Service: stepfunctions
      Api: DescribeExecution
      executionArn: '{{ compare.executionArn }}'
      PropertySelector: $.status
      DesiredValues: [SUCCEEDED, FAILED, TIMED_OUT, ABORTED]
    outputs: [{Name: status, Selector: $.status, Type: String}]
  - name: good
    action: aws:branch
    inputs: {Choices: [{NextStep: redrive, Not: {Variable: '{{ ended.status }}', StringEquals: SUCCEEDED}}]}
    isEnd: true
  - name: redrive
    action: aws:executeAwsApi
    inputs: {Service: stepfunctions, Api: RedriveExecution, executionArn: '{{ compare.executionArn }}'}
  - name: again
    action: aws:waitForAwsResourceProperty
    timeoutSeconds: 600
    inputs:
      Service: stepfunctions
      Api: DescribeExecution
      executionArn: '{{ compare.executionArn }}'
      PropertySelector: $.status
      DesiredValues: [SUCCEEDED, FAILED]
    outputs: [{Name: output, Selector: $.output, Type: String}]
outputs: [again.output]
";

/// A function that fails on some rows, once each.
#[derive(Default)]
struct Work {
    fails: Mutex<Vec<u64>>,
    /// How much longer it takes than a second.
    slow: std::time::Duration,
    events: Mutex<Vec<Value>>,
}

impl Functions for Work {
    fn invoke<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        async move {
            assert_eq!(function, "work");
            self.events.lock().unwrap().push(event.clone());
            tokio::time::sleep(std::time::Duration::from_secs(1) + self.slow).await;
            let rows = event["rows"].as_u64().unwrap();
            let mut fails = self.fails.lock().unwrap();
            if let Some(index) = fails.iter().position(|one| *one == rows) {
                fails.remove(index);
                let (error_type, message) = ("Broken".to_owned(), "once".to_owned());
                return Ok(Invocation::FunctionError { error_type, message });
            }
            Ok(Invocation::Answer(json!({"rows": rows})))
        }
        .boxed()
    }
}

/// A sandbox with the runbook, the machine and the function, and an object with five ranges.
struct Stage {
    rig: Rig,
    work: Arc<Work>,
    permissions: Arc<Permissions>,
    /// The machine's execution.
    one: Value,
    _objects: tempfile::TempDir,
}

/// What a run of the runbook left.
struct Ran {
    execution: Execution,
    machine: Value,
    events: Vec<Value>,
    unused: Vec<String>,
}

impl Stage {
    async fn new(template: &str, reading: Reading, work: Work) -> Self {
        let plan = runbook::plan::sample();
        let arc_urls = [1, 2, 3, 4, 5].map(|number| format!("http://arc-{number}.sandbox"));
        let world = shop::world(Clock::new(60.0), Arc::new(NoServers), &arc_urls).await.unwrap();
        let permissions = Permissions::read(template, &plan).unwrap();
        let file = |name: &str| {
            assert_eq!(name, "compare.asl.json");
            Ok(DEFINITION.to_owned())
        };
        let machines = machines(template, &plan, file).unwrap();
        let arn = machines.iter().find(|machine| machine.region == WEST).unwrap().arn();
        let input = json!({"bucket": shop::bucket(WEST)}).to_string();
        let text = DOCUMENT
            .replace("ROLE", &crate::account::role_arn("RunbookRole", WEST))
            .replace("MACHINE", &arn)
            .replace("INPUT", &format!("'{input}'"));
        let documents = vec![("compare".to_owned(), Document::parse("compare", &text).unwrap())];
        let (work, objects) = (Arc::new(work), tempfile::tempdir().unwrap());
        let rig = Rig::builder(Arc::clone(&world), Arc::clone(&work) as _, Arc::clone(&permissions))
            .runbooks(documents, reading)
            .machines(machines)
            .build(objects.path())
            .unwrap();
        let lines: String = (1..=5).map(|rows| format!("{{\"rows\": {rows}}}\n")).collect();
        std::fs::write(objects.path().join(shop::bucket(WEST)).join("ranges.jsonl"), lines).unwrap();
        let one = json!({"executionArn": format!("{}:one", arn.replace(":stateMachine:", ":execution:"))});
        Self { rig, work, permissions, one, _objects: objects }
    }

    fn start(&self) -> String {
        self.rig.automation.start(WEST, "compare", BTreeMap::new()).unwrap()
    }

    /// The machine's execution as it is; null when there is none.
    async fn machine(&self) -> Value {
        self.rig.machines.call(WEST, "DescribeExecution", &self.one).await.unwrap_or_default()
    }

    async fn ended(&self, id: &str) -> Ran {
        let execution = self.rig.automation.wait(WEST, id).await.unwrap();
        let unused = self.permissions.unused().iter().map(ToString::to_string).collect();
        let events = self.work.events.lock().unwrap().clone();
        Ran { execution, machine: self.machine().await, events, unused }
    }
}

/// Runs the runbook with a template, and a function that fails once on each of `fails`.
async fn run(template: &str, reading: Reading, fails: &[u64]) -> Ran {
    let work = Work { fails: Mutex::new(fails.to_vec()), ..Work::default() };
    let stage = Stage::new(template, reading, work).await;
    stage.ended(&stage.start()).await
}

fn both() -> [Reading; 2] {
    [false, true]
        .map(|state_machine_is_not_awaited| Reading { state_machine_is_not_awaited, ..Reading::default() })
}

#[tokio::test(start_paused = true)]
async fn a_runbook_runs_a_machine_and_redrives_the_range_that_failed() {
    for reading in both() {
        let ran = run(TEMPLATE, reading, &[3]).await;
        assert_eq!(ran.execution.status, Status::Success, "{:?}", ran.execution.failure_message);
        assert_eq!(ran.execution.outputs["again.output"], ["[1,2,3,4,5]"]);
        let of = |rows: u64| ran.events.iter().filter(|event| event["rows"] == rows).count();
        assert_eq!((of(1), of(2), of(3), of(5)), (1, 1, 2, 1), "{:?}", ran.events);
        assert_eq!(ran.machine["redriveCount"], 1);
        // Every permission of both roles was asked for, but that to stop what is cancelled.
        let stop = "RunbookRole may states:StopExecution on execution (statement 2)";
        assert_eq!(ran.unused.iter().collect::<std::collections::BTreeSet<_>>(), [&stop.to_owned()].into());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_role_may_not_do_fails_in_the_words_of_the_service() {
    let cases = [
        ("'lambda:InvokeFunction'", "States.ExceedToleratedFailureThreshold"),
        ("'s3:GetObject'", "States.ItemReaderFailed"),
        ("'states:StartExecution', Resource: !Sub", "States.Permissions"),
    ];
    for (action, error) in cases {
        assert!(TEMPLATE.contains(action));
        let other = action.replacen("Object", "ObjectTagging", 1).replace("StartExecution", "StopExecution");
        let template = TEMPLATE.replace(action, &other.replace("InvokeFunction", "GetFunction"));
        let ran = run(&template, Reading::default(), &[]).await;
        assert_eq!(ran.machine["error"], error, "{action}: {}", ran.machine);
        assert!(ran.events.is_empty());
    }
    let start = "'states:StartExecution', Resource: !Ref Compare";
    let ran = run(&TEMPLATE.replace(start, &start.replace("Start", "Stop")), Reading::default(), &[]).await;
    let step = ran.execution.steps[0].failure_message.clone().unwrap();
    assert!(step.contains("AccessDeniedException") && step.contains("states:StartExecution"), "{step}");
    assert_eq!(ran.machine, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_runbook_stops_its_machine_if_its_role_may() {
    for (action, status) in [("'states:StopExecution']", "ABORTED"), ("'states:SendTaskFailure']", "RUNNING")]
    {
        let slow = std::time::Duration::from_secs(600);
        let template = TEMPLATE.replace(
            "'states:RedriveExecution', 'states:StopExecution']",
            &format!("'states:RedriveExecution', {action}"),
        );
        let stage = Stage::new(&template, Reading::default(), Work { slow, ..Work::default() }).await;
        let id = stage.start();
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        assert_eq!(stage.machine().await["status"], "RUNNING");
        stage.rig.automation.cancel(WEST, &id).unwrap();
        assert_eq!(stage.ended(&id).await.execution.status, Status::Cancelled);
        // The call to stop it is on its way.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(stage.machine().await["status"], status);
    }
}

#[test]
fn a_definition_that_cannot_be_run_is_refused_with_its_problems() {
    let read = |text: &str| {
        let text = text.to_owned();
        machines(TEMPLATE, &runbook::plan::sample(), move |_| Ok(text.clone())).unwrap_err().to_string()
    };
    let told = read(&DEFINITION.replace("\"Label\": \"ranges\",", ""));
    assert!(
        told.contains("compare can't be run") && told.contains("States.Ranges.Label: is missing"),
        "{told}"
    );
    assert!(read("${Other}").contains("${Other}"));
}
