//! S3 over a folder, by the s3s library: a bucket is a folder, an object a file.
//!
//! Signatures are verified (the library insists), with the wire's secret for every access key id. Before an operation
//! touches the folder the world is asked, as `Call { service: "s3", operation: "PutObject", input: {"Bucket", "Key"} }`,
//! with the `Prefix` of a list, and `"Missing": true` when an object is asked for that does not exist: that is where
//! permissions, injected faults and the silence of an isolated Region apply. It answers `Ok` with anything to let the
//! operation pass. A failure there leaves the folder as it was.
//!
//! Buckets are made ahead ([`Store::create_bucket`]) and belong to no Region: whoever asks for one in the wrong
//! Region is not sent elsewhere. As objects are files, a key can't be the folder of another (`a` and `a/b`).
//! The library logs every refused request as an error, also an ordinary 404: a subscriber should turn `s3s` off.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{TRAILER, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Error, S3ErrorCode, S3Result};
use serde_json::{Map, Value};
use tokio::sync::RwLock;

use super::error::WireError;
use super::response::response;
use super::scope::Scope;
use super::short_names::{ShortNames, Shortened, stays_in_its_bucket};
use crate::api::{Api, CallError};

/// The S3 service over one folder.
pub(super) struct Store {
    root: PathBuf,
    names: ShortNames,
    service: Arc<S3Service>,
    /// S3 replaces an object at once; the library writes a file, then what is known of it. So nobody reads or writes
    /// while somebody writes, and a caller who leaves does not end a write in the middle.
    writing: Arc<RwLock<()>>,
}

impl Store {
    pub fn new(api: Arc<dyn Api>, root: &Path, secret: &str) -> Result<Self, WireError> {
        let files = s3s_fs::FileSystem::new(root)
            .map_err(|error| WireError::S3Root(root.to_owned(), format!("{error:?}")))?;
        let names = ShortNames::default();
        let mut service = S3ServiceBuilder::new(Shortened { files, names: names.clone() });
        service.set_auth(OneSecret(secret.into()));
        service.set_access(Gate { api, root: root.to_owned() });
        Ok(Self { root: root.to_owned(), names, service: Arc::new(service.build()), writing: Arc::default() })
    }

    /// Makes a bucket. Harmless when there is one.
    pub fn create_bucket(&self, name: &str) -> Result<(), WireError> {
        let folder = self.root.join(name);
        let made = std::fs::create_dir_all(&folder).and_then(|()| self.names.add(&self.root, name));
        made.map_err(|error| WireError::S3Root(folder, error.to_string()))
    }

    /// Answers one request; `None` is silence.
    pub async fn handle(&self, scope: Scope, request: Request<Bytes>) -> Option<Response<Bytes>> {
        let silent = Arc::new(AtomicBool::new(false));
        let head = request.method() == Method::HEAD;
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        let (service, writing) = (Arc::clone(&self.service), Arc::clone(&self.writing));
        let mut request = request.map(s3s::Body::from);
        request.extensions_mut().insert(Asked { scope, silent: silent.clone() });
        let broken = |error: &dyn std::fmt::Display| {
            response(500, "text/plain", format!("S3 in the sandbox: {error}"))
        };
        let run = tokio::spawn(async move {
            let _alone = match reads {
                true => (Some(writing.read().await), None),
                false => (None, Some(writing.write().await)),
            };
            let (parts, body) =
                service.call(request).await.map_err(|error| format!("{error:?}"))?.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok::<_, String>((parts, body))
        });
        let answered = run.await.unwrap_or_else(|error| Err(error.to_string()));
        if silent.load(Ordering::Relaxed) {
            return None;
        }
        let (mut parts, body) = match answered {
            Ok(answer) => answer,
            Err(error) => return Some(broken(&error)),
        };
        // The library streams some answers; this one is whole.
        parts.headers.remove(TRANSFER_ENCODING);
        parts.headers.remove(TRAILER);
        if head {
            // An HTTP server would leave the body out; without one, clients read the error from it.
            return Some(Response::from_parts(parts, Bytes::new()));
        }
        Some(Response::from_parts(parts, body))
    }
}

/// Travels with a request through the library: who asks, and whether the world was silent.
#[derive(Clone)]
struct Asked {
    scope: Scope,
    silent: Arc<AtomicBool>,
}

/// The same secret for everyone.
struct OneSecret(SecretKey);

#[async_trait::async_trait]
impl S3Auth for OneSecret {
    async fn get_secret_key(&self, _: &str) -> S3Result<SecretKey> {
        Ok(self.0.clone())
    }
}

/// Asks the world before the folder is touched.
struct Gate {
    api: Arc<dyn Api>,
    root: PathBuf,
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(Asked { scope, silent }) = context.extensions_mut().get::<Asked>().cloned() else {
            return Err(S3ErrorCode::AccessDenied.into());
        };
        let path = context.s3_path();
        let bucket = path.as_bucket().or_else(|| path.as_object().map(|(bucket, _)| bucket));
        let mut input = Map::new();
        let mut insert = |name: &str, value: Value| input.insert(name.to_owned(), value);
        bucket.map(|bucket| insert("Bucket", bucket.into()));
        if let Some((bucket, key)) = path.as_object() {
            stays_in_its_bucket(key)?;
            insert("Key", key.into());
            let read = ["GetObject", "HeadObject"].contains(&context.s3_op().name());
            if read && !self.root.join(bucket).join(key).is_file() {
                insert("Missing", true.into());
            }
        }
        let query = context.uri().query().unwrap_or_default().as_bytes();
        if let Some((_, prefix)) = form_urlencoded::parse(query).find(|(name, _)| name == "prefix") {
            insert("Prefix", prefix.into());
        }
        match self.api.call(scope.call(context.s3_op().name().to_owned(), Value::Object(input))).await {
            Ok(_) => {}
            Err(CallError::NoAnswer) => {
                silent.store(true, Ordering::Relaxed);
                return Err(S3ErrorCode::ServiceUnavailable.into());
            }
            Err(CallError::Service(error)) => {
                let code =
                    S3ErrorCode::from_bytes(error.code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
                let mut answer = S3Error::with_message(code, error.message);
                if let Ok(status) = StatusCode::from_u16(error.status) {
                    answer.set_status_code(status);
                }
                return Err(answer);
            }
        }
        // The library says NoSuchKey of an object in a bucket that does not exist.
        match bucket {
            Some(bucket) if !self.root.join(bucket).is_dir() && context.s3_op().name() != "CreateBucket" => {
                Err(S3Error::with_message(
                    S3ErrorCode::NoSuchBucket,
                    format!("the bucket {bucket} does not exist"),
                ))
            }
            _ => Ok(()),
        }
    }
}
