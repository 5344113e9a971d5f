//! The events of this step, one for each operation.

use jiff::Timestamp;
use runbook::step::{Mode, Trigger, optional_text, optional_time};
use serde::Deserialize;

/// What the step is asked to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "operation")]
pub enum Event {
    /// Before: may it go ahead?
    #[serde(rename = "check")]
    Check(CheckEvent),
    /// After: is it complete?
    #[serde(rename = "verify")]
    Verify(VerifyEvent),
    /// On a quiet day: could it be done?
    #[serde(rename = "readiness")]
    Readiness(ReadinessEvent),
}

/// Event of `check`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckEvent {
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// The Region that is to take over.
    pub target_region: String,
    /// The Region to leave, where the caller names it: must be the other one.
    #[serde(default, deserialize_with = "optional_text")]
    pub impaired_region: Option<String>,
    /// How.
    #[serde(default)]
    pub mode: Mode,
    /// Who started it.
    #[serde(default)]
    pub trigger: Trigger,
    /// Whether the cooldown after the last failover holds.
    #[serde(default)]
    pub cooldown: Cooldown,
}

/// Whether the cooldown after the last failover holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cooldown {
    /// It does.
    #[default]
    Keep,
    /// A person judges that it need not.
    Override,
}

/// Event of `verify`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyEvent {
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
    /// The Region that took over.
    pub target_region: String,
    /// How.
    #[serde(default)]
    pub mode: Mode,
    /// `observed.since` of the first call; absent or empty at the first.
    #[serde(default, deserialize_with = "optional_time")]
    pub since: Option<Timestamp>,
}

/// Event of `readiness`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadinessEvent {
    /// SSM parameter that holds the plan, in both Regions.
    pub plan: String,
    /// Id of the Automation execution.
    pub execution: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(operation: &str, fields: &Value) -> Result<Event, String> {
        let mut event =
            json!({"operation": operation, "plan": "p", "execution": "e", "targetRegion": "sandbox-west"});
        for (name, value) in fields.as_object().unwrap() {
            event[name] = value.clone();
        }
        serde_json::from_value(event).map_err(|error| error.to_string())
    }

    #[test]
    fn optional_fields_may_be_absent_or_empty() {
        let mode = |fields| match event("check", &fields) {
            Ok(Event::Check(event)) => event.mode,
            other => panic!("{other:?}"),
        };
        assert_eq!(mode(json!({})), Mode::Failover);
        assert_eq!(mode(json!({"mode": ""})), Mode::Failover);
        assert_eq!(mode(json!({"mode": "failover"})), Mode::Failover);
        assert_eq!(mode(json!({"mode": "switchover"})), Mode::Switchover);
        assert_eq!(mode(json!({"mode": "detach"})), Mode::Detach);
        let since = |fields| match event("verify", &fields) {
            Ok(Event::Verify(event)) => event.since,
            other => panic!("{other:?}"),
        };
        assert_eq!(since(json!({})), None);
        assert_eq!(since(json!({"since": ""})), None);
        assert_eq!(since(json!({"since": null})), None);
        assert_eq!(since(json!({"since": "1970-01-01T00:00:00Z"})), Some(Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let cases = [
            ("check", json!({"mode": "fallover"}), "unknown variant `fallover`"),
            ("check", json!({"since": ""}), "unknown field `since`"),
            ("verify", json!({"since": "yesterday"}), "\"yesterday\" is no time"),
            ("verify", json!({"impairedRegion": "sandbox-east"}), "unknown field `impairedRegion`"),
            ("look", json!({}), "unknown variant `look`"),
        ];
        for (operation, fields, expected) in cases {
            let error = event(operation, &fields).unwrap_err();
            assert!(error.contains(expected), "{expected} is missing in: {error}");
        }
    }
}
