//! What is compared with what: the old primary, restored, with the new one. Pure functions over what was observed.

use std::collections::BTreeSet;
use std::sync::Arc;

use comparison::BaseSummary;
use runbook::aurora::{Cluster, tag};
use runbook::names::{EXECUTION_TAG, SNAPSHOT_TAG, SNAPSHOT_TIME_TAG};
use runbook::plan::{BaseSource, Database};
use runbook::secret::SignIn;
use table_diff::Target;

/// The two sides of one database.
#[derive(Debug, Clone)]
pub struct Sides {
    /// The plan's name of it.
    pub name: String,
    /// Identifier of the restored old primary.
    pub source_cluster: String,
    /// Identifier of the new primary.
    pub target_cluster: String,
    /// The snapshot that the source was restored from, where its tags tell.
    pub snapshot: Option<String>,
    /// When that was taken.
    pub snapshot_time: Option<String>,
    /// Where the old primary is.
    pub source: Target,
    /// Where the new primary is.
    pub target: Target,
    /// Where the new primary is as it was at the takeover, or why it is not.
    pub base: Result<BaseSide, String>,
    /// The tables that the readiness check saw last; empty when that is not known.
    pub known: BTreeSet<String>,
    /// How to sign in to both: a restored cluster has the users of the time of its snapshot.
    pub sign_in: SignIn,
    /// Columns that are left out, as `table.column`.
    pub exclude_columns: BTreeSet<String>,
    /// How many connections to either a large table is compared over.
    pub connections: usize,
}

/// The new primary as it was at the takeover.
#[derive(Debug, Clone)]
pub struct BaseSide {
    /// Its cluster and the snapshot that it was restored from.
    pub summary: BaseSummary,
    /// Where it is.
    pub at: Target,
}

/// Which database, where.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The plan's name of it.
    pub name: &'a str,
    /// What the plan says of it.
    pub database: &'a Database,
    /// The function's Region, the new primary's.
    pub region: &'a str,
    /// The Region of the restored cluster.
    pub restore_region: &'a str,
    /// The execution that restored it.
    pub execution: &'a str,
    /// See [`runbook::authorities`].
    pub authorities: &'a Arc<[u8]>,
}

impl Place<'_> {
    /// The sides, without user and password.
    ///
    /// # Errors
    /// Why the comparison is refused.
    pub fn sides(
        &self,
        restored_id: &str,
        restored: Option<&Cluster>,
        target: Option<&Cluster>,
        base: Option<&Cluster>,
    ) -> Result<Sides, String> {
        let Self { name, database, region, restore_region, execution, authorities } = *self;
        let Some(restored) = restored else {
            return Err(format!(
                "database {name}: the old primary is not restored: there is no cluster {restored_id} in {restore_region}"
            ));
        };
        let tag = |key: &str| tag(&restored.tags, key).map(str::to_owned);
        if tag(EXECUTION_TAG).as_deref() != Some(execution) {
            return Err(format!(
                "database {name}: cluster {restored_id} in {restore_region} does not carry the tag {EXECUTION_TAG} of \
                 execution {execution}: this execution did not restore it"
            ));
        }
        let Some(target) = target else {
            return Err(format!("database {name}: the new primary's cluster is not in {region}"));
        };
        let Some(member) = database.members.get(region) else {
            return Err(format!("database {name}: the plan has no member in {region}"));
        };
        Ok(Sides {
            name: name.to_owned(),
            source_cluster: restored.id.clone(),
            target_cluster: target.id.clone(),
            snapshot: tag(SNAPSHOT_TAG),
            snapshot_time: tag(SNAPSHOT_TIME_TAG),
            source: comparison::target(name, database, restored, restore_region, authorities)?,
            target: comparison::target(name, database, target, region, authorities)?,
            base: self.base(base),
            known: BTreeSet::new(),
            sign_in: member.sign_in(),
            exclude_columns: database.reconcile.exclude_columns.iter().cloned().collect(),
            connections: database.reconcile.connections.unwrap_or(1).into(),
        })
    }

    /// The state at the takeover, without user and password.
    fn base(&self, restored: Option<&Cluster>) -> Result<BaseSide, String> {
        let Self { name, database, region, restore_region, execution, authorities } = *self;
        if database.reconcile.base == BaseSource::None {
            return Err("the plan wants none".into());
        }
        let Some(restored) = restored else {
            return Err(if restore_region == region {
                "none was restored: the step restore says why".into()
            } else {
                format!("it is in {region}, and the old primary was restored in {restore_region}")
            });
        };
        if tag(&restored.tags, EXECUTION_TAG) != Some(execution) {
            return Err(format!("this execution did not restore cluster {}", restored.id));
        }
        let at = comparison::target(name, database, restored, region, authorities)?;
        let of = |key| tag(&restored.tags, key).map(str::to_owned);
        let summary = BaseSummary {
            cluster: restored.id.clone(),
            snapshot: of(SNAPSHOT_TAG),
            snapshot_time: of(SNAPSHOT_TIME_TAG),
            restored_at: restored.created,
        };
        Ok(BaseSide { summary, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use table_diff::Tls;

    fn cluster(id: &str) -> Cluster {
        Cluster {
            id: id.into(),
            arn: String::new(),
            status: "available".into(),
            engine: "aurora-mysql".into(),
            engine_version: String::new(),
            endpoint: Some(format!("{id}.local")),
            reader_endpoint: None,
            created: None,
            port: Some(1234),
            instances: vec!["i".into()],
            tags: vec![(EXECUTION_TAG.into(), "e1".into())],
        }
    }

    #[test]
    fn the_restored_cluster_must_be_this_executions_and_usable() {
        let plan = runbook::plan::sample();
        let place = Place {
            name: "orders",
            database: &plan.databases["orders"],
            region: "sandbox-west",
            restore_region: "sandbox-east",
            execution: "e1",
            authorities: &Arc::from(*b"pem"),
        };
        let new = cluster("new");
        let base = Cluster {
            tags: vec![
                (EXECUTION_TAG.into(), "e1".into()),
                (SNAPSHOT_TAG.into(), "arn:base".into()),
                (SNAPSHOT_TIME_TAG.into(), "2026-01-01T00:00:00Z".into()),
            ],
            ..cluster("base")
        };
        let here = Place { restore_region: "sandbox-west", ..place };
        let good = here.sides("old", Some(&cluster("old")), Some(&new), Some(&base)).unwrap();
        let kept = good.base.as_ref().unwrap();
        assert_eq!(
            (kept.at.host.as_str(), kept.summary.snapshot.as_deref()),
            ("base.local", Some("arn:base"))
        );
        let elsewhere = place.sides("old", Some(&cluster("old")), Some(&new), None).unwrap();
        assert!(elsewhere.base.unwrap_err().contains("it is in sandbox-west"));
        for (base, reason) in [
            (None, "none was restored"),
            (Some(Cluster { tags: Vec::new(), ..base.clone() }), "this execution did not restore"),
            (Some(Cluster { status: "creating".into(), ..base.clone() }), "its status is creating"),
        ] {
            let without = here.sides("old", Some(&cluster("old")), Some(&new), base.as_ref()).unwrap();
            assert!(without.base.as_ref().unwrap_err().contains(reason), "{:?}", without.base);
        }
        assert_eq!(
            (good.source.host.as_str(), good.target.host.as_str(), good.source.port),
            ("old.local", "new.local", 1234)
        );
        assert_eq!(good.sign_in, SignIn::Secret("shop/orders".into()));
        let verified = Tls::Verified(Arc::from(*b"pem"));
        assert_eq!((good.source.tls, good.target.tls), (verified.clone(), verified));
        let bad = [
            (None, "not restored"),
            (
                Some(Cluster { tags: vec![(EXECUTION_TAG.into(), "e2".into())], ..cluster("old") }),
                "this execution did not restore it",
            ),
            (Some(Cluster { tags: Vec::new(), ..cluster("old") }), "this execution did not restore it"),
            (Some(Cluster { status: "creating".into(), ..cluster("old") }), "its status is creating"),
            (Some(Cluster { instances: Vec::new(), ..cluster("old") }), "0 instances"),
        ];
        for (restored, reason) in bad {
            let refusal = place.sides("old", restored.as_ref(), Some(&new), None).unwrap_err();
            assert!(refusal.contains(reason) && refusal.contains("orders"), "{refusal}");
        }
        assert!(place.sides("old", Some(&cluster("old")), None, None).is_err());
    }
}
