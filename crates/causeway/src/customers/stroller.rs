//! A customer who takes time: puts a thing into the cart now and then, and orders nothing. Moved to the other Region, they look at what
//! is left of the cart; and once more in the end, when what the old Region had written late has arrived.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::browser::{Browser, Page};
use super::customer::things;
use super::goods::PRODUCTS;
use super::ledger::{Ledger, MovedCart};

/// The customer.
pub struct Stroller {
    /// What decides.
    pub random: StdRng,
    /// The browser.
    pub browser: Browser,
    /// What is acknowledged.
    pub ledger: Arc<Ledger>,
    /// Whether it is over.
    pub stopped: tokio::sync::watch::Receiver<bool>,
    /// When the ledger's time began.
    pub started: Instant,
}

impl Stroller {
    /// Strolls until it is over.
    pub async fn run(mut self) {
        let Some(region) = self.browser.region() else { return };
        let mut had = 0;
        while !*self.stopped.borrow() {
            let pause = Duration::from_millis(self.random.random_range(300..900));
            let _ = tokio::time::timeout(pause, self.stopped.changed()).await;
            if self.browser.region().is_some_and(|now| now != region) {
                return self.look_twice(had).await;
            }
            let product = PRODUCTS[self.random.random_range(0..PRODUCTS.len())];
            if self.put_in(product).await {
                had += 1;
            }
        }
    }

    async fn put_in(&mut self, product: &str) -> bool {
        let page = self.browser.post("/cart", &[("productId", product)]).await;
        self.note(page).is_some()
    }

    /// Looks at the cart in the Region that the customer was moved to, now and in the end.
    async fn look_twice(mut self, had: u64) {
        let found = self.look().await;
        // An end that was signalled meanwhile is one, too.
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
        let in_the_end = self.look().await;
        let customer = self.browser.visitor().unwrap_or_default().to_owned();
        if let (Some(found), Some(in_the_end)) = (found, in_the_end) {
            let moved = MovedCart { customer, had, found, in_the_end };
            self.ledger.note(|entries| entries.moved_carts.push(moved));
        }
    }

    async fn look(&mut self) -> Option<u64> {
        for _ in 0..10 {
            let page = self.browser.get("/cart").await;
            if let Some(page) = self.note(page) {
                return Some(things(&page.text));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        None
    }

    fn note(&self, page: Option<Page>) -> Option<Page> {
        let at = self.started.elapsed();
        let page = page.filter(Page::is_good);
        self.ledger.note(|entries| match (&page, self.browser.visitor()) {
            (Some(_), _) => entries.answers += 1,
            (None, visitor) => entries.failed(visitor.unwrap_or("somebody"), at),
        });
        page
    }
}
