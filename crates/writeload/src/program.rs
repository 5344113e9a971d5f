//! A program of the user's in the place of the generated load. It writes by itself, and says on its standard output what was
//! acknowledged to it: a line of JSON for each row, when COMMIT was answered.
//!
//! ```json
//! {"table": "orders", "key": {"id": 57}, "op": "insert"}
//! ```
//!
//! `op` is `insert`, `update` or `delete`. `database` names the database where the program has several; `region` says which Region
//! answered: the one that the endpoint leads to where the line says none. A table of PostgreSQL outside of `public` has its schema before it. Bytes in a key are in hexadecimal, as the server
//! prints them.
//!
//! The program is run by `sh -c`, in a process group of its own, and finds in its environment, for a database `orders`:
//!
//! | variable | what it is |
//! |---|---|
//! | `CAUSEWAY_WRITER_URL_ORDERS` | the endpoint that the application writes to, as a URL with user and password |
//! | `CAUSEWAY_WRITER_URL_ORDERS_SANDBOX_EAST` | that of one Region; one for each |
//! | `CAUSEWAY_WRITER_SEED` | the seed of the drill |
//!
//! What a name has beside letters and digits is `_` there. It is ended with its whole group: first asked (`TERM`), then, after two seconds, not asked (`KILL`);
//! what it wrote until then counts. A program that ends by itself, or is silent for too long, or whose words can't be true
//! ([`ProgramError`]) is ended at once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::Value;
use table_diff::{Engine, Target};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ledger::{Change, Effect, Key, Ledger, Outcome, Row, SharedLedger, Transaction, Values};
use crate::load::Endpoint;
use crate::schema::Schema;

/// How long a program that was asked to end may take.
const GRACE: Duration = Duration::from_secs(2);
/// How long a line may be.
const LONGEST: u64 = 64 * 1024;
/// How much of its standard error is kept.
const TAIL: usize = 2000;

/// A database that a program writes to.
#[derive(Debug, Clone)]
pub struct ProgramDatabase {
    /// Its name in the plan.
    pub name: String,
    /// The endpoint that the application writes to, then those of each Region.
    pub endpoint: Target,
    /// By Region.
    pub regions: Vec<Endpoint>,
    /// Its tables: the program may name no others.
    pub schema: Schema,
}

/// What ended a program, or what it said that can't be.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It can't be run.
    #[error("the writer can't be started: {cause}")]
    Start {
        /// The system's words.
        #[source]
        cause: std::io::Error,
    },
    /// It ended by itself.
    #[error("the writer died: it ended with {status}{}", said(stderr))]
    Died {
        /// How it ended.
        status: String,
        /// The last that it wrote to its standard error; empty when it wrote nothing.
        stderr: String,
    },
    /// It acknowledged nothing for too long.
    #[error("the writer hangs: it has acknowledged nothing for {seconds} s")]
    Silent {
        /// For how long.
        seconds: u64,
    },
    /// A line is no JSON, or not of the form that is asked for.
    #[error("the writer's line {line} is not what a writer says: {cause}: {text}")]
    NotJson {
        /// The number of the line, from 1.
        line: u64,
        /// Its beginning.
        text: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It names a database, a table or a column that is not there.
    #[error("the writer's line {line} names {what}, which is not there")]
    Unknown {
        /// The number of the line, from 1.
        line: u64,
        /// What it names.
        what: String,
    },
    /// A key was acknowledged as inserted that it had acknowledged as inserted before, and not as deleted.
    #[error("the writer lies: its line {line} has the key {key} of table {table} inserted a second time")]
    Twice {
        /// The number of the line, from 1.
        line: u64,
        /// The table.
        table: String,
        /// The key, as JSON.
        key: String,
    },
    /// Its output can't be read.
    #[error("the writer's output can't be read: {cause}")]
    Output {
        /// The system's words.
        #[source]
        cause: std::io::Error,
    },
}

fn said(stderr: &str) -> String {
    let last = stderr.trim().lines().last().unwrap_or_default();
    if last.is_empty() { String::new() } else { format!(", and said: {last}") }
}

/// A program that is running. Its group is killed when this is dropped.
pub struct Program {
    ledgers: BTreeMap<String, SharedLedger>,
    stop: watch::Sender<bool>,
    reader: JoinHandle<Result<(), ProgramError>>,
    group: Group,
}

/// The process group of a program.
#[derive(Debug, Clone, Copy)]
struct Group(Option<Pid>);

impl Group {
    fn signal(self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that is gone can't be signalled, and need not.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Program {
    /// Starts a program. It may be silent for `silence`; `region` is the one that its endpoint leads to.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(
        command: &str,
        databases: Vec<ProgramDatabase>,
        seed: u64,
        silence: Duration,
        region: watch::Receiver<String>,
    ) -> Result<Self, ProgramError> {
        let mut run = Command::new("sh");
        run.arg("-c").arg(command).process_group(0).kill_on_drop(true);
        run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        run.env("CAUSEWAY_WRITER_SEED", seed.to_string());
        for (name, value) in environment(&databases) {
            run.env(name, value);
        }
        let mut child = run.spawn().map_err(|cause| ProgramError::Start { cause })?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let ledgers: BTreeMap<String, SharedLedger> =
            databases.iter().map(|database| (database.name.clone(), SharedLedger::default())).collect();
        let (stop, stopped) = watch::channel(false);
        let missing = || ProgramError::Start { cause: std::io::Error::other("it has no standard output") };
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let reader = Reader {
            child,
            group,
            databases,
            ledgers: ledgers.clone(),
            present: BTreeSet::new(),
            region,
            line: 0,
            silence,
        };
        let reader = tokio::spawn(reader.run(BufReader::new(output), errors, stopped));
        Ok(Self { ledgers, stop, reader, group })
    }

    /// The ledgers, which go on being written, by database.
    pub fn ledgers(&self) -> BTreeMap<String, SharedLedger> {
        self.ledgers.clone()
    }

    /// Waits until something is wrong with it.
    pub async fn failed(&mut self) -> ProgramError {
        match (&mut self.reader).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => ProgramError::Died { status: "its output closed".into(), stderr: String::new() },
            Err(error) => ProgramError::Output { cause: std::io::Error::other(error) },
        }
    }

    /// Ends it with its group, and gives what it acknowledged, by database.
    ///
    /// # Errors
    /// When something was wrong with it before.
    pub async fn stop(mut self) -> Result<BTreeMap<String, Ledger>, ProgramError> {
        // Without a receiver it has ended already.
        let _ = self.stop.send(true);
        let ended = (&mut self.reader).await;
        ended.unwrap_or_else(|error| Err(ProgramError::Output { cause: std::io::Error::other(error) }))?;
        Ok(self.ledgers.iter().map(|(name, ledger)| (name.clone(), ledger.now())).collect())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The number of a group that is gone may be another's: the reader has killed it then.
        if !self.reader.is_finished() {
            self.group.signal(Signal::KILL);
            self.reader.abort();
        }
    }
}

/// The variables that say where the databases are.
fn environment(databases: &[ProgramDatabase]) -> Vec<(String, String)> {
    let variable = |name: &str| -> String {
        let plain = |one: char| if one.is_ascii_alphanumeric() { one.to_ascii_uppercase() } else { '_' };
        name.chars().map(plain).collect()
    };
    let mut found = Vec::new();
    for database in databases {
        let name = format!("CAUSEWAY_WRITER_URL_{}", variable(&database.name));
        for region in &database.regions {
            found.push((format!("{name}_{}", variable(&region.name)), url(&region.target)));
        }
        found.push((name, url(&database.endpoint)));
    }
    found
}

fn url(target: &Target) -> String {
    let scheme = match target.engine {
        Engine::MySql => "mysql",
        Engine::Postgres => "postgres",
    };
    let encoded = |text: &str| -> String {
        let one = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        };
        text.bytes().map(one).collect()
    };
    format!(
        "{scheme}://{}:{}@{}:{}/{}",
        encoded(&target.user),
        encoded(&target.password),
        target.host,
        target.port,
        encoded(&target.database)
    )
}

/// A line of a program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    database: Option<String>,
    region: Option<String>,
    table: String,
    key: serde_json::Map<String, Value>,
    op: Op,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Insert,
    Update,
    Delete,
}

/// Reads what a program says, for as long as it is to run.
struct Reader {
    child: Child,
    group: Group,
    databases: Vec<ProgramDatabase>,
    ledgers: BTreeMap<String, SharedLedger>,
    /// Keys that were inserted and not deleted, by Region, database and table: what a failover lost may be inserted again elsewhere.
    present: BTreeSet<(String, String, String, Key)>,
    /// The Region that the endpoint leads to.
    region: watch::Receiver<String>,
    line: u64,
    silence: Duration,
}

impl Reader {
    async fn run(
        mut self,
        output: BufReader<ChildStdout>,
        errors: ChildStderr,
        stop: watch::Receiver<bool>,
    ) -> Result<(), ProgramError> {
        let tail = tokio::spawn(tail(errors));
        let read = self.read(output, stop).await;
        self.group.signal(Signal::KILL);
        let status = self.child.wait().await;
        let Err(ProgramError::Died { .. }) = read else {
            tail.abort();
            return read;
        };
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let stderr = tokio::time::timeout(GRACE, tail).await.ok().and_then(Result::ok).unwrap_or_default();
        Err(ProgramError::Died { status, stderr })
    }

    async fn read(
        &mut self,
        mut output: BufReader<ChildStdout>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), ProgramError> {
        let mut line = Vec::new();
        loop {
            let read = tokio::select! {
                biased;
                read = tokio::time::timeout(self.silence, next_line(&mut output, &mut line)) => read,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Ok(read) = read else {
                return Err(ProgramError::Silent { seconds: self.silence.as_secs() });
            };
            if !self.took(read, &mut line)? {
                // How it ended is asked for by the caller, once its group is gone: a child of its may hold the output open.
                let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
                return Err(ProgramError::Died { status: String::new(), stderr: String::new() });
            }
        }
        self.group.signal(Signal::TERM);
        let end = tokio::time::Instant::now() + GRACE;
        while let Ok(read) = tokio::time::timeout_at(end, next_line(&mut output, &mut line)).await {
            if !self.took(read, &mut line)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a line that was read; false at the end.
    fn took(&mut self, read: std::io::Result<usize>, line: &mut Vec<u8>) -> Result<bool, ProgramError> {
        let bytes = read.map_err(|cause| ProgramError::Output { cause })?;
        if bytes == 0 && line.is_empty() {
            return Ok(false);
        }
        self.line += 1;
        let text = String::from_utf8_lossy(line).trim().to_owned();
        line.clear();
        if !text.is_empty() {
            self.take(&text)?;
        }
        Ok(true)
    }

    fn take(&mut self, text: &str) -> Result<(), ProgramError> {
        let line = self.line;
        let not =
            |cause: String| ProgramError::NotJson { line, text: text.chars().take(120).collect(), cause };
        let unknown = |what: String| ProgramError::Unknown { line, what };
        let said: Said = serde_json::from_str(text).map_err(|error| not(error.to_string()))?;
        let database = match &said.database {
            Some(name) => self
                .databases
                .iter()
                .find(|one| one.name == *name)
                .ok_or_else(|| unknown(format!("database {name}")))?,
            None if self.databases.len() == 1 => &self.databases[0],
            None => return Err(not("there are several databases, and it names none".into())),
        };
        let shape = database.schema.tables.get(&said.table);
        let shape = shape.ok_or_else(|| unknown(format!("table {}", said.table)))?;
        if said.key.is_empty() {
            return Err(not("its key has no columns".into()));
        }
        let mut key = Key::new();
        for (name, value) in &said.key {
            if shape.column(name).is_none() {
                return Err(unknown(format!("column {name} of table {}", said.table)));
            }
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                _ => return Err(not(format!("the value of {name} is no text, no number and no boolean"))),
            };
            key.insert(name.clone(), text);
        }
        let region = said.region.unwrap_or_else(|| self.region.borrow().clone());
        let present = (region.clone(), database.name.clone(), said.table.clone(), key.clone());
        let change = match said.op {
            Op::Insert if !self.present.insert(present.clone()) => {
                let key = Value::Object(said.key).to_string();
                return Err(ProgramError::Twice { line, table: said.table, key });
            }
            Op::Insert => Change::Insert(Values::new()),
            Op::Update => Change::Update(Values::new()),
            Op::Delete => {
                self.present.remove(&present);
                Change::Delete
            }
        };
        let now = Timestamp::now();
        let transaction = Transaction {
            number: 0,
            writer: 0,
            endpoint: region,
            asked: now,
            ended: now,
            outcome: Outcome::Acknowledged,
            effects: vec![Effect { table: said.table, row: Row::Key(key), change }],
        };
        if let Some(ledger) = self.ledgers.get(&present.1) {
            ledger.change(|ledger| ledger.add(transaction));
        }
        Ok(())
    }
}

/// Reads on to the end of a line, or as much as a line may have. What was read before it was given up is kept.
async fn next_line(output: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> std::io::Result<usize> {
    let left = LONGEST.saturating_sub(line.len() as u64);
    output.take(left).read_until(b'\n', line).await
}

/// The last of what a program writes to its standard error.
async fn tail(mut errors: ChildStderr) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = errors.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        let over = kept.len().saturating_sub(TAIL);
        kept.drain(..over);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
