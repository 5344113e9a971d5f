//! Who keeps the catalogue: gives products tags, in the Region that DNS answers with.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::json;

use super::browser::Browser;
use super::goods::{PRODUCTS, TAGS};
use super::ledger::{Ledger, Tagged};

/// The merchant.
pub struct Merchant {
    /// What decides.
    pub random: StdRng,
    /// How the Region is found.
    pub browser: Browser,
    /// What is acknowledged.
    pub ledger: Arc<Ledger>,
    /// Whether it is over.
    pub stopped: tokio::sync::watch::Receiver<bool>,
    /// The Region that gives the first of the tags.
    pub first: String,
}

impl Merchant {
    /// Gives tags until it is over.
    pub async fn run(mut self) {
        while !*self.stopped.borrow() {
            tokio::time::sleep(Duration::from_millis(self.random.random_range(150..400))).await;
            let Some(region) = self.browser.region() else { continue };
            let product = PRODUCTS[self.random.random_range(0..PRODUCTS.len())];
            // Rows without a key can't be distinguished. Each Region gives tags of its own, so that the ledger knows which were
            // lost even when the same product is tagged again after the failover.
            let own = TAGS.split_at(TAGS.len() / 2);
            let own = if region == self.first { own.0 } else { own.1 };
            let tag = own[self.random.random_range(0..own.len())];
            self.give(region, product, tag).await;
        }
    }

    async fn give(&self, region: String, product: &str, tag: &str) {
        let path = format!("/catalog/products/{product}/tags");
        let call = (Method::POST, path.as_str());
        let answer = self.browser.call(&region, "catalog", call, &json!({"name": tag})).await;
        let (product, tag) = (product.to_owned(), tag.to_owned());
        self.ledger.note(|entries| match answer {
            Some(status) if status.is_success() => entries.tags.push(Tagged { product, tag, region }),
            Some(status) if status.is_client_error() => {}
            _ => entries.tags_in_doubt.push((product, tag)),
        });
    }
}
