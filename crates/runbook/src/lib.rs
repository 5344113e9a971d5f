//! What the steps of a runbook share.
//!
//! A step is one Lambda function. It reads in one order: **observe** the world through narrow traits over the
//! AWS SDK, **plan** with a pure function what to do next, **execute** just that. It is level-triggered: it
//! looks at the world, not at what an earlier call claimed, so calling it again at any moment is safe.
//!
//! - [`plan`]: the recovery plan, the one configuration of an application's failover
//! - [`step`]: how a step is called, what it answers, how it is served as a Lambda function
//! - [`watch`](mod@watch): looking at the world until something is so, within the time of one call
//! - [`settle`]: the choice about one thing, the verdict over many, the one limit, making the calls
//! - [`bucket`]: the report bucket's small objects
//! - [`error`]: the one error type: names the thing, keeps the cause, says what to do
//! - [`aws`]: the SDK configuration, by Region
//! - [`arc`]: routing controls at the five endpoints of an ARC cluster
//! - [`aurora`]: global clusters and clusters as the steps see them
//! - [`lag`]: how far a secondary was behind before a failover
//! - [`lock`]: one execution at a time
//! - [`authorities`]: whose word proves that a database server is the one that was meant
//! - [`secret`]: database credentials that can't be printed
//! - [`record`]: what the report step leaves for later runbooks: the last failover
//! - [`executions`]: executions of a runbook as Systems Manager lists them
//! - [`stack`]: what the deployed stack says of itself
//! - [`telemetry`]: log lines that name what they are about, and metrics
//! - [`names`]: names and tags derived from an execution, object keys in the report bucket

pub mod arc;
pub mod aurora;
pub mod authorities;
pub mod aws;
pub mod bucket;
pub mod error;
pub mod executions;
#[doc(hidden)]
pub mod fakes;
pub mod lag;
pub mod lock;
pub mod names;
pub mod plan;
pub mod record;
pub mod secret;
pub mod settle;
pub mod stack;
pub mod step;
pub mod telemetry;
pub mod watch;

pub use error::StepError;
pub use plan::RecoveryPlan;
pub use step::{Context, Outcome, Status};
