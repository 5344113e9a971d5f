//! What makes a service of a router: bounds, request ids, log, metrics, health, faults on demand, and an end in order.
//!
//! # Bounds
//! So many connections, which end when nothing has been said on them for a while; so many requests in a second and at once (more
//! are told 503), bodies of 64 KiB (413), ten seconds for a request (503). Health and metrics are told whatever the number of requests.
//!
//! A client that sends its headers byte by byte, each within that while, keeps a connection: axum has no bound for the whole of them.
//!
//! # Pages of other sites
//! A request that changes something is refused when the page of another site sends it (403). A service that listens on loopback
//! answers to this machine's own names only (421): a page in a browser can make a name of its own lead there.
//!
//! # Health
//! `/health` is 200 while the service runs, and says of each store and service that it depends on whether it answers: what is
//! unavailable there degrades what this service can do, and a restart would mend nothing. It is 503 once the service was told to
//! end, so that a load balancer takes it out first, and where a fault on demand says so.
//!
//! # End
//! On SIGTERM or SIGINT no connection is accepted any more; requests that run are answered, for ten seconds at most.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, serve};
use clap::Args;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::Authority;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{BoxError, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::bounded::Bounded;
use crate::chaos::Chaos;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::request::followed;

/// What every service is told.
#[derive(Args, Debug, Clone)]
pub struct Common {
    /// Address to listen at; port 0 is one that the system chooses, and the first line of the log says which
    #[arg(long, env = "SHOP_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// The Region that the service runs in
    #[arg(long, env = "AWS_REGION", default_value = "local")]
    pub region: String,
    /// Have the switches for faults on demand at /chaos
    #[arg(long, env = "SHOP_CHAOS")]
    pub chaos: bool,
    /// Connections at once, at most
    #[arg(long, env = "SHOP_MAX_CONNECTIONS", default_value_t = 1_024)]
    pub max_connections: usize,
    /// Requests at once, at most
    #[arg(long, env = "SHOP_MAX_REQUESTS", default_value_t = 256)]
    pub max_requests: usize,
    /// Requests in a second, at most
    #[arg(long, env = "SHOP_MAX_RATE", default_value = "1000")]
    pub max_rate: NonZeroU32,
    /// Seconds after which a connection ends on which nothing is said: longer than a load balancer keeps its own, and than a request
    /// takes
    #[arg(long, env = "SHOP_IDLE_SECONDS", default_value_t = 75)]
    pub idle_seconds: u64,
}

/// Looks whether a store or a service answers: its name, and the question. `Err` says in a few words what is the matter.
pub type Dependency = (&'static str, Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>);

/// A dependency of this name, looked at by `look`.
pub fn dependency<F>(name: &'static str, look: impl Fn() -> F + Send + Sync + 'static) -> Dependency
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    (name, Arc::new(move || look().boxed()))
}

/// A service that is ready to run.
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// What it answers.
    pub routes: Router,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// What it counts.
    pub metrics: Metrics,
}

/// Largest body.
const BODY: usize = 64 * 1_024;
/// The longest that a request may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a dependency is asked for the health check.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Health {
    name: &'static str,
    region: String,
    dependencies: Arc<Vec<Dependency>>,
    chaos: Chaos,
    ending: Arc<AtomicBool>,
}

impl Service {
    /// Runs it until the process is told to end.
    ///
    /// # Errors
    /// When the address can't be listened at.
    pub async fn run(self, common: &Common) -> io::Result<()> {
        let listener = TcpListener::bind(common.listen).await.map_err(|error| {
            io::Error::new(error.kind(), format!("can't listen at {}: {error}", common.listen))
        })?;
        let (address, name) = (listener.local_addr()?, self.name);
        let ending = Arc::new(AtomicBool::new(false));
        let router = self.router(common, &ending);
        let told = told_to_end()?;
        tracing::info!(service = name, region = common.region, address = %address, "listening");
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let idle = Duration::from_secs(common.idle_seconds);
        let bounded = Bounded::new(listener, common.max_connections, idle);
        let serving = serve(bounded, router).with_graceful_shutdown(async {
            // The sender is dropped or used: both are the end.
            let _ = ended.await;
        });
        let mut serving = std::pin::pin!(serving.into_future());
        tokio::select! {
            ended = &mut serving => return ended,
            () = told => {}
        }
        ending.store(true, Ordering::Relaxed);
        tracing::info!(service = name, "ending");
        drop(end);
        timeout(LONGEST, serving).await.unwrap_or(Ok(()))
    }

    /// Everything around the routes.
    fn router(self, common: &Common, ending: &Arc<AtomicBool>) -> Router {
        let chaos = Chaos::default();
        let health = Health {
            name: self.name,
            region: common.region.clone(),
            dependencies: Arc::new(self.dependencies),
            chaos: chaos.clone(),
            ending: Arc::clone(ending),
        };
        let metrics = self.metrics;
        let numbers = metrics.clone();
        let bounds = ServiceBuilder::new()
            .layer(HandleErrorLayer::new(async |_: BoxError| Problem::busy()))
            .layer(LoadShedLayer::new())
            .layer(GlobalConcurrencyLimitLayer::new(common.max_requests));
        let rate = Arc::new(Rate::direct(Quota::per_second(common.max_rate)));
        let mut routes = self.routes.layer(bounds).layer(from_fn_with_state(rate, in_rate));
        if common.chaos {
            routes = routes.merge(chaos.routes()).layer(from_fn_with_state(chaos, Chaos::disturb));
        }
        let routes = routes
            .merge(Router::new().route("/health", get(look)).with_state(health))
            .route("/metrics", get(async move || numbers.text()))
            .fallback(async || Problem::not_found("page"))
            .method_not_allowed_fallback(async || Problem::of(StatusCode::METHOD_NOT_ALLOWED))
            .layer(from_fn(in_time))
            .layer(CatchPanicLayer::custom(|_| Problem::fault(&"a panic").into_response()))
            .layer(DefaultBodyLimit::max(BODY))
            .layer(from_fn(in_size))
            .layer(
                CsrfLayer::new()
                    .with_rejection_response(|_: ProtectionError| Problem::other_site().into_response()),
            );
        let routes =
            if common.listen.ip().is_loopback() { routes.layer(from_fn(to_this_machine)) } else { routes };
        routes.layer(from_fn_with_state(metrics, followed))
    }
}

type Rate = RateLimiter<NotKeyed, InMemoryState, DefaultClock>;

/// Refuses a request that is one too many in this second.
async fn in_rate(State(rate): State<Arc<Rate>>, request: Request, next: Next) -> Response {
    match rate.check() {
        Ok(()) => next.run(request).await,
        Err(_) => Problem::busy().into_response(),
    }
}

/// Refuses a request to another host than this machine.
async fn to_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.parse::<Authority>();
    if host.is_ok_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host.host())) {
        next.run(request).await
    } else {
        Problem::other_host().into_response()
    }
}

/// Refuses a body that is said to be too large, also where nobody reads it.
async fn in_size(request: Request, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > BODY) {
        return Problem::of(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    }
    next.run(request).await
}

/// Ends a request that takes too long.
async fn in_time(request: Request, next: Next) -> Response {
    match timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("service", &"the request took too long").into_response(),
    }
}

async fn look(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let looks = health.dependencies.iter().map(async |(name, look)| {
        let said = match timeout(LOOK, look()).await {
            Ok(Ok(())) => "up".to_owned(),
            Ok(Err(said)) => said,
            Err(_) => "does not answer".to_owned(),
        };
        ((*name).to_owned(), Value::String(said))
    });
    let dependencies: serde_json::Map<String, Value> = join_all(looks).await.into_iter().collect();
    let ending = health.ending.load(Ordering::Relaxed);
    let status = if ending {
        "ending"
    } else if health.chaos.is_ill() {
        "ill"
    } else {
        "up"
    };
    let code = if status == "up" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let said = json!({
        "status": status, "service": health.name, "region": health.region, "dependencies": dependencies,
    });
    (code, Json(said))
}

/// Resolves when the process is told to end.
fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
