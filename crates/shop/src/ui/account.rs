//! Signing in and out. It is a demonstration: a name is all that is asked for.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::pages::{Field, SignInPage};
use super::session::{Session, customer_id, is_name, sign};
use super::shop::{Shop, go_to, page_with, soon};
use crate::calls::segment;
use crate::input::Fields;

/// `GET /sign-in`
pub async fn look(State(shop): State<Shop>, session: Session) -> Response {
    let frame = shop.frame(&session).await;
    page_with(StatusCode::OK, &SignInPage { frame, name: Field::default() })
}

/// Who somebody is.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Name {
    name: String,
}

/// `POST /sign-in`: what the visitor has in the cart goes along. Where that fails, it stays with the visitor.
pub async fn sign_in(
    State(shop): State<Shop>,
    session: Session,
    Fields(Name { name }): Fields<Name>,
) -> Response {
    if !is_name(&name) {
        let frame = shop.frame(&session).await;
        let error = Some("Please give a name of 1 to 60 letters.".to_owned());
        let page = SignInPage { frame, name: Field { value: name, error } };
        return page_with(StatusCode::BAD_REQUEST, &page);
    }
    let path =
        format!("/carts/{}/merge?sessionId={}", segment(&customer_id(&name)), segment(&session.visitor));
    if let Err(problem) = soon(shop.carts.tell(&path)).await {
        return shop.trouble(&session, &problem, "/sign-in").await;
    }
    let mut response = go_to("/cart");
    sign(&mut response, Some(name.trim()));
    response
}

/// `POST /sign-out`
pub async fn sign_out() -> Response {
    let mut response = go_to("/");
    sign(&mut response, None);
    response
}
