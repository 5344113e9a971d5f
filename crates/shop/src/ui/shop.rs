//! What the pages are made from: the other services, asked so that a page never waits long for one of them.

use std::time::Duration;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, LOCATION, RETRY_AFTER};
use tokio::time::timeout;

use super::pages::{Frame, MessagePage, Notice, NoticeKind, Part};
use super::session::Session;
use crate::api::{Cart, Product};
use crate::calls::{Other, segment};
use crate::problem::Problem;

/// The other services. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Products.
    pub catalog: Other,
    /// Carts.
    pub carts: Other,
    /// What a customer is about to order.
    pub checkout: Other,
    /// Orders.
    pub orders: Other,
    /// Pictures.
    pub assets: Other,
    /// The Region that they are in.
    pub region: String,
}

/// How long a page waits for one of its parts.
const PATIENCE: Duration = Duration::from_secs(2);

impl Shop {
    /// What is around a page of this session.
    pub async fn frame(&self, session: &Session) -> Frame {
        let cart = self.cart(session).await;
        let count = |cart: Cart| cart.items.iter().map(|item| item.quantity).sum::<i64>();
        self.frame_with(session, cart.ok().map(count))
    }

    /// The same where it is known what is in the cart.
    pub fn frame_with(&self, session: &Session, things: Option<i64>) -> Frame {
        Frame {
            region: self.region.clone(),
            customer: session.name.clone(),
            cart_count: things.map(|things| u32::try_from(things).unwrap_or_default()),
            notice: None,
        }
    }

    /// The cart of whoever is looking.
    pub async fn cart(&self, session: &Session) -> Result<Cart, Problem> {
        let path = format!("/carts/{}", segment(&session.owner()));
        soon(self.carts.get(&path)).await
    }

    /// One product.
    pub async fn product(&self, id: &str) -> Result<Product, Problem> {
        soon(self.catalog.get(&format!("/catalog/products/{}", segment(id)))).await
    }

    /// A page that says that something went wrong, and what a customer can make of it.
    pub async fn trouble(&self, session: &Session, problem: &Problem, again: &str) -> Response {
        let said = match problem.status {
            404 => {
                ("We don’t have that", "There is nothing at this address. Perhaps it was sold, or mistyped.")
            }
            400 | 409 | 402 | 413 => ("That did not work", problem.detail.as_str()),
            _ => (
                "One moment, please",
                "A part of the shop is having a break. Nothing of yours is lost: please try again in a moment.",
            ),
        };
        let way = if problem.is_unavailable() { (again, "Try again") } else { ("/", "To the shop") };
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.message(session, status, said, way).await
    }

    /// A page with a title, a text, and a way on: where, and what that is called.
    pub async fn message(
        &self,
        session: &Session,
        status: StatusCode,
        (title, text): (&str, &str),
        (href, label): (&str, &str),
    ) -> Response {
        let page = MessagePage {
            frame: self.frame(session).await,
            title: title.into(),
            text: text.into(),
            href: href.into(),
            label: label.into(),
        };
        page_with(status, &page)
    }
}

/// What answers soon, or not at all.
pub async fn soon<T>(asked: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    match timeout(PATIENCE, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(Problem::unavailable("service", &"a page did not wait any longer")),
    }
}

/// A page's part: what was found, `None` when there is no such thing.
pub fn part<T>(asked: Result<T, Problem>) -> Option<Part<T>> {
    match asked {
        Ok(found) => Some(Part::Here(found)),
        Err(problem) if problem.status == 404 => None,
        Err(_) => Some(Part::Unavailable),
    }
}

/// A page whose main part is there, or is not: 503 then, so that a health check sees it, and all the same a page.
pub fn page_of<T>(part: &Part<T>) -> StatusCode {
    match part {
        Part::Here(_) => StatusCode::OK,
        Part::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A page with this status.
pub fn page_with(status: StatusCode, page: &impl Template) -> Response {
    let mut response = match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => return Problem::fault(&error).into_response(),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// Sends the browser to another page, by `GET`. The address is one of this shop, with nothing that was typed unescaped in it.
pub fn go_to(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(LOCATION, address);
    }
    response
}

/// A line on top of a page that says what went wrong.
pub fn notice(text: impl Into<String>) -> Option<Notice> {
    Some(Notice { kind: NoticeKind::Trouble, text: text.into() })
}
