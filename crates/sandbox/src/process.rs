//! Processes that end with this one, also where it is killed and can't end them.
//!
//! The program `setpriv` of util-linux asks the kernel for that. Where there is none that can, a killed process leaves them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use tokio::process::Command;

/// `setpriv`, when it knows the option that is needed.
static SETPRIV: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let path = on_path("setpriv")?;
    let mut tried = std::process::Command::new(&path);
    tried.args(["--pdeathsig", "KILL", "true"]);
    tried.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    tried.status().is_ok_and(|status| status.success()).then_some(path)
});

/// A user of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) group: u32,
}

impl User {
    /// The one of this name; `None` where there is none.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        let mut fields = users
            .lines()
            .map(|line| line.split(':'))
            .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
        // Behind the name: the password, the user's id, that of its group.
        let id = fields.nth(1)?.parse().ok()?;
        Some(Self { id, group: fields.next()?.parse().ok()? })
    }
}

/// A command that runs `program`, as another user if one is given. The kernel ends it with the thread that starts it: one that
/// lives as long as the process.
pub(crate) fn bound(program: &Path, user: Option<User>) -> Command {
    match &*SETPRIV {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            if let Some(User { id, group }) = user {
                command.args([format!("--reuid={id}"), format!("--regid={group}"), "--clear-groups".into()]);
            }
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => {
            let mut command = Command::new(program);
            if let Some(User { id, group }) = user {
                command.uid(id).gid(group);
            }
            command
        }
    }
}

/// The file of a program on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0))
}
