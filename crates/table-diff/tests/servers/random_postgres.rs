//! Random keys, data and differences on PostgreSQL against a naive comparison in memory: cut and gone on from at random, and
//! with connections that break.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use table_diff::{
    Cursor, Difference, DifferenceKind, Options, Progress, Server, Side, Sink, Table, compare_table,
};

use crate::postgres_server::Postgres;
use crate::random::bytes;
use crate::support::{compare, compare_and_die, compare_kept, compare_ranges, sum};

/// Texts that are ordered otherwise by their bytes than by a language.
const TEXTS: [&str; 12] = ["a", "B", "b", "É", "e", "z'\\\"", "😀", "#N", "", "a ", "aa", "Z"];

/// How the key is declared, by the source and by the target.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Integer,
    WiderInteger,
    Uuid,
    Text,
    Language,
    DifferentCollations,
    Numeric,
    Moment,
    Bytes,
    Composite,
}

const SHAPES: [Shape; 10] = [
    Shape::Integer,
    Shape::WiderInteger,
    Shape::Uuid,
    Shape::Text,
    Shape::Language,
    Shape::DifferentCollations,
    Shape::Numeric,
    Shape::Moment,
    Shape::Bytes,
    Shape::Composite,
];

impl Shape {
    fn ddl(self, target: bool) -> String {
        let key = match self {
            Self::Integer => "k bigint PRIMARY KEY",
            Self::WiderInteger if target => "k bigint PRIMARY KEY",
            Self::WiderInteger => "k int PRIMARY KEY",
            Self::Uuid => "k uuid PRIMARY KEY",
            Self::Text => "k varchar(20) COLLATE \"C\" PRIMARY KEY",
            Self::Language => "k text COLLATE \"en-x-icu\" PRIMARY KEY",
            Self::DifferentCollations if target => "k text COLLATE \"en-x-icu\" PRIMARY KEY",
            Self::DifferentCollations => "k text COLLATE \"C\" PRIMARY KEY",
            Self::Numeric => "k numeric(12,3) PRIMARY KEY",
            Self::Moment => "k timestamptz PRIMARY KEY",
            Self::Bytes => "k bytea PRIMARY KEY",
            Self::Composite => "l text COLLATE \"en-x-icu\", k int, PRIMARY KEY (l, k)",
        };
        format!(
            "CREATE TABLE t ({key}, v int, w bigint, s varchar(20), p numeric(12,2), q numeric, f float8, b bytea, \
             o boolean NOT NULL, m timestamptz, u uuid)"
        )
    }

    /// The key's columns of a number: as SQL and as JSON.
    fn key(self, number: usize) -> Vec<(&'static str, String, Value)> {
        let whole = i64::try_from(number).unwrap();
        let text = format!("{}-{}", TEXTS[number % 12], TEXTS[number / 12 % 12]);
        match self {
            // Half of them beyond 32 bits, by a multiple of 2³² and one, whose halves XORed are what the others are.
            Self::Integer => {
                let value = if number.is_multiple_of(2) { whole } else { (whole << 32) - 1000 };
                vec![("k", value.to_string(), json!(value))]
            }
            Self::WiderInteger => vec![("k", (whole - 70).to_string(), json!(whole - 70))],
            Self::Uuid => {
                let value = format!("{:08x}-0000-4000-8000-000000000000", number * 0x9E37_79B1 % 0xFFFF_FFFF);
                vec![("k", quote(&value), json!(value))]
            }
            Self::Text | Self::Language | Self::DifferentCollations => {
                vec![("k", quote(&text), json!(text))]
            }
            Self::Numeric => {
                let value = format!("{}.{:03}", whole - 70, number * 7 % 1000);
                vec![("k", value.clone(), json!(value))]
            }
            Self::Moment => {
                let value = format!("2026-01-01 {:02}:{:02}:00+00", number / 60, number % 60);
                vec![("k", quote(&value), json!(value))]
            }
            Self::Bytes => {
                let value = [u8::try_from(number).unwrap(), 0, 255];
                vec![("k", format!("'\\x{number:02x}00ff'"), bytes(&value))]
            }
            Self::Composite => {
                let line = whole % 3;
                vec![("l", quote(&text), json!(text)), ("k", line.to_string(), json!(line))]
            }
        }
    }
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The values beside the key, each chosen by a small number: those of a column differ, be it by little.
fn values(choice: usize) -> String {
    const COLUMNS: [&[&str]; 10] = [
        &["NULL", "1", "-1"],
        &["NULL", "1", "4294967296", "-4294967297"],
        &["NULL", "''", "'a'", "'a '", "'A'"],
        &["NULL", "1.1", "-1.1", "0"],
        &["NULL", "1.0", "1.00", "'NaN'", "10000", "1"],
        &["NULL", "'-0'", "0", "0.1", "0.10000000000000002"],
        &["NULL", "'\\x'", "'\\x00'"],
        &["true", "false"],
        &["NULL", "'infinity'", "'2026-03-29 02:30:00.125+00'"],
        &["NULL", "'123e4567-e89b-12d3-a456-426655440000'"],
    ];
    let mut rest = choice;
    let mut picked = Vec::new();
    for column in COLUMNS {
        picked.push(column[rest % column.len()]);
        rest /= column.len();
    }
    picked.join(", ")
}

#[derive(Debug, Clone)]
struct Case {
    shape: usize,
    source: BTreeMap<usize, usize>,
    /// What happens to the source's rows, and rows of the target's own.
    changes: Vec<(usize, usize)>,
    extra: BTreeMap<usize, usize>,
    rows: u64,
    inspect: u64,
    bytes: u64,
    cut: usize,
    spread: u64,
    /// Whether the server knows how many rows there are.
    analysed: bool,
    strong: bool,
    killed: bool,
    /// Connections to either server, and rows of a section at least.
    connections: usize,
    section_rows: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let rows = |most| prop::collection::btree_map(0..144_usize, 0..432_000_usize, 0..most);
    (
        0..SHAPES.len(),
        rows(60),
        prop::collection::vec((0..12_usize, 0..432_000_usize), 60),
        rows(10),
        (1..40_u64, 1..20_u64, prop_oneof![Just(1_u64), Just(600), Just(100_000)], 1..5_usize),
        (prop_oneof![Just(1_u64), Just(4), Just(32)], any::<bool>(), 0..6_u8, 0..12_u8),
        (2..7_usize, 1..12_u64),
    )
        .prop_map(|(shape, source, changes, extra, limits, ways, (connections, section_rows))| {
            let ((rows, inspect, bytes, cut), (spread, analysed, strong, killed)) = (limits, ways);
            let (strong, killed) = (strong == 0, killed == 0);
            Case {
                shape,
                source,
                changes,
                extra,
                rows,
                inspect,
                bytes,
                cut,
                spread,
                analysed,
                strong,
                killed,
                connections,
                section_rows,
            }
        })
}

type Lines = Vec<(DifferenceKind, Value)>;

/// Kind and key of each difference, in an order of its own.
fn naive(shape: Shape, source: &BTreeMap<usize, usize>, target: &BTreeMap<usize, usize>) -> Lines {
    let key = |number: usize| {
        shape.key(number).into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect()
    };
    let mut lines = Vec::new();
    for (&number, &choice) in source {
        match target.get(&number) {
            None => lines.push((DifferenceKind::Missing, key(number))),
            Some(&other) if values(other) != values(choice) => {
                lines.push((DifferenceKind::Changed, key(number)));
            }
            Some(_) => {}
        }
    }
    let extra = target.keys().filter(|number| !source.contains_key(number));
    lines.extend(extra.map(|&number| (DifferenceKind::Extra, key(number))));
    lines
}

fn script(shape: Shape, rows: &BTreeMap<usize, usize>, target: bool, analysed: bool) -> String {
    let mut script = format!("DROP TABLE IF EXISTS t; {}", shape.ddl(target));
    let row = |(&number, &choice): (&usize, &usize)| {
        let key = shape.key(number).into_iter().map(|(_, sql, _)| sql).collect::<Vec<_>>().join(", ");
        format!("({key}, {})", values(choice))
    };
    if !rows.is_empty() {
        let rows = rows.iter().map(row).collect::<Vec<_>>().join(", ");
        script.push_str(&format!("; INSERT INTO t VALUES {rows}"));
    }
    if analysed {
        script.push_str("; ANALYZE t");
    }
    script
}

/// Kills every connection after some calls.
struct Killer<'a> {
    server: &'a Postgres,
    found: Vec<Difference>,
    calls: usize,
}

impl Sink for Killer<'_> {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        _: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.found.extend(found);
        self.calls += 1;
        if self.calls == 2 || self.calls == 5 {
            self.server.sql(
                "postgres",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND datname IN ('a', 'b')",
            );
        }
        Ok(())
    }
}

#[test]
fn random_tables_give_it_on_postgres_as_well() {
    let Some(server) = Postgres::start() else { return };
    for database in ["a", "b"] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connect = async |side, database| {
        Server::connect(side, server.target(database), Duration::from_secs(60)).await.unwrap()
    };
    let servers =
        runtime.block_on(async { (connect(Side::Source, "a").await, connect(Side::Target, "b").await) });
    let servers = std::cell::RefCell::new(servers);
    let cut_tables = std::cell::Cell::new(0);
    let ranges_seen = std::cell::Cell::new(0);
    let config = Config { cases: 110, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    TestRunner::new(config)
        .run(&case(), |case| {
            let shape = SHAPES[case.shape];
            let mut target = case.extra.clone();
            for ((&number, &choice), &(what, new)) in case.source.iter().zip(&case.changes) {
                match what {
                    0 => target.remove(&number),
                    1 | 2 => target.insert(number, new),
                    _ => target.insert(number, choice),
                };
            }
            server.sql("a", &script(shape, &case.source, false, case.analysed));
            server.sql("b", &script(shape, &target, true, case.analysed));
            let Case { rows, inspect: inspect_rows, bytes: fetch_bytes, cut, spread, strong, .. } = case;
            let options = Options {
                first_rows: rows,
                chunk_rows: rows,
                inspect_rows,
                fetch_bytes,
                spread,
                strong,
                ..Options::default()
            };
            let (left, right) = &mut *servers.borrow_mut();
            let table = Table { schema: None, name: "t".into() };
            let (found, summary) = runtime.block_on(compare(left, right, &table, &options, cut));
            // Where a comparison was cut, and how much it took at once, is not to be seen in its result.
            let large = Options { first_rows: 1000, chunk_rows: 1000, ..options.clone() };
            let (whole, _) = runtime.block_on(compare(left, right, &table, &large, usize::MAX));
            prop_assert_eq!(&whole, &found, "{:?}", shape);
            // Nor is it to be seen by how many connections it was made.
            let Case { connections, section_rows, .. } = case;
            let many = Options { connections, section_rows, ..options.clone() };
            let (kept, in_sections) = runtime.block_on(compare_kept(left, right, &table, &many, cut));
            prop_assert_eq!(&kept.found, &found, "{:?} over {} connections", shape, connections);
            prop_assert_eq!(&in_sections, &summary);
            cut_tables.set(cut_tables.get() + usize::from(kept.sections > 1));
            // Nor by comparing each range by itself: half of the cases, for it takes as long as the rest together.
            if cut % 2 == 0 {
                let ranges = compare_ranges(left, right, &table, &many, (section_rows, cut));
                let (ranged, summaries) = runtime.block_on(ranges);
                prop_assert_eq!(&ranged, &found, "{:?} in {} ranges", shape, summaries.len());
                prop_assert_eq!(sum(&summaries), summary.counts);
                ranges_seen.set(ranges_seen.get().max(summaries.len()));
            }
            if case.killed {
                let mut killer = Killer { server: &server, found: Vec::new(), calls: 0 };
                let compared = compare_table(left, right, &table, &many, None, &mut killer, || false);
                let progress = runtime.block_on(compared).unwrap();
                prop_assert!(matches!(progress, Progress::Finished(_)));
                prop_assert_eq!(
                    &killer.found,
                    &found,
                    "{:?} over {} connections, cut off",
                    shape,
                    connections
                );
                let connect = async || (connect(Side::Source, "a").await, connect(Side::Target, "b").await);
                let killed = compare_and_die(connect, &table, &many, cut + 1);
                let (killed, counts) = runtime.block_on(killed);
                prop_assert_eq!(&killed, &found, "{:?} over {} connections, killed", shape, connections);
                prop_assert_eq!(counts, summary.counts);
                let mut killer = Killer { server: &server, found: Vec::new(), calls: 0 };
                let compared = compare_table(left, right, &table, &options, None, &mut killer, || false);
                let progress = runtime.block_on(compared).unwrap();
                prop_assert!(matches!(progress, Progress::Finished(_)));
                prop_assert_eq!(&killer.found, &found, "{:?}, killed", shape);
            }
            let mut lines = found
                .iter()
                .map(|found| (found.kind, serde_json::to_value(&found.key).unwrap()))
                .collect::<Lines>();
            let mut expected = naive(shape, &case.source, &target);
            for lines in [&mut lines, &mut expected] {
                lines.sort_by_key(|(kind, key)| format!("{kind:?} {key}"));
            }
            prop_assert_eq!(&lines, &expected, "{:?}", shape);
            prop_assert_eq!(summary.counts.rows_source, case.source.len() as u64);
            prop_assert_eq!(summary.counts.rows_target, target.len() as u64);
            Ok(())
        })
        .unwrap();
    assert!(cut_tables.get() > 50, "{} tables were cut", cut_tables.get());
    assert!(ranges_seen.get() > 4, "at most {} ranges", ranges_seen.get());
}
