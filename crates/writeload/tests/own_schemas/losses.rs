//! What is lost is found, and nothing else: in a copy that was taken while the load ran, after a move to that copy, and where
//! something was undone by hand.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use table_diff::{Engine, Target};
use tokio::sync::watch;
use writeload::{
    Change, ChangeKind, Checked, Effect, Key, Ledger, Load, LostEffect, Outcome, Row, Transaction, check,
};

use crate::servers::TestServer;
use crate::support::{PATIENCE, endpoint, load, options, plan, schemas, until, write};

async fn checked(target: &Target, ledger: &Ledger) -> Checked {
    check(target, ledger, PATIENCE, |_, _| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Numbers of transactions.
fn numbers<'a>(ledger: &'a Ledger, which: impl Fn(&Transaction) -> bool + 'a) -> BTreeSet<u64> {
    ledger.acknowledged().filter(|one| which(one)).map(|one| one.number).collect()
}

/// The load moves to a copy that lacks what was acknowledged after it was taken, as in a failover: from then on either database lacks
/// what the other one has got.
async fn a_move_loses_what_the_copy_lacks(server: &TestServer, name: &str) {
    let east = server.create("east");
    load(&east, schemas(server.engine())[name]).await;
    let (moves, at) = watch::channel(Some(endpoint("east", &east)));
    let writing = Load::start(&Arc::new(plan(&east).await), &at, options(None));
    until(&writing, 80).await;
    let begun = Timestamp::now();
    let dump = server.dump("east", true);
    let taken = Timestamp::now();
    let west = server.create("west");
    server.sql("west", &dump);
    until(&writing, writing.ledger().now().acknowledged().count() + 60).await;
    moves.send(Some(endpoint("west", &west))).unwrap();
    let moved = writing.ledger().now().transactions.len();
    until(&writing, moved + 120).await;
    let ledger = writing.stop().await.unwrap();

    let (old, new) = (checked(&east, &ledger).await, checked(&west, &ledger).await);
    for (side, checked) in [("old", &old), ("new", &new)] {
        assert_eq!(checked.partly, [], "{name}, {side}");
        assert_eq!(checked.altered, [], "{name}, {side}");
    }
    let of_west = numbers(&ledger, |one| one.endpoint == "west");
    assert!(of_west.len() > 100);
    // What the new one took is there, and not in the old one.
    assert_eq!(new.lost.intersection(&of_west).count(), 0, "{name}: {:#?}", new.lost_effects);
    let seen_in_old: Vec<_> =
        of_west.iter().filter(|one| !old.lost.contains(one) && !old.unseen.contains(one)).collect();
    assert_eq!(seen_in_old, [&0; 0], "{name}");
    // What the old one took is there.
    assert_eq!(
        numbers(&ledger, |one| one.endpoint == "east").intersection(&old.lost).count(),
        0,
        "{name}: {:#?}",
        old.lost_effects
    );
    // What was acknowledged before the copy was taken is in it, and nothing that was begun afterwards.
    assert_eq!(
        numbers(&ledger, |one| one.ended < begun).intersection(&new.lost).count(),
        0,
        "{name}: {:#?}",
        new.lost_effects
    );
    let late = numbers(&ledger, |one| one.endpoint == "east" && one.asked > taken);
    let seen: Vec<_> =
        late.iter().filter(|one| !new.lost.contains(one) && !new.unseen.contains(one)).collect();
    assert_eq!(seen, [&0; 0], "{name}");
    assert!(new.lost.len() > 30, "{name}: {} lost of {}", new.lost.len(), late.len());
    let kinds: BTreeSet<ChangeKind> = new.lost_effects.iter().map(|effect| effect.kind).collect();
    assert_eq!(kinds.len(), 3, "{name}: {kinds:?}");
}

#[tokio::test]
async fn on_mariadb_a_move_loses_what_the_copy_lacks() {
    let server = TestServer::mariadb();
    a_move_loses_what_the_copy_lacks(&server, "tenants").await;
    server.sql("", "DROP DATABASE east; DROP DATABASE west;");
    a_move_loses_what_the_copy_lacks(&server, "triggers").await;
}

#[tokio::test]
async fn on_postgres_a_move_loses_what_the_copy_lacks() {
    let Some(server) = TestServer::postgres() else { return };
    a_move_loses_what_the_copy_lacks(&server, "relations").await;
    server.sql("", "DROP DATABASE east WITH (FORCE);\nDROP DATABASE west WITH (FORCE);");
    a_move_loses_what_the_copy_lacks(&server, "parts").await;
}

/// An effect that is the last one on its row, in a transaction of so many effects.
fn last_effect(ledger: &Ledger, kind: ChangeKind, is_alone: bool) -> (&Transaction, &Effect) {
    let mut all =
        ledger.transactions.iter().rev().flat_map(|one| one.effects.iter().map(move |effect| (one, effect)));
    let fits = |(one, effect): &(&Transaction, &Effect)| {
        let later = ledger.transactions.iter().filter(|other| other.number > one.number);
        let is_last = !later
            .flat_map(|other| &other.effects)
            .any(|other| other.row == effect.row && other.table == effect.table);
        is_last
            && effect.change.kind() == kind
            && (one.effects.len() == 1) == is_alone
            && effect.table == "note"
    };
    all.find(fits).unwrap_or_else(|| panic!("no {kind:?} alone {is_alone}"))
}

fn condition(key: &Key) -> String {
    let parts: Vec<String> = key.iter().map(|(name, value)| format!("{name} = '{value}'")).collect();
    parts.join(" AND ")
}

/// The key of an effect's row.
fn key(effect: &Effect) -> &Key {
    let Row::Key(key) = &effect.row else { panic!("{effect:?}") };
    key
}

/// A row of the ledger before a transaction.
fn before(ledger: &Ledger, transaction: &Transaction, effect: &Effect) -> Vec<(String, Option<String>)> {
    let mut earlier = ledger.clone();
    earlier.transactions.retain(|one| one.number < transaction.number);
    let state = earlier.rows()[&(effect.table.clone(), key(effect).clone())].clone();
    state.values.unwrap().into_iter().collect()
}

fn quoted(value: &Option<String>) -> String {
    value.as_ref().map_or_else(|| "NULL".to_owned(), |value| format!("'{value}'"))
}

const NOTES: &str = "CREATE TABLE note (id int NOT NULL PRIMARY KEY, a varchar(20) CHECK (a > '' AND a < 'zz'), b int NOT NULL, c timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE bag (a varchar(20) NOT NULL);";

/// Undoes effects by hand, one after the other; each time exactly that is found.
async fn what_is_undone_by_hand_is_named(server: &TestServer) {
    let target = server.create("byhand");
    load(&target, NOTES).await;
    let ledger = write(&target, plan(&target).await, 600).await;
    let mut expected: BTreeSet<LostEffect> = BTreeSet::new();
    for kind in [ChangeKind::Insert, ChangeKind::Update, ChangeKind::Delete] {
        let (transaction, effect) = last_effect(&ledger, kind, true);
        let condition = condition(key(effect));
        let undo = match &effect.change {
            Change::Insert(_) => format!("DELETE FROM note WHERE {condition}"),
            Change::Update(values) => {
                let old = before(&ledger, transaction, effect);
                let sets = old.iter().filter(|(name, _)| values.contains_key(name));
                let sets: Vec<String> =
                    sets.map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
                format!("UPDATE note SET {} WHERE {condition}", sets.join(", "))
            }
            Change::Delete => {
                let old = before(&ledger, transaction, effect);
                let names: Vec<&str> = old.iter().map(|(name, _)| name.as_str()).collect();
                let values: Vec<String> = old.iter().map(|(_, value)| quoted(value)).collect();
                format!("INSERT INTO note ({}) VALUES ({})", names.join(", "), values.join(", "))
            }
        };
        server.sql("byhand", &undo);
        let (transaction, table, row) = (transaction.number, effect.table.clone(), effect.row.clone());
        expected.insert(LostEffect { transaction, table, row, kind });
        let checked = checked(&target, &ledger).await;
        assert_eq!(checked.lost_effects.iter().cloned().collect::<BTreeSet<_>>(), expected, "{undo}");
        assert_eq!(checked.lost, expected.iter().map(|one| one.transaction).collect());
        assert_eq!((checked.partly, checked.altered), (vec![], vec![]), "{undo}");
    }
    // A part of a transaction.
    let (transaction, effect) = last_effect(&ledger, ChangeKind::Insert, false);
    server.sql("byhand", &format!("DELETE FROM note WHERE {}", condition(key(effect))));
    let parts = checked(&target, &ledger).await.partly;
    let named: Vec<_> = parts.iter().map(|one| (one.transaction, one.lost.clone())).collect();
    assert_eq!(named, [(transaction.number, vec![(effect.table.clone(), effect.row.clone())])]);
    // A value that nobody has written.
    let state = ledger.rows().into_iter().find(|(_, state)| state.values.is_some()).unwrap();
    server.sql("byhand", &format!("UPDATE note SET b = -7 WHERE {}", condition(&state.0.1)));
    let altered = checked(&target, &ledger).await.altered;
    assert_eq!(
        altered.iter().map(|one| (&one.key, one.column.as_str())).collect::<Vec<_>>(),
        [(&state.0.1, "b")]
    );
    // Rows without a key.
    let before = checked(&target, &ledger).await;
    let (table, content) = ledger
        .transactions
        .iter()
        .flat_map(|one| &one.effects)
        .find_map(|effect| match &effect.row {
            Row::Content(content) => Some((&effect.table, content)),
            Row::Key(_) => None,
        })
        .unwrap();
    server.sql("byhand", &format!("DELETE FROM {table} WHERE a = {}", quoted(&content["a"])));
    let after = checked(&target, &ledger).await;
    let new: Vec<_> = after.lost_effects.iter().filter(|one| !before.lost_effects.contains(one)).collect();
    assert_eq!(new.iter().map(|one| &one.row).collect::<Vec<_>>(), [&Row::Content(content.clone())]);
}

#[tokio::test]
async fn what_is_undone_by_hand_is_named_on_mariadb() {
    what_is_undone_by_hand_is_named(&TestServer::mariadb()).await;
}

#[tokio::test]
async fn what_is_undone_by_hand_is_named_on_postgres() {
    if let Some(server) = TestServer::postgres() {
        what_is_undone_by_hand_is_named(&server).await;
    }
}

/// Connections that are cut off again and again, in the middle of anything.
async fn connections_that_break_lose_nothing(server: &TestServer, name: &str) {
    let target = server.create("cut");
    load(&target, schemas(server.engine())[name]).await;
    let (_moves, at) = watch::channel(Some(endpoint("east", &target)));
    let writing = Load::start(&Arc::new(plan(&target).await), &at, options(None));
    for round in 1..=20 {
        until(&writing, round * 10).await;
        server.kill_connections();
    }
    let ledger = writing.stop().await.unwrap();
    let checked = checked(&target, &ledger).await;
    assert_eq!((checked.lost_effects, checked.partly, checked.altered), (vec![], vec![], vec![]), "{name}");
    assert!(ledger.failed > 0, "no transaction was cut off");
    let in_doubt = ledger.transactions.iter().filter(|one| one.outcome == Outcome::InDoubt).count();
    assert_eq!(in_doubt, checked.in_doubt_there.len() + checked.in_doubt_absent.len());
}

#[tokio::test]
async fn connections_that_break_lose_nothing_on_mariadb() {
    let server = TestServer::mariadb();
    assert_eq!(server.engine(), Engine::MySql);
    connections_that_break_lose_nothing(&server, "triggers").await;
}

#[tokio::test]
async fn connections_that_break_lose_nothing_on_postgres() {
    if let Some(server) = TestServer::postgres() {
        connections_that_break_lose_nothing(&server, "relations").await;
    }
}
