//! The built command on this machine, with real databases and the built step functions: drills, a sandbox that
//! independent clients drive, and comparisons. And whom the step functions believe to be a database.
//!
//! Each run gets a folder for temporary files of its own, so that what it leaves behind is seen.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod diff;
mod document;
mod gameday;
mod identity;
mod init;
mod invoke;
mod night;
mod own;
mod postgres;
mod rotated;
mod sam_deploy;
mod shop;
mod stack;
mod strangers;
// The servers of table-diff's own tests.
#[path = "../../crates/table-diff/tests/servers/support.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod database_server;
#[path = "../../crates/table-diff/tests/servers/postgres_server.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod postgres_server;
mod telemetry;
mod workload;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

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
        Self::start_with(arguments, tempfile::tempdir().unwrap())
    }

    /// With this folder for temporary files.
    fn start_with(arguments: &[&str], temporary: tempfile::TempDir) -> Self {
        let mut child = Command::new(command())
            .args(arguments)
            .current_dir(root())
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::piped())
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
        let secret = self.read_until("AWS_SECRET_ACCESS_KEY=").rsplit_once('=').unwrap().1.to_owned();
        let arc = [(); 5].map(|()| {
            let line = self.read_until("--endpoint-url");
            let mut words = line.split_whitespace().skip_while(|word| *word != "--endpoint-url");
            words.nth(1).unwrap().to_owned()
        });
        (endpoint, arc, secret)
    }

    /// As Ctrl-C does.
    fn interrupt(&self) {
        self.signal("-INT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// The command lines of what it has started and what still runs: each has its folder in that, or for temporary files.
    fn processes(&self) -> Vec<String> {
        self.processes_with_lines().into_iter().map(|(_, line)| line).collect()
    }

    /// The same, with the folder of each in `/proc`.
    fn processes_with_lines(&self) -> Vec<(PathBuf, String)> {
        let mine = self.temporary.path().to_str().unwrap();
        let text = |path: PathBuf| Some(String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned());
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let process = entry.unwrap().path();
            let (line, environment) = (text(process.join("cmdline"))?, text(process.join("environ"))?);
            let is_mine = line.contains(mine) || environment.contains(&format!("TMPDIR={mine}"));
            is_mine.then_some((process, line))
        });
        processes.collect()
    }

    /// Whether a file that matches this pattern of the shell is there below the folder for temporary files.
    fn has(&self, pattern: &str) -> bool {
        let script = format!("ls -d {pattern}");
        let mut listed = Command::new("sh");
        listed.args(["-c", &script]).current_dir(self.temporary.path());
        listed.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
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
        // What Erlang has started for itself ends when it sees that Erlang has, a moment later.
        let end = Instant::now() + Duration::from_secs(5);
        while !self.processes().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let processes = self.processes();
        assert!(processes.is_empty(), "processes are left: {processes:?}\n{said}");
        (self.said, code)
    }
}

/// Two at once: no port and no file is shared. The verdict of a drill is its exit status. One has a database of either engine,
/// has the state machine compare ranges of them, and puts the lost rows back.
#[test]
fn two_drills_side_by_side_account_for_every_lost_write() {
    let output = tempfile::tempdir().unwrap();
    let engine = if has_postgres() { "mixed" } else { "mariadb" };
    let more: &[&str] = &["--replay", "--ranges", "60"];
    let runs = [("1", "mariadb", &[][..]), ("2", engine, more)].map(|(seed, engine, more)| {
        let folder = output.path().join(seed);
        let arguments = ["drill", "--factor", "240", "--seed", seed, "--output", folder.to_str().unwrap()];
        let engine = ["--engine", engine];
        let run = Run::start(&[&arguments[..], &engine, more].concat());
        (folder, run, more)
    });
    let pages = tempfile::tempdir().unwrap();
    for (folder, run, more) in runs {
        let (said, code) = run.end();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.contains("ranges are compared by themselves, 2 at once"), !more.is_empty(), "{said}");
        assert!(said.contains("7 tables compared"), "the shop's, and none of our own: {said}");
        let (start, end) = (folder.to_str().unwrap(), "report.html");
        let path =
            said.split_whitespace().find(|word| word.starts_with(start) && word.ends_with(end)).unwrap();
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page.to_lowercase().contains("customer_order"), "{path}");
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

/// Comes back when `holds` does, within a minute.
fn wait_until(holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "it took too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// However it is ended: Ctrl-C, a closed terminal, a reader that has seen enough. Also while a database is initialised.
#[test]
fn an_interrupted_drill_leaves_nothing_behind() {
    let output = tempfile::tempdir().unwrap();
    let drill = ["drill", "--factor", "240", "--output", output.path().to_str().unwrap()];
    let ended = |run: Run| {
        let (said, code) = run.end();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.ends_with("causeway: interrupted: everything was stopped\n"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    };
    for signal in ["-INT", "-HUP"] {
        let mut run = Run::start(&drill);
        run.read_until("DNS answers sandbox-east");
        run.signal(signal);
        ended(run);
    }
    let mut run = Run::start(&drill);
    run.read_until("DNS answers sandbox-east");
    run.lines = BufReader::new(nobody()).lines();
    ended(run);
    let run = Run::start(&drill);
    wait_until(|| run.has("causeway-*/databases/mariadb/template/ibdata1"));
    run.interrupt();
    ended(run);
}

#[test]
fn a_verdict_is_told_also_when_its_files_can_not_be_kept() {
    let output = tempfile::tempdir().unwrap();
    // In the way of a folder.
    let taken = output.path().join("reconcile");
    std::fs::write(&taken, "").unwrap();
    let run = Run::start(&["drill", "--factor", "240", "--output", output.path().to_str().unwrap()]);
    let (said, code) = run.end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("VERDICT  the report is exact"), "{said}");
    let error = said.lines().last().unwrap();
    assert!(error.contains(&format!("can't write {}/", taken.display())), "{error}");
    assert!(error.contains("the verdict above stands"), "{error}");
    assert!(output.path().join("failover/record.html").is_file());
}

#[test]
fn a_failover_whose_new_primary_is_dead_ends_in_time_and_its_record_is_kept() {
    let output = tempfile::tempdir().unwrap();
    let mut run = Run::start(&["drill", "--factor", "240", "--output", output.path().to_str().unwrap()]);
    run.read_until("DNS answers sandbox-east");
    // The servers of the primaries are the first two.
    let killed = Command::new("sh")
        .args(["-c", "kill -KILL $(cat causeway-*/databases/mariadb/server-3/pid)"])
        .current_dir(run.temporary.path())
        .status();
    assert!(killed.unwrap().success());
    let waits = run.read_until("waits for every database to have its writer in sandbox-west, until");
    assert!(waits.ends_with("at most (limits.promotionMinutes: 1)"), "an hour, divided: {waits}");
    let (said, code) = run.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("VERDICT      the failover runbook ended as Failed"), "{said}");
    let record = std::fs::read_to_string(output.path().join("failover/record.json")).unwrap();
    assert!(record.contains("promotionMinutes"), "{record}");
}

/// The output of a process that has ended.
fn nobody() -> ChildStdout {
    let mut ended = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    ended.wait().unwrap();
    ended.stdout.take().unwrap()
}

#[test]
fn the_servers_of_a_killed_drill_end_with_it_and_the_next_one_removes_its_files() {
    let output = tempfile::tempdir().unwrap();
    let drill = ["drill", "--factor", "240", "--output", output.path().to_str().unwrap()];
    let mut run = Run::start(&drill);
    run.read_until("DNS answers sandbox-east");
    run.signal("-KILL");
    run.child.wait().unwrap();
    wait_until(|| run.processes().is_empty());
    assert!(run.has("causeway-*/databases"));
    let mut next = Run::start_with(&drill, run.temporary);
    let mode = std::fs::metadata(output.path().join("logs")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the logs are for one user alone");
    next.read_until("which a run that was killed had left");
    next.read_until("DNS answers sandbox-east");
    next.interrupt();
    next.end();
}

#[test]
fn the_sandbox_is_broken_and_mended_while_it_runs() {
    let mut run = Run::start(&["sandbox", "--factor", "240"]);
    run.read_until("Commands on standard input");
    let mut input = run.child.stdin.take().unwrap();
    for (line, answer) in [
        ("isolate sandbox-east", "sandbox-east The Region is cut off"),
        ("lag orders 90", "the replication lag of orders is 90 s"),
        ("rejoin sandbox-east", "sandbox-east The Region is back"),
        ("isolate mars", "there is no Region \"mars\": sandbox-east and sandbox-west are"),
    ] {
        writeln!(input, "{line}").unwrap();
        run.read_until(answer);
    }
    // The end of its input is not its own.
    drop(input);
    run.interrupt();
    let (said, code) = run.end();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn independent_clients_drive_the_sandbox_by_the_night_guide() {
    drive("mariadb");
}

/// Every runbook of the guide, on PostgreSQL.
#[test]
fn independent_clients_drive_the_sandbox_on_postgres_by_the_night_guide() {
    if has_postgres() {
        drive("postgres");
    }
}

fn has_postgres() -> bool {
    let there = Path::new("/usr/lib/postgresql").exists();
    if !there {
        rehearsals::parts::missing("postgres", "there is no server below /usr/lib/postgresql");
    }
    there
}

fn drive(engine: &str) {
    let python = root().join("target/python/bin/python");
    for needed in [&python, &python.with_file_name("aws")] {
        assert!(needed.is_file(), "there is no {}: run `make setup` first", needed.display());
    }
    let mut run = Run::start(&["sandbox", "--factor", "240", "--engine", engine]);
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
    // The subjects that the guide has the operator look for.
    for subject in
        ["Causeway: approve the failover to sandbox-west? | ", "Causeway: sandbox-west has taken over | "]
    {
        assert!(said.contains(&format!("Message to causeway-notifications: {subject}")), "{subject}: {said}");
    }
    assert!(copied.unwrap().success());
    telemetry::holds(kept.path(), &telemetry::BY_AN_OPERATOR);
}
