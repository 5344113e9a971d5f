//! A table that is compared over several connections at once: what the connections see, how they wait, and cuts that move.

use std::sync::Arc;
use std::time::Duration;

use table_diff::{
    Copies, Cursor, Difference, Limits, Options, Progress, Server, Side, Sink, Table, TableSummary,
    compare_copies, compare_table,
};
use tokio::sync::Semaphore;

use crate::postgres_server::Postgres;
use crate::support::{Kept, TestServer, compare, compare_kept};

fn table() -> Table {
    Table { schema: None, name: "t".into() }
}

fn small(connections: usize) -> Options {
    Options {
        first_rows: 50,
        chunk_rows: 50,
        inspect_rows: 50,
        spread: 4,
        connections,
        section_rows: 100,
        ..Options::default()
    }
}

fn summary(progress: Progress) -> TableSummary {
    match progress {
        Progress::Finished(summary) => summary,
        Progress::Interrupted(_) => panic!("it was not to be interrupted"),
    }
}

/// When something is handed over for the first time, rows are written, and more connections are let in.
struct Writer<W> {
    kept: Kept,
    write: Option<W>,
    spare: Arc<Semaphore>,
}

impl<W: FnOnce() + Send> Sink for Writer<W> {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if let Some(write) = self.write.take() {
            write();
            self.spare.add_permits(2);
        }
        self.kept.reached(found, cursor).await
    }
}

/// Rows that come to the source after it was begun; connections that are made later see them, or not. Gives how many are missing
/// on the target.
async fn missing_of_later_connections(
    (mut source, mut target): (Server, Server),
    write: impl FnOnce() + Send,
) -> u64 {
    let spare = Arc::new(Semaphore::new(0));
    let options = Options { spare: Some(Arc::clone(&spare)), ..small(3) };
    let mut writer = Writer { kept: Kept::default(), write: Some(write), spare };
    let compared =
        compare_table(&mut source, &mut target, &table(), &options, None, &mut writer, || false).await;
    assert_eq!(writer.kept.sections, 3);
    let counts = summary(compared.unwrap()).counts;
    assert_eq!((counts.changed, counts.extra), (0, 0));
    counts.missing
}

#[tokio::test]
async fn connections_to_postgres_see_the_source_as_it_was_at_one_moment() {
    let Some(server) = Postgres::start() else { return };
    for database in ["a", "b"] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
        let rows = "INSERT INTO t SELECT n, 1 FROM generate_series(1, 3000) n; ANALYZE t";
        server.sql(database, &format!("CREATE TABLE t (id int PRIMARY KEY, v int); {rows}"));
    }
    let connect = async |side, database| {
        Server::connect(side, server.target(database), Duration::from_secs(60)).await.unwrap()
    };
    let servers = (connect(Side::Source, "a").await, connect(Side::Target, "b").await);
    let write = || server.sql("a", "INSERT INTO t SELECT n, 1 FROM generate_series(3001, 3010) n");
    assert_eq!(missing_of_later_connections(servers, write).await, 0);
}

/// As `docs/comparison.md` says: there is no statement by which one session sees what another does.
#[tokio::test]
async fn connections_to_mysqls_family_see_the_source_as_it_was_when_each_was_made() {
    let server = TestServer::mariadb();
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(
            database,
            "CREATE TABLE t (id INT PRIMARY KEY, v INT) SELECT seq AS id, 1 AS v FROM seq_1_to_3000; ANALYZE TABLE t",
        );
    }
    let servers = (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let write = || server.sql("a", "INSERT INTO t SELECT seq, 1 FROM seq_3001_to_3010");
    assert_eq!(missing_of_later_connections(servers, write).await, 10);
}

#[tokio::test]
async fn all_connections_wait_for_a_busy_target_and_stop_waiting_together() {
    let server = TestServer::mariadb();
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(
            database,
            "CREATE TABLE t (id INT PRIMARY KEY, v INT) SELECT seq AS id, 1 AS v FROM seq_1_to_3000; ANALYZE TABLE t",
        );
    }
    server.sql("b", "DELETE FROM t WHERE id IN (7, 1500, 2900)");
    // Its own statement is one that runs: a limit of none is always passed.
    let busy = |patience| Limits { running: Some(0), lag: None, patience };
    let connect = async || (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let (mut source, mut target) = connect().await;
    let options = Options { limits: busy(Duration::from_millis(20)), ..small(3) };
    let (kept, summary) = compare_kept(&mut source, &mut target, &table(), &options, usize::MAX).await;
    assert_eq!((kept.sections, summary.counts.missing, summary.counts.differences()), (3, 3, 3));
    let (mut source, mut target) = connect().await;
    let options = Options { limits: busy(Duration::from_secs(3600)), ..small(3) };
    let mut kept = Kept::default();
    let progress =
        compare_table(&mut source, &mut target, &table(), &options, None, &mut kept, || true).await;
    assert_eq!((progress.unwrap(), kept.calls), (Progress::Interrupted(None), 0));
}

/// Compares for some calls; then `meanwhile` happens, and it goes on with other connections.
async fn interrupted(
    server: &TestServer,
    calls: usize,
    meanwhile: &str,
) -> Result<(Vec<Difference>, TableSummary), table_diff::Error> {
    let (mut source, mut target) =
        (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let mut kept = Kept::default();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 >= calls;
    let progress =
        compare_table(&mut source, &mut target, &table(), &small(4), None, &mut kept, stop).await?;
    let Progress::Interrupted(Some(cursor)) = progress else { panic!("{progress:?}") };
    assert!(kept.sections > 1);
    server.sql("", meanwhile);
    let progress =
        compare_table(&mut source, &mut target, &table(), &small(2), Some(cursor), &mut kept, || false)
            .await?;
    Ok((kept.found, summary(progress)))
}

/// Two databases with the same rows, their keys in two cases: `Z…` comes before `a…` by the bytes, behind it by the language.
fn in_two_cases(server: &TestServer) {
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"));
        server.sql(
            database,
            "CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, v INT); \
             INSERT INTO t SELECT CONCAT('Z', LPAD(seq, 4, '0')), 1 FROM seq_1_to_500; \
             INSERT INTO t SELECT CONCAT('a', LPAD(seq, 4, '0')), 1 FROM seq_1_to_500; ANALYZE TABLE t",
        );
    }
}

#[tokio::test]
async fn cuts_whose_rows_come_and_go_stay_where_they_are() {
    let server = TestServer::mariadb();
    in_two_cases(&server);
    server.sql("b", "UPDATE t SET v = 2 WHERE k IN ('Z0450', 'a0450')");
    // On both sides, every second row, whichever the cuts may be: and as many others.
    let both = |sql: &str| format!("USE a; {sql}; USE b; {sql}");
    let meanwhile = both(
        "DELETE FROM t WHERE RIGHT(k, 1) IN ('1', '3', '5', '7', '9'); INSERT INTO t SELECT CONCAT(k, 'x'), 1 FROM t",
    );
    for calls in [1, 3, 9] {
        let (found, _) = interrupted(&server, calls, &meanwhile).await.unwrap();
        let keys = found.iter().map(|found| found.key["k"].as_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(keys, ["Z0450", "a0450"]);
        server.sql("", "DROP DATABASE a; DROP DATABASE b");
        in_two_cases(&server);
        server.sql("b", "UPDATE t SET v = 2 WHERE k IN ('Z0450', 'a0450')");
    }
}

#[tokio::test]
async fn cuts_that_are_no_longer_in_order_are_refused() {
    let server = TestServer::mariadb();
    in_two_cases(&server);
    let altered = "ALTER TABLE a.t MODIFY k VARCHAR(20) COLLATE utf8mb4_general_ci; \
                   ALTER TABLE b.t MODIFY k VARCHAR(20) COLLATE utf8mb4_general_ci";
    let error = interrupted(&server, 2, altered).await.unwrap_err().to_string();
    assert!(error.contains("table t: the ranges into which it was cut overlap: Z"), "{error}");
    // From the start it is cut anew.
    let (mut source, mut target) =
        (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let (found, summary) = compare(&mut source, &mut target, &table(), &small(4), 3).await;
    assert_eq!((found.len(), summary.counts.rows_source), (0, 1000));
}

/// A table is cut by keys of every kind, into sections of about the same size.
#[tokio::test]
async fn sections_are_about_as_large_as_each_other() {
    let server = TestServer::mariadb();
    let keys = [
        ("INT", "seq * 3"),
        ("BIGINT", "POW(seq, 4)"),
        ("CHAR(36) COLLATE utf8mb4_general_ci", "INSERT(INSERT(MD5(seq), 9, 0, '-'), 14, 0, '-')"),
        ("BINARY(16)", "UNHEX(MD5(seq))"),
        ("DECIMAL(12,2)", "seq / 4"),
    ];
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"));
    }
    for (kind, value) in keys {
        for database in ["a", "b"] {
            server.sql(
                database,
                &format!(
                    "DROP TABLE IF EXISTS t; CREATE TABLE t (k {kind} PRIMARY KEY, v INT); \
                     INSERT INTO t SELECT {value}, 1 FROM seq_1_to_40000; ANALYZE TABLE t"
                ),
            );
        }
        let (mut source, mut target) =
            (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
        let mut sections = Sizes::default();
        let options = Options { section_rows: 1000, ..small(4) };
        let compared =
            compare_table(&mut source, &mut target, &table(), &options, None, &mut sections, || false).await;
        assert_eq!(summary(compared.unwrap()).counts.rows_source, 40_000);
        let ends = sections.ends.iter().map(|end| format!("x'{end}'")).collect::<Vec<_>>();
        assert_eq!(ends.len(), 3, "{kind}");
        for end in ends {
            let below =
                server.number(&format!("SELECT COUNT(*) FROM a.t WHERE k <= {}", literal(kind, &end)));
            sections.below.push(below);
        }
        let (low, high) =
            (sections.below.iter().copied().min().unwrap(), sections.below.iter().copied().max().unwrap());
        assert!(
            (8_000..12_000).contains(&low) && (28_000..32_000).contains(&high),
            "{kind}: {:?}",
            sections.below
        );
    }
}

/// A cut's canonical bytes as a value of this type.
fn literal(kind: &str, bytes: &str) -> String {
    match kind {
        "BINARY(16)" => bytes.to_owned(),
        "INT" | "BIGINT" | "DECIMAL(12,2)" => format!("CAST(CAST({bytes} AS CHAR) AS DECIMAL(30,4))"),
        _ => format!("CONVERT({bytes} USING utf8mb4)"),
    }
}

/// Where the sections end, and how many rows are below.
#[derive(Default)]
struct Sizes {
    ends: Vec<String>,
    below: Vec<u64>,
}

impl Sink for Sizes {
    async fn reached(
        &mut self,
        _: Vec<Difference>,
        cursor: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let json = serde_json::to_value(cursor)?;
        if let Some(sections) = json["position"]["sections"].as_array() {
            self.ends = sections.iter().filter_map(|one| Some(one["high"][0].as_str()?.to_owned())).collect();
        }
        Ok(())
    }
}

/// Each of the connections has one to the base beside it.
#[tokio::test]
async fn a_comparison_with_a_base_is_the_same_over_several_connections() {
    let server = TestServer::mariadb();
    for database in ["a", "b", "c"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(
            database,
            "CREATE TABLE t (id INT PRIMARY KEY, v INT) SELECT seq AS id, 1 AS v FROM seq_1_to_3000; ANALYZE TABLE t",
        );
    }
    server.sql("a", "UPDATE t SET v = 2 WHERE id % 500 = 0");
    server.sql("b", "DELETE FROM t WHERE id % 700 = 0; UPDATE t SET v = 3 WHERE id % 300 = 0");
    let mut found = Vec::new();
    for connections in [1, 3] {
        let (mut source, mut target) =
            (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
        let mut base = server.connect(Side::Base, "c").await;
        let copies = Copies { source: &mut source, target: &mut target, base: Some(&mut base) };
        let mut kept = Kept::default();
        let compared = compare_copies(copies, &table(), &small(connections), None, &mut kept, || false).await;
        assert_eq!(summary(compared.unwrap()).counts.differences(), kept.found.len() as u64);
        assert_eq!(kept.sections, if connections == 1 { 0 } else { 3 });
        assert!(kept.found.iter().all(|found| found.base.is_some()));
        found.push(kept.found);
    }
    assert_eq!(found[0], found[1]);
    let differs = |id: &usize| [300, 500, 700].iter().any(|of| id.is_multiple_of(*of));
    assert_eq!(found[0].len(), (1..=3000).filter(differs).count());
}

/// MySQL's family is not asked for the order of texts: within a part they are ordered by their bytes, so parts have to end where they do
/// over one connection.
#[tokio::test]
async fn texts_are_cut_where_one_connection_ends_a_part() {
    let server = TestServer::mariadb();
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"));
        server.sql(
            database,
            "CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT); \
             INSERT INTO t SELECT CONCAT(SUBSTR('aBcDeFgHiJkLmNoPqRsTuVwXyZ', 1 + seq DIV 104, 1), \
             SUBSTR('aBcDeFgHiJkLmNoPqRsTuVwXyZ', 1 + seq DIV 4 MOD 26, 1), seq MOD 4), seq FROM seq_1_to_2700; \
             ANALYZE TABLE t",
        );
    }
    server.sql("b", "UPDATE t SET v = -v WHERE v MOD 2 = 0 OR v MOD 7 = 0");
    let mut found = Vec::new();
    for connections in 1..9 {
        let (mut source, mut target) =
            (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
        let options = Options { connections, section_rows: 100, spread: 12, ..Options::default() };
        let (kept, _) = compare_kept(&mut source, &mut target, &table(), &options, usize::MAX).await;
        assert_eq!(kept.sections > 1, connections > 1);
        found.push(kept.found);
    }
    assert!(found.iter().all(|of| *of == found[0]));
}

/// Whoever has no connection left for it is told, and is not compared over fewer.
#[tokio::test]
async fn a_connection_that_can_not_be_made_is_an_error() {
    let server = TestServer::mariadb();
    in_two_cases(&server);
    server.sql("", "ALTER USER u@'%' WITH MAX_USER_CONNECTIONS 2");
    let (mut source, mut target) =
        (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let mut kept = Kept::default();
    let compared =
        compare_table(&mut source, &mut target, &table(), &small(4), None, &mut kept, || false).await;
    let error = table_diff::one_line(&compared.unwrap_err());
    assert!(error.contains("max_user_connections"), "{error}");
}

/// A table that was begun over one connection is not cut afterwards.
#[tokio::test]
async fn what_began_without_ranges_continues_without() {
    let server = TestServer::mariadb();
    in_two_cases(&server);
    let (mut source, mut target) =
        (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let mut kept = Kept::default();
    let begun = compare_table(&mut source, &mut target, &table(), &small(1), None, &mut kept, || true).await;
    let Ok(Progress::Interrupted(Some(cursor))) = begun else { panic!("{begun:?}") };
    let ended =
        compare_table(&mut source, &mut target, &table(), &small(4), Some(cursor), &mut kept, || false).await;
    assert_eq!((summary(ended.unwrap()).counts.rows_source, kept.sections), (1000, 0));
}

/// What stays whole, however many connections there are: cuts lie between values of its first column that differs.
#[tokio::test]
async fn tables_that_can_not_be_cut_stay_whole() {
    let server = TestServer::mariadb();
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"));
    }
    let text = "k VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY";
    let cases = [
        ("an integer key", "k INT PRIMARY KEY", "seq", false, 4),
        ("no key", "k INT", "seq", false, 0),
        ("a moment as a key", "k DATETIME PRIMARY KEY", "FROM_UNIXTIME(seq * 60)", false, 0),
        ("a text as a key", text, "MD5(seq) ", false, 4),
        ("a text as a key, and no passes", text, "MD5(seq)", true, 0),
        ("one value first", "k INT, l INT, PRIMARY KEY (k, l)", "1, seq", false, 4),
        ("two values first", "k INT, l INT, PRIMARY KEY (k, l)", "seq MOD 2, seq", false, 0),
    ];
    for (name, columns, values, strong, sections) in cases {
        for database in ["a", "b"] {
            server.sql(
                database,
                &format!(
                    "DROP TABLE IF EXISTS t; CREATE TABLE t ({columns}, v INT); \
                     INSERT INTO t SELECT {values}, 1 FROM seq_1_to_3000; ANALYZE TABLE t"
                ),
            );
        }
        let (mut source, mut target) =
            (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
        let options = Options { strong, ..small(4) };
        let (kept, summary) = compare_kept(&mut source, &mut target, &table(), &options, usize::MAX).await;
        assert_eq!((kept.sections, summary.counts.rows_source), (sections, 3000), "{name}");
        let large = Options { section_rows: 2000, ..options };
        let (kept, _) = compare_kept(&mut source, &mut target, &table(), &large, usize::MAX).await;
        assert_eq!(kept.sections, 0, "{name}: it is too small");
    }
}
