//! Both runbooks, rehearsed in one process and in paused time: the documents in `ssm-documents/`, the real step handlers
//! over the real SDK, and the simulated world, without database servers.
//!
//! - [`stage`]: puts it together, runs a runbook, and says what state it left
//! - [`faults`]: what goes wrong, at any call and any invocation
//! - [`handlers`]: the step functions in this process
//! - [`failover`], [`reconcile`]: the rehearsals

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod failover;
mod faults;
mod handlers;
mod reconcile;
mod stage;
