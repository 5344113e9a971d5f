//! What is before the shop: a door for each Region, in place of its load balancer, and the shop's own address, in place of DNS.
//!
//! # The door
//! Passes requests on to the Region's `ui` while that is healthy (asked each second; two failures in a row are ill, one success is
//! well again), and answers 503 when it is not. It stays open while the Region is cut off: customers reach it, as they reach a load
//! balancer whose Region has lost its link to others.
//!
//! # The shop's address
//! A browser knows one name. Here it is one port, which passes each request on to the door of the Region that DNS answers with:
//! the first in order whose routing control is on, remembered for the record's time to live, as a browser's resolver does.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::account::REGIONS;
use crate::databases::ServerError;
use crate::databases::files::failed;
use crate::loopback::{guarded, listen};
use crate::world::World;

/// How often a door asks whether the pages are healthy, and how often they may not be.
const LOOK: Duration = Duration::from_secs(1);
const FAILURES: u32 = 2;
/// How long the pages are waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest request that is passed on.
const LARGEST: usize = 1_024 * 1_024;
/// What belongs to one connection, and is not passed on. The host that a browser asked is: beside it, a page's own forms are seen
/// to be its own.
const OF_A_CONNECTION: [HeaderName; 3] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];

/// A Region's door.
pub struct Door {
    url: String,
    client: Client,
    _end: DropGuard,
}

#[derive(Clone)]
struct Behind {
    client: Client,
    ui: String,
    healthy: Arc<AtomicBool>,
}

impl Door {
    /// Opens it before the pages at `ui`.
    pub(super) async fn open(region: &str, ui: &str) -> Result<Self, ServerError> {
        let client = client()?;
        let healthy = Arc::new(AtomicBool::new(true));
        let behind = Behind { client: client.clone(), ui: ui.to_owned(), healthy };
        let end = CancellationToken::new();
        tokio::spawn(end.clone().run_until_cancelled_owned(look_after(behind.clone())));
        let url = serve(Router::new().fallback(pass).with_state(behind), &end).await?;
        tracing::debug!(region, url, "a door is open");
        Ok(Self { url, client, _end: end.drop_guard() })
    }

    /// Waits until the pages are there that both databases are needed for: each is an error without its tables.
    pub(super) async fn ready(&self) {
        for page in ["/", "/orders"] {
            let is_there = async || {
                let answer = self.client.get(format!("{}{page}", self.url)).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            };
            while !is_there().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// The shop's own address.
pub struct Shop {
    url: String,
    _end: DropGuard,
}

#[derive(Clone)]
struct Resolver {
    client: Client,
    world: Arc<World>,
    doors: Arc<BTreeMap<&'static str, String>>,
    ttl: Duration,
    known: Arc<Mutex<Option<(String, Instant)>>>,
}

impl Shop {
    /// Opens it before the doors.
    pub(super) async fn open(
        world: Arc<World>,
        doors: BTreeMap<&'static str, String>,
        ttl: Duration,
    ) -> Result<Self, ServerError> {
        let resolver =
            Resolver { client: client()?, world, doors: Arc::new(doors), ttl, known: Arc::default() };
        let end = CancellationToken::new();
        let url = serve(Router::new().fallback(resolve).with_state(resolver), &end).await?;
        Ok(Self { url: url.replace("127.0.0.1", "localhost"), _end: end.drop_guard() })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Resolver {
    /// The door of the Region that DNS answers with.
    fn door(&self) -> Option<&str> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.as_ref().filter(|(_, at)| at.elapsed() < self.ttl);
        if fresh.is_none() {
            *known = self.world.resolve(&REGIONS).map(|region| (region, Instant::now()));
        }
        known.as_ref().and_then(|(region, _)| self.doors.get(region.as_str())).map(String::as_str)
    }
}

fn client() -> Result<Client, ServerError> {
    let built = Client::builder().redirect(Policy::none()).timeout(PATIENCE).build();
    built.map_err(|error| failed("no client for HTTP", error))
}

/// Serves on a port of loopback that the system chooses, until the token ends it; returns where that is.
async fn serve(router: Router, end: &CancellationToken) -> Result<String, ServerError> {
    let listener = listen().await.map_err(|error| failed("no port is free", error))?;
    let address = listener.local_addr().map_err(|error| failed("no port is free", error))?;
    let serving = axum::serve(listener, guarded(router)).into_future();
    tokio::spawn(end.clone().run_until_cancelled_owned(serving));
    Ok(format!("http://{address}"))
}

/// Asks the pages whether they are healthy, again and again.
async fn look_after(behind: Behind) {
    let mut failures = 0;
    loop {
        let answer = behind.client.get(format!("{}/health", behind.ui)).timeout(LOOK).send().await;
        failures = if answer.is_ok_and(|answer| answer.status().is_success()) { 0 } else { failures + 1 };
        behind.healthy.store(failures < FAILURES, Ordering::Relaxed);
        tokio::time::sleep(LOOK).await;
    }
}

async fn pass(State(behind): State<Behind>, request: Request) -> Response {
    // What is for inside only.
    let inside = ["/metrics", "/chaos", "/health"];
    if inside.iter().any(|path| request.uri().path().starts_with(path)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !behind.healthy.load(Ordering::Relaxed) {
        return closed(request.method(), "The health check of this Region’s shop fails.");
    }
    forward(&behind.client, &behind.ui, request).await
}

async fn resolve(State(resolver): State<Resolver>, request: Request) -> Response {
    match resolver.door() {
        Some(door) => forward(&resolver.client, door, request).await,
        None => closed(request.method(), "DNS answers with no Region: the routing control of each is off."),
    }
}

/// What a browser would say by itself where nothing answers. A page that was only looked at is tried again by itself.
fn closed(method: &Method, why: &'static str) -> Response {
    let again = if method == Method::GET { r#"<meta http-equiv="refresh" content="2">"# } else { "" };
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\">{again}<title>The shop can’t be reached</title></head>\n\
         <body style=\"font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem\">\n\
         <h1>The shop can’t be reached</h1>\n<p>{why}</p>\n</body></html>\n"
    );
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, HeaderValue::from_static("2"))], Html(page))
        .into_response()
}

/// Passes a request on, and its answer back.
async fn forward(client: &Client, to: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers;
    OF_A_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
    let method = parts.method;
    let asked = client.request(method.clone(), format!("{to}{path}")).headers(headers).body(body).send();
    let Ok(mut answer) = asked.await else { return closed(&method, "Nothing answers there.") };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    std::mem::swap(response.headers_mut(), answer.headers_mut());
    OF_A_CONNECTION.iter().for_each(|name| drop(response.headers_mut().remove(name)));
    match answer.bytes().await {
        Ok(bytes) => *response.body_mut() = Body::from(bytes),
        Err(_) => return closed(&method, "The answer broke off."),
    }
    response
}
