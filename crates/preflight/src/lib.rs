//! Step `preflight`: may a failover or switchover go ahead, was it complete, and could one be made at all?
//!
//! Operations:
//! - `check` ([`check`]): before. Looks at everything at once, answers Ready, NeedsApproval or Refused with every reason.
//!   Of a failover it takes the lock that keeps others from starting ([`runbook::lock`]), and changes nothing else.
//! - `verify` ([`verify`]): after. Waits until every database has one writer, in the target Region, that accepts a
//!   write. The write goes to a table of Causeway's own ([`probe`]).
//!
//! - `readiness` ([`readiness`]): on a quiet day. Looks at everything that can be seen without changing anything, in both
//!   Regions, and lists every finding.
//!
//! All only look, but for that row and that lock: calling again at any moment is safe, and a failure leaves nothing behind.

use jiff::Timestamp;
use runbook::step::{optional_text, optional_time};
use runbook::{Context, Outcome, RecoveryPlan, StepError};
use serde::{Deserialize, Serialize};

pub mod check;
pub mod evidence;
pub mod overdue;
pub mod permissions;
pub mod probe;
pub mod readiness;
pub mod rules;
pub mod tables;
pub mod verify;
pub mod world;

pub use probe::{AcceptsWrite, SignsIn};
pub use runbook::step::{Mode, Trigger};

/// What the step is asked for.
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

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Observed {
    /// By `check`.
    Check(check::Observed),
    /// By `verify`.
    Verify(verify::Observed),
    /// By `readiness`.
    Readiness(readiness::Observed),
}

/// Serves an event.
///
/// # Errors
/// See [`check`], [`verify`] and [`readiness`]; besides, when the event or the plan is bad.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    let probe = probe::SqlProbe::new(context.config.clone(), runbook::authorities::load()?);
    handle_with(context, event, &probe).await
}

/// Serves an event, with another way to find out whether a database accepts a write and lets one in: for rehearsals
/// without servers.
///
/// # Errors
/// As [`handle`].
pub async fn handle_with(
    context: Context,
    event: Event,
    probe: &(impl AcceptsWrite + SignsIn + Sync),
) -> Result<Outcome<Observed>, StepError> {
    // Boxed: the SDK's futures are nested so deeply that the compiler gives up on the layout of one whole.
    match event {
        Event::Check(event) => Box::pin(check::run(&context, &event)).await,
        Event::Verify(event) => Box::pin(verify::run(&context, &event, probe)).await,
        Event::Readiness(event) => Box::pin(readiness::run(&context, &event, probe)).await,
    }
}

/// Loads the plan and checks that the target is one of its Regions.
async fn plan_for(context: &Context, parameter: &str, target: &str) -> Result<RecoveryPlan, StepError> {
    let plan = Box::pin(RecoveryPlan::load(context, parameter)).await?;
    plan.require_region(target, "`targetRegion`")?;
    Ok(plan)
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

    #[test]
    fn the_handler_can_run_on_any_thread() {
        fn sendable<F: Send>(_: impl Fn(Context, Event) -> F) {}
        sendable(handle);
    }
}
