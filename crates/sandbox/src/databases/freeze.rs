//! A server that stands still for as long as its data are copied. What is on the disk then is what a crash at that moment would
//! leave: every acknowledged write is in it, and a server started on the copy recovers as from a crash. Its clients wait; none is
//! refused.
//!
//! Whatever happens, the server goes on when [`Frozen`] is dropped.

use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::ServerError;
use super::files::failed;

/// Processes that were stopped.
pub(super) struct Frozen(Vec<Pid>);

impl Frozen {
    /// Stops a process and then its children: a stopped parent makes no more of them.
    ///
    /// # Errors
    /// When one can't be stopped.
    pub(super) async fn stop(process: u32) -> Result<Self, ServerError> {
        let mut frozen = Self(Vec::new());
        frozen.add(process).await?;
        for child in children(process) {
            frozen.add(child).await?;
        }
        Ok(frozen)
    }

    async fn add(&mut self, process: u32) -> Result<(), ServerError> {
        let what = || format!("process {process} can't be stopped");
        let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) else {
            return Err(failed(what(), "it has no such number"));
        };
        match kill_process(pid, Signal::STOP) {
            Ok(()) => self.0.push(pid),
            // One that has ended writes nothing either.
            Err(Errno::SRCH) => return Ok(()),
            Err(error) => return Err(failed(what(), error)),
        }
        // The signal reaches each of its threads a little later.
        while !is_still(process) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            // It fails only where the process has ended.
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

/// The processes that every thread of a process has started, by the kernel's list.
fn children(process: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for thread in threads(process) {
        let list = std::fs::read_to_string(thread.join("children")).unwrap_or_default();
        children.extend(list.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    children
}

/// Whether no thread of a process runs. One that has ended does not run either.
fn is_still(process: u32) -> bool {
    threads(process).iter().all(|thread| {
        let stat = std::fs::read_to_string(thread.join("stat")).unwrap_or_default();
        // The state stands behind the name, which may have brackets of its own.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, None | Some('T' | 't' | 'Z' | 'X'))
    })
}

/// The kernel's folders of a process's threads.
fn threads(process: u32) -> Vec<std::path::PathBuf> {
    let tasks = Path::new("/proc").join(process.to_string()).join("task");
    let entries = std::fs::read_dir(tasks).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
