//! The world that a recovery plan describes; and the shop, the scenario of the drill and the rehearsals, whose plan is
//! [`runbook::plan::sample`].

use std::collections::BTreeMap;
use std::sync::Arc;

use runbook::RecoveryPlan;
use runbook::plan::{Engine, Member};
use runbook::secret::SignIn;
use serde_json::{Value, json};

use crate::account::{ACCOUNT, EAST, REGIONS, ROLES, RULE_ROLES, WEST, role_arn, topic_arn};
use crate::databases::{NewDatabase, Servers};
use crate::world::{SetupError, World};
use automation::clock::Clock;

/// The shop's plan, with these engines instead of Aurora MySQL, by database.
pub fn plan(engines: &BTreeMap<String, Engine>) -> RecoveryPlan {
    let mut plan = runbook::plan::sample();
    for (name, database) in &mut plan.databases {
        database.engine = engines.get(name).copied().unwrap_or(database.engine);
    }
    plan
}

/// The shop's world: two global databases with their primaries in [`EAST`], routing controls that are both on under a rule that one has to be, secrets, topics, the plan, and an experiment of FIS in each Region.
///
/// # Errors
/// When a database server does not start.
pub async fn world(
    clock: Clock,
    servers: Arc<dyn Servers>,
    arc_urls: &[String; 5],
) -> Result<Arc<World>, SetupError> {
    world_of(plan(&BTreeMap::new()), clock, servers, arc_urls).await
}

/// The same with this plan, of the shop or of somebody's own application, whose primaries are in [`EAST`]. Its databases are there and
/// empty. Each secret that it names has the same user, who may do everything.
///
/// # Errors
/// As [`world`].
pub async fn world_of(
    mut plan: RecoveryPlan,
    clock: Clock,
    servers: Arc<dyn Servers>,
    arc_urls: &[String; 5],
) -> Result<Arc<World>, SetupError> {
    let world = World::new(clock, servers);
    for (endpoint, url) in plan.routing.endpoints.iter_mut().zip(arc_urls) {
        endpoint.url.clone_from(url);
    }
    let passwords = passwords(&plan);
    let setups = plan.databases.iter().map(|(name, database)| {
        let password = passwords.get(name).map_or("", String::as_str);
        let secret = json!({"username": USER, "password": password}).to_string();
        world.state(|state| {
            for (region, member) in &database.members {
                for name in secrets(member) {
                    state.secrets.insert((region.clone(), name.to_owned()), secret.clone());
                }
            }
        });
        let world = &world;
        async move {
            let [primary, secondary] = [EAST, WEST]
                .map(|region| database.members.get(region).map_or("", |member| member.cluster_arn.as_str()));
            let new = NewDatabase { engine: database.engine, name: &database.database, user: USER, password };
            world.add_global_cluster(&database.global_cluster, new, primary, secondary).await
        }
    });
    futures::future::try_join_all(setups).await?;
    world.add_global_table(CARTS_TABLE, ["customerId", "itemId"])?;
    let text = serde_json::to_string(&plan).unwrap_or_default();
    for region in REGIONS {
        world.put_parameter(region, &format!("/causeway/plans/{}", plan.name), &text);
        // What the stack says of itself, as in the template.
        let rules = if plan.automatic.is_some() { RULE_ROLES.len() } else { 1 };
        let roles = ROLES.iter().chain(RULE_ROLES.iter().take(rules));
        let roles = roles.map(|(name, role)| ((*name).to_owned(), json!(role_arn(role, region))));
        let roles: serde_json::Map<String, Value> = roles.collect();
        let value = json!({"prefix": "causeway", "roles": roles}).to_string();
        world.put_parameter(region, &format!("/causeway/stacks/{}", plan.name), &value);
    }
    world.state(|state| {
        for region in REGIONS {
            for topic in ["notifications", "alarms"] {
                state.topics.insert(topic_arn(topic, region));
            }
        }
        for signal in plan.automatic.iter().flat_map(|automatic| automatic.signals.values().flatten()) {
            state.alarms.insert((signal.region.clone(), signal.alarm.clone()), "OK".to_owned());
        }
        for region in REGIONS {
            state.alarms.insert((region.to_owned(), STOP_ALARM.to_owned()), "OK".to_owned());
        }
        state.arc.setup(&plan, arc_urls);
    });
    for (region, other) in [(EAST, WEST), (WEST, EAST)] {
        world.add_experiment_template(region, partition(region, other));
    }
    world.watch_lag();
    Ok(world)
}

/// The secrets of a member.
fn secrets(member: &Member) -> impl Iterator<Item = &str> {
    let all = [Some(&member.sign_in), member.replay.as_ref()];
    all.into_iter().flatten().filter_map(|sign_in| match sign_in {
        SignIn::Secret(name) => Some(name.as_str()),
        SignIn::Iam(_) => None,
    })
}

/// A password for each database: the same for those that share a secret.
fn passwords(plan: &RecoveryPlan) -> BTreeMap<String, String> {
    let mut by_secret: BTreeMap<&str, String> = BTreeMap::new();
    let mut by_database = BTreeMap::new();
    for (name, database) in &plan.databases {
        let all: Vec<&str> = database.members.values().flat_map(secrets).collect();
        let known = all.iter().find_map(|secret| by_secret.get(secret)).cloned();
        let password = known.unwrap_or_else(crate::random_text);
        by_secret.extend(all.into_iter().map(|secret| (secret, password.clone())));
        by_database.insert(name.clone(), password);
    }
    by_database
}

/// The user of the databases, whose password is in the secrets.
const USER: &str = "shop";

/// Name of the shop's table of carts.
pub const CARTS_TABLE: &str = "carts";

/// The alarm that stops the experiment: the shop can't be reached by its name.
const STOP_ALARM: &str = "shop-canary-global";

/// The experiment `partition` as `workload/chaos.yaml` has it: a Region loses its connection to the other one.
fn partition(region: &str, other: &str) -> Value {
    json!({
        "description": format!("shop in {region} loses its connection to {other} for 15 minutes."),
        "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/shop-chaos-PartitionRole-{region}"),
        "stopConditions": [{
            "source": "aws:cloudwatch:alarm",
            "value": format!("arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{STOP_ALARM}"),
        }],
        "experimentOptions": {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"},
        "logConfiguration": {
            "logSchemaVersion": 2,
            "cloudWatchLogsConfiguration": {
                "logGroupArn": format!("arn:aws:logs:{region}:{ACCOUNT}:log-group:/shop/chaos:*"),
            },
        },
        "targets": {
            "subnets": {
                "resourceType": "aws:ec2:subnet",
                "resourceTags": {"ChaosAllowed": "True"},
                "selectionMode": "ALL",
            },
            "carts": {
                "resourceType": "aws:dynamodb:global-table",
                "resourceArns": [format!("arn:aws:dynamodb:{region}:{ACCOUNT}:table/{CARTS_TABLE}")],
                "selectionMode": "ALL",
            },
        },
        "actions": {
            "network": {
                "actionId": "aws:network:route-table-disrupt-cross-region-connectivity",
                "parameters": {"region": other, "duration": "PT15M"},
                "targets": {"Subnets": "subnets"},
            },
            "carts": {
                "actionId": "aws:dynamodb:global-table-pause-replication",
                "parameters": {"duration": "PT15M"},
                "targets": {"Tables": "carts"},
            },
        },
        "tags": {"Name": "shop-partition"},
    })
}

/// Name of the report bucket of a Region, as the shop's plan has it.
pub fn bucket(region: &str) -> String {
    format!("causeway-reports-{}-{region}", crate::account::ACCOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_experiment_is_that_of_the_workload() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workload/chaos.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let template = crate::template::parse(&text).unwrap();
        let deployed = &template["Resources"]["PartitionExperiment"]["Properties"];
        let ours = partition(EAST, WEST);
        // Names that CloudFormation resolves are tagged values there; what is written out has to be the same.
        compare(deployed, &ours, "");
        assert_eq!(deployed["Actions"].as_mapping().unwrap().len(), 2);
    }

    fn compare(deployed: &serde_norway::Value, ours: &Value, at: &str) {
        use serde_norway::Value as Yaml;
        match (deployed, ours) {
            (Yaml::Tagged(_), Value::String(_)) => {}
            (Yaml::Mapping(all), Value::Object(of)) => {
                assert_eq!(all.len(), of.len(), "{at}: {deployed:?} {ours}");
                for (name, one) in all {
                    let name = name.as_str().unwrap();
                    // The API's members begin with a small letter; people's own names are the same in both.
                    let (first, rest) = name.split_at(1);
                    let small = format!("{}{rest}", first.to_lowercase());
                    let member = of.get(name).or_else(|| of.get(&small));
                    compare(
                        one,
                        member.unwrap_or_else(|| panic!("{at} lacks {name}")),
                        &format!("{at}/{name}"),
                    );
                }
            }
            (Yaml::Sequence(all), Value::Array(of)) => {
                assert_eq!(all.len(), of.len(), "{at}");
                all.iter().zip(of).for_each(|(one, other)| compare(one, other, at));
            }
            (Yaml::String(text), Value::String(other)) => assert_eq!(text, other, "{at}"),
            (Yaml::Number(number), Value::Number(other)) => {
                assert_eq!(number.as_u64(), other.as_u64(), "{at}");
            }
            _ => panic!("{at}: {deployed:?} {ours}"),
        }
    }
}
