//! A connection to a server, in a session that only reads and whose settings don't depend on the server's.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use crate::Error;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the client waits beyond the server's own limit on a statement.
const GRACE: Duration = Duration::from_secs(15);
/// `max_allowed_packet` a server must have: a row's canonical text without its long columns is at most some 130 KB
/// (rows are limited to 64 KB, characters take up to 4/3 of that again in UTF-8).
const PACKET: u64 = 1024 * 1024;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// MySQL, MariaDB, Aurora MySQL.
    MySql,
    /// PostgreSQL, Aurora PostgreSQL.
    Postgres,
}

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// What is compared with.
    Source,
    /// What is compared.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Where a database is.
#[derive(Clone)]
pub struct Target {
    /// What it speaks.
    pub engine: Engine,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// Name of the database.
    pub database: String,
    /// Encrypted or no connection at all (true), or never encrypted (false).
    pub tls: bool,
}

// Not derived: a password is not to be printed.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({:?} {}@{self})", self.engine, self.user)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

enum Connection {
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

/// A row as the server's bytes, `None` for NULL.
pub(crate) type Cells = Vec<Option<Vec<u8>>>;

/// A server with one connection.
pub struct Server {
    /// Where it is.
    pub(crate) target: Target,
    pub(crate) side: Side,
    timeout: Duration,
    connection: Connection,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({} {:?})", self.side, self.target)
    }
}

impl Server {
    /// Connects, and makes the session read-only. A statement may take `timeout`.
    ///
    /// # Errors
    /// [`Error::Connect`] after 10 s, or when the server refuses.
    pub async fn connect(side: Side, target: Target, timeout: Duration) -> Result<Self, Error> {
        let opened = match tokio::time::timeout(CONNECT, open(&target, timeout)).await {
            Ok(opened) => opened,
            Err(_) => Err(sqlx::Error::Protocol(format!("no answer in {} s", CONNECT.as_secs()))),
        };
        let connection =
            opened.map_err(|cause| Error::Connect { side, address: target.to_string(), cause })?;
        Ok(Self { target, side, timeout, connection })
    }

    /// Makes a new connection in place of the present one.
    pub(crate) async fn reconnect(&mut self) -> Result<(), Error> {
        *self = Self::connect(self.side, self.target.clone(), self.timeout).await?;
        Ok(())
    }

    /// A second connection to the same database.
    pub(crate) async fn another(&self) -> Result<Self, Error> {
        Self::connect(self.side, self.target.clone(), self.timeout).await
    }

    pub(crate) fn engine(&self) -> Engine {
        self.target.engine
    }

    /// The rows of a statement, as they come. A stream that is not read to its end leaves a connection that has to
    /// be made anew.
    pub(crate) fn stream<'a>(
        &'a mut self,
        sql: String,
        what: &'a str,
    ) -> BoxStream<'a, Result<Cells, Error>> {
        let (side, address) = (self.side, self.target.to_string());
        let failed = move |cause| Error::Query { side, address: address.clone(), what: what.into(), cause };
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match &mut self.connection {
            Connection::MySql(connection) => sql
                .fetch(connection)
                .map(move |row| row.and_then(|row| mysql_cells(&row)).map_err(&failed))
                .boxed(),
            Connection::Postgres(connection) => sql
                .fetch(connection)
                .map(move |row| row.and_then(|row| postgres_cells(&row)).map_err(&failed))
                .boxed(),
        }
    }

    /// Gives every row of a statement to `each`.
    pub(crate) async fn each<F>(&mut self, sql: String, what: &str, mut each: F) -> Result<(), Error>
    where
        F: FnMut(Cells) + Send,
    {
        let (limit, side, address) = (self.timeout + GRACE, self.side, self.target.to_string());
        let read = async {
            let mut rows = self.stream(sql, what);
            while let Some(row) = rows.next().await {
                each(row?);
            }
            Ok(())
        };
        match tokio::time::timeout(limit, read).await {
            Ok(read) => read,
            Err(_) => {
                let cause = sqlx::Error::Io(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no answer in {} s", limit.as_secs()),
                ));
                Err(Error::Query { side, address, what: what.into(), cause })
            }
        }
    }

    /// Every row of a statement: for results that are known to be small.
    pub(crate) async fn all(&mut self, sql: String, what: &str) -> Result<Vec<Cells>, Error> {
        let mut rows = Vec::new();
        self.each(sql, what, |row| rows.push(row)).await?;
        Ok(rows)
    }
}

/// Opens a connection and fixes the session's settings.
fn open(target: &Target, timeout: Duration) -> BoxFuture<'_, Result<Connection, sqlx::Error>> {
    Box::pin(async move {
        match target.engine {
            Engine::MySql => open_mysql(target, timeout).await.map(Connection::MySql),
            Engine::Postgres => open_postgres(target, timeout).await.map(Connection::Postgres),
        }
    })
}

async fn open_mysql(target: &Target, timeout: Duration) -> Result<MySqlConnection, sqlx::Error> {
    let options = MySqlConnectOptions::new()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(&target.password)
        .database(&target.database)
        .ssl_mode(if target.tls { MySqlSslMode::Required } else { MySqlSslMode::Disabled })
        .charset("utf8mb4")
        .timezone(Some("+00:00".to_owned()))
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let row = sqlx::raw_sql("SELECT VERSION(), CAST(@@max_allowed_packet AS CHAR)")
        .fetch_one(&mut connection)
        .await?;
    let text = |index| row.try_get_unchecked::<String, _>(index);
    let (version, packet) = (text(0)?, text(1)?);
    if packet.parse::<u64>().unwrap_or_default() < PACKET {
        return Err(sqlx::Error::Protocol(format!("max_allowed_packet is {packet}, need at least {PACKET}")));
    }
    let limit = if version.contains("MariaDB") {
        format!("max_statement_time = {}", timeout.as_secs().max(1))
    } else {
        format!("max_execution_time = {}", timeout.as_millis().max(1))
    };
    // A stream waits while the other side's is read, hence the long net_write_timeout.
    let settings = format!(
        "SET SESSION sql_mode = '', SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1, \
         SESSION sql_select_limit = 18446744073709551615, SESSION net_write_timeout = 900, SESSION {limit}"
    );
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
    sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY").execute(&mut connection).await?;
    Ok(connection)
}

async fn open_postgres(target: &Target, timeout: Duration) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(&target.password)
        .database(&target.database)
        .ssl_mode(if target.tls { PgSslMode::Require } else { PgSslMode::Disable })
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let settings = format!(
        "SET default_transaction_read_only = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
         SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 3; SET bytea_output = 'hex'; \
         SET standard_conforming_strings = on; SET xmloption = 'content'; SET lc_monetary = 'C'; \
         SET statement_timeout = {}",
        timeout.as_millis().max(1)
    );
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
    Ok(connection)
}

// Every expression is cast to text or bytes by the statement and comes by the text protocol: what is read here are the
// server's own bytes, never a driver's idea of a date or a float.
fn mysql_cells(row: &sqlx::mysql::MySqlRow) -> Result<Cells, sqlx::Error> {
    (0..row.len())
        .map(|index| Ok(row.try_get_unchecked::<Option<&[u8]>, _>(index)?.map(<[u8]>::to_vec)))
        .collect()
}

fn postgres_cells(row: &sqlx::postgres::PgRow) -> Result<Cells, sqlx::Error> {
    (0..row.len())
        .map(|index| {
            Ok(row.try_get_unchecked::<Option<&str>, _>(index)?.map(|text| text.as_bytes().to_vec()))
        })
        .collect()
}
