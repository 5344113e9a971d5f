//! The shop's customers: they browse, order, change and cancel over HTTP, through DNS and front doors, and a ledger keeps what they saw
//! acknowledged.
//!
//! - [`browser`]: what a customer does it with
//! - [`customer`], [`stroller`], [`merchant`]: who does what
//! - [`goods`]: what is bought
//! - [`ledger`]: what they saw

pub mod browser;
mod customer;
mod goods;
pub mod ledger;
mod merchant;
mod stroller;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use self::browser::{Browser, Places};
use self::customer::Customer;
use self::ledger::Ledger;
use self::merchant::Merchant;
use self::stroller::Stroller;
use crate::Error;

/// How many buy at once, and how many take their time.
const BUYERS: u32 = 4;
const STROLLERS: u32 = 6;

/// The customers, running until [`Customers::stop`].
pub struct Customers {
    stop: tokio::sync::watch::Sender<bool>,
    holding: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    started: Instant,
}

impl Customers {
    /// Starts them: together they begin `rate` purchases or changes a second, as far as the shop is quick enough. The Region `first` is
    /// the one that they begin in.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn start(
        seed: u64,
        rate: f64,
        ttl: Duration,
        first: &str,
        (places, ledger): (&Arc<dyn Places>, &Arc<Ledger>),
    ) -> Result<Self, Error> {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let started = Instant::now();
        let holding = Arc::new(AtomicBool::new(true));
        let random =
            |number: u32| StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number.into()));
        let mut tasks = Vec::new();
        for number in 0..BUYERS {
            let customer = Customer {
                random: random(number),
                browser: Browser::new(places, ttl)?,
                ledger: Arc::clone(ledger),
                stopped: stopped.clone(),
                holding: Arc::clone(&holding),
                started,
                every: Duration::from_secs_f64(f64::from(BUYERS) / rate),
                orders: Vec::new(),
                sent: Vec::new(),
            };
            tasks.push(tokio::spawn(customer.run()));
        }
        for number in 0..STROLLERS {
            let stroller = Stroller {
                random: random(BUYERS + number),
                browser: Browser::new(places, ttl)?,
                ledger: Arc::clone(ledger),
                stopped: stopped.clone(),
                started,
            };
            tasks.push(tokio::spawn(stroller.run()));
        }
        let merchant = Merchant {
            random: random(BUYERS + STROLLERS),
            browser: Browser::new(places, ttl)?,
            ledger: Arc::clone(ledger),
            stopped,
            first: first.to_owned(),
        };
        tasks.push(tokio::spawn(merchant.run()));
        Ok(Self { stop, holding, tasks, started })
    }

    /// From now on no row of the other Region is changed any more: the comparison sees each as it is in the end.
    pub fn leave_the_others(&self) {
        self.holding.store(false, Ordering::Relaxed);
    }

    /// Time since they started: the ledger's time.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Lets each end what they are at, and ends them.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}
