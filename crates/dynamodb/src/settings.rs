//! Settings of a table that are kept and shown: when items expire, and point-in-time recovery.
//!
//! Nothing is done about them: an item that has expired stays, as it may at AWS for some days, and nothing can be restored.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::describe::seconds;
use crate::error::{Error, Result};
use crate::input::{boolean, known, number, required, text};
use crate::state::{Recovery, State, table_name};

/// `UpdateTimeToLive`: of all replicas, as at AWS.
pub fn update_expiry(state: &mut State, region: &str, input: &Value) -> Result<Value> {
    known(input, &["TableName", "TimeToLiveSpecification"])?;
    let given = required(input, "TimeToLiveSpecification")?;
    known(given, &["AttributeName", "Enabled"])?;
    let name = text(given, "AttributeName")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::validation("TimeToLiveSpecification needs an AttributeName"))?;
    required(given, "Enabled")?;
    let enabled = boolean(given, "Enabled")?;
    let number = state.named(region, input)?;
    let Some(group) = state.groups.get_mut(&number) else {
        return Err(Error::not_found("Requested resource not found"));
    };
    match (&group.expiry, enabled) {
        (Some(_), true) => return Err(Error::validation("TimeToLive is already enabled")),
        (None, false) => return Err(Error::validation("TimeToLive is already disabled")),
        (Some(one), false) if one != name => {
            return Err(Error::validation(
                "TimeToLive is active on a different AttributeName: current AttributeName is ".to_owned()
                    + one,
            ));
        }
        _ => group.expiry = enabled.then(|| name.to_owned()),
    }
    Ok(json!({"TimeToLiveSpecification": {"AttributeName": name, "Enabled": enabled}}))
}

/// `DescribeTimeToLive`
pub fn describe_expiry(state: &State, region: &str, input: &Value) -> Result<Value> {
    known(input, &["TableName"])?;
    let (group, _) = state.table(region, state.named(region, input)?)?;
    Ok(match &group.expiry {
        Some(name) => {
            json!({"TimeToLiveDescription": {"AttributeName": name, "TimeToLiveStatus": "ENABLED"}})
        }
        None => json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}),
    })
}

/// `UpdateContinuousBackups`: of this Region's replica.
pub fn update_backups(state: &mut State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    known(input, &["TableName", "PointInTimeRecoverySpecification"])?;
    let given = required(input, "PointInTimeRecoverySpecification")?;
    known(given, &["PointInTimeRecoveryEnabled", "RecoveryPeriodInDays"])?;
    required(given, "PointInTimeRecoveryEnabled")?;
    let enabled = boolean(given, "PointInTimeRecoveryEnabled")?;
    let days = number(given, "RecoveryPeriodInDays", 1, 35)?.unwrap_or(35);
    let number = table(state, region, input)?;
    if let Some(replica) = state.groups.get_mut(&number).and_then(|group| group.replicas.get_mut(region)) {
        let since = replica.recovery.as_ref().map_or(now, |recovery| recovery.since);
        replica.recovery = enabled.then_some(Recovery { since, days });
    }
    shown(state, region, number, now)
}

/// `DescribeContinuousBackups`
pub fn describe_backups(state: &State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    known(input, &["TableName"])?;
    shown(state, region, table(state, region, input)?, now)
}

fn shown(state: &State, region: &str, number: u64, now: Timestamp) -> Result<Value> {
    let (_, replica) = state.table(region, number)?;
    let recovery = match &replica.recovery {
        None => json!({"PointInTimeRecoveryStatus": "DISABLED"}),
        Some(recovery) => {
            // AWS: the latest time is about five minutes ago, and the earliest as long ago as the period has days.
            let hours = i64::try_from(recovery.days).unwrap_or_default() * 24;
            let ago = |span| now.checked_sub(span).unwrap_or(now);
            let latest = ago(SignedDuration::from_mins(5)).max(recovery.since);
            let earliest = ago(SignedDuration::from_hours(hours)).max(recovery.since);
            json!({
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": recovery.days,
                "EarliestRestorableDateTime": seconds(earliest),
                "LatestRestorableDateTime": seconds(latest),
            })
        }
    };
    Ok(json!({"ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery,
    }}))
}

/// These operations have an error of their own for a table that is not there.
fn table(state: &State, region: &str, input: &Value) -> Result<u64> {
    let name = table_name(input)?;
    let none = || Error::new("TableNotFoundException", format!("Table not found: {name}"));
    state.find(region, name).ok_or_else(none)
}
