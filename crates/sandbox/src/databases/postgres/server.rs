//! One server: its process, and what an administrator asks of it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::time::{Instant, sleep, timeout};

use super::install::{ADMIN, Installation};
use crate::databases::ServerError;
use crate::databases::files::{failed, last_lines};
use crate::databases::fleet::{Place, Server};

/// How long a server may take to start, and to stop.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(15);
/// How long an administrator's statement may take.
const STATEMENT: Duration = Duration::from_secs(30);
/// How long a secondary may take to apply what it has received, or its primary has.
const APPLY: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
/// How often a secondary is asked whether it has caught up, before it is behind.
const CATCHES_UP: u32 = 10;

/// A server.
pub(in crate::databases) struct PostgresServer {
    pub(super) place: Place,
    pub(super) installation: Arc<Installation>,
}

impl PostgresServer {
    /// A connection as administrator over the socket.
    async fn admin(&self) -> Result<PgConnection, ServerError> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.installation.root)
            .port(self.place.port)
            .username(ADMIN)
            .password(&self.installation.admin_password)
            .database("postgres");
        let what = || format!("connecting to the PostgreSQL server on port {}", self.place.port);
        match timeout(STATEMENT, PgConnection::connect_with(&options)).await {
            Ok(connected) => connected.map_err(|error| failed(what(), error)),
            Err(_) => Err(ServerError(format!("{} took too long", what()))),
        }
    }

    /// Runs statements of this crate, one after the other.
    pub(super) async fn execute(&self, statements: &[&str]) -> Result<(), ServerError> {
        let mut connection = self.admin().await?;
        for statement in statements {
            let done = timeout(STATEMENT, connection.execute(AssertSqlSafe((*statement).to_owned()))).await;
            // The statement itself may hold a password: only its first words are reported.
            let words = || statement.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
            match done {
                Ok(done) => done.map(drop).map_err(|error| failed(words(), error))?,
                Err(_) => return Err(ServerError(format!("{} took too long", words()))),
            }
        }
        Ok(())
    }

    /// The one value that a query gives.
    async fn value<T>(&self, query: &'static str) -> Result<T, ServerError>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = self.admin().await?;
        match timeout(STATEMENT, sqlx::query_scalar(query).fetch_one(&mut connection)).await {
            Ok(value) => value.map_err(|error| failed(query, error)),
            Err(_) => Err(ServerError(format!("{query} took too long"))),
        }
    }

    /// How far a primary has written.
    pub(super) async fn position(&self) -> Result<String, ServerError> {
        self.value("SELECT pg_current_wal_flush_lsn()::text").await
    }

    /// Waits until a secondary has applied everything up to `position`.
    pub(super) async fn wait_for(&self, position: &str) -> Result<(), ServerError> {
        let end = Instant::now() + APPLY;
        let mut connection = self.admin().await?;
        loop {
            // Nothing was applied yet where there is no position.
            let query = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false)";
            let applied =
                sqlx::query_scalar::<_, bool>(query).bind(position).fetch_one(&mut connection).await;
            if applied.map_err(|error| failed("asking a secondary how far it is", error))? {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(ServerError(format!(
                    "a secondary did not catch up within {} s",
                    APPLY.as_secs()
                )));
            }
            sleep(PAUSE).await;
        }
    }

    /// Lets a secondary receive from its primary, or not. What has arrived already is applied all the same.
    pub(super) async fn listen(&self, listens: bool) -> Result<(), ServerError> {
        // This setting comes before that of the file, which says whom it follows.
        let change = if listens {
            "ALTER SYSTEM RESET primary_conninfo"
        } else {
            "ALTER SYSTEM SET primary_conninfo = ''"
        };
        self.execute(&[change, "SELECT pg_reload_conf()"]).await?;
        if listens {
            return Ok(());
        }
        let end = Instant::now() + APPLY;
        while self.value::<i64>("SELECT count(*) FROM pg_stat_wal_receiver").await? > 0 {
            if Instant::now() > end {
                return Err(ServerError("a secondary goes on receiving from its primary".into()));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Makes a primary of it, with what has arrived. Harmless when it is one.
    pub(super) async fn promote(&self) -> Result<(), ServerError> {
        if !self.follows().await? {
            return Ok(());
        }
        if self.value::<bool>("SELECT pg_promote(true, 60)").await? {
            Ok(())
        } else {
            Err(ServerError("a secondary was not promoted within 60 s".into()))
        }
    }

    /// How far a secondary is behind; `None` when that can't be known.
    pub(super) async fn lag_millis(&self) -> Option<f64> {
        // A standby that has applied all that it has received is not behind, however long ago the last write was. What comes without
        // a write of somebody's, as of a checkpoint, is applied in a moment: then the time of the last write says nothing.
        for _ in 0..CATCHES_UP {
            let applied = "SELECT pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()";
            if self.value::<Option<bool>>(applied).await.ok()? == Some(true) {
                return Some(0.0);
            }
            sleep(PAUSE).await;
        }
        let query = "SELECT CASE WHEN pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() THEN 0 \
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 * 1000 END::float8";
        self.value::<Option<f64>>(query).await.ok()?
    }

    /// Whether it follows a primary.
    pub(super) async fn follows(&self) -> Result<bool, ServerError> {
        self.value("SELECT pg_is_in_recovery()").await
    }
}

impl Server for PostgresServer {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn run(&self, _: bool) -> Result<(), ServerError> {
        // Of a process that was killed: nobody else uses the folder.
        let _ = std::fs::remove_file(self.place.folder.join("postmaster.pid"));
        let path = self.place.folder.with_extension("log");
        let log = std::fs::File::create(&path).map_err(|error| failed("the log of a server", error))?;
        let mut command = self.installation.command("postgres");
        command
            .arg("-D")
            .arg(&self.place.folder)
            .args(["-p", &self.place.port.to_string()])
            // A group of its own: a Ctrl-C of the terminal reaches us, and we stop the servers in order.
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = command.spawn().map_err(|error| failed("postgres does not start", error))?;
        let end = Instant::now() + START;
        loop {
            if self.admin().await.is_ok() {
                *self.place.child.lock().await = Some(child);
                return Ok(());
            }
            let ended = child.try_wait().map_err(|error| failed("postgres", error))?;
            if ended.is_some() || Instant::now() > end {
                let text = tokio::fs::read_to_string(&path).await.unwrap_or_default();
                return Err(ServerError(format!("postgres: {}", last_lines(&text))));
            }
            sleep(PAUSE).await;
        }
    }

    async fn stop(&self) {
        let mut child = self.place.child.lock().await;
        let Some(mut process) = child.take() else { return };
        let id = process.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // A fast shutdown: sessions end, the standbys get what is left, and a checkpoint is written.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
        }
        if timeout(STOP, process.wait()).await.is_err() {
            let _ = process.kill().await;
        }
    }
}
