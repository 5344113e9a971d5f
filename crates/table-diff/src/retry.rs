//! What is tried again: a connection that broke, a transaction that the server gave up.

use std::time::Duration;

use crate::error::Error;
use crate::server::Server;

/// How often a range is tried when the connection breaks.
pub(crate) const TRIES: u32 = 4;

/// Whether an error may be gone when the range is tried again: the connection broke, or the server gave up a
/// transaction.
pub(crate) fn is_transient(error: &Error) -> bool {
    let (Error::Query { cause, .. } | Error::Connect { cause, .. }) = error else { return false };
    match cause {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        // Deadlock and serialization failure; a server that shuts down or starts, a connection lost. A timeout is not among them.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["40001", "40P01", "57P01", "57P02", "57P03", "08S01"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Waits a moment and makes both connections anew; a server that starts again gets some seconds for it. `what` was cut
/// off.
pub(crate) async fn reconnect(
    source: &mut Server,
    target: &mut Server,
    attempt: u32,
    what: &str,
) -> Result<(), Error> {
    for wait in 0..TRIES {
        tokio::time::sleep(Duration::from_millis(300) * attempt * (1 << wait)).await;
        let made = match source.reconnect().await {
            Ok(()) => target.reconnect().await,
            Err(error) => Err(error),
        };
        if made.is_ok() || wait + 1 == TRIES {
            return made.map_err(|cause| Error::Lost { what: what.to_owned(), cause: Box::new(cause) });
        }
    }
    Ok(())
}
