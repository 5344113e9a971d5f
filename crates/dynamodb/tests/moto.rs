//! Witness: moto, an emulator that nobody here wrote. `calls.py` makes the same calls to it and to the simulation, behind a
//! server of this test. Whole answers are compared; of errors the code, the status and what else is in the body, not the
//! message. What differs has its row in `docs/witnesses.md`, section `SECTION`, and each row there differs.
//!
//! What the simulation answers is also held against botocore's model of the service (`shapes.py`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests say what failed by panicking")]

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The section of the page that holds what differs.
const SECTION: &str = "DynamoDB";

/// Where the workspace is.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A program of the environment with the emulators.
fn program(name: &str) -> PathBuf {
    let program = root().join("target/emulators/bin").join(name);
    assert!(program.is_file(), "there is no {}: run `make setup` first", program.display());
    program
}

/// moto, until it is dropped.
struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(program("moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.by_ref().find_map(|line| {
            line.split_once("Running on ").map(|(_, url)| url.split_whitespace().next().unwrap().to_owned())
        });
        // What it says from now on is for nobody; it must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.expect("moto did not start") }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a script of this folder prints, as JSON.
fn run(script: &str, argument: &str, input: Option<&Path>) -> Value {
    let mut command = Command::new(program("python3"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script)).arg(argument);
    if let Some(input) = input {
        command.arg(input);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_moto_and_as_the_model_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let moto = Moto::start(folder.path());
    let here = server::start().await;
    let url = moto.url.clone();
    let there = tokio::task::spawn_blocking(move || run("calls.py", &url, None));
    let ours = tokio::task::spawn_blocking(move || run("calls.py", &here, None)).await.unwrap();
    let theirs = there.await.unwrap();

    if let Ok(to) = std::env::var("OUTCOMES") {
        std::fs::write(to, serde_json::json!([ours, theirs]).to_string()).unwrap();
    }
    let saved = folder.path().join("outcomes.json");
    std::fs::write(&saved, ours.to_string()).unwrap();
    let wrong = run("shapes.py", "dynamodb", Some(&saved));
    assert_eq!(wrong, serde_json::json!([]), "what botocore's model has not");

    let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
    let names =
        |all: &[Value]| all.iter().map(|one| one["call"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(ours), names(theirs), "the same script");
    let mut seen = BTreeSet::new();
    let twice: Vec<String> = names(ours).into_iter().filter(|name| !seen.insert(name.clone())).collect();
    assert!(twice.is_empty(), "each call has a name of its own: {twice:?}");
    assert!(ours.len() > 200, "only {} calls", ours.len());
    hold(&compare(ours, theirs));
}

#[test]
fn the_reserved_words_are_those_that_moto_has() {
    let list = "import moto.dynamodb.parsing, pathlib, sys; sys.stdout.write((pathlib.Path(moto.dynamodb.parsing.__file__).parent / 'reserved_keywords.txt').read_text())";
    let output = Command::new(program("python3")).args(["-c", list]).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let tables = server::tables();
    let reserved = |word: &str| {
        let get = serde_json::json!({"TableName": "none", "Key": {}, "ProjectionExpression": word});
        let error = tables.call("eu-west-1", "GetItem", &get, jiff::Timestamp::UNIX_EPOCH).unwrap_err();
        error.message.contains(&format!("reserved keyword: {word}"))
            // What is also a word of the syntax can't stand there either.
            || error.message.contains(&format!("Syntax error; token: \"{word}\""))
    };
    // As many as the crate's own test counts, so the lists are the same.
    assert_eq!(words.lines().filter(|word| !word.is_empty()).count(), 573);
    let missing: Vec<&str> = words.lines().filter(|word| !word.is_empty() && !reserved(word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What differs between the outcomes of a script. What moto breaks at is counted by operation, and descriptions of tables are
/// compared whatever the operation, since each of them has the same differences.
fn compare(ours: &[Value], theirs: &[Value]) -> BTreeSet<String> {
    let (mut found, mut broken) = (BTreeSet::new(), BTreeMap::new());
    for (ours, theirs) in ours.iter().zip(theirs) {
        let (name, operation) = (ours["call"].as_str().unwrap(), ours["operation"].as_str().unwrap());
        let said = |outcome: &Value| match outcome["error"].as_str() {
            Some(code) => format!("{code} ({})", outcome["status"]),
            None => "no error".to_owned(),
        };
        if theirs["error"] == "no JSON" {
            *broken.entry((operation, said(ours))).or_insert(0) += 1;
        } else if said(ours) != said(theirs) {
            found.insert(format!("{name}: {} here, {} in moto", said(ours), said(theirs)));
        } else if let Some(member) =
            ["Table", "TableDescription"].iter().find(|member| !ours["answer"][**member].is_null())
        {
            differences("a table:", &ours["answer"][*member], &theirs["answer"][*member], &mut found);
        } else {
            differences(&format!("{name}:"), &ours["answer"], &theirs["answer"], &mut found);
            differences(&format!("{name}:"), &ours["details"], &theirs["details"], &mut found);
        }
    }
    found.extend(broken.into_iter().map(|((operation, said), times)| {
        format!("{operation}: {said} here, broken in moto, {times} times")
    }));
    found
}

/// What differs between two values, at the place `at`.
fn differences(at: &str, ours: &Value, theirs: &Value, found: &mut BTreeSet<String>) {
    let shown = |value: &Value| {
        let text = value.to_string();
        if text.len() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
    };
    match (ours, theirs) {
        (Value::Object(one), Value::Object(two)) => {
            for name in one.keys().chain(two.keys()).collect::<BTreeSet<_>>() {
                // moto shows these to who did not ask, call by call.
                let unasked = ["ConsumedCapacity", "ItemCollectionMetrics"].contains(&name.as_str());
                let operation = at.split_once(' ').map_or(at, |(operation, _)| operation);
                let at =
                    if unasked && ours[name].is_null() { format!("{operation}:") } else { at.to_owned() };
                differences(&format!("{at} {name}"), &ours[name], &theirs[name], found);
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            for (one, two) in one.iter().zip(two) {
                differences(&format!("{at}[]"), one, two, found);
            }
        }
        _ if ours == theirs => {}
        (_, Value::Null) => drop(found.insert(format!("{at} is not in moto"))),
        (Value::Null, _) => drop(found.insert(format!("{at} is not here"))),
        _ => drop(found.insert(format!("{at} is {} here, {} in moto", shown(ours), shown(theirs)))),
    }
}

/// Holds what was found against the section of the page.
fn hold(found: &BTreeSet<String>) {
    let page = std::fs::read_to_string(root().join("docs/witnesses.md")).unwrap();
    let section = page.split("\n## ").find_map(|section| section.strip_prefix(SECTION)?.strip_prefix('\n'));
    let table = section.unwrap().split_once("| what differs | why |\n|---|---|\n").unwrap().1;
    let rows = table.lines().take_while(|line| line.starts_with('|')).map(|line| {
        let parts = line.strip_prefix("| `").and_then(|line| line.strip_suffix(" |")?.split_once("` | "));
        let (what, why) = parts.unwrap_or_else(|| panic!("write \"| `what differs` | why |\", not: {line}"));
        assert!(!why.trim().is_empty(), "without a reason: {what}");
        what.to_owned()
    });
    let mut listed: BTreeMap<String, bool> = rows.map(|what| (what, false)).collect();
    let mut problems = Vec::new();
    for what in found {
        match listed.get_mut(what) {
            Some(seen) => *seen = true,
            None => problems.push(format!("  differs: {what}")),
        }
    }
    problems.extend(
        listed.iter().filter(|(_, seen)| !**seen).map(|(what, _)| format!("  differs no more: {what}")),
    );
    assert!(
        problems.is_empty(),
        "mend what differs, or list it with its reason in docs/witnesses.md; take out what differs no more:\n{}",
        problems.join("\n")
    );
}
