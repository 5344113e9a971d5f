//! The shop's customers as the writers of a rehearsal, and the verdict on their orders.

use std::sync::Arc;
use std::time::Duration;

use super::check::{Check, Reported};
use super::stores;
use super::verdict::{self, NewPrimary};
use super::world::World;
use super::writers::{Judgement, Within, Writers};
use crate::Error;
use crate::customers::Customers;
use crate::customers::browser::Places;
use crate::customers::ledger::{Entries, Ledger};
use crate::live::story::LostWrite;
use crate::tally::{CUSTOMERS, Count, Words};
use crate::text::duration;

/// The shop's customers.
pub struct Shop {
    places: Arc<dyn Places>,
    ledger: Arc<Ledger>,
    seed: u64,
    rate: f64,
    ttl: Duration,
    /// What the primary had before the first customer came.
    at_first: NewPrimary,
    customers: Option<Customers>,
}

impl Shop {
    /// Customers who find the shop at these places, remember DNS's answer for `ttl`, and begin `rate` purchases or changes a second,
    /// together.
    pub fn new(
        (places, ledger): (&Arc<dyn Places>, &Arc<Ledger>),
        seed: u64,
        rate: f64,
        ttl: Duration,
    ) -> Self {
        let (places, ledger) = (Arc::clone(places), Arc::clone(ledger));
        Self { places, ledger, seed, rate, ttl, at_first: NewPrimary::default(), customers: None }
    }
}

impl Writers for Shop {
    fn words(&self) -> Words {
        CUSTOMERS
    }

    async fn start(&mut self, world: &impl World) -> Result<String, Error> {
        let from = world.from();
        self.at_first = stores::read(world, from).await?;
        let (places, ledger) = (&self.places, &self.ledger);
        self.customers = Some(Customers::start(self.seed, self.rate, self.ttl, from, (places, ledger))?);
        Ok(format!("ordering, {} times a second; DNS answers {from}", self.rate))
    }

    fn elapsed(&self) -> Duration {
        self.customers.as_ref().map(Customers::elapsed).unwrap_or_default()
    }

    fn count(&self) -> Arc<dyn Count> {
        Arc::clone(&self.ledger) as _
    }

    async fn failed(&self) -> Error {
        // A customer who sees an error tries again.
        std::future::pending().await
    }

    fn leave_the_others(&self) {
        if let Some(customers) = &self.customers {
            customers.leave_the_others();
        }
    }

    async fn stop(&mut self) -> Result<(), Error> {
        if let Some(customers) = self.customers.take() {
            customers.stop().await;
        }
        Ok(())
    }

    async fn judge(&self, world: &impl World, reported: &[Reported], _: Within) -> Result<Judgement, Error> {
        let entries = self.ledger.entries();
        let new_primary = stores::read(world, world.to()).await?;
        let missing = verdict::told_and_missing(&entries, &new_primary);
        let missing = missing.into_iter().map(|(id, order)| LostWrite {
            name: id.clone(),
            what: format!("${}", order.total),
            at: order.at,
        });
        Ok(Judgement {
            checks: verdict::judge(&entries, &self.at_first, &new_primary, reported),
            missing: missing.collect(),
            saw: saw(&entries, world.from()),
        })
    }

    async fn still_lost(&self, world: &impl World, _: &str) -> Result<Vec<Check>, Error> {
        let new_primary = stores::read(world, world.to()).await?;
        Ok(verdict::judge(&self.ledger.entries(), &self.at_first, &new_primary, &[]))
    }
}

/// What the customers saw: errors, carts, orders that were confirmed to them and are gone.
fn saw(entries: &Entries, old: &str) -> Vec<[String; 2]> {
    let longest = entries.troubled.values().map(|trouble| trouble.last.saturating_sub(trouble.first)).max();
    let customers = format!(
        "{} saw an error, for {} at most; {} came back to a confirmed order and did not find it; {} pages and forms were answered",
        entries.troubled.len(),
        duration(longest.unwrap_or_default()),
        entries.not_found,
        entries.answers,
    );
    let moved = &entries.moved_carts;
    let less: Vec<_> = moved.iter().filter(|cart| cart.found < cart.had).collect();
    let again = less.iter().filter(|cart| cart.in_the_end >= cart.had).count();
    let carts = format!(
        "{} customers were moved with a cart, {} found less in it, {again} of them had all of it again when {old} was back",
        moved.len(),
        less.len()
    );
    vec![["customers".into(), customers], ["carts".into(), carts]]
}
