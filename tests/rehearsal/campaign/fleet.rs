//! Database servers in memory: what Aurora does to rows, and the ledger of what customers were told.
//!
//! A server has the rows of one table. A primary writes down each change; a secondary is behind it by the schedule's lag, stands
//! still while its link is cut, and has what it has when it is promoted. Nothing here knows a step or a runbook.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sandbox::databases::{Address, Afterwards, NOWHERE, NewDatabase, ServerError, Servers};
use tokio::time::Instant;

/// Rows by their number, each with a text that no other write wrote.
pub type Rows = BTreeMap<u64, String>;

/// A change of one row: its text from now on, or that it is gone.
pub type Change = (u64, Option<String>);

/// A change that a primary took, and told somebody that it had.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub at: Instant,
    pub change: Change,
    /// Whether a replay put it there, not a customer.
    pub replayed: bool,
}

/// The moment at which a database's two primaries parted.
#[derive(Debug, Clone)]
pub struct Parting {
    /// The cluster that was promoted, and the one that it followed.
    pub new: String,
    pub old: String,
    /// How many of the old primary's changes had come across.
    pub across: usize,
}

struct Server {
    rows: Rows,
    /// What it took as a primary, from its first change or its promotion on, and the rows before that.
    log: Vec<Taken>,
    before: Rows,
    /// Whom it follows, and how much of that one's log it has.
    follows: Option<(String, usize)>,
    cut: bool,
    stopped: bool,
    next: u64,
    /// Rows that a replay put there.
    replayed: BTreeSet<u64>,
}

impl Server {
    fn primary(rows: Rows) -> Self {
        let next = rows.keys().last().map_or(1, |last| last + 1);
        Self {
            before: rows.clone(),
            rows,
            log: Vec::new(),
            follows: None,
            cut: false,
            stopped: false,
            next,
            replayed: BTreeSet::new(),
        }
    }
}

/// What was in a primary before its first change, and what it took since; up to its snapshot.
#[derive(Debug, Clone)]
pub struct Book {
    pub before: Rows,
    pub log: Vec<Taken>,
}

#[derive(Default)]
struct State {
    servers: BTreeMap<String, Server>,
    snapshots: BTreeMap<String, Rows>,
    partings: Vec<Parting>,
    /// The books of primaries that were thrown away, by cluster, in the order in which that happened.
    closed: Vec<(String, Book)>,
    /// Calls that fail, and how often.
    fails: BTreeMap<&'static str, usize>,
    /// What must never happen, and did.
    wrong: Vec<String>,
}

impl State {
    /// Lets a secondary have what has reached it by now.
    fn catch_up(&mut self, cluster: &str, lag: Duration) {
        let Some(server) = self.servers.get(cluster) else { return };
        let Some((primary, has)) = server.follows.clone().filter(|_| !server.cut) else { return };
        let Some(source) = self.servers.get(&primary) else { return };
        let arrived: Vec<Change> = source.log[has.min(source.log.len())..]
            .iter()
            .take_while(|taken| taken.at.elapsed() >= lag)
            .map(|taken| taken.change.clone())
            .collect();
        let server = self.servers.get_mut(cluster).unwrap();
        server.follows = Some((primary, has + arrived.len()));
        for change in arrived {
            apply(&mut server.rows, change);
        }
    }

    fn fails(&mut self, call: &str) -> Result<(), ServerError> {
        match self.fails.get_mut(call) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(ServerError(format!("{call} has no luck")))
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self, cluster: &str) {
        if let Some(server) = self.servers.get(cluster)
            && server.follows.is_none()
        {
            let book = Book { before: server.before.clone(), log: server.log.clone() };
            self.closed.push((cluster.to_owned(), book));
        }
    }
}

/// Makes a change.
pub fn apply(rows: &mut Rows, (number, text): Change) {
    match text {
        Some(text) => rows.insert(number, text),
        None => rows.remove(&number),
    };
}

/// All servers.
pub struct Fleet {
    state: Mutex<State>,
    lag: Duration,
}

fn nowhere() -> Address {
    Address { host: "127.0.0.1".into(), port: NOWHERE }
}

impl Fleet {
    pub fn new(lag: f64) -> Self {
        Self { state: Mutex::default(), lag: Duration::from_secs_f64(lag) }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap())
    }

    /// The next calls of this name fail.
    pub fn fail(&self, call: &'static str, times: usize) {
        self.locked(|state| *state.fails.entry(call).or_default() += times);
    }

    /// How often it still fails.
    pub fn fails_left(&self, call: &str) -> usize {
        self.locked(|state| state.fails.get(call).copied().unwrap_or_default())
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        self.locked(|state| state.fails.clear());
    }

    /// Whether a server takes writes, whatever AWS says of its cluster.
    pub fn is_primary(&self, cluster: &str) -> bool {
        self.locked(|state| {
            state.servers.get(cluster).is_some_and(|server| server.follows.is_none() && !server.stopped)
        })
    }

    /// Takes a change at a primary; with `None` for its number, a new row. Whether it did.
    pub fn take(&self, cluster: &str, number: Option<u64>, text: Option<String>, replayed: bool) -> bool {
        self.locked(|state| {
            let Some(server) =
                state.servers.get_mut(cluster).filter(|one| one.follows.is_none() && !one.stopped)
            else {
                return false;
            };
            let number = number.unwrap_or(server.next);
            server.next = server.next.max(number + 1);
            if replayed && server.rows.contains_key(&number) {
                state.wrong.push(format!("a replay changed row {number} of {cluster}, which was there"));
                return false;
            }
            if replayed {
                server.replayed.insert(number);
            }
            apply(&mut server.rows, (number, text.clone()));
            server.log.push(Taken { at: Instant::now(), change: (number, text), replayed });
            true
        })
    }

    /// A row that is there and that no replay put there: the one whose number comes first after this one.
    pub fn near(&self, cluster: &str, number: u64) -> Option<u64> {
        self.locked(|state| {
            let server = state.servers.get(cluster)?;
            let mut after = server.rows.range(number..).chain(server.rows.range(..number));
            after.next().map(|(id, _)| *id).filter(|id| !server.replayed.contains(id))
        })
    }

    /// The rows of a server, as they are now.
    pub fn rows(&self, cluster: &str) -> Option<Rows> {
        self.locked(|state| {
            state.catch_up(cluster, self.lag);
            state.servers.get(cluster).map(|server| server.rows.clone())
        })
    }

    /// The latest parting of a cluster's database.
    pub fn parting(&self, new: &str) -> Option<Parting> {
        self.locked(|state| state.partings.iter().rev().find(|parting| parting.new == new).cloned())
    }

    /// The book of the primary that was left at a parting: closed when it was thrown away, or still open.
    pub fn book(&self, cluster: &str) -> Option<Book> {
        self.locked(|state| {
            let open = |server: &Server| Book { before: server.before.clone(), log: server.log.clone() };
            let closed =
                state.closed.iter().rev().find(|(name, _)| name == cluster).map(|(_, book)| book.clone());
            closed.or_else(|| state.servers.get(cluster).filter(|server| server.follows.is_none()).map(open))
        })
    }

    /// The book of a primary that is one now.
    pub fn open_book(&self, cluster: &str) -> Option<Book> {
        self.locked(|state| {
            let server = state.servers.get(cluster).filter(|server| server.follows.is_none())?;
            Some(Book { before: server.before.clone(), log: server.log.clone() })
        })
    }

    /// What must never happen, and did.
    pub fn wrong(&self) -> Vec<String> {
        self.locked(|state| state.wrong.clone())
    }

    fn done<'a, T: Send + 'a>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, ServerError>,
    ) -> BoxFuture<'a, Result<T, ServerError>> {
        let result = self.locked(work);
        async { result }.boxed()
    }
}

fn none(cluster: &str) -> ServerError {
    ServerError(format!("{cluster} has no server"))
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ServerError>>;

impl Servers for Fleet {
    fn create_primary<'a>(&'a self, cluster: &'a str, _: NewDatabase<'a>) -> Answer<'a, Address> {
        self.done(|state| {
            state.servers.insert(cluster.to_owned(), Server::primary(Rows::new()));
            Ok(nowhere())
        })
    }

    fn create_secondary<'a>(&'a self, cluster: &'a str, primary: &'a str) -> Answer<'a, Address> {
        self.done(|state| {
            state.fails("create_secondary")?;
            let source = state.servers.get(primary).ok_or_else(|| none(primary))?;
            let follows = Some((primary.to_owned(), source.log.len()));
            let server = Server { follows, ..Server::primary(source.rows.clone()) };
            state.close(cluster);
            state.servers.insert(cluster.to_owned(), server);
            Ok(nowhere())
        })
    }

    fn promote<'a>(&'a self, cluster: &'a str) -> Answer<'a, ()> {
        self.done(|state| {
            state.fails("promote")?;
            state.catch_up(cluster, self.lag);
            let server = state.servers.get_mut(cluster).ok_or_else(|| none(cluster))?;
            if let Some((old, across)) = server.follows.take() {
                *server = Server::primary(std::mem::take(&mut server.rows));
                let parting = Parting { new: cluster.to_owned(), old, across };
                state.partings.push(parting);
            }
            Ok(())
        })
    }

    fn switch_over<'a>(&'a self, old: &'a str, new: &'a str) -> Answer<'a, ()> {
        self.done(|state| {
            state.fails("switch_over")?;
            state.catch_up(new, Duration::ZERO);
            let rows = state.servers.get(new).ok_or_else(|| none(new))?.rows.clone();
            let kept = state.servers.get(old).ok_or_else(|| none(old))?.rows == rows;
            if !kept {
                return Err(ServerError(format!("{new} has not caught up with {old}")));
            }
            state.close(old);
            state.servers.insert(new.to_owned(), Server::primary(rows.clone()));
            let follows = Some((new.to_owned(), 0));
            state.servers.insert(old.to_owned(), Server { follows, ..Server::primary(rows) });
            Ok(())
        })
    }

    fn cut_link<'a>(&'a self, cluster: &'a str, cut: bool) -> Answer<'a, ()> {
        self.done(|state| {
            state.catch_up(cluster, self.lag);
            if let Some(server) = state.servers.get_mut(cluster) {
                server.cut = cut;
            }
            Ok(())
        })
    }

    fn lag_millis<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<f64>> {
        let lag = self.lag.as_secs_f64() * 1_000.0;
        async move { Some(lag) }.boxed()
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        self.done(|state| {
            state.fails("rename")?;
            let server = state.servers.remove(from).ok_or_else(|| none(from))?;
            let of_it = |server: &mut Server| {
                if let Some((primary, _)) = server.follows.as_mut().filter(|(primary, _)| primary == from) {
                    to.clone_into(primary);
                }
            };
            state.servers.values_mut().for_each(of_it);
            state.close(from);
            let book = Book { before: server.before.clone(), log: server.log.clone() };
            if server.follows.is_none() {
                state.closed.push((from.to_owned(), book));
            }
            state.servers.insert(to.to_owned(), server);
            Ok(())
        })
    }

    fn snapshot<'a>(
        &'a self,
        cluster: &'a str,
        snapshot: &'a str,
        afterwards: Afterwards,
    ) -> Answer<'a, Instant> {
        self.done(|state| {
            state.fails("snapshot")?;
            state.catch_up(cluster, self.lag);
            let server = state.servers.get_mut(cluster).ok_or_else(|| none(cluster))?;
            server.stopped |= afterwards == Afterwards::StaysStopped;
            let rows = server.rows.clone();
            state.snapshots.insert(snapshot.to_owned(), rows);
            Ok(Instant::now())
        })
    }

    fn copy_snapshot<'a>(&'a self, source: &'a str, target: &'a str) -> Answer<'a, ()> {
        self.done(|state| {
            state.fails("copy_snapshot")?;
            let rows = state.snapshots.get(source).ok_or_else(|| none(source))?.clone();
            state.snapshots.insert(target.to_owned(), rows);
            Ok(())
        })
    }

    fn restore<'a>(&'a self, snapshot: &'a str, cluster: &'a str) -> Answer<'a, Address> {
        self.done(|state| {
            state.fails("restore")?;
            let rows = state.snapshots.get(snapshot).ok_or_else(|| none(snapshot))?.clone();
            state.servers.insert(cluster.to_owned(), Server::primary(rows));
            Ok(nowhere())
        })
    }

    fn delete<'a>(&'a self, cluster: &'a str) -> Answer<'a, ()> {
        self.done(|state| {
            state.servers.remove(cluster);
            Ok(())
        })
    }

    fn delete_snapshot<'a>(&'a self, snapshot: &'a str) -> Answer<'a, ()> {
        self.done(|state| {
            state.snapshots.remove(snapshot);
            Ok(())
        })
    }
}
