//! Route 53 ARC: routing controls behind five endpoints, and safety rules.
//!
//! It lives in neither of the two Regions. The endpoints answer for one state at once; AWS's need a moment to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runbook::RecoveryPlan;
use serde_json::{Value, json};

use super::{World, required, unknown};
use crate::account::{ACCOUNT, ARC_REGIONS};
use crate::api::{ApiError, Call, CallError};

/// Most controls in one batch (ARC quotas).
const BATCH: usize = 10;
const PANEL: &str = "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox";

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
    urls: Vec<String>,
    cluster: String,
    /// State by ARN.
    pub(super) controls: BTreeMap<String, bool>,
    /// Control by Region.
    regions: BTreeMap<String, String>,
    /// Rules by ARN.
    rules: BTreeMap<String, Rule>,
}

impl Arcs {
    pub(crate) fn setup(&mut self, plan: &RecoveryPlan, urls: &[String; 5]) {
        self.urls = urls.to_vec();
        self.cluster = plan.routing.cluster_arn.clone().unwrap_or_default();
        self.regions = plan.routing.controls.clone();
        self.controls = plan.routing.controls.values().map(|arn| (arn.clone(), true)).collect();
        let asserted = plan.routing.controls.values().cloned().collect();
        self.rules.insert(format!("{PANEL}/safetyrule/one-region-on"), Rule::AtLeast { on: 1, asserted });
    }

    pub(crate) fn region_on(&self, region: &str) -> bool {
        self.regions.get(region).and_then(|arn| self.controls.get(arn)).copied().unwrap_or_default()
    }

    /// Changes all or nothing; answers the changes, one line each. Overriding counts for the rules named only.
    fn update(&mut self, entries: &[(String, bool)], overridden: &[String]) -> Result<Vec<String>, ApiError> {
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
                return Err(ApiError {
                    status: 409,
                    code: "ConflictException".into(),
                    message: format!("the change violates the safety rule {name}"),
                });
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

impl World {
    /// Adds a safety rule under a name of yours; returns its ARN.
    pub fn add_safety_rule(&self, name: &str, rule: Rule) -> String {
        let arn = format!("{PANEL}/safetyrule/{name}");
        self.state(|state| state.arc.rules.insert(arn.clone(), rule));
        arn
    }

    /// Whether a routing control is on.
    pub fn routing_control_on(&self, arn: &str) -> bool {
        self.state(|state| state.arc.controls.get(arn).copied().unwrap_or_default())
    }

    fn update_controls(
        &self,
        region: &str,
        entries: &[(String, bool)],
        input: &Value,
    ) -> Result<(), ApiError> {
        let overridden = texts(&input["SafetyRulesToOverride"]);
        for line in self.state(|state| state.arc.update(entries, &overridden))? {
            self.say(region, line);
        }
        Ok(())
    }
}

fn not_found(kind: &str, arn: &str) -> ApiError {
    ApiError {
        status: 404,
        code: "ResourceNotFoundException".into(),
        message: format!("there is no {kind} {arn}"),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

fn on_or_off(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

fn state_of(value: &Value) -> Result<bool, ApiError> {
    match value.as_str() {
        Some("On") => Ok(true),
        Some("Off") => Ok(false),
        other => Err(ApiError::new(
            "ValidationException",
            format!("a routing control is On or Off, not {other:?}"),
        )),
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// The data plane; the call's Region names the endpoint.
pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, CallError> {
    let endpoint = ARC_REGIONS.iter().position(|region| *region == call.region);
    match endpoint.map(|index| world.state(|state| state.arc.endpoints[index])) {
        Some(Endpoint::Up) => {}
        Some(Endpoint::Silent) | None => return Err(CallError::NoAnswer),
        Some(Endpoint::Unavailable) => {
            return Err(ApiError {
                status: 503,
                code: "EndpointTemporarilyUnavailableException".into(),
                message: "this endpoint is temporarily unavailable, try another".into(),
            }
            .into());
        }
    }
    let input = &call.input;
    let answer = match call.operation.as_str() {
        "GetRoutingControlState" => {
            let arn = required(input, "RoutingControlArn")?;
            let on = world
                .state(|state| state.arc.controls.get(arn).copied())
                .ok_or_else(|| not_found("routing control", arn))?;
            json!({"RoutingControlArn": arn, "RoutingControlState": on_or_off(on), "RoutingControlName": name(arn)})
        }
        "ListRoutingControls" => {
            let controls: Vec<Value> = world.state(|state| {
                state
                    .arc
                    .controls
                    .iter()
                    .map(|(arn, on)| {
                        json!({
                            "ControlPanelArn": PANEL,
                            "ControlPanelName": "sandbox",
                            "RoutingControlArn": arn,
                            "RoutingControlName": name(arn),
                            "RoutingControlState": on_or_off(*on),
                        })
                    })
                    .collect()
            });
            json!({"RoutingControls": controls})
        }
        "UpdateRoutingControlState" => {
            let entry =
                (required(input, "RoutingControlArn")?.to_owned(), state_of(&input["RoutingControlState"])?);
            world.update_controls(&call.region, &[entry], input)?;
            json!({})
        }
        "UpdateRoutingControlStates" => {
            let entries = input["UpdateRoutingControlStateEntries"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| {
                    Ok((
                        required(entry, "RoutingControlArn")?.to_owned(),
                        state_of(&entry["RoutingControlState"])?,
                    ))
                })
                .collect::<Result<Vec<_>, ApiError>>()?;
            world.update_controls(&call.region, &entries, input)?;
            json!({})
        }
        _ => return Err(unknown(call).into()),
    };
    Ok(answer)
}

fn name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The control plane, which AWS has in us-west-2 only.
pub(super) fn configuration(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    if call.region != "us-west-2" {
        return Err(ApiError {
            status: 403,
            code: "AccessDeniedException".into(),
            message: "the control plane of ARC is in us-west-2 only".into(),
        });
    }
    match call.operation.as_str() {
        "DescribeCluster" => {
            let arn = required(&call.input, "ClusterArn")?;
            let (known, urls) = world.state(|state| (state.arc.cluster.clone(), state.arc.urls.clone()));
            if arn != known {
                return Err(not_found("cluster", arn));
            }
            let endpoints: Vec<Value> = ARC_REGIONS
                .iter()
                .zip(urls)
                .map(|(region, url)| json!({"Endpoint": url, "Region": region}))
                .collect();
            Ok(json!({"Cluster": {
                "ClusterArn": arn,
                "Name": "sandbox",
                "Status": "DEPLOYED",
                "Owner": ACCOUNT,
                "ClusterEndpoints": endpoints,
            }}))
        }
        "ListRoutingControls" => {
            panel(&call.input)?;
            let controls: Vec<Value> =
                world.state(|state| state.arc.controls.keys().map(|arn| control_json(arn)).collect());
            Ok(json!({"RoutingControls": controls}))
        }
        "DescribeRoutingControl" => {
            let arn = required(&call.input, "RoutingControlArn")?;
            if !world.state(|state| state.arc.controls.contains_key(arn)) {
                return Err(not_found("routing control", arn));
            }
            Ok(json!({"RoutingControl": control_json(arn)}))
        }
        "ListSafetyRules" => {
            panel(&call.input)?;
            let rules: Vec<Value> =
                world.state(|state| state.arc.rules.iter().map(|(arn, rule)| rule_json(arn, rule)).collect());
            Ok(json!({"SafetyRules": rules}))
        }
        _ => Err(unknown(call)),
    }
}

/// There is one control panel.
fn panel(input: &Value) -> Result<(), ApiError> {
    let arn = required(input, "ControlPanelArn")?;
    if arn == PANEL { Ok(()) } else { Err(not_found("control panel", arn)) }
}

fn control_json(arn: &str) -> Value {
    json!({
        "ControlPanelArn": PANEL,
        "Name": name(arn),
        "RoutingControlArn": arn,
        "Status": "DEPLOYED",
        "Owner": ACCOUNT,
    })
}

fn rule_json(arn: &str, rule: &Rule) -> Value {
    let mut common = json!({
        "ControlPanelArn": PANEL,
        "Name": name(arn),
        "SafetyRuleArn": arn,
        "Status": "DEPLOYED",
        "WaitPeriodMs": 0,
        "Owner": ACCOUNT,
    });
    match rule {
        Rule::AtLeast { on, asserted } => {
            common["AssertedControls"] = json!(asserted);
            common["RuleConfig"] = json!({"Type": "ATLEAST", "Threshold": on, "Inverted": false});
            json!({"ASSERTION": common})
        }
        Rule::AtMost { on, asserted } => {
            common["AssertedControls"] = json!(asserted);
            common["RuleConfig"] = json!({"Type": "ATLEAST", "Threshold": on + 1, "Inverted": true});
            json!({"ASSERTION": common})
        }
        Rule::Gate { gating, target } => {
            common["GatingControls"] = json!(gating);
            common["TargetControls"] = json!(target);
            common["RuleConfig"] = json!({"Type": "AND", "Threshold": 0, "Inverted": false});
            json!({"GATING": common})
        }
    }
}
