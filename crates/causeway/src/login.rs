//! A direct way to the shop's databases, past its services: for the verdict, and for whoever looks at the sandbox.

use std::time::Duration;

use runbook::plan::Engine;
use sqlx::{AnyConnection, Connection};
use tokio::time::timeout;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to connect.
#[derive(Clone)]
pub struct Login {
    /// Engine.
    pub engine: Engine,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl Login {
    /// A connection to `database`.
    pub async fn connect(&self, database: &str) -> Result<AnyConnection, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let (scheme, no_tls) = match self.engine {
            Engine::AuroraMysql => ("mysql", "ssl-mode=disabled"),
            Engine::AuroraPostgresql => ("postgres", "sslmode=disable"),
        };
        let Self { user, password, host, port, .. } = self;
        // The sandbox's users and passwords are letters: nothing of them has to be escaped.
        let url = format!("{scheme}://{user}:{password}@{host}:{port}/{database}?{no_tls}");
        match timeout(PATIENCE, AnyConnection::connect(&url)).await {
            Ok(connection) => connection,
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// The engine's own client.
    pub fn engine_client(&self) -> &'static str {
        match self.engine {
            Engine::AuroraMysql => "mariadb",
            Engine::AuroraPostgresql => "psql",
        }
    }
}
