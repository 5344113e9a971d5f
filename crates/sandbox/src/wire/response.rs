//! What every protocol answers with: a response of one content type, and the errors that the wire itself finds.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use crate::api::ApiError;

/// A response of one content type.
pub(super) fn response(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sets a header; text that can't be one is left out.
pub(super) fn set_header(response: &mut Response<Bytes>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A request that can't be understood.
pub(super) fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new("SerializationException", message)
}

/// An operation that no protocol knows here.
pub(super) fn unknown(what: impl std::fmt::Display) -> ApiError {
    ApiError::with_status(404, "UnknownOperationException", format!("the sandbox does not know {what}"))
}
