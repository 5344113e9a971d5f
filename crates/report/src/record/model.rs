//! What a record is made from, and what it holds: `record.json`.

use jiff::Timestamp;
use runbook::lag::Lags;
use runbook::record::MoveOutcome;
use runbook::step::Mode;
use serde::{Deserialize, Serialize};

/// Which record is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Id of the Automation execution.
    pub execution: String,
    /// The Region that took over, or was to.
    pub target_region: String,
    /// How it ended.
    pub outcome: MoveOutcome,
    /// The lag as preflight measured it; taken from the execution when it is an empty text.
    pub lag: HandedLag,
    /// Failover or switchover.
    pub mode: Mode,
    /// The plan's parameter, as the caller names it.
    pub plan_parameter: String,
    /// Whether it replaces the record of a later execution, because that one is wrong.
    pub replace: bool,
}

/// What preflight returned as `lag`. It is JSON text, but Automation may parse a text that looks like JSON when it puts it
/// into a map, and AWS doesn't document when.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum HandedLag {
    /// As preflight returned it; empty when there is none.
    Text(String),
    /// Parsed on the way.
    Parsed(Lags),
}

impl Default for HandedLag {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// How far a failover came. It decides what a person has to do when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Progress {
    /// Nothing was changed.
    NothingChanged,
    /// The traffic may be off in the Region to leave, or here already; no database was touched.
    TrafficMoving,
    /// The promotion was started, and was not seen to be complete.
    Promoting,
    /// Every database has its writer in the Region that takes over.
    Promoted,
}

/// The record of a failover or switchover, `record.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Name of the recovery plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// Name of the document it ran.
    pub document: String,
    /// Failover or switchover.
    #[serde(default)]
    pub mode: Mode,
    /// How it ended.
    pub outcome: MoveOutcome,
    /// How far it came before it ended.
    pub progress: Progress,
    /// The Region that was left.
    pub from_region: String,
    /// The Region that took over, or was to.
    pub to_region: String,
    /// When the execution started.
    pub started_at: Timestamp,
    /// When the first execution of this move started, where that was an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// When this record was written.
    pub ended_at: Timestamp,
    /// From the start of the move until every database had accepted a write; absent when that was not seen.
    /// What clients felt began earlier, with the fault.
    pub rto_seconds: Option<f64>,
    /// The plan's budget for it.
    pub rto_budget_seconds: u32,
    /// From the start of the promotion until it was seen to be complete.
    pub promotion_seconds: Option<f64>,
    /// Of a switchover that succeeded: how long writes stood still at most; absent where that is not known.
    pub write_outage_seconds: Option<f64>,
    /// Of a switchover: when that began.
    pub writes_stopped_at: Option<Timestamp>,
    /// Each database's replication lag just before; null where it was not known. In a failover, these are the seconds of
    /// writes at risk.
    pub lag: Lags,
    /// The plan's budget for each.
    pub rpo_budget_seconds: u32,
    /// The step that stopped it, when it failed.
    pub stopped_by: Option<Stop>,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// The step that stopped a failover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Its name in the document.
    pub step: String,
    /// Why, in one line.
    pub reason: String,
}

/// All runs of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name in the document.
    pub name: String,
    /// When it first started.
    pub started_at: Timestamp,
    /// When it last ended; absent while it runs.
    pub ended_at: Option<Timestamp>,
    /// How often it ran.
    pub runs: u32,
    /// How the last run ended, in the service's words.
    pub status: String,
    /// The status that the last run returned.
    pub answer: Option<String>,
    /// Its reason.
    pub reason: Option<String>,
    /// Of a step that moves traffic: the Regions whose routing control one of its runs changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turned: Vec<String>,
}
