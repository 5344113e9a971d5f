//! What the fakes of the steps' tests share: one counter of calls, one of which fails.

#![allow(missing_docs, reason = "tests say what failed by panicking")]

use crate::StepError;
use crate::aurora::Instance;
use crate::error::Kind;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// An error; the call was not heard.
    Fails(Kind),
    /// An error; the call was heard all the same.
    AnswerLost,
}

/// Every fault that a call is tried with.
pub const FAULTS: [Fault; 3] =
    [Fault::Fails(Kind::Failed), Fault::Fails(Kind::Unreachable), Fault::AnswerLost];

/// The calls of a fake, in order.
#[derive(Debug, Default)]
pub struct Calls {
    /// As `REGION operation`.
    pub made: Vec<String>,
    /// The call that fails, counted from 1.
    pub fault: Option<(usize, Fault)>,
}

impl Calls {
    /// Counts a call. `Ok(true)`: do it, but lose the answer.
    ///
    /// # Errors
    /// When this is the call that fails.
    pub fn count(&mut self, region: &str, operation: &str) -> Result<bool, StepError> {
        self.made.push(format!("{region} {operation}"));
        match self.fault {
            Some((k, fault)) if k == self.made.len() => match fault {
                Fault::Fails(kind) => Err(injected(kind)),
                Fault::AnswerLost => Ok(true),
            },
            _ => Ok(false),
        }
    }

    /// Counts a call that changes nothing: to whoever asks, a lost answer is silence.
    ///
    /// # Errors
    /// When this is the call that fails.
    pub fn count_read(&mut self, region: &str, operation: &str) -> Result<(), StepError> {
        if self.count(region, operation)? { Err(injected(Kind::Unreachable)) } else { Ok(()) }
    }

    /// Whether the call that fails was made.
    pub fn was_hit(&self) -> bool {
        self.fault.is_some_and(|(k, _)| k <= self.made.len())
    }
}

/// An instance of a cluster, with no tags.
pub fn instance(id: &str, status: &str) -> Instance {
    Instance { id: id.to_owned(), cluster: None, status: status.to_owned(), tags: Vec::new() }
}

/// The error of a call that failed.
pub fn injected(kind: Kind) -> StepError {
    StepError::new(kind, "injected", "none")
}
