//! What a comparison does to servers that others use: when it waits, what it sees, how often it asks, what it pushes out of
//! memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use table_diff::{
    Counts, Cursor, Difference, DifferenceKind, Limits, Options, Progress, Server, Side, Sink, Table,
    compare_table,
};

use crate::postgres_server::Postgres;
use crate::support::{Kept, TestServer};

fn table(name: &str) -> Table {
    Table { schema: None, name: name.into() }
}

/// Two databases, `a` and `b`, with the same rows but for what `differ` does to `b`.
fn pair(server: &TestServer, schema: &str, rows: u32, differ: &str) {
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(
            database,
            &format!("CREATE TABLE t ({schema}) SELECT seq AS id, 1 AS v FROM seq_1_to_{rows}"),
        );
    }
    server.sql("b", differ);
}

async fn connect(server: &TestServer) -> (Server, Server) {
    (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await)
}

/// Compares `t` to its end.
async fn counted((source, target): &mut (Server, Server), options: &Options, sink: &mut impl Sink) -> Counts {
    match compare_table(source, target, &table("t"), options, None, sink, || false).await.unwrap() {
        Progress::Finished(summary) => summary.counts,
        Progress::Interrupted(_) => panic!("it was not to be interrupted"),
    }
}

/// Keeps why it waited and what was found.
#[derive(Default)]
struct Waited {
    reasons: Vec<String>,
    found: Vec<Difference>,
}

impl Sink for Waited {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        _: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.found.extend(found);
        Ok(())
    }

    fn waiting(&mut self, reason: &str) {
        self.reasons.push(reason.to_owned());
    }
}

#[tokio::test]
async fn it_waits_for_a_busy_target_but_not_for_ever() {
    let server = TestServer::mariadb();
    pair(&server, "id INT PRIMARY KEY, v INT", 1000, "DELETE FROM t WHERE id = 7");
    let mut servers = connect(&server).await;
    let busy = |running| Options {
        limits: Limits { running: Some(running), lag: None, patience: Duration::from_millis(20) },
        ..Options::default()
    };

    // Its own statement is one that runs: a limit of none is always passed.
    let mut waited = Waited::default();
    let counts = counted(&mut servers, &busy(0), &mut waited).await;
    assert_eq!((counts.missing, counts.differences(), counts.rows_source), (1, 1, 1000));
    assert!(!waited.reasons.is_empty());

    // Asked to stop while it waits, it does, and nothing was compared. (A server is asked once a second.)
    let mut servers = connect(&server).await;
    let limits = Limits { patience: Duration::from_secs(3600), ..busy(0).limits };
    let patient = Options { limits, ..busy(0) };
    let progress =
        compare_table(&mut servers.0, &mut servers.1, &table("t"), &patient, None, &mut waited, || true)
            .await;
    assert_eq!(progress.unwrap(), Progress::Interrupted(None));

    // What the others run is counted.
    let mut sleepers = (0..5).map(|_| server.query("SELECT SLEEP(600)")).collect::<Vec<_>>();
    let running =
        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Threads_running'";
    while server.number(running) < 6 {
        tokio::task::yield_now().await;
    }
    let mut servers = connect(&server).await;
    let mut waited = Waited::default();
    let counts = counted(&mut servers, &busy(5), &mut waited).await;
    assert_eq!(counts.differences(), 1);
    // The connection that asked above may not be gone yet.
    let told = waited.reasons.first().unwrap();
    let counted = told
        .strip_prefix("the target runs ")
        .and_then(|told| told.split_once(" statements at once, more than 5"));
    assert!(counted.unwrap().0.parse::<u64>().unwrap() >= 6, "{told}");
    for sleeper in &mut sleepers {
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
}

#[tokio::test]
async fn it_waits_for_a_replica_that_is_behind() {
    let primary = TestServer::mariadb_with(&["--log-bin", "--server-id=1"]);
    let replica = TestServer::mariadb_with(&["--server-id=2"]);
    pair(&replica, "id INT PRIMARY KEY, v INT", 10, "DELETE FROM t WHERE id = 7");
    replica.sql(
        "",
        &format!(
            "CHANGE MASTER TO master_host = '127.0.0.1', master_port = {}, master_user = 'u', master_password = 'p', \
             master_delay = 3600, master_log_file = '', master_use_gtid = no; START SLAVE",
            primary.port
        ),
    );
    primary.sql("", "CREATE DATABASE late");
    let mut servers = connect(&replica).await;
    let limits = Limits { running: None, lag: Some(Duration::ZERO), patience: Duration::from_millis(20) };
    let options = Options { limits, ..Options::default() };
    // It is behind by whole seconds, once it knows of what it has not done yet.
    let mut waited = Waited::default();
    while waited.reasons.is_empty() {
        let counts = counted(&mut servers, &options, &mut waited).await;
        assert_eq!(counts.missing, 1);
    }
    assert!(waited.reasons[0].starts_with("a replica is "), "{}", waited.reasons[0]);
}

/// Aurora's readers are no standbys: a function of its own tells how far they are behind, and the writer's row says nothing.
#[tokio::test]
async fn it_waits_for_a_reader_of_aurora_postgresql_that_is_behind() {
    let Some(server) = Postgres::start() else { return };
    for database in ["a", "b"] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
        server.sql(database, "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)");
    }
    let connect = async |side, database| {
        Server::connect(side, server.target(database), Duration::from_secs(60)).await.unwrap()
    };
    let limits =
        Limits { running: None, lag: Some(Duration::from_millis(500)), patience: Duration::from_millis(300) };
    let options = Options { limits, ..Options::default() };
    let said = async |rows: &str| {
        // As on Aurora: the columns that are read, of the documented types.
        server.sql(
            "b",
            &format!(
                "CREATE OR REPLACE FUNCTION aurora_replica_status() RETURNS TABLE (server_id text, session_id text, \
                 replica_lag_in_msec double precision) LANGUAGE sql AS $$ VALUES {rows} $$"
            ),
        );
        let mut servers = (connect(Side::Source, "a").await, connect(Side::Target, "b").await);
        let mut waited = Waited::default();
        counted(&mut servers, &options, &mut waited).await;
        waited.reasons
    };
    let writer = "('writer', 'MASTER_SESSION_ID', 9000.0)";
    let reader = |lag: &str| format!("{writer}, ('reader', 'b51b8a5c', {lag}::double precision)");
    assert_eq!(said(writer).await, [""; 0]);
    assert_eq!(said(&reader("499.4")).await, [""; 0]);
    assert_eq!(said(&reader("null")).await, [""; 0], "not known is not watched");
    assert_eq!(said(&reader("812.6")).await[0], "a replica is 813 ms behind, more than 500");
}

/// Inserts rows on both sides as soon as a part is compared, behind that part.
struct Writer<'a> {
    server: &'a TestServer,
    found: Vec<Difference>,
    done: AtomicBool,
}

impl Sink for Writer<'_> {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        _: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.found.extend(found);
        if !self.done.swap(true, Ordering::Relaxed) {
            self.server.sql("a", "INSERT INTO t VALUES (5001, 1), (5002, 1)");
            self.server.sql("b", "INSERT INTO t VALUES (5003, 1)");
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_source_is_seen_as_it_was_and_the_target_as_it_is() {
    for view in [true, false] {
        let server = TestServer::mariadb();
        pair(&server, "id INT PRIMARY KEY, v INT", 1000, "DO 1");
        let mut servers = connect(&server).await;
        // By its own isolation the source's session would see each statement as it is then.
        server.sql("", "SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED");
        for strong in [false, true] {
            server.sql("", "DELETE FROM a.t WHERE id > 5000; DELETE FROM b.t WHERE id > 5000");
            let options = Options {
                first_rows: 50,
                chunk_rows: 50,
                inspect_rows: 50,
                view,
                strong,
                ..Options::default()
            };
            let mut writer = Writer { server: &server, found: Vec::new(), done: AtomicBool::new(false) };
            let counts = counted(&mut servers, &options, &mut writer).await;
            assert_eq!(counts.extra, 1, "view {view}, strong {strong}");
            assert_eq!(counts.missing, if view { 0 } else { 2 }, "view {view}, strong {strong}");
            assert!(writer.found.iter().all(|found| found.kind != DifferenceKind::Changed));
        }
        // Nothing is left open: the source's table can be altered.
        server.sql("a", "SET lock_wait_timeout = 1; ALTER TABLE t ADD COLUMN w INT");
    }
}

/// What a pass gave until its time was over counts, and the next goes on behind it.
async fn passes_end_in_time(server: &TestServer) {
    let digits =
        "CREATE TABLE d (n INT); INSERT INTO d VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)";
    let rows = "SELECT a.n + 10 * b.n + 100 * c.n + 1000 * e.n + 10000 * f.n, 1 FROM d a, d b, d c, d e, d f";
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(
            database,
            &format!("{digits}; CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t {rows}"),
        );
    }
    server.sql("b", "UPDATE t SET v = 2 WHERE id % 1000 = 0");
    let mut servers = connect(server).await;
    let options = Options { pass: Duration::from_millis(1), ..Options::default() };
    let mut kept = Kept::default();
    let counts = counted(&mut servers, &options, &mut kept).await;
    assert_eq!((counts.changed, counts.differences(), counts.rows_source), (100, 100, 100_000));
    let ids = kept.found.iter().map(|found| found.key["id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids, (0..100).map(|number| number * 1000).collect::<Vec<_>>());
    assert!(kept.calls > 5, "{} passes", kept.calls);
}

#[tokio::test]
async fn a_pass_ends_in_time() {
    passes_end_in_time(&TestServer::mariadb()).await;
}

#[tokio::test]
async fn a_pass_ends_in_time_on_mysql_as_well() {
    if let Some(server) = TestServer::mysql() {
        passes_end_in_time(&server).await;
    }
}

#[tokio::test]
async fn a_pass_ends_in_time_on_postgres_as_well() {
    let Some(server) = Postgres::start() else { return };
    for database in ["a", "b"] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
        let rows = "INSERT INTO t SELECT n, 1 FROM generate_series(0, 99999) n; ANALYZE t";
        server.sql(database, &format!("CREATE TABLE t (id int PRIMARY KEY, v int); {rows}"));
    }
    server.sql("b", "UPDATE t SET v = 2 WHERE id % 1000 = 0");
    let connect = async |side, database| {
        Server::connect(side, server.target(database), Duration::from_secs(60)).await.unwrap()
    };
    let mut servers = (connect(Side::Source, "a").await, connect(Side::Target, "b").await);
    // So short that the first passes give nothing: the source still sees what it saw, and they end up shorter.
    let options = Options { pass: Duration::from_millis(5), ..Options::default() };
    let mut kept = Kept::default();
    let counts = counted(&mut servers, &options, &mut kept).await;
    assert_eq!((counts.changed, counts.differences(), counts.rows_source), (100, 100, 100_000));
    let ids = kept.found.iter().map(|found| found.key["id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids, (0..100).map(|number| number * 1000).collect::<Vec<_>>());
    assert!(kept.calls > 5, "{} passes", kept.calls);
}

#[tokio::test]
async fn a_server_that_is_far_away_is_asked_seldom() {
    let server = TestServer::mariadb();
    pair(&server, "id INT PRIMARY KEY, v INT", 100_000, "DELETE FROM t WHERE id % 100 = 0");
    let mut servers = connect(&server).await;
    let before = server.number("SHOW GLOBAL STATUS LIKE 'Com_select'");
    let mut waited = Waited::default();
    let counts = counted(&mut servers, &Options::default(), &mut waited).await;
    assert_eq!(counts.missing, 1000);
    let asked = server.number("SHOW GLOBAL STATUS LIKE 'Com_select'") - before;
    // Of both servers, for a thousand rows that differ, each in a place of its own: a dozen round trips to either.
    assert!(asked < 40, "{asked} SELECTs");
}

#[tokio::test]
async fn pages_that_are_in_use_stay_in_memory() {
    // A pool that is smaller than the tables, and of which the server does not keep everything free.
    let server = TestServer::mariadb_with(&["--innodb-buffer-pool-size=24M", "--innodb-lru-scan-depth=100"]);
    let rows = "SELECT seq AS id, REPEAT('x', 400) AS v FROM seq_1_to_";
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(database, &format!("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(400)) {rows}60000"));
    }
    server.sql("b", &format!("CREATE TABLE hot (id INT PRIMARY KEY, v VARCHAR(400)) {rows}12000"));
    // Read again and again is what makes a page one that is in use; without the second between.
    server.sql(
        "b",
        "SET GLOBAL innodb_old_blocks_time = 0; SELECT SUM(LENGTH(v)) FROM hot; SELECT SUM(LENGTH(v)) FROM hot; \
         SET GLOBAL innodb_old_blocks_time = 1000",
    );
    let hot = "SELECT COUNT(*) FROM information_schema.INNODB_BUFFER_PAGE WHERE TABLE_NAME = '`b`.`hot`'";
    let before = server.number(hot);
    assert!(before > 250, "{before} pages of the hot table are in memory to begin with");
    let mut servers = connect(&server).await;
    let mut waited = Waited::default();
    let counts = counted(&mut servers, &Options::default(), &mut waited).await;
    assert_eq!(counts.differences(), 0);
    let after = server.number(hot);
    assert!(after * 10 >= before * 9, "{after} of {before} pages are left");
}
