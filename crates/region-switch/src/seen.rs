//! What is seen: an execution of Region switch, and an execution of `reconcile`. Plain data.

use jiff::Timestamp;
use runbook::lock::Standing;

/// What an execution of Region switch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Moves the application to a Region.
    Activate,
    /// Moves it out of one.
    Deactivate,
    /// Comes after one of these, when both Regions are well again.
    PostRecovery,
}

/// An execution of a plan of Region switch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlanExecution {
    /// Its id.
    pub(crate) id: String,
    /// ARN of the plan.
    pub(crate) plan: String,
    /// What it is for.
    pub(crate) action: Action,
    /// The Region that it activates or deactivates.
    pub(crate) region: String,
    /// Whether it may lose what is not replicated, where its blocks let it.
    pub(crate) ungraceful: bool,
    /// When it started.
    pub(crate) started: Timestamp,
    /// When it ended; `None` while it runs.
    pub(crate) ended: Option<Timestamp>,
    /// Of a post-recovery: the execution that it comes after.
    pub(crate) recovery: Option<String>,
    /// Its steps.
    pub(crate) steps: Vec<Step>,
    /// The blocks of the workflow that it runs which move an Aurora global database.
    pub(crate) databases: Vec<DatabaseBlock>,
}

/// A step of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Its name in Region switch's plan.
    pub(crate) name: String,
    /// `completed`, `skipped`, `running`, …
    pub(crate) status: String,
    /// When it started.
    pub(crate) started: Option<Timestamp>,
    /// When it ended.
    pub(crate) ended: Option<Timestamp>,
    /// Whether it ran ungraceful, where that was changed on the way.
    pub(crate) ungraceful: Option<bool>,
}

/// A block that moves an Aurora global database.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DatabaseBlock {
    /// The step that it is.
    pub(crate) step: String,
    /// Identifier of the global cluster.
    pub(crate) global_cluster: String,
    /// Whether it fails over, with loss, in a graceful execution.
    pub(crate) loses_gracefully: bool,
    /// Whether it does in an ungraceful one.
    pub(crate) loses_ungracefully: bool,
}

/// An execution of `reconcile`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reconciliation {
    /// Its id.
    pub(crate) id: String,
    /// Its status, in the words of Automation.
    pub(crate) status: String,
    /// The same as far as it matters.
    pub(crate) standing: Standing,
    /// The step that runs.
    pub(crate) step: Option<String>,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// What the report says, in a sentence or two.
    pub(crate) summary: Option<String>,
    /// Where the report's page is.
    pub(crate) location: Option<String>,
}
