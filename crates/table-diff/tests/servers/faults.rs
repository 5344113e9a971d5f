//! `faults/<name>/`: inputs that a comparison of databases gets wrong easily, each with what is right of it in `right.json`.
//!
//! - `servers`: on which servers; two names are source and target.
//! - `database`: how PostgreSQL's databases are made, by the side.
//! - `then`: what is run on either server before it is compared; `{db}` is the database.
//! - `user`: as whom it is compared.
//! - `large`: too many rows, or too long ones, for ranges of a few rows.
//! - `tables`: by the table's name what is right: `missing`, `changed`, `extra` (0 where they are not named), `rows` of source and
//!   target, the `keys` of the differences in order, a part of the words of the `error`, or of what is not compared (`in part`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use table_diff::{
    Difference, Options, Presence, Progress, Server, Side, Table, Target, compare_table, list_tables,
};

use crate::postgres_server::Postgres;
use crate::support::{Kept, TestServer};

/// A server of either engine.
enum Any {
    MySql(TestServer),
    Postgres(Postgres),
}

impl Any {
    fn target(&self, database: &str) -> Target {
        match self {
            Self::MySql(server) => server.target(database),
            Self::Postgres(server) => server.target(database),
        }
    }

    fn load(&self, database: &str, made: &str, script: &Path) {
        match self {
            Self::MySql(server) => server.script(database, script),
            Self::Postgres(server) => {
                server.sql("postgres", &format!("CREATE DATABASE \"{database}\" {made}"));
                server.script(database, script);
            }
        }
    }
}

/// The servers that run for a test, by their name in a case.
type Servers = BTreeMap<&'static str, Any>;

fn started(names: &[&'static str]) -> Servers {
    let start = |name| match name {
        "mariadb" => Some(Any::MySql(TestServer::mariadb())),
        "mysql" => TestServer::mysql().map(Any::MySql),
        _ => {
            let server = Postgres::start()?;
            server.sql("postgres", "CREATE ROLE reader LOGIN");
            Some(Any::Postgres(server))
        }
    };
    names.iter().filter_map(|&name| Some((name, start(name)?))).collect()
}

#[tokio::test]
async fn every_fault_is_right_on_mariadb() {
    compare_faults(&started(&["mariadb"])).await;
}

#[tokio::test]
async fn every_fault_is_right_on_mysql() {
    compare_faults(&started(&["mysql"])).await;
}

#[tokio::test]
async fn every_fault_is_right_between_mariadb_and_mysql() {
    compare_faults(&started(&["mariadb", "mysql"])).await;
}

#[tokio::test]
async fn every_fault_is_right_on_postgres() {
    compare_faults(&started(&["postgres"])).await;
}

/// Compares the cases that need all of these servers, and no other.
async fn compare_faults(servers: &Servers) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/faults");
    let mut cases = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    cases.sort();
    let only = std::env::var("FAULT").ok();
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        if only.as_ref().is_some_and(|only| !name.contains(only)) || !case.join("right.json").exists() {
            continue;
        }
        let text = fs::read_to_string(case.join("right.json")).unwrap();
        let right: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for pair in right["servers"].as_array().unwrap() {
            let mut words = pair.as_str().unwrap().split(' ');
            let source = words.next().unwrap();
            let target = words.next().unwrap_or(source);
            let needed = 1 + usize::from(source != target);
            let (Some(source), Some(target)) = (servers.get(source), servers.get(target)) else { continue };
            if needed == servers.len() {
                let database = format!("{name} {}", pair.as_str().unwrap());
                wrong.extend(compare_fault((source, target), &case, &database, &right).await);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Loads a case and compares it in several ways; answers what is wrong.
async fn compare_fault(
    (source, target): (&Any, &Any),
    case: &Path,
    name: &str,
    right: &Value,
) -> Vec<String> {
    let made = |side: &str| right["database"][side].as_str().unwrap_or_default();
    let databases = [format!("{name} s"), format!("{name} t")];
    source.load(&databases[0], made("source"), &case.join("source.sql"));
    target.load(&databases[1], made("target"), &case.join("target.sql"));
    for (server, database) in [(source, &databases[0]), (target, &databases[1])] {
        if let (Some(then), Any::MySql(server)) = (right["then"].as_str(), server) {
            server.sql(database, &then.replace("{db}", database));
        }
    }
    let at = |server: &Any, database: &str| {
        let at = server.target(database);
        let user = right["user"].as_str().map_or(at.user.clone(), str::to_owned);
        Target { user, ..at }
    };
    let (source_at, target_at) = (at(source, &databases[0]), at(target, &databases[1]));
    let small = Options {
        first_rows: 1,
        chunk_rows: 1,
        inspect_rows: 1,
        fetch_bytes: 1,
        spread: 1,
        ..Options::default()
    };
    let ways = [
        Options::default(),
        Options { strong: true, ..Options::default() },
        small.clone(),
        Options { strong: true, ..small },
    ];
    let ways = if right["large"] == json!(true) { &ways[..2] } else { &ways };
    let mut wrong = Vec::new();
    for options in ways {
        let found = compared(&source_at, &target_at, options).await;
        for problem in problems(&found, right) {
            wrong.push(format!(
                "{name}, strong {}, ranges of {}: {problem}",
                options.strong, options.first_rows
            ));
        }
    }
    for (server, database) in [(source, &databases[0]), (target, &databases[1])] {
        match server {
            Any::MySql(server) => {
                let drop = format!("DROP DATABASE `{database}`; SET GLOBAL max_allowed_packet = 67108864");
                server.sql("", &drop);
            }
            Any::Postgres(server) => {
                server.sql("postgres", &format!("DROP DATABASE \"{database}\" WITH (FORCE)"));
            }
        }
    }
    wrong
}

/// What a comparison found of a table, in the words of `right.json`.
async fn compared(source: &Target, target: &Target, options: &Options) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let connect =
        async |side, at: &Target| Server::connect(side, at.clone(), Duration::from_secs(60)).await.unwrap();
    let (mut left, mut right) = (connect(Side::Source, source).await, connect(Side::Target, target).await);
    for listed in list_tables(&mut left, &mut right, &[], &[]).await.unwrap() {
        let table = listed.table.to_string();
        if listed.presence == Presence::Hidden {
            continue;
        }
        assert_eq!(listed.presence, Presence::Both, "{table}");
        let seen = one(&mut left, &mut right, &listed.table, options).await;
        if seen["error"] != Value::Null {
            (left, right) = (connect(Side::Source, source).await, connect(Side::Target, target).await);
        }
        found.insert(table, seen);
    }
    found
}

async fn one(left: &mut Server, right: &mut Server, table: &Table, options: &Options) -> Value {
    let mut kept = Kept::default();
    let ended = compare_table(left, right, table, options, None, &mut kept, || false).await;
    let keys = kept.found.iter().map(|difference: &Difference| Value::Object(difference.key.clone()));
    match ended {
        Ok(Progress::Finished(summary)) => json!({
            "missing": summary.counts.missing, "changed": summary.counts.changed, "extra": summary.counts.extra,
            "rows": [summary.counts.rows_source, summary.counts.rows_target],
            "keys": keys.collect::<Vec<_>>(), "in part": summary.not_compared.join("; "), "notes": summary.notes,
        }),
        Ok(progress) => panic!("{progress:?}"),
        Err(error) => json!({"error": error.to_string()}),
    }
}

/// What of it is not right.
fn problems(found: &BTreeMap<String, Value>, right: &Value) -> Vec<String> {
    let tables = right["tables"].as_object().unwrap();
    let mut problems = Vec::new();
    if !found.keys().eq(tables.keys().collect::<std::collections::BTreeSet<_>>()) {
        problems.push(format!("the tables are {:?}", found.keys()));
    }
    for (table, right) in tables {
        let Some(found) = found.get(table) else { continue };
        let counts = ["missing", "changed", "extra"];
        let words = |name: &str| {
            let (said, right) =
                (found[name].as_str().unwrap_or_default(), right[name].as_str().unwrap_or_default());
            said.contains(right) && said.is_empty() == right.is_empty()
        };
        let is_error = right["error"] != Value::Null;
        let is_right = words("error")
            && words("in part")
            && (is_error
                || counts
                    .iter()
                    .all(|&name| found[name].as_u64() == Some(right[name].as_u64().unwrap_or(0))))
            && ["keys", "rows"].iter().all(|&name| right[name] == Value::Null || found[name] == right[name]);
        if !is_right {
            problems.push(format!("{table} is {}, not {right}", shortened(found)));
        }
    }
    problems
}

fn shortened(found: &Value) -> String {
    found.to_string().chars().take(600).collect()
}
