//! The pages that customers see. They need no script, and each part that is unavailable says so in its place.
//!
//! | | |
//! |---|---|
//! | `GET /`, `/home`, `/catalog`, `/catalog/search`, `/catalog/{id}` | looking around |
//! | `GET`, `POST /cart`, `POST /cart/change`, `/cart/remove` | the cart |
//! | `GET`, `POST /checkout`, `/checkout/delivery`, `/checkout/payment` | address, delivery, payment |
//! | `GET /orders`, `/orders/{id}`, `POST /orders/{id}/cancel`, `/orders/{id}/remove` | my orders |
//! | `GET`, `POST /sign-in`, `POST /sign-out` | who I am |
//! | `GET /assets/{file}` | pictures |
//!
//! Paths and forms are those of the retail store sample, so that its load generator works against them.
//!
//! A page is 200 when what it is for is there, 503 with `Retry-After` when not; it is a page all the same. No answer has a fault's
//! cause in it.

mod account;
mod browse;
mod cart;
mod checkout;
mod orders;
pub mod pages;
mod session;
mod shop;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, middleware};
use clap::Args;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue};

use crate::calls::Other;
use crate::metrics::Counted;
use crate::problem::Problem;
use crate::service::Service;
use session::Session;
use shop::Shop;

/// Names the Region that served a page, for whoever finds the shop by a name that leads to either.
pub const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// Where the other services are.
#[derive(Args, Debug, Clone)]
pub struct UiSettings {
    /// URL of the service catalog
    #[arg(long, env = "RETAIL_UI_ENDPOINTS_CATALOG")]
    pub catalog: String,
    /// URL of the service carts
    #[arg(long, env = "RETAIL_UI_ENDPOINTS_CARTS")]
    pub carts: String,
    /// URL of the service checkout
    #[arg(long, env = "RETAIL_UI_ENDPOINTS_CHECKOUT")]
    pub checkout: String,
    /// URL of the service orders
    #[arg(long, env = "RETAIL_UI_ENDPOINTS_ORDERS")]
    pub orders: String,
    /// URL of the service assets
    #[arg(long, env = "RETAIL_UI_ENDPOINTS_ASSETS")]
    pub assets: String,
}

/// The service.
///
/// # Errors
/// When the system has no randomness for a client.
pub fn service(settings: &UiSettings, region: &str) -> Result<Service, reqwest::Error> {
    let shop = Shop {
        catalog: Other::new("catalog", &settings.catalog)?,
        carts: Other::new("carts", &settings.carts)?,
        checkout: Other::new("checkout", &settings.checkout)?,
        orders: Other::new("orders", &settings.orders)?,
        assets: Other::new("assets", &settings.assets)?,
        region: region.to_owned(),
    };
    let all = [&shop.catalog, &shop.carts, &shop.checkout, &shop.orders, &shop.assets];
    let dependencies = all.map(Other::dependency).into();
    let pages = Router::new()
        .route("/", get(browse::home))
        .route("/home", get(browse::home))
        .route("/catalog", get(browse::catalogue))
        .route("/catalog/search", get(browse::search))
        .route("/catalog/{id}", get(browse::product))
        .route("/cart", get(cart::look).post(cart::add))
        .route("/cart/change", post(cart::set))
        .route("/cart/remove", post(cart::remove))
        .route("/checkout", get(checkout::address).post(checkout::set_address))
        .route("/checkout/delivery", get(checkout::delivery).post(checkout::set_delivery))
        .route("/checkout/payment", get(checkout::payment).post(checkout::pay))
        .route("/orders", get(orders::list))
        .route("/orders/{id}", get(orders::look))
        .route("/orders/{id}/cancel", post(orders::cancel))
        .route("/orders/{id}/remove", post(orders::remove))
        .route("/sign-in", get(account::look).post(account::sign_in))
        .route("/sign-out", post(account::sign_out))
        .route("/{*anything}", get(nothing))
        .layer(from_fn(session::begun))
        .layer(middleware::map_response(not_kept));
    // A region that is no header's text is not said.
    let here = HeaderValue::from_str(region).ok();
    let says_where = move |mut response: Response| {
        let here = here.clone();
        async move {
            response.headers_mut().extend(here.map(|here| (SERVED_BY, here)));
            response
        }
    };
    let routes = pages
        .route("/assets/{*file}", get(browse::picture))
        .layer(from_fn(closed))
        .layer(middleware::map_response(says_where))
        .with_state(shop);
    Ok(Service { name: "ui", routes, dependencies, metrics: Counted::default().metrics() })
}

async fn nothing(State(shop): State<Shop>, session: Session) -> Response {
    shop.trouble(&session, &Problem::not_found("page"), "/").await
}

/// A page is somebody's own.
async fn not_kept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a browser may not do with an answer, whatever gets into it.
async fn closed(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
