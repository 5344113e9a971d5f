//! The simulation behind a server that speaks DynamoDB's JSON 1.0, for clients that nobody here wrote.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use dynamodb::{Delay, Tables};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Regions without tables.
pub fn tables() -> Tables {
    let delay = Delay { smallest: Duration::from_millis(1), largest: Duration::from_millis(5), seed: 1 };
    Tables::new(&["eu-west-1", "eu-central-1", "eu-north-1"], "123456789012", delay)
}

/// Starts it on a port of its own. Answers where it listens.
pub async fn start() -> String {
    let router = Router::new().route("/", post(answer)).with_state(Arc::new(tables()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router.into_make_service()).await });
    url
}

async fn answer(State(tables): State<Arc<Tables>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = header("x-amz-target").split_once('.').map_or("", |(_, operation)| operation);
    let region = header("authorization").split('/').nth(2).unwrap_or_default();
    let input: Value = serde_json::from_slice(&body).unwrap();
    match tables.call(region, operation, &input, Timestamp::now()) {
        Ok(answer) => (StatusCode::OK, answer.to_string()),
        Err(error) => {
            let mut body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{}", error.code)});
            let member = if error.code == "TransactionCanceledException" { "Message" } else { "message" };
            body[member] = json!(error.message);
            for (name, value) in error.details.as_object().into_iter().flatten() {
                body[name] = value.clone();
            }
            (StatusCode::from_u16(error.status).unwrap(), body.to_string())
        }
    }
}
