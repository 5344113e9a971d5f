//! A connection that may write, with the server's strictest settings. The sessions of `table-diff` only read.

use std::fmt;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use table_diff::{Engine, Target};

use crate::Error;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Strict, so that a value that does not fit is refused and not cut; but zero dates and numbers of zero are put back as
/// they were. Foreign and unique keys are checked whatever the server's default is.
pub(crate) const MYSQL_SETTINGS: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', \
     SESSION time_zone = '+00:00', SESSION foreign_key_checks = 1, SESSION unique_checks = 1, SESSION autocommit = 1, \
     SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1, SESSION sql_select_limit = 18446744073709551615, \
     SESSION innodb_lock_wait_timeout = 10";

pub(crate) const POSTGRES_SETTINGS: &str = "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; \
     SET default_transaction_read_only = off; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
     SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 3; SET bytea_output = 'hex'; \
     SET xmloption = 'content'; SET lc_monetary = 'C'; SET lock_timeout = '10s'";

/// Bytes that a statement may have where the server does not say.
const PACKET: usize = 512 * 1024 * 1024;

enum Connection {
    MySql(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
}

/// A row as the server's bytes, `None` for NULL.
pub(crate) type Cells = Vec<Option<Vec<u8>>>;

/// A connection that may write. Its user needs `SELECT` and `INSERT` on the tables, and on PostgreSQL `USAGE` of their
/// sequences.
pub struct Session {
    target: Target,
    timeout: Duration,
    connection: Connection,
    packet: usize,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.target)
    }
}

/// Why a statement had no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused it, with what the refusal means. The connection can still be used.
    Refused(Refusal, sqlx::Error),
    /// The connection can't be used any more.
    Broken(sqlx::Error),
}

/// What a server's refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The transaction is to be tried again: a deadlock, a lock that was waited for too long.
    Again,
    /// The user may not write, or the server is read-only: not because of a row.
    MayNotWrite,
    /// The server has a problem, or its settings prevent it: not because of a row either.
    Server,
    /// Because of this row.
    Row,
}

impl Failure {
    /// Whether the transaction may succeed when it is tried again.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Refused(Refusal::Again, _))
    }

    /// The error of the transaction in which it occurred.
    pub(crate) fn into_error(self, what: String, address: String) -> Error {
        match self {
            Self::Refused(Refusal::MayNotWrite, cause) => Error::MayNotWrite { what, address, cause },
            Self::Refused(_, cause) | Self::Broken(cause) => Error::Query { what, address, cause },
        }
    }

    fn of(error: sqlx::Error, engine: Engine) -> Self {
        let sqlx::Error::Database(cause) = &error else { return Self::Broken(error) };
        let code = cause.code().unwrap_or_default().into_owned();
        let number = cause
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .map(sqlx::mysql::MySqlDatabaseError::number);
        let refusal = match (engine, number, code.as_str()) {
            (Engine::MySql, Some(1205 | 1213), _) => Refusal::Again,
            // Shut down, killed: the server closes the connection.
            (Engine::MySql, Some(1053 | 1317 | 1927 | 3169), _) => return Self::Broken(error),
            // Denied for a user, a table or a column; a server that is read-only, as a promoted one is at first.
            (Engine::MySql, Some(1044 | 1045 | 1142 | 1143 | 1290 | 1792 | 1836), _) => Refusal::MayNotWrite,
            (Engine::Postgres, _, "40001" | "40P01" | "55P03") => Refusal::Again,
            (Engine::Postgres, _, "57P01" | "57P02" | "57P03") => return Self::Broken(error),
            (Engine::Postgres, _, "42501" | "25006") => Refusal::MayNotWrite,
            // A disk that is full, a limit on time; a binary log of statements, which READ COMMITTED can't write to.
            (Engine::MySql, Some(1021 | 1114 | 1665 | 1969 | 3024), _) => Refusal::Server,
            (Engine::Postgres, _, code)
                if ["53", "57", "58", "XX"].iter().any(|class| code.starts_with(class)) =>
            {
                Refusal::Server
            }
            _ => Refusal::Row,
        };
        Self::Refused(refusal, error)
    }
}

impl Session {
    /// Connects. A statement may take `timeout`.
    ///
    /// # Errors
    /// [`Error::Connect`] after 10 s, or when the server refuses.
    pub async fn connect(target: Target, timeout: Duration) -> Result<Self, Error> {
        let opened = match tokio::time::timeout(CONNECT, open(&target, timeout)).await {
            Ok(opened) => opened,
            Err(_) => Err(sqlx::Error::Protocol(format!("no answer in {} s", CONNECT.as_secs()))),
        };
        match opened {
            Ok((connection, packet)) => Ok(Self { target, timeout, connection, packet }),
            Err(cause) => Err(Error::Connect { address: target.to_string(), cause }),
        }
    }

    /// Makes a new connection in place of the present one.
    pub(crate) async fn reconnect(&mut self) -> Result<(), Error> {
        *self = Self::connect(self.target.clone(), self.timeout).await?;
        Ok(())
    }

    /// The database engine.
    pub fn engine(&self) -> Engine {
        self.target.engine
    }

    /// Host, port and database.
    pub(crate) fn address(&self) -> String {
        self.target.to_string()
    }

    /// Bytes that a statement may have.
    pub(crate) fn packet(&self) -> usize {
        self.packet
    }

    /// Rows affected by each of the statements in a text.
    pub(crate) async fn execute(&mut self, sql: String) -> Result<Vec<u64>, Failure> {
        let engine = self.engine();
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        let run = async {
            let mut affected = Vec::new();
            match &mut self.connection {
                Connection::MySql(connection) => {
                    let mut results = sql.execute_many(&mut **connection);
                    while let Some(result) = results.next().await {
                        affected.push(result?.rows_affected());
                    }
                }
                Connection::Postgres(connection) => {
                    let mut results = sql.execute_many(&mut **connection);
                    while let Some(result) = results.next().await {
                        affected.push(result?.rows_affected());
                    }
                }
            }
            Ok(affected)
        };
        within(self.timeout, run).await.map_err(|error| Failure::of(error, engine))
    }

    /// The rows of a statement whose result is known to be small.
    pub(crate) async fn query(&mut self, sql: String) -> Result<Vec<Cells>, Failure> {
        let engine = self.engine();
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        let run = async {
            match &mut self.connection {
                Connection::MySql(connection) => {
                    let rows = sql.fetch_all(&mut **connection).await?;
                    rows.iter()
                        .map(|row| {
                            (0..row.len())
                                .map(|index| {
                                    Ok(row.try_get_unchecked::<Option<&[u8]>, _>(index)?.map(<[u8]>::to_vec))
                                })
                                .collect()
                        })
                        .collect()
                }
                Connection::Postgres(connection) => {
                    let rows = sql.fetch_all(&mut **connection).await?;
                    rows.iter()
                        .map(|row| {
                            (0..row.len())
                                .map(|index| {
                                    let text = row.try_get_unchecked::<Option<&str>, _>(index)?;
                                    Ok(text.map(|text| text.as_bytes().to_vec()))
                                })
                                .collect()
                        })
                        .collect()
                }
            }
        };
        within(self.timeout, run).await.map_err(|error| Failure::of(error, engine))
    }
}

/// A timeout on the client's side: the server's own has no effect when the server is gone.
async fn within<T>(
    limit: Duration,
    run: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(limit, run).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer in {} s", limit.as_secs()),
        ))),
    }
}

fn open(target: &Target, timeout: Duration) -> BoxFuture<'_, Result<(Connection, usize), sqlx::Error>> {
    Box::pin(async move {
        match target.engine {
            Engine::MySql => {
                let options = target
                    .mysql_options()
                    .database(&target.database)
                    .charset("utf8mb4")
                    .pipes_as_concat(false)
                    .no_engine_substitution(false)
                    .disable_statement_logging();
                let mut connection = options.connect().await?;
                let settings = format!(
                    "{MYSQL_SETTINGS}; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET NAMES utf8mb4"
                );
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
                let row = sqlx::raw_sql("SELECT CAST(@@max_allowed_packet AS CHAR)")
                    .fetch_one(&mut connection)
                    .await?;
                let packet = row.try_get_unchecked::<String, _>(0)?.parse().unwrap_or(PACKET);
                Ok((Connection::MySql(Box::new(connection)), packet))
            }
            Engine::Postgres => {
                let options =
                    target.postgres_options().database(&target.database).disable_statement_logging();
                let mut connection = options.connect().await?;
                let settings =
                    format!("{POSTGRES_SETTINGS}; SET statement_timeout = {}", timeout.as_millis().max(1));
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
                Ok((Connection::Postgres(Box::new(connection)), PACKET))
            }
        }
    })
}
