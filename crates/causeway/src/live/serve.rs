//! The page on a port of loopback.

use std::convert::Infallible;
use std::future::IntoFuture;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures::{Stream, StreamExt};
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use sandbox::loopback::{guarded, listen};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::WatchStream;

use super::picture::Picture;
use crate::Error;
use askama::Template;

type Looks = watch::Receiver<Picture>;

/// Serves the page; returns where, and the task that does.
///
/// # Errors
/// When no port is free.
pub async fn page(looks: Looks) -> Result<(String, JoinHandle<()>), Error> {
    let listener = listen().await?;
    let url = format!("http://localhost:{}", listener.local_addr()?.port());
    let script = async || ([(CONTENT_TYPE, "text/javascript")], include_str!("live.js"));
    let router = Router::new()
        .route("/", get(whole))
        .route("/live.js", get(script))
        .route("/now", get(now))
        .with_state(looks);
    let serving = tokio::spawn(async move {
        // It ends with the task.
        let _ = axum::serve(listener, guarded(router)).into_future().await;
    });
    Ok((url, serving))
}

async fn whole(State(looks): State<Looks>) -> Response {
    let page = looks.borrow().page();
    match page {
        Ok(page) => {
            let policy =
                "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'";
            ([(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))], Html(page)).into_response()
        }
        Err(error) => (reqwest::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What changes, as often as it does.
async fn now(State(looks): State<Looks>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let pictures = WatchStream::new(looks).map(|picture| {
        // One that can't be rendered is left out.
        Ok(Event::default().data(picture.render().unwrap_or_default()))
    });
    Sse::new(pictures).keep_alive(KeepAlive::default())
}
