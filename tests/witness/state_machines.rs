//! How a state machine runs: the same definition, over the same objects, with a function that does the same, in the sandbox's
//! runner and in the emulator ministack, whose Lambda sends its invocations to a server of `state_machines.py`.
//!
//! A run is compared by its status, error and cause, its output, its map's run, and what the function was asked. At no time are there more
//! invocations than `MaxConcurrency` has, in either. The parser of a third, moto, reads the definition.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rehearsals::{root, witnesses};
use sandbox::api::ApiError;
use sandbox::clock::Clock;
use sandbox::functions::{Functions, Invocation};
use sandbox::states::{Access, Definition, Environment, Machine, Objects, StepFunctions};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::python;
use rehearsals::emulator::Emulator;

const REGION: &str = "sandbox-west";
/// `MaxConcurrency` of the definition.
const MOST: usize = 2;

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    name: String,
    status: String,
    error: Option<String>,
    cause: Option<String>,
    output: Option<Value>,
    /// Status of the map's run, and how many children it had.
    run: Option<String>,
    failed: u64,
    succeeded: u64,
    total: u64,
    /// Most invocations at once.
    most: usize,
    /// What the function was asked, by number.
    events: Vec<Value>,
}

/// The definition's text.
pub fn definition() -> String {
    std::fs::read_to_string(root().join("tests/witness/ranges.asl.json")).unwrap()
}

/// An object's lines; `None`: there is none.
fn cases() -> Vec<(&'static str, Option<String>)> {
    let lines = |count: u64, fails: &[u64]| {
        let line = |number: u64| match fails.contains(&number) {
            true => json!({"rows": number * 10, "fails": true}),
            false => json!({"rows": number * 10}),
        };
        (0..count).map(|number| format!("{}\n", line(number))).collect::<String>()
    };
    vec![
        ("all succeed", Some(lines(7, &[]))),
        ("one fails", Some(lines(7, &[3]))),
        ("the last fails", Some(lines(4, &[3]))),
        ("all fail", Some(lines(3, &[0, 1, 2]))),
        ("one item", Some(lines(1, &[]))),
        ("no line break at the end, and an empty line", Some("{\"rows\": 1}\n\n{\"rows\": 2}".to_owned())),
        ("no object", None),
    ]
}

/// The state machine of the template. No emulator knows `MaxConcurrencyPath`: it stands for itself here.
fn of_template() -> String {
    let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let template: serde_norway::Value = serde_norway::from_str(&text).unwrap();
    let definition = &template["Resources"]["RangesMachine"]["Properties"]["Definition"];
    let text = serde_json::to_string(definition).unwrap().replace("${Reconcile}", "work");
    let fixed =
        text.replace(r#""MaxConcurrencyPath":"$.concurrency""#, &format!(r#""MaxConcurrency":{MOST}"#));
    assert_ne!(fixed, text);
    fixed
}

/// Ranges as `reconcile` writes them, of which each takes some calls; none fails, for a retry waits for long.
fn cases_of_template() -> Vec<(&'static str, Option<String>)> {
    let line = |number: u64| json!({"database": "orders", "table": {"name": "t"}, "number": number, "range": {"columns": ["id"]}});
    let lines = |count: u64| (1..=count).map(|number| format!("{}\n", line(number))).collect::<String>();
    vec![("the template's, of seven", Some(lines(7))), ("the template's, of one", Some(lines(1)))]
}

fn input(number: usize) -> Value {
    let plan = json!({"name": "shop"});
    json!({
        "bucket": "ranges", "key": format!("{number}.jsonl"), "plan": plan, "execution": "e", "restoreRegion": "",
        "concurrency": MOST,
    })
}

/// Cases, and the machine that they are run by.
type Run = (String, Vec<(&'static str, Option<String>)>);

#[tokio::test(start_paused = true)]
async fn a_state_machine_runs_as_in_an_emulator() {
    let runs: [fn() -> Run; 2] = [|| (definition(), cases()), || (of_template(), cases_of_template())];
    let mut differences = BTreeSet::new();
    for run in runs {
        let theirs = tokio::task::spawn_blocking(move || in_ministack(run())).await.unwrap();
        compare(run(), theirs, &mut differences).await;
    }
    assert_eq!(sandbox::states::check(&definition()), []);
    assert_eq!(sandbox::states::check(&of_template()), []);
    let refused = |text: &str| {
        tokio::task::spawn_blocking({
            let text = text.to_owned();
            move || refused_by_moto(&text)
        })
    };
    for text in [definition(), of_template()] {
        differences.extend(refused(&text).await.unwrap().map(|why| format!("moto: {why}")));
        let text = text.replace("JSONL", "JSON");
        assert_eq!(refused(&text).await.unwrap(), None, "but for the kind of its items");
    }
    witnesses::hold("State machines", differences).unwrap_or_else(|differs| panic!("{differs}"));
}

/// Runs cases here, and notes what differs from theirs.
async fn compare((definition, cases): Run, theirs: Vec<Outcome>, differences: &mut BTreeSet<String>) {
    for (number, ((name, object), theirs)) in cases.into_iter().zip(theirs).enumerate() {
        let ours = here(name, number, object, &definition).await;
        assert!(
            ours.most <= MOST && theirs.most <= MOST,
            "{name}: {} here, {} there",
            ours.most,
            theirs.most
        );
        assert_eq!(ours.name, theirs.name);
        let both = [
            (
                "status",
                json!([ours.status, ours.error, ours.cause]),
                json!([theirs.status, theirs.error, theirs.cause]),
            ),
            ("output", json!(ours.output), json!(theirs.output)),
            ("run", json!([ours.run, ours.total]), json!([theirs.run, theirs.total])),
            ("children", json!([ours.succeeded, ours.failed]), json!([theirs.succeeded, theirs.failed])),
            ("events", json!(ours.events), json!(theirs.events)),
        ];
        for (what, here, there) in both.into_iter().filter(|(_, here, there)| here != there) {
            let shown = |value: Value| {
                if what == "events" {
                    value.as_array().map_or(0, Vec::len).to_string()
                } else {
                    value.to_string()
                }
            };
            differences.insert(format!("{name}: {what} {} here, {} in ministack", shown(here), shown(there)));
        }
        if ours.total as usize > MOST && ours.status == "SUCCEEDED" {
            assert_eq!(ours.most, MOST, "{name}: as many as may be, here");
            assert_eq!(theirs.most, MOST, "{name}: as many as may be, there");
        }
    }
}

/// Runs cases in ministack.
fn in_ministack((definition, cases): Run) -> Vec<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start("ministack", &[], folder.path()).unwrap();
    let cases: Vec<Value> = cases
        .into_iter()
        .enumerate()
        .map(|(number, (name, object))| json!({"name": name, "object": object, "input": input(number)}))
        .collect();
    let definition: Value = serde_json::from_str(&definition).unwrap();
    let mut script = Command::new(python())
        .arg(root().join("tests/witness/state_machines.py"))
        .arg(&emulator.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let given = json!({"definition": definition, "cases": cases}).to_string();
    script.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What moto's parser refuses in a definition.
fn refused_by_moto(definition: &str) -> Option<String> {
    let mut parser = Command::new(root().join("target/emulators/bin/python"))
        .arg(root().join("tests/witness/parse_definition.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    parser.stdin.take().unwrap().write_all(definition.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().next().map(str::to_owned)
}

/// Runs a case in the sandbox's runner.
async fn here(name: &str, number: usize, object: Option<String>, definition: &str) -> Outcome {
    let objects: BTreeMap<String, String> =
        object.into_iter().map(|text| (format!("ranges/{number}.jsonl"), text)).collect();
    let stage = Arc::new(Stage { objects, work: Mutex::default() });
    let environment = Environment {
        clock: Clock::new(1.0),
        functions: Arc::clone(&stage) as _,
        objects: Arc::clone(&stage) as _,
        access: Arc::clone(&stage) as _,
    };
    let [name_of, region, account, role] = ["ranges", REGION, "000000000000", "role"].map(str::to_owned);
    let definition = Definition::parse(name, definition).unwrap();
    let machine = Machine { name: name_of, region, account, role, definition };
    let arn = machine.arn();
    let service = StepFunctions::new(environment, vec![machine]);
    let call = async |operation: &str, input: Value| service.call(REGION, operation, &input).await.unwrap();
    let started =
        call("StartExecution", json!({"stateMachineArn": arn, "input": input(number).to_string()})).await;
    let execution = started["executionArn"].as_str().unwrap();
    let shown = service.wait(execution).await.unwrap();
    let runs = call("ListMapRuns", json!({"executionArn": execution})).await;
    let run = match runs["mapRuns"][0]["mapRunArn"].as_str() {
        Some(arn) => Some(call("DescribeMapRun", json!({"mapRunArn": arn})).await),
        None => None,
    };
    let count = |of: &str| run.as_ref().map_or(0, |run| run["executionCounts"][of].as_u64().unwrap());
    let (most, mut events) = {
        let work = stage.work.lock().unwrap();
        (work.most, work.events.clone())
    };
    events.sort_by_key(number_of);
    let text = |of: &str| shown[of].as_str().map(str::to_owned);
    Outcome {
        name: name.to_owned(),
        status: text("status").unwrap(),
        error: text("error"),
        cause: text("cause"),
        output: text("output").map(|output| serde_json::from_str(&output).unwrap()),
        run: run.as_ref().map(|run| run["status"].as_str().unwrap().to_owned()),
        failed: count("failed"),
        succeeded: count("succeeded"),
        total: count("total"),
        most,
        events,
    }
}

/// The number of the range that an event is about.
fn number_of(event: &Value) -> Option<u64> {
    event["number"].as_u64().or_else(|| event["range"]["number"].as_u64())
}

/// The function and the objects of a case, here.
struct Stage {
    objects: BTreeMap<String, String>,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    now: usize,
    most: usize,
    events: Vec<Value>,
}

impl Functions for Stage {
    fn invoke<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        async move {
            assert_eq!(function, "work");
            let calls = {
                let mut work = self.work.lock().unwrap();
                work.now += 1;
                work.most = work.most.max(work.now);
                work.events.push(event.clone());
                work.events.iter().filter(|other| number_of(other) == number_of(&event)).count() as u64
            };
            let first = event["number"] == 0;
            tokio::time::sleep(Duration::from_millis(if first { 400 } else { 100 })).await;
            self.work.lock().unwrap().now -= 1;
            if event["operation"] == "range" {
                let is_done = calls > number_of(&event).unwrap() % 3;
                return Ok(Invocation::Answer(
                    json!({"status": if is_done { "Done" } else { "InProgress" }}),
                ));
            }
            Ok(match event["range"]["fails"] == true {
                true => {
                    let (error_type, message) = ("Broken".to_owned(), "it fails".to_owned());
                    Invocation::FunctionError { error_type, message }
                }
                false => {
                    Invocation::Answer(json!({"number": event["number"], "rows": event["range"]["rows"]}))
                }
            })
        }
        .boxed()
    }
}

impl Objects for Stage {
    fn read<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        bucket: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, ApiError>> {
        let object = self.objects.get(&format!("{bucket}/{key}")).cloned();
        let object = object.ok_or_else(|| ApiError::new("NoSuchKey", "The specified key does not exist."));
        async { object.map(String::into_bytes) }.boxed()
    }
}

impl Access for Stage {
    fn may(&self, _: &str, _: &str, _: &str, _: &str) -> Result<(), ApiError> {
        Ok(())
    }
}
