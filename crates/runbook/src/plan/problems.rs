//! What is wrong with a plan beyond its shape: each value for what it has to be, and against the others.
//!
//! A value that AWS would refuse at night is refused here, when the plan is written. What the file alone can't say
//! (does the cluster exist, is the control this Region's?) the readiness check asks AWS.

use std::collections::{BTreeMap, BTreeSet};

use crate::secret::SignIn;

use super::model::{
    Automatic, Database, Distributed, GameDay, Limits, Member, Reconcile, RecoveryPlan, Restore, Routing,
    Signal,
};

/// Problems found so far.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn need(&mut self, good: bool, problem: impl FnOnce() -> String) {
        if !good {
            self.0.push(problem());
        }
    }

    /// Each name in one place only.
    fn need_distinct<'a>(&mut self, places: impl IntoIterator<Item = (String, &'a str)>) {
        let mut first: BTreeMap<&str, String> = BTreeMap::new();
        for (place, name) in places {
            match first.get(name) {
                Some(earlier) => self.0.push(format!("`{place}` is {name:?}, as `{earlier}` is already")),
                None => {
                    first.insert(name, place);
                }
            }
        }
    }

    fn need_regions<T>(&mut self, field: &str, entries: &BTreeMap<String, T>, regions: &[String; 2]) {
        let (named, expected): (BTreeSet<&String>, BTreeSet<&String>) =
            (entries.keys().collect(), regions.iter().collect());
        self.need(named == expected, || {
            format!("`{field}` must have an entry for each of the two Regions and no other")
        });
    }
}

impl RecoveryPlan {
    /// Everything that is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = Problems::default();
        found.need(is_plain(&self.name), || {
            format!("`name` is {:?}: use letters, digits, hyphens, at most 64", self.name)
        });
        for region in &self.regions {
            found.need(is_region(region), || {
                format!("`regions` has {region:?}, which is no Region: such as eu-west-1")
            });
        }
        found.need(self.regions[0] != self.regions[1], || "`regions` names the same Region twice".into());
        if !self.routing.is_absent() {
            self.routing.problems(&self.regions, &mut found);
        }
        self.buckets(&mut found);
        found.need(!self.databases.is_empty(), || "`databases` is empty".into());
        for (name, database) in &self.databases {
            database.problems(name, &self.regions, &mut found);
        }
        self.databases_beside_each_other(&mut found);
        self.limits.problems(&mut found);
        found.need(self.failback.lag_seconds > 0, || {
            "`failback.lagSeconds` is 0: a secondary is always a little behind, no switchover would ever be allowed".into()
        });
        if let Some(GameDay { environment }) = &self.game_day {
            found.need(is_plain(environment), || {
                format!(
                    "`gameDay.environment` {environment:?} is not a name: use letters, digits and hyphens"
                )
            });
        }
        if let Some(automatic) = &self.automatic {
            automatic.problems(&self.regions, &mut found);
            found.need(!self.routing.is_absent(), || {
                "`automatic` needs `routing`: a failover that starts by itself moves the traffic".into()
            });
        }
        found.0
    }

    fn buckets(&self, found: &mut Problems) {
        found.need_regions("reportBuckets", &self.report_buckets, &self.regions);
        for (region, bucket) in &self.report_buckets {
            let place = format!("reportBuckets.{region}");
            found.need(is_bucket(bucket), || {
                format!("`{place}` is {bucket:?}: a bucket's name has 3 to 63 small letters, digits, hyphens, dots")
            });
            let other = self.other_region(region);
            // A Region's name may be the end of another's: the longer one counts.
            let of_other = bucket.ends_with(&format!("-{other}")) && !bucket.ends_with(&format!("-{region}"));
            found.need(!of_other, || {
                format!(
                    "`{place}` is {bucket:?}, by its name the bucket of {other}: name the one in {region}"
                )
            });
        }
        found.need_distinct(
            self.report_buckets
                .iter()
                .map(|(region, bucket)| (format!("reportBuckets.{region}"), bucket.as_str())),
        );
    }

    /// Several databases may live in one global cluster, but then in the same clusters and under other names.
    fn databases_beside_each_other(&self, found: &mut Problems) {
        let mut clusters: BTreeMap<&str, (&str, &Database)> = BTreeMap::new();
        for (name, database) in &self.databases {
            let members = |of: &Database| -> Vec<String> {
                of.members.values().map(|member| member.cluster_arn.clone()).collect()
            };
            let Some((earlier, first)) = clusters.get(database.global_cluster.as_str()) else {
                clusters.insert(&database.global_cluster, (name, database));
                continue;
            };
            let place = format!("databases.{name}.globalCluster");
            found.need(members(first) == members(database), || {
                format!(
                    "`{place}` is {:?}, as that of {earlier}, but their clusters differ",
                    database.global_cluster
                )
            });
            found.need(first.database != database.database, || {
                format!(
                    "`{place}` is {:?} and its database {:?}, as that of {earlier}: it would be compared twice",
                    database.global_cluster, database.database
                )
            });
        }
        found.need_distinct(clusters.values().flat_map(|(name, database)| {
            let place = move |region: &String| format!("databases.{name}.members.{region}.clusterArn");
            database.members.iter().map(move |(region, member)| (place(region), member.cluster_arn.as_str()))
        }));
        // A global database lies in one account (Aurora user guide, "Using Amazon Aurora Global Database").
        let members = self.databases.values().flat_map(|database| database.members.values());
        let accounts: BTreeSet<&str> =
            members.filter_map(|member| Some(Arn::parse(&member.cluster_arn)?.account)).collect();
        found.need(accounts.len() < 2, || {
            format!("`databases` has clusters of several accounts: {}", Vec::from_iter(accounts).join(", "))
        });
    }
}

impl Routing {
    fn problems(&self, regions: &[String; 2], found: &mut Problems) {
        if let Some(cluster) = &self.cluster_arn {
            let arn = Arn::parse(cluster).filter(|arn| arn.is("route53-recovery-control", ""));
            found.need(arn.is_some_and(|arn| is_path(arn.resource, &["cluster"])), || {
                format!("`routing.clusterArn` is {cluster:?}: need the ARN of an ARC cluster")
            });
        }
        found.need(self.endpoints.len() == 5, || {
            format!("`routing.endpoints` has {} entries: an ARC cluster has 5", self.endpoints.len())
        });
        for (number, endpoint) in self.endpoints.iter().enumerate() {
            found.need(is_region(&endpoint.region), || {
                format!("`routing.endpoints[{number}].region` is {:?}, which is no Region", endpoint.region)
            });
            found.need(is_url(&endpoint.url), || {
                format!("`routing.endpoints[{number}].url` is {:?}: need an https:// address", endpoint.url)
            });
        }
        let place = |field: &'static str| move |number| format!("routing.endpoints[{number}].{field}");
        let numbered = || self.endpoints.iter().enumerate();
        found.need_distinct(numbered().map(|(number, one)| (place("region")(number), one.region.as_str())));
        found.need_distinct(numbered().map(|(number, one)| (place("url")(number), one.url.as_str())));
        found.need_regions("routing.controls", &self.controls, regions);
        for (region, control) in &self.controls {
            let arn = Arn::parse(control).filter(|arn| arn.is("route53-recovery-control", ""));
            found.need(
                arn.is_some_and(|arn| is_path(arn.resource, &["controlpanel", "routingcontrol"])),
                || {
                    format!(
                        "`routing.controls.{region}` is {control:?}: need the ARN of an ARC routing control"
                    )
                },
            );
        }
        for rule in &self.safety_rules_to_override {
            let arn = Arn::parse(rule).filter(|arn| arn.is("route53-recovery-control", ""));
            found.need(arn.is_some_and(|arn| is_path(arn.resource, &["controlpanel", "safetyrule"])), || {
                format!("`routing.safetyRulesToOverride` has {rule:?}: need the ARN of an ARC safety rule")
            });
        }
        found.need_distinct(
            self.controls
                .iter()
                .map(|(region, control)| (format!("routing.controls.{region}"), control.as_str())),
        );
    }
}

impl Database {
    fn problems(&self, name: &str, regions: &[String; 2], found: &mut Problems) {
        let place = format!("databases.{name}");
        found.need(is_plain(name), || {
            format!("`databases` has the name {name:?}: use letters, digits, hyphens")
        });
        found.need(is_identifier(&self.global_cluster), || {
            format!(
                "`{place}.globalCluster` is {:?}: need the identifier of a global cluster, 1 to 63 letters, digits, hyphens",
                self.global_cluster
            )
        });
        found.need(is_database(&self.database), || {
            format!(
                "`{place}.database` is {:?}: need the name of a database, letters, digits, `_`, `-`, `$`, at most 64",
                self.database
            )
        });
        found.need_regions(&format!("{place}.members"), &self.members, regions);
        for (region, member) in &self.members {
            member.problems(&format!("{place}.members.{region}"), region, found);
        }
        let Reconcile { tables, exclude, exclude_columns, .. } = &self.reconcile;
        for (field, tables) in [("tables", tables), ("exclude", exclude), ("excludeColumns", exclude_columns)]
        {
            let place = format!("{place}.reconcile.{field}");
            found.need(tables.iter().all(|table| !table.trim().is_empty()), || {
                format!("`{place}` has an empty name")
            });
            let entries = tables.iter().enumerate();
            found
                .need_distinct(entries.map(|(number, table)| (format!("{place}[{number}]"), table.as_str())));
        }
        for column in exclude_columns.iter().filter(|column| !column.contains('.')) {
            found.0.push(format!(
                "`{place}.reconcile.excludeColumns` has {column:?}: name it as `table.column`"
            ));
        }
        let connections = self.reconcile.connections.unwrap_or(1);
        found.need((1..=16).contains(&connections), || {
            format!("`{place}.reconcile.connections` is {connections}: need 1 to 16")
        });
        if let Some(Distributed { concurrency, range_rows, .. }) = &self.reconcile.distributed {
            let place = format!("{place}.reconcile.distributed");
            found.need((1..=64).contains(concurrency), || {
                format!("`{place}.concurrency` is {concurrency}: need 1 to 64")
            });
            found.need(*range_rows != Some(0), || format!("`{place}.rangeRows` is 0: need 1 at least"));
        }
        for table in self.reconcile.tables.iter().filter(|table| self.reconcile.exclude.contains(table)) {
            found.0.push(format!("`{place}.reconcile` has {table:?} in `tables` and in `exclude`"));
        }
        for table in self.report.keys().filter(|table| self.reconcile.exclude.contains(table)) {
            found.0.push(format!("`{place}.report` has {table:?}, which `reconcile.exclude` leaves out"));
        }
    }
}

impl Member {
    fn problems(&self, place: &str, region: &str, found: &mut Problems) {
        let arn = Arn::parse(&self.cluster_arn).filter(|arn| arn.is("rds", region));
        let cluster = arn.and_then(|arn| arn.resource.strip_prefix("cluster:"));
        found.need(cluster.is_some_and(is_identifier), || {
            format!(
                "`{place}.clusterArn` is {:?}: need the ARN of an RDS cluster in {region}",
                self.cluster_arn
            )
        });
        for (field, sign_in) in [("secret", Some(&self.sign_in)), ("replaySecret", self.replay.as_ref())] {
            match sign_in {
                Some(SignIn::Secret(secret)) => found.need(is_secret(secret, region), || {
                    format!(
                        "`{place}.{field}` is {secret:?}: need the name of a secret, or its ARN in {region}"
                    )
                }),
                Some(SignIn::Iam(user)) => {
                    // It becomes part of a request and of an ARN.
                    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                    found.need(!user.is_empty() && user.chars().all(plain), || {
                        format!(
                            "`{place}` has the IAM user {user:?}: use letters, digits, hyphens, dots, underscores"
                        )
                    });
                }
                None => {}
            }
        }
        self.restore.problems(&format!("{place}.restore"), region, found);
    }
}

impl Restore {
    fn problems(&self, place: &str, region: &str, found: &mut Problems) {
        found.need(self.instance_class.starts_with("db.") && self.instance_class.len() > 3, || {
            format!(
                "`{place}.instanceClass` is {:?}: such as db.r6g.large or db.serverless",
                self.instance_class
            )
        });
        for (field, name) in [("subnetGroup", &self.subnet_group), ("parameterGroup", &self.parameter_group)]
        {
            found.need(name.as_ref().is_none_or(|name| !name.trim().is_empty()), || {
                format!("`{place}.{field}` is empty: name one, or leave it out")
            });
        }
        for group in &self.security_groups {
            let id = group.strip_prefix("sg-");
            found.need(
                id.is_some_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric())),
                || format!("`{place}.securityGroups` has {group:?}: need ids such as sg-0123456789abcdef0"),
            );
        }
        if let Some(key) = &self.kms_key {
            let of_region =
                !key.starts_with("arn:") || Arn::parse(key).is_some_and(|arn| arn.is("kms", region));
            found.need(!key.trim().is_empty() && of_region, || {
                format!("`{place}.kmsKey` is {key:?}: need the id, alias or ARN of a KMS key in {region}")
            });
        }
    }
}

impl Limits {
    /// 0 seconds to lose, to rest after a failover or to distrust a clock are wishes; 0 minutes to do something in are none.
    fn problems(&self, found: &mut Problems) {
        for (field, value) in [
            ("rtoSeconds", self.rto_seconds),
            ("lockMinutes", self.lock_minutes),
            ("promotionMinutes", self.promotion_minutes),
            ("restoreMinutes", self.restore_minutes),
            ("replayMinutes", self.replay_minutes),
        ] {
            found.need(value > 0, || format!("`limits.{field}` is 0: nothing is done in no time"));
        }
    }
}

impl Automatic {
    /// Everything that keeps a failover from ever starting by itself. A Region that is left may not answer: the alarms in
    /// the other one have to be enough.
    fn problems(&self, regions: &[String; 2], found: &mut Problems) {
        found.need_regions("automatic.signals", &self.signals, regions);
        found.need(self.quorum > 0, || {
            "`automatic.quorum` is 0: at least one signal has to say that a Region is ill".into()
        });
        let in_region = |of: &String, region: &String| {
            let all = self.signals.get(of).into_iter().flatten();
            all.filter(|signal| signal.region == *region).map(|signal| &signal.alarm).collect::<BTreeSet<_>>()
        };
        for (left, target) in [(&regions[0], &regions[1]), (&regions[1], &regions[0])] {
            let seen = in_region(left, target).len();
            found.need(seen >= self.quorum, || {
                format!(
                    "`automatic.signals.{left}` names {seen} alarms in {target}, and `automatic.quorum` is {}: {target} could \
                     never take over while {left} is silent",
                    self.quorum
                )
            });
            found.need(!in_region(target, target).is_empty(), || {
                format!(
                    "`automatic.signals.{target}` names no alarm in {target}: nothing there says that it is well"
                )
            });
        }
        let all: Vec<&Signal> = self.signals.values().flatten().collect();
        let distinct: BTreeSet<&Signal> = all.iter().copied().collect();
        found.need(distinct.len() == all.len(), || {
            "`automatic.signals` names an alarm twice: it would count twice".into()
        });
        found.need(all.iter().all(|signal| !signal.alarm.trim().is_empty()), || {
            "`automatic.signals` has an alarm without a name".into()
        });
        found.need(all.iter().all(|signal| regions.contains(&signal.region)), || {
            "`automatic.signals` names an alarm in another Region than the plan's two".into()
        });
    }
}

/// The parts of an ARN that matter here.
struct Arn<'a> {
    service: &'a str,
    region: &'a str,
    account: &'a str,
    /// All behind the account.
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (prefix, partition) = (parts.next()?, parts.next()?);
        let (service, region, account, resource) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let good = prefix == "arn"
            && partition.starts_with("aws")
            && account.len() == 12
            && account.chars().all(|c| c.is_ascii_digit())
            && !resource.is_empty()
            && !text.contains(char::is_whitespace);
        good.then_some(Self { service, region, account, resource })
    }

    fn is(&self, service: &str, region: &str) -> bool {
        self.service == service && self.region == region
    }
}

/// Whether a resource is these kinds with an id behind each: `controlpanel/1/routingcontrol/2`.
fn is_path(resource: &str, kinds: &[&str]) -> bool {
    let parts: Vec<&str> = resource.split('/').collect();
    parts.len() == 2 * kinds.len()
        && parts.chunks(2).zip(kinds).all(|(part, kind)| part[0] == *kind && !part[1].is_empty())
}

fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// As the documents take it for a parameter.
fn is_region(region: &str) -> bool {
    let mut parts = region.split('-');
    let letters = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    let rest =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    parts.next().is_some_and(letters) && region.contains('-') && parts.all(rest)
}

/// Identifiers of clusters and global clusters: letters, digits, hyphens, first a letter, no hyphen at the end and no two
/// together (RDS API reference, CreateGlobalCluster, CreateDBCluster).
fn is_identifier(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// Names of databases that need no thought: they stand in statements, in the report and in object keys.
fn is_database(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= 64
        && name.chars().all(|c| c.is_alphanumeric() || "_-$".contains(c))
}

/// "Bucket names must be between 3 (min) and 63 (max) characters long" and so on (S3 user guide, "General purpose bucket
/// naming rules").
fn is_bucket(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.starts_with(edge)
        && name.ends_with(edge)
        && name.chars().all(|c| edge(c) || c == '-' || c == '.')
        && !name.contains("..")
}

/// "The secret name can contain ASCII letters, numbers, and the following characters: /_+=.@-" (Secrets Manager API
/// reference, CreateSecret).
fn is_secret(secret: &str, region: &str) -> bool {
    if secret.starts_with("arn:") {
        let arn = Arn::parse(secret).filter(|arn| arn.is("secretsmanager", region));
        return arn.is_some_and(|arn| arn.resource.starts_with("secret:") && arn.resource.len() > 7);
    }
    (1..=512).contains(&secret.len())
        && secret.chars().all(|c| c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c))
}

/// An address; a sandbox answers without TLS.
fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && !url.contains(|c: char| c.is_whitespace() || "\"'<>`".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::plan::{RecoveryPlan, sample};

    /// The sample plan with other values at some places.
    fn with(changes: &[(&str, Value)]) -> Result<RecoveryPlan, String> {
        let mut plan = serde_json::to_value(sample()).unwrap();
        for (place, value) in changes {
            *plan.pointer_mut(place).unwrap_or_else(|| panic!("no {place}")) = value.clone();
        }
        RecoveryPlan::parse(&plan.to_string(), "test").map_err(|error| error.to_string())
    }

    /// One value each: the place, the value, what is said of it.
    #[test]
    fn each_value_has_to_be_what_it_is_for() {
        let orders = "/databases/orders";
        let east = |field: &str| format!("/databases/orders/members/sandbox-east/{field}");
        let control =
            "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox/routingcontrol/sandbox-west";
        let cases: Vec<(String, Value, &str)> = vec![
            ("/name".into(), json!("a shop"), "`name` is \"a shop\""),
            ("/regions/0".into(), json!("Sandbox East"), "which is no Region"),
            (
                "/routing/clusterArn".into(),
                json!("arn:aws:rds:sandbox-east:000000000000:cluster:x"),
                "need the ARN of an ARC cluster",
            ),
            ("/routing/endpoints/1/url".into(), json!("ftp://x"), "routing.endpoints[1].url"),
            ("/routing/endpoints/1/url".into(), json!(""), "routing.endpoints[1].url"),
            (
                "/routing/endpoints/1/url".into(),
                json!("http://arc-1.sandbox"),
                "as `routing.endpoints[0].url` is already",
            ),
            (
                "/routing/endpoints/1/region".into(),
                json!("us-east-1"),
                "as `routing.endpoints[0].region` is already",
            ),
            ("/routing/endpoints/1/region".into(), json!(""), "which is no Region"),
            (
                "/routing/controls/sandbox-east".into(),
                json!(control),
                "as `routing.controls.sandbox-east` is already",
            ),
            (
                "/routing/controls/sandbox-east".into(),
                json!("arn:aws:rds:sandbox-east:000000000000:cluster:shop-orders-east"),
                "need the ARN of an ARC routing control",
            ),
            (
                "/routing/controls/sandbox-east".into(),
                json!("arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox"),
                "need the ARN of an ARC routing control",
            ),
            (
                "/reportBuckets/sandbox-east".into(),
                json!("causeway-reports-000000000000-sandbox-west"),
                "the bucket of sandbox-west",
            ),
            ("/reportBuckets/sandbox-east".into(), json!("Reports"), "a bucket's name has"),
            ("/reportBuckets/sandbox-east".into(), json!(""), "a bucket's name has"),
            (format!("{orders}/globalCluster"), json!(""), "need the identifier of a global cluster"),
            (
                format!("{orders}/globalCluster"),
                json!("shop orders"),
                "need the identifier of a global cluster",
            ),
            (
                format!("{orders}/globalCluster"),
                json!("shop-catalog"),
                "as that of catalog, but their clusters differ",
            ),
            (format!("{orders}/database"), json!(""), "need the name of a database"),
            (format!("{orders}/database"), json!("or`ders"), "need the name of a database"),
            (
                east("clusterArn"),
                json!("arn:aws:rds:sandbox-west:000000000000:cluster:x"),
                "need the ARN of an RDS cluster in sandbox-east",
            ),
            (
                east("clusterArn"),
                json!("arn:aws:rds:sandbox-east:000000000000:cluster:"),
                "need the ARN of an RDS cluster",
            ),
            (
                east("clusterArn"),
                json!("arn:aws:rds:sandbox-east:000000000000:db:x"),
                "need the ARN of an RDS cluster",
            ),
            (
                east("clusterArn"),
                json!("arn:aws:rds:sandbox-east:111111111111:cluster:x"),
                "of several accounts",
            ),
            (
                east("clusterArn"),
                json!("arn:aws:rds:sandbox-east:000000000000:cluster:shop-catalog-east"),
                "as `databases.catalog.members.sandbox-east.clusterArn` is already",
            ),
            (east("secret"), json!(""), "need the name of a secret"),
            (
                east("secret"),
                json!("arn:aws:secretsmanager:sandbox-west:000000000000:secret:x"),
                "or its ARN in sandbox-east",
            ),
            (east("restore/instanceClass"), json!("r6g.large"), "such as db.r6g.large"),
            ("/limits/rtoSeconds".into(), json!(0), "`limits.rtoSeconds` is 0"),
            ("/limits/lockMinutes".into(), json!(0), "`limits.lockMinutes` is 0"),
            ("/limits/promotionMinutes".into(), json!(0), "`limits.promotionMinutes` is 0"),
            ("/limits/restoreMinutes".into(), json!(0), "`limits.restoreMinutes` is 0"),
            ("/limits/replayMinutes".into(), json!(0), "`limits.replayMinutes` is 0"),
            ("/failback/lagSeconds".into(), json!(0), "`failback.lagSeconds` is 0"),
            ("/automatic/signals/sandbox-east/0/alarm".into(), json!(""), "an alarm without a name"),
            (
                format!("{orders}/reconcile"),
                json!({"tables": ["a", "a"]}),
                "`databases.orders.reconcile.tables[1]` is \"a\", as `databases.orders.reconcile.tables[0]` is already",
            ),
            (format!("{orders}/reconcile"), json!({"excludeColumns": ["a"]}), "name it as `table.column`"),
            (
                format!("{orders}/reconcile"),
                json!({"tables": ["a"], "exclude": ["a"]}),
                "in `tables` and in `exclude`",
            ),
            (format!("{orders}/reconcile"), json!({"exclude": [""]}), "has an empty name"),
            (format!("{orders}/reconcile"), json!({"connections": 0}), "connections` is 0: need 1 to 16"),
            (format!("{orders}/reconcile"), json!({"connections": 17}), "connections` is 17: need 1 to 16"),
            (
                format!("{orders}/reconcile"),
                json!({"distributed": {"aboveRows": 5, "concurrency": 65}}),
                "distributed.concurrency` is 65: need 1 to 64",
            ),
            (
                format!("{orders}/reconcile"),
                json!({"distributed": {"aboveRows": 5, "concurrency": 1, "rangeRows": 0}}),
                "distributed.rangeRows` is 0: need 1 at least",
            ),
            (
                east("restore"),
                json!({"kmsKey": "arn:aws:kms:sandbox-west:000000000000:key/x"}),
                "a KMS key in sandbox-east",
            ),
            (east("restore"), json!({"kmsKey": ""}), "a KMS key in sandbox-east"),
            (east("restore"), json!({"securityGroups": ["default"]}), "need ids such as sg-"),
            (
                east("restore"),
                json!({"subnetGroup": ""}),
                "`databases.orders.members.sandbox-east.restore.subnetGroup` is empty",
            ),
        ];
        for (place, value, expected) in cases {
            let error = with(&[(&place, value.clone())]).expect_err(&format!("{place} {value} is taken"));
            assert!(error.contains(expected), "{place} {value}: {expected} is missing in: {error}");
        }
    }

    #[test]
    fn a_safety_rule_is_named_by_its_arn() {
        let routing = |rule: &str| {
            let mut routing = serde_json::to_value(sample().routing).unwrap();
            routing["safetyRulesToOverride"] = json!([rule]);
            with(&[("/routing", routing)])
        };
        let panel = "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox";
        let rule = format!("{panel}/safetyrule/one");
        assert_eq!(routing(&rule).unwrap().routing.safety_rules_to_override, [rule]);
        let error = routing(&format!("{panel}/routingcontrol/one")).unwrap_err();
        assert!(error.contains("need the ARN of an ARC safety rule"), "{error}");
    }

    #[test]
    fn buckets_are_not_swapped() {
        let bucket = |region: &str| json!(format!("causeway-reports-000000000000-{region}"));
        let swapped = [
            ("/reportBuckets/sandbox-east", bucket("sandbox-west")),
            ("/reportBuckets/sandbox-west", bucket("sandbox-east")),
        ];
        let error = with(&swapped).unwrap_err();
        assert!(
            error.contains("the bucket of sandbox-west") && error.contains("the bucket of sandbox-east"),
            "{error}"
        );
        let twice = ["east", "west"].map(|side| format!("/reportBuckets/sandbox-{side}"));
        let error = with(&[(&twice[0], json!("reports")), (&twice[1], json!("reports"))]).unwrap_err();
        assert!(error.contains("as `reportBuckets.sandbox-east` is already"), "{error}");
    }

    #[test]
    fn two_databases_may_live_in_one_global_cluster_under_their_own_names() {
        let catalog = serde_json::to_value(&sample().databases["catalog"]).unwrap();
        let error = with(&[("/databases/orders", catalog.clone())]).unwrap_err();
        assert!(error.contains("it would be compared twice"), "{error}");
        let plan = with(&[("/databases/orders", catalog), ("/databases/orders/database", json!("orders"))]);
        assert_eq!(plan.unwrap().databases.len(), 2);
    }

    #[test]
    fn what_is_unusual_and_right_is_taken() {
        for (place, value) in [
            ("/limits/rpoSeconds", json!(0)),
            ("/limits/cooldownMinutes", json!(0)),
            ("/limits/clockMarginSeconds", json!(0)),
            ("/databases/orders/database", json!("bücher-2_$")),
            ("/databases/orders/members/sandbox-east/secret", json!("rds!cluster-1/a+b=c@d")),
            ("/databases/orders/members/sandbox-east/restore", json!({"kmsKey": "alias/shop"})),
            ("/databases/orders/members/sandbox-east/restore", json!({"instanceClass": "db.serverless"})),
            ("/reportBuckets/sandbox-east", json!("my.reports")),
        ] {
            with(&[(place, value.clone())]).unwrap_or_else(|error| panic!("{place} {value}: {error}"));
        }
    }
}
