//! Real servers and real processes: what the sandbox promises of them.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod functions;
mod servers;
mod state_machines;
