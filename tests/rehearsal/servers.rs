//! Servers of Aurora that fail at what a rehearsal says. There are none behind them.

use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use sandbox::databases::{Address, Afterwards, NewDatabase, NoServers, ServerError, Servers};
use tokio::time::Instant;

type Answer<'a, T> = BoxFuture<'a, Result<T, ServerError>>;

/// Fails at one of the calls, by its name in [`Servers`], as often as said.
#[derive(Default)]
pub struct FailingServers(Mutex<(&'static str, usize)>);

impl FailingServers {
    /// The next calls of this name fail.
    pub fn fail(&self, call: &'static str, times: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (call, times);
    }

    /// How often it will still fail.
    pub fn left(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn or<'a, T: Send + 'a>(&self, call: &str, answer: Answer<'a, T>) -> Answer<'a, T> {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.0 != call || failing.1 == 0 {
            return answer;
        }
        failing.1 -= 1;
        async { Err(ServerError("no luck".into())) }.boxed()
    }
}

impl Servers for FailingServers {
    fn create_primary<'a>(&'a self, cluster: &'a str, database: NewDatabase<'a>) -> Answer<'a, Address> {
        NoServers.create_primary(cluster, database)
    }
    fn create_secondary<'a>(&'a self, cluster: &'a str, primary: &'a str) -> Answer<'a, Address> {
        self.or("create_secondary", NoServers.create_secondary(cluster, primary))
    }
    fn promote<'a>(&'a self, cluster: &'a str) -> Answer<'a, ()> {
        self.or("promote", NoServers.promote(cluster))
    }
    fn switch_over<'a>(&'a self, old: &'a str, new: &'a str) -> Answer<'a, ()> {
        self.or("switch_over", NoServers.switch_over(old, new))
    }
    fn cut_link<'a>(&'a self, cluster: &'a str, cut: bool) -> Answer<'a, ()> {
        NoServers.cut_link(cluster, cut)
    }
    fn lag_millis<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Option<f64>> {
        NoServers.lag_millis(cluster)
    }
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        self.or("rename", NoServers.rename(from, to))
    }
    fn snapshot<'a>(
        &'a self,
        cluster: &'a str,
        snapshot: &'a str,
        afterwards: Afterwards,
    ) -> Answer<'a, Instant> {
        self.or("snapshot", NoServers.snapshot(cluster, snapshot, afterwards))
    }
    fn copy_snapshot<'a>(&'a self, source: &'a str, target: &'a str) -> Answer<'a, ()> {
        self.or("copy_snapshot", NoServers.copy_snapshot(source, target))
    }
    fn restore<'a>(&'a self, snapshot: &'a str, cluster: &'a str) -> Answer<'a, Address> {
        self.or("restore", NoServers.restore(snapshot, cluster))
    }
    fn delete<'a>(&'a self, cluster: &'a str) -> Answer<'a, ()> {
        NoServers.delete(cluster)
    }
    fn delete_snapshot<'a>(&'a self, snapshot: &'a str) -> Answer<'a, ()> {
        NoServers.delete_snapshot(snapshot)
    }
}
