//! Step `routing-control`: lets traffic into Regions and keeps it out, by Route 53 ARC's routing controls.
//!
//! Operations:
//! - `set` ([`set`]): sets routing controls by ARC's data plane, which needs nothing of any one Region.
//! - `fill-endpoints` ([`fill`]): ahead of time, asks ARC's control plane for the cluster's endpoints and writes them
//!   into the plan. Nothing of a failover depends on it; it is the only user of ARC's control plane.
//!
//! Both are level-triggered: what is so already is left alone, and calling again at any moment is safe.

use runbook::arc::{self, State};
use runbook::error::Kind;
use runbook::plan::ArcEndpoint;
use runbook::step::Mode;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

pub mod fill;
pub mod set;

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "operation")]
pub enum Event {
    /// Set routing controls.
    #[serde(rename = "set")]
    Set(SetEvent),
    /// Write ARC's endpoints into the plan.
    #[serde(rename = "fill-endpoints")]
    FillEndpoints(FillEvent),
}

/// Event of `set`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetEvent {
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// Regions that are to get traffic.
    #[serde(default, deserialize_with = "list")]
    pub on: Vec<String>,
    /// Regions that are to get none.
    #[serde(default, deserialize_with = "list")]
    pub off: Vec<String>,
    /// ARNs of the safety rules that may be broken.
    #[serde(default, deserialize_with = "list")]
    pub safety_rules_to_override: Vec<String>,
    /// What this is a step of, if of a move: a failover may break the plan's `routing.safetyRulesToOverride`, too.
    #[serde(default)]
    pub mode: Option<Mode>,
}

/// Event of `fill-endpoints`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FillEvent {
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution; none when called by hand.
    #[serde(default)]
    pub execution: String,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Observed {
    /// By `set`.
    Controls(Controls),
    /// By `fill-endpoints`.
    Endpoints(Endpoints),
}

/// The routing controls that `set` was asked for, as last read.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Controls {
    /// State by Region.
    pub states: BTreeMap<String, State>,
    /// Region of the endpoint they were read from; null when none was asked.
    pub endpoint: Option<String>,
}

/// The endpoints that the plan holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Endpoints {
    /// The five of them.
    pub endpoints: Vec<ArcEndpoint>,
}

/// A list, or the JSON text of one; nothing, null and the empty text are the empty list. Empty items are left out: an
/// Automation parameter that is an empty list may arrive with one.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "need a list of strings, or the JSON text of one")]
    enum Either {
        List(Vec<String>),
        Text(String),
    }
    let mut items = match Option::<Either>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Either::List(items)) => items,
        Some(Either::Text(text)) if text.trim().is_empty() => Vec::new(),
        Some(Either::Text(text)) => serde_json::from_str::<Vec<String>>(&text).map_err(|_| {
            serde::de::Error::custom(format!(
                "{text:?} is no list: need a list of strings, or the JSON text of one"
            ))
        })?,
    };
    items.retain(|item| !item.is_empty());
    Ok(items)
}

/// Serves an event.
///
/// # Errors
/// See [`set::set`] and [`fill::fill`]; besides, when the event or the plan is bad.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    // AWS asks for a random start, so that callers spread over the endpoints.
    handle_from(context, event, rand::random_range(0..5)).await
}

/// Serves an event; `start` is the endpoint (its place in the plan, from 0) that is tried first.
///
/// # Errors
/// As [`handle`].
pub async fn handle_from(
    context: Context,
    event: Event,
    start: usize,
) -> Result<Outcome<Observed>, StepError> {
    // Boxed: the SDK's futures are nested so deeply that the compiler gives up on the layout of one whole.
    Box::pin(serve(context, event, start)).await
}

async fn serve(context: Context, event: Event, start: usize) -> Result<Outcome<Observed>, StepError> {
    match event {
        Event::Set(event) => {
            let plan = RecoveryPlan::load(&context, &event.plan).await?;
            let asked = match set::Asked::of(&event, &plan) {
                Ok(asked) => asked,
                // A typing error has changed nothing, which an error of the step would leave open.
                Err(error) if error.kind() == Kind::BadEvent => return Ok(refused(&error)),
                Err(error) => return Err(error),
            };
            let endpoints = arc::endpoints(&context.config, &plan.routing);
            Box::pin(set::set(&endpoints, start, &asked)).await
        }
        Event::FillEndpoints(event) => {
            let arc = fill::control_plane(&context.config);
            Box::pin(fill::fill(&arc, &fill::Store::new(&context), &event.plan)).await
        }
    }
}

fn refused(error: &StepError) -> Outcome<Observed> {
    let observed = Controls { states: BTreeMap::new(), endpoint: None };
    Outcome::new(Status::Refused, error.to_string(), Observed::Controls(observed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn set_event(fields: &Value) -> Result<SetEvent, String> {
        let mut event = json!({"operation": "set", "plan": "p", "execution": "e"});
        for (name, value) in fields.as_object().unwrap() {
            event[name] = value.clone();
        }
        match serde_json::from_value(event) {
            Ok(Event::Set(event)) => Ok(event),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_list_may_be_a_list_or_json_text_or_nothing() {
        let cases = [
            (json!(["a", "b"]), vec!["a", "b"]),
            (json!(r#"["a", "b"]"#), vec!["a", "b"]),
            (json!([]), vec![]),
            (json!([""]), vec![]),
            (json!("[]"), vec![]),
            (json!(""), vec![]),
            (json!(null), vec![]),
        ];
        for (given, expected) in cases {
            assert_eq!(set_event(&json!({"on": given})).unwrap().on, expected, "{given}");
        }
        assert_eq!(set_event(&json!({})).unwrap().off, Vec::<String>::new());
    }

    #[test]
    fn an_event_that_says_what_the_step_does_not_know_is_an_error_that_names_it() {
        let cases = [
            (json!({"on": "a"}), "\"a\" is no list"),
            (json!({"on": 1}), "need a list of strings"),
            (json!({"on": [1]}), "need a list of strings"),
            (json!({"onn": ["a"]}), "unknown field `onn`"),
            (json!({"operation": "toggle"}), "unknown variant `toggle`"),
            (json!({"safetyRuleToOverride": []}), "unknown field `safetyRuleToOverride`"),
        ];
        for (fields, expected) in cases {
            let error = set_event(&fields).unwrap_err();
            assert!(error.contains(expected), "{expected} is missing in: {error}");
        }
        let missing =
            serde_json::from_value::<Event>(json!({"operation": "set", "execution": "e"})).unwrap_err();
        assert!(missing.to_string().contains("missing field `plan`"), "{missing}");
    }

    #[test]
    fn fill_endpoints_needs_only_the_plan_and_takes_no_regions() {
        let event: Event =
            serde_json::from_value(json!({"operation": "fill-endpoints", "plan": "p"})).unwrap();
        assert_eq!(event, Event::FillEndpoints(FillEvent { plan: "p".into(), execution: String::new() }));
        let event =
            serde_json::from_value::<Event>(json!({"operation": "fill-endpoints", "plan": "p", "on": []}));
        assert!(event.unwrap_err().to_string().contains("unknown field `on`"));
    }

    #[test]
    fn the_handler_can_run_on_any_thread() {
        fn sendable<F: Send>(_: impl Fn(Context, Event) -> F) {}
        sendable(handle);
    }
}
