//! The shop: the scenario of the drill and the rehearsals, which [`runbook::plan::sample`] describes.

use std::collections::BTreeMap;
use std::sync::Arc;

use runbook::RecoveryPlan;
use runbook::plan::Engine;
use serde_json::{Value, json};

use crate::account::{EAST, REGIONS, ROLES, RULE_ROLES, WEST, role_arn, topic_arn};
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

/// The shop's world: two global databases with their primaries in [`EAST`], routing controls that are both on under a rule that one has to be, secrets, topics, and the plan.
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

/// The same with this plan of the shop.
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
    let setups = plan.databases.iter().map(|(name, database)| {
        let password = crate::random_text();
        let secret = json!({"username": "shop", "password": password}).to_string();
        world.state(|state| {
            for region in REGIONS {
                state.secrets.insert((region.to_owned(), format!("shop/{name}")), secret.clone());
            }
        });
        let world = &world;
        async move {
            let [primary, secondary] = [EAST, WEST]
                .map(|region| database.members.get(region).map_or("", |member| member.cluster_arn.as_str()));
            let new = NewDatabase {
                engine: database.engine,
                name: &database.database,
                user: "shop",
                password: &password,
            };
            world.add_global_cluster(&database.global_cluster, new, primary, secondary).await
        }
    });
    futures::future::try_join_all(setups).await?;
    world.add_global_table(CARTS_TABLE, ["customerId", "itemId"])?;
    let text = serde_json::to_string(&plan).unwrap_or_default();
    for region in REGIONS {
        world.put_parameter(region, "/causeway/plans/shop", &text);
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
        state.arc.setup(&plan, arc_urls);
    });
    world.watch_lag();
    Ok(world)
}

/// Name of the shop's table of carts.
pub const CARTS_TABLE: &str = "carts";

/// Name of the report bucket of a Region, as the shop's plan has it.
pub fn bucket(region: &str) -> String {
    format!("causeway-reports-{}-{region}", crate::account::ACCOUNT)
}
