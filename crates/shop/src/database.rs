//! A pool of connections to one Aurora database, MySQL or PostgreSQL, that survives a failover.
//!
//! # What it promises
//! - Connections to an old writer are not kept: when the address behind the endpoint's name changes (looked at each second), and
//!   when a statement was refused because the server is read-only or did not answer, every connection is replaced at its next use.
//! - Where user and password are a secret's, they are read when the service starts and again when the database does not let them in: a
//!   rotation needs no restart, and connections that are there stay.
//! - Nothing waits for longer than three seconds.
//! - Errors are told apart: what may be different soon ([`StoreError::Unavailable`]), what another transaction did
//!   ([`StoreError::Passing`], [`StoreError::Duplicate`]), and what is a fault.
//!
//! # What a failure leaves
//! A transaction whose commit was not answered is committed or not: its caller says so, and finds out by its key.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Executor, Transaction};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::problem::Problem;
use crate::secret::Secret;
use crate::service::{Dependency, dependency};

/// Where a database is, and who asks.
#[derive(Args, Debug, Clone)]
pub struct DatabaseSettings {
    /// Engine of the database
    #[arg(long, env = "SHOP_DATABASE_ENGINE", default_value = "mysql")]
    pub engine: Engine,
    /// Its endpoint, HOST or HOST:PORT
    #[arg(long, env = "SHOP_DATABASE_ENDPOINT")]
    pub endpoint: String,
    /// Name of the database
    #[arg(long, env = "SHOP_DATABASE_NAME")]
    pub database: String,
    /// User
    #[arg(long, env = "SHOP_DATABASE_USER", required_unless_present = "secret")]
    pub user: Option<String>,
    /// Password
    #[arg(long, env = "SHOP_DATABASE_PASSWORD", hide_env_values = true, required_unless_present = "secret")]
    pub password: Option<String>,
    /// Name or ARN of the secret that holds user and password (`username`, `password`), instead of these
    #[arg(long, env = "SHOP_DATABASE_SECRET")]
    pub secret: Option<String>,
    /// File of the authorities that may sign for the server; without one, TLS is not used
    #[arg(long, env = "SHOP_DATABASE_AUTHORITIES")]
    pub authorities: Option<String>,
    /// Connections at once, at most
    #[arg(long, env = "SHOP_DATABASE_CONNECTIONS", default_value_t = 16)]
    pub connections: u32,
}

/// What kind of server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// Aurora MySQL, MySQL, MariaDB
    Mysql,
    /// Aurora PostgreSQL, PostgreSQL
    Postgres,
}

/// Why a database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may be different soon: it does not answer, is read-only, is full, does not have its tables yet.
    #[error("{0}")]
    Unavailable(String),
    /// Another transaction was in the way: ask again.
    #[error("another transaction was in the way")]
    Passing,
    /// There is one with that key.
    #[error("there is one with that key")]
    Duplicate,
    /// A fault.
    #[error(transparent)]
    Fault(sqlx::Error),
}

impl StoreError {
    /// What a caller is told. `what` names the database in it.
    pub fn problem(&self, what: &str) -> Problem {
        match self {
            Self::Fault(error) => match refused_value(error) {
                Some(code) => Problem::fault(&format_args!("the database refuses a value: {code}")),
                None => Problem::fault(error),
            },
            error => Problem::unavailable(what, error),
        }
    }

    /// Whether it is worth another try at once.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Passing)
    }
}

/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(1);
/// How long statements are waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the endpoint's address is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: AnyPool,
    /// The kind of server.
    pub engine: Engine,
    /// Connections that were made before are not used any more.
    fresh_since: Arc<watch::Sender<Instant>>,
    sign_in: Arc<SignIn>,
}

/// Whether it is known who signs in, and that somebody was not let in.
struct SignIn {
    known: AtomicBool,
    refused: Notify,
}

impl Database {
    /// A pool that connects when it is first used. Has to be called inside of a runtime.
    ///
    /// # Errors
    /// When the settings make no address.
    pub fn new(settings: &DatabaseSettings) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let options = settings.options()?;
        let fresh_since = Arc::new(watch::Sender::new(Instant::now()));
        let fresh = Arc::clone(&fresh_since);
        let pool = AnyPoolOptions::new()
            .max_connections(settings.connections)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(Duration::from_secs(60))
            .max_lifetime(Duration::from_secs(600))
            .before_acquire(move |_, about| {
                let made = Instant::now().checked_sub(about.age);
                let is_fresh = made.is_none_or(|made| made >= *fresh.borrow());
                Box::pin(async move { Ok(is_fresh) })
            })
            .connect_lazy_with(options);
        let sign_in =
            Arc::new(SignIn { known: AtomicBool::new(settings.secret.is_none()), refused: Notify::new() });
        if let Some(secret) = settings.secret.clone() {
            tokio::spawn(keep_signed_in(secret, settings.clone(), pool.clone(), Arc::clone(&sign_in)));
        }
        let database = Self { pool, engine: settings.engine, fresh_since, sign_in };
        tokio::spawn(follow(settings.address(), Arc::clone(&database.fresh_since)));
        Ok(database)
    }

    /// From now on only connections that are made from now on are used.
    pub fn forget_connections(&self) {
        self.fresh_since.send_replace(Instant::now());
    }

    /// A statement in the server's own form: `?` stands for a value. Statements are texts of the program, without a `?` that is
    /// part of a literal.
    pub fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        if self.engine == Engine::Mysql {
            return AssertSqlSafe(text.to_owned());
        }
        let mut parts = text.split('?');
        let mut sql = parts.next().unwrap_or_default().to_owned();
        for (number, part) in (1..).zip(parts) {
            sql.push_str(&format!("${number}{part}"));
        }
        AssertSqlSafe(sql)
    }

    /// Does `work` with the pool, in bounded time, and tells errors apart.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn work<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        if !self.sign_in.known.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("its secret can't be read yet".into()));
        }
        let Ok(result) = timeout(PATIENCE, work).await else {
            self.forget_connections();
            return Err(StoreError::Unavailable("it does not answer".into()));
        };
        // Where all connections are at work there is nothing wrong with them, and new ones would only be more work.
        let crowded = matches!(result, Err(sqlx::Error::PoolTimedOut)) && self.pool.num_idle() == 0;
        if result.as_ref().is_err_and(is_not_let_in) {
            self.sign_in.refused.notify_one();
        }
        let result = result.map_err(told_apart);
        if !crowded && matches!(result, Err(StoreError::Unavailable(_))) {
            self.forget_connections();
        }
        result
    }

    /// The pool, for statements that stand alone.
    pub const fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.pool.begin().await
    }

    /// Whether a connection leads to a server that takes no writes: one that follows another, or waits to be told that it is the
    /// writer.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn is_read_only(&self, connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
        let read_only = match self.engine {
            Engine::Mysql => "SELECT @@GLOBAL.read_only <> 0 OR @@GLOBAL.innodb_read_only <> 0",
            Engine::Postgres => {
                "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
            }
        };
        flag(&connection.fetch_one(AssertSqlSafe(read_only.to_owned())).await?)
    }

    /// Whether it answers and takes writes.
    ///
    /// # Errors
    /// In a few words, when it does not.
    pub async fn look(&self) -> Result<(), String> {
        let asked = self.work(async { self.is_read_only(&mut *self.pool.acquire().await?).await });
        match asked.await {
            Ok(false) => Ok(()),
            Ok(true) => Err("read-only".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Database {
    /// It, for the health check.
    pub fn dependency(&self) -> Dependency {
        let database = self.clone();
        dependency("database", move || {
            let database = database.clone();
            async move { database.look().await }
        })
    }
}

/// A truth value: MySQL has numbers for them.
fn flag(row: &sqlx::any::AnyRow) -> Result<bool, sqlx::Error> {
    use sqlx::Row;
    row.try_get::<bool, _>(0).or_else(|_| Ok(row.try_get::<i64, _>(0)? != 0))
}

impl DatabaseSettings {
    fn address(&self) -> String {
        if self.endpoint.contains(':') {
            self.endpoint.clone()
        } else {
            format!("{}:{}", self.endpoint, self.port())
        }
    }

    const fn port(&self) -> u16 {
        match self.engine {
            Engine::Mysql => 3306,
            Engine::Postgres => 5432,
        }
    }

    fn options(&self) -> Result<AnyConnectOptions, sqlx::Error> {
        // Of a secret that is not read yet there is no user: nothing connects then.
        let [user, password] = [&self.user, &self.password].map(|text| text.as_deref().unwrap_or("unknown"));
        AnyConnectOptions::from_str(&self.url(user, password))
    }

    fn url(&self, user: &str, password: &str) -> String {
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (scheme, tls) = match (self.engine, &self.authorities) {
            (Engine::Mysql, None) => ("mysql", "ssl-mode=DISABLED".to_owned()),
            (Engine::Mysql, Some(file)) => {
                ("mysql", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={}", escaped(file)))
            }
            (Engine::Postgres, None) => ("postgres", "sslmode=disable".to_owned()),
            (Engine::Postgres, Some(file)) => {
                ("postgres", format!("sslmode=verify-full&sslrootcert={}", escaped(file)))
            }
        };
        let [user, password, database] = [user, password, &self.database].map(escaped);
        format!("{scheme}://{user}:{password}@{}/{database}?{tls}", self.address())
    }
}

/// Reads the secret until it can be read, and again each time that the database did not let its user in.
async fn keep_signed_in(id: String, settings: DatabaseSettings, pool: AnyPool, sign_in: Arc<SignIn>) {
    let secret = Secret::new(id).await;
    let mut said = String::new();
    loop {
        let read = secret.read().await.and_then(|read| {
            let url = settings.url(&read.username, &read.password);
            // Its words may quote the password.
            AnyConnectOptions::from_str(&url).map_err(|_| "it makes no address".to_owned())
        });
        match read {
            Ok(options) => {
                pool.set_connect_options(options);
                sign_in.known.store(true, Ordering::Relaxed);
                tracing::info!("the database's secret is read");
                said.clear();
                // What is refused in the meantime is not forgotten.
                tokio::time::sleep(LOOK).await;
                sign_in.refused.notified().await;
            }
            Err(cause) => {
                if cause != said {
                    tracing::warn!(cause, "the database's secret can't be read");
                    said = cause;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Looks again and again where the endpoint's name leads.
async fn follow(address: String, fresh_since: Arc<watch::Sender<Instant>>) {
    let mut known: Vec<SocketAddr> = Vec::new();
    // Nobody uses the pool any more when the other side is gone.
    while Arc::strong_count(&fresh_since) > 1 {
        if let Ok(found) = tokio::net::lookup_host(&address).await {
            let mut found: Vec<SocketAddr> = found.collect();
            found.sort_unstable();
            if !known.is_empty() && found != known {
                tracing::info!("the database's address has changed");
                fresh_since.send_replace(Instant::now());
            }
            known = found;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The code of an error that is about a value, whose text may have the value in it: what a customer typed is in no log.
fn refused_value(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    let code = error.code().unwrap_or_default();
    (code.starts_with("22") || matches!(number, Some(1292 | 1366))).then(|| code.into_owned())
}

/// Whether user or password were refused.
fn is_not_let_in(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        Some(error) => [1044, 1045].contains(&error.number()),
        None => ["28000", "28P01"].contains(&&*error.code().unwrap_or_default()),
    }
}

/// What an error means. Numbers: MySQL's "Server Error Message Reference"; states: PostgreSQL's "Error Codes".
fn told_apart(error: sqlx::Error) -> StoreError {
    let unavailable = |what: &str| StoreError::Unavailable(what.to_owned());
    let sqlx::Error::Database(database) = &error else {
        return match &error {
            sqlx::Error::PoolTimedOut => unavailable("no connection can be had"),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => unavailable("the connection is broken"),
            sqlx::Error::Protocol(_) => unavailable("the connection is broken"),
            _ => StoreError::Fault(error),
        };
    };
    if database.is_unique_violation() {
        return StoreError::Duplicate;
    }
    let number = database.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    let state = database.code().unwrap_or_default();
    if is_not_let_in(&error) {
        return unavailable("it does not let this user in");
    }
    match (number, &*state) {
        (Some(1290 | 1792 | 1836), _) | (None, "25006") => unavailable("it is read-only"),
        (Some(1205 | 1213), _) | (None, "40001" | "40P01" | "55P03") => StoreError::Passing,
        (Some(1021 | 1026 | 1030 | 1114), _) | (None, "53100") => unavailable("it is full"),
        (Some(1049 | 1146), _) | (None, "3D000" | "42P01") => unavailable("it does not have the tables yet"),
        (Some(1040 | 1041 | 1053 | 1135 | 1203 | 1226 | 1317 | 1927 | 3024), _) => {
            unavailable("it ends, or has no room for more work")
        }
        (None, state) if ["08", "53", "57", "58"].iter().any(|class| state.starts_with(class)) => {
            unavailable("it ends, or has no room for more work")
        }
        _ => StoreError::Fault(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(engine: Engine) -> DatabaseSettings {
        DatabaseSettings {
            engine,
            endpoint: "orders.example".into(),
            database: "orders".into(),
            user: Some("a user".into()),
            password: Some("p@ss/word?".into()),
            secret: None,
            authorities: None,
            connections: 1,
        }
    }

    #[test]
    fn nothing_of_a_password_gets_into_the_rest_of_the_address() {
        assert_eq!(
            settings(Engine::Mysql).url("a user", "p@ss/word?"),
            "mysql://a%20user:p%40ss%2Fword%3F@orders.example:3306/orders?ssl-mode=DISABLED"
        );
        let verified =
            DatabaseSettings { authorities: Some("/a b.pem".into()), ..settings(Engine::Postgres) };
        assert!(
            verified
                .url("a user", "p@ss/word?")
                .ends_with("@orders.example:5432/orders?sslmode=verify-full&sslrootcert=%2Fa%20b%2Epem")
        );
    }

    #[tokio::test]
    async fn values_are_numbered_for_postgresql() {
        let database = Database::new(&settings(Engine::Postgres)).unwrap();
        assert_eq!(database.sql("a = ? AND b IN (?, ?)").0, "a = $1 AND b IN ($2, $3)");
        let database = Database::new(&settings(Engine::Mysql)).unwrap();
        assert_eq!(database.sql("a = ?").0, "a = ?");
    }
}
