//! What several of the tests do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use table_diff::{Engine, Target};
use tokio::sync::watch;
use writeload::{Endpoint, Ledger, Load, Loaded, Options, Plan, load_dump, prepare};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// The schemas for an engine, by name.
pub fn schemas(engine: Engine) -> BTreeMap<&'static str, &'static str> {
    match engine {
        Engine::MySql => [
            ("tenants", include_str!("schemas/mysql/tenants.sql")),
            ("odd", include_str!("schemas/mysql/odd.sql")),
            ("triggers", include_str!("schemas/mysql/triggers.sql")),
        ]
        .into(),
        Engine::Postgres => [
            ("types", include_str!("schemas/postgres/types.sql")),
            ("relations", include_str!("schemas/postgres/relations.sql")),
            ("parts", include_str!("schemas/postgres/parts.sql")),
        ]
        .into(),
    }
}

pub async fn load(target: &Target, text: &str) -> Loaded {
    load_dump(target, text, |_, _| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

pub async fn plan(target: &Target) -> Plan {
    prepare(target, 7, PATIENCE, |_, _| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

pub fn endpoint(name: &str, target: &Target) -> Endpoint {
    Endpoint { name: name.into(), target: target.clone() }
}

pub fn options(transactions: Option<u64>) -> Options {
    Options { seed: 7, writers: 3, transactions, pause: Duration::ZERO, patience: PATIENCE }
}

/// Writes so many transactions.
pub async fn write(target: &Target, plan: Plan, transactions: u64) -> Ledger {
    let (_endpoint, at) = watch::channel(Some(endpoint("east", target)));
    let load = Load::start(&Arc::new(plan), &at, options(Some(transactions)));
    load.finished().await.unwrap_or_else(|error| panic!("{error}"))
}

/// Waits until a load has so many acknowledged transactions.
pub async fn until(load: &Load, transactions: usize) {
    for _ in 0..6000 {
        if load.ledger().now().acknowledged().count() >= transactions {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", load.ledger().now().refused);
}
