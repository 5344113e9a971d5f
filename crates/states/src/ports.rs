//! What this crate needs of the services around it, and the machines that it runs. Functions are those of [`automation`].

use std::sync::Arc;

use automation::clock::Clock;
use automation::{ApiError, Functions};
use futures::future::BoxFuture;

use crate::definition::Definition;

/// Reads objects of S3.
pub trait Objects: Send + Sync + 'static {
    /// The bytes of an object, for a role.
    fn read<'a>(
        &'a self,
        role: &'a str,
        region: &'a str,
        bucket: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, ApiError>>;
}

/// What a machine's role may do to the machine's own executions, which a distributed map starts, watches, stops and redrives.
pub trait Access: Send + Sync + 'static {
    /// Whether a role may do an operation of Step Functions, such as `StartExecution`, to a resource.
    ///
    /// # Errors
    /// In the service's words, when not.
    fn may(&self, role: &str, region: &str, operation: &str, resource: &str) -> Result<(), ApiError>;
}

/// What executions run in.
#[derive(Clone)]
pub struct Environment {
    /// The time, and what modelled durations are divided by.
    pub clock: Clock,
    /// The functions that tasks invoke.
    pub functions: Arc<dyn Functions>,
    /// The objects that maps read their items from.
    pub objects: Arc<dyn Objects>,
    /// What roles may do.
    pub access: Arc<dyn Access>,
}

/// A state machine of a Region.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its Region.
    pub region: String,
    /// Number of its account.
    pub account: String,
    /// ARN of its role, in whose name its tasks and maps act.
    pub role: String,
    /// What it is.
    pub definition: Definition,
}

impl Machine {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.resource("stateMachine", &self.name)
    }

    /// The ARN of something of this machine's account and Region.
    pub(crate) fn resource(&self, kind: &str, rest: &str) -> String {
        format!("arn:aws:states:{}:{}:{kind}:{rest}", self.region, self.account)
    }
}
