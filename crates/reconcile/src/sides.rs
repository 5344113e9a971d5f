//! What is compared with what: the old primary, restored, with the new one. Pure functions over what was observed.

use runbook::aurora::{Cluster, GlobalCluster, region_of};
use runbook::names::{EXECUTION_TAG, SNAPSHOT_TAG, SNAPSHOT_TIME_TAG};
use runbook::plan::{Database, Engine, Tls};
use runbook::secret::Credentials;
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
    /// The secret with user and password of both: a restored cluster has those of the time of its snapshot.
    pub secret: String,
}

impl Sides {
    /// Sets user and password.
    pub(crate) fn log_in(&mut self, credentials: &Credentials) {
        for target in [&mut self.source, &mut self.target] {
            target.user.clone_from(&credentials.username);
            credentials.password.expose().clone_into(&mut target.password);
        }
    }
}

/// Identifier of the new primary: the global cluster's one writer, when it is in `region`.
///
/// # Errors
/// Why the comparison is refused.
pub(crate) fn writer_here(
    name: &str,
    database: &Database,
    global: Option<&GlobalCluster>,
    region: &str,
) -> Result<String, String> {
    let id = &database.global_cluster;
    let Some(global) = global else {
        return Err(format!("database {name}: there is no global cluster {id} in {region}"));
    };
    let writers = global.writers().collect::<Vec<_>>();
    let [writer] = writers[..] else {
        return Err(format!(
            "database {name}: global cluster {id} has {} writers: wait until it has one",
            writers.len()
        ));
    };
    let at = region_of(&writer.cluster_arn);
    if at != region {
        return Err(format!(
            "database {name}: the writer of global cluster {id} is in {at}, not in {region}: run the reconcile there"
        ));
    }
    Ok(writer.cluster_arn.rsplit(':').next().unwrap_or_default().to_owned())
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
        let Self { name, database, region, restore_region, execution } = *self;
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
                 execution {execution}: it is not this runbook's"
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
            source: self.address(restored, restore_region)?,
            target: self.address(target, region)?,
            secret: member.secret.clone(),
        })
    }

    fn address(&self, cluster: &Cluster, region: &str) -> Result<Target, String> {
        let (engine, default_port) = match self.database.engine {
            Engine::AuroraMysql => (table_diff::Engine::MySql, 3306),
            Engine::AuroraPostgresql => (table_diff::Engine::Postgres, 5432),
        };
        match &cluster.endpoint {
            Some(endpoint) if cluster.status == "available" && !cluster.instances.is_empty() => Ok(Target {
                engine,
                host: endpoint.clone(),
                port: cluster.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default_port),
                user: String::new(),
                password: String::new(),
                database: self.database.database.clone(),
                tls: self.database.tls == Tls::Require,
            }),
            _ => Err(format!(
                "database {}: cluster {} in {region} can't be used yet: its status is {}, it has {} instances",
                self.name,
                cluster.id,
                cluster.status,
                cluster.instances.len()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbook::aurora::GlobalMember;

    fn global(writers: &[bool; 2]) -> GlobalCluster {
        let member = |side: &str, is_writer| GlobalMember {
            cluster_arn: format!("arn:aws:rds:sandbox-{side}:000000000000:cluster:shop-orders-{side}"),
            is_writer,
            synchronization: None,
        };
        GlobalCluster {
            id: "shop-orders".into(),
            status: "available".into(),
            members: vec![member("east", writers[0]), member("west", writers[1])],
            operation: None,
        }
    }

    fn cluster(id: &str) -> Cluster {
        Cluster {
            id: id.into(),
            arn: String::new(),
            status: "available".into(),
            engine: "aurora-mysql".into(),
            engine_version: String::new(),
            endpoint: Some(format!("{id}.local")),
            port: Some(1234),
            instances: vec!["i".into()],
            tags: vec![(EXECUTION_TAG.into(), "e1".into())],
        }
    }

    #[test]
    fn only_the_one_writer_here_is_the_new_primary() {
        let plan = runbook::plan::sample();
        let ask = |global: Option<&GlobalCluster>| {
            writer_here("orders", &plan.databases["orders"], global, "sandbox-west")
        };
        assert_eq!(ask(Some(&global(&[false, true]))), Ok("shop-orders-west".into()));
        assert!(
            ask(Some(&global(&[true, false])))
                .unwrap_err()
                .contains("is in sandbox-east, not in sandbox-west")
        );
        assert!(ask(Some(&global(&[true, true]))).unwrap_err().contains("2 writers"));
        assert!(ask(Some(&global(&[false, false]))).unwrap_err().contains("0 writers"));
        assert!(ask(None).unwrap_err().contains("no global cluster shop-orders"));
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
        };
        let new = cluster("new");
        let good = place.sides("old", Some(&cluster("old")), Some(&new)).unwrap();
        assert_eq!(
            (good.source.host.as_str(), good.target.host.as_str(), good.source.port),
            ("old.local", "new.local", 1234)
        );
        assert_eq!((good.secret.as_str(), good.source.tls), ("shop/orders", false));
        let bad = [
            (None, "not restored"),
            (
                Some(Cluster { tags: vec![(EXECUTION_TAG.into(), "e2".into())], ..cluster("old") }),
                "not this runbook's",
            ),
            (Some(Cluster { tags: Vec::new(), ..cluster("old") }), "not this runbook's"),
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
