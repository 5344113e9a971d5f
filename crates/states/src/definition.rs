//! What a state machine is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::choice::Rule;
use crate::members::Problem;
use crate::path::Path;
use crate::template::Template;

/// A definition that was read and can be run.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its states.
    pub(crate) program: Arc<Program>,
    /// How long an execution may take, in real time.
    pub(crate) timeout: Option<Duration>,
}

/// A definition that can't be run: all that is wrong with it, or not supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError {
    /// The definition, as it was named.
    pub name: String,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can't be run:", self.name)?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for DefinitionError {}

/// States, and which is the first: of a machine, or of the children of a map.
#[derive(Debug)]
pub(crate) struct Program {
    pub start_at: String,
    pub states: BTreeMap<String, State>,
}

/// A state.
#[derive(Debug)]
pub(crate) struct State {
    /// What of the raw input it works on.
    pub input: Select,
    /// What it does.
    pub kind: Kind,
    /// What of its output goes on.
    pub output: Select,
}

/// What a path selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Select {
    /// Nothing, written as null.
    Nothing,
    /// What is there; `$` is all.
    At(Path),
}

/// What follows a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Then {
    /// This state.
    Next(String),
    /// The end.
    End,
}

/// What a state does.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Invokes a function.
    Task(Task),
    /// Goes to the state of the first rule that holds, else to the default.
    Choice { rules: Vec<(Rule, String)>, default: Option<String> },
    /// Waits for modelled seconds.
    Wait { time: Duration, then: Then },
    /// Passes its input on, or another result.
    Pass { parameters: Option<Template>, result: Option<serde_json::Value>, result_path: Select, then: Then },
    /// Ends the execution well.
    Succeed,
    /// Ends it with an error.
    Fail { error: Option<String>, cause: Option<String> },
    /// Runs its states for every item.
    Map(Box<Map>),
}

/// A task: an invocation of a function.
#[derive(Debug)]
pub(crate) struct Task {
    /// The function's name or ARN.
    pub function: Template,
    /// Its event; without one, the state's input.
    pub payload: Option<Template>,
    /// How long a try may take, in real time.
    pub timeout: Option<Duration>,
    pub after: After,
}

/// What becomes of a result, of a failure, and what follows.
#[derive(Debug)]
pub(crate) struct After {
    pub selector: Option<Template>,
    pub result_path: Select,
    pub retry: Vec<Retrier>,
    pub catch: Vec<Catcher>,
    pub then: Then,
}

/// How often, and when, a failure is tried again.
#[derive(Debug)]
pub(crate) struct Retrier {
    pub errors: Vec<String>,
    pub interval: Duration,
    pub attempts: u64,
    pub backoff: f64,
}

/// The state that follows a failure.
#[derive(Debug)]
pub(crate) struct Catcher {
    pub errors: Vec<String>,
    pub result_path: Select,
    pub next: String,
}

/// A distributed map.
#[derive(Debug)]
pub(crate) struct Map {
    /// Names its runs and children in their ARNs.
    pub label: String,
    /// Where the items are.
    pub bucket: Template,
    pub key: Template,
    /// A child's input; without one, the item.
    pub selector: Option<Template>,
    pub concurrency: Concurrency,
    /// What each child runs.
    pub program: Arc<Program>,
    pub after: After,
}

/// How many children run at once.
#[derive(Debug)]
pub(crate) enum Concurrency {
    /// So many; 0 is as many as there can be.
    Fixed(u64),
    /// What this path of the input says.
    At(Path),
}

impl Then {
    fn next(&self) -> Option<&str> {
        match self {
            Self::Next(next) => Some(next),
            Self::End => None,
        }
    }
}

impl After {
    fn successors(&self) -> Vec<&str> {
        self.catch.iter().map(|catcher| catcher.next.as_str()).chain(self.then.next()).collect()
    }
}

impl Kind {
    /// What becomes of its result and of its failure, where it can have handlers.
    pub fn after(&self) -> Option<&After> {
        match self {
            Self::Task(task) => Some(&task.after),
            Self::Map(map) => Some(&map.after),
            _ => None,
        }
    }

    /// The states that it may lead to.
    pub fn successors(&self) -> Vec<&str> {
        match self {
            Self::Task(task) => task.after.successors(),
            Self::Map(map) => map.after.successors(),
            Self::Choice { rules, default } => {
                rules.iter().map(|(_, next)| next.as_str()).chain(default.as_deref()).collect()
            }
            Self::Wait { then, .. } | Self::Pass { then, .. } => then.next().into_iter().collect(),
            Self::Succeed | Self::Fail { .. } => Vec::new(),
        }
    }
}
