//! How Aurora changes with time.
//!
//! A change that takes AWS minutes is a task that sleeps and then changes the state; what it does to the servers happens
//! just before the state says so. A server that fails leaves the state as it was, with an event that tells why.

mod lifecycle;
mod operations;
mod recovery;
mod snapshots;
