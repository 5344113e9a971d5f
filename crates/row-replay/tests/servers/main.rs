//! Replays on real servers, which the tests start themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper may panic")]

mod database;
mod fates;
mod random;
// The servers of table-diff's own tests.
#[path = "../../../table-diff/tests/servers/postgres_server.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod postgres;
#[path = "../../../table-diff/tests/servers/support.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod support;
mod types;
