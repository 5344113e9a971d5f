//! What a readiness check can find.

use serde::Serialize;

/// What was examined when something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The recovery plan.
    Plan,
    /// Global clusters and their members.
    Members,
    /// Who is primary, and who follows.
    Roles,
    /// The member clusters.
    Clusters,
    /// Their instances.
    Instances,
    /// Their engine versions.
    Versions,
    /// The replication lag.
    Lag,
    /// ARC's endpoints.
    Endpoints,
    /// ARC's routing controls.
    Routing,
    /// The databases' secrets.
    Secrets,
    /// Connections to the databases.
    Connections,
    /// Their tables, and what the user may read of them.
    Tables,
    /// The report buckets.
    Buckets,
    /// What copies and restores of snapshots need.
    Snapshots,
    /// What the roles of the stack may do.
    Permissions,
    /// RDS's quotas.
    Quotas,
    /// The alarms that a failover starts by.
    Signals,
    /// Executions of the runbooks.
    Executions,
}

/// Something because of which the plan could not be executed, or not as it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was examined.
    pub check: Check,
    /// What is wrong, in one line that names the thing.
    pub text: String,
}

/// Findings, each text once: a Region that is silent is so to every question.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, check: Check, text: impl Into<String>) {
        let text = text.into();
        if !self.0.iter().any(|finding| finding.text == text) {
            self.0.push(Finding { check, text });
        }
    }

    /// In the order in which they were added.
    pub(super) fn into_list(self) -> Vec<Finding> {
        self.0
    }
}
