//! Who is looking: a visitor's own session, and who has signed in.
//!
//! Two cookies and nothing else: `visitor`, a random id that each browser gets with its first page, and `customer`, the name that
//! somebody has signed in with. Nothing of it is kept in a Region, so that a session is the same in the Region that takes over. It is a
//! demonstration: there is no password, and a name is all that is asked for.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use uuid::Uuid;

const VISITOR: &str = "visitor";
const CUSTOMER: &str = "customer";
/// A month.
const KEPT: u32 = 30 * 24 * 3_600;
/// The names that people sign in with, as ids.
const NAMES: Uuid = Uuid::from_u128(0x0c5e_a1de_0000_4000_8000_0000_5409_0001);

/// Who is looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The browser's own id.
    pub visitor: String,
    /// The name that it is signed in with.
    pub name: Option<String>,
}

impl Session {
    /// Whose cart and orders these are.
    pub fn owner(&self) -> String {
        self.name.as_deref().map_or_else(|| self.visitor.clone(), customer_id)
    }

    fn of(headers: &HeaderMap) -> Option<Self> {
        // A random id, and nothing that was made up to get at somebody's.
        let visitor = cookie(headers, VISITOR)?.parse::<Uuid>().ok()?.to_string();
        let name =
            cookie(headers, CUSTOMER).map(|name| percent_decode_str(&name).decode_utf8_lossy().into_owned());
        Some(Self { visitor, name: name.filter(|name| is_name(name)) })
    }
}

/// The id of a customer of this name, however it is written.
pub fn customer_id(name: &str) -> String {
    Uuid::new_v5(&NAMES, name.trim().to_lowercase().as_bytes()).to_string()
}

/// Whether somebody can be called so.
pub fn is_name(name: &str) -> bool {
    (1..=60).contains(&name.trim().chars().count()) && !name.chars().any(char::is_control)
}

/// Makes a session for whoever has none, before the page.
pub async fn begun(mut request: Request, next: Next) -> Response {
    if let Some(session) = Session::of(request.headers()) {
        request.extensions_mut().insert(session);
        return next.run(request).await;
    }
    let session = Session { visitor: Uuid::new_v4().to_string(), name: None };
    let visitor = session.visitor.clone();
    request.extensions_mut().insert(session);
    let mut response = next.run(request).await;
    keep(&mut response, VISITOR, &visitor, KEPT);
    response
}

/// Signs in with a name, or out.
pub fn sign(response: &mut Response, name: Option<&str>) {
    match name {
        Some(name) => {
            keep(response, CUSTOMER, &utf8_percent_encode(name, NON_ALPHANUMERIC).to_string(), KEPT);
        }
        None => keep(response, CUSTOMER, "", 0),
    }
}

/// Not sent with what another site asks for, but for links: that is what keeps other sites from ordering here.
fn keep(response: &mut Response, name: &str, value: &str, seconds: u32) {
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let begun = parts.extensions.get::<Self>().cloned();
        // `begun` is before every page.
        Ok(begun.unwrap_or_else(|| Self { visitor: Uuid::nil().to_string(), name: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookies).unwrap())])
    }

    #[test]
    fn a_session_is_that_of_its_cookies() {
        let id = "3e8480f7-92fb-4043-8e30-41cf906e676f";
        let session =
            Session::of(&headers(&format!("a=b; visitor={id}; customer=Ada%20L%C3%B8velace"))).unwrap();
        assert_eq!(session, Session { visitor: id.into(), name: Some("Ada Løvelace".into()) });
        assert_eq!(session.owner(), customer_id(" ada løvelace"));
        assert_eq!(Session::of(&headers(&format!("visitor={id}"))).unwrap().owner(), id);
    }

    #[test]
    fn what_was_made_up_is_no_session() {
        assert_eq!(Session::of(&headers("visitor=../../x")), None);
        assert_eq!(Session::of(&HeaderMap::new()), None);
        let id = "3e8480f7-92fb-4043-8e30-41cf906e676f";
        let long = format!("visitor={id}; customer={}", "x".repeat(61));
        assert_eq!(Session::of(&headers(&long)).unwrap().name, None);
        assert!(!is_name("a\u{0}b") && !is_name("  "));
    }
}
