//! What each runbook is started with, where, and what is said before it. Pure.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::Error;
use crate::deployed::Deployed;

/// A runbook of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Runbook {
    /// Move to the other Region what one Region, which is ill, has: writes that had not come across are lost
    Failover,
    /// Move it with both Regions well: nothing is lost
    Failback,
    /// Find out what a failover lost
    Reconcile,
    /// Put back what is missing, after an approval
    Replay,
    /// Make global databases again of what was detached
    Rebuild,
    /// Turn the traffic of Regions on or off
    Routing,
    /// Look whether the plan can be executed
    Readiness,
}

impl Runbook {
    /// Its name, as the documents have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Reconcile => "reconcile",
            Self::Replay => "replay",
            Self::Rebuild => "rebuild",
            Self::Routing => "routing",
            Self::Readiness => "readiness",
        }
    }

    /// Whether it moves or writes something, so that no two of them should run at once.
    pub const fn moves(self) -> bool {
        !matches!(self, Self::Readiness)
    }
}

/// What a person asks for, beside the runbook.
#[derive(Debug, Default, Clone)]
pub struct Wanted {
    /// The Region to leave.
    pub impaired: Option<String>,
    /// Whether the databases are detached instead of failed over.
    pub detach_databases: bool,
    /// Regions whose traffic is turned on.
    pub turn_on: Vec<String>,
    /// Regions whose traffic is turned off.
    pub turn_off: Vec<String>,
    /// The reconciliation whose report is put back.
    pub reconciled: Option<String>,
    /// Who may approve.
    pub approvers: Vec<String>,
    /// Any other parameters.
    pub others: Vec<(String, String)>,
}

/// The parameters of its start, as the console has them.
///
/// # Errors
/// When something is missing that only a person can know, or does not fit the plan.
pub fn parameters(
    runbook: Runbook,
    deployed: &Deployed,
    wanted: &Wanted,
) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let plan = &deployed.plan;
    let known = |region: &String| -> Result<(), Error> {
        if plan.regions.contains(region) {
            return Ok(());
        }
        Err(format!("{region} is no Region of the plan {}: {} are", plan.name, plan.regions.join(" and "))
            .into())
    };
    let mut given = BTreeMap::from([
        ("Plan".to_owned(), vec![deployed.plan_parameter()]),
        ("AutomationAssumeRole".to_owned(), vec![deployed.role(runbook.name())?.to_owned()]),
        ("Prefix".to_owned(), vec![deployed.prefix.clone()]),
    ]);
    let mut give = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            given.insert(name.to_owned(), values);
        }
    };
    match runbook {
        Runbook::Failover => {
            let impaired = wanted.impaired.clone().ok_or_else(|| {
                format!("name the Region to leave: --impaired {}", plan.regions.join(" or --impaired "))
            })?;
            known(&impaired)?;
            if impaired == deployed.region {
                return Err(format!(
                    "{impaired} can't be left by a failover that runs there: --in {}",
                    plan.other_region(&impaired)
                )
                .into());
            }
            give("ImpairedRegion", vec![impaired]);
            if wanted.detach_databases {
                give("Mode", vec!["detach".to_owned()]);
            }
            give("Approvers", wanted.approvers.clone());
        }
        Runbook::Failback => give("Approvers", wanted.approvers.clone()),
        Runbook::Replay => {
            let reconciled = wanted.reconciled.clone().ok_or(
                "name the execution of reconcile whose report is to be put back: --reconciled ID (causeway status shows the last ones)",
            )?;
            give("ReconcileExecution", vec![reconciled]);
            if wanted.approvers.is_empty() {
                return Err("a replay needs somebody who approves it: --approver ARN".into());
            }
            give("Approvers", wanted.approvers.clone());
        }
        Runbook::Routing => {
            if wanted.turn_on.is_empty() && wanted.turn_off.is_empty() {
                return Err(
                    "say which Region's traffic is turned: --turn-on REGION, --turn-off REGION".into()
                );
            }
            wanted.turn_on.iter().chain(&wanted.turn_off).try_for_each(known)?;
            give("TurnOn", wanted.turn_on.clone());
            give("TurnOff", wanted.turn_off.clone());
        }
        Runbook::Reconcile | Runbook::Rebuild | Runbook::Readiness => {}
    }
    for (name, value) in &wanted.others {
        given.insert(name.clone(), value.split(',').map(str::to_owned).collect());
    }
    Ok(given)
}

/// What it is about to do, in a sentence.
pub fn what_it_does(runbook: Runbook, deployed: &Deployed, wanted: &Wanted) -> String {
    let (plan, here) = (&deployed.plan, &deployed.region);
    let other = plan.other_region(here);
    let databases = plan.databases.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match runbook {
        Runbook::Failover if wanted.detach_databases => format!(
            "{} fails over to {here}: the traffic of {other} is turned off, and {databases} leave their global databases here",
            plan.name
        ),
        Runbook::Failover => {
            format!(
                "{} fails over to {here}: the traffic of {other} is turned off, and {databases} are promoted here",
                plan.name
            )
        }
        Runbook::Failback => format!(
            "{} moves to {here} from {other}, both of them well: {databases} switch over, and the traffic",
            plan.name
        ),
        Runbook::Reconcile => {
            format!(
                "{}: the old primary of {databases} is restored from its snapshot in {here}, compared and removed again",
                plan.name
            )
        }
        Runbook::Replay => format!(
            "{}: what the reconciliation {} found missing is put back in {here}, once somebody has approved it",
            plan.name,
            wanted.reconciled.as_deref().unwrap_or_default()
        ),
        Runbook::Rebuild => format!(
            "{}: of {databases} in {here} global databases are made again, with secondaries in {other}",
            plan.name
        ),
        Runbook::Routing => {
            let turned = |regions: &[String], state: &str| {
                regions.iter().map(|region| format!("{state} in {region}")).collect::<Vec<_>>()
            };
            let turned = [turned(&wanted.turn_on, "on"), turned(&wanted.turn_off, "off")].concat().join(", ");
            format!("{}: the traffic is turned {turned}; no database is touched", plan.name)
        }
        Runbook::Readiness => {
            format!("{}: everything that a runbook needs is looked at from {here}", plan.name)
        }
    }
}

/// What would be lost or costs by it, in a sentence; that of a failover comes from what is measured.
pub const fn what_it_costs(runbook: Runbook) -> &'static str {
    match runbook {
        Runbook::Failover => {
            "Writes that have not come across are lost from the new primary; reconcile finds them later"
        }
        Runbook::Failback => "No write is lost; writes stand still for a minute or two",
        Runbook::Reconcile => {
            "No write is lost, databases are only read; the restored clusters cost until they are removed"
        }
        Runbook::Replay => "Nothing that is there is changed or put twice",
        Runbook::Rebuild => "No write is lost and no cluster deleted; each secondary takes minutes to hours",
        Runbook::Routing => "No write is lost; a Region whose traffic is off serves nobody",
        Runbook::Readiness => "Nothing is changed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployed() -> Deployed {
        let plan = runbook::plan::sample();
        let roles = ["failover", "replay", "routing", "reconcile"]
            .map(|name| (format!("{name}-runbook"), format!("arn:aws:iam::000000000000:role/{name}")));
        Deployed { region: "sandbox-west".into(), plan, prefix: "causeway".into(), roles: roles.into() }
    }

    #[test]
    fn what_only_a_person_knows_is_asked_for_with_its_option() {
        let deployed = deployed();
        let refused =
            |runbook, wanted: &Wanted| parameters(runbook, &deployed, wanted).unwrap_err().to_string();
        let nothing = Wanted::default();
        assert!(
            refused(Runbook::Failover, &nothing)
                .contains("--impaired sandbox-east or --impaired sandbox-west")
        );
        assert!(refused(Runbook::Replay, &nothing).contains("--reconciled ID"));
        assert!(refused(Runbook::Routing, &nothing).contains("--turn-on REGION"));
        assert!(refused(Runbook::Rebuild, &nothing).contains("names no role for rebuild"));
        let leave = |region: &str| Wanted { impaired: Some(region.into()), ..Wanted::default() };
        assert!(refused(Runbook::Failover, &leave("sandbox-west")).contains("--in sandbox-east"));
        assert!(refused(Runbook::Failover, &leave("north")).contains("no Region of the plan shop"));
    }

    #[test]
    fn the_parameters_are_those_of_the_console() {
        let wanted = Wanted {
            impaired: Some("sandbox-east".into()),
            approvers: vec!["arn:a".into()],
            others: vec![("Cooldown".into(), "override".into())],
            ..Wanted::default()
        };
        let given = parameters(Runbook::Failover, &deployed(), &wanted).unwrap();
        let given: Vec<(&str, &str)> =
            given.iter().map(|(name, values)| (name.as_str(), values[0].as_str())).collect();
        assert_eq!(
            given,
            [
                ("Approvers", "arn:a"),
                ("AutomationAssumeRole", "arn:aws:iam::000000000000:role/failover"),
                ("Cooldown", "override"),
                ("ImpairedRegion", "sandbox-east"),
                ("Plan", "/causeway/plans/shop"),
                ("Prefix", "causeway"),
            ]
        );
        assert!(what_it_does(Runbook::Failover, &deployed(), &wanted).contains("sandbox-east is turned off"));
    }
}
