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
}

/// The states, by Region, are as wanted. `changed`: one line for each control that was changed.
pub(super) fn done(observed: SetObserved, endpoint: &str, changed: Vec<String>) -> Outcome<SetObserved> {
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
    let observed = SetObserved { states: BTreeMap::new(), endpoint: None };
    Outcome::new(Status::Refused, error.to_string(), observed)
}

/// What a change has changed, one line for each Region; `before`: the states before it, by Region.
pub(super) fn changes(wanted: &WantedStates, before: &BTreeMap<String, State>) -> Vec<String> {
    let line = |(region, state): (&str, State)| {
        let before = before.get(region).filter(|before| **before != state)?;
        Some(format!("routing control of {region}: {before} to {state}"))
    };
    wanted.wanted().into_iter().filter_map(line).collect()
}

/// `On in a, Off in b`.
pub(super) fn line<R: Display>(states: &BTreeMap<R, State>) -> String {
    states.iter().map(|(region, state)| format!("{state} in {region}")).collect::<Vec<_>>().join(", ")
}
