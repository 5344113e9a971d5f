//! A customer's orders: the list, one of them, and what can still be changed in it. Nobody sees another's.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::pages::{OrderPage, OrdersPage};
use super::session::Session;
use super::shop::{Shop, go_to, page_of, page_with, part, soon};
use crate::api::{Order, OrderStatus, StatusChange};
use crate::calls::segment;
use crate::input::{Asked, At, Fields};
use crate::problem::Problem;

/// `GET /orders`
pub async fn list(State(shop): State<Shop>, session: Session) -> Response {
    let path = format!("/orders?customerId={}", segment(&session.owner()));
    let (frame, orders) = tokio::join!(shop.frame(&session), soon(shop.orders.get::<Vec<Order>>(&path)));
    let page = OrdersPage { frame, orders: orders.ok().into() };
    page_with(page_of(&page.orders), &page)
}

/// An order of whoever is looking; another's is as good as none.
async fn own(shop: &Shop, session: &Session, id: &str) -> Result<Order, Problem> {
    let order: Order = soon(shop.orders.get(&format!("/orders/{}", segment(id)))).await?;
    if order.customer_id == session.owner() { Ok(order) } else { Err(Problem::not_found("order")) }
}

/// Whether it was placed just now.
#[derive(Deserialize)]
pub struct Placed {
    placed: Option<u8>,
}

/// `GET /orders/{id}`
pub async fn look(
    State(shop): State<Shop>,
    session: Session,
    At(id): At<String>,
    Asked(placed): Asked<Placed>,
) -> Response {
    let (frame, order) = tokio::join!(shop.frame(&session), own(&shop, &session, &id));
    let Some(order) = part(order) else {
        // It may have been confirmed in a Region whose last writes are not here.
        let said = (
            "We can’t find this order",
            "It is not in our order book here. If it was confirmed to you, please keep its number and ask us: we look for it.",
        );
        return shop.message(&session, StatusCode::NOT_FOUND, said, ("/orders", "All my orders")).await;
    };
    let page = OrderPage { frame, order_id: id, order, just_placed: placed.placed == Some(1) };
    page_with(page_of(&page.order), &page)
}

/// `POST /orders/{id}/cancel`
pub async fn cancel(State(shop): State<Shop>, session: Session, At(id): At<String>) -> Response {
    let changed = async {
        own(&shop, &session, &id).await?;
        let change = StatusChange { status: OrderStatus::Cancelled };
        shop.orders.patch::<_, Order>(&format!("/orders/{}", segment(&id)), &change).await.map(drop)
    };
    done(&shop, &session, &id, changed.await).await
}

/// Which item is taken out.
#[derive(Deserialize)]
pub struct Line {
    line: u32,
}

/// `POST /orders/{id}/remove`
pub async fn remove(
    State(shop): State<Shop>,
    session: Session,
    At(id): At<String>,
    Fields(Line { line }): Fields<Line>,
) -> Response {
    let changed = async {
        own(&shop, &session, &id).await?;
        // Asked twice, the second time finds that it is gone.
        match shop.orders.delete(&format!("/orders/{}/items/{line}", segment(&id))).await {
            Err(problem) if problem.status == StatusCode::NOT_FOUND.as_u16() => Ok(()),
            answered => answered,
        }
    };
    done(&shop, &session, &id, changed.await).await
}

async fn done(shop: &Shop, session: &Session, id: &str, changed: Result<(), Problem>) -> Response {
    let page = format!("/orders/{}", segment(id));
    match changed {
        Ok(()) => go_to(&page),
        Err(problem) => shop.trouble(session, &problem, &page).await,
    }
}
