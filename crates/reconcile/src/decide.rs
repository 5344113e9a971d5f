//! What is compared with what: the old primary, restored, with the new one. Pure functions over what was observed.

use std::collections::BTreeSet;
use std::sync::Arc;

use runbook::aurora::Cluster;
use runbook::names::{EXECUTION_TAG, SNAPSHOT_TAG, SNAPSHOT_TIME_TAG};
use runbook::plan::Database;
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
    /// The tables that the readiness check saw last; empty when that is not known.
    pub known: BTreeSet<String>,
    /// How to sign in to both: a restored cluster has the users of the time of its snapshot.
    pub sign_in: SignIn,
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
    ) -> Result<Sides, String> {
        let Self { name, database, region, restore_region, execution, authorities } = *self;
        let Some(restored) = restored else {
            return Err(format!(
                "database {name}: the old primary is not restored: there is no cluster {restored_id} in {restore_region}"
            ));
        };
        let tag =
            |key: &str| restored.tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
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
            known: BTreeSet::new(),
            sign_in: member.sign_in(),
        })
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
        let good = place.sides("old", Some(&cluster("old")), Some(&new)).unwrap();
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
            let refusal = place.sides("old", restored.as_ref(), Some(&new)).unwrap_err();
            assert!(refusal.contains(reason) && refusal.contains("orders"), "{refusal}");
        }
        assert!(place.sides("old", Some(&cluster("old")), None).is_err());
    }
}
