//! Random histories of two copies that parted from one base, against a naive comparison of the three in memory: rows that are
//! written, changed, deleted and written again on either side, with a key and without.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use table_diff::{
    Base, Copies, Difference, DifferenceKind, Options, Progress, Server, Side, Table, Target, compare_copies,
};

use crate::postgres_server::Postgres;
use crate::support::{Kept, TestServer};

/// Tables of each kind on each server.
const CASES: usize = 40;
/// Texts that a collation may take for one.
const TEXTS: [&str; 3] = ["a", "A", "a "];
/// Texts of one JSON value.
const JSONS: [&str; 2] = [r#"{"n":1}"#, r#"{"n": 1}"#];

/// The number of a row's values, by its key.
type Copy = BTreeMap<i64, usize>;

/// What a copy's writes did: to which key, and the number of the values that it has since, if any.
type History = Vec<(i64, Option<usize>)>;

#[derive(Debug, Clone)]
struct Case {
    base: Copy,
    source: History,
    target: History,
}

fn case() -> impl Strategy<Value = Case> {
    let values = 0..TEXTS.len() * JSONS.len();
    let history = vec((0..40i64, proptest::option::weighted(0.6, values.clone())), 0..25);
    (btree_map(0..40i64, values, 0..30), history.clone(), history).prop_map(|(base, source, target)| Case {
        base,
        source,
        target,
    })
}

fn after(base: &Copy, history: &History) -> Copy {
    let mut copy = base.clone();
    for (key, values) in history {
        match values {
            Some(values) => copy.insert(*key, *values),
            None => copy.remove(key),
        };
    }
    copy
}

fn text(values: usize) -> &'static str {
    TEXTS[values % TEXTS.len()]
}

/// The rows of one table as a statement that writes them.
fn filled(table: &str, copy: &Copy) -> String {
    let keyed = copy
        .iter()
        .map(|(key, &values)| format!("({key}, '{}', '{}')", text(values), JSONS[values / TEXTS.len()]));
    let unkeyed = copy.values().map(|&values| format!("('{}')", text(values)));
    let mut sql = String::new();
    for (table, rows) in
        [(table.to_owned(), keyed.collect::<Vec<_>>()), (format!("{table}_n"), unkeyed.collect())]
    {
        if !rows.is_empty() {
            writeln!(sql, "INSERT INTO {table} VALUES {};", rows.join(", ")).unwrap();
        }
    }
    sql
}

/// What the comparison is to say, of the table with the key: by the rows' keys.
fn of_keys(base: &Copy, source: &Copy, target: &Copy) -> BTreeMap<i64, (DifferenceKind, String)> {
    let keys = source.keys().chain(target.keys()).collect::<BTreeSet<_>>();
    let of = |copy: &Copy, key: &i64| copy.get(key).map(|&values| text(values));
    let said = keys.into_iter().filter_map(|key| {
        let (old, new, base) = (of(source, key), of(target, key), of(base, key));
        let kind = match (old, new) {
            (Some(_), None) => DifferenceKind::Missing,
            (None, _) => DifferenceKind::Extra,
            (Some(old), Some(new)) if old != new => DifferenceKind::Changed,
            _ => return None,
        };
        let said = match base {
            None => "absent".to_owned(),
            base if base == old => "source".to_owned(),
            base if base == new => "target".to_owned(),
            Some(other) => format!("other {other}"),
        };
        Some((*key, (kind, said)))
    });
    said.collect()
}

/// The same of the table without a key: how often each kind of line is to come, by the row's text.
fn of_texts(base: &Copy, source: &Copy, target: &Copy) -> BTreeMap<(String, DifferenceKind, String), usize> {
    let mut lines = BTreeMap::new();
    for text in TEXTS {
        let of = |copy: &Copy| copy.values().filter(|&&values| self::text(values) == text).count();
        let (old, new, base) = (of(source), of(target), of(base));
        let (kind, was_there) =
            if old > new { (DifferenceKind::Missing, "source") } else { (DifferenceKind::Extra, "target") };
        let written = old.max(new).saturating_sub(base).min(old.abs_diff(new));
        for (said, count) in [("absent", written), (was_there, old.abs_diff(new) - written)] {
            if count > 0 {
                lines.insert((text.to_owned(), kind, said.to_owned()), count);
            }
        }
    }
    lines
}

fn said(base: Option<&Base>) -> String {
    match base.unwrap() {
        Base::Absent => "absent".to_owned(),
        Base::Source => "source".to_owned(),
        Base::Target => "target".to_owned(),
        Base::Other(row) => format!("other {}", row["s"].as_str().unwrap()),
    }
}

/// A server of any engine, with the databases `a`, `b` and `c`: the source, the target and the base.
trait Databases {
    fn run(&self, database: &str, sql: &str);
    fn at(&self, database: &str) -> Target;
    fn schema(&self) -> Option<String>;
    fn json(&self) -> &'static str;
}

impl Databases for TestServer {
    fn run(&self, database: &str, sql: &str) {
        self.sql(database, sql);
    }
    fn at(&self, database: &str) -> Target {
        self.target(database)
    }
    fn schema(&self) -> Option<String> {
        None
    }
    fn json(&self) -> &'static str {
        "JSON"
    }
}

impl Databases for Postgres {
    fn run(&self, database: &str, sql: &str) {
        self.sql(if database.is_empty() { "postgres" } else { database }, sql);
    }
    fn at(&self, database: &str) -> Target {
        self.target(database)
    }
    fn schema(&self) -> Option<String> {
        Some("public".to_owned())
    }
    fn json(&self) -> &'static str {
        "json"
    }
}

struct Three {
    source: Server,
    target: Server,
    base: Server,
}

impl Three {
    async fn open(server: &impl Databases) -> Self {
        let open = async |side, database| {
            Server::connect(side, server.at(database), Duration::from_secs(60)).await.unwrap()
        };
        Self {
            source: open(Side::Source, "a").await,
            target: open(Side::Target, "b").await,
            base: open(Side::Base, "c").await,
        }
    }

    /// What is found of a table, with the notes; interrupted at every place where it can be.
    async fn compare(&mut self, schema: Option<String>, name: &str) -> (Vec<Difference>, Vec<String>) {
        let options =
            Options { first_rows: 5, chunk_rows: 5, inspect_rows: 5, spread: 3, ..Options::default() };
        let table = Table { schema, name: name.to_owned() };
        let (mut kept, mut cursor) = (Kept::default(), None);
        loop {
            let copies =
                Copies { source: &mut self.source, target: &mut self.target, base: Some(&mut self.base) };
            match compare_copies(copies, &table, &options, cursor, &mut kept, || true).await.unwrap() {
                Progress::Finished(summary) => return (kept.found, summary.notes),
                Progress::Interrupted(reached) => cursor = reached,
            }
        }
    }
}

fn histories_are_told(server: &impl Databases) {
    for database in ["a", "b", "c"] {
        server.run("", &format!("CREATE DATABASE {database}"));
    }
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let cases = (0..CASES).map(|_| case().new_tree(&mut runner).unwrap().current()).collect::<Vec<_>>();
    let mut written = [String::new(), String::new(), String::new()];
    for (number, case) in cases.iter().enumerate() {
        let name = format!("t{number}");
        let copies = [after(&case.base, &case.source), after(&case.base, &case.target), case.base.clone()];
        for (sql, copy) in written.iter_mut().zip(&copies) {
            let json = server.json();
            writeln!(sql, "CREATE TABLE {name} (k INT PRIMARY KEY, s VARCHAR(9), j {json});").unwrap();
            writeln!(sql, "CREATE TABLE {name}_n (s VARCHAR(9)); {}", filled(&name, copy)).unwrap();
        }
    }
    for (database, sql) in ["a", "b", "c"].into_iter().zip(&written) {
        server.run(database, sql);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut servers = Three::open(server).await;
        for (number, case) in cases.iter().enumerate() {
            let (source, target) = (after(&case.base, &case.source), after(&case.base, &case.target));
            let (found, _) = servers.compare(server.schema(), &format!("t{number}")).await;
            let by_key =
                found.iter().map(|one| (one.key["k"].as_i64().unwrap(), (one.kind, said(one.base.as_ref()))));
            assert_eq!(by_key.collect::<BTreeMap<_, _>>(), of_keys(&case.base, &source, &target), "{case:?}");
            let (found, _) = servers.compare(server.schema(), &format!("t{number}_n")).await;
            let mut lines = BTreeMap::new();
            for one in &found {
                let row: &Map<String, Value> = one.source.as_ref().or(one.target.as_ref()).unwrap();
                let line = (row["s"].as_str().unwrap().to_owned(), one.kind, said(one.base.as_ref()));
                *lines.entry(line).or_insert(0) += 1;
            }
            assert_eq!(lines, of_texts(&case.base, &source, &target), "{case:?}");
        }
    });
}

#[test]
fn random_histories_are_told_by_their_base() {
    histories_are_told(&TestServer::mariadb());
}

#[test]
fn random_histories_are_told_on_mysql_as_well() {
    if let Some(server) = TestServer::mysql() {
        histories_are_told(&server);
    }
}

#[test]
fn random_histories_are_told_on_postgres_as_well() {
    if let Some(server) = Postgres::start() {
        histories_are_told(&server);
    }
}

/// A key that a collation takes for the same is one row, in the base as well.
#[tokio::test]
async fn a_key_in_another_case_has_the_base_of_its_row() {
    let server = TestServer::mariadb();
    for (database, keys) in
        [("a", "('a', 1), ('B', 2)"), ("b", "('A', 1), ('b', 3)"), ("c", "('A', 1), ('B', 2)")]
    {
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(database, &format!(
            "CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT); INSERT INTO t VALUES {keys}"
        ));
    }
    let (found, _) = Three::open(&server).await.compare(None, "t").await;
    let told = found.iter().map(|one| (one.kind, said(one.base.as_ref()))).collect::<Vec<_>>();
    assert_eq!(
        told,
        [(DifferenceKind::Changed, "target".to_owned()), (DifferenceKind::Changed, "source".to_owned())]
    );
}

/// What the base can't be asked about is compared without it, and that is said.
#[tokio::test]
async fn a_table_that_the_base_has_in_another_form_is_compared_without_it() {
    let server = TestServer::mariadb();
    let one = "k INT PRIMARY KEY, v INT";
    let forms = [
        ("gone", None, "it is not there"),
        ("wide", Some("k INT PRIMARY KEY, v BIGINT"), "column \"v\" is bigint"),
        ("less", Some("k INT PRIMARY KEY"), "no column \"v\""),
        ("loose", Some("k INT, v INT"), "k is no key there"),
        ("more", Some("k INT PRIMARY KEY, v INT, w INT"), ""),
    ];
    for database in ["a", "b", "c"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        for (name, in_base, _) in forms {
            let columns = if database == "c" { in_base } else { Some(one) };
            let Some(columns) = columns else { continue };
            server.sql(database, &format!("CREATE TABLE {name} ({columns})"));
        }
    }
    let mut servers = Three::open(&server).await;
    for (name, _, reason) in forms {
        server.sql("a", &format!("INSERT INTO {name} VALUES (1, 1)"));
        let (found, notes) = servers.compare(None, name).await;
        let base = if reason.is_empty() { json!("absent") } else { Value::Null };
        assert_eq!(json!(found[0].base), base, "{name}");
        assert_eq!(
            notes.iter().any(|note| note.contains("the base was not asked") && note.contains(reason)),
            !reason.is_empty(),
            "{notes:?}"
        );
    }
}
