//! Route 53 ARC: routing controls behind five endpoints, and safety rules.
//!
//! It lives in neither of the two Regions. The endpoints answer for one state at once; AWS's need a moment to agree.

use std::sync::Arc;

use serde_json::{Value, json};

use super::core::World;
use super::routing::{Endpoint, PANEL, Rule, name, not_found, on_or_off};
use crate::account::{ACCOUNT, ARC_REGIONS};
use crate::api::{ApiError, Call, CallError, required, unknown};

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
            return Err(ApiError::with_status(
                503,
                "EndpointTemporarilyUnavailableException",
                "this endpoint is temporarily unavailable, try another",
            )
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

/// The control plane, which AWS has in us-west-2 only.
pub(super) fn configuration(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    if call.region != "us-west-2" {
        return Err(ApiError::with_status(
            403,
            "AccessDeniedException",
            "the control plane of ARC is in us-west-2 only",
        ));
    }
    match call.operation.as_str() {
        "ListClusters" => {
            let there = world.state(|state| !state.arc.cluster.is_empty());
            let clusters: Vec<Value> = there.then(|| cluster_json(world)).into_iter().collect();
            Ok(json!({"Clusters": clusters}))
        }
        "DescribeCluster" => {
            cluster(world, &call.input)?;
            Ok(json!({"Cluster": cluster_json(world)}))
        }
        // All panels that are shared with the account, where no cluster is named.
        "ListControlPanels" => {
            if !call.input["ClusterArn"].is_null() {
                cluster(world, &call.input)?;
            }
            let (arn, controls) = world.state(|state| (state.arc.cluster.clone(), state.arc.controls.len()));
            let panel = json!({
                "ClusterArn": arn,
                "ControlPanelArn": PANEL,
                "DefaultControlPanel": false,
                "Name": "sandbox",
                "RoutingControlCount": controls,
                "Status": "DEPLOYED",
                "Owner": ACCOUNT,
            });
            let panels: Vec<Value> = (!arn.is_empty()).then_some(panel).into_iter().collect();
            Ok(json!({"ControlPanels": panels}))
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

/// There is one cluster.
fn cluster(world: &World, input: &Value) -> Result<(), ApiError> {
    let arn = required(input, "ClusterArn")?;
    let known = world.state(|state| state.arc.cluster == arn);
    if known { Ok(()) } else { Err(not_found("cluster", arn)) }
}

fn cluster_json(world: &World) -> Value {
    let (arn, urls) = world.state(|state| (state.arc.cluster.clone(), state.arc.urls.clone()));
    let endpoints: Vec<Value> = ARC_REGIONS
        .iter()
        .zip(urls)
        .map(|(region, url)| json!({"Endpoint": url, "Region": region}))
        .collect();
    json!({
        "ClusterArn": arn,
        "Name": "sandbox",
        "Status": "DEPLOYED",
        "Owner": ACCOUNT,
        "ClusterEndpoints": endpoints,
    })
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
