//! The AWS wire protocols over the world.
//!
//! A [`Wire`] takes an HTTP request as an SDK sends it, makes a [`crate::api::Call`] of it, and encodes what the [`Api`] answers.
//! It is reached in two ways: over TCP ([`server`]), and as an in-process connector under the real SDK
//! ([`connector`]), with which a test may pause tokio's time.
//!
//! # What it does
//! - Region, service and principal (access key id) are those of the SigV4 scope in the `Authorization` header. Signatures are
//!   verified, by [`signature`] and for S3 by its library. One secret goes with every access key id: [`SECRET`], which is
//!   enough where nobody else can ask, or that of [`Wire::with_secret`].
//! - The protocol is seen from the request: [`query`] (XML), [`json`] 1.0 and 1.1, [`rest`] JSON, [`cbor`] (Smithy
//!   RPC v2), and [`s3`]. Which service speaks which is not checked: CloudWatch may be called in three of them.
//! - There is no service model. What a protocol can't tell (is `"1"` a number? how are a list's items named? is this
//!   text a timestamp?) comes from short tables of member names in [`tables`], which `tests/witness` holds against botocore's
//!   models. A name that is missing there stays text, a list's items are `member`.
//! - Silence ([`CallError::NoAnswer`]) is `None`: the caller's own timeout has to end it.
//! - A call that was received is carried out to its end, also when the client has gone away, as AWS does.
//! - Routing-control calls are answered at the five ARC endpoints only ([`Wire::handle_arc`]), and only when signed for
//!   the Region of that endpoint.
//!
//! Request ids count up, so that two runs of one test are alike.

mod cbor;
pub mod connector;
mod error;
mod json;
mod query;
mod response;
mod rest;
pub mod s3;
mod scope;
pub mod server;
mod short_names;
mod signature;
pub mod tables;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Request, Response};
use serde_json::Value;

use crate::account::ARC_REGIONS;
use crate::api::{Api, ApiError, CallError};
pub use error::WireError;
use scope::Scope;

/// The secret access key that goes with every access key id where none is given.
pub const SECRET: &str = "sandbox";

/// Service of the ARC data plane, which has endpoints of its own.
const ARC: &str = "route53-recovery-cluster";

/// The wire protocols over one [`Api`], and S3 over one folder.
pub struct Wire {
    api: Arc<dyn Api>,
    secret: String,
    s3: s3::Store,
    requests: AtomicU64,
}

impl Wire {
    /// A wire over `api`, with S3 objects kept in `s3_root`, which must exist.
    ///
    /// # Errors
    /// [`WireError::S3Root`] when the folder can't be read.
    pub fn new(api: Arc<dyn Api>, s3_root: &Path) -> Result<Self, WireError> {
        Self::with_secret(api, s3_root, SECRET.to_owned())
    }

    /// The same with a secret of its own, for a wire that others on this machine can reach.
    ///
    /// # Errors
    /// [`WireError::S3Root`] when the folder can't be read.
    pub fn with_secret(api: Arc<dyn Api>, s3_root: &Path, secret: String) -> Result<Self, WireError> {
        let s3 = s3::Store::new(api.clone(), s3_root, &secret)?;
        Ok(Self { s3, api, secret, requests: AtomicU64::new(0) })
    }

    /// Answers one request to any service but the ARC data plane; `None` is silence.
    pub async fn handle(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        self.answer(request, None).await
    }

    /// Answers one request that came in at ARC endpoint `endpoint`, an index into [`ARC_REGIONS`].
    pub async fn handle_arc(&self, endpoint: usize, request: Request<Bytes>) -> Option<Response<Bytes>> {
        self.answer(request, Some(endpoint)).await
    }

    /// Makes an S3 bucket. Harmless when there is one.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn create_bucket(&self, name: &str) -> Result<(), WireError> {
        self.s3.create_bucket(name)
    }

    async fn answer(&self, request: Request<Bytes>, arc: Option<usize>) -> Option<Response<Bytes>> {
        let id = format!("00000000-0000-0000-0000-{:012}", self.requests.fetch_add(1, Ordering::Relaxed) + 1);
        let scope = Scope::of(request.headers()).and_then(|scope| self.signed(scope, &request));
        let mut response = match scope.and_then(|scope| allowed(scope, arc)) {
            Ok(scope) if scope.service == "s3" => self.s3.handle(scope, request).await?,
            Ok(scope) => self.call(scope, request, &id).await?,
            Err(error) => Protocol::of(request.headers()).failure(&error, &id),
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().entry("x-amzn-requestid").or_insert(id);
        }
        Some(response)
    }

    /// Verifies the signature of a request of this scope. S3's is left to its library, which knows how bodies are signed there.
    fn signed(&self, scope: Scope, request: &Request<Bytes>) -> Result<Scope, ApiError> {
        if scope.service == "s3" {
            return Ok(scope);
        }
        match signature::verify(request, &scope, &self.secret) {
            Ok(()) => Ok(scope),
            Err(message) => {
                let query = Protocol::of(request.headers()) == Protocol::Query;
                let code = if query { "SignatureDoesNotMatch" } else { "InvalidSignatureException" };
                Err(ApiError::with_status(403, code, message))
            }
        }
    }

    async fn call(&self, scope: Scope, request: Request<Bytes>, id: &str) -> Option<Response<Bytes>> {
        let protocol = Protocol::of(request.headers());
        let (operation, input) = match protocol.decode(&scope.service, &request) {
            Ok(decoded) => decoded,
            Err(error) => return Some(protocol.failure(&error, id)),
        };
        let (api, service) = (self.api.clone(), scope.service.clone());
        let call = scope.call(operation.clone(), input);
        // A task of its own: see "carried out to its end" above.
        let answer = match tokio::spawn(async move { api.call(call).await }).await {
            Ok(answer) => answer,
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is going down.
            Err(_) => return None,
        };
        match answer {
            Ok(output) => Some(protocol.success(&service, &operation, output, id)),
            Err(CallError::Service(error)) => Some(protocol.failure(&error, id)),
            Err(CallError::NoAnswer) => None,
        }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// Whether a request of this scope may be asked at this door: the main one, or an ARC endpoint.
fn allowed(scope: Scope, arc: Option<usize>) -> Result<Scope, ApiError> {
    let problem = match arc {
        None if scope.service == ARC => {
            "routing-control calls are answered at the five ARC endpoints of the recovery plan only"
                .to_owned()
        }
        Some(_) if scope.service != ARC => {
            format!("Credential should be scoped to correct service: '{ARC}'.")
        }
        Some(endpoint) if ARC_REGIONS.get(endpoint) != Some(&scope.region.as_str()) => format!(
            "Credential should be scoped to a valid Region: this endpoint is in '{}', the request is signed for '{}'.",
            ARC_REGIONS.get(endpoint).unwrap_or(&"no Region"),
            scope.region
        ),
        _ => return Ok(scope),
    };
    Err(ApiError::with_status(403, "InvalidSignatureException", problem))
}

/// The protocol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Query,
    Json,
    Rest,
    Cbor,
}

impl Protocol {
    /// As the request's headers show it; REST when nothing else fits.
    fn of(headers: &HeaderMap) -> Self {
        let form = |value: &HeaderValue| value.as_bytes().starts_with(b"application/x-www-form-urlencoded");
        if headers.contains_key("smithy-protocol") {
            Self::Cbor
        } else if headers.contains_key("x-amz-target") {
            Self::Json
        } else if headers.get(CONTENT_TYPE).is_some_and(form) {
            Self::Query
        } else {
            Self::Rest
        }
    }

    /// Operation and input.
    fn decode(self, service: &str, request: &Request<Bytes>) -> Result<(String, Value), ApiError> {
        match self {
            Self::Query => query::decode(request.body()),
            Self::Json => json::decode(request),
            Self::Rest => rest::decode(service, request),
            Self::Cbor => cbor::decode(request),
        }
    }

    fn success(self, service: &str, operation: &str, output: Value, id: &str) -> Response<Bytes> {
        match self {
            Self::Query => query::success(service, operation, &output, id),
            Self::Json => json::success(output),
            Self::Rest => rest::success(operation, output),
            Self::Cbor => cbor::success(&output),
        }
    }

    fn failure(self, error: &ApiError, id: &str) -> Response<Bytes> {
        match self {
            Self::Query => query::failure(error, id),
            Self::Json | Self::Rest => json::failure(error),
            Self::Cbor => cbor::failure(error),
        }
    }
}
