//! One request, from its first byte to the line in the log: its id, which goes along to other services and comes back to whoever
//! asked, its number in the metrics, and its line.
//!
//! The log has the route, never the path or a query: they may hold what a customer typed.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument;
use uuid::Uuid;

use crate::metrics::Metrics;

/// The header that carries a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static ID: HeaderValue;
}

/// The id of the request that is being answered; none outside of one.
pub fn current_id() -> Option<HeaderValue> {
    ID.try_with(Clone::clone).ok()
}

/// Answers a request under its id, counts it, and writes its line.
pub async fn followed(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = id_of(request.headers());
    let text = id.to_str().unwrap_or_default().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", id = text);
    let answered = ID.scope(id.clone(), next.run(request));
    async {
        let mut response = answered.await;
        let (status, took) = (response.status().as_u16(), started.elapsed());
        metrics.answered(&route, method.as_str(), status, took);
        if !["/health", "/metrics"].contains(&route.as_str()) {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(method = method.as_str(), route, status, millis, "answered");
        }
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(span)
    .await
}

/// The id that came with the request, if it is one; else a new one.
fn id_of(headers: &HeaderMap) -> HeaderValue {
    let is_id = |value: &&HeaderValue| {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
        (1..=64).contains(&value.len()) && value.as_bytes().iter().all(allowed)
    };
    let made = || HeaderValue::try_from(Uuid::new_v4().to_string());
    match headers.get(REQUEST_ID).filter(is_id) {
        Some(id) => id.clone(),
        // A UUID has letters, digits and hyphens only.
        None => made().unwrap_or_else(|_| HeaderValue::from_static("none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_passed_on_unless_it_is_none() {
        let of =
            |text: &'static str| id_of(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(text))]));
        assert_eq!(of("abc-1_2"), "abc-1_2");
        for bad in ["", "a b", "a\u{7f}", "<script>"] {
            if let Ok(value) = HeaderValue::from_str(bad) {
                let id = id_of(&HeaderMap::from_iter([(REQUEST_ID, value)]));
                assert_eq!(id.len(), 36, "{bad}");
            }
        }
        assert_eq!(id_of(&HeaderMap::new()).len(), 36);
    }
}
