//! A server of its own for a test, MariaDB or MySQL itself, gone when the value is dropped.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use table_diff::{
    Copies, Counts, Cursor, Difference, Engine, KeyRange, Options, Progress, Server, Side, Sink, Table,
    TableSummary, Target, Tls, check_ranges, compare_range, compare_table, key_ranges,
};

pub struct TestServer {
    process: Child,
    folder: tempfile::TempDir,
    pub port: u16,
    /// MySQL's default authentication asks for an encrypted connection; it makes itself a certificate.
    tls: bool,
}

/// Where `tests/setup.sh mysql` unpacks MySQL.
const MYSQL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/mysql/root");

impl TestServer {
    pub fn mariadb() -> Self {
        Self::mariadb_with(&[])
    }

    /// MariaDB with options of its own.
    pub fn mariadb_with(options: &[&str]) -> Self {
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--user=root", "--skip-test-db"]);
        install.arg("--auth-root-authentication-method=normal");
        let mut server = Command::new("mariadbd");
        server.arg("--no-defaults");
        Self::run(install, server, false, options)
    }

    /// MySQL; `None`, and said so, where it is not there.
    pub fn mysql() -> Option<Self> {
        if !Path::new(MYSQL).join("usr/sbin/mysqld").exists() {
            rehearsals::parts::missing("mysql", "there is no MySQL in target/mysql");
            return None;
        }
        // Its libraries are those of another release: it runs with their own loader.
        let command = || {
            let mut command = Command::new(format!("{MYSQL}/usr/lib64/ld-linux-x86-64.so.2"));
            command.arg("--library-path").arg(format!("{MYSQL}/usr/lib/x86_64-linux-gnu"));
            command.arg(format!("{MYSQL}/usr/sbin/mysqld")).args(["--no-defaults", "--secure-file-priv="]);
            command.arg(format!("--lc-messages-dir={MYSQL}/usr/share/mysql"));
            command.arg(format!("--character-sets-dir={MYSQL}/usr/share/mysql/charsets"));
            command
        };
        let (mut install, mut server) = (command(), command());
        install.args(["--user=root", "--initialize-insecure"]);
        server.args(["--mysqlx=OFF", "--skip-log-bin"]);
        Some(Self::run(install, server, true, &[]))
    }

    /// Runs a server with what all of them are given.
    fn run(mut install: Command, mut server: Command, tls: bool, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        // Servers that share a temporary folder remove each other's tables.
        let folders =
            [format!("--datadir={}", path("data")), format!("--tmpdir={}", folder.path().display())];
        let made = install.args(&folders).stdin(Stdio::null()).output();
        let made =
            made.unwrap_or_else(|error| panic!("{install:?} can't be run ({error}): run `make setup`"));
        assert!(made.status.success(), "{install:?}: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = server
            .args(["--user=root", "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args(["--innodb-buffer-pool-size=128M", "--innodb-flush-log-at-trx-commit=0"])
            .args(["--default-time-zone=+05:00", "--max-allowed-packet=64M"])
            .arg("--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH")
            .args(&folders)
            .arg(format!("--socket={}", path("s")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--port={port}"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{server:?} can't be run ({error}): run `make setup`"));
        let mut server = Self { process, folder, port, tls };
        for _ in 0..600 {
            if server
                .client("")
                .arg("-e")
                .arg("CREATE USER u@'%' IDENTIFIED BY 'p'; GRANT ALL ON *.* TO u@'%'")
                .output()
                .unwrap()
                .status
                .success()
            {
                return server;
            }
            if let Some(status) = server.process.try_wait().unwrap() {
                panic!(
                    "the server ended with {status}: {}",
                    std::fs::read_to_string(server.folder.path().join("log")).unwrap()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not answer");
    }

    pub fn client(&self, database: &str) -> Command {
        let mut command = Command::new("mariadb");
        command
            .args([
                "--no-defaults",
                "--user=root",
                "--default-character-set=utf8mb4",
                "--max-allowed-packet=64M",
            ])
            .arg("--init-command=SET sql_mode = '', time_zone = '+00:00'")
            .arg(format!("--socket={}", self.folder.path().join("s").display()))
            .arg(format!("--database={database}"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a script in a database that is made for it.
    pub fn script(&self, database: &str, script: &Path) {
        self.sql("", &format!("CREATE DATABASE `{database}` CHARACTER SET utf8mb4"));
        let ran = self.client(database).stdin(std::fs::File::open(script).unwrap()).output().unwrap();
        assert!(ran.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&ran.stderr));
    }

    pub fn sql(&self, database: &str, sql: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), sql).unwrap();
        let ran = self.client(database).stdin(file.reopen().unwrap()).output().unwrap();
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// A client that runs a query.
    pub fn query(&self, sql: &str) -> Child {
        self.client("").args(["-e", sql]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The first number that a query gives.
    pub fn number(&self, sql: &str) -> u64 {
        let ran = self.client("").args(["-N", "-B", "-e", sql]).output().unwrap();
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
        let text = String::from_utf8(ran.stdout).unwrap();
        text.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{sql}: {text}"))
    }

    pub fn kill_connections_of(&self, user: &str) {
        self.sql("", &format!("KILL CONNECTION USER {user}"));
    }

    pub fn target(&self, database: &str) -> Target {
        Target {
            engine: Engine::MySql,
            host: "127.0.0.1".into(),
            port: self.port,
            user: "u".into(),
            password: "p".into(),
            database: database.into(),
            tls: if self.tls { Tls::Required } else { Tls::Disabled },
        }
    }

    pub async fn connect(&self, side: Side, database: &str) -> Server {
        Server::connect(side, self.target(database), Duration::from_secs(60)).await.unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Keeps what is found, and asks to stop after some calls.
#[derive(Default)]
pub struct Kept {
    pub found: Vec<Difference>,
    pub calls: usize,
    /// How many sections the table was cut into at most; none where it was whole.
    pub sections: usize,
}

impl Sink for Kept {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let json = serde_json::to_string(cursor).unwrap();
        assert!(json.len() < 4096, "a cursor is small: {json}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let sections = json["position"]["sections"].as_array().map_or(0, Vec::len);
        self.sections = self.sections.max(sections);
        self.calls += 1;
        self.found.extend(found);
        Ok(())
    }
}

/// Keeps what is found until it is called for the last time, which it does not survive.
struct Mortal {
    kept: Kept,
    cursor: Option<Cursor>,
    left: usize,
}

impl Sink for Mortal {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.left = self.left.checked_sub(1).ok_or("it was killed")?;
        self.cursor = Some(serde_json::from_str(&serde_json::to_string(cursor).unwrap()).unwrap());
        self.kept.reached(found, cursor).await
    }
}

/// Compares a table; is killed after every `calls` calls of its sink, before what was found is kept, and goes on over new
/// connections from what was kept.
pub async fn compare_and_die(
    connect: impl AsyncFn() -> (Server, Server),
    table: &Table,
    options: &Options,
    calls: usize,
) -> (Vec<Difference>, Counts) {
    let mut mortal = Mortal { kept: Kept::default(), cursor: None, left: 0 };
    loop {
        mortal.left = calls;
        let (mut source, mut target) = connect().await;
        let cursor = mortal.cursor.clone();
        match compare_table(&mut source, &mut target, table, options, cursor, &mut mortal, || false).await {
            Ok(Progress::Finished(summary)) => return (mortal.kept.found, summary.counts),
            Ok(progress) => panic!("{progress:?}"),
            Err(error) => assert!(error.to_string().contains("it was killed"), "{error}"),
        }
    }
}

/// Compares a table; stops after every `cut` ranges and goes on from the cursor, as it was written and read.
pub async fn compare(
    source: &mut Server,
    target: &mut Server,
    table: &Table,
    options: &Options,
    cut: usize,
) -> (Vec<Difference>, TableSummary) {
    let (kept, summary) = compare_kept(source, target, table, options, cut).await;
    (kept.found, summary)
}

/// The same, with all that was kept.
pub async fn compare_kept(
    source: &mut Server,
    target: &mut Server,
    table: &Table,
    options: &Options,
    cut: usize,
) -> (Kept, TableSummary) {
    compare_range_kept(source, target, (table, &KeyRange::default()), options, cut).await
}

/// Cuts a table into ranges of about so many `rows`, compares each of them by itself, the last one first, and puts together what
/// they found.
pub async fn compare_ranges(
    source: &mut Server,
    target: &mut Server,
    table: &Table,
    options: &Options,
    (rows, cut): (u64, usize),
) -> (Vec<Difference>, Vec<TableSummary>) {
    let ranges = key_ranges(source, target, table, options, (rows, 100)).await.unwrap();
    let json = serde_json::to_string(&ranges).unwrap();
    let ranges: Vec<KeyRange> = serde_json::from_str(&json).unwrap();
    check_ranges(source, target, table, options, &ranges).await.unwrap();
    let mut parts = Vec::new();
    for range in ranges.iter().rev() {
        let (kept, summary) = compare_range_kept(source, target, (table, range), options, cut).await;
        parts.push((kept.found, summary));
    }
    let (found, summaries): (Vec<_>, Vec<_>) = parts.into_iter().rev().unzip();
    (found.concat(), summaries)
}

/// The counts of all ranges.
pub fn sum(summaries: &[TableSummary]) -> Counts {
    let mut counts = Counts::default();
    summaries.iter().for_each(|summary| counts += summary.counts);
    counts
}

async fn compare_range_kept(
    source: &mut Server,
    target: &mut Server,
    (table, range): (&Table, &KeyRange),
    options: &Options,
    cut: usize,
) -> (Kept, TableSummary) {
    let mut kept = Kept::default();
    let mut cursor: Option<Cursor> = None;
    loop {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let stop = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 >= cut;
        let copies = Copies { source: &mut *source, target: &mut *target, base: None };
        match compare_range(copies, table, range, options, cursor, &mut kept, stop).await.unwrap() {
            Progress::Finished(summary) => {
                let mut counts = Counts {
                    rows_source: summary.counts.rows_source,
                    rows_target: summary.counts.rows_target,
                    ..Counts::default()
                };
                for difference in &kept.found {
                    match difference.kind {
                        table_diff::DifferenceKind::Missing => counts.missing += 1,
                        table_diff::DifferenceKind::Changed => counts.changed += 1,
                        table_diff::DifferenceKind::Extra => counts.extra += 1,
                    }
                }
                assert_eq!(counts, summary.counts);
                return (kept, summary);
            }
            Progress::Interrupted(reached) => {
                let json = serde_json::to_string(&reached).unwrap();
                cursor = serde_json::from_str(&json).unwrap();
            }
        }
    }
}
