//! What there is for one database, in both Regions.

use jiff::Timestamp;
use runbook::StepError;
use runbook::aurora::Snapshot;
use runbook::names;
use tokio::sync::OnceCell;

use super::base::choose_base;
use super::decide::{Seen, Want, choose, choose_kept};
use crate::calls::ForRestore;

/// The snapshots of a Region, listed once in a look for all databases, and only when they are asked for.
#[derive(Default)]
pub(super) struct Lists {
    /// In the old primaries' Region: the one that the recorded failover left.
    old: OnceCell<Vec<Snapshot>>,
    /// The manual ones in the Region to restore in.
    kept: OnceCell<Vec<Snapshot>>,
}

/// Looks at everything there is for one database. The clients are those of the old primary's Region and of the one to
/// restore in; `failover` is when the recorded failover began.
pub(super) async fn see<C: ForRestore>(
    [old, dest]: [&C; 2],
    want: &Want,
    failover: Timestamp,
    lists: &Lists,
) -> Result<Seen, StepError> {
    // Of every type: the one of Aurora's snapshot after a failover is not documented.
    let taken = lists.old.get_or_try_init(|| old.list_snapshots(None)).await?;
    let taken = choose(taken, &want.old_primary, failover);
    let kept = match &taken {
        Some(taken) => dest.describe_snapshot(&names::kept_snapshot(&taken.id)).await?,
        None => {
            let kept = lists.kept.get_or_try_init(|| dest.list_snapshots(Some("manual"))).await?;
            choose_kept(kept, &want.old_primary, failover)
        }
    };
    see_restored(dest, want, taken, kept).await
}

/// Looks at everything there is for the state at the takeover. The client is that of the new primary's Region.
pub(super) async fn see_base<C: ForRestore>(
    here: &C,
    want: &Want,
    new_primary: &str,
    failover: Timestamp,
    lists: &Lists,
) -> Result<Seen, StepError> {
    let kept = lists.kept.get_or_try_init(|| here.list_snapshots(Some("manual"))).await?;
    let kept = choose_base(kept, new_primary, failover);
    see_restored(here, want, None, kept).await
}

/// Looks at what was restored from a snapshot.
async fn see_restored<C: ForRestore>(
    dest: &C,
    want: &Want,
    taken: Option<Snapshot>,
    kept: Option<Snapshot>,
) -> Result<Seen, StepError> {
    let cluster = dest.describe_cluster(&want.cluster()).await?;
    let instance = dest.describe_instance(&want.instance()).await?;
    let configured = match (&want.how.parameter_group, &cluster, &kept) {
        (None, None, Some(_)) => dest.describe_configured(&want.member).await?,
        _ => None,
    };
    Ok(Seen { taken, kept, cluster, instance, configured })
}
