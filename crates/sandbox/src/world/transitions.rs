//! How the states of Aurora's things change. Every change of a state in [`State`] is noted, whoever makes it;
//! `docs/aurora-states.md` lists them with what AWS says of each, and tests hold the page and the world together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{State, World};

/// What has a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Global,
    Member,
    Cluster,
    Instance,
    Snapshot,
}

/// A change of a state; `None` is absence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transition {
    kind: Kind,
    from: Option<String>,
    to: Option<String>,
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Global => "global cluster",
            Kind::Member => "member",
            Kind::Cluster => "cluster",
            Kind::Instance => "instance",
            Kind::Snapshot => "snapshot",
        };
        let say = |state: &Option<String>| state.clone().unwrap_or_else(|| "none".to_owned());
        write!(f, "{kind}: {} → {}", say(&self.from), say(&self.to))
    }
}

/// The transitions that a page lists: the first column of its tables, in backticks.
#[must_use]
pub fn listed(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(transition, _)| transition.to_owned()).filter(|text| text.contains(" → ")).collect()
}

/// The states of everything, by kind and name.
pub(super) type States = BTreeMap<(Kind, String), String>;

pub(super) fn states(state: &State) -> States {
    let mut all = States::new();
    for global in state.globals.values() {
        let status = match &global.operation {
            None => "available".to_owned(),
            Some(one) if one.status == "pending" => {
                format!("pending {}", if one.loss { "failover" } else { "switchover" })
            }
            Some(one) => one.status.to_owned(),
        };
        all.insert((Kind::Global, global.id.clone()), status);
        for member in &global.members {
            let role = if member.is_writer { "primary" } else { "secondary" };
            let status = format!("{role}, {}", member.synchronization);
            all.insert((Kind::Member, format!("{} {}", global.id, member.arn)), status);
        }
    }
    all.extend(state.clusters.values().map(|one| ((Kind::Cluster, one.arn.clone()), one.status.to_owned())));
    all.extend(
        state.instances.values().map(|one| ((Kind::Instance, one.arn.clone()), one.status.to_owned())),
    );
    all.extend(
        state.snapshots.values().map(|one| ((Kind::Snapshot, one.arn.clone()), one.status.to_owned())),
    );
    all
}

/// What has changed between two looks.
pub(super) fn between(before: &States, after: &States) -> Vec<Transition> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let transition = |name: &(Kind, String)| Transition {
        kind: name.0,
        from: before.get(name).cloned(),
        to: after.get(name).cloned(),
    };
    changed.map(transition).collect()
}

impl World {
    /// Every change of a state so far.
    pub fn transitions(&self) -> BTreeSet<Transition> {
        self.state(|state| state.transitions.clone())
    }
}
