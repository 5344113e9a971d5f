//! Asks a database over SQL. Whether it accepts a write is found out by writing: there is no other way to know.
//!
//! The write is one row in a table of Causeway's own, `causeway.heartbeat`, so that nothing is left behind in the
//! application's tables: a database `causeway` beside the application's (MySQL), a schema `causeway` inside it
//! (PostgreSQL). It is committed and read back. The table is made when it is missing.
//!
//! Whether the database lets a user in, and what that user may do there, is asked on a quiet day, and writes nothing.
//!
//! The user needs, on MySQL: `SELECT, INSERT, DELETE ON causeway.*`, and `CREATE ON causeway.*`
//! for the first time; on PostgreSQL: `USAGE` on the schema and `SELECT, INSERT, UPDATE` on the table, and `CREATE` on
//! the database for the first time.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use runbook::StepError;
use runbook::error::Kind;
use runbook::names::HEARTBEAT;
use runbook::plan::Engine;
use runbook::secret::Place;
use runbook::{authorities, aws};
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{ConnectOptions, Connection};
use table_diff::{Rights, Server, Side, Target, Tls, is_untrusted};

use crate::probe::{AcceptsWrite, Admission, DatabaseTarget, Heartbeat, SignsIn, Write};

/// How long a connection may take, the handshake included.
pub const CONNECT: Duration = Duration::from_secs(5);
/// How long one statement may take.
pub const STATEMENT: Duration = Duration::from_secs(5);

/// Asks over SQL, signed in as the plan says, a server that proves to be the one that was meant.
#[derive(Debug, Clone)]
pub struct SqlProbe {
    config: SdkConfig,
    authorities: Arc<[u8]>,
}

impl SqlProbe {
    /// `config`: of any Region; the secret is read in the database's. `authorities`: see [`runbook::authorities`].
    pub fn new(config: SdkConfig, authorities: Arc<[u8]>) -> Self {
        Self { config, authorities }
    }

    /// The server, with the credentials.
    async fn server(&self, target: &DatabaseTarget) -> Result<Target, StepError> {
        let config = aws::in_region(&self.config, &target.region);
        let place = Place { region: &target.region, host: &target.host, port: target.port };
        let credentials = Box::pin(target.sign_in.credentials(&config, place)).await?;
        Ok(Target {
            engine: match target.engine {
                Engine::AuroraMysql => table_diff::Engine::MySql,
                Engine::AuroraPostgresql => table_diff::Engine::Postgres,
            },
            host: target.host.clone(),
            port: target.port,
            user: credentials.username,
            password: credentials.password.expose().to_owned(),
            database: target.database.clone(),
            tls: Tls::Verified(Arc::clone(&self.authorities)),
        })
    }
}

impl AcceptsWrite for SqlProbe {
    async fn accepts_write(
        &self,
        target: &DatabaseTarget,
        heartbeat: &Heartbeat,
    ) -> Result<Write, StepError> {
        let server = self.server(target).await?;
        match write(&server, target, heartbeat).await {
            Ok(()) => Ok(Write::Accepted),
            Err(failure) => not_yet(target, failure).map(Write::NotYet),
        }
    }
}

impl SignsIn for SqlProbe {
    async fn signs_in(&self, target: &DatabaseTarget) -> Result<Admission, StepError> {
        let server = self.server(target).await?;
        match sign_in(&server, target).await {
            Ok(()) => Ok(Admission::Granted),
            Err(failure) => not_yet(target, failure).map(Admission::NotYet),
        }
    }

    async fn rights(&self, target: &DatabaseTarget) -> Result<Rights, StepError> {
        let failed = |error: table_diff::Error| {
            let what = format!("{}: what {} may do can't be seen", target.name, target.sign_in);
            let remedy = "correct `database` in the plan, or give the user the right to read it";
            StepError::new(Kind::Failed, what, remedy).with_source(error)
        };
        let at = self.server(target).await?;
        let mut server = Server::connect(Side::Target, at, STATEMENT).await.map_err(failed)?;
        let mut rights = table_diff::rights(&mut server).await.map_err(failed)?;
        for tables in [&mut rights.tables, &mut rights.unreadable, &mut rights.uninsertable] {
            tables.remove(HEARTBEAT);
        }
        Ok(rights)
    }
}

/// Connects, asks whether the server is there, and leaves.
async fn sign_in(server: &Target, target: &DatabaseTarget) -> Result<(), Failure> {
    let mut session = within(CONNECT, "connecting", Session::open(server, target)).await?;
    within(STATEMENT, "asking", session.ping()).await?;
    session.close().await;
    Ok(())
}

/// Connects, writes the row, makes the table where it is missing, reads the row back, and leaves.
async fn write(server: &Target, target: &DatabaseTarget, heartbeat: &Heartbeat) -> Result<(), Failure> {
    let sql = Statements::of(target.engine);
    let mut session = within(CONNECT, "connecting", Session::open(server, target)).await?;
    match within(STATEMENT, "writing", session.write(sql.write, heartbeat)).await {
        // Not made beforehand: that would need CREATE each time.
        Err(Failure::Sql(error)) if code(&error).is_some_and(|code| sql.missing.contains(&code.as_str())) => {
            for create in sql.create {
                within(STATEMENT, "creating causeway.heartbeat", session.create(create)).await?;
            }
            within(STATEMENT, "writing", session.write(sql.write, heartbeat)).await?;
        }
        written => written?,
    }
    let seen = within(STATEMENT, "reading back", session.read(sql.read, &heartbeat.row)).await?;
    session.close().await;
    read_back(seen.as_deref(), &heartbeat.execution)
}

fn read_back(seen: Option<&str>, written: &str) -> Result<(), Failure> {
    if seen == Some(written) { Ok(()) } else { Err(Failure::NotReadBack) }
}

/// What differs between the engines.
struct Statements {
    /// Writes the row: its key and its value.
    write: &'static str,
    /// Codes of the errors that there is no such database, schema or table.
    missing: [&'static str; 2],
    /// Makes the table, and what it is in.
    create: [&'static str; 2],
    /// Reads the value of the row with this key.
    read: &'static str,
}

impl Statements {
    fn of(engine: Engine) -> Self {
        match engine {
            Engine::AuroraMysql => Self {
                write: "REPLACE INTO causeway.heartbeat (name, execution) VALUES (?, ?)",
                missing: ["1049", "1146"],
                create: [
                    "CREATE DATABASE IF NOT EXISTS causeway",
                    "CREATE TABLE IF NOT EXISTS causeway.heartbeat (name VARCHAR(150) NOT NULL PRIMARY KEY, \
                     execution VARCHAR(200) NOT NULL, written_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
                ],
                read: "SELECT execution FROM causeway.heartbeat WHERE name = ?",
            },
            Engine::AuroraPostgresql => Self {
                write: "INSERT INTO causeway.heartbeat (name, execution) VALUES ($1, $2) ON CONFLICT (name) \
                        DO UPDATE SET execution = excluded.execution, written_at = now()",
                missing: ["3F000", "42P01"],
                create: [
                    "CREATE SCHEMA IF NOT EXISTS causeway",
                    "CREATE TABLE IF NOT EXISTS causeway.heartbeat (name text PRIMARY KEY, execution text NOT NULL, \
                     written_at timestamptz NOT NULL DEFAULT now())",
                ],
                read: "SELECT execution FROM causeway.heartbeat WHERE name = $1",
            },
        }
    }
}

/// A connection to either engine.
enum Session {
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

impl Session {
    /// Connects: to the server on MySQL, to the target's database on PostgreSQL.
    async fn open(server: &Target, target: &DatabaseTarget) -> Result<Self, sqlx::Error> {
        Ok(match target.engine {
            Engine::AuroraMysql => Self::MySql(server.mysql_options().connect().await?),
            Engine::AuroraPostgresql => {
                Self::Postgres(server.postgres_options().database(&target.database).connect().await?)
            }
        })
    }

    async fn ping(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::MySql(connection) => connection.ping().await,
            Self::Postgres(connection) => connection.ping().await,
        }
    }

    async fn create(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::MySql(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            Self::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
        }
    }

    async fn write(&mut self, sql: &'static str, heartbeat: &Heartbeat) -> Result<(), sqlx::Error> {
        let Heartbeat { row, execution } = heartbeat;
        match self {
            Self::MySql(connection) => {
                sqlx::query(sql).bind(row).bind(execution).execute(connection).await.map(drop)
            }
            Self::Postgres(connection) => {
                sqlx::query(sql).bind(row).bind(execution).execute(connection).await.map(drop)
            }
        }
    }

    async fn read(&mut self, sql: &'static str, row: &str) -> Result<Option<String>, sqlx::Error> {
        match self {
            Self::MySql(connection) => sqlx::query_scalar(sql).bind(row).fetch_optional(connection).await,
            Self::Postgres(connection) => sqlx::query_scalar(sql).bind(row).fetch_optional(connection).await,
        }
    }

    /// Leaves in order, where that takes no time; the server ends the session otherwise.
    async fn close(self) {
        let closed = async {
            match self {
                Self::MySql(connection) => connection.close().await,
                Self::Postgres(connection) => connection.close().await,
            }
        };
        let _ = tokio::time::timeout(STATEMENT, closed).await;
    }
}

/// How a write or a connection fails.
#[derive(Debug)]
enum Failure {
    /// The server or the connection says no.
    Sql(sqlx::Error),
    /// This took longer than its limit.
    Late(&'static str, Duration),
    /// Another value than the one written.
    NotReadBack,
}

async fn within<T>(
    limit: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Failure> {
    tokio::time::timeout(limit, work).await.map_err(|_| Failure::Late(what, limit))?.map_err(Failure::Sql)
}

/// Error code of a server: MySQL's number, PostgreSQL's SQLSTATE.
fn code(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    if let Some(mysql) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return Some(mysql.number().to_string());
    }
    error.try_downcast_ref::<PgDatabaseError>().map(|postgres| postgres.code().to_owned())
}

/// Why to try again after a failure that may pass, in one line. The server's own message about credentials is not repeated:
/// it holds the user's name.
///
/// # Errors
/// A failure that waiting does not mend.
fn not_yet(target: &DatabaseTarget, failure: Failure) -> Result<String, StepError> {
    let place = format!("{}:{}", target.host, target.port);
    let error = match failure {
        Failure::Late(what, limit) => {
            return Ok(format!("{place}: {what} took more than {} s", limit.as_secs()));
        }
        Failure::NotReadBack => return Ok(format!("{place}: the write was not read back")),
        Failure::Sql(error) => error,
    };
    let code = code(&error);
    match (code.as_deref(), &error) {
        // MySQL: access denied to the server (1045, 1698), PostgreSQL: invalid password or authorization.
        (Some(code @ ("1045" | "1698" | "28P01" | "28000")), _) => Err(StepError::new(
            Kind::Denied,
            format!("{}: {place} does not let in {} (error {code})", target.name, target.sign_in),
            format!("{} in {}", target.sign_in.remedy(), target.region),
        )),
        // MySQL: access denied to a database, a command, a privilege; PostgreSQL: insufficient privilege.
        (Some(code @ ("1044" | "1142" | "1227" | "42501")), _) => Err(StepError::new(
            Kind::Denied,
            format!(
                "{}: {} may not write causeway.heartbeat at {place} (error {code})",
                target.name, target.sign_in
            ),
            "grant the user SELECT, INSERT, UPDATE, DELETE and CREATE there",
        )),
        // PostgreSQL: no such database.
        (Some("3D000"), _) => Err(StepError::new(
            Kind::BadPlan,
            format!("{}: {place} has no database {}", target.name, target.database),
            "correct `database` in the plan",
        )),
        (None, error) if is_untrusted(error) => Err(StepError::new(
            Kind::Failed,
            format!("{}: {place} has not proved to be that server: {error}", target.name),
            authorities::REMEDY,
        )),
        // Read-only still, starting, not reachable, anything else of a database in the middle of a promotion.
        _ => {
            let text = error
                .as_database_error()
                .map_or_else(|| error.to_string(), |error| error.message().to_owned());
            Ok(format!("{place}: {text}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbook::secret::SignIn;

    fn target() -> DatabaseTarget {
        DatabaseTarget {
            name: "orders".into(),
            engine: Engine::AuroraMysql,
            database: "orders".into(),
            region: "sandbox-west".into(),
            host: "db.sandbox".into(),
            port: 3306,
            sign_in: SignIn::Secret("shop/orders".into()),
        }
    }

    #[test]
    fn what_may_pass_is_waited_for_and_what_will_not_is_an_error() {
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let passing = [
            Failure::Sql(sqlx::Error::Io(refused())),
            Failure::Late("writing", STATEMENT),
            Failure::NotReadBack,
        ];
        for failure in passing {
            let why = not_yet(&target(), failure).unwrap();
            assert!(why.starts_with("db.sandbox:3306: "), "{why}");
        }
        let untrusted = std::io::Error::new(std::io::ErrorKind::InvalidData, "UnknownIssuer");
        for error in [sqlx::Error::Tls("server does not support TLS".into()), sqlx::Error::Io(untrusted)] {
            let error = not_yet(&target(), Failure::Sql(error)).unwrap_err().to_string();
            assert!(error.contains("orders: db.sandbox:3306 has not proved to be that server: "), "{error}");
        }
    }

    #[test]
    fn only_the_value_written_counts_as_read_back() {
        assert!(read_back(Some("e"), "e").is_ok());
        assert!(read_back(Some("other"), "e").is_err());
        assert!(read_back(None, "e").is_err());
    }
}
