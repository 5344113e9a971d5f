//! How the states of Aurora's things change. Every change of a state in [`State`] is noted, whoever makes it;
//! `docs/aurora-states.md` lists them with what AWS says of each, and tests hold the page and the world together.
//!
//! The world is looked at after every use of its state, thousands of times in a rehearsal: a hash tells whether anything
//! has changed at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::model::Global;
use super::state::State;

/// What has a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
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
type States = BTreeMap<(Kind, String), String>;

/// How the states have changed so far.
#[derive(Default)]
pub(super) struct Noted {
    hash: u64,
    states: States,
    transitions: BTreeSet<Transition>,
}

impl Noted {
    /// Notes what has changed since the last look.
    pub(super) fn look(&mut self, state: &State) {
        if let Some(states) = self.changed(state) {
            self.transitions.extend(between(&self.states, &states));
            self.states = states;
        }
    }

    /// Takes the states as they are for what they were from the beginning.
    pub(super) fn begin(&mut self, state: &State) {
        if let Some(states) = self.changed(state) {
            self.states = states;
        }
    }

    /// Every change so far.
    pub(super) fn transitions(&self) -> &BTreeSet<Transition> {
        &self.transitions
    }

    /// The states, where they are others than at the last look.
    fn changed(&mut self, state: &State) -> Option<States> {
        let hash = hash(state);
        (hash != self.hash).then(|| {
            self.hash = hash;
            states(state)
        })
    }
}

/// Changes with what [`states`] says.
fn hash(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    for global in state.globals.values() {
        global.id.hash(&mut hasher);
        global.operation.as_ref().map(|one| (one.status, one.loss)).hash(&mut hasher);
        for member in &global.members {
            (&member.arn, member.is_writer, state.reading.synchronization(member)).hash(&mut hasher);
        }
    }
    let clusters = state.clusters.values().map(|one| (&one.arn, one.status));
    let instances = state.instances.values().map(|one| (&one.arn, one.status));
    let snapshots = state.snapshots.values().map(|one| (&one.arn, one.status));
    clusters.chain(instances).chain(snapshots).for_each(|one| one.hash(&mut hasher));
    hasher.finish()
}

fn of_global(global: &Global) -> String {
    match &global.operation {
        None => "available".to_owned(),
        Some(one) if one.status == "pending" => {
            format!("pending {}", if one.loss { "failover" } else { "switchover" })
        }
        Some(one) => one.status.to_owned(),
    }
}

fn states(state: &State) -> States {
    let mut all = States::new();
    for global in state.globals.values() {
        all.insert((Kind::Global, global.id.clone()), of_global(global));
        for member in &global.members {
            let role = if member.is_writer { "primary" } else { "secondary" };
            let status = format!("{role}, {}", state.reading.synchronization(member));
            all.insert((Kind::Member, format!("{} {}", global.id, member.arn)), status);
        }
    }
    let clusters = state.clusters.values().map(|one| (Kind::Cluster, &one.arn, one.status));
    let instances = state.instances.values().map(|one| (Kind::Instance, &one.arn, one.status));
    let snapshots = state.snapshots.values().map(|one| (Kind::Snapshot, &one.arn, one.status));
    let each = clusters.chain(instances).chain(snapshots);
    all.extend(each.map(|(kind, arn, status)| ((kind, arn.clone()), status.to_owned())));
    all
}

/// What has changed between two looks.
fn between(before: &States, after: &States) -> Vec<Transition> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let transition = |name: &(Kind, String)| Transition {
        kind: name.0,
        from: before.get(name).cloned(),
        to: after.get(name).cloned(),
    };
    changed.map(transition).collect()
}
