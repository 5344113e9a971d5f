//! The wire over TCP: one port for all services and Regions, and one for each ARC endpoint, all on 127.0.0.1.
//!
//! # States
//! [`Listeners`] are bound before there is a world, because the recovery plan in it names their URLs; connections wait
//! until [`Listeners::serve`] makes a [`Server`] of them. When the server stops or is dropped, it takes no
//! further connection and answers what is open with 503; its tasks end by themselves.
//!
//! They are for this machine alone ([`crate::loopback`]), whatever the signature of a request.
//!
//! A silence is held open until the client goes away, at most [`SILENCE`], and then answered with 504.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Wire, WireError};
use crate::account::ARC_REGIONS;
use crate::api::Api;
use crate::loopback::{guarded, listen};

/// The largest body of a request, in bytes. Larger objects take S3's multipart upload.
pub const MAX_BODY: usize = 64 * 1024 * 1024;

/// How long a request that nothing answers is held at most.
pub const SILENCE: Duration = Duration::from_secs(300);

/// Open ports, not served yet.
#[derive(Debug)]
pub struct Listeners {
    /// URL for all services and Regions, without a slash at the end.
    pub url: String,
    /// URLs of the ARC endpoints, in the order of [`ARC_REGIONS`].
    pub arc_urls: [String; ARC_REGIONS.len()],
    main: TcpListener,
    arc: Vec<TcpListener>,
}

impl Listeners {
    /// Opens the ports, chosen by the system.
    ///
    /// # Errors
    /// [`WireError::Listen`].
    pub async fn bind() -> Result<Self, WireError> {
        let (main, url) = open().await?;
        let mut arc = Vec::new();
        let mut arc_urls = [const { String::new() }; ARC_REGIONS.len()];
        for slot in &mut arc_urls {
            let (listener, url) = open().await?;
            arc.push(listener);
            *slot = url;
        }
        Ok(Self { url, arc_urls, main, arc })
    }

    /// Serves `wire` until the server is stopped or dropped. Must be called inside a tokio runtime.
    pub fn serve(self, wire: &Arc<Wire>) -> Server {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let doors = std::iter::once((self.main, None))
            .chain(self.arc.into_iter().enumerate().map(|(i, l)| (l, Some(i))));
        for (listener, arc) in doors {
            let app = Router::new().fallback(answer).with_state(Door {
                wire: wire.clone(),
                arc,
                stop: stop.clone(),
            });
            let served =
                axum::serve(listener, guarded(app)).with_graceful_shutdown(stop.clone().cancelled_owned());
            tasks.spawn(async move {
                if let Err(error) = served.await {
                    tracing::error!(%error, "a port of the sandbox is no longer served");
                }
            });
        }
        Server { url: self.url, arc_urls: self.arc_urls, tasks, stop: stop.drop_guard() }
    }
}

async fn open() -> Result<(TcpListener, String), WireError> {
    let listener = listen().await.map_err(WireError::Listen)?;
    let address = listener.local_addr().map_err(WireError::Listen)?;
    Ok((listener, format!("http://{address}")))
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    /// URL for all services and Regions, without a slash at the end.
    pub url: String,
    /// URLs of the ARC endpoints, in the order of [`ARC_REGIONS`].
    pub arc_urls: [String; ARC_REGIONS.len()],
    tasks: JoinSet<()>,
    stop: DropGuard,
}

impl Server {
    /// Opens ports and serves `api` on them, with S3 objects in the folder `s3_root`.
    ///
    /// # Errors
    /// When no port can be opened or the folder can't be used.
    pub async fn start(api: Arc<dyn Api>, s3_root: &Path) -> Result<Self, WireError> {
        let wire = Wire::new(api, s3_root)?;
        Ok(Listeners::bind().await?.serve(&Arc::new(wire)))
    }

    /// Stops, and waits until every connection is closed.
    pub async fn stop(self) {
        drop(self.stop);
        self.tasks.join_all().await;
    }
}

/// What a port leads to.
#[derive(Clone)]
struct Door {
    wire: Arc<Wire>,
    /// Which ARC endpoint it is, if it is one.
    arc: Option<usize>,
    stop: CancellationToken,
}

async fn answer(State(door): State<Door>, request: Request) -> Response {
    // A client that goes away drops this future.
    tokio::select! {
        response = answer_or_hold(&door, request) => response,
        () = door.stop.cancelled() => (StatusCode::SERVICE_UNAVAILABLE, "the sandbox stops").into_response(),
    }
}

async fn answer_or_hold(door: &Door, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(error) => {
            let message = format!("the body can't be read, or has more than {MAX_BODY} bytes: {error}");
            return (StatusCode::PAYLOAD_TOO_LARGE, message).into_response();
        }
    };
    let request = http::Request::from_parts(parts, body);
    let answer = match door.arc {
        Some(endpoint) => door.wire.handle_arc(endpoint, request).await,
        None => door.wire.handle(request).await,
    };
    match answer {
        Some(response) => response.map(Body::from),
        None => {
            tokio::time::sleep(SILENCE).await;
            (StatusCode::GATEWAY_TIMEOUT, "nothing answers").into_response()
        }
    }
}
