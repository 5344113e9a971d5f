//! Carts, out of DynamoDB. Paths and JSON are those of the retail store sample's carts.
//!
//! | | |
//! |---|---|
//! | `GET`, `DELETE /carts/{customer}` | the cart; empties it |
//! | `GET /carts/{customer}/merge?sessionId` | puts a visitor's cart into the customer's, at sign-in |
//! | `GET`, `POST`, `PATCH /carts/{customer}/items` | what is in it; adds to it; changes a quantity |
//! | `GET`, `DELETE /carts/{customer}/items/{product}` | one of them; takes it out |
//!
//! Items have `version`, `updatedAt` and `region` beyond the sample's members; a `PATCH` with a version is refused with 409 when
//! somebody else was there first.

mod store;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use crate::api::{Cart, CartItem};
use crate::aws::sdk_config;
use crate::input::{self, Asked, At, identifier};
use crate::metrics::Counted;
use crate::problem::Problem;
use crate::service::{Service, dependency};
use store::{MOST_PRODUCTS, Store};

/// Where the carts are.
#[derive(Args, Debug, Clone)]
pub struct CartsSettings {
    /// Name of the DynamoDB table
    #[arg(long, env = "RETAIL_CART_PERSISTENCE_DYNAMODB_TABLE_NAME", default_value = "carts")]
    pub table: String,
}

/// The service. DynamoDB's endpoint, Region and credentials come from the environment, as for every AWS tool.
pub async fn service(settings: &CartsSettings, region: &str) -> Service {
    let store = Store::new(&sdk_config().await, &settings.table, region);
    let looked = store.clone();
    let routes = Router::new()
        .route("/carts/{customer}", get(cart).delete(clear))
        .route("/carts/{customer}/merge", get(merge))
        .route("/carts/{customer}/items", get(items).post(add).patch(set))
        .route("/carts/{customer}/items/{product}", get(item).delete(remove))
        .with_state(store);
    let table = dependency("table", move || {
        let store = looked.clone();
        async move { store.look().await }
    });
    Service { name: "carts", routes, dependencies: vec![table], metrics: Counted::default().metrics() }
}

/// What names this request to the store.
fn request() -> String {
    Uuid::new_v4().to_string()
}

async fn cart(State(store): State<Store>, At(customer): At<String>) -> Result<Json<Cart>, Problem> {
    let items = store.items(identifier("customerId", &customer)?).await?;
    Ok(Json(Cart { customer_id: customer, items }))
}

async fn clear(
    State(store): State<Store>,
    At(customer): At<String>,
) -> Result<(StatusCode, Json<Cart>), Problem> {
    store.clear(identifier("customerId", &customer)?).await?;
    Ok((StatusCode::ACCEPTED, Json(Cart { customer_id: customer, items: Vec::new() })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: String,
}

async fn merge(
    State(store): State<Store>,
    At(customer): At<String>,
    Asked(session): Asked<Session>,
) -> Result<StatusCode, Problem> {
    let visitor = identifier("sessionId", &session.session_id)?;
    store.merge(visitor, identifier("customerId", &customer)?, &request()).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn items(State(store): State<Store>, At(customer): At<String>) -> Result<Json<Vec<CartItem>>, Problem> {
    store.items(identifier("customerId", &customer)?).await.map(Json)
}

async fn item(
    State(store): State<Store>,
    At((customer, product)): At<(String, String)>,
) -> Result<Json<CartItem>, Problem> {
    let (customer, product) = (identifier("customerId", &customer)?, identifier("itemId", &product)?);
    store.item(customer, product).await?.map(Json).ok_or_else(|| Problem::not_found("product in the cart"))
}

/// What is asked of an item, checked.
fn checked(item: &CartItem) -> Result<(), Problem> {
    identifier("itemId", &item.item_id)?;
    input::quantity("quantity", item.quantity)?;
    if item.unit_price.is_negative() {
        return Err(Problem::bad("unitPrice", "unitPrice is less than nothing."));
    }
    Ok(())
}

async fn add(
    State(store): State<Store>,
    At(customer): At<String>,
    input::Json(item): input::Json<CartItem>,
) -> Result<(StatusCode, Json<CartItem>), Problem> {
    let customer = identifier("customerId", &customer)?;
    checked(&item)?;
    // Not to be exceeded by much: two products that are added at once may be one too many.
    let there = store.items(customer).await?;
    if there.len() >= MOST_PRODUCTS && there.iter().all(|known| known.item_id != item.item_id) {
        let detail = format!("A cart takes {MOST_PRODUCTS} different products at most.");
        return Err(Problem::conflict(detail));
    }
    Ok((StatusCode::CREATED, Json(store.add(customer, &item, &request()).await?)))
}

async fn set(
    State(store): State<Store>,
    At(customer): At<String>,
    input::Json(item): input::Json<CartItem>,
) -> Result<(StatusCode, Json<CartItem>), Problem> {
    let customer = identifier("customerId", &customer)?;
    checked(&item)?;
    Ok((StatusCode::ACCEPTED, Json(store.set(customer, &item, &request()).await?)))
}

async fn remove(
    State(store): State<Store>,
    At((customer, product)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    store.remove(identifier("customerId", &customer)?, identifier("itemId", &product)?).await?;
    Ok(StatusCode::ACCEPTED)
}
