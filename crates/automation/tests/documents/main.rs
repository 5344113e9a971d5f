//! Automation documents like those that AWS and others publish, written for this: each action, each form of input and each
//! flow that AWS documents. All of them load; a document with something that the local runner can't execute does not start.
//! `refused` has documents with a fault; the first line of each is the expected message.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use automation::clock::Clock;
use automation::step::Action;
use automation::step::Step;
use automation::{Automation, Document, DocumentError, Environment, Functions, NoFunctions, Reading};

/// The actions of "Systems Manager Automation actions reference" (user guide).
const ACTIONS: [&str; 23] = [
    "aws:approve",
    "aws:assertAwsResourceProperty",
    "aws:branch",
    "aws:changeInstanceState",
    "aws:copyImage",
    "aws:createImage",
    "aws:createStack",
    "aws:createTags",
    "aws:deleteImage",
    "aws:deleteStack",
    "aws:executeAutomation",
    "aws:executeAwsApi",
    "aws:executeScript",
    "aws:executeStateMachine",
    "aws:invokeLambdaFunction",
    "aws:invokeWebhook",
    "aws:loop",
    "aws:pause",
    "aws:runCommand",
    "aws:runInstances",
    "aws:sleep",
    "aws:updateVariable",
    "aws:waitForAwsResourceProperty",
];

/// The documents of a folder beside this file: name and text.
fn documents(folder: &str) -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/documents").join(folder);
    let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let documents = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    documents.map(read).collect()
}

fn load(name: &str, text: &str) -> Document {
    Document::load(name, text).unwrap_or_else(|error| panic!("{error}"))
}

/// Every step, also those inside loops.
fn steps(document: &Document) -> impl Iterator<Item = &Step> {
    document.steps.iter().flat_map(|step| std::iter::once(step).chain(step.inner()))
}

#[test]
fn documents_with_each_action_and_form_load() {
    let documents = documents("");
    let mut actions = BTreeSet::new();
    for (name, text) in &documents {
        actions.extend(steps(&load(name, text)).map(|step| step.action.name()));
    }
    assert_eq!(actions, BTreeSet::from(ACTIONS));
    // Each key of a step, each comparison, each type: none is only in our own runbooks.
    let all = documents.into_values().collect::<Vec<_>>().join("\n");
    for form in [
        "onFailure: Abort",
        "onFailure: Continue",
        "onFailure: step:",
        "onCancel: step:",
        "onCancel: Abort",
        "isCritical: true",
        "isCritical: false",
        "isEnd: true",
        "nextStep: ",
        "maxAttempts: ",
        "timeoutSeconds: ",
        "And:",
        "Or:",
        "Not:",
        "Default: ",
        "StringEquals: ",
        "EqualsIgnoreCase: ",
        "StartsWith: ",
        "EndsWith: ",
        "Contains: ",
        "NumericEquals: ",
        "NumericGreater: ",
        "NumericLesser: ",
        "NumericGreaterOrEquals: ",
        "NumericLesserOrEquals: ",
        "BooleanEquals: ",
        "LoopCondition:",
        "Iterators: ",
        "IteratorDataType: StringMap",
        "{{ global:REGION }}",
        "{{ global:DATE }}",
        "{{ global:DATE_TIME }}",
        "{{ global:ACCOUNT_ID }}",
        "{{ global:AWS_PARTITION }}",
        "{{ automation:EXECUTION_ID }}",
        "{{ variable:",
        "type: String,",
        "type: StringList",
        "type: Integer",
        "type: Boolean",
        "type: StringMap",
        "type: MapList",
        "AWS::IAM::Role::Arn",
        "AWS::EC2::Instance::Id",
        "AWS::S3::Bucket::Name",
        "allowedValues: ",
        "allowedPattern: ",
        "minItems: ",
        "maxItems: ",
        "minChars: ",
        "maxChars: ",
        "displayType: ",
        "Type: StringList",
        "Type: Integer",
        "Type: Boolean",
        "Type: MapList",
        "Type: StringMap",
        "Duration: ",
        "Timestamp: ",
        "files:",
    ] {
        assert!(all.contains(form), "no document has {form}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_with_something_unsupported_is_refused_before_anything_runs() {
    let loaded: Vec<_> =
        documents("").into_iter().map(|(name, text)| (name.clone(), load(&name, &text))).collect();
    let functions: Arc<dyn Functions> = Arc::new(NoFunctions);
    let [account, operator] = ["000000000000", "OPERATOR"].map(str::to_owned);
    let environment =
        Environment { clock: Clock::new(1.0), functions, reading: Reading::ALL[0], account, operator };
    let automation = Automation::new(environment, loaded.clone());
    let mut foreign = 0;
    for (name, document) in &loaded {
        // No parameters are needed: the document is refused whatever they are.
        let started = automation.start("west", name, BTreeMap::new());
        if document.unsupported.is_empty() {
            assert!(!steps(document).any(|step| matches!(step.action, Action::Unsupported(_))), "{name}");
            continue;
        }
        foreign += 1;
        let error = started.unwrap_err();
        assert_eq!(error.code, "UnknownOperationException", "{name}: {error}");
        for problem in &document.unsupported {
            assert!(error.message.contains(&problem.to_string()), "{error}");
        }
        // As a runbook of our own it is refused when it is read.
        let refused = Document::parse(name, &document.text).unwrap_err();
        assert_eq!(refused, DocumentError(document.unsupported.clone()));
    }
    assert!(foreign > 10 && foreign < loaded.len(), "both kinds are here: {foreign} of {}", loaded.len());
    automation.close();
}

#[test]
fn a_document_with_a_fault_is_refused_for_it() {
    let refused = documents("refused");
    assert!(refused.len() > 10);
    for (name, text) in refused {
        let reason = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap();
        match Document::load(&name, &text) {
            Ok(_) => panic!("{name} is taken"),
            Err(error) => assert!(error.to_string().contains(reason), "{name}: {error}"),
        }
    }
}
