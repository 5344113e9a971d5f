//! Two AWS Regions on this machine, for rehearsals. Never deployed.
//!
//! - [`account`]: the account and its Regions
//! - [`api`]: a call to a service, and its answer
//! - [`world`]: one state machine for what the runbooks touch, called as `(region, service, operation, input)`
//! - [`rig`]: all of it put together
//! - [`shop`]: the scenario of the drill and the rehearsals
//! - [`wire`]: the AWS wire protocols over it, over TCP and as an in-process connector under the real SDK
//! - [`databases`]: real database servers as Aurora clusters
//! - [`application`]: the shop's services in both Regions, and where its customers find it
//! - [`stores`]: Redis and RabbitMQ
//! - [`automation`]: a crate of its own; runs the documents in `ssm-documents/` with the service's semantics
//! - [`eventbridge`]: EventBridge, with the rules of `template.yaml`
//! - [`functions`]: runs step functions, as the deployed binaries behind a Lambda runtime API, or in process
//! - [`machines`]: runs the state machines of `template.yaml`, by the crate [`states`]
//! - [`permissions`]: checks every call of a function or a runbook against its role in `template.yaml`
//! - [`folder`]: folders for what lives as long as this process
//! - [`loopback`]: listeners that no page in a browser can drive
//! - [`clock`]: the world's time; AWS's durations divided by one factor
//!
//! Region names are such that AWS can't have them, and credentials such that they can't be real: a rehearsal can't
//! reach an account.

pub mod account;
pub mod api;
pub mod application;
pub mod databases;
pub mod eventbridge;
pub mod folder;
pub mod functions;
pub mod loopback;
pub mod machines;
pub mod permissions;
mod process;
mod program;
pub mod rig;
pub mod router;
mod runbooks;
pub mod shop;
pub mod stores;
mod template;
pub mod wire;
pub mod world;

pub use automation::{self, clock};
pub use states;

pub use account::{ACCOUNT, ARC_REGIONS, EAST, REGIONS, WEST};
pub use rig::Rig;
pub use runbooks::runbooks;
pub use template::TemplateError;

/// A text that nobody guesses, for a password or a secret: 24 letters.
pub fn random_text() -> String {
    (0..24).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect()
}
