//! A database's password in Secrets Manager, which is rotated while the service runs, as the sandbox holds it.

use runbook::plan::Engine;
use serde_json::json;

use crate::stage::{Service, order, until};
use crate::stores::{Database, Databases, Dynamo, Held, PASSWORD, USER, on_each_engine};

on_each_engine!(a_rotation_needs_no_restart, a_secret_that_is_not_there_is_waited_for);

const SECRET: &str = "shop/orders";

fn text(password: &str) -> String {
    json!({"username": USER, "password": password, "engine": "any"}).to_string()
}

async fn a_rotation_needs_no_restart(databases: Held<Databases>) {
    let (account, server) = (Dynamo::of_the_sandbox().await, databases.server().await);
    let database = &server.database;
    account.set_secret(SECRET, &text(PASSWORD));
    let environment = database.environment_with_secret(SECRET, &account);
    let orders = Service::start("orders", &environment).has_tables().await;
    orders.post("/orders", order("robin", 1, "5")).await.ok(200);
    // Connections that are there stay; new ones are not let in, until the secret says how.
    rotate(database, "the-new-one").await;
    until("the user is not let in", 10, async || {
        (orders.post("/orders", order("robin", 1, "5")).await.status == 503).then_some(())
    })
    .await;
    account.set_secret(SECRET, &text("the-new-one"));
    until("orders are accepted again", 10, async || {
        (orders.post("/orders", order("robin", 1, "5")).await.status == 200).then_some(())
    })
    .await;
    let log = orders.log();
    assert!(!log.contains(PASSWORD) && !log.contains("the-new-one"), "a password is in the log: {log}");
}

async fn a_secret_that_is_not_there_is_waited_for(databases: Held<Databases>) {
    let (account, database) = (Dynamo::of_the_sandbox().await, databases.database().await);
    account.set_secret(SECRET, "no JSON, and PRIVATE");
    let orders = Service::start("orders", &database.environment_with_secret(SECRET, &account));
    let problem = orders.post("/orders", order("robin", 1, "5")).await.problem(503);
    assert!(!problem.to_string().contains(SECRET), "{problem}");
    until("the log says why", 10, async || {
        orders.log().contains("it has no username and password").then_some(())
    })
    .await;
    assert!(!orders.log().contains("PRIVATE"));
    account.set_secret(SECRET, &text(PASSWORD));
    orders.has_tables().await.post("/orders", order("robin", 1, "5")).await.ok(200);
}

/// Gives the user another password, and ends every connection but the test's own.
async fn rotate(database: &Database, password: &str) {
    match database.engine {
        Engine::AuroraMysql => {
            database.execute(&format!("SET PASSWORD = PASSWORD('{password}')")).await;
            let others = "SELECT CONCAT(id, '') FROM information_schema.processlist \
                 WHERE user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND id <> CONNECTION_ID()";
            for id in database.texts(others).await {
                database.execute(&format!("KILL {id}")).await;
            }
        }
        Engine::AuroraPostgresql => {
            database.execute(&format!("ALTER ROLE {USER} PASSWORD '{password}'")).await;
            let ended = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE usename = CURRENT_USER AND pid <> pg_backend_pid()";
            assert!(database.count(ended).await > 0);
        }
    }
}
