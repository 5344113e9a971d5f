//! Documents run with scripted functions and services, under paused time: an hour takes no time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::execution::StepExecution;
use super::*;
use crate::clock::Clock;

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const ACCOUNT: &str = "000000000000";
/// Where a test is not about the reading: a function's error fails its step.
const READING: Reading = Reading {
    function_error_fails_step: true,
    selector_root_is_payload: false,
    json_text_is_parsed: false,
    refused_approval_ends_execution: false,
    state_machine_is_not_awaited: false,
    missing_output_fails_branch: false,
};

/// What a scripted call does.
#[derive(Clone)]
enum Does {
    Answer(Value),
    /// A function's error, or a service's.
    Error(&'static str),
    /// Takes so long before it answers `{}`.
    Takes(Duration),
    /// No answer from a service.
    Silence,
}

/// Functions and services that follow a script, by function or operation; the last entry repeats. Keeps what was asked.
#[derive(Default)]
struct Script {
    script: Mutex<BTreeMap<String, VecDeque<Does>>>,
    asked: Mutex<Vec<(String, Value)>>,
    calls: Mutex<Vec<Call>>,
}

impl Script {
    fn next(&self, name: &str, input: Value) -> Option<Does> {
        self.asked.lock().unwrap().push((name.to_owned(), input));
        let mut script = self.script.lock().unwrap();
        let entries = script.get_mut(name)?;
        if entries.len() > 1 { entries.pop_front() } else { entries.front().cloned() }
    }

    fn asked(&self, name: &str) -> Vec<Value> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|(of, _)| of == name)
            .map(|(_, input)| input.clone())
            .collect()
    }
}

impl Functions for Script {
    fn invoke<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        async move {
            match self.next(function, event) {
                None => Err(ApiError::new("ResourceNotFoundException", format!("no function {function}"))),
                Some(Does::Answer(answer)) => Ok(Invocation::Answer(answer)),
                Some(Does::Error(message)) => {
                    Ok(Invocation::FunctionError { error_type: "Broken".into(), message: message.into() })
                }
                Some(Does::Takes(time)) => {
                    tokio::time::sleep(time).await;
                    Ok(Invocation::Answer(json!({})))
                }
                Some(Does::Silence) => std::future::pending().await,
            }
        }
        .boxed()
    }
}

impl Api for Script {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        async move {
            self.calls.lock().unwrap().push(call.clone());
            match self.next(&call.operation, call.input) {
                Some(Does::Answer(answer)) => Ok(answer),
                Some(Does::Error(code)) => Err(ApiError::new(code, "said no").into()),
                Some(Does::Takes(time)) => {
                    tokio::time::sleep(time).await;
                    Ok(json!({}))
                }
                Some(Does::Silence) | None => Err(CallError::NoAnswer),
            }
        }
        .boxed()
    }
}

fn environment(clock: Clock, functions: Arc<dyn Functions>, reading: Reading) -> Environment {
    let [account, operator] = [ACCOUNT, "OPERATOR"].map(str::to_owned);
    Environment { clock, functions, reading, account, operator }
}

/// The service with one scripted world.
struct Stage {
    automation: Automation,
    script: Arc<Script>,
    clock: Clock,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.automation.close();
    }
}

fn stage_of(reading: Reading, documents: &[(&str, String)], script: &[(&str, &[Does])]) -> Stage {
    let entries =
        script.iter().map(|(name, does)| ((*name).to_owned(), does.iter().cloned().collect())).collect();
    let script = Arc::new(Script { script: Mutex::new(entries), ..Script::default() });
    let documents = documents
        .iter()
        .map(|(name, text)| {
            ((*name).to_owned(), Document::parse(name, text).unwrap_or_else(|error| panic!("{error}")))
        })
        .collect();
    let clock = Clock::new(1.0);
    let automation = Automation::new(environment(clock, Arc::clone(&script) as _, reading), documents);
    automation.set_api(Arc::clone(&script) as _);
    Stage { automation, script, clock }
}

fn stage(steps: &str, script: &[(&str, &[Does])]) -> Stage {
    stage_of(READING, &[("doc", document(steps))], script)
}

/// A document of these steps (and what may stand below them).
fn document(steps: &str) -> String {
    format!("schemaVersion: '0.3'\nmainSteps:\n{steps}")
}

impl Stage {
    fn start(&self) -> String {
        self.automation.start(WEST, "doc", BTreeMap::new()).unwrap()
    }

    async fn run(&self) -> Execution {
        self.ended(&self.start()).await
    }

    async fn ended(&self, id: &str) -> Execution {
        self.automation.wait(WEST, id).await.unwrap()
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        self.automation.call(WEST, "SANDBOX", operation, input).await
    }

    async fn signal(&self, id: &str, kind: &str, principal: &str) -> Result<Value, ApiError> {
        let input =
            json!({"AutomationExecutionId": id, "SignalType": kind, "Payload": {"Comment": ["because"]}});
        self.automation.call(WEST, principal, "SendAutomationSignal", input).await
    }

    /// Modelled seconds since the start.
    fn seconds(&self, execution: &Execution) -> i64 {
        assert_eq!(self.clock.factor(), 1.0);
        execution.started.duration_until(execution.ended.unwrap()).as_secs()
    }
}

/// The names of the steps that ran, with their statuses.
fn ran(execution: &Execution) -> Vec<(&str, Status)> {
    execution.steps.iter().map(|step| (step.name.as_str(), step.status)).collect()
}

fn step<'a>(execution: &'a Execution, name: &str) -> &'a StepExecution {
    execution
        .steps
        .iter()
        .rev()
        .find(|step| step.name == name)
        .unwrap_or_else(|| panic!("{name} did not run"))
}

fn sleep(name: &str, keys: &str) -> String {
    format!("- {{name: {name}, action: 'aws:sleep', inputs: {{Duration: PT1S}}{keys}}}\n")
}

fn lambda(name: &str, function: &str, keys: &str) -> String {
    format!(
        "- name: {name}\n  action: aws:invokeLambdaFunction\n  inputs: {{FunctionName: {function}}}\n  outputs:\n  \
         - {{Name: status, Selector: $.Payload.status, Type: String}}\n{keys}"
    )
}

fn answer(status: &str) -> Does {
    Does::Answer(json!({"status": status}))
}

const FAIL: Does = Does::Error("no");

// Steps and what follows them.

#[tokio::test(start_paused = true)]
async fn steps_run_in_order_and_time_is_compressed() {
    let stage = stage(&(sleep("a", "") + &sleep("b", "")), &[]);
    let ended = stage.run().await;
    assert_eq!(ran(&ended), [("a", Status::Success), ("b", Status::Success)]);
    assert_eq!((ended.status, stage.seconds(&ended)), (Status::Success, 2));

    let text = document("- {name: a, action: 'aws:sleep', inputs: {Duration: PT1H}}\n");
    let documents = vec![("doc".to_owned(), Document::parse("doc", &text).unwrap())];
    let clock = Clock::new(60.0);
    let automation = Automation::new(environment(clock, Arc::new(Script::default()), READING), documents);
    let id = automation.start(WEST, "doc", BTreeMap::new()).unwrap();
    let ended = automation.wait(WEST, &id).await.unwrap();
    assert_eq!(ended.started.duration_until(ended.ended.unwrap()).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn next_step_and_is_end_lead_the_way() {
    let steps = sleep("a", ", nextStep: c")
        + &sleep("b", ", isEnd: true")
        + &sleep("c", ", nextStep: b")
        + &sleep("d", "");
    let ended = stage(&steps, &[]).run().await;
    assert_eq!(ran(&ended).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "c", "b"]);
    assert_eq!(ended.status, Status::Success);
}

#[tokio::test(start_paused = true)]
async fn what_a_failure_does() {
    // Keys of the failing step, the steps that follow it, the execution's status.
    let cases: [(&str, &[&str], Status); 9] = [
        ("", &[], Status::Failed),
        ("  onFailure: Abort\n", &[], Status::Failed),
        ("  onFailure: Continue\n", &["next", "other"], Status::Success),
        ("  onFailure: Continue\n  isCritical: true\n", &["next", "other"], Status::Failed),
        ("  onFailure: step:other\n", &["other"], Status::Failed),
        ("  onFailure: step:other\n  isCritical: false\n", &["other"], Status::Success),
        ("  nextStep: other\n", &[], Status::Failed),
        ("  isEnd: true\n", &[], Status::Failed),
        ("  isEnd: true\n  onFailure: Continue\n", &[], Status::Success),
    ];
    for (keys, following, status) in cases {
        let steps = lambda("fails", "f", keys) + &sleep("next", "") + &sleep("other", "");
        let ended = stage(&steps, &[("f", &[FAIL])]).run().await;
        let names: Vec<&str> = ran(&ended).iter().skip(1).map(|(name, _)| *name).collect();
        assert_eq!((names.as_slice(), ended.status), (following, status), "{keys}");
        assert_eq!(step(&ended, "fails").status, Status::Failed);
        let message = ended.failure_message.unwrap_or_default();
        assert_eq!(message.contains("Broken: no"), status == Status::Failed, "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_is_tried_again_until_it_succeeds_or_its_tries_are_used_up() {
    let steps = lambda("a", "f", "  maxAttempts: 3\n");
    let stage_ok = stage(&steps, &[("f", &[FAIL, FAIL, answer("Done")])]);
    assert_eq!(stage_ok.run().await.status, Status::Success);
    assert_eq!(stage_ok.script.asked("f").len(), 3);
    let stage_fails = stage(&steps, &[("f", &[FAIL])]);
    let ended = stage_fails.run().await;
    assert_eq!((ended.status, ended.steps.len()), (Status::Failed, 1));
    assert_eq!(stage_fails.script.asked("f").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_counts_once_the_tries_are_used_up() {
    let slow = Does::Takes(Duration::from_secs(30));
    let steps = lambda("a", "f", "  timeoutSeconds: 10\n  maxAttempts: 2\n");
    let twice = stage(&steps, &[("f", std::slice::from_ref(&slow))]);
    let ended = twice.run().await;
    assert_eq!((ended.status, step(&ended, "a").status), (Status::TimedOut, Status::TimedOut));
    assert_eq!(twice.seconds(&ended), 20);
    let second = stage(&steps, &[("f", &[slow.clone(), answer("Done")])]);
    assert_eq!(second.run().await.status, Status::Success);

    // AWS: isCritical false keeps a timeout from affecting the execution's status.
    for (critical, expected) in [("", Status::TimedOut), ("  isCritical: false\n", Status::Success)] {
        let steps = lambda("a", "f", &format!("  timeoutSeconds: 10\n  onFailure: step:b\n{critical}"))
            + &sleep("b", "");
        let ended = stage(&steps, &[("f", std::slice::from_ref(&slow))]).run().await;
        assert_eq!((ended.status, ended.steps.len()), (expected, 2), "{critical}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_is_cut_off_after_300_seconds_of_real_time_whatever_the_document_says() {
    for keys in ["", "  timeoutSeconds: 500\n"] {
        let text = document(&lambda("a", "f", keys));
        let documents = vec![("doc".to_owned(), Document::parse("doc", &text).unwrap())];
        let script =
            BTreeMap::from([("f".to_owned(), VecDeque::from([Does::Takes(Duration::from_secs(301))]))]);
        let script = Arc::new(Script { script: Mutex::new(script), ..Script::default() });
        let automation = Automation::new(environment(Clock::new(60.0), script, READING), documents);
        let id = automation.start(WEST, "doc", BTreeMap::new()).unwrap();
        let ended = automation.wait(WEST, &id).await.unwrap();
        assert_eq!(ended.status, Status::TimedOut);
        assert_eq!(ended.started.duration_until(ended.ended.unwrap()).as_secs(), 300);
    }
}

// References and outputs.

#[tokio::test(start_paused = true)]
async fn parameters_outputs_and_system_variables_reach_a_function_with_their_types() {
    let text = format!(
        "schemaVersion: '0.3'\nparameters:\n  Text: {{type: String}}\n  List: {{type: StringList, default: [x, z]}}\n  Count: {{type: \
         Integer, default: 4}}\n  Flag: {{type: Boolean, default: true}}\n  Map: {{type: StringMap, default: {{k: v}}}}\nmainSteps:\n{}\
         - name: second\n  action: aws:invokeLambdaFunction\n  inputs:\n    FunctionName: g\n    Payload: '{{\"lost\": true}}'\n    \
         InputPayload:\n      list: '{{{{ List }}}}'\n      count: '{{{{ Count }}}}'\n      flag: '{{{{ Flag }}}}'\n      map: '{{{{ Map }}}}'\n      \
         text: 'at {{{{ global:REGION }}}} {{{{ Text }}}}'\n      id: '{{{{ automation:EXECUTION_ID }}}}'\n      was: '{{{{ first.status }}}}'\n      \
         missing: '{{{{ first.absent }}}}'\n      spliced: ['{{{{ List }}}}', y]\noutputs:\n- first.status\n- first.absent\n",
        lambda("first", "f", "  - {Name: absent, Selector: $.Payload.nothing, Type: String}\n"),
    );
    let stage = stage_of(READING, &[("doc", text)], &[("f", &[answer("Done")]), ("g", &[answer("Done")])]);
    let given = BTreeMap::from([("Text".to_owned(), vec!["hello".to_owned()])]);
    let id = stage.automation.start(WEST, "doc", given).unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!(ended.status, Status::Success, "{:?}", ended.failure_message);
    let event = json!({
        "list": ["x", "z"], "count": 4, "flag": true, "map": {"k": "v"},
        "text": format!("at {WEST} hello"), "id": id, "was": "Done",
        // An output that isn't there stays as its text.
        "missing": "{{ first.absent }}", "spliced": ["x", "z", "y"],
    });
    assert_eq!(stage.script.asked("g"), [event]);
    assert_eq!(ended.outputs["first.status"], ["Done"]);
    assert_eq!(
        ended.outputs["first.absent"],
        ["No output available yet because the step is not successfully executed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_payload_text_is_json_once_its_references_are_resolved() {
    let steps = "- name: a\n  action: aws:invokeLambdaFunction\n  inputs:\n    FunctionName: f\n    Payload: '{\"region\": \"{{ global:REGION }}\"}'\n";
    let stage = stage(steps, &[("f", &[answer("Done")])]);
    assert_eq!(stage.run().await.status, Status::Success);
    assert_eq!(stage.script.asked("f"), [json!({"region": WEST})]);
}

#[tokio::test(start_paused = true)]
async fn both_readings_of_a_selectors_root() {
    let answered = Does::Answer(json!({"status": "inner", "Payload": {"status": "outer"}}));
    for (selector_root_is_payload, whole, root) in
        [(false, "inner", "{{ a.root }}"), (true, "outer", "inner")]
    {
        let reading = Reading { selector_root_is_payload, ..READING };
        let steps = lambda("a", "f", "  - {Name: root, Selector: $.status, Type: String}\n")
            + "- name: b\n  action: aws:invokeLambdaFunction\n  inputs: {FunctionName: g, InputPayload: {whole: '{{ a.status }}', root: '{{ a.root }}'}}\n";
        let script: [(&str, &[Does]); 2] =
            [("f", std::slice::from_ref(&answered)), ("g", &[Does::Answer(json!({}))])];
        let stage = stage_of(reading, &[("doc", document(&steps))], &script);
        assert_eq!(stage.run().await.status, Status::Success);
        assert_eq!(stage.script.asked("g"), [json!({"whole": whole, "root": root})]);
    }
}

#[tokio::test(start_paused = true)]
async fn both_readings_of_a_functions_error() {
    for (function_error_fails_step, status) in [(true, Status::Failed), (false, Status::Success)] {
        let reading = Reading { function_error_fails_step, ..READING };
        let stage = stage_of(reading, &[("doc", document(&lambda("a", "f", "")))], &[("f", &[FAIL])]);
        let ended = stage.run().await;
        assert_eq!((ended.status, step(&ended, "a").status), (status, status));
        let outputs = &step(&ended, "a").outputs;
        assert_eq!(outputs["FunctionError"], "Unhandled");
        assert_eq!(outputs["Payload"], json!({"errorType": "Broken", "errorMessage": "no"}).to_string());
        assert!(!outputs.contains_key("status"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_function_and_too_large_an_answer_fail_under_each_reading() {
    let large = Does::Answer(json!({"status": "x".repeat(201 * 1024)}));
    for reading in Reading::ALL {
        for (function, said) in [("f", "at most"), ("unknown", "ResourceNotFoundException")] {
            let script: [(&str, &[Does]); 1] = [("f", std::slice::from_ref(&large))];
            let stage = stage_of(reading, &[("doc", document(&lambda("a", function, "")))], &script);
            let ended = stage.run().await;
            assert_eq!(ended.status, Status::Failed);
            assert!(ended.failure_message.unwrap().contains(said));
        }
    }
}

// Branches and loops.

#[tokio::test(start_paused = true)]
async fn a_branch_goes_to_the_first_choice_that_holds() {
    let branch = |rest: &str| {
        lambda("look", "f", "")
            + "- name: choose\n  action: aws:branch\n  inputs:\n    Choices:\n    - {Variable: '{{ look.status }}', StringEquals: Done, NextStep: done}\n    - NextStep: busy\n      Or:\n      - {Variable: '{{ look.status }}', StringEquals: InProgress}\n      - Not: {Variable: '{{ look.status }}', StartsWith: ''}\n"
            + rest
            + &sleep("below", ", isEnd: true")
            + &sleep("done", ", isEnd: true")
            + &sleep("busy", ", isEnd: true")
    };
    let cases = [
        ("Done", "", Some("done")),
        ("InProgress", "", Some("busy")),
        ("other", "", Some("below")),
        ("other", "    Default: busy\n", Some("busy")),
        ("other", "  isEnd: true\n", None),
        // AWS's example: a choice that holds goes before isEnd.
        ("Done", "  isEnd: true\n", Some("done")),
        ("other", "  nextStep: done\n", Some("done")),
    ];
    for (status, rest, expected) in cases {
        let ended = stage(&branch(rest), &[("f", &[answer(status)])]).run().await;
        assert_eq!(ran(&ended).get(2).map(|(name, _)| *name), expected, "{status} {rest}");
        assert_eq!(ended.status, Status::Success);
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_on_an_output_that_is_not_there_takes_its_default_or_fails() {
    let steps = lambda("look", "f", "")
        + "- name: choose\n  action: aws:branch\n  onFailure: step:failed\n  inputs:\n    Choices:\n    - {Variable: '{{ look.status }}', StringEquals: Done, NextStep: done}\n    - {Variable: '{{ later.status }}', StringEquals: Done, NextStep: done}\n    Default: below\n"
        + &sleep("below", ", isEnd: true")
        + &sleep("done", ", isEnd: true")
        + &sleep("failed", ", isEnd: true")
        + &lambda("later", "f", "  isEnd: true\n");
    let cases = [
        ("Done", false, "done", Status::Success),
        ("other", false, "below", Status::Success),
        // In whichever choice it stands.
        ("Done", true, "failed", Status::Failed),
        ("other", true, "failed", Status::Failed),
    ];
    for (status, missing_output_fails_branch, expected, ended_as) in cases {
        let reading = Reading { missing_output_fails_branch, ..READING };
        let stage = stage_of(reading, &[("doc", document(&steps))], &[("f", &[answer(status)])]);
        let ended = stage.run().await;
        assert_eq!((ran(&ended)[2].0, ended.status), (expected, ended_as), "{status} {reading:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn branching_back_runs_a_step_again_and_records_each_run() {
    let steps = lambda("look", "f", "")
        + "- name: choose\n  action: aws:branch\n  inputs:\n    Choices:\n    - {Variable: '{{ look.status }}', StringEquals: Done, NextStep: end}\n    - {Variable: '{{ look.status }}', StringEquals: InProgress, NextStep: look}\n    Default: end\n"
        + &sleep("end", "");
    let stage_done = stage(&steps, &[("f", &[answer("InProgress"), answer("InProgress"), answer("Done")])]);
    let ended = stage_done.run().await;
    assert_eq!(ended.steps.iter().filter(|step| step.name == "look").count(), 3);
    assert_eq!(ended.status, Status::Success);
    // An earlier run's output does not outlive a failure: the branch takes the default.
    let lost = steps.replace("- name: choose", "  onFailure: Continue\n- name: choose");
    let ended = stage(&lost, &[("f", &[answer("InProgress"), FAIL])]).run().await;
    assert_eq!(
        ran(&ended).iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["look", "choose", "look", "choose", "end"]
    );
    // Nothing runs for ever.
    let ended = stage(&steps, &[("f", &[answer("InProgress")])]).run().await;
    assert_eq!(ended.status, Status::Failed);
    assert!(ended.failure_message.unwrap().contains("without end"));
}

const DO_WHILE: &str = "- name: again
  action: aws:loop
  inputs:
    MaxIterations: 4
    LoopCondition: {Variable: '{{ look.more }}', BooleanEquals: true}
    Steps:
    - name: look
      action: aws:invokeLambdaFunction
      inputs: {FunctionName: f, InputPayload: {number: '{{ again.CurrentIteration }}'}}
      outputs:
      - {Name: more, Selector: $.Payload.more, Type: Boolean}
";

#[tokio::test(start_paused = true)]
async fn a_do_while_loop_ends_with_its_condition_or_at_its_limit() {
    let more = |more: bool| Does::Answer(json!({"more": more}));
    let stage_ends = stage(DO_WHILE, &[("f", &[more(true), more(true), more(false)])]);
    let ended = stage_ends.run().await;
    assert_eq!(ended.status, Status::Success);
    assert_eq!(
        stage_ends.script.asked("f"),
        [json!({"number": 1}), json!({"number": 2}), json!({"number": 3})]
    );
    let parents: Vec<_> =
        ended.steps.iter().filter_map(|step| step.parent.as_ref()).map(|parent| parent.iteration).collect();
    assert_eq!(parents, [1, 2, 3]);
    let stage_limit = stage(DO_WHILE, &[("f", &[more(true)])]);
    assert_eq!(stage_limit.run().await.status, Status::Success);
    assert_eq!(stage_limit.script.asked("f").len(), 4);
    // The condition can't be evaluated: the loop fails.
    let ended = stage(DO_WHILE, &[("f", &[Does::Answer(json!({}))])]).run().await;
    assert_eq!(step(&ended, "again").status, Status::Failed);
    assert!(ended.failure_message.unwrap().contains("neither true nor false"));
}

#[tokio::test(start_paused = true)]
async fn a_for_each_loop_runs_once_for_each_item() {
    let text = "schemaVersion: '0.3'\nparameters:\n  Items: {type: StringList, default: [a, b]}\nmainSteps:\n- name: each\n  action: aws:loop\n  inputs:\n    Iterators: '{{ Items }}'\n    IteratorDataType: String\n    Steps:\n    - {name: inner, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: f, InputPayload: {item: '{{ each.CurrentIteratorValue }}'}}}\n";
    let stage = stage_of(READING, &[("doc", text.to_owned())], &[("f", &[answer("Done")])]);
    let ended = stage.run().await;
    assert_eq!(stage.script.asked("f"), [json!({"item": "a"}), json!({"item": "b"})]);
    assert_eq!(step(&ended, "inner").parent.as_ref().unwrap().item.as_deref(), Some("b"));
    let none = BTreeMap::from([("Items".to_owned(), vec![])]);
    let id = stage.automation.start(WEST, "doc", none).unwrap();
    assert_eq!(ran(&stage.ended(&id).await), [("each", Status::Success)]);
    let many = BTreeMap::from([("Items".to_owned(), vec!["x".to_owned(); 50])]);
    let id = stage.automation.start(WEST, "doc", many).unwrap();
    assert_eq!(stage.ended(&id).await.steps.len(), 51);
}

#[tokio::test(start_paused = true)]
async fn a_step_inside_a_loop_decides_for_itself_else_the_loop_does() {
    // Keys of the step inside, keys of the loop, whether `below` and `aside` run, status.
    let cases = [
        ("", "", false, false, Status::Failed),
        ("", "  onFailure: Continue\n", true, true, Status::Success),
        ("", "  onFailure: step:aside\n", false, true, Status::Failed),
        ("", "  onFailure: step:aside\n  isCritical: false\n", false, true, Status::Success),
        (", onFailure: Abort", "  onFailure: step:aside\n", false, false, Status::Failed),
        (", onFailure: 'step:aside'", "", false, true, Status::Failed),
        (", onFailure: Continue", "", true, true, Status::Success),
    ];
    for (inner, outer, below, aside, status) in cases {
        let steps = format!(
            "- name: each\n  action: aws:loop\n{outer}  inputs:\n    Iterators: [x, z]\n    Steps:\n    - {{name: inner, action: 'aws:invokeLambdaFunction', inputs: {{FunctionName: f}}{inner}}}\n"
        ) + &sleep("below", "")
            + &sleep("aside", "");
        let ended = stage(&steps, &[("f", &[FAIL])]).run().await;
        let has = |name: &str| ended.steps.iter().any(|step| step.name == name);
        assert_eq!((has("below"), has("aside"), ended.status), (below, aside, status), "{inner} in {outer}");
        assert!(ended.steps.iter().all(|step| step.status.ended()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_out_of_time_leaves_no_step_running() {
    let steps = DO_WHILE.replace("  inputs:\n    Max", "  timeoutSeconds: 5\n  inputs:\n    Max");
    let ended = stage(&steps, &[("f", &[Does::Takes(Duration::from_secs(60))])]).run().await;
    assert_eq!(ran(&ended), [("again", Status::TimedOut), ("look", Status::TimedOut)]);
    assert_eq!(ended.status, Status::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn variables_are_updated_without_a_conversion() {
    let text = |value: &str| {
        format!(
            "schemaVersion: '0.3'\nvariables:\n  seen: {{type: String, default: nothing}}\nmainSteps:\n- {{name: set, action: 'aws:updateVariable', inputs: {{Name: 'variable:seen', Value: {value}}}}}\n- {{name: show, action: 'aws:invokeLambdaFunction', inputs: {{FunctionName: f, InputPayload: {{seen: '{{{{ variable:seen }}}}'}}}}}}\n"
        )
    };
    let good = stage_of(READING, &[("doc", text("'{{ global:REGION }}'"))], &[("f", &[answer("Done")])]);
    assert_eq!(good.run().await.status, Status::Success);
    assert_eq!(good.script.asked("f"), [json!({"seen": WEST})]);
    let bad = stage_of(READING, &[("doc", text("5"))], &[("f", &[answer("Done")])]);
    let ended = bad.run().await;
    assert_eq!(ended.status, Status::Failed);
    assert!(ended.failure_message.unwrap().contains("takes a String"));
}

// Services.

const DESCRIBE: &str = "  inputs:\n    Service: rds\n    Api: describeGlobalClusters\n    GlobalClusterIdentifier: '{{ global:REGION }}'\n";

#[tokio::test(start_paused = true)]
async fn a_service_is_called_as_automation_in_the_executions_region() {
    let steps = format!(
        "- name: ask\n  action: aws:executeAwsApi\n{DESCRIBE}  outputs:\n  - {{Name: ids, Selector: '$.GlobalClusters[*].Id', Type: StringList}}\n  - {{Name: first, Selector: '$.GlobalClusters[0].Id'}}\n"
    );
    let clusters = Does::Answer(json!({"GlobalClusters": [{"Id": "a"}, {"Id": "b"}]}));
    let stage = stage(&steps, &[("DescribeGlobalClusters", &[clusters])]);
    let ended = stage.run().await;
    assert_eq!(step(&ended, "ask").outputs["ids"], json!(["a", "b"]));
    assert_eq!(step(&ended, "ask").outputs["first"], "a");
    let calls = stage.script.calls.lock().unwrap();
    let call = &calls[0];
    assert_eq!((call.principal.as_str(), call.region.as_str()), ("AUTOMATION", WEST));
    assert_eq!((call.service.as_str(), call.operation.as_str()), ("rds", "DescribeGlobalClusters"));
    assert_eq!(call.input, json!({"GlobalClusterIdentifier": WEST}));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_no_or_nothing_fails_the_step() {
    let steps = format!("- name: ask\n  action: aws:executeAwsApi\n{DESCRIBE}");
    for (does, said, seconds) in [
        (Does::Error("GlobalClusterNotFoundFault"), "GlobalClusterNotFoundFault: said no", 0),
        (Does::Silence, "did not answer within 60", 60),
    ] {
        let stage = stage(&steps, &[("DescribeGlobalClusters", &[does])]);
        let ended = stage.run().await;
        assert_eq!((ended.status, stage.seconds(&ended)), (Status::Failed, seconds));
        assert!(ended.failure_message.as_ref().unwrap().contains(said), "{:?}", ended.failure_message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_property_is_asserted() {
    let steps = format!(
        "- name: check\n  action: aws:assertAwsResourceProperty\n{DESCRIBE}    PropertySelector: $.Status\n    DesiredValues: [available, 5]\n"
    );
    for (found, status) in [
        (json!({"Status": "available"}), Status::Success),
        (json!({"Status": "5"}), Status::Success),
        (json!({"Status": "creating"}), Status::Failed),
        (json!({}), Status::Failed),
    ] {
        let stage = stage(&steps, &[("DescribeGlobalClusters", &[Does::Answer(found.clone())])]);
        assert_eq!(stage.run().await.status, status, "{found}");
        // What is the action's own is not sent to the service.
        assert_eq!(stage.script.asked("DescribeGlobalClusters"), [json!({"GlobalClusterIdentifier": WEST})]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_property_is_waited_for_until_its_hour_is_up() {
    let steps = format!(
        "- name: wait\n  action: aws:waitForAwsResourceProperty\n{DESCRIBE}    PropertySelector: $.Status\n    DesiredValues: [available]\n"
    );
    let creating = Does::Answer(json!({"Status": "creating"}));
    let available = Does::Answer(json!({"Status": "available"}));
    let ends = stage(&steps, &[("DescribeGlobalClusters", &[creating.clone(), creating.clone(), available])]);
    assert_eq!(ends.run().await.status, Status::Success);
    assert_eq!(ends.script.asked("DescribeGlobalClusters").len(), 3);
    let never = stage(&steps, &[("DescribeGlobalClusters", &[creating])]);
    let ended = never.run().await;
    assert_eq!((ended.status, never.seconds(&ended)), (Status::TimedOut, 3600));
}

// People.

const APPROVE: &str = "- name: ask\n  action: aws:approve\n  inputs:\n    NotificationArn: topic\n    MinRequiredApprovals: 2\n    Approvers: [ann, 'arn:aws:iam::000000000000:role/bob']\n";

/// Lets what runs come to a wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn enough_approvers_have_to_agree() {
    let stage = stage(APPROVE, &[("Publish", &[Does::Answer(json!({}))])]);
    let id = stage.start();
    settle().await;
    let shown = stage.call("GetAutomationExecution", json!({"AutomationExecutionId": id})).await.unwrap();
    assert_eq!(shown["AutomationExecution"]["AutomationExecutionStatus"], "Waiting");
    assert_eq!(shown["AutomationExecution"]["CurrentStepName"], "ask");
    // The operator may do anything but that, too.
    for other in ["eve", "SANDBOX"] {
        let error = stage.signal(&id, "Approve", other).await.unwrap_err();
        assert_eq!(error.code, "InvalidAutomationSignalException", "{other}");
    }
    assert_eq!(
        stage.signal(&id, "Resume", "ann").await.unwrap_err().code,
        "InvalidAutomationSignalException"
    );
    stage.signal(&id, "Approve", "ann").await.unwrap();
    stage.signal(&id, "Approve", "ann").await.unwrap();
    settle().await;
    assert_eq!(stage.automation.execution(WEST, &id).unwrap().status, Status::Waiting);
    stage.signal(&id, "Approve", "bob").await.unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!(ended.status, Status::Success);
    assert_eq!(step(&ended, "ask").outputs["ApprovalStatus"], "Approved");
    assert_eq!(stage.script.asked("Publish").len(), 1);
    assert_eq!(
        stage.signal(&id, "Approve", "ann").await.unwrap_err().code,
        "InvalidAutomationSignalException"
    );
}

#[tokio::test(start_paused = true)]
async fn one_rejection_fails_the_step_and_silence_times_out_after_7_days() {
    let stage = stage(APPROVE, &[]);
    let id = stage.start();
    settle().await;
    stage.signal(&id, "Reject", "bob").await.unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!((ended.status, step(&ended, "ask").status), (Status::Failed, Status::Failed));
    assert_eq!(ended.failure_message.unwrap(), "rejected by bob: because");
    for payload in [json!({}), json!({"Comment": [""]})] {
        let id = stage.start();
        settle().await;
        let wordless = json!({"AutomationExecutionId": id, "SignalType": "Reject", "Payload": payload});
        stage.automation.call(WEST, "bob", "SendAutomationSignal", wordless).await.unwrap();
        assert_eq!(stage.ended(&id).await.failure_message.unwrap(), "rejected by bob");
    }
    let ended = stage.run().await;
    assert_eq!((ended.status, stage.seconds(&ended)), (Status::TimedOut, 7 * 24 * 3600));
}

/// People need the time that they need, however fast AWS is.
#[tokio::test(start_paused = true)]
async fn how_long_somebody_may_take_is_not_divided() {
    for action in ["{action: 'aws:approve', inputs: {Approvers: [ann]}", "{action: 'aws:pause', inputs: {}"] {
        let text = document(&format!("- {action}, name: ask, timeoutSeconds: 3600}}\n"));
        let documents = vec![("doc".to_owned(), Document::parse("doc", &text).unwrap())];
        let automation =
            Automation::new(environment(Clock::new(60.0), Arc::new(Script::default()), READING), documents);
        let id = automation.start(WEST, "doc", BTreeMap::new()).unwrap();
        let ended = automation.wait(WEST, &id).await.unwrap();
        assert_eq!(ended.status, Status::TimedOut, "{action}");
        let took = ended.started.duration_until(ended.ended.unwrap()).as_secs();
        assert_eq!(took, 3600, "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_approvers_an_approval_fails() {
    let text = "schemaVersion: '0.3'\nparameters:\n  Who: {type: StringList, default: []}\nmainSteps:\n- {name: ask, action: 'aws:approve', inputs: {Approvers: '{{ Who }}'}}\n";
    let ended = stage_of(READING, &[("doc", text.to_owned())], &[]).run().await;
    assert_eq!(ended.status, Status::Failed);
    assert!(ended.failure_message.unwrap().contains("approvers are needed"));
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_with_a_signal() {
    let stage = stage("- {name: hold, action: 'aws:pause', inputs: {}}\n", &[]);
    let id = stage.start();
    settle().await;
    assert_eq!(
        stage.signal(&id, "Approve", "SANDBOX").await.unwrap_err().code,
        "InvalidAutomationSignalException"
    );
    assert_eq!(
        stage.signal(&id, "StartStep", "SANDBOX").await.unwrap_err().code,
        "InvalidAutomationSignalException"
    );
    stage.signal(&id, "Resume", "SANDBOX").await.unwrap();
    assert_eq!(stage.ended(&id).await.status, Status::Success);
}

// The end from outside.

async fn stop(stage: &Stage, id: &str, kind: &str) -> Result<Value, ApiError> {
    stage.call("StopAutomationExecution", json!({"AutomationExecutionId": id, "Type": kind})).await
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_execution_runs_the_clean_up_that_the_step_names() {
    let steps =
        lambda("work", "f", "  onCancel: step:tidy\n") + &sleep("more", "") + &lambda("tidy", "g", "");
    let stage = stage(&steps, &[("f", &[Does::Silence]), ("g", &[answer("Done")])]);
    let id = stage.start();
    settle().await;
    stop(&stage, &id, "Cancel").await.unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!(ended.status, Status::Cancelled);
    assert_eq!(ran(&ended), [("work", Status::Cancelled), ("tidy", Status::Success)]);
    assert_eq!(stop(&stage, &id, "Cancel").await.unwrap_err().code, "InvalidAutomationStatusUpdateException");
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_has_two_minutes_and_is_not_cancelled_again() {
    let steps = lambda("work", "f", "  onCancel: step:tidy\n  isEnd: true\n") + &lambda("tidy", "g", "");
    let stage = stage(&steps, &[("f", &[Does::Silence]), ("g", &[Does::Silence])]);
    let id = stage.start();
    settle().await;
    stop(&stage, &id, "Cancel").await.unwrap();
    settle().await;
    stop(&stage, &id, "Cancel").await.unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!((ended.status, stage.seconds(&ended)), (Status::Cancelled, 120));
    assert_eq!(ran(&ended), [("work", Status::Cancelled), ("tidy", Status::Cancelled)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_clean_up_a_cancelled_execution_just_ends() {
    let stage = stage(&(sleep("a", "") + &sleep("b", "")), &[]);
    let id = stage.start();
    settle().await;
    stage.automation.cancel(WEST, &id).unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!((ended.status, ran(&ended)), (Status::Cancelled, vec![("a", Status::Cancelled)]));
}

#[tokio::test(start_paused = true)]
async fn a_step_inside_a_loop_names_the_clean_up() {
    let steps = DO_WHILE.replace("      outputs:", "      onCancel: step:tidy\n      outputs:")
        + &lambda("tidy", "g", "");
    let stage = stage(&steps, &[("f", &[Does::Silence]), ("g", &[answer("Done")])]);
    let id = stage.start();
    settle().await;
    stop(&stage, &id, "").await.unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!(
        ran(&ended),
        [("again", Status::Cancelled), ("look", Status::Cancelled), ("tidy", Status::Success)]
    );
    assert_eq!(ended.status, Status::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_completed_execution_ends_after_the_step_that_runs() {
    let stage = stage(&(sleep("a", "") + &sleep("b", "")), &[]);
    let id = stage.start();
    settle().await;
    assert_eq!(stop(&stage, &id, "Later").await.unwrap_err().code, "ValidationException");
    stop(&stage, &id, "Complete").await.unwrap();
    let ended = stage.ended(&id).await;
    assert_eq!((ended.status, ran(&ended)), (Status::Success, vec![("a", Status::Success)]));
}

#[tokio::test(start_paused = true)]
async fn what_is_closed_stops_at_once() {
    let stage = stage(&lambda("a", "f", ""), &[("f", &[Does::Takes(Duration::from_secs(60))])]);
    let id = stage.start();
    settle().await;
    stage.automation.close();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(!stage.automation.execution(WEST, &id).unwrap().status.ended());
    assert_eq!(Arc::strong_count(&stage.script), 2, "the services are let go of");
}

// State machines.

fn machine() -> String {
    document(
        "- name: run\n  action: aws:executeStateMachine\n  inputs: {stateMachineArn: 'arn:m', name: one, input: '{\"a\": 1}'}\n",
    )
}

/// An execution as it is described.
fn described(status: &str, more: &Value) -> Does {
    let mut shown = json!({"executionArn": "arn:e", "status": status, "startDate": "2026-11-25T09:00:00Z"});
    shown.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Does::Answer(shown)
}

const STARTED: &str = "StartExecution";

fn started() -> Does {
    Does::Answer(json!({"executionArn": "arn:e", "startDate": "2026-11-25T09:00:00Z"}))
}

#[tokio::test(start_paused = true)]
async fn a_state_machine_is_started_and_awaited() {
    let runs = described("RUNNING", &json!({}));
    let good = described("SUCCEEDED", &json!({"output": "{\"b\": 2}"}));
    let script = [(STARTED, &[started()][..]), ("DescribeExecution", &[runs.clone(), runs, good])];
    let stage = stage_of(READING, &[("doc", machine())], &script);
    let ended = stage.run().await;
    assert_eq!((ended.status, stage.seconds(&ended)), (Status::Success, 10));
    let request = json!({"stateMachineArn": "arn:m", "name": "one", "input": "{\"a\": 1}"});
    assert_eq!(stage.script.asked(STARTED), [request]);
    let call = stage.script.calls.lock().unwrap()[0].clone();
    assert_eq!((call.service.as_str(), call.region.as_str()), ("states", WEST));
    let outputs = &step(&ended, "run").outputs;
    assert_eq!((&outputs["status"], &outputs["output"]), (&json!("SUCCEEDED"), &json!("{\"b\": 2}")));
}

#[tokio::test(start_paused = true)]
async fn a_state_machine_that_does_not_succeed_fails_its_step() {
    for (name, status) in
        [("FAILED", Status::Failed), ("ABORTED", Status::Failed), ("TIMED_OUT", Status::TimedOut)]
    {
        let bad = described(name, &json!({"error": "States.Runtime", "cause": "because"}));
        let script = [(STARTED, &[started()][..]), ("DescribeExecution", &[bad])];
        let ended = stage_of(READING, &[("doc", machine())], &script).run().await;
        assert_eq!((ended.status, &step(&ended, "run").outputs["status"]), (status, &json!(name)));
        let message = ended.failure_message.unwrap();
        assert!(message.contains(&format!("arn:e ended {name}: States.Runtime: because")), "{message}");
    }
    let refused = [(STARTED, &[Does::Error("StateMachineDoesNotExist")][..])];
    let ended = stage_of(READING, &[("doc", machine())], &refused).run().await;
    assert!(ended.failure_message.unwrap().contains("StateMachineDoesNotExist"));
}

#[tokio::test(start_paused = true)]
async fn a_state_machine_is_stopped_with_its_step() {
    let script = [
        (STARTED, &[started()][..]),
        ("DescribeExecution", &[described("RUNNING", &json!({}))]),
        ("StopExecution", &[Does::Answer(json!({}))]),
    ];
    let stage = stage_of(READING, &[("doc", machine())], &script);
    let id = stage.start();
    tokio::time::sleep(Duration::from_secs(7)).await;
    stage.automation.cancel(WEST, &id).unwrap();
    assert_eq!(stage.ended(&id).await.status, Status::Cancelled);
    settle().await;
    assert_eq!(stage.script.asked("StopExecution"), [json!({"executionArn": "arn:e"})]);
}

#[tokio::test(start_paused = true)]
async fn in_the_other_reading_a_state_machine_is_started_only() {
    let reading = Reading { state_machine_is_not_awaited: true, ..READING };
    let script = [(STARTED, &[started()][..]), ("DescribeExecution", &[described("RUNNING", &json!({}))])];
    let stage = stage_of(reading, &[("doc", machine())], &script);
    let ended = stage.run().await;
    assert_eq!((ended.status, stage.seconds(&ended)), (Status::Success, 0));
    assert_eq!(step(&ended, "run").outputs["status"], json!("RUNNING"));
    settle().await;
    assert!(stage.script.asked("StopExecution").is_empty());
}

// Documents that run documents.

fn nested() -> Vec<(&'static str, String)> {
    let parent = "- name: child\n  action: aws:executeAutomation\n  inputs:\n    DocumentName: child\n    RuntimeParameters: {What: '{{ global:REGION }}'}\n";
    let child = format!(
        "schemaVersion: '0.3'\nparameters:\n  What: {{type: String}}\nmainSteps:\n{}outputs:\n- work.status\n",
        lambda("work", "f", "")
    );
    vec![("doc", document(parent)), ("child", child)]
}

#[tokio::test(start_paused = true)]
async fn a_document_runs_another_and_takes_its_outputs() {
    let good = stage_of(READING, &nested(), &[("f", &[answer("Done")])]);
    let ended = good.run().await;
    assert_eq!(ended.status, Status::Success);
    assert_eq!(step(&ended, "child").outputs["Output"], json!(["Done"]));
    let all = good
        .call(
            "DescribeAutomationExecutions",
            json!({"Filters": [{"Key": "ParentExecutionId", "Values": [ended.id]}]}),
        )
        .await
        .unwrap();
    assert_eq!(all["AutomationExecutionMetadataList"][0]["DocumentName"], "child");
    let bad = stage_of(READING, &nested(), &[("f", &[FAIL])]);
    let ended = bad.run().await;
    assert_eq!(
        (ended.status, step(&ended, "child").outputs["Status"].clone()),
        (Status::Failed, json!("Failed"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_parent_cancels_its_child() {
    let stage = stage_of(READING, &nested(), &[("f", &[Does::Silence])]);
    let id = stage.start();
    settle().await;
    stage.automation.cancel(WEST, &id).unwrap();
    stage.ended(&id).await;
    settle().await;
    let all = stage
        .call(
            "DescribeAutomationExecutions",
            json!({"Filters": [{"Key": "ExecutionStatus", "Values": ["Cancelled"]}]}),
        )
        .await
        .unwrap();
    assert_eq!(all["AutomationExecutionMetadataList"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn documents_nest_five_levels_deep() {
    let text = document("- {name: again, action: 'aws:executeAutomation', inputs: {DocumentName: doc}}\n");
    let stage = stage_of(READING, &[("doc", text)], &[]);
    let ended = stage.run().await;
    assert_eq!(ended.status, Status::Failed);
    let all = stage.call("DescribeAutomationExecutions", json!({})).await.unwrap();
    assert_eq!(all["AutomationExecutionMetadataList"].as_array().unwrap().len(), 5);
}

// The operations.

fn with_parameters() -> Stage {
    let text = "schemaVersion: '0.3'\ndescription: A document.\nparameters:\n  Name: {type: String, allowedPattern: '[a-z]+', description: What it is.}\n  Mode: {type: String, allowedValues: [fast, slow], default: fast}\n  Count: {type: Integer, default: 1}\nmainSteps:\n- {name: a, action: 'aws:sleep', inputs: {Duration: PT1S}}\n";
    stage_of(READING, &[("doc", text.to_owned()), ("doc-2", document(&sleep("s", "")))], &[])
}

#[tokio::test(start_paused = true)]
async fn a_start_is_checked() {
    let stage = with_parameters();
    let start = |input: Value| {
        let stage = &stage;
        async move {
            stage.call("StartAutomationExecution", input).await.map_err(|error| (error.code, error.message))
        }
    };
    let (code, message) = start(
        json!({"DocumentName": "doc", "Parameters": {"Mode": ["swift"], "Count": ["many"], "Extra": ["1"]}}),
    )
    .await
    .unwrap_err();
    assert_eq!(code, "InvalidAutomationExecutionParametersException");
    for said in [
        "Name: is required",
        "`swift` is not one of fast, slow",
        "takes a whole number",
        "Extra: the document has no such",
    ] {
        assert!(message.contains(said), "{message}");
    }
    for name in ["ABC", "ab1", ""] {
        let (code, _) =
            start(json!({"DocumentName": "doc", "Parameters": {"Name": [name]}})).await.unwrap_err();
        assert_eq!(code, "InvalidAutomationExecutionParametersException", "{name}");
    }
    let long = "x".repeat(513);
    start(json!({"DocumentName": "doc", "Parameters": {"Name": [long]}})).await.unwrap_err();
    let (code, _) = start(json!({"DocumentName": "other"})).await.unwrap_err();
    assert_eq!(code, "AutomationDefinitionNotFoundException");
    let (code, _) = start(json!({"DocumentName": "doc", "DocumentVersion": "7"})).await.unwrap_err();
    assert_eq!(code, "AutomationDefinitionVersionNotFoundException");
    let (code, _) = start(json!({"DocumentName": "doc", "Targets": []})).await.unwrap_err();
    assert_eq!(code, "ValidationException");

    let good = json!({"DocumentName": "doc", "Parameters": {"Name": ["abc"]}, "ClientToken": "0a0b0c0d-0000-4000-8000-000000000001"});
    let id = start(good.clone()).await.unwrap()["AutomationExecutionId"].as_str().unwrap().to_owned();
    assert_eq!(start(good).await.unwrap_err().0, "IdempotentParameterMismatch");
    let ended = stage.ended(&id).await;
    assert_eq!(ended.parameters["Mode"], ["fast"]);
    assert_eq!(ended.parameters["Count"], ["1"]);
    let arn = json!({"DocumentName": "arn:aws:ssm:sandbox-west:000000000000:automation-definition/doc-2"});
    start(arn).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn executions_belong_to_their_region() {
    let stage = with_parameters();
    let id = stage.automation.start(WEST, "doc-2", BTreeMap::new()).unwrap();
    let input = json!({"AutomationExecutionId": id});
    let elsewhere = stage.automation.call(EAST, "SANDBOX", "GetAutomationExecution", input).await;
    assert_eq!(elsewhere.unwrap_err().code, "AutomationExecutionNotFoundException");
    let none =
        stage.automation.call(EAST, "SANDBOX", "DescribeAutomationExecutions", json!({})).await.unwrap();
    assert_eq!(none, json!({"AutomationExecutionMetadataList": []}));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_executions_run_in_a_region_at_the_same_time() {
    let stage = with_parameters();
    let start = |region: &str| stage.automation.start(region, "doc-2", BTreeMap::new());
    for _ in 0..100 {
        start(WEST).unwrap();
    }
    assert_eq!(start(WEST).unwrap_err().code, "AutomationExecutionLimitExceededException");
    start(EAST).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    start(WEST).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_execution_is_shown_as_the_service_shows_it() {
    let keys = "  maxAttempts: 2\n  timeoutSeconds: 9\n  onFailure: step:b\n  nextStep: b\n";
    let stage = stage(&(lambda("a", "f", keys) + &sleep("b", "")), &[("f", &[answer("Done")])]);
    let id = stage.run().await.id;
    let shown = stage.call("GetAutomationExecution", json!({"AutomationExecutionId": id})).await.unwrap();
    let execution = &shown["AutomationExecution"];
    assert_eq!(execution["AutomationExecutionStatus"], "Success");
    assert_eq!(execution["DocumentName"], "doc");
    assert!(execution["ExecutionEndTime"].is_string());
    let step = &execution["StepExecutions"][0];
    for (key, expected) in [
        ("StepName", json!("a")),
        ("Action", json!("aws:invokeLambdaFunction")),
        ("StepStatus", json!("Success")),
        ("Inputs", json!({"FunctionName": "f"})),
        ("OnFailure", json!("step:b")),
        ("NextStep", json!("b")),
        ("IsEnd", json!(false)),
        ("IsCritical", json!(true)),
        ("MaxAttempts", json!(2)),
        ("TimeoutSeconds", json!(9)),
    ] {
        assert_eq!(step[key], expected, "{key}");
    }
    assert_eq!(step["Outputs"]["status"], json!(["Done"]));
    assert_eq!(step["Outputs"]["StatusCode"], json!(["200"]));

    let steps = |filter: Value| {
        let (stage, id) = (&stage, &id);
        async move {
            let input = json!({"AutomationExecutionId": id, "Filters": [filter]});
            stage.call("DescribeAutomationStepExecutions", input).await
        }
    };
    let found = steps(json!({"Key": "Action", "Values": ["aws:sleep"]})).await.unwrap();
    assert_eq!(found["StepExecutions"].as_array().unwrap().len(), 1);
    assert_eq!(
        steps(json!({"Key": "Colour", "Values": ["red"]})).await.unwrap_err().code,
        "InvalidFilterKey"
    );
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_newest_first() {
    let stage = with_parameters();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, stage.automation.start(WEST, "doc-2", BTreeMap::new()).unwrap());
    }
    let list = |token: Value| {
        let stage = &stage;
        async move {
            let filter = json!([{"Key": "DocumentNamePrefix", "Values": ["doc-"]}]);
            stage
                .call(
                    "DescribeAutomationExecutions",
                    json!({"Filters": filter, "MaxResults": 2, "NextToken": token}),
                )
                .await
        }
    };
    let first = list(Value::Null).await.unwrap();
    let second = list(first["NextToken"].clone()).await.unwrap();
    let shown = |page: &Value| page["AutomationExecutionMetadataList"].as_array().unwrap().clone();
    let found: Vec<_> = [shown(&first), shown(&second)]
        .concat()
        .iter()
        .map(|one| one["AutomationExecutionId"].clone())
        .collect();
    assert_eq!(json!(found), json!(ids));
    assert!(second.get("NextToken").is_none());
    assert_eq!(list(json!("x")).await.unwrap_err().code, "InvalidNextToken");
}

#[tokio::test(start_paused = true)]
async fn documents_are_shown() {
    let stage = with_parameters();
    let content = stage.call("GetDocument", json!({"Name": "doc-2"})).await.unwrap();
    assert_eq!(content["Content"], document(&sleep("s", "")));
    let shown = stage.call("DescribeDocument", json!({"Name": "doc"})).await.unwrap();
    assert_eq!(
        shown["Document"]["Parameters"][2],
        json!({"Name": "Name", "Type": "String", "Description": "What it is."})
    );
    let all = stage.call("ListDocuments", json!({})).await.unwrap();
    assert_eq!(all["DocumentIdentifiers"].as_array().unwrap().len(), 2);
    assert_eq!(stage.call("GetDocument", json!({"Name": "none"})).await.unwrap_err().code, "InvalidDocument");
    assert!(stage.automation.handles("GetDocument") && !stage.automation.handles("GetParameter"));
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_told() {
    let stage = stage(&sleep("a", ""), &[]);
    let mut events = stage.automation.subscribe();
    let id = stage.run().await.id;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        assert_eq!(
            (event.execution.as_str(), event.region.as_str(), event.document.as_str()),
            (id.as_str(), WEST, "doc")
        );
        told.push((event.step, event.kind));
    }
    let a = Some("a".to_owned());
    assert_eq!(
        told,
        [
            (a.clone(), EventKind::StepStarted),
            (a, EventKind::StepEnded(Status::Success, String::new())),
            (None, EventKind::ExecutionEnded(Status::Success)),
        ]
    );
}

// What does not load.

/// The problems of a document.
fn problems(text: &str) -> Vec<String> {
    match Document::parse("doc.yaml", text) {
        Ok(_) => Vec::new(),
        Err(DocumentError(problems)) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_is_wrong_in_a_document_is_named_with_file_step_and_key() {
    let inputs = "inputs: {Duration: PT1S}";
    let cases: Vec<(String, &str)> = vec![
        ("- {name: a, action: 'aws:slumber', inputs: {}}".into(), "doc.yaml, step a, action: there is no action `aws:slumber`"),
        ("- {name: a, action: 'aws:deleteImage', inputs: {ImageId: a}}".into(), "step a, inputs: `aws:deleteImage` exists in AWS but is not implemented"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, nextstep: b}}"), "doc.yaml, step a, nextstep: is not a key of a step"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, nextStep: b}}"), "step a, nextStep: there is no step `b` in mainSteps"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, onFailure: 'step:b'}}"), "step a, onFailure: there is no step `b`"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, onFailure: Retry}}"), "step a, onFailure: takes Abort, Continue or step:NAME"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, onCancel: 'step:b'}}"), "step a, onCancel: there is no step `b`"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, onCancel: 'step:a'}}"), "can't lead to `a`: AWS takes no aws:sleep"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, maxAttempts: 0}}"), "step a, maxAttempts: takes a whole number from 1"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, timeoutSeconds: soon}}"), "step a, timeoutSeconds: takes a whole number"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, isEnd: 'yes'}}"), "step a, isEnd: takes true or false"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, isEnd: true, nextStep: a}}"), "step a, nextStep: contradicts isEnd"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}}}\n- {{name: a, action: 'aws:sleep', {inputs}}}"), "step a, name: is the name of another step too"),
        ("- {action: 'aws:sleep', inputs: {Duration: PT1S}}".into(), "doc.yaml, mainSteps[0].name: is missing"),
        ("- {name: a, inputs: {}}".into(), "step a, action: is missing"),
        ("- {name: a, action: 'aws:sleep'}".into(), "step a, inputs: is missing"),
        ("- {name: 'a b', action: 'aws:pause', inputs: {}}".into(), "name: takes letters, digits"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: 10}}".into(), "step a, inputs.Duration: takes an ISO 8601 duration"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: PT1S, Timestamp: '2030-01-01T00:00:00Z'}}".into(), "exactly one of Duration and Timestamp"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: PT1S, Length: 4}}".into(), "step a, inputs.Length: is not a key of aws:sleep's inputs"),
        ("- {name: a, action: 'aws:invokeLambdaFunction', inputs: {}}".into(), "step a, inputs.FunctionName: is missing"),
        ("- {name: a, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: f, Payload: '{'}}".into(), "step a, inputs.Payload: is not JSON"),
        ("- {name: a, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: f, InputPayload: [1]}}".into(), "step a, inputs.InputPayload: takes a map"),
        ("- {name: a, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: f, InvocationType: Event}}".into(), "only RequestResponse"),
        ("- {name: a, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: f}, outputs: [{Name: o, Selector: 'status'}]}".into(), "step a, outputs[0].Selector: is not a JSONPath"),
        ("- {name: a, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: f}, outputs: [{Name: o, Selector: '$', Type: Text}]}".into(), "there is no output type `Text`"),
        ("- {name: a, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: f}, outputs: [{Name: Payload, Selector: '$'}]}".into(), "`Payload` is a reserved output"),
        ("- {name: a, action: 'aws:pause', inputs: {}, outputs: [{Name: o, Selector: '$'}]}".into(), "step a, outputs: aws:pause takes none"),
        ("- {name: a, action: 'aws:executeAwsApi', inputs: {Api: Publish}}".into(), "step a, inputs.Service: is missing"),
        ("- {name: a, action: 'aws:executeAwsApi', inputs: {Service: ec2, Api: X}}".into(), "the local runner does not know the service `ec2`"),
        ("- {name: a, action: 'aws:executeAwsApi', inputs: {Service: rds, Api: describe_db_clusters}}".into(), "takes an operation such as DescribeDBClusters"),
        ("- {name: a, action: 'aws:assertAwsResourceProperty', inputs: {Service: rds, Api: X, PropertySelector: x, DesiredValues: []}}".into(), "step a, inputs.DesiredValues: takes a list of values"),
        ("- {name: a, action: 'aws:waitForAwsResourceProperty', inputs: {Service: rds, Api: X, DesiredValues: [1]}}".into(), "step a, inputs.PropertySelector: is missing"),
        ("- {name: a, action: 'aws:approve', inputs: {Approvers: []}}".into(), "takes a list of 1 to 10 principals"),
        ("- {name: a, action: 'aws:approve', inputs: {Approvers: [ann], MinRequiredApprovals: 2}}".into(), "step a, inputs.MinRequiredApprovals: takes a whole number from 1 to 1"),
        ("- {name: a, action: 'aws:executeAutomation', inputs: {}}".into(), "step a, inputs.DocumentName: is missing"),
        ("- {name: a, action: 'aws:executeStateMachine', inputs: {}}".into(), "step a, inputs.stateMachineArn: is missing"),
        ("- {name: a, action: 'aws:executeStateMachine', inputs: {stateMachineArn: m, input: '{'}}".into(), "step a, inputs.input: is not JSON"),
        ("- {name: a, action: 'aws:executeStateMachine', inputs: {stateMachineArn: m, traceHeader: x}}".into(), "step a, inputs.traceHeader: is not a key of"),
        ("- {name: a, action: 'aws:updateVariable', inputs: {Name: 'variable:none', Value: 1}}".into(), "there is no variable `none`"),
        ("- {name: a, action: 'aws:branch', inputs: {}}".into(), "step a, inputs.Choices: is missing"),
        ("- {name: a, action: 'aws:branch', inputs: {Choices: [{NextStep: b, Variable: x, StringEquals: y}]}}".into(), "step a, inputs: there is no step `b`"),
        ("- {name: a, action: 'aws:branch', inputs: {Default: b, Choices: [{NextStep: a, Variable: x, StringEquals: y}]}}".into(), "there is no step `b`"),
        ("- {name: a, action: 'aws:branch', inputs: {Choices: [{NextStep: a, Variable: x, StringMatches: y}]}}".into(), "step a, inputs.Choices[0].StringMatches: is not a key of a choice"),
        ("- {name: a, action: 'aws:branch', inputs: {Choices: [{NextStep: a}]}}".into(), "needs exactly one of Variable, And, Or, Not"),
        ("- {name: a, action: 'aws:branch', inputs: {Default: a, Choices: [{NextStep: a, Variable: x, StringEquals: y}]}}".into(), "step a: is in an infinite loop"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, nextStep: b}}\n- {{name: b, action: 'aws:sleep', {inputs}, nextStep: a}}"), "step b: is in an infinite loop"),
        (format!("- {{name: a, action: 'aws:sleep', {inputs}, onFailure: Continue, nextStep: c}}\n- {{name: b, action: 'aws:sleep', {inputs}}}\n- {{name: c, action: 'aws:sleep', {inputs}}}"), "AWS does not say whether Continue"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ Time }}'}}".into(), "step a, inputs: {{ Time }} refers to nothing: no such parameter"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ b.time }}'}}".into(), "{{ b.time }} refers to nothing: no such step"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ a.time }}'}}".into(), "{{ a.time }} refers to nothing: the step has no such output"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ global:TIME }}'}}".into(), "no such system variable"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ ssm:time }}'}}".into(), "no such system variable"),
        ("- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ variable:time }}'}}".into(), "no such variable"),
        ("- {name: a, action: 'aws:loop', inputs: {Steps: [{name: b, action: 'aws:pause', inputs: {}}]}}".into(), "needs exactly one of Iterators and LoopCondition"),
        ("- {name: a, action: 'aws:loop', inputs: {Iterators: [x]}}".into(), "step a, inputs.Steps: is missing"),
        ("- {name: a, action: 'aws:loop', inputs: {Iterators: [x], MaxIterations: 101, Steps: [{name: b, action: 'aws:pause', inputs: {}}]}}".into(), "takes a whole number from 1 to 100"),
        ("- {name: a, action: 'aws:loop', inputs: {Iterators: [x], Steps: [{name: b, action: 'aws:loop', inputs: {}}]}}".into(), "step b, inputs: a loop inside a loop"),
        ("- {name: a, action: 'aws:loop', inputs: {Iterators: [x], Steps: [{name: b, action: 'aws:pause', inputs: {}, nextStep: a}]}}".into(), "step b, nextStep: there is no step `a` among the loop's steps"),
        ("- {name: a, action: 'aws:loop', onCancel: 'step:a', inputs: {Iterators: [x], Steps: [{name: b, action: 'aws:pause', inputs: {}}]}}".into(), "step a, onCancel: AWS takes none for aws:loop"),
        ("- {name: a, action: 'aws:loop', inputs: {Iterators: [x], Steps: [{name: b, action: 'aws:approve', inputs: {Approvers: [ann]}}]}}\n- {name: c, action: 'aws:sleep', inputs: {Duration: '{{ b.ApprovalStatus }}'}}".into(), "the step is inside a loop"),
        ("- {name: a, action: 'aws:invokeLambdaFunction', inputs: {FunctionName: f, InputPayload: {\n    off: [x]}}}".into(), "quote `off`"),
    ];
    for (steps, expected) in cases {
        let found = problems(&document(&steps));
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{steps}\nexpected {expected}\nfound {found:#?}"
        );
    }
}

#[test]
fn what_is_wrong_around_the_steps_is_named() {
    let steps = "mainSteps:\n- {name: a, action: 'aws:pause', inputs: {}}\n";
    let cases = [
        (format!("schemaVersion: 0.3\n{steps}"), "schemaVersion: must be the text '0.3', not 0.3"),
        (steps.to_owned(), "schemaVersion: is missing"),
        ("schemaVersion: '0.3'\n".to_owned(), "mainSteps: is missing or has no step"),
        (format!("schemaVersion: '0.3'\nauthor: me\n{steps}"), "author: is not a key of a document"),
        (
            format!("schemaVersion: '0.3'\nfiles: {{}}\n{steps}"),
            "files: exists in AWS but is not implemented",
        ),
        (
            format!("schemaVersion: '0.3'\nassumeRole: '{{{{ Role }}}}'\n{steps}"),
            "assumeRole: {{ Role }} refers to nothing",
        ),
        (
            format!("schemaVersion: '0.3'\nparameters: {{P: {{type: Text}}}}\n{steps}"),
            "parameters.P.type: there is no parameter type `Text`",
        ),
        (
            format!("schemaVersion: '0.3'\nparameters: {{P: {{default: x}}}}\n{steps}"),
            "parameters.P.type: is missing",
        ),
        (
            format!("schemaVersion: '0.3'\nparameters: {{P: {{type: String, default: 5}}}}\n{steps}"),
            "parameters.P.default: 5 is not a String",
        ),
        (
            format!(
                "schemaVersion: '0.3'\nparameters: {{P: {{type: String, allowedPattern: '('}}}}\n{steps}"
            ),
            "parameters.P.allowedPattern: `(` is not a regular expression",
        ),
        (
            format!("schemaVersion: '0.3'\nparameters: {{P: {{type: String, required: true}}}}\n{steps}"),
            "parameters.P.required: is not a key of a parameter",
        ),
        (
            format!("schemaVersion: '0.3'\nvariables: {{V: {{type: Text}}}}\n{steps}"),
            "variables.V.type: there is no parameter type",
        ),
        (
            format!("schemaVersion: '0.3'\n{steps}outputs: [a.none]\n"),
            "outputs: {{ a.none }} refers to nothing",
        ),
        (format!("schemaVersion: '0.3'\nschemaVersion: '0.3'\n{steps}"), "is not YAML: duplicate"),
        ("- a list".to_owned(), "is not a map"),
        ("a: [".to_owned(), "is not YAML"),
        (
            format!("schemaVersion: '0.3'\ndescription: {}\n{steps}", "x".repeat(65 * 1024)),
            "bytes; SSM takes at most 65536",
        ),
    ];
    for (text, expected) in cases {
        let found = problems(&text);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "expected {expected}\nfound {found:#?}"
        );
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let steps = "- {name: a, action: 'aws:slumber', inputs: {}}\n- {name: b, action: 'aws:sleep', inputs: {Duration: PT1S}, nextStep: c, colour: red}\n- {name: d, action: 'aws:invokeLambdaFunction', inputs: {}}\n";
    assert_eq!(problems(&document(steps)).len(), 4);
}

#[test]
fn words_that_yaml_1_1_reads_as_booleans_have_to_be_quoted() {
    let lines = |lines: &str| {
        format!(
            "schemaVersion: '0.3'\ndescription: |-\n  on: this is text\n  no\nmainSteps:\n- name: a\n  action: aws:invokeLambdaFunction\n  inputs:\n    FunctionName: f\n    InputPayload:\n{lines}"
        )
    };
    assert_eq!(
        problems(&lines("      'on': ['x']\n      \"off\": 'no'\n      only: on-call # off\n")),
        [""; 0]
    );
    assert_eq!(problems(&lines("      on: x\n      a: Off\n      b:\n      - yes\n")).len(), 3);
}

#[test]
fn picker_types_are_texts() {
    let text = "schemaVersion: '0.3'\nassumeRole: '{{ Role }}'\nparameters:\n  Role: {type: 'AWS::IAM::Role::Arn'}\n  Buckets: {type: 'List<AWS::S3::Bucket::Name>', default: []}\nmainSteps:\n- {name: a, action: 'aws:pause', inputs: {}}\n";
    let document = Document::parse("doc.yaml", text).unwrap();
    assert_eq!(document.parameters["Role"].r#type, types::Type::String);
    assert_eq!(document.parameters["Buckets"].r#type, types::Type::StringList);
    assert_eq!(document.required().collect::<Vec<_>>(), ["Role"]);
}

// The runbooks of this repository.

fn runbook(name: &str) -> String {
    let path = format!("{}/../../ssm-documents/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_runbooks_load() {
    for name in ["failover", "failback", "readiness", "rebuild", "reconcile", "replay", "routing"] {
        assert_eq!(problems(&runbook(name)), [""; 0], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failover_runbook_ends_well_or_as_failed_under_every_reading() {
    let outcome = |status: &str| {
        let inner = json!({"status": status, "reason": "said", "observed": {"since": "2030-01-01T00:00:00Z", "lag": "{}",
            "location": "s3://reports/page", "summary": "in short"}, "changed": []});
        let mut outer = inner.clone();
        outer["Payload"] = inner;
        Does::Answer(outer)
    };
    let ready = [outcome("Ready"), outcome("Done")];
    let (done, refused) = ([outcome("Done")], [outcome("Refused")]);
    let recorded = [outcome("Done"), outcome("Refused")];
    let promoting = [outcome("InProgress"), outcome("InProgress"), outcome("Done")];
    let services = [Does::Answer(json!({"Account": ACCOUNT}))];
    let cases: [(&[Does], Status); 3] =
        [(&promoting, Status::Success), (&refused, Status::Failed), (&[FAIL], Status::Failed)];
    for reading in Reading::ALL {
        for (promotion, status) in &cases {
            let script: [(&str, &[Does]); 6] = [
                ("causeway-preflight", &ready),
                ("causeway-routing-control", &done),
                ("causeway-global-failover", promotion),
                // The record, and how it ended.
                ("causeway-report", if *status == Status::Success { &done } else { &recorded }),
                ("Publish", &services),
                ("GetCallerIdentity", &services),
            ];
            let stage = stage_of(reading, &[("doc", runbook("failover"))], &script);
            let given = [
                ("Plan", "/causeway/plans/shop"),
                ("ImpairedRegion", EAST),
                ("AutomationAssumeRole", "arn:aws:iam::000000000000:role/any"),
            ];
            let given = given.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
            let id = stage.automation.start(WEST, "doc", BTreeMap::from(given)).unwrap();
            let ended = stage.ended(&id).await;
            assert_eq!(ended.status, *status, "{reading:?}: {:?} {:?}", ended.failure_message, ran(&ended));
            let turned_on = stage.script.asked("causeway-routing-control").len() == 2;
            assert_eq!(turned_on, *status == Status::Success, "{reading:?}");
            let told = stage.script.asked("Publish");
            assert_eq!(told.len(), 1, "{reading:?}");
            assert_eq!(told[0]["Subject"].as_str().unwrap().contains("FAILED"), *status == Status::Failed);
        }
    }
}
