//! A process of a server or a service: started until it answers, and ended, also while it starts.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::databases::ServerError;
use crate::databases::files::{failed, last_lines};

/// How long one may take to start, and to end when it is asked to.
const START: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(15);

/// A process that runs, or has ended.
pub(crate) struct Program {
    name: String,
    log: PathBuf,
    /// Also while it starts.
    child: Mutex<Option<Child>>,
}

impl Program {
    /// None yet; what it says goes to a file in `folder`.
    pub(crate) fn new(name: &str, folder: &Path) -> Self {
        Self { name: name.to_owned(), log: folder.join(format!("{name}.log")), child: Mutex::new(None) }
    }

    /// What it has said since it was started.
    pub(crate) async fn said(&self) -> String {
        tokio::fs::read_to_string(&self.log).await.unwrap_or_default()
    }

    /// Starts `command` and waits until `answers` says that it does.
    pub(crate) async fn start<F: Future<Output = bool>>(
        &self,
        mut command: Command,
        answers: impl Fn() -> F,
    ) -> Result<(), ServerError> {
        let log = File::create(&self.log).map_err(|error| failed(self.log.display(), error))?;
        let errors = log.try_clone().map_err(|error| failed(self.log.display(), error))?;
        // A group of its own: a Ctrl-C of the terminal reaches us, and we end it in order.
        command.process_group(0).kill_on_drop(true).stdin(Stdio::null()).stdout(log).stderr(errors);
        let child =
            command.spawn().map_err(|error| failed(format!("{} does not start", self.name), error))?;
        *self.child.lock().await = Some(child);
        let end = Instant::now() + START;
        while !answers().await {
            let ended = match self.child.lock().await.as_mut() {
                Some(child) => child.try_wait().map_err(|error| failed(&self.name, error))?.is_some(),
                None => return Err(ServerError(format!("{} was ended while it started", self.name))),
            };
            if ended || Instant::now() > end {
                self.kill().await;
                let said = self.said().await;
                return Err(ServerError(format!("{} does not start: {}", self.name, last_lines(&said))));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Ends it, in order if it can. Harmless when it does not run.
    pub(crate) async fn stop(&self) {
        let Some(mut child) = self.child.lock().await.take() else { return };
        if let Some(process) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // One that has just ended is gone.
            let _ = kill_process(process, Signal::TERM);
        }
        if timeout(STOP, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }

    /// Ends it at once. Harmless when it does not run.
    pub(crate) async fn kill(&self) {
        if let Some(mut child) = self.child.lock().await.take() {
            let _ = child.kill().await;
        }
    }
}
