//! Faults on demand, as the retail store sample has them: a status instead of each answer, latency before it, a health check that
//! fails.
//!
//! `POST` switches one on, `DELETE` off: `/chaos/status/{code}`, `/chaos/latency/{ms}`, `/chaos/health`. They are there only where
//! the service was told to have them. Neither these paths nor `/health` and `/metrics` are disturbed by the first two.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;

use crate::input::At;
use crate::problem::Problem;

/// The faults of one service, shared.
#[derive(Debug, Clone, Default)]
pub struct Chaos(Arc<Mutex<Faults>>);

#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    status: Option<StatusCode>,
    latency: Duration,
    ill: bool,
}

/// The longest latency: more is nothing that a caller would wait for.
const LONGEST: Duration = Duration::from_secs(60);

impl Chaos {
    /// Whether the health check is to fail.
    pub fn is_ill(&self) -> bool {
        self.faults().ill
    }

    fn faults(&self) -> Faults {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Faults)) {
        // One member is set at a time: what a panic leaves is whole.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The switches.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/chaos/status/{code}", post(Self::set_status).delete(Self::no_status))
            .route("/chaos/status", axum::routing::delete(Self::no_status))
            .route("/chaos/latency/{ms}", post(Self::set_latency).delete(Self::no_latency))
            .route("/chaos/latency", axum::routing::delete(Self::no_latency))
            .route("/chaos/health", post(Self::ill).delete(Self::well))
            .with_state(self.clone())
    }

    async fn set_status(State(chaos): State<Self>, At(code): At<u16>) -> Result<(), Problem> {
        let status = StatusCode::from_u16(code).ok().filter(|_| (200..600).contains(&code));
        let status =
            status.ok_or_else(|| Problem::bad("code", "The code has to be an HTTP status from 200 on."))?;
        chaos.change(|faults| faults.status = Some(status));
        Ok(())
    }

    async fn set_latency(State(chaos): State<Self>, At(millis): At<u64>) {
        chaos.change(|faults| faults.latency = Duration::from_millis(millis).min(LONGEST));
    }

    async fn no_status(State(chaos): State<Self>) {
        chaos.change(|faults| faults.status = None);
    }

    async fn no_latency(State(chaos): State<Self>) {
        chaos.change(|faults| faults.latency = Duration::ZERO);
    }

    async fn ill(State(chaos): State<Self>) {
        chaos.change(|faults| faults.ill = true);
    }

    async fn well(State(chaos): State<Self>) {
        chaos.change(|faults| faults.ill = false);
    }

    /// Puts the faults before each request.
    pub async fn disturb(State(chaos): State<Self>, request: Request, next: Next) -> Response {
        let spared = ["/chaos/", "/health", "/metrics"];
        if spared.iter().any(|path| request.uri().path().starts_with(path)) {
            return next.run(request).await;
        }
        let faults = chaos.faults();
        if faults.latency > Duration::ZERO {
            tokio::time::sleep(faults.latency).await;
        }
        match faults.status {
            Some(status) => Problem::of(status).into_response(),
            None => next.run(request).await,
        }
    }
}
