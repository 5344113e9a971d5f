//! What the answer says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runbook::aurora::{Cluster, region_of};
use runbook::step::Mode;

use super::observe::{Names, Seen};
use crate::observed::{DatabaseState, Observed};

/// What a promotion is called.
pub(super) fn noun(mode: Mode) -> &'static str {
    match mode {
        Mode::Failover | Mode::Switchover => mode.noun(),
        Mode::Detach => "detaching",
    }
}

/// The plan's names for a global cluster.
pub(super) fn name(names: &Names<'_>, id: &str) -> String {
    names.get(id).map_or_else(|| id.to_owned(), |names| names.join("+"))
}

/// That every database is there, and where those take writes that were detached.
pub(super) fn done(observed: &Observed, target: &str) -> String {
    let mut reason = format!("every database has its writer in {target}");
    let detached = observed.databases.iter();
    let detached = detached.filter_map(|(name, one)| Some(format!("{name} at {}", one.detached.as_ref()?)));
    let detached = detached.collect::<Vec<_>>().join(", ");
    if !detached.is_empty() {
        reason += &format!("; detached, so write there and not to a global endpoint: {detached}");
    }
    reason
}

/// Where every database stands.
pub(super) fn describe(seen: &[Seen], names: &Names<'_>, target: &str, since: Timestamp) -> Observed {
    let mut databases = BTreeMap::new();
    for one in seen {
        let (cluster, detached) = (&one.global, one.detached(target));
        let mut writers = cluster.writers();
        let writer_region = match (detached, writers.next(), writers.next()) {
            (Some(_), ..) => Some(target.to_owned()),
            (None, Some(writer), None) => Some(region_of(&writer.cluster_arn).to_owned()),
            _ => None,
        };
        let endpoint = |cluster: &Cluster| {
            let port = cluster.port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}{port}", cluster.endpoint.as_deref().unwrap_or(&cluster.id))
        };
        let state = DatabaseState {
            writer_region,
            status: cluster.status.clone(),
            operation: cluster.operation.clone(),
            detached: detached.map(endpoint),
        };
        for name in names.get(cluster.id.as_str()).into_iter().flatten() {
            databases.insert((*name).to_owned(), state.clone());
        }
    }
    Observed { since, databases }
}

/// Why a call was rejected and what to do. AWS has no code of its own for engine versions that differ.
pub(super) fn rejection(mode: Mode, id: &str, target_arn: &str, message: &str) -> String {
    let noun = noun(mode);
    let lower = message.to_lowercase();
    let versions = lower.contains("engine version") || lower.contains("same version");
    let remedy = match mode {
        Mode::Failover | Mode::Switchover if !versions => {
            return format!("AWS rejected the {noun} of global cluster {id}: {message}");
        }
        Mode::Detach => return format!("AWS rejected the {noun} of {target_arn} from {id}: {message}"),
        Mode::Failover => format!(
            "start the runbook with Mode detach, which removes {target_arn} from the global cluster, makes it writable and ends \
             its replication"
        ),
        Mode::Switchover => "bring both clusters to the same engine version first".to_owned(),
    };
    format!("managed {noun} of global cluster {id} is not possible, AWS says: {message}; {remedy}")
}
