//! What servers of any engine need of the machine: folders, a port, a program that runs to its end.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::process::Command;

use super::ServerError;

/// An error, with what failed before it.
pub(crate) fn failed(what: impl std::fmt::Display, error: impl std::fmt::Display) -> ServerError {
    ServerError(format!("{what}: {error}"))
}

/// Runs a command to its end, on this input. In a group of its own, so that a Ctrl-C of the terminal does not reach it.
pub(crate) async fn to_its_end(what: &str, mut command: Command, input: &str) -> Result<(), ServerError> {
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(format!("{what} does not start"), error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading says why below.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(|error| failed(what, error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ServerError(format!("{what} failed: {}", last_lines(&String::from_utf8_lossy(&output.stderr)))))
}

/// A port of loopback that is free now.
pub(crate) fn free_port() -> Result<u16, ServerError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| failed("no port is free", error))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| failed("no port is free", error))
}

/// A port of loopback that stays one's own: also while no server listens there, no connection that somebody opens on this machine gets it
/// as its own end, and no other server. One that sets `SO_REUSEADDR`, as the databases' servers do, can listen there.
pub(super) struct Port {
    pub(super) number: u16,
    /// Bound, and never listened at: who connects while there is no server is refused.
    _held: TcpSocket,
}

impl Port {
    /// One that is free.
    pub(super) fn any() -> Result<Self, ServerError> {
        let bound = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            Ok::<_, io::Error>(Self { number: socket.local_addr()?.port(), _held: socket })
        };
        bound().map_err(|error| failed("no port is free", error))
    }
}

/// The last lines of what a program said.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    if lines.is_empty() {
        "it said nothing".into()
    } else {
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

/// Copies a folder; what was at the target is replaced.
pub(super) async fn copy(source: &Path, target: &Path) -> Result<(), ServerError> {
    remove(target).await?;
    let what = || format!("copying {} to {}", source.display(), target.display());
    let output = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(source)
        .arg(target)
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.map_err(|error| failed(what(), error))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(what(), last_lines(&String::from_utf8_lossy(&output.stderr))))
    }
}

/// Makes a folder for this user alone.
pub(crate) fn private_folder(folder: &Path) -> Result<(), ServerError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| failed(format!("can't create {}", folder.display()), error))
}

/// Removes a folder. Harmless when there is none.
pub(crate) async fn remove(folder: &Path) -> Result<(), ServerError> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed(format!("removing {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_while_nobody_listens_there() {
        let port = Port::any().unwrap();
        let at = (Ipv4Addr::LOCALHOST, port.number);
        for _ in 0..2 {
            assert!(std::net::TcpStream::connect(at).is_err(), "nobody listens there");
            let others = TcpSocket::new_v4().unwrap();
            assert!(others.bind(at.into()).is_err(), "who does not share addresses does not get it");
            // It shares them, as the databases' servers do.
            let server = TcpListener::bind(at).unwrap();
            std::net::TcpStream::connect(at).unwrap();
            drop(server);
        }
    }
}
