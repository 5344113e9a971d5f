//! A server of its own for a test: MariaDB, MySQL itself or PostgreSQL; gone when the value is dropped.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use table_diff::{Engine, Target, Tls};

/// Where `tests/setup.sh mysql` unpacks MySQL.
const MYSQL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/mysql/root");

/// A server.
pub struct TestServer {
    kind: Kind,
    folder: tempfile::TempDir,
    port: u16,
}

enum Kind {
    MySql { process: Child, mariadb: bool },
    Postgres { programs: PathBuf },
}

impl TestServer {
    pub fn mariadb() -> Self {
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--user=root", "--skip-test-db"]);
        install.arg("--auth-root-authentication-method=normal");
        let mut server = Command::new("mariadbd");
        server.arg("--no-defaults");
        Self::run(install, server, true)
    }

    /// `None`, and said so, where it is not there.
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
        Some(Self::run(install, server, false))
    }

    fn run(mut install: Command, mut server: Command, mariadb: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
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
            .args(&folders)
            .arg(format!("--socket={}", path("s")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{server:?} can't be run ({error}): run `make setup`"));
        let mut server = Self { kind: Kind::MySql { process, mariadb }, folder, port };
        for _ in 0..600 {
            let user = "CREATE USER u@'%' IDENTIFIED BY 'p'; GRANT ALL ON *.* TO u@'%'";
            if server.client("").args(["-e", user]).output().unwrap().status.success() {
                return server;
            }
            if let Kind::MySql { process, .. } = &mut server.kind
                && let Some(status) = process.try_wait().unwrap()
            {
                let log = fs::read_to_string(server.folder.path().join("log")).unwrap();
                panic!("the server ended with {status}: {log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not answer");
    }

    /// `None`, and said so, where it is not there.
    pub fn postgres() -> Option<Self> {
        let server = Self::try_postgres();
        if server.is_none() {
            let why = "there is no PostgreSQL under /usr/lib/postgresql that can be started";
            rehearsals::parts::missing("postgres", why);
        }
        server
    }

    fn try_postgres() -> Option<Self> {
        let mut versions =
            fs::read_dir("/usr/lib/postgresql").ok()?.map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        versions.sort();
        let programs = versions.pop()?.join("bin");
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { kind: Kind::Postgres { programs }, folder, port };
        if !server
            .control("initdb", &["-U", "u", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        {
            return None;
        }
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off -c timezone=Asia/Kolkata"
        );
        assert!(server.control("pg_ctl", &["-w", "-o", &options, "-l", "/dev/null", "start"]));
        Some(server)
    }

    /// Runs a program of PostgreSQL on its data, as its own user where the tests are root.
    fn control(&self, program: &str, arguments: &[&str]) -> bool {
        let Kind::Postgres { programs } = &self.kind else { panic!("not PostgreSQL") };
        let program = programs.join(program);
        let mut command = if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(arguments)
            .current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    pub fn engine(&self) -> Engine {
        match self.kind {
            Kind::MySql { .. } => Engine::MySql,
            Kind::Postgres { .. } => Engine::Postgres,
        }
    }

    /// The client, for a database.
    fn client(&self, database: &str) -> Command {
        let mut command = match &self.kind {
            Kind::MySql { .. } => {
                let mut command = Command::new("mariadb");
                command.args(["--no-defaults", "--user=root", "--default-character-set=utf8mb4", "-N", "-B"]);
                command.arg("--init-command=SET sql_mode = '', time_zone = '+00:00'");
                command.arg(format!("--socket={}", self.folder.path().join("s").display()));
                command.arg(format!("--database={database}"));
                command
            }
            Kind::Postgres { programs } => {
                let mut command = Command::new(programs.join("psql"));
                command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "u"]);
                command.args(["-d", if database.is_empty() { "postgres" } else { database }]);
                command.args(["-p", &self.port.to_string()]).env("PGTZ", "UTC");
                command
            }
        };
        command.stdin(Stdio::null());
        command
    }

    /// Runs statements, and gives what they print.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(sql.as_bytes()).unwrap();
        let ran = self.client(database).stdin(file.reopen().unwrap()).output().unwrap();
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Makes a database.
    pub fn create(&self, database: &str) -> Target {
        let set = if self.engine() == Engine::MySql { " CHARACTER SET utf8mb4" } else { "" };
        self.sql("", &format!("CREATE DATABASE {database}{set};"));
        self.target(database)
    }

    /// What the engine's own program dumps: without rows, or with them as they are at one moment.
    pub fn dump(&self, database: &str, with_rows: bool) -> String {
        let mut command = match &self.kind {
            Kind::MySql { .. } => {
                let mut command = Command::new("mariadb-dump");
                command.args([
                    "--no-defaults",
                    "--user=root",
                    "--default-character-set=utf8mb4",
                    "--skip-dump-date",
                ]);
                command.args([
                    "--routines",
                    "--triggers",
                    "--events",
                    "--single-transaction",
                    "--hex-blob",
                    "--skip-comments",
                ]);
                command.arg(format!("--socket={}", self.folder.path().join("s").display()));
                if !with_rows {
                    command.arg("--no-data");
                }
                command.arg(database);
                command
            }
            Kind::Postgres { programs } => {
                let mut command = Command::new(programs.join("pg_dump"));
                command.args(["-h", "127.0.0.1", "-U", "u", "-p", &self.port.to_string()]);
                if !with_rows {
                    command.arg("-s");
                }
                command.arg(database);
                command
            }
        };
        let ran = command.stdin(Stdio::null()).output().unwrap();
        assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Ends every connection of the load's user.
    pub fn kill_connections(&self) {
        match self.kind {
            Kind::MySql { mariadb: true, .. } => drop(self.sql("", "KILL CONNECTION USER u")),
            Kind::MySql { .. } => {}
            Kind::Postgres { .. } => drop(self.sql(
                "",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
            )),
        }
    }

    pub fn target(&self, database: &str) -> Target {
        let tls = match self.kind {
            Kind::MySql { mariadb: false, .. } => Tls::Required,
            _ => Tls::Disabled,
        };
        Target {
            engine: self.engine(),
            host: "127.0.0.1".into(),
            port: self.port,
            user: "u".into(),
            password: "p".into(),
            database: database.into(),
            tls,
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::MySql { process, .. } => {
                let _ = process.kill();
                let _ = process.wait();
            }
            Kind::Postgres { .. } => drop(self.control("pg_ctl", &["-m", "immediate", "stop"])),
        }
    }
}
