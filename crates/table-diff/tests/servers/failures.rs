//! What goes wrong, and what must not: tables on one side, tables that change, connections that break, wrong
//! passwords, a live target.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use table_diff::{
    Cursor, Difference, Error, Options, Presence, Progress, Server, Side, Sink, Table, compare_table,
    list_tables,
};

use crate::support::{Kept, TestServer, compare, compare_kept};

fn table(name: &str) -> Table {
    Table { schema: None, name: name.into() }
}

fn small() -> Options {
    Options {
        first_rows: 10,
        chunk_rows: 10,
        inspect_rows: 10,
        fetch_bytes: 1000,
        spread: 4,
        ..Options::default()
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told_and_what_passes_is_survived() {
    let server = TestServer::mariadb();
    server.sql("", "CREATE DATABASE a CHARACTER SET utf8mb4; CREATE DATABASE b CHARACTER SET utf8mb4");
    server.sql("a", "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t SELECT seq, 1 FROM seq_1_to_1000; CREATE TABLE only_a (i INT); CREATE TABLE n (v INT); INSERT INTO n SELECT seq FROM seq_1_to_300; INSERT INTO n SELECT 7 FROM seq_1_to_5");
    server.sql("b", "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t SELECT seq, 1 FROM seq_1_to_1000; UPDATE t SET v = 2 WHERE id % 100 = 0; CREATE TABLE only_b (i INT); CREATE VIEW w AS SELECT 1; CREATE TABLE n (v INT); INSERT INTO n SELECT seq FROM seq_5_to_300");
    let mut source = server.connect(Side::Source, "a").await;
    let mut target = server.connect(Side::Target, "b").await;

    // Tables on one side, names that nobody has, names left out.
    let list = |listed: Vec<table_diff::Listed>| {
        listed.into_iter().map(|l| (l.table.to_string(), l.presence)).collect::<Vec<_>>()
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let all = list_tables(&mut source, &mut target, &[], &names(&["n"])).await.unwrap();
    assert_eq!(
        list(all),
        [
            ("only_a".into(), Presence::SourceOnly),
            ("only_b".into(), Presence::TargetOnly),
            ("t".into(), Presence::Both)
        ]
    );
    let some = list_tables(&mut source, &mut target, &names(&["t", "T"]), &[]).await.unwrap();
    assert_eq!(list(some), [("t".into(), Presence::Both), ("T".into(), Presence::Neither)]);

    // A table that is not there.
    let gone = compare_table(
        &mut source,
        &mut target,
        &table("only_a"),
        &small(),
        None,
        &mut Kept::default(),
        || false,
    )
    .await;
    let gone = gone.unwrap_err();
    assert!(
        !gone.is_connection() && gone.to_string().contains("only_a") && gone.to_string().contains("target"),
        "{gone}"
    );

    // Wrong password: refused, names side and address, says nothing secret.
    let mut wrong = server.target("a");
    wrong.password = "hush".into();
    let refused = Server::connect(Side::Target, wrong, Duration::from_secs(5)).await.unwrap_err();
    assert!(refused.is_connection() && refused.is_refused() && refused.side() == Some(Side::Target));
    let text = format!("{refused} {refused:?}");
    assert!(text.contains(&format!("127.0.0.1:{}/a", server.port)) && !text.contains("hush"), "{text}");

    // Connections killed in the middle, again and again: nothing is lost, nothing twice.
    struct Killer<'a>(&'a TestServer, Kept);
    impl Sink for Killer<'_> {
        async fn reached(
            &mut self,
            found: Vec<Difference>,
            cursor: &Cursor,
        ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            if self.1.calls % 20 == 3 {
                self.0.kill_connections_of("u");
            }
            self.1.reached(found, cursor).await
        }
    }
    let mut killer = Killer(&server, Kept::default());
    let progress =
        compare_table(&mut source, &mut target, &table("t"), &small(), None, &mut killer, || false)
            .await
            .unwrap();
    let Progress::Finished(summary) = progress else { panic!("{progress:?}") };
    assert_eq!((summary.counts.changed, summary.counts.differences()), (10, 10));
    assert_eq!(killer.1.found.len(), 10);
    let mut ids =
        killer.1.found.iter().map(|difference| difference.key["id"].as_i64().unwrap()).collect::<Vec<_>>();
    ids.sort_unstable();
    assert_eq!(ids, (1..=10).map(|id| id * 100).collect::<Vec<_>>());

    // A server that lets nobody in again: the error says what was cut off, where, and on which side.
    struct Locker<'a>(&'a TestServer);
    impl Sink for Locker<'_> {
        async fn reached(
            &mut self,
            _: Vec<Difference>,
            cursor: &Cursor,
        ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            assert_eq!(cursor.counts.rows_source, 10, "it goes on after it was locked out");
            self.0.sql("", "ALTER USER u ACCOUNT LOCK");
            self.0.kill_connections_of("u");
            Ok(())
        }
    }
    let by_tens = Options { strong: true, ..small() };
    let lost =
        compare_table(&mut source, &mut target, &table("t"), &by_tens, None, &mut Locker(&server), || false)
            .await;
    server.sql("", "ALTER USER u ACCOUNT UNLOCK");
    let lost = lost.unwrap_err();
    assert!(lost.is_connection() && lost.is_refused() && lost.side() == Some(Side::Source));
    let place = "comparing table t after id 10 was cut off: can't connect to the source at 127.0.0.1:";
    assert!(lost.to_string().starts_with(place), "{lost}");
    source = server.connect(Side::Source, "a").await;
    target = server.connect(Side::Target, "b").await;

    // A sink that fails ends the comparison.
    struct Full;
    impl Sink for Full {
        async fn reached(
            &mut self,
            _: Vec<Difference>,
            _: &Cursor,
        ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            Err("disk full".into())
        }
    }
    let failed =
        compare_table(&mut source, &mut target, &table("t"), &small(), None, &mut Full, || false).await;
    assert!(matches!(failed, Err(Error::Sink(_))));

    // Many equal rows without a key, cut everywhere.
    let (found, summary) = compare(&mut source, &mut target, &table("n"), &small(), 1).await;
    assert_eq!(
        (found.len(), summary.counts.missing, summary.counts.rows_source, summary.counts.rows_target),
        (9, 9, 305, 296)
    );

    // A key that changed in the meantime.
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) > 3;
    let progress =
        compare_table(&mut source, &mut target, &table("t"), &small(), None, &mut Kept::default(), stop)
            .await
            .unwrap();
    let Progress::Interrupted(cursor) = progress else { panic!("{progress:?}") };
    server.sql("b", "ALTER TABLE t DROP PRIMARY KEY");
    let altered =
        compare_table(&mut source, &mut target, &table("t"), &small(), cursor, &mut Kept::default(), || {
            false
        })
        .await;
    assert!(altered.unwrap_err().to_string().contains("key changed"));
}

/// What a table is described by asks for an error of the server's: it must not become the next statement's.
#[tokio::test]
async fn a_comparison_that_is_given_up_leaves_no_answer_to_the_next() {
    let server = TestServer::mariadb();
    for database in ["a", "b"] {
        server.sql("", &format!("CREATE DATABASE {database}"));
        for name in ["t", "other"] {
            server.sql(
                database,
                &format!("CREATE TABLE {name} (id INT PRIMARY KEY); INSERT INTO {name} VALUES (1)"),
            );
        }
    }
    let mut source = server.connect(Side::Source, "a").await;
    let mut target = server.connect(Side::Target, "b").await;
    let mut holder = server.query("LOCK TABLES a.t WRITE; DO SLEEP(3600)");
    let held = "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO SLEEP%' UNION ALL SELECT 0 LIMIT 1";
    while server.number(held) == 0 {
        std::thread::yield_now();
    }
    let (named, options, mut kept) = (table("t"), small(), Kept::default());
    let given_up = async {
        let waits =
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'";
        while server.number(waits) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = compare_table(&mut source, &mut target, &named, &options, None, &mut kept, || false) => panic!("{ended:?}"),
        () = given_up => {}
    }
    server.sql("", &format!("KILL {}", server.number(held)));
    holder.wait().unwrap();
    let (found, summary) = compare(&mut source, &mut target, &table("other"), &small(), 1).await;
    assert_eq!((found.len(), summary.counts.rows_source, summary.counts.rows_target), (0, 1, 1));
}

#[test]
fn a_live_target_invents_nothing() {
    let server = TestServer::mariadb();
    server.sql("", "CREATE DATABASE a; CREATE DATABASE b");
    server.sql("a", "CREATE TABLE t (id INT PRIMARY KEY, v INT) SELECT seq AS id, 1 AS v FROM seq_1_to_5000; ANALYZE TABLE t");
    // The target's writes only touch rows from 4001 on and rows of its own: those below must never be reported.
    server.sql("b", "CREATE TABLE t (id INT PRIMARY KEY, v INT) SELECT seq AS id, 1 AS v FROM seq_1_to_5000; DELETE FROM t WHERE id = 17");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                server.sql("b", &format!(
                    "UPDATE t SET v = {round} WHERE id > 4000 AND id % 7 = {}; UPDATE t SET v = v + 1 WHERE id <= 4000; \
                     UPDATE t SET v = v - 1 WHERE id <= 4000; INSERT INTO t VALUES ({}, 1)", round % 7, 10_000 + round));
            }
        });
        let _end = End(&done);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut source = server.connect(Side::Source, "a").await;
            let mut target = server.connect(Side::Target, "b").await;
            // Over three connections until it was cut twice: it is not where rows are being written just then.
            let mut cut = 0;
            for connections in [1, 1].into_iter().chain(std::iter::repeat(3)) {
                if cut == 2 {
                    break;
                }
                let options = Options {
                    first_rows: 500,
                    chunk_rows: 500,
                    inspect_rows: 100,
                    fetch_bytes: 10_000,
                    spread: 8,
                    connections,
                    section_rows: 500,
                    ..Options::default()
                };
                let (kept, _) = compare_kept(&mut source, &mut target, &table("t"), &options, 7).await;
                cut += u8::from(kept.sections > 1);
                let found = kept.found;
                let missing = found
                    .iter()
                    .filter(|difference| difference.source.is_some() && difference.target.is_none())
                    .collect::<Vec<_>>();
                assert_eq!(missing.len(), 1);
                assert_eq!(missing[0].key["id"], 17);
                // A row caught between the two updates really differs at that moment; that is true, not invented.
                for difference in &found {
                    let (left, right) = (&difference.source, &difference.target);
                    assert_ne!(left, right);
                    if left.is_none() {
                        assert!(difference.key["id"].as_i64().unwrap() > 5000);
                    }
                }
            }
        });
    });
}

/// Ends the writer also when an assertion fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whatever brought it about: here it is a cursor that somebody changed.
#[tokio::test]
async fn tables_that_have_not_as_many_rows_are_never_alike() {
    let server = TestServer::mariadb();
    for database in ["a", "b"] {
        server
            .sql("", &format!("CREATE DATABASE {database}; CREATE TABLE {database}.t (id INT PRIMARY KEY)"));
    }
    let mut source = server.connect(Side::Source, "a").await;
    let mut target = server.connect(Side::Target, "b").await;
    for (rows_target, alike) in [(3, true), (2, false)] {
        let counts = serde_json::json!({"rowsSource": 3, "rowsTarget": rows_target, "missing": 0, "changed": 0, "extra": 0});
        let cursor = serde_json::json!({"counts": counts, "keyColumns": ["id"], "position": "end"});
        let cursor = Some(serde_json::from_value::<Cursor>(cursor).unwrap());
        let mut kept = Kept::default();
        let ended =
            compare_table(&mut source, &mut target, &table("t"), &small(), cursor, &mut kept, || false).await;
        match ended {
            Ok(Progress::Finished(_)) => assert!(alike),
            Ok(progress) => panic!("{progress:?}"),
            Err(error) => {
                assert!(!alike && error.to_string().contains("3 rows of the source and 2"), "{error}");
            }
        }
    }
}
