//! The programs of PostgreSQL, the data directory that every server starts from, and the files that say what a server is.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::databases::ServerError;
use crate::databases::authority::{CERTIFICATE, Identity, KEY};
use crate::databases::files::{failed, private_folder, to_its_end};
use crate::process::{User, bound};

/// Where Debian's packages have the programs, by version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The administrator, as RDS calls its own.
pub(super) const ADMIN: &str = "rdsadmin";
pub(super) const REPLICATOR: &str = "sandbox_replicator";
/// Whom a server lets in, and how: the administrator by the socket alone.
const ACCESS: &str = "local all rdsadmin scram-sha-256\nhost all rdsadmin all reject\n\
    host all all 127.0.0.1/32 scram-sha-256\nhost replication sandbox_replicator 127.0.0.1/32 scram-sha-256\n";
/// What a standby needs of its primary, and quick commits.
const SETTINGS: &str = "wal_level = replica\nmax_wal_senders = 10\nwal_keep_size = 1GB\nhot_standby = on\nfsync = off\n\
    full_page_writes = off\nshared_buffers = 32MB\nmax_connections = 200\ntimezone = UTC\nlog_timezone = UTC\n\
    listen_addresses = '127.0.0.1'\nssl = on\nwal_receiver_timeout = 5s\nwal_retrieve_retry_interval = 200ms\n\
    include_if_exists = 'primary.conf'\n";
/// Whom a server follows. Settings of `ALTER SYSTEM` come before it.
const PRIMARY: &str = "primary.conf";

/// What the servers share.
pub(super) struct Installation {
    programs: PathBuf,
    /// Whose processes and files they are, where this process is root.
    user: Option<User>,
    /// The folder of all, with the sockets.
    pub(super) root: PathBuf,
    /// The passwords of the replication user and of the administrator, the same on all.
    pub(super) password: String,
    pub(super) admin_password: String,
}

impl Installation {
    /// Finds the programs, and makes the folder of all below `folder`.
    pub(super) fn new(folder: &Path, identity: &Identity) -> Result<Self, ServerError> {
        let programs = programs().ok_or_else(|| {
            ServerError(format!(
                "there is no PostgreSQL server below {VERSIONS}: run `make setup`, or install it (package postgresql)"
            ))
        })?;
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        let user = match is_root.then(|| User::named("postgres")) {
            None => None,
            Some(Some(user)) => Some(user),
            Some(None) => {
                return Err(ServerError(
                    "PostgreSQL does not run as root, and there is no user `postgres` to run it as: install the package postgresql"
                        .into(),
                ));
            }
        };
        let root = folder.join("pg");
        private_folder(&root)?;
        if user.is_some() {
            // Its user has to get through, and nobody else to see what is there.
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711))
                .map_err(|error| failed(format!("can't open {}", folder.display()), error))?;
        }
        identity.write(&root)?;
        let new = Self {
            programs,
            user,
            root,
            password: crate::random_text(),
            admin_password: crate::random_text(),
        };
        for file in [CERTIFICATE, KEY] {
            let path = new.root.join(file);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
                .map_err(|error| failed(format!("can't close {}", path.display()), error))?;
            new.give(&path)?;
        }
        new.give(&new.root)?;
        Ok(new)
    }

    /// A command that runs one of the programs, and ends with this process.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = bound(&self.programs.join(program), self.user);
        command.current_dir(&self.root);
        command
    }

    /// Where the empty data directory is.
    pub(super) fn template(&self) -> PathBuf {
        self.root.join("template")
    }

    /// Makes it.
    pub(super) async fn install(&self) -> Result<(), ServerError> {
        let (folder, password) = (self.template(), self.root.join("password"));
        self.write(&password, &self.admin_password)?;
        let mut command = self.command("initdb");
        command.arg("-D").arg(&folder).arg("--pwfile").arg(&password);
        command.args(["-U", ADMIN, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        let made = to_its_end("initdb", command, "").await;
        let _ = std::fs::remove_file(&password);
        made?;
        self.write(&folder.join("pg_hba.conf"), ACCESS)?;
        let settings = format!(
            "{SETTINGS}unix_socket_directories = '{root}'\nssl_cert_file = '{root}/{CERTIFICATE}'\nssl_key_file = '{root}/{KEY}'\n",
            root = self.root.display()
        );
        append(&folder.join("postgresql.conf"), &settings)
    }

    /// Says in a data directory whom its server follows: the one on this port, or nobody.
    pub(super) fn configure(&self, folder: &Path, primary: Option<u16>) -> Result<(), ServerError> {
        let signal = folder.join("standby.signal");
        let followed = match primary {
            Some(port) => {
                self.write(&signal, "")?;
                format!("primary_conninfo = {}\n", literal(&self.conninfo(port)))
            }
            None => {
                match std::fs::remove_file(&signal) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(failed(format!("removing {}", signal.display()), error));
                    }
                    _ => {}
                }
                String::new()
            }
        };
        self.write(&folder.join(PRIMARY), &followed)?;
        self.write(&folder.join("postgresql.auto.conf"), "")
    }

    /// How a standby reaches the primary on this port.
    fn conninfo(&self, port: u16) -> String {
        format!("host=127.0.0.1 port={port} user={REPLICATOR} password={}", self.password)
    }

    /// Copies the data of the primary on this port.
    pub(super) async fn back_up(&self, port: u16, folder: &Path) -> Result<(), ServerError> {
        let mut command = self.command("pg_basebackup");
        command.arg("-D").arg(folder).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", REPLICATOR]);
        command.args(["-X", "stream", "-c", "fast", "--no-sync", "-w"]).env("PGPASSWORD", &self.password);
        to_its_end("pg_basebackup", command, "").await
    }

    /// The position up to which a server that was shut down has written.
    pub(super) async fn end_of(&self, folder: &Path) -> Result<String, ServerError> {
        let mut command = self.command("pg_controldata");
        let output = command.arg("-D").arg(folder).env("LC_ALL", "C").output().await;
        let output = output.map_err(|error| failed("pg_controldata", error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("Latest checkpoint location:"));
        let position = line.map(|rest| rest.trim().to_owned());
        position
            .ok_or_else(|| ServerError("pg_controldata does not say where the latest checkpoint is".into()))
    }

    /// Writes a file of the servers' user.
    fn write(&self, path: &Path, text: &str) -> Result<(), ServerError> {
        let made = std::fs::write(path, text)
            .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)));
        made.map_err(|error| failed(format!("can't write {}", path.display()), error))?;
        self.give(path)
    }

    fn give(&self, path: &Path) -> Result<(), ServerError> {
        let Some(user) = self.user else { return Ok(()) };
        chown(path, Some(user.id), Some(user.group))
            .map_err(|error| failed(format!("can't give {} to PostgreSQL's user", path.display()), error))
    }
}

/// Folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).ok()?.flatten().filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        programs.join("initdb").is_file().then_some((number, programs))
    });
    versions.max().map(|(_, programs)| programs)
}

fn append(path: &Path, text: &str) -> Result<(), ServerError> {
    let mut open = std::fs::OpenOptions::new();
    let written = open.append(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| failed(format!("can't write {}", path.display()), error))
}

/// A text as an SQL literal, which is one in a file of settings, too.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in SQL.
pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
