//! A server with one connection: statements in, rows out.

mod address;
mod session;
mod target;
pub(crate) mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::Mutex;

use crate::cells::{Cells, lossy};
use crate::engine::{Dialect, Engine, Side};
use crate::error::Error;
use crate::sql::literal;

pub use address::{Address, AddressError};
pub use target::{Target, Tls};

use session::{Connection, mysql_cells, open, postgres_cells};
use watch::Watch;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the client waits beyond the server's own limit on a statement.
const GRACE: Duration = Duration::from_secs(15);

/// The numbers of MariaDB's and MySQL's error for a statement that is over its time.
const OVER_TIME: [u16; 2] = [1969, 3024];
/// PostgreSQL's code for a statement that was cancelled, by the limit on its time or by somebody.
const CANCELLED: &str = "57014";

/// A server with one connection.
pub struct Server {
    address: Address,
    pub(crate) side: Side,
    timeout: Duration,
    connection: Connection,
    dialect: Dialect,
    /// Whether it sees the database as it was at one moment.
    view: bool,
    /// The moment of another connection, to be seen by this one too.
    snapshot: Option<Snapshot>,
    /// A statement's answer was not read to its end, because whoever read it was given up (the other side failed, the time
    /// was over). The connection would give the rest of it to the next statement: an error too, as if it were that one's.
    unread: bool,
    /// Shared by all connections to the server that were made from one: they look at it together.
    pub(crate) watch: Arc<Mutex<Watch>>,
}

/// PostgreSQL's name for what a transaction sees. Known on its server while that transaction is open.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot(String);

/// How another connection to the same server is made.
#[derive(Clone)]
pub(crate) struct Another {
    side: Side,
    address: Address,
    timeout: Duration,
    snapshot: Option<Snapshot>,
    watch: Arc<Mutex<Watch>>,
}

impl Another {
    /// Makes it.
    pub(crate) async fn connect(&self) -> Result<Server, Error> {
        let mut server = Server::open(self.side, self.address.clone(), self.timeout).await?;
        server.snapshot.clone_from(&self.snapshot);
        server.watch = Arc::clone(&self.watch);
        Ok(server)
    }
}

/// How many of a statement's rows were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    All,
    /// Those before the server's limit on its time.
    Partial,
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
        Ok(Self {
            address,
            side,
            timeout,
            connection,
            dialect,
            view: false,
            snapshot: None,
            unread: false,
            watch: Arc::default(),
        })
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
        let what = "setting what the session sees";
        self.all(statement.into(), what).await?;
        self.view = view;
        let Some(Snapshot(name)) = self.snapshot.clone().filter(|_| view) else { return Ok(()) };
        let shared = format!("SET TRANSACTION SNAPSHOT {}", literal::text(self.engine(), name.as_bytes()));
        match self.all(shared, what).await {
            // The connection whose moment it was is gone, or another server answers: a moment of its own.
            Err(Error::Query { cause: sqlx::Error::Database(_), .. }) => {
                self.all(format!("ROLLBACK; {statement}"), what).await?;
                Ok(())
            }
            shared => shared.map(|_| ()),
        }
    }

    /// What the session sees, for other connections to see it too. `None` on MySQL's family, which has no statement for it, and
    /// where it sees each statement as it is then.
    pub(crate) async fn share_view(&mut self) -> Result<Option<Snapshot>, Error> {
        if !self.view || self.engine() == Engine::MySql {
            return Ok(None);
        }
        let what = "sharing what the session sees";
        let names = self.column("SELECT pg_export_snapshot()".to_owned(), None, what).await?;
        Ok(names.into_iter().flatten().next().map(|name| Snapshot(lossy(name))))
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
        self.like_it(self.snapshot.clone()).connect().await
    }

    /// How further connections are made that see this moment, where there is one.
    pub(crate) fn like_it(&self, snapshot: Option<Snapshot>) -> Another {
        Another {
            side: self.side,
            address: self.address.clone(),
            timeout: self.timeout,
            snapshot,
            watch: Arc::clone(&self.watch),
        }
    }

    /// How long a statement may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn engine(&self) -> Engine {
        self.address.engine()
    }

    /// Makes a new connection where the present one still holds the answer to a statement.
    async fn ready(&mut self) -> Result<(), Error> {
        if self.unread {
            // In a box, for a new connection asks for its view by a statement.
            Box::pin(self.reconnect()).await?;
        }
        Ok(())
    }

    /// The rows of a statement, as they come. When they are not read to their end, the next statement has a new connection.
    pub(crate) async fn stream<'a>(
        &'a mut self,
        sql: String,
        what: &'a str,
    ) -> Result<BoxStream<'a, Result<Cells, Error>>, Error> {
        self.ready().await?;
        let (side, address) = (self.side, self.address.to_string());
        let failed = move |cause| Error::Query { side, address: address.clone(), what: what.into(), cause };
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        let rows = match &mut self.connection {
            Connection::MySql(connection) => {
                sql.fetch(connection).map(|row| row.and_then(|row| mysql_cells(&row))).boxed()
            }
            Connection::Postgres(connection) => {
                sql.fetch(connection).map(|row| row.and_then(|row| postgres_cells(&row))).boxed()
            }
        };
        self.unread = true;
        let rows = futures::stream::unfold((rows, &mut self.unread), async |(mut rows, unread)| {
            let row = rows.next().await;
            // The server's own error ends its answer.
            *unread = !matches!(row, None | Some(Err(sqlx::Error::Database(_))));
            row.map(|row| (row, (rows, unread)))
        });
        Ok(rows.map(move |row| row.map_err(&failed)).boxed())
    }

    /// Gives every row of a statement to `each`.
    pub(crate) async fn each<F>(&mut self, sql: String, what: &str, mut each: F) -> Result<(), Error>
    where
        F: FnMut(Cells) + Send,
    {
        let (limit, side, address) = (self.timeout + GRACE, self.side, self.address.to_string());
        let read = async {
            let mut rows = self.stream(sql, what).await?;
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

    /// As [`Self::each`], for rows of at least two cells, none of which may be left out: another statement behind them shows
    /// that they came to their end.
    pub(crate) async fn each_to_the_end<F>(
        &mut self,
        sql: String,
        what: &str,
        mut each: F,
    ) -> Result<(), Error>
    where
        F: FnMut(Cells) + Send,
    {
        let mut ended = false;
        self.each(format!("{sql}; SELECT 'end'"), what, |row| match row.as_slice() {
            [Some(cell)] => ended = cell == b"end",
            _ => each(row),
        })
        .await?;
        if ended {
            return Ok(());
        }
        let cause = sqlx::Error::Protocol("the rows that came are not all of them".into());
        let (side, address) = (self.side, self.address.to_string());
        Err(Error::Query { side, address, what: what.into(), cause })
    }

    /// As [`Self::each`], for a statement that the server ends by itself after a while: what came until then counts.
    pub(crate) async fn each_until_timeout<F>(
        &mut self,
        sql: String,
        what: &str,
        each: F,
    ) -> Result<Rows, Error>
    where
        F: FnMut(Cells) + Send,
    {
        match self.each(sql, what, each).await {
            Ok(()) => Ok(Rows::All),
            Err(Error::Query { cause: sqlx::Error::Database(error), .. })
                if error
                    .try_downcast_ref::<MySqlDatabaseError>()
                    .is_some_and(|error| OVER_TIME.contains(&error.number()))
                    || error
                        .try_downcast_ref::<PgDatabaseError>()
                        .is_some_and(|error| error.code() == CANCELLED) =>
            {
                Ok(Rows::Partial)
            }
            Err(error) => Err(error),
        }
    }

    /// As [`Self::each_until_timeout`], on PostgreSQL: the statement may take `time`, and has settings of its own (`SET
    /// LOCAL`), which are gone behind it. What the session sees stays as it was.
    pub(crate) async fn each_within<F>(
        &mut self,
        time: Duration,
        settings: &str,
        sql: String,
        what: &str,
        each: F,
    ) -> Result<Rows, Error>
    where
        F: FnMut(Cells) + Send,
    {
        let (begin, end) = if self.view {
            ("SAVEPOINT causeway", "ROLLBACK TO SAVEPOINT causeway; RELEASE SAVEPOINT causeway")
        } else {
            ("BEGIN", "ROLLBACK")
        };
        let limit = time.as_millis().max(1);
        let sql = format!("{begin}; SET LOCAL statement_timeout = {limit}; {settings}; {sql}; {end}");
        let rows = self.each_until_timeout(sql, what, each).await?;
        if rows == Rows::Partial {
            self.all(end.to_owned(), what).await?;
        }
        Ok(rows)
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
        // Statements like SHOW have more columns on one release than on the other, and can be told apart by their names only.
        self.ready().await?;
        if let Connection::MySql(connection) = &mut self.connection {
            self.unread = true;
            let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await;
            self.unread = false;
            let rows = rows.map_err(failed)?;
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
