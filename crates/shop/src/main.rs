//! `shop SERVICE`: runs one of the shop's six services. `shop chaos`: switches faults of one that runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shop::carts::CartsSettings;
use shop::checkout::CheckoutSettings;
use shop::database::{Database, DatabaseSettings};
use shop::orders::OrdersSettings;
use shop::service::Common;
use shop::ui::UiSettings;
use shop::{assets, carts, catalog, checkout, orders, ui};
use tracing_subscriber::EnvFilter;

/// The example shop: one of its six services
#[derive(Parser)]
#[command(version)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The pages that customers see
    Ui(Run<UiSettings>),
    /// Products and tags
    Catalog(Run<DatabaseSettings>),
    /// Carts
    Carts(Run<CartsSettings>),
    /// What a customer is about to order
    Checkout(Run<CheckoutSettings>),
    /// Orders and their events
    Orders(Run<OrdersSettings>),
    /// Pictures
    Assets(Run<Nothing>),
    /// Make a service's tables, and end
    Tables(Tables),
    /// Ask the service that runs here whether it is healthy, for a container's health check
    Health(Health),
    /// Switch a fault of a running service on or off
    Chaos(Chaos),
}

#[derive(Args)]
struct Run<T: Args> {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    own: T,
}

#[derive(Args)]
struct Nothing {}

#[derive(Args)]
struct Tables {
    /// The service
    of: Owner,
    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Owner {
    /// Products and tags
    Catalog,
    /// Orders and their events
    Orders,
}

#[derive(Args)]
struct Health {
    /// The address that the service listens at
    #[arg(long, env = "SHOP_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
}

#[derive(Args)]
struct Chaos {
    /// URL of the service
    url: String,
    /// What is to be wrong
    fault: Fault,
    /// The status, or the latency in milliseconds
    value: Option<u32>,
    /// Switch it off
    #[arg(long)]
    off: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// Answer everything with a status
    Status,
    /// Wait before each answer
    Latency,
    /// Fail the health check
    Health,
}

/// How long a health check waits.
const PATIENCE: Duration = Duration::from_secs(3);

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let command = Command::parse();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
    match run(command.what).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = %error, "can't run");
            ExitCode::FAILURE
        }
    }
}

async fn run(what: What) -> Result<(), Error> {
    let (service, common) = match what {
        What::Ui(run) => (ui::service(&run.own, &run.common.region)?, run.common),
        What::Catalog(run) => (catalog::service(&run.own)?, run.common),
        What::Carts(run) => (carts::service(&run.own, &run.common.region).await, run.common),
        What::Checkout(run) => (checkout::service(&run.own)?, run.common),
        What::Orders(run) => (orders::service(&run.own, &run.common.region)?, run.common),
        What::Assets(run) => (assets::service(), run.common),
        What::Tables(tables) => return make_tables(&tables).await,
        What::Health(health) => return ask(&health).await,
        What::Chaos(chaos) => return switch(&chaos).await,
    };
    Ok(service.run(&common).await?)
}

async fn make_tables(tables: &Tables) -> Result<(), Error> {
    let schema = match tables.of {
        Owner::Catalog => catalog::SCHEMA,
        Owner::Orders => orders::SCHEMA,
    };
    Ok(schema.try_to(&Database::new(&tables.database)?).await?)
}

async fn ask(health: &Health) -> Result<(), Error> {
    let url = format!("http://{}/health", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), health.listen.port()));
    let answer = reqwest::Client::builder().timeout(PATIENCE).build()?.get(url).send().await?;
    answer.error_for_status()?;
    Ok(())
}

async fn switch(chaos: &Chaos) -> Result<(), Error> {
    let fault = match (chaos.fault, chaos.value) {
        (Fault::Status, Some(value)) => format!("status/{value}"),
        (Fault::Latency, Some(value)) => format!("latency/{value}"),
        (Fault::Status, None) if chaos.off => "status".to_owned(),
        (Fault::Latency, None) if chaos.off => "latency".to_owned(),
        (Fault::Health, None) => "health".to_owned(),
        (Fault::Health, Some(_)) => return Err("health takes no value".into()),
        (Fault::Status | Fault::Latency, None) => return Err("name a status, or milliseconds".into()),
    };
    let url = format!("{}/chaos/{fault}", chaos.url.trim_end_matches('/'));
    let client = reqwest::Client::new();
    let request = if chaos.off { client.delete(url) } else { client.post(url) };
    let answer = request.send().await?;
    if answer.status().is_success() {
        return Ok(());
    }
    let said = format!("it answered {}: does it run with --chaos?", answer.status());
    Err(said.into())
}
