//! `causeway diff` on PostgreSQL, where Debian's package is installed. Its server does not run as root: it is run as the
//! package's user then. Without it this part says so and is skipped.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::diff::{end, files, until};
use super::{command, root};

/// A server that is gone when the value is dropped.
struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    fn start() -> Option<Self> {
        let mut versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions.next()?.ok()?.path().join("bin");
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, programs, port };
        if !server.run("initdb", &["-U", "u", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]) {
            return None;
        }
        let options =
            format!("-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off");
        assert!(server.run("pg_ctl", &["-w", "-o", &options, "-l", "/dev/null", "start"]));
        Some(server)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.programs.join(program);
        let mut run = if fs::metadata("/proc/self").unwrap().uid() == 0 {
            let mut run = Command::new("setpriv");
            run.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            run
        } else {
            Command::new(program)
        };
        run.arg("-D").arg(self.folder.path().join("data")).args(arguments).current_dir(self.folder.path());
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        run.status().is_ok_and(|status| status.success())
    }

    fn sql(&self, database: &str, sql: &str) {
        let port = self.port.to_string();
        let ran = Command::new(self.programs.join("psql"))
            .args(["-h", "127.0.0.1", "-U", "u", "-q", "-v", "ON_ERROR_STOP=1"])
            .args(["-p", &port, "-d", database, "-c", sql])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let url = |database: &str| format!("postgres://u:hush@127.0.0.1:{}/{database}", self.port);
        let mut diff = Command::new(command());
        diff.arg("diff").args(arguments).current_dir(root()).stdin(Stdio::null());
        diff.env("CAUSEWAY_SOURCE", url("a")).env("CAUSEWAY_TARGET", url("b"));
        diff
    }

    fn diff(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-m", "immediate", "stop"]);
    }
}

#[test]
fn postgres_is_compared_by_the_command_and_a_killed_run_is_gone_on_with() {
    let Some(server) = Postgres::start() else {
        eprintln!("SKIPPED: no PostgreSQL under /usr/lib/postgresql that can be started");
        return;
    };
    for (database, differ) in [
        ("a", "DELETE FROM t WHERE id % 1000 < 50; DELETE FROM x WHERE id > '4'"),
        (
            "b",
            "DELETE FROM t WHERE id % 1000 > 950; UPDATE t SET v = v || '!' WHERE id % 5 = 0; \
             UPDATE x SET v = 'y' WHERE id < '1'; UPDATE j SET v = '{\"b\": [2],  \"a\": 1.0}'",
        ),
    ] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
        server.sql(
            database,
            "CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t SELECT n, repeat('v', n % 50) FROM generate_series(1, 60000) n; \
             CREATE TABLE x (id text COLLATE \"und-x-icu\" PRIMARY KEY, v text); INSERT INTO x SELECT md5(n::text), 'x' FROM generate_series(1, 20000) n; \
             CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY); CREATE TABLE j (id int PRIMARY KEY, v json); INSERT INTO j VALUES (1, '{\"a\": 1, \"b\": [2]}')",
        );
        server.sql(database, differ);
    }
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let (printed, said, code) = end(&server.diff(&["--output", whole.to_str().unwrap()]));
    assert_eq!((said.as_str(), code), ("", Some(1)), "{printed}");
    assert!(printed.contains("4 tables: 2 alike, 2 different\n"), "{printed}");
    let expected = files(&whole);
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        [".state/run.json", "summary.json", "t.jsonl", "x.jsonl"]
    );
    assert_eq!(expected["t.jsonl"].lines().count(), 60 * (50 + 49 + 181), "{printed}");

    // Killed again and again, each time somewhere else: one table after the other, so that it is at one of them.
    let killed_path = killed.to_str().unwrap();
    let state = |name: &str| fs::read(killed.join(format!(".state/{name}.table.json"))).unwrap_or_default();
    for begun in ["--output", "--resume", "--resume", "--resume"] {
        let before = (state("t"), state("x"));
        let mut run = server.command(&["--connections", "1", begun, killed_path]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until(|| (state("t"), state("x")) != before || run.try_wait().unwrap().is_some());
        // SIGKILL.
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(begun == "--resume" || !killed.join("summary.json").exists(), "it was too fast to be killed");
    }
    let (printed, said, code) = end(&server.diff(&["--resume", killed_path]));
    assert_eq!((said.as_str(), code), ("", Some(1)), "{printed}");
    let found = files(&killed);
    for (name, text) in &expected {
        assert!(found[name] == *text, "{name} is not that of a run that was not broken");
    }
    assert_eq!(found.len(), expected.len(), "{:?}", found.keys());
}
