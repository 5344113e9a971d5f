//! Where rows are put back: the new primary that was compared, if it still is the writer here. Pure functions over what
//! was observed.

use std::sync::Arc;

use runbook::aurora::Cluster;
use runbook::plan::Database;
use runbook::secret::SignIn;
use table_diff::Target;

/// The new primary of one database.
#[derive(Debug, Clone)]
pub struct Place {
    /// The plan's name of the database.
    pub name: String,
    /// Identifier of the cluster.
    pub cluster: String,
    /// Where it is.
    pub target: Target,
    /// How to sign in.
    pub sign_in: SignIn,
}

/// The place of a database whose writer in `region` is `writer`, without user and password; `compared` is the new
/// primary of the comparison.
///
/// # Errors
/// Why the replay is refused.
pub(crate) fn place(
    name: &str,
    database: &Database,
    region: &str,
    compared: &str,
    writer: &str,
    cluster: Option<&Cluster>,
    authorities: &Arc<[u8]>,
) -> Result<Place, String> {
    if writer != compared {
        return Err(format!(
            "database {name}: the writer is {writer} now, but {compared} was compared: run the runbook reconcile again, and replay its result"
        ));
    }
    let Some(cluster) = cluster else {
        return Err(format!("database {name}: the new primary's cluster {writer} is not in {region}"));
    };
    let Some(member) = database.members.get(region) else {
        return Err(format!("database {name}: the plan has no member in {region}"));
    };
    Ok(Place {
        name: name.to_owned(),
        cluster: cluster.id.clone(),
        target: comparison::target(name, database, cluster, region, authorities)?,
        sign_in: member.replay_sign_in(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_compared_is_written_to_with_the_user_of_the_replay() {
        let mut plan = runbook::plan::sample();
        let database = plan.databases.get_mut("orders").unwrap();
        let cluster = Cluster {
            id: "shop-orders-west".into(),
            arn: String::new(),
            status: "available".into(),
            engine: "aurora-mysql".into(),
            engine_version: String::new(),
            endpoint: Some("west.local".into()),
            reader_endpoint: None,
            created: None,
            port: Some(1234),
            instances: vec!["i".into()],
            tags: Vec::new(),
        };
        let ask = |database: &Database, compared: &str, cluster: Option<&Cluster>| {
            let authorities = Arc::from(*b"pem");
            place("orders", database, "sandbox-west", compared, "shop-orders-west", cluster, &authorities)
        };
        let good = ask(database, "shop-orders-west", Some(&cluster)).unwrap();
        let secret = |name: &str| SignIn::Secret(name.into());
        assert_eq!((good.target.host.as_str(), good.sign_in), ("west.local", secret("shop/orders")));
        database.members.get_mut("sandbox-west").unwrap().replay = Some(secret("shop/orders-writer"));
        let good = ask(database, "shop-orders-west", Some(&cluster)).unwrap();
        assert_eq!(good.sign_in, secret("shop/orders-writer"));
        let stopped = Cluster { status: "stopped".into(), ..cluster.clone() };
        for (compared, cluster, reason) in [
            (
                "shop-orders-east",
                Some(&cluster),
                "the writer is shop-orders-west now, but shop-orders-east was compared",
            ),
            ("shop-orders-west", Some(&stopped), "its status is stopped"),
            ("shop-orders-west", None, "is not in sandbox-west"),
        ] {
            let refusal = ask(database, compared, cluster).unwrap_err();
            assert!(refusal.contains(reason) && refusal.contains("orders"), "{refusal}");
        }
    }
}
