//! Checks and runs Step Functions state machines: the part of the Amazon States Language (JSONPath) that Causeway needs, with the
//! service's semantics.
//!
//! A definition is read and checked by [`Definition`], or by [`check()`], which lists all problems. [`StepFunctions`] runs
//! machines with what its user brings: functions, objects, and what a machine's role may do to its own executions. Nothing
//! here knows AWS's SDKs.
//!
//! # What is supported
//! - Standard workflows of the states Task, Choice, Wait, Pass, Succeed, Fail and Map.
//! - A Task invokes a Lambda function (`arn:aws:states:::lambda:invoke`) and waits for it, with `Retry`, `Catch` and
//!   `TimeoutSeconds`.
//! - A Map is distributed, with standard children: the lines of one object in S3 (JSONL), each shaped by `ItemSelector` and run by
//!   a child, at most `MaxConcurrency` of them at once. One child that fails fails the map: no failure is tolerated.
//! - `RedriveExecution` goes on where an execution ended: of a map, only the children that did not succeed run again.
//!
//! Everything else is refused when the definition is **read**, with its place and what is supported. Nothing is ignored.
//!
//! # Promises
//! - A child that succeeded never runs again in its execution, and its result is kept.
//! - What goes from state to state is at most 256 KiB of JSON; more is `States.DataLimitExceeded`.
//! - Waits and intervals of retries are modelled, divided by the clock's factor. Functions take the time that they take, and so
//!   do the limits of `TimeoutSeconds`.
//!
//! # What a failure leaves
//! The execution's record with the error, the state that it ended in and that state's input; of a map, every child's record.
//! A function that was running when its execution ended goes on, as at AWS: a redrive can run it a second time meanwhile.
//!
//! # Modules
//! - `ports`: what its user brings
//! - `path`, `template`, `choice`: the little languages of a definition
//! - `members`, `definition`, `parts`, `read`, `lint`: what a definition is, and how one is read and checked
//! - `failure`, `execution`, `map_run`, `store`: what is known of executions
//! - `scope`, `task`, `map`, `runner`: one execution, state by state
//! - `service`: the operations of Step Functions over the executions

mod choice;
mod definition;
mod execution;
mod failure;
mod lint;
mod map;
mod map_run;
mod members;
mod parts;
mod path;
mod ports;
mod read;
mod runner;
mod scope;
mod service;
mod store;
mod task;
mod template;
#[cfg(test)]
mod tests;

pub use definition::{Definition, DefinitionError};
pub use execution::Status;
pub use lint::check;
pub use members::Problem;
pub use ports::{Access, Environment, Machine, Objects};
pub use service::StepFunctions;
