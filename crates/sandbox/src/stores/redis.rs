//! Redis: in memory only, so that a server that was stopped has forgotten everything, as an ElastiCache node that was replaced.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::databases::ServerError;
use crate::databases::files::{free_port, private_folder};
use crate::process::{bound, on_path};
use crate::program::Program;

/// The server's program.
pub const REDIS: &str = "redis-server";

/// A server.
pub struct Redis {
    program: Program,
    file: PathBuf,
    folder: PathBuf,
    port: u16,
    password: String,
}

impl Redis {
    /// Starts one with its files in `folder`, which is made.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub async fn start(folder: &Path) -> Result<Self, ServerError> {
        let file = on_path(REDIS).ok_or_else(|| {
            ServerError(format!("{REDIS} is not installed: `tests/setup.sh redis`, or the package {REDIS}"))
        })?;
        private_folder(folder)?;
        let (program, password) = (Program::new("redis", folder), crate::random_text());
        let redis = Self { program, file, folder: folder.to_owned(), port: free_port()?, password };
        redis.start_again().await?;
        Ok(redis)
    }

    /// Starts it again, on the port that it had.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&self) -> Result<(), ServerError> {
        // Not on the command line, which everybody on this machine can read.
        let settings = self.folder.join("redis.conf");
        let text = format!("requirepass {}\n", self.password);
        tokio::fs::write(&settings, text)
            .await
            .map_err(|error| ServerError(format!("{}: {error}", settings.display())))?;
        let mut command: Command = bound(&self.file, None);
        command.arg(&settings).args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no", "--maxmemory", "64mb"]);
        command.arg("--dir").arg(&self.folder);
        self.program.start(command, || answers(self.port)).await
    }

    /// How to connect to it.
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/", self.password, self.port)
    }

    /// Ends it. Its port stays its own.
    pub async fn stop(&self) {
        self.program.stop().await;
    }
}

/// Whether something that speaks Redis's protocol listens at a port.
async fn answers(port: u16) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"PING\r\n").await.ok()?;
        let mut first = [0];
        stream.read_exact(&mut first).await.ok()?;
        // Without a password it is an error, which is an answer, too.
        (first == *b"+" || first == *b"-").then_some(())
    };
    timeout(Duration::from_secs(1), asked).await.ok().flatten().is_some()
}
