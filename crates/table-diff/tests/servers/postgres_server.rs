//! A PostgreSQL server of its own for a test, where Debian's package is installed; gone when the value is dropped. Its
//! server does not run as root: the tests run it as the package's user then. Without it that is said, and the part of the
//! test is skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use table_diff::{Engine, Target, Tls};

pub struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    pub port: u16,
}

impl Postgres {
    /// `None`, and said so, where it is not there.
    pub fn start() -> Option<Self> {
        let server = Self::try_start();
        if server.is_none() {
            let why = "there is no PostgreSQL under /usr/lib/postgresql that can be started";
            rehearsals::parts::missing("postgres", why);
        }
        server
    }

    fn try_start() -> Option<Self> {
        let mut versions =
            fs::read_dir("/usr/lib/postgresql").ok()?.map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        versions.sort();
        let programs = versions.pop()?.join("bin");
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, programs, port };
        if !server.run("initdb", &["-U", "u", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]) {
            return None;
        }
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off -c timezone=Asia/Kolkata"
        );
        assert!(server.run("pg_ctl", &["-w", "-o", &options, "-l", "/dev/null", "start"]));
        Some(server)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let data = self.folder.path().join("data");
        let program = self.programs.join(program);
        let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("-D").arg(data).args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// The client.
    pub fn client(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "u",
            "-d",
            database,
        ]);
        command.args(["-p", &self.port.to_string()]);
        command
    }

    pub fn sql(&self, database: &str, sql: &str) {
        let ran = self.client(database).args(["-c", sql]).output().unwrap();
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Runs a script in a database.
    pub fn script(&self, database: &str, script: &std::path::Path) {
        let mut client = self.client(database);
        let ran = client.env("PGCLIENTENCODING", "UTF8").arg("-f").arg(script).output().unwrap();
        assert!(ran.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&ran.stderr));
    }

    /// From now on this user is asked for a password.
    pub fn ask_for_password(&self, user: &str) {
        let path = self.folder.path().join("data/pg_hba.conf");
        let rules = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("host all {user} 127.0.0.1/32 scram-sha-256\n{rules}")).unwrap();
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    pub fn target(&self, database: &str) -> Target {
        Target {
            engine: Engine::Postgres,
            host: "127.0.0.1".into(),
            port: self.port,
            user: "u".into(),
            password: String::new(),
            database: database.into(),
            tls: Tls::Disabled,
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-m", "immediate", "stop"]);
    }
}
