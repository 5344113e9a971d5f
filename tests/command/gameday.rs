//! A game day against a sandbox in another process, over TCP only: by an experiment of FIS, and by hand.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use rehearsals::root;

use crate::{Run, command};

/// Holds the game days of `gameday.py`.
fn held(fault: &str) {
    let python = rehearsals::python().unwrap();
    let mut run = Run::start(&["sandbox", "--factor", "240", "--shop", "--rate", "0"]);
    let shop = run.read_until("The shop, as a customer finds it: ").rsplit_once(' ').unwrap().1.to_owned();
    let endpoint = run.read_until("AWS_ENDPOINT_URL=").split_once('=').unwrap().1.to_owned();
    let secret = run.read_until("AWS_SECRET_ACCESS_KEY=").rsplit_once('=').unwrap().1.to_owned();
    let authorities = run.read_until("CAUSEWAY_DATABASE_CA=").split_once('=').unwrap().1.to_owned();
    let folder = tempfile::tempdir().unwrap();
    let errors = folder.path().join("errors.txt");
    let mut driven = Command::new(python)
        .arg(root().join("tests/command/gameday.py"))
        .args([endpoint.as_str(), &shop, &authorities])
        .arg(folder.path())
        .env("SECRET", secret)
        .env("CAUSEWAY", command())
        .env("FAULT", fault)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A pipe that nobody reads meanwhile would fill.
        .stderr(std::fs::File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    // What it wants of the sandbox, it writes; the sandbox takes it from its own input.
    for order in BufReader::new(driven.stdout.take().unwrap()).lines() {
        let order = order.unwrap();
        run.child.stdin.as_mut().unwrap().write_all(format!("{order}\n").as_bytes()).unwrap();
    }
    let done = driven.wait().unwrap();
    run.interrupt();
    let (said, code) = run.end();
    assert!(done.success(), "{}\n{said}", std::fs::read_to_string(errors).unwrap());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_experiment_breaks_a_region_and_the_report_is_exact() {
    held("fis");
}

#[test]
fn a_region_is_broken_by_hand_and_every_lost_write_is_accounted_for() {
    held("hand");
}

#[test]
fn a_program_of_ones_own_writes_while_a_region_is_broken() {
    held("writer");
}
