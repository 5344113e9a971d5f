//! The comparison on real servers, which the tests start themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper may panic")]

mod cases;
mod catalogue;
mod connections;
mod failures;
mod faults;
mod kindness;
mod postgres;
mod postgres_server;
mod random;
mod random_postgres;
mod ranges;
mod rights;
mod support;
mod three_way;
mod waiting;
