//! Real servers and real processes: what the sandbox promises of them.

mod functions;
mod servers;
