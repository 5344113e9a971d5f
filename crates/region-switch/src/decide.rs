//! The choices: which way the application moved, whether that may have lost anything, whether it is over. Pure.

use runbook::aurora::{GlobalCluster, region_of};
use runbook::error::Kind;
use runbook::{RecoveryPlan, StepError};

use crate::seen::{Action, PlanExecution};

/// From which Region to which the application moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// Which way `recovery` moved the application of `plan`. `here`: the Region of this function, which has to be the one that took
/// over: its bucket has the record, and there the old primary is restored.
///
/// # Errors
/// [`Kind::BadEvent`] when the plan is of other Regions, or the function runs in the Region that was left.
pub(crate) fn moved(plan: &RecoveryPlan, recovery: &PlanExecution, here: &str) -> Result<Moved, StepError> {
    plan.require_region(&recovery.region, "the Region of Region switch's execution")?;
    let other = plan.other_region(&recovery.region).to_owned();
    let moved = match recovery.action {
        Action::Activate => Moved { from: other, to: recovery.region.clone() },
        Action::Deactivate => Moved { from: recovery.region.clone(), to: other },
        Action::PostRecovery => {
            return Err(StepError::new(
                Kind::BadEvent,
                format!(
                    "execution {} of Region switch recovered nothing: it is a post-recovery itself",
                    recovery.id
                ),
                "start the post-recovery with the id of the execution that activated or deactivated a Region",
            ));
        }
    };
    if moved.to != here {
        return Err(StepError::new(
            Kind::BadEvent,
            format!("Region switch moved {} to {}, and this function runs in {here}", plan.name, moved.to),
            "set the block's regionToRun: activatingRegion in a workflow that activates a Region, activeRegion in a \
             post-recovery one",
        ));
    }
    Ok(moved)
}

/// Whether the move may have lost writes. It has not where Region switch says of every database of the plan that it was moved by
/// a switchover; of one that it does not speak of, such as one in a child plan, nobody knows.
pub(crate) fn may_have_lost(plan: &RecoveryPlan, recovery: &PlanExecution) -> bool {
    let switched_over = |global_cluster: &str| {
        let block = recovery.databases.iter().find(|block| block.global_cluster == global_cluster)?;
        let step = recovery.steps.iter().find(|step| step.name == block.step)?;
        let ungraceful = step.ungraceful.unwrap_or(recovery.ungraceful);
        let loses = if ungraceful { block.loses_ungracefully } else { block.loses_gracefully };
        Some(step.status == "completed" && !loses)
    };
    !plan.databases.values().all(|database| switched_over(&database.global_cluster) == Some(true))
}

/// Why the databases are not moved yet; `None` when each has its one writer in the Region that took over. `seen`: their global
/// clusters, by the plan's names.
pub(crate) fn not_moved_yet(seen: &[(&str, GlobalCluster)], to: &str) -> Option<String> {
    let open = seen.iter().filter_map(|(name, global)| {
        if global.operation.is_some() {
            return Some(format!("{name}: global cluster {} is on its way", global.id));
        }
        let writers: Vec<&str> = global.writers().map(|writer| region_of(&writer.cluster_arn)).collect();
        match writers.as_slice() {
            [region] if *region == to => None,
            [] => Some(format!("{name}: global cluster {} has no writer", global.id)),
            regions => Some(format!("{name}: the writer of {} is in {}", global.id, regions.join(" and "))),
        }
    });
    let open: Vec<String> = open.collect();
    (!open.is_empty()).then(|| open.join("; "))
}

/// What a failover of Region switch is called in our records: a part of object keys, and its first characters of names, so
/// that these alone tell it from every other.
pub(crate) fn failover_name(recovery: &PlanExecution) -> String {
    let unique = uuid::Uuid::new_v5(
        &uuid::Uuid::NAMESPACE_URL,
        format!("{}\n{}", recovery.plan, recovery.id).as_bytes(),
    );
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let id: String = recovery.id.chars().map(plain).collect();
    format!("{}-region-switch-{id}", &unique.simple().to_string()[..12])
}

/// The client token of the runbook's execution: the same for every call of a step of an execution, and for no other. It has the
/// form of a UUID, as Systems Manager wants it.
pub(crate) fn token(plan_arn: &str, execution: &str, step: &str, plan: &str) -> String {
    let name = [plan_arn, execution, step, plan].join("\n");
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use runbook::aurora::{GlobalMember, Operation};
    use runbook::plan::sample;

    use super::*;
    use crate::seen::{DatabaseBlock, Step};

    const EAST: &str = "sandbox-east";
    const WEST: &str = "sandbox-west";

    fn recovery() -> PlanExecution {
        let step = |name: &str| Step {
            name: name.into(),
            status: "completed".into(),
            started: None,
            ended: None,
            ungraceful: None,
        };
        let block = |step: &str, global: &str| DatabaseBlock {
            step: step.into(),
            global_cluster: global.into(),
            loses_gracefully: false,
            loses_ungracefully: true,
        };
        PlanExecution {
            id: "e".into(),
            plan: "arn".into(),
            action: Action::Activate,
            region: WEST.into(),
            ungraceful: false,
            started: "2026-11-25T12:00:00Z".parse().unwrap(),
            ended: None,
            recovery: None,
            steps: vec![step("orders"), step("catalog")],
            databases: vec![block("orders", "shop-orders"), block("catalog", "shop-catalog")],
        }
    }

    #[test]
    fn it_moved_to_what_was_activated_and_away_from_what_was_deactivated() {
        let plan = sample();
        let expected = Moved { from: EAST.into(), to: WEST.into() };
        assert_eq!(moved(&plan, &recovery(), WEST).unwrap(), expected);
        let away = PlanExecution { action: Action::Deactivate, region: EAST.into(), ..recovery() };
        assert_eq!(moved(&plan, &away, WEST).unwrap(), expected);
        let there = moved(&plan, &recovery(), EAST).unwrap_err().to_string();
        assert!(
            there.contains("moved shop to sandbox-west, and this function runs in sandbox-east"),
            "{there}"
        );
        let elsewhere = PlanExecution { region: "eu-west-1".into(), ..recovery() };
        assert!(
            moved(&plan, &elsewhere, WEST).unwrap_err().to_string().contains("not a Region of plan shop")
        );
        let after = PlanExecution { action: Action::PostRecovery, ..recovery() };
        assert!(moved(&plan, &after, WEST).unwrap_err().to_string().contains("a post-recovery itself"));
    }

    #[test]
    fn nothing_is_lost_only_where_every_database_is_known_to_have_been_switched_over() {
        let lost = |change: fn(&mut PlanExecution)| {
            let mut recovery = recovery();
            change(&mut recovery);
            may_have_lost(&sample(), &recovery)
        };
        assert!(!lost(|_| {}));
        assert!(lost(|one| one.ungraceful = true));
        // A step that was made ungraceful on the way; one that was made graceful.
        assert!(lost(|one| one.steps[1].ungraceful = Some(true)));
        assert!(!lost(|one| {
            one.ungraceful = true;
            one.steps.iter_mut().for_each(|step| step.ungraceful = Some(false));
        }));
        assert!(lost(|one| one.databases[0].loses_gracefully = true));
        assert!(lost(|one| one.steps[0].status = "skipped".into()));
        assert!(lost(|one| {
            one.databases.pop();
        }));
        assert!(lost(|one| one.steps.clear()));
    }

    #[test]
    fn a_database_that_is_not_there_yet_is_named() {
        let global = |writers: &[&str]| {
            let member = |region: &&str| GlobalMember {
                cluster_arn: format!("arn:aws:rds:{region}:000000000000:cluster:x"),
                is_writer: writers.contains(region),
                synchronization: None,
            };
            GlobalCluster {
                id: "shop-orders".into(),
                status: "available".into(),
                members: [EAST, WEST].iter().map(member).collect(),
                operation: None,
            }
        };
        assert_eq!(not_moved_yet(&[("orders", global(&[WEST]))], WEST), None);
        let there =
            not_moved_yet(&[("orders", global(&[EAST])), ("catalog", global(&[WEST]))], WEST).unwrap();
        assert_eq!(there, "orders: the writer of shop-orders is in sandbox-east");
        assert!(not_moved_yet(&[("orders", global(&[]))], WEST).unwrap().contains("has no writer"));
        let operation = Operation {
            status: "failing-over".into(),
            from: "a".into(),
            to: "b".into(),
            data_loss_allowed: true,
        };
        let moving = GlobalCluster { operation: Some(operation), ..global(&[WEST]) };
        assert!(not_moved_yet(&[("orders", moving)], WEST).unwrap().contains("on its way"));
    }

    #[test]
    fn a_token_is_of_one_step_of_one_execution() {
        let one = token("arn", "e", "account", "shop");
        assert_eq!((one.len(), one.clone()), (36, token("arn", "e", "account", "shop")));
        for other in
            [("arn", "f", "account", "shop"), ("arn", "e", "again", "shop"), ("arn", "e", "account", "till")]
        {
            assert_ne!(token(other.0, other.1, other.2, other.3), one);
        }
    }

    #[test]
    fn the_name_of_a_failover_fits_a_key_and_begins_as_no_other() {
        let named = |id: &str| failover_name(&PlanExecution { id: id.into(), ..recovery() });
        assert!(
            named("eu-west-1/ab_c").ends_with("-region-switch-eu-west-1-ab-c"),
            "{}",
            named("eu-west-1/ab_c")
        );
        assert_ne!(named("eu-west-1/abc")[..12], named("eu-west-1/abd")[..12]);
    }
}
