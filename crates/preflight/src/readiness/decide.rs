//! The choice: what of everything that was seen is a finding. Pure; see the table on the page of [`readiness`](super).

use std::collections::{BTreeMap, BTreeSet};

use runbook::RecoveryPlan;
use runbook::arc::State;
use runbook::aurora::region_of;
use runbook::plan::Strategy;

use super::database;
use super::finding::{Check, Finding, Findings};
use super::seen::{DatabaseSeen, ReadinessSeen};
use crate::traffic::States;
use crate::world::Quota;
use crate::{evidence, rules, tables};

/// Quotas of RDS that a reconciliation needs room in, once for each database.
pub(super) const QUOTAS: [&str; 3] = ["DBClusters", "DBInstances", "ManualClusterSnapshots"];

/// Lists everything that is wrong with what was seen. `here`: the function's own Region.
pub fn decide(seen: &ReadinessSeen, plan: &RecoveryPlan, here: &str) -> Vec<Finding> {
    let mut findings = Findings::default();
    other_plan(seen, plan, here, &mut findings);
    for (name, database) in &seen.databases {
        let Some(planned) = plan.databases.get(name) else { continue };
        database::find(name, database, planned, plan, &mut findings);
        let texts = tables::find(name, planned, &database.rights, &database.replay_rights);
        texts.into_iter().for_each(|text| findings.add(Check::Tables, text));
    }
    let states = endpoints(seen, &mut findings);
    if let Some(states) = states {
        no_traffic(states, &mut findings);
    }
    safety_rules(seen, states, plan, &mut findings);
    if let Some(states) = states {
        traffic_apart(seen, states, plan, &mut findings);
    }
    for error in seen.buckets.values().filter_map(|answer| answer.as_ref().err()) {
        findings.add(Check::Buckets, error);
    }
    permissions(seen, here, &mut findings);
    signals(seen, plan, &mut findings);
    quotas(seen, plan, &mut findings);
    findings.into_list()
}

fn other_plan(seen: &ReadinessSeen, plan: &RecoveryPlan, here: &str, findings: &mut Findings) {
    match &seen.other_plan {
        Ok(other) if in_order(other) == in_order(plan) => {}
        Ok(_) => findings.add(
            Check::Plan,
            format!("the plan in {} is not the one in {here}: keep both the same", plan.other_region(here)),
        ),
        Err(error) => findings.add(Check::Plan, error),
    }
}

/// The plan with what has no order in one order, and without what is for editors only.
fn in_order(plan: &RecoveryPlan) -> RecoveryPlan {
    let mut plan = RecoveryPlan { schema: None, ..plan.clone() };
    plan.regions.sort();
    plan.routing.endpoints.sort_by(|one, other| one.region.cmp(&other.region));
    plan
}

/// Finds the endpoints that do not answer; returns what one that does says, if any.
fn endpoints<'a>(seen: &'a ReadinessSeen, findings: &mut Findings) -> Option<&'a States> {
    for (region, answer) in &seen.arc {
        if let Err(error) = answer {
            findings.add(Check::Endpoints, format!("the ARC endpoint in {region}: {error}"));
        }
    }
    seen.arc.values().find_map(|answer| answer.as_ref().ok())
}

fn no_traffic(states: &States, findings: &mut Findings) {
    if !states.values().any(|state| *state == State::On) {
        findings.add(Check::Routing, "no Region has traffic: every routing control is Off");
    }
}

fn safety_rules(seen: &ReadinessSeen, states: Option<&States>, plan: &RecoveryPlan, findings: &mut Findings) {
    let rules = match &seen.rules {
        Ok(rules) => rules,
        Err(error) => {
            let text = format!("whether a safety rule would refuse a failover is not known: {error}");
            return findings.add(Check::Routing, text);
        }
    };
    let Some(states) = states else { return };
    let overridden = &plan.routing.safety_rules_to_override;
    for (region, rule) in rules::refusals(rules, &plan.routing.controls, states, overridden) {
        let text = format!(
            "a failover that leaves {region} would be refused by safety rule {rule}, since the traffic is off for a while: \
             name the rule in `routing.safetyRulesToOverride` of the plan, or turn the traffic of {} on",
            plan.other_region(region)
        );
        findings.add(Check::Routing, text);
    }
}

/// Where the application writes in its own Region, the traffic has to be where the writers are.
fn traffic_apart(seen: &ReadinessSeen, states: &States, plan: &RecoveryPlan, findings: &mut Findings) {
    if plan.failback.strategy != Strategy::DatabasesFirst {
        return;
    }
    if let Some((traffic, writers)) = apart(states, &seen.databases) {
        let text = format!(
            "the traffic is in {traffic} alone, and every writer in {writers}: the plan's `routing.controls` are swapped, or the \
             traffic has to follow (runbook routing)"
        );
        findings.add(Check::Routing, text);
    }
}

/// The one Region with traffic and the one with every writer, where these are not the same.
fn apart<'a>(
    states: &'a States,
    databases: &'a BTreeMap<String, DatabaseSeen>,
) -> Option<(&'a str, &'a str)> {
    let mut on = states.iter().filter(|(_, state)| **state == State::On).map(|(region, _)| region.as_str());
    let (traffic, None) = (on.next()?, on.next()) else { return None };
    let globals = databases.values().map(|database| database.global.as_ref().ok()?.as_ref());
    let globals = globals.collect::<Option<Vec<_>>>()?;
    let writers =
        globals.iter().flat_map(|global| global.writers()).map(|writer| region_of(&writer.cluster_arn));
    let writers: BTreeSet<&str> = writers.collect();
    let writers = writers.first().filter(|_| writers.len() == 1)?;
    (*writers != traffic).then_some((traffic, writers))
}

fn permissions(seen: &ReadinessSeen, here: &str, findings: &mut Findings) {
    let needs = match &seen.permissions {
        Ok(needs) => needs,
        Err(error) => return findings.add(Check::Permissions, error),
    };
    for (need, denied) in needs {
        match denied {
            Err(error) => findings.add(Check::Permissions, error),
            Ok(denied) if denied.is_empty() => {}
            Ok(denied) => findings.add(
                Check::Permissions,
                format!(
                    "the role of {} may not {} on {}: give the stack in {here} these ARNs, see its parameters",
                    need.role,
                    need.action,
                    denied.join(", ")
                ),
            ),
        }
    }
}

fn signals(seen: &ReadinessSeen, plan: &RecoveryPlan, findings: &mut Findings) {
    for (region, answer) in &seen.alarms {
        let alarms = match answer {
            Ok(alarms) => alarms,
            Err(error) => {
                findings.add(Check::Signals, error);
                continue;
            }
        };
        for name in plan.automatic.iter().flat_map(|automatic| evidence::names(automatic, region)) {
            if let Err(why) = evidence::state(alarms.get(name)) {
                findings.add(Check::Signals, format!("alarm {name} in {region} can't be a signal: {why}"));
            }
        }
    }
}

fn quotas(seen: &ReadinessSeen, plan: &RecoveryPlan, findings: &mut Findings) {
    let needed = i64::try_from(plan.databases.len()).unwrap_or(i64::MAX);
    for (region, answer) in &seen.quotas {
        let quotas = match answer {
            Ok(quotas) => quotas,
            Err(error) => {
                findings.add(Check::Quotas, error);
                continue;
            }
        };
        for name in QUOTAS {
            let Some(Quota { used, max }) = quotas.get(name) else { continue };
            if max.saturating_sub(*used) < needed {
                findings.add(
                    Check::Quotas,
                    format!(
                        "{region} uses {used} of its {max} {name}: a reconciliation there needs {needed} more"
                    ),
                );
            }
        }
    }
}
