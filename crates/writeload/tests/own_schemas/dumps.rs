//! Dumps, with the programs that make them as witnesses: what they dump is loaded, and is dumped again as the same.

use table_diff::Engine;
use writeload::{LoadError, load_dump, prepare};

use crate::servers::TestServer;
use crate::support::{PATIENCE, load, schemas};

/// Without what differs from dump to dump.
fn comparable(dump: &str) -> String {
    let differs = |line: &str| {
        line.starts_with("\\restrict") || line.starts_with("\\unrestrict") || line.starts_with("-- Dump")
    };
    dump.lines().filter(|line| !differs(line)).collect::<Vec<_>>().join("\n")
}

async fn a_dump_is_loaded_as_it_was(server: &TestServer) {
    for (name, text) in schemas(server.engine()) {
        let first = server.create(&format!("{name}_1"));
        load(&first, text).await;
        let dump = server.dump(&first.database, false);
        let second = server.create(&format!("{name}_2"));
        let loaded = load(&second, &dump).await;
        let commands = loaded.left_out.iter().filter(|out| out.reason.contains("psql")).count();
        let definers = loaded.left_out.iter().filter(|out| out.reason.contains("DEFINER")).count();
        assert_eq!(commands + definers, loaded.left_out.len(), "{name}: {:#?}", loaded.left_out);
        assert!(loaded.statements > 5, "{name}");
        assert_eq!(comparable(&server.dump(&second.database, false)), comparable(&dump), "{name}");
    }
}

#[tokio::test]
async fn a_dump_of_mariadb_is_loaded_as_it_was() {
    a_dump_is_loaded_as_it_was(&TestServer::mariadb()).await;
}

#[tokio::test]
async fn a_dump_of_postgres_is_loaded_as_it_was() {
    let Some(server) = TestServer::postgres() else { return };
    a_dump_is_loaded_as_it_was(&server).await;
    // With its rows, too.
    let first = server.create("rows_1");
    load(
        &first,
        "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, E'a\\tb;'), (2, NULL), (3, '\\.');",
    )
    .await;
    let second = server.create("rows_2");
    load(&second, &server.dump("rows_1", true)).await;
    assert_eq!(server.sql("rows_2", "TABLE t"), server.sql("rows_1", "TABLE t"));
}

#[tokio::test]
async fn what_is_left_out_of_a_dump_is_named_with_its_line() {
    let mariadb = TestServer::mariadb();
    let loaded = load(&mariadb.create("tenants"), schemas(Engine::MySql)["tenants"]).await;
    let named: Vec<(usize, &str)> =
        loaded.left_out.iter().map(|out| (out.line, out.reason.as_str())).collect();
    assert_eq!(
        named,
        [
            (4, "the dump is loaded into the one database of the plan"),
            (5, "the dump is loaded into the one database of the plan"),
            (66, "DEFINER=`somebody`@`%`: it belongs to the user who loads it"),
        ]
    );
    let Some(server) = TestServer::postgres() else { return };
    let loaded = load(&server.create("types"), schemas(Engine::Postgres)["types"]).await;
    let named: Vec<(usize, &str)> =
        loaded.left_out.iter().map(|out| (out.line, out.reason.as_str())).collect();
    assert_eq!(
        named,
        [
            (2, "a command of psql, not of the server"),
            (4, "the server has no setting transaction_timeout"),
            (10, "the server has no role somebody"),
            (12, "the server has no extension not_there"),
            (13, "the server has no extension not_there"),
            (54, "replication is the sandbox's own"),
            (55, "the server has no role somebody"),
            (56, "the server has no role somebody"),
            (57, "a command of psql, not of the server"),
        ]
    );
}

#[tokio::test]
async fn a_statement_that_fails_ends_it_with_its_line_and_the_servers_words() {
    let server = TestServer::mariadb();
    let target = server.create("broken");
    let text = "-- a comment\nCREATE TABLE a (id int);\n\nCREATE TABLE b (\n  id nonsense\n);\nCREATE TABLE c (id int);";
    let error = load_dump(&target, text, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, LoadError::Statement { line: 4, .. }), "{error}");
    let words = error.to_string();
    assert!(
        words.starts_with("line 4: `CREATE TABLE b ( id nonsense ) …` failed: Unknown data type: 'nonsense'")
            || words.starts_with("line 4: `CREATE TABLE b ( id nonsense )` failed: "),
        "{words}"
    );
    assert_eq!(server.sql("broken", "SHOW TABLES").trim(), "a");
    let error = load_dump(&target, "CREATE TABLE d (id int);\nSELECT 'x", |_, _| {}).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the dump can't be read: line 2: a string begins there, and its end is missing: is the file whole?"
    );
    assert_eq!(server.sql("broken", "SHOW TABLES").trim(), "a");
    let nothing = server.create("nothing");
    let error = prepare(&nothing, 1, PATIENCE, |_, _| {}).await.unwrap_err();
    assert_eq!(error.to_string(), "no table can be written: the database has no tables");
}
