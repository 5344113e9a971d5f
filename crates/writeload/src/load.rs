//! The generated write load: which tables can be written, and writers that write them.
//!
//! [`prepare`] reads the schema and tries to insert a row into each table, in a transaction that is rolled back. What can't be written is
//! left out, with the reason; so is what has to refer to it.
//!
//! A [`Load`] has one or more writers. Each runs one transaction after the other at the endpoint that is valid then, with one to
//! four changes to rows of its own; none ever touches a row of another one. When a connection breaks, or the endpoint is
//! another, it connects again, without end, until it is told to stop. What it may have lost it finds out by itself: an own row
//! that is not there any more is not used any more. A transaction whose COMMIT is not answered is in doubt, and its rows are left alone from
//! then on. So the ledger's order is clear for every row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use table_diff::Target;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::catalogue::{self, CatalogueError};
use crate::ledger::{Ledger, Outcome, SharedLedger, Transaction};
use crate::plan::Plan;
use crate::pool::{OwnRow, Owners, Pool};
use crate::reading::{BATCH, read_rows};
use crate::schema::Schema;
use crate::session::{ConnectError, Purpose, Session, is_surely_rolled_back};
use crate::transaction::{Stop, TRIES, Work};

/// The pause of a writer whose server does not answer, or takes no writes.
const PAUSE: Duration = Duration::from_millis(50);
/// How many transactions in a row may come to nothing before a writer gives up.
const IDLE: u32 = 200;

/// Why there is no load.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The server can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The schema can't be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The connection broke while a table was tried, or the server takes no writes.
    #[error("trying to write table {table} failed: {cause}")]
    Try {
        /// Which one.
        table: String,
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
    /// There is no table that can be written.
    #[error("no table can be written: {reasons}")]
    Nothing {
        /// Why, table by table; or that there is none.
        reasons: String,
    },
}

/// Reads the schema of a database.
///
/// # Errors
/// When the server can't be reached or asked.
pub async fn read_schema(target: &Target, patience: Duration) -> Result<Schema, PrepareError> {
    let mut session = Session::connect(target, Purpose::Rows, patience).await?;
    let schema = catalogue::read(&mut session).await?;
    session.close().await;
    Ok(schema)
}

/// Finds out which tables of a database can be written. Changes nothing, but for the numbers that the server gives to rows.
/// `progress` is told how many of how many tables were tried.
///
/// # Errors
/// When the server can't be reached or asked, or no table can be written.
pub async fn prepare(
    target: &Target,
    seed: u64,
    patience: Duration,
    mut progress: impl FnMut(usize, usize),
) -> Result<Plan, PrepareError> {
    let mut session = Session::connect(target, Purpose::Rows, patience).await?;
    let schema = catalogue::read(&mut session).await?;
    let mut plan = Plan::new(schema);
    let mut random = StdRng::seed_from_u64(seed);
    let names: Vec<String> = plan.written().cloned().collect();
    for (at, name) in names.iter().enumerate() {
        progress(at, names.len());
        let mut tried = attempt(&mut session, &plan, &mut random, name).await;
        // A row of a circle is not tried again inside of its transaction.
        for _ in 1..TRIES {
            if !matches!(&tried, Err(Stop::Refused { table, .. }) if plan.unchecked.contains(table)) {
                break;
            }
            tried = attempt(&mut session, &plan, &mut random, name).await;
        }
        match tried {
            Ok(()) => {}
            Err(Stop::Refused { table, reason, .. }) => {
                let reason = if table == *name {
                    reason
                } else {
                    format!("it refers to {table}, which can't be written: {reason}")
                };
                plan.left_out.insert(name.clone(), reason);
            }
            Err(Stop::Broken(cause) | Stop::RolledBack(cause)) => {
                return Err(PrepareError::Try { table: name.clone(), cause });
            }
        }
    }
    progress(names.len(), names.len());
    session.close().await;
    if plan.written().next().is_none() {
        let reasons = plan.left_out.iter().map(|(table, reason)| format!("{table}: {reason}"));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        let reasons = if reasons.is_empty() { "the database has no tables".to_owned() } else { reasons };
        return Err(PrepareError::Nothing { reasons });
    }
    Ok(plan)
}

/// Inserts a row, and takes it back.
async fn attempt(session: &mut Session, plan: &Plan, random: &mut StdRng, table: &str) -> Result<(), Stop> {
    let mut pool = Pool::default();
    let owners = Owners::default();
    let mut work = Work::begin(session, plan, random, &mut pool, (&owners, 0)).await?;
    let inserted = match work.insert(table, &[]).await {
        Ok(_) => work.check_constraints(table).await,
        Err(stop) => Err(stop),
    };
    if matches!(inserted, Err(Stop::Broken(_))) {
        return inserted;
    }
    work.roll_back(false).await.map_err(Stop::Broken)?;
    inserted
}

/// Where to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name in the ledger: a Region's.
    pub name: String,
    /// The server.
    pub target: Target,
}

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What is drawn by chance depends on this, and on what the servers answer.
    pub seed: u64,
    /// How many write at once.
    pub writers: usize,
    /// How many transactions are to be acknowledged; without a number the load goes on until it is stopped.
    pub transactions: Option<u64>,
    /// The pause of a writer behind each transaction.
    pub pause: Duration,
    /// How long a statement may take. After that its connection is given up.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            writers: 3,
            transactions: None,
            pause: Duration::ZERO,
            patience: Duration::from_secs(5),
        }
    }
}

/// A load that is running. It stops when it is dropped; what is not answered then is not in any ledger.
pub struct Load {
    ledger: SharedLedger,
    stop: watch::Sender<bool>,
    writers: JoinSet<Result<(), WriterError>>,
}

/// Why a writer gave up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriterError {
    /// Nothing could be written any more, although the server answers.
    #[error("writer {writer}: {IDLE} transactions in a row came to nothing; the last refusal: {reason}")]
    Idle {
        /// Which of them.
        writer: usize,
        /// What the server refused last.
        reason: String,
    },
    /// It ended in a way that it may not.
    #[error("a writer panicked: {0}")]
    Panicked(String),
}

impl Load {
    /// Starts to write, at the endpoint that is valid at each time; while there is none, the writers wait.
    pub fn start(plan: &Arc<Plan>, endpoint: &watch::Receiver<Option<Endpoint>>, options: Options) -> Self {
        let ledger = SharedLedger::default();
        let (stop, stopped) = watch::channel(false);
        let owners = Arc::new(Owners::default());
        let left = options.transactions.map(|count| Arc::new(AtomicU64::new(count)));
        let mut writers = JoinSet::new();
        for number in 0..options.writers {
            let writer = Writer {
                number,
                plan: Arc::clone(plan),
                endpoint: endpoint.clone(),
                options,
                ledger: ledger.clone(),
                owners: Arc::clone(&owners),
                left: left.clone(),
                full: BTreeSet::new(),
                fixed: BTreeSet::new(),
            };
            let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
            writers.spawn(writer.run(stopped.clone(), StdRng::seed_from_u64(seed)));
        }
        Self { ledger, stop, writers }
    }

    /// The ledger, which goes on being written.
    pub fn ledger(&self) -> SharedLedger {
        self.ledger.clone()
    }

    /// Waits until as many transactions were acknowledged as were asked for.
    ///
    /// # Errors
    /// When a writer gave up.
    pub async fn finished(mut self) -> Result<Ledger, WriterError> {
        self.joined().await
    }

    /// Ends the writers after the transactions that they are in.
    ///
    /// # Errors
    /// When a writer gave up before.
    pub async fn stop(mut self) -> Result<Ledger, WriterError> {
        // Without a receiver no writer is left.
        let _ = self.stop.send(true);
        self.joined().await
    }

    async fn joined(&mut self) -> Result<Ledger, WriterError> {
        let mut result = Ok(());
        while let Some(ended) = self.writers.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(WriterError::Panicked(error.to_string())));
            result = result.and(ended);
        }
        result.map(|()| self.ledger.now())
    }
}

struct Writer {
    number: usize,
    plan: Arc<Plan>,
    endpoint: watch::Receiver<Option<Endpoint>>,
    options: Options,
    ledger: SharedLedger,
    owners: Arc<Owners>,
    /// How many transactions are still to be begun.
    left: Option<Arc<AtomicU64>>,
    /// Tables that take no more rows, for all keys that they can have are used.
    full: BTreeSet<String>,
    /// Tables whose rows can't be changed.
    fixed: BTreeSet<String>,
}

/// What came of a transaction.
enum Ended {
    Acknowledged,
    InDoubt,
    Failed,
    /// It had nothing to do.
    Empty,
}

impl Writer {
    async fn run(mut self, mut stop: watch::Receiver<bool>, mut random: StdRng) -> Result<(), WriterError> {
        let plan = Arc::clone(&self.plan);
        let mut pool = Pool::default();
        let mut connected: Option<(Session, String)> = None;
        let mut idle = 0;
        while !*stop.borrow() && self.take() {
            if self.endpoint.has_changed().unwrap_or(false) {
                connected = None;
            }
            let Some((session, name)) = &mut connected else {
                self.give_back();
                let Some(endpoint) = self.endpoint.borrow_and_update().clone() else {
                    pause(&mut stop, PAUSE).await;
                    continue;
                };
                match Session::connect(&endpoint.target, Purpose::Rows, self.options.patience).await {
                    Ok(mut session) => {
                        if self.look_again(&plan, &mut session, &mut pool).await {
                            connected = Some((session, endpoint.name));
                        } else {
                            pause(&mut stop, PAUSE).await;
                        }
                    }
                    Err(_) => pause(&mut stop, PAUSE).await,
                }
                continue;
            };
            let name = name.clone();
            let (ended, is_usable) = self.transaction(&plan, session, &name, (&mut random, &mut pool)).await;
            if !is_usable {
                connected = None;
                pause(&mut stop, PAUSE).await;
            }
            match ended {
                Ended::Acknowledged => idle = 0,
                Ended::InDoubt | Ended::Failed => self.give_back(),
                Ended::Empty => {
                    self.give_back();
                    idle += 1;
                    if idle > IDLE {
                        let refused = self.book(|ledger| ledger.refused.values().next_back().cloned());
                        let reason =
                            refused.map(|refused| refused.reason).unwrap_or_else(|| "none".to_owned());
                        return Err(WriterError::Idle { writer: self.number, reason });
                    }
                }
            }
            if !self.options.pause.is_zero() {
                pause(&mut stop, self.options.pause).await;
            }
        }
        if let Some((session, _)) = connected {
            session.close().await;
        }
        Ok(())
    }

    /// Looks at every own row over a new connection, which may be to a server that lacks some of them, or has given their keys
    /// to others: those are not used any more. False when the connection broke.
    async fn look_again(&self, plan: &Plan, session: &mut Session, pool: &mut Pool) -> bool {
        let own: Vec<(String, OwnRow)> =
            pool.all().map(|(table, own)| (table.to_owned(), own.clone())).collect();
        for batch in own.chunks(BATCH) {
            let keys = batch.iter().map(|(table, own)| (table.as_str(), &own.key));
            let Ok(mut found) = read_rows(session, &plan.schema, keys).await else { return false };
            for (at, (table, own)) in batch.iter().enumerate() {
                let row = found.remove(&at).filter(|row| own.may_be(row));
                match row.filter(|_| self.owners.is(self.number, table, &own.key)) {
                    Some(values) => {
                        // Not one that was left alone with what it refers to.
                        if pool.of(table).iter().any(|one| one.key == own.key) {
                            pool.put(table, OwnRow { key: own.key.clone(), values });
                        }
                    }
                    None => pool.leave(&plan.schema, table, &own.key),
                }
            }
        }
        true
    }

    /// Takes one of the transactions that are left.
    fn take(&self) -> bool {
        let Some(left) = &self.left else { return true };
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn give_back(&self) {
        if let Some(left) = &self.left {
            left.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn book<T>(&self, write: impl FnOnce(&mut Ledger) -> T) -> T {
        self.ledger.change(write)
    }

    /// One transaction, and whether the connection is of use for another one.
    async fn transaction(
        &mut self,
        plan: &Plan,
        session: &mut Session,
        endpoint: &str,
        (random, pool): (&mut StdRng, &mut Pool),
    ) -> (Ended, bool) {
        let owners = Arc::clone(&self.owners);
        let mut work = match Work::begin(session, plan, random, pool, (&owners, self.number)).await {
            Ok(work) => work,
            Err(_) => return (Ended::Failed, false),
        };
        let changed = match self.change(&mut work, plan).await {
            Ok(()) => work.effects().await,
            Err(stop) => Err(stop),
        };
        let effects = match changed {
            Ok(effects) if effects.is_empty() => return (Ended::Empty, work.roll_back(false).await.is_ok()),
            Ok(effects) => effects,
            Err(stop) => {
                self.book(|ledger| ledger.failed += 1);
                // A server that takes no writes may be asked by another name next time.
                let is_broken = matches!(stop, Stop::Broken(_));
                let is_usable = work.roll_back(is_broken).await.is_ok() && !is_broken;
                return (Ended::Failed, is_usable && !is_read_only(&stop));
            }
        };
        let asked = Timestamp::now();
        let committed = work.commit().await;
        let (outcome, ended) = match &committed {
            Ok(()) => (Outcome::Acknowledged, Ended::Acknowledged),
            Err(error) if is_surely_rolled_back(error) => {
                work.restore();
                self.book(|ledger| ledger.failed += 1);
                return (Ended::Failed, false);
            }
            Err(_) => (Outcome::InDoubt, Ended::InDoubt),
        };
        if outcome == Outcome::InDoubt {
            work.restore();
            work.leave_alone();
        }
        self.book(|ledger| {
            ledger.add(Transaction {
                number: 0,
                writer: self.number,
                endpoint: endpoint.to_owned(),
                asked,
                ended: Timestamp::now(),
                outcome,
                effects,
            });
        });
        (ended, committed.is_ok())
    }

    /// One to four changes: most insert, and then often a row that refers to the new one; some change a row, some delete one.
    async fn change(&mut self, work: &mut Work<'_>, plan: &Plan) -> Result<(), Stop> {
        let mut parent: Option<(String, Vec<(String, String)>)> = None;
        for _ in 0..work.random.random_range(1..=4) {
            let kind = work.random.random_range(0..100);
            let done = if kind < 60 {
                let (table, forced) = match parent.take() {
                    Some(child) => child,
                    None => (self.table(work, plan), Vec::new()),
                };
                if table.is_empty() {
                    continue;
                }
                let is_free = forced.is_empty();
                match work.insert(&table, &forced).await {
                    Err(Stop::Refused { table: refused, reason, unique }) => {
                        if unique && is_free {
                            self.full.insert(refused.clone());
                        }
                        Err(Stop::Refused { table: refused, reason, unique })
                    }
                    Ok(own) => {
                        parent = own.and_then(|own| child_of(work, plan, &self.full, &table, &own));
                        Ok(())
                    }
                    Err(stop) => Err(stop),
                }
            } else {
                let with_rows: Vec<String> = work.pool.tables().cloned().collect();
                if with_rows.is_empty() {
                    continue;
                }
                let table = with_rows[work.random.random_range(0..with_rows.len())].clone();
                if kind >= 85 {
                    work.delete(&table).await.map(|_| ())
                } else if self.fixed.contains(&table) {
                    Ok(())
                } else {
                    let updated = work.update(&table).await;
                    if matches!(updated, Err(Stop::Refused { .. })) {
                        self.fixed.insert(table);
                    }
                    updated.map(|_| ())
                }
            };
            match done {
                Ok(()) => {}
                Err(Stop::Refused { table, reason, .. }) => self.book(|ledger| ledger.refuse(table, reason)),
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    /// A table to insert into; empty when there is none.
    fn table(&self, work: &mut Work<'_>, plan: &Plan) -> String {
        let tables: Vec<&String> = plan.written().filter(|name| !self.full.contains(*name)).collect();
        if tables.is_empty() {
            return String::new();
        }
        tables[work.random.random_range(0..tables.len())].clone()
    }
}

/// A table whose rows may refer to a row that was just inserted, with the values that do.
fn child_of(
    work: &mut Work<'_>,
    plan: &Plan,
    full: &BTreeSet<String>,
    table: &str,
    own: &OwnRow,
) -> Option<(String, Vec<(String, String)>)> {
    if work.random.random_bool(0.4) {
        return None;
    }
    let parent = plan.schema.tables.get(table)?;
    let children: Vec<_> = plan
        .written()
        .filter(|name| !full.contains(*name))
        .filter_map(|name| plan.schema.tables.get_key_value(name))
        .flat_map(|(name, child)| child.foreign_keys.iter().map(move |key| (name, key)))
        .filter(|(name, key)| {
            let numbered = |column: &String| {
                plan.schema
                    .tables
                    .get(*name)
                    .and_then(|child| child.column(column))
                    .is_some_and(|column| column.numbered)
            };
            key.parent == table && !key.columns.iter().any(numbered)
        })
        .collect();
    if children.is_empty() {
        return None;
    }
    let (name, key) = children[work.random.random_range(0..children.len())];
    let forced = key.columns.iter().zip(&key.parent_columns).map(|(own_name, theirs)| {
        let text = own.values.get(theirs)?.as_ref()?;
        Some((own_name.clone(), parent.column(theirs)?.literal(plan.schema.engine, text)))
    });
    Some((name.clone(), forced.collect::<Option<Vec<_>>>()?))
}

fn is_read_only(stop: &Stop) -> bool {
    matches!(stop, Stop::RolledBack(error) if crate::session::meaning(error) == crate::session::Meaning::ReadOnly)
}

/// Waits, or until it is to stop.
async fn pause(stop: &mut watch::Receiver<bool>, time: Duration) {
    let stopped = stop.wait_for(|stop| *stop);
    // The sender is gone when the load is: that is a reason to stop, too.
    let _ = tokio::time::timeout(time, stopped).await;
}
