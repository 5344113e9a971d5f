//! The status as a person reads it: both Regions side by side, then what was last on record. Pure.

use std::time::Duration;

use jiff::Timestamp;
use runbook::arc::State;
use runbook::record::MoveOutcome;

use super::look::{DatabaseSeen, Known, Ran, RegionSeen, Seen};

/// Columns of the labels.
const LABELS: usize = 14;
/// The narrowest column of a Region.
const NARROWEST: usize = 24;

/// The lines, for a screen of this width.
pub fn lines(seen: &Seen, width: usize) -> Vec<String> {
    let mut lines =
        vec![format!("{}, at {} UTC", seen.plan, seen.at.strftime("%Y-%m-%d %H:%M:%S")), String::new()];
    let columns = seen.regions.len().max(1);
    let column = (width.saturating_sub(LABELS) / columns).max(NARROWEST);
    let mut row = |label: &str, cells: Vec<String>| {
        let wrapped: Vec<Vec<String>> = cells
            .iter()
            .map(|cell| {
                let lines = cell.lines().flat_map(|line| textwrap::wrap(line, column - 2));
                lines.map(std::borrow::Cow::into_owned).collect()
            })
            .collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let label = if line == 0 { label } else { "" };
            let cells = wrapped.iter().map(|cell| {
                let text = cell.get(line).map_or("", String::as_str);
                // By what is seen, not by bytes.
                format!("{text}{}", " ".repeat(column.saturating_sub(text.chars().count())))
            });
            let text = format!("{label:<LABELS$}{}", cells.collect::<String>());
            lines.push(text.trim_end().to_owned());
        }
    };
    row("", seen.regions.iter().map(|one| one.region.clone()).collect());
    let [answering, all] = seen.endpoints;
    let traffic = |region: &RegionSeen| match &seen.traffic {
        Ok(states) => match states.get(&region.region) {
            Some(State::On) => "On".to_owned(),
            Some(State::Off) => "Off".to_owned(),
            None => "no routing control".to_owned(),
        },
        Err(why) => format!("not known: {why}"),
    };
    row("traffic", seen.regions.iter().map(traffic).collect());
    let names = seen.regions.first().map(|region| region.databases.keys().cloned().collect::<Vec<_>>());
    for name in names.unwrap_or_default() {
        row(
            &name,
            seen.regions
                .iter()
                .map(|region| region.databases.get(&name).map_or_else(String::new, database))
                .collect(),
        );
    }
    row("alarms", seen.regions.iter().map(alarms).collect());
    row("readiness", seen.regions.iter().map(|region| readiness(region, seen.at)).collect());
    row("runs now", seen.regions.iter().map(|region| executions(region, seen.at, true)).collect());
    row("ran last", seen.regions.iter().map(|region| executions(region, seen.at, false)).collect());
    lines.push(String::new());
    if answering < all {
        lines.push(format!("{answering} of {all} ARC endpoints answer."));
    }
    lines.extend(records(seen));
    lines
}

fn said<T>(known: &Known<T>, word: impl FnOnce(&T) -> String) -> String {
    match known {
        Ok(value) => word(value),
        Err(why) => format!("not known: {why}"),
    }
}

fn database(database: &DatabaseSeen) -> String {
    let (Ok(status), Ok(is_writer)) = (&database.status, &database.is_writer) else {
        let why = database.status.as_ref().err().or(database.is_writer.as_ref().err());
        return format!("not known: {}", why.map_or("", String::as_str));
    };
    let role = match (is_writer, &database.lag_seconds) {
        (true, _) => "writer".to_owned(),
        (false, Ok(Some(seconds))) => format!("follows, {seconds:.1} s behind"),
        (false, Ok(None)) => "follows, no lag measured lately".to_owned(),
        (false, Err(why)) => format!("follows, lag not known: {why}"),
    };
    format!("{role}; {status}")
}

fn alarms(region: &RegionSeen) -> String {
    if region.alarms.is_empty() {
        return "none in the plan".to_owned();
    }
    let off: Vec<String> = region
        .alarms
        .iter()
        .filter(|(_, state)| *state != "OK")
        .map(|(name, state)| format!("{name}: {state}"))
        .collect();
    match off.as_slice() {
        [] => format!("{} of {} are OK", region.alarms.len(), region.alarms.len()),
        off => off.join("\n"),
    }
}

fn readiness(region: &RegionSeen, now: Timestamp) -> String {
    said(&region.executions, |ran| {
        let last = ran.iter().find(|one| one.runbook == "readiness");
        last.map_or_else(
            || "never looked".to_owned(),
            |one| {
                let word = match one.status.as_str() {
                    "Success" => "ready",
                    "Failed" => "FINDINGS",
                    other => other,
                };
                format!("{word}, {} ago", age(one.started, now))
            },
        )
    })
}

fn executions(region: &RegionSeen, now: Timestamp, running: bool) -> String {
    said(&region.executions, |ran| {
        let lines: Vec<String> = ran
            .iter()
            .filter(|one| one.runs() == running && (running || one.runbook != "readiness"))
            .take(3)
            .map(|one| line(one, now))
            .collect();
        if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
    })
}

fn line(one: &Ran, now: Timestamp) -> String {
    let since = if one.runs() { "since" } else { "begun" };
    let ago = if one.runs() { "" } else { " ago" };
    format!("{} {}, {since} {}{ago}\n{}", one.runbook, one.status, age(one.started, now), one.id)
}

/// What the moves left on record, and what is to be done about it.
fn records(seen: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    let known = |region: &RegionSeen| region.failover.as_ref().ok().and_then(Option::as_ref).cloned();
    let Some(last) = seen.regions.iter().filter_map(known).max_by_key(|record| record.ended_at) else {
        let unseen = seen.regions.iter().filter(|region| region.failover.is_err());
        let unseen: Vec<&str> = unseen.map(|region| region.region.as_str()).collect();
        return match unseen.as_slice() {
            [] => vec!["No failover is on record.".to_owned()],
            unseen => vec![format!(
                "No failover is on record, as far as can be seen: {} is not.",
                unseen.join(" and ")
            )],
        };
    };
    let ended = match last.outcome {
        MoveOutcome::Succeeded => "succeeded",
        MoveOutcome::Failed => "FAILED",
    };
    lines.push(format!(
        "The last failover went from {} to {}, {ended} {} ago ({}).",
        last.from_region,
        last.to_region,
        age(last.ended_at, seen.at),
        last.execution
    ));
    let compared = seen.regions.iter().any(
        |region| matches!(&region.reconciliation, Ok(Some(record)) if record.failover == last.execution),
    );
    if !compared {
        lines.push(format!(
            "What it lost has not been looked for: causeway run reconcile, once {} is back.",
            last.from_region
        ));
    }
    let switched =
        seen.regions.iter().filter_map(|region| region.switchover.as_ref().ok().and_then(Option::as_ref));
    if let Some(switched) = switched.max_by_key(|record| record.ended_at)
        && switched.ended_at > last.ended_at
    {
        lines.push(format!(
            "Since then it was moved from {} to {}, {} ago.",
            switched.from_region,
            switched.to_region,
            age(switched.ended_at, seen.at)
        ));
    }
    lines
}

/// `40 s`, `12 min`, `3 h`, `5 d`.
fn age(from: Timestamp, now: Timestamp) -> String {
    let seconds = Duration::try_from(now.duration_since(from)).unwrap_or_default().as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn region(name: &str, is_writer: Known<bool>) -> RegionSeen {
        let database = DatabaseSeen {
            status: is_writer.clone().map(|_| "available".to_owned()),
            is_writer,
            lag_seconds: Ok(Some(0.42)),
        };
        RegionSeen {
            region: name.into(),
            databases: BTreeMap::from([("orders".to_owned(), database)]),
            executions: Ok(Vec::new()),
            alarms: BTreeMap::from([("canary in east".to_owned(), "ALARM".to_owned())]),
            failover: Ok(None),
            switchover: Ok(None),
            reconciliation: Ok(None),
        }
    }

    #[test]
    fn both_regions_fit_the_screen_and_what_is_dark_says_so() {
        let at = "2026-01-31T12:00:00Z".parse().unwrap();
        let dark = Err("no answer within 6 s".to_owned());
        let seen = Seen {
            plan: "shop".into(),
            at,
            traffic: Ok(BTreeMap::from([("east".to_owned(), State::Off), ("west".to_owned(), State::On)])),
            endpoints: [4, 5],
            regions: vec![region("east", dark), region("west", Ok(false))],
        };
        let text = lines(&seen, 80);
        assert!(text.iter().all(|line| line.chars().count() <= 80), "{text:#?}");
        let text = text.join("\n");
        for part in [
            "not known: no answer within 6",
            "follows, 0.4 s behind",
            "canary in east: ALARM",
            "4 of 5 ARC endpoints",
            "Off",
            "never looked",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
