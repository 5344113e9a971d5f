//! The events of this step, one for each operation.

use runbook::step::Mode;
use serde::{Deserialize, Deserializer};

/// What the step is asked to do.
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
    /// Regions to turn the traffic on in.
    #[serde(default, deserialize_with = "list")]
    pub on: Vec<String>,
    /// Regions to turn the traffic off in.
    #[serde(default, deserialize_with = "list")]
    pub off: Vec<String>,
    /// ARNs of the safety rules that may be overridden.
    #[serde(default, deserialize_with = "list")]
    pub safety_rules_to_override: Vec<String>,
    /// What this is a step of, if of a move: a failover may override the plan's `routing.safetyRulesToOverride`, too.
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
}
