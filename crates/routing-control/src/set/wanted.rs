//! What `set` is asked for, read against the plan.

use std::collections::{BTreeMap, BTreeSet};

use runbook::arc::State;
use runbook::error::Kind;
use runbook::{RecoveryPlan, StepError};

use crate::event::SetEvent;

/// The states to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedStates {
    /// By Region: the ARN of its routing control, and the state.
    pub states: BTreeMap<String, (String, State)>,
    /// ARNs of the safety rules that may be overridden, each once.
    pub safety_rules_to_override: Vec<String>,
}

impl WantedStates {
    /// Reads the event against the plan.
    ///
    /// # Errors
    /// [`Kind::BadEvent`]: no Region at all, one that is not the plan's, one that is to be both on and off.
    /// [`Kind::BadPlan`]: a Region without a routing control.
    pub fn of(event: &SetEvent, plan: &RecoveryPlan) -> Result<Self, StepError> {
        let mut states = BTreeMap::new();
        for (regions, state) in [(&event.on, State::On), (&event.off, State::Off)] {
            for region in regions {
                plan.require_region(region, "a Region to set (`TurnOn`, `TurnOff` of the runbook routing),")?;
                let control = plan.routing.controls.get(region).ok_or_else(|| {
                    let what = format!("the plan has no routing control of {region}");
                    StepError::new(Kind::BadPlan, what, "correct `routing.controls` of the plan")
                })?;
                let earlier = states.insert(region.clone(), (control.clone(), state));
                if earlier.is_some_and(|(_, earlier)| earlier != state) {
                    return Err(StepError::new(
                        Kind::BadEvent,
                        format!(
                            "{region} is in `on` and in `off` (`TurnOn`, `TurnOff` of the runbook routing)"
                        ),
                        "name each Region once",
                    ));
                }
            }
        }
        if states.is_empty() {
            return Err(StepError::new(
                Kind::BadEvent,
                "neither `on` nor `off` (`TurnOn`, `TurnOff` of the runbook routing) names a Region",
                "name at least one Region of the plan",
            ));
        }
        let planned = plan
            .routing
            .safety_rules_to_override
            .iter()
            .filter(|_| event.mode.is_some_and(|mode| !mode.is_planned()));
        let rules = event.safety_rules_to_override.iter().chain(planned).cloned();
        // ARC takes each once.
        let rules: BTreeSet<String> = rules.collect();
        Ok(Self { states, safety_rules_to_override: rules.into_iter().collect() })
    }

    /// ARNs of the routing controls.
    pub(super) fn controls(&self) -> Vec<String> {
        self.states.values().map(|(control, _)| control.clone()).collect()
    }

    /// By Region, from the states seen by control.
    pub(super) fn by_region(&self, seen: &BTreeMap<String, State>) -> BTreeMap<String, State> {
        let state =
            |(region, (control, _)): (&String, &(String, State))| Some((region.clone(), *seen.get(control)?));
        self.states.iter().filter_map(state).collect()
    }

    /// The states to set, by Region.
    pub(super) fn wanted(&self) -> BTreeMap<&str, State> {
        self.states.iter().map(|(region, (_, state))| (region.as_str(), *state)).collect()
    }
}
