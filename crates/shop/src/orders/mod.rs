//! Orders, out of Aurora, with their events for others. Paths and JSON are those of the retail store sample's orders.
//!
//! | | |
//! |---|---|
//! | `GET /orders?customerId` | the newest twenty: of a customer, or of all |
//! | `POST /orders` | places one; with `Idempotency-Key`, once however often it is asked |
//! | `GET /orders/{id}` | one |
//! | `PATCH /orders/{id}` `{"status"}` | `PAID` may become `SENT`, `HELD`, `CANCELLED`; `HELD` may become `PAID`, `SENT`, `CANCELLED` |
//! | `DELETE /orders/{id}/items/{line}` | takes an item out while it is `PAID` |
//!
//! # What it promises
//! An order, its items, its address and its event are written in one transaction. An event goes to the broker after that, however
//! often the service or the broker ends in between (`relay`).

pub mod event;
pub mod relay;
mod store;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{delete, get};
use axum::{Json, Router};
use clap::Args;
use http::{HeaderMap, StatusCode};
use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::api::{NewOrder, Order, OrderAddress, OrderItem, StatusChange};
use crate::calls::IDEMPOTENCY_KEY;
use crate::database::{Database, DatabaseSettings, StoreError};
use crate::input::{self, Asked, At, identifier, optional_text, text};
use crate::metrics::Counted;
use crate::problem::Problem;
use crate::schema::Schema;
use crate::service::Service;
use relay::Relay;
use store::{Changed, Placed, Store};

/// The tables of orders.
pub const SCHEMA: Schema =
    Schema { witness: "ORDER_EVENT_SENT", tables: include_str!("schema.sql"), rows: None };

/// What orders needs to know besides its database.
#[derive(Args, Debug, Clone)]
pub struct OrdersSettings {
    #[command(flatten)]
    database: DatabaseSettings,
    /// URL of RabbitMQ, amqp://USER:PASSWORD@HOST:PORT; without one, events wait in the outbox
    #[arg(long, env = "SHOP_BROKER_URL", hide_env_values = true)]
    broker: Option<String>,
    /// Seconds after which the log says how many orders were placed since it last did, for a metric of CloudWatch
    #[arg(long, env = "SHOP_METRIC_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    metric_seconds: u64,
}

/// Items of one order, at most.
const MOST: usize = 50;

#[derive(Clone)]
struct Orders {
    store: Store,
    news: Arc<Notify>,
    created: Counter,
}

/// The service. Has to be called inside of a runtime.
///
/// # Errors
/// When the settings make no address.
pub fn service(settings: &OrdersSettings, region: &str) -> Result<Service, sqlx::Error> {
    let database = Database::new(&settings.database)?;
    tokio::spawn(SCHEMA.ensure(database.clone()));
    let mut counted = Counted::default();
    let created = counted.counter("orders_created", "Orders that were placed");
    tokio::spawn(tell(created.clone(), Duration::from_secs(settings.metric_seconds)));
    let news = Arc::new(Notify::new());
    if let Some(broker) = &settings.broker {
        let relay = Relay {
            database: database.clone(),
            broker: broker.clone(),
            news: Arc::clone(&news),
            sent: counted.counter("events_sent", "Events that the broker has confirmed"),
            waiting: counted.gauge("events_waiting", "Events that wait for the broker, 100 at most"),
        };
        tokio::spawn(relay.run());
    } else {
        tracing::warn!("there is no broker: events wait in the outbox");
    }
    let dependencies = vec![database.dependency()];
    let store = Store { database, region: region.to_owned() };
    let routes = Router::new()
        .route("/orders", get(newest).post(place))
        .route("/orders/{id}", get(look).patch(set_status))
        .route("/orders/{id}/items/{line}", delete(remove_item))
        .with_state(Orders { store, news, created });
    Ok(Service { name: "orders", routes, dependencies, metrics: counted.metrics() })
}

/// Says again and again in the log how many orders were placed since, also when there were none: a metric filter makes CloudWatch's
/// metric of it (`$.metric`, `$.value`).
async fn tell(created: Counter, every: Duration) {
    let mut before = 0;
    loop {
        tokio::time::sleep(every).await;
        let now = created.get();
        tracing::info!(metric = "OrdersCreated", value = now - before, "counted");
        before = now;
    }
}

fn refused(error: &StoreError) -> Problem {
    error.problem("order service")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Of {
    customer_id: Option<String>,
}

async fn newest(State(orders): State<Orders>, Asked(of): Asked<Of>) -> Result<Json<Vec<Order>>, Problem> {
    let customer = of.customer_id.as_deref().map(|id| identifier("customerId", id)).transpose()?;
    orders.store.newest(customer).await.map(Json).map_err(|error| refused(&error))
}

async fn look(State(orders): State<Orders>, At(id): At<String>) -> Result<Json<Order>, Problem> {
    let found = match identifier("id", &id) {
        Ok(id) => orders.store.order(id).await.map_err(|error| refused(&error))?,
        Err(_) => None,
    };
    found.map(Json).ok_or_else(|| Problem::not_found("order"))
}

async fn place(
    State(orders): State<Orders>,
    headers: HeaderMap,
    input::Json(new): input::Json<NewOrder>,
) -> Result<Json<Order>, Problem> {
    let key = match headers.get(IDEMPOTENCY_KEY) {
        None => Uuid::new_v4().to_string(),
        Some(key) => {
            let key = key.to_str().map_err(|_| Problem::bad(IDEMPOTENCY_KEY, "It is no text."))?;
            identifier(IDEMPOTENCY_KEY, key)?.to_owned()
        }
    };
    let new = checked(new)?;
    let customer = new.customer_id.clone().unwrap_or_else(|| "unknown".to_owned());
    match orders.store.place(&new, &customer, &key).await.map_err(|error| refused(&error))? {
        Placed::New(order) => {
            orders.created.inc();
            orders.news.notify_one();
            Ok(Json(order))
        }
        Placed::Before(order) => Ok(Json(order)),
        Placed::KeyIsUsed => Err(Problem::conflict("The idempotency key was used for another order.")),
    }
}

/// An order whose every part fits, with lines and totals.
fn checked(new: NewOrder) -> Result<NewOrder, Problem> {
    if let Some(customer) = &new.customer_id {
        identifier("customerId", customer)?;
    }
    if new.items.is_empty() || new.items.len() > MOST {
        return Err(Problem::bad("items", format!("There have to be 1 to {MOST} items.")));
    }
    for (field, amount) in [("shipping", new.shipping), ("tax", new.tax)] {
        if amount.is_negative() {
            return Err(Problem::bad(field, format!("{field} is less than nothing.")));
        }
    }
    let items =
        (1..).zip(new.items).map(|(line, item)| checked_item(line, item)).collect::<Result<Vec<_>, _>>()?;
    let mut total = new.shipping.plus(new.tax);
    for item in &items {
        total = total.and_then(|total| total.plus(item.total_cost));
    }
    total.ok_or_else(|| Problem::bad("items", "The items cost more than anybody can pay."))?;
    Ok(NewOrder { shipping_address: checked_address(&new.shipping_address)?, items, ..new })
}

fn checked_item(line: i64, item: OrderItem) -> Result<OrderItem, Problem> {
    let field = |name: &str| format!("items[{}].{name}", line - 1);
    identifier(&field("productId"), &item.product_id)?;
    let name = optional_text(&field("name"), item.name.as_deref().unwrap_or_default(), 80)?.to_owned();
    let quantity = input::quantity(&field("quantity"), item.quantity)?;
    if item.unit_cost.is_negative() {
        return Err(Problem::bad(&field("unitCost"), "The price is less than nothing."));
    }
    let total_cost = item.unit_cost.times(quantity);
    let total_cost = total_cost.ok_or_else(|| Problem::bad(&field("unitCost"), "The price is too high."))?;
    Ok(OrderItem { line, name: Some(name), total_cost, ..item })
}

fn checked_address(address: &OrderAddress) -> Result<OrderAddress, Problem> {
    Ok(OrderAddress {
        first_name: text("firstName", &address.first_name, 60)?.into(),
        last_name: text("lastName", &address.last_name, 60)?.into(),
        email: text("email", &address.email, 120)?.into(),
        address1: text("address1", &address.address1, 120)?.into(),
        address2: optional_text("address2", &address.address2, 120)?.into(),
        city: text("city", &address.city, 80)?.into(),
        zip_code: text("zipCode", &address.zip_code, 20)?.into(),
        state: optional_text("state", &address.state, 40)?.into(),
    })
}

async fn set_status(
    State(orders): State<Orders>,
    At(id): At<String>,
    input::Json(change): input::Json<StatusChange>,
) -> Result<Json<Order>, Problem> {
    let id = identifier("id", &id)?;
    answer(&orders, orders.store.set_status(id, change.status).await)
}

async fn remove_item(
    State(orders): State<Orders>,
    At((id, line)): At<(String, i64)>,
) -> Result<(StatusCode, Json<Order>), Problem> {
    let id = identifier("id", &id)?;
    answer(&orders, orders.store.remove_item(id, line).await).map(|order| (StatusCode::OK, order))
}

fn answer(orders: &Orders, changed: Result<Changed, StoreError>) -> Result<Json<Order>, Problem> {
    match changed.map_err(|error| refused(&error))? {
        Changed::Done(order) => {
            orders.news.notify_one();
            Ok(Json(*order))
        }
        Changed::NotFound => Err(Problem::not_found("order, or item in it")),
        Changed::Refused(status) => {
            Err(Problem::conflict(format!("The order is {}: it can't be changed so.", status.name())))
        }
        Changed::LastItem => Err(Problem::conflict("It is the order's last item: cancel the order instead.")),
    }
}
