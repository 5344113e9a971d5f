//! `causeway run` and `causeway status` at night, against a sandbox in another process: each runbook is started by the command and by what
//! the console gives, and both come to the same; what is shown is compared with golden transcripts, piped and on a terminal.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rehearsals::root;

use crate::{Run, command};

/// Where a person works: a folder of its own, with the sandbox's account in the environment.
#[test]
fn a_person_runs_the_night_by_one_command() {
    let python = rehearsals::python().unwrap();
    let mut run = Run::start(&["sandbox", "--factor", "240"]);
    let (endpoint, arc, secret) = run.endpoints();
    let folder = tempfile::tempdir().unwrap();
    let mut driven = Command::new(python)
        .arg(root().join("tests/command/night.py"))
        .arg(endpoint)
        .args(arc)
        .env("SECRET", secret)
        .env("CAUSEWAY", command())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What it wants of the sandbox, it writes; the sandbox takes it from its own input.
    let orders = std::io::BufRead::lines(std::io::BufReader::new(driven.stdout.take().unwrap()));
    for order in orders {
        let order = order.unwrap();
        std::io::Write::write_all(run.child.stdin.as_mut().unwrap(), format!("{order}\n").as_bytes())
            .unwrap();
    }
    let done = driven.wait_with_output().unwrap();
    run.interrupt();
    let (said, code) = run.end();
    assert!(done.status.success(), "{}\n{said}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(code, Some(0), "{said}");
    let mut names: Vec<String> =
        ["run-failover", "run-failover-refused", "run-failover-on-a-terminal", "status-dark"]
            .map(Into::into)
            .into();
    for runbook in ["readiness", "routing", "reconcile", "replay", "rebuild", "failback"] {
        names.extend([format!("run-{runbook}"), format!("run-{runbook}-on-a-terminal")]);
    }
    for name in names {
        golden(&name, &fs::read_to_string(folder.path().join(format!("{name}.txt"))).unwrap());
    }
}

/// Compares with the transcript, or writes it with `UPDATE_GOLDEN=1`.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("command/golden/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "{name} is not golden/{name}.txt; when it is meant to change, write it with UPDATE_GOLDEN=1"
    );
}
