//! A password that was rotated between the failover and the reconciliation: the restored cluster knows the one of its snapshot's
//! moment.

use std::sync::Arc;

use reconcile::{Compare, Failure, Servers, Sides};
use runbook::error::Kind;
use runbook::secret::SignIn;
use sandbox::WEST;
use sandbox::account::OPERATOR;
use sandbox::api::Api;
use sandbox::clock::Clock;
use sandbox::databases::NoServers;
use sandbox::wire::Wire;
use sandbox::wire::connector::sdk_config;
use sandbox::world::World;
use serde_json::json;
use table_diff::Target;

use super::database_server::TestServer;
use super::postgres_server::Postgres;

const SECRET: &str = "shop/orders";

/// A database server with a table `t`, and its user, whose password can be changed.
struct Database {
    target: Target,
    alter: Box<dyn Fn(&str)>,
}

fn mariadb() -> Database {
    let server = TestServer::mariadb();
    server.sql("", "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)");
    let target = server.target("shop");
    let alter = move |password: &str| server.sql("", &format!("ALTER USER u@'%' IDENTIFIED BY '{password}'"));
    Database { target, alter: Box::new(alter) }
}

/// `None`, and said so, where there is no PostgreSQL.
fn postgres() -> Option<Database> {
    let server = Postgres::start()?;
    server.sql("postgres", "CREATE USER reader PASSWORD 'p'");
    server.sql("postgres", "CREATE TABLE t (id int PRIMARY KEY); GRANT SELECT ON t TO reader");
    server.ask_for_password("reader");
    let target = Target { user: "reader".into(), ..server.target("postgres") };
    let alter =
        move |password: &str| server.sql("postgres", &format!("ALTER USER reader PASSWORD '{password}'"));
    Some(Database { target, alter: Box::new(alter) })
}

/// The tables that are listed, or the error, when the two sides are compared with what the secret holds now.
async fn listed(
    world: &Arc<World>,
    old: &Database,
    new: &Database,
) -> Result<Vec<String>, runbook::StepError> {
    let folder = tempfile::tempdir().unwrap();
    let api: Arc<dyn Api> = Arc::clone(world) as _;
    let wire = Arc::new(Wire::new(api, folder.path()).unwrap());
    let config = sdk_config(wire, WEST, OPERATOR);
    let current = runbook::secret::credentials(&config, SECRET).await.unwrap();
    let [source, target] = [old, new].map(|database| Target {
        user: current.username.clone(),
        password: current.password.expose().to_owned(),
        ..database.target.clone()
    });
    let sides = Sides {
        name: "orders".into(),
        source_cluster: "causeway-old".into(),
        target_cluster: "shop-orders-west".into(),
        snapshot: None,
        snapshot_time: None,
        source,
        target,
        base: Err("none".into()),
        exclude_columns: Default::default(),
        connections: 1,
        known: Default::default(),
        sign_in: SignIn::Secret(SECRET.into()),
    };
    match Servers::new(config).list_tables(&sides, &[], &[]).await {
        Ok(tables) => Ok(tables.iter().map(|listed| listed.table.name.clone()).collect()),
        Err(Failure::Step(error)) => Err(error),
        Err(Failure::Table(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_password_that_was_rotated_since_the_snapshot_is_tried_as_it_was_before() {
    told(&mariadb(), &mariadb()).await;
    if let (Some(old), Some(new)) = (postgres(), postgres()) {
        told(&old, &new).await;
    }
}

async fn told(old: &Database, new: &Database) {
    let world = World::new(Clock::new(1.0), Arc::new(NoServers));
    let rotate = |password: &str| {
        let text = json!({"username": new.target.user, "password": password}).to_string();
        world.rotate_secret(WEST, SECRET, &text);
        (new.alter)(password);
    };
    rotate("p");
    assert_eq!(listed(&world, old, new).await.unwrap(), ["t"], "not rotated");
    rotate("second");
    assert_eq!(listed(&world, old, new).await.unwrap(), ["t"], "rotated once");
    // The new primary's password is the secret's: the one before would be no help there.
    (new.alter)("p");
    let error = listed(&world, old, new).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.to_string().contains("new primary shop-orders-west"), "{error}");
    rotate("third");
    let error = listed(&world, old, new).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    let line = error.to_string();
    for part in [
        "restored old primary causeway-old",
        "neither the current nor the previous version",
        SECRET,
        "`iamUser`",
    ] {
        assert!(line.contains(part), "{part} is missing in: {line}");
    }
    assert!(!line.contains("third") && !line.contains("second"), "{line}");
}
