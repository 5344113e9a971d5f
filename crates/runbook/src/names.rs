//! Names derived from an execution, so that every step finds what another made without being told.

/// Tag that every resource restored by an execution carries; its value is the execution's id.
pub const EXECUTION_TAG: &str = "causeway:execution";
/// Tag that names the recovery plan.
pub const PLAN_TAG: &str = "causeway:plan";
/// Tag of a snapshot that a runbook took or copied: ARN of the cluster that it is of, by the name that the plan knows. What RDS
/// says of it may change when the cluster is renamed.
pub const CLUSTER_TAG: &str = "causeway:cluster";
/// Tag of a kept snapshot and of a cluster restored from it: ARN of the snapshot that it is a copy of.
pub const SNAPSHOT_TAG: &str = "causeway:snapshot";
/// Tag of the same: when the original was taken, RFC 3339. RDS gives a copy a time of its own.
pub const SNAPSHOT_TIME_TAG: &str = "causeway:snapshot-time";

/// Tag of a snapshot of a new primary that was taken at a takeover: id of the failover's execution.
pub const TAKEOVER_TAG: &str = "causeway:takeover";
/// The table that `verify` writes to, as it is displayed inside the application's database. On PostgreSQL that is where it is; on
/// MySQL it is in a database of its own, which nothing else looks into. It is no table of the application: a Region's last
/// heartbeat is no lost write.
pub const HEARTBEAT: &str = "causeway.heartbeat";

/// The first characters of an execution's id that make a name unique enough and still readable.
fn short(execution: &str) -> String {
    execution.chars().filter(char::is_ascii_alphanumeric).take(12).collect::<String>().to_lowercase()
}

/// Name of the cluster restored from the old primary's snapshot of one database.
///
/// RDS allows 63 characters, letters, digits and single hyphens, first a letter, last no hyphen; it stores names
/// in lower case.
pub fn restored_cluster(execution: &str, database: &str) -> String {
    format!("causeway-{}-{}", short(execution), identifier(database, 36))
}

/// Name of the one instance of a restored cluster.
pub fn restored_instance(execution: &str, database: &str) -> String {
    format!("{}-1", restored_cluster(execution, database))
}

/// What the names of clusters and instances restored from a snapshot of a takeover begin with. No name of
/// [`restored_cluster`] begins so: what comes behind its first hyphen is longer.
pub fn restored_base_prefix(execution: &str) -> String {
    format!("causeway-base-{}-", short(execution))
}

/// Name of the cluster restored from the snapshot of one database's takeover.
pub fn restored_base(execution: &str, database: &str) -> String {
    format!("{}{}", restored_base_prefix(execution), identifier(database, 34))
}

/// Name of its one instance.
pub fn restored_base_instance(execution: &str, database: &str) -> String {
    format!("{}-1", restored_base(execution, database))
}

/// Name of the snapshot of a new primary's cluster at a takeover by this execution.
pub fn takeover_snapshot(cluster: &str, execution: &str) -> String {
    format!("causeway-takeover-{}-{}", identifier(cluster, 32), short(execution))
}

/// Name of the manual snapshot that keeps a system snapshot of the old primary. It derives from the snapshot, not
/// from the execution: a second run finds the first one's copy.
///
/// Names of manual cluster snapshots have at most 63 characters (RDS API reference), those of system snapshots more: the
/// words that all of them begin with are left out, and of what is still too long a checksum takes the place of the middle.
pub fn kept_snapshot(snapshot: &str) -> String {
    let plain = snapshot.rsplit(':').next().unwrap_or(snapshot);
    let name = identifier(plain.trim_start_matches("unplanned-global-failover-"), 255);
    if name.len() <= 54 {
        return format!("causeway-{name}");
    }
    // FNV-1a: the same in every build, which std's hasher does not promise.
    let sum =
        name.bytes().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let head = name[..25].trim_end_matches('-');
    // The end holds the time; `identifier` leaves ASCII only.
    let tail = name[name.len() - 19..].trim_start_matches('-');
    format!("causeway-{head}-{sum:08x}-{tail}")
}

/// What the names of snapshots of an old primary that was detached begin with, taken before its cluster is renamed.
pub fn detached_prefix(cluster: &str) -> String {
    format!("causeway-detached-{}-", identifier(cluster, 29))
}

/// Name of such a snapshot taken at `time`, and then of the old primary's cluster.
pub fn kept_name(cluster: &str, time: jiff::Timestamp) -> String {
    format!("{}{}", detached_prefix(cluster), time.strftime("%Y%m%d%H%M%S"))
}

/// Whether `name` may be the one that [`kept_name`] has given to `cluster`. Of a long name it has the beginning only.
pub fn is_kept_name(cluster: &str, name: &str) -> bool {
    name.strip_prefix(&detached_prefix(cluster))
        .is_some_and(|time| time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Name of the instance of the secondary that takes the place of a cluster that is now called `kept`: the old primary's
/// instances keep their names.
pub fn rebuilt_instance(kept: &str) -> String {
    kept.replacen("causeway-detached-", "causeway-rebuilt-", 1)
}

/// `text` as a part of an RDS identifier of at most `limit` characters.
fn identifier(text: &str, limit: usize) -> String {
    let mut name = String::new();
    for c in text.to_lowercase().chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if !(c == '-' && (name.is_empty() || name.ends_with('-'))) && name.len() < limit {
            name.push(c);
        }
    }
    name.trim_end_matches('-').to_owned()
}

/// Object keys in the report bucket.
pub mod keys {
    /// Folder of an execution's reports, with a slash at the end.
    pub fn reports(plan: &str, execution: &str) -> String {
        format!("reports/{plan}/{execution}/")
    }

    /// The last failover of a plan that this Region took part in, a [`crate::record::FailoverRecord`].
    pub fn last_failover(plan: &str) -> String {
        format!("records/{plan}/last-failover.json")
    }

    /// A failover of a plan that was recorded before the last one, by its execution.
    pub fn earlier_failover(plan: &str, execution: &str) -> String {
        format!("records/{plan}/failovers/{execution}.json")
    }

    /// The last switchover of a plan, a [`crate::record::SwitchoverRecord`]; the same in both Regions.
    pub fn last_switchover(plan: &str) -> String {
        format!("records/{plan}/last-switchover.json")
    }

    /// The last reconciliation that ended with a report, a [`crate::record::ReconciliationRecord`]; in the bucket of the
    /// Region that took over.
    pub fn last_reconciliation(plan: &str) -> String {
        format!("records/{plan}/last-reconciliation.json")
    }

    /// The tables that the readiness check saw last, a [`crate::record::TablesRecord`]; each Region has its own.
    pub fn tables(plan: &str) -> String {
        format!("records/{plan}/tables.json")
    }

    /// Which execution fails over, a [`crate::lock::Lock`].
    pub fn failover_lock(plan: &str) -> String {
        format!("records/{plan}/failover-lock.json")
    }

    /// Which execution reconciles which failover, a [`crate::lock::Lock`].
    pub fn reconcile_lock(plan: &str) -> String {
        format!("records/{plan}/reconcile-lock.json")
    }

    /// Which execution of `reconcile` a step of an execution of ARC Region switch has started, by the client token that it was
    /// started with.
    pub fn region_switch(plan: &str, token: &str) -> String {
        format!("records/{plan}/region-switch/{token}.json")
    }

    /// Folder of what a reconcile execution keeps between its calls: its cursor and the differences found.
    pub fn reconcile(plan: &str, execution: &str) -> String {
        format!("reconcile/{plan}/{execution}/")
    }

    /// Folder of what a replay execution keeps between its calls: where it stands and each row's fate.
    pub fn replay(plan: &str, execution: &str) -> String {
        format!("replay/{plan}/{execution}/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_what_rds_allows() {
        let execution = "4105a4fc-f944-11e6-9d32-0123456789ab";
        assert_eq!(restored_cluster(execution, "orders"), "causeway-4105a4fcf944-orders");
        assert_eq!(restored_cluster(execution, "__Orders  DB__"), "causeway-4105a4fcf944-orders-db");
        let time = "2026-11-25T09:38:44Z".parse().unwrap();
        assert_eq!(kept_name("shop-orders-east", time), "causeway-detached-shop-orders-east-20261125093844");
        assert!(kept_name(&"x".repeat(63), time).len() <= 63);
        assert!(is_kept_name("shop-orders-east", &kept_name("shop-orders-east", time)));
        assert!(!is_kept_name("shop-orders", &kept_name("shop-orders-east", time)));
        assert_eq!(
            rebuilt_instance(&kept_name("shop-orders-east", time)),
            "causeway-rebuilt-shop-orders-east-20261125093844"
        );
        for long in [
            restored_instance(execution, &"x".repeat(99)),
            restored_base_instance(execution, &"x".repeat(99)),
            takeover_snapshot(&"x".repeat(63), execution),
        ] {
            assert!(long.len() <= 63, "{long}");
        }
        assert_eq!(restored_base(execution, "orders"), "causeway-base-4105a4fcf944-orders");
        assert_eq!(
            takeover_snapshot("shop-orders-west", execution),
            "causeway-takeover-shop-orders-west-4105a4fcf944"
        );
        assert!(!restored_cluster(execution, "x").starts_with(&restored_base_prefix(execution)));
        assert_eq!(
            kept_snapshot("rds:unplanned-global-failover-shop-orders-east-2026-11-25-09-38-44"),
            "causeway-shop-orders-east-2026-11-25-09-38-44"
        );
        let cluster = "c".repeat(63);
        let long = |second: u32| {
            kept_snapshot(&format!("rds:unplanned-global-failover-{cluster}-2026-11-25-09-38-{second}"))
        };
        assert!(long(44).len() <= 63 && long(44).ends_with("-2026-11-25-09-38-44"), "{}", long(44));
        assert_ne!(
            long(44),
            kept_snapshot(&format!("rds:unplanned-global-failover-{cluster}d-2026-11-25-09-38-44"))
        );
    }
}
