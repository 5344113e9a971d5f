//! The two Regions of an account, looked at again and again: for the page, and for whoever has to know which of them has the traffic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use runbook::arc::State;
use table_diff::Target;
use tokio::task::JoinHandle;

use crate::deployed::Deployed;
use crate::outlook::{Database, Look, Region};
use crate::rehearsal::own::Route;
use crate::status::look::{Seen, look};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// What was seen last. Looks are made until it is dropped.
pub struct Outlook {
    seen: Arc<Mutex<Option<Seen>>>,
    /// The Region that is broken, while it is.
    from: String,
    broken: Arc<AtomicBool>,
    looking: JoinHandle<()>,
}

impl Outlook {
    /// Looks at what is deployed. The configuration is that of looks.
    pub fn of(config: &SdkConfig, deployed: &Deployed, from: &str, broken: &Arc<AtomicBool>) -> Self {
        let seen: Arc<Mutex<Option<Seen>>> = Arc::default();
        let (config, deployed, kept) = (config.clone(), deployed.clone(), Arc::clone(&seen));
        let looking = tokio::spawn(async move {
            loop {
                let now = look(&config, &deployed, Timestamp::now()).await;
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { seen, from: from.to_owned(), broken: Arc::clone(broken), looking }
    }

    /// The one Region that has traffic.
    pub fn region_with_traffic(&self) -> Option<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let traffic = seen.as_ref()?.traffic.as_ref().ok()?;
        let on: Vec<&String> =
            traffic.iter().filter(|(_, state)| **state == State::On).map(|(region, _)| region).collect();
        match on[..] {
            [one] => Some(one.clone()),
            // The one that is left is last to be asked while both have it.
            [_, _] => Some(self.from.clone()),
            _ => None,
        }
    }
}

impl Drop for Outlook {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Look for Outlook {
    fn region<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Region> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let traffic = seen.as_ref().and_then(|seen| seen.traffic.as_ref().ok()?.get(name).copied());
        let here = seen.as_ref().and_then(|seen| seen.regions.iter().find(|one| one.region == name));
        let databases = here.map(|here| {
            let of = |(name, seen): (&String, &crate::status::look::DatabaseSeen)| Database {
                name: name.clone(),
                writer: seen.is_writer.clone().unwrap_or_default(),
                lag: seen.lag_seconds.clone().ok().flatten(),
            };
            here.databases.iter().map(of).collect()
        });
        let cut_off = name == self.from && self.broken.load(Ordering::Relaxed);
        let region = Region {
            traffic: traffic == Some(State::On),
            cut_off,
            databases: databases.unwrap_or_default(),
            late_carts: None,
        };
        async move { region }.boxed()
    }
}

/// Where a program finds the databases: by the traffic, at addresses that were looked up before.
pub struct AccountRoute {
    /// Who knows which Region has the traffic.
    pub outlook: Arc<Outlook>,
    /// By Region and database.
    pub databases: BTreeMap<(String, String), Target>,
}

impl Route for AccountRoute {
    fn region(&self) -> Option<String> {
        self.outlook.region_with_traffic()
    }

    fn database(&self, region: &str, database: &str) -> Option<Target> {
        self.databases.get(&(region.to_owned(), database.to_owned())).cloned()
    }
}
