//! JSON 1.0 and 1.1: the operation stands in `X-Amz-Target`, the input is the body.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::response::{malformed, response, set_header, unknown};
use super::tables;
use crate::api::ApiError;

/// Content type of the answers; clients of 1.0 don't look at it.
const CONTENT: &str = "application/x-amz-json-1.1";

pub(super) fn decode(request: &Request<Bytes>) -> Result<(String, Value), ApiError> {
    let target =
        request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (_, operation) = target
        .rsplit_once('.')
        .ok_or_else(|| unknown(format!("the target '{target}' (Service.Operation)")))?;
    let mut input = body(request.body())?;
    tables::times_to_text(&mut input);
    Ok((operation.to_owned(), input))
}

/// A JSON object; nothing at all is an empty one.
pub(super) fn body(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice(bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(malformed("the body is not a JSON object")),
        Err(error) => Err(malformed(format!("the body is not JSON: {error}"))),
    }
}

pub(super) fn success(mut output: Value) -> Response<Bytes> {
    tables::times_to_seconds(&mut output);
    if output.is_null() {
        output = json!({});
    }
    response(200, CONTENT, output.to_string())
}

pub(super) fn failure(error: &ApiError) -> Response<Bytes> {
    let shape = tables::shape(&error.code);
    let mut body = json!({ "__type": shape, "message": error.message });
    if let (Value::Object(body), Some(Value::Object(details))) = (&mut body, error.details.as_deref()) {
        body.extend(details.clone());
    }
    let mut response = response(error.status, CONTENT, body.to_string());
    set_header(&mut response, "x-amzn-errortype", shape);
    response
}
