//! What is acknowledged is there.

use std::collections::BTreeSet;

use table_diff::Engine;
use writeload::{ChangeKind, check};

use crate::servers::TestServer;
use crate::support::{PATIENCE, load, plan, schemas, write};

/// Tables that are left out, with a part of the reason.
fn left_out(schema: &str) -> &'static [(&'static str, &'static str)] {
    match schema {
        "odd" => &[
            ("impossible", "never"),
            ("needs impossible", "impossible"),
            ("search", "MyISAM has no transactions"),
        ],
        "relations" => &[
            ("chick", "nest_chick_fkey can't wait until COMMIT"),
            ("nest", "nest_chick_fkey can't wait until COMMIT"),
        ],
        "parts" => &[("cache", "unlogged")],
        _ => &[],
    }
}

async fn every_schema_is_written(server: &TestServer) {
    for (name, text) in schemas(server.engine()) {
        let target = server.create(name);
        load(&target, text).await;
        let plan = plan(&target).await;
        let expected = left_out(name);
        let found: BTreeSet<&str> = plan.left_out.keys().map(String::as_str).collect();
        assert_eq!(found, expected.iter().map(|(table, _)| *table).collect(), "{name}: {:#?}", plan.left_out);
        for (table, reason) in expected {
            assert!(plan.left_out[*table].contains(reason), "{name}.{table}: {}", plan.left_out[*table]);
        }
        let tables: BTreeSet<String> = plan.written().cloned().collect();
        let ledger = write(&target, plan, 300).await;
        let checked = check(&target, &ledger, PATIENCE, |_, _| {}).await.unwrap();
        assert_eq!(checked.acknowledged, 300, "{name}");
        assert_eq!(checked.lost_effects, [], "{name}");
        assert_eq!(checked.partly, [], "{name}");
        assert_eq!(checked.altered, [], "{name}");
        assert!(checked.unseen.len() < 60, "{name}: {:?}", checked.unseen);
        let effects = || ledger.transactions.iter().flat_map(|one| &one.effects);
        let written: BTreeSet<String> = effects().map(|effect| effect.table.clone()).collect();
        assert_eq!(written, tables, "{name}: {:#?}", ledger.refused);
        for kind in [ChangeKind::Insert, ChangeKind::Update, ChangeKind::Delete] {
            assert!(effects().any(|effect| effect.change.kind() == kind), "{name}: {kind:?}");
        }
        assert!(
            ledger.transactions.iter().map(|one| one.writer).collect::<BTreeSet<_>>().len() == 3,
            "{name}"
        );
        eprintln!("{name}: {} failed, refused {:#?}", ledger.failed, ledger.refused);
    }
}

#[tokio::test]
async fn on_mariadb_what_is_acknowledged_is_there() {
    every_schema_is_written(&TestServer::mariadb()).await;
}

#[tokio::test]
async fn on_mysql_what_is_acknowledged_is_there() {
    if let Some(server) = TestServer::mysql() {
        assert_eq!(server.engine(), Engine::MySql);
        every_schema_is_written(&server).await;
    }
}

#[tokio::test]
async fn on_postgres_what_is_acknowledged_is_there() {
    if let Some(server) = TestServer::postgres() {
        every_schema_is_written(&server).await;
    }
}
