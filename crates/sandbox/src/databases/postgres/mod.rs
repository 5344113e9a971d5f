//! PostgreSQL servers as Aurora PostgreSQL clusters, one process each, on loopback ports that the system chooses.
//!
//! - A secondary is a physical standby that follows its primary by streaming replication, and is promoted: what was not
//!   shipped by then is lost.
//! - For a snapshot the server stands still for a moment, in which its data directory is copied, and goes on as it was. The old
//!   primary after a failover alone is stopped, and stays so until it is rebuilt as a secondary from a base backup.
//! - Commits are not flushed to the disk: an acknowledged write survives a stop and a copy, not a power cut.
//! - They speak TLS ([`Identity`]); whoever wants to may do without.
//! - Nobody but this process gets in as an administrator, whose password is nowhere but in memory and in the hash that the
//!   server keeps. PostgreSQL does not run as root: there, its processes and its folder are the user `postgres`'s.
//!
//! [`Postgres::shutdown`] stops every server and removes all data; a drop kills what is left.

mod install;
mod server;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::install::{Installation, REPLICATOR, literal, name};
use self::server::PostgresServer;
use super::authority::Identity;
use super::files::{copy, failed};
use super::fleet::{Engine, Fleet, Place, Server, remove_all, run_again};
use super::{Address, NewDatabase, ServerError};
use crate::folder::Folder;

/// The servers.
pub struct Postgres {
    fleet: Fleet<PostgresServer>,
    installation: Arc<Installation>,
    /// Its path is short, because that of a socket has at most 107 bytes.
    folder: Folder,
    template: tokio::sync::OnceCell<()>,
}

impl Postgres {
    /// Prepares to run servers of this identity.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or a folder can't be made.
    pub fn new(identity: &Identity) -> Result<Self, ServerError> {
        let folder =
            Folder::create("").map_err(|error| failed("can't create a folder for PostgreSQL", error))?;
        let installation = Installation::new(folder.path(), identity)?;
        Ok(Self {
            fleet: Fleet::new(installation.root.clone()),
            installation: Arc::new(installation),
            folder,
            template: tokio::sync::OnceCell::new(),
        })
    }

    /// Stops every server and removes its data. Whoever still holds this keeps no file alive.
    pub async fn shutdown(&self) {
        self.fleet.stop().await;
        remove_all(&[self.folder.path()]).await;
    }

    fn make(&self) -> impl Fn(Place) -> PostgresServer {
        |place| PostgresServer { place, installation: Arc::clone(&self.installation) }
    }

    /// Starts a server for `cluster` on a copy of `data` that follows nobody.
    async fn start(&self, cluster: &str, data: &Path) -> Result<Arc<PostgresServer>, ServerError> {
        let prepared = self.fleet.prepare(cluster).await?;
        copy(data, &prepared.folder).await?;
        self.installation.configure(&prepared.folder, None)?;
        self.fleet.start(cluster, prepared, false, self.make()).await
    }
}

impl Engine for Postgres {
    type Server = PostgresServer;

    fn fleet(&self) -> &Fleet<PostgresServer> {
        &self.fleet
    }

    async fn create_primary(&self, cluster: &str, database: NewDatabase<'_>) -> Result<Address, ServerError> {
        self.template.get_or_try_init(|| self.installation.install()).await?;
        let server = self.start(cluster, &self.installation.template()).await?;
        let (user, of_replicator) = (name(database.user), literal(&self.installation.password));
        server
                .execute(&[
                    &format!("CREATE ROLE {REPLICATOR} LOGIN REPLICATION PASSWORD {of_replicator}"),
                    // What an RDS master user may, as far as the shop needs.
                    &format!(
                        "CREATE ROLE {user} LOGIN CREATEDB CREATEROLE IN ROLE pg_monitor, pg_signal_backend PASSWORD {}",
                        literal(database.password)
                    ),
                    &format!("CREATE DATABASE {} OWNER {user}", name(database.name)),
                ])
                .await?;
        Ok(server.place.address())
    }

    async fn create_secondary(&self, cluster: &str, primary: &str) -> Result<Address, ServerError> {
        let primary = self.fleet.get(primary)?;
        let prepared = self.fleet.prepare(cluster).await?;
        self.installation.back_up(primary.place.port, &prepared.folder).await?;
        self.installation.configure(&prepared.folder, Some(primary.place.port))?;
        let server = self.fleet.start(cluster, prepared, true, self.make()).await?;
        server.wait_for(&primary.position().await?).await?;
        Ok(server.place.address())
    }

    async fn promote(&self, cluster: &str) -> Result<(), ServerError> {
        let server = self.fleet.get(cluster)?;
        let _alone = server.place.changing.lock().await;
        server.promote().await
    }

    async fn switch_over(&self, old_primary: &str, new_primary: &str) -> Result<(), ServerError> {
        let (old, new) = (self.fleet.get(old_primary)?, self.fleet.get(new_primary)?);
        let _alone = tokio::join!(old.place.changing.lock(), new.place.changing.lock());
        // Called again: the new primary follows nobody any more. Making the old one writable would split the data.
        if !new.follows().await? {
            return Ok(());
        }
        // A primary that is shut down in order sends its standby all that it has.
        old.stop().await;
        let changed = async {
            new.wait_for(&self.installation.end_of(&old.place.folder).await?).await?;
            new.promote().await
        };
        if let Err(error) = changed.await {
            // Back to where it was: the old primary takes writes again.
            run_again(&*old, false).await?;
            return Err(error);
        }
        self.installation.configure(&old.place.folder, Some(new.place.port))?;
        run_again(&*old, true).await
    }

    async fn cut_link(&self, cluster: &str, cut: bool) -> Result<(), ServerError> {
        let server = self.fleet.get(cluster)?;
        let _alone = server.place.changing.lock().await;
        server.place.cut.store(cut, Ordering::SeqCst);
        server.listen(!cut).await
    }

    async fn lag_millis(&self, cluster: &str) -> Option<f64> {
        let server = self.fleet.get(cluster).ok()?;
        if server.place.cut.load(Ordering::SeqCst) { None } else { server.lag_millis().await }
    }

    async fn restore(&self, snapshot: &str, cluster: &str) -> Result<Address, ServerError> {
        // The snapshot may be of a standby: as it is started here, it follows nobody.
        Ok(self.start(cluster, &self.fleet.snapshot_folder(snapshot)).await?.place.address())
    }
}
