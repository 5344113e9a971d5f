//! What a user may not see is never passed over in silence: rows of a table that is hidden may be lost.

use std::time::Duration;

use table_diff::{
    Error, OTHERS, Options, Presence, Rights, Server, Side, Table, Target, compare_table, list_tables, rights,
};

use super::postgres_server::Postgres;
use super::support::{Kept, TestServer};

async fn connect(at: &Target) -> Server {
    Server::connect(Side::Source, at.clone(), Duration::from_secs(5)).await.unwrap()
}

async fn listed(at: &Target, include: &[&str]) -> Vec<(String, Presence)> {
    let (mut source, mut target) = (connect(at).await, connect(at).await);
    let include: Vec<String> = include.iter().map(|&name| name.to_owned()).collect();
    let listed = list_tables(&mut source, &mut target, &include, &[]).await.unwrap();
    listed.into_iter().map(|one| (one.table.to_string(), one.presence)).collect()
}

fn names(names: &[&str]) -> std::collections::BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

async fn of_mysqls_family(server: &TestServer, roles: &str) {
    server.sql(
        "",
        "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); CREATE TABLE shop.b (id INT)",
    );
    server.sql("", "CREATE USER reader IDENTIFIED BY 'p'; GRANT SELECT ON shop.a TO reader");
    let reader = Target { user: "reader".into(), password: "p".into(), ..server.target("shop") };
    let of_a = Rights {
        hides_others: true,
        tables: names(&["a"]),
        unreadable: names(&[]),
        uninsertable: names(&["a"]),
    };
    assert_eq!(rights(&mut connect(&reader).await).await.unwrap(), of_a);
    let (a, others) = (("a".to_owned(), Presence::Both), (OTHERS.to_owned(), Presence::Hidden));
    assert_eq!(listed(&reader, &[]).await, [a.clone(), others]);
    // Whoever names the tables knows what is compared.
    let b = ("b".to_owned(), Presence::Neither);
    assert_eq!(listed(&reader, &["a", "b"]).await, [a.clone(), b]);
    // By a role, or by the right itself.
    for grant in [roles, "GRANT SELECT ON shop.* TO reader"] {
        server.sql("", grant);
        let uninsertable = names(&["a", "b"]);
        let all = Rights { tables: uninsertable.clone(), uninsertable, ..Rights::default() };
        assert_eq!(rights(&mut connect(&reader).await).await.unwrap(), all, "{grant}");
        assert_eq!(listed(&reader, &[]).await, [a.clone(), ("b".into(), Presence::Both)], "{grant}");
    }

    // Who puts rows back: into whole rows of base tables, what is computed aside; by a role, by a right of a table, of columns.
    server.sql(
        "shop",
        "CREATE VIEW v AS SELECT id FROM a; CREATE TABLE c (id INT PRIMARY KEY, twice INT AS (2 * id) STORED, note INT)",
    );
    let inserts = async || rights(&mut connect(&reader).await).await.unwrap().uninsertable;
    assert_eq!(inserts().await, names(&["a", "b", "c"]));
    server.sql("", "GRANT INSERT ON shop.a TO all_of_it; GRANT INSERT (id) ON shop.c TO reader");
    assert_eq!(inserts().await, names(&["b", "c"]));
    server.sql("", "GRANT INSERT (note) ON shop.c TO reader; GRANT INSERT ON shop.b TO reader");
    assert_eq!(inserts().await, names(&[]));
    // Without the right to read it, a row can't be looked for.
    server.sql("", "CREATE USER writer IDENTIFIED BY 'p'; GRANT INSERT ON shop.* TO writer");
    let writer = Target { user: "writer".into(), ..reader };
    let seen = rights(&mut connect(&writer).await).await.unwrap();
    assert_eq!((seen.unreadable, seen.uninsertable), (names(&["a", "b", "c"]), names(&[])));
}

#[tokio::test]
async fn a_user_of_single_tables_is_told_that_others_may_be_there() {
    let roles = "CREATE ROLE all_of_it; GRANT SELECT ON shop.* TO all_of_it; GRANT all_of_it TO reader; \
                 SET DEFAULT ROLE all_of_it";
    of_mysqls_family(&TestServer::mariadb(), &format!("{roles} FOR reader")).await;
    if let Some(server) = TestServer::mysql() {
        of_mysqls_family(&server, &format!("{roles} TO reader")).await;
    }
}

#[tokio::test]
async fn a_table_of_postgresql_that_may_not_be_read_is_named() {
    let Some(server) = Postgres::start() else { return };
    server.sql("postgres", "CREATE USER reader PASSWORD 'p'; CREATE SCHEMA closed");
    server.ask_for_password("reader");
    server.sql(
        "postgres",
        "CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE closed.c (id int); GRANT SELECT ON a, closed.c TO reader",
    );
    let reader = Target { user: "reader".into(), password: "p".into(), ..server.target("postgres") };
    let seen = rights(&mut connect(&reader).await).await.unwrap();
    let expected = Rights {
        tables: names(&["a", "b", "closed.c"]),
        unreadable: names(&["b", "closed.c"]),
        uninsertable: names(&["a", "b", "closed.c"]),
        hides_others: false,
    };
    assert_eq!(seen, expected);
    server.sql("postgres", "GRANT INSERT ON a, b, closed.c TO reader");
    let seen = rights(&mut connect(&reader).await).await.unwrap();
    assert_eq!(seen.uninsertable, names(&["closed.c"]), "its schema is closed");
    // They are listed, and comparing them is an error.
    assert_eq!(listed(&reader, &[]).await.len(), 3);
}

/// Compares the keyless table `t` as this user would, once `denied` has taken a right away. Answers the error, and how many
/// connections were made for it.
async fn denied(server: &TestServer, user: &Target, denied: &str) -> (Error, u64) {
    let mut source = connect(user).await;
    let mut target = Server::connect(Side::Target, user.clone(), Duration::from_secs(5)).await.unwrap();
    server.sql("", denied);
    let connections = || server.number("SHOW GLOBAL STATUS LIKE 'Connections'");
    let before = connections();
    let table = Table { schema: None, name: "t".into() };
    let options = Options::default();
    let compared =
        compare_table(&mut source, &mut target, &table, &options, None, &mut Kept::default(), || false).await;
    // The client that asks for the number is one of them.
    (compared.unwrap_err(), connections() - before - 1)
}

#[tokio::test]
async fn a_table_without_a_key_that_may_not_be_read_is_refused_at_once_and_as_itself() {
    let server = TestServer::mariadb();
    server.sql("", "CREATE DATABASE shop; CREATE TABLE shop.t (v INT); INSERT INTO shop.t VALUES (1)");
    server.sql("", "CREATE USER w IDENTIFIED BY 'p'; GRANT INSERT ON shop.* TO w");
    let writer = Target { user: "w".into(), ..server.target("shop") };

    // It sees the columns, and not the rows. Two connections look rows up, and none is made anew.
    let (error, connections) = denied(&server, &writer, "SELECT 1").await;
    assert!(matches!(error, Error::Query { .. }) && error.to_string().contains("denied"), "{error}");
    assert_eq!(connections, 2, "{error}");

    // Nor does trying again hide why there is no second connection.
    let (error, connections) = denied(&server, &writer, "ALTER USER w ACCOUNT LOCK").await;
    assert!(matches!(error, Error::Connect { .. }) && error.is_refused(), "{error:?}");
    assert_eq!(connections, 1, "{error}");
}
