//! What goes wrong in a rehearsal: between the callers and the world, and between the runbook and its functions.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use sandbox::account::OPERATOR;
use sandbox::api::{Api, ApiError, Call, CallError};
use serde_json::Value;
use tokio::sync::Notify;

/// Calls and invocations are counted from [`Faults::set`] on, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing goes wrong.
    Nothing,
    /// Every function is called twice, one after the other. The runbook gets the second answer.
    Twice,
    /// Every function is called twice at the same time.
    AtOnce,
    /// The function that makes this call is killed before it is made.
    Killed(usize),
    /// This invocation does its work, and its answer is lost.
    AnswerLost(usize),
    /// This call is answered with an internal error, once.
    Broken(usize),
    /// This call is not answered, once.
    Silent(usize),
    /// This call, and from then on every call of that caller to that operation, is denied.
    Denied(usize),
    /// What invocations say, by operation: the first that is not yet used up goes to the next invocation of its operation,
    /// which does its work and answers with this status. With the status [`BROKEN`] none of that operation works.
    Said(&'static [(&'static str, &'static str)]),
}

/// Says that a function is broken.
pub const BROKEN: &str = "";

/// Who called what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Called {
    /// The caller: a function, or Automation.
    pub principal: String,
    /// The operation.
    pub operation: String,
}

#[derive(Debug)]
struct Noted {
    fault: Fault,
    calls: Vec<Called>,
    invocations: usize,
    denied: Option<Called>,
    /// What of [`Fault::Said`] is used up.
    said: BTreeSet<usize>,
}

impl Noted {
    fn new(fault: Fault) -> Self {
        Self { fault, calls: Vec::new(), invocations: 0, denied: None, said: BTreeSet::new() }
    }
}

/// The fault of a rehearsal, and what was called in it.
#[derive(Debug)]
pub struct Faults {
    noted: Mutex<Noted>,
    /// Tells that the function at work is killed.
    killed: Notify,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Arc<Self> {
        Arc::new(Self { noted: Mutex::new(Noted::new(Fault::Nothing)), killed: Notify::new() })
    }

    /// From now on goes wrong what `fault` says, and nothing else.
    pub fn set(&self, fault: Fault) {
        *self.noted.lock().unwrap() = Noted::new(fault);
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Called> {
        self.noted.lock().unwrap().calls.clone()
    }

    /// The invocations so far.
    pub fn invocations(&self) -> usize {
        self.noted.lock().unwrap().invocations
    }

    /// Counts an invocation: the fault, and whether it meets this one.
    pub fn invoked(&self) -> (Fault, bool) {
        let mut noted = self.noted.lock().unwrap();
        noted.invocations += 1;
        (noted.fault, noted.fault == Fault::AnswerLost(noted.invocations - 1))
    }

    /// What the next invocation of an operation is to say.
    pub fn says(&self, operation: &str) -> Option<&'static str> {
        let mut noted = self.noted.lock().unwrap();
        let Fault::Said(said) = noted.fault else { return None };
        let next =
            |(number, (of, _)): &(usize, &(&str, &str))| *of == operation && !noted.said.contains(number);
        let (number, (_, status)) = said.iter().enumerate().find(next)?;
        if *status != BROKEN {
            noted.said.insert(number);
        }
        Some(status)
    }

    /// Comes back when the function at work is killed.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Counts a call; what to answer instead of the world, if it goes wrong.
    fn called(&self, call: &Call) -> Option<CallError> {
        // The operator looks at the world: that is no part of the rehearsal.
        if call.principal == OPERATOR {
            return None;
        }
        let mut noted = self.noted.lock().unwrap();
        let called = Called { principal: call.principal.clone(), operation: call.operation.clone() };
        let number = noted.calls.len();
        noted.calls.push(called.clone());
        if noted.fault == Fault::Denied(number) {
            noted.denied = Some(called.clone());
        }
        if noted.denied.as_ref() == Some(&called) {
            let message = format!("{} is not authorized to perform: {}", called.principal, called.operation);
            return Some(ApiError::with_status(403, "AccessDeniedException", message).into());
        }
        match noted.fault {
            Fault::Broken(n) if n == number => {
                let message = "We encountered an internal error.";
                Some(ApiError::with_status(500, "InternalFailure", message).into())
            }
            Fault::Silent(n) if n == number => Some(CallError::NoAnswer),
            Fault::Killed(n) if n == number => {
                self.killed.notify_one();
                Some(CallError::NoAnswer)
            }
            _ => None,
        }
    }
}

/// The world, with what goes wrong on the way to it.
pub struct Faulty {
    /// The world behind.
    pub api: Arc<dyn Api>,
    /// What goes wrong.
    pub faults: Arc<Faults>,
}

impl Api for Faulty {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        match self.faults.called(&call) {
            Some(error) => async { Err(error) }.boxed(),
            None => self.api.call(call),
        }
    }
}
