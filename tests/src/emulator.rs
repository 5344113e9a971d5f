//! Emulators of AWS that nobody here wrote, of the environment `target/emulators`, on ports that the system chooses.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::root;

/// An emulator that runs until it is dropped.
pub struct Emulator {
    child: Child,
    /// Where it listens.
    pub url: String,
}

impl Emulator {
    /// Starts it and waits until it says where it listens. Its files go below `folder`.
    ///
    /// # Errors
    /// When its process can't be started.
    ///
    /// # Panics
    /// When it is not there, or ends before it listens; with what it said.
    pub fn start(name: &str, arguments: &[&str], folder: &Path) -> io::Result<Self> {
        let program = root().join("target/emulators/bin").join(name);
        assert!(program.is_file(), "there is no {}: run `make setup` first", program.display());
        let (reader, writer) = io::pipe()?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env("TMPDIR", folder)
            // ministack listens everywhere, and for things' own protocol on a port of its choice, unless told otherwise;
            // and it would run databases in Docker.
            .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", "0"), ("IOT_MTLS_ENABLED", "0")])
            .env("DOCKER_HOST", "unix:///nonexistent")
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()?;
        let mut emulator = Self { child, url: String::new() };
        let mut lines = BufReader::new(reader).lines().map_while(Result::ok);
        let mut said = String::new();
        for line in lines.by_ref() {
            if let Some((_, rest)) = line.split_once("Running on ") {
                emulator.url = rest.split_whitespace().next().unwrap_or_default().to_owned();
                break;
            }
            said += &format!("{line}\n");
        }
        assert!(emulator.url.starts_with("http://127.0.0.1:"), "{name} did not start:\n{said}");
        // What it says from now on is for nobody; it must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(emulator)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
