//! Database servers behind the world's Aurora clusters.
//!
//! The world decides *when* something happens, a [`Servers`] makes it so: [`real`] with real servers of either engine
//! ([`mariadb`], [`postgres`]), [`NoServers`] with none, for tests of the runbooks in paused time.
//!
//! A cluster is named by its ARN, a snapshot by its ARN, both as the world knows them.

pub mod authority;
pub(crate) mod files;
mod fleet;
mod freeze;
pub mod mariadb;
pub mod postgres;
pub mod real;
pub mod token;

use futures::future::{BoxFuture, FutureExt};
use runbook::plan::Engine;
use tokio::time::Instant;

/// Where a cluster's server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host, a loopback address.
    pub host: String,
    /// Port, chosen by the system.
    pub port: u16,
}

/// The database of a new primary, and its user, who may do everything that an RDS master user may.
#[derive(Clone, Copy)]
pub struct NewDatabase<'a> {
    /// Engine.
    pub engine: Engine,
    /// Name.
    pub name: &'a str,
    /// User.
    pub user: &'a str,
    /// The user's password.
    pub password: &'a str,
}

/// What becomes of a server once its snapshot is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// It goes on as it was: it takes writes or follows.
    GoesOn,
    /// It stays stopped until it is built anew, so that it takes no write that its snapshot lacks.
    StaysStopped,
}

/// A failure of a server, in one line that names it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ServerError(pub String);

/// Real or pretended database servers, one per cluster. Every method is safe to call again.
pub trait Servers: Send + Sync + 'static {
    /// Starts a primary for `cluster`, with this database, which is empty.
    fn create_primary<'a>(
        &'a self,
        cluster: &'a str,
        database: NewDatabase<'a>,
    ) -> BoxFuture<'a, Result<Address, ServerError>>;

    /// Starts `cluster` as a read-only copy of `primary` that follows it. If `cluster` has a server, its data is
    /// thrown away and built anew from the primary (Aurora's resynchronisation after a failover).
    fn create_secondary<'a>(
        &'a self,
        cluster: &'a str,
        primary: &'a str,
    ) -> BoxFuture<'a, Result<Address, ServerError>>;

    /// Stops following and accepts writes.
    fn promote<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<(), ServerError>>;

    /// Makes `new_primary` (a secondary) the primary and `old_primary` its secondary, with nothing lost: writes stop,
    /// the secondary catches up, the roles change.
    fn switch_over<'a>(
        &'a self,
        old_primary: &'a str,
        new_primary: &'a str,
    ) -> BoxFuture<'a, Result<(), ServerError>>;

    /// Cuts the replication link of the secondary `cluster` (true) or mends it (false). Writes on the primary go on.
    fn cut_link<'a>(&'a self, cluster: &'a str, cut: bool) -> BoxFuture<'a, Result<(), ServerError>>;

    /// How far the secondary `cluster` is behind, in milliseconds; `None` when that can't be known.
    fn lag_millis<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Option<f64>>;

    /// Gives the server of the cluster `from` to the cluster `to`; its data and its port stay.
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), ServerError>>;

    /// Keeps the data of `cluster` as it is now under the name `snapshot`, and says when that was. A server that goes on stands still for it, and refuses
    /// nobody; where the snapshot fails, the server goes on in any case.
    fn snapshot<'a>(
        &'a self,
        cluster: &'a str,
        snapshot: &'a str,
        afterwards: Afterwards,
    ) -> BoxFuture<'a, Result<Instant, ServerError>>;

    /// Keeps a copy of a snapshot under another name.
    fn copy_snapshot<'a>(
        &'a self,
        source: &'a str,
        target: &'a str,
    ) -> BoxFuture<'a, Result<(), ServerError>>;

    /// Starts `cluster` as a primary on the data of `snapshot`.
    fn restore<'a>(
        &'a self,
        snapshot: &'a str,
        cluster: &'a str,
    ) -> BoxFuture<'a, Result<Address, ServerError>>;

    /// Stops the server of `cluster` and removes its data. Harmless when there is none.
    fn delete<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<(), ServerError>>;

    /// Removes a snapshot. Harmless when there is none.
    fn delete_snapshot<'a>(&'a self, snapshot: &'a str) -> BoxFuture<'a, Result<(), ServerError>>;
}

/// No servers at all: everything succeeds at once, every lag is 200 ms, the address is one where nothing listens.
#[derive(Debug, Default)]
pub struct NoServers;

/// The port of an address where nothing listens.
pub const NOWHERE: u16 = 9;

fn nowhere() -> Address {
    Address { host: "127.0.0.1".into(), port: NOWHERE }
}

impl Servers for NoServers {
    fn create_primary<'a>(
        &'a self,
        _: &'a str,
        _: NewDatabase<'a>,
    ) -> BoxFuture<'a, Result<Address, ServerError>> {
        async { Ok(nowhere()) }.boxed()
    }
    fn create_secondary<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Address, ServerError>> {
        async { Ok(nowhere()) }.boxed()
    }
    fn promote<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async { Ok(()) }.boxed()
    }
    fn switch_over<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async { Ok(()) }.boxed()
    }
    fn cut_link<'a>(&'a self, _: &'a str, _: bool) -> BoxFuture<'a, Result<(), ServerError>> {
        async { Ok(()) }.boxed()
    }
    fn lag_millis<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<f64>> {
        async { Some(200.0) }.boxed()
    }
    fn rename<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async { Ok(()) }.boxed()
    }
    fn snapshot<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Afterwards,
    ) -> BoxFuture<'a, Result<Instant, ServerError>> {
        async { Ok(Instant::now()) }.boxed()
    }
    fn copy_snapshot<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async { Ok(()) }.boxed()
    }
    fn restore<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Address, ServerError>> {
        async { Ok(nowhere()) }.boxed()
    }
    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async { Ok(()) }.boxed()
    }
    fn delete_snapshot<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), ServerError>> {
        async { Ok(()) }.boxed()
    }
}
