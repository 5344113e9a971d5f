//! The calls that the sandbox shares with emulators that nobody here wrote, moto and ministack: `shared_calls.py` makes
//! the same ones to each of the three, with the same names. Answers are compared by their members and types, errors by
//! code and status.
//!
//! An emulator answers many members that the sandbox leaves out. Only one that something here reads is a difference: an
//! accessor of its name in a crate that is deployed, or its name in a selector of a runbook. What starts to read another
//! one is told here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rehearsals::{root, witnesses};
use sandbox::automation::Reading;
use sandbox::clock::Clock;
use sandbox::databases::NoServers;
use sandbox::functions::{Functions, NoFunctions};
use sandbox::router::Router;
use sandbox::wire::Wire;
use sandbox::wire::server::Listeners;
use sandbox::{EAST, REGIONS, WEST};
use serde::Deserialize;

use crate::python;
use rehearsals::emulator::Emulator;

/// What AWS's durations are divided by: the longest, a rebuilding of 20 minutes, takes a third of a second.
const FACTOR: f64 = 3_600.0;

/// What came of one call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    /// The operation and what was asked of it, as in `PutParameter over one that exists`.
    call: String,
    operation: String,
    /// Whether there is no such operation, or it broke: one emulator says the same of both.
    #[serde(default)]
    unknown: bool,
    error: Option<String>,
    status: Option<u16>,
    /// In words, for nobody.
    #[serde(rename = "message")]
    _message: Option<String>,
    /// Type by shape and member, as `DBCluster.Port`; none with an error.
    members: Option<BTreeMap<String, String>>,
}

impl Outcome {
    fn said(&self) -> String {
        match (&self.error, self.status) {
            (Some(code), Some(status)) => format!("{code} ({status})"),
            _ => "no error".to_owned(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_answers_shared_calls_as_emulators_do() {
    let (sandbox, moto, ministack) = tokio::join!(
        calls_to_the_sandbox(),
        tokio::task::spawn_blocking(|| calls_to_an_emulator("moto_server", &["-H", "127.0.0.1", "-p", "0"])),
        tokio::task::spawn_blocking(|| calls_to_an_emulator("ministack", &[])),
    );
    let emulators = [("moto", moto.unwrap()), ("ministack", ministack.unwrap())];
    let unknown: Vec<&str> = sandbox.iter().filter(|one| one.unknown).map(|one| one.call.as_str()).collect();
    assert!(unknown.is_empty(), "the script is of calls that the sandbox knows: {unknown:?}");
    let found = differences(&sandbox, &emulators, &Read::of_the_product());
    witnesses::hold("Shared calls", found).unwrap();
}

/// What differs between the sandbox and the emulators, in the words of the page.
fn differences(sandbox: &[Outcome], emulators: &[(&str, Vec<Outcome>)], read: &Read) -> BTreeSet<String> {
    // What differs, and from whom.
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut differs = |what: String, name| found.entry(what).or_default().push(name);
    for (name, outcomes) in emulators {
        assert_eq!(outcomes.len(), sandbox.len(), "the same script");
        let mut lacks = BTreeSet::new();
        for (here, there) in sandbox.iter().zip(outcomes) {
            let call = &here.call;
            assert_eq!(*call, there.call, "the same script");
            let knows = |one: &Outcome| one.operation == there.operation && !one.unknown;
            if there.unknown && outcomes.iter().any(knows) {
                differs(format!("{call}: {} here, broken in", here.said()), name);
            } else if there.unknown {
                lacks.insert(format!("no {} in", there.operation));
            } else if here.said() != there.said() {
                differs(format!("{call}: {} here, {} in", here.said(), there.said()), name);
            }
        }
        lacks.into_iter().for_each(|what| differs(what, name));
    }
    let ours = members(sandbox.iter());
    let all = members(emulators.iter().flat_map(|(_, outcomes)| outcomes));
    for (name, outcomes) in emulators {
        let theirs = members(outcomes.iter());
        let shapes: BTreeSet<&str> = ours.keys().map(|member| shape(member)).collect();
        for (member, kind) in theirs.iter().filter(|(member, _)| shapes.contains(shape(member))) {
            match ours.get(member) {
                None if read.member(member) => differs(format!("{member}: not here, {kind} in"), name),
                Some(ours) if ours != kind => differs(format!("{member}: {ours} here, {kind} in"), name),
                _ => {}
            }
        }
        let known: BTreeSet<&str> = theirs.keys().map(|member| shape(member)).collect();
        for (member, kind) in ours.iter().filter(|(member, _)| known.contains(shape(member))) {
            // Somebody else vouches for it, or nobody does.
            if !all.contains_key(member) {
                differs(format!("{member}: {kind} here, not in"), name);
            }
        }
    }
    found.into_iter().map(|(what, names)| format!("{what} {}", names.join(" and "))).collect()
}

/// Every member that was answered, with its type.
fn members<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> BTreeMap<&'a str, &'a str> {
    let all = outcomes.filter_map(|one| one.members.as_ref()).flatten();
    all.map(|(member, kind)| (member.as_str(), kind.as_str())).collect()
}

/// The shape of a member.
fn shape(member: &str) -> &str {
    member.split_once('.').map_or(member, |(shape, _)| shape)
}

/// What reads answers.
struct Read {
    /// The text of every crate that is deployed.
    crates: String,
    /// The lines of the runbooks that select something.
    selectors: String,
}

impl Read {
    fn of_the_product() -> Self {
        let mut crates = String::new();
        for name in rehearsals::STEPS.iter().chain(&["runbook", "comparison"]) {
            texts(&root().join("crates").join(name).join("src"), "rs", &mut crates);
        }
        let mut documents = String::new();
        texts(&root().join("ssm-documents"), "yaml", &mut documents);
        let selectors =
            documents.lines().filter(|line| line.contains("elector:")).collect::<Vec<_>>().join("\n");
        assert!(
            crates.contains(".db_clusters()") && selectors.contains("$."),
            "what reads answers was found"
        );
        Self { crates, selectors }
    }

    /// Whether anything reads a member of this name.
    fn member(&self, member: &str) -> bool {
        let name = member.rsplit('.').next().unwrap_or(member).trim_end_matches("[]");
        let selected = self.selectors.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
        selected || self.crates.contains(&format!(".{}()", accessor(name)))
    }
}

/// Every text below a folder, one after the other.
fn texts(folder: &Path, extension: &str, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, extension, into);
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// A member's accessor in the SDK: `DBClusterIdentifier` is `db_cluster_identifier`.
fn accessor(member: &str) -> String {
    let letters: Vec<char> = member.chars().collect();
    let mut name = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let after_small = index > 0 && !letters[index - 1].is_ascii_uppercase();
        let before_small = index > 0 && letters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && (after_small || before_small) {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[test]
fn a_member_is_read_by_its_accessor() {
    for (member, name) in [
        ("DBClusterIdentifier", "db_cluster_identifier"),
        ("IAMDatabaseAuthenticationEnabled", "iam_database_authentication_enabled"),
        ("KmsKeyId", "kms_key_id"),
        ("ETag", "e_tag"),
        ("Status", "status"),
    ] {
        assert_eq!(accessor(member), name);
    }
}

/// Runs the script against the sandbox, served without database servers.
async fn calls_to_the_sandbox() -> Vec<Outcome> {
    let clock = Clock::new(FACTOR);
    let listeners = Listeners::bind().await.unwrap();
    let world = sandbox::shop::world(clock, Arc::new(NoServers), &listeners.arc_urls).await.unwrap();
    let functions: Arc<dyn Functions> = Arc::new(NoFunctions);
    let automation = Arc::new(sandbox::runbooks(clock, Arc::clone(&functions), Reading::ALL[0], Vec::new()));
    let router = Arc::new(Router::new(Arc::clone(&world), Arc::clone(&automation), functions));
    let objects = tempfile::tempdir().unwrap();
    let wire = Arc::new(Wire::new(router, objects.path()).unwrap());
    for region in REGIONS {
        wire.create_bucket(runbook::plan::sample().report_bucket(region).unwrap()).unwrap();
    }
    let server = listeners.serve(&wire);
    let url = server.url.clone();
    let outcomes = tokio::task::spawn_blocking(move || script(&[&url, EAST, WEST])).await.unwrap();
    world.stop();
    outcomes.unwrap_or_else(|error| panic!("the sandbox: {error}"))
}

/// Runs the script against an emulator of the environment `target/emulators`, started for it on a port that the system
/// chooses.
fn calls_to_an_emulator(name: &str, arguments: &[&str]) -> Vec<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(name, arguments, folder.path()).unwrap();
    let outcomes = script(&[&emulator.url, "us-east-1", "us-west-2", "--prepare"]);
    outcomes.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs the script; an error is what it said.
fn script(arguments: &[&str]) -> Result<Vec<Outcome>, String> {
    let script = root().join("tests/witness/shared_calls.py");
    let output = Command::new(python()).arg(script).args(arguments).output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
