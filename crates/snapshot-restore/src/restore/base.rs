//! The state at the takeover of one database: which snapshot it is, and what comes next. Pure functions, as for the old primary.

use jiff::Timestamp;
use runbook::aurora::{Snapshot, Tags, tag};
use runbook::names::{CLUSTER_TAG, SNAPSHOT_TAG, SNAPSHOT_TIME_TAG, TAKEOVER_TAG};

use super::decide::{Decision, Seen, Want, decide, is_broken, progress, restored_from};

/// The snapshot of a new primary (an ARN) at the takeover of `failover`: the first that was taken since.
pub fn choose_base(snapshots: &[Snapshot], new_primary: &str, failover: Timestamp) -> Option<Snapshot> {
    snapshots
        .iter()
        .filter(|snapshot| tag(&snapshot.tags, TAKEOVER_TAG).is_some())
        .filter(|snapshot| tag(&snapshot.tags, CLUSTER_TAG) == Some(new_primary))
        .filter(|snapshot| snapshot.created.is_none_or(|time| time >= failover))
        .min_by_key(|snapshot| (is_broken(&snapshot.status), snapshot.created.is_none(), snapshot.created))
        .cloned()
}

/// Decides about the state at the takeover. The comparison goes on without it where it can't be had.
///
/// # Errors
/// Why it can't.
pub fn decide_base(want: &Want, seen: &Seen) -> Result<Decision, String> {
    let decision = match seen {
        Seen { cluster: None, instance: None, kept: None, .. } => {
            return Err("no snapshot of it was taken".into());
        }
        Seen { cluster: None, instance: None, kept: Some(kept), configured, .. }
            if kept.status == "available" =>
        {
            restored_from(want, kept, configured.as_ref(), origin_of(kept))
        }
        Seen { cluster: None, instance: None, kept: Some(kept), .. } if !is_broken(&kept.status) => {
            Decision::Wait(format!("snapshot {} is {}{}", kept.id, kept.status, progress(kept)))
        }
        Seen { cluster: None, instance: None, kept: Some(kept), .. } => {
            return Err(format!("its snapshot {} is {}", kept.id, kept.status));
        }
        _ => decide(want, seen),
    };
    match decision {
        Decision::Refuse(reason) => Err(reason),
        decision => Ok(decision),
    }
}

/// Where a snapshot comes from, as the tags say of a kept copy.
fn origin_of(snapshot: &Snapshot) -> Tags {
    let time = snapshot.created.map(|time| (SNAPSHOT_TIME_TAG.to_owned(), time.to_string()));
    [(SNAPSHOT_TAG.to_owned(), snapshot.arn.clone())].into_iter().chain(time).collect()
}
