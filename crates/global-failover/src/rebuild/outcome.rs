//! What the answer says.

use runbook::aurora::region_of;

use super::decide::{Action, Decision, Seen};
use crate::observed::DatabaseState;

/// Where a database stands.
pub(super) fn state(seen: &Seen) -> DatabaseState {
    let global = seen.global.as_ref();
    let writer = global.and_then(|global| global.writers().next());
    DatabaseState {
        writer_region: writer.map(|writer| region_of(&writer.cluster_arn).to_owned()),
        status: global.map_or_else(|| "missing".to_owned(), |global| global.status.clone()),
        operation: global.and_then(|global| global.operation.clone()),
        detached: None,
    }
}

/// What is done about a database, or why nothing is.
pub(super) fn wording(decision: &Decision) -> String {
    match decision {
        Decision::AlreadyDone => "a global database".to_owned(),
        Decision::Wait(reason) | Decision::Refuse(reason) => reason.clone(),
        Decision::Act(Action::Snapshot) => "taking a snapshot of the old primary".to_owned(),
        Decision::Act(Action::Remove(arn)) => {
            format!("removing the old primary {arn} from the global cluster")
        }
        Decision::Act(Action::DeleteGlobal) => "deleting the empty global cluster".to_owned(),
        Decision::Act(Action::CreateGlobal) => "creating the global cluster".to_owned(),
        Decision::Act(Action::Rename(name)) => format!("renaming the old primary to {name}"),
        Decision::Act(Action::CreateSecondary(_)) => "creating the secondary".to_owned(),
        Decision::Act(Action::CreateInstance(like)) => format!("creating instance {}", like.instance.id),
    }
}

/// What is done about a database by this call.
pub(super) fn change(action: &Action) -> String {
    wording(&Decision::Act(action.clone()))
}
