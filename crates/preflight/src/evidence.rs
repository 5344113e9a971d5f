//! The evidence that a failover needs to start by itself: what the plan's signals, alarms of both Regions, say now.
//!
//! | seen | answer |
//! |---|---|
//! | the plan has no `automatic` | Refused |
//! | fewer than `automatic.quorum` signals say that the other Region is ill | Refused |
//! | a signal says that the target is ill | Refused |
//! | no signal says that the target is well | Refused |
//!
//! It is the state of this moment, whatever the event said that started the execution: an event that comes late, twice or
//! out of order leads to the current state, and a false alarm is refused.
//!
//! Missing data is no evidence of anything: an alarm that can't be read, that is in `INSUFFICIENT_DATA`, or that treats
//! missing data as good or bad, says nothing.

use std::collections::BTreeMap;

use runbook::StepError;
use runbook::plan::{Automatic, Signal};
use serde::Serialize;

use crate::world::{Alarm, ReadAlarms};

/// What a signal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Says {
    /// Its Region is ill.
    Ill,
    /// Its Region is well.
    Well,
    /// Nothing, and why.
    Nothing(String),
}

/// A signal and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vote {
    /// The alarm.
    pub alarm: String,
    /// The Region it is in.
    pub region: String,
    /// What it says.
    pub says: Says,
}

impl Vote {
    /// The vote of this alarm; of one that can't be read, with the reason.
    fn of(signal: &Signal, found: Result<Option<&Alarm>, &str>) -> Self {
        let says = match found {
            Err(error) => Says::Nothing(error.to_owned()),
            Ok(found) => match state(found) {
                Ok("ALARM") => Says::Ill,
                Ok("OK") => Says::Well,
                Ok(state) => Says::Nothing(state.to_owned()),
                Err(why) => Says::Nothing(why),
            },
        };
        Self { alarm: signal.alarm.clone(), region: signal.region.clone(), says }
    }

    fn text(&self) -> String {
        let says = match &self.says {
            Says::Ill => "ill",
            Says::Well => "well",
            Says::Nothing(why) => why,
        };
        format!("{} in {}: {says}", self.alarm, self.region)
    }
}

/// The state of an alarm that can be a signal.
///
/// # Errors
/// Why it can't be one.
pub fn state(alarm: Option<&Alarm>) -> Result<&str, String> {
    match alarm {
        None => Err("there is no such alarm".into()),
        Some(Alarm::Composite) => {
            Err("it is a composite alarm, which doesn't say what missing data means: name the metric alarms in it".into())
        }
        Some(Alarm::Metric { missing, .. }) if missing != "missing" => {
            Err(format!("it takes missing data for {missing}"))
        }
        Some(Alarm::Metric { state, .. }) => Ok(state),
    }
}

/// What the signals say, by the Region that they are about.
pub type Evidence = BTreeMap<String, Vec<Vote>>;

/// Names of the alarms in a Region.
pub fn names<'a>(automatic: &'a Automatic, region: &str) -> Vec<&'a str> {
    let all = automatic.signals.values().flatten();
    all.filter(|signal| signal.region == region).map(|signal| signal.alarm.as_str()).collect()
}

/// Reads the alarms of a Region.
///
/// # Errors
/// When they can't be read.
pub async fn read(
    api: &impl ReadAlarms,
    automatic: Option<&Automatic>,
    region: &str,
) -> Result<BTreeMap<String, Alarm>, StepError> {
    match automatic.map(|automatic| names(automatic, region)) {
        Some(names) if !names.is_empty() => api.read_alarms(&names).await,
        _ => Ok(BTreeMap::new()),
    }
}

/// Collects the votes, from the alarms of each Region, or the reason why they can't be read.
pub fn votes(
    automatic: &Automatic,
    alarms: &BTreeMap<&str, Result<BTreeMap<String, Alarm>, String>>,
) -> Evidence {
    let vote = |signal: &Signal| {
        let found = match alarms.get(signal.region.as_str()) {
            Some(Ok(alarms)) => Ok(alarms.get(&signal.alarm)),
            Some(Err(error)) => Err(error.as_str()),
            None => Ok(None),
        };
        Vote::of(signal, found)
    };
    let of_region = |(of, signals): (&String, &Vec<Signal>)| (of.clone(), signals.iter().map(vote).collect());
    automatic.signals.iter().map(of_region).collect()
}

/// Decides from what the signals say of the Region to leave and of the one that takes over: the count of votes, in one line.
///
/// # Errors
/// Everything that stands against a failover.
pub fn decide(
    automatic: &Automatic,
    evidence: &Evidence,
    left: &str,
    target: &str,
) -> Result<String, Vec<String>> {
    let of = |region: &str| evidence.get(region).map(Vec::as_slice).unwrap_or_default();
    let listed = |votes: &[Vote]| votes.iter().map(Vote::text).collect::<Vec<_>>().join(", ");
    let mut reasons = Vec::new();
    let ill = of(left).iter().filter(|vote| vote.says == Says::Ill).count();
    let count = format!(
        "{ill} of {} signals say that {left} is ill (`automatic.quorum` is {}; {})",
        of(left).len(),
        automatic.quorum,
        listed(of(left))
    );
    if ill < automatic.quorum.max(1) {
        reasons.push(format!("only {count}"));
    }
    let against: Vec<Vote> = of(target).iter().filter(|vote| vote.says == Says::Ill).cloned().collect();
    if !against.is_empty() {
        reasons.push(format!("{target} does not look well itself ({})", listed(&against)));
    } else if !of(target).iter().any(|vote| vote.says == Says::Well) {
        reasons.push(format!("nothing says that {target} is well ({})", listed(of(target))));
    }
    if reasons.is_empty() { Ok(count) } else { Err(reasons) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EAST: &str = "sandbox-east";
    const WEST: &str = "sandbox-west";

    /// An alarm's name, Region and state, the latter with what it takes missing data for behind a slash.
    type Changed = (&'static str, &'static str, &'static str);

    /// The alarms of the sample plan, all well but those named, which are in the given state.
    fn decided(changed: &[Changed], east: Result<(), &str>) -> Result<String, Vec<String>> {
        let automatic = runbook::plan::sample().automatic.unwrap();
        let all = |region: &str| {
            let alarm = |name: &&str| {
                let found = changed.iter().find(|(one, of, _)| one == name && *of == region);
                let (state, missing) = found
                    .map_or("OK", |(_, _, state)| state)
                    .split_once('/')
                    .unwrap_or((found.map_or("OK", |(_, _, state)| state), "missing"));
                let alarm = match state {
                    "composite" => Alarm::Composite,
                    state => Alarm::Metric { state: state.into(), missing: missing.into() },
                };
                ((*name).to_owned(), alarm)
            };
            names(&automatic, region).iter().map(alarm).collect::<BTreeMap<_, _>>()
        };
        let alarms =
            BTreeMap::from([(WEST, Ok(all(WEST))), (EAST, east.map(|()| all(EAST)).map_err(str::to_owned))]);
        decide(&automatic, &votes(&automatic, &alarms), EAST, WEST)
    }

    const CANARY: Changed = ("shop-east-canary", WEST, "ALARM");
    const ERRORS: Changed = ("shop-east-errors", WEST, "ALARM");

    #[test]
    fn a_quorum_in_the_target_is_enough_while_the_other_region_is_silent() {
        let count = decided(&[CANARY, ERRORS], Err("silent")).unwrap();
        assert!(count.starts_with("2 of 3 signals say that sandbox-east is ill"), "{count}");
        assert!(count.contains("shop-east-canary in sandbox-east: silent"), "{count}");
    }

    #[test]
    fn what_is_no_evidence_is_refused_with_its_reason() {
        let west = |state| ("shop-west-canary", WEST, state);
        let cases: Vec<(Vec<Changed>, &str)> = vec![
            (vec![], "only 0 of 3 signals say that sandbox-east is ill"),
            (vec![CANARY], "only 1 of 3 signals"),
            (vec![CANARY, ("shop-east-errors", WEST, "INSUFFICIENT_DATA")], "only 1 of 3 signals"),
            (
                vec![CANARY, ("shop-east-errors", WEST, "ALARM/breaching")],
                "it takes missing data for breaching",
            ),
            (vec![CANARY, ("shop-east-errors", WEST, "composite")], "name the metric alarms in it"),
            (vec![CANARY, ERRORS, west("ALARM")], "sandbox-west does not look well itself (shop-west-canary"),
            (vec![CANARY, ERRORS, west("INSUFFICIENT_DATA")], "nothing says that sandbox-west is well"),
            (vec![CANARY, ERRORS, west("OK/notBreaching")], "nothing says that sandbox-west is well"),
        ];
        for (changed, expected) in cases {
            let reasons = decided(&changed, Err("silent")).unwrap_err();
            assert!(reasons.iter().any(|reason| reason.contains(expected)), "{expected}: {reasons:?}");
        }
    }
}
