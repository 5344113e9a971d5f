//! One customer after the other, in one browser: looks around, fills a cart, orders, and now and then changes or cancels an order; and
//! who works in the Region, who sends the orders and holds some back.
//!
//! What is ordered is decided by the seed alone; when, by the machine. A customer who is moved to the other Region in the middle of a
//! purchase begins again there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::browser::{Browser, Page};
use super::goods::PRODUCTS;
use super::ledger::{CANCELLED, CHANGED, CREATED, Ledger, Order};

/// How long a customer who saw an error waits before the next try, and how often one tries: half a minute.
const PAUSE: Duration = Duration::from_millis(300);
const TRIES: usize = 100;

/// A customer's browser and what it knows.
pub struct Customer {
    /// What decides.
    pub random: StdRng,
    /// The browser.
    pub browser: Browser,
    /// What is acknowledged.
    pub ledger: Arc<Ledger>,
    /// Whether it is over.
    pub stopped: tokio::sync::watch::Receiver<bool>,
    /// Whether orders of the other Region are changed.
    pub holding: Arc<AtomicBool>,
    /// When the ledger's time began.
    pub started: Instant,
    /// A purchase begins so often.
    pub every: Duration,
    /// Acknowledged orders that nobody has changed yet, with their customer and Region.
    pub orders: Vec<Known>,
    /// Those of them that were sent.
    pub sent: Vec<Known>,
}

/// An order that somebody may come back to.
#[derive(Debug, Clone)]
pub struct Known {
    id: String,
    customer: String,
    region: String,
}

/// The fields of a form.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// How a purchase ended.
enum Bought {
    /// This order, in this Region.
    Order(String, String),
    /// The payment was sent, and what came of it is not known.
    InDoubt,
    Not,
}

impl Customer {
    /// Buys until it is over.
    pub async fn run(mut self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*self.stopped.borrow() {
            ticks.tick().await;
            match self.random.random_range(0..20) {
                0..3 if !self.orders.is_empty() => self.send_one().await,
                3..5 if !self.orders.is_empty() => self.cancel_one().await,
                5..8 if !self.orders.is_empty() => self.change_one().await,
                8..10 if !self.sent.is_empty() => self.hold_one().await,
                _ => self.buy().await,
            }
        }
    }

    async fn buy(&mut self) {
        self.browser.forget();
        for _ in 0..TRIES {
            match self.purchase().await {
                Bought::Order(id, region) => return self.acknowledged(id, region).await,
                Bought::InDoubt => {
                    let customer = self.customer();
                    self.ledger.note(|entries| {
                        entries.customers_in_doubt.insert(customer);
                    });
                }
                Bought::Not => {}
            }
            if *self.stopped.borrow() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// From the first page to the order's. A Region that changes on the way ends it.
    async fn purchase(&mut self) -> Bought {
        let mut products = BTreeSet::new();
        for _ in 0..self.random.random_range(1..=3) {
            products.insert(PRODUCTS[self.random.random_range(0..PRODUCTS.len())]);
        }
        let Some(home) = self.seen("/", &[]).await else { return Bought::Not };
        let region = home.region;
        for product in products {
            let quantity = self.random.random_range(1..=3);
            if !self.put_in(&region, product, quantity).await {
                return Bought::Not;
            }
        }
        let address = [
            ("firstName", "Ada"),
            ("lastName", "Lovelace"),
            ("email", "ada@example.com"),
            ("address1", "12 St James’s Square"),
            ("city", "London"),
            ("zipCode", "SW1Y 4JH"),
        ];
        let steps: [(&str, Fields<'_>, &str); 2] = [
            ("/checkout", &address, "/checkout/delivery"),
            ("/checkout/delivery", &[("token", "priority-mail")], "/checkout/payment"),
        ];
        for (form, fields, next) in steps {
            if self.browser.region().as_ref() != Some(&region) {
                return Bought::Not;
            }
            let leads = self.seen(form, fields).await.and_then(|page| page.location);
            if leads.as_deref() != Some(next) {
                return Bought::Not;
            }
        }
        if self.browser.region() == Some(region) { self.pay().await } else { Bought::Not }
    }

    /// Looks at a product and puts it into the cart, where the customer still is in the Region.
    async fn put_in(&mut self, region: &String, product: &str, quantity: u64) -> bool {
        let page = format!("/catalog/{product}");
        if self.browser.region().as_ref() != Some(region) || self.seen(&page, &[]).await.is_none() {
            return false;
        }
        let fields = [("productId", product), ("quantity", &quantity.to_string())];
        self.seen("/cart", &fields).await.is_some()
    }

    async fn pay(&mut self) -> Bought {
        let card = [
            ("cardHolder", "Ada Lovelace"),
            ("cardNumber", "1234567890123456"),
            ("expiryDate", "01/35"),
            ("cvc", "123"),
        ];
        // Nobody else may have seen it begin: pressed again, it is one order, in this Region.
        for _ in 0..2 {
            let page = self.seen("/checkout/payment", &card).await;
            let order = page.and_then(|page| {
                let id = page.location?.strip_prefix("/orders/")?.split('?').next()?.to_owned();
                Some(Bought::Order(id, page.region))
            });
            if let Some(order) = order {
                return order;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Bought::InDoubt
    }

    /// Notes an order whose page has come, with what that says.
    async fn acknowledged(&mut self, id: String, region: String) {
        let at = self.started.elapsed();
        let customer = self.customer();
        let page = self.seen(&format!("/orders/{id}"), &[]).await.filter(|page| page.region == region);
        let order = Order {
            customer: customer.clone(),
            region: region.clone(),
            at,
            lines: page.as_ref().map(|page| lines(&page.text)),
            removed: std::collections::BTreeMap::new(),
            status: "PAID".into(),
            events: [((region.clone(), CREATED), 1)].into(),
            held: false,
            total: page.as_ref().and_then(|page| total(&page.text)).unwrap_or_default(),
        };
        self.ledger.note(|entries| {
            entries.orders.insert(id.clone(), order);
        });
        self.orders.push(Known { id, customer, region });
    }

    /// Sends one of the orders from where it was placed: who works there does not know of others.
    async fn send_one(&mut self) {
        let Some(known) = self.pick_here() else { return };
        let done = self.set_status(&known, "SENT").await;
        self.note_change(&known, done, |order| {
            order.status = "SENT".into();
            *order.events.entry((known.region.clone(), CHANGED)).or_default() += 1;
        });
        if done == Some(true) {
            self.sent.push(known);
        }
    }

    /// Cancels one of the orders: where it was placed, or in the Region that took over, if it is there.
    async fn cancel_one(&mut self) {
        let known = self.orders.swap_remove(self.random.random_range(0..self.orders.len()));
        self.browser.be(&known.customer);
        let page = self.answered(&format!("/orders/{}/cancel", known.id), &[("sure", "yes")]).await;
        let region = page.as_ref().map(|page| page.region.clone()).unwrap_or_default();
        if page.as_ref().is_some_and(|page| page.status == StatusCode::NOT_FOUND) {
            self.ledger.note(|entries| entries.not_found += 1);
        }
        self.note_change(&known, done(page.as_ref()), |order| {
            order.status = "CANCELLED".into();
            *order.events.entry((region, CANCELLED)).or_default() += 1;
        });
    }

    /// Takes an item out of one of the orders, where it was placed.
    async fn change_one(&mut self) {
        let Some(known) = self.pick_here() else { return };
        self.browser.be(&known.customer);
        let mut line = None;
        self.ledger.note(|entries| {
            let lines = entries.orders.get(&known.id).and_then(|order| order.lines.as_ref());
            line = lines.filter(|lines| lines.len() > 1).and_then(|lines| lines.first().copied());
        });
        let Some(line) = line else { return };
        let page =
            self.answered(&format!("/orders/{}/remove", known.id), &[("line", &line.to_string())]).await;
        let region = page.as_ref().map(|page| page.region.clone()).unwrap_or_default();
        self.note_change(&known, done(page.as_ref()), |order| {
            order.removed.insert(line, region.clone());
            *order.events.entry((region, CHANGED)).or_default() += 1;
        });
    }

    /// Holds an order back in the Region that took over, which does not know that it was sent: its row is in conflict then.
    async fn hold_one(&mut self) {
        let pick = self.random.random_range(0..self.sent.len());
        let Some(region) = self.browser.region() else { return };
        if region == self.sent[pick].region || !self.holding.load(Ordering::Relaxed) {
            return;
        }
        let known = Known { region: region.clone(), ..self.sent.swap_remove(pick) };
        let held = self.set_status(&known, "HELD").await;
        self.note_change(&known, held, |order| {
            order.held = true;
            *order.events.entry((region, CHANGED)).or_default() += 1;
        });
    }

    /// An order that was placed in the Region that DNS answers with. It is changed once: a second change of the same order would hide
    /// whether the first was lost.
    fn pick_here(&mut self) -> Option<Known> {
        let pick = self.random.random_range(0..self.orders.len());
        let here = self.browser.region()? == self.orders[pick].region;
        here.then(|| self.orders.swap_remove(pick))
    }

    /// Whether it was done; `None`: not known.
    async fn set_status(&self, known: &Known, status: &str) -> Option<bool> {
        let path = format!("/orders/{}", known.id);
        let call = (Method::PATCH, path.as_str());
        let answer = self.browser.call(&known.region, "orders", call, &json!({"status": status})).await?;
        settled(answer)
    }

    fn note_change(&self, known: &Known, done: Option<bool>, change: impl FnOnce(&mut Order)) {
        self.ledger.note(|entries| match done {
            Some(true) => {
                entries.orders.get_mut(&known.id).map(change);
            }
            Some(false) => {}
            None => {
                entries.changes_in_doubt.insert(known.id.clone());
            }
        });
    }

    /// A page that is what was asked for, or what came of a form with fields.
    async fn seen(&mut self, path: &str, fields: Fields<'_>) -> Option<Page> {
        self.answered(path, fields).await.filter(Page::is_good)
    }

    /// An answer, also one that says no. `None` where there was none, or an error of the shop's own: that is noted.
    async fn answered(&mut self, path: &str, fields: Fields<'_>) -> Option<Page> {
        let page = match fields {
            [] => self.browser.get(path).await,
            fields => self.browser.post(path, fields).await,
        };
        let at = self.started.elapsed();
        let page = page.filter(|page| !page.status.is_server_error());
        let customer = self.customer();
        self.ledger.note(|entries| match page {
            Some(_) => entries.answers += 1,
            None => entries.failed(&customer, at),
        });
        page
    }

    fn customer(&self) -> String {
        self.browser.visitor().unwrap_or("somebody").to_owned()
    }
}

/// Whether a form did what it is for; `None`: not known. An error may hide that it was done.
fn done(page: Option<&Page>) -> Option<bool> {
    page.map(|page| page.status == StatusCode::SEE_OTHER)
}

/// The same of an answer of a service.
fn settled(status: StatusCode) -> Option<bool> {
    match status {
        status if status.is_success() => Some(true),
        status if status.is_client_error() => Some(false),
        _ => None,
    }
}

/// The lines that an order's page has forms for.
fn lines(page: &str) -> BTreeSet<u64> {
    let values = page.split(r#"name="line" value=""#).skip(1);
    values.filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
}

/// What an order's page says that it comes to: the last amount of its sums.
fn total(page: &str) -> Option<String> {
    let sums = page.split("Total").last()?;
    let amount = sums.split('$').nth(1)?;
    Some(amount.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect())
}

/// How many things a page says that the cart has.
pub(super) fn things(page: &str) -> u64 {
    let count = page.split(r#"class="count">"#).nth(1);
    let digits = count.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_a_customer_reads_them() {
        let page = r#"<span class="count">4<span class="hush"> things</span></span>
            <input type="hidden" name="line" value="1"><input type="hidden" name="line" value="3">
            <dt>Subtotal</dt><dd>$10.00</dd><dt>Total</dt><dd>$12.50</dd>"#;
        assert_eq!(lines(page), [1, 3].into());
        assert_eq!(total(page).as_deref(), Some("12.50"));
        assert_eq!(things(page), 4);
        assert_eq!(things("no cart"), 0);
    }
}
