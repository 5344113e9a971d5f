//! What is known about watching a server: kept with its connection, so that it is not asked for again.

use tokio::time::Instant;

/// What is known of watching a server.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// When the load was asked for last.
    pub(crate) asked: Option<Instant>,
    /// How the lag is asked for; `None` before that is known.
    pub(crate) lag: Option<LagSource>,
}

/// What a server reports its replicas' lag by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LagSource {
    AuroraMySql,
    AuroraPostgres,
    Standbys,
    Itself,
}
