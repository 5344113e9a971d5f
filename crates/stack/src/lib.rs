//! What a CloudFormation template says, without AWS: its resources with their functions resolved, what its roles may do, and
//! which events its rules fit. Nothing here makes a call or changes anything.
//!
//! - [`template`]: the stack that a template makes, with CloudFormation's functions resolved
//! - [`roles`]: its roles, by who has them
//! - [`machines`]: its state machines
//! - [`policy`]: what a statement of a policy says, and whether it allows a request
//! - [`patterns`]: patterns and input transformers of EventBridge
//!
//! What a template may contain and this crate does not know is an error that names it, never understood in another way.

pub mod machines;
pub mod patterns;
pub mod policy;
pub mod roles;
pub mod template;

pub use policy::{Need, Statement, Verdict, decide};
pub use roles::{Role, Roles};
pub use template::{Place, Stack};
