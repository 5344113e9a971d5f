//! MariaDB and PostgreSQL servers as Aurora clusters: both keep the same promises.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use runbook::plan::Engine::{self, AuroraMysql, AuroraPostgresql};
use sandbox::databases::real::RealServers;
use sandbox::databases::{Address, Afterwards, NewDatabase, Servers};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

const EAST: &str = "arn:aws:rds:sandbox-east:000000000000:cluster:e";
const WEST: &str = "arn:aws:rds:sandbox-west:000000000000:cluster:w";

const PASSWORD: &str = "it's \\secret";

struct Pair {
    servers: RealServers,
    east: At,
    west: At,
    folder: tempfile::TempDir,
}

/// A server that a test connects to.
#[derive(Debug, Clone, PartialEq)]
struct At(Engine, Address);

/// Those whose servers are installed.
fn engines() -> Vec<Engine> {
    let mut engines = vec![AuroraMysql];
    match Path::new("/usr/lib/postgresql").exists() {
        true => engines.push(AuroraPostgresql),
        false => rehearsals::parts::missing("postgres", "there is no server below /usr/lib/postgresql"),
    }
    engines
}

async fn pair(engine: Engine) -> Pair {
    let folder = tempfile::tempdir().unwrap();
    let servers = RealServers::new(&folder.path().join("servers"), &[engine]).unwrap();
    let new = NewDatabase { engine, name: "shop", user: "app", password: PASSWORD };
    let east = At(engine, servers.create_primary(EAST, new).await.unwrap());
    connect(&east).await.unwrap().execute("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
    let west = At(engine, servers.create_secondary(WEST, EAST).await.unwrap());
    Pair { servers, east, west, folder }
}

async fn connect(At(engine, address): &At) -> Result<AnyConnection, sqlx::Error> {
    sqlx::any::install_default_drivers();
    let scheme = if *engine == AuroraMysql { "mysql" } else { "postgres" };
    let (host, port) = (&address.host, address.port);
    AnyConnection::connect(&format!("{scheme}://app:it%27s%20%5Csecret@{host}:{port}/shop")).await
}

async fn insert(at: &At, ids: std::ops::Range<i32>) {
    let mut connection = connect(at).await.unwrap();
    for id in ids {
        connection.execute(AssertSqlSafe(format!("INSERT INTO t VALUES ({id})"))).await.unwrap();
    }
}

async fn ids(at: &At) -> Vec<i32> {
    let mut connection = connect(at).await.unwrap();
    sqlx::query_scalar("SELECT id FROM t ORDER BY id").fetch_all(&mut connection).await.unwrap()
}

/// Polls until a secondary has so many rows.
async fn until(at: &At, rows: usize) {
    for _ in 0..500 {
        if ids(at).await.len() >= rows {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the secondary has {:?}", ids(at).await);
}

/// Server processes on these servers' ports.
fn processes_of(servers: &[&At]) -> usize {
    let ports: Vec<String> = servers.iter().map(|At(_, address)| address.port.to_string()).collect();
    let lines = std::fs::read_dir("/proc").unwrap();
    let lines = lines.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
    let is_one = |line: &String| {
        line.split('\0').any(|word| ports.iter().any(|port| word.trim_start_matches("--port=") == port))
    };
    lines.filter(is_one).count()
}

#[tokio::test]
async fn a_failover_loses_what_was_not_replicated_and_the_snapshot_has_it() {
    for engine in engines() {
        let Pair { servers, east, west, folder } = pair(engine).await;
        insert(&east, 0..20).await;
        until(&west, 20).await;
        let lag = servers.lag_millis(WEST).await;
        assert!(
            lag.is_some_and(|lag| lag < 10_000.0),
            "a secondary that has everything is not behind by seconds: {lag:?}"
        );
        servers.cut_link(WEST, true).await.unwrap();
        assert_eq!(servers.lag_millis(WEST).await, None, "nothing is known over a cut link");
        insert(&east, 20..30).await;
        assert!(
            connect(&west).await.unwrap().execute("INSERT INTO t VALUES (99)").await.is_err(),
            "a secondary is read-only"
        );
        servers.promote(WEST).await.unwrap();
        insert(&west, 100..103).await;
        assert_eq!(ids(&west).await, (0..20).chain(100..103).collect::<Vec<_>>());
        assert_eq!(ids(&east).await, (0..30).collect::<Vec<_>>(), "the old primary still takes writes");

        servers.snapshot(EAST, "first", Afterwards::StaysStopped).await.unwrap();
        assert!(connect(&east).await.is_err(), "it takes no write that its snapshot lacks");
        servers.copy_snapshot("first", "kept").await.unwrap();
        servers.delete_snapshot("first").await.unwrap();
        let restored = At(engine, servers.restore("kept", "arn:restored").await.unwrap());
        assert_eq!(ids(&restored).await, (0..30).collect::<Vec<_>>());
        insert(&restored, 50..51).await;

        let again = At(engine, servers.create_secondary(EAST, WEST).await.unwrap());
        assert_eq!(again, east, "a cluster keeps its address");
        until(&again, 23).await;
        insert(&west, 103..104).await;
        until(&again, 24).await;
        assert_eq!(ids(&again).await, ids(&west).await);
        assert!(connect(&again).await.unwrap().execute("INSERT INTO t VALUES (99)").await.is_err());

        servers.delete("arn:restored").await.unwrap();
        servers.delete("arn:restored").await.unwrap();
        assert!(connect(&restored).await.is_err());
        assert!(processes_of(&[&east, &west]) >= 2);
        servers.shutdown().await;
        assert_eq!(processes_of(&[&east, &west, &restored]), 0, "no process stays");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file stays");
    }
}

/// As before a rebuild: the old primary of a detached database is kept as a snapshot, and is followed afterwards.
#[tokio::test]
async fn a_server_goes_on_as_it_was_after_a_snapshot() {
    for engine in engines() {
        let Pair { servers, east, west, folder: _folder } = pair(engine).await;
        insert(&east, 0..5).await;
        until(&west, 5).await;
        for cluster in [EAST, WEST] {
            servers.snapshot(cluster, "kept", Afterwards::GoesOn).await.unwrap();
        }
        insert(&east, 5..6).await;
        until(&west, 6).await;
        let written = connect(&west).await.unwrap().execute("INSERT INTO t VALUES (99)").await;
        assert!(written.is_err(), "a secondary stays read-only");

        // A link that is cut stays so; and what fails leaves no server stopped.
        servers.cut_link(WEST, true).await.unwrap();
        servers.snapshot(WEST, "kept", Afterwards::GoesOn).await.unwrap();
        insert(&east, 6..7).await;
        assert_eq!(servers.lag_millis(WEST).await, None);
        assert_eq!(ids(&west).await.len(), 6);
        let too_long = "n".repeat(300);
        servers.snapshot(EAST, &too_long, Afterwards::StaysStopped).await.unwrap_err();
        insert(&east, 7..8).await;

        let restored = At(engine, servers.restore("kept", "arn:restored").await.unwrap());
        assert_eq!(ids(&restored).await.len(), 6);
        insert(&restored, 50..51).await;
        servers.shutdown().await;
    }
}

#[tokio::test]
async fn a_switchover_under_writes_loses_nothing() {
    for engine in engines() {
        let Pair { servers, east, west, folder: _folder } = pair(engine).await;
        let writer = tokio::spawn({
            let east = east.clone();
            async move {
                let mut acknowledged = Vec::new();
                let mut connection = connect(&east).await.unwrap();
                for id in 0.. {
                    match connection.execute(AssertSqlSafe(format!("INSERT INTO t VALUES ({id})"))).await {
                        Ok(_) => acknowledged.push(id),
                        Err(_) => break,
                    }
                }
                acknowledged
            }
        });
        until(&west, 50).await;
        servers.switch_over(EAST, WEST).await.unwrap();
        let acknowledged = writer.await.unwrap();
        servers.switch_over(EAST, WEST).await.unwrap();
        let refused = connect(&east).await.unwrap().execute("INSERT INTO t VALUES (-9)").await;
        assert!(refused.is_err(), "a repeated switchover must not make the old primary writable");
        assert!(acknowledged.len() >= 50);
        assert_eq!(ids(&west).await, acknowledged);
        let all = acknowledged.len() + 1;
        insert(&west, -1..0).await;
        until(&east, all).await;
        servers.shutdown().await;
    }
}

/// Whoever else works on this machine can reach the ports, and sees what processes and files everybody sees.
#[tokio::test]
async fn nobody_else_gets_into_the_servers() {
    let Pair { servers, east, west, folder } = pair(AuroraMysql).await;
    for (At(_, address), user) in [(&east, "root"), (&west, "root"), (&east, ""), (&east, "mariadb.sys")] {
        let options = MySqlConnectOptions::new().host(&address.host).port(address.port).username(user);
        let options = options.ssl_mode(MySqlSslMode::Disabled);
        assert!(MySqlConnection::connect_with(&options).await.is_err(), "{user:?} gets in");
    }
    let [socket, files] = ["SELECT @@socket", "SELECT @@secure_file_priv"].map(async |query| {
        let mut connection = connect(&east).await.unwrap();
        sqlx::query_scalar::<_, String>(query).fetch_one(&mut connection).await.unwrap()
    });
    let (socket, files) = (socket.await, files.await);
    let options = MySqlConnectOptions::new().socket(&socket).username("root");
    assert!(MySqlConnection::connect_with(&options).await.is_err(), "root gets in without a password");
    assert_eq!(files, "/dev/null/", "no file is below it");
    for folder in [&folder.path().join("servers/mariadb"), Path::new(&socket).parent().unwrap()] {
        let mode = std::fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
    servers.shutdown().await;
}

#[tokio::test]
async fn nobody_else_gets_into_the_postgres_servers() {
    if !engines().contains(&AuroraPostgresql) {
        return;
    }
    let Pair { servers, east, west, .. } = pair(AuroraPostgresql).await;
    for (At(_, address), user) in
        [(&east, "rdsadmin"), (&west, "rdsadmin"), (&east, "postgres"), (&east, "app")]
    {
        let options = PgConnectOptions::new_without_pgpass().host(&address.host).port(address.port);
        let options = options.username(user).database("postgres");
        assert!(PgConnection::connect_with(&options).await.is_err(), "{user:?} gets in");
    }
    let mut connection = connect(&east).await.unwrap();
    let query = "SELECT (rolsuper OR rolreplication)::int4 FROM pg_roles WHERE rolname = current_user";
    assert_eq!(sqlx::query_scalar::<_, i32>(query).fetch_one(&mut connection).await.unwrap(), 0);
    let folder = "SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories'";
    let folder: String = sqlx::query_scalar(folder).fetch_one(&mut connection).await.unwrap();
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "{folder}");
    servers.shutdown().await;
    assert!(!Path::new(&folder).exists());
}

#[tokio::test]
async fn two_sandboxes_do_not_meet() {
    for engine in engines() {
        let (one, two) = tokio::join!(pair(engine), pair(engine));
        insert(&one.east, 0..3).await;
        assert_eq!(ids(&two.east).await, Vec::<i32>::new());
        tokio::join!(one.servers.shutdown(), two.servers.shutdown());
    }
}
