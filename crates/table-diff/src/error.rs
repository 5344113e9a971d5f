//! Why a comparison failed.

use crate::cells::Key;
use crate::engine::Side;
use crate::table::Table;

/// Why a comparison, or the one of a table, failed. One line; names side, server and table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or no session, with a server.
    #[error("can't connect to the {side} at {address}: {cause}")]
    Connect {
        /// Which of the two.
        side: Side,
        /// Host, port and database.
        address: String,
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
    /// A statement failed.
    #[error("{what} on the {side} at {address} failed: {cause}")]
    Query {
        /// Which of the two.
        side: Side,
        /// Host, port and database.
        address: String,
        /// What was done, with the table's name and, where rows are compared by a key, after which of them.
        what: String,
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
    /// A connection broke, and none could be made in its place.
    #[error("{what} was cut off: {cause}")]
    Lost {
        /// What was done, with the table's name and where in it.
        what: String,
        /// Why there is no new connection.
        #[source]
        cause: Box<Error>,
    },
    /// The table can't be compared.
    #[error("table {table}: {reason}")]
    Table {
        /// Its name.
        table: String,
        /// Why.
        reason: String,
    },
    /// The caller's sink failed.
    #[error("what was found can't be kept: {0}")]
    Sink(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An error with its causes, in one line: for a report, a summary, a terminal.
pub fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text.replace(['\n', '\r'], " ")
}

impl Error {
    /// Whether it is about a server that can't be reached, not about a table.
    pub fn is_connection(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Lost { .. } => true,
            Self::Query { cause, .. } => {
                matches!(cause, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed)
            }
            _ => false,
        }
    }

    /// Whether the server answered and refused: user, password, permission.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Connect { cause, .. } => matches!(cause, sqlx::Error::Database(_)),
            Self::Lost { cause, .. } => cause.is_refused(),
            _ => false,
        }
    }

    /// Whether the server knows another password, or no such user: "Access denied" of MySQL (1045), `invalid_password` of
    /// PostgreSQL (28P01).
    pub fn is_wrong_password(&self) -> bool {
        let Self::Connect { cause: sqlx::Error::Database(cause), .. } = self else { return false };
        let mysql = cause.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
        mysql.is_some_and(|error| error.number() == 1045) || cause.code().as_deref() == Some("28P01")
    }

    /// MySQL's number of the error that a statement ended in.
    pub(crate) fn mysql_number(&self) -> Option<u16> {
        let Self::Query { cause: sqlx::Error::Database(cause), .. } = self else { return None };
        Some(cause.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?.number())
    }

    /// Whether the server has not proved to be the host that was meant, see [`crate::Tls::Verified`].
    pub fn is_untrusted(&self) -> bool {
        match self {
            Self::Connect { cause, .. } => is_untrusted(cause),
            Self::Lost { cause, .. } => cause.is_untrusted(),
            _ => false,
        }
    }

    /// The side it is about, where it is about one.
    pub fn side(&self) -> Option<Side> {
        match self {
            Self::Connect { side, .. } | Self::Query { side, .. } => Some(*side),
            Self::Lost { cause, .. } => cause.side(),
            _ => None,
        }
    }
}

/// Whether an error says that the server has not proved to be the host, or that it speaks no TLS.
pub fn is_untrusted(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        // So the TLS library reports a certificate that it does not accept.
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// The error of a table with several rows of one key.
pub(crate) fn not_unique(table: &Table, key: &Key, side: Side) -> Error {
    let key = key.iter().map(|part| String::from_utf8_lossy(part).escape_debug().to_string());
    let reason = format!(
        "more than one row of the {side} has the key {}: its unique index is broken, or does not hold for all rows; mend it there \
         and compare again",
        key.collect::<Vec<_>>().join(", ")
    );
    Error::Table { table: table.to_string(), reason }
}

/// The error of a table with a value that its server does not give.
pub(crate) fn not_given(table: &Table, column: &str, key: &Key, side: Side) -> Error {
    let key = key.iter().map(|part| String::from_utf8_lossy(part).escape_debug().to_string());
    let reason = format!(
        "the {side} does not give the value of column {column:?} in the row with the key {}: raise max_allowed_packet there, \
         and compare again",
        key.collect::<Vec<_>>().join(", ")
    );
    Error::Table { table: table.to_string(), reason }
}

/// The error of a table whose ranges can't be cut.
pub(crate) fn disordered(table: &Table) -> Error {
    let reason = "the two servers don't put its keys in the same order (collations of different versions?)";
    Error::Table { table: table.to_string(), reason: reason.into() }
}
