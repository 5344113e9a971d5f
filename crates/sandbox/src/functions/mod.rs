//! Step functions, as the world's Lambda service runs them.
//!
//! A function's credentials name it and its Region ([`crate::account::access_key_id`]), so that the world knows who calls.
//! [`binaries`] runs the deployed binaries behind a Lambda runtime API.

pub mod binaries;

pub use automation::{Functions, Invocation, NoFunctions};
