//! What was chosen, as the recovery plan and the settings of the deployment. Pure.

use std::collections::BTreeSet;

use runbook::secret::SignIn;
use serde_json::{Value, json};

use super::found::{ArcCluster, Cluster, Region};

/// What was chosen.
pub struct Draft<'a> {
    /// Name of the application.
    pub name: String,
    /// The two Regions.
    pub regions: &'a [String; 2],
    /// What each has.
    pub found: [&'a Region; 2],
    /// The account.
    pub account: &'a str,
    /// What the stack's names begin with.
    pub prefix: &'a str,
    /// ARC's cluster.
    pub arc: &'a ArcCluster,
    /// ARNs of the Regions' routing controls.
    pub controls: [String; 2],
    /// ARNs of safety rules that a failover may break.
    pub rules: Vec<String>,
    /// The databases.
    pub databases: Vec<Database>,
    /// What may start a failover.
    pub automatic: Option<Value>,
    /// Who is told by mail.
    pub mail: Option<String>,
}

/// A database of the plan.
pub struct Database {
    /// Its name in the plan.
    pub name: String,
    /// Its global cluster.
    pub global: String,
    /// Its engine as RDS names it.
    pub engine: String,
    /// The database inside it.
    pub database: String,
    /// Its clusters, in the order of the Regions.
    pub members: [Member; 2],
}

/// A cluster of a database.
pub struct Member {
    /// ARN.
    pub arn: String,
    /// How the functions sign in.
    pub sign_in: SignIn,
    /// What it is.
    pub cluster: Cluster,
}

/// Name of the stack's report bucket in a Region.
pub fn bucket(prefix: &str, account: &str, region: &str) -> String {
    format!("{prefix}-reports-{account}-{region}")
}

impl Draft<'_> {
    /// The plan: what is derived from the account, and nothing that has a default.
    pub fn plan(&self) -> Value {
        let [first, second] = self.regions;
        let [of_first, of_second] = &self.controls;
        let endpoints = self.arc.endpoints.iter().map(|(region, url)| json!({"region": region, "url": url}));
        let mut routing = json!({
            "clusterArn": self.arc.arn,
            "endpoints": endpoints.collect::<Vec<_>>(),
            "controls": {first: of_first, second: of_second},
        });
        if !self.rules.is_empty() {
            routing["safetyRulesToOverride"] = json!(self.rules);
        }
        let databases: serde_json::Map<String, Value> = self
            .databases
            .iter()
            .map(|database| {
                let [one, other] = &database.members;
                let value = json!({
                    "engine": database.engine,
                    "globalCluster": database.global,
                    "database": database.database,
                    "members": {first: one.json(), second: other.json()},
                });
                (database.name.clone(), value)
            })
            .collect();
        let mut plan = json!({
            "name": self.name,
            "regions": self.regions,
            "routing": routing,
            "databases": databases,
        });
        if let Some(automatic) = &self.automatic {
            plan["automatic"] = automatic.clone();
        }
        let bucket = |region: &str| bucket(self.prefix, self.account, region);
        plan["reportBuckets"] = json!({first: bucket(first), second: bucket(second)});
        plan
    }

    /// The settings; `plan` is the name of the plan's file.
    pub fn settings(&self, plan: &str) -> Value {
        let mut settings = json!({"plan": plan});
        for (at, region) in self.regions.iter().enumerate() {
            let (subnets, groups) = self.place(at);
            // Both or neither: with one alone no function can be put anywhere.
            if !subnets.is_empty() && !groups.is_empty() {
                settings["regions"][region] = json!({"subnets": subnets, "securityGroups": groups});
            }
        }
        let keys = self.secret_keys();
        if !keys.is_empty() {
            settings["kmsKeys"] = json!(keys);
        }
        if let Some(mail) = &self.mail {
            settings["notificationEmail"] = json!(mail);
        }
        settings
    }

    /// The subnets and security groups of the databases of a Region, by its place among the two.
    pub fn place(&self, at: usize) -> (BTreeSet<String>, BTreeSet<String>) {
        let clusters = || self.databases.iter().map(|database| &database.members[at].cluster);
        let groups = clusters().filter_map(|cluster| cluster.subnet_group.as_ref());
        let subnets = groups.filter_map(|group| self.found[at].subnet_groups.get(group)).flatten();
        let security = clusters().flat_map(|cluster| &cluster.security_groups);
        (subnets.cloned().collect(), security.cloned().collect())
    }

    /// ARNs of the customer managed keys of the secrets that were chosen; AWS's own need no permission. A secret with a
    /// key by alias gives none.
    fn secret_keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for (at, region) in self.regions.iter().enumerate() {
            for member in self.databases.iter().map(|database| &database.members[at]) {
                let SignIn::Secret(named) = &member.sign_in else { continue };
                let secrets = &self.found[at].secrets;
                let secret = secrets.iter().find(|one| one.name == *named || one.arn == *named);
                let Some(key) = secret.and_then(|secret| secret.key.as_deref()) else { continue };
                if key.starts_with("arn:") && !key.contains(":alias/") {
                    keys.insert(key.to_owned());
                } else if !key.contains("alias/") {
                    // The partition is that of the cluster.
                    let partition = member.arn.split(':').nth(1).unwrap_or("aws");
                    keys.insert(format!("arn:{partition}:kms:{region}:{}:key/{key}", self.account));
                }
            }
        }
        keys
    }
}

impl Member {
    fn json(&self) -> Value {
        let Cluster { instance_class, subnet_group, security_groups, key, .. } = &self.cluster;
        let mut restore = json!({});
        if let Some(class) = instance_class {
            restore["instanceClass"] = json!(class);
        }
        if let Some(group) = subnet_group {
            restore["subnetGroup"] = json!(group);
        }
        if !security_groups.is_empty() {
            restore["securityGroups"] = json!(security_groups);
        }
        if let Some(key) = key {
            restore["kmsKey"] = json!(key);
        }
        let (field, value) = match &self.sign_in {
            SignIn::Secret(name) => ("secret", name),
            SignIn::Iam(user) => ("iamUser", user),
        };
        json!({"clusterArn": self.arn, field: value, "restore": restore})
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::Secret;
    use super::*;

    #[test]
    fn the_keys_of_the_secrets_that_were_chosen_are_given_and_no_others() {
        let secret = |name: &str, key: Option<&str>| Secret {
            name: name.to_owned(),
            arn: format!("arn:{name}"),
            key: key.map(str::to_owned),
        };
        let here = Region {
            secrets: vec![
                secret("orders", Some("arn:aws:kms:a:1:key/x")),
                secret("other", Some("arn:aws:kms:a:1:key/y")),
            ],
            ..Region::default()
        };
        let there = Region { secrets: vec![secret("orders", Some("1234"))], ..Region::default() };
        let member = |arn: &str| Member {
            arn: arn.to_owned(),
            sign_in: SignIn::Secret("orders".to_owned()),
            cluster: Cluster { security_groups: vec!["sg-1".to_owned()], ..Cluster::default() },
        };
        let regions = ["a", "b"].map(str::to_owned);
        let arc = ArcCluster::default();
        let draft = Draft {
            name: "shop".to_owned(),
            regions: &regions,
            found: [&here, &there],
            account: "1",
            prefix: "causeway",
            arc: &arc,
            controls: [String::new(), String::new()],
            rules: Vec::new(),
            databases: vec![Database {
                name: "orders".to_owned(),
                global: "shop-orders".to_owned(),
                engine: "aurora-mysql".to_owned(),
                database: "orders".to_owned(),
                members: [member("arn:aws:rds:a:1:cluster:x"), member("arn:aws:rds:b:1:cluster:x")],
            }],
            automatic: None,
            mail: None,
        };
        let settings = draft.settings("plan.json");
        assert_eq!(settings["kmsKeys"], json!(["arn:aws:kms:a:1:key/x", "arn:aws:kms:b:1:key/1234"]));
        // No subnet is known, so the security groups alone are not given, either.
        assert!(settings.get("regions").is_none(), "{settings}");
        assert!(settings.get("notificationEmail").is_none(), "{settings}");
    }
}
