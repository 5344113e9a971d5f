//! Tries the library on a schema of yours: loads it into an empty database, writes to it, and holds the database against the ledger.
//!
//! `try URL SCHEMA.sql [TRANSACTIONS]`; the URL is `mysql://USER:PASSWORD@HOST:PORT/DATABASE` or `postgres://…`. What is left out, what
//! was refused and what was found come on standard error.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use table_diff::{Engine, Target, Tls};
use tokio::sync::watch;
use writeload::{Endpoint, Load, Options, check, load_dump, prepare};

/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn target(url: &str) -> Option<Target> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, rest) = rest.rsplit_once('@')?;
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, database) = rest.split_once('/')?;
    let (host, port) = host.split_once(':')?;
    let engine = if scheme == "mysql" { Engine::MySql } else { Engine::Postgres };
    Some(Target {
        engine,
        host: host.into(),
        port: port.parse().ok()?,
        user: user.into(),
        password: password.into(),
        database: database.into(),
        tls: Tls::Disabled,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, file, rest @ ..] = arguments.as_slice() else {
        return Err("try URL SCHEMA.sql [TRANSACTIONS]".into());
    };
    let transactions = rest.first().map_or(Ok(500), |count| count.parse())?;
    let target = target(url).ok_or("the URL is not SCHEME://USER:PASSWORD@HOST:PORT/DATABASE")?;
    let text = String::from_utf8_lossy(&std::fs::read(file)?).into_owned();
    let mut out = std::io::stderr();
    let loaded = load_dump(&target, &text, |_, _| {}).await.map_err(|error| error.to_string())?;
    for left in &loaded.left_out {
        writeln!(out, "line {}: {}: {}", left.line, left.statement, left.reason)?;
    }
    let plan = prepare(&target, 1, PATIENCE, |_, _| {}).await?;
    for (table, reason) in &plan.left_out {
        writeln!(out, "left out: {table}: {reason}")?;
    }
    let counts = plan.counts();
    let (_endpoint, at) = watch::channel(Some(Endpoint { name: "here".into(), target: target.clone() }));
    let options = Options { transactions: Some(transactions), patience: PATIENCE, ..Options::default() };
    let ledger = Load::start(&Arc::new(plan), &at, options).finished().await?;
    for (table, refused) in &ledger.refused {
        writeln!(out, "refused: {table}: {} times: {}", refused.count, refused.reason)?;
    }
    let checked = check(&target, &ledger, PATIENCE, |_, _| {}).await?;
    for (what, found) in [
        ("lost", format!("{:?}", checked.lost_effects)),
        ("partly", format!("{:?}", checked.partly)),
        ("altered", format!("{:?}", checked.altered)),
    ] {
        if found != "[]" {
            writeln!(out, "{what}: {found}")?;
        }
    }
    let effects: std::collections::BTreeSet<&String> =
        ledger.transactions.iter().flat_map(|one| &one.effects).map(|effect| &effect.table).collect();
    writeln!(
        out,
        "{} statements loaded, {} left out; {} tables written ({} of them in the load), {} left out; {} transactions acknowledged, \
         {} rolled back, {} lost, {} unseen",
        loaded.statements,
        loaded.left_out.len(),
        counts.written,
        effects.len(),
        counts.left_out,
        checked.acknowledged,
        ledger.failed,
        checked.lost.len(),
        checked.unseen.len()
    )?;
    Ok(())
}
