//! A table that is cut into ranges, each of which another process may compare: how large they are, and what makes them useless.

use std::time::Duration;

use table_diff::{
    Copies, Options, Server, Side, Table, check_ranges, compare_range, estimated_rows, key_ranges,
};

use crate::postgres_server::Postgres;
use crate::support::{Kept, TestServer, compare, compare_ranges, sum};

fn table() -> Table {
    Table { schema: None, name: "t".into() }
}

/// Two databases with the same 40,000 rows, but for three.
fn server() -> TestServer {
    let server = TestServer::mariadb();
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"));
        server.sql(
            database,
            "CREATE TABLE t (k VARCHAR(40) COLLATE utf8mb4_bin PRIMARY KEY, v INT); \
             INSERT INTO t SELECT IF(seq % 2, CONCAT('Z', MD5(seq)), CONCAT('a', MD5(seq))), 1 FROM seq_1_to_40000; ANALYZE TABLE t",
        );
    }
    server.sql(
        "b",
        "DELETE FROM t WHERE k LIKE CONCAT('_', MD5(1)) OR k LIKE CONCAT('_', MD5(20000)); \
         UPDATE t SET v = 2 WHERE k LIKE CONCAT('_', MD5(40000))",
    );
    server
}

#[tokio::test]
async fn more_ranges_than_sections_are_about_as_large_as_each_other() {
    let server = server();
    let (mut source, mut target) =
        (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let options = Options { spread: 4, ..Options::default() };
    let (found, summaries) =
        compare_ranges(&mut source, &mut target, &table(), &options, (500, usize::MAX)).await;
    let (whole, summary) = compare(&mut source, &mut target, &table(), &options, usize::MAX).await;
    assert_eq!((&found, sum(&summaries)), (&whole, summary.counts));
    assert_eq!((found.len(), summary.counts.rows_source), (3, 40_000));
    let most = summaries.iter().map(|summary| summary.counts.rows_source).max().unwrap();
    assert!((40..=100).contains(&summaries.len()) && most < 2_000, "{} of {most}", summaries.len());
}

#[tokio::test]
async fn ranges_whose_order_or_key_has_changed_are_refused() {
    let server = server();
    let (mut source, mut target) =
        (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
    let options = Options { spread: 4, ..Options::default() };
    let ranges = key_ranges(&mut source, &mut target, &table(), &options, (5_000, 100)).await.unwrap();
    assert!(ranges.len() > 4);
    // A gap is none of the servers' business.
    let gap = [&ranges[..1], &ranges[2..]].concat();
    let error = check_ranges(&mut source, &mut target, &table(), &options, &gap).await.unwrap_err();
    assert!(error.to_string().contains("range 2 does not begin where range 1 ends"), "{error}");
    let mut swapped = ranges.clone();
    swapped.reverse();
    let error = check_ranges(&mut source, &mut target, &table(), &options, &swapped).await.unwrap_err();
    assert!(error.to_string().contains("does not begin at the table's start"), "{error}");
    // `Z…` comes before `a…` by the bytes, behind it by the language.
    for (change, reason) in [
        ("MODIFY k VARCHAR(40) COLLATE utf8mb4_general_ci", "the ranges into which it was cut overlap"),
        ("DROP PRIMARY KEY, ADD COLUMN n INT AUTO_INCREMENT PRIMARY KEY", "its key is (n) now"),
    ] {
        for database in ["a", "b"] {
            server.sql(database, &format!("ALTER TABLE t {change}"));
        }
        let (mut source, mut target) =
            (server.connect(Side::Source, "a").await, server.connect(Side::Target, "b").await);
        let error = check_ranges(&mut source, &mut target, &table(), &options, &ranges).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        let copies = Copies { source: &mut source, target: &mut target, base: None };
        // It begins with a `Z` and ends with an `a`.
        let middle = ranges.iter().find(|range| {
            let json = serde_json::to_value(range).unwrap();
            let begins =
                |bound: &str, with: &str| json[bound][0].as_str().is_some_and(|key| key.starts_with(with));
            begins("low", "5a") && begins("high", "61")
        });
        let (range, mut kept) = (middle.unwrap(), Kept::default());
        let compared = compare_range(copies, &table(), range, &options, None, &mut kept, || false).await;
        let error = compared.unwrap_err().to_string();
        assert!(error.contains(reason) && kept.found.is_empty(), "{error}");
    }
}

/// What is decided by a table's size must not wait for somebody to analyse it.
#[tokio::test]
async fn postgres_estimates_a_table_that_was_never_analysed_or_has_grown_since() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.sql("postgres", "CREATE DATABASE a");
    let estimate = async || {
        let target = postgres.target("a");
        let mut server = Server::connect(Side::Source, target, Duration::from_secs(60)).await.unwrap();
        let rows = estimated_rows(&mut server).await.unwrap();
        rows[&Table { schema: Some("public".into()), name: "t".into() }]
    };
    let insert = "INSERT INTO t SELECT n, repeat('x', 80) FROM generate_series((SELECT count(*) FROM t) + 1, \
                  (SELECT count(*) FROM t) + 20000) n";
    postgres.sql(
        "a",
        &format!("CREATE TABLE t (id bigint PRIMARY KEY, v text) WITH (autovacuum_enabled = off); {insert}"),
    );
    let never = estimate().await;
    assert!((10_000..40_000).contains(&never), "{never}");
    postgres.sql("a", "ANALYZE t");
    assert_eq!(estimate().await, 20_000);
    postgres.sql("a", insert);
    let grown = estimate().await;
    assert!((39_000..41_000).contains(&grown), "{grown}");
}
