//! `aws:sleep`: waits for a duration, or until a time.
//!
//! The wait is modelled: it is divided by the clock's factor.

use std::time::Duration;

use jiff::{SignedDuration, Span, Timestamp};
use serde_json::Value;

use crate::fields::Fields;
use crate::outcome::{Done, Failure, Inputs, text_input};
use crate::run::Run;

/// The longest duration AWS takes: 7 days less one second.
const MAX: Duration = Duration::from_secs(604_799);

pub(crate) fn check(fields: &mut Fields<'_>) {
    let (duration, until) = (fields.take("Duration"), fields.take("Timestamp"));
    match (duration, until) {
        (Some(value), None) => fields.literal("Duration", &value, |value| duration_of(value).map(drop)),
        (None, Some(value)) => fields.literal("Timestamp", &value, |value| timestamp_of(value).map(drop)),
        _ => fields.problem("Duration", "exactly one of Duration and Timestamp is needed"),
    }
}

pub(crate) async fn run(run: &Run, inputs: &Inputs) -> Result<Done, Failure> {
    let duration = match inputs.get("Duration") {
        Some(value) => duration_of(value)?,
        None => {
            let until = timestamp_of(&Value::String(text_input(inputs, "Timestamp")?))?;
            Duration::try_from(run.clock().now().duration_until(until)).unwrap_or_default()
        }
    };
    run.clock().sleep(duration).await;
    Ok(Done::default())
}

fn duration_of(value: &Value) -> Result<Duration, String> {
    let invalid =
        || format!("takes an ISO 8601 duration of at most 604799 seconds, such as PT10S, not {value}");
    let span: Span = value.as_str().ok_or_else(invalid)?.parse().map_err(|_| invalid())?;
    let signed = SignedDuration::try_from(span)
        .or_else(|_| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()));
    let duration = signed.ok().and_then(|signed| Duration::try_from(signed).ok()).ok_or_else(invalid)?;
    if duration > MAX { Err(invalid()) } else { Ok(duration) }
}

fn timestamp_of(value: &Value) -> Result<Timestamp, String> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("takes an ISO 8601 time in UTC, such as 2030-01-01T01:00:00Z, not {value}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_iso_8601_durations() {
        let cases = [
            ("PT10S", Some(10)),
            ("PT1M30S", Some(90)),
            ("P1D", Some(86_400)),
            ("P6DT23H59M59S", Some(604_799)),
        ];
        for (text, seconds) in cases.into_iter().chain([("P7D", None), ("10", None), ("-PT1S", None)]) {
            assert_eq!(duration_of(&json!(text)).ok().map(|duration| duration.as_secs()), seconds, "{text}");
        }
    }
}
