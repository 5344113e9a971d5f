//! Real servers of either engine, side by side: each cluster has those of its engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use runbook::plan::Engine;
use tokio::time::Instant;

use super::authority::{AUTHORITY, Identity};
use super::files::private_folder;
use super::fleet::remove_all;
use super::mariadb::MariaDb;
use super::postgres::Postgres;
use super::{Address, Afterwards, NewDatabase, ServerError, Servers};

/// Servers of the engines that are needed.
pub struct RealServers {
    root: PathBuf,
    mariadb: Option<MariaDb>,
    postgres: Option<Postgres>,
    /// By cluster and by snapshot.
    engines: Mutex<BTreeMap<String, Engine>>,
}

impl RealServers {
    /// Prepares to run servers of these engines below `root`, a folder that does not exist yet.
    ///
    /// # Errors
    /// When the server of an engine is not installed, or a folder can't be written.
    pub fn new(root: &Path, engines: &[Engine]) -> Result<Self, ServerError> {
        private_folder(root)?;
        let identity = Identity::new()?;
        identity.write(root)?;
        let needs = |engine| engines.contains(&engine);
        let mariadb = needs(Engine::AuroraMysql).then(|| MariaDb::new(root.join("mariadb"), &identity));
        let postgres = needs(Engine::AuroraPostgresql).then(|| Postgres::new(&identity));
        Ok(Self {
            root: root.to_owned(),
            mariadb: mariadb.transpose()?,
            postgres: postgres.transpose()?,
            engines: Mutex::default(),
        })
    }

    /// The file with the certificate of the authority that signs for the servers.
    pub fn authority(&self) -> PathBuf {
        self.root.join(AUTHORITY)
    }

    /// Stops every server and removes its data.
    pub async fn shutdown(&self) {
        if let Some(mariadb) = &self.mariadb {
            mariadb.shutdown().await;
        }
        if let Some(postgres) = &self.postgres {
            postgres.shutdown().await;
        }
        remove_all(&[&self.root]).await;
    }

    fn of(&self, engine: Engine) -> Result<&dyn Servers, ServerError> {
        let servers = match engine {
            Engine::AuroraMysql => self.mariadb.as_ref().map(|servers| servers as &dyn Servers),
            Engine::AuroraPostgresql => self.postgres.as_ref().map(|servers| servers as &dyn Servers),
        };
        servers.ok_or_else(|| {
            ServerError(format!("this sandbox was started without servers of {}", engine.name()))
        })
    }

    /// The servers of a cluster or snapshot.
    fn whose(&self, name: &str) -> Result<(Engine, &dyn Servers), ServerError> {
        let engine = self.engines.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        let engine = engine.ok_or_else(|| ServerError(format!("{name} has no server")))?;
        Ok((engine, self.of(engine)?))
    }

    fn note(&self, name: &str, engine: Engine) {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), engine);
    }
}

impl Servers for RealServers {
    fn create_primary<'a>(
        &'a self,
        cluster: &'a str,
        database: NewDatabase<'a>,
    ) -> BoxFuture<'a, Result<Address, ServerError>> {
        async move {
            let servers = self.of(database.engine)?;
            self.note(cluster, database.engine);
            servers.create_primary(cluster, database).await
        }
        .boxed()
    }

    fn create_secondary<'a>(
        &'a self,
        cluster: &'a str,
        primary: &'a str,
    ) -> BoxFuture<'a, Result<Address, ServerError>> {
        async move {
            let (engine, servers) = self.whose(primary)?;
            self.note(cluster, engine);
            servers.create_secondary(cluster, primary).await
        }
        .boxed()
    }

    fn promote<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async move { self.whose(cluster)?.1.promote(cluster).await }.boxed()
    }

    fn switch_over<'a>(
        &'a self,
        old_primary: &'a str,
        new_primary: &'a str,
    ) -> BoxFuture<'a, Result<(), ServerError>> {
        async move { self.whose(old_primary)?.1.switch_over(old_primary, new_primary).await }.boxed()
    }

    fn cut_link<'a>(&'a self, cluster: &'a str, cut: bool) -> BoxFuture<'a, Result<(), ServerError>> {
        async move { self.whose(cluster)?.1.cut_link(cluster, cut).await }.boxed()
    }

    fn lag_millis<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Option<f64>> {
        async move { self.whose(cluster).ok()?.1.lag_millis(cluster).await }.boxed()
    }

    fn snapshot<'a>(
        &'a self,
        cluster: &'a str,
        snapshot: &'a str,
        afterwards: Afterwards,
    ) -> BoxFuture<'a, Result<Instant, ServerError>> {
        async move {
            let (engine, servers) = self.whose(cluster)?;
            self.note(snapshot, engine);
            servers.snapshot(cluster, snapshot, afterwards).await
        }
        .boxed()
    }

    fn copy_snapshot<'a>(
        &'a self,
        source: &'a str,
        target: &'a str,
    ) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            let (engine, servers) = self.whose(source)?;
            self.note(target, engine);
            servers.copy_snapshot(source, target).await
        }
        .boxed()
    }

    fn restore<'a>(
        &'a self,
        snapshot: &'a str,
        cluster: &'a str,
    ) -> BoxFuture<'a, Result<Address, ServerError>> {
        async move {
            let (engine, servers) = self.whose(snapshot)?;
            self.note(cluster, engine);
            servers.restore(snapshot, cluster).await
        }
        .boxed()
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            // One that never got a server has nothing to be renamed.
            let Ok((engine, servers)) = self.whose(from) else { return Ok(()) };
            self.note(to, engine);
            servers.rename(from, to).await
        }
        .boxed()
    }

    fn delete<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            match self.whose(cluster) {
                Ok((_, servers)) => servers.delete(cluster).await,
                Err(_) => Ok(()),
            }
        }
        .boxed()
    }

    fn delete_snapshot<'a>(&'a self, snapshot: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async move {
            match self.whose(snapshot) {
                Ok((_, servers)) => servers.delete_snapshot(snapshot).await,
                Err(_) => Ok(()),
            }
        }
        .boxed()
    }
}
