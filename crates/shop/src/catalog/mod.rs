//! The catalogue: products and their tags, out of Aurora. Paths and JSON are those of the retail store sample's catalogue.
//!
//! | | |
//! |---|---|
//! | `GET /catalog/products?tags&order&page&size` | a page of products, by name or by `price_asc`, `price_desc` |
//! | `GET /catalog/products/{id}` | one |
//! | `GET /catalog/size?tags` | how many there are |
//! | `GET /catalog/tags` | every tag |
//! | `GET /catalog/search?keyword&page&size` | those with the keyword in their name or description |
//! | `POST /catalog/reindex` | nothing is to be done: the search asks the database |
//! | `POST /catalog/products/{id}/tags` `{"name"}` | ours: gives a product a tag |
//!
//! In a Region that stands by, everything but the last works: its database can be read.

mod seed;
mod store;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{CatalogSize, Product, Tag};
use crate::database::{Database, DatabaseSettings, StoreError};
use crate::input::{self, Asked, At};
use crate::metrics::Counted;
use crate::problem::Problem;
use crate::schema::Schema;
use crate::service::Service;
use store::{Order, Store, Wanted};

/// The catalogue's tables.
pub const SCHEMA: Schema =
    Schema { witness: "product_tag", tables: include_str!("schema.sql"), rows: Some(seed::statements) };

/// The service. Has to be called inside of a runtime.
///
/// # Errors
/// When the settings make no address.
pub fn service(settings: &DatabaseSettings) -> Result<Service, sqlx::Error> {
    let database = Database::new(settings)?;
    tokio::spawn(SCHEMA.ensure(database.clone()));
    let looked = database.dependency();
    let routes = Router::new()
        .route("/catalog/products", get(products))
        .route("/catalog/products/{id}", get(product))
        .route("/catalog/products/{id}/tags", post(give_tag))
        .route("/catalog/size", get(size))
        .route("/catalog/tags", get(tags))
        .route("/catalog/search", get(search))
        .route("/catalog/reindex", post(async || Json(json!({"message": "reindex completed successfully"}))))
        .with_state(Store(database));
    Ok(Service { name: "catalog", routes, dependencies: vec![looked], metrics: Counted::default().metrics() })
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    tags: String,
    #[serde(default)]
    order: String,
    #[serde(default = "one")]
    page: i64,
    #[serde(default = "ten")]
    size: i64,
    #[serde(default)]
    keyword: String,
}

const fn one() -> i64 {
    1
}

const fn ten() -> i64 {
    10
}

/// Products of a page, at most.
const MOST: i64 = 100;

impl Listed {
    fn wanted(self) -> Result<Wanted, Problem> {
        let tags: Vec<String> =
            self.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        if tags.len() > 20 {
            return Err(Problem::bad("tags", "More than 20 tags."));
        }
        for tag in &tags {
            input::text("tags", tag, 40)?;
        }
        let order = match self.order.as_str() {
            "price_asc" => Order::PriceUp,
            "price_desc" => Order::PriceDown,
            // As the sample: whatever else is asked is the order by name.
            _ => Order::Name,
        };
        if !(1..=MOST).contains(&self.size) {
            return Err(Problem::bad("size", format!("size has to be 1 to {MOST}.")));
        }
        let skip = (self.page - 1).checked_mul(self.size).filter(|skip| (0..=1_000_000).contains(skip));
        let skip = skip.ok_or_else(|| {
            Problem::bad("page", "page has to be 1 or more, and not beyond a million products.")
        })?;
        Ok(Wanted { tags, keyword: None, order, skip, most: self.size })
    }
}

fn refused(error: &StoreError) -> Problem {
    error.problem("catalogue")
}

async fn products(
    State(store): State<Store>,
    Asked(listed): Asked<Listed>,
) -> Result<Json<Vec<Product>>, Problem> {
    let wanted = listed.wanted()?;
    store.products(&wanted).await.map(Json).map_err(|error| refused(&error))
}

async fn product(State(store): State<Store>, At(id): At<String>) -> Result<Json<Product>, Problem> {
    let found = match input::identifier("id", &id) {
        Ok(id) => store.product(id).await.map_err(|error| refused(&error))?,
        // What can't be an id is the id of nothing.
        Err(_) => None,
    };
    found.map(Json).ok_or_else(|| Problem::not_found("product"))
}

async fn size(
    State(store): State<Store>,
    Asked(listed): Asked<Listed>,
) -> Result<Json<CatalogSize>, Problem> {
    let wanted = listed.wanted()?;
    let size = store.size(&wanted).await.map_err(|error| refused(&error))?;
    Ok(Json(CatalogSize { size }))
}

async fn tags(State(store): State<Store>) -> Result<Json<Vec<Tag>>, Problem> {
    store.tags().await.map(Json).map_err(|error| refused(&error))
}

async fn search(
    State(store): State<Store>,
    Asked(listed): Asked<Listed>,
) -> Result<Json<Vec<Product>>, Problem> {
    let keyword = input::text("keyword", &listed.keyword, 80)?.to_owned();
    let wanted = Wanted { keyword: Some(keyword), ..listed.wanted()? };
    store.products(&wanted).await.map(Json).map_err(|error| refused(&error))
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn give_tag(
    State(store): State<Store>,
    At(id): At<String>,
    input::Json(tag): input::Json<Named>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = input::identifier("id", &id)?;
    let name = input::text("name", &tag.name, 40)?;
    match store.give_tag(id, name).await.map_err(|error| refused(&error))? {
        true => Ok((StatusCode::CREATED, Json(json!({"product": id, "name": name})))),
        false => Err(Problem::not_found("product, or tag")),
    }
}
