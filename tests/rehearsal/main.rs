//! The runbooks, rehearsed in one process and in paused time: the documents in `ssm-documents/`, the real step handlers
//! over the real SDK, and the simulated world, without database servers.
//!
//! - [`stage`]: puts it together, runs a runbook, says what state it left and which faults to try on it
//! - [`faults`]: what goes wrong, at a call or an invocation
//! - [`handlers`]: the step functions in this process
//! - [`automatic`]: what starts by itself
//! - [`failover`], [`detach`], [`rebuild`], [`failback`], [`reconcile`], [`replay`], [`routing`], [`readiness`]: the rehearsals
//! - [`region_switch`]: a failover by ARC Region switch, which has only the accounting done here
//! - [`kept`]: what a restored and a rebuilt cluster have of the old one, with keys of the account
//! - [`cancelled`]: each of them, cancelled at every step of its document
//! - [`ends`]: each of them on every way through its document, with and without a word of how it ended
//! - [`states`]: each of them where AWS does not say which states are shown
//! - [`what_if`]: what else may happen on the way
//! - [`campaign`]: any story in any weather, from a seed, and the promises that hold all the same
//! - [`prove`]: what only an account can show, under both answers
//! - [`iam`]: the story of a plan that signs in to its databases by IAM
//! - [`golden`]: what a person sees of each, as a text
//! - [`permissions`]: that no role in `template.yaml` may do more than they need

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod automatic;
mod campaign;
mod cancelled;
mod detach;
mod ends;
mod failback;
mod failover;
mod faults;
mod golden;
mod handlers;
mod iam;
mod kept;
mod permissions;
mod prove;
mod ranges;
mod readiness;
mod rebuild;
mod reconcile;
mod region_switch;
mod replay;
mod routing;
mod servers;
mod stage;
mod states;
mod what_if;
