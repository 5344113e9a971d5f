//! Sessions that wait: for the other side's statement, for a target that is busy. No setting of a server may end them, and
//! what is read again is read as it is by then.

use std::process::Child;
use std::time::Duration;

use table_diff::{
    Counts, Limits, Options, Presence, Progress, Server, Side, Table, Target, compare_table, list_tables,
};

use crate::postgres_server::Postgres;
use crate::support::{Kept, TestServer};

const ROWS: &str =
    "CREATE TABLE orders (id INT PRIMARY KEY, total INT); INSERT INTO orders VALUES (1, 1), (2, 2), (3, 3)";

fn orders(schema: Option<&str>) -> Table {
    Table { schema: schema.map(str::to_owned), name: "orders".into() }
}

async fn connected(source: &Target, target: &Target) -> (Server, Server) {
    let connect =
        async |side, at: &Target| Server::connect(side, at.clone(), Duration::from_secs(60)).await.unwrap();
    (connect(Side::Source, source).await, connect(Side::Target, target).await)
}

async fn counted_by((source, target): &mut (Server, Server), table: &Table) -> Counts {
    let limits = Limits { running: None, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let mut kept = Kept::default();
    match compare_table(source, target, table, &options, None, &mut kept, || false).await.unwrap() {
        Progress::Finished(summary) => summary.counts,
        progress => panic!("{progress:?}"),
    }
}

async fn counted(source: &Target, target: &Target, table: &Table) -> Counts {
    counted_by(&mut connected(source, target).await, table).await
}

fn databases(server: &TestServer) {
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        server.sql(database, ROWS);
    }
}

/// Holds a table of MySQL's family for some seconds from now on, then runs a statement.
fn held(server: &TestServer, table: &str, then: &str) -> Child {
    let holder = server.query(&format!("LOCK TABLES {table} WRITE; DO SLEEP(3); UNLOCK TABLES; {then}"));
    let running = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO SLEEP%'";
    while server.number(running) < 1 {
        std::thread::yield_now();
    }
    holder
}

#[tokio::test]
async fn a_session_of_mysqls_family_waits_longer_than_its_server_would_let_it() {
    for server in [Some(TestServer::mariadb()), TestServer::mysql()].into_iter().flatten() {
        databases(&server);
        server.sql("b", "UPDATE orders SET total = 9 WHERE id = 2");
        server.sql("", "SET GLOBAL wait_timeout = 1; SET GLOBAL interactive_timeout = 1");
        let mut holder = held(&server, "b.orders", "DO 1");
        let counts = counted(&server.target("a"), &server.target("b"), &orders(None)).await;
        assert_eq!((counts.changed, counts.differences()), (1, 1));
        holder.wait().unwrap();
    }
}

#[tokio::test]
async fn a_session_of_postgres_waits_longer_than_its_database_would_let_it() {
    let Some(server) = Postgres::start() else { return };
    for database in ["a", "b"] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
        for setting in ["idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout"] {
            server.sql("postgres", &format!("ALTER DATABASE {database} SET {setting} TO '1s'"));
        }
        server.sql(database, ROWS);
    }
    server.sql("b", "UPDATE orders SET total = 9 WHERE id = 2");
    let mut client = server.client("b");
    client.args(["-c", "SET lock_timeout = 0; BEGIN; LOCK TABLE orders; SELECT pg_sleep(3); COMMIT"]);
    let mut holder = client.stdout(std::process::Stdio::null()).spawn().unwrap();
    let locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted";
    while server.client("b").args(["-c", locked]).output().unwrap().stdout.trim_ascii() != b"1" {
        std::thread::yield_now();
    }
    let counts = counted(&server.target("a"), &server.target("b"), &orders(Some("public"))).await;
    assert_eq!((counts.changed, counts.differences()), (1, 1));
    holder.wait().unwrap();
}

/// Without autocommit a session would see for ever what it saw first: a row that was only late would stay a difference.
#[tokio::test]
async fn the_target_is_seen_as_it_is_without_autocommit_either() {
    for server in [Some(TestServer::mariadb()), TestServer::mysql()].into_iter().flatten() {
        databases(&server);
        server.sql("b", "UPDATE orders SET total = 99 WHERE id = 2");
        server.sql("", "SET GLOBAL autocommit = 0");
        let mut servers = connected(&server.target("a"), &server.target("b")).await;
        assert_eq!(counted_by(&mut servers, &orders(None)).await.changed, 1);
        server.sql("b", "UPDATE orders SET total = 2 WHERE id = 2; COMMIT");
        assert_eq!(counted_by(&mut servers, &orders(None)).await.differences(), 0);
    }
}

#[tokio::test]
async fn a_table_has_one_name_in_whatever_case_where_the_server_says_so() {
    let plain = TestServer::mariadb();
    let folding = TestServer::mariadb_with(&["--lower-case-table-names=1"]);
    for (server, v) in [(&plain, 2), (&folding, 3)] {
        server.sql("", "CREATE DATABASE a");
        server.sql(
            "a",
            &format!("CREATE TABLE `OrderItems` (id INT PRIMARY KEY, v INT); INSERT INTO `OrderItems` VALUES (1, 1), (2, {v})"),
        );
    }
    plain.sql("a", "CREATE TABLE other (id INT PRIMARY KEY); CREATE TABLE `Other` (id INT PRIMARY KEY)");
    folding.sql("a", "CREATE TABLE other (id INT PRIMARY KEY)");
    for (left, right) in [(&plain, &folding), (&folding, &plain)] {
        let mut source = left.connect(Side::Source, "a").await;
        let mut target = right.connect(Side::Target, "a").await;
        let only = if std::ptr::eq(left, &plain) { Presence::SourceOnly } else { Presence::TargetOnly };
        let listed = list_tables(&mut source, &mut target, &[], &[]).await.unwrap();
        let seen = listed.iter().map(|one| (one.table.name.as_str(), one.presence)).collect::<Vec<_>>();
        assert_eq!(seen, [("OrderItems", Presence::Both), ("Other", only), ("other", Presence::Both)]);
        for asked in ["OrderItems", "orderitems"] {
            let listed = list_tables(&mut source, &mut target, &[asked.into()], &[]).await.unwrap();
            assert_eq!((listed.len(), listed[0].presence), (1, Presence::Both), "{asked}");
            let counts = counted(&left.target("a"), &right.target("a"), &listed[0].table).await;
            assert_eq!((counts.changed, counts.differences()), (1, 1), "{asked}");
        }
        let listed = list_tables(&mut source, &mut target, &[], &["orderitems".into()]).await.unwrap();
        assert_eq!(listed.len(), 2);
    }
}
