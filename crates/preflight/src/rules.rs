//! Would a safety rule of ARC refuse a failover?
//!
//! Between the steps `trafficOff` and `trafficOn` the Region that is left has no traffic, and where it alone had any, no
//! Region has: a rule that wants one Region on at all times refuses that, at night. ARC's control plane, which knows the
//! rules, lives in one Region, so they are read on a quiet day; a failover names those that it may override, in the plan
//! (`routing.safetyRulesToOverride`) or in its parameter.
//!
//! A rule may be about controls that the plan does not name and whose states are not read: it is reported only where it
//! would refuse whatever these states are.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_route53recoverycontrolconfig::Client;
use aws_sdk_route53recoverycontrolconfig::types::{RuleConfig, RuleType};
use runbook::StepError;
use runbook::arc::State;

/// How many of its controls have to be on for a rule to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All of them.
    All,
    /// At least so many.
    AtLeast(usize),
    /// Not known: a kind of rule that this step does not know.
    Unknown,
}

/// A safety rule of a control panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its ARN.
    pub arn: String,
    /// The controls whose states it depends on.
    pub looks_at: BTreeSet<String>,
    /// The controls whose changes it may refuse; the same ones for an assertion rule.
    pub guards: BTreeSet<String>,
    /// Whether it depends on the states before a change (a gating rule), or after it (an assertion rule).
    pub gates: bool,
    /// When it holds.
    pub holds: Holds,
    /// Whether it holds exactly when `holds` does not.
    pub inverted: bool,
}

impl Rule {
    /// Whether it certainly refuses to turn `control` off, given the states of the plan's controls, by control.
    fn refuses_off(&self, control: &str, states: &BTreeMap<&str, State>) -> bool {
        if !self.guards.contains(control) || states.get(control) != Some(&State::On) {
            return false;
        }
        let state = |of: &String| match (self.gates, of.as_str()) {
            (false, of) if of == control => Some(State::Off),
            (_, of) => states.get(of).copied(),
        };
        let on = self.looks_at.iter().filter(|of| state(of) == Some(State::On)).count();
        let unknown = self.looks_at.iter().filter(|of| state(of).is_none()).count();
        (on..=on + unknown).all(|on| {
            let holds = match self.holds {
                Holds::All => on == self.looks_at.len(),
                Holds::AtLeast(least) => on >= least,
                Holds::Unknown => return false,
            };
            holds == self.inverted
        })
    }
}

/// Which rules would refuse a failover that leaves a Region: pairs of that Region and the rule's ARN. `controls` and `states`
/// are by Region; `overridden` are ARNs of rules.
pub fn refusals<'a>(
    rules: &'a [Rule],
    controls: &'a BTreeMap<String, String>,
    states: &BTreeMap<String, State>,
    overridden: &[String],
) -> Vec<(&'a str, &'a str)> {
    let by_control = controls
        .iter()
        .filter_map(|(region, control)| Some((control.as_str(), *states.get(region)?)))
        .collect();
    let mut refusals = Vec::new();
    for (region, control) in controls {
        let refuse = rules.iter().filter(|rule| rule.refuses_off(control, &by_control));
        let refuse = refuse.filter(|rule| !overridden.contains(&rule.arn));
        refusals.extend(refuse.map(|rule| (region.as_str(), rule.arn.as_str())));
    }
    refusals
}

/// ARN of the control panel that a routing control is on.
pub fn panel(control: &str) -> &str {
    control.split("/routingcontrol/").next().unwrap_or(control)
}

/// Reads the safety rules.
pub trait ReadRules {
    /// Those of a control panel, by its ARN.
    fn read_rules(&self, panel: &str) -> impl Future<Output = Result<Vec<Rule>, StepError>> + Send;
}

impl ReadRules for Client {
    async fn read_rules(&self, panel: &str) -> Result<Vec<Rule>, StepError> {
        let mut rules = Vec::new();
        let mut pages = self.list_safety_rules().control_panel_arn(panel).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| StepError::aws(format!("reading the safety rules of {panel}"), error))?;
            for rule in page.safety_rules() {
                let set = |arns: &[String]| arns.iter().cloned().collect::<BTreeSet<_>>();
                rules.extend(rule.assertion().map(|rule| {
                    let asserted = set(rule.asserted_controls());
                    of(rule.safety_rule_arn(), rule.rule_config(), asserted.clone(), asserted, false)
                }));
                rules.extend(rule.gating().map(|rule| {
                    let (gating, target) = (set(rule.gating_controls()), set(rule.target_controls()));
                    of(rule.safety_rule_arn(), rule.rule_config(), gating, target, true)
                }));
            }
        }
        Ok(rules)
    }
}

/// "ATLEAST", "AND", "OR", and their opposite (`RuleConfig`, Route 53 ARC recovery control configuration API reference).
fn of(
    arn: Option<&str>,
    config: Option<&RuleConfig>,
    looks_at: BTreeSet<String>,
    guards: BTreeSet<String>,
    gates: bool,
) -> Rule {
    let holds = match config.map(|config| (config.r#type(), config.threshold())) {
        Some((Some(RuleType::And), _)) => Holds::All,
        Some((Some(RuleType::Or), _)) => Holds::AtLeast(1),
        Some((Some(RuleType::Atleast), Some(least))) => {
            usize::try_from(least).map_or(Holds::Unknown, Holds::AtLeast)
        }
        _ => Holds::Unknown,
    };
    let inverted = config.and_then(RuleConfig::inverted) == Some(true);
    Rule { arn: arn.unwrap_or_default().to_owned(), looks_at, guards, gates, holds, inverted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Off, On};

    const REGIONS: [&str; 2] = ["east", "west"];

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| format!("control-{name}")).collect()
    }

    fn assertion(holds: Holds, inverted: bool, asserted: &[&str]) -> Rule {
        let (looks_at, guards) = (set(asserted), set(asserted));
        Rule { arn: "rule".into(), looks_at, guards, gates: false, holds, inverted }
    }

    fn refused(rule: &Rule, east: State, west: State, overridden: &[String]) -> Vec<String> {
        let controls = REGIONS.map(|region| (region.to_owned(), format!("control-{region}"))).into();
        let states = BTreeMap::from([("east".to_owned(), east), ("west".to_owned(), west)]);
        let rules = [rule.clone()];
        refusals(&rules, &controls, &states, overridden)
            .iter()
            .map(|(region, _)| (*region).to_owned())
            .collect()
    }

    #[test]
    fn one_region_that_has_to_be_on_refuses_to_leave_the_last_one() {
        for holds in [Holds::AtLeast(1), Holds::AtLeast(2)] {
            let rule = assertion(holds.clone(), false, &REGIONS);
            let both =
                if holds == Holds::AtLeast(1) { Vec::new() } else { REGIONS.map(String::from).to_vec() };
            assert_eq!(refused(&rule, On, On, &[]), both, "{holds:?}");
            assert_eq!(refused(&rule, On, Off, &[]), ["east"], "{holds:?}");
            assert_eq!(refused(&rule, Off, On, &[]), ["west"], "{holds:?}");
            assert!(refused(&rule, Off, Off, &[]).is_empty(), "nothing is turned off");
            assert!(refused(&rule, Off, On, &["rule".to_owned()]).is_empty(), "it is overridden");
        }
        assert_eq!(refused(&assertion(Holds::All, false, &REGIONS), On, On, &[]), REGIONS);
    }

    #[test]
    fn a_rule_that_wants_some_off_never_refuses_to_turn_one_off() {
        let rule = assertion(Holds::AtLeast(2), true, &REGIONS);
        assert!(refused(&rule, On, On, &[]).is_empty() && refused(&rule, Off, On, &[]).is_empty());
    }

    #[test]
    fn a_gating_rule_depends_on_the_states_before_the_change() {
        let gate = |inverted| Rule {
            looks_at: set(&["west"]),
            guards: set(&["east"]),
            gates: true,
            ..assertion(Holds::All, inverted, &[])
        };
        assert!(refused(&gate(false), On, On, &[]).is_empty());
        assert_eq!(refused(&gate(false), On, Off, &[]), ["east"]);
        assert_eq!(refused(&gate(true), On, On, &[]), ["east"]);
    }

    #[test]
    fn a_rule_is_not_reported_that_depends_on_a_control_outside_the_plan() {
        let rule = assertion(Holds::AtLeast(1), false, &["east", "west", "other"]);
        assert!(refused(&rule, Off, On, &[]).is_empty());
        let rule = assertion(Holds::AtLeast(2), false, &["east", "west", "other"]);
        assert_eq!(refused(&rule, Off, On, &[]), ["west"], "it would refuse either way");
        assert!(refused(&assertion(Holds::Unknown, false, &REGIONS), Off, On, &[]).is_empty());
    }

    #[test]
    fn the_panel_is_the_beginning_of_a_controls_arn() {
        let arn = "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox";
        assert_eq!(panel(&format!("{arn}/routingcontrol/east")), arn);
    }
}
