//! Checkouts, out of Redis: what a customer is about to order. Paths and JSON are those of the retail store sample's checkout.
//!
//! | | |
//! |---|---|
//! | `GET /checkout/{customer}` | the checkout, 404 when there is none (or it has expired) |
//! | `POST /checkout/{customer}/update` | its items, address and delivery; totals are computed |
//! | `POST /checkout/{customer}/submit` | makes an order of it; the payment is simulated |
//!
//! # What it promises
//! A checkout has an id, which is the idempotency key of its order: submitted twice, also where the first answer was lost, it is one
//! order. One that has become an order stays that; an update begins a new one, also an update while it is being submitted. A card whose number ends in 0002 is declined.
//!
//! # What a failure leaves
//! Without Redis everything answers 503 and nothing is ordered. Without `orders` the checkout stays as it is.

mod store;
mod totals;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::{
    Checkout, CheckoutAddress, CheckoutRequest, NewOrder, Order, OrderItem, Payment, ShippingRates, Submitted,
};
use crate::calls::{IDEMPOTENCY_KEY, Other};
use crate::input::{self, At, identifier, optional_text, text};
use crate::metrics::Counted;
use crate::problem::Problem;
use crate::service::{Service, dependency};
use store::{Held, Store};
use totals::{deliveries, priced, totals};

/// What the checkout needs to know.
#[derive(Args, Debug, Clone)]
pub struct CheckoutSettings {
    /// URL of Redis
    #[arg(long, env = "RETAIL_CHECKOUT_PERSISTENCE_REDIS_URL", hide_env_values = true)]
    pub redis: String,
    /// URL of the service orders
    #[arg(long, env = "RETAIL_CHECKOUT_ENDPOINTS_ORDERS")]
    pub orders: String,
}

#[derive(Clone)]
struct Checkouts {
    store: Store,
    orders: Other,
}

/// The service.
///
/// # Errors
/// When a URL is none.
pub fn service(settings: &CheckoutSettings) -> Result<Service, Box<dyn std::error::Error + Send + Sync>> {
    let checkouts =
        Checkouts { store: Store::new(&settings.redis)?, orders: Other::new("orders", &settings.orders)? };
    let looked = checkouts.store.clone();
    let redis = dependency("redis", move || {
        let store = looked.clone();
        async move { store.look().await }
    });
    let dependencies = vec![redis, checkouts.orders.dependency()];
    let routes = Router::new()
        .route("/checkout/{customer}", get(look))
        .route("/checkout/{customer}/update", post(update))
        .route("/checkout/{customer}/submit", post(submit))
        .with_state(checkouts);
    Ok(Service { name: "checkout", routes, dependencies, metrics: Counted::default().metrics() })
}

fn none() -> Problem {
    Problem::not_found("checkout: it was not begun, or has expired")
}

async fn look(
    State(checkouts): State<Checkouts>,
    At(customer): At<String>,
) -> Result<Json<Checkout>, Problem> {
    let held = checkouts.store.get(identifier("customerId", &customer)?).await?;
    held.map(|held| Json(held.checkout)).ok_or_else(none)
}

async fn update(
    State(checkouts): State<Checkouts>,
    At(customer): At<String>,
    input::Json(request): input::Json<CheckoutRequest>,
) -> Result<(StatusCode, Json<Checkout>), Problem> {
    let customer = identifier("customerId", &customer)?;
    let items = priced(request.items)?;
    let address = request.shipping_address.as_ref().map(checked).transpose()?;
    let ways = deliveries();
    let chosen = match &request.delivery_option_token {
        None => None,
        Some(token) => {
            let way = ways.iter().find(|way| way.token == *token);
            Some(way.ok_or_else(|| Problem::bad("deliveryOptionToken", "There is no such delivery."))?)
        }
    };
    let totals = totals(&items, chosen)?;
    let held = checkouts.store.get(customer).await?;
    let open = held.as_ref().map(|held| &held.checkout).filter(|checkout| checkout.order_id.is_none());
    let id = open.map_or_else(|| Uuid::new_v4().to_string(), |checkout| checkout.id.clone());
    let checkout = Checkout {
        shipping_rates: address
            .is_some()
            .then(|| ShippingRates { shipment_id: id.clone(), rates: ways.clone() }),
        id,
        items,
        shipping_address: address,
        delivery_option_token: request.delivery_option_token,
        subtotal: totals.subtotal,
        shipping: totals.shipping,
        tax: totals.tax,
        total: totals.total,
        order_id: None,
    };
    checkouts.store.put(customer, held.as_ref(), &checkout).await?;
    Ok((StatusCode::CREATED, Json(checkout)))
}

/// An address whose every part fits.
fn checked(address: &CheckoutAddress) -> Result<CheckoutAddress, Problem> {
    let email = text("email", &address.email, 120)?;
    if !email.contains('@') {
        return Err(Problem::bad("email", "email is not an e-mail address."));
    }
    Ok(CheckoutAddress {
        first_name: text("firstName", &address.first_name, 60)?.into(),
        last_name: text("lastName", &address.last_name, 60)?.into(),
        address1: text("address1", &address.address1, 120)?.into(),
        address2: optional_text("address2", &address.address2, 120)?.into(),
        city: text("city", &address.city, 80)?.into(),
        state: optional_text("state", &address.state, 40)?.into(),
        zip: text("zip", &address.zip, 20)?.into(),
        email: email.into(),
    })
}

#[derive(Deserialize)]
struct Paid {
    payment: Option<Payment>,
}

async fn submit(
    State(checkouts): State<Checkouts>,
    At(customer): At<String>,
    body: Option<input::Json<Paid>>,
) -> Result<(StatusCode, Json<Submitted>), Problem> {
    let customer = identifier("customerId", &customer)?;
    let held = checkouts.store.get(customer).await?.ok_or_else(none)?;
    if held.checkout.order_id.is_none()
        && let Some(payment) = body.and_then(|input::Json(paid)| paid.payment)
    {
        pay(&payment)?;
    }
    let order_id = match &held.checkout.order_id {
        Some(id) => id.clone(),
        None => order(&checkouts, customer, &held).await?,
    };
    let Checkout { shipping_address, items, subtotal, shipping, tax, total, .. } = held.checkout;
    let email = shipping_address.map(|address| address.email).unwrap_or_default();
    Ok((StatusCode::CREATED, Json(Submitted { order_id, email, items, subtotal, shipping, tax, total })))
}

/// Pretends to pay.
fn pay(payment: &Payment) -> Result<(), Problem> {
    text("cardHolder", &payment.card_holder, 120)?;
    let digits = |field: &str, text: &str, lengths: std::ops::RangeInclusive<usize>| {
        let plain: String = text.chars().filter(|c| *c != ' ').collect();
        let fits = lengths.contains(&plain.len()) && plain.bytes().all(|byte| byte.is_ascii_digit());
        if fits {
            Ok(plain)
        } else {
            Err(Problem::bad(field, format!("{field} has another number of digits.")))
        }
    };
    let number = digits("cardNumber", &payment.card_number, 12..=19)?;
    digits("cvc", &payment.cvc, 3..=4)?;
    let date = payment.expiry_date.split_once('/');
    let month = date.and_then(|(month, year)| month.parse::<u8>().ok().filter(|_| year.len() == 2));
    if !month.is_some_and(|month| (1..=12).contains(&month)) {
        return Err(Problem::bad("expiryDate", "expiryDate has to be a month and a year, such as 01/35."));
    }
    if number.ends_with("0002") { Err(Problem::declined()) } else { Ok(()) }
}

/// Places the order, and keeps that the checkout has become one.
async fn order(checkouts: &Checkouts, customer: &str, held: &Held) -> Result<String, Problem> {
    let checkout = &held.checkout;
    let missing = |field: &str| Problem::bad(field, format!("The checkout has no {field} yet."));
    let address = checkout.shipping_address.clone().ok_or_else(|| missing("shippingAddress"))?;
    if checkout.delivery_option_token.is_none() {
        return Err(missing("deliveryOptionToken"));
    }
    let items = checkout.items.iter().map(|item| OrderItem {
        line: 0,
        product_id: item.id.clone(),
        name: Some(item.name.clone()),
        quantity: item.quantity,
        unit_cost: item.price,
        total_cost: item.total_cost,
    });
    let new = NewOrder {
        customer_id: Some(customer.to_owned()),
        shipping_address: address.into(),
        items: items.collect(),
        shipping: checkout.shipping,
        tax: checkout.tax,
    };
    let mut headers = HeaderMap::new();
    let key = HeaderValue::from_str(&checkout.id).map_err(|error| Problem::fault(&error))?;
    headers.insert(HeaderName::from_static(IDEMPOTENCY_KEY), key);
    let placed: Order = checkouts.orders.post_with("/orders", &headers, &new).await?;
    // The order stands. What fails here only makes the next submission ask for it once more, by its key.
    if let Err(problem) = close(checkouts, customer, held, &placed.id).await {
        tracing::warn!(cause = problem.detail, "the checkout could not be closed");
    }
    Ok(placed.id)
}

/// Keeps that a checkout has become an order. One that was changed meanwhile goes on under another id: what is in it now is not
/// ordered.
async fn close(checkouts: &Checkouts, customer: &str, held: &Held, order: &str) -> Result<(), Problem> {
    let done = Checkout { order_id: Some(order.to_owned()), ..held.checkout.clone() };
    match checkouts.store.put(customer, Some(held), &done).await {
        Err(problem) if problem.status == StatusCode::CONFLICT.as_u16() => {}
        kept => return kept,
    }
    let is_open = |there: &Held| there.checkout.id == done.id && there.checkout.order_id.is_none();
    match checkouts.store.get(customer).await?.filter(is_open) {
        Some(there) => {
            let other = Checkout { id: Uuid::new_v4().to_string(), ..there.checkout.clone() };
            checkouts.store.put(customer, Some(&there), &other).await
        }
        // Submitted twice at once: the other has closed it.
        None => Ok(()),
    }
}
