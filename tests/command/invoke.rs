//! `sam build`, as docs/deploy.md says, and every sample event of `events/` handed to the function of its own that this
//! built, with `cargo lambda invoke`, against a running sandbox. `sam local invoke` does the same inside a container, and
//! needs an engine for it, which can't be had here.
//!
//! It is built for this machine and unoptimised, as `make test` has done already: here it is only found to be there.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rehearsals::{STEPS, root};
use serde_json::Value;

use crate::Run;

/// Each event in an order in which each has something to do, with the `status` of the answer in sandbox-west. Two are
/// about an execution that Automation does not know here.
const EVENTS: [(&str, Result<&str, &str>); 20] = [
    ("routing-control-fill-endpoints", Ok("Done")),
    ("preflight-readiness", Ok("Ready")),
    ("global-failover-rebuild", Ok("Refused")),
    ("global-failover-keep", Ok("Done")),
    ("preflight", Ok("NeedsApproval")),
    ("routing-control", Ok("Done")),
    ("global-failover", Ok("InProgress")),
    ("preflight-verify", Ok("InProgress")),
    ("report-record", Err("there is no Automation execution")),
    ("snapshot-restore", Ok("Refused")),
    ("reconcile-cut", Ok("NotNeeded")),
    ("reconcile-range", Err("the old primary is not restored")),
    ("reconcile", Ok("Refused")),
    ("report", Ok("Refused")),
    ("replay", Ok("Refused")),
    ("snapshot-restore-cleanup", Ok("Done")),
    ("preflight-switchover", Ok("Refused")),
    ("report-switchover", Err("there is no Automation execution")),
    ("report-outcome", Err("there is no Automation execution")),
    ("region-switch", Err("there is no execution 4105a4fc-f944-11e6-9d32-0a1b2c3d4e5f of")),
];

/// A process that ends with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn cargo_lambda() -> Command {
    let program = root().join("target/python/bin/cargo-lambda");
    assert!(program.is_file(), "there is no {}: run `make setup` first", program.display());
    let mut command = Command::new(program);
    command.arg("lambda").stdin(Stdio::null());
    command
}

/// Runs `sam build` into this folder, with the functions that the tests are built beside: cargo-lambda would build everything once
/// more.
fn sam_build(to: &Path) {
    let sam = root().join("target/sam/bin/sam");
    assert!(sam.is_file(), "there is no {}: run `make setup` first", sam.display());
    // As Lambda names it.
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let built = Command::new(sam)
        .args(["build", "--parameter-overrides", &format!("Architecture={architecture}"), "--build-dir"])
        .arg(to)
        .env("BUILT", "target/debug")
        .env("SAM_CLI_TELEMETRY", "0")
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

/// The program that `sam build` made of a step: its folder has the name that the template has.
fn program(built: &Path, step: &str) -> PathBuf {
    let words = step.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    built.join(words.collect::<String>() + "Function").join("bootstrap")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn every_sample_event_is_answered_by_its_function() {
    let mut names = std::fs::read_dir(root().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    let mut tried = EVENTS.map(|(event, _)| event.to_owned()).to_vec();
    names.sort();
    tried.sort();
    assert_eq!(names, tried, "each event is tried");

    let built = tempfile::tempdir().unwrap();
    sam_build(built.path());
    // The template that `sam deploy` takes has the documents, wherever they are from there.
    let template = std::fs::read_to_string(built.path().join("template.yaml")).unwrap();
    let documents: Vec<&str> =
        template.lines().filter_map(|line| line.trim().strip_prefix("Location: ")).collect();
    assert_eq!(documents.len(), std::fs::read_dir(root().join("ssm-documents")).unwrap().count());
    for document in documents {
        assert!(built.path().join(document).is_file(), "{document}");
    }

    let mut run = Run::start(&["sandbox", "--factor", "240"]);
    let (endpoint, _, secret) = run.endpoints();
    let authority =
        run.said.lines().find_map(|line| line.split_once("CAUSEWAY_DATABASE_CA=")).unwrap().1.to_owned();
    let port = free_port().to_string();
    let (address, to) = ("127.0.0.1", ["--invoke-address", "127.0.0.1", "--invoke-port", &port]);
    let emulator =
        cargo_lambda().args(["watch", "--only-lambda-apis"]).args(to).stdout(Stdio::null()).spawn().unwrap();
    let mut emulator = Started(emulator);
    // It says nothing that can be waited for: it listens a moment after its last word.
    while TcpStream::connect(format!("{address}:{port}")).is_err() {
        assert!(emulator.0.try_wait().unwrap().is_none(), "cargo lambda watch ended");
        std::thread::yield_now();
    }
    let _functions = STEPS.map(|step| {
        let function = Command::new(program(built.path(), step))
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{address}:{port}/.rt/{step}"))
            .env("AWS_LAMBDA_FUNCTION_NAME", format!("causeway-{step}"))
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("AWS_ACCESS_KEY_ID", "SANDBOX")
            .env("AWS_SECRET_ACCESS_KEY", &secret)
            .env("AWS_REGION", "sandbox-west")
            .env("CAUSEWAY_DATABASE_CA", &authority)
            .stdout(Stdio::null())
            .spawn();
        Started(function.unwrap())
    });
    let mut wrong = Vec::new();
    for (event, expected) in EVENTS {
        let step = STEPS.into_iter().find(|step| event.starts_with(step)).unwrap();
        let file = root().join(format!("events/{event}.json"));
        let invoked =
            cargo_lambda().arg("invoke").arg(step).arg("--data-file").arg(file).args(to).output().unwrap();
        let said =
            String::from_utf8_lossy(&invoked.stdout).into_owned() + &String::from_utf8_lossy(&invoked.stderr);
        let answer: Value = serde_json::from_slice(&invoked.stdout).unwrap_or_default();
        let right = match expected {
            Ok(status) => answer["status"].as_str() == Some(status),
            Err(error) => said.contains(error),
        };
        if !right {
            wrong.push(format!("{event} answered: {said}"));
        }
    }
    run.interrupt();
    let (said, code) = run.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
