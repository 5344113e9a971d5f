//! What is tried again, how often and after which pauses.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder, RetryableWithContext as _};

use crate::error::Error;
use crate::server::Server;

/// The policy of everything that is tried again on a database: five times, with 300 ms before the second try and twice as
/// long before each further one, 4.5 s together.
pub fn retry_policy() -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(300)).with_factor(2.0).with_max_times(4)
}

/// The tries at one place of a table.
pub(crate) struct Retry {
    pauses: ExponentialBackoff,
}

impl Retry {
    pub(crate) fn new() -> Self {
        Self { pauses: retry_policy().build() }
    }

    /// The comparison came further: the next place has all of its tries.
    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }

    /// Makes both connections anew, so that the place can be tried again. Returns `error` at once when it would come again,
    /// and when there were tries enough; [`Error::Lost`], with `what` was cut off, when no connection can be made.
    pub(crate) async fn recover(
        &mut self,
        error: Error,
        source: &mut Server,
        target: &mut Server,
        what: &str,
    ) -> Result<(), Error> {
        let pause = if is_transient(&error) { self.pauses.next() } else { None };
        let Some(pause) = pause else { return Err(error) };
        tokio::time::sleep(pause).await;
        // A server that starts again gets some seconds for it.
        let (_, made) = reconnect.retry(retry_policy()).context((source, target)).await;
        made.map_err(|cause| Error::Lost { what: what.to_owned(), cause: Box::new(cause) })
    }
}

type Both<'a> = (&'a mut Server, &'a mut Server);

async fn reconnect<'a>((source, target): Both<'a>) -> (Both<'a>, Result<(), Error>) {
    let made = match source.reconnect().await {
        Ok(()) => target.reconnect().await,
        Err(error) => Err(error),
    };
    ((source, target), made)
}

/// Codes of errors that may be gone with a new connection.
const PASSING: [&str; 9] = ["40001", "40P01", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "08S01"];
/// MySQL's error for a connection that it closed because nothing was asked on it.
const INACTIVE: u16 = 4031;

/// Whether an error may be gone when the range is tried again: the connection broke, or the server gave up a
/// transaction.
pub(crate) fn is_transient(error: &Error) -> bool {
    let (Error::Query { cause, .. } | Error::Connect { cause, .. }) = error else { return false };
    match cause {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        // Deadlock and serialization failure; a server that shuts down or starts, a connection lost, or closed because it
        // waited for too long. The timeout of a statement is not among them.
        sqlx::Error::Database(error) => {
            let passes = error.code().is_some_and(|code| PASSING.contains(&code.as_ref()));
            let mysql = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
            passes || mysql.is_some_and(|error| error.number() == INACTIVE)
        }
        _ => false,
    }
}
