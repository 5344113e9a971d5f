//! The choice: which routing controls have to be changed. Pure.

use std::collections::BTreeMap;

use runbook::arc::State;

use super::wanted::WantedStates;

/// What to do about the routing controls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Everything is as wanted.
    AlreadyDone,
    /// Set these, by control.
    Act(BTreeMap<String, State>),
}

/// What has to be changed, from the states seen by control. A control that was not seen is set.
pub fn decide(wanted: &WantedStates, seen: &BTreeMap<String, State>) -> Decision {
    let changes: BTreeMap<_, _> =
        wanted.states.values().filter(|(control, state)| seen.get(control) != Some(state)).cloned().collect();
    if changes.is_empty() { Decision::AlreadyDone } else { Decision::Act(changes) }
}
