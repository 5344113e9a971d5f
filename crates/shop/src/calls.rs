//! Calls of one service to another: bounded in time, repeated where that is safe, with the request's id.
//!
//! A call is repeated, twice at most, when it may be made twice (`GET`, `DELETE`, or a `POST` with an idempotency key) and the other
//! did not answer or said 503. Connections that nobody uses are kept for five seconds, so that a new address is found soon.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::problem::Problem;
use crate::request::{REQUEST_ID, current_id};
use crate::service::{Dependency, dependency};

/// The header that names what a client wants done once, however often it asks (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// One other service.
#[derive(Debug, Clone)]
pub struct Other {
    name: &'static str,
    url: String,
    client: Client,
}

/// How long one try may take, and all of them.
const TRY: Duration = Duration::from_secs(3);
const ALL: Duration = Duration::from_secs(4);
const NOT_IN_TIME: &str = "it did not answer in time";
const CONNECT: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_secs(5);

impl Other {
    /// The service called `name`, at `url`.
    ///
    /// # Errors
    /// When the system has no randomness for a client.
    pub fn new(name: &'static str, url: &str) -> Result<Self, reqwest::Error> {
        // The other is in the same Region: nothing stands between.
        let client = Client::builder().no_proxy().timeout(TRY).connect_timeout(CONNECT);
        let client = client.pool_idle_timeout(IDLE).build()?;
        Ok(Self { name, url: url.trim_end_matches('/').to_owned(), client })
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// What the other says is wrong; a 503 when it does not answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.read(self.send(Method::GET, path, &HeaderMap::new(), None::<&()>).await?).await
    }

    /// Removes what is at `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn delete(&self, path: &str) -> Result<(), Problem> {
        self.send(Method::DELETE, path, &HeaderMap::new(), None::<&()>).await.map(drop)
    }

    /// Sends `body`, once.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Problem> {
        self.read(self.send(Method::POST, path, &HeaderMap::new(), Some(body)).await?).await
    }

    /// Sends `body` with headers; with an idempotency key among them as often as it takes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post_with<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: &B,
    ) -> Result<T, Problem> {
        self.read(self.send(Method::POST, path, headers, Some(body)).await?).await
    }

    /// Changes what is at `path`, once.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn patch<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Problem> {
        self.read(self.send(Method::PATCH, path, &HeaderMap::new(), Some(body)).await?).await
    }

    /// A `GET` whose answer says nothing, such as the sample's for merging carts: made once.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn tell(&self, path: &str) -> Result<(), Problem> {
        self.once(&Method::GET, path, &HeaderMap::new(), None::<&()>).await.map(drop)
    }

    /// The answer to a `GET`, as it came.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn raw(&self, path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
        self.request(Method::GET, path, headers).send().await.map_err(|error| self.silent(&error))
    }

    /// It, for the health check.
    pub fn dependency(&self) -> Dependency {
        let other = self.clone();
        dependency(self.name, move || {
            let other = other.clone();
            async move { other.look().await }
        })
    }

    async fn look(&self) -> Result<(), String> {
        let answer = self.client.get(format!("{}/health", self.url)).send().await;
        match answer.map(|answer| answer.status()) {
            Ok(StatusCode::OK) => Ok(()),
            Ok(status) => Err(format!("answers {}", status.as_u16())),
            Err(_) => Err("does not answer".to_owned()),
        }
    }

    fn request(&self, method: Method, path: &str, headers: &HeaderMap) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).headers(headers.clone());
        if let Some(id) = current_id() {
            request = request.header(REQUEST_ID, id);
        }
        request
    }

    async fn send<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<&B>,
    ) -> Result<Response, Problem> {
        let repeatable =
            [Method::GET, Method::DELETE].contains(&method) || headers.contains_key(IDEMPOTENCY_KEY);
        let waits = ExponentialBuilder::default().with_min_delay(Duration::from_millis(50)).with_jitter();
        let once = || self.once(&method, path, headers, body);
        let tries = once.retry(waits.with_max_times(if repeatable { 2 } else { 0 }));
        match timeout(ALL, tries.when(Problem::is_unavailable)).await {
            Ok(answered) => answered,
            Err(_) => Err(Problem::unavailable(self.name, &NOT_IN_TIME)),
        }
    }

    async fn once<B: Serialize + Sync>(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<&B>,
    ) -> Result<Response, Problem> {
        let mut request = self.request(method.clone(), path, headers);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| self.silent(&error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refused(answer).await) }
    }

    async fn read<T: DeserializeOwned>(&self, answer: Response) -> Result<T, Problem> {
        let name = self.name;
        answer
            .json()
            .await
            .map_err(|error| Problem::unavailable(name, &format!("its answer is not read: {error}")))
    }

    /// The problem that it answered: that of whoever asked, unless it is a fault of its own.
    async fn refused(&self, answer: Response) -> Problem {
        let status = answer.status();
        let said = answer.json::<Problem>().await.ok();
        match said {
            Some(problem) if status.is_client_error() || problem.is_unavailable() => problem,
            _ if status.is_client_error() => Problem::of(status),
            _ => Problem::unavailable(self.name, &format!("it answered {status}")),
        }
    }

    fn silent(&self, error: &reqwest::Error) -> Problem {
        // Its `Display` would have the address with what is in it.
        let kind = if error.is_timeout() { NOT_IN_TIME } else { "it can't be reached" };
        Problem::unavailable(self.name, &kind)
    }
}

/// What is escaped in a part of a path: all but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A part of a path, escaped.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
