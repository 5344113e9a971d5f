//! The choice for one global database: a pure function from what was seen to what to do next.

use runbook::aurora::{GlobalCluster, GlobalMember, Snapshot, tag};
use runbook::names::{CLUSTER_TAG, detached_prefix, rebuilt_instance};
use runbook::settle;

use super::calls::{Blueprint, InstanceBlueprint};

/// What there is for one global database.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The plan's global cluster.
    pub global: Option<GlobalCluster>,
    /// The plan's cluster here.
    pub here: Blueprint,
    /// The cluster that has the plan's name in the other Region.
    pub there: Option<Blueprint>,
    /// Snapshots of clusters that had that name when this step took them, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// The old primary under its new name.
    pub kept: Option<Blueprint>,
}

/// What to do next for one database.
pub type Decision = settle::Decision<Action>;

/// The calls, in the order they are needed.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Keep the old primary's data.
    Snapshot,
    /// Take the old primary out of the global cluster.
    Remove(String),
    /// Delete the empty global cluster.
    DeleteGlobal,
    /// Create it around the cluster here.
    CreateGlobal,
    /// Give the old primary another name.
    Rename(String),
    /// Create the secondary as this cluster was made.
    CreateSecondary(Box<Blueprint>),
    /// Add its instance, of this name and as this one is made.
    CreateInstance(Box<InstanceBlueprint>),
}

/// Of all manual snapshots of a Region, those that this step has taken of clusters that had this ARN then, oldest first.
pub(super) fn taken_of(all: Vec<Snapshot>, arn: &str) -> Vec<Snapshot> {
    let name = arn.rsplit(':').next().unwrap_or(arn);
    let prefix = detached_prefix(name);
    let fits = |one: &Snapshot| match tag(&one.tags, CLUSTER_TAG) {
        Some(of) => of == arn,
        // One that was taken without the tag.
        None => one.cluster == name,
    };
    let mut found: Vec<Snapshot> =
        all.into_iter().filter(|one| one.id.starts_with(&prefix) && fits(one)).collect();
    found.sort_by_key(|one| (one.created.is_none(), one.created));
    found
}

/// Whether the old primary's data is kept by this snapshot; else what that means.
fn taken(snapshot: &Snapshot) -> Result<(), Decision> {
    let Snapshot { id, status, .. } = snapshot;
    match status.as_str() {
        "available" => Ok(()),
        status if status.ends_with("failed") => Err(Decision::Refuse(format!(
            "snapshot {id} of the old primary is {status}: delete it, and start the runbook again"
        ))),
        status => Err(Decision::Wait(format!("snapshot {id} is {status}"))),
    }
}

/// Decides from what was seen. `id`, `there` and `class` are the plan's: the global cluster, the cluster in the other Region,
/// and the class of an instance where the old primary has none to show.
pub fn decide(seen: &Seen, id: &str, there: &str, class: &str) -> Decision {
    let here = &seen.here.cluster;
    if here.status != "available" {
        return Decision::Wait(format!("cluster {} is {}", here.id, here.status));
    }
    let old = seen.there.as_ref();
    // A snapshot of an earlier cluster of the same name is older than this one.
    let snapshot = old.and_then(|old| {
        seen.snapshots.iter().find(|one| one.created.is_none() || one.created >= old.created)
    });
    let outside = is_kept(old, snapshot, id);
    let Some(global) = &seen.global else {
        return outside.err().unwrap_or(Decision::Act(Action::CreateGlobal));
    };
    if let Some(operation) = &global.operation {
        return Decision::Wait(format!("an operation of global cluster {id} is {}", operation.status));
    }
    let own = global.members.iter().find(|member| member.cluster_arn == here.arn);
    let other = global.members.iter().find(|member| member.cluster_arn != here.arn);
    match (own, other) {
        (Some(own), _) if !own.is_writer => Decision::Refuse(format!(
            "cluster {} is a secondary of global cluster {id}: it was not detached",
            here.id
        )),
        (Some(_), Some(other)) => with_secondary(seen, id, other, class),
        (None, Some(other))
            if global.members.len() == 1 && old.is_some_and(|old| old.cluster.arn == other.cluster_arn) =>
        {
            match snapshot {
                None => Decision::Act(Action::Snapshot),
                Some(snapshot) => taken(snapshot)
                    .err()
                    .unwrap_or_else(|| Decision::Act(Action::Remove(other.cluster_arn.clone()))),
            }
        }
        (None, Some(_)) => {
            Decision::Refuse(format!("global cluster {id} has members that the plan does not name"))
        }
        (None, None) => outside.err().unwrap_or(Decision::Act(Action::DeleteGlobal)),
        (Some(_), None) => with_own_alone(seen, snapshot, outside, [id, there]),
    }
}

/// Whether the old primary, outside of every global cluster, is known to be that, and kept; else what that means.
fn is_kept(old: Option<&Blueprint>, snapshot: Option<&Snapshot>, id: &str) -> Result<(), Decision> {
    match (old, snapshot) {
        (None, _) => Ok(()),
        (Some(_), Some(snapshot)) => taken(snapshot),
        (Some(old), None) => Err(Decision::Refuse(format!(
            "cluster {} is in no global cluster, and nothing shows that it is the old primary: start the runbook in the Region \
             that took over; if this is that Region, make the old primary the only member of global cluster {id}, or rename it",
            old.cluster.arn
        ))),
    }
}

/// The global cluster has the cluster here as its writer, and another member.
fn with_secondary(seen: &Seen, id: &str, other: &GlobalMember, class: &str) -> Decision {
    let Some(secondary) = seen.there.as_ref().filter(|there| there.cluster.arn == other.cluster_arn) else {
        return Decision::Refuse(format!(
            "global cluster {id} has {}, which the plan does not name",
            other.cluster_arn
        ));
    };
    let available = secondary.instances.iter().any(|one| one.instance.status == "available");
    match (&seen.kept, secondary.instances.is_empty()) {
        (Some(kept), true) if secondary.cluster.status == "available" => {
            let id = rebuilt_instance(&kept.cluster.id);
            let planned = || InstanceBlueprint::plain(&id, class);
            let mut like = kept.instances.first().cloned().unwrap_or_else(planned);
            like.instance.id = id;
            Decision::Act(Action::CreateInstance(Box::new(like)))
        }
        _ if available && other.synchronization.as_deref() == Some("connected") => Decision::AlreadyDone,
        _ => Decision::Wait(format!(
            "secondary {} is not connected yet, or has no available instance",
            secondary.cluster.id
        )),
    }
}

/// The global cluster has the cluster here alone. `names` are the plan's of the global cluster and of the old primary.
fn with_own_alone(
    seen: &Seen,
    snapshot: Option<&Snapshot>,
    outside: Result<(), Decision>,
    names: [&str; 2],
) -> Decision {
    let wait = |old: &Blueprint, what: &str| {
        Decision::Wait(format!("cluster {} is {}{what}", old.cluster.id, old.cluster.status))
    };
    match (&seen.there, snapshot, &seen.kept) {
        (Some(old), Some(snapshot), _) if old.cluster.status == "available" => {
            outside.err().unwrap_or_else(|| Decision::Act(Action::Rename(snapshot.id.clone())))
        }
        (Some(old), Some(_), _) => wait(old, ""),
        // It was just created, and is no member yet.
        (Some(old), None, Some(_)) => wait(old, ", and no member yet"),
        (Some(_), None, None) => outside.err().unwrap_or_else(|| Decision::Wait("its secondary".into())),
        (None, _, Some(kept)) => Decision::Act(Action::CreateSecondary(Box::new(kept.clone()))),
        (None, _, None) => {
            let [id, there] = names;
            Decision::Refuse(format!(
                "there is neither a cluster {there} nor an old primary to copy its settings from: add a secondary {there} to global \
                 cluster {id} by hand"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use runbook::aurora::Cluster;

    use super::*;
    use crate::rebuild::calls::Made;

    const HERE: &str = "arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west";
    const THERE: &str = "arn:aws:rds:sandbox-east:000000000000:cluster:shop-orders-east";
    const KEPT: &str = "causeway-detached-shop-orders-east-20260101000000";

    fn at(minute: i64) -> Option<Timestamp> {
        Timestamp::from_second(1_767_225_600 + 60 * minute).ok()
    }

    fn cluster(arn: &str, minute: i64) -> Blueprint {
        let mut instance = InstanceBlueprint::plain("i", "db.r6g.large");
        instance.instance.status = "available".into();
        Blueprint {
            cluster: Cluster {
                id: arn.rsplit(':').next().unwrap().into(),
                arn: arn.into(),
                status: "available".into(),
                engine: "aurora-mysql".into(),
                engine_version: "8.0.mysql_aurora.3.08.0".into(),
                endpoint: None,
                reader_endpoint: None,
                created: None,
                port: None,
                instances: vec!["i".into()],
                tags: Vec::new(),
            },
            created: at(minute),
            made: Made::default(),
            instances: vec![instance],
        }
    }

    /// The first member is the writer.
    fn global(members: &[&str]) -> Option<GlobalCluster> {
        let member = |(number, arn): (usize, &&str)| GlobalMember {
            cluster_arn: (*arn).into(),
            is_writer: number == 0,
            synchronization: Some("connected".into()),
        };
        let members = members.iter().enumerate().map(member).collect();
        Some(GlobalCluster { id: "shop-orders".into(), status: "available".into(), members, operation: None })
    }

    fn detached() -> Seen {
        Seen {
            global: global(&[THERE]),
            here: cluster(HERE, 0),
            there: Some(cluster(THERE, 0)),
            snapshots: Vec::new(),
            kept: None,
        }
    }

    fn snapshot(status: &str, minute: i64) -> Vec<Snapshot> {
        vec![Snapshot {
            id: KEPT.into(),
            arn: String::new(),
            cluster: "shop-orders-east".into(),
            status: status.into(),
            created: at(minute),
            engine: String::new(),
            engine_version: String::new(),
            encrypted: false,
            progress: None,
            tags: Vec::new(),
        }]
    }

    fn asked(seen: &Seen) -> Decision {
        decide(seen, "shop-orders", "shop-orders-east", "db.r6g.large")
    }

    #[test]
    fn each_state_on_the_way_leads_to_the_next() {
        let kept = Some(cluster("arn:aws:rds:sandbox-east:000000000000:cluster:kept", 0));
        let mut seen = detached();
        assert_eq!(asked(&seen), Decision::Act(Action::Snapshot));
        seen.snapshots = snapshot("creating", 10);
        assert!(matches!(asked(&seen), Decision::Wait(_)));
        seen.snapshots = snapshot("available", 10);
        assert_eq!(asked(&seen), Decision::Act(Action::Remove(THERE.into())));
        seen.global = global(&[]);
        assert_eq!(asked(&seen), Decision::Act(Action::DeleteGlobal));
        seen.global = None;
        assert_eq!(asked(&seen), Decision::Act(Action::CreateGlobal));
        seen.global = global(&[HERE]);
        assert_eq!(asked(&seen), Decision::Act(Action::Rename(KEPT.into())));
        (seen.there, seen.kept) = (None, kept);
        assert!(matches!(asked(&seen), Decision::Act(Action::CreateSecondary(_))));
        seen.global = global(&[HERE, THERE]);
        seen.there = Some(Blueprint { instances: Vec::new(), ..cluster(THERE, 20) });
        assert!(matches!(asked(&seen), Decision::Act(Action::CreateInstance(_))));
        seen.there = Some(cluster(THERE, 20));
        assert_eq!(asked(&seen), Decision::AlreadyDone);
    }

    /// Where it is not certain which cluster is the old primary, none is touched.
    #[test]
    fn nothing_is_taken_from_a_cluster_that_may_be_the_primary() {
        let refused = |seen: Seen, case: &str| {
            assert!(matches!(asked(&seen), Decision::Refuse(_)), "{case}: {:?}", asked(&seen));
        };
        refused(Seen { global: global(&[THERE, HERE]), ..detached() }, "it was not detached");
        refused(Seen { global: global(&[HERE]), ..detached() }, "the Region that was left");
        refused(Seen { global: global(&[]), ..detached() }, "both stand for themselves");
        refused(
            Seen { global: None, ..detached() },
            "both stand for themselves, and the global cluster is gone",
        );
        let earlier = Seen { snapshots: snapshot("available", -10), ..detached() };
        refused(
            Seen { global: global(&[HERE]), ..earlier },
            "the snapshot is of an earlier cluster of this name",
        );
    }
}
