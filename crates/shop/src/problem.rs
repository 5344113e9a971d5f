//! What a service answers when it can't do what it was asked: a problem document (RFC 9457).
//!
//! - 400 names the field that is wrong, 404 what is not there, 409 what stands against it.
//! - 503 says what is unavailable, with `Retry-After`. Whoever asked may ask again: nothing was done, or what was done is found by
//!   the request's own key.
//! - The cause of a 503 or 500 is logged, and never sent.

use std::fmt;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

/// A problem, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The kind, in a few words.
    pub title: String,
    /// What is wrong, for whoever asked.
    #[serde(default)]
    pub detail: String,
    /// The field of the input that is wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
}

/// Seconds after which one who was told "unavailable" may ask again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("2");

impl Problem {
    fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self { status: status.as_u16(), title: title.into(), detail: detail.into(), field: None }
    }

    /// A field of the input is wrong.
    pub fn bad(field: &str, detail: impl Into<String>) -> Self {
        let field = Some(field.to_owned());
        Self { field, ..Self::new(StatusCode::BAD_REQUEST, "Bad input", detail) }
    }

    /// There is no such thing.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", format!("There is no such {what}."))
    }

    /// What is there stands against it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", detail)
    }

    /// The payment was declined.
    pub fn declined() -> Self {
        Self::new(
            StatusCode::PAYMENT_REQUIRED,
            "Payment declined",
            "The card was declined. Nothing was ordered.",
        )
    }

    /// Another service or store is not available now. `cause` is logged.
    pub fn unavailable(what: &str, cause: &dyn fmt::Display) -> Self {
        tracing::warn!(what, cause = %cause, "unavailable");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", format!("The {what} is not available now."))
    }

    /// Too many requests, at once or in this second.
    pub fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", "There are too many requests.")
    }

    /// The page of another site wants to change something.
    pub fn other_site() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", "The page of another site may change nothing here.")
    }

    /// The request is to another host.
    pub fn other_host() -> Self {
        let detail = "Only localhost, 127.0.0.1 and [::1] are answered for here.";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "Misdirected request", detail)
    }

    /// A fault of the service's own. `cause` is logged.
    pub fn fault(cause: &dyn fmt::Display) -> Self {
        tracing::error!(cause = %cause, "fault");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Fault", "This is a fault of ours.")
    }

    /// A problem with a status of which nothing else is known.
    pub fn of(status: StatusCode) -> Self {
        Self::new(status, status.canonical_reason().unwrap_or("Error"), "")
    }

    /// Whether it may be different soon.
    pub fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.is_unavailable();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if retry {
            headers.insert(RETRY_AFTER, RETRY_SECONDS);
        }
        response
    }
}
