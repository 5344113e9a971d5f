//! A Region's six services and its own stores, as processes: those of the workspace's program `shop`, with nothing but the
//! environment that they are given.
//!
//! Services know those of their Region only, the Region's own database clusters, and DynamoDB in their Region. Each log is
//! `REGION-SERVICE.log`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use runbook::RecoveryPlan;
use runbook::plan::Engine;
use runbook::secret::{Credentials, SignIn};
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::settings::Settings;
use crate::account::{SHOP, access_key_id};
use crate::databases::ServerError;
use crate::databases::files::to_its_end;
use crate::process::bound;
use crate::program::Program;
use crate::shop::CARTS_TABLE;
use crate::stores::{RabbitMq, Redis};
use crate::world::World;

/// A service that runs.
struct Service {
    program: Program,
    url: String,
}

/// A Region's services and stores.
pub struct Services {
    services: BTreeMap<&'static str, Service>,
    redis: Redis,
    broker: Option<Broker>,
}

/// RabbitMQ, and who starts it.
struct Broker {
    server: Arc<RabbitMq>,
    starting: JoinHandle<()>,
}

impl Broker {
    /// Starts it in the background: it takes seconds.
    fn start(folder: &Path) -> Result<Self, ServerError> {
        let server = Arc::new(RabbitMq::prepare(folder)?);
        let started = Arc::clone(&server);
        let starting = tokio::spawn(async move {
            if let Err(error) = started.start_again().await {
                tracing::warn!("{error}");
            }
        });
        Ok(Self { server, starting })
    }

    /// Ends it, also while it starts. Nobody needs what it holds any more.
    async fn end(&self) {
        self.starting.abort();
        while !self.starting.is_finished() {
            tokio::task::yield_now().await;
        }
        self.server.kill().await;
    }
}

/// Names and values of an environment.
type Environment = Vec<(&'static str, String)>;

impl Services {
    /// Starts those of a Region. RabbitMQ, which takes seconds, is there later: events wait for it.
    pub(super) async fn start(
        world: &World,
        plan: &RecoveryPlan,
        settings: &Settings,
        region: &'static str,
    ) -> Result<Self, ServerError> {
        let folder = settings.folder.join(region);
        let redis = Redis::start(&folder.join("redis")).await?;
        let broker = settings.brokers.then(|| Broker::start(&folder.join("rabbitmq"))).transpose()?;
        let start = async |name: &'static str, environment: Environment| {
            let service = start(settings, region, name, environment).await?;
            Ok::<_, ServerError>((name, service))
        };
        let catalog = start("catalog", database(world, plan, settings, region, "catalog")?);
        let carts =
            start("carts", vec![("RETAIL_CART_PERSISTENCE_DYNAMODB_TABLE_NAME", CARTS_TABLE.to_owned())]);
        let mut of_orders = database(world, plan, settings, region, "orders")?;
        of_orders.extend(broker.as_ref().map(|broker| ("SHOP_BROKER_URL", broker.server.url())));
        let orders = start("orders", of_orders);
        let (catalog, carts, orders, assets) =
            tokio::try_join!(catalog, carts, orders, start("assets", Vec::new()))?;
        let url = |(_, service): &(_, Service)| service.url.clone();
        let of_checkout = vec![
            ("RETAIL_CHECKOUT_PERSISTENCE_REDIS_URL", redis.url()),
            ("RETAIL_CHECKOUT_ENDPOINTS_ORDERS", url(&orders)),
        ];
        let checkout = start("checkout", of_checkout).await?;
        let of_ui = vec![
            ("RETAIL_UI_ENDPOINTS_CATALOG", url(&catalog)),
            ("RETAIL_UI_ENDPOINTS_CARTS", url(&carts)),
            ("RETAIL_UI_ENDPOINTS_CHECKOUT", url(&checkout)),
            ("RETAIL_UI_ENDPOINTS_ORDERS", url(&orders)),
            ("RETAIL_UI_ENDPOINTS_ASSETS", url(&assets)),
        ];
        let ui = start("ui", of_ui).await?;
        let services = [catalog, carts, orders, assets, checkout, ui].into();
        Ok(Self { services, redis, broker })
    }

    /// Where a service listens.
    pub(super) fn url(&self, name: &str) -> Option<&str> {
        self.services.get(name).map(|service| service.url.as_str())
    }

    /// Where the pages are.
    pub(super) fn ui(&self) -> String {
        self.url("ui").unwrap_or_default().to_owned()
    }

    /// Ends them.
    pub(super) async fn stop(&self) {
        futures::future::join_all(self.services.values().map(|service| service.program.stop())).await;
        self.redis.stop().await;
        if let Some(broker) = &self.broker {
            broker.end().await;
        }
    }
}

/// How a service connects to the Region's own cluster of a database.
fn database(
    world: &World,
    plan: &RecoveryPlan,
    settings: &Settings,
    region: &str,
    name: &str,
) -> Result<Environment, ServerError> {
    let found = || {
        let database = plan.databases.get(name)?;
        let member = database.members.get(region)?;
        let address = world.cluster_address(&member.cluster_arn)?;
        let SignIn::Secret(secret) = &member.sign_in else { return None };
        let secret: Credentials = serde_json::from_str(&world.secret(region, secret)?).ok()?;
        let engine = match database.engine {
            Engine::AuroraMysql => "mysql",
            Engine::AuroraPostgresql => "postgres",
        };
        Some(vec![
            ("SHOP_DATABASE_ENGINE", engine.to_owned()),
            ("SHOP_DATABASE_ENDPOINT", format!("{}:{}", address.host, address.port)),
            ("SHOP_DATABASE_NAME", database.database.clone()),
            ("SHOP_DATABASE_USER", secret.username),
            ("SHOP_DATABASE_PASSWORD", secret.password.expose().to_owned()),
            ("SHOP_DATABASE_AUTHORITIES", settings.database_authority.display().to_string()),
        ])
    };
    found().ok_or_else(|| ServerError(format!("the plan has no database {name} in {region} with a secret")))
}

/// Makes the tables of the services, without the services.
pub(super) async fn make_tables(
    world: &World,
    plan: &RecoveryPlan,
    settings: &Settings,
    region: &str,
) -> Result<(), ServerError> {
    for name in ["catalog", "orders"] {
        let mut command: Command = bound(&settings.program, None);
        command.args(["tables", name]).env_clear().envs(database(world, plan, settings, region, name)?);
        to_its_end(&format!("making the tables of {name}"), command, "").await?;
    }
    Ok(())
}

async fn start(
    settings: &Settings,
    region: &str,
    name: &'static str,
    environment: Environment,
) -> Result<Service, ServerError> {
    let program = Program::new(&format!("{region}-{name}"), &settings.logs);
    let mut command: Command = bound(&settings.program, None);
    command.arg(name).env_clear().envs(environment).envs([
        ("SHOP_LISTEN", "127.0.0.1:0"),
        ("TMPDIR", &settings.folder.display().to_string()),
        ("SHOP_CHAOS", "true"),
        ("AWS_REGION", region),
        ("AWS_ENDPOINT_URL", &settings.endpoint),
        ("AWS_ACCESS_KEY_ID", &access_key_id(region, SHOP)),
        ("AWS_SECRET_ACCESS_KEY", &settings.secret),
    ]);
    program.start(command, || async { address(&program.said().await).is_some() }).await?;
    let address = address(&program.said().await)
        .ok_or_else(|| ServerError(format!("{name} does not say where it listens")))?;
    Ok(Service { program, url: format!("http://{address}") })
}

/// Where a service listens, as its log says it.
fn address(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut said = lines.filter(|line| line["message"] == "listening");
    said.find_map(|line| line["address"].as_str().map(str::to_owned))
}
