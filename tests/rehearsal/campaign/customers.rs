//! Customers, who write where they are sent.
//!
//! Each write goes to a Region that has the traffic, or, now and then, to the one that had it a moment ago. The application there
//! writes to the cluster of its own Region if that takes writes, else to the other Region's where that can be reached.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sandbox::REGIONS;
use sandbox::world::World;
use tokio::time::Instant;

use super::fleet::Fleet;

/// What the customers need.
pub struct Customers {
    pub world: Arc<World>,
    pub fleet: Arc<Fleet>,
    /// How long between two writes.
    pub every: Duration,
    pub seed: u64,
}

/// After so many writes, one comes seldom.
const MANY: u64 = 1_500;
const SELDOM: Duration = Duration::from_secs(60);

/// For how long somebody still goes to a Region that has no traffic any more.
pub const LATE: Duration = Duration::from_secs(60);

impl Customers {
    /// Writes until it is dropped.
    pub async fn come(&self) {
        let mut random = StdRng::seed_from_u64(self.seed ^ 0x5eed);
        let plan = super::plan();
        let mut sent = REGIONS.map(|region| (region, None::<Instant>));
        for number in 0_u64.. {
            // Most of them have gone to bed by then.
            let every = if number < MANY { self.every } else { self.every.max(SELDOM) };
            tokio::time::sleep(every.mul_f64(0.5 + random.random::<f64>())).await;
            for (region, at) in &mut sent {
                if self.world.has_traffic(region) {
                    *at = Some(Instant::now());
                }
            }
            let late = random.random_bool(0.1);
            let open = |(region, at): &(&'static str, Option<Instant>)| {
                let recently = at.is_some_and(|at| at.elapsed() < LATE);
                (self.world.has_traffic(region) || late && recently).then_some(*region)
            };
            let regions: Vec<&'static str> = sent.iter().filter_map(open).collect();
            let Some(region) = regions.choose(&mut random) else { continue };
            let databases: Vec<_> = plan.databases.values().collect();
            let database = databases.choose(&mut random).unwrap();
            let other = REGIONS.iter().find(|other| *other != region).unwrap();
            let own = database.members[*region].cluster_arn.as_str();
            let far = database.members[*other].cluster_arn.as_str();
            let apart = REGIONS.iter().any(|region| self.world.is_isolated(region));
            // A Region that is cut off knows nothing of what became of its cluster.
            let takes = |cluster: &str| {
                self.fleet.is_primary(cluster) && (apart || self.world.accepts_writes(cluster))
            };
            let Some(cluster) =
                [Some(own), Some(far).filter(|_| !apart)].into_iter().flatten().find(|one| takes(one))
            else {
                continue;
            };
            // What was put back after a failover is nobody's to change meanwhile.
            let known = self.fleet.near(cluster, random.random_range(0..10 + number));
            let text = format!("{region} {number}");
            match (random.random_range(0..10), known) {
                (0..=1, Some(id)) => self.fleet.take(cluster, Some(id), Some(text), false),
                (2, Some(id)) => self.fleet.take(cluster, Some(id), None, false),
                _ => self.fleet.take(cluster, None, Some(text), false),
            };
        }
    }
}
