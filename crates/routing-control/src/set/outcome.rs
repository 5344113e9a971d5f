//! What `set` answers.

use std::collections::BTreeMap;
use std::fmt::Display;

use runbook::arc::State;
use runbook::{Outcome, Status, StepError};
use serde::Serialize;

use super::wanted::WantedStates;

/// `observed` of `set`: the routing controls that it was asked for, as last read.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetObserved {
    /// State by Region.
    pub states: BTreeMap<String, State>,
    /// Region of the endpoint they were read from; null when none was asked.
    pub endpoint: Option<String>,
    /// The Regions whose control this call changed, with commas between them; empty when none. Text, because a runbook hands it on.
    pub turned: String,
}

/// The states, by Region, are as wanted.
pub(super) fn done(observed: SetObserved, endpoint: &str, changes: Changes) -> Outcome<SetObserved> {
    let observed = SetObserved { turned: changes.regions.join(","), ..observed };
    let changed = changes.lines;
    let already = if changed.is_empty() { "already " } else { "" };
    let reason = format!("traffic is {already}{}, read from ARC in {endpoint}", line(&observed.states));
    Outcome::new(Status::Done, reason, observed).with_changed(changed)
}

/// ARC refuses the change, with this message.
pub(super) fn refused(observed: SetObserved, wanted: &WantedStates, message: &str) -> Outcome<SetObserved> {
    let reason = format!(
        "ARC refuses to change traffic from {} to {}: {message}. Set the controls so that the safety rule holds, or name \
         the rule's ARN in the runbook's parameter SafetyRulesToOverride, and start it again",
        line(&observed.states),
        line(&wanted.wanted()),
    );
    Outcome::new(Status::Refused, reason, observed)
}

/// What is asked for makes no sense; nothing was read and nothing changed.
pub fn not_understood(error: &StepError) -> Outcome<SetObserved> {
    let observed = SetObserved { states: BTreeMap::new(), endpoint: None, turned: String::new() };
    Outcome::new(Status::Refused, error.to_string(), observed)
}

/// What a call has changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    regions: Vec<String>,
    /// One for each Region.
    lines: Vec<String>,
}

/// What a change has changed; `before`: the states before it, by Region.
pub(super) fn changes(wanted: &WantedStates, before: &BTreeMap<String, State>) -> Changes {
    let mut changes = Changes::default();
    for (region, state) in wanted.wanted() {
        let Some(before) = before.get(region).filter(|before| **before != state) else { continue };
        changes.regions.push(region.to_owned());
        changes.lines.push(format!("routing control of {region}: {before} to {state}"));
    }
    changes
}

/// `On in a, Off in b`.
pub(super) fn line<R: Display>(states: &BTreeMap<R, State>) -> String {
    states.iter().map(|(region, state)| format!("{state} in {region}")).collect::<Vec<_>>().join(", ")
}
