//! The two Regions of a sandbox, seen from outside.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use runbook::RecoveryPlan;
use sandbox::world::World;

use crate::outlook::{Database, Look, Region};

/// Looks at the Regions.
#[derive(Clone)]
pub struct Outlook {
    pub(super) world: Arc<World>,
    pub(super) plan: RecoveryPlan,
    /// Whether there are carts.
    pub(super) carts: bool,
}

impl Look for Outlook {
    fn region<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Region> {
        async move {
            let mut databases = Vec::new();
            for (database, of) in &self.plan.databases {
                let Some(member) = of.members.get(name) else { continue };
                let lag = self.world.lag_millis(&member.cluster_arn).await;
                databases.push(Database {
                    name: database.clone(),
                    writer: self.world.accepts_writes(&member.cluster_arn),
                    lag: lag.map(|millis| millis / 1_000.0),
                });
            }
            Region {
                traffic: self.world.has_traffic(name),
                cut_off: self.world.is_isolated(name),
                databases,
                late_carts: self.carts.then(|| self.world.late_writes(name)),
            }
        }
        .boxed()
    }
}
