//! The state of ARC's routing controls, their safety rules, and the endpoints that answer for them.

use std::collections::{BTreeMap, BTreeSet};

use runbook::RecoveryPlan;

use crate::api::ApiError;

/// Most controls in one batch (ARC quotas).
const BATCH: usize = 10;
/// ARN of the one control panel.
pub(super) const PANEL: &str = "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox";
/// ARN of the safety rule that the world begins with: some Region is on after every change.
pub const ONE_REGION_ON: &str =
    "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox/safetyrule/one-region-on";

/// Condition of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Endpoint {
    /// It answers.
    #[default]
    Up,
    /// It is silent.
    Silent,
    /// It answers `EndpointTemporarilyUnavailableException`.
    Unavailable,
}

/// A safety rule. ARC's `AND` of n controls is [`Rule::AtLeast`] n, its `OR` [`Rule::AtLeast`] 1, and an inverted one
/// [`Rule::AtMost`] one less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// After every change at least so many of the asserted controls have to be on.
    AtLeast {
        /// How many.
        on: usize,
        /// ARNs of the controls.
        asserted: Vec<String>,
    },
    /// After every change at most so many of the asserted controls may be on: an inverted assertion.
    AtMost {
        /// How many.
        on: usize,
        /// ARNs of the controls.
        asserted: Vec<String>,
    },
    /// The target controls may change only while all gating controls are on.
    Gate {
        /// ARNs of the gating controls.
        gating: Vec<String>,
        /// ARNs of the target controls.
        target: Vec<String>,
    },
}

/// ARC's state.
#[derive(Default)]
pub(crate) struct Arcs {
    pub(crate) endpoints: [Endpoint; 5],
    pub(super) urls: Vec<String>,
    pub(super) cluster: String,
    /// State by ARN.
    pub(super) controls: BTreeMap<String, bool>,
    /// Control by Region.
    regions: BTreeMap<String, String>,
    /// Rules by ARN.
    pub(super) rules: BTreeMap<String, Rule>,
}

impl Arcs {
    pub(crate) fn setup(&mut self, plan: &RecoveryPlan, urls: &[String; 5]) {
        self.urls = urls.to_vec();
        self.cluster = plan.routing.cluster_arn.clone().unwrap_or_default();
        self.regions = plan.routing.controls.clone();
        self.controls = plan.routing.controls.values().map(|arn| (arn.clone(), true)).collect();
        let asserted = plan.routing.controls.values().cloned().collect();
        self.rules.insert(ONE_REGION_ON.to_owned(), Rule::AtLeast { on: 1, asserted });
    }

    pub(crate) fn region_on(&self, region: &str) -> bool {
        self.regions.get(region).and_then(|arn| self.controls.get(arn)).copied().unwrap_or_default()
    }

    /// Changes all or nothing; answers the changes, one line each. Overriding counts for the rules named only.
    pub(super) fn update(
        &mut self,
        entries: &[(String, bool)],
        overridden: &[String],
    ) -> Result<Vec<String>, ApiError> {
        if entries.is_empty() || entries.len() > BATCH {
            return Err(invalid(format!("a batch has 1 to {BATCH} routing controls")));
        }
        if let Some(unknown) = overridden.iter().find(|arn| !self.rules.contains_key(*arn)) {
            return Err(not_found("safety rule", unknown));
        }
        let mut after = self.controls.clone();
        let mut named = BTreeSet::new();
        let mut changed = BTreeMap::new();
        for (arn, on) in entries {
            if !named.insert(arn) {
                return Err(invalid(format!("routing control {arn} is in the batch twice")));
            }
            let control = after.get_mut(arn).ok_or_else(|| not_found("routing control", arn))?;
            if std::mem::replace(control, *on) != *on {
                changed.insert(arn.as_str(), *on);
            }
        }
        let on_of = |controls: &BTreeMap<String, bool>, arns: &[String]| {
            arns.iter().filter(|arn| controls.get(*arn) == Some(&true)).count()
        };
        // A rule speaks only when one of its controls changes.
        let touches = |arns: &[String]| arns.iter().any(|arn| changed.contains_key(arn.as_str()));
        for (name, rule) in self.rules.iter().filter(|(name, _)| !overridden.contains(name)) {
            let holds = match rule {
                Rule::AtLeast { on, asserted } => !touches(asserted) || on_of(&after, asserted) >= *on,
                Rule::AtMost { on, asserted } => !touches(asserted) || on_of(&after, asserted) <= *on,
                // The gate as it is before the change: a batch can't open its own.
                Rule::Gate { gating, target } => {
                    !touches(target) || on_of(&self.controls, gating) == gating.len()
                }
            };
            if !holds {
                return Err(ApiError::with_status(
                    409,
                    "ConflictException",
                    format!("the change violates the safety rule {name}"),
                ));
            }
        }
        let lines = changed
            .iter()
            .map(|(arn, on)| format!("Routing control {} is {}", name(arn), on_or_off(*on)))
            .collect();
        self.controls = after;
        Ok(lines)
    }
}

pub(super) fn not_found(kind: &str, arn: &str) -> ApiError {
    ApiError::with_status(404, "ResourceNotFoundException", format!("there is no {kind} {arn}"))
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

pub(super) fn on_or_off(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

/// The last part of an ARN of ARC.
pub(super) fn name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
