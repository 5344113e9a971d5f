//! Random keys, data and differences against a naive comparison in memory, cut and gone on from at random.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use table_diff::{Options, Side, Table};

use crate::support::{TestServer, compare, compare_and_die, compare_kept, compare_ranges, sum};

/// Texts, with the number of their class under `utf8mb4_general_ci`, and under any collation that pads with spaces.
const TEXTS: [(&str, usize, usize); 12] = [
    ("a", 0, 0),
    ("A", 0, 1),
    ("a ", 0, 0),
    ("b", 1, 2),
    ("B", 1, 3),
    ("é", 2, 4),
    ("E", 2, 5),
    ("e", 2, 6),
    ("😀", 3, 7),
    ("", 4, 8),
    ("z'`\"\\", 5, 9),
    ("#N", 6, 10),
];

/// How the key is declared, and which of the three numbers of a key make it.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Integer,
    Unsigned,
    Folding,
    Binary,
    Decimal,
    Composite,
    Unique,
    Enum,
    DifferentCollations,
    None,
}

const SHAPES: [Shape; 10] = [
    Shape::Integer,
    Shape::Unsigned,
    Shape::Folding,
    Shape::Binary,
    Shape::Decimal,
    Shape::Composite,
    Shape::Unique,
    Shape::Enum,
    Shape::DifferentCollations,
    Shape::None,
];

impl Shape {
    fn ddl(self, target: bool) -> String {
        let key = match self {
            Self::Integer => "k INT PRIMARY KEY",
            Self::Unsigned => "k BIGINT UNSIGNED PRIMARY KEY",
            Self::Folding => "k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY",
            Self::Binary => "k VARBINARY(20) PRIMARY KEY",
            Self::Decimal => "k DECIMAL(10,3) PRIMARY KEY",
            Self::Composite => "l VARCHAR(20) COLLATE utf8mb4_general_ci, k INT, PRIMARY KEY (k, l)",
            Self::Unique => "k INT NOT NULL, UNIQUE KEY (k)",
            Self::Enum => "k ENUM('q','d','s','a','z','m') PRIMARY KEY",
            Self::DifferentCollations if target => "k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY",
            Self::DifferentCollations => "k VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY",
            Self::None => "k INT NULL",
        };
        format!(
            "CREATE TABLE t ({key}, v INT, s VARCHAR(20), b BLOB, f DOUBLE, d DATETIME(3), p DECIMAL(12,2)) CHARACTER SET utf8mb4;\n"
        )
    }

    /// The key as columns of SQL literal and JSON, and what it is unique by.
    fn key(self, number: usize, target: bool) -> (Vec<(&'static str, String, Value)>, String) {
        let (text, folded, padded) = TEXTS[number % TEXTS.len()];
        let quoted = quote(text);
        match self {
            Self::Integer | Self::Unique | Self::None => {
                let value = i64::try_from(number).unwrap() * 3 - 20;
                (vec![("k", value.to_string(), json!(value))], value.to_string())
            }
            Self::Unsigned => {
                let value = u64::MAX - number as u64 * 1000;
                (vec![("k", value.to_string(), json!(value.to_string()))], value.to_string())
            }
            Self::Folding => (vec![("k", quoted, json!(text))], folded.to_string()),
            Self::DifferentCollations => {
                (vec![("k", quoted, json!(text))], if target { folded } else { padded }.to_string())
            }
            Self::Binary => {
                let value = vec![u8::try_from(number).unwrap(); number % 3];
                let sql = value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                (vec![("k", format!("x'{sql}'"), bytes(&value))], sql)
            }
            Self::Decimal => {
                let value = format!("{}.{:03}", number / 5, number % 5);
                (vec![("k", value.clone(), json!(value))], value)
            }
            Self::Composite => {
                let value = i64::try_from(number % 4).unwrap();
                let columns = vec![("l", quoted, json!(text)), ("k", value.to_string(), json!(value))];
                (columns, format!("{value}/{folded}"))
            }
            Self::Enum => {
                let text = ["q", "d", "s", "a", "z", "m"][number % 6];
                (vec![("k", quote(text), json!(text))], text.into())
            }
        }
    }
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

pub fn bytes(value: &[u8]) -> Value {
    use std::fmt::Write;
    // Base64 by hand: the test has no use for the code under test.
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in value.chunks(3) {
        let number = (0..3).fold(0, |number, index| number << 8 | u32::from(*group.get(index).unwrap_or(&0)));
        for index in 0..4_u32 {
            let digit = char::from(DIGITS[(number >> (18 - 6 * index)) as usize & 63]);
            write!(text, "{}", if index as usize <= group.len() { digit } else { '=' }).unwrap();
        }
    }
    json!({"base64": text})
}

/// The values beside the key, each chosen by a small number.
fn values(choice: usize) -> Vec<(&'static str, String, Value)> {
    let pick = |step: usize, of: usize| choice / step % of;
    let mut values = Vec::new();
    let null = || ("NULL".to_owned(), Value::Null);
    let mut add = |name, (sql, json): (String, Value)| values.push((name, sql, json));
    add(
        "v",
        match pick(1, 4) {
            0 => null(),
            n => (n.to_string(), json!(n)),
        },
    );
    add(
        "s",
        match pick(4, 13) {
            12 => null(),
            n => (quote(TEXTS[n].0), json!(TEXTS[n].0)),
        },
    );
    add(
        "b",
        match pick(52, 4) {
            0 => null(),
            1 => ("x''".into(), bytes(b"")),
            2 => ("x'00'".into(), bytes(&[0])),
            _ => ("x'ff0a27'".into(), bytes(&[255, 10, 39])),
        },
    );
    add(
        "f",
        match pick(208, 3) {
            0 => null(),
            1 => ("0.1".into(), json!(0.1)),
            _ => ("1.0000000000000002e0".into(), json!(1.000_000_000_000_000_2)),
        },
    );
    add(
        "d",
        match pick(624, 3) {
            0 => null(),
            1 => ("'0000-00-00'".into(), json!("0000-00-00 00:00:00.000")),
            _ => ("'2026-03-29 02:30:00.125'".into(), json!("2026-03-29 02:30:00.125")),
        },
    );
    add(
        "p",
        match pick(1872, 3) {
            0 => null(),
            1 => ("1.1".into(), json!("1.10")),
            _ => ("-9999999999.99".into(), json!("-9999999999.99")),
        },
    );
    values
}

#[derive(Debug, Clone)]
struct Case {
    shape: usize,
    source: Vec<(usize, usize)>,
    /// What happens to the source's rows, and rows of the target's own.
    changes: Vec<(usize, usize)>,
    extra: Vec<(usize, usize)>,
    rows: u64,
    inspect: u64,
    bytes: u64,
    cut: usize,
    spread: u64,
    strong: bool,
    /// Connections to either server, and rows of a section at least.
    connections: usize,
    section_rows: u64,
    killed: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let row = || (0..200_usize, 0..5616_usize);
    (
        0..SHAPES.len(),
        prop::collection::vec(row(), 0..40),
        prop::collection::vec((0..12_usize, 0..5616_usize), 40),
        prop::collection::vec(row(), 0..10),
        (1..8_u64, 1..6_u64, prop_oneof![Just(1_u64), Just(300), Just(100_000)], 1..6_usize),
        (prop_oneof![Just(1_u64), Just(2), Just(4), Just(32)], 0..5_u8, 2..7_usize, 1..8_u64, 0..6_u8),
    )
        .prop_map(|(shape, source, changes, extra, limits, ways)| {
            let (rows, inspect, bytes, cut) = limits;
            let (spread, strong, connections, section_rows, killed) = ways;
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
                strong,
                connections,
                section_rows,
                killed,
            }
        })
}

type Row = (Map<String, Value>, Map<String, Value>, String);

/// Rows with key, whole row and SQL, those left out that the key forbids.
fn rows(shape: Shape, chosen: &[(usize, usize)], target: bool) -> Vec<Row> {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for &(number, choice) in chosen {
        let number = if matches!(shape, Shape::None) { number % 6 } else { number };
        let choice = if matches!(shape, Shape::None) { choice % 3 } else { choice };
        let (key, unique) = shape.key(number, target);
        if !matches!(shape, Shape::None) && !seen.insert(unique) {
            continue;
        }
        let columns = key.iter().cloned().chain(values(choice)).collect::<Vec<_>>();
        let map = |columns: &[(&str, String, Value)]| {
            columns.iter().map(|(name, _, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let sql = columns.iter().map(|(_, sql, _)| sql.as_str()).collect::<Vec<_>>().join(",");
        let key = if matches!(shape, Shape::None) { Map::new() } else { map(&key) };
        rows.push((key, map(&columns), sql));
    }
    rows
}

fn naive(shape: Shape, source: &[Row], target: &[Row]) -> Vec<String> {
    let line = |kind: &str, key: &Map<String, Value>, source: Option<&Value>, target: Option<&Value>| {
        // Ordered maps, so that the order of columns is no matter here.
        let key = key.iter().collect::<BTreeMap<_, _>>();
        json!({"kind": kind, "key": key, "source": source, "target": target}).to_string()
    };
    let value = |row: &Row| Value::Object(row.1.clone());
    let mut lines = Vec::new();
    if matches!(shape, Shape::None) {
        let count = |rows: &[Row], row: &str| rows.iter().filter(|other| other.2 == row).count();
        let distinct =
            source.iter().chain(target).map(|row| (row.2.clone(), value(row))).collect::<BTreeMap<_, _>>();
        for (sql, row) in distinct {
            let (left, right) = (count(source, &sql), count(target, &sql));
            lines.extend((right..left).map(|_| line("missing", &Map::new(), Some(&row), None)));
            lines.extend((left..right).map(|_| line("extra", &Map::new(), None, Some(&row))));
        }
    } else {
        // Keys that differ and are one to the collation are one row's, which changed.
        let class = |key: &Map<String, Value>| match shape {
            Shape::Folding => Some(folded(&key["k"])),
            Shape::Composite => Some(format!("{}/{}", key["k"], folded(&key["l"]))),
            _ => None,
        };
        let same = |left: &Row, right: &Row| {
            left.0 == right.0 || class(&left.0).is_some_and(|of_left| class(&right.0) == Some(of_left))
        };
        for row in source {
            match target.iter().find(|other| same(row, other)) {
                None => lines.push(line("missing", &row.0, Some(&value(row)), None)),
                Some(other) if other.1 != row.1 => {
                    lines.push(line("changed", &row.0, Some(&value(row)), Some(&value(other))));
                }
                Some(_) => {}
            }
        }
        for row in target.iter().filter(|row| !source.iter().any(|other| same(other, row))) {
            lines.push(line("extra", &row.0, None, Some(&value(row))));
        }
    }
    lines.sort();
    lines
}

/// The class of a text under `utf8mb4_general_ci`.
fn folded(text: &Value) -> String {
    TEXTS.iter().find(|(known, ..)| text == known).map(|(_, class, _)| class.to_string()).unwrap()
}

fn script(shape: Shape, rows: &[Row], target: bool) -> String {
    // Where a case failed, the source's view may still be open.
    let mut script = format!("SET lock_wait_timeout = 10; DROP TABLE IF EXISTS t;\n{}", shape.ddl(target));
    if !rows.is_empty() {
        let values = rows.iter().map(|row| format!("({})", row.2)).collect::<Vec<_>>().join(",\n");
        script.push_str(&format!("INSERT INTO t VALUES {values};\n"));
    }
    script
}

#[test]
fn random_tables_give_what_a_naive_comparison_gives() {
    compare_random_tables(&TestServer::mariadb());
}

#[test]
fn random_tables_give_it_on_mysql_as_well() {
    if let Some(server) = TestServer::mysql() {
        compare_random_tables(&server);
    }
}

fn compare_random_tables(server: &TestServer) {
    server.sql("", "CREATE DATABASE a CHARACTER SET utf8mb4; CREATE DATABASE b CHARACTER SET utf8mb4");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connect = async || (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let (mut source_server, mut target_server) = runtime.block_on(connect());
    let cut_tables = std::cell::Cell::new(0);
    let ranges_seen = std::cell::Cell::new(0);
    // As many as there is time for: each run draws others.
    let config = Config { cases: 90, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let servers = std::cell::RefCell::new((&mut source_server, &mut target_server));
    TestRunner::new(config)
        .run(&case(), |case| {
            let shape = SHAPES[case.shape];
            let mut chosen = Vec::new();
            for (&(number, choice), &(what, new)) in case.source.iter().zip(&case.changes) {
                match what {
                    0 => {}
                    1 | 2 => chosen.push((number, new)),
                    _ => chosen.push((number, choice)),
                }
            }
            chosen.extend(&case.extra);
            // So that the target's rows are not those of the source by the order in which the key lets them in.
            let rotation = case.cut % chosen.len().max(1);
            chosen.rotate_left(rotation);
            let (source, target) = (rows(shape, &case.source, false), rows(shape, &chosen, true));
            server.sql("a", &script(shape, &source, false));
            server.sql("b", &script(shape, &target, true));
            let Case { rows, inspect: inspect_rows, bytes: fetch_bytes, cut, spread, strong, .. } = case;
            let options = Options { first_rows: rows, chunk_rows: rows, inspect_rows, fetch_bytes, spread, strong, ..Options::default() };
            let mut servers = servers.borrow_mut();
            let table = Table { schema: None, name: "t".into() };
            let (left, right) = &mut *servers;
            let (found, summary) = runtime.block_on(compare(left, right, &table, &options, cut));
            // Where a comparison was cut, and how much it took at once, is not to be seen in its result.
            if !matches!(shape, Shape::None) {
                let options = Options { first_rows: 1000, chunk_rows: 1000, ..options.clone() };
                let (whole, _) = runtime.block_on(compare(left, right, &table, &options, usize::MAX));
                prop_assert_eq!(&whole, &found, "{:?}", shape);
            }
            // Nor is it to be seen by how many connections it was made.
            let Case { connections, section_rows, .. } = case;
            let many = Options { connections, section_rows, ..options };
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
                let killed = compare_and_die(&connect, &table, &many, cut + 1);
                let (killed, counts) = runtime.block_on(killed);
                prop_assert_eq!(&killed, &found, "{:?} over {} connections, killed", shape, connections);
                prop_assert_eq!(counts, summary.counts);
            }
            let mut found = found
                .iter()
                .map(|difference| {
                    let key = difference.key.iter().collect::<BTreeMap<_, _>>();
                    json!({"kind": difference.kind, "key": key, "source": difference.source, "target": difference.target}).to_string()
                })
                .collect::<Vec<_>>();
            found.sort();
            prop_assert_eq!(&found, &naive(shape, &source, &target), "{:?}", shape);
            prop_assert_eq!(summary.counts.rows_source, source.len() as u64);
            prop_assert_eq!(summary.counts.rows_target, target.len() as u64);
            prop_assert_eq!(summary.key_columns.is_empty(), matches!(shape, Shape::None));
            Ok(())
        })
        .unwrap();
    // Else nothing of that was tried: of some shapes no table is cut, and many tables have few rows.
    assert!(cut_tables.get() > 10, "{} tables were cut", cut_tables.get());
    assert!(ranges_seen.get() > 4, "at most {} ranges", ranges_seen.get());
}
