//! The built command on this machine, with real databases and the built step functions: drills, a sandbox that
//! independent clients drive, and comparisons. And whom the step functions believe to be a database.
//!
//! Each run gets a folder for temporary files of its own, so that what it leaves behind is seen.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod diff;
mod identity;
mod invoke;
mod postgres;
mod rotated;
mod sam_deploy;
mod stack;
// The servers of table-diff's own tests.
#[path = "../../crates/table-diff/tests/servers/support.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod database_server;
#[path = "../../crates/table-diff/tests/servers/postgres_server.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod postgres_server;
mod telemetry;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rehearsals::{look_at_pages, root};

/// The built command.
fn command() -> PathBuf {
    // target/debug/deps/command-…: the binaries are two folders up.
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let command = folder.join("causeway");
    assert!(command.is_file(), "there is no {}: run `make build` first", command.display());
    command
}

/// A run of the command.
struct Run {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    said: String,
    temporary: tempfile::TempDir,
}

impl Run {
    fn start(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut child = Command::new(command())
            .args(arguments)
            .current_dir(root())
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, said: String::new(), temporary }
    }

    /// Reads on until a line that holds `text`.
    fn read_until(&mut self, text: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            self.said += &format!("{line}\n");
            if line.contains(text) {
                return line;
            }
        }
        panic!("it ended without a word of {text}:\n{}", self.said);
    }

    /// Where a sandbox listens, for all services and for ARC's data plane in five Regions, and its secret access key.
    fn endpoints(&mut self) -> (String, [String; 5], String) {
        let endpoint = self.read_until("AWS_ENDPOINT_URL=").split_once('=').unwrap().1.to_owned();
        let arc = [(); 5].map(|()| {
            let line = self.read_until("--endpoint-url");
            let mut words = line.split_whitespace().skip_while(|word| *word != "--endpoint-url");
            words.nth(1).unwrap().to_owned()
        });
        (endpoint, arc, secret)
        let secret = self.read_until("AWS_SECRET_ACCESS_KEY=").rsplit_once('=').unwrap().1.to_owned();
    }

    /// As Ctrl-C does.
    fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }

    /// Waits for the end: what it said, and its exit status. Nothing may be left behind.
    fn end(mut self) -> (String, Option<i32>) {
        for line in self.lines.by_ref() {
            self.said += &format!("{}\n", line.unwrap());
        }
        // A line or two: what is long goes to files.
        self.child.stderr.take().unwrap().read_to_string(&mut self.said).unwrap();
        let code = self.child.wait().unwrap().code();
        let said = &self.said;
        let files: Vec<_> = std::fs::read_dir(self.temporary.path()).unwrap().collect();
        assert!(files.is_empty(), "files are left: {files:?}\n{said}");
        let mine = self.temporary.path().to_str().unwrap();
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let line = std::fs::read(entry.unwrap().path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(mine))
        });
        let processes: Vec<_> = processes.collect();
        assert!(processes.is_empty(), "processes are left: {processes:?}\n{said}");
        (self.said, code)
    }
}

/// Two at once: no port and no file is shared. The verdict of a drill is its exit status. One puts the lost rows back.
#[test]
fn two_drills_side_by_side_account_for_every_lost_write() {
    let output = tempfile::tempdir().unwrap();
    let runs = [("1", None), ("2", Some("--replay"))].map(|(seed, replay)| {
        let folder = output.path().join(seed);
        let arguments = ["drill", "--factor", "240", "--seed", seed, "--output", folder.to_str().unwrap()];
        let run = Run::start(&arguments.into_iter().chain(replay).collect::<Vec<_>>());
        (folder, run)
    });
    let pages = tempfile::tempdir().unwrap();
    for (folder, run) in runs {
        let (said, code) = run.end();
        assert_eq!(code, Some(0), "{said}");
        let (start, end) = (folder.to_str().unwrap(), "report.html");
        let path =
            said.split_whitespace().find(|word| word.starts_with(start) && word.ends_with(end)).unwrap();
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page.contains("CUSTOMER_ORDER"), "{path}");
        telemetry::holds(&folder.join("logs"), &telemetry::BY_A_DRILL);
        let written = ["failover/record.html", "reconcile/report.html", "replay/replay.html"]
            .map(|name| folder.join(name))
            .into_iter()
            .filter(|path| path.is_file());
        for (number, path) in written.enumerate() {
            let seed = folder.file_name().unwrap().to_str().unwrap();
            std::fs::copy(path, pages.path().join(format!("{seed}-{number}.html"))).unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(pages.path()).unwrap().count(), 5, "two records, two reports, a replay");
    look_at_pages(pages.path(), &pages.path().join("pictures")).unwrap();
}

#[test]
fn an_interrupted_drill_leaves_nothing_behind() {
    let output = tempfile::tempdir().unwrap();
    let mut run = Run::start(&["drill", "--factor", "240", "--output", output.path().to_str().unwrap()]);
    run.read_until("placing orders");
    run.interrupt();
    let (said, code) = run.end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.ends_with("causeway: interrupted: everything was stopped\n"), "{said}");
}

#[test]
fn independent_clients_drive_the_sandbox_by_the_night_guide() {
    let python = root().join("target/python/bin/python");
    for needed in [&python, &python.with_file_name("aws")] {
        assert!(needed.is_file(), "there is no {}: run `make setup` first", needed.display());
    }
    let mut run = Run::start(&["sandbox", "--factor", "240"]);
    let (endpoint, arc, secret) = run.endpoints();
    let script = root().join("tests/command/drive.py");
    let driven =
        Command::new(python).arg(script).arg(endpoint).args(arc).env("SECRET", secret).output().unwrap();
    // The sandbox takes its logs with it.
    let kept = tempfile::tempdir().unwrap();
    let copied = Command::new("sh")
        .args(["-c", "cp \"$0\"/causeway-logs-*/logs/* \"$1\""])
        .args([run.temporary.path(), kept.path()])
        .status();
    run.interrupt();
    let (said, code) = run.end();
    let errors = String::from_utf8_lossy(&driven.stderr);
    assert!(driven.status.success(), "{errors}\n{said}");
    assert_eq!(code, Some(0), "{said}");
    assert!(copied.unwrap().success());
    telemetry::holds(kept.path(), &telemetry::BY_AN_OPERATOR);
}
