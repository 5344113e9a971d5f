//! Where customers find the shop in an account: by its one name. Which Region answered is said by the answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::task::JoinHandle;

use crate::Error;
use crate::customers::browser::{Places, SERVED_BY};

/// Between two looks where the name leads.
const LOOK: Duration = Duration::from_secs(1);

/// One name.
pub struct OneName {
    url: String,
    region: Arc<Mutex<Option<String>>>,
    looking: JoinHandle<()>,
}

impl OneName {
    /// The shop at this address.
    ///
    /// # Errors
    /// When nothing answers there, or what answers does not say its Region.
    pub async fn at(url: &str) -> Result<Self, Error> {
        let url = url.trim_end_matches('/').to_owned();
        // A new connection each time, so that the name is looked up anew.
        let client = Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(5)).build()?;
        let answer = client.get(&url).send().await;
        let answer =
            answer.map_err(|error| format!("{url}: nothing answers there: {}", error.without_url()))?;
        let said = region(&answer).ok_or_else(|| {
            format!("{url}: the answer does not say which Region served it (header {SERVED_BY}): is it the shop? For another application, name a --writer")
        })?;
        let known = Arc::new(Mutex::new(Some(said)));
        let (kept, asked) = (Arc::clone(&known), url.clone());
        let looking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let said = client.get(&asked).send().await.ok().and_then(|answer| region(&answer));
                // Where nobody says so, it leads where it led.
                if said.is_some() {
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = said;
                }
            }
        });
        Ok(Self { url, region: known, looking })
    }
}

fn region(answer: &reqwest::Response) -> Option<String> {
    answer.headers().get(SERVED_BY)?.to_str().ok().map(str::to_owned)
}

impl Drop for OneName {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Places for OneName {
    fn resolve(&self) -> Option<String> {
        self.region.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn door(&self, _: &str) -> Option<String> {
        Some(self.url.clone())
    }

    fn service(&self, _: &str, _: &str) -> Option<String> {
        // Only what is inside of a Region reaches its services.
        None
    }
}
