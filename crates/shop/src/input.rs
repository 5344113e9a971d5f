//! What comes in, checked: bodies, queries, texts. What is wrong becomes a 400 that names the field.

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Query, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A body of JSON.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match <axum::Json<T> as FromRequest<S>>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(error) => Err(wrong("body", error.status(), &error.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    /// Nothing where no content is said to come.
    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if !request.headers().contains_key(CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

/// The fields of a form.
pub struct Fields<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match <Form<T> as FromRequest<S>>::from_request(request, state).await {
            Ok(Form(value)) => Ok(Self(value)),
            Err(error) => Err(wrong("form", error.status(), &error.body_text())),
        }
    }
}

/// The parameters of a query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(error) => Err(wrong("query", error.status(), &error.body_text())),
        }
    }
}

/// The parts of a path that a route leaves open.
pub struct At<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(error) => Err(wrong("path", error.status(), &error.body_text())),
        }
    }
}

/// What the parser says names the member: `missing field `x``, `items[0].quantity: invalid type …`.
fn wrong(whole: &str, status: StatusCode, said: &str) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::of(status);
    }
    let said = said.split_once(": ").map_or(said, |(_, detail)| detail);
    let named = said.split_once("field `").and_then(|(_, rest)| rest.split_once('`')).map(|(name, _)| name);
    let at = said.split_once(": ").map(|(path, _)| path).filter(|path| !path.contains(' '));
    Problem::bad(named.or(at).unwrap_or(whole), said)
}

/// A text of 1 to `most` characters without control characters; `field` names it in the answer.
///
/// # Errors
/// A 400 when it is not.
pub fn text<'a>(field: &str, text: &'a str, most: usize) -> Result<&'a str, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::bad(field, format!("{field} is empty.")));
    }
    optional_text(field, text, most)
}

/// The same, or nothing at all.
///
/// # Errors
/// As [`text`].
pub fn optional_text<'a>(field: &str, text: &'a str, most: usize) -> Result<&'a str, Problem> {
    let text = text.trim();
    if text.chars().count() > most {
        return Err(Problem::bad(field, format!("{field} has more than {most} characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::bad(field, format!("{field} has control characters.")));
    }
    Ok(text)
}

/// An identifier as it may stand in a key: letters, digits, `-`, `_`, `.` and `@`, at most 64 of them.
///
/// # Errors
/// A 400 when it is none.
pub fn identifier<'a>(field: &str, text: &'a str) -> Result<&'a str, Problem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
        let detail = format!("{field} has to be 1 to 64 letters, digits, '-', '_', '.' or '@'.");
        return Err(Problem::bad(field, detail));
    }
    Ok(text)
}

/// A quantity, from 1 on.
///
/// # Errors
/// A 400 when it is none.
pub fn quantity(field: &str, quantity: i64) -> Result<u32, Problem> {
    match u32::try_from(quantity) {
        Ok(quantity @ 1..=MOST_OF_ONE) => Ok(quantity),
        _ => Err(Problem::bad(field, format!("{field} has to be 1 to {MOST_OF_ONE}."))),
    }
}

/// As many of one product as a customer may have.
pub const MOST_OF_ONE: u32 = 99;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_named() {
        let field = |said: &str| wrong("body", StatusCode::BAD_REQUEST, said).field.unwrap();
        assert_eq!(
            field(
                "Failed to deserialize the JSON body into the target type: missing field `itemId` at line 1"
            ),
            "itemId"
        );
        assert_eq!(
            field(
                "Failed to deserialize the JSON body into the target type: items[0].quantity: invalid type: string"
            ),
            "items[0].quantity"
        );
        assert_eq!(field("Failed to parse the request body as JSON: expected value at line 1"), "body");
    }

    #[test]
    fn texts_and_identifiers_have_bounds() {
        assert_eq!(text("city", " Bern ", 5).unwrap(), "Bern");
        assert!(text("city", "  ", 5).is_err());
        assert!(text("city", "Lausanne", 5).is_err());
        assert!(text("city", "a\u{7}b", 5).is_err());
        assert_eq!(optional_text("city", "", 5).unwrap(), "");
        for good in ["a", "3e8480f7-92fb", "a.b_c@d"] {
            assert_eq!(identifier("id", good).unwrap(), good);
        }
        for bad in ["", "a b", "a:b", "ä", "<", "a/b", &"x".repeat(65)] {
            assert_eq!(identifier("id", bad).unwrap_err().field.as_deref(), Some("id"), "{bad}");
        }
        assert_eq!(quantity("quantity", 99).unwrap(), 99);
        assert!(quantity("quantity", 0).is_err() && quantity("quantity", 100).is_err());
    }
}
