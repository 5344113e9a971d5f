//! Runs the step functions' binaries behind a Lambda runtime API, as the Lambda service does.
//!
//! A process takes one event after the other and is kept warm; events at the same time get a process each. A process has
//! only the environment that it is given. A caller that leaves does not stop the function. What a function writes goes to
//! a file of its own in the log folder. Its runtime API is on loopback, under a path that only the process knows. Dropping [`Binaries`] ends every process, and so does the end of this one, however it
//! comes, where the machine has what that needs (`setpriv`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::{Functions, Invocation};
use crate::account::ACCOUNT;
use crate::api::ApiError;

/// How long a function may take to ask for its first event (Lambda's limit of the init phase).
const INIT: Duration = Duration::from_secs(10);

/// Where the functions are, and what they are given.
#[derive(Clone)]
pub struct Settings {
    /// Folder of the binaries; `causeway-preflight` is its file `preflight`.
    pub binaries: PathBuf,
    /// Folder for the functions' logs.
    pub logs: PathBuf,
    /// What function names start with, before the hyphen.
    pub prefix: String,
    /// `AWS_ENDPOINT_URL`.
    pub endpoint: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
    /// File of the authority that signs for the databases.
    pub database_authority: PathBuf,
    /// How long an invocation may take.
    pub timeout: Duration,
}

/// What was measured of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// From the start of the process to its first request for an event; of the latest process.
    pub first_poll: Duration,
    /// Largest resident memory of any process, in KiB.
    pub peak_kib: u64,
    /// Invocations that ended.
    pub invocations: u64,
}

/// Runs the binaries.
pub struct Binaries {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    /// Warm processes that wait for an event, by Region and function.
    idle: Mutex<BTreeMap<(String, String), Vec<Process>>>,
    measured: Mutex<BTreeMap<String, Measured>>,
}

/// A process and its end of the runtime API.
struct Process {
    child: Child,
    events: mpsc::Sender<Event>,
    // Ends the API's server when dropped.
    _server: tokio::task::JoinHandle<()>,
    guard: tokio_util::sync::DropGuard,
}

/// An event on its way to the function, with the way back.
struct Event {
    id: String,
    deadline: jiff::Timestamp,
    body: Vec<u8>,
    answer: oneshot::Sender<Invocation>,
}

/// The state of one runtime API.
struct Api {
    events: tokio::sync::Mutex<mpsc::Receiver<Event>>,
    waiting: Mutex<BTreeMap<String, oneshot::Sender<Invocation>>>,
    polled: Mutex<Option<oneshot::Sender<()>>>,
    init_error: Mutex<Option<String>>,
    arn: String,
}

impl Binaries {
    /// Prepares to run them; starts nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { inner: Arc::new(Inner { settings, idle: Mutex::default(), measured: Mutex::default() }) }
    }

    /// What was measured, by function.
    pub fn measured(&self) -> BTreeMap<String, Measured> {
        lock(&self.inner.measured).clone()
    }

    /// Ends every process that waits for an event.
    pub async fn shutdown(&self) {
        let idle = std::mem::take(&mut *lock(&self.inner.idle));
        for mut process in idle.into_values().flatten() {
            let _ = process.child.kill().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Functions for Binaries {
    fn invoke<'a>(
        &'a self,
        _: &'a str,
        region: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        let inner = Arc::clone(&self.inner);
        let (region, function) = (region.to_owned(), function.to_owned());
        async move {
            // A task of its own: the function runs to its end whether the caller waits or not.
            let run = tokio::spawn(async move { inner.invoke(&region, &function, event).await });
            run.await.unwrap_or_else(|error| Err(service(format!("the sandbox failed: {error}"))))
        }
        .boxed()
    }
}

fn service(message: String) -> ApiError {
    ApiError::with_status(500, "ServiceException", message)
}

impl Inner {
    async fn invoke(&self, region: &str, function: &str, event: Value) -> Result<Invocation, ApiError> {
        let key = (region.to_owned(), function.to_owned());
        let warm = lock(&self.idle).get_mut(&key).and_then(Vec::pop);
        let alive =
            warm.and_then(|mut process| matches!(process.child.try_wait(), Ok(None)).then_some(process));
        let mut process = match alive {
            Some(process) => process,
            None => match self.start(region, function).await? {
                Ok(process) => process,
                Err(failure) => return Ok(failure),
            },
        };
        let (answer, answered) = oneshot::channel();
        let limit = self.settings.timeout;
        let deadline = jiff::Timestamp::now()
            + jiff::SignedDuration::try_from(limit).unwrap_or(jiff::SignedDuration::MAX);
        let body = serde_json::to_vec(&event).map_err(|error| service(error.to_string()))?;
        let id = uuid::Uuid::new_v4().to_string();
        // The receiver lives as long as the process's API.
        let _ = process.events.send(Event { id, deadline, body, answer }).await;
        let outcome = tokio::select! {
            outcome = answered => outcome.ok(),
            _ = process.child.wait() => None,
            () = tokio::time::sleep(limit) => {
                let _ = process.child.kill().await;
                return Ok(Invocation::FunctionError {
                    error_type: "Sandbox.Timedout".into(),
                    message: format!("the function did not answer within {} s", limit.as_secs()),
                });
            }
        };
        let peak = peak_kib(process.child.id()).await;
        {
            let mut all = lock(&self.measured);
            let measured = all.entry(function.to_owned()).or_default();
            measured.peak_kib = measured.peak_kib.max(peak);
            measured.invocations += 1;
        }
        match outcome {
            Some(outcome) => {
                lock(&self.idle).entry(key).or_default().push(process);
                Ok(outcome)
            }
            None => Ok(Invocation::FunctionError {
                error_type: "Runtime.ExitError".into(),
                message: format!(
                    "the process ended before it answered: {}",
                    self.last_line(region, function).await
                ),
            }),
        }
    }

    fn log(&self, region: &str, function: &str) -> PathBuf {
        self.settings.logs.join(format!("{region}-{function}.log"))
    }

    async fn last_line(&self, region: &str, function: &str) -> String {
        let text = tokio::fs::read_to_string(self.log(region, function)).await.unwrap_or_default();
        text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it wrote nothing").to_owned()
    }

    /// Starts the process of a function, with nothing but the environment that it is given. `runtime` is its runtime API.
    fn spawn(
        &self,
        binary: &std::path::Path,
        (region, function): (&str, &str),
        runtime: &str,
        log: std::fs::File,
    ) -> Result<Child, ApiError> {
        let second = log.try_clone().map_err(|error| service(error.to_string()))?;
        crate::process::bound(binary, None)
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", runtime),
                ("AWS_LAMBDA_FUNCTION_NAME", function),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
                ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
                ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
                ("AWS_REGION", region),
                ("AWS_DEFAULT_REGION", region),
                ("AWS_ENDPOINT_URL", &self.settings.endpoint),
                ("AWS_ACCESS_KEY_ID", &crate::account::access_key_id(region, function)),
                ("AWS_SECRET_ACCESS_KEY", &self.settings.secret),
            ])
            .env(runbook::authorities::VARIABLE, &self.settings.database_authority)
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(second)
            .spawn()
            .map_err(|error| service(format!("can't start {}: {error}", binary.display())))
    }

    /// Starts a process and waits for its first request. The inner error is the function's own failure.
    async fn start(&self, region: &str, function: &str) -> Result<Result<Process, Invocation>, ApiError> {
        let name = function.strip_prefix(&format!("{}-", self.settings.prefix)).unwrap_or(function);
        let binary = self.settings.binaries.join(name);
        if name.contains('/') || !binary.is_file() {
            return Err(ApiError::with_status(
                404,
                "ResourceNotFoundException",
                format!(
                    "function {function} not found: there is no {}; build the workspace first",
                    binary.display()
                ),
            ));
        }
        let listener = crate::loopback::listen().await.map_err(|error| service(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| service(error.to_string()))?;
        let (events, queue) = mpsc::channel(1);
        let (polled, first_poll) = oneshot::channel();
        let api = Arc::new(Api {
            events: tokio::sync::Mutex::new(queue),
            waiting: Mutex::default(),
            polled: Mutex::new(Some(polled)),
            init_error: Mutex::new(None),
            arn: format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{function}"),
        });
        let stop = tokio_util::sync::CancellationToken::new();
        // Other users of the machine reach the port; only the process knows the path.
        let path = format!("/{}", uuid::Uuid::new_v4().simple());
        let router = crate::loopback::guarded(Router::new().nest(&path, runtime_api(Arc::clone(&api))));
        let stopped = stop.clone();
        let server = tokio::spawn(async move {
            tokio::select! {
                // Serving ends with the token; an accept that fails is tried again by the server itself.
                _ = axum::serve(listener, router).into_future() => {}
                () = stopped.cancelled() => {}
            }
        });
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log(region, function));
        let log = log.map_err(|error| {
            service(format!("can't write {}: {error}", self.log(region, function).display()))
        })?;
        let started = Instant::now();
        let runtime = format!("http://{address}{path}");
        let mut child = self.spawn(&binary, (region, function), &runtime, log)?;
        let ready = tokio::select! {
            polled = timeout(INIT, first_poll) => matches!(polled, Ok(Ok(()))),
            _ = child.wait() => false,
        };
        if !ready {
            let _ = child.kill().await;
            drop(stop.drop_guard());
            let said = lock(&api.init_error).take();
            let message = match said {
                Some(said) => said,
                None => format!(
                    "the process did not ask for an event: {}",
                    self.last_line(region, function).await
                ),
            };
            return Ok(Err(Invocation::FunctionError { error_type: "Runtime.InitError".into(), message }));
        }
        lock(&self.measured).entry(function.to_owned()).or_default().first_poll = started.elapsed();
        Ok(Ok(Process { child, events, _server: server, guard: stop.drop_guard() }))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // `kill_on_drop` ends the process; this makes the order plain: first it, then its API.
        let _ = self.child.start_kill();
        let _ = &self.guard;
    }
}

/// The largest resident memory of a process so far.
async fn peak_kib(process: Option<u32>) -> u64 {
    let Some(process) = process else { return 0 };
    let status = tokio::fs::read_to_string(format!("/proc/{process}/status")).await.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// The routes of Lambda's runtime API.
fn runtime_api(api: Arc<Api>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(api)
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    if let Some(polled) = lock(&api.polled).take() {
        // The starter may have given up already.
        let _ = polled.send(());
    }
    let Some(event) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", event.id.clone()),
        ("lambda-runtime-deadline-ms", event.deadline.as_millisecond().to_string()),
        ("lambda-runtime-invoked-function-arn", api.arn.clone()),
        ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    lock(&api.waiting).insert(event.id, event.answer);
    let mut response = event.body.into_response();
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn response(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let outcome = match serde_json::from_slice(&body) {
        Ok(answer) => Invocation::Answer(answer),
        Err(error) => Invocation::FunctionError {
            error_type: "Runtime.InvalidJson".into(),
            message: format!("the answer is not JSON: {error}"),
        },
    };
    finish(&api, &id, outcome)
}

async fn error(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let header = headers.get("lambda-runtime-function-error-type").and_then(|value| value.to_str().ok());
    let error_type = said["errorType"].as_str().or(header).unwrap_or("Unknown").to_owned();
    let message = said["errorMessage"].as_str().unwrap_or_default().to_owned();
    finish(&api, &id, Invocation::FunctionError { error_type, message })
}

async fn init_error(State(api): State<Arc<Api>>, body: Bytes) -> StatusCode {
    *lock(&api.init_error) = Some(String::from_utf8_lossy(&body).into_owned());
    StatusCode::ACCEPTED
}

fn finish(api: &Api, id: &str, outcome: Invocation) -> StatusCode {
    match lock(&api.waiting).remove(id) {
        Some(answer) => {
            // Nobody waits when it took too long.
            let _ = answer.send(outcome);
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}
