//! `causeway diff` on PostgreSQL.

use std::fs;
use std::process::{Command, Stdio};

use super::diff::{end, files, until};
use super::postgres_server::Postgres;
use super::{command, root};

fn diff(server: &Postgres, arguments: &[&str]) -> Command {
    let url = |database: &str| format!("postgres://u:hush@127.0.0.1:{}/{database}", server.port);
    let mut diff = Command::new(command());
    diff.arg("diff").args(arguments).current_dir(root()).stdin(Stdio::null());
    diff.env("CAUSEWAY_SOURCE", url("a")).env("CAUSEWAY_TARGET", url("b"));
    diff
}

#[test]
fn postgres_is_compared_by_the_command_and_a_killed_run_is_gone_on_with() {
    let Some(server) = Postgres::start() else { return };
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
    let (printed, said, code) = end(&diff(&server, &["--output", whole.to_str().unwrap()]).output().unwrap());
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
        let mut run = diff(&server, &["--connections", "1", begun, killed_path]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until(|| (state("t"), state("x")) != before || run.try_wait().unwrap().is_some());
        // SIGKILL.
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(begun == "--resume" || !killed.join("summary.json").exists(), "it was too fast to be killed");
    }
    let (printed, said, code) = end(&diff(&server, &["--resume", killed_path]).output().unwrap());
    assert_eq!((said.as_str(), code), ("", Some(1)), "{printed}");
    let found = files(&killed);
    for (name, text) in &expected {
        assert!(found[name] == *text, "{name} is not that of a run that was not broken");
    }
    assert_eq!(found.len(), expected.len(), "{:?}", found.keys());
}
