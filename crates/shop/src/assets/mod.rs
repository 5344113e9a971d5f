//! Pictures and the style sheet, part of the program: of our own making.
//!
//! `GET /assets/{file}`. Each has an `ETag` of its content; a browser keeps it for an hour and asks then whether it is still that.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::input::At;
use crate::metrics::Counted;
use crate::problem::Problem;
use crate::service::Service;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!($name))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "favicon.svg",
    "shop.css",
    "products/canvas-tent.svg",
    "products/oak-stool.svg",
    "products/pocket-map.svg",
    "products/rain-cape.svg",
    "products/river-kettle.svg",
    "products/rope-bag.svg",
    "products/signal-whistle.svg",
    "products/storm-lantern.svg",
    "products/tide-compass.svg",
    "products/tin-mug.svg",
    "products/walking-boots.svg",
    "products/wool-blanket.svg",
];

/// The service.
pub fn service() -> Service {
    let routes = Router::new().route("/assets/{*file}", get(file));
    Service { name: "assets", routes, dependencies: Vec::new(), metrics: Counted::default().metrics() }
}

async fn file(At(file): At<String>, headers: HeaderMap) -> Response {
    let Some((name, content)) = FILES.iter().find(|(name, _)| *name == file) else {
        return Problem::not_found("picture").into_response();
    };
    let tag = tag(content);
    let kind = if name.ends_with(".css") { "text/css; charset=utf-8" } else { "image/svg+xml" };
    let unchanged = headers.get(IF_NONE_MATCH).is_some_and(|known| *known == tag);
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, HeaderValue::from_static(kind))], *content).into_response()
    };
    let kept = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(CACHE_CONTROL, kept);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Another for each content; the same in every process of this program.
fn tag(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
