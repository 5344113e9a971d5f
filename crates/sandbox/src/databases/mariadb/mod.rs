//! MariaDB servers as Aurora clusters, one process each, on loopback ports that the system chooses.
//!
//! - A secondary follows its primary by the server's own replication (GTID, row format) and is read-only.
//! - For a snapshot the server stands still for a moment, in which its data directory is copied, and goes on as it was: taking
//!   writes, or following. The old primary after a failover alone is stopped, and stays so until it is rebuilt as a secondary at
//!   once.
//! - A rebuilt secondary starts from the empty template and replays its new primary's whole binary log, which every
//!   server keeps from its beginning.
//! - Commits are not flushed to the disk one by one: an acknowledged write survives a stop and a copy, not a power cut.
//! - They speak TLS, with a certificate for 127.0.0.1 alone ([`Identity`]). Whoever wants to may do without, as the shop's
//!   clients do.
//!
//! - Nobody but this process gets in as an administrator: root has a password, which is nowhere but in memory, and is the only
//!   account beside those that [`create_primary`](super::Servers::create_primary) makes. The folders and sockets are for the user who runs this
//!   alone, and a server reads and writes no file for its clients.
//!
//! [`MariaDb::shutdown`] stops every server and removes all data; a drop kills what is left. A killed process leaves
//! nothing but its folder below the root given, which is the caller's, and that of the sockets; its servers end with it where
//! the machine has `setpriv`.

mod install;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::Row;

use self::install::{INSTALL, MARIADBD, install, quoted};
use self::server::MariaDbServer;
use super::authority::Identity;
use super::files::{copy, failed, private_folder};
use super::fleet::{Engine, Fleet, Place, remove_all};
use super::{Address, NewDatabase, ServerError};
use crate::folder::Folder;
use crate::process::on_path;

const REPLICATOR: &str = "sandbox_replicator";
/// What an RDS master user may do, as far as the shop needs: everything but what breaks `read_only`.
const GRANTS: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, \
    CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER";

/// The servers.
pub struct MariaDb {
    fleet: Fleet<MariaDbServer>,
    /// Sockets have a folder of their own, because a socket's path has at most 107 bytes.
    sockets: Folder,
    template: tokio::sync::OnceCell<PathBuf>,
    /// Held while the template is made, which nothing interrupts.
    installing: Arc<tokio::sync::Mutex<()>>,
    /// The passwords of the replication user and of root, the same on all.
    password: String,
    root_password: String,
}

impl MariaDb {
    /// Prepares to run servers of this identity below `root`, a folder that does not exist yet.
    ///
    /// # Errors
    /// When MariaDB is not installed, or the folder can't be written.
    pub fn new(root: PathBuf, identity: &Identity) -> Result<Self, ServerError> {
        for program in [MARIADBD, INSTALL] {
            if on_path(program).is_none() {
                return Err(ServerError(format!(
                    "{program} is not on PATH: run `make setup`, or install MariaDB's server (package mariadb-server)"
                )));
            }
        }
        private_folder(&root)?;
        identity.write(&root)?;
        let sockets =
            Folder::create("").map_err(|error| failed("can't create a folder for sockets", error))?;
        Ok(Self {
            fleet: Fleet::new(root),
            sockets,
            template: tokio::sync::OnceCell::new(),
            installing: Arc::default(),
            password: crate::random_text(),
            root_password: crate::random_text(),
        })
    }

    /// Stops every server and removes its data. Whoever still holds this keeps no file alive.
    pub async fn shutdown(&self) {
        let _installed = self.installing.lock().await;
        self.fleet.stop().await;
        remove_all(&[self.fleet.root(), self.sockets.path()]).await;
    }

    /// An initialised, empty data directory, made once.
    async fn template(&self) -> Result<&Path, ServerError> {
        let made = self.template.get_or_try_init(|| async {
            let busy = Arc::clone(&self.installing).lock_owned().await;
            let (root, password) = (self.fleet.root().to_owned(), self.root_password.clone());
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
    async fn start(&self, cluster: &str, data: &Path) -> Result<Arc<MariaDbServer>, ServerError> {
        let prepared = self.fleet.prepare(cluster).await?;
        copy(data, &prepared.folder).await?;
        let make = |place: Place| MariaDbServer {
            root_password: self.root_password.clone(),
            socket: self.sockets.path().join(format!("{}.sock", place.number)),
            place,
        };
        self.fleet.start(cluster, prepared, false, make).await
    }

    fn follow(&self, primary: &MariaDbServer) -> String {
        format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{REPLICATOR}', MASTER_PASSWORD='{}', \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1",
            primary.place.port, self.password
        )
    }
}

impl Engine for MariaDb {
    type Server = MariaDbServer;

    fn fleet(&self) -> &Fleet<MariaDbServer> {
        &self.fleet
    }

    async fn create_primary(&self, cluster: &str, database: NewDatabase<'_>) -> Result<Address, ServerError> {
        let template = self.template().await?;
        let server = self.start(cluster, template).await?;
        let (user, password) = (quoted(database.user), quoted(database.password));
        server
            .execute(&[
                &format!("CREATE USER '{REPLICATOR}'@'127.0.0.1' IDENTIFIED BY '{}'", self.password),
                &format!("GRANT REPLICATION SLAVE ON *.* TO '{REPLICATOR}'@'127.0.0.1'"),
                &format!("CREATE DATABASE `{}`", database.name.replace('`', "``")),
                &format!("CREATE USER {user}@'127.0.0.1' IDENTIFIED BY {password}"),
                &format!("GRANT {GRANTS} ON *.* TO {user}@'127.0.0.1'"),
            ])
            .await?;
        Ok(server.place.address())
    }

    async fn create_secondary(&self, cluster: &str, primary: &str) -> Result<Address, ServerError> {
        let primary = self.fleet.get(primary)?;
        let template = self.template().await?;
        let server = self.start(cluster, template).await?;
        server.execute(&["SET GLOBAL read_only = 1", &self.follow(&primary), "START SLAVE"]).await?;
        let position = primary.text("SELECT @@GLOBAL.gtid_binlog_pos").await?;
        server.wait_for(&position).await?;
        Ok(server.place.address())
    }

    async fn promote(&self, cluster: &str) -> Result<(), ServerError> {
        let server = self.fleet.get(cluster)?;
        let _alone = server.place.changing.lock().await;
        server.execute(&["STOP SLAVE IO_THREAD"]).await?;
        server.applied().await?;
        server.execute(&["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"]).await
    }

    async fn switch_over(&self, old_primary: &str, new_primary: &str) -> Result<(), ServerError> {
        let (old, new) = (self.fleet.get(old_primary)?, self.fleet.get(new_primary)?);
        let _alone = tokio::join!(old.place.changing.lock(), new.place.changing.lock());
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

    async fn cut_link(&self, cluster: &str, cut: bool) -> Result<(), ServerError> {
        let server = self.fleet.get(cluster)?;
        let _alone = server.place.changing.lock().await;
        server.place.cut.store(cut, Ordering::SeqCst);
        // What has arrived already is applied all the same.
        server.execute(&[if cut { "STOP SLAVE IO_THREAD" } else { "START SLAVE" }]).await
    }

    async fn lag_millis(&self, cluster: &str) -> Option<f64> {
        let server = self.fleet.get(cluster).ok()?;
        if server.place.cut.load(Ordering::SeqCst) {
            return None;
        }
        let row = server.row("SHOW SLAVE STATUS").await.ok()??;
        // Whole seconds are all that the server tells; null when it does not know.
        let seconds = row.try_get_unchecked::<Option<u64>, _>("Seconds_Behind_Master").ok()??;
        u32::try_from(seconds).ok().map(|seconds| f64::from(seconds) * 1_000.0)
    }

    async fn restore(&self, snapshot: &str, cluster: &str) -> Result<Address, ServerError> {
        let server = self.start(cluster, &self.fleet.snapshot_folder(snapshot)).await?;
        // The snapshot may be of a former secondary.
        server.execute(&["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"]).await?;
        Ok(server.place.address())
    }
}
