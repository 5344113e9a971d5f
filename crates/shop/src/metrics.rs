//! Numbers for Prometheus, at `/metrics`: requests by route, method and status, their durations, and what a service counts besides.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requested {
    route: String,
    method: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The numbers of one service. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Requested, Counter>,
    durations: Family<Route, Histogram>,
}

/// What is counted, while a service is put together.
pub struct Counted(Registry);

impl Default for Counted {
    fn default() -> Self {
        Self(Registry::with_prefix("shop"))
    }
}

impl Counted {
    /// Something that only grows.
    pub fn counter(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.0.register(name, help, counter.clone());
        counter
    }

    /// Something that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.0.register(name, help, gauge.clone());
        gauge
    }

    /// These, and those that every service has.
    pub fn metrics(mut self) -> Metrics {
        let requests = Family::<Requested, Counter>::default();
        // From a millisecond to about eight seconds, which no request exceeds.
        let durations = Family::<Route, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.001, 2.0, 14))
        });
        self.0.register("requests", "Requests that were answered", requests.clone());
        self.0.register("request_seconds", "How long they took", durations.clone());
        Metrics { registry: Arc::new(self.0), requests, durations }
    }
}

impl Metrics {
    /// Counts a request. The route is that of the router, such as `/orders/{id}`: a path would make a series of each id.
    pub fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        let requested = Requested { route: route.into(), method: method.into(), status };
        self.requests.get_or_create(&requested).inc();
        self.durations.get_or_create(&Route { route: route.into() }).observe(took.as_secs_f64());
    }

    /// All numbers, as Prometheus reads them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
