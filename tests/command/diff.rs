//! `causeway diff` against a MariaDB server of its own, with two databases as the two sides.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{command, root};

/// A server that is gone when the value is dropped.
struct MariaDb {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl MariaDb {
    /// Starts one, with the users `u` (password `hush`, everything), and `few` (the same, what a test grants).
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--user=root", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .arg(format!("--datadir={}", path("data")))
            // Servers that share a temporary folder remove each other's tables.
            .arg(format!("--tmpdir={}", path("")))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("mariadb-install-db can't be run ({error}): run `make setup`"));
        assert!(made.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("mariadbd")
            .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args(["--innodb-buffer-pool-size=128M", "--innodb-flush-log-at-trx-commit=0"])
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--tmpdir={}", path("")))
            .arg(format!("--socket={}", path("s")))
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("mariadbd can't be run ({error}): run `make setup`"));
        let mut server = Self { process, folder, port };
        let users =
            "CREATE USER u@'%' IDENTIFIED BY 'hush', few@'%' IDENTIFIED BY 'hush'; GRANT ALL ON *.* TO u@'%'";
        until(|| {
            let ended = server.process.try_wait().unwrap();
            assert!(ended.is_none(), "mariadbd ended with {ended:?}: see its log");
            server.client("", users).status.success()
        });
        server
    }

    fn client(&self, database: &str, sql: &str) -> Output {
        Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--default-character-set=utf8mb4"])
            .arg(format!("--socket={}", self.folder.path().join("s").display()))
            .arg(format!("--database={database}"))
            .args(["--execute", sql])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn sql(&self, database: &str, sql: &str) {
        let ran = self.client(database, sql);
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Makes the two sides, each with `both` and what is its own.
    fn sides(&self, both: &str, source: &str, target: &str) {
        self.sql("", "CREATE DATABASE a CHARACTER SET utf8mb4; CREATE DATABASE b CHARACTER SET utf8mb4");
        self.sql("a", &format!("{both}; {source}"));
        self.sql("b", &format!("{both}; {target}"));
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("mysql://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    fn address(&self, database: &str) -> String {
        format!("127.0.0.1:{}/{database}", self.port)
    }

    /// The command, with the URLs in its environment.
    fn command(&self, user: &str, arguments: &[&str]) -> Command {
        let mut diff = Command::new(command());
        diff.arg("diff")
            .args(arguments)
            .current_dir(root())
            .env("CAUSEWAY_SOURCE", self.url(user, "hush", "a"))
            .env("CAUSEWAY_TARGET", self.url(user, "hush", "b"))
            .stdin(Stdio::null());
        diff
    }

    /// Runs it to its end: what it printed, what it said beside it, and its exit status. It never tells the password.
    fn diff(&self, user: &str, arguments: &[&str]) -> (String, String, Option<i32>) {
        end(&self.command(user, arguments).output().unwrap())
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn end(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    assert!(!printed.contains("hush") && !said.contains("hush"), "{printed}{said}");
    (printed, said, output.status.code())
}

/// Asks until the answer is yes.
pub fn until(mut asked: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !asked() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every file of a folder by its path in it, the times in it made zero.
pub fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let mut text = std::fs::read_to_string(&path).unwrap();
            if name == "summary.json" {
                text = timeless(&text);
            }
            found.insert(name, text);
        }
    }
    found
}

/// A summary without its times.
fn timeless(summary: &str) -> String {
    let line = |line: &str| match line.trim_start().starts_with("\"seconds\": ") {
        true => "\"seconds\": 0.0,".to_owned(),
        false => line.to_owned(),
    };
    summary.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn parsed(summary: &str) -> Value {
    serde_json::from_str(&timeless(summary)).unwrap()
}

/// What a summary says of a table.
fn entry(table: &str, status: &str, counts: [u64; 5]) -> Value {
    let [rows_source, rows_target, missing, changed, extra] = counts;
    json!({"table": table, "status": status, "rows_source": rows_source, "rows_target": rows_target,
        "missing": missing, "changed": changed, "extra": extra, "seconds": 0.0, "key": ["id"], "notes": []})
}

#[test]
fn tables_are_compared_and_the_rows_that_differ_are_written() {
    let server = MariaDb::start();
    let odd = ["x; DROP TABLE y", "x/../y", ".state", &"é".repeat(64)];
    let odd_tables = odd.map(|name| format!("CREATE TABLE `{name}` (id INT PRIMARY KEY, v TEXT)"));
    server.sides(
        &format!(
            "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9)); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'); \
             CREATE TABLE u LIKE t; INSERT INTO u SELECT * FROM t; CREATE TABLE y LIKE t; {}",
            odd_tables.join("; ")
        ),
        "CREATE TABLE old (id INT)",
        &format!(
            "CREATE TABLE new (id INT); UPDATE t SET v = 'B' WHERE id = 2; DELETE FROM t WHERE id = 1; \
             INSERT INTO t VALUES (4, 'd'); {}",
            odd.map(|name| format!("INSERT INTO `{name}` VALUES (7, 'x')")).join("; ")
        ),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    // Alike.
    let (printed, said, code) =
        server.diff("u", &["--table", "u", "--table", "y", "--output", &path("alike")]);
    assert_eq!((said.as_str(), code), ("", Some(0)), "{printed}");
    assert!(printed.contains("2 tables: 2 alike\n"), "{printed}");
    let names: Vec<_> = files(Path::new(&path("alike"))).into_keys().collect();
    assert_eq!(names, [".state/run.json", "summary.json"]);

    // Different.
    let (printed, said, code) =
        server.diff("u", &["--exclude", "old", "--exclude", "new", "--output", &path("all")]);
    assert_eq!((said.as_str(), code), ("", Some(1)), "{printed}");
    assert!(printed.contains("\nt  ") && printed.contains("\nx; DROP TABLE y "), "{printed}");
    let written = files(Path::new(&path("all")));
    assert_eq!(
        written["t.jsonl"],
        "{\"kind\":\"missing\",\"key\":{\"id\":1},\"source\":{\"id\":1,\"v\":\"a\"},\"target\":null}\n\
         {\"kind\":\"changed\",\"key\":{\"id\":2},\"source\":{\"id\":2,\"v\":\"b\"},\"target\":{\"id\":2,\"v\":\"B\"}}\n\
         {\"kind\":\"extra\",\"key\":{\"id\":4},\"source\":null,\"target\":{\"id\":4,\"v\":\"d\"}}\n"
    );
    let extra = "{\"kind\":\"extra\",\"key\":{\"id\":7},\"source\":null,\"target\":{\"id\":7,\"v\":\"x\"}}\n"
        .to_owned();
    let long = written.keys().find(|name| name.starts_with("%C3%A9")).unwrap();
    for name in ["x%3B%20DROP%20TABLE%20y.jsonl", "x%2F..%2Fy.jsonl", "%2Estate.jsonl", long] {
        assert_eq!(written[name], extra, "{name}");
    }
    assert_eq!(written.len(), 7, "{:?}", written.keys());
    let one = |name: &str| entry(name, "different", [0, 1, 0, 0, 1]);
    assert_eq!(
        parsed(&written["summary.json"]),
        json!({
            "tables": [one(odd[2]), entry("t", "different", [3, 3, 1, 1, 1]), entry("u", "alike", [3, 3, 0, 0, 0]),
                one(odd[1]), one(odd[0]), entry("y", "alike", [0, 0, 0, 0, 0]), one(odd[3])],
            "source": server.address("a"), "target": server.address("b"),
        })
    );

    // A table that one side has, and one that neither has; the JSON is alone on standard output, and is the file.
    let (printed, said, code) = server.diff("u", &["--format", "json", "--table", "old", "--table", "new"]);
    assert_eq!((said.as_str(), code), ("", Some(1)));
    let tables = parsed(&printed)["tables"].clone();
    assert_eq!((&tables[0]["table"], &tables[0]["status"]), (&json!("new"), &json!("target_only")));
    assert_eq!((&tables[1]["table"], &tables[1]["status"]), (&json!("old"), &json!("source_only")));
    assert_eq!(tables[1]["rows_source"], Value::Null);
    let (printed, said, code) = server.diff(
        "u",
        &[
            "--format",
            "json",
            "--table",
            "T",
            "--table",
            "u",
            "--connections",
            "1",
            "--output",
            &path("none"),
        ],
    );
    assert_eq!((said.as_str(), code), ("", Some(2)));
    let tables = &parsed(&printed)["tables"];
    assert_eq!((&tables[0]["status"], &tables[1]["status"]), (&json!("error"), &json!("alike")));
    assert_eq!(std::fs::read_to_string(path("none/summary.json")).unwrap(), printed);

    // A folder that has a comparison is left as it is, and is gone on with only for the same one.
    let before = files(Path::new(&path("all")));
    let refusals: [(&[&str], &str); 4] = [
        (&["--output", &path("all")], "name another folder, or continue with --resume"),
        (&["--resume", &path("all")], "--exclude new --exclude old"),
        (&["--resume", &path("nothing")], "there is no comparison in"),
        (&["--source", &server.url("u", "hush", "b"), "--resume", &path("all")], "not of"),
    ];
    for (arguments, reason) in refusals {
        let (printed, said, code) = server.diff("u", arguments);
        assert_eq!((printed.as_str(), code), ("", Some(2)), "{said}");
        assert!(
            said.starts_with("causeway: ") && said.contains(reason) && said.lines().count() == 1,
            "{said}"
        );
    }
    // One that is finished only prints what it has: the server need not be there.
    let resume = ["--exclude", "new", "--exclude", "old", "--format", "json", "--resume", &path("all")];
    let url = |database| server.url("u", "hush", database);
    let urls = [url("a"), url("b")];
    drop(server);
    let output = Command::new(command())
        .args(["diff", "--source", &urls[0], "--target", &urls[1]])
        .args(resume)
        .output()
        .unwrap();
    let (printed, said, code) = end(&output);
    assert_eq!((timeless(&printed), said.as_str(), code), (before["summary.json"].clone(), "", Some(1)));
    assert_eq!(files(Path::new(&path("all"))), before);
}

#[test]
fn a_table_of_which_not_all_was_compared_is_not_alike_unless_the_column_is_named() {
    let server = MariaDb::start();
    server.sides(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1); CREATE TABLE u LIKE t",
        "ALTER TABLE t ADD COLUMN gone INT, ADD COLUMN made DATE",
        "ALTER TABLE t ADD COLUMN made DATETIME",
    );
    let (printed, said, code) = server.diff("u", &[]);
    assert_eq!((said.as_str(), code), ("", Some(1)), "{printed}");
    assert!(printed.contains("2 tables: 1 alike, 1 alike but not all compared\n"), "{printed}");
    assert!(printed.contains("column \"gone\" is on the source only"), "{printed}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("o").to_str().unwrap().to_owned();
    let one = ["--exclude-column", "t.gone", "--format", "json", "--output", &path];
    let (printed, _, code) = server.diff("u", &one);
    assert_eq!((code, &parsed(&printed)["tables"][0]["status"]), (Some(1), &json!("alike_not_all_compared")));
    let (printed, _, code) = server.diff("u", &["--exclude-column", "t.gone", "--exclude-column", "t.made"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("column \"made\" is left out, as it was asked for"), "{printed}");
    // It is gone on with as it was begun.
    let (_, said, code) = server.diff("u", &["--resume", &path]);
    assert!(code == Some(2) && said.contains("--exclude-column t.gone"), "{said}");
}

#[test]
fn what_goes_wrong_is_told_and_the_others_go_on() {
    let server = MariaDb::start();
    server.sides(
        "CREATE TABLE one (id INT PRIMARY KEY); CREATE TABLE three LIKE one; CREATE TABLE two LIKE one; \
         INSERT INTO one VALUES (1); INSERT INTO three VALUES (1)",
        "SELECT 1",
        "DELETE FROM three",
    );
    // `two` is seen, and may not be read.
    server.sql("", "GRANT SELECT ON a.* TO few@'%'; GRANT SELECT ON b.one TO few@'%'; GRANT SELECT ON b.three TO few@'%'; GRANT INSERT ON b.two TO few@'%'");
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("o");
    let path = output.to_str().unwrap();
    // Nobody knows whether there are others.
    let (printed, _, code) = server.diff("few", &[]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("(other tables): error: a user may read single tables only"), "{printed}");
    let named = ["--table", "one", "--table", "two", "--table", "three"];
    let (printed, said, code) = server.diff("few", &[&["--output", path], &named[..]].concat());
    assert_eq!((said.as_str(), code), ("", Some(2)), "{printed}");
    assert!(printed.contains("3 tables: 1 alike, 1 different, 1 in error"), "{printed}");
    assert!(printed.contains("two: error: ") && printed.contains("denied"), "{printed}");
    assert!(
        printed.contains("again  causeway diff")
            && printed.contains(&format!("--resume {path}  (only the tables in error)\n")),
        "{printed}"
    );
    let summary = parsed(&files(&output)["summary.json"]);
    let status = |number: usize| summary["tables"][number]["status"].as_str().unwrap().to_owned();
    assert_eq!([status(0), status(1), status(2)], ["alike", "different", "error"]);
    // A table in error is tried again.
    server.sql("", "GRANT SELECT ON b.two TO few@'%'");
    let (printed, said, code) = server.diff("few", &[&["--resume", path], &named[..]].concat());
    assert_eq!((said.as_str(), code), ("", Some(1)), "{printed}");
    assert_eq!(
        files(&output).into_keys().collect::<Vec<_>>(),
        [".state/run.json", "summary.json", "three.jsonl"]
    );

    // What ends it before anything is compared; the folder is not made.
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("mysql://u:hush@127.0.0.1:{unused}/a");
    let wrong = server.url("u", "hushhush", "b");
    let good = server.url("u", "hush", "b");
    let postgres = "postgres://u:hush@127.0.0.1:1/b";
    let new = folder.path().join("n");
    let address = format!("can't connect to the target at {}", server.address("b"));
    let cases: [(&[&str], &str); 9] = [
        (&["--target", &wrong], &address),
        (&["--target", &nowhere], "can't connect to the target at 127.0.0.1:"),
        (&["--target", "hush"], "the URL of the target can't be used: it is not a URL"),
        (&["--target", "mysql://u:hush@127.0.0.1"], "names no database"),
        (&["--target", "mysql://u:hush@127.0.0.1/d?ssl-mod=REQUIRED"], "option \"ssl-mod\" is not known"),
        (&["--target", postgres], "one side is MySQL and the other PostgreSQL"),
        (&[&good], "there is an argument without an option"),
        (&["--exclude", "one", "--exclude", "two", "--exclude", "three"], "there is no table to compare"),
        (&["--connections", "33"], "33 is not in 1..=32"),
    ];
    for (arguments, reason) in cases {
        let mut all = arguments.to_vec();
        all.extend(["--output", new.to_str().unwrap()]);
        let (printed, said, code) = server.diff("u", &all);
        assert_eq!((printed.as_str(), code), ("", Some(2)), "{said}");
        assert!(said.contains(reason), "{arguments:?}: {said}");
        assert!(!new.exists());
    }
    let (help, _, _) = server.diff("u", &["--help"]);
    assert!(help.contains("CAUSEWAY_SOURCE"), "{help}");
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_and_finds_the_same() {
    let server = MariaDb::start();
    server.sides(
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(99)); INSERT INTO t SELECT seq, REPEAT('v', seq % 99) FROM seq_1_to_200000; \
         CREATE TABLE n (v INT); INSERT INTO n SELECT seq FROM seq_1_to_1000; CREATE TABLE s LIKE t; INSERT INTO s VALUES (1, 'a')",
        "DELETE FROM t WHERE id % 1000 < 50; DELETE FROM n WHERE v % 3 = 0",
        "DELETE FROM t WHERE id % 1000 > 950; UPDATE t SET v = 'w' WHERE id % 5 = 0; UPDATE s SET v = 'b'",
    );
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let (printed, said, code) = server.diff("u", &["--output", whole.to_str().unwrap()]);
    assert_eq!((said.as_str(), code), ("", Some(1)), "{printed}");
    let expected = files(&whole);
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        [".state/run.json", "n.jsonl", "s.jsonl", "summary.json", "t.jsonl"]
    );

    let killed_path = killed.to_str().unwrap();
    let state = killed.join(".state/t.table.json");
    let mut run = server.command("u", &["--output", killed_path]).stdout(Stdio::null()).spawn().unwrap();
    until(|| {
        assert!(run.try_wait().unwrap().is_none(), "it was too fast to be killed");
        state.exists()
    });
    // SIGKILL.
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!killed.join("summary.json").exists() && killed.join("t.jsonl.part").exists());
    // What a kill between the lines and their state leaves.
    let part = std::fs::OpenOptions::new().append(true).open(killed.join("t.jsonl.part"));
    std::io::Write::write_all(&mut part.unwrap(), b"{\"kind\":\"mis").unwrap();

    // Interrupted, it says how to resume.
    let mut run = server.command("u", &["--connections", "1", "--resume", killed_path]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let before = std::fs::read(&state).unwrap();
    until(|| std::fs::read(&state).unwrap() != before);
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    let (printed, said, code) = end(&run.wait_with_output().unwrap());
    assert_eq!((printed.as_str(), code), ("", Some(2)), "{said}");
    assert!(said.contains(&format!("resume with: causeway diff --resume {killed_path}\n")), "{said}");

    let (printed, said, code) = server.diff("u", &["--resume", killed_path]);
    assert_eq!((said.as_str(), code), ("", Some(1)), "{printed}");
    let found = files(&killed);
    for (name, text) in &expected {
        assert!(found[name] == *text, "{name} is not that of a run that was not broken");
    }
    assert_eq!(found.len(), expected.len(), "{:?}", found.keys());
}
