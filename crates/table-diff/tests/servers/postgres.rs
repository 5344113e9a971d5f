//! The same on PostgreSQL.

use std::time::Duration;

use table_diff::{Options, Server, Side, list_tables};

use crate::postgres_server::Postgres;
use crate::support::compare;

async fn connect(server: &Postgres, side: Side, database: &str) -> Server {
    Server::connect(side, server.target(database), Duration::from_secs(60)).await.unwrap()
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
    let Some(server) = Postgres::start() else { return };
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
    let mut source = connect(&server, Side::Source, "a").await;
    let mut target = connect(&server, Side::Target, "b").await;
    for (rows, cut, strong) in [(1, 1, false), (3, 2, false), (10_000, usize::MAX, false), (3, 2, true)] {
        let options = Options {
            first_rows: rows,
            chunk_rows: rows,
            inspect_rows: rows,
            fetch_bytes: 200,
            strong,
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
