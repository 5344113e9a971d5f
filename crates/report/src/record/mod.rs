//! The record of a failover or switchover: what its execution did, and what it cost, against the plan's budgets. Of a
//! failover, how long the application was without a writer and how many seconds of writes were at risk; of a switchover,
//! which loses nothing, how long writes stood still.
//!
//! It is made from the Automation execution itself, so that it can also be written for one that failed at any step.
//! The names of the steps are those of `ssm-documents/failover.yaml` and `failback.yaml`, which a test compares.
//!
//! | module | what |
//! |---|---|
//! | `model` | what a record is made from, and what it holds |
//! | `steps` | the steps of an execution: which count, and which one stopped it |
//! | `fits` | whether the execution did what its record is to say |
//! | `build` | makes the record |
//! | `last` | the short record that later runbooks read |
//! | `words`, `page`, `metrics` | the record in sentences, for people, and in numbers |
//! | `write` | reads what is needed, and writes all of it |
//!
//! # When the move began
//! A move is often the work of several executions: one was cancelled or killed or failed, and somebody started the runbook
//! again. Where preflight of this execution found databases in the Region that takes over already, the move began with the
//! earliest execution before it that promoted and was followed by none that ended well: the writes were lost then, and the
//! application was down from then on.
//!
//! # The write outage of a switchover
//! From the moment when the databases are asked to change their roles ("your database is unavailable for a short time
//! while the primary and selected secondary clusters are assuming their new roles", RDS API reference,
//! `SwitchoverGlobalCluster`) until every one has accepted a write in the new Region with the traffic there. What clients
//! felt is at most that. When an earlier execution stopped half-way, the outage began with that one, as its record or Systems
//! Manager says; where neither does, the outage is not known and the record names none.

mod build;
mod fits;
mod last;
mod metrics;
mod model;
mod page;
mod steps;
mod words;
mod write;

#[cfg(test)]
pub(crate) mod sample;

pub use model::{Asked, HandedLag, Progress, Record, Step, Stop};
pub use write::{write_failover, write_record};
