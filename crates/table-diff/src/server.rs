//! A connection to a server, in a session that only reads and whose settings don't depend on the server's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use crate::cells::Cells;
use crate::engine::{Dialect, Engine, Side};
use crate::error::Error;
use crate::throttle::Watch;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the client waits beyond the server's own limit on a statement.
const GRACE: Duration = Duration::from_secs(15);
/// `max_allowed_packet` a server must have: a row's canonical text without its long columns is at most some 130 KB
/// (rows are limited to 64 KB, characters take up to 4/3 of that again in UTF-8).
const PACKET: u64 = 1024 * 1024;

/// What MariaDB and MySQL say of a statement whose time is over.
const OVER_TIME: [u16; 2] = [1969, 3024];

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
    /// How the connection is protected.
    pub tls: Tls,
}

/// How a connection is protected.
#[derive(Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Disabled,
    /// Encrypted, whoever the server is.
    Required,
    /// Encrypted, and the server proves to be the host: by a certificate for it that one of these authorities has signed
    /// (PEM), or one that this machine trusts anyway, which the driver can't leave out.
    Verified(Arc<[u8]>),
}

// Not derived: nobody wants to read certificates.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "Disabled",
            Self::Required => "Required",
            Self::Verified(_) => "Verified",
        })
    }
}

// Not derived: a password is not to be printed.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({:?} {}@{self})", self.engine, self.user)
    }
}

impl Target {
    /// For the driver, without the database.
    pub fn mysql_options(&self) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&self.password);
        match &self.tls {
            Tls::Disabled => options.ssl_mode(MySqlSslMode::Disabled),
            Tls::Required => options.ssl_mode(MySqlSslMode::Required),
            Tls::Verified(authorities) => {
                // A token of IAM is sent as it is, which the driver does for nobody who does not say so: to a server that
                // has proved to be the host, inside TLS.
                options
                    .ssl_mode(MySqlSslMode::VerifyIdentity)
                    .ssl_ca_from_pem(authorities.to_vec())
                    .enable_cleartext_plugin(true)
            }
        }
    }

    /// For the driver, without the database.
    pub fn postgres_options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&self.password);
        match &self.tls {
            Tls::Disabled => options.ssl_mode(PgSslMode::Disable),
            Tls::Required => options.ssl_mode(PgSslMode::Require),
            Tls::Verified(authorities) => {
                options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(authorities.to_vec())
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

/// How to reach a database: what a URL says, or the fields of a [`Target`].
///
/// A URL is `mysql://`, `postgres://` or `postgresql://`, then `USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE&…`. Its
/// options are those of the driver for TLS (`ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`; `sslmode`, `sslrootcert`,
/// `sslcert`, `sslkey`), `socket` on MySQL, and libpq's `host`, `hostaddr`, `port`, `dbname`, `user`, `password`,
/// `application_name` and `options` on PostgreSQL. Displayed, it is host, port and database.
#[derive(Clone)]
pub struct Address {
    login: Login,
    user: String,
    shown: String,
}

#[derive(Clone)]
enum Login {
    MySql(Box<MySqlConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

/// Why a URL is no address. One line, without anything of the URL that may be part of a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

/// Options of a MySQL URL. The driver ignores what it does not know, and a `ssl-mod` that is ignored is no encryption.
const MYSQL_OPTIONS: [&str; 9] =
    ["ssl-mode", "sslmode", "ssl-ca", "sslca", "ssl-cert", "sslcert", "ssl-key", "sslkey", "socket"];
/// Options of a PostgreSQL URL.
const POSTGRES_OPTIONS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

impl Address {
    /// Reads a URL. Without a password in it, PostgreSQL's is that of `PGPASSWORD` or the password file.
    ///
    /// # Errors
    /// When the scheme is another, no database is named, or an option is not known or not valid.
    pub fn from_url(url: &str) -> Result<Self, AddressError> {
        let refused = |why: String| Err(AddressError(why));
        let Some((scheme, rest)) = url.split_once("://") else {
            return refused(
                "it is not a URL: write mysql://USER@HOST/DATABASE or postgres://USER@HOST/DATABASE".into(),
            );
        };
        let engine = match scheme {
            "mysql" => Engine::MySql,
            "postgres" | "postgresql" => Engine::Postgres,
            // Not repeated: what is before `://` may be anything, in a URL that was put together wrongly.
            _ => return refused("its scheme is not known: use mysql:// or postgres://".into()),
        };
        // Such a password ends the host's part of the URL too early, and would be shown as a part of the address.
        let behind_host = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or_default();
        if behind_host.contains('@') || behind_host.contains('#') {
            return refused(
                "there is a # in it, or an @ behind the host: write / ? # @ and % in user, password and database as %2F %3F %23 %40 %25".into(),
            );
        }
        let known = |name: &str| match engine {
            Engine::MySql => MYSQL_OPTIONS.contains(&name),
            Engine::Postgres => POSTGRES_OPTIONS.contains(&name) || name.starts_with("options["),
        };
        let query = behind_host.split_once('?').map_or("", |(_, query)| query);
        let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        if let Some(name) = names.filter(|name| !name.is_empty()).find(|name| !known(name)) {
            return refused(format!("its option {name:?} is not known, or has no place here"));
        }
        let (login, host, database) = match engine {
            Engine::MySql => {
                let options: MySqlConnectOptions = url.parse().map_err(|error| invalid(&error))?;
                let host = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", options.get_host(), options.get_port()),
                };
                let database = options.get_database().map(str::to_owned);
                (Login::MySql(Box::new(options)), host, database)
            }
            Engine::Postgres => {
                let options: PgConnectOptions = url.parse().map_err(|error| invalid(&error))?;
                let host = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", options.get_host(), options.get_port()),
                };
                let database = options.get_database().map(str::to_owned);
                (Login::Postgres(Box::new(options)), host, database)
            }
        };
        let Some(database) = database else {
            return refused(format!("it names no database: write {scheme}://USER@HOST/DATABASE"));
        };
        let user = match &login {
            Login::MySql(options) => options.get_username().to_owned(),
            Login::Postgres(options) => options.get_username().to_owned(),
        };
        Ok(Self { login, user, shown: format!("{host}/{database}") })
    }

    /// What the server speaks.
    pub fn engine(&self) -> Engine {
        match self.login {
            Login::MySql(_) => Engine::MySql,
            Login::Postgres(_) => Engine::Postgres,
        }
    }
}

/// The driver's words on a URL, without its preface.
fn invalid(error: &sqlx::Error) -> AddressError {
    match error {
        sqlx::Error::Configuration(cause) => match cause.downcast_ref::<sqlx::Error>() {
            Some(inner) => invalid(inner),
            None => AddressError(format!("it is not valid: {cause}")),
        },
        other => AddressError(format!("it is not valid: {other}")),
    }
}

impl From<Target> for Address {
    fn from(target: Target) -> Self {
        let login = match target.engine {
            Engine::MySql => Login::MySql(Box::new(target.mysql_options().database(&target.database))),
            Engine::Postgres => {
                Login::Postgres(Box::new(target.postgres_options().database(&target.database)))
            }
        };
        let shown = target.to_string();
        Self { login, user: target.user, shown }
    }
}

// Not derived: a password is not to be printed.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?} {}@{self})", self.engine(), self.user)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

enum Connection {
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

/// A server with one connection.
pub struct Server {
    address: Address,
    pub(crate) side: Side,
    timeout: Duration,
    connection: Connection,
    dialect: Dialect,
    /// Whether it sees the database as it was at one moment.
    view: bool,
    pub(crate) watch: Watch,
}

/// How much of what a statement gives came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    All,
    /// Its time was over first.
    InTime,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({} {:?})", self.side, self.address)
    }
}

impl Server {
    /// Connects, and makes the session read-only. A statement may take `timeout`.
    ///
    /// # Errors
    /// [`Error::Connect`] after 10 s, or when the server refuses.
    pub async fn connect(side: Side, at: impl Into<Address>, timeout: Duration) -> Result<Self, Error> {
        Self::open(side, at.into(), timeout).await
    }

    async fn open(side: Side, address: Address, timeout: Duration) -> Result<Self, Error> {
        let opened = match tokio::time::timeout(CONNECT, open(&address, timeout)).await {
            Ok(opened) => opened,
            Err(_) => Err(sqlx::Error::Protocol(format!("no answer in {} s", CONNECT.as_secs()))),
        };
        let (connection, dialect) =
            opened.map_err(|cause| Error::Connect { side, address: address.to_string(), cause })?;
        Ok(Self { address, side, timeout, connection, dialect, view: false, watch: Watch::default() })
    }

    /// How this server differs from others of its engine.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// From here on the session sees the database as it is now (`true`), or each statement as it is then (`false`).
    pub(crate) async fn set_view(&mut self, view: bool) -> Result<(), Error> {
        if self.view == view {
            return Ok(());
        }
        let statement = match (view, self.engine()) {
            (true, Engine::MySql) => "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            (true, Engine::Postgres) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            (false, _) => "COMMIT",
        };
        self.all(statement.into(), "setting what the session sees").await?;
        self.view = view;
        Ok(())
    }

    /// Ends a view, if need be with its connection.
    pub(crate) async fn end_view(&mut self) -> Result<(), Error> {
        if self.set_view(false).await.is_err() {
            self.view = false;
            self.reconnect().await?;
        }
        Ok(())
    }

    /// Makes a new connection in place of the present one. It sees what it sees from now on.
    pub(crate) async fn reconnect(&mut self) -> Result<(), Error> {
        let mut new = self.another().await?;
        new.set_view(self.view).await?;
        *self = new;
        Ok(())
    }

    /// A second connection to the same database.
    pub(crate) async fn another(&self) -> Result<Self, Error> {
        Self::open(self.side, self.address.clone(), self.timeout).await
    }

    /// How long a statement may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn engine(&self) -> Engine {
        self.address.engine()
    }

    /// The rows of a statement, as they come. A stream that is not read to its end leaves a connection that has to
    /// be made anew.
    pub(crate) fn stream<'a>(
        &'a mut self,
        sql: String,
        what: &'a str,
    ) -> BoxStream<'a, Result<Cells, Error>> {
        let (side, address) = (self.side, self.address.to_string());
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
        let (limit, side, address) = (self.timeout + GRACE, self.side, self.address.to_string());
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

    /// As [`Self::each`], for a statement that the server ends by itself after a while: what came until then counts.
    pub(crate) async fn each_in_time<F>(&mut self, sql: String, what: &str, each: F) -> Result<Came, Error>
    where
        F: FnMut(Cells) + Send,
    {
        match self.each(sql, what, each).await {
            Ok(()) => Ok(Came::All),
            Err(Error::Query { cause: sqlx::Error::Database(error), .. })
                if error
                    .try_downcast_ref::<MySqlDatabaseError>()
                    .is_some_and(|error| OVER_TIME.contains(&error.number())) =>
            {
                Ok(Came::InTime)
            }
            Err(error) => Err(error),
        }
    }

    /// A column of a statement's rows, by its name or the last one.
    pub(crate) async fn column(
        &mut self,
        sql: String,
        name: Option<&str>,
        what: &str,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut cells = Vec::new();
        let Some(name) = name else {
            self.each(sql, what, |mut row| cells.push(row.pop().flatten())).await?;
            return Ok(cells);
        };
        let (side, address) = (self.side, self.address.to_string());
        let failed = |cause| Error::Query { side, address: address.clone(), what: what.into(), cause };
        // Statements like SHOW have more columns on one release than on the other, and only names to tell them by.
        if let Connection::MySql(connection) = &mut self.connection {
            let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.map_err(failed)?;
            for row in rows {
                let cell = row.try_get_unchecked::<Option<&[u8]>, _>(name).map_err(failed)?;
                cells.push(cell.map(<[u8]>::to_vec));
            }
        }
        Ok(cells)
    }

    /// Every row of a statement: for results that are known to be small.
    pub(crate) async fn all(&mut self, sql: String, what: &str) -> Result<Vec<Cells>, Error> {
        let mut rows = Vec::new();
        self.each(sql, what, |row| rows.push(row)).await?;
        Ok(rows)
    }
}

/// Opens a connection and fixes the session's settings.
fn open(address: &Address, timeout: Duration) -> BoxFuture<'_, Result<(Connection, Dialect), sqlx::Error>> {
    Box::pin(async move {
        match &address.login {
            Login::MySql(options) => {
                let (connection, dialect) = open_mysql(options, timeout).await?;
                Ok((Connection::MySql(connection), dialect))
            }
            Login::Postgres(options) => {
                let connection = open_postgres(options, timeout).await?;
                Ok((Connection::Postgres(connection), Dialect { mariadb: false, md5: true }))
            }
        }
    })
}

async fn open_mysql(
    options: &MySqlConnectOptions,
    timeout: Duration,
) -> Result<(MySqlConnection, Dialect), sqlx::Error> {
    let options = options
        .clone()
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
    let mariadb = version.contains("MariaDB");
    let limit = if mariadb {
        format!("max_statement_time = {}", timeout.as_secs().max(1))
    } else {
        format!("max_execution_time = {}", timeout.as_millis().max(1))
    };
    // A stream waits while the other side's is read, hence the long net_write_timeout. A view of one moment is to be had
    // in REPEATABLE READ only. All in one go: each statement is a round trip.
    let settings = format!(
        "SET SESSION sql_mode = '', SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1, \
         SESSION sql_select_limit = 18446744073709551615, SESSION net_write_timeout = 900, SESSION {limit}; \
         SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    );
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
    let md5 = mariadb
        || match sqlx::raw_sql("SELECT MD5('')").fetch_one(&mut connection).await {
            Ok(_) => true,
            Err(sqlx::Error::Database(_)) => false,
            Err(error) => return Err(error),
        };
    Ok((connection, Dialect { mariadb, md5 }))
}

async fn open_postgres(options: &PgConnectOptions, timeout: Duration) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.clone().disable_statement_logging().connect().await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_a_url_and_shown_without_its_password() {
        for (url, shown, user) in [
            ("mysql://u:hush@h/d", "h:3306/d", "u"),
            ("mysql://u:hush@h:3307/d?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem", "h:3307/d", "u"),
            ("mysql://u:hush%2F%40@h/d%2Fe?socket=/run/s", "/run/s/d/e", "u"),
            ("postgresql://u:hush@h/d?sslmode=verify-full&sslrootcert=/ca.pem", "h:5432/d", "u"),
            ("postgres://h/d?user=u%40v&password=hush&port=5433&options[a]=b", "h:5433/d", "u@v"),
        ] {
            let address = Address::from_url(url).unwrap();
            assert_eq!(address.to_string(), shown);
            let debug = format!("{address:?}");
            assert!(debug.contains(&format!(" {user}@{shown}")) && !debug.contains("hush"), "{debug}");
        }
    }

    #[test]
    fn a_url_that_is_no_address_is_refused_without_its_password() {
        for (url, reason) in [
            ("hush", "not a URL"),
            ("hush://u:hush@h/d", "scheme is not known"),
            ("mysql://u:hush@h", "names no database: write mysql://"),
            ("postgres://u:hush@h/", "names no database: write postgres://"),
            ("mysql://u:hush@h/d?ssl-mode=hardly", "not valid: unknown value \"hardly\" for `ssl_mode`"),
            ("postgres://u:hush@h/d?sslmode=hardly", "not valid: unknown value \"hardly\" for `ssl_mode`"),
            ("mysql://u:hush@h/d?ssl-mod=required", "option \"ssl-mod\" is not known"),
            ("mysql://u:hush@h/d?charset=latin1", "option \"charset\" is not known, or has no place here"),
            ("mysql://u:hush@h:port/d", "not valid: invalid port number"),
            // A password that was not encoded looks like a port and a database.
            ("mysql://u:1/hush@h/d", "as %2F"),
            ("mysql://u:1?hush@h/d", "as %2F"),
            ("mysql://u:1#hush@h/d", "as %2F"),
            ("mysql://u:hu@h/d#sh", "as %2F"),
        ] {
            let refused = Address::from_url(url).unwrap_err().to_string();
            assert!(refused.contains(reason), "{url}: {refused}");
            assert!(!refused.contains("hush") && !refused.contains('\n'), "{url}: {refused}");
        }
    }
}
