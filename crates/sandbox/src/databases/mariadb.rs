//! MariaDB servers as Aurora clusters, one process each, on loopback ports that the system chooses.
//!
//! - A secondary follows its primary by the server's own replication (GTID, row format) and is read-only.
//! - A cluster's port stays the same for its life, also over a rebuild.
//! - A snapshot stops the server for a second, copies its data directory and starts it again, on the same port and as it
//!   was: taking writes, or following. The old primary after a failover alone stays stopped, until it is rebuilt as a
//!   secondary at once.
//! - A rebuilt secondary starts from the empty template and replays its new primary's whole binary log, which every
//!   server keeps from its beginning.
//! - Commits are not flushed to the disk one by one: an acknowledged write survives a stop and a copy, not a power cut.
//! - They speak TLS, with a certificate for 127.0.0.1 alone that an [`Authority`] of theirs has signed
//!   ([`MariaDb::authority`]). Whoever wants to may do without, as the shop's clients do.
//!
//! - Nobody but this process gets in as an administrator: root has a password, which is nowhere but in memory, and is the only
//!   account beside those that [`Servers::create_primary`] makes. The folders and sockets are for the user who runs this
//!   alone, and a server reads and writes no file for its clients.
//!
//! [`MariaDb::shutdown`] stops every server and removes all data; a drop kills what is left. A killed process leaves
//! nothing but its folder below the root given, which is the caller's, and that of the sockets; its servers end with it where
//! the machine has `setpriv`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::authority::Authority;
use super::{Address, Afterwards, ServerError, Servers};
use crate::folder::Folder;
use crate::process::{bound, on_path};

/// How long a server may take to start, and to stop.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(15);
/// How long an administrator's statement may take.
const STATEMENT: Duration = Duration::from_secs(30);
/// How long a secondary may take to apply what it has received.
const APPLY: Duration = Duration::from_secs(20);
/// How often a server is started: between the choice of a port and its own bind another process may take the port.
const TRIES: usize = 5;
/// Files of the servers' TLS, below the folder of all.
const AUTHORITY: &str = "authority.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const MARIADBD: &str = "mariadbd";
const INSTALL: &str = "mariadb-install-db";
const REPLICATOR: &str = "sandbox_replicator";
/// What an RDS master user may do, as far as the shop needs: everything but what breaks `read_only`.
const GRANTS: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, \
    CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER";

/// The servers.
pub struct MariaDb {
    root: PathBuf,
    /// Sockets have a folder of their own, because a socket's path has at most 107 bytes.
    sockets: Folder,
    template: tokio::sync::OnceCell<PathBuf>,
    /// Held while the template is made, which nothing interrupts.
    installing: Arc<tokio::sync::Mutex<()>>,
    servers: Mutex<BTreeMap<String, Arc<Server>>>,
    /// The passwords of the replication user and of root, the same on all.
    password: String,
    root_password: String,
    next: AtomicU32,
}

struct Server {
    number: u32,
    root_password: String,
    port: u16,
    folder: PathBuf,
    socket: PathBuf,
    child: tokio::sync::Mutex<Option<Child>>,
    cut: std::sync::atomic::AtomicBool,
    /// Held by whoever stops, starts or changes it, so that nobody asks a server that is stopped for its snapshot.
    changing: tokio::sync::Mutex<()>,
}

fn failed(what: impl std::fmt::Display, error: impl std::fmt::Display) -> ServerError {
    ServerError(format!("{what}: {error}"))
}

impl MariaDb {
    /// Prepares to run servers below `root`, an empty folder.
    ///
    /// # Errors
    /// When MariaDB is not installed, or the folder can't be written.
    pub fn new(root: PathBuf) -> Result<Self, ServerError> {
        for program in [MARIADBD, INSTALL] {
            if on_path(program).is_none() {
                return Err(ServerError(format!(
                    "{program} is not on PATH: run `make setup`, or install MariaDB's server (package mariadb-server)"
                )));
            }
        }
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(|error| failed(format!("can't create {}", root.display()), error))?;
        let authority = Authority::new().map_err(|error| failed("no certificate authority", error))?;
        let (certificate, key) =
            authority.sign("127.0.0.1").map_err(|error| failed("no certificate", error))?;
        for (file, text) in [(AUTHORITY, authority.pem()), (CERTIFICATE, certificate), (KEY, key)] {
            let path = root.join(file);
            std::fs::write(&path, text)
                .map_err(|error| failed(format!("can't write {}", path.display()), error))?;
        }
        let sockets =
            Folder::create("").map_err(|error| failed("can't create a folder for sockets", error))?;
        Ok(Self {
            root,
            sockets,
            template: tokio::sync::OnceCell::new(),
            installing: Arc::default(),
            servers: Mutex::default(),
            password: crate::random_text(),
            root_password: crate::random_text(),
            next: AtomicU32::new(1),
        })
    }

    /// The file with the certificate of the authority that signs for the servers.
    pub fn authority(&self) -> PathBuf {
        self.root.join(AUTHORITY)
    }

    /// Stops every server and removes its data.
    pub async fn shutdown(&self) {
        let _installed = self.installing.lock().await;
        let servers = std::mem::take(&mut *self.servers.lock().unwrap_or_else(PoisonError::into_inner));
        futures::future::join_all(servers.values().map(|server| server.stop())).await;
        // Whoever still holds this keeps no file alive. A process that was killed at its start may write for a moment more.
        for folder in [&self.root, self.sockets.path()] {
            for _ in 0..TRIES {
                if remove(folder).await.is_ok() {
                    break;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn server(&self, cluster: &str) -> Result<Arc<Server>, ServerError> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.get(cluster).cloned().ok_or_else(|| ServerError(format!("{cluster} has no server")))
    }

    /// An initialised, empty data directory, made once.
    async fn template(&self) -> Result<&Path, ServerError> {
        let made = self.template.get_or_try_init(|| async {
            let busy = Arc::clone(&self.installing).lock_owned().await;
            let (root, password) = (self.root.clone(), self.root_password.clone());
            // A task of its own: it is a script with processes of its own, which nobody else could end. `shutdown` waits.
            let installing = tokio::spawn(async move {
                let installed = install(&root, &password).await;
                drop(busy);
                installed
            });
            installing.await.unwrap_or_else(|error| Err(failed(INSTALL, error)))
        });
        made.await.map(PathBuf::as_path)
    }

    /// Starts a server for `cluster` on a copy of `data`. It keeps the port that the cluster had.
    async fn start(&self, cluster: &str, data: &Path) -> Result<Arc<Server>, ServerError> {
        let former = self.server(cluster).ok();
        if let Some(former) = &former {
            let _alone = former.changing.lock().await;
            former.stop().await;
            remove(&former.folder).await?;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = self.root.join(format!("server-{number}"));
        copy(data, &folder).await?;
        let mut last = ServerError("not tried".into());
        for _ in 0..TRIES {
            let port = match &former {
                Some(former) => former.port,
                None => free_port()?,
            };
            let server = Arc::new(Server {
                number,
                root_password: self.root_password.clone(),
                port,
                folder: folder.clone(),
                socket: self.sockets.path().join(format!("{number}.sock")),
                child: tokio::sync::Mutex::new(None),
                cut: false.into(),
                changing: tokio::sync::Mutex::default(),
            });
            match server.run(false).await {
                Ok(()) => {
                    let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
                    servers.insert(cluster.to_owned(), Arc::clone(&server));
                    return Ok(server);
                }
                Err(error) => last = failed(format!("the server of {cluster} does not start"), error),
            }
        }
        Err(last)
    }

    fn snapshot_folder(&self, snapshot: &str) -> PathBuf {
        let plain: String =
            snapshot.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        self.root.join(format!("snapshot-{plain}"))
    }

    fn follow(&self, primary: &Server) -> String {
        format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{REPLICATOR}', MASTER_PASSWORD='{}', \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1",
            primary.port, self.password
        )
    }
}

impl Server {
    /// Starts the process and waits until it answers. Whether it is read-only holds from its first moment on.
    async fn run(&self, read_only: bool) -> Result<(), ServerError> {
        let log = self.folder.join("error.log");
        // Each server has a folder below that of all.
        let root = self.folder.parent().unwrap_or(&self.folder);
        let temporary = temporary_folder(root).await?;
        let mut command = bound(&on_path(MARIADBD).unwrap_or_else(|| MARIADBD.into()));
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.folder.display()))
            .arg(format!("--tmpdir={}", temporary.display()))
            .arg(format!("--socket={}", self.socket.display()))
            .arg(format!("--port={}", self.port))
            .arg(format!("--server-id={}", self.number))
            .arg(format!("--read-only={}", u8::from(read_only)))
            .arg(format!("--log-error={}", log.display()))
            .arg(format!("--pid-file={}", self.folder.join("pid").display()))
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
                *self.child.lock().await = Some(child);
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

    /// A connection as root over the socket. Root has no account for TCP.
    async fn admin(&self) -> Result<MySqlConnection, ServerError> {
        let options =
            MySqlConnectOptions::new().socket(&self.socket).username("root").password(&self.root_password);
        match timeout(STATEMENT, MySqlConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(failed(format!("connecting to {}", self.socket.display()), error)),
            Err(_) => Err(ServerError(format!("connecting to {} took too long", self.socket.display()))),
        }
    }

    /// Runs statements of this module, one after the other.
    async fn execute(&self, statements: &[&str]) -> Result<(), ServerError> {
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

    async fn row(&self, query: &'static str) -> Result<Option<MySqlRow>, ServerError> {
        let mut connection = self.admin().await?;
        match timeout(STATEMENT, sqlx::query(query).fetch_optional(&mut connection)).await {
            Ok(row) => row.map_err(|error| failed(query, error)),
            Err(_) => Err(ServerError(format!("{query} took too long"))),
        }
    }

    async fn text(&self, query: &'static str) -> Result<String, ServerError> {
        let row = self.row(query).await?;
        row.map(|row| row.try_get::<String, _>(0))
            .transpose()
            .map_err(|error| failed(query, error))
            .map(Option::unwrap_or_default)
    }

    /// Waits until what was received is applied.
    async fn applied(&self) -> Result<(), ServerError> {
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

    /// Starts the process again on the data that it had, as a secondary or not.
    async fn run_again(&self, secondary: bool) -> Result<(), ServerError> {
        let mut last = ServerError("not tried".into());
        for _ in 0..TRIES {
            match self.run(secondary).await {
                Ok(()) if secondary && !self.cut.load(Ordering::SeqCst) => {
                    return self.execute(&["START SLAVE"]).await;
                }
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Stops the process: in order if it can, else by force.
    async fn stop(&self) {
        let mut child = self.child.lock().await;
        let Some(mut process) = child.take() else { return };
        let _ = self.execute(&["SHUTDOWN"]).await;
        if timeout(STOP, process.wait()).await.is_err() {
            let _ = process.kill().await;
        }
    }
}

impl Servers for MariaDb {
    fn create_primary<'a>(
        &'a self,
        cluster: &'a str,
        database: &'a str,
        user: &'a str,
        password: &'a str,
    ) -> BoxFuture<'a, Result<Address, ServerError>> {
        async move {
            let template = self.template().await?;
            let server = self.start(cluster, template).await?;
            let (user, password) = (quoted(user), quoted(password));
            server
                .execute(&[
                    &format!("CREATE USER '{REPLICATOR}'@'127.0.0.1' IDENTIFIED BY '{}'", self.password),
                    &format!("GRANT REPLICATION SLAVE ON *.* TO '{REPLICATOR}'@'127.0.0.1'"),
                    &format!("CREATE DATABASE `{}`", database.replace('`', "``")),
                    &format!("CREATE USER {user}@'127.0.0.1' IDENTIFIED BY {password}"),
                    &format!("GRANT {GRANTS} ON *.* TO {user}@'127.0.0.1'"),
                ])
                .await?;
            Ok(server.address())
        }
        .boxed()
    }

    fn create_secondary<'a>(
        &'a self,
        cluster: &'a str,
        primary: &'a str,
    ) -> BoxFuture<'a, Result<Address, ServerError>> {
        async move {
            let primary = self.server(primary)?;
            let template = self.template().await?;
            let server = self.start(cluster, template).await?;
            server.execute(&["SET GLOBAL read_only = 1", &self.follow(&primary), "START SLAVE"]).await?;
            let position = primary.text("SELECT @@GLOBAL.gtid_binlog_pos").await?;
            server.wait_for(&position).await?;
            Ok(server.address())
        }
        .boxed()
    }

    fn promote<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            let server = self.server(cluster)?;
            let _alone = server.changing.lock().await;
            server.execute(&["STOP SLAVE IO_THREAD"]).await?;
            server.applied().await?;
            server.execute(&["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"]).await
        }
        .boxed()
    }

    fn switch_over<'a>(
        &'a self,
        old_primary: &'a str,
        new_primary: &'a str,
    ) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            let (old, new) = (self.server(old_primary)?, self.server(new_primary)?);
            let _alone = tokio::join!(old.changing.lock(), new.changing.lock());
            // Called again: the new primary follows nobody any more. Making the old one writable would split the data.
            if new.row("SHOW SLAVE STATUS").await?.is_none() {
                return Ok(());
            }
            // Setting read_only waits for running commits and refuses those that come later.
            old.execute(&["SET GLOBAL read_only = 1"]).await?;
            let position = old.text("SELECT @@GLOBAL.gtid_binlog_pos").await?;
            if let Err(error) = new.wait_for(&position).await {
                // Back to where it was: the old primary takes writes again.
                old.execute(&["SET GLOBAL read_only = 0"]).await?;
                return Err(error);
            }
            new.execute(&["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"]).await?;
            old.execute(&[
                "SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos",
                &self.follow(&new),
                "START SLAVE",
            ])
            .await
        }
        .boxed()
    }

    fn cut_link<'a>(&'a self, cluster: &'a str, cut: bool) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            let server = self.server(cluster)?;
            let _alone = server.changing.lock().await;
            server.cut.store(cut, Ordering::SeqCst);
            // What has arrived already is applied all the same.
            server.execute(&[if cut { "STOP SLAVE IO_THREAD" } else { "START SLAVE" }]).await
        }
        .boxed()
    }

    fn lag_millis<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Option<f64>> {
        async move {
            let server = self.server(cluster).ok()?;
            if server.cut.load(Ordering::SeqCst) {
                return None;
            }
            let row = server.row("SHOW SLAVE STATUS").await.ok()??;
            // Whole seconds are all that the server tells; null when it does not know.
            let seconds = row.try_get_unchecked::<Option<u64>, _>("Seconds_Behind_Master").ok()??;
            u32::try_from(seconds).ok().map(|seconds| f64::from(seconds) * 1_000.0)
        }
        .boxed()
    }

    fn snapshot<'a>(
        &'a self,
        cluster: &'a str,
        snapshot: &'a str,
        afterwards: Afterwards,
    ) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            let server = self.server(cluster)?;
            let _alone = server.changing.lock().await;
            let secondary = match afterwards {
                Afterwards::GoesOn => server.row("SHOW SLAVE STATUS").await?.is_some(),
                // A primary. It may be dead: its data are there all the same.
                Afterwards::StaysStopped => false,
            };
            server.stop().await;
            let copied = copy(&server.folder, &self.snapshot_folder(snapshot)).await;
            if afterwards == Afterwards::GoesOn || copied.is_err() {
                let again = server.run_again(secondary).await;
                again.map_err(|error| {
                    failed(format!("the server of {cluster} does not start again"), error)
                })?;
            }
            copied
        }
        .boxed()
    }

    fn copy_snapshot<'a>(
        &'a self,
        source: &'a str,
        target: &'a str,
    ) -> BoxFuture<'a, Result<(), ServerError>> {
        async move { copy(&self.snapshot_folder(source), &self.snapshot_folder(target)).await }.boxed()
    }

    fn restore<'a>(
        &'a self,
        snapshot: &'a str,
        cluster: &'a str,
    ) -> BoxFuture<'a, Result<Address, ServerError>> {
        async move {
            let server = self.start(cluster, &self.snapshot_folder(snapshot)).await?;
            // The snapshot may be of a former secondary.
            server.execute(&["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"]).await?;
            Ok(server.address())
        }
        .boxed()
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(server) = servers.remove(from) {
                servers.insert(to.to_owned(), server);
            }
            Ok(())
        }
        .boxed()
    }

    fn delete<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            let server = self.servers.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
            let Some(server) = server else { return Ok(()) };
            let _alone = server.changing.lock().await;
            server.stop().await;
            remove(&server.folder).await
        }
        .boxed()
    }

    fn delete_snapshot<'a>(&'a self, snapshot: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async move { remove(&self.snapshot_folder(snapshot)).await }.boxed()
    }
}

impl Server {
    fn address(&self) -> Address {
        Address { host: "127.0.0.1".into(), port: self.port }
    }

    /// Waits until a secondary has applied everything up to `position`, a GTID position as the server told it.
    async fn wait_for(&self, position: &str) -> Result<(), ServerError> {
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
}

/// Makes an initialised, empty data directory below `root`, whose one account is root's with this password.
async fn install(root: &Path, password: &str) -> Result<PathBuf, ServerError> {
    let folder = root.join("template");
    // A folder of its own for temporary tables: servers that share one remove each other's.
    let temporary = temporary_folder(root).await?;
    let data = [format!("--datadir={}", folder.display()), format!("--tmpdir={}", temporary.display())];
    let mut command = Command::new(INSTALL);
    command.arg("--no-defaults").args(&data).args([
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--innodb-log-file-size=16M",
    ]);
    as_current_user(&mut command);
    to_its_end(INSTALL, command, "").await?;

    // What the script makes has no passwords. On standard input, where no list of processes shows it.
    let accounts = format!(
        "DELETE FROM mysql.global_priv WHERE Host <> 'localhost' OR User NOT IN ('root', 'mariadb.sys');\n\
         DELETE FROM mysql.proxies_priv;\n\
         UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', 'mysql_native_password', \
         '$.authentication_string', PASSWORD({})) WHERE User = 'root';\n",
        quoted(password)
    );
    let mut command = Command::new(MARIADBD);
    command.arg("--no-defaults").args(&data).args(["--bootstrap", "--innodb-log-file-size=16M"]);
    as_current_user(&mut command);
    to_its_end("mariadbd --bootstrap", command, &accounts).await?;
    Ok(folder)
}

/// Runs a command to its end, on this input. In a group of its own, so that a Ctrl-C of the terminal does not reach it.
async fn to_its_end(what: &str, mut command: Command, input: &str) -> Result<(), ServerError> {
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(format!("{what} does not start"), error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading says why below.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(|error| failed(what, error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ServerError(format!("{what} failed: {}", last_lines(&String::from_utf8_lossy(&output.stderr)))))
}

/// A text as an SQL literal.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The server refuses to run as root unless told so.
fn as_current_user(command: &mut Command) {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if root {
        command.arg("--user=root");
    }
}

fn free_port() -> Result<u16, ServerError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| failed("no port is free", error))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| failed("no port is free", error))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    if lines.is_empty() {
        "it said nothing".into()
    } else {
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

/// Copies a folder; what was at the target is replaced.
async fn copy(source: &Path, target: &Path) -> Result<(), ServerError> {
    remove(target).await?;
    let what = || format!("copying {} to {}", source.display(), target.display());
    let output = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(source)
        .arg(target)
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.map_err(|error| failed(what(), error))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(what(), last_lines(&String::from_utf8_lossy(&output.stderr))))
    }
}

/// A new folder for one process's temporary tables, below `root`.
async fn temporary_folder(root: &Path) -> Result<PathBuf, ServerError> {
    let folder = root.join(format!("temporary-{}", uuid::Uuid::new_v4()));
    let made = tokio::fs::create_dir_all(&folder).await;
    made.map_err(|error| failed(format!("creating {}", folder.display()), error))?;
    Ok(folder)
}

async fn remove(folder: &Path) -> Result<(), ServerError> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed(format!("removing {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}
