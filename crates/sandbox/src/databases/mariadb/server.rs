//! One server: its process, and what an administrator asks of it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tokio::time::{Instant, sleep, timeout};

use super::install::{MARIADBD, as_current_user, temporary_folder};
use crate::databases::ServerError;
use crate::databases::authority::{CERTIFICATE, KEY};
use crate::databases::files::{failed, last_lines};
use crate::databases::fleet::{Place, Server};
use crate::process::{bound, on_path};

/// How long a server may take to start, and to stop.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(15);
/// How long an administrator's statement may take.
const STATEMENT: Duration = Duration::from_secs(30);
/// How long a secondary may take to apply what it has received.
const APPLY: Duration = Duration::from_secs(20);

/// A server.
pub(in crate::databases) struct MariaDbServer {
    pub(super) place: Place,
    pub(super) root_password: String,
    /// A path of at most 107 bytes.
    pub(super) socket: PathBuf,
}

impl MariaDbServer {
    /// A connection as root over the socket. Root has no account for TCP.
    pub(super) async fn admin(&self) -> Result<MySqlConnection, ServerError> {
        let options =
            MySqlConnectOptions::new().socket(&self.socket).username("root").password(&self.root_password);
        match timeout(STATEMENT, MySqlConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(failed(format!("connecting to {}", self.socket.display()), error)),
            Err(_) => Err(ServerError(format!("connecting to {} took too long", self.socket.display()))),
        }
    }

    /// Runs statements of this module, one after the other.
    pub(super) async fn execute(&self, statements: &[&str]) -> Result<(), ServerError> {
        let mut connection = self.admin().await?;
        for statement in statements {
            let done = timeout(STATEMENT, connection.execute(AssertSqlSafe((*statement).to_owned()))).await;
            // The statement itself may hold a password: only its first words are reported.
            let words = || statement.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
            match done {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(failed(words(), error)),
                Err(_) => return Err(ServerError(format!("{} took too long", words()))),
            }
        }
        Ok(())
    }

    pub(super) async fn row(&self, query: &'static str) -> Result<Option<MySqlRow>, ServerError> {
        let mut connection = self.admin().await?;
        match timeout(STATEMENT, sqlx::query(query).fetch_optional(&mut connection)).await {
            Ok(row) => row.map_err(|error| failed(query, error)),
            Err(_) => Err(ServerError(format!("{query} took too long"))),
        }
    }

    pub(super) async fn text(&self, query: &'static str) -> Result<String, ServerError> {
        let row = self.row(query).await?;
        row.map(|row| row.try_get::<String, _>(0))
            .transpose()
            .map_err(|error| failed(query, error))
            .map(Option::unwrap_or_default)
    }

    /// Waits until what was received is applied.
    pub(super) async fn applied(&self) -> Result<(), ServerError> {
        let end = Instant::now() + APPLY;
        loop {
            let Some(row) = self.row("SHOW SLAVE STATUS").await? else { return Ok(()) };
            let position = |column: &str| {
                row.try_get::<u64, _>(column)
                    .or_else(|_| row.try_get::<i64, _>(column).map(i64::unsigned_abs))
            };
            let same_file = row.try_get::<String, _>("Master_Log_File").ok()
                == row.try_get::<String, _>("Relay_Master_Log_File").ok();
            let read = position("Read_Master_Log_Pos").map_err(|error| failed("SHOW SLAVE STATUS", error))?;
            let executed =
                position("Exec_Master_Log_Pos").map_err(|error| failed("SHOW SLAVE STATUS", error))?;
            if same_file && read == executed {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(ServerError(format!(
                    "a secondary did not apply what it had received within {} s",
                    APPLY.as_secs()
                )));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a secondary has applied everything up to `position`, a GTID position as the server told it.
    pub(super) async fn wait_for(&self, position: &str) -> Result<(), ServerError> {
        if position.is_empty() {
            return Ok(());
        }
        let end = Instant::now() + APPLY;
        let mut connection = self.admin().await?;
        loop {
            let waited = sqlx::query_scalar::<_, i64>("SELECT MASTER_GTID_WAIT(?, 1)")
                .bind(position)
                .fetch_one(&mut connection)
                .await;
            match waited {
                Ok(0) => return Ok(()),
                Ok(_) if Instant::now() < end => {}
                Ok(_) => {
                    let why = match self.row("SHOW SLAVE STATUS").await? {
                        Some(row) => ["Last_IO_Error", "Last_SQL_Error"]
                            .map(|column| row.try_get::<String, _>(column).unwrap_or_default())
                            .join(" "),
                        None => "it follows nobody".into(),
                    };
                    return Err(ServerError(format!(
                        "a secondary did not catch up within {} s: {why}",
                        APPLY.as_secs()
                    )));
                }
                Err(error) => return Err(failed("MASTER_GTID_WAIT", error)),
            }
        }
    }

    /// Whether it follows a primary.
    pub(super) async fn follows(&self) -> Result<bool, ServerError> {
        Ok(self.row("SHOW SLAVE STATUS").await?.is_some())
    }
}

impl Server for MariaDbServer {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn run(&self, follows: bool) -> Result<(), ServerError> {
        let log = self.place.folder.join("error.log");
        // Each server has a folder below that of all.
        let root = self.place.folder.parent().unwrap_or(&self.place.folder);
        let temporary = temporary_folder(root).await?;
        let mut command = bound(&on_path(MARIADBD).unwrap_or_else(|| MARIADBD.into()), None);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.place.folder.display()))
            .arg(format!("--tmpdir={}", temporary.display()))
            .arg(format!("--socket={}", self.socket.display()))
            .arg(format!("--port={}", self.place.port))
            .arg(format!("--server-id={}", self.place.number))
            .arg(format!("--read-only={}", u8::from(follows)))
            .arg(format!("--log-error={}", log.display()))
            .arg(format!("--pid-file={}", self.place.folder.join("pid").display()))
            .arg(format!("--ssl-cert={}", root.join(CERTIFICATE).display()))
            .arg(format!("--ssl-key={}", root.join(KEY).display()))
            .args([
                "--bind-address=127.0.0.1",
                // No statement reads or writes a file.
                "--secure-file-priv=/dev/null",
                "--local-infile=OFF",
                "--skip-name-resolve",
                "--skip-slave-start",
                "--performance-schema=OFF",
            ])
            .args([
                "--innodb-buffer-pool-size=32M",
                "--innodb-log-file-size=16M",
                "--key-buffer-size=1M",
                "--max-connections=200",
            ])
            .args([
                "--log-bin=binlog",
                "--binlog-format=ROW",
                "--log-slave-updates=ON",
                "--gtid-strict-mode=OFF",
                // As an Aurora cluster has it whose application has triggers: its master user is no superuser either.
                "--log-bin-trust-function-creators=1",
            ])
            .args(["--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2", "--slave-net-timeout=5"])
            .args([
                "--character-set-server=utf8mb4",
                "--collation-server=utf8mb4_general_ci",
                "--default-time-zone=+00:00",
            ]);
        as_current_user(&mut command);
        // A group of its own: a Ctrl-C of the terminal reaches us, and we stop the servers in order.
        command
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed("mariadbd does not start", error))?;
        let end = Instant::now() + START;
        loop {
            if self.admin().await.is_ok() {
                *self.place.child.lock().await = Some(child);
                if follows && !self.place.cut.load(Ordering::SeqCst) {
                    // Of a new secondary it is not said yet whom it follows.
                    return if self.follows().await? { self.execute(&["START SLAVE"]).await } else { Ok(()) };
                }
                return Ok(());
            }
            let ended = child.try_wait().map_err(|error| failed("mariadbd", error))?;
            if ended.is_some() || Instant::now() > end {
                let text = tokio::fs::read_to_string(&log).await.unwrap_or_default();
                return Err(ServerError(format!("mariadbd: {}", last_lines(&text))));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn stop(&self) {
        let mut child = self.place.child.lock().await;
        let Some(mut process) = child.take() else { return };
        let _ = self.execute(&["SHUTDOWN"]).await;
        if timeout(STOP, process.wait()).await.is_err() {
            let _ = process.kill().await;
        }
    }
}
