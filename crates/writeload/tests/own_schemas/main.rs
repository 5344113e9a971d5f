//! Schemas with what makes real ones difficult, on real servers: loaded, written by several writers, held against the ledger.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper may panic")]

mod dumps;
mod losses;
mod programs;
mod servers;
mod support;
mod writes;
