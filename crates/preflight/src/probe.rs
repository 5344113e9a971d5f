//! Does a database accept a write? The one way to know is to write.
//!
//! The write is one row in a table of Causeway's own, `causeway.heartbeat`, so that nothing is left behind in the
//! application's tables: a database `causeway` beside the application's (MySQL), a schema `causeway` inside it
//! (PostgreSQL). It is committed and read back. The table is made when it is missing.
//!
//! Whether one lets a user in ([`SignsIn`]), and what it may do there, is asked on a quiet day, and writes nothing.
//!
//! The user needs, on MySQL: `SELECT, INSERT, DELETE ON causeway.*`, and `CREATE ON causeway.*`
//! for the first time; on PostgreSQL: `USAGE` on the schema and `SELECT, INSERT, UPDATE` on the table, and `CREATE` on
//! the database for the first time.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use runbook::StepError;
use runbook::error::Kind;
use runbook::plan::Engine;
use runbook::secret::{Place, SignIn};
use runbook::{authorities, aws};
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError};
use sqlx::{ConnectOptions, Connection};
use table_diff::{Rights, Server, Side, Target, Tls, is_untrusted};

/// How long a connection may take, the handshake included.
pub const CONNECT: Duration = Duration::from_secs(5);
/// How long one statement may take.
pub const STATEMENT: Duration = Duration::from_secs(5);

/// Where to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteTarget {
    /// The database's name in the plan.
    pub name: String,
    /// Its engine.
    pub engine: Engine,
    /// Name of the database (the schema, in MySQL's words).
    pub database: String,
    /// The Region of the cluster and of its secret.
    pub region: String,
    /// Host of the writer endpoint.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How to sign in.
    pub sign_in: SignIn,
    /// Key of the row: the plan's and the database's name.
    pub row: String,
    /// Value of the row: the execution's id.
    pub execution: String,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// It is committed, and was read back.
    Accepted,
    /// Not yet: the database can't be reached, or is read-only still. Why, in one line.
    NotYet(String),
}

/// Finds out whether a database accepts a write.
pub trait AcceptsWrite {
    /// Writes to `target`. Bounded to some seconds.
    ///
    /// # Errors
    /// When waiting does not help: the credentials or their permissions are wrong.
    fn accepts_write(&self, target: &WriteTarget) -> impl Future<Output = Result<Write, StepError>> + Send;
}

/// Finds out whether a database lets the functions in.
pub trait SignsIn {
    /// Signs in to `target` and asks for nothing. Bounded to some seconds. [`Write::Accepted`] is yes.
    ///
    /// # Errors
    /// As [`AcceptsWrite`].
    fn signs_in(&self, target: &WriteTarget) -> impl Future<Output = Result<Write, StepError>> + Send;

    /// What the user may do in `target`, once it was let in. Bounded to some seconds.
    ///
    /// # Errors
    /// When the database does not exist, or can't be asked.
    fn rights(&self, target: &WriteTarget) -> impl Future<Output = Result<Rights, StepError>> + Send;
}

/// Writes over SQL, signed in as the plan says, to a server that proves to be the one that was meant.
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

    /// How to connect to `target`, without the database.
    async fn options(&self, target: &WriteTarget) -> Result<Options, StepError> {
        let at = self.target(target).await?;
        Ok(match target.engine {
            Engine::AuroraMysql => Options::MySql(Box::new(at.mysql_options())),
            Engine::AuroraPostgresql => {
                Options::Postgres(Box::new(at.postgres_options().database(&target.database)))
            }
        })
    }

    async fn target(&self, target: &WriteTarget) -> Result<Target, StepError> {
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

/// How to connect.
enum Options {
    MySql(Box<MySqlConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl AcceptsWrite for SqlProbe {
    async fn accepts_write(&self, target: &WriteTarget) -> Result<Write, StepError> {
        let result = match self.options(target).await? {
            Options::MySql(options) => mysql(target, &options).await,
            Options::Postgres(options) => postgres(target, &options).await,
        };
        match result {
            Ok(()) => Ok(Write::Accepted),
            Err(failure) => judge(target, failure),
        }
    }
}

impl SignsIn for SqlProbe {
    async fn signs_in(&self, target: &WriteTarget) -> Result<Write, StepError> {
        let result = match self.options(target).await? {
            Options::MySql(options) => sign_in(options.connect()).await,
            Options::Postgres(options) => sign_in(options.connect()).await,
        };
        match result {
            Ok(()) => Ok(Write::Accepted),
            Err(failure) => judge(target, failure),
        }
    }

    async fn rights(&self, target: &WriteTarget) -> Result<Rights, StepError> {
        let failed = |error: table_diff::Error| {
            let what = format!("{}: what {} may do can't be seen", target.name, target.sign_in);
            let remedy = "correct `database` in the plan, or give the user the right to read it";
            StepError::new(Kind::Failed, what, remedy).with_source(error)
        };
        let at = self.target(target).await?;
        let mut server = Server::connect(Side::Target, at, STATEMENT).await.map_err(failed)?;
        table_diff::rights(&mut server).await.map_err(failed)
    }
}

/// Connects, asks whether the server is there, and leaves.
async fn sign_in<C: Connection>(
    connect: impl Future<Output = Result<C, sqlx::Error>>,
) -> Result<(), Failure> {
    let mut connection = within(CONNECT, "connecting", connect).await?;
    within(STATEMENT, "asking", connection.ping()).await?;
    let _ = tokio::time::timeout(STATEMENT, connection.close()).await;
    Ok(())
}

/// How a write fails.
#[derive(Debug)]
enum Failure {
    Sql(sqlx::Error),
    Late(&'static str, Duration),
    /// Another value than the one written.
    NotReadBack,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
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

async fn mysql(target: &WriteTarget, options: &MySqlConnectOptions) -> Result<(), Failure> {
    let mut connection = within(CONNECT, "connecting", options.connect()).await?;
    let write = "REPLACE INTO causeway.heartbeat (name, execution) VALUES (?, ?)";
    let attempt = sqlx::query(write).bind(&target.row).bind(&target.execution).execute(&mut connection);
    match within(STATEMENT, "writing", attempt).await {
        // No such database, no such table. Not made beforehand: that would need CREATE each time.
        Err(Failure::Sql(error)) if matches!(code(&error).as_deref(), Some("1049" | "1146")) => {
            for create in [
                "CREATE DATABASE IF NOT EXISTS causeway",
                "CREATE TABLE IF NOT EXISTS causeway.heartbeat (name VARCHAR(150) NOT NULL PRIMARY KEY, \
                 execution VARCHAR(200) NOT NULL, written_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            ] {
                within(
                    STATEMENT,
                    "creating causeway.heartbeat",
                    sqlx::raw_sql(create).execute(&mut connection),
                )
                .await?;
            }
            let again = sqlx::query(write).bind(&target.row).bind(&target.execution).execute(&mut connection);
            within(STATEMENT, "writing", again).await?;
        }
        other => {
            other?;
        }
    }
    let read =
        sqlx::query_scalar("SELECT execution FROM causeway.heartbeat WHERE name = ?").bind(&target.row);
    let seen: Option<String> =
        within(STATEMENT, "reading back", read.fetch_optional(&mut connection)).await?;
    let _ = tokio::time::timeout(STATEMENT, connection.close()).await;
    read_back(seen.as_deref(), target)
}

async fn postgres(target: &WriteTarget, options: &PgConnectOptions) -> Result<(), Failure> {
    let mut connection = within(CONNECT, "connecting", options.connect()).await?;
    let write = "INSERT INTO causeway.heartbeat (name, execution) VALUES ($1, $2) ON CONFLICT (name) \
                 DO UPDATE SET execution = excluded.execution, written_at = now()";
    let attempt = sqlx::query(write).bind(&target.row).bind(&target.execution).execute(&mut connection);
    match within(STATEMENT, "writing", attempt).await {
        // No such schema, no such table. Not made beforehand: that would need CREATE each time.
        Err(Failure::Sql(error)) if matches!(code(&error).as_deref(), Some("3F000" | "42P01")) => {
            for create in [
                "CREATE SCHEMA IF NOT EXISTS causeway",
                "CREATE TABLE IF NOT EXISTS causeway.heartbeat (name text PRIMARY KEY, execution text NOT NULL, \
                 written_at timestamptz NOT NULL DEFAULT now())",
            ] {
                within(
                    STATEMENT,
                    "creating causeway.heartbeat",
                    sqlx::raw_sql(create).execute(&mut connection),
                )
                .await?;
            }
            let again = sqlx::query(write).bind(&target.row).bind(&target.execution).execute(&mut connection);
            within(STATEMENT, "writing", again).await?;
        }
        other => {
            other?;
        }
    }
    let read =
        sqlx::query_scalar("SELECT execution FROM causeway.heartbeat WHERE name = $1").bind(&target.row);
    let seen: Option<String> =
        within(STATEMENT, "reading back", read.fetch_optional(&mut connection)).await?;
    let _ = tokio::time::timeout(STATEMENT, connection.close()).await;
    read_back(seen.as_deref(), target)
}

fn read_back(seen: Option<&str>, target: &WriteTarget) -> Result<(), Failure> {
    if seen == Some(target.execution.as_str()) { Ok(()) } else { Err(Failure::NotReadBack) }
}

/// Whether a failure may pass, or is an error. The server's own words about credentials are not repeated: they hold the
/// user's name.
fn judge(target: &WriteTarget, failure: Failure) -> Result<Write, StepError> {
    let place = format!("{}:{}", target.host, target.port);
    let error = match failure {
        Failure::Late(what, limit) => {
            return Ok(Write::NotYet(format!("{place}: {what} took more than {} s", limit.as_secs())));
        }
        Failure::NotReadBack => return Ok(Write::NotYet(format!("{place}: the write was not read back"))),
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
            Ok(Write::NotYet(format!("{place}: {text}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> WriteTarget {
        WriteTarget {
            name: "orders".into(),
            engine: Engine::AuroraMysql,
            database: "orders".into(),
            region: "sandbox-west".into(),
            host: "db.sandbox".into(),
            port: 3306,
            sign_in: SignIn::Secret("shop/orders".into()),
            row: "shop/orders".into(),
            execution: "e".into(),
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
            let Ok(Write::NotYet(why)) = judge(&target(), failure) else { panic!("no reason to wait") };
            assert!(why.starts_with("db.sandbox:3306: "), "{why}");
        }
        let untrusted = std::io::Error::new(std::io::ErrorKind::InvalidData, "UnknownIssuer");
        for error in [sqlx::Error::Tls("server does not support TLS".into()), sqlx::Error::Io(untrusted)] {
            let error = judge(&target(), Failure::Sql(error)).unwrap_err().to_string();
            assert!(error.contains("orders: db.sandbox:3306 has not proved to be that server: "), "{error}");
        }
    }

    #[test]
    fn only_the_value_written_counts_as_read_back() {
        assert!(read_back(Some("e"), &target()).is_ok());
        assert!(read_back(Some("other"), &target()).is_err());
        assert!(read_back(None, &target()).is_err());
    }
}
