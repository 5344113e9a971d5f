//! Checks and runs Systems Manager Automation documents (schema 0.3) with the service's semantics.
//!
//! A document is read and checked by [`Document`], or by [`check()`], which lists all problems.
//! [`Automation`] runs documents against the services and functions that its user brings: it implements [`Api`] and
//! [`Functions`], and says in an [`Environment`] which clock, account and reading hold. Nothing here knows AWS's SDKs.
//!
//! # What is supported
//! - Every key of schema 0.3 that AWS documents is read and checked, and so are all of its 23 actions: names, inputs, outputs.
//! - These actions run: `aws:approve`, `aws:assertAwsResourceProperty`, `aws:branch`, `aws:executeAutomation`,
//!   `aws:executeAwsApi`, `aws:executeStateMachine`, `aws:invokeLambdaFunction`, `aws:loop`, `aws:pause`, `aws:sleep`,
//!   `aws:updateVariable`, `aws:waitForAwsResourceProperty`. A document with another action loads and can't be started.
//! - SSM's operations on executions and documents are answered by [`Automation::call`].
//!
//! Not supported: attachments, executions on many targets, Regions or accounts, versions of documents, invocations of a function
//! that are not waited for, and services without a signing name in `execute_aws_api.rs`. [`Document::unsupported`] names each
//! use of them.
//!
//! # Modules
//! - `ports`, `environment`, `clock`, `reading`: what its user brings
//! - `types`, `references`, `condition`: the document's little language
//! - `step`, `document`, `unsupported`: what a document is
//! - `fields`, `reader`, `checks`, `lint`: how one is read and checked
//! - `actions`: one source file for each action that can run, which checks its inputs and runs it
//! - `execution`, `handle`, `outcome`, `run`, `runner`: one execution, step by step
//! - `service`: SSM's operations over the executions
//!
//! Where AWS's documentation leaves open what happens, [`Reading`] chooses one of the two interpretations.

mod actions;
mod checks;
pub mod clock;
mod condition;
mod document;
mod environment;
pub mod execution;
mod fields;
mod handle;
mod lint;
mod outcome;
mod ports;
mod reader;
mod reading;
mod references;
mod run;
mod runner;
mod service;
pub mod step;
#[cfg(test)]
mod tests;
mod types;
mod unsupported;

pub use condition::{Condition, Operation};
pub use document::{Document, DocumentError, Parameter};
pub use environment::Environment;
pub use execution::{Execution, Status};
pub use fields::Problem;
pub use handle::{Event, EventKind};
pub use lint::check;
pub use ports::{Api, ApiError, Call, CallError, Functions, Invocation, NoFunctions, function_name};
pub use reading::Reading;
pub use service::Automation;
pub use types::Type;
pub use unsupported::Unsupported;
