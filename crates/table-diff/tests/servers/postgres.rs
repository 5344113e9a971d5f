//! The same on PostgreSQL, where Debian's package is installed. Its server does not run as root: the tests run it as
//! the package's user then. Without it this part says so and is skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use table_diff::{Engine, Options, Server, Side, Target, list_tables};

use crate::support::compare;

struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    fn start() -> Option<Self> {
        let mut versions =
            fs::read_dir("/usr/lib/postgresql").ok()?.map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        versions.sort();
        let programs = versions.pop()?.join("bin");
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, programs, port };
        if !server.run("initdb", &["-U", "u", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]) {
            return None;
        }
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off -c timezone=Asia/Kolkata"
        );
        assert!(server.run("pg_ctl", &["-w", "-o", &options, "-l", "/dev/null", "start"]));
        Some(server)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let data = self.folder.path().join("data");
        let program = self.programs.join(program);
        let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("-D").arg(data).args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn sql(&self, database: &str, sql: &str) {
        let ran = Command::new(self.programs.join("psql"))
            .args([
                "-h",
                "127.0.0.1",
                "-U",
                "u",
                "-v",
                "ON_ERROR_STOP=1",
                "-q",
                "-p",
                &self.port.to_string(),
                "-d",
                database,
                "-c",
                sql,
            ])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    async fn connect(&self, side: Side, database: &str) -> Server {
        let target = Target {
            engine: Engine::Postgres,
            host: "127.0.0.1".into(),
            port: self.port,
            user: "u".into(),
            password: String::new(),
            database: database.into(),
            tls: false,
        };
        Server::connect(side, target, Duration::from_secs(60)).await.unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-m", "immediate", "stop"]);
    }
}

const SCHEMA: &str = r#"
CREATE TABLE kinds (id int PRIMARY KEY, t text, c char(5), n numeric(20,4), f float8, r float4, b bytea, o boolean, ts timestamptz,
  d date, i interval, u uuid, j jsonb, a int[]);
CREATE TABLE "we""ird; DROP TABLE x" ("k'ey" text PRIMARY KEY, "select" int);
CREATE SCHEMA other; CREATE TABLE other.comp (a bigint, b uuid, v text, PRIMARY KEY (a, b));
CREATE TABLE bag (a int, t text);
CREATE TABLE bin (k bytea PRIMARY KEY, ts timestamp);
"#;

#[tokio::test]
async fn postgres_is_compared_as_well() {
    let Some(server) = Postgres::start() else {
        eprintln!(
            "SKIPPED: no PostgreSQL under /usr/lib/postgresql that can be started; the PostgreSQL part is not tested"
        );
        return;
    };
    for (database, rows) in [
        (
            "a",
            r#"INSERT INTO kinds VALUES
            (1, '', 'a', 1.5, 'NaN', 0.1, '\x00ff', true, '2026-03-29 03:30:00.123456+02', '0044-03-15 BC', '1 day', '123e4567-e89b-12d3-a456-426655440000', '{"a": 1, "b": 2}', '{1,2}'),
            (2, NULL, NULL, NULL, '-0', NULL, '\x', NULL, 'infinity', NULL, NULL, NULL, 'null', NULL),
            (3, 'x', 'x', 0, 0.1, 1, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}');
          INSERT INTO "we""ird; DROP TABLE x" VALUES ('a', 1), ('A', 2), ('it''s', 3), ('é😀\', 4), ('', 5);
          INSERT INTO other.comp SELECT n % 3, ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, n FROM generate_series(1, 50) n;
          INSERT INTO bag VALUES (1, 'a'), (1, 'a'), (1, NULL), (1, ''), (2, 'b');
          INSERT INTO bin VALUES ('\x', '2026-01-01'), ('\x00', '2026-01-01 00:00:00.5'), ('\xff', NULL)"#,
        ),
        (
            "b",
            r#"INSERT INTO kinds VALUES
            (1, '', 'a', 1.5, 'NaN', 0.1, '\x00ff', true, '2026-03-29 01:30:00.123456+00', '0044-03-15 BC', '1 day', '123e4567-e89b-12d3-a456-426655440000', '{"b": 2, "a": 1}', '{1,2}'),
            (2, '', NULL, NULL, '0', NULL, '\x', NULL, 'infinity', NULL, NULL, NULL, 'null', NULL),
            (3, 'x', 'x', 0, 0.10000000000000002, 1, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}');
          INSERT INTO "we""ird; DROP TABLE x" VALUES ('a', 1), ('A', 7), ('é😀\', 4), ('"', 3), ('', 5);
          INSERT INTO other.comp SELECT n % 3, ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, CASE n WHEN 20 THEN 'x' ELSE n::text END FROM generate_series(1, 50) n WHERE n <> 10;
          INSERT INTO bag VALUES (1, 'a'), (1, ''), (1, ''), (2, 'b');
          INSERT INTO bin VALUES ('\x', '2026-01-01'), ('\x00', '2026-01-01 00:00:00.25'), ('\xfe', NULL)"#,
        ),
    ] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
        server.sql(database, SCHEMA);
        server.sql(database, rows);
    }
    let mut source = server.connect(Side::Source, "a").await;
    let mut target = server.connect(Side::Target, "b").await;
    for (rows, cut) in [(1, 1), (3, 2), (10_000, usize::MAX)] {
        let options = Options {
            first_rows: rows,
            chunk_rows: rows,
            inspect_rows: rows,
            fetch_bytes: 200,
            ..Options::default()
        };
        let mut found = Vec::new();
        for listed in list_tables(&mut source, &mut target, &[], &[]).await.unwrap() {
            let (differences, _) = compare(&mut source, &mut target, &listed.table, &options, cut).await;
            found.extend(differences.iter().map(|difference| {
                let kind = serde_json::to_value(difference.kind).unwrap();
                let row = difference.source.as_ref().or(difference.target.as_ref()).unwrap();
                let key = if difference.key.is_empty() { row } else { &difference.key };
                format!("{} {} {}", listed.table, kind.as_str().unwrap(), serde_json::to_string(key).unwrap())
            }));
        }
        found.sort();
        assert_eq!(
            found,
            [
                r#"bag extra {"a":1,"t":""}"#,
                r#"bag missing {"a":1,"t":"a"}"#,
                r#"bag missing {"a":1,"t":null}"#,
                r#"bin changed {"k":{"base64":"AA=="}}"#,
                r#"bin extra {"k":{"base64":"/g=="}}"#,
                r#"bin missing {"k":{"base64":"/w=="}}"#,
                r#"kinds changed {"id":2}"#,
                r#"kinds changed {"id":3}"#,
                r#"other.comp changed {"a":2,"b":"00000000-0000-0000-0000-000000000020"}"#,
                r#"other.comp missing {"a":1,"b":"00000000-0000-0000-0000-000000000010"}"#,
                r#"we"ird; DROP TABLE x changed {"k'ey":"A"}"#,
                r#"we"ird; DROP TABLE x extra {"k'ey":"\""}"#,
                r#"we"ird; DROP TABLE x missing {"k'ey":"it's"}"#,
            ],
            "in ranges of {rows}"
        );
    }
}
