//! The choice for one global database: a pure function from what was seen and asked to what to do next.

use runbook::aurora::{Cluster, GlobalCluster, region_of};
use runbook::settle;
use runbook::step::Mode;

/// The call that promotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Where to call: the target Region for a failover, the current primary's for a switchover.
    pub region: String,
    /// The cluster to promote.
    pub target_arn: String,
}

/// What to do next about one global database.
pub type Decision = settle::Decision<Promotion>;

/// What is waited for: a moment of an operation.
fn wait(what: impl Into<String>) -> Decision {
    Decision::Wait(what.into())
}

/// Decides from what the target Region sees of a global cluster.
///
/// The status is a free string: those known to pass are waited for, those known not to are refused. Any other is left
/// to AWS, which checks the state itself when it is called: in an emergency a word unknown here must not be in the way.
pub fn decide(observed: &GlobalCluster, target: &str, mode: Mode) -> Decision {
    let id = &observed.id;
    let Some(member) = observed.member_in(target) else {
        return Decision::Refuse(format!("global cluster {id} has no member in {target}"));
    };
    if let Some(operation) = &observed.operation {
        // A cancelled operation is rolled back: what comes of it is seen afterwards.
        if region_of(&operation.to) == target || operation.status == "cancelling" {
            return wait(format!("an operation is {}", operation.status));
        }
        let other = if operation.data_loss_allowed { "failover" } else { "switchover" };
        return Decision::Refuse(format!(
            "a {other} of global cluster {id} to {} is running ({}); wait for its end, then start again",
            operation.to, operation.status
        ));
    }
    let mut writers = observed.writers();
    let (Some(writer), None) = (writers.next(), writers.next()) else {
        // For a moment of an operation there may be two writers or none.
        return wait("it has not exactly one writer at the moment");
    };
    let writer_region = region_of(&writer.cluster_arn);
    match observed.status.as_str() {
        "failing-over" | "switching-over" => wait(format!("it is {}", observed.status)),
        _ if writer_region == target => Decision::AlreadyDone,
        "creating" | "modifying" | "upgrading" => wait(format!("it is {}", observed.status)),
        "deleting" | "deleted" => Decision::Refuse(format!("global cluster {id} is {}", observed.status)),
        _ if member.synchronization.as_deref() == Some("pending-resync") => Decision::Refuse(format!(
            "{} of global cluster {id} is still being rebuilt as a secondary (pending-resync); \
             start again when it is connected",
            member.cluster_arn
        )),
        _ => Decision::Act(Promotion {
            region: match mode {
                Mode::Failover | Mode::Detach => target,
                Mode::Switchover => writer_region,
            }
            .to_owned(),
            target_arn: member.cluster_arn.clone(),
        }),
    }
}

/// Decides for a detach from what the target Region sees of a global cluster and of its own cluster.
///
/// An operation that runs is no reason to refuse: that it does not end may be the very reason for which this was asked
/// for, and AWS checks the state itself.
pub fn decide_detach(observed: &GlobalCluster, cluster: &Cluster, target: &str) -> Decision {
    let id = &observed.id;
    let Some(member) = observed.member_in(target) else {
        return if cluster.status == "available" {
            Decision::AlreadyDone
        } else {
            wait(format!("cluster {} is {}", cluster.id, cluster.status))
        };
    };
    // What a managed failover has brought here stays as it is.
    if member.is_writer && observed.writers().count() == 1 && observed.operation.is_none() {
        return Decision::AlreadyDone;
    }
    if member.synchronization.as_deref() == Some("pending-resync") {
        return Decision::Refuse(format!(
            "{} of global cluster {id} is being rebuilt as a secondary (pending-resync): it can't be detached before that has ended",
            member.cluster_arn
        ));
    }
    if cluster.status == "promoting" {
        return wait(format!("cluster {} is promoting", cluster.id));
    }
    Decision::Act(Promotion { region: target.to_owned(), target_arn: member.cluster_arn.clone() })
}

#[cfg(test)]
mod tests {
    use runbook::aurora::{GlobalMember, Operation};

    use super::*;

    const EAST: &str = "arn:aws:rds:sandbox-east:000000000000:cluster:orders-east";
    const WEST: &str = "arn:aws:rds:sandbox-west:000000000000:cluster:orders-west";
    const NORTH: &str = "arn:aws:rds:sandbox-north:000000000000:cluster:orders-north";

    /// A global cluster of east and west with these writers.
    fn global(writers: &[&str]) -> GlobalCluster {
        let member = |arn: &str| GlobalMember {
            cluster_arn: arn.into(),
            is_writer: writers.contains(&arn),
            synchronization: Some("connected".into()),
        };
        GlobalCluster {
            id: "orders".into(),
            status: "available".into(),
            members: vec![member(EAST), member(WEST)],
            operation: None,
        }
    }

    fn running(status: &str, to: &str) -> GlobalCluster {
        let operation = Operation {
            status: status.into(),
            from: EAST.into(),
            to: to.into(),
            data_loss_allowed: status == "failing-over",
        };
        GlobalCluster { operation: Some(operation), ..global(&[EAST]) }
    }

    fn with_status(status: &str, writer: &str) -> GlobalCluster {
        GlobalCluster { status: status.into(), ..global(&[writer]) }
    }

    fn act(region: &str) -> Decision {
        Decision::Act(Promotion { region: region.into(), target_arn: WEST.into() })
    }

    /// A decision without the words of what is waited for.
    fn kind(decision: Decision) -> Decision {
        if let Decision::Wait(_) = decision { wait("") } else { decision }
    }

    #[test]
    fn each_state_has_its_decision() {
        let mut resync = global(&[EAST]);
        resync.members[1].synchronization = Some("pending-resync".into());
        let mut alone = global(&[EAST]);
        alone.members.pop();
        let cases = [
            ("idle", global(&[EAST]), act("sandbox-west")),
            ("there", global(&[WEST]), Decision::AlreadyDone),
            ("there, and upgraded", with_status("upgrading", WEST), Decision::AlreadyDone),
            ("there, not over", with_status("failing-over", WEST), wait("")),
            (
                "there, operation shown",
                GlobalCluster { members: global(&[WEST]).members, ..running("failing-over", WEST) },
                wait(""),
            ),
            ("our way", running("failing-over", WEST), wait("")),
            ("our way by switchover", running("switching-over", WEST), wait("")),
            ("our way, not begun", running("pending", WEST), wait("")),
            ("cancelled", running("cancelling", NORTH), wait("")),
            ("two writers", global(&[EAST, WEST]), wait("")),
            ("no writer", global(&[]), wait("")),
            ("modified", with_status("modifying", EAST), wait("")),
            ("upgraded", with_status("upgrading", EAST), wait("")),
            ("unknown word", with_status("pondering", EAST), act("sandbox-west")),
        ];
        for (case, observed, expected) in cases {
            assert_eq!(kind(decide(&observed, "sandbox-west", Mode::Failover)), expected, "{case}");
        }
        let refused = [
            (
                "other way",
                running("failing-over", NORTH),
                "failover of global cluster orders to arn:aws:rds:sandbox-north",
            ),
            (
                "other way back",
                running("switching-over", EAST),
                "switchover of global cluster orders to arn:aws:rds:sandbox-east",
            ),
            ("deleted", with_status("deleting", EAST), "is deleting"),
            ("being rebuilt", resync, "pending-resync"),
            ("no member", alone, "no member in sandbox-west"),
        ];
        for (case, observed, part) in refused {
            for mode in [Mode::Failover, Mode::Switchover] {
                match decide(&observed, "sandbox-west", mode) {
                    Decision::Refuse(reason) => assert!(reason.contains(part), "{case}: {reason}"),
                    other => panic!("{case}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_detach_asks_aws_whatever_runs_and_is_done_when_the_cluster_stands_for_itself() {
        let cluster = |status: &str| Cluster {
            id: "orders-west".into(),
            arn: WEST.into(),
            status: status.into(),
            engine: "aurora-mysql".into(),
            engine_version: "8".into(),
            endpoint: None,
            reader_endpoint: None,
            created: None,
            port: None,
            instances: Vec::new(),
            tags: Vec::new(),
        };
        let mut left = global(&[EAST]);
        left.members.pop();
        let cases = [
            ("idle", global(&[EAST]), "available", act("sandbox-west")),
            ("stuck", running("failing-over", WEST), "available", act("sandbox-west")),
            ("on its way", global(&[EAST]), "promoting", wait("")),
            ("has left, not promoted", left.clone(), "promoting", wait("")),
            ("has left", left, "available", Decision::AlreadyDone),
            ("promoted as a member", global(&[WEST]), "available", Decision::AlreadyDone),
        ];
        for (case, observed, status, expected) in cases {
            assert_eq!(kind(decide_detach(&observed, &cluster(status), "sandbox-west")), expected, "{case}");
        }
        let mut resync = global(&[EAST]);
        resync.members[1].synchronization = Some("pending-resync".into());
        let Decision::Refuse(reason) = decide_detach(&resync, &cluster("available"), "sandbox-west") else {
            panic!("half of the data was promoted");
        };
        assert!(reason.contains("pending-resync"), "{reason}");
    }

    #[test]
    fn a_switchover_is_called_where_the_primary_is() {
        assert_eq!(decide(&global(&[EAST]), "sandbox-west", Mode::Switchover), act("sandbox-east"));
        assert_eq!(decide(&global(&[WEST]), "sandbox-west", Mode::Switchover), Decision::AlreadyDone);
    }
}
