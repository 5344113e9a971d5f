//! The application: the shop, as it runs in both Regions, and the addresses at which customers find it.
//!
//! ```text
//!   http://localhost:PORT ──▶ DNS, by routing controls ──▶ front door of a Region ──▶ ui ──▶ …
//! ```
//!
//! - `services`: a Region's six services, with a Redis and a RabbitMQ of its own
//! - `front`: a Region's front door, in place of its load balancer, and the shop's own address, in place of DNS
//! - [`Settings`]: what it is made of
//!
//! [`Application::stop`] ends every process; a drop does the same less gently.

mod front;
mod services;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use runbook::RecoveryPlan;

use crate::account::{EAST, REGIONS};
use crate::databases::ServerError;
use crate::world::World;
use front::{Door, Shop};
use services::Services;
pub use settings::Settings;

/// The shop in both Regions.
pub struct Application {
    regions: BTreeMap<&'static str, (Services, Door)>,
    shop: Shop,
}

/// Makes the shop's tables in its primary Region, where the shop itself is not to run.
///
/// # Errors
/// When a database refuses them.
pub async fn make_tables(world: &World, plan: &RecoveryPlan, settings: &Settings) -> Result<(), ServerError> {
    services::make_tables(world, plan, settings, EAST).await
}

impl Application {
    /// Starts it, for a world with the plan's databases.
    ///
    /// # Errors
    /// When a service or a store does not start.
    pub async fn start(
        world: &Arc<World>,
        plan: &RecoveryPlan,
        settings: &Settings,
    ) -> Result<Self, ServerError> {
        let regions = REGIONS.map(async |region| {
            let services = Services::start(world, plan, settings, region).await?;
            let door = Door::open(region, &services.ui()).await?;
            Ok::<_, ServerError>((region, (services, door)))
        });
        let regions: BTreeMap<_, _> = try_join_all(regions).await?.into_iter().collect();
        let doors = regions.iter().map(|(region, (_, door))| (*region, door.url().to_owned())).collect();
        let shop = Shop::open(Arc::clone(world), doors, settings.ttl).await?;
        Ok(Self { regions, shop })
    }

    /// Waits until every Region's pages are there.
    ///
    /// # Errors
    /// When one is not after `patience`.
    pub async fn ready(&self, patience: Duration) -> Result<(), ServerError> {
        let all = self.regions.iter().map(async |(region, (_, door))| {
            let ready = tokio::time::timeout(patience, door.ready()).await;
            ready.map_err(|_| {
                ServerError(format!("the shop in {region} is not there after {} s", patience.as_secs()))
            })
        });
        try_join_all(all).await.map(drop)
    }

    /// The shop, as a customer finds it.
    pub fn url(&self) -> &str {
        self.shop.url()
    }

    /// A Region's front door.
    pub fn door(&self, region: &str) -> Option<&str> {
        self.regions.get(region).map(|(_, door)| door.url())
    }

    /// A Region's service of this name, which only what is inside of the Region reaches.
    pub fn service(&self, region: &str, name: &str) -> Option<&str> {
        self.regions.get(region)?.0.url(name)
    }

    /// Ends it.
    pub async fn stop(&self) {
        join_all(self.regions.values().map(|(services, _)| services.stop())).await;
    }
}
