//! Whom the step functions believe to be a database: only a server that proves to be the one that was meant.

use std::sync::Arc;
use std::time::Duration;

use preflight::probe::{AcceptsWrite, Admission, DatabaseTarget, Heartbeat, SignsIn, Write};
use preflight::sql_probe::SqlProbe;
use reconcile::{Compare, Failure, Sides};
use row_replay::Session;
use runbook::authorities::REMEDY;
use runbook::plan::Engine;
use runbook::secret::SignIn;
use sandbox::WEST;
use sandbox::account::OPERATOR;
use sandbox::clock::Clock;
use sandbox::databases::authority::Authority;
use sandbox::databases::real::RealServers;
use sandbox::databases::{NewDatabase, NoServers, Servers};
use sandbox::wire::Wire;
use sandbox::wire::connector::sdk_config;
use table_diff::{Server, Side, Target, Tls, is_untrusted};

use super::postgres_server::Postgres;

const TIME: Duration = Duration::from_secs(30);

/// The right authority, and one that has the same name and another key.
fn authorities(right: String) -> [Arc<[u8]>; 2] {
    [right, Authority::new().unwrap().pem()].map(|pem| pem.into_bytes().into())
}

#[tokio::test]
async fn a_server_of_another_authority_or_another_name_is_refused_by_every_function() {
    let folder = tempfile::tempdir().unwrap();
    let urls = [1, 2, 3, 4, 5].map(|number| format!("http://arc-{number}.sandbox"));
    let world = sandbox::shop::world(Clock::new(1.0), Arc::new(NoServers), &urls).await.unwrap();
    let wire = Wire::new(Arc::clone(&world) as _, folder.path()).unwrap();
    let config = sdk_config(Arc::new(wire), WEST, OPERATOR);
    let secret = world.secret(WEST, "shop/orders").unwrap();
    let credentials: runbook::secret::Credentials = serde_json::from_str(&secret).unwrap();
    let password = credentials.password.expose();
    let servers = RealServers::new(&folder.path().join("databases"), &[Engine::AuroraMysql]).unwrap();
    let new =
        NewDatabase { engine: Engine::AuroraMysql, name: "orders", user: &credentials.username, password };
    let at = servers.create_primary("orders", new).await.unwrap();
    let [right, wrong] = authorities(std::fs::read_to_string(servers.authority()).unwrap());

    let database = |host: &str| DatabaseTarget {
        name: "orders".into(),
        engine: Engine::AuroraMysql,
        database: "orders".into(),
        region: WEST.into(),
        host: host.into(),
        port: at.port,
        sign_in: SignIn::Secret("shop/orders".into()),
    };
    let row = Heartbeat { row: "shop/orders".into(), execution: "e".into() };
    let target = |host: &str, authorities: &Arc<[u8]>| Target {
        engine: table_diff::Engine::MySql,
        host: host.into(),
        port: at.port,
        user: credentials.username.clone(),
        password: password.into(),
        database: "orders".into(),
        tls: Tls::Verified(Arc::clone(authorities)),
    };
    let probe = |authorities: &Arc<[u8]>| SqlProbe::new(config.clone(), Arc::clone(authorities));
    let good = probe(&right);
    assert_eq!(good.signs_in(&database(&at.host)).await.unwrap(), Admission::Granted);
    assert_eq!(good.accepts_write(&database(&at.host), &row).await.unwrap(), Write::Accepted);
    Server::connect(Side::Source, target(&at.host, &right), TIME).await.unwrap();
    Session::connect(target(&at.host, &right), TIME).await.unwrap();

    // `localhost` is the same server, and not the name in its certificate.
    for (authorities, host, why) in
        [(&wrong, at.host.as_str(), "BadSignature"), (&right, "localhost", "not valid for name")]
    {
        let place = format!("{host}:{}", at.port);
        let told = |line: String| {
            for part in ["orders", &place, why, REMEDY] {
                assert!(line.contains(part), "{part} is missing in: {line}");
            }
            assert!(!line.contains(password) && !line.contains('\n'), "{line}");
        };
        told(probe(authorities).signs_in(&database(host)).await.unwrap_err().to_string());
        told(probe(authorities).accepts_write(&database(host), &row).await.unwrap_err().to_string());
        let sides = Sides {
            name: "orders".into(),
            source_cluster: "old".into(),
            target_cluster: "new".into(),
            snapshot: None,
            snapshot_time: None,
            source: target(host, authorities),
            target: target(host, authorities),
            base: Err("none".into()),
            exclude_columns: Default::default(),
            connections: 1,
            known: Default::default(),
            sign_in: SignIn::Secret("shop/orders".into()),
        };
        match reconcile::Servers::new(aws_config::SdkConfig::builder().build())
            .list_tables(&sides, &[], &[])
            .await
        {
            Err(Failure::Step(error)) => told(error.to_string()),
            other => panic!("{other:?}"),
        }
        match Session::connect(target(host, authorities), TIME).await {
            Err(row_replay::Error::Connect { cause, .. }) => assert!(is_untrusted(&cause), "{cause}"),
            other => panic!("{other:?}"),
        }
    }
    servers.shutdown().await;
    world.stop();
}

#[tokio::test]
async fn so_it_is_on_postgres() {
    let Some(server) = Postgres::start() else { return };
    let authority = Authority::new().unwrap();
    let (certificate, key) = authority.sign("127.0.0.1").unwrap();
    // Written by the server: the files have to be its own.
    for (file, text) in [("server.crt", certificate), ("server.key", key)] {
        let lines = format!("SELECT regexp_split_to_table('{}', '\\n')", text.trim());
        server.sql("postgres", &format!("COPY ({lines}) TO PROGRAM 'umask 077 && cat > {file}'"));
    }
    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let [right, wrong] = authorities(authority.pem());
    let connect = async |host: &str, authorities: &Arc<[u8]>| {
        let tls = Tls::Verified(Arc::clone(authorities));
        let target = Target { host: host.into(), tls, ..server.target("postgres") };
        Server::connect(Side::Source, target, TIME).await
    };
    // The server reads its settings anew a moment later.
    let mut tries = 0;
    while let Err(error) = connect("127.0.0.1", &right).await {
        tries += 1;
        assert!(error.to_string().contains("does not support TLS") && tries < 1_000, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for (host, authorities) in [("127.0.0.1", &wrong), ("localhost", &right)] {
        let error = connect(host, authorities).await.unwrap_err();
        assert!(error.is_untrusted(), "{error}");
    }
}
