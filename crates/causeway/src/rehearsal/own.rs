//! Whoever writes to databases of one's own, as the writers of a rehearsal: a generated load, or a program of the user's. And the
//! verdict on what they wrote, row by row.
//!
//! They write where the application's own DNS leads: to the Region that has the traffic, remembered for the record's time to
//! live. A program has one address for each database, which leads there ([`Forward`]), so that it need not know of DNS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runbook::plan::Reconcile;
use serde_json::Value;
use table_diff::Target;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use writeload::{
    Change, Checked, Compared, Divergence, Endpoint, Key, Ledger, Load, LostFate, Options, Plan, Program,
    ProgramDatabase, Row, Schema, SharedLedger, check, diverge, present,
};

use super::check::{Check, Names, Reported};
use super::forward::Forward;
use super::spelling::spelled;
use super::world::{World, reports_of};
use super::writers::{Judgement, Within, Writers};
use crate::Error;
use crate::live::story::LostWrite;
use crate::tally::{Count, Tally, Words};

/// What those who write are called.
pub const WRITERS: Words = Words {
    who: "writers",
    act: "write",
    goes_on: "go on writing",
    many: "transactions",
    what: "the application",
};

/// How many write to a database at once.
const AT_ONCE: usize = 3;
/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a program may acknowledge nothing: longer than any outage that is a success.
pub const SILENCE: Duration = Duration::from_secs(90);
/// How long before it is read a program's line may have been true.
const LATE: SignedDuration = SignedDuration::from_secs(1);

/// Where an application finds its databases.
pub trait Route: Send + Sync + 'static {
    /// The Region that DNS answers with now; none when no Region has traffic.
    fn region(&self) -> Option<String>;
    /// A database's server in a Region.
    fn database(&self, region: &str, database: &str) -> Option<Target>;
}

/// A database that is written to.
pub struct OwnDatabase {
    /// Its name in the plan.
    name: String,
    /// Its tables.
    schema: Schema,
    /// Which of them can be written, where a load is to be generated.
    plan: Option<Arc<Plan>>,
    /// Tables that the recovery plan leaves out of the comparison: nothing is reported of them.
    excluded: BTreeSet<String>,
}

impl OwnDatabase {
    /// A database of this schema, which the recovery plan compares so.
    pub fn new(name: &str, schema: Schema, plan: Option<Plan>, compared: &Reconcile) -> Self {
        let is_excluded = |table: &&String| {
            compared.exclude.contains(table)
                || !(compared.tables.is_empty() || compared.tables.contains(table))
        };
        let excluded = schema.tables.keys().filter(is_excluded).cloned().collect();
        Self { name: name.to_owned(), schema, plan: plan.map(Arc::new), excluded }
    }
}

/// Who writes.
#[derive(Debug, Clone)]
pub enum Writer {
    /// So many transactions a second, made up by the seed.
    Generated(f64),
    /// This command.
    Program(String),
}

/// Whoever writes to databases of one's own.
pub struct Own {
    databases: Vec<OwnDatabase>,
    writer: Writer,
    seed: u64,
    ttl: Duration,
    route: Arc<dyn Route>,
    seen: Arc<Seen>,
    running: Option<Running>,
    following: Vec<JoinHandle<()>>,
    judged: OnceLock<Judged>,
}

/// What was found of the report, for what comes after it.
struct Judged {
    /// Rows with a key that the new primary never had, by database.
    missing: BTreeMap<String, BTreeSet<(String, Key)>>,
    checks: Vec<Check>,
}

enum Running {
    Loads(Vec<(String, Load)>),
    Program(Mutex<Program>),
}

/// What they have seen acknowledged.
#[derive(Default)]
struct Seen {
    started: OnceLock<(Instant, Timestamp)>,
    ledgers: OnceLock<BTreeMap<String, SharedLedger>>,
}

impl Seen {
    fn ledgers(&self) -> impl Iterator<Item = (&String, &SharedLedger)> {
        self.ledgers.get().into_iter().flatten()
    }

    /// The ledger's time of a moment.
    fn since_start(&self, at: Timestamp) -> Duration {
        let started = self.started.get().map_or(at, |(_, started)| *started);
        Duration::try_from(at.duration_since(started)).unwrap_or_default()
    }
}

impl Count for Seen {
    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (_, ledger) in self.ledgers() {
            ledger.with(|ledger| {
                let seen =
                    ledger.acknowledged().map(|one| (one.endpoint.clone(), self.since_start(one.ended)));
                tally.accepted.extend(seen);
                let in_doubt = ledger.transactions.len() - ledger.acknowledged().count();
                tally.errors += in_doubt + usize::try_from(ledger.failed).unwrap_or_default();
            });
        }
        tally
    }
}

impl Own {
    /// Whoever writes to these databases, found by this route.
    pub fn new(
        databases: Vec<OwnDatabase>,
        writer: Writer,
        seed: u64,
        (route, ttl): (Arc<dyn Route>, Duration),
    ) -> Self {
        let seen = Arc::default();
        Self {
            databases,
            writer,
            seed,
            ttl,
            route,
            seen,
            running: None,
            following: Vec::new(),
            judged: OnceLock::new(),
        }
    }

    fn load(&mut self, rate: f64) -> Running {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let writers = (AT_ONCE * self.databases.len()) as f64;
        let mut loads = Vec::new();
        for database in &self.databases {
            let (moves, endpoint) = watch::channel(None);
            let (route, name) = (Arc::clone(&self.route), database.name.clone());
            // None while no Region has traffic.
            let now = move || {
                let region = route.region();
                let target = region.as_ref().and_then(|region| route.database(region, &name));
                Some(region.zip(target).map(|(name, target)| Endpoint { name, target }))
            };
            self.following.push(follow(self.ttl, moves, now));
            let options = Options {
                seed: self.seed,
                writers: AT_ONCE,
                pause: Duration::from_secs_f64(writers / rate),
                patience: PATIENCE,
                ..Options::default()
            };
            if let Some(plan) = &database.plan {
                loads.push((database.name.clone(), Load::start(plan, &endpoint, options)));
            }
        }
        Running::Loads(loads)
    }

    async fn program(&mut self, command: &str, world: &impl World) -> Result<Running, Error> {
        let mut databases = Vec::new();
        for database in &self.databases {
            let (moves, address) = watch::channel(None);
            let (route, name) = (Arc::clone(&self.route), database.name.clone());
            let now = move || Some(route.region().and_then(|region| route.database(&region, &name)));
            self.following.push(follow(self.ttl, moves, now));
            let mut regions = Vec::new();
            for region in [world.from(), world.to()] {
                let target = world.database(region, &database.name).await?;
                regions.push(Endpoint { name: region.to_owned(), target });
            }
            let (endpoint, forwarding) = Forward::open(&regions[0].target, address).await?;
            self.following.push(forwarding);
            databases.push(ProgramDatabase {
                name: database.name.clone(),
                endpoint,
                regions,
                schema: database.schema.clone(),
            });
        }
        let (moves, region) = watch::channel(world.from().to_owned());
        let route = Arc::clone(&self.route);
        self.following.push(follow(self.ttl, moves, move || route.region()));
        let program = Program::start(command, databases, self.seed, SILENCE, region)?;
        Ok(Running::Program(Mutex::new(program)))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.following.iter().for_each(JoinHandle::abort);
    }
}

/// Says what is so now, as often as DNS is asked; what is not known stays as it was.
fn follow<T: PartialEq + Send + Sync + 'static>(
    ttl: Duration,
    moves: watch::Sender<T>,
    now: impl Fn() -> Option<T> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            if let Some(now) = now() {
                moves.send_if_modified(|known| {
                    let changed = *known != now;
                    *known = now;
                    changed
                });
            }
            tokio::time::sleep(ttl).await;
        }
    })
}

impl Writers for Own {
    fn words(&self) -> Words {
        WRITERS
    }

    async fn start(&mut self, world: &impl World) -> Result<String, Error> {
        let (running, how) = match self.writer.clone() {
            Writer::Generated(rate) => {
                (self.load(rate), format!("writing, about {rate} transactions a second"))
            }
            Writer::Program(command) => (self.program(&command, world).await?, format!("`{command}` writes")),
        };
        let ledgers = match &running {
            Running::Loads(loads) => loads.iter().map(|(name, load)| (name.clone(), load.ledger())).collect(),
            Running::Program(program) => program.lock().await.ledgers(),
        };
        // Started once: they were not there before.
        let _ = self.seen.started.set((Instant::now(), Timestamp::now()));
        let _ = self.seen.ledgers.set(ledgers);
        self.running = Some(running);
        Ok(format!("{how}; DNS answers {}", world.from()))
    }

    fn elapsed(&self) -> Duration {
        self.seen.started.get().map(|(started, _)| started.elapsed()).unwrap_or_default()
    }

    fn count(&self) -> Arc<dyn Count> {
        Arc::clone(&self.seen) as _
    }

    async fn failed(&self) -> Error {
        match &self.running {
            Some(Running::Program(program)) => program.lock().await.failed().await.into(),
            // A load tries again whatever happens, and says in the end when it could not go on.
            _ => std::future::pending().await,
        }
    }

    fn leave_the_others(&self) {
        // What they wrote meanwhile, the verdict knows.
    }

    async fn stop(&mut self) -> Result<(), Error> {
        let stopped = match self.running.take() {
            Some(Running::Loads(loads)) => {
                let stopped = futures::future::join_all(loads.into_iter().map(|(_, load)| load.stop())).await;
                stopped.into_iter().try_for_each(|ended| ended.map(drop)).map_err(Error::from)
            }
            Some(Running::Program(program)) => {
                program.into_inner().stop().await.map(drop).map_err(Error::from)
            }
            None => Ok(()),
        };
        self.following.drain(..).for_each(|task| task.abort());
        stopped
    }

    async fn judge(
        &self,
        world: &impl World,
        reported: &[Reported],
        within: Within,
    ) -> Result<Judgement, Error> {
        let mut verdict = Verdict::default();
        let (mut missing, mut failed, mut in_doubt) = (Vec::new(), 0_u64, 0);
        for database in &self.databases {
            let (ledger, checked) = self.checked(world, database).await?;
            let late = match self.writer {
                Writer::Generated(_) => SignedDuration::ZERO,
                Writer::Program(_) => LATE,
            };
            let divergence = diverge(&ledger, &checked, Compared { old: world.from(), within, late });
            let of_database = reported.iter().filter(|row| row.database == database.name);
            verdict.add(database, &divergence, of_database);
            let partly = checked
                .partly
                .iter()
                .map(|one| format!("{}: transaction {}", database.name, one.transaction));
            verdict.partly.extend(partly);
            failed += ledger.failed;
            in_doubt += ledger.transactions.len() - checked.acknowledged;
            missing.extend(self.lost_writes(&database.name, &ledger, &checked));
        }
        missing.sort_by_key(|write| write.at);
        let saw =
            format!("{failed} transactions failed before their end; of {in_doubt} the end was not answered");
        let checks = verdict.checks();
        // It is judged once.
        let _ = self.judged.set(Judged { missing: verdict.missing, checks: checks.clone() });
        Ok(Judgement { checks, missing, saw: vec![["writers".into(), saw]] })
    }

    async fn still_lost(&self, world: &impl World, replayed: &str) -> Result<Vec<Check>, Error> {
        let file = format!("{}replay.json", reports_of(world, replayed));
        let report: Value = serde_json::from_slice(&world.read_report(&file).await?)?;
        let claimed = left_by(&report["rows"]);
        let judged = self.judged.get().ok_or("nothing was judged before the replay")?;
        let mut absent = 0;
        for database in &self.databases {
            let missing = judged.missing.get(&database.name).cloned().unwrap_or_default();
            let target = world.database(world.to(), &database.name).await?;
            let there = present(&target, missing.iter().cloned(), PATIENCE).await;
            let there =
                there.map_err(|error| format!("the database {} can't be read: {error}", database.name))?;
            absent += missing.len() - there.len();
        }
        let left = |check: &Check| Check { lost: check.lost, overlooked: Vec::new(), ..check.clone() };
        let mut checks: Vec<Check> = judged.checks.iter().map(left).collect();
        if let Some(rows) = checks.first_mut() {
            rows.lost = absent;
            if absent == claimed {
                rows.why_left = "what they belong to is gone, or their place is taken: the report of the replay names each";
            }
        }
        Ok(checks)
    }
}

/// How many rows with a key a replay says that it has left. Those without one it does not try.
fn left_by(rows: &Value) -> usize {
    let rows = rows.as_object().into_iter().flatten();
    let left = rows.filter(|(what, _)| !["there", "notTried"].contains(&what.as_str()));
    left.filter_map(|(_, count)| usize::try_from(count.as_u64()?).ok()).sum()
}

impl Own {
    /// What the new primary has of a database's ledger.
    async fn checked(&self, world: &impl World, database: &OwnDatabase) -> Result<(Ledger, Checked), Error> {
        let name = &database.name;
        let ledger = self.seen.ledgers().find(|(of, _)| *of == name).map(|(_, ledger)| ledger.now());
        let ledger = ledger.unwrap_or_default();
        let target = world.database(world.to(), name).await?;
        let checked = check(&target, &ledger, PATIENCE, |_, _| {}).await;
        Ok((
            ledger,
            checked
                .map_err(|error| format!("the database {name} can't be held against the ledger: {error}"))?,
        ))
    }

    /// The transactions that had been acknowledged and are lost.
    fn lost_writes(&self, database: &str, ledger: &Ledger, checked: &Checked) -> Vec<LostWrite> {
        let lost = ledger.transactions.iter().filter(|one| checked.lost.contains(&one.number));
        let lost = lost.map(|one| LostWrite {
            name: format!("{database}, transaction {}", one.number),
            what: what_it_did(&one.effects),
            at: self.seen.since_start(one.ended),
        });
        lost.collect()
    }
}

fn what_it_did(effects: &[writeload::Effect]) -> String {
    let Some(first) = effects.first() else { return "nothing".to_owned() };
    let word = match first.change {
        Change::Insert(_) => "inserted into",
        Change::Update(_) => "changed in",
        Change::Delete => "deleted from",
    };
    let more = match effects.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("a row {word} {}{more}", first.table)
}

/// What is gathered for the checks, of all databases.
#[derive(Default)]
struct Verdict {
    /// Really lost, by what it is called.
    lost: BTreeMap<LostFate, Names>,
    /// Reported, by the same.
    reported: BTreeMap<LostFate, Names>,
    /// Rows without a key: so many are lost, and reported.
    equal: [Names; 2],
    /// Rows with a key that the new primary never had, by database.
    missing: BTreeMap<String, BTreeSet<(String, Key)>>,
    doubtful: Names,
    partly: Vec<String>,
}

impl Verdict {
    fn add<'a>(
        &mut self,
        database: &OwnDatabase,
        divergence: &Divergence,
        reported: impl Iterator<Item = &'a Reported>,
    ) {
        let known = Known::of(database, divergence);
        let names: Names = divergence.known.iter().map(|place| known.name(place)).collect();
        self.doubtful.extend(divergence.doubtful.iter().map(|place| known.name(place)));
        let mut found: BTreeMap<String, BTreeSet<LostFate>> = BTreeMap::new();
        let mut times: BTreeMap<(String, LostFate), usize> = BTreeMap::new();
        for row in reported {
            let Some(fate) = fate(&row.kind) else { continue };
            let (name, has_key) = known.reported(row);
            // What the ledger does not know, a trigger may have written, where there is one.
            let is_doubtful = known.has_triggers() && !names.contains(&name);
            let name = if has_key {
                name
            } else {
                let time = times.entry((name.clone(), fate)).or_default();
                *time += 1;
                format!("{name} #{time}")
            };
            if is_doubtful {
                self.doubtful.insert(name.clone());
            }
            if has_key {
                found.entry(name.clone()).or_default().insert(fate);
                self.reported.entry(fate).or_default().insert(name);
            } else {
                self.equal[1].insert(name);
            }
        }
        for (place, fates) in divergence.rows.iter().filter(|(place, _)| !known.is_excluded(place)) {
            let name = known.name(place);
            let called = found.get(&name).and_then(|called| called.intersection(fates).next());
            let fate = called.or_else(|| fates.first()).copied();
            let Some(fate) = fate else { continue };
            self.lost.entry(fate).or_default().insert(name);
            if let ((table, Row::Key(key)), LostFate::Missing) = (place, fate) {
                let missing = self.missing.entry(database.name.clone()).or_default();
                missing.insert((table.clone(), key.clone()));
            }
        }
        for (place, count) in divergence.equal_rows.iter().filter(|(place, _)| !known.is_excluded(place)) {
            let names = (1..=*count).map(|time| format!("{} #{time}", known.name(place)));
            self.equal[0].extend(names);
        }
    }

    fn checks(&self) -> Vec<Check> {
        let is_doubtful = |name: &str| {
            self.doubtful.contains(name)
                || name.rsplit_once(" #").is_some_and(|(name, _)| self.doubtful.contains(name))
        };
        let none = Names::new();
        let of = |what, fate: LostFate| {
            let (lost, reported) = (self.lost.get(&fate), self.reported.get(&fate));
            Check::of(what, lost.unwrap_or(&none), reported.unwrap_or(&none), &is_doubtful)
        };
        let both = "the rows are on both sides: for a person to decide";
        let partly: Names = self.partly.iter().cloned().collect();
        vec![
            of("rows", LostFate::Missing),
            Check::of("without a key", &self.equal[0], &self.equal[1], &is_doubtful)
                .left("the table has no key: whether a row is there is not known"),
            of("updates", LostFate::LostUpdate).left(both),
            of("deletes", LostFate::LostDelete).left("nothing is deleted: for a person to decide"),
            of("conflicts", LostFate::Conflict).left(both),
            Check { lost: 0, ..Check::of("half there", &partly, &Names::new(), &|_| false) },
        ]
    }
}

/// What the report calls a fate.
fn fate(kind: &str) -> Option<LostFate> {
    match kind {
        "missing" => Some(LostFate::Missing),
        "lost update" => Some(LostFate::LostUpdate),
        "lost delete" => Some(LostFate::LostDelete),
        "conflict" => Some(LostFate::Conflict),
        _ => None,
    }
}

/// What the ledger knows of a database, to find the report's rows in it.
struct Known<'a> {
    database: &'a OwnDatabase,
    /// Tables that the ledger names, in small letters, each with the columns that name its rows, and whether they are its key.
    tables: BTreeMap<String, (Vec<String>, bool)>,
}

impl<'a> Known<'a> {
    fn of(database: &'a OwnDatabase, divergence: &Divergence) -> Self {
        let mut tables = BTreeMap::new();
        for (table, row) in &divergence.known {
            let (columns, is_key): (Vec<String>, bool) = match row {
                Row::Key(key) => (key.keys().cloned().collect(), true),
                Row::Content(values) => (values.keys().cloned().collect(), false),
            };
            tables.entry(table.to_lowercase()).or_insert((columns, is_key));
        }
        Self { database, tables }
    }

    fn schema(&self) -> &Schema {
        &self.database.schema
    }

    fn is_excluded(&self, (table, _): &(String, Row)) -> bool {
        self.database.excluded.contains(table)
    }

    /// What a row of the ledger is called.
    fn name(&self, (table, row): &(String, Row)) -> String {
        let columns: Vec<(String, Option<String>)> = match row {
            Row::Key(key) => key.iter().map(|(name, text)| (name.clone(), Some(text.clone()))).collect(),
            Row::Content(values) => values.iter().map(|(name, text)| (name.clone(), text.clone())).collect(),
        };
        let spell = |(name, text): (String, Option<String>)| {
            let column = self.schema().tables.get(table).and_then(|table| table.column(&name));
            format!("{}={}", name.to_lowercase(), spelled(column, text.as_deref(), true))
        };
        let row: Vec<String> = columns.into_iter().map(spell).collect();
        format!("{}.{} {}", self.database.name, table.to_lowercase(), row.join(" "))
    }

    fn has_triggers(&self) -> bool {
        self.schema().tables.values().any(|table| table.has_triggers)
    }

    /// What a row of the report is called, and whether it has a key.
    fn reported(&self, row: &Reported) -> (String, bool) {
        let found = self.schema().tables.iter().find(|(name, _)| name.to_lowercase() == row.table);
        let Some((columns, is_key)) = self.tables.get(&row.table) else {
            // A table that nobody writes to, but for a trigger.
            return (format!("{}.{} {}", self.database.name, row.table, row.source), true);
        };
        let spell = |name: &String| {
            let column = found.and_then(|(_, table)| table.column(name));
            let name = name.to_lowercase();
            let text = row.source[&name].as_str();
            format!("{name}={}", spelled(column, text, false))
        };
        let columns: Vec<String> = columns.iter().map(spell).collect();
        (format!("{}.{} {}", self.database.name, row.table, columns.join(" ")), *is_key)
    }
}
