//! Runs Systems Manager Automation documents (schema 0.3) with the service's semantics.
//!
//! - [`document`]: parsed and checked as a whole before anything runs
//! - [`actions`]: one source file per action; one that AWS has and the sandbox has not is an error at load
//! - [`runner`]: one execution, step by step: references, tries, time limits, outputs, what follows
//! - [`service`]: SSM's operations over the executions
//! - [`references`], [`types`], [`condition`]: the document's little language
//!
//! Where AWS's documents leave open what happens, [`Reading`] takes either side.

pub mod actions;
pub mod condition;
pub mod document;
pub mod execution;
pub mod references;
pub mod runner;
pub mod service;
#[cfg(test)]
mod tests;
pub mod types;

pub use document::{Document, DocumentError};
pub use execution::{Execution, Status};
pub use service::{Automation, Event, EventKind};

/// How to read what AWS does not document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Whether a function's error fails its step; else the step succeeds with an output `FunctionError`.
    pub function_error_fails_step: bool,
    /// Whether an output's selector starts at the function's answer (`$.x`); else at the whole result (`$.Payload.x`).
    pub selector_root_is_payload: bool,
}

impl Reading {
    /// Every combination.
    pub const ALL: [Self; 4] = [
        Self { function_error_fails_step: false, selector_root_is_payload: false },
        Self { function_error_fails_step: false, selector_root_is_payload: true },
        Self { function_error_fails_step: true, selector_root_is_payload: false },
        Self { function_error_fails_step: true, selector_root_is_payload: true },
    ];
}
