//! The servers of one engine: one process for each cluster, its folder and port, and the snapshots of all.
//!
//! A cluster's port stays the same for its life, also over a rebuild, and is kept for it while its server is stopped. What an engine does with its servers is its own:
//! see [`Engine`] and [`Server`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::process::Child;
use tokio::time::Instant;

use super::files::{Port, copy, failed, remove};
use super::freeze::Frozen;
use super::{Address, Afterwards, NewDatabase, ServerError, Servers};

/// How often a server is started that does not start.
pub(super) const TRIES: usize = 5;

/// Where a server is.
pub(super) struct Place {
    /// Another for each server of a fleet, counted from 1.
    pub(super) number: u32,
    pub(super) port: u16,
    /// What keeps the port for it.
    held: Arc<Port>,
    /// Its data.
    pub(super) folder: PathBuf,
    pub(super) child: tokio::sync::Mutex<Option<Child>>,
    /// Whether the link to its primary is cut.
    pub(super) cut: AtomicBool,
    /// Held by whoever stops, starts or changes it, so that nobody asks a server that is stopped for its snapshot.
    pub(super) changing: tokio::sync::Mutex<()>,
}

impl Place {
    pub(super) fn address(&self) -> Address {
        Address { host: "127.0.0.1".into(), port: self.port }
    }
}

/// A server of an engine.
pub(super) trait Server: Send + Sync + Sized + 'static {
    /// Where it is.
    fn place(&self) -> &Place;

    /// Starts the process on the data in its folder and waits until it answers; `follows`: as a secondary, read-only from
    /// its first moment on.
    fn run(&self, follows: bool) -> impl Future<Output = Result<(), ServerError>> + Send;

    /// Stops the process: in order if it can, else by force.
    fn stop(&self) -> impl Future<Output = ()> + Send;
}

/// The servers of one engine.
pub(super) struct Fleet<S> {
    root: PathBuf,
    servers: Mutex<BTreeMap<String, Arc<S>>>,
    next: AtomicU32,
}

/// A folder for a cluster's data that is still to be filled.
pub(super) struct Prepared {
    number: u32,
    pub(super) folder: PathBuf,
    port: Option<Arc<Port>>,
}

impl<S: Server> Fleet<S> {
    /// One whose folders are below `root`.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, servers: Mutex::default(), next: AtomicU32::new(1) }
    }

    /// The folder of all.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The server of a cluster.
    pub(super) fn get(&self, cluster: &str) -> Result<Arc<S>, ServerError> {
        self.locked(|servers| servers.get(cluster).cloned())
            .ok_or_else(|| ServerError(format!("{cluster} has no server")))
    }

    /// Makes room for the data of `cluster`: the server that it has is stopped, and its data are removed.
    pub(super) async fn prepare(&self, cluster: &str) -> Result<Prepared, ServerError> {
        let former = self.get(cluster).ok();
        if let Some(former) = &former {
            let place = former.place();
            let _alone = place.changing.lock().await;
            former.stop().await;
            remove(&place.folder).await?;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = self.root.join(format!("server-{number}"));
        Ok(Prepared { number, folder, port: former.map(|former| Arc::clone(&former.place().held)) })
    }

    /// Starts the server of `cluster` on the data in the folder. It keeps the port that the cluster had.
    pub(super) async fn start(
        &self,
        cluster: &str,
        prepared: Prepared,
        follows: bool,
        make: impl Fn(Place) -> S,
    ) -> Result<Arc<S>, ServerError> {
        let mut last = ServerError("not tried".into());
        for _ in 0..TRIES {
            let held = match &prepared.port {
                Some(port) => Arc::clone(port),
                None => Arc::new(Port::any()?),
            };
            let server = Arc::new(make(Place {
                number: prepared.number,
                port: held.number,
                held,
                folder: prepared.folder.clone(),
                child: tokio::sync::Mutex::new(None),
                cut: false.into(),
                changing: tokio::sync::Mutex::default(),
            }));
            match server.run(follows).await {
                Ok(()) => {
                    self.locked(|servers| servers.insert(cluster.to_owned(), Arc::clone(&server)));
                    return Ok(server);
                }
                Err(error) => last = failed(format!("the server of {cluster} does not start"), error),
            }
        }
        Err(last)
    }

    /// Copies the data of a server: one that goes on stands still for it, the other is stopped first.
    pub(super) async fn snapshot(
        &self,
        cluster: &str,
        snapshot: &str,
        afterwards: Afterwards,
    ) -> Result<Instant, ServerError> {
        let server = self.get(cluster)?;
        let place = server.place();
        let _alone = place.changing.lock().await;
        let target = self.snapshot_folder(snapshot);
        if afterwards == Afterwards::GoesOn {
            let process = place.child.lock().await.as_ref().and_then(Child::id);
            // One that is dead has its data all the same.
            let _frozen = match process {
                Some(process) => Some(Frozen::stop(process).await?),
                None => None,
            };
            let stands_still = Instant::now();
            return copy(&place.folder, &target).await.map(|()| stands_still);
        }
        server.stop().await;
        let stopped = Instant::now();
        let copied = copy(&place.folder, &target).await;
        if copied.is_err() {
            // A primary, else it would not have been stopped.
            run_again(&*server, false)
                .await
                .map_err(|error| failed(format!("the server of {cluster} does not start again"), error))?;
        }
        copied.map(|()| stopped)
    }

    /// Where a snapshot's data are.
    pub(super) fn snapshot_folder(&self, snapshot: &str) -> PathBuf {
        let plain: String =
            snapshot.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        self.root.join(format!("snapshot-{plain}"))
    }

    /// Copies a snapshot.
    pub(super) async fn copy_snapshot(&self, source: &str, target: &str) -> Result<(), ServerError> {
        copy(&self.snapshot_folder(source), &self.snapshot_folder(target)).await
    }

    /// Removes a snapshot. Harmless when there is none.
    pub(super) async fn delete_snapshot(&self, snapshot: &str) -> Result<(), ServerError> {
        remove(&self.snapshot_folder(snapshot)).await
    }

    /// Gives the server of a cluster to another.
    pub(super) fn rename(&self, from: &str, to: &str) {
        self.locked(|servers| {
            if let Some(server) = servers.remove(from) {
                servers.insert(to.to_owned(), server);
            }
        });
    }

    /// Stops the server of a cluster and removes its data. Harmless when there is none.
    pub(super) async fn delete(&self, cluster: &str) -> Result<(), ServerError> {
        let Some(server) = self.locked(|servers| servers.remove(cluster)) else { return Ok(()) };
        let place = server.place();
        let _alone = place.changing.lock().await;
        server.stop().await;
        remove(&place.folder).await
    }

    /// Stops every server.
    pub(super) async fn stop(&self) {
        let servers = self.locked(std::mem::take);
        futures::future::join_all(servers.values().map(|server| server.stop())).await;
    }

    fn locked<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Arc<S>>) -> T) -> T {
        work(&mut self.servers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An engine: what it does with its servers beyond what all do. The methods are those of [`Servers`].
pub(super) trait Engine: Send + Sync + 'static {
    type Server: Server;

    /// Its servers.
    fn fleet(&self) -> &Fleet<Self::Server>;

    fn create_primary(
        &self,
        cluster: &str,
        database: NewDatabase<'_>,
    ) -> impl Future<Output = Result<Address, ServerError>> + Send;

    fn create_secondary(
        &self,
        cluster: &str,
        primary: &str,
    ) -> impl Future<Output = Result<Address, ServerError>> + Send;

    fn promote(&self, cluster: &str) -> impl Future<Output = Result<(), ServerError>> + Send;

    fn switch_over(&self, old: &str, new: &str) -> impl Future<Output = Result<(), ServerError>> + Send;

    fn cut_link(&self, cluster: &str, cut: bool) -> impl Future<Output = Result<(), ServerError>> + Send;

    fn lag_millis(&self, cluster: &str) -> impl Future<Output = Option<f64>> + Send;

    fn restore(
        &self,
        snapshot: &str,
        cluster: &str,
    ) -> impl Future<Output = Result<Address, ServerError>> + Send;
}

impl<E: Engine> Servers for E {
    fn create_primary<'a>(&'a self, cluster: &'a str, database: NewDatabase<'a>) -> Answer<'a, Address> {
        Engine::create_primary(self, cluster, database).boxed()
    }

    fn create_secondary<'a>(&'a self, cluster: &'a str, primary: &'a str) -> Answer<'a, Address> {
        Engine::create_secondary(self, cluster, primary).boxed()
    }

    fn promote<'a>(&'a self, cluster: &'a str) -> Answer<'a, ()> {
        Engine::promote(self, cluster).boxed()
    }

    fn switch_over<'a>(&'a self, old: &'a str, new: &'a str) -> Answer<'a, ()> {
        Engine::switch_over(self, old, new).boxed()
    }

    fn cut_link<'a>(&'a self, cluster: &'a str, cut: bool) -> Answer<'a, ()> {
        Engine::cut_link(self, cluster, cut).boxed()
    }

    fn lag_millis<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Option<f64>> {
        Engine::lag_millis(self, cluster).boxed()
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        self.fleet().rename(from, to);
        async { Ok(()) }.boxed()
    }

    fn snapshot<'a>(&'a self, cluster: &'a str, snapshot: &'a str, then: Afterwards) -> Answer<'a, Instant> {
        self.fleet().snapshot(cluster, snapshot, then).boxed()
    }

    fn copy_snapshot<'a>(&'a self, source: &'a str, target: &'a str) -> Answer<'a, ()> {
        self.fleet().copy_snapshot(source, target).boxed()
    }

    fn restore<'a>(&'a self, snapshot: &'a str, cluster: &'a str) -> Answer<'a, Address> {
        Engine::restore(self, snapshot, cluster).boxed()
    }

    fn delete<'a>(&'a self, cluster: &'a str) -> Answer<'a, ()> {
        self.fleet().delete(cluster).boxed()
    }

    fn delete_snapshot<'a>(&'a self, snapshot: &'a str) -> Answer<'a, ()> {
        self.fleet().delete_snapshot(snapshot).boxed()
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ServerError>>;

/// Starts the process again on the data that it had.
pub(super) async fn run_again(server: &impl Server, follows: bool) -> Result<(), ServerError> {
    let mut last = ServerError("not tried".into());
    for _ in 0..TRIES {
        match server.run(follows).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Removes folders of servers that were stopped. A process that was killed at its start may write for a moment more.
pub(super) async fn remove_all(folders: &[&Path]) {
    for folder in folders {
        for _ in 0..TRIES {
            if remove(folder).await.is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
