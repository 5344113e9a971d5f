//! Every type there and back: what is lost is put back to the last bit.

use row_replay::{Options, Replayed};
use table_diff::Files;

use crate::database::Database;

/// Columns and values, an `id` before them; then further tables.
const MYSQL: &str = r#"
CREATE TABLE numbers (id INT PRIMARY KEY AUTO_INCREMENT, i8 TINYINT, u8 TINYINT UNSIGNED ZEROFILL, i24 MEDIUMINT, i64 BIGINT,
  u64 BIGINT UNSIGNED, z DECIMAL(10,3) ZEROFILL, d DECIMAL(65,30), f FLOAT, g DOUBLE, b1 BIT(1), b64 BIT(64), y YEAR);
CREATE TABLE moments (id INT PRIMARY KEY, d DATE, t TIME(6), dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP(3) NULL, ts0 TIMESTAMP NULL);
CREATE TABLE texts (id INT PRIMARY KEY, c CHAR(10), v VARCHAR(200), t MEDIUMTEXT, l VARCHAR(20) CHARACTER SET latin1, u VARCHAR(20) CHARACTER SET utf16,
  e ENUM('a','B','it''s'), s SET('x','y','z'), j JSON);
CREATE TABLE bytes (id INT PRIMARY KEY, b BINARY(4), v VARBINARY(50), l LONGBLOB, p POINT, g GEOMETRY);
CREATE TABLE computed (`key` INT PRIMARY KEY, `select` INT, twice INT AS (`select` * 2) VIRTUAL, thrice INT AS (`select` * 3) STORED, UNIQUE (thrice));
CREATE TABLE `we``ird; DROP TABLE numbers; -- 'x'"` (`k'e``y"` VARCHAR(50) PRIMARY KEY, `a b` INT);
CREATE TABLE binary_keys (k VARBINARY(16) PRIMARY KEY, v INT);
CREATE TABLE keys_of_two (a VARCHAR(20) COLLATE utf8mb4_general_ci, b DATETIME(3), v INT, PRIMARY KEY (b, a));
"#;

const MYSQL_ROWS: &str = r#"
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';
INSERT INTO numbers VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'0', 0, 0),
  (1, -128, 255, -8388608, -9223372036854775808, 18446744073709551615, 12.5, -99999999999999999999999999999999999.999999999999999999999999999999, 0.1, 0.1, b'1', ~0, 2155),
  (2, 127, 7, 8388607, 9223372036854775807, 9007199254740993, 0.001, 1e-30, 3.4028234e38, 1.7976931348623157e308, NULL, 1, 1901),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1.17549435e-38, 5e-324, NULL, NULL, NULL),
  (4, 1, 1, 1, 1, 1, 1, 1, 16777217, 0.30000000000000004, b'0', 5, 2000);
INSERT INTO numbers (id, f, g) SELECT 5, -g, -g FROM numbers WHERE id = 0;
INSERT INTO numbers (id, f, g) VALUES (6, 1e-45, 2.2250738585072014e-308), (7, 123456.789, 9007199254740993), (8, 1e22, 1e23), (-9, 4e-7, 8.41e21);
INSERT INTO moments VALUES (1, '0000-00-00', '-838:59:59', '0000-00-00', '0000-00-00', 0, 0),
  (2, '2026-02-31', '838:59:58.999999', '2026-03-29 02:30:00', '2026-03-29 02:30:00.123456', '2026-03-29 02:30:00.125', '1970-01-01 00:00:01'),
  (3, '9999-12-31', '00:00:00.000001', '9999-12-31 23:59:59', '2026-00-00 00:00:00', '2038-01-19 03:14:07.999', '2026-10-25 01:30:00'),
  (4, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO texts VALUES (1, '', '', '', '', '', 'a', '', '{"a": [1, 2.5, null, "é"], "b": {}}'),
  (2, 'a', 'trailing  ', 'it''s "quoted" \\ and \n a line\r\0 -- ; /* */ ${x} :y \\G', 'Köln', '😀', 'it''s', 'x,z', 'null'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, '😀é', REPEAT('ß', 200), REPEAT('abc😀''\\', 20000), 'ÿ', 'a', 'B', 'x,y,z', '"text"');
INSERT INTO bytes VALUES (1, '', '', '', ST_GeomFromText('POINT(1.5 -2)'), ST_GeomFromText('LINESTRING(0 0,1 1)', 0)),
  (2, x'00ff0a27', x'00ff5c27', REPEAT(x'ff00275c0a', 10000), ST_GeomFromText('POINT(0 0)'), ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326)),
  (3, NULL, NULL, NULL, NULL, NULL);
INSERT INTO computed (`key`, `select`) VALUES (1, 5), (2, NULL), (3, 7);
INSERT INTO `we``ird; DROP TABLE numbers; -- 'x'"` VALUES ('', 1), ('it''s', 2), ('\\', 3), ('"; DROP TABLE numbers; -- ', 4), ('line\nline', 5);
INSERT INTO binary_keys VALUES ('', 1), (x'00', 2), (x'0000', 3), (x'ff275c', 4);
INSERT INTO keys_of_two VALUES ('a', '2026-01-01 00:00:00.5', 1), ('A ', '2026-01-01 00:00:00.25', 2), ('', '0000-00-00', 3);
"#;

const POSTGRES: &str = r#"
CREATE TYPE mood AS ENUM ('a', 'it''s'); CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE numbers (id serial PRIMARY KEY, i2 smallint, i8 bigint, n numeric, m numeric(20,4), f real, g float8, o boolean, s small);
CREATE TABLE moments (id int PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tsz timestamptz(3), i interval);
CREATE TABLE texts (id int PRIMARY KEY, c char(5), v varchar(50), t text, e mood, j json, jb jsonb, x xml, n name, q "char");
CREATE TABLE others (id int PRIMARY KEY, b bytea, u uuid, a int[], ta text[], r int4range, ip inet, m macaddr, p point, po polygon, bi bit(5), vb bit varying, mo money, tv tsvector, co pair);
CREATE TABLE computed (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) STORED);
CREATE SCHEMA "o'th""er"; CREATE TABLE "o'th""er"."we""ird; DROP TABLE numbers; -- 'x'" ("k'e""y" text PRIMARY KEY, "a b" int);
CREATE TABLE binary_keys (k bytea PRIMARY KEY, v int);
CREATE TABLE keys_of_two (a uuid, b timestamptz, c char(3), v int, PRIMARY KEY (b, a, c));
"#;

const POSTGRES_ROWS: &str = r#"
INSERT INTO numbers VALUES (0, 0, 0, 0, 0, 0, 0, true, 0), (1, -32768, -9223372036854775808, 'NaN', 1.5, 'NaN', 'NaN', false, 99),
  (2, 32767, 9223372036854775807, 1e-300, -9999999999999999.9999, 'Infinity', '-Infinity', NULL, -5), (3, 1, 9007199254740993, 1e200, 0.0001, 0.1, 0.1, true, 1),
  (4, 1, 1, 1.10, 1, '-0', '-0', true, 1), (5, NULL, NULL, NULL, NULL, 3.4028235e38, 1.7976931348623157e308, NULL, NULL), (6, 1, 1, 1, 1, 1e-45, 5e-324, true, 1), (7, 1, 1, 1, 1, 16777216, 1e22, true, 1);
INSERT INTO moments VALUES (1, '0044-03-15 BC', '23:59:59.999999', '01:02:03+05:30', '2026-03-29 02:30:00.123456', '2026-03-29 02:30:00.125+02', '1 year -2 mons 3 days -04:05:06.7'),
  (2, 'infinity', '24:00:00', '00:00:00-12', '-infinity', 'infinity', '-1 day'), (3, NULL, NULL, NULL, NULL, NULL, NULL), (4, '5874897-12-31', '00:00', '00:00+00', '294276-12-31 23:59:59', '1883-01-01 00:00:00+00', '0');
INSERT INTO texts VALUES (1, '', '', '', 'a', '{"b" : 1,  "a": "\u00e9"}', '{"b": 1.50, "a": null}', '<a>é</a>', 'n', 'c'),
  (2, 'a', 'trailing  ', E'it''s "quoted" \\ and \n a line\r -- ; /* */ ${x} :y :''z'' \\q $$ \\.', 'it''s', 'null', 'null', NULL, '', ''),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (4, '😀', repeat('ß', 50), repeat(E'abc😀''\\', 20000), 'a', '"x"', '[]', NULL, 'x', 'y');
INSERT INTO others VALUES (1, '\x', '123e4567-e89b-12d3-a456-426655440000', '{}', '{"",NULL,"NULL","a\"b\\c,d"}', '[1,5)', '10.0.0.0/8', '08:00:2b:01:02:03', '(1.5,-0.1)', '((0,0),(1,0),(1,1))', B'01010', B'', '-1234.56', 'a:1 ''it''''s'':2', ROW(1, 'a,"b'' ')),
  (2, '\x00ff275c0a', NULL, '{{1,2},{3,NULL}}', NULL, 'empty', '::1', NULL, '(1e300,5e-324)', NULL, NULL, B'1', NULL, NULL, NULL), (3, decode(repeat('ff00275c', 10000), 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO computed (v) VALUES (5), (NULL), (7);
INSERT INTO "o'th""er"."we""ird; DROP TABLE numbers; -- 'x'" VALUES ('', 1), ('it''s', 2), ('\', 3), ('"; DROP TABLE numbers; -- ', 4), (E'line\nline', 5);
INSERT INTO binary_keys VALUES ('\x', 1), ('\x00', 2), ('\x0000', 3), ('\xff275c', 4);
INSERT INTO keys_of_two VALUES ('123e4567-e89b-12d3-a456-426655440000', '2026-01-01 00:00:00.5+03', 'a', 1), ('123e4567-e89b-12d3-a456-426655440000', 'infinity', '', 2);
"#;

#[tokio::test]
async fn every_type_comes_back_on_mariadb() {
    let database = Database::mariadb();
    // What only MariaDB has.
    let schema = "CREATE TABLE own (id INT PRIMARY KEY, u UUID, i INET6, h INT INVISIBLE DEFAULT 3);";
    let rows = "INSERT INTO own (id, u, i, h) VALUES (1, '123e4567-e89b-12d3-a456-426655440000', '::1', 5), (2, NULL, NULL, NULL);";
    back(&database, &format!("{MYSQL}{schema}"), &format!("{MYSQL_ROWS}{rows}")).await;
}

#[tokio::test]
async fn every_type_comes_back_on_mysql() {
    if let Some(database) = Database::mysql() {
        let schema = "CREATE TABLE own (id INT PRIMARY KEY, j JSON, h INT DEFAULT 3 INVISIBLE);";
        let rows = r#"INSERT INTO own (id, j, h) VALUES (1, '[1e20, 0.1, -0.0, 12345678901234567890, "\\u0000"]', 5), (2, NULL, NULL);"#;
        back(&database, &format!("{MYSQL}{schema}"), &format!("{MYSQL_ROWS}{rows}")).await;
    }
}

#[tokio::test]
async fn every_type_comes_back_on_postgres() {
    if let Some(database) = Database::postgres() {
        back(&database, POSTGRES, POSTGRES_ROWS).await;
    }
}

async fn back(database: &Database, schema: &str, rows: &str) {
    database.create("a");
    database.sql("a", schema);
    database.sql("a", rows);
    let empty = || {
        database.create("b");
        database.sql("b", schema);
    };

    empty();
    let lost = database.differences().await;
    let count = lost.values().map(Vec::len).sum::<usize>();
    assert!(count > 25 && lost.len() > 7, "{count}");
    // From files, in parts of a few rows.
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::default();
    for (number, (table, rows)) in lost.iter().enumerate() {
        for (part, rows) in rows.chunks(3).enumerate() {
            let path = folder.path().join(format!("{number}-{part}"));
            let lines = rows.iter().map(|row| serde_json::to_string(row).unwrap() + "\n");
            std::fs::write(&path, lines.collect::<String>()).unwrap();
            files.0.entry(table.clone()).or_default().push(path);
        }
    }
    let file = database.file(&files).await;
    assert_eq!(file, database.file(&lost).await);
    for _ in 0..2 {
        assert_eq!(
            database.sql("b", &file),
            "",
            "nothing is left to be told\n{}",
            &file[..file.len().min(5000)]
        );
        assert_eq!(database.differences().await, Default::default());
    }

    empty();
    for (dry_run, cut) in [(true, 1), (false, 1), (false, usize::MAX)] {
        let options = Options { transaction_rows: 3, transaction_bytes: 10_000, dry_run };
        let before = database.differences().await.is_empty();
        let (fates, summary) = database.apply(&lost, &options, cut).await;
        assert_eq!(fates.len(), count);
        let expected = if before { Replayed::AlreadyThere } else { Replayed::Inserted };
        for fate in &fates {
            assert_eq!(fate.replayed, expected, "{fate:?}");
        }
        let counted =
            summary.tables.values().map(|counts| counts.inserted + counts.already_there).sum::<u64>();
        assert_eq!((counted, summary.notes.len()), (count as u64, 0));
        assert_eq!(database.differences().await.is_empty(), !dry_run);
    }
    // As the file sees it too.
    assert_eq!(database.sql("b", &file), "");
}
