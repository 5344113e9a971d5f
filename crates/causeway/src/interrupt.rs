//! When the user wants an end.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the user wants an end: Ctrl-C, a termination signal, a closed terminal, or nobody who reads the output.
pub async fn interrupted() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = received(SignalKind::terminate()) => {}
        () = received(SignalKind::hangup()), if !hangups_are_ignored() => {}
        () = crate::timeline::unread() => {}
    }
}

/// Returns when this signal has come.
async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without the handler the signal ends the process at once; nothing to wait for.
        Err(_) => std::future::pending().await,
    }
}

/// Whether the process was started to outlive its terminal, as `nohup` does it.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
