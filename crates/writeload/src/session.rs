//! A connection that writes: statements in, rows as the server's own text out.
//!
//! The settings that change how values are printed and read are fixed, so that a value has one text wherever it is read: UTC,
//! ISO dates, every digit of a float, bytes in hexadecimal.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Row};
use table_diff::{Engine, Target};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A row as texts; `None` for NULL.
pub(crate) type Cells = Vec<Option<String>>;

/// No connection, or no session, with a server.
#[derive(Debug, thiserror::Error)]
#[error("can't connect to {address}: {cause}")]
pub struct ConnectError {
    /// Host, port and database.
    pub address: String,
    /// The driver's own words.
    #[source]
    pub cause: sqlx::Error,
}

/// What an error of a statement means for whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The values are not allowed here: others may be.
    Values,
    /// As [`Self::Values`], by a unique key.
    Unique,
    /// The transaction is rolled back by the server: a deadlock, a lock that was waited for too long.
    RolledBack,
    /// The server takes no writes now, or not from here.
    ReadOnly,
    /// The statement itself is not possible here.
    Statement,
    /// The connection is of no use any more.
    Broken,
}

/// What an error means.
pub(crate) fn meaning(error: &sqlx::Error) -> Meaning {
    let sqlx::Error::Database(error) = error else { return Meaning::Broken };
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        let state = error.code().unwrap_or_default();
        return match error.number() {
            1062 | 1586 | 1169 => Meaning::Unique,
            // Checks of MySQL and MariaDB, a partition that is not there, a function that refuses its argument.
            3819 | 4025 | 1526 | 1644 | 1411 | 3140 | 3616 | 3617 | 1690 | 1210 | 3037 | 1416 => {
                Meaning::Values
            }
            1205 | 1213 => Meaning::RolledBack,
            1290 | 1792 | 1836 => Meaning::ReadOnly,
            1053 | 1317 | 1927 | 3169 | 1040 | 1203 => Meaning::Broken,
            _ if state.starts_with("22") || state.starts_with("23") || state.starts_with("45") => {
                Meaning::Values
            }
            1265 | 1366 | 1364 => Meaning::Values,
            _ => Meaning::Statement,
        };
    }
    let code = error.code().unwrap_or_default().into_owned();
    match code.as_str() {
        "23505" => Meaning::Unique,
        "40001" | "40P01" | "55P03" => Meaning::RolledBack,
        "25006" => Meaning::ReadOnly,
        "57P01" | "57P02" | "57P03" => Meaning::Broken,
        // Class 22: data exceptions; 23: constraints; P0: an exception that a trigger raises.
        code if ["22", "23", "P0"].iter().any(|class| code.starts_with(class)) => Meaning::Values,
        code if code.starts_with("08") || code.starts_with("53") => Meaning::Broken,
        _ => Meaning::Statement,
    }
}

/// Whether an error in answer to COMMIT says for sure that the transaction is not there: a constraint that was deferred, a
/// deadlock, a server that is read-only. After any other one it may be there or not.
pub(crate) fn is_surely_rolled_back(error: &sqlx::Error) -> bool {
    match meaning(error) {
        Meaning::Values | Meaning::Unique | Meaning::RolledBack | Meaning::ReadOnly => true,
        Meaning::Statement | Meaning::Broken => false,
    }
}

/// The server's words on a statement, with the constraint's name where it gives one.
pub(crate) fn words(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(error) = error else { return error.to_string() };
    let Some(postgres) = error.try_downcast_ref::<PgDatabaseError>() else {
        return match error.try_downcast_ref::<MySqlDatabaseError>() {
            Some(mysql) => format!("{} ({})", mysql.message(), mysql.number()),
            None => error.message().to_owned(),
        };
    };
    let mut text = format!("{} ({})", postgres.message(), postgres.code());
    if let Some(detail) = postgres.detail() {
        text = format!("{text}: {detail}");
    }
    text
}

enum Connection {
    MySql(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
}

/// A connection to a database. Nothing it does is kept open when it is dropped: the server rolls back.
pub(crate) struct Session {
    connection: Connection,
    pub(crate) engine: Engine,
    /// MariaDB, not MySQL.
    pub(crate) mariadb: bool,
    patience: Duration,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Running a dump: the server takes what the programs that dump write, such as dates of zeros.
    Load,
    /// Writing and reading rows: what a value would lose is an error.
    Rows,
}

impl Session {
    /// Connects. A statement may take `patience`.
    pub(crate) async fn connect(
        target: &Target,
        purpose: Purpose,
        patience: Duration,
    ) -> Result<Self, ConnectError> {
        let opened = match tokio::time::timeout(CONNECT.min(patience), open(target, purpose)).await {
            Ok(opened) => opened,
            Err(_) => Err(late(CONNECT.min(patience))),
        };
        let (connection, mariadb) =
            opened.map_err(|cause| ConnectError { address: target.to_string(), cause })?;
        Ok(Self { connection, engine: target.engine, mariadb, patience })
    }

    /// Runs statements, and says how many rows the last of them changed, and the number that the server gave to a row.
    pub(crate) async fn execute(&mut self, sql: String) -> Result<(u64, u64), sqlx::Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        let run = async {
            let mut last = (0, 0);
            match &mut self.connection {
                Connection::MySql(connection) => {
                    let mut results = statement.execute_many(&mut **connection);
                    while let Some(result) = results.next().await {
                        let result = result?;
                        last = (result.rows_affected(), result.last_insert_id());
                    }
                }
                Connection::Postgres(connection) => {
                    let mut results = statement.execute_many(&mut **connection);
                    while let Some(result) = results.next().await {
                        last = (result?.rows_affected(), 0);
                    }
                }
            }
            Ok(last)
        };
        within(self.patience, run).await
    }

    /// The rows of statements.
    pub(crate) async fn query(&mut self, sql: String) -> Result<Vec<Cells>, sqlx::Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        let run = async {
            match &mut self.connection {
                Connection::MySql(connection) => {
                    let rows = statement.fetch_all(&mut **connection).await?;
                    let cells = |row: &sqlx::mysql::MySqlRow| {
                        let cell = |at| Ok(row.try_get_unchecked::<Option<&[u8]>, _>(at)?.map(lossy));
                        (0..row.len()).map(cell).collect()
                    };
                    rows.iter().map(cells).collect()
                }
                Connection::Postgres(connection) => {
                    let rows = statement.fetch_all(&mut **connection).await?;
                    let cells = |row: &sqlx::postgres::PgRow| {
                        let cell = |at| Ok(row.try_get_unchecked::<Option<&str>, _>(at)?.map(str::to_owned));
                        (0..row.len()).map(cell).collect()
                    };
                    rows.iter().map(cells).collect()
                }
            }
        };
        within(self.patience, run).await
    }

    /// Copies lines into a table of PostgreSQL.
    pub(crate) async fn copy_in(&mut self, statement: &str, lines: &str) -> Result<(), sqlx::Error> {
        let Connection::Postgres(connection) = &mut self.connection else {
            return Err(sqlx::Error::Protocol("only PostgreSQL knows COPY".into()));
        };
        let run = async {
            let mut copy = connection.copy_in_raw(statement).await?;
            copy.send(lines.as_bytes()).await?;
            copy.finish().await.map(|_| ())
        };
        within(self.patience, run).await
    }

    /// Closes the connection in the server's own way.
    pub(crate) async fn close(self) {
        // Whatever it answers, the connection is gone.
        let _ = match self.connection {
            Connection::MySql(connection) => within(self.patience, connection.close()).await,
            Connection::Postgres(connection) => within(self.patience, connection.close()).await,
        };
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn late(limit: Duration) -> sqlx::Error {
    let words = format!("no answer in {} s", limit.as_secs_f32());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, words))
}

/// A limit on the client's side: the server's own has no effect when the server is gone.
async fn within<T>(
    limit: Duration,
    run: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, run).await.unwrap_or_else(|_| Err(late(limit)))
}

/// In a box: the driver's futures are large.
fn open(target: &Target, purpose: Purpose) -> BoxFuture<'_, Result<(Connection, bool), sqlx::Error>> {
    Box::pin(async move {
        match target.engine {
            Engine::MySql => {
                let options = target
                    .mysql_options()
                    .database(&target.database)
                    .charset("utf8mb4")
                    .timezone(Some("+00:00".to_owned()))
                    .pipes_as_concat(false)
                    .no_engine_substitution(false)
                    .disable_statement_logging();
                let mut connection = options.connect().await?;
                let row = sqlx::raw_sql("SELECT VERSION()").fetch_one(&mut connection).await?;
                let mariadb = row.try_get_unchecked::<String, _>(0)?.contains("MariaDB");
                let mode = match purpose {
                    Purpose::Load => "",
                    Purpose::Rows => "STRICT_ALL_TABLES",
                };
                let settings = format!(
                    "SET SESSION autocommit = 1, SESSION sql_mode = '{mode}', SESSION sql_safe_updates = 0, \
                     SESSION sql_select_limit = 18446744073709551615, SESSION innodb_lock_wait_timeout = 3"
                );
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
                Ok((Connection::MySql(Box::new(connection)), mariadb))
            }
            Engine::Postgres => {
                let options =
                    target.postgres_options().database(&target.database).disable_statement_logging();
                let mut connection = options.connect().await?;
                let settings = match purpose {
                    Purpose::Load => "SET client_min_messages = warning",
                    Purpose::Rows => {
                        "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; \
                         SET extra_float_digits = 3; SET bytea_output = 'hex'; SET standard_conforming_strings = on; \
                         SET xmloption = 'content'; SET lc_monetary = 'C'; SET client_min_messages = warning; \
                         SET row_security = off; SET lock_timeout = '3s'; \
                         SELECT set_config('search_path', 'pg_catalog, ' || coalesce(nullif(current_setting('search_path'), ''), 'public'), false)"
                    }
                };
                sqlx::raw_sql(settings).execute(&mut connection).await?;
                Ok((Connection::Postgres(Box::new(connection)), false))
            }
        }
    })
}
