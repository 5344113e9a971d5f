//! The data directory that every server starts from.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::databases::ServerError;
use crate::databases::files::{failed, to_its_end};

/// The server's program.
pub(super) const MARIADBD: &str = "mariadbd";
/// The program that makes a data directory.
pub(super) const INSTALL: &str = "mariadb-install-db";

/// Makes an initialised, empty data directory below `root`, whose one account is root's with this password.
pub(super) async fn install(root: &Path, password: &str) -> Result<PathBuf, ServerError> {
    let folder = root.join("template");
    // A folder of its own for temporary tables: servers that share one remove each other's.
    let temporary = temporary_folder(root).await?;
    let data = [format!("--datadir={}", folder.display()), format!("--tmpdir={}", temporary.display())];
    let mut command = Command::new(INSTALL);
    command.arg("--no-defaults").args(&data).args([
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--innodb-log-file-size=16M",
    ]);
    as_current_user(&mut command);
    to_its_end(INSTALL, command, "").await?;

    // What the script makes has no passwords. On standard input, where no list of processes shows it.
    let accounts = format!(
        "DELETE FROM mysql.global_priv WHERE Host <> 'localhost' OR User NOT IN ('root', 'mariadb.sys');\n\
         DELETE FROM mysql.proxies_priv;\n\
         UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', 'mysql_native_password', \
         '$.authentication_string', PASSWORD({})) WHERE User = 'root';\n",
        quoted(password)
    );
    let mut command = Command::new(MARIADBD);
    command.arg("--no-defaults").args(&data).args(["--bootstrap", "--innodb-log-file-size=16M"]);
    as_current_user(&mut command);
    to_its_end("mariadbd --bootstrap", command, &accounts).await?;
    Ok(folder)
}

/// A text as an SQL literal.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The server refuses to run as root unless told so.
pub(super) fn as_current_user(command: &mut Command) {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if root {
        command.arg("--user=root");
    }
}

/// A new folder for one process's temporary tables, below `root`.
pub(super) async fn temporary_folder(root: &Path) -> Result<PathBuf, ServerError> {
    let folder = root.join(format!("temporary-{}", uuid::Uuid::new_v4()));
    let made = tokio::fs::create_dir_all(&folder).await;
    made.map_err(|error| failed(format!("creating {}", folder.display()), error))?;
    Ok(folder)
}
