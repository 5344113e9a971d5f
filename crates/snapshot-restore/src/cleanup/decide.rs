//! The choice: a pure function from everything that is in the Region to what is to be deleted now.

use std::collections::BTreeMap;

use runbook::aurora::{Cluster, Instance, Tags, tag};
use runbook::names::{self, EXECUTION_TAG};

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Instances to delete now.
    pub delete_instances: Vec<String>,
    /// Clusters to delete now.
    pub delete_clusters: Vec<String>,
    /// What carries the tag, with its status.
    pub remaining: Vec<String>,
    /// Why a cluster can't be deleted at all, by cluster.
    pub blocked: BTreeMap<String, String>,
    /// What is named like ours but does not carry the tag.
    pub left: Vec<String>,
}

/// Decides from everything that is in the Region.
pub fn decide(execution: &str, clusters: &[Cluster], instances: &[Instance]) -> Decision {
    let ours = |tags: &Tags| tag(tags, EXECUTION_TAG) == Some(execution);
    let names = [names::restored_cluster(execution, ""), names::restored_base_prefix(execution)];
    let is_named_like_ours = |id: &str| names.iter().any(|name| id.starts_with(name));
    let mut decision = Decision::default();
    for instance in instances {
        let (id, status) = (&instance.id, &instance.status);
        if ours(&instance.tags) {
            decision.remaining.push(format!("instance {id} ({status})"));
            if status != "deleting" {
                decision.delete_instances.push(id.clone());
            }
        } else if is_named_like_ours(id) {
            decision.left.push(format!("instance {id}"));
        }
    }
    for cluster in clusters {
        let (id, status) = (&cluster.id, &cluster.status);
        if ours(&cluster.tags) {
            decision.remaining.push(format!("cluster {id} ({status})"));
            let members: Vec<&Instance> =
                instances.iter().filter(|instance| instance.cluster.as_ref() == Some(id)).collect();
            // RDS refuses it only while there are "DB instances in non-deleting state": it need not be waited for that they are
            // gone, which takes longer than a cancelled execution has.
            if members.iter().all(|member| member.status == "deleting") && status != "deleting" {
                decision.delete_clusters.push(id.clone());
            }
            let foreign: Vec<&str> = members
                .iter()
                .filter(|member| !ours(&member.tags) && member.status != "deleting")
                .map(|member| member.id.as_str())
                .collect();
            if !foreign.is_empty() {
                let reason = format!(
                    "cluster {id} can't be deleted: it has an instance without the tag {EXECUTION_TAG} ({}); delete \
                     that by hand, then run the clean-up again",
                    foreign.join(", ")
                );
                decision.blocked.insert(id.clone(), reason);
            }
        } else if is_named_like_ours(id) {
            decision.left.push(format!("cluster {id}"));
        }
    }
    decision
}
