//! How a step is called and what it answers.
//!
//! A step takes a JSON event with an `operation`, answers an [`Outcome`], and fails only for what is broken.
//! Unknown fields are errors: an event that says something the step does not know must not half work.
//!
//! # The answer holds itself
//! AWS's pages do not agree on the root of an output's selector in `aws:invokeLambdaFunction`: `$.Payload.x` in
//! the samples, `$.x` on the `aws:loop` page. The answer therefore repeats itself once under `Payload`, so that
//! `$.Payload.status` finds the status under both readings.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tracing::Instrument as _;

use crate::error::{Kind, StepError};
use crate::telemetry;

/// How a step stands. The runbook branches on this and on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Preflight: everything needed is there; go on.
    Ready,
    /// Preflight, and the replay's preview: possible, but a person has to agree first.
    NeedsApproval,
    /// What was asked for is so: it was read back.
    Done,
    /// On its way: call the step again.
    InProgress,
    /// Nothing to do: another execution does it, or did.
    NotNeeded,
    /// The state of the world forbids it, for the reasons given. Calling again without a change won't help.
    Refused,
}

/// How the target Region takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Unplanned; what was not replicated is lost.
    #[default]
    #[serde(alias = "")]
    Failover,
    /// Planned; nothing is lost, and both Regions are needed.
    Switchover,
    /// As a failover, where AWS can't do a managed one: the target's clusters leave their global clusters and become
    /// primaries of their own. It ends the replication, so a person has to ask for it.
    Detach,
}

impl Mode {
    /// Whether both Regions are well and nothing is lost.
    pub fn is_planned(self) -> bool {
        self == Self::Switchover
    }

    /// What it is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Switchover => "switchover",
            Self::Detach => "failover by detaching",
        }
    }
}

/// Who started an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A person, who has judged that it is needed.
    #[default]
    #[serde(alias = "")]
    Manual,
    /// An event, which proves nothing.
    Automatic,
}

/// What a step answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome<O> {
    /// How the step stands.
    pub status: Status,
    /// Why, in one line, for a person.
    pub reason: String,
    /// What was seen.
    pub observed: O,
    /// What this call changed, one line each; empty when nothing was.
    pub changed: Vec<String>,
}

impl<O> Outcome<O> {
    /// An outcome that changed nothing.
    pub fn new(status: Status, reason: impl Into<String>, observed: O) -> Self {
        Self { status, reason: reason.into(), observed, changed: Vec::new() }
    }

    /// Adds what this call changed.
    #[must_use]
    pub fn with_changed(mut self, changed: Vec<String>) -> Self {
        self.changed = changed;
        self
    }
}

/// The clock of a step: the system's, or the virtual one of a rehearsal.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// What a step is given beside its event.
#[derive(Debug, Clone)]
pub struct Context {
    /// SDK configuration for the Region the function runs in; [`crate::aws::in_region`] makes one for another.
    pub config: SdkConfig,
    /// The Region the function runs in.
    pub region: String,
    /// The time.
    pub clock: Clock,
    /// When the invocation is cut off. A step that works in slices stops before.
    pub deadline: Timestamp,
}

impl Context {
    /// Time left until the deadline; zero when it has passed.
    pub fn time_left(&self) -> Duration {
        Duration::try_from(self.clock.now().duration_until(self.deadline)).unwrap_or_default()
    }
}

/// Calls a step's handler as the Lambda runtime does: event in, answer out, both JSON.
///
/// # Errors
/// [`Kind::BadEvent`] when the event does not fit, naming the field; else what the handler says.
pub async fn call<E, O, F, Fut>(handler: F, context: Context, event: Value) -> Result<Value, StepError>
where
    E: DeserializeOwned,
    O: Serialize,
    F: FnOnce(Context, E) -> Fut,
    Fut: Future<Output = Result<Outcome<O>, StepError>>,
{
    let event: E = serde_path_to_error::deserialize(event).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(" at `{path}`") };
        StepError::new(
            Kind::BadEvent,
            format!("the event can't be understood{place}: {}", error.inner()),
            "correct the event; events/ has a sample for each function",
        )
    })?;
    let outcome = handler(context, event).await?;
    let observed = serde_json::to_string(&outcome.observed).unwrap_or_default();
    tracing::info!(status = ?outcome.status, reason = %outcome.reason, observed, changed = ?outcome.changed, "answered");
    answer(&outcome)
}

/// The outcome as the JSON that the runbook reads, see the module's page.
fn answer<O: Serialize>(outcome: &Outcome<O>) -> Result<Value, StepError> {
    let inner = serde_json::to_value(outcome).map_err(|error| {
        StepError::new(Kind::Failed, "the answer can't be written as JSON", "report this line")
            .with_source(error)
    })?;
    let mut outer = inner.clone();
    outer["Payload"] = inner;
    Ok(outer)
}

/// Serves a step as a Lambda function until the service ends the process.
///
/// # Errors
/// When the Lambda runtime API can't be reached.
pub async fn serve<E, O, F, Fut>(handler: F) -> Result<(), lambda_runtime::Error>
where
    E: DeserializeOwned,
    O: Serialize,
    F: Fn(Context, E) -> Fut,
    Fut: Future<Output = Result<Outcome<O>, StepError>>,
{
    lambda_runtime::tracing::init_default_subscriber();
    let config = crate::aws::load().await;
    let (handler, config) = (&handler, &config);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let deadline = i64::try_from(event.context.deadline)
            .ok()
            .and_then(|millis| Timestamp::from_millisecond(millis).ok())
            .unwrap_or(Timestamp::MAX);
        let context = Context { config: config.clone(), region, clock: Clock::system(), deadline };
        let span = telemetry::span(&event.payload);
        let called = async {
            let answer = call(handler, context, event.payload).await;
            if let Err(error) = &answer {
                // Logged once, here at the boundary.
                tracing::error!(kind = ?error.kind(), %error, "failed");
            }
            answer
        };
        // Boxed: the futures of the SDK in one another are too deep for the compiler.
        Box::pin(called).instrument(span).await
    }))
    .await
}

/// Reads an optional time of an event, RFC 3339: `None` when absent, null or the empty string, because an Automation
/// parameter can't be absent. For `#[serde(default, deserialize_with = "…")]`.
///
/// # Errors
/// When the text is no such time.
pub fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let time = |text: String| {
        let bad = |_| D::Error::custom(format!("{text:?} is no time, need one like 2026-01-31T12:00:00Z"));
        text.parse().map_err(bad)
    };
    optional_text(deserializer)?.map(time).transpose()
}

/// Reads an optional text of an event: `None` when absent, null or the empty string.
///
/// # Errors
/// When the value is no text.
pub fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_under_both_readings_of_a_selector() {
        let outcome = Outcome::new(Status::Done, "it is so", serde_json::json!({"a": 1}));
        let answer = answer(&outcome).unwrap();
        assert_eq!(answer["status"], "Done");
        assert_eq!(answer["Payload"]["status"], "Done");
        assert_eq!(answer["Payload"]["observed"]["a"], 1);
    }
}
