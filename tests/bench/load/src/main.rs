//! `shop-load URL browse|order|place CUSTOMERS SECONDS`: customers who wait for nothing but the shop's answers, each in a browser of
//! their own; with `place`, orders given to the service `orders` itself, at its URL. Prints what they saw, as JSON: requests, errors (any answer that is not what was asked for), whole flows, and how long a
//! request and a flow took (median and 99th percentile, in milliseconds).

#![expect(clippy::print_stdout, reason = "this is its output")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is ordered: two products.
const LINES: usize = 2;

/// What a customer does over and over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Looks at three pages.
    Browse,
    /// Looks at two products, puts them into the cart, orders, and looks at the order.
    Order,
    /// Places an order by the service itself.
    Place,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Duration>,
    flows: Vec<Duration>,
    errors: usize,
}

struct Customer {
    client: Client,
    shop: String,
    products: Vec<String>,
    visitor: Option<String>,
    next: usize,
    seen: Seen,
}

impl Customer {
    /// Opens a page, or sends a form; where the answer leads, an empty text if nowhere.
    async fn ask(&mut self, path: &str, form: &[(&str, &str)]) -> Result<String, Error> {
        let url = format!("{}{path}", self.shop);
        let mut request = if form.is_empty() {
            self.client.get(url)
        } else {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            self.client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
        };
        if let Some(visitor) = &self.visitor {
            request = request.header(COOKIE, visitor);
        }
        let begun = Instant::now();
        let answer = request.send().await?;
        let expected = if form.is_empty() { StatusCode::OK } else { StatusCode::SEE_OTHER };
        let (status, headers) = (answer.status(), answer.headers().clone());
        answer.bytes().await?;
        self.seen.requests.push(begun.elapsed());
        if status != expected {
            return Err(format!("{path}: {status}").into());
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(cookie) = text(SET_COOKIE).and_then(|cookie| cookie.split(';').next()) {
            self.visitor = Some(cookie.to_owned());
        }
        Ok(text(LOCATION).unwrap_or_default().to_owned())
    }

    fn product(&mut self) -> String {
        self.next += 1;
        self.products[self.next % self.products.len()].clone()
    }

    async fn place(&mut self) -> Result<(), Error> {
        let item =
            |product: &str| json!({"productId": product, "name": product, "quantity": 1, "unitCost": "64"});
        let lines: Vec<_> = (0..LINES).map(|number| item(&format!("product-{number}"))).collect();
        let order = json!({
            "customerId": format!("customer-{}", self.next),
            "shippingAddress": {
                "firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com",
                "address1": "12 St James’s Square", "address2": "", "city": "London", "state": "", "zipCode": "SW1Y 4JH",
            },
            "items": lines,
        });
        let begun = Instant::now();
        let answer = self.client.post(format!("{}/orders", self.shop)).json(&order).send().await?;
        let status = answer.status();
        answer.bytes().await?;
        self.seen.requests.push(begun.elapsed());
        if status.is_success() { Ok(()) } else { Err(status.as_str().into()) }
    }

    async fn browse(&mut self) -> Result<(), Error> {
        let product = self.product();
        self.ask("/", &[]).await?;
        self.ask("/catalog", &[]).await?;
        self.ask(&format!("/catalog/{product}"), &[]).await?;
        Ok(())
    }

    async fn order(&mut self) -> Result<(), Error> {
        self.visitor = None;
        for _ in 0..LINES {
            let product = self.product();
            self.ask(&format!("/catalog/{product}"), &[]).await?;
            self.ask("/cart", &[("productId", &product), ("quantity", "1")]).await?;
        }
        let address = [
            ("firstName", "Ada"),
            ("lastName", "Lovelace"),
            ("email", "ada@example.com"),
            ("address1", "12 St James’s Square"),
            ("city", "London"),
            ("zipCode", "SW1Y 4JH"),
        ];
        self.ask("/checkout", &address).await?;
        self.ask("/checkout/delivery", &[("token", "priority-mail")]).await?;
        let card = [
            ("cardHolder", "Ada Lovelace"),
            ("cardNumber", "1234567890123456"),
            ("expiryDate", "01/35"),
            ("cvc", "123"),
        ];
        let order = self.ask("/checkout/payment", &card).await?;
        self.ask(&order, &[]).await?;
        Ok(())
    }

    /// Goes on until then.
    async fn run(mut self, flow: Flow, end: Instant) -> Seen {
        while Instant::now() < end {
            let begun = Instant::now();
            let done = match flow {
                Flow::Browse => self.browse().await,
                Flow::Order => self.order().await,
                Flow::Place => self.place().await,
            };
            match done {
                Ok(()) => self.seen.flows.push(begun.elapsed()),
                Err(_) => self.seen.errors += 1,
            }
        }
        self.seen
    }
}

/// The products that the catalogue's first page shows.
async fn products(client: &Client, shop: &str) -> Result<Vec<String>, Error> {
    let page = client.get(format!("{shop}/catalog")).send().await?.error_for_status()?.text().await?;
    let links = page.split("href=\"/catalog/").skip(1).filter_map(|rest| rest.split('"').next());
    let products: Vec<String> = links.filter(|link| !link.contains(['?', '/'])).map(str::to_owned).collect();
    if products.is_empty() { Err("the catalogue is empty".into()) } else { Ok(products) }
}

/// Milliseconds of the `percent`th of a hundred.
fn millis(of: &mut [Duration], percent: usize) -> Option<f64> {
    of.sort_unstable();
    let place = (of.len() * percent / 100).min(of.len().checked_sub(1)?);
    Some((of[place].as_secs_f64() * 100_000.0).round() / 100.0)
}

async fn run(arguments: &[String]) -> Result<(), Error> {
    let [shop, flow, customers, seconds] = arguments else {
        return Err("shop-load URL browse|order|place CUSTOMERS SECONDS".into());
    };
    let flow = match flow.as_str() {
        "browse" => Flow::Browse,
        "order" => Flow::Order,
        "place" => Flow::Place,
        other => return Err(format!("there is no flow {other}").into()),
    };
    let client = Client::builder().redirect(Policy::none()).build()?;
    let products = if flow == Flow::Place { Vec::new() } else { products(&client, shop).await? };
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds.parse()?);
    let mut running = JoinSet::new();
    for number in 0..customers.parse()? {
        let customer = Customer {
            client: client.clone(),
            shop: shop.clone(),
            products: products.clone(),
            visitor: None,
            next: number,
            seen: Seen::default(),
        };
        running.spawn(customer.run(flow, end));
    }
    let mut all = Seen::default();
    while let Some(seen) = running.join_next().await {
        let seen = seen?;
        all.requests.extend(seen.requests);
        all.flows.extend(seen.flows);
        all.errors += seen.errors;
    }
    let took = begun.elapsed().as_secs_f64();
    let (requests, flows) = (all.requests.len(), all.flows.len());
    println!(
        "{}",
        json!({
            "seconds": took, "requests": requests, "flows": flows, "errors": all.errors,
            "request": [millis(&mut all.requests, 50), millis(&mut all.requests, 99)],
            "flow": [millis(&mut all.flows, 50), millis(&mut all.flows, 99)],
        })
    );
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop-load: {error}");
            ExitCode::FAILURE
        }
    }
}
