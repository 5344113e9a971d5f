//! What the two Regions are like at one moment, as one who stands outside of both sees it.

use std::sync::Arc;

use runbook::RecoveryPlan;
use sandbox::world::World;

/// Looks at the Regions.
#[derive(Clone)]
pub struct Outlook {
    pub(super) world: Arc<World>,
    pub(super) plan: RecoveryPlan,
}

/// A Region.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Whether its routing control is on.
    pub traffic: bool,
    /// Whether it is cut off.
    pub cut_off: bool,
    /// Its members of the global databases.
    pub databases: Vec<Database>,
    /// Writes to its carts that have not reached the other Region.
    pub late_carts: usize,
}

/// A member of a global database.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// Name of the database.
    pub name: String,
    /// Whether it takes writes.
    pub writer: bool,
    /// How far it is behind the writer, in seconds, where that is known.
    pub lag: Option<f64>,
}

impl Outlook {
    /// A Region as it is now.
    pub async fn region(&self, name: &str) -> Region {
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
            late_carts: self.world.late_writes(name),
        }
    }
}
