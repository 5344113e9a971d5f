//! RabbitMQ: one node, with what it confirmed on disk.
//!
//! Erlang is started without RabbitMQ's script, so that its process is ours and ends with us. The port mapper that a node has to
//! find is one of its own, too, instead of the machine's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::databases::ServerError;
use crate::databases::files::{failed, free_port, private_folder};
use crate::process::{bound, on_path};
use crate::program::Program;

/// Where Debian's package has RabbitMQ.
const LIBRARIES: &str = "/usr/lib/rabbitmq/lib";
/// Where Debian's package has Erlang.
const ERLANG: &str = "/usr/lib/erlang";

/// A server.
pub struct RabbitMq {
    program: Program,
    mapper: Program,
    files: Files,
    folder: PathBuf,
    port: u16,
    node_port: u16,
    mapper_port: u16,
    password: String,
}

/// Its programs.
struct Files {
    erl: PathBuf,
    epmd: PathBuf,
    home: PathBuf,
}

impl Files {
    fn find() -> Option<Self> {
        let below = |folder: &str, start: &str| {
            let entries = std::fs::read_dir(folder).ok()?.flatten();
            let mut names: Vec<PathBuf> = entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
                .map(|entry| entry.path())
                .collect();
            names.sort();
            names.pop()
        };
        let epmd = below(ERLANG, "erts-")?.join("bin/epmd");
        Some(Self { erl: on_path("erl")?, epmd, home: below(LIBRARIES, "rabbitmq_server-")? })
    }
}

/// Whether it is installed.
pub fn is_installed() -> bool {
    Files::find().is_some()
}

impl RabbitMq {
    /// Starts one with its files in `folder`, which is made. It takes some seconds.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub async fn start(folder: &Path) -> Result<Self, ServerError> {
        let server = Self::prepare(folder)?;
        server.start_again().await?;
        Ok(server)
    }

    /// One that is still to be started, for those who only need to know where it will be.
    ///
    /// # Errors
    /// When it is not installed, or the folder can't be made.
    pub fn prepare(folder: &Path) -> Result<Self, ServerError> {
        let files = Files::find().ok_or_else(|| {
            ServerError(
                "RabbitMQ is not installed: `tests/setup.sh rabbitmq`, or the package rabbitmq-server".into(),
            )
        })?;
        private_folder(folder)?;
        let (program, mapper) = (Program::new("rabbitmq", folder), Program::new("epmd", folder));
        let [port, node_port, mapper_port] = [free_port()?, free_port()?, free_port()?];
        let folder = folder.to_owned();
        let password = crate::random_text();
        Ok(Self { program, mapper, files, folder, port, node_port, mapper_port, password })
    }

    /// Starts it again, on the port and with the data that it had.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&self) -> Result<(), ServerError> {
        let settings = self.folder.join("rabbitmq.conf");
        let text = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\ndefault_user = shop\ndefault_pass = {}\n\
             log.console = true\nlog.console.level = warning\nlog.file = false\ndisk_free_limit.absolute = 50MB\n",
            self.port, self.password
        );
        let plugins = self.folder.join("enabled_plugins");
        for (path, text) in [(&settings, text.as_str()), (&plugins, "[].\n")] {
            tokio::fs::write(path, text).await.map_err(|error| failed(path.display(), error))?;
        }
        let mut mapper: Command = bound(&self.files.epmd, None);
        mapper.args(["-address", "127.0.0.1", "-port", &self.mapper_port.to_string()]);
        self.mapper.start(mapper, || connects(self.mapper_port)).await?;
        let mut command: Command = bound(&self.files.erl, None);
        command
            .args(["-pa", "", "-noshell", "-noinput", "-s", "rabbit", "boot", "-boot", "start_sasl"])
            // One scheduler, which does not spin: the machine has others to serve.
            .args(["+S", "1:1", "+sbwt", "none"])
            .args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
            .args(["-kernel", "prevent_overlapping_partitions", "false"])
            .args(["-syslog", "logger", "[]", "-syslog", "syslog_error_logger", "false"])
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("ERL_LIBS", self.files.home.join("plugins"))
            // Neither it nor what it starts to ask the port mapper starts another, which would stay.
            .env("ERL_AFLAGS", "-start_epmd false")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .env("RABBITMQ_HOME", &self.files.home)
            .env("RABBITMQ_NODENAME", format!("causeway-{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", self.node_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", self.folder.join("data"))
            .env("RABBITMQ_LOG_BASE", self.folder.join("log"))
            .env("RABBITMQ_CONFIG_FILE", &settings)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins);
        self.program.start(command, || speaks(self.port)).await
    }

    /// How to connect to it.
    pub fn url(&self) -> String {
        format!("amqp://shop:{}@127.0.0.1:{}/%2f", self.password, self.port)
    }

    /// Ends it. Its ports stay its own.
    pub async fn stop(&self) {
        self.program.stop().await;
        self.mapper.stop().await;
    }

    /// Ends it at once, as a node that fails.
    pub async fn kill(&self) {
        self.program.kill().await;
        self.mapper.kill().await;
    }
}

async fn connects(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}

/// Whether something that speaks AMQP 0-9-1 listens at a port: it answers a header with its first frame.
async fn speaks(port: u16) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"AMQP\0\0\x09\x01").await.ok()?;
        let mut first = [0];
        stream.read_exact(&mut first).await.ok()?;
        (first == [1]).then_some(())
    };
    timeout(Duration::from_secs(1), asked).await.ok().flatten().is_some()
}
