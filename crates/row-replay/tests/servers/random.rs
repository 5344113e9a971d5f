//! Random tables, damage and interference: after a replay nothing is missing but what has a reason, what was there is
//! as it was, and it makes no difference where the replay was cut.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use row_replay::{Options, Replayed, ReplayedRow};
use table_diff::{Difference, DifferenceKind, Engine};

use crate::database::{Database, short};

/// How a table's key is declared, by engine; the n-th key as a literal.
#[derive(Debug, Clone, Copy)]
enum Key {
    Numbered,
    Integer,
    Text,
    Bytes,
    Two,
}

const KEYS: [Key; 5] = [Key::Numbered, Key::Integer, Key::Text, Key::Bytes, Key::Two];
/// No two equal under a collation that folds.
const TEXTS: [&str; 12] = ["a", "b", "it''s", "é😀", "", "x y", "0", "--", "#N", "q;", "`\"", "%"];

impl Key {
    /// Columns, the primary key's, and those that refer to it with the name `parent`.
    fn columns(self, engine: Engine, prefix: &str) -> Vec<(String, &'static str)> {
        let name = |number: u8| format!("{prefix}{number}");
        match (self, engine) {
            (Self::Numbered | Self::Integer, _) => vec![(name(1), "INT")],
            (Self::Text, _) => vec![(name(1), "VARCHAR(20)")],
            (Self::Bytes, Engine::MySql) => vec![(name(1), "VARBINARY(20)")],
            (Self::Bytes, Engine::Postgres) => vec![(name(1), "BYTEA")],
            (Self::Two, _) => vec![(name(1), "VARCHAR(20)"), (name(2), "INT")],
        }
    }

    fn literals(self, engine: Engine, number: usize) -> Vec<String> {
        match self {
            Self::Numbered | Self::Integer => vec![(number * 3 + 1).to_string()],
            Self::Text => vec![format!("'{}'", TEXTS[number % TEXTS.len()])],
            Self::Bytes if engine == Engine::MySql => vec![format!("x'{number:02x}27'")],
            Self::Bytes => vec![format!("'\\x{number:02x}27'")],
            Self::Two => vec![format!("'{}'", TEXTS[number % 3]), (number / 3).to_string()],
        }
    }
}

/// A row by small numbers: key, parent's key (one beyond the rest: none), unique value (likewise), and the others.
type Numbers = (usize, usize, usize, usize);

#[derive(Debug, Clone)]
struct Case {
    /// Each table refers to the one before it; the last of the numbers, that it refers to itself instead.
    tables: Vec<(usize, bool)>,
    /// The rows that both sides have at first, by table and key.
    rows: Vec<Vec<Numbers>>,
    /// What becomes of each on the target: 0, 1 lost; 2 changed; else there.
    damage: Vec<Vec<usize>>,
    /// Rows of the target's own, before the comparison and after it, where their keys are free.
    before: Vec<Vec<Numbers>>,
    after: Vec<Vec<Numbers>>,
    transaction: usize,
    cut: usize,
    by_file: bool,
}

const ROWS: usize = 8;

fn case() -> impl Strategy<Value = Case> {
    let row = || (0..ROWS, 0..=ROWS, 0..=ROWS * 2, 0..1000_usize);
    let rows = move || proptest::collection::vec(proptest::collection::vec(row(), 0..=ROWS), 3);
    (
        proptest::collection::vec((0..KEYS.len(), any::<bool>()), 3),
        rows(),
        proptest::collection::vec(proptest::collection::vec(0..5_usize, ROWS), 3),
        rows(),
        rows(),
        1..6_usize,
        1..4_usize,
        any::<bool>(),
    )
        .prop_map(|(tables, rows, damage, before, after, transaction, cut, by_file)| Case {
            tables,
            rows,
            damage,
            before,
            after,
            transaction,
            cut,
            by_file,
        })
}

fn key(case: &Case, table: usize) -> Key {
    KEYS[case.tables[table].0]
}

/// The table that a table refers to.
fn parent(case: &Case, table: usize) -> usize {
    if table == 0 || case.tables[table].1 { table } else { table - 1 }
}

fn schema(case: &Case, engine: Engine) -> String {
    let names = |columns: &[(String, &str)]| {
        columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    (0..case.tables.len())
        .map(|table| {
            let (own, referred) = (key(case, table), key(case, parent(case, table)));
            let (keys, parents) = (own.columns(engine, "k"), referred.columns(engine, "p"));
            let numbered = match (own, engine) {
                (Key::Numbered, Engine::MySql) => " AUTO_INCREMENT",
                (Key::Numbered, Engine::Postgres) => " GENERATED ALWAYS AS IDENTITY",
                _ => "",
            };
            let columns = keys.iter().map(|(name, kind)| format!("{name} {kind} NOT NULL{numbered}"));
            let columns = columns.chain(parents.iter().map(|(name, kind)| format!("{name} {kind}")));
            format!(
                "CREATE TABLE t{table} ({}, u INT UNIQUE, v VARCHAR(20), PRIMARY KEY ({}), FOREIGN KEY ({}) REFERENCES t{} ({}));\n",
                columns.collect::<Vec<_>>().join(", "),
                names(&keys),
                names(&parents),
                parent(case, table),
                names(&referred.columns(engine, "k")),
            )
        })
        .collect()
}

/// A side's rows: by table and key.
type Rows = Vec<BTreeMap<usize, Numbers>>;

/// Adds a row where key and unique value are free and the parent is there.
fn add(case: &Case, rows: &mut Rows, table: usize, row: Numbers) {
    let (number, parent_number, unique, value) = row;
    let of = parent(case, table);
    let there = parent_number == ROWS
        || rows[of].contains_key(&parent_number)
        || (of == table && number == parent_number);
    let taken = rows[table].values().any(|other| other.2 == unique && unique < ROWS * 2);
    if there && !taken && !rows[table].contains_key(&number) {
        rows[table].insert(number, (number, parent_number, unique, value));
    }
}

fn inserts(case: &Case, engine: Engine, rows: &Rows) -> String {
    let mut sql = String::new();
    for (table, rows) in rows.iter().enumerate() {
        let referred = key(case, parent(case, table));
        // Parents first, where a table refers to itself.
        let mut left = rows.values().copied().collect::<Vec<_>>();
        let mut done = BTreeSet::new();
        while !left.is_empty() {
            let ready = left.iter().position(|row| {
                parent(case, table) != table
                    || row.1 == ROWS
                    || row.1 == row.0
                    || done.contains(&row.1)
                    || !rows.contains_key(&row.1)
            });
            let (number, parent_number, unique, value) = left.remove(ready.unwrap());
            done.insert(number);
            let mut literals = key(case, table).literals(engine, number);
            let parents = referred.literals(engine, parent_number);
            literals.extend(if parent_number == ROWS { vec!["NULL".into(); parents.len()] } else { parents });
            literals.push(if unique == ROWS * 2 { "NULL".into() } else { unique.to_string() });
            literals.push(format!("'{}'", TEXTS[value % TEXTS.len()]));
            let system = if engine == Engine::Postgres { " OVERRIDING SYSTEM VALUE" } else { "" };
            sql.push_str(&format!("INSERT INTO t{table}{system} VALUES ({});\n", literals.join(", ")));
        }
    }
    sql
}

#[test]
fn after_a_replay_nothing_is_left_without_a_reason_on_mariadb() {
    run(&Database::mariadb(), 25);
}

#[test]
fn after_a_replay_nothing_is_left_without_a_reason_on_mysql() {
    if let Some(database) = Database::mysql() {
        run(&database, 6);
    }
}

#[test]
fn after_a_replay_nothing_is_left_without_a_reason_on_postgres() {
    if let Some(database) = Database::postgres() {
        run(&database, 20);
    }
}

fn run(database: &Database, cases: u32) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    TestRunner::new(config).run(&case(), |case| runtime.block_on(check(database, &case))).unwrap();
}

/// Two empty databases with the case's tables.
fn reset(case: &Case, database: &Database) {
    for name in ["a", "b"] {
        let drop = match database.engine() {
            Engine::MySql => format!(
                "DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET utf8mb4; USE {name};"
            ),
            Engine::Postgres => "DROP TABLE IF EXISTS t2, t1, t0;".to_owned(),
        };
        if database.engine() == Engine::Postgres
            && database
                .sql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{name}';"))
                .is_empty()
        {
            database.create(name);
        }
        let at = if database.engine() == Engine::MySql { "" } else { name };
        database.sql(at, &format!("{drop}{}", schema(case, database.engine())));
    }
}

async fn check(database: &Database, case: &Case) -> Result<(), TestCaseError> {
    let engine = database.engine();
    reset(case, database);
    let mut source: Rows = vec![BTreeMap::new(); 3];
    for (table, rows) in case.rows.iter().enumerate() {
        rows.iter().for_each(|&row| add(case, &mut source, table, row));
    }
    let mut target: Rows = vec![BTreeMap::new(); 3];
    for (table, rows) in source.iter().enumerate() {
        // Twice, so that parents in the same table are there before their children.
        for &(number, parent_number, unique, value) in rows.values().chain(rows.values()) {
            match case.damage[table][number] {
                0 | 1 => {}
                2 => add(case, &mut target, table, (number, parent_number, unique, value + 1)),
                _ => add(case, &mut target, table, (number, parent_number, unique, value)),
            }
        }
        case.before[table].iter().for_each(|&row| add(case, &mut target, table, row));
    }
    database.sql("a", &inserts(case, engine, &source));
    database.sql("b", &inserts(case, engine, &target));
    let lost = database.differences().await;

    let mut live = target.clone();
    for (table, rows) in case.after.iter().enumerate() {
        rows.iter().take(2).for_each(|&row| add(case, &mut live, table, row));
    }
    let new = live.iter().zip(&target).map(|(live, target)| {
        live.iter().filter(|(key, _)| !target.contains_key(key)).map(|(key, row)| (*key, *row)).collect()
    });
    database.sql("b", &inserts(case, engine, &new.collect()));
    let dump = || ["t0", "t1", "t2"].map(|table| database.sql("b", &format!("SELECT * FROM {table};")));
    let before = dump();

    let options = Options { transaction_rows: case.transaction, dry_run: true, ..Options::default() };
    let (foreseen, _) = database.apply(&lost, &options, usize::MAX).await;
    prop_assert_eq!(&dump(), &before, "a dry run writes nothing");
    let missing = count(&lost, DifferenceKind::Missing);
    prop_assert_eq!(foreseen.len(), missing);
    if case.by_file {
        let file = database.file(&lost).await;
        let printed = database.sql("b", &file);
        prop_assert_eq!(&printed, &database.sql("b", &file), "the same when run twice");
    }
    let options = Options { dry_run: false, ..options };
    let (fates, _) = database.apply(&lost, &options, case.cut).await;
    prop_assert_eq!(fates.len(), missing);
    // What the file put back is there by now.
    let plain = |fates: &[ReplayedRow]| {
        let told = fates.iter().map(|fate| short(fate).replace("inserted", "already there"));
        let mut told = told.collect::<Vec<_>>();
        told.sort();
        told
    };
    prop_assert_eq!(plain(&foreseen), plain(&fates), "a dry run tells what is to be");
    if case.by_file {
        let inserted =
            fates.iter().filter(|fate| fate.replayed == Replayed::Inserted).map(short).collect::<Vec<_>>();
        prop_assert!(inserted.is_empty(), "the file left out {:?}", inserted);
    }

    // What was there is as it was.
    for (before, after) in before.iter().zip(dump()) {
        let after = after.lines().collect::<BTreeSet<_>>();
        for line in before.lines() {
            prop_assert!(after.contains(line), "{} was changed", line);
        }
    }
    // What is still missing has a fate that says so; everything else is there as it was lost.
    let left = database.differences().await;
    let kept_out =
        fates.iter().filter(|fate| !matches!(fate.replayed, Replayed::Inserted | Replayed::AlreadyThere));
    let kept_out = kept_out
        .map(|fate| (fate.table.clone(), serde_json::to_string(&fate.key).unwrap()))
        .collect::<BTreeSet<_>>();
    let was_changed = keys(&lost, DifferenceKind::Changed);
    for key in keys(&left, DifferenceKind::Missing).into_iter().chain(keys(&left, DifferenceKind::Changed)) {
        prop_assert!(kept_out.contains(&key) || was_changed.contains(&key), "{:?} has no reason", key);
    }
    // No row was given to a parent that is somebody else's.
    let changed = keys(&left, DifferenceKind::Changed);
    for fate in
        fates.iter().filter(|fate| matches!(fate.replayed, Replayed::Inserted | Replayed::AlreadyThere))
    {
        let table = usize::from(fate.table.as_bytes()[1] - b'0');
        let row = lost[&fate.table].iter().find(|row| row.key == fate.key).unwrap().source.clone().unwrap();
        let of = parent(case, table);
        let referred = (1..=key(case, of).columns(engine, "k").len())
            .map(|number| (format!("k{number}"), row[&format!("p{number}")].clone()));
        let referred =
            (format!("t{of}"), serde_json::to_string(&referred.collect::<serde_json::Map<_, _>>()).unwrap());
        prop_assert!(
            !kept_out.contains(&referred),
            "{:?} belongs to {:?}, which was kept out",
            fate,
            referred
        );
        let another = matches!(key(case, of), Key::Numbered) && changed.contains(&referred);
        prop_assert!(!another, "{:?} belongs to {:?}, which may be another", fate, referred);
    }
    for fate in &fates {
        prop_assert!(
            !matches!(fate.replayed, Replayed::Refused { .. } | Replayed::LeftOut { .. }),
            "{:?}",
            fate
        );
    }
    Ok(())
}

fn count(differences: &BTreeMap<String, Vec<Difference>>, kind: DifferenceKind) -> usize {
    differences.values().flatten().filter(|difference| difference.kind == kind).count()
}

fn keys(differences: &BTreeMap<String, Vec<Difference>>, kind: DifferenceKind) -> BTreeSet<(String, String)> {
    let rows = differences.iter().flat_map(|(table, rows)| rows.iter().map(move |row| (table, row)));
    let rows = rows.filter(|(_, row)| row.kind == kind);
    rows.map(|(table, row)| (table.clone(), serde_json::to_string(&row.key).unwrap())).collect()
}
