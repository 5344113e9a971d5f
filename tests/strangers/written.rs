//! What people write: plans, events, documents, definitions, templates, policies.

use rehearsals::strangers::{DEEP, Reader, hold};
use runbook::RecoveryPlan;
use sandbox::automation::{self, Document};
use sandbox::states::{self, Definition};
use serde_json::{Value, json};
use stack::{Need, Place, Stack};

use crate::{file, files};

fn plan() -> Reader {
    let reader = Reader::of_text("a plan", |text| {
        let Ok(plan) = RecoveryPlan::parse(text, "the plan") else { return false };
        let written = serde_json::to_string(&plan).unwrap();
        assert_eq!(RecoveryPlan::parse(&written, "what was written").unwrap(), plan);
        for region in &plan.regions {
            let _ = runbook::stack::parameters(&plan, region);
        }
        let _ = runbook::stack::account(&plan);
        true
    });
    reader.examples([file("docs/plan.example.json"), file("tests/formats/plan.json")])
}

#[test]
fn any_bytes_as_a_plan() {
    hold(&plan());
}

/// Reads an event of each kind.
fn event() -> Reader {
    let reader = Reader::of_bytes("an event of a step", |bytes| {
        fn is<E: serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
            serde_json::from_slice::<E>(bytes).is_ok()
        }
        let mut any = is::<preflight::Event>(bytes);
        any |= is::<routing_control::Event>(bytes);
        any |= is::<global_failover::Event>(bytes);
        any |= is::<snapshot_restore::Event>(bytes);
        any |= is::<reconcile::Event>(bytes);
        any |= is::<replay::Event>(bytes);
        any |= is::<report::Event>(bytes);
        any | is::<region_switch::Event>(bytes)
    });
    reader.examples(files("events", ".json"))
}

#[test]
fn any_bytes_as_an_event() {
    hold(&event());
}

/// A document with everything that one can have, small enough to be read often.
const DOCUMENT: &str = r#"
schemaVersion: '0.3'
description: A document.
assumeRole: '{{ Role }}'
parameters:
  Role: {type: String, default: 'arn:aws:iam::000000000000:role/x'}
  Regions: {type: StringList, default: [a, b], allowedValues: [a, b, c]}
  Count: {type: Integer, default: 3}
variables:
  Seen: {type: Boolean, default: false}
mainSteps:
  - name: Look
    action: aws:executeAwsApi
    timeoutSeconds: 30
    onFailure: step:Tell
    inputs: {Service: rds, Api: DescribeGlobalClusters, Filters: [{Name: x, Values: ['{{ Regions }}']}]}
    outputs:
      - {Name: Id, Selector: '$.GlobalClusters[0].GlobalClusterIdentifier', Type: String}
    nextStep: Choose
  - name: Choose
    action: aws:branch
    inputs:
      Choices:
        - {NextStep: Call, Variable: '{{ Look.Id }}', StringEquals: x}
        - {NextStep: Wait, And: [{Variable: '{{ Count }}', NumericGreater: 2}, {Not: {Variable: '{{ global:REGION }}', Contains: a}}]}
      Default: Tell
  - name: Wait
    action: aws:waitForAwsResourceProperty
    inputs: {Service: rds, Api: DescribeDBClusters, PropertySelector: '$.DBClusters[0].Status', DesiredValues: [available]}
    onCancel: step:Tell
  - name: Call
    action: aws:invokeLambdaFunction
    maxAttempts: 3
    isCritical: false
    inputs: {FunctionName: causeway-report, Payload: '{"operation":"record","plan":"{{ Look.Id }}"}'}
    outputs: [{Name: Answer, Selector: $.Payload, Type: String}]
  - name: Tell
    action: aws:executeAwsApi
    isEnd: true
    inputs: {Service: sns, Api: Publish, TopicArn: 'x', Message: 'in {{ global:REGION }} at {{ global:DATE_TIME }}'}
outputs: [Call.Answer]
"#;

fn document() -> Reader {
    let reader = Reader::of_text("a document of Automation", |text| {
        let problems = automation::check("document", text);
        let parsed = Document::parse("document", text);
        // What the check finds nothing in can be started.
        assert!(!problems.is_empty() || parsed.is_ok(), "{parsed:?}");
        assert!(Document::load("document", text).is_ok() || parsed.is_err(), "{parsed:?}");
        parsed.is_ok()
    });
    let small = [file("ssm-documents/readiness.yaml"), file("ssm-documents/routing.yaml")];
    reader.examples(small).examples([DOCUMENT])
}

#[test]
fn any_bytes_as_a_document() {
    hold(&document());
}

const DEFINITION: &str = r#"{
  "Comment": "x", "StartAt": "Shape", "TimeoutSeconds": 60, "States": {
    "Shape": {"Type": "Pass", "Parameters": {"a.$": "$.b", "c.$": "$$.Execution.Id", "d": [1, {"e.$": "$['f'][0]"}]}, "ResultPath": "$.g", "Next": "Choose"},
    "Choose": {"Type": "Choice", "Choices": [
      {"And": [{"Variable": "$.a", "IsPresent": true}, {"Not": {"Variable": "$.a", "StringEquals": "x"}}], "Next": "Call"},
      {"Or": [{"Variable": "$.n", "NumericGreaterThan": 3}, {"Variable": "$.b", "BooleanEquals": true}], "Next": "Wait"}], "Default": "All"},
    "Wait": {"Type": "Wait", "Seconds": 5, "Next": "Call"},
    "Call": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f", "Payload.$": "$"},
      "ResultSelector": {"p.$": "$.Payload"}, "TimeoutSeconds": 9,
      "Retry": [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1.5}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Bad"}], "End": true},
    "All": {"Type": "Map", "MaxConcurrency": 2, "Label": "L", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSONL"}, "Parameters": {"Bucket.$": "$.b", "Key.$": "$.k"}}, "ItemProcessor": {
      "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
      "StartAt": "One", "States": {"One": {"Type": "Succeed", "OutputPath": "$.o"}}}, "Next": "Good"},
    "Bad": {"Type": "Fail", "Error": "E", "Cause": "C"}, "Good": {"Type": "Succeed"}}}"#;

fn definition() -> Reader {
    let reader = Reader::of_text("a definition of Step Functions", |text| {
        let problems = states::check(text);
        let parsed = Definition::parse("definition", text);
        assert!(!problems.is_empty() || parsed.is_ok(), "{parsed:?}");
        parsed.is_ok()
    });
    reader.examples([DEFINITION])
}

#[test]
fn any_bytes_as_a_definition() {
    hold(&definition());
}

const TEMPLATE: &str = r#"
Parameters:
  Prefix: {Type: String, Default: causeway}
  Keys: {Type: CommaDelimitedList, Default: 'arn:aws:kms:eu-west-1:0:key/a,arn:aws:kms:eu-west-1:0:key/b'}
Conditions:
  On: !Not [!Equals [!Ref Prefix, '']]
  Off: !Equals [!Ref Prefix, '']
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]}
      Policies:
        - PolicyName: p
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - {Effect: Allow, Action: [rds:Describe*], Resource: '*', Condition: {StringEquals: {aws:RequestedRegion: !Ref AWS::Region}}}
              - {Effect: Deny, Action: s3:*, Resource: !Sub 'arn:aws:s3:::${Prefix}-*/*'}
              - !If [On, {Effect: Allow, Action: 'kms:Decrypt', Resource: !Ref Keys}, !Ref AWS::NoValue]
  Function:
    Type: AWS::Serverless::Function
    Condition: On
    Properties: {FunctionName: !Sub '${Prefix}-report', Role: !GetAtt Role.Arn}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Join ['-', [!Ref Prefix, topic]]}}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub ['${a}-${Prefix}', {a: !Ref Topic}]}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      Name: !Sub '${Prefix}-rule'
      EventPattern: {source: [aws.ssm], detail: {Status: [{prefix: Fail}]}}
      Targets: [{Id: t, Arn: !Ref Topic, InputTransformer: {InputPathsMap: {id: $.detail.Id}, InputTemplate: '"<id>"'}}]
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {Name: !Sub '${Prefix}-m', Role: !GetAtt Role.Arn, DefinitionUri: m.json, DefinitionSubstitutions: {F: !GetAtt Function.Arn}}
"#;

/// Resolves everything in a template.
fn template() -> Reader {
    let given = runbook::stack::parameters(&runbook::plan::sample(), "sandbox-east");
    let reader = Reader::of_text("a template of CloudFormation", move |text| {
        let Ok(template) = stack::template::parse(text) else { return false };
        let place = Place { account: "000000000000", stack: "stack", region: "eu-west-1" };
        let stack = Stack::new(&template, place, given.clone());
        let roles = stack::Roles::of(&stack).is_ok();
        let _ = stack::roles::all(&stack);
        let read = |_: &str| Ok(DEFINITION.to_owned());
        for machine in stack::machines::all(&stack).unwrap_or_default() {
            let _ = machine.definition(read);
        }
        let Ok(resources) = stack.resources() else { return false };
        for (name, resource) in resources {
            let kind = resource["Type"].as_str().unwrap_or_default();
            let _ = stack.of_type(kind);
            let _ = stack.resolve(resource);
            let _ = stack.text(&resource["Properties"]);
            stack.role_arn(name.as_str().unwrap_or_default());
        }
        roles
    });
    reader.examples([TEMPLATE])
}

#[test]
fn any_bytes_as_a_template() {
    for whole in [file("template.yaml"), file("workload/network.yaml"), file("workload/eyes.yaml")] {
        template().holds_for(whole);
    }
    hold(&template());
}

/// A policy, a pattern of EventBridge and a transformer, one of which it may be, and what they say of a need and an event.
fn policy() -> Reader {
    let reader = Reader::of_bytes("a policy or a pattern", |bytes| {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return false };
        let long = "a".repeat(200);
        let mut any = false;
        if let Ok(statements) = stack::policy::read(value.clone()) {
            any = true;
            let need = Need::new(format!("rds:{long}"), format!("arn:aws:rds:eu-west-1:0:cluster:{long}"));
            stack::decide(&statements, &need.with("aws:RequestedRegion", &long));
        }
        let event =
            json!({"source": "aws.ssm", "detail": {"Status": "Failed", "Id": long}, "resources": [long]});
        if stack::patterns::known(&value).is_ok() {
            any = true;
            stack::patterns::matches(&value, &event);
        }
        if let Ok(transformer) = stack::patterns::Transformer::read(value) {
            any = true;
            transformer.text(&event);
        }
        any
    });
    reader.examples([
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["rds:Describe*","s3:Get*"],"Resource":"arn:aws:rds:*:*:cluster:*"},
            {"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLikeIfExists":{"aws:RequestedRegion":["eu-*-?"]},"Null":{"x":"true"}}}]}"#,
        r#"{"source":["aws.ssm"],"detail":{"Status":["Failed",{"prefix":"Time"}]},"resources":[{"prefix":"a"}]}"#,
        r#"{"InputPathsMap":{"id":"$.detail.Id","type":"$.detail-type","r":"$.resources[0]"},"InputTemplate":"<id> <type> <<r>>"}"#,
    ])
}

#[test]
fn any_bytes_as_a_policy() {
    hold(&policy());
}

/// What recursion would not come back from.
#[test]
fn what_is_nested_too_deep_is_refused() {
    for reader in [plan(), event(), document(), definition(), template(), policy()] {
        for (begin, end) in
            [("[", "]"), ("{\"a\":", "}"), ("{a: ", "}"), ("- ", ""), ("!If [", "]"), ("? ", "")]
        {
            reader.holds_for(begin.repeat(DEEP));
            reader.holds_for(format!("{}1{}", begin.repeat(DEEP), end.repeat(DEEP)));
        }
    }
}

/// What a stack makes of resources.
fn roles_of(resources: &str) -> Result<stack::Roles, String> {
    let template =
        stack::template::parse(&format!("Conditions: {{On: !If [On, a, b]}}\nResources:\n{resources}"))
            .unwrap();
    let place = Place { account: "000000000000", stack: "stack", region: "eu-west-1" };
    stack::Roles::of(&Stack::new(&template, place, std::collections::BTreeMap::new()))
}

#[test]
fn a_function_whose_role_is_not_there_is_an_error() {
    let function =
        "  F: {Type: AWS::Serverless::Function, Properties: {FunctionName: f, Role: !GetAtt Role.Arn}}";
    assert_eq!(roles_of(function).unwrap_err(), "Role is no AWS::IAM::Role");
}

#[test]
fn a_value_that_refers_to_itself_is_an_error() {
    let role = |name: &str| {
        format!(
            "  F: {{Type: AWS::Serverless::Function, Properties: {{FunctionName: {name}, Role: !GetAtt R.Arn}}}}\n  T: {{Type: AWS::SNS::Topic, Properties: {{TopicName: {name}}}}}"
        )
    };
    for name in
        ["!Ref T", "!GetAtt F.Arn", "!Sub '${T}${T}'", "!Join ['', [!Ref T, !Ref T]]", "!If [On, a, b]"]
    {
        let error = roles_of(&role(name)).unwrap_err();
        assert!(error.contains("refers to itself"), "{name}: {error}");
    }
}

#[test]
fn a_document_that_is_too_large_is_not_read() {
    let error = Document::parse("large", &"[".repeat(DEEP)).unwrap_err().to_string();
    assert!(error.contains("100000 bytes; SSM takes at most 65536") && !error.contains("YAML"), "{error}");
}
