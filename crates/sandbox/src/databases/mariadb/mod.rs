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

mod install;
mod server;

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::Row;
use tokio::time::sleep;

use self::install::{INSTALL, MARIADBD, install, quoted};
use self::server::{AUTHORITY, CERTIFICATE, KEY, Server, TRIES};
use super::authority::Authority;
use super::files::{copy, failed, free_port, remove};
use super::{Address, Afterwards, ServerError, Servers};
use crate::folder::Folder;
use crate::process::on_path;

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
