//! What the application is made of.

use std::path::PathBuf;
use std::time::Duration;

/// What the application is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The shop's program.
    pub program: PathBuf,
    /// Folder of the services' logs.
    pub logs: PathBuf,
    /// A folder for the stores' data, which does not exist yet.
    pub folder: PathBuf,
    /// Where AWS is, for the carts.
    pub endpoint: String,
    /// The secret access key of that.
    pub secret: String,
    /// File of the authority that signs for the databases.
    pub database_authority: PathBuf,
    /// Time to live of the shop's DNS record.
    pub ttl: Duration,
    /// Whether there is to be a RabbitMQ. Without one, events wait in the outbox.
    pub brokers: bool,
}
