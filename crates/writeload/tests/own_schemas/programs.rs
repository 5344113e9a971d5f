//! Programs of the user's: those that do what they say, and those that die, hang or lie.

use std::path::Path;
use std::time::Duration;

use writeload::{ChangeKind, Program, ProgramDatabase, ProgramError, check, read_schema};

use crate::servers::TestServer;
use crate::support::{PATIENCE, endpoint, load};

const SCHEMA: &str =
    "CREATE TABLE orders (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, what varchar(20) NOT NULL);
    CREATE TABLE `line item` (`order` int NOT NULL, n int NOT NULL, PRIMARY KEY (`order`, n));";

async fn databases(server: &TestServer) -> Vec<ProgramDatabase> {
    let target = server.create("shop");
    load(&target, SCHEMA).await;
    let schema = read_schema(&target, PATIENCE).await.unwrap();
    vec![ProgramDatabase {
        name: "my-orders".into(),
        endpoint: target.clone(),
        regions: vec![endpoint("sandbox-east", &target)],
        schema,
    }]
}

fn start(command: &str, databases: &[ProgramDatabase], silence: Duration) -> Program {
    // A receiver keeps the last value.
    let (_, region) = tokio::sync::watch::channel("sandbox-east".to_owned());
    Program::start(command, databases.to_vec(), 7, silence, region).unwrap()
}

/// How a program ends that is not asked to.
async fn error(command: &str, databases: &[ProgramDatabase]) -> ProgramError {
    start(command, databases, Duration::from_secs(60)).failed().await
}

#[tokio::test]
async fn what_a_program_says_is_held_against_the_database() {
    let server = TestServer::mariadb();
    let databases = databases(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let url = databases[0].endpoint.clone();
    server.sql("shop", "INSERT INTO orders VALUES (1, 'a'), (2, 'b'); INSERT INTO `line item` VALUES (1, 1)");
    let command = format!(
        r#"test "$CAUSEWAY_WRITER_URL_MY_ORDERS" = "mysql://u:p@127.0.0.1:{port}/shop" || exit 3
        test "$CAUSEWAY_WRITER_URL_MY_ORDERS_SANDBOX_EAST" = "$CAUSEWAY_WRITER_URL_MY_ORDERS" || exit 4
        test "$CAUSEWAY_WRITER_SEED" = 7 || exit 5
        echo '{{"table": "orders", "key": {{"id": 1}}, "op": "insert"}}'
        echo '{{"table": "orders", "key": {{"id": 2}}, "op": "insert", "region": "sandbox-east"}}'
        echo '{{"table": "orders", "key": {{"id": 1}}, "op": "insert", "region": "sandbox-west"}}'
        echo
        echo '{{"table": "line item", "key": {{"order": 1, "n": "1"}}, "op": "insert"}}'
        echo '{{"table": "orders", "key": {{"id": 2}}, "op": "delete"}}'
        echo '{{"table": "orders", "key": {{"id": 9}}, "op": "insert", "database": "my-orders"}}'
        echo '{{"table": "orders", "key": {{"id": 9}}, "op": "update"}}'
        trap 'echo "{{\"table\": \"orders\", \"key\": {{\"id\": 2}}, \"op\": \"insert\"}}"; exit' TERM
        touch {ready}; while :; do sleep 0.01; done"#,
        port = url.port,
        ready = ready.display(),
    );
    let mut program = start(&command, &databases, Duration::from_secs(60));
    while !ready.exists() {
        tokio::select! {
            error = program.failed() => panic!("{error}"),
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
    }
    let ledgers = program.stop().await.unwrap();
    let ledger = &ledgers["my-orders"];
    assert_eq!(ledger.transactions.len(), 8, "the last one was said when it was asked to end");
    // The third has a key that was inserted before: in the Region that the endpoint leads to, where the line says none.
    let endpoints = ledger.transactions[..3].iter().map(|one| one.endpoint.as_str()).collect::<Vec<_>>();
    assert_eq!(endpoints, ["sandbox-east", "sandbox-east", "sandbox-west"]);
    let checked = check(&url, ledger, PATIENCE, |_, _| {}).await.unwrap();
    let lost: Vec<_> = checked.lost_effects.iter().map(|one| (one.transaction, one.kind)).collect();
    // A row that was inserted anew elsewhere had been lost.
    assert_eq!(lost, [(1, ChangeKind::Insert), (6, ChangeKind::Insert), (7, ChangeKind::Update)]);
}

#[tokio::test]
async fn a_program_that_dies_hangs_or_lies_is_ended_with_that_word() {
    let server = TestServer::mariadb();
    let databases = databases(&server).await;
    let line = r#"echo '{"table": "orders", "key": {"id": 1}, "op": "insert"}';"#;
    for (command, words) in [
        (
            "echo it is too late >&2; exit 3".to_owned(),
            "the writer died: it ended with exit status: 3, and said: it is too late",
        ),
        ("kill -9 $$".to_owned(), "the writer died: it ended with signal: 9 (SIGKILL)"),
        (
            format!("{line} {line} sleep 100"),
            "the writer lies: its line 2 has the key {\"id\":1} of table orders inserted a second time",
        ),
        (
            format!("{line} echo oh no; sleep 100"),
            "the writer's line 2 is not what a writer says: expected value at line 1 column 1: oh no",
        ),
        (
            "echo '{\"table\": \"orders\", \"key\": {}, \"op\": \"insert\"}'; sleep 100".to_owned(),
            "the writer's line 1 is not what a writer says: its key has no columns",
        ),
        (line.replace("orders", "nothing"), "the writer's line 1 names table nothing, which is not there"),
        (
            line.replace("\"id\"", "\"ident\""),
            "the writer's line 1 names column ident of table orders, which is not there",
        ),
        (
            line.replace("insert", "upsert"),
            "the writer's line 1 is not what a writer says: unknown variant `upsert`",
        ),
    ] {
        let error = error(&command, &databases).await.to_string();
        assert!(error.starts_with(words), "{command}: {error}");
    }
    let mut silent = start(&format!("{line} sleep 100"), &databases, Duration::from_millis(200));
    assert_eq!(silent.failed().await.to_string(), "the writer hangs: it has acknowledged nothing for 0 s");
}

fn is_running(file: &Path) -> bool {
    let id = std::fs::read_to_string(file).unwrap();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
    // A process that nobody waited for yet has ended, too.
    state.is_ok_and(|state| !state.contains(") Z "))
}

#[tokio::test]
async fn a_program_is_ended_with_its_whole_group() {
    let server = TestServer::mariadb();
    let databases = databases(&server).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, is_dropped) in [("stopped", false), ("dropped", true)] {
        let file = folder.path().join(name);
        let line = r#"echo '{"table": "orders", "key": {"id": 1}, "op": "insert"}'"#;
        // A child that does not listen when it is asked to end.
        let child = format!(
            "sh -c 'trap \"\" TERM; echo $$ > {}; {}; while :; do sleep 0.1; done' & wait",
            file.display(),
            line.replace('\'', "'\\''")
        );
        let program = start(&child, &databases, Duration::from_secs(60));
        while program.ledgers()["my-orders"].with(|ledger| ledger.transactions.is_empty()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(is_running(&file));
        if is_dropped {
            drop(program);
        } else {
            program.stop().await.unwrap();
        }
        for _ in 0..500 {
            if !is_running(&file) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!is_running(&file), "{name}");
    }
}
