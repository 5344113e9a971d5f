//! What the tests do with a server of either engine.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use row_replay::{
    Cursor, Options, Progress, Replayed, ReplayedRow, Session, Sink, Summary, apply, write_sql,
};
use table_diff::{
    BoxError, Catalogue, Difference, Differences, Engine, Presence, Server, Side, Target, Tls, list_tables,
    read_catalogue,
};

use crate::postgres::Postgres;
use crate::support::{TestServer, compare};

pub enum Database {
    MySql(TestServer),
    Postgres(Postgres),
}

impl Database {
    pub fn mariadb() -> Self {
        Self::MySql(TestServer::mariadb())
    }

    pub fn mysql() -> Option<Self> {
        TestServer::mysql().map(Self::MySql)
    }

    pub fn postgres() -> Option<Self> {
        Postgres::start().map(Self::Postgres)
    }

    /// Every one that is there.
    pub fn all() -> Vec<Self> {
        [Some(Self::mariadb()), Self::mysql(), Self::postgres()].into_iter().flatten().collect()
    }

    pub fn engine(&self) -> Engine {
        match self {
            Self::MySql(_) => Engine::MySql,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    pub fn target(&self, database: &str) -> Target {
        match self {
            Self::MySql(server) => server.target(database),
            Self::Postgres(server) => server.target(database),
        }
    }

    fn client(&self, database: &str) -> Command {
        match self {
            Self::MySql(server) => server.client(database),
            Self::Postgres(server) => server.client(database),
        }
    }

    /// A database with nothing in it.
    pub fn create(&self, database: &str) {
        match self {
            Self::MySql(_) => self.sql(
                "",
                &format!(
                    "DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database} CHARACTER SET utf8mb4"
                ),
            ),
            Self::Postgres(_) => {
                self.sql("postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"));
                self.sql("postgres", &format!("CREATE DATABASE {database}"))
            }
        };
    }

    /// Runs a script with the server's client, and gives what it prints.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(sql.as_bytes()).unwrap();
        let ran = self.client(database).stdin(file.reopen().unwrap()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{said}\n{sql}");
        String::from_utf8(ran.stdout).unwrap()
    }

    pub async fn server(&self, side: Side, database: &str) -> Server {
        Server::connect(side, self.target(database), Duration::from_secs(60)).await.unwrap()
    }

    pub async fn session(&self, database: &str) -> Session {
        Session::connect(self.target(database), Duration::from_secs(60)).await.unwrap()
    }

    pub async fn catalogue(&self, database: &str) -> Catalogue {
        read_catalogue(&mut self.server(Side::Target, database).await).await.unwrap()
    }

    /// What `b` lacks of `a`, and has in another way, read from files as a runbook does.
    pub async fn differences(&self) -> BTreeMap<String, Vec<Difference>> {
        let (mut source, mut target) =
            (self.server(Side::Source, "a").await, self.server(Side::Target, "b").await);
        let mut all = BTreeMap::new();
        for listed in list_tables(&mut source, &mut target, &[], &[]).await.unwrap() {
            assert_eq!(listed.presence, Presence::Both, "{}", listed.table);
            let options = table_diff::Options::default();
            let (found, _) = compare(&mut source, &mut target, &listed.table, &options, usize::MAX).await;
            // As text and back, for that is how they come.
            let lines = found.iter().map(|difference| serde_json::to_string(difference).unwrap());
            let read = lines.map(|line| serde_json::from_str(&line).unwrap()).collect::<Vec<Difference>>();
            if !read.is_empty() {
                all.insert(listed.table.to_string(), read);
            }
        }
        all
    }

    /// `replay.sql`.
    pub async fn file(&self, source: &impl Differences) -> String {
        let mut file = Vec::new();
        write_sql(self.engine(), &self.catalogue("b").await, source, &mut file).await.unwrap();
        String::from_utf8(file).unwrap()
    }

    /// Everything applied to `b`, cut after each `cut` transactions and gone on from.
    pub async fn apply(
        &self,
        source: &impl Differences,
        options: &Options,
        cut: usize,
    ) -> (Vec<ReplayedRow>, Summary) {
        let catalogue = self.catalogue("b").await;
        let mut session = self.session("b").await;
        let mut kept = Kept::default();
        let mut cursor: Option<Cursor> = None;
        loop {
            let calls = std::sync::atomic::AtomicUsize::new(0);
            let stop = || calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 >= cut;
            let progress =
                apply(&mut session, &catalogue, source, options, cursor, &mut kept, stop).await.unwrap();
            match progress {
                Progress::Finished(summary) => return (kept.0, summary),
                Progress::Interrupted(reached) => {
                    let json = serde_json::to_string(&reached).unwrap();
                    cursor = Some(serde_json::from_str(&json).unwrap());
                }
            }
        }
    }
}

/// Keeps the fates.
#[derive(Default)]
pub struct Kept(pub Vec<ReplayedRow>);

impl Sink for Kept {
    async fn reached(&mut self, fates: Vec<ReplayedRow>, _: &Cursor) -> Result<(), BoxError> {
        self.0.extend(fates);
        Ok(())
    }
}

/// A fate in short: `orders {"id":1} inserted`.
pub fn short(fate: &ReplayedRow) -> String {
    let key = serde_json::to_string(&fate.key).unwrap();
    let told = match &fate.replayed {
        Replayed::Inserted => "inserted".into(),
        Replayed::AlreadyThere => "already there".into(),
        Replayed::KeyTaken { other } => format!("key taken by {}", serde_json::to_string(other).unwrap()),
        Replayed::UniqueCollision { columns, other_key, .. } => {
            format!("{} is that of {}", columns.join(", "), serde_json::to_string(other_key).unwrap())
        }
        Replayed::ParentMissing { parent, parent_key, .. } => {
            format!("no {parent} {}", serde_json::to_string(parent_key).unwrap())
        }
        Replayed::ParentLeftOut { parent, parent_key, .. } => {
            format!("left out with {parent} {}", serde_json::to_string(parent_key).unwrap())
        }
        Replayed::Refused { reason } => format!("refused: {reason}"),
        Replayed::LeftOut { reason } => format!("left out: {reason}"),
    };
    format!("{} {key} {told}", fate.table)
}

/// Somebody else's connection.
pub enum Other {
    MySql(sqlx::MySqlConnection),
    Postgres(sqlx::PgConnection),
}

impl Database {
    pub async fn connection(&self, database: &str) -> Other {
        use sqlx::ConnectOptions as _;
        let target = self.target(database);
        match self.engine() {
            Engine::MySql => {
                let mode = if target.tls == Tls::Required { "REQUIRED" } else { "DISABLED" };
                let Target { user, password, host, port, .. } = target;
                let url = format!("mysql://{user}:{password}@{host}:{port}/{database}?ssl-mode={mode}");
                let options: sqlx::mysql::MySqlConnectOptions = url.parse().unwrap();
                Other::MySql(options.connect().await.unwrap())
            }
            Engine::Postgres => {
                let Target { user, host, port, .. } = target;
                let url = format!("postgres://{user}@{host}:{port}/{database}?sslmode=disable");
                let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
                Other::Postgres(options.connect().await.unwrap())
            }
        }
    }
}

impl Other {
    pub async fn run(&mut self, sql: &'static str) {
        let sql = sqlx::raw_sql(sql);
        match self {
            Self::MySql(connection) => drop(sql.execute(connection).await.unwrap()),
            Self::Postgres(connection) => drop(sql.execute(connection).await.unwrap()),
        }
    }
}
